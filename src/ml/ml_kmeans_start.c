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

/* What a row is drawn with. */
static inline double
share_of(const ml_kmeans *s, size_t i)
{
	return ml_kmeans_weight(s, i) * (s->chosen > 0 ? s->upper[i] : 1);
}

/* The shares of the rows of a group. */
static void
share_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	size_t		first;
	size_t		end;
	double		total = 0;

	ml_kmeans_group_rows(s, group, &first, &end);
	for (size_t i = first; i < end; i++)
		total += share_of(s, i);
	s->totals[group] = total;
}

/* Squared distances of up to ML_NEAREST_ROWS rows from the candidates, (candidates, count), where they are less than what there was. */
static void
measure_candidates(const ml_kmeans *s, int group, size_t first, size_t count, double *squared)
{
	size_t		rows[ML_NEAREST_ROWS];

	ml_kmeans_list_rows(first, first + count, rows);
	ml_centre_distances(&s->candidates, s->design->x, s->design->stride, rows, count,
						s->blocks + group * ML_NEAREST_ROWS * s->design->n_terms, squared);
	for (int c = 0; c < s->candidates.k && s->chosen > 0; c++)
		for (size_t i = 0; i < count; i++)
			if (s->upper[first + i] < squared[c * count + i])
				squared[c * count + i] = s->upper[first + i];
}

/* What each candidate would leave of the distances of a group. */
static void
try_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	double	   *left = s->left + group * ML_KMEANS_CANDIDATES;
	size_t		first;
	size_t		end;

	ml_kmeans_group_rows(s, group, &first, &end);
	memset(left, 0, ML_KMEANS_CANDIDATES * sizeof(double));
	for (size_t start = first; start < end; start += ML_NEAREST_ROWS)
	{
		size_t		count = end - start < ML_NEAREST_ROWS ? end - start : ML_NEAREST_ROWS;
		double		squared[ML_KMEANS_CANDIDATES * ML_NEAREST_ROWS];

		measure_candidates(s, group, start, count, squared);
		for (int c = 0; c < s->candidates.k; c++)
			for (size_t i = 0; i < count; i++)
				left[c] += ml_kmeans_weight(s, start + i) * squared[c * count + i];
	}
}

/* The distances that the chosen candidate, the only one by now, leaves, and the shares they give. */
static void
choose_group(void *arg, int group)
{
	ml_kmeans  *s = arg;
	size_t		first;
	size_t		end;
	double		total = 0;

	ml_kmeans_group_rows(s, group, &first, &end);
	for (size_t start = first; start < end; start += ML_NEAREST_ROWS)
	{
		size_t		count = end - start < ML_NEAREST_ROWS ? end - start : ML_NEAREST_ROWS;
		double		squared[ML_NEAREST_ROWS];

		measure_candidates(s, group, start, count, squared);
		memcpy(s->upper + start, squared, count * sizeof(double));
		for (size_t i = 0; i < count; i++)
			total += ml_kmeans_weight(s, start + i) * squared[i];
	}
	s->totals[group] = total;
}

/* A row drawn with its share: first its group, then it. */
static size_t
draw_row(const ml_kmeans *s, ml_random *random, double total)
{
	double		wanted = ml_random_unit(random) * total;
	int			drawn = -1;
	size_t		row = 0;
	size_t		first;
	size_t		end;

	for (int group = 0; group < s->n_groups; group++)
	{
		if (!(s->totals[group] > 0))
			continue;
		drawn = group;
		if (wanted < s->totals[group])
			break;
		wanted -= s->totals[group];
	}
	if (drawn < 0)
		return 0;
	ml_kmeans_group_rows(s, drawn, &first, &end);
	for (size_t i = first; i < end; i++)
	{
		double		share = share_of(s, i);

		if (share <= 0)
			continue;
		row = i;
		wanted -= share;
		if (wanted < 0)
			break;
	}
	return row;
}

/* Draws the candidates for the next centre. */
static void
draw_candidates(ml_kmeans *s)
{
	ml_random	random = ml_random_stream(s->ctx.seed, RANDOM_KMEANS + s->start, s->chosen);
	double		total = ml_kmeans_add_totals(s);
	size_t		n = s->design->n_terms;

	s->candidates.k = s->chosen == 0 || !s->plus_plus ? 1 : 2 + (int) log(s->k);
	for (int c = 0; c < s->candidates.k; c++)
	{
		size_t		drawn = s->plus_plus ? draw_row(s, &random, total) : (size_t) (ml_random_unit(&random) * (double) s->active);

		memcpy(s->candidate_rows + c * n, ml_kmeans_row(s, drawn), n * sizeof(double));
	}
}

/* Of the candidates the one that leaves least becomes the only one; if distances are infinite, the first. */
static void
choose_candidate(ml_kmeans *s)
{
	int			best = 0;
	double		least = INFINITY;

	for (int c = 0; c < s->candidates.k; c++)
	{
		double		left = 0;

		for (int group = 0; group < s->n_groups; group++)
			left += s->left[group * ML_KMEANS_CANDIDATES + c];
		if (left < least)
		{
			least = left;
			best = c;
		}
	}
	memmove(s->candidate_rows, s->candidate_rows + best * s->design->n_terms, s->design->n_terms * sizeof(double));
	s->candidates.k = 1;
}

/* The candidate becomes the next centre. */
static void
take_candidate(ml_kmeans *s)
{
	memcpy(ml_kmeans_centre(s, s->chosen), s->candidate_rows, s->design->n_terms * sizeof(double));
	s->chosen++;
	s->candidates.k = 0;
}

/* One piece of the choice of a centre. */
static void
choose_some(ml_kmeans *s)
{
	size_t		n = s->design->n_terms;

	if (s->candidates.k == 0)
	{
		/* Before there is a centre the shares are the weights. */
		if (s->plus_plus && s->chosen == 0 && !ml_kmeans_some_groups(s, 1, share_group))
			return;
		draw_candidates(s);
	}
	else if (s->candidates.k > 1)
	{
		if (ml_kmeans_some_groups(s, (double) s->candidates.k * n, try_group))
			choose_candidate(s);
	}
	else if (!s->plus_plus || ml_kmeans_some_groups(s, n, choose_group))
		take_candidate(s);
}

bool
ml_kmeans_choose(ml_kmeans *s)
{
	double		cost = (double) s->active * s->design->n_terms;

	for (double done = 0; s->chosen < s->k && done < ML_KMEANS_STEP; done += cost)
		choose_some(s);
	return s->chosen == s->k;
}
