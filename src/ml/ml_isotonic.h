/*
 * ml_isotonic.h: isotonic regression: of all functions that never fall, the one with the least weighted squared error.
 *
 * Found by pooling adjacent violators (Ayer, Brunk, Ewing, Reid and Silverman 1955): rows in the order of x, each a block; a
 * block that is not above the one before it is pooled with it.  What is kept are *knots*, the ends of blocks; values are
 * interpolated between them and, outside, those of the nearest.
 */
#ifndef ML_ISOTONIC_H
#define ML_ISOTONIC_H

#include "ml/ml.h"

typedef struct ml_isotonic_point
{
	double		x;
	double		y;
	double		weight;
} ml_isotonic_point;

typedef struct ml_isotonic
{
	bool		falling;		/* the function never rises instead */
	size_t		n;				/* points, filled by the caller in an order that does not matter but for equal x */
	ml_isotonic_point *points;	/* (n) */
	ml_isotonic_point *scratch; /* (n) */
	size_t		width;			/* of the runs that are in order */
	size_t		n_knots;		/* the result: at the start of points, x and y */
} ml_isotonic;

extern bool ml_isotonic_init(const ml_ctx *ctx, ml_isotonic *fit, size_t n);	/* false: no memory */
extern void ml_isotonic_free(const ml_ctx *ctx, ml_isotonic *fit);

/* A pass over the points; true when the knots are there. */
extern bool ml_isotonic_step(ml_isotonic *fit);

/* The value at a place between knots with ascending x. */
extern double ml_isotonic_value(const double *x, const double *y, size_t n, double place);

#endif							/* ML_ISOTONIC_H */
