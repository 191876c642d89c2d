/*
 * undrop.c: versioned tables that were dropped: which there are, and making one again.
 *
 * The history of a dropped table stays, its last rows included (drop_follow.c), and so do its definition and its number.
 * Made again, it goes on with that history: all versions read as before, those between drop and undrop as an empty table.
 * What cannot be made again (a constraint whose function is gone, say) is left out with a warning that names it.
 */
#include "versioning/commits_int.h"
#include "versioning/ddl_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

void
mdl_undrop_note(Oid relid, int32 table_id)
{
	MdlArgs		args = {0};
	MdlUser		user;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_int8(&args, mdl_capture_stamp());
	mdl_run_now("UPDATE medallion_history.versioned_tables SET dropped = $2, enabled = false WHERE table_id = $1", &args);
	mdl_definition_write_grants(relid, table_id);
	mdl_owner_end(&user);
	SPI_finish();
}

/* Whether the current user has the rights of a table's owner, who may be gone. */
static bool
may_have(const char *owner_name)
{
	Oid			owner = get_role_oid(owner_name, true);

	return superuser() || (OidIsValid(owner) && has_privs_of_role(GetUserId(), owner));
}

/* ---- view ----------------------------------------------------------------------------------------------------------- */

MDL_FUNCTION(mdl_dropped_tables);
Datum
mdl_dropped_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SPITupleTable *rows;
	uint64		count;
	MdlUser		user;

	InitMaterializedSRF(fcinfo, 0);
	if (!OidIsValid(mdl_history_relation(MDL_COLUMNS_TABLE, true)))
		PG_RETURN_NULL();
	SPI_connect();
	mdl_owner_begin(&user);
	count = mdl_run("SELECT pg_catalog.format('%I.%I', t.schema_name, t.table_name), l.committed_at, l.version, d.owner_name,"
					" t.table_id, t.history_table FROM medallion_history.versioned_tables t"
					" JOIN medallion_history.table_definitions d USING (table_id)"
					" JOIN medallion_history.commit_log l ON l.stamp = t.dropped ORDER BY l.version, 1", NULL, true);
	mdl_owner_end(&user);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		Datum		values[6];
		bool		nulls[6];
		int64		pruned_to;

		SPI_tuptable = rows;
		if (!may_have(mdl_field_text(i, 3)) || !OidIsValid(mdl_history_relation(mdl_field_text(i, 5), true)))
			continue;
		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, nulls);
		values[3] = Int64GetDatum(mdl_history_readable_from(DatumGetInt32(values[4]), &pruned_to));
		values[4] = Int64GetDatum(DatumGetInt64(values[2]) - 1);
		nulls[4] = DatumGetInt64(values[4]) < DatumGetInt64(values[3]);
		nulls[3] = nulls[4];
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	PG_RETURN_NULL();
}

/* ---- undrop ---------------------------------------------------------------------------------------------------------- */

/* A dropped table, and what it becomes. */
typedef struct Dropped
{
	int32		table_id;
	char	   *history_table;
	char	   *owner;
	Datum		definition;		/* jsonb */
	int64		version;		/* of the commit that dropped it */
	char	   *schema;			/* of the table that is made */
	char	   *name;
	char	   *target;			/* both, quoted */
	Oid			relid;
} Dropped;

/* Finds the table that was dropped last under a name. */
static void
find_dropped(const char *name, Dropped *dropped)
{
	RangeVar   *range = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));
	MdlArgs		args = {0};
	MdlUser		user;
	bool		is_null;

	if (range->schemaname == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("table name \"%s\" has no schema", name),
				 errhint("Write the schema too, as medallion.dropped_tables has it.")));
	mdl_arg_text(&args, range->schemaname);
	mdl_arg_text(&args, range->relname);
	mdl_owner_begin(&user);
	if (OidIsValid(mdl_history_relation(MDL_COLUMNS_TABLE, true)))
		mdl_run("SELECT t.table_id, t.history_table, d.owner_name, d.definition, l.version"
				" FROM medallion_history.versioned_tables t JOIN medallion_history.table_definitions d USING (table_id)"
				" LEFT JOIN medallion_history.commit_log l ON l.stamp = t.dropped"
				" WHERE t.schema_name = $1 AND t.table_name = $2 AND t.dropped IS NOT NULL"
				/* Two sessions must not go on with one history in two tables: the second waits, and finds nothing. */
				" ORDER BY t.dropped DESC LIMIT 1 FOR UPDATE OF t", &args, false);
	else
		SPI_processed = 0;
	mdl_owner_end(&user);
	if (SPI_processed == 0 || !may_have(mdl_field_text(0, 2)) || !OidIsValid(mdl_history_relation(mdl_field_text(0, 1), true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no dropped table \"%s\" of yours whose history is kept", name),
				 errhint("medallion.dropped_tables lists them.")));
	dropped->version = DatumGetInt64(mdl_field(0, 4, &is_null));
	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" was dropped in this transaction", name),
				 errhint("Use ROLLBACK, or COMMIT first.")));
	dropped->table_id = DatumGetInt32(mdl_field(0, 0, NULL));
	dropped->history_table = mdl_field_text(0, 1);
	dropped->owner = mdl_field_text(0, 2);
	dropped->definition = PointerGetDatum(PG_DETOAST_DATUM_COPY(mdl_field(0, 3, NULL)));
}

static void
definition_args(const Dropped *dropped, MdlArgs *args)
{
	mdl_arg_text(args, dropped->target);
	mdl_arg(args, JSONBOID, dropped->definition, false);
	mdl_arg_text(args, dropped->schema);
	mdl_arg_text(args, dropped->name);
}

static void
run_statement(void *sql)
{
	mdl_run(sql, NULL, false);
}

/* Runs one statement of the definition in a savepoint; false and a warning if that fails. */
static bool
try_statement(char *sql, const char *what)
{
	ErrorData  *error = mdl_try(run_statement, sql);

	if (error == NULL)
		return true;
	/* A cancel is not a matter of the definition. */
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	if (what != NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("could not make %s again: %s", what, error->message)));
	return false;
}

/* Statements of the definition that come before or after the rows, each with a second try and what to call it. */
static void
run_statements(const Dropped *dropped, const char *query)
{
	MdlArgs		args = {0};
	MdlUser		user;
	SPITupleTable *rows;
	uint64		count;

	definition_args(dropped, &args);
	mdl_owner_begin(&user);
	count = mdl_run(query, &args, false);
	mdl_owner_end(&user);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		char	   *first = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		char	   *second = SPI_getvalue(rows->vals[i], rows->tupdesc, 2);
		char	   *what = SPI_getvalue(rows->vals[i], rows->tupdesc, 3);

		if (first == NULL)
			continue;
		if (!try_statement(first, second == NULL ? what : NULL) && second != NULL)
			(void) try_statement(second, what);
	}
}

/* A type that is gone is replaced by the one that its values are kept in. */
static const char *const create_query =
"SELECT pg_catalog.format('CREATE TABLE %s (%s)', $1, pg_catalog.string_agg(pg_catalog.concat("
"  pg_catalog.format('%I %s', c->>'name', CASE WHEN pg_catalog.to_regtype(c->>'type') IS NULL"
"    THEN (SELECT pg_catalog.format_type(a.atttypid, -1) FROM medallion_history.table_columns p JOIN pg_catalog.pg_attribute a"
"      ON a.attname = p.history_column AND a.attrelid = $5 WHERE p.table_id = $6 AND p.until IS NULL AND p.column_name = c->>'name')"
"    ELSE c->>'type' END), ' COLLATE ' || (c->>'collation'),"
"  CASE WHEN (c->>'not_null')::bool THEN ' NOT NULL' END,"
"  CASE c->>'identity' WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' END,"
"  CASE c->>'generated' WHEN 's' THEN ' GENERATED ALWAYS AS (' || (c->>'default') || ') STORED' END), ', ' ORDER BY n)),"
" pg_catalog.string_agg(CASE WHEN c->>'generated' = '' THEN pg_catalog.quote_ident(c->>'name') END, ', ' ORDER BY n),"
" ($2->>'partitioned')::bool, $3, $4"
" FROM pg_catalog.jsonb_array_elements($2->'columns') WITH ORDINALITY AS e(c, n)";

/* The key, which versioning needs, and defaults, before the rows come: none of them can fail for a row. */
static const char *const early_query =
"SELECT statement, second, what FROM ("
"SELECT 1 AS place, n, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', $1, c->>'name', c->>'definition') AS statement,"
"  pg_catalog.format('ALTER TABLE %s ADD %s', $1, c->>'definition') AS second, 'the primary key' AS what"
"  FROM pg_catalog.jsonb_array_elements($2->'constraints') WITH ORDINALITY AS e(c, n) WHERE c->>'kind' = 'p'"
" UNION ALL SELECT 2, n, pg_catalog.format('CREATE SEQUENCE %I.%I OWNED BY %s.%I', $3, $4 || '_' || (c->>'name') || '_seq', $1, c->>'name'),"
"  NULL, pg_catalog.format('the sequence of column \"%s\"', c->>'name')"
"  FROM pg_catalog.jsonb_array_elements($2->'columns') WITH ORDINALITY AS e(c, n)"
"  WHERE (c->>'owns_sequence')::bool AND c->>'identity' = ''"
" UNION ALL SELECT 3, n, CASE WHEN (c->>'owns_sequence')::bool THEN pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT pg_catalog.nextval(%L)',"
"    $1, c->>'name', pg_catalog.format('%I.%I', $3, $4 || '_' || (c->>'name') || '_seq'))"
"  ELSE pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', $1, c->>'name', c->>'default') END,"
"  NULL, pg_catalog.format('the default of column \"%s\"', c->>'name')"
"  FROM pg_catalog.jsonb_array_elements($2->'columns') WITH ORDINALITY AS e(c, n)"
"  WHERE c->>'generated' = '' AND c->>'identity' = '' AND c->>'default' IS NOT NULL"
") s ORDER BY place, n";

static const char *const late_query =
"SELECT statement, second, what FROM ("
"SELECT 1 AS place, n, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', $1, c->>'name', c->>'definition') AS statement,"
"  CASE WHEN c->>'kind' IN ('u', 'x') THEN pg_catalog.format('ALTER TABLE %s ADD %s', $1, c->>'definition') END AS second,"
"  pg_catalog.format('constraint \"%s\"', c->>'name') AS what"
"  FROM pg_catalog.jsonb_array_elements($2->'constraints') WITH ORDINALITY AS e(c, n) WHERE c->>'kind' <> 'p'"
" UNION ALL SELECT 2, n, pg_catalog.format('CREATE %sINDEX %I ON %s%s', CASE WHEN (c->>'unique')::bool THEN 'UNIQUE ' END, c->>'name', $1, c->>'definition'),"
"  pg_catalog.format('CREATE %sINDEX ON %s%s', CASE WHEN (c->>'unique')::bool THEN 'UNIQUE ' END, $1, c->>'definition'),"
"  pg_catalog.format('index \"%s\"', c->>'name')"
"  FROM pg_catalog.jsonb_array_elements($2->'indexes') WITH ORDINALITY AS e(c, n)"
" UNION ALL SELECT 3, n, pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', c->>'name', $1,"
"    CASE WHEN (c->>'permissive')::bool THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, c->>'command', c->>'roles')"
"    || COALESCE(' USING (' || (c->>'using') || ')', '') || COALESCE(' WITH CHECK (' || (c->>'check') || ')', ''),"
"  NULL, pg_catalog.format('policy \"%s\"', c->>'name')"
"  FROM pg_catalog.jsonb_array_elements($2->'policies') WITH ORDINALITY AS e(c, n)"
" UNION ALL SELECT 4, n, pg_catalog.format('GRANT %s%s ON %s TO %s%s', c->>'privilege', ' (' || pg_catalog.quote_ident(c->>'column') || ')',"
"    $1, c->>'role', CASE WHEN (c->>'grantable')::bool THEN ' WITH GRANT OPTION' END),"
"  NULL, pg_catalog.format('the grant to %s', c->>'role')"
"  FROM pg_catalog.jsonb_array_elements($2->'grants') WITH ORDINALITY AS e(c, n)"
" UNION ALL SELECT 5, 0, CASE WHEN $2->>'comment' IS NOT NULL THEN pg_catalog.format('COMMENT ON TABLE %s IS %L', $1, $2->>'comment') END,"
"  NULL, 'the comment'"
" UNION ALL SELECT 5, n, pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', $1, c->>'name', c->>'comment'), NULL, 'a comment'"
"  FROM pg_catalog.jsonb_array_elements($2->'columns') WITH ORDINALITY AS e(c, n) WHERE c->>'comment' IS NOT NULL"
" UNION ALL SELECT 6, n, pg_catalog.format('SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%L, %L), pg_catalog.max(%I)) FROM %s', $1, c->>'name', c->>'name', $1),"
"  NULL, pg_catalog.format('the sequence of column \"%s\"', c->>'name')"
"  FROM pg_catalog.jsonb_array_elements($2->'columns') WITH ORDINALITY AS e(c, n)"
"  WHERE (c->>'owns_sequence')::bool OR c->>'identity' <> ''"
") s WHERE $3 <> '' AND $4 <> '' ORDER BY place, n";

/* Row-level security is the last: nobody may see rows that it hid. */
static void
switch_row_security(const Dropped *dropped)
{
	MdlArgs		args = {0};
	MdlUser		user;
	bool		enabled,
				forced;

	definition_args(dropped, &args);
	mdl_owner_begin(&user);
	mdl_run("SELECT ($2->>'row_security')::bool, ($2->>'force_row_security')::bool WHERE $1 <> '' AND $3 <> '' AND $4 <> ''",
			&args, false);
	mdl_owner_end(&user);
	enabled = DatumGetBool(mdl_field(0, 0, NULL));
	forced = DatumGetBool(mdl_field(0, 1, NULL));
	if (enabled)
		mdl_run(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", dropped->target), NULL, false);
	if (forced)
		mdl_run(psprintf("ALTER TABLE %s FORCE ROW LEVEL SECURITY", dropped->target), NULL, false);
}

/* Makes the table without its rows and gives it to its owner; returns the columns that rows are written to. */
static char *
create_table(Dropped *dropped)
{
	MdlArgs		args = {0};
	MdlUser		user;
	char	   *create,
			   *columns;

	definition_args(dropped, &args);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(mdl_history_relation(dropped->history_table, false)), false);
	mdl_arg(&args, INT4OID, Int32GetDatum(dropped->table_id), false);
	mdl_owner_begin(&user);
	mdl_run(create_query, &args, false);
	mdl_owner_end(&user);
	create = mdl_field_text(0, 0);
	columns = mdl_field_text(0, 1);
	if (DatumGetBool(mdl_field(0, 2, NULL)))
		ereport(NOTICE,
				(errmsg("\"%s\" was partitioned; it is made again as one table", dropped->target)));
	mdl_run(create, NULL, false);
	dropped->relid = mdl_relation_by_name(dropped->target, false);
	if (OidIsValid(get_role_oid(dropped->owner, true)) && get_role_oid(dropped->owner, true) != GetUserId())
		(void) try_statement(psprintf("ALTER TABLE %s OWNER TO %s", dropped->target, quote_identifier(dropped->owner)), "the owner");
	return columns;
}

/* Goes on with the history of the table. */
static void
attach_history(const Dropped *dropped)
{
	MdlArgs		args = {0};
	MdlUser		user;
	char	   *name = dropped->history_table;

	mdl_owner_begin(&user);
	mdl_arg(&args, INT4OID, Int32GetDatum(dropped->table_id), false);
	mdl_arg_text(&args, dropped->schema);
	mdl_arg_text(&args, dropped->name);
	mdl_run("SELECT FROM medallion_history.versioned_tables WHERE table_id = $1 AND schema_name = $2 AND table_name = $3",
			&args, false);
	if (SPI_processed == 0)
	{
		name = mdl_history_name(dropped->schema, dropped->name, dropped->table_id);
		mdl_run(psprintf("ALTER TABLE medallion_history.%s RENAME TO %s", quote_identifier(dropped->history_table),
						 quote_identifier(name)), NULL, false);
	}
	mdl_arg_text(&args, name);
	mdl_run("UPDATE medallion_history.versioned_tables SET schema_name = $2, table_name = $3, history_table = $4,"
			" enabled = true, dropped = NULL WHERE table_id = $1", &args, false);
	mdl_owner_end(&user);
	mdl_capture_row_triggers(dropped->relid, dropped->table_id);
	mdl_capture_truncate_trigger(dropped->relid, dropped->table_id, 0);
	CommandCounterIncrement();
	/* The table is empty, its history is not: how many rows are older than versioning is not known. */
	mdl_state_forget(dropped->relid);
	mdl_state_note_again(dropped->relid);
	mdl_capture_operation(dropped->relid, "undrop");
}

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Makes the table, goes on with its history and brings the rows back. */
static void
undrop(Dropped *dropped, int64 version)
{
	char	   *columns = create_table(dropped);
	Oid			caller;
	int			security_context;

	/* Defaults, constraints and indexes may call functions: as the owner, whoever calls. */
	GetUserIdAndSecContext(&caller, &security_context);
	SetUserIdAndSecContext(owner_of(dropped->relid), security_context | SECURITY_LOCAL_USERID_CHANGE);
	run_statements(dropped, early_query);
	attach_history(dropped);
	mdl_run(psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM medallion.as_of(NULL::%s, version => " INT64_FORMAT ")",
					 dropped->target, columns, columns, dropped->target, version), NULL, false);
	run_statements(dropped, late_query);
	switch_row_security(dropped);
	SetUserIdAndSecContext(caller, security_context);
}

MDL_FUNCTION(mdl_undrop);
Datum
mdl_undrop(PG_FUNCTION_ARGS)
{
	char	   *name = mdl_required_text(fcinfo, 0, "name");
	char	   *new_name = mdl_optional_text(fcinfo, 1);
	Dropped		dropped = {0};
	int64		version;
	int			settings;

	mdl_refuse_while_travelling("undrop()");
	SPI_connect();
	find_dropped(name, &dropped);
	mdl_split_name(new_name ? new_name : name, &dropped.schema, &dropped.name);
	dropped.target = quote_qualified_identifier(dropped.schema, dropped.name);
	version = PG_ARGISNULL(2) ? dropped.version - 1 : PG_GETARG_INT64(2);
	if (version >= dropped.version)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("table \"%s\" was dropped in version " INT64_FORMAT, name, dropped.version),
				 errhint("Give an earlier version, or none for the last one.")));
	settings = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	undrop(&dropped, version);
	AtEOXact_GUC(true, settings);
	SPI_finish();
	PG_RETURN_OID(dropped.relid);
}
