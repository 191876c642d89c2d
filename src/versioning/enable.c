/*
 * enable.c: starting and stopping to keep the past states of a table.
 *
 * Enabling makes a history table and four triggers, and is instant at any size: rows that are there already are older
 * than every readable point.  Nothing in the table's columns changes.
 */
#include "versioning/columns_int.h"
#include "versioning/commits_int.h"
#include "versioning/ddl_int.h"
#include "versioning/partition_int.h"
#include "versioning/retention_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

static void
refuse(Relation relation, const char *reason, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot keep versions of \"%s\": %s", mdl_display_name(RelationGetRelid(relation)), reason),
			 hint ? errhint("%s", hint) : 0));
}

/* Raises an error unless the relation is a table that can be versioned. */
static void
check_table(Relation relation)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(relation));

	if (relation->rd_rel->relispartition)
	{
		Oid			root = mdl_partition_root(RelationGetRelid(relation));

		refuse(relation, psprintf("it is a partition of \"%s\"", mdl_display_name(root)),
			   psprintf("A partitioned table is versioned as a whole: SELECT medallion.enable_versioning('%s').",
						mdl_qualified_name(root)));
	}
	if (relation->rd_rel->relkind != RELKIND_RELATION && relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		refuse(relation, "it is not an ordinary table", NULL);
	if (relation->rd_rel->relkind == RELKIND_RELATION && relation->rd_rel->relam != HEAP_TABLE_AM_OID)
		refuse(relation, "its access method is not heap", "Use ALTER TABLE … SET ACCESS METHOD heap first.");
	if (relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		refuse(relation, "it is temporary or unlogged", "Use ALTER TABLE … SET LOGGED first.");
	if (relation->rd_rel->relkind == RELKIND_RELATION &&
		(has_subclass(RelationGetRelid(relation)) || has_superclass(RelationGetRelid(relation))))
		refuse(relation, "it is part of an inheritance tree", NULL);
	if (IsSystemRelation(relation) || strcmp(schema, MDL_HISTORY_SCHEMA) == 0 || strcmp(schema, MDL_SCHEMA) == 0)
		refuse(relation, "it belongs to the system or to medallion", NULL);
	if (bms_is_empty(RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY)))
	{
		Oid			constraint;

		if (get_primary_key_attnos(RelationGetRelid(relation), true, &constraint) != NULL)
			refuse(relation, "its primary key is DEFERRABLE", "Drop it and add one that is not: ALTER TABLE … ADD PRIMARY KEY (…).");
		refuse(relation, "it has no primary key", "Add one with ALTER TABLE … ADD PRIMARY KEY (…).");
	}
	if (mdl_columns_count(RelationGetDescr(relation)) > MaxHeapAttributeNumber - MDL_DIED_ATTNO)
		refuse(relation, psprintf("it has %d columns, and its history two more", mdl_columns_count(RelationGetDescr(relation))),
			   psprintf("A table can have %d columns: split it in two.", MaxHeapAttributeNumber));
}

char *
mdl_history_name(const char *schema, const char *table, int32 table_id)
{
	char	   *name = psprintf("%s.%s", schema, table);

	if (strlen(name) >= NAMEDATALEN)
	{
		uint32		hash = hash_bytes((unsigned char *) name, strlen(name));
		int			keep = pg_mbcliplen(name, strlen(name), NAMEDATALEN - 10);

		name = psprintf("%.*s_%08x", keep, name, hash);
	}
	if (OidIsValid(mdl_history_relation(name, true)))
	{
		char	   *suffix = psprintf("_%d", table_id);

		name = psprintf("%.*s%s", pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1 - (int) strlen(suffix)), name, suffix);
	}
	return name;
}

/* Makes the history table and its row in versioned_tables; returns the number of the table. */
static int32
create_history(Relation relation, Datum retain, bool retain_is_null)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(relation));
	char	   *table = RelationGetRelationName(relation);
	char	   *keys = mdl_columns_key(relation, NULL);
	StringInfoData sql;
	MdlArgs		args = {0};
	MdlUser		user;
	int32		table_id;
	char	   *name;

	mdl_owner_begin(&user);
	LockRelationOid(mdl_history_relation(MDL_TABLES_TABLE, false), ShareRowExclusiveLock);
	mdl_run_now("SELECT COALESCE(pg_catalog.max(table_id), 0) + 1 FROM medallion_history.versioned_tables", NULL);
	table_id = DatumGetInt32(mdl_field(0, 0, NULL));
	name = mdl_history_name(schema, table, table_id);

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE medallion_history.%s (%s bigint NOT NULL, %s bigint NOT NULL",
					 quote_identifier(name), MDL_BORN_COLUMN, MDL_DIED_COLUMN);
	mdl_columns_define(&sql, relation);
	/* Pruning leaves dead rows at the front of a large table: space to be used again soon. */
	appendStringInfoString(&sql, ") WITH (autovacuum_vacuum_scale_factor = 0.05)");
	mdl_run(sql.data, NULL, false);

	/* The key first, for lookups of a row; death alone, for the change feed: it only grows, so BRIN keeps it for nothing. */
	resetStringInfo(&sql);
	appendStringInfo(&sql, "CREATE INDEX ON medallion_history.%s (%s, %s) WITH (deduplicate_items = off)", quote_identifier(name), keys, MDL_DIED_COLUMN);
	mdl_run(sql.data, NULL, false);
	resetStringInfo(&sql);
	appendStringInfo(&sql, "CREATE INDEX ON medallion_history.%s USING brin (%s) WITH (pages_per_range = 16, autosummarize = on)",
					 quote_identifier(name), MDL_DIED_COLUMN);
	mdl_run(sql.data, NULL, false);

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_text(&args, schema);
	mdl_arg_text(&args, table);
	mdl_arg_text(&args, name);
	mdl_arg(&args, INTERVALOID, retain, retain_is_null);
	mdl_run("INSERT INTO medallion_history.versioned_tables"
			" (table_id, schema_name, table_name, history_table, retain, enabled, enabled_at)"
			" VALUES ($1, $2, $3, $4, $5, true, pg_catalog.now())", &args, false);
	mdl_columns_record(relation, table_id);
	mdl_definition_write(RelationGetRelid(relation), table_id);
	mdl_owner_end(&user);
	return table_id;
}

static void
enable(Oid relid, Datum retain, bool retain_is_null)
{
	Relation	relation;
	int32		table_id;
	List	   *members;
	ListCell   *cell;

	/* Before the lock too: who may not do this must not make others wait. */
	mdl_require_table_owner(relid);
	/* Conflicts with writers, so that none of them is half captured. */
	relation = table_open(relid, ShareRowExclusiveLock);
	mdl_require_table_owner(relid);
	if (mdl_table_id(relation) >= 0 && !relation->rd_rel->relispartition)
	{
		table_close(relation, NoLock);
		return;
	}
	check_table(relation);
	if (!retain_is_null)
	{
		(void) mdl_cutoff_before_now(DatumGetIntervalP(retain));
		mdl_kept_notice_scheduler();
	}
	members = mdl_partition_members(relid, ShareRowExclusiveLock);
	foreach(cell, members)
		if (lfirst_oid(cell) != relid)
			mdl_partition_check(relid, lfirst_oid(cell));
	SPI_connect();
	mdl_history_create();
	table_id = create_history(relation, retain, retain_is_null);
	table_close(relation, NoLock);	/* ALTER TABLE wants nobody to hold it; the lock stays */
	mdl_capture_row_triggers(relid, table_id);
	foreach(cell, members)
	{
		mdl_capture_truncate_trigger(lfirst_oid(cell), table_id, 0);
		mdl_capture_retire(lfirst_oid(cell));
	}
	SPI_finish();
	CommandCounterIncrement();
	mdl_capture_operation(relid, "enable");
}

void
mdl_enable_versioning(Oid relid)
{
	enable(relid, (Datum) 0, true);
}

MDL_FUNCTION(mdl_enable_versioning_sql);
Datum
mdl_enable_versioning_sql(PG_FUNCTION_ARGS)
{
	mdl_refuse_while_travelling("enable_versioning()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"relation\" must not be NULL")));
	enable(PG_GETARG_OID(0), PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1), PG_ARGISNULL(1));
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_disable_versioning);
Datum
mdl_disable_versioning(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	bool		keep_history = PG_GETARG_BOOL(1);
	Relation	relation;
	MdlTable   *table;
	MdlUser		user;
	MdlArgs		args = {0};
	char	   *history;
	List	   *members;

	mdl_refuse_while_travelling("disable_versioning()");
	/* Before the lock too, as in enable(). */
	mdl_require_table_owner(relid);
	relation = table_open(relid, AccessExclusiveLock);
	mdl_require_table_owner(relid);
	if (!keep_history && mdl_table_find(relid) == NULL && mdl_kept_drop_disabled(relid))
	{
		table_close(relation, NoLock);
		PG_RETURN_VOID();
	}
	table = mdl_table_get(relid);
	if (table->root != relid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot stop versioning \"%s\" alone: it is a partition of \"%s\"", mdl_display_name(relid),
						mdl_display_name(table->root)),
				 errhint("SELECT medallion.disable_versioning('%s') stops it for all partitions; a detached one is not versioned.",
						 mdl_qualified_name(table->root))));
	if (!keep_history)
		mdl_kept_refuse_held(relid);
	members = mdl_partition_members(relid, AccessExclusiveLock);
	history = mdl_qualified_name(table->history);
	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_capture_operation(relid, "disable");
	mdl_capture_flush();
	table_close(relation, NoLock);
	SPI_connect();
	mdl_capture_drop_triggers(members);
	mdl_owner_begin(&user);
	mdl_run_now("UPDATE medallion_history.versioned_tables SET enabled = false WHERE table_id = $1", &args);
	if (!keep_history)
		mdl_columns_forget(DatumGetInt32(args.values[0]), history);
	mdl_owner_end(&user);
	SPI_finish();
	PG_RETURN_VOID();
}
