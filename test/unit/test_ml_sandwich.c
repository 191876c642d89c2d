/*
 * test_ml_sandwich.c: robust covariances against their formula in one and two coefficients, clusters of one row, memory, cancels;
 * five numbers and collinearity.
 */
#include "unit.h"
#include "alloc_fail.h"

#include <math.h>

#include "ml/ml_collinear.h"
#include "ml/ml_dist.h"
#include "ml/ml_sandwich.h"

enum
{
	ROWS = 150
};

static double x[ROWS * 2];
static double residual[ROWS];
static double curvature[ROWS];
static int32_t clusters[ROWS];
static const unsigned char none_aliased[2] = {0, 0};
static const unsigned char second_aliased[2] = {0, 1};

static ml_sandwich_input
make_input(int terms, bool intercept, ml_robust kind)
{
	uint32_t	state = 3;

	for (int i = 0; i < ROWS; i++)
	{
		for (int j = 0; j < terms; j++)
		{
			state = state * 1664525 + 1013904223;
			x[i * terms + j] = (state >> 8) / 16777216.0 + j * 100;
		}
		residual[i] = sin(i) * (1 + i % 3);
		curvature[i] = 1 + i % 2;
		clusters[i] = i;
	}
	return (ml_sandwich_input) {.rows = ROWS, .n_terms = terms, .x = x, .aliased = none_aliased, .residual = residual,
		.curvature = curvature, .fit_intercept = intercept, .n = ROWS, .kind = kind, .clusters = clusters, .n_clusters = ROWS};
}

static void
test_one(void)
{
	ml_ctx		ctx = ml_ctx_default();
	double		errors[3];
	double		imbalance;
	ml_error	err;
	double		a = 0;
	double		b = 0;
	ml_sandwich_input in = make_input(1, false, ML_ROBUST_HC0);

	for (int i = 0; i < ROWS; i++)
	{
		a += curvature[i] * x[i] * x[i];
		b += residual[i] * residual[i] * x[i] * x[i];
	}
	unit_ok(ml_sandwich(&ctx, &in, errors, &imbalance, &err) == ML_OK, "one coefficient");
	unit_ok(fabs(errors[0] - sqrt(b) / a) < 1e-13 * errors[0], "HC0 is its formula");
	unit_ok(isnan(errors[1]), "no intercept has no standard error");
	b = 0;
	for (int i = 0; i < ROWS; i++)
	{
		double		left = 1 - curvature[i] * x[i] * x[i] / a;

		b += residual[i] * residual[i] * x[i] * x[i] / (left * left);
	}
	in.kind = ML_ROBUST_HC3;
	ml_sandwich(&ctx, &in, errors, &imbalance, &err);
	unit_ok(fabs(errors[0] - sqrt(b) / a) < 1e-13 * errors[0], "HC3 is its formula");
}

static void
test_two(void)
{
	ml_ctx		ctx = ml_ctx_default();
	double		plain[3];
	double		clustered[3];
	double		imbalance;
	ml_error	err;
	ml_sandwich_input in = make_input(2, true, ML_ROBUST_HC1);

	unit_ok(ml_sandwich(&ctx, &in, plain, &imbalance, &err) == ML_OK, "two coefficients and an intercept");
	in.kind = ML_ROBUST_CLUSTER;
	unit_ok(ml_sandwich(&ctx, &in, clustered, &imbalance, &err) == ML_OK, "clusters");
	for (int j = 0; j < 3; j++)
		unit_ok(fabs(plain[j] / clustered[j] - 1) < 1e-12, "clusters of one row each are HC1 (%d)", j);
	in.aliased = second_aliased;
	in.kind = ML_ROBUST_HC2;
	unit_ok(ml_sandwich(&ctx, &in, plain, &imbalance, &err) == ML_OK && isfinite(plain[0]) && isnan(plain[1]) && isfinite(plain[2]),
			"a term without a coefficient has no standard error");
	for (int i = 0; i < ROWS; i++)
		x[i * 2 + 1] = x[i * 2];
	in.aliased = none_aliased;
	unit_ok(ml_sandwich(&ctx, &in, plain, &imbalance, &err) == ML_BAD_DATA, "terms that depend on each other are an error");
}

static ml_status
attempt_sandwich(const ml_ctx *ctx, void *in, ml_error *err)
{
	double		errors[3];
	double		imbalance;

	return ml_sandwich(ctx, in, errors, &imbalance, err);
}

static void
test_failures(void)
{
	double		errors[3];
	double		imbalance;
	ml_error	err;
	ml_sandwich_input in = make_input(2, true, ML_ROBUST_CLUSTER);
	fail_state	impatient = {-1, 0, 1, 0};
	ml_ctx		cancelled = fail_ctx(&impatient);

	fail_each_allocation(attempt_sandwich, &in, 9, "robust errors");
	unit_ok(ml_sandwich(&cancelled, &in, errors, &imbalance, &err) == ML_CANCELLED && impatient.live == 0, "cancelled, nothing leaks");
}

static void
test_collinear(void)
{
	ml_ctx		ctx = ml_ctx_default();
	double		moments[4] = {4, 3, 3, 9};
	double		vif[2];
	ml_collinear c = {vif, 0};
	ml_error	err;
	double		values[4] = {4, 1, 3, 2};
	double		five[5];

	unit_ok(ml_collinear_make(&ctx, moments, 2, 2, none_aliased, NULL, &c, &err) == ML_OK, "collinearity");
	unit_ok(fabs(vif[0] - 4.0 / 3) < 1e-14 && fabs(vif[1] - 4.0 / 3) < 1e-14, "variance inflation of a correlation of a half");
	unit_ok(fabs(c.condition - sqrt(3)) < 1e-14, "condition of a correlation of a half");
	ml_five_numbers(values, 4, five);
	unit_ok(five[0] == 1 && five[1] == 1.75 && five[2] == 2.5 && five[3] == 3.25 && five[4] == 4, "five numbers");
	unit_ok(fabs(ml_t_quantile(0.975, 10) - 2.2281388519862739) < 1e-12, "quantile of Student's t");
	unit_ok(fabs(ml_t_quantile(0.025, 1) + 12.706204736174698) < 1e-10, "quantile of Student's t with one degree of freedom");
	unit_ok(fabs(ml_t_quantile(0.975, INFINITY) - 1.9599639845400545) < 1e-12, "quantile of Student's t with infinitely many");
	unit_ok(isnan(ml_t_quantile(1, 3)), "no quantile of 1");
}

#define BAND 50

static ml_status
attempt_collinear(const ml_ctx *ctx, void *moments, ml_error *err)
{
	static const unsigned char kept[BAND];
	double		vif[BAND];
	ml_collinear c = {vif, 0};

	return ml_collinear_make(ctx, moments, BAND, BAND, kept, NULL, &c, err);
}

/* Matrices whose eigenvalues are known: equal correlations, and a band. */
static void
test_condition(void)
{
	enum
	{
		N = BAND
	};
	static double equal[N * N];
	static double band[N * N];
	static const unsigned char kept[N];
	double		vif[N];
	ml_collinear c = {vif, 0};
	ml_ctx		ctx = ml_ctx_default();
	ml_error	err;
	fail_state	impatient = {-1, 0, 1, 0};
	ml_ctx		cancelled = fail_ctx(&impatient);

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
		{
			equal[i * N + j] = (i == j ? 1 : 0.5) * (i + 1) * (j + 1);
			band[i * N + j] = i == j ? 1 : abs(i - j) == 1 ? 0.45 : 0;
		}
	ml_collinear_make(&ctx, equal, N, N, kept, NULL, &c, &err);
	unit_ok(fabs(c.condition / sqrt((1 + (N - 1) * 0.5) / 0.5) - 1) < 1e-13, "condition of equal correlations");
	ml_collinear_make(&ctx, band, N, N, kept, NULL, &c, &err);
	unit_ok(fabs(c.condition / sqrt((1 + 0.9 * cos(M_PI / (N + 1))) / (1 + 0.9 * cos(N * M_PI / (N + 1)))) - 1) < 1e-13, "condition of a band");
	unit_ok(ml_collinear_make(&cancelled, band, N, N, kept, NULL, &c, &err) == ML_CANCELLED && impatient.live == 0, "cancelled, nothing leaks");
	fail_each_allocation(attempt_collinear, band, 1, "collinearity");
}

int
main(void)
{
	test_condition();
	test_one();
	test_two();
	test_failures();
	test_collinear();
	return unit_done();
}
