/*
 * eval_curve.c: see eval_curve.h.
 */
#include "ml/eval_curve.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define RADIX 256
#define PASSES 8
#define SIGN UINT64_C(0x8000000000000000)

/* Doubles order by their bits once the sign is dealt with. */
static inline uint64_t
key_of(double value)
{
	uint64_t	bits;

	value += 0.0;				/* -0 becomes 0 */
	memcpy(&bits, &value, sizeof(bits));
	return bits & SIGN ? ~bits : bits | SIGN;
}

/* Insertion sort of the weights of rows with one score, where they differ at all: usually there is nothing to do. */
static void
order_ties(ml_scored *rows, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		ml_scored	row = rows[i];
		size_t		at = i;

		for (; at > 0 && rows[at - 1].score == row.score && rows[at - 1].weight > row.weight; at--)
			rows[at] = rows[at - 1];
		rows[at] = row;
	}
}

/* One byte of the keys per pass; a pass in which all rows share the byte is left out. */
static bool
radix_sort(const ml_ctx *ctx, ml_scored *rows, ml_scored *scratch, size_t n, bool by_weight)
{
	size_t		counts[PASSES][RADIX];
	ml_scored  *from = rows;
	ml_scored  *to = scratch;

	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	key = key_of(by_weight ? rows[i].weight : rows[i].score);

		for (int pass = 0; pass < PASSES; pass++)
			counts[pass][(key >> (8 * pass)) & 255]++;
	}
	for (int pass = 0; pass < PASSES; pass++)
	{
		size_t		start = 0;
		ml_scored  *swap;
		bool		shared = false;

		for (int digit = 0; digit < RADIX; digit++)
		{
			size_t		count = counts[pass][digit];

			shared = shared || count == n;
			counts[pass][digit] = start;
			start += count;
		}
		if (shared)
			continue;
		if (ctx != NULL && ml_is_cancelled(ctx))
			return false;
		for (size_t i = 0; i < n; i++)
		{
			uint64_t	key = key_of(by_weight ? from[i].weight : from[i].score);

			to[counts[pass][(key >> (8 * pass)) & 255]++] = from[i];
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != rows)
		memcpy(rows, from, sizeof(ml_scored) * n);
	return true;
}

bool
ml_scored_sort(const ml_ctx *ctx, ml_scored *rows, ml_scored *scratch, size_t n)
{
	bool		weights_differ = false;

	for (size_t i = 0; i < n; i++)
	{
		rows[i].score += 0.0;
		weights_differ = weights_differ || fabs(rows[i].weight) != fabs(rows[0].weight);
	}
	if (n < 64)
	{
		for (size_t i = 1; i < n; i++)
		{
			ml_scored	row = rows[i];
			size_t		at = i;

			for (; at > 0 && rows[at - 1].score > row.score; at--)
				rows[at] = rows[at - 1];
			rows[at] = row;
		}
		order_ties(rows, n);
		return true;
	}
	/* Sums of unlike weights depend on their order; those of like ones do not, so that the order need not be fixed. */
	if (weights_differ && !radix_sort(ctx, rows, scratch, n, true))
		return false;
	return radix_sort(ctx, rows, scratch, n, false);
}

size_t
ml_steps(const ml_scored *rows, size_t n, ml_step *steps)
{
	size_t		count = 0;
	double		tp = 0,
				fp = 0;

	for (size_t i = n; i-- > 0;)
	{
		if (rows[i].weight > 0)
			tp += rows[i].weight;
		else
			fp -= rows[i].weight;
		if (i == 0 || rows[i - 1].score != rows[i].score)
		{
			steps[count].threshold = rows[i].score;
			steps[count].tp = tp;
			steps[count++].fp = fp;
		}
	}
	return count;
}

/* By trapezoids, from the left end of the curve. */
bool
ml_steps_roc_auc(const ml_step *steps, size_t n, double *value)
{
	double		area = 0,
				tp = 0,
				fp = 0;

	if (n == 0 || steps[n - 1].tp <= 0 || steps[n - 1].fp <= 0)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		area += (steps[i].fp - fp) * 0.5 * (steps[i].tp + tp);
		tp = steps[i].tp;
		fp = steps[i].fp;
	}
	*value = area / (tp * fp);
	return true;
}

bool
ml_steps_average_precision(const ml_step *steps, size_t n, double *value)
{
	double		sum = 0,
				tp = 0;

	if (n == 0 || steps[n - 1].tp <= 0)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		sum += (steps[i].tp - tp) * (steps[i].tp / (steps[i].tp + steps[i].fp));
		tp = steps[i].tp;
	}
	*value = sum / tp;
	return true;
}

size_t
ml_steps_corners(ml_step *steps, size_t n)
{
	size_t		kept = 0;
	ml_step		before = {0};

	if (n <= 2)
		return n;
	for (size_t i = 0; i < n; i++)
	{
		ml_step		step = steps[i];

		/* Both second differences 0: as far and in the same direction as the step before. */
		if (i == 0 || i == n - 1 || steps[i + 1].fp - step.fp != step.fp - before.fp ||
			steps[i + 1].tp - step.tp != step.tp - before.tp)
			steps[kept++] = step;
		before = step;
	}
	return kept;
}

double
ml_steps_gained(const ml_step *steps, size_t n, double fraction, double *threshold)
{
	double		wanted = fraction * (steps[n - 1].tp + steps[n - 1].fp);
	size_t		low = 0,
				high = n - 1;
	double		before,
				tp_before,
				here;

	while (low < high)			/* the first step that reaches the wanted weight */
	{
		size_t		middle = low + (high - low) / 2;

		if (steps[middle].tp + steps[middle].fp < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	before = low == 0 ? 0 : steps[low - 1].tp + steps[low - 1].fp;
	tp_before = low == 0 ? 0 : steps[low - 1].tp;
	here = steps[low].tp + steps[low].fp - before;
	*threshold = steps[low].threshold;
	return tp_before + (steps[low].tp - tp_before) * fmin(1, (wanted - before) / here);
}

static double
share(double part, double all)
{
	return all == 0 ? 0 : part / all;
}

double
ml_threshold_value(ml_threshold_metric metric, double tp, double fp, double positives, double negatives,
				   double cost_fp, double cost_fn)
{
	double		fn = positives - tp;
	double		tn = negatives - fp;
	double		product;

	switch (metric)
	{
		case ML_THRESHOLD_F1:
			return share(2 * tp, positives + tp + fp);
		case ML_THRESHOLD_ACCURACY:
			return share(tp + tn, positives + negatives);
		case ML_THRESHOLD_BALANCED_ACCURACY:
			if (positives == 0 || negatives == 0)
				return share(tp, positives) + share(tn, negatives);
			return (tp / positives + tn / negatives) / 2;
		case ML_THRESHOLD_MCC:
			product = (tp + fp) * positives * negatives * (tn + fn);
			return product <= 0 ? 0 : (tp * tn - fp * fn) / sqrt(product);
		case ML_THRESHOLD_YOUDEN:
			return share(tp, positives) - share(fp, negatives);
		default:
			return cost_fp * fp + cost_fn * fn;
	}
}

size_t
ml_best_threshold(const ml_step *steps, size_t n, ml_threshold_metric metric, double cost_fp, double cost_fn,
				  double *value)
{
	double		positives = steps[n - 1].tp;
	double		negatives = steps[n - 1].fp;
	double		sign = metric == ML_THRESHOLD_COST ? -1 : 1;
	size_t		best = n;

	*value = ml_threshold_value(metric, 0, 0, positives, negatives, cost_fp, cost_fn);
	for (size_t i = 0; i < n; i++)
	{
		double		here = ml_threshold_value(metric, steps[i].tp, steps[i].fp, positives, negatives, cost_fp, cost_fn);

		/* Equal but for rounding is equal. */
		if (sign * here > sign * *value + 1e-12 * fabs(*value))
		{
			*value = here;
			best = i;
		}
	}
	return best;
}

void
ml_calibration(const ml_scored *rows, size_t n, const double *edges, int n_bins, ml_bin *bins)
{
	for (int k = 0; k < n_bins; k++)
		bins[k] = (ml_bin) {edges[k], edges[k + 1], 0, 0, 0};
	for (size_t i = 0; i < n; i++)
	{
		double		weight = fabs(rows[i].weight);
		int			low = 0,
					high = n_bins - 1;

		while (low < high)		/* the number of inner edges below the score */
		{
			int			middle = low + (high - low) / 2;

			if (edges[middle + 1] < rows[i].score)
				low = middle + 1;
			else
				high = middle;
		}
		bins[low].weight += weight;
		bins[low].mean += weight * rows[i].score;
		bins[low].share += rows[i].weight > 0 ? weight : 0;
	}
	for (int k = 0; k < n_bins; k++)
		if (bins[k].weight > 0)
		{
			bins[k].mean /= bins[k].weight;
			bins[k].share /= bins[k].weight;
		}
}

double
ml_scored_quantile(const ml_scored *rows, size_t n, double fraction)
{
	double		place = fraction * (double) (n - 1);
	size_t		low = (size_t) place;
	double		part = place - (double) low;

	if (low + 1 >= n || part == 0)
		return rows[low].score;
	/* From the nearer end, as numpy does. */
	if (part >= 0.5)
		return rows[low + 1].score - (rows[low + 1].score - rows[low].score) * (1 - part);
	return rows[low].score + (rows[low + 1].score - rows[low].score) * part;
}
