/*
 * ml_kernels.h: the inner loops of linear algebra that training spends its time in.
 *
 * They are written with fixed-width vectors and compiled for several instruction sets, the best of which is chosen when
 * the library is loaded.  Every version performs the same operations in the same order without fused multiply-add, so
 * the results are the same bits on every processor.
 */
#ifndef ML_KERNELS_H
#define ML_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define ML_LANES 8				/* numbers in a vector; leading dimensions are multiples of it */
#define ml_padded(n) (((size_t) (n) + ML_LANES - 1) / ML_LANES * ML_LANES)

/*
 * c += z' z for the tiles that hold the lower triangle.  z is (n, padded), c is (padded, padded), both with rows of
 * `padded` numbers, a multiple of ML_LANES; what is beyond the true width must be 0 in z.
 */
extern void ml_syrk(double *c, const double *z, size_t n, size_t padded);

/* c += factor * d d' for the same tiles; d is (padded). */
extern void ml_rank_one(double *c, const double *d, double factor, size_t padded);

/* sums += the columns of z (n, padded). */
extern void ml_column_sums(double *sums, const double *z, size_t n, size_t padded);

/* z -= means, row by row; then, if root_weights is not NULL, row i is multiplied by root_weights[i]. */
extern void ml_centre_rows(double *z, const double *means, const double *root_weights, size_t n, size_t padded);

extern double ml_squared_distance(const double *a, const double *b, size_t n);
/* Sum of scales (a - b)². */
extern double ml_weighted_distance(const double *a, const double *b, const double *scales, size_t n);
extern double ml_dot(const double *a, const double *b, size_t n);
extern void ml_axpy(double *y, double a, const double *x, size_t n);	/* y += a x */

#endif							/* ML_KERNELS_H */
