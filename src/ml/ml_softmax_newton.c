/*
 * ml_softmax_newton.c: proximal Newton with the whole Hessian, for a penalty on sizes (Lee, Sun, Saunders 2014).
 */
#include "ml/ml_softmax_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_lasso.h"

#define MAX_HALVINGS 40

/* The Hessian of the loss: blocks of classes, each (width, width). */
void
ml_softmax_fill_hessian(ml_softmax *l)
{
	size_t		n = l->n_theta;
	const double *pair = l->total.pairs;

	memset(l->full, 0, n * n * sizeof(double));
	for (int a = 0; a < l->k; a++)
		for (int b = 0; b < a; b++, pair += l->padded * l->padded)
			for (size_t i = 0; i < l->width; i++)
				for (size_t j = 0; j < l->width; j++)
				{
					double		value = i >= j ? pair[i * l->padded + j] : pair[j * l->padded + i];

					l->full[(a * l->width + i) * n + b * l->width + j] = -value;
					l->full[(b * l->width + i) * n + a * l->width + j] = -value;
					l->full[(a * l->width + i) * n + a * l->width + j] += value;
					l->full[(b * l->width + i) * n + b * l->width + j] += value;
				}
}

/*
 * The step that minimises the quadratic model with the penalties.  Intercepts are eliminated, the last being held, which
 * loses nothing.  Coordinates of the reduced problem are the coefficients class by class.
 */
static ml_status
descend(ml_softmax *l, ml_error *err)
{
	size_t		p = l->p;
	size_t		m = l->k * p;
	size_t		n = l->n_theta;
	int			free_ones = l->params.fit_intercept ? l->k - 1 : 0;
	double	   *corner = ml_alloc_zero(&l->ctx, (size_t) l->k * l->k, sizeof(double));
	double	   *across = ml_alloc_zero(&l->ctx, (m + 1) * l->k, sizeof(double));
	double	   *solved = ml_alloc_zero(&l->ctx, (m + 1) * l->k, sizeof(double));
	double	   *memory = ml_alloc_zero(&l->ctx, ml_gram_doubles(m + 1), sizeof(double));
	ml_cholesky factor = {0};
	ml_lasso	lasso = {0};
	ml_gram		problem;
	double		weight = l->fit.weight;
	ml_status	status = corner && across && solved && memory ? ML_OK : ml_no_memory(err);

	if (status == ML_OK)
	{
		/* across: row c of the coefficients' (m) Hessian with the free intercepts; the last row, their gradient. */
		for (int a = 0; a < free_ones; a++)
		{
			size_t		at = a * l->width + p;

			for (int b = 0; b < free_ones; b++)
				corner[a * free_ones + b] = l->full[at * n + b * l->width + p];
			for (size_t c = 0; c < m; c++)
				across[c * l->k + a] = l->full[at * n + c / p * l->width + c % p];
			across[m * l->k + a] = l->gradient[at];
		}
		status = ml_cholesky_make(&l->ctx, &factor, corner, free_ones, 0, 1e-14, err);
	}
	if (status == ML_OK)
	{
		for (size_t c = 0; c <= m; c++)
			ml_cholesky_solve(&factor, across + c * l->k, solved + c * l->k, l->work);
		ml_gram_attach(&problem, (int) m + 1, memory);
		ml_gram_clear(&problem);
		problem.weight = weight;
		for (size_t c = 0; c < m; c++)
		{
			size_t		at = c / p * l->width + c % p;
			double	   *row = problem.moments + c * (m + 1);
			double		target = -l->gradient[at] + ml_dot(across + c * l->k, solved + m * l->k, free_ones);

			for (size_t d = 0; d < m; d++)
			{
				row[d] = l->full[at * n + d / p * l->width + d % p] - ml_dot(across + c * l->k, solved + d * l->k, free_ones);
				target += row[d] * l->accepted[d / p * l->width + d % p];
			}
			/* The gradient has the penalty on squares in it, which the coordinate descent adds again. */
			row[m] = target + l->params.l2 * l->accepted[at];
		}
		status = ml_lasso_init(&l->ctx, &lasso, &problem, true, 1e-10, err);
	}
	if (status == ML_OK)
	{
		for (size_t c = 0; c < m; c++)
			lasso.solution[c] = l->accepted[c / p * l->width + c % p];
		for (size_t c = 0; c < m; c++)
			lasso.gradient[c] = lasso.q[c] - ml_dot(lasso.q_matrix + c * m, lasso.solution, m);
		ml_lasso_set(&lasso, (l->params.l1 + l->params.l2) / weight, l->params.l1 / (l->params.l1 + l->params.l2));
		while (!ml_lasso_work(&lasso) && lasso.rounds < 20000 && status == ML_OK)
			if (ml_is_cancelled(&l->ctx))
				status = ml_fail(err, ML_CANCELLED, NULL, "cancelled");
	}
	if (status == ML_OK)
	{
		/* Back to the intercepts: H_aa step_a = -(gradient_a + H_ab step_b). */
		memset(l->direction, 0, n * sizeof(double));
		for (size_t c = 0; c < m; c++)
			l->direction[c / p * l->width + c % p] = lasso.solution[c] - l->accepted[c / p * l->width + c % p];
		for (int a = 0; a < free_ones; a++)
		{
			double		sum = -solved[m * l->k + a];

			for (size_t c = 0; c < m; c++)
				sum -= solved[c * l->k + a] * l->direction[c / p * l->width + c % p];
			l->direction[a * l->width + p] = sum;
		}
		/* What the model expects to gain, as a slope: the gradient's part and the change of the sizes. */
		l->slope = ml_dot(l->direction, l->gradient, n);
		for (size_t c = 0; c < m; c++)
			l->slope += l->params.l1 * (fabs(lasso.solution[c]) - fabs(l->accepted[c / p * l->width + c % p]));
	}
	ml_lasso_free(&lasso);
	ml_cholesky_free(&l->ctx, &factor);
	ml_free(&l->ctx, corner);
	ml_free(&l->ctx, across);
	ml_free(&l->ctx, solved);
	ml_free(&l->ctx, memory);
	return status;
}

ml_status
ml_softmax_end_newton_round(ml_softmax *l, ml_error *err)
{
	double		objective = l->total.loss + ml_softmax_penalties(l, l->theta);
	ml_status	status;

	l->fit.iterations++;
	if (isfinite(l->objective) && !(objective <= l->objective + 1e-13 * fabs(objective)))
	{
		if (l->halvings++ >= MAX_HALVINGS || l->fit.iterations >= l->params.max_iter)
		{
			memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
			return ml_softmax_end_descent(l, -l->slope <= l->params.tol * l->fit.weight, err);
		}
		ml_softmax_try_share(l, l->share / 2);
		return ML_MORE;
	}
	ml_softmax_read_gradient(l, l->gradient);
	l->objective = objective;
	l->fit.loss = l->total.loss;
	l->halvings = 0;
	memcpy(l->accepted, l->theta, l->n_theta * sizeof(double));
	ml_softmax_fill_hessian(l);
	status = descend(l, err);
	if (status != ML_OK)
		return status;
	if (-l->slope / 2 <= l->params.tol * l->fit.weight || l->fit.iterations >= l->params.max_iter)
	{
		bool		converged = -l->slope / 2 <= l->params.tol * l->fit.weight;

		if (converged)
			ml_axpy(l->theta, 1, l->direction, l->n_theta);
		return ml_softmax_end_descent(l, converged, err);
	}
	ml_softmax_try_share(l, 1);
	return ML_MORE;
}
