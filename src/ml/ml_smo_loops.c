/*
 * ml_smo_loops.c: the inner loops of SMO, vectorised.
 */
#include "ml/ml_smo_loops.h"

#include <math.h>

#include "ml/ml_lanes.h"

/* yes where which is all ones, no where it is 0; a macro, as vectors cannot be passed without a rule for every processor. */
#define choose(which, yes, no) ((lanes) (((which) & (lane_bits) (yes)) | (~(which) & (lane_bits) (no))))

static const lanes zeros = {0};

static const lane_bits lane_numbers = {0, 1, 2, 3, 4, 5, 6, 7};

/* The greatest of eight, of equal ones that with the smallest index; the index to *at. */
ML_INLINE double
greatest(const lanes *values, const lane_bits *indexes, size_t *at)
{
	double		best = (*values)[0];

	*at = (size_t) (*indexes)[0];
	for (int k = 1; k < ML_LANES; k++)
		if ((*values)[k] > best || ((*values)[k] == best && (size_t) (*indexes)[k] < *at))
		{
			best = (*values)[k];
			*at = (size_t) (*indexes)[k];
		}
	return best;
}

EVERY_PROCESSOR void
ml_smo_update(double *u, const double *up, const double *down, const float *row_i, const float *row_j, double delta,
			  size_t n, ml_smo_extremes *extremes)
{
	lanes		top = zeros - INFINITY;
	lanes		bottom = zeros + INFINITY;
	lane_bits	top_at = lane_numbers;
	lane_bits	index = lane_numbers;

	for (size_t t = 0; t < n; t += ML_LANES, index += ML_LANES)
	{
		lanes		value = *(const lanes *) (u + t);
		lanes		rising;
		lanes		falling;
		lane_bits	above;

		if (row_i != NULL)
		{
			value -= (__builtin_convertvector(*(const float_lanes *) (row_i + t), lanes) -
					  __builtin_convertvector(*(const float_lanes *) (row_j + t), lanes)) * delta;
			*(lanes *) (u + t) = value;
		}
		rising = value + *(const lanes *) (up + t);
		falling = value + *(const lanes *) (down + t);
		above = rising > top;
		top = choose(above, rising, top);
		top_at = (above & index) | (~above & top_at);
		bottom = choose(falling < bottom, falling, bottom);
	}
	extremes->largest = greatest(&top, &top_at, &extremes->at);
	extremes->least = bottom[0];
	for (int k = 1; k < ML_LANES; k++)
		extremes->least = bottom[k] < extremes->least ? bottom[k] : extremes->least;
}

/*
 * Gains are compared as fractions, (d_t)² / curvature, without dividing; a point that does not violate the optimum has gain 0.
 * Each comparison decides one choice: GCC takes vectors apart where two comparisons are combined.
 */
EVERY_PROCESSOR size_t
ml_smo_partner(const double *u, const double *down, const double *self, const float *row_i, double self_i, double largest,
			   size_t n)
{
	lanes		best = zeros;
	lanes		best_curvature = zeros + 1.0;
	lane_bits	best_at = {0};
	lane_bits	index = lane_numbers;
	lanes		gains;
	size_t		at;

	for (size_t t = 0; t < n; t += ML_LANES, index += ML_LANES)
	{
		lanes		distance = largest - (*(const lanes *) (u + t) + *(const lanes *) (down + t));
		lanes		curvature = (*(const lanes *) (self + t) + self_i) -
			__builtin_convertvector(*(const float_lanes *) (row_i + t), lanes) * 2.0;
		lanes		square;
		lane_bits	better;

		distance = choose(distance > 0.0, distance, zeros);
		curvature = choose(curvature > 0.0, curvature, zeros + ML_SMO_TAU);
		square = distance * distance;
		better = square * best_curvature > best * curvature;
		best = choose(better, square, best);
		best_curvature = choose(better, curvature, best_curvature);
		best_at = (better & index) | (~better & best_at);
	}
	gains = best / best_curvature;
	return greatest(&gains, &best_at, &at) > 0 ? at : n;
}
