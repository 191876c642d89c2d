/*
 * ml_distances.c: distances of rows from packed points.
 */
#include "ml/ml_distances.h"

#include <float.h>
#include <math.h>

#include "ml/ml_kernel_rows.h"
#include "ml/ml_lanes.h"

ML_INLINE void
accumulate(ml_metric metric, lanes *sum, const double *points, double x)
{
	lanes		difference = *(const lanes *) points - x;

	if (metric == ML_METRIC_EUCLIDEAN)
		*sum += difference * difference;
	else
	{
		lanes		size = (lanes) ((lane_bits) difference & 0x7fffffffffffffff);

		if (metric == ML_METRIC_MANHATTAN)
			*sum += size;
		else
		{
			lane_bits	greater = size > *sum;

			*sum = (lanes) ((greater & (lane_bits) size) | (~greater & (lane_bits) *sum));
		}
	}
}

ML_INLINE void
distances1(ml_metric metric, const double *x, const double *panels, size_t n_panels, int n_terms, double *out)
{
	for (size_t p = 0; p < n_panels; p++, out += ML_PANEL)
	{
		lanes		a = {0},
					b = {0};

		for (int j = 0; j < n_terms; j++, panels += ML_PANEL)
		{
			accumulate(metric, &a, panels, x[j]);
			accumulate(metric, &b, panels + ML_LANES, x[j]);
		}
		*(lanes *) out = a;
		*(lanes *) (out + ML_LANES) = b;
	}
}

ML_INLINE void
distances4(ml_metric metric, const double *const *x, const double *panels, size_t n_panels, int n_terms, double *out,
		   size_t stride)
{
	const double *x0 = x[0],
			   *x1 = x[1],
			   *x2 = x[2],
			   *x3 = x[3];

	for (size_t p = 0; p < n_panels; p++, out += ML_PANEL)
	{
		lanes		a = {0},
					b = {0},
					c = {0},
					d = {0},
					e = {0},
					f = {0},
					g = {0},
					h = {0};

		for (int j = 0; j < n_terms; j++, panels += ML_PANEL)
		{
			accumulate(metric, &a, panels, x0[j]);
			accumulate(metric, &b, panels + ML_LANES, x0[j]);
			accumulate(metric, &c, panels, x1[j]);
			accumulate(metric, &d, panels + ML_LANES, x1[j]);
			accumulate(metric, &e, panels, x2[j]);
			accumulate(metric, &f, panels + ML_LANES, x2[j]);
			accumulate(metric, &g, panels, x3[j]);
			accumulate(metric, &h, panels + ML_LANES, x3[j]);
		}
		*(lanes *) out = a;
		*(lanes *) (out + ML_LANES) = b;
		*(lanes *) (out + stride) = c;
		*(lanes *) (out + stride + ML_LANES) = d;
		*(lanes *) (out + 2 * stride) = e;
		*(lanes *) (out + 2 * stride + ML_LANES) = f;
		*(lanes *) (out + 3 * stride) = g;
		*(lanes *) (out + 3 * stride + ML_LANES) = h;
	}
}

EVERY_PROCESSOR void
ml_distances1(ml_metric metric, const double *x, const double *panels, size_t n_panels, int n_terms, double *out)
{
	if (metric == ML_METRIC_EUCLIDEAN || metric == ML_METRIC_COSINE)
		distances1(ML_METRIC_EUCLIDEAN, x, panels, n_panels, n_terms, out);
	else if (metric == ML_METRIC_MANHATTAN)
		distances1(ML_METRIC_MANHATTAN, x, panels, n_panels, n_terms, out);
	else
		distances1(ML_METRIC_CHEBYSHEV, x, panels, n_panels, n_terms, out);
}

EVERY_PROCESSOR void
ml_distances4(ml_metric metric, const double *const x[4], const double *panels, size_t n_panels, int n_terms, double *out,
			  size_t stride)
{
	if (metric == ML_METRIC_EUCLIDEAN || metric == ML_METRIC_COSINE)
		distances4(ML_METRIC_EUCLIDEAN, x, panels, n_panels, n_terms, out, stride);
	else if (metric == ML_METRIC_MANHATTAN)
		distances4(ML_METRIC_MANHATTAN, x, panels, n_panels, n_terms, out, stride);
	else
		distances4(ML_METRIC_CHEBYSHEV, x, panels, n_panels, n_terms, out, stride);
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
