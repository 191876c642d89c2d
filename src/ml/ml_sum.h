/*
 * ml_sum.h: the exact sum of doubles, the same whatever their order and however they were divided.
 *
 * A sum is a flat block: a fixed-point number wide enough for every double, in 32-bit digits kept in 64 bits so that
 * carries can wait (Neal 2015, "Fast exact summation using small and large superaccumulators").
 */
#ifndef ML_SUM_H
#define ML_SUM_H

#include <stdint.h>

#define ML_SUM_DIGITS 68

typedef struct ml_sum
{
	int64_t		digits[ML_SUM_DIGITS];	/* digit i counts 2^(32 i - 1074) */
	int64_t		waiting;		/* additions since carries were passed on */
} ml_sum;

/* All zero bytes are the empty sum.  Values must be finite. */
extern void ml_sum_add(ml_sum *sum, double value);
extern void ml_sum_merge(ml_sum *sum, const ml_sum *other);
extern double ml_sum_value(const ml_sum *sum);	/* rounded once */

#endif							/* ML_SUM_H */
