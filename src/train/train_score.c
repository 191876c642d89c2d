/*
 * train_score.c: medallion._score_state: the errors of a regression on the rows held out, in one more parallel pass.
 *
 * The state is the flat array of eval_regression.h behind a head.  Which rows are held out follows from the plan, so the
 * pass reads the same query as training did.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "base/progress.h"
#include "catalog/pg_type.h"
#include "ml/eval_regression.h"
#include "utils/memutils.h"

#define SCORE_MAGIC 0x53434f52u

typedef struct ScoreState
{
	int32		vl_len_;
	uint32		magic;
	double		slots[ML_REG_SLOTS];
} ScoreState;

/* The model of a call site, decoded once. */
typedef struct Scorer
{
	MdlRowReader *reader;
	ml_model   *model;
	ml_values  *columns;		/* (model columns), each of one row */
	unsigned char *nulls;		/* (model columns) */
	double	   *numbers;
	MdlRowCounts *counts;
} Scorer;

static void
damaged_score(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the scores is damaged")));
}

static Scorer *
make_scorer(FunctionCallInfo fcinfo)
{
	MdlRowReader *reader = mdl_row_reader(fcinfo, 1);
	MemoryContext saved = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	Scorer	   *scorer = palloc0(sizeof(Scorer));
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	bytea	   *bytes;
	ml_error	err;
	ml_status	status;
	int			n;

	if (PG_ARGISNULL(2))
		damaged_score();
	bytes = PG_GETARG_BYTEA_PP(2);
	status = ml_model_load(&ctx, (const unsigned char *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &scorer->model,
						   &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	n = ml_model_n_columns(scorer->model);
	if (reader->plan->target < n || ml_model_task(scorer->model) != ML_REGRESSION ||
		reader->plan->columns[reader->plan->target].number < 0)
		damaged_score();
	for (int i = 0; i < n; i++)
		if (reader->plan->columns[i].kind != ml_model_column_kind(scorer->model, i))
			damaged_score();
	scorer->reader = reader;
	scorer->columns = palloc0(sizeof(ml_values) * (n + 1));
	scorer->nulls = palloc0(n + 1);
	scorer->numbers = palloc0(sizeof(double) * (n + 1));
	scorer->counts = palloc0(sizeof(MdlRowCounts) * (reader->plan->n_columns + 1));
	for (int i = 0; i < n; i++)
	{
		scorer->columns[i].numbers = &scorer->numbers[i];
		scorer->columns[i].nulls = &scorer->nulls[i];
		if (reader->plan->columns[i].cat >= 0)
			scorer->columns[i].texts = &reader->row.texts[reader->plan->columns[i].cat];
	}
	MemoryContextSwitchTo(saved);
	return scorer;
}

/* The prediction for the reader's row, through the same code as every prediction. */
static double
predict_row(Scorer *scorer)
{
	const MdlRowPlan *plan = scorer->reader->plan;
	const MdlRow *row = &scorer->reader->row;
	double		predicted;
	ml_error	err;
	ml_status	status;

	for (int i = 0; i < ml_model_n_columns(scorer->model); i++)
	{
		int			number = plan->columns[i].number;

		if (number >= 0)
		{
			scorer->numbers[i] = row->numbers[number];
			scorer->nulls[i] = row->any_null && row->number_nulls[number];
		}
		else
			scorer->nulls[i] = row->texts[plan->columns[i].cat].data == NULL;
	}
	status = ml_model_predict(scorer->model, scorer->columns, 1, &predicted, NULL, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	return predicted;
}

static ScoreState *
score_argument(Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (!VARATT_IS_4B_U(bytes) || (uintptr_t) bytes % MAXIMUM_ALIGNOF != 0)
		bytes = PG_DETOAST_DATUM_COPY(value);
	if (VARSIZE(bytes) != sizeof(ScoreState) || ((ScoreState *) bytes)->magic != SCORE_MAGIC)
		damaged_score();
	return (ScoreState *) bytes;
}

MDL_SHIM_TARGET(mdl_score_accum);
Datum
mdl_score_accum_impl(PG_FUNCTION_ARGS)
{
	Scorer	   *scorer = fcinfo->flinfo->fn_extra;
	ScoreState *state;

	/* The reader puts itself into fn_extra; the scorer, which has it, takes its place. */
	if (unlikely(scorer == NULL))
	{
		scorer = make_scorer(fcinfo);
		fcinfo->flinfo->fn_extra = scorer;
	}
	if (PG_ARGISNULL(0))
	{
		state = palloc0(sizeof(ScoreState));
		SET_VARSIZE(state, sizeof(ScoreState));
		state->magic = SCORE_MAGIC;
	}
	else
		state = score_argument(PG_GETARG_DATUM(0));
	if (AggCheckCallContext(fcinfo, NULL) == 0)
		damaged_score();
	if (mdl_row_read(scorer->reader, fcinfo, 3, scorer->counts) &&
		mdl_row_holdout(scorer->reader->plan, scorer->reader->row.split))
		ml_regression_add(state->slots, scorer->reader->row.numbers[scorer->reader->plan->n_numbers - 1],
						  predict_row(scorer), scorer->reader->row.weight);
	PG_RETURN_POINTER(state);
}

MDL_SHIM_TARGET(mdl_score_combine);
Datum
mdl_score_combine_impl(PG_FUNCTION_ARGS)
{
	ScoreState *state = score_argument(PG_GETARG_DATUM(0));
	ScoreState *other = score_argument(PG_GETARG_DATUM(1));

	if (AggCheckCallContext(fcinfo, NULL) == 0)
		damaged_score();
	ml_regression_merge(state->slots, other->slots);
	PG_RETURN_POINTER(state);
}

static bytea *
model_bytes(const MdlTraining *t)
{
	unsigned char *bytes;
	size_t		length;
	bytea	   *result;
	ml_error	err;
	ml_status	status = ml_model_save(&t->ctx, t->model, &bytes, &length, &err);

	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	if (length > MaxAllocSize - VARHDRSZ)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the model exceeds 1 GB")));
	result = palloc(length + VARHDRSZ);
	SET_VARSIZE(result, length + VARHDRSZ);
	memcpy(VARDATA(result), bytes, length);
	return result;
}

void
mdl_training_score_holdout(MdlTraining *t)
{
	bytea	   *bytes;
	ScoreState *state;
	MdlMetric	metrics[MDL_MAX_METRICS];
	int			count;

	mdl_training_phase(t, "validating", -1);
	bytes = mdl_source_aggregate(&t->source, "_score_state", t->plan_bytes, BYTEAOID, PointerGetDatum(model_bytes(t)));
	state = score_argument(PointerGetDatum(bytes));
	if (state->slots[ML_REG_ROWS] == 0)
		mdl_training_empty_holdout();
	mdl_jsonb_push_number(&t->metrics, "validation_rows", state->slots[ML_REG_ROWS]);
	count = mdl_regression_metrics(state->slots, metrics);
	for (int i = 0; i < count; i++)
		mdl_jsonb_push_number(&t->metrics, metrics[i].name, metrics[i].value);
}
