/*
 * ml_knots.h: the predictor of isotonic regression: a function of one term by its knots (ml_isotonic.h).
 */
#ifndef ML_KNOTS_H
#define ML_KNOTS_H

#include "ml/ml_predictor.h"

typedef struct ml_knots
{
	size_t		n;
	double	   *x;				/* (n) ascending */
	double	   *y;				/* (n) */
} ml_knots;

extern ml_knots *ml_knots_new(const ml_ctx *ctx, size_t n);	/* with its arrays in the same block; NULL: no memory */

extern const ml_predictor_class ml_knots_class;

#endif							/* ML_KNOTS_H */
