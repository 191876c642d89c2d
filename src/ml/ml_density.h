/*
 * ml_density.h: clusters as dense regions: a row belongs to the cluster of the nearest core row that is no farther than
 * eps, and to none (-1) if there is no such row.
 */
#ifndef ML_DENSITY_H
#define ML_DENSITY_H

#include "ml/ml_neighbors.h"

typedef struct ml_density
{
	double		eps;
	ml_neighbors *core;			/* whose targets are numbers of clusters; NULL: no row is dense */
} ml_density;

extern const ml_predictor_class ml_density_class;

#endif							/* ML_DENSITY_H */
