/*
 * ml_collinear.c: variance inflation factors and the condition number (Belsley, Kuh, Welsch 1980) from the correlations of terms.
 */
#include "ml/ml_collinear.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "ml/ml_solve.h"
#include "ml/ml_symmetric.h"

/* The correlations (k, k) of the terms that are kept. */
static void
correlate(const double *moments, size_t stride, const int *kept, size_t k, double *matrix)
{
	for (size_t i = 0; i < k; i++)
		for (size_t j = 0; j < k; j++)
			matrix[i * k + j] = i == j ? 1 : moments[kept[i] * stride + kept[j]] /
				sqrt(moments[kept[i] * (stride + 1)] * moments[kept[j] * (stride + 1)]);
}

/* The inverse (k, k) of the correlations out of that of the moments. */
static void
correlate_inverse(const double *moments, size_t stride, const double *given, size_t n, const int *kept, size_t k, double *inverse)
{
	for (size_t i = 0; i < k; i++)
		for (size_t j = 0; j < k; j++)
			inverse[i * k + j] = given[kept[i] * n + kept[j]] * sqrt(moments[kept[i] * (stride + 1)]) * sqrt(moments[kept[j] * (stride + 1)]);
}

/* The condition number of the correlations, which are overwritten, as is the inverse if it is not NULL. */
static ml_status
find_condition(const ml_ctx *ctx, size_t k, double *matrix, double *inverse, double *values, double *condition, ml_error *err)
{
	static const char *const failure = "the terms have no condition number";
	ml_status	status = ml_symmetric_eigen(ctx, false, (int) k, matrix, values, failure, err);
	double		largest = values[k - 1];

	/* Correlations of doubles tell no smaller eigenvalue from 0: the number is at least as large. */
	if (status == ML_OK)
		*condition = sqrt(largest / fmax(values[0], DBL_EPSILON * largest));
	if (status == ML_OK && inverse != NULL)
	{
		status = ml_symmetric_eigen(ctx, false, (int) k, inverse, values, failure, err);
		if (status == ML_OK)
			*condition = sqrt(largest * values[k - 1]);
	}
	return status == ML_BAD_DATA ? ML_OK : status;	/* it is left out */
}

ml_status
ml_collinear_make(const ml_ctx *ctx, const double *moments, size_t stride, int n, const unsigned char *aliased, const double *given,
				  ml_collinear *result, ml_error *err)
{
	int		   *kept = ml_alloc(ctx, n, sizeof(int));
	size_t		k = 0;
	double	   *matrix = NULL;
	double	   *inverse = NULL;
	double	   *values = NULL;
	ml_cholesky factor = {0};
	ml_status	status = ML_OK;

	result->condition = NAN;
	for (int i = 0; i < n; i++)
	{
		result->vif[i] = NAN;
		if (kept != NULL && !aliased[i] && moments[i * (stride + 1)] > 0)
			kept[k++] = i;
	}
	if (k > 0 && n <= ML_COLLINEAR_MOST)
	{
		matrix = ml_alloc(ctx, k * k, sizeof(double));
		inverse = ml_alloc(ctx, k * k, sizeof(double));
		values = ml_alloc(ctx, k, sizeof(double));
	}
	if (kept == NULL || (k > 0 && n <= ML_COLLINEAR_MOST && (matrix == NULL || inverse == NULL || values == NULL)))
		status = ml_no_memory(err);
	else if (matrix != NULL)
	{
		correlate(moments, stride, kept, k, matrix);
		if (given != NULL)
			correlate_inverse(moments, stride, given, n, kept, k, inverse);
		else
			status = ml_cholesky_make(ctx, &factor, matrix, (int) k, 0, 0, err);
		if (status == ML_OK && given == NULL)
			status = ml_cholesky_inverse(ctx, &factor, inverse, err);
	}
	if (status == ML_OK && matrix != NULL)
	{
		for (size_t i = 0; i < k && (given != NULL || factor.rank == (int) k); i++)
			result->vif[kept[i]] = fmax(inverse[i * k + i], 1);
		status = find_condition(ctx, k, matrix, given != NULL ? inverse : NULL, values, &result->condition, err);
	}
	ml_cholesky_free(ctx, &factor);
	ml_free(ctx, kept);
	ml_free(ctx, matrix);
	ml_free(ctx, inverse);
	ml_free(ctx, values);
	return status;
}

ml_status
ml_collinear_report(const ml_ctx *ctx, const ml_collinear *c, int n, ml_report *report, ml_error *err)
{
	ml_report_matrix *added;
	ml_status	status;

	bool		any = false;

	if (isnan(c->condition))
		return ML_OK;
	ml_report_fact(report, "condition_number", c->condition);
	for (int i = 0; i < n; i++)
		any |= !isnan(c->vif[i]);
	if (!any)
		return ML_OK;
	status = ml_report_array(ctx, report, "vif", c->vif, 1, n, &added, err);
	if (status == ML_OK)
		added->columns_are_terms = true;
	return status;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

void
ml_five_numbers(double *values, size_t n, double *five)
{
	qsort(values, n, sizeof(double), compare);
	for (int k = 0; k < 5; k++)
	{
		double		at = (double) (n - 1) * k / 4;
		size_t		below = (size_t) at;
		double		next = values[below + 1 < n ? below + 1 : below];

		five[k] = values[below] + (at - (double) below) * (next - values[below]);
	}
}
