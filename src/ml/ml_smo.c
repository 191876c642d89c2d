/*
 * ml_smo.c: sequential minimal optimisation.
 *
 * Words: a *point* is a number of the problem, 0 … n - 1; a *place* is where an active point stands in the arrays that
 * the inner loops go over.  u is z - Kb, so that a pair (i, j) with u_i + up_i > u_j + down_j can improve: b_i grows by
 * what b_j shrinks.  up and down are 0 or the kink of epsilon |b|, infinite where a bound is reached.
 */
#include "ml/ml_smo.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_parallel.h"
#include "ml/ml_rbf_single.h"

#define SHRINK_EVERY 1000
#define SINGLE_ERROR 2e-7		/* of kernels in single precision */
#define EVALUATION 12.0			/* operations that a kernel costs beside its terms */
#define WORTH_A_THREAD 3e6		/* operations: a millisecond, many times what starting a thread takes */
#define WORTH_SHARING 1e6		/* bytes of points, more than a processor's own cache */
#define MOST_ITERATIONS 10000000	/* or 100 for each point, if nothing else is asked for; as libsvm */

double
ml_smo_bytes(size_t capacity, int n_terms, int n_workers)
{
	double		points = (double) ml_panels(capacity) * ML_PANEL;

	return points * (8.0 * (n_terms + 13 + ML_SMO_GROUPS) + 40) + 8.0 * n_workers * ML_SMO_PIECE * (n_terms + 4) +
		8.0 * n_terms * (1 + 2 * (n_workers + 1)) + 4096;
}

ml_smo *
ml_smo_new(const ml_ctx *ctx, size_t capacity, int n_terms, int n_workers, double cache_bytes)
{
	ml_smo	   *s = ml_alloc_zero(ctx, 1, sizeof(ml_smo));
	size_t		points = ml_panels(capacity) * ML_PANEL;

	if (s == NULL)
		return NULL;
	s->ctx = *ctx;
	s->capacity = capacity;
	s->n_terms = n_terms;
	s->n_workers = n_workers;
	s->rows = ml_alloc(ctx, 5 * points + 1, sizeof(uint32_t));
	s->is_active = ml_alloc(ctx, points + 1, sizeof(bool));
	s->z = ml_alloc(ctx, (11 + ML_SMO_GROUPS) * points + 1, sizeof(double));
	s->panels = ml_alloc(ctx, points * n_terms + 1, sizeof(double));
	s->piece_panels = ml_alloc(ctx, (size_t) n_workers * ML_SMO_PIECE * (n_terms + 4), sizeof(double));
	s->centre = ml_alloc(ctx, n_terms + 1, sizeof(double));
	s->points = ml_alloc(ctx, ((size_t) n_workers + 1) * 4 * n_terms + 1, sizeof(float));
	if (s->rows == NULL || s->is_active == NULL || s->z == NULL || s->panels == NULL || s->piece_panels == NULL ||
		s->centre == NULL || s->points == NULL ||
		!ml_smo_cache_init(ctx, &s->cache, capacity, cache_bytes))
	{
		ml_smo_free(s);
		return NULL;
	}
	s->active = s->rows + points;
	s->kept = s->active + points;
	s->left_out = s->kept + points;
	s->changed = s->left_out + points;
	s->low = s->z + points;
	s->high = s->low + points;
	s->beta = s->high + points;
	s->u = s->beta + points;
	s->up = s->u + points;
	s->down = s->up + points;
	s->self = s->down + points;
	s->saved = s->self + points;
	s->self_of = s->saved + points;
	s->change = s->self_of + points;
	s->snapshots = s->change + points;
	s->piece_values = s->piece_panels + (size_t) n_workers * ML_SMO_PIECE * n_terms;
	return s;
}

void
ml_smo_free(ml_smo *s)
{
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_smo_cache_free(&ctx, &s->cache);
	ml_free(&ctx, s->rows);
	ml_free(&ctx, s->is_active);
	ml_free(&ctx, s->z);
	ml_free(&ctx, s->panels);
	ml_free(&ctx, s->piece_panels);
	ml_free(&ctx, s->centre);
	ml_free(&ctx, s->points);
	ml_free(&ctx, s);
}

/*
 * Whether kernels may be made in single precision.  Their errors, of about SINGLE_ERROR and either sign, add up in the
 * derivatives like the root of the number of points, and must be lost in the tolerance.
 */
static bool
takes_singles(const ml_smo *s)
{
	double		bound = 0;

	if (s->kernel.type != ML_KERNEL_RBF)
		return false;
	for (size_t t = 0; t < s->n; t++)
		bound = fmax(bound, fmax(fabs(s->low[t]), fabs(s->high[t])));
	return bound * sqrt((double) s->n) * SINGLE_ERROR <= s->tolerance / 2 &&
		ml_rbf_single_suits(s->kernel.gamma, s->x, s->stride, s->rows, s->n, s->n_terms, s->centre);
}

void
ml_smo_start(ml_smo *s)
{
	s->iterations = 0;
	s->converged = s->started = s->reopened = s->limit_reached = false;
	s->intercept = s->objective = 0;
	s->violation = INFINITY;
	s->n_active = s->n_padded = 0;
	s->until_shrink = SHRINK_EVERY;
	s->single = takes_singles(s);
	ml_smo_cache_reset(&s->cache, s->n, ml_panels(s->n) * ML_PANEL);
	memset(s->is_active, 0, s->n * sizeof(bool));
	/* All are left out, with the derivatives of b = 0: those of the start are made from that. */
	for (size_t t = 0; t < s->n; t++)
	{
		s->left_out[t] = (uint32_t) t;
		s->saved[t] = s->z[t];
		s->snapshots[t] = 0;
		s->self_of[t] = ml_kernel_self(&s->kernel, s->x + s->rows[t] * s->stride, s->n_terms);
	}
	s->n_groups = 1;
	s->group_start[0] = 0;
	s->group_start[1] = s->n;
	s->phase = ML_SMO_DERIVING;
	s->group = 0;
	s->place = s->source = 0;
	s->listed = false;
}

/* ---- derivatives of points that were left out ---------------------------------------------------------------------- */

/* The points whose coefficient has changed since the group was left out. */
static void
list_changed(ml_smo *s)
{
	const double *before = s->snapshots + (size_t) s->group * s->capacity;

	s->n_changed = 0;
	for (size_t t = 0; t < s->n; t++)
		if (s->beta[t] != before[t])
		{
			s->changed[s->n_changed] = (uint32_t) t;
			s->change[s->n_changed++] = s->beta[t] - before[t];
		}
	s->listed = true;
	s->place = s->group_start[s->group];
	s->source = 0;
}

typedef struct derivation
{
	ml_smo	   *s;
	size_t		n_sources;		/* from s->source on */
} derivation;

/* The kernels of changed points x with a packed piece, times their changes, off the derivatives of its points. */
static void
derive_from(ml_smo *s, int index, size_t from, size_t here, size_t first, size_t n)
{
	double	   *panels = s->piece_panels + (size_t) index * ML_SMO_PIECE * s->n_terms;
	double	   *values = s->piece_values + (size_t) index * 4 * ML_SMO_PIECE;
	float	   *points = s->points + (size_t) index * 4 * s->n_terms;
	float	   *singles = (float *) values;
	float	   *const out[4] = {singles, singles + ML_SMO_PIECE, singles + 2 * ML_SMO_PIECE, singles + 3 * ML_SMO_PIECE};
	const double *x[4];

	for (size_t k = 0; k < 4; k++)
	{
		x[k] = s->x + s->rows[s->changed[from + (k < here ? k : 0)]] * s->stride;
		if (s->single)
			ml_rbf_single_point(points + k * s->n_terms, x[k], s->centre, s->n_terms);
	}
	if (s->single)
		ml_rbf_single_rows4(s->kernel.gamma, points, (const float *) panels, ml_panels(n), s->n_terms, out);
	else
		ml_kernel_rows4_float(&s->kernel, x, panels, ml_panels(n), s->n_terms, out);
	for (size_t k = 0; k < here; k++)
		for (size_t i = 0; i < n; i++)
			s->saved[s->left_out[first + i]] -= s->change[from + k] * out[k][i];
}

/* Takes the changes of some points off the derivatives of a piece of the group; what was packed last may be used again. */
static void
derive_piece(void *arg, int index)
{
	const derivation *d = arg;
	ml_smo	   *s = d->s;
	size_t		first = s->place + (size_t) index * ML_SMO_PIECE;
	size_t		end = s->group_start[s->group + 1];
	size_t		n = end - first < ML_SMO_PIECE ? end - first : ML_SMO_PIECE;
	double	   *panels = s->piece_panels + (size_t) index * ML_SMO_PIECE * s->n_terms;
	uint32_t	which[ML_SMO_PIECE];

	for (size_t i = 0; i < n; i++)
		which[i] = s->rows[s->left_out[first + i]];
	if (s->single)
		ml_rbf_single_pack((float *) panels, s->x, s->stride, which, n, s->n_terms, s->centre);
	else
		ml_pack_points(panels, s->x, s->stride, which, n, s->n_terms);
	for (size_t from = s->source; from < s->source + d->n_sources; from += 4)
		derive_from(s, index, from, s->source + d->n_sources - from < 4 ? s->source + d->n_sources - from : 4, first, n);
}

/* Does a part of the derivatives; true when all are right. */
static bool
derive(ml_smo *s, double *work)
{
	while (s->group < s->n_groups && *work > 0)
	{
		size_t		points;
		int			pieces;
		double		evaluation = s->n_terms + EVALUATION;
		derivation	d = {s, 0};

		if (!s->listed)
			list_changed(s);
		points = s->group_start[s->group + 1] - s->place;
		if (points == 0 || s->n_changed == 0)
		{
			*work -= (double) s->n;
			s->group++;
			s->listed = false;
			continue;
		}
		pieces = (int) fmin(s->n_workers, (double) ((points + ML_SMO_PIECE - 1) / ML_SMO_PIECE));
		if (evaluation * ML_SMO_PIECE * (double) s->n_changed < WORTH_A_THREAD)
			pieces = 1;
		d.n_sources = (size_t) fmax(4, *work / (evaluation * ML_SMO_PIECE) / 4 * 4);
		if (d.n_sources > s->n_changed - s->source)
			d.n_sources = s->n_changed - s->source;
		if (pieces > 1)
			ml_parallel(&s->ctx, pieces, derive_piece, &d);
		else
			derive_piece(&d, 0);
		*work -= evaluation * ML_SMO_PIECE * (double) d.n_sources;
		s->source += d.n_sources;
		if (s->source == s->n_changed)
		{
			s->source = 0;
			s->place += (size_t) pieces * ML_SMO_PIECE;
			if (s->place > s->group_start[s->group + 1])
				s->place = s->group_start[s->group + 1];
		}
	}
	return s->group == s->n_groups;
}

/* ---- who is active -------------------------------------------------------------------------------------------------- */

/* What is added to the derivative of a point when it moves up or down; infinite where it cannot. */
static void
slopes(const ml_smo *s, uint32_t point, double *up, double *down)
{
	double		b = s->beta[point];

	*up = b >= s->high[point] ? -INFINITY : b < 0 ? s->epsilon : -s->epsilon;
	*down = b <= s->low[point] ? INFINITY : b > 0 ? -s->epsilon : s->epsilon;
}

static void
set_slopes(ml_smo *s, size_t place)
{
	slopes(s, s->active[place], &s->up[place], &s->down[place]);
}

/* Fills the arrays up after the active points and packs those from place `from` on. */
static void
settle_active(ml_smo *s, size_t from)
{
	size_t		first = from / ML_PANEL * ML_PANEL;
	uint32_t   *which = s->changed; /* free between derivations */

	s->n_padded = ml_panels(s->n_active) * ML_PANEL;
	for (size_t place = s->n_active; place < s->n_padded; place++)
	{
		s->u[place] = s->self[place] = 0;
		s->up[place] = -INFINITY;
		s->down[place] = INFINITY;
	}
	for (size_t place = first; place < s->n_active; place++)
		which[place] = s->rows[s->active[place]];
	if (s->single)
		ml_rbf_single_pack((float *) s->panels + first * s->n_terms, s->x, s->stride, which + first, s->n_active - first, s->n_terms, s->centre);
	else
		ml_pack_points(s->panels + first * s->n_terms, s->x, s->stride, which + first, s->n_active - first, s->n_terms);
}

/* Keeps the places listed in s->kept (ascending), then appends points. */
static void
set_active(ml_smo *s, size_t n_kept, const uint32_t *added, size_t n_added)
{
	size_t		same = 0;

	while (same < n_kept && s->kept[same] == same)
		same++;
	for (size_t place = 0; place < s->n_active; place++)
		s->is_active[s->active[place]] = false;
	for (size_t place = 0; place < n_kept; place++)
	{
		size_t		from = s->kept[place];

		s->active[place] = s->active[from];
		s->u[place] = s->u[from];
		s->up[place] = s->up[from];
		s->down[place] = s->down[from];
		s->self[place] = s->self[from];
		s->is_active[s->active[place]] = true;
	}
	for (size_t i = 0; i < n_added; i++)
	{
		size_t		place = n_kept + i;

		s->active[place] = added[i];
		s->is_active[added[i]] = true;
		s->u[place] = s->saved[added[i]];
		s->self[place] = s->self_of[added[i]];
		set_slopes(s, place);
	}
	ml_smo_cache_rearrange(&s->cache, s->kept, n_kept, s->is_active, ml_panels(n_kept + n_added) * ML_PANEL);
	s->n_active = n_kept + n_added;
	settle_active(s, same);
}

/* A point that is in no pair that violates the optimum, and will hardly be in one again. */
static inline bool
may_leave(double rising, double falling, const ml_smo_extremes *e)
{
	return rising < e->least && falling > e->largest;
}

/* Leaves points out, if there are enough to be worth it. */
static void
shrink(ml_smo *s, const ml_smo_extremes *e)
{
	size_t		n_kept = 0;
	size_t		end = s->group_start[s->n_groups];

	s->until_shrink = s->n < SHRINK_EVERY ? (int64_t) s->n : SHRINK_EVERY;
	if (s->n_groups == ML_SMO_GROUPS)
		return;
	for (size_t place = 0; place < s->n_active; place++)
		if (!may_leave(s->u[place] + s->up[place], s->u[place] + s->down[place], e))
			s->kept[n_kept++] = (uint32_t) place;
	if ((s->n_active - n_kept) * 10 < s->n_active)
		return;
	for (size_t place = 0, next = 0; place < s->n_active; place++)
	{
		if (next < n_kept && s->kept[next] == place)
		{
			next++;
			continue;
		}
		s->saved[s->active[place]] = s->u[place];
		s->left_out[end++] = s->active[place];
	}
	memcpy(s->snapshots + (size_t) s->n_groups * s->capacity, s->beta, s->n * sizeof(double));
	s->group_start[++s->n_groups] = end;
	set_active(s, n_kept, NULL, 0);
}

/* All derivatives are right: those who may matter become active, the others are one group.  True: it is the optimum. */
static bool
reopen(ml_smo *s)
{
	ml_smo_extremes e;
	size_t		n_left = s->group_start[s->n_groups];
	size_t		n_kept = 0;
	size_t		n_out = 0;
	size_t		n_added = 0;

	ml_smo_update(s->u, s->up, s->down, NULL, NULL, 0, s->n_padded, &e);
	for (size_t i = 0; i < n_left; i++)
	{
		uint32_t	point = s->left_out[i];
		double		up;
		double		down;

		slopes(s, point, &up, &down);
		e.largest = fmax(e.largest, s->saved[point] + up);
		e.least = fmin(e.least, s->saved[point] + down);
	}
	s->violation = e.largest - e.least;
	/* Those that come back are noted in s->changed, those that go or stay out in s->left_out. */
	for (size_t i = 0; i < n_left; i++)
	{
		uint32_t	point = s->left_out[i];
		double		up;
		double		down;

		slopes(s, point, &up, &down);
		if (!s->started || !may_leave(s->saved[point] + up, s->saved[point] + down, &e))
			s->changed[n_added++] = point;
		else
			s->left_out[n_out++] = point;
	}
	for (size_t place = 0; place < s->n_active; place++)
		if (!s->shrinking || !may_leave(s->u[place] + s->up[place], s->u[place] + s->down[place], &e))
			s->kept[n_kept++] = (uint32_t) place;
		else
		{
			s->saved[s->active[place]] = s->u[place];
			s->left_out[n_out++] = s->active[place];
		}
	/* s->change is free now, and wide enough for the points that s->changed, which packing needs, cannot keep. */
	memcpy(s->change, s->changed, n_added * sizeof(uint32_t));
	memcpy(s->snapshots, s->beta, s->n * sizeof(double));
	s->n_groups = n_out > 0 ? 1 : 0;
	s->group_start[0] = 0;
	s->group_start[s->n_groups] = n_out;
	set_active(s, n_kept, (const uint32_t *) s->change, n_added);
	s->started = true;
	return s->violation < s->tolerance;
}

/* ---- pairs ----------------------------------------------------------------------------------------------------------- */

typedef struct row_job
{
	const ml_smo *s;
	int			count;			/* of rows: 1 or 4 */
	const double *x[4];
	float	   *rows[4];
	size_t		first;			/* panels */
	size_t		end;
	int			n;
} row_job;

static void
row_part(void *arg, int index)
{
	const row_job *j = arg;
	size_t		first = j->first + (j->end - j->first) * index / j->n;
	size_t		end = j->first + (j->end - j->first) * (index + 1) / j->n;
	const double *panels = j->s->panels + first * ML_PANEL * j->s->n_terms;
	const float *singles = (const float *) j->s->panels + first * ML_PANEL * j->s->n_terms;
	const float *points = j->s->points + (size_t) j->s->n_workers * 4 * j->s->n_terms;
	float	   *rows[4];

	for (int r = 0; r < j->count; r++)
		rows[r] = j->rows[r] + first * ML_PANEL;
	if (j->s->single && j->count == 1)
		ml_rbf_single_row(j->s->kernel.gamma, points, singles, end - first, j->s->n_terms, rows[0]);
	else if (j->s->single)
		ml_rbf_single_rows4(j->s->kernel.gamma, points, singles, end - first, j->s->n_terms, rows);
	else if (j->count == 1)
		ml_kernel_row_float(&j->s->kernel, j->x[0], panels, end - first, j->s->n_terms, rows[0]);
	else
		ml_kernel_rows4_float(&j->s->kernel, j->x, panels, end - first, j->s->n_terms, rows);
}

/*
 * Points whose rows will hardly be waited for in vain: those that violate the optimum most, on the side that the point in
 * question is on, and have none.  Reading the points costs more than computing with them, so that four rows take little
 * longer than one.  Adds three to the job, if there are as many and room for their rows.
 */
static void
add_likely_rows(ml_smo *s, bool rising, row_job *j)
{
	double		scores[3] = {-INFINITY, -INFINITY, -INFINITY};
	size_t		places[3];
	const double *slope = rising ? s->up : s->down;
	double		sign = rising ? 1 : -1;

	if ((double) s->n_active * s->n_terms * sizeof(double) < WORTH_SHARING || s->cache.used + 3 > s->cache.n_slots)
		return;
	for (size_t place = 0; place < s->n_active; place++)
	{
		double		score = sign * (s->u[place] + slope[place]);
		int			at = 2;

		if (!(score > scores[2]) || s->cache.slot_of[s->active[place]] >= 0)
			continue;
		for (; at > 0 && score > scores[at - 1]; at--)
		{
			scores[at] = scores[at - 1];
			places[at] = places[at - 1];
		}
		scores[at] = score;
		places[at] = place;
	}
	if (isinf(scores[2]))
		return;
	for (int r = 0; r < 3; r++)
	{
		uint32_t   *length;

		j->x[r + 1] = s->x + s->rows[s->active[places[r]]] * s->stride;
		j->rows[r + 1] = ml_smo_cache_get(&s->cache, s->active[places[r]], &length);
		*length = (uint32_t) s->n_active;
	}
	j->count = 4;
}

/* The row of K of an active point, as long as there are active points; rising: its coefficient is to grow. */
static const float *
kernel_row(ml_smo *s, size_t place, bool rising, double *work)
{
	uint32_t	point = s->active[place];
	uint32_t   *length;
	float	   *row = ml_smo_cache_get(&s->cache, point, &length);
	row_job		j = {s, 1, {s->x + s->rows[point] * s->stride}, {row}, *length / ML_PANEL, s->n_padded / ML_PANEL, s->n_workers};
	double		cost = (double) (j.end - j.first) * ML_PANEL * (s->n_terms + EVALUATION);

	if (*length >= s->n_active)
		return row;
	if (*length == 0)
		add_likely_rows(s, rising, &j);
	*length = (uint32_t) s->n_active;
	for (int r = 0; r < j.count && s->single; r++)
		ml_rbf_single_point(s->points + ((size_t) s->n_workers * 4 + r) * s->n_terms, j.x[r], s->centre, s->n_terms);
	if (cost < WORTH_A_THREAD)
		j.n = 1;
	if (j.n > 1)
		ml_parallel(&s->ctx, j.n, row_part, &j);
	else
		row_part(&j, 0);
	*work -= cost / j.n * (j.count == 1 ? 1 : 2);
	return row;
}

/* How far a coefficient can go before it comes to a bound, or to 0 where the slope of |b| changes. */
static double
end_of_way(const ml_smo *s, uint32_t point, bool upwards)
{
	double		b = s->beta[point];

	if (upwards)
		return b < 0 && s->epsilon > 0 && s->high[point] > 0 ? 0 : s->high[point];
	return b > 0 && s->epsilon > 0 && s->low[point] < 0 ? 0 : s->low[point];
}

/* Moves the pair to the best of what both can reach; returns by how much. */
static double
move_pair(ml_smo *s, size_t i, size_t j, const float *row_i, double distance)
{
	uint32_t	a = s->active[i];
	uint32_t	b = s->active[j];
	double		curvature = s->self[i] + s->self[j] - 2 * (double) row_i[j];
	double		delta = distance / (curvature > 0 ? curvature : ML_SMO_TAU);
	double		end_a = end_of_way(s, a, true);
	double		end_b = end_of_way(s, b, false);
	double		most_a = end_a - s->beta[a];
	double		most_b = s->beta[b] - end_b;

	if (delta >= most_a && most_a <= most_b)
	{
		delta = most_a;
		s->beta[a] = end_a;
		s->beta[b] = most_a == most_b ? end_b : s->beta[b] - delta;
	}
	else if (delta >= most_b)
	{
		delta = most_b;
		s->beta[a] += delta;
		s->beta[b] = end_b;
	}
	else
	{
		s->beta[a] += delta;
		s->beta[b] -= delta;
	}
	set_slopes(s, i);
	set_slopes(s, j);
	return delta;
}

/* Derivatives must be made again of what was left out. */
static void
start_deriving(ml_smo *s)
{
	s->phase = ML_SMO_DERIVING;
	s->group = 0;
	s->listed = false;
}

/* Pair after pair; ends when the active points are at their optimum or all derivatives are wanted. */
static void
run_pairs(ml_smo *s, double *work)
{
	ml_smo_extremes e;
	bool		all_wanted = false;
	int64_t		most = s->max_iterations > 0 ? s->max_iterations : s->n > MOST_ITERATIONS / 100 ? 100 * (int64_t) s->n : MOST_ITERATIONS;

	ml_smo_update(s->u, s->up, s->down, NULL, NULL, 0, s->n_padded, &e);
	while (*work > 0)
	{
		const float *row_i;
		const float *row_j;
		size_t		j;

		s->violation = e.largest - e.least;
		if (s->shrinking && --s->until_shrink <= 0)
		{
			if (!s->reopened && s->violation <= 10 * s->tolerance)
			{
				s->reopened = true;
				s->until_shrink = SHRINK_EVERY;
				if (s->group_start[s->n_groups] > 0)
				{
					start_deriving(s);
					return;
				}
			}
			shrink(s, &e);
			ml_smo_update(s->u, s->up, s->down, NULL, NULL, 0, s->n_padded, &e);
		}
		all_wanted = !(s->violation >= s->tolerance) ||
			(s->iterations >= most && (s->limit_reached = true));
		if (all_wanted)
			break;
		row_i = kernel_row(s, e.at, true, work);
		j = ml_smo_partner(s->u, s->down, s->self, row_i, s->self[e.at], e.largest, s->n_padded);
		if (j >= s->n_active)
		{
			all_wanted = s->limit_reached = true;	/* numbers that are not finite: nothing more to gain */
			break;
		}
		row_j = kernel_row(s, j, false, work);
		{
			double		delta = move_pair(s, e.at, j, row_i, e.largest - (s->u[j] + s->down[j]));

			ml_smo_update(s->u, s->up, s->down, row_i, row_j, delta, s->n_padded, &e);
		}
		s->iterations++;
		*work -= (double) s->n_padded * 8;
	}
	if (all_wanted)
		start_deriving(s);
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

/* The intercept from points between their bounds, or from both sides where there are none; and the objective. */
static void
conclude(ml_smo *s)
{
	double		sum = 0;
	size_t		n_free = 0;
	double		upper = INFINITY;
	double		lower = -INFINITY;
	double		linear = 0;
	double		size = 0;

	for (size_t place = 0; place < s->n_active; place++)
		s->saved[s->active[place]] = s->u[place];
	for (size_t t = 0; t < s->n; t++)
	{
		double		up;
		double		down;

		slopes(s, (uint32_t) t, &up, &down);
		if (up == down)
		{
			sum += s->saved[t] + up;
			n_free++;
		}
		else
		{
			lower = fmax(lower, s->saved[t] + up);
			upper = fmin(upper, s->saved[t] + down);
		}
		linear += s->beta[t] * (s->z[t] + s->saved[t]);
		size += fabs(s->beta[t]);
	}
	if (n_free > 0)
		s->intercept = sum / (double) n_free;
	else if (isinf(upper) || isinf(lower))
		s->intercept = isinf(upper) ? (isinf(lower) ? 0 : lower) : upper;
	else
		s->intercept = (upper + lower) / 2;
	s->objective = -0.5 * linear + s->epsilon * size;
	s->phase = ML_SMO_FINISHED;
}

bool
ml_smo_run(ml_smo *s, double *work)
{
	while (s->phase != ML_SMO_FINISHED && *work > 0)
	{
		if (s->phase == ML_SMO_PAIRS)
			run_pairs(s, work);
		else if (derive(s, work))
		{
			bool		first = !s->started;
			bool		optimal = reopen(s);

			s->until_shrink = first ? s->until_shrink : 1 + SHRINK_EVERY / 10;
			s->phase = ML_SMO_PAIRS;
			if (optimal || s->limit_reached || !isfinite(s->violation) || s->n_active == 0)
			{
				s->converged = optimal;
				conclude(s);
			}
		}
	}
	return s->phase == ML_SMO_FINISHED;
}

/* ---- deciding --------------------------------------------------------------------------------------------------------- */

/* The panels of the active points are free now, and the list of changes. */
void
ml_smo_pack_vectors(ml_smo *s)
{
	s->n_changed = 0;
	for (size_t t = 0; t < s->n; t++)
		if (s->beta[t] != 0)
		{
			s->change[s->n_changed] = s->beta[t];
			s->changed[s->n_changed++] = s->rows[t];
		}
	ml_pack_points(s->panels, s->x, s->stride, s->changed, s->n_changed, s->n_terms);
}

void
ml_smo_decide(ml_smo *s, const double *const x[4], double values[4], double *work)
{
	for (int r = 0; r < 4; r++)
		values[r] = s->intercept;
	for (size_t first = 0; first < s->n_changed; first += ML_SMO_PIECE)
	{
		size_t		here = s->n_changed - first < ML_SMO_PIECE ? s->n_changed - first : ML_SMO_PIECE;

		ml_kernel_rows4(&s->kernel, x, s->panels + first * s->n_terms, ml_panels(here), s->n_terms, s->piece_values, ML_SMO_PIECE);
		for (int r = 0; r < 4; r++)
			values[r] += ml_dot(s->change + first, s->piece_values + r * ML_SMO_PIECE, here);
	}
	*work -= 2 * (double) s->n_changed * (s->n_terms + EVALUATION);
}
