/*
 * ml_irls_describe.c: what a fit without a penalty tells beside its coefficients, from a round at the solution.
 */
#include "ml/ml_irls_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_collinear.h"
#include "ml/ml_kernels.h"

/*
 * Standard errors from the inverse of the information in rests, which becomes that in terms.  The intercept is the linear
 * predictor where all terms are 0.
 */
static void
set_std_errors(ml_irls *l, double factor)
{
	size_t		p = l->fit.n_terms;
	double		quadratic = 1 / l->gram.weight;
	double	   *centre = l->right;

	ml_untangle_origin(&l->untangle, centre);
	for (size_t i = 0; i < p; i++)
		centre[i] = l->gram.mean[i] - centre[i];
	for (size_t i = 0; i < p; i++)
		quadratic += centre[i] * ml_dot(l->inverse + i * p, centre, p);
	if (l->params.fit_intercept)
		l->fit.intercept_std_error = sqrt(factor * quadratic);
	ml_untangle_covariance(&l->untangle, l->inverse);
	for (size_t i = 0; i < p; i++)
	{
		double		variance = factor * l->inverse[i * (p + 1)];

		l->fit.std_errors[i] = !l->fit.aliased[i] && variance > 0 ? sqrt(variance) : NAN;
	}
}

/* The inverse of the information at the solution, and with it rank and aliased terms. */
static ml_status
invert_information(ml_irls *l, ml_error *err)
{
	ml_cholesky factor = {0};
	ml_status	status;

	ml_irls_make_hessian(l);
	status = ml_cholesky_make(&l->ctx, &factor, l->gram.moments, l->fit.n_terms, 0, ML_IRLS_TOLERANCE, err);
	if (status == ML_OK)
		status = ml_cholesky_inverse(&l->ctx, &factor, l->inverse, err);
	l->fit.rank = factor.rank;
	memset(l->fit.aliased, 1, l->fit.n_terms);
	for (int i = 0; i < factor.rank && status == ML_OK; i++)
		l->fit.aliased[factor.kept[i]] = 0;
	ml_cholesky_free(&l->ctx, &factor);
	return status;
}

/* What the round at the solution tells. */
ml_status
ml_irls_describe_fit(ml_irls *l, ml_error *err)
{
	ml_irls_fit *fit = &l->fit;
	bool		fixed = l->params.family.kind == ML_FAMILY_BINOMIAL || l->params.family.power == 1;
	ml_collinear collinear = {.vif = fit->vif};
	ml_status	status = invert_information(l, err);

	if (status != ML_OK)
		return status;
	fit->sums = l->total.measured;
	fit->fading_rows = l->total.fading_rows;
	fit->fading = l->total.fading;
	fit->df = (double) fit->rows - fit->rank - (l->params.fit_intercept ? 1 : 0);
	fit->dispersion = fixed ? 1 : fit->df > 0 ? fit->sums.pearson / fit->df : NAN;
	set_std_errors(l, fit->dispersion);
	ml_untangle_moments(&l->untangle, l->gram.moments);
	status = ml_collinear_make(&l->ctx, l->gram.moments, fit->n_terms, fit->n_terms, fit->aliased, l->untangle.n > 0 ? l->inverse : NULL,
							   &collinear, err);
	fit->condition = collinear.condition;
	if (!ml_extreme_to_terms(&l->extreme, fit->coefficients, fit->n_terms) || !ml_extreme_to_terms(&l->extreme, fit->std_errors, fit->n_terms))
		return ml_fail(err, ML_BAD_DATA, "Scale the features up.", "the coefficients overflow");
	if (l->residuals != NULL && status == ML_OK)
		ml_five_numbers(l->residuals, l->rows, fit->quantiles);
	return status;
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
