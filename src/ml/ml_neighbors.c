/*
 * ml_neighbors.c: predicting from nearest neighbours.
 *
 * Without a tree some rows at a time are compared with some panels at a time, so that both stay in the cache; with one each
 * row walks down the tree by itself, to the nearer child first.
 */
#include "ml/ml_neighbors.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernel_rows.h"

#define CHUNK_PANELS 8			/* compared with some rows before the next */
#define HEAP_BYTES (1024 * 1024)	/* of the rows that go together */

typedef struct neighbor
{
	double		distance;
	uint32_t	id;
	uint32_t	place;
} neighbor;

/* The nearest points of a row so far: a heap with the farthest on top once it is full. */
typedef struct nearest
{
	uint32_t	count;
	uint32_t	k;
	bool		is_zero;		/* cosine: the row is, and as far from all points */
	neighbor   *list;			/* (k) */
} nearest;

/* ---- memory ------------------------------------------------------------------------------------------------------- */

static size_t
rounded(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

/* Nodes of a tree over so many panels: all down to the deepest level, as halves differ by one at most. */
static size_t
count_nodes(size_t n_panels)
{
	size_t		leaves = 1;

	while ((n_panels + leaves - 1) / leaves > ML_LEAF_PANELS)
		leaves *= 2;
	return 2 * leaves - 1;
}

double
ml_neighbors_bytes(size_t n, int n_terms, bool has_tree)
{
	return (double) (ml_panels(n) * ML_PANEL + (has_tree ? 2 * count_nodes(ml_panels(n)) : 0)) * n_terms * sizeof(double) +
		(double) n * (sizeof(double) + sizeof(uint32_t)) + 1024;
}

ml_neighbors *
ml_neighbors_new(const ml_ctx *ctx, size_t n, int n_terms, int n_classes, bool has_tree)
{
	size_t		n_panels = ml_panels(n);
	size_t		n_nodes = has_tree ? count_nodes(n_panels) : 0;
	size_t		head = rounded(sizeof(ml_neighbors));
	size_t		panels = n_panels * ML_PANEL * n_terms * sizeof(double);
	size_t		boxes = rounded(n_nodes * 2 * n_terms * sizeof(double));
	size_t		targets = rounded(n * sizeof(double));
	char	   *block = ml_alloc_zero(ctx, head + panels + boxes + targets + n * sizeof(uint32_t), 1);
	ml_neighbors *nb = (ml_neighbors *) block;

	if (block == NULL)
		return NULL;
	nb->n_terms = n_terms;
	nb->n_classes = n_classes;
	nb->has_tree = has_tree;
	nb->k = 1;
	nb->n = n;
	nb->n_panels = n_panels;
	nb->n_nodes = n_nodes;
	nb->panels = (double *) (block + head);
	nb->boxes = (double *) (block + head + panels);
	nb->targets = (double *) (block + head + panels + boxes);
	nb->ids = (uint32_t *) (block + head + panels + boxes + targets);
	return nb;
}

static void
neighbors_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
neighbors_memory(const void *predictor)
{
	const ml_neighbors *nb = predictor;

	return (size_t) ml_neighbors_bytes(nb->n, nb->n_terms, nb->has_tree);
}

static double
neighbors_effort(const void *predictor)
{
	const ml_neighbors *nb = predictor;
	double		points = (double) nb->n;

	/* A tree over few terms looks at some leaves on each side of the row in each of them, and at boxes on the way. */
	if (nb->has_tree)
		points = fmin(points, 4 * ML_LEAF_PANELS * ML_PANEL * (exp2(nb->n_terms) + nb->k));
	return points * (nb->n_terms + 4.0);
}

/* ---- boxes -------------------------------------------------------------------------------------------------------- */

static inline double *
box(const ml_neighbors *nb, size_t node)
{
	return nb->boxes + node * 2 * nb->n_terms;
}

static void
make_box(ml_neighbors *nb, size_t node, size_t first, size_t end)
{
	double	   *least = box(nb, node);
	double	   *largest = least + nb->n_terms;

	if (end - first > ML_LEAF_PANELS)
	{
		const double *left = box(nb, 2 * node + 1);
		const double *right = box(nb, 2 * node + 2);
		size_t		middle = (first + end) / 2;

		make_box(nb, 2 * node + 1, first, middle);
		make_box(nb, 2 * node + 2, middle, end);
		for (int j = 0; j < nb->n_terms; j++)
		{
			least[j] = fmin(left[j], right[j]);
			largest[j] = fmax(left[nb->n_terms + j], right[nb->n_terms + j]);
		}
		return;
	}
	for (int j = 0; j < nb->n_terms; j++)
	{
		least[j] = INFINITY;
		largest[j] = -INFINITY;
		for (size_t i = first * ML_PANEL; i < end * ML_PANEL && i < nb->n; i++)
		{
			double		x = nb->panels[(i / ML_PANEL * nb->n_terms + j) * ML_PANEL + i % ML_PANEL];

			least[j] = fmin(least[j], x);
			largest[j] = fmax(largest[j], x);
		}
	}
}

void
ml_neighbors_make_boxes(ml_neighbors *nb)
{
	if (nb->has_tree)
		make_box(nb, 0, 0, nb->n_panels);
}

/* ---- the nearest so far ------------------------------------------------------------------------------------------- */

static inline bool
farther(const neighbor *a, const neighbor *b)
{
	return a->distance > b->distance || (a->distance == b->distance && a->id > b->id);
}

static void
sift_down(neighbor *list, uint32_t count, neighbor moving)
{
	uint32_t	at = 0;

	for (;;)
	{
		uint32_t	child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && farther(&list[child + 1], &list[child]))
			child++;
		if (!farther(&list[child], &moving))
			break;
		list[at] = list[child];
		at = child;
	}
	list[at] = moving;
}

static void
offer(nearest *found, neighbor candidate)
{
	if (found->count == found->k)
	{
		if (farther(&found->list[0], &candidate))
			sift_down(found->list, found->count, candidate);
	}
	else
	{
		uint32_t	at = found->count++;

		while (at > 0 && farther(&candidate, &found->list[(at - 1) / 2]))
		{
			found->list[at] = found->list[(at - 1) / 2];
			at = (at - 1) / 2;
		}
		found->list[at] = candidate;
	}
}

/* Nearest first. */
static void
put_in_order(nearest *found)
{
	for (uint32_t last = found->count; last > 1; last--)
	{
		neighbor	farthest = found->list[0];
		neighbor	moving = found->list[last - 1];

		sift_down(found->list, last - 1, moving);
		found->list[last - 1] = farthest;
	}
}

/*
 * A distance as it counts, of a point or a box.  As greater ones never become less, a box stays no farther than its points.
 */
static inline double
counted(const ml_neighbors *nb, const nearest *found, double distance)
{
	if (nb->metric != ML_METRIC_COSINE)
		return distance;
	return found->is_zero ? 2 : ml_unit_distance(distance, nb->n_terms);
}

/* Offers the points of some panels. */
static void
offer_points(const ml_neighbors *nb, nearest *found, double *distances, size_t first_panel, size_t n_panels)
{
	size_t		first = first_panel * ML_PANEL;
	size_t		n = n_panels * ML_PANEL;
	double		limit = found->count == found->k ? found->list[0].distance : INFINITY;

	if (n > nb->n - first)
		n = nb->n - first;
	if (nb->metric == ML_METRIC_COSINE)
		for (size_t i = 0; i < n; i++)
			distances[i] = counted(nb, found, distances[i]);
	for (size_t i = 0; i < n; i++)
		if (distances[i] <= limit)
		{
			offer(found, (neighbor) {distances[i], nb->ids[first + i], (uint32_t) (first + i)});
			limit = found->count == found->k ? found->list[0].distance : INFINITY;
		}
}

/* ---- searching ---------------------------------------------------------------------------------------------------- */

static void
search_node(const ml_neighbors *nb, const double *x, size_t node, size_t first, size_t end, double distance, nearest *found)
{
	double		distances[ML_LEAF_PANELS * ML_PANEL];
	size_t		middle = (first + end) / 2;
	double		left;
	double		right;

	if (found->count == found->k && distance > found->list[0].distance)
		return;
	if (end - first <= ML_LEAF_PANELS)
	{
		ml_distances1(nb->metric, x, nb->panels + first * ML_PANEL * nb->n_terms, end - first, nb->n_terms, distances);
		offer_points(nb, found, distances, first, end - first);
		return;
	}
	left = counted(nb, found, ml_box_distance(nb->metric, x, box(nb, 2 * node + 1), box(nb, 2 * node + 1) + nb->n_terms, nb->n_terms));
	right = counted(nb, found, ml_box_distance(nb->metric, x, box(nb, 2 * node + 2), box(nb, 2 * node + 2) + nb->n_terms, nb->n_terms));
	if (left <= right)
		search_node(nb, x, 2 * node + 1, first, middle, left, found);
	search_node(nb, x, 2 * node + 2, middle, end, right, found);
	if (left > right)
		search_node(nb, x, 2 * node + 1, first, middle, left, found);
}

typedef struct within
{
	const ml_neighbors *nb;
	const double *x;
	double		radius;
	void		(*visit) (void *arg, uint32_t id, double distance);
	void	   *arg;
	size_t		compared;
} within;

static void
visit_points(within *w, size_t first, size_t n_panels)
{
	const ml_neighbors *nb = w->nb;
	double		distances[ML_LEAF_PANELS * ML_PANEL];
	size_t		n = n_panels * ML_PANEL;

	if (n > nb->n - first * ML_PANEL)
		n = nb->n - first * ML_PANEL;
	ml_distances1(nb->metric, w->x, nb->panels + first * ML_PANEL * nb->n_terms, n_panels, nb->n_terms, distances);
	w->compared += n;
	for (size_t i = 0; i < n; i++)
	{
		double		distance = ml_distance_proper(nb->metric, distances[i]);

		if (distance <= w->radius)
			w->visit(w->arg, nb->ids[first * ML_PANEL + i], distance);
	}
}

static void
visit_node(within *w, size_t node, size_t first, size_t end)
{
	const double *least = box(w->nb, node);
	double		distance = ml_box_distance(w->nb->metric, w->x, least, least + w->nb->n_terms, w->nb->n_terms);
	size_t		middle = (first + end) / 2;

	if (ml_distance_proper(w->nb->metric, distance) > w->radius)
		return;
	if (end - first <= ML_LEAF_PANELS)
	{
		visit_points(w, first, end - first);
		return;
	}
	visit_node(w, 2 * node + 1, first, middle);
	visit_node(w, 2 * node + 2, middle, end);
}

size_t
ml_neighbors_within(const ml_neighbors *nb, const double *x, double radius, void (*visit) (void *arg, uint32_t id, double distance),
					void *arg)
{
	within		w = {nb, x, radius, visit, arg, 0};

	if (nb->has_tree)
		visit_node(&w, 0, 0, nb->n_panels);
	else
		for (size_t first = 0; first < nb->n_panels; first += ML_LEAF_PANELS)
			visit_points(&w, first, nb->n_panels - first < ML_LEAF_PANELS ? nb->n_panels - first : ML_LEAF_PANELS);
	return w.compared;
}

/* Compares rows with all points; distances is (4, CHUNK_PANELS * ML_PANEL). */
static void
search_all(const ml_neighbors *nb, const double *x, size_t n, nearest *found, double *distances)
{
	for (size_t first = 0; first < nb->n_panels; first += CHUNK_PANELS)
	{
		size_t		panels = nb->n_panels - first < CHUNK_PANELS ? nb->n_panels - first : CHUNK_PANELS;
		const double *points = nb->panels + first * ML_PANEL * nb->n_terms;

		for (size_t row = 0; row < n; row += 4)
		{
			size_t		here = n - row < 4 ? n - row : 4;
			const double *rows[4];

			for (size_t i = 0; i < 4; i++)
				rows[i] = x + (row + (i < here ? i : 0)) * nb->n_terms;
			if (here == 1)
				ml_distances1(nb->metric, rows[0], points, panels, nb->n_terms, distances);
			else
				ml_distances4(nb->metric, rows, points, panels, nb->n_terms, distances, CHUNK_PANELS * ML_PANEL);
			for (size_t i = 0; i < here; i++)
				offer_points(nb, &found[row + i], distances + i * CHUNK_PANELS * ML_PANEL, first, panels);
		}
	}
}

/* ---- predicting --------------------------------------------------------------------------------------------------- */

/* What neighbours, nearest first, make of a row; points at distance 0 are the only ones that count by distance. */
static void
conclude(const ml_neighbors *nb, const nearest *found, double *out)
{
	bool		exact = nb->by_distance && found->count > 0 && found->list[0].distance == 0;
	double		total = 0;

	memset(out, 0, sizeof(double) * (nb->n_classes > 0 ? nb->n_classes : 1));
	for (uint32_t i = 0; i < found->count; i++)
	{
		const neighbor *here = &found->list[i];
		double		weight = 1;

		if (exact && here->distance > 0)
			break;
		/* Relative to the nearest: no distance is so small that its inverse is infinite. */
		if (nb->by_distance && !exact)
			weight = ml_distance_proper(nb->metric, found->list[0].distance) / ml_distance_proper(nb->metric, here->distance);
		total += weight;
		if (nb->n_classes > 0)
			out[(int) nb->targets[here->place]] += weight;
		else
			out[0] += weight * nb->targets[here->place];
	}
	for (int i = 0; i < (nb->n_classes > 0 ? nb->n_classes : 1); i++)
		out[i] /= total;
}

/* Rows that are searched for together. */
static size_t
rows_together(const ml_neighbors *nb)
{
	size_t		rows = HEAP_BYTES / (nb->k * sizeof(neighbor)) / 4 * 4;

	return rows < 4 ? 4 : rows > ML_PREDICT_ROWS ? ML_PREDICT_ROWS : rows;
}

static size_t
neighbors_work_size(const void *predictor, const ml_model_shape *shape)
{
	const ml_neighbors *nb = predictor;

	(void) shape;
	return 4 * CHUNK_PANELS * ML_PANEL * sizeof(double) + rows_together(nb) * (sizeof(nearest) + nb->k * sizeof(neighbor)) +
		(nb->metric == ML_METRIC_COSINE ? rows_together(nb) * nb->n_terms * sizeof(double) : 0);
}

/* Finds the neighbours of each row and has something made of them. */
static void
for_rows(const ml_neighbors *nb, int n_terms, const double *x, size_t n, double *out, size_t width, void *work,
		 void (*make) (const ml_neighbors *nb, const nearest *found, double *out))
{
	size_t		together = rows_together(nb);
	double	   *distances = work;
	nearest    *found = (nearest *) (distances + 4 * CHUNK_PANELS * ML_PANEL);
	neighbor   *lists = (neighbor *) (found + together);
	double	   *units = (double *) (lists + together * nb->k);

	for (size_t first = 0; first < n; first += together)
	{
		size_t		here = n - first < together ? n - first : together;
		const double *rows = nb->metric == ML_METRIC_COSINE ? units : x + first * n_terms;

		for (size_t i = 0; i < here; i++)
		{
			found[i] = (nearest) {0, nb->k, false, lists + i * nb->k};
			if (nb->metric == ML_METRIC_COSINE)
				found[i].is_zero = ml_unit_point(x + (first + i) * n_terms, n_terms, units + i * nb->n_terms);
		}
		if (nb->has_tree)
			for (size_t i = 0; i < here; i++)
				search_node(nb, rows + i * nb->n_terms, 0, 0, nb->n_panels, 0, &found[i]);
		else
			search_all(nb, rows, here, found, distances);
		for (size_t i = 0; i < here; i++)
		{
			put_in_order(&found[i]);
			make(nb, &found[i], out + (first + i) * width);
		}
	}
}

static void
neighbors_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	for_rows(predictor, shape->n_terms, x, n, out, shape->width, work, conclude);
}

static void
copy_distances(const ml_neighbors *nb, const nearest *found, double *out)
{
	for (uint32_t i = 0; i < found->count; i++)
		out[i] = ml_distance_proper(nb->metric, found->list[i].distance);
}

static void
neighbors_transform(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_neighbors *nb = predictor;

	for_rows(nb, shape->n_terms, x, n, out, nb->k, work, copy_distances);
}

static int
neighbors_components(const void *predictor)
{
	return (int) ((const ml_neighbors *) predictor)->k;
}

/* ---- storing ------------------------------------------------------------------------------------------------------ */

static void
neighbors_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_neighbors *nb = predictor;

	(void) shape;
	ml_put_u8(w, (uint8_t) nb->metric);
	ml_put_u8(w, nb->by_distance);
	ml_put_u8(w, nb->has_tree);
	ml_put_u32(w, nb->k);
	ml_put_u32(w, (uint32_t) nb->n);
	for (size_t i = 0; i < nb->n; i++)
		ml_put_u32(w, nb->ids[i]);
	ml_put_doubles(w, nb->targets, nb->n);
	ml_put_doubles(w, nb->panels, nb->n_panels * ML_PANEL * nb->n_terms);
}

static bool
numbers_fit(const ml_neighbors *nb)
{
	for (size_t i = 0; i < nb->n; i++)
		if (!isfinite(nb->targets[i]) ||
			(nb->n_classes > 0 && !(nb->targets[i] >= 0 && nb->targets[i] < nb->n_classes && nb->targets[i] == floor(nb->targets[i]))))
			return false;
	for (size_t i = 0; i < nb->n_panels * ML_PANEL * nb->n_terms; i++)
		if (!isfinite(nb->panels[i]))
			return false;
	return true;
}

static ml_status
neighbors_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint8_t		metric = ml_get_u8(r);
	bool		by_distance = ml_get_u8(r) != 0;
	bool		has_tree = ml_get_u8(r) != 0;
	uint32_t	k = ml_get_u32(r);
	uint32_t	n = ml_get_u32(r);
	int			n_terms = ml_neighbors_terms(metric, shape->n_terms);
	double		bytes = (double) n * (sizeof(uint32_t) + sizeof(double)) + (double) ml_panels(n) * ML_PANEL * n_terms * sizeof(double);
	ml_neighbors *nb;

	if (r->failed || metric > ML_METRIC_COSINE || n == 0 || k == 0 || k > n || bytes > (double) (r->length - r->at) ||
		shape->width != (shape->n_classes > 0 ? shape->n_classes : 1))
		return ML_BAD_MODEL;
	*predictor = nb = ml_neighbors_new(ctx, n, n_terms, shape->n_classes, has_tree);
	if (nb == NULL)
		return ML_NO_MEMORY;
	nb->metric = metric;
	nb->by_distance = by_distance;
	nb->k = k;
	for (size_t i = 0; i < n; i++)
		nb->ids[i] = ml_get_u32(r);
	ml_get_doubles(r, nb->targets, n);
	ml_get_doubles(r, nb->panels, nb->n_panels * ML_PANEL * nb->n_terms);
	if (r->failed || !numbers_fit(nb))
		return ML_BAD_MODEL;
	ml_neighbors_make_boxes(nb);
	return ML_OK;
}

const ml_predictor_class ml_neighbors_class = {
	.name = "neighbors", .predict = neighbors_predict, .transform = neighbors_transform, .n_components = neighbors_components,
	.work_size = neighbors_work_size, .save = neighbors_save, .load = neighbors_load, .free = neighbors_free,
	.memory = neighbors_memory, .effort = neighbors_effort
};
