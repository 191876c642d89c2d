/*
 * ml_rbf_single.c: see ml_rbf_single.h.
 */
#include "ml/ml_rbf_single.h"

#include <math.h>
#include <string.h>

#include "ml/ml_lanes.h"

#define AHEAD 4					/* panels of one row that are summed up together */
#define LARGEST_ERROR 4e-6		/* of a kernel, by the rounding of the coordinates */
#define LARGEST 1e30			/* number of which nothing that matters overflows */

/* A panel's points of one term. */
typedef float singles __attribute__((vector_size(ML_PANEL * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int32_t single_bits __attribute__((vector_size(ML_PANEL * sizeof(int32_t)), aligned(sizeof(int32_t)), may_alias));

bool
ml_rbf_single_suits(double gamma, const double *x, size_t stride, const uint32_t *which, size_t n, int n_terms, double *centre)
{
	double		largest = 0;

	memset(centre, 0, sizeof(double) * n_terms);
	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < n_terms; j++)
			centre[j] += x[which[i] * stride + j];
	for (int j = 0; j < n_terms; j++)
		centre[j] /= (double) n;
	for (size_t i = 0; i < n; i++)
	{
		double		sum = 0;

		for (int j = 0; j < n_terms; j++)
		{
			double		distance = x[which[i] * stride + j] - centre[j];

			sum += distance * distance;
		}
		if (!(sum <= largest))	/* NaN stays */
			largest = sum;
	}
	return sqrt(gamma * largest) * 0x1p-23 <= LARGEST_ERROR && gamma <= LARGEST && largest <= LARGEST;
}

void
ml_rbf_single_point(float *out, const double *x, const double *centre, int n_terms)
{
	for (int j = 0; j < n_terms; j++)
		out[j] = (float) (x[j] - centre[j]);
}

void
ml_rbf_single_pack(float *panels, const double *x, size_t stride, const uint32_t *which, size_t n, int n_terms,
				   const double *centre)
{
	for (size_t first = 0; first < n; first += ML_PANEL, panels += (size_t) n_terms * ML_PANEL)
	{
		size_t		here = n - first < ML_PANEL ? n - first : ML_PANEL;

		if (here < ML_PANEL)
			memset(panels, 0, sizeof(float) * n_terms * ML_PANEL);
		for (size_t i = 0; i < here; i++)
		{
			const double *point = x + which[first + i] * stride;

			for (int j = 0; j < n_terms; j++)
				panels[(size_t) j * ML_PANEL + i] = (float) (point[j] - centre[j]);
		}
	}
}

/* exp(-gamma d), 0 below exp(-87): the power of two apart, the rest by its series to r^7 in |r| <= ln 2 / 2. */
ML_INLINE void
kernel_of(singles *values, float gamma)
{
	const float shifter = 0x1.8p23f;	/* adding it rounds to an integer, which is then in the low bits */
	singles		x = *values * -gamma;
	single_bits vanishes = x < -87.0f;
	singles		shifted = x * 1.44269504f + shifter;
	singles		n = shifted - shifter;
	singles		r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
	singles		r2 = r * r;
	singles		low = (r + 1.0f) + r2 * (r * (1.0f / 6) + 0.5f);
	singles		high = (r * (1.0f / 120) + (1.0f / 24)) + r2 * (r * (1.0f / 5040) + (1.0f / 720));
	single_bits power = (((single_bits) shifted & 0x1ff) + 127) << 23;	/* what is beyond 8 bits is shifted out */
	singles		result = (low + r2 * r2 * high) * (singles) (power & 0x7fffffff);

	*values = (singles) ((single_bits) result & ~vanishes);
}

EVERY_PROCESSOR void
ml_rbf_single_row(double gamma, const float *x, const float *panels, size_t n_panels, int n_terms, float *out)
{
	for (size_t p = 0; p < n_panels; p += AHEAD)
	{
		size_t		count = n_panels - p < AHEAD ? n_panels - p : AHEAD;
		const float *first = panels + p * n_terms * ML_PANEL;
		/* Always as many at a time: where there are fewer the first of them stands in. */
		const float *second = count > 1 ? first + (size_t) n_terms * ML_PANEL : first;
		const float *third = count > 2 ? second + (size_t) n_terms * ML_PANEL : first;
		const float *fourth = count > 3 ? third + (size_t) n_terms * ML_PANEL : first;
		singles		values[AHEAD];
		singles		a = {0},
					b = {0},
					c = {0},
					d = {0};

		for (size_t at = 0, j = 0; j < (size_t) n_terms; at += ML_PANEL, j++)
		{
			singles		da = *(const singles *) (first + at) - x[j];
			singles		db = *(const singles *) (second + at) - x[j];
			singles		dc = *(const singles *) (third + at) - x[j];
			singles		dd = *(const singles *) (fourth + at) - x[j];

			a += da * da;
			b += db * db;
			c += dc * dc;
			d += dd * dd;
		}
		values[0] = a;
		values[1] = b;
		values[2] = c;
		values[3] = d;
		for (size_t i = 0; i < count; i++, out += ML_PANEL)
		{
			kernel_of(&values[i], (float) gamma);
			*(singles *) out = values[i];
		}
	}
}

EVERY_PROCESSOR void
ml_rbf_single_rows4(double gamma, const float *x, const float *panels, size_t n_panels, int n_terms, float *const out[4])
{
	const float *x1 = x + n_terms,
			   *x2 = x1 + n_terms,
			   *x3 = x2 + n_terms;

	for (size_t p = 0; p < n_panels; p++)
	{
		singles		a = {0},
					b = {0},
					c = {0},
					d = {0};

		for (int j = 0; j < n_terms; j++, panels += ML_PANEL)
		{
			singles		points = *(const singles *) panels;
			singles		da = points - x[j];
			singles		db = points - x1[j];
			singles		dc = points - x2[j];
			singles		dd = points - x3[j];

			a += da * da;
			b += db * db;
			c += dc * dc;
			d += dd * dd;
		}
		kernel_of(&a, (float) gamma);
		kernel_of(&b, (float) gamma);
		kernel_of(&c, (float) gamma);
		kernel_of(&d, (float) gamma);
		*(singles *) (out[0] + p * ML_PANEL) = a;
		*(singles *) (out[1] + p * ML_PANEL) = b;
		*(singles *) (out[2] + p * ML_PANEL) = c;
		*(singles *) (out[3] + p * ML_PANEL) = d;
	}
}
