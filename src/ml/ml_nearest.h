/*
 * ml_nearest.h: which of some centres is the nearest to each of many rows: the inner loops of k-means.
 *
 * Rows are named by their numbers, so that only those that are asked for are read; they are worked on eight at a time, with
 * the arithmetic of ml_squared_distance or, where a row is compared with all centres, term by term.  The differences are
 * squared themselves: |x|² - 2 x c + |c|² would lose the digits of rows that are far from 0.
 */
#ifndef ML_NEAREST_H
#define ML_NEAREST_H

#include <stddef.h>
#include <stdint.h>

#define ML_NEAREST_ROWS 16		/* that are worked on together: a centre that has been read is compared with them all */

typedef struct ml_centre_set
{
	const double *centres;		/* (k, n_terms) */
	int			k;
	size_t		n_terms;
} ml_centre_set;

/*
 * Of rows, each x + its number times stride, the nearest of the centres, of equally near ones the first, and the squared
 * distances to it and to the second nearest, infinite if there is none: (count) each.  block: (n_terms, ML_NEAREST_ROWS) to
 * work with.
 */
extern void ml_nearest_two(const ml_centre_set *set, const double *x, size_t stride, const size_t *rows, size_t count,
						   double *block, int32_t *nearest, double *least, double *second);

/* Squared distances of such rows from all centres: (k, count). */
extern void ml_centre_distances(const ml_centre_set *set, const double *x, size_t stride, const size_t *rows, size_t count,
								double *block, double *squared);

/* Squared distances of such rows from one centre each: that of own[its number]. */
extern void ml_own_distances(const ml_centre_set *set, const double *x, size_t stride, const size_t *rows, size_t count,
							 const int32_t *own, double *squared);

#endif							/* ML_NEAREST_H */
