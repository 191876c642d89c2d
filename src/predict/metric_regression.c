/*
 * metric_regression.c: the aggregates mse, rmse, mae, mape, r2, max_error, explained_variance.
 *
 * All share one transition function and state, so a query that asks for several pays for one.
 */
#include "predict/metric_int.h"

#include "ml/eval_regression.h"

/* _regression_step(state, y, predicted [, weight]) */
MDL_SHIM_TARGET(mdl_metric_regression_step);
Datum
mdl_metric_regression_step_impl(PG_FUNCTION_ARGS)
{
	Datum		result;
	double	   *state = mdl_state_doubles(fcinfo, 0, ML_REG_SLOTS, &result);

	ml_regression_add(state, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2),
					  PG_NARGS() > 3 ? mdl_checked_weight(PG_GETARG_FLOAT8(3)) : 1);
	PG_RETURN_DATUM(result);
}

/* _regression_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_regression_merge);
Datum
mdl_metric_regression_merge_impl(PG_FUNCTION_ARGS)
{
	Datum		result;
	double	   *into = mdl_state_doubles(fcinfo, 0, ML_REG_SLOTS, &result);

	ml_regression_merge(into, mdl_state_doubles(fcinfo, 1, ML_REG_SLOTS, NULL));
	PG_RETURN_DATUM(result);
}

#define REGRESSION_FINAL(name) \
	MDL_SHIM_TARGET(mdl_metric_##name); \
	Datum mdl_metric_##name##_impl(PG_FUNCTION_ARGS) \
	{ \
		double		value; \
		if (!ml_regression_##name(mdl_state_doubles(fcinfo, 0, ML_REG_SLOTS, NULL), &value)) \
			PG_RETURN_NULL(); \
		PG_RETURN_FLOAT8(value); \
	} \
	extern int mdl_metric_needs_a_semicolon

REGRESSION_FINAL(mse);
REGRESSION_FINAL(rmse);
REGRESSION_FINAL(mae);
REGRESSION_FINAL(mape);
REGRESSION_FINAL(max_error);
REGRESSION_FINAL(r2);
REGRESSION_FINAL(explained_variance);
