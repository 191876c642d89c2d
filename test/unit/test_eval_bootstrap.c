/*
 * test_eval_bootstrap.c: intervals against the theory of means, and that neither threads nor the order of rows matter.
 */
#include "ml/eval_bootstrap.h"

#include "alloc_fail.h"
#include "unit.h"

#define N 500
#define RESAMPLES 2000

static ml_eval_row room[N];

static double
noise(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (double) (*state >> 8) / 16777216.0;
}

static void
make_rows(ml_eval_row *rows, ml_eval_task task)
{
	unsigned	state = 99;

	for (int i = 0; i < N; i++)
	{
		double		u = noise(&state);
		double		v = noise(&state);

		rows[i].value = task == ML_EVAL_NUMBER ? 3 * u + v : u;
		rows[i].y = task == ML_EVAL_NUMBER ? 3 * u : v < u;
		rows[i].label = task == ML_EVAL_MANY ? (uint64_t) (v * 4) : rows[i].y > 0;
		rows[i].predicted = task == ML_EVAL_MANY ? (uint64_t) (u * 4) : rows[i].value > 0.5;
	}
	ml_eval_sort(NULL, rows, room, N);
}

static int
place(ml_eval_task task, const char *metric)
{
	int			n;
	const char *const *names = ml_eval_names(task, &n);

	for (int i = 0; i < n; i++)
		if (strcmp(names[i], metric) == 0)
			return i;
	return -1;
}

int
main(void)
{
	static ml_eval_row rows[N],
				other[N];
	ml_ctx		ctx = ml_ctx_default();
	ml_eval_intervals one,
				again;
	ml_error	error;
	int			at;

	for (int task = ML_EVAL_NUMBER; task <= ML_EVAL_MANY; task++)
	{
		fail_state	state = {-1, 0, -1, 0};
		ml_ctx		failing = fail_ctx(&state);
		int			failures = 0;
		ml_status	status = ML_NO_MEMORY;

		make_rows(rows, task);
		ctx.seed = 7;
		ctx.nthreads = 1;
		unit_ok(ml_eval_bootstrap(&ctx, task, rows, N, RESAMPLES, 0.95, &one, &error) == ML_OK, "task %d", task);
		ctx.nthreads = 3;
		ml_eval_bootstrap(&ctx, task, rows, N, RESAMPLES, 0.95, &again, &error);
		unit_bytes(&one, &again, sizeof(double) * 6, "three threads, the same bits");
		ctx.seed = 8;
		ml_eval_bootstrap(&ctx, task, rows, N, RESAMPLES, 0.95, &again, &error);
		unit_ok(again.value[0] == one.value[0] && again.lower[0] != one.lower[0], "another seed draws other rows");
		unit_near(again.lower[0], one.lower[0], 0, 0.2 * (one.upper[0] - one.lower[0]), "but not far away");
		ctx.seed = 7;
		for (int i = 0; i < N; i++)
			other[i] = rows[(i * 7) % N];
		ml_eval_sort(NULL, other, room, N);
		unit_bytes(rows, other, sizeof(rows), "rows in another order are sorted alike");

		/* Every allocation fails once; nothing is lost. */
		for (long k = 0; status == ML_NO_MEMORY && k < 200; k++)
		{
			state.until_failure = k;
			status = ml_eval_bootstrap(&failing, task, rows, N, 20, 0.95, &again, &error);
			failures += status == ML_NO_MEMORY;
			if (state.live != 0)
				break;
		}
		unit_ok(status == ML_OK && state.live == 0 && failures > 30, "survives %d failed allocations", failures);
		state.until_failure = -1;
		state.until_cancel = 3;
		unit_ok(ml_eval_bootstrap(&failing, task, rows, N, RESAMPLES, 0.95, &again, &error) == ML_CANCELLED && state.live == 0,
				"stops when cancelled");
	}

	make_rows(rows, ML_EVAL_TWO);
	ctx.nthreads = 1;
	ml_eval_bootstrap(&ctx, ML_EVAL_TWO, rows, N, RESAMPLES, 0.95, &one, &error);
	at = place(ML_EVAL_TWO, "accuracy");
	unit_near((one.upper[at] - one.lower[at]) / (2 * 1.959964), sqrt(one.value[at] * (1 - one.value[at]) / N), 0.06, 0,
			  "accuracy: as wide as a share is uncertain");
	unit_near((one.upper[at] + one.lower[at]) / 2, one.value[at], 0.01, 0, "and around it");
	ml_eval_bootstrap(&ctx, ML_EVAL_TWO, rows, N, RESAMPLES, 0.5, &again, &error);
	unit_ok(again.lower[at] > one.lower[at] && again.upper[at] < one.upper[at], "less confidence, narrower");
	for (int i = 0; i < N; i++)
		rows[i].y = rows[i].label = 1;
	ml_eval_bootstrap(&ctx, ML_EVAL_TWO, rows, N, 100, 0.95, &one, &error);
	at = place(ML_EVAL_TWO, "roc_auc");
	unit_ok(isnan(one.value[at]) && isnan(one.lower[at]) && isnan(one.upper[at]), "one class: no area, no interval");

	make_rows(rows, ML_EVAL_NUMBER);
	ml_eval_bootstrap(&ctx, ML_EVAL_NUMBER, rows, 1, 100, 0.95, &one, &error);
	unit_ok(one.lower[0] == one.value[0] && one.upper[0] == one.value[0], "one row: no spread");
	rows[0].y = NAN;
	ml_eval_bootstrap(&ctx, ML_EVAL_NUMBER, rows, N, 100, 0.95, &one, &error);
	unit_ok(isnan(one.value[0]) && (isnan(one.lower[0]) || isfinite(one.lower[0])), "NaN is no trouble");

	make_rows(rows, ML_EVAL_MANY);
	for (int i = 0; i < N; i++)
		rows[i].label = i;
	ml_eval_bootstrap(&ctx, ML_EVAL_MANY, rows, N, 100, 0.95, &one, &error);
	unit_ok(isnan(one.value[0]) && isnan(one.upper[0]), "too many classes to count");
	at = place(ML_EVAL_MANY, "log_loss");
	unit_ok(one.lower[at] < one.value[at] && one.value[at] < one.upper[at], "but their losses have an interval");

	make_rows(rows, ML_EVAL_NUMBER);
	memcpy(other, rows, sizeof(rows));
	ml_eval_thin(other, N, 50, 1);
	at = 0;
	for (int i = 0; i < 50; i++)
	{
		while (at < N && memcmp(&rows[at], &other[i], sizeof(rows[0])) != 0)
			at++;
		if (at++ == N)
			break;
	}
	unit_ok(at <= N, "thinning keeps rows in order, each once");
	return unit_done();
}
