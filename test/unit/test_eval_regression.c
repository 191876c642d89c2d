/*
 * test_eval_regression.c: values computed by hand, and merging.
 */
#include "ml/eval_regression.h"

#include "unit.h"

static double
value(bool (*metric) (const double *, double *), const double *state)
{
	double		result;

	return metric(state, &result) ? result : NAN;
}

int
main(void)
{
	const double y[] = {1, 2, 4, 0};
	const double p[] = {1, 3, 2, 1};
	double		all[ML_REG_SLOTS] = {0},
				left[ML_REG_SLOTS] = {0},
				right[ML_REG_SLOTS] = {0},
				far[ML_REG_SLOTS] = {0};

	unit_ok(isnan(value(ml_regression_mse, all)) && isnan(value(ml_regression_max_error, all)), "no rows: no value");
	ml_regression_add(all, 9, 9, 0);
	unit_ok(isnan(value(ml_regression_mae, all)), "a row of weight 0 is no row");
	for (int i = 0; i < 4; i++)
	{
		ml_regression_add(all, y[i], p[i], 1);
		ml_regression_add(i < 1 ? left : right, y[i], p[i], 1);
		if (i == 0)
			unit_ok(isnan(value(ml_regression_r2, all)), "one row: no r2");
	}
	unit_near(value(ml_regression_mse, all), 1.5, 1e-15, 0, "mse");
	unit_near(value(ml_regression_rmse, all), sqrt(1.5), 1e-15, 0, "rmse");
	unit_near(value(ml_regression_mae, all), 1, 1e-15, 0, "mae");
	unit_near(value(ml_regression_max_error, all), 2, 0, 0, "max_error");
	/* sum (y - 1.75)^2 = 8.75 */
	unit_near(value(ml_regression_r2, all), 1 - 6 / 8.75, 1e-15, 0, "r2");
	/* errors 0, -1, 2, -1 have mean 0 */
	unit_near(value(ml_regression_explained_variance, all), 1 - 6 / 8.75, 1e-15, 0, "explained_variance");
	unit_near(value(ml_regression_mape, right), (0.5 + 0.5 + 1 / 2.220446049250313e-16) / 3, 1e-14, 0, "mape at y = 0");

	ml_regression_merge(left, right);
	unit_array_near(left, all, ML_REG_SLOTS, 1e-14, 1e-15, "merged states are the state of all rows");
	memset(right, 0, sizeof(right));
	ml_regression_merge(left, right);
	unit_array_near(left, all, ML_REG_SLOTS, 1e-14, 1e-15, "merging nothing changes nothing");
	ml_regression_merge(right, left);
	unit_bytes(right, left, sizeof(left), "merging into nothing copies");

	for (int i = 0; i < 1000; i++)
		ml_regression_add(far, 1e9 + (i % 2), 1e9 + 0.5, 1);
	unit_near(value(ml_regression_r2, far), 0, 0, 1e-6, "r2 far from zero does not cancel");
	ml_regression_add(far, NAN, 1, 1);
	unit_ok(isnan(value(ml_regression_mse, far)) && isnan(value(ml_regression_max_error, far)), "NaN stays NaN");
	return unit_done();
}
