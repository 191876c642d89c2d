/*
 * ml_eigen.c: subspace iteration.
 */
#include "ml/ml_eigen.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_parallel.h"
#include "ml/ml_random.h"
#include "ml/ml_symmetric.h"

#define RANDOM_EIGEN 0x656967656eULL
#define CHUNK 64				/* rows of the matrix that a thread takes at a time */

/* Makes the vector orthogonal to those before it, twice for the sake of rounding, and of length 1; false if nothing is left. */
static bool
make_orthonormal(ml_eigen *e, int index)
{
	double	   *v = e->vectors + (size_t) index * e->n;
	double		before = sqrt(ml_dot(v, v, e->n));
	double		length;

	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < index; i++)
		{
			const double *u = e->vectors + (size_t) i * e->n;

			ml_axpy(v, -ml_dot(u, v, e->n), u, e->n);
		}
	length = sqrt(ml_dot(v, v, e->n));
	if (!(length > 1e-14 * before) || !(before > 0))
		return false;
	for (size_t j = 0; j < e->n; j++)
		v[j] /= length;
	return true;
}

static void
draw_vector(ml_eigen *e, int index)
{
	ml_random	r = ml_random_stream(e->ctx.seed, RANDOM_EIGEN + e->rounds, index);
	double	   *v = e->vectors + (size_t) index * e->n;

	for (size_t j = 0; j < e->n; j++)
		v[j] = ml_random_unit(&r) - 0.5;
}

/* A vector that vanished lay in the space of the others, as happens when the rank is less: another is drawn. */
static void
make_all_orthonormal(ml_eigen *e)
{
	for (int i = 0; i < e->width; i++)
		for (int attempt = 0; !make_orthonormal(e, i) && attempt < 3; attempt++)
			draw_vector(e, i);
}

ml_status
ml_eigen_begin(const ml_ctx *ctx, ml_eigen *e, const double *matrix, size_t n, int wanted, int extra, ml_error *err)
{
	memset(e, 0, sizeof(*e));
	e->ctx = *ctx;
	e->matrix = matrix;
	e->n = n;
	e->wanted = wanted;
	e->width = (size_t) wanted + extra < n ? wanted + extra : (int) n;
	e->values = ml_alloc_zero(ctx, e->width, sizeof(double));
	e->vectors = ml_alloc_zero(ctx, e->width * n, sizeof(double));
	e->products = ml_alloc_zero(ctx, e->width * n, sizeof(double));
	e->small = ml_alloc_zero(ctx, (size_t) e->width * e->width, sizeof(double));
	if (e->values == NULL || e->vectors == NULL || e->products == NULL || e->small == NULL)
		return ml_no_memory(err);
	for (int i = 0; i < e->width; i++)
		draw_vector(e, i);
	make_all_orthonormal(e);
	return ML_OK;
}

void
ml_eigen_free(ml_eigen *e)
{
	if (e->ctx.alloc == NULL)
		return;
	ml_free(&e->ctx, e->values);
	ml_free(&e->ctx, e->vectors);
	ml_free(&e->ctx, e->products);
	ml_free(&e->ctx, e->small);
	memset(e, 0, sizeof(*e));
}

/* Some rows of the matrix with all vectors. */
static void
multiply_rows(void *arg, int chunk)
{
	ml_eigen   *e = arg;
	size_t		first = (size_t) chunk * CHUNK;
	size_t		end = first + CHUNK < e->n ? first + CHUNK : e->n;

	for (size_t i = first; i < end; i++)
		for (int v = 0; v < e->width; v++)
			e->products[v * e->n + i] = ml_dot(e->matrix + i * e->n, e->vectors + v * e->n, e->n);
}

/* Replaces the rows of a (width, n) matrix by their sums with the numbers of the small one's columns, some columns at a time. */
static void
turn(const ml_eigen *e, double *rows)
{
	double		column[4096];

	for (size_t j = 0; j < e->n; j++)
	{
		for (int i = 0; i < e->width; i++)
			column[i] = rows[i * e->n + j];
		for (int i = 0; i < e->width; i++)
			rows[i * e->n + j] = ml_dot(e->small + (size_t) (e->width - 1 - i) * e->width, column, e->width);
	}
}

ml_status
ml_eigen_step(ml_eigen *e, double tol, ml_error *err)
{
	int			width = e->width;
	ml_status	status;

	if (width > 4096)
		return ml_fail(err, ML_BAD_PARAM, NULL, "more than 4096 components need the solver \"full\"");
	if (e->rounds > 0)
	{
		memcpy(e->vectors, e->products, width * e->n * sizeof(double));
		make_all_orthonormal(e);
	}
	e->rounds++;
	ml_parallel(&e->ctx, (int) ((e->n + CHUNK - 1) / CHUNK), multiply_rows, e);
	for (int i = 0; i < width; i++)
		for (int j = 0; j <= i; j++)
			e->small[(size_t) i * width + j] = e->small[(size_t) j * width + i] =
				ml_dot(e->products + i * e->n, e->vectors + j * e->n, e->n);
	status = ml_symmetric_eigen(&e->ctx, true, width, e->small, e->values, "the features have no components", err);
	if (status != ML_OK)
		return status;
	for (int i = 0; i < width / 2; i++)
	{
		double		swap = e->values[i];

		e->values[i] = e->values[width - 1 - i];
		e->values[width - 1 - i] = swap;
	}
	turn(e, e->vectors);
	turn(e, e->products);
	e->residual = 0;
	for (int i = 0; i < e->wanted; i++)
	{
		double		squares = 0;

		for (size_t j = 0; j < e->n; j++)
		{
			double		away = e->products[i * e->n + j] - e->values[i] * e->vectors[i * e->n + j];

			squares += away * away;
		}
		e->residual = fmax(e->residual, sqrt(squares) / e->values[0]);
	}
	return e->residual <= tol || !(e->values[0] > 0) ? ML_DONE : ML_MORE;
}
