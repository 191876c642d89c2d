/*
 * incremental_spread.c: variance and standard deviation from sums, to the digit as PostgreSQL's aggregates of integers and numerics
 * return them.
 *
 * These compute (n * squares - sum^2) / (n * (n - 1)), or / n^2, exactly but for the division, whose scale they choose as
 * numeric division does, and give the root that scale too (numeric_stddev_internal in numeric.c).
 */
#include "base/base.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* Digits the root is first computed with, behind those it gets. */
#define GUARD 10

static Numeric
apply(PGFunction function, Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(function, NumericGetDatum(a), NumericGetDatum(b)));
}

static int
compare(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static Numeric
rounded(Numeric value, int scale)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(value), Int32GetDatum(scale)));
}

/* 5 * 10^-(scale + 1): half of the last digit. */
static Numeric
half_digit(int scale)
{
	return int64_div_fast_to_numeric(5, scale + 1);
}

/* The root rounded to the scale: not rounded twice. */
static Numeric
root(Numeric value, int scale)
{
	Numeric		root = DatumGetNumeric(DirectFunctionCall1(numeric_sqrt, NumericGetDatum(rounded(value, scale + GUARD))));
	Numeric		half = half_digit(scale);
	Numeric		above,
				below;

	root = rounded(root, scale);
	above = apply(numeric_add, root, half);
	below = apply(numeric_sub, root, half);
	if (compare(apply(numeric_mul, above, above), value) <= 0)
		return rounded(apply(numeric_add, above, half), scale);
	if (compare(below, int64_to_numeric(0)) > 0 && compare(apply(numeric_mul, below, below), value) > 0)
		return rounded(apply(numeric_sub, below, half), scale);
	return root;
}

MDL_FUNCTION(mdl_spread);
Datum
mdl_spread(PG_FUNCTION_ARGS)
{
	Numeric		count = PG_GETARG_NUMERIC(0);
	Numeric		sum = PG_GETARG_NUMERIC(1);
	Numeric		squares = PG_GETARG_NUMERIC(2);
	bool		is_sample = PG_GETARG_BOOL(3);
	Numeric		one = int64_to_numeric(1);
	Numeric		deviations,
				variance;

	if (compare(count, is_sample ? one : int64_to_numeric(0)) <= 0)
		PG_RETURN_NULL();
	deviations = apply(numeric_sub, apply(numeric_mul, count, squares), apply(numeric_mul, sum, sum));
	if (compare(deviations, int64_to_numeric(0)) <= 0)
		PG_RETURN_NUMERIC(int64_to_numeric(0));
	variance = apply(numeric_div, deviations, apply(numeric_mul, count, is_sample ? apply(numeric_sub, count, one) : count));
	if (!PG_GETARG_BOOL(4))
		PG_RETURN_NUMERIC(variance);
	PG_RETURN_NUMERIC(root(variance, DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(variance)))));
}
