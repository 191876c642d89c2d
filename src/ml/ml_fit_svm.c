/*
 * ml_fit_svm.c: the estimator svm: classification (one machine for each pair of classes), regression and outliers.
 *
 * What it minimises and how: ml_smo.h.  Parameters mean what they mean in scikit-learn's SVC, SVR and OneClassSVM.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_svm.h"
#include "ml/ml_svm_solve.h"

enum
{
	PARAM_C = 0,
	PARAM_BREAK_TIES,
	PARAM_CLASS_WEIGHT,
	PARAM_COEF0,
	PARAM_DEGREE,
	PARAM_EPSILON,
	PARAM_GAMMA,
	PARAM_KERNEL,
	PARAM_MAX_ITER,
	PARAM_NU,
	PARAM_PROBABILITY,
	PARAM_SHRINKING,
	PARAM_TASK,
	PARAM_TOL
};

static const char *const kernels[] = {"linear", "poly", "rbf", "sigmoid", NULL};	/* as ml_kernel_type */
static const char *const gammas[] = {"scale", "auto", NULL};
static const char *const class_weights[] = {"none", "balanced", NULL};
static const char *const tasks[] = {"auto", "classification", "regression", "outlier", NULL};

#define GAMMA_SCALE (-1.0)

static const ml_param_spec specs[] = {
	[PARAM_C] = {"C", ML_PARAM_NUMBER, 1, 0, INFINITY, true, NULL,
	"Weight of errors against the width of the margin; not used for outliers"},
	[PARAM_BREAK_TIES] = {"break_ties", ML_PARAM_BOOLEAN, 0, 0, 1, false, NULL,
	"Of more than two classes: whether equal votes are decided by the decision values, else for the first class"},
	[PARAM_CLASS_WEIGHT] = {"class_weight", ML_PARAM_CHOICE, 0, 0, 1, false, class_weights,
	"Balanced: C of a class is times rows / (classes * rows of the class)"},
	[PARAM_COEF0] = {"coef0", ML_PARAM_NUMBER, 0, -INFINITY, INFINITY, false, NULL, "Constant of the kernels poly and sigmoid"},
	[PARAM_DEGREE] = {"degree", ML_PARAM_INTEGER, 3, 0, 1000, false, NULL, "Exponent of the kernel poly"},
	[PARAM_EPSILON] = {"epsilon", ML_PARAM_NUMBER, 0.1, 0, INFINITY, false, NULL,
	"Of a regression: errors below it do not count"},
	[PARAM_GAMMA] = {"gamma", ML_PARAM_NUMBER, GAMMA_SCALE, 0, INFINITY, false, gammas,
	"Factor of the kernels but linear; scale is 1 / (terms * variance of all their numbers), auto is 1 / terms"},
	[PARAM_KERNEL] = {"kernel", ML_PARAM_CHOICE, ML_KERNEL_RBF, 0, 3, false, kernels, "What stands for the inner product of two rows"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, -1, -1, 1e15, false, NULL, "Most pairs of rows that are moved, -1 for no limit"},
	[PARAM_NU] = {"nu", ML_PARAM_NUMBER, 0.5, 0, 1, true, NULL,
	"Of outliers: at most this share of the rows is outside, and at least this share are support vectors"},
	[PARAM_PROBABILITY] = {"probability", ML_PARAM_BOOLEAN, 0, 0, 1, false, NULL,
	"Of a classification: whether probabilities are fitted, by Platt's method to five folds; takes about five times as long"},
	[PARAM_SHRINKING] = {"shrinking", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, "Whether rows that are decided are left out for a time"},
	[PARAM_TASK] = {"task", ML_PARAM_CHOICE, 0, 0, 3, false, tasks,
	"What to learn; auto: outliers without a target, a regression of numbers, a classification of anything else"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-3, 0, INFINITY, true, NULL, "Largest violation of the optimum's conditions that is left"},
};

typedef struct svm_state
{
	ml_ctx		ctx;
	ml_svm_setup setup;
	ml_svm_solver *solver;
	bool		break_ties;
	int			n_classes;
	uint32_t   *vectors;		/* (rows) of the design */
	double	   *numbers;		/* for the report */
} svm_state;

/* 1 / (terms * variance of all numbers of the design, rows by their weight). */
static double
gamma_scale(const ml_design *d)
{
	double		total = 0;
	double		mean = 0;
	double		variance = 0;

	for (int pass = 0; pass < 2; pass++)
	{
		for (size_t i = 0; i < d->rows; i++)
		{
			const double *x = ml_design_row(d, i);
			double		weight = ml_design_weight(d, i);
			double		sum = 0;

			for (int j = 0; j < d->n_terms; j++)
				sum += pass == 0 ? x[j] : (x[j] - mean) * (x[j] - mean);
			if (pass == 0)
			{
				total += weight * d->n_terms;
				mean += weight * sum;
			}
			else
				variance += weight * sum;
		}
		mean /= pass == 0 ? total : 1;
	}
	variance /= total;
	return variance > 0 && isfinite(1 / variance) ? 1 / (d->n_terms * variance) : 1;
}

static ml_status
svm_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	svm_state  *s = ml_alloc_zero(ctx, 1, sizeof(svm_state));
	const ml_design *d = input->design;
	double		gamma = params[PARAM_GAMMA];
	ml_task		task = d->labels != NULL ? ML_BINARY : d->target != NULL ? ML_REGRESSION : ML_OUTLIER;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->n_classes = d->n_classes;
	s->break_ties = params[PARAM_BREAK_TIES] != 0;
	if (d->n_classes > ML_SVM_MAX_CLASSES)
		return ml_fail(err, ML_BAD_DATA, "Choose another algorithm, such as linear_svm or naive_bayes.",
					   "there are %d classes, more than the %d that algorithm svm takes", d->n_classes, ML_SVM_MAX_CLASSES);
	if (gamma < 0)
		gamma = gamma == GAMMA_SCALE ? gamma_scale(d) : 1.0 / (d->n_terms > 0 ? d->n_terms : 1);
	s->setup = (ml_svm_setup) {
		.design = d, .task = task,
		.kernel = {(ml_kernel_type) params[PARAM_KERNEL], (int) params[PARAM_DEGREE], gamma, params[PARAM_COEF0]},
		.C = params[PARAM_C], .epsilon = params[PARAM_EPSILON], .nu = params[PARAM_NU], .tolerance = params[PARAM_TOL],
		.max_iterations = (int64_t) params[PARAM_MAX_ITER], .shrinking = params[PARAM_SHRINKING] != 0,
		.probability = params[PARAM_PROBABILITY] != 0, .balanced = params[PARAM_CLASS_WEIGHT] != 0
	};
	s->vectors = ml_alloc(ctx, d->rows + 1, sizeof(uint32_t));
	if (s->vectors == NULL)
		return ml_no_memory(err);
	return ml_svm_solver_new(ctx, &s->setup, &s->solver, err);
}

static ml_status
svm_step(void *state, ml_progress *progress, ml_error *err)
{
	svm_state  *s = state;

	(void) err;
	return ml_svm_solver_step(s->solver, progress);
}

/* ---- from the solution to the predictor --------------------------------------------------------------------------- */

static int
coefficient_rows(const svm_state *s)
{
	return s->n_classes > 2 ? s->n_classes - 1 : 1;
}

/* Rows with a coefficient, class after class; counts (groups) gets how many each class has.  Returns how many. */
static size_t
list_vectors(svm_state *s, int n_groups, double *counts)
{
	const uint32_t *class_start;
	const uint32_t *order = ml_svm_solver_order(s->solver, &class_start);
	size_t		n = 0;

	for (int group = 0; group < n_groups; group++)
	{
		size_t		before = n;

		for (size_t i = class_start[group]; i < class_start[group + 1]; i++)
		{
			bool		used = false;

			for (int line = 0; line < coefficient_rows(s) && !used; line++)
				used = ml_svm_solver_coefficients(s->solver, line)[order[i]] != 0;
			if (used)
				s->vectors[n++] = order[i];
		}
		counts[group] = (double) (n - before);
	}
	return n;
}

/* The weights of a machine with a linear kernel. */
static void
sum_weights(const svm_state *s, const ml_svm_machine *machine, double *weights)
{
	const ml_design *d = s->setup.design;
	const uint32_t *class_start;
	const uint32_t *order = ml_svm_solver_order(s->solver, &class_start);

	memset(weights, 0, sizeof(double) * d->n_terms);
	for (int side = 0; side < 2; side++)
	{
		int			group = machine->positive < 0 ? side - 1 : side == 0 ? machine->positive : machine->negative;
		int			line = s->n_classes <= 2 ? 0 : side == 0 ? machine->negative - 1 : machine->positive;
		const double *coefficients = ml_svm_solver_coefficients(s->solver, line);

		for (size_t i = group < 0 ? 0 : class_start[group]; group >= 0 && i < class_start[group + 1]; i++)
			if (coefficients[order[i]] != 0)
				ml_axpy(weights, coefficients[order[i]], ml_design_row(d, order[i]), d->n_terms);
	}
}

static ml_svm *
make_predictor(svm_state *s, size_t n_vectors, const double *counts)
{
	const ml_design *d = s->setup.design;
	bool		linear = s->setup.kernel.type == ML_KERNEL_LINEAR;
	ml_svm	   *svm = ml_svm_new(&s->ctx, &s->setup.kernel, d->n_terms, s->n_classes, linear ? 0 : n_vectors);
	const ml_svm_machine *machines;

	if (svm == NULL)
		return NULL;
	svm->has_probability = s->setup.probability && s->n_classes > 0;
	svm->breaks_ties = s->break_ties;
	ml_svm_solver_machines(s->solver, &machines);
	for (int m = 0; m < svm->n_machines; m++)
	{
		svm->intercepts[m] = machines[m].intercept;
		svm->sigmoids[2 * m] = machines[m].a;
		svm->sigmoids[2 * m + 1] = machines[m].b;
		if (svm->n_vectors == 0)
			sum_weights(s, &machines[m], svm->coefficients + (size_t) m * d->n_terms);
	}
	if (svm->n_vectors == 0)
		return svm;
	for (int k = 0; k < s->n_classes; k++)
		svm->class_start[k + 1] = svm->class_start[k] + (uint32_t) counts[k];
	for (int line = 0; line < svm->n_rows; line++)
		for (size_t v = 0; v < n_vectors; v++)
			svm->coefficients[line * svm->n_padded + v] = ml_svm_solver_coefficients(s->solver, line)[s->vectors[v]];
	ml_pack_points(svm->panels, d->x, d->stride, s->vectors, n_vectors, d->n_terms);
	return svm;
}

/* ---- the report --------------------------------------------------------------------------------------------------- */

static ml_status
report_machines(svm_state *s, const ml_svm *svm, ml_report *report, ml_error *err)
{
	const ml_svm_machine *machines;
	int			n = ml_svm_solver_machines(s->solver, &machines);
	ml_report_matrix *added;
	double		objective = 0;
	double		iterations = 0;
	ml_status	status;

	s->numbers = ml_alloc(&s->ctx, 2 * (size_t) n, sizeof(double));
	if (s->numbers == NULL)
		return ml_no_memory(err);
	report->converged = true;
	for (int m = 0; m < n; m++)
	{
		s->numbers[m] = machines[m].a;
		s->numbers[n + m] = machines[m].b;
		objective += machines[m].objective;
		iterations += (double) machines[m].iterations;
		report->converged &= machines[m].converged;
	}
	report->iterations = (int) fmin(iterations, INT32_MAX);
	ml_report_fact(report, "dual_objective", objective);
	if (s->setup.kernel.type != ML_KERNEL_LINEAR)
		ml_report_fact(report, "gamma", s->setup.kernel.gamma);
	status = ml_report_array(&s->ctx, report, "intercept", svm->intercepts, n, 1, NULL, err);
	if (status == ML_OK && svm->has_probability)
		status = ml_report_array(&s->ctx, report, "probA", s->numbers, n, 1, NULL, err);
	if (status == ML_OK && svm->has_probability)
		status = ml_report_array(&s->ctx, report, "probB", s->numbers + n, n, 1, NULL, err);
	if (status == ML_OK && s->setup.kernel.type == ML_KERNEL_LINEAR)
	{
		status = ml_report_array(&s->ctx, report, "coef", svm->coefficients, n, svm->n_terms, &added, err);
		if (status == ML_OK)
			added->columns_are_terms = true;
	}
	return status;
}

static ml_status
svm_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	svm_state  *s = state;
	int			n_groups = s->n_classes > 0 ? s->n_classes : 1;
	double	   *counts = ml_alloc_zero(&s->ctx, n_groups, sizeof(double));
	ml_report_matrix *added;
	size_t		n_vectors;
	ml_svm	   *svm;
	ml_status	status;

	if (counts == NULL)
		return ml_no_memory(err);
	n_vectors = list_vectors(s, n_groups, counts);
	svm = make_predictor(s, n_vectors, counts);
	status = svm != NULL ? ml_model_set_predictor(model, &ml_svm_class, svm, err) : ml_no_memory(err);
	if (status == ML_OK && report != NULL)
	{
		status = ml_report_init(&s->ctx, report, 0, err);
		ml_report_fact(report, "support_vectors", (double) n_vectors);
		if (status == ML_OK)
			status = ml_report_array(&s->ctx, report, "n_support", counts, n_groups, 1, &added, err);
		if (status == ML_OK)
		{
			added->rows_are_classes = s->n_classes > 0;
			status = report_machines(s, svm, report, err);
		}
	}
	ml_free(&s->ctx, counts);
	return status;
}

static void
svm_end(void *state)
{
	svm_state  *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_svm_solver_free(s->solver);
	ml_free(&ctx, s->vectors);
	ml_free(&ctx, s->numbers);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_svm = {
	.name = "svm",
	.tasks = ML_TASK_BIT(ML_REGRESSION) | ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS) | ML_TASK_BIT(ML_OUTLIER),
	.form = ML_FORM_ROWS, .wants_scaling = true,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = svm_begin, .step = svm_step, .finish = svm_finish, .end = svm_end
};
