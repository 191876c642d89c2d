/*
 * versioning_init.c: hooks and callbacks of versioned tables.
 */
#include "versioning/versioning_int.h"

void
mdl_versioning_init(void)
{
	mdl_capture_init();
	mdl_as_of_init();
}
