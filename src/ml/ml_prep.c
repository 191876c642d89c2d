/*
 * ml_prep.c: mean, spread, range and quantiles of numbers, frequency of categories, transformations that make numbers normal.
 */
#include "ml/ml_prep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ml/eval_rank.h"

size_t
ml_row_list_rows(const ml_row_list *rows)
{
	size_t		n = 0;

	for (int s = 0; s < rows->n; s++)
		n += rows->stretches[s].end - rows->stretches[s].first;
	return n;
}

/* A sum that keeps what rounding takes away (Neumaier 1974). */
typedef struct careful_sum
{
	double		sum;
	double		rest;
} careful_sum;

static inline void
add(careful_sum *s, double value)
{
	double		sum = s->sum + value;

	s->rest += fabs(s->sum) >= fabs(value) ? (s->sum - sum) + value : (value - sum) + s->sum;
	s->sum = sum;
}

static double
weight_of(const ml_row_list *rows, size_t row)
{
	return rows->weights ? rows->weights[row] : 1;
}

/* Weighted sum of squares about the mean, of values divided by unit. */
static double
squares(const double *values, size_t stride, const ml_row_list *rows, double mean, double unit)
{
	careful_sum total = {0, 0};

	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
		{
			double		distance = unit == 1 ? values[i * stride] - mean : values[i * stride] / unit - mean / unit;

			if (!isnan(distance))
				add(&total, weight_of(rows, i) * distance * distance);
		}
	return total.sum + total.rest;
}

/* Below it the squares that a standard deviation comes from lose digits. */
#define LEAST_STD	1e-145

/* The standard deviation of values whose squares overflow or vanish, by way of numbers of size 1. */
static double
extreme_std(const double *values, size_t stride, const ml_row_list *rows, const ml_column_facts *facts)
{
	double		unit = ldexp(1, ilogb(fmax(fabs(facts->least), fabs(facts->largest))));

	return unit * sqrt(squares(values, stride, rows, facts->mean, unit) / facts->weight);
}

void
ml_prep_facts(const double *values, size_t stride, const ml_row_list *rows, ml_column_facts *facts)
{
	careful_sum total = {0, 0};
	careful_sum weight = {0, 0};

	*facts = (ml_column_facts) {0, 0, NAN, NAN, INFINITY, -INFINITY};
	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
		{
			double		value = values[i * stride];

			if (isnan(value))
				continue;
			facts->present++;
			add(&weight, weight_of(rows, i));
			add(&total, weight_of(rows, i) * value);
			facts->least = value < facts->least ? value : facts->least;
			facts->largest = value > facts->largest ? value : facts->largest;
		}
	facts->weight = weight.sum + weight.rest;
	if (facts->present == 0)
	{
		facts->least = facts->largest = NAN;
		return;
	}
	facts->mean = facts->least == facts->largest ? facts->least : (total.sum + total.rest) / facts->weight;
	facts->std = sqrt(squares(values, stride, rows, facts->mean, 1) / facts->weight);
	if (facts->largest > facts->least && !(facts->std > LEAST_STD && facts->std < INFINITY))
		facts->std = extreme_std(values, stride, rows, facts);
}

void
ml_prep_category_weights(const int32_t *codes, int n_categories, const ml_row_list *rows, double *weights)
{
	memset(weights, 0, n_categories * sizeof(double));
	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
			if (codes[i] >= 0)
				weights[codes[i]] += weight_of(rows, i);
}

/* ---- order statistics -------------------------------------------------------------------------------------------- */

size_t
ml_prep_present(const double *values, size_t stride, const ml_row_list *rows, size_t most, double *found)
{
	size_t		all = ml_row_list_rows(rows);
	size_t		row = 0;
	size_t		taken = 0;
	size_t		present = 0;

	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++, row++)
		{
			if (most > 0 && most < all && (taken >= most || row < (size_t) ((double) taken * all / most)))
				continue;
			taken++;
			found[present] = values[i * stride];
			present += !isnan(values[i * stride]);
		}
	return present;
}

double
ml_prep_quantile(const double *sorted, size_t n, size_t part, size_t parts)
{
	size_t		below = part * (n - 1) / parts;
	double		share = (double) (part * (n - 1) % parts) / (double) parts;

	if (below + 1 >= n)
		return sorted[n - 1];
	return share == 0 ? sorted[below] : sorted[below] + share * (sorted[below + 1] - sorted[below]);
}

#define MOST_SELECTED 8			/* quantiles; for more of them all is sorted */

void
ml_prep_quantiles(double *values, double *scratch, size_t n, size_t parts, const size_t *part, int count, double *quantiles)
{
	size_t		ranks[2 * MOST_SELECTED];
	double		found[2 * MOST_SELECTED];
	bool		ascend = count <= MOST_SELECTED;

	for (int k = 0; k < count && ascend; k++)
	{
		size_t		below = part[k] * (n - 1) / parts;

		ascend = k == 0 || below >= ranks[2 * k - 1];
		ranks[2 * k] = below;
		ranks[2 * k + 1] = below + 1 < n ? below + 1 : below;
	}
	if (!ascend)
	{
		ml_rank_sort(values, scratch, n);
		for (int k = 0; k < count; k++)
			quantiles[k] = ml_prep_quantile(values, n, part[k], parts);
		return;
	}
	ml_rank_select(values, scratch, n, ranks, 2 * count, found);
	for (int k = 0; k < count; k++)
	{
		const double between[2] = {found[2 * k], found[2 * k + 1]};
		double		share = (double) (part[k] * (n - 1) % parts) / (double) parts;

		quantiles[k] = share == 0 ? between[0] : between[0] + share * (between[1] - between[0]);
	}
}

/* ---- normality --------------------------------------------------------------------------------------------------- */

#define DIGITS_LEFT 1e-10		/* least spread of what comes out, relative to its size */
#define DIGITS_LOST 1e300

/*
 * Minus the log likelihood of lambda, but for constants (Box and Cox 1964; Yeo and Johnson 2000).  Numbers far from 0
 * for their spread, such as years, come out of a strong power equal but for rounding, whose likelihood is noise: such a
 * lambda is worse than any other, and the more so the farther it is from 1, which changes nothing.
 *
 * logs is (n), log(v) or, of Yeo and Johnson, sign(v) log(1 + |v|), whatever lambda is; sum is what they add up to.
 */
static double
lambda_loss(ml_warp warp, const double *logs, double sum, size_t n, double lambda)
{
	double		mean = 0;
	double		squares = 0;
	double		largest = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		value = ml_warp_of_log(warp, lambda, logs[i]);
		double		distance = value - mean;

		mean += distance / (double) (i + 1);
		squares += distance * (value - mean);
		largest = fmax(largest, fabs(value));
	}
	if (!isfinite(squares) || !(sqrt(squares / (double) n) > DIGITS_LEFT * largest))
		return DIGITS_LOST * (1 + fabs(lambda - 1));
	return 0.5 * (double) n * log(squares / (double) n) - (lambda - 1) * sum;
}

/* Golden section within bounds: the loss has one minimum there. */
double
ml_prep_lambda(ml_warp warp, const double *sorted, size_t n, double *scratch)
{
	const double ratio = 0.61803398874989485;
	double		low = -5;
	double		high = 7;
	double		left = high - ratio * (high - low);
	double		right = low + ratio * (high - low);
	double		left_loss;
	double		right_loss;
	double		sum = 0;

	if (n < 2 || sorted[0] == sorted[n - 1] || (warp == ML_WARP_BOX_COX && !(sorted[0] > 0)))
		return NAN;
	for (size_t i = 0; i < n; i++)
	{
		scratch[i] = ml_warp_log(warp, sorted[i]);
		sum += scratch[i];
	}
	left_loss = lambda_loss(warp, scratch, sum, n, left);
	right_loss = lambda_loss(warp, scratch, sum, n, right);
	while (high - low > 1e-8)
	{
		if (left_loss <= right_loss)
		{
			high = right;
			right = left;
			right_loss = left_loss;
			left = high - ratio * (high - low);
			left_loss = lambda_loss(warp, scratch, sum, n, left);
		}
		else
		{
			low = left;
			left = right;
			left_loss = right_loss;
			right = low + ratio * (high - low);
			right_loss = lambda_loss(warp, scratch, sum, n, right);
		}
	}
	return 0.5 * (low + high);
}

/* ---- categories by target ---------------------------------------------------------------------------------------- */

double
ml_prep_target_means(const int32_t *codes, int n_categories, const double *target, const ml_row_list *rows,
					 ml_category_sums *sums, double *means)
{
	ml_category_sums all = {0, 0, 0};
	double		mean;
	double		variance = 0;

	memset(sums, 0, n_categories * sizeof(ml_category_sums));
	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
		{
			double		w = weight_of(rows, i);

			all.weight += w;
			all.mean += w * target[i];
			if (codes[i] < 0)
				continue;
			sums[codes[i]].weight += w;
			sums[codes[i]].mean += w * target[i];
		}
	mean = all.weight > 0 ? all.mean / all.weight : 0;
	for (int code = 0; code < n_categories; code++)
		sums[code].mean = sums[code].weight > 0 ? sums[code].mean / sums[code].weight : mean;
	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
		{
			double		w = weight_of(rows, i);

			variance += w * (target[i] - mean) * (target[i] - mean);
			if (codes[i] >= 0)
				sums[codes[i]].squares += w * (target[i] - sums[codes[i]].mean) * (target[i] - sums[codes[i]].mean);
		}
	variance = all.weight > 0 ? variance / all.weight : 0;
	for (int code = 0; code < n_categories; code++)
	{
		const ml_category_sums *c = &sums[code];
		double		within = c->weight > 0 ? c->squares / c->weight : 0;
		double		trust = variance * c->weight / (variance * c->weight + within);

		means[code] = c->weight > 0 && isfinite(trust) ? trust * c->mean + (1 - trust) * mean : mean;
	}
	return mean;
}
