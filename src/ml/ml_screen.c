/*
 * ml_screen.c: rows compared with centres by inner products, and what rounding can have done to them.
 *
 * The one file that is compiled with contraction to fused multiply-adds.
 *
 * With u = 2^-53, an inner product of n terms is off by n u |x| |c| at most, the half square by n u |c|²/2, and taking rows
 * and centres from the origin adds some u |x - c| (|x| + |c|).  ml_nearest_two is itself off by n u |x - c|².  All these are
 * below (n + 8) u (|x|² + |c|²) times a small number; 8 is more than enough.
 */
#include "ml/ml_screen.h"

#include <float.h>
#include <math.h>

#include "ml/ml_nearest_int.h"

#define TOGETHER 10				/* centres that a row is compared with at a time, at most: as many sums as keep a processor busy */

void
ml_screen_set(ml_screen *screen, const ml_centre_set *set)
{
	screen->k = set->k;
	screen->n_terms = set->n_terms;
	screen->longest = 0;
	for (int c = 0; c < set->k; c++)
	{
		double		square = 0;

		for (size_t j = 0; j < set->n_terms; j++)
		{
			double		way = set->centres[c * set->n_terms + j] - screen->origin[j];

			screen->centres[c * set->n_terms + j] = way;
			square += way * way;
		}
		screen->half[c] = square / 2;
		screen->longest = fmax(screen->longest, square);
	}
}

/* |c|²/2 - x c of a vector of rows and `width` centres, a number that the compiler knows. */
ML_INLINE void
score_width(const double *block, const double *centres, const double *half, size_t n_terms, int width, lanes *scores)
{
	lanes		sum[TOGETHER];

#pragma GCC unroll 10
	for (int k = 0; k < width; k++)
		sum[k] = (lanes) {0} + half[k];
	for (size_t j = 0; j < n_terms; j++)
	{
		lanes		values = *(const lanes *) (block + j * ML_NEAREST_ROWS);

#pragma GCC unroll 10
		for (int k = 0; k < width; k++)
			sum[k] -= values * centres[k * n_terms + j];
	}
#pragma GCC unroll 10
	for (int k = 0; k < width; k++)
		scores[k] = sum[k];
}

#define SCORE(width) \
	case width: \
		score_width(block, centres, half, n_terms, width, scores); \
		break

ML_INLINE void
score(const double *block, const double *centres, const double *half, size_t n_terms, int width, lanes *scores)
{
	switch (width)
	{
		SCORE(1);
		SCORE(2);
		SCORE(3);
		SCORE(4);
		SCORE(5);
		SCORE(6);
		SCORE(7);
		SCORE(8);
		SCORE(9);
		SCORE(10);
	}
}

/* Squared lengths of a vector of rows. */
ML_INLINE void
lengths(const double *block, size_t n_terms, lanes *squares)
{
	lanes		even = {0};
	lanes		odd = {0};
	size_t		j = 0;

	for (; j + 2 <= n_terms; j += 2)
	{
		lanes		a = *(const lanes *) (block + j * ML_NEAREST_ROWS);
		lanes		b = *(const lanes *) (block + (j + 1) * ML_NEAREST_ROWS);

		even += a * a;
		odd += b * b;
	}
	for (; j < n_terms; j++)
	{
		lanes		a = *(const lanes *) (block + j * ML_NEAREST_ROWS);

		even += a * a;
	}
	*squares = even + odd;
}

ANY_ROUNDING void
ml_screen_rows(const ml_screen *screen, const double *x, size_t stride, const size_t *rows, size_t count, double *block,
			   int32_t *nearest, double *upper, double *lower)
{
	size_t		n = screen->n_terms;
	double		share = 8 * (n + 8) * (DBL_EPSILON / 2);

	for (size_t start = 0; start < count; start += ML_NEAREST_ROWS)
	{
		found		founds[ML_NEAREST_VECTORS];
		lanes		squares[ML_NEAREST_VECTORS];
		int			vectors = 0;

		for (size_t i = start; i < count && vectors < ML_NEAREST_VECTORS; i += ML_LANES, vectors++)
		{
			lay_rows(block + vectors * ML_LANES, x, stride, rows, i, count, screen->origin, n);
			lengths(block + vectors * ML_LANES, n, &squares[vectors]);
			founds[vectors] = (found) {.best = (lanes) {0} + INFINITY, .next = (lanes) {0} + INFINITY};
		}
		for (int c = 0, part = 0; c < screen->k; part++)
		{
			int			width = first_of_part(screen->k, part + 1, TOGETHER) - c;

			for (int v = 0; v < vectors; v++)
			{
				lanes		scores[TOGETHER];

				score(block + v * ML_LANES, screen->centres + c * n, screen->half + c, n, width, scores);
				look_at(&founds[v], scores, c, width);
			}
			c += width;
		}
		for (size_t i = start; i < count && i < start + ML_NEAREST_ROWS; i++)
		{
			const found *f = &founds[(i - start) / ML_LANES];
			int			lane = (i - start) % ML_LANES;
			double		square = squares[(i - start) / ML_LANES][lane];
			double		slack = share * (square + screen->longest);

			/* Not so either if anything is infinite or not a number. */
			nearest[i] = f->next[lane] - f->best[lane] > slack && slack <= DBL_MAX ? (int32_t) f->which[lane] : -1;
			upper[i] = sqrt(fmax(square + 2 * f->best[lane], 0) + slack);
			lower[i] = sqrt(fmax(square + 2 * f->next[lane] - slack, 0));
		}
	}
}
