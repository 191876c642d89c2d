/*
 * ml_platt.c: Platt's sigmoid and the coupling of pairwise probabilities.
 */
#include "ml/ml_platt.h"

#include <math.h>

#define ITERATIONS 200
#define LEAST_STEP 1e-12
#define RIDGE 1e-12				/* keeps the Hessian positive definite */
#define GRADIENT 1e-10			/* of a mean over the rows, where iterations end */

typedef struct platt
{
	const double *decisions;
	const bool *positive;
	const double *weights;
	size_t		n;
	double		total;
	double		high;			/* targets */
	double		low;
} platt;

static inline double
weight(const platt *p, size_t i)
{
	return p->weights ? p->weights[i] : 1;
}

static inline double
target(const platt *p, size_t i)
{
	return p->positive[i] ? p->high : p->low;
}

static double
loss(const platt *p, double a, double b)
{
	double		sum = 0;

	for (size_t i = 0; i < p->n; i++)
	{
		double		z = a * p->decisions[i] + b;
		double		t = target(p, i);

		sum += weight(p, i) * (z >= 0 ? t * z + log1p(exp(-z)) : (t - 1) * z + log1p(exp(z)));
	}
	return sum;
}

double
ml_platt_probability(double decision, double a, double b)
{
	double		z = a * decision + b;

	return z >= 0 ? exp(-z) / (1 + exp(-z)) : 1 / (1 + exp(z));
}

static bool
is_cancelled(const ml_ctx *ctx)
{
	return ctx != NULL && ml_is_cancelled(ctx);
}

/* Gradient and Hessian (aa, ab, bb) at (a, b). */
static void
derivatives(const platt *p, double a, double b, double gradient[2], double hessian[3])
{
	gradient[0] = gradient[1] = hessian[0] = hessian[1] = hessian[2] = 0;
	for (size_t i = 0; i < p->n; i++)
	{
		double		f = p->decisions[i];
		double		probability = ml_platt_probability(f, a, b);
		double		curvature = weight(p, i) * probability * (1 - probability);
		double		slope = weight(p, i) * (target(p, i) - probability);

		gradient[0] += f * slope;
		gradient[1] += slope;
		hessian[0] += f * f * curvature;
		hessian[1] += f * curvature;
		hessian[2] += curvature;
	}
	hessian[0] += RIDGE;
	hessian[2] += RIDGE;
}

bool
ml_platt_fit(const ml_ctx *ctx, const double *decisions, const bool *positive, const double *weights, size_t n, double *a, double *b)
{
	platt		p = {decisions, positive, weights, n, 0, 0, 0};
	double		positives = 0;
	double		value;

	for (size_t i = 0; i < n; i++)
	{
		p.total += weight(&p, i);
		positives += positive[i] ? weight(&p, i) : 0;
	}
	p.high = (positives + 1) / (positives + 2);
	p.low = 1 / (p.total - positives + 2);
	*a = 0;
	*b = log((p.total - positives + 1) / (positives + 1));
	value = loss(&p, *a, *b);
	for (int iteration = 0; iteration < ITERATIONS; iteration++)
	{
		double		gradient[2];
		double		hessian[3];
		double		determinant;
		double		step_a;
		double		step_b;
		double		slope;
		double		step = 1;

		if (is_cancelled(ctx))
			return false;
		derivatives(&p, *a, *b, gradient, hessian);
		if (fabs(gradient[0]) <= GRADIENT * p.total && fabs(gradient[1]) <= GRADIENT * p.total)
			return true;
		determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
		if (!(determinant > 0))
			determinant = RIDGE;
		step_a = -(hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
		step_b = -(hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
		slope = gradient[0] * step_a + gradient[1] * step_b;
		for (; step >= LEAST_STEP; step /= 2)
		{
			double		there;

			if (is_cancelled(ctx))
				return false;
			there = loss(&p, *a + step * step_a, *b + step * step_b);
			if (there < value + 1e-4 * step * slope)
			{
				*a += step * step_a;
				*b += step * step_b;
				value = there;
				break;
			}
		}
		if (step < LEAST_STEP)
			return true;		/* as good as numbers can tell */
	}
	return true;
}

/*
 * The optimum solves [Q e; e' 0] [p; b] = [0; 1] with Q_ii = Σ_j r_ji², Q_ij = -r_ji r_ij, so Q p is a multiple of e and p
 * one of the solution of (Q + e e') z = e, whose matrix is positive definite also where Q is not.
 */
void
ml_couple_pairs(const double *r, int k, double *p, double *work)
{
	double	   *m = work;		/* (k, k) lower triangle, then its factor */
	double		sum = 0;

	for (int i = 0; i < k; i++)
		for (int j = 0; j <= i; j++)
		{
			double		q = 0;

			if (i == j)
				for (int t = 0; t < k; t++)
					q += t == i ? 0 : r[t * k + i] * r[t * k + i];
			else
				q = -r[j * k + i] * r[i * k + j];
			m[i * k + j] = q + 1;
		}
	for (int i = 0; i < k; i++)
		for (int j = 0; j <= i; j++)
		{
			double		rest = m[i * k + j];

			for (int t = 0; t < j; t++)
				rest -= m[i * k + t] * m[j * k + t];
			m[i * k + j] = i == j ? sqrt(rest > 1e-300 ? rest : 1e-300) : rest / m[j * k + j];
		}
	for (int i = 0; i < k; i++)
	{
		p[i] = 1;
		for (int t = 0; t < i; t++)
			p[i] -= m[i * k + t] * p[t];
		p[i] /= m[i * k + i];
	}
	for (int i = k - 1; i >= 0; i--)
	{
		for (int t = i + 1; t < k; t++)
			p[i] -= m[t * k + i] * p[t];
		p[i] /= m[i * k + i];
	}
	for (int i = 0; i < k; i++)
	{
		p[i] = p[i] > 0 ? p[i] : 0; /* rounding */
		sum += p[i];
	}
	for (int i = 0; i < k; i++)
		p[i] = sum > 0 ? p[i] / sum : 1.0 / k;
}
