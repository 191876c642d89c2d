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

/* Numbers of every shape that goes another way through the sort, and of lengths around its limits. */
static double
shaped(int shape, unsigned random, int i)
{
	switch (shape)
	{
		case 0:
			return (double) random / 4294967296.0 - 0.3;
		case 1:
			return random % 7;
		case 2:
			return -2.5;
		case 3:					/* close to each other, beside one far away */
			return i ? 1.6e9 + random % 4000 * 0.125 : -1e-300;
		case 4:
			return (random & 1 ? 1 : -1) * 5e-324 * (random % 1000);
		case 5:
			return random % 3 ? (random % 2 ? INFINITY : -INFINITY) : 1.0 + random % 100 * 2.3e-16;
		default:
			return -1e9 * i;
	}
}

static void
sort_all_shapes(void)
{
	static const int lengths[] = {2, 47, 48, 49, 255, 256, 257, 3000, 20000};
	static double values[20000],
				copy[20000],
				scratch[20000];
	unsigned	state = 54321;
	int			wrong = 0;

	for (int shape = 0; shape < 7; shape++)
		for (int k = 0; k < 9; k++)
		{
			for (int i = 0; i < lengths[k]; i++)
			{
				state = state * 1664525u + 1013904223u;
				values[i] = copy[i] = shaped(shape, state >> 4, i);
			}
			ml_rank_sort(values, scratch, lengths[k]);
			qsort(copy, lengths[k], sizeof(double), by_value);
			for (int i = 0; i < lengths[k]; i++)
				wrong += values[i] != copy[i];
		}
	unit_int(wrong, 0, "numbers of any shape, and lengths around the limits");
}

/* Some ranks of the same shapes, of lengths that are sorted and that are not. */
static void
select_all_shapes(void)
{
	static const size_t lengths[] = {1, 2, 2048, 2049, 5000, 20000};
	static double values[20000],
				copy[20000],
				scratch[20000];
	unsigned	state = 54321;
	int			wrong = 0;

	for (int shape = 0; shape < 7; shape++)
		for (int k = 0; k < 6; k++)
		{
			size_t		n = lengths[k];
			size_t		ranks[] = {0, 0, n / 4, n / 4 + (n > 1), n / 2, n - 1 - n / 4 + n / 8, n - 1, n - 1};
			double		found[8];

			for (int i = 0; i < (int) n; i++)
			{
				state = state * 1664525u + 1013904223u;
				values[i] = copy[i] = shaped(shape, state >> 4, i) * (i % 9 == 8 ? -0.0 : 1);
				values[i] = copy[i] = isnan(values[i]) ? 0 : values[i];
			}
			ml_rank_sort(copy, scratch, n);
			ml_rank_select(values, scratch, n, ranks, 8, found);
			for (int r = 0; r < 8; r++)
				wrong += memcmp(&found[r], &copy[ranks[r]], sizeof(double)) != 0;
		}
	unit_int(wrong, 0, "single ranks are those of sorting, to the bit");
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

	sort_all_shapes();
	select_all_shapes();
	for (int looks = 0; looks < 2; looks++)
	{
		fail_state	cancelling = {-1, 0, looks, 0};

		ctx = fail_ctx(&cancelling);
		unit_ok(!ml_rank_sort_ctx(&ctx, copy, scratch, N), "stops when cancelled at look %d", looks);
	}

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
