/*
 * ml_irls_make.c: the beginning and the end of a fit: memory, ranges of rows, a look at the targets, where to start.
 */
#include "ml/ml_irls_int.h"

#include <math.h>
#include <string.h>

#define LARGEST_RANGE 32768		/* rows: a step takes some tens of milliseconds */
#define SAMPLE_LEAST 20000		/* rows from which a sample comes first */

static void *
take(ml_irls *l, size_t count, size_t size, bool *failed)
{
	void	   *block = ml_alloc_zero(&l->ctx, count, size);

	*failed = *failed || block == NULL;
	return block;
}

/* The ranges of the used folds. */
static void
make_ranges(ml_irls *l, const bool *use_fold, size_t rows, size_t length)
{
	const ml_matrix *m = l->matrix;
	size_t		sampled = 0;

	for (int fold = 0; fold < m->n_folds; fold++)
	{
		size_t		end = m->fold_start[fold + 1];

		if (!use_fold[fold])
			continue;
		for (size_t at = m->fold_start[fold]; at < end; at += length)
		{
			l->ranges[l->n_ranges] = (ml_irls_range) {at, end - at < length ? end - at : length};
			l->range_place[l->n_ranges] = l->rows;
			l->rows += l->ranges[l->n_ranges].n;
			sampled += ml_irls_sample_rows(&l->ranges[l->n_ranges++]);
		}
	}
	l->sample_share = rows >= SAMPLE_LEAST ? (double) sampled / (double) rows : 0;
}

/*
 * What grows with the square of the terms: the sums, the Hessian, and as much again twice for its factor and its inverse or
 * for the coordinate descent.
 */
static double
most_bytes(const ml_irls *l)
{
	double		p = l->fit.n_terms;

	return (ML_IRLS_BATCH + 1.0) * (double) ml_moments_size(&l->layout.shape) + 3 * sizeof(double) * p * p;
}

static bool
allocate_sums(ml_irls *l)
{
	size_t		cats = l->layout.shape.n_cats;
	bool		failed = false;

	for (int i = -1; i < ML_IRLS_BATCH; i++)
	{
		ml_irls_sums	   *s = i < 0 ? &l->total : &l->part[i];

		s->moments = take(l, ml_moments_size(&l->layout.shape), 1, &failed);
		s->fading = take(l, l->fit.n_terms, 1, &failed);
		s->gradient = take(l, l->layout.shape.n_numbers, sizeof(double), &failed);
		s->level_gradient = take(l, l->layout.shape.n_levels, sizeof(double), &failed);
		s->columns = take(l, l->layout.shape.n_numbers, sizeof(double *), &failed);
		s->level_rows = take(l, cats, sizeof(int32_t *), &failed);
		for (size_t a = 0; a < cats && s->level_rows != NULL; a++)
			s->level_rows[a] = take(l, ML_MOMENTS_BLOCK, sizeof(int32_t), &failed);
		failed |= !ml_untangle_scratch_make(&l->ctx, &l->untangle, l->layout.shape.n_levels, &s->scratch);
	}
	return !failed;
}

static bool
allocate(ml_irls *l, size_t rows, size_t most_ranges)
{
	size_t		p = l->matrix->n_terms;
	bool		failed = false;

	l->level_b = take(l, l->layout.shape.n_levels, sizeof(double), &failed);
	l->origin = take(l, p, sizeof(ml_gram_source), &failed);
	l->ranges = take(l, most_ranges, sizeof(ml_irls_range), &failed);
	l->range_place = take(l, most_ranges, sizeof(size_t), &failed);
	l->b = take(l, p, sizeof(double), &failed);
	l->before = take(l, p, sizeof(double), &failed);
	l->right = take(l, p, sizeof(double), &failed);
	l->step = take(l, p, sizeof(double), &failed);
	l->term_step = take(l, p, sizeof(double), &failed);
	l->work = take(l, p, sizeof(double), &failed);
	l->gram_memory = take(l, ml_gram_doubles(p), sizeof(double), &failed);
	l->fit.coefficients = take(l, p + l->matrix->n_offsets, sizeof(double), &failed);
	l->fit.std_errors = take(l, p, sizeof(double), &failed);
	l->fit.vif = take(l, p, sizeof(double), &failed);
	l->fit.aliased = take(l, p, 1, &failed);
	if (!l->penalised)
	{
		l->inverse = take(l, p * (p > 3 ? p : 3), sizeof(double), &failed);
		if (l->params.residuals)
			l->residuals = take(l, rows, sizeof(double), &failed);
	}
	if (l->origin != NULL)
		memcpy(l->origin, l->layout.sources, p * sizeof(ml_gram_source));
	return !failed && allocate_sums(l);
}

/*
 * An intercept near that of the model without terms: the targets' weighted sum and weight tell it, where there is no offset to
 * the digit.  With one and a log link it is what makes the means add up to the targets, else what the mean offset leaves.
 */
static double
start_intercept(const ml_irls *l, double sum, double total)
{
	const ml_family *family = &l->params.family;
	const double *offset = l->matrix->offset;
	double		eta = family->kind == ML_FAMILY_BINOMIAL ? log(sum / (total - sum)) : ml_glm_eta(family->link, sum / total);
	double		largest = -INFINITY;
	double		share = 0;

	if (offset == NULL)
		return eta;
	for (int r = 0; r < l->n_ranges; r++)
		for (size_t i = l->ranges[r].first; i < l->ranges[r].first + l->ranges[r].n; i++)
			largest = fmax(largest, offset[i]);
	for (int r = 0; r < l->n_ranges; r++)
		for (size_t i = l->ranges[r].first; i < l->ranges[r].first + l->ranges[r].n; i++)
		{
			double		weight = ml_family_weight(family, l->matrix, i) / total;

			share += weight * (family->link == ML_GLM_LOG ? exp(offset[i] - largest) : offset[i]);
		}
	return family->link == ML_GLM_LOG ? eta - largest - log(share) : eta - share;
}

/*
 * Looks at the targets once: two classes must both be there, numbers must be such as the family has.  Then says where
 * to begin: for two classes with a penalty at even odds, else with the intercept alone.
 */
static ml_status
choose_start(ml_irls *l, ml_error *err)
{
	const ml_matrix *m = l->matrix;
	const ml_family *family = &l->params.family;
	double		total = 0;
	double		sum = 0;

	for (int r = 0; r < l->n_ranges; r++)
		for (size_t i = l->ranges[r].first; i < l->ranges[r].first + l->ranges[r].n; i++)
		{
			double		weight = ml_family_weight(family, m, i);
			double		y = m->labels ? m->labels[i] : m->target[i];

			if (weight > 0 && !ml_family_takes(family, y))
				return ml_fail(err, ML_BAD_DATA, NULL, "the target must be %s, but is %g in a row", ml_family_domain(family), y);
			total += weight;
			sum += weight * y;
		}
	if (!(total > 0))
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows with a weight above 0");
	if (family->kind == ML_FAMILY_BINOMIAL && (sum == 0 || sum == total))
		return ml_fail(err, ML_BAD_DATA, NULL, "there is only one class to learn from");
	if (l->params.per_weight)
	{
		l->l1 *= total;
		l->l2 *= total;
	}
	l->null_objective = log(2);
	if (family->kind == ML_FAMILY_BINOMIAL && l->penalised && m->offset == NULL)
	{
		ml_irls_start_phase(l, l->sample_share > 0 ? ML_IRLS_ON_SAMPLE : ML_IRLS_ON_ALL);
		return ML_OK;
	}
	if (l->params.fit_intercept)
		l->b0 = start_intercept(l, sum, total);
	if (!isfinite(l->b0))
		return ml_fail(err, ML_BAD_DATA, NULL, "the mean of the target, %g, has no linear predictor with this link", sum / total);
	ml_irls_start_phase(l, ML_IRLS_ON_NULL);
	return ML_OK;
}

ml_status
ml_irls_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold, const ml_irls_params *params,
			  ml_irls **irls, ml_error *err)
{
	ml_irls    *l = ml_alloc_zero(ctx, 1, sizeof(ml_irls));
	size_t		rows = 0;
	size_t		length;
	ml_status	status;

	*irls = l;
	if (l == NULL)
		return ml_no_memory(err);
	l->ctx = *ctx;
	l->matrix = matrix;
	l->params = *params;
	l->l1 = params->l1;
	l->l2 = params->l2;
	l->penalised = params->l1 > 0 || params->l2 > 0;
	l->fit.n_terms = matrix->n_terms;
	l->fit.intercept_std_error = l->fit.condition = l->fit.null_loss = l->fit.dispersion = NAN;
	for (int k = 0; k < 5; k++)
		l->fit.quantiles[k] = NAN;
	for (int fold = 0; fold < matrix->n_folds; fold++)
		rows += use_fold[fold] ? matrix->fold_start[fold + 1] - matrix->fold_start[fold] : 0;
	if (rows == 0)
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows");
	/* A length that follows from the number of rows alone. */
	length = (rows / 16 / ML_MOMENTS_BLOCK + 1) * ML_MOMENTS_BLOCK;
	length = length > LARGEST_RANGE ? LARGEST_RANGE : length;
	if (!ml_matrix_layout_make(ctx, matrix, &l->layout))
		return ml_no_memory(err);
	status = ml_check_memory(ctx, most_bytes(l), "the sums over the rows", err);
	if (status != ML_OK)
		return status;
	status = ml_untangle_init(ctx, &l->untangle, l->fit.n_terms, err);
	if (status != ML_OK)
		return status;
	if (!allocate(l, rows, rows / length + (size_t) matrix->n_folds + 1))
		return ml_no_memory(err);
	for (int t = 0; t < l->fit.n_terms; t++)
		l->fit.std_errors[t] = l->fit.vif[t] = NAN;
	make_ranges(l, use_fold, rows, length);
	return choose_start(l, err);
}

static void
free_sums(const ml_irls *l, ml_irls_sums *s)
{
	const ml_ctx *ctx = &l->ctx;

	ml_untangle_scratch_clear(ctx, &s->scratch);
	ml_free(ctx, s->moments);
	ml_free(ctx, s->fading);
	ml_free(ctx, s->gradient);
	ml_free(ctx, s->level_gradient);
	ml_free(ctx, s->columns);
	for (int a = 0; a < l->layout.shape.n_cats && s->level_rows != NULL; a++)
		ml_free(ctx, s->level_rows[a]);
	ml_free(ctx, s->level_rows);
	memset(s, 0, sizeof(*s));
}

static void
free_all_sums(ml_irls *l)
{
	free_sums(l, &l->total);
	for (int i = 0; i < ML_IRLS_BATCH; i++)
		free_sums(l, &l->part[i]);
}

ml_status
ml_irls_make_room(ml_irls *l, ml_error *err)
{
	ml_status	status;

	free_all_sums(l);
	for (int i = 0; i < l->untangle.n; i++)
		if (!ml_matrix_layout_own(&l->ctx, &l->layout, l->untangle.term[i]))
			return ml_no_memory(err);
	status = ml_check_memory(&l->ctx, most_bytes(l), "the sums over the rows", err);
	if (status == ML_OK && !allocate_sums(l))
		status = ml_no_memory(err);
	return status;
}

void
ml_irls_end(ml_irls *l)
{
	ml_ctx		ctx;

	if (l == NULL)
		return;
	ctx = l->ctx;
	free_all_sums(l);
	ml_untangle_clear(&ctx, &l->untangle);
	ml_extreme_clear(&ctx, &l->extreme);
	ml_free(&ctx, l->origin);
	ml_matrix_layout_clear(&ctx, &l->layout);
	ml_free(&ctx, l->level_b);
	ml_free(&ctx, l->ranges);
	ml_free(&ctx, l->range_place);
	ml_free(&ctx, l->inverse);
	ml_free(&ctx, l->residuals);
	ml_free(&ctx, l->b);
	ml_free(&ctx, l->before);
	ml_free(&ctx, l->right);
	ml_free(&ctx, l->step);
	ml_free(&ctx, l->term_step);
	ml_free(&ctx, l->work);
	ml_free(&ctx, l->gram_memory);
	ml_free(&ctx, l->fit.coefficients);
	ml_free(&ctx, l->fit.std_errors);
	ml_free(&ctx, l->fit.vif);
	ml_free(&ctx, l->fit.aliased);
	ml_free(&ctx, l);
}
