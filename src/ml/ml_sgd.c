/*
 * ml_sgd.c: the update of one row.
 */
#include "ml/ml_sgd.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define LARGEST_SLOPE 1e12		/* of a loss, as scikit-learn cuts it */
#define WEIGH_LATE 3			/* coefficients after row t weigh about t^3 in their mean (Shamir, Zhang 2013) */

ml_status
ml_sgd_begin(const ml_ctx *ctx, ml_sgd *s, const ml_sgd_params *params, int n_outputs, int n_terms, ml_error *err)
{
	size_t		cells = (size_t) n_outputs * n_terms;
	double		typical = sqrt(1 / sqrt(params->alpha));
	bool		sizes = params->l1_ratio > 0 && !params->no_penalty;

	memset(s, 0, sizeof(*s));
	s->params = *params;
	s->n_outputs = n_outputs;
	s->p = n_terms;
	s->t = 1;
	s->eta = params->eta0;
	s->t0 = 1 / (typical * params->alpha);
	s->b = ml_alloc_zero(ctx, cells, sizeof(double));
	s->b0 = ml_alloc_zero(ctx, n_outputs, sizeof(double));
	s->scores = ml_alloc_zero(ctx, n_outputs, sizeof(double));
	if (params->average)
	{
		s->mean = ml_alloc_zero(ctx, cells, sizeof(double));
		s->mean0 = ml_alloc_zero(ctx, n_outputs, sizeof(double));
	}
	if (sizes)
		s->taken = ml_alloc_zero(ctx, cells, sizeof(double));
	if (!s->b || !s->b0 || !s->scores || (params->average && (!s->mean || !s->mean0)) || (sizes && !s->taken))
		return ml_no_memory(err);
	return ML_OK;
}

void
ml_sgd_end(const ml_ctx *ctx, ml_sgd *s)
{
	ml_free(ctx, s->b);
	ml_free(ctx, s->b0);
	ml_free(ctx, s->scores);
	ml_free(ctx, s->mean);
	ml_free(ctx, s->mean0);
	ml_free(ctx, s->taken);
	memset(s, 0, sizeof(*s));
}

/* Loss of one output and its slope by the score; of classes, sign is whether the row is of this one. */
static double
loss_of(const ml_sgd_params *p, double score, double target, double *slope)
{
	double		r;

	switch (p->loss)
	{
		case ML_SGD_LOG:
			r = target * score;
			*slope = -target / (1 + exp(r));
			return r > 0 ? log1p(exp(-r)) : log1p(exp(r)) - r;
		case ML_SGD_HINGE:
			r = 1 - target * score;
			*slope = r >= 0 ? -target : 0;
			return fmax(r, 0);
		case ML_SGD_HUBER:
			r = score - target;
			*slope = fabs(r) <= p->epsilon ? r : copysign(p->epsilon, r);
			return fabs(r) <= p->epsilon ? r * r / 2 : p->epsilon * (fabs(r) - p->epsilon / 2);
		case ML_SGD_EPSILON_INSENSITIVE:
			r = score - target;
			*slope = fabs(r) > p->epsilon ? copysign(1, r) : 0;
			return fmax(fabs(r) - p->epsilon, 0);
		default:
			r = score - target;
			*slope = r;
			return r * r / 2;
	}
}

/* The loss of a row; scores become its slopes. */
static double
slopes_of(ml_sgd *s, double target)
{
	const ml_sgd_params *p = &s->params;
	bool		classes = p->loss <= ML_SGD_HINGE;
	double		loss = 0;

	if (s->n_outputs > 1 && p->loss == ML_SGD_LOG)
	{
		double		largest = s->scores[0];
		double		sum = 0;
		double		own = s->scores[(int) target];

		for (int k = 1; k < s->n_outputs; k++)
			largest = fmax(largest, s->scores[k]);
		for (int k = 0; k < s->n_outputs; k++)
			sum += s->scores[k] = exp(s->scores[k] - largest);
		for (int k = 0; k < s->n_outputs; k++)
			s->scores[k] = s->scores[k] / sum - (k == (int) target);
		return largest + log(sum) - own;
	}
	for (int k = 0; k < s->n_outputs; k++)
	{
		double		wanted = !classes ? target : s->n_outputs == 1 ? 2 * target - 1 : k == (int) target ? 1 : -1;

		loss += loss_of(p, s->scores[k], wanted, &s->scores[k]);
	}
	return loss;
}

static double
rate_now(const ml_sgd *s)
{
	switch (s->params.rate)
	{
		case ML_SGD_OPTIMAL:
			return 1 / (s->params.alpha * (s->t0 + s->t - 1));
		case ML_SGD_INVSCALING:
			return s->params.eta0 / pow(s->t, s->params.power_t);
		default:
			return s->eta;
	}
}

/* Takes from each coefficient what it owes, but not beyond 0. */
static void
take_sizes(ml_sgd *s)
{
	for (size_t i = 0; i < s->n_outputs * s->p; i++)
	{
		double		before = s->b[i];

		if (before > 0)
			s->b[i] = fmax(0, before - (s->owed + s->taken[i]));
		else if (before < 0)
			s->b[i] = fmin(0, before + (s->owed - s->taken[i]));
		s->taken[i] += s->b[i] - before;
	}
}

static void
add_to_mean(ml_sgd *s)
{
	size_t		cells = s->n_outputs * s->p;
	double		share = (1 + WEIGH_LATE) / (s->t + WEIGH_LATE);

	for (size_t i = 0; i < cells; i++)
		s->mean[i] += share * (s->b[i] - s->mean[i]);
	for (int k = 0; k < s->n_outputs; k++)
		s->mean0[k] += share * (s->b0[k] - s->mean0[k]);
}

double
ml_sgd_learn(ml_sgd *s, const double *x, double target, double weight)
{
	const ml_sgd_params *p = &s->params;
	double		eta = rate_now(s);
	double		shrink = p->no_penalty ? 1 : fmax(0, 1 - eta * p->alpha * (1 - p->l1_ratio));
	double		loss;

	for (int k = 0; k < s->n_outputs; k++)
		s->scores[k] = s->b0[k] + ml_dot(s->b + k * s->p, x, s->p);
	loss = slopes_of(s, target);
	for (int k = 0; k < s->n_outputs; k++)
	{
		double	   *b = s->b + k * s->p;
		double		slope = fmin(fmax(s->scores[k], -LARGEST_SLOPE), LARGEST_SLOPE) * weight;

		if (shrink != 1)
			for (size_t j = 0; j < s->p; j++)
				b[j] *= shrink;
		ml_axpy(b, -eta * slope, x, s->p);
		if (p->fit_intercept)
			s->b0[k] -= eta * slope;
	}
	if (s->taken != NULL)
	{
		s->owed += p->l1_ratio * eta * p->alpha;
		take_sizes(s);
	}
	if (s->mean != NULL)
		add_to_mean(s);
	s->t++;
	return loss * weight;
}

double
ml_sgd_measure(ml_sgd *s, const double *x, double target)
{
	const double *b = ml_sgd_coefficients(s);

	for (int k = 0; k < s->n_outputs; k++)
		s->scores[k] = ml_sgd_intercepts(s)[k] + ml_dot(b + k * s->p, x, s->p);
	return slopes_of(s, target);
}

double
ml_sgd_measure_nothing(ml_sgd *s, double target)
{
	memset(s->scores, 0, s->n_outputs * sizeof(double));
	return slopes_of(s, target);
}

const double *
ml_sgd_coefficients(const ml_sgd *s)
{
	return s->mean ? s->mean : s->b;
}

const double *
ml_sgd_intercepts(const ml_sgd *s)
{
	return s->mean0 ? s->mean0 : s->b0;
}

double
ml_sgd_penalty(const ml_sgd *s)
{
	const double *b = ml_sgd_coefficients(s);
	double		sum = 0;

	for (size_t i = 0; i < s->n_outputs * s->p; i++)
		sum += s->params.l1_ratio * fabs(b[i]) + (1 - s->params.l1_ratio) / 2 * b[i] * b[i];
	return s->params.no_penalty ? 0 : s->params.alpha * sum;
}

bool
ml_sgd_is_finite(const ml_sgd *s)
{
	for (size_t i = 0; i < s->n_outputs * s->p; i++)
		if (!isfinite(s->b[i]))
			return false;
	for (int k = 0; k < s->n_outputs; k++)
		if (!isfinite(s->b0[k]))
			return false;
	return true;
}
