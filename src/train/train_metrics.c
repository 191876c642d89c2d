/*
 * train_metrics.c: how good a classifier of two classes is on rows of a matrix.
 *
 * Definitions are those of the metric aggregates (src/ml/eval_*), which are scikit-learn's.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/eval_classify.h"
#include "ml/eval_rank.h"
#include "ml/ml_logistic.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define ROWS_AT_ONCE 1048576		/* between two looks for a cancel */

typedef struct Scores
{
	double		weight;
	double		right;
	double		log_loss;
	double		squared;
	int64		matrix[4];		/* (label, predicted), of rows */
	double	   *positives;		/* probabilities of rows of the last class … */
	size_t		n_positives;
	double	   *negatives;		/* … and of the first */
	size_t		n_negatives;
} Scores;

static void *
huge(size_t count)
{
	return mdl_train_alloc_large(CurrentMemoryContext, sizeof(double) * (count + 1));
}

static void
add_rows(const ml_matrix *matrix, size_t first, size_t n, const double *eta, Scores *s)
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
put(MdlMetric *metrics, int *count, const char *name, bool defined, double value)
{
	if (!defined || !isfinite(value))
		return;
	metrics[*count].name = name;
	metrics[(*count)++].value = value;
}

typedef struct SortWork
{
	Scores	   *scores;
	double	   *scratch;		/* for all scores */
} SortWork;

static void
sort_class(void *arg, int index)
{
	SortWork   *w = arg;

	if (index == 0)
		ml_rank_sort(w->scores->positives, w->scratch, w->scores->n_positives);
	else
		ml_rank_sort(w->scores->negatives, w->scratch + w->scores->n_positives, w->scores->n_negatives);
}

/* Metrics that rank the rows or count them. */
static void
put_unweighted(const ml_ctx *ctx, Scores *s, MdlMetric *metrics, int *count)
{
	SortWork	work = {s, huge(s->n_positives + s->n_negatives)};
	double		value;
	bool		defined;

	ml_parallel(ctx, 2, sort_class, &work);
	pfree(work.scratch);
	defined = ml_rank_roc_auc(s->positives, s->n_positives, s->negatives, s->n_negatives, &value);
	put(metrics, count, "roc_auc", defined, value);
	defined = ml_rank_average_precision(s->positives, s->n_positives, s->negatives, s->n_negatives, &value);
	put(metrics, count, "average_precision", defined, value);
	defined = ml_classify_score(s->matrix, 2, ML_PRECISION, 1, ML_AVERAGE_BINARY, 1, &value);
	put(metrics, count, "precision", defined, value);
	defined = ml_classify_score(s->matrix, 2, ML_RECALL, 1, ML_AVERAGE_BINARY, 1, &value);
	put(metrics, count, "recall", defined, value);
	defined = ml_classify_score(s->matrix, 2, ML_FBETA, 1, ML_AVERAGE_BINARY, 1, &value);
	put(metrics, count, "f1", defined, value);
}

int
mdl_class_metrics(const ml_ctx *ctx, const ml_matrix *matrix, const double *coefficients, double intercept,
				  size_t first, size_t n, MdlMetric *metrics)
{
	Scores		s = {0};
	double	   *eta = huge(n);
	int			count = 0;

	s.positives = huge(n);
	s.negatives = huge(n);
	for (size_t done = 0; done < n; done += ROWS_AT_ONCE)
	{
		size_t		here = Min(n - done, ROWS_AT_ONCE);

		CHECK_FOR_INTERRUPTS();
		ml_logistic_scores(ctx, matrix, coefficients, intercept, first + done, here, eta + done);
		add_rows(matrix, first + done, here, eta + done, &s);
	}
	put(metrics, &count, "accuracy", s.weight > 0, s.right / s.weight);
	put(metrics, &count, "log_loss", s.weight > 0, s.log_loss / s.weight);
	put(metrics, &count, "brier", s.weight > 0, s.squared / s.weight);
	if (matrix->weights == NULL)
		put_unweighted(ctx, &s, metrics, &count);
	pfree(eta);
	pfree(s.positives);
	pfree(s.negatives);
	return count;
}
