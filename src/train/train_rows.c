/*
 * train_rows.c: from the arguments of a transition function to a row of numbers and categories.
 *
 * This is the inner loop of reading a table, called once per row, so the usual row (no NULL, everything finite) goes
 * through one loop without a branch that the processor cannot foresee; only when something was odd do we look again to
 * tell what and count it.
 */
#include "train/train_int.h"

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

/* ---- the plan ------------------------------------------------------------------------------------------------ */

static void
damaged_plan(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the row plan is damaged"),
			 errhint("Internal aggregates of medallion take the plan that train() makes.")));
}

static void
check_column(const MdlRowColumn *column)
{
	bool		text = column->wire == MDL_WIRE_TEXT;

	if ((column->wire == MDL_WIRE_VECTOR) != (column->kind == ML_VECTOR) || column->length < 1 || column->length > ML_MAX_CATEGORIES ||
		(column->wire != MDL_WIRE_VECTOR && column->length != 1) ||
		column->buckets < 0 || column->buckets > ML_MAX_CATEGORIES || (column->buckets > 0 && !text) ||
		(column->wire == MDL_WIRE_VECTOR && column->role != MDL_ROLE_FEATURE))
		damaged_plan();
	if (column->role < MDL_ROLE_FEATURE || column->role > MDL_ROLE_FOLD ||
		column->wire < MDL_WIRE_FLOAT8 || column->wire > MDL_WIRE_VECTOR ||
		text != (column->kind == ML_CATEGORICAL) || (text && column->role == MDL_ROLE_WEIGHT) || (column->role == MDL_ROLE_FOLD && column->wire != MDL_WIRE_INT8) ||
		(column->has_fill && column->has_dictionary && (column->fill_code < 0 || column->fill_code >= column->dictionary.count)))
		damaged_plan();
}

/*
 * Cuts the columns into stretches of float8 numbers, each in the place behind that of the one before, and single others; lists
 * those that are texts or vectors.
 */
static void
find_runs(MdlRowPlan *plan)
{
	plan->runs = palloc(sizeof(MdlRowRun) * (plan->n_columns + 1));
	plan->varlenas = palloc(sizeof(int) * (plan->n_columns + 1));
	plan->n_runs = plan->n_varlenas = 0;
	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlRowColumn *column = &plan->columns[i];
		MdlRowRun  *last = plan->n_runs > 0 ? &plan->runs[plan->n_runs - 1] : NULL;
		bool		plain = column->number >= 0 && column->wire == MDL_WIRE_FLOAT8;

		if (column->wire == MDL_WIRE_TEXT || column->wire == MDL_WIRE_VECTOR)
			plan->varlenas[plan->n_varlenas++] = i;
		if (plain && last != NULL && last->count > 0 && column->number == last->number + last->count)
			last->count++;
		else
			plan->runs[plan->n_runs++] = (MdlRowRun) {i, plain ? 1 : 0, column->number};
	}
}

/* Gives the features with a fill, which come first, what tells their missing values; then the target gets its number. */
static void
add_indicators(MdlRowPlan *plan, int n_features)
{
	for (int i = 0; i < n_features && plan->indicate; i++)
	{
		MdlRowColumn *column = &plan->columns[i];

		if (!column->has_fill)
			continue;
		if (column->number >= 0)
			column->indicator = plan->n_numbers++;
		else
			column->indicator = plan->n_levels++;
		plan->indicators[plan->n_indicators++] = i;
	}
}

void
mdl_row_plan_derive(MdlRowPlan *plan)
{
	bool		features = true;

	plan->n_numbers = plan->n_cats = plan->n_levels = 0;
	plan->target = plan->weight = plan->fold = -1;
	plan->n_groups = plan->n_indicators = 0;
	plan->indicators = palloc(sizeof(int) * (plan->n_columns + 1));
	for (int i = 0; i < plan->n_columns; i++)
	{
		MdlRowColumn *column = &plan->columns[i];

		check_column(column);
		column->number = column->cat = column->indicator = -1;
		column->first_level = 0;
		if (features && column->role != MDL_ROLE_FEATURE)
		{
			add_indicators(plan, i);
			features = false;
		}
		if (column->role == MDL_ROLE_WEIGHT)
			plan->weight = i;
		else if (column->role == MDL_ROLE_FOLD)
			plan->fold = i;
		else if (column->role == MDL_ROLE_GROUP)
			plan->n_groups++;
		else if (column->kind != ML_CATEGORICAL)
		{
			column->number = plan->n_numbers;
			plan->n_numbers += column->length;
			if (plan->n_numbers > ML_MAX_CATEGORIES)
				damaged_plan();
		}
		else
		{
			column->cat = plan->n_cats++;
			column->first_level = plan->n_levels;
			plan->n_levels += column->dictionary.count;
		}
		if (column->role == MDL_ROLE_TARGET)
			plan->target = i;
	}
	if (features)
		add_indicators(plan, plan->n_columns);
	/* The target is the last number or category because it comes behind the features. */
	for (int i = plan->target + 1; plan->target >= 0 && i < plan->n_columns; i++)
		if (plan->columns[i].role < MDL_ROLE_WEIGHT)
			damaged_plan();
	for (int i = plan->n_columns - plan->n_groups; i < plan->n_columns; i++)
		if (plan->columns[i].role != MDL_ROLE_GROUP ||
			(plan->columns[i].wire != MDL_WIRE_TEXT && plan->columns[i].wire != MDL_WIRE_INT8))
			damaged_plan();
	find_runs(plan);
	if (plan->exact)
	{
		double	   *scale = palloc(sizeof(double) * (plan->n_numbers + 1));

		for (int j = 0; j < plan->n_numbers; j++)
			scale[j] = ldexp(1, plan->grid_exponent[j]);
		plan->grid = (ml_grid) {plan->n_numbers, plan->grid_shift, plan->grid_exponent, scale,
			plan->grid_root_exponent, ldexp(1, plan->grid_root_exponent)};
	}
}

#define PLAN_MAGIC 0x50524d31u

static void
put_column(ml_writer *w, const MdlRowColumn *column)
{
	ml_put_u8(w, column->role);
	ml_put_u8(w, column->wire);
	ml_put_u8(w, column->kind);
	ml_put_u32(w, (uint32) column->length);
	ml_put_u32(w, (uint32) column->buckets);
	ml_put_u8(w, (column->has_fill ? 1 : 0) | (column->has_dictionary ? 2 : 0));
	ml_put_double(w, column->fill_number);
	ml_put_u32(w, (uint32) column->fill_code);
	ml_put_u32(w, (uint32) column->dictionary.count);
	for (int i = 0; i < column->dictionary.count; i++)
		ml_put_text(w, column->dictionary.texts[i]);
}

bytea *
mdl_row_plan_encode(const MdlRowPlan *plan)
{
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_writer	w = {&ctx, NULL, 0, 0, false};
	bytea	   *bytes;

	ml_put_u32(&w, PLAN_MAGIC);
	ml_put_u32(&w, (uint32) plan->n_columns);
	ml_put_u32(&w, (uint32) plan->pack);
	ml_put_u64(&w, plan->seed);
	ml_put_u32(&w, (uint32) plan->n_folds);
	ml_put_u8(&w, plan->has_holdout);
	ml_put_double(&w, plan->holdout);
	ml_put_u32(&w, plan->sample);
	ml_put_u8(&w, plan->exact);
	ml_put_u8(&w, plan->indicate);
	ml_put_u32(&w, plan->area);
	ml_put_u64(&w, plan->area_key);
	for (int i = 0; i < plan->n_columns; i++)
		put_column(&w, &plan->columns[i]);
	if (plan->exact)
	{
		ml_put_u32(&w, (uint32) plan->n_numbers);
		ml_put_doubles(&w, plan->grid_shift, plan->n_numbers);
		for (int j = 0; j < plan->n_numbers; j++)
			ml_put_u32(&w, (uint32) plan->grid_exponent[j]);
		ml_put_u32(&w, (uint32) plan->grid_root_exponent);
	}
	if (w.failed || w.length > MaxAllocSize - VARHDRSZ)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	bytes = palloc(w.length + VARHDRSZ);
	SET_VARSIZE(bytes, w.length + VARHDRSZ);
	memcpy(VARDATA(bytes), w.data, w.length);
	ml_free(&ctx, w.data);
	return bytes;
}

static void
get_column(ml_reader *r, const ml_ctx *ctx, MdlRowColumn *column)
{
	uint8		flags;
	uint32		count;
	char	  **texts;
	bool		no_memory = false;
	ml_error	err;

	column->role = ml_get_u8(r);
	column->wire = ml_get_u8(r);
	column->kind = ml_get_u8(r);
	column->length = (int32) ml_get_u32(r);
	column->buckets = (int32) ml_get_u32(r);
	flags = ml_get_u8(r);
	column->has_fill = (flags & 1) != 0;
	column->has_dictionary = (flags & 2) != 0;
	column->fill_number = ml_get_double(r);
	column->fill_code = (int32) ml_get_u32(r);
	count = ml_get_count(r, 4);
	if (r->failed || (count > 0 && !column->has_dictionary))
		damaged_plan();
	texts = palloc(sizeof(char *) * (count + 1));
	for (uint32 i = 0; i < count; i++)
	{
		texts[i] = ml_get_text(r, ctx, &no_memory);
		if (texts[i] == NULL)
			damaged_plan();
	}
	if (ml_dictionary_make(ctx, &column->dictionary, (int) count, (const char *const *) texts, &err) != ML_OK)
		damaged_plan();
}

static void
get_grid(ml_reader *r, MdlRowPlan *plan)
{
	uint32		count = ml_get_count(r, 12);

	if (r->failed || count > 2 * (uint32) plan->n_columns)
		damaged_plan();
	plan->grid_shift = palloc(sizeof(double) * (count + 1));
	plan->grid_exponent = palloc(sizeof(int32) * (count + 1));
	ml_get_doubles(r, plan->grid_shift, count);
	for (uint32 i = 0; i < count; i++)
		plan->grid_exponent[i] = (int32) ml_get_u32(r);
	plan->grid_root_exponent = (int32) ml_get_u32(r);
	plan->n_numbers = (int) count;
}

MdlRowPlan *
mdl_row_plan_decode(bytea *bytes)
{
	MdlRowPlan *plan = palloc0(sizeof(MdlRowPlan));
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_reader	r = {(unsigned char *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), 0, false};
	uint32		n_columns;
	int			grid_numbers;

	if (ml_get_u32(&r) != PLAN_MAGIC)
		damaged_plan();
	n_columns = ml_get_u32(&r);
	if (n_columns > r.length / 20)
		damaged_plan();
	plan->n_columns = (int) n_columns;
	plan->pack = (int) ml_get_u32(&r);
	plan->seed = ml_get_u64(&r);
	plan->n_folds = (int) ml_get_u32(&r);
	plan->has_holdout = ml_get_u8(&r) != 0;
	plan->holdout = ml_get_double(&r);
	plan->sample = ml_get_u32(&r);
	plan->exact = ml_get_u8(&r) != 0;
	plan->indicate = ml_get_u8(&r) != 0;
	plan->area = ml_get_u32(&r);
	plan->area_key = ml_get_u64(&r);
	if (r.failed || plan->n_folds < 1 || plan->n_folds > 1000 || plan->pack < 0 || plan->pack > FUNC_MAX_ARGS ||
		plan->sample > 1000000 || !(plan->holdout >= 0 && plan->holdout < 1))
		damaged_plan();
	plan->columns = palloc0(sizeof(MdlRowColumn) * (n_columns + 1));
	for (int i = 0; i < plan->n_columns; i++)
		get_column(&r, &ctx, &plan->columns[i]);
	if (plan->exact)
		get_grid(&r, plan);
	grid_numbers = plan->n_numbers;
	if (r.failed || r.at != r.length)
		damaged_plan();
	if (plan->exact)
	{
		/* derive needs the arrays to be long enough for what it counts */
		int			numbers = 0;

		for (int i = 0; i < plan->n_columns; i++)
			if (plan->columns[i].kind != ML_CATEGORICAL && plan->columns[i].role < MDL_ROLE_WEIGHT)
				numbers += plan->indicate && plan->columns[i].has_fill && plan->columns[i].role == MDL_ROLE_FEATURE ? 2 :
					Min(Max(plan->columns[i].length, 1), ML_MAX_CATEGORIES);
		if (numbers != grid_numbers)
			damaged_plan();
	}
	mdl_row_plan_derive(plan);
	return plan;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static MdlRowReader *
make_reader(FunctionCallInfo fcinfo, int plan_arg)
{
	MemoryContext saved = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	MdlRowReader *reader = palloc0(sizeof(MdlRowReader));
	MdlRowPlan *plan;

	if (PG_ARGISNULL(plan_arg))
		damaged_plan();
	reader->plan_bytes = PG_GETARG_BYTEA_P_COPY(plan_arg);
	reader->plan_datum = PG_GETARG_DATUM(plan_arg);
	plan = reader->plan = mdl_row_plan_decode(reader->plan_bytes);
	reader->row.numbers = palloc0(sizeof(double) * (plan->n_numbers + 1));
	reader->row.number_nulls = palloc0(sizeof(bool) * (plan->n_numbers + 1));
	reader->row.codes = palloc0(sizeof(int32) * (plan->n_cats + 1));
	reader->row.levels = palloc0(sizeof(int32) * (plan->n_cats + 1));
	reader->row.texts = palloc0(sizeof(ml_text) * (plan->n_cats + 1));
	if (plan->pack > 0)
		reader->values = palloc0(sizeof(NullableDatum) * (plan->n_columns + 1));
	MemoryContextSwitchTo(saved);
	return reader;
}

/* Raises unless the arguments are what the plan says: their types are what the query's writer chose. */
static void
check_arguments(FunctionCallInfo fcinfo, const MdlRowPlan *plan, int first_arg)
{
	static const Oid types[] = {0, FLOAT8OID, FLOAT4OID, INT2OID, INT4OID, INT8OID, BOOLOID, TEXTOID, FLOAT8ARRAYOID};
	int			expected = plan->pack > 0 ? (plan->n_columns + plan->pack - 1) / plan->pack : plan->n_columns;

	if (PG_NARGS() != first_arg + expected)
		damaged_plan();
	for (int i = 0; i < expected; i++)
	{
		Oid			type = plan->pack > 0 ? BYTEAOID : types[plan->columns[i].wire];

		if (get_fn_expr_argtype(fcinfo->flinfo, first_arg + i) != type)
			damaged_plan();
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
		damaged_plan();
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

/* Reads the text of a category; false: it is NULL without a fill, or not in the dictionary. */
static bool
read_category(MdlRow *row, const MdlRowColumn *column, const NullableDatum *value, MdlRowCounts *count)
{
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
			count->unknown++;
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
 * content.  False: there is no such fold.
 */
static bool
read_split(MdlRow *row, const MdlRowPlan *plan, const NullableDatum *values, MdlRowCounts *counts)
{
	uint64		hash = 0;

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
	{
		if (values[i].isnull)
			hash = ml_hash_word(hash, HASH_NULL);
		else if (plan->columns[i].wire == MDL_WIRE_TEXT)
		{
			text	   *bytes = DatumGetTextPP(values[i].value);

			hash = ml_hash_bytes(hash, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
		}
		else
			hash = ml_hash_word(hash, (uint64) DatumGetInt64(values[i].value));
	}
	row->split = hash;
	return true;
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

/* Reads a number of another wire type, likewise. */
static bool
read_number(const MdlRowColumn *column, int index, const NullableDatum *value, double *numbers, uint64 *lanes)
{
	double		number = number_of(column->wire, value->value);

	numbers[column->number] = number;
	lanes[index & 3] = ml_hash_double(lanes[index & 3], number);
	return value->isnull | !isfinite(number);
}

bool
mdl_row_read(MdlRowReader *reader, FunctionCallInfo fcinfo, int first_arg, MdlRowCounts *counts)
{
	const MdlRowPlan *plan = reader->plan;
	MdlRow	   *row = &reader->row;
	const NullableDatum *values = fcinfo->args + first_arg;
	bool		odd = false;
	bool		usable = true;
	uint64		lanes[4] = {1, 2, 3, 4};	/* of the hash, by column, so that four run beside each other */

	if (unlikely(!reader->checked))
	{
		check_arguments(fcinfo, plan, first_arg);
		reader->checked = true;
	}
	if (plan->pack > 0)
	{
		mdl_unpack(values, plan, reader->values);
		values = reader->values;
	}
	row->any_null = false;
	for (int r = 0; r < plan->n_runs; r++)
	{
		const MdlRowRun *run = &plan->runs[r];
		const MdlRowColumn *column = &plan->columns[run->first];

		if (run->count > 0)
			odd |= read_run(run, values, row->numbers, lanes);
		else if (column->wire == MDL_WIRE_VECTOR)
			odd |= read_vector(column, &values[run->first], row->numbers, &lanes[run->first & 3]);
		else if (column->number >= 0)
			odd |= read_number(column, run->first, &values[run->first], row->numbers, lanes);
		else if (column->cat >= 0)
		{
			uint64	   *lane = &lanes[run->first & 3];

			usable &= read_category(row, column, &values[run->first], &counts[run->first]);
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
	if (plan->fold >= 0 && !plan->has_holdout)
		return (int) split;
	return (int) (ml_hash_fraction(ml_hash_word(split, plan->seed ^ HASH_FOLD)) * plan->n_folds);
}

bool
mdl_row_holdout(const MdlRowPlan *plan, uint64 split)
{
	if (plan->fold >= 0)
		return (int64) split == -1;
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
