/*
 * ml_irls_rows.c: what rows add to the sums of a round: losses, gradients and curvatures at the current coefficients.
 *
 * The (expected) Hessian X'VX is a set of weighted moments, so it is gathered by the same kernel as a linear fit, centred at the
 * weighted means: columns far from 0 lose no digits.
 */
#include "ml/ml_irls_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define SAMPLE_SHARE 10			/* one row in so many */
#define NEARLY 1e-6				/* gain of a row's mean loss from which steps that go on say something */
#define FADES 0.1				/* a step that takes so much off a linear predictor, at the end of a fit, will be followed by others like it */

void
ml_irls_clear_sums(const ml_irls *l, ml_irls_sums *s)
{
	ml_moments_init(s->moments, &l->layout.shape);
	memset(s->gradient, 0, l->layout.shape.n_numbers * sizeof(double));
	memset(s->level_gradient, 0, l->layout.shape.n_levels * sizeof(double));
	memset(s->fading, 0, l->fit.n_terms);
	s->fading_rows = 0;
	s->residual = s->curvature = s->loss = s->weight = 0;
	s->rows = s->expected = 0;
	s->measured = (ml_family_sums) {.whole = true};
}

void
ml_irls_add_sums(const ml_irls *l, ml_irls_sums *to, ml_irls_sums *from)
{
	ml_moments_merge(to->moments, from->moments);
	ml_axpy(to->gradient, 1, from->gradient, l->layout.shape.n_numbers);
	ml_axpy(to->level_gradient, 1, from->level_gradient, l->layout.shape.n_levels);
	for (int t = 0; t < l->fit.n_terms; t++)
		to->fading[t] |= from->fading[t];
	to->fading_rows += from->fading_rows;
	to->residual += from->residual;
	to->curvature += from->curvature;
	to->loss += from->loss;
	to->weight += from->weight;
	to->rows += from->rows;
	to->expected += from->expected;
	to->measured.pearson += from->measured.pearson;
	to->measured.log_weight += from->measured.log_weight;
	to->measured.log_target += from->measured.log_target;
	to->measured.log_likelihood += from->measured.log_likelihood;
	to->measured.whole &= from->measured.whole;
}

/* The linear predictors of a block; fills the sums' columns and levels. */
static void
predict_block(const ml_irls *l, size_t first, size_t n, double *eta, ml_irls_sums *s)
{
	const double *offset = l->matrix->offset ? l->matrix->offset + first : NULL;

	for (size_t i = 0; i < n; i++)
		eta[i] = l->b0 + (offset ? offset[i] : 0);
	if (l->phase == ML_IRLS_ON_NULL)
		return;
	ml_untangle_columns(&l->untangle, &l->layout, l->origin, first, n, &s->scratch, s->columns);
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		ml_axpy(eta, l->b[l->layout.number_term[j]], s->columns[j], n);
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
		{
			int32_t		level = l->layout.first_level[a] + l->layout.codes[a][first + i];

			s->level_rows[a][i] = level;
			eta[i] += l->level_b[level];
		}
}

/* Fisher scoring from means that are not those of any coefficients: the step goes to the working response itself. */
static void
respond_from_target(const ml_irls *l, size_t first, size_t n, double *residual, double *curvature)
{
	double		eta[ML_MOMENTS_BLOCK];

	ml_family_start(&l->params.family, l->matrix, first, n, eta);
	ml_family_respond(&l->params.family, l->matrix, first, n, eta, residual, curvature);
	for (size_t i = 0; i < n; i++)
		residual[i] += curvature[i] * (eta[i] - (l->matrix->offset ? l->matrix->offset[first + i] : 0));
}

/* Whether a linear predictor can go to minus infinity, where its mean is 0 and fits a target of 0 exactly. */
static bool
may_fade(const ml_irls *l)
{
	const ml_family *family = &l->params.family;

	return (l->fit.converged || l->last_gain <= NEARLY * l->fit.weight) && family->kind != ML_FAMILY_BINOMIAL && family->link == ML_GLM_LOG && family->power >= 1 && family->power < 2;
}

/* The terms by whose last steps a row is taken to a mean of 0, away from what rows that count have. */
static void
note_fading_row(const ml_irls *l, size_t row, ml_irls_sums *s)
{
	for (int t = 0; t < l->fit.n_terms; t++)
	{
		ml_gram_source source = l->origin[t];
		double		mean = l->untangle.place[t] >= 0 ? l->untangle.shift[t] : l->gram.mean[t];
		double		x = source.number >= 0 ? l->layout.numbers[source.number][row] : 0;

		for (int a = 0; a < l->layout.shape.n_cats && source.number < 0; a++)
			x = l->layout.first_level[a] + l->layout.codes[a][row] == source.level ? 1 : x;
		s->fading[t] |= fabs(l->term_step[t] * (x - mean)) > FADES;
	}
	s->fading_rows++;
}

/* Newton's step on exp(eta) alone is -1, for ever, while what there is to gain gets less than any tolerance. */
static void
note_fading(const ml_irls *l, size_t first, size_t n, ml_irls_sums *s)
{
	double		change[ML_MOMENTS_BLOCK];

	for (size_t i = 0; i < n; i++)
		change[i] = l->b0 - l->before0;
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		ml_axpy(change, l->step[l->layout.number_term[j]], s->columns[j], n);
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			if (l->layout.level_term[s->level_rows[a][i]] >= 0)
				change[i] += l->step[l->layout.level_term[s->level_rows[a][i]]];
	for (size_t i = 0; i < n; i++)
		if (change[i] < -FADES && l->matrix->target[first + i] == 0 && ml_family_weight(&l->params.family, l->matrix, first + i) > 0)
			note_fading_row(l, first + i, s);
}

static void
add_block(const ml_irls *l, size_t first, size_t n, size_t place, ml_irls_sums *s)
{
	const ml_family *family = &l->params.family;
	double		eta[ML_MOMENTS_BLOCK];
	double		residual[ML_MOMENTS_BLOCK];
	double		curvature[ML_MOMENTS_BLOCK];

	predict_block(l, first, n, eta, s);
	if (l->from_target)
		respond_from_target(l, first, n, residual, curvature);
	else
		s->loss += ml_family_respond(family, l->matrix, first, n, eta, residual, curvature);
	if (l->observed)
		s->expected += ml_family_observe(family, l->matrix, first, n, eta, curvature);
	for (size_t i = 0; i < n; i++)
	{
		double		weight = ml_family_weight(family, l->matrix, first + i);

		s->weight += weight;
		s->rows += weight > 0;
		s->residual += residual[i];
		s->curvature += curvature[i];
	}
	if (l->phase == ML_IRLS_ON_NULL)
		return;
	if (l->phase == ML_IRLS_LAST_HESSIAN)
	{
		ml_family_measure(family, l->matrix, first, n, eta, 2 * l->fit.loss / l->fit.weight, &s->measured);
		if (l->residuals != NULL)
			ml_family_residuals(family, l->matrix, first, n, eta, l->residuals + place);
		if (may_fade(l))
			note_fading(l, first, n, s);
	}
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		s->gradient[j] += ml_dot(residual, s->columns[j], n);
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			s->level_gradient[s->level_rows[a][i]] += residual[i];
	ml_moments_add_columns(s->moments, s->columns, (const int32_t *const *) s->level_rows, curvature, n);
}

size_t
ml_irls_sample_rows(const ml_irls_range *r)
{
	return (r->n + SAMPLE_SHARE - 1) / SAMPLE_SHARE;
}

void
ml_irls_do_range(void *arg, int index)
{
	ml_irls *l = arg;
	const ml_irls_range *r = &l->ranges[l->batch_range + index];

	size_t		n = l->phase == ML_IRLS_ON_SAMPLE ? ml_irls_sample_rows(r) : r->n;

	ml_irls_clear_sums(l, &l->part[index]);
	for (size_t done = 0; done < n; done += ML_MOMENTS_BLOCK)
		add_block(l, r->first + done, n - done < ML_MOMENTS_BLOCK ? n - done : ML_MOMENTS_BLOCK, l->range_place[l->batch_range + index] + done,
				  &l->part[index]);
}
