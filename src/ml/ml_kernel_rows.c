/*
 * ml_kernel_rows.c: kernels of rows and packed points.
 */
#include "ml/ml_kernel_rows.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "ml/ml_panel_sums.h"

void
ml_pack_points(double *panels, const double *x, size_t stride, const uint32_t *which, size_t n, int n_terms)
{
	for (size_t first = 0; first < n; first += ML_PANEL, panels += (size_t) n_terms * ML_PANEL)
	{
		size_t		here = n - first < ML_PANEL ? n - first : ML_PANEL;

		if (here < ML_PANEL)
			memset(panels, 0, sizeof(double) * n_terms * ML_PANEL);
		for (size_t i = 0; i < here; i++)
		{
			const double *point = x + (which ? which[first + i] : first + i) * stride;

			for (int j = 0; j < n_terms; j++)
				panels[(size_t) j * ML_PANEL + i] = point[j];
		}
	}
}

/*
 * exp of numbers of at most 708, and 0 below -708: the power of two apart, the rest by the series to r^13 in |r| <= ln 2 / 2,
 * whose next term is below 2^-57; Estrin's scheme, so that multiplications do not wait for one another.
 */
ML_INLINE void
exp_lanes(lanes *values)
{
	const double shifter = 0x1.8p52;	/* adding it rounds to an integer, which is then in the low bits */
	lanes		x = *values;
	lane_bits	vanishes = x < -708.0;
	lanes		shifted = x * 1.4426950408889634074 + shifter;
	lanes		n = shifted - shifter;
	lanes		r = (x - n * 0x1.62e42fefa3800p-1) - n * 0x1.ef35793c76730p-45;
	lanes		r2 = r * r;
	lanes		r4 = r2 * r2;
	lanes		r8 = r4 * r4;
	lanes		low = ((r + 1.0) + r2 * (r * (1.0 / 6) + 0.5)) +
		r4 * ((r * (1.0 / 120) + (1.0 / 24)) + r2 * (r * (1.0 / 5040) + (1.0 / 720)));
	lanes		high = ((r * (1.0 / 362880) + (1.0 / 40320)) + r2 * (r * (1.0 / 39916800) + (1.0 / 3628800))) +
		r4 * (r * (1.0 / 6227020800.0) + (1.0 / 479001600));
	lane_bits	power = (((lane_bits) shifted & 0xfff) + 1023) << 52;	/* what is beyond 11 bits is shifted out */
	lanes		result = (low + r8 * high) * (lanes) (power & 0x7fffffffffffffff);

	*values = (lanes) ((lane_bits) result & ~vanishes);
}

/* From inner products, or squared distances, to kernels. */
ML_INLINE void
transform(const ml_kernel *kernel, lanes *values)
{
	switch (kernel->type)
	{
		case ML_KERNEL_LINEAR:
			break;
		case ML_KERNEL_RBF:
			*values = *values * -kernel->gamma;
			exp_lanes(values);
			break;
		case ML_KERNEL_POLY:
			{
				lanes		base = *values * kernel->gamma + kernel->coef0;
				lanes		power = base * 0.0 + 1.0;

				for (int degree = kernel->degree; degree > 0; degree >>= 1)
				{
					if (degree & 1)
						power = power * base;
					base = base * base;
				}
				*values = power;
				break;
			}
		case ML_KERNEL_SIGMOID:
			for (int i = 0; i < ML_LANES; i++)
				(*values)[i] = tanh(kernel->gamma * (*values)[i] + kernel->coef0);
			break;
	}
}

/* One row and two panels, which may be the same. */
ML_INLINE void
sum_1x2(ml_pair_sum kind, const double *x, const double *first, const double *second, int n_terms, lanes *values)
{
	lanes		a = {0},
				b = {0},
				c = {0},
				d = {0};

	for (int j = 0; j < n_terms; j++, first += ML_PANEL, second += ML_PANEL)
	{
		ml_pair_add(kind, &a, first, x[j]);
		ml_pair_add(kind, &b, first + ML_LANES, x[j]);
		ml_pair_add(kind, &c, second, x[j]);
		ml_pair_add(kind, &d, second + ML_LANES, x[j]);
	}
	values[0] = a;
	values[1] = b;
	values[2] = c;
	values[3] = d;
}

/* The kernels of a row with panels p and, unless it is the last, p + 1; returns how many panels. */
ML_INLINE int
row_values(const ml_kernel *kernel, const double *x, const double *panels, size_t p, size_t n_panels, int n_terms, lanes *values)
{
	int			count = p + 1 < n_panels ? 2 : 1;
	const double *first = panels + p * n_terms * ML_PANEL;
	const double *second = count == 2 ? first + (size_t) n_terms * ML_PANEL : first;

	if (kernel->type == ML_KERNEL_RBF)
		sum_1x2(ML_PAIR_SQUARES, x, first, second, n_terms, values);
	else
		sum_1x2(ML_PAIR_PRODUCTS, x, first, second, n_terms, values);
	for (int i = 0; i < 2 * count; i++)
		transform(kernel, &values[i]);
	return count;
}

EVERY_PROCESSOR void
ml_kernel_row(const ml_kernel *kernel, const double *x, const double *panels, size_t n_panels, int n_terms, double *out)
{
	for (size_t p = 0; p < n_panels; p += 2)
	{
		lanes		values[4];
		int			count = row_values(kernel, x, panels, p, n_panels, n_terms, values);

		for (int i = 0; i < 2 * count; i++, out += ML_LANES)
			*(lanes *) out = values[i];
	}
}

EVERY_PROCESSOR void
ml_kernel_row_float(const ml_kernel *kernel, const double *x, const double *panels, size_t n_panels, int n_terms, float *out)
{
	for (size_t p = 0; p < n_panels; p += 2)
	{
		lanes		values[4];
		int			count = row_values(kernel, x, panels, p, n_panels, n_terms, values);

		for (int i = 0; i < 2 * count; i++, out += ML_LANES)
			*(float_lanes *) out = __builtin_convertvector(values[i], float_lanes);
	}
}

/* The kernels of four rows with a panel. */
ML_INLINE void
values4(const ml_kernel *kernel, const double *const *x, const double *panel, int n_terms, lanes *values)
{
	if (kernel->type == ML_KERNEL_RBF)
		ml_panel_sums4(ML_PAIR_SQUARES, x, panel, n_terms, values);
	else
		ml_panel_sums4(ML_PAIR_PRODUCTS, x, panel, n_terms, values);
	for (int i = 0; i < 8; i++)
		transform(kernel, &values[i]);
}

EVERY_PROCESSOR void
ml_kernel_rows4(const ml_kernel *kernel, const double *const x[4], const double *panels, size_t n_panels, int n_terms,
				double *out, size_t out_stride)
{
	for (size_t p = 0; p < n_panels; p++, out += ML_PANEL)
	{
		lanes		values[8];

		values4(kernel, x, panels + p * n_terms * ML_PANEL, n_terms, values);
		for (int i = 0; i < 8; i++)
			*(lanes *) (out + i / 2 * out_stride + i % 2 * ML_LANES) = values[i];
	}
}

EVERY_PROCESSOR void
ml_kernel_rows4_float(const ml_kernel *kernel, const double *const x[4], const double *panels, size_t n_panels, int n_terms,
					  float *const out[4])
{
	for (size_t p = 0; p < n_panels; p++)
	{
		lanes		values[8];

		values4(kernel, x, panels + p * n_terms * ML_PANEL, n_terms, values);
		for (int i = 0; i < 8; i++)
			*(float_lanes *) (out[i / 2] + p * ML_PANEL + i % 2 * ML_LANES) = __builtin_convertvector(values[i], float_lanes);
	}
}

double
ml_kernel_self(const ml_kernel *kernel, const double *x, int n_terms)
{
	double		dot = 0;
	lanes		value = {0};

	if (kernel->type == ML_KERNEL_RBF)
		return 1;
	for (int j = 0; j < n_terms; j++)
		dot += x[j] * x[j];
	value[0] = dot;
	transform(kernel, &value);
	return value[0];
}
