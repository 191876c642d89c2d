/*
 * test_eval_rank.c: sorting by radix, and the rank metrics against counting pairs.
 */
#include "ml/eval_rank.h"

#include "alloc_fail.h"
#include "unit.h"

#define N 500

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The share of pairs won, counted one by one. */
static double
count_pairs(const double *p, size_t np, const double *q, size_t nq)
{
	double		won = 0;

	for (size_t i = 0; i < np; i++)
		for (size_t j = 0; j < nq; j++)
			won += p[i] > q[j] ? 1 : p[i] == q[j] ? 0.5 : 0;
	return won / ((double) np * (double) nq);
}

int
main(void)
{
	double		scores[N],
				copy[N],
				scratch[N],
				p[] = {0.8, 0.4, 0.4},
				q[] = {0.4, 0.1},
				value;
	unsigned	state = 12345;
	fail_state	cancelling = {-1, 0, 2, 0};
	ml_ctx		ctx;

	for (int i = 0; i < N; i++)
	{
		state = state * 1664525u + 1013904223u;
		scores[i] = ((double) (state >> 8) - 8000000) * (i % 7 == 0 ? 1e-300 : i % 5 == 0 ? 1e200 : 1e-6);
		if (i % 11 == 0)
			scores[i] = scores[i / 2];
	}
	scores[3] = INFINITY;
	scores[4] = -INFINITY;
	scores[5] = -0.0;
	scores[6] = 0.0;
	memcpy(copy, scores, sizeof(scores));
	ml_rank_sort(scores, scratch, N);
	qsort(copy, N, sizeof(double), by_value);
	unit_array_near(scores, copy, N, 0, 0, "sorted as qsort sorts");
	ml_rank_sort(scores, scratch, 0);
	ml_rank_sort(scores, scratch, 1);
	unit_array_near(scores, copy, N, 0, 0, "sorting none or one changes nothing");

	unit_near(ml_rank_roc_auc(scores, 200, scores + 150, 350, &value) ? value : NAN,
			  count_pairs(scores, 200, scores + 150, 350), 1e-14, 0, "area = share of pairs won, overlapping and tied");

	ctx = fail_ctx(&cancelling);
	unit_ok(!ml_rank_sort_ctx(&ctx, copy, scratch, N), "stops when cancelled");

	ml_rank_sort(p, scratch, 3);
	ml_rank_sort(q, scratch, 2);
	/* pairs: 0.8 wins 2; each 0.4 ties one and wins one: 2 + 2 * 1.5 = 5 of 6 */
	unit_near(ml_rank_roc_auc(p, 3, q, 2, &value) ? value : NAN, 5.0 / 6, 1e-15, 0, "area by hand");
	/* 0.8: recall 1/3, precision 1; 0.4: recall 1, precision 3/4 */
	unit_near(ml_rank_average_precision(p, 3, q, 2, &value) ? value : NAN, 1.0 / 3 + 2.0 / 3 * 0.75, 1e-15, 0,
			  "average precision by hand");
	unit_ok(!ml_rank_roc_auc(p, 0, q, 2, &value) && !ml_rank_roc_auc(p, 3, q, 0, &value), "one class has no area");
	unit_ok(!ml_rank_average_precision(p, 0, q, 2, &value), "no positives, no average precision");
	unit_near(ml_rank_average_precision(p, 3, q, 0, &value) ? value : NAN, 1, 0, 0, "only positives");
	return unit_done();
}
