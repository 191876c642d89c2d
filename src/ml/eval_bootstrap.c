/*
 * eval_bootstrap.c: see eval_bootstrap.h.
 */
#include "ml/eval_bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ml/eval_classify.h"
#include "ml/eval_curve.h"
#include "ml/eval_regression.h"
#include "ml/ml_parallel.h"
#include "ml/ml_random.h"
#include "ml/ml_sort.h"

#define ROUND 16				/* resamples between two looks for a cancel */
#define PURPOSE_RESAMPLE 0x626f6f74
#define PURPOSE_THIN 0x7468696e

static const char *const number_names[] = {"rmse", "mae", "mse", "mape", "r2", "explained_variance"};
static const char *const two_names[] = {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "roc_auc",
"average_precision", "log_loss", "brier"};
static const char *const many_names[] = {"accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro",
"f1_weighted", "mcc", "log_loss"};

#define LENGTH(array) ((int) (sizeof(array) / sizeof((array)[0])))

const char *const *
ml_eval_names(ml_eval_task task, int *n)
{
	*n = task == ML_EVAL_NUMBER ? LENGTH(number_names) : task == ML_EVAL_TWO ? LENGTH(two_names) : LENGTH(many_names);
	return task == ML_EVAL_NUMBER ? number_names : task == ML_EVAL_TWO ? two_names : many_names;
}

/* NaN comes last. */
static int
compare_doubles(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (isnan(a) != 0) - (isnan(b) != 0);
	return (a > b) - (a < b);
}

static int
compare_rows(const void *a, const void *b)
{
	const ml_eval_row *x = a,
			   *y = b;
	int			order = compare_doubles(x->value, y->value);

	if (order == 0)
		order = compare_doubles(x->y, y->y);
	if (order == 0)
		order = (x->label > y->label) - (x->label < y->label);
	return order != 0 ? order : (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

bool
ml_eval_sort(const ml_ctx *ctx, ml_eval_row *rows, ml_eval_row *scratch, size_t n)
{
	return ml_sort(ctx, rows, scratch, n, sizeof(ml_eval_row), compare_rows);
}

/* Selection sampling (Knuth, The Art of Computer Programming 2, algorithm S). */
void
ml_eval_thin(ml_eval_row *rows, size_t n, size_t wanted, uint64_t seed)
{
	ml_random	random = ml_random_stream(seed, PURPOSE_THIN, 0);
	size_t		kept = 0;

	for (size_t i = 0; i < n && kept < wanted; i++)
		if (ml_random_unit(&random) * (double) (n - i) < (double) (wanted - kept))
			rows[kept++] = rows[i];
}

/* ---- the metrics of one resample ----------------------------------------------------------------------------- */

/* Room for one resample. */
typedef struct room
{
	uint32_t   *counts;			/* (n) how often each row was drawn */
	ml_scored  *scored;			/* (n), of two classes */
	ml_step    *steps;			/* (n) */
	double	   *matrix;			/* (n_classes, n_classes) */
} room;

typedef struct bootstrap
{
	ml_eval_task task;
	const ml_eval_row *rows;
	size_t		n;
	const double *losses;		/* (n) log-loss of each row, of classes */
	const int  *cells;			/* (n) place of each row in the matrix */
	int			n_classes;		/* 0: too many to count */
	int			positive;		/* of two classes, -1 if it does not occur */
	uint64_t	seed;
	int			n_metrics;
	int			resamples;
	int			first;			/* of the round */
	room		rooms[ROUND];
	double	   *values;			/* (n_metrics, resamples) */
} bootstrap;

static double
defined(bool is_defined, double value)
{
	return is_defined ? value : NAN;
}

static void
measure_numbers(const bootstrap *b, const uint32_t *counts, double *out)
{
	static bool (*const kinds[]) (const double *state, double *value) = {ml_regression_rmse, ml_regression_mae,
		ml_regression_mse, ml_regression_mape, ml_regression_r2, ml_regression_explained_variance};
	double		state[ML_REG_SLOTS] = {0};

	for (size_t i = 0; i < b->n; i++)
		if (counts[i] > 0)
			ml_regression_add(state, b->rows[i].y, b->rows[i].value, counts[i]);
	/* Resamples have as many rows as there are, however few of them differ. */
	state[ML_REG_ROWS] = (double) b->n;
	for (int m = 0; m < LENGTH(kinds); m++)
	{
		double		value;
		bool		is_defined = kinds[m] (state, &value);

		out[m] = defined(is_defined, value);
	}
}

static double
class_score(const bootstrap *b, const double *matrix, ml_class_metric metric, ml_average average)
{
	double		value;
	bool		is_defined = ml_classify_score(matrix, b->n_classes, metric, 1, average, b->positive, 0, &value);

	return defined(is_defined, value);
}

/* Fills the metrics that count classes. */
static void
measure_counts(const bootstrap *b, const room *r, double *out)
{
	ml_average	average = b->task == ML_EVAL_TWO ? ML_AVERAGE_BINARY : ML_AVERAGE_MACRO;
	double		value;
	bool		is_defined;
	int			count = 0;

	memset(r->matrix, 0, sizeof(double) * b->n_classes * b->n_classes);
	for (size_t i = 0; i < b->n; i++)
		r->matrix[b->cells[i]] += r->counts[i];
	is_defined = ml_classify_accuracy(r->matrix, b->n_classes, &value);
	out[count++] = defined(is_defined, value);
	is_defined = ml_classify_balanced_accuracy(r->matrix, b->n_classes, &value);
	out[count++] = defined(is_defined, value);
	out[count++] = class_score(b, r->matrix, ML_PRECISION, average);
	out[count++] = class_score(b, r->matrix, ML_RECALL, average);
	out[count++] = class_score(b, r->matrix, ML_FBETA, average);
	if (b->task == ML_EVAL_MANY)
		out[count++] = class_score(b, r->matrix, ML_FBETA, ML_AVERAGE_WEIGHTED);
	is_defined = ml_classify_mcc(r->matrix, b->n_classes, &value);
	out[count] = defined(is_defined, value);
}

static void
measure_ranks(const bootstrap *b, const room *r, double *roc_auc, double *average_precision)
{
	size_t		kept = 0;
	size_t		n_steps;
	double		value;
	bool		is_defined;

	for (size_t i = 0; i < b->n; i++)
		if (r->counts[i] > 0)
		{
			double		weight = r->counts[i];

			r->scored[kept++] = (ml_scored) {b->rows[i].value, b->rows[i].y > 0 ? weight : -weight};
		}
	n_steps = ml_steps(r->scored, kept, r->steps);
	is_defined = ml_steps_roc_auc(r->steps, n_steps, &value);
	*roc_auc = defined(is_defined, value);
	is_defined = ml_steps_average_precision(r->steps, n_steps, &value);
	*average_precision = defined(is_defined, value);
}

static void
measure(const bootstrap *b, const room *r, double *out)
{
	double		loss = 0,
				squared = 0;
	int			at = b->task == ML_EVAL_TWO ? 6 : 7;	/* metrics that count classes */

	if (b->task == ML_EVAL_NUMBER)
	{
		measure_numbers(b, r->counts, out);
		return;
	}
	for (int m = 0; m < at; m++)
		out[m] = NAN;
	if (b->n_classes > 0)
		measure_counts(b, r, out);
	for (size_t i = 0; i < b->n; i++)
	{
		double		error = b->rows[i].value - b->rows[i].y;

		loss += r->counts[i] * b->losses[i];
		squared += r->counts[i] * error * error;
	}
	if (b->task == ML_EVAL_TWO)
	{
		measure_ranks(b, r, &out[at], &out[at + 1]);
		out[at + 3] = squared / (double) b->n;
		at += 2;
	}
	out[at] = loss / (double) b->n;
}

/* One resample: number `index` of the round. */
static void
resample(void *arg, int index)
{
	const bootstrap *b = arg;
	const room *r = &b->rooms[index];
	int			number = b->first + index;
	ml_random	random = ml_random_stream(b->seed, PURPOSE_RESAMPLE, number);
	double		out[ML_EVAL_MAX_METRICS];

	if (number >= b->resamples)
		return;
	memset(r->counts, 0, sizeof(uint32_t) * b->n);
	for (size_t i = 0; i < b->n; i++)
		r->counts[ml_random_below(&random, (uint32_t) b->n)]++;
	measure(b, r, out);
	for (int m = 0; m < b->n_metrics; m++)
		b->values[(size_t) m * b->resamples + number] = out[m];
}

/* ---- before and after ---------------------------------------------------------------------------------------- */

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a,
				y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static int
place_of(const uint64_t *classes, size_t n, uint64_t class)
{
	const uint64_t *found = bsearch(&class, classes, n, sizeof(uint64_t), compare_hashes);

	return (int) (found - classes);
}

/* Numbers the classes and gives each row its cell; hashes is room for (2 n). */
static void
number_classes(bootstrap *b, uint64_t *hashes, int *cells)
{
	size_t		distinct = 0;

	for (size_t i = 0; i < b->n; i++)
	{
		hashes[2 * i] = b->rows[i].label;
		hashes[2 * i + 1] = b->rows[i].predicted;
	}
	qsort(hashes, 2 * b->n, sizeof(uint64_t), compare_hashes);
	for (size_t i = 0; i < 2 * b->n; i++)
		if (i == 0 || hashes[i] != hashes[distinct - 1])
			hashes[distinct++] = hashes[i];
	b->positive = -1;
	b->n_classes = distinct > ML_EVAL_MAX_CLASSES ? 0 : (int) distinct;
	for (size_t i = 0; i < b->n && b->n_classes > 0; i++)
	{
		int			label = place_of(hashes, distinct, b->rows[i].label);
		int			predicted = place_of(hashes, distinct, b->rows[i].predicted);

		cells[i] = label * b->n_classes + predicted;
		if (b->task == ML_EVAL_TWO && b->rows[i].y > 0)
			b->positive = label;
		else if (b->task == ML_EVAL_TWO && b->rows[i].value > 0.5)
			b->positive = predicted;
	}
	b->cells = cells;
}

static int
compare_values(const void *a, const void *b)
{
	return compare_doubles(*(const double *) a, *(const double *) b);
}

/* By linear interpolation between sorted values. */
static double
quantile(const double *values, int n, double fraction)
{
	double		place = fraction * (n - 1);
	int			low = (int) place;

	if (low + 1 >= n || values[low] == values[low + 1])
		return values[low];
	return values[low] + (values[low + 1] - values[low]) * (place - low);
}

static void
intervals(const bootstrap *b, double confidence, ml_eval_intervals *result)
{
	for (int m = 0; m < b->n_metrics; m++)
	{
		double	   *values = b->values + (size_t) m * b->resamples;
		int			n = 0;

		result->lower[m] = result->upper[m] = NAN;
		for (int i = 0; i < b->resamples; i++)
			if (!isnan(values[i]))
				values[n++] = values[i];
		if (n == 0 || n < b->resamples - n)
			continue;
		qsort(values, n, sizeof(double), compare_values);
		result->lower[m] = quantile(values, n, (1 - confidence) / 2);
		result->upper[m] = quantile(values, n, (1 + confidence) / 2);
	}
}

static void
release(const ml_ctx *ctx, bootstrap *b)
{
	for (int i = 0; i < ROUND; i++)
	{
		ml_free(ctx, b->rooms[i].counts);
		ml_free(ctx, b->rooms[i].scored);
		ml_free(ctx, b->rooms[i].steps);
		ml_free(ctx, b->rooms[i].matrix);
	}
	ml_free(ctx, b->values);
}

static bool
reserve(const ml_ctx *ctx, bootstrap *b)
{
	bool		ranked = b->task == ML_EVAL_TWO;
	bool		complete;

	b->values = ml_alloc(ctx, (size_t) b->n_metrics * b->resamples, sizeof(double));
	complete = b->values != NULL;
	for (int i = 0; i < ROUND && complete; i++)
	{
		room	   *r = &b->rooms[i];

		r->counts = ml_alloc(ctx, b->n, sizeof(uint32_t));
		r->matrix = ml_alloc(ctx, (size_t) b->n_classes * b->n_classes, sizeof(double));
		r->scored = ranked ? ml_alloc(ctx, b->n, sizeof(ml_scored)) : NULL;
		r->steps = ranked ? ml_alloc(ctx, b->n, sizeof(ml_step)) : NULL;
		complete = r->counts != NULL && r->matrix != NULL && (!ranked || (r->scored != NULL && r->steps != NULL));
	}
	return complete;
}

/* The metrics of the rows as they are, and of each resample. */
static ml_status
run(const ml_ctx *ctx, bootstrap *b, double confidence, ml_eval_intervals *result, ml_error *err)
{
	for (size_t i = 0; i < b->n; i++)
		b->rooms[0].counts[i] = 1;
	measure(b, &b->rooms[0], result->value);
	for (b->first = 0; b->first < b->resamples; b->first += ROUND)
	{
		if (ml_is_cancelled(ctx))
			return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
		ml_parallel(ctx, ROUND, resample, b);
	}
	intervals(b, confidence, result);
	return ML_OK;
}

ml_status
ml_eval_bootstrap(const ml_ctx *ctx, ml_eval_task task, const ml_eval_row *rows, size_t n, int resamples, double confidence,
				  ml_eval_intervals *result, ml_error *err)
{
	bootstrap	b = {.task = task,.rows = rows,.n = n,.seed = ctx->seed,.resamples = resamples};
	double	   *losses = ml_alloc(ctx, n, sizeof(double));
	int		   *cells = ml_alloc(ctx, n, sizeof(int));
	uint64_t   *hashes = ml_alloc(ctx, 2 * n, sizeof(uint64_t));
	ml_status	status = ML_OK;

	(void) ml_eval_names(task, &b.n_metrics);
	if (losses != NULL && cells != NULL && hashes != NULL)
	{
		for (size_t i = 0; i < n && task != ML_EVAL_NUMBER; i++)
			losses[i] = task == ML_EVAL_TWO ? ml_classify_log_loss(rows[i].y > 0, rows[i].value) : rows[i].value;
		if (task != ML_EVAL_NUMBER)
			number_classes(&b, hashes, cells);
		b.losses = losses;
		if (reserve(ctx, &b))
			status = run(ctx, &b, confidence, result, err);
		else
			status = ml_no_memory(err);
		release(ctx, &b);
	}
	else
		status = ml_no_memory(err);
	ml_free(ctx, losses);
	ml_free(ctx, cells);
	ml_free(ctx, hashes);
	return status;
}
