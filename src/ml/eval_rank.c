/*
 * eval_rank.c: see eval_rank.h.
 */
#include "ml/eval_rank.h"

/* Length of the run of values equal to v that starts at i. */
static inline size_t
run(const double *values, size_t i, size_t n, double v)
{
	size_t		start = i;

	while (i < n && values[i] == v)
		i++;
	return i - start;
}

/*
 * The share of pairs (positive, negative) in which the positive scores higher, ties counting a half: the
 * Mann-Whitney form of the area under the ROC curve.
 */
bool
ml_rank_roc_auc(const double *positives, size_t n_positives, const double *negatives, size_t n_negatives, double *value)
{
	size_t		below = 0;		/* negatives under the current positive */
	double		won = 0;

	if (n_positives == 0 || n_negatives == 0)
		return false;
	for (size_t i = 0; i < n_positives;)
	{
		double		score = positives[i];
		size_t		same = run(positives, i, n_positives, score);
		size_t		tied;

		if (same == 0)
			return false;		/* not even equal to itself: NaN */
		while (below < n_negatives && negatives[below] < score)
			below++;
		tied = run(negatives, below, n_negatives, score);
		won += (double) same * ((double) below + 0.5 * (double) tied);
		i += same;
	}
	*value = won / ((double) n_positives * (double) n_negatives);
	return true;
}

/* Sum over thresholds, from the highest score down, of (recall - previous recall) * precision. */
bool
ml_rank_average_precision(const double *positives, size_t n_positives, const double *negatives, size_t n_negatives,
						  double *value)
{
	size_t		p = n_positives;
	size_t		q = n_negatives;
	double		sum = 0;

	if (n_positives == 0)
		return false;
	while (p > 0)
	{
		double		score = positives[p - 1];
		size_t		same = 0;

		while (p > 0 && positives[p - 1] == score)
		{
			p--;
			same++;
		}
		if (same == 0)
			return false;		/* NaN */
		while (q > 0 && negatives[q - 1] >= score)
			q--;
		sum += (double) same * ((double) (n_positives - p) / (double) (n_positives - p + n_negatives - q));
	}
	*value = sum / (double) n_positives;
	return true;
}
