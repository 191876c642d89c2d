/*
 * test_ml_neighbors.c: a kd-tree finds the neighbours that comparing all finds, to the bit, also among equal points; both
 * are those of a plain search, also after saving and loading.  Weights by distance, rows of zeros, any allocation failing.
 */
#include "unit.h"

#include <math.h>

#include "alloc_fail.h"

#include "ml/ml_estimator.h"
#include "ml/ml_kernel_rows.h"
#include "ml/ml_neighbors.h"

enum
{
	MOST = 3000,
	QUERIES = 200
};

static double x[MOST * 20];
static double y[MOST];

static bool by_distance;

/* NULL when there is no memory. */
static ml_neighbors *
fit(const ml_ctx *ctx, size_t n, int terms, int algorithm, int metric, int k, ml_model **model)
{
	const ml_estimator *estimator = ml_estimator_find("neighbors");
	ml_column_spec columns[20];
	ml_model_spec spec = {"neighbors", ML_REGRESSION, "y", "float8", terms, columns, 0, NULL};
	ml_design	design = {n, terms, x, terms, y, NULL, 0, NULL};
	ml_train_input input = {.design = &design};
	double		params[ML_MAX_PARAMS];
	void	   *state;
	ml_progress progress;
	ml_error	err;
	ml_status	status;

	memset(columns, 0, sizeof(columns));
	for (int j = 0; j < terms; j++)
		columns[j] = (ml_column_spec) {.name = "x", .type = "float8", .kind = ML_NUMERIC, .scale = 1, .reference = -1};
	ml_estimator_defaults(estimator, params);
	params[ml_estimator_param(estimator, "algorithm")] = algorithm;
	params[ml_estimator_param(estimator, "metric")] = metric;
	params[ml_estimator_param(estimator, "n_neighbors")] = k;
	params[ml_estimator_param(estimator, "weights")] = by_distance;
	if (ml_model_new(ctx, &spec, model, &err) != ML_OK)
		return NULL;
	status = estimator->begin(ctx, &input, params, &state, &err);
	while (status == ML_OK || status == ML_MORE)
		status = estimator->step(state, &progress, &err);
	if (status == ML_DONE)
		status = estimator->finish(state, *model, NULL, &err);
	estimator->end(state);
	if (status != ML_OK)
		return NULL;
	return (ml_neighbors *) ml_model_predictor(*model, &ml_neighbors_class);
}

static int
compare(const void *a, const void *b)
{
	double		p = *(const double *) a;
	double		q = *(const double *) b;

	return (p > q) - (p < q);
}

/* As the definition has it, 1 for rows of zeros. */
static double
cosine_distance(const double *a, const double *b, int terms)
{
	double		product = 0;
	double		aa = 0;
	double		bb = 0;

	for (int j = 0; j < terms; j++)
	{
		product += a[j] * b[j];
		aa += a[j] * a[j];
		bb += b[j] * b[j];
	}
	return aa > 0 && bb > 0 ? 1 - product / sqrt(aa * bb) : 1;
}

/* Whether the distances are those of a plain search, to rounding. */
static bool
plain_search(const double *query, size_t n, int terms, int metric, int k, const double *found)
{
	static double all[MOST];

	for (size_t i = 0; i < n; i++)
	{
		all[i] = metric == ML_METRIC_COSINE ? cosine_distance(query, x + i * terms, terms) : 0;
		for (int j = 0; j < terms && metric != ML_METRIC_COSINE; j++)
		{
			double		way = fabs(query[j] - x[i * terms + j]);

			all[i] = metric == ML_METRIC_EUCLIDEAN ? hypot(all[i], way) : metric == ML_METRIC_MANHATTAN ? all[i] + way : fmax(all[i], way);
		}
	}
	qsort(all, n, sizeof(double), compare);
	for (int i = 0; i < k; i++)
		if (fabs(all[i] - found[i]) > 1e-12 * (1 + all[i]))
			return false;
	return true;
}

static void
test_case(size_t n, int terms, int metric, int k, int grid)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_model   *models[2];
	const ml_neighbors *found[2];
	static double out[2][QUERIES];
	static double distances[2][QUERIES * 50];
	static double queries[QUERIES * 20];
	ml_model_shape shape = {ML_REGRESSION, terms, 0, 1};
	bool		same = true;
	bool		right = true;
	uint32_t	state = (uint32_t) (n + terms * 7 + metric);

	for (size_t i = 0; i < n * terms; i++)
	{
		state = state * 1664525 + 1013904223;
		x[i] = grid ? (double) (state >> 16) / 65536 * grid - fmod((double) (state >> 16) / 65536 * grid, 1) : state / 4294967296.0;
	}
	for (size_t i = 0; i < n; i++)
		y[i] = (double) i;
	for (size_t i = 0; i < QUERIES * (size_t) terms; i++)
	{
		state = state * 1664525 + 1013904223;
		queries[i] = grid ? (state >> 16) % grid : state / 4294967296.0 * 1.2 - 0.1;
	}
	for (int tree = 0; tree < 2; tree++)
	{
		char	   *work;

		found[tree] = fit(&ctx, n, terms, 1 + tree, metric, k, &models[tree]);
		work = malloc(ml_neighbors_class.work_size(found[tree], &shape) + 64);
		ml_neighbors_class.predict(found[tree], &shape, queries, QUERIES, out[tree], work);
		ml_neighbors_class.transform(found[tree], &shape, queries, QUERIES, distances[tree], work);
		free(work);
	}
	same = memcmp(out[0], out[1], sizeof(out[0])) == 0 &&
		memcmp(distances[0], distances[1], sizeof(double) * QUERIES * k) == 0;
	for (int i = 0; i < QUERIES; i++)
		right &= plain_search(queries + i * terms, n, terms, metric, k, distances[0] + i * k);
	unit_ok(found[1]->has_tree && !found[0]->has_tree && same, "tree and all the same bits: %zu x %d, metric %d, k %d%s", n, terms,
			metric, k, grid ? ", equal points" : "");
	unit_ok(right, "as a plain search: %zu x %d, metric %d, k %d", n, terms, metric, k);
	ml_model_free(models[0]);
	ml_model_free(models[1]);
}

static void
predict(const ml_neighbors *nb, int terms, const double *queries, size_t n, double *out, double *distances)
{
	ml_model_shape shape = {ML_REGRESSION, terms, 0, 1};
	char	   *work = malloc(ml_neighbors_class.work_size(nb, &shape) + 64);

	ml_neighbors_class.predict(nb, &shape, queries, n, out, work);
	ml_neighbors_class.transform(nb, &shape, queries, n, distances, work);
	free(work);
}

/* Points of which some are one, one is 0 and some are in one direction, far off and near; k is all of them. */
static void
test_directions(int algorithm)
{
	static const double points[][2] = {{1, 2}, {3, 6}, {0, 0}, {1e200, 2e200}, {-1e-200, -2e-200}, {2, -1}, {0, 5}, {0, 0}};
	static const double queries[][2] = {{0.7, 1.4}, {0, 0}, {0, 5}};
	ml_ctx		ctx = ml_ctx_default();
	ml_model   *model;
	ml_neighbors *nb;
	double		out[3];
	double		d[3 * 8];
	double		expected = 0;
	double		total = 0;

	memcpy(x, points, sizeof(points));
	for (int i = 0; i < 8; i++)
		y[i] = i + 1;
	by_distance = true;
	nb = fit(&ctx, 8, 2, algorithm, ML_METRIC_COSINE, 8, &model);
	predict(nb, 2, queries[0], 3, out, d);
	unit_ok(d[0] == 0 && d[1] == 0 && d[2] == 0 && d[3] > 0.1 && fabs(d[4] - 1) < 1e-15 && fabs(d[5] - 1) < 1e-15 && fabs(d[6] - 1) < 1e-15
			&& fabs(d[7] - 2) < 1e-15, "algorithm %d: rows in one direction are at distance 0, across at 1, opposite at 2", algorithm);
	unit_ok(out[0] == (1 + 2 + 4) / 3.0, "algorithm %d: by distance only those at distance 0 count", algorithm);
	for (int i = 8; i < 16; i++)
		unit_ok(d[i] == 1, "algorithm %d: all are at distance 1 from a row of zeros, neighbour %d", algorithm, i - 7);
	unit_ok(out[1] == 4.5, "algorithm %d: and count alike", algorithm);
	unit_ok(out[2] == 7, "algorithm %d: a row of its own direction", algorithm);
	ml_model_free(model);
	/* Without one at distance 0: 1 / distance, whatever the metric. */
	for (int metric = 0; metric < 4; metric++)
	{
		const double query[] = {3, 1};

		nb = fit(&ctx, 3, 2, algorithm, metric, 3, &model);
		predict(nb, 2, query, 1, out, d);
		expected = total = 0;
		for (int i = 0; i < 3; i++)
		{
			double		across = fabs(query[0] - x[2 * i]);
			double		up = fabs(query[1] - x[2 * i + 1]);
			double		weight = 1 / (metric == ML_METRIC_COSINE ? cosine_distance(query, x + 2 * i, 2) :
									  metric == ML_METRIC_EUCLIDEAN ? hypot(across, up) :
									  metric == ML_METRIC_MANHATTAN ? across + up : fmax(across, up));

			expected += weight * y[i];
			total += weight;
		}
		unit_ok(fabs(out[0] - expected / total) < 1e-14, "algorithm %d, metric %d: neighbours count by 1 / distance", algorithm, metric);
		ml_model_free(model);
	}
	by_distance = false;
}

/* What was saved and loaded predicts the same; bytes that name a metric there is not are refused. */
static void
test_saved(int metric)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_writer	w = {&ctx, NULL, 0, 0, false};
	ml_model_shape shape = {ML_REGRESSION, 4, 0, 1};
	ml_model   *model;
	ml_neighbors *nb;
	void	   *loaded = NULL;
	ml_reader	r;
	static double out[2][QUERIES];
	static double distances[2][QUERIES * 6];
	uint32_t	state = 7;

	for (int i = 0; i < 500 * 4; i++)
	{
		state = state * 1664525 + 1013904223;
		x[i] = state / 4294967296.0 - 0.5;
	}
	nb = fit(&ctx, 500, 4, 2, metric, 6, &model);
	ml_neighbors_class.save(nb, &shape, &w);
	r = (ml_reader) {w.data, w.length, 0, false};
	unit_ok(!w.failed && ml_neighbors_class.load(&ctx, &r, &shape, &loaded) == ML_OK && r.at == r.length, "metric %d: loaded", metric);
	predict(nb, 4, x, QUERIES, out[0], distances[0]);
	predict(loaded, 4, x, QUERIES, out[1], distances[1]);
	unit_ok(memcmp(out[0], out[1], sizeof(out[0])) == 0 && memcmp(distances[0], distances[1], sizeof(distances[0])) == 0 &&
			distances[0][0] == 0, "metric %d: the same after loading, and each row is its own neighbour", metric);
	ml_neighbors_class.free(&ctx, loaded);
	loaded = NULL;
	w.data[0] = ML_METRIC_COSINE + 1;
	r = (ml_reader) {w.data, w.length, 0, false};
	unit_ok(ml_neighbors_class.load(&ctx, &r, &shape, &loaded) == ML_BAD_MODEL, "metric %d: another metric is refused", metric);
	ml_neighbors_class.free(&ctx, loaded);
	ml_free(&ctx, w.data);
	ml_model_free(model);
}

/* The bytes of models before there was the cosine metric: they did not change. */
static void
test_older(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_writer	w = {&ctx, NULL, 0, 0, false};
	ml_model_shape shape = {ML_REGRESSION, 1, 0, 1};
	double		panel[ML_PANEL] = {1, 3};
	double		query = 2.5;
	double		out = 0;
	double		distances[2] = {0};
	void	   *loaded = NULL;
	ml_reader	r;
	ml_status	status;

	ml_put_u8(&w, 1);			/* manhattan */
	ml_put_u8(&w, 1);			/* by distance */
	ml_put_u8(&w, 1);			/* a tree */
	ml_put_u32(&w, 2);			/* k */
	ml_put_u32(&w, 2);			/* points, their places, targets and numbers */
	ml_put_u32(&w, 1);
	ml_put_u32(&w, 0);
	ml_put_double(&w, 8);
	ml_put_double(&w, 4);
	ml_put_doubles(&w, panel, ML_PANEL);
	r = (ml_reader) {w.data, w.length, 0, false};
	status = ml_neighbors_class.load(&ctx, &r, &shape, &loaded);
	unit_ok(status == ML_OK && r.at == r.length, "an older model loads");
	if (status == ML_OK)
		predict(loaded, 1, &query, 1, &out, distances);
	unit_ok(out == 5 && distances[0] == 0.5 && distances[1] == 1.5, "and predicts");
	ml_neighbors_class.free(&ctx, loaded);
	ml_free(&ctx, w.data);
}

static ml_status
fit_and_free(const ml_ctx *ctx, void *metric, ml_error *err)
{
	ml_model   *model = NULL;
	ml_neighbors *nb = fit(ctx, 300, 4, 2, *(int *) metric, 5, &model);

	(void) err;
	ml_model_free(model);
	return nb != NULL ? ML_OK : ML_NO_MEMORY;
}

int
main(void)
{
	for (int metric = 0; metric < 4; metric++)
	{
		test_case(3000, 3, metric, 5, 0);
		test_case(3000, 2, metric, 7, 5);
		test_case(1000, 12, metric, 50, 0);
		test_case(40, 3, metric, 40, 3);	/* k is all of them */
		test_saved(metric);
		fail_each_allocation(fit_and_free, &metric, 4, "neighbours");
	}
	test_directions(1);
	test_directions(2);
	test_older();
	test_case(1, 2, 0, 1, 0);
	test_case(17, 1, 0, 17, 0);
	test_case(33, 2, 1, 3, 1);	/* all points are one */
	test_case(97, 20, 0, 10, 0);
	return unit_done();
}
