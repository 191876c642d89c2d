/*
 * test_ml_prep.c: quantiles by selection against sorting, and power and quantile transformations against their definitions.
 */
#include "ml/eval_rank.h"
#include "ml/ml_prep.h"

#include "unit.h"

#define N 30000

static double values[N];
static double sorted[N];
static double scratch[N];
static unsigned state = 4711;

static double
next(void)
{
	state = state * 1664525u + 1013904223u;
	return (double) (state >> 8) / 16777216.0;
}

static void
quantiles_by_selection(void)
{
	static const size_t lengths[] = {1, 2, 3, 4, 5, 2048, 2049, 2050, 2051, 2052, N};
	static const size_t quarters[] = {1, 2, 3};
	static const size_t ends[] = {0, 0, 999, 1000};
	int			wrong = 0;

	for (int kind = 0; kind < 3; kind++)
		for (int k = 0; k < 11; k++)
		{
			size_t		n = lengths[k];
			double		found[4];

			for (size_t i = 0; i < n; i++)
				values[i] = sorted[i] = kind == 0 ? next() - 0.5 : kind == 1 ? floor(next() * 5) - 2 : 1e9;
			ml_rank_sort(sorted, scratch, n);
			ml_prep_quantiles(values, scratch, n, 4, quarters, 3, found);
			for (int q = 0; q < 3; q++)
				wrong += found[q] != ml_prep_quantile(sorted, n, quarters[q], 4);
			memcpy(values, sorted, n * sizeof(double));
			ml_prep_quantiles(values, scratch, n, 1000, ends, 4, found);
			for (int q = 0; q < 4; q++)
				wrong += found[q] != ml_prep_quantile(sorted, n, ends[q], 1000);
		}
	unit_int(wrong, 0, "quantiles are those of sorted values, to the bit");
}

/* Rows left out and values missing, evenly spaced if there are too many. */
static void
values_present(void)
{
	const ml_stretch stretches[] = {{10, 20}, {50, 100}};
	const ml_row_list rows = {2, stretches, NULL};
	double		numbers[200];
	double		found[200];

	for (int i = 0; i < 200; i++)
		numbers[i] = i % 2 ? NAN : i / 2;
	unit_int((int) ml_prep_present(numbers, 2, &rows, 0, found), 60, "all rows of the stretches");
	unit_near(found[10], 50, 0, 0, "the first of the second stretch");
	unit_int((int) ml_prep_present(numbers, 1, &rows, 0, found), 30, "but those without a value");
	unit_near(found[29], 49, 0, 0, "up to the last");
	unit_int((int) ml_prep_present(numbers, 2, &rows, 6, found), 6, "no more than asked for");
	unit_near(found[1], 50, 0, 0, "evenly spaced");
}

static double
yeo_johnson(double v, double lambda)
{
	if (v >= 0)
		return fabs(lambda) < 1e-12 ? log1p(v) : (pow(v + 1, lambda) - 1) / lambda;
	return fabs(lambda - 2) < 1e-12 ? -log1p(-v) : -(pow(1 - v, 2 - lambda) - 1) / (2 - lambda);
}

static void
power_transformations(void)
{
	static const double lambdas[] = {-5, -1, 0, 0.5, 1, 2, 7};
	static const double numbers[] = {-30, -1, -1e-9, -0.0, 0, 1e-9, 0.5, 40};
	double		lambda;

	for (int l = 0; l < 7; l++)
		for (int i = 0; i < 8; i++)
		{
			double		expected = yeo_johnson(numbers[i], lambdas[l]);

			unit_near(ml_warp_value(ML_WARP_YEO_JOHNSON, lambdas[l], NULL, 0, numbers[i]), expected, 1e-6, 1e-15,
					  "%g to the power %g by Yeo and Johnson", numbers[i], lambdas[l]);
			if (numbers[i] > 0)
			{
				expected = lambdas[l] == 0 ? log(numbers[i]) : (pow(numbers[i], lambdas[l]) - 1) / lambdas[l];
				unit_near(ml_warp_value(ML_WARP_BOX_COX, lambdas[l], NULL, 0, numbers[i]), expected, 1e-9, 1e-15,
						  "%g to the power %g by Box and Cox", numbers[i], lambdas[l]);
			}
		}
	unit_ok(isnan(ml_warp_value(ML_WARP_BOX_COX, 0.5, NULL, 0, 0)), "Box and Cox know no 0");
	for (int i = 0; i < N; i++)
		sorted[i] = exp(3 * (i + 0.5) / N);	/* its logarithm is uniform, so the best power is near 0 */
	lambda = ml_prep_lambda(ML_WARP_BOX_COX, sorted, N, scratch);
	unit_near(lambda, 0, 0, 0.05, "lambda of numbers whose logarithm is even");
	unit_ok(isnan(ml_prep_lambda(ML_WARP_BOX_COX, sorted, 1, scratch)), "one number has no lambda");
}

static void
quantile_transformation(void)
{
	const double knots[] = {0, 1, 1, 1, 2, 4, 4, 8};
	const double in[] = {-1, 0, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 9};
	const double out[] = {0, 0, 0.5 / 7, 2.0 / 7, 3.5 / 7, 4.0 / 7, 4.5 / 7, 5.5 / 7, 6.5 / 7, 1, 1};

	for (int i = 0; i < 11; i++)
		unit_near(ml_warp_value(ML_WARP_QUANTILE, 0, knots, 8, in[i]), out[i], 0, 1e-15, "share of values below %g", in[i]);
	unit_near(ml_warp_value(ML_WARP_QUANTILE, 0, knots, 2, 0.25), 0.25, 0, 1e-15, "of two knots");
}

int
main(void)
{
	quantiles_by_selection();
	values_present();
	power_transformations();
	quantile_transformation();
	return unit_done();
}
