/*
 * ml_smo_loops.h: the two passes over all active points that an iteration of SMO makes.
 *
 * Arrays have `n` numbers, a multiple of ML_LANES; what fills them up has up = -infinity and down = infinity, and so has
 * a point that cannot move that way.  u + up and u + down are the derivatives of the objective when a point's coefficient
 * grows, or shrinks.
 */
#ifndef ML_SMO_LOOPS_H
#define ML_SMO_LOOPS_H

#include <stddef.h>

typedef struct ml_smo_extremes
{
	double		largest;		/* of u + up, at … */
	size_t		at;				/* … the first such point */
	double		least;			/* of u + down */
} ml_smo_extremes;

/* u -= delta * (row_i - row_j), and the extremes afterwards; rows may be NULL: u stays. */
extern void ml_smo_update(double *u, const double *up, const double *down, const float *row_i, const float *row_j,
						  double delta, size_t n, ml_smo_extremes *extremes);

/*
 * The partner of point i, whose row of the kernel is row_i (second-order selection, Fan, Chen and Lin 2005, WSS 2): of
 * points t that violate the optimum with it, the first that promises the most, (d_t)² / (K_ii + K_tt - 2 K_it) with
 * d_t = largest - (u_t + down_t).  n: there is none.
 */
extern size_t ml_smo_partner(const double *u, const double *down, const double *self, const float *row_i, double self_i,
							 double largest, size_t n);

#define ML_SMO_TAU 1e-12		/* what stands for a curvature that is not above 0 */

#endif							/* ML_SMO_LOOPS_H */
