/*
 * ml_clusters.c: numbers for clusters that do not depend on the order in which they were found.
 */
#include "ml/ml_clusters.h"

#include <stdlib.h>

static int
larger_first(const void *a, const void *b)
{
	const ml_cluster *x = a;
	const ml_cluster *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->root < y->root ? -1 : x->root > y->root;
}

void
ml_clusters_number(ml_cluster *clusters, size_t k, double *sizes, double *number)
{
	qsort(clusters, k, sizeof(ml_cluster), larger_first);
	for (size_t c = 0; c < k; c++)
	{
		sizes[c] = clusters[c].size;
		number[clusters[c].root] = (double) c;
	}
}
