/*
 * seconds.c: times as seconds since 1970-01-01 00:00, as models take them: UTC for timestamptz, the clock's own otherwise.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/timestamp.h"

#define EPOCH_DIFFERENCE ((double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

double
mdl_timestamp_seconds(int64 time)
{
	if (TIMESTAMP_IS_NOBEGIN(time))
		return -get_float8_infinity();
	if (TIMESTAMP_IS_NOEND(time))
		return get_float8_infinity();
	return (double) time / USECS_PER_SEC + EPOCH_DIFFERENCE;
}

double
mdl_date_seconds(int32 date)
{
	if (DATE_IS_NOBEGIN(date))
		return -get_float8_infinity();
	if (DATE_IS_NOEND(date))
		return get_float8_infinity();
	return (double) date * SECS_PER_DAY + EPOCH_DIFFERENCE;
}

bool
mdl_is_time(Oid type)
{
	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

const char *
mdl_seconds_function(Oid type)
{
	return type == DATEOID ? "medallion._date_seconds" : type == TIMESTAMPOID ? "medallion._timestamp_seconds" :
		"medallion._timestamptz_seconds";
}

MDL_FUNCTION(mdl_seconds_of_timestamp);
Datum
mdl_seconds_of_timestamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(mdl_timestamp_seconds(PG_GETARG_TIMESTAMP(0)));
}

MDL_FUNCTION(mdl_seconds_of_date);
Datum
mdl_seconds_of_date(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(mdl_date_seconds(PG_GETARG_DATEADT(0)));
}
