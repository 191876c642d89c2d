/*
 * ml_fit_kmeans.c: the estimator kmeans.
 *
 * Starts by k-means++ (Arthur and Vassilvitskii 2007), greedy as scikit-learn's: of 2 + log k candidates for a centre the
 * one that leaves the least distance.  Then Lloyd's rounds with the bounds of Hamerly (2010): a row whose nearest centre
 * cannot have changed is not compared, nor even read, for the sums of the clusters change by the rows that move alone; they
 * are taken anew every some rounds, lest rounding add up.  Rows are compared with the centres eight at a time.  Sums are
 * of ranges of rows and added in a fixed order, so the result is the same bits whatever the number of threads.
 *
 * With batches (Sculley 2010) a centre is the mean of all rows that batches have given to it so far; rows come in the order
 * of their content's hash, so the first ones, in which such a start looks for its centres, are as good as any drawn.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_centres.h"
#include "ml/ml_kernels.h"
#include "ml/ml_kmeans.h"
#include "ml/ml_parallel.h"
#include "ml/ml_random.h"

#define RANGE 4096				/* rows whose sums are one number in the fixed order */
#define STEP_NUMBERS 2e7		/* distances times terms that a step may cost, at most about */
#define MAX_GROUPS 64			/* of ranges: partial sums that are kept */
#define ROUNDS_PER_SUM 32		/* rounds until the sums are taken anew */
#define RANDOM_KMEANS 0x6b6d65616e73ULL
#define RANDOM_BATCH 0x6b6261746368ULL

enum
{
	PARAM_BATCH_SIZE = 0,
	PARAM_INIT,
	PARAM_MAX_ITER,
	PARAM_MAX_NO_IMPROVEMENT,
	PARAM_N_CLUSTERS,
	PARAM_N_INIT,
	PARAM_TOL
};

enum
{
	INIT_PLUS_PLUS = 0,
	INIT_RANDOM
};

static const char *const inits[] = {"k-means++", "random", NULL};

static const ml_param_spec specs[] = {
	[PARAM_BATCH_SIZE] = {"batch_size", ML_PARAM_INTEGER, 0, 0, 1e9, false, NULL,
	"Rows that centres are moved by at a time (mini-batch); 0: all"},
	[PARAM_INIT] = {"init", ML_PARAM_CHOICE, INIT_PLUS_PLUS, 0, 1, false, inits, "How the first centres are chosen among the rows"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 300, 1, 1e9, false, NULL, "Most rounds of a start"},
	[PARAM_MAX_NO_IMPROVEMENT] = {"max_no_improvement", ML_PARAM_INTEGER, 10, 1, 1e9, false, NULL,
	"A start with batches ends when so many have not lowered the mean inertia of those before"},
	[PARAM_N_CLUSTERS] = {"n_clusters", ML_PARAM_INTEGER, 8, 1, 1e6, false, NULL, "Number of clusters"},
	[PARAM_N_INIT] = {"n_init", ML_PARAM_INTEGER, 1, 1, 1e6, false, NULL, "Starts, of which the one with the least inertia is kept"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-4, 0, INFINITY, false, NULL,
	"A start ends when its centres move by less, squared, than this times the mean variance of the terms"},
};

typedef struct kmeans_state
{
	ml_ctx		ctx;
	const ml_design *design;
	int			k;
	int			n_init;
	int			max_iter;
	int			init;
	double		tol;			/* squared movement */
	size_t		batch;			/* rows; 0: none */
	int			patience;		/* batches without improvement */
	int			unimproved;
	double		smooth_inertia;	/* of a row, of the batches so far, the last ones above all */
	double		least_inertia;
	uint64_t	batches;		/* of the start */
	double	   *seen;			/* (k) weight that batches gave to the clusters; shares memory with moved */
	size_t		active;			/* rows at work: all, or those that a start with batches chooses from */
	bool		choosing;		/* centres to start from */
	int			start;			/* 0 … n_init - 1 */
	int			round;
	int			chosen;			/* centres so far, in CHOOSE */
	double	   *centres;		/* (k, n_terms) */
	double	   *best;			/* (k, n_terms) of the best start */
	double		best_inertia;
	int			best_rounds;
	bool		best_converged;
	double	   *half_gap;		/* (k) half the distance to the next centre */
	double	   *moved;			/* (k) */
	double		furthest;		/* of moved */
	double		second_furthest;
	int			furthest_centre;
	int32_t    *nearest;		/* (rows) */
	double	   *upper;			/* (rows) bound on the distance to the nearest centre; in CHOOSE its square itself */
	double	   *lower;			/* (rows) bound on the distance to any other */
	int			n_groups;		/* of rows, whose sums are apart */
	int			groups_done;	/* in the round at work */
	double	   *sums;			/* (n_groups, k, n_terms) */
	double	   *weights;		/* (n_groups, k) */
	double	   *totals;			/* (n_groups) */
	double	   *counts;			/* (n_groups, k) rows, which tell empty clusters as sums of weights cannot */
	double	   *blocks;			/* (n_groups, n_terms, ML_LANES) rows that are compared together */
	double	   *moving;			/* (n_terms) a centre's new place */
	double	   *distances;		/* the memory of the two below */
	double	   *candidate_distances;	/* (rows), for the candidates of a centre */
	const double *candidate;
	double	   *spare;			/* (rows) the best candidate's */
} kmeans_state;

static ml_status
no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}

static inline const double *
row(const kmeans_state *s, size_t i)
{
	return s->design->x + i * s->design->stride;
}

static inline double
weight(const kmeans_state *s, size_t i)
{
	return s->design->weights ? s->design->weights[i] : 1;
}

static inline double *
centre(const kmeans_state *s, int k)
{
	return s->centres + (size_t) k * s->design->n_terms;
}

/* The rows of a group. */
static void
group_rows(const kmeans_state *s, int group, size_t *first, size_t *end)
{
	size_t		ranges = (s->active + RANGE - 1) / RANGE;

	*first = ranges * group / s->n_groups * RANGE;
	*end = ranges * (group + 1) / s->n_groups * RANGE;
	if (*end > s->active)
		*end = s->active;
}

/* Of the rows of a group the weight and the sums of the terms, or the squares about what is in `moving`. */
static void
variance_group(void *arg, int group)
{
	kmeans_state *s = arg;
	int			n = s->design->n_terms;
	double	   *sums = s->sums + (size_t) group * s->k * n;
	size_t		first;
	size_t		end;

	group_rows(s, group, &first, &end);
	s->totals[group] = 0;
	memset(sums, 0, n * sizeof(double));
	for (size_t i = first; i < end; i++)
	{
		double		here = weight(s, i);
		const double *x = row(s, i);

		s->totals[group] += here;
		for (int j = 0; j < n; j++)
			sums[j] += s->chosen == 0 ? here * x[j] : here * (x[j] - s->moving[j]) * (x[j] - s->moving[j]);
	}
}

/* The mean over the terms of their variances; `chosen` says which of the two passes it is. */
static double
mean_variance(kmeans_state *s)
{
	int			n = s->design->n_terms;
	double		squares = 0;
	double		all = 0;

	memset(s->moving, 0, n * sizeof(double));
	for (s->chosen = 0; s->chosen < 2; s->chosen++)
	{
		ml_parallel(&s->ctx, s->n_groups, variance_group, s);
		for (int group = 0; group < s->n_groups; group++)
		{
			const double *sums = s->sums + (size_t) group * s->k * n;

			all += s->chosen == 0 ? s->totals[group] : 0;
			for (int j = 0; j < n; j++)
				*(s->chosen == 0 ? s->moving + j : &squares) += sums[j];
		}
		for (int j = 0; j < n && s->chosen == 0; j++)
			s->moving[j] /= all;
	}
	s->chosen = 0;
	return n > 0 ? squares / all / n : 0;
}

/* Centres are chosen among all rows, or with batches among three batches' and three for each cluster at least. */
static void
begin_start(kmeans_state *s)
{
	size_t		wanted = 3 * (s->batch > (size_t) s->k ? s->batch : (size_t) s->k);

	s->active = s->batch > 0 && wanted < s->design->rows ? wanted : s->design->rows;
	s->round = s->chosen = 0;
	s->choosing = true;
}

static ml_status
kmeans_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	kmeans_state *s = ml_alloc_zero(ctx, 1, sizeof(kmeans_state));
	const ml_design *d = input->design;
	size_t		cells;

	*state = s;
	if (s == NULL)
		return no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	s->k = (int) params[PARAM_N_CLUSTERS];
	s->n_init = (int) params[PARAM_N_INIT];
	s->max_iter = (int) params[PARAM_MAX_ITER];
	s->init = (int) params[PARAM_INIT];
	s->batch = (size_t) params[PARAM_BATCH_SIZE] < d->rows ? (size_t) params[PARAM_BATCH_SIZE] : 0;
	s->patience = (int) params[PARAM_MAX_NO_IMPROVEMENT];
	s->active = d->rows;
	if ((size_t) s->k > d->rows)
		return ml_fail(err, ML_BAD_DATA, "Lower the parameter \"n_clusters\".", "there are %zu rows for %d clusters", d->rows, s->k);
	cells = (size_t) s->k * d->n_terms;
	s->n_groups = (int) ((d->rows + RANGE - 1) / RANGE);
	s->n_groups = s->n_groups > MAX_GROUPS ? MAX_GROUPS : s->n_groups;
	s->centres = ml_alloc(ctx, cells + 1, sizeof(double));
	s->best = ml_alloc(ctx, cells + 1, sizeof(double));
	s->half_gap = ml_alloc(ctx, 2 * (size_t) s->k, sizeof(double));
	s->nearest = ml_alloc_zero(ctx, d->rows, sizeof(int32_t));
	s->upper = ml_alloc(ctx, 2 * d->rows, sizeof(double));
	s->distances = ml_alloc(ctx, 2 * d->rows, sizeof(double));
	s->sums = ml_alloc(ctx, s->n_groups * (cells + 2 * (size_t) s->k + 1 + ML_LANES * (size_t) d->n_terms) + d->n_terms, sizeof(double));
	if (s->centres == NULL || s->best == NULL || s->half_gap == NULL || s->nearest == NULL || s->upper == NULL ||
		s->distances == NULL || s->sums == NULL)
		return no_memory(err);
	s->moved = s->half_gap + s->k;
	s->lower = s->upper + d->rows;
	s->candidate_distances = s->distances;
	s->spare = s->distances + d->rows;
	s->weights = s->sums + s->n_groups * cells;
	s->totals = s->weights + (size_t) s->n_groups * s->k;
	s->counts = s->totals + s->n_groups;
	s->blocks = s->counts + (size_t) s->n_groups * s->k;
	s->moving = s->blocks + (size_t) s->n_groups * ML_LANES * d->n_terms;
	s->tol = params[PARAM_TOL] * mean_variance(s);
	s->best_inertia = INFINITY;
	s->seen = s->moved;
	begin_start(s);
	return ML_OK;
}

/* ---- the start ---------------------------------------------------------------------------------------------------- */

/* Squared distances to the candidate, where they are less than what there was; and their weighted sum. */
static void
candidate_group(void *arg, int group)
{
	kmeans_state *s = arg;
	size_t		first;
	size_t		end;
	double		total = 0;

	group_rows(s, group, &first, &end);
	for (size_t i = first; i < end; i++)
	{
		double		distance = ml_squared_distance(row(s, i), s->candidate, s->design->n_terms);

		if (s->chosen > 0 && s->upper[i] < distance)
			distance = s->upper[i];
		s->candidate_distances[i] = distance;
		total += weight(s, i) * distance;
	}
	s->totals[group] = total;
}

static double
add_totals(const kmeans_state *s)
{
	double		total = 0;

	for (int group = 0; group < s->n_groups; group++)
		total += s->totals[group];
	return total;
}

/* A row drawn with the weights times squared distances so far. */
static size_t
draw_row(const kmeans_state *s, double total, ml_random *r)
{
	double		wanted = ml_random_unit(r) * total;
	size_t		last = 0;

	for (size_t i = 0; i < s->active; i++)
	{
		double		share = weight(s, i) * (s->chosen > 0 ? s->upper[i] : 1);

		if (share <= 0)
			continue;
		last = i;
		wanted -= share;
		if (wanted < 0)
			break;
	}
	return last;
}

/* Chooses the next centre. */
static void
choose_centre(kmeans_state *s)
{
	ml_random	r = ml_random_stream(s->ctx.seed, RANDOM_KMEANS + s->start, s->chosen);
	int			candidates = s->chosen == 0 || s->init == INIT_RANDOM ? 1 : 2 + (int) log(s->k);
	double		total = 0;
	double		least = INFINITY;
	size_t		best = 0;

	for (size_t i = 0; i < s->active; i++)
		total += weight(s, i) * (s->chosen > 0 && s->init == INIT_PLUS_PLUS ? s->upper[i] : 1);
	for (int c = 0; c < candidates; c++)
	{
		size_t		drawn = s->init == INIT_PLUS_PLUS ? draw_row(s, total, &r) :
			(size_t) (ml_random_unit(&r) * (double) s->active);
		double		left;

		s->candidate = row(s, drawn);
		ml_parallel(&s->ctx, s->n_groups, candidate_group, s);
		left = add_totals(s);
		if (left < least)
		{
			double	   *swap = s->spare;

			least = left;
			best = drawn;
			s->spare = s->candidate_distances;
			s->candidate_distances = swap;
		}
	}
	memcpy(s->upper, s->spare, s->active * sizeof(double));
	memcpy(centre(s, s->chosen), row(s, best), s->design->n_terms * sizeof(double));
	s->chosen++;
}

/* ---- rounds ------------------------------------------------------------------------------------------------------- */

static void
measure_gaps(kmeans_state *s)
{
	for (int a = 0; a < s->k; a++)
		s->half_gap[a] = INFINITY;
	for (int a = 0; a < s->k; a++)
		for (int b = 0; b < a; b++)
		{
			double		half = 0.5 * sqrt(ml_squared_distance(centre(s, a), centre(s, b), s->design->n_terms));

			s->half_gap[a] = fmin(s->half_gap[a], half);
			s->half_gap[b] = fmin(s->half_gap[b], half);
		}
}

/* The nearest and the second nearest centre of up to ML_LANES rows, all compared. */
static void
compare_rows(kmeans_state *s, int group, const size_t *rows, int count)
{
	size_t		n = s->design->n_terms;
	double	   *block = s->blocks + group * ML_LANES * n;
	int32_t		nearest[ML_LANES];
	double		least[ML_LANES];
	double		second[ML_LANES];

	for (int lane = 0; lane < ML_LANES; lane++)
	{
		const double *x = row(s, rows[lane < count ? lane : 0]);

		for (size_t j = 0; j < n; j++)
			block[j * ML_LANES + lane] = x[j];
	}
	ml_nearest_two(block, s->centres, s->k, n, nearest, least, second);
	for (int lane = 0; lane < count; lane++)
	{
		s->nearest[rows[lane]] = nearest[lane];
		s->upper[rows[lane]] = sqrt(least[lane]);
		s->lower[rows[lane]] = sqrt(second[lane]);
	}
}

/* Adds a row to the sums of a cluster, or takes it away: sign -1. */
static inline void
add_row(kmeans_state *s, int group, size_t i, int cluster, double sign)
{
	size_t		cell = (size_t) group * s->k + cluster;

	s->weights[cell] += sign * weight(s, i);
	s->counts[cell] += sign;
	ml_axpy(s->sums + cell * s->design->n_terms, sign * weight(s, i), row(s, i), s->design->n_terms);
}

/* Compares the rows that wait; those that move change the sums, unless these are taken anew. */
static void
compare_waiting(kmeans_state *s, int group, const size_t *rows, int count, bool anew)
{
	int32_t		before[ML_LANES];

	for (int k = 0; k < count; k++)
		before[k] = s->nearest[rows[k]];
	compare_rows(s, group, rows, count);
	for (int k = 0; k < count && !anew; k++)
		if (s->nearest[rows[k]] != before[k])
		{
			add_row(s, group, rows[k], before[k], -1);
			add_row(s, group, rows[k], s->nearest[rows[k]], 1);
		}
}

/* Whether the bounds leave open which centre is the nearest. */
static inline bool
is_open(kmeans_state *s, size_t i)
{
	int			nearest = s->nearest[i];
	double		limit;

	if (s->round == 0)
		return true;
	s->upper[i] += s->moved[nearest];
	s->lower[i] -= nearest == s->furthest_centre ? s->second_furthest : s->furthest;
	limit = fmax(s->half_gap[nearest], s->lower[i]);
	if (s->upper[i] <= limit)
		return false;
	s->upper[i] = sqrt(ml_squared_distance(row(s, i), centre(s, nearest), s->design->n_terms));
	return s->upper[i] > limit;
}

/* Assigns the rows of a group, and brings its sums up to date. */
static void
assign_group(void *arg, int group)
{
	kmeans_state *s = arg;
	size_t		cells = (size_t) s->k * s->design->n_terms;
	bool		anew = s->round % ROUNDS_PER_SUM == 0;
	size_t		waiting[ML_LANES];
	int			count = 0;
	size_t		first;
	size_t		end;

	group_rows(s, group, &first, &end);
	for (size_t i = first; i < end; i++)
	{
		if (!is_open(s, i))
			continue;
		waiting[count++] = i;
		if (count == ML_LANES)
		{
			compare_waiting(s, group, waiting, count, anew);
			count = 0;
		}
	}
	if (count > 0)
		compare_waiting(s, group, waiting, count, anew);
	if (!anew)
		return;
	memset(s->sums + group * cells, 0, cells * sizeof(double));
	memset(s->weights + (size_t) group * s->k, 0, s->k * sizeof(double));
	memset(s->counts + (size_t) group * s->k, 0, s->k * sizeof(double));
	for (size_t i = first; i < end; i++)
		add_row(s, group, i, s->nearest[i], 1);
}

/* A cluster that lost all its rows starts again at the row that is farthest from its centre. */
static void
revive(kmeans_state *s, int empty)
{
	size_t		farthest = 0;
	double		distance = -1;

	for (size_t i = 0; i < s->design->rows; i++)
	{
		double		here = ml_squared_distance(row(s, i), centre(s, s->nearest[i]), s->design->n_terms);

		if (here > distance)
		{
			distance = here;
			farthest = i;
		}
	}
	memcpy(centre(s, empty), row(s, farthest), s->design->n_terms * sizeof(double));
}

/* Moves the centres to the means of their rows; returns the sum of the squares of the ways. */
static double
move_centres(kmeans_state *s)
{
	int			n = s->design->n_terms;
	size_t		cells = (size_t) s->k * n;
	double		total = 0;

	s->furthest = s->second_furthest = 0;
	s->furthest_centre = -1;
	for (int c = 0; c < s->k; c++)
	{
		double	   *sum = s->moving;
		double		all = 0;
		double		rows = 0;
		double		way;

		memset(sum, 0, n * sizeof(double));
		for (int group = 0; group < s->n_groups; group++)
		{
			all += s->weights[(size_t) group * s->k + c];
			rows += s->counts[(size_t) group * s->k + c];
			ml_axpy(sum, 1, s->sums + group * cells + (size_t) c * n, n);
		}
		if (rows > 0)
			for (int j = 0; j < n; j++)
				sum[j] /= all;
		else
		{
			revive(s, c);
			s->moved[c] = INFINITY;
			total = INFINITY;
			s->second_furthest = s->furthest;
			s->furthest = INFINITY;
			s->furthest_centre = c;
			continue;
		}
		way = ml_squared_distance(sum, centre(s, c), n);
		memcpy(centre(s, c), sum, n * sizeof(double));
		total += way;
		s->moved[c] = sqrt(way);
		if (s->moved[c] > s->furthest)
		{
			s->second_furthest = s->furthest;
			s->furthest = s->moved[c];
			s->furthest_centre = c;
		}
		else if (s->moved[c] > s->second_furthest)
			s->second_furthest = s->moved[c];
	}
	return total;
}

static void
inertia_group(void *arg, int group)
{
	kmeans_state *s = arg;
	size_t		first;
	size_t		end;
	double		total = 0;

	group_rows(s, group, &first, &end);
	for (size_t i = first; i < end; i += ML_LANES)
	{
		int			count = end - i < ML_LANES ? (int) (end - i) : ML_LANES;
		size_t		rows[ML_LANES];

		for (int k = 0; k < count; k++)
			rows[k] = i + k;
		compare_rows(s, group, rows, count);
		for (int k = 0; k < count; k++)
			total += weight(s, i + k) * s->upper[i + k] * s->upper[i + k];
	}
	s->totals[group] = total;
}

/* The start has come to its end: is it the best? */
static void
end_start(kmeans_state *s, bool converged)
{
	double		inertia;

	s->active = s->design->rows;
	ml_parallel(&s->ctx, s->n_groups, inertia_group, s);
	inertia = add_totals(s);
	if (inertia < s->best_inertia)
	{
		s->best_inertia = inertia;
		s->best_rounds = s->round;
		s->best_converged = converged;
		memcpy(s->best, s->centres, (size_t) s->k * s->design->n_terms * sizeof(double));
	}
	s->start++;
	begin_start(s);
}

/* ---- batches ------------------------------------------------------------------------------------------------------ */

/* Moves the centres by one batch, drawn with replacement; returns its mean inertia. */
static double
do_batch(kmeans_state *s)
{
	ml_random	r = ml_random_stream(s->ctx.seed, RANDOM_BATCH + s->start, s->batches++);
	double		total = 0;
	double		inertia = 0;

	for (size_t done = 0; done < s->batch; done += ML_LANES)
	{
		int			count = s->batch - done < ML_LANES ? (int) (s->batch - done) : ML_LANES;
		size_t		rows[ML_LANES];

		for (int k = 0; k < count; k++)
			rows[k] = (size_t) (ml_random_unit(&r) * (double) s->design->rows);
		compare_rows(s, 0, rows, count);
		for (int k = 0; k < count; k++)
		{
			add_row(s, 0, rows[k], s->nearest[rows[k]], 1);
			total += weight(s, rows[k]);
			inertia += weight(s, rows[k]) * s->upper[rows[k]] * s->upper[rows[k]];
		}
	}
	for (int c = 0; c < s->k; c++)
	{
		double	   *sum = s->sums + (size_t) c * s->design->n_terms;
		double	   *mean = centre(s, c);

		if (!(s->counts[c] > 0))
			continue;
		s->seen[c] += s->weights[c];
		/* mean += (sum - weight mean) / all so far */
		for (int j = 0; j < s->design->n_terms; j++)
			mean[j] += (sum[j] - s->weights[c] * mean[j]) / s->seen[c];
	}
	return inertia / total;
}

/* Some batches; ends the start when they improve no longer. */
static void
do_batches(kmeans_state *s)
{
	double		per_round = (double) s->design->rows / (double) s->batch;
	double		alpha = fmin(1, 2 * (double) s->batch / ((double) s->design->rows + 1));
	double		cost = (double) s->batch * s->design->n_terms * (s->k + 2) + (double) s->k * s->design->n_terms;

	if (s->batches == 0)
	{
		memset(s->seen, 0, s->k * sizeof(double));
		s->least_inertia = INFINITY;
		s->unimproved = 0;
	}
	for (double done = 0; done < STEP_NUMBERS; done += cost)
	{
		double		inertia;

		memset(s->sums, 0, (size_t) s->k * s->design->n_terms * sizeof(double));
		memset(s->weights, 0, s->k * sizeof(double));
		memset(s->counts, 0, s->k * sizeof(double));
		inertia = do_batch(s);
		/* The first batch tells of the start, not of what batches do. */
		if (s->batches == 1)
			continue;
		s->smooth_inertia = s->batches == 2 ? inertia : s->smooth_inertia + alpha * (inertia - s->smooth_inertia);
		s->unimproved = s->smooth_inertia < s->least_inertia ? 0 : s->unimproved + 1;
		s->least_inertia = fmin(s->least_inertia, s->smooth_inertia);
		s->round = (int) ((double) s->batches / per_round);
		if (s->unimproved >= s->patience || (double) s->batches >= s->max_iter * per_round)
		{
			s->batches = 0;
			end_start(s, s->unimproved >= s->patience);
			return;
		}
	}
}

/* ---- steps -------------------------------------------------------------------------------------------------------- */

static void
assign_next_group(void *arg, int index)
{
	assign_group(arg, ((kmeans_state *) arg)->groups_done + index);
}

/* A part of a round; true when all rows are assigned. */
static bool
assign_some(kmeans_state *s)
{
	double		cost = (double) s->design->rows / s->n_groups * s->design->n_terms * s->k;
	int			wanted = (int) fmax(s->ctx.nthreads, fmin(STEP_NUMBERS * s->ctx.nthreads / (cost + 1), MAX_GROUPS));

	if (s->groups_done == 0 && s->round > 0)
		measure_gaps(s);
	if (wanted > s->n_groups - s->groups_done)
		wanted = s->n_groups - s->groups_done;
	ml_parallel(&s->ctx, wanted, assign_next_group, s);
	s->groups_done += wanted;
	if (s->groups_done < s->n_groups)
		return false;
	s->groups_done = 0;
	return true;
}

static ml_status
kmeans_step(void *state, ml_progress *progress, ml_error *err)
{
	kmeans_state *s = state;
	double		cost = (double) s->active * s->design->n_terms;

	(void) err;
	if (s->choosing)
	{
		for (double done = 0; s->chosen < s->k && done < STEP_NUMBERS; done += cost * (2 + log(s->k)))
			choose_centre(s);
		s->choosing = s->chosen < s->k;
	}
	else if (s->batch > 0)
	{
		int			start = s->start;

		do_batches(s);
		progress->iteration = s->round;
		if (s->start > start && s->start == s->n_init)
		{
			progress->share = 1;
			progress->loss = s->best_inertia;
			return ML_DONE;
		}
	}
	else if (assign_some(s))
	{
		double		way = move_centres(s);

		s->round++;
		progress->iteration = s->round;
		if (way <= s->tol || s->round >= s->max_iter)
			end_start(s, way <= s->tol);
		if (s->start == s->n_init)
		{
			progress->share = 1;
			progress->loss = s->best_inertia;
			return ML_DONE;
		}
	}
	progress->share = ((double) s->start + 0.5 * s->chosen / s->k + 0.5 * (double) s->round / s->max_iter) / s->n_init;
	if (isfinite(s->best_inertia))
		progress->loss = s->best_inertia;
	return ML_MORE;
}

static ml_status
kmeans_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	kmeans_state *s = state;
	ml_centres *centres = ml_centres_new(&s->ctx, s->design->n_terms, s->k);
	ml_report_matrix *added;
	double	   *sizes;
	ml_status	status = ML_OK;

	if (centres == NULL)
		return no_memory(err);
	if (!isfinite(s->best_inertia))
	{
		ml_centres_class.free(&s->ctx, centres);
		return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the distances of the rows overflow");
	}
	memcpy(centres->centres, s->best, (size_t) s->k * s->design->n_terms * sizeof(double));
	status = ml_model_set_predictor(model, &ml_centres_class, centres, err);
	if (status != ML_OK || report == NULL)
		return status;
	memcpy(s->centres, s->best, (size_t) s->k * s->design->n_terms * sizeof(double));
	sizes = s->moved;
	s->active = s->design->rows;
	memset(sizes, 0, s->k * sizeof(double));
	ml_parallel(&s->ctx, s->n_groups, inertia_group, s);
	for (size_t i = 0; i < s->design->rows; i++)
		sizes[s->nearest[i]] += weight(s, i);
	status = ml_report_init(&s->ctx, report, 0, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "cluster_centers", s->best, s->k, s->design->n_terms, &added, err);
	if (status == ML_OK)
	{
		added->columns_are_terms = true;
		status = ml_report_array(&s->ctx, report, "cluster_sizes", sizes, s->k, 1, NULL, err);
	}
	report->iterations = s->best_rounds;
	report->converged = s->best_converged;
	ml_report_fact(report, "inertia", s->best_inertia);
	return status;
}

static void
kmeans_end(void *state)
{
	kmeans_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_free(&ctx, s->centres);
	ml_free(&ctx, s->best);
	ml_free(&ctx, s->half_gap);
	ml_free(&ctx, s->nearest);
	ml_free(&ctx, s->upper);
	ml_free(&ctx, s->distances);
	ml_free(&ctx, s->sums);
	ml_free(&ctx, s);
}

const double *
ml_kmeans_centres(const void *state)
{
	return ((const kmeans_state *) state)->best;
}

const int32_t *
ml_kmeans_nearest(const void *state)
{
	return ((const kmeans_state *) state)->nearest;
}

const ml_estimator ml_estimator_kmeans = {
	.name = "kmeans", .tasks = ML_TASK_BIT(ML_CLUSTERING), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = kmeans_begin, .step = kmeans_step, .finish = kmeans_finish, .end = kmeans_end
};
