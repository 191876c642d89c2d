/*
 * ml_weighted.c: blocks of rows, and the sums of groups of them in a fixed order.
 */
#include "ml/ml_weighted.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

/* A group's memory: products (padded, padded), sums of v z (padded), sums, least. */
#define group_products(w, g) ((w)->memory + (g) * (w)->of_group)
#define group_total(w, g) (group_products(w, g) + (w)->padded * (w)->padded)
#define group_sums(w, g) (group_total(w, g) + (w)->padded)
#define group_least(w, g) (group_sums(w, g) + ML_WEIGHTED_SUMS)

static bool
allocate(ml_weighted *w)
{
	const ml_ctx *ctx = &w->ctx;
	size_t		groups = w->pass.n_groups;

	w->of_group = w->padded * w->padded + w->padded + ML_WEIGHTED_SUMS + ML_WEIGHTED_LEAST;
	w->of_scratch = ML_WEIGHTED_BLOCK * (w->padded + 3);
	w->mean = ml_alloc_zero(ctx, w->p, sizeof(double));
	w->spread = ml_alloc_zero(ctx, w->p, sizeof(double));
	w->dropped = ml_alloc_zero(ctx, w->p, 1);
	w->memory = ml_alloc_zero(ctx, groups * w->of_group, sizeof(double));
	w->scratch = ml_alloc_zero(ctx, groups * w->of_scratch, sizeof(double));
	w->matrix = ml_alloc_zero(ctx, w->width * w->width, sizeof(double));
	w->total = ml_alloc_zero(ctx, w->width, sizeof(double));
	return w->mean && w->spread && w->dropped && w->memory && w->scratch && w->matrix && w->total;
}

/* Weighted means and spreads of the terms: two plain loops, as they cost little beside a round. */
static ml_status
find_means(ml_weighted *w, ml_error *err)
{
	const ml_design *design = w->design;

	for (int again = 0; again < 2; again++)
		for (size_t i = 0; i < design->rows; i++)
		{
			const double *x = ml_design_row(design, i);
			double		weight = ml_design_weight(design, i);

			if (i % 4096 == 0 && ml_is_cancelled(&w->ctx))
				return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
			w->weight += again ? 0 : weight;
			for (size_t j = 0; j < w->p; j++)
				if (again)
					w->spread[j] += weight / w->weight * (x[j] - w->mean[j]) * (x[j] - w->mean[j]);
				else if (w->fit_intercept)
					w->mean[j] += weight / (w->weight > 0 ? w->weight : 1) * (x[j] - w->mean[j]);
		}
	for (size_t j = 0; j < w->p; j++)
	{
		w->spread[j] = sqrt(w->spread[j]);
		if (!isfinite(w->spread[j]))
			return ml_fail(err, ML_BAD_DATA, "Scale the features down.", "the sums of squares of the features overflow");
		w->dropped[j] = w->spread[j] == 0;
	}
	if (!(w->weight > 0))
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows with a weight above 0");
	return ML_OK;
}

ml_status
ml_weighted_begin(const ml_ctx *ctx, ml_weighted *w, const ml_design *design, bool fit_intercept, bool has_extra, ml_error *err)
{
	memset(w, 0, sizeof(*w));
	w->ctx = *ctx;
	w->design = design;
	w->fit_intercept = fit_intercept;
	w->has_extra = has_extra;
	w->p = design->n_terms;
	w->width = w->p + 1 + has_extra;
	w->padded = ml_padded(w->width);
	ml_pass_begin(&w->pass, ctx, design->rows, (double) w->padded * w->padded / 8, (double) w->padded * w->padded * sizeof(double));
	/* Whole blocks, so that what is added to what does not depend on the number of threads. */
	w->pass.slice = (w->pass.slice + ML_WEIGHTED_BLOCK - 1) / ML_WEIGHTED_BLOCK * ML_WEIGHTED_BLOCK;
	if (!allocate(w))
		return ml_no_memory(err);
	return find_means(w, err);
}

void
ml_weighted_free(ml_weighted *w)
{
	const ml_ctx *ctx = &w->ctx;

	if (w->design == NULL)
		return;
	ml_free(ctx, w->mean);
	ml_free(ctx, w->spread);
	ml_free(ctx, w->dropped);
	ml_free(ctx, w->memory);
	ml_free(ctx, w->scratch);
	ml_free(ctx, w->matrix);
	ml_free(ctx, w->total);
	w->design = NULL;
}

void
ml_weighted_start(ml_weighted *w, ml_weighted_look look, void *arg, bool products)
{
	w->look = look;
	w->arg = arg;
	w->products = products;
	memset(w->memory, 0, w->pass.n_groups * w->of_group * sizeof(double));
	for (int g = 0; g < w->pass.n_groups; g++)
		for (int k = 0; k < ML_WEIGHTED_LEAST; k++)
			group_least(w, g)[k] = INFINITY;
}

/* The rows of a block about the means. */
static void
fill_block(const ml_weighted *w, size_t first, size_t n, double *z)
{
	for (size_t i = 0; i < n; i++)
	{
		const double *x = ml_design_row(w->design, first + i);
		double	   *row = z + i * w->padded;

		for (size_t j = 0; j < w->p; j++)
			row[j] = w->dropped[j] ? 0 : x[j] - w->mean[j];
		for (size_t j = w->p; j < w->padded; j++)
			row[j] = 0;
		row[w->p] = w->fit_intercept ? 1 : 0;
	}
}

static void
do_rows(void *arg, int group, size_t first, size_t end)
{
	ml_weighted *w = arg;
	double	   *z = w->scratch + group * w->of_scratch;
	double	   *d = z + ML_WEIGHTED_BLOCK * w->padded;
	double	   *total = group_total(w, group);

	for (size_t at = first; at < end; at += ML_WEIGHTED_BLOCK)
	{
		size_t		n = end - at < ML_WEIGHTED_BLOCK ? end - at : ML_WEIGHTED_BLOCK;
		ml_weighted_block block = {at, n, z, w->padded, d, d + ML_WEIGHTED_BLOCK, d + 2 * ML_WEIGHTED_BLOCK,
		group_sums(w, group), group_least(w, group)};

		memset(d, 0, 3 * ML_WEIGHTED_BLOCK * sizeof(double));
		fill_block(w, at, n, z);
		w->look(w->arg, &block);
		for (size_t i = 0; i < n; i++)
		{
			double	   *row = z + i * w->padded;

			if (w->has_extra)
				row[w->width - 1] = block.extra[i];
			ml_axpy(total, block.v[i], row, w->padded);
		}
		if (!w->products)
			continue;
		for (size_t i = 0; i < n; i++)
		{
			double		root = sqrt(d[i]);

			for (size_t j = 0; j < w->padded; j++)
				z[i * w->padded + j] *= root;
		}
		ml_syrk(group_products(w, group), z, n, w->padded);
	}
}

bool
ml_weighted_step(ml_weighted *w)
{
	const double *products;

	if (!ml_pass_step(&w->pass, &w->ctx, do_rows, w))
		return false;
	for (int g = 1; g < w->pass.n_groups; g++)
		for (int k = 0; k < ML_WEIGHTED_LEAST; k++)
			group_least(w, 0)[k] = fmin(group_least(w, 0)[k], group_least(w, g)[k]);
	memcpy(w->least, group_least(w, 0), sizeof(w->least));
	ml_pass_add_up(&w->pass, w->memory, w->of_group);
	products = group_products(w, 0);
	for (size_t i = 0; i < w->width; i++)
		for (size_t j = 0; j <= i; j++)
			w->matrix[i * w->width + j] = w->matrix[j * w->width + i] = products[i * w->padded + j];
	memcpy(w->total, group_total(w, 0), w->width * sizeof(double));
	memcpy(w->sums, group_sums(w, 0), sizeof(w->sums));
	return true;
}
