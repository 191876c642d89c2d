/*
 * eval_deviance.c: see eval_deviance.h.
 */
#include "ml/eval_deviance.h"

#include <float.h>
#include <math.h>

#include "ml/ml_family.h"

double
ml_pinball(double y, double predicted, double alpha)
{
	double		error = y - predicted;

	return error >= 0 ? alpha * error : (alpha - 1) * error;
}

double
ml_squared_log(double y, double predicted)
{
	double		difference = log1p(y) - log1p(predicted);

	return difference * difference;
}

bool
ml_tweedie_takes(double power, double y, double predicted)
{
	if (isnan(y) || isnan(predicted))
		return true;			/* NaN in, NaN out */
	if (power == 0)
		return true;
	if (!(predicted > 0))
		return false;
	return power < 0 || (power < 2 ? y >= 0 : y > 0);
}

double
ml_tweedie(double power, double y, double predicted)
{
	return 2 * ml_half_deviance(power, y, predicted);
}

double
ml_tweedie_null(double power, double weights, double origin, double y_sum, double deviances)
{
	/* The deviance is a Bregman divergence: that of the mean is less than that of another number by as much as they differ. */
	return fmax(0, deviances - weights * ml_tweedie(power, origin + y_sum / weights, origin));
}

double
ml_weighted_quantile(const ml_scored *rows, size_t n, double fraction)
{
	double		all = 0,
				below = 0,
				wanted;

	for (size_t i = 0; i < n; i++)
		all += rows[i].weight;
	wanted = fraction * all;
	if (wanted == 0)
		wanted = nextafter(0, 1);
	for (size_t i = 0; i < n; i++)
	{
		below += rows[i].weight;
		if (below >= wanted)
			return below - wanted > DBL_EPSILON || i + 1 == n ? rows[i].score : (rows[i].score + rows[i + 1].score) / 2;
	}
	return rows[n - 1].score;
}
