/*
 * ml_fit_nmf.c: the estimator nmf: rows that are not negative as sums of parts, X = W H, all numbers at least 0.
 *
 * Coordinate descent on the squared error (Cichocki and Phan 2009), as scikit-learn's: rows of W need H alone, and H
 * needs of the rows only W'W and W'X; so a round is one pass that improves a row's numbers and adds it to those sums.
 * Starts from the positive parts of the singular vectors (Boutsidis and Gallopoulos 2008) or by chance.
 */
#include "ml/ml_estimator.h"

#include <math.h>
#include <string.h>

#include "ml/ml_eigen.h"
#include "ml/ml_kernels.h"
#include "ml/ml_parts.h"
#include "ml/ml_pass.h"
#include "ml/ml_random.h"
#include "ml/ml_scatter.h"

#define VANISHING 1e-6			/* smaller starting values count as 0 */
#define EIGEN_ROUNDS 300
#define EIGEN_TOL 1e-13
#define RANDOM_H 0x6e6d66ULL
#define RANDOM_W (RANDOM_H + 1)

enum
{
	PARAM_ALPHA_H = 0,
	PARAM_ALPHA_W,
	PARAM_INIT,
	PARAM_L1_RATIO,
	PARAM_MAX_ITER,
	PARAM_N_COMPONENTS,
	PARAM_TOL
};

enum
{
	INIT_NNDSVDA = 0,
	INIT_NNDSVD,
	INIT_RANDOM
};

static const char *const inits[] = {"nndsvda", "nndsvd", "random", NULL};

static const ml_param_spec specs[] = {
	[PARAM_ALPHA_H] = {"alpha_H", ML_PARAM_NUMBER, -1, -1, INFINITY, false, NULL, "Penalty of the parts; -1: the same as alpha_W"},
	[PARAM_ALPHA_W] = {"alpha_W", ML_PARAM_NUMBER, 0, 0, INFINITY, false, NULL, "Penalty of the rows' numbers"},
	[PARAM_INIT] = {"init", ML_PARAM_CHOICE, INIT_NNDSVDA, 0, 2, false, inits,
	"Start: positive parts of singular vectors, whose zeros are filled with the mean or stay; or by chance"},
	[PARAM_L1_RATIO] = {"l1_ratio", ML_PARAM_NUMBER, 0, 0, 1, false, NULL, "Share of the penalty that is the sum of the numbers"},
	[PARAM_MAX_ITER] = {"max_iter", ML_PARAM_INTEGER, 200, 1, 1e9, false, NULL, "Most rounds"},
	[PARAM_N_COMPONENTS] = {"n_components", ML_PARAM_INTEGER, 2, 1, 10000, false, NULL, "Number of parts"},
	[PARAM_TOL] = {"tol", ML_PARAM_NUMBER, 1e-4, 0, INFINITY, false, NULL,
	"Ends when the projected gradient is at most this share of the first round's"},
};

typedef enum nmf_phase
{
	SURVEY,						/* mean, squares and products of the rows */
	SINGULAR,					/* vectors of those */
	PROJECT,					/* the rows' numbers in them */
	ROUND,
	LAST						/* the error */
} nmf_phase;

typedef struct nmf_state
{
	ml_ctx		ctx;
	const ml_design *design;
	int			k;
	int			init;
	int			max_iter;
	double		tol;
	double		alpha_w;
	double		alpha_h;
	double		l1_ratio;
	nmf_phase	phase;
	ml_pass		pass;
	ml_scatter	scatter;		/* not of a random start */
	double	   *moments;		/* (n_terms, n_terms) */
	double	   *zero;			/* (n_terms) */
	ml_eigen	eigen;
	bool	   *negative;		/* (n_groups, n_terms) there is a value below 0 */
	double		total;			/* weight of all rows */
	double		mean;			/* of all numbers */
	double	   *w;				/* (rows, k) */
	ml_parts   *parts;			/* H */
	double	   *scale;			/* (2, k) that positive and negative projections are multiplied with */
	size_t		group_sums;
	double	   *sums;			/* (n_groups, …): W'W (k, k), W'X (k, n_terms), one number more */
	double	   *right;			/* (n_groups, k) */
	int			round;
	bool		converged;
	double		first_violation;
	double		violation;		/* of the last round, as a share of the first's */
	double		error;			/* sum of squares */
} nmf_state;

static ml_status
allocate(nmf_state *s, ml_error *err)
{
	const ml_ctx *ctx = &s->ctx;
	size_t		n = s->design->n_terms;
	size_t		k = s->k;
	size_t		groups = s->pass.n_groups;

	s->group_sums = k * k + k * n + 1;
	s->w = ml_alloc_zero(ctx, s->design->rows * k, sizeof(double));
	s->sums = ml_alloc_zero(ctx, groups * s->group_sums, sizeof(double));
	s->right = ml_alloc_zero(ctx, groups * k, sizeof(double));
	s->scale = ml_alloc_zero(ctx, 2 * k, sizeof(double));
	s->zero = ml_alloc_zero(ctx, n, sizeof(double));
	s->negative = ml_alloc_zero(ctx, groups * n, sizeof(bool));
	s->parts = ml_parts_new(ctx, (int) n, s->k);
	s->moments = ml_alloc(ctx, s->init == INIT_RANDOM ? 0 : n * n, sizeof(double));
	if (s->w == NULL || s->sums == NULL || s->right == NULL || s->scale == NULL || s->zero == NULL || s->negative == NULL ||
		s->parts == NULL || s->moments == NULL)
		return ml_no_memory(err);
	return ML_OK;
}

static ml_status
nmf_begin(const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state, ml_error *err)
{
	nmf_state  *s = ml_alloc_zero(ctx, 1, sizeof(nmf_state));
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
	s->init = (int) params[PARAM_INIT];
	s->max_iter = (int) params[PARAM_MAX_ITER];
	s->tol = params[PARAM_TOL];
	s->alpha_w = params[PARAM_ALPHA_W];
	s->alpha_h = params[PARAM_ALPHA_H] < 0 ? s->alpha_w : params[PARAM_ALPHA_H];
	s->l1_ratio = params[PARAM_L1_RATIO];
	if (s->init != INIT_RANDOM && ((size_t) s->k > d->rows || s->k > d->n_terms))
		return ml_fail(err, ML_BAD_PARAM, "Lower it, or set the parameter \"init\" to \"random\".",
					   "parameter \"n_components\" is %d, but there are %zu rows of %d terms", s->k, d->rows, d->n_terms);
	status = ml_check_memory(ctx, (double) d->rows * s->k * sizeof(double), "the rows' numbers of the parts", err);
	if (status != ML_OK)
		return status;
	sets = s->init == INIT_RANDOM ? 0 : 1;
	ml_pass_begin(&s->pass, ctx, d->rows, 2 * s->k * (n + s->k) + sets * n * n / 2,
				  ml_scatter_bytes(d->n_terms, sets) + sizeof(double) * s->k * (n + s->k));
	status = ml_scatter_make(ctx, &s->scatter, d->n_terms, s->pass.n_groups, sets, err);
	return status == ML_OK ? allocate(s, err) : status;
}

/* ---- the start ---------------------------------------------------------------------------------------------------- */

static void
survey_rows(void *arg, int group, size_t first, size_t end)
{
	nmf_state  *s = arg;
	int			n = s->design->n_terms;
	double	   *sums = s->sums + group * s->group_sums;
	bool	   *negative = s->negative + (size_t) group * n;

	for (size_t i = first; i < end; i++)
	{
		const double *x = ml_design_row(s->design, i);
		double		sum = 0;

		for (int j = 0; j < n; j++)
		{
			negative[j] |= x[j] < 0;
			sum += x[j];
		}
		sums[0] += ml_design_weight(s->design, i);
		sums[s->group_sums - 1] += ml_design_weight(s->design, i) * sum;
		if (s->init != INIT_RANDOM)
			ml_scatter_add(&s->scatter, group, 0, x, s->zero, sqrt(ml_design_weight(s->design, i)));
	}
}

/* Numbers by chance: row `index` of W, or of H. */
static void
draw_numbers(const nmf_state *s, uint64_t purpose, size_t index, double *numbers, size_t count)
{
	double		size = sqrt(s->mean / s->k);	/* products are about as large as the rows' numbers */
	ml_random	r = ml_random_stream(s->ctx.seed, purpose, index);

	for (size_t j = 0; j < count; j++)
		numbers[j] = 2 * size * ml_random_unit(&r);
}

static ml_status
end_survey(nmf_state *s, ml_error *err)
{
	size_t		n = s->design->n_terms;

	ml_pass_add_up(&s->pass, s->sums, s->group_sums);
	s->total = s->sums[0];
	s->mean = s->sums[s->group_sums - 1] / s->total / (double) n;
	for (int group = 1; group < s->pass.n_groups; group++)
		for (size_t j = 0; j < n; j++)
			s->negative[j] |= s->negative[group * n + j];
	memset(s->sums, 0, s->pass.n_groups * s->group_sums * sizeof(double));
	for (size_t j = 0; j < n; j++)
		if (s->negative[j])
			return ML_DONE;		/* finish names the feature */
	if (!(s->mean > 0))
		return ml_fail(err, ML_BAD_DATA, NULL, "all numbers are 0");
	if (s->init == INIT_RANDOM)
	{
		for (int t = 0; t < s->k; t++)
			draw_numbers(s, RANDOM_H, t, s->parts->parts + t * n, n);
		ml_parts_multiply(s->parts);
		s->phase = ROUND;
		return ML_MORE;
	}
	ml_scatter_sum(&s->scatter, 0, s->moments);
	s->phase = SINGULAR;
	return ML_MORE;
}

static ml_status
step_singular(nmf_state *s, ml_error *err)
{
	ml_status	status = ML_OK;

	if (s->eigen.vectors == NULL)
		status = ml_eigen_begin(&s->ctx, &s->eigen, s->moments, s->design->n_terms, s->k, 10, err);
	if (status == ML_OK)
		status = ml_eigen_step(&s->eigen, EIGEN_TOL, err);
	if (status == ML_DONE || (status == ML_MORE && s->eigen.rounds >= EIGEN_ROUNDS))
	{
		s->phase = PROJECT;
		return ML_MORE;
	}
	return status;
}

/* The rows' numbers in the singular vectors go to W; sums: squares of positive and of negative ones. */
static void
project_rows(void *arg, int group, size_t first, size_t end)
{
	nmf_state  *s = arg;
	double	   *positive = s->sums + group * s->group_sums;
	double	   *negative = positive + s->k;

	for (size_t i = first; i < end; i++)
		for (int t = 0; t < s->k; t++)
		{
			double		value = ml_dot(s->eigen.vectors + (size_t) t * s->design->n_terms, ml_design_row(s->design, i), s->design->n_terms);

			s->w[i * s->k + t] = value;
			*(value > 0 ? positive + t : negative + t) += ml_design_weight(s->design, i) * value * value;
		}
}

/*
 * Of each pair of singular vectors either the positive or the negative sides are taken, whichever hold more; of the first,
 * which have one sign, the sizes.
 */
static void
choose_sides(nmf_state *s)
{
	size_t		n = s->design->n_terms;
	double		fill = s->init == INIT_NNDSVDA ? s->mean : 0;

	for (int t = 0; t < s->k; t++)
	{
		const double *v = s->eigen.vectors + t * n;
		double	   *h = s->parts->parts + t * n;
		double		singular = sqrt(fmax(s->eigen.values[t], 0));
		double		u_norm[2] = {0, 0};
		double		v_norm[2] = {0, 0};
		double		lambda;
		int			side;

		for (size_t j = 0; j < n; j++)
			v_norm[v[j] < 0] += v[j] * v[j];
		for (side = 0; side < 2; side++)
		{
			u_norm[side] = singular > 0 ? sqrt(s->sums[side * s->k + t]) / singular : 0;
			v_norm[side] = sqrt(v_norm[side]);
		}
		side = u_norm[0] * v_norm[0] > u_norm[1] * v_norm[1] ? 0 : 1;
		lambda = sqrt(singular * u_norm[side] * v_norm[side]);
		for (size_t j = 0; j < n; j++)
		{
			double		value = side == 0 ? v[j] : -v[j];

			h[j] = t == 0 ? sqrt(singular) * fabs(v[j]) : value > 0 && v_norm[side] > 0 ? lambda * value / v_norm[side] : 0;
			if (h[j] < VANISHING)
				h[j] = fill;
		}
		/* W holds the singular value times u. */
		if (t == 0)
			s->scale[0] = s->scale[1] = singular > 0 ? sqrt(singular) / singular : 0;
		else
			s->scale[2 * t + side] = singular > 0 && u_norm[side] > 0 ? lambda / (u_norm[side] * singular) : 0;
	}
}

/* What a row starts with: its projections on the sides that were chosen, or numbers by chance. */
static void
start_row(const nmf_state *s, size_t i)
{
	double		fill = s->init == INIT_NNDSVDA ? s->mean : 0;
	double	   *w = s->w + i * s->k;

	if (s->init == INIT_RANDOM)
	{
		draw_numbers(s, RANDOM_W, i, w, s->k);
		return;
	}
	for (int t = 0; t < s->k; t++)
	{
		w[t] = fabs(w[t]) * s->scale[2 * t + (w[t] < 0)];
		if (w[t] < VANISHING)
			w[t] = fill;
	}
}

/* ---- rounds ------------------------------------------------------------------------------------------------------- */

/* Improves the rows' numbers, and adds them to W'W and W'X. */
static void
improve_rows(void *arg, int group, size_t first, size_t end)
{
	nmf_state  *s = arg;
	size_t		n = s->design->n_terms;
	double	   *ww = s->sums + group * s->group_sums;
	double	   *wx = ww + (size_t) s->k * s->k;
	double	   *right = s->right + (size_t) group * s->k;

	for (size_t i = first; i < end; i++)
	{
		const double *x = ml_design_row(s->design, i);
		double	   *w = s->w + i * s->k;
		double		weight = ml_design_weight(s->design, i);

		if (s->round == 0)
			start_row(s, i);
		for (int t = 0; t < s->k; t++)
			right[t] = ml_dot(s->parts->parts + t * n, x, n) - s->parts->l1;
		ww[s->group_sums - 1] += weight * ml_parts_sweep(s->parts->products, right, w, s->k);
		for (int t = 0; t < s->k; t++)
			if (w[t] > 0)
			{
				ml_axpy(wx + t * n, weight * w[t], x, n);
				ml_axpy(ww + (size_t) t * s->k, weight * w[t], w, s->k);
			}
	}
}

/* Improves the parts, term by term; returns the projected gradient. */
static double
improve_parts(nmf_state *s)
{
	size_t		n = s->design->n_terms;
	double	   *ww = s->sums;
	const double *wx = ww + (size_t) s->k * s->k;
	double		l1 = s->total * s->alpha_h * s->l1_ratio;
	double		violation = 0;

	for (int t = 0; t < s->k; t++)
		ww[(size_t) t * s->k + t] += s->total * s->alpha_h * (1 - s->l1_ratio);
	/* As the sweep goes over a row's parts, so here over a term's; all terms of one part together. */
	for (int t = 0; t < s->k; t++)
	{
		const double *row = ww + (size_t) t * s->k;
		double	   *h = s->parts->parts + t * n;

		for (size_t j = 0; j < n; j++)
		{
			double		gradient = l1 - wx[t * n + j];

			for (int r = 0; r < s->k; r++)
				gradient += row[r] * s->parts->parts[r * n + j];
			violation += h[j] == 0 ? fmax(-gradient, 0) : fabs(gradient);
			if (row[t] != 0)
				h[j] = fmax(h[j] - gradient / row[t], 0);
		}
	}
	return violation;
}

static void
end_round(nmf_state *s)
{
	double		violation;

	ml_pass_add_up(&s->pass, s->sums, s->group_sums);
	violation = s->sums[s->group_sums - 1] + improve_parts(s);
	ml_parts_multiply(s->parts);
	memset(s->sums, 0, s->pass.n_groups * s->group_sums * sizeof(double));
	s->round++;
	if (s->round == 1)
		s->first_violation = violation;
	s->violation = s->first_violation > 0 ? violation / s->first_violation : 0;
	s->converged = s->violation <= s->tol;
	if (s->converged || s->round >= s->max_iter)
		s->phase = LAST;
}

/* The error is what is left of the rows: sums has it in its last place. */
static void
measure_rows(void *arg, int group, size_t first, size_t end)
{
	nmf_state  *s = arg;
	size_t		n = s->design->n_terms;
	double	   *sums = s->sums + group * s->group_sums;
	double	   *rest = sums;	/* (n_terms), as W'X is not needed */

	for (size_t i = first; i < end; i++)
	{
		memcpy(rest, ml_design_row(s->design, i), n * sizeof(double));
		for (int t = 0; t < s->k; t++)
			ml_axpy(rest, -s->w[i * s->k + t], s->parts->parts + t * n, n);
		sums[s->group_sums - 1] += ml_design_weight(s->design, i) * ml_dot(rest, rest, n);
	}
}

static ml_status
nmf_step(void *state, ml_progress *progress, ml_error *err)
{
	static const ml_pass_work works[] = {[SURVEY] = survey_rows, [PROJECT] = project_rows, [ROUND] = improve_rows, [LAST] = measure_rows};
	nmf_state  *s = state;

	progress->iteration = s->round;
	progress->loss = s->round > 1 ? s->violation : NAN;
	progress->share = 0.05 + 0.9 * s->round / s->max_iter;
	if (s->phase == SINGULAR)
		return step_singular(s, err);
	if (!ml_pass_step(&s->pass, &s->ctx, works[s->phase], s))
		return ML_MORE;
	switch (s->phase)
	{
		case SURVEY:
			s->parts->l1 = s->design->n_terms * s->alpha_w * s->l1_ratio;
			s->parts->l2 = s->design->n_terms * s->alpha_w * (1 - s->l1_ratio);
			return end_survey(s, err);
		case PROJECT:
			ml_pass_add_up(&s->pass, s->sums, s->group_sums);
			choose_sides(s);
			memset(s->sums, 0, s->pass.n_groups * s->group_sums * sizeof(double));
			ml_parts_multiply(s->parts);
			s->phase = ROUND;
			return ML_MORE;
		case ROUND:
			end_round(s);
			return ML_MORE;
		default:
			ml_pass_add_up(&s->pass, s->sums, s->group_sums);
			s->error = s->sums[s->group_sums - 1];
			progress->share = 1;
			if (!isfinite(s->error))
				return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the sums of squares overflow");
			return ML_DONE;
	}
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static ml_status
nmf_finish(void *state, ml_model *model, ml_report *report, ml_error *err)
{
	nmf_state  *s = state;
	ml_parts   *parts = s->parts;
	ml_report_matrix *added;
	ml_status	status;

	for (int term = 0; term < s->design->n_terms; term++)
		if (s->negative[term])
		{
			char		name[128];

			ml_model_term_name(model, term, name, sizeof(name));
			return ml_fail(err, ML_BAD_DATA, "Shift the feature, scale it with \"minmax\", or leave it out.",
						   "feature \"%s\" has values below 0, which nmf cannot use", name);
		}
	if (report != NULL)
	{
		status = ml_report_init(&s->ctx, report, 0, err);
		if (status == ML_OK)
			status = ml_report_array(&s->ctx, report, "components", parts->parts, parts->n_parts, parts->n_terms, &added, err);
		if (status != ML_OK)
			return status;
		added->columns_are_terms = true;
		report->iterations = s->round;
		report->converged = s->converged;
		ml_report_fact(report, "reconstruction_err", sqrt(s->error));
	}
	s->parts = NULL;			/* the model's from here on, also after a failure */
	return ml_model_set_predictor(model, &ml_parts_class, parts, err);
}

static void
nmf_end(void *state)
{
	nmf_state  *s = state;
	ml_ctx		ctx;

	if (s == NULL)
		return;
	ctx = s->ctx;
	ml_scatter_free(&ctx, &s->scatter);
	ml_eigen_free(&s->eigen);
	ml_free(&ctx, s->moments);
	ml_free(&ctx, s->zero);
	ml_free(&ctx, s->negative);
	ml_free(&ctx, s->w);
	ml_free(&ctx, s->sums);
	ml_free(&ctx, s->right);
	ml_free(&ctx, s->scale);
	ml_parts_class.free(&ctx, s->parts);
	ml_free(&ctx, s);
}

const ml_estimator ml_estimator_nmf = {
	.name = "nmf", .tasks = ML_TASK_BIT(ML_DECOMPOSITION), .form = ML_FORM_ROWS,
	.n_params = sizeof(specs) / sizeof(specs[0]), .params = specs,
	.begin = nmf_begin, .step = nmf_step, .finish = nmf_finish, .end = nmf_end
};
