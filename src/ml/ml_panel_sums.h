/*
 * ml_panel_sums.h: sums over the terms of what rows have with packed points (ml_kernel_rows.h), for the inner loops of
 * distances and of kernels.
 *
 * Private to files that are compiled for several processors, as ml_lanes.h is.
 */
#ifndef ML_PANEL_SUMS_H
#define ML_PANEL_SUMS_H

#include "ml/ml_kernel_rows.h"
#include "ml/ml_lanes.h"

/* What is summed up of a point p and a row x, term by term. */
typedef enum ml_pair_sum
{
	ML_PAIR_PRODUCTS,			/* p x */
	ML_PAIR_SQUARES,			/* (p - x)² */
	ML_PAIR_SIZES,				/* |p - x| */
	ML_PAIR_LARGEST				/* the largest |p - x| */
} ml_pair_sum;

ML_INLINE void
ml_pair_add(ml_pair_sum kind, lanes *sum, const double *points, double x)
{
	lanes		p = *(const lanes *) points;
	lanes		difference = p - x;
	lanes		size = (lanes) ((lane_bits) difference & 0x7fffffffffffffff);
	lane_bits	greater = size > *sum;

	switch (kind)
	{
		case ML_PAIR_PRODUCTS:
			*sum += p * x;
			break;
		case ML_PAIR_SQUARES:
			*sum += difference * difference;
			break;
		case ML_PAIR_SIZES:
			*sum += size;
			break;
		case ML_PAIR_LARGEST:
			*sum = (lanes) ((greater & (lane_bits) size) | (~greater & (lane_bits) *sum));
			break;
	}
}

/* Four rows and one panel: values[2 r] and values[2 r + 1] are row r's. */
ML_INLINE void
ml_panel_sums4(ml_pair_sum kind, const double *const *x, const double *panel, int n_terms, lanes *values)
{
	const double *x0 = x[0],
			   *x1 = x[1],
			   *x2 = x[2],
			   *x3 = x[3];
	lanes		a = {0},
				b = {0},
				c = {0},
				d = {0},
				e = {0},
				f = {0},
				g = {0},
				h = {0};

	for (int j = 0; j < n_terms; j++, panel += ML_PANEL)
	{
		ml_pair_add(kind, &a, panel, x0[j]);
		ml_pair_add(kind, &b, panel + ML_LANES, x0[j]);
		ml_pair_add(kind, &c, panel, x1[j]);
		ml_pair_add(kind, &d, panel + ML_LANES, x1[j]);
		ml_pair_add(kind, &e, panel, x2[j]);
		ml_pair_add(kind, &f, panel + ML_LANES, x2[j]);
		ml_pair_add(kind, &g, panel, x3[j]);
		ml_pair_add(kind, &h, panel + ML_LANES, x3[j]);
	}
	values[0] = a;
	values[1] = b;
	values[2] = c;
	values[3] = d;
	values[4] = e;
	values[5] = f;
	values[6] = g;
	values[7] = h;
}

#endif							/* ML_PANEL_SUMS_H */
