/*
 * ml_softmax.c: multinomial logistic regression.
 *
 * Inside, terms are about their means m: eta_k = a_k + (x - m) b_k, so that columns far from 0 lose no digits and do not
 * tie intercepts to coefficients.  The variables are theta (n_classes, n_terms + 1), the a_k last in each row.
 *
 * A round over all rows gives the loss and its gradient, and when it is asked for the Hessian, whose blocks are
 * H_kl = -sum w p_k p_l z z' for k != l, and H_kk = -sum over l != k of H_kl, since probabilities add up to 1.
 */
#include "ml/ml_softmax.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_lasso.h"
#include "ml/ml_matrix_layout.h"
#include "ml/ml_moments.h"
#include "ml/ml_parallel.h"
#include "ml/ml_solve.h"

#define BLOCK ML_MOMENTS_BLOCK
#define BATCH 8					/* ranges of one step */
#define RANGE_WORK 1e8			/* multiplications of a range, about */
#define MEMORY 12				/* pairs that L-BFGS remembers */
#define MAX_HALVINGS 40
#define TOLERANCE 1e-11			/* of a pivot, without a penalty */

typedef struct range
{
	size_t		first;
	size_t		n;
} range;

typedef struct sums
{
	double		loss;
	double		weight;
	int64_t		rows;
	double	   *gradient;		/* (n_classes, n_terms + 1) of the likelihood: sums of residuals times x; last the residuals */
	double	   *pairs;			/* (n_classes (n_classes - 1) / 2, padded, padded) sums of w p_k p_l z z', or NULL */
	ml_moments *moments;		/* of the terms, in phase MOMENTS */
	double	   *eta;			/* (n_classes, BLOCK) scratch */
	double	   *rows_z;			/* (BLOCK, padded) scratch: 1 and the terms about their means … */
	double	   *scaled;			/* … and times a root */
	const double **columns;		/* (numbers) scratch */
	int32_t   **level_rows;		/* (cats), (BLOCK) each */
} sums;

typedef enum phase
{
	MOMENTS = 0,				/* the first round: means, spreads, weights of the classes */
	DESCENT,					/* L-BFGS */
	NEWTON,						/* with a penalty on sizes */
	ERRORS,						/* the Hessian at the solution */
	FINISHED
} phase;

struct ml_softmax
{
	ml_ctx		ctx;
	const ml_matrix *matrix;
	ml_softmax_params params;
	ml_softmax_fit fit;
	bool		penalised;
	int			k;				/* classes */
	size_t		p;				/* terms */
	size_t		width;			/* p + 1 */
	size_t		padded;			/* of a row of rows_z: p + 1 */
	size_t		n_theta;
	ml_matrix_layout layout;
	range	   *ranges;
	int			n_ranges;
	int			next_range;
	int			batch_range;
	phase		phase;
	bool		hessian;		/* this round gathers it */
	double	   *class_weight;	/* (k) sum of weights of the class */
	double	   *mean;			/* (p); 0 without an intercept */
	ml_cholesky precondition;
	double	   *theta;			/* (k, width) where the round is */
	double	   *intercept;		/* (k) a_k - m b_k of this round */
	double	   *level_b;		/* (k, levels) */
	double	   *accepted;		/* (k, width) the best so far … */
	double	   *gradient;		/* … and the gradient of the objective there */
	double	   *direction;
	double	   *new_gradient;
	double		objective;
	double		slope;			/* of the objective along the direction */
	double		share;			/* of the direction that is tried */
	int			halvings;
	int			stalled;		/* steps in a row that brought next to nothing */
	int			n_pairs;
	int			oldest;
	double	   *s[MEMORY];		/* steps … */
	double	   *y[MEMORY];		/* … and changes of the gradient */
	double		rho[MEMORY];
	double	   *full;			/* (n_theta, n_theta) the Hessian, or NULL */
	double	   *work;			/* (n_theta) */
	sums		total;
	sums		part[BATCH];
};

static ml_status
no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}

/* ---- one range ------------------------------------------------------------------------------------------------- */

#define pair_doubles(l) ((size_t) (l)->k * ((l)->k - 1) / 2 * (l)->padded * (l)->padded)

static void
clear_sums(const ml_softmax *l, sums *s)
{
	s->loss = s->weight = 0;
	s->rows = 0;
	memset(s->gradient, 0, l->n_theta * sizeof(double));
	if (l->phase == MOMENTS)
		ml_moments_init(s->moments, &l->layout.shape);
	if (l->hessian)
		memset(s->pairs, 0, pair_doubles(l) * sizeof(double));
}

static void
add_sums(const ml_softmax *l, sums *to, const sums *from)
{
	to->loss += from->loss;
	to->weight += from->weight;
	to->rows += from->rows;
	ml_axpy(to->gradient, 1, from->gradient, l->n_theta);
	if (l->phase == MOMENTS)
		ml_moments_merge(to->moments, from->moments);
	if (l->hessian)
		ml_axpy(to->pairs, 1, from->pairs, pair_doubles(l));
}

static double
weight_of(const ml_softmax *l, size_t row)
{
	double		weight = l->matrix->weights ? l->matrix->weights[row] : 1;

	return l->params.class_weights ? weight * l->params.class_weights[l->matrix->labels[row]] : weight;
}

/* The columns and levels of a block. */
static void
find_block(const ml_softmax *l, size_t first, size_t n, sums *s)
{
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		s->columns[j] = l->layout.numbers[j] + first;
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			s->level_rows[a][i] = l->layout.first_level[a] + l->layout.codes[a][first + i];
}

static void
count_block(const ml_softmax *l, size_t first, size_t n, sums *s)
{
	double		weights[BLOCK];

	for (size_t i = 0; i < n; i++)
	{
		weights[i] = weight_of(l, first + i);
		s->weight += weights[i];
		s->rows += weights[i] > 0;
		s->gradient[l->matrix->labels[first + i] * l->width + l->p] += weights[i];
	}
	ml_moments_add_columns(s->moments, s->columns, (const int32_t *const *) s->level_rows, weights, n);
}

static void
predict_block(const ml_softmax *l, size_t n, sums *s)
{
	for (int k = 0; k < l->k; k++)
	{
		double	   *eta = s->eta + k * BLOCK;
		const double *theta = l->theta + k * l->width;
		const double *level_b = l->level_b + (size_t) k * l->layout.shape.n_levels;

		for (size_t i = 0; i < n; i++)
			eta[i] = l->intercept[k];
		for (int j = 0; j < l->layout.shape.n_numbers; j++)
			if (theta[l->layout.number_term[j]] != 0)
				ml_axpy(eta, theta[l->layout.number_term[j]], s->columns[j], n);
		for (int a = 0; a < l->layout.shape.n_cats; a++)
			for (size_t i = 0; i < n; i++)
				eta[i] += level_b[s->level_rows[a][i]];
	}
}

/* From linear predictors to probabilities, in their place, and the loss. */
static void
respond_block(const ml_softmax *l, size_t first, size_t n, const double *weights, sums *s)
{
	double		largest[BLOCK];
	double		sum[BLOCK] = {0};

	for (size_t i = 0; i < n; i++)
		largest[i] = s->eta[i];
	for (int k = 1; k < l->k; k++)
		for (size_t i = 0; i < n; i++)
			largest[i] = s->eta[k * BLOCK + i] > largest[i] ? s->eta[k * BLOCK + i] : largest[i];
	for (size_t i = 0; i < n; i++)
		s->loss += weights[i] * (largest[i] - s->eta[l->matrix->labels[first + i] * BLOCK + i]);
	for (int k = 0; k < l->k; k++)
		for (size_t i = 0; i < n; i++)
			sum[i] += s->eta[k * BLOCK + i] = exp(s->eta[k * BLOCK + i] - largest[i]);
	for (size_t i = 0; i < n; i++)
	{
		s->loss += weights[i] * log(sum[i]);
		sum[i] = 1 / sum[i];
	}
	for (int k = 0; k < l->k; k++)
		for (size_t i = 0; i < n; i++)
			s->eta[k * BLOCK + i] *= sum[i];
}

/* Rows of the terms about their means, and a 1 at the end if there is an intercept. */
static void
spread_block(const ml_softmax *l, size_t n, sums *s)
{
	memset(s->rows_z, 0, BLOCK * l->padded * sizeof(double));
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		for (size_t i = 0; i < n; i++)
			s->rows_z[i * l->padded + l->layout.number_term[j]] = s->columns[j][i];
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			if (l->layout.level_term[s->level_rows[a][i]] >= 0)
				s->rows_z[i * l->padded + l->layout.level_term[s->level_rows[a][i]]] = 1;
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < l->p; j++)
			s->rows_z[i * l->padded + j] -= l->mean[j];
		s->rows_z[i * l->padded + l->p] = l->params.fit_intercept ? 1 : 0;
	}
}

static void
add_pairs(const ml_softmax *l, size_t n, const double *weights, sums *s)
{
	double	   *pair = s->pairs;

	spread_block(l, n, s);
	for (int a = 0; a < l->k; a++)
		for (int b = 0; b < a; b++, pair += l->padded * l->padded)
		{
			for (size_t i = 0; i < n; i++)
			{
				double		root = sqrt(weights[i] * s->eta[a * BLOCK + i] * s->eta[b * BLOCK + i]);

				for (size_t j = 0; j < l->padded; j++)
					s->scaled[i * l->padded + j] = root * s->rows_z[i * l->padded + j];
			}
			ml_syrk(pair, s->scaled, n, l->padded);
		}
}

static void
add_block(const ml_softmax *l, size_t first, size_t n, sums *s)
{
	double		weights[BLOCK];

	find_block(l, first, n, s);
	if (l->phase == MOMENTS)
	{
		count_block(l, first, n, s);
		return;
	}
	for (size_t i = 0; i < n; i++)
		weights[i] = weight_of(l, first + i);
	predict_block(l, n, s);
	respond_block(l, first, n, weights, s);
	if (l->hessian)
		add_pairs(l, n, weights, s);
	for (int k = 0; k < l->k; k++)
	{
		double	   *residual = s->eta + k * BLOCK;
		double	   *gradient = s->gradient + k * l->width;

		for (size_t i = 0; i < n; i++)
		{
			residual[i] = weights[i] * ((l->matrix->labels[first + i] == k ? 1 : 0) - residual[i]);
			gradient[l->p] += residual[i];
		}
		for (int j = 0; j < l->layout.shape.n_numbers; j++)
			gradient[l->layout.number_term[j]] += ml_dot(residual, s->columns[j], n);
		for (int a = 0; a < l->layout.shape.n_cats; a++)
			for (size_t i = 0; i < n; i++)
			{
				int			term = l->layout.level_term[s->level_rows[a][i]];

				if (term >= 0)
					gradient[term] += residual[i];
			}
	}
}

static void
do_range(void *arg, int index)
{
	ml_softmax *l = arg;
	const range *r = &l->ranges[l->batch_range + index];

	clear_sums(l, &l->part[index]);
	for (size_t done = 0; done < r->n; done += BLOCK)
		add_block(l, r->first + done, r->n - done < BLOCK ? r->n - done : BLOCK, &l->part[index]);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------- */

static void
start_round(ml_softmax *l)
{
	l->next_range = 0;
	clear_sums(l, &l->total);
	for (int k = 0; k < l->k; k++)
	{
		const double *theta = l->theta + k * l->width;

		l->intercept[k] = theta[l->p] - ml_dot(l->mean, theta, l->p);
		for (int level = 0; level < l->layout.shape.n_levels; level++)
			l->level_b[(size_t) k * l->layout.shape.n_levels + level] = l->layout.level_term[level] >= 0 ? theta[l->layout.level_term[level]] : 0;
	}
}

static double
penalties(const ml_softmax *l, const double *theta)
{
	double		sum = 0;

	for (int k = 0; k < l->k; k++)
		for (size_t j = 0; j < l->p; j++)
		{
			double		b = theta[k * l->width + j];

			sum += l->params.l1 * fabs(b) + l->params.l2 / 2 * b * b;
		}
	return sum;
}

/* The gradient of the loss and of the penalty on squares, about the means. */
static void
read_gradient(const ml_softmax *l, double *gradient)
{
	for (int k = 0; k < l->k; k++)
	{
		const double *sums = l->total.gradient + k * l->width;
		double	   *g = gradient + k * l->width;

		for (size_t j = 0; j < l->p; j++)
			g[j] = l->mean[j] * sums[l->p] - sums[j] + l->params.l2 * l->theta[k * l->width + j];
		g[l->p] = l->params.fit_intercept ? -sums[l->p] : 0;
	}
}

/* ---- L-BFGS ------------------------------------------------------------------------------------------------------- */

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
	double		alpha[MEMORY];
	double	   *d = l->direction;

	memcpy(d, l->gradient, l->n_theta * sizeof(double));
	for (int i = l->n_pairs - 1; i >= 0; i--)
	{
		int			at = (l->oldest + i) % MEMORY;

		alpha[i] = l->rho[at] * ml_dot(l->s[at], d, l->n_theta);
		ml_axpy(d, -alpha[i], l->y[at], l->n_theta);
	}
	precondition(l, d);
	for (int i = 0; i < l->n_pairs; i++)
	{
		int			at = (l->oldest + i) % MEMORY;
		double		beta = l->rho[at] * ml_dot(l->y[at], d, l->n_theta);

		ml_axpy(d, alpha[i] - beta, l->s[at], l->n_theta);
	}
	for (size_t i = 0; i < l->n_theta; i++)
		d[i] = -d[i];
	l->slope = ml_dot(d, l->gradient, l->n_theta);
}

/* Goes that share of the direction from the accepted point. */
static void
try_share(ml_softmax *l, double share)
{
	l->share = share;
	memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
	ml_axpy(l->theta, share, l->direction, l->n_theta);
	start_round(l);
}

static void
remember_step(ml_softmax *l)
{
	int			at = (l->oldest + l->n_pairs) % MEMORY;
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
	if (l->n_pairs < MEMORY)
		l->n_pairs++;
	else
		l->oldest = (l->oldest + 1) % MEMORY;
}

static ml_status end_descent(ml_softmax *l, bool converged, ml_error *err);

static ml_status
end_lbfgs_round(ml_softmax *l, ml_error *err)
{
	double		objective = l->total.loss + penalties(l, l->theta);
	double		gain = l->objective - objective;

	l->fit.iterations++;
	read_gradient(l, l->new_gradient);
	if (isfinite(l->objective) && !(gain >= -1e-4 * l->share * l->slope - 1e-13 * fabs(objective)))
	{
		if (l->halvings++ >= MAX_HALVINGS || l->fit.iterations >= l->params.max_iter)
		{
			memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
			return end_descent(l, -l->slope / 2 <= l->params.tol * l->fit.weight, err);
		}
		try_share(l, l->share / 2);
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
		return ml_fail(err, ML_NOT_CONVERGED, "Use a penalty, or leave out the features that tell the classes apart.",
					   "the classes can be told apart without error, so coefficients without a penalty have no finite value");
	find_direction(l);
	if (-l->slope / 2 <= l->params.tol * l->fit.weight && l->stalled > 0)
		return end_descent(l, true, err);
	if (l->stalled >= 10 || l->fit.iterations >= l->params.max_iter)
		return end_descent(l, l->stalled >= 10, err);
	try_share(l, 1);
	return ML_MORE;
}

/* ---- Newton's method ---------------------------------------------------------------------------------------------- */

/* The Hessian of the loss: blocks of classes, each (width, width). */
static void
fill_hessian(ml_softmax *l)
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
	ml_status	status = corner && across && solved && memory ? ML_OK : no_memory(err);

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

static ml_status
end_newton_round(ml_softmax *l, ml_error *err)
{
	double		objective = l->total.loss + penalties(l, l->theta);
	ml_status	status;

	l->fit.iterations++;
	if (isfinite(l->objective) && !(objective <= l->objective + 1e-13 * fabs(objective)))
	{
		if (l->halvings++ >= MAX_HALVINGS || l->fit.iterations >= l->params.max_iter)
		{
			memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
			return end_descent(l, -l->slope <= l->params.tol * l->fit.weight, err);
		}
		try_share(l, l->share / 2);
		return ML_MORE;
	}
	read_gradient(l, l->gradient);
	l->objective = objective;
	l->fit.loss = l->total.loss;
	l->halvings = 0;
	memcpy(l->accepted, l->theta, l->n_theta * sizeof(double));
	fill_hessian(l);
	status = descend(l, err);
	if (status != ML_OK)
		return status;
	if (-l->slope / 2 <= l->params.tol * l->fit.weight || l->fit.iterations >= l->params.max_iter)
	{
		bool		converged = -l->slope / 2 <= l->params.tol * l->fit.weight;

		if (converged)
			ml_axpy(l->theta, 1, l->direction, l->n_theta);
		return end_descent(l, converged, err);
	}
	try_share(l, 1);
	return ML_MORE;
}

/* ---- the beginning and the end of it ------------------------------------------------------------------------------ */

/* After the first round: means, the preconditioner, intercepts of a model without terms. */
static ml_status
end_moments(ml_softmax *l, ml_error *err)
{
	size_t		p = l->p;
	double	   *memory = ml_alloc(&l->ctx, ml_gram_doubles(p), sizeof(double));
	ml_gram		gram;
	ml_status	status = memory ? ML_OK : no_memory(err);
	double		weight = l->total.weight;

	if (status == ML_OK)
	{
		ml_gram_attach(&gram, (int) p, memory);
		ml_gram_from_moments(&gram, l->total.moments, l->layout.sources);
		if (l->params.fit_intercept)
			memcpy(l->mean, gram.mean, p * sizeof(double));
		else
			for (size_t i = 0; i < p; i++)
				ml_axpy(gram.moments + i * p, gram.weight * gram.mean[i], gram.mean, p);
		status = ml_cholesky_make(&l->ctx, &l->precondition, gram.moments, (int) p, l->params.l2 * l->k, TOLERANCE, err);
	}
	ml_free(&l->ctx, memory);
	if (status != ML_OK)
		return status;
	l->fit.weight = weight;
	l->fit.rows = l->total.rows;
	l->fit.rank = l->precondition.rank;
	memset(l->fit.aliased, 1, p);
	for (int i = 0; i < l->precondition.rank; i++)
		l->fit.aliased[l->precondition.kept[i]] = 0;
	l->fit.null_loss = l->params.fit_intercept ? 0 : weight * log(l->k);
	for (int k = 0; k < l->k; k++)
	{
		l->class_weight[k] = l->total.gradient[k * l->width + p];
		if (!(l->class_weight[k] > 0))
			return ml_fail(err, ML_BAD_DATA, NULL, "class %d of %d has no rows to learn from", k + 1, l->k);
		if (!l->params.fit_intercept)
			continue;
		l->theta[k * l->width + p] = log(l->class_weight[k] / weight);
		l->fit.null_loss -= l->class_weight[k] * l->theta[k * l->width + p];
	}
	l->objective = INFINITY;
	l->share = 1;
	l->phase = l->params.l1 > 0 ? NEWTON : DESCENT;
	l->hessian = l->phase == NEWTON;
	start_round(l);
	return ML_MORE;
}

/* From theta to coefficients, those of all classes together 0 where the data leave it open. */
static void
note_solution(ml_softmax *l)
{
	for (size_t j = 0; j <= l->p; j++)
	{
		double		mean = 0;

		for (int k = 0; k < l->k && (j == l->p || !l->penalised); k++)
			mean += l->theta[k * l->width + j] / l->k;
		for (int k = 0; k < l->k; k++)
			l->theta[k * l->width + j] -= mean;
	}
	for (int k = 0; k < l->k; k++)
	{
		const double *theta = l->theta + k * l->width;

		memcpy(l->fit.coefficients + k * l->p, theta, l->p * sizeof(double));
		l->fit.intercepts[k] = theta[l->p] - ml_dot(l->mean, theta, l->p);
	}
	/* With a penalty on sizes the means' part of the intercepts need not add up to 0. */
	if (l->params.fit_intercept)
	{
		double		mean = 0;

		for (int k = 0; k < l->k; k++)
			mean += l->fit.intercepts[k] / l->k;
		for (int k = 0; k < l->k; k++)
			l->fit.intercepts[k] -= mean;
	}
}

static ml_status
end_descent(ml_softmax *l, bool converged, ml_error *err)
{
	l->fit.converged = converged;
	l->fit.objective = l->objective;
	note_solution(l);
	if (l->penalised || l->full == NULL)
	{
		l->phase = FINISHED;
		return ML_DONE;
	}
	(void) err;
	l->phase = ERRORS;
	l->hessian = true;
	start_round(l);
	return ML_MORE;
}

/*
 * Standard errors of coefficients whose sums over the classes are 0.  The Hessian does not feel shifts of all classes:
 * with S, the projection on them, H + c S has the inverse H^+ + S / c.
 */
static ml_status
end_errors(ml_softmax *l, ml_error *err)
{
	size_t		n = l->n_theta;
	double	   *inverse = ml_alloc(&l->ctx, n * n, sizeof(double));
	ml_cholesky factor = {0};
	ml_status	status = inverse ? ML_OK : no_memory(err);

	if (status == ML_OK)
	{
		fill_hessian(l);
		for (size_t j = 0; j < l->width; j++)
		{
			double		c = 0;

			/* Aliased terms are out of it. */
			if (j < l->p && l->fit.aliased[j])
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
		status = ml_cholesky_make(&l->ctx, &factor, l->full, (int) n, 0, TOLERANCE, err);
	}
	if (status == ML_OK)
		status = ml_cholesky_inverse(&l->ctx, &factor, inverse, err);
	for (int k = 0; k < l->k && status == ML_OK; k++)
	{
		const double *block = inverse + k * l->width * (n + 1);
		double		intercept;

		for (size_t j = 0; j < l->p; j++)
		{
			double		variance = block[j * n + j] - (l->work[j] > 0 ? 1 / (l->work[j] * l->k) : 0);

			if (!l->fit.aliased[j])
				l->fit.std_errors[k * l->p + j] = variance > 0 ? sqrt(variance) : NAN;
		}
		/* The intercept is a - m b; shifts weigh in with 1 / (c k) each. */
		if (!l->params.fit_intercept)
			continue;
		intercept = block[l->p * n + l->p] - 1 / (l->work[l->p] * l->k);
		for (size_t i = 0; i < l->p; i++)
		{
			intercept -= 2 * l->mean[i] * block[l->p * n + i];
			intercept += l->mean[i] * (ml_dot(block + i * n, l->mean, l->p) -
									   (l->work[i] > 0 ? l->mean[i] / (l->work[i] * l->k) : 0));
		}
		l->fit.intercept_errors[k] = intercept > 0 ? sqrt(intercept) : NAN;
	}
	ml_cholesky_free(&l->ctx, &factor);
	ml_free(&l->ctx, inverse);
	l->phase = FINISHED;
	return status == ML_OK ? ML_DONE : status;
}

ml_status
ml_softmax_step(ml_softmax *l, double *progress, ml_error *err)
{
	int			count = 0;

	*progress = 1;
	if (l->phase == FINISHED)
		return ML_DONE;
	l->batch_range = l->next_range;
	for (; count < BATCH && l->next_range < l->n_ranges; count++)
		l->next_range++;
	ml_parallel(&l->ctx, count, do_range, l);
	for (int i = 0; i < count; i++)
		add_sums(l, &l->total, &l->part[i]);
	*progress = (l->fit.iterations + (double) l->next_range / l->n_ranges) / (l->fit.iterations + 20);
	if (l->next_range < l->n_ranges)
		return ML_MORE;
	switch (l->phase)
	{
		case MOMENTS:
			return end_moments(l, err);
		case DESCENT:
			return end_lbfgs_round(l, err);
		case NEWTON:
			return end_newton_round(l, err);
		default:
			return end_errors(l, err);
	}
}

const ml_softmax_fit *
ml_softmax_result(const ml_softmax *l)
{
	return &l->fit;
}

/* ---- allocation --------------------------------------------------------------------------------------------------- */

static void *
take(ml_softmax *l, size_t count, size_t size, bool *failed)
{
	void	   *block = ml_alloc_zero(&l->ctx, count, size);

	*failed = *failed || block == NULL;
	return block;
}

static void
allocate_sums(ml_softmax *l, sums *s, bool pairs, bool *failed)
{
	s->gradient = take(l, l->n_theta, sizeof(double), failed);
	s->moments = take(l, ml_moments_size(&l->layout.shape), 1, failed);
	s->eta = take(l, (size_t) l->k * BLOCK, sizeof(double), failed);
	s->columns = take(l, l->layout.shape.n_numbers, sizeof(double *), failed);
	s->level_rows = take(l, l->layout.shape.n_cats, sizeof(int32_t *), failed);
	for (int a = 0; a < l->layout.shape.n_cats && s->level_rows != NULL; a++)
		s->level_rows[a] = take(l, BLOCK, sizeof(int32_t), failed);
	if (!pairs)
		return;
	s->pairs = take(l, pair_doubles(l), sizeof(double), failed);
	s->rows_z = take(l, BLOCK * l->padded, sizeof(double), failed);
	s->scaled = take(l, BLOCK * l->padded, sizeof(double), failed);
}

static bool
allocate(ml_softmax *l, size_t most_ranges)
{
	size_t		p = l->p;
	size_t		cells = l->k * p;
	size_t		levels = l->layout.shape.n_levels;
	bool		failed = false;
	bool		whole = !(l->params.l2 > 0 && l->params.l1 == 0) && l->n_theta <= ML_SOFTMAX_HESSIAN;

	l->level_b = take(l, l->k * levels, sizeof(double), &failed);
	l->ranges = take(l, most_ranges, sizeof(range), &failed);
	l->class_weight = take(l, l->k, sizeof(double), &failed);
	l->mean = take(l, p, sizeof(double), &failed);
	l->intercept = take(l, l->k, sizeof(double), &failed);
	l->theta = take(l, l->n_theta, sizeof(double), &failed);
	l->accepted = take(l, l->n_theta, sizeof(double), &failed);
	l->gradient = take(l, l->n_theta, sizeof(double), &failed);
	l->direction = take(l, l->n_theta, sizeof(double), &failed);
	l->new_gradient = take(l, l->n_theta, sizeof(double), &failed);
	l->work = take(l, l->n_theta + 2 * l->width, sizeof(double), &failed);
	for (int i = 0; i < MEMORY && l->params.l1 == 0; i++)
	{
		l->s[i] = take(l, l->n_theta, sizeof(double), &failed);
		l->y[i] = take(l, l->n_theta, sizeof(double), &failed);
	}
	if (whole)
		l->full = take(l, l->n_theta * l->n_theta, sizeof(double), &failed);
	l->fit.coefficients = take(l, cells, sizeof(double), &failed);
	l->fit.std_errors = take(l, cells, sizeof(double), &failed);
	l->fit.intercepts = take(l, l->k, sizeof(double), &failed);
	l->fit.intercept_errors = take(l, l->k, sizeof(double), &failed);
	l->fit.aliased = take(l, p, 1, &failed);
	for (int i = -1; i < BATCH; i++)
		allocate_sums(l, i < 0 ? &l->total : &l->part[i], whole, &failed);
	return !failed;
}

/* As many rows to a range as make a step short; a number that follows from the data's shape alone. */
static size_t
range_length(const ml_softmax *l, size_t rows)
{
	double		work = (double) l->k * l->width * 4;
	size_t		length;

	if (l->full != NULL || l->params.l1 > 0)
		work += (double) l->padded * l->padded * l->k * l->k / 2;
	length = (size_t) (RANGE_WORK / work) / BLOCK * BLOCK;
	length = length < BLOCK ? BLOCK : length;
	return length < rows / 16 ? length : (rows / 16 / BLOCK + 1) * BLOCK;
}

ml_status
ml_softmax_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold, const ml_softmax_params *params,
				 ml_softmax **softmax, ml_error *err)
{
	ml_softmax *l = ml_alloc_zero(ctx, 1, sizeof(ml_softmax));
	size_t		rows = 0;
	size_t		length;

	*softmax = l;
	if (l == NULL)
		return no_memory(err);
	l->ctx = *ctx;
	l->matrix = matrix;
	l->params = *params;
	l->penalised = params->l1 > 0 || params->l2 > 0;
	l->k = l->fit.n_classes = matrix->n_classes;
	l->p = matrix->n_terms;
	l->fit.n_terms = matrix->n_terms;
	l->width = l->p + 1;
	l->padded = ml_padded(l->width);
	l->n_theta = l->k * l->width;
	if (params->l1 > 0 && l->n_theta > ML_SOFTMAX_HESSIAN)
		return ml_fail(err, ML_BAD_PARAM, "Use the penalty l2.",
					   "a penalty on the sizes of coefficients goes with at most %d of them for more than two classes, here are %zu",
					   ML_SOFTMAX_HESSIAN, l->n_theta);
	for (int fold = 0; fold < matrix->n_folds; fold++)
		rows += use_fold[fold] ? matrix->fold_start[fold + 1] - matrix->fold_start[fold] : 0;
	if (rows == 0)
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows");
	length = range_length(l, rows);
	if (!ml_matrix_layout_make(ctx, matrix, &l->layout) || !allocate(l, rows / length + (size_t) matrix->n_folds + 1))
		return no_memory(err);
	for (size_t i = 0; i < l->k * l->p; i++)
		l->fit.std_errors[i] = NAN;
	for (int k = 0; k < l->k; k++)
		l->fit.intercept_errors[k] = NAN;
	for (int fold = 0; fold < matrix->n_folds; fold++)
		for (size_t at = matrix->fold_start[fold]; use_fold[fold] && at < matrix->fold_start[fold + 1]; at += length)
		{
			size_t		left = matrix->fold_start[fold + 1] - at;

			l->ranges[l->n_ranges++] = (range) {at, left < length ? left : length};
		}
	start_round(l);
	return ML_OK;
}

static void
free_sums(const ml_softmax *l, sums *s)
{
	const ml_ctx *ctx = &l->ctx;

	ml_free(ctx, s->gradient);
	ml_free(ctx, s->moments);
	ml_free(ctx, s->eta);
	ml_free(ctx, s->columns);
	for (int a = 0; a < l->layout.shape.n_cats && s->level_rows != NULL; a++)
		ml_free(ctx, s->level_rows[a]);
	ml_free(ctx, s->level_rows);
	ml_free(ctx, s->pairs);
	ml_free(ctx, s->rows_z);
	ml_free(ctx, s->scaled);
}

void
ml_softmax_end(ml_softmax *l)
{
	ml_ctx		ctx;

	if (l == NULL)
		return;
	ctx = l->ctx;
	free_sums(l, &l->total);
	for (int i = 0; i < BATCH; i++)
		free_sums(l, &l->part[i]);
	for (int i = 0; i < MEMORY; i++)
	{
		ml_free(&ctx, l->s[i]);
		ml_free(&ctx, l->y[i]);
	}
	ml_cholesky_free(&ctx, &l->precondition);
	ml_matrix_layout_clear(&ctx, &l->layout);
	ml_free(&ctx, l->level_b);
	ml_free(&ctx, l->ranges);
	ml_free(&ctx, l->class_weight);
	ml_free(&ctx, l->mean);
	ml_free(&ctx, l->intercept);
	ml_free(&ctx, l->theta);
	ml_free(&ctx, l->accepted);
	ml_free(&ctx, l->gradient);
	ml_free(&ctx, l->direction);
	ml_free(&ctx, l->new_gradient);
	ml_free(&ctx, l->work);
	ml_free(&ctx, l->full);
	ml_free(&ctx, l->fit.coefficients);
	ml_free(&ctx, l->fit.std_errors);
	ml_free(&ctx, l->fit.intercepts);
	ml_free(&ctx, l->fit.intercept_errors);
	ml_free(&ctx, l->fit.aliased);
	ml_free(&ctx, l);
}
