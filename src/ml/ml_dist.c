/*
 * ml_dist.c: normal, t, F and chi-square distributions.
 *
 * The incomplete beta and gamma functions are a prefix (the density) times a continued fraction or series.  The prefix
 * would lose digits for large parameters if written with lgamma, whose values cancel; it is written as Loader does
 * ("Fast and accurate computation of binomial probabilities", 2000): Stirling's error plus a deviance, both small.
 */
#include "ml/ml_dist.h"

#include <float.h>
#include <math.h>

#define TINY 1e-300
#define LOG_TWO_PI 1.8378770664093454836

/* log(n!) less Stirling's formula: log(gamma(n + 1)) - (n + 1/2) log(n) + n - log(2 pi) / 2, for n > 0. */
static double
stirling_error(double n)
{
	double		n2 = n * n;

	if (n < 16)
	{
		/* Step up to where the series is exact: err(n) = err(n + 1) + (n + 1/2) log(1 + 1/n) - 1. */
		double		sum = 0;

		while (n < 16)
		{
			/* (n + 1/2) log(1 + 1/n) - 1 = sum over k of z^2k / (2k + 1), z = 1 / (2n + 1), from k = 1 */
			double		z = 1 / (2 * n + 1);

			if (n < 0.5)
				sum += (n + 0.5) * log1p(1 / n) - 1;
			else
			{
				double		power = z * z;
				double		term;
				double		series = 0;

				for (int k = 1; k < 200; k++)
				{
					term = power / (2 * k + 1);
					series += term;
					if (term < series * DBL_EPSILON / 4)
						break;
					power *= z * z;
				}
				sum += series;
			}
			n += 1;
		}
		return sum + stirling_error(n);
	}
	return (1 / 12.0 - (1 / 360.0 - (1 / 1260.0 - (1 / 1680.0 - (1 / 1188.0 - (691 / 360360.0 - 1 / 156.0 / n2) / n2) / n2)
											/ n2) / n2) / n2) / n;
}

/* x log(x / m) + m - x without cancellation when x is near m; both positive; difference is x - m, given apart. */
static double
deviance(double x, double m, double difference)
{
	if (fabs(difference) < 0.1 * (x + m))
	{
		double		v = difference / (x + m);
		double		sum = difference * v;
		double		power = 2 * x * v;

		v *= v;
		for (int j = 1; j < 1000; j++)
		{
			double		before = sum;

			power *= v;
			sum += power / (2 * j + 1);
			if (sum == before)
				break;
		}
		return sum;
	}
	return x * log(x / m) - difference;
}

/*
 * I_x(a, b) for x at most about its mean: x^a y^b / B(a, b) times the continued fraction of Didonato and Morris
 * (1992), "Algorithm 708", eq. 9, in the form of its BFRAC.  lambda = a - (a + b) x = (a + b) y - b.
 */
static double
beta_fraction(double a, double b, double x, double y, double lambda)
{
	double		n = a + b;
	double		density;
	double		c = 1 + lambda;
	double		c0 = b / a;
	double		c1 = 1 + 1 / a;
	double		p = 1;
	double		s = a + 1;
	double		numerator_before = 0;
	double		denominator_before = 1;
	double		numerator = 1;
	double		denominator = c / c1;
	double		value = c1 / c;

	/* The density as a binomial probability: a b / n times that of a in n at x. */
	density = sqrt(a * b / n / (2 * M_PI)) *
		exp(stirling_error(n) - stirling_error(a) - stirling_error(b) -
			deviance(a, n * x, lambda) - deviance(b, n * y, -lambda));
	for (int k = 1; k < 100000; k++)
	{
		double		t = k / a;
		double		w = k * (b - k) * x;
		double		e = a / s;
		double		alpha = p * (p + c0) * e * e * (w * x);
		double		beta;
		double		next;
		double		before = value;

		e = (1 + t) / (c1 + t + t);
		beta = k + w / s + e * (c + k * (1 + y));
		p = 1 + t;
		s += 2;
		next = alpha * numerator_before + beta * numerator;
		numerator_before = numerator;
		numerator = next;
		next = alpha * denominator_before + beta * denominator;
		denominator_before = denominator;
		denominator = next;
		value = numerator / denominator;
		if (fabs(value - before) <= DBL_EPSILON * value)
			break;
		numerator_before /= denominator;
		denominator_before /= denominator;
		numerator = value;
		denominator = 1;
	}
	return density * value;
}

double
ml_beta_cdf(double a, double b, double x, double y)
{
	double		lambda;

	if (!(a > 0) || !(b > 0) || isnan(x) || isnan(y) || isinf(a) || isinf(b))
		return NAN;
	if (x <= 0)
		return 0;
	if (y <= 0)
		return 1;
	/* From the smaller of x and y, which carries the digits. */
	lambda = x < y ? a - (a + b) * x : (a + b) * y - b;
	if (lambda >= 0)
		return beta_fraction(a, b, x, y, lambda);
	return 1 - beta_fraction(b, a, y, x, -lambda);
}

double
ml_gamma_upper(double a, double x)
{
	double		prefix;

	if (!(a > 0) || isnan(x) || isinf(a))
		return NAN;
	if (x <= 0)
		return 1;
	/* x^a e^-x / gamma(a + 1) */
	prefix = exp(-stirling_error(a) - deviance(a, x, a - x)) / sqrt(2 * M_PI * a);
	if (x < a + 1)
	{
		double		term = 1;
		double		sum = 1;

		for (int k = 1; k < 1000000 && term > sum * DBL_EPSILON / 4; k++)
		{
			term *= x / (a + k);
			sum += term;
		}
		return 1 - prefix * sum;
	}
	else
	{
		double		b = x + 1 - a;
		double		c = 1 / TINY;
		double		d = 1 / b;
		double		h = d;

		for (int k = 1; k < 1000000; k++)
		{
			double		an = -k * (k - a);
			double		ratio;

			b += 2;
			d = an * d + b;
			d = 1 / (fabs(d) < TINY ? TINY : d);
			c = b + an / c;
			c = fabs(c) < TINY ? TINY : c;
			ratio = d * c;
			h *= ratio;
			if (fabs(ratio - 1) < DBL_EPSILON)
				break;
		}
		return prefix * a * h;
	}
}

double
ml_normal_two_sided(double z)
{
	return erfc(fabs(z) * M_SQRT1_2);
}

double
ml_normal_cdf(double z)
{
	return 0.5 * erfc(-z * M_SQRT1_2);
}

/* Wichura's AS 241 start is spared: a rational start (Acklam) and two steps of Halley reach full precision. */
double
ml_normal_quantile(double p)
{
	static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
	1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00};
	static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
	6.680131188771972e+01, -1.328068155288572e+01};
	static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
	-2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00};
	static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
	3.754408661907416e+00};
	double		lower = p < 0.5 ? p : 1 - p;
	double		x;

	if (!(p > 0 && p < 1))
		return NAN;
	if (lower < 0.02425)
	{
		double		q = sqrt(-2 * log(lower));

		x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
			((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
	}
	else
	{
		double		q = lower - 0.5;
		double		r = q * q;

		x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
			(((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
	}
	for (int step = 0; step < 2; step++)
	{
		double		error = ml_normal_cdf(x) - lower;
		double		u = error * exp(0.5 * (LOG_TWO_PI + x * x));

		x -= u / (1 + x * u / 2);
	}
	return p < 0.5 ? x : -x;
}

double
ml_t_two_sided(double t, double df)
{
	double		t2 = t * t;

	if (!(df > 0) || isnan(t))
		return NAN;
	if (isinf(df))
		return ml_normal_two_sided(t);
	if (isinf(t2))
		return isinf(t) ? 0 : ml_beta_cdf(df / 2, 0.5, df / t / t, 1);
	return ml_beta_cdf(df / 2, 0.5, df / (df + t2), t2 / (df + t2));
}

double
ml_t_cdf(double t, double df)
{
	double		tails = ml_t_two_sided(t, df);

	return t > 0 ? 1 - tails / 2 : tails / 2;
}

double
ml_t_quantile(double p, double df)
{
	double		tails = p < 0.5 ? 2 * p : 2 * (1 - p);
	double		low = 0;
	double		high = 1;

	if (!(p > 0 && p < 1) || !(df > 0))
		return NAN;
	if (isinf(df))
		return ml_normal_quantile(p);
	while (ml_t_two_sided(high, df) > tails && high < 1e300)
		high *= 2;
	for (int i = 0; i < 200 && high - low > 1e-16 * high; i++)
	{
		double		middle = 0.5 * (low + high);

		*(ml_t_two_sided(middle, df) > tails ? &low : &high) = middle;
	}
	return p < 0.5 ? -0.5 * (low + high) : 0.5 * (low + high);
}

double
ml_f_upper(double f, double df1, double df2)
{
	if (!(df1 > 0) || !(df2 > 0) || isnan(f))
		return NAN;
	if (f <= 0)
		return 1;
	if (isinf(f))
		return 0;
	return ml_beta_cdf(df2 / 2, df1 / 2, df2 / (df2 + df1 * f), df1 * f / (df2 + df1 * f));
}

double
ml_chi2_upper(double x, double df)
{
	return df > 0 ? ml_gamma_upper(df / 2, x / 2) : NAN;
}
