/*
 * ml_screen.h: which centre is the nearest to each of many rows, where that is not a close thing.
 *
 * With rows and centres taken from an *origin* in their midst, |x - c|² = |x|² - 2 (x c - |c|²/2): one multiplication and one
 * addition a number, fused where the processor can, instead of the three operations of ml_nearest_two.  That rounds more, and
 * not the same everywhere, so what rounding may have changed is left *in doubt*: of the rows for which a nearest centre is
 * told, ml_nearest_two tells the same.
 */
#ifndef ML_SCREEN_H
#define ML_SCREEN_H

#include "ml/ml_nearest.h"

typedef struct ml_screen
{
	const double *origin;		/* (n_terms) */
	double	   *centres;		/* (k, n_terms) less the origin */
	double	   *half;			/* (k) half their squared lengths */
	int			k;
	size_t		n_terms;
	double		longest;		/* the greatest of their squared lengths */
} ml_screen;

/* Takes over the places of the centres; the caller has set origin and given memory for centres and half. */
extern void ml_screen_set(ml_screen *screen, const ml_centre_set *set);

/*
 * Rows and block as for ml_nearest_two; nearest: -1 for a row in doubt.  upper: no less than the distance to the nearest
 * centre, lower: no more than that to any other; both are of no meaning for a row in doubt.
 */
extern void ml_screen_rows(const ml_screen *screen, const double *x, size_t stride, const size_t *rows, size_t count,
						   double *block, int32_t *nearest, double *upper, double *lower);

#endif							/* ML_SCREEN_H */
