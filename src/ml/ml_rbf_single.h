/*
 * ml_rbf_single.h: the rbf kernel, exp(-gamma |x - y|²), in single precision: twice as many points at a time, of half the size.
 *
 * For solvers that keep kernel rows as floats anyway.  Points are packed as in ml_kernel_rows.h, (n_terms, ML_PANEL) for each
 * panel, but as floats and with a centre taken off, which no difference notices.  A value depends on its two points alone, and
 * not on which of them is the row.
 *
 * The coordinates are rounded to 24 bits: with m the largest distance of a point from the centre, kernels are wrong by less
 * than sqrt(gamma) m 2^-23, beside the rounding of the sums.  ml_rbf_single_suits says whether that is small.
 */
#ifndef ML_RBF_SINGLE_H
#define ML_RBF_SINGLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ml/ml_kernel_rows.h"

/* Fills centre (n_terms), the means of rows `which` (n) of x; true when single precision is enough. */
extern bool ml_rbf_single_suits(double gamma, const double *x, size_t stride, const uint32_t *which, size_t n, int n_terms,
								double *centre);

/* One point without the centre. */
extern void ml_rbf_single_point(float *out, const double *x, const double *centre, int n_terms);

/* Packs points `which` (n); what fills the last panel up is 0. */
extern void ml_rbf_single_pack(float *panels, const double *x, size_t stride, const uint32_t *which, size_t n, int n_terms,
							   const double *centre);

/* The kernel of point x with each of n_panels panels; out is (n_panels * ML_PANEL). */
extern void ml_rbf_single_row(double gamma, const float *x, const float *panels, size_t n_panels, int n_terms, float *out);

/* The same of four points, one after the other in x (4, n_terms); point r writes to out[r]. */
extern void ml_rbf_single_rows4(double gamma, const float *x, const float *panels, size_t n_panels, int n_terms,
								float *const out[4]);

#endif							/* ML_RBF_SINGLE_H */
