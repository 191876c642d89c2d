/*
 * ml_irls_describe.c: what a fit without a penalty tells beside its coefficients, from a round at the solution.
 */
#include "ml/ml_irls_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_collinear.h"
#include "ml/ml_kernels.h"

/* Keeps the information at the solution: its factor, its inverse, what it is about. */
static ml_status
keep_information(ml_irls *l, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_collinear collinear;
	ml_status	status;

	ml_irls_make_hessian(l);
	ml_cholesky_free(&l->ctx, &l->information);
	status = ml_cholesky_make(&l->ctx, &l->information, l->gram.moments, (int) p, 0, ML_IRLS_TOLERANCE, err);
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
ml_status
ml_irls_describe_fit(ml_irls *l, ml_error *err)
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
