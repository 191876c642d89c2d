/*
 * ml_centres.h: clusters known by their centres: a row belongs to the nearest.
 */
#ifndef ML_CENTRES_H
#define ML_CENTRES_H

#include "ml/ml_predictor.h"

typedef struct ml_centres
{
	int			n_terms;
	int			n_clusters;
	double	   *centres;		/* (n_clusters, n_terms) */
} ml_centres;

/* With its array in the same block, zeroed; NULL when there is no memory. */
extern ml_centres *ml_centres_new(const ml_ctx *ctx, int n_terms, int n_clusters);

extern const ml_predictor_class ml_centres_class;

#endif							/* ML_CENTRES_H */
