/*
 * ml_fit_lasso.c: the estimators lasso and elastic_net; with cv, the penalty is chosen by cross-validation.
 *
 * Cross-validation walks down a path of penalties in each fold, each solution starting from the one before, and takes the
 * penalty whose errors are the least on average over the folds, as LassoCV and ElasticNetCV do.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_lasso.h"
#include "ml/ml_linear.h"

enum
{
	PARAM_ALPHA = 0,
	PARAM_CV,
	PARAM_EPS,
	PARAM_FIT_INTERCEPT,
	PARAM_MAX_ITER,
	PARAM_N_ALPHAS,
	PARAM_TOL,
	PARAM_L1_RATIO				/* of elastic_net only */
};

#define COMMON_SPECS \
	[PARAM_ALPHA] = {"alpha", ML_PARAM_NUMBER, 1, 0, INFINITY, true, NULL, "Strength of the penalty; not used with cv"}, \
	[PARAM_CV] = {"cv", ML_PARAM_INTEGER, 0, 0, 100, false, NULL, \
		"Folds of the cross-validation that chooses alpha; 0: alpha is as given"}, \
	[PARAM_EPS] = {"eps", ML_PARAM_NUMBER, 1e-3, 0, 1, true, NULL, "With cv: the smallest alpha tried, of the largest"}, \
	[PARAM_FIT_INTERCEPT] = {"fit_intercept", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, \
		"Whether the model has an intercept, which is never penalised"}, \
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 10000, 1, 1e9, false, NULL, "Most rounds over all terms"}, \
	[PARAM_N_ALPHAS] = {"n_alphas", ML_PARAM_INTEGER, 100, 1, 10000, false, NULL, "With cv: the number of alphas tried"}, \
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-10, 0, 1, true, NULL, \
		"Rounds end when no coefficient changes the gradient by more than this share of its largest value"}

static const ml_param_spec lasso_specs[] = {
	COMMON_SPECS
};

static const ml_param_spec elastic_net_specs[] = {
	COMMON_SPECS,
	[PARAM_L1_RATIO] = {"l1_ratio", ML_PARAM_NUMBER, 0.5, 0, 1, true, NULL,
	"Share of the penalty on the sizes of the coefficients; the rest is on their squares"},
};

typedef struct lasso_state
{
	ml_ctx		ctx;
	ml_train_input input;
	bool		fit_intercept;
	double		alpha;
	double		l1_ratio;
	double		tol;
	int			max_iter;
	int			n_alphas;
	double	   *alphas;			/* (n_alphas) descending */
	double	   *errors;			/* (n_alphas, n_fold_grams) mean squared errors */
	int			fold;			/* at work; n_fold_grams: on all rows */
	int			at;				/* alpha at work */
	bool		solving;		/* the problem at hand is set up */
	ml_lasso	lasso;
	ml_gram		training;		/* of the folds but one; memory is ours */
	double	   *training_memory;
	int			rounds;
	bool		converged;
} lasso_state;

/* The path of penalties, from the largest that matters down in equal ratios. */
static ml_status
make_path(lasso_state *s, double eps, ml_error *err)
{
	ml_lasso	all;
	ml_status	status = ml_lasso_init(&s->ctx, &all, s->input.gram, s->fit_intercept, s->tol, err);
	double		largest;

	if (status == ML_OK)
	{
		s->alphas = ml_alloc_zero(&s->ctx, s->n_alphas, sizeof(double));
		s->errors = ml_alloc_zero(&s->ctx, (size_t) s->n_alphas * s->input.n_fold_grams, sizeof(double));
		s->training_memory = ml_alloc_zero(&s->ctx, ml_gram_doubles(s->input.gram->n), sizeof(double));
		if (s->alphas == NULL || s->errors == NULL || s->training_memory == NULL)
			status = ml_no_memory(err);
	}
	if (status == ML_OK)
	{
		largest = ml_lasso_largest_alpha(&all, s->l1_ratio);
		if (!(largest > 0))
			status = ml_fail(err, ML_BAD_DATA, NULL, "no feature has anything to do with the target");
		for (int k = 0; k < s->n_alphas && status == ML_OK; k++)
			s->alphas[k] = s->n_alphas == 1 ? largest : largest * pow(eps, (double) k / (s->n_alphas - 1));
	}
	ml_lasso_free(&all);
	return status;
}

static ml_status
begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, double l1_ratio, void **state, ml_error *err)
{
	lasso_state *s = ml_alloc_zero(ctx, 1, sizeof(lasso_state));

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->input = *input;
	s->alpha = params[PARAM_ALPHA];
	s->l1_ratio = l1_ratio;
	s->fit_intercept = params[PARAM_FIT_INTERCEPT] != 0;
	s->tol = params[PARAM_TOL];
	s->max_iter = (int) fmin(params[PARAM_MAX_ITER], 2e9);
	s->n_alphas = (int) params[PARAM_N_ALPHAS];
	s->converged = true;
	if (input->n_fold_grams == 0)
		return ML_OK;
	return make_path(s, params[PARAM_EPS], err);
}

static ml_status
lasso_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	return begin(ctx, input, params, 1, state, err);
}

static ml_status
elastic_net_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	return begin(ctx, input, params, params[PARAM_L1_RATIO], state, err);
}

/* Sets up the problem of a fold, or of all rows. */
static ml_status
set_up(lasso_state *s, ml_error *err)
{
	const ml_gram *gram = s->input.gram;
	ml_status	status;

	if (s->fold < s->input.n_fold_grams)
	{
		ml_gram_attach(&s->training, gram->n, s->training_memory);
		ml_gram_clear(&s->training);
		for (int other = 0; other < s->input.n_fold_grams; other++)
			if (other != s->fold)
				ml_gram_add(&s->training, &s->input.fold_grams[other]);
		gram = &s->training;
		if (gram->weight <= 0 || s->input.fold_grams[s->fold].weight <= 0)
			return ml_fail(err, ML_BAD_DATA, "Use fewer folds.", "fold %d of the cross-validation has no rows", s->fold + 1);
	}
	s->at = 0;
	s->solving = true;
	status = ml_lasso_init(&s->ctx, &s->lasso, gram, s->fit_intercept, s->tol, err);
	s->lasso.max_rounds = s->max_iter;
	return status;
}

/* The penalty whose errors are the least on average; of equal ones the largest. */
static void
choose_alpha(lasso_state *s)
{
	double		least = INFINITY;

	for (int k = 0; k < s->n_alphas; k++)
	{
		double		mean = 0;

		for (int fold = 0; fold < s->input.n_fold_grams; fold++)
			mean += s->errors[(size_t) k * s->input.n_fold_grams + fold] / s->input.n_fold_grams;
		if (mean < least)
		{
			least = mean;
			s->alpha = s->alphas[k];
		}
	}
}

/* A solution of a fold was found: its error on the rows of the fold. */
static void
note_error(lasso_state *s)
{
	const ml_gram *test = &s->input.fold_grams[s->fold];
	double		intercept = s->fit_intercept ? ml_lasso_intercept(&s->lasso, &s->training) : 0;

	s->errors[(size_t) s->at * s->input.n_fold_grams + s->fold] =
		ml_linear_rss(test, s->lasso.solution, intercept) / test->weight;
}

static ml_status
lasso_step(void *state, ml_progress *progress, ml_error *err)
{
	lasso_state *s = state;
	bool		in_fold = s->fold < s->input.n_fold_grams;
	ml_status	status;

	if (!s->solving)
	{
		status = set_up(s, err);
		if (status != ML_OK)
			return status;
		ml_lasso_set(&s->lasso, in_fold ? s->alphas[0] : s->alpha, s->l1_ratio);
	}
	for (;;)
	{
		bool		found = ml_lasso_work(&s->lasso);

		if (!found && s->lasso.rounds < s->max_iter)
			return ML_MORE;
		s->converged &= found;
		if (!in_fold)
		{
			s->rounds = s->lasso.rounds;
			progress->share = 1;
			return ML_DONE;
		}
		note_error(s);
		progress->share = (s->fold + (s->at + 1.0) / s->n_alphas) / (s->input.n_fold_grams + 1);
		if (++s->at == s->n_alphas)
			break;
		ml_lasso_set(&s->lasso, s->alphas[s->at], s->l1_ratio);
		/* Many small problems are one step; a large one is several. */
		if ((double) s->lasso.n * s->lasso.n > 1e6)
			return ML_MORE;
	}
	ml_lasso_free(&s->lasso);
	s->solving = false;
	if (++s->fold == s->input.n_fold_grams)
		choose_alpha(s);
	return ML_MORE;
}

static ml_status
report_fit(const lasso_state *s, double intercept, ml_report *report, ml_error *err)
{
	const ml_gram *gram = s->input.gram;
	int			n = s->lasso.n;
	int			first = s->fit_intercept ? 1 : 0;
	double		rss = ml_linear_rss(gram, s->lasso.solution, intercept);
	double		tss = gram->moments[(size_t) gram->n * gram->n - 1];
	int			nonzero = 0;
	ml_status	status = ml_report_init(&s->ctx, report, (size_t) n + first, err);

	if (status != ML_OK)
		return status;
	for (int i = 0; i < n + first; i++)
		report->coefficients[i] = (ml_coefficient) {0, i - first, i < first ? intercept : s->lasso.solution[i - first], NAN, NAN, NAN, false};
	for (int j = 0; j < n; j++)
		nonzero += s->lasso.solution[j] != 0;
	report->iterations = s->rounds;
	report->converged = s->converged;
	if (tss > 0)
		ml_report_fact(report, "train_r2", 1 - rss / tss);
	ml_report_fact(report, "train_rmse", sqrt(rss / gram->weight));
	ml_report_fact(report, "alpha", s->alpha);
	ml_report_fact(report, "nonzero", nonzero);
	if (s->input.n_fold_grams > 0)
	{
		status = ml_report_array(&s->ctx, report, "alphas", s->alphas, s->n_alphas, 1, NULL, err);
		if (status == ML_OK)
			status = ml_report_array(&s->ctx, report, "mse_path", s->errors, s->n_alphas, s->input.n_fold_grams, NULL, err);
	}
	return status;
}

static ml_status
lasso_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	lasso_state *s = state;
	double		intercept = s->fit_intercept ? ml_lasso_intercept(&s->lasso, s->input.gram) : 0;
	ml_status	status = ml_model_set_linear(model, ML_LINK_IDENTITY, s->lasso.solution, &intercept, err);

	if (status != ML_OK || report == NULL)
		return status;
	return report_fit(s, intercept, report, err);
}

static void
lasso_end(void *state)
{
	lasso_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_lasso_free(&s->lasso);
	ml_free(&ctx, s->alphas);
	ml_free(&ctx, s->errors);
	ml_free(&ctx, s->training_memory);
	ml_free(&ctx, s);
}

static int
lasso_folds(const double *params)
{
	return (int) params[PARAM_CV];
}

static const char *
lasso_check(const double *params)
{
	return params[PARAM_CV] == 1 ? "parameter \"cv\" must be 0 or at least 2" : NULL;
}

const ml_estimator ml_estimator_lasso = {
	.name = "lasso", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_GRAM,
	.n_params = sizeof(lasso_specs) / sizeof(lasso_specs[0]), .params = lasso_specs, .folds = lasso_folds, .check = lasso_check,
	.begin = lasso_begin, .step = lasso_step, .finish = lasso_finish, .end = lasso_end
};

const ml_estimator ml_estimator_elastic_net = {
	.name = "elastic_net", .tasks = ML_TASK_BIT(ML_REGRESSION), .form = ML_FORM_GRAM,
	.n_params = sizeof(elastic_net_specs) / sizeof(elastic_net_specs[0]), .params = elastic_net_specs, .folds = lasso_folds,
	.check = lasso_check, .begin = elastic_net_begin, .step = lasso_step, .finish = lasso_finish, .end = lasso_end
};
