/*
 * ml_kernels.c: vectorised inner loops with one order of operations on every processor.
 */
#include "ml/ml_kernels.h"

#include <math.h>
#include <string.h>

#include "ml/ml_lanes.h"

#define TILE 4					/* rows of c that are summed up together */

EVERY_PROCESSOR void
ml_syrk(double *c, const double *z, size_t n, size_t padded)
{
	for (size_t i = 0; i < padded; i += TILE)
		for (size_t j = 0; j <= i; j += ML_LANES)
		{
			lanes		c0 = {0},
						c1 = {0},
						c2 = {0},
						c3 = {0};
			const double *left = z + i;
			const double *right = z + j;

			for (size_t row = 0; row < n; row++)
			{
				lanes		values = *(const lanes *) right;

				c0 += values * left[0];
				c1 += values * left[1];
				c2 += values * left[2];
				c3 += values * left[3];
				left += padded;
				right += padded;
			}
			*(lanes *) (c + i * padded + j) += c0;
			*(lanes *) (c + (i + 1) * padded + j) += c1;
			*(lanes *) (c + (i + 2) * padded + j) += c2;
			*(lanes *) (c + (i + 3) * padded + j) += c3;
		}
}

EVERY_PROCESSOR void
ml_rank_one(double *c, const double *d, double factor, size_t padded)
{
	for (size_t i = 0; i < padded; i++)
	{
		double		scaled = factor * d[i];

		for (size_t j = 0; j <= i; j += ML_LANES)
			*(lanes *) (c + i * padded + j) += *(const lanes *) (d + j) * scaled;
	}
}

EVERY_PROCESSOR void
ml_column_sums(double *sums, const double *z, size_t n, size_t padded)
{
	for (size_t j = 0; j < padded; j += ML_LANES)
	{
		lanes		sum = *(lanes *) (sums + j);

		for (size_t row = 0; row < n; row++)
			sum += *(const lanes *) (z + row * padded + j);
		*(lanes *) (sums + j) = sum;
	}
}

EVERY_PROCESSOR void
ml_centre_rows(double *z, const double *means, const double *root_weights, size_t n, size_t padded)
{
	for (size_t row = 0; row < n; row++)
		for (size_t j = 0; j < padded; j += ML_LANES)
		{
			lanes	   *values = (lanes *) (z + row * padded + j);

			*values -= *(const lanes *) (means + j);
			if (root_weights != NULL)
				*values *= root_weights[row];
		}
}

/* What comparisons of vectors give: all bits of a lane, or none. */
typedef int64_t masks __attribute__((vector_size(ML_LANES * sizeof(int64_t)), aligned(sizeof(int64_t)), may_alias));

#define CHOOSE(mask, a, b) ((lanes) (((mask) & (masks) (a)) | (~(mask) & (masks) (b))))
#define CENTRES 4				/* that are worked on together */

EVERY_PROCESSOR void
ml_nearest_two(const double *x, const double *centres, int n_centres, size_t n_terms, int32_t *nearest, double *least,
			   double *second)
{
	lanes		best = {0};
	lanes		next = {0};
	masks		which = {0};

	best += INFINITY;
	next += INFINITY;
	for (int c = 0; c < n_centres; c += CENTRES)
	{
		/* Always as many at a time: where there are fewer the first of them stands in, and is not looked at. */
		int			count = n_centres - c < CENTRES ? n_centres - c : CENTRES;
		const double *centre[CENTRES];
		lanes		sum[CENTRES] = {{0}};

		for (int k = 0; k < CENTRES; k++)
			centre[k] = centres + (size_t) (k < count ? c + k : c) * n_terms;
		for (size_t j = 0; j < n_terms; j++)
		{
			lanes		values = *(const lanes *) (x + j * ML_LANES);

			for (int k = 0; k < CENTRES; k++)
			{
				lanes		distance = values - centre[k][j];

				sum[k] += distance * distance;
			}
		}
		for (int k = 0; k < count; k++)
		{
			masks		closer = sum[k] < best;
			masks		below = sum[k] < next;
			masks		number = {0};

			number += c + k;
			next = CHOOSE(closer, best, CHOOSE(below, sum[k], next));
			best = CHOOSE(closer, sum[k], best);
			which = (closer & number) | (~closer & which);
		}
	}
	for (int lane = 0; lane < ML_LANES; lane++)
	{
		nearest[lane] = (int32_t) which[lane];
		least[lane] = best[lane];
		second[lane] = next[lane];
	}
}

EVERY_PROCESSOR double
ml_squared_distance(const double *a, const double *b, size_t n)
{
	lanes		sum = {0};
	double		total = 0;
	size_t		i = 0;

	for (; i + ML_LANES <= n; i += ML_LANES)
	{
		lanes		distance = *(const lanes *) (a + i) - *(const lanes *) (b + i);

		sum += distance * distance;
	}
	for (; i < n; i++)
		total += (a[i] - b[i]) * (a[i] - b[i]);
	for (int k = 0; k < ML_LANES; k++)
		total += sum[k];
	return total;
}

EVERY_PROCESSOR double
ml_weighted_distance(const double *a, const double *b, const double *scales, size_t n)
{
	lanes		sum = {0};
	double		total = 0;
	size_t		i = 0;

	for (; i + ML_LANES <= n; i += ML_LANES)
	{
		lanes		distance = *(const lanes *) (a + i) - *(const lanes *) (b + i);

		sum += distance * distance * *(const lanes *) (scales + i);
	}
	for (; i < n; i++)
		total += (a[i] - b[i]) * (a[i] - b[i]) * scales[i];
	for (int k = 0; k < ML_LANES; k++)
		total += sum[k];
	return total;
}

EVERY_PROCESSOR double
ml_dot(const double *a, const double *b, size_t n)
{
	lanes		sum = {0};
	double		total = 0;
	size_t		i = 0;

	for (; i + ML_LANES <= n; i += ML_LANES)
		sum += *(const lanes *) (a + i) * *(const lanes *) (b + i);
	for (; i < n; i++)
		total += a[i] * b[i];
	for (int k = 0; k < ML_LANES; k++)
		total += sum[k];
	return total;
}

EVERY_PROCESSOR void
ml_axpy(double *y, double a, const double *x, size_t n)
{
	size_t		i = 0;

	for (; i + ML_LANES <= n; i += ML_LANES)
		*(lanes *) (y + i) += *(const lanes *) (x + i) * a;
	for (; i < n; i++)
		y[i] += a * x[i];
}
