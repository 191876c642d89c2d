/*
 * expect_table_stream.c: what rules about a table as a whole find, taken from its rows on their way into the table.
 *
 * Of a full refresh all rows come by, so that common rules (accepted values of a text column, the latest time, share of NULLs, mean,
 * sum, minimum and maximum of integers and numerics) need no pass over the table that was just written.  What is found
 * is what the statement of expect_table_query.c finds, to the digit: sums are exact, and the rest is left to the functions
 * of the server.  A rule of another kind, or one that meets a value that is not followed here (a NaN, an infinity, a very
 * long numeric), is judged by that statement.
 *
 * Numerics are summed digit by digit, without carrying: positions[i] is the sum of the digits (base 10,000) at place i - ONES.
 * Their stored form (numeric.c, NumericShort) is read here.
 */
#include "pipeline/definition_int.h"
#include "pipeline/expect_table_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* More accepted values than this are better found by a hash, as the server does it. */
#define MANY_VALUES 32

#define PLACES	48				/* of digits, base 10,000 */
#define ONES	24				/* the place of units */
#define DIGITS_PER_PLACE 4

typedef enum FollowedKind
{
	FOLLOW_NOT,
	FOLLOW_NULLS,
	FOLLOW_SUM,					/* and the mean */
	FOLLOW_MINIMUM,
	FOLLOW_MAXIMUM,
	FOLLOW_LATEST,
	FOLLOW_ACCEPTED
} FollowedKind;

typedef struct Followed
{
	const TableRule *rule;
	FollowedKind kind;
	AttrNumber	column;			/* from 0 */
	Oid			type;
	bool		lost;			/* met a value that is not followed */
	int64		nulls;
	int64		values;
	int64		failed;			/* values that are not accepted */
	int			last;			/* accepted value met last */
	int64		extreme;		/* minimum, maximum, latest; of numerics: */
	Datum		extreme_numeric;	/* a copy in the context of the stream */
	int128		sum;			/* of integers; of numerics: */
	int64		positions[PLACES];
	int			scale;			/* the largest */
} Followed;

typedef struct TableStream
{
	MemoryContext context;
	TableRule  *rules;
	int			count;
	Followed   *followed;		/* (count) */
	int64		rows;
} TableStream;

/* ---- which rules are followed ----------------------------------------------------------------------------------- */

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static FollowedKind
distribution_kind(const TableRule *rule, Oid type)
{
	if (strcmp(rule->statistic, "null_share") == 0)
		return FOLLOW_NULLS;
	if (!is_integer(type) && type != NUMERICOID)
		return FOLLOW_NOT;
	if (strcmp(rule->statistic, "mean") == 0 || strcmp(rule->statistic, "sum") == 0)
		return FOLLOW_SUM;
	if (strcmp(rule->statistic, "min") == 0)
		return FOLLOW_MINIMUM;
	return strcmp(rule->statistic, "max") == 0 ? FOLLOW_MAXIMUM : FOLLOW_NOT;
}

static FollowedKind
followed_kind(const TableRule *rule, Oid type, Oid collation)
{
	switch (rule->kind)
	{
		case TABLE_ACCEPTED_VALUES:
			return (type == TEXTOID || type == VARCHAROID) && rule->value_count > 0 && rule->value_count <= MANY_VALUES &&
				mdl_equal_is_same(type, collation) ? FOLLOW_ACCEPTED : FOLLOW_NOT;
		case TABLE_FRESHNESS:
			return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID ? FOLLOW_LATEST : FOLLOW_NOT;
		case TABLE_DISTRIBUTION:
			return distribution_kind(rule, type);
		default:
			return FOLLOW_NOT;
	}
}

static void
reset(Followed *followed)
{
	const TableRule *rule = followed->rule;

	*followed = (Followed) {.rule = rule, .kind = followed->kind, .column = followed->column, .type = followed->type};
	followed->extreme = followed->kind == FOLLOW_MINIMUM ? PG_INT64_MAX : PG_INT64_MIN;
}

TableStream *
mdl_table_stream_begin(const DerivedTable *table, TupleDesc columns)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "rows for rules about a table", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TableStream *stream = palloc0_object(TableStream);
	bool		any = false;

	stream->context = context;
	stream->rules = mdl_table_rules(table->target, &stream->count);
	stream->followed = palloc0_array(Followed, stream->count + 1);
	for (int i = 0; i < stream->count; i++)
	{
		Followed   *followed = &stream->followed[i];
		AttrNumber	number;

		followed->rule = &stream->rules[i];
		if (!mdl_table_rule_is_aggregate(followed->rule))
			continue;
		number = get_attnum(table->definition, followed->rule->columns[0]);
		if (number <= 0)
			continue;			/* the judge says so */
		followed->column = number - 1;
		followed->type = getBaseType(TupleDescAttr(columns, number - 1)->atttypid);
		followed->kind = followed_kind(followed->rule, followed->type, TupleDescAttr(columns, number - 1)->attcollation);
		any |= followed->kind != FOLLOW_NOT;
		reset(followed);
	}
	MemoryContextSwitchTo(old);
	if (any)
		return stream;
	MemoryContextDelete(context);
	return NULL;
}

void
mdl_table_stream_keep(TableStream *stream, MemoryContext context)
{
	MemoryContextSetParent(stream->context, context);
}

void
mdl_table_stream_reset(TableStream *stream)
{
	stream->rows = 0;
	for (int i = 0; i < stream->count; i++)
		reset(&stream->followed[i]);
}

/* ---- one value ---------------------------------------------------------------------------------------------------- */

static int64
integer_of(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
		case DATEOID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* Adds the digits of a numeric; false if it is not one in the short form, or its digits are beyond the places kept. */
static bool
add_numeric(Followed *followed, Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);
	const char *data;
	uint16		header;
	int16		digits[PLACES];
	int			count;
	int			weight;
	int			first;

	if (VARATT_IS_COMPRESSED(stored) || VARATT_IS_EXTERNAL(stored))
		return false;
	data = VARDATA_ANY(stored);
	memcpy(&header, data, sizeof(header));
	if ((header & 0xC000) != 0x8000)
		return false;
	weight = (header & 0x0040 ? ~0x003F : 0) | (header & 0x003F);
	count = (VARSIZE_ANY_EXHDR(stored) - sizeof(header)) / sizeof(int16);
	first = ONES + weight;
	if (first >= PLACES || first - count + 1 < 0)
		return false;
	memcpy(digits, data + sizeof(header), count * sizeof(int16));
	if (header & 0x2000)
		for (int i = 0; i < count; i++)
			followed->positions[first - i] -= digits[i];
	else
		for (int i = 0; i < count; i++)
			followed->positions[first - i] += digits[i];
	followed->scale = Max(followed->scale, (header & 0x1F80) >> 7);
	return true;
}

/* A NaN or infinity would be the greatest or least: by the order of numerics, as for the server's min and max. */
static void
take_extreme_numeric(Followed *followed, Datum value, MemoryContext context)
{
	bool		is_minimum = followed->kind == FOLLOW_MINIMUM;
	int			order = followed->values == 1 ? 0
		: DatumGetInt32(DirectFunctionCall2(numeric_cmp, value, followed->extreme_numeric));
	MemoryContext old;

	if (followed->values > 1 && (is_minimum ? order >= 0 : order <= 0))
		return;
	old = MemoryContextSwitchTo(context);
	if (followed->values > 1)
		pfree(DatumGetPointer(followed->extreme_numeric));
	followed->extreme_numeric = NumericGetDatum(DatumGetNumericCopy(value));
	MemoryContextSwitchTo(old);
}

static bool
is_value(Datum stored, const char *value)
{
	struct varlena *text = (struct varlena *) DatumGetPointer(stored);
	Size		length = strlen(value);

	return VARSIZE_ANY_EXHDR(text) == length && memcmp(VARDATA_ANY(text), value, length) == 0;
}

static void
take_accepted(Followed *followed, Datum value)
{
	const TableRule *rule = followed->rule;
	struct varlena *text = PG_DETOAST_DATUM_PACKED(value);
	int			i = followed->last;

	if (!is_value(PointerGetDatum(text), rule->values[i]))
		for (i = 0; i < rule->value_count && !is_value(PointerGetDatum(text), rule->values[i]); i++)
			;
	if (i < rule->value_count)
		followed->last = i;
	else
		followed->failed++;
	if ((Pointer) text != DatumGetPointer(value))
		pfree(text);
}

static void
take_value(Followed *followed, Datum value, MemoryContext context)
{
	switch (followed->kind)
	{
		case FOLLOW_SUM:
			if (followed->type == NUMERICOID)
				followed->lost |= !add_numeric(followed, value);
			else
				followed->sum += integer_of(followed->type, value);
			break;
		case FOLLOW_MINIMUM:
			if (followed->type == NUMERICOID)
				take_extreme_numeric(followed, value, context);
			else
				followed->extreme = Min(followed->extreme, integer_of(followed->type, value));
			break;
		case FOLLOW_MAXIMUM:
		case FOLLOW_LATEST:
			if (followed->type == NUMERICOID)
				take_extreme_numeric(followed, value, context);
			else
				followed->extreme = Max(followed->extreme, integer_of(followed->type, value));
			break;
		case FOLLOW_ACCEPTED:
			take_accepted(followed, value);
			break;
		default:
			break;
	}
}

void
mdl_table_stream_take(TableStream *stream, const Datum *values, const bool *nulls)
{
	stream->rows++;
	for (int i = 0; i < stream->count; i++)
	{
		Followed   *followed = &stream->followed[i];

		if (followed->kind == FOLLOW_NOT || followed->lost)
			continue;
		if (nulls[followed->column])
		{
			followed->nulls++;
			continue;
		}
		followed->values++;
		take_value(followed, values[followed->column], stream->context);
	}
}

/* ---- what was found ------------------------------------------------------------------------------------------------ */

static Datum
call(PGFunction function, Datum a, Datum b)
{
	return DirectFunctionCall2(function, a, b);
}

/* 10,000^place * digits. */
static Datum
place_value(int64 digits, int place)
{
	Datum		ten_thousand = NumericGetDatum(int64_to_numeric(10000));
	Datum		value = NumericGetDatum(int64_to_numeric(digits));

	if (place < 0)
		return NumericGetDatum(int64_div_fast_to_numeric(digits, -place * DIGITS_PER_PLACE));
	for (int i = 0; i < place; i++)
		value = call(numeric_mul, value, ten_thousand);
	return value;
}

/* The sum, of the scale that the server gives it. */
static Datum
numeric_sum_of(const Followed *followed)
{
	Datum		sum = NumericGetDatum(int64_to_numeric(0));

	for (int i = 0; i < PLACES; i++)
		if (followed->positions[i] != 0)
			sum = call(numeric_add, sum, place_value(followed->positions[i], i - ONES));
	return call(numeric_round, sum, Int32GetDatum(followed->scale));
}

static Datum
integer_sum_of(const Followed *followed)
{
	int64		low = (int64) (followed->sum % 1000000000000000000);
	int64		high = (int64) (followed->sum / 1000000000000000000);

	return call(numeric_add, call(numeric_mul, NumericGetDatum(int64_to_numeric(high)),
								  NumericGetDatum(int64_to_numeric(1000000000000000000))), NumericGetDatum(int64_to_numeric(low)));
}

static double
float_of(Datum numeric)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, numeric));
}

/* Sums of small integers are of type bigint, and raise if they do not fit. */
static bool
overflows(const Followed *followed)
{
	return strcmp(followed->rule->statistic, "sum") == 0 && (followed->type == INT2OID || followed->type == INT4OID) &&
		(followed->sum > PG_INT64_MAX || followed->sum < PG_INT64_MIN);
}

static double
sum_found(const Followed *followed)
{
	Datum		sum = followed->type == NUMERICOID ? numeric_sum_of(followed) : integer_sum_of(followed);

	if (strcmp(followed->rule->statistic, "mean") == 0)
		sum = call(numeric_div, sum, NumericGetDatum(int64_to_numeric(followed->values)));
	return float_of(sum);
}

static TimestampTz
latest_found(const Followed *followed)
{
	switch (followed->type)
	{
		case DATEOID:
			return DatumGetTimestampTz(DirectFunctionCall1(date_timestamptz, DateADTGetDatum((DateADT) followed->extreme)));
		case TIMESTAMPOID:
			return DatumGetTimestampTz(DirectFunctionCall1(timestamp_timestamptz, TimestampGetDatum(followed->extreme)));
		default:
			return followed->extreme;
	}
}

bool
mdl_table_stream_found(const TableStream *stream, const TableRule *rule, TableFound *found)
{
	const Followed *followed = NULL;

	for (int i = 0; i < stream->count; i++)
		if (strcmp(stream->rules[i].name, rule->name) == 0 && strcmp(stream->rules[i].text, rule->text) == 0)
			followed = &stream->followed[i];
	if (followed == NULL || followed->kind == FOLLOW_NOT || followed->lost || (followed->kind == FOLLOW_SUM && overflows(followed)))
		return false;
	memset(found, 0, sizeof(TableFound));
	found->has_value = followed->kind == FOLLOW_NULLS ? stream->rows > 0 : followed->values > 0;
	if (followed->kind == FOLLOW_ACCEPTED)
	{
		found->has_value = true;
		found->failed = followed->failed + (rule->null_ok ? 0 : followed->nulls);
	}
	else if (!found->has_value)
		return true;
	else if (followed->kind == FOLLOW_NULLS)
		found->value = (double) followed->nulls / (double) stream->rows;
	else if (followed->kind == FOLLOW_SUM)
		found->value = sum_found(followed);
	else if (followed->kind == FOLLOW_LATEST)
		found->latest = latest_found(followed);
	else
		found->value = followed->type == NUMERICOID ? float_of(followed->extreme_numeric) : (double) followed->extreme;
	return true;
}
