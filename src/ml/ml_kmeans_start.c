/*
 * ml_kmeans_start.c: the centres that k-means starts from.
 *
 * By k-means++ (Arthur and Vassilvitskii 2007), greedy as scikit-learn's: of 2 + log k candidates for a centre, drawn with
 * the rows' weights times squared distances from the centres so far, the one that leaves the least distance.
 */
#include "ml/ml_kmeans_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_parallel.h"

#define RANDOM_KMEANS 0x6b6d65616e73ULL

/* Squared distances to the candidate, where they are less than what there was; and their weighted sum. */
static void
candidate_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	size_t		first;
	size_t		end;
	double		total = 0;

	ml_kmeans_group_rows(s, group, &first, &end);
	for (size_t i = first; i < end; i++)
	{
		double		distance = ml_squared_distance(ml_kmeans_row(s, i), s->candidate, s->design->n_terms);

		if (s->chosen > 0 && s->upper[i] < distance)
			distance = s->upper[i];
		s->candidate_distances[i] = distance;
		total += ml_kmeans_weight(s, i) * distance;
	}
	s->totals[group] = total;
}

/* What a row is drawn with. */
static inline double
share_of(const ml_kmeans *s, size_t i)
{
	return ml_kmeans_weight(s, i) * (s->chosen > 0 ? s->upper[i] : 1);
}

/* Draws for the next centre begin. */
static void
begin_centre(ml_kmeans *s)
{
	s->random = ml_random_stream(s->ctx.seed, RANDOM_KMEANS + s->start, s->chosen);
	s->total = 0;
	for (size_t i = 0; i < s->active && s->plus_plus; i++)
		s->total += share_of(s, i);
}

/* A row drawn with the weights times squared distances so far. */
static size_t
draw_row(ml_kmeans *s)
{
	double		wanted = ml_random_unit(&s->random) * s->total;
	size_t		last = 0;

	for (size_t i = 0; i < s->active; i++)
	{
		double		share = share_of(s, i);

		if (share <= 0)
			continue;
		last = i;
		wanted -= share;
		if (wanted < 0)
			break;
	}
	return last;
}

/* Draws a candidate for the next centre, and measures what it would leave. */
static void
try_candidate(ml_kmeans *s)
{
	size_t		drawn = s->plus_plus ? draw_row(s) : (size_t) (ml_random_unit(&s->random) * (double) s->active);
	double		left;

	s->candidate = ml_kmeans_row(s, drawn);
	ml_parallel(&s->ctx, s->n_groups, candidate_group, s);
	left = ml_kmeans_add_totals(s);
	/* Distances may be infinite; the first is kept in any case. */
	if (s->tried == 0 || left < s->least)
	{
		double	   *swap = s->spare;

		s->least = left;
		s->best_row = drawn;
		s->spare = s->candidate_distances;
		s->candidate_distances = swap;
	}
	s->tried++;
}

bool
ml_kmeans_choose(ml_kmeans *s)
{
	double		cost = (double) s->active * s->design->n_terms;
	size_t		n = s->design->n_terms;

	for (double done = 0; s->chosen < s->k && done < ML_KMEANS_STEP; done += cost)
	{
		int			candidates = s->chosen == 0 || !s->plus_plus ? 1 : 2 + (int) log(s->k);

		if (s->tried == 0)
			begin_centre(s);
		try_candidate(s);
		if (s->tried < candidates)
			continue;
		memcpy(s->upper, s->spare, s->active * sizeof(double));
		memcpy(ml_kmeans_centre(s, s->chosen), ml_kmeans_row(s, s->best_row), n * sizeof(double));
		s->chosen++;
		s->tried = 0;
	}
	return s->chosen == s->k;
}
