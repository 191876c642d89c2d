/*
 * ml_projection.c: projecting rows onto components.
 */
#include "ml/ml_projection.h"

#include <math.h>

#include "ml/ml_kernels.h"

ml_projection *
ml_projection_new(const ml_ctx *ctx, int n_terms, int n_components)
{
	size_t		head = (sizeof(ml_projection) + 63) / 64 * 64;
	size_t		numbers = (size_t) n_terms + n_components + (size_t) n_terms * n_components;
	char	   *block = ml_alloc_zero(ctx, head + numbers * sizeof(double), 1);
	ml_projection *p = (ml_projection *) block;

	if (block == NULL)
		return NULL;
	p->n_terms = n_terms;
	p->n_components = n_components;
	p->centre = (double *) (block + head);
	p->scale = p->centre + n_terms;
	p->components = p->scale + n_components;
	return p;
}

static size_t
projection_work(const void *predictor, const ml_model_shape *shape)
{
	(void) predictor;
	return sizeof(double) * (size_t) shape->n_terms;
}

static void
projection_transform(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_projection *p = predictor;
	double	   *centred = work;

	(void) shape;
	for (size_t i = 0; i < n; i++, x += p->n_terms, out += p->n_components)
	{
		for (int j = 0; j < p->n_terms; j++)
			centred[j] = x[j] - p->centre[j];
		for (int k = 0; k < p->n_components; k++)
			out[k] = p->scale[k] * ml_dot(p->components + (size_t) k * p->n_terms, centred, p->n_terms);
	}
}

static int
projection_n_components(const void *predictor)
{
	return ((const ml_projection *) predictor)->n_components;
}

static void
projection_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_projection *p = predictor;

	(void) shape;
	ml_put_u32(w, (uint32_t) p->n_components);
	ml_put_doubles(w, p->centre, p->n_terms);
	ml_put_doubles(w, p->scale, p->n_components);
	ml_put_doubles(w, p->components, (size_t) p->n_terms * p->n_components);
}

static ml_status
projection_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint32_t	n_components = ml_get_u32(r);
	size_t		room = (r->length - r->at) / sizeof(double);
	size_t		numbers;
	ml_projection *p;

	if (r->failed || n_components < 1 || shape->n_terms < 1 || n_components > (uint32_t) shape->n_terms ||
		n_components > room / shape->n_terms)
		return ML_BAD_MODEL;
	numbers = (size_t) shape->n_terms + n_components + (size_t) shape->n_terms * n_components;
	if (numbers > room)
		return ML_BAD_MODEL;
	*predictor = p = ml_projection_new(ctx, shape->n_terms, (int) n_components);
	if (p == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, p->centre, numbers);	/* the arrays follow one another */
	for (size_t i = 0; i < numbers; i++)
		if (!isfinite(p->centre[i]))
			return ML_BAD_MODEL;
	return ML_OK;
}

static void
projection_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
projection_memory(const void *predictor)
{
	const ml_projection *p = predictor;

	return sizeof(*p) + sizeof(double) * ((size_t) p->n_terms + 1) * (p->n_components + 1);
}

const ml_predictor_class ml_projection_class = {
	.name = "projection", .transform = projection_transform, .n_components = projection_n_components,
	.work_size = projection_work, .save = projection_save, .load = projection_load, .free = projection_free,
	.memory = projection_memory
};
