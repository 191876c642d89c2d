/*
 * test_eval_deviance.c: losses by hand, deviances against their limits, weighted quantiles.
 */
#include "ml/eval_deviance.h"

#include "unit.h"

int
main(void)
{
	ml_scored	rows[] = {{1, 1}, {2, 2}, {3, 1}};
	ml_scored	even[] = {{1, 1}, {2, 1}, {3, 1}, {4, 1}};
	ml_scored	one = {7, 3};
	double		y[] = {1, 2, 6};
	double		powers[] = {-1, 0, 1, 1.5, 2, 3};

	unit_near(ml_pinball(3, 1, 0.9), 1.8, 1e-15, 0, "too low costs alpha");
	unit_near(ml_pinball(1, 3, 0.9), 0.2, 1e-15, 0, "too high the rest");
	unit_near(ml_squared_log(0, expm1(2)), 4, 1e-15, 0, "squared log");
	for (int i = 0; i < 6; i++)
	{
		double		power = powers[i];
		double		parts = 0,
					sum = 0;

		unit_near(ml_tweedie(power, 2.5, 2.5), 0, 0, 1e-14, "power %g: nothing for a perfect prediction", power);
		unit_ok(ml_tweedie(power, 2.5, 2) > 0 && ml_tweedie(power, 2.5, 3) > 0, "power %g: something for others", power);
		for (int k = 0; k < 3; k++)
		{
			parts += 2 * ml_tweedie(power, y[k], 2);
			sum += 2 * ml_tweedie(power, y[k], 3);
		}
		unit_near(ml_tweedie_null(power, 6, 2, 18 - 6 * 2, parts), sum, 1e-12, 0, "power %g: deviance of the mean out of sums", power);
	}
	unit_near(ml_tweedie(1 + 1e-6, 2.5, 2), ml_tweedie(1, 2.5, 2), 1e-4, 0, "powers near 1 are near Poisson");
	unit_near(ml_tweedie(2 - 1e-6, 2.5, 2), ml_tweedie(2, 2.5, 2), 1e-4, 0, "powers near 2 are near gamma");
	unit_near(ml_tweedie(1 + 1e-12, 2.5, 2), ml_tweedie(1, 2.5, 2), 1e-11, 0, "to all digits");
	unit_near(ml_tweedie(2 - 1e-12, 2.5, 2), ml_tweedie(2, 2.5, 2), 1e-11, 0, "on either side");
	for (int i = 0; i < 6; i++)
	{
		double		power = powers[i];
		/* The first terms of the series about the mean. */
		double		t = 1e-6,
					expected = pow(2, 2 - power) * t * t * (1 - power * t / 3);

		unit_near(ml_tweedie(power, 2 * (1 + t), 2), expected, 1e-9, 0, "power %g: near the mean", power);
		unit_near(ml_tweedie(power, 2.0019999, 2), ml_tweedie(power, 2.0020001, 2), 2.1e-4, 0, "power %g: the series meets the formula", power);
	}
	unit_near(ml_tweedie(1, 0, 2), 4, 1e-15, 0, "Poisson takes 0");
	unit_near(ml_tweedie_null(1, 3, 2, -6, 3 * ml_tweedie(1, 0, 2)), 0, 0, 0, "and nothing but 0");
	unit_near(ml_tweedie_null(0, 2, 1e9, 2, 4), 2, 1e-15, 0, "of numbers far from 0");
	unit_ok(ml_tweedie_takes(0, -1, -1) && !ml_tweedie_takes(1, 1, 0) && ml_tweedie_takes(1.5, 0, 1) && !ml_tweedie_takes(2, 0, 1) &&
			ml_tweedie_takes(-1, -5, 1) && ml_tweedie_takes(2, NAN, 1), "ranges");

	unit_near(ml_weighted_quantile(rows, 3, 0.5), 2, 0, 0, "weighted median");
	unit_near(ml_weighted_quantile(rows, 3, 0), 1, 0, 0, "least");
	unit_near(ml_weighted_quantile(rows, 3, 1), 3, 0, 0, "most");
	unit_near(ml_weighted_quantile(rows, 3, 0.25), 1.5, 0, 0, "met exactly: between two");
	unit_near(ml_weighted_quantile(even, 4, 0.5), 2.5, 0, 0, "median of four");
	unit_near(ml_weighted_quantile(&one, 1, 0.3), 7, 0, 0, "of one");
	return unit_done();
}
