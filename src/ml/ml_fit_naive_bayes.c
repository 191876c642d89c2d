/*
 * ml_fit_naive_bayes.c: the estimator naive_bayes.
 *
 * Two passes over the rows: the means of each class, then the squares about them.  A step does some tens of thousands of
 * rows.
 */
#include "ml/ml_estimator.h"

#include <math.h>

#include "ml/ml_naive_bayes.h"

#define STEP_NUMBERS 4000000	/* numbers of the design that a step reads */

enum
{
	PARAM_VAR_SMOOTHING = 0
};

static const ml_param_spec specs[] = {
	[PARAM_VAR_SMOOTHING] = {"var_smoothing", ML_PARAM_NUMBER, 1e-9, 0, INFINITY, false, NULL,
	"Share of the largest variance of a feature that is added to all variances"},
};

typedef struct nb_state
{
	ml_ctx		ctx;
	const ml_design *design;
	double		var_smoothing;
	ml_gaussian_nb *nb;			/* handed to the model by finish */
	double	   *weight;			/* (n_classes) */
	double	   *count;			/* (n_classes) rows */
	size_t		next;			/* row */
	bool		second_pass;
} nb_state;

static ml_status
nb_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	nb_state   *s = ml_alloc_zero(ctx, 1, sizeof(nb_state));

	*state = s;
	if (s == NULL)
		return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
	s->ctx = *ctx;
	s->design = input->design;
	s->var_smoothing = params[PARAM_VAR_SMOOTHING];
	s->nb = ml_gaussian_nb_new(ctx, s->design->n_terms, s->design->n_classes);
	s->weight = ml_alloc_zero(ctx, 2 * (size_t) s->design->n_classes, sizeof(double));
	if (s->nb == NULL || s->weight == NULL)
		return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
	s->count = s->weight + s->design->n_classes;
	return ML_OK;
}

/* Adds some rows to the sums of the pass. */
static void
add_rows(nb_state *s, size_t first, size_t end)
{
	const ml_design *d = s->design;

	for (size_t i = first; i < end; i++)
	{
		const double *x = d->x + i * d->stride;
		int			k = d->labels[i];
		double		weight = d->weights ? d->weights[i] : 1;
		double	   *mean = s->nb->mean + (size_t) k * d->n_terms;
		double	   *variance = s->nb->variance + (size_t) k * d->n_terms;

		if (!s->second_pass)
		{
			s->weight[k] += weight;
			s->count[k]++;
			for (int j = 0; j < d->n_terms; j++)
				mean[j] += weight * x[j];
		}
		else
			for (int j = 0; j < d->n_terms; j++)
				variance[j] += weight * (x[j] - mean[j]) * (x[j] - mean[j]);
	}
}

/* The largest variance of a feature over all rows, from those within the classes and between them. */
static double
largest_variance(const nb_state *s)
{
	const ml_gaussian_nb *nb = s->nb;
	double		largest = 0;
	double		total = 0;

	for (int k = 0; k < nb->n_classes; k++)
		total += s->weight[k];
	for (int j = 0; j < nb->n_terms; j++)
	{
		double		mean = 0;
		double		variance = 0;

		for (int k = 0; k < nb->n_classes; k++)
			mean += s->weight[k] / total * nb->mean[(size_t) k * nb->n_terms + j];
		for (int k = 0; k < nb->n_classes; k++)
		{
			double		distance = nb->mean[(size_t) k * nb->n_terms + j] - mean;

			variance += s->weight[k] / total * (nb->variance[(size_t) k * nb->n_terms + j] + distance * distance);
		}
		largest = variance > largest ? variance : largest;
	}
	return largest;
}

static ml_status
end_of_pass(nb_state *s, ml_error *err)
{
	ml_gaussian_nb *nb = s->nb;
	double	   *sums = s->second_pass ? nb->variance : nb->mean;
	double		total = 0;
	double		smallest = INFINITY;
	double		added;

	for (int k = 0; k < nb->n_classes; k++)
		for (int j = 0; j < nb->n_terms; j++)
			if (s->weight[k] > 0)
				sums[(size_t) k * nb->n_terms + j] /= s->weight[k];
	s->next = 0;
	if (!s->second_pass)
	{
		s->second_pass = true;
		return ML_MORE;
	}
	added = s->var_smoothing * largest_variance(s);
	for (int k = 0; k < nb->n_classes; k++)
	{
		total += s->weight[k];
		for (int j = 0; j < nb->n_terms; j++)
		{
			double	   *variance = &nb->variance[(size_t) k * nb->n_terms + j];

			*variance += added;
			smallest = *variance < smallest ? *variance : smallest;
		}
	}
	if (!(smallest > 0))
		return ml_fail(err, ML_BAD_DATA, "Raise the parameter \"var_smoothing\".",
					   "a feature has no variance within a class");
	for (int k = 0; k < nb->n_classes; k++)
		nb->log_prior[k] = log(s->weight[k] / total);
	return ML_DONE;
}

static ml_status
nb_step(void *state, ml_progress *progress, ml_error *err)
{
	nb_state   *s = state;
	size_t		rows = STEP_NUMBERS / ((size_t) s->design->n_terms + 1) + 1;
	size_t		end = s->design->rows - s->next < rows ? s->design->rows : s->next + rows;

	add_rows(s, s->next, end);
	s->next = end;
	progress->share = (s->second_pass ? 0.5 : 0) + 0.5 * end / s->design->rows;
	return end < s->design->rows ? ML_MORE : end_of_pass(s, err);
}

static ml_status
nb_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	nb_state   *s = state;
	ml_gaussian_nb *nb = s->nb;
	ml_report_matrix *added;
	ml_status	status;

	s->nb = NULL;
	status = ml_model_set_predictor(model, &ml_gaussian_nb_class, nb, err);
	if (status != ML_OK || report == NULL)
		return status;
	status = ml_report_init(&s->ctx, report, 0, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "class_count", s->count, nb->n_classes, 1, &added, err);
	if (status == ML_OK)
	{
		added->rows_are_classes = true;
		status = ml_report_array(&s->ctx, report, "theta", nb->mean, nb->n_classes, nb->n_terms, &added, err);
	}
	if (status == ML_OK)
	{
		added->rows_are_classes = added->columns_are_terms = true;
		status = ml_report_array(&s->ctx, report, "var", nb->variance, nb->n_classes, nb->n_terms, &added, err);
	}
	if (status == ML_OK)
		added->rows_are_classes = added->columns_are_terms = true;
	return status;
}

static void
nb_end(void *state)
{
	nb_state   *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_free(&ctx, s->nb);
	ml_free(&ctx, s->weight);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_naive_bayes = {
	.name = "naive_bayes", .tasks = ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = nb_begin, .step = nb_step, .finish = nb_finish, .end = nb_end
};
