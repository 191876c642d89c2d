/*
 * ml_fit_quantile.c: the estimator quantile_regression: a linear model of a quantile of the target.
 *
 * Of many rows only those near the plane decide where it lies; the others only have to stay on their side.  So a part of the
 * rows is drawn and fitted roughly; rows whose residuals from that are far from 0 are taken together into two, one on either
 * side (Portnoy and Koenker 1997, section 5, preprocessing); what is left is solved; and rows that came to lie on the other
 * side than they were taken for are put back, until there are none.  Then the solution is that of all rows: the sum of the
 * losses of rows on one side is that of one row with their sums.  ml_quantile.h solves.
 *
 * Words: a row is *kept*, or *taken* for above or below the plane.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_dist.h"
#include "ml/ml_extreme.h"
#include "ml/ml_kernels.h"
#include "ml/ml_quantile.h"
#include "ml/ml_random.h"
#include "ml/ml_solve.h"
#include "ml/ml_weighted.h"

#define MANY_ROWS 20000			/* fewer are solved as they are */
#define DEPENDENT 1e-11			/* of a pivot of least squares: the term is left out, as in ml_quantile.c */
#define ROUGHLY 1e-3			/* what the objective of the drawn rows is known to */
#define MOST_CHECKS 12
#define RANDOM_QUANTILE 0x717561

enum
{
	PARAM_ALPHA = 0,
	PARAM_QUANTILE,
	PARAM_FIT_INTERCEPT,
	PARAM_TOL,
	PARAM_MAX_ITER
};

static const ml_param_spec quantile_specs[] = {
	[PARAM_ALPHA] = {"alpha", ML_PARAM_NUMBER, 0, 0, INFINITY, false, NULL, "Strength of the penalty on the sizes of the coefficients"},
	[PARAM_QUANTILE] = {"quantile", ML_PARAM_NUMBER, 0.5, 0, 1, true, NULL, "The quantile that is predicted: 0.5 is the median"},
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, "Whether the model has an intercept, which is never penalised"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-9, 0, 1, true, NULL, "Iterations end when the objective is known to such a share"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 100, 1, 100000, false, NULL, "Most iterations"},
};

typedef enum phase
{
	WHOLE = 0,					/* all rows are solved */
	RANK,						/* which terms depend on others */
	DRAWN,						/* a part is solved roughly */
	RESIDUALS,					/* of all rows from that */
	KEPT,						/* kept rows, and the two, are solved */
	CHECK						/* on which side rows came to lie */
} phase;

/* Standard errors, once the solution is there. */
typedef enum errors
{
	NOT_YET = 0,
	CROSS,						/* products of the terms, and residuals */
	DENSITY,					/* products weighted with the density of residuals near 0 */
	MADE
} errors;

typedef struct quantile_state
{
	ml_ctx		ctx;
	const ml_design *design;
	ml_design	ordinary;		/* the design with columns of ordinary sizes */
	ml_extreme	extreme;
	double	   *coefficients;	/* (p), at the end */
	ml_quantile_params params;
	phase		phase;
	ml_quantile *solver;
	int			iterations;		/* of solvers before */

	/* Of many rows. */
	ml_weighted rounds;			/* over all rows */
	size_t		wanted;			/* rows drawn, and kept */
	double	   *theta;			/* (p + 1) coefficients and the level at the means */
	double	   *distances;		/* (rows) sizes of residuals over what they may be wrong by */
	signed char *sides;			/* (rows) taken for: 1 above, -1 below, 0 kept; 2, -2: seen on the wrong side */
	double	   *part;			/* the rows being solved: (part.rows, p + 2) terms, target, weight */
	ml_design	small;
	int			checks;
	double		objective;		/* of all rows */

	errors		errors;
	double	   *cross;			/* (p + 1, p + 1) */
	double	   *std_errors;		/* (p + 1) of the coefficients and the intercept; NULL: there are none */
	double		bandwidth;		/* of residuals */
	double		df;
} quantile_state;

static ml_status
solve(quantile_state *s, const ml_design *design, phase next, ml_error *err)
{
	ml_quantile_params params = s->params;

	params.vertex = next != DRAWN;
	params.tol = next == DRAWN ? fmax(params.tol, ROUGHLY) : params.tol;
	s->phase = next;
	return ml_quantile_begin(&s->ctx, design, &params, &s->solver, err);
}

static void
forget_solver(quantile_state *s)
{
	s->iterations += ml_quantile_solution(s->solver).iterations;
	ml_quantile_free(s->solver);
	s->solver = NULL;
}

/* ---- parts of the rows --------------------------------------------------------------------------------------------- */

static void
forget_part(quantile_state *s)
{
	ml_free(&s->ctx, s->part);
	s->part = NULL;
}

/* Room for rows of which none is there yet. */
static bool
make_part(quantile_state *s, size_t rows)
{
	size_t		p = s->rounds.p;

	forget_part(s);
	s->part = ml_alloc_zero(&s->ctx, rows * (p + 2), sizeof(double));
	if (s->part == NULL)
		return false;
	s->small = (ml_design) {.rows = 0, .n_terms = (int) p, .x = s->part, .stride = p, .target = s->part + rows * p, .weights = s->part + rows * (p + 1)};
	return true;
}

/* Adds a share of a row to row `to` of the part. */
static void
add_share(quantile_state *s, size_t to, size_t row, double share)
{
	size_t		p = s->rounds.p;

	ml_axpy(s->part + to * p, share, s->design->x + row * s->design->stride, p);
	((double *) s->small.target)[to] += share * s->design->target[row];
}

static void
append_row(quantile_state *s, size_t row)
{
	add_share(s, s->small.rows, row, 1);
	((double *) s->small.weights)[s->small.rows++] = ml_design_weight(s->design, row);
}

static bool
stop(const quantile_state *s, size_t row)
{
	return row % 65536 == 0 && ml_is_cancelled(&s->ctx);
}

static ml_status
cancelled(ml_error *err)
{
	return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
}

/* Selection sampling (Knuth, The Art of Computer Programming 2, algorithm S). */
static ml_status
draw_rows(quantile_state *s, ml_error *err)
{
	ml_random	random = ml_random_stream(0, RANDOM_QUANTILE, 0);
	size_t		n = s->design->rows;

	if (!make_part(s, s->wanted))
		return ml_no_memory(err);
	for (size_t i = 0; i < n && s->small.rows < s->wanted; i++)
	{
		if (stop(s, i))
			return cancelled(err);
		if (ml_random_unit(&random) * (double) (n - i) < (double) (s->wanted - s->small.rows))
			append_row(s, i);
	}
	return solve(s, &s->small, DRAWN, err);
}

/* The kept rows, and two for all others. */
static ml_status
gather_rows(quantile_state *s, ml_error *err)
{
	size_t		n = s->design->rows;
	size_t		kept = 0;
	double		weights[2] = {0, 0};	/* below, above */
	size_t		to[2] = {0, 0};

	for (size_t i = 0; i < n; i++)
		if (s->sides[i] == 0)
			kept++;
		else
			weights[s->sides[i] > 0] += ml_design_weight(s->design, i);
	if (kept > n / 2)
	{
		forget_part(s);
		return solve(s, s->design, WHOLE, err);
	}
	if (!make_part(s, kept + 2))
		return ml_no_memory(err);
	for (int side = 0; side < 2; side++)
		if (weights[side] > 0)
		{
			((double *) s->small.weights)[s->small.rows] = weights[side];
			to[side] = s->small.rows++;
		}
	for (size_t i = 0; i < n; i++)
	{
		if (stop(s, i))
			return cancelled(err);
		if (s->sides[i] == 0)
			append_row(s, i);
		else
			add_share(s, to[s->sides[i] > 0], i, ml_design_weight(s->design, i) / weights[s->sides[i] > 0]);
	}
	return solve(s, &s->small, KEPT, err);
}

/* ---- rounds over all rows ------------------------------------------------------------------------------------------ */

static double
residual_of(const quantile_state *s, const ml_weighted_block *b, size_t i)
{
	return s->design->target[b->first + i] - ml_dot(b->z + i * b->stride, s->theta, s->rounds.p + 1);
}

static void
look_rank(void *arg, ml_weighted_block *b)
{
	quantile_state *s = arg;

	for (size_t i = 0; i < b->n; i++)
		b->d[i] = ml_design_weight(s->design, b->first + i);
}

/* A plane is less certain far from the middle of the rows. */
static void
look_residuals(void *arg, ml_weighted_block *b)
{
	quantile_state *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		double		r = residual_of(s, b, i);
		double		far = 1;

		for (size_t j = 0; j < s->rounds.p; j++)
			if (!s->rounds.dropped[j])
			{
				double		z = b->z[i * b->stride + j] / s->rounds.spread[j];

				far += z * z;
			}
		s->distances[b->first + i] = fabs(r) / sqrt(far);
		s->sides[b->first + i] = r < 0 ? -1 : 1;
	}
}

enum
{
	SUM_LOSS = 0,
	SUM_WRONG
};

static void
look_check(void *arg, ml_weighted_block *b)
{
	quantile_state *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		double		r = residual_of(s, b, i);
		signed char *side = &s->sides[b->first + i];

		b->sums[SUM_LOSS] += ml_design_weight(s->design, b->first + i) * (r >= 0 ? s->params.quantile : s->params.quantile - 1) * r;
		if (*side * r < 0)
		{
			*side *= 2;
			b->sums[SUM_WRONG]++;
		}
	}
}

/* Terms that depend on others, as a solver of all rows would leave them out. */
static ml_status
end_rank(quantile_state *s, ml_error *err)
{
	ml_weighted *w = &s->rounds;
	ml_cholesky factor = {0};
	ml_status	status = ml_cholesky_make(&s->ctx, &factor, w->matrix, (int) w->width, 0, DEPENDENT, err);
	int			kept = 0;

	for (size_t j = 0; j < w->p && status == ML_OK; j++)
	{
		bool		found = kept < factor.rank && factor.kept[kept] == (int) j;

		kept += found;
		w->dropped[j] = !found;
	}
	ml_cholesky_free(&s->ctx, &factor);
	return status == ML_OK ? draw_rows(s, err) : status;
}

/* The number at place `at` of (n) if they were in order (Hoare's find); changes their order. */
static double
number_at(double *numbers, size_t n, size_t at)
{
	size_t		low = 0,
				high = n - 1;

	while (low < high)
	{
		double		pivot = numbers[low + (high - low) / 2];
		size_t		i = low,
					j = high;

		while (i <= j)
		{
			while (numbers[i] < pivot)
				i++;
			while (numbers[j] > pivot)
				j--;
			if (i > j)
				break;
			{
				double		other = numbers[i];

				numbers[i++] = numbers[j];
				numbers[j] = other;
			}
			if (j-- == 0)
				break;
		}
		if (at <= j && j < n)
			high = j;
		else if (at >= i)
			low = i;
		else
			break;
	}
	return numbers[at];
}

/* Rows near the plane are kept. */
static ml_status
end_residuals(quantile_state *s, ml_error *err)
{
	size_t		n = s->design->rows;
	double	   *copy = ml_alloc(&s->ctx, n, sizeof(double));
	double		border;

	if (copy == NULL)
		return ml_no_memory(err);
	memcpy(copy, s->distances, n * sizeof(double));
	border = number_at(copy, n, s->wanted);
	ml_free(&s->ctx, copy);
	for (size_t i = 0; i < n; i++)
		if (!(s->distances[i] > border))
			s->sides[i] = 0;
	return gather_rows(s, err);
}

/* The optimum of all rows if none is on the wrong side; else those are put back. */
static ml_status
end_check(quantile_state *s, ml_error *err)
{
	ml_quantile_result r = ml_quantile_solution(s->solver);

	s->objective = s->rounds.sums[SUM_LOSS] / s->rounds.weight;
	for (size_t j = 0; j < s->rounds.p; j++)
		s->objective += s->params.alpha * fabs(r.coefficients[j]);
	if (s->rounds.sums[SUM_WRONG] == 0 || !r.converged)
		return ML_DONE;
	forget_solver(s);
	if (++s->checks == MOST_CHECKS)
		return solve(s, s->design, WHOLE, err);
	for (size_t i = 0; i < s->design->rows; i++)
		if (s->sides[i] == 2 || s->sides[i] == -2)
			s->sides[i] = 0;
	return gather_rows(s, err);
}

/* ---- standard errors ----------------------------------------------------------------------------------------------- */

/* With weights rows and targets are multiplied by them, as the loss of a row is: a row of weight 2 is known twice as exactly. */
static void
look_cross(void *arg, ml_weighted_block *b)
{
	quantile_state *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		double		weight = ml_design_weight(s->design, b->first + i);

		b->d[i] = weight * weight;
		s->distances[b->first + i] = weight * residual_of(s, b, i);
	}
}

static void
look_density(void *arg, ml_weighted_block *b)
{
	quantile_state *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		double		weight = ml_design_weight(s->design, b->first + i);
		double		u = weight * residual_of(s, b, i) / s->bandwidth;

		b->d[i] = weight * weight * exp(-0.5 * u * u) / (sqrt(2 * M_PI) * s->bandwidth);
	}
}

/* A quantile of (n) numbers by linear interpolation, R's type 7; changes their order. */
static double
quantile_of(double *numbers, size_t n, double share)
{
	double		place = share * (double) (n - 1);
	size_t		low = (size_t) place;
	double		below = number_at(numbers, n, low);

	return low + 1 < n ? below + (place - (double) low) * (number_at(numbers, n, low + 1) - below) : below;
}

/* Hall and Sheather's bandwidth of quantiles (1988), 5 % level, as a distance of residuals; 0: they are all alike. */
static double
bandwidth_of(double *residuals, size_t n, double quantile)
{
	double		z = ml_normal_quantile(quantile);
	double		density = exp(-0.5 * z * z) / sqrt(2 * M_PI);
	double		h = pow((double) n, -1.0 / 3) * pow(ml_normal_quantile(0.975), 2.0 / 3) * cbrt(1.5 * density * density / (2 * z * z + 1));
	double		mean = 0,
				squares = 0,
				spread;

	for (size_t i = 0; i < n; i++)
		mean += (residuals[i] - mean) / (double) (i + 1);
	for (size_t i = 0; i < n; i++)
		squares += (residuals[i] - mean) * (residuals[i] - mean);
	spread = (quantile_of(residuals, n, 0.75) - quantile_of(residuals, n, 0.25)) / 1.34;
	while (quantile - h <= 0 || quantile + h >= 1)
		h /= 2;
	return (ml_normal_quantile(quantile + h) - ml_normal_quantile(quantile - h)) * fmin(spread, sqrt(squares / (double) (n - 1)));
}

/* a'Ma */
static double
square_form(const double *a, const double *m, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * ml_dot(m + i * n, a, n);
	return sum;
}

/* The variances q (1 - q) F^-1 Z'Z F^-1, F the products weighted with densities; the intercept is the level less the means' part. */
static void
fill_errors(quantile_state *s, const double *inverse, double *line)
{
	const ml_weighted *w = &s->rounds;
	size_t		width = w->width;
	double		factor = s->params.quantile * (1 - s->params.quantile);

	for (size_t j = 0; j < w->p; j++)
		s->std_errors[j] = w->dropped[j] ? NAN : sqrt(factor * square_form(inverse + j * width, s->cross, width));
	for (size_t j = 0; j < width; j++)
		line[j] = inverse[w->p * width + j];
	for (size_t k = 0; k < w->p; k++)
		ml_axpy(line, -w->mean[k], inverse + k * width, width);
	s->std_errors[w->p] = sqrt(factor * square_form(line, s->cross, width));
}

static ml_status
end_density(quantile_state *s, ml_error *err)
{
	ml_weighted *w = &s->rounds;
	ml_cholesky factor = {0};
	double	   *inverse = ml_alloc(&s->ctx, w->width * (w->width + 1), sizeof(double));
	ml_status	status = inverse ? ml_cholesky_make(&s->ctx, &factor, w->matrix, (int) w->width, 0, DEPENDENT, err) : ml_no_memory(err);
	int			rank = s->params.fit_intercept ? 1 : 0;

	for (size_t j = 0; j < w->p; j++)
		rank += !w->dropped[j];
	if (status == ML_OK && factor.rank == rank)
	{
		s->std_errors = ml_alloc(&s->ctx, w->width, sizeof(double));
		status = s->std_errors ? ml_cholesky_inverse(&s->ctx, &factor, inverse, err) : ml_no_memory(err);
		if (status == ML_OK)
			fill_errors(s, inverse, inverse + w->width * w->width);
	}
	ml_cholesky_free(&s->ctx, &factor);
	ml_free(&s->ctx, inverse);
	s->errors = MADE;
	return status;
}

static ml_status
end_cross(quantile_state *s, ml_error *err)
{
	size_t		cells = s->rounds.width * s->rounds.width;

	s->cross = ml_alloc(&s->ctx, cells, sizeof(double));
	if (s->cross == NULL)
		return ml_no_memory(err);
	memcpy(s->cross, s->rounds.matrix, cells * sizeof(double));
	s->bandwidth = bandwidth_of(s->distances, s->design->rows, s->params.quantile);
	s->errors = s->bandwidth > 0 && isfinite(s->bandwidth) ? DENSITY : MADE;
	return ML_OK;
}

/* The solution is there; whether there are to be standard errors. */
static ml_status
begin_errors(quantile_state *s, ml_error *err)
{
	ml_quantile_result r = ml_quantile_solution(s->solver);
	size_t		p = s->design->n_terms;
	ml_status	status = ML_OK;

	s->df = (double) s->design->rows - (s->params.fit_intercept ? 1 : 0);
	for (size_t j = 0; j < p; j++)
		s->df -= !r.dropped[j];
	s->errors = MADE;
	if (s->params.alpha > 0 || !(s->df > 0) || !r.converged)
		return ML_OK;
	if (s->theta == NULL)
	{
		s->theta = ml_alloc_zero(&s->ctx, p + 1, sizeof(double));
		s->distances = ml_alloc(&s->ctx, s->design->rows, sizeof(double));
		if (s->theta == NULL || s->distances == NULL)
			return ml_no_memory(err);
		status = ml_weighted_begin(&s->ctx, &s->rounds, s->design, s->params.fit_intercept, false, err);
	}
	if (status != ML_OK)
		return status;
	memcpy(s->rounds.dropped, r.dropped, p);
	memcpy(s->theta, r.coefficients, p * sizeof(double));
	s->theta[p] = r.intercept + ml_dot(s->rounds.mean, r.coefficients, p);
	s->errors = CROSS;
	return ML_OK;
}

/* A slice of the rounds for standard errors. */
static ml_status
step_errors(quantile_state *s, ml_error *err)
{
	ml_status	status = ML_OK;

	if (s->rounds.pass.done == 0)
		ml_weighted_start(&s->rounds, s->errors == CROSS ? look_cross : look_density, s, true);
	if (ml_weighted_step(&s->rounds))
		status = s->errors == CROSS ? end_cross(s, err) : end_density(s, err);
	return status == ML_OK ? s->errors == MADE ? ML_DONE : ML_MORE : status;
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

/* A part is solved: the round over all rows that follows, or, if it lacks terms that all rows have, all rows. */
static ml_status
end_part(quantile_state *s, ml_error *err)
{
	ml_quantile_result r = ml_quantile_solution(s->solver);
	size_t		p = s->rounds.p;

	if (memcmp(r.dropped, s->rounds.dropped, p) != 0)
	{
		forget_solver(s);
		return solve(s, s->design, WHOLE, err);
	}
	memcpy(s->theta, r.coefficients, p * sizeof(double));
	s->theta[p] = r.intercept + ml_dot(s->rounds.mean, r.coefficients, p);
	if (s->phase == DRAWN)
		forget_solver(s);
	s->phase = s->phase == DRAWN ? RESIDUALS : CHECK;
	return ML_MORE;
}

static ml_status
end_round(quantile_state *s, ml_error *err)
{
	ml_status	status = s->phase == RANK ? end_rank(s, err) : s->phase == RESIDUALS ? end_residuals(s, err) : end_check(s, err);

	return status == ML_OK ? ML_MORE : status;
}

static ml_status
quantile_step(void *state, ml_progress *progress, ml_error *err)
{
	quantile_state *s = state;
	ml_status	status = ML_MORE;

	if (s->errors != NOT_YET)
	{
		progress->iteration = s->iterations + ml_quantile_solution(s->solver).iterations;
		progress->share = 0.99;
		return step_errors(s, err);
	}
	if (s->phase == WHOLE || s->phase == DRAWN || s->phase == KEPT)
	{
		status = ml_quantile_step(s->solver, err);
		progress->iteration = s->iterations + ml_quantile_solution(s->solver).iterations;
		if (status == ML_DONE && s->phase != WHOLE)
			status = end_part(s, err);
		status = status == ML_OK ? ML_MORE : status;
	}
	else
	{
		if (s->rounds.pass.done == 0)
			ml_weighted_start(&s->rounds, s->phase == RANK ? look_rank : s->phase == RESIDUALS ? look_residuals : look_check, s, s->phase == RANK);
		if (ml_weighted_step(&s->rounds))
			status = end_round(s, err);
		progress->iteration = s->iterations;
	}
	progress->share = progress->iteration / (progress->iteration + 8.0);
	if (status != ML_DONE)
		return status;
	status = begin_errors(s, err);
	return status == ML_OK ? s->errors == MADE ? ML_DONE : ML_MORE : status;
}

/* ---- before and after ---------------------------------------------------------------------------------------------- */

static ml_status
begin_many(quantile_state *s, ml_error *err)
{
	size_t		n = s->design->rows;

	s->phase = RANK;
	s->theta = ml_alloc_zero(&s->ctx, (size_t) s->design->n_terms + 1, sizeof(double));
	s->distances = ml_alloc(&s->ctx, n, sizeof(double));
	s->sides = ml_alloc_zero(&s->ctx, n, 1);
	if (s->theta == NULL || s->distances == NULL || s->sides == NULL)
		return ml_no_memory(err);
	return ml_weighted_begin(&s->ctx, &s->rounds, s->design, s->params.fit_intercept, false, err);
}

static ml_status
quantile_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	quantile_state *s = ml_alloc_zero(ctx, 1, sizeof(quantile_state));
	double		n = (double) input->design->rows;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = &s->ordinary;
	s->ordinary = *input->design;
	s->params = (ml_quantile_params) {.alpha = params[PARAM_ALPHA], .quantile = params[PARAM_QUANTILE],
	.fit_intercept = params[PARAM_FIT_INTERCEPT] != 0, .tol = params[PARAM_TOL], .max_iter = (int) params[PARAM_MAX_ITER]};
	s->coefficients = ml_alloc(ctx, input->design->n_terms, sizeof(double));
	if (s->coefficients == NULL)
		return ml_no_memory(err);
	if (s->params.alpha == 0)
	{
		ml_status	status = ml_extreme_rows(ctx, &s->extreme, input->design, &s->ordinary, err);

		if (status != ML_OK)
			return status;
	}
	/* Koenker's rule, of the R package quantreg. */
	s->wanted = (size_t) (sqrt(input->design->n_terms + 1.0) * pow(n, 2.0 / 3));
	if (input->design->rows >= MANY_ROWS && s->wanted < input->design->rows / 4)
		return begin_many(s, err);
	return solve(s, s->design, WHOLE, err);
}

static ml_coefficient
reported(const quantile_state *s, int term, double estimate, size_t place)
{
	double		error = s->std_errors ? s->std_errors[place] : NAN;

	return (ml_coefficient) {0, term, estimate, error, estimate / error, ml_t_two_sided(estimate / error, s->df), false};
}

static ml_status
quantile_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	quantile_state *s = state;
	ml_quantile_result r = ml_quantile_solution(s->solver);
	size_t		p = s->design->n_terms;
	int			intercept = s->params.fit_intercept ? 1 : 0;
	int			nonzero = 0;
	ml_status	status;

	memcpy(s->coefficients, r.coefficients, p * sizeof(double));
	if (!ml_extreme_to_terms(&s->extreme, s->coefficients, (int) p) ||
		(s->std_errors != NULL && !ml_extreme_to_terms(&s->extreme, s->std_errors, (int) p)))
		return ml_fail(err, ML_BAD_DATA, "Scale the features up.", "the coefficients overflow");
	status = ml_model_set_linear(model, ML_LINK_IDENTITY, s->coefficients, &r.intercept, err);
	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, p + intercept, err);
	if (status != ML_OK)
		return status;
	if (intercept)
		report->coefficients[0] = reported(s, -1, r.intercept, p);
	for (size_t j = 0; j < p; j++)
	{
		bool		aliased = s->params.alpha == 0 && r.dropped[j];

		report->coefficients[j + intercept] = reported(s, (int) j, aliased ? NAN : s->coefficients[j], j);
		report->n_aliased += aliased;
		nonzero += r.coefficients[j] != 0;
	}
	report->iterations = s->iterations + r.iterations;
	report->converged = r.converged;
	ml_report_fact(report, "objective", s->phase == WHOLE ? r.objective : s->objective);
	if (s->params.alpha > 0)
		ml_report_fact(report, "nonzero", nonzero);
	if (s->std_errors)
		ml_report_fact(report, "df_residual", s->df);
	return ML_OK;
}

static void
quantile_end(void *state)
{
	quantile_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_quantile_free(s->solver);
	ml_weighted_free(&s->rounds);
	ml_free(&ctx, s->theta);
	ml_free(&ctx, s->distances);
	ml_free(&ctx, s->sides);
	ml_extreme_clear(&ctx, &s->extreme);
	ml_free(&ctx, s->coefficients);
	ml_free(&ctx, s->part);
	ml_free(&ctx, s->cross);
	ml_free(&ctx, s->std_errors);
	ml_free(&ctx, s);
}

static bool
without_penalty(const double *params)
{
	return params[PARAM_ALPHA] == 0;
}

static const char *
quantile_check(const double *params)
{
	return params[PARAM_QUANTILE] >= 1 ? "parameter \"quantile\" must be below 1" : NULL;
}

const ml_estimator ml_estimator_quantile_regression = {
	.name = "quantile_regression", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_ROWS,
	.n_params = sizeof(quantile_specs) / sizeof(quantile_specs[0]), .params = quantile_specs, .needs_reference = without_penalty,
	.check = quantile_check, .begin = quantile_begin, .step = quantile_step, .finish = quantile_finish, .end = quantile_end
};
