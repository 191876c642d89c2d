/*
 * eval_rank.h: how well scores rank positives above negatives: area under the ROC curve, average precision.
 *
 * Exact, from all scores.  Equal scores count as one step (mid-ranks), as in scikit-learn.
 */
#ifndef EVAL_RANK_H
#define EVAL_RANK_H

#include "ml/ml.h"

/* ml_rank_sort.c: sorts n scores upwards; -0 and 0 become equal, NaN is not allowed.  scratch has room for n. */
extern void ml_rank_sort(double *scores, double *scratch, size_t n);

/*
 * Finds the scores that have certain ranks, from 0 and ascending, as sorting would give them to the bit; NaN is not allowed.  Both
 * arrays have n places, and neither keeps what it had.
 */
extern void ml_rank_select(double *scores, double *scratch, size_t n, const size_t *ranks, int n_ranks, double *found);

/* The same; false when cancelled, and then the scores are lost. */
extern bool ml_rank_sort_ctx(const ml_ctx *ctx, double *scores, double *scratch, size_t n);

/* Both take sorted scores and return false when a class is missing (average precision needs only positives). */
extern bool ml_rank_roc_auc(const double *positives, size_t n_positives, const double *negatives, size_t n_negatives,
							double *value);
extern bool ml_rank_average_precision(const double *positives, size_t n_positives, const double *negatives,
									  size_t n_negatives, double *value);

#endif							/* EVAL_RANK_H */
