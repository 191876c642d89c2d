/*
 * definition.c: medallion.define, and the view that keeps a query.
 *
 * The query is kept as a view of the table's owner in schema medallion_definitions, so that PostgreSQL itself knows what
 * it depends on: renames of sources follow, and dropping a source is refused.  The schema holds nothing else, so that tools
 * which look at silver and gold see tables only.  Nobody needs the right to create there: the view is made by its owner in
 * the schema of the table, which takes the same right as the table, and moved.
 *
 * The table is an ordinary one.  Its indexes, grants, comments and further columns are its owner's; a refresh writes the
 * columns of the query.
 */
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
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
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
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

TupleDesc
mdl_relation_columns(Oid relid)
{
	Relation	relation = relation_open(relid, AccessShareLock);
	TupleDesc	columns = CreateTupleDescCopy(RelationGetDescr(relation));

	relation_close(relation, NoLock);
	return columns;
}

/* Opens the one row that define and redefine return. */
void
mdl_definition_return(FunctionCallInfo fcinfo, const DerivedTable *table)
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

static char *
definition_name_wanted(const char *schema, const char *relation)
{
	char	   *full = psprintf("%s.%s", schema, relation);

	return pnstrdup(full, pg_mbcliplen(full, strlen(full), NAMEDATALEN - 1));
}

/* Drops a view that has the name but no record: what DROP EXTENSION left of a definition. */
static void
drop_leftover(const char *name, Oid definitions)
{
	Oid			view = get_relname_relid(name, definitions);
	ObjectAddress object;

	if (get_rel_relkind(view) != RELKIND_VIEW || !pg_class_ownercheck(view, GetUserId()) ||
		mdl_pipeline_table_by_definition(mdl_pipeline_tables(), view) != NULL)
		return;
	ObjectAddressSet(object, RelationRelationId, view);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

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
	char	   *wanted = definition_name_wanted(get_namespace_name(get_rel_namespace(table->target)),
												get_rel_name(table->target));

	if (strcmp(present, wanted) == 0 || OidIsValid(get_relname_relid(wanted, get_rel_namespace(table->definition))))
		return;
	LockRelationOid(table->definition, AccessExclusiveLock);
	RenameRelationInternal(table->definition, wanted, false, false);
	CommandCounterIncrement();
}

/* Creates the view that holds the query, owned by the current user. */
Oid
mdl_definition_create(const char *query, const char *schema, const char *relation, const char *target)
{
	Oid			definitions = get_namespace_oid(MDL_DEFINITION_SCHEMA, false);
	Oid			home = get_namespace_oid(schema, false);
	RawStmt    *statement = mdl_definition_query_parse(query, target);
	ViewStmt   *stmt = makeNode(ViewStmt);
	ObjectAddress view;
	ObjectAddresses *moved;
	Relation	opened;

	drop_leftover(definition_name_wanted(schema, relation), definitions);
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
	Oid			followers[] = {table->definition, table->quarantine};

	for (int i = 0; i < lengthof(followers); i++)
	{
		if (!OidIsValid(followers[i]) || mdl_relation_owner(followers[i]) == owner)
			continue;
		ATExecChangeOwner(followers[i], owner, true, AccessExclusiveLock);
		CommandCounterIncrement();
	}
}

/* Fails if the table, through its new definition, would be made from itself. */
void
mdl_definition_check_cycle(const DerivedTable *table)
{
	mdl_refresh_order(mdl_pipeline_tables(), list_make1_oid(table->target));
}

/* ---- define --------------------------------------------------------------------------------------------------- */

/* What may be done about a relation that has the name wanted. */
static const char *
taken_hint(Oid existing)
{
	if (mdl_is_derived(existing))
		return "Use medallion.redefine to give it another query.";
	if (get_rel_relkind(existing) == RELKIND_RELATION && pg_class_ownercheck(existing, GetUserId()))
		return "Choose another name, or let adopt => true make refreshes overwrite this table.";
	return "Choose another name, or drop or rename it first.";
}

/*
 * The place of a new table: a schema for data, and a name that is free.  Returns the table of that name that is to be
 * adopted, else InvalidOid.
 */
static Oid
check_target(const char *name, bool adopt, char **schema, char **relation)
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
	if (OidIsValid(existing) &&
		(!adopt || get_rel_relkind(existing) != RELKIND_RELATION || mdl_is_derived(existing)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s.%s\" already exists", *schema, *relation),
				 errhint("%s", taken_hint(existing))));
	if (OidIsValid(existing))
	{
		mdl_require_table_owner(existing);
		LockRelationOid(existing, AccessExclusiveLock);
	}
	return existing;
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
void
mdl_definition_check_keys(char **keys, int count, Query *query, const char *target)
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

void
mdl_definition_remember_settings(DerivedTable *table)
{
	table->setting_count = lengthof(meaning_settings);
	table->settings = palloc_array(char *, table->setting_count);
	for (int i = 0; i < table->setting_count; i++)
		table->settings[i] = psprintf("%s=%s", meaning_settings[i],
									  GetConfigOption(meaning_settings[i], false, false));
}

void
mdl_definition_check_options(const char *on_schema_change)
{
	if (strcmp(on_schema_change, "fail") != 0 && strcmp(on_schema_change, "append_columns") != 0 &&
		strcmp(on_schema_change, "full_refresh") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_schema_change cannot be \"%s\"", on_schema_change),
				 errhint("Use fail, append_columns or full_refresh.")));
}

/*
 * Makes the table.  A tenth of each page stays free, so that rows that a refresh changes stay in their page, and the indexes
 * need no new entries for them.
 */
static void
create_table(DerivedTable *table, const char *schema, const char *relation)
{
	mdl_run(psprintf("CREATE TABLE %s WITH (fillfactor = 90) AS TABLE %s WITH NO DATA", quote_qualified_identifier(schema, relation),
					 mdl_qualified_name(table->definition)), NULL, false);
	table->target = get_relname_relid(relation, get_namespace_oid(schema, false));
	mdl_run(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", mdl_qualified_name(table->target), key_list(table)),
			NULL, false);
}

MDL_FUNCTION(mdl_define);
Datum
mdl_define(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "query", "keys", NULL, NULL, "on_schema_change", "adopt"};
	DerivedTable table = {0};
	DefineOptions options;
	Query	   *analysed;
	char	   *query,
			   *schema,
			   *relation,
			   *display;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	InitMaterializedSRF(fcinfo, 0);
	query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	table.keys = mdl_pipeline_text_array(PG_GETARG_DATUM(2), "keys", &table.key_count);
	mdl_schedule_read_lag(&table, mdl_optional_text(fcinfo, 4));
	table.on_schema_change = text_to_cstring(PG_GETARG_TEXT_PP(5));
	mdl_definition_check_options(table.on_schema_change);
	mdl_options_read(fcinfo, 9, &table, &options);
	SPI_connect();
	table.target = check_target(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_BOOL(6), &schema, &relation);
	display = psprintf("%s.%s", schema, relation);
	analysed = mdl_definition_query_check(query, display);
	mdl_definition_check_keys(table.keys, table.key_count, analysed, display);
	if (!PG_ARGISNULL(14))
		table.dedupe_by = mdl_pipeline_text_array(PG_GETARG_DATUM(14), "dedupe_by", &table.dedupe_count);

	table.definition = mdl_definition_create(mdl_dedupe_query(&table, query, analysed, display), schema, relation, display);
	if (OidIsValid(table.target))
	{
		mdl_key_columns(&table);	/* raises if they are not the primary key */
		mdl_definition_apply_columns(&table);
	}
	else
		create_table(&table, schema, relation);
	if (!PG_ARGISNULL(3))
		CreateComments(table.target, RelationRelationId, 0, text_to_cstring(PG_GETARG_TEXT_PP(3)));
	/* Starting this checks that the owner may read the sources. */
	mdl_run(psprintf("SELECT FROM %s LIMIT 0", mdl_qualified_name(table.definition)), NULL, false);
	mdl_definition_remember_settings(&table);
	mdl_options_check(&table);
	mdl_pipeline_table_add(&table);
	CommandCounterIncrement();
	mdl_definition_check_cycle(&table);
	mdl_definition_follow_name(&table);
	mdl_enable_versioning(table.target);
	mdl_options_apply(&table, &options);
	mdl_schedule_apply(&table, mdl_optional_text(fcinfo, 7), mdl_optional_text(fcinfo, 8), false);
	mdl_definition_return(fcinfo, &table);
	SPI_finish();
	return (Datum) 0;
}
