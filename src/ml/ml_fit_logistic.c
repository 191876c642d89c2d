/*
 * ml_fit_logistic.c: the estimator logistic (two classes).
 */
#include "ml/ml_estimator.h"

#include <math.h>

#include "ml/ml_dist.h"
#include "ml/ml_logistic.h"

enum
{
	PARAM_C = 0,
	PARAM_PENALTY,
	PARAM_FIT_INTERCEPT,
	PARAM_TOL,
	PARAM_MAX_ITER
};

enum
{
	PENALTY_L2 = 0,
	PENALTY_NONE
};

static const char *const penalties[] = {"l2", "none", NULL};

static const ml_param_spec logistic_specs[] = {
	[PARAM_C] = {"C", ML_PARAM_NUMBER, 1, 0, INFINITY, true, NULL, "Inverse of the strength of the penalty: smaller is stronger"},
	[PARAM_PENALTY] = {"penalty", ML_PARAM_CHOICE, PENALTY_L2, 0, 1, false, penalties,
	"Penalty on the squared coefficients, or none; only without one there are standard errors"},
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL,
	"Whether the model has an intercept, which is never penalised"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-10, 0, 1, true, NULL, "Iterations end when a step improves the mean log loss by less"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 100, 1, 100000, false, NULL, "Most iterations over all rows"},
};

typedef struct logistic_state
{
	ml_ctx		ctx;
	bool		fit_intercept;
	bool		penalised;
	ml_logistic *fit;
} logistic_state;

static ml_status
logistic_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	logistic_state *s = ml_alloc_zero(ctx, 1, sizeof(logistic_state));
	ml_logistic_params p;

	*state = s;
	if (s == NULL)
		return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
	s->ctx = *ctx;
	s->penalised = params[PARAM_PENALTY] == PENALTY_L2;
	s->fit_intercept = params[PARAM_FIT_INTERCEPT] != 0;
	p.c = s->penalised ? params[PARAM_C] : INFINITY;
	p.fit_intercept = s->fit_intercept;
	p.tol = params[PARAM_TOL];
	p.max_iter = (int) params[PARAM_MAX_ITER];
	return ml_logistic_begin(ctx, input->matrix, input->use_fold, &p, &s->fit, err);
}

static ml_status
logistic_step(void *state, ml_progress *progress, ml_error *err)
{
	return ml_logistic_step(((logistic_state *) state)->fit, &progress->share, err);
}

static void
report_coefficient(ml_coefficient *row, int term, double estimate, double std_error)
{
	row->term = term;
	row->estimate = estimate;
	row->std_error = std_error;
	row->statistic = estimate / std_error;
	row->p_value = ml_normal_two_sided(row->statistic);
}

static ml_status
logistic_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	logistic_state *s = state;
	const ml_logistic_fit *fit = ml_logistic_result(s->fit);
	int			intercept = s->fit_intercept ? 1 : 0;
	ml_status	status = ml_model_set_linear(model, ML_LINK_LOGIT, fit->coefficients, &fit->intercept, err);

	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, (size_t) fit->n_terms + intercept, err);
	if (status != ML_OK)
		return status;
	if (intercept)
		report_coefficient(&report->coefficients[0], -1, fit->intercept, fit->intercept_std_error);
	for (int i = 0; i < fit->n_terms; i++)
	{
		bool		aliased = !s->penalised && fit->aliased[i];

		report_coefficient(&report->coefficients[i + intercept], i, aliased ? NAN : fit->coefficients[i], fit->std_errors[i]);
		report->n_aliased += aliased;
	}
	report->iterations = fit->iterations;
	report->converged = fit->converged;
	ml_report_fact(report, "train_log_loss", fit->loss / fit->weight);
	if (!s->penalised)
	{
		ml_report_fact(report, "deviance", 2 * fit->loss);
		ml_report_fact(report, "null_deviance", 2 * fit->null_loss);
		ml_report_fact(report, "df_residual", (double) fit->rows - fit->rank - intercept);
		ml_report_fact(report, "aic", 2 * fit->loss + 2 * (fit->rank + intercept));
		ml_report_fact(report, "bic", 2 * fit->loss + log((double) fit->rows) * (fit->rank + intercept));
	}
	return ML_OK;
}

static void
logistic_end(void *state)
{
	logistic_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_logistic_end(s->fit);
	ml_free(&ctx, s);
}

static bool
without_penalty(const double *params)
{
	return params[PARAM_PENALTY] == PENALTY_NONE;
}

const ml_estimator ml_estimator_logistic = {
	.name = "logistic", .tasks = ML_TASK_BIT(ML_BINARY), .form = ML_FORM_MATRIX,
	.n_params = sizeof(logistic_specs) / sizeof(logistic_specs[0]), .params = logistic_specs,
	.needs_reference = without_penalty,
	.begin = logistic_begin, .step = logistic_step, .finish = logistic_finish, .end = logistic_end
};
