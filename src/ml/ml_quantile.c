/*
 * ml_quantile.c: the interior point method of quantile regression.
 *
 * The problem is a linear programme; its dual, max y'a with X'a = X'(1 - q)w and 0 <= a <= w, is solved by the
 * interior point method of Portnoy and Koenker (1997, "The Gaussian hare and the Laplacian tortoise"): Mehrotra's predictor and corrector,
 * each of which is a weighted least squares problem.  The penalty is one more row for each coefficient, of quantile 1/2.  At
 * the end the solution is moved to the vertex next to it: the rows that the plane goes through determine it to all digits.
 *
 * Letters are those of the paper: a the dual, s = w - a, z and u their multipliers (u is w there).
 */
#include "ml/ml_quantile.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_solve.h"
#include "ml/ml_weighted.h"

#define NEARLY_ALL 0.9995		/* of the way to the border */
#define DEPENDENT 1e-11			/* of a pivot of the first least squares: the term is left out */
#define VERTEX_MOST 300			/* coefficients up to which a vertex is looked for */
#define CANDIDATES 6			/* rows looked at for each coefficient of the vertex */

typedef enum phase
{
	FIRST = 0,					/* least squares */
	RESIDUALS,					/* and from it where to begin */
	PREDICT,					/* products for the predictor */
	PREDICT_STEP,				/* how far it may go */
	CORRECT,					/* right side of the corrector */
	CORRECT_STEP,
	AT_SOLUTION,				/* residuals of the solution */
	AT_VERTEX					/* and of the vertex */
} phase;

enum
{
	SUM_PRIMAL = 0,				/* sum of w rho(r) */
	SUM_GAP,					/* a z + s u … */
	SUM_GAP_AFTER,				/* … as it was, for the full steps: terms of 1 … */
	SUM_ONE_PRIMAL,				/* … of the primal step, of the dual's … */
	SUM_ONE_DUAL,
	SUM_BOTH					/* … and of both */
};

enum
{
	LEAST_PRIMAL = 0,			/* steps to the border */
	LEAST_DUAL
};

/* What the interior point method keeps for each row, penalty rows last. */
typedef struct dual_row
{
	double		a;
	double		s;
	double		z;
	double		u;
	double		da;				/* steps; ds is -da */
	double		dz;
	double		du;
	double		dadz;			/* of the predictor */
	double		dsdu;
} dual_row;

struct ml_quantile
{
	ml_ctx		ctx;
	ml_weighted rounds;
	bool		wants_vertex;
	double		alpha;
	double		quantile;
	bool		fit_intercept;
	double		tol;
	int			max_iter;
	phase		phase;
	size_t		n;				/* rows and penalty rows */
	dual_row   *rows;			/* (n) */
	double	   *theta;			/* (p + 1) coefficients and the level at the means */
	double	   *dtheta;			/* (p + 1) */
	double	   *right;			/* (p + 1) */
	double	   *work;			/* (p + 1) */
	double	   *residuals;		/* (design rows) of the solution */
	double	   *vertex;			/* (p + 1) */
	ml_cholesky factor;
	double		mu;
	double		primal_share;
	double		dual_share;
	double		primal;			/* objective at theta */
	double		previous_gap;
	int			stalled;
	int			iterations;
	bool		converged;
	double	   *coefficients;	/* (p) */
};

static double
check_loss(double quantile, double r)
{
	return r >= 0 ? quantile * r : (quantile - 1) * r;
}

/* ---- rows: those of the design in rounds, penalty rows by themselves ------------------------------------------------ */

/* Residual of a row at coefficients: y - z'theta. */
static double
residual_of(const ml_quantile *s, const ml_weighted_block *b, size_t i, const double *theta)
{
	return s->rounds.design->target[b->first + i] - ml_dot(b->z + i * b->stride, theta, s->rounds.p + 1);
}

static void
look_first(void *arg, ml_weighted_block *b)
{
	ml_quantile *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		b->d[i] = ml_design_weight(s->rounds.design, b->first + i);
		b->v[i] = b->d[i] * s->rounds.design->target[b->first + i];
	}
}

/* Feasible a, and multipliers by the sign of the residual. */
static void
begin_row(dual_row *row, double weight, double quantile, double r, double small)
{
	row->a = (1 - quantile) * weight;
	row->s = quantile * weight;
	/* The dual of the paper has -y: its multiplier z belongs to residuals below 0, u to those above. */
	row->z = (r < 0 ? -r : 0) + small;
	row->u = (r > 0 ? r : 0) + small;
}

static void
look_begin(void *arg, ml_weighted_block *b)
{
	ml_quantile *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		double		r = residual_of(s, b, i, s->theta);
		double		weight = ml_design_weight(s->rounds.design, b->first + i);

		s->residuals[b->first + i] = r;
		b->sums[SUM_PRIMAL] += weight * check_loss(s->quantile, r);
		b->sums[SUM_GAP] += weight * fabs(r);
	}
}

static double
curvature(const dual_row *row)
{
	return 1 / (row->z / row->a + row->u / row->s);
}

static void
look_predict(void *arg, ml_weighted_block *b)
{
	ml_quantile *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		const dual_row *row = &s->rows[b->first + i];

		b->d[i] = curvature(row);
		b->v[i] = b->d[i] * (row->u - row->z);
	}
}

/* How far a value may go with a step before it is 0. */
static double
room(double value, double step)
{
	return step < 0 ? -value / step : 1e20;
}

static void
measure_step(const dual_row *row, double *least)
{
	least[LEAST_PRIMAL] = fmin(least[LEAST_PRIMAL], fmin(room(row->a, row->da), room(row->s, -row->da)));
	least[LEAST_DUAL] = fmin(least[LEAST_DUAL], fmin(room(row->z, row->dz), room(row->u, row->du)));
}

/* The predictor's step of a row for the change `change` of its linear predictor. */
static void
predict_row(dual_row *row, double change, double *sums, double *least)
{
	row->da = curvature(row) * (row->u - row->z - change);
	row->dz = -row->z * (1 + row->da / row->a);
	row->du = -row->u * (1 - row->da / row->s);
	row->dadz = row->da * row->dz;
	row->dsdu = -row->da * row->du;
	measure_step(row, least);
	sums[SUM_GAP] += row->a * row->z + row->s * row->u;
	sums[SUM_ONE_PRIMAL] += row->da * (row->z - row->u);
	sums[SUM_ONE_DUAL] += row->a * row->dz + row->s * row->du;
	sums[SUM_BOTH] += row->dadz + row->dsdu;
}

static void
look_predict_step(void *arg, ml_weighted_block *b)
{
	ml_quantile *s = arg;

	for (size_t i = 0; i < b->n; i++)
		predict_row(&s->rows[b->first + i], ml_dot(b->z + i * b->stride, s->dtheta, s->rounds.p + 1), b->sums, b->least);
}

/* What the corrector adds to the residual of a row. */
static double
correction(const dual_row *row, double mu)
{
	return (mu - row->dadz) / row->a - (mu - row->dsdu) / row->s;
}

static void
look_correct(void *arg, ml_weighted_block *b)
{
	ml_quantile *s = arg;

	for (size_t i = 0; i < b->n; i++)
	{
		const dual_row *row = &s->rows[b->first + i];

		b->v[i] = curvature(row) * (row->u - row->z + correction(row, s->mu));
	}
}

static void
correct_row(dual_row *row, double change, double mu, double *least)
{
	row->da = curvature(row) * (row->u - row->z + correction(row, mu) - change);
	row->dz = (mu - row->dadz - row->z * row->da) / row->a - row->z;
	row->du = (mu - row->dsdu + row->u * row->da) / row->s - row->u;
	measure_step(row, least);
}

static void
look_correct_step(void *arg, ml_weighted_block *b)
{
	ml_quantile *s = arg;

	for (size_t i = 0; i < b->n; i++)
		correct_row(&s->rows[b->first + i], ml_dot(b->z + i * b->stride, s->dtheta, s->rounds.p + 1), s->mu, b->least);
}

static void
look_at_vertex(void *arg, ml_weighted_block *b)
{
	ml_quantile *s = arg;

	for (size_t i = 0; i < b->n; i++)
		b->sums[SUM_PRIMAL] += ml_design_weight(s->rounds.design, b->first + i) * check_loss(s->quantile, residual_of(s, b, i, s->vertex));
}

/* ---- phases -------------------------------------------------------------------------------------------------------- */

/* The penalty row of term j. */
static dual_row *
penalty_row(const ml_quantile *s, size_t j)
{
	return &s->rows[s->rounds.design->rows + j];
}

static double
sizes(const ml_quantile *s, const double *theta)
{
	double		sum = 0;

	for (size_t j = 0; j < s->rounds.p; j++)
		sum += fabs(theta[j]);
	return s->alpha * s->rounds.weight * sum;
}

/* Least squares to start from; terms that depend on others are left out from here on. */
static ml_status
end_first(ml_quantile *s, ml_error *err)
{
	ml_weighted *w = &s->rounds;
	ml_status	status = ml_cholesky_make(&s->ctx, &s->factor, w->matrix, (int) w->width, 0, DEPENDENT, err);
	int			kept = 0;

	if (status != ML_OK)
		return status;
	ml_cholesky_solve(&s->factor, w->total, s->theta, s->work);
	for (size_t j = 0; j < w->p; j++)
	{
		bool		found = kept < s->factor.rank && s->factor.kept[kept] == (int) j;

		kept += found;
		w->dropped[j] = !found;
	}
	s->phase = RESIDUALS;
	return ML_MORE;
}

/* Multipliers by the residuals of least squares. */
static ml_status
end_residuals(ml_quantile *s, ml_error *err)
{
	const ml_design *design = s->rounds.design;
	double		mean = s->rounds.sums[SUM_GAP] / s->rounds.weight;

	if (!isfinite(mean))
		return ml_fail(err, ML_BAD_DATA, "Scale the columns down.", "the sums of squares overflow");
	if (mean == 0)
	{
		s->converged = true;	/* nothing is left to explain */
		if (s->alpha == 0)
			return ML_DONE;
		for (size_t j = 0; j < s->rounds.p; j++)
			mean += 1e-6 * fabs(s->theta[j]) * s->rounds.spread[j];
		mean = mean > 0 ? mean : 1;
	}
	for (size_t i = 0; i < design->rows; i++)
		begin_row(&s->rows[i], ml_design_weight(design, i), s->quantile, s->residuals[i], 0.001 * mean);
	for (size_t j = 0; j < s->rounds.p && s->alpha > 0; j++)
		begin_row(penalty_row(s, j), 2 * s->alpha * s->rounds.weight, 0.5, s->rounds.dropped[j] ? 0 : -s->theta[j], 0.001 * mean);
	s->previous_gap = INFINITY;
	s->phase = PREDICT;
	return ML_MORE;
}

/* Solves for the change of the coefficients, with the rows of the penalty. */
static ml_status
end_predict(ml_quantile *s, ml_error *err)
{
	ml_weighted *w = &s->rounds;
	ml_status	status;

	memcpy(s->right, w->total, w->width * sizeof(double));
	for (size_t j = 0; j < w->p && s->alpha > 0; j++)
		if (!w->dropped[j])
		{
			const dual_row *row = penalty_row(s, j);

			w->matrix[j * (w->width + 1)] += curvature(row);
			s->right[j] += curvature(row) * (row->u - row->z);
		}
	ml_cholesky_free(&s->ctx, &s->factor);
	status = ml_cholesky_make(&s->ctx, &s->factor, w->matrix, (int) w->width, 0, 1e-15, err);
	if (status != ML_OK)
		return status;
	ml_cholesky_solve(&s->factor, s->right, s->dtheta, s->work);
	s->phase = PREDICT_STEP;
	return ML_MORE;
}

static void
take_shares(ml_quantile *s, const double *least)
{
	s->primal_share = fmin(NEARLY_ALL * least[LEAST_PRIMAL], 1);
	s->dual_share = fmin(NEARLY_ALL * least[LEAST_DUAL], 1);
}

/* Goes the step, and tells whether the gap is closed. */
static ml_status
move(ml_quantile *s)
{
	double		gap = 0;

	for (size_t j = 0; j <= s->rounds.p; j++)
		s->theta[j] += s->dual_share * s->dtheta[j];
	for (size_t i = 0; i < s->n; i++)
	{
		dual_row   *row = &s->rows[i];

		if (i >= s->rounds.design->rows && (s->alpha == 0 || s->rounds.dropped[i - s->rounds.design->rows]))
			continue;
		row->a += s->primal_share * row->da;
		row->s -= s->primal_share * row->da;
		row->z += s->dual_share * row->dz;
		row->u += s->dual_share * row->du;
		gap += row->a * row->z + row->s * row->u;
	}
	s->iterations++;
	s->stalled = gap > 0.9 * s->previous_gap ? s->stalled + 1 : 0;
	s->previous_gap = gap;
	s->converged = gap <= s->tol * s->primal;
	s->phase = s->converged || s->stalled > 5 || s->iterations >= s->max_iter || !isfinite(gap) ? AT_SOLUTION : PREDICT;
	return ML_MORE;
}

static ml_status
end_predict_step(ml_quantile *s)
{
	double	   *sums = s->rounds.sums;
	double		gap;
	double		after;

	for (size_t j = 0; j < s->rounds.p && s->alpha > 0; j++)
		if (!s->rounds.dropped[j])
			predict_row(penalty_row(s, j), s->dtheta[j], sums, s->rounds.least);
	take_shares(s, s->rounds.least);
	if (s->primal_share >= 1 && s->dual_share >= 1)
		return move(s);
	gap = sums[SUM_GAP];
	after = gap + s->primal_share * sums[SUM_ONE_PRIMAL] + s->dual_share * sums[SUM_ONE_DUAL] +
		s->primal_share * s->dual_share * sums[SUM_BOTH];
	s->mu = gap * pow(fmax(after, 0) / gap, 3) / (2 * (double) s->n);
	s->phase = CORRECT;
	return ML_MORE;
}

static ml_status
end_correct(ml_quantile *s)
{
	memcpy(s->right, s->rounds.total, s->rounds.width * sizeof(double));
	for (size_t j = 0; j < s->rounds.p && s->alpha > 0; j++)
		if (!s->rounds.dropped[j])
		{
			const dual_row *row = penalty_row(s, j);

			s->right[j] += curvature(row) * (row->u - row->z + correction(row, s->mu));
		}
	ml_cholesky_solve(&s->factor, s->right, s->dtheta, s->work);
	s->phase = CORRECT_STEP;
	return ML_MORE;
}

static ml_status
end_correct_step(ml_quantile *s)
{
	for (size_t j = 0; j < s->rounds.p && s->alpha > 0; j++)
		if (!s->rounds.dropped[j])
			correct_row(penalty_row(s, j), s->dtheta[j], s->mu, s->rounds.least);
	take_shares(s, s->rounds.least);
	return move(s);
}

/* ---- the vertex ---------------------------------------------------------------------------------------------------- */

typedef struct candidate
{
	double		slack;			/* how far from both borders, as a share of the weight: greater is likelier */
	size_t		row;
} candidate;

/* The `most` rows of greatest slack, by insertion; the first of equal ones stays. */
static int
choose_candidates(const ml_quantile *s, candidate *best, int most)
{
	int			count = 0;

	for (size_t i = 0; i < s->n; i++)
	{
		const dual_row *row = &s->rows[i];
		double		slack = fmin(row->a, row->s) / (row->a + row->s);
		int			at;

		if (i >= s->rounds.design->rows && (s->alpha == 0 || s->rounds.dropped[i - s->rounds.design->rows]))
			continue;
		if (!(slack > 0) || (count == most && slack <= best[count - 1].slack))
			continue;
		at = count < most ? count++ : count - 1;
		for (; at > 0 && best[at - 1].slack < slack; at--)
			best[at] = best[at - 1];
		best[at] = (candidate) {slack, i};
	}
	return count;
}

/* One equation: the row's z and its target. */
static void
write_equation(const ml_quantile *s, size_t row, long double *equation)
{
	const ml_weighted *w = &s->rounds;
	size_t		width = w->width;

	for (size_t j = 0; j <= width; j++)
		equation[j] = 0;
	if (row >= w->design->rows)
	{
		equation[row - w->design->rows] = 1;
		return;
	}
	for (size_t j = 0; j < w->p; j++)
		equation[j] = w->dropped[j] ? 0 : (long double) w->design->x[row * w->design->stride + j] - w->mean[j];
	equation[w->p] = w->fit_intercept ? 1 : 0;
	equation[width] = w->design->target[row];
}

/*
 * Gaussian elimination that takes one candidate after the other while it brings something new, until there are as many as
 * coefficients.  False: there are not enough.  matrix is (width, width + 1), pivots (width).
 */
static bool
solve_vertex(ml_quantile *s, const candidate *candidates, int count, long double *matrix, int *pivots)
{
	size_t		width = s->rounds.width;
	size_t		cells = width + 1;
	int			wanted = s->factor.rank;
	int			found = 0;

	for (int c = 0; c < count && found < wanted; c++)
	{
		long double *row = matrix + found * cells;
		long double size = 0;
		size_t		pivot = 0;

		write_equation(s, candidates[c].row, row);
		for (size_t j = 0; j < width; j++)
			size = fmaxl(size, fabsl(row[j]) / (j < s->rounds.p && s->rounds.spread[j] > 0 ? s->rounds.spread[j] : 1));
		for (int k = 0; k < found; k++)
		{
			long double factor = row[pivots[k]];

			for (size_t j = 0; j < cells; j++)
				row[j] -= factor * matrix[k * cells + j];
		}
		for (size_t j = 1; j < width; j++)
			if (fabsl(row[j]) * (j < s->rounds.p ? s->rounds.spread[j] : 1) > fabsl(row[pivot]) * (pivot < s->rounds.p ? s->rounds.spread[pivot] : 1))
				pivot = j;
		if (!(fabsl(row[pivot]) / (pivot < s->rounds.p && s->rounds.spread[pivot] > 0 ? s->rounds.spread[pivot] : 1) > 1e-9L * size))
			continue;
		for (size_t j = cells; j-- > 0;)
			if (j != pivot)
				row[j] /= row[pivot];
		row[pivot] = 1;
		for (int k = 0; k < found; k++)
		{
			long double factor = matrix[k * cells + pivot];

			for (size_t j = 0; j < cells; j++)
				matrix[k * cells + j] -= factor * row[j];
		}
		pivots[found++] = (int) pivot;
	}
	memset(s->vertex, 0, width * sizeof(double));
	for (int k = 0; k < found; k++)
		s->vertex[pivots[k]] = (double) matrix[k * cells + width];
	return found == wanted;
}

/* At the solution: its objective is the round's; then the vertex beside it is tried. */
static ml_status
end_solution(ml_quantile *s, ml_error *err)
{
	size_t		width = s->rounds.width;
	int			most = CANDIDATES * (int) width;
	candidate  *candidates;
	long double *matrix;
	int		   *pivots;
	bool		found = false;

	s->primal = s->rounds.sums[SUM_PRIMAL] + sizes(s, s->theta);
	if (!s->wants_vertex || width > VERTEX_MOST)
		return ML_DONE;
	candidates = ml_alloc(&s->ctx, most, sizeof(candidate));
	matrix = ml_alloc(&s->ctx, width * (width + 1), sizeof(long double));
	pivots = ml_alloc(&s->ctx, width, sizeof(int));
	if (candidates != NULL && matrix != NULL && pivots != NULL)
		found = solve_vertex(s, candidates, choose_candidates(s, candidates, most), matrix, pivots);
	if (candidates == NULL || matrix == NULL || pivots == NULL)
	{
		ml_free(&s->ctx, candidates);
		ml_free(&s->ctx, matrix);
		ml_free(&s->ctx, pivots);
		return ml_no_memory(err);
	}
	ml_free(&s->ctx, candidates);
	ml_free(&s->ctx, matrix);
	ml_free(&s->ctx, pivots);
	s->phase = AT_VERTEX;
	return found ? ML_MORE : ML_DONE;
}

static ml_status
end_vertex(ml_quantile *s)
{
	double		primal = s->rounds.sums[SUM_PRIMAL] + sizes(s, s->vertex);

	if (primal <= s->primal * (1 + 1e-12))
	{
		s->primal = primal;
		memcpy(s->theta, s->vertex, s->rounds.width * sizeof(double));
	}
	return ML_DONE;
}

/* ---- from outside -------------------------------------------------------------------------------------------------- */

ml_status
ml_quantile_begin(const ml_ctx *ctx, const ml_design *design, const ml_quantile_params *params, ml_quantile **quantile, ml_error *err)
{
	ml_quantile *s = ml_alloc_zero(ctx, 1, sizeof(ml_quantile));
	size_t		width = (size_t) design->n_terms + 1;

	*quantile = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->alpha = params->alpha;
	s->quantile = params->quantile;
	s->fit_intercept = params->fit_intercept;
	s->tol = params->tol;
	s->max_iter = params->max_iter;
	s->wants_vertex = params->vertex;
	s->n = design->rows + (s->alpha > 0 ? design->n_terms : 0);
	s->rows = ml_alloc_zero(ctx, s->n, sizeof(dual_row));
	s->residuals = ml_alloc_zero(ctx, design->rows, sizeof(double));
	s->theta = ml_alloc_zero(ctx, width, sizeof(double));
	s->dtheta = ml_alloc_zero(ctx, width, sizeof(double));
	s->right = ml_alloc_zero(ctx, width, sizeof(double));
	s->work = ml_alloc_zero(ctx, width, sizeof(double));
	s->vertex = ml_alloc_zero(ctx, width, sizeof(double));
	s->coefficients = ml_alloc_zero(ctx, width, sizeof(double));
	if (!s->rows || !s->residuals || !s->theta || !s->dtheta || !s->right || !s->work || !s->vertex || !s->coefficients)
		return ml_no_memory(err);
	return ml_weighted_begin(ctx, &s->rounds, design, s->fit_intercept, false, err);
}

static void
start_round(ml_quantile *s)
{
	static const ml_weighted_look looks[] = {look_first, look_begin, look_predict, look_predict_step, look_correct, look_correct_step, look_begin,
	look_at_vertex};

	ml_weighted_start(&s->rounds, looks[s->phase], s, s->phase == FIRST || s->phase == PREDICT);
}

static ml_status
end_round(ml_quantile *s, ml_error *err)
{
	switch (s->phase)
	{
		case FIRST:
			return end_first(s, err);
		case RESIDUALS:
			s->primal = s->rounds.sums[SUM_PRIMAL] + sizes(s, s->theta);
			return end_residuals(s, err);
		case PREDICT:
			return end_predict(s, err);
		case PREDICT_STEP:
			return end_predict_step(s);
		case CORRECT:
			return end_correct(s);
		case CORRECT_STEP:
			return end_correct_step(s);
		case AT_SOLUTION:
			return end_solution(s, err);
		case AT_VERTEX:
			return end_vertex(s);
		default:
			return ML_DONE;
	}
}

ml_status
ml_quantile_step(ml_quantile *s, ml_error *err)
{
	if (s->rounds.pass.done == 0)
		start_round(s);
	return ml_weighted_step(&s->rounds) ? end_round(s, err) : ML_MORE;
}

ml_quantile_result
ml_quantile_solution(ml_quantile *s)
{
	ml_quantile_result result = {.coefficients = s->coefficients, .dropped = s->rounds.dropped, .objective = s->primal / s->rounds.weight,
	.iterations = s->iterations, .converged = s->converged};

	for (size_t j = 0; j < s->rounds.p; j++)
		s->coefficients[j] = s->rounds.dropped[j] ? 0 : s->theta[j];
	result.intercept = s->fit_intercept ? s->theta[s->rounds.p] - ml_dot(s->rounds.mean, s->coefficients, s->rounds.p) : 0;
	return result;
}

void
ml_quantile_free(ml_quantile *s)
{
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_weighted_free(&s->rounds);
	ml_cholesky_free(&ctx, &s->factor);
	ml_free(&ctx, s->rows);
	ml_free(&ctx, s->residuals);
	ml_free(&ctx, s->theta);
	ml_free(&ctx, s->dtheta);
	ml_free(&ctx, s->right);
	ml_free(&ctx, s->work);
	ml_free(&ctx, s->vertex);
	ml_free(&ctx, s->coefficients);
	ml_free(&ctx, s);
}
