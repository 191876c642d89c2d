/*
 * metric_curve.c: what every threshold on a score gives: the weighted roc_auc and average_precision, roc_curve, pr_curve,
 * calibration_curve, calibration_error, lift, lift_curve, best_threshold.
 *
 * The state keeps (score, weight) of each row, the weight below 0 for negatives; rows of weight 0 are not kept.
 */
#include "predict/metric_int.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "ml/eval_curve.h"
#include "utils/builtins.h"
#include "utils/float.h"

#define MAX_BINS 100000

/* Adds the row of arguments 1 (label), 2 (score) and, if there, the weight; *state may stay NULL for a weight of 0. */
static void
add_scored(FunctionCallInfo fcinfo, MetricRows **state, const char *metric, int weight_argument)
{
	bool		positive = mdl_label_positive(mdl_labels(fcinfo, 1, metric), PG_GETARG_DATUM(1));
	double		score = PG_GETARG_FLOAT8(2);
	double		weight = PG_NARGS() > weight_argument ? mdl_checked_weight(PG_GETARG_FLOAT8(weight_argument)) : 1;
	double	   *row;

	if (isnan(score))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a score is NaN and cannot be ranked"),
				 errhint("Leave such rows out with a FILTER clause, or give NULL, which is left out.")));
	if (weight == 0)
		return;
	row = mdl_metric_rows_add(state, 2);
	row[0] = score;
	row[1] = positive ? weight : -weight;
}

static Datum
state_datum(FunctionCallInfo fcinfo, MetricRows *state)
{
	return state == NULL ? PG_GETARG_DATUM(0) : PointerGetDatum(state);
}

/* _scored_step(state, label, score [, weight]) */
MDL_SHIM_TARGET(mdl_metric_scored_step);
Datum
mdl_metric_scored_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);

	add_scored(fcinfo, &state, "roc_auc", 3);
	return state_datum(fcinfo, state);
}

static int
checked_bins(int bins)
{
	if (bins < 1 || bins > MAX_BINS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bins must be between 1 and %d, but is %d", MAX_BINS, bins)));
	return bins;
}

/* _calibration_step(state, label, probability [, bins [, strategy [, weight]]]); parameters: bins, whether quantile */
MDL_SHIM_TARGET(mdl_metric_calibration_step);
Datum
mdl_metric_calibration_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	bool		first = state == NULL;
	double		probability = PG_GETARG_FLOAT8(2);

	if (!(probability >= 0 && probability <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a calibration curve needs probabilities between 0 and 1, but got %s", float8out_internal(probability))));
	add_scored(fcinfo, &state, "calibration_curve", 5);
	if (first && state != NULL)
	{
		char	   *strategy = PG_NARGS() > 4 ? text_to_cstring(PG_GETARG_TEXT_PP(4)) : "uniform";

		state->parameters[0] = checked_bins(PG_NARGS() > 3 ? PG_GETARG_INT32(3) : 10);
		if (strcmp(strategy, "uniform") != 0 && strcmp(strategy, "quantile") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("strategy \"%s\" does not exist", strategy),
					 errhint("Bins are uniform (equally wide) or quantile (equally full).")));
		state->parameters[1] = strcmp(strategy, "quantile") == 0;
	}
	return state_datum(fcinfo, state);
}

/* _lift_step(state, label, score [, bins [, weight]]); parameter: bins */
MDL_SHIM_TARGET(mdl_metric_lift_step);
Datum
mdl_metric_lift_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	bool		first = state == NULL;

	add_scored(fcinfo, &state, "lift_curve", 4);
	if (first && state != NULL)
		state->parameters[0] = checked_bins(PG_NARGS() > 3 ? PG_GETARG_INT32(3) : 10);
	return state_datum(fcinfo, state);
}

/* _lift_at_step(state, label, score, fraction [, weight]); parameter: fraction */
MDL_SHIM_TARGET(mdl_metric_lift_at_step);
Datum
mdl_metric_lift_at_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	double		fraction = PG_GETARG_FLOAT8(3);

	if (!(fraction > 0 && fraction <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fraction must be above 0 and not above 1, but is %g", fraction),
				 errhint("It is the share of rows that score highest, 0.1 for a tenth.")));
	add_scored(fcinfo, &state, "lift", 4);
	if (state != NULL)
		state->parameters[0] = fraction;
	return state_datum(fcinfo, state);
}

/* _threshold_step(state, label, score, metric [, cost_fp, cost_fn [, weight]]); parameters: metric, costs */
MDL_SHIM_TARGET(mdl_metric_threshold_step);
Datum
mdl_metric_threshold_step_impl(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"f1", "accuracy", "balanced_accuracy", "mcc", "youden", "cost"};
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	bool		first = state == NULL;

	add_scored(fcinfo, &state, "best_threshold", 6);
	if (first && state != NULL)
	{
		char	   *metric = text_to_cstring(PG_GETARG_TEXT_PP(3));
		int			chosen = 0;

		while (chosen < lengthof(names) && strcmp(names[chosen], metric) != 0)
			chosen++;
		if (chosen == lengthof(names))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a threshold cannot be chosen by \"%s\"", metric),
					 errhint("Choose by f1, accuracy, balanced_accuracy, mcc, youden or cost.")));
		if ((chosen == ML_THRESHOLD_COST) != (PG_NARGS() > 4))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a threshold by %s is chosen %s costs", metric, chosen == ML_THRESHOLD_COST ? "with" : "without"),
					 errhint("Write medallion.best_threshold(label, score, 'cost', cost_fp, cost_fn), or leave the costs out.")));
		state->parameters[0] = chosen;
		for (int i = 0; i < 2 && PG_NARGS() > 4; i++)
		{
			state->parameters[1 + i] = PG_GETARG_FLOAT8(4 + i);
			if (!(state->parameters[1 + i] >= 0) || isinf(state->parameters[1 + i]))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("a cost must be a number not below 0, but is %g", state->parameters[1 + i])));
		}
	}
	return state_datum(fcinfo, state);
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

/* A sorted copy of the rows; NULL without any. */
static ml_scored *
sorted_rows(const MetricRows *state)
{
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	Size		size;
	ml_scored  *rows,
			   *scratch;

	if (state == NULL || state->n == 0)
		return NULL;
	size = sizeof(ml_scored) * (Size) state->n;
	rows = MemoryContextAllocHuge(CurrentMemoryContext, size);
	scratch = MemoryContextAllocHuge(CurrentMemoryContext, size);
	memcpy(rows, state->numbers, size);
	ml_scored_sort(&ctx, rows, scratch, state->n);
	CHECK_FOR_INTERRUPTS();
	pfree(scratch);
	return rows;
}

/* The steps of a curve; NULL without rows. */
static ml_step *
steps_of(const MetricRows *state, size_t *n)
{
	ml_scored  *rows = sorted_rows(state);
	ml_step    *steps;

	if (rows == NULL)
		return NULL;
	steps = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_step) * (Size) state->n);
	*n = ml_steps(rows, state->n, steps);
	pfree(rows);
	return steps;
}

static Datum
area(FunctionCallInfo fcinfo, bool (*metric) (const ml_step *steps, size_t n, double *value))
{
	size_t		n;
	ml_step    *steps = steps_of(mdl_metric_rows(fcinfo, 0), &n);
	double		value;

	if (steps == NULL || !metric(steps, n, &value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

MDL_SHIM_TARGET(mdl_metric_weighted_roc_auc);
Datum
mdl_metric_weighted_roc_auc_impl(PG_FUNCTION_ARGS)
{
	return area(fcinfo, ml_steps_roc_auc);
}

MDL_SHIM_TARGET(mdl_metric_weighted_average_precision);
Datum
mdl_metric_weighted_average_precision_impl(PG_FUNCTION_ARGS)
{
	return area(fcinfo, ml_steps_average_precision);
}

/* roc_point[]: threshold, fpr, tpr; from (infinity, 0, 0) on; NULL when a class is missing */
MDL_SHIM_TARGET(mdl_metric_roc_curve);
Datum
mdl_metric_roc_curve_impl(PG_FUNCTION_ARGS)
{
	size_t		n;
	ml_step    *steps = steps_of(mdl_metric_rows(fcinfo, 0), &n);
	MdlRowArray rows;
	ml_step		all;

	if (steps == NULL || steps[n - 1].tp <= 0 || steps[n - 1].fp <= 0)
		PG_RETURN_NULL();
	all = steps[n - 1];
	n = ml_steps_corners(steps, n);
	mdl_row_array_begin(fcinfo, &rows, n + 1);
	mdl_row_array_numbers(&rows, (double[]) {INFINITY, 0, 0});
	for (size_t i = 0; i < n; i++)
		mdl_row_array_numbers(&rows, (double[]) {steps[i].threshold, steps[i].fp / all.fp, steps[i].tp / all.tp});
	PG_RETURN_DATUM(mdl_row_array_end(&rows));
}

/* pr_point[]: threshold, precision, recall; from (infinity, 1, 0) on; NULL without positives */
MDL_SHIM_TARGET(mdl_metric_pr_curve);
Datum
mdl_metric_pr_curve_impl(PG_FUNCTION_ARGS)
{
	size_t		n;
	ml_step    *steps = steps_of(mdl_metric_rows(fcinfo, 0), &n);
	MdlRowArray rows;
	double		positives;

	if (steps == NULL || steps[n - 1].tp <= 0)
		PG_RETURN_NULL();
	positives = steps[n - 1].tp;
	mdl_row_array_begin(fcinfo, &rows, n + 1);
	mdl_row_array_numbers(&rows, (double[]) {INFINITY, 1, 0});
	for (size_t i = 0; i < n; i++)
		mdl_row_array_numbers(&rows, (double[]) {steps[i].threshold, steps[i].tp / (steps[i].tp + steps[i].fp),
							  steps[i].tp / positives});
	PG_RETURN_DATUM(mdl_row_array_end(&rows));
}

/* The bins of a calibration state; NULL without rows. */
static ml_bin *
calibration_bins(const MetricRows *state, int *n)
{
	ml_scored  *rows = sorted_rows(state);
	double	   *edges;
	ml_bin	   *bins;

	if (rows == NULL)
		return NULL;
	*n = (int) state->parameters[0];
	edges = palloc(sizeof(double) * (*n + 1));
	bins = palloc(sizeof(ml_bin) * *n);
	for (int k = 0; k <= *n; k++)
	{
		double		fraction = k == *n ? 1 : k * (1.0 / *n);

		/* By way of percents, as scikit-learn goes, so that rounding puts scores on an edge into the same bin. */
		edges[k] = state->parameters[1] != 0 ? ml_scored_quantile(rows, state->n, fraction * 100 / 100) : fraction;
	}
	ml_calibration(rows, state->n, edges, *n, bins);
	pfree(rows);
	return bins;
}

/* calibration_bin[]: lower, upper, rows, mean_probability, observed; the bins that are not empty */
MDL_SHIM_TARGET(mdl_metric_calibration_curve);
Datum
mdl_metric_calibration_curve_impl(PG_FUNCTION_ARGS)
{
	int			n;
	ml_bin	   *bins = calibration_bins(mdl_metric_rows(fcinfo, 0), &n);
	MdlRowArray rows;

	if (bins == NULL)
		PG_RETURN_NULL();
	mdl_row_array_begin(fcinfo, &rows, n);
	for (int k = 0; k < n; k++)
		if (bins[k].weight > 0)
			mdl_row_array_numbers(&rows, (double[]) {bins[k].lower, bins[k].upper, bins[k].weight, bins[k].mean, bins[k].share});
	PG_RETURN_DATUM(mdl_row_array_end(&rows));
}

/* The mean distance of mean probability and observed share, weighted by the rows of the bins (Naeini et al., 2015). */
MDL_SHIM_TARGET(mdl_metric_calibration_error);
Datum
mdl_metric_calibration_error_impl(PG_FUNCTION_ARGS)
{
	int			n;
	ml_bin	   *bins = calibration_bins(mdl_metric_rows(fcinfo, 0), &n);
	double		sum = 0,
				weight = 0;

	if (bins == NULL)
		PG_RETURN_NULL();
	for (int k = 0; k < n; k++)
	{
		sum += bins[k].weight * fabs(bins[k].mean - bins[k].share);
		weight += bins[k].weight;
	}
	PG_RETURN_FLOAT8(sum / weight);
}

/* lift_point[]: fraction, threshold, gain, lift; NULL without positives */
MDL_SHIM_TARGET(mdl_metric_lift_curve);
Datum
mdl_metric_lift_curve_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	size_t		n;
	ml_step    *steps = steps_of(state, &n);
	MdlRowArray rows;
	int			bins;

	if (steps == NULL || steps[n - 1].tp <= 0)
		PG_RETURN_NULL();
	bins = (int) state->parameters[0];
	mdl_row_array_begin(fcinfo, &rows, bins);
	for (int k = 1; k <= bins; k++)
	{
		double		fraction = (double) k / bins;
		double		threshold;
		double		gain = ml_steps_gained(steps, n, fraction, &threshold) / steps[n - 1].tp;

		mdl_row_array_numbers(&rows, (double[]) {fraction, threshold, gain, gain / fraction});
	}
	PG_RETURN_DATUM(mdl_row_array_end(&rows));
}

MDL_SHIM_TARGET(mdl_metric_lift);
Datum
mdl_metric_lift_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	size_t		n;
	ml_step    *steps = steps_of(state, &n);
	double		threshold;

	if (steps == NULL || steps[n - 1].tp <= 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(ml_steps_gained(steps, n, state->parameters[0], &threshold) / steps[n - 1].tp / state->parameters[0]);
}

/* threshold_choice: threshold, value, tp, fp, fn, tn */
MDL_SHIM_TARGET(mdl_metric_best_threshold);
Datum
mdl_metric_best_threshold_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	size_t		n,
				best;
	ml_step    *steps = steps_of(state, &n);
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};
	double		value;
	ml_step		chosen = {INFINITY, 0, 0};

	if (steps == NULL || (state->parameters[0] == ML_THRESHOLD_YOUDEN && (steps[n - 1].tp <= 0 || steps[n - 1].fp <= 0)))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "best_threshold must return a row");
	BlessTupleDesc(desc);
	best = ml_best_threshold(steps, n, (ml_threshold_metric) state->parameters[0], state->parameters[1],
							 state->parameters[2], &value);
	if (best < n)
		chosen = steps[best];
	values[0] = Float8GetDatum(chosen.threshold);
	values[1] = Float8GetDatum(value);
	values[2] = Float8GetDatum(chosen.tp);
	values[3] = Float8GetDatum(chosen.fp);
	values[4] = Float8GetDatum(steps[n - 1].tp - chosen.tp);
	values[5] = Float8GetDatum(steps[n - 1].fp - chosen.fp);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
