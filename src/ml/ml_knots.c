/*
 * ml_knots.c: predicting by interpolation between knots.
 */
#include "ml/ml_knots.h"

#include <math.h>

#include "ml/ml_isotonic.h"

ml_knots *
ml_knots_new(const ml_ctx *ctx, size_t n)
{
	size_t		head = (sizeof(ml_knots) + 63) / 64 * 64;
	char	   *block = ml_alloc_zero(ctx, head + 2 * n * sizeof(double), 1);
	ml_knots   *knots = (ml_knots *) block;

	if (block == NULL)
		return NULL;
	knots->n = n;
	knots->x = (double *) (block + head);
	knots->y = knots->x + n;
	return knots;
}

static void
knots_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
knots_memory(const void *predictor)
{
	return sizeof(ml_knots) + 2 * sizeof(double) * ((const ml_knots *) predictor)->n;
}

static void
knots_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_knots *knots = predictor;

	(void) shape;
	(void) work;
	for (size_t i = 0; i < n; i++)
		out[i] = ml_isotonic_value(knots->x, knots->y, knots->n, x[i]);
}

static void
knots_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_knots *knots = predictor;

	(void) shape;
	ml_put_u32(w, (uint32_t) knots->n);
	ml_put_doubles(w, knots->x, 2 * knots->n);
}

static ml_status
knots_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint32_t	n = ml_get_count(r, 2 * sizeof(double));
	ml_knots   *knots;

	if (r->failed || n == 0 || shape->n_terms != 1 || shape->width != 1)
		return ML_BAD_MODEL;
	*predictor = knots = ml_knots_new(ctx, n);
	if (knots == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, knots->x, 2 * (size_t) n);	/* the arrays follow one another */
	for (size_t i = 0; i < n; i++)
		if (!isfinite(knots->x[i]) || !isfinite(knots->y[i]) || (i > 0 && !(knots->x[i] > knots->x[i - 1])))
			return ML_BAD_MODEL;
	return ML_OK;
}

const ml_predictor_class ml_knots_class = {
	.name = "knots", .predict = knots_predict, .save = knots_save, .load = knots_load, .free = knots_free,
	.memory = knots_memory
};
