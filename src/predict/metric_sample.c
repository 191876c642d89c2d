/*
 * metric_sample.c: the rows that the intervals of evaluate() are made from, gathered by an aggregate beside the metrics.
 *
 * Up to MOST_ROWS of them are kept, all there are if they are no more; of more a sample, drawn by a hash of each row and
 * of its place among the rows of its process.  See ml_sample.h and eval_bootstrap.h.
 */
#include "predict/metric_int.h"

#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "ml/ml_hash.h"
#include "ml/ml_sample.h"
#include "utils/builtins.h"

#define MOST_ROWS 1048576

/* A varlena; the sample is aligned to 8 bytes in it. */
typedef struct SampleState
{
	int32		vl_len_;
	int32		unused;
	ml_sample	sample;
} SampleState;

#define STATE_SIZE(capacity) (offsetof(SampleState, sample) + ml_sample_size(capacity, sizeof(ml_eval_row)))

static SampleState *
sample_make(uint32 capacity)
{
	Size		size = STATE_SIZE(capacity);
	SampleState *state = palloc0(size);

	SET_VARSIZE(state, size);
	return state;
}

static SampleState *
sample_grow(const SampleState *from, uint32 capacity)
{
	SampleState *state = sample_make(capacity);

	ml_sample_move(&state->sample, capacity, &from->sample);
	return state;
}

/* The bytea as a state, checked; NULL for the initial empty one. */
static SampleState *
sample_of(bytea *datum)
{
	SampleState *state = (SampleState *) datum;

	if (VARSIZE(state) == VARHDRSZ)
		return NULL;
	if (VARSIZE(state) < STATE_SIZE(0) ||
		!ml_sample_valid(&state->sample, VARSIZE(state) - offsetof(SampleState, sample)) ||
		state->sample.record_size != sizeof(ml_eval_row))
		elog(ERROR, "the sample of an evaluation is damaged");
	return state;
}

static uint64
class_hash(MdlLabels *labels, int side, Datum value)
{
	int			length;
	const char *text = mdl_label_text(labels, side, value, &length);

	return ml_hash_bytes(0x636c617373, text, length);
}

/* _evaluation_step(state, label, class, y, value); not strict: the class of a number is NULL */
MDL_SHIM_TARGET(mdl_metric_evaluation_step);
Datum
mdl_metric_evaluation_step_impl(PG_FUNCTION_ARGS)
{
	SampleState *state;
	ml_eval_row row = {0};
	uint64		priority;
	void	   *room;

	mdl_require_aggregate(fcinfo);
	state = sample_of(PG_GETARG_BYTEA_P(0));
	if (PG_ARGISNULL(1) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	row.y = PG_GETARG_FLOAT8(3);
	row.value = PG_GETARG_FLOAT8(4);
	if (!PG_ARGISNULL(2))
	{
		MdlLabels  *labels = mdl_labels(fcinfo, 2, "evaluate");

		row.label = class_hash(labels, 0, PG_GETARG_DATUM(1));
		row.predicted = class_hash(labels, 1, PG_GETARG_DATUM(2));
	}
	if (state == NULL)
	{
		state = sample_make(64);
		ml_sample_init(&state->sample, MOST_ROWS, 64, sizeof(ml_eval_row));
	}
	priority = ml_hash_word(ml_hash_bytes(ParallelWorkerNumber + 1, (const char *) &row, sizeof(row)), state->sample.seen++);
	if (!ml_sample_wants(&state->sample, priority))
		PG_RETURN_POINTER(state);
	room = ml_sample_put(&state->sample, priority);
	if (room == NULL)
	{
		state = sample_grow(state, ml_sample_next_capacity(&state->sample));
		room = ml_sample_put(&state->sample, priority);
	}
	memcpy(room, &row, sizeof(row));
	PG_RETURN_POINTER(state);
}

/* _evaluation_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_evaluation_merge);
Datum
mdl_metric_evaluation_merge_impl(PG_FUNCTION_ARGS)
{
	SampleState *into;
	SampleState *other;

	mdl_require_aggregate(fcinfo);
	into = sample_of(PG_GETARG_BYTEA_P(0));
	other = sample_of(PG_GETARG_BYTEA_P(1));
	if (other == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (into == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	other = (SampleState *) PG_GETARG_BYTEA_P_COPY(1);	/* merging cuts it */
	if (!ml_sample_merge(&into->sample, &other->sample))
	{
		into = sample_grow(into, into->sample.count + other->sample.count);
		(void) ml_sample_merge(&into->sample, &other->sample);
	}
	pfree(other);
	PG_RETURN_POINTER(into);
}

ml_eval_row *
mdl_evaluation_rows(bytea *datum, size_t *n)
{
	SampleState *state = sample_of(datum);
	ml_eval_row *rows;

	*n = 0;
	if (state == NULL)
		return NULL;
	ml_sample_trim(&state->sample);
	rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_eval_row) * ((Size) state->sample.count + 1));
	for (uint32 i = 0; i < state->sample.count; i++)
		rows[(*n)++] = *(const ml_eval_row *) ml_sample_record(&state->sample, i);
	return rows;
}

void
mdl_evaluation_sort(ml_eval_row *rows, size_t n)
{
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_eval_row *scratch = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_eval_row) * (n + 1));

	ml_eval_sort(&ctx, rows, scratch, n);
	CHECK_FOR_INTERRUPTS();
	pfree(scratch);
}
