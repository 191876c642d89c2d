/*
 * ml_family.c: losses, means and variances of generalised linear models.
 */
#include "ml/ml_family.h"

#include <math.h>

/* ---- links ------------------------------------------------------------------------------------------------------- */

double
ml_glm_eta(ml_glm_link link, double mu)
{
	switch (link)
	{
		case ML_GLM_LOG:
			return log(mu);
		case ML_GLM_INVERSE:
			return 1 / mu;
		case ML_GLM_SQRT:
			return sqrt(mu);
		case ML_GLM_INVERSE_SQUARED:
			return 1 / (mu * mu);
		default:
			return mu;
	}
}

/* The mean and its derivative by eta; NaN where there is no mean. */
static inline double
mean_of(ml_glm_link link, double eta, double *derivative)
{
	double		mu;

	switch (link)
	{
		case ML_GLM_LOG:
			return *derivative = exp(eta);
		case ML_GLM_INVERSE:
			mu = 1 / eta;
			*derivative = -mu * mu;
			return eta != 0 ? mu : NAN;
		case ML_GLM_SQRT:
			*derivative = 2 * eta;
			return eta > 0 ? eta * eta : NAN;
		case ML_GLM_INVERSE_SQUARED:
			mu = 1 / sqrt(eta);
			*derivative = -0.5 * mu / eta;
			return eta > 0 ? mu : NAN;
		default:
			*derivative = 1;
			return eta;
	}
}

double
ml_glm_mean(ml_glm_link link, double eta)
{
	double		derivative;

	return mean_of(link, eta, &derivative);
}

/* ---- the Tweedie family ------------------------------------------------------------------------------------------ */

bool
ml_family_takes(const ml_family *f, double y)
{
	if (f->kind == ML_FAMILY_BINOMIAL || f->power <= 0)
		return true;
	return f->power < 2 ? y >= 0 : y > 0;
}

const char *
ml_family_domain(const ml_family *f)
{
	if (f->power <= 0)
		return "any number";
	return f->power < 2 ? "at least 0" : "above 0";
}

static inline double
variance(double power, double mu)
{
	if (power == 0)
		return 1;
	if (power == 1)
		return mu;
	return power == 2 ? mu * mu : pow(mu, power);
}

/*
 * The integral of (y - s) / s^p ds from mu to y.  Near the mean its terms cancel each other: there it is summed as a series in
 * t = (y - mu) / mu.  Elsewhere, as expm1 keeps the digits for powers near 1 and 2, where the textbooks' terms are huge.
 */
double
ml_half_deviance(double p, double y, double mu)
{
	double		t = (y - mu) / mu;
	double		r;

	if (p == 0)
		return 0.5 * (y - mu) * (y - mu);
	if (p == 1 && fabs(t) < 1e-3)
		return mu * t * t * (1.0 / 2 - t * (1.0 / 6 - t * (1.0 / 12 - t * (1.0 / 20 - t / 30))));
	if (p == 2 && fabs(t) < 1e-3)
		return t * t * (1.0 / 2 - t * (1.0 / 3 - t * (1.0 / 4 - t * (1.0 / 5 - t / 6))));
	if (fabs(t) < 1e-3)
		return pow(mu, 2 - p) * t * t *
			(1.0 / 2 - p * t * (1.0 / 6 - (p + 1) * t * (1.0 / 24 - (p + 2) * t * (1.0 / 120 - (p + 3) * t / 720))));
	if (p == 1)
		return (y > 0 ? y * log(y / mu) : 0) - (y - mu);
	if (p == 2)
		return (y - mu) / mu - log(y / mu);
	if (!(y > 0))
		return pow(mu, 2 - p) / (2 - p) - y * pow(mu, 1 - p) / (1 - p);
	r = log(y / mu);
	return pow(mu, 2 - p) * (y / mu * expm1((1 - p) * r) / (1 - p) - expm1((2 - p) * r) / (2 - p));
}

static double
respond_tweedie(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta, double *residual,
				double *curvature)
{
	double		loss = 0;
	double		power = f->power;

	for (size_t i = 0; i < n; i++)
	{
		double		weight = m->weights ? m->weights[first + i] : 1;
		double		y = m->target[first + i];
		double		derivative;
		double		mu = mean_of(f->link, eta[i], &derivative);
		double		share = weight * derivative / variance(power, mu);

		residual[i] = share * (y - mu);
		curvature[i] = share * derivative;
		if (power != 0 && !(mu > 0))
			loss = INFINITY;
		if (weight > 0)
			loss += weight * ml_half_deviance(power, y, mu);
		/* What is out of bounds must not spoil the sums of others. */
		if (!isfinite(residual[i]) || !isfinite(curvature[i]))
		{
			residual[i] = curvature[i] = 0;
			loss = weight > 0 ? INFINITY : loss;
		}
	}
	return isnan(loss) ? INFINITY : loss;
}

/* ---- two classes ------------------------------------------------------------------------------------------------- */

/*
 * The formulas keep small probabilities exact.  The loss of a row is log(1 + small), and |eta| more on the wrong side:
 * without weights we take one logarithm of the product over the block, which is at most 2^64.
 */
static double
respond_binomial(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta, double *residual,
				 double *curvature)
{
	const int32_t *labels = m->labels + first;
	bool		weighted = m->weights != NULL || f->class_weights != NULL;
	double		product = 1;
	double		loss = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		weight = weighted ? ml_family_weight(f, m, first + i) : 1;
		bool		positive = labels[i] == 1;
		double		small = exp(-fabs(eta[i]));
		double		share = 1 / (1 + small);	/* probability of the side that eta is on */
		bool		wrong = positive != (eta[i] >= 0);
		double		distance = wrong ? share : small * share;	/* |y - p| */

		residual[i] = weight * (positive ? distance : -distance);
		curvature[i] = weight * small * share * share;
		loss += wrong ? weight * fabs(eta[i]) : 0;
		if (weighted)
			loss += weight * log1p(small);
		else
			product *= 1 + small;
	}
	return loss + log(product);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

double
ml_family_respond(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta, double *residual,
				  double *curvature)
{
	if (f->kind == ML_FAMILY_BINOMIAL)
		return respond_binomial(f, m, first, n, eta, residual, curvature);
	return respond_tweedie(f, m, first, n, eta, residual, curvature);
}

bool
ml_family_is_canonical(const ml_family *f)
{
	static const ml_glm_link natural[] = {ML_GLM_IDENTITY, ML_GLM_LOG, ML_GLM_INVERSE, ML_GLM_INVERSE_SQUARED};

	if (f->kind == ML_FAMILY_BINOMIAL)
		return true;
	for (int power = 0; power < 4; power++)
		if (f->power == power)
			return f->link == natural[power];
	return false;
}

/* The second derivative of the mean by eta. */
static inline double
bend_of(ml_glm_link link, double mu)
{
	switch (link)
	{
		case ML_GLM_LOG:
			return mu;
		case ML_GLM_INVERSE:
			return 2 * mu * mu * mu;
		case ML_GLM_SQRT:
			return 2;
		case ML_GLM_INVERSE_SQUARED:
			return 0.75 * mu * mu * mu * mu * mu;
		default:
			return 0;
	}
}

/* With h = mu' / V the derivative of the loss is -(y - mu) h, and so the second one mu' h - (y - mu) h'. */
int
ml_family_observe(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta, double *curvature)
{
	int			kept = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		slope;
		double		mu = mean_of(f->link, eta[i], &slope);
		double		bend = (bend_of(f->link, mu) - f->power * slope * slope / mu) / variance(f->power, mu);
		double		observed = curvature[i] - ml_family_weight(f, m, first + i) * (m->target[first + i] - mu) * bend;

		if (observed > 0 && isfinite(observed))
			curvature[i] = observed;
		else
			kept++;
	}
	return kept;
}

void
ml_family_start(const ml_family *f, const ml_matrix *m, size_t first, size_t n, double *eta)
{
	for (size_t i = 0; i < n; i++)
	{
		double		mu = f->kind == ML_FAMILY_BINOMIAL ? 0 : m->target[first + i];

		if (f->kind != ML_FAMILY_BINOMIAL && f->power >= 1 && f->power < 2)
			mu += 0.1;
		eta[i] = f->kind == ML_FAMILY_BINOMIAL ? 0 : ml_glm_eta(f->link, mu);
	}
}

void
ml_family_measure(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta, double dispersion,
				  ml_family_sums *sums)
{
	for (size_t i = 0; i < n; i++)
	{
		double		weight = ml_family_weight(f, m, first + i);
		double		y;
		double		mu;
		int			sign;

		if (weight <= 0)
			continue;
		sums->log_weight += log(weight);
		if (f->kind == ML_FAMILY_BINOMIAL)
		{
			double		small = exp(-fabs(eta[i]));
			bool		wrong = (m->labels[first + i] == 1) != (eta[i] >= 0);

			/* (y - p)^2 / (p (1 - p)) is the odds of what did not come. */
			sums->pearson += weight * (wrong ? 1 / small : small);
			continue;
		}
		y = m->target[first + i];
		mu = ml_glm_mean(f->link, eta[i]);
		sums->pearson += weight * (y - mu) * (y - mu) / variance(f->power, mu);
		sums->whole &= y == floor(y);
		if (f->power == 3)
			sums->log_target += weight * log(y);
		else if (f->power == 1)
			sums->log_likelihood += weight * ((y > 0 ? y * log(mu) : 0) - mu - lgamma_r(y + 1, &sign));
		else if (f->power == 2)
		{
			double		shape = 1 / dispersion;

			sums->log_likelihood += weight * (shape * log(shape * y / mu) - shape * y / mu - log(y) - lgamma_r(shape, &sign));
		}
	}
}

void
ml_family_residuals(const ml_family *f, const ml_matrix *m, size_t first, size_t n, const double *eta, double *residuals)
{
	for (size_t i = 0; i < n; i++)
	{
		double		weight = ml_family_weight(f, m, first + i);
		double		sign;
		double		half;

		if (f->kind == ML_FAMILY_BINOMIAL)
		{
			bool		positive = m->labels[first + i] == 1;
			double		against = positive ? -eta[i] : eta[i];

			half = against > 0 ? against + log1p(exp(-against)) : log1p(exp(against));
			sign = positive ? 1 : -1;
		}
		else
		{
			double		y = m->target[first + i];
			double		mu = ml_glm_mean(f->link, eta[i]);

			half = ml_half_deviance(f->power, y, mu);
			sign = y >= mu ? 1 : -1;
		}
		residuals[i] = sign * sqrt(2 * weight * fmax(half, 0));
	}
}
