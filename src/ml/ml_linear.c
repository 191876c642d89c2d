/*
 * ml_linear.c: least squares and ridge from moments or from rows.
 *
 * From moments the normal equations are solved with a Cholesky factor of the matrix scaled to a unit diagonal and one
 * step of refinement.  Without an intercept their matrix is S + n m m' for moments S about the means m; it is never added up, which would
 * take the digits of S where columns lie far from 0.  The square of the condition number enters, which centring and scaling keep small for usual data.
 * From rows the problem is factored by Householder QR in extended precision, so that what remains of an error is that
 * of the data's own rounding.
 */
#include "ml/ml_linear.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_solve.h"
#include "ml/ml_untangle.h"

#define STEPS 3					/* of refinement without an intercept, where the right-hand side has lost digits too */

/* Below this share of its own variance a column counts as determined by those before it: from moments, from rows. */
#define GRAM_TOLERANCE	1e-12
#define ROWS_TOLERANCE	ML_ALIAS_TOLERANCE	/* of the norm, so 1e-22 of the variance */

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
		return ml_no_memory(err);
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
	if (params->alpha == 0 && params->fit_intercept && fit->rank > 0 && fit->df > 0 && fit->rss > 0 && fit->tss > fit->rss)
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

/*
 * One step of refinement with residuals in extended precision; without an intercept the moments are about 0, and those about the means
 * do not lose their digits in theirs.
 */
static void
refine(const ml_cholesky *factor, const ml_gram *gram, const ml_linear_params *params, double *solution, double *residual, double *work)
{
	size_t		n = gram->n;
	size_t		p = n - 1;
	long double offset = 0;

	if (!params->fit_intercept)
	{
		offset = (long double) gram->mean[p] + gram->mean_rest[p];
		for (size_t j = 0; j < p; j++)
			offset -= ((long double) gram->mean[j] + gram->mean_rest[j]) * solution[j];
	}
	for (size_t i = 0; i < p; i++)
	{
		long double sum = gram->moments[i * n + p];

		for (size_t j = 0; j < p; j++)
			sum -= (long double) gram->moments[i * n + j] * solution[j];
		sum += offset * gram->weight * ((long double) gram->mean[i] + gram->mean_rest[i]);
		residual[i] = (double) (sum - (long double) params->alpha * solution[i]);
	}
	ml_cholesky_solve(factor, residual, residual, work);
	for (size_t i = 0; i < p; i++)
		solution[i] += residual[i];
}

/* The factor of the normal equations' matrix; matrix (p, p) becomes the moments among the terms. */
static ml_status
factor_gram(const ml_ctx *ctx, const ml_gram *gram, const ml_linear_params *params, double *matrix, ml_cholesky *factor, ml_error *err)
{
	size_t		p = gram->n - 1;

	for (size_t i = 0; i < p; i++)
		memcpy(matrix + i * p, gram->moments + i * gram->n, p * sizeof(double));
	if (params->fit_intercept)
		return ml_cholesky_make(ctx, factor, matrix, (int) p, params->alpha, GRAM_TOLERANCE, err);
	return ml_cholesky_make_sum(ctx, factor, matrix, gram->mean, gram->weight, (int) p, params->alpha, GRAM_TOLERANCE, err);
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
	ml_status	status = factor_gram(ctx, gram, params, matrix, factor, err);

	if (status != ML_OK)
		return status;
	for (size_t i = 0; i < p; i++)
		right[i] = gram->moments[i * gram->n + p] + (params->fit_intercept ? 0 : gram->weight * gram->mean[i] * gram->mean[p]);
	ml_cholesky_solve(factor, right, fit->coefficients, work);
	for (int i = 0; i < (params->fit_intercept ? 1 : STEPS); i++)
		refine(factor, gram, params, fit->coefficients, residual, work);
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
		status = ml_no_memory(err);
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

static long double
weight_of(const double *weights, size_t row)
{
	return weights ? (long double) weights[row] : 1;
}

/* The intercept's column if there is one, the terms and the target, times the root of the weight. */
static void
fill_rows(long double *a, long double *right, const double *x, const double *y, const double *weights, size_t n,
		  size_t p, bool intercept)
{
	for (size_t i = 0; i < n; i++)
		right[i] = weights ? sqrtl(weights[i]) : 1;
	if (intercept)
	{
		memcpy(a, right, n * sizeof(long double));
		a += n;
	}
	for (size_t j = 0; j < p; j++)
		for (size_t i = 0; i < n; i++)
			a[j * n + i] = right[i] * x[j * n + i];
	for (size_t i = 0; i < n; i++)
		right[i] *= y[i];
}

/* Total weight, and the weighted sum of squares of the target about its mean, whatever the model. */
static void
total_squares(const double *y, const double *weights, size_t n, ml_linear_fit *fit)
{
	long double weight = 0;
	long double mean = 0;
	long double squares = 0;

	for (size_t i = 0; i < n; i++)
	{
		weight += weight_of(weights, i);
		mean += weight_of(weights, i) * y[i];
	}
	mean /= weight;
	for (size_t i = 0; i < n; i++)
		squares += weight_of(weights, i) * (y[i] - mean) * (y[i] - mean);
	fit->weight = (double) weight;
	fit->tss = (double) squares;
}

/* From the factored problem to the fit; first is the column of the first term. */
static ml_status
read_solution(const ml_ctx *ctx, const ml_qr *qr, long double *right, long double *solution, double *diagonal,
			  const ml_linear_params *params, ml_linear_fit *fit, ml_error *err)
{
	int			first = params->fit_intercept ? 1 : 0;
	long double rss = 0;
	ml_status	status;

	ml_qr_solve(qr, right, solution);
	for (size_t i = qr->rank; i < qr->rows; i++)
		rss += right[i] * right[i];
	fit->rss = (double) rss;
	fit->rank = qr->rank - first;
	for (int k = first; k < qr->rank; k++)
		fit->aliased[qr->kept[k] - first] = 0;
	for (int j = 0; j < fit->n_terms; j++)
		fit->coefficients[j] = (double) solution[first + j];
	fit->intercept = first ? (double) solution[0] : 0;
	summarise(fit, params);
	status = ml_qr_inverse_diagonal(ctx, qr, diagonal, err);
	if (status != ML_OK || !(fit->df > 0))
		return status;
	for (int j = 0; j < fit->n_terms; j++)
		if (!fit->aliased[j])
			fit->std_errors[j] = fit->sigma * sqrt(diagonal[first + j]);
	if (first)
		fit->intercept_std_error = fit->sigma * sqrt(diagonal[0]);
	return ML_OK;
}

ml_status
ml_linear_from_rows(const ml_ctx *ctx, const double *x, const double *y, const double *weights, size_t n, int n_terms,
					const ml_linear_params *params, ml_linear_fit *fit, ml_error *err)
{
	int			columns = n_terms + (params->fit_intercept ? 1 : 0);
	ml_qr		qr = {0};
	ml_status	status = start_fit(ctx, fit, n_terms, err);
	long double *a = NULL;
	long double *right = NULL;
	long double *solution = NULL;
	double	   *diagonal = NULL;

	if (status == ML_OK && (n == 0 || params->alpha != 0))
		status = ml_fail(err, n == 0 ? ML_BAD_DATA : ML_BAD_PARAM, NULL, n == 0 ? "there are no rows" : "alpha is not 0");
	if (status != ML_OK)
		return status;
	a = ml_alloc(ctx, n * columns, sizeof(long double));
	right = ml_alloc(ctx, n, sizeof(long double));
	solution = ml_alloc(ctx, columns, sizeof(long double));
	diagonal = ml_alloc(ctx, columns, sizeof(double));
	if (!a || !right || !solution || !diagonal)
		status = ml_no_memory(err);
	if (status == ML_OK)
	{
		fit->rows = (int64_t) n;
		fit->smallest_pivot = 1;
		total_squares(y, weights, n, fit);
		fill_rows(a, right, x, y, weights, n, n_terms, params->fit_intercept);
		status = ml_qr_make(ctx, &qr, a, n, columns, columns - n_terms, ROWS_TOLERANCE, err);
	}
	if (status == ML_OK)
		status = read_solution(ctx, &qr, right, solution, diagonal, params, fit, err);
	ml_qr_free(ctx, &qr);
	ml_free(ctx, a);
	ml_free(ctx, right);
	ml_free(ctx, solution);
	ml_free(ctx, diagonal);
	return status;
}
