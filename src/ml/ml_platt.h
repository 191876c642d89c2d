/*
 * ml_platt.h: probabilities from decision values.
 *
 * Platt (1999): P(positive | f) = 1 / (1 + exp(a f + b)), where a and b maximise the likelihood of targets drawn a little
 * towards the middle, (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2).  Found by Newton's method with backtracking as in Lin, Lin and
 * Weng (2007), "A note on Platt's probabilistic outputs for support vector machines".
 */
#ifndef ML_PLATT_H
#define ML_PLATT_H

#include "ml/ml.h"

/*
 * weights may be NULL; a weight counts as so many rows.  ctx is asked whether to stop before each pass over the rows (NULL:
 * nobody is): false if so.
 */
extern bool ml_platt_fit(const ml_ctx *ctx, const double *decisions, const bool *positive, const double *weights, size_t n, double *a,
						 double *b);

/* 1 / (1 + exp(a f + b)) without overflow. */
extern double ml_platt_probability(double decision, double a, double b);

/*
 * Probabilities of k classes from those of each pair: r (k, k) has at [i][j] the probability of i against j.  Minimises
 * Σ_i Σ_j≠i (r_ji p_i - r_ij p_j)² over p with sum 1: the second method of Wu, Lin and Weng (2004), solved directly where
 * libsvm iterates.  p is (k); work (k * k).
 */
extern void ml_couple_pairs(const double *r, int k, double *p, double *work);

#endif							/* ML_PLATT_H */
