/*
 * ml_fit_isotonic.c: the estimator isotonic: the best function of one feature that never falls, or never rises.
 */
#include "ml/ml_estimator.h"

#include "ml/ml_isotonic.h"
#include "ml/ml_knots.h"

enum
{
	PARAM_INCREASING = 0
};

static const ml_param_spec specs[] = {
	[PARAM_INCREASING] = {"increasing", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, "Whether the function never falls, else it never rises"},
};

typedef struct isotonic_state
{
	ml_ctx		ctx;
	ml_isotonic fit;
	size_t		rows;
} isotonic_state;

static ml_status
isotonic_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	isotonic_state *s = ml_alloc_zero(ctx, 1, sizeof(isotonic_state));
	const ml_design *d = input->design;
	ml_status	status;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->rows = d->rows;
	if (d->n_terms != 1)
		return ml_fail(err, ML_BAD_DATA, "Name it in argument \"features\".",
					   "an isotonic regression is of one feature of numbers, but there are %d terms", d->n_terms);
	status = ml_check_memory(ctx, 2.0 * sizeof(ml_isotonic_point) * (double) d->rows, "the points of the isotonic regression", err);
	if (status != ML_OK)
		return status;
	if (!ml_isotonic_init(ctx, &s->fit, d->rows))
		return ml_no_memory(err);
	s->fit.falling = params[PARAM_INCREASING] == 0;
	for (size_t i = 0; i < d->rows; i++)
		s->fit.points[i] = (ml_isotonic_point) {*ml_design_row(d, i), d->target[i], ml_design_weight(d, i)};
	return ML_OK;
}

static ml_status
isotonic_step(void *state, ml_progress *progress, ml_error *err)
{
	isotonic_state *s = state;

	(void) err;
	if (ml_isotonic_step(&s->fit))
		return ML_DONE;
	progress->share = (double) s->fit.width / (2.0 * (double) s->rows);
	return ML_MORE;
}

static ml_status
isotonic_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	isotonic_state *s = state;
	ml_knots   *knots = ml_knots_new(&s->ctx, s->fit.n_knots);
	ml_status	status;

	if (knots == NULL)
		return ml_no_memory(err);
	for (size_t i = 0; i < knots->n; i++)
	{
		knots->x[i] = s->fit.points[i].x;
		knots->y[i] = s->fit.points[i].y;
	}
	status = ml_model_set_predictor(model, &ml_knots_class, knots, err);
	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, 0, err);
	report->converged = true;
	ml_report_fact(report, "knots", (double) knots->n);
	return status;
}

static void
isotonic_end(void *state)
{
	isotonic_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_isotonic_free(&ctx, &s->fit);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_isotonic = {
	.name = "isotonic", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = isotonic_begin, .step = isotonic_step, .finish = isotonic_finish, .end = isotonic_end
};
