/*
 * ml_quantile.h: quantile regression by an interior point method.
 *
 * Minimises sum of w rho(y - b0 - x b) / sum of w + alpha |b|_1 with rho(r) = q r for r >= 0, (q - 1) r below, as scikit-learn's
 * QuantileRegressor does.
 */
#ifndef ML_QUANTILE_H
#define ML_QUANTILE_H

#include "ml/ml_estimator.h"

typedef struct ml_quantile ml_quantile;

typedef struct ml_quantile_params
{
	double		alpha;
	double		quantile;
	bool		fit_intercept;
	double		tol;			/* of the objective, as a share */
	int			max_iter;
	bool		vertex;			/* the solution is to go through as many rows as it has coefficients */
} ml_quantile_params;

typedef struct ml_quantile_result
{
	const double *coefficients; /* (terms) until it is freed */
	double		intercept;
	const unsigned char *dropped;	/* (terms) that depend on others, or are constant: taken for 0 */
	double		objective;
	int			iterations;
	bool		converged;
} ml_quantile_result;

/* The design must stay.  Free with ml_quantile_free, also after a failure. */
extern ml_status ml_quantile_begin(const ml_ctx *ctx, const ml_design *design, const ml_quantile_params *params,
								   ml_quantile **quantile, ml_error *err);

/* A slice of work: ML_MORE until it is ML_DONE. */
extern ml_status ml_quantile_step(ml_quantile *quantile, ml_error *err);

extern ml_quantile_result ml_quantile_solution(ml_quantile *quantile);
extern void ml_quantile_free(ml_quantile *quantile);	/* NULL allowed */

#endif							/* ML_QUANTILE_H */
