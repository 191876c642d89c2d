/*
 * ml_fit_sgd.c: the estimator sgd: epochs of stochastic gradient descent over rows in memory, in an order drawn anew for each epoch.
 */
#include "ml/ml_fit_sgd.h"

#include <math.h>
#include <string.h>

#include "ml/ml_random.h"

#define STEP_WORK 1e7			/* multiplications of a step, about */
#define ORDER_STREAM 0x736764	/* purpose of the random numbers */
#define WORSE 1000				/* than no coefficients at all: the descent went up */
#define ADAPTIVE_LEAST 1e-6		/* rate at which adaptive ends */

enum
{
	PARAM_LOSS = 0,
	PARAM_PENALTY,
	PARAM_ALPHA,
	PARAM_L1_RATIO,
	PARAM_LEARNING_RATE,
	PARAM_ETA0,
	PARAM_POWER_T,
	PARAM_EPSILON,
	PARAM_FIT_INTERCEPT,
	PARAM_AVERAGE,
	PARAM_TOL,
	PARAM_MAX_ITER,
	PARAM_N_ITER_NO_CHANGE,
	PARAM_TASK
};

enum
{
	LOSS_AUTO = 0				/* then the losses of ml_sgd_loss */
};
enum
{
	PENALTY_L2 = 0,
	PENALTY_L1,
	PENALTY_ELASTIC_NET,
	PENALTY_NONE
};
enum
{
	RATE_AUTO = 0				/* then those of ml_sgd_rate */
};

static const char *const losses[] = {"auto", "log_loss", "hinge", "squared_error", "huber", "epsilon_insensitive", NULL};
static const char *const penalties[] = {"l2", "l1", "elastic_net", "none", NULL};
static const char *const rates[] = {"auto", "optimal", "invscaling", "constant", "adaptive", NULL};
static const char *const tasks[] = {"auto", "classification", "regression", NULL};

static const ml_param_spec sgd_specs[] = {
	[PARAM_LOSS] = {"loss", ML_PARAM_CHOICE, 0, 0, 5, false, losses, "auto: log_loss for classes, squared_error for numbers"},
	[PARAM_PENALTY] = {"penalty", ML_PARAM_CHOICE, 0, 0, 3, false, penalties, "Penalty on the squares (l2) or the sizes (l1) of the coefficients, on both or none"},
	[PARAM_ALPHA] = {"alpha", ML_PARAM_NUMBER, 0.0001, 0, INFINITY, true, NULL, "Strength of the penalty; the learning rate optimal follows from it"},
	[PARAM_L1_RATIO] = {"l1_ratio", ML_PARAM_NUMBER, 0.15, 0, 1, false, NULL, "With elastic_net: share of the penalty on the sizes"},
	[PARAM_LEARNING_RATE] = {"learning_rate", ML_PARAM_CHOICE, 0, 0, 4, false, rates, "auto: optimal for classes, invscaling for numbers"},
	[PARAM_ETA0] = {"eta0", ML_PARAM_NUMBER, 0.01, 0, INFINITY, true, NULL, "The learning rate at first, but for optimal"},
	[PARAM_POWER_T] = {"power_t", ML_PARAM_NUMBER, 0.25, -10, 10, false, NULL, "With invscaling: exponent of the number of rows seen"},
	[PARAM_EPSILON] = {"epsilon", ML_PARAM_NUMBER, 0.1, 0, INFINITY, false, NULL, "Of huber and epsilon_insensitive: residuals up to here are small"},
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, "Whether the model has an intercept, which is never penalised"},
	[PARAM_AVERAGE] = {"average", ML_PARAM_BOOLEAN, 0, 0, 1, false, NULL, "Whether the coefficients are the means of those after each row"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 0.001, 0, INFINITY, false, NULL, "Epochs end when n_iter_no_change of them did not improve the mean loss by so much"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 1000, 1, 1000000, false, NULL, "Most epochs"},
	[PARAM_N_ITER_NO_CHANGE] = {"n_iter_no_change", ML_PARAM_INTEGER, 5, 1, 1000000, false, NULL, "Epochs without improvement"},
	[PARAM_TASK] = {"task", ML_PARAM_CHOICE, 0, 0, 2, false, tasks, "auto: numbers are a regression, anything else classes"},
};

typedef struct sgd_state
{
	ml_ctx		ctx;
	const ml_design *design;
	ml_task		task;
	ml_sgd		sgd;
	double		tol;
	int			max_iter;
	int			patience;
	uint32_t   *order;			/* (rows) of this epoch */
	size_t		next;			/* row of the epoch, or of the measurement at its end */
	int			epochs;
	double		loss;			/* sum of the epoch */
	double		best;			/* epoch's sum so far */
	int			stalled;
	bool		learnt;			/* all epochs are over: the loss is measured */
	double		measured;
	double		nothing;		/* the same with all coefficients 0 */
	bool		converged;
} sgd_state;

void
ml_sgd_from_params(const double *params, ml_task task, ml_sgd_params *sgd)
{
	bool		classes = task != ML_REGRESSION;
	int			loss = (int) params[PARAM_LOSS];
	int			rate = (int) params[PARAM_LEARNING_RATE];
	int			penalty = (int) params[PARAM_PENALTY];

	sgd->loss = loss != LOSS_AUTO ? (ml_sgd_loss) (loss - 1) : classes ? ML_SGD_LOG : ML_SGD_SQUARED;
	sgd->rate = rate != RATE_AUTO ? (ml_sgd_rate) (rate - 1) : classes ? ML_SGD_OPTIMAL : ML_SGD_INVSCALING;
	sgd->no_penalty = penalty == PENALTY_NONE;
	sgd->alpha = params[PARAM_ALPHA];
	sgd->l1_ratio = penalty == PENALTY_L1 ? 1 : penalty == PENALTY_ELASTIC_NET ? params[PARAM_L1_RATIO] : 0;
	sgd->eta0 = params[PARAM_ETA0];
	sgd->power_t = params[PARAM_POWER_T];
	sgd->epsilon = params[PARAM_EPSILON];
	sgd->fit_intercept = params[PARAM_FIT_INTERCEPT] != 0;
	sgd->average = params[PARAM_AVERAGE] != 0;
}

static ml_status
sgd_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	sgd_state  *s = ml_alloc_zero(ctx, 1, sizeof(sgd_state));
	const ml_design *design = input->design;
	ml_sgd_params p;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = design;
	s->task = design->labels == NULL ? ML_REGRESSION : design->n_classes > 2 ? ML_MULTICLASS : ML_BINARY;
	s->tol = params[PARAM_TOL];
	s->max_iter = (int) params[PARAM_MAX_ITER];
	s->patience = (int) params[PARAM_N_ITER_NO_CHANGE];
	s->best = INFINITY;
	ml_sgd_from_params(params, s->task, &p);
	if ((p.loss <= ML_SGD_HINGE) != (s->task != ML_REGRESSION))
		return ml_fail(err, ML_BAD_PARAM, NULL, "loss \"%s\" is not for a %s", losses[p.loss + 1], s->task == ML_REGRESSION ? "regression" : "classification");
	if (design->rows == 0)
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows");
	if (design->rows >= UINT32_MAX)
		return ml_fail(err, ML_BAD_DATA, NULL, "there are too many rows");
	s->order = ml_alloc(ctx, design->rows, sizeof(uint32_t));
	if (s->order == NULL)
		return ml_no_memory(err);
	return ml_sgd_begin(ctx, &s->sgd, &p, s->task == ML_MULTICLASS ? design->n_classes : 1, design->n_terms, err);
}

/* Another order of the rows, which depends on seed and epoch alone. */
static void
shuffle(sgd_state *s)
{
	ml_random	random = ml_random_stream(s->ctx.seed, ORDER_STREAM, s->epochs);

	for (uint32_t i = 0; i < s->design->rows; i++)
	{
		uint32_t	j = ml_random_below(&random, i + 1);

		s->order[i] = s->order[j];
		s->order[j] = i;
	}
}

static double
target_of(const ml_design *design, size_t row)
{
	return design->labels ? design->labels[row] : design->target[row];
}

/* The epoch is over: true if it was the last. */
static bool
end_epoch(sgd_state *s)
{
	ml_sgd	   *sgd = &s->sgd;

	s->epochs++;
	s->stalled = s->loss > s->best - s->tol * (double) s->design->rows ? s->stalled + 1 : 0;
	s->best = fmin(s->best, s->loss);
	if (s->stalled < s->patience)
		return s->epochs >= s->max_iter;
	if (sgd->params.rate == ML_SGD_ADAPTIVE && sgd->eta > ADAPTIVE_LEAST)
	{
		sgd->eta /= 5;
		s->stalled = 0;
		return s->epochs >= s->max_iter;
	}
	s->converged = true;
	return true;
}

static ml_status
sgd_step(void *state, ml_progress *progress, ml_error *err)
{
	sgd_state  *s = state;
	const ml_design *design = s->design;
	size_t		many = (size_t) (STEP_WORK / (3.0 * s->sgd.n_outputs * (design->n_terms + 8))) + 1;
	size_t		end = s->next + many < design->rows ? s->next + many : design->rows;

	if (s->next == 0 && !s->learnt)
	{
		shuffle(s);
		s->loss = 0;
	}
	for (; s->next < end; s->next++)
	{
		size_t		row = s->learnt ? s->next : s->order[s->next];
		const double *x = ml_design_row(design, row);
		double		weight = ml_design_weight(design, row);

		if (s->learnt)
		{
			s->measured += weight * ml_sgd_measure(&s->sgd, x, target_of(design, row));
			s->nothing += weight * ml_sgd_measure_nothing(&s->sgd, target_of(design, row));
		}
		else
			s->loss += ml_sgd_learn(&s->sgd, x, target_of(design, row), weight);
	}
	progress->iteration = s->epochs;
	progress->share = s->epochs / (double) s->max_iter;
	progress->loss = s->epochs > 0 ? s->best / (double) design->rows : NAN;
	if (s->next < design->rows)
		return ML_MORE;
	s->next = 0;
	if (s->learnt && s->measured <= WORSE * s->nothing)
		return ML_DONE;
	if (s->learnt || !isfinite(s->loss) || !ml_sgd_is_finite(&s->sgd))
		return ml_fail(err, ML_NOT_CONVERGED, "Scale the features, as is the default, or lower eta0.",
					   "the coefficients grew beyond all bounds in epoch %d", s->epochs + !s->learnt);
	s->learnt = end_epoch(s);
	return ML_MORE;
}

static ml_status
sgd_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	sgd_state  *s = state;
	const ml_sgd *sgd = &s->sgd;
	int			intercept = sgd->params.fit_intercept ? 1 : 0;
	const double *b = ml_sgd_coefficients(sgd);
	const double *b0 = ml_sgd_intercepts(sgd);
	size_t		at = 0;
	ml_status	status = ml_model_set_linear(model, s->task == ML_REGRESSION ? ML_LINK_IDENTITY : s->task == ML_BINARY ? ML_LINK_LOGIT : ML_LINK_SOFTMAX,
											 b, b0, err);

	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, sgd->n_outputs * (sgd->p + intercept), err);
	if (status != ML_OK)
		return status;
	for (int k = 0; k < sgd->n_outputs; k++)
		for (int j = -intercept; j < (int) sgd->p; j++)
			report->coefficients[at++] = (ml_coefficient) {k, j, j < 0 ? b0[k] : b[k * sgd->p + j], NAN, NAN, NAN, false};
	report->iterations = s->epochs;
	report->converged = s->converged;
	ml_report_fact(report, "objective", s->measured / (double) s->design->rows + ml_sgd_penalty(sgd));
	ml_report_fact(report, "rows_seen", sgd->t - 1);
	ml_report_fact(report, "eta", sgd->params.rate == ML_SGD_ADAPTIVE ? sgd->eta : NAN);
	return ML_OK;
}

static void
sgd_end(void *state)
{
	sgd_state  *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_sgd_end(&ctx, &s->sgd);
	ml_free(&ctx, s->order);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_sgd = {
	.name = "sgd", .tasks = ML_TASK_BIT(ML_REGRESSION) | ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS), .form = ML_FORM_ROWS,
	.wants_scaling = true, .n_params = sizeof(sgd_specs) / sizeof(sgd_specs[0]), .params = sgd_specs,
	.begin = sgd_begin, .step = sgd_step, .finish = sgd_finish, .end = sgd_end
};
