/*
 * eval_regression.h: how far predictions are from numbers: mse, rmse, mae, mape, r2, max_error, explained_variance.
 *
 * The state is a flat array of doubles that can be stored, sent and merged; all metrics come from one state.
 * Definitions are those of scikit-learn's functions of the same names.
 */
#ifndef EVAL_REGRESSION_H
#define EVAL_REGRESSION_H

#include <stdbool.h>

typedef enum ml_regression_slot
{
	ML_REG_WEIGHT = 0,			/* sum of weights */
	ML_REG_SQUARED,				/* sum of w * error^2 */
	ML_REG_ABSOLUTE,			/* sum of w * |error| */
	ML_REG_RELATIVE,			/* sum of w * |error| / max(eps, |y|) */
	ML_REG_LARGEST,				/* largest |error| */
	ML_REG_Y_MEAN,				/* weighted mean of y … */
	ML_REG_Y_M2,				/* … and sum of w * (y - mean)^2 */
	ML_REG_ERROR_MEAN,			/* the same of error = y - predicted */
	ML_REG_ERROR_M2,
	ML_REG_ROWS,				/* rows with a weight above 0 */
	ML_REG_SLOTS
} ml_regression_slot;

extern void ml_regression_add(double *state, double y, double predicted, double weight);
extern void ml_regression_merge(double *into, const double *other);

/* Each returns false when there is no value: no rows (two are needed for r2 and explained_variance). */
extern bool ml_regression_mse(const double *state, double *value);
extern bool ml_regression_rmse(const double *state, double *value);
extern bool ml_regression_mae(const double *state, double *value);
extern bool ml_regression_mape(const double *state, double *value);
extern bool ml_regression_max_error(const double *state, double *value);
extern bool ml_regression_r2(const double *state, double *value);
extern bool ml_regression_explained_variance(const double *state, double *value);

#endif							/* EVAL_REGRESSION_H */
