/*
 * ml_model.c: making a model and telling what it is.
 */
#include "ml/ml_model_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static ml_status
no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}

static ml_status
check_column(const ml_column_spec *spec, ml_error *err)
{
	if (spec->kind == ML_CATEGORICAL)
	{
		if (spec->n_categories < 1)
			return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no categories", spec->name);
		if (spec->reference < -1 || spec->reference >= spec->n_categories)
			return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no category %d", spec->name, spec->reference);
		if (spec->has_fill && (spec->fill_code < 0 || spec->fill_code >= spec->n_categories))
			return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no category %d", spec->name, spec->fill_code);
	}
	else if (spec->kind != ML_NUMERIC && spec->kind != ML_BOOLEAN)
		return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no known kind", spec->name);
	else if (!isfinite(spec->shift) || !isfinite(spec->scale) || (spec->has_fill && !isfinite(spec->fill_number)))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the scaling of column \"%s\" is not finite", spec->name);
	return ML_OK;
}

static ml_status
add_column(ml_model *model, ml_column *column, const ml_column_spec *spec, ml_error *err)
{
	ml_status	status = check_column(spec, err);

	if (status != ML_OK)
		return status;
	column->kind = spec->kind;
	column->has_fill = spec->has_fill;
	column->fill_number = spec->fill_number;
	column->fill_code = spec->fill_code;
	column->shift = spec->shift;
	column->scale = spec->scale;
	column->reference = spec->kind == ML_CATEGORICAL ? spec->reference : -1;
	column->unknown_is_zero = spec->unknown_is_zero;
	column->first_term = model->n_terms;
	column->n_terms = spec->kind == ML_CATEGORICAL ? spec->n_categories - (spec->reference >= 0) : 1;
	if (column->n_terms > ML_MAX_TERMS - model->n_terms)
		return ml_fail(err, ML_BAD_PARAM, NULL, "the model has more than %d terms", ML_MAX_TERMS);
	column->name = ml_strdup(&model->ctx, spec->name);
	column->type = ml_strdup(&model->ctx, spec->type);
	if (column->name == NULL || column->type == NULL)
		return no_memory(err);
	model->n_terms += column->n_terms;
	if (spec->kind == ML_CATEGORICAL)
		return ml_dictionary_make(&model->ctx, &column->categories, spec->n_categories, spec->categories, err);
	return ML_OK;
}

static ml_status
add_classes(ml_model *model, const ml_model_spec *spec, ml_error *err)
{
	int			least = spec->task == ML_MULTICLASS ? 3 : 2;

	if (spec->task == ML_REGRESSION && spec->n_classes == 0)
		return ML_OK;
	if ((spec->task != ML_BINARY && spec->task != ML_MULTICLASS) || spec->n_classes < least ||
		(spec->task == ML_BINARY && spec->n_classes != 2) || spec->n_classes > ML_MAX_TERMS)
		return ml_fail(err, ML_BAD_PARAM, NULL, "a model for this task cannot have %d classes", spec->n_classes);
	model->classes = ml_alloc_zero(&model->ctx, spec->n_classes, sizeof(char *));
	if (model->classes == NULL)
		return no_memory(err);
	for (int i = 0; i < spec->n_classes; i++)
	{
		if (i > 0 && strcmp(spec->classes[i - 1], spec->classes[i]) >= 0)
			return ml_fail(err, ML_BAD_PARAM, NULL, "classes are not in ascending order of their bytes");
		model->classes[i] = ml_strdup(&model->ctx, spec->classes[i]);
		model->n_classes = i + 1;
		if (model->classes[i] == NULL)
			return no_memory(err);
	}
	return ML_OK;
}

static ml_status
fill_model(ml_model *model, const ml_model_spec *spec, ml_error *err)
{
	ml_status	status = ML_OK;

	model->task = spec->task;
	model->algorithm = ml_strdup(&model->ctx, spec->algorithm);
	model->target = ml_strdup(&model->ctx, spec->target);
	model->target_type = ml_strdup(&model->ctx, spec->target_type);
	model->columns = ml_alloc_zero(&model->ctx, spec->n_columns, sizeof(ml_column));
	if (model->algorithm == NULL || model->target == NULL || model->target_type == NULL || model->columns == NULL)
		return no_memory(err);
	model->n_columns = spec->n_columns;
	for (int i = 0; i < spec->n_columns && status == ML_OK; i++)
		status = add_column(model, &model->columns[i], &spec->columns[i], err);
	if (status == ML_OK)
		status = add_classes(model, spec, err);
	return status;
}

ml_status
ml_model_new(const ml_ctx *ctx, const ml_model_spec *spec, ml_model **model, ml_error *err)
{
	ml_status	status;

	*model = NULL;
	if (spec->n_columns < 0 || spec->n_columns > ML_MAX_COLUMNS)
		return ml_fail(err, ML_BAD_PARAM, NULL, "a model cannot have %d columns", spec->n_columns);
	*model = ml_alloc_zero(ctx, 1, sizeof(ml_model));
	if (*model == NULL)
		return no_memory(err);
	(*model)->ctx = *ctx;
	status = fill_model(*model, spec, err);
	if (status != ML_OK)
	{
		ml_model_free(*model);
		*model = NULL;
	}
	return status;
}

void
ml_model_free(ml_model *model)
{
	ml_ctx		ctx;

	if (model == NULL)
		return;
	ctx = model->ctx;
	for (int i = 0; i < model->n_columns; i++)
	{
		ml_free(&ctx, model->columns[i].name);
		ml_free(&ctx, model->columns[i].type);
		ml_dictionary_clear(&ctx, &model->columns[i].categories);
	}
	for (int i = 0; i < model->n_classes; i++)
		ml_free(&ctx, model->classes[i]);
	ml_free(&ctx, model->classes);
	ml_free(&ctx, model->columns);
	ml_free(&ctx, model->algorithm);
	ml_free(&ctx, model->target);
	ml_free(&ctx, model->target_type);
	ml_free(&ctx, model->coefficients);
	ml_free(&ctx, model->intercepts);
	ml_free(&ctx, model);
}

ml_status
ml_model_set_linear(ml_model *model, ml_link link, const double *coefficients, const double *intercepts,
					ml_error *err)
{
	int			n_outputs = link == ML_LINK_SOFTMAX ? model->n_classes : 1;
	ml_task		task = link == ML_LINK_SOFTMAX ? ML_MULTICLASS : link == ML_LINK_LOGIT ? ML_BINARY : ML_REGRESSION;
	size_t		count = (size_t) n_outputs * model->n_terms;

	if (link < ML_LINK_IDENTITY || link > ML_LINK_SOFTMAX || task != model->task || model->link != 0)
		return ml_fail(err, ML_BAD_PARAM, NULL, "this link does not fit the model");
	for (size_t i = 0; i < count; i++)
		if (!isfinite(coefficients[i]))
			return ml_fail(err, ML_BAD_PARAM, NULL, "a coefficient is not finite");
	for (int i = 0; i < n_outputs; i++)
		if (!isfinite(intercepts[i]))
			return ml_fail(err, ML_BAD_PARAM, NULL, "an intercept is not finite");
	model->coefficients = ml_alloc(&model->ctx, count, sizeof(double));
	model->intercepts = ml_alloc(&model->ctx, n_outputs, sizeof(double));
	if (model->coefficients == NULL || model->intercepts == NULL)
		return no_memory(err);	/* what was allocated is freed with the model */
	if (count > 0)
		memcpy(model->coefficients, coefficients, count * sizeof(double));
	memcpy(model->intercepts, intercepts, n_outputs * sizeof(double));
	model->link = link;
	model->n_outputs = n_outputs;
	return ML_OK;
}

/* ---- what a model is ----------------------------------------------------------------------------------------- */

const char *
ml_task_name(ml_task task)
{
	return task == ML_BINARY ? "binary" : task == ML_MULTICLASS ? "multiclass" : "regression";
}

const char *
ml_model_algorithm(const ml_model *model)
{
	return model->algorithm;
}

ml_task
ml_model_task(const ml_model *model)
{
	return model->task;
}

const char *
ml_model_target(const ml_model *model)
{
	return model->target;
}

const char *
ml_model_target_type(const ml_model *model)
{
	return model->target_type;
}

size_t
ml_model_memory(const ml_model *model)
{
	size_t		total = sizeof(ml_model) + model->n_columns * (sizeof(ml_column) + 128);

	for (int i = 0; i < model->n_columns; i++)
	{
		const ml_dictionary *categories = &model->columns[i].categories;

		total += ((size_t) categories->mask + 1) * sizeof(int32_t);
		for (int code = 0; code < categories->count; code++)
			total += categories->lengths[code] + 32;
	}
	return total + (size_t) model->n_outputs * (model->n_terms + 1) * sizeof(double) + (size_t) model->n_classes * 64;
}

int
ml_model_n_columns(const ml_model *model)
{
	return model->n_columns;
}

const char *
ml_model_column_name(const ml_model *model, int column)
{
	return model->columns[column].name;
}

ml_kind
ml_model_column_kind(const ml_model *model, int column)
{
	return model->columns[column].kind;
}

const char *
ml_model_column_type(const ml_model *model, int column)
{
	return model->columns[column].type;
}

bool
ml_model_column_takes_null(const ml_model *model, int column)
{
	return model->columns[column].has_fill;
}

int
ml_model_n_categories(const ml_model *model, int column)
{
	return model->columns[column].categories.count;
}

const char *
ml_model_category(const ml_model *model, int column, int code)
{
	return model->columns[column].categories.texts[code];
}

int
ml_model_category_code(const ml_model *model, int column, const char *text, size_t length)
{
	return ml_dictionary_find(&model->columns[column].categories, text, length);
}

int
ml_model_n_classes(const ml_model *model)
{
	return model->n_classes;
}

const char *
ml_model_class(const ml_model *model, int index)
{
	return model->classes[index];
}

int
ml_model_n_terms(const ml_model *model)
{
	return model->n_terms;
}

int
ml_model_term_column(const ml_model *model, int term)
{
	int			low = 0;
	int			high = model->n_columns - 1;

	/* The last column whose first term is not after it; a column may have no term of its own. */
	while (low < high)
	{
		int			middle = low + (high - low + 1) / 2;

		if (model->columns[middle].first_term <= term)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

int
ml_model_term_category(const ml_model *model, int term)
{
	const ml_column *column = &model->columns[ml_model_term_column(model, term)];
	int			code = term - column->first_term;

	if (column->kind != ML_CATEGORICAL)
		return -1;
	return column->reference >= 0 && code >= column->reference ? code + 1 : code;
}

int
ml_model_term_name(const ml_model *model, int term, char *name, size_t size)
{
	const ml_column *column = &model->columns[ml_model_term_column(model, term)];
	int			code = ml_model_term_category(model, term);

	if (code < 0)
		return snprintf(name, size, "%s", column->name);
	return snprintf(name, size, "%s=%s", column->name, column->categories.texts[code]);
}

int
ml_model_n_outputs(const ml_model *model)
{
	return model->n_outputs;
}

const double *
ml_model_coefficients(const ml_model *model, int output, double *intercept)
{
	if (model->link == 0)
		return NULL;
	if (intercept != NULL)
		*intercept = model->intercepts[output];
	return model->coefficients + (size_t) output * model->n_terms;
}
