/*
 * test_ml_groups.c: folds of groups have the sizes of scikit-learn's GroupKFold; a holdout of groups is as near to its share as
 * any choice of few groups is, and near with many; neither depends on the order in which groups are given.
 */
#include "ml/ml_groups.h"

#include "ml/ml_hash.h"
#include "unit.h"

#define MOST 5000

static ml_group groups[MOST];

static void
fill(const int *sizes, size_t n, uint64_t seed, bool backwards)
{
	for (size_t i = 0; i < n; i++)
	{
		size_t		to = backwards ? n - 1 - i : i;

		groups[to] = (ml_group) {ml_hash_word(i, 1), ml_hash_word(ml_hash_word(i, 1), seed), (uint64_t) sizes[i], 0};
	}
}

static int
ascending(const void *a, const void *b)
{
	uint64_t	left = *(const uint64_t *) a;
	uint64_t	right = *(const uint64_t *) b;

	return (left > right) - (left < right);
}

/* What group i is in, whatever the order they are in now. */
static int
block_of(size_t n, size_t i)
{
	for (size_t at = 0; at < n; at++)
		if (groups[at].hash == ml_hash_word(i, 1))
			return groups[at].block;
	return -2;
}

/* sizes (n), and those of the folds, ascending, that GroupKFold(k) of scikit-learn 1.9.1 makes */
static void
test_folds(const char *name, const int *sizes, size_t n, int folds, const uint64_t *expected)
{
	uint64_t	loads[100];
	int			blocks[MOST];
	bool		same = true;
	bool		equal = true;

	fill(sizes, n, 7, false);
	ml_groups_balance(groups, n, folds, loads);
	for (size_t i = 0; i < n; i++)
		blocks[i] = block_of(n, i);
	qsort(loads, folds, sizeof(uint64_t), ascending);
	for (int fold = 0; fold < folds; fold++)
		equal &= loads[fold] == expected[fold];
	unit_ok(equal, "%s: sizes of GroupKFold", name);
	fill(sizes, n, 7, true);
	ml_groups_balance(groups, n, folds, loads);
	for (size_t i = 0; i < n; i++)
		same &= blocks[i] == block_of(n, i);
	unit_ok(same, "%s: whatever the order of the groups", name);
}

/* Rows held out, and whether some groups are and some are not. */
static uint64_t
held_out(size_t n, bool *both)
{
	uint64_t	rows = 0;
	size_t		count = 0;

	for (size_t i = 0; i < n; i++)
		if (groups[i].block == ML_HELD_OUT)
		{
			rows += groups[i].rows;
			count++;
		}
	*both = count > 0 && count < n;
	return rows;
}

/* The rows of the subset that is nearest, by looking at all. */
static double
nearest(const int *sizes, size_t n, double wanted)
{
	double		best = INFINITY;

	for (uint32_t subset = 1; subset < (1u << n) - 1; subset++)
	{
		double		rows = 0;

		for (size_t i = 0; i < n; i++)
			rows += (subset >> i & 1) ? sizes[i] : 0;
		best = fmin(best, fabs(rows - wanted));
	}
	return best;
}

static void
test_few(const char *name, const int *sizes, size_t n, double share)
{
	double		all = 0;
	double		best;
	bool		good = true;
	bool		same = true;

	for (size_t i = 0; i < n; i++)
		all += sizes[i];
	best = fmax(nearest(sizes, n, share * all), 0.01 * all);
	for (uint64_t seed = 0; seed < 20; seed++)
	{
		int			blocks[MOST];
		bool		both;
		double		rows;

		fill(sizes, n, seed, false);
		ml_groups_hold_out(groups, n, share);
		rows = (double) held_out(n, &both);
		good &= both && fabs(rows - share * all) <= best;
		for (size_t i = 0; i < n; i++)
			blocks[i] = block_of(n, i);
		fill(sizes, n, seed, true);
		ml_groups_hold_out(groups, n, share);
		for (size_t i = 0; i < n; i++)
			same &= blocks[i] == block_of(n, i);
	}
	unit_ok(good, "%s: nothing is nearer", name);
	unit_ok(same, "%s: whatever the order of the groups", name);
}

static void
test_many(const char *name, size_t n, int largest, double share)
{
	static int	sizes[MOST];
	double		all = 0;
	bool		both;
	double		rows;
	bool		good = true;

	for (size_t i = 0; i < n; i++)
		all += sizes[i] = i == 0 && largest > 0 ? largest : 1 + (int) (i * i % 17);
	for (uint64_t seed = 0; seed < 10; seed++)
	{
		fill(sizes, n, seed, false);
		ml_groups_hold_out(groups, n, share);
		rows = (double) held_out(n, &both);
		good &= both && fabs(rows - share * all) <= 0.01 * all;
	}
	unit_ok(good, "%s: within a hundredth of the share", name);
}

static void
test_seeds(void)
{
	const int	sizes[8] = {10, 10, 10, 10, 10, 10, 10, 10};
	uint32_t	seen = 0;
	uint64_t	loads[4];
	int			first = -1;
	bool		differ = false;

	for (uint64_t seed = 0; seed < 40; seed++)
	{
		fill(sizes, 8, seed, false);
		ml_groups_hold_out(groups, 8, 0.125);
		for (size_t i = 0; i < 8; i++)
			seen |= block_of(8, i) == ML_HELD_OUT ? 1u << i : 0;
		fill(sizes, 8, seed, false);
		ml_groups_balance(groups, 8, 4, loads);
		differ |= first >= 0 && block_of(8, 0) != first;
		first = block_of(8, 0);
	}
	unit_ok(seen == 0xff, "every group of eight equal ones is held out by some seed");
	unit_ok(differ, "another seed divides equal groups otherwise");
}

int
main(void)
{
	const int	eight[] = {7, 6, 5, 4, 3, 2, 2, 1};
	const int	ones[] = {1, 1, 1, 1, 1, 1, 1, 1};
	const int	many[] = {100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 5, 5, 5};
	const int	giant[] = {50, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	const int	two[] = {90, 10};
	uint64_t	loads[5];
	bool		both;

	test_folds("8 groups, 5 folds", eight, 8, 5, (const uint64_t[]) {5, 6, 6, 6, 7});
	test_folds("8 equal groups, 5 folds", ones, 8, 5, (const uint64_t[]) {1, 1, 2, 2, 2});
	test_folds("13 groups, 4 folds", many, 13, 4, (const uint64_t[]) {135, 140, 140, 150});
	test_folds("one large group, 3 folds", giant, 31, 3, (const uint64_t[]) {15, 15, 50});
	test_few("8 groups", eight, 8, 0.2);
	test_few("8 equal groups", ones, 8, 0.3);
	test_few("13 groups", many, 13, 0.25);
	test_few("2 groups, a small share", two, 2, 0.001);
	test_few("2 groups, a large share", two, 2, 0.999);
	test_few("2 groups, half", two, 2, 0.5);
	test_many("17 groups", 17, 0, 0.2);
	test_many("5000 groups", 5000, 0, 0.2);
	test_many("5000 groups, one of half the rows", 5000, 40000, 0.2);
	test_many("5000 groups, one of half the rows, most held out", 5000, 40000, 0.8);
	test_seeds();
	fill(giant, 31, 1, false);
	ml_groups_hold_out(groups, 31, 0.001);
	unit_ok(held_out(31, &both) == 1 && both, "a share below any group's is a smallest group");
	fill(giant, 31, 1, false);
	ml_groups_hold_out(groups, 31, 0.9999);
	unit_ok(held_out(31, &both) == 79 && both, "a share above all but any group's leaves a smallest group");
	fill(eight, 8, 1, false);
	ml_groups_hold_out(groups, 8, 0.25);
	ml_groups_balance(groups, 8, 3, loads);
	unit_ok(loads[0] + loads[1] + loads[2] + held_out(8, &both) == 30, "what is held out is in no fold");
	return unit_done();
}
