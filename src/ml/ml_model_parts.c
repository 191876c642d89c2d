/*
 * ml_model_parts.c: models made of models, one for each value of some columns.
 */
#include "ml/ml_model_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ml/ml_model_int.h"

#define MAX_PARTS	1000000
#define END			'\3'		/* of a value in a key */
#define NONE		'\2'		/* instead of a value */
#define ESCAPE		'\1'		/* before a byte up to this … */
#define ESCAPED		'\20'		/* … which has this added */

struct ml_model_parts
{
	int			n_keys;
	int			n;
	ml_dictionary keys;			/* (n) */
	ml_model  **models;			/* (n) */
	int		  **classes;		/* (n) to the class of the whole; NULL: the same classes */
	size_t		longest_key;	/* with its NUL */
	size_t		workspace;		/* of one part, at most */
	int			n_components;	/* 0 if they differ */
};

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void
put_byte(char *key, size_t size, size_t *length, char byte)
{
	if (*length + 1 < size)
		key[*length] = byte;
	(*length)++;
}

size_t
ml_part_key(const ml_text *values, int n, char *key, size_t size)
{
	size_t		length = 0;

	for (int i = 0; i < n; i++)
	{
		if (values[i].data == NULL)
			put_byte(key, size, &length, NONE);
		for (size_t k = 0; values[i].data != NULL && k < values[i].length; k++)
		{
			unsigned char byte = (unsigned char) values[i].data[k];

			if (byte <= (unsigned char) END)
				put_byte(key, size, &length, ESCAPE);
			put_byte(key, size, &length, (char) (byte <= (unsigned char) END ? byte + ESCAPED : byte));
		}
		put_byte(key, size, &length, END);
	}
	if (size > 0)
		key[length < size ? length : size - 1] = '\0';
	return length;
}

/* ---- making -------------------------------------------------------------------------------------------------------- */

/* Whether two parts have the same columns, so that the values of one stand for the other's. */
static bool
same_columns(const ml_model *a, const ml_model *b)
{
	if (a->n_columns != b->n_columns)
		return false;
	for (int i = 0; i < a->n_columns; i++)
		if (strcmp(a->columns[i].name, b->columns[i].name) != 0 || a->columns[i].kind != b->columns[i].kind ||
			strcmp(a->columns[i].type, b->columns[i].type) != 0 || a->columns[i].length != b->columns[i].length ||
			a->columns[i].is_offset != b->columns[i].is_offset)
			return false;
	return true;
}

/* The index of a class of the whole, -1: it has none of that name. */
static int
class_index(const ml_model *model, const char *name)
{
	int			low = 0;
	int			high = model->n_classes - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			order = strcmp(name, model->classes[middle]);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

/* Finds where the classes of a part are among those of the whole. */
static ml_status
map_classes(const ml_model *model, ml_model_parts *parts, int part, ml_error *err)
{
	const ml_model *m = parts->models[part];
	bool		same = m->n_classes == model->n_classes;

	if ((m->n_classes == 0) != (model->n_classes == 0))
		return ml_fail(err, ML_BAD_PARAM, NULL, "part %d has another task than the model", part);
	if (m->n_classes == 0)
		return ML_OK;
	parts->classes[part] = ml_alloc(&model->ctx, m->n_classes, sizeof(int));
	if (parts->classes[part] == NULL)
		return ml_no_memory(err);
	for (int k = 0; k < m->n_classes; k++)
	{
		int			index = class_index(model, m->classes[k]);

		if (index < 0)
			return ml_fail(err, ML_BAD_PARAM, NULL, "part %d has a class that the model has not", part);
		parts->classes[part][k] = index;
		same &= index == k;
	}
	if (same)
	{
		ml_free(&model->ctx, parts->classes[part]);
		parts->classes[part] = NULL;
	}
	return ML_OK;
}

/* Derives what follows from the models; checks that they fit the whole and each other. */
static ml_status
settle(const ml_model *model, ml_model_parts *parts, ml_error *err)
{
	ml_status	status = ML_OK;

	parts->n_components = ml_model_n_components(parts->models[0]);
	for (int i = 0; i < parts->n && status == ML_OK; i++)
	{
		const ml_model *part = parts->models[i];
		size_t		bytes = ml_model_workspace(part);

		if (part->parts != NULL || !same_columns(part, parts->models[0]) ||
			part->n_columns != model->n_columns - parts->n_keys ||
			(part->link == 0) != (parts->models[0]->link == 0) || part->class != parts->models[0]->class ||
			(model->n_classes == 0 && part->task != model->task))
			return ml_fail(err, ML_BAD_PARAM, NULL, "part %d does not fit the others", i);
		for (int j = 0; j < part->n_columns; j++)
		{
			const ml_column *mine = &model->columns[parts->n_keys + j];

			if (strcmp(part->columns[j].name, mine->name) != 0 || part->columns[j].kind != mine->kind ||
				part->columns[j].length != mine->length)
				return ml_fail(err, ML_BAD_PARAM, NULL, "part %d has other columns than the model", i);
		}
		status = map_classes(model, parts, i, err);
		parts->workspace = bytes > parts->workspace ? bytes : parts->workspace;
		if (ml_model_n_components(part) != parts->n_components)
			parts->n_components = 0;
		if (parts->keys.lengths[i] + 1 > parts->longest_key)
			parts->longest_key = parts->keys.lengths[i] + 1;
	}
	return status;
}

/* Room for n parts, their models all NULL; NULL: no memory. */
static ml_model_parts *
new_parts(const ml_ctx *ctx, int n_keys, int n)
{
	ml_model_parts   *parts = ml_alloc_zero(ctx, 1, sizeof(ml_model_parts));

	if (parts == NULL)
		return NULL;
	parts->n_keys = n_keys;
	parts->n = n;
	parts->models = ml_alloc_zero(ctx, n, sizeof(ml_model *));
	parts->classes = ml_alloc_zero(ctx, n, sizeof(int *));
	if (parts->models != NULL && parts->classes != NULL)
		return parts;
	parts->n = 0;
	ml_model_parts_free(ctx, parts);
	return NULL;
}

static int
compare_classes(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* All classes of the parts, ascending, into *classes (borrowed texts); false: no memory. */
static bool
all_classes(const ml_ctx *ctx, ml_model *const *models, int n, const char ***classes, int *n_classes)
{
	size_t		total = 0;
	int			kept = 0;

	for (int i = 0; i < n; i++)
		total += models[i]->n_classes;
	*n_classes = 0;
	*classes = ml_alloc(ctx, total + 1, sizeof(char *));
	if (*classes == NULL)
		return false;
	total = 0;
	for (int i = 0; i < n; i++)
		for (int k = 0; k < models[i]->n_classes; k++)
			(*classes)[total++] = models[i]->classes[k];
	if (total > 1)
		qsort((void *) *classes, total, sizeof(char *), compare_classes);
	for (size_t k = 0; k < total; k++)
		if (kept == 0 || strcmp((*classes)[kept - 1], (*classes)[k]) != 0)
			(*classes)[kept++] = (*classes)[k];
	*n_classes = kept;
	return true;
}

/* The columns of the whole: they take what comes, for the parts look at it. */
static void
describe_columns(ml_column_spec *columns, int n_keys, const char *const *key_names, const char *const *key_types,
				 const ml_model *part)
{
	for (int i = 0; i < n_keys + part->n_columns; i++)
	{
		const ml_column *column = i < n_keys ? NULL : &part->columns[i - n_keys];

		memset(&columns[i], 0, sizeof(ml_column_spec));
		columns[i].name = column ? column->name : key_names[i];
		columns[i].type = column ? column->type : key_types[i];
		columns[i].kind = column ? column->kind : ML_CATEGORICAL;
		columns[i].scale = 1;
		columns[i].reference = -1;
		columns[i].keeps_missing = true;
		columns[i].length = column ? column->length : 1;
		if (columns[i].kind == ML_CATEGORICAL)
		{
			columns[i].encoding = ML_ENCODE_HASHING;
			columns[i].buckets = 1;
		}
	}
}

static ml_status
make_whole(const ml_ctx *ctx, int n_keys, const char *const *key_names, const char *const *key_types, int n,
		   ml_model *const *models, ml_model **model, ml_error *err)
{
	const ml_model *first = models[0];
	ml_column_spec *columns = ml_alloc(ctx, (size_t) n_keys + first->n_columns, sizeof(ml_column_spec));
	const char **classes = NULL;
	ml_model_spec spec = {0};
	ml_status	status;

	if (columns == NULL || !all_classes(ctx, models, n, &classes, &spec.n_classes))
	{
		ml_free(ctx, columns);
		return ml_no_memory(err);
	}
	describe_columns(columns, n_keys, key_names, key_types, first);
	spec.algorithm = first->algorithm;
	spec.task = spec.n_classes > 2 ? ML_MULTICLASS : spec.n_classes == 2 ? ML_BINARY : first->task;
	spec.target = first->target;
	spec.target_type = first->target_type;
	spec.n_columns = n_keys + first->n_columns;
	spec.columns = columns;
	spec.classes = classes;
	status = ml_model_new(ctx, &spec, model, err);
	ml_free(ctx, columns);
	ml_free(ctx, (void *) classes);
	return status;
}

ml_status
ml_model_of_parts(const ml_ctx *ctx, int n_keys, const char *const *key_names, const char *const *key_types, int n,
				  const char *const *keys, ml_model **models, ml_model **model, ml_error *err)
{
	ml_model_parts   *parts = n > 0 ? new_parts(ctx, n_keys, n) : NULL;
	ml_status	status;

	*model = NULL;
	if (parts == NULL)
	{
		for (int i = 0; i < n; i++)
			ml_model_free(models[i]);
		return n > 0 ? ml_no_memory(err) : ml_fail(err, ML_BAD_PARAM, NULL, "a model cannot have %d parts", n);
	}
	memcpy(parts->models, models, n * sizeof(ml_model *));
	status = n_keys < 1 || n > MAX_PARTS ? ml_fail(err, ML_BAD_PARAM, NULL, "a model cannot have %d parts by %d columns", n, n_keys) :
		ml_dictionary_make(ctx, &parts->keys, n, keys, err);
	if (status == ML_OK)
		status = make_whole(ctx, n_keys, key_names, key_types, n, models, model, err);
	if (status == ML_OK)
		status = settle(*model, parts, err);
	if (status == ML_OK)
	{
		(*model)->parts = parts;
		return ML_OK;
	}
	ml_model_parts_free(ctx, parts);
	ml_model_free(*model);
	*model = NULL;
	return status;
}

void
ml_model_parts_free(const ml_ctx *ctx, ml_model_parts *parts)
{
	if (parts == NULL)
		return;
	for (int i = 0; i < parts->n; i++)
	{
		ml_model_free(parts->models[i]);
		ml_free(ctx, parts->classes[i]);
	}
	ml_dictionary_clear(ctx, &parts->keys);
	ml_free(ctx, parts->models);
	ml_free(ctx, (void *) parts->classes);
	ml_free(ctx, parts);
}

/* ---- what it is ---------------------------------------------------------------------------------------------------- */

int
ml_model_n_parts(const ml_model *model)
{
	return model->parts ? model->parts->n : 0;
}

int
ml_model_n_keys(const ml_model *model)
{
	return model->parts ? model->parts->n_keys : 0;
}

int
ml_model_parts_n_components(const ml_model_parts *parts)
{
	return parts->n_components;
}

size_t
ml_model_parts_memory(const ml_model_parts *parts)
{
	size_t		total = sizeof(ml_model_parts) + (size_t) parts->n * (sizeof(ml_model *) + 64);

	for (int i = 0; i < parts->n; i++)
		total += ml_model_memory(parts->models[i]) + parts->keys.lengths[i];
	return total;
}

/* ---- prediction ------------------------------------------------------------------------------------------------------ */

static size_t
rounded(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

/* What a part's predictions need before they are put among the classes of the whole, if they have to be. */
static size_t
spread_bytes(const ml_model_parts *parts)
{
	int			width = 0;

	for (int i = 0; i < parts->n; i++)
		if (parts->classes[i] != NULL && parts->models[i]->n_classes > width)
			width = parts->models[i]->n_classes;
	return rounded((size_t) width * ML_PREDICT_ROWS * sizeof(double));
}

size_t
ml_model_parts_workspace(const ml_model_parts *parts)
{
	return rounded(parts->longest_key) + rounded(sizeof(ml_text) * parts->n_keys) + spread_bytes(parts) + rounded(parts->workspace);
}

/* The part of a row; -1: none has its key. */
static int
find_part(const ml_model_parts *parts, const ml_values *columns, size_t row, ml_text *values, char *key)
{
	size_t		length;

	for (int i = 0; i < parts->n_keys; i++)
	{
		bool		is_null = columns[i].nulls != NULL && columns[i].nulls[row];

		values[i] = is_null ? (ml_text) {NULL, 0} : columns[i].texts[row];
	}
	length = ml_part_key(values, parts->n_keys, key, parts->longest_key);
	return length < parts->longest_key ? ml_dictionary_find(&parts->keys, key, length) : -1;
}

/* The key column that tells why a row has no part: the first that is NULL, else the last. */
static ml_row_state
without_part(const ml_model_parts *parts, const ml_values *columns, size_t row)
{
	for (int i = 0; i < parts->n_keys; i++)
		if (columns[i].nulls != NULL && columns[i].nulls[row])
			return (ml_row_state) {ML_PROBLEM_NULL, i};
	return (ml_row_state) {ML_PROBLEM_CATEGORY, parts->n_keys - 1};
}

static ml_status
spoil_row(const ml_model *model, const ml_values *columns, size_t row, size_t width, double *out, ml_row_state *state,
		  ml_error *err)
{
	ml_row_state problem = without_part(model->parts, columns, row);

	if (state == NULL)
		return problem.problem == ML_PROBLEM_NULL
			? ml_fail(err, ML_BAD_DATA, NULL, "column \"%s\" is NULL, and the model has no part for that", model->columns[problem.column].name)
			: ml_fail(err, ML_BAD_DATA, NULL, "the model has no part for the value of column \"%s\"", model->columns[problem.column].name);
	*state = problem;
	for (size_t k = 0; k < width; k++)
		out[k] = NAN;
	return ML_OK;
}

typedef struct part_run
{
	const ml_model *model;
	bool		transform;
	size_t		width;
	double	   *spread;
	void	   *workspace;		/* of the part */
} part_run;

/* Rows of one part, at most ML_PREDICT_ROWS. */
static ml_status
run_part(const part_run *run, int part, const ml_values *columns, size_t first, size_t n, double *out, ml_row_state *rows,
		 ml_error *err)
{
	const ml_model_parts *parts = run->model->parts;
	const ml_model *m = parts->models[part];
	const int  *classes = run->transform ? NULL : parts->classes[part];
	double	   *to = classes ? run->spread : out;
	ml_status	status = run->transform
		? ml_model_transform_in(m, columns + parts->n_keys, first, n, to, rows, run->workspace, err)
		: ml_model_predict_in(m, columns + parts->n_keys, first, n, to, rows, run->workspace, err);

	if (status != ML_OK)
		return status;
	for (size_t i = 0; rows != NULL && i < n; i++)
		if (rows[i].problem != ML_PROBLEM_NONE)
			rows[i].column += parts->n_keys;
	for (size_t i = 0; classes != NULL && i < n; i++)
	{
		for (size_t k = 0; k < run->width; k++)
			out[i * run->width + k] = 0;
		for (int k = 0; k < m->n_classes; k++)
			out[i * run->width + classes[k]] = to[i * m->n_classes + k];
	}
	return ML_OK;
}

ml_status
ml_model_parts_run(const ml_model *model, bool transform, const ml_values *columns, size_t first, size_t n, double *out,
			 ml_row_state *rows, void *workspace, ml_error *err)
{
	const ml_model_parts *parts = model->parts;
	char	   *at = workspace;
	char	   *key = at;
	ml_text    *values = (ml_text *) (at += rounded(parts->longest_key));
	double	   *spread = (double *) (at += rounded(sizeof(ml_text) * parts->n_keys));
	part_run	run = {model, transform, transform ? (size_t) parts->n_components : (size_t) ml_model_width(model), spread,
		at + spread_bytes(parts)
	};
	ml_status	status = ML_OK;
	int			part = n > 0 ? find_part(parts, columns, first, values, key) : -1;

	for (size_t i = 0; i < n && status == ML_OK;)
	{
		size_t		end = i + 1;
		int			next = -1;

		while (end < n && end - i < ML_PREDICT_ROWS && (next = find_part(parts, columns, first + end, values, key)) == part)
			end++;
		if (part < 0)
			for (size_t k = i; k < end && status == ML_OK; k++)
				status = spoil_row(model, columns, first + k, run.width, out + k * run.width, rows ? &rows[k] : NULL, err);
		else
			status = run_part(&run, part, columns, first + i, end - i, out + i * run.width, rows ? rows + i : NULL, err);
		if (end < n && end - i < ML_PREDICT_ROWS)
			part = next;
		i = end;
	}
	return status;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------ */

void
ml_model_parts_save(const ml_model_parts *parts, ml_writer *w)
{
	ml_put_u32(w, (uint32_t) parts->n_keys);
	ml_put_u32(w, (uint32_t) parts->n);
	for (int i = 0; i < parts->n && !w->failed; i++)
	{
		unsigned char *bytes;
		size_t		length;
		ml_error	err;

		ml_put_text(w, parts->keys.texts[i]);
		if (ml_model_save(w->ctx, parts->models[i], &bytes, &length, &err) != ML_OK)
		{
			w->failed = true;	/* there was no memory: the only failure that saving knows */
			return;
		}
		ml_put_u64(w, length);
		ml_put_bytes(w, bytes, length);
		ml_free(w->ctx, bytes);
	}
}

/* Reads one part; its model may not be made of parts itself. */
static ml_status
load_part(const ml_ctx *ctx, ml_reader *r, char **key, ml_model **model, ml_error *err)
{
	bool		failed = false;
	const unsigned char *bytes;
	uint64_t	length;

	*key = ml_get_text(r, ctx, &failed);
	length = ml_get_u64(r);
	bytes = length <= r->length - r->at ? ml_get_bytes(r, length) : NULL;
	if (failed)
		return ml_no_memory(err);
	if (*key == NULL || bytes == NULL || r->failed)
		return ml_fail(err, ML_BAD_MODEL, NULL, "the stored model is damaged");
	return ml_model_load_part(ctx, bytes, length, model, err);
}

ml_status
ml_model_parts_load(ml_model *model, ml_reader *r, ml_error *err)
{
	const ml_ctx *ctx = &model->ctx;
	uint32_t	n_keys = ml_get_u32(r);
	uint32_t	n = ml_get_count(r, 4 + 8);
	ml_model_parts   *parts;
	char	  **keys;
	ml_status	status = ML_OK;

	if (r->failed || n < 1 || n > MAX_PARTS || n_keys < 1 || n_keys > (uint32_t) model->n_columns)
		return ml_fail(err, ML_BAD_MODEL, NULL, "the stored model is damaged");
	parts = new_parts(ctx, (int) n_keys, (int) n);
	keys = ml_alloc_zero(ctx, n, sizeof(char *));
	if (parts == NULL || keys == NULL)
		status = ml_no_memory(err);
	for (uint32_t i = 0; i < n && status == ML_OK; i++)
		status = load_part(ctx, r, &keys[i], &parts->models[i], err);
	if (status == ML_OK)
		status = ml_dictionary_make(ctx, &parts->keys, (int) n, (const char *const *) keys, err);
	if (status == ML_OK)
		status = settle(model, parts, err);
	for (uint32_t i = 0; keys != NULL && i < n; i++)
		ml_free(ctx, keys[i]);
	ml_free(ctx, keys);
	if (status == ML_OK)
		model->parts = parts;
	else
		ml_model_parts_free(ctx, parts);
	return status;
}
