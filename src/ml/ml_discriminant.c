/*
 * ml_discriminant.c: predicting with linear discriminants, and the view of rows in the directions that tell classes apart.
 */
#include "ml/ml_discriminant.h"

#include <math.h>

#include "ml/ml_kernels.h"
#include "ml/ml_naive_bayes.h"

static size_t
numbers_of(size_t n_terms, size_t n_classes, size_t n_components)
{
	return (n_terms + 1) * n_classes + n_terms * (n_components + 1);
}

ml_discriminant *
ml_discriminant_new(const ml_ctx *ctx, int n_terms, int n_classes, int n_components)
{
	size_t		head = (sizeof(ml_discriminant) + 63) / 64 * 64;
	char	   *block = ml_alloc_zero(ctx, head + numbers_of(n_terms, n_classes, n_components) * sizeof(double), 1);
	ml_discriminant *d = (ml_discriminant *) block;

	if (block == NULL)
		return NULL;
	d->n_terms = n_terms;
	d->n_classes = n_classes;
	d->n_components = n_components;
	d->intercept = (double *) (block + head);
	d->coefficient = d->intercept + n_classes;
	d->centre = d->coefficient + (size_t) n_classes * n_terms;
	d->direction = d->centre + n_terms;
	return d;
}

static size_t
discriminant_work(const void *predictor, const ml_model_shape *shape)
{
	(void) predictor;
	return sizeof(double) * (size_t) shape->n_terms;
}

static void
discriminant_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_discriminant *d = predictor;

	(void) shape;
	(void) work;
	for (size_t i = 0; i < n; i++, x += d->n_terms, out += d->n_classes)
	{
		for (int k = 0; k < d->n_classes; k++)
			out[k] = d->intercept[k] + ml_dot(d->coefficient + (size_t) k * d->n_terms, x, d->n_terms);
		ml_normalise_logs(out, d->n_classes);
	}
}

static void
discriminant_transform(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_discriminant *d = predictor;
	double	   *away = work;

	(void) shape;
	for (size_t i = 0; i < n; i++, x += d->n_terms, out += d->n_components)
	{
		for (int j = 0; j < d->n_terms; j++)
			away[j] = x[j] - d->centre[j];
		for (int k = 0; k < d->n_components; k++)
			out[k] = ml_dot(d->direction + (size_t) k * d->n_terms, away, d->n_terms);
	}
}

static int
discriminant_n_components(const void *predictor)
{
	return ((const ml_discriminant *) predictor)->n_components;
}

static void
discriminant_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_discriminant *d = predictor;

	(void) shape;
	ml_put_u32(w, (uint32_t) d->n_components);
	ml_put_doubles(w, d->intercept, numbers_of(d->n_terms, d->n_classes, d->n_components));	/* the arrays follow one another */
}

static ml_status
discriminant_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint32_t	n_components = ml_get_u32(r);
	size_t		room = (r->length - r->at) / sizeof(double);
	size_t		numbers;
	ml_discriminant *d;

	if (r->failed || shape->n_classes < 2 || shape->n_terms < 1 || n_components >= (uint32_t) shape->n_classes)
		return ML_BAD_MODEL;
	numbers = numbers_of(shape->n_terms, shape->n_classes, n_components);
	if (numbers > room)
		return ML_BAD_MODEL;
	*predictor = d = ml_discriminant_new(ctx, shape->n_terms, shape->n_classes, (int) n_components);
	if (d == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, d->intercept, numbers);
	for (size_t i = 0; i < numbers; i++)
		if (!isfinite(d->intercept[i]))
			return ML_BAD_MODEL;
	return ML_OK;
}

static void
discriminant_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
discriminant_memory(const void *predictor)
{
	const ml_discriminant *d = predictor;

	return sizeof(*d) + sizeof(double) * numbers_of(d->n_terms, d->n_classes, d->n_components);
}

const ml_predictor_class ml_discriminant_class = {
	.name = "discriminant", .decides = true, .predict = discriminant_predict, .transform = discriminant_transform,
	.n_components = discriminant_n_components, .work_size = discriminant_work, .save = discriminant_save,
	.load = discriminant_load, .free = discriminant_free, .memory = discriminant_memory
};
