/*
 * ml_centres.c: the nearest of some centres, and the distances to all of them.
 */
#include "ml/ml_centres.h"

#include <math.h>

#include "ml/ml_kernels.h"

ml_centres *
ml_centres_new(const ml_ctx *ctx, int n_terms, int n_clusters)
{
	size_t		head = (sizeof(ml_centres) + 63) / 64 * 64;
	char	   *block = ml_alloc_zero(ctx, head + (size_t) n_terms * n_clusters * sizeof(double), 1);
	ml_centres *c = (ml_centres *) block;

	if (block == NULL)
		return NULL;
	c->n_terms = n_terms;
	c->n_clusters = n_clusters;
	c->centres = (double *) (block + head);
	return c;
}

/* The number of the nearest centre, of equally near ones the first. */
static void
centres_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_centres *c = predictor;

	(void) shape;
	(void) work;
	for (size_t i = 0; i < n; i++, x += c->n_terms)
	{
		double		least = INFINITY;

		out[i] = 0;
		for (int k = 0; k < c->n_clusters; k++)
		{
			double		distance = ml_squared_distance(x, c->centres + (size_t) k * c->n_terms, c->n_terms);

			if (distance < least)
			{
				least = distance;
				out[i] = k;
			}
		}
	}
}

static void
centres_transform(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_centres *c = predictor;

	(void) shape;
	(void) work;
	for (size_t i = 0; i < n; i++, x += c->n_terms)
		for (int k = 0; k < c->n_clusters; k++)
			*out++ = sqrt(ml_squared_distance(x, c->centres + (size_t) k * c->n_terms, c->n_terms));
}

static int
centres_n_components(const void *predictor)
{
	return ((const ml_centres *) predictor)->n_clusters;
}

static void
centres_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_centres *c = predictor;

	(void) shape;
	ml_put_u32(w, (uint32_t) c->n_clusters);
	ml_put_doubles(w, c->centres, (size_t) c->n_terms * c->n_clusters);
}

static ml_status
centres_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint32_t	n_clusters = ml_get_u32(r);
	size_t		room = (r->length - r->at) / sizeof(double);
	size_t		numbers;
	ml_centres *c;

	if (r->failed || n_clusters < 1 || n_clusters > room / (shape->n_terms > 0 ? shape->n_terms : 1) || n_clusters > 10000000)
		return ML_BAD_MODEL;
	numbers = (size_t) n_clusters * shape->n_terms;
	*predictor = c = ml_centres_new(ctx, shape->n_terms, (int) n_clusters);
	if (c == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, c->centres, numbers);
	for (size_t i = 0; i < numbers; i++)
		if (!isfinite(c->centres[i]))
			return ML_BAD_MODEL;
	return ML_OK;
}

static void
centres_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
centres_memory(const void *predictor)
{
	const ml_centres *c = predictor;

	return sizeof(*c) + sizeof(double) * (size_t) c->n_terms * c->n_clusters;
}

const ml_predictor_class ml_centres_class = {
	.name = "centres", .predict = centres_predict, .transform = centres_transform, .n_components = centres_n_components,
	.save = centres_save, .load = centres_load, .free = centres_free, .memory = centres_memory
};
