/*
 * ml_model.c: making a model and telling what it is.
 */
#include "ml/ml_model_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ml/ml_calibrator.h"

static bool
all_finite(const double *numbers, int count)
{
	for (int i = 0; i < count; i++)
		if (!isfinite(numbers[i]))
			return false;
	return true;
}

/* The part of a description that has to do with categories. */
static ml_status
check_categories(const ml_column_spec *spec, ml_error *err)
{
	if (spec->encoding == ML_ENCODE_HASHING)
	{
		if (spec->buckets < 1 || spec->n_categories != 0)
			return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" cannot be hashed into %d terms", spec->name, spec->buckets);
		return ML_OK;
	}
	if (spec->n_categories < 1)
		return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no categories", spec->name);
	if (spec->reference < -1 || spec->reference >= spec->n_categories)
		return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no category %d", spec->name, spec->reference);
	if (spec->has_fill && (spec->fill_code < 0 || spec->fill_code >= spec->n_categories))
		return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no category %d", spec->name, spec->fill_code);
	if (!isfinite(spec->unknown_value) ||
		(spec->encoding == ML_ENCODE_TABLE && (spec->table == NULL || !all_finite(spec->table, spec->n_categories))))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the numbers for the categories of column \"%s\" are not finite", spec->name);
	return ML_OK;
}

static ml_status
check_numbers(const ml_column_spec *spec, ml_error *err)
{
	int			length = spec->kind == ML_VECTOR ? spec->length : 1;
	int			n_scales = ml_column_scales(spec->kind, spec->encoding, length, spec->parts);

	if (length < 1 || length > ML_MAX_TERMS)
		return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" cannot have %d elements", spec->name, length);
	if (!isfinite(spec->shift) || !isfinite(spec->scale) || (spec->has_fill && !isfinite(spec->fill_number)) ||
		(spec->shifts != NULL) != (spec->scales != NULL) ||
		(spec->shifts != NULL && !(all_finite(spec->shifts, n_scales) && all_finite(spec->scales, n_scales))))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the scaling of column \"%s\" is not finite", spec->name);
	if (spec->warp > ML_WARP_QUANTILE_NORMAL || !isfinite(spec->lambda))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the transformation of column \"%s\" is not known", spec->name);
	if (spec->warp == ML_WARP_QUANTILE || spec->warp == ML_WARP_QUANTILE_NORMAL)
	{
		if (spec->n_knots < 2 || spec->knots == NULL || !all_finite(spec->knots, spec->n_knots))
			return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no quantiles", spec->name);
		for (int i = 1; i < spec->n_knots; i++)
			if (spec->knots[i - 1] > spec->knots[i])
				return ml_fail(err, ML_BAD_PARAM, NULL, "the quantiles of column \"%s\" do not ascend", spec->name);
	}
	if (spec->encoding == ML_ENCODE_DATE_PARTS && (spec->parts == 0 || (spec->parts & ~ML_PART_ALL) != 0))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the parts of column \"%s\" are not known", spec->name);
	return ML_OK;
}

static ml_status
check_column(const ml_column_spec *spec, ml_error *err)
{
	bool		category_encoding = spec->encoding == ML_ENCODE_ORDINAL || spec->encoding == ML_ENCODE_TABLE ||
		spec->encoding == ML_ENCODE_HASHING;

	if (spec->kind < ML_NUMERIC || spec->kind > ML_VECTOR)
		return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" has no known kind", spec->name);
	if (spec->encoding > ML_ENCODE_DATE_PARTS || (category_encoding && spec->kind != ML_CATEGORICAL) ||
		(spec->encoding == ML_ENCODE_DATE_PARTS && spec->kind != ML_TIME) ||
		(spec->warp != ML_WARP_NONE && spec->kind != ML_NUMERIC && spec->kind != ML_VECTOR))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the encoding of column \"%s\" does not fit its kind", spec->name);
	if ((spec->keeps_missing && spec->has_fill) || (spec->indicator && !spec->has_fill))
		return ml_fail(err, ML_BAD_PARAM, NULL, "the imputation of column \"%s\" contradicts itself", spec->name);
	if (spec->is_offset && (spec->kind != ML_NUMERIC || spec->keeps_missing || spec->has_fill))
		return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" cannot be an offset", spec->name);
	return spec->kind == ML_CATEGORICAL ? check_categories(spec, err) : check_numbers(spec, err);
}

/* A copy of `count` numbers, NULL for NULL; *failed is set when there is no memory. */
static double *
copy_numbers(const ml_ctx *ctx, const double *numbers, int count, bool *failed)
{
	double	   *copy;

	if (numbers == NULL)
		return NULL;
	copy = ml_alloc(ctx, count, sizeof(double));
	if (copy == NULL)
		*failed = true;
	else
		memcpy(copy, numbers, count * sizeof(double));
	return copy;
}

static ml_status
copy_column(ml_model *model, ml_column *column, const ml_column_spec *spec, ml_error *err)
{
	const ml_ctx *ctx = &model->ctx;
	int			n_scales = ml_column_scales(column->kind, column->encoding, column->length, column->parts);
	bool		failed = false;

	column->name = ml_strdup(ctx, spec->name);
	column->type = ml_strdup(ctx, spec->type);
	column->table = copy_numbers(ctx, spec->encoding == ML_ENCODE_TABLE ? spec->table : NULL, spec->n_categories, &failed);
	if (spec->warp == ML_WARP_QUANTILE || spec->warp == ML_WARP_QUANTILE_NORMAL)
	{
		column->n_knots = spec->n_knots;
		column->knots = copy_numbers(ctx, spec->knots, spec->n_knots, &failed);
	}
	column->shifts = copy_numbers(ctx, n_scales > 0 ? spec->shifts : NULL, n_scales, &failed);
	column->scales = copy_numbers(ctx, n_scales > 0 ? spec->scales : NULL, n_scales, &failed);
	if (column->name == NULL || column->type == NULL || failed)
		return ml_no_memory(err);
	if (spec->n_categories > 0)
		return ml_dictionary_make(ctx, &column->categories, spec->n_categories, spec->categories, err);
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
	column->reference = spec->kind == ML_CATEGORICAL && spec->encoding == ML_ENCODE_PLAIN ? spec->reference : -1;
	column->unknown_is_zero = spec->unknown_is_zero;
	column->encoding = spec->encoding;
	column->keeps_missing = spec->keeps_missing;
	column->indicator = spec->indicator;
	column->is_offset = spec->is_offset;
	column->length = spec->kind == ML_VECTOR ? spec->length : 1;
	column->buckets = spec->encoding == ML_ENCODE_HASHING ? spec->buckets : 0;
	column->parts = spec->encoding == ML_ENCODE_DATE_PARTS ? spec->parts : 0;
	column->unknown_value = spec->unknown_value;
	column->warp = spec->warp;
	column->lambda = spec->lambda;
	column->first_term = model->n_terms;
	column->is_simple = spec->encoding == ML_ENCODE_PLAIN && spec->warp == ML_WARP_NONE && !spec->indicator &&
		!spec->keeps_missing && spec->kind != ML_VECTOR;
	status = copy_column(model, column, spec, err);
	if (status != ML_OK)
		return status;
	column->n_terms = ml_column_terms(column);
	if (column->n_terms > ML_MAX_TERMS - model->n_terms)
		return ml_fail(err, ML_BAD_PARAM, NULL, "the model has more than %d terms", ML_MAX_TERMS);
	model->n_terms += column->n_terms;
	return ML_OK;
}

static ml_status
add_classes(ml_model *model, const ml_model_spec *spec, ml_error *err)
{
	int			least = spec->task == ML_MULTICLASS ? 3 : 2;

	if (spec->n_classes == 0 && (spec->task == ML_REGRESSION || (spec->task > ML_MULTICLASS && spec->task <= ML_N_TASKS)))
		return ML_OK;
	if ((spec->task != ML_BINARY && spec->task != ML_MULTICLASS) || spec->n_classes < least ||
		(spec->task == ML_BINARY && spec->n_classes != 2) || spec->n_classes > ML_MAX_TERMS)
		return ml_fail(err, ML_BAD_PARAM, NULL, "a model for this task cannot have %d classes", spec->n_classes);
	model->classes = ml_alloc_zero(&model->ctx, spec->n_classes, sizeof(char *));
	if (model->classes == NULL)
		return ml_no_memory(err);
	for (int i = 0; i < spec->n_classes; i++)
	{
		if (i > 0 && strcmp(spec->classes[i - 1], spec->classes[i]) >= 0)
			return ml_fail(err, ML_BAD_PARAM, NULL, "classes are not in ascending order of their bytes");
		model->classes[i] = ml_strdup(&model->ctx, spec->classes[i]);
		model->n_classes = i + 1;
		if (model->classes[i] == NULL)
			return ml_no_memory(err);
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
		return ml_no_memory(err);
	model->n_columns = spec->n_columns;
	for (int i = 0; i < spec->n_columns && status == ML_OK; i++)
	{
		if (i > 0 && spec->columns[i - 1].is_offset && !spec->columns[i].is_offset)
			return ml_fail(err, ML_BAD_PARAM, NULL, "column \"%s\" comes after an offset", spec->columns[i].name);
		status = add_column(model, &model->columns[i], &spec->columns[i], err);
	}
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
		return ml_no_memory(err);
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
		ml_free(&ctx, model->columns[i].table);
		ml_free(&ctx, model->columns[i].knots);
		ml_free(&ctx, model->columns[i].shifts);
		ml_free(&ctx, model->columns[i].scales);
		ml_dictionary_clear(&ctx, &model->columns[i].categories);
	}
	if (model->class != NULL)
		model->class->free(&ctx, model->predictor);
	ml_model_parts_free(&ctx, model->parts);
	ml_calibrator_free(&ctx, model->calibrator);
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

	if (link < ML_LINK_IDENTITY || link > ML_LINK_INVERSE_SQUARED || task != model->task || model->link != 0 || model->class != NULL)
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
		return ml_no_memory(err);	/* what was allocated is freed with the model */
	if (count > 0)
		memcpy(model->coefficients, coefficients, count * sizeof(double));
	memcpy(model->intercepts, intercepts, n_outputs * sizeof(double));
	model->link = link;
	model->n_outputs = n_outputs;
	return ML_OK;
}

ml_status
ml_model_replace_linear(ml_model *model, const double *coefficients, const double *intercepts, ml_error *err)
{
	ml_link		link = model->link;

	if (link == 0)
		return ml_fail(err, ML_BAD_PARAM, NULL, "the model has no linear predictor");
	ml_free(&model->ctx, model->coefficients);
	ml_free(&model->ctx, model->intercepts);
	model->coefficients = NULL;
	model->intercepts = NULL;
	model->link = 0;
	return ml_model_set_linear(model, link, coefficients, intercepts, err);
}

ml_status
ml_model_set_predictor(ml_model *model, const ml_predictor_class *class, void *predictor, ml_error *err)
{
	if (model->link != 0 || model->class != NULL)
	{
		class->free(&model->ctx, predictor);
		return ml_fail(err, ML_BAD_PARAM, NULL, "the model has a predictor already");
	}
	model->class = class;
	model->predictor = predictor;
	return ML_OK;
}

ml_status
ml_model_set_calibrator(ml_model *model, struct ml_calibrator *calibrator, ml_error *err)
{
	if (model->n_classes < 2 || model->calibrator != NULL)
	{
		ml_calibrator_free(&model->ctx, calibrator);
		return ml_fail(err, ML_BAD_PARAM, NULL, "the model has no probabilities to be calibrated");
	}
	model->calibrator = calibrator;
	return ML_OK;
}

bool
ml_model_decides(const ml_model *model)
{
	return model->link == ML_LINK_LOGIT || model->link == ML_LINK_SOFTMAX || (model->class != NULL && model->class->decides);
}

/* ---- what a model is ----------------------------------------------------------------------------------------- */

const char *
ml_task_name(ml_task task)
{
	static const char *const names[] = {"", "regression", "binary", "multiclass", "clustering", "decomposition", "outlier"};

	return names[task];
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

		total += ((size_t) categories->mask + 1) * sizeof(int32_t) + (size_t) model->columns[i].n_knots * sizeof(double);
		for (int code = 0; code < categories->count; code++)
			total += categories->lengths[code] + 32;
	}
	if (model->class != NULL)
		total += model->class->memory(model->predictor);
	if (model->parts != NULL)
		total += ml_model_parts_memory(model->parts);
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
	return model->columns[column].has_fill || model->columns[column].keeps_missing;
}

void
ml_model_column_spec(const ml_model *model, int column, ml_column_spec *spec)
{
	const ml_column *c = &model->columns[column];

	*spec = (ml_column_spec) {
		.name = c->name, .type = c->type, .kind = c->kind, .has_fill = c->has_fill, .fill_number = c->fill_number,
		.fill_code = c->fill_code, .shift = c->shift, .scale = c->scale, .n_categories = c->categories.count,
		.categories = (const char *const *) c->categories.texts, .reference = c->reference,
		.unknown_is_zero = c->unknown_is_zero, .encoding = c->encoding, .keeps_missing = c->keeps_missing,
		.indicator = c->indicator, .length = c->length, .buckets = c->buckets, .parts = c->parts, .table = c->table,
		.unknown_value = c->unknown_value, .warp = c->warp, .lambda = c->lambda, .n_knots = c->n_knots, .knots = c->knots,
		.shifts = c->shifts, .scales = c->scales, .is_offset = c->is_offset
	};
}

bool
ml_model_column_is_offset(const ml_model *model, int column)
{
	return model->columns[column].is_offset;
}

int
ml_model_n_offsets(const ml_model *model)
{
	int			n = 0;

	while (n < model->n_columns && model->columns[model->n_columns - 1 - n].is_offset)
		n++;
	return n;
}

int
ml_model_column_length(const ml_model *model, int column)
{
	return model->columns[column].length;
}

bool
ml_model_column_is_raw(const ml_model *model, int column)
{
	const ml_column *c = &model->columns[column];

	return c->is_simple && (c->kind == ML_CATEGORICAL || (c->shift == 0 && c->scale == 1));
}

int
ml_model_column_first_term(const ml_model *model, int column)
{
	return model->columns[column].first_term;
}

int
ml_model_column_n_terms(const ml_model *model, int column)
{
	return model->columns[column].n_terms;
}

int
ml_model_column_fill_code(const ml_model *model, int column)
{
	return model->columns[column].has_fill ? model->columns[column].fill_code : -1;
}

int
ml_model_column_reference(const ml_model *model, int column)
{
	return model->columns[column].reference;
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

	if (column->kind != ML_CATEGORICAL || column->encoding != ML_ENCODE_PLAIN ||
		(column->indicator && code == column->n_terms - 1))
		return -1;
	return column->reference >= 0 && code >= column->reference ? code + 1 : code;
}

/* The name of the wanted-th bit that is set. */
static const char *
part_name(unsigned parts, int wanted)
{
	static const char *const names[] = {"epoch", "year", "month", "day", "dow", "doy", "hour", "minute"};

	for (int bit = 0; bit < 8; bit++)
		if ((parts & (1u << bit)) != 0 && wanted-- == 0)
			return names[bit];
	return "";
}

int
ml_model_term_name(const ml_model *model, int term, char *name, size_t size)
{
	const ml_column *column = &model->columns[ml_model_term_column(model, term)];
	int			place = term - column->first_term;
	int			code = ml_model_term_category(model, term);

	if (column->indicator && place == column->n_terms - 1)
		return snprintf(name, size, "%s is missing", column->name);
	if (code >= 0)
		return snprintf(name, size, "%s=%s", column->name, column->categories.texts[code]);
	if (column->encoding == ML_ENCODE_HASHING)
		return snprintf(name, size, "%s#%d", column->name, place);
	if (column->encoding == ML_ENCODE_DATE_PARTS)
		return snprintf(name, size, "%s.%s", column->name, part_name(column->parts, place));
	if (column->kind == ML_VECTOR)
		return snprintf(name, size, "%s[%d]", column->name, place + 1);
	return snprintf(name, size, "%s", column->name);
}

int
ml_model_width(const ml_model *model)
{
	if (model->n_classes > 0)
		return model->n_classes;
	return model->task == ML_DECOMPOSITION ? 0 : 1;
}

int
ml_model_n_components(const ml_model *model)
{
	if (model->parts != NULL)
		return ml_model_parts_n_components(model->parts);
	if (model->class == NULL || model->class->n_components == NULL)
		return 0;
	return model->class->n_components(model->predictor);
}

void
ml_model_get_shape(const ml_model *model, ml_model_shape *shape)
{
	shape->task = model->task;
	shape->n_terms = model->n_terms;
	shape->n_classes = model->n_classes;
	shape->width = ml_model_width(model);
}

const void *
ml_model_predictor(const ml_model *model, const ml_predictor_class *class)
{
	return model->class == class ? model->predictor : NULL;
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
