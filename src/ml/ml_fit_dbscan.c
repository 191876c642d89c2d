/*
 * ml_fit_dbscan.c: the estimator dbscan: clusters as regions where rows lie densely, of any shape and number.
 *
 * A row is *core* if rows of a weight of min_samples at least, itself among them, are no farther than eps.  Core rows that
 * are no farther than eps from each other are of one cluster; other rows belong to the nearest core row, if that is no
 * farther than eps, and to no cluster else (Ester, Kriegel, Sander and Xu 1996; that the *nearest* decides, and not the
 * one that was found first, makes clusters independent of the order of the rows).
 *
 * All rows look for their neighbours twice, in threads: to be counted, and to be linked in a forest whose trees are the
 * clusters (a lock-free union-find: roots link to smaller ones only, so a tree's root is its smallest row).
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "ml/ml_clusters.h"
#include "ml/ml_density.h"
#include "ml/ml_parallel.h"

#define STEP_NUMBERS 3e7		/* numbers of points that a thread compares in a step, about */
#define PIECES 8				/* of a step, for each thread */
#define NOBODY UINT32_MAX

enum
{
	PARAM_EPS = 0,
	PARAM_METRIC,
	PARAM_MIN_SAMPLES
};

static const char *const metrics[] = {"euclidean", "manhattan", "chebyshev", NULL};	/* as ml_metric */

static const ml_param_spec specs[] = {
	[PARAM_EPS] = {"eps", ML_PARAM_NUMBER, 0.5, 0, INFINITY, true, NULL, "How far apart neighbours may be"},
	[PARAM_METRIC] = {"metric", ML_PARAM_CHOICE, ML_METRIC_EUCLIDEAN, 0, 2, false, metrics, "The distance of two rows"},
	[PARAM_MIN_SAMPLES] = {"min_samples", ML_PARAM_NUMBER, 5, 0, INFINITY, true, NULL,
	"Weight of the neighbours that a core row has at least, itself among them"},
};

typedef enum dbscan_phase
{
	INDEX,						/* all rows */
	COUNT,
	LINK,
	INDEX_CORE
} dbscan_phase;

typedef struct dbscan_state
{
	ml_ctx		ctx;
	const ml_design *design;
	double		eps;
	double		min_samples;
	int			metric;
	dbscan_phase phase;
	void	   *index;			/* the estimator neighbors at work */
	ml_neighbors *points;		/* all rows */
	size_t		done;			/* rows, of COUNT or LINK */
	size_t		piece;			/* rows of a piece */
	size_t		last;			/* rows before this are in the pieces at work */
	_Atomic size_t compared;	/* by the pieces */
	bool	   *core;			/* (rows) */
	_Atomic uint32_t *parent;	/* (rows) of core rows in the forest; of others the nearest core row, or NOBODY */
	int			n_clusters;
	size_t		n_core;
	double		noise;			/* weight of rows in no cluster */
	double	   *sizes;			/* (n_clusters) */
	double	   *number;			/* (rows) of a root: the cluster's number */
	double	   *core_x;			/* (n_core, n_terms) */
	double	   *core_label;		/* (n_core) */
	ml_design	core_design;
	ml_density *density;		/* handed to the model by finish */
} dbscan_state;

static ml_status
begin_index(dbscan_state *s, const ml_design *design, ml_error *err)
{
	ml_train_input input = {.design = design};
	double		params[ML_MAX_PARAMS];

	ml_estimator_defaults(&ml_estimator_neighbors, params);
	params[ml_estimator_param(&ml_estimator_neighbors, "n_neighbors")] = 1;
	params[ml_estimator_param(&ml_estimator_neighbors, "metric")] = s->metric;
	return ml_estimator_neighbors.begin(&s->ctx, &input, params, &s->index, err);
}

static ml_status
dbscan_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	dbscan_state *s = ml_alloc_zero(ctx, 1, sizeof(dbscan_state));
	const ml_design *d = input->design;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	s->eps = params[PARAM_EPS];
	s->metric = (int) params[PARAM_METRIC];
	s->min_samples = params[PARAM_MIN_SAMPLES];
	s->piece = 1;
	s->core = ml_alloc_zero(ctx, d->rows, sizeof(bool));
	s->parent = ml_alloc(ctx, d->rows, sizeof(uint32_t));
	s->number = ml_alloc_zero(ctx, d->rows, sizeof(double));
	s->density = ml_alloc_zero(ctx, 1, sizeof(ml_density));
	if (s->core == NULL || s->parent == NULL || s->number == NULL || s->density == NULL)
		return ml_no_memory(err);
	s->density->eps = s->eps;
	return begin_index(s, d, err);
}

/* ---- pieces of rows ----------------------------------------------------------------------------------------------- */

typedef struct counting
{
	const dbscan_state *s;
	double		weight;
} counting;

static void
count_neighbor(void *arg, uint32_t id, double distance)
{
	counting   *c = arg;

	(void) distance;
	c->weight += ml_design_weight(c->s->design, id);
}

/* The root of a row's tree, with the way there halved. */
static uint32_t
find_root(_Atomic uint32_t *parent, uint32_t i)
{
	for (;;)
	{
		uint32_t	up = atomic_load_explicit(&parent[i], memory_order_relaxed);
		uint32_t	above = atomic_load_explicit(&parent[up], memory_order_relaxed);

		if (up == above)
			return up;
		atomic_compare_exchange_weak(&parent[i], &up, above);
		i = above;
	}
}

static void
unite(_Atomic uint32_t *parent, uint32_t a, uint32_t b)
{
	for (;;)
	{
		uint32_t	root_a = find_root(parent, a);
		uint32_t	root_b = find_root(parent, b);
		uint32_t	larger = root_a > root_b ? root_a : root_b;
		uint32_t	expected = larger;

		if (root_a == root_b || atomic_compare_exchange_strong(&parent[larger], &expected, root_a < root_b ? root_a : root_b))
			return;
	}
}

typedef struct linking
{
	dbscan_state *s;
	uint32_t	row;
	uint32_t	nearest;		/* core row, for one that is not */
	double		distance;
} linking;

static void
link_neighbor(void *arg, uint32_t id, double distance)
{
	linking    *l = arg;

	if (!l->s->core[id])
		return;
	if (l->s->core[l->row])
	{
		if (id < l->row)
			unite(l->s->parent, id, l->row);
	}
	else if (distance < l->distance || (distance == l->distance && id < l->nearest))
	{
		l->nearest = id;
		l->distance = distance;
	}
}

static void
do_piece(void *arg, int index)
{
	dbscan_state *s = arg;
	size_t		first = s->done + index * s->piece;
	size_t		end = first + s->piece < s->last ? first + s->piece : s->last;
	size_t		compared = 0;

	for (size_t i = first; i < end; i++)
		if (s->phase == COUNT)
		{
			counting	c = {s, 0};

			compared += ml_neighbors_within(s->points, ml_design_row(s->design, i), s->eps, count_neighbor, &c);
			s->core[i] = c.weight >= s->min_samples;
		}
		else
		{
			linking		l = {s, (uint32_t) i, NOBODY, INFINITY};

			compared += ml_neighbors_within(s->points, ml_design_row(s->design, i), s->eps, link_neighbor, &l);
			if (!s->core[i])
				atomic_store_explicit(&s->parent[i], l.nearest, memory_order_relaxed);
		}
	atomic_fetch_add(&s->compared, compared);
}

/* Some rows, as many as the last ones' cost says take some hundredths of a second; true when all are done. */
static bool
do_rows(dbscan_state *s)
{
	size_t		pieces = (size_t) PIECES * s->ctx.nthreads;
	double		wanted = STEP_NUMBERS * s->ctx.nthreads / (s->design->n_terms + 2);
	double		factor;

	s->last = s->done + pieces * s->piece;
	s->last = s->last < s->design->rows ? s->last : s->design->rows;
	atomic_store(&s->compared, 0);
	ml_parallel(&s->ctx, (int) pieces, do_piece, s);
	factor = wanted / ((double) atomic_load(&s->compared) + 1);
	s->done = s->last;
	s->piece = (size_t) fmax(1, fmin((double) s->piece * fmin(factor, 4), 1e6));
	return s->done == s->design->rows;
}

/* ---- clusters ----------------------------------------------------------------------------------------------------- */

/* The root of the row's cluster, or NOBODY. */
static uint32_t
root_of(dbscan_state *s, size_t i)
{
	uint32_t	row = s->core[i] ? (uint32_t) i : atomic_load_explicit(&s->parent[i], memory_order_relaxed);

	return row == NOBODY ? NOBODY : find_root(s->parent, row);
}

/* Sizes, and numbers by size. */
static ml_status
number_clusters(dbscan_state *s, ml_error *err)
{
	size_t		rows = s->design->rows;
	ml_cluster *clusters;
	int			k = 0;

	for (size_t i = 0; i < rows; i++)
	{
		uint32_t	root = root_of(s, i);

		if (root == NOBODY)
			s->noise += ml_design_weight(s->design, i);
		else
			s->number[root] += ml_design_weight(s->design, i);
		s->n_clusters += root == i;
		s->n_core += s->core[i];
	}
	clusters = ml_alloc(&s->ctx, s->n_clusters, sizeof(ml_cluster));
	s->sizes = ml_alloc(&s->ctx, s->n_clusters, sizeof(double));
	if (clusters == NULL || s->sizes == NULL)
	{
		ml_free(&s->ctx, clusters);
		return ml_no_memory(err);
	}
	for (size_t i = 0; i < rows; i++)
		if (root_of(s, i) == i)
			clusters[k++] = (ml_cluster) {s->number[i], (uint32_t) i};
	ml_clusters_number(clusters, k, s->sizes, s->number);
	ml_free(&s->ctx, clusters);
	return ML_OK;
}

/* The core rows as a design of their own, for the model. */
static ml_status
gather_core(dbscan_state *s, ml_error *err)
{
	size_t		n = s->design->n_terms;
	size_t		at = 0;
	ml_status	status = ml_check_memory(&s->ctx, (double) s->n_core * n * 2 * sizeof(double), "the core rows of the model", err);

	if (status != ML_OK)
		return status;
	s->core_x = ml_alloc(&s->ctx, s->n_core * n, sizeof(double));
	s->core_label = ml_alloc(&s->ctx, s->n_core, sizeof(double));
	if (s->core_x == NULL || s->core_label == NULL)
		return ml_no_memory(err);
	for (size_t i = 0; i < s->design->rows; i++)
		if (s->core[i])
		{
			memcpy(s->core_x + at * n, ml_design_row(s->design, i), n * sizeof(double));
			s->core_label[at++] = s->number[root_of(s, i)];
		}
	s->core_design = (ml_design) {.rows = s->n_core, .n_terms = (int) n, .x = s->core_x, .stride = n, .target = s->core_label};
	return begin_index(s, &s->core_design, err);
}

static ml_status
end_links(dbscan_state *s, ml_error *err)
{
	ml_status	status = number_clusters(s, err);

	ml_neighbors_class.free(&s->ctx, s->points);
	s->points = NULL;
	if (status == ML_OK && s->n_core == 0)
		return ML_DONE;
	if (status == ML_OK)
		status = gather_core(s, err);
	s->phase = INDEX_CORE;
	return status == ML_OK ? ML_MORE : status;
}

static ml_status
step_index(dbscan_state *s, ml_error *err)
{
	ml_progress progress = {0, 0, NAN};
	ml_status	status = ml_estimator_neighbors.step(s->index, &progress, err);
	ml_neighbors *points;

	if (status != ML_DONE)
		return status;
	points = ml_neighbors_take(s->index);
	ml_estimator_neighbors.end(s->index);
	s->index = NULL;
	if (s->phase == INDEX_CORE)
	{
		s->density->core = points;
		return ML_DONE;
	}
	s->points = points;
	s->phase = COUNT;
	return ML_MORE;
}

static ml_status
dbscan_step(void *state, ml_progress *progress, ml_error *err)
{
	dbscan_state *s = state;

	progress->share = (0.05 + 0.45 * (s->phase > COUNT)) + 0.45 * (double) s->done / (double) s->design->rows;
	if (s->phase == INDEX || s->phase == INDEX_CORE)
		return step_index(s, err);
	if (!do_rows(s))
		return ML_MORE;
	s->done = 0;
	if (s->phase == LINK)
		return end_links(s, err);
	for (size_t i = 0; i < s->design->rows; i++)
		atomic_store_explicit(&s->parent[i], (uint32_t) i, memory_order_relaxed);
	s->phase = LINK;
	return ML_MORE;
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static ml_status
dbscan_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	dbscan_state *s = state;
	ml_density *density = s->density;

	if (report != NULL)
	{
		ml_status	status = ml_report_init(&s->ctx, report, 0, err);

		if (status == ML_OK && s->n_clusters > 0)
			status = ml_report_array(&s->ctx, report, "cluster_sizes", s->sizes, s->n_clusters, 1, NULL, err);
		if (status != ML_OK)
			return status;
		ml_report_fact(report, "n_clusters", s->n_clusters);
		ml_report_fact(report, "n_core", (double) s->n_core);
		ml_report_fact(report, "noise", s->noise);
	}
	s->density = NULL;			/* the model's from here on, also after a failure */
	return ml_model_set_predictor(model, &ml_density_class, density, err);
}

static void
dbscan_end(void *state)
{
	dbscan_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_estimator_neighbors.end(s->index);
	ml_neighbors_class.free(&ctx, s->points);
	ml_density_class.free(&ctx, s->density);
	ml_free(&ctx, s->core);
	ml_free(&ctx, (void *) s->parent);
	ml_free(&ctx, s->sizes);
	ml_free(&ctx, s->number);
	ml_free(&ctx, s->core_x);
	ml_free(&ctx, s->core_label);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_dbscan = {
	.name = "dbscan", .tasks = ML_TASK_BIT(ML_CLUSTERING), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = dbscan_begin, .step = dbscan_step, .finish = dbscan_finish, .end = dbscan_end
};
