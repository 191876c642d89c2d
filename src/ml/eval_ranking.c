/*
 * eval_ranking.c: see eval_ranking.h.
 */
#include "ml/eval_ranking.h"

#include <math.h>
#include <string.h>

#include "ml/ml_sort.h"

static int
by_query(const void *a, const void *b)
{
	const ml_ranked *x = a,
			   *y = b;
	int			order = memcmp(&x->query, &y->query, sizeof(double));

	if (order != 0)
		return order;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->relevance > y->relevance ? -1 : x->relevance < y->relevance;
}

bool
ml_ranked_sort(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n)
{
	return ml_sort(ctx, rows, scratch, n, sizeof(ml_ranked), by_query);
}

static int
by_relevance(const void *a, const void *b)
{
	const ml_ranked *x = a,
			   *y = b;

	return x->relevance > y->relevance ? -1 : x->relevance < y->relevance;
}

double
ml_dcg(const ml_ranked *rows, size_t n, size_t k)
{
	double		sum = 0;

	if (k == 0)
		k = n;
	for (size_t i = 0; i < n && i < k;)
	{
		double		gain = 0,
					discounts = 0;
		size_t		end = i;

		for (; end < n && rows[end].score == rows[i].score; end++)
		{
			gain += rows[end].relevance;
			discounts += end < k ? 1 / log2((double) end + 2) : 0;
		}
		sum += gain / (double) (end - i) * discounts;
		i = end;
	}
	return sum;
}

double
ml_ndcg(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n, size_t k)
{
	double		reached = ml_dcg(rows, n, k);
	double		best = 0;

	if (!ml_sort(ctx, rows, scratch, n, sizeof(ml_ranked), by_relevance))
		return NAN;
	for (size_t i = 0; i < n && (k == 0 || i < k); i++)
		best += rows[i].relevance / log2((double) i + 2);
	/* More than the best is rounding. */
	return best == 0 ? 0 : reached > best ? 1 : reached / best;
}

double
ml_ranked_precision(const ml_ranked *rows, size_t n)
{
	double		found = 0,
				sum = 0;

	for (size_t i = 0; i < n;)
	{
		double		before = found;
		size_t		end = i;

		for (; end < n && rows[end].score == rows[i].score; end++)
			found += rows[end].relevance > 0;
		sum += (found - before) * (found / (double) end);
		i = end;
	}
	return found == 0 ? 0 : sum / found;
}

double
ml_reciprocal_rank(const ml_ranked *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].relevance > 0)
		{
			size_t		rank = 0;
			size_t		ties = 0;

			/* Rows that score higher, and those that score as high without being relevant. */
			for (size_t j = 0; j < n && rows[j].score >= rows[i].score; j++)
			{
				rank += rows[j].score > rows[i].score;
				ties += rows[j].score == rows[i].score && !(rows[j].relevance > 0);
			}
			return 1 / ((double) rank + (double) ties + 1);
		}
	return 0;
}
