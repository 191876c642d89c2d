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
 * The quadratic model without the intercepts, which are eliminated, the last being held, which loses nothing.  Coordinates are the
 * coefficients (m = classes x terms), class by class.
 */
typedef struct reduced
{
	size_t		m;
	int			free_ones;		/* intercepts that are not held */
	double	   *corner;			/* (free_ones, free_ones) their Hessian */
	double	   *across;			/* (m + 1, k) row c: of coefficient c with the free intercepts; the last row: their gradient */
	double	   *solved;			/* (m + 1, k) rows of across over the corner */
	double	   *memory;
	ml_gram		problem;		/* in memory: as a regression with a penalty on sizes */
} reduced;

/* Where coordinate c is in theta. */
static size_t
place_of(const ml_softmax *l, size_t c)
{
	return c / l->p * l->width + c % l->p;
}

static ml_status
reduced_make(ml_softmax *l, reduced *r, ml_error *err)
{
	*r = (reduced) {.m = l->k * l->p, .free_ones = l->params.fit_intercept ? l->k - 1 : 0};
	r->corner = ml_alloc_zero(&l->ctx, (size_t) l->k * l->k, sizeof(double));
	r->across = ml_alloc_zero(&l->ctx, (r->m + 1) * l->k, sizeof(double));
	r->solved = ml_alloc_zero(&l->ctx, (r->m + 1) * l->k, sizeof(double));
	r->memory = ml_alloc_zero(&l->ctx, ml_gram_doubles(r->m + 1), sizeof(double));
	return r->corner && r->across && r->solved && r->memory ? ML_OK : ml_no_memory(err);
}

static void
reduced_free(ml_softmax *l, reduced *r)
{
	ml_free(&l->ctx, r->corner);
	ml_free(&l->ctx, r->across);
	ml_free(&l->ctx, r->solved);
	ml_free(&l->ctx, r->memory);
}

static ml_status
eliminate_intercepts(ml_softmax *l, reduced *r, ml_error *err)
{
	size_t		n = l->n_theta;
	ml_cholesky factor = {0};
	ml_status	status;

	for (int a = 0; a < r->free_ones; a++)
	{
		size_t		at = a * l->width + l->p;

		for (int b = 0; b < r->free_ones; b++)
			r->corner[a * r->free_ones + b] = l->full[at * n + b * l->width + l->p];
		for (size_t c = 0; c < r->m; c++)
			r->across[c * l->k + a] = l->full[at * n + place_of(l, c)];
		r->across[r->m * l->k + a] = l->gradient[at];
	}
	status = ml_cholesky_make(&l->ctx, &factor, r->corner, r->free_ones, 0, 1e-14, err);
	for (size_t c = 0; c <= r->m && status == ML_OK; c++)
		ml_cholesky_solve(&factor, r->across + c * l->k, r->solved + c * l->k, l->work);
	ml_cholesky_free(&l->ctx, &factor);
	return status;
}

/* The problem that is left, at the accepted point. */
static void
pose_problem(const ml_softmax *l, reduced *r)
{
	size_t		n = l->n_theta;
	size_t		m = r->m;

	ml_gram_attach(&r->problem, (int) m + 1, r->memory);
	ml_gram_clear(&r->problem);
	r->problem.weight = l->fit.weight;
	for (size_t c = 0; c < m; c++)
	{
		size_t		at = place_of(l, c);
		double	   *row = r->problem.moments + c * (m + 1);
		double		target = -l->gradient[at] + ml_dot(r->across + c * l->k, r->solved + m * l->k, r->free_ones);

		for (size_t d = 0; d < m; d++)
		{
			row[d] = l->full[at * n + place_of(l, d)] - ml_dot(r->across + c * l->k, r->solved + d * l->k, r->free_ones);
			target += row[d] * l->accepted[place_of(l, d)];
		}
		/* The gradient has the penalty on squares in it, which the coordinate descent adds again. */
		row[m] = target + l->params.l2 * l->accepted[at];
	}
}

/* lasso->solution becomes the problem's, by coordinate descent from the accepted point. */
static ml_status
solve_problem(ml_softmax *l, const reduced *r, ml_lasso *lasso, ml_error *err)
{
	double		penalty = l->params.l1 + l->params.l2;
	ml_status	status = ml_lasso_init(&l->ctx, lasso, &r->problem, true, 1e-10, err);

	if (status != ML_OK)
		return status;
	for (size_t c = 0; c < r->m; c++)
		lasso->solution[c] = l->accepted[place_of(l, c)];
	for (size_t c = 0; c < r->m; c++)
		lasso->gradient[c] = lasso->q[c] - ml_dot(lasso->q_matrix + c * r->m, lasso->solution, r->m);
	ml_lasso_set(lasso, penalty / l->fit.weight, l->params.l1 / penalty);
	while (!ml_lasso_work(lasso) && lasso->rounds < 20000)
		if (ml_is_cancelled(&l->ctx))
			return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
	return ML_OK;
}

/* The direction to the solution, back to the intercepts by H_aa step_a = -(gradient_a + H_ab step_b), and the slope along it. */
static void
take_direction(ml_softmax *l, const reduced *r, const double *solution)
{
	memset(l->direction, 0, l->n_theta * sizeof(double));
	for (size_t c = 0; c < r->m; c++)
		l->direction[place_of(l, c)] = solution[c] - l->accepted[place_of(l, c)];
	for (int a = 0; a < r->free_ones; a++)
	{
		double		sum = -r->solved[r->m * l->k + a];

		for (size_t c = 0; c < r->m; c++)
			sum -= r->solved[c * l->k + a] * l->direction[place_of(l, c)];
		l->direction[a * l->width + l->p] = sum;
	}
	/* What the model expects to gain, as a slope: the gradient's part and the change of the sizes. */
	l->slope = ml_dot(l->direction, l->gradient, l->n_theta);
	for (size_t c = 0; c < r->m; c++)
		l->slope += l->params.l1 * (fabs(solution[c]) - fabs(l->accepted[place_of(l, c)]));
}

/* The step that minimises the quadratic model with the penalties. */
static ml_status
descend(ml_softmax *l, ml_error *err)
{
	reduced		r;
	ml_lasso	lasso = {0};
	ml_status	status = reduced_make(l, &r, err);

	if (status == ML_OK)
		status = eliminate_intercepts(l, &r, err);
	if (status == ML_OK)
	{
		pose_problem(l, &r);
		status = solve_problem(l, &r, &lasso, err);
	}
	if (status == ML_OK)
		take_direction(l, &r, lasso.solution);
	ml_lasso_free(&lasso);
	reduced_free(l, &r);
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
