/*
 * medallion_lake.c: entry of medallion_lake.so.
 */
#include "base/base.h"

#include "utils/builtins.h"

#pragma GCC visibility push(default)
PG_MODULE_MAGIC;
#pragma GCC visibility pop

extern MDL_EXPORT void _PG_init(void);

/* Without an entry of its own the server would find medallion.so's and run it twice. */
void
_PG_init(void)
{
	load_file("$libdir/medallion", false);
}

MDL_SHIM_TARGET(mdl_lake_library);
Datum
mdl_lake_library_impl(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}
