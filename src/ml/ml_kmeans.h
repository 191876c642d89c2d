/*
 * ml_kmeans.h: what other learners ask of the estimator kmeans, with which they start.
 */
#ifndef ML_KMEANS_H
#define ML_KMEANS_H

#include "ml/ml_estimator.h"

/* Of a state that is done after one start: the centres (n_clusters, n_terms), and each row's nearest (rows). */
extern const double *ml_kmeans_centres(const void *state);
extern const int32_t *ml_kmeans_nearest(const void *state);

#endif							/* ML_KMEANS_H */
