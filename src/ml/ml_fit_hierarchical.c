/*
 * ml_fit_hierarchical.c: the estimator hierarchical: Ward's tree of clusters, cut where there are so many, or so high.
 *
 * At first each row is a cluster; then again and again those two become one whose union adds least to the squares about
 * the means, (w_a w_b / (w_a + w_b)) |mean_a - mean_b|² (Ward 1963).  A chain of nearest neighbours finds all mergers in
 * O(rows²) time with no more memory than the means take (Murtagh 1983): it goes from a cluster to its nearest, from there
 * to the nearest of that, until two are each other's nearest, which can be merged at once, for no later merger comes
 * between them.  Mergers sorted by height are the tree; equal distances are decided by the smaller row.
 *
 * A new row belongs to the cluster of the nearest row trained on, so the model keeps those.
 */
#include "ml/ml_estimator.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ml/ml_clusters.h"
#include "ml/ml_density.h"
#include "ml/ml_kernel_rows.h"
#include "ml/ml_parallel.h"

#define STEP_NUMBERS 2e7		/* numbers that a thread works on in a step, about */
#define CHUNK_NUMBERS 500000	/* below that a thread is not worth its start */
#define SCAN_PANELS 32			/* whose distances are computed at a time */
#define MOST_CHUNKS 64
#define MOST_HEIGHTS 1000		/* that are reported */

enum
{
	PARAM_DISTANCE_THRESHOLD = 0,
	PARAM_N_CLUSTERS
};

static const ml_param_spec specs[] = {
	[PARAM_DISTANCE_THRESHOLD] = {"distance_threshold", ML_PARAM_NUMBER, 0, 0, INFINITY, false, NULL,
	"Clusters are merged below this height, instead of to a number; 0: to the number"},
	[PARAM_N_CLUSTERS] = {"n_clusters", ML_PARAM_INTEGER, 2, 1, 1e9, false, NULL, "Number of clusters"},
};

/* Two clusters become one. */
typedef struct merger
{
	double		height;			/* root of twice what it adds to the squares: of two rows their distance */
	uint32_t	left;			/* a row of each */
	uint32_t	right;
	uint32_t	order;			/* when it was found */
} merger;

/* The nearest cluster found so far. */
typedef struct nearest
{
	double		distance;
	uint32_t	cluster;
} nearest;

typedef struct tree_state
{
	ml_ctx		ctx;
	const ml_design *design;
	size_t		n_clusters;
	double		threshold;
	double	   *means;			/* of clusters by their place in alive, packed as panels */
	double	   *mean;			/* (n_terms) of the cluster whose nearest is looked for */
	double	   *weight;			/* (rows) */
	uint32_t   *alive;			/* (n_alive) clusters, by their smallest row */
	uint32_t   *place;			/* (rows) where a cluster is in alive */
	size_t		n_alive;
	uint32_t   *chain;			/* (rows) each the nearest of the one before */
	size_t		n_chain;
	merger	   *mergers;		/* (rows - 1) */
	size_t		n_mergers;
	uint32_t	from;			/* whose nearest is looked for … */
	uint32_t	before;			/* … and the one before it in the chain, or UINT32_MAX */
	nearest		found[MOST_CHUNKS];
	int			n_chunks;
	bool		indexing;		/* the tree is done, and the rows are put into the model */
	void	   *index;
	double	   *label;			/* (rows) */
	double	   *sizes;			/* (clusters found) */
	size_t		n_found;
	ml_design	labelled;
	ml_density *density;		/* handed to the model by finish */
} tree_state;

static ml_status
tree_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	tree_state *s = ml_alloc_zero(ctx, 1, sizeof(tree_state));
	const ml_design *d = input->design;
	size_t		n = d->n_terms;
	ml_status	status;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	s->n_clusters = (size_t) params[PARAM_N_CLUSTERS];
	s->threshold = params[PARAM_DISTANCE_THRESHOLD];
	if (s->threshold == 0 && s->n_clusters > d->rows)
		return ml_fail(err, ML_BAD_DATA, "Lower the parameter \"n_clusters\".", "there are %zu rows for %zu clusters", d->rows, s->n_clusters);
	if (d->rows > 1000000)
		return ml_fail(err, ML_TOO_LARGE, "Train on a sample of the rows.", "there are %zu rows, more than the 1000000 that hierarchical takes",
					   d->rows);
	status = ml_check_memory(ctx, (double) d->rows * (n * sizeof(double) + 64), "the clusters", err);
	if (status != ML_OK)
		return status;
	s->means = ml_alloc_zero(ctx, ml_panels(d->rows) * ML_PANEL * n + n, sizeof(double));
	s->weight = ml_alloc(ctx, d->rows, sizeof(double));
	s->alive = ml_alloc(ctx, 3 * d->rows, sizeof(uint32_t));
	s->mergers = ml_alloc(ctx, d->rows, sizeof(merger));
	s->density = ml_alloc_zero(ctx, 1, sizeof(ml_density));
	if (s->means == NULL || s->weight == NULL || s->alive == NULL || s->mergers == NULL || s->density == NULL)
		return ml_no_memory(err);
	s->mean = s->means + ml_panels(d->rows) * ML_PANEL * n;
	s->place = s->alive + d->rows;
	s->chain = s->place + d->rows;
	s->density->eps = DBL_MAX;
	s->n_alive = d->rows;
	for (size_t i = 0; i < d->rows; i++)
	{
		s->weight[i] = ml_design_weight(d, i);
		s->alive[i] = s->place[i] = (uint32_t) i;
	}
	ml_pack_points(s->means, d->x, d->stride, s->alive, d->rows, d->n_terms);
	return ML_OK;
}

/* ---- the chain ---------------------------------------------------------------------------------------------------- */

/* A number of the mean of the cluster at a place. */
static inline double *
number(const tree_state *s, size_t place, size_t term)
{
	return s->means + (place / ML_PANEL * s->design->n_terms + term) * ML_PANEL + place % ML_PANEL;
}

/*
 * The nearest of some clusters: twice what the merger would add to the squares, by a formula that gives both of a pair the
 * same number.  Of equally near ones the one before in the chain, lest that go in circles, else the smallest.
 */
static void
search_chunk(void *arg, int chunk)
{
	tree_state *s = arg;
	size_t		n_panels = ml_panels(s->n_alive);
	size_t		end = n_panels * (chunk + 1) / s->n_chunks;
	double		own = s->weight[s->from];
	double		distances[SCAN_PANELS * ML_PANEL];
	nearest		best = {INFINITY, UINT32_MAX};

	for (size_t panel = n_panels * chunk / s->n_chunks; panel < end; panel += SCAN_PANELS)
	{
		size_t		here = end - panel < SCAN_PANELS ? end - panel : SCAN_PANELS;
		size_t		first = panel * ML_PANEL;

		ml_distances1(ML_METRIC_EUCLIDEAN, s->mean, s->means + first * s->design->n_terms, here, s->design->n_terms, distances);
		for (size_t i = 0; i < here * ML_PANEL && first + i < s->n_alive; i++)
		{
			uint32_t	other = s->alive[first + i];
			double		distance = 2 * (own * s->weight[other] / (own + s->weight[other])) * distances[i];

			if (distance > best.distance || other == s->from)
				continue;
			if (distance < best.distance || other == s->before || (best.cluster != s->before && other < best.cluster))
				best = (nearest) {distance, other};
		}
	}
	s->found[chunk] = best;
}

static nearest
find_nearest(tree_state *s, uint32_t from, uint32_t before)
{
	double		numbers = (double) s->n_alive * (s->design->n_terms + 4);
	nearest		best = {INFINITY, UINT32_MAX};

	s->from = from;
	s->before = before;
	for (int j = 0; j < s->design->n_terms; j++)
		s->mean[j] = *number(s, s->place[from], j);
	s->n_chunks = (int) fmax(1, fmin(MOST_CHUNKS, numbers / CHUNK_NUMBERS));
	if (s->n_chunks == 1)
		search_chunk(s, 0);
	else
		ml_parallel(&s->ctx, s->n_chunks, search_chunk, s);
	for (int i = 0; i < s->n_chunks; i++)
	{
		nearest		here = s->found[i];

		if (here.cluster != UINT32_MAX &&
			(here.distance < best.distance ||
			 (here.distance == best.distance && (here.cluster == before || (best.cluster != before && here.cluster < best.cluster)))))
			best = here;
	}
	return best;
}

static void
merge(tree_state *s, uint32_t a, uint32_t b, double distance)
{
	uint32_t	kept = a < b ? a : b;
	uint32_t	gone = a < b ? b : a;
	double		share = s->weight[gone] / (s->weight[gone] + s->weight[kept]);
	uint32_t	hole = s->place[gone];
	uint32_t	last = s->alive[--s->n_alive];

	s->mergers[s->n_mergers] = (merger) {sqrt(distance), kept, gone, (uint32_t) s->n_mergers};
	s->n_mergers++;
	for (int j = 0; j < s->design->n_terms; j++)
	{
		double	   *mean = number(s, s->place[kept], j);

		*mean += share * (*number(s, hole, j) - *mean);
	}
	s->weight[kept] += s->weight[gone];
	/* The last cluster takes the place that has become free. */
	for (int j = 0; j < s->design->n_terms; j++)
		*number(s, hole, j) = *number(s, s->n_alive, j);
	s->alive[hole] = last;
	s->place[last] = hole;
}

/* One link of the chain, or a merger; false if all distances overflow. */
static bool
grow(tree_state *s)
{
	uint32_t	last;
	uint32_t	before;
	nearest		next;

	if (s->n_chain == 0)
	{
		uint32_t	smallest = s->alive[0];

		/* Which cluster a chain starts at must not depend on where mergers left it. */
		for (size_t i = 1; i < s->n_alive; i++)
			smallest = s->alive[i] < smallest ? s->alive[i] : smallest;
		s->chain[s->n_chain++] = smallest;
	}
	last = s->chain[s->n_chain - 1];
	before = s->n_chain > 1 ? s->chain[s->n_chain - 2] : UINT32_MAX;
	next = find_nearest(s, last, before);
	if (next.cluster == UINT32_MAX || isinf(next.distance))
		return false;
	if (next.cluster == before)
	{
		s->n_chain -= 2;
		merge(s, last, before, next.distance);
	}
	else
		s->chain[s->n_chain++] = next.cluster;
	return true;
}

/* ---- the cut ------------------------------------------------------------------------------------------------------ */

static int
lower_first(const void *a, const void *b)
{
	const merger *x = a;
	const merger *y = b;

	if (x->height != y->height)
		return x->height < y->height ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static uint32_t
find_root(uint32_t *parent, uint32_t i)
{
	while (parent[i] != i)
		i = parent[i] = parent[parent[i]];
	return i;
}

/* Numbers the clusters by size; label and sizes. */
static void
number_clusters(tree_state *s, uint32_t *parent, ml_cluster *clusters)
{
	size_t		rows = s->design->rows;
	size_t		k = 0;

	memset(s->weight, 0, rows * sizeof(double));
	for (size_t i = 0; i < rows; i++)
		s->weight[find_root(parent, (uint32_t) i)] += ml_design_weight(s->design, i);
	for (size_t i = 0; i < rows; i++)
		if (parent[i] == i)
			clusters[k++] = (ml_cluster) {s->weight[i], (uint32_t) i};
	ml_clusters_number(clusters, k, s->sizes, s->weight);
	for (size_t i = 0; i < rows; i++)
		s->label[i] = s->weight[find_root(parent, (uint32_t) i)];
}

/* Sorts the mergers and does those that are below the cut. */
static ml_status
cut(tree_state *s, ml_error *err)
{
	size_t		rows = s->design->rows;
	uint32_t   *parent = s->place;
	ml_cluster *clusters;
	size_t		done = 0;

	qsort(s->mergers, s->n_mergers, sizeof(merger), lower_first);
	for (size_t i = 0; i < rows; i++)
		parent[i] = (uint32_t) i;
	while (done < s->n_mergers && (s->threshold > 0 ? s->mergers[done].height < s->threshold : done < rows - s->n_clusters))
	{
		uint32_t	a = find_root(parent, s->mergers[done].left);
		uint32_t	b = find_root(parent, s->mergers[done].right);

		parent[a < b ? b : a] = a < b ? a : b;
		done++;
	}
	s->n_found = rows - done;
	clusters = ml_alloc(&s->ctx, s->n_found, sizeof(ml_cluster));
	s->label = ml_alloc(&s->ctx, rows, sizeof(double));
	s->sizes = ml_alloc(&s->ctx, s->n_found, sizeof(double));
	if (clusters != NULL && s->label != NULL && s->sizes != NULL)
		number_clusters(s, parent, clusters);
	ml_free(&s->ctx, clusters);
	return clusters == NULL || s->label == NULL || s->sizes == NULL ? ml_no_memory(err) : ML_OK;
}

/* The rows with their clusters, for the model. */
static ml_status
begin_index(tree_state *s, ml_error *err)
{
	ml_train_input input = {.design = &s->labelled};
	double		params[ML_MAX_PARAMS];
	ml_status	status = cut(s, err);

	if (status != ML_OK)
		return status;
	s->labelled = *s->design;
	s->labelled.target = s->label;
	s->labelled.weights = NULL;
	ml_estimator_defaults(&ml_estimator_neighbors, params);
	params[ml_estimator_param(&ml_estimator_neighbors, "n_neighbors")] = 1;
	s->indexing = true;
	status = ml_estimator_neighbors.begin(&s->ctx, &input, params, &s->index, err);
	return status == ML_OK ? ML_MORE : status;
}

static ml_status
tree_step(void *state, ml_progress *progress, ml_error *err)
{
	tree_state *s = state;
	double		budget = STEP_NUMBERS;

	progress->share = 0.98 * (double) s->n_mergers / (double) s->design->rows;
	if (s->indexing)
	{
		ml_progress ignored = {0, 0, NAN};
		ml_status	status = ml_estimator_neighbors.step(s->index, &ignored, err);

		if (status == ML_DONE)
			s->density->core = ml_neighbors_take(s->index);
		return status;
	}
	while (s->n_alive > 1 && budget > 0)
	{
		budget -= (double) s->n_alive * (s->design->n_terms + 4);
		if (!grow(s))
			return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the distances of the rows overflow");
	}
	return s->n_alive > 1 ? ML_MORE : begin_index(s, err);
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static ml_status
report_fit(tree_state *s, ml_report *report, ml_error *err)
{
	int			heights = s->n_mergers < MOST_HEIGHTS ? (int) s->n_mergers : MOST_HEIGHTS;
	ml_status	status = ml_report_init(&s->ctx, report, 0, err);

	/* The last mergers', the highest of all; the labels are in the model and their memory is free for it. */
	for (int i = 0; i < heights; i++)
		s->label[i] = s->mergers[s->n_mergers - heights + i].height;
	if (status == ML_OK && heights > 0)
		status = ml_report_array(&s->ctx, report, "heights", s->label, heights, 1, NULL, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "cluster_sizes", s->sizes, (int) s->n_found, 1, NULL, err);
	if (status == ML_OK)
		ml_report_fact(report, "n_clusters", (double) s->n_found);
	return status;
}

static ml_status
tree_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	tree_state *s = state;
	ml_density *density = s->density;

	if (report != NULL)
	{
		ml_status	status = report_fit(s, report, err);

		if (status != ML_OK)
			return status;
	}
	s->density = NULL;			/* the model's from here on, also after a failure */
	return ml_model_set_predictor(model, &ml_density_class, density, err);
}

static void
tree_end(void *state)
{
	tree_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_estimator_neighbors.end(s->index);
	ml_density_class.free(&ctx, s->density);
	ml_free(&ctx, s->means);
	ml_free(&ctx, s->weight);
	ml_free(&ctx, s->alive);
	ml_free(&ctx, s->mergers);
	ml_free(&ctx, s->label);
	ml_free(&ctx, s->sizes);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_hierarchical = {
	.name = "hierarchical", .tasks = ML_TASK_BIT(ML_CLUSTERING), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = tree_begin, .step = tree_step, .finish = tree_finish, .end = tree_end
};
