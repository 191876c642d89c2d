/*
 * test_ml_irls.c: logistic regression: the gradient vanishes, threads change no bit, separable and one-class data,
 * memory and cancellation.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_estimator.h"
#include "ml/ml_irls.h"

enum
{
	MOST = 70000,
	NUMBERS = 4,
	CATEGORIES = 5
};

static double numbers[NUMBERS][MOST];
static int32_t codes[MOST];
static int32_t labels[MOST];
static double weights[MOST];
static ml_matrix_column columns[NUMBERS + 1];
static size_t fold_start[4];
static ml_matrix matrix;
static const bool all_folds[3] = {true, true, true};

static double
uniform(void)
{
	return (double) rand() / RAND_MAX;
}

static void
make_matrix(size_t rows, bool weighted, int reference)
{
	srand(5);
	for (size_t i = 0; i < rows; i++)
	{
		double		eta = -0.5;

		for (int j = 0; j < NUMBERS; j++)
		{
			numbers[j][i] = (uniform() - 0.5) * 4 + (j == 1 ? 500 : 0);
			eta += (j + 1) * 0.3 * (numbers[j][i] - (j == 1 ? 500 : 0));
		}
		codes[i] = rand() % CATEGORIES;
		eta += 0.2 * codes[i];
		labels[i] = uniform() < 1 / (1 + exp(-eta));
		weights[i] = i % 50 == 0 ? 0 : 1 + i % 3;
	}
	for (int j = 0; j < NUMBERS; j++)
		columns[j] = (ml_matrix_column) {.numbers = numbers[j], .reference = -1, .first_term = j};
	columns[NUMBERS] = (ml_matrix_column) {.codes = codes, .n_categories = CATEGORIES, .reference = reference, .first_term = NUMBERS};
	fold_start[1] = rows / 3, fold_start[2] = rows / 2, fold_start[3] = rows;
	matrix = (ml_matrix) {.rows = rows, .n_columns = NUMBERS + 1, .columns = columns,
	.n_terms = NUMBERS + CATEGORIES - (reference >= 0), .labels = labels, .n_classes = 2,
	.weights = weighted ? weights : NULL, .n_folds = 3, .fold_start = fold_start};
}

static ml_irls_params
params_of(double c, bool fit_intercept, double tol, int max_iter)
{
	return (ml_irls_params) {.family = {.kind = ML_FAMILY_BINOMIAL}, .l2 = 1 / c, .fit_intercept = fit_intercept, .tol = tol,
		.max_iter = max_iter};
}

static ml_status
fit(const ml_ctx *ctx, const bool *folds, const ml_irls_params *params, ml_irls **l, ml_error *err)
{
	double		progress;
	ml_status	status = ml_irls_begin(ctx, &matrix, folds, params, l, err);

	if (status == ML_OK)
		while ((status = ml_irls_step(*l, &progress, err)) == ML_MORE)
			if (ml_is_cancelled(ctx))
				return ML_CANCELLED;
	return status == ML_DONE ? ML_OK : status;
}

/* The largest derivative of the objective at the result, per unit of weight. */
static double
largest_gradient(const ml_irls_fit *f, const ml_irls_params *params, const bool *folds)
{
	long double gradient[NUMBERS + CATEGORIES + 1] = {0};
	int			n_terms = f->n_terms;
	double		worst = 0;

	for (int fold = 0; fold < 3; fold++)
		for (size_t i = fold_start[fold]; folds[fold] && i < fold_start[fold + 1]; i++)
		{
			int			code = codes[i] - (columns[NUMBERS].reference >= 0 && codes[i] > columns[NUMBERS].reference);
			double		eta = f->intercept + (codes[i] != columns[NUMBERS].reference ? f->coefficients[NUMBERS + code] : 0);
			double		residual;

			for (int j = 0; j < NUMBERS; j++)
				eta += f->coefficients[j] * numbers[j][i];
			residual = (labels[i] - 1 / (1 + exp(-eta))) * (matrix.weights ? weights[i] : 1);
			gradient[n_terms] += residual;
			for (int j = 0; j < NUMBERS; j++)
				gradient[j] += residual * numbers[j][i];
			if (codes[i] != columns[NUMBERS].reference)
				gradient[NUMBERS + code] += residual;
		}
	for (int t = 0; t <= n_terms; t++)
	{
		if (t < n_terms)
			gradient[t] -= f->coefficients[t] * params->l2;
		if (t < n_terms || params->fit_intercept)
			worst = fmax(worst, fabs((double) gradient[t]) / f->weight);
	}
	return worst;
}

static void
test_minimum(size_t rows, bool weighted, double c, bool intercept, int reference)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_irls_params params = params_of(c, intercept, 1e-10, 100);
	ml_irls *l;
	ml_error	err;
	double		gradient;

	make_matrix(rows, weighted, reference);
	if (!unit_int(fit(&ctx, all_folds, &params, &l, &err), ML_OK, "%zu rows, C = %g", rows, c))
		printf("# %s\n", err.message);
	gradient = largest_gradient(ml_irls_result(l), &params, all_folds);
	/* The numbers reach 500, so this is 1e-11 of what a single row could contribute. */
	unit_ok(gradient < 1e-9, "the gradient vanishes: %.1e after %d rounds", gradient, ml_irls_result(l)->iterations);
	unit_ok(ml_irls_result(l)->converged && isnan(ml_irls_result(l)->std_errors[0]) == !isinf(c),
			"converged; standard errors without a penalty only");
	ml_irls_end(l);
}

static void
test_threads(void)
{
	double		result[4][NUMBERS + CATEGORIES + 1];
	const bool	two[3] = {true, false, true};
	ml_irls_params params = params_of(1, true, 1e-10, 100);
	ml_error	err;

	make_matrix(MOST, true, -1);
	for (int k = 0; k < 4; k++)
	{
		ml_ctx		ctx = ml_ctx_default();
		ml_irls *l;

		ctx.nthreads = k == 0 ? 1 : k * k + 1;
		fit(&ctx, two, &params, &l, &err);
		memcpy(result[k], ml_irls_result(l)->coefficients, matrix.n_terms * sizeof(double));
		result[k][matrix.n_terms] = ml_irls_result(l)->intercept;
		if (k == 0)
			unit_ok(largest_gradient(ml_irls_result(l), &params, two) < 1e-9, "two of three folds");
		unit_bytes(result[k], result[0], (matrix.n_terms + 1) * sizeof(double), "%d threads: the same bits", ctx.nthreads);
		ml_irls_end(l);
	}
}

/* Half of a column as an offset takes a half from its coefficient, and nothing from others; what follows the coefficients is 1. */
static void
test_offset(size_t rows)
{
	static double offset[MOST];
	ml_ctx		ctx = ml_ctx_default();
	ml_irls_params params = params_of(INFINITY, true, 1e-12, 100);
	double		before[NUMBERS + CATEGORIES];
	double		worst = 0;
	ml_irls    *l;
	ml_error	err;

	make_matrix(rows, true, 0);
	unit_int(fit(&ctx, all_folds, &params, &l, &err), ML_OK, "%zu rows without an offset", rows);
	memcpy(before, ml_irls_result(l)->coefficients, matrix.n_terms * sizeof(double));
	ml_irls_end(l);
	for (size_t i = 0; i < rows; i++)
		offset[i] = 0.5 * numbers[0][i];
	matrix.offset = offset;
	matrix.n_offsets = 1;
	unit_int(fit(&ctx, all_folds, &params, &l, &err), ML_OK, "with one");
	for (int t = 0; t < matrix.n_terms; t++)
		worst = fmax(worst, fabs(ml_irls_result(l)->coefficients[t] - before[t] + (t == 0 ? 0.5 : 0)));
	unit_ok(worst < 1e-8, "the coefficients differ by what the offset is: %.1e", worst);
	unit_ok(ml_irls_result(l)->coefficients[matrix.n_terms] == 1, "the offset's own is 1");
	unit_ok(ml_irls_result(l)->null_loss > ml_irls_result(l)->loss, "the model without terms has the offset too");
	ml_irls_end(l);
}

static void
test_bad_data(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_irls_params free_params = params_of(INFINITY, true, 1e-10, 100);
	ml_irls_params l2 = params_of(1, true, 1e-10, 100);
	ml_irls_params short_of_time = params_of(1, true, 1e-300, 2);
	const bool	none[3] = {false, false, false};
	ml_irls *l;
	ml_error	err;

	make_matrix(1000, false, 0);
	unit_int(fit(&ctx, none, &l2, &l, &err), ML_BAD_DATA, "no folds");
	ml_irls_end(l);
	unit_int(fit(&ctx, all_folds, &short_of_time, &l, &err), ML_OK, "too few iterations allowed");
	unit_ok(!ml_irls_result(l)->converged, "is told");
	ml_irls_end(l);
	for (int i = 0; i < 1000; i++)
		labels[i] = numbers[0][i] > 0.1;
	unit_int(fit(&ctx, all_folds, &free_params, &l, &err), ML_NOT_CONVERGED, "separable data without a penalty");
	ml_irls_end(l);
	unit_int(fit(&ctx, all_folds, &l2, &l, &err), ML_OK, "separable data with one");
	unit_ok(largest_gradient(ml_irls_result(l), &l2, all_folds) < 1e-9, "reach the minimum");
	ml_irls_end(l);
	for (int i = 0; i < 1000; i++)
		numbers[2][i] = numbers[0][i] - 2 * numbers[3][i];
	make_matrix(1000, false, 0);
	for (int i = 0; i < 1000; i++)
		numbers[2][i] = numbers[0][i] - 2 * numbers[3][i];
	unit_int(fit(&ctx, all_folds, &free_params, &l, &err), ML_OK, "a dependent column without a penalty");
	unit_ok(ml_irls_result(l)->aliased[3] && isnan(ml_irls_result(l)->std_errors[3]) &&
			ml_irls_result(l)->coefficients[3] == 0, "is aliased");
	ml_irls_end(l);
	for (int i = 0; i < 1000; i++)
		labels[i] = 1;
	unit_int(fit(&ctx, all_folds, &l2, &l, &err), ML_BAD_DATA, "one class only");
	ml_irls_end(l);
	/* A column that is 0 but in one row of a huge size. */
	make_matrix(1000, false, 0);
	memset(numbers[1], 0, sizeof(numbers[1]));
	numbers[1][17] = 1e12;
	unit_int(fit(&ctx, all_folds, &l2, &l, &err), ML_OK, "a column with one huge value");
	ml_irls_end(l);
}

/* Number 3 nearly repeats number 0, and number 2 level 1. */
static void
tangle(size_t rows)
{
	for (size_t i = 0; i < rows; i++)
	{
		numbers[3][i] = numbers[0][i] + 1e-8 * numbers[3][i];
		numbers[2][i] = (codes[i] == 1) + 1e-8 * numbers[2][i];
	}
}

/* The same coefficients as without, turned, and threads change no bit. */
static void
test_tangled(size_t rows)
{
	ml_irls_params params = params_of(INFINITY, true, 1e-12, 100);
	ml_ctx		ctx = ml_ctx_default();
	ml_irls *l;
	ml_irls *plain;
	ml_error	err;
	double		one[NUMBERS + CATEGORIES];
	const ml_irls_fit *f;
	const ml_irls_fit *p;

	make_matrix(rows, true, 0);
	unit_int(fit(&ctx, all_folds, &params, &plain, &err), ML_OK, "terms that tell different things");
	tangle(rows);
	unit_int(fit(&ctx, all_folds, &params, &l, &err), ML_OK, "the same, as terms that nearly determine each other");
	f = ml_irls_result(l);
	p = ml_irls_result(plain);
	for (int t = 2; t <= 3; t++)
		unit_ok(fabs(f->coefficients[t] * 1e-8 - p->coefficients[t]) < 1e-6 * p->std_errors[t] &&
				fabs(f->std_errors[t] * 1e-8 / p->std_errors[t] - 1) < 1e-7, "coefficient %d is %.17g, not %.17g", t, f->coefficients[t] * 1e-8,
				p->coefficients[t]);
	unit_ok(fabs(f->intercept - p->intercept) < 1e-6 * p->intercept_std_error && fabs(f->intercept_std_error / p->intercept_std_error - 1) < 1e-7,
			"the intercept is the same");
	unit_ok(fabs(f->loss - p->loss) < 1e-9 * p->loss && f->rank == p->rank, "so is what is left");
	memcpy(one, f->coefficients, matrix.n_terms * sizeof(double));
	ml_irls_end(l);
	ctx.nthreads = 5;
	fit(&ctx, all_folds, &params, &l, &err);
	unit_ok(memcmp(one, ml_irls_result(l)->coefficients, matrix.n_terms * sizeof(double)) == 0, "five threads have the same bits");
	ml_irls_end(l);
	ml_irls_end(plain);
}

static ml_status
fit_and_end(const ml_ctx *ctx, void *params, ml_error *err)
{
	ml_irls *l;
	ml_status	status = fit(ctx, all_folds, params, &l, err);

	ml_irls_end(l);
	return status;
}

static void
test_failures(void)
{
	ml_irls_params params = params_of(INFINITY, true, 1e-10, 100);
	ml_irls *l;
	ml_error	err;
	fail_state	cancel = {-1, 0, 1, 0};
	ml_ctx		ctx;

	make_matrix(300, true, 0);
	fail_each_allocation(fit_and_end, &params, 40, "a regression");
	tangle(300);
	fail_each_allocation(fit_and_end, &params, 60, "a regression on terms that nearly determine each other");
	ctx = fail_ctx(&cancel);
	make_matrix(MOST, false, 0);
	unit_int(fit(&ctx, all_folds, &params, &l, &err), ML_CANCELLED, "cancelled between steps");
	ml_irls_end(l);
	unit_int(cancel.live, 0, "and nothing leaks");
}

static void
test_estimators(void)
{
	double		params[ML_MAX_PARAMS];
	ml_error	err;

	unit_ok(ml_estimator_find("logistic") == &ml_estimator_logistic && ml_estimator_find("lasagne") == NULL, "found by name");
	for (int i = 0; ml_estimators[i] != NULL; i++)
	{
		const ml_estimator *e = ml_estimators[i];

		ml_estimator_defaults(e, params);
		unit_ok(e->n_params <= ML_MAX_PARAMS && e->tasks != 0, "%s has room for its parameters and a task", e->name);
		unit_ok(i == 0 || strcmp(ml_estimators[i - 1]->name, e->name) < 0, "%s stands in alphabetical order", e->name);
		for (int j = 0; j < e->n_params; j++)
			if (ml_param_check(&e->params[j], params[j], &err) != ML_OK || ml_estimator_param(e, e->params[j].name) != j)
				unit_ok(false, "the default of %s %s is not allowed: %s", e->name, e->params[j].name, err.message);
	}
	unit_int(ml_param_check(&ml_estimator_logistic.params[0], 0, &err), ML_BAD_PARAM, "C = 0");
	unit_text(err.message, "parameter \"C\" must be above 0, but is 0", "the message tells the range");
	unit_int(ml_param_check(&ml_estimator_logistic.params[0], NAN, &err), ML_BAD_PARAM, "C = NaN");
}

int
main(void)
{
	test_minimum(100, false, 1, true, -1);
	test_minimum(3000, true, 0.01, true, -1);
	test_minimum(3000, false, INFINITY, true, 0);
	test_minimum(3000, true, INFINITY, false, 2);
	test_minimum(MOST, false, 1, true, -1);
	test_minimum(MOST, true, INFINITY, true, 1);
	test_threads();
	test_offset(3000);
	test_offset(MOST);
	test_bad_data();
	test_tangled(900);
	test_tangled(MOST);
	test_failures();
	test_estimators();
	return unit_done();
}
