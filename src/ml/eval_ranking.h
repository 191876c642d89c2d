/*
 * eval_ranking.h: how good the order is that scores give to the rows of a query: DCG, NDCG, average precision,
 * reciprocal rank.
 *
 * Rows are sorted by falling score.  Equal scores: gains are averaged over their orders (McSherry and Najork, 2008), a
 * threshold takes them all (average precision), and the first relevant row comes after those that score as high
 * (reciprocal rank).
 */
#ifndef EVAL_RANKING_H
#define EVAL_RANKING_H

#include "ml/ml.h"

typedef struct ml_ranked
{
	double		query;			/* its bits tell queries apart */
	double		relevance;
	double		score;
} ml_ranked;

/* By query, then by falling score, then by relevance; scratch has room for n.  False when cancelled; ctx may be NULL: never. */
extern bool ml_ranked_sort(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n);

/* Sum of relevance / log2(rank + 1) over the first k ranks; k 0: all. */
extern double ml_dcg(const ml_ranked *rows, size_t n, size_t k);

/* Relative to the best order; 0 where nothing is relevant.  Sorts the rows by relevance; NaN when cancelled. */
extern double ml_ndcg(const ml_ctx *ctx, ml_ranked *rows, ml_ranked *scratch, size_t n, size_t k);

/* A row is relevant if its relevance is above 0; 0 where nothing is. */
extern double ml_ranked_precision(const ml_ranked *rows, size_t n);
extern double ml_reciprocal_rank(const ml_ranked *rows, size_t n);

#endif							/* EVAL_RANKING_H */
