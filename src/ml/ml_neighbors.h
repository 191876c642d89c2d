/*
 * ml_neighbors.h: the predictor of nearest neighbours: the training points themselves, with a kd-tree over them or not.
 *
 * Neighbours are ordered by distance and, where distances are equal, by the place that a point had among the training rows,
 * so that the tree finds exactly the neighbours that comparing all would.
 *
 * The tree has no pointers: a node is a range of panels, cut in the middle into its children until it has at most
 * ML_LEAF_PANELS, and has the box around its points.  Node i has the children 2 i + 1 and 2 i + 2.  Boxes follow from the
 * points, so they are made again when a model is loaded.
 */
#ifndef ML_NEIGHBORS_H
#define ML_NEIGHBORS_H

#include "ml/ml_distances.h"
#include "ml/ml_predictor.h"

#define ML_LEAF_PANELS 2

typedef struct ml_neighbors
{
	ml_metric	metric;
	int			n_terms;		/* of the points: one more than rows have for the cosine metric, see ml_unit_point */
	int			n_classes;		/* 0: regression */
	bool		by_distance;	/* neighbours count by 1 / distance, else alike */
	bool		has_tree;
	uint32_t	k;
	size_t		n;				/* points */
	size_t		n_panels;
	size_t		n_nodes;		/* 0 without a tree */
	uint32_t   *ids;			/* (n) places among the training rows */
	double	   *targets;		/* (n) values, or class codes as numbers */
	double	   *panels;			/* the points, packed */
	double	   *boxes;			/* (n_nodes, 2, n_terms) least and largest */
} ml_neighbors;

/* Terms of the points of rows with so many. */
static inline int
ml_neighbors_terms(ml_metric metric, int n_terms)
{
	return n_terms + (metric == ML_METRIC_COSINE ? 1 : 0);
}

/* With its arrays in the same block, zeroed; NULL when there is no memory. */
extern ml_neighbors *ml_neighbors_new(const ml_ctx *ctx, size_t n, int n_terms, int n_classes, bool has_tree);
extern double ml_neighbors_bytes(size_t n, int n_terms, bool has_tree);

/* Makes the boxes, from the points. */
extern void ml_neighbors_make_boxes(ml_neighbors *nb);

/*
 * Calls visit for each point no farther from x than the radius, in no order that means anything but always the same;
 * returns the number of points that were compared.  Takes no memory, so threads may call it.  Not for the cosine metric.
 */
extern size_t ml_neighbors_within(const ml_neighbors *nb, const double *x, double radius,
								  void (*visit) (void *arg, uint32_t id, double distance), void *arg);

/* From a state of the estimator neighbors that is done: the points, which are the caller's from then on. */
extern ml_neighbors *ml_neighbors_take(void *state);

extern const ml_predictor_class ml_neighbors_class;

#endif							/* ML_NEIGHBORS_H */
