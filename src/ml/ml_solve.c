/*
 * ml_solve.c: Cholesky and Householder factors with aliasing of dependent columns.
 *
 * Sizes are those of models, some thousands of columns at most, so plain row-oriented loops over contiguous memory do;
 * nothing here calls BLAS, whose results differ between processors.
 */
#include "ml/ml_solve.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define ROUNDING (4 * DBL_EPSILON / 2)	/* of the norm of a column of doubles: what is left of it is noise */

static ml_status
cancelled(ml_error *err)
{
	return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
}

/* ---- Cholesky ------------------------------------------------------------------------------------------------ */

/* The factor of the kept columns row by row: row i of the factor needs the rows above it only. */
static ml_status
cholesky_rows(const ml_ctx *ctx, ml_cholesky *c, const double *matrix, double ridge, double tolerance, ml_error *err)
{
	size_t		n = c->n;

	for (size_t j = 0; j < n; j++)
	{
		double	   *row = c->factor + (size_t) c->rank * n;
		double		diagonal = matrix[j * n + j] + ridge;
		double		pivot;

		if (!isfinite(diagonal))
			return ml_fail(err, ML_BAD_DATA, "Scale the columns down.", "the sums of squares overflow");
		if (j % 64 == 63 && ml_is_cancelled(ctx))
			return cancelled(err);
		if (!(diagonal > 0))
			continue;
		c->scale[c->rank] = 1 / sqrt(diagonal);
		for (int k = 0; k < c->rank; k++)
		{
			const double *above = c->factor + (size_t) k * n;
			double		value = matrix[j * n + c->kept[k]] * c->scale[c->rank] * c->scale[k];

			row[k] = (value - ml_dot(row, above, k)) / above[k];
		}
		pivot = 1 - ml_dot(row, row, c->rank);
		if (!(pivot > tolerance))
			continue;
		row[c->rank] = sqrt(pivot);
		c->kept[c->rank++] = (int) j;
	}
	return ML_OK;
}

ml_status
ml_cholesky_make(const ml_ctx *ctx, ml_cholesky *c, const double *matrix, int n, double ridge, double tolerance,
				 ml_error *err)
{
	ml_status	status;

	memset(c, 0, sizeof(*c));
	c->n = n;
	c->kept = ml_alloc(ctx, n, sizeof(int));
	c->scale = ml_alloc(ctx, n, sizeof(double));
	c->factor = ml_alloc(ctx, (size_t) n * n, sizeof(double));
	if (c->kept == NULL || c->scale == NULL || c->factor == NULL)
		return ml_no_memory(err);
	status = cholesky_rows(ctx, c, matrix, ridge, tolerance, err);
	/* Close ranks: rows of `rank` numbers. */
	for (int i = 0; i < c->rank; i++)
		memmove(c->factor + (size_t) i * c->rank, c->factor + (size_t) i * n, (i + 1) * sizeof(double));
	return status;
}

/*
 * All columns of the matrix alone, scaled by those of the sum, into rows of n: one that those before it determine has a 0 on the
 * diagonal, and below.
 */
static ml_status
cholesky_all_rows(const ml_ctx *ctx, ml_cholesky *c, const double *matrix, double ridge, double tolerance, ml_error *err)
{
	size_t		n = c->n;

	for (size_t j = 0; j < n; j++)
	{
		double	   *row = c->factor + j * n;
		double		diagonal = (matrix[j * n + j] + ridge) * c->scale[j] * c->scale[j];
		double		pivot;

		if (j % 64 == 63 && ml_is_cancelled(ctx))
			return cancelled(err);
		for (size_t k = 0; k < j; k++)
		{
			const double *above = c->factor + k * n;

			row[k] = above[k] > 0 ? (matrix[j * n + k] * c->scale[j] * c->scale[k] - ml_dot(row, above, k)) / above[k] : 0;
		}
		pivot = diagonal - ml_dot(row, row, j);
		row[j] = pivot > tolerance * diagonal ? sqrt(pivot) : 0;
	}
	return ML_OK;
}

/*
 * Adds v v' to what was factored by rotations of v (overwritten) with the columns of the factor, so that the large v becomes the first row
 * of the triangle at once and the others keep their digits (Gill, Golub, Murray, Saunders 1974).  Columns that stay dependent go.
 */
static void
cholesky_add_square(ml_cholesky *c, double *v, double tolerance)
{
	size_t		n = c->n;
	double		left = 1;		/* what of a column in v alone would be left */

	c->rank = 0;
	for (size_t k = 0; k < n; k++)
	{
		double	   *row = c->factor + k * n;
		double		root = hypot(row[k], v[k]);
		double		cosine = row[k] / root;
		double		sine = v[k] / root;

		/* In units of the column, whose square is 1 in the sum. */
		if (!(c->scale[k] > 0) || (row[k] == 0 && !(v[k] * v[k] > tolerance * left * left)))
		{
			c->scale[k] = 0;
			for (size_t i = k; i < n; i++)
				c->factor[i * n + k] = 0;
			continue;
		}
		row[k] = root;
		for (size_t i = k + 1; i < n; i++)
		{
			double		below = c->factor[i * n + k];

			c->factor[i * n + k] = cosine * below + sine * v[i];
			v[i] = cosine * v[i] - sine * below;
		}
		left *= cosine;
		c->kept[c->rank++] = (int) k;
	}
	for (int i = 0; i < c->rank; i++)
	{
		for (int k = 0; k <= i; k++)
			c->factor[(size_t) i * c->rank + k] = c->factor[(size_t) c->kept[i] * n + c->kept[k]];
		c->scale[i] = c->scale[c->kept[i]];
	}
}

ml_status
ml_cholesky_make_sum(const ml_ctx *ctx, ml_cholesky *c, const double *matrix, const double *v, double weight, int n, double ridge,
					 double tolerance, ml_error *err)
{
	double	   *scaled = ml_alloc(ctx, n, sizeof(double));
	ml_status	status = ML_OK;

	*c = (ml_cholesky) {.n = n, .kept = ml_alloc(ctx, n, sizeof(int)), .scale = ml_alloc(ctx, n, sizeof(double)),
	.factor = ml_alloc_zero(ctx, (size_t) n * n, sizeof(double))};
	if (c->kept == NULL || c->scale == NULL || c->factor == NULL || scaled == NULL)
		status = ml_no_memory(err);
	for (int j = 0; j < n && status == ML_OK; j++)
	{
		double		diagonal = matrix[(size_t) j * ((size_t) n + 1)] + ridge + weight * v[j] * v[j];

		if (!isfinite(diagonal))
			status = ml_fail(err, ML_BAD_DATA, "Scale the columns down.", "the sums of squares overflow");
		c->scale[j] = diagonal > 0 ? 1 / sqrt(diagonal) : 0;
		scaled[j] = sqrt(weight) * v[j] * c->scale[j];
	}
	if (status == ML_OK)
		status = cholesky_all_rows(ctx, c, matrix, ridge, tolerance, err);
	if (status == ML_OK)
		cholesky_add_square(c, scaled, tolerance);
	ml_free(ctx, scaled);
	return status;
}

void
ml_cholesky_free(const ml_ctx *ctx, ml_cholesky *c)
{
	ml_free(ctx, c->kept);
	ml_free(ctx, c->scale);
	ml_free(ctx, c->factor);
	memset(c, 0, sizeof(*c));
}

void
ml_cholesky_solve(const ml_cholesky *c, const double *right, double *solution, double *work)
{
	size_t		rank = c->rank;

	for (size_t i = 0; i < rank; i++)
	{
		const double *row = c->factor + i * rank;

		work[i] = (right[c->kept[i]] * c->scale[i] - ml_dot(row, work, i)) / row[i];
	}
	memset(solution, 0, c->n * sizeof(double));
	for (size_t i = rank; i-- > 0;)
	{
		const double *row = c->factor + i * rank;

		work[i] /= row[i];
		ml_axpy(work, -work[i], row, i);
		solution[c->kept[i]] = work[i] * c->scale[i];
	}
}

/*
 * Column k of the inverse from the diagonal down, and row k likewise: ml_cholesky_solve for a unit vector, without the
 * zeros before its one and without what other columns give by symmetry, which are two thirds of the work.
 */
static void
invert_column(const ml_cholesky *c, size_t k, double *work, double *inverse)
{
	size_t		n = c->n;
	size_t		rank = c->rank;
	size_t		first = k / ML_LANES * ML_LANES;	/* so that products are summed up as if from 0 on */
	size_t		column = c->kept[k];

	memset(work + first, 0, (k - first) * sizeof(double));
	work[k] = c->scale[k] / c->factor[k * rank + k];
	for (size_t i = k + 1; i < rank; i++)
	{
		const double *row = c->factor + i * rank;

		work[i] = -ml_dot(row + first, work + first, i - first) / row[i];
	}
	for (size_t i = rank; i-- > k;)
	{
		const double *row = c->factor + i * rank;
		size_t		other = c->kept[i];

		work[i] /= row[i];
		ml_axpy(work + k, -work[i], row + k, i - k);
		inverse[column * n + other] = inverse[other * n + column] = work[i] * c->scale[i];
	}
}

ml_status
ml_cholesky_inverse(const ml_ctx *ctx, const ml_cholesky *c, double *inverse, ml_error *err)
{
	size_t		n = c->n;
	size_t		rank = c->rank;
	double	   *work = ml_alloc(ctx, rank, sizeof(double));
	ml_status	status = ML_OK;

	memset(inverse, 0, n * n * sizeof(double));
	if (work == NULL)
		status = ml_no_memory(err);
	for (size_t k = 0; k < rank && status == ML_OK; k++)
	{
		if (k % 16 == 15 && ml_is_cancelled(ctx))
			status = cancelled(err);
		invert_column(c, k, work, inverse);
	}
	ml_free(ctx, work);
	return status;
}

double
ml_cholesky_smallest_pivot(const ml_cholesky *c)
{
	double		smallest = 1;

	for (int i = 0; i < c->rank; i++)
	{
		double		root = c->factor[(size_t) i * c->rank + i];

		smallest = fmin(smallest, root * root);
	}
	return smallest;
}

/* ---- QR ------------------------------------------------------------------------------------------------------ */

static long double
dot(const long double *a, const long double *b, size_t n)
{
	long double sums[4] = {0, 0, 0, 0};	/* apart, so that additions need not wait for each other */
	size_t		i = 0;

	for (; i + 4 <= n; i += 4)
		for (int k = 0; k < 4; k++)
			sums[k] += a[i + k] * b[i + k];
	for (; i < n; i++)
		sums[0] += a[i] * b[i];
	return sums[0] + sums[1] + (sums[2] + sums[3]);
}

/* Applies reflector k to a vector. */
static void
reflect(const ml_qr *qr, int k, long double *vector)
{
	const long double *reflector = qr->columns + (size_t) qr->kept[k] * qr->rows;
	size_t		start = (size_t) k + 1;
	size_t		below = qr->rows - start;
	long double product = qr->head[k] * vector[k] + dot(reflector + start, vector + start, below);

	product *= qr->tau[k];
	vector[k] -= product * qr->head[k];
	for (size_t i = start; i < qr->rows; i++)
		vector[i] -= product * reflector[i];
}

static ml_status
qr_columns(const ml_ctx *ctx, ml_qr *qr, int free, double tolerance, ml_error *err)
{
	for (int j = 0; j < qr->n && (size_t) qr->rank < qr->rows; j++)
	{
		long double *column = qr->columns + (size_t) j * qr->rows;
		int			k = qr->rank;
		long double rounding = ROUNDING * sqrtl(dot(column, column, qr->rows));
		long double before = 0;
		long double left;

		if (ml_is_cancelled(ctx))
			return cancelled(err);
		for (int i = 0; i <= k; i++)
		{
			if (i == (free < k ? free : k))
				before = dot(column + i, column + i, qr->rows - i);
			if (i < k)
				reflect(qr, i, column);
		}
		left = dot(column + k, column + k, qr->rows - k);
		if (!isfinite(before))
			return ml_fail(err, ML_BAD_DATA, "Scale the columns down.", "the sums of squares overflow");
		if (!(sqrtl(left) > fmaxl(tolerance * sqrtl(before), rounding)))
			continue;
		left = sqrtl(left);
		/* The reflector v = x + sign(x1) |x| e1, tau = 2 / v'v = 1 / (|x| (|x| + |x1|)), on x scaled to norm 1. */
		for (size_t i = k; i < qr->rows; i++)
			column[i] /= left;
		qr->head[k] = column[k] + copysignl(1, column[k]);
		qr->tau[k] = 1 / (1 + fabsl(column[k]));
		for (int i = 0; i < k; i++)
			qr->factor[(size_t) i * qr->n + k] = column[i];
		qr->factor[(size_t) k * qr->n + k] = -copysignl(left, column[k]);
		qr->kept[qr->rank++] = j;
	}
	return ML_OK;
}

ml_status
ml_qr_make(const ml_ctx *ctx, ml_qr *qr, long double *columns, size_t rows, int n, int free, double tolerance,
		   ml_error *err)
{
	ml_status	status;

	memset(qr, 0, sizeof(*qr));
	qr->rows = rows;
	qr->n = n;
	qr->columns = columns;
	qr->kept = ml_alloc(ctx, n, sizeof(int));
	qr->tau = ml_alloc(ctx, n, sizeof(long double));
	qr->head = ml_alloc(ctx, n, sizeof(long double));
	qr->factor = ml_alloc_zero(ctx, (size_t) n * n, sizeof(long double));
	if (qr->kept == NULL || qr->tau == NULL || qr->head == NULL || qr->factor == NULL)
		return ml_no_memory(err);
	status = qr_columns(ctx, qr, free, tolerance, err);
	for (int i = 0; i < qr->rank; i++)
		memmove(qr->factor + (size_t) i * qr->rank, qr->factor + (size_t) i * n, qr->rank * sizeof(long double));
	return status;
}

void
ml_qr_free(const ml_ctx *ctx, ml_qr *qr)
{
	ml_free(ctx, qr->kept);
	ml_free(ctx, qr->tau);
	ml_free(ctx, qr->head);
	ml_free(ctx, qr->factor);
	memset(qr, 0, sizeof(*qr));
}

void
ml_qr_solve(const ml_qr *qr, long double *right, long double *solution)
{
	size_t		rank = qr->rank;

	for (int k = 0; k < qr->rank; k++)
		reflect(qr, k, right);
	for (int j = 0; j < qr->n; j++)
		solution[j] = 0;
	for (size_t i = rank; i-- > 0;)
	{
		const long double *row = qr->factor + i * rank;
		long double value = right[i];

		for (size_t k = i + 1; k < rank; k++)
			value -= row[k] * solution[qr->kept[k]];
		solution[qr->kept[i]] = value / row[i];
	}
}

ml_status
ml_qr_inverse_diagonal(const ml_ctx *ctx, const ml_qr *qr, double *diagonal, ml_error *err)
{
	size_t		rank = qr->rank;
	long double *column = ml_alloc(ctx, rank, sizeof(long double));
	long double *sums = ml_alloc_zero(ctx, rank, sizeof(long double));
	ml_status	status = column && sums ? ML_OK : ml_no_memory(err);

	memset(diagonal, 0, qr->n * sizeof(double));
	/* Column k of the inverse of R by back substitution; each row's sum of squares is what we want. */
	for (size_t k = 0; k < rank && status == ML_OK; k++)
	{
		if (k % 16 == 15 && ml_is_cancelled(ctx))
			status = cancelled(err);
		column[k] = 1 / qr->factor[k * rank + k];
		sums[k] += column[k] * column[k];
		for (size_t i = k; i-- > 0;)
		{
			column[i] = -dot(qr->factor + i * rank + i + 1, column + i + 1, k - i) / qr->factor[i * rank + i];
			sums[i] += column[i] * column[i];
		}
	}
	for (size_t i = 0; i < rank && status == ML_OK; i++)
		diagonal[qr->kept[i]] = (double) sums[i];
	ml_free(ctx, column);
	ml_free(ctx, sums);
	return status;
}
