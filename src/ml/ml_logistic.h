/*
 * ml_logistic.h: binary logistic regression by Newton's method on a matrix.
 *
 * Minimises sum w log(1 + exp(-s (b0 + x b))) + |b|^2 / (2 C), s = 1 for the last class and -1 for the first, as
 * scikit-learn does; the intercept is not penalised; C infinite: no penalty.
 *
 * Work goes in *ranges* of rows whose sums are put together in a fixed order, so the result is the same bits whatever
 * the number of threads.  A *round* goes once over all rows, in several steps.
 */
#ifndef ML_LOGISTIC_H
#define ML_LOGISTIC_H

#include "ml/ml_matrix.h"

typedef struct ml_logistic_params
{
	double		c;				/* INFINITY: no penalty */
	bool		fit_intercept;
	double		tol;			/* ends when a step improves the mean loss by less */
	int			max_iter;
} ml_logistic_params;

typedef struct ml_logistic_fit
{
	int			n_terms;
	double	   *coefficients;	/* (n_terms) */
	double	   *std_errors;		/* (n_terms), NaN where there is none: with a penalty, aliased */
	unsigned char *aliased;		/* (n_terms), only without a penalty */
	double		intercept;
	double		intercept_std_error;
	int64_t		rows;
	double		weight;
	double		loss;			/* sum of w log loss, without the penalty */
	double		null_loss;		/* the same of a model with an intercept alone */
	int			rank;
	int			iterations;		/* rounds over all rows */
	bool		converged;
} ml_logistic_fit;

typedef struct ml_logistic ml_logistic;

/*
 * Starts a fit on all folds for which use_fold (n_folds) is true.  The matrix must outlive it.  Free with
 * ml_logistic_end, also after a failure.
 */
extern ml_status ml_logistic_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold,
								   const ml_logistic_params *params, ml_logistic **logistic, ml_error *err);

/* A bounded piece of work: ML_MORE, ML_DONE, or ML_BAD_DATA, ML_NOT_CONVERGED, ML_NO_MEMORY, ML_CANCELLED. */
extern ml_status ml_logistic_step(ml_logistic *logistic, double *progress, ml_error *err);
extern const ml_logistic_fit *ml_logistic_result(const ml_logistic *logistic);
extern void ml_logistic_end(ml_logistic *logistic); /* NULL allowed */

/* Linear predictors b0 + x b of n rows from `first` on; in parallel. */
extern void ml_logistic_scores(const ml_ctx *ctx, const ml_matrix *matrix, const double *coefficients,
							   double intercept, size_t first, size_t n, double *scores);

#endif							/* ML_LOGISTIC_H */
