/*
 * exact_sum.c: exact sums of float8 (see exact_sum.h).
 *
 * This is the "small superaccumulator" of R. M. Neal, "Fast exact summation using small and large superaccumulators"
 * (2015), with 32-bit limbs and room for products.  A term touches three to five limbs and carries are left until the
 * sum is read, so adding costs a few nanoseconds and reading about a hundred.
 */
#include "feature/exact_sum.h"

#include <math.h>

#define UNIT_EXPONENT 2176		/* limb 0 counts units of 2^-2176 */

typedef unsigned __int128 uint128_t;

void
exact_init(ExactSum *sum)
{
	memset(sum, 0, sizeof(*sum));
	sum->first = EXACT_LIMBS;
	sum->last = -1;
}

void
exact_clear(ExactSum *sum)
{
	if (sum->last >= sum->first)
		memset(&sum->limb[sum->first], 0, sizeof(int64) * (sum->last - sum->first + 1));
	sum->first = EXACT_LIMBS;
	sum->last = -1;
}

/* Adds sign * mantissa * 2^(32 * index + shift) units. */
static inline void
add_word(ExactSum *sum, uint64 mantissa, int index, int shift, int sign)
{
	uint128_t	wide = (uint128_t) mantissa << shift;
	int64	   *limb = &sum->limb[index];

	limb[0] += sign * (int64) (uint32) wide;
	limb[1] += sign * (int64) (uint32) (wide >> 32);
	limb[2] += sign * (int64) (uint32) (wide >> 64);
	sum->first = Min(sum->first, index);
	sum->last = Max(sum->last, index + 2);
}

/* Adds sign * mantissa * 2^exponent. */
static inline void
add_wide(ExactSum *sum, uint128_t mantissa, int exponent, int sign)
{
	int			position = exponent + UNIT_EXPONENT;

	add_word(sum, (uint64) mantissa, position >> 5, position & 31, sign);
	if (mantissa >> 64)
		add_word(sum, (uint64) (mantissa >> 64), (position >> 5) + 2, position & 31, sign);
}

/* Takes a finite value apart: |value| = mantissa * 2^exponent.  Returns its sign, 0 for zero. */
static inline int
take_apart(double value, uint64 *mantissa, int *exponent)
{
	union
	{
		double		number;
		uint64		bits;
	}			image = {.number = value};
	int			biased = (image.bits >> 52) & 0x7ff;

	*mantissa = image.bits & UINT64CONST(0xfffffffffffff);
	if (biased != 0)
		*mantissa |= UINT64CONST(1) << 52;
	else if (*mantissa == 0)
		return 0;
	*exponent = Max(biased, 1) - 1075;
	return (image.bits >> 63) ? -1 : 1;
}

static inline uint64
magnitude(int64 value)
{
	return value < 0 ? -(uint64) value : (uint64) value;
}

void
exact_add(ExactSum *sum, double value, int sign)
{
	uint64		mantissa;
	int			exponent;
	int			value_sign = take_apart(value, &mantissa, &exponent);

	if (value_sign != 0)
		add_word(sum, mantissa, (exponent + UNIT_EXPONENT) >> 5, (exponent + UNIT_EXPONENT) & 31, sign * value_sign);
}

void
exact_add_product(ExactSum *sum, double a, double b, int sign)
{
	uint64		mantissa_a,
				mantissa_b;
	int			exponent_a,
				exponent_b;
	int			sign_a = take_apart(a, &mantissa_a, &exponent_a);
	int			sign_b = take_apart(b, &mantissa_b, &exponent_b);

	if (sign_a != 0 && sign_b != 0)
		add_wide(sum, (uint128_t) mantissa_a * mantissa_b, exponent_a + exponent_b, sign * sign_a * sign_b);
}

void
exact_add_scaled(ExactSum *sum, int64 a, double b, int sign)
{
	uint64		mantissa;
	int			exponent;
	int			sign_b = take_apart(b, &mantissa, &exponent);

	if (a != 0 && sign_b != 0)
		add_wide(sum, (uint128_t) mantissa * magnitude(a), exponent, a < 0 ? -sign * sign_b : sign * sign_b);
}

void
exact_add_squared(ExactSum *sum, int64 a, int sign)
{
	if (a != 0)
		add_wide(sum, (uint128_t) magnitude(a) * magnitude(a), 0, sign);
}

void
exact_add_int64(ExactSum *sum, int64 a, int sign)
{
	if (a != 0)
		add_wide(sum, magnitude(a), 0, a < 0 ? -sign : sign);
}

/* Drops zero digits at both ends. */
static void
trim(ExactNumber *number)
{
	int			low = 0;

	while (number->count > 0 && number->digit[number->count - 1] == 0)
		number->count--;
	while (low < number->count && number->digit[low] == 0)
		low++;
	if (low > 0)
	{
		number->count -= low;
		number->offset += low;
		memmove(number->digit, number->digit + low, sizeof(uint32) * number->count);
	}
}

/* Makes the magnitude of a number whose digits are in two's complement. */
static void
negate_digits(ExactNumber *number)
{
	uint64		carry = 1;

	for (int i = 0; i < number->count; i++)
	{
		carry += (uint32) ~number->digit[i];
		number->digit[i] = (uint32) carry;
		carry >>= 32;
	}
}

/* Carries the limbs of a sum into digits, in units of 2^-2176. */
static void
to_number(const ExactSum *sum, ExactNumber *number)
{
	int64		carry = 0;

	number->offset = sum->first;
	number->count = 0;
	number->negative = false;
	for (int i = sum->first; i <= sum->last; i++)
	{
		carry += sum->limb[i];
		number->digit[number->count++] = (uint32) carry;
		carry >>= 32;			/* arithmetic shift: gcc and clang promise it */
	}
	if (number->count == 0)
		return;
	/* What is left over is at most 2^32 in magnitude: two more digits hold it, sign included. */
	for (int i = 0; i < 2; i++)
	{
		number->digit[number->count++] = (uint32) carry;
		carry >>= 32;
	}
	if (carry < 0)
	{
		number->negative = true;
		negate_digits(number);
	}
	trim(number);
}

/* Rounds a number whose unit is 2^unit. */
static double
number_round(const ExactNumber *number, int unit)
{
	int			top = number->count - 1;
	uint128_t	head = 0;
	uint64		mantissa;
	bool		sticky = false;
	int			exponent,
				shift;
	double		result;

	if (number->count == 0)
		return 0.0;
	/* The top three digits hold at least 65 significant bits; anything below only matters as "not zero". */
	for (int i = top; i > top - 3; i--)
		head = (head << 32) | (i >= 0 ? number->digit[i] : 0);
	for (int i = top - 3; i >= 0 && !sticky; i--)
		sticky = number->digit[i] != 0;
	shift = 0;
	while ((head >> shift) > PG_UINT64_MAX)
		shift++;
	mantissa = (uint64) (head >> shift);
	if (sticky || (head & (((uint128_t) 1 << shift) - 1)) != 0)
		mantissa |= 1;
	exponent = 32 * (number->offset + top - 2) + shift + unit;
	result = ldexp((double) mantissa, exponent);
	return number->negative ? -result : result;
}

double
exact_round(const ExactSum *sum)
{
	ExactNumber number;

	to_number(sum, &number);
	return number_round(&number, -UNIT_EXPONENT);
}

static void
multiply(const ExactNumber *a, const ExactNumber *b, ExactNumber *product)
{
	product->offset = a->offset + b->offset;
	product->negative = a->negative != b->negative;
	product->count = a->count + b->count;
	memset(product->digit, 0, sizeof(uint32) * product->count);
	for (int i = 0; i < a->count; i++)
	{
		uint64		carry = 0;

		for (int j = 0; j < b->count; j++)
		{
			carry += (uint64) a->digit[i] * b->digit[j] + product->digit[i + j];
			product->digit[i + j] = (uint32) carry;
			carry >>= 32;
		}
		product->digit[i + b->count] = (uint32) carry;
	}
	trim(product);
}

static inline int64
signed_digit(const ExactNumber *number, int position)
{
	int			i = position - number->offset;

	if (i < 0 || i >= number->count)
		return 0;
	return number->negative ? -(int64) number->digit[i] : (int64) number->digit[i];
}

/* Sets difference to a - b; both have the same unit. */
static void
subtract(const ExactNumber *a, const ExactNumber *b, ExactNumber *difference)
{
	int			first = a->count == 0 ? b->offset : b->count == 0 ? a->offset : Min(a->offset, b->offset);
	int			last = Max(a->count ? a->offset + a->count : first, b->count ? b->offset + b->count : first);
	int64		carry = 0;

	difference->offset = first;
	difference->count = 0;
	difference->negative = false;
	for (int i = first; i < last; i++)
	{
		carry += signed_digit(a, i) - signed_digit(b, i);
		difference->digit[difference->count++] = (uint32) carry;
		carry >>= 32;
	}
	difference->digit[difference->count++] = (uint32) carry;
	if (carry < 0)
	{
		difference->negative = true;
		negate_digits(difference);
	}
	trim(difference);
}

double
exact_cross(uint32 n, const ExactSum *xy, const ExactSum *x, const ExactSum *y)
{
	ExactNumber number_x,
				number_y,
				left,
				right,
				times = {.count = n ? 1 : 0, .digit = {n}};

	to_number(x, &number_x);
	to_number(y, &number_y);
	multiply(&number_x, &number_y, &right);
	/* n * xy has the unit 2^-2176, x * y has 2^-4352: bring the first to the second by moving its offset. */
	to_number(xy, &number_x);
	multiply(&number_x, &times, &left);
	left.offset += UNIT_EXPONENT / 32;
	subtract(&left, &right, &number_y);
	return number_round(&number_y, -2 * UNIT_EXPONENT);
}
