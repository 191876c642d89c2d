/*
 * guc.c: every setting of medallion, in alphabetical order.
 */
#include "base/base.h"

#include "utils/guc.h"

void
mdl_guc_init(void)
{
	MarkGUCPrefixReserved("medallion");
}
