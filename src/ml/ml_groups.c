/*
 * ml_groups.c: divides groups of rows that must stay together.
 *
 * Folds are balanced greedily, the largest group first (Graham, "Bounds on multiprocessing timing anomalies", 1969: the largest
 * fold is at most 4/3 of the best possible one), as scikit-learn's GroupKFold does.  A holdout is a sum of subsets: of few
 * groups every choice is looked at; of many they are taken in random order while they fit, and exchanged if the share is
 * still off.
 */
#include "ml/ml_groups.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "ml/ml_hash.h"

#define FEW			16			/* groups of which every subset is looked at */
#define NEAR		0.01		/* of all rows: choices off by less than that are equally good, so that the seed decides */
#define MOST_MOVES	100

static int
by_size(const void *a, const void *b)
{
	const ml_group *left = a;
	const ml_group *right = b;

	if (left->rows != right->rows)
		return left->rows > right->rows ? -1 : 1;
	return (left->order > right->order) - (left->order < right->order);
}

static int
by_order(const void *a, const void *b)
{
	const ml_group *left = a;
	const ml_group *right = b;

	return (left->order > right->order) - (left->order < right->order);
}

static double
sum_rows(const ml_group *groups, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double) groups[i].rows;
	return sum;
}

/* Of all subsets but the empty one and the whole, which a Gray code goes through, the nearest; of those near enough a random one. */
static void
choose_of_few(ml_group *groups, int n, double wanted, double near)
{
	uint32_t	all = (1u << n) - 1;
	uint32_t	best = 0;
	double		best_off = INFINITY;
	uint64_t	best_draw = 0;
	double		rows = 0;
	uint64_t	draw = 0;

	for (uint32_t step = 1; step <= all; step++)
	{
		uint32_t	subset = step ^ step >> 1;
		int			changed = __builtin_ctz(step);
		double		off;
		uint64_t	mixed;

		rows += (subset >> changed & 1) ? (double) groups[changed].rows : -(double) groups[changed].rows;
		draw ^= groups[changed].order;
		if (subset == all)
			continue;
		off = fmax(fabs(rows - wanted), near);
		mixed = ml_hash_word(draw, 0);
		if (off < best_off || (off == best_off && mixed < best_draw))
		{
			best = subset;
			best_off = off;
			best_draw = mixed;
		}
	}
	for (int i = 0; i < n; i++)
		groups[i].block = (best >> i & 1) ? ML_HELD_OUT : 0;
}

/* What adding a group to the held out rows, or taking one away, or exchanging two, can do best. */
typedef struct exchange
{
	size_t		out;			/* group that is taken away … */
	size_t		in;				/* … and that is added; n: none */
	double		off;
} exchange;

static exchange
best_exchange(const ml_group *groups, size_t n, double missing)
{
	exchange	best = {n, n, fabs(missing)};

	for (size_t in = 0; in <= n; in++)
	{
		if (in < n && groups[in].block == ML_HELD_OUT)
			continue;
		for (size_t out = 0; out <= n; out++)
		{
			double		off = missing;

			if (out < n && groups[out].block != ML_HELD_OUT)
				continue;
			off -= in < n ? (double) groups[in].rows : 0;
			off += out < n ? (double) groups[out].rows : 0;
			if (fabs(off) < best.off)
				best = (exchange) {out, in, fabs(off)};
		}
	}
	return best;
}

/* Takes groups in their order while they fit; returns the rows. */
static double
take_what_fits(ml_group *groups, size_t n, double wanted)
{
	double		rows = 0;

	for (size_t i = 0; i < n; i++)
	{
		bool		fits = rows + (double) groups[i].rows <= wanted;

		groups[i].block = fits ? ML_HELD_OUT : 0;
		rows += fits ? (double) groups[i].rows : 0;
	}
	return rows;
}

/* Exchanges groups while that brings the rows nearer and leaves some on each side; returns the rows. */
static double
exchange_groups(ml_group *groups, size_t n, double rows, double wanted, double near)
{
	size_t		held = 0;

	for (size_t i = 0; i < n; i++)
		held += groups[i].block == ML_HELD_OUT;
	for (int move = 0; move < MOST_MOVES && fabs(wanted - rows) > near; move++)
	{
		exchange	best = best_exchange(groups, n, wanted - rows);
		size_t		after = held + (best.in < n) - (best.out < n);

		if (best.off >= fabs(wanted - rows) || after == 0 || after == n)
			break;
		if (best.in < n)
		{
			groups[best.in].block = ML_HELD_OUT;
			rows += (double) groups[best.in].rows;
		}
		if (best.out < n)
		{
			groups[best.out].block = 0;
			rows -= (double) groups[best.out].rows;
		}
		held = after;
	}
	return rows;
}

/*
 * Takes groups in random order while they fit; where a large one is missed that way, so that the rest is not enough, from the largest on.
 * What is missing then is less than any group left has: if that is much, few are left, and exchanging some is no work.
 */
static void
choose_of_many(ml_group *groups, size_t n, double wanted, double near)
{
	double		rows;

	qsort(groups, n, sizeof(ml_group), by_order);
	rows = take_what_fits(groups, n, wanted);
	if (wanted - rows > near)
	{
		qsort(groups, n, sizeof(ml_group), by_size);
		rows = take_what_fits(groups, n, wanted);
	}
	rows = exchange_groups(groups, n, rows, wanted, near);
	if (rows == 0)
	{
		qsort(groups, n, sizeof(ml_group), by_size);
		groups[n - 1].block = ML_HELD_OUT;
	}
}

void
ml_groups_hold_out(ml_group *groups, size_t n, double share)
{
	double		all = sum_rows(groups, n);

	if (n <= FEW)
		choose_of_few(groups, (int) n, share * all, NEAR * all);
	else
		choose_of_many(groups, n, share * all, NEAR * all);
}

void
ml_groups_balance(ml_group *groups, size_t n, int folds, uint64_t *loads)
{
	for (int fold = 0; fold < folds; fold++)
		loads[fold] = 0;
	qsort(groups, n, sizeof(ml_group), by_size);
	for (size_t i = 0; i < n; i++)
	{
		int			lightest = 0;

		if (groups[i].block == ML_HELD_OUT)
			continue;
		for (int fold = 1; fold < folds; fold++)
			if (loads[fold] < loads[lightest])
				lightest = fold;
		groups[i].block = lightest;
		loads[lightest] += groups[i].rows;
	}
}
