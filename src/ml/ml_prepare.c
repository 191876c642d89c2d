/*
 * ml_prepare.c: from the values of a column to its terms.
 *
 * The order for numbers is: missing values filled, then the warp, then shift and scale.  Training and prediction run this
 * code, row by row and in blocks with the same bits.
 */
#include "ml/ml_model_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_dist.h"
#include "ml/ml_hash.h"
#include "ml/ml_prep.h"

/* ---- times ------------------------------------------------------------------------------------------------------- */

#define SECONDS_PER_DAY 86400

/* Fields of a day in the proleptic Gregorian calendar; day 0 is 1970-01-01. */
typedef struct civil_day
{
	int64_t		year;
	int			month;			/* 1 … 12 */
	int			day;			/* 1 … 31 */
	int			day_of_year;	/* 1 … 366 */
} civil_day;

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Years are counted from March, so that the leap day is the last; 400 of them have 146,097 days. */
static civil_day
civil_from_days(int64_t days)
{
	static const int before_month[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int64_t		shifted = days + 719468;	/* from 0000-03-01 */
	int64_t		era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t		in_era = shifted - era * 146097;
	int64_t		year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t		in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t		from_march = (5 * in_year + 2) / 153;
	civil_day	result;

	result.month = (int) (from_march < 10 ? from_march + 3 : from_march - 9);
	result.day = (int) (in_year - (153 * from_march + 2) / 5 + 1);
	result.year = year_of_era + era * 400 + (result.month <= 2);
	result.day_of_year = before_month[result.month - 1] + result.day + (result.month > 2 && is_leap(result.year));
	return result;
}

int
ml_date_parts(unsigned parts, double seconds, double *terms)
{
	double		days = floor(seconds / SECONDS_PER_DAY);
	double		in_day = seconds - days * SECONDS_PER_DAY;
	civil_day	day = civil_from_days((int64_t) days);
	int64_t		weekday = ((int64_t) days + 4) % 7;
	int			n = 0;

	if (parts & ML_PART_EPOCH)
		terms[n++] = seconds / SECONDS_PER_DAY;
	if (parts & ML_PART_YEAR)
		terms[n++] = (double) day.year;
	if (parts & ML_PART_MONTH)
		terms[n++] = day.month;
	if (parts & ML_PART_DAY)
		terms[n++] = day.day;
	if (parts & ML_PART_DOW)
		terms[n++] = (double) (weekday < 0 ? weekday + 7 : weekday);
	if (parts & ML_PART_DOY)
		terms[n++] = day.day_of_year;
	if (parts & ML_PART_HOUR)
		terms[n++] = floor(in_day / 3600);
	if (parts & ML_PART_MINUTE)
		terms[n++] = floor(fmod(in_day, 3600) / 60);
	return n;
}

/* ---- warps ------------------------------------------------------------------------------------------------------- */

double
ml_warp_log(ml_warp warp, double value)
{
	if (warp == ML_WARP_BOX_COX)
		return value > 0 ? log(value) : NAN;
	return value >= 0 ? log1p(value) : -log1p(-value);
}

double
ml_warp_of_log(ml_warp warp, double lambda, double log)
{
	if (warp == ML_WARP_BOX_COX || log >= 0)
		return fabs(lambda) < 1e-12 ? log : expm1(lambda * log) / lambda;
	return fabs(lambda - 2) < 1e-12 ? log : -expm1((2 - lambda) * -log) / (2 - lambda);
}

/* The last knot that is not above the value: knots ascend, perhaps with repetition, and the first is not above it. */
static int
last_not_above(const double *knots, int n, double value)
{
	const double *found = knots;

	/* Without a branch: which half the value is in cannot be foreseen. */
	while (n > 1)
	{
		int			half = n / 2;

		found += found[half] <= value ? half : 0;
		n -= half;
	}
	return (int) (found - knots);
}

/* The mean of what interpolation from the left and from the right say, which differ where knots are equal. */
static double
quantile_share(const double *knots, int n, double value)
{
	double		step = 1.0 / (n - 1);
	int			left;
	int			right;

	if (value <= knots[0])
		return 0;
	if (value >= knots[n - 1])
		return 1;
	left = right = last_not_above(knots, n, value);
	if (knots[left] == value)	/* on a knot, perhaps one of several equal ones */
	{
		while (knots[right - 1] == value)
			right--;
		return 0.5 * (left + right) * step;
	}
	right = left + 1;
	return (left + (value - knots[left]) / (knots[right] - knots[left])) * step;
}

double
ml_warp_value(ml_warp warp, double lambda, const double *knots, int n_knots, double value)
{
	double		share;

	switch (warp)
	{
		case ML_WARP_NONE:
			break;
		case ML_WARP_LOG1P:
			return ml_warp_log(warp, value);
		case ML_WARP_YEO_JOHNSON:
		case ML_WARP_BOX_COX:
			return ml_warp_of_log(warp, lambda, ml_warp_log(warp, value));
		case ML_WARP_QUANTILE:
			return quantile_share(knots, n_knots, value);
		case ML_WARP_QUANTILE_NORMAL:
			share = quantile_share(knots, n_knots, value);
			return ml_normal_quantile(share < 1e-7 ? 1e-7 : share > 1 - 1e-7 ? 1 - 1e-7 : share);
	}
	return value;
}

/* ---- simple columns ---------------------------------------------------------------------------------------------- */

void
ml_prepare_numbers(const ml_column *column, int index, const ml_values *values, size_t first, size_t n, double *prepared,
				   ml_problems *problems)
{
	const double *numbers = values->numbers + first;
	bool		all_finite = true;

	if (values->nulls == NULL)
		memcpy(prepared, numbers, n * sizeof(double));
	else
		for (size_t i = 0; i < n; i++)
		{
			bool		is_null = values->nulls[first + i] != 0;

			prepared[i] = is_null ? column->fill_number : numbers[i];
			if (is_null && !column->has_fill)
				ml_note_problem(problems, i, ML_PROBLEM_NULL, index);
		}
	for (size_t i = 0; i < n; i++)
		all_finite &= fabs(prepared[i]) <= 1.7976931348623157e308;
	if (!all_finite)
		for (size_t i = 0; i < n; i++)
			if (!isfinite(prepared[i]))
				ml_note_problem(problems, i, ML_PROBLEM_NOT_FINITE, index);
	for (size_t i = 0; i < n; i++)
		prepared[i] = (prepared[i] - column->shift) * column->scale;
}

/* The code of row i: -1 when training did not see it, -2 when it is missing and there is nothing to put there. */
static inline int
category_of(const ml_column *column, const ml_values *values, size_t row, bool *is_null)
{
	*is_null = values->nulls != NULL && values->nulls[row] != 0;
	if (*is_null)
		return column->has_fill ? column->fill_code : -2;
	if (values->codes != NULL)
		return values->codes[row] < column->categories.count ? values->codes[row] : -1;
	return ml_dictionary_find(&column->categories, values->texts[row].data, values->texts[row].length);
}

void
ml_prepare_categories(const ml_column *column, int index, const ml_values *values, size_t first, size_t n, int32_t *terms,
					  ml_problems *problems)
{
	for (size_t i = 0; i < n; i++)
	{
		bool		is_null;
		int			code = category_of(column, values, first + i, &is_null);

		terms[i] = code < 0 ? -1 : ml_category_term(column, code);
		if (code == -2)
			ml_note_problem(problems, i, ML_PROBLEM_NULL, index);
		else if (code < 0 && !column->unknown_is_zero)
			ml_note_problem(problems, i, ML_PROBLEM_CATEGORY, index);
	}
}

/* ---- all columns ------------------------------------------------------------------------------------------------- */

/* One number of a number or vector column, warped and scaled; the problem, if there is one, is told. */
static double
number_term(const ml_column *column, double value, int element, int *problem)
{
	double		shift = column->shifts ? column->shifts[element] : column->shift;
	double		scale = column->scales ? column->scales[element] : column->scale;

	if (!isfinite(value))
	{
		if (!(column->keeps_missing && isnan(value)))
			*problem = ML_PROBLEM_NOT_FINITE;
		return NAN;
	}
	value = ml_warp_value(column->warp, column->lambda, column->knots, column->n_knots, value);
	if (isnan(value))
		*problem = ML_PROBLEM_NOT_FINITE;
	return (value - shift) * scale;
}

/* A row of a column that holds numbers; returns the terms written, without the indicator. */
static int
number_terms(const ml_column *column, const ml_values *values, size_t row, bool is_null, double *terms, int *problem)
{
	const double *given = values->numbers + row * column->length;
	int			count;

	if (is_null && !column->has_fill)
	{
		int			n = column->n_terms - column->indicator;

		if (!column->keeps_missing)
			*problem = ML_PROBLEM_NULL;
		for (int k = 0; k < n; k++)
			terms[k] = NAN;
		return n;
	}
	if (column->encoding == ML_ENCODE_DATE_PARTS)
	{
		double		seconds = is_null ? column->fill_number : given[0];

		if (!(fabs(seconds) < ML_LARGEST_TIME))
		{
			*problem = ML_PROBLEM_NOT_FINITE;
			seconds = 0;
		}
		count = ml_date_parts(column->parts, seconds, terms);
		for (int k = 0; k < count && column->shifts != NULL; k++)
			terms[k] = (terms[k] - column->shifts[k]) * column->scales[k];
		return count;
	}
	for (int k = 0; k < column->length; k++)
		terms[k] = number_term(column, is_null ? column->fill_number : given[k], k, problem);
	return column->length;
}

int
ml_hash_bucket(const ml_text *text, int buckets)
{
	return (int) (ml_hash_bytes(0, text->data, text->length) % (uint64_t) buckets);
}

static int
hashed_terms(const ml_column *column, const ml_values *values, size_t row, bool is_null, double *terms, int *problem)
{
	memset(terms, 0, column->buckets * sizeof(double));
	if (!is_null)
		terms[values->codes ? values->codes[row] : ml_hash_bucket(&values->texts[row], column->buckets)] = 1;
	else if (!column->has_fill)
		*problem = ML_PROBLEM_NULL;
	return column->buckets;
}

/* A row of a column with a dictionary. */
static int
category_terms(const ml_column *column, const ml_values *values, size_t row, double *terms, int *problem)
{
	bool		is_null;
	int			code = category_of(column, values, row, &is_null);

	if (code == -2 && !column->keeps_missing)
		*problem = ML_PROBLEM_NULL;
	else if (code == -1 && !column->unknown_is_zero)
		*problem = ML_PROBLEM_CATEGORY;
	if (column->encoding == ML_ENCODE_PLAIN)
	{
		int			n = column->n_terms - column->indicator;

		memset(terms, 0, n * sizeof(double));
		if (code >= 0 && ml_category_term(column, code) >= 0)
			terms[ml_category_term(column, code) - column->first_term] = 1;
		return n;
	}
	if (code == -2)
		terms[0] = NAN;
	else if (column->encoding == ML_ENCODE_ORDINAL)
		terms[0] = code >= 0 ? code : column->unknown_value;
	else
		terms[0] = code >= 0 ? column->table[code] : column->unknown_value;
	return 1;
}

void
ml_prepare_terms(const ml_column *column, int index, const ml_values *values, size_t first, size_t n, double *x, size_t stride,
				 ml_problems *problems)
{
	for (size_t i = 0; i < n; i++)
	{
		bool		is_null = values->nulls != NULL && values->nulls[first + i] != 0;
		double	   *terms = x + i * stride;
		int			problem = ML_PROBLEM_NONE;
		int			count;

		if (column->encoding == ML_ENCODE_HASHING)
			count = hashed_terms(column, values, first + i, is_null, terms, &problem);
		else if (column->kind == ML_CATEGORICAL)
			count = category_terms(column, values, first + i, terms, &problem);
		else
			count = number_terms(column, values, first + i, is_null, terms, &problem);
		if (column->indicator)
			terms[count] = is_null;
		if (problem != ML_PROBLEM_NONE)
			ml_note_problem(problems, i, problem, index);
	}
}

int
ml_column_terms(const ml_column *column)
{
	int			terms = 1;

	switch (column->encoding)
	{
		case ML_ENCODE_PLAIN:
			if (column->kind == ML_CATEGORICAL)
				terms = column->categories.count - (column->reference >= 0);
			else if (column->kind == ML_VECTOR)
				terms = column->length;
			break;
		case ML_ENCODE_HASHING:
			terms = column->buckets;
			break;
		case ML_ENCODE_DATE_PARTS:
			terms = __builtin_popcount(column->parts);
			break;
		case ML_ENCODE_ORDINAL:
		case ML_ENCODE_TABLE:
			break;
	}
	return terms + column->indicator;
}
