/*
 * cron.c: times of the clock as cron has them: five fields, minute, hour, day of the month, month, day of the week.
 *
 * What the fields mean is what Vixie's cron (crontab(5)) makes of them: *, numbers, names of months and days, lists, ranges
 * and steps, or a nickname such as @daily; days match if either of the day fields does when both are restricted.  So does
 * what happens when clocks are put forward or back: a schedule whose minute or hour begins with * follows the clock, every
 * other one runs once for each day it names: at the moment of the change if the clock skips its time, and the first time
 * if the clock shows its time twice.
 */
#include "base/base.h"
#include "base/background.h"

#include <ctype.h>

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define QUARTER_HOUR	(15 * 60)	/* clocks are changed at such times, these days */
#define SECONDS_PER_DAY	((int64) SECS_PER_DAY)
#define HORIZON_DAYS	(50 * 366)	/* what does not come in fifty years never does */

typedef struct Field
{
	const char *name;
	int			low;
	int			high;
	const char *const *words;	/* NULL, or the names of low, low + 1, … */
	int			word_count;
} Field;

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum
{
	FIELD_MINUTE,
	FIELD_HOUR,
	FIELD_DAY,
	FIELD_MONTH,
	FIELD_WEEKDAY,
	FIELD_COUNT
};

static const Field fields[FIELD_COUNT] = {
	{"minute", 0, 59, NULL, 0},
	{"hour", 0, 23, NULL, 0},
	{"day of the month", 1, 31, NULL, 0},
	{"month", 1, 12, month_names, lengthof(month_names)},
	{"day of the week", 0, 7, day_names, lengthof(day_names)},	/* 0 and 7 are Sunday */
};

static const struct
{
	const char *name;
	const char *meaning;
}			nicknames[] = {
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

typedef struct Cron
{
	uint64		allowed[FIELD_COUNT];	/* bit i: value i */
	bool		star[FIELD_COUNT];	/* begins with * */
} Cron;

static bool
allows(const Cron *cron, int field, int value)
{
	return (cron->allowed[field] >> value) & 1;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void
reject_field(const char *text, const Field *field, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the %s of schedule \"%s\" %s", field->name, text, problem),
			 field->words ?
			 errhint("The %s is *, a number from %d to %d or a name such as %s, a range a-b, or a list of these; a step /n may follow * and ranges.",
					 field->name, field->low, field->high, field->words[1]) :
			 errhint("The %s is *, a number from %d to %d, a range a-b, or a list of these; a step /n may follow * and ranges.",
					 field->name, field->low, field->high)));
}

/* Reads a number or a name. */
static int
read_value(const char *text, const Field *field, const char **at)
{
	int			value = 0;
	int			digits = 0;

	for (int i = 0; i < field->word_count; i++)
		if (pg_strncasecmp(*at, field->words[i], 3) == 0 && !isalpha((unsigned char) (*at)[3]))
		{
			*at += 3;
			return field->low + i;
		}
	while (isdigit((unsigned char) **at) && digits++ < 4)
		value = value * 10 + *(*at)++ - '0';
	if (digits == 0)
		reject_field(text, field, "cannot be read");
	if (value < field->low || value > field->high)
		reject_field(text, field, "is out of range");
	return value;
}

static int
read_step(const char *text, const Field *field, const char **at)
{
	int			step = 0;
	int			digits = 0;

	(*at)++;
	while (isdigit((unsigned char) **at) && digits++ < 4)
		step = step * 10 + *(*at)++ - '0';
	if (step == 0)
		reject_field(text, field, "has a step that is not a number above zero");
	return step;
}

static void
read_field(const char *text, int number, const char **at, Cron *cron)
{
	const Field *field = &fields[number];

	cron->star[number] = **at == '*';
	for (;;)
	{
		int			first = field->low;
		int			last = field->high;
		int			step = 1;

		if (**at == '*')
		{
			(*at)++;
			if (number == FIELD_WEEKDAY)
				last = 6;
		}
		else
		{
			first = last = read_value(text, field, at);
			if (**at == '-')
			{
				(*at)++;
				last = read_value(text, field, at);
				if (number == FIELD_WEEKDAY && last == 0 && first > 0)
					last = 7;
				if (last < first)
					reject_field(text, field, "has a range that ends before it begins");
			}
			else if (**at == '/')
				reject_field(text, field, "has a step after a single value");
		}
		if (**at == '/')
			step = read_step(text, field, at);
		for (int value = first; value <= last; value += step)
			cron->allowed[number] |= UINT64CONST(1) << (number == FIELD_WEEKDAY && value == 7 ? 0 : value);
		if (**at != ',')
			break;
		(*at)++;
	}
	if (**at != '\0' && !isspace((unsigned char) **at))
		reject_field(text, field, "cannot be read");
}

static const char *
skip_space(const char *at)
{
	while (isspace((unsigned char) *at))
		at++;
	return at;
}

/* Reads a schedule; raises what is wrong with it. */
static Cron
read_schedule(const char *text)
{
	Cron		cron = {0};
	const char *at = skip_space(text);

	if (*at == '@')
	{
		const char *meaning = NULL;

		for (int i = 0; i < lengthof(nicknames); i++)
			if (pg_strcasecmp(at, nicknames[i].name) == 0)
				meaning = nicknames[i].meaning;
		if (meaning == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("schedule \"%s\" is no nickname", text),
					 errhint("Use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually, or five fields.")));
		at = meaning;
	}
	for (int i = 0; i < FIELD_COUNT; i++)
	{
		if (*at == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("schedule \"%s\" has %d of 5 fields", text, i),
					 errhint("Write minute, hour, day of the month, month and day of the week, for example '30 3 * * mon-fri'.")));
		read_field(text, i, &at, &cron);
		at = skip_space(at);
	}
	if (*at != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("schedule \"%s\" has more than 5 fields", text),
				 errhint("Write minute, hour, day of the month, month and day of the week, for example '30 3 * * mon-fri'.")));
	return cron;
}

static pg_tz *
read_zone(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" does not exist", name),
				 errhint("Use a name of pg_timezone_names, for example 'Europe/Berlin'.")));
	return zone;
}

/* ---- the next time ------------------------------------------------------------------------------------------------ */

/* What the clock shows at a time, in seconds as if it were UTC. */
static int64
clock_at(pg_time_t when, pg_tz *zone)
{
	struct pg_tm *tm = pg_localtime(&when, zone);

	return when + tm->tm_gmtoff;
}

static bool
day_matches(const Cron *cron, int64 day)
{
	int			year,
				month,
				dom;
	int			dow = (int) ((day + 4) % 7);	/* 1970-01-01 was a Thursday */

	j2date((int) day + UNIX_EPOCH_JDATE, &year, &month, &dom);
	if (!allows(cron, FIELD_MONTH, month))
		return false;
	if (cron->star[FIELD_DAY] || cron->star[FIELD_WEEKDAY])
		return allows(cron, FIELD_DAY, dom) && allows(cron, FIELD_WEEKDAY, dow);
	return allows(cron, FIELD_DAY, dom) || allows(cron, FIELD_WEEKDAY, dow);
}

/* A schedule that follows the clock: minute by minute, where the day and the hour are right. */
static bool
next_by_clock(const Cron *cron, pg_tz *zone, pg_time_t after, pg_time_t *next)
{
	pg_time_t	end = after + HORIZON_DAYS * SECONDS_PER_DAY;
	pg_time_t	when = after - after % SECS_PER_MINUTE + SECS_PER_MINUTE;

	while (when < end)
	{
		int64		clock = clock_at(when, zone);
		int64		second = clock % SECONDS_PER_DAY;

		if (!day_matches(cron, clock / SECONDS_PER_DAY))
		{
			/* Not beyond midnight, also when clocks are put forward on the way. */
			int64		left = SECONDS_PER_DAY - second - 3 * SECS_PER_HOUR;

			when += left > QUARTER_HOUR ? left : QUARTER_HOUR - when % QUARTER_HOUR;
		}
		else if (!allows(cron, FIELD_HOUR, second / SECS_PER_HOUR))
			when += QUARTER_HOUR - when % QUARTER_HOUR;
		else if (!allows(cron, FIELD_MINUTE, second % SECS_PER_HOUR / SECS_PER_MINUTE))
			when += SECS_PER_MINUTE;
		else
		{
			*next = when;
			return true;
		}
	}
	return false;
}

/* The first moment at which the clock shows a time, or, if it never does, at which it has passed it. */
static pg_time_t
moment_of(int64 clock, pg_tz *zone)
{
	pg_time_t	day_before = clock - SECONDS_PER_DAY;
	pg_time_t	day_after = clock + SECONDS_PER_DAY;
	pg_time_t	early = clock - (clock_at(day_before, zone) - day_before);
	pg_time_t	late = clock - (clock_at(day_after, zone) - day_after);
	pg_time_t	boundary;
	long int	offset_before,
				offset_after;
	int			dst_before,
				dst_after;

	if (early > late)
	{
		pg_time_t	swap = early;

		early = late;
		late = swap;
	}
	if (clock_at(early, zone) == clock)
		return early;
	if (clock_at(late, zone) == clock)
		return late;
	/* Skipped: between the two, clocks are put forward. */
	if (pg_next_dst_boundary(&early, &offset_before, &dst_before, &boundary, &offset_after, &dst_after, zone) == 1 &&
		boundary <= late)
		return boundary;
	return late;
}

/* A schedule that names times of the day. */
static bool
next_by_day(const Cron *cron, pg_tz *zone, pg_time_t after, pg_time_t *next)
{
	int64		today = clock_at(after, zone) / SECONDS_PER_DAY;

	for (int64 day = today - 1; day < today + HORIZON_DAYS; day++)
	{
		if (!day_matches(cron, day))
			continue;
		for (int minute = 0; minute < MINS_PER_HOUR * HOURS_PER_DAY; minute++)
		{
			if (!allows(cron, FIELD_HOUR, minute / MINS_PER_HOUR) || !allows(cron, FIELD_MINUTE, minute % MINS_PER_HOUR))
				continue;
			*next = moment_of(day * SECONDS_PER_DAY + minute * SECS_PER_MINUTE, zone);
			if (*next > after)
				return true;
		}
	}
	return false;
}

TimestampTz
mdl_schedule_next(const char *schedule, const char *time_zone, TimestampTz after)
{
	Cron		cron = read_schedule(schedule);
	pg_tz	   *zone = read_zone(time_zone);
	pg_time_t	next;
	bool		found;

	if (TIMESTAMP_NOT_FINITE(after) || after > GetCurrentTimestamp() + 1000 * DAYS_PER_YEAR * USECS_PER_DAY ||
		timestamptz_to_time_t(after) < SECONDS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("no time of schedule \"%s\" can be told after %s", schedule, timestamptz_to_str(after)),
				 errhint("Give a time between 1970 and a thousand years from now.")));
	found = (cron.star[FIELD_MINUTE] || cron.star[FIELD_HOUR] ? next_by_clock : next_by_day)
		(&cron, zone, timestamptz_to_time_t(after), &next);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("schedule \"%s\" never comes", schedule),
				 errhint("No day has that date.")));
	return time_t_to_timestamptz(next);
}

MDL_FUNCTION(mdl_next_run);
Datum
mdl_next_run(PG_FUNCTION_ARGS)
{
	char	   *schedule = mdl_required_text(fcinfo, 0, "schedule");
	char	   *zone = mdl_optional_text(fcinfo, 1);

	PG_RETURN_TIMESTAMPTZ(mdl_schedule_next(schedule, zone ? zone : pg_get_timezone_name(session_timezone),
											PG_ARGISNULL(2) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(2)));
}
