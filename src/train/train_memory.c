/*
 * train_memory.c: learners that go over their rows again and again: loaded once, in parallel, into memory.
 */
#include "train/train_matrix.h"

#include <math.h>
#include <unistd.h>

#include "base/progress.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "optimizer/paths.h"
#include "utils/memutils.h"

/*
 * Where predictions are dear, the metrics of the training rows are those of the first of them, which in their order are as
 * good as any: as many as take some seconds.
 */
#define MOST_OPERATIONS 1e10
#define LEAST_SCORED 1000

static void *
allocate_here(Size size, void *arg)
{
	return MemoryContextAllocHuge((MemoryContext) arg, size);
}

int
mdl_training_threads(void)
{
	int			threads = max_parallel_workers_per_gather + 1;

	if (mdl_train_threads > 0)
		return mdl_train_threads;
	return Min(threads, Max((int) sysconf(_SC_NPROCESSORS_ONLN), 1));
}

/* A column without variation among the rows trained on. */
static void
check_constant(const MdlTraining *t, const MdlMatrixData *data, size_t n)
{
	for (int i = 0; i < data->n_columns; i++)
	{
		const ml_values *column = &data->columns[i];
		size_t		same = 1;

		CHECK_FOR_INTERRUPTS();
		if (data->facts[i].kind == ML_VECTOR || t->preps[i].offset != MDL_OFFSET_NONE)
			continue;
		if (column->codes != NULL)
			while (same < n && column->codes[same] == column->codes[0])
				same++;
		else
			while (same < n && (column->numbers[same] == column->numbers[0] ||
								(isnan(column->numbers[same]) && isnan(column->numbers[0]))))
				same++;
		if (same == n && column->codes == NULL && isnan(column->numbers[0]))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("feature \"%s\" is NULL in every row", t->source.columns[i].name),
					 errhint("Exclude the column.")));
		if (same == n)
			mdl_training_constant_feature(t, t->source.columns[i].name, 1);
	}
}

/* Adds the metrics of some rows to those of the training; the names get a prefix. */
static void
push_metrics(MdlTraining *t, const MdlMatrixData *data, const char *prefix, size_t first, size_t n)
{
	MdlMetric	metrics[MDL_MAX_METRICS];
	double		effort = ml_model_effort(t->model);
	double	   *predictions;
	int			count;

	if (data->n_classes == 0 && data->target == NULL)
		return;
	if (first == 0 && effort * (double) n > MOST_OPERATIONS)
	{
		size_t		most = Max(LEAST_SCORED, (size_t) (MOST_OPERATIONS / effort));

		n = Min(n, most);
		mdl_jsonb_push_number(&t->metrics, "train_rows_scored", (double) n);
	}
	predictions = mdl_design_predict(&t->ctx, t->model, data, first, n);
	count = mdl_matrix_metrics(&t->ctx, data, predictions, first, n, metrics);
	for (int i = 0; i < count; i++)
		mdl_jsonb_push_number(&t->metrics, psprintf("%s%s", prefix, metrics[i].name), metrics[i].value);
	pfree(predictions);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* The rows of a training in memory. */
typedef struct MdlTrainingRows
{
	MdlMatrixLoad load;			/* of which only the counts outlive the reading */
	MdlMatrixData *data;
	uint32		sample;
	MdlSampleRecord **records;	/* (sample) of the training rows */
} MdlTrainingRows;

void
mdl_training_read_matrix(MdlTraining *t)
{
	MdlTrainingRows *rows = palloc0(sizeof(MdlTrainingRows));

	t->matrix_rows = rows;
	t->ctx.nthreads = mdl_training_threads();
	mdl_training_phase(t, "reading", -1);
	mdl_matrix_load(&t->source, &t->plan, t->plan_bytes, t->memory, &rows->load);
	mdl_training_phase(t, "ordering", -1);
	rows->sample = mdl_training_sample_rows(&t->plan);
	rows->data = mdl_matrix_open(mdl_matrix_build(t, &rows->load, &rows->sample, &rows->records, allocate_here, t->memory));
	mdl_matrix_unload(&rows->load);
	mdl_training_check_exposure(t, rows->data);
}

void
mdl_training_fit_matrix(MdlTraining *t)
{
	MdlTrainingRows *rows = t->matrix_rows;
	MdlMatrixData *data = rows->data;
	ml_train_input input = {0};
	bool	   *use_fold;
	size_t		training = data->fold_start[t->plan.n_folds];

	mdl_training_too_few(t, training);
	check_constant(t, data, training);
	use_fold = palloc0(sizeof(bool) * (data->n_folds + 1));
	for (int fold = 0; fold < t->plan.n_folds; fold++)
		use_fold[fold] = true;
	mdl_training_phase(t, "preparing", -1);
	mdl_training_describe_columns(t, false);
	mdl_design_fit(&t->ctx, data, mdl_matrix_rows(data, use_fold), t->preps, mdl_training_needs_reference(t),
				   t->estimator->keeps_missing, t->columns);
	mdl_training_make_model(t);
	mdl_design_input(&t->ctx, t->estimator, t->model, data, t->preps, use_fold, t->plan.n_folds > 1, &input);
	mdl_training_phase(t, "fitting", 100);
	mdl_training_run_estimator(&t->ctx, t->estimator, t->params, &input, t->model, &t->report);
	mdl_training_calibrate(t, data);
	t->rows = (int64) training;
	mdl_training_phase(t, "scoring", -1);
	push_metrics(t, data, "train_", 0, training);
	if (t->split.holdout)
	{
		if (data->rows == training)
			mdl_training_empty_holdout();
		mdl_jsonb_push_number(&t->metrics, "validation_rows", (double) (data->rows - training));
		push_metrics(t, data, "", training, data->rows - training);
	}
	mdl_training_phase(t, "describing", -1);
	mdl_training_make_baseline(t, (const MdlSampleRecord *const *) rows->records, rows->sample, rows->load.counts, NULL);
}
