/*
 * shim_ml.c: the SQL-callable functions whose code is in medallion_ml.so, one line each, in alphabetical order.
 */
#include "base/base.h"


MDL_SHIM(MDL_LIBRARY_ML, mdl_ml_library);
