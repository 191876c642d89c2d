/*
 * train_gram.c: learners that need sums only: one parallel pass over the source, then algebra.
 *
 * Few rows (all of them are in the sample then) are fitted from the rows themselves by QR, in an order that depends on
 * their content alone: the digits are the best there are, and the same whatever the plan.
 */
#include "train/train_int.h"

#include <math.h>

#include "base/progress.h"
#include "miscadmin.h"
#include "ml/ml_sample.h"

void
mdl_training_run_estimator(const ml_ctx *ctx, const ml_estimator *estimator, const double *params,
						   const ml_train_input *input, ml_model *model, ml_report *report)
{
	void	   *state = NULL;
	ml_progress progress = {0, 0, NAN};
	ml_error	err;
	ml_status	status = estimator->begin(ctx, input, params, &state, &err);

	if (status == ML_OK)
		while ((status = estimator->step(state, &progress, &err)) == ML_MORE)
		{
			CHECK_FOR_INTERRUPTS();
			mdl_progress_update((int64) (progress.share * 100));
			if (!isnan(progress.loss))
				mdl_progress_metric(progress.loss);
		}
	if (status == ML_DONE)
		status = estimator->finish(state, model, report, &err);
	/* Threads are joined and no frame of the library is on the stack: what it holds goes with the memory context. */
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	estimator->end(state);
}

/* The terms of a sampled row, each into its column of x (rows, n_terms). */
static void
spread_row(const MdlTraining *t, const MdlSampleRecord *record, double *x, size_t row, size_t rows)
{
	const int32 *codes = (const int32 *) (record->numbers + t->plan.n_numbers);
	int			n_terms = ml_model_n_terms(t->model);

	for (int term = 0; term < n_terms; term++)
	{
		const MdlRowColumn *column = &t->plan.columns[ml_model_term_column(t->model, term)];
		double		value;

		if (column->cat >= 0)
		{
			int			code = codes[column->cat] >= 0 ? codes[column->cat] : column->fill_code;

			value = code == ml_model_term_category(t->model, term);
		}
		else
		{
			value = record->numbers[column->number];
			if (isnan(value))
				value = column->fill_number;
		}
		x[term * rows + row] = value;
	}
}

/* Gives the input all rows, in the order of their content, if the sample has them all and there are few. */
static void
add_rows(const MdlTraining *t, const MdlLinearState *state, const ml_gram *gram, ml_train_input *input)
{
	size_t		rows = state->sample->count;
	size_t		n_terms = gram->n - 1;
	uint32	   *order;
	double	   *x;
	double	   *y;
	double	   *weight;

	if (t->plan.target < 0 || state->sample->trimmed || (int64) rows != gram->rows || (double) rows * n_terms * n_terms > MDL_ROWS_FIT_LIMIT)
		return;
	order = palloc(sizeof(uint32) * rows);
	ml_sample_order(state->sample, order);
	x = MemoryContextAllocHuge(t->memory, sizeof(double) * (rows * n_terms + 1));
	y = palloc(sizeof(double) * rows);
	weight = palloc(sizeof(double) * rows);
	for (size_t row = 0; row < rows; row++)
	{
		const MdlSampleRecord *record = ml_sample_record(state->sample, order[row]);

		spread_row(t, record, x, row, rows);
		y[row] = record->numbers[t->plan.n_numbers - 1];
		weight[row] = record->weight;
	}
	input->rows_x = x;
	input->rows_y = y;
	input->rows_weight = t->plan.weight >= 0 ? weight : NULL;
}

void
mdl_training_gram_of_set(const MdlTraining *t, const MdlLinearState *state, int set, const ml_gram_source *sources, ml_gram *gram)
{
	if (state->exact)
	{
		const ml_exact *exact = state->sets[set];

		if (exact->outside > 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("the source had other values when it was read again"),
					 errhint("The source gives other rows each time: store its result in a table and train on that.")));
		ml_gram_from_exact(gram, exact, &t->plan.grid, sources);
	}
	else
		ml_gram_from_moments(gram, state->sets[set], sources);
}

static void
make_baseline(MdlTraining *t, const MdlLinearState *state)
{
	const MdlSampleRecord **records = palloc(sizeof(MdlSampleRecord *) * (state->sample->count + 1));

	for (uint32 i = 0; i < state->sample->count; i++)
		records[i] = ml_sample_record(state->sample, i);
	mdl_training_make_baseline(t, records, state->sample->count, state->counts, NULL);
}

/* The Gram of the rows trained on, and those of the folds if the estimator wants them apart. */
static void
read_sets(const MdlTraining *t, const MdlLinearState *state, const ml_gram_source *sources, ml_gram *gram, ml_train_input *input)
{
	int			folds = t->plan.n_folds;
	ml_gram    *fold_grams;

	if (folds == 1)
	{
		mdl_training_gram_of_set(t, state, 0, sources, gram);
		return;
	}
	fold_grams = palloc0(sizeof(ml_gram) * folds);
	ml_gram_clear(gram);
	for (int fold = 0; fold < folds; fold++)
	{
		ml_gram_attach(&fold_grams[fold], gram->n, MemoryContextAllocHuge(t->memory, sizeof(double) * ml_gram_doubles(gram->n)));
		mdl_training_gram_of_set(t, state, fold, sources, &fold_grams[fold]);
		ml_gram_add(gram, &fold_grams[fold]);
	}
	input->n_fold_grams = folds;
	input->fold_grams = fold_grams;
}

void
mdl_training_read_sums(MdlTraining *t, MdlLinearState *state)
{
	do
	{
		bytea	   *bytes;

		mdl_training_phase(t, "reading", -1);
		mdl_samples_begin(t);
		bytes = mdl_source_aggregate(&t->source, "_linear_state", t->plan_bytes, InvalidOid, 0);
		if (bytes == NULL)
			mdl_training_too_few(t, 0);
		mdl_linear_state_open(bytes, &t->plan, state);
	} while (mdl_training_plan_again(t, state->counts));
	mdl_training_check_counts(t, state->counts);
}

void
mdl_training_fit_gram(MdlTraining *t)
{
	MdlLinearState state;
	ml_gram_source *sources;
	ml_gram		gram;
	ml_train_input input = {0};
	int			n;

	mdl_training_read_sums(t, &state);
	mdl_training_describe_columns(t, mdl_training_needs_reference(t));
	mdl_training_make_model(t);
	sources = mdl_training_gram_sources(t, &n);
	ml_gram_attach(&gram, n, MemoryContextAllocHuge(t->memory, sizeof(double) * ml_gram_doubles(n)));
	read_sets(t, &state, sources, &gram, &input);
	mdl_training_too_few(t, gram.rows);
	mdl_training_check_constant(t, &gram, sources);
	t->rows = gram.rows;
	mdl_training_phase(t, "fitting", 100);
	input.gram = &gram;
	add_rows(t, &state, &gram, &input);
	mdl_training_run_estimator(&t->ctx, t->estimator, t->params, &input, t->model, &t->report);
	mdl_training_phase(t, "describing", -1);
	make_baseline(t, &state);
}
