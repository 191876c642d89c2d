/*
 * ml_parts.h: rows as sums of parts, with numbers that are not negative: of w >= 0 the one with the least
 * |x - w H|² / 2 + l1 sum w + l2 sum w² / 2 is a row's view in the parts H (non-negative matrix factorisation).
 */
#ifndef ML_PARTS_H
#define ML_PARTS_H

#include "ml/ml_predictor.h"

typedef struct ml_parts
{
	int			n_terms;
	int			n_parts;
	double		l1;
	double		l2;
	double	   *parts;			/* (n_parts, n_terms) */
	double	   *products;		/* (n_parts, n_parts) H H' + l2 on the diagonal */
} ml_parts;

/* With its arrays in the same block, zeroed; NULL when there is no memory. */
extern ml_parts *ml_parts_new(const ml_ctx *ctx, int n_terms, int n_parts);
extern void ml_parts_multiply(ml_parts *p);	/* fills products */

/*
 * One sweep of coordinate descent over w (n_parts): each number in turn takes its best value, the others held.  right is
 * H x - l1.  Returns the sum of the sizes of the projected gradients.
 */
extern double ml_parts_sweep(const double *products, const double *right, double *w, int n_parts);

extern const ml_predictor_class ml_parts_class;

#endif							/* ML_PARTS_H */
