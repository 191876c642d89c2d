/*
 * predict_batch.c: predictions of a whole source written into a table.
 *
 * The target has the keys of the source, the prediction (a class comes as the type that the target column had in
 * training), probabilities, and which model version predicted when.  It is created, with the keys as primary key and
 * its past states kept, when there is none; predicting again into it replaces the rows of the same keys.  Everything
 * runs as the caller.
 */
#include "predict/predict_int.h"

#include "access/htup_details.h"
#include "base/progress.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "versioning/versioning.h"

typedef struct Batch
{
	MdlUsedModel used;
	MdlPredictSource source;
	char	   *schema;
	char	   *table;
	char	   *target;			/* quoted schema.table */
	int			n_keys;
	char	  **keys;			/* columns of the source */
	bool		has_primary_key;	/* the keys identify a row */
	int			n_outputs;
	const char *outputs[3];		/* prediction columns */
	char	   *output_types[3];
	char	   *output_values[3];	/* expressions over q */
} Batch;

/* The columns of a table's primary key; 0 when there is none. */
static int
primary_key(Oid relid, char ***names)
{
	Relation	relation = RelationIdGetRelation(relid);
	Oid			index_oid;
	int			count = 0;

	if (relation == NULL)
		elog(ERROR, "relation with OID %u does not exist", relid);
	index_oid = RelationGetPrimaryKeyIndex(relation);
	if (OidIsValid(index_oid))
	{
		Relation	index = RelationIdGetRelation(index_oid);

		count = IndexRelationGetNumberOfKeyAttributes(index);
		*names = palloc(sizeof(char *) * count);
		for (int i = 0; i < count; i++)
			(*names)[i] = get_attname(relid, index->rd_index->indkey.values[i], false);
		RelationClose(index);
	}
	RelationClose(relation);
	return count;
}

static void
given_keys(Batch *batch, ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &batch->n_keys);
	if (batch->n_keys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"keys\" is empty"),
				 errhint("Name the columns that identify a row of the source, or leave the argument out.")));
	batch->keys = palloc(sizeof(char *) * batch->n_keys);
	for (int i = 0; i < batch->n_keys; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"keys\" must not contain NULL")));
		batch->keys[i] = TextDatumGetCString(elements[i]);
		if (mdl_source_column(&batch->source, batch->keys[i]) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the source has no column \"%s\", which argument \"keys\" names", batch->keys[i])));
	}
	batch->has_primary_key = true;
}

/* The columns carried over: those given, else the primary key of the source, else all its columns. */
static void
choose_keys(Batch *batch, ArrayType *array)
{
	if (array != NULL)
		given_keys(batch, array);
	else if (OidIsValid(batch->source.relid) && (batch->n_keys = primary_key(batch->source.relid, &batch->keys)) > 0)
		batch->has_primary_key = true;
	else
	{
		batch->n_keys = batch->source.desc->natts;
		batch->keys = palloc(sizeof(char *) * Max(batch->n_keys, 1));
		for (int i = 0; i < batch->n_keys; i++)
			batch->keys[i] = pstrdup(NameStr(TupleDescAttr(batch->source.desc, i)->attname));
	}
	for (int i = 0; i < batch->n_keys; i++)
	{
		static const char *const taken[] = {"prediction", "probability", "probabilities", "_model", "_model_version", "_predicted_at"};

		for (int j = 0; j < lengthof(taken); j++)
			if (strcmp(batch->keys[i], taken[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" of the source has the name of a column that predict_batch writes", taken[j]),
						 errhint("Rename it in a query, or leave it out of argument \"keys\".")));
		for (int j = 0; j < i; j++)
			if (strcmp(batch->keys[i], batch->keys[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" would be carried over twice", batch->keys[i])));
	}
}

static void
add_output(Batch *batch, const char *name, char *type, char *value)
{
	batch->outputs[batch->n_outputs] = name;
	batch->output_types[batch->n_outputs] = type;
	batch->output_values[batch->n_outputs++] = value;
}

/* The type that labels had in training, if it still exists; else text. */
static char *
label_type(const ml_model *model)
{
	const char *name = ml_model_target_type(model);
	Oid			type;
	int32		typmod;

	if (name == NULL || name[0] == '\0')
		return "text";
	parseTypeString(name, &type, &typmod, true);
	return OidIsValid(type) ? format_type_with_typemod(type, typmod) : "text";
}

static void
choose_outputs(Batch *batch)
{
	const ml_model *model = batch->used.model;
	int			n = ml_model_n_classes(model);
	char	   *type = n == 0 ? "double precision" : label_type(model);

	if (ml_model_width(model) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" transforms rows and predicts nothing", batch->used.exact),
				 errhint("Use medallion.transform in a query.")));
	if (ml_model_task(model) == ML_CLUSTERING)
		add_output(batch, "prediction", "integer", "q.p::pg_catalog.int4");
	else if (n == 0)
		add_output(batch, "prediction", type, "q.p");
	else if (n == 2)
	{
		add_output(batch, "prediction", type,
				   psprintf("CASE WHEN q.p OPERATOR(pg_catalog.>) 0.5 THEN %s::%s WHEN q.p IS NOT NULL THEN %s::%s END",
							quote_literal_cstr(ml_model_class(model, 1)), type,
							quote_literal_cstr(ml_model_class(model, 0)), type));
		add_output(batch, "probability", "double precision", "q.p");
	}
	else
	{
		add_output(batch, "prediction", type, psprintf("q.c::%s", type));
		add_output(batch, "probabilities", "double precision[]", "q.p");
	}
}

/* The key comes after the rows, which is several times faster. */
static void
create_target(Batch *batch)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", batch->target);
	for (int i = 0; i < batch->n_keys; i++)
	{
		Form_pg_attribute column = TupleDescAttr(batch->source.desc, mdl_source_column(&batch->source, batch->keys[i]));

		appendStringInfo(&sql, "%s %s, ", quote_identifier(batch->keys[i]),
						 format_type_with_typemod(column->atttypid, column->atttypmod));
	}
	for (int i = 0; i < batch->n_outputs; i++)
		appendStringInfo(&sql, "%s %s, ", batch->outputs[i], batch->output_types[i]);
	appendStringInfoString(&sql, "_model pg_catalog.text NOT NULL, _model_version integer NOT NULL, _predicted_at pg_catalog.timestamptz NOT NULL)");
	mdl_run(sql.data, NULL, false);
}

/* Says where keys come from that are no key. */
static void
tell_keys(void *argument)
{
	if (geterrcode() == ERRCODE_UNIQUE_VIOLATION || geterrcode() == ERRCODE_NOT_NULL_VIOLATION)
		errhint("Argument \"keys\" is to name columns that identify a row of the source; without it all columns are carried over.");
}

/* Gives the table just filled its primary key, if it has one, and keeps its past from now on. */
static void
finish_target(const Batch *batch)
{
	ErrorContextCallback callback = {error_context_stack, tell_keys, NULL};
	StringInfoData sql;

	if (!batch->has_primary_key)
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD PRIMARY KEY", batch->target);
	for (int i = 0; i < batch->n_keys; i++)
		appendStringInfo(&sql, "%s%s", i == 0 ? " (" : ", ", quote_identifier(batch->keys[i]));
	appendStringInfoString(&sql, ")");
	mdl_progress_phase("indexing", -1);
	error_context_stack = &callback;
	mdl_run(sql.data, NULL, false);
	error_context_stack = callback.previous;
	mdl_enable_versioning(mdl_relation_by_name(batch->target, false));
}

/* Raises an error unless the existing table can take the predictions. */
static void
check_target(const Batch *batch, Oid relid)
{
	static const char *const always[] = {"_model", "_model_version", "_predicted_at"};
	char		kind = get_rel_relkind(relid);

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", mdl_display_name(relid))));
	for (int i = 0; i < batch->n_keys + batch->n_outputs + lengthof(always); i++)
	{
		const char *name = i < batch->n_keys ? batch->keys[i] :
			i < batch->n_keys + batch->n_outputs ? batch->outputs[i - batch->n_keys] :
			always[i - batch->n_keys - batch->n_outputs];

		if (get_attnum(relid, name) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table %s exists, but has no column \"%s\" for the predictions", mdl_display_name(relid), name),
					 errhint("Choose another target_table, or let predict_batch create it.")));
	}
}

/* The clause that replaces rows of the same keys; nothing when the target has no primary key among them. */
static char *
on_conflict(const Batch *batch, Oid target)
{
	char	  **names;
	int			count = primary_key(target, &names);
	StringInfoData sql;

	if (count == 0)
		return "";
	initStringInfo(&sql);
	for (int i = 0; i < count; i++)
	{
		bool		written = false;

		for (int j = 0; j < batch->n_keys; j++)
			written = written || strcmp(names[i], batch->keys[j]) == 0;
		if (!written)
			return "";			/* filled by a default, such as an identity column: rows are added */
		appendStringInfo(&sql, "%s%s", i == 0 ? " ON CONFLICT (" : ", ", quote_identifier(names[i]));
	}
	appendStringInfoString(&sql, ") DO UPDATE SET _model = excluded._model, _model_version = excluded._model_version, "
						   "_predicted_at = excluded._predicted_at");
	for (int i = 0; i < batch->n_outputs; i++)
		appendStringInfo(&sql, ", %s = excluded.%s", batch->outputs[i], batch->outputs[i]);
	for (int j = 0; j < batch->n_keys; j++)
		appendStringInfo(&sql, ", %s = excluded.%s", quote_identifier(batch->keys[j]), quote_identifier(batch->keys[j]));
	return sql.data;
}

static char *
insert_statement(const Batch *batch, const char *conflict)
{
	StringInfoData columns,
				values,
				inner;
	char	   *model = quote_literal_cstr(batch->used.exact);

	initStringInfo(&columns);
	initStringInfo(&values);
	initStringInfo(&inner);
	for (int i = 0; i < batch->n_keys; i++)
	{
		appendStringInfo(&columns, "%s, ", quote_identifier(batch->keys[i]));
		appendStringInfo(&values, "q.k%d, ", i);
		appendStringInfo(&inner, "s.%s AS k%d, ", quote_identifier(batch->keys[i]), i);
	}
	for (int i = 0; i < batch->n_outputs; i++)
	{
		appendStringInfo(&columns, "%s, ", batch->outputs[i]);
		appendStringInfo(&values, "%s, ", batch->output_values[i]);
	}
	if (ml_model_n_classes(batch->used.model) > 2)
		appendStringInfo(&inner, "medallion.predict_proba(%s, s) AS p, medallion.predict_class(%s, s) AS c", model, model);
	else
		appendStringInfo(&inner, "medallion.predict(%s, s) AS p", model);

	/* OFFSET 0 keeps the prediction from being copied into every expression that uses it. */
	return psprintf("INSERT INTO %s (%s_model, _model_version, _predicted_at) "
					"SELECT %s%s, %d, pg_catalog.now() FROM (SELECT %s FROM %s s OFFSET 0) q%s",
					batch->target, columns.data, values.data, quote_literal_cstr(batch->used.version.model),
					batch->used.version.version, inner.data, batch->source.from, conflict);
}

/* What the planner knows about the number of rows; -1 when nothing. */
static int64
expected_rows(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int64		rows = -1;

	if (HeapTupleIsValid(tuple))
	{
		rows = (int64) ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return rows;
}

static void
write_predictions(Batch *batch, MdlPredictCount *count)
{
	Oid			target = mdl_relation_by_name(batch->target, true);
	bool		existed = OidIsValid(target);
	char	   *conflict = "";
	char	   *sql;

	if (existed)
	{
		check_target(batch, target);
		conflict = on_conflict(batch, target);
	}
	else
		create_target(batch);
	sql = insert_statement(batch, conflict);
	mdl_progress_phase("predicting", expected_rows(batch->source.relid));
	PG_TRY();
	{
		mdl_predict_count = count;
		count->rows = mdl_run(sql, NULL, false);
	}
	PG_FINALLY();
	{
		mdl_predict_count = NULL;
	}
	PG_END_TRY();
	if (!existed)
		finish_target(batch);
}

/* {"source": …}, for the record of what the predictions were made from. */
static Jsonb *
describe_source(const char *source)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	mdl_jsonb_push_text(&state, "source", source);
	return mdl_jsonb_finish(&state);
}

/* predict_batch(model, source, target_table, keys) */
MDL_SHIM_TARGET(mdl_predict_batch);
Datum
mdl_predict_batch_impl(PG_FUNCTION_ARGS)
{
	char	   *model = mdl_required_text(fcinfo, 0, "model");
	char	   *source = mdl_required_text(fcinfo, 1, "source");
	char	   *target = mdl_required_text(fcinfo, 2, "target_table");
	ArrayType  *keys = PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3);
	Batch		batch = {0};
	MdlPredictCount count = {0};
	instr_time	start,
				elapsed;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};

	PreventCommandIfReadOnly("medallion.predict_batch()");
	INSTR_TIME_SET_CURRENT(start);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	mdl_use_model(model, &batch.used);
	mdl_split_name(target, &batch.schema, &batch.table);
	batch.target = quote_qualified_identifier(batch.schema, batch.table);
	mdl_progress_begin("predict", batch.used.exact);
	SPI_connect();
	mdl_predict_source(source, &batch.source);
	choose_keys(&batch, keys);
	choose_outputs(&batch);
	write_predictions(&batch, &count);
	SPI_finish();
	mdl_audit("predict_batch", batch.used.version.model, batch.used.version.version, target, count.rows,
			  describe_source(source));
	mdl_progress_end();

	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, start);
	values[0] = CStringGetTextDatum(target);
	values[1] = CStringGetTextDatum(batch.used.version.model);
	values[2] = Int32GetDatum(batch.used.version.version);
	values[3] = Int64GetDatum(count.rows);
	values[4] = Int64GetDatum(count.nulls);
	values[5] = Float8GetDatum(INSTR_TIME_GET_DOUBLE(elapsed));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
