/*
 * ml_discriminant.h: linear discriminants: log P(k) + log p(x | k) is linear in x when all classes share one covariance.
 */
#ifndef ML_DISCRIMINANT_H
#define ML_DISCRIMINANT_H

#include "ml/ml_predictor.h"

typedef struct ml_discriminant
{
	int			n_terms;
	int			n_classes;
	int			n_components;	/* directions that tell the classes apart; may be 0 */
	double	   *intercept;		/* (n_classes) */
	double	   *coefficient;	/* (n_classes, n_terms) */
	double	   *centre;			/* (n_terms) that a transform takes from a row */
	double	   *direction;		/* (n_components, n_terms) */
} ml_discriminant;

/* With its arrays in the same block, zeroed; NULL when there is no memory. */
extern ml_discriminant *ml_discriminant_new(const ml_ctx *ctx, int n_terms, int n_classes, int n_components);

extern const ml_predictor_class ml_discriminant_class;

#endif							/* ML_DISCRIMINANT_H */
