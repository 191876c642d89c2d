/*
 * eval_regression.c: see eval_regression.h.
 *
 * Means and sums of squared deviations are kept by Welford's update and merged by the formula of Chan, Golub and
 * LeVeque (1979), so that r2 stays right when y is far from zero compared with its spread.
 */
#include "ml/eval_regression.h"

#include <float.h>
#include <math.h>

/* Adds a value to a running weighted mean and sum of squared deviations; total is the weight with the value in it. */
static inline void
add_moment(double *mean, double *m2, double total, double weight, double value)
{
	double		delta = value - *mean;

	*mean += delta * (weight / total);
	*m2 += weight * delta * (value - *mean);
}

void
ml_regression_add(double *state, double y, double predicted, double weight)
{
	double		error = y - predicted;
	double		absolute = fabs(error);

	if (weight == 0)
		return;
	state[ML_REG_ROWS] += 1;
	state[ML_REG_WEIGHT] += weight;
	state[ML_REG_SQUARED] += weight * error * error;
	state[ML_REG_ABSOLUTE] += weight * absolute;
	state[ML_REG_RELATIVE] += weight * absolute / fmax(DBL_EPSILON, fabs(y));
	if (absolute > state[ML_REG_LARGEST] || isnan(absolute))
		state[ML_REG_LARGEST] = absolute;
	add_moment(&state[ML_REG_Y_MEAN], &state[ML_REG_Y_M2], state[ML_REG_WEIGHT], weight, y);
	add_moment(&state[ML_REG_ERROR_MEAN], &state[ML_REG_ERROR_M2], state[ML_REG_WEIGHT], weight, error);
}

static void
merge_moment(double *mean, double *m2, double weight, double other_mean, double other_m2, double other_weight)
{
	double		total = weight + other_weight;
	double		delta = other_mean - *mean;

	*mean += delta * (other_weight / total);
	*m2 += other_m2 + delta * delta * (weight * other_weight / total);
}

void
ml_regression_merge(double *into, const double *other)
{
	double		weight = into[ML_REG_WEIGHT];
	double		other_weight = other[ML_REG_WEIGHT];

	if (other[ML_REG_ROWS] == 0)
		return;
	if (into[ML_REG_ROWS] == 0)
	{
		for (int i = 0; i < ML_REG_SLOTS; i++)
			into[i] = other[i];
		return;
	}
	merge_moment(&into[ML_REG_Y_MEAN], &into[ML_REG_Y_M2], weight,
				 other[ML_REG_Y_MEAN], other[ML_REG_Y_M2], other_weight);
	merge_moment(&into[ML_REG_ERROR_MEAN], &into[ML_REG_ERROR_M2], weight,
				 other[ML_REG_ERROR_MEAN], other[ML_REG_ERROR_M2], other_weight);
	into[ML_REG_ROWS] += other[ML_REG_ROWS];
	into[ML_REG_WEIGHT] += other_weight;
	into[ML_REG_SQUARED] += other[ML_REG_SQUARED];
	into[ML_REG_ABSOLUTE] += other[ML_REG_ABSOLUTE];
	into[ML_REG_RELATIVE] += other[ML_REG_RELATIVE];
	if (other[ML_REG_LARGEST] > into[ML_REG_LARGEST] || isnan(other[ML_REG_LARGEST]))
		into[ML_REG_LARGEST] = other[ML_REG_LARGEST];
}

static bool
mean_of(const double *state, ml_regression_slot slot, double *value)
{
	if (state[ML_REG_ROWS] == 0)
		return false;
	*value = state[slot] / state[ML_REG_WEIGHT];
	return true;
}

bool
ml_regression_mse(const double *state, double *value)
{
	return mean_of(state, ML_REG_SQUARED, value);
}

bool
ml_regression_rmse(const double *state, double *value)
{
	if (!mean_of(state, ML_REG_SQUARED, value))
		return false;
	*value = sqrt(*value);
	return true;
}

bool
ml_regression_mae(const double *state, double *value)
{
	return mean_of(state, ML_REG_ABSOLUTE, value);
}

bool
ml_regression_mape(const double *state, double *value)
{
	return mean_of(state, ML_REG_RELATIVE, value);
}

bool
ml_regression_max_error(const double *state, double *value)
{
	if (state[ML_REG_ROWS] == 0)
		return false;
	*value = state[ML_REG_LARGEST];
	return true;
}

/* 1 - unexplained / total; a constant y gives 1 for a perfect prediction, else 0, as scikit-learn's force_finite. */
static bool
explained(const double *state, double unexplained, double *value)
{
	double		total = state[ML_REG_Y_M2];

	if (state[ML_REG_ROWS] < 2)
		return false;
	if (total == 0)
		*value = isnan(unexplained) ? unexplained : unexplained == 0 ? 1 : 0;
	else
		*value = 1 - unexplained / total;
	return true;
}

bool
ml_regression_r2(const double *state, double *value)
{
	return explained(state, state[ML_REG_SQUARED], value);
}

bool
ml_regression_explained_variance(const double *state, double *value)
{
	return explained(state, state[ML_REG_ERROR_M2], value);
}
