/*
 * metric_deviance.c: the aggregates msle, rmsle, pinball, poisson_deviance, gamma_deviance, tweedie_deviance (means of a
 * loss per row), d2_tweedie (of sums), medae, d2_pinball and d2_absolute_error (of all rows).
 */
#include "predict/metric_int.h"

#include <math.h>

#include "ml/eval_curve.h"
#include "ml/eval_deviance.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* _msle_step(state, y, predicted [, weight]) */
MDL_SHIM_TARGET(mdl_metric_msle_step);
Datum
mdl_metric_msle_step_impl(PG_FUNCTION_ARGS)
{
	double		y = PG_GETARG_FLOAT8(1);
	double		predicted = PG_GETARG_FLOAT8(2);

	if (y <= -1 || predicted <= -1)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("msle needs numbers above -1, but got %g", y <= -1 ? y : predicted),
				 errhint("It is the squared error of log(1 + y); for numbers of either sign use medallion.mse.")));
	return mdl_add_to_mean(fcinfo, ml_squared_log(y, predicted), 3);
}

/* _root_mean_final(state) */
MDL_SHIM_TARGET(mdl_metric_root_mean_final);
Datum
mdl_metric_root_mean_final_impl(PG_FUNCTION_ARGS)
{
	double	   *state = mdl_state_doubles(fcinfo, 0, 2, NULL);

	if (state[1] == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sqrt(state[0] / state[1]));
}

static double
checked_alpha(double alpha)
{
	if (!(alpha >= 0 && alpha <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha must be between 0 and 1, but is %g", alpha),
				 errhint("It is the quantile that is predicted, 0.5 for the median.")));
	return alpha;
}

/* _pinball_step(state, y, predicted, alpha [, weight]) */
MDL_SHIM_TARGET(mdl_metric_pinball_step);
Datum
mdl_metric_pinball_step_impl(PG_FUNCTION_ARGS)
{
	return mdl_add_to_mean(fcinfo, ml_pinball(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2),
											  checked_alpha(PG_GETARG_FLOAT8(3))), 4);
}

static double
checked_deviance(double power, double y, double predicted)
{
	if (isnan(power) || isinf(power) || (power > 0 && power < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("power must be a number not above 0 or not below 1, but is %g", power),
				 errhint("Power 0 is the normal deviance, 1 Poisson's, 2 gamma's, 3 the inverse Gaussian's.")));
	if (!ml_tweedie_takes(power, y, predicted))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the deviance of power %g does not take y = %g with the prediction %g", power, y, predicted),
				 errhint("Predictions must be above 0, y not below 0 for powers from 1 on and above 0 for powers from 2 on.")));
	return ml_tweedie(power, y, predicted);
}

/* _poisson_step(state, y, predicted [, weight]) */
MDL_SHIM_TARGET(mdl_metric_poisson_step);
Datum
mdl_metric_poisson_step_impl(PG_FUNCTION_ARGS)
{
	return mdl_add_to_mean(fcinfo, checked_deviance(1, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2)), 3);
}

/* _gamma_step(state, y, predicted [, weight]) */
MDL_SHIM_TARGET(mdl_metric_gamma_step);
Datum
mdl_metric_gamma_step_impl(PG_FUNCTION_ARGS)
{
	return mdl_add_to_mean(fcinfo, checked_deviance(2, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2)), 3);
}

/* _tweedie_step(state, y, predicted, power [, weight]) */
MDL_SHIM_TARGET(mdl_metric_tweedie_step);
Datum
mdl_metric_tweedie_step_impl(PG_FUNCTION_ARGS)
{
	return mdl_add_to_mean(fcinfo, checked_deviance(PG_GETARG_FLOAT8(3), PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2)), 4);
}

/* ---- the share of deviance that is explained ----------------------------------------------------------------- */

/* Sums of weights, of the deviances, of y less an origin near it, and of y's deviances from there. */
enum
{
	D2_WEIGHT, D2_DEVIANCE, D2_Y, D2_PARTS, D2_POWER, D2_ROWS, D2_LEAST, D2_MOST, D2_ORIGIN, D2_SLOTS
};

/* _d2_tweedie_step(state, y, predicted, power [, weight]) */
MDL_SHIM_TARGET(mdl_metric_d2_tweedie_step);
Datum
mdl_metric_d2_tweedie_step_impl(PG_FUNCTION_ARGS)
{
	Datum		result;
	double	   *state = mdl_state_doubles(fcinfo, 0, D2_SLOTS, &result);
	double		y = PG_GETARG_FLOAT8(1);
	double		power = PG_GETARG_FLOAT8(3);
	double		deviance = checked_deviance(power, y, PG_GETARG_FLOAT8(2));
	double		weight = PG_NARGS() > 4 ? mdl_checked_weight(PG_GETARG_FLOAT8(4)) : 1;

	if (weight == 0)
		return result;
	if (state[D2_ROWS] == 0)
	{
		state[D2_LEAST] = state[D2_MOST] = y;
		state[D2_ORIGIN] = power == 0 || y > 0 ? y : PG_GETARG_FLOAT8(2);
	}
	state[D2_POWER] = power;
	state[D2_ROWS]++;
	state[D2_WEIGHT] += weight;
	state[D2_DEVIANCE] += weight * deviance;
	state[D2_Y] += weight * (y - state[D2_ORIGIN]);
	state[D2_PARTS] += weight * ml_tweedie(power, y, state[D2_ORIGIN]);
	state[D2_LEAST] = Min(state[D2_LEAST], y);
	state[D2_MOST] = Max(state[D2_MOST], y);
	return result;
}

/* _d2_tweedie_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_d2_tweedie_merge);
Datum
mdl_metric_d2_tweedie_merge_impl(PG_FUNCTION_ARGS)
{
	Datum		result;
	double	   *into = mdl_state_doubles(fcinfo, 0, D2_SLOTS, &result);
	double	   *other = mdl_state_doubles(fcinfo, 1, D2_SLOTS, NULL);

	if (other[D2_ROWS] == 0)
		return result;
	if (into[D2_ROWS] == 0)
	{
		memcpy(into, other, sizeof(double) * D2_SLOTS);
		return result;
	}
	/* The other's sums, from the origin of this one. */
	into[D2_PARTS] += ml_tweedie_null(other[D2_POWER], other[D2_WEIGHT], other[D2_ORIGIN], other[D2_Y], other[D2_PARTS]) +
		other[D2_WEIGHT] * ml_tweedie(other[D2_POWER], other[D2_ORIGIN] + other[D2_Y] / other[D2_WEIGHT], into[D2_ORIGIN]);
	into[D2_Y] += other[D2_Y] + other[D2_WEIGHT] * (other[D2_ORIGIN] - into[D2_ORIGIN]);
	into[D2_WEIGHT] += other[D2_WEIGHT];
	into[D2_DEVIANCE] += other[D2_DEVIANCE];
	into[D2_ROWS] += other[D2_ROWS];
	into[D2_LEAST] = Min(into[D2_LEAST], other[D2_LEAST]);
	into[D2_MOST] = Max(into[D2_MOST], other[D2_MOST]);
	return result;
}

/* 1 - deviance / deviance of a constant; where that is 0: 1 for perfect predictions, else 0.  NaN of NaN. */
static double
explained(double deviance, double constant)
{
	if (isnan(deviance))
		return deviance;
	return constant == 0 ? (deviance == 0 ? 1 : 0) : 1 - deviance / constant;
}

MDL_SHIM_TARGET(mdl_metric_d2_tweedie);
Datum
mdl_metric_d2_tweedie_impl(PG_FUNCTION_ARGS)
{
	double	   *state = mdl_state_doubles(fcinfo, 0, D2_SLOTS, NULL);

	if (state[D2_ROWS] < 2)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(explained(state[D2_DEVIANCE],
							   state[D2_LEAST] == state[D2_MOST] ? 0 :
							   ml_tweedie_null(state[D2_POWER], state[D2_WEIGHT], state[D2_ORIGIN], state[D2_Y], state[D2_PARTS])));
}

/* ---- quantiles of errors and of y ---------------------------------------------------------------------------- */

/* The quantile of rows whose first two numbers are value and weight, which are copied; NaN if a value is. */
static double
quantile_of(const MetricRows *state, double fraction)
{
	ml_scored  *rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_scored) * (Size) state->n);
	ml_scored  *scratch = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_scored) * (Size) state->n);
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	double		value;

	for (int64 i = 0; i < state->n; i++)
	{
		const double *numbers = state->numbers + i * state->width;

		if (isnan(numbers[0]))
			return NAN;
		rows[i].score = numbers[0];
		rows[i].weight = numbers[1];
	}
	ml_scored_sort(&ctx, rows, scratch, state->n);
	CHECK_FOR_INTERRUPTS();
	value = ml_weighted_quantile(rows, state->n, fraction);
	pfree(rows);
	pfree(scratch);
	return value;
}

/* _medae_step(state, y, predicted [, weight]) */
MDL_SHIM_TARGET(mdl_metric_medae_step);
Datum
mdl_metric_medae_step_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	double		weight = PG_NARGS() > 3 ? mdl_checked_weight(PG_GETARG_FLOAT8(3)) : 1;
	double	   *row;

	if (weight == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	row = mdl_metric_rows_add(&state, 2);
	row[0] = fabs(PG_GETARG_FLOAT8(1) - PG_GETARG_FLOAT8(2));
	row[1] = weight;
	PG_RETURN_POINTER(state);
}

MDL_SHIM_TARGET(mdl_metric_medae);
Datum
mdl_metric_medae_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);

	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(quantile_of(state, 0.5));
}

/* The row (y, weight, loss) of a quantile's prediction; parameter: the quantile. */
static Datum
add_pinball(FunctionCallInfo fcinfo, double alpha, int weight_argument)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	double		weight = PG_NARGS() > weight_argument ? mdl_checked_weight(PG_GETARG_FLOAT8(weight_argument)) : 1;
	double	   *row;

	if (weight == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	row = mdl_metric_rows_add(&state, 3);
	row[0] = PG_GETARG_FLOAT8(1);
	row[1] = weight;
	row[2] = ml_pinball(row[0], PG_GETARG_FLOAT8(2), alpha);
	state->parameters[0] = alpha;
	PG_RETURN_POINTER(state);
}

/* _d2_absolute_step(state, y, predicted [, weight]) */
MDL_SHIM_TARGET(mdl_metric_d2_absolute_step);
Datum
mdl_metric_d2_absolute_step_impl(PG_FUNCTION_ARGS)
{
	return add_pinball(fcinfo, 0.5, 3);
}

/* _d2_pinball_step(state, y, predicted, alpha [, weight]) */
MDL_SHIM_TARGET(mdl_metric_d2_pinball_step);
Datum
mdl_metric_d2_pinball_step_impl(PG_FUNCTION_ARGS)
{
	return add_pinball(fcinfo, checked_alpha(PG_GETARG_FLOAT8(3)), 4);
}

MDL_SHIM_TARGET(mdl_metric_d2_pinball);
Datum
mdl_metric_d2_pinball_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	double		quantile,
				loss = 0,
				constant = 0;

	if (state == NULL || state->n < 2)
		PG_RETURN_NULL();
	quantile = quantile_of(state, state->parameters[0]);
	for (int64 i = 0; i < state->n; i++)
	{
		const double *row = state->numbers + i * state->width;

		loss += row[1] * row[2];
		constant += row[1] * ml_pinball(row[0], quantile, state->parameters[0]);
	}
	PG_RETURN_FLOAT8(explained(loss, constant));
}
