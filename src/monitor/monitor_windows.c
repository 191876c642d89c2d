/*
 * monitor_windows.c: where the windows of a monitor begin and end.
 *
 * Window k begins k sizes after 1 January 2001 00:00 of the monitor's time zone.  Months have no fixed length, so the
 * number of a time's window is guessed from the average length and then corrected.
 */
#include "monitor/monitor_int.h"

#include "datatype/timestamp.h"
#include "utils/datetime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_WINDOW_NUMBER	2000000000	/* far beyond any time, and exact as a double */

/* Microseconds of an interval, a month being a twelfth of 365.25 days. */
static double
average_length(const Interval *size)
{
	return (double) size->time + ((double) size->day + size->month * (DAYS_PER_YEAR / MONTHS_PER_YEAR)) * USECS_PER_DAY;
}

void
mdl_window_check_size(const Interval *size)
{
	if (average_length(size) < USECS_PER_SEC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"window_size\" must be at least one second")));
	/* '1 month -1 day' has no order; a mixture of signs is not a length. */
	if (size->month < 0 || size->day < 0 || size->time < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no part of argument \"window_size\" can be negative")));
}

/* 1 January 2001 00:00 in the session's time zone. */
static TimestampTz
origin(void)
{
	struct pg_tm tm = {.tm_year = 2001, .tm_mon = 1, .tm_mday = 1};
	int			zone = DetermineTimeZoneOffset(&tm, session_timezone);
	TimestampTz result;

	if (tm2timestamp(&tm, 0, &zone, &result) != 0)
		elog(ERROR, "timestamp out of range");
	return result;
}

TimestampTz
mdl_window_start(const MdlMonitor *monitor, int64 k)
{
	Datum		distance = DirectFunctionCall2(interval_mul, IntervalPGetDatum(monitor->window_size), Float8GetDatum((double) k));

	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(origin()), distance));
}

int64
mdl_window_number(const MdlMonitor *monitor, TimestampTz time)
{
	double		guess;
	int64		k;

	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("monitor \"%s\" cannot have a window at an infinite time", monitor->name),
				 errhint("Exclude such rows by a query given as source.")));
	guess = ((double) time - (double) origin()) / average_length(monitor->window_size);
	if (guess > MAX_WINDOW_NUMBER || guess < -MAX_WINDOW_NUMBER)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time %s is too far away for windows of the size of monitor \"%s\"", timestamptz_to_str(time), monitor->name)));
	k = (int64) guess;
	while (mdl_window_start(monitor, k) > time)
		k--;
	while (mdl_window_start(monitor, k + 1) <= time)
		k++;
	return k;
}
