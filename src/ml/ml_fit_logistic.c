/*
 * ml_fit_logistic.c: the estimator logistic: two classes by ml_irls.c, more by ml_softmax.c.
 */
#include "ml/ml_estimator.h"

#include <math.h>

#include "ml/ml_dist.h"
#include "ml/ml_irls.h"
#include "ml/ml_softmax.h"

enum
{
	PARAM_C = 0,
	PARAM_PENALTY,
	PARAM_FIT_INTERCEPT,
	PARAM_TOL,
	PARAM_MAX_ITER,
	PARAM_L1_RATIO,
	PARAM_CLASS_WEIGHT,
	PARAM_OFFSET
};

enum
{
	PENALTY_L2 = 0,
	PENALTY_NONE,
	PENALTY_L1,
	PENALTY_ELASTIC_NET
};

static const char *const penalties[] = {"l2", "none", "l1", "elastic_net", NULL};
static const char *const class_weights[] = {"none", "balanced", NULL};

static const ml_param_spec logistic_specs[] = {
	[PARAM_C] = {"C", ML_PARAM_NUMBER, 1, 0, INFINITY, true, NULL, "Inverse of the strength of the penalty: smaller is stronger"},
	[PARAM_PENALTY] = {"penalty", ML_PARAM_CHOICE, PENALTY_L2, 0, 3, false, penalties,
	"Penalty on the squares (l2) or the sizes (l1) of the coefficients, on both or none; only without one there are standard errors"},
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL,
	"Whether the model has an intercept, which is never penalised"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-10, 0, 1, true, NULL, "Iterations end when a step improves the mean log loss by less"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 1000, 1, 100000, false, NULL, "Most iterations over all rows"},
	[PARAM_L1_RATIO] = {"l1_ratio", ML_PARAM_NUMBER, 0.5, 0, 1, false, NULL,
	"With elastic_net: share of the penalty on the sizes; the rest is on the squares"},
	[PARAM_CLASS_WEIGHT] = {"class_weight", ML_PARAM_CHOICE, 0, 0, 1, false, class_weights,
	"balanced: rows weigh inversely to the frequency of their class"},
	[PARAM_OFFSET] = {"offset", ML_PARAM_COLUMN, 0, 0, 1, false, NULL,
	"Of two classes: a column that is added to the linear predictor as it is; it is no feature, and predictions need it too"},
};

typedef struct logistic_state
{
	ml_ctx		ctx;
	bool		fit_intercept;
	bool		penalised;
	ml_irls    *two;			/* one of them */
	ml_softmax *many;
	double	   *class_weights;	/* (n_classes) */
} logistic_state;

/* Weights of classes: all rows over the number of classes times the rows of the class, as scikit-learn has it. */
static ml_status
balance(logistic_state *s, const ml_train_input *input, ml_error *err)
{
	const ml_matrix *m = input->matrix;
	double		total = 0;
	double	   *sums = s->class_weights = ml_alloc_zero(&s->ctx, m->n_classes, sizeof(double));

	if (sums == NULL)
		return ml_no_memory(err);
	for (int fold = 0; fold < m->n_folds; fold++)
		for (size_t i = m->fold_start[fold]; input->use_fold[fold] && i < m->fold_start[fold + 1]; i++)
		{
			sums[m->labels[i]] += m->weights ? m->weights[i] : 1;
			total += m->weights ? m->weights[i] : 1;
		}
	for (int k = 0; k < m->n_classes; k++)
		sums[k] = sums[k] > 0 ? total / (m->n_classes * sums[k]) : 0;
	return ML_OK;
}

static ml_status
logistic_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	logistic_state *s = ml_alloc_zero(ctx, 1, sizeof(logistic_state));
	int			penalty = (int) params[PARAM_PENALTY];
	double		l1_ratio = penalty == PENALTY_L1 ? 1 : penalty == PENALTY_L2 ? 0 : params[PARAM_L1_RATIO];
	double		strength = penalty == PENALTY_NONE ? 0 : 1 / params[PARAM_C];

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->penalised = penalty != PENALTY_NONE;
	s->fit_intercept = params[PARAM_FIT_INTERCEPT] != 0;
	if (params[PARAM_CLASS_WEIGHT] != 0)
	{
		ml_status	status = balance(s, input, err);

		if (status != ML_OK)
			return status;
	}
	if (input->matrix->n_classes <= 2)
	{
		ml_irls_params p = {.family = {.kind = ML_FAMILY_BINOMIAL, .class_weights = s->class_weights},
			.l1 = strength * l1_ratio, .l2 = strength * (1 - l1_ratio), .fit_intercept = s->fit_intercept, .tol = params[PARAM_TOL],
		.max_iter = (int) params[PARAM_MAX_ITER], .residuals = true};

		return ml_irls_begin(ctx, input->matrix, input->use_fold, &p, &s->two, err);
	}
	if (input->matrix->offset != NULL)
		return ml_fail(err, ML_BAD_DATA, NULL, "parameter \"offset\" is for two classes, but the target has %d", input->matrix->n_classes);
	return ml_softmax_begin(ctx, input->matrix, input->use_fold, &(ml_softmax_params)
							{strength * l1_ratio, strength * (1 - l1_ratio), s->class_weights, s->fit_intercept, params[PARAM_TOL],
							(int) params[PARAM_MAX_ITER]}, &s->many, err);
}

static ml_status
logistic_step(void *state, ml_progress *progress, ml_error *err)
{
	logistic_state *s = state;

	return s->two ? ml_irls_step(s->two, &progress->share, err) : ml_softmax_step(s->many, &progress->share, err);
}

static void
report_coefficient(ml_coefficient *row, int output, int term, double estimate, double std_error)
{
	*row = (ml_coefficient) {output, term, estimate, std_error, estimate / std_error, NAN, false};
	row->p_value = ml_normal_two_sided(row->statistic);
}

/* Facts that both sorts have; k is the number of coefficients. */
static void
report_facts(const logistic_state *s, double objective, double loss, double null_loss, double rows, double k, ml_report *report)
{
	ml_report_fact(report, "objective", objective);
	if (s->penalised)
		return;
	ml_report_fact(report, "deviance", 2 * loss);
	ml_report_fact(report, "null_deviance", 2 * null_loss);
	ml_report_fact(report, "df_null", rows - s->fit_intercept);
	ml_report_fact(report, "df_residual", rows - k);
	ml_report_fact(report, "aic", 2 * loss + 2 * k);
	ml_report_fact(report, "bic", 2 * loss + log(rows) * k);
}

static ml_status
finish_two(const logistic_state *s, ml_model *model, ml_report *report, ml_error *err)
{
	const ml_irls_fit *fit = ml_irls_result(s->two);
	int			intercept = s->fit_intercept ? 1 : 0;
	int			nonzero = 0;
	ml_status	status = ml_model_set_linear(model, ML_LINK_LOGIT, fit->coefficients, &fit->intercept, err);

	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, (size_t) fit->n_terms + intercept, err);
	if (status != ML_OK)
		return status;
	if (intercept)
		report_coefficient(&report->coefficients[0], 0, -1, fit->intercept, fit->intercept_std_error);
	for (int i = 0; i < fit->n_terms; i++)
	{
		bool		aliased = !s->penalised && fit->aliased[i];

		report_coefficient(&report->coefficients[i + intercept], 0, i, aliased ? NAN : fit->coefficients[i], fit->std_errors[i]);
		report->n_aliased += aliased;
		nonzero += fit->coefficients[i] != 0;
	}
	report->iterations = fit->iterations;
	report->converged = fit->converged;
	report_facts(s, fit->objective, fit->loss, fit->null_loss, (double) fit->rows, fit->rank + intercept, report);
	if (s->penalised)
		ml_report_fact(report, "nonzero", nonzero);
	else
		status = ml_irls_report(&s->ctx, fit, report, err);
	return status;
}

static ml_status
finish_many(const logistic_state *s, ml_model *model, ml_report *report, ml_error *err)
{
	const ml_softmax_fit *fit = ml_softmax_result(s->many);
	int			intercept = s->fit_intercept ? 1 : 0;
	int			nonzero = 0;
	size_t		at = 0;
	ml_status	status = ml_model_set_linear(model, ML_LINK_SOFTMAX, fit->coefficients, fit->intercepts, err);

	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, (size_t) fit->n_classes * (fit->n_terms + intercept), err);
	if (status != ML_OK)
		return status;
	for (int k = 0; k < fit->n_classes; k++)
	{
		if (intercept)
			report_coefficient(&report->coefficients[at++], k, -1, fit->intercepts[k], fit->intercept_errors[k]);
		for (int i = 0; i < fit->n_terms; i++)
		{
			bool		aliased = !s->penalised && fit->aliased[i];
			size_t		cell = (size_t) k * fit->n_terms + i;

			report_coefficient(&report->coefficients[at++], k, i, aliased ? NAN : fit->coefficients[cell], fit->std_errors[cell]);
			report->n_aliased += aliased && k == 0;
			nonzero += fit->coefficients[cell] != 0;
		}
	}
	report->iterations = fit->iterations;
	report->converged = fit->converged;
	report_facts(s, fit->objective, fit->loss, fit->null_loss, (double) fit->rows,
				 (double) (fit->n_classes - 1) * (fit->rank + intercept), report);
	if (s->penalised)
		ml_report_fact(report, "nonzero", nonzero);
	return ML_OK;
}

static ml_status
logistic_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	logistic_state *s = state;

	return s->two ? finish_two(s, model, report, err) : finish_many(s, model, report, err);
}

static void
logistic_end(void *state)
{
	logistic_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_irls_end(s->two);
	ml_softmax_end(s->many);
	ml_free(&ctx, s->class_weights);
	ml_free(&ctx, s);
}

static bool
without_penalty(const double *params)
{
	return params[PARAM_PENALTY] == PENALTY_NONE;
}

const ml_estimator ml_estimator_logistic = {
	.name = "logistic", .tasks = ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS), .form = ML_FORM_MATRIX,
	.n_params = sizeof(logistic_specs) / sizeof(logistic_specs[0]), .params = logistic_specs,
	.needs_reference = without_penalty,
	.begin = logistic_begin, .step = logistic_step, .finish = logistic_finish, .end = logistic_end
};
