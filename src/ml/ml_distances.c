/*
 * ml_distances.c: distances of rows from packed points.
 */
#include "ml/ml_distances.h"

#include <float.h>
#include <math.h>

#include "ml/ml_panel_sums.h"

ML_INLINE void
distances1(ml_pair_sum kind, const double *x, const double *panels, size_t n_panels, int n_terms, double *out)
{
	for (size_t p = 0; p < n_panels; p++, out += ML_PANEL)
	{
		lanes		a = {0},
					b = {0};

		for (int j = 0; j < n_terms; j++, panels += ML_PANEL)
		{
			ml_pair_add(kind, &a, panels, x[j]);
			ml_pair_add(kind, &b, panels + ML_LANES, x[j]);
		}
		*(lanes *) out = a;
		*(lanes *) (out + ML_LANES) = b;
	}
}

ML_INLINE void
distances4(ml_pair_sum kind, const double *const *x, const double *panels, size_t n_panels, int n_terms, double *out,
		   size_t stride)
{
	for (size_t p = 0; p < n_panels; p++, panels += (size_t) n_terms * ML_PANEL, out += ML_PANEL)
	{
		lanes		values[8];

		ml_panel_sums4(kind, x, panels, n_terms, values);
#pragma GCC unroll 8
		for (int i = 0; i < 8; i++)
			*(lanes *) (out + i / 2 * stride + i % 2 * ML_LANES) = values[i];
	}
}

EVERY_PROCESSOR void
ml_distances1(ml_metric metric, const double *x, const double *panels, size_t n_panels, int n_terms, double *out)
{
	if (metric == ML_METRIC_EUCLIDEAN || metric == ML_METRIC_COSINE)
		distances1(ML_PAIR_SQUARES, x, panels, n_panels, n_terms, out);
	else if (metric == ML_METRIC_MANHATTAN)
		distances1(ML_PAIR_SIZES, x, panels, n_panels, n_terms, out);
	else
		distances1(ML_PAIR_LARGEST, x, panels, n_panels, n_terms, out);
}

EVERY_PROCESSOR void
ml_distances4(ml_metric metric, const double *const x[4], const double *panels, size_t n_panels, int n_terms, double *out,
			  size_t stride)
{
	if (metric == ML_METRIC_EUCLIDEAN || metric == ML_METRIC_COSINE)
		distances4(ML_PAIR_SQUARES, x, panels, n_panels, n_terms, out, stride);
	else if (metric == ML_METRIC_MANHATTAN)
		distances4(ML_PAIR_SIZES, x, panels, n_panels, n_terms, out, stride);
	else
		distances4(ML_PAIR_LARGEST, x, panels, n_panels, n_terms, out, stride);
}

double
ml_box_distance(ml_metric metric, const double *x, const double *least, const double *largest, int n_terms)
{
	double		sum = 0;

	for (int j = 0; j < n_terms; j++)
	{
		double		way = x[j] < least[j] ? least[j] - x[j] : x[j] > largest[j] ? x[j] - largest[j] : 0;

		if (metric == ML_METRIC_EUCLIDEAN || metric == ML_METRIC_COSINE)
			sum += way * way;
		else if (metric == ML_METRIC_MANHATTAN)
			sum += way;
		else
			sum = way > sum ? way : sum;
	}
	return sum;
}

bool
ml_unit_point(const double *x, int n_terms, double *point)
{
	double		largest = 0;
	double		sum = 0;

	/* Relative to the largest number, whose square could be infinite or 0. */
	for (int j = 0; j < n_terms; j++)
		largest = fmax(largest, fabs(x[j]));
	for (int j = 0; j < n_terms; j++)
	{
		point[j] = largest > 0 ? x[j] / largest : 0;
		sum += point[j] * point[j];
	}
	for (int j = 0; j < n_terms && largest > 0; j++)
		point[j] /= sqrt(sum);
	point[n_terms] = largest > 0 ? 0 : 1;
	return largest == 0;
}

/* A norm of n terms is off by at most about n / 2 roundings, each number divided by it by two more, and there are two points. */
double
ml_unit_distance(double distance, int n_terms)
{
	double		rounding = (n_terms + 4) * DBL_EPSILON;

	return distance <= rounding * rounding ? 0 : distance;
}

double
ml_distance_proper(ml_metric metric, double distance)
{
	if (metric == ML_METRIC_COSINE)
		return fmin(distance / 2, 2);
	return metric == ML_METRIC_EUCLIDEAN ? sqrt(distance) : distance;
}
