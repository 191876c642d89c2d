/*
 * test_ml_linear.c: factors, least squares and ridge: by hand, against each other, at their edges, out of memory.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_linear.h"
#include "ml/ml_solve.h"

enum
{
	N = 200,
	P = 6
};

static double x[P * N];			/* column by column */
static double y[N];
static double weights[N];

static double
uniform(void)
{
	return (double) rand() / RAND_MAX - 0.5;
}

static void
make_data(void)
{
	srand(3);
	for (int i = 0; i < N; i++)
	{
		y[i] = 5;
		for (int j = 0; j < P; j++)
		{
			x[j * N + i] = uniform() * (j + 1) + (j == 2 ? 1000 : 0) + (j > 0 ? 0.3 * x[(j - 1) * N + i] : 0);
			y[i] += (j - 2.5) * x[j * N + i];
		}
		y[i] += uniform() * 0.1;
		weights[i] = 0.5 + i % 3;
	}
}

/* The Gram of the first p columns and y. */
static void
make_gram(ml_gram *gram, double *memory, int p, bool weighted)
{
	ml_moments_shape shape = {p + 1, 0, 0};
	ml_moments *m = malloc(ml_moments_size(&shape));
	ml_gram_source sources[P + 1];

	ml_moments_init(m, &shape);
	for (int i = 0; i < N; i++)
	{
		double		row[P + 1];

		for (int j = 0; j < p; j++)
			row[j] = x[j * N + i];
		row[p] = y[i];
		ml_moments_add(m, row, NULL, weighted ? weights[i] : 1);
	}
	for (int j = 0; j <= p; j++)
		sources[j] = (ml_gram_source) {j, -1};
	ml_gram_attach(gram, p + 1, memory);
	ml_gram_from_moments(gram, m, sources);
	free(m);
}

static void
same_fit(const ml_linear_fit *a, const ml_linear_fit *b, const char *what)
{
	unit_array_near(a->coefficients, b->coefficients, a->n_terms, 1e-10, 0, "%s: coefficients", what);
	unit_array_near(a->std_errors, b->std_errors, a->n_terms, 1e-9, 0, "%s: standard errors", what);
	unit_near(a->intercept, b->intercept, 1e-10, 0, "%s: intercept", what);
	unit_near(a->intercept_std_error, b->intercept_std_error, 1e-9, 0, "%s: its standard error", what);
	unit_near(a->r2, b->r2, 1e-10, 0, "%s: r2", what);
	unit_near(a->sigma, b->sigma, 1e-8, 0, "%s: sigma", what);
	unit_near(a->df, b->df, 0, 0, "%s: degrees of freedom", what);
}

static void
test_both_ways(bool weighted, bool intercept)
{
	ml_ctx		ctx = ml_ctx_default();
	double		memory[(P + 1) * (P + 3)];
	ml_linear_params params = {0, intercept};
	ml_gram		gram;
	ml_linear_fit from_gram,
				from_rows;
	ml_error	err;

	make_gram(&gram, memory, P, weighted);
	unit_int(ml_linear_from_gram(&ctx, &gram, &params, &from_gram, &err), ML_OK, "from moments");
	unit_int(ml_linear_from_rows(&ctx, x, y, weighted ? weights : NULL, N, P, &params, &from_rows, &err), ML_OK, "from rows");
	same_fit(&from_gram, &from_rows, weighted ? "weighted" : intercept ? "plain" : "through the origin");
	unit_near(ml_linear_rss(&gram, from_gram.coefficients, from_gram.intercept), from_rows.rss, 1e-7, 0, "residuals from moments");
	ml_linear_free(&ctx, &from_gram);
	ml_linear_free(&ctx, &from_rows);
}

static void
test_by_hand(void)
{
	ml_ctx		ctx = ml_ctx_default();
	const double line_x[] = {1, 2, 3, 4};
	const double line_y[] = {1, 3, 2, 5};
	ml_linear_params params = {0, true};
	ml_linear_fit fit;
	ml_error	err;

	ml_linear_from_rows(&ctx, line_x, line_y, NULL, 4, 1, &params, &fit, &err);
	unit_near(fit.coefficients[0], 1.1, 1e-15, 0, "a slope by hand");
	unit_near(fit.intercept, 0, 0, 1e-15, "an intercept by hand");
	unit_near(fit.rss, 2.7, 1e-15, 0, "residuals by hand");
	unit_near(fit.std_errors[0], sqrt(1.35 / 5), 1e-15, 0, "a standard error by hand");
	unit_near(fit.intercept_std_error, sqrt(1.35 * (0.25 + 6.25 / 5)), 1e-15, 0, "the intercept's");
	unit_near(fit.f_statistic, 1.1 * 1.1 / (1.35 / 5), 1e-14, 0, "F is t squared");
	ml_linear_free(&ctx, &fit);
}

static void
test_aliased(void)
{
	ml_ctx		ctx = ml_ctx_default();
	double		memory[(P + 1) * (P + 3)];
	static double saved[N];
	ml_linear_params params = {0, true};
	ml_linear_params ridge = {1e-3, true};
	ml_gram		gram;
	ml_linear_fit fit;
	ml_error	err;

	memcpy(saved, x + 3 * N, sizeof(saved));
	for (int i = 0; i < N; i++)
		x[3 * N + i] = 2 * x[i] - x[N + i] + 7;
	make_gram(&gram, memory, P, false);
	unit_int(ml_linear_from_gram(&ctx, &gram, &params, &fit, &err), ML_OK, "a dependent column, from moments");
	unit_ok(fit.aliased[3] && !fit.aliased[0] && fit.rank == P - 1 && fit.coefficients[3] == 0 && isnan(fit.std_errors[3]),
			"the later of the dependent columns is aliased");
	unit_near(fit.df, N - P, 0, 0, "and costs no degree of freedom");
	ml_linear_free(&ctx, &fit);
	ml_linear_from_rows(&ctx, x, y, NULL, N, P, &params, &fit, &err);
	unit_ok(fit.aliased[3] && fit.rank == P - 1, "the same from rows");
	ml_linear_free(&ctx, &fit);
	ml_linear_from_gram(&ctx, &gram, &ridge, &fit, &err);
	unit_ok(!fit.aliased[3] && isnan(fit.std_errors[0]), "a penalty tells them apart, but gives no standard errors");
	ml_linear_free(&ctx, &fit);
	memcpy(x + 3 * N, saved, sizeof(saved));

	unit_int(ml_linear_from_rows(&ctx, x, y, NULL, 3, 1, &params, &fit, &err), ML_OK, "three rows");
	ml_linear_free(&ctx, &fit);
	unit_int(ml_linear_from_rows(&ctx, x, y, NULL, 1, 1, &params, &fit, &err), ML_OK, "one row");
	unit_ok(fit.rank == 0 && fit.intercept == y[0] && isnan(fit.sigma) && isnan(fit.r2), "is its own mean");
	ml_linear_free(&ctx, &fit);
	unit_int(ml_linear_from_rows(&ctx, x, y, NULL, 0, 1, &params, &fit, &err), ML_BAD_DATA, "no rows");
	ml_linear_free(&ctx, &fit);
	ml_gram_clear(&gram);
	unit_int(ml_linear_from_gram(&ctx, &gram, &params, &fit, &err), ML_BAD_DATA, "an empty Gram");
	ml_linear_free(&ctx, &fit);
	gram.rows = 2, gram.weight = 2, gram.moments[0] = INFINITY;
	unit_int(ml_linear_from_gram(&ctx, &gram, &params, &fit, &err), ML_BAD_DATA, "sums that overflowed");
	ml_linear_free(&ctx, &fit);
}

static void
test_ridge(void)
{
	ml_ctx		ctx = ml_ctx_default();
	double		memory[(P + 1) * (P + 3)];
	ml_gram		gram;
	ml_error	err;

	make_gram(&gram, memory, P, false);
	for (double alpha = 0.1; alpha < 1e6; alpha *= 100)
	{
		ml_linear_params params = {alpha, true};
		ml_linear_fit fit;
		double		worst = 0;

		ml_linear_from_gram(&ctx, &gram, &params, &fit, &err);
		/* At the minimum the gradient vanishes: C b + alpha b = c. */
		for (int i = 0; i < P; i++)
		{
			double		gradient = alpha * fit.coefficients[i] - gram.moments[i * (P + 1) + P];

			for (int j = 0; j < P; j++)
				gradient += gram.moments[i * (P + 1) + j] * fit.coefficients[j];
			worst = fmax(worst, fabs(gradient) / fabs(gram.moments[i * (P + 1) + P]));
		}
		unit_ok(worst < 1e-12, "ridge %g: the gradient vanishes (%.1e)", alpha, worst);
		ml_linear_free(&ctx, &fit);
	}
}

static ml_status
fit_gram(const ml_ctx *ctx, void *gram, ml_error *err)
{
	ml_linear_params params = {0, true};
	ml_linear_fit fit;
	ml_status	status = ml_linear_from_gram(ctx, gram, &params, &fit, err);

	ml_linear_free(ctx, &fit);
	return status;
}

static ml_status
fit_rows(const ml_ctx *ctx, void *arg, ml_error *err)
{
	ml_linear_params params = {0, true};
	ml_linear_fit fit;
	ml_status	status = ml_linear_from_rows(ctx, x, y, NULL, N, P, &params, &fit, err);

	(void) arg;
	ml_linear_free(ctx, &fit);
	return status;
}

static void
test_failures(void)
{
	double		memory[(P + 1) * (P + 3)];
	ml_linear_params params = {0, true};
	ml_gram		gram;
	ml_error	err;
	fail_state	cancel = {-1, 0, 2, 0};
	ml_ctx		ctx = fail_ctx(&cancel);
	ml_linear_fit fit;

	make_gram(&gram, memory, P, false);
	fail_each_allocation(fit_gram, &gram, 4, "from sums");
	fail_each_allocation(fit_rows, NULL, 4, "from rows");
	unit_int(ml_linear_from_rows(&ctx, x, y, NULL, N, P, &params, &fit, &err), ML_CANCELLED, "cancelled in the middle");
	ml_linear_free(&ctx, &fit);
	unit_int(cancel.live, 0, "and nothing leaks");
}

int
main(void)
{
	make_data();
	test_by_hand();
	test_both_ways(false, true);
	test_both_ways(true, true);
	test_both_ways(false, false);
	test_aliased();
	test_ridge();
	test_failures();
	return unit_done();
}
