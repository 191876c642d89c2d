/*
 * model_columns.c: the SQL function model_columns: what a model does with each of its columns before the learner sees it,
 * the defaults that train() chose included.
 */
#include "predict/predict_int.h"

#include <math.h>

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Seconds from the model's epoch, 1970, to the server's. */
#define EPOCHS ((double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static const char *
kind_name(ml_kind kind)
{
	static const char *const names[] = {"", "numeric", "boolean", "categorical", "time", "vector"};

	return names[kind];
}

static const char *
warp_name(ml_warp warp)
{
	static const char *const names[] = {"none", "log", "yeo_johnson", "box_cox", "quantile", "quantile_normal"};

	return names[warp];
}

/* How a column that is no number becomes terms; NULL for numbers. */
static char *
encoding_name(const ml_column_spec *c)
{
	static const char *const parts[] = {"epoch", "year", "month", "day", "dow", "doy", "hour", "minute"};
	StringInfoData text;

	switch (c->encoding)
	{
		case ML_ENCODE_ORDINAL:
			return "ordinal";
		case ML_ENCODE_TABLE:
			return "a number per category";
		case ML_ENCODE_HASHING:
			return psprintf("hashing into %d", c->buckets);
		case ML_ENCODE_DATE_PARTS:
			break;
		default:
			return c->kind == ML_CATEGORICAL ? "one_hot" : NULL;
	}
	initStringInfo(&text);
	for (int i = 0; i < (int) lengthof(parts); i++)
		if (c->parts & (1u << i))
			appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", parts[i]);
	return text.data;
}

/* What stands for NULL; NULL if nothing does. */
static char *
null_value(const ml_column_spec *c)
{
	if (c->keeps_missing)
		return "(kept)";
	if (!c->has_fill)
		return NULL;
	if (c->kind == ML_TIME)
		return DatumGetCString(DirectFunctionCall1(timestamp_out,
												   TimestampGetDatum((Timestamp) rint((c->fill_number - EPOCHS) * USECS_PER_SEC))));
	if (c->kind != ML_CATEGORICAL)
		return DatumGetCString(DirectFunctionCall1(float8out, Float8GetDatum(c->fill_number)));
	if (c->encoding == ML_ENCODE_HASHING)
		return psprintf("bucket %d", c->fill_code);
	return pstrdup(c->categories[c->fill_code]);
}

static int
terms_of(const ml_model *model, int column)
{
	int			n = 0;

	for (int term = 0; term < ml_model_n_terms(model); term++)
		n += ml_model_term_column(model, term) == column;
	return n;
}

/* model_columns(model) */
MDL_SHIM_TARGET(mdl_model_columns);
Datum
mdl_model_columns_impl(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	MdlModelVersion version;
	MdlCachedModel *cached;

	InitMaterializedSRF(fcinfo, 0);
	mdl_model_resolve(reference, MDL_MODEL_READ, &version);
	cached = mdl_model_cache_get(version.version_id, reference);
	mdl_refuse_parts(cached->model, reference);
	for (int i = 0; i < ml_model_n_columns(cached->model); i++)
	{
		ml_column_spec c;
		char	   *encoding;
		char	   *fill;
		bool		is_number;
		Datum		values[11];
		bool		nulls[11] = {false};

		ml_model_column_spec(cached->model, i, &c);
		encoding = encoding_name(&c);
		fill = null_value(&c);
		/* Of vectors and times each term has a shift and a scale of its own. */
		is_number = (c.kind == ML_NUMERIC || c.kind == ML_BOOLEAN) && c.shifts == NULL;
		nulls[3] = fill == NULL;
		nulls[6] = nulls[7] = !is_number;
		nulls[5] = c.kind == ML_CATEGORICAL || c.kind == ML_TIME;
		nulls[8] = encoding == NULL;
		values[0] = CStringGetTextDatum(c.name);
		values[1] = CStringGetTextDatum(c.type);
		values[2] = CStringGetTextDatum(kind_name(c.kind));
		values[3] = fill ? CStringGetTextDatum(fill) : (Datum) 0;
		values[4] = BoolGetDatum(c.indicator);
		values[5] = CStringGetTextDatum(c.is_offset && c.warp != ML_WARP_NONE ? "ln" : warp_name(c.warp));
		values[6] = Float8GetDatum(c.shift);
		values[7] = Float8GetDatum(c.scale);
		values[8] = encoding ? CStringGetTextDatum(encoding) : (Datum) 0;
		values[9] = Int32GetDatum(terms_of(cached->model, i));
		values[10] = CStringGetTextDatum(!c.is_offset ? "feature" : c.warp == ML_WARP_NONE ? "offset" : "exposure");
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	mdl_model_cache_unpin(cached);
	return (Datum) 0;
}
