/*
 * ml_softmax_smooth.c: Newton's method with the whole Hessian, for smooth problems that L-BFGS is slow on.
 *
 * L-BFGS needs as many rounds as the root of the Hessian's condition, about: with terms that nearly repeat each other or
 * classes of a few rows that is thousands.  Newton's method does not feel the condition.  A round with the Hessian costs
 * about n / 8 of L-BFGS, n being the number of coefficients, and it needs some ten of them, on the worst data some fifty.
 *
 * Shifts of all classes by the same change no probability, so the likelihood's Hessian is singular along them.  The start
 * is put where the coefficients of a term add up to 0 over the classes, which is where a penalty on squares has its optimum;
 * then the gradient has no part along the shifts, and what stands for the Hessian there does not matter.
 *
 * Where the model is sure of what is wrong the Hessian is next to nothing and a step goes far beyond the minimum.  Steps that
 * fail are therefore damped (Levenberg 1944): to the Hessian comes a multiple of the moments of the terms, which bound it
 * (Böhning 1992) and have the same units, so that scales of terms make no difference.  How steps turn out raises and lowers
 * the multiple (much as in Nielsen 1999); at the solution it is 0.
 */
#include "ml/ml_softmax_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define LEAST_DAMPING 1e-16		/* as multiples of the moments */
#define MOST_DAMPING 1e8
#define FIRST_RAISE 4			/* of the damping, at a step that fails; the next ones twice as much each */
#define PIVOT 1e-13				/* of a column scaled to 1: what is below is rounding */
#define ROUNDING 1e-15			/* of the objective */

bool
ml_softmax_newton_fits(const ml_softmax *l)
{
	/* With many classes and few terms the padding of the pairs takes more memory than the Hessian. */
	return l->params.l1 == 0 && l->n_theta <= ML_SOFTMAX_NEWTON && pair_doubles(l) <= 2 * (size_t) ML_SOFTMAX_NEWTON * ML_SOFTMAX_NEWTON;
}

/* l->moments (p, p) from the factor that preconditions; false: no memory. */
static bool
remember_moments(ml_softmax *l)
{
	const ml_cholesky *c = &l->precondition;
	size_t		rank = c->rank;

	l->moments = ml_alloc_zero(&l->ctx, l->p * l->p, sizeof(double));
	if (l->moments == NULL)
		return false;
	for (size_t i = 0; i < rank; i++)
		for (size_t j = 0; j <= i; j++)
		{
			double		value = ml_dot(c->factor + i * rank, c->factor + j * rank, j + 1) / (c->scale[i] * c->scale[j]);

			l->moments[c->kept[i] * l->p + c->kept[j]] = l->moments[c->kept[j] * l->p + c->kept[i]] = value;
		}
	return true;
}

/* From the best point of L-BFGS on by Newton's method. */
ml_status
ml_softmax_start_newton(ml_softmax *l, ml_error *err)
{
	if (!ml_softmax_make_hessian(l) || !remember_moments(l))
		return ml_no_memory(err);
	memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
	for (size_t j = 0; j < l->width; j++)
	{
		double		mean = 0;

		for (int k = 0; k < l->k; k++)
			mean += l->theta[k * l->width + j] / l->k;
		for (int k = 0; k < l->k; k++)
			l->theta[k * l->width + j] -= mean;
	}
	l->phase = SMOOTH_NEWTON;
	l->hessian = true;
	l->damping = 0;
	l->raise = FIRST_RAISE;
	ml_softmax_start_round(l);
	return ML_MORE;
}

void
ml_softmax_hold_shifts(ml_softmax *l)
{
	size_t		n = l->n_theta;

	for (size_t j = 0; j < l->width; j++)
	{
		double		c = 0;

		/* Aliased terms are out of it. */
		if (!l->penalised && j < l->p && l->fit.aliased[j])
			for (int k = 0; k < l->k; k++)
				for (size_t i = 0; i < n; i++)
					l->full[(k * l->width + j) * n + i] = l->full[i * n + k * l->width + j] = 0;
		for (int k = 0; k < l->k; k++)
			c += l->full[(k * l->width + j) * (n + 1)] / l->k;
		l->work[j] = c;
		for (int a = 0; a < l->k; a++)
			for (int b = 0; b < l->k; b++)
				l->full[(a * l->width + j) * n + b * l->width + j] += c / l->k;
	}
}

/* d' (moments, and the weight for the intercept) d over all classes. */
static double
damped_square(const ml_softmax *l, const double *d)
{
	double		sum = 0;

	for (int k = 0; k < l->k; k++, d += l->width)
	{
		for (size_t i = 0; i < l->p; i++)
			sum += d[i] * ml_dot(l->moments + i * l->p, d, l->p);
		if (l->params.fit_intercept)
			sum += l->fit.weight * d[l->p] * d[l->p];
	}
	return sum;
}

/* The direction to the minimum of the quadratic model, damped, and the slope along it. */
static ml_status
find_newton_direction(ml_softmax *l, ml_error *err)
{
	size_t		n = l->n_theta;
	ml_cholesky factor = {0};
	ml_status	status;

	ml_softmax_fill_hessian(l);
	ml_softmax_hold_shifts(l);
	for (int k = 0; k < l->k; k++)
	{
		double	   *block = l->full + k * l->width * (n + 1);

		for (size_t i = 0; i < l->p; i++)
		{
			ml_axpy(block + i * n, l->damping, l->moments + i * l->p, l->p);
			block[i * (n + 1)] += l->params.l2;
		}
		block[l->p * (n + 1)] += l->params.fit_intercept ? l->damping * l->fit.weight : 0;
	}
	status = ml_cholesky_make(&l->ctx, &factor, l->full, (int) n, 0, PIVOT, err);
	if (status == ML_OK)
	{
		ml_cholesky_solve(&factor, l->gradient, l->direction, l->work);
		for (size_t i = 0; i < n; i++)
			l->direction[i] = -l->direction[i];
		l->slope = ml_dot(l->direction, l->gradient, n);
	}
	ml_cholesky_free(&l->ctx, &factor);
	return status;
}

/*
 * Tries the step from the accepted point, whose Hessian and gradient are at hand.  Half the slope along Newton's direction is
 * what the quadratic model expects to gain; it does not depend on the units of the terms.  When it is small there is one step
 * more, which leaves about the square of it.
 */
static ml_status
try_newton_step(ml_softmax *l, ml_error *err)
{
	double		little = 2 * fmax(l->params.tol * l->fit.weight, ROUNDING * fabs(l->objective));
	ml_status	status = find_newton_direction(l, err);

	if (status == ML_OK && l->damping > 0 && -l->slope <= little && l->raise == FIRST_RAISE)
	{
		/* Whether it is the end is seen without damping, unless that step has failed from here. */
		l->held = l->damping;
		l->damping = 0;
		status = find_newton_direction(l, err);
	}
	if (status != ML_OK)
		return status;
	l->expected = -l->slope / 2 + (l->damping > 0 ? l->damping / 2 * damped_square(l, l->direction) : 0);
	l->last_step = l->damping == 0 && -l->slope <= little;
	if (l->fit.iterations >= l->params.max_iter)
		return ml_softmax_end_descent(l, l->last_step, err);
	l->hessian = false;
	ml_softmax_try_share(l, 1);
	return ML_MORE;
}

/* Rounds are in turn with the Hessian, at a point that is accepted, and without, at the end of a step that is tried. */
ml_status
ml_softmax_end_smooth_round(ml_softmax *l, ml_error *err)
{
	double		objective = l->total.loss + ml_softmax_penalties(l, l->theta);
	double		gain = l->objective - objective;
	double		ratio;

	l->fit.iterations++;
	if (!l->hessian && !(gain >= 1e-4 * l->expected - 1e-13 * fabs(objective)))
	{
		if (l->last_step || l->damping > MOST_DAMPING || l->fit.iterations >= l->params.max_iter)
		{
			memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
			return ml_softmax_end_descent(l, l->last_step, err);
		}
		l->damping = fmax(l->damping > 0 ? l->damping * l->raise : l->held, LEAST_DAMPING);
		l->held = 0;
		l->raise *= 2;
		return try_newton_step(l, err);
	}
	l->objective = objective;
	l->fit.loss = l->total.loss;
	memcpy(l->accepted, l->theta, l->n_theta * sizeof(double));
	if (l->hessian)
	{
		ml_softmax_read_gradient(l, l->gradient);
		return try_newton_step(l, err);
	}
	if (!l->penalised && l->total.loss < 1e-6 * l->fit.weight)
		return ml_softmax_told_apart(err);
	if (l->last_step || l->fit.iterations >= l->params.max_iter)
		return ml_softmax_end_descent(l, l->last_step, err);
	ratio = l->expected > 1e-12 * fabs(objective) ? gain / l->expected : 1;
	l->damping *= ratio > 0.75 ? 0.1 : ratio > 0.25 ? 0.5 : 2;
	if (l->damping < LEAST_DAMPING)
		l->damping = 0;
	l->raise = FIRST_RAISE;
	l->hessian = true;
	ml_softmax_start_round(l);
	return ML_MORE;
}
