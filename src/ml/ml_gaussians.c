/*
 * ml_gaussians.c: predicting with normal densities.
 */
#include "ml/ml_gaussians.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_naive_bayes.h"
#include "ml/ml_solve.h"

static size_t
numbers_of(const ml_gaussians *g)
{
	size_t		n = g->n_terms;

	return g->n_components * (n + 1) + (size_t) g->n_whitenings * n * (g->diagonal ? 1 : n);
}

ml_gaussians *
ml_gaussians_new(const ml_ctx *ctx, int n_terms, int n_components, int n_whitenings, bool diagonal)
{
	size_t		head = (sizeof(ml_gaussians) + 63) / 64 * 64;
	ml_gaussians shape = {n_terms, n_components, n_whitenings, diagonal, NULL, NULL, NULL};
	char	   *block = ml_alloc_zero(ctx, head + numbers_of(&shape) * sizeof(double), 1);
	ml_gaussians *g = (ml_gaussians *) block;

	if (block == NULL)
		return NULL;
	*g = shape;
	g->constant = (double *) (block + head);
	g->mean = g->constant + n_components;
	g->whitening = g->mean + (size_t) n_components * n_terms;
	return g;
}

void
ml_gaussians_logs(const ml_gaussians *g, const double *x, double *out, double *work)
{
	size_t		n = g->n_terms;
	double	   *away = work;
	double	   *white = work + n;

	for (int k = 0; k < g->n_components; k++)
	{
		const double *mean = g->mean + k * n;
		const double *w = g->whitening + (g->n_whitenings > 1 ? (size_t) k : 0) * n * (g->diagonal ? 1 : n);

		for (size_t j = 0; j < n; j++)
			away[j] = x[j] - mean[j];
		for (size_t j = 0; j < n; j++)
			white[j] = g->diagonal ? w[j] * away[j] : ml_dot(w + j * n, away, j + 1);
		out[k] = g->constant[k] - 0.5 * ml_dot(white, white, n);
	}
}

ml_status
ml_whiten(const ml_ctx *ctx, double *covariance, int n, double tolerance, double *log_determinant, ml_error *err)
{
	ml_cholesky c;
	ml_status	status = ml_cholesky_make(ctx, &c, covariance, n, 0, tolerance, err);

	if (status == ML_OK && c.rank < n)
		status = ML_BAD_DATA;
	if (status == ML_OK)
	{
		/* The inverse of the factor row by row: W_i = (e_i - sum over j < i of L_ij W_j) / L_ii, then the scales. */
		*log_determinant = 0;
		memset(covariance, 0, sizeof(double) * n * n);
		for (size_t i = 0; i < (size_t) n; i++)
		{
			double	   *row = covariance + i * n;
			const double *factor = c.factor + i * n;

			if (i % 64 == 63 && ml_is_cancelled(ctx))
			{
				status = ml_fail(err, ML_CANCELLED, NULL, "cancelled");
				break;
			}
			for (size_t j = 0; j < i; j++)
				ml_axpy(row, -factor[j], covariance + j * n, j + 1);
			row[i] = 1;
			for (size_t j = 0; j <= i; j++)
				row[j] /= factor[i];
			*log_determinant += log(c.scale[i]) - log(factor[i]);
		}
		for (int i = 0; i < n && status == ML_OK; i++)
			for (int j = 0; j <= i; j++)
				covariance[(size_t) i * n + j] *= c.scale[j];
	}
	ml_cholesky_free(ctx, &c);
	return status;
}

/* ---- the class ---------------------------------------------------------------------------------------------------- */

static size_t
gaussians_work(const void *predictor, const ml_model_shape *shape)
{
	const ml_gaussians *g = predictor;

	return sizeof(double) * (2 * (size_t) shape->n_terms + g->n_components);
}

static void
gaussians_transform(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_gaussians *g = predictor;

	(void) shape;
	for (size_t i = 0; i < n; i++, x += g->n_terms, out += g->n_components)
	{
		ml_gaussians_logs(g, x, out, work);
		ml_normalise_logs(out, g->n_components);
	}
}

static void
gaussians_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_gaussians *g = predictor;
	double	   *logs = (double *) work + 2 * (size_t) g->n_terms;

	if (shape->n_classes > 0)
	{
		gaussians_transform(predictor, shape, x, n, out, work);
		return;
	}
	for (size_t i = 0; i < n; i++, x += g->n_terms)
	{
		int			best = 0;

		ml_gaussians_logs(g, x, logs, work);
		for (int k = 1; k < g->n_components; k++)
			if (logs[k] > logs[best])
				best = k;
		out[i] = best;
	}
}

static int
gaussians_n_components(const void *predictor)
{
	return ((const ml_gaussians *) predictor)->n_components;
}

static void
gaussians_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_gaussians *g = predictor;

	(void) shape;
	ml_put_u32(w, (uint32_t) g->n_components);
	ml_put_u8(w, g->n_whitenings != g->n_components);
	ml_put_u8(w, g->diagonal);
	ml_put_doubles(w, g->constant, numbers_of(g));	/* the arrays follow one another */
}

static ml_status
gaussians_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint32_t	n_components = ml_get_u32(r);
	uint8_t		tied = ml_get_u8(r);
	uint8_t		diagonal = ml_get_u8(r);
	size_t		room = (r->length - r->at) / sizeof(double);
	size_t		n = shape->n_terms;
	size_t		per;
	ml_gaussians *g;

	if (r->failed || tied > 1 || diagonal > 1 || n_components < 1 || n < 1 || n_components > room / n ||
		(shape->n_classes > 0 && n_components != (uint32_t) shape->n_classes))
		return ML_BAD_MODEL;
	per = diagonal ? n : n * n;
	if (per > room || (tied ? 1 : n_components) > room / per)
		return ML_BAD_MODEL;
	*predictor = g = ml_gaussians_new(ctx, (int) n, (int) n_components, tied ? 1 : (int) n_components, diagonal);
	if (g == NULL)
		return ML_NO_MEMORY;
	ml_get_doubles(r, g->constant, numbers_of(g));
	for (size_t i = 0; i < numbers_of(g); i++)
		if (!isfinite(g->constant[i]))
			return ML_BAD_MODEL;
	return r->failed ? ML_BAD_MODEL : ML_OK;
}

static void
gaussians_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
gaussians_memory(const void *predictor)
{
	const ml_gaussians *g = predictor;

	return sizeof(*g) + sizeof(double) * numbers_of(g);
}

const ml_predictor_class ml_gaussians_class = {
	.name = "gaussians", .predict = gaussians_predict, .transform = gaussians_transform,
	.n_components = gaussians_n_components, .work_size = gaussians_work, .save = gaussians_save, .load = gaussians_load,
	.free = gaussians_free, .memory = gaussians_memory
};
