/*
 * ml_linear.c: least squares and ridge from moments or from rows.
 *
 * From moments the normal equations are solved with a Cholesky factor of the matrix scaled to a unit diagonal and one
 * step of refinement.  The square of the condition number enters, which centring and scaling keep small for usual data.
 * From rows the columns are centred and scaled, factored by Householder QR, and the solution is refined with residuals
 * in extended precision (Björck 1967, "Iterative refinement of linear least squares solutions").
 */
#include "ml/ml_linear.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_solve.h"

/* Below this share of its own variance a column counts as determined by those before it: from moments, from rows. */
#define GRAM_TOLERANCE	1e-12
#define ROWS_TOLERANCE	1e-11	/* of the norm, so 1e-22 of the variance */

static ml_status
no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}

static ml_status
start_fit(const ml_ctx *ctx, ml_linear_fit *fit, int n_terms, ml_error *err)
{
	memset(fit, 0, sizeof(*fit));
	fit->n_terms = n_terms;
	fit->coefficients = ml_alloc_zero(ctx, n_terms, sizeof(double));
	fit->std_errors = ml_alloc_zero(ctx, n_terms, sizeof(double));
	fit->aliased = ml_alloc_zero(ctx, n_terms, 1);
	fit->intercept_std_error = NAN;
	if (fit->coefficients == NULL || fit->std_errors == NULL || fit->aliased == NULL)
		return no_memory(err);
	memset(fit->aliased, 1, n_terms);
	for (int i = 0; i < n_terms; i++)
		fit->std_errors[i] = NAN;
	return ML_OK;
}

void
ml_linear_free(const ml_ctx *ctx, ml_linear_fit *fit)
{
	ml_free(ctx, fit->coefficients);
	ml_free(ctx, fit->std_errors);
	ml_free(ctx, fit->aliased);
	memset(fit, 0, sizeof(*fit));
}

/* What follows from rss, tss and the rank. */
static void
summarise(ml_linear_fit *fit, const ml_linear_params *params)
{
	double		total_df = (double) fit->rows - 1;

	fit->df = (double) fit->rows - fit->rank - (params->fit_intercept ? 1 : 0);
	fit->sigma = fit->df > 0 ? sqrt(fit->rss / fit->df) : NAN;
	fit->r2 = fit->tss > 0 ? 1 - fit->rss / fit->tss : NAN;
	fit->adjusted_r2 = fit->df > 0 ? 1 - (1 - fit->r2) * total_df / fit->df : NAN;
	fit->f_statistic = NAN;
	if (params->alpha == 0 && params->fit_intercept && fit->rank > 0 && fit->df > 0 && fit->rss > 0)
		fit->f_statistic = (fit->tss - fit->rss) / fit->rank / (fit->rss / fit->df);
}

/* Standard errors from the inverse of the (centred) cross products. */
static void
set_std_errors(ml_linear_fit *fit, const ml_linear_params *params, const double *inverse, const double *mean)
{
	size_t		n = fit->n_terms;
	double		quadratic = 0;

	if (!(fit->df > 0))
		return;
	for (size_t i = 0; i < n; i++)
	{
		if (!fit->aliased[i])
			fit->std_errors[i] = fit->sigma * sqrt(inverse[i * n + i]);
		quadratic += mean[i] * ml_dot(inverse + i * n, mean, n);
	}
	if (params->fit_intercept)
		fit->intercept_std_error = fit->sigma * sqrt(1 / fit->weight + quadratic);
}

double
ml_linear_rss(const ml_gram *gram, const double *coefficients, double intercept)
{
	size_t		n = gram->n;
	size_t		y = n - 1;
	double		offset = gram->mean[y] - intercept;
	double		sum = 0;

	/* v' C v with v = (-coefficients, 1), and the mean residual. */
	for (size_t i = 0; i < n; i++)
	{
		const double *row = gram->moments + i * n;
		double		product = row[y] - ml_dot(row, coefficients, y);

		sum += (i == y ? 1 : -coefficients[i]) * product;
	}
	offset -= ml_dot(gram->mean, coefficients, y);
	return fmax(sum, 0) + gram->weight * offset * offset;
}

/* The matrix and right-hand side of the normal equations, out of the Gram, whose last variable is the target. */
static void
normal_equations(const ml_gram *gram, bool centred, double *matrix, double *right)
{
	size_t		p = gram->n - 1;
	size_t		n = gram->n;

	for (size_t i = 0; i < p; i++)
	{
		double		shift = centred ? 0 : gram->weight * gram->mean[i];

		for (size_t j = 0; j < p; j++)
			matrix[i * p + j] = gram->moments[i * n + j] + shift * gram->mean[j];
		right[i] = gram->moments[i * n + p] + shift * gram->mean[p];
	}
}

/* One step of refinement with residuals in extended precision. */
static void
refine(const ml_cholesky *factor, const double *matrix, double alpha, const double *right, double *solution,
	   double *residual, double *work)
{
	size_t		p = factor->n;

	for (size_t i = 0; i < p; i++)
	{
		long double sum = right[i];

		for (size_t j = 0; j < p; j++)
			sum -= (long double) matrix[i * p + j] * solution[j];
		residual[i] = (double) (sum - (long double) alpha * solution[i]);
	}
	ml_cholesky_solve(factor, residual, residual, work);
	for (size_t i = 0; i < p; i++)
		solution[i] += residual[i];
}

/* scratch is (p, p) + 3 p doubles. */
static ml_status
solve_gram(const ml_ctx *ctx, const ml_gram *gram, const ml_linear_params *params, ml_linear_fit *fit,
		   ml_cholesky *factor, double *scratch, ml_error *err)
{
	size_t		p = fit->n_terms;
	double	   *matrix = scratch;
	double	   *right = matrix + p * p;
	double	   *residual = right + p;
	double	   *work = residual + p;
	ml_status	status;

	normal_equations(gram, params->fit_intercept, matrix, right);
	status = ml_cholesky_make(ctx, factor, matrix, (int) p, params->alpha, GRAM_TOLERANCE, err);
	if (status != ML_OK)
		return status;
	ml_cholesky_solve(factor, right, fit->coefficients, work);
	refine(factor, matrix, params->alpha, right, fit->coefficients, residual, work);
	fit->rank = factor->rank;
	fit->smallest_pivot = ml_cholesky_smallest_pivot(factor);
	for (int i = 0; i < factor->rank; i++)
		fit->aliased[factor->kept[i]] = 0;
	if (params->fit_intercept)
		fit->intercept = gram->mean[p] - ml_dot(gram->mean, fit->coefficients, p);
	fit->rss = ml_linear_rss(gram, fit->coefficients, fit->intercept);
	fit->tss = gram->moments[p * (p + 1) + p];
	summarise(fit, params);
	if (params->alpha > 0)
		return ML_OK;
	status = ml_cholesky_inverse(ctx, factor, matrix, err);
	if (status == ML_OK)
		set_std_errors(fit, params, matrix, gram->mean);
	return status;
}

ml_status
ml_linear_from_gram(const ml_ctx *ctx, const ml_gram *gram, const ml_linear_params *params, ml_linear_fit *fit,
					ml_error *err)
{
	size_t		p = gram->n - 1;
	double	   *scratch = ml_alloc(ctx, p * p + 3 * p, sizeof(double));
	ml_cholesky factor = {0};
	ml_status	status = start_fit(ctx, fit, (int) p, err);

	if (status == ML_OK && scratch == NULL)
		status = no_memory(err);
	if (status == ML_OK && gram->rows == 0)
		status = ml_fail(err, ML_BAD_DATA, NULL, "there are no rows");
	if (status == ML_OK)
	{
		fit->rows = gram->rows;
		fit->weight = gram->weight;
		status = solve_gram(ctx, gram, params, fit, &factor, scratch, err);
	}
	ml_cholesky_free(ctx, &factor);
	ml_free(ctx, scratch);
	return status;
}

/* ---- from rows ----------------------------------------------------------------------------------------------- */

typedef struct rows_problem
{
	size_t		n;
	size_t		p;
	const double *weights;		/* NULL: 1 */
	double		weight;
	double	   *mean;			/* (p) 0 without intercept */
	double		y_mean;
	double	   *scale;			/* (p) by which the factored columns were divided */
	const double *y;
	double	   *original;		/* (n, p) a copy of x, centred */
	double	   *residual;		/* (n) */
	double	   *step;			/* (p) */
	double	   *inverse;		/* (p, p) */
} rows_problem;

static double
weight_of(const rows_problem *r, size_t row)
{
	return r->weights ? r->weights[row] : 1;
}

/* The weighted mean of a column, in extended precision. */
static double
column_mean(const rows_problem *r, const double *column)
{
	long double sum = 0;

	for (size_t i = 0; i < r->n; i++)
		sum += (long double) weight_of(r, i) * column[i];
	return (double) (sum / r->weight);
}

/* Centres the columns of x, keeps a copy, then scales them by root weight and to norm 1. */
static void
prepare_rows(rows_problem *r, double *x, bool centre)
{
	long double total = 0;

	for (size_t i = 0; i < r->n; i++)
		total += weight_of(r, i);
	r->weight = (double) total;
	r->y_mean = centre ? column_mean(r, r->y) : 0;
	for (size_t j = 0; j < r->p; j++)
	{
		double	   *column = x + j * r->n;
		long double squares = 0;

		r->mean[j] = centre ? column_mean(r, column) : 0;
		for (size_t i = 0; i < r->n; i++)
			column[i] -= r->mean[j];
		memcpy(r->original + j * r->n, column, r->n * sizeof(double));
		for (size_t i = 0; i < r->n; i++)
		{
			column[i] *= sqrt(weight_of(r, i));
			squares += (long double) column[i] * column[i];
		}
		r->scale[j] = squares > 0 ? (double) sqrtl(squares) : 1;
		for (size_t i = 0; i < r->n; i++)
			column[i] /= r->scale[j];
	}
}

/* residual = root weight * (y - y mean - x b), calculated in extended precision; returns its sum of squares. */
static double
residuals(const rows_problem *r, const double *coefficients)
{
	long double squares = 0;

	for (size_t i = 0; i < r->n; i++)
	{
		long double sum = (long double) r->y[i] - r->y_mean;

		for (size_t j = 0; j < r->p; j++)
			sum -= (long double) r->original[j * r->n + i] * coefficients[j];
		sum *= sqrtl(weight_of(r, i));
		r->residual[i] = (double) sum;
		squares += sum * sum;
	}
	return (double) squares;
}

static ml_status
solve_rows(const ml_ctx *ctx, rows_problem *r, double *x, const ml_linear_params *params, ml_linear_fit *fit,
		   ml_qr *qr, ml_error *err)
{
	ml_status	status;
	long double intercept;

	prepare_rows(r, x, params->fit_intercept);
	status = ml_qr_make(ctx, qr, x, r->n, (int) r->p, ROWS_TOLERANCE, err);
	if (status != ML_OK)
		return status;
	fit->rank = qr->rank;
	for (int i = 0; i < qr->rank; i++)
		fit->aliased[qr->kept[i]] = 0;
	/* The first round solves, the next two refine. */
	for (int round = 0; round < 3; round++)
	{
		residuals(r, fit->coefficients);
		ml_qr_solve(qr, r->residual, r->step);
		for (size_t j = 0; j < r->p; j++)
			fit->coefficients[j] += r->step[j] / r->scale[j];
	}
	fit->rss = residuals(r, fit->coefficients);
	memset(r->step, 0, r->p * sizeof(double));
	intercept = r->y_mean;
	for (size_t j = 0; j < r->p; j++)
		intercept -= (long double) r->mean[j] * fit->coefficients[j];
	fit->intercept = params->fit_intercept ? (double) intercept : 0;
	fit->weight = r->weight;
	status = ml_qr_inverse(ctx, qr, r->inverse, err);
	if (status != ML_OK)
		return status;
	for (size_t i = 0; i < r->p; i++)
		for (size_t j = 0; j < r->p; j++)
			r->inverse[i * r->p + j] /= r->scale[i] * r->scale[j];
	return ML_OK;
}

/* The sum of squares of the target about its mean, whatever the model. */
static double
total_squares(const rows_problem *r)
{
	double		mean = column_mean(r, r->y);
	long double squares = 0;

	for (size_t i = 0; i < r->n; i++)
		squares += (long double) weight_of(r, i) * (r->y[i] - (long double) mean) * (r->y[i] - (long double) mean);
	return (double) squares;
}

ml_status
ml_linear_from_rows(const ml_ctx *ctx, double *x, const double *y, const double *weights, size_t n, int n_terms,
					const ml_linear_params *params, ml_linear_fit *fit, ml_error *err)
{
	size_t		p = n_terms;
	rows_problem r = {.n = n, .p = p, .weights = weights, .y = y};
	ml_qr		qr = {0};
	ml_status	status = start_fit(ctx, fit, n_terms, err);

	if (status == ML_OK && (n == 0 || params->alpha != 0))
		status = ml_fail(err, n == 0 ? ML_BAD_DATA : ML_BAD_PARAM, NULL, n == 0 ? "there are no rows" : "alpha is not 0");
	if (status != ML_OK)
		return status;
	r.mean = ml_alloc(ctx, p, sizeof(double));
	r.scale = ml_alloc(ctx, p, sizeof(double));
	r.original = ml_alloc(ctx, n * p, sizeof(double));
	r.residual = ml_alloc(ctx, n, sizeof(double));
	r.step = ml_alloc(ctx, p, sizeof(double));
	r.inverse = ml_alloc(ctx, p * p, sizeof(double));
	if (!r.mean || !r.scale || !r.original || !r.residual || !r.step || !r.inverse)
		status = no_memory(err);
	else
		status = solve_rows(ctx, &r, x, params, fit, &qr, err);
	if (status == ML_OK)
	{
		fit->rows = (int64_t) n;
		fit->tss = total_squares(&r);
		fit->smallest_pivot = 1;
		summarise(fit, params);
		set_std_errors(fit, params, r.inverse, r.mean);
	}
	ml_qr_free(ctx, &qr);
	ml_free(ctx, r.mean);
	ml_free(ctx, r.scale);
	ml_free(ctx, r.original);
	ml_free(ctx, r.residual);
	ml_free(ctx, r.step);
	ml_free(ctx, r.inverse);
	return status;
}
