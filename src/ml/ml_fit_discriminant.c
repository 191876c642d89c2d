/*
 * ml_fit_discriminant.c: the estimators lda and qda: classes as normal densities with one covariance, or one each.
 *
 * Two passes over the rows: the means of the classes, and the squares and products about them.  The rest takes no rows:
 * triangular factors of the covariances (lda leaves out features that others determine, so it needs no full rank) and, of
 * lda, the directions that tell the classes apart: the eigenvectors of the means' scatter in the metric of the covariance
 * (Fisher 1936; Rao 1948; Hastie, Tibshirani and Friedman 2009, section 4.3).
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_discriminant.h"
#include "ml/ml_gaussians.h"
#include "ml/ml_kernels.h"
#include "ml/ml_pass.h"
#include "ml/ml_scatter.h"
#include "ml/ml_solve.h"
#include "ml/ml_symmetric.h"

enum
{
	LDA_FIT_PRIOR = 0,
	LDA_N_COMPONENTS,
	LDA_SHRINKAGE,
	LDA_TOL
};

enum
{
	QDA_FIT_PRIOR = 0,
	QDA_REG_PARAM,
	QDA_TOL
};

#define NO_CHANCE (-1e300)

#define FIT_PRIOR {"fit_prior", ML_PARAM_BOOLEAN, 1, 0, 1, false, NULL, \
	"Whether classes have the shares that they have in training; else all have the same"}

static const ml_param_spec lda_specs[] = {
	[LDA_FIT_PRIOR] = FIT_PRIOR,
	[LDA_N_COMPONENTS] = {"n_components", ML_PARAM_INTEGER, 0, 0, 1e6, false, NULL,
	"Directions that rows are transformed to, at most; 0: all that there are"},
	[LDA_SHRINKAGE] = {"shrinkage", ML_PARAM_NUMBER, 0, 0, 1, false, NULL,
	"How far the covariance is drawn towards a multiple of the identity"},
	[LDA_TOL] = {"tol", ML_PARAM_NUMBER, 1e-4, 0, 1, true, NULL,
	"A feature is left out if the others determine it but for this share of its standard deviation"},
};

static const ml_param_spec qda_specs[] = {
	[QDA_FIT_PRIOR] = FIT_PRIOR,
	[QDA_REG_PARAM] = {"reg_param", ML_PARAM_NUMBER, 0, 0, 1, false, NULL,
	"How far each covariance is drawn towards the identity"},
	[QDA_TOL] = {"tol", ML_PARAM_NUMBER, 1e-6, 0, 1, true, NULL,
	"The covariance of a class is not of full rank if a feature has less of its own than this share of its standard deviation"},
};

typedef struct da_state
{
	ml_ctx		ctx;
	const ml_design *design;
	bool		quadratic;
	bool		fit_prior;
	int			n_components;
	double		shrinkage;		/* or reg_param */
	double		tol;
	ml_pass		pass;
	bool		second_pass;
	bool		passed;			/* both */
	double	   *sums;			/* (n_groups, n_classes, n_terms) */
	double	   *weight;			/* (n_groups, n_classes), the first group's all of them after the first pass */
	double	   *mean;			/* (n_classes, n_terms), the first group's sums divided */
	double	   *prior;			/* (n_classes) */
	double	   *factor;			/* (n_classes) what the squares of a class's row are multiplied by */
	double		total;			/* weight of all rows */
	ml_scatter	scatter;
	double	   *covariance;		/* (n_terms, n_terms) */
	int			class;			/* quadratic: whose covariance is next */
	bool		singular;		/* and that it is not of full rank, which finish tells, where names are known */
	ml_gaussians *gaussians;	/* quadratic */
	ml_discriminant *linear;
	double	   *ratio;			/* (n_classes) share of the variance between classes, of each direction */
} da_state;

static ml_status
da_begin(const ml_ctx *ctx, const ml_design *d, bool quadratic, da_state **state, ml_error *err)
{
	da_state   *s = ml_alloc_zero(ctx, 1, sizeof(da_state));
	size_t		n = d->n_terms;
	size_t		k = d->n_classes;
	int			sets = quadratic ? d->n_classes : 1;
	ml_status	status;

	*state = s;
	if (s == NULL)
		return ml_no_memory(err);
	s->ctx = *ctx;
	s->design = d;
	s->quadratic = quadratic;
	ml_pass_begin(&s->pass, ctx, d->rows, (double) n * n / 2 + k, ml_scatter_bytes(d->n_terms, sets) + sizeof(double) * n * k);
	status = ml_scatter_make(ctx, &s->scatter, d->n_terms, s->pass.n_groups, sets, err);
	if (status != ML_OK)
		return status;
	s->sums = s->mean = ml_alloc_zero(ctx, s->pass.n_groups * k * n, sizeof(double));
	s->weight = ml_alloc_zero(ctx, s->pass.n_groups * k, sizeof(double));
	s->prior = ml_alloc_zero(ctx, 3 * k, sizeof(double));
	s->covariance = ml_alloc(ctx, n * n, sizeof(double));
	if (s->sums == NULL || s->weight == NULL || s->prior == NULL || s->covariance == NULL)
		return ml_no_memory(err);
	s->factor = s->prior + k;
	s->ratio = s->factor + k;
	if (quadratic)
	{
		s->gaussians = ml_gaussians_new(ctx, d->n_terms, d->n_classes, d->n_classes, false);
		if (s->gaussians == NULL)
			return ml_no_memory(err);
	}
	return ML_OK;
}

static ml_status
lda_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	da_state   *s;
	ml_status	status = da_begin(ctx, input->design, false, &s, err);

	*state = s;
	if (status != ML_OK)
		return status;
	s->fit_prior = params[LDA_FIT_PRIOR] != 0;
	s->n_components = (int) params[LDA_N_COMPONENTS];
	s->shrinkage = params[LDA_SHRINKAGE];
	s->tol = params[LDA_TOL];
	if (s->n_components > input->design->n_terms || s->n_components >= input->design->n_classes)
		return ml_fail(err, ML_BAD_PARAM, NULL, "parameter \"n_components\" is %d, but %d classes of %d terms have %d directions",
					   s->n_components, input->design->n_classes, input->design->n_terms,
					   input->design->n_terms < input->design->n_classes ? input->design->n_terms : input->design->n_classes - 1);
	return ML_OK;
}

static ml_status
qda_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	da_state   *s;
	ml_status	status = da_begin(ctx, input->design, true, &s, err);

	*state = s;
	if (status != ML_OK)
		return status;
	s->fit_prior = params[QDA_FIT_PRIOR] != 0;
	s->shrinkage = params[QDA_REG_PARAM];
	s->tol = params[QDA_TOL];
	return ML_OK;
}

/* ---- passes ------------------------------------------------------------------------------------------------------- */

static void
sum_rows(void *arg, int group, size_t first, size_t end)
{
	da_state   *s = arg;
	const ml_design *d = s->design;

	for (size_t i = first; i < end; i++)
	{
		size_t		cell = (size_t) group * d->n_classes + d->labels[i];

		s->weight[cell] += ml_design_weight(d, i);
		ml_axpy(s->sums + cell * d->n_terms, ml_design_weight(d, i), ml_design_row(d, i), d->n_terms);
	}
}

/* Squares and products about the means: of all classes together or, quadratic, of each. */
static void
square_rows(void *arg, int group, size_t first, size_t end)
{
	da_state   *s = arg;
	const ml_design *d = s->design;

	for (size_t i = first; i < end; i++)
		ml_scatter_add(&s->scatter, group, s->quadratic ? d->labels[i] : 0, ml_design_row(d, i),
					   s->mean + (size_t) d->labels[i] * d->n_terms, sqrt(ml_design_weight(d, i) * s->factor[d->labels[i]]));
}

/* Means and priors; what the squares of each class count in the covariance. */
static void
end_first_pass(da_state *s)
{
	int			k = s->design->n_classes;
	size_t		n = s->design->n_terms;
	int			present = 0;

	ml_pass_add_up(&s->pass, s->sums, k * n);
	ml_pass_add_up(&s->pass, s->weight, k);
	for (int c = 0; c < k; c++)
	{
		s->total += s->weight[c];
		present += s->weight[c] > 0;
	}
	for (int c = 0; c < k; c++)
	{
		if (!(s->weight[c] > 0))
			continue;			/* it has no rows in these folds */
		for (size_t j = 0; j < n; j++)
			s->mean[c * n + j] /= s->weight[c];
		s->prior[c] = s->fit_prior ? s->weight[c] / s->total : 1.0 / present;
		s->factor[c] = s->quadratic ? 1 / s->weight[c] : s->shrinkage == 0 ? 1 / s->total : s->prior[c] / s->weight[c];
	}
}

/* A class without rows has no chance; infinite numbers are not stored. */
static double
log_prior(const da_state *s, int class)
{
	return s->prior[class] > 0 ? log(s->prior[class]) : NO_CHANCE;
}

/* ---- quadratic ---------------------------------------------------------------------------------------------------- */

/* The next class's; all its rows have been squared. */
static ml_status
finish_class(da_state *s, ml_error *err)
{
	int			n = s->design->n_terms;
	int			class = s->class;
	double	   *covariance = s->gaussians->whitening + (size_t) class * n * n;
	double		log_determinant = 0;
	ml_status	status = ML_OK;

	ml_scatter_sum(&s->scatter, class, covariance);
	for (size_t i = 0; i < (size_t) n * n; i++)
		covariance[i] *= 1 - s->shrinkage;
	for (size_t j = 0; j < (size_t) n; j++)
		covariance[j * n + j] += s->shrinkage;
	if (s->weight[class] > 0)
		status = ml_whiten(&s->ctx, covariance, n, s->tol * s->tol, &log_determinant, err);
	s->singular = status == ML_BAD_DATA;
	if (status != ML_OK)
		return s->singular ? ML_DONE : status;
	memcpy(s->gaussians->mean + (size_t) class * n, s->mean + (size_t) class * n, n * sizeof(double));
	s->gaussians->constant[class] = log_prior(s, class) + log_determinant - 0.5 * n * log(2 * M_PI);
	return ++s->class < s->design->n_classes ? ML_MORE : ML_DONE;
}

/* ---- linear ------------------------------------------------------------------------------------------------------- */

/* (1 - shrinkage) covariance + shrinkage times its mean variance. */
static void
shrink(double *covariance, size_t n, double shrinkage)
{
	double		trace = 0;

	for (size_t j = 0; j < n; j++)
		trace += covariance[j * n + j];
	for (size_t i = 0; i < n * n; i++)
		covariance[i] *= 1 - shrinkage;
	for (size_t j = 0; j < n; j++)
		covariance[j * n + j] += shrinkage * trace / (double) n;
}

/*
 * Coefficients, the solutions of covariance b_k = mean_k - centre, are (k, n) in solutions; gram (k, k) is the scalar
 * products of the means in the metric of the covariance, each with the root of its prior.
 */
static ml_status
solve_means(da_state *s, const ml_cholesky *c, double *centre, double *solutions, double *gram, ml_error *err)
{
	size_t		n = s->design->n_terms;
	int			k = s->design->n_classes;
	double	   *away = ml_alloc(&s->ctx, 2 * n, sizeof(double));

	if (away == NULL)
		return ml_no_memory(err);
	for (int a = 0; a < k; a++)
		ml_axpy(centre, s->prior[a], s->mean + a * n, n);
	for (int a = 0; a < k; a++)
	{
		for (size_t j = 0; j < n; j++)
			away[j] = s->mean[a * n + j] - centre[j];
		ml_cholesky_solve(c, away, solutions + a * n, away + n);
	}
	for (int a = 0; a < k; a++)
	{
		for (size_t j = 0; j < n; j++)
			away[j] = s->mean[a * n + j] - centre[j];
		for (int b = 0; b < k; b++)
			gram[a * k + b] = sqrt(s->prior[a] * s->prior[b]) * ml_dot(away, solutions + b * n, n);
	}
	ml_free(&s->ctx, away);
	return ML_OK;
}

/* A direction is a sum of the solutions with the numbers of an eigenvector; which of the two signs is a convention. */
static void
set_direction(const da_state *s, const double *solutions, const double *vector, double value, double *direction)
{
	size_t		n = s->design->n_terms;
	size_t		largest = 0;

	for (int a = 0; a < s->design->n_classes; a++)
		ml_axpy(direction, vector[a] * sqrt(s->prior[a] / value), solutions + a * n, n);
	for (size_t j = 1; j < n; j++)
		if (fabs(direction[j]) > fabs(direction[largest]))
			largest = j;
	if (direction[largest] < 0)
		for (size_t j = 0; j < n; j++)
			direction[j] = -direction[j];
}

/* How many eigenvalues, which ascend, are above tol² of the largest; and the shares of all. */
static int
count_directions(da_state *s, const double *values)
{
	int			k = s->design->n_classes;
	int			most = s->design->n_terms < k - 1 ? s->design->n_terms : k - 1;
	double		sum = 0;
	int			count = 0;

	for (int a = k - most; a < k; a++)
		sum += fmax(values[a], 0);
	while (count < most && values[k - 1 - count] > s->tol * s->tol * values[k - 1])
	{
		s->ratio[count] = values[k - 1 - count] / sum;
		count++;
	}
	return s->n_components > 0 && s->n_components < count ? s->n_components : count;
}

static ml_status
make_linear(da_state *s, const ml_cholesky *c, double *work, ml_error *err)
{
	int			n = s->design->n_terms;
	int			k = s->design->n_classes;
	double	   *centre = work;	/* (n) */
	double	   *solutions = centre + n;	/* (k, n) */
	double	   *gram = solutions + (size_t) k * n;	/* (k, k), then its eigenvectors row by row */
	double	   *values = gram + (size_t) k * k;	/* (k) ascending */
	ml_status	status = solve_means(s, c, centre, solutions, gram, err);
	ml_discriminant *d;

	if (status != ML_OK)
		return status;
	status = ml_symmetric_eigen(&s->ctx, true, k, gram, values, "the means of the classes have no directions", err);
	if (status != ML_OK)
		return status;
	d = s->linear = ml_discriminant_new(&s->ctx, n, k, count_directions(s, values));
	if (d == NULL)
		return ml_no_memory(err);
	memcpy(d->centre, centre, n * sizeof(double));
	memcpy(d->coefficient, solutions, (size_t) k * n * sizeof(double));
	for (int a = 0; a < k; a++)
	{
		const double *b = solutions + (size_t) a * n;

		d->intercept[a] = log_prior(s, a) - 0.5 * (ml_dot(b, s->mean + (size_t) a * n, n) + ml_dot(b, centre, n));
	}
	for (int a = 0; a < d->n_components; a++)
		set_direction(s, solutions, gram + (size_t) (k - 1 - a) * k, values[k - 1 - a], d->direction + (size_t) a * n);
	return ML_DONE;
}

static ml_status
finish_linear(da_state *s, ml_error *err)
{
	size_t		n = s->design->n_terms;
	size_t		k = s->design->n_classes;
	double	   *work = ml_alloc_zero(&s->ctx, n + k * n + k * k + k, sizeof(double));
	ml_cholesky c = {0};
	ml_status	status = ML_NO_MEMORY;

	if (work == NULL)
		return ml_no_memory(err);
	ml_scatter_sum(&s->scatter, 0, s->covariance);
	shrink(s->covariance, n, s->shrinkage);
	status = ml_cholesky_make(&s->ctx, &c, s->covariance, (int) n, 0, s->tol * s->tol, err);
	if (status == ML_OK && c.rank == 0)
		status = ml_fail(err, ML_BAD_DATA, "Set the parameter \"shrinkage\", or leave out features that give the class away.",
						 "no feature varies within the classes");
	if (status == ML_OK)
		status = make_linear(s, &c, work, err);
	ml_cholesky_free(&s->ctx, &c);
	ml_free(&s->ctx, work);
	return status;
}

static ml_status
da_step(void *state, ml_progress *progress, ml_error *err)
{
	da_state   *s = state;

	if (s->passed)
		return s->quadratic ? finish_class(s, err) : finish_linear(s, err);
	if (ml_pass_step(&s->pass, &s->ctx, s->second_pass ? square_rows : sum_rows, s))
	{
		if (!s->second_pass)
			end_first_pass(s);
		s->passed = s->second_pass;
		s->second_pass = true;
	}
	progress->share = s->passed ? 0.95 : 0.9 * (0.2 * s->second_pass + (s->second_pass ? 0.8 : 0.2) * ml_pass_share(&s->pass));
	return ML_MORE;
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static ml_status
report_array(const da_state *s, ml_report *report, const char *name, const double *values, int n_rows, int n_columns, bool classes,
			 bool terms, ml_error *err)
{
	ml_report_matrix *added;
	ml_status	status = ml_report_array(&s->ctx, report, name, values, n_rows, n_columns, &added, err);

	if (status == ML_OK)
	{
		added->rows_are_classes = classes;
		added->columns_are_terms = terms;
	}
	return status;
}

/* One output for two classes, of the second against the first; else one for each class. */
static void
report_coefficients(const ml_discriminant *d, ml_report *report)
{
	ml_coefficient *c = report->coefficients;
	size_t		n = d->n_terms;

	for (int a = d->n_classes == 2 ? 1 : 0; a < d->n_classes; a++)
		for (int term = -1; term < d->n_terms; term++)
		{
			double		less = d->n_classes > 2 ? 0 : term < 0 ? d->intercept[0] : d->coefficient[term];
			double		value = term < 0 ? d->intercept[a] : d->coefficient[a * n + term];

			*c++ = (ml_coefficient) {d->n_classes == 2 ? 0 : a, term, value - less, NAN, NAN, NAN, false};
		}
}

static ml_status
report_fit(const da_state *s, ml_report *report, ml_error *err)
{
	const ml_discriminant *d = s->linear;
	int			n = s->design->n_terms;
	int			k = s->design->n_classes;
	ml_status	status = ml_report_init(&s->ctx, report, d ? (size_t) (n + 1) * (k == 2 ? 1 : k) : 0, err);

	if (status == ML_OK)
		status = report_array(s, report, "priors", s->prior, k, 1, true, false, err);
	if (status == ML_OK)
		status = report_array(s, report, "means", s->mean, k, n, true, true, err);
	if (status != ML_OK || d == NULL)
		return status;
	report_coefficients(d, report);
	status = report_array(s, report, "xbar", d->centre, 1, n, false, true, err);
	if (status == ML_OK && d->n_components > 0)
		status = report_array(s, report, "scalings", d->direction, d->n_components, n, false, true, err);
	if (status == ML_OK && d->n_components > 0)
		status = report_array(s, report, "explained_variance_ratio", s->ratio, d->n_components, 1, false, false, err);
	return status;
}

static ml_status
da_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	da_state   *s = state;
	void	   *predictor = s->quadratic ? (void *) s->gaussians : s->linear;

	if (s->singular)
		return ml_fail(err, ML_BAD_DATA, "Raise the parameter \"reg_param\", give more rows, or leave out features that others determine.",
					   "the covariance of the features in class \"%s\" is not of full rank", ml_model_class(model, s->class));
	if (report != NULL)
	{
		ml_status	status = report_fit(s, report, err);

		if (status != ML_OK)
			return status;
	}
	s->gaussians = NULL;		/* the model's from here on, also after a failure */
	s->linear = NULL;
	return ml_model_set_predictor(model, s->quadratic ? &ml_gaussians_class : &ml_discriminant_class, predictor, err);
}

static void
da_end(void *state)
{
	da_state   *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_scatter_free(&ctx, &s->scatter);
	ml_free(&ctx, s->sums);
	ml_free(&ctx, s->weight);
	ml_free(&ctx, s->prior);
	ml_free(&ctx, s->covariance);
	ml_gaussians_class.free(&ctx, s->gaussians);
	ml_discriminant_class.free(&ctx, s->linear);
	ml_free(&ctx, s);
}

#define CLASSES (ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS))

const ml_estimator ml_estimator_lda = {
	.name = "lda", .tasks = CLASSES, .form = ML_FORM_ROWS,
	.n_params = sizeof(lda_specs) / sizeof(lda_specs[0]), .params = lda_specs,
	.begin = lda_begin, .step = da_step, .finish = da_finish, .end = da_end
};

const ml_estimator ml_estimator_qda = {
	.name = "qda", .tasks = CLASSES, .form = ML_FORM_ROWS,
	.n_params = sizeof(qda_specs) / sizeof(qda_specs[0]), .params = qda_specs,
	.begin = qda_begin, .step = da_step, .finish = da_finish, .end = da_end
};
