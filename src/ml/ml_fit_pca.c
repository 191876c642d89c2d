/*
 * ml_fit_pca.c: the estimators pca and truncated_svd, from the co-moments of the terms, so from one pass over the rows.
 *
 * The eigenvectors of the covariance are the right singular vectors of the centred rows; those of the moments about 0,
 * which are the co-moments and W mean mean', of the rows as they are.  Singular values below about 1e-8 of the largest
 * are lost to rounding; such components hold nothing but noise.  Of many terms the leading components are found without
 * the others (ml_eigen.h).
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_eigen.h"
#include "ml/ml_kernels.h"
#include "ml/ml_projection.h"
#include "ml/ml_symmetric.h"

#define RESIDUAL 1e-10			/* of a component, as a share of the largest variance: then it has converged */

enum
{
	PCA_ITERATED_POWER = 0,
	PCA_N_COMPONENTS,
	PCA_N_OVERSAMPLES,
	PCA_SVD_SOLVER,
	PCA_WHITEN
};

enum
{
	SOLVER_AUTO = 0,
	SOLVER_FULL,
	SOLVER_RANDOMIZED
};

static const char *const solvers[] = {"auto", "full", "randomized", NULL};

#define ITERATED_POWER {"iterated_power", ML_PARAM_INTEGER, 100, 1, 1e6, false, NULL, \
	"Most rounds of the randomised solver, which ends when the components have converged"}
#define N_OVERSAMPLES {"n_oversamples", ML_PARAM_INTEGER, 10, 1, 1000, false, NULL, \
	"Vectors that the randomised solver carries along beside the components"}
#define SVD_SOLVER {"svd_solver", ML_PARAM_CHOICE, SOLVER_AUTO, 0, 2, false, solvers, \
	"All components, or the leading ones alone; auto: alone if they are a fifth of more than 500 terms at most"}

static const ml_param_spec specs[] = {
	[PCA_ITERATED_POWER] = ITERATED_POWER,
	[PCA_N_COMPONENTS] = {"n_components", ML_PARAM_NUMBER, 0, 0, 1e6, false, NULL,
	"Number of components; below 1 the share of the variance that they must hold, 0: all"},
	[PCA_N_OVERSAMPLES] = N_OVERSAMPLES,
	[PCA_SVD_SOLVER] = SVD_SOLVER,
	[PCA_WHITEN] = {"whiten", ML_PARAM_BOOLEAN, 0, 0, 1, false, NULL, "Whether components are scaled to a variance of 1"},
};

static const ml_param_spec svd_specs[] = {
	[PCA_ITERATED_POWER] = ITERATED_POWER,
	[PCA_N_COMPONENTS] = {"n_components", ML_PARAM_INTEGER, 2, 1, 1e6, false, NULL, "Number of components"},
	[PCA_N_OVERSAMPLES] = N_OVERSAMPLES,
	[PCA_SVD_SOLVER] = SVD_SOLVER,
};

typedef struct pca_state
{
	ml_ctx		ctx;
	const ml_gram *gram;
	double		n_components;
	bool		centred;		/* pca */
	bool		whiten;
	bool		randomised;
	int			oversamples;
	int			max_rounds;
	double		degrees;		/* that moments are divided by: the weight less 1, or of truncated_svd 1 */
	double		total;			/* variance of all terms */
	double	   *matrix;			/* (n, n); of the full solver then the vectors, row by row, values ascending */
	double	   *values;			/* (n) of the full solver */
	ml_eigen	eigen;			/* of the randomised solver */
	int			rounds;
	bool		converged;
} pca_state;

static ml_status
begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, bool centred, void **state, ml_error *err)
{
	pca_state  *s = ml_alloc_zero(ctx, 1, sizeof(pca_state));
	size_t		n = input->gram->n;
	int			solver = (int) params[PCA_SVD_SOLVER];

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->gram = input->gram;
	s->centred = centred;
	s->n_components = params[PCA_N_COMPONENTS];
	s->whiten = centred && params[PCA_WHITEN] != 0;
	s->oversamples = (int) params[PCA_N_OVERSAMPLES];
	s->max_rounds = (int) params[PCA_ITERATED_POWER];
	s->degrees = centred ? s->gram->weight - 1 : 1;
	s->converged = true;
	if (s->n_components >= 1 && s->n_components != floor(s->n_components))
		return ml_fail(err, ML_BAD_PARAM, NULL, "parameter \"n_components\" must be an integer or below 1");
	if (s->n_components > (double) n)
		return ml_fail(err, ML_BAD_PARAM, NULL, "parameter \"n_components\" is %.0f, but there are %zu terms", s->n_components, n);
	if (!(s->degrees > 0))
		return ml_fail(err, ML_BAD_DATA, NULL, "there are too few rows for a variance");
	s->randomised = solver == SOLVER_RANDOMIZED ||
		(solver == SOLVER_AUTO && n > 500 && s->n_components >= 1 && 5 * s->n_components <= (double) n);
	s->matrix = ml_alloc(ctx, n * n + n + 1, sizeof(double));
	if (s->matrix == NULL)
		return ml_no_memory(err);
	s->values = s->matrix + n * n;
	for (size_t i = 0; i < n * n; i++)
		s->matrix[i] = s->gram->moments[i] / s->degrees;
	for (size_t i = 0; i < n && !centred; i++)
		ml_axpy(s->matrix + i * n, s->gram->weight * s->gram->mean[i], s->gram->mean, n);
	for (size_t j = 0; j < n; j++)
		s->total += s->gram->moments[j * n + j] / (centred ? s->degrees : s->gram->weight);
	/* Each sum of squares is in it. */
	for (size_t j = 0; j < n; j++)
		if (!isfinite(s->matrix[j * n + j]))
			return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the sums of squares overflow");
	return ML_OK;
}

static ml_status
pca_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	return begin(ctx, input, params, true, state, err);
}

static ml_status
svd_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	return begin(ctx, input, params, false, state, err);
}

static const char *
pca_check(const double *params)
{
	if (params[PCA_SVD_SOLVER] == SOLVER_RANDOMIZED && params[PCA_N_COMPONENTS] < 1)
		return "the randomised solver needs a number of components";
	return NULL;
}

static ml_status
step_randomised(pca_state *s, ml_progress *progress, ml_error *err)
{
	ml_status	status = ML_OK;

	if (s->eigen.vectors == NULL)
		status = ml_eigen_begin(&s->ctx, &s->eigen, s->matrix, s->gram->n, (int) s->n_components, s->oversamples, err);
	if (status == ML_OK)
		status = ml_eigen_step(&s->eigen, RESIDUAL, err);
	s->rounds = s->eigen.rounds;
	progress->iteration = s->rounds;
	progress->share = (double) s->rounds / s->max_rounds;
	if (status == ML_MORE && s->rounds >= s->max_rounds)
	{
		s->converged = false;
		return ML_DONE;
	}
	return status;
}

static ml_status
pca_step(void *state, ml_progress *progress, ml_error *err)
{
	pca_state  *s = state;
	ml_status	status;

	if (s->randomised)
		return step_randomised(s, progress, err);
	status = ml_symmetric_eigen(&s->ctx, true, s->gram->n, s->matrix, s->values, "the covariance of the features has no eigenvectors", err);
	if (status != ML_OK)
		return status;
	progress->share = 1;
	return ML_DONE;
}

/* Value and vector of the k-th component, the largest first. */
static double
value_of(const pca_state *s, int k)
{
	return fmax(s->randomised ? s->eigen.values[k] : s->values[s->gram->n - 1 - k], 0);
}

static const double *
vector_of(const pca_state *s, int k)
{
	return s->randomised ? s->eigen.vectors + (size_t) k * s->gram->n : s->matrix + (size_t) (s->gram->n - 1 - k) * s->gram->n;
}

static int
count_components(const pca_state *s)
{
	int			n = s->gram->n;
	int			most = s->gram->rows - 1 < n ? (int) s->gram->rows - 1 : n;
	double		sum = 0;

	if (s->n_components >= 1)
		return (int) s->n_components;
	if (s->n_components == 0)
		return most > 0 ? most : 1;
	for (int k = 0; k < n; k++)
	{
		sum += value_of(s, k);
		if (sum > s->n_components * s->total)
			return k + 1;
	}
	return n;
}

/* Variance of the rows' numbers in a component. */
static double
variance_of(const pca_state *s, const ml_projection *p, int k)
{
	double		mean;

	if (s->centred)
		return value_of(s, k);
	mean = ml_dot(p->components + (size_t) k * p->n_terms, s->gram->mean, p->n_terms);
	return fmax(value_of(s, k) / s->gram->weight - mean * mean, 0);
}

static ml_status
report_fit(const pca_state *s, const ml_projection *p, ml_report *report, ml_error *err)
{
	double	   *variance = ml_alloc(&s->ctx, 3 * (size_t) p->n_components + 1, sizeof(double));
	double	   *ratio;
	double	   *singular;
	ml_report_matrix *added;
	ml_status	status;
	double		held = 0;

	if (variance == NULL)
		return ml_no_memory(err);
	ratio = variance + p->n_components;
	singular = ratio + p->n_components;
	for (int k = 0; k < p->n_components; k++)
	{
		variance[k] = variance_of(s, p, k);
		ratio[k] = s->total > 0 ? variance[k] / s->total : 0;
		singular[k] = sqrt(value_of(s, k) * s->degrees);
		held += ratio[k];
	}
	status = ml_report_init(&s->ctx, report, 0, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "explained_variance", variance, p->n_components, 1, NULL, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "explained_variance_ratio", ratio, p->n_components, 1, NULL, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "singular_values", singular, p->n_components, 1, NULL, err);
	if (status == ML_OK)
		status = ml_report_array(&s->ctx, report, "components", p->components, p->n_components, p->n_terms, &added, err);
	if (status == ML_OK)
		added->columns_are_terms = true;
	if (status == ML_OK && s->centred)
	{
		status = ml_report_array(&s->ctx, report, "mean", p->centre, 1, p->n_terms, &added, err);
		if (status == ML_OK)
			added->columns_are_terms = true;
	}
	report->iterations = s->rounds;
	report->converged = s->converged;
	ml_report_fact(report, "n_components", p->n_components);
	ml_report_fact(report, "explained_variance_ratio", held);
	ml_free(&s->ctx, variance);
	return status;
}

static ml_status
pca_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	pca_state  *s = state;
	int			n = s->gram->n;
	ml_projection *p = ml_projection_new(&s->ctx, n, count_components(s));
	ml_status	status;

	if (p == NULL)
		return ml_no_memory(err);
	if (s->centred)
		memcpy(p->centre, s->gram->mean, n * sizeof(double));
	for (int k = 0; k < p->n_components; k++)
	{
		const double *vector = vector_of(s, k);
		int			largest = 0;
		double		sign;

		/* A vector and its negative are as good: the one whose largest number is positive is taken. */
		for (int j = 1; j < n; j++)
			if (fabs(vector[j]) > fabs(vector[largest]))
				largest = j;
		sign = vector[largest] < 0 ? -1 : 1;
		for (int j = 0; j < n; j++)
			p->components[(size_t) k * n + j] = sign * vector[j];
		p->scale[k] = s->whiten && value_of(s, k) > 0 ? 1 / sqrt(value_of(s, k)) : 1;
	}
	/* The report first: the model owns the projection, and frees it should it not fit. */
	status = report ? report_fit(s, p, report, err) : ML_OK;
	if (status != ML_OK)
	{
		ml_projection_class.free(&s->ctx, p);
		return status;
	}
	return ml_model_set_predictor(model, &ml_projection_class, p, err);
}

static void
pca_end(void *state)
{
	pca_state  *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_eigen_free(&s->eigen);
	ml_free(&ctx, s->matrix);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_pca = {
	.name = "pca", .tasks = ML_TASK_BIT(ML_DECOMPOSITION), .form = ML_FORM_GRAM,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs, .check = pca_check,
	.begin = pca_begin, .step = pca_step, .finish = pca_finish, .end = pca_end
};

const ml_estimator ml_estimator_truncated_svd = {
	.name = "truncated_svd", .tasks = ML_TASK_BIT(ML_DECOMPOSITION), .form = ML_FORM_GRAM,
	.n_params = sizeof(svd_specs) / sizeof(svd_specs[0]), .params = svd_specs,
	.begin = svd_begin, .step = pca_step, .finish = pca_finish, .end = pca_end
};
