/*
 * ml_kernel_rows.h: the kernels of support vector machines, of one row against many points.
 *
 * Points are *packed*: in panels of ML_PANEL points, each (n_terms, ML_PANEL), so that the inner loop goes over the terms
 * with a vector of points.  A value depends on its row and its point alone, whatever else is computed with it: training,
 * one row and a batch get the same bits.  Not BLAS, whose bits depend on the shape of the call and which the monitoring
 * library, that predicts too, does not link.
 *
 *   linear   x·y                      poly     (gamma x·y + coef0)^degree
 *   rbf      exp(-gamma |x - y|²)     sigmoid  tanh(gamma x·y + coef0)
 *
 * |x - y|² is summed from differences, not from |x|² + |y|² - 2 x·y, which loses digits where rows lie close together.
 */
#ifndef ML_KERNEL_ROWS_H
#define ML_KERNEL_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define ML_PANEL 16

typedef enum ml_kernel_type		/* in stored models */
{
	ML_KERNEL_LINEAR = 0,
	ML_KERNEL_POLY,
	ML_KERNEL_RBF,
	ML_KERNEL_SIGMOID
} ml_kernel_type;

typedef struct ml_kernel
{
	ml_kernel_type type;
	int			degree;
	double		gamma;
	double		coef0;
} ml_kernel;

#define ml_panels(n) (((size_t) (n) + ML_PANEL - 1) / ML_PANEL)

/* Packs points; `which` (n) picks rows of x, NULL: all in order.  What fills the last panel up is 0. */
extern void ml_pack_points(double *panels, const double *x, size_t stride, const uint32_t *which, size_t n, int n_terms);

/* The kernel of row x with each point of n_panels panels; out is (n_panels * ML_PANEL). */
extern void ml_kernel_row(const ml_kernel *kernel, const double *x, const double *panels, size_t n_panels, int n_terms,
						  double *out);
extern void ml_kernel_row_float(const ml_kernel *kernel, const double *x, const double *panels, size_t n_panels, int n_terms,
								float *out);

/* The same of four rows: row r writes to out + r * out_stride. */
extern void ml_kernel_rows4(const ml_kernel *kernel, const double *const x[4], const double *panels, size_t n_panels,
							int n_terms, double *out, size_t out_stride);

/* The same in single precision; row r writes to out[r]. */
extern void ml_kernel_rows4_float(const ml_kernel *kernel, const double *const x[4], const double *panels, size_t n_panels,
								  int n_terms, float *const out[4]);

/* The kernel of a row with itself. */
extern double ml_kernel_self(const ml_kernel *kernel, const double *x, int n_terms);

#endif							/* ML_KERNEL_ROWS_H */
