/*
 * shim_lake.c: the SQL-callable functions whose code is in medallion_lake.so, one line each, in alphabetical order.
 */
#include "base/base.h"

MDL_SHIM(MDL_LIBRARY_LAKE, mdl_ingest);
MDL_SHIM(MDL_LIBRARY_LAKE, mdl_lake_library);
MDL_SHIM(MDL_LIBRARY_LAKE, mdl_lake_validator);
