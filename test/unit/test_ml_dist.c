/*
 * test_ml_dist.c: distributions against R (test/golden/ml_dist.csv), and at their ends.
 */
#include "unit.h"

#include "ml/ml_dist.h"

static double
calculate(const char *what, double x, double df1, double df2)
{
	if (strcmp(what, "t") == 0)
		return ml_t_two_sided(x, df1);
	if (strcmp(what, "f") == 0)
		return ml_f_upper(x, df1, df2);
	if (strcmp(what, "chi2") == 0)
		return ml_chi2_upper(x, df1);
	if (strcmp(what, "normal") == 0)
		return ml_normal_two_sided(x);
	return ml_normal_quantile(x);
}

int
main(void)
{
	FILE	   *file = fopen("test/golden/ml_dist.csv", "r");
	char		line[256];
	char		what[32];
	double		x,
				df1,
				df2,
				expected;
	int			lines = 0;
	double		worst = 0;

	if (!unit_ok(file != NULL && fgets(line, sizeof(line), file) != NULL, "the reference is there"))
		return unit_done();
	while (fgets(line, sizeof(line), file) != NULL &&
		   sscanf(line, "%31[^,],%lf,%lf,%lf,%lf", what, &x, &df1, &df2, &expected) == 5)
	{
		double		got = calculate(what, x, df1, df2);
		double		error = expected == 0 ? fabs(got) : fabs(got - expected) / fabs(expected);

		lines++;
		worst = error > worst ? error : worst;
		if (!(error < 1e-12))
			unit_near(got, expected, 1e-12, 0, "%s(%g; %g, %g)", what, x, df1, df2);
	}
	fclose(file);
	unit_ok(lines > 250 && worst < 1e-12, "%d values of R within 1e-12, the worst %.1e", lines, worst);

	unit_near(ml_t_two_sided(0, 5), 1, 0, 0, "t = 0");
	unit_near(ml_t_two_sided(INFINITY, 5), 0, 0, 0, "t infinite");
	unit_near(ml_t_two_sided(2, INFINITY), ml_normal_two_sided(2), 0, 0, "infinite degrees of freedom are normal");
	unit_ok(isnan(ml_t_two_sided(1, 0)) && isnan(ml_t_two_sided(NAN, 3)), "no degrees of freedom, or NaN");
	unit_near(ml_t_cdf(-1, 3) + ml_t_cdf(1, 3), 1, 1e-15, 0, "t is symmetric");
	unit_near(ml_t_cdf(1, 1), 0.75, 1e-15, 0, "one degree of freedom is Cauchy");
	unit_near(ml_f_upper(0, 3, 4), 1, 0, 0, "F = 0");
	unit_near(ml_f_upper(INFINITY, 3, 4), 0, 0, 0, "F infinite");
	unit_near(ml_f_upper(4, 1, 7), ml_t_two_sided(2, 7), 1e-14, 0, "F with 1 is t squared");
	unit_near(ml_chi2_upper(3, 2), exp(-1.5), 1e-15, 0, "chi-square with 2 is exponential");
	unit_near(ml_chi2_upper(-1, 2), 1, 0, 0, "chi-square below 0");
	unit_ok(isnan(ml_chi2_upper(1, -1)) && isnan(ml_normal_quantile(0)) && isnan(ml_normal_quantile(1)), "out of range");
	unit_near(ml_normal_cdf(ml_normal_quantile(0.3)), 0.3, 1e-15, 0, "quantile and distribution function agree");
	unit_near(ml_beta_cdf(2, 3, 0.25, 0.75) + ml_beta_cdf(3, 2, 0.75, 0.25), 1, 1e-15, 0, "the beta distribution mirrored");
	unit_near(ml_gamma_upper(1, 0.5), exp(-0.5), 1e-15, 0, "gamma with 1 is exponential");
	return unit_done();
}
