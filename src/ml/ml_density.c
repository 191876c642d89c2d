/*
 * ml_density.c: predicting with the core rows of dense regions.
 */
#include "ml/ml_density.h"

#include <math.h>

static size_t
density_work(const void *predictor, const ml_model_shape *shape)
{
	const ml_density *d = predictor;

	return ML_PREDICT_ROWS * sizeof(double) + (d->core ? ml_neighbors_class.work_size(d->core, shape) : 0);
}

static void
density_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_density *d = predictor;
	double	   *distances = work;

	for (size_t i = 0; i < n && d->core == NULL; i++)
		out[i] = -1;
	if (d->core == NULL)
		return;
	ml_neighbors_class.predict(d->core, shape, x, n, out, distances + ML_PREDICT_ROWS);
	ml_neighbors_class.transform(d->core, shape, x, n, distances, distances + ML_PREDICT_ROWS);
	for (size_t i = 0; i < n; i++)
		if (!(distances[i] <= d->eps))
			out[i] = -1;
}

static double
density_effort(const void *predictor)
{
	const ml_density *d = predictor;

	return d->core ? 2 * ml_neighbors_class.effort(d->core) : 1;
}

static void
density_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_density *d = predictor;

	ml_put_double(w, d->eps);
	ml_put_u8(w, d->core != NULL);
	if (d->core)
		ml_neighbors_class.save(d->core, shape, w);
}

static ml_status
density_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	double		eps = ml_get_double(r);
	uint8_t		has_core = ml_get_u8(r);
	ml_density *d;
	void	   *core = NULL;
	ml_status	status;

	if (r->failed || !(eps > 0) || isinf(eps) || has_core > 1 || shape->n_classes > 0 || shape->width != 1)
		return ML_BAD_MODEL;
	*predictor = d = ml_alloc_zero(ctx, 1, sizeof(ml_density));
	if (d == NULL)
		return ML_NO_MEMORY;
	d->eps = eps;
	if (!has_core)
		return ML_OK;
	status = ml_neighbors_class.load(ctx, r, shape, &core);
	d->core = core;
	/* A longer list of neighbours than the one that is asked for would not fit. */
	return status == ML_OK && (d->core->k != 1 || d->core->by_distance) ? ML_BAD_MODEL : status;
}

static void
density_free(const ml_ctx *ctx, void *predictor)
{
	ml_density *d = predictor;

	if (d != NULL)
		ml_neighbors_class.free(ctx, d->core);
	ml_free(ctx, d);
}

static size_t
density_memory(const void *predictor)
{
	const ml_density *d = predictor;

	return sizeof(*d) + (d->core ? ml_neighbors_class.memory(d->core) : 0);
}

const ml_predictor_class ml_density_class = {
	.name = "density", .predict = density_predict, .work_size = density_work, .save = density_save, .load = density_load,
	.free = density_free, .memory = density_memory, .effort = density_effort
};
