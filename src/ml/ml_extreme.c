/*
 * ml_extreme.c: columns of extreme sizes times powers of two.
 */
#include "ml/ml_extreme.h"

#include <math.h>
#include <string.h>

#define SMALLEST 1e-280			/* a mean square below which digits may have been lost … */
#define LARGEST 1e280			/* … or above */
#define ORDINARY 400			/* largest exponent of two, in size, that is left alone */

int
ml_extreme_exponent(double largest)
{
	int			exponent = largest > 0 && isfinite(largest) ? -ilogb(largest) : 0;

	return exponent < -ORDINARY || exponent > ORDINARY ? exponent : 0;
}

static ml_status
copy_column(const ml_ctx *ctx, ml_extreme *e, const double **numbers, size_t rows, int exponent, ml_error *err)
{
	double	   *copy;
	ml_status	status = ml_check_memory(ctx, sizeof(double) * (double) rows, "a scaled copy of a feature", err);

	if (status != ML_OK)
		return status;
	copy = ml_alloc(ctx, rows, sizeof(double));
	if (copy == NULL)
		return ml_no_memory(err);
	for (size_t i = 0; i < rows; i++)
		copy[i] = ldexp((*numbers)[i], exponent);
	*numbers = e->copies[e->n_copies++] = copy;
	return ML_OK;
}

ml_status
ml_extreme_columns(const ml_ctx *ctx, ml_extreme *e, const ml_matrix *matrix, const double *moments, double weight, ml_matrix_layout *layout,
				   bool *changed, ml_error *err)
{
	ml_status	status = ML_OK;

	*changed = false;
	for (int j = 0; j < layout->shape.n_numbers && !e->looked && status == ML_OK; j++)
	{
		size_t		term = layout->number_term[j];
		double		square = moments[term * ((size_t) matrix->n_terms + 1)];
		double		largest = 0;
		int			exponent;

		if (square > SMALLEST * weight && square < LARGEST * weight)
			continue;
		for (size_t i = 0; i < matrix->rows; i++)
			largest = fmax(largest, fabs(layout->numbers[j][i]));
		exponent = ml_extreme_exponent(largest);
		if (exponent == 0)
			continue;
		if (e->exponent == NULL)
		{
			e->exponent = ml_alloc_zero(ctx, matrix->n_terms, sizeof(int));
			e->copies = ml_alloc_zero(ctx, layout->shape.n_numbers, sizeof(double *));
		}
		if (e->exponent == NULL || e->copies == NULL)
			return ml_no_memory(err);
		e->exponent[term] = exponent;
		status = copy_column(ctx, e, &layout->numbers[j], matrix->rows, exponent, err);
		*changed = true;
	}
	e->looked = true;
	return status;
}

ml_status
ml_extreme_rows(const ml_ctx *ctx, ml_extreme *e, const ml_design *design, ml_design *scaled, ml_error *err)
{
	size_t		p = design->n_terms;
	double	   *largest = ml_alloc_zero(ctx, p, sizeof(double));
	bool		any = false;
	ml_status	status;

	*scaled = *design;
	if (largest == NULL)
		return ml_no_memory(err);
	for (size_t i = 0; i < design->rows; i++)
	{
		const double *row = ml_design_row(design, i);

		for (size_t j = 0; j < p; j++)
			largest[j] = fabs(row[j]) > largest[j] ? fabs(row[j]) : largest[j];
	}
	for (size_t j = 0; j < p; j++)
		any |= ml_extreme_exponent(largest[j]) != 0;
	status = any ? ml_check_memory(ctx, sizeof(double) * (double) p * (double) design->rows, "a scaled copy of the features", err) : ML_OK;
	if (any && status == ML_OK)
	{
		e->exponent = ml_alloc_zero(ctx, p, sizeof(int));
		e->rows = ml_alloc(ctx, design->rows * p, sizeof(double));
		status = e->exponent && e->rows ? ML_OK : ml_no_memory(err);
	}
	for (size_t j = 0; j < p && any && status == ML_OK; j++)
		e->exponent[j] = ml_extreme_exponent(largest[j]);
	for (size_t i = 0; i < design->rows && any && status == ML_OK; i++)
		for (size_t j = 0; j < p; j++)
			e->rows[i * p + j] = ldexp(ml_design_row(design, i)[j], e->exponent[j]);
	if (any && status == ML_OK)
	{
		scaled->x = e->rows;
		scaled->stride = p;
	}
	ml_free(ctx, largest);
	return status;
}

bool
ml_extreme_to_terms(const ml_extreme *e, double *coefficients, int n_terms)
{
	bool		finite = true;

	for (int t = 0; t < n_terms && e->exponent != NULL; t++)
	{
		bool		was = isfinite(coefficients[t]);

		coefficients[t] = ldexp(coefficients[t], e->exponent[t]);
		finite &= !was || isfinite(coefficients[t]);
	}
	return finite;
}

void
ml_extreme_clear(const ml_ctx *ctx, ml_extreme *e)
{
	for (int i = 0; i < e->n_copies; i++)
		ml_free(ctx, e->copies[i]);
	ml_free(ctx, e->copies);
	ml_free(ctx, e->exponent);
	ml_free(ctx, e->rows);
	memset(e, 0, sizeof(*e));
}
