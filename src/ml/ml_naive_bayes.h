/*
 * ml_naive_bayes.h: naive Bayes classifiers.
 *
 * Features are taken as independent within a class.  gaussian: each is normal with a mean and a variance per class, to
 * which var_smoothing times the largest variance of a feature is added, as scikit-learn's GaussianNB does.  discrete
 * (multinomial, Bernoulli, categorical): the logarithm of the joint probability is linear in the terms, or in whether they
 * are above a threshold.
 */
#ifndef ML_NAIVE_BAYES_H
#define ML_NAIVE_BAYES_H

#include "ml/ml_predictor.h"

#define ML_LEAST_VARIANCE 1e-300	/* whose inverse is still finite */

/* Of gaussian naive Bayes; one block of memory. */
typedef struct ml_gaussian_nb
{
	int			n_terms;
	int			n_classes;
	double	   *log_prior;		/* (n_classes) */
	double	   *mean;			/* (n_classes, n_terms) */
	double	   *variance;		/* (n_classes, n_terms), at least ML_LEAST_VARIANCE */
	/* derived */
	double	   *constant;		/* (n_classes) log prior and what of the log densities does not depend on the row */
	double	   *precision;		/* (n_classes, n_terms) 1 / variance */
} ml_gaussian_nb;

/* With its arrays, not filled; NULL when there is no memory. */
extern ml_gaussian_nb *ml_gaussian_nb_new(const ml_ctx *ctx, int n_terms, int n_classes);

extern void ml_gaussian_nb_derive(ml_gaussian_nb *nb);

extern const ml_predictor_class ml_gaussian_nb_class;

/* Of the discrete ones; one block of memory. */
typedef struct ml_discrete_nb
{
	int			n_terms;
	int			n_classes;
	bool		binarises;		/* a term counts as 1 above the threshold, else as 0 */
	double		threshold;
	double	   *intercept;		/* (n_classes) */
	double	   *weight;			/* (n_classes, n_terms) */
} ml_discrete_nb;

extern ml_discrete_nb *ml_discrete_nb_new(const ml_ctx *ctx, int n_terms, int n_classes);

extern const ml_predictor_class ml_discrete_nb_class;

/* From logarithms of joint densities to probabilities, in place. */
extern void ml_normalise_logs(double *values, int count);

#endif							/* ML_NAIVE_BAYES_H */
