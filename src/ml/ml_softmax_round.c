/*
 * ml_softmax_round.c: a round over all rows: the loss, its gradient and, when it is asked for, the pairs of the Hessian.
 */
#include "ml/ml_softmax_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_parallel.h"

#define BLOCK ML_MOMENTS_BLOCK

/* ---- one range ------------------------------------------------------------------------------------------------- */

static void
clear_sums(const ml_softmax *l, softmax_sums *s)
{
	s->loss = s->weight = 0;
	s->rows = 0;
	memset(s->gradient, 0, l->n_theta * sizeof(double));
	if (l->phase == MOMENTS)
		ml_moments_init(s->moments, &l->layout.shape);
	if (l->hessian)
		memset(s->pairs, 0, pair_doubles(l) * sizeof(double));
}

static void
add_sums(const ml_softmax *l, softmax_sums *to, const softmax_sums *from)
{
	to->loss += from->loss;
	to->weight += from->weight;
	to->rows += from->rows;
	ml_axpy(to->gradient, 1, from->gradient, l->n_theta);
	if (l->phase == MOMENTS)
		ml_moments_merge(to->moments, from->moments);
	if (l->hessian)
		ml_axpy(to->pairs, 1, from->pairs, pair_doubles(l));
}

static double
weight_of(const ml_softmax *l, size_t row)
{
	double		weight = l->matrix->weights ? l->matrix->weights[row] : 1;

	return l->params.class_weights ? weight * l->params.class_weights[l->matrix->labels[row]] : weight;
}

/* The columns and levels of a block. */
static void
find_block(const ml_softmax *l, size_t first, size_t n, softmax_sums *s)
{
	ml_untangle_columns(&l->untangle, &l->layout, l->origin, first, n, &s->scratch, s->columns);
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			s->level_rows[a][i] = l->layout.first_level[a] + l->layout.codes[a][first + i];
}

static void
count_block(const ml_softmax *l, size_t first, size_t n, softmax_sums *s)
{
	double		weights[BLOCK];

	for (size_t i = 0; i < n; i++)
	{
		weights[i] = weight_of(l, first + i);
		s->weight += weights[i];
		s->rows += weights[i] > 0;
		s->gradient[l->matrix->labels[first + i] * l->width + l->p] += weights[i];
	}
	ml_moments_add_columns(s->moments, s->columns, (const int32_t *const *) s->level_rows, weights, n);
}

static void
predict_block(const ml_softmax *l, size_t n, softmax_sums *s)
{
	for (int k = 0; k < l->k; k++)
	{
		double	   *eta = s->eta + k * BLOCK;
		const double *theta = l->theta + k * l->width;
		const double *level_b = l->level_b + (size_t) k * l->layout.shape.n_levels;

		for (size_t i = 0; i < n; i++)
			eta[i] = l->intercept[k];
		for (int j = 0; j < l->layout.shape.n_numbers; j++)
			if (theta[l->layout.number_term[j]] != 0)
				ml_axpy(eta, theta[l->layout.number_term[j]], s->columns[j], n);
		for (int a = 0; a < l->layout.shape.n_cats; a++)
			for (size_t i = 0; i < n; i++)
				eta[i] += level_b[s->level_rows[a][i]];
	}
}

/* From linear predictors to probabilities, in their place, and the loss. */
static void
respond_block(const ml_softmax *l, size_t first, size_t n, const double *weights, softmax_sums *s)
{
	double		largest[BLOCK];
	double		sum[BLOCK] = {0};

	for (size_t i = 0; i < n; i++)
		largest[i] = s->eta[i];
	for (int k = 1; k < l->k; k++)
		for (size_t i = 0; i < n; i++)
			largest[i] = s->eta[k * BLOCK + i] > largest[i] ? s->eta[k * BLOCK + i] : largest[i];
	for (size_t i = 0; i < n; i++)
		s->loss += weights[i] * (largest[i] - s->eta[l->matrix->labels[first + i] * BLOCK + i]);
	for (int k = 0; k < l->k; k++)
		for (size_t i = 0; i < n; i++)
			sum[i] += s->eta[k * BLOCK + i] = exp(s->eta[k * BLOCK + i] - largest[i]);
	for (size_t i = 0; i < n; i++)
	{
		s->loss += weights[i] * log(sum[i]);
		sum[i] = 1 / sum[i];
	}
	for (int k = 0; k < l->k; k++)
		for (size_t i = 0; i < n; i++)
			s->eta[k * BLOCK + i] *= sum[i];
}

/* Rows of the terms about their means, and a 1 at the end if there is an intercept. */
static void
spread_block(const ml_softmax *l, size_t n, softmax_sums *s)
{
	memset(s->rows_z, 0, BLOCK * l->padded * sizeof(double));
	for (int j = 0; j < l->layout.shape.n_numbers; j++)
		for (size_t i = 0; i < n; i++)
			s->rows_z[i * l->padded + l->layout.number_term[j]] = s->columns[j][i];
	for (int a = 0; a < l->layout.shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			if (l->layout.level_term[s->level_rows[a][i]] >= 0)
				s->rows_z[i * l->padded + l->layout.level_term[s->level_rows[a][i]]] = 1;
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < l->p; j++)
			s->rows_z[i * l->padded + j] -= l->mean[j];
		s->rows_z[i * l->padded + l->p] = l->params.fit_intercept ? 1 : 0;
	}
}

static void
add_pairs(const ml_softmax *l, size_t n, const double *weights, softmax_sums *s)
{
	double	   *pair = s->pairs;

	spread_block(l, n, s);
	for (int a = 0; a < l->k; a++)
		for (int b = 0; b < a; b++, pair += l->padded * l->padded)
		{
			for (size_t i = 0; i < n; i++)
			{
				double		root = sqrt(weights[i] * s->eta[a * BLOCK + i] * s->eta[b * BLOCK + i]);

				for (size_t j = 0; j < l->padded; j++)
					s->scaled[i * l->padded + j] = root * s->rows_z[i * l->padded + j];
			}
			ml_syrk(pair, s->scaled, n, l->padded);
		}
}

static void
add_block(const ml_softmax *l, size_t first, size_t n, softmax_sums *s)
{
	double		weights[BLOCK];

	find_block(l, first, n, s);
	if (l->phase == MOMENTS)
	{
		count_block(l, first, n, s);
		return;
	}
	for (size_t i = 0; i < n; i++)
		weights[i] = weight_of(l, first + i);
	predict_block(l, n, s);
	respond_block(l, first, n, weights, s);
	if (l->hessian)
		add_pairs(l, n, weights, s);
	for (int k = 0; k < l->k; k++)
	{
		double	   *residual = s->eta + k * BLOCK;
		double	   *gradient = s->gradient + k * l->width;

		for (size_t i = 0; i < n; i++)
		{
			residual[i] = weights[i] * ((l->matrix->labels[first + i] == k ? 1 : 0) - residual[i]);
			gradient[l->p] += residual[i];
		}
		for (int j = 0; j < l->layout.shape.n_numbers; j++)
			gradient[l->layout.number_term[j]] += ml_dot(residual, s->columns[j], n);
		for (int a = 0; a < l->layout.shape.n_cats; a++)
			for (size_t i = 0; i < n; i++)
			{
				int			term = l->layout.level_term[s->level_rows[a][i]];

				if (term >= 0)
					gradient[term] += residual[i];
			}
	}
}

static void
do_range(void *arg, int index)
{
	ml_softmax *l = arg;
	const softmax_range *r = &l->ranges[l->batch_range + index];

	clear_sums(l, &l->part[index]);
	for (size_t done = 0; done < r->n; done += BLOCK)
		add_block(l, r->first + done, r->n - done < BLOCK ? r->n - done : BLOCK, &l->part[index]);
}


bool
ml_softmax_do_batch(ml_softmax *l)
{
	int			count = 0;

	l->batch_range = l->next_range;
	for (; count < ML_SOFTMAX_BATCH && l->next_range < l->n_ranges; count++)
		l->next_range++;
	ml_parallel(&l->ctx, count, do_range, l);
	for (int i = 0; i < count; i++)
		add_sums(l, &l->total, &l->part[i]);
	return l->next_range == l->n_ranges;
}

/* ---- rounds ------------------------------------------------------------------------------------------------------- */

void
ml_softmax_start_round(ml_softmax *l)
{
	l->next_range = 0;
	clear_sums(l, &l->total);
	for (int k = 0; k < l->k; k++)
	{
		const double *theta = l->theta + k * l->width;

		l->intercept[k] = theta[l->p] - ml_dot(l->mean, theta, l->p);
		for (int level = 0; level < l->layout.shape.n_levels; level++)
			l->level_b[(size_t) k * l->layout.shape.n_levels + level] = l->layout.level_term[level] >= 0 ? theta[l->layout.level_term[level]] : 0;
	}
}

double
ml_softmax_penalties(const ml_softmax *l, const double *theta)
{
	double		sum = 0;

	for (int k = 0; k < l->k; k++)
		for (size_t j = 0; j < l->p; j++)
		{
			double		b = theta[k * l->width + j];

			sum += l->params.l1 * fabs(b) + l->params.l2 / 2 * b * b;
		}
	return sum;
}

/* The gradient of the loss and of the penalty on squares, about the means. */
void
ml_softmax_read_gradient(const ml_softmax *l, double *gradient)
{
	for (int k = 0; k < l->k; k++)
	{
		const double *sums = l->total.gradient + k * l->width;
		double	   *g = gradient + k * l->width;

		for (size_t j = 0; j < l->p; j++)
			g[j] = l->mean[j] * sums[l->p] - sums[j] + l->params.l2 * l->theta[k * l->width + j];
		g[l->p] = l->params.fit_intercept ? -sums[l->p] : 0;
	}
}

/* Goes that share of the direction from the accepted point. */
void
ml_softmax_try_share(ml_softmax *l, double share)
{
	l->share = share;
	memcpy(l->theta, l->accepted, l->n_theta * sizeof(double));
	ml_axpy(l->theta, share, l->direction, l->n_theta);
	ml_softmax_start_round(l);
}
