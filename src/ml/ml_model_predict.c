/*
 * ml_model_predict.c: from columns to predictions.
 *
 * Rows go in blocks that fit the nearest cache.  Within a block the columns are taken one after the other, each added
 * to the linear predictors of all rows, so that a row's sum has the same order, and so the same bits, in a block of
 * any size.  One-hot columns are never spread out: a row adds the one coefficient of its category.
 */
#include "ml/ml_model_int.h"

#include <math.h>
#include <string.h>

#define BLOCK 256

/* One column of one block, prepared: numbers for numeric and boolean columns, terms (-1: none) for categorical ones. */
typedef struct prepared
{
	double		numbers[BLOCK];
	int32_t		terms[BLOCK];
	ml_row_state rows[BLOCK];	/* the first problem of each row */
} prepared;

static inline void
note_problem(prepared *p, size_t row, int problem, int column)
{
	if (p->rows[row].problem == ML_PROBLEM_NONE)
	{
		p->rows[row].problem = problem;
		p->rows[row].column = column;
	}
}

static void
prepare_numbers(prepared *p, const ml_column *column, int index, const ml_values *values, size_t first, size_t n)
{
	const double *numbers = values->numbers + first;
	bool		all_finite = true;

	if (values->nulls == NULL)
		memcpy(p->numbers, numbers, n * sizeof(double));
	else
		for (size_t i = 0; i < n; i++)
		{
			bool		is_null = values->nulls[first + i] != 0;

			p->numbers[i] = is_null ? column->fill_number : numbers[i];
			if (is_null && !column->has_fill)
				note_problem(p, i, ML_PROBLEM_NULL, index);
		}
	for (size_t i = 0; i < n; i++)
		all_finite &= fabs(p->numbers[i]) <= 1.7976931348623157e308;
	if (!all_finite)
		for (size_t i = 0; i < n; i++)
			if (!isfinite(p->numbers[i]))
				note_problem(p, i, ML_PROBLEM_NOT_FINITE, index);
	for (size_t i = 0; i < n; i++)
		p->numbers[i] = (p->numbers[i] - column->shift) * column->scale;
}

static void
prepare_categories(prepared *p, const ml_column *column, int index, const ml_values *values, size_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		bool		is_null = values->nulls != NULL && values->nulls[first + i] != 0;
		int			code;

		if (is_null)
			code = column->has_fill ? column->fill_code : -1;
		else if (values->codes != NULL)
			code = values->codes[first + i];
		else
			code = ml_dictionary_find(&column->categories, values->texts[first + i].data,
									  values->texts[first + i].length);
		if (code < 0 || code >= column->categories.count)
		{
			p->terms[i] = -1;
			if (is_null || !column->unknown_is_zero)
				note_problem(p, i, is_null ? ML_PROBLEM_NULL : ML_PROBLEM_CATEGORY, index);
		}
		else
			p->terms[i] = ml_category_term(column, code);
	}
}

/* Adds the prepared column to the linear predictors of one output; out has one number every stride. */
static void
add_to_output(const prepared *p, const ml_column *column, const double *coefficients, size_t n, double *out,
			  size_t stride)
{
	if (column->kind == ML_CATEGORICAL)
	{
		for (size_t i = 0; i < n; i++)
			if (p->terms[i] >= 0)
				out[i * stride] += coefficients[p->terms[i]];
	}
	else
	{
		double		coefficient = coefficients[column->first_term];

		for (size_t i = 0; i < n; i++)
			out[i * stride] += p->numbers[i] * coefficient;
	}
}

static void
softmax(double *values, int count)
{
	double		largest = values[0];
	double		sum = 0;

	for (int k = 1; k < count; k++)
		largest = values[k] > largest ? values[k] : largest;
	for (int k = 0; k < count; k++)
	{
		values[k] = exp(values[k] - largest);
		sum += values[k];
	}
	for (int k = 0; k < count; k++)
		values[k] /= sum;
}

/* From linear predictors, stored in every width-th place of out, to predictions. */
static void
apply_link(const ml_model *model, size_t n, double *out)
{
	switch (model->link)
	{
		case ML_LINK_IDENTITY:
			break;
		case ML_LINK_LOG:
			for (size_t i = 0; i < n; i++)
				out[i] = exp(out[i]);
			break;
		case ML_LINK_LOGIT:
			/* Each side by its own formula, so that a probability near 0 keeps its digits. */
			for (size_t i = 0; i < n; i++)
			{
				double		eta = out[2 * i];

				out[2 * i] = 1 / (1 + exp(eta));
				out[2 * i + 1] = 1 / (1 + exp(-eta));
			}
			break;
		case ML_LINK_SOFTMAX:
			for (size_t i = 0; i < n; i++)
				softmax(out + i * model->n_classes, model->n_classes);
			break;
	}
}

static ml_status
row_error(const ml_model *model, const ml_row_state *row, ml_error *err)
{
	const char *name = model->columns[row->column].name;

	switch (row->problem)
	{
		case ML_PROBLEM_NULL:
			return ml_fail(err, ML_BAD_DATA, "Give the column a value, or train the model with imputation.",
						   "column \"%s\" is null, and the model was trained without imputation", name);
		case ML_PROBLEM_NOT_FINITE:
			return ml_fail(err, ML_BAD_DATA, NULL, "column \"%s\" is NaN or infinite", name);
		default:
			return ml_fail(err, ML_BAD_DATA, NULL, "column \"%s\" has a category that training did not see", name);
	}
}

/* Predicts one block; p->rows tells the problems. */
static void
predict_block(const ml_model *model, const ml_values *columns, size_t first, size_t n, double *out, prepared *p)
{
	size_t		width = model->n_classes > 0 ? model->n_classes : 1;

	memset(p->rows, 0, n * sizeof(ml_row_state));
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < model->n_outputs; k++)
			out[i * width + k] = model->intercepts[k];
	for (int j = 0; j < model->n_columns; j++)
	{
		const ml_column *column = &model->columns[j];

		if (column->kind == ML_CATEGORICAL)
			prepare_categories(p, column, j, &columns[j], first, n);
		else
			prepare_numbers(p, column, j, &columns[j], first, n);
		for (int k = 0; k < model->n_outputs; k++)
			add_to_output(p, column, model->coefficients + (size_t) k * model->n_terms, n, out + k, width);
	}
	apply_link(model, n, out);
	for (size_t i = 0; i < n; i++)
		if (p->rows[i].problem != ML_PROBLEM_NONE)
			for (size_t k = 0; k < width; k++)
				out[i * width + k] = NAN;
}

ml_status
ml_model_predict(const ml_model *model, const ml_values *columns, size_t n, double *out, ml_row_state *rows,
				 ml_error *err)
{
	size_t		width = model->n_classes > 0 ? model->n_classes : 1;
	prepared	p;

	if (model->link == 0)
		return ml_fail(err, ML_BAD_MODEL, NULL, "the model has no predictor");
	for (size_t first = 0; first < n; first += BLOCK)
	{
		size_t		here = n - first < BLOCK ? n - first : BLOCK;

		if (first % (64 * BLOCK) == 0 && first > 0 && ml_is_cancelled(&model->ctx))
			return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
		predict_block(model, columns, first, here, out + first * width, &p);
		if (rows != NULL)
			memcpy(rows + first, p.rows, here * sizeof(ml_row_state));
		else
			for (size_t i = 0; i < here; i++)
				if (p.rows[i].problem != ML_PROBLEM_NONE)
					return row_error(model, &p.rows[i], err);
	}
	return ML_OK;
}
