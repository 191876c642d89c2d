/*
 * ml_irls_newton.c: a step of Newton's method from the sums of a round.
 *
 * The intercept is eliminated, which leaves a positive definite system in the coefficients alone.  With a penalty on sizes the quadratic
 * model is minimised by coordinate descent (Friedman, Hastie, Tibshirani 2010; proximal Newton: Lee, Sun, Saunders 2014).
 */
#include "ml/ml_irls_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_lasso.h"

/* The gradient of the loss with the intercept eliminated, for the terms. */
static void
make_right_side(const ml_irls *l)
{
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		l->right[l->layout.number_term[j]] = l->total.gradient[j];
	for (int level = 0; level < l->layout.shape.n_levels; level++)
		if (l->layout.level_term[level] >= 0)
			l->right[l->layout.level_term[level]] = l->total.level_gradient[level];
	if (l->params.fit_intercept)
		ml_axpy(l->right, -l->total.residual, l->gram.mean, l->fit.n_terms);
}

/* The moments of the sums; without an intercept about 0 instead of the means.  Terms that others determine get 0. */
void
ml_irls_make_hessian(ml_irls *l)
{
	size_t		p = l->fit.n_terms;

	ml_gram_attach(&l->gram, (int) p, l->gram_memory);
	ml_gram_from_moments(&l->gram, l->total.moments, l->layout.sources);
	if (!l->params.fit_intercept)
		for (size_t i = 0; i < p; i++)
			ml_axpy(l->gram.moments + i * p, l->gram.weight * l->gram.mean[i], l->gram.mean, p);
	if (!l->penalised)
		ml_untangle_alias(&l->untangle, l->gram.moments, l->params.fit_intercept ? l->gram.mean : NULL, l->gram.weight, l->inverse);
}

/* Minimises the quadratic model with the penalties by coordinate descent; l->step is how far the coefficients go. */
static ml_status
descend(ml_irls *l, double *improvement, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	double	   *memory = ml_alloc(&l->ctx, ml_gram_doubles(p + 1), sizeof(double));
	ml_gram		problem;
	ml_lasso	lasso = {0};
	double		weight = l->gram.weight > 0 ? l->gram.weight : 1;
	double		penalty = l->scale * (l->l1 + l->l2);
	ml_status	status;

	if (memory == NULL)
		return ml_no_memory(err);
	ml_gram_attach(&problem, (int) p + 1, memory);
	ml_gram_clear(&problem);
	problem.weight = weight;
	for (size_t i = 0; i < p; i++)
	{
		memcpy(problem.moments + i * (p + 1), l->gram.moments + i * p, p * sizeof(double));
		problem.moments[i * (p + 1) + p] = ml_dot(l->gram.moments + i * p, l->b, p) + l->right[i];
	}
	status = ml_lasso_init(&l->ctx, &lasso, &problem, true, 1e-11, err);
	if (status == ML_OK)
	{
		memcpy(lasso.solution, l->b, p * sizeof(double));
		for (size_t i = 0; i < p; i++)
			lasso.gradient[i] = l->right[i] / weight;
		ml_lasso_set(&lasso, penalty / weight, l->l1 / (l->l1 + l->l2));
		while (!ml_lasso_work(&lasso) && lasso.rounds < 100000 && status == ML_OK)
			if (ml_is_cancelled(&l->ctx))
				status = ml_fail(err, ML_CANCELLED, NULL, "cancelled");
		*improvement = 0;
		for (size_t i = 0; i < p; i++)
		{
			double		new = lasso.solution[i];

			l->step[i] = new - l->b[i];
			*improvement -= l->scale * (l->l1 * (fabs(new) - fabs(l->b[i])) + l->l2 / 2 * (new * new - l->b[i] * l->b[i]));
		}
		for (size_t i = 0; i < p; i++)
			*improvement += l->step[i] * (l->right[i] - 0.5 * ml_dot(l->gram.moments + i * p, l->step, p));
	}
	ml_lasso_free(&lasso);
	ml_free(&l->ctx, memory);
	return status;
}

/* ML_MORE: there were columns whose squares vanish or overflow, and have no coefficient yet. */
static ml_status
scale_extreme(ml_irls *l, ml_error *err)
{
	bool		changed;
	ml_status	status = ml_extreme_columns(&l->ctx, &l->extreme, l->matrix, l->gram.moments, l->gram.weight, &l->layout, &changed, err);

	if (status != ML_OK || !changed)
		return status;
	for (int t = 0; t < l->fit.n_terms; t++)
		l->b[t] = l->extreme.exponent[t] != 0 ? 0 : l->b[t];
	l->objective = INFINITY;
	return ML_MORE;
}

/*
 * ML_MORE: terms depend on each other too much for co-moments; the point stays where it is, in coefficients of new rests.
 */
static ml_status
untangle(ml_irls *l, const ml_cholesky *factor, ml_error *err)
{
	bool		changed;
	ml_status	status;

	ml_untangle_to_terms(&l->untangle, l->b, l->b0, l->before, &l->before0);
	status = ml_untangle_take(&l->ctx, &l->untangle, l->gram.moments, factor, l->params.fit_intercept ? l->gram.mean : NULL, &changed, err);
	if (status != ML_OK || !changed)
		return status;
	ml_untangle_from_terms(&l->untangle, l->before, l->before0, l->b, &l->b0);
	l->objective = INFINITY;	/* what it was here, but for rounding */
	status = ml_irls_make_room(l, err);
	return status == ML_OK ? ML_MORE : status;
}

/* The step of Newton's method, with the squares' penalty alone; ML_MORE as ml_irls_newton_step has it. */
static ml_status
solve_newton(ml_irls *l, double *improvement, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_cholesky factor = {0};
	ml_status	status = ml_cholesky_make(&l->ctx, &factor, l->gram.moments, (int) p, l->scale * l->l2, ML_IRLS_TOLERANCE, err);

	if (status == ML_OK && !l->penalised)
		status = untangle(l, &factor, err);
	if (status == ML_OK)
	{
		ml_axpy(l->right, -l->scale * l->l2, l->b, p);
		ml_cholesky_solve(&factor, l->right, l->step, l->work);
		*improvement = ml_dot(l->right, l->step, p) / 2;
		l->fit.rank = factor.rank;
	}
	ml_cholesky_free(&l->ctx, &factor);
	return status;
}

/* Takes a Newton step from the accepted point; *improvement is what the objective is expected to gain. */
ml_status
ml_irls_newton_step(ml_irls *l, double *improvement, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_status	status;

	ml_irls_make_hessian(l);
	status = l->penalised ? ML_OK : scale_extreme(l, err);
	if (status != ML_OK)
		return status;
	make_right_side(l);
	status = l->l1 > 0 ? descend(l, improvement, err) : solve_newton(l, improvement, err);
	if (status != ML_OK)
		return status;
	memcpy(l->before, l->b, p * sizeof(double));
	l->before0 = l->b0;
	ml_axpy(l->b, 1, l->step, p);
	if (l->params.fit_intercept && l->gram.weight > 0)
	{
		double		step0 = l->total.residual / l->gram.weight;

		*improvement += step0 * l->total.residual / 2;
		l->b0 += step0 - ml_dot(l->gram.mean, l->step, p);
	}
	return ML_OK;
}
