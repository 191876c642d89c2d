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

EVERY_PROCESSOR double
ml_squared_distance(const double *a, const double *b, size_t n)
{
	return ml_squared_difference(a, b, n);
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
