/*
 * ml_fit_linear.c: the estimators linear (ordinary least squares) and ridge.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_collinear.h"
#include "ml/ml_dist.h"
#include "ml/ml_kernels.h"
#include "ml/ml_linear.h"

typedef struct linear_state
{
	ml_ctx		ctx;
	ml_train_input input;
	ml_linear_params params;
	ml_linear_fit fit;
} linear_state;

/* Parameters of linear, in order; ridge has alpha before them. */
#define FIT_INTERCEPT_SPEC \
	{"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, "Whether the model has an intercept, which is never penalised"}

static const ml_param_spec linear_specs[] = {
	FIT_INTERCEPT_SPEC
};

static const ml_param_spec ridge_specs[] = {
	{"alpha", ML_PARAM_NUMBER, 1, 0, INFINITY, false, NULL, "Strength of the penalty on the sum of squared coefficients"},
	FIT_INTERCEPT_SPEC
};

static ml_status
linear_begin_with(const ml_ctx *ctx, const ml_train_input *input, double alpha, bool fit_intercept, void **state,
				  ml_error *err)
{
	linear_state *s = ml_alloc_zero(ctx, 1, sizeof(linear_state));

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->input = *input;
	s->params.alpha = alpha;
	s->params.fit_intercept = fit_intercept;
	return ML_OK;
}

static ml_status
linear_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	return linear_begin_with(ctx, input, 0, params[0] != 0, state, err);
}

static ml_status
ridge_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	return linear_begin_with(ctx, input, params[0], params[1] != 0, state, err);
}

/* A closed form: one step, with cancellation looked for inside. */
static ml_status
linear_step(void *state, ml_progress *progress, ml_error *err)
{
	linear_state *s = state;
	const ml_gram *gram = s->input.gram;
	ml_status	status;

	if (s->input.rows_x != NULL && s->params.alpha == 0)
		status = ml_linear_from_rows(&s->ctx, s->input.rows_x, s->input.rows_y, s->input.rows_weight,
									 (size_t) gram->rows, gram->n - 1, &s->params, &s->fit, err);
	else
		status = ml_linear_from_gram(&s->ctx, gram, &s->params, &s->fit, err);
	progress->share = 1;
	return status == ML_OK ? ML_DONE : status;
}

static void
report_coefficient(ml_coefficient *row, int term, double estimate, double std_error, double df)
{
	row->term = term;
	row->estimate = estimate;
	row->std_error = std_error;
	row->statistic = estimate / std_error;
	row->p_value = ml_t_two_sided(row->statistic, df);
}

static void
report_facts(const linear_state *s, ml_report *report)
{
	const ml_linear_fit *fit = &s->fit;
	double		n = (double) fit->rows;
	double		k = fit->rank + (s->params.fit_intercept ? 2 : 1);	/* with the variance, as R counts */
	bool		plain = s->params.alpha == 0;
	double		f_statistic = fit->f_statistic;

	ml_report_fact(report, "train_r2", fit->r2);
	ml_report_fact(report, "train_rmse", sqrt(fit->rss / fit->weight));
	if (!plain)
		return;
	ml_report_fact(report, "train_adjusted_r2", fit->adjusted_r2);
	ml_report_fact(report, "sigma", fit->sigma);
	ml_report_fact(report, "df_residual", fit->df);
	if (!s->params.fit_intercept && fit->df > 0 && fit->rss > 0)
	{
		/* About 0 instead of the mean, as R's lm counts. */
		const ml_gram *gram = s->input.gram;
		double		tss = gram->moments[(size_t) gram->n * gram->n - 1] + gram->weight * gram->mean[gram->n - 1] * gram->mean[gram->n - 1];

		ml_report_fact(report, "origin_r2", 1 - fit->rss / tss);
		ml_report_fact(report, "origin_adjusted_r2", 1 - fit->rss / tss * n / fit->df);
		f_statistic = (tss - fit->rss) / fit->rank / (fit->rss / fit->df);
	}
	ml_report_fact(report, "f_statistic", f_statistic);
	ml_report_fact(report, "f_p_value", ml_f_upper(f_statistic, fit->rank, fit->df));
	if (fit->rss > 0)
	{
		/* Minus twice the logarithm of the likelihood, with the weights as R's logLik() has them: variances are as 1 / weight. */
		double		deviance = n * (log(2 * M_PI * fit->rss / n) + 1) - s->input.gram->log_weight;

		ml_report_fact(report, "log_likelihood", -deviance / 2);
		ml_report_fact(report, "aic", deviance + 2 * k);
		ml_report_fact(report, "bic", deviance + log(n) * k);
	}
}

/* The five numbers of the residuals, if the rows are at hand. */
static ml_status
report_residuals(const linear_state *s, ml_report *report, ml_error *err)
{
	const ml_linear_fit *fit = &s->fit;
	size_t		n = (size_t) fit->rows;
	double	   *residuals;
	double		five[5];
	ml_status	status;

	if (s->input.rows_x == NULL || n == 0)
		return ML_OK;
	residuals = ml_alloc(&s->ctx, n, sizeof(double));
	if (residuals == NULL)
		return ml_no_memory(err);
	for (size_t i = 0; i < n; i++)
		residuals[i] = s->input.rows_y[i] - fit->intercept;
	for (int j = 0; j < fit->n_terms; j++)
		ml_axpy(residuals, -fit->coefficients[j], s->input.rows_x + (size_t) j * n, n);
	for (size_t i = 0; i < n && s->input.rows_weight != NULL; i++)
		residuals[i] *= sqrt(s->input.rows_weight[i]);
	ml_five_numbers(residuals, n, five);
	status = ml_report_array(&s->ctx, report, "residual_quantiles", five, 1, 5, NULL, err);
	ml_free(&s->ctx, residuals);
	return status;
}

/* What goes beside the coefficients without a penalty. */
static ml_status
report_more(const linear_state *s, ml_report *report, ml_error *err)
{
	const ml_gram *gram = s->input.gram;
	int			n = s->fit.n_terms;
	double	   *vif = ml_alloc(&s->ctx, n, sizeof(double));
	ml_collinear collinear = {vif, NAN};
	ml_status	status;

	if (vif == NULL)
		return ml_no_memory(err);
	status = ml_collinear_make(&s->ctx, gram->moments, gram->n, n, s->fit.aliased, NULL, &collinear, err);
	if (status == ML_OK)
		status = ml_collinear_report(&s->ctx, &collinear, n, report, err);
	ml_free(&s->ctx, vif);
	return status == ML_OK ? report_residuals(s, report, err) : status;
}

static ml_status
linear_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	linear_state *s = state;
	const ml_linear_fit *fit = &s->fit;
	int			intercept = s->params.fit_intercept ? 1 : 0;
	ml_status	status = ml_model_set_linear(model, ML_LINK_IDENTITY, fit->coefficients, &fit->intercept, err);

	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, (size_t) fit->n_terms + intercept, err);
	if (status != ML_OK)
		return status;
	if (intercept)
		report_coefficient(&report->coefficients[0], -1, fit->intercept, fit->intercept_std_error, fit->df);
	for (int i = 0; i < fit->n_terms; i++)
	{
		report_coefficient(&report->coefficients[i + intercept], i, fit->aliased[i] ? NAN : fit->coefficients[i],
						   fit->std_errors[i], fit->df);
		report->n_aliased += fit->aliased[i];
	}
	report_facts(s, report);
	return s->params.alpha == 0 ? report_more(s, report, err) : ML_OK;
}

static void
linear_end(void *state)
{
	linear_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_linear_free(&ctx, &s->fit);
	ml_free(&ctx, s);
}

static bool
always(const double *params)
{
	(void) params;
	return true;
}

static bool
without_penalty(const double *params)
{
	return params[0] == 0;
}

const ml_estimator ml_estimator_linear = {
	.name = "linear", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_GRAM,
	.n_params = sizeof(linear_specs) / sizeof(linear_specs[0]), .params = linear_specs, .needs_reference = always,
	.begin = linear_begin, .step = linear_step, .finish = linear_finish, .end = linear_end
};

const ml_estimator ml_estimator_ridge = {
	.name = "ridge", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_GRAM,
	.n_params = sizeof(ridge_specs) / sizeof(ridge_specs[0]), .params = ridge_specs, .needs_reference = without_penalty,
	.begin = ridge_begin, .step = linear_step, .finish = linear_finish, .end = linear_end
};
