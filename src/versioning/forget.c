/*
 * forget.c: medallion.forget, which erases one row, by its key, from all of a table's past.
 *
 * The answers for old versions change by the absence of that key, and by nothing else.  Tags and pins do not hold it back;
 * those that name a version in which the row was there are reported, and pins count what was taken.  The commit of the
 * erasure says 'forget', by whom and when, but not which key.  Not reached: the table itself (the row must have been
 * deleted), copies of it, the write-ahead log and backups, and pages until they are vacuumed.
 */
#include "versioning/columns_int.h"
#include "versioning/past_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* The key that was asked for, as a condition with parameters. */
typedef struct ForgetKey
{
	int			count;
	char	  **names;			/* (count) quoted, in the table */
	char	  **past;			/* (count) SQL for the value in a row of the history */
	char	  **operators;		/* (count) OPERATOR(…) */
	MdlArgs		args;
} ForgetKey;

/* When a removed row was there. */
typedef struct Span
{
	int64		born;
	int64		died;
} Span;

/* ---- the key ------------------------------------------------------------------------------------------------------ */

static void bad_key(Oid relid, const char *reason) pg_attribute_noreturn();

static void
bad_key(Oid relid, const char *reason)
{
	Relation	relation = table_open(relid, AccessShareLock);
	Relation	index = index_open(RelationGetPrimaryKeyIndex(relation), AccessShareLock);
	StringInfoData example;

	initStringInfo(&example);
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		appendStringInfo(&example, "%s\"%s\": …", i ? ", " : "",
						 get_attname(relid, index->rd_index->indkey.values[i], false));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"key\" %s", reason),
			 errhint("Give the primary key of \"%s\": {%s}.", mdl_display_name(relid), example.data)));
}

/* The text of a jsonb value as the input function of a type wants it. */
static char *
value_text(Oid relid, const char *column, Oid type, JsonbValue *value)
{
	if (type == JSONBOID || type == JSONOID)
		return JsonbToCString(NULL, &JsonbValueToJsonb(value)->root, 0);
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvNull:
			bad_key(relid, psprintf("has no value for column \"%s\"", column));
		default:
			bad_key(relid, psprintf("must have a single value for column \"%s\"", column));
	}
}

/* Takes the value of one column of the primary key out of the jsonb object. */
static void
add_column(ForgetKey *key, const MdlTable *table, Relation relation, Relation index, int position, Jsonb *object)
{
	Oid			relid = RelationGetRelid(relation);
	AttrNumber	column = index->rd_index->indkey.values[position];
	char	   *name = get_attname(relid, column, false);
	Oid			type = getBaseType(get_atttype(relid, column));
	Oid			equal = get_opfamily_member(index->rd_opfamily[position], index->rd_opcintype[position],
											index->rd_opcintype[position], BTEqualStrategyNumber);
	JsonbValue	name_value = {.type = jbvString};
	JsonbValue *value;
	Oid			input,
				parameter;
	StringInfoData past;

	name_value.val.string.val = name;
	name_value.val.string.len = strlen(name);
	value = findJsonbValueFromContainer(&object->root, JB_FOBJECT, &name_value);
	if (value == NULL)
		bad_key(relid, psprintf("lacks column \"%s\"", name));
	getTypeInputInfo(type, &input, &parameter);
	mdl_arg(&key->args, type, OidInputFunctionCall(input, value_text(relid, name, type, value), parameter, -1), false);
	initStringInfo(&past);
	mdl_column_of_row(&past, table, TupleDescAttr(RelationGetDescr(relation), column - 1));
	key->past[key->count] = past.data;
	key->names[key->count] = pstrdup(quote_identifier(name));
	key->operators[key->count++] = mdl_operator_sql(equal);
}

/* Raises an error for a member of the object that is no column of the key. */
static void
check_members(const ForgetKey *key, Oid relid, Jsonb *object)
{
	int			count;
	char	  **names = mdl_jsonb_keys(object, &count);

	for (int n = 0; n < count; n++)
	{
		bool		found = false;

		for (int i = 0; i < key->count && !found; i++)
			found = strcmp(key->names[i], quote_identifier(names[n])) == 0;
		if (!found)
			bad_key(relid, psprintf("names column \"%s\", which is not of the primary key", names[n]));
	}
}

static ForgetKey *
read_key(const MdlTable *table, Relation relation, Jsonb *object)
{
	ForgetKey  *key = palloc0(sizeof(ForgetKey));
	Relation	index = index_open(RelationGetPrimaryKeyIndex(relation), AccessShareLock);
	int			count = index->rd_index->indnkeyatts;

	if (!JB_ROOT_IS_OBJECT(object))
		bad_key(RelationGetRelid(relation), "must be an object");
	key->names = palloc(count * sizeof(char *));
	key->past = palloc(count * sizeof(char *));
	key->operators = palloc(count * sizeof(char *));
	for (int i = 0; i < count; i++)
		add_column(key, table, relation, index, i, object);
	check_members(key, RelationGetRelid(relation), object);
	index_close(index, NoLock);
	return key;
}

/* a OPERATOR(…) $1 AND …, for the table or for its history. */
static char *
key_condition(const ForgetKey *key, bool past)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < key->count; i++)
		appendStringInfo(&sql, "%s%s %s $%d", i ? " AND " : "", past ? key->past[i] : key->names[i], key->operators[i],
						 i + 1);
	return sql.data;
}

/* ---- what loses --------------------------------------------------------------------------------------------------- */

static bool
was_there(const Span *spans, int count, int64 version)
{
	const MdlPoint *point = mdl_point_resolve(version, NULL);

	for (int i = 0; i < count; i++)
		if (mdl_point_includes(point, spans[i].born) && !mdl_point_includes(point, spans[i].died))
			return true;
	return false;
}

/* The holders of versions that lose, as text[]; `query` gives holder and version. */
static Datum
losers(const char *query, const MdlTable *table, const Span *spans, int count)
{
	MdlArgs		args = {0};
	MdlUser		user;
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	SPITupleTable *rows;
	uint64		nrows;

	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_arg_int8(&args, table->readable_from);
	mdl_owner_begin(&user);
	nrows = mdl_run(query, &args, false);
	mdl_owner_end(&user);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		is_null;
		int64		version = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &is_null));

		if (was_there(spans, count, version))
			names = accumArrayResult(names, SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null), false, TEXTOID,
									 CurrentMemoryContext);
	}
	return makeArrayResult(names, CurrentMemoryContext);
}

/* Pins count what was taken from them. */
static void
count_in_pins(const MdlTable *table, Datum holders, int64 rows)
{
	MdlArgs		args = {0};
	MdlUser		user;

	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_arg(&args, TEXTARRAYOID, holders, false);
	mdl_arg_int8(&args, rows);
	mdl_owner_begin(&user);
	mdl_run("UPDATE medallion_history.pins SET erased_rows = erased_rows OPERATOR(pg_catalog.+) $3"
			" WHERE (table_id IS NULL OR table_id OPERATOR(pg_catalog.=) $1)"
			" AND holder_kind OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) holder OPERATOR(pg_catalog.=) ANY ($2)",
			&args, false);
	mdl_owner_end(&user);
}

/* ---- erasing ------------------------------------------------------------------------------------------------------ */

/* Raises an error if the row is still in the table. */
static void
check_gone(Oid relid, const ForgetKey *key)
{
	if (mdl_run(psprintf("SELECT FROM %s WHERE %s", mdl_qualified_name(relid), key_condition(key, false)), &key->args, false) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the row of that key is in table \"%s\" now", mdl_display_name(relid)),
				 errhint("DELETE it first; that may be in the same transaction.")));
}

/* Deletes the past of the key; returns when the rows were there. */
static Span *
erase(const MdlTable *table, const ForgetKey *key, int *count)
{
	MdlUser		user;
	Span	   *spans;

	mdl_owner_begin(&user);
	mdl_only_server_casts = true;
	PG_TRY();
	{
		*count = mdl_run(psprintf("DELETE FROM %s WHERE %s RETURNING " MDL_BORN_COLUMN ", " MDL_DIED_COLUMN,
								  mdl_qualified_name(table->history), key_condition(key, true)), &key->args, false);
	}
	PG_FINALLY();
	{
		mdl_only_server_casts = false;
	}
	PG_END_TRY();
	mdl_owner_end(&user);
	spans = palloc(Max(*count, 1) * sizeof(Span));
	for (int i = 0; i < *count; i++)
	{
		spans[i].born = mdl_field_int8(i, 0);
		spans[i].died = mdl_field_int8(i, 1);
	}
	for (int i = 0; i < *count; i++)
		mdl_counts_forget(table, spans[i].born, spans[i].died);
	return spans;
}

static void
check_caller(Oid relid)
{
	mdl_require_table_owner(relid);
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot erase from \"%s\": row-level security may hide the row", mdl_display_name(relid)),
				 errhint("Erase as a role with BYPASSRLS.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("history cannot be erased in a transaction of isolation level REPEATABLE READ or above"),
				 errhint("Erase in a transaction of its own.")));
}

/* forget(relation, key) */
MDL_FUNCTION(mdl_forget);
Datum
mdl_forget(PG_FUNCTION_ARGS)
{
	Oid			relid;
	Relation	relation;
	MdlTable   *table;
	ForgetKey  *key;
	TupleDesc	desc;
	Span	   *spans;
	int			count;
	Datum		values[3];
	bool		nulls[3] = {false};

	mdl_refuse_while_travelling("forget()");
	mdl_require_argument(fcinfo, 0, "relation");
	mdl_require_argument(fcinfo, 1, "key");
	relid = mdl_table_get(PG_GETARG_OID(0))->root;
	check_caller(relid);
	get_call_result_type(fcinfo, NULL, &desc);
	/* Waits for writers: what they delete must be in history when that is searched. */
	relation = table_open(relid, ShareRowExclusiveLock);
	table = mdl_table_get(relid);
	key = read_key(table, relation, PG_GETARG_JSONB_P(1));
	table_close(relation, NoLock);
	mdl_capture_show();

	SPI_connect();
	check_gone(relid, key);
	spans = erase(table, key, &count);
	values[0] = Int64GetDatum(count);
	values[1] = losers("SELECT tag, version FROM medallion_history.tags WHERE $1 IS NOT NULL"
					   " AND version OPERATOR(pg_catalog.>=) $2 ORDER BY version, tag", table, spans, count);
	values[2] = losers("SELECT holder_kind OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) holder, version"
					   " FROM medallion_history.pins WHERE (table_id IS NULL OR table_id OPERATOR(pg_catalog.=) $1)"
					   " AND version OPERATOR(pg_catalog.>=) $2 ORDER BY version, 1", table, spans, count);
	if (count > 0)
		count_in_pins(table, values[2], count);
	values[1] = SPI_datumTransfer(values[1], false, -1);
	values[2] = SPI_datumTransfer(values[2], false, -1);
	SPI_finish();
	if (count > 0)
		mdl_capture_operation(relid, "forget");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
