/*
 * ml_irls.h: generalised linear models on a matrix, by Newton's method (Fisher scoring, iteratively reweighted least squares).
 *
 * Minimises the sum of w loss(y, b0 + x b + offset) + l1 |b|_1 + l2 |b|^2 / 2 for a family (ml_family.h); the intercept is
 * not penalised.
 *
 * Work goes in *ranges* of rows whose sums are put together in a fixed order, so the result is the same bits whatever
 * the number of threads.  A *round* goes once over all rows, in several steps.
 */
#ifndef ML_IRLS_H
#define ML_IRLS_H

#include "ml/ml_estimator.h"
#include "ml/ml_family.h"

typedef struct ml_irls_params
{
	ml_family	family;
	double		l1;				/* penalties on the sum over all rows … */
	double		l2;
	bool		per_weight;		/* … or, if true, per unit of weight */
	bool		fit_intercept;
	double		tol;			/* ends when a step improves the mean loss by less */
	int			max_iter;
	bool		residuals;		/* fill those of the fit; without a penalty */
} ml_irls_params;

typedef struct ml_irls_fit
{
	int			n_terms;
	double	   *coefficients;	/* (n_terms), then 1 for each of the matrix's offsets */
	double	   *std_errors;		/* (n_terms), NaN where there is none: with a penalty, aliased */
	double	   *vif;			/* (n_terms), variance inflation factors of the weighted terms; NaN as above */
	unsigned char *aliased;		/* (n_terms), only without a penalty */
	double		intercept;
	double		intercept_std_error;
	int64_t		rows;			/* of weight above 0 */
	double		weight;
	double		loss;			/* sum of w loss, without the penalty */
	double		objective;		/* with it */
	double		null_loss;		/* the same of a model with an intercept alone; NaN if not asked for */
	int			rank;
	double		df;				/* residual degrees of freedom */
	double		dispersion;		/* pearson / df; of two classes and counts 1, as the standard errors have it */
	double		condition;		/* of the weighted terms, as ml_collinear.h has it; NaN with a penalty */
	ml_family_sums sums;		/* without a penalty */
	double		quantiles[5];	/* of deviance residuals: least, quarters, largest; NaN if not asked for */
	int64_t		fading_rows;	/* whose target is 0 and whose mean has no other bound … */
	const unsigned char *fading;	/* … (n_terms) terms that take it there; NULL: not looked for */
	int			iterations;		/* rounds over all rows */
	bool		converged;
} ml_irls_fit;

typedef struct ml_irls ml_irls;

/*
 * Starts a fit on all folds for which use_fold (n_folds) is true.  The matrix must outlive it.  Free with
 * ml_irls_end, also after a failure.
 */
extern ml_status ml_irls_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold,
							   const ml_irls_params *params, ml_irls **irls, ml_error *err);

/* A bounded piece of work: ML_MORE, ML_DONE, or ML_BAD_DATA, ML_NOT_CONVERGED, ML_NO_MEMORY, ML_CANCELLED. */
extern ml_status ml_irls_step(ml_irls *irls, double *progress, ml_error *err);
extern const ml_irls_fit *ml_irls_result(const ml_irls *irls);
extern void ml_irls_end(ml_irls *irls); /* NULL allowed */

/* What goes beside the coefficients without a penalty: variance inflation, condition, quantiles of residuals. */
extern ml_status ml_irls_report(const ml_ctx *ctx, const ml_irls_fit *fit, ml_report *report, ml_error *err);

/* ml_fit_glm.c: the family that parameters of poisson (power 1) and gamma (2) mean; those of tweedie, which have a power. */
extern void ml_glm_family(double power, const double *params, ml_family *family);
extern void ml_tweedie_family(const double *params, ml_family *family);

#endif							/* ML_IRLS_H */
