/*
 * ml_clusters.h: clusters as sets of rows that are joined, named by one of their rows, and numbered by size.
 */
#ifndef ML_CLUSTERS_H
#define ML_CLUSTERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct ml_cluster
{
	double		size;			/* sum of the weights of its rows */
	uint32_t	root;			/* the row that names it */
} ml_cluster;

/*
 * Numbers k clusters from 0 by size, the largest first, of equal ones that with the lower root: sizes (k) in that order, and
 * the number of each at its root in `number`.  The clusters are sorted.
 */
extern void ml_clusters_number(ml_cluster *clusters, size_t k, double *sizes, double *number);

#endif							/* ML_CLUSTERS_H */
