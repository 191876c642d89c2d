/*
 * ml_fit_naive_bayes.c: the estimator naive_bayes: gaussian, multinomial, Bernoulli and categorical.
 *
 * Features are taken as independent within a class (Manning, Raghavan and Schuetze 2008, "Introduction to Information
 * Retrieval", chapter 13).  gaussian takes two passes, the means of each class and the squares about them; the others
 * one: the sums of the terms (multinomial, categorical) or how often they are above a threshold (Bernoulli).  The same
 * sums gathered while a table is read (ml_class_sums.h) do as well.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_naive_bayes.h"
#include "ml/ml_pass.h"

enum
{
	PARAM_ALPHA = 0,
	PARAM_BINARIZE,
	PARAM_FIT_PRIOR,
	PARAM_TYPE,
	PARAM_VAR_SMOOTHING
};

enum
{
	GAUSSIAN = ML_CLASS_GAUSSIAN,
	MULTINOMIAL = ML_CLASS_MULTINOMIAL,
	BERNOULLI = ML_CLASS_BERNOULLI,
	CATEGORICAL = ML_CLASS_CATEGORICAL
};

static const char *const types[] = {"gaussian", "multinomial", "bernoulli", "categorical", NULL};

static const ml_param_spec specs[] = {
	[PARAM_ALPHA] = {"alpha", ML_PARAM_NUMBER, 1, 0, INFINITY, true, NULL,
	"What is added to every count (all types but gaussian)"},
	[PARAM_BINARIZE] = {"binarize", ML_PARAM_NUMBER, 0, -INFINITY, INFINITY, false, NULL,
	"A feature counts as present above this (bernoulli)"},
	[PARAM_FIT_PRIOR] = {"fit_prior", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL,
	"Whether classes have the shares that they have in training; else all have the same"},
	[PARAM_TYPE] = {"type", ML_PARAM_CHOICE, GAUSSIAN, 0, 3, false, types, "What features are taken for"},
	[PARAM_VAR_SMOOTHING] = {"var_smoothing", ML_PARAM_NUMBER, 1e-9, 0, INFINITY, false, NULL,
	"Share of the largest variance of a feature that is added to all variances (gaussian)"},
};

typedef struct nb_state
{
	ml_ctx		ctx;
	const ml_design *design;
	const ml_class_sums *class_sums;	/* instead of rows; then the design only tells how many terms and classes … */
	ml_design	shape;			/* … and is this one */
	int			type;
	double		alpha;
	double		binarize;
	bool		fit_prior;
	double		var_smoothing;
	ml_pass		pass;
	bool		second_pass;
	size_t		cells;			/* n_classes * n_terms */
	double	   *sums;			/* (n_groups, cells) of the pass */
	double	   *tallies;		/* (n_groups, 2, n_classes) weights and rows */
	double	   *weight;			/* (n_classes) the first group's, which has all of them after the first pass … */
	double	   *count;			/* … and its rows */
	double	   *mean;			/* (cells) gaussian */
	double	   *variance;		/* (cells) gaussian */
	bool	   *negative;		/* (n_groups, n_terms) there is a value below 0 */
	bool	   *fractional;		/* (n_groups, n_terms) there is a value other than 0 and 1 */
} nb_state;

/* What a pass would have found. */
static void
take_sums(nb_state *s)
{
	const ml_class_sums *from = s->class_sums;

	memcpy(s->weight, from->weight, from->n_classes * sizeof(double));
	memcpy(s->count, from->count, from->n_classes * sizeof(double));
	memcpy(s->type == GAUSSIAN ? s->mean : s->sums, from->sums, s->cells * sizeof(double));
	memcpy(s->negative, from->negative, from->n_terms * sizeof(bool));
	memcpy(s->fractional, from->fractional, from->n_terms * sizeof(bool));
	if (s->type == GAUSSIAN)
		memcpy(s->sums, from->squares, s->cells * sizeof(double));
}

static ml_status
nb_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	nb_state   *s = ml_alloc_zero(ctx, 1, sizeof(nb_state));
	const ml_design *d = input->design;
	int			groups;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->class_sums = input->class_sums;
	if (d == NULL)
	{
		s->shape = (ml_design) {.n_terms = input->class_sums->n_terms, .n_classes = input->class_sums->n_classes};
		d = &s->shape;
	}
	s->design = d;
	s->type = (int) params[PARAM_TYPE];
	s->alpha = params[PARAM_ALPHA];
	s->binarize = params[PARAM_BINARIZE];
	s->fit_prior = params[PARAM_FIT_PRIOR] != 0;
	s->var_smoothing = params[PARAM_VAR_SMOOTHING];
	s->cells = (size_t) d->n_terms * d->n_classes;
	ml_pass_begin(&s->pass, ctx, d->rows, d->n_terms, sizeof(double) * (double) s->cells);
	groups = s->pass.n_groups;
	s->sums = ml_alloc_zero(ctx, groups * s->cells, sizeof(double));
	s->tallies = ml_alloc_zero(ctx, 2 * (size_t) groups * d->n_classes, sizeof(double));
	s->mean = ml_alloc_zero(ctx, s->type == GAUSSIAN ? 2 * s->cells : 0, sizeof(double));
	s->negative = ml_alloc_zero(ctx, 2 * (size_t) groups * d->n_terms, sizeof(bool));
	if (s->sums == NULL || s->tallies == NULL || s->mean == NULL || s->negative == NULL)
		return ml_no_memory(err);
	s->variance = s->mean + s->cells;
	s->fractional = s->negative + (size_t) groups * d->n_terms;
	s->weight = s->tallies;
	s->count = s->tallies + d->n_classes;
	if (s->class_sums != NULL)
		take_sums(s);
	return ML_OK;
}

/* ---- passes ------------------------------------------------------------------------------------------------------- */

/* Sums of the terms, of each class; of Bernoulli those of 1 for a term above the threshold. */
static void
sum_rows(void *arg, int group, size_t first, size_t end)
{
	nb_state   *s = arg;
	const ml_design *d = s->design;
	double	   *weights = s->tallies + 2 * (size_t) group * d->n_classes;
	bool	   *negative = s->negative + (size_t) group * d->n_terms;
	bool	   *fractional = s->fractional + (size_t) group * d->n_terms;

	for (size_t i = first; i < end; i++)
	{
		const double *x = ml_design_row(d, i);
		int			k = d->labels[i];
		double		weight = ml_design_weight(d, i);
		double	   *sum = s->sums + group * s->cells + (size_t) k * d->n_terms;

		weights[k] += weight;
		weights[d->n_classes + k]++;
		if (s->type == BERNOULLI)
			for (int j = 0; j < d->n_terms; j++)
				sum[j] += x[j] > s->binarize ? weight : 0;
		else
			ml_axpy(sum, weight, x, d->n_terms);
		if (s->type == MULTINOMIAL || s->type == CATEGORICAL)
			for (int j = 0; j < d->n_terms; j++)
			{
				negative[j] |= x[j] < 0;
				fractional[j] |= x[j] != 0 && x[j] != 1;
			}
	}
}

/* Sums of the squares about the means. */
static void
square_rows(void *arg, int group, size_t first, size_t end)
{
	nb_state   *s = arg;
	const ml_design *d = s->design;

	for (size_t i = first; i < end; i++)
	{
		const double *x = ml_design_row(d, i);
		int			k = d->labels[i];
		double		weight = ml_design_weight(d, i);
		const double *mean = s->mean + (size_t) k * d->n_terms;
		double	   *sum = s->sums + group * s->cells + (size_t) k * d->n_terms;

		for (int j = 0; j < d->n_terms; j++)
			sum[j] += weight * (x[j] - mean[j]) * (x[j] - mean[j]);
	}
}

/* Brings together what the groups found. */
static void
add_up_first_pass(nb_state *s)
{
	size_t		n_terms = s->design->n_terms;

	ml_pass_add_up(&s->pass, s->sums, s->cells);
	ml_pass_add_up(&s->pass, s->tallies, 2 * (size_t) s->design->n_classes);
	for (int group = 1; group < s->pass.n_groups; group++)
		for (size_t j = 0; j < n_terms; j++)
		{
			s->negative[j] |= s->negative[group * n_terms + j];
			s->fractional[j] |= s->fractional[group * n_terms + j];
		}
}

static void
divide_by_weights(const nb_state *s, double *to)
{
	int			n = s->design->n_terms;

	for (int k = 0; k < s->design->n_classes; k++)
		for (int j = 0; j < n; j++)
			to[(size_t) k * n + j] = s->weight[k] > 0 ? s->sums[(size_t) k * n + j] / s->weight[k] : 0;
}

/* The largest variance of a feature over all rows, from those within the classes and between them. */
static double
largest_variance(const nb_state *s)
{
	int			n = s->design->n_terms;
	int			n_classes = s->design->n_classes;
	double		largest = 0;
	double		total = 0;

	for (int k = 0; k < n_classes; k++)
		total += s->weight[k];
	for (int j = 0; j < n; j++)
	{
		double		mean = 0;
		double		variance = 0;

		for (int k = 0; k < n_classes; k++)
			mean += s->weight[k] / total * s->mean[(size_t) k * n + j];
		for (int k = 0; k < n_classes; k++)
		{
			double		distance = s->mean[(size_t) k * n + j] - mean;

			variance += s->weight[k] / total * (s->variance[(size_t) k * n + j] + distance * distance);
		}
		largest = variance > largest ? variance : largest;
	}
	return largest;
}

static ml_status
smooth_variances(nb_state *s, ml_error *err)
{
	double		added = s->var_smoothing * largest_variance(s);
	double		smallest = INFINITY;
	bool		finite = true;

	for (size_t i = 0; i < s->cells; i++)
	{
		s->variance[i] += added;
		smallest = fmin(smallest, s->variance[i]);
		finite &= isfinite(s->variance[i]) && isfinite(s->mean[i]);
	}
	if (!finite)
		return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the sums of squares overflow");
	if (!(smallest >= ML_LEAST_VARIANCE))
		return ml_fail(err, ML_BAD_DATA, "Raise the parameter \"var_smoothing\".",
					   "a feature has no variance within a class");
	return ML_DONE;
}

static ml_status
nb_step(void *state, ml_progress *progress, ml_error *err)
{
	nb_state   *s = state;
	bool		passed = s->class_sums != NULL || ml_pass_step(&s->pass, &s->ctx, s->second_pass ? square_rows : sum_rows, s);
	double		share = passed ? 1 : ml_pass_share(&s->pass);

	progress->share = s->type == GAUSSIAN ? 0.5 * s->second_pass + 0.5 * share : share;
	if (!passed)
		return ML_MORE;
	if (s->class_sums != NULL && s->type != GAUSSIAN)
		return ML_DONE;
	if (!s->second_pass && s->class_sums == NULL)
	{
		add_up_first_pass(s);
		if (s->type != GAUSSIAN)
			return ML_DONE;
		divide_by_weights(s, s->mean);
		memset(s->sums, 0, s->pass.n_groups * s->cells * sizeof(double));
		s->second_pass = true;
		return ML_MORE;
	}
	if (s->class_sums == NULL)
		ml_pass_add_up(&s->pass, s->sums, s->cells);
	divide_by_weights(s, s->variance);
	return smooth_variances(s, err);
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static void
log_priors(const nb_state *s, double *log_prior)
{
	double		total = 0;

	for (int k = 0; k < s->design->n_classes; k++)
		total += s->weight[k];
	for (int k = 0; k < s->design->n_classes; k++)
		log_prior[k] = s->fit_prior ? log(s->weight[k] / total) : -log(s->design->n_classes);
}

/* log of the share of a term in all that a class has of the terms: MultinomialNB. */
static void
multinomial(const nb_state *s, ml_discrete_nb *nb)
{
	int			n = nb->n_terms;

	for (int k = 0; k < nb->n_classes; k++)
	{
		const double *sum = s->sums + (size_t) k * n;
		double		total = 0;

		for (int j = 0; j < n; j++)
			total += sum[j] + s->alpha;
		for (int j = 0; j < n; j++)
			nb->weight[(size_t) k * n + j] = log(sum[j] + s->alpha) - log(total);
	}
}

/* A term that is there or not, with probability p in class k: p^x (1 - p)^(1 - x), BernoulliNB. */
static void
presence(const nb_state *s, ml_discrete_nb *nb, int k, int term)
{
	double		all = s->weight[k] + 2 * s->alpha;
	double		sum = s->sums[(size_t) k * nb->n_terms + term];
	double		there = sum + s->alpha;
	double		absent = log((s->weight[k] - sum) + s->alpha) - log(all);	/* what is added is not lost beside the weight */

	nb->weight[(size_t) k * nb->n_terms + term] = log(there) - log(all) - absent;
	nb->intercept[k] += absent;
}

/* The terms of one column are its categories, of which a row has one: CategoricalNB.  A row with none says nothing. */
static void
categories(const nb_state *s, ml_discrete_nb *nb, int k, int first, int count)
{
	const double *sum = s->sums + (size_t) k * nb->n_terms + first;
	double	   *weight = nb->weight + (size_t) k * nb->n_terms + first;
	double		total = 0;

	for (int j = 0; j < count; j++)
		total += sum[j] + s->alpha;
	for (int j = 0; j < count; j++)
		weight[j] = log(sum[j] + s->alpha) - log(total);
}

static ml_status
refuse_term(const ml_model *model, int term, const char *hint, const char *what, ml_error *err)
{
	char		name[128];

	ml_model_term_name(model, term, name, sizeof(name));
	return ml_fail(err, ML_BAD_DATA, hint, "feature \"%s\" has %s", name, what);
}

/* Categories of a column together; other terms must be 0 or 1. */
static ml_status
categorical(const nb_state *s, ml_discrete_nb *nb, const ml_model *model, ml_error *err)
{
	for (int term = 0; term < nb->n_terms;)
	{
		int			column = ml_model_term_column(model, term);
		int			count = 0;

		while (term + count < nb->n_terms && ml_model_term_column(model, term + count) == column &&
			   ml_model_term_category(model, term + count) >= 0)
			count++;
		for (int k = 0; k < nb->n_classes; k++)
			if (count > 0)
				categories(s, nb, k, term, count);
			else
				presence(s, nb, k, term);
		if (count == 0 && s->fractional[term])
			return refuse_term(model, term, "Cast the column to text, so that its values are categories, or use another type.",
							   "numbers other than 0 and 1, which categorical naive Bayes cannot use", err);
		term += count > 0 ? count : 1;
	}
	return ML_OK;
}

static ml_status
finish_discrete(const nb_state *s, ml_model *model, ml_discrete_nb **made, ml_error *err)
{
	ml_discrete_nb *nb = *made = ml_discrete_nb_new(&s->ctx, s->design->n_terms, s->design->n_classes);

	if (nb == NULL)
		return ml_no_memory(err);
	for (size_t i = 0; i < s->cells; i++)
		if (!isfinite(s->sums[i]))
			return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the sums of the features overflow");
	log_priors(s, nb->intercept);
	if (s->type == CATEGORICAL)
		return categorical(s, nb, model, err);
	if (s->type == MULTINOMIAL)
	{
		for (int term = 0; term < nb->n_terms; term++)
			if (s->negative[term])
				return refuse_term(model, term, "Give counts or frequencies, or use type gaussian.",
								   "values below 0, which multinomial naive Bayes cannot use", err);
		multinomial(s, nb);
		return ML_OK;
	}
	nb->binarises = true;
	nb->threshold = s->binarize;
	for (int k = 0; k < nb->n_classes; k++)
		for (int term = 0; term < nb->n_terms; term++)
			presence(s, nb, k, term);
	return ML_OK;
}

/* One array of the report, a row for each class; n_columns n_terms or 1. */
static ml_status
report_classes(const nb_state *s, ml_report *report, const char *name, const double *values, int n_columns, ml_error *err)
{
	ml_report_matrix *added;
	ml_status	status = ml_report_array(&s->ctx, report, name, values, s->design->n_classes, n_columns, &added, err);

	if (status == ML_OK)
	{
		added->rows_are_classes = true;
		added->columns_are_terms = n_columns == s->design->n_terms && values != s->count && values != s->weight;
	}
	return status;
}

static ml_status
report_fit(const nb_state *s, ml_report *report, const ml_discrete_nb *nb, ml_error *err)
{
	int			n = s->design->n_terms;
	ml_status	status = ml_report_init(&s->ctx, report, 0, err);

	if (status == ML_OK)
		status = report_classes(s, report, "class_count", s->count, 1, err);
	if (status == ML_OK && s->type == GAUSSIAN)
		status = report_classes(s, report, "theta", s->mean, n, err);
	if (status == ML_OK && s->type == GAUSSIAN)
		status = report_classes(s, report, "var", s->variance, n, err);
	if (status == ML_OK && s->type != GAUSSIAN)
		status = report_classes(s, report, "feature_count", s->sums, n, err);
	if (status == ML_OK && (s->type == MULTINOMIAL || s->type == CATEGORICAL))
		status = report_classes(s, report, "feature_log_prob", nb->weight, n, err);
	return status;
}

static ml_gaussian_nb *
make_gaussian(const nb_state *s)
{
	ml_gaussian_nb *nb = ml_gaussian_nb_new(&s->ctx, s->design->n_terms, s->design->n_classes);

	if (nb == NULL)
		return NULL;
	log_priors(s, nb->log_prior);
	memcpy(nb->mean, s->mean, s->cells * sizeof(double));
	memcpy(nb->variance, s->variance, s->cells * sizeof(double));
	ml_gaussian_nb_derive(nb);
	return nb;
}

static ml_status
nb_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	nb_state   *s = state;
	const ml_predictor_class *class = s->type == GAUSSIAN ? &ml_gaussian_nb_class : &ml_discrete_nb_class;
	ml_discrete_nb *discrete = NULL;
	void	   *predictor;
	ml_status	status = ML_OK;

	if (s->type == GAUSSIAN)
	{
		predictor = make_gaussian(s);
		if (predictor == NULL)
			return ml_no_memory(err);
	}
	else
	{
		status = finish_discrete(s, model, &discrete, err);
		predictor = discrete;
	}
	/* The report first: the model owns the predictor, and frees it should it not fit. */
	if (status == ML_OK && report != NULL)
		status = report_fit(s, report, discrete, err);
	if (status != ML_OK)
	{
		class->free(&s->ctx, predictor);
		return status;
	}
	return ml_model_set_predictor(model, class, predictor, err);
}

static void
nb_end(void *state)
{
	nb_state   *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_free(&ctx, s->sums);
	ml_free(&ctx, s->tallies);
	ml_free(&ctx, s->mean);
	ml_free(&ctx, s->negative);
	ml_free(&ctx, s);
}

static void
nb_class_sums(const double *params, ml_class_sum_type *type, double *threshold)
{
	*type = (ml_class_sum_type) params[PARAM_TYPE];
	*threshold = params[PARAM_BINARIZE];
}

const ml_estimator ml_estimator_naive_bayes = {
	.name = "naive_bayes", .tasks = ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs, .class_sums = nb_class_sums,
	.begin = nb_begin, .step = nb_step, .finish = nb_finish, .end = nb_end
};
