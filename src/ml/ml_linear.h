/*
 * ml_linear.h: ordinary least squares and ridge regression, with the inference that statisticians expect.
 *
 * Fits minimise sum w (y - b0 - x b)^2 + alpha |b|^2; the intercept b0 is not penalised.  With alpha = 0 columns that
 * others determine are aliased (coefficient 0, no standard error), as in R's lm; standard errors are given for
 * alpha = 0 only.
 */
#ifndef ML_LINEAR_H
#define ML_LINEAR_H

#include "ml/ml_moments.h"

typedef struct ml_linear_params
{
	double		alpha;
	bool		fit_intercept;
} ml_linear_params;

typedef struct ml_linear_fit
{
	int			n_terms;
	int			rank;			/* terms not aliased */
	double	   *coefficients;	/* (n_terms) */
	double	   *std_errors;		/* (n_terms), NaN where there is none */
	unsigned char *aliased;		/* (n_terms) */
	double		intercept;
	double		intercept_std_error;	/* NaN where there is none */
	int64_t		rows;
	double		weight;
	double		df;				/* residual degrees of freedom */
	double		rss;			/* weighted sums of squares: residual, … */
	double		tss;			/* … and about the mean */
	double		sigma;			/* residual standard error */
	double		r2;				/* NaN if the target is constant */
	double		adjusted_r2;
	double		f_statistic;	/* of all terms together, alpha 0 and with intercept only */
	double		smallest_pivot; /* of the scaled moments: near 0, digits are lost */
} ml_linear_fit;

/* From moments.  Free the fit with ml_linear_free, also after a failure. */
extern ml_status ml_linear_from_gram(const ml_ctx *ctx, const ml_gram *gram, const ml_linear_params *params,
									 ml_linear_fit *fit, ml_error *err);

/*
 * From rows, for small data: QR in extended precision, about rows * terms^2 nanoseconds.  x is (n, n_terms) column by
 * column, y and weights (NULL: 1) are (n).  alpha must be 0.
 */
extern ml_status ml_linear_from_rows(const ml_ctx *ctx, const double *x, const double *y, const double *weights, size_t n,
									 int n_terms, const ml_linear_params *params, ml_linear_fit *fit, ml_error *err);
extern void ml_linear_free(const ml_ctx *ctx, ml_linear_fit *fit);

/* The weighted residual sum of squares of given coefficients on the rows of a Gram: what cross-validation needs. */
extern double ml_linear_rss(const ml_gram *gram, const double *coefficients, double intercept);

#endif							/* ML_LINEAR_H */
