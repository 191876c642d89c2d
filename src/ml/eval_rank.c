/*
 * eval_rank.c: see eval_rank.h.
 *
 * Scores are sorted by radix: as unsigned numbers with the sign handled, doubles order by their bits.  Eight passes of
 * one byte; a pass in which all scores share the byte is left out.
 */
#include "ml/eval_rank.h"

#include <stdint.h>
#include <string.h>

#define RADIX 256
#define PASSES 8

static inline uint64_t
key_of(double score)
{
	uint64_t	bits;

	score += 0.0;				/* -0 becomes 0 */
	memcpy(&bits, &score, sizeof(bits));
	return bits & UINT64_C(0x8000000000000000) ? ~bits : bits | UINT64_C(0x8000000000000000);
}

static inline double
score_of(uint64_t key)
{
	double		score;

	key = key & UINT64_C(0x8000000000000000) ? key & ~UINT64_C(0x8000000000000000) : ~key;
	memcpy(&score, &key, sizeof(score));
	return score;
}

void
ml_rank_sort(double *scores, double *scratch, size_t n)
{
	(void) ml_rank_sort_ctx(NULL, scores, scratch, n);
}

bool
ml_rank_sort_ctx(const ml_ctx *ctx, double *scores, double *scratch, size_t n)
{
	size_t		counts[PASSES][RADIX];
	uint64_t   *from = (uint64_t *) (void *) scores;
	uint64_t   *to = (uint64_t *) (void *) scratch;

	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	key = key_of(scores[i]);

		memcpy(&scores[i], &key, sizeof(key));
		for (int pass = 0; pass < PASSES; pass++)
			counts[pass][(key >> (8 * pass)) & 255]++;
	}
	for (int pass = 0; pass < PASSES; pass++)
	{
		size_t		start = 0;
		uint64_t   *swap;
		uint64_t	first;

		if (n == 0)
			break;
		memcpy(&first, from, sizeof(first));
		if (counts[pass][(first >> (8 * pass)) & 255] == n)
			continue;
		if (ctx != NULL && ml_is_cancelled(ctx))
			return false;
		for (int digit = 0; digit < RADIX; digit++)
		{
			size_t		count = counts[pass][digit];

			counts[pass][digit] = start;
			start += count;
		}
		for (size_t i = 0; i < n; i++)
		{
			uint64_t	key;

			memcpy(&key, from + i, sizeof(key));
			memcpy(to + counts[pass][(key >> (8 * pass)) & 255]++, &key, sizeof(key));
		}
		swap = from;
		from = to;
		to = swap;
	}
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	key;

		memcpy(&key, from + i, sizeof(key));
		scores[i] = score_of(key);
	}
	return true;
}

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
