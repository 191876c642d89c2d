/*
 * train_row_plan.c: the plan of a row: what its columns are and where each goes; made by train(), sent as bytea.
 */
#include "train/train_int.h"

#include <math.h>

#include "utils/memutils.h"

void
mdl_damaged_plan(void)
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
		mdl_damaged_plan();
	if (column->role < MDL_ROLE_FEATURE || column->role > MDL_ROLE_FOLD ||
		column->wire < MDL_WIRE_FLOAT8 || column->wire > MDL_WIRE_VECTOR ||
		text != (column->kind == ML_CATEGORICAL) || (text && column->role == MDL_ROLE_WEIGHT) || (column->role == MDL_ROLE_FOLD && column->wire != MDL_WIRE_INT8) ||
		(column->has_fill && column->has_dictionary && (column->fill_code < 0 || column->fill_code >= column->dictionary.count)))
		mdl_damaged_plan();
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
			plan->runs[plan->n_runs++] = (MdlRowRun) {i, plain ? 1 : 0, column->number, -1};
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
				mdl_damaged_plan();
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
			mdl_damaged_plan();
	for (int i = plan->n_columns - plan->n_groups; i < plan->n_columns; i++)
		if (plan->columns[i].role != MDL_ROLE_GROUP ||
			(plan->columns[i].wire != MDL_WIRE_TEXT && plan->columns[i].wire != MDL_WIRE_INT8))
			mdl_damaged_plan();
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

static void
put_groups(ml_writer *w, const MdlGroupTable *groups)
{
	ml_put_u32(w, groups->count);
	for (uint32 i = 0; i < groups->count; i++)
	{
		ml_put_u64(w, groups->hashes[i]);
		ml_put_u32(w, (uint32) groups->blocks[i]);
	}
	ml_put_u32(w, (uint32) groups->n_cuts);
	ml_put_doubles(w, groups->cuts, groups->n_cuts);
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
	ml_put_u8(&w, (plan->has_holdout ? 1 : 0) | (plan->groups != NULL ? 2 : 0));
	ml_put_double(&w, plan->holdout);
	ml_put_u32(&w, plan->sample);
	ml_put_u8(&w, plan->exact);
	ml_put_u8(&w, plan->indicate);
	ml_put_u32(&w, plan->area);
	ml_put_u64(&w, plan->area_key);
	for (int i = 0; i < plan->n_columns; i++)
		put_column(&w, &plan->columns[i]);
	if (plan->groups != NULL)
		put_groups(&w, plan->groups);
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
		mdl_damaged_plan();
	texts = palloc(sizeof(char *) * (count + 1));
	for (uint32 i = 0; i < count; i++)
	{
		texts[i] = ml_get_text(r, ctx, &no_memory);
		if (texts[i] == NULL)
			mdl_damaged_plan();
	}
	if (ml_dictionary_make(ctx, &column->dictionary, (int) count, (const char *const *) texts, &err) != ML_OK)
		mdl_damaged_plan();
}

static void
get_grid(ml_reader *r, MdlRowPlan *plan)
{
	uint32		count = ml_get_count(r, 12);

	if (r->failed || count > 2 * (uint32) plan->n_columns)
		mdl_damaged_plan();
	plan->grid_shift = palloc(sizeof(double) * (count + 1));
	plan->grid_exponent = palloc(sizeof(int32) * (count + 1));
	ml_get_doubles(r, plan->grid_shift, count);
	for (uint32 i = 0; i < count; i++)
		plan->grid_exponent[i] = (int32) ml_get_u32(r);
	plan->grid_root_exponent = (int32) ml_get_u32(r);
	plan->n_numbers = (int) count;
}

static MdlGroupTable *
get_groups(ml_reader *r, const MdlRowPlan *plan)
{
	MdlGroupTable *groups = palloc0(sizeof(MdlGroupTable));
	int			blocks = plan->n_folds + (plan->has_holdout ? 1 : 0);

	groups->count = ml_get_count(r, 12);
	if (r->failed)
		mdl_damaged_plan();
	groups->hashes = palloc(sizeof(uint64) * ((Size) groups->count + 1));
	groups->blocks = palloc(sizeof(int16) * ((Size) groups->count + 1));
	for (uint32 i = 0; i < groups->count; i++)
	{
		uint32		block;

		groups->hashes[i] = ml_get_u64(r);
		block = ml_get_u32(r);
		groups->blocks[i] = (int16) block;
		if (r->failed || block >= (uint32) blocks || (i > 0 && groups->hashes[i] <= groups->hashes[i - 1]))
			mdl_damaged_plan();
	}
	groups->n_cuts = (int) ml_get_count(r, 8);
	if (r->failed || (groups->n_cuts != 0 && groups->n_cuts != blocks))
		mdl_damaged_plan();
	groups->cuts = palloc(sizeof(double) * (groups->n_cuts + 1));
	ml_get_doubles(r, groups->cuts, groups->n_cuts);
	mdl_groups_index(groups);
	return groups;
}

MdlRowPlan *
mdl_row_plan_decode(bytea *bytes)
{
	MdlRowPlan *plan = palloc0(sizeof(MdlRowPlan));
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_reader	r = {(unsigned char *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), 0, false};
	uint32		n_columns;
	uint8		flags;
	int			grid_numbers;

	if (ml_get_u32(&r) != PLAN_MAGIC)
		mdl_damaged_plan();
	n_columns = ml_get_u32(&r);
	if (n_columns > r.length / 20)
		mdl_damaged_plan();
	plan->n_columns = (int) n_columns;
	plan->pack = (int) ml_get_u32(&r);
	plan->seed = ml_get_u64(&r);
	plan->n_folds = (int) ml_get_u32(&r);
	flags = ml_get_u8(&r);
	plan->has_holdout = (flags & 1) != 0;
	plan->holdout = ml_get_double(&r);
	plan->sample = ml_get_u32(&r);
	plan->exact = ml_get_u8(&r) != 0;
	plan->indicate = ml_get_u8(&r) != 0;
	plan->area = ml_get_u32(&r);
	plan->area_key = ml_get_u64(&r);
	if (r.failed || plan->n_folds < 1 || plan->n_folds > 1000 || plan->pack < 0 || plan->pack > FUNC_MAX_ARGS ||
		plan->sample > 1000000 || !(plan->holdout >= 0 && plan->holdout < 1))
		mdl_damaged_plan();
	plan->columns = palloc0(sizeof(MdlRowColumn) * (n_columns + 1));
	for (int i = 0; i < plan->n_columns; i++)
		get_column(&r, &ctx, &plan->columns[i]);
	if ((flags & 2) != 0)
		plan->groups = get_groups(&r, plan);
	if (plan->exact)
		get_grid(&r, plan);
	grid_numbers = plan->n_numbers;
	if (r.failed || r.at != r.length)
		mdl_damaged_plan();
	if (plan->exact)
	{
		/* derive needs the arrays to be long enough for what it counts */
		int			numbers = 0;

		for (int i = 0; i < plan->n_columns; i++)
			if (plan->columns[i].kind != ML_CATEGORICAL && plan->columns[i].role < MDL_ROLE_WEIGHT)
				numbers += plan->indicate && plan->columns[i].has_fill && plan->columns[i].role == MDL_ROLE_FEATURE ? 2 :
					Min(Max(plan->columns[i].length, 1), ML_MAX_CATEGORIES);
		if (numbers != grid_numbers)
			mdl_damaged_plan();
	}
	mdl_row_plan_derive(plan);
	return plan;
}
