/*
 * ml_kmeans_rounds.c: Lloyd's rounds of k-means, with the bounds of Hamerly (2010).
 *
 * A row whose nearest centre cannot have changed is not compared, nor even read, for the sums of the clusters change by the
 * rows that move alone; they are taken anew every some rounds, lest rounding add up.  Rows are compared with the centres
 * eight at a time.
 */
#include "ml/ml_kmeans_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_parallel.h"

#define FEW_CENTRES 16			/* so many that a row is compared with all of them rather than with its own first */
#define ROUNDS_PER_SUM 32		/* rounds until the sums are taken anew */

/* ---- bounds ------------------------------------------------------------------------------------------------------- */

static void
measure_gap(void *arg, int a)
{
	ml_kmeans  *s = arg;

	s->half_gap[a] = INFINITY;
	for (int b = 0; b < s->k; b++)
		if (b != a)
			s->half_gap[a] = fmin(s->half_gap[a], 0.5 * sqrt(ml_squared_distance(ml_kmeans_centre(s, a), ml_kmeans_centre(s, b),
																				 s->design->n_terms)));
}

bool
ml_kmeans_measure_gaps(ml_kmeans *s)
{
	/* The first round compares all rows. */
	if (s->round > 0 && !ml_kmeans_some(s, s->k, (double) s->k * s->design->n_terms, measure_gap))
		return false;
	ml_screen_set(&s->screen, &s->set);
	return true;
}

/*
 * Whether a row's bounds leave open which centre is the nearest.  They must be apart: of centres equally near the first is
 * the nearest, which only a comparison tells.
 */
static inline bool
is_open(double upper, double half_gap, double lower)
{
	upper += 1e-10 * upper;
	return !((upper < half_gap) | (upper < lower));
}

/* Brings the bounds of rows up to date with the way of the centres, and lists those whose nearest centre they leave open. */
static size_t
list_open(ml_kmeans *s, size_t first, size_t end, size_t *open)
{
	size_t		count = 0;

	for (size_t i = first; i < end; i++)
	{
		int			nearest = s->nearest[i];
		double		upper = s->upper[i] + s->moved[nearest];
		double		lower = s->lower[i] - (nearest == s->furthest_centre ? s->second_furthest : s->furthest);

		s->upper[i] = upper;
		s->lower[i] = lower;
		/* Without a branch, for none would be foreseen. */
		open[count] = i;
		count += is_open(upper, s->half_gap[nearest], lower);
	}
	return count;
}

/* Measures how far the listed rows are from their centres, and keeps those whose nearest centre that leaves open. */
static size_t
keep_open(ml_kmeans *s, size_t *open, size_t count)
{
	double		squared[ML_KMEANS_STRIP];
	size_t		kept = 0;

	ml_own_distances(&s->set, s->design->x, s->design->stride, open, count, s->nearest, squared);
	for (size_t k = 0; k < count; k++)
	{
		size_t		i = open[k];
		int			nearest = s->nearest[i];

		s->upper[i] = sqrt(squared[k]);
		open[kept] = i;
		kept += is_open(s->upper[i], s->half_gap[nearest], s->lower[i]);
	}
	return kept;
}

/* ---- assigning ---------------------------------------------------------------------------------------------------- */

void
ml_kmeans_compare(ml_kmeans *s, int group, const size_t *rows, size_t count)
{
	double	   *block = s->blocks + group * ML_NEAREST_ROWS * s->design->n_terms;
	int32_t		nearest[ML_KMEANS_STRIP];
	double		least[ML_KMEANS_STRIP];
	double		second[ML_KMEANS_STRIP];

	ml_nearest_two(&s->set, s->design->x, s->design->stride, rows, count, block, nearest, least, second);
	for (size_t k = 0; k < count; k++)
	{
		s->nearest[rows[k]] = nearest[k];
		s->upper[rows[k]] = sqrt(least[k]);
		s->lower[rows[k]] = sqrt(second[k]);
	}
}

/* Finds the nearest centres of rows: of those that are in doubt after a quick look by comparing them. */
static void
find_nearest(ml_kmeans *s, int group, const size_t *rows, size_t count)
{
	double	   *block = s->blocks + group * ML_NEAREST_ROWS * s->design->n_terms;
	int32_t		nearest[ML_KMEANS_STRIP];
	double		upper[ML_KMEANS_STRIP];
	double		lower[ML_KMEANS_STRIP];
	size_t		doubtful[ML_KMEANS_STRIP];
	size_t		doubts = 0;

	ml_screen_rows(&s->screen, s->design->x, s->design->stride, rows, count, block, nearest, upper, lower);
	for (size_t k = 0; k < count; k++)
	{
		if (nearest[k] < 0)
		{
			doubtful[doubts++] = rows[k];
			continue;
		}
		s->nearest[rows[k]] = nearest[k];
		s->upper[rows[k]] = upper[k];
		s->lower[rows[k]] = lower[k];
	}
	ml_kmeans_compare(s, group, doubtful, doubts);
}

/* Assigns rows to their nearest centres; those that move change the sums, unless these are taken anew. */
static void
assign_rows(ml_kmeans *s, int group, const size_t *rows, size_t count, bool anew)
{
	int32_t		before[ML_KMEANS_STRIP];

	for (size_t k = 0; k < count; k++)
		before[k] = s->nearest[rows[k]];
	find_nearest(s, group, rows, count);
	for (size_t k = 0; k < count && !anew; k++)
		if (s->nearest[rows[k]] != before[k])
		{
			ml_kmeans_add_row(s, group, rows[k], before[k], -1);
			ml_kmeans_add_row(s, group, rows[k], s->nearest[rows[k]], 1);
		}
}

/* Assigns the rows of a group, and brings its sums up to date. */
static void
assign_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	size_t		cells = (size_t) s->k * s->design->n_terms;
	bool		anew = s->round % ROUNDS_PER_SUM == 0;
	size_t		open[ML_KMEANS_STRIP];
	size_t		first;
	size_t		end;

	ml_kmeans_group_rows(s, group, &first, &end);
	for (size_t start = first; start < end; start += ML_KMEANS_STRIP)
	{
		size_t		stop = end - start < ML_KMEANS_STRIP ? end : start + ML_KMEANS_STRIP;
		size_t		count;

		if (s->round == 0)
			count = ml_kmeans_list_rows(start, stop, open);
		else
			count = list_open(s, start, stop, open);
		if (s->round > 0 && s->k > FEW_CENTRES)
			count = keep_open(s, open, count);
		assign_rows(s, group, open, count, anew);
	}
	if (!anew)
		return;
	memset(s->sums + group * cells, 0, cells * sizeof(double));
	memset(s->weights + (size_t) group * s->k, 0, s->k * sizeof(double));
	memset(s->counts + (size_t) group * s->k, 0, s->k * sizeof(double));
	for (size_t i = first; i < end; i++)
		ml_kmeans_add_row(s, group, i, s->nearest[i], 1);
}

bool
ml_kmeans_assign(ml_kmeans *s)
{
	return ml_kmeans_some_groups(s, (double) s->design->n_terms * s->k, assign_group);
}

/* ---- moving the centres ------------------------------------------------------------------------------------------- */

/* Squared distances of the rows of a group from their centres, for centres that have lost all rows. */
static void
away_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	size_t		first;
	size_t		end;

	ml_kmeans_group_rows(s, group, &first, &end);
	for (size_t i = first; i < end; i++)
		s->away[i] = ml_squared_distance(ml_kmeans_row(s, i), ml_kmeans_centre(s, s->nearest[i]), s->design->n_terms);
}

/*
 * A cluster that lost all its rows starts again at the row that is farthest from its centre, each at another one.  False if
 * no row is away from its centre: then there are not so many different rows.
 */
static bool
revive(ml_kmeans *s, int empty, bool first)
{
	size_t		farthest = 0;

	if (first)
		ml_parallel(&s->ctx, s->n_groups, away_group, s);
	for (size_t i = 1; i < s->design->rows; i++)
		if (s->away[i] > s->away[farthest])
			farthest = i;
	if (!(s->away[farthest] > 0))
		return false;
	s->away[farthest] = 0;
	memcpy(ml_kmeans_centre(s, empty), ml_kmeans_row(s, farthest), s->design->n_terms * sizeof(double));
	return true;
}

/* Puts the mean of a cluster's rows into `moving`; false if it has none. */
static bool
mean_of_cluster(ml_kmeans *s, int c)
{
	int			n = s->design->n_terms;
	size_t		cells = (size_t) s->k * n;
	double		all = 0;
	double		rows = 0;

	memset(s->moving, 0, n * sizeof(double));
	for (int group = 0; group < s->n_groups; group++)
	{
		all += s->weights[(size_t) group * s->k + c];
		rows += s->counts[(size_t) group * s->k + c];
		ml_axpy(s->moving, 1, s->sums + group * cells + (size_t) c * n, n);
	}
	for (int j = 0; j < n && rows > 0; j++)
		s->moving[j] /= all;
	return rows > 0;
}

/* Notes how far a centre has moved. */
static void
note_move(ml_kmeans *s, int c, double moved)
{
	s->moved[c] = moved;
	if (moved > s->furthest)
	{
		s->second_furthest = s->furthest;
		s->furthest = moved;
		s->furthest_centre = c;
	}
	else if (moved > s->second_furthest)
		s->second_furthest = moved;
}

double
ml_kmeans_move_centres(ml_kmeans *s)
{
	int			n = s->design->n_terms;
	double		total = 0;
	bool		any_empty = false;

	s->furthest = s->second_furthest = 0;
	s->furthest_centre = -1;
	for (int c = 0; c < s->k; c++)
	{
		double		way = 0;

		if (mean_of_cluster(s, c))
		{
			way = ml_squared_distance(s->moving, ml_kmeans_centre(s, c), n);
			memcpy(ml_kmeans_centre(s, c), s->moving, n * sizeof(double));
		}
		else
		{
			if (revive(s, c, !any_empty))
				way = INFINITY;
			any_empty = true;
		}
		total += way;
		note_move(s, c, sqrt(way));
	}
	return total;
}
