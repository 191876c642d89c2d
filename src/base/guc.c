/*
 * guc.c: every setting of medallion, in alphabetical order.
 */
#include "base/base.h"

#include <limits.h>

#include "utils/guc.h"

int			mdl_feature_mem = 512 * 1024;

void
mdl_guc_init(void)
{
	DefineCustomIntVariable("medallion.feature_mem",
							"Memory for the events that a training set reads at a time, per feature view.",
							"Beyond it the source is read again for a part of the entities.",
							&mdl_feature_mem, 512 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	MarkGUCPrefixReserved("medallion");
}
