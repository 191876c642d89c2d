/*
 * ml_fit_glm.c: the estimators poisson, gamma and tweedie: generalised linear models of numbers, by ml_irls.c.
 *
 * They minimise what scikit-learn's do, sum of w deviance / (2 sum of w) + alpha |b|^2 / 2, and without a penalty tell what
 * R's glm tells.
 */
#include "ml/ml_estimator.h"

#include <math.h>

#include "ml/ml_dist.h"
#include "ml/ml_irls.h"

enum
{
	PARAM_ALPHA = 0,
	PARAM_LINK,
	PARAM_FIT_INTERCEPT,
	PARAM_TOL,
	PARAM_MAX_ITER,
	PARAM_OFFSET,
	PARAM_EXPOSURE,
	PARAM_POWER					/* tweedie */
};

static const char *const poisson_links[] = {"log", "identity", "sqrt", NULL};
static const ml_glm_link poisson_link[] = {ML_GLM_LOG, ML_GLM_IDENTITY, ML_GLM_SQRT};

static const char *const gamma_links[] = {"log", "inverse", "identity", NULL};
static const ml_glm_link gamma_link[] = {ML_GLM_LOG, ML_GLM_INVERSE, ML_GLM_IDENTITY};

enum
{
	LINK_AUTO = 0
};
static const char *const tweedie_links[] = {"auto", "log", "identity", "inverse", "sqrt", "inverse_squared", NULL};
static const ml_glm_link tweedie_link[] = {ML_GLM_LOG, ML_GLM_LOG, ML_GLM_IDENTITY, ML_GLM_INVERSE, ML_GLM_SQRT, ML_GLM_INVERSE_SQUARED};

#define ALPHA_SPEC \
	[PARAM_ALPHA] = {"alpha", ML_PARAM_NUMBER, 0, 0, INFINITY, false, NULL, \
	"Strength of the penalty on the sum of squared coefficients; 0: none, and there are standard errors"}
#define LINK_SPEC(links) \
	[PARAM_LINK] = {"link", ML_PARAM_CHOICE, 0, 0, 5, false, links, "Function of the mean that is linear in the features"}
#define COMMON_SPECS \
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, \
	"Whether the model has an intercept, which is never penalised"}, \
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-10, 0, 1, true, NULL, "Iterations end when a step improves the mean half deviance by less"}, \
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 100, 1, 100000, false, NULL, "Most iterations over all rows"}, \
	[PARAM_OFFSET] = {"offset", ML_PARAM_COLUMN, 0, 0, 1, false, NULL, \
	"A column that is added to the linear predictor as it is; it is no feature, and predictions need it too"}, \
	[PARAM_EXPOSURE] = {"exposure", ML_PARAM_COLUMN, 0, 0, 1, false, NULL, \
	"A column of numbers above 0 whose logarithm is an offset: how much, or how long, a row was observed; with link log"}

static const ml_param_spec poisson_specs[] = {ALPHA_SPEC, LINK_SPEC(poisson_links), COMMON_SPECS};
static const ml_param_spec gamma_specs[] = {ALPHA_SPEC, LINK_SPEC(gamma_links), COMMON_SPECS};
static const ml_param_spec tweedie_specs[] = {ALPHA_SPEC, LINK_SPEC(tweedie_links), COMMON_SPECS,
	[PARAM_POWER] = {"power", ML_PARAM_NUMBER, 1.5, -10, 10, false, NULL,
"The variance is the mean to this power: 0 normal, 1 Poisson, between 1 and 2 many zeros, 2 gamma, 3 inverse Gaussian"}};

typedef struct glm_state
{
	ml_ctx		ctx;
	ml_irls    *irls;
	ml_family	family;
	bool		fit_intercept;
	bool		penalised;
} glm_state;

static ml_status
begin_family(const ml_ctx *ctx, const ml_train_input *input, const double *params, ml_family family, void **state, ml_error *err)
{
	glm_state  *s = ml_alloc_zero(ctx, 1, sizeof(glm_state));
	ml_irls_params p = {.family = family, .l2 = params[PARAM_ALPHA], .per_weight = true,
		.fit_intercept = params[PARAM_FIT_INTERCEPT] != 0, .tol = params[PARAM_TOL], .max_iter = (int) params[PARAM_MAX_ITER],
	.residuals = true};

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->family = family;
	s->fit_intercept = p.fit_intercept;
	s->penalised = p.l2 > 0;
	return ml_irls_begin(ctx, input->matrix, input->use_fold, &p, &s->irls, err);
}

void
ml_glm_family(double power, const double *params, ml_family *family)
{
	int			choice = (int) params[PARAM_LINK];

	*family = (ml_family) {ML_FAMILY_TWEEDIE, power, power == 1 ? poisson_link[choice] : gamma_link[choice], NULL};
}

void
ml_tweedie_family(const double *params, ml_family *family)
{
	int			choice = (int) params[PARAM_LINK];
	double		power = params[PARAM_POWER];
	ml_glm_link link = choice == LINK_AUTO && power <= 0 ? ML_GLM_IDENTITY : tweedie_link[choice];

	*family = (ml_family) {ML_FAMILY_TWEEDIE, power, link, NULL};
}

static ml_status
poisson_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	ml_family	family;

	ml_glm_family(1, params, &family);
	return begin_family(ctx, input, params, family, state, err);
}

static ml_status
gamma_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	ml_family	family;

	ml_glm_family(2, params, &family);
	return begin_family(ctx, input, params, family, state, err);
}

static ml_status
tweedie_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	ml_family	family;

	ml_tweedie_family(params, &family);
	return begin_family(ctx, input, params, family, state, err);
}

static ml_status
glm_step(void *state, ml_progress *progress, ml_error *err)
{
	glm_state  *s = state;

	return ml_irls_step(s->irls, &progress->share, err);
}

/* Minus twice the logarithm of the likelihood, as R's families have it; NaN: there is none, or it is not known. */
static double
minus_two_log_likelihood(const glm_state *s, const ml_irls_fit *fit)
{
	double		n = (double) fit->rows;
	double		deviance = 2 * fit->loss;

	if (s->family.power == 0)
		return n * (log(2 * M_PI * deviance / n) + 1) - fit->sums.log_weight;
	if (s->family.power == 1)
		return fit->sums.whole ? -2 * fit->sums.log_likelihood : NAN;
	if (s->family.power == 2)
		return -2 * fit->sums.log_likelihood;
	if (s->family.power == 3)
		return fit->weight * (log(2 * M_PI * deviance / fit->weight) + 1) + 3 * fit->sums.log_target;
	return NAN;
}

static void
report_facts(const glm_state *s, const ml_irls_fit *fit, ml_report *report)
{
	bool		fixed = s->family.power == 1;
	double		k = fit->rank + (s->fit_intercept ? 1 : 0) + (fixed ? 0 : 1);	/* with the dispersion, as R counts */
	double		likelihood = minus_two_log_likelihood(s, fit);

	ml_report_fact(report, "deviance", 2 * fit->loss);
	ml_report_fact(report, "null_deviance", 2 * fit->null_loss);
	ml_report_fact(report, "train_d2", 1 - fit->loss / fit->null_loss);
	if (s->penalised)
	{
		ml_report_fact(report, "objective", fit->objective / fit->weight);
		return;
	}
	ml_report_fact(report, "df_null", (double) fit->rows - s->fit_intercept);
	ml_report_fact(report, "df_residual", fit->df);
	if (fit->fading_rows > 0)
		ml_report_fact(report, "rows_without_mean", (double) fit->fading_rows);
	ml_report_fact(report, "pearson_chi2", fit->sums.pearson);
	ml_report_fact(report, "dispersion", fit->dispersion);
	ml_report_fact(report, "log_likelihood", -likelihood / 2);
	ml_report_fact(report, "aic", likelihood + 2 * k);
	ml_report_fact(report, "bic", likelihood + log((double) fit->rows) * k);
}

/* Statistics are t with an estimated dispersion, else z. */
static void
report_coefficient(const glm_state *s, const ml_irls_fit *fit, ml_coefficient *row, int term, double estimate, double std_error)
{
	*row = (ml_coefficient) {.term = term, .estimate = estimate, .std_error = std_error, .statistic = estimate / std_error};
	row->p_value = s->family.power == 1 ? ml_normal_two_sided(row->statistic) : ml_t_two_sided(row->statistic, fit->df);
}

static ml_link
model_link(ml_glm_link link)
{
	switch (link)
	{
		case ML_GLM_LOG:
			return ML_LINK_LOG;
		case ML_GLM_INVERSE:
			return ML_LINK_INVERSE;
		case ML_GLM_SQRT:
			return ML_LINK_SQRT;
		case ML_GLM_INVERSE_SQUARED:
			return ML_LINK_INVERSE_SQUARED;
		default:
			return ML_LINK_IDENTITY;
	}
}

static ml_status
glm_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	glm_state  *s = state;
	const ml_irls_fit *fit = ml_irls_result(s->irls);
	int			intercept = s->fit_intercept ? 1 : 0;
	ml_status	status = ml_model_set_linear(model, model_link(s->family.link), fit->coefficients, &fit->intercept, err);

	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, (size_t) fit->n_terms + intercept, err);
	if (status != ML_OK)
		return status;
	if (intercept)
		report_coefficient(s, fit, &report->coefficients[0], -1, fit->intercept, fit->intercept_std_error);
	for (int i = 0; i < fit->n_terms; i++)
	{
		bool		aliased = !s->penalised && fit->aliased[i];

		report_coefficient(s, fit, &report->coefficients[i + intercept], i, aliased ? NAN : fit->coefficients[i], fit->std_errors[i]);
		report->coefficients[i + intercept].unbounded = fit->fading != NULL && fit->fading[i];
		report->n_aliased += aliased;
	}
	report->iterations = fit->iterations;
	report->converged = fit->converged;
	report_facts(s, fit, report);
	return s->penalised ? ML_OK : ml_irls_report(&s->ctx, fit, report, err);
}

static void
glm_end(void *state)
{
	glm_state  *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_irls_end(s->irls);
	ml_free(&ctx, s);
}

static bool
without_penalty(const double *params)
{
	return params[PARAM_ALPHA] == 0;
}

static const char *
check_exposure(const double *params, ml_glm_link link)
{
	return params[PARAM_EXPOSURE] != 0 && link != ML_GLM_LOG ? "parameter \"exposure\" needs the link log" : NULL;
}

static const char *
poisson_check(const double *params)
{
	return check_exposure(params, poisson_link[(int) params[PARAM_LINK]]);
}

static const char *
gamma_check(const double *params)
{
	return check_exposure(params, gamma_link[(int) params[PARAM_LINK]]);
}

static const char *
tweedie_check(const double *params)
{
	ml_family	family;

	if (params[PARAM_POWER] > 0 && params[PARAM_POWER] < 1)
		return "parameter \"power\" cannot be between 0 and 1";
	ml_tweedie_family(params, &family);
	return check_exposure(params, family.link);
}

#define N_SPECS(specs) (int) (sizeof(specs) / sizeof((specs)[0]))
#define GLM_FUNCTIONS \
	.needs_reference = without_penalty, .step = glm_step, .finish = glm_finish, .end = glm_end

const ml_estimator ml_estimator_gamma = {
	.name = "gamma", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_MATRIX, .n_params = N_SPECS(gamma_specs),
	.params = gamma_specs, .check = gamma_check, .begin = gamma_begin, GLM_FUNCTIONS
};

const ml_estimator ml_estimator_poisson = {
	.name = "poisson", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_MATRIX, .n_params = N_SPECS(poisson_specs),
	.params = poisson_specs, .check = poisson_check, .begin = poisson_begin, GLM_FUNCTIONS
};

const ml_estimator ml_estimator_tweedie = {
	.name = "tweedie", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_MATRIX, .n_params = N_SPECS(tweedie_specs),
	.params = tweedie_specs, .check = tweedie_check, .begin = tweedie_begin, GLM_FUNCTIONS
};
