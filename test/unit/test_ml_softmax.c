/*
 * test_ml_softmax.c: more than two classes on terms that nearly repeat each other and with rare classes: the gradient
 * vanishes with a penalty and without, threads change no bit, limits, memory and cancellation.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_softmax.h"

enum
{
	ROWS = 6000,
	NUMBERS = 6,
	CLASSES = 5
};

static double numbers[NUMBERS][ROWS];
static int32_t labels[ROWS];
static double weights[ROWS];
static ml_matrix_column columns[NUMBERS];
static size_t fold_start[3];
static ml_matrix matrix;
static const bool all_folds[2] = {true, true};

static double
uniform(void)
{
	return (double) rand() / RAND_MAX;
}

/*
 * Terms of sizes from 1e-2 to 1e4: two nearly the same, one with long tails, one a sum of others.  The classes have shares
 * from two thirds down to a thousandth, and some rows have a class drawn by lot.
 */
static void
make_matrix(void)
{
	static const double limits[CLASSES] = {0.66, 0.9, 0.99, 0.999, 1};

	srand(8);
	for (size_t i = 0; i < ROWS; i++)
	{
		double		position = uniform();
		double		lot = uniform();
		int			k = 0;

		while (k < CLASSES - 1 && (i % 10 == 0 ? lot : position) > limits[k])
			k++;
		labels[i] = k;
		numbers[0][i] = 50 * position + 3 * uniform();
		numbers[1][i] = numbers[0][i] + 1e-3 * (uniform() + (k == 3));
		numbers[2][i] = 1e4 * (uniform() - 0.5) + (k == 2 ? 1e4 : 0);
		numbers[3][i] = 1e-2 * uniform() * (k + 1);
		numbers[4][i] = pow(uniform() + 1e-4, -1) * (k % 2 ? 1 : -1);
		numbers[5][i] = numbers[0][i] - numbers[4][i] + 0.5 * uniform();
		weights[i] = 1 + i % 3;
	}
	for (int j = 0; j < NUMBERS; j++)
		columns[j] = (ml_matrix_column) {.numbers = numbers[j], .reference = -1, .first_term = j};
	fold_start[1] = ROWS / 3, fold_start[2] = ROWS;
	matrix = (ml_matrix) {.rows = ROWS, .n_columns = NUMBERS, .columns = columns, .n_terms = NUMBERS, .labels = labels,
	.n_classes = CLASSES, .weights = weights, .n_folds = 2, .fold_start = fold_start};
}

static ml_status
fit(const ml_ctx *ctx, const ml_softmax_params *params, ml_softmax **l, ml_error *err)
{
	double		progress;
	ml_status	status = ml_softmax_begin(ctx, &matrix, all_folds, params, l, err);

	if (status == ML_OK)
		while ((status = ml_softmax_step(*l, &progress, err)) == ML_MORE)
			if (ml_is_cancelled(ctx))
				return ML_CANCELLED;
	return status == ML_DONE ? ML_OK : status;
}

/* The largest derivative of the objective by a coefficient in units of the term's spread, per unit of weight. */
static double
largest_gradient(const ml_softmax_fit *f, const ml_softmax_params *params)
{
	long double gradient[CLASSES][NUMBERS + 1] = {{0}};
	double		mean[NUMBERS] = {0};
	double		square[NUMBERS] = {0};
	double		worst = 0;

	for (size_t i = 0; i < ROWS; i++)
		for (int j = 0; j < NUMBERS; j++)
			mean[j] += numbers[j][i] / ROWS;
	for (size_t i = 0; i < ROWS; i++)
	{
		double		score[CLASSES];
		double		largest = -INFINITY;
		double		sum = 0;

		for (int k = 0; k < CLASSES; k++)
		{
			score[k] = f->intercepts[k];
			for (int j = 0; j < NUMBERS; j++)
				score[k] += f->coefficients[k * NUMBERS + j] * numbers[j][i];
			largest = fmax(largest, score[k]);
		}
		for (int k = 0; k < CLASSES; k++)
			sum += score[k] = exp(score[k] - largest);
		for (int k = 0; k < CLASSES; k++)
		{
			double		residual = weights[i] * ((labels[i] == k) - score[k] / sum);

			for (int j = 0; j < NUMBERS; j++)
				gradient[k][j] += residual * (numbers[j][i] - mean[j]);
			gradient[k][NUMBERS] += residual;
		}
		for (int j = 0; j < NUMBERS; j++)
			square[j] += (numbers[j][i] - mean[j]) * (numbers[j][i] - mean[j]) / ROWS;
	}
	for (int k = 0; k < CLASSES; k++)
	{
		/* About the means, the derivative by a coefficient that moves the intercept along is that of the likelihood about 0. */
		for (int j = 0; j < NUMBERS; j++)
			worst = fmax(worst, fabs((double) gradient[k][j] - params->l2 * f->coefficients[k * NUMBERS + j]) / sqrt(square[j]) / f->weight);
		worst = fmax(worst, fabs((double) gradient[k][NUMBERS]) / f->weight);
	}
	return worst;
}

static void
test_minimum(double l2, int max_iter, double limit)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_softmax_params params = {.l2 = l2, .fit_intercept = true, .tol = 1e-10, .max_iter = max_iter};
	ml_softmax *l;
	ml_error	err;
	double		gradient;

	if (!unit_int(fit(&ctx, &params, &l, &err), ML_OK, "penalty %g", l2))
		printf("# %s\n", err.message);
	gradient = largest_gradient(ml_softmax_result(l), &params);
	unit_ok(gradient < limit, "the gradient vanishes: %.1e after %d rounds", gradient, ml_softmax_result(l)->iterations);
	unit_ok(ml_softmax_result(l)->converged, "converged");
	unit_ok(isnan(ml_softmax_result(l)->std_errors[0]) == (l2 > 0), "standard errors without a penalty only");
	ml_softmax_end(l);
}

static void
test_threads(void)
{
	ml_softmax_params params = {.l2 = 0.01, .fit_intercept = true, .tol = 1e-10, .max_iter = 1000};
	double		result[3][CLASSES * NUMBERS + CLASSES];
	ml_error	err;

	for (int k = 0; k < 3; k++)
	{
		ml_ctx		ctx = ml_ctx_default();
		ml_softmax *l;

		ctx.nthreads = (int[]) {1, 2, 8}[k];
		fit(&ctx, &params, &l, &err);
		memcpy(result[k], ml_softmax_result(l)->coefficients, CLASSES * NUMBERS * sizeof(double));
		memcpy(result[k] + CLASSES * NUMBERS, ml_softmax_result(l)->intercepts, CLASSES * sizeof(double));
		unit_bytes(result[k], result[0], sizeof(result[0]), "%d threads: the same bits", ctx.nthreads);
		ml_softmax_end(l);
	}
}

static void
test_limits(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_softmax_params params = {.l2 = 0.01, .fit_intercept = true, .tol = 1e-10, .max_iter = 60};
	ml_softmax *l;
	ml_error	err;

	/* Ten rounds after L-BFGS has been given up. */
	unit_int(fit(&ctx, &params, &l, &err), ML_OK, "too few iterations allowed");
	unit_ok(!ml_softmax_result(l)->converged && ml_softmax_result(l)->iterations == 60, "is told, after %d", ml_softmax_result(l)->iterations);
	ml_softmax_end(l);
	params.max_iter = 1000;
	params.tol = 1e-300;
	unit_int(fit(&ctx, &params, &l, &err), ML_OK, "a tolerance beyond the digits there are");
	unit_ok(ml_softmax_result(l)->converged, "ends where the digits do, after %d", ml_softmax_result(l)->iterations);
	ml_softmax_end(l);
	/* The labels follow from the first number, without the lots. */
	params = (ml_softmax_params) {.fit_intercept = true, .tol = 1e-10, .max_iter = 1000};
	for (int i = 0; i < ROWS; i++)
		labels[i] = (int) (uniform() * CLASSES), numbers[0][i] = 7.5 * labels[i] + uniform(), numbers[1][i] = labels[i] * labels[i] + 0.1 * uniform();
	unit_int(fit(&ctx, &params, &l, &err), ML_NOT_CONVERGED, "classes that can be told apart, without a penalty");
	ml_softmax_end(l);
	make_matrix();
}

static ml_status
fit_and_end(const ml_ctx *ctx, void *params, ml_error *err)
{
	ml_softmax *l;
	ml_status	status = fit(ctx, params, &l, err);

	ml_softmax_end(l);
	return status;
}

static void
test_failures(void)
{
	ml_softmax_params params = {.l2 = 0.01, .fit_intercept = true, .tol = 1e-10, .max_iter = 54};
	fail_state	cancel = {-1, 0, 60, 0};
	ml_ctx		ctx = fail_ctx(&cancel);
	ml_softmax *l;
	ml_error	err;

	unit_int(fit(&ctx, &params, &l, &err), ML_CANCELLED, "cancelled between steps");
	ml_softmax_end(l);
	unit_int(cancel.live, 0, "and nothing leaks");
	fold_start[1] = 200, fold_start[2] = 400;
	for (int i = 0; i < CLASSES; i++)
		labels[i] = i;
	fail_each_allocation(fit_and_end, &params, 101, "a regression");
	params.l2 = 0;
	for (int i = 0; i < ROWS; i++)
		labels[i] = (int) (uniform() * CLASSES), numbers[1][i] = numbers[0][i] + 1e-7 * uniform();
	fail_each_allocation(fit_and_end, &params, 120, "a regression on terms that nearly determine each other");
}

int
main(void)
{
	make_matrix();
	test_minimum(10, 1000, 1e-7);
	test_minimum(0.01, 1000, 1e-7);
	test_minimum(0, 1000, 1e-7);
	test_threads();
	test_limits();
	test_failures();
	return unit_done();
}
