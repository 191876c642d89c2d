/*
 * ml_model_io.c: a model as bytes, and safely back.
 *
 * Layout, all integers little-endian, texts as length (u32) and bytes without NUL:
 *   "MDLMODEL", u32 format version, u64 length of the whole, u32 CRC-32C of what follows,
 *   then sections, each u32 tag, u64 length of its payload, payload:
 *     HEAD  algorithm, u32 task, target, target type, u32 columns, u32 classes, u32 1 if LINR follows, 2 PRED, 3 PART
 *     COLS  per column: name, type, u8 kind, u8 encoding, u8 flags, f64 fill, u32 fill code, f64 shift, f64 scale,
 *           u32 reference + 1, f64 value of unknown categories, u32 length, u32 buckets, u32 parts, u8 warp, f64 lambda,
 *           u32 knots, the knots, u32 categories, the categories, [the table], [shifts, scales]
 *     CLAS  the classes
 *     LINR  u32 link, u32 outputs, u32 terms, intercepts, coefficients
 *     PRED  the name of the predictor's class, what the class writes
 *     PART  u32 key columns, u32 parts, per part: key, u64 length, a whole model as here
 *     CALI  u8 method, u8 of log odds, sigmoids, u32 knots of each map, their x, their y; only if probabilities are calibrated
 * Version 1 had columns without encoding … knots, table, shifts and scales; it is read, not written.
 */
#include "ml/ml_model_int.h"

#include <string.h>

#include "ml/ml_calibrator.h"

#define FORMAT_VERSION	2

static const char magic[ML_MAGIC_SIZE] = {'M', 'D', 'L', 'M', 'O', 'D', 'E', 'L'};

enum
{
	TAG_HEAD = 0x44414548,
	TAG_COLS = 0x534c4f43,
	TAG_CLAS = 0x53414c43,
	TAG_LINR = 0x524e494c,
	TAG_PRED = 0x44455250,
	TAG_PART = 0x54524150,
	TAG_CALI = 0x494c4143
};

enum
{
	FLAG_FILL = 1,
	FLAG_UNKNOWN_IS_ZERO = 2,
	FLAG_KEEPS_MISSING = 4,
	FLAG_INDICATOR = 8,
	FLAG_TABLE = 16,
	FLAG_SCALES = 32,
	FLAG_OFFSET = 64,
	FLAGS = 127
};

enum
{
	NO_PREDICTOR = 0,
	LINEAR_PREDICTOR,
	OTHER_PREDICTOR,
	PARTS
};

/* What a column takes at least, by format version. */
static const size_t least_column_bytes[FORMAT_VERSION + 1] = {0, 47, 80};

/* ---- writing ------------------------------------------------------------------------------------------------- */

static size_t
begin_section(ml_writer *w, uint32_t tag)
{
	ml_put_u32(w, tag);
	ml_put_u64(w, 0);
	return w->length;
}

static void
end_section(ml_writer *w, size_t start)
{
	ml_patch_u64(w, start - 8, w->length - start);
}

static uint8_t
column_flags(const ml_column *column)
{
	return (uint8_t) ((column->has_fill ? FLAG_FILL : 0) | (column->unknown_is_zero ? FLAG_UNKNOWN_IS_ZERO : 0) |
					  (column->keeps_missing ? FLAG_KEEPS_MISSING : 0) | (column->indicator ? FLAG_INDICATOR : 0) |
					  (column->table ? FLAG_TABLE : 0) | (column->shifts ? FLAG_SCALES : 0) |
					  (column->is_offset ? FLAG_OFFSET : 0));
}

static void
put_column(ml_writer *w, const ml_column *column)
{
	ml_put_text(w, column->name);
	ml_put_text(w, column->type);
	ml_put_u8(w, (uint8_t) column->kind);
	ml_put_u8(w, (uint8_t) column->encoding);
	ml_put_u8(w, column_flags(column));
	ml_put_double(w, column->fill_number);
	ml_put_u32(w, (uint32_t) column->fill_code);
	ml_put_double(w, column->shift);
	ml_put_double(w, column->scale);
	ml_put_u32(w, (uint32_t) (column->reference + 1));
	ml_put_double(w, column->unknown_value);
	ml_put_u32(w, (uint32_t) column->length);
	ml_put_u32(w, (uint32_t) column->buckets);
	ml_put_u32(w, column->parts);
	ml_put_u8(w, (uint8_t) column->warp);
	ml_put_double(w, column->lambda);
	ml_put_u32(w, (uint32_t) column->n_knots);
	ml_put_doubles(w, column->knots, column->n_knots);
	ml_put_u32(w, (uint32_t) column->categories.count);
	for (int i = 0; i < column->categories.count; i++)
		ml_put_text(w, column->categories.texts[i]);
	if (column->table != NULL)
		ml_put_doubles(w, column->table, column->categories.count);
	if (column->shifts != NULL)
	{
		int			n = ml_column_scales(column->kind, column->encoding, column->length, column->parts);

		ml_put_doubles(w, column->shifts, n);
		ml_put_doubles(w, column->scales, n);
	}
}

static void
put_sections(ml_writer *w, const ml_model *model)
{
	size_t		start = begin_section(w, TAG_HEAD);

	ml_put_text(w, model->algorithm);
	ml_put_u32(w, model->task);
	ml_put_text(w, model->target);
	ml_put_text(w, model->target_type);
	ml_put_u32(w, (uint32_t) model->n_columns);
	ml_put_u32(w, (uint32_t) model->n_classes);
	ml_put_u32(w, model->link != 0 ? LINEAR_PREDICTOR : model->class != NULL ? OTHER_PREDICTOR :
			   model->parts != NULL ? PARTS : NO_PREDICTOR);
	end_section(w, start);

	start = begin_section(w, TAG_COLS);
	for (int i = 0; i < model->n_columns; i++)
		put_column(w, &model->columns[i]);
	end_section(w, start);

	start = begin_section(w, TAG_CLAS);
	for (int i = 0; i < model->n_classes; i++)
		ml_put_text(w, model->classes[i]);
	end_section(w, start);

	if (model->link != 0)
	{
		start = begin_section(w, TAG_LINR);
		ml_put_u32(w, model->link);
		ml_put_u32(w, (uint32_t) model->n_outputs);
		ml_put_u32(w, (uint32_t) model->n_terms);
		ml_put_doubles(w, model->intercepts, model->n_outputs);
		ml_put_doubles(w, model->coefficients, (size_t) model->n_outputs * model->n_terms);
		end_section(w, start);
	}
	else if (model->class != NULL)
	{
		ml_model_shape shape;

		ml_model_get_shape(model, &shape);
		start = begin_section(w, TAG_PRED);
		ml_put_text(w, model->class->name);
		model->class->save(model->predictor, &shape, w);
		end_section(w, start);
	}
	else if (model->parts != NULL)
	{
		start = begin_section(w, TAG_PART);
		ml_model_parts_save(model->parts, w);
		end_section(w, start);
	}
	if (model->calibrator != NULL)
	{
		start = begin_section(w, TAG_CALI);
		ml_calibrator_save(model->calibrator, w);
		end_section(w, start);
	}
}

ml_status
ml_model_save(const ml_ctx *ctx, const ml_model *model, unsigned char **bytes, size_t *length, ml_error *err)
{
	ml_writer	w = {ctx, NULL, 0, 0, false};

	ml_put_header(&w, magic, FORMAT_VERSION);
	put_sections(&w, model);
	return ml_writer_finish(&w, bytes, length, err);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

/*
 * What is read before the model can be made: a spec whose arrays and strings are ours to free.
 */
typedef struct loading
{
	const ml_ctx *ctx;
	ml_reader	r;
	bool		no_memory;
	ml_model_spec spec;
	ml_column_spec *columns;
	char	  **classes;
	uint32_t	version;
	uint32_t	predictor;
	bool		is_part;		/* of another model */
} loading;

static void *
load_array(loading *l, size_t count, size_t size)
{
	void	   *array = l->r.failed ? NULL : ml_alloc_zero(l->ctx, count, size);

	if (array == NULL && !l->r.failed)
		l->no_memory = true;
	return array;
}

/* True when reading may go on. */
static bool
going(const loading *l)
{
	return !l->r.failed && !l->no_memory;
}

/* Enters a section: its payload becomes the bound of the reader until leave_section. */
static size_t
enter_section(loading *l, uint32_t tag)
{
	size_t		outer = l->r.length;
	uint64_t	length;

	if (ml_get_u32(&l->r) != tag)
		l->r.failed = true;
	length = ml_get_u64(&l->r);
	if (length > l->r.length - l->r.at)
		l->r.failed = true;
	if (!l->r.failed)
		l->r.length = l->r.at + (size_t) length;
	return outer;
}

static void
leave_section(loading *l, size_t outer)
{
	if (l->r.at != l->r.length)
		l->r.failed = true;
	l->r.length = outer;
}

static void
load_head(loading *l)
{
	size_t		outer = enter_section(l, TAG_HEAD);
	uint32_t	n_columns;
	uint32_t	n_classes;

	l->spec.algorithm = ml_get_text(&l->r, l->ctx, &l->no_memory);
	l->spec.task = (ml_task) ml_get_u32(&l->r);
	l->spec.target = ml_get_text(&l->r, l->ctx, &l->no_memory);
	l->spec.target_type = ml_get_text(&l->r, l->ctx, &l->no_memory);
	n_columns = ml_get_u32(&l->r);
	n_classes = ml_get_u32(&l->r);
	l->predictor = ml_get_u32(&l->r);
	leave_section(l, outer);
	/* A class takes at least 4 bytes: so what was given bounds what is allocated. */
	if (n_columns > ML_MAX_COLUMNS || n_columns > l->r.length / least_column_bytes[l->version] || n_classes > l->r.length / 4 ||
		l->spec.task < ML_REGRESSION || l->spec.task > ML_N_TASKS)
		l->r.failed = true;
	l->columns = load_array(l, n_columns, sizeof(ml_column_spec));
	l->classes = load_array(l, n_classes, sizeof(char *));
	if (!going(l))
		return;
	l->spec.n_columns = (int) n_columns;
	l->spec.columns = l->columns;
	l->spec.n_classes = (int) n_classes;
	l->spec.classes = (const char *const *) l->classes;
}

/* An array of numbers, as far as there are bytes for it; NULL for none. */
static double *
load_numbers(loading *l, size_t count)
{
	double	   *numbers;

	if (count == 0 || count > (l->r.length - l->r.at) / sizeof(double))
	{
		l->r.failed |= count > 0;
		return NULL;
	}
	numbers = load_array(l, count, sizeof(double));
	if (numbers != NULL)
		ml_get_doubles(&l->r, numbers, count);
	return numbers;
}

static void
load_categories(loading *l, ml_column_spec *column)
{
	uint32_t	count = ml_get_count(&l->r, 4);
	char	  **categories = load_array(l, count, sizeof(char *));

	column->categories = (const char *const *) categories;
	for (uint32_t i = 0; i < count && going(l); i++)
	{
		categories[i] = ml_get_text(&l->r, l->ctx, &l->no_memory);
		column->n_categories = (int) i + 1;
	}
}

/* What version 2 added before the categories. */
static void
load_encoding(loading *l, ml_column_spec *column)
{
	uint32_t	length;

	column->unknown_value = ml_get_double(&l->r);
	length = ml_get_u32(&l->r);
	column->buckets = (int) ml_get_u32(&l->r);
	column->parts = ml_get_u32(&l->r);
	column->warp = (ml_warp) ml_get_u8(&l->r);
	column->lambda = ml_get_double(&l->r);
	column->n_knots = (int) ml_get_count(&l->r, sizeof(double));
	column->knots = load_numbers(l, column->n_knots);
	if (length < 1 || length > ML_MAX_TERMS || column->buckets < 0 || column->buckets > ML_MAX_TERMS)
		l->r.failed = true;
	column->length = (int) length;
}

static void
load_column(loading *l, ml_column_spec *column)
{
	uint8_t		flags;
	uint32_t	reference;

	column->name = ml_get_text(&l->r, l->ctx, &l->no_memory);
	column->type = ml_get_text(&l->r, l->ctx, &l->no_memory);
	column->kind = (ml_kind) ml_get_u8(&l->r);
	if (l->version > 1)
		column->encoding = (ml_encoding) ml_get_u8(&l->r);
	flags = ml_get_u8(&l->r);
	column->has_fill = (flags & FLAG_FILL) != 0;
	column->unknown_is_zero = (flags & FLAG_UNKNOWN_IS_ZERO) != 0;
	column->keeps_missing = (flags & FLAG_KEEPS_MISSING) != 0;
	column->indicator = (flags & FLAG_INDICATOR) != 0;
	column->is_offset = (flags & FLAG_OFFSET) != 0;
	column->fill_number = ml_get_double(&l->r);
	column->fill_code = (int32_t) ml_get_u32(&l->r);
	column->shift = ml_get_double(&l->r);
	column->scale = ml_get_double(&l->r);
	reference = ml_get_u32(&l->r);
	if (l->version > 1)
		load_encoding(l, column);
	load_categories(l, column);
	if (reference > (uint32_t) column->n_categories || (flags & ~FLAGS) != 0 ||
		(column->n_categories > 0) != (column->kind == ML_CATEGORICAL && column->encoding != ML_ENCODE_HASHING))
		l->r.failed = true;
	column->reference = (int) (reference - 1);	/* also of damaged bytes, which are refused later */
	if (flags & FLAG_TABLE)
		column->table = load_numbers(l, column->n_categories);
	if (flags & FLAG_SCALES)
	{
		int			n = ml_column_scales(column->kind, column->encoding, column->length, column->parts);

		column->shifts = load_numbers(l, n);
		column->scales = load_numbers(l, n);
	}
}

static void
load_body(loading *l)
{
	size_t		outer = enter_section(l, TAG_COLS);

	for (int i = 0; i < l->spec.n_columns && going(l); i++)
		load_column(l, &l->columns[i]);
	if (!going(l))
		return;
	leave_section(l, outer);
	outer = enter_section(l, TAG_CLAS);
	for (int i = 0; i < l->spec.n_classes && going(l); i++)
		l->classes[i] = ml_get_text(&l->r, l->ctx, &l->no_memory);
	if (going(l))
		leave_section(l, outer);
}

static ml_status
load_linear(loading *l, ml_model *model, ml_error *err)
{
	size_t		outer = enter_section(l, TAG_LINR);
	ml_link		link = (ml_link) ml_get_u32(&l->r);
	uint32_t	n_outputs = ml_get_u32(&l->r);
	uint32_t	n_terms = ml_get_u32(&l->r);
	size_t		count = (size_t) n_outputs * ((size_t) n_terms + 1);
	double	   *numbers;
	ml_status	status = ML_BAD_MODEL;

	if (n_terms != (uint32_t) model->n_terms || n_outputs == 0 ||
		n_outputs != (uint32_t) (link == ML_LINK_SOFTMAX ? model->n_classes : 1) ||
		count != (l->r.length - l->r.at) / 8)
		l->r.failed = true;
	numbers = load_array(l, count, sizeof(double));
	if (numbers != NULL)
	{
		ml_get_doubles(&l->r, numbers, count);
		leave_section(l, outer);
		if (!l->r.failed)
			status = ml_model_set_linear(model, link, numbers + n_outputs, numbers, err);
		ml_free(l->ctx, numbers);
	}
	return status;
}

/* A predictor of a class of its own, which checks what it reads. */
static ml_status
load_predictor(loading *l, ml_model *model, ml_error *err)
{
	size_t		outer = enter_section(l, TAG_PRED);
	char	   *name = ml_get_text(&l->r, l->ctx, &l->no_memory);
	const ml_predictor_class *class = name ? ml_predictor_class_find(name) : NULL;
	ml_status	status = ML_BAD_MODEL;
	void	   *predictor = NULL;
	ml_model_shape shape;

	ml_free(l->ctx, name);
	if (!going(l) || class == NULL)
		return ML_BAD_MODEL;
	ml_model_get_shape(model, &shape);
	status = class->load(l->ctx, &l->r, &shape, &predictor);
	if (status == ML_OK)
		leave_section(l, outer);
	if (status != ML_OK || l->r.failed)
	{
		class->free(l->ctx, predictor);
		return status == ML_OK ? ML_BAD_MODEL : status;
	}
	return ml_model_set_predictor(model, class, predictor, err);
}

static ml_status
load_parts(loading *l, ml_model *model, ml_error *err)
{
	size_t		outer = enter_section(l, TAG_PART);
	ml_status	status = ML_BAD_MODEL;

	if (going(l))
		status = ml_model_parts_load(model, &l->r, err);
	if (status == ML_OK)
		leave_section(l, outer);
	return status;
}

static ml_status
load_calibrator(loading *l, ml_model *model, ml_error *err)
{
	size_t		outer = enter_section(l, TAG_CALI);
	ml_calibrator *calibrator = NULL;
	ml_status	status = going(l) ? ml_calibrator_load(l->ctx, &l->r, model->n_classes, &calibrator) : ML_BAD_MODEL;

	if (status == ML_OK)
		leave_section(l, outer);
	if (status != ML_OK || l->r.failed)
	{
		ml_calibrator_free(l->ctx, calibrator);
		return status == ML_OK ? ML_BAD_MODEL : status;
	}
	return ml_model_set_calibrator(model, calibrator, err);
}

static void
free_loading(loading *l)
{
	ml_free(l->ctx, (void *) l->spec.algorithm);
	ml_free(l->ctx, (void *) l->spec.target);
	ml_free(l->ctx, (void *) l->spec.target_type);
	for (int i = 0; i < l->spec.n_columns; i++)
	{
		ml_free(l->ctx, (void *) l->columns[i].name);
		ml_free(l->ctx, (void *) l->columns[i].type);
		for (int code = 0; code < l->columns[i].n_categories; code++)
			ml_free(l->ctx, (void *) l->columns[i].categories[code]);
		ml_free(l->ctx, (void *) l->columns[i].categories);
		ml_free(l->ctx, (void *) l->columns[i].knots);
		ml_free(l->ctx, (void *) l->columns[i].table);
		ml_free(l->ctx, (void *) l->columns[i].shifts);
		ml_free(l->ctx, (void *) l->columns[i].scales);
	}
	for (int i = 0; i < l->spec.n_classes; i++)
		ml_free(l->ctx, l->classes[i]);
	ml_free(l->ctx, l->columns);
	ml_free(l->ctx, l->classes);
}

/* Reads the sections into a model; what is wrong inside is reported in general terms, for it was no error of a user. */
static ml_status
load_model(loading *l, ml_model **model, ml_error *err)
{
	ml_status	status = ML_BAD_MODEL;

	load_head(l);
	if (going(l))
		load_body(l);
	if (going(l))
		status = ml_model_new(l->ctx, &l->spec, model, err);
	if (going(l) && status == ML_OK && l->predictor == LINEAR_PREDICTOR)
		status = load_linear(l, *model, err);
	else if (going(l) && status == ML_OK && l->predictor == OTHER_PREDICTOR)
		status = load_predictor(l, *model, err);
	else if (going(l) && status == ML_OK && l->predictor == PARTS && !l->is_part)
		status = load_parts(l, *model, err);
	else if (l->predictor != NO_PREDICTOR)
		l->r.failed = true;
	if (going(l) && status == ML_OK && l->r.at != l->r.length)
		status = load_calibrator(l, *model, err);
	if (l->no_memory || status == ML_NO_MEMORY)
		return ml_no_memory(err);
	if (status != ML_OK || l->r.failed || l->r.at != l->r.length)
		return ml_fail(err, ML_BAD_MODEL, NULL, "the stored model is damaged");
	return ML_OK;
}

static ml_status
load_bytes(const ml_ctx *ctx, const unsigned char *bytes, size_t length, bool is_part, ml_model **model, ml_error *err)
{
	loading		l = {.ctx = ctx, .r = {bytes, length, 0, false}, .is_part = is_part};
	const unsigned char *found = ml_get_bytes(&l.r, sizeof(magic));
	ml_status	status;

	*model = NULL;
	if (found == NULL || memcmp(found, magic, sizeof(magic)) != 0)
		return ml_fail(err, ML_BAD_MODEL, NULL, "these bytes are not a model");
	l.version = ml_get_u32(&l.r);
	if (!l.r.failed && (l.version < 1 || l.version > FORMAT_VERSION))
		return ml_fail(err, ML_BAD_MODEL, "Use the version of medallion that saved it, or a later one.",
					   "the model has format version %u, expected at most %d", (unsigned) l.version, FORMAT_VERSION);
	if (ml_get_u64(&l.r) != length || length < ML_HEADER_SIZE || l.r.failed)
		return ml_fail(err, ML_BAD_MODEL, NULL, "the stored model is incomplete");
	if (ml_get_u32(&l.r) != ml_crc32c(bytes + ML_HEADER_SIZE, length - ML_HEADER_SIZE) || l.r.failed)
		return ml_fail(err, ML_BAD_MODEL, NULL, "the stored model is damaged: its checksum does not match");
	status = load_model(&l, model, err);
	free_loading(&l);
	if (status != ML_OK)
	{
		ml_model_free(*model);
		*model = NULL;
	}
	return status;
}

ml_status
ml_model_load(const ml_ctx *ctx, const unsigned char *bytes, size_t length, ml_model **model, ml_error *err)
{
	return load_bytes(ctx, bytes, length, false, model, err);
}

ml_status
ml_model_load_part(const ml_ctx *ctx, const unsigned char *bytes, size_t length, ml_model **model, ml_error *err)
{
	return load_bytes(ctx, bytes, length, true, model, err);
}
