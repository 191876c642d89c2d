/*
 * test_ml_quantile.c: quantile regression of many rows, where parts of them are solved: it ends at the optimum of all of them,
 * any allocation may fail and it may be cancelled at any point without a leak.
 */
#include "unit.h"

#include "alloc_fail.h"
#include "ml/ml_estimator.h"
#include "ml/ml_quantile.h"

enum
{
	ROWS = 21000,
	TERMS = 2
};

static double x[ROWS * TERMS];
static double y[ROWS];

static void
make_rows(void)
{
	uint64_t	state = 5;

	for (int i = 0; i < ROWS * (TERMS + 1); i++)
	{
		double		value;

		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		value = (double) (state >> 33) * 0x1p-31;
		if (i < ROWS * TERMS)
			x[i] = value;
		else
			y[i - ROWS * TERMS] = x[(i - ROWS * TERMS) * TERMS] + value * value;
	}
}

/* Trains until the end; the last status. */
static ml_status
train(const ml_ctx *ctx, int *iterations)
{
	const ml_estimator *estimator = ml_estimator_find("quantile_regression");
	ml_design	design = {.rows = ROWS, .n_terms = TERMS, .x = x, .stride = TERMS, .target = y};
	ml_train_input input = {.design = &design};
	const double params[] = {0, 0.3, 1, 1e-9, 100};
	ml_progress progress = {0};
	ml_error	err;
	void	   *state = NULL;
	ml_status	status = estimator->begin(ctx, &input, params, &state, &err);

	while (status == ML_OK || status == ML_MORE)
	{
		status = ml_is_cancelled(ctx) ? ML_CANCELLED : estimator->step(state, &progress, &err);
		if (status == ML_DONE)
			break;
	}
	*iterations = progress.iteration;
	estimator->end(state);
	return status;
}

static ml_status
attempt_train(const ml_ctx *ctx, void *arg, ml_error *err)
{
	int			iterations;
	ml_status	status = train(ctx, &iterations);

	(void) arg;
	(void) err;
	return status == ML_DONE ? ML_OK : status;
}

static void
test_failures(void)
{
	fail_state	state = {-1, 0, -1, 0};
	ml_ctx		ctx = fail_ctx(&state);
	int			iterations;
	int			tried = 0;
	bool		clean = true;
	ml_status	status;

	status = train(&ctx, &iterations);
	unit_ok(status == ML_DONE && state.live == 0, "it ends, after %d iterations, and gives everything back", iterations);
	fail_each_allocation(attempt_train, NULL, 21, "quantiles");
	for (long at = 0;; at += 7, tried++)
	{
		state = (fail_state) {-1, 0, at, 0};
		ctx = fail_ctx(&state);
		status = train(&ctx, &iterations);
		clean &= state.live == 0 && (status == ML_CANCELLED || status == ML_DONE);
		if (status == ML_DONE)
			break;
	}
	unit_ok(clean && tried > 3, "it may be cancelled at %d points", tried);
}

/* Rows on either side of the plane of a solver of all rows hold the balance of an optimum. */
static void
test_solver(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_design	design = {.rows = ROWS, .n_terms = TERMS, .x = x, .stride = TERMS, .target = y};
	ml_quantile_params params = {.quantile = 0.3, .fit_intercept = true, .tol = 1e-9, .max_iter = 100, .vertex = true};
	ml_quantile *solver;
	ml_error	err;
	ml_quantile_result r;
	int			below = 0,
				there = 0;

	if (!unit_ok(ml_quantile_begin(&ctx, &design, &params, &solver, &err) == ML_OK, "a solver begins"))
		return;
	while (ml_quantile_step(solver, &err) == ML_MORE)
		;
	r = ml_quantile_solution(solver);
	for (int i = 0; i < ROWS; i++)
	{
		double		distance = y[i] - r.intercept - x[i * TERMS] * r.coefficients[0] - x[i * TERMS + 1] * r.coefficients[1];

		there += fabs(distance) < 1e-12;
		below += distance <= -1e-12;
	}
	unit_ok(r.converged && there == TERMS + 1, "the plane goes through %d rows", there);
	unit_ok(below <= 0.3 * ROWS && below + there >= 0.3 * ROWS, "%d rows of %d are below", below, ROWS);
	ml_quantile_free(solver);
}

int
main(void)
{
	make_rows();
	test_solver();
	test_failures();
	return unit_done();
}
