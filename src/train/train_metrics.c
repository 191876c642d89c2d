/*
 * train_metrics.c: how good predictions are on rows of an image.
 *
 * Definitions are those of the metric aggregates (src/ml/eval_*), which are scikit-learn's.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/eval_classify.h"
#include "ml/eval_rank.h"
#include "ml/eval_regression.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define ROWS_AT_ONCE 1048576		/* between two looks for a cancel */

static double *
huge(size_t count)
{
	return mdl_train_alloc_large(CurrentMemoryContext, sizeof(double) * (count + 1));
}

static void
put(MdlMetric *metrics, int *count, const char *name, bool defined, double value)
{
	if (!defined || !isfinite(value))
		return;
	Assert(*count < MDL_MAX_METRICS);
	metrics[*count].name = name;
	metrics[(*count)++].value = value;
}

/* ---- classes ------------------------------------------------------------------------------------------------------ */

typedef struct Scores
{
	double		weight;
	double		right;
	double		log_loss;
	double		squared;		/* of two classes: sum of w (p - label)^2 */
	double	   *matrix;			/* (label, predicted), of rows */
} Scores;

/* The class with the greatest probability, the first of equal ones. */
static inline int
best_class(const double *probabilities, int n_classes)
{
	int			best = 0;

	for (int k = 1; k < n_classes; k++)
		if (probabilities[k] > probabilities[best])
			best = k;
	return best;
}

/* Probabilities need not add up to 1 to the last bit. */
static double
log_loss_of(const double *probabilities, int n_classes, int label)
{
	if (n_classes == 2)
		return ml_classify_log_loss(label == 1, probabilities[1]);
	return ml_classify_log_loss(true, probabilities[label]);
}

static void
add_rows(const MdlMatrixData *data, const double *predictions, size_t first, size_t n, Scores *s)
{
	int			k = data->n_classes;

	for (size_t i = 0; i < n; i++)
	{
		const double *p = predictions + i * k;
		int			label = data->labels[first + i];
		double		weight = data->weights ? data->weights[first + i] : 1;
		int			predicted = best_class(p, k);

		s->weight += weight;
		s->right += predicted == label ? weight : 0;
		s->log_loss += weight * log_loss_of(p, k, label);
		s->squared += weight * (p[1] - label) * (p[1] - label);
		s->matrix[(Size) label * k + predicted]++;
		if (i % ROWS_AT_ONCE == ROWS_AT_ONCE - 1)
			CHECK_FOR_INTERRUPTS();
	}
}

typedef struct SortWork
{
	double	   *scores[2];		/* of negatives, positives */
	size_t		n[2];
	double	   *scratch[2];
} SortWork;

static void
sort_class(void *arg, int index)
{
	SortWork   *w = arg;

	ml_rank_sort(w->scores[index], w->scratch[index], w->n[index]);
}

/* Sorts what the predictions give one class, apart for rows of that class and of others. */
static void
rank_class(const ml_ctx *ctx, const MdlMatrixData *data, const double *predictions, size_t first, size_t n, int class,
		   SortWork *w)
{
	int			k = data->n_classes;
	double	   *scores = huge(n);
	double	   *scratch = huge(n);
	size_t		negatives = 0;
	size_t		positives = 0;

	CHECK_FOR_INTERRUPTS();
	for (size_t i = 0; i < n; i++)
		if (data->labels[first + i] == class)
			scores[n - ++positives] = predictions[i * k + class];
		else
			scores[negatives++] = predictions[i * k + class];
	w->scores[0] = scores;
	w->scores[1] = scores + negatives;
	w->scratch[0] = scratch;
	w->scratch[1] = scratch + negatives;
	w->n[0] = negatives;
	w->n[1] = positives;
	ml_parallel(ctx, 2, sort_class, w);
	pfree(scratch);
}

static void
put_ranks_of_two(const ml_ctx *ctx, const MdlMatrixData *data, const double *predictions, size_t first, size_t n,
				 MdlMetric *metrics, int *count)
{
	SortWork	w;
	double		value;
	bool		defined;

	rank_class(ctx, data, predictions, first, n, 1, &w);
	defined = ml_rank_roc_auc(w.scores[1], w.n[1], w.scores[0], w.n[0], &value);
	put(metrics, count, "roc_auc", defined, value);
	defined = ml_rank_average_precision(w.scores[1], w.n[1], w.scores[0], w.n[0], &value);
	put(metrics, count, "average_precision", defined, value);
	pfree(w.scores[0]);
}

/* One class against the rest, averaged over the classes; not defined unless all of them occur. */
static void
put_ranks_of_many(const ml_ctx *ctx, const MdlMatrixData *data, const double *predictions, size_t first, size_t n,
				  MdlMetric *metrics, int *count)
{
	double		sum = 0;
	bool		defined = true;

	for (int class = 0; class < data->n_classes && defined; class++)
	{
		SortWork	w;
		double		value;

		rank_class(ctx, data, predictions, first, n, class, &w);
		defined = ml_rank_roc_auc(w.scores[1], w.n[1], w.scores[0], w.n[0], &value);
		sum += defined ? value : 0;
		pfree(w.scores[0]);
	}
	put(metrics, count, "roc_auc_ovr", defined, sum / data->n_classes);
}

/* Metrics that count rows. */
static void
put_counts(const Scores *s, int k, MdlMetric *metrics, int *count)
{
	static const struct
	{
		const char *binary;
		const char *macro;
		ml_class_metric metric;
	}			kinds[] =
	{
		{"precision", "precision_macro", ML_PRECISION}, {"recall", "recall_macro", ML_RECALL}, {"f1", "f1_macro", ML_FBETA}
	};
	double		value;
	bool		defined;

	for (int i = 0; i < lengthof(kinds); i++)
	{
		defined = ml_classify_score(s->matrix, k, kinds[i].metric, 1, k == 2 ? ML_AVERAGE_BINARY : ML_AVERAGE_MACRO, 1, 0,
									&value);
		put(metrics, count, k == 2 ? kinds[i].binary : kinds[i].macro, defined, value);
	}
	defined = ml_classify_balanced_accuracy(s->matrix, k, &value);
	put(metrics, count, "balanced_accuracy", defined, value);
}

static int
class_metrics(const ml_ctx *ctx, const MdlMatrixData *data, const double *predictions, size_t first, size_t n,
			  MdlMetric *metrics)
{
	int			k = data->n_classes;
	Size		bytes = sizeof(double) * k * k;
	Scores		s = {.matrix = MemoryContextAllocExtended(CurrentMemoryContext, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO)};
	int			count = 0;

	add_rows(data, predictions, first, n, &s);
	put(metrics, &count, "accuracy", s.weight > 0, s.right / s.weight);
	put(metrics, &count, "log_loss", s.weight > 0, s.log_loss / s.weight);
	put(metrics, &count, "brier", s.weight > 0 && k == 2, s.squared / s.weight);
	if (data->weights == NULL)
	{
		if (k == 2)
			put_ranks_of_two(ctx, data, predictions, first, n, metrics, &count);
		else
			put_ranks_of_many(ctx, data, predictions, first, n, metrics, &count);
		put_counts(&s, k, metrics, &count);
	}
	pfree(s.matrix);
	return count;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

int
mdl_regression_metrics(const double *state, MdlMetric *metrics)
{
	int			count = 0;
	static const struct
	{
		const char *name;
		bool		(*value) (const double *state, double *value);
	}			kinds[] =
	{
		{"r2", ml_regression_r2}, {"rmse", ml_regression_rmse}, {"mae", ml_regression_mae}, {"mse", ml_regression_mse},
		{"mape", ml_regression_mape}, {"max_error", ml_regression_max_error},
		{"explained_variance", ml_regression_explained_variance},
	};

	for (int i = 0; i < lengthof(kinds); i++)
	{
		double		value;
		bool		defined = kinds[i].value(state, &value);

		put(metrics, &count, kinds[i].name, defined, value);
	}
	return count;
}

static int
regression_metrics(const MdlMatrixData *data, const double *predictions, size_t first, size_t n, MdlMetric *metrics)
{
	double		state[ML_REG_SLOTS] = {0};

	for (size_t i = 0; i < n; i++)
		ml_regression_add(state, data->target[first + i], predictions[i], data->weights ? data->weights[first + i] : 1);
	return mdl_regression_metrics(state, metrics);
}

int
mdl_matrix_metrics(const ml_ctx *ctx, const MdlMatrixData *data, const double *predictions, size_t first, size_t n,
				   MdlMetric *metrics)
{
	if (data->n_classes > 0)
		return class_metrics(ctx, data, predictions, first, n, metrics);
	if (data->target != NULL)
		return regression_metrics(data, predictions, first, n, metrics);
	return 0;
}
