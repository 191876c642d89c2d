/*
 * ml_dist.h: the distributions that tests of significance need.
 *
 * All return NaN for parameters out of range or NaN arguments.  Relative accuracy is about 1e-13 in the body and in the
 * tails down to 1e-300.
 */
#ifndef ML_DIST_H
#define ML_DIST_H

extern double ml_normal_two_sided(double z);	/* P(|Z| > |z|) */
extern double ml_normal_cdf(double z);
extern double ml_normal_quantile(double p);		/* 0 < p < 1 */
extern double ml_t_two_sided(double t, double df);	/* P(|T| > |t|), df > 0 */
extern double ml_t_cdf(double t, double df);
extern double ml_t_quantile(double p, double df);	/* 0 < p < 1; df may be infinite */
extern double ml_f_upper(double f, double df1, double df2);	/* P(F > f) */
extern double ml_chi2_upper(double x, double df);	/* P(X > x) */

/* The regularised incomplete beta function I_x(a, b); y must be 1 - x, given apart to keep its digits. */
extern double ml_beta_cdf(double a, double b, double x, double y);

/* The regularised upper incomplete gamma function Q(a, x). */
extern double ml_gamma_upper(double a, double x);

#endif							/* ML_DIST_H */
