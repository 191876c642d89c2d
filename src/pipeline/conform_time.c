/*
 * conform_time.c: medallion.local_instant and try_timestamp: the instant that a clock or a text tells.
 *
 * A local time names no instant in the hour that is left out when clocks go forward, and two in the hour that comes twice when
 * they go back.  As the server does, at most one such change is looked for within a day of the time.
 */
#include "pipeline/conform_int.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"

#include <ctype.h>

/* ---- zones --------------------------------------------------------------------------------------------------------- */

/* The last zone that a call site named. */
typedef struct ZoneCache
{
	char		name[TZ_STRLEN_MAX + 1];
	pg_tz	   *zone;			/* NULL: there is none of that name */
} ZoneCache;

/* "+05:30", "-8", "+0100": seconds east of Greenwich. */
static bool
read_offset(const char *name, long *seconds)
{
	int			hours,
				minutes = 0;
	int			digits = strspn(name + 1, "0123456789");

	if ((*name != '+' && *name != '-') || digits == 0 || digits > 4 || digits == 3)
		return false;
	if (sscanf(name + 1, digits == 4 ? "%2d%2d" : "%2d:%2d", &hours, &minutes) < 1 || hours > 15 || minutes > 59)
		return false;
	if (name[1 + digits] != '\0' && (digits == 4 || name[1 + digits] != ':' || strlen(name + 2 + digits) != 2 || !isdigit((unsigned char) name[2 + digits]) ||
									 !isdigit((unsigned char) name[3 + digits])))
		return false;
	*seconds = (hours * 60L + minutes) * 60L * (*name == '-' ? -1 : 1);
	return true;
}

/* The zone of a name, NULL if there is none. */
static pg_tz *
zone_by_name(FunctionCallInfo fcinfo, text *name)
{
	ZoneCache  *cache = fcinfo->flinfo->fn_extra;
	char		wanted[TZ_STRLEN_MAX + 1];
	long		offset;

	if (VARSIZE_ANY_EXHDR(name) > TZ_STRLEN_MAX || VARSIZE_ANY_EXHDR(name) == 0)
		return NULL;
	text_to_cstring_buffer(name, wanted, sizeof(wanted));
	if (cache && strcmp(cache->name, wanted) == 0)
		return cache->zone;
	if (cache == NULL)
		cache = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ZoneCache));
	strlcpy(cache->name, wanted, sizeof(cache->name));
	if (*wanted == '+' || *wanted == '-')
		cache->zone = read_offset(wanted, &offset) ? pg_tzset_offset(-offset) : NULL;
	else
		cache->zone = pg_tzset(strcmp(wanted, "Z") == 0 ? "UTC" : wanted);
	if (cache->zone && !pg_tz_acceptable(cache->zone))
		cache->zone = NULL;		/* one with leap seconds */
	return cache->zone;
}

/* ---- medallion.local_instant ----------------------------------------------------------------------------------------- */

typedef enum Occurrence
{
	OCCURS_ONCE,
	OCCURS_TWICE,
	OCCURS_NEVER
} Occurrence;

/* Finds the instant of a local time by the offset before, and by that after, the change of clocks that is near. */
static Occurrence
find_instants(Timestamp local, pg_tz *zone, TimestampTz *earlier, TimestampTz *later)
{
	int64		seconds = local / USECS_PER_SEC - (local % USECS_PER_SEC < 0 ? 1 : 0);
	pg_time_t	clock = seconds + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	pg_time_t	start = clock - SECS_PER_DAY;
	pg_time_t	boundary;
	long		before,
				after;
	int			is_summer_before,
				is_summer_after;
	int			changes = pg_next_dst_boundary(&start, &before, &is_summer_before, &boundary, &after, &is_summer_after, zone);
	bool		is_before,
				is_after;

	if (changes <= 0)
	{
		*earlier = *later = local - before * USECS_PER_SEC;
		return OCCURS_ONCE;
	}
	is_before = clock - before < boundary;
	is_after = clock - after >= boundary;
	*earlier = local - before * USECS_PER_SEC;
	*later = local - after * USECS_PER_SEC;
	if (is_before != is_after)
	{
		*earlier = *later = is_before ? *earlier : *later;
		return OCCURS_ONCE;
	}
	return is_before ? OCCURS_TWICE : OCCURS_NEVER;
}

static int
choice(FunctionCallInfo fcinfo, int index, const char *name, const char *const *choices)
{
	char	   *given = mdl_required_text(fcinfo, index, name);
	StringInfoData all;

	initStringInfo(&all);
	for (int i = 0; choices[i]; i++)
	{
		if (strcmp(given, choices[i]) == 0)
			return i;
		appendStringInfo(&all, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be \"%s\"", name, given),
			 errhint("Use %s.", all.data)));
}

MDL_FUNCTION(mdl_local_instant);
Datum
mdl_local_instant(PG_FUNCTION_ARGS)
{
	static const char *const repeated[] = {"later", "earlier", "null", NULL};
	static const char *const skipped[] = {"shift", "null", NULL};
	int			if_twice = choice(fcinfo, 2, "repeated", repeated);
	int			if_never = choice(fcinfo, 3, "skipped", skipped);
	pg_tz	   *zone;
	Timestamp	local;
	TimestampTz earlier,
				later;
	Occurrence	occurrence;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	local = PG_GETARG_TIMESTAMP(0);
	zone = zone_by_name(fcinfo, PG_GETARG_TEXT_PP(1));
	if (zone == NULL)
		PG_RETURN_NULL();
	if (TIMESTAMP_NOT_FINITE(local))
		PG_RETURN_TIMESTAMPTZ(local);
	occurrence = find_instants(local, zone, &earlier, &later);
	if (!IS_VALID_TIMESTAMP(earlier) || !IS_VALID_TIMESTAMP(later))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	if ((occurrence == OCCURS_TWICE && if_twice == 2) || (occurrence == OCCURS_NEVER && if_never == 1))
		PG_RETURN_NULL();

	/* By the offset before the change, a time that is left out is shown as much later as clocks went forward. */
	PG_RETURN_TIMESTAMPTZ(occurrence == OCCURS_TWICE && if_twice == 0 ? later : earlier);
}

/* ---- medallion.try_timestamp ------------------------------------------------------------------------------------------- */

typedef struct Reading
{
	text	   *value;
	text	   *format;			/* NULL: ISO 8601 */
	pg_tz	   *zone;
	TimestampTz instant;
	text	   *written;		/* the instant in that format */
} Reading;

/* What else the server takes for a time depends on DateStyle, or on the day it is read: 1/2/2026, today. */
static bool
starts_with_iso_date(const char *value)
{
	int			digits;

	while (isspace((unsigned char) *value))
		value++;
	digits = strspn(value, "0123456789");
	if (digits == 8)
		return value[8] == '\0' || value[8] == 'T' || isspace((unsigned char) value[8]);
	return digits >= 4 && value[digits] == '-';
}

/* Runs with the zone in the place of the session's. */
static void
read_time(void *argument)
{
	Reading    *reading = argument;

	reading->written = NULL;
	if (reading->format == NULL)
	{
		char	   *value = text_to_cstring(reading->value);

		if (!starts_with_iso_date(value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
					 errmsg("not a date of ISO 8601: \"%s\"", value)));
		reading->instant = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
																   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		return;
	}
	reading->instant = DatumGetTimestampTz(DirectFunctionCall2Coll(to_timestamp, DEFAULT_COLLATION_OID,
																   PointerGetDatum(reading->value), PointerGetDatum(reading->format)));
	reading->written = DatumGetTextPP(DirectFunctionCall2Coll(timestamptz_to_char, DEFAULT_COLLATION_OID,
															  TimestampTzGetDatum(reading->instant), PointerGetDatum(reading->format)));
}

static bool
try_read_time(Reading *reading)
{
	pg_tz	   *session = session_timezone;
	volatile bool done = false;

	session_timezone = reading->zone;
	PG_TRY();
	{
		done = mdl_try_pure(read_time, reading);
	}
	PG_FINALLY();
	{
		session_timezone = session;
	}
	PG_END_TRY();
	return done;
}

/* The next number or word of a text from *next on, without leading zeros and in lower case; false at its end. */
static bool
next_word(const char **next, char *word, int size)
{
	const char *text = *next;
	int			length = 0;
	bool		digits;

	while (*text && !isalnum((unsigned char) *text) && !IS_HIGHBIT_SET(*text))
		text++;
	digits = isdigit((unsigned char) *text);
	while (digits && *text == '0' && isdigit((unsigned char) text[1]))
		text++;
	while (digits ? isdigit((unsigned char) *text) : isalpha((unsigned char) *text) || IS_HIGHBIT_SET(*text))
	{
		if (length < size - 1)
			word[length++] = pg_tolower((unsigned char) *text);
		text++;
	}
	word[length] = '\0';
	*next = text;
	return length > 0;
}

/* Whether two texts have the same numbers and words. */
static bool
say_the_same(const char *one, const char *other)
{
	char		a[64],
				b[64];

	for (;;)
	{
		bool		more = next_word(&one, a, sizeof(a));

		if (more != next_word(&other, b, sizeof(b)) || strcmp(a, b) != 0)
			return false;
		if (!more)
			return true;
	}
}

MDL_FUNCTION(mdl_try_timestamp);
Datum
mdl_try_timestamp(PG_FUNCTION_ARGS)
{
	Reading		reading = {.zone = session_timezone};
	Datum	   *formats;
	bool	   *nulls;
	int			count;

	mdl_require_argument(fcinfo, 1, "formats");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	reading.value = PG_GETARG_TEXT_PP(0);
	if (!PG_ARGISNULL(2) && (reading.zone = zone_by_name(fcinfo, PG_GETARG_TEXT_PP(2))) == NULL)
		PG_RETURN_NULL();
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &formats, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			continue;
		reading.format = DatumGetTextPP(formats[i]);
		if (VARSIZE_ANY_EXHDR(reading.format) == 3 && pg_strncasecmp(VARDATA_ANY(reading.format), "iso", 3) == 0)
			reading.format = NULL;
		if (!try_read_time(&reading))
			continue;
		if (reading.written && !say_the_same(text_to_cstring(reading.value), text_to_cstring(reading.written)))
			continue;
		PG_RETURN_TIMESTAMPTZ(reading.instant);
	}
	PG_RETURN_NULL();
}
