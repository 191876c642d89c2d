/*
 * ml_softmax.h: logistic regression of more than two classes (multinomial, softmax) on a matrix.
 *
 * Minimises sum w -log p(class), p proportional to exp(b0_k + x b_k), plus l1 |b|_1 + l2 |b|^2 / 2 over all classes, as
 * scikit-learn's LogisticRegression does; intercepts are not penalised.  What the data do not decide is decided so that the
 * intercepts, and without a penalty the coefficients of a term, add up to 0 over the classes.
 *
 * Smooth problems go by limited-memory BFGS (Nocedal 1980), preconditioned with the moments of the terms; what it has not
 * solved after some rounds goes on by Newton's method, unless there are more than ML_SOFTMAX_NEWTON coefficients.  Problems
 * with a penalty on sizes go by proximal Newton with the whole Hessian (at most ML_SOFTMAX_HESSIAN coefficients).
 */
#ifndef ML_SOFTMAX_H
#define ML_SOFTMAX_H

#include "ml/ml_matrix.h"

#define ML_SOFTMAX_HESSIAN 2000
#define ML_SOFTMAX_NEWTON 1500	/* here ten rounds of Newton's method cost as much as 1,000 to 2,000 of L-BFGS */

typedef struct ml_softmax_params
{
	double		l1;
	double		l2;
	const double *class_weights;	/* (n_classes) or NULL */
	bool		fit_intercept;
	double		tol;			/* ends when a step improves the mean loss by less */
	int			max_iter;
} ml_softmax_params;

typedef struct ml_softmax_fit
{
	int			n_terms;
	int			n_classes;
	double	   *coefficients;	/* (n_classes, n_terms) */
	double	   *intercepts;		/* (n_classes) */
	double	   *std_errors;		/* (n_classes, n_terms), NaN where there is none: with a penalty, aliased, too many … */
	double	   *intercept_errors;	/* … likewise (n_classes) */
	unsigned char *aliased;		/* (n_terms), only without a penalty */
	int64_t		rows;			/* of weight above 0 */
	double		weight;
	double		loss;			/* sum of w log loss, without the penalty */
	double		objective;		/* with it */
	double		null_loss;		/* the same of intercepts alone */
	int			rank;			/* terms not aliased */
	int			iterations;
	bool		converged;
} ml_softmax_fit;

typedef struct ml_softmax ml_softmax;

/* As ml_irls_begin and so on. */
extern ml_status ml_softmax_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold,
								  const ml_softmax_params *params, ml_softmax **softmax, ml_error *err);
extern ml_status ml_softmax_step(ml_softmax *softmax, double *progress, ml_error *err);
extern const ml_softmax_fit *ml_softmax_result(const ml_softmax *softmax);
extern void ml_softmax_end(ml_softmax *softmax);	/* NULL allowed */

#endif							/* ML_SOFTMAX_H */
