/*
 * ml_naive_bayes.h: naive Bayes classifiers.
 *
 * Features are taken as independent within a class.  gaussian: each is normal with a mean and a variance per class, to
 * which var_smoothing times the largest variance of a feature is added, as scikit-learn's GaussianNB does.
 */
#ifndef ML_NAIVE_BAYES_H
#define ML_NAIVE_BAYES_H

#include "ml/ml_predictor.h"

/* Of gaussian naive Bayes; one block of memory. */
typedef struct ml_gaussian_nb
{
	int			n_terms;
	int			n_classes;
	double	   *log_prior;		/* (n_classes) */
	double	   *mean;			/* (n_classes, n_terms) */
	double	   *variance;		/* (n_classes, n_terms), above 0 */
} ml_gaussian_nb;

/* With its arrays, not filled; NULL when there is no memory. */
extern ml_gaussian_nb *ml_gaussian_nb_new(const ml_ctx *ctx, int n_terms, int n_classes);

extern const ml_predictor_class ml_gaussian_nb_class;

#endif							/* ML_NAIVE_BAYES_H */
