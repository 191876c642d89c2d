/*
 * ml_softmax_lbfgs.c: limited-memory BFGS, preconditioned with the moments of the terms (Nocedal 1980).
 */
#include "ml/ml_softmax_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define MAX_HALVINGS 40

/* vector = an approximate inverse of the Hessian at the start, times vector. */
static void
precondition(const ml_softmax *l, double *vector)
{
	for (int k = 0; k < l->k; k++)
	{
		double	   *v = vector + k * l->width;
		double		share = l->class_weight[k] / l->fit.weight;
		double		last = v[l->p];

		ml_cholesky_solve(&l->precondition, v, l->work, l->work + l->width);
		for (size_t j = 0; j < l->p; j++)
			v[j] = l->work[j] / share;
		v[l->p] = last / l->class_weight[k];
	}
}

/* The direction from the gradient and the pairs remembered. */
static void
find_direction(ml_softmax *l)
{
	double		alpha[ML_SOFTMAX_MEMORY];
	double	   *d = l->direction;

	memcpy(d, l->gradient, l->n_theta * sizeof(double));
	for (int i = l->n_pairs - 1; i >= 0; i--)
	{
		int			at = (l->oldest + i) % ML_SOFTMAX_MEMORY;

		alpha[i] = l->rho[at] * ml_dot(l->s[at], d, l->n_theta);
		ml_axpy(d, -alpha[i], l->y[at], l->n_theta);
	}
	precondition(l, d);
	for (int i = 0; i < l->n_pairs; i++)
	{
		int			at = (l->oldest + i) % ML_SOFTMAX_MEMORY;
		double		beta = l->rho[at] * ml_dot(l->y[at], d, l->n_theta);

		ml_axpy(d, alpha[i] - beta, l->s[at], l->n_theta);
	}
	for (size_t i = 0; i < l->n_theta; i++)
		d[i] = -d[i];
	l->slope = ml_dot(d, l->gradient, l->n_theta);
}

static void
remember_step(ml_softmax *l)
{
	int			at = (l->oldest + l->n_pairs) % ML_SOFTMAX_MEMORY;
	double		product;

	for (size_t i = 0; i < l->n_theta; i++)
	{
		l->s[at][i] = l->theta[i] - l->accepted[i];
		l->y[at][i] = l->new_gradient[i] - l->gradient[i];
	}
	product = ml_dot(l->s[at], l->y[at], l->n_theta);
	if (!(product > 1e-300))
		return;
	l->rho[at] = 1 / product;
	if (l->n_pairs < ML_SOFTMAX_MEMORY)
		l->n_pairs++;
	else
		l->oldest = (l->oldest + 1) % ML_SOFTMAX_MEMORY;
}

ml_status
ml_softmax_end_lbfgs_round(ml_softmax *l, ml_error *err)
{
	double		objective = l->total.loss + ml_softmax_penalties(l, l->theta);
	double		gain = l->objective - objective;

	l->fit.iterations++;
	ml_softmax_read_gradient(l, l->new_gradient);
	if (isfinite(l->objective) && !(gain >= -1e-4 * l->share * l->slope - 1e-13 * fabs(objective)))
	{
		if (l->halvings++ >= MAX_HALVINGS || l->fit.iterations >= l->params.max_iter)
		{
			if (l->fit.iterations < l->params.max_iter && ml_softmax_newton_fits(l))
				return ml_softmax_start_newton(l, err);
			memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
			return ml_softmax_end_descent(l, -l->slope / 2 <= l->params.tol * l->fit.weight, err);
		}
		ml_softmax_try_share(l, l->share / 2);
		return ML_MORE;
	}
	if (isfinite(l->objective))
		remember_step(l);
	l->stalled = gain <= l->params.tol * l->fit.weight ? l->stalled + 1 : 0;
	l->objective = objective;
	l->fit.loss = l->total.loss;
	l->halvings = 0;
	memcpy(l->accepted, l->theta, l->n_theta * sizeof(double));
	memcpy(l->gradient, l->new_gradient, l->n_theta * sizeof(double));
	if (!l->penalised && l->total.loss < 1e-6 * l->fit.weight)
		return ml_softmax_told_apart(err);
	find_direction(l);
	if (-l->slope / 2 <= l->params.tol * l->fit.weight && l->stalled > 0)
		return ml_softmax_end_descent(l, true, err);
	if ((l->stalled >= 10 || l->fit.iterations >= ML_SOFTMAX_PATIENCE) && l->fit.iterations < l->params.max_iter && ml_softmax_newton_fits(l))
		return ml_softmax_start_newton(l, err);
	if (l->stalled >= 10 || l->fit.iterations >= l->params.max_iter)
		return ml_softmax_end_descent(l, l->stalled >= 10, err);
	ml_softmax_try_share(l, 1);
	return ML_MORE;
}
