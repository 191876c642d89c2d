/*
 * ml_gaussians.h: a weighted sum of normal densities: a class each (quadratic discriminants) or a component each (mixtures).
 *
 * log w_k + log N(x; mean_k, covariance_k).  Of a covariance its *whitening* is kept: a lower triangular matrix W with
 * W' W the inverse of the covariance, so that |W (x - mean)| is the distance of Mahalanobis; of one without products
 * its diagonal alone.
 */
#ifndef ML_GAUSSIANS_H
#define ML_GAUSSIANS_H

#include "ml/ml_predictor.h"

typedef struct ml_gaussians
{
	int			n_terms;
	int			n_components;
	int			n_whitenings;	/* n_components, or 1 for all */
	bool		diagonal;
	double	   *constant;		/* (n_components) all that does not depend on x: log w + log |W| - n log(2 pi) / 2 */
	double	   *mean;			/* (n_components, n_terms) */
	double	   *whitening;		/* (n_whitenings, n_terms, n_terms), lower triangle; diagonal: (n_whitenings, n_terms) */
} ml_gaussians;

/* With its arrays in the same block, zeroed; NULL when there is no memory. */
extern ml_gaussians *ml_gaussians_new(const ml_ctx *ctx, int n_terms, int n_components, int n_whitenings, bool diagonal);

/* log w_k + log N(x; …) for each component: out is (n_components), work (2 n_terms). */
extern void ml_gaussians_logs(const ml_gaussians *g, const double *x, double *out, double *work);

/*
 * Turns a covariance (n, n) into its whitening, in place, and gives log |W|.  ML_BAD_DATA with no message when it is not
 * positive definite by more than tolerance of the covariance with a unit diagonal; ML_NO_MEMORY, ML_CANCELLED.
 */
extern ml_status ml_whiten(const ml_ctx *ctx, double *covariance, int n, double tolerance, double *log_determinant,
						   ml_error *err);

/* Labels or clusters are predicted as the model's task says; transforms are the probabilities of the components. */
extern const ml_predictor_class ml_gaussians_class;

#endif							/* ML_GAUSSIANS_H */
