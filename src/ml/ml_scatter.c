/*
 * ml_scatter.c: squares and products of rows about centres.
 */
#include "ml/ml_scatter.h"

#include <string.h>

#include "ml/ml_kernels.h"

double
ml_scatter_bytes(int n_terms, int n_sets)
{
	double		padded = (double) ml_padded(n_terms);

	return sizeof(double) * n_sets * (ML_SCATTER_ROWS + padded) * padded;
}

ml_status
ml_scatter_make(const ml_ctx *ctx, ml_scatter *s, int n_terms, int n_groups, int n_sets, ml_error *err)
{
	ml_status	status = ml_check_memory(ctx, n_groups * ml_scatter_bytes(n_terms, n_sets), "the covariances of the features", err);

	memset(s, 0, sizeof(*s));
	if (status != ML_OK)
		return status;
	s->n_terms = n_terms;
	s->padded = ml_padded(n_terms);
	s->n_groups = n_groups;
	s->n_sets = n_sets;
	s->blocks = ml_alloc_zero(ctx, (size_t) n_groups * n_sets * ML_SCATTER_ROWS * s->padded, sizeof(double));
	s->moments = ml_alloc_zero(ctx, (size_t) n_groups * n_sets * s->padded * s->padded, sizeof(double));
	s->filled = ml_alloc_zero(ctx, (size_t) n_groups * n_sets, sizeof(int));
	if (s->blocks == NULL || s->moments == NULL || s->filled == NULL)
		return ml_no_memory(err);
	return ML_OK;
}

void
ml_scatter_free(const ml_ctx *ctx, ml_scatter *s)
{
	ml_free(ctx, s->blocks);
	ml_free(ctx, s->moments);
	ml_free(ctx, s->filled);
	memset(s, 0, sizeof(*s));
}

void
ml_scatter_clear(ml_scatter *s)
{
	memset(s->moments, 0, sizeof(double) * s->n_groups * s->n_sets * s->padded * s->padded);
}

static void
work_off(ml_scatter *s, size_t block)
{
	ml_syrk(s->moments + block * s->padded * s->padded, s->blocks + block * ML_SCATTER_ROWS * s->padded, s->filled[block], s->padded);
	s->filled[block] = 0;
}

void
ml_scatter_add(ml_scatter *s, int group, int set, const double *x, const double *centre, double root_weight)
{
	size_t		block = (size_t) group * s->n_sets + set;
	double	   *row = s->blocks + (block * ML_SCATTER_ROWS + s->filled[block]) * s->padded;

	for (int j = 0; j < s->n_terms; j++)
		row[j] = (x[j] - centre[j]) * root_weight;
	if (++s->filled[block] == ML_SCATTER_ROWS)
		work_off(s, block);
}

void
ml_scatter_sum(ml_scatter *s, int set, double *moments)
{
	size_t		n = s->n_terms;

	memset(moments, 0, n * n * sizeof(double));
	for (int group = 0; group < s->n_groups; group++)
	{
		size_t		block = (size_t) group * s->n_sets + set;

		work_off(s, block);
		for (size_t i = 0; i < n; i++)
			ml_axpy(moments + i * n, 1, s->moments + (block * s->padded + i) * s->padded, i + 1);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			moments[j * n + i] = moments[i * n + j];
}
