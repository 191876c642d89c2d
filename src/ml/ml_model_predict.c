/*
 * ml_model_predict.c: from columns to predictions.
 *
 * Rows go in blocks that fit the nearest cache.  A linear predictor takes the columns of a block one after the other,
 * each added to the linear predictors of all rows, so that a row's sum has the same order, and so the same bits, in a
 * block of any size; one-hot columns are never spread out: a row adds the one coefficient of its category.  Predictors
 * of other classes get design rows.
 */
#include "ml/ml_model_int.h"

#include <math.h>
#include <string.h>

#include "ml/ml_calibrator.h"

#define BLOCK ML_PREDICT_ROWS
#define ROWS_UNCHECKED (64 * BLOCK) /* between two looks for a cancel */
#define OPERATIONS_AT_ONCE 2e8	/* of dear predictions, about 100 ms … */
#define LEAST_ROWS 16			/* … and rows that share what is read from memory, at least */
#define BLOCK_BYTES (512 * 1024)	/* of design rows */

/* What one call needs beside its arguments. */
typedef struct prediction
{
	const ml_model *model;
	ml_model_shape shape;
	size_t		rows;			/* of a block */
	double	   *x;				/* (rows, n_terms) design rows, or the terms of one row; NULL: not needed */
	void	   *work;			/* of the predictor */
	ml_problems problems;
	double		numbers[BLOCK];
	int32_t		terms[BLOCK];
} prediction;

static ml_status
row_error(const ml_model *model, const ml_row_state *row, ml_error *err)
{
	const char *name = model->columns[row->column].name;

	switch (row->problem)
	{
		case ML_PROBLEM_NULL:
			return ml_fail(err, ML_BAD_DATA, "Give the column a value, or train the model with imputation.",
						   "column \"%s\" is NULL, and the model has no imputation for it", name);
		case ML_PROBLEM_NOT_FINITE:
			return ml_fail(err, ML_BAD_DATA, NULL, "column \"%s\" is NaN or infinite", name);
		default:
			return ml_fail(err, ML_BAD_DATA, NULL, "column \"%s\" has a category that training did not see", name);
	}
}

/* ---- linear predictors ------------------------------------------------------------------------------------------- */

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
		case ML_LINK_INVERSE:
			for (size_t i = 0; i < n; i++)
				out[i] = 1 / out[i];
			break;
		case ML_LINK_SQRT:
			for (size_t i = 0; i < n; i++)
				out[i] *= out[i];
			break;
		case ML_LINK_INVERSE_SQUARED:
			for (size_t i = 0; i < n; i++)
				out[i] = 1 / sqrt(out[i]);
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

/* Adds a simple column to the linear predictors of one output; out has one number every width. */
static void
add_simple(const prediction *p, const ml_column *column, const double *coefficients, size_t n, double *out)
{
	size_t		width = p->shape.width;

	if (column->kind == ML_CATEGORICAL)
	{
		for (size_t i = 0; i < n; i++)
			if (p->terms[i] >= 0)
				out[i * width] += coefficients[p->terms[i]];
	}
	else
	{
		double		coefficient = coefficients[column->first_term];

		for (size_t i = 0; i < n; i++)
			out[i * width] += p->numbers[i] * coefficient;
	}
}

/* Adds a column of many terms, row by row. */
static void
add_spread(prediction *p, const ml_column *column, int index, const ml_values *values, size_t first, size_t n, double *out)
{
	const ml_model *model = p->model;

	for (size_t i = 0; i < n; i++)
	{
		ml_problems one;

		one.rows[0].problem = ML_PROBLEM_NONE;
		ml_prepare_terms(column, index, values, first + i, 1, p->x, 0, &one);
		if (one.rows[0].problem != ML_PROBLEM_NONE)
			ml_note_problem(&p->problems, i, one.rows[0].problem, index);
		for (int k = 0; k < model->n_outputs; k++)
		{
			const double *coefficients = model->coefficients + (size_t) k * model->n_terms + column->first_term;
			double		sum = 0;

			for (int term = 0; term < column->n_terms; term++)
				sum += p->x[term] * coefficients[term];
			out[i * p->shape.width + k] += sum;
		}
	}
}

static void
predict_linear(prediction *p, const ml_values *columns, size_t first, size_t n, double *out)
{
	const ml_model *model = p->model;

	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < model->n_outputs; k++)
			out[i * p->shape.width + k] = model->intercepts[k];
	for (int j = 0; j < model->n_columns; j++)
	{
		const ml_column *column = &model->columns[j];

		if (!column->is_simple)
		{
			add_spread(p, column, j, &columns[j], first, n, out);
			continue;
		}
		if (column->kind == ML_CATEGORICAL)
			ml_prepare_categories(column, j, &columns[j], first, n, p->terms, &p->problems);
		else
			ml_prepare_numbers(column, j, &columns[j], first, n, p->numbers, &p->problems);
		for (int k = 0; k < model->n_outputs; k++)
			add_simple(p, column, model->coefficients + (size_t) k * model->n_terms, n, out + k);
	}
	apply_link(model, n, out);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static void
design_block(prediction *p, const ml_values *columns, size_t first, size_t n, double *x)
{
	for (int j = 0; j < p->model->n_columns; j++)
	{
		const ml_column *column = &p->model->columns[j];

		ml_prepare_terms(column, j, &columns[j], first, n, x + column->first_term, p->model->n_terms, &p->problems);
	}
}

/* How many rows go at a time, and the bytes for their design rows; 0: none are needed. */
static size_t
design_bytes(const ml_model *model, size_t *rows)
{
	size_t		row = ((size_t) model->n_terms + 1) * sizeof(double);
	bool		spread = false;

	*rows = BLOCK;
	if (model->class == NULL)
	{
		for (int j = 0; j < model->n_columns && !spread; j++)
			spread = !model->columns[j].is_simple;
		return spread ? (row + 63) / 64 * 64 : 0;
	}
	*rows = BLOCK_BYTES / row < 1 ? 1 : BLOCK_BYTES / row > BLOCK ? BLOCK : BLOCK_BYTES / row;
	return (*rows * row + 63) / 64 * 64;
}

size_t
ml_model_workspace(const ml_model *model)
{
	size_t		rows;
	size_t		bytes;
	ml_model_shape shape;

	if (model->parts != NULL)
		return ml_model_parts_workspace(model->parts);
	bytes = design_bytes(model, &rows);
	if (model->class == NULL || model->class->work_size == NULL)
		return bytes;
	ml_model_get_shape(model, &shape);
	return bytes + model->class->work_size(model->predictor, &shape);
}

double
ml_model_effort(const ml_model *model)
{
	return model->class != NULL && model->class->effort != NULL ? model->class->effort(model->predictor) : 0;
}

size_t
ml_model_rows_at_once(const ml_model *model)
{
	double		effort = ml_model_effort(model);
	double		rows = effort > 0 ? OPERATIONS_AT_ONCE / effort : ROWS_UNCHECKED;

	return rows < LEAST_ROWS ? LEAST_ROWS : rows > ROWS_UNCHECKED ? ROWS_UNCHECKED : (size_t) rows;
}

/* Tells the problems of a block, and spoils the rows that have one. */
static ml_status
settle_rows(const prediction *p, size_t n, size_t width, double *out, ml_row_state *rows, ml_error *err)
{
	for (size_t i = 0; i < n; i++)
	{
		if (p->problems.rows[i].problem == ML_PROBLEM_NONE)
			continue;
		if (rows == NULL)
			return row_error(p->model, &p->problems.rows[i], err);
		for (size_t k = 0; k < width; k++)
			out[i * width + k] = NAN;
	}
	if (rows != NULL)
		memcpy(rows, p->problems.rows, n * sizeof(ml_row_state));
	return ML_OK;
}

typedef enum what
{
	PREDICT,
	TRANSFORM,
	DESIGN
} what;

static void
do_block(prediction *p, what wanted, const ml_values *columns, size_t first, size_t n, double *out)
{
	const ml_model *model = p->model;

	memset(p->problems.rows, 0, n * sizeof(ml_row_state));
	if (wanted == PREDICT && model->class == NULL)
		predict_linear(p, columns, first, n, out);
	else if (wanted == DESIGN)
		design_block(p, columns, first, n, out);
	else
	{
		design_block(p, columns, first, n, p->x);
		/* A predictor may be sure of what it gets: rows with a problem, which are spoilt afterwards, are made harmless. */
		for (size_t i = 0; i < n; i++)
			if (p->problems.rows[i].problem != ML_PROBLEM_NONE)
				memset(p->x + i * model->n_terms, 0, model->n_terms * sizeof(double));
		if (wanted == PREDICT)
			model->class->predict(model->predictor, &p->shape, p->x, n, out, p->work);
		else
			model->class->transform(model->predictor, &p->shape, p->x, n, out, p->work);
	}
}

static ml_status
run_in(const ml_model *model, what wanted, const ml_values *columns, size_t start, size_t n, size_t width, double *out,
	   ml_row_state *rows, void *workspace, bool may_cancel, ml_error *err)
{
	prediction	p;
	ml_status	status = ML_OK;
	size_t		most = wanted == DESIGN ? ROWS_UNCHECKED : ml_model_rows_at_once(model);
	size_t		unchecked = 0;

	if (model->parts != NULL)
		return ml_model_parts_run(model, wanted == TRANSFORM, columns, start, n, out, rows, workspace, err);
	p.model = model;
	ml_model_get_shape(model, &p.shape);
	p.x = workspace;
	p.work = (char *) workspace + design_bytes(model, &p.rows);
	p.rows = p.rows < most ? p.rows : most;
	for (size_t first = 0; first < n && status == ML_OK; first += p.rows)
	{
		size_t		here = n - first < p.rows ? n - first : p.rows;

		if (may_cancel && (unchecked += here) >= most)
		{
			if (ml_is_cancelled(&model->ctx))
				return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
			unchecked = 0;
		}
		do_block(&p, wanted, columns, start + first, here, out + first * width);
		if (wanted == PREDICT && model->calibrator != NULL)
			for (size_t i = 0; i < here; i++)
				ml_calibrator_apply(model->calibrator, model->n_classes, out + (first + i) * width);
		status = settle_rows(&p, here, width, out + first * width, rows ? rows + first : NULL, err);
	}
	return status;
}

static ml_status
run(const ml_model *model, what wanted, const ml_values *columns, size_t n, size_t width, double *out, ml_row_state *rows,
	ml_error *err)
{
	size_t		bytes = ml_model_workspace(model);
	void	   *memory = NULL;
	void	   *aligned = NULL;
	ml_status	status;

	if (bytes > 0)
	{
		memory = ml_alloc(&model->ctx, bytes + 64, 1);
		if (memory == NULL)
			return ml_no_memory(err);
		aligned = (void *) (((uintptr_t) memory + 63) / 64 * 64);
	}
	status = run_in(model, wanted, columns, 0, n, width, out, rows, aligned, true, err);
	if (memory != NULL)
		ml_free(&model->ctx, memory);
	return status;
}

static ml_status
no_predictor(const ml_model *model, ml_error *err)
{
	if (model->task == ML_DECOMPOSITION)
		return ml_fail(err, ML_BAD_PARAM, NULL, "a model of algorithm %s predicts nothing, it transforms rows", model->algorithm);
	return ml_fail(err, ML_BAD_MODEL, NULL, "the model has no predictor");
}

static bool
can_predict(const ml_model *model)
{
	return model->link != 0 || model->parts != NULL || (model->class != NULL && model->class->predict != NULL && model->task != ML_DECOMPOSITION);
}

ml_status
ml_model_predict(const ml_model *model, const ml_values *columns, size_t n, double *out, ml_row_state *rows,
				 ml_error *err)
{
	if (!can_predict(model))
		return no_predictor(model, err);
	return run(model, PREDICT, columns, n, ml_model_width(model), out, rows, err);
}

ml_status
ml_model_predict_in(const ml_model *model, const ml_values *columns, size_t first, size_t n, double *out,
					ml_row_state *rows, void *workspace, ml_error *err)
{
	if (!can_predict(model))
		return no_predictor(model, err);
	return run_in(model, PREDICT, columns, first, n, ml_model_width(model), out, rows, workspace, false, err);
}

ml_status
ml_model_transform(const ml_model *model, const ml_values *columns, size_t n, double *out, ml_row_state *rows,
				   ml_error *err)
{
	if (ml_model_n_components(model) == 0)
		return ml_fail(err, ML_BAD_PARAM, NULL, "a model of algorithm %s has no components", model->algorithm);
	return run(model, TRANSFORM, columns, n, ml_model_n_components(model), out, rows, err);
}

ml_status
ml_model_transform_in(const ml_model *model, const ml_values *columns, size_t first, size_t n, double *out,
					  ml_row_state *rows, void *workspace, ml_error *err)
{
	return run_in(model, TRANSFORM, columns, first, n, ml_model_n_components(model), out, rows, workspace, false, err);
}

ml_status
ml_model_design(const ml_model *model, const ml_values *columns, size_t first, size_t n, double *x, ml_row_state *rows,
				ml_error *err)
{
	if (model->parts != NULL)
		return ml_fail(err, ML_BAD_PARAM, NULL, "a model made of parts has no terms of its own");
	return run_in(model, DESIGN, columns, first, n, model->n_terms, x, rows, NULL, false, err);
}

ml_status
ml_model_design_column(const ml_model *model, int column, const ml_values *values, size_t first, size_t n, double *x,
					   size_t stride, ml_error *err)
{
	ml_problems problems;

	for (size_t done = 0; done < n; done += BLOCK)
	{
		size_t		here = n - done < BLOCK ? n - done : BLOCK;

		memset(problems.rows, 0, here * sizeof(ml_row_state));
		ml_prepare_terms(&model->columns[column], column, values, first + done, here, x + done * stride, stride, &problems);
		for (size_t i = 0; i < here; i++)
			if (problems.rows[i].problem != ML_PROBLEM_NONE)
				return row_error(model, &problems.rows[i], err);
	}
	return ML_OK;
}
