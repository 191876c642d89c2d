/*
 * ml_distances.h: distances of rows from packed points (ml_kernel_rows.h says how points are packed).
 *
 * A distance depends on its row and its point alone, whatever else is computed with it.  Differences are summed up term
 * after term, so that a sum over smaller differences, such as the distance from a box around a point, is never greater.
 *
 * The cosine distance of a and b, 1 - a·b / (|a| |b|), is half the squared euclidean one of a / |a| and b / |b|: it is taken
 * between points on the unit sphere, which ml_unit_point makes.  So equal rows are at distance 0, not near it.
 */
#ifndef ML_DISTANCES_H
#define ML_DISTANCES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ml_metric			/* in stored models */
{
	ML_METRIC_EUCLIDEAN = 0,
	ML_METRIC_MANHATTAN,
	ML_METRIC_CHEBYSHEV,
	ML_METRIC_COSINE			/* of unit points */
} ml_metric;

/*
 * Distances of one row, or of four, from the points of n_panels panels; row r writes to out + r * stride.  Euclidean ones are
 * squared; cosine ones are squared euclidean ones, of unit points.
 */
extern void ml_distances1(ml_metric metric, const double *x, const double *panels, size_t n_panels, int n_terms, double *out);
extern void ml_distances4(ml_metric metric, const double *const x[4], const double *panels, size_t n_panels, int n_terms,
						  double *out, size_t stride);

/* Of a row from the box between least and largest (n_terms), 0 inside. */
extern double ml_box_distance(ml_metric metric, const double *x, const double *least, const double *largest, int n_terms);

/*
 * Of a row, the point (n_terms + 1) in the same direction at distance 1 from the origin; the row may be large or small.  A row
 * of zeros has no direction: it gets one of its own, the last number, and is at cosine distance 1 from all others, as in
 * scikit-learn.  Returns whether it is one.
 */
extern bool ml_unit_point(const double *x, int n_terms, double *point);

/* The squared distance of two unit points, 0 where it is no greater than rounding makes that of rows in one direction. */
extern double ml_unit_distance(double distance, int n_terms);

/* The distance itself. */
extern double ml_distance_proper(ml_metric metric, double distance);

#endif							/* ML_DISTANCES_H */
