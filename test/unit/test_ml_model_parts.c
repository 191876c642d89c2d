/*
 * test_ml_model_parts.c: models made of models: routing by keys, classes of all parts, problems of rows, bytes, failing memory.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_bytes.h"
#include "ml/ml_model_parts.h"

#define HEADER 24				/* magic, version, length, checksum */

static const char *const two[] = {"f", "t"};
static const char *const other[] = {"f", "u"};
static const char *const key_names[] = {"region", "kind"};
static const char *const key_types[] = {"text", "integer"};

/* y = intercept + slope * x; of classes if there are any */
static ml_model *
line(const ml_ctx *ctx, double slope, double intercept, const char *const *classes)
{
	ml_column_spec column = {.name = "x", .type = "double precision", .kind = ML_NUMERIC, .scale = 1};
	ml_model_spec spec = {classes ? "logistic" : "linear", classes ? ML_BINARY : ML_REGRESSION, "y", "text", 1, &column,
		classes ? 2 : 0, classes
	};
	ml_model   *model;
	ml_error	err;

	if (ml_model_new(ctx, &spec, &model, &err) != ML_OK)
		return NULL;
	if (ml_model_set_linear(model, classes ? ML_LINK_LOGIT : ML_LINK_IDENTITY, &slope, &intercept, &err) == ML_OK)
		return model;
	ml_model_free(model);
	return NULL;
}

static char *
key_of(const char *region, const char *kind)
{
	static char keys[8][32];
	static int	next = 0;
	ml_text		values[] = {{region, region ? strlen(region) : 0}, {kind, kind ? strlen(kind) : 0}};
	char	   *key = keys[next++ % 8];

	ml_part_key(values, 2, key, sizeof(keys[0]));
	return key;
}

/* Three parts: (NULL, 1), (north, 1), (south, 1). */
static ml_status
make_three(const ml_ctx *ctx, bool classes, ml_model **model, ml_error *err)
{
	const char *keys[] = {key_of(NULL, "1"), key_of("north", "1"), key_of("south", "1")};
	ml_model   *parts[] = {line(ctx, 1, 0, classes ? two : NULL), line(ctx, 2, 1, classes ? two : NULL),
		line(ctx, -1, 5, classes ? other : NULL)
	};

	*model = NULL;
	for (int i = 0; i < 3; i++)
		if (parts[i] == NULL)
		{
			for (int k = 0; k < 3; k++)
				ml_model_free(parts[k]);
			return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
		}
	return ml_model_of_parts(ctx, 2, key_names, key_types, 3, keys, parts, model, err);
}

static void
test_keys(void)
{
	ml_text		values[2] = {{"a\1\2\3b", 5}, {NULL, 0}};
	char		key[64];
	char		least[64];

	unit_int(ml_part_key(values, 2, key, sizeof(key)), 11, "bytes that mean something are escaped");
	unit_int(strlen(key), 11, "the key is a text");
	unit_int(ml_part_key(values, 2, least, 4), 11, "the length of a key that does not fit");
	unit_int(strlen(least), 3, "… which is cut");
	values[0] = (ml_text) {"", 0};
	ml_part_key(values, 1, key, sizeof(key));
	ml_part_key(values + 1, 1, least, sizeof(least));
	unit_ok(strcmp(key, least) != 0, "an empty text is not NULL");
	unit_ok(strcmp(key_of("a", "bc"), key_of("ab", "c")) != 0, "values do not run into each other");
}

static void
test_predict(const ml_ctx *ctx)
{
	enum
	{
		N = 1200
	};
	static double x[N], out[N];
	static ml_text regions[N], kinds[N];
	static unsigned char none[N], nulls[N];
	static ml_row_state rows[N];
	ml_values	columns[3] = {{.texts = regions, .nulls = none}, {.texts = kinds}, {.numbers = x, .nulls = nulls}};
	ml_model   *model;
	ml_error	err;
	bool		right = true;

	unit_int(make_three(ctx, false, &model, &err), ML_OK, "a model of parts");
	unit_int(ml_model_n_parts(model), 3, "parts");
	unit_int(ml_model_n_keys(model), 2, "key columns");
	unit_int(ml_model_n_columns(model), 3, "columns: the keys, then those of the parts");
	unit_text(ml_model_column_name(model, 0), "region", "name of a key column");
	unit_text(ml_model_column_type(model, 1), "integer", "type of a key column");
	unit_int(ml_model_task(model), ML_REGRESSION, "task");
	for (int i = 0; i < N; i++)
	{
		x[i] = i;
		none[i] = i % 400 < 3;
		regions[i] = i < 600 ? (ml_text) {"north", 5} : (ml_text) {"south", 5};
		kinds[i] = (ml_text) {"1", 1};
	}
	unit_int(ml_model_predict(model, columns, N, out, NULL, &err), ML_OK, "a batch");
	for (int i = 0; i < N; i++)
		right &= out[i] == (none[i] ? i : i < 600 ? 2.0 * i + 1 : 5.0 - i);
	unit_ok(right, "each row by its part");
	kinds[700] = (ml_text) {"2", 1};
	nulls[9] = 1;
	unit_int(ml_model_predict(model, columns, N, out, rows, &err), ML_OK, "rows with problems");
	unit_ok(isnan(out[700]) && isnan(out[9]) && out[701] == 5.0 - 701, "… are NaN, others are not");
	unit_int(rows[700].problem, ML_PROBLEM_CATEGORY, "no part has the key");
	unit_int(rows[700].column, 1, "… told of the last key column");
	unit_int(rows[9].problem, ML_PROBLEM_NULL, "a problem inside a part");
	unit_int(rows[9].column, 2, "… in the column of the whole");
	unit_int(ml_model_predict(model, columns, 10, out, NULL, &err), ML_BAD_DATA, "… which is an error if not asked for");
	nulls[9] = 0;
	unit_int(ml_model_predict(model, columns, N, out, NULL, &err), ML_BAD_DATA, "so is a key without a part");
	unit_text(err.message, "the model has no part for the value of column \"kind\"", "… that names the column");
	none[700] = 1;
	unit_int(ml_model_predict(model, columns, N, out, rows, &err), ML_OK, "a NULL that no part is for");
	unit_int(rows[700].problem, ML_PROBLEM_NULL, "… is told as NULL");
	unit_int(ml_model_design(model, columns, 0, 1, out, rows, &err), ML_BAD_PARAM, "it has no design rows");
	unit_int(ml_model_n_components(model), 0, "and no components");
	ml_model_free(model);
}

static void
test_classes(const ml_ctx *ctx)
{
	double		x[] = {1, 1, 1};
	double		out[9];
	double		p = 1 / (1 + exp(-3.0));
	double		q = 1 / (1 + exp(-4.0));
	ml_text		regions[] = {{"north", 5}, {"south", 5}, {"north", 5}};
	ml_text		kinds[] = {{"1", 1}, {"1", 1}, {"1", 1}};
	ml_values	columns[3] = {{.texts = regions}, {.texts = kinds}, {.numbers = x}};
	ml_model   *model;
	ml_error	err;

	unit_int(make_three(ctx, true, &model, &err), ML_OK, "parts with other classes");
	unit_int(ml_model_task(model), ML_MULTICLASS, "make more classes");
	unit_int(ml_model_n_classes(model), 3, "all there are");
	unit_text(ml_model_class(model, 2), "u", "in their order");
	unit_int(ml_model_predict(model, columns, 3, out, NULL, &err), ML_OK, "probabilities");
	unit_near(out[1], p, 1e-15, 0, "of a class of the first part");
	unit_near(out[2], 0, 0, 0, "a class it never saw has none");
	unit_near(out[5], q, 1e-15, 0, "of a class of the other");
	unit_near(out[4], 0, 0, 0, "and the other way round");
	unit_near(out[7], p, 1e-15, 0, "back to the first");
	ml_model_free(model);
}

/* Sets the checksum right, so that what is behind it is read. */
static void
mend(unsigned char *bytes, size_t length)
{
	uint32_t	sum = ml_crc32c(bytes + HEADER, length - HEADER);

	for (int i = 0; i < 4; i++)
		bytes[20 + i] = (unsigned char) (sum >> (8 * i));
}

static void
test_bytes(const ml_ctx *ctx)
{
	ml_model   *model;
	ml_model   *copy;
	ml_model   *nested;
	unsigned char *bytes;
	unsigned char *again;
	unsigned char *damaged;
	size_t		length;
	size_t		length_again;
	ml_error	err;
	const char *keys[] = {key_of("a", "1")};
	int			loaded = 0;

	make_three(ctx, true, &model, &err);
	unit_int(ml_model_save(ctx, model, &bytes, &length, &err), ML_OK, "saved");
	unit_int(ml_model_load(ctx, bytes, length, &copy, &err), ML_OK, "loaded");
	unit_int(ml_model_n_parts(copy), 3, "with its parts");
	unit_int(ml_model_save(ctx, copy, &again, &length_again, &err), ML_OK, "saved again");
	unit_ok(length == length_again && memcmp(bytes, again, length) == 0, "the same bytes");
	ml_free(ctx, again);

	damaged = malloc(length);
	for (size_t at = HEADER; at < length; at++)
		for (int bit = 0; bit < 8; bit += 3)
		{
			ml_model   *found;

			memcpy(damaged, bytes, length);
			damaged[at] ^= (unsigned char) (1 << bit);
			mend(damaged, length);
			if (ml_model_load(ctx, damaged, length, &found, &err) == ML_OK)
				loaded++;
			ml_model_free(found);
		}
	unit_ok(loaded < (int) length, "damaged bytes are refused or harmless (%d of %zu loaded)", loaded, length * 3);
	for (size_t cut = HEADER; cut < length; cut++)
	{
		ml_model   *found;

		memcpy(damaged, bytes, cut);
		for (int i = 0; i < 8; i++)
			damaged[12 + i] = (unsigned char) (cut >> (8 * i));
		mend(damaged, cut);
		if (!unit_failed && ml_model_load(ctx, damaged, cut, &found, &err) == ML_OK)
			unit_ok(false, "bytes cut at %zu were loaded", cut);
		ml_model_free(found);
	}
	free(damaged);
	ml_free(ctx, bytes);
	ml_model_free(model);
	unit_int(ml_model_of_parts(ctx, 2, key_names, key_types, 1, keys, &copy, &nested, &err), ML_BAD_PARAM,
			 "parts have no parts themselves");
}

static void
test_refusals(const ml_ctx *ctx)
{
	const char *keys[] = {key_of("a", "1"), key_of("b", "1")};
	const char *descending[] = {keys[1], keys[0]};
	ml_model   *parts[2] = {line(ctx, 1, 0, NULL), line(ctx, 1, 0, two)};
	ml_model   *model;
	ml_error	err;

	unit_int(ml_model_of_parts(ctx, 2, key_names, key_types, 2, keys, parts, &model, &err), ML_BAD_PARAM,
			 "a regression and a classification");
	parts[0] = line(ctx, 1, 0, NULL);
	parts[1] = line(ctx, 1, 0, NULL);
	unit_int(ml_model_of_parts(ctx, 2, key_names, key_types, 2, descending, parts, &model, &err), ML_BAD_PARAM, "keys that do not ascend");
	unit_int(ml_model_of_parts(ctx, 2, key_names, key_types, 0, keys, parts, &model, &err), ML_BAD_PARAM, "no parts");
}

/* Makes a model of parts, predicts with it, saves and loads it. */
static ml_status
use_model(const ml_ctx *ctx, void *arg, ml_error *err)
{
	ml_model   *model;
	ml_model   *copy = NULL;
	unsigned char *bytes = NULL;
	size_t		length;
	ml_status	status = make_three(ctx, true, &model, err);
	double		x = 1;
	double		out[3];
	ml_text		region = {"north", 5};
	ml_text		kind = {"1", 1};
	ml_values	columns[3] = {{.texts = &region}, {.texts = &kind}, {.numbers = &x}};

	(void) arg;
	if (status == ML_OK)
		status = ml_model_predict(model, columns, 1, out, NULL, err);
	if (status == ML_OK)
		status = ml_model_save(ctx, model, &bytes, &length, err);
	if (status == ML_OK)
		status = ml_model_load(ctx, bytes, length, &copy, err);
	ml_free(ctx, bytes);
	ml_model_free(copy);
	ml_model_free(model);
	return status;
}

int
main(void)
{
	fail_state	state = {-1, 0, -1, 0};
	ml_ctx		ctx = fail_ctx(&state);

	test_keys();
	test_predict(&ctx);
	test_classes(&ctx);
	test_bytes(&ctx);
	test_refusals(&ctx);
	unit_int(state.live, 0, "everything is given back");
	fail_each_allocation(use_model, NULL, 10, "a model of parts");
	return unit_done();
}
