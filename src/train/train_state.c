/*
 * train_state.c: medallion._linear_state: moments per fold, a sample of the rows and counts, in one parallel pass.
 *
 * The state is a bytea: head, counts per column, one set of moments per fold and one for the holdout, the sample, which
 * alone grows, or is kept in shared memory (train_area.c).  Within one aggregation it is changed in place.  States merge, in parallel workers and across servers:
 *   SELECT medallion._linear_merge(s) FROM (SELECT medallion._linear_state(plan, …) AS s FROM part_1 UNION ALL …) parts
 * States may come from users' hands, so every call checks the head against the plan or the bytes.
 */
#include "train/train_states.h"

#include "ml/ml_sample.h"
#include "utils/float.h"
#include "utils/memutils.h"

#define STATE_MAGIC 0x4c53544du
#define STATE_LIMIT ((Size) 512 * 1024 * 1024)
#define FIRST_SAMPLE 64			/* records there is room for at first */

typedef struct Head
{
	int32		vl_len_;
	uint32		magic;
	int32		n_columns;
	int32		n_sets;
	int32		exact;
	int32		n_numbers;
	int32		n_cats;
	int32		n_levels;
	uint32		sample_wanted;
	uint32		record_size;
	uint64		set_size;
	MdlSharedSample shared;		/* if the sample is not here */
	/* MdlRowCounts (n_columns), sets (n_sets), sample */
} Head;

static ml_moments_shape
shape_of(const Head *head)
{
	ml_moments_shape shape = {head->n_numbers, head->n_cats, head->n_levels};

	return shape;
}

static MdlRowCounts *
counts_of(const Head *head)
{
	return (MdlRowCounts *) (head + 1);
}

static void *
set_of(const Head *head, int index)
{
	return (char *) (counts_of(head) + head->n_columns) + (Size) index * head->set_size;
}

static ml_sample *
sample_within(const Head *head)
{
	return (ml_sample *) set_of(head, head->n_sets);
}

/* Of a state that was checked. */
static ml_sample *
sample_of(const Head *head)
{
	return head->shared.place != 0 ? mdl_sample_shared(&head->shared) : sample_within(head);
}

static Size
size_without_sample(const Head *head)
{
	return sizeof(Head) + head->n_columns * sizeof(MdlRowCounts) + head->n_sets * head->set_size;
}

Size
mdl_sample_record_size(const MdlRowPlan *plan)
{
	return offsetof(MdlSampleRecord, numbers) + plan->n_numbers * sizeof(double) +
		MAXALIGN(plan->n_cats * sizeof(int32));
}

/* Raises unless the moments fit; sizes are computed in floating point first, since their product may overflow. */
static void
check_size(const MdlRowPlan *plan, int n_sets)
{
	double		width = plan->n_numbers + 16.0;
	double		levels = plan->n_levels;
	double		bytes = (width * width + levels * width + levels * levels + 80 * width) * (plan->exact ? 16 : 8) * n_sets;

	if (bytes > STATE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the statistics of %d numbers and %d categories would take %.0f MB, more than %d MB",
						plan->n_numbers, plan->n_levels, bytes / 1048576, (int) (STATE_LIMIT / 1048576)),
				 errhint("Exclude columns, or those with many categories.")));
}

static Head
plan_head(const MdlRowPlan *plan)
{
	Head		head = {0};
	ml_moments_shape shape = {plan->n_numbers, plan->n_cats, plan->n_levels};

	head.magic = STATE_MAGIC;
	head.n_columns = plan->n_columns;
	head.n_sets = plan->n_folds + (plan->has_holdout ? 1 : 0);
	head.exact = plan->exact;
	head.n_numbers = plan->n_numbers;
	head.n_cats = plan->n_cats;
	head.n_levels = plan->n_levels;
	head.sample_wanted = plan->sample;
	head.record_size = mdl_sample_record_size(plan);
	head.set_size = plan->exact ? ml_exact_size(&shape) : ml_moments_size(&shape);
	return head;
}

static Head *
make_state(const MdlRowPlan *plan)
{
	Head		head;
	Head	   *state;
	Size		size;
	ml_moments_shape shape;
	uint32		capacity = Min(FIRST_SAMPLE, plan->sample * 2);

	/* Moments have levels where a profile or a matrix has texts. */
	for (int i = 0; i < plan->n_columns; i++)
		if (plan->columns[i].cat >= 0 && !plan->columns[i].has_dictionary)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the row plan has a column without categories")));
	check_size(plan, plan->n_folds + 1);
	head = plan_head(plan);
	size = size_without_sample(&head) + ml_sample_size(capacity, head.record_size);
	state = palloc0(size);
	*state = head;
	SET_VARSIZE(state, size);
	shape = shape_of(state);
	for (int i = 0; i < state->n_sets; i++)
		if (state->exact)
			ml_exact_init(set_of(state, i), &shape);
		else
			ml_moments_init(set_of(state, i), &shape);
	ml_sample_init(sample_within(state), plan->sample, capacity, head.record_size);
	(void) mdl_sample_share(plan, &state->shared);
	return state;
}

/* The state with room for that many records of the sample: a copy. */
static Head *
grow_sample(const Head *state, uint32 capacity)
{
	Size		fixed = size_without_sample(state);
	Size		size = fixed + ml_sample_size(capacity, state->record_size);
	Head	   *grown;

	if (size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the sample of rows exceeds 1 GB")));
	grown = palloc(size);
	memcpy(grown, state, fixed);
	SET_VARSIZE(grown, size);
	ml_sample_move(sample_within(grown), capacity, sample_within(state));
	return grown;
}

static void
damaged_state(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the training statistics is damaged")));
}

/* Whether two heads describe the same layout. */
static bool
same_layout(const Head *a, const Head *b)
{
	return a->magic == b->magic && a->n_columns == b->n_columns && a->n_sets == b->n_sets && a->exact == b->exact &&
		a->n_numbers == b->n_numbers && a->n_cats == b->n_cats && a->n_levels == b->n_levels &&
		a->sample_wanted == b->sample_wanted && a->record_size == b->record_size && a->set_size == b->set_size;
}

/* Checks everything that later code relies on; the head must be one that plan_head could have made. */
static void
check_state(const Head *state)
{
	Size		size = VARSIZE(state);
	ml_moments_shape shape;
	Size		expected;

	if (size < sizeof(Head) || state->magic != STATE_MAGIC || state->n_columns < 0 ||
		state->n_columns > size / sizeof(MdlRowCounts) || state->n_sets < 1 || state->n_numbers < 0 ||
		state->n_cats < 0 || state->n_levels < 0 || state->n_numbers > 30000 || state->n_levels > 30000 ||
		state->n_cats > state->n_columns || state->record_size % 8 != 0 || state->record_size < sizeof(uint64))
		damaged_state();
	shape = shape_of(state);
	expected = state->exact ? ml_exact_size(&shape) : ml_moments_size(&shape);
	if (state->set_size != expected || state->n_sets > size / expected || size < size_without_sample(state) ||
		!ml_sample_valid(sample_within(state), size - size_without_sample(state)) ||
		sample_within(state)->record_size != state->record_size || sample_within(state)->wanted != state->sample_wanted ||
		sample_of(state) == NULL)
		damaged_state();
	for (int i = 0; i < state->n_sets; i++)
		if (state->exact ? !ml_exact_valid(set_of(state, i), expected, &shape) :
			!ml_moments_valid(set_of(state, i), expected, &shape))
			damaged_state();
}

/* A state argument as plain aligned memory that may be changed if it is ours already. */
static Head *
state_argument(Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (!VARATT_IS_4B_U(bytes) || (uintptr_t) bytes % MAXIMUM_ALIGNOF != 0)
		bytes = PG_DETOAST_DATUM_COPY(value);
	if (VARSIZE(bytes) < sizeof(Head))
		damaged_state();
	return (Head *) bytes;
}

void
mdl_sample_fill(const MdlRowReader *reader, MdlSampleRecord *record, Size size)
{
	const MdlRow *row = &reader->row;
	const MdlRowPlan *plan = reader->plan;

	memset(record, 0, size);
	record->hash = row->hash;
	record->split = row->split;
	record->weight = row->weight;
	memcpy(record->numbers, row->numbers, plan->n_numbers * sizeof(double));
	if (row->any_null)
		for (int i = 0; i < plan->n_columns; i++)
			if (plan->columns[i].number >= 0 && row->number_nulls[plan->columns[i].number])
				record->numbers[plan->columns[i].number] = get_float8_nan();
	memcpy(record->numbers + plan->n_numbers, row->codes, plan->n_cats * sizeof(int32));
}

/* Keeps a row in the sample; returns the state, which may have moved. */
static Head *
keep_in_sample(Head *state, MdlRowReader *reader)
{
	uint64		priority = mdl_row_priority(reader, reader->row.hash);
	ml_sample  *sample = state->shared.place != 0 ? mdl_reader_sample(reader, &state->shared) : sample_within(state);
	MdlSampleRecord *record;

	sample->seen++;
	if (!ml_sample_wants(sample, priority))
		return state;
	record = ml_sample_put(sample, priority);
	if (record == NULL)
	{
		state = grow_sample(state, ml_sample_next_capacity(sample));
		record = ml_sample_put(sample_within(state), priority);
	}
	mdl_sample_fill(reader, record, state->record_size);
	return state;
}

MDL_SHIM_TARGET(mdl_linear_accum);
Datum
mdl_linear_accum_impl(PG_FUNCTION_ARGS)
{
	MdlRowReader *reader = mdl_row_reader(fcinfo, 1);
	const MdlRowPlan *plan = reader->plan;
	const MdlRow *row = &reader->row;
	Head	   *state;
	int			set;

	if (PG_ARGISNULL(0))
	{
		mdl_only_in_aggregate(fcinfo);
		state = make_state(plan);
	}
	else
	{
		state = (Head *) DatumGetPointer(PG_GETARG_DATUM(0));
		if (unlikely(state->magic != STATE_MAGIC || !reader->state_checked))
		{
			Head		expected = plan_head(plan);

			mdl_only_in_aggregate(fcinfo);
			state = state_argument(PG_GETARG_DATUM(0));
			check_state(state);
			if (!same_layout(state, &expected))
				damaged_state();
			reader->state_checked = true;
		}
	}
	if (!mdl_row_read(reader, fcinfo, 2, counts_of(state)))
		PG_RETURN_POINTER(state);
	set = mdl_row_holdout(plan, row->split) ? plan->n_folds : mdl_row_fold(plan, row->split);
	if (plan->exact)
		ml_exact_add(set_of(state, set), &plan->grid, row->numbers, row->levels, row->weight);
	else
		ml_moments_add(set_of(state, set), row->numbers, row->levels, row->weight);
	if (plan->sample > 0 && set < plan->n_folds)
		state = keep_in_sample(state, reader);
	PG_RETURN_POINTER(state);
}

/* Adds the sample of `from`; returns the state, which may have moved. */
static Head *
merge_samples(Head *state, Head *from)
{
	ml_sample  *sample = sample_of(state);
	ml_sample  *other = sample_of(from);

	if (sample == other)
		damaged_state();
	/* One in shared memory has room for all that is wanted. */
	if (!ml_sample_merge(sample, other))
	{
		state = grow_sample(state, sample->count + other->count);
		ml_sample_merge(sample_within(state), other);
	}
	return state;
}

MDL_SHIM_TARGET(mdl_linear_combine);
Datum
mdl_linear_combine_impl(PG_FUNCTION_ARGS)
{
	Head	   *state;
	Head	   *from;

	mdl_only_in_aggregate(fcinfo);
	state = state_argument(PG_GETARG_DATUM(0));
	from = (Head *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(1));
	check_state(state);
	check_state(from);
	if (!same_layout(state, from))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training statistics of different plans cannot be merged")));
	for (int i = 0; i < state->n_columns; i++)
	{
		counts_of(state)[i].nulls += counts_of(from)[i].nulls;
		counts_of(state)[i].not_finite += counts_of(from)[i].not_finite;
		counts_of(state)[i].unknown += counts_of(from)[i].unknown;
	}
	for (int i = 0; i < state->n_sets; i++)
		if (state->exact)
			ml_exact_merge(set_of(state, i), set_of(from, i));
		else
			ml_moments_merge(set_of(state, i), set_of(from, i));
	state = merge_samples(state, from);
	pfree(from);
	PG_RETURN_POINTER(state);
}

void
mdl_linear_state_open(bytea *bytes, const MdlRowPlan *plan, MdlLinearState *state)
{
	Head		expected = plan_head(plan);
	Head	   *head = state_argument(PointerGetDatum(bytes));

	check_state(head);
	if (!same_layout(head, &expected))
		damaged_state();
	ml_sample_trim(sample_of(head));
	state->n_sets = head->n_sets;
	state->exact = head->exact != 0;
	state->sets = palloc(sizeof(void *) * head->n_sets);
	for (int i = 0; i < head->n_sets; i++)
		state->sets[i] = set_of(head, i);
	state->sample = sample_of(head);
	state->counts = counts_of(head);
}
