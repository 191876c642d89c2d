/*
 * ml_fit_pca.c: the estimator pca: principal components from the co-moments of the terms, so from one pass over the rows.
 *
 * The eigenvectors of the covariance are the right singular vectors of the centred rows.  Singular values below about
 * 1e-8 of the largest are lost to rounding; such components hold nothing but noise.
 */
#include "ml/ml_estimator.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "ml/ml_projection.h"

enum
{
	PARAM_N_COMPONENTS = 0,
	PARAM_WHITEN
};

static const ml_param_spec specs[] = {
	[PARAM_N_COMPONENTS] = {"n_components", ML_PARAM_NUMBER, 0, 0, 1e6, false, NULL,
	"Number of components; below 1 the share of the variance that they must hold, 0: all"},
	[PARAM_WHITEN] = {"whiten", ML_PARAM_BOOLEAN, 0, 0, 1, false, NULL, "Whether components are scaled to a variance of 1"},
};

typedef struct pca_state
{
	ml_ctx		ctx;
	const ml_gram *gram;
	double		n_components;
	bool		whiten;
	double	   *vectors;		/* (n, n) column by column, values ascending */
	double	   *values;			/* (n) */
} pca_state;

static ml_status
pca_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	pca_state  *s = ml_alloc_zero(ctx, 1, sizeof(pca_state));
	size_t		n = input->gram->n;

	*state = s;
	if (s == NULL)
		return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
	s->ctx = *ctx;
	s->gram = input->gram;
	s->n_components = params[PARAM_N_COMPONENTS];
	s->whiten = params[PARAM_WHITEN] != 0;
	if (s->n_components >= 1 && s->n_components != floor(s->n_components))
		return ml_fail(err, ML_BAD_PARAM, NULL, "parameter \"n_components\" must be an integer or below 1");
	if (s->n_components > (double) n)
		return ml_fail(err, ML_BAD_PARAM, NULL, "parameter \"n_components\" is %.0f, but there are %zu terms", s->n_components, n);
	s->vectors = ml_alloc(ctx, n * n + n + 1, sizeof(double));
	if (s->vectors == NULL)
		return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
	s->values = s->vectors + n * n;
	return ML_OK;
}

static ml_status
pca_step(void *state, ml_progress *progress, ml_error *err)
{
	pca_state  *s = state;
	size_t		n = s->gram->n;
	double		degrees = s->gram->weight - 1;

	if (!(degrees > 0))
		return ml_fail(err, ML_BAD_DATA, NULL, "there are too few rows for a variance");
	for (size_t i = 0; i < n * n; i++)
		s->vectors[i] = s->gram->moments[i] / degrees;
	if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', (lapack_int) n, s->vectors, (lapack_int) n, s->values) != 0)
		return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the covariance of the features has no eigenvectors");
	progress->share = 1;
	return ML_DONE;
}

/* Value and vector of the k-th component, the largest first. */
static double
value_of(const pca_state *s, int k)
{
	return fmax(s->values[s->gram->n - 1 - k], 0);
}

static const double *
vector_of(const pca_state *s, int k)
{
	return s->vectors + (size_t) (s->gram->n - 1 - k) * s->gram->n;
}

static int
count_components(const pca_state *s, double total)
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
		if (sum > s->n_components * total)
			return k + 1;
	}
	return n;
}

static ml_status
report_fit(const pca_state *s, const ml_projection *p, double total, ml_report *report, ml_error *err)
{
	double	   *variance = ml_alloc(&s->ctx, 3 * (size_t) p->n_components + 1, sizeof(double));
	double	   *ratio = variance + p->n_components;
	double	   *singular = ratio + p->n_components;
	ml_report_matrix *added;
	ml_status	status;
	double		held = 0;

	if (variance == NULL)
		return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
	for (int k = 0; k < p->n_components; k++)
	{
		variance[k] = value_of(s, k);
		ratio[k] = total > 0 ? variance[k] / total : 0;
		singular[k] = sqrt(variance[k] * (s->gram->weight - 1));
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
	{
		added->columns_are_terms = true;
		status = ml_report_array(&s->ctx, report, "mean", p->centre, 1, p->n_terms, &added, err);
	}
	if (status == ML_OK)
		added->columns_are_terms = true;
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
	double		total = 0;
	ml_projection *p;
	ml_status	status;

	for (int k = 0; k < n; k++)
		total += value_of(s, k);
	p = ml_projection_new(&s->ctx, n, count_components(s, total));
	if (p == NULL)
		return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
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
	status = report ? report_fit(s, p, total, report, err) : ML_OK;
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
	ml_free(&ctx, s->vectors);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_pca = {
	.name = "pca", .tasks = ML_TASK_BIT(ML_DECOMPOSITION), .form = ML_FORM_GRAM,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = pca_begin, .step = pca_step, .finish = pca_finish, .end = pca_end
};
