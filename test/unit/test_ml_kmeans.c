/*
 * test_ml_kmeans.c: k-means on rows that are far from ordinary: distances that overflow, fewer different rows than clusters,
 * clusters that lose their rows; steps stay short, and what it takes is checked against the limit.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_estimator.h"
#include "ml/ml_kmeans.h"

/* A training at its end, before `finish`. */
typedef struct training
{
	ml_design	design;
	double		params[ML_MAX_PARAMS];
	void	   *state;
	ml_report	report;
	int			steps;
	double		loss;
} training;

static void
set_up(training *t, const double *x, size_t rows, int n_terms, int k)
{
	memset(t, 0, sizeof(*t));
	t->design = (ml_design) {.rows = rows, .n_terms = n_terms, .x = x, .stride = n_terms};
	ml_estimator_defaults(&ml_estimator_kmeans, t->params);
	t->params[ml_estimator_param(&ml_estimator_kmeans, "n_clusters")] = k;
}

static ml_status
run(training *t, const ml_ctx *ctx, ml_error *err)
{
	ml_train_input input = {.design = &t->design};
	ml_progress progress = {0, 0, NAN};
	ml_status	status = ml_estimator_kmeans.begin(ctx, &input, t->params, &t->state, err);

	while (status == ML_OK || status == ML_MORE)
	{
		status = ml_estimator_kmeans.step(t->state, &progress, err);
		t->steps++;
	}
	t->loss = progress.loss;
	return status;
}

/* The report of a training that is done; the model is of no interest. */
static void
finish(training *t, const ml_ctx *ctx)
{
	ml_column_spec columns[8];
	ml_model_spec spec = {.algorithm = "kmeans", .task = ML_CLUSTERING, .target = "", .target_type = "", .n_columns = t->design.n_terms,
	.columns = columns};
	ml_model   *model;
	ml_error	err;

	for (int j = 0; j < t->design.n_terms; j++)
		columns[j] = (ml_column_spec) {.name = "x", .type = "float8", .kind = ML_NUMERIC, .scale = 1, .reference = -1};
	unit_ok(ml_model_new(ctx, &spec, &model, &err) == ML_OK &&
			ml_estimator_kmeans.finish(t->state, model, &t->report, &err) == ML_OK, "finished");
	ml_model_free(model);
}

static void
tear_down(training *t, const ml_ctx *ctx)
{
	ml_report_free(ctx, &t->report);
	ml_estimator_kmeans.end(t->state);
}

/* Two places whose distance overflows are two clusters all the same, whatever memory held before. */
static void
test_overflow(void)
{
	static const double x[] = {-1e200, 1e200, -1e200, 1e200, -1e200};

	for (int fill = 1; fill < 256; fill += 254)
	{
		fail_state	state = {-1, 0, -1, fill};
		ml_ctx		ctx = fail_ctx(&state);
		ml_error	err;
		training	t;

		set_up(&t, x, 5, 1, 2);
		unit_int(run(&t, &ctx, &err), ML_DONE, "places as far apart as that, memory full of %d", fill);
		unit_near(t.loss, 0, 0, 0, "are two clusters");
		tear_down(&t, &ctx);
		set_up(&t, x, 5, 1, 1);
		unit_int(run(&t, &ctx, &err), ML_BAD_DATA, "one cluster of them has no inertia");
		unit_text(err.message, "the distances of the rows overflow", "as it says");
		tear_down(&t, &ctx);
		unit_int(state.live, 0, "nothing leaks");
	}
}

/* More clusters than different rows: it ends at once, without an empty cluster being sent around. */
static void
test_few_places(void)
{
	double		x[60];
	ml_ctx		ctx = ml_ctx_default();
	ml_error	err;
	training	t;
	double		empty = 0;

	for (int i = 0; i < 60; i++)
		x[i] = i % 3;
	set_up(&t, x, 60, 1, 7);
	unit_int(run(&t, &ctx, &err), ML_DONE, "seven clusters of three places");
	finish(&t, &ctx);
	unit_ok(t.report.converged && t.report.iterations < 5, "converged after %d rounds", t.report.iterations);
	for (int c = 0; c < 7; c++)
		empty += t.report.arrays[1].values[c] == 0;
	unit_near(empty, 4, 0, 0, "four clusters are empty");
	unit_int(t.report.n_empty, 4, "and it says so");
	tear_down(&t, &ctx);
}

/* Centres chosen by chance among many equal rows: several clusters lose their rows in one round, and each finds another place. */
static void
test_revived(void)
{
	double		x[1000];
	ml_ctx		ctx = ml_ctx_default();
	ml_error	err;
	int			found = 0;

	for (int i = 0; i < 1000; i++)
		x[i] = i < 990 ? 0 : 100 * (i - 989) + 0.001 * i;
	for (int seed = 0; seed < 20; seed++)
	{
		training	t;

		ctx.seed = seed;
		set_up(&t, x, 1000, 1, 11);
		t.params[ml_estimator_param(&ml_estimator_kmeans, "init")] = 1;
		found += run(&t, &ctx, &err) == ML_DONE && t.loss < 1e-9;
		tear_down(&t, &ctx);
	}
	unit_int(found, 20, "all places are found from any start");
}

static void
test_memory(void)
{
	static double x[5000];
	ml_ctx		ctx = ml_ctx_default();
	ml_error	err;
	training	t;

	for (int i = 0; i < 5000; i++)
		x[i] = i % 71;
	ctx.memory_limit = 100000;
	set_up(&t, x, 5000, 1, 4);
	unit_int(run(&t, &ctx, &err), ML_TOO_LARGE, "what it takes is checked: %s", err.message);
	tear_down(&t, &ctx);
	ctx.memory_limit = 1000000;
	set_up(&t, x, 5000, 1, 4);
	unit_int(run(&t, &ctx, &err), ML_DONE, "and fits into more");
	tear_down(&t, &ctx);
}

/* Measuring a start goes over all rows and centres: that is many steps too, not one at the end. */
static void
test_steps(void)
{
	enum
	{
		N = 100000,
		TERMS = 8,
		K = 500
	};
	double	   *x = malloc(sizeof(double) * N * TERMS);
	ml_ctx		ctx = ml_ctx_default();
	ml_error	err;
	training	t;

	for (int i = 0; i < N * TERMS; i++)
		x[i] = sin(i * 12.9898) + i % 5;
	set_up(&t, x, N, TERMS, K);
	t.params[ml_estimator_param(&ml_estimator_kmeans, "batch_size")] = 2000;
	t.params[ml_estimator_param(&ml_estimator_kmeans, "max_iter")] = 1;
	unit_int(run(&t, &ctx, &err), ML_DONE, "%d rows, %d clusters by batches", N, K);
	unit_ok(t.steps > N / 1e8 * TERMS * K, "in %d steps", t.steps);
	tear_down(&t, &ctx);
	free(x);
}

int
main(void)
{
	test_overflow();
	test_few_places();
	test_revived();
	test_memory();
	test_steps();
	return unit_done();
}
