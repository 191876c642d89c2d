/*
 * evaluate_intervals.c: the lower and upper ends that evaluate() gives beside its metrics.
 *
 * Percentile intervals of the bootstrap over at most RESAMPLED_ROWS rows.  Of more rows that many are drawn, and what the
 * resamples lie from the metric of those is shrunk by the root of the ratio ("m out of n": Bickel, Goetze and van Zwet,
 * 1997), since the error of means and of what is made from them falls with the root of the number of rows.
 */
#include "predict/metric_int.h"

#include <math.h>

#define RESAMPLED_ROWS 20000
#define MOST_RESAMPLES 100000

void
mdl_interval_options(FunctionCallInfo fcinfo, int first, MdlIntervalOptions *options)
{
	if (PG_ARGISNULL(first) || PG_ARGISNULL(first + 1) || PG_ARGISNULL(first + 2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("confidence, resamples and seed must not be NULL")));
	options->confidence = PG_GETARG_FLOAT8(first);
	options->resamples = PG_GETARG_INT32(first + 1);
	options->seed = (uint64) PG_GETARG_INT64(first + 2);
	if (!(options->confidence > 0 && options->confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence must be between 0 and 1, but is %g", options->confidence),
				 errhint("It is the share of intervals that hold the true value, 0.95 for 95 %%.")));
	if (options->resamples < 0 || options->resamples > MOST_RESAMPLES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("resamples must be between 0 and %d, but is %d", MOST_RESAMPLES, options->resamples),
				 errhint("It is how often the rows are drawn for the intervals; 0 for none.")));
}

void
mdl_intervals_make(MdlIntervals *intervals, ml_eval_task task, bytea *sample, double n_rows, const MdlIntervalOptions *options)
{
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, options->seed);
	ml_error	error;
	ml_status	status;
	ml_eval_row *rows;
	size_t		n;

	intervals->names = ml_eval_names(task, &intervals->n_names);
	intervals->made = false;
	rows = sample == NULL ? NULL : mdl_evaluation_rows(sample, &n);
	if (rows == NULL || n == 0 || options->resamples == 0)
		return;
	mdl_evaluation_sort(rows, n);
	if (n > RESAMPLED_ROWS)
	{
		ml_eval_thin(rows, n, RESAMPLED_ROWS, options->seed);
		n = RESAMPLED_ROWS;
	}
	intervals->shrink = n_rows > n ? sqrt(n / n_rows) : 1;
	ctx.nthreads = mdl_training_threads();
	status = ml_eval_bootstrap(&ctx, task, rows, n, options->resamples, options->confidence, &intervals->ends, &error);
	if (status != ML_OK)
		mdl_ml_raise(status, &error);
	intervals->made = true;
	pfree(rows);
}

/* Metrics that cannot be below 0, or above 1, have no interval beyond. */
static double
within_range(const char *name, double value)
{
	static const char *const any_size[] = {"rmse", "mae", "mse", "mape", "log_loss"};
	static const char *const any_sign[] = {"r2", "explained_variance", "mcc"};

	for (int i = 0; i < lengthof(any_size); i++)
		if (strcmp(name, any_size[i]) == 0)
			return Max(value, 0);
	for (int i = 0; i < lengthof(any_sign); i++)
		if (strcmp(name, any_sign[i]) == 0)
			return Min(value, 1);
	return Min(Max(value, 0), 1);
}

bool
mdl_interval_of(const MdlIntervals *intervals, const char *name, double value, double *lower, double *upper)
{
	const ml_eval_intervals *ends = &intervals->ends;
	int			m = 0;

	while (m < intervals->n_names && strcmp(intervals->names[m], name) != 0)
		m++;
	if (!intervals->made || m == intervals->n_names || isnan(ends->lower[m]) || isnan(ends->value[m]))
		return false;
	if (intervals->shrink == 1)
	{
		*lower = ends->lower[m];
		*upper = ends->upper[m];
		return true;
	}
	*lower = within_range(name, value + intervals->shrink * (ends->lower[m] - ends->value[m]));
	*upper = within_range(name, value + intervals->shrink * (ends->upper[m] - ends->value[m]));
	return true;
}
