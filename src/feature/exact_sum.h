/*
 * exact_sum.h: sums of float8 and of their products without rounding, to which terms can be added and taken away.
 *
 * A sum is an integer multiple of 2^-2176 kept in 32-bit limbs, wide enough for any sum of products of two finite
 * float8.  Taking a term away is as exact as adding it, so a sliding window never drifts, and the result depends on the
 * set of terms alone: not on their order, nor on what was in the window before.  It is rounded once, at the end.
 * NaN and infinities are the caller's business.  Nothing here allocates or raises errors.
 */
#ifndef MDL_EXACT_SUM_H
#define MDL_EXACT_SUM_H

#include "base/base.h"

#define EXACT_LIMBS		140		/* 2176 bits below the point, 2080 above it, and carries */
#define EXACT_DIGITS	(2 * EXACT_LIMBS + 8)

typedef struct ExactSum
{
	int			first;			/* limbs outside [first, last] are zero; first > last: the sum is zero */
	int			last;
	int64		limb[EXACT_LIMBS];	/* signed, not carried: each holds up to 2^31 terms */
} ExactSum;

/* A signed number of 32-bit digits: sum of digit[i] * 2^(32 * (offset + i)), times the unit its maker says. */
typedef struct ExactNumber
{
	int			offset;
	int			count;			/* digits; 0 for zero; else the first and the last digit are not 0 */
	bool		negative;
	uint32		digit[EXACT_DIGITS];
} ExactNumber;

extern void exact_init(ExactSum *sum);	/* once, before first use */
extern void exact_clear(ExactSum *sum);

/* Adds (sign 1) or takes away (sign -1). */
extern void exact_add(ExactSum *sum, double value, int sign);
extern void exact_add_product(ExactSum *sum, double a, double b, int sign);
extern void exact_add_scaled(ExactSum *sum, int64 a, double b, int sign);	/* a * b */
extern void exact_add_squared(ExactSum *sum, int64 a, int sign);
extern void exact_add_int64(ExactSum *sum, int64 a, int sign);

extern double exact_round(const ExactSum *sum);	/* to nearest, ties to even; infinity beyond the range */

/* n * sum(xy) - sum(x) * sum(y), exactly, rounded to float8 at the end. */
extern double exact_cross(uint32 n, const ExactSum *xy, const ExactSum *x, const ExactSum *y);

#endif							/* MDL_EXACT_SUM_H */
