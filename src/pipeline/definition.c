/*
 * definition.c: medallion.define, redefine and undefine.
 *
 * The query is kept as a view of the table's owner in schema medallion_definitions, so that PostgreSQL itself knows what
 * it depends on: renames of sources follow, and dropping a source is refused.  The schema holds nothing else, so that tools
 * which look at silver and gold see tables only.  Nobody needs the right to create there: the view is made by its owner in
 * the schema of the table, which takes the same right as the table, and moved.
 *
 * The table is an ordinary one.  Its indexes, grants, comments and further columns are its owner's; a refresh writes the
 * columns of the query.
 */
#include "pipeline/pipeline_int.h"
#include "versioning/versioning.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/tablecmds.h"
#include "commands/view.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* What a query means depends on these, so a refresh runs with the values they had when the query was given. */
static const char *const meaning_settings[] = {"DateStyle", "IntervalStyle", "TimeZone"};

/* ---- small helpers ------------------------------------------------------------------------------------------ */

char *
mdl_column_list(TupleDesc columns, const char *prefix)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < columns->natts; i++)
		appendStringInfo(&text, "%s%s%s", i ? ", " : "", prefix,
						 quote_identifier(NameStr(TupleDescAttr(columns, i)->attname)));
	return text.data;
}

static TupleDesc
relation_columns(Oid relid)
{
	Relation	relation = relation_open(relid, AccessShareLock);
	TupleDesc	columns = CreateTupleDescCopy(RelationGetDescr(relation));

	relation_close(relation, NoLock);
	return columns;
}

static char *
column_type(Form_pg_attribute column)
{
	return format_type_with_typemod(column->atttypid, column->atttypmod);
}

/* "int COLLATE x" as the definition of a column in SQL. */
static char *
column_type_sql(Form_pg_attribute column)
{
	char	   *type = format_type_extended(column->atttypid, column->atttypmod,
											FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);

	if (!OidIsValid(column->attcollation) || column->attcollation == get_typcollation(column->atttypid))
		return type;
	return psprintf("%s COLLATE %s", type, generate_collation_name(column->attcollation));
}

static AttrNumber
column_by_name(TupleDesc columns, const char *name)
{
	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped && strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0)
			return i + 1;
	return InvalidAttrNumber;
}

/* Opens the one row that define and redefine return. */
static void
return_definition(FunctionCallInfo fcinfo, const DerivedTable *table)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *sources = mdl_view_leaf_sources(table->definition);
	Datum	   *names = palloc_array(Datum, list_length(sources) + 1);
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	ListCell   *cell;
	int			count = 0;

	foreach(cell, sources)
		names[count++] = CStringGetTextDatum(mdl_pipeline_relation_name(lfirst_oid(cell)));
	values[0] = CStringGetTextDatum(mdl_pipeline_relation_name(table->target));
	values[1] = CStringGetTextDatum(mdl_pipeline_relation_name(table->definition));
	values[2] = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* ---- the definition view ------------------------------------------------------------------------------------ */

/* A free name in the schema of definitions: "silver.flights", or with a number after it. */
static char *
definition_name(const char *schema, const char *relation, Oid definitions)
{
	char	   *full = psprintf("%s.%s", schema, relation);

	for (int i = 0;; i++)
	{
		char	   *suffix = i == 0 ? "" : psprintf("_%d", i);
		int			room = NAMEDATALEN - 1 - (int) strlen(suffix);
		char	   *name = psprintf("%.*s%s", pg_mbcliplen(full, strlen(full), room), full, suffix);

		if (!OidIsValid(get_relname_relid(name, definitions)))
			return name;
	}
}

/* After a rename of the table, or when another view had the name, the view takes the table's name if it is free. */
void
mdl_definition_follow_name(const DerivedTable *table)
{
	char	   *present = get_rel_name(table->definition);
	char	   *full = psprintf("%s.%s", get_namespace_name(get_rel_namespace(table->target)), get_rel_name(table->target));
	char	   *wanted = pnstrdup(full, pg_mbcliplen(full, strlen(full), NAMEDATALEN - 1));

	if (strcmp(present, wanted) == 0 || OidIsValid(get_relname_relid(wanted, get_rel_namespace(table->definition))))
		return;
	LockRelationOid(table->definition, AccessExclusiveLock);
	RenameRelationInternal(table->definition, wanted, false, false);
	CommandCounterIncrement();
}

/* Creates the view that holds the query, owned by the current user. */
static Oid
create_definition(const char *query, const char *schema, const char *relation, const char *target)
{
	Oid			definitions = get_namespace_oid(MDL_DEFINITION_SCHEMA, false);
	Oid			home = get_namespace_oid(schema, false);
	RawStmt    *statement = mdl_definition_query_parse(query, target);
	ViewStmt   *stmt = makeNode(ViewStmt);
	ObjectAddress view;
	ObjectAddresses *moved;
	Relation	opened;

	stmt->view = makeRangeVar(pstrdup(schema), definition_name(schema, relation, definitions), -1);
	stmt->query = statement->stmt;
	stmt->withCheckOption = NO_CHECK_OPTION;
	view = DefineView(stmt, query, statement->stmt_location, statement->stmt_len);
	CommandCounterIncrement();

	opened = relation_open(view.objectId, AccessExclusiveLock);
	moved = new_object_addresses();
	AlterTableNamespaceInternal(opened, home, definitions, moved);
	free_object_addresses(moved);
	relation_close(opened, NoLock);
	CommandCounterIncrement();
	CreateComments(view.objectId, RelationRelationId, 0, psprintf("query of derived table %s", target));
	CommandCounterIncrement();
	return view.objectId;
}

static void
drop_definition(Oid view)
{
	ObjectAddress object;

	ObjectAddressSet(object, RelationRelationId, view);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/* ---- define --------------------------------------------------------------------------------------------------- */

/* The place of a new table: a schema for data, and a name that is free. */
static void
check_target(const char *name, char **schema, char **relation)
{
	Oid			existing;
	Oid			namespace;

	mdl_split_name(name, schema, relation);
	namespace = get_namespace_oid(*schema, false);
	if (IsCatalogNamespace(namespace) || isAnyTempNamespace(namespace) || strcmp(*schema, MDL_SCHEMA) == 0 ||
		strcmp(*schema, MDL_HISTORY_SCHEMA) == 0 || strcmp(*schema, MDL_DEFINITION_SCHEMA) == 0 ||
		strcmp(*schema, "information_schema") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_SCHEMA_NAME),
				 errmsg("schema \"%s\" cannot hold derived tables", *schema),
				 errhint("Use silver, gold or a schema of your own.")));
	existing = get_relname_relid(*relation, namespace);
	if (OidIsValid(existing))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s.%s\" already exists", *schema, *relation),
				 mdl_is_derived(existing) ? errhint("Use medallion.redefine to give it another query.") :
				 errhint("Choose another name, or drop or rename it first.")));
}

static void
check_key_type(Oid type, const char *key, const char *target)
{
	if (!OidIsValid(lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("key column \"%s\" of \"%s\" has type %s, which has no order and cannot be a key", key, target,
						format_type_be(type)),
				 errhint("Cast it to another type in the query, or use other columns as the key.")));
}

/* The key columns must be distinct columns of the query. */
static void
check_keys(char **keys, int count, Query *query, const char *target)
{
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("derived table \"%s\" needs a key", target),
				 errhint("Give in keys the columns that identify a row, for example keys => '{id}'.")));
	for (int i = 0; i < count; i++)
	{
		ListCell   *cell;
		bool		found = false;

		for (int j = 0; j < i; j++)
			if (strcmp(keys[i], keys[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("key column \"%s\" of \"%s\" is given twice", keys[i], target)));
		foreach(cell, query->targetList)
		{
			TargetEntry *entry = lfirst_node(TargetEntry, cell);

			if (entry->resjunk || strcmp(entry->resname, keys[i]) != 0)
				continue;
			found = true;
			check_key_type(exprType((Node *) entry->expr), keys[i], target);
		}
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("key column \"%s\" is not a column of the query of \"%s\"", keys[i], target)));
	}
}

static char *
key_list(const DerivedTable *table)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "", quote_identifier(table->keys[i]));
	return text.data;
}

static void
remember_settings(DerivedTable *table)
{
	table->setting_count = lengthof(meaning_settings);
	table->settings = palloc_array(char *, table->setting_count);
	for (int i = 0; i < table->setting_count; i++)
		table->settings[i] = psprintf("%s=%s", meaning_settings[i],
									  GetConfigOption(meaning_settings[i], false, false));
}

static void
check_options(const char *on_schema_change, const Interval *target_lag)
{
	Interval	none = {0, 0, 0};

	if (strcmp(on_schema_change, "fail") != 0 && strcmp(on_schema_change, "append_columns") != 0 &&
		strcmp(on_schema_change, "full_refresh") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_schema_change cannot be \"%s\"", on_schema_change),
				 errhint("Use fail, append_columns or full_refresh.")));
	if (target_lag != NULL &&
		!DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(target_lag), IntervalPGetDatum(&none))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target_lag must be longer than zero, but is %s",
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(target_lag))))));
}

MDL_FUNCTION(mdl_define);
Datum
mdl_define(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "query", "keys", NULL, NULL, "on_schema_change"};
	DerivedTable table = {0};
	char	   *query,
			   *schema,
			   *relation,
			   *display;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	InitMaterializedSRF(fcinfo, 0);
	query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	table.keys = mdl_pipeline_text_array(PG_GETARG_DATUM(2), "keys", &table.key_count);
	table.target_lag = PG_ARGISNULL(4) ? NULL : PG_GETARG_INTERVAL_P(4);
	table.on_schema_change = text_to_cstring(PG_GETARG_TEXT_PP(5));
	check_options(table.on_schema_change, table.target_lag);
	SPI_connect();
	check_target(text_to_cstring(PG_GETARG_TEXT_PP(0)), &schema, &relation);
	display = psprintf("%s.%s", schema, relation);
	check_keys(table.keys, table.key_count, mdl_definition_query_check(query, display), display);

	table.definition = create_definition(query, schema, relation, display);
	mdl_run(psprintf("CREATE TABLE %s AS TABLE %s WITH NO DATA", quote_qualified_identifier(schema, relation),
					 mdl_qualified_name(table.definition)), NULL, false);
	table.target = get_relname_relid(relation, get_namespace_oid(schema, false));
	mdl_run(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", mdl_qualified_name(table.target), key_list(&table)),
			NULL, false);
	if (!PG_ARGISNULL(3))
		CreateComments(table.target, RelationRelationId, 0, text_to_cstring(PG_GETARG_TEXT_PP(3)));
	/* Starting this checks that the owner may read the sources. */
	mdl_run(psprintf("SELECT FROM %s LIMIT 0", mdl_qualified_name(table.definition)), NULL, false);
	remember_settings(&table);
	mdl_pipeline_table_add(&table);
	CommandCounterIncrement();
	mdl_enable_versioning(table.target);
	return_definition(fcinfo, &table);
	SPI_finish();
	return (Datum) 0;
}

/* ---- redefine --------------------------------------------------------------------------------------------------- */

/* Raises what forbids a change of columns; `what` tells the change. */
static void
require_schema_change(const DerivedTable *table, bool adds, const char *what)
{
	if (strcmp(table->on_schema_change, "full_refresh") == 0 ||
		(adds && strcmp(table->on_schema_change, "append_columns") == 0))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("query of \"%s\" %s, but its on_schema_change is %s", mdl_display_name(table->target), what,
					table->on_schema_change),
			 errhint("medallion.redefine(…, on_schema_change => '%s') allows this.",
					 adds ? "append_columns" : "full_refresh")));
}

/*
 * Adds columns that are new in the definition and drops (full_refresh) those that it had and has no more.  `before` are
 * the columns of the previous definition, NULL if only additions are to be looked for.
 */
static void
alter_columns(Oid relid, const DerivedTable *table, TupleDesc before, TupleDesc after)
{
	TupleDesc	present = relation_columns(relid);
	char	   *name = mdl_qualified_name(relid);

	for (int i = 0; before != NULL && i < before->natts; i++)
	{
		char	   *column = NameStr(TupleDescAttr(before, i)->attname);

		if (column_by_name(after, column) != InvalidAttrNumber || column_by_name(present, column) == InvalidAttrNumber)
			continue;
		require_schema_change(table, false, psprintf("returns no column \"%s\" any more", column));
		mdl_run(psprintf("ALTER TABLE %s DROP COLUMN %s", name, quote_identifier(column)), NULL, false);
	}
	for (int i = 0; i < after->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(after, i);
		AttrNumber	existing = column_by_name(present, NameStr(column->attname));

		if (existing == InvalidAttrNumber)
		{
			require_schema_change(table, true, psprintf("returns new column \"%s\"", NameStr(column->attname)));
			mdl_run(psprintf("ALTER TABLE %s ADD COLUMN %s %s", name, quote_identifier(NameStr(column->attname)),
							 column_type_sql(column)), NULL, false);
		}
		else
		{
			Form_pg_attribute old = TupleDescAttr(present, existing - 1);

			if (old->atttypid == column->atttypid && old->atttypmod == column->atttypmod &&
				old->attcollation == column->attcollation)
				continue;
			require_schema_change(table, false,
								  psprintf("returns column \"%s\" as %s instead of %s", NameStr(column->attname),
										   column_type(column), column_type(old)));
			mdl_run(psprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", name, quote_identifier(NameStr(column->attname)),
							 column_type_sql(column)), NULL, false);
		}
	}
}

void
mdl_definition_apply_columns(const DerivedTable *table)
{
	TupleDesc	after = relation_columns(table->definition);

	alter_columns(table->target, table, NULL, after);
	if (OidIsValid(table->quarantine))
		alter_columns(table->quarantine, table, NULL, after);
}

Oid
mdl_relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "relation %u is gone", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
mdl_definition_follow_owner(const DerivedTable *table)
{
	Oid			owner = mdl_relation_owner(table->target);

	if (mdl_relation_owner(table->definition) == owner)
		return;
	ATExecChangeOwner(table->definition, owner, true, AccessExclusiveLock);
	CommandCounterIncrement();
}

/* Fails if the table, through its new definition, would be made from itself. */
static void
check_cycle(const DerivedTable *table)
{
	mdl_refresh_order(mdl_pipeline_tables(), list_make1_oid(table->target));
}

/* Puts another query in the place of the definition; table and quarantine table follow. */
static void
replace_query(DerivedTable *table, const char *query)
{
	char	   *display = mdl_display_name(table->target);
	Oid			previous = table->definition;
	TupleDesc	before = relation_columns(previous);
	TupleDesc	after;

	check_keys(table->keys, table->key_count, mdl_definition_query_check(query, display), display);
	table->definition = create_definition(query, get_namespace_name(get_rel_namespace(table->target)),
										  get_rel_name(table->target), display);
	after = relation_columns(table->definition);
	remember_settings(table);
	mdl_pipeline_table_change(table);
	CommandCounterIncrement();
	mdl_definition_follow_owner(table);
	check_cycle(table);
	alter_columns(table->target, table, before, after);
	if (OidIsValid(table->quarantine))
		alter_columns(table->quarantine, table, before, after);
	drop_definition(previous);
	mdl_definition_follow_name(table);
	mdl_rules_check_again(table);
}

MDL_FUNCTION(mdl_redefine);
Datum
mdl_redefine(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target"};
	DerivedTable *table;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	table = mdl_pipeline_owned_table(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	LockRelationOid(table->target, AccessExclusiveLock);
	if (!PG_ARGISNULL(3))
		table->target_lag = PG_GETARG_INTERVAL_P(3);
	if (!PG_ARGISNULL(4))
		table->on_schema_change = text_to_cstring(PG_GETARG_TEXT_PP(4));
	check_options(table->on_schema_change, table->target_lag);
	if (!PG_ARGISNULL(2))
		CreateComments(table->target, RelationRelationId, 0, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (PG_ARGISNULL(1))
		mdl_pipeline_table_change(table);
	else
		replace_query(table, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	return_definition(fcinfo, table);
	SPI_finish();
	return (Datum) 0;
}

/* ---- undefine --------------------------------------------------------------------------------------------------- */

MDL_FUNCTION(mdl_undefine);
Datum
mdl_undefine(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "drop_table"};
	bool		drop_table = PG_GETARG_BOOL(1);
	DerivedTable *table;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	SPI_connect();
	table = mdl_pipeline_owned_table(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	LockRelationOid(table->target, AccessExclusiveLock);
	mdl_pipeline_table_remove(table->target);
	CommandCounterIncrement();
	drop_definition(table->definition);
	if (drop_table)
	{
		if (OidIsValid(table->quarantine))
			mdl_run(psprintf("DROP TABLE %s", mdl_qualified_name(table->quarantine)), NULL, false);
		mdl_run(psprintf("DROP TABLE %s", mdl_qualified_name(table->target)), NULL, false);
	}
	SPI_finish();
	PG_RETURN_VOID();
}
