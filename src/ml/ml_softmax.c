/*
 * ml_softmax.c: multinomial logistic regression: from the first round to standard errors.  Words are in ml_softmax_int.h.
 */
#include "ml/ml_softmax_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define BLOCK ML_MOMENTS_BLOCK
#define RANGE_WORK 1e8			/* multiplications of a range, about */
#define TOLERANCE 1e-11			/* of a pivot, without a penalty */

/* ---- memory of sums ------------------------------------------------------------------------------------------------ */

static void *
take(ml_softmax *l, size_t count, size_t size, bool *failed)
{
	void	   *block = ml_alloc_zero(&l->ctx, count, size);

	*failed = *failed || block == NULL;
	return block;
}

static void
allocate_pairs(ml_softmax *l, softmax_sums *s, bool *failed)
{
	s->pairs = take(l, pair_doubles(l), sizeof(double), failed);
	s->rows_z = take(l, BLOCK * l->padded, sizeof(double), failed);
	s->scaled = take(l, BLOCK * l->padded, sizeof(double), failed);
}

static void
allocate_sums(ml_softmax *l, softmax_sums *s, bool *failed)
{
	s->gradient = take(l, l->n_theta, sizeof(double), failed);
	s->moments = take(l, ml_moments_size(&l->layout.shape), 1, failed);
	s->eta = take(l, (size_t) l->k * BLOCK, sizeof(double), failed);
	s->columns = take(l, l->layout.shape.n_numbers, sizeof(double *), failed);
	s->level_rows = take(l, l->layout.shape.n_cats, sizeof(int32_t *), failed);
	for (int a = 0; a < l->layout.shape.n_cats && s->level_rows != NULL; a++)
		s->level_rows[a] = take(l, BLOCK, sizeof(int32_t), failed);
	*failed |= !ml_untangle_scratch_make(&l->ctx, &l->untangle, l->layout.shape.n_levels, &s->scratch);
	if (l->full != NULL)
		allocate_pairs(l, s, failed);
}

static bool
allocate_all_sums(ml_softmax *l)
{
	bool		failed = false;

	for (int i = -1; i < ML_SOFTMAX_BATCH; i++)
		allocate_sums(l, i < 0 ? &l->total : &l->part[i], &failed);
	return !failed;
}

static void
free_sums(const ml_softmax *l, softmax_sums *s)
{
	const ml_ctx *ctx = &l->ctx;

	ml_free(ctx, s->gradient);
	ml_free(ctx, s->moments);
	ml_free(ctx, s->eta);
	ml_free(ctx, s->columns);
	for (int a = 0; a < l->layout.shape.n_cats && s->level_rows != NULL; a++)
		ml_free(ctx, s->level_rows[a]);
	ml_free(ctx, s->level_rows);
	ml_free(ctx, s->pairs);
	ml_free(ctx, s->rows_z);
	ml_free(ctx, s->scaled);
	ml_untangle_scratch_clear(ctx, &s->scratch);
	memset(s, 0, sizeof(*s));
}

/* ---- the beginning and the end of it ------------------------------------------------------------------------------ */

/* Without a penalty.  ML_MORE: terms nearly determine each other, and the moments are to be those of their rests. */
static ml_status
untangle(ml_softmax *l, const ml_gram *gram, ml_error *err)
{
	bool		changed;
	ml_status	status = ml_untangle_take(&l->ctx, &l->untangle, gram->moments, &l->precondition, l->params.fit_intercept ? gram->mean : NULL,
										  &changed, err);

	if (status != ML_OK || !changed)
		return status;
	for (int i = -1; i < ML_SOFTMAX_BATCH; i++)
		free_sums(l, i < 0 ? &l->total : &l->part[i]);
	for (int i = 0; i < l->untangle.n; i++)
		if (!ml_matrix_layout_own(&l->ctx, &l->layout, l->untangle.term[i]))
			return ml_no_memory(err);
	return allocate_all_sums(l) ? ML_MORE : ml_no_memory(err);
}

/* Means, the preconditioner, aliased terms; ML_MORE: the moments are to be gathered again. */
static ml_status
read_moments(ml_softmax *l, ml_error *err)
{
	size_t		p = l->p;
	double	   *memory = ml_alloc(&l->ctx, ml_gram_doubles(p), sizeof(double));
	ml_gram		gram;
	bool		changed = false;
	ml_status	status = ML_OK;

	if (memory == NULL)
		return ml_no_memory(err);
	ml_gram_attach(&gram, (int) p, memory);
	ml_gram_from_moments(&gram, l->total.moments, l->layout.sources);
	if (!l->penalised)
		status = ml_extreme_columns(&l->ctx, &l->extreme, l->matrix, gram.moments, gram.weight, &l->layout, &changed, err);
	if (status != ML_OK || changed)
	{
		ml_free(&l->ctx, memory);
		return status == ML_OK ? ML_MORE : status;
	}
	if (l->params.fit_intercept)
		memcpy(l->mean, gram.mean, p * sizeof(double));
	else
		for (size_t i = 0; i < p; i++)
			ml_axpy(gram.moments + i * p, gram.weight * gram.mean[i], gram.mean, p);
	if (!l->penalised)
		ml_untangle_alias(&l->untangle, gram.moments, l->params.fit_intercept ? gram.mean : NULL, gram.weight, l->work);
	ml_cholesky_free(&l->ctx, &l->precondition);
	status = ml_cholesky_make(&l->ctx, &l->precondition, gram.moments, (int) p, l->params.l2 * l->k, TOLERANCE, err);
	if (status == ML_OK && !l->penalised)
		status = untangle(l, &gram, err);
	ml_free(&l->ctx, memory);
	return status;
}

/* After the first round: means, the preconditioner, intercepts of a model without terms. */
static ml_status
end_moments(ml_softmax *l, ml_error *err)
{
	size_t		p = l->p;
	double		weight = l->total.weight;
	ml_status	status = read_moments(l, err);

	if (status == ML_MORE)
		ml_softmax_start_round(l);
	if (status != ML_OK)
		return status;
	l->fit.weight = weight;
	l->fit.rows = l->total.rows;
	l->fit.rank = l->precondition.rank;
	memset(l->fit.aliased, 1, p);
	for (int i = 0; i < l->precondition.rank; i++)
		l->fit.aliased[l->precondition.kept[i]] = 0;
	l->fit.null_loss = l->params.fit_intercept ? 0 : weight * log(l->k);
	for (int k = 0; k < l->k; k++)
	{
		l->class_weight[k] = l->total.gradient[k * l->width + p];
		if (!(l->class_weight[k] > 0))
			return ml_fail(err, ML_BAD_DATA, NULL, "class %d of %d has no rows to learn from", k + 1, l->k);
		if (!l->params.fit_intercept)
			continue;
		l->theta[k * l->width + p] = log(l->class_weight[k] / weight);
		l->fit.null_loss -= l->class_weight[k] * l->theta[k * l->width + p];
	}
	l->objective = INFINITY;
	l->share = 1;
	l->phase = l->params.l1 > 0 ? NEWTON : DESCENT;
	l->hessian = l->phase == NEWTON;
	ml_softmax_start_round(l);
	return ML_MORE;
}

/* From theta to coefficients, those of all classes together 0 where the data leave it open. */
static void
note_solution(ml_softmax *l)
{
	for (size_t j = 0; j <= l->p; j++)
	{
		double		mean = 0;

		for (int k = 0; k < l->k && (j == l->p || !l->penalised); k++)
			mean += l->theta[k * l->width + j] / l->k;
		for (int k = 0; k < l->k; k++)
			l->theta[k * l->width + j] -= mean;
	}
	for (int k = 0; k < l->k; k++)
	{
		const double *theta = l->theta + k * l->width;

		ml_untangle_to_terms(&l->untangle, theta, theta[l->p] - ml_dot(l->mean, theta, l->p), l->fit.coefficients + k * l->p,
							 &l->fit.intercepts[k]);
		ml_extreme_to_terms(&l->extreme, l->fit.coefficients + k * l->p, (int) l->p);
	}
	/* With a penalty on sizes the means' part of the intercepts need not add up to 0. */
	if (l->params.fit_intercept)
	{
		double		mean = 0;

		for (int k = 0; k < l->k; k++)
			mean += l->fit.intercepts[k] / l->k;
		for (int k = 0; k < l->k; k++)
			l->fit.intercepts[k] -= mean;
	}
}

ml_status
ml_softmax_end_descent(ml_softmax *l, bool converged, ml_error *err)
{
	l->fit.converged = converged;
	l->fit.objective = l->objective;
	note_solution(l);
	if (l->penalised || l->full == NULL)
	{
		l->phase = FINISHED;
		return ML_DONE;
	}
	(void) err;
	l->phase = ERRORS;
	l->hessian = true;
	ml_softmax_start_round(l);
	return ML_MORE;
}

ml_status
ml_softmax_told_apart(ml_error *err)
{
	return ml_fail(err, ML_NOT_CONVERGED, "Use a penalty, or leave out the features that tell the classes apart.",
				   "the classes can be told apart without error, so coefficients without a penalty have no finite value");
}

/* The standard errors of a class, from its block of the inverse (n_theta, n_theta), and of rests from (p, p) covariance. */
static void
set_std_errors(ml_softmax *l, int k, const double *block, double *covariance, double *centre)
{
	size_t		n = l->n_theta;
	size_t		p = l->p;
	double		intercept = block[p * n + p] - 1 / (l->work[p] * l->k);

	/* Shifts weigh in with 1 / (c k) each. */
	for (size_t i = 0; i < p; i++)
	{
		memcpy(covariance + i * p, block + i * n, p * sizeof(double));
		covariance[i * (p + 1)] -= l->work[i] > 0 ? 1 / (l->work[i] * l->k) : 0;
	}
	/* The intercept is a - m b, where all terms are 0. */
	ml_untangle_origin(&l->untangle, centre);
	for (size_t i = 0; i < p; i++)
		centre[i] = l->mean[i] - centre[i];
	for (size_t i = 0; i < p; i++)
	{
		intercept -= 2 * centre[i] * block[p * n + i];
		intercept += centre[i] * ml_dot(covariance + i * p, centre, p);
	}
	if (l->params.fit_intercept)
		l->fit.intercept_errors[k] = intercept > 0 ? sqrt(intercept) : NAN;
	ml_untangle_covariance(&l->untangle, covariance);
	for (size_t j = 0; j < p; j++)
		if (!l->fit.aliased[j])
			l->fit.std_errors[k * p + j] = covariance[j * (p + 1)] > 0 ? sqrt(covariance[j * (p + 1)]) : NAN;
	ml_extreme_to_terms(&l->extreme, l->fit.std_errors + k * p, (int) p);
}

/*
 * Standard errors of coefficients whose sums over the classes are 0.  The Hessian does not feel shifts of all classes:
 * with S, the projection on them, H + c S has the inverse H^+ + S / c.
 */
static ml_status
end_errors(ml_softmax *l, ml_error *err)
{
	size_t		n = l->n_theta;
	double	   *inverse = ml_alloc(&l->ctx, n * n, sizeof(double));
	double	   *covariance = ml_alloc(&l->ctx, l->p * (l->p + 1), sizeof(double));
	ml_cholesky factor = {0};
	ml_status	status = inverse && covariance ? ML_OK : ml_no_memory(err);

	if (status == ML_OK)
	{
		ml_softmax_fill_hessian(l);
		ml_softmax_hold_shifts(l);
		status = ml_cholesky_make(&l->ctx, &factor, l->full, (int) n, 0, TOLERANCE, err);
	}
	if (status == ML_OK)
		status = ml_cholesky_inverse(&l->ctx, &factor, inverse, err);
	for (int k = 0; k < l->k && status == ML_OK; k++)
		set_std_errors(l, k, inverse + k * l->width * (n + 1), covariance, covariance + l->p * l->p);
	ml_cholesky_free(&l->ctx, &factor);
	ml_free(&l->ctx, inverse);
	ml_free(&l->ctx, covariance);
	l->phase = FINISHED;
	return status == ML_OK ? ML_DONE : status;
}

ml_status
ml_softmax_step(ml_softmax *l, double *progress, ml_error *err)
{
	bool		whole;

	*progress = 1;
	if (l->phase == FINISHED)
		return ML_DONE;
	whole = ml_softmax_do_batch(l);
	*progress = (l->fit.iterations + (double) l->next_range / l->n_ranges) / (l->fit.iterations + 20);
	if (!whole)
		return ML_MORE;
	switch (l->phase)
	{
		case MOMENTS:
			return end_moments(l, err);
		case DESCENT:
			return ml_softmax_end_lbfgs_round(l, err);
		case SMOOTH_NEWTON:
			return ml_softmax_end_smooth_round(l, err);
		case NEWTON:
			return ml_softmax_end_newton_round(l, err);
		default:
			return end_errors(l, err);
	}
}

const ml_softmax_fit *
ml_softmax_result(const ml_softmax *l)
{
	return &l->fit;
}

/* ---- allocation --------------------------------------------------------------------------------------------------- */

static bool
allocate(ml_softmax *l)
{
	size_t		p = l->p;
	size_t		cells = l->k * p;
	size_t		levels = l->layout.shape.n_levels;
	bool		failed = false;
	bool		whole = !(l->params.l2 > 0 && l->params.l1 == 0) && l->n_theta <= ML_SOFTMAX_HESSIAN;

	l->level_b = take(l, l->k * levels, sizeof(double), &failed);
	l->class_weight = take(l, l->k, sizeof(double), &failed);
	l->mean = take(l, p, sizeof(double), &failed);
	l->intercept = take(l, l->k, sizeof(double), &failed);
	l->theta = take(l, l->n_theta, sizeof(double), &failed);
	l->accepted = take(l, l->n_theta, sizeof(double), &failed);
	l->gradient = take(l, l->n_theta, sizeof(double), &failed);
	l->direction = take(l, l->n_theta, sizeof(double), &failed);
	l->new_gradient = take(l, l->n_theta, sizeof(double), &failed);
	l->work = take(l, l->n_theta + 2 * l->width, sizeof(double), &failed);
	for (int i = 0; i < ML_SOFTMAX_MEMORY && l->params.l1 == 0; i++)
	{
		l->s[i] = take(l, l->n_theta, sizeof(double), &failed);
		l->y[i] = take(l, l->n_theta, sizeof(double), &failed);
	}
	if (whole)
		l->full = take(l, l->n_theta * l->n_theta, sizeof(double), &failed);
	l->fit.coefficients = take(l, cells, sizeof(double), &failed);
	l->fit.std_errors = take(l, cells, sizeof(double), &failed);
	l->fit.intercepts = take(l, l->k, sizeof(double), &failed);
	l->fit.intercept_errors = take(l, l->k, sizeof(double), &failed);
	l->fit.aliased = take(l, p, 1, &failed);
	l->origin = take(l, p, sizeof(ml_gram_source), &failed);
	if (l->origin != NULL)
		memcpy(l->origin, l->layout.sources, p * sizeof(ml_gram_source));
	return !failed && allocate_all_sums(l);
}

/* As many rows to a range as make a step short; a number that follows from the data's shape alone. */
static size_t
range_length(const ml_softmax *l)
{
	size_t		rows = l->n_rows;
	double		work = (double) l->k * l->width * 4;
	size_t		length;

	if (l->full != NULL || l->params.l1 > 0)
		work += (double) l->padded * l->padded * l->k * l->k / 2;
	length = (size_t) (RANGE_WORK / work) / BLOCK * BLOCK;
	length = length < BLOCK ? BLOCK : length;
	return length < rows / 16 ? length : (rows / 16 / BLOCK + 1) * BLOCK;
}

/* Cuts the rows of the folds into ranges. */
static bool
make_ranges(ml_softmax *l)
{
	const ml_matrix *matrix = l->matrix;
	size_t		length = range_length(l);
	bool		failed = false;

	ml_free(&l->ctx, l->ranges);
	l->ranges = take(l, l->n_rows / length + (size_t) matrix->n_folds + 1, sizeof(softmax_range), &failed);
	l->n_ranges = 0;
	for (int fold = 0; fold < matrix->n_folds && !failed; fold++)
		for (size_t at = matrix->fold_start[fold]; l->use_fold[fold] && at < matrix->fold_start[fold + 1]; at += length)
		{
			size_t		left = matrix->fold_start[fold + 1] - at;

			l->ranges[l->n_ranges++] = (softmax_range) {at, left < length ? left : length};
		}
	return !failed;
}

bool
ml_softmax_make_hessian(ml_softmax *l)
{
	bool		failed = false;

	if (l->full != NULL)
		return true;
	l->full = take(l, l->n_theta * l->n_theta, sizeof(double), &failed);
	for (int i = -1; i < ML_SOFTMAX_BATCH; i++)
		allocate_pairs(l, i < 0 ? &l->total : &l->part[i], &failed);
	return !failed && make_ranges(l);
}

ml_status
ml_softmax_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold, const ml_softmax_params *params,
				 ml_softmax **softmax, ml_error *err)
{
	ml_softmax *l = ml_alloc_zero(ctx, 1, sizeof(ml_softmax));
	bool		failed = false;

	*softmax = l;
	if (l == NULL)
		return ml_no_memory(err);
	l->ctx = *ctx;
	l->matrix = matrix;
	l->params = *params;
	l->penalised = params->l1 > 0 || params->l2 > 0;
	l->k = l->fit.n_classes = matrix->n_classes;
	l->p = matrix->n_terms;
	l->fit.n_terms = matrix->n_terms;
	l->width = l->p + 1;
	l->padded = ml_padded(l->width);
	l->n_theta = l->k * l->width;
	if (params->l1 > 0 && l->n_theta > ML_SOFTMAX_HESSIAN)
		return ml_fail(err, ML_BAD_PARAM, "Use the penalty l2.",
					   "a penalty on the sizes of coefficients goes with at most %d of them for more than two classes, here are %zu",
					   ML_SOFTMAX_HESSIAN, l->n_theta);
	for (int fold = 0; fold < matrix->n_folds; fold++)
		l->n_rows += use_fold[fold] ? matrix->fold_start[fold + 1] - matrix->fold_start[fold] : 0;
	if (l->n_rows == 0)
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows");
	l->use_fold = take(l, matrix->n_folds, sizeof(bool), &failed);
	if (failed)
		return ml_no_memory(err);
	memcpy(l->use_fold, use_fold, matrix->n_folds * sizeof(bool));
	if (ml_untangle_init(ctx, &l->untangle, matrix->n_terms, err) != ML_OK ||
		!ml_matrix_layout_make(ctx, matrix, &l->layout) || !allocate(l) || !make_ranges(l))
		return ml_no_memory(err);
	for (size_t i = 0; i < l->k * l->p; i++)
		l->fit.std_errors[i] = NAN;
	for (int k = 0; k < l->k; k++)
		l->fit.intercept_errors[k] = NAN;
	ml_softmax_start_round(l);
	return ML_OK;
}

void
ml_softmax_end(ml_softmax *l)
{
	ml_ctx		ctx;

	if (l == NULL)
		return;
	ctx = l->ctx;
	free_sums(l, &l->total);
	for (int i = 0; i < ML_SOFTMAX_BATCH; i++)
		free_sums(l, &l->part[i]);
	for (int i = 0; i < ML_SOFTMAX_MEMORY; i++)
	{
		ml_free(&ctx, l->s[i]);
		ml_free(&ctx, l->y[i]);
	}
	ml_cholesky_free(&ctx, &l->precondition);
	ml_untangle_clear(&ctx, &l->untangle);
	ml_extreme_clear(&ctx, &l->extreme);
	ml_free(&ctx, l->origin);
	ml_matrix_layout_clear(&ctx, &l->layout);
	ml_free(&ctx, l->level_b);
	ml_free(&ctx, l->ranges);
	ml_free(&ctx, l->use_fold);
	ml_free(&ctx, l->class_weight);
	ml_free(&ctx, l->mean);
	ml_free(&ctx, l->intercept);
	ml_free(&ctx, l->theta);
	ml_free(&ctx, l->accepted);
	ml_free(&ctx, l->gradient);
	ml_free(&ctx, l->direction);
	ml_free(&ctx, l->new_gradient);
	ml_free(&ctx, l->work);
	ml_free(&ctx, l->full);
	ml_free(&ctx, l->moments);
	ml_free(&ctx, l->fit.coefficients);
	ml_free(&ctx, l->fit.std_errors);
	ml_free(&ctx, l->fit.intercepts);
	ml_free(&ctx, l->fit.intercept_errors);
	ml_free(&ctx, l->fit.aliased);
	ml_free(&ctx, l);
}
