/*
 * train_rows.c: from the arguments of a transition function, or a tuple of the scan below, to a row of numbers and categories.
 *
 * This is the inner loop of reading a table, called once per row, so the usual row (no NULL, everything finite) goes
 * through one loop without a branch that the processor cannot foresee; only when something was odd do we look again to
 * tell what and count it.
 */
#include "train/train_scan.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "ml/ml_hash.h"
#include "train/train_pack.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define HASH_FOLD		0x466f6c64ULL
#define HASH_HOLDOUT	0x486f6c64ULL
#define HASH_SAMPLE		0x53616d70ULL
#define HASH_NULL		0x4e756c6cULL
#define RECENT			4096	/* slots of the table of recent hashes */

/* ---- reading ------------------------------------------------------------------------------------------------- */

static MdlRowReader *
make_reader(FunctionCallInfo fcinfo, int plan_arg)
{
	MemoryContext saved = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	MdlRowReader *reader = palloc0(sizeof(MdlRowReader));
	MdlRowPlan *plan;

	if (PG_ARGISNULL(plan_arg))
		mdl_damaged_plan();
	reader->plan_bytes = PG_GETARG_BYTEA_P_COPY(plan_arg);
	reader->plan_datum = PG_GETARG_DATUM(plan_arg);
	plan = reader->plan = mdl_row_plan_decode(reader->plan_bytes);
	reader->row.numbers = palloc0(sizeof(double) * (plan->n_numbers + 1));
	reader->row.number_nulls = palloc0(sizeof(bool) * (plan->n_numbers + 1));
	reader->row.codes = palloc0(sizeof(int32) * (plan->n_cats + 1));
	reader->row.levels = palloc0(sizeof(int32) * (plan->n_cats + 1));
	reader->row.texts = palloc0(sizeof(ml_text) * (plan->n_cats + 1));
	reader->scan = mdl_scan_open(fcinfo, plan);
	if (plan->pack > 0)
		reader->values = palloc0(sizeof(NullableDatum) * (plan->n_columns + 1));
	MemoryContextSwitchTo(saved);
	return reader;
}

Oid
mdl_wire_type(MdlWire wire)
{
	static const Oid types[] = {0, FLOAT8OID, FLOAT4OID, INT2OID, INT4OID, INT8OID, BOOLOID, TEXTOID, FLOAT8ARRAYOID};

	return types[wire];
}

/* Raises unless the arguments are what the plan says: their types are what the query's writer chose. */
static void
check_arguments(FunctionCallInfo fcinfo, const MdlRowPlan *plan, int first_arg)
{
	int			expected = plan->pack > 0 ? (plan->n_columns + plan->pack - 1) / plan->pack : plan->n_columns;

	if (PG_NARGS() != first_arg + expected)
		mdl_damaged_plan();
	for (int i = 0; i < expected; i++)
	{
		Oid			type = plan->pack > 0 ? BYTEAOID : mdl_wire_type(plan->columns[i].wire);

		if (get_fn_expr_argtype(fcinfo->flinfo, first_arg + i) != type)
			mdl_damaged_plan();
	}
}

/* Raises if the plan is not the one the state was made with: it is a constant of the query, usually the same datum. */
static void
check_plan(MdlRowReader *reader, FunctionCallInfo fcinfo, int plan_arg)
{
	bytea	   *bytes;

	if (!PG_ARGISNULL(plan_arg) && PG_GETARG_DATUM(plan_arg) == reader->plan_datum)
		return;
	if (PG_ARGISNULL(plan_arg))
		mdl_damaged_plan();
	bytes = PG_GETARG_BYTEA_PP(plan_arg);
	if (VARSIZE_ANY_EXHDR(bytes) != VARSIZE_ANY_EXHDR(reader->plan_bytes) ||
		memcmp(VARDATA_ANY(bytes), VARDATA_ANY(reader->plan_bytes), VARSIZE_ANY_EXHDR(bytes)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the row plan must be the same for all rows of an aggregate")));
}

MdlRowReader *
mdl_row_reader(FunctionCallInfo fcinfo, int plan_arg)
{
	MdlRowReader *reader = fcinfo->flinfo->fn_extra;

	if (unlikely(reader == NULL))
	{
		reader = make_reader(fcinfo, plan_arg);
		fcinfo->flinfo->fn_extra = reader;
	}
	else if (unlikely(PG_GETARG_DATUM(plan_arg) != reader->plan_datum))
		check_plan(reader, fcinfo, plan_arg);
	return reader;
}

static inline double
number_of(MdlWire wire, Datum value)
{
	switch (wire)
	{
		case MDL_WIRE_FLOAT8:
			return DatumGetFloat8(value);
		case MDL_WIRE_FLOAT4:
			return DatumGetFloat4(value);
		case MDL_WIRE_INT2:
			return DatumGetInt16(value);
		case MDL_WIRE_INT4:
			return DatumGetInt32(value);
		case MDL_WIRE_INT8:
			return (double) DatumGetInt64(value);
		default:
			return DatumGetBool(value) ? 1 : 0;
	}
}

/* Whether nothing is learnt from the row, whose weight is 0. */
static bool
weighs_nothing(const MdlRowPlan *plan, const NullableDatum *values)
{
	return plan->weight >= 0 && !values[plan->weight].isnull &&
		number_of(plan->columns[plan->weight].wire, values[plan->weight].value) == 0;
}

/*
 * Reads the text of a category; false: it is NULL without a fill, or not in the dictionary, where those of rows of weight 0
 * need not be.
 */
static bool
read_category(MdlRow *row, const MdlRowPlan *plan, int index, const NullableDatum *values, MdlRowCounts *count)
{
	const MdlRowColumn *column = &plan->columns[index];
	const NullableDatum *value = &values[index];
	int			code = -1;

	if (value->isnull)
	{
		row->texts[column->cat].data = NULL;
		row->texts[column->cat].length = 0;
		row->any_null = true;
		count->nulls++;
		if (!column->has_fill)
		{
			row->codes[column->cat] = -1;
			return false;
		}
		row->codes[column->cat] = -1;
		row->levels[column->cat] = column->indicator >= 0 ? column->indicator : column->first_level + column->fill_code;
		return true;
	}
	else
	{
		text	   *bytes = DatumGetTextPP(value->value);

		row->texts[column->cat].data = VARDATA_ANY(bytes);
		row->texts[column->cat].length = VARSIZE_ANY_EXHDR(bytes);
		if (!column->has_dictionary)
			return true;
		code = ml_dictionary_find(&column->dictionary, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
		row->codes[column->cat] = code;
		if (code < 0)
		{
			count->unknown += !weighs_nothing(plan, values);
			return false;
		}
	}
	row->levels[column->cat] = column->first_level + code;
	return true;
}

/* The elements of a vector, or NULL if it has not as many as the plan says, or one of them is NULL. */
static const double *
vector_elements(const MdlRowColumn *column, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);

	if (VARSIZE(array) < ARR_OVERHEAD_NONULLS(1) + sizeof(double) * column->length || ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != column->length || ARR_ELEMTYPE(array) != FLOAT8OID || ARR_HASNULL(array))
		return NULL;
	return (const double *) ARR_DATA_PTR(array);
}

/* Reads a vector and hashes it; true if there is something to examine. */
static bool
read_vector(const MdlRowColumn *column, const NullableDatum *value, double *numbers, uint64 *lane)
{
	const double *elements = value->isnull ? NULL : vector_elements(column, value->value);
	bool		odd = elements == NULL;

	for (int k = 0; k < column->length; k++)
	{
		double		number = elements ? elements[k] : 0;

		numbers[column->number + k] = number;
		*lane = ml_hash_double(*lane, number);
		odd |= !isfinite(number);
	}
	return odd;
}

/* The same for examine_numbers; false: the row is to be left out. */
static bool
examine_vector(MdlRow *row, const MdlRowColumn *column, const NullableDatum *value, MdlRowCounts *count)
{
	const double *elements = value->isnull ? NULL : vector_elements(column, value->value);

	for (int k = 0; k < column->length; k++)
		row->number_nulls[column->number + k] = value->isnull;
	if (value->isnull)
	{
		count->nulls++;
		row->any_null = true;
		return column->has_fill;
	}
	if (elements == NULL)
	{
		count->unknown++;
		return false;
	}
	for (int k = 0; k < column->length; k++)
		if (!isfinite(elements[k]))
		{
			count->not_finite++;
			return false;
		}
	return true;
}

/* Looks at every number again after something was NULL or not finite; false: the row is to be left out. */
static bool
examine_numbers(MdlRow *row, const MdlRowPlan *plan, const NullableDatum *values, MdlRowCounts *counts)
{
	bool		usable = true;

	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlRowColumn *column = &plan->columns[i];

		if (column->number < 0)
			continue;
		if (column->wire == MDL_WIRE_VECTOR)
		{
			usable &= examine_vector(row, column, &values[i], &counts[i]);
			continue;
		}
		row->number_nulls[column->number] = values[i].isnull;
		if (values[i].isnull)
		{
			counts[i].nulls++;
			row->any_null = true;
			usable = usable && column->has_fill;
			row->numbers[column->number] = column->fill_number;
		}
		else if (!isfinite(row->numbers[column->number]))
		{
			counts[i].not_finite++;
			usable = false;
		}
	}
	return usable;
}

/* Reads the weight, which is 1 if there is none; false: NULL, not finite, negative or 0. */
static bool
read_weight(MdlRow *row, const MdlRowPlan *plan, const NullableDatum *values, MdlRowCounts *counts)
{
	const NullableDatum *value;

	row->weight = 1;
	if (plan->weight < 0)
		return true;
	value = &values[plan->weight];
	row->weight = value->isnull ? 0 : number_of(plan->columns[plan->weight].wire, value->value);
	if (value->isnull)
		counts[plan->weight].nulls++;
	else if (!isfinite(row->weight))
		counts[plan->weight].not_finite++;
	else if (row->weight < 0)
		counts[plan->weight].unknown++;
	return row->weight > 0 && isfinite(row->weight);
}

/*
 * What divides the rows: the number of the fold, a hash of the group's columns (NULL is a value as any other), or the
 * content; of counted groups their block.  False: there is no such fold, or group.
 */
static bool
read_split(MdlRow *row, const MdlRowPlan *plan, const NullableDatum *values, MdlRowCounts *counts)
{
	uint64		hash = 0;
	int			block;

	row->split = row->hash;
	if (plan->fold >= 0)
	{
		const NullableDatum *value = &values[plan->fold];
		int64		fold = value->isnull ? -2 : DatumGetInt64(value->value);

		/* Rows that a column keeps in training are divided by content where the estimator wants folds. */
		row->split = plan->has_holdout && fold >= 0 ? row->hash >> 1 : (uint64) fold;
		if (value->isnull)
			counts[plan->fold].nulls++;
		else if (fold < (plan->has_holdout ? -1 : 0) || fold >= plan->n_folds)
			counts[plan->fold].unknown++;
		return fold >= (plan->has_holdout ? -1 : 0) && fold < plan->n_folds;
	}
	if (plan->n_groups == 0)
		return true;
	for (int i = plan->n_columns - plan->n_groups; i < plan->n_columns; i++)
		hash = mdl_group_hash(hash, plan->columns[i].wire, values[i]);
	row->split = hash;
	if (plan->groups == NULL || row->weight == 0)
		return true;
	block = mdl_group_block(plan->groups, plan->seed, hash);
	row->split = (uint64) block;
	if (block < 0)
		counts[plan->n_columns - 1].unknown++;
	return block >= 0;
}

/* The hash of a row with NULL numbers, whose datums may be anything. */
static void
hash_with_nulls(const MdlRow *row, const MdlRowPlan *plan, const NullableDatum *values, uint64 *lanes)
{
	for (int i = 0; i < 4; i++)
		lanes[i] = i + 1;
	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlRowColumn *column = &plan->columns[i];

		if (column->role >= MDL_ROLE_WEIGHT)
			continue;
		if (values[i].isnull)
			lanes[i & 3] = ml_hash_word(lanes[i & 3], HASH_NULL);
		else if (column->number >= 0)
			for (int k = 0; k < column->length; k++)
				lanes[i & 3] = ml_hash_double(lanes[i & 3], row->numbers[column->number + k]);
		else if (column->cat >= 0)
			lanes[i & 3] = ml_hash_bytes(lanes[i & 3], row->texts[column->cat].data, row->texts[column->cat].length);
	}
}

/*
 * Takes one float8 into its place and its lane of the hash.  What was odd is gathered without a branch: in `nulls` whether
 * one was NULL, in the topmost bit of `bits` whether one was NaN or an infinity, whose exponent is all ones.
 */
#define EXPONENT UINT64CONST(0x7FF0000000000000)
#define TAKE_DOUBLE(k, lane) \
	do { \
		double		value = values[k]; \
		bits |= ((uint64) Float8GetDatum(value) & EXPONENT) + UINT64CONST(0x0010000000000000); \
		numbers[k] = value; \
		lane = ml_hash_double(lane, value); \
	} while (0)
#define TAKE_NUMBER(k, lane) \
	do { \
		uint64		word = (uint64) values[k].value; \
		nulls |= values[k].isnull; \
		bits |= (word & EXPONENT) + UINT64CONST(0x0010000000000000); \
		numbers[k] = DatumGetFloat8(values[k].value); \
		lane = ml_hash_double(lane, numbers[k]); \
	} while (0)

/*
 * Reads a stretch of float8 numbers; true if one is NULL or not finite.  The lanes are variables here, four steps at a
 * time: each is a chain of multiplications that must not wait for memory.
 */
static bool
read_run(const MdlRowRun *run, const NullableDatum *values, double *restrict numbers, uint64 *lanes)
{
	uint64		a = lanes[run->first & 3];
	uint64		b = lanes[(run->first + 1) & 3];
	uint64		c = lanes[(run->first + 2) & 3];
	uint64		d = lanes[(run->first + 3) & 3];
	uint64		bits = 0;
	uint8		nulls = 0;
	int			left = run->count;

	values += run->first;
	numbers += run->number;
	for (; left >= 4; left -= 4, values += 4, numbers += 4)
	{
		TAKE_NUMBER(0, a);
		TAKE_NUMBER(1, b);
		TAKE_NUMBER(2, c);
		TAKE_NUMBER(3, d);
	}
	if (left > 0)
		TAKE_NUMBER(0, a);
	if (left > 1)
		TAKE_NUMBER(1, b);
	if (left > 2)
		TAKE_NUMBER(2, c);
	lanes[run->first & 3] = a;
	lanes[(run->first + 1) & 3] = b;
	lanes[(run->first + 2) & 3] = c;
	lanes[(run->first + 3) & 3] = d;
	return nulls != 0 || (bits >> 63) != 0;
}

/* The same of numbers that lie side by side in a tuple. */
static bool
read_stretch(const MdlRowRun *run, const double *values, double *restrict numbers, uint64 *lanes)
{
	uint64		a = lanes[run->first & 3];
	uint64		b = lanes[(run->first + 1) & 3];
	uint64		c = lanes[(run->first + 2) & 3];
	uint64		d = lanes[(run->first + 3) & 3];
	uint64		bits = 0;
	int			left = run->count;

	numbers += run->number;
	for (; left >= 4; left -= 4, values += 4, numbers += 4)
	{
		TAKE_DOUBLE(0, a);
		TAKE_DOUBLE(1, b);
		TAKE_DOUBLE(2, c);
		TAKE_DOUBLE(3, d);
	}
	if (left > 0)
		TAKE_DOUBLE(0, a);
	if (left > 1)
		TAKE_DOUBLE(1, b);
	if (left > 2)
		TAKE_DOUBLE(2, c);
	lanes[run->first & 3] = a;
	lanes[(run->first + 1) & 3] = b;
	lanes[(run->first + 2) & 3] = c;
	lanes[(run->first + 3) & 3] = d;
	return (bits >> 63) != 0;
}

/* Reads a number of another wire type, likewise. */
static bool
read_number(const MdlRowColumn *column, int index, const NullableDatum *value, double *numbers, uint64 *lanes)
{
	double		number = number_of(column->wire, value->value);

	numbers[column->number] = number;
	lanes[index & 3] = ml_hash_double(lanes[index & 3], number);
	return value->isnull | !isfinite(number);
}

/* The values of the columns, as arguments or out of packs. */
static const NullableDatum *
argument_values(MdlRowReader *reader, FunctionCallInfo fcinfo, int first_arg)
{
	if (unlikely(!reader->checked))
	{
		check_arguments(fcinfo, reader->plan, first_arg);
		reader->checked = true;
	}
	if (reader->plan->pack == 0)
		return fcinfo->args + first_arg;
	mdl_unpack(fcinfo->args + first_arg, reader->plan, reader->values);
	return reader->values;
}

bool
mdl_row_read(MdlRowReader *reader, FunctionCallInfo fcinfo, int first_arg, MdlRowCounts *counts)
{
	const MdlRowPlan *plan = reader->plan;
	MdlRow	   *row = &reader->row;
	const NullableDatum *values;
	const MdlRowRun *run = plan->runs;
	const MdlRowRun *end = plan->runs + plan->n_runs;
	const char *data = NULL;
	bool		odd = false;
	bool		usable = true;
	uint64		lanes[4] = {1, 2, 3, 4};	/* of the hash, by column, so that four run beside each other */

	if (reader->scan != NULL)
	{
		data = mdl_scan_row(reader->scan);
		values = reader->scan->values;
		if (data != NULL)
		{
			run = reader->scan->runs;
			end = run + reader->scan->n_runs;
		}
	}
	else
		values = argument_values(reader, fcinfo, first_arg);
	row->any_null = false;
	for (; run < end; run++)
	{
		const MdlRowColumn *column = &plan->columns[run->first];

		if (run->offset >= 0)
			odd |= read_stretch(run, (const double *) (data + run->offset), row->numbers, lanes);
		else if (run->count > 0)
			odd |= read_run(run, values, row->numbers, lanes);
		else if (column->wire == MDL_WIRE_VECTOR)
			odd |= read_vector(column, &values[run->first], row->numbers, &lanes[run->first & 3]);
		else if (column->number >= 0)
			odd |= read_number(column, run->first, &values[run->first], row->numbers, lanes);
		else if (column->cat >= 0)
		{
			uint64	   *lane = &lanes[run->first & 3];

			usable &= read_category(row, plan, run->first, values, &counts[run->first]);
			*lane = ml_hash_bytes(*lane, row->texts[column->cat].data, row->texts[column->cat].length);
		}
	}
	if (unlikely(odd))
	{
		usable &= examine_numbers(row, plan, values, counts);
		hash_with_nulls(row, plan, values, lanes);
	}
	else if (unlikely(row->any_null))
		memset(row->number_nulls, 0, plan->n_numbers * sizeof(bool));	/* the NULL was a category's */
	for (int k = 0; k < plan->n_indicators; k++)
	{
		const MdlRowColumn *column = &plan->columns[plan->indicators[k]];

		if (column->number >= 0)
			row->numbers[column->indicator] = values[plan->indicators[k]].isnull;
	}
	usable &= read_weight(row, plan, values, counts);
	row->hash = ml_hash_word(ml_hash_word(lanes[0], lanes[1]), ml_hash_word(lanes[2], lanes[3]));
	usable &= read_split(row, plan, values, counts);
	return usable;
}

int
mdl_row_fold(const MdlRowPlan *plan, uint64 split)
{
	if (plan->n_folds <= 1)
		return 0;
	if (plan->groups != NULL || (plan->fold >= 0 && !plan->has_holdout))
		return (int) split;
	return (int) (ml_hash_fraction(ml_hash_word(split, plan->seed ^ HASH_FOLD)) * plan->n_folds);
}

bool
mdl_row_holdout(const MdlRowPlan *plan, uint64 split)
{
	if (plan->fold >= 0)
		return (int64) split == -1;
	if (plan->groups != NULL)
		return split == (uint64) plan->n_folds;
	return plan->has_holdout && ml_hash_fraction(ml_hash_word(split, plan->seed ^ HASH_HOLDOUT)) < plan->holdout;
}

uint64
mdl_row_shuffle(const MdlRowPlan *plan, uint64 split)
{
	return ml_hash_word(split, plan->seed ^ HASH_FOLD);
}

/*
 * A hash of the content and of how often that content was seen lately.  Without the second part a content that makes
 * up a large share of the rows would be in the sample with all of them or none.  The table forgets what was not seen for
 * long; such content is rare, and then it does not matter.
 */
uint64
mdl_row_priority(MdlRowReader *reader, uint64 hash)
{
	uint32		slot = hash % RECENT;

	if (unlikely(reader->recent == NULL))
	{
		MemoryContext context = GetMemoryChunkContext(reader);

		reader->recent = MemoryContextAllocZero(context, sizeof(uint64) * RECENT);
		reader->recent_count = MemoryContextAllocZero(context, sizeof(uint32) * RECENT);
	}
	if (reader->recent[slot] == hash)
		reader->recent_count[slot]++;
	else
	{
		reader->recent[slot] = hash;
		reader->recent_count[slot] = 0;
	}
	return ml_hash_word(hash, (reader->plan->seed ^ HASH_SAMPLE) + reader->recent_count[slot]);
}
