/*
 * train_memory.c: learners that go over their rows again and again: loaded once, in parallel, into memory.
 */
#include "train/train_matrix.h"

#include <math.h>
#include <unistd.h>

#include "base/progress.h"
#include "miscadmin.h"
#include "ml/eval_classify.h"
#include "ml/eval_rank.h"
#include "ml/ml_logistic.h"
#include "optimizer/cost.h"
#include "optimizer/paths.h"
#include "utils/memutils.h"

#define BASELINE_ROWS 10000

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

/* A column without variation among the rows trained on; the view's columns are in the order of the features. */
static void
check_constant(const MdlTraining *t, const ml_matrix *matrix)
{
	size_t		n = matrix->fold_start[t->plan.n_folds];

	for (int i = 0; i < matrix->n_columns; i++)
	{
		const ml_matrix_column *column = &matrix->columns[i];
		size_t		same = 1;

		if (column->codes != NULL)
			while (same < n && column->codes[same] == column->codes[0])
				same++;
		else
			while (same < n && column->numbers[same] == column->numbers[0])
				same++;
		if (same == n)
			mdl_training_constant_column(t->source.columns[i].name);
	}
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

typedef struct ClassScores
{
	double		weight;
	double		right;
	double		log_loss;
	double		squared;
	int64		matrix[4];		/* row label, column predicted, of rows */
	double	   *positives;
	size_t		n_positives;
	double	   *negatives;
	size_t		n_negatives;
} ClassScores;

/* Scores of rows from `first` on against their labels. */
static void
score_rows(const ml_matrix *matrix, size_t first, size_t n, const double *eta, ClassScores *s)
{
	for (size_t i = 0; i < n; i++)
	{
		int			label = matrix->labels[first + i];
		double		weight = matrix->weights ? matrix->weights[first + i] : 1;
		double		p = 1 / (1 + exp(-eta[i]));
		int			predicted = eta[i] > 0;

		s->weight += weight;
		s->right += predicted == label ? weight : 0;
		s->log_loss += weight * ml_classify_log_loss(label == 1, p);
		s->squared += weight * (p - label) * (p - label);
		s->matrix[label * 2 + predicted]++;
		if (label == 1)
			s->positives[s->n_positives++] = p;
		else
			s->negatives[s->n_negatives++] = p;
	}
}

static void
push_metric(MdlTraining *t, const char *prefix, const char *name, double value)
{
	mdl_jsonb_push_number(&t->metrics, psprintf("%s%s", prefix, name), value);
}

/* Ranking does not take weights: with weights it is left out. */
static void
push_ranking(MdlTraining *t, const char *prefix, ClassScores *s)
{
	double	   *scratch = MemoryContextAllocHuge(t->memory, sizeof(double) * (Max(s->n_positives, s->n_negatives) + 1));
	double		value;

	ml_rank_sort(s->positives, scratch, s->n_positives);
	ml_rank_sort(s->negatives, scratch, s->n_negatives);
	if (ml_rank_roc_auc(s->positives, s->n_positives, s->negatives, s->n_negatives, &value))
		push_metric(t, prefix, "roc_auc", value);
	if (ml_rank_average_precision(s->positives, s->n_positives, s->negatives, s->n_negatives, &value))
		push_metric(t, prefix, "average_precision", value);
	pfree(scratch);
}

static void
push_class_metrics(MdlTraining *t, const ml_matrix *matrix, const char *prefix, size_t first, size_t n)
{
	ClassScores s = {0};
	double	   *eta = MemoryContextAllocHuge(t->memory, sizeof(double) * (n + 1));
	double		intercept;
	const double *coefficients = ml_model_coefficients(t->model, 0, &intercept);
	double		value;

	s.positives = MemoryContextAllocHuge(t->memory, sizeof(double) * (n + 1));
	s.negatives = MemoryContextAllocHuge(t->memory, sizeof(double) * (n + 1));
	ml_logistic_scores(&t->ctx, matrix, coefficients, intercept, first, n, eta);
	score_rows(matrix, first, n, eta, &s);
	CHECK_FOR_INTERRUPTS();
	push_metric(t, prefix, "accuracy", s.right / s.weight);
	push_metric(t, prefix, "log_loss", s.log_loss / s.weight);
	push_metric(t, prefix, "brier", s.squared / s.weight);
	if (matrix->weights == NULL)
	{
		push_ranking(t, prefix, &s);
		if (ml_classify_score(s.matrix, 2, ML_PRECISION, 1, ML_AVERAGE_BINARY, 1, &value))
			push_metric(t, prefix, "precision", value);
		if (ml_classify_score(s.matrix, 2, ML_RECALL, 1, ML_AVERAGE_BINARY, 1, &value))
			push_metric(t, prefix, "recall", value);
		if (ml_classify_score(s.matrix, 2, ML_FBETA, 1, ML_AVERAGE_BINARY, 1, &value))
			push_metric(t, prefix, "f1", value);
	}
	pfree(s.positives);
	pfree(s.negatives);
	pfree(eta);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

void
mdl_training_fit_matrix(MdlTraining *t)
{
	MdlMatrixLoad *load = palloc0(sizeof(MdlMatrixLoad));
	MdlMatrixImage *image;
	ml_matrix  *matrix;
	ml_train_input input = {0};
	bool		reference = t->estimator->needs_reference != NULL && t->estimator->needs_reference(t->params);
	bool	   *use_fold;
	size_t		training;
	uint32		sample = BASELINE_ROWS;
	const MdlSampleRecord **records;

	t->ctx.nthreads = mdl_training_threads();
	mdl_progress_phase("reading", -1);
	mdl_matrix_load(&t->source, &t->plan, t->plan_bytes, t->memory, load);
	mdl_progress_phase("ordering", -1);
	image = mdl_matrix_build(t, load, &sample, &records, allocate_here, t->memory);
	mdl_training_make_model(t);
	matrix = mdl_matrix_view(image, reference);
	training = matrix->fold_start[t->plan.n_folds];
	mdl_training_too_few(t, training);
	check_constant(t, matrix);
	mdl_progress_phase("fitting", 100);
	use_fold = palloc0(sizeof(bool) * (matrix->n_folds + 1));
	for (int fold = 0; fold < t->plan.n_folds; fold++)
		use_fold[fold] = true;
	input.matrix = matrix;
	input.use_fold = use_fold;
	mdl_training_run_estimator(&t->ctx, t->estimator, t->params, &input, t->model, &t->report);
	t->rows = (int64) training;
	mdl_progress_phase("scoring", -1);
	push_class_metrics(t, matrix, "train_", 0, training);
	if (t->holdout > 0)
	{
		if (matrix->rows == training)
			mdl_training_empty_holdout();
		mdl_jsonb_push_number(&t->metrics, "validation_rows", (double) (matrix->rows - training));
		push_class_metrics(t, matrix, "", training, matrix->rows - training);
	}
	mdl_training_make_baseline(t, records, sample, load->counts);
	mdl_matrix_unload(load);
}
