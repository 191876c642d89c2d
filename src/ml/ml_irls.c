/*
 * ml_irls.c: Newton's method (iteratively reweighted least squares) for generalised linear models.
 *
 * The (expected) Hessian X'VX is a set of weighted moments, so it is gathered by the same kernel as a linear fit,
 * centred at the weighted means: columns far from 0 lose no digits.  The intercept is eliminated, which leaves a
 * positive definite system in the coefficients alone.  With a penalty on sizes the quadratic model is minimised by
 * coordinate descent (Friedman, Hastie, Tibshirani 2010; proximal Newton: Lee, Sun, Saunders 2014).
 *
 * A fit of a tenth of the rows comes first, of all ranges alike: as the order is by hash it is a fair sample.  It starts the rounds over
 * all rows so near the end that two or three of them do, each of which squares the error.  A step that does not improve
 * the loss is halved.
 *
 * Where the link is not the family's own, steps with the expected Hessian take only a share of the error away.  They lead near the end,
 * safely; there the Hessian itself takes over.
 */
#include "ml/ml_irls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ml/ml_collinear.h"
#include "ml/ml_kernels.h"
#include "ml/ml_lasso.h"
#include "ml/ml_matrix_layout.h"
#include "ml/ml_moments.h"
#include "ml/ml_parallel.h"
#include "ml/ml_solve.h"

#define BLOCK ML_MOMENTS_BLOCK
#define BATCH 8					/* ranges of one step */
#define LARGEST_RANGE 32768		/* rows: a step takes some tens of milliseconds */
#define SAMPLE_LEAST 20000		/* rows from which a sample comes first */
#define SAMPLE_SHARE 10			/* one row in so many */
#define SAMPLE_ROUNDS 10
#define MAX_HALVINGS 40
#define NULL_ROUNDS 60
#define TOLERANCE 1e-11			/* of a pivot, without a penalty */
#define NEAR 1e-3				/* gain of a row's mean loss from which the second derivatives themselves are used */
#define LINEAR 1e-8				/* share of tol where steps take only a share of the error away */
#define SLOW 0.2				/* share of the gain before that a step still has where classes can be told apart */

typedef struct range
{
	size_t		first;
	size_t		n;
} range;

/* Sums over rows at the current coefficients. */
typedef struct sums
{
	ml_moments *moments;		/* of the terms, weighted with the curvature of the rows */
	double	   *gradient;		/* (numbers), sum of residuals times x … */
	double	   *level_gradient; /* … and (levels) */
	double		residual;		/* sum of residuals */
	double		curvature;
	double		loss;
	double		weight;
	int64_t		rows;			/* of weight above 0 */
	int64_t		expected;		/* rows whose curvature is the expected one although it is not to be */
	ml_family_sums measured;	/* in phase LAST_HESSIAN */
	const double **columns;		/* (numbers) scratch: where a block's columns start … */
	int32_t   **level_rows;		/* … (cats) and its levels, (BLOCK) each */
} sums;

typedef enum phase
{
	ON_NULL = 0,				/* the intercept alone */
	ON_SAMPLE,
	ON_ALL,
	LAST_HESSIAN,				/* one more round at the solution, for standard errors */
	FINISHED
} phase;

struct ml_irls
{
	ml_ctx		ctx;
	const ml_matrix *matrix;
	ml_irls_params params;
	ml_irls_fit fit;
	bool		penalised;
	ml_matrix_layout layout;
	range	   *ranges;
	size_t	   *range_place;	/* (n_ranges) rows in the ranges before */
	int			n_ranges;
	size_t		rows;			/* of all ranges */
	double		sample_share;	/* of the rows that the sample has, the first of each range; 0: no sample */
	int			next_range;
	int			batch_range;	/* first of the batch at work */
	phase		phase;
	int			rounds;			/* of this phase */
	int			halvings;
	bool		from_target;	/* this round is at the means that the targets suggest … */
	bool		after_target;	/* … or at the first coefficients that came of them … */
	bool		observed;		/* this round gathers the Hessian itself, not the expected one */
	bool		target_failed;	/* … which were worse than no model at all */
	double		l1;				/* penalties on all rows … */
	double		l2;
	double		scale;			/* … and their share in this phase */
	double	   *b;				/* (n_terms) current */
	double		b0;
	double	   *before;			/* (n_terms) at the last accepted round */
	double		before0;
	double		objective;		/* there; INFINITY: none yet */
	double		start0;			/* intercept to start from */
	double		null_objective;	/* loss there, per unit of weight */
	double		last_gain;		/* that the step before was expected to bring */
	double	   *level_b;		/* (n_levels) coefficient by level */
	sums		total;
	sums		part[BATCH];
	ml_gram		gram;
	double	   *gram_memory;
	ml_cholesky information;	/* at the solution, for leverages … */
	double	   *inverse;		/* … (n_terms, n_terms) and its inverse */
	double	   *centre;			/* (n_terms) means it is about; 0 without an intercept */
	double		centre_weight;
	double	   *residuals;		/* (rows) of the fit, if asked for */
	double	   *right;			/* (n_terms) scratch … */
	double	   *step;
	double	   *work;
};

static ml_status
no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}

/* ---- one range ------------------------------------------------------------------------------------------------- */

static void
clear_sums(const ml_irls *l, sums *s)
{
	ml_moments_init(s->moments, &l->layout.shape);
	memset(s->gradient, 0, l->layout.shape.n_numbers * sizeof(double));
	memset(s->level_gradient, 0, l->layout.shape.n_levels * sizeof(double));
	s->residual = s->curvature = s->loss = s->weight = 0;
	s->rows = s->expected = 0;
	s->measured = (ml_family_sums) {.whole = true};
}

static void
add_sums(const ml_irls *l, sums *to, sums *from)
{
	ml_moments_merge(to->moments, from->moments);
	ml_axpy(to->gradient, 1, from->gradient, l->layout.shape.n_numbers);
	ml_axpy(to->level_gradient, 1, from->level_gradient, l->layout.shape.n_levels);
	to->residual += from->residual;
	to->curvature += from->curvature;
	to->loss += from->loss;
	to->weight += from->weight;
	to->rows += from->rows;
	to->expected += from->expected;
	to->measured.pearson += from->measured.pearson;
	to->measured.log_weight += from->measured.log_weight;
	to->measured.log_target += from->measured.log_target;
	to->measured.log_likelihood += from->measured.log_likelihood;
	to->measured.whole &= from->measured.whole;
}

/* The linear predictors of a block; fills the sums' columns and levels. */
static void
predict_block(const ml_irls *l, size_t first, size_t n, double *eta, sums *s)
{
	const double *offset = l->matrix->offset ? l->matrix->offset + first : NULL;

	for (size_t i = 0; i < n; i++)
		eta[i] = l->b0 + (offset ? offset[i] : 0);
	if (l->phase == ON_NULL)
		return;
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
	{
		s->columns[j] = l->layout.numbers[j] + first;
		ml_axpy(eta, l->b[l->layout.number_term[j]], s->columns[j], n);
	}
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
		{
			int32_t		level = l->layout.first_level[a] + l->layout.codes[a][first + i];

			s->level_rows[a][i] = level;
			eta[i] += l->level_b[level];
		}
}

/* Fisher scoring from means that are not those of any coefficients: the step goes to the working response itself. */
static void
respond_from_target(const ml_irls *l, size_t first, size_t n, double *residual, double *curvature)
{
	double		eta[BLOCK];

	ml_family_start(&l->params.family, l->matrix, first, n, eta);
	ml_family_respond(&l->params.family, l->matrix, first, n, eta, residual, curvature);
	for (size_t i = 0; i < n; i++)
		residual[i] += curvature[i] * (eta[i] - (l->matrix->offset ? l->matrix->offset[first + i] : 0));
}

static void
add_block(const ml_irls *l, size_t first, size_t n, size_t place, sums *s)
{
	const ml_family *family = &l->params.family;
	double		eta[BLOCK];
	double		residual[BLOCK];
	double		curvature[BLOCK];

	predict_block(l, first, n, eta, s);
	if (l->from_target)
		respond_from_target(l, first, n, residual, curvature);
	else
		s->loss += ml_family_respond(family, l->matrix, first, n, eta, residual, curvature);
	if (l->observed)
		s->expected += ml_family_observe(family, l->matrix, first, n, eta, curvature);
	for (size_t i = 0; i < n; i++)
	{
		double		weight = ml_family_weight(family, l->matrix, first + i);

		s->weight += weight;
		s->rows += weight > 0;
		s->residual += residual[i];
		s->curvature += curvature[i];
	}
	if (l->phase == ON_NULL)
		return;
	if (l->phase == LAST_HESSIAN)
	{
		ml_family_measure(family, l->matrix, first, n, eta, 2 * l->fit.loss / l->fit.weight, &s->measured);
		if (l->residuals != NULL)
			ml_family_residuals(family, l->matrix, first, n, eta, l->residuals + place);
	}
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		s->gradient[j] += ml_dot(residual, s->columns[j], n);
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			s->level_gradient[s->level_rows[a][i]] += residual[i];
	ml_moments_add_columns(s->moments, s->columns, (const int32_t *const *) s->level_rows, curvature, n);
}

static size_t
sample_rows(const range *r)
{
	return (r->n + SAMPLE_SHARE - 1) / SAMPLE_SHARE;
}

static void
do_range(void *arg, int index)
{
	ml_irls *l = arg;
	const range *r = &l->ranges[l->batch_range + index];

	size_t		n = l->phase == ON_SAMPLE ? sample_rows(r) : r->n;

	clear_sums(l, &l->part[index]);
	for (size_t done = 0; done < n; done += BLOCK)
		add_block(l, r->first + done, n - done < BLOCK ? n - done : BLOCK, l->range_place[l->batch_range + index] + done,
				  &l->part[index]);
}

/* ---- Newton ---------------------------------------------------------------------------------------------------- */

/* The penalties at the current coefficients. */
static double
penalties(const ml_irls *l)
{
	double		sizes = 0;

	for (int t = 0; t < l->fit.n_terms && l->l1 > 0; t++)
		sizes += fabs(l->b[t]);
	return l->scale * (l->l1 * sizes + l->l2 / 2 * ml_dot(l->b, l->b, l->fit.n_terms));
}

static void
start_round(ml_irls *l)
{
	l->next_range = 0;
	clear_sums(l, &l->total);
	for (int level = 0; level < l->layout.shape.n_levels; level++)
		l->level_b[level] = l->layout.level_term[level] >= 0 ? l->b[l->layout.level_term[level]] : 0;
}

static void
start_phase(ml_irls *l, phase phase)
{
	l->phase = phase;
	l->rounds = 0;
	l->halvings = 0;
	l->observed = false;
	l->objective = INFINITY;
	l->last_gain = INFINITY;
	l->scale = phase == ON_SAMPLE ? l->sample_share : 1;
	start_round(l);
}

/* No coefficients but the intercept that was found; where that stands for no mean, from the targets. */
static void
start_from_null(ml_irls *l)
{
	memset(l->b, 0, l->fit.n_terms * sizeof(double));
	l->b0 = l->start0;
	/* As R's glm starts: one step from there is near the end, where from the mean of the targets it may be far. */
	l->from_target = !isfinite(l->null_objective) || (l->params.family.kind != ML_FAMILY_BINOMIAL && !l->target_failed);
	if (l->from_target)
		l->b0 = 0;
}

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

/* The moments of the sums; without an intercept about 0 instead of the means. */
static void
make_hessian(ml_irls *l)
{
	size_t		p = l->fit.n_terms;

	ml_gram_attach(&l->gram, (int) p, l->gram_memory);
	ml_gram_from_moments(&l->gram, l->total.moments, l->layout.sources);
	if (!l->params.fit_intercept)
		for (size_t i = 0; i < p; i++)
			ml_axpy(l->gram.moments + i * p, l->gram.weight * l->gram.mean[i], l->gram.mean, p);
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
		return no_memory(err);
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

/* The step of Newton's method, with the squares' penalty alone. */
static ml_status
solve_newton(ml_irls *l, double *improvement, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_cholesky factor = {0};
	ml_status	status = ml_cholesky_make(&l->ctx, &factor, l->gram.moments, (int) p, l->scale * l->l2, TOLERANCE, err);

	if (status == ML_OK)
	{
		ml_axpy(l->right, -l->scale * l->l2, l->b, p);
		ml_cholesky_solve(&factor, l->right, l->step, l->work);
		*improvement = ml_dot(l->right, l->step, p) / 2;
		l->fit.rank = factor.rank;
		memset(l->fit.aliased, 1, p);
		for (int i = 0; i < factor.rank; i++)
			l->fit.aliased[factor.kept[i]] = 0;
	}
	ml_cholesky_free(&l->ctx, &factor);
	return status;
}

/* Takes a Newton step from the accepted point; *improvement is what the objective is expected to gain. */
static ml_status
newton_step(ml_irls *l, double *improvement, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_status	status;

	make_hessian(l);
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

/* ---- the end ------------------------------------------------------------------------------------------------------ */

/* Keeps the information at the solution: its factor, its inverse, what it is about. */
static ml_status
keep_information(ml_irls *l, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_collinear collinear;
	ml_status	status;

	make_hessian(l);
	ml_cholesky_free(&l->ctx, &l->information);
	status = ml_cholesky_make(&l->ctx, &l->information, l->gram.moments, (int) p, 0, TOLERANCE, err);
	if (status == ML_OK)
		status = ml_cholesky_inverse(&l->ctx, &l->information, l->inverse, err);
	if (status != ML_OK)
		return status;
	l->centre_weight = l->gram.weight;
	if (l->params.fit_intercept)
		memcpy(l->centre, l->gram.mean, p * sizeof(double));
	l->fit.rank = l->information.rank;
	memset(l->fit.aliased, 1, p);
	for (int i = 0; i < l->information.rank; i++)
		l->fit.aliased[l->information.kept[i]] = 0;
	collinear.vif = l->fit.vif;
	status = ml_collinear_make(&l->ctx, l->gram.moments, p, (int) p, l->fit.aliased, &collinear, err);
	l->fit.condition = collinear.condition;
	return status;
}

/* From the covariance of the coefficients (n_terms, n_terms) and, with an intercept at the centre, its own. */
static void
set_std_errors(ml_irls *l, const double *covariance, double centre, double factor)
{
	size_t		p = l->fit.n_terms;
	double		quadratic = centre;

	for (size_t i = 0; i < p; i++)
	{
		double		variance = factor * covariance[i * p + i];

		l->fit.std_errors[i] = variance > 0 ? sqrt(variance) : NAN;
		quadratic += l->centre[i] * ml_dot(covariance + i * p, l->centre, p);
	}
	if (l->params.fit_intercept)
		l->fit.intercept_std_error = sqrt(factor * quadratic);
}

/* What the round at the solution tells. */
static ml_status
describe_fit(ml_irls *l, ml_error *err)
{
	ml_irls_fit *fit = &l->fit;
	bool		fixed = l->params.family.kind == ML_FAMILY_BINOMIAL || l->params.family.power == 1;
	ml_status	status = keep_information(l, err);

	if (status != ML_OK)
		return status;
	fit->sums = l->total.measured;
	fit->df = (double) fit->rows - fit->rank - (l->params.fit_intercept ? 1 : 0);
	fit->dispersion = fixed ? 1 : fit->df > 0 ? fit->sums.pearson / fit->df : NAN;
	set_std_errors(l, l->inverse, 1 / l->centre_weight, fit->dispersion);
	if (l->residuals != NULL)
		ml_five_numbers(l->residuals, l->rows, fit->quantiles);
	return ML_OK;
}

static void
note_solution(ml_irls *l)
{
	memcpy(l->fit.coefficients, l->b, l->fit.n_terms * sizeof(double));
	for (int k = 0; k < l->matrix->n_offsets; k++)
		l->fit.coefficients[l->fit.n_terms + k] = 1;
	l->fit.intercept = l->b0;
	l->fit.rows = l->total.rows;
	l->fit.weight = l->total.weight;
	l->fit.loss = l->total.loss;
	l->fit.objective = l->total.loss + penalties(l);
}

/* Goes half way back; false: there is nowhere left to go. */
static bool
halve_step(ml_irls *l)
{
	if (l->halvings++ >= MAX_HALVINGS)
		return false;
	for (int t = 0; t < l->fit.n_terms; t++)
		l->b[t] = 0.5 * (l->b[t] + l->before[t]);
	l->b0 = 0.5 * (l->b0 + l->before0);
	return true;
}

/* What to do when a phase has found its minimum. */
static ml_status
end_phase(ml_irls *l, bool converged)
{
	if (l->phase == ON_SAMPLE)
	{
		start_phase(l, ON_ALL);
		return ML_MORE;
	}
	note_solution(l);
	l->fit.converged = converged;
	if (!l->penalised)
	{
		start_phase(l, LAST_HESSIAN);
		return ML_MORE;
	}
	l->phase = FINISHED;
	return ML_DONE;
}

/* The intercept alone: Newton's method in one number. */
static ml_status
end_null_round(ml_irls *l)
{
	double		step = l->params.fit_intercept && l->total.curvature > 0 ? l->total.residual / l->total.curvature : 0;
	bool		worse = !(l->total.loss <= l->objective + 1e-12 * fabs(l->objective));

	l->rounds++;
	if (worse && isfinite(l->objective))
	{
		if (halve_step(l) && l->rounds < NULL_ROUNDS)
		{
			start_round(l);
			return ML_MORE;
		}
		l->b0 = l->before0;
	}
	else
	{
		l->objective = l->total.loss;
		l->halvings = 0;
		l->before0 = l->b0;
		if (isfinite(l->objective) && step * l->total.residual > 1e-20 * l->total.weight && l->rounds < NULL_ROUNDS)
		{
			l->b0 += step;
			start_round(l);
			return ML_MORE;
		}
	}
	l->fit.null_loss = isfinite(l->objective) ? l->objective : NAN;
	l->null_objective = l->objective / l->total.weight;
	l->start0 = l->b0;
	start_from_null(l);
	start_phase(l, l->sample_share > 0 ? ON_SAMPLE : ON_ALL);
	return ML_MORE;
}

static ml_status
separated(ml_error *err)
{
	return ml_fail(err, ML_NOT_CONVERGED, "Use a penalty, or leave out the features that tell the classes apart.",
				   "the classes can be told apart without error, at least for some values of the features, so coefficients "
				   "without a penalty have no finite value");
}

/* All rows of the phase have been summed up at the current coefficients. */
static ml_status
end_round(ml_irls *l, ml_error *err)
{
	double		objective = l->from_target ? INFINITY : l->total.loss + penalties(l);
	double		tol = l->phase == ON_SAMPLE ? 1e-6 : l->params.tol;
	bool		two_classes = l->params.family.kind == ML_FAMILY_BINOMIAL;
	bool		exact = l->phase != ON_ALL || l->observed || ml_family_is_canonical(&l->params.family);
	double		improvement = 0;
	ml_status	status;

	tol *= l->total.expected > 0 ? LINEAR : 1;
	if (l->phase == ON_NULL)
		return end_null_round(l);
	if (l->phase == LAST_HESSIAN)
	{
		l->phase = FINISHED;
		status = describe_fit(l, err);
		return status == ML_OK ? ML_DONE : status;
	}
	l->rounds++;
	if (l->phase == ON_ALL)
		l->fit.iterations++;
	/* A start worse than no model at all comes from a sample that misleads. */
	if ((l->after_target || (l->phase == ON_ALL && l->rounds == 1)) && !l->from_target && isfinite(l->null_objective) &&
		!(objective <= l->total.weight * l->null_objective * 1.000001))
	{
		l->target_failed |= l->after_target;
		l->after_target = false;
		start_from_null(l);
		start_round(l);
		return ML_MORE;
	}
	if (!l->from_target && !(objective <= l->objective + 1e-12 * fabs(l->objective) && isfinite(objective)))
	{
		if (!halve_step(l))
			return isfinite(l->objective) || l->phase == ON_SAMPLE ? end_phase(l, false) :
				ml_fail(err, ML_NOT_CONVERGED, "Use another link, or scale the features.", "no coefficients were found whose means are all possible");
		start_round(l);
		return ML_MORE;
	}
	if (!l->penalised && l->phase == ON_ALL && two_classes && l->total.loss < 1e-6 * l->total.weight)
		return separated(err);
	l->objective = objective;
	l->halvings = 0;
	status = newton_step(l, &improvement, err);
	if (status != ML_OK)
		return status;
	if (improvement <= tol * l->total.weight && !l->from_target && exact)
	{
		/* Newton's method squares its error, unless the minimum lies at infinity: then each step gains a fixed share. */
		if (l->phase == ON_ALL && !l->penalised && two_classes && improvement > SLOW * l->last_gain)
			return separated(err);
		return end_phase(l, true);
	}
	l->observed |= !exact && !l->from_target && improvement <= NEAR * l->total.weight;
	l->after_target = l->from_target;
	l->from_target = false;
	l->last_gain = improvement;
	if (l->rounds >= (l->phase == ON_SAMPLE ? SAMPLE_ROUNDS : l->params.max_iter))
		return end_phase(l, false);
	start_round(l);
	return ML_MORE;
}

ml_status
ml_irls_step(ml_irls *l, double *progress, ml_error *err)
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
	*progress = (l->fit.iterations + (double) l->next_range / l->n_ranges) / (l->fit.iterations + 3);
	return l->next_range < l->n_ranges ? ML_MORE : end_round(l, err);
}

const ml_irls_fit *
ml_irls_result(const ml_irls *l)
{
	return &l->fit;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static void *
take(ml_irls *l, size_t count, size_t size, bool *failed)
{
	void	   *block = ml_alloc_zero(&l->ctx, count, size);

	*failed = *failed || block == NULL;
	return block;
}

/* The ranges of the used folds. */
static void
make_ranges(ml_irls *l, const bool *use_fold, size_t rows, size_t length)
{
	const ml_matrix *m = l->matrix;
	size_t		sampled = 0;

	for (int fold = 0; fold < m->n_folds; fold++)
	{
		size_t		end = m->fold_start[fold + 1];

		if (!use_fold[fold])
			continue;
		for (size_t at = m->fold_start[fold]; at < end; at += length)
		{
			l->ranges[l->n_ranges] = (range) {at, end - at < length ? end - at : length};
			l->range_place[l->n_ranges] = l->rows;
			l->rows += l->ranges[l->n_ranges].n;
			sampled += sample_rows(&l->ranges[l->n_ranges++]);
		}
	}
	l->sample_share = rows >= SAMPLE_LEAST ? (double) sampled / (double) rows : 0;
}

/*
 * What grows with the square of the terms: the sums, the Hessian, and as much again twice for its factor and its inverse or
 * for the coordinate descent.
 */
static double
most_bytes(const ml_irls *l)
{
	double		p = l->fit.n_terms;

	return (BATCH + 1.0) * (double) ml_moments_size(&l->layout.shape) + 3 * sizeof(double) * p * p;
}

static bool
allocate(ml_irls *l, size_t rows, size_t most_ranges)
{
	size_t		p = l->matrix->n_terms;
	size_t		numbers = l->layout.shape.n_numbers;
	size_t		cats = l->layout.shape.n_cats;
	size_t		levels = l->layout.shape.n_levels;
	bool		failed = false;

	l->level_b = take(l, levels, sizeof(double), &failed);
	l->ranges = take(l, most_ranges, sizeof(range), &failed);
	l->range_place = take(l, most_ranges, sizeof(size_t), &failed);
	l->b = take(l, p, sizeof(double), &failed);
	l->before = take(l, p, sizeof(double), &failed);
	l->right = take(l, p, sizeof(double), &failed);
	l->step = take(l, p, sizeof(double), &failed);
	l->work = take(l, p, sizeof(double), &failed);
	l->gram_memory = take(l, ml_gram_doubles(p), sizeof(double), &failed);
	l->fit.coefficients = take(l, p + l->matrix->n_offsets, sizeof(double), &failed);
	l->fit.std_errors = take(l, p, sizeof(double), &failed);
	l->fit.vif = take(l, p, sizeof(double), &failed);
	l->fit.aliased = take(l, p, 1, &failed);
	if (!l->penalised)
	{
		l->inverse = take(l, p * p, sizeof(double), &failed);
		l->centre = take(l, p, sizeof(double), &failed);
		if (l->params.residuals)
			l->residuals = take(l, rows, sizeof(double), &failed);
	}
	for (int i = -1; i < BATCH; i++)
	{
		sums	   *s = i < 0 ? &l->total : &l->part[i];

		s->moments = take(l, ml_moments_size(&l->layout.shape), 1, &failed);
		s->gradient = take(l, numbers, sizeof(double), &failed);
		s->level_gradient = take(l, levels, sizeof(double), &failed);
		s->columns = take(l, numbers, sizeof(double *), &failed);
		s->level_rows = take(l, cats, sizeof(int32_t *), &failed);
		for (size_t a = 0; a < cats && s->level_rows != NULL; a++)
			s->level_rows[a] = take(l, BLOCK, sizeof(int32_t), &failed);
	}
	return !failed;
}

/*
 * An intercept near that of the model without terms: the targets' weighted sum and weight tell it, where there is no offset to
 * the digit.  With one and a log link it is what makes the means add up to the targets, else what the mean offset leaves.
 */
static double
start_intercept(const ml_irls *l, double sum, double total)
{
	const ml_family *family = &l->params.family;
	const double *offset = l->matrix->offset;
	double		eta = family->kind == ML_FAMILY_BINOMIAL ? log(sum / (total - sum)) : ml_glm_eta(family->link, sum / total);
	double		largest = -INFINITY;
	double		share = 0;

	if (offset == NULL)
		return eta;
	for (int r = 0; r < l->n_ranges; r++)
		for (size_t i = l->ranges[r].first; i < l->ranges[r].first + l->ranges[r].n; i++)
			largest = fmax(largest, offset[i]);
	for (int r = 0; r < l->n_ranges; r++)
		for (size_t i = l->ranges[r].first; i < l->ranges[r].first + l->ranges[r].n; i++)
		{
			double		weight = ml_family_weight(family, l->matrix, i) / total;

			share += weight * (family->link == ML_GLM_LOG ? exp(offset[i] - largest) : offset[i]);
		}
	return family->link == ML_GLM_LOG ? eta - largest - log(share) : eta - share;
}

/*
 * Looks at the targets once: two classes must both be there, numbers must be such as the family has.  Then says where
 * to begin: for two classes with a penalty at even odds, else with the intercept alone.
 */
static ml_status
choose_start(ml_irls *l, ml_error *err)
{
	const ml_matrix *m = l->matrix;
	const ml_family *family = &l->params.family;
	double		total = 0;
	double		sum = 0;

	for (int r = 0; r < l->n_ranges; r++)
		for (size_t i = l->ranges[r].first; i < l->ranges[r].first + l->ranges[r].n; i++)
		{
			double		weight = ml_family_weight(family, m, i);
			double		y = m->labels ? m->labels[i] : m->target[i];

			if (weight > 0 && !ml_family_takes(family, y))
				return ml_fail(err, ML_BAD_DATA, NULL, "the target must be %s, but is %g in a row", ml_family_domain(family), y);
			total += weight;
			sum += weight * y;
		}
	if (!(total > 0))
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows with a weight above 0");
	if (family->kind == ML_FAMILY_BINOMIAL && (sum == 0 || sum == total))
		return ml_fail(err, ML_BAD_DATA, NULL, "there is only one class to learn from");
	if (l->params.per_weight)
	{
		l->l1 *= total;
		l->l2 *= total;
	}
	l->null_objective = log(2);
	if (family->kind == ML_FAMILY_BINOMIAL && l->penalised && m->offset == NULL)
	{
		start_phase(l, l->sample_share > 0 ? ON_SAMPLE : ON_ALL);
		return ML_OK;
	}
	if (l->params.fit_intercept)
		l->b0 = start_intercept(l, sum, total);
	if (!isfinite(l->b0))
		return ml_fail(err, ML_BAD_DATA, NULL, "the mean of the target, %g, has no linear predictor with this link", sum / total);
	start_phase(l, ON_NULL);
	return ML_OK;
}

ml_status
ml_irls_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold, const ml_irls_params *params,
			  ml_irls **irls, ml_error *err)
{
	ml_irls    *l = ml_alloc_zero(ctx, 1, sizeof(ml_irls));
	size_t		rows = 0;
	size_t		length;
	ml_status	status;

	*irls = l;
	if (l == NULL)
		return no_memory(err);
	l->ctx = *ctx;
	l->matrix = matrix;
	l->params = *params;
	l->l1 = params->l1;
	l->l2 = params->l2;
	l->penalised = params->l1 > 0 || params->l2 > 0;
	l->fit.n_terms = matrix->n_terms;
	l->fit.intercept_std_error = l->fit.condition = l->fit.null_loss = l->fit.dispersion = NAN;
	for (int k = 0; k < 5; k++)
		l->fit.quantiles[k] = NAN;
	for (int fold = 0; fold < matrix->n_folds; fold++)
		rows += use_fold[fold] ? matrix->fold_start[fold + 1] - matrix->fold_start[fold] : 0;
	if (rows == 0)
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows");
	/* A length that follows from the number of rows alone. */
	length = (rows / 16 / BLOCK + 1) * BLOCK;
	length = length > LARGEST_RANGE ? LARGEST_RANGE : length;
	if (!ml_matrix_layout_make(ctx, matrix, &l->layout))
		return no_memory(err);
	status = ml_check_memory(ctx, most_bytes(l), "the sums over the rows", err);
	if (status != ML_OK)
		return status;
	if (!allocate(l, rows, rows / length + (size_t) matrix->n_folds + 1))
		return no_memory(err);
	for (int t = 0; t < l->fit.n_terms; t++)
		l->fit.std_errors[t] = l->fit.vif[t] = NAN;
	make_ranges(l, use_fold, rows, length);
	return choose_start(l, err);
}

static void
free_sums(const ml_irls *l, sums *s)
{
	const ml_ctx *ctx = &l->ctx;

	ml_free(ctx, s->moments);
	ml_free(ctx, s->gradient);
	ml_free(ctx, s->level_gradient);
	ml_free(ctx, s->columns);
	for (int a = 0; a < l->layout.shape.n_cats && s->level_rows != NULL; a++)
		ml_free(ctx, s->level_rows[a]);
	ml_free(ctx, s->level_rows);
}

void
ml_irls_end(ml_irls *l)
{
	ml_ctx		ctx;

	if (l == NULL)
		return;
	ctx = l->ctx;
	free_sums(l, &l->total);
	for (int i = 0; i < BATCH; i++)
		free_sums(l, &l->part[i]);
	ml_matrix_layout_clear(&ctx, &l->layout);
	ml_free(&ctx, l->level_b);
	ml_free(&ctx, l->ranges);
	ml_free(&ctx, l->range_place);
	ml_free(&ctx, l->inverse);
	ml_free(&ctx, l->centre);
	ml_free(&ctx, l->residuals);
	ml_cholesky_free(&ctx, &l->information);
	ml_free(&ctx, l->b);
	ml_free(&ctx, l->before);
	ml_free(&ctx, l->right);
	ml_free(&ctx, l->step);
	ml_free(&ctx, l->work);
	ml_free(&ctx, l->gram_memory);
	ml_free(&ctx, l->fit.coefficients);
	ml_free(&ctx, l->fit.std_errors);
	ml_free(&ctx, l->fit.vif);
	ml_free(&ctx, l->fit.aliased);
	ml_free(&ctx, l);
}

/* ---- reports --------------------------------------------------------------------------------------------------- */

ml_status
ml_irls_report(const ml_ctx *ctx, const ml_irls_fit *fit, ml_report *report, ml_error *err)
{
	ml_collinear collinear = {fit->vif, fit->condition};
	ml_status	status = ml_collinear_report(ctx, &collinear, fit->n_terms, report, err);

	if (status != ML_OK)
		return status;
	if (isnan(fit->quantiles[0]))
		return ML_OK;
	return ml_report_array(ctx, report, "residual_quantiles", fit->quantiles, 1, 5, NULL, err);
}
