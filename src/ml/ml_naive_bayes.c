/*
 * ml_naive_bayes.c: predicting with naive Bayes.
 */
#include "ml/ml_naive_bayes.h"

#include <math.h>

#include "ml/ml_kernels.h"

ml_gaussian_nb *
ml_gaussian_nb_new(const ml_ctx *ctx, int n_terms, int n_classes)
{
	size_t		head = (sizeof(ml_gaussian_nb) + 63) / 64 * 64;
	size_t		cells = (size_t) n_terms * n_classes;
	char	   *block = ml_alloc_zero(ctx, head + (2 * n_classes + 3 * cells) * sizeof(double), 1);
	ml_gaussian_nb *nb = (ml_gaussian_nb *) block;

	if (block == NULL)
		return NULL;
	nb->n_terms = n_terms;
	nb->n_classes = n_classes;
	nb->log_prior = (double *) (block + head);
	nb->mean = nb->log_prior + n_classes;
	nb->variance = nb->mean + cells;
	nb->precision = nb->variance + cells;
	nb->constant = nb->precision + cells;
	return nb;
}

void
ml_gaussian_nb_derive(ml_gaussian_nb *nb)
{
	for (int k = 0; k < nb->n_classes; k++)
	{
		double		logs = 0;

		for (int j = 0; j < nb->n_terms; j++)
		{
			size_t		cell = (size_t) k * nb->n_terms + j;

			nb->precision[cell] = 1 / nb->variance[cell];
			logs += log(2 * M_PI * nb->variance[cell]);
		}
		nb->constant[k] = nb->log_prior[k] - 0.5 * logs;
	}
}

static void
gaussian_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
gaussian_memory(const void *predictor)
{
	const ml_gaussian_nb *nb = predictor;

	return sizeof(*nb) + sizeof(double) * nb->n_classes * (3 * (size_t) nb->n_terms + 2);
}

void
ml_normalise_logs(double *values, int count)
{
	double		largest = values[0];
	double		sum = 0;

	for (int k = 1; k < count; k++)
		largest = values[k] > largest ? values[k] : largest;
	/* So far from all of them that each density is 0: any is as good. */
	for (int k = 0; k < count && largest == -INFINITY; k++)
		values[k] = 0;
	largest = largest == -INFINITY ? 0 : largest;
	for (int k = 0; k < count; k++)
		sum += values[k] = exp(values[k] - largest);
	for (int k = 0; k < count; k++)
		values[k] /= sum;
}

static void
gaussian_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_gaussian_nb *nb = predictor;

	(void) shape;
	(void) work;
	for (size_t i = 0; i < n; i++, x += nb->n_terms, out += nb->n_classes)
	{
		for (int k = 0; k < nb->n_classes; k++)
		{
			const double *mean = nb->mean + (size_t) k * nb->n_terms;
			const double *precision = nb->precision + (size_t) k * nb->n_terms;

			out[k] = nb->constant[k] - 0.5 * ml_weighted_distance(x, mean, precision, nb->n_terms);
		}
		ml_normalise_logs(out, nb->n_classes);
	}
}

static void
gaussian_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_gaussian_nb *nb = predictor;
	size_t		cells = (size_t) nb->n_terms * nb->n_classes;

	(void) shape;
	ml_put_doubles(w, nb->log_prior, nb->n_classes);
	ml_put_doubles(w, nb->mean, cells);
	ml_put_doubles(w, nb->variance, cells);
}

static ml_status
gaussian_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	size_t		numbers = (size_t) shape->n_classes * (2 * (size_t) shape->n_terms + 1);
	ml_gaussian_nb *nb;

	if (shape->n_classes < 2 || numbers > (r->length - r->at) / sizeof(double))
		return ML_BAD_MODEL;
	*predictor = nb = ml_gaussian_nb_new(ctx, shape->n_terms, shape->n_classes);
	if (nb == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, nb->log_prior, numbers);	/* the arrays follow one another */
	for (size_t i = 0; i < numbers; i++)
		if (isnan(nb->log_prior[i]) || nb->log_prior[i] == INFINITY)
			return ML_BAD_MODEL;
	for (size_t i = 0; i < (size_t) shape->n_classes * shape->n_terms; i++)
		if (!(nb->variance[i] >= ML_LEAST_VARIANCE))
			return ML_BAD_MODEL;
	ml_gaussian_nb_derive(nb);
	return ML_OK;
}

const ml_predictor_class ml_gaussian_nb_class = {
	.name = "gaussian_nb", .predict = gaussian_predict, .save = gaussian_save, .load = gaussian_load,
	.free = gaussian_free, .memory = gaussian_memory
};

/* ---- discrete ----------------------------------------------------------------------------------------------------- */

ml_discrete_nb *
ml_discrete_nb_new(const ml_ctx *ctx, int n_terms, int n_classes)
{
	size_t		head = (sizeof(ml_discrete_nb) + 63) / 64 * 64;
	char	   *block = ml_alloc_zero(ctx, head + (size_t) n_classes * ((size_t) n_terms + 1) * sizeof(double), 1);
	ml_discrete_nb *nb = (ml_discrete_nb *) block;

	if (block == NULL)
		return NULL;
	nb->n_terms = n_terms;
	nb->n_classes = n_classes;
	nb->intercept = (double *) (block + head);
	nb->weight = nb->intercept + n_classes;
	return nb;
}

static size_t
discrete_memory(const void *predictor)
{
	const ml_discrete_nb *nb = predictor;

	return sizeof(*nb) + sizeof(double) * nb->n_classes * ((size_t) nb->n_terms + 1);
}

static size_t
discrete_work(const void *predictor, const ml_model_shape *shape)
{
	(void) predictor;
	return sizeof(double) * ((size_t) shape->n_terms + 1);
}

static void
discrete_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_discrete_nb *nb = predictor;
	double	   *above = work;

	(void) shape;
	for (size_t i = 0; i < n; i++, x += nb->n_terms, out += nb->n_classes)
	{
		const double *terms = x;

		if (nb->binarises)
		{
			for (int j = 0; j < nb->n_terms; j++)
				above[j] = x[j] > nb->threshold;
			terms = above;
		}
		for (int k = 0; k < nb->n_classes; k++)
			out[k] = nb->intercept[k] + ml_dot(nb->weight + (size_t) k * nb->n_terms, terms, nb->n_terms);
		ml_normalise_logs(out, nb->n_classes);
	}
}

static void
discrete_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_discrete_nb *nb = predictor;

	(void) shape;
	ml_put_u8(w, nb->binarises);
	ml_put_double(w, nb->threshold);
	ml_put_doubles(w, nb->intercept, (size_t) nb->n_classes * ((size_t) nb->n_terms + 1));	/* the arrays follow one another */
}

static ml_status
discrete_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint8_t		binarises = ml_get_u8(r);
	double		threshold = ml_get_double(r);
	size_t		numbers = (size_t) shape->n_classes * ((size_t) shape->n_terms + 1);
	ml_discrete_nb *nb;

	if (r->failed || binarises > 1 || !isfinite(threshold) || shape->n_classes < 2 ||
		numbers > (r->length - r->at) / sizeof(double))
		return ML_BAD_MODEL;
	*predictor = nb = ml_discrete_nb_new(ctx, shape->n_terms, shape->n_classes);
	if (nb == NULL)
		return ML_NO_MEMORY;
	nb->binarises = binarises;
	nb->threshold = threshold;
	ml_get_doubles(r, nb->intercept, numbers);
	for (size_t i = 0; i < numbers; i++)
		if (isnan(nb->intercept[i]) || nb->intercept[i] == INFINITY || (i >= (size_t) shape->n_classes && isinf(nb->intercept[i])))
			return ML_BAD_MODEL;
	return ML_OK;
}

const ml_predictor_class ml_discrete_nb_class = {
	.name = "discrete_nb", .predict = discrete_predict, .work_size = discrete_work, .save = discrete_save,
	.load = discrete_load, .free = gaussian_free, .memory = discrete_memory
};
