/*
 * ml_collinear.c: variance inflation factors and the condition number (Belsley, Kuh, Welsch 1980) from the correlations of terms.
 */
#include "ml/ml_collinear.h"

#include <math.h>
#include <stdlib.h>

#include "ml/ml_kernels.h"
#include "ml/ml_solve.h"

#define MOST_SWEEPS 60			/* of QL for one eigenvalue */

/* The correlations (k, k) of the terms that are kept. */
static void
correlate(const double *moments, size_t stride, const int *kept, size_t k, double *matrix)
{
	for (size_t i = 0; i < k; i++)
		for (size_t j = 0; j < k; j++)
			matrix[i * k + j] = i == j ? 1 : moments[kept[i] * stride + kept[j]] /
				sqrt(moments[kept[i] * (stride + 1)] * moments[kept[j] * (stride + 1)]);
}

/*
 * To tridiagonal form by Householder's reflections, the last row first; diagonal (n), beside (n), whose first is 0.  The matrix (n, n), of
 * which the lower triangle counts, is lost.  (Plain loops: those of LAPACK give other bits with other threads.)
 */
static ml_status
tridiagonalise(const ml_ctx *ctx, double *a, size_t n, double *diagonal, double *beside, ml_error *err)
{
	for (size_t i = n; i-- > 1;)
	{
		double	   *row = a + i * n;
		double		size = sqrt(ml_dot(row, row, i));
		double		h;
		double		f = 0;

		if (ml_is_cancelled(ctx))
			return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
		diagonal[i] = row[i];
		beside[i] = row[i - 1] > 0 ? -size : size;
		if (size == 0)
			continue;
		/* row becomes the reflector u, h is |u|^2 / 2. */
		h = size * size - row[i - 1] * beside[i];
		row[i - 1] -= beside[i];
		for (size_t j = 0; j < i; j++)
		{
			double		g = ml_dot(a + j * n, row, j + 1);

			for (size_t k = j + 1; k < i; k++)
				g += a[k * n + j] * row[k];
			diagonal[j] = g / h;
			f += diagonal[j] * row[j];
		}
		f /= 2 * h;
		for (size_t j = 0; j < i; j++)
			diagonal[j] -= f * row[j];
		for (size_t j = 0; j < i; j++)
		{
			ml_axpy(a + j * n, -row[j], diagonal, j + 1);
			ml_axpy(a + j * n, -diagonal[j], row, j + 1);
		}
	}
	diagonal[0] = a[0];
	beside[0] = 0;
	return ML_OK;
}

/* The eigenvalues of a tridiagonal matrix, in no order, by QL with implicit shifts (Wilkinson, Reinsch 1971); false: it did not converge. */
static bool
eigenvalues(double *diagonal, double *beside, size_t n)
{
	for (size_t i = 1; i < n; i++)
		beside[i - 1] = beside[i];
	beside[n - 1] = 0;
	for (size_t l = 0; l < n; l++)
		for (int sweep = 0;; sweep++)
		{
			size_t		m = l;
			double		g;
			double		r;
			double		s = 1;
			double		c = 1;
			double		p = 0;
			size_t		i;

			while (m + 1 < n && fabs(beside[m]) > 1e-16 * (fabs(diagonal[m]) + fabs(diagonal[m + 1])))
				m++;
			if (m == l)
				break;
			if (sweep == MOST_SWEEPS)
				return false;
			g = (diagonal[l + 1] - diagonal[l]) / (2 * beside[l]);
			r = hypot(g, 1);
			g = diagonal[m] - diagonal[l] + beside[l] / (g + copysign(r, g));
			for (i = m; i-- > l;)
			{
				double		f = s * beside[i];
				double		b = c * beside[i];

				beside[i + 1] = r = hypot(f, g);
				if (r == 0)
				{
					diagonal[i + 1] -= p;
					beside[m] = 0;
					break;
				}
				s = f / r;
				c = g / r;
				g = diagonal[i + 1] - p;
				r = (diagonal[i] - g) * s + 2 * c * b;
				p = s * r;
				diagonal[i + 1] = g + p;
				g = c * r - b;
			}
			if (r == 0 && i + 1 > l)
				continue;
			diagonal[l] -= p;
			beside[l] = g;
			beside[m] = 0;
		}
	return true;
}

/* The root of the largest over the smallest eigenvalue of the matrix, which is lost; values is (2 k). */
static ml_status
condition_of(const ml_ctx *ctx, double *matrix, size_t k, double *values, double *condition, ml_error *err)
{
	double		least = INFINITY;
	double		largest = 0;
	ml_status	status = tridiagonalise(ctx, matrix, k, values, values + k, err);

	if (status != ML_OK || !eigenvalues(values, values + k, k))
		return status;
	for (size_t i = 0; i < k; i++)
	{
		least = fmin(least, values[i]);
		largest = fmax(largest, values[i]);
	}
	if (least > 0)
		*condition = sqrt(largest / least);
	return ML_OK;
}

ml_status
ml_collinear_make(const ml_ctx *ctx, const double *moments, size_t stride, int n, const unsigned char *aliased,
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
		values = ml_alloc(ctx, 2 * k, sizeof(double));
	}
	if (kept == NULL || (k > 0 && n <= ML_COLLINEAR_MOST && (matrix == NULL || inverse == NULL || values == NULL)))
		status = ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
	else if (matrix != NULL)
	{
		correlate(moments, stride, kept, k, matrix);
		status = ml_cholesky_make(ctx, &factor, matrix, (int) k, 0, 0, err);
		if (status == ML_OK)
			status = ml_cholesky_inverse(ctx, &factor, inverse, err);
	}
	if (status == ML_OK && matrix != NULL && factor.rank == (int) k)
	{
		for (size_t i = 0; i < k; i++)
			result->vif[kept[i]] = fmax(inverse[i * k + i], 1);
		status = condition_of(ctx, matrix, k, values, &result->condition, err);
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

	if (isnan(c->condition))
		return ML_OK;
	ml_report_fact(report, "condition_number", c->condition);
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
