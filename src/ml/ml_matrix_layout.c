/*
 * ml_matrix_layout.c: the columns of a matrix as moments take them.
 */
#include "ml/ml_matrix_layout.h"

#include <string.h>

static void
count_columns(const ml_matrix *m, ml_moments_shape *shape)
{
	for (int i = 0; i < m->n_columns; i++)
		if (m->columns[i].codes == NULL)
			shape->n_numbers++;
		else
		{
			shape->n_cats++;
			shape->n_levels += m->columns[i].n_categories;
		}
}

/* Splits the columns into numbers and levels, and says where the terms are among them. */
static void
index_columns(const ml_matrix *m, ml_matrix_layout *l)
{
	int			number = 0;
	int			cat = 0;
	int			level = 0;

	for (int i = 0; i < m->n_columns; i++)
	{
		const ml_matrix_column *column = &m->columns[i];
		int			term = column->first_term;

		if (column->codes == NULL)
		{
			l->numbers[number] = column->numbers;
			l->number_term[number] = term;
			l->sources[term] = (ml_gram_source) {number++, -1};
			continue;
		}
		l->codes[cat] = column->codes;
		l->first_level[cat++] = level;
		for (int code = 0; code < column->n_categories; code++, level++)
		{
			l->level_term[level] = code == column->reference ? -1 : term++;
			if (code != column->reference)
				l->sources[l->level_term[level]] = (ml_gram_source) {-1, level};
		}
	}
}

bool
ml_matrix_layout_make(const ml_ctx *ctx, const ml_matrix *matrix, ml_matrix_layout *l)
{
	count_columns(matrix, &l->shape);
	l->numbers = ml_alloc_zero(ctx, l->shape.n_numbers, sizeof(double *));
	l->number_term = ml_alloc_zero(ctx, l->shape.n_numbers, sizeof(int));
	l->codes = ml_alloc_zero(ctx, l->shape.n_cats, sizeof(int32_t *));
	l->first_level = ml_alloc_zero(ctx, l->shape.n_cats, sizeof(int));
	l->level_term = ml_alloc_zero(ctx, l->shape.n_levels, sizeof(int));
	l->sources = ml_alloc_zero(ctx, matrix->n_terms, sizeof(ml_gram_source));
	if (l->numbers == NULL || l->number_term == NULL || l->codes == NULL || l->first_level == NULL || l->level_term == NULL ||
		l->sources == NULL)
		return false;
	index_columns(matrix, l);
	return true;
}

bool
ml_matrix_layout_own(const ml_ctx *ctx, ml_matrix_layout *l, int term)
{
	int			n = l->shape.n_numbers;
	const double **numbers;
	int		   *number_term;

	if (l->sources[term].number >= 0)
		return true;
	numbers = ml_alloc_zero(ctx, n + 1, sizeof(double *));
	number_term = ml_alloc(ctx, n + 1, sizeof(int));
	if (numbers == NULL || number_term == NULL)
	{
		ml_free(ctx, numbers);
		ml_free(ctx, number_term);
		return false;
	}
	memcpy(numbers, l->numbers, n * sizeof(double *));
	memcpy(number_term, l->number_term, n * sizeof(int));
	ml_free(ctx, l->numbers);
	ml_free(ctx, l->number_term);
	l->numbers = numbers;
	l->number_term = number_term;
	number_term[n] = term;
	l->level_term[l->sources[term].level] = -1;
	l->sources[term] = (ml_gram_source) {n, -1};
	l->shape.n_numbers++;
	return true;
}

void
ml_matrix_layout_clear(const ml_ctx *ctx, ml_matrix_layout *l)
{
	ml_free(ctx, l->numbers);
	ml_free(ctx, l->number_term);
	ml_free(ctx, l->codes);
	ml_free(ctx, l->first_level);
	ml_free(ctx, l->level_term);
	ml_free(ctx, l->sources);
}
