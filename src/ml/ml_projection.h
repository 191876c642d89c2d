/*
 * ml_projection.h: rows projected onto components: (x - centre) C', divided by scales if there are any.
 */
#ifndef ML_PROJECTION_H
#define ML_PROJECTION_H

#include "ml/ml_predictor.h"

typedef struct ml_projection
{
	int			n_terms;
	int			n_components;
	double	   *centre;			/* (n_terms) */
	double	   *scale;			/* (n_components) that components are multiplied with */
	double	   *components;		/* (n_components, n_terms) */
} ml_projection;

/* With its arrays in the same block, zeroed; NULL when there is no memory. */
extern ml_projection *ml_projection_new(const ml_ctx *ctx, int n_terms, int n_components);

extern const ml_predictor_class ml_projection_class;

#endif							/* ML_PROJECTION_H */
