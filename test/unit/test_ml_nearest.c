/*
 * test_ml_nearest.c: rows compared with centres, against distances taken term by term: any number of rows, of centres and of
 * terms, rows named in any order, ties, rows that are far from 0.
 */
#include "ml/ml_nearest.h"

#include <math.h>
#include <stdlib.h>

#include "ml/ml_kernels.h"
#include "unit.h"

#define MOST_ROWS 70
#define MOST_CENTRES 17
#define MOST_TERMS 21
#define STRIDE (MOST_TERMS + 3)

static double x[MOST_ROWS * STRIDE];
static double centres[MOST_CENTRES * MOST_TERMS];
static double block[MOST_TERMS * ML_NEAREST_ROWS];

/* Numbers with few digits, so that all sums are exact and in any order the same. */
static void
fill(double shift)
{
	for (int i = 0; i < MOST_ROWS * STRIDE; i++)
		x[i] = shift + (i * 7919 % 101) / 8.0;
	for (int i = 0; i < MOST_CENTRES * MOST_TERMS; i++)
		centres[i] = shift + (i * 104729 % 97) / 8.0;
}

static double
distance(size_t row, const double *centre, size_t n_terms)
{
	double		sum = 0;

	for (size_t j = 0; j < n_terms; j++)
		sum += (x[row * STRIDE + j] - centre[j]) * (x[row * STRIDE + j] - centre[j]);
	return sum;
}

/* How many of the rows got something else than a search through all centres finds. */
static int
wrong_nearest(const ml_centre_set *set, const size_t *rows, size_t count)
{
	int32_t		nearest[MOST_ROWS];
	double		least[MOST_ROWS];
	double		second[MOST_ROWS];
	int			wrong = 0;

	ml_nearest_two(set, x, STRIDE, rows, count, block, nearest, least, second);
	for (size_t i = 0; i < count; i++)
	{
		int			best = 0;
		double		next = INFINITY;

		for (int c = 1; c < set->k; c++)
			if (distance(rows[i], centres + c * set->n_terms, set->n_terms) < distance(rows[i], centres + best * set->n_terms, set->n_terms))
				best = c;
		for (int c = 0; c < set->k; c++)
			if (c != best)
				next = fmin(next, distance(rows[i], centres + c * set->n_terms, set->n_terms));
		wrong += nearest[i] != best || least[i] != distance(rows[i], centres + best * set->n_terms, set->n_terms) || second[i] != next;
	}
	return wrong;
}

static int
wrong_distances(const ml_centre_set *set, const size_t *rows, size_t count)
{
	double		squared[MOST_CENTRES * MOST_ROWS];
	int32_t		own[MOST_ROWS];
	int			wrong = 0;

	ml_centre_distances(set, x, STRIDE, rows, count, block, squared);
	for (int c = 0; c < set->k; c++)
		for (size_t i = 0; i < count; i++)
			wrong += squared[c * count + i] != distance(rows[i], centres + c * set->n_terms, set->n_terms);
	for (size_t i = 0; i < MOST_ROWS; i++)
		own[i] = (int32_t) (i * 5 % set->k);
	ml_own_distances(set, x, STRIDE, rows, count, own, squared);
	for (size_t i = 0; i < count; i++)
		wrong += squared[i] != distance(rows[i], centres + own[rows[i]] * set->n_terms, set->n_terms);
	return wrong;
}

static void
test_shapes(double shift)
{
	static const size_t counts[] = {0, 1, 7, 8, 9, 24, 31, 32, 33, 41, 64, MOST_ROWS};
	size_t		rows[MOST_ROWS];
	int			wrong = 0;
	int			tried = 0;

	fill(shift);
	for (size_t i = 0; i < MOST_ROWS; i++)
		rows[i] = i * 33 % MOST_ROWS;
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
		for (int k = 1; k <= MOST_CENTRES; k++)
			for (size_t n = 0; n <= MOST_TERMS; n++)
			{
				ml_centre_set set = {centres, k, n};

				wrong += wrong_nearest(&set, rows, counts[c]) + wrong_distances(&set, rows, counts[c]);
				tried++;
			}
	unit_int(wrong, 0, "%d shapes about %g", tried, shift);
}

/* Of equally near centres the first, whichever part it is in; a row that is not a number is near none. */
static void
test_ties(void)
{
	ml_centre_set set = {centres, MOST_CENTRES, 2};
	size_t		rows[] = {0, 1};
	int32_t		nearest[2];
	double		least[2];
	double		second[2];

	for (int i = 0; i < MOST_CENTRES * 2; i++)
		centres[i] = i / 2 == 3 || i / 2 == 11 ? 1 : 5;
	x[0] = x[1] = 1;
	x[STRIDE] = 2;
	x[STRIDE + 1] = NAN;
	ml_nearest_two(&set, x, STRIDE, rows, 2, block, nearest, least, second);
	unit_int(nearest[0], 3, "of two centres at the row's place the first");
	unit_ok(least[0] == 0 && second[0] == 0, "and the second is as near");
	unit_ok(nearest[1] == 0 && isinf(least[1]), "not a number is near none");
}

int
main(void)
{
	test_shapes(0);
	test_shapes(1e6);
	test_ties();
	return unit_done();
}
