/*
 * ml_fit_huber.c: the estimator huber: a linear model of numbers, some of which are far off.
 *
 * Minimises, as scikit-learn's HuberRegressor does, over the coefficients and the scale s > 0
 *
 *     sum of w (s + h(r / s) s) + alpha |b|^2,  h(u) = u^2 for |u| <= epsilon, else 2 epsilon |u| - epsilon^2
 *
 * which is convex in all of them together (Owen 2007, "A robust hybrid of lasso and ridge regression").  Newton's method: rows within
 * epsilon s have the curvature 2 w / s z z' with z = (x, 1, r / s); the others, which have none, get a little of it so that
 * the system stays definite.  A step that does not improve the objective is halved.
 *
 * With an epsilon near 1 few rows are within epsilon s, down to those that the plane goes through: then s is 0 and the
 * coefficients are those of the median (least absolute residuals).  Steps in s and the coefficients together run into a small s
 * with coefficients far from their best for it, and stay there.  So, when steps are cut short again and again, *paths* take over: the
 * coefficients are minimised for a fixed s, and s is brought down (Madsen, Nielsen 1993) or between bounds, by the sign of the derivative of what
 * is left, which is convex in s.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_dist.h"
#include "ml/ml_extreme.h"
#include "ml/ml_kernels.h"
#include "ml/ml_solve.h"
#include "ml/ml_weighted.h"

#define OUTER_CURVATURE 1e-4	/* share of a row beyond epsilon s that counts as curved */
#define MAX_HALVINGS 50
#define TOLERANCE 1e-13			/* of a pivot */
#define SMALLEST_SCALE 1e-12	/* of the target's spread: then all residuals are 0 */
#define MOST_MOVED 0.1			/* of a standard error, by the penalty */
#define MOST_SHORT 6			/* steps in a row that the scale cuts short */
#define PATH_DOWN 0.25			/* from one scale to the next */
#define PATH_SURE 1e-9			/* share of the objective that a fixed scale's minimum is known to, and what is left to gain at the end */
#define PATH_NEAR 1.2			/* ratio of the bounds of the scale from which steps in all together are tried again */
#define PATH_CLOSE 1.00001		/* … and where that ends */

enum
{
	PARAM_ALPHA = 0,
	PARAM_EPSILON,
	PARAM_FIT_INTERCEPT,
	PARAM_TOL,
	PARAM_MAX_ITER
};

static const ml_param_spec huber_specs[] = {
	[PARAM_ALPHA] = {"alpha", ML_PARAM_NUMBER, 0.0001, 0, INFINITY, false, NULL, "Strength of the penalty on the sum of squared coefficients"},
	[PARAM_EPSILON] = {"epsilon", ML_PARAM_NUMBER, 1.35, 1, INFINITY, false, NULL,
	"Residuals beyond so many scales count by their size instead of their square"},
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, "Whether the model has an intercept, which is never penalised"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-12, 0, 1, true, NULL, "Iterations end when a step improves the objective by a smaller share"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 1000, 1, 100000, false, NULL, "Most iterations over all rows"},
};

enum
{
	SUM_LOSS = 0,
	SUM_SCALE,					/* the derivative by s */
	SUM_OUTLIERS,				/* rows */
	SUM_TARGET,
	SUM_SQUARES
};
enum							/* of the round at the end */
{
	SUM_INSIDE = 0,				/* weight of the rows */
	SUM_PSI						/* squares of u, at most epsilon */
};

typedef struct huber_state
{
	ml_ctx		ctx;
	ml_design	ordinary;		/* the design, without a penalty with columns of ordinary sizes */
	ml_extreme	extreme;
	ml_weighted rounds;
	double		alpha;
	double		epsilon;
	bool		fit_intercept;
	double		tol;
	int			max_iter;
	bool		started;		/* the target's mean and spread are known */
	double		mean;			/* of the target, 0 without an intercept … */
	double		spread;			/* … and what it varies by */
	double	   *theta;			/* (p + 2) coefficients, level at the means, scale … */
	double	   *accepted;		/* … and the best so far */
	double	   *step;			/* (p + 2) */
	double	   *gradient;		/* (p + 2) */
	double	   *work;			/* (p + 2) */
	double		objective;		/* at accepted */
	double		outliers;		/* there */
	double		share;			/* of the step that is tried */
	int			halvings;
	bool		last;			/* what is tried now is the last step */
	int			short_steps;	/* in a row */
	bool		path;			/* the scale is fixed for the time being */
	bool		no_scale;		/* it is 0, or as good as that */
	bool		path_over;		/* it has been tried to go on from a path */
	double		slope;			/* of the objective by it, at accepted */
	double		low;			/* bounds of the scale: 0 … */
	double		high;			/* … INFINITY: none yet */
	double		curvature;		/* of rows beyond epsilon s, as a share */
	int			iterations;
	bool		converged;
	double	   *coefficients;	/* (p) at the end */
	double		intercept;
	bool		ended;			/* the round for standard errors is on */
	bool		penalty_matters;	/* to the coefficients, so that standard errors would mislead */
	double	   *std_errors;		/* (p + 1) of the coefficients and the intercept; NULL: there are none */
} huber_state;

static void
look_at_target(void *arg, ml_weighted_block *b)
{
	huber_state *s = arg;
	const ml_design *design = s->rounds.design;

	for (size_t i = 0; i < b->n; i++)
	{
		double		weight = ml_design_weight(design, b->first + i);
		double		y = design->target[b->first + i];

		b->sums[SUM_TARGET] += weight * y;
		b->sums[SUM_SQUARES] += weight * y * y;
	}
}

static void
look_at_residuals(void *arg, ml_weighted_block *b)
{
	huber_state *s = arg;
	const ml_design *design = s->rounds.design;
	size_t		p = s->rounds.p;
	double		scale = s->theta[p + 1];

	for (size_t i = 0; i < b->n; i++)
	{
		double		weight = ml_design_weight(design, b->first + i);
		double		u = (design->target[b->first + i] - ml_dot(b->z + i * b->stride, s->theta, p + 1)) / scale;
		bool		inside = fabs(u) <= s->epsilon;

		b->d[i] = 2 * weight / scale * (inside ? 1 : s->curvature * s->epsilon / fabs(u));
		b->v[i] = 2 * weight * (inside ? u : copysign(s->epsilon, u));
		b->extra[i] = inside ? u : 0;
		b->sums[SUM_LOSS] += weight * scale * (1 + (inside ? u * u : s->epsilon * (2 * fabs(u) - s->epsilon)));
		b->sums[SUM_SCALE] += weight * (1 - (inside ? u * u : s->epsilon * s->epsilon));
		b->sums[SUM_OUTLIERS] += !inside && weight > 0;
	}
}

/* At the end: products of the terms, and what the sandwich needs to know of the residuals. */
static void
look_at_end(void *arg, ml_weighted_block *b)
{
	huber_state *s = arg;
	size_t		p = s->rounds.p;

	for (size_t i = 0; i < b->n; i++)
	{
		double		u = (s->rounds.design->target[b->first + i] - ml_dot(b->z + i * b->stride, s->accepted, p + 1)) / s->accepted[p + 1];

		b->d[i] = ml_design_weight(s->rounds.design, b->first + i);
		b->sums[SUM_INSIDE] += b->d[i] * (fabs(u) <= s->epsilon);
		b->sums[SUM_PSI] += b->d[i] * fmin(u * u, s->epsilon * s->epsilon);
	}
}

static ml_status
huber_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	huber_state *s = ml_alloc_zero(ctx, 1, sizeof(huber_state));
	size_t		n = (size_t) input->design->n_terms + 2;
	ml_status	status = ML_OK;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->alpha = params[PARAM_ALPHA];
	s->epsilon = params[PARAM_EPSILON];
	s->fit_intercept = params[PARAM_FIT_INTERCEPT] != 0;
	s->tol = params[PARAM_TOL];
	s->max_iter = (int) params[PARAM_MAX_ITER];
	s->theta = ml_alloc_zero(ctx, n, sizeof(double));
	s->accepted = ml_alloc_zero(ctx, n, sizeof(double));
	s->step = ml_alloc_zero(ctx, n, sizeof(double));
	s->gradient = ml_alloc_zero(ctx, n, sizeof(double));
	s->work = ml_alloc_zero(ctx, n, sizeof(double));
	s->coefficients = ml_alloc_zero(ctx, n, sizeof(double));
	if (!s->theta || !s->accepted || !s->step || !s->gradient || !s->work || !s->coefficients)
		return ml_no_memory(err);
	s->objective = INFINITY;
	s->share = 1;
	s->high = INFINITY;
	s->curvature = OUTER_CURVATURE;
	s->ordinary = *input->design;
	if (s->alpha == 0)
		status = ml_extreme_rows(ctx, &s->extreme, input->design, &s->ordinary, err);
	return status == ML_OK ? ml_weighted_begin(ctx, &s->rounds, &s->ordinary, s->fit_intercept, true, err) : status;
}

/* Where to begin: no terms, the mean of the target, its spread. */
static ml_status
start(huber_state *s, ml_error *err)
{
	size_t		p = s->rounds.p;
	double		mean = s->fit_intercept ? s->rounds.sums[SUM_TARGET] / s->rounds.weight : 0;
	double		variance = s->rounds.sums[SUM_SQUARES] / s->rounds.weight - mean * mean;

	if (!isfinite(variance))
		return ml_fail(err, ML_BAD_DATA, "Scale the target down.", "the sum of squares of the target overflows");
	s->started = true;
	s->spread = variance > 0 ? sqrt(variance) : 0;
	s->theta[p] = s->mean = mean;
	s->theta[p + 1] = s->spread > 0 ? s->spread : 1;
	return ML_MORE;
}

/* Newton's step from the round's sums; *gain is what it is expected to bring. */
static ml_status
newton(huber_state *s, double *gain, ml_error *err)
{
	ml_weighted *w = &s->rounds;
	size_t		p = w->p;
	size_t		n = p + 2;
	ml_cholesky factor = {0};
	ml_status	status;

	for (size_t j = 0; j <= p; j++)
		s->gradient[j] = w->total[j];
	s->gradient[p + 1] = -w->sums[SUM_SCALE];
	for (size_t j = 0; j < p; j++)
	{
		s->gradient[j] -= 2 * s->alpha * s->accepted[j];
		w->matrix[j * (n + 1)] += w->dropped[j] ? 0 : 2 * s->alpha;
	}
	if (s->path)
	{
		s->gradient[p + 1] = 0;
		for (size_t j = 0; j < n; j++)
			w->matrix[j * n + p + 1] = w->matrix[(p + 1) * n + j] = 0;
	}
	status = ml_cholesky_make(&s->ctx, &factor, w->matrix, (int) n, 0, TOLERANCE, err);
	if (status == ML_OK)
	{
		double		room = 0.4 * s->accepted[p + 1];	/* more leads to a scale near 0, from where no step leads back */

		ml_cholesky_solve(&factor, s->gradient, s->step, s->work);
		*gain = ml_dot(s->gradient, s->step, n) / 2;
		s->share = -s->step[p + 1] > room ? -room / s->step[p + 1] : 1;	/* the scale stays above 0 */
		s->short_steps = s->share < 1 ? s->short_steps + 1 : 0;
	}
	ml_cholesky_free(&s->ctx, &factor);
	return status;
}

static void
try_share(huber_state *s)
{
	for (size_t j = 0; j < s->rounds.p + 2; j++)
		s->theta[j] = s->accepted[j] + s->share * s->step[j];
}

/* ---- paths ------------------------------------------------------------------------------------------------------------ */

/* Goes on at the best coefficients with this scale. */
static ml_status
set_scale(huber_state *s, double scale, bool path)
{
	s->path = path;
	s->last = false;
	s->short_steps = s->halvings = 0;
	s->curvature = OUTER_CURVATURE;
	s->objective = INFINITY;
	s->accepted[s->rounds.p + 1] = scale;
	memcpy(s->theta, s->accepted, (s->rounds.p + 2) * sizeof(double));
	return ML_MORE;
}

static ml_status
start_path(huber_state *s)
{
	memset(s->accepted, 0, s->rounds.p * sizeof(double));
	s->accepted[s->rounds.p] = s->mean;
	s->low = 0;
	s->high = INFINITY;
	return set_scale(s, s->spread, true);
}

/* The minimum for this scale is known: the next scale, or the end. */
static ml_status
end_scale(huber_state *s, double slope)
{
	double		scale = s->accepted[s->rounds.p + 1];

	if (slope > 0)
		s->high = scale;
	else
		s->low = scale;
	if (s->low == 0 && (s->high * slope <= PATH_SURE * s->objective || s->high <= SMALLEST_SCALE * s->spread))
		s->converged = s->no_scale = true;
	if (s->low > 0 && s->high < PATH_CLOSE * s->low)
		s->converged = true;
	if (s->converged || s->iterations >= s->max_iter)
		return ML_DONE;
	if (s->low == 0)
		return set_scale(s, PATH_DOWN * scale, true);
	if (isinf(s->high))
		return set_scale(s, scale / PATH_DOWN, true);
	if (s->high < PATH_NEAR * s->low && !s->path_over)
	{
		s->path_over = true;
		return set_scale(s, sqrt(s->low * s->high), false);
	}
	return set_scale(s, sqrt(s->low * s->high), true);
}

/* A round of a path is over. */
static ml_status
end_path_round(huber_state *s, double objective, ml_error *err)
{
	double		slope = s->rounds.sums[SUM_SCALE];
	double		gain = 0;
	ml_status	status;

	if (!(objective <= s->objective) && s->halvings++ < MAX_HALVINGS && s->iterations < s->max_iter)
	{
		s->share /= 2;
		try_share(s);
		return ML_MORE;
	}
	if (!(objective <= s->objective))
		return end_scale(s, s->slope);
	/* Where whole steps lead too far, rows that are passed are to count more. */
	s->curvature = s->halvings > 0 ? fmin(s->curvature * 10, 1) : fmax(s->curvature / 10, OUTER_CURVATURE);
	s->halvings = 0;
	s->slope = slope;
	s->objective = objective;
	s->outliers = s->rounds.sums[SUM_OUTLIERS];
	memcpy(s->accepted, s->theta, (s->rounds.p + 2) * sizeof(double));
	status = newton(s, &gain, err);
	if (status != ML_OK)
		return status;
	if (gain <= PATH_SURE * objective || s->iterations >= s->max_iter)
		return end_scale(s, slope);
	try_share(s);
	return ML_MORE;
}

/* A round is over: its objective is taken, or the step is halved. */
static ml_status
end_round(huber_state *s, ml_error *err)
{
	size_t		p = s->rounds.p;
	double		objective = s->rounds.sums[SUM_LOSS] + s->alpha * ml_dot(s->theta, s->theta, p);
	double		gain = 0;
	ml_status	status;

	s->iterations++;
	if (s->path)
		return end_path_round(s, objective, err);
	if (!(objective <= s->objective))
	{
		if (!s->last && s->halvings++ < MAX_HALVINGS && s->iterations < s->max_iter)
		{
			s->share /= 2;
			try_share(s);
			return ML_MORE;
		}
		s->converged = s->last || s->halvings > MAX_HALVINGS;
		return s->path_over && !s->last && s->iterations < s->max_iter ? set_scale(s, sqrt(s->low * s->high), true) : ML_DONE;
	}
	s->halvings = 0;
	s->objective = objective;
	s->outliers = s->rounds.sums[SUM_OUTLIERS];
	memcpy(s->accepted, s->theta, (p + 2) * sizeof(double));
	status = newton(s, &gain, err);
	if (status != ML_OK)
		return status;
	if (s->short_steps > MOST_SHORT && s->spread > 0)
		return s->path_over ? set_scale(s, sqrt(s->low * s->high), true) : start_path(s);
	if (s->last || gain == 0 || s->accepted[p + 1] <= SMALLEST_SCALE * s->spread)
	{
		/* A scale of 0 is the end of a fit without residuals; with some left Newton's steps lead nowhere there. */
		s->converged = s->accepted[p + 1] > SMALLEST_SCALE * s->spread || objective <= 1e-6 * s->rounds.weight * s->spread;
		return ML_DONE;
	}
	/* The step that is too short to be worth a round is taken nevertheless: it doubles the digits of the coefficients. */
	s->last = gain <= s->tol * fabs(objective);
	if (s->iterations >= s->max_iter)
	{
		s->converged = s->last;
		return ML_DONE;
	}
	try_share(s);
	return ML_MORE;
}

/* Whether the penalty has drawn a coefficient away by more than some share of its standard error, which then says too little. */
static bool
penalty_moves(const huber_state *s, const double *inverse, size_t width, double inside)
{
	size_t		p = s->rounds.p;
	double		factor = s->alpha * s->accepted[p + 1] / inside;

	for (size_t j = 0; j < p; j++)
		if (!s->rounds.dropped[j] && fabs(factor * ml_dot(inverse + j * width, s->accepted, p)) > MOST_MOVED * s->std_errors[j])
			return true;
	return false;
}

/*
 * Huber's first covariance (Huber 1981, 7.6; H1 of statsmodels): k² s² (Σ ψ² / (n - p)) / (mean of ψ')² (Z'Z)^-1 with the
 * correction k = 1 + p / n var(ψ') / (mean of ψ')², where ψ' is 1 inside and 0 outside.  A row of weight 2 counts as two rows.
 */
static ml_status
end_errors(huber_state *s, ml_error *err)
{
	ml_weighted *w = &s->rounds;
	size_t		p = w->p;
	size_t		width = p + 2;
	double		n = w->weight;
	double		inside = w->sums[SUM_INSIDE] / n;
	double	   *inverse = ml_alloc(&s->ctx, width * width, sizeof(double));
	ml_cholesky factor = {0};
	ml_status	status = inverse ? ml_cholesky_make(&s->ctx, &factor, w->matrix, (int) width, 0, TOLERANCE, err) :
		ml_no_memory(err);

	if (status == ML_OK && n > factor.rank && inside > 0)
	{
		double		k = 1 + factor.rank / n * (1 - inside) / inside;
		double		scale = k * s->accepted[p + 1] / inside * sqrt(w->sums[SUM_PSI] / (n - factor.rank));

		s->std_errors = ml_alloc(&s->ctx, p + 1, sizeof(double));
		status = s->std_errors ? ml_cholesky_inverse(&s->ctx, &factor, inverse, err) : ml_no_memory(err);
		if (status == ML_OK)
		{
			double		variance = inverse[p * width + p];

			for (size_t j = 0; j < p; j++)
			{
				s->std_errors[j] = w->dropped[j] ? NAN : scale * sqrt(inverse[j * width + j]);
				variance += w->mean[j] * (ml_dot(inverse + j * width, w->mean, p) - 2 * inverse[j * width + p]);
			}
			s->std_errors[p] = scale * sqrt(variance);
			s->penalty_matters = penalty_moves(s, inverse, width, inside);
		}
	}
	ml_cholesky_free(&s->ctx, &factor);
	ml_free(&s->ctx, inverse);
	return status == ML_OK ? ML_DONE : status;
}

static ml_status
huber_step(void *state, ml_progress *progress, ml_error *err)
{
	huber_state *s = state;
	ml_status	status = ML_MORE;

	if (s->rounds.pass.done == 0)
		ml_weighted_start(&s->rounds, s->ended ? look_at_end : s->started ? look_at_residuals : look_at_target, s, s->started);
	if (ml_weighted_step(&s->rounds))
		status = s->ended ? end_errors(s, err) : s->started ? end_round(s, err) : start(s, err);
	if (status == ML_DONE && !s->ended && s->converged && !s->no_scale && s->accepted[s->rounds.p + 1] > SMALLEST_SCALE * s->spread)
	{
		s->ended = true;
		status = ML_MORE;
	}
	progress->iteration = s->iterations;
	progress->share = status == ML_DONE ? 1 : s->iterations / (s->iterations + 10.0);
	progress->loss = isfinite(s->objective) ? s->objective / s->rounds.weight : NAN;
	return status;
}

static ml_coefficient
reported(const huber_state *s, int term, double estimate, size_t place)
{
	double		error = s->std_errors && !s->penalty_matters ? s->std_errors[place] : NAN;

	return (ml_coefficient) {0, term, estimate, error, estimate / error, ml_normal_two_sided(estimate / error), false};
}

static ml_status
huber_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	huber_state *s = state;
	size_t		p = s->rounds.p;
	int			intercept = s->fit_intercept ? 1 : 0;
	ml_status	status;

	for (size_t j = 0; j < p; j++)
		s->coefficients[j] = s->rounds.dropped[j] ? 0 : s->accepted[j];
	s->intercept = s->fit_intercept ? s->accepted[p] - ml_dot(s->rounds.mean, s->coefficients, p) : 0;
	if (!ml_extreme_to_terms(&s->extreme, s->coefficients, (int) p) ||
		(s->std_errors != NULL && !ml_extreme_to_terms(&s->extreme, s->std_errors, (int) p)))
		return ml_fail(err, ML_BAD_DATA, "Scale the features up.", "the coefficients overflow");
	status = ml_model_set_linear(model, ML_LINK_IDENTITY, s->coefficients, &s->intercept, err);
	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, p + intercept, err);
	if (status != ML_OK)
		return status;
	if (intercept)
		report->coefficients[0] = reported(s, -1, s->intercept, p);
	for (size_t j = 0; j < p; j++)
		report->coefficients[j + intercept] = reported(s, (int) j, s->coefficients[j], j);
	report->iterations = s->iterations;
	report->converged = s->converged;
	ml_report_fact(report, "objective", s->objective);
	ml_report_fact(report, "scale", s->accepted[p + 1]);
	ml_report_fact(report, "outliers", s->outliers);
	return ML_OK;
}

static void
huber_end(void *state)
{
	huber_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_weighted_free(&s->rounds);
	ml_extreme_clear(&ctx, &s->extreme);
	ml_free(&ctx, s->theta);
	ml_free(&ctx, s->accepted);
	ml_free(&ctx, s->step);
	ml_free(&ctx, s->gradient);
	ml_free(&ctx, s->work);
	ml_free(&ctx, s->coefficients);
	ml_free(&ctx, s->std_errors);
	ml_free(&ctx, s);
}

static bool
without_penalty(const double *params)
{
	return params[PARAM_ALPHA] == 0;
}

const ml_estimator ml_estimator_huber = {
	.name = "huber", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_ROWS, .n_params = sizeof(huber_specs) / sizeof(huber_specs[0]),
	.params = huber_specs, .needs_reference = without_penalty, .begin = huber_begin, .step = huber_step, .finish = huber_finish, .end = huber_end
};
