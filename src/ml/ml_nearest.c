/*
 * ml_nearest.c: rows compared with centres, in one order of operations on every processor.
 */
#include "ml/ml_nearest_int.h"

#include <math.h>

#define TOGETHER 5				/* centres that a row is compared with at a time, at most */

/* Squared distances of a vector of rows from `width` centres, which the compiler knows the number of. */
ML_INLINE void
measure_width(const double *block, const double *centres, size_t n_terms, int width, lanes *squared)
{
	lanes		sum[TOGETHER] = {{0}};

	for (size_t j = 0; j < n_terms; j++)
	{
		lanes		values = *(const lanes *) (block + j * ML_NEAREST_ROWS);

#pragma GCC unroll 8
		for (int k = 0; k < width; k++)
		{
			lanes		distance = values - centres[k * n_terms + j];

			sum[k] += distance * distance;
		}
	}
#pragma GCC unroll 8
	for (int k = 0; k < width; k++)
		squared[k] = sum[k];
}

ML_INLINE void
measure(const double *block, const double *centres, size_t n_terms, int width, lanes *squared)
{
	switch (width)
	{
		case 1:
			measure_width(block, centres, n_terms, 1, squared);
			break;
		case 2:
			measure_width(block, centres, n_terms, 2, squared);
			break;
		case 3:
			measure_width(block, centres, n_terms, 3, squared);
			break;
		case 4:
			measure_width(block, centres, n_terms, 4, squared);
			break;
		default:
			measure_width(block, centres, n_terms, TOGETHER, squared);
			break;
	}
}

EVERY_PROCESSOR void
ml_nearest_two(const ml_centre_set *set, const double *x, size_t stride, const size_t *rows, size_t count, double *block,
			   int32_t *nearest, double *least, double *second)
{
	size_t		n = set->n_terms;

	for (size_t start = 0; start < count; start += ML_NEAREST_ROWS)
	{
		found		founds[ML_NEAREST_VECTORS];
		int			vectors = 0;

		for (size_t i = start; i < count && vectors < ML_NEAREST_VECTORS; i += ML_LANES, vectors++)
		{
			lay_rows(block + vectors * ML_LANES, x, stride, rows, i, count, NULL, n);
			founds[vectors] = (found) {.best = (lanes) {0} + INFINITY, .next = (lanes) {0} + INFINITY};
		}
		for (int c = 0, part = 0; c < set->k; part++)
		{
			int			width = first_of_part(set->k, part + 1, TOGETHER) - c;

			for (int v = 0; v < vectors; v++)
			{
				lanes		squared[TOGETHER];

				measure(block + v * ML_LANES, set->centres + c * n, n, width, squared);
				look_at(&founds[v], squared, c, width);
			}
			c += width;
		}
		for (size_t i = start; i < count && i < start + ML_NEAREST_ROWS; i++)
		{
			const found *f = &founds[(i - start) / ML_LANES];
			int			lane = (i - start) % ML_LANES;

			nearest[i] = (int32_t) f->which[lane];
			least[i] = f->best[lane];
			second[i] = f->next[lane];
		}
	}
}

EVERY_PROCESSOR void
ml_centre_distances(const ml_centre_set *set, const double *x, size_t stride, const size_t *rows, size_t count, double *block,
					double *squared)
{
	size_t		n = set->n_terms;

	for (size_t start = 0; start < count; start += ML_LANES)
	{
		lay_rows(block, x, stride, rows, start, count, NULL, n);
		for (int c = 0, part = 0; c < set->k; part++)
		{
			int			width = first_of_part(set->k, part + 1, TOGETHER) - c;
			lanes		found[TOGETHER];

			measure(block, set->centres + c * n, n, width, found);
			for (int k = 0; k < width; k++)
				for (size_t lane = 0; lane < ML_LANES && start + lane < count; lane++)
					squared[(c + k) * count + start + lane] = found[k][lane];
			c += width;
		}
	}
}

EVERY_PROCESSOR void
ml_own_distances(const ml_centre_set *set, const double *x, size_t stride, const size_t *rows, size_t count,
				 const int32_t *own, double *squared)
{
	for (size_t i = 0; i < count; i++)
	{
		if (i + ROWS_AHEAD < count)
			__builtin_prefetch(x + rows[i + ROWS_AHEAD] * stride);
		squared[i] = ml_squared_difference(x + rows[i] * stride, set->centres + own[rows[i]] * set->n_terms, set->n_terms);
	}
}
