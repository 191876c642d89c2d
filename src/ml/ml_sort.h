/*
 * ml_sort.h: a sort that can be cancelled, for arrays so large that it matters.
 */
#ifndef ML_SORT_H
#define ML_SORT_H

#include "ml/ml.h"

/*
 * Sorts n elements of `size` bytes as qsort does; elements that compare equal keep no particular order.  scratch has room
 * for n.  False when cancelled: then the elements are in any order.  ctx may be NULL: never cancelled.
 */
extern bool ml_sort(const ml_ctx *ctx, void *elements, void *scratch, size_t n, size_t size,
					int (*compare) (const void *a, const void *b));

#endif							/* ML_SORT_H */
