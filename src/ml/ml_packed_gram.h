/*
 * ml_packed_gram.h: a Gram (ml_moments.h) as a list of numbers that can be stored, sent and merged: the means, what
 * rounding took from them, and the lower triangle of the co-moments, row by row.  Rows and weight are kept beside it.
 */
#ifndef ML_PACKED_GRAM_H
#define ML_PACKED_GRAM_H

#include "ml/ml_moments.h"

/* Numbers of a packed Gram of n variables. */
#define ml_packed_doubles(n) ((size_t) (n) * ((size_t) (n) + 5) / 2)

extern void ml_gram_pack(const ml_gram *gram, double *packed);

/* Fills an attached Gram, but for the sum of the logarithms of the weights. */
extern void ml_gram_unpack(const double *packed, int64_t rows, double weight, ml_gram *gram);

/* Packed becomes that of the rows of both, which have these weights. */
extern void ml_packed_add(double *packed, double weight, const double *other, double other_weight, int n);

#endif							/* ML_PACKED_GRAM_H */
