/*
 * test_ml_neighbors.c: a kd-tree finds the neighbours that comparing all finds, to the bit, also among equal points; both
 * are those of a plain search.
 */
#include "unit.h"

#include <math.h>

#include "ml/ml_estimator.h"
#include "ml/ml_neighbors.h"

enum
{
	MOST = 3000,
	QUERIES = 200
};

static double x[MOST * 20];
static double y[MOST];

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
	ml_model_new(ctx, &spec, model, &err);
	status = estimator->begin(ctx, &input, params, &state, &err);
	while (status == ML_OK || status == ML_MORE)
		status = estimator->step(state, &progress, &err);
	if (status == ML_DONE)
		estimator->finish(state, *model, NULL, &err);
	estimator->end(state);
	return (ml_neighbors *) ml_model_predictor(*model, &ml_neighbors_class);
}

static int
compare(const void *a, const void *b)
{
	double		p = *(const double *) a;
	double		q = *(const double *) b;

	return (p > q) - (p < q);
}

/* Whether the distances are those of a plain search, to rounding. */
static bool
plain_search(const double *query, size_t n, int terms, int metric, int k, const double *found)
{
	static double all[MOST];

	for (size_t i = 0; i < n; i++)
	{
		all[i] = 0;
		for (int j = 0; j < terms; j++)
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

int
main(void)
{
	for (int metric = 0; metric < 3; metric++)
	{
		test_case(3000, 3, metric, 5, 0);
		test_case(3000, 2, metric, 7, 5);
		test_case(1000, 12, metric, 50, 0);
	}
	test_case(1, 2, 0, 1, 0);
	test_case(17, 1, 0, 17, 0);
	test_case(33, 2, 1, 3, 1);	/* all points are one */
	test_case(97, 20, 0, 10, 0);
	return unit_done();
}
