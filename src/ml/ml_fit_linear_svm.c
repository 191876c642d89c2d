/*
 * ml_fit_linear_svm.c: the estimator linear_svm: classification (of more than two classes each against the rest) and regression.
 *
 * What it minimises: ml_dual_descent.h.  Parameters mean what they mean in scikit-learn's LinearSVC and LinearSVR; the intercept
 * is penalised as there, being the weight of a constant term.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "ml/ml_dual_descent.h"
#include "ml/ml_parallel.h"

#define STEP_NUMBERS 5e7		/* that a thread looks at in a step, about 50 ms */

enum
{
	PARAM_C = 0,
	PARAM_CLASS_WEIGHT,
	PARAM_EPSILON,
	PARAM_FIT_INTERCEPT,
	PARAM_INTERCEPT_SCALING,
	PARAM_LOSS,
	PARAM_MAX_ITER,
	PARAM_TASK,
	PARAM_TOL
};

enum
{
	LOSS_AUTO = 0,
	LOSS_HINGE,
	LOSS_SQUARED_HINGE,
	LOSS_EPSILON,
	LOSS_SQUARED_EPSILON
};

static const char *const class_weights[] = {"none", "balanced", NULL};
static const char *const losses[] = {"auto", "hinge", "squared_hinge", "epsilon_insensitive", "squared_epsilon_insensitive", NULL};
static const char *const tasks[] = {"auto", "classification", "regression", NULL};

static const ml_param_spec specs[] = {
	[PARAM_C] = {"C", ML_PARAM_NUMBER, 1, 0, INFINITY, true, NULL, "Weight of the losses against the size of the coefficients"},
	[PARAM_CLASS_WEIGHT] = {"class_weight", ML_PARAM_CHOICE, 0, 0, 1, false, class_weights,
	"Balanced: C of a class is times rows / (classes * rows of the class); of more than two classes that of the one against the rest"},
	[PARAM_EPSILON] = {"epsilon", ML_PARAM_NUMBER, 0, 0, INFINITY, false, NULL, "Of a regression: errors below it do not count"},
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, "Whether there is an intercept"},
	[PARAM_INTERCEPT_SCALING] = {"intercept_scaling", ML_PARAM_NUMBER, 1, 0, INFINITY, true, NULL,
	"The constant term whose weight makes the intercept; the larger, the less the intercept is penalised"},
	[PARAM_LOSS] = {"loss", ML_PARAM_CHOICE, LOSS_AUTO, 0, 4, false, losses,
	"What an error costs; auto: squared_hinge of a classification, epsilon_insensitive of a regression"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 1000, 1, 1e9, false, NULL, "Most rounds over the rows"},
	[PARAM_TASK] = {"task", ML_PARAM_CHOICE, 0, 0, 2, false, tasks,
	"What to learn; auto: a regression of numbers, a classification of anything else"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-4, 0, INFINITY, true, NULL,
	"Violation of the optimum's conditions that is left: the largest, of a regression the sum against that at the start"},
};

typedef struct linear_svm_state
{
	ml_ctx		ctx;
	const ml_design *design;
	ml_dual_rows rows;
	int			n_machines;
	int			n_slots;
	ml_dual    *slots;			/* (n_slots) at work */
	int		   *machine_of;		/* (n_slots) -1: none */
	double	   *class_factor;	/* (n_classes) of C */
	double	   *coefficients;	/* (n_machines, n_terms) */
	double	   *intercepts;		/* (n_machines) … */
	double	   *objectives;
	double	   *gaps;			/* … between primal and dual */
	int64_t    *rounds;
	bool	   *converged;
	ml_dual		model;			/* of what each slot begins with */
	double		C;
	atomic_int	next;
	atomic_int	done;
} linear_svm_state;

static const char *
linear_svm_check(const double *params)
{
	int			loss = (int) params[PARAM_LOSS];
	int			task = (int) params[PARAM_TASK];

	if ((task == 1 && loss >= LOSS_EPSILON) || (task == 2 && (loss == LOSS_HINGE || loss == LOSS_SQUARED_HINGE)))
		return "the parameter \"loss\" is not one of that \"task\"";
	return NULL;
}

static void
weigh_classes(linear_svm_state *s, bool balanced)
{
	const ml_design *d = s->design;
	double		total = 0;

	for (size_t i = 0; i < d->rows; i++)
	{
		s->class_factor[d->labels[i]] += ml_design_weight(d, i);
		total += ml_design_weight(d, i);
	}
	for (int k = 0; k < d->n_classes; k++)
		s->class_factor[k] = balanced && s->class_factor[k] > 0 ? total / (d->n_classes * s->class_factor[k]) : 1;
}

static ml_status
take_memory(linear_svm_state *s, ml_error *err)
{
	const ml_design *d = s->design;
	const ml_ctx *ctx = &s->ctx;
	size_t		n = s->n_machines;
	int			wanted = ctx->nthreads < s->n_machines ? ctx->nthreads : s->n_machines;
	double		each = ml_dual_bytes(d->rows, d->n_terms);
	double		taken = 8.0 * (double) d->rows + 8.0 * n * (d->n_terms + 5);
	ml_status	status = ml_check_memory(ctx, taken + each, "the workings of the linear support vector machine", err);

	if (status != ML_OK)
		return status;
	while (wanted > 1 && ctx->memory_limit > 0 && taken + wanted * each > (double) ctx->memory_limit)
		wanted--;
	s->slots = ml_alloc_zero(ctx, wanted, sizeof(ml_dual));
	s->machine_of = ml_alloc(ctx, wanted, sizeof(int));
	s->class_factor = ml_alloc_zero(ctx, d->n_classes + 1, sizeof(double));
	s->coefficients = ml_alloc_zero(ctx, n * (d->n_terms + 3) + 1, sizeof(double));
	s->rounds = ml_alloc_zero(ctx, n, sizeof(int64_t));
	s->converged = ml_alloc_zero(ctx, n, sizeof(bool));
	if (s->slots == NULL || s->machine_of == NULL || s->class_factor == NULL || s->coefficients == NULL || s->rounds == NULL ||
		s->converged == NULL || !ml_dual_rows_init(ctx, &s->rows))
		return ml_no_memory(err);
	s->intercepts = s->coefficients + n * d->n_terms;
	s->objectives = s->intercepts + n;
	s->gaps = s->objectives + n;
	for (; s->n_slots < wanted; s->n_slots++)
	{
		s->machine_of[s->n_slots] = -1;
		if (!ml_dual_init(ctx, &s->slots[s->n_slots], &s->rows))
		{
			s->n_slots++;
			return ml_no_memory(err);
		}
	}
	return ML_OK;
}

static ml_status
linear_svm_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	linear_svm_state *s = ml_alloc_zero(ctx, 1, sizeof(linear_svm_state));
	const ml_design *d = input->design;
	bool		regression = d->labels == NULL;
	int			loss = (int) params[PARAM_LOSS];
	ml_status	status;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	s->C = params[PARAM_C];
	s->n_machines = d->n_classes > 2 ? d->n_classes : 1;
	atomic_init(&s->next, 0);
	atomic_init(&s->done, 0);
	if (loss == LOSS_AUTO)
		loss = regression ? LOSS_EPSILON : LOSS_SQUARED_HINGE;
	if (regression != (loss >= LOSS_EPSILON))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the parameter \"loss\" cannot be \"%s\" for a %s", losses[loss],
					   regression ? "regression" : "classification");
	s->rows = (ml_dual_rows) {d->x, d->stride, d->rows, d->n_terms, params[PARAM_FIT_INTERCEPT] != 0 ? params[PARAM_INTERCEPT_SCALING] : 0,
		NULL};
	s->model = (ml_dual) {.regression = regression, .squared = loss == LOSS_SQUARED_HINGE || loss == LOSS_SQUARED_EPSILON,
		.epsilon = params[PARAM_EPSILON], .tolerance = params[PARAM_TOL], .max_rounds = (int64_t) params[PARAM_MAX_ITER],
		.target = d->target, .labels = d->labels, .weights = d->weights};
	status = take_memory(s, err);
	if (status == ML_OK && !regression)
		weigh_classes(s, params[PARAM_CLASS_WEIGHT] != 0);
	return status;
}

/* ---- machines ----------------------------------------------------------------------------------------------------- */

static void
begin_machine(linear_svm_state *s, int slot, int machine)
{
	ml_dual    *d = &s->slots[slot];
	ml_dual		memory = *d;

	*d = s->model;
	d->rows = memory.rows;
	d->w = memory.w;
	d->alpha = memory.alpha;
	d->index = memory.index;
	d->c_positive = d->c_negative = s->C;
	if (!d->regression)
	{
		d->positive = s->n_machines > 1 ? machine : 1;
		d->c_positive *= s->class_factor[d->positive];
		if (s->n_machines == 1)
			d->c_negative *= s->class_factor[0];
	}
	s->machine_of[slot] = machine;
	ml_dual_start(d, machine);
}

static void
keep_machine(linear_svm_state *s, int slot)
{
	const ml_dual *d = &s->slots[slot];
	int			machine = s->machine_of[slot];

	memcpy(s->coefficients + (size_t) machine * s->design->n_terms, d->w, sizeof(double) * s->design->n_terms);
	s->intercepts[machine] = d->intercept;
	s->objectives[machine] = d->objective;
	s->gaps[machine] = d->objective - d->dual_objective;
	s->rounds[machine] = d->rounds;
	s->converged[machine] = d->converged;
	s->machine_of[slot] = -1;
	atomic_fetch_add(&s->done, 1);
}

static void
run_slot(void *arg, int slot)
{
	linear_svm_state *s = arg;
	double		work = STEP_NUMBERS;

	while (work > 0)
	{
		if (s->machine_of[slot] < 0)
		{
			int			machine = atomic_fetch_add(&s->next, 1);

			if (machine >= s->n_machines)
			{
				atomic_store(&s->next, s->n_machines);
				return;
			}
			begin_machine(s, slot, machine);
		}
		if (ml_dual_run(&s->slots[slot], &work))
			keep_machine(s, slot);
	}
}

static ml_status
linear_svm_step(void *state, ml_progress *progress, ml_error *err)
{
	linear_svm_state *s = state;

	(void) err;
	ml_parallel(&s->ctx, s->n_slots, run_slot, s);
	for (int slot = 0; slot < s->n_slots; slot++)
		if (s->machine_of[slot] >= 0)
			progress->iteration = (int) s->slots[slot].rounds;
	progress->share = (double) atomic_load(&s->done) / s->n_machines;
	return atomic_load(&s->done) == s->n_machines ? ML_DONE : ML_MORE;
}

/* ---- the model ---------------------------------------------------------------------------------------------------- */

static void
report_machines(const linear_svm_state *s, ml_report *report)
{
	int			n_terms = s->design->n_terms;
	bool		intercept = s->rows.bias != 0;
	double		objective = 0;
	double		gap = 0;
	int64_t		rounds = 0;
	size_t		at = 0;

	report->converged = true;
	for (int m = 0; m < s->n_machines; m++)
	{
		for (int j = intercept ? -1 : 0; j < n_terms; j++)
			report->coefficients[at++] = (ml_coefficient) {m, j,
				j < 0 ? s->intercepts[m] : s->coefficients[(size_t) m * n_terms + j], NAN, NAN, NAN, false};
		objective += s->objectives[m];
		gap += s->gaps[m];
		rounds = s->rounds[m] > rounds ? s->rounds[m] : rounds;
		report->converged &= s->converged[m];
	}
	report->iterations = (int) (rounds < INT32_MAX ? rounds : INT32_MAX);
	ml_report_fact(report, "objective", objective);
	ml_report_fact(report, "duality_gap", gap);
}

static ml_status
linear_svm_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	linear_svm_state *s = state;
	const ml_design *d = s->design;
	ml_link		link = d->labels == NULL ? ML_LINK_IDENTITY : s->n_machines > 1 ? ML_LINK_SOFTMAX : ML_LINK_LOGIT;
	ml_status	status = ml_model_set_linear(model, link, s->coefficients, s->intercepts, err);

	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, (size_t) s->n_machines * (d->n_terms + (s->rows.bias != 0)), err);
	if (status == ML_OK)
		report_machines(s, report);
	return status;
}

static void
linear_svm_end(void *state)
{
	linear_svm_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	for (int slot = 0; slot < s->n_slots; slot++)
		ml_dual_free(&ctx, &s->slots[slot]);
	ml_free(&ctx, s->rows.norms);
	ml_free(&ctx, s->slots);
	ml_free(&ctx, s->machine_of);
	ml_free(&ctx, s->class_factor);
	ml_free(&ctx, s->coefficients);
	ml_free(&ctx, s->rounds);
	ml_free(&ctx, s->converged);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_linear_svm = {
	.name = "linear_svm", .tasks = ML_TASK_BIT(ML_REGRESSION) | ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS),
	.form = ML_FORM_ROWS, .wants_scaling = true,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs, .check = linear_svm_check,
	.begin = linear_svm_begin, .step = linear_svm_step, .finish = linear_svm_finish, .end = linear_svm_end
};
