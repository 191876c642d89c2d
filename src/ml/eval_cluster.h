/*
 * eval_cluster.h: how well clusters agree with classes, and how well they are apart.
 *
 * Agreement is from a contingency table (n_classes, n_clusters) of counts; separation from the points themselves.
 * Definitions are scikit-learn's.
 */
#ifndef EVAL_CLUSTER_H
#define EVAL_CLUSTER_H

#include "ml/ml.h"

typedef struct ml_contingency
{
	const double *counts;		/* (n_classes, n_clusters), rows and columns that are all 0 allowed */
	int			n_classes;
	int			n_clusters;
	double	   *classes;		/* (n_classes) sums, made by ml_contingency_sums */
	double	   *clusters;		/* (n_clusters) */
	double		all;
} ml_contingency;

/* Fills the sums; false when there are no rows. */
extern bool ml_contingency_sums(ml_contingency *table);

typedef enum ml_mean_kind
{
	ML_MEAN_ARITHMETIC = 0,
	ML_MEAN_GEOMETRIC,
	ML_MEAN_MIN,
	ML_MEAN_MAX
} ml_mean_kind;

/* These take a table whose sums are filled and that has rows. */
extern double ml_adjusted_rand(const ml_contingency *table);
extern double ml_mutual_information(const ml_contingency *table);
extern double ml_normalised_mutual_information(const ml_contingency *table, ml_mean_kind kind);
extern double ml_homogeneity(const ml_contingency *table);
extern double ml_completeness(const ml_contingency *table);
extern double ml_v_measure(const ml_contingency *table);

/* Adjusted for chance; takes time of the order of rows * classes.  Whole counts only. */
extern ml_status ml_adjusted_mutual_information(const ml_ctx *ctx, const ml_contingency *table, ml_mean_kind kind,
												double *value, ml_error *err);

typedef struct ml_points
{
	const double *x;			/* (n, width), row stride `stride` */
	size_t		stride;
	size_t		n;
	int			width;
	const int  *clusters;		/* (n) from 0 */
	int			n_clusters;		/* each has a point */
} ml_points;

/* The first is the sum of squared distances to the centres; the others are NaN unless 2 <= n_clusters < n. */
extern ml_status ml_inertia(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err);
extern ml_status ml_davies_bouldin(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err);
extern ml_status ml_calinski_harabasz(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err);

/* Takes time of the order of n * n * width. */
extern ml_status ml_silhouette(const ml_ctx *ctx, const ml_points *points, double *value, ml_error *err);

#endif							/* EVAL_CLUSTER_H */
