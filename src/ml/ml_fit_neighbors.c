/*
 * ml_fit_neighbors.c: the estimator neighbors: the training rows are the model; what takes time is the kd-tree over them.
 *
 * The tree is built by halving: the points of a node are divided where its panels are, by the term in which they spread
 * most.  Equal numbers are divided by their place among the rows, so that a tree depends on the rows alone.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernel_rows.h"
#include "ml/ml_neighbors.h"
#include "ml/ml_random.h"

#define STEP_NUMBERS 5e6		/* numbers of points that a step looks at, at most about */
#define TREE_TERMS 15			/* with more of them a tree looks at nearly all points; as in scikit-learn */
#define TREE_POINTS 128			/* with fewer, comparing all is as fast */
#define MOST_POINTS 100000000
#define RANDOM_TREE 0x6b64747265ULL

enum
{
	PARAM_ALGORITHM = 0,
	PARAM_METRIC,
	PARAM_N_NEIGHBORS,
	PARAM_TASK,
	PARAM_WEIGHTS
};

enum
{
	ALGORITHM_AUTO = 0,
	ALGORITHM_BRUTE,
	ALGORITHM_KD_TREE
};

static const char *const algorithms[] = {"auto", "brute", "kd_tree", NULL};
static const char *const metrics[] = {"euclidean", "manhattan", "chebyshev", "cosine", NULL};	/* as ml_metric */
static const char *const weightings[] = {"uniform", "distance", NULL};
static const char *const tasks[] = {"auto", "classification", "regression", NULL};

static const ml_param_spec specs[] = {
	[PARAM_ALGORITHM] = {"algorithm", ML_PARAM_CHOICE, ALGORITHM_AUTO, 0, 2, false, algorithms,
	"How neighbours are found, which changes nothing but the time; auto: a tree up to 15 terms"},
	[PARAM_METRIC] = {"metric", ML_PARAM_CHOICE, ML_METRIC_EUCLIDEAN, 0, 3, false, metrics,
	"The distance of two rows; cosine is 1 - the cosine of their angle, 1 for a row of zeros"},
	[PARAM_N_NEIGHBORS] = {"n_neighbors", ML_PARAM_INTEGER, 5, 1, 1e6, false, NULL, "Rows that a prediction is made from"},
	[PARAM_TASK] = {"task", ML_PARAM_CHOICE, 0, 0, 2, false, tasks,
	"What to learn; auto: a regression of numbers, a classification of anything else"},
	[PARAM_WEIGHTS] = {"weights", ML_PARAM_CHOICE, 0, 0, 1, false, weightings,
	"Whether neighbours count alike or by the inverse of their distance"},
};

/* A node that is still to be divided. */
typedef struct range
{
	size_t		first;			/* panels */
	size_t		end;
} range;

typedef struct neighbors_state
{
	ml_ctx		ctx;
	const ml_design *design;
	ml_neighbors *nb;			/* handed to the model by finish */
	const double *x;			/* the points: row i at x + i * stride, nb->n_terms numbers */
	size_t		stride;
	double	   *units;			/* cosine: the points, made of the rows; else NULL */
	size_t		n_units;		/* made so far */
	uint32_t   *order;			/* (rows) the points by place */
	range		stack[64];		/* a path down the tree has fewer nodes */
	int			depth;
	size_t		placed;			/* points in their leaves */
	ml_random	random;
} neighbors_state;

static ml_status
neighbors_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	neighbors_state *s = ml_alloc_zero(ctx, 1, sizeof(neighbors_state));
	const ml_design *d = input->design;
	ml_metric	metric = (ml_metric) params[PARAM_METRIC];
	int			n_terms = ml_neighbors_terms(metric, d->n_terms);
	double		unit_bytes = metric == ML_METRIC_COSINE ? (double) d->rows * n_terms * sizeof(double) : 0;
	int			algorithm = (int) params[PARAM_ALGORITHM];
	bool		has_tree = algorithm == ALGORITHM_KD_TREE ||
		(algorithm == ALGORITHM_AUTO && d->n_terms <= TREE_TERMS && d->rows >= TREE_POINTS);
	ml_status	status;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	if (params[PARAM_N_NEIGHBORS] > (double) d->rows)
		return ml_fail(err, ML_BAD_DATA, "Lower the parameter \"n_neighbors\".", "there are %zu rows for %.0f neighbours", d->rows,
					   params[PARAM_N_NEIGHBORS]);
	if (d->rows > MOST_POINTS)
		return ml_fail(err, ML_TOO_LARGE, "Train on a sample of the rows.", "there are %zu rows, more than the %d that neighbors takes",
					   d->rows, MOST_POINTS);
	status = ml_check_memory(ctx, ml_neighbors_bytes(d->rows, n_terms, has_tree) + unit_bytes, "the points of the model", err);
	if (status != ML_OK)
		return status;
	s->nb = ml_neighbors_new(ctx, d->rows, n_terms, d->n_classes, has_tree);
	s->order = ml_alloc(ctx, d->rows + 1, sizeof(uint32_t));
	if (metric == ML_METRIC_COSINE)
		s->units = ml_alloc(ctx, d->rows + 1, n_terms * sizeof(double));
	if (s->nb == NULL || s->order == NULL || (metric == ML_METRIC_COSINE && s->units == NULL))
		return ml_no_memory(err);
	s->x = s->units != NULL ? s->units : d->x;
	s->stride = s->units != NULL ? (size_t) n_terms : d->stride;
	s->nb->metric = metric;
	s->nb->by_distance = params[PARAM_WEIGHTS] != 0;
	s->nb->k = (uint32_t) params[PARAM_N_NEIGHBORS];
	for (size_t i = 0; i < d->rows; i++)
		s->order[i] = (uint32_t) i;
	s->random = ml_random_stream(0, RANDOM_TREE, 0);
	s->stack[s->depth++] = (range) {0, s->nb->n_panels};
	return ML_OK;
}

/* ---- dividing ----------------------------------------------------------------------------------------------------- */

static inline double
number(const neighbors_state *s, uint32_t point, int term)
{
	return s->x[point * s->stride + term];
}

/* The term in which some points spread most. */
static int
widest_term(const neighbors_state *s, size_t first, size_t end)
{
	int			widest = 0;
	double		width = -1;

	for (int j = 0; j < s->nb->n_terms; j++)
	{
		double		least = INFINITY;
		double		largest = -INFINITY;

		for (size_t i = first; i < end; i++)
		{
			double		x = number(s, s->order[i], j);

			least = x < least ? x : least;
			largest = x > largest ? x : largest;
		}
		if (largest - least > width)
		{
			width = largest - least;
			widest = j;
		}
	}
	return widest;
}

static inline bool
comes_before(const neighbors_state *s, int term, uint32_t a, uint32_t b)
{
	double		x = number(s, a, term);
	double		y = number(s, b, term);

	return x < y || (x == y && a < b);
}

/* Rearranges points so that those before `middle` come before those from there on (Hoare's selection, as Wirth has it). */
static void
divide(neighbors_state *s, size_t first, size_t end, size_t middle, int term)
{
	uint32_t   *order = s->order;
	int64_t		low = (int64_t) first;
	int64_t		high = (int64_t) end - 1;
	int64_t		wanted = (int64_t) middle;

	while (low < high)
	{
		uint32_t	pivot = order[low + ml_random_below(&s->random, (uint32_t) (high - low + 1))];
		int64_t		i = low;
		int64_t		j = high;

		do
		{
			while (comes_before(s, term, order[i], pivot))
				i++;
			while (comes_before(s, term, pivot, order[j]))
				j--;
			if (i <= j)
			{
				uint32_t	swap = order[i];

				order[i++] = order[j];
				order[j--] = swap;
			}
		} while (i <= j);
		if (wanted <= j)
			high = j;
		else if (wanted >= i)
			low = i;
		else
			return;
	}
}

/* Divides one node; returns how many numbers that took to look at. */
static double
divide_node(neighbors_state *s)
{
	range		node = s->stack[--s->depth];
	size_t		middle = (node.first + node.end) / 2;
	size_t		first = node.first * ML_PANEL;
	size_t		end = node.end * ML_PANEL < s->design->rows ? node.end * ML_PANEL : s->design->rows;

	if (node.end - node.first <= ML_LEAF_PANELS)
	{
		s->placed += end - first;
		return (double) (end - first);
	}
	divide(s, first, end, middle * ML_PANEL, widest_term(s, first, end));
	s->stack[s->depth++] = (range) {middle, node.end};
	s->stack[s->depth++] = (range) {node.first, middle};
	return (double) (end - first) * (s->nb->n_terms + 8);
}

/* Makes the points of some rows. */
static void
make_units(neighbors_state *s)
{
	const ml_design *d = s->design;

	for (double done = 0; s->n_units < d->rows && done < STEP_NUMBERS; done += d->n_terms)
	{
		ml_unit_point(ml_design_row(d, s->n_units), d->n_terms, s->units + s->n_units * s->stride);
		s->n_units++;
	}
}

static ml_status
neighbors_step(void *state, ml_progress *progress, ml_error *err)
{
	neighbors_state *s = state;

	(void) err;
	if (s->units != NULL && s->n_units < s->design->rows)
	{
		make_units(s);
		return ML_MORE;
	}
	if (!s->nb->has_tree)
		return ML_DONE;
	for (double done = 0; s->depth > 0 && done < STEP_NUMBERS;)
		done += divide_node(s);
	progress->share = (double) s->placed / (double) s->design->rows;
	return s->depth > 0 ? ML_MORE : ML_DONE;
}

ml_neighbors *
ml_neighbors_take(void *state)
{
	neighbors_state *s = state;
	const ml_design *d = s->design;
	ml_neighbors *nb = s->nb;

	for (size_t i = 0; i < d->rows; i++)
	{
		nb->ids[i] = s->order[i];
		nb->targets[i] = d->labels ? d->labels[s->order[i]] : d->target ? d->target[s->order[i]] : 0;
	}
	ml_pack_points(nb->panels, s->x, s->stride, s->order, d->rows, nb->n_terms);
	ml_neighbors_make_boxes(nb);
	s->nb = NULL;
	return nb;
}

static ml_status
neighbors_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	neighbors_state *s = state;
	ml_neighbors *nb = ml_neighbors_take(s);
	ml_status	status;

	status = ml_model_set_predictor(model, &ml_neighbors_class, nb, err);
	if (status == ML_OK && report != NULL)
	{
		status = ml_report_init(&s->ctx, report, 0, err);
		report->converged = true;
	}
	return status;
}

static void
neighbors_end(void *state)
{
	neighbors_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_free(&ctx, s->nb);
	ml_free(&ctx, s->order);
	ml_free(&ctx, s->units);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_neighbors = {
	.name = "neighbors", .tasks = ML_TASK_BIT(ML_REGRESSION) | ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS),
	.form = ML_FORM_ROWS, .wants_scaling = true, .no_weights = true,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = neighbors_begin, .step = neighbors_step, .finish = neighbors_finish, .end = neighbors_end
};
