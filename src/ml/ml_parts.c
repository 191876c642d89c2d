/*
 * ml_parts.c: the view of rows in the parts of a non-negative factorisation.
 */
#include "ml/ml_parts.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define SWEEPS 10000			/* of a row, at most */
#define TOLERANCE 1e-12			/* of the projected gradient, as a share of the first */

ml_parts *
ml_parts_new(const ml_ctx *ctx, int n_terms, int n_parts)
{
	size_t		head = (sizeof(ml_parts) + 63) / 64 * 64;
	char	   *block = ml_alloc_zero(ctx, head + (size_t) n_parts * ((size_t) n_terms + n_parts) * sizeof(double), 1);
	ml_parts   *p = (ml_parts *) block;

	if (block == NULL)
		return NULL;
	p->n_terms = n_terms;
	p->n_parts = n_parts;
	p->parts = (double *) (block + head);
	p->products = p->parts + (size_t) n_parts * n_terms;
	return p;
}

void
ml_parts_multiply(ml_parts *p)
{
	size_t		n = p->n_terms;

	for (int a = 0; a < p->n_parts; a++)
		for (int b = 0; b < p->n_parts; b++)
			p->products[(size_t) a * p->n_parts + b] = ml_dot(p->parts + a * n, p->parts + b * n, n) + (a == b ? p->l2 : 0);
}

double
ml_parts_sweep(const double *products, const double *right, double *w, int n_parts)
{
	double		violation = 0;

	for (int t = 0; t < n_parts; t++)
	{
		const double *row = products + (size_t) t * n_parts;
		double		gradient = ml_dot(row, w, n_parts) - right[t];

		violation += w[t] == 0 ? fmax(-gradient, 0) : fabs(gradient);
		if (row[t] != 0)
			w[t] = fmax(w[t] - gradient / row[t], 0);
	}
	return violation;
}

static size_t
parts_work(const void *predictor, const ml_model_shape *shape)
{
	const ml_parts *p = predictor;

	(void) shape;
	return sizeof(double) * (size_t) p->n_parts;
}

static void
parts_transform(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_parts *p = predictor;
	double	   *right = work;

	(void) shape;
	for (size_t i = 0; i < n; i++, x += p->n_terms, out += p->n_parts)
	{
		double		first = 0;

		for (int t = 0; t < p->n_parts; t++)
		{
			right[t] = ml_dot(p->parts + (size_t) t * p->n_terms, x, p->n_terms) - p->l1;
			out[t] = 0;
		}
		for (int sweep = 0; sweep < SWEEPS; sweep++)
		{
			double		violation = ml_parts_sweep(p->products, right, out, p->n_parts);

			first = sweep == 0 ? violation : first;
			if (!(violation > TOLERANCE * first))
				break;
		}
	}
}

static int
parts_n_components(const void *predictor)
{
	return ((const ml_parts *) predictor)->n_parts;
}

static void
parts_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_parts *p = predictor;

	(void) shape;
	ml_put_u32(w, (uint32_t) p->n_parts);
	ml_put_double(w, p->l1);
	ml_put_double(w, p->l2);
	ml_put_doubles(w, p->parts, (size_t) p->n_parts * p->n_terms);
}

static ml_status
parts_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	uint32_t	n_parts = ml_get_u32(r);
	double		l1 = ml_get_double(r);
	double		l2 = ml_get_double(r);
	size_t		room = (r->length - r->at) / sizeof(double);
	size_t		numbers;
	ml_parts   *p;

	if (r->failed || n_parts < 1 || shape->n_terms < 1 || n_parts > room / shape->n_terms || n_parts > 10000 ||
		!(l1 >= 0) || !(l2 >= 0) || isinf(l1) || isinf(l2))
		return ML_BAD_MODEL;
	numbers = (size_t) n_parts * shape->n_terms;
	*predictor = p = ml_parts_new(ctx, shape->n_terms, (int) n_parts);
	if (p == NULL)
		return ML_NO_MEMORY;
	p->l1 = l1;
	p->l2 = l2;
	ml_get_doubles(r, p->parts, numbers);
	for (size_t i = 0; i < numbers; i++)
		if (!(p->parts[i] >= 0) || isinf(p->parts[i]))
			return ML_BAD_MODEL;
	ml_parts_multiply(p);
	return ML_OK;
}

static void
parts_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
parts_memory(const void *predictor)
{
	const ml_parts *p = predictor;

	return sizeof(*p) + sizeof(double) * (size_t) p->n_parts * ((size_t) p->n_terms + p->n_parts);
}

const ml_predictor_class ml_parts_class = {
	.name = "parts", .transform = parts_transform, .n_components = parts_n_components, .work_size = parts_work,
	.save = parts_save, .load = parts_load, .free = parts_free, .memory = parts_memory
};
