/*
 * ml_lasso.h: least squares with penalties on the size and the squares of the coefficients, from a Gram.
 *
 * Minimises sum w (y - b0 - x b)^2 / (2 sum w) + alpha l1_ratio |b|_1 + alpha (1 - l1_ratio) |b|^2 / 2, as scikit-learn's
 * Lasso (l1_ratio 1) and ElasticNet do; the intercept is not penalised.  Coordinate descent on the Gram with an active
 * set (Friedman, Hastie, Tibshirani 2010): a round costs terms times nonzero coefficients, whatever the number of rows.
 */
#ifndef ML_LASSO_H
#define ML_LASSO_H

#include "ml/ml_moments.h"

/* A problem in the form b'Qb / 2 - q'b, and where its solution stands. */
typedef struct ml_lasso
{
	ml_ctx		ctx;
	int			n;				/* terms */
	double	   *q_matrix;		/* (n, n) */
	double	   *q;				/* (n) */
	double	   *solution;		/* (n) */
	double	   *gradient;		/* (n): q - Q b */
	double		largest;		/* of |q| */
	double		tol;			/* of violations of optimality, relative to largest */
	double		l1;				/* penalties of the problem at hand */
	double		l2;
	int			rounds;			/* over all terms, since the penalties were set */
	int			max_rounds;		/* 0: any number, which is for the caller to end */
} ml_lasso;

/* From a Gram whose last variable is the target.  Free with ml_lasso_free, also after a failure. */
extern ml_status ml_lasso_init(const ml_ctx *ctx, ml_lasso *lasso, const ml_gram *gram, bool fit_intercept, double tol,
							   ml_error *err);
extern void ml_lasso_free(ml_lasso *lasso);

/* The smallest alpha at which every coefficient is 0. */
extern double ml_lasso_largest_alpha(const ml_lasso *lasso, double l1_ratio);

/* Sets the penalties; the solution so far is where the next one starts. */
extern void ml_lasso_set(ml_lasso *lasso, double alpha, double l1_ratio);

/* Works for a while (some ten million operations), no longer than max_rounds; true when the solution is found. */
extern bool ml_lasso_work(ml_lasso *lasso);

/* The intercept that goes with the solution. */
extern double ml_lasso_intercept(const ml_lasso *lasso, const ml_gram *gram);

#endif							/* ML_LASSO_H */
