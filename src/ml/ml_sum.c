/*
 * ml_sum.c: exact sums.
 */
#include "ml/ml_sum.h"

#include <math.h>
#include <string.h>

#define DIGIT_MASK 0xFFFFFFFFLL
#define MOST_WAITING (1LL << 29)

__extension__ typedef unsigned __int128 wide;

static void
pass_carries(ml_sum *sum)
{
	int64_t		carry = 0;

	for (int i = 0; i < ML_SUM_DIGITS; i++)
	{
		int64_t		digit = sum->digits[i] + carry;

		/* The last digit keeps the sign. */
		carry = i < ML_SUM_DIGITS - 1 ? digit >> 32 : 0;
		sum->digits[i] = i < ML_SUM_DIGITS - 1 ? digit & DIGIT_MASK : digit;
	}
	sum->waiting = 0;
}

void
ml_sum_add(ml_sum *sum, double value)
{
	uint64_t	bits;
	uint64_t	mantissa;
	int			exponent;
	int64_t	   *digit;
	wide		shifted;
	int64_t		low,
				middle,
				high;

	memcpy(&bits, &value, sizeof(bits));
	exponent = (int) (bits >> 52 & 0x7FF);
	mantissa = bits & 0xFFFFFFFFFFFFFULL;
	if (exponent > 0)
	{
		mantissa |= 1ULL << 52;
		exponent--;
	}
	digit = sum->digits + (exponent >> 5);
	shifted = (wide) mantissa << (exponent & 31);
	low = (int64_t) (shifted & DIGIT_MASK);
	middle = (int64_t) (shifted >> 32 & DIGIT_MASK);
	high = (int64_t) (shifted >> 64);
	if (bits >> 63)
	{
		digit[0] -= low;
		digit[1] -= middle;
		digit[2] -= high;
	}
	else
	{
		digit[0] += low;
		digit[1] += middle;
		digit[2] += high;
	}
	if (++sum->waiting >= MOST_WAITING)
		pass_carries(sum);
}

void
ml_sum_merge(ml_sum *sum, const ml_sum *other)
{
	ml_sum		carried = *other;

	pass_carries(&carried);
	pass_carries(sum);
	for (int i = 0; i < ML_SUM_DIGITS; i++)
		sum->digits[i] += carried.digits[i];
	sum->waiting = 1;
}

double
ml_sum_value(const ml_sum *sum)
{
	ml_sum		s = *sum;
	double		sign = 1;
	int			top;
	wide		leading;

	pass_carries(&s);
	if (s.digits[ML_SUM_DIGITS - 1] < 0)
	{
		sign = -1;
		for (int i = 0; i < ML_SUM_DIGITS; i++)
			s.digits[i] = -s.digits[i];
		pass_carries(&s);
	}
	for (top = ML_SUM_DIGITS - 1; top > 2 && s.digits[top] == 0; top--)
		;
	/* The three leading digits, at least 65 bits, and a last bit that tells whether anything follows: rounds rightly. */
	leading = (wide) s.digits[top] << 64 | (wide) s.digits[top - 1] << 32 | (wide) s.digits[top - 2];
	for (int i = 0; i < top - 2; i++)
		if (s.digits[i] != 0)
		{
			leading |= 1;
			break;
		}
	return sign * ldexp((double) leading, 32 * (top - 2) - 1074);
}
