/*
 * ml_nearest.c: rows compared with centres, in one order of operations on every processor.
 */
#include "ml/ml_nearest.h"

#include <math.h>

#include "ml/ml_lanes.h"

#define TOGETHER 5				/* centres that a row is compared with at a time, at most */
#define VECTORS (ML_NEAREST_ROWS / ML_LANES)
#define AHEAD 8					/* rows that are asked for before they are needed: they lie apart */
#define LINE 8					/* numbers that come together */

/* What comparisons of vectors give: all bits of a lane, or none. */
#define CHOOSE(mask, a, b) ((lanes) (((mask) & (lane_bits) (a)) | (~(mask) & (lane_bits) (b))))

/* The nearest so far of a vector of rows. */
typedef struct found
{
	lanes		best;
	lanes		next;
	lane_bits	which;
} found;

ML_INLINE void
fetch_row(const double *row, size_t n_terms)
{
	for (size_t j = 0; j < n_terms; j += LINE)
		__builtin_prefetch(row + j);
}

/* Pairs of even places (first 0) or odd ones (1), pairs of pairs, and halves of two vectors. */
#define PAIRS(a, b, first) __builtin_shufflevector(a, b, first, 8 + first, 2 + first, 10 + first, 4 + first, 12 + first, 6 + first, 14 + first)
#define FOURS(a, b, first) \
	__builtin_shufflevector(a, b, first, 1 + first, 8 + first, 9 + first, 4 + first, 5 + first, 12 + first, 13 + first)
#define HALVES(a, b, first) \
	__builtin_shufflevector(a, b, first, 1 + first, 2 + first, 3 + first, 8 + first, 9 + first, 10 + first, 11 + first)

/* Lays eight numbers of each of eight rows into a block as columns. */
ML_INLINE void
lay_square(double *block, const double *const *rows, size_t j)
{
	lanes		pairs[ML_LANES];
	lanes		fours[ML_LANES];

#pragma GCC unroll 8
	for (int k = 0; k < ML_LANES; k += 2)
	{
		lanes		a = *(const lanes *) (rows[k] + j);
		lanes		b = *(const lanes *) (rows[k + 1] + j);

		pairs[k] = PAIRS(a, b, 0);
		pairs[k + 1] = PAIRS(a, b, 1);
	}
	/* Of rows 0 … 3 and 4 … 7: columns k and k + 4. */
#pragma GCC unroll 8
	for (int k = 0; k < 2; k++)
	{
		fours[k] = FOURS(pairs[k], pairs[k + 2], 0);
		fours[k + 2] = FOURS(pairs[k], pairs[k + 2], 2);
		fours[k + 4] = FOURS(pairs[k + 4], pairs[k + 6], 0);
		fours[k + 6] = FOURS(pairs[k + 4], pairs[k + 6], 2);
	}
#pragma GCC unroll 8
	for (int k = 0; k < 4; k++)
	{
		*(lanes *) (block + (j + k) * ML_NEAREST_ROWS) = HALVES(fours[k], fours[k + 4], 0);
		*(lanes *) (block + (j + k + 4) * ML_NEAREST_ROWS) = HALVES(fours[k], fours[k + 4], 4);
	}
}

/* Lays eight rows into a block, (n_terms, ML_NEAREST_ROWS), as columns. */
ML_INLINE void
lay_rows(double *block, const double *const *rows, size_t n_terms)
{
	size_t		j = 0;

	for (; j + ML_LANES <= n_terms; j += ML_LANES)
		lay_square(block, rows, j);
	for (; j < n_terms; j++)
		for (int lane = 0; lane < ML_LANES; lane++)
			block[j * ML_NEAREST_ROWS + lane] = rows[lane][j];
}

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

/* Centres are compared in parts, as many in each as in the others, so that none has few. */
ML_INLINE int
first_of_part(const ml_centre_set *set, int part)
{
	return (int) ((int64_t) set->k * part / ((set->k + TOGETHER - 1) / TOGETHER));
}

/* The nearest so far with centres c … c + width - 1. */
ML_INLINE void
look_at(found *f, const lanes *squared, int c, int width)
{
	for (int k = 0; k < width; k++)
	{
		lane_bits	closer = squared[k] < f->best;
		lane_bits	below = squared[k] < f->next;
		lane_bits	number = {0};

		number += c + k;
		f->next = CHOOSE(closer, f->best, CHOOSE(below, squared[k], f->next));
		f->best = CHOOSE(closer, squared[k], f->best);
		f->which = (closer & number) | (~closer & f->which);
	}
}

EVERY_PROCESSOR void
ml_nearest_two(const ml_centre_set *set, const double *x, size_t stride, const size_t *rows, size_t count, double *block,
			   int32_t *nearest, double *least, double *second)
{
	size_t		n = set->n_terms;

	for (size_t start = 0; start < count; start += ML_NEAREST_ROWS)
	{
		found		founds[VECTORS];
		int			vectors = 0;

		for (size_t i = start; i < count && vectors < VECTORS; i += ML_LANES, vectors++)
		{
			const double *row[ML_LANES];

			/* Where there are fewer than eight the first stands in, and is not looked at. */
			for (size_t lane = 0; lane < ML_LANES; lane++)
			{
				row[lane] = x + rows[i + lane < count ? i + lane : i] * stride;
				if (i + lane + AHEAD < count)
					fetch_row(x + rows[i + lane + AHEAD] * stride, n);
			}
			lay_rows(block + vectors * ML_LANES, row, n);
			founds[vectors] = (found) {.best = (lanes) {0} + INFINITY, .next = (lanes) {0} + INFINITY};
		}
		for (int c = 0, part = 0; c < set->k; part++)
		{
			int			width = first_of_part(set, part + 1) - c;

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
ml_centre_distances(const ml_centre_set *set, const double *x, size_t stride, size_t count, double *block, double *squared)
{
	size_t		n = set->n_terms;

	for (size_t start = 0; start < count; start += ML_LANES)
	{
		const double *row[ML_LANES];

		for (size_t lane = 0; lane < ML_LANES; lane++)
			row[lane] = x + (start + lane < count ? start + lane : start) * stride;
		lay_rows(block, row, n);
		for (int c = 0, part = 0; c < set->k; part++)
		{
			int			width = first_of_part(set, part + 1) - c;
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
		if (i + AHEAD < count)
			fetch_row(x + rows[i + AHEAD] * stride, set->n_terms);
		squared[i] = ml_squared_difference(x + rows[i] * stride, set->centres + own[rows[i]] * set->n_terms, set->n_terms);
	}
}
