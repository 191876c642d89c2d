/*
 * number.h: values of the numeric types as double precision.
 */
#ifndef MDL_NUMBER_H
#define MDL_NUMBER_H

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"

static inline bool
mdl_is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID || type == FLOAT8OID || type == NUMERICOID;
}

/*
 * A value of one of these types, or a boolean as 1 or 0.  A numeric beyond the range of double precision is an error, as it is
 * in the cast: infinity would stand for a number that is not infinite.
 */
static inline double
mdl_number_of(Oid type, Datum value)
{
	switch (type)
	{
		case FLOAT8OID:
			return DatumGetFloat8(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case NUMERICOID:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
		default:
			return DatumGetBool(value) ? 1 : 0;
	}
}

#endif							/* MDL_NUMBER_H */
