/*
 * quarantine_correct.c: medallion.correct and uncorrect: rows to take in the place of rejected ones.
 *
 * A correction says: where the query returns exactly this row and the rules reject it, take these values instead.  It is
 * part of what the table is made from, like its query, so a refresh, a rebuild and a verification all apply it; and since it
 * names the whole row as it was rejected, it ends by itself once a source brings another.  A corrected row that the rules
 * reject does not count: the row stays in quarantine as it came.
 *
 * Rows are recognised by an *image*: a checksum of the names and values of their columns, these as text under fixed settings.
 */
#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct Correction
{
	char		image[PG_SHA256_DIGEST_LENGTH];	/* must be first */
	Jsonb	   *corrected;
} Correction;

typedef struct Corrections
{
	HTAB	   *by_image;
	FmgrInfo	populate;		/* jsonb_populate_record for the row type of the definition */
} Corrections;

/* ---- images ------------------------------------------------------------------------------------------------- */

/* The settings that decide how values look as text. */
static const char *const image_settings[][2] = {
	{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "iso_8601"}, {"TimeZone", "UTC"}, {"extra_float_digits", "1"},
	{"bytea_output", "hex"}, {"lc_monetary", "C"}
};

static void
image_of(TupleDesc columns, const Datum *values, const bool *nulls, char *image)
{
	int			level = NewGUCNestLevel();
	StringInfoData text;
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	for (int i = 0; i < lengthof(image_settings); i++)
		set_config_option(image_settings[i][0], image_settings[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	initStringInfo(&text);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);
		char	   *value = NULL;
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(column->atttypid, &output, &is_varlena);
		if (!nulls[i])
			value = OidOutputFunctionCall(output, values[i]);
		appendStringInfo(&text, "%s %u %d:%s;", quote_identifier(NameStr(column->attname)), column->atttypid,
						 value ? (int) strlen(value) : -1, value ? value : "");
	}
	AtEOXact_GUC(true, level);
	if (pg_cryptohash_init(hash) < 0 || pg_cryptohash_update(hash, (uint8 *) text.data, text.len) < 0 ||
		pg_cryptohash_final(hash, (uint8 *) image, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a checksum: %s", pg_cryptohash_error(hash));
	pg_cryptohash_free(hash);
	pfree(text.data);
}

static Correction *
find(const DerivedResult *result, Datum *values, bool *nulls)
{
	char		image[PG_SHA256_DIGEST_LENGTH];

	image_of(result->columns, values, nulls, image);
	return hash_search(result->corrections->by_image, image, HASH_FIND, NULL);
}

bool
mdl_correction_exists(const DerivedResult *result, Datum *values, bool *nulls)
{
	return find(result, values, nulls) != NULL;
}

/* ---- applying ------------------------------------------------------------------------------------------------- */

/* jsonb_populate_record takes the type of its result from the expression that calls it. */
static void
prepare_populate(FmgrInfo *populate, Oid definition)
{
	Oid			type = get_rel_type_id(definition);
	Const	   *row = makeNullConst(type, -1, InvalidOid);
	Const	   *object = makeNullConst(JSONBOID, -1, InvalidOid);

	fmgr_info(F_JSONB_POPULATE_RECORD, populate);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, type, list_make2(row, object), InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL), populate);
}

static void
populate(FmgrInfo *function, TupleDesc columns, Jsonb *corrected, Datum *values, bool *nulls)
{
	Datum		row = HeapTupleGetDatum(heap_form_tuple(columns, values, nulls));
	HeapTupleHeader changed = DatumGetHeapTupleHeader(FunctionCall2(function, row, JsonbPGetDatum(corrected)));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(changed), .t_data = changed};

	heap_deform_tuple(&tuple, columns, values, nulls);
}

typedef struct Application
{
	const DerivedResult *result;
	Jsonb	   *corrected;
	Datum	   *values;
	bool	   *nulls;
} Application;

static void
apply(void *argument)
{
	Application *application = argument;

	populate(&application->result->corrections->populate, application->result->columns, application->corrected,
			 application->values, application->nulls);
}

bool
mdl_correction_apply(const DerivedResult *result, Datum *values, bool *nulls, char **message)
{
	Correction *correction = find(result, values, nulls);
	ErrorData  *error;

	if (correction == NULL)
		return false;
	error = mdl_guarded(apply, &(Application) {result, correction->corrected, values, nulls});
	if (error != NULL)
		*message = error->message;
	return error == NULL;
}

struct Corrections *
mdl_corrections_read(const DerivedTable *table)
{
	MemoryContext context = CurrentMemoryContext;
	HASHCTL		control = {.keysize = PG_SHA256_DIGEST_LENGTH, .entrysize = sizeof(Correction), .hcxt = context};
	Corrections *corrections = NULL;
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT image, corrected FROM medallion._corrections WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	if (rows > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		corrections = palloc0_object(Corrections);
		corrections->by_image = hash_create("corrections", rows, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		prepare_populate(&corrections->populate, table->definition);
		for (uint64 row = 0; row < rows; row++)
		{
			bytea	   *image = DatumGetByteaPP(mdl_field(row, 0, NULL));
			Correction *correction = hash_search(corrections->by_image, VARDATA_ANY(image), HASH_ENTER, NULL);

			correction->corrected = DatumGetJsonbPCopy(mdl_field(row, 1, NULL));
		}
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	return corrections;
}

char *
mdl_corrections_obstacle(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT FROM medallion._corrections WHERE target OPERATOR(pg_catalog.=) $1 AND changes_key LIMIT 1", &args, false);
	mdl_owner_end(&saved);
	return rows > 0 ? "a correction gives a row another key" : NULL;
}

/* ---- medallion.correct ---------------------------------------------------------------------------------------- */

typedef struct Request
{
	const DerivedTable *table;
	int64		quarantine_id;
	Jsonb	   *corrected;
	char		image[PG_SHA256_DIGEST_LENGTH];
	Jsonb	   *original;
	bool		changes_key;
} Request;

static void
check_columns(const Request *request, const DerivedResult *result)
{
	int			count;
	char	  **keys;

	if (!JB_ROOT_IS_OBJECT(request->corrected) || JB_ROOT_COUNT(request->corrected) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"corrected\" must be an object of columns and values, but is %s",
						JsonbToCString(NULL, &request->corrected->root, VARSIZE(request->corrected)))));
	keys = mdl_jsonb_keys(request->corrected, &count);
	for (int i = 0; i < count; i++)
	{
		bool		found = false;

		for (int j = 0; j < result->columns->natts; j++)
			found |= strcmp(keys[i], NameStr(TupleDescAttr(result->columns, j)->attname)) == 0;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" is not a column of the query of \"%s\"", keys[i],
							mdl_display_name(request->table->target))));
	}
}

/* Reads the row in quarantine, which must still have the columns of the query. */
static void
read_quarantined(Request *request, const DerivedResult *result, Datum *values, bool *nulls)
{
	MemoryContext context = CurrentMemoryContext;
	MdlArgs		args = {0};
	char	   *columns = mdl_column_list(result->columns, "q.");
	int			natts = result->columns->natts;

	mdl_arg_int8(&args, request->quarantine_id);
	if (mdl_run(psprintf("SELECT %s, (SELECT pg_catalog.to_jsonb(r.*) FROM (SELECT %s) r) FROM ONLY %s q WHERE q._quarantine_id"
						 " OPERATOR(pg_catalog.=) $1", columns, columns, mdl_qualified_name(request->table->quarantine)), &args, true) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the quarantine of \"%s\" has no row with _quarantine_id " INT64_FORMAT,
						mdl_display_name(request->table->target), request->quarantine_id),
				 errhint("A refresh may have taken it out since: look again.")));
	MemoryContextSwitchTo(context);
	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(result->columns, i);

		if (SPI_gettypeid(SPI_tuptable->tupdesc, i + 1) != column->atttypid)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of the quarantine of \"%s\" does not have the type the query gives it",
							NameStr(column->attname), mdl_display_name(request->table->target)),
					 errhint("Refresh the table first.")));
		values[i] = mdl_field(0, i, &nulls[i]);
	}
	request->original = DatumGetJsonbPCopy(mdl_field(0, natts, NULL));
}

/* A corrected row must be one that the table can take now. */
static void
check_key(Request *request, const DerivedResult *result, const Datum *before, const bool *before_nulls, Datum *values, bool *nulls)
{
	const DerivedTable *table = request->table;
	StringInfoData condition;
	KeyColumn  *keys = mdl_key_columns(table);
	MdlArgs		args = {0};

	initStringInfo(&condition);
	for (int i = 0; i < table->key_count; i++)
	{
		int			column = result->key_columns[i] - 1;
		Form_pg_attribute attribute = TupleDescAttr(result->columns, column);
		Oid			output;
		bool		is_varlena;

		if (nulls[column])
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("the corrected row has NULL in key column \"%s\"", table->keys[i])));
		getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
		request->changes_key |= before_nulls[column] ||
			strcmp(OidOutputFunctionCall(output, before[column]), OidOutputFunctionCall(output, values[column])) != 0;
		mdl_arg(&args, attribute->atttypid, values[column], false);
		if (i > 0)
			appendStringInfoString(&condition, " AND ");
		generate_operator_clause(&condition, psprintf("t.%s", quote_identifier(table->keys[i])), keys[i].type, keys[i].operator,
								 psprintf("$%d", i + 1), attribute->atttypid);
	}
	if (mdl_run(psprintf("SELECT FROM ONLY %s t WHERE %s", mdl_qualified_name(table->target), condition.data), &args, true) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("\"%s\" has a row with the key of the corrected row: %s", mdl_display_name(table->target),
						mdl_result_key_json(result, values, nulls))));
}

static void
check_rules(const Request *request, DerivedResult *result, Datum *values, bool *nulls)
{
	Verdict    *verdicts = palloc0_array(Verdict, result->rule_count + 1);
	char	  **messages = palloc0_array(char *, result->rule_count + 1);
	Judge	   *judge = mdl_judge_begin(result);

	mdl_judge_row(judge, values, nulls, verdicts, messages);
	for (int i = 0; i < result->rule_count; i++)
		if (verdicts[i] != VERDICT_PASS && result->rules[i].action != RULE_WARN)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("the corrected row violates expectation \"%s\" of \"%s\"", result->rules[i].name,
							mdl_display_name(request->table->target)),
					 errdetail("Rule: %s.%s%s", result->rules[i].rule, messages[i] ? " The expression raised: " : "",
							   messages[i] ? messages[i] : "")));
	mdl_judge_end(judge);
}

/* Runs as the owner of the table, since values and rules may call functions of the owner's. */
static void
examine(void *argument)
{
	Request    *request = argument;
	DerivedResult *result = mdl_result_begin(request->table);
	int			columns = result->columns->natts;
	Datum	   *before = palloc_array(Datum, columns);
	bool	   *before_nulls = palloc_array(bool, columns);
	Datum	   *values = palloc_array(Datum, columns);
	bool	   *nulls = palloc_array(bool, columns);
	FmgrInfo	function;

	check_columns(request, result);
	read_quarantined(request, result, before, before_nulls);
	image_of(result->columns, before, before_nulls, request->image);
	memcpy(values, before, sizeof(Datum) * columns);
	memcpy(nulls, before_nulls, sizeof(bool) * columns);
	prepare_populate(&function, request->table->definition);
	populate(&function, result->columns, request->corrected, values, nulls);
	check_rules(request, result, values, nulls);
	check_key(request, result, before, before_nulls, values, nulls);
	mdl_result_free(result);
}

/* Whether a correction that is to be replaced gave the row another key. */
static bool
had_other_key(Oid target, bytea *image)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_arg(&args, BYTEAOID, PointerGetDatum(image), false);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT FROM medallion._corrections WHERE target OPERATOR(pg_catalog.=) $1 AND image OPERATOR(pg_catalog.=) $2"
				   " AND changes_key", &args, false);
	mdl_owner_end(&saved);
	return rows > 0;
}

int64
mdl_correction_add(const DerivedTable *table, int64 quarantine_id, Jsonb *corrected, const char *note)
{
	Request		request = {.table = table, .quarantine_id = quarantine_id, .corrected = corrected};
	bytea	   *image = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	MdlArgs		args = {0};
	MdlUser		saved;
	int64		id;

	if (!OidIsValid(table->quarantine))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("derived table \"%s\" has no quarantine", mdl_display_name(table->target)),
				 errhint("Rows are kept aside by rules declared with on_violation => 'quarantine'.")));
	mdl_as_table_owner(table, examine, &request);
	SET_VARSIZE(image, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	memcpy(VARDATA(image), request.image, PG_SHA256_DIGEST_LENGTH);
	mdl_correction_change_add(table->target, request.original, request.changes_key || had_other_key(table->target, image));
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_arg(&args, BYTEAOID, PointerGetDatum(image), false);
	mdl_arg_jsonb(&args, request.original);
	mdl_arg_jsonb(&args, corrected);
	mdl_arg_bool(&args, request.changes_key);
	mdl_arg_text(&args, note);
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._corrections (target, image, original, corrected, changes_key, note, role_name)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (target, image) DO UPDATE SET corrected = excluded.corrected,"
			" changes_key = excluded.changes_key, note = excluded.note, role_name = excluded.role_name, made_at = pg_catalog.now()"
			" RETURNING correction_id", &args, false);
	id = mdl_field_int8(0, 0);
	mdl_owner_end(&saved);
	return id;
}

MDL_FUNCTION(mdl_correct);
Datum
mdl_correct(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "quarantine_id", "corrected"};
	int64		id;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	SPI_connect();
	id = mdl_correction_add(mdl_pipeline_owned_table(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_GETARG_INT64(1),
							PG_GETARG_JSONB_P(2), mdl_optional_text(fcinfo, 3));
	SPI_finish();
	PG_RETURN_INT64(id);
}

MDL_FUNCTION(mdl_uncorrect);
Datum
mdl_uncorrect(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "correction_id"};
	DerivedTable *table;
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	SPI_connect();
	table = mdl_pipeline_owned_table(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_arg_int8(&args, PG_GETARG_INT64(1));
	mdl_owner_begin(&saved);
	rows = mdl_run("DELETE FROM medallion._corrections WHERE target OPERATOR(pg_catalog.=) $1"
				   " AND correction_id OPERATOR(pg_catalog.=) $2 RETURNING original, changes_key", &args, false);
	mdl_owner_end(&saved);
	if (rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("derived table \"%s\" has no correction " INT64_FORMAT, mdl_display_name(table->target), PG_GETARG_INT64(1)),
				 errhint("The view medallion.corrections lists them.")));
	mdl_correction_change_add(table->target, DatumGetJsonbPCopy(mdl_field(0, 0, NULL)), DatumGetBool(mdl_field(0, 1, NULL)));
	SPI_finish();
	PG_RETURN_VOID();
}
