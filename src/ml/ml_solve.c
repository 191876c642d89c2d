/*
 * ml_solve.c: Cholesky and Householder factors with aliasing of dependent columns.
 *
 * Sizes are those of models, some thousands of columns at most, so plain row-oriented loops over contiguous memory do;
 * nothing here calls BLAS, whose results differ between processors.
 */
#include "ml/ml_solve.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

static ml_status
no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}

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
		return no_memory(err);
	status = cholesky_rows(ctx, c, matrix, ridge, tolerance, err);
	/* Close ranks: rows of `rank` numbers. */
	for (int i = 0; i < c->rank; i++)
		memmove(c->factor + (size_t) i * c->rank, c->factor + (size_t) i * n, (i + 1) * sizeof(double));
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

ml_status
ml_cholesky_inverse(const ml_ctx *ctx, const ml_cholesky *c, double *inverse, ml_error *err)
{
	size_t		n = c->n;
	size_t		rank = c->rank;
	double	   *unit = ml_alloc(ctx, n, sizeof(double));
	double	   *work = ml_alloc(ctx, rank, sizeof(double));
	ml_status	status = ML_OK;

	memset(inverse, 0, n * n * sizeof(double));
	if (unit == NULL || work == NULL)
		status = no_memory(err);
	for (size_t k = 0; k < rank && status == ML_OK; k++)
	{
		size_t		column = c->kept[k];

		if (k % 16 == 15 && ml_is_cancelled(ctx))
			status = cancelled(err);
		memset(unit, 0, n * sizeof(double));
		unit[column] = 1;
		ml_cholesky_solve(c, unit, inverse + column * n, work);
	}
	ml_free(ctx, unit);
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

/* The norm without overflow of a column. */
static double
norm(const double *values, size_t n)
{
	double		largest = 0;
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		largest = fmax(largest, fabs(values[i]));
	if (!(largest > 0) || !isfinite(largest))
		return largest;
	for (size_t i = 0; i < n; i++)
		sum += (values[i] / largest) * (values[i] / largest);
	return largest * sqrt(sum);
}

/* Applies reflector k to a vector. */
static void
reflect(const ml_qr *qr, int k, double *vector)
{
	const double *reflector = qr->columns + (size_t) qr->kept[k] * qr->rows;
	size_t		below = qr->rows - k - 1;
	double		product = qr->head[k] * vector[k] + ml_dot(reflector + k + 1, vector + k + 1, below);

	product *= qr->tau[k];
	vector[k] -= product * qr->head[k];
	ml_axpy(vector + k + 1, -product, reflector + k + 1, below);
}

static ml_status
qr_columns(const ml_ctx *ctx, ml_qr *qr, double tolerance, ml_error *err)
{
	for (int j = 0; j < qr->n && (size_t) qr->rank < qr->rows; j++)
	{
		double	   *column = qr->columns + (size_t) j * qr->rows;
		int			k = qr->rank;
		double		before = norm(column, qr->rows);
		double		left;

		if (!isfinite(before))
			return ml_fail(err, ML_BAD_DATA, "Scale the columns down.", "the sums of squares overflow");
		if (ml_is_cancelled(ctx))
			return cancelled(err);
		for (int i = 0; i < k; i++)
			reflect(qr, i, column);
		left = norm(column + k, qr->rows - k);
		if (!(left > tolerance * before))
			continue;
		/* The reflector v = x + sign(x1) |x| e1, tau = 2 / v'v = 1 / (|x| (|x| + |x1|)), on x scaled to norm 1. */
		for (size_t i = k; i < qr->rows; i++)
			column[i] /= left;
		qr->head[k] = column[k] + copysign(1, column[k]);
		qr->tau[k] = 1 / (1 + fabs(column[k]));
		for (int i = 0; i < k; i++)
			qr->factor[(size_t) i * qr->n + k] = column[i];
		qr->factor[(size_t) k * qr->n + k] = -copysign(left, column[k]);
		qr->kept[qr->rank++] = j;
	}
	return ML_OK;
}

ml_status
ml_qr_make(const ml_ctx *ctx, ml_qr *qr, double *columns, size_t rows, int n, double tolerance, ml_error *err)
{
	ml_status	status;

	memset(qr, 0, sizeof(*qr));
	qr->rows = rows;
	qr->n = n;
	qr->columns = columns;
	qr->kept = ml_alloc(ctx, n, sizeof(int));
	qr->tau = ml_alloc(ctx, n, sizeof(double));
	qr->head = ml_alloc(ctx, n, sizeof(double));
	qr->factor = ml_alloc_zero(ctx, (size_t) n * n, sizeof(double));
	if (qr->kept == NULL || qr->tau == NULL || qr->head == NULL || qr->factor == NULL)
		return no_memory(err);
	status = qr_columns(ctx, qr, tolerance, err);
	for (int i = 0; i < qr->rank; i++)
		memmove(qr->factor + (size_t) i * qr->rank, qr->factor + (size_t) i * n, qr->rank * sizeof(double));
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
ml_qr_solve(const ml_qr *qr, double *right, double *solution)
{
	size_t		rank = qr->rank;

	for (int k = 0; k < qr->rank; k++)
		reflect(qr, k, right);
	memset(solution, 0, qr->n * sizeof(double));
	for (size_t i = rank; i-- > 0;)
	{
		const double *row = qr->factor + i * rank;
		double		value = right[i];

		for (size_t k = i + 1; k < rank; k++)
			value -= row[k] * solution[qr->kept[k]];
		solution[qr->kept[i]] = value / row[i];
	}
}

ml_status
ml_qr_inverse(const ml_ctx *ctx, const ml_qr *qr, double *inverse, ml_error *err)
{
	size_t		n = qr->n;
	size_t		rank = qr->rank;
	double	   *root = ml_alloc_zero(ctx, rank * rank, sizeof(double));

	memset(inverse, 0, n * n * sizeof(double));
	if (root == NULL)
		return no_memory(err);
	/* The inverse of R, upper triangular, column by column; then its product with its transpose. */
	for (size_t k = 0; k < rank; k++)
	{
		root[k * rank + k] = 1 / qr->factor[k * rank + k];
		for (size_t i = k; i-- > 0;)
		{
			double		sum = 0;

			for (size_t l = i + 1; l <= k; l++)
				sum += qr->factor[i * rank + l] * root[l * rank + k];
			root[i * rank + k] = -sum / qr->factor[i * rank + i];
		}
	}
	for (size_t i = 0; i < rank; i++)
		for (size_t j = 0; j <= i; j++)
		{
			double		sum = ml_dot(root + i * rank + i, root + j * rank + i, rank - i);

			inverse[(size_t) qr->kept[i] * n + qr->kept[j]] = sum;
			inverse[(size_t) qr->kept[j] * n + qr->kept[i]] = sum;
		}
	ml_free(ctx, root);
	return ML_OK;
}
