/*
 * eval_deviance.h: losses of a row other than squared and absolute errors, and quantiles of weighted numbers.
 *
 * Definitions are scikit-learn's.  Means over rows, and errors for values outside the ranges, are the caller's.
 */
#ifndef EVAL_DEVIANCE_H
#define EVAL_DEVIANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "ml/eval_curve.h"

/* The loss of predicting a quantile: alpha * error above, (1 - alpha) * -error below the prediction. */
extern double ml_pinball(double y, double predicted, double alpha);

/* (log(1 + y) - log(1 + predicted))^2; both above -1. */
extern double ml_squared_log(double y, double predicted);

/*
 * Unit deviance of Tweedie's family: power 0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian.  The prediction must be above
 * 0 unless the power is 0, y not below 0 for a power in [1, 2), above 0 from 2 on; powers in (0, 1) do not exist.
 */
extern bool ml_tweedie_takes(double power, double y, double predicted);
extern double ml_tweedie(double power, double y, double predicted);

/*
 * The sum of deviances of y from its own mean, out of the sums of weights, of w (y - origin) and of w times the deviance of
 * y from that origin.  Any number near y that a prediction may be serves as origin; it keeps digits where y is far from 0.
 */
extern double ml_tweedie_null(double power, double weights, double origin, double y_sum, double deviances);

/*
 * The value at which the sum of weights, from the smallest on, reaches `fraction` of all; between two where it is met
 * exactly, their mean.  Rows are sorted, have weights above 0 and are at least one.
 */
extern double ml_weighted_quantile(const ml_scored *rows, size_t n, double fraction);

#endif							/* EVAL_DEVIANCE_H */
