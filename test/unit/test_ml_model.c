/*
 * test_ml_model.c: making, saving, loading and predicting; damaged bytes; every allocation failed in turn.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_bytes.h"
#include "ml/ml_model.h"

static const char *const carriers[] = {"AA", "DL", "UA"};
static const char *const labels[] = {"f", "t"};

/* age, (age scaled), late, carrier with AA as reference */
static ml_status
make_logistic(const ml_ctx *ctx, ml_model **model, ml_error *err)
{
	ml_column_spec columns[] = {
		{.name = "age", .type = "integer", .kind = ML_NUMERIC, .shift = 40, .scale = 0.5, .has_fill = true, .fill_number = 44},
		{.name = "late", .type = "boolean", .kind = ML_BOOLEAN, .scale = 1},
		{.name = "carrier", .type = "text", .kind = ML_CATEGORICAL, .n_categories = 3, .categories = carriers, .reference = 0},
	};
	ml_model_spec spec = {"logistic", ML_BINARY, "delayed", "boolean", 3, columns, 2, labels};
	const double coefficients[] = {1.5, -2, 0.25, 0.75};
	const double intercept = 0.125;
	ml_status	status = ml_model_new(ctx, &spec, model, err);

	if (status == ML_OK)
		status = ml_model_set_linear(*model, ML_LINK_LOGIT, coefficients, &intercept, err);
	if (status != ML_OK)
	{
		ml_model_free(*model);
		*model = NULL;
	}
	return status;
}

static void
test_facts(const ml_model *model)
{
	char		name[64];
	double		intercept;

	unit_text(ml_model_algorithm(model), "logistic", "algorithm");
	unit_text(ml_task_name(ml_model_task(model)), "binary", "task");
	unit_text(ml_model_target(model), "delayed", "target");
	unit_text(ml_model_target_type(model), "boolean", "type of the target");
	unit_int(ml_model_n_columns(model), 3, "columns");
	unit_text(ml_model_column_name(model, 2), "carrier", "name of a column");
	unit_text(ml_model_column_type(model, 0), "integer", "type of a column");
	unit_ok(ml_model_column_takes_null(model, 0) && !ml_model_column_takes_null(model, 1), "which columns take NULL");
	unit_int(ml_model_n_terms(model), 4, "terms: the reference category has none");
	ml_model_term_name(model, 0, name, sizeof(name));
	unit_text(name, "age", "name of a numeric term");
	ml_model_term_name(model, 2, name, sizeof(name));
	unit_text(name, "carrier=DL", "name of a category's term");
	unit_int(ml_model_term_category(model, 3), 2, "category of a term");
	unit_int(ml_model_category_code(model, 2, "UA", 2), 2, "code of a category");
	unit_int(ml_model_category_code(model, 2, "U", 1), -1, "code of a category not seen");
	unit_int(ml_model_n_classes(model), 2, "classes");
	unit_text(ml_model_class(model, 1), "t", "the positive class is the last");
	unit_near(ml_model_coefficients(model, 0, &intercept)[3], 0.75, 0, 0, "a coefficient");
	unit_near(intercept, 0.125, 0, 0, "the intercept");
	unit_ok(ml_model_memory(model) > 100, "memory is estimated");
}

static void
test_predict(const ml_model *model)
{
	enum
	{
		N = 700
	};
	static double age[N], late[N], out[2 * N], one[2];
	static unsigned char nulls[N];
	static ml_text texts[N];
	static ml_row_state rows[N];
	ml_values	columns[3] = {{.numbers = age, .nulls = nulls}, {.numbers = late}, {.texts = texts}};
	bool		same = true;
	double		eta = 0.125 + (50 - 40) * 0.5 * 1.5 - 2 + 0.75;
	ml_error	err;

	for (int i = 0; i < N; i++)
	{
		age[i] = i % 90;
		late[i] = i % 2;
		nulls[i] = i % 7 == 3;
		texts[i].data = carriers[i % 3];
		texts[i].length = 2;
	}
	age[0] = 50, late[0] = 1, texts[0].data = "UAx";
	unit_int(ml_model_predict(model, columns, N, out, NULL, &err), ML_OK, "a batch");
	unit_near(out[1], 1 / (1 + exp(-eta)), 1e-15, 0, "probability of the positive class");
	unit_near(out[0] + out[1], 1, 1e-15, 0, "the two probabilities add up");
	for (int i = 0; i < N; i++)
	{
		ml_values	row[3] = {{.numbers = age + i, .nulls = nulls + i}, {.numbers = late + i}, {.texts = texts + i}};

		ml_model_predict(model, row, 1, one, NULL, &err);
		same = same && memcmp(one, out + 2 * i, sizeof(one)) == 0;
	}
	unit_ok(same, "row by row gives the bits of the batch");

	texts[5].data = "ZZ", late[300] = NAN;
	unit_int(ml_model_predict(model, columns, N, out, rows, &err), ML_OK, "a batch with bad rows");
	unit_ok(isnan(out[10]) && isnan(out[601]) && !isnan(out[12]), "only bad rows are NaN");
	unit_int(rows[5].problem, ML_PROBLEM_CATEGORY, "category not seen");
	unit_int(rows[5].column, 2, "… in its column");
	unit_int(rows[300].problem, ML_PROBLEM_NOT_FINITE, "NaN");
	unit_int(rows[4].problem, ML_PROBLEM_NONE, "a good row");
	unit_int(ml_model_predict(model, columns, N, out, NULL, &err), ML_BAD_DATA, "a bad row is an error if not asked for");
	unit_text(err.message, "column \"carrier\" has a category that training did not see", "the error names the column");
	columns[1].nulls = nulls;
	unit_int(ml_model_predict(model, columns, 4, out, NULL, &err), ML_BAD_DATA, "NULL without imputation");
	columns[1].nulls = NULL;
	unit_int(ml_model_predict(model, columns, 4, out, NULL, &err), ML_OK, "NULL with imputation");
	unit_near(out[7], 1 / (1 + exp(-(0.125 + 3 - 2))), 1e-15, 0, "NULL is the fill value");
}

static void
test_bytes(const ml_model *model)
{
	ml_ctx		ctx = ml_ctx_default();
	unsigned char *bytes,
			   *again;
	size_t		length,
				length_again;
	ml_model   *loaded;
	ml_error	err;
	int			accepted = 0;

	unit_int(ml_model_save(&ctx, model, &bytes, &length, &err), ML_OK, "save");
	unit_int(ml_model_load(&ctx, bytes, length, &loaded, &err), ML_OK, "load");
	test_facts(loaded);
	ml_model_save(&ctx, loaded, &again, &length_again, &err);
	unit_ok(length == length_again && memcmp(bytes, again, length) == 0, "saved again: the same bytes");
	ml_free(&ctx, again);
	ml_model_free(loaded);

	/* Every prefix, in a block of its own so that the sanitiser sees a read beyond it. */
	for (size_t cut = 0; cut < length; cut++)
	{
		unsigned char *part = malloc(cut ? cut : 1);

		memcpy(part, bytes, cut);
		accepted += ml_model_load(&ctx, part, cut, &loaded, &err) == ML_OK;
		free(part);
	}
	unit_int(accepted, 0, "no prefix is taken for a model");
	for (size_t at = 0; at < length; at++)
	{
		bytes[at] ^= 0x41;
		accepted += ml_model_load(&ctx, bytes, length, &loaded, &err) == ML_OK;
		bytes[at] ^= 0x41;
	}
	unit_int(accepted, 0, "one changed byte is noticed");
	/* With a right checksum anything may come: it must end in a model that can be freed or in an error. */
	srand(7);
	for (int round = 0; round < 20000; round++)
	{
		unsigned char *copy = malloc(length);
		uint32_t	crc;

		memcpy(copy, bytes, length);
		for (int change = rand() % 4; change >= 0; change--)
			copy[24 + rand() % (length - 24)] = rand() % 3 ? rand() : 0xFF;
		crc = ml_crc32c(copy + 24, length - 24);
		for (int i = 0; i < 4; i++)
			copy[20 + i] = crc >> (8 * i);
		if (ml_model_load(&ctx, copy, length, &loaded, &err) == ML_OK)
		{
			accepted++;
			ml_model_free(loaded);
		}
		free(copy);
	}
	unit_ok(accepted > 0, "20000 changed models: no crash, %s", accepted ? "some load" : "none loads");
	ml_free(&ctx, bytes);
}

/* Bytes that are shorter than the header, and say so themselves. */
static void
test_short(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_error	err;

	for (size_t length = 20; length < 28; length++)
	{
		unsigned char *bytes = calloc(length, 1);
		ml_model   *model;

		memcpy(bytes, "MDLMODEL\2", 9);
		bytes[12] = (unsigned char) length;
		unit_int(ml_model_load(&ctx, bytes, length, &model, &err), ML_BAD_MODEL, "%zu bytes are no model", length);
		free(bytes);
	}
}

static ml_status
make_save_load(const ml_ctx *ctx, void *arg, ml_error *err)
{
	ml_model   *model = NULL,
			   *loaded = NULL;
	unsigned char *bytes = NULL;
	size_t		length;
	ml_status	status = make_logistic(ctx, &model, err);

	(void) arg;
	if (status == ML_OK)
		status = ml_model_save(ctx, model, &bytes, &length, err);
	if (status == ML_OK)
		status = ml_model_load(ctx, bytes, length, &loaded, err);
	ml_free(ctx, bytes);
	ml_model_free(model);
	ml_model_free(loaded);
	return status;
}

static void
test_bad_specs(void)
{
	static const char *const twice[] = {"a", "a"};
	ml_ctx		ctx = ml_ctx_default();
	ml_column_spec column = {.name = "c", .type = "text", .kind = ML_CATEGORICAL, .n_categories = 2, .categories = twice};
	ml_model_spec spec = {"linear", ML_REGRESSION, "y", "float8", 1, &column, 0, NULL};
	ml_model   *model;
	ml_error	err;
	double		nan_coefficient = NAN;
	double		zero = 0;

	unit_int(ml_model_new(&ctx, &spec, &model, &err), ML_BAD_PARAM, "a category twice");
	column.n_categories = 0;
	unit_int(ml_model_new(&ctx, &spec, &model, &err), ML_BAD_PARAM, "no categories");
	column.kind = ML_NUMERIC, column.scale = INFINITY;
	unit_int(ml_model_new(&ctx, &spec, &model, &err), ML_BAD_PARAM, "an infinite scale");
	column.scale = 1, spec.n_classes = 2, spec.classes = labels;
	unit_int(ml_model_new(&ctx, &spec, &model, &err), ML_BAD_PARAM, "a regression with classes");
	spec.n_classes = 0;
	unit_int(ml_model_new(&ctx, &spec, &model, &err), ML_OK, "a good one");
	unit_int(ml_model_set_linear(model, ML_LINK_LOGIT, &zero, &zero, &err), ML_BAD_PARAM, "a link for another task");
	unit_int(ml_model_set_linear(model, ML_LINK_IDENTITY, &nan_coefficient, &zero, &err), ML_BAD_PARAM, "a NaN coefficient");
	unit_int(ml_model_predict(model, NULL, 0, NULL, NULL, &err), ML_BAD_MODEL, "no predictor yet");
	ml_model_free(model);
}

int
main(void)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_model   *model;
	ml_error	err;

	if (!unit_ok(make_logistic(&ctx, &model, &err) == ML_OK, "make a model"))
		return unit_done();
	test_facts(model);
	test_predict(model);
	test_bytes(model);
	ml_model_free(model);
	test_short();
	fail_each_allocation(make_save_load, NULL, 11, "a model");
	test_bad_specs();
	return unit_done();
}
