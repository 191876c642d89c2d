/*
 * ml_fit_gaussian_mixture.c: the estimator gaussian_mixture: rows as drawn from one of several normal densities.
 *
 * Expectation and maximisation (Dempster, Laird and Rubin 1977; Bishop 2006, section 9.2) from the clusters of kmeans.  A
 * round is one pass: the probabilities of a row's components weigh its distances from the *old* means, whose first and
 * second moments give the new means and covariances, so that probabilities need not be kept.  At convergence old and new
 * means agree and nothing is lost by that.
 */
#include "ml/ml_estimator.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ml/ml_gaussians.h"
#include "ml/ml_hash.h"
#include "ml/ml_kernels.h"
#include "ml/ml_kmeans.h"
#include "ml/ml_naive_bayes.h"
#include "ml/ml_pass.h"
#include "ml/ml_scatter.h"

#define NEGLIGIBLE 1e-18		/* a probability below that adds nothing to a component */
#define LEAST_WEIGHT (10 * DBL_EPSILON)	/* added to a component's, which may have lost all its rows */
#define RANDOM_MIXTURE 0x6d697874757265ULL

enum
{
	PARAM_COVARIANCE_TYPE = 0,
	PARAM_MAX_ITER,
	PARAM_N_COMPONENTS,
	PARAM_N_INIT,
	PARAM_REG_COVAR,
	PARAM_TOL
};

enum
{
	FULL = 0,
	TIED,
	DIAG,
	SPHERICAL
};

static const char *const types[] = {"full", "tied", "diag", "spherical", NULL};

static const ml_param_spec specs[] = {
	[PARAM_COVARIANCE_TYPE] = {"covariance_type", ML_PARAM_CHOICE, FULL, 0, 3, false, types,
	"Covariances: any, one for all components, without products, or one number each"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 100, 1, 1e9, false, NULL, "Most rounds of a start"},
	[PARAM_N_COMPONENTS] = {"n_components", ML_PARAM_INTEGER, 1, 1, 1e5, false, NULL, "Number of components"},
	[PARAM_N_INIT] = {"n_init", ML_PARAM_INTEGER, 1, 1, 1e6, false, NULL, "Starts, of which the most likely is kept"},
	[PARAM_REG_COVAR] = {"reg_covar", ML_PARAM_NUMBER, 1e-6, 0, INFINITY, false, NULL, "What is added to all variances"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-3, 0, INFINITY, false, NULL,
	"A start ends when the mean log-likelihood changes by less"},
};

typedef enum mixture_phase
{
	TOTALS,						/* the mean and, tied, the covariance of all rows */
	CLUSTERS,					/* kmeans */
	HARD_PASS,					/* moments of the clusters */
	SOFT_PASS,					/* moments of the components */
	UPDATE,						/* from moments to components, one after the other */
	LAST_PASS					/* the likelihood of what was kept */
} mixture_phase;

typedef struct mixture_state
{
	ml_ctx		ctx;
	const ml_design *design;
	int			k;
	int			type;
	int			max_iter;
	int			n_init;
	double		reg_covar;
	double		tol;
	mixture_phase phase;
	ml_pass		pass;
	ml_scatter	scatter;		/* full: a set for each component; tied: of all rows, taken once */
	bool		has_totals;
	double		total;			/* weight of all rows */
	double	   *grand;			/* (n_terms) mean of all rows */
	double	   *total_scatter;	/* (n_terms, n_terms) tied */
	void	   *kmeans;
	int			start;
	int			round;
	int			component;		/* UPDATE */
	ml_gaussians *now;
	ml_gaussians *best;
	double	   *covariance;		/* as now's whitening */
	double	   *best_covariance;
	double	   *weight;			/* (k) of the components, of all rows together 1 */
	double	   *best_weight;
	double		likelihood;		/* mean log, before the last update */
	double		best_likelihood;
	int			best_rounds;
	bool		best_converged;
	size_t		group_sums;		/* numbers of a group: */
	double	   *sums;			/* (n_groups, …): weights (k), first moments (k, n), squares (k, n) unless full, likelihood */
	size_t		group_work;
	double	   *work;			/* (n_groups, k + 2 n) */
} mixture_state;

/* Numbers of all whitenings or covariances. */
static size_t
spreads(const mixture_state *s)
{
	size_t		n = s->design->n_terms;

	return s->type == FULL ? s->k * n * n : s->type == TIED ? n * n : s->k * n;
}

static ml_status
allocate(mixture_state *s, ml_error *err)
{
	const ml_ctx *ctx = &s->ctx;
	int			n = s->design->n_terms;
	size_t		groups = s->pass.n_groups;

	s->group_sums = (size_t) s->k * (1 + 2 * (size_t) n) + 1;
	s->group_work = s->k + 2 * (size_t) n;
	s->sums = ml_alloc_zero(ctx, groups * s->group_sums, sizeof(double));
	s->work = ml_alloc(ctx, groups * s->group_work, sizeof(double));
	s->grand = ml_alloc_zero(ctx, n, sizeof(double));
	s->total_scatter = ml_alloc_zero(ctx, s->type == TIED ? (size_t) n * n : 0, sizeof(double));
	s->weight = ml_alloc_zero(ctx, 2 * (size_t) s->k, sizeof(double));
	s->covariance = ml_alloc_zero(ctx, spreads(s), sizeof(double));
	s->best_covariance = ml_alloc_zero(ctx, spreads(s), sizeof(double));
	for (int i = 0; i < 2; i++)
		*(i == 0 ? &s->now : &s->best) = ml_gaussians_new(ctx, n, s->k, s->type == TIED ? 1 : s->k, s->type >= DIAG);
	if (s->sums == NULL || s->work == NULL || s->grand == NULL || s->total_scatter == NULL || s->weight == NULL ||
		s->covariance == NULL || s->best_covariance == NULL || s->now == NULL || s->best == NULL)
		return ml_no_memory(err);
	s->best_weight = s->weight + s->k;
	return ML_OK;
}

static ml_status
mixture_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	mixture_state *s = ml_alloc_zero(ctx, 1, sizeof(mixture_state));
	const ml_design *d = input->design;
	double		n = d->n_terms;
	int			sets;
	ml_status	status;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	s->k = (int) params[PARAM_N_COMPONENTS];
	s->type = (int) params[PARAM_COVARIANCE_TYPE];
	s->max_iter = (int) params[PARAM_MAX_ITER];
	s->n_init = (int) params[PARAM_N_INIT];
	s->reg_covar = params[PARAM_REG_COVAR];
	s->tol = params[PARAM_TOL];
	s->best_likelihood = -INFINITY;
	if ((size_t) s->k > d->rows)
		return ml_fail(err, ML_BAD_DATA, "Lower the parameter \"n_components\".", "there are %zu rows for %d components", d->rows, s->k);
	sets = s->type == FULL ? s->k : s->type == TIED ? 1 : 0;
	status = ml_check_memory(ctx, 4 * sizeof(double) * (double) spreads(s), "the covariances of the components", err);
	if (status != ML_OK)
		return status;
	ml_pass_begin(&s->pass, ctx, d->rows, s->k * (s->type <= TIED ? n * n : 4 * n),
				  ml_scatter_bytes(d->n_terms, sets) + 2 * sizeof(double) * s->k * (n + 1));
	status = ml_scatter_make(ctx, &s->scatter, d->n_terms, s->pass.n_groups, sets, err);
	return status == ML_OK ? allocate(s, err) : status;
}

/* ---- passes ------------------------------------------------------------------------------------------------------- */

/* The sums of the first pass of all: weight and numbers. */
static void
total_rows(void *arg, int group, size_t first, size_t end)
{
	mixture_state *s = arg;
	double	   *sums = s->sums + group * s->group_sums;

	for (size_t i = first; i < end; i++)
	{
		sums[0] += ml_design_weight(s->design, i);
		ml_axpy(sums + s->k, ml_design_weight(s->design, i), ml_design_row(s->design, i), s->design->n_terms);
	}
}

static void
scatter_rows(void *arg, int group, size_t first, size_t end)
{
	mixture_state *s = arg;

	for (size_t i = first; i < end; i++)
		ml_scatter_add(&s->scatter, group, 0, ml_design_row(s->design, i), s->grand, sqrt(ml_design_weight(s->design, i)));
}

/* Adds a row to the moments of a component about its mean. */
static inline void
add_to_component(mixture_state *s, int group, int c, const double *x, double weight)
{
	size_t		n = s->design->n_terms;
	double	   *sums = s->sums + group * s->group_sums;
	double	   *first = sums + s->k + c * n;
	double	   *squares = first + s->k * n;
	const double *mean = s->now->mean + c * n;

	if (weight < NEGLIGIBLE)
		return;
	sums[c] += weight;
	for (size_t j = 0; j < n; j++)
		first[j] += weight * (x[j] - mean[j]);
	if (s->type == FULL)
		ml_scatter_add(&s->scatter, group, c, x, mean, sqrt(weight));
	else if (s->type != TIED)
		for (size_t j = 0; j < n; j++)
			squares[j] += weight * (x[j] - mean[j]) * (x[j] - mean[j]);
}

/* Rows belong to the clusters. */
static void
hard_rows(void *arg, int group, size_t first, size_t end)
{
	mixture_state *s = arg;
	const int32_t *nearest = ml_kmeans_nearest(s->kmeans);

	for (size_t i = first; i < end; i++)
		add_to_component(s, group, nearest[i], ml_design_row(s->design, i), ml_design_weight(s->design, i));
}

/* log of the sum of exp; and values become shares of that sum. */
static double
log_sum(double *values, int count)
{
	double		largest = values[0];
	double		sum = 0;

	for (int k = 1; k < count; k++)
		largest = values[k] > largest ? values[k] : largest;
	for (int k = 0; k < count; k++)
		sum += values[k] = exp(values[k] - largest);
	for (int k = 0; k < count; k++)
		values[k] /= sum;
	return largest + log(sum);
}

/* Rows belong to the components with their probabilities. */
static void
soft_rows(void *arg, int group, size_t first, size_t end)
{
	mixture_state *s = arg;
	double	   *sums = s->sums + group * s->group_sums;
	double	   *work = s->work + group * s->group_work;

	for (size_t i = first; i < end; i++)
	{
		const double *x = ml_design_row(s->design, i);
		double		weight = ml_design_weight(s->design, i);

		ml_gaussians_logs(s->now, x, work, work + s->k);
		sums[s->group_sums - 1] += weight * log_sum(work, s->k);
		for (int c = 0; s->phase == SOFT_PASS && c < s->k; c++)
			add_to_component(s, group, c, x, weight * work[c]);
	}
}

/* ---- updates ------------------------------------------------------------------------------------------------------ */

static void
clear_sums(mixture_state *s)
{
	memset(s->sums, 0, s->pass.n_groups * s->group_sums * sizeof(double));
	if (s->type == FULL)
		ml_scatter_clear(&s->scatter);
}

/* Covariance of a component, or of all tied ones, from the moments about the old means; away: new less old mean. */
static void
measure_spread(mixture_state *s, int c, double weight, const double *away, double *covariance)
{
	size_t		n = s->design->n_terms;
	const double *squares = s->sums + s->k + (s->k + c) * n;
	double		mean_variance = 0;

	if (s->type == FULL)
	{
		ml_scatter_sum(&s->scatter, c, covariance);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				covariance[i * n + j] = covariance[i * n + j] / weight - away[i] * away[j];
		for (size_t j = 0; j < n; j++)
			covariance[j * n + j] += s->reg_covar;
		return;
	}
	for (size_t j = 0; j < n; j++)
	{
		covariance[j] = squares[j] / weight - away[j] * away[j] + s->reg_covar;
		mean_variance += covariance[j] / (double) n;
	}
	for (size_t j = 0; j < n && s->type == SPHERICAL; j++)
		covariance[j] = mean_variance;
}

static ml_status
whiten(mixture_state *s, const double *covariance, double *whitening, double *log_determinant, ml_error *err)
{
	size_t		n = s->design->n_terms;
	ml_status	status = ML_OK;

	*log_determinant = 0;
	memcpy(whitening, covariance, (s->type <= TIED ? n * n : n) * sizeof(double));
	if (s->type <= TIED)
		status = ml_whiten(&s->ctx, whitening, (int) n, 0, log_determinant, err);
	else
		for (size_t j = 0; j < n; j++)
		{
			if (!(covariance[j] > 0))
				status = ML_BAD_DATA;
			whitening[j] = 1 / sqrt(covariance[j]);
			*log_determinant += log(whitening[j]);
		}
	if (status == ML_BAD_DATA)
		return ml_fail(err, status, "Raise the parameter \"reg_covar\", or lower \"n_components\".",
					   "the covariance of a component is not of full rank");
	return status;
}

/* A component's mean, weight and constant, and unless tied its covariance. */
static ml_status
update_component(mixture_state *s, int c, ml_error *err)
{
	size_t		n = s->design->n_terms;
	ml_gaussians *g = s->now;
	size_t		spread = s->type == FULL ? n * n : n;
	double	   *mean = g->mean + c * n;
	double		weight = s->sums[c] + LEAST_WEIGHT;
	double	   *away = s->sums + s->k + c * n;	/* the first moments, divided */
	double		log_determinant = 0;

	for (size_t j = 0; j < n; j++)
	{
		away[j] /= weight;
		mean[j] += away[j];
	}
	s->weight[c] = weight / (s->total + s->k * LEAST_WEIGHT);
	if (s->type != TIED)
	{
		ml_status	status;

		measure_spread(s, c, weight, away, s->covariance + c * spread);
		status = whiten(s, s->covariance + c * spread, g->whitening + c * spread, &log_determinant, err);
		if (status != ML_OK)
			return status;
	}
	g->constant[c] = log(s->weight[c]) + log_determinant - 0.5 * (double) n * log(2 * M_PI);
	return ML_OK;
}

/* What all rows scatter about their mean, less what the means do. */
static ml_status
update_tied(mixture_state *s, ml_error *err)
{
	size_t		n = s->design->n_terms;
	double		log_determinant;
	ml_status	status;

	memcpy(s->covariance, s->total_scatter, n * n * sizeof(double));
	for (int c = 0; c < s->k; c++)
	{
		const double *mean = s->now->mean + c * n;

		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				s->covariance[i * n + j] -= s->weight[c] * (mean[i] - s->grand[i]) * (mean[j] - s->grand[j]);
	}
	for (size_t j = 0; j < n; j++)
		s->covariance[j * n + j] += s->reg_covar;
	status = whiten(s, s->covariance, s->now->whitening, &log_determinant, err);
	for (int c = 0; c < s->k; c++)
		s->now->constant[c] += log_determinant;
	return status;
}

static void
keep_best(mixture_state *s, bool converged)
{
	ml_gaussians *swap = s->best;
	double	   *covariance = s->best_covariance;

	if (s->likelihood <= s->best_likelihood)
		return;
	s->best = s->now;
	s->now = swap;
	s->best_covariance = s->covariance;
	s->covariance = covariance;
	memcpy(s->best_weight, s->weight, s->k * sizeof(double));
	s->best_likelihood = s->likelihood;
	s->best_rounds = s->round;
	s->best_converged = converged;
}

/* ---- steps -------------------------------------------------------------------------------------------------------- */

/* Two passes: the mean, then the scatter about it. */
static ml_status
step_totals(mixture_state *s)
{
	size_t		n = s->design->n_terms;

	if (!ml_pass_step(&s->pass, &s->ctx, s->has_totals ? scatter_rows : total_rows, s))
		return ML_MORE;
	if (!s->has_totals)
	{
		ml_pass_add_up(&s->pass, s->sums, s->group_sums);
		s->total = s->sums[0];
		for (size_t j = 0; j < n; j++)
			s->grand[j] = s->sums[s->k + j] / s->total;
		s->has_totals = true;
		clear_sums(s);
		s->phase = s->type == TIED ? TOTALS : CLUSTERS;
		return ML_MORE;
	}
	ml_scatter_sum(&s->scatter, 0, s->total_scatter);
	for (size_t i = 0; i < n * n; i++)
		s->total_scatter[i] /= s->total;
	s->phase = CLUSTERS;
	return ML_MORE;
}

static ml_status
step_clusters(mixture_state *s, ml_error *err)
{
	ml_progress progress = {0, 0, NAN};
	ml_status	status = ML_OK;

	if (s->kmeans == NULL)
	{
		ml_train_input input = {.design = s->design};
		double		params[ML_MAX_PARAMS];
		ml_ctx		ctx = s->ctx;

		ctx.seed = ml_hash_word(s->ctx.seed, RANDOM_MIXTURE + s->start);
		ml_estimator_defaults(&ml_estimator_kmeans, params);
		params[ml_estimator_param(&ml_estimator_kmeans, "n_clusters")] = s->k;
		status = ml_estimator_kmeans.begin(&ctx, &input, params, &s->kmeans, err);
		if (status != ML_OK)
			return status;
	}
	status = ml_estimator_kmeans.step(s->kmeans, &progress, err);
	if (status == ML_DONE)
	{
		memcpy(s->now->mean, ml_kmeans_centres(s->kmeans), (size_t) s->k * s->design->n_terms * sizeof(double));
		clear_sums(s);
		s->round = 0;
		s->phase = HARD_PASS;
		return ML_MORE;
	}
	return status;
}

/* A pass over rows, whose sums are then added up. */
static void
step_pass(mixture_state *s)
{
	if (!ml_pass_step(&s->pass, &s->ctx, s->phase == HARD_PASS ? hard_rows : soft_rows, s))
		return;
	if (s->phase == HARD_PASS)
	{
		ml_estimator_kmeans.end(s->kmeans);
		s->kmeans = NULL;
		s->likelihood = -INFINITY;
	}
	ml_pass_add_up(&s->pass, s->sums, s->group_sums);
	s->component = 0;
	s->phase = UPDATE;
}

/* The round has its components; is it the last? */
static void
end_round(mixture_state *s)
{
	double		before = s->likelihood;
	bool		converged;

	if (s->round > 0)
		s->likelihood = s->sums[s->group_sums - 1] / s->total;
	clear_sums(s);
	converged = s->round > 0 && fabs(s->likelihood - before) < s->tol;
	s->phase = SOFT_PASS;
	if (converged || s->round == s->max_iter)
	{
		keep_best(s, converged);
		s->phase = ++s->start < s->n_init ? CLUSTERS : LAST_PASS;
		if (s->phase == LAST_PASS)
		{
			ml_gaussians *swap = s->now;

			s->now = s->best;
			s->best = swap;
		}
		return;
	}
	s->round++;
}

static ml_status
step_update(mixture_state *s, ml_error *err)
{
	ml_status	status = update_component(s, s->component, err);

	if (status != ML_OK)
		return status;
	if (++s->component < s->k)
		return ML_MORE;
	if (s->type == TIED)
		status = update_tied(s, err);
	if (status != ML_OK)
		return status;
	end_round(s);
	return ML_MORE;
}

static ml_status
mixture_step(void *state, ml_progress *progress, ml_error *err)
{
	mixture_state *s = state;
	ml_status	status = ML_MORE;

	switch (s->phase)
	{
		case TOTALS:
			status = step_totals(s);
			break;
		case CLUSTERS:
			status = step_clusters(s, err);
			break;
		case HARD_PASS:
		case SOFT_PASS:
			step_pass(s);
			break;
		case UPDATE:
			status = step_update(s, err);
			break;
		case LAST_PASS:
			if (ml_pass_step(&s->pass, &s->ctx, soft_rows, s))
			{
				ml_pass_add_up(&s->pass, s->sums, s->group_sums);
				s->likelihood = s->sums[s->group_sums - 1] / s->total;
				status = ML_DONE;
			}
			break;
	}
	progress->iteration = s->round;
	progress->share = status == ML_DONE ? 1 : (s->start + 0.1 + 0.9 * s->round / s->max_iter) / (s->n_init + 1);
	if (isfinite(s->likelihood) && s->round > 0)
		progress->loss = -s->likelihood;
	return status;
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static double
count_parameters(const mixture_state *s)
{
	double		n = s->design->n_terms;
	double		pairs = n * (n + 1) / 2;
	double		spread = s->type == FULL ? s->k * pairs : s->type == TIED ? pairs : s->type == DIAG ? s->k * n : s->k;

	return spread + s->k * n + s->k - 1;
}

static ml_status
report_fit(const mixture_state *s, const ml_gaussians *g, ml_report *report, ml_error *err)
{
	int			n = s->design->n_terms;
	ml_report_matrix *added;
	ml_status	status = ml_report_init(&s->ctx, report, 0, err);

	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "weights", s->best_weight, s->k, 1, NULL, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "means", g->mean, s->k, n, &added, err);
	if (status == ML_OK)
	{
		added->columns_are_terms = true;
		status = ml_report_array(&s->ctx, report, "covariances", s->best_covariance, (int) (spreads(s) / n), n, &added, err);
	}
	if (status != ML_OK)
		return status;
	added->columns_are_terms = true;
	ml_report_fact(report, "log_likelihood", s->likelihood);
	ml_report_fact(report, "aic", -2 * s->likelihood * s->total + 2 * count_parameters(s));
	ml_report_fact(report, "bic", -2 * s->likelihood * s->total + count_parameters(s) * log(s->total));
	report->iterations = s->best_rounds;
	report->converged = s->best_converged;
	return ML_OK;
}

static ml_status
mixture_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	mixture_state *s = state;
	ml_gaussians *g = s->now;

	if (report != NULL)
	{
		ml_status	status = report_fit(s, g, report, err);

		if (status != ML_OK)
			return status;
	}
	s->now = NULL;				/* the model's from here on, also after a failure */
	return ml_model_set_predictor(model, &ml_gaussians_class, g, err);
}

static void
mixture_end(void *state)
{
	mixture_state *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_estimator_kmeans.end(s->kmeans);
	ml_scatter_free(&ctx, &s->scatter);
	ml_free(&ctx, s->sums);
	ml_free(&ctx, s->work);
	ml_free(&ctx, s->grand);
	ml_free(&ctx, s->total_scatter);
	ml_free(&ctx, s->weight);
	ml_free(&ctx, s->covariance);
	ml_free(&ctx, s->best_covariance);
	ml_gaussians_class.free(&ctx, s->now);
	ml_gaussians_class.free(&ctx, s->best);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_gaussian_mixture = {
	.name = "gaussian_mixture", .tasks = ML_TASK_BIT(ML_CLUSTERING), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = mixture_begin, .step = mixture_step, .finish = mixture_finish, .end = mixture_end
};
