/*
 * value_parse.c: the text of a file to values of a column's type, without an error when it does not fit.
 *
 * The types that inference chooses are read by our own code: an error thrown by an input function cannot be caught
 * without a subtransaction, and a value may not be changed on its way: 007 is not a number here, 5.5 not a whole one,
 * and a time stamp with a zone does not fit a column without one.  Other types go through their input function inside
 * a subtransaction that stays open until something fails or mdl_converter_rest() is called, so that its cost is not
 * paid for each value.
 */
#include "lake/ingest_int.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define EXACT_POWERS	22		/* 10^22 is the largest power of ten that a double holds exactly */
#define MAX_NUMERIC_TEXT 1000	/* longer numbers may exceed numeric's limits: left to the input function */
#define LARGE_JSON		(1024 * 1024)

/* Returns the text with a zero byte at its end, valid until the next call. */
static char *
terminated(MdlConverter *converter, const char *data, size_t size)
{
	if (converter->scratch_size <= size)
	{
		if (converter->scratch != NULL)
			pfree(converter->scratch);
		converter->scratch_size = Max(256, size + size / 2 + 1);
		converter->scratch = MemoryContextAllocHuge(converter->context, converter->scratch_size);
	}
	memcpy(converter->scratch, data, size);
	converter->scratch[size] = '\0';
	return converter->scratch;
}

/* ---- input functions in a subtransaction -------------------------------------------------------------------- */

void
mdl_converter_rest(MdlConverter *converter)
{
	MemoryContext caller = CurrentMemoryContext;

	if (!converter->in_subtransaction)
		return;
	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = converter->outer_owner;
	converter->in_subtransaction = false;
}

/* Whether an error says that the value is not one of the type, rather than that something went wrong. */
static bool
is_value_error(int code)
{
	switch (ERRCODE_TO_CATEGORY(code))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:	/* a domain's */
		case ERRCODE_PLPGSQL_ERROR:	/* raised by a function in a domain's check */
			return true;
		default:
			return code == ERRCODE_PROGRAM_LIMIT_EXCEEDED || code == ERRCODE_UNTRANSLATABLE_CHARACTER;
	}
}

/* Calls the column's input function; false if it refuses the text. */
static bool
convert_by_input(MdlConverter *converter, MdlColumn *column, char *text, Datum *result)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool fits = true;

	if (!converter->in_subtransaction)
	{
		converter->outer_owner = CurrentResourceOwner;
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(caller);
		converter->in_subtransaction = true;
	}
	PG_TRY();
	{
		*result = InputFunctionCall(&column->input, text, column->input_param, column->typmod);
	}
	PG_CATCH();
	{
		int			code = geterrcode();

		if (!is_value_error(code))
			PG_RE_THROW();
		fits = false;
	}
	PG_END_TRY();
	if (!fits)
	{
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = converter->outer_owner;
		converter->in_subtransaction = false;
	}
	return fits;
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

static bool
convert_integer(const MdlNumberText *number, int64 limit, int64 *value)
{
	if (number->has_point || number->has_exponent || !number->fits)
		return false;
	*value = number->negative ? -number->value : number->value;
	return *value >= -limit - 1 && *value <= limit;
}

/* Whole numbers of 19 digits do not fit MdlNumberText; some of them fit 64 bits. */
static bool
convert_int8(const char *data, size_t size, const MdlNumberText *number, int64 *value)
{
	uint64		magnitude = 0;

	if (number->fits)
		return convert_integer(number, PG_INT64_MAX, value);
	if (number->has_point || number->has_exponent || number->digits != 19)
		return false;
	for (size_t i = number->negative ? 1 : 0; i < size; i++)
		magnitude = magnitude * 10 + (data[i] - '0');
	if (magnitude > (uint64) PG_INT64_MAX + (number->negative ? 1 : 0))
		return false;
	*value = (int64) (number->negative ? -magnitude : magnitude);
	return true;
}

/* Most numbers in files are short and whole; false for any other, which is then looked at with care. */
static inline bool
convert_short_integer(const char *data, size_t size, int64 *value)
{
	const char *end = data + size;
	bool		negative = *data == '-';
	int64		sum = 0;

	data += negative;
	if (end - data > 18 || end == data || (*data == '0' && end - data > 1))
		return false;
	for (; data < end; data++)
	{
		unsigned	digit = (unsigned char) *data - '0';

		if (digit > 9)
			return false;
		sum = sum * 10 + digit;
	}
	*value = negative ? -sum : sum;
	return true;
}

/*
 * Up to 15 digits and 22 powers of ten are exact in a double, so one division or multiplication rounds correctly
 * (Clinger 1990, "How to read floating point numbers accurately", fast path).
 */
static bool
convert_float8(MdlConverter *converter, const char *data, size_t size, const MdlNumberText *number, double *value)
{
	static const double powers[EXACT_POWERS + 1] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
	};
	long		power = number->exponent - number->scale;
	bool		overflow = false;

	if (number->digits <= 15 && power >= -EXACT_POWERS && power <= EXACT_POWERS)
	{
		double		digits = (double) number->value;

		digits = power < 0 ? digits / powers[-power] : digits * powers[power];
		*value = number->negative ? -digits : digits;
		return true;
	}
	*value = float8in_internal_opt_error(terminated(converter, data, size), NULL, "double precision", data, &overflow);
	return !overflow;
}

/* NaN, inf and the like, which number types other than integers take. */
static bool
is_not_finite(const char *data, size_t size)
{
	return mdl_kind_of(data, size) == MDL_KIND_NOT_FINITE;
}

/* Whether a number has no more digits after the point than a column numeric(precision, scale) keeps. */
static bool
keeps_scale(int32 typmod, const MdlNumberText *number)
{
	int			scale = (int16) ((typmod - VARHDRSZ) << 5) >> 5;	/* 11 bits with a sign, as numeric.c packs them */

	return number->digits == 0 || number->scale - number->zeros - number->exponent <= scale;
}

static bool
convert_numeric(MdlConverter *converter, MdlColumn *column, const char *data, size_t size, const MdlNumberText *number,
				Datum *result)
{
	if (column->typmod >= 0)
		return keeps_scale(column->typmod, number) &&
			convert_by_input(converter, column, terminated(converter, data, size), result);
	if (number->fits && !number->has_exponent && number->scale <= 18)
	{
		int64		value = number->negative ? -number->value : number->value;

		*result = NumericGetDatum(number->scale == 0 ? int64_to_numeric(value) :
								  int64_div_fast_to_numeric(value, number->scale));
		return true;
	}
	if (size <= MAX_NUMERIC_TEXT && labs(number->exponent) <= MAX_NUMERIC_TEXT)
	{
		*result = DirectFunctionCall3(numeric_in, CStringGetDatum(terminated(converter, data, size)),
									  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		return true;
	}
	return convert_by_input(converter, column, terminated(converter, data, size), result);
}

static bool
convert_number(MdlConverter *converter, MdlColumn *column, const char *data, size_t size, Datum *result)
{
	MdlNumberText number;
	int64		whole;
	double		real;

	if (!mdl_number_text(data, size, &number))
	{
		if (column->how == MDL_CONVERT_FLOAT8 && is_not_finite(data, size))
		{
			*result = Float8GetDatum(float8in_internal_opt_error(terminated(converter, data, size), NULL,
																 "double precision", data, NULL));
			return true;
		}
		if (column->how == MDL_CONVERT_NUMERIC && is_not_finite(data, size))
			return convert_by_input(converter, column, terminated(converter, data, size), result);
		return false;
	}
	switch (column->how)
	{
		case MDL_CONVERT_INT2:
			if (!convert_integer(&number, PG_INT16_MAX, &whole))
				return false;
			*result = Int16GetDatum((int16) whole);
			return true;
		case MDL_CONVERT_INT4:
			if (!convert_integer(&number, PG_INT32_MAX, &whole))
				return false;
			*result = Int32GetDatum((int32) whole);
			return true;
		case MDL_CONVERT_INT8:
			if (!convert_int8(data, size, &number, &whole))
				return false;
			*result = Int64GetDatum(whole);
			return true;
		case MDL_CONVERT_FLOAT8:
			if (!convert_float8(converter, data, size, &number, &real))
				return false;
			*result = Float8GetDatum(real);
			return true;
		default:
			return convert_numeric(converter, column, data, size, &number, result);
	}
}

/* ---- dates and times ---------------------------------------------------------------------------------------- */

/* Returns the value of an ISO 8601 text; false if the column cannot hold all of it. */
static bool
convert_iso(const MdlColumn *column, const MdlTimeText *time, Datum *result)
{
	int			day = date2j(time->year, time->month, time->day) - POSTGRES_EPOCH_JDATE;
	int64		micros = ((time->hour * 60 + time->minute) * 60 + time->second) * USECS_PER_SEC + time->micros;

	if (column->how == MDL_CONVERT_DATE)
	{
		if (time->has_zone || micros != 0)
			return false;
		*result = DateADTGetDatum(day);
		return true;
	}
	micros += day * USECS_PER_DAY;
	if (column->how == MDL_CONVERT_TIMESTAMP)
	{
		if (time->has_zone)
			return false;
		*result = TimestampGetDatum(micros);
		return true;
	}
	if (time->has_zone)
		micros -= time->zone_seconds * USECS_PER_SEC;
	else
	{
		struct pg_tm parts = {
			.tm_year = time->year, .tm_mon = time->month, .tm_mday = time->day,
			.tm_hour = time->hour, .tm_min = time->minute, .tm_sec = time->second
		};

		micros += DetermineTimeZoneOffset(&parts, session_timezone) * USECS_PER_SEC;
	}
	*result = TimestampTzGetDatum(micros);
	return true;
}

/* Words that stand for the time of reading, which is not what a file says. */
static bool
names_present(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday", "allballs"};

	for (int i = 0; i < lengthof(words); i++)
		for (const char *p = text; *p != '\0'; p++)
			if (pg_strncasecmp(p, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

/* Whether a time has no finer fraction of a second than a column timestamp(n) keeps. */
static bool
keeps_fraction(const MdlColumn *column, int micros)
{
	int			unit = 1;

	if (column->how == MDL_CONVERT_DATE || column->typmod < 0)
		return true;
	for (int digit = column->typmod; digit < 6; digit++)
		unit *= 10;
	return micros % unit == 0;
}

/* Reads other forms of dates and times as the server does, by the setting DateStyle. */
static bool
convert_time_text(const MdlColumn *column, const char *text, Datum *result)
{
	char		work[MAXDATELEN + MAXDATEFIELDS];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			count,
				kind,
				zone = 0;
	struct pg_tm parts;
	fsec_t		fraction = 0;
	Timestamp	stamp;
	bool		takes_zone = column->how == MDL_CONVERT_TIMESTAMPTZ;

	if (names_present(text) ||
		ParseDateTime(text, work, sizeof(work), fields, types, MAXDATEFIELDS, &count) != 0 ||
		DecodeDateTime(fields, types, count, &kind, &parts, &fraction, takes_zone ? &zone : NULL) != 0)
		return false;
	if (kind == DTK_LATE || kind == DTK_EARLY)
	{
		if (column->how == MDL_CONVERT_DATE)
			*result = DateADTGetDatum(kind == DTK_LATE ? DATEVAL_NOEND : DATEVAL_NOBEGIN);
		else
			*result = TimestampGetDatum(kind == DTK_LATE ? DT_NOEND : DT_NOBEGIN);
		return true;
	}
	if (kind != DTK_DATE)
		return false;
	if (column->how == MDL_CONVERT_DATE)
	{
		DateADT		day;

		if (parts.tm_hour != 0 || parts.tm_min != 0 || parts.tm_sec != 0 || fraction != 0 ||
			!IS_VALID_JULIAN(parts.tm_year, parts.tm_mon, parts.tm_mday))
			return false;
		day = date2j(parts.tm_year, parts.tm_mon, parts.tm_mday) - POSTGRES_EPOCH_JDATE;
		*result = DateADTGetDatum(day);
		return IS_VALID_DATE(day);
	}
	if (tm2timestamp(&parts, fraction, takes_zone ? &zone : NULL, &stamp) != 0)
		return false;
	*result = TimestampGetDatum(stamp);
	return keeps_fraction(column, fraction);
}

static bool
convert_time(MdlConverter *converter, const MdlColumn *column, const char *data, size_t size, Datum *result)
{
	MdlTimeText time;

	if (mdl_time_text(data, size, &time))
		return keeps_fraction(column, time.micros) && convert_iso(column, &time, result);
	if (size > MAXDATELEN)
		return false;
	/* What looks like ISO 8601 but is finer than a microsecond would be rounded by the server. */
	if (size > 26 && data[4] == '-' && data[7] == '-' && data[19] == '.')
		return false;
	return convert_time_text(column, terminated(converter, data, size), result);
}

/* ---- all types ---------------------------------------------------------------------------------------------- */

static bool
convert_bool(const char *data, size_t size, Datum *result)
{
	bool		truth;

	if (!parse_bool_with_len(data, size, &truth))
		return false;
	*result = BoolGetDatum(truth);
	return true;
}

static bool
convert_jsonb(MdlConverter *converter, MdlColumn *column, const MdlFileValue *value, Datum *result)
{
	const char *text = value->json != NULL ? value->json : value->data;
	size_t		size = value->json != NULL ? value->json_size : value->size;

	/* JSON that our parser has seen and that is not large cannot fail. */
	if (value->json != NULL && !value->odd && size <= LARGE_JSON)
	{
		*result = DirectFunctionCall1(jsonb_in, CStringGetDatum(terminated(converter, text, size)));
		return true;
	}
	return convert_by_input(converter, column, terminated(converter, text, size), result);
}

bool
mdl_convert(MdlConverter *converter, MdlColumn *column, const MdlFileValue *value, Datum *result, bool *is_null)
{
	const char *data = value->data;
	size_t		size = value->size;
	int64		whole;

	*is_null = value->state == MDL_VALUE_NULL || (value->state == MDL_VALUE_BLANK && column->how != MDL_CONVERT_TEXT);
	if (*is_null)
		return true;
	if (column->how == MDL_CONVERT_INT8 && size > 0 && convert_short_integer(data, size, &whole))
	{
		*result = Int64GetDatum(whole);
		return true;
	}
	if (column->how == MDL_CONVERT_JSONB)
		return convert_jsonb(converter, column, value, result);
	if (value->state == MDL_VALUE_JSON_NESTED && column->how != MDL_CONVERT_INPUT)
		return false;
	if (value->odd && value->state == MDL_VALUE_JSON_STRING && column->type != JSONOID)
		return false;
	if (column->how == MDL_CONVERT_TEXT)
	{
		*result = PointerGetDatum(cstring_to_text_with_len(data, size));
		return true;
	}
	if (column->how == MDL_CONVERT_INPUT)
	{
		if (column->type == JSONOID && value->json != NULL)
		{
			data = value->json;
			size = value->json_size;
		}
		return convert_by_input(converter, column, terminated(converter, data, size), result);
	}
	while (size > 0 && (*data == ' ' || *data == '\t'))
		data++, size--;
	while (size > 0 && (data[size - 1] == ' ' || data[size - 1] == '\t'))
		size--;
	switch (column->how)
	{
		case MDL_CONVERT_BOOL:
			return convert_bool(data, size, result);
		case MDL_CONVERT_DATE:
		case MDL_CONVERT_TIMESTAMP:
		case MDL_CONVERT_TIMESTAMPTZ:
			return convert_time(converter, column, data, size, result);
		default:
			return convert_number(converter, column, data, size, result);
	}
}
