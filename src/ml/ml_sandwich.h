/*
 * ml_sandwich.h: standard errors of maximum likelihood coefficients that hold for rows of unequal or dependent errors.
 *
 * The covariance is A^-1 B A^-1 with A = sum of c x x' (the information, c being the curvature of a row) and B the sum
 * of r^2 x x' (White 1980), where r is the derivative of a row's loss; HC1 … HC3 enlarge r by what the fit took from it
 * (MacKinnon, White 1985), and for clusters B is the sum of s s', s being the sum of r x over a cluster (Liang, Zeger 1986).
 */
#ifndef ML_SANDWICH_H
#define ML_SANDWICH_H

#include "ml/ml.h"

typedef enum ml_robust
{
	ML_ROBUST_HC0 = 0,
	ML_ROBUST_HC1,				/* times n / (n - k) */
	ML_ROBUST_HC2,				/* r^2 / (1 - h), h being the leverage of the row */
	ML_ROBUST_HC3,				/* r^2 / (1 - h)^2 */
	ML_ROBUST_CLUSTER			/* times G / (G - 1) (n - 1) / (n - k) for G clusters */
} ml_robust;

typedef struct ml_sandwich_input
{
	size_t		rows;
	int			n_terms;
	const double *x;			/* (rows, n_terms) */
	const unsigned char *aliased;	/* (n_terms): without a coefficient */
	const double *residual;		/* (rows) minus the derivative of the loss by the linear predictor */
	const double *curvature;	/* (rows) its expected second derivative, not below 0 */
	bool		fit_intercept;
	size_t		n;				/* rows that count: of weight above 0 */
	ml_robust	kind;
	const int32_t *clusters;	/* (rows) from 0, for ML_ROBUST_CLUSTER */
	int			n_clusters;
} ml_sandwich_input;

/*
 * std_errors (n_terms + 1), the intercept's last; NaN where there is none.  *imbalance is how far the sums of r x are from
 * the 0 that they are at a maximum of the likelihood, in their standard deviations.
 */
extern ml_status ml_sandwich(const ml_ctx *ctx, const ml_sandwich_input *input, double *std_errors, double *imbalance,
							 ml_error *err);

#endif							/* ML_SANDWICH_H */
