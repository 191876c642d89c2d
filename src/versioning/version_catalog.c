/*
 * version_catalog.c: the relations of medallion_history, and what a backend keeps of each versioned table.
 *
 * The relations are ordinary tables outside the extension, so that history survives DROP EXTENSION and goes through
 * pg_dump.  Hence they are made at run time, and hold core types, names and numbers of our own, never OIDs: a table is
 * known by the number that its capture triggers carry as an argument, which renames and restores leave alone.
 */
#include "versioning/columns_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/retention_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* relid -> MdlTable; every entry goes when a relation it rests on changes. */
static HTAB *table_cache = NULL;
uint64		mdl_table_generation = 0;

typedef struct TableCacheEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	MdlTable   *table;			/* NULL: not versioned */
	MemoryContext context;
} TableCacheEntry;

static const char *const create_statements[] =
{
	"CREATE TABLE medallion_history.commit_clock ("
	" version bigint NOT NULL, last_time timestamptz NOT NULL, settled bigint NOT NULL, settled_time timestamptz NOT NULL,"
	" era bigint NOT NULL, stamp_offset bigint NOT NULL, origin bigint NOT NULL)",
	"COMMENT ON TABLE medallion_history.commit_clock IS"
	" 'Number and time of the last commit of versioned tables, and up to where commits have ended; changed in place'",
	"INSERT INTO medallion_history.commit_clock VALUES"
	" (0, '-infinity', 0, '-infinity', 1, 0, pg_catalog.pg_current_xact_id()::text::bigint)",

	"CREATE TABLE medallion_history.commit_log ("
	" version bigint CONSTRAINT commit_log_pkey PRIMARY KEY, committed_at timestamptz NOT NULL,"
	" stamp bigint NOT NULL, substamps bigint[], low bigint NOT NULL, high bigint NOT NULL, in_flight bigint[],"
	" settled bigint NOT NULL, role_name text NOT NULL, application_name text NOT NULL, era bigint NOT NULL,"
	" CONSTRAINT commit_log_stamp_key UNIQUE (stamp))",
	"COMMENT ON TABLE medallion_history.commit_log IS"
	" 'One row per transaction that changed a versioned table; see medallion.commits'",

	"CREATE TABLE medallion_history.commit_changes ("
	" table_id integer NOT NULL, version bigint NOT NULL, operation text NOT NULL, inserted bigint, updated bigint,"
	" deleted bigint, filenode bigint NOT NULL, places bytea, born bigint, died bigint,"
	" CONSTRAINT commit_changes_pkey PRIMARY KEY (table_id, version))",
	/* What was more than row changes is rare, and looked for often: insert_record() in commit_record.c knows this index. */
	"CREATE INDEX commit_changes_special_idx ON medallion_history.commit_changes (table_id, version)"
	" WHERE operation OPERATOR(pg_catalog.<>) ALL ('{insert,update,delete,write}')",
	"COMMENT ON TABLE medallion_history.commit_changes IS"
	" 'What each commit did to each versioned table; see medallion.history()'",

	"CREATE TABLE medallion_history.versioned_tables ("
	" table_id integer CONSTRAINT versioned_tables_pkey PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL,"
	" history_table text NOT NULL, retain interval, enabled bool NOT NULL, enabled_at timestamptz NOT NULL,"
	" moved bigint, dropped bigint)",
	"COMMENT ON TABLE medallion_history.versioned_tables IS 'Tables whose past states are or were kept'",

	"CREATE TABLE medallion_history.change_counts ("
	" table_id integer NOT NULL, version bigint NOT NULL, inserted bigint NOT NULL, updated bigint NOT NULL,"
	" deleted bigint NOT NULL, CONSTRAINT change_counts_pkey PRIMARY KEY (table_id, version))",
	"COMMENT ON TABLE medallion_history.change_counts IS"
	" 'Net changes of commits that could not be counted while they were made, as medallion.history() found them'",

	"CREATE TABLE medallion_history.table_columns ("
	" table_id integer NOT NULL, column_id integer NOT NULL, phase integer NOT NULL, column_name text NOT NULL,"
	" data_type text NOT NULL, collation_name text, history_column text NOT NULL, since bigint, until bigint,"
	" filled bool NOT NULL, CONSTRAINT table_columns_pkey PRIMARY KEY (table_id, column_id, phase))",
	"COMMENT ON TABLE medallion_history.table_columns IS"
	" 'Names and types that the columns of versioned tables have or had, and which history column keeps their values'",

	"CREATE TABLE medallion_history.table_definitions ("
	" table_id integer CONSTRAINT table_definitions_pkey PRIMARY KEY, owner_name text NOT NULL, definition jsonb NOT NULL)",
	"COMMENT ON TABLE medallion_history.table_definitions IS"
	" 'What medallion.undrop() makes a dropped table from: columns, constraints, indexes, policies, grants'",

	/* Rows are added, never changed, so that a scan that takes no snapshot cannot miss the one in force. */
	"CREATE TABLE medallion_history.horizons ("
	" table_id integer NOT NULL, readable_from bigint NOT NULL, set_at timestamptz NOT NULL, role_name text NOT NULL,"
	" CONSTRAINT horizons_pkey PRIMARY KEY (table_id, readable_from))",
	"COMMENT ON TABLE medallion_history.horizons IS"
	" 'Up to where the history of each versioned table was pruned; table 0 is the log'",

	"CREATE TABLE medallion_history.tags ("
	" tag text COLLATE \"C\" CONSTRAINT tags_pkey PRIMARY KEY, version bigint NOT NULL, role_name text NOT NULL,"
	" created_at timestamptz NOT NULL, comment text)",
	"COMMENT ON TABLE medallion_history.tags IS 'Names of versions, which pruning keeps readable; see medallion.tags'",

	"CREATE TABLE medallion_history.pins ("
	" version bigint NOT NULL, table_id integer, holder_kind text NOT NULL, holder text NOT NULL,"
	" created_at timestamptz NOT NULL, erased_rows bigint NOT NULL DEFAULT 0)",
	"CREATE INDEX pins_holder_idx ON medallion_history.pins (holder_kind, holder)",
	"COMMENT ON TABLE medallion_history.pins IS"
	" 'Versions that something else relies on, such as a model; pruning keeps them readable; see medallion.pins'",

	"CREATE TABLE medallion_history.partitions ("
	" table_id integer NOT NULL, attached bigint NOT NULL, schema_name text NOT NULL, partition_name text NOT NULL)",
	"CREATE INDEX partitions_table_id_idx ON medallion_history.partitions (table_id)",
	"COMMENT ON TABLE medallion_history.partitions IS"
	" 'Partitions that were attached to versioned tables together with rows, under their names of then'",

	/* Numbers of relations and files: what they say holds in one cluster and era, and is found out anew in another. */
	"CREATE TABLE medallion_history.table_state ("
	" table_id integer NOT NULL, relation bigint NOT NULL, filenode bigint NOT NULL, triggers text NOT NULL,"
	" damaged bool NOT NULL, old_rows bigint, old_until bigint, era bigint NOT NULL, system_id bigint NOT NULL,"
	" noted_at timestamptz NOT NULL)",
	"CREATE INDEX table_state_relation_idx ON medallion_history.table_state (relation)",
	"COMMENT ON TABLE medallion_history.table_state IS"
	" 'File and triggers of each versioned table as versioning left them; what differs was changed behind its back'",

	"CREATE TABLE medallion_history.count_corrections ("
	" table_id integer NOT NULL, version bigint NOT NULL, born bigint NOT NULL, died bigint NOT NULL)",
	"COMMENT ON TABLE medallion_history.count_corrections IS"
	" 'What to add to the counts of rows in commit_changes: rows that were forgotten or lost; version 0: older than versioning'",

	"CREATE TABLE medallion_history.lost_versions ("
	" table_id integer NOT NULL, first_version bigint NOT NULL, until_stamp bigint NOT NULL, reason text NOT NULL)",
	"COMMENT ON TABLE medallion_history.lost_versions IS"
	" 'Versions of tables that were changed behind the back of versioning, up to their reconciliation'",
};

Oid
mdl_history_relation(const char *name, bool missing_ok)
{
	Oid			schema = get_namespace_oid(MDL_HISTORY_SCHEMA, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(relid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table %s.%s does not exist", MDL_HISTORY_SCHEMA, name),
				 errhint("It is made by the first call of medallion.enable_versioning().")));
	return relid;
}

void
mdl_history_create(void)
{
	Oid			schema;
	MdlUser		user;
	bool		saved = creating_extension;

	if (OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)))
		return;
	schema = get_namespace_oid(MDL_HISTORY_SCHEMA, true);
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema %s does not exist", MDL_HISTORY_SCHEMA),
				 errhint("SELECT medallion._create_schemas() as a superuser makes it again.")));

	/* Two sessions may come here at once; the second finds everything made. */
	LockDatabaseObject(NamespaceRelationId, schema, 0, ExclusiveLock);
	AcceptInvalidationMessages();
	if (OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)))
		return;

	mdl_owner_begin(&user);
	creating_extension = false;
	PG_TRY();
	{
		for (int i = 0; i < lengthof(create_statements); i++)
			mdl_run(create_statements[i], NULL, false);
	}
	PG_FINALLY();
	{
		creating_extension = saved;
	}
	PG_END_TRY();
	mdl_owner_end(&user);
}

/* The trigger function's OID, looked up by name once per transaction at most (the extension may be made again). */
bool
mdl_is_capture_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);

		result = strcmp(NameStr(form->proname), "_capture") == 0 &&
			form->pronamespace == get_namespace_oid(MDL_SCHEMA, true);
		ReleaseSysCache(tuple);
	}
	return result;
}

int32
mdl_table_id(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;
	List	   *functions = NIL;
	List	   *numbers = NIL;
	ListCell   *function,
			   *number;

	/* Looking up a function may rebuild the relation, whose triggers others may change while it is only read. */
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (triggers->triggers[i].tgnargs < 1)
			continue;
		functions = lappend_oid(functions, triggers->triggers[i].tgfoid);
		numbers = lappend(numbers, pstrdup(triggers->triggers[i].tgargs[0]));
	}
	forboth(function, functions, number, numbers)
		if (mdl_is_capture_function(lfirst_oid(function)))
			return pg_strtoint32(lfirst(number));
	return -1;
}

/* Reads the name of the history table of a number, and the stamp from which on all rows count as born. */
static char *
history_name(int32 table_id, int64 *moved)
{
	Relation	relation = table_open(mdl_history_relation(MDL_TABLES_TABLE, false), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *name = NULL;

	ScanKeyInit(&key, Anum_versioned_tables_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table_id));
	scan = systable_beginscan(relation, mdl_history_relation(MDL_TABLES_INDEX, false), true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		is_null;

		name = TextDatumGetCString(heap_getattr(tuple, Anum_versioned_tables_history,
												RelationGetDescr(relation), &is_null));
		*moved = DatumGetInt64(heap_getattr(tuple, Anum_versioned_tables_moved, RelationGetDescr(relation), &is_null));
		if (is_null)
			*moved = 0;
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	return name;
}

int64
mdl_table_moved(int32 table_id)
{
	int64		moved = 0;

	(void) history_name(table_id, &moved);
	return moved;
}

bool
mdl_operation_empties(const char *operation)
{
	return strcmp(operation, "truncate") == 0 || strcmp(operation, "detach") == 0 || strcmp(operation, "drop") == 0 ||
		strcmp(operation, "alter") == 0;
}

static bool
adopts(const char *operation)
{
	return strcmp(operation, "adopt") == 0;
}

static bool
enables(const char *operation)
{
	return strcmp(operation, "enable") == 0;
}

/*
 * The newest version from `first` on in which an operation that `wanted` names was done to a table; 0 if in none.  NULL:
 * any change of its rows too.
 */
static int64
newest_operation(int32 table_id, bool (*wanted) (const char *operation), int64 first)
{
	Relation	relation = table_open(mdl_history_relation(MDL_CHANGES_TABLE, false), AccessShareLock);
	Relation	index = index_open(mdl_history_relation(wanted ? MDL_CHANGES_SPECIAL : MDL_CHANGES_INDEX, false), AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		version = 0;

	ScanKeyInit(&keys[0], Anum_commit_changes_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table_id));
	ScanKeyInit(&keys[1], Anum_commit_changes_version, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	scan = systable_beginscan_ordered(relation, index, SnapshotSelf, 2, keys);
	while (version == 0 && HeapTupleIsValid(tuple = systable_getnext_ordered(scan, BackwardScanDirection)))
	{
		bool		is_null;
		char	   *operation = TextDatumGetCString(heap_getattr(tuple, Anum_commit_changes_operation,
																 RelationGetDescr(relation), &is_null));

		if (wanted == NULL || wanted(operation))
			version = DatumGetInt64(heap_getattr(tuple, Anum_commit_changes_version, RelationGetDescr(relation), &is_null));
		pfree(operation);
		CHECK_FOR_INTERRUPTS();
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(relation, NoLock);
	return version;
}

int64
mdl_table_truncated(const MdlTable *table, int64 first)
{
	return newest_operation(table->table_id, mdl_operation_empties, first);
}

int64
mdl_table_adopted(const MdlTable *table)
{
	return newest_operation(table->table_id, adopts, 0);
}

int64
mdl_table_changed(const MdlTable *table, int64 first)
{
	return newest_operation(table->table_id, NULL, first);
}

int64
mdl_history_readable_from(int32 table_id, int64 *pruned_to)
{
	*pruned_to = mdl_horizon(table_id, SnapshotSelf);
	return Max(newest_operation(table_id, enables, *pruned_to), *pruned_to);
}

/* What is the root's is taken from there, so that a thousand partitions do not each look it up. */
static void
set_partition(MdlTable *table, Relation relation)
{
	table->root = mdl_partition_root(table->relid);
	table->has_rows = relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE;
	table->partitioned = !table->has_rows || table->root != table->relid;
	table->attached = mdl_partition_attached(relation);
	if (table->root == table->relid)
	{
		table->readable_from = mdl_history_readable_from(table->table_id, &table->pruned_to);
		table->newest_attached = table->partitioned ? mdl_partition_newest_attached(table->table_id) : 0;
	}
	else
	{
		const MdlTable *root = mdl_table_get(table->root);

		table->pruned_to = root->pruned_to;
		table->readable_from = root->readable_from;
		table->newest_attached = root->newest_attached;
	}
}

/* Builds what is kept of a versioned table in the current context, but for what depends on other relations. */
static MdlTable *
build_table(Relation relation, int32 table_id, TupleDesc desc)
{
	MdlTable   *table = palloc0(sizeof(MdlTable));
	char	   *name = history_name(table_id, &table->moved);
	Bitmapset  *keys = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	Relation	history;
	int			key = -1;

	table->relid = RelationGetRelid(relation);
	table->table_id = table_id;
	table->filenode = relation->rd_node.relNode;
	table->history = name ? mdl_history_relation(name, true) : InvalidOid;
	if (!OidIsValid(table->history))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the history table of \"%s.%s\" does not exist",
						get_namespace_name(RelationGetNamespace(relation)), RelationGetRelationName(relation)),
				 errhint("Run medallion.disable_versioning() and medallion.enable_versioning() on the table.")));
	history = table_open(table->history, AccessShareLock);
	mdl_columns_map(table, relation, desc, history);
	table->history_desc = CreateTupleDescCopy(RelationGetDescr(history));
	table_close(history, NoLock);
	table->keys = palloc0(Max(bms_num_members(keys), 1) * sizeof(AttrNumber));
	while ((key = bms_next_member(keys, key)) >= 0)
		table->keys[table->nkeys++] = key + FirstLowInvalidHeapAttributeNumber;
	return table;
}

MdlTable *
mdl_table_shaped(Relation relation, TupleDesc desc)
{
	MdlTable   *table = build_table(relation, mdl_table_id(relation), desc);

	table->root = mdl_partition_root(table->relid);
	table->has_rows = relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE;
	table->partitioned = !table->has_rows || table->root != table->relid;
	table->attached = mdl_partition_attached(relation);
	table->doubt = mdl_state_doubt(table);
	return table;
}

/* Any change of a relation empties the entry that rests on it; the callback only sets flags. */
static void
table_cache_callback(Datum argument, Oid relid)
{
	HASH_SEQ_STATUS status;
	TableCacheEntry *entry;

	mdl_table_generation++;
	if (table_cache == NULL)
		return;
	hash_seq_init(&status, table_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relid) || entry->relid == relid ||
			(entry->table != NULL && (entry->table->history == relid || entry->table->root == relid)))
			entry->valid = false;
}

static void
create_table_cache(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(TableCacheEntry), .hcxt = CacheMemoryContext};

	if (CacheMemoryContext == NULL)
		CreateCacheMemoryContext();
	control.hcxt = CacheMemoryContext;
	table_cache = hash_create("medallion versioned tables", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(table_cache_callback, (Datum) 0);
}

MdlTable *
mdl_table_find(Oid relid)
{
	TableCacheEntry *entry;
	bool		found;
	Relation	relation;
	int32		table_id;
	MemoryContext saved;

	if (table_cache == NULL)
		create_table_cache();
	entry = hash_search(table_cache, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->valid = false;
		entry->table = NULL;
		entry->context = NULL;
	}
	if (entry->valid && (entry->table == NULL || entry->table->readable_from > 0))
		return entry->table;

	entry->valid = false;		/* also if the following fails */
	entry->table = NULL;
	mdl_table_generation++;
	/* Somebody may still read what was returned before: it lasts until the end of the transaction. */
	if (entry->context != NULL)
		MemoryContextSetParent(entry->context, TopTransactionContext);
	entry->context = AllocSetContextCreate(CacheMemoryContext, "medallion versioned table", ALLOCSET_SMALL_SIZES);
	relation = relation_open(relid, AccessShareLock);
	table_id = mdl_table_id(relation);
	if (table_id >= 0)
	{
		MdlTable   *table;

		saved = MemoryContextSwitchTo(entry->context);
		table = build_table(relation, table_id, RelationGetDescr(relation));
		set_partition(table, relation);
		table->doubt = MDL_DOUBT_FILE;	/* until it is asked for */
		MemoryContextSwitchTo(saved);
		/* Building reads catalogs and may have flagged the entry; what was read is as new as the flag. */
		entry = hash_search(table_cache, &relid, HASH_FIND, NULL);
		entry->table = table;
	}
	entry->valid = true;
	relation_close(relation, NoLock);
	return entry->table;
}

MdlTable *
mdl_table_take(Oid relid, MemoryContext parent)
{
	MdlTable   *table = mdl_table_get(relid);
	TableCacheEntry *entry = hash_search(table_cache, &relid, HASH_FIND, NULL);

	MemoryContextSetParent(entry->context, parent);
	entry->context = NULL;
	entry->table = NULL;
	entry->valid = false;
	return table;
}

MdlTable *
mdl_table_lock(Oid relid)
{
	LockRelationOid(relid, AccessShareLock);
	return mdl_table_get(relid);
}

bool
mdl_table_has_history(Oid relid)
{
	Relation	relation = try_relation_open(relid, AccessShareLock);
	int32		table_id = relation ? mdl_table_id(relation) : -1;
	int64		moved;
	char	   *name = table_id >= 0 ? history_name(table_id, &moved) : NULL;

	if (relation != NULL)
		relation_close(relation, AccessShareLock);
	return name != NULL && OidIsValid(mdl_history_relation(name, true));
}

MdlTable *
mdl_table_get(Oid relid)
{
	MdlTable   *table = mdl_table_find(relid);

	if (table == NULL && mdl_state_enabled_table(relid) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the capture triggers of versioned table \"%s\" were dropped", mdl_display_name(relid)),
				 errhint("SELECT * FROM medallion.reconcile('%s') takes versioning up again and records what changed in between;"
						 " medallion.enable_versioning() starts a new past.", mdl_qualified_name(relid))));
	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not versioned", mdl_display_name(relid)),
				 errhint("SELECT medallion.enable_versioning('%s') keeps its past states from now on.",
						 mdl_qualified_name(relid))));
	return table;
}

bool
mdl_is_history_table(Oid relid)
{
	return get_rel_namespace(relid) == get_namespace_oid(MDL_HISTORY_SCHEMA, true) &&
		get_attnum(relid, MDL_BORN_COLUMN) == MDL_BORN_ATTNO;
}

bool
mdl_is_versioned(Oid relid)
{
	return mdl_table_find(relid) != NULL;
}
