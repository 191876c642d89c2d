/*
 * ml_nearest_int.h: what comparing rows with centres exactly (ml_nearest.c) and nearly (ml_screen.c) have in common.
 *
 * Private to files that are compiled for several processors, as ml_lanes.h is.
 */
#ifndef ML_NEAREST_INT_H
#define ML_NEAREST_INT_H

#include "ml/ml_lanes.h"
#include "ml/ml_nearest.h"

#define ML_NEAREST_VECTORS (ML_NEAREST_ROWS / ML_LANES)
#define ROWS_AHEAD 8			/* rows whose beginning is asked for before they are needed: they lie apart */

/* What comparisons of vectors give: all bits of a lane, or none. */
#define CHOOSE(mask, a, b) ((lanes) (((mask) & (lane_bits) (a)) | (~(mask) & (lane_bits) (b))))

/* The nearest so far of a vector of rows. */
typedef struct found
{
	lanes		best;
	lanes		next;
	lane_bits	which;
} found;

/* Pairs of even places (first 0) or odd ones (1), pairs of pairs, and halves of two vectors. */
#define PAIRS(a, b, first) __builtin_shufflevector(a, b, first, 8 + first, 2 + first, 10 + first, 4 + first, 12 + first, 6 + first, 14 + first)
#define FOURS(a, b, first) \
	__builtin_shufflevector(a, b, first, 1 + first, 8 + first, 9 + first, 4 + first, 5 + first, 12 + first, 13 + first)
#define HALVES(a, b, first) \
	__builtin_shufflevector(a, b, first, 1 + first, 2 + first, 3 + first, 8 + first, 9 + first, 10 + first, 11 + first)

/* Lays eight numbers of each of eight rows, less those of the origin if there is one, into a block as columns. */
ML_INLINE void
lay_square(double *block, const double *const *rows, const double *origin, size_t j)
{
	lanes		pairs[ML_LANES];
	lanes		fours[ML_LANES];

#pragma GCC unroll 8
	for (int k = 0; k < ML_LANES; k += 2)
	{
		lanes		a = *(const lanes *) (rows[k] + j);
		lanes		b = *(const lanes *) (rows[k + 1] + j);

		if (origin != NULL)
		{
			a -= *(const lanes *) (origin + j);
			b -= *(const lanes *) (origin + j);
		}
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

/*
 * Lays rows[i] … rows[i + 7] into a block, (n_terms, ML_NEAREST_ROWS), as columns, less the origin, which may be NULL.  Where
 * there are fewer than eight the first stands in, and is not to be looked at.
 */
ML_INLINE void
lay_rows(double *block, const double *x, size_t stride, const size_t *rows, size_t i, size_t count, const double *origin,
		 size_t n_terms)
{
	const double *row[ML_LANES];
	size_t		j = 0;

	for (size_t lane = 0; lane < ML_LANES; lane++)
	{
		row[lane] = x + rows[i + lane < count ? i + lane : i] * stride;
		if (i + lane + ROWS_AHEAD < count)
			__builtin_prefetch(x + rows[i + lane + ROWS_AHEAD] * stride);
	}
	for (; j + ML_LANES <= n_terms; j += ML_LANES)
		lay_square(block, row, origin, j);
	for (; j < n_terms; j++)
		for (int lane = 0; lane < ML_LANES; lane++)
			block[j * ML_NEAREST_ROWS + lane] = row[lane][j] - (origin != NULL ? origin[j] : 0);
}

/* k centres are compared in parts of `together` at most, as many in each as in the others, so that none has few. */
ML_INLINE int
first_of_part(int k, int part, int together)
{
	return (int) ((int64_t) k * part / ((k + together - 1) / together));
}

/* The nearest so far, with how far centres c … c + width - 1 are by any measure. */
ML_INLINE void
look_at(found *f, const lanes *far, int c, int width)
{
	for (int k = 0; k < width; k++)
	{
		lane_bits	closer = far[k] < f->best;
		lane_bits	below = far[k] < f->next;
		lane_bits	number = {0};

		number += c + k;
		f->next = CHOOSE(closer, f->best, CHOOSE(below, far[k], f->next));
		f->best = CHOOSE(closer, far[k], f->best);
		f->which = (closer & number) | (~closer & f->which);
	}
}

#endif							/* ML_NEAREST_INT_H */
