/*
 * ddl_follow.c: changes of a versioned table's definition.
 *
 * After a command the history of each table that it touched follows: columns by their identity (columns_follow.c), the
 * name of the history table, the index that follows the primary key.  Which tables a command touches is not always in its
 * text (typed tables, CASCADE, ALTER TABLE ALL IN TABLESPACE), so they are collected from the relations that the server
 * tells to be out of date while it runs.  What would lose history or make it wrong is refused: switching the capture
 * triggers off, dropping the primary key, SET UNLOGGED, other storage than the heap.
 *
 * Commands may run within commands (of event triggers, of functions that a command calls), hence a stack; one that
 * failed in a savepoint leaves its entry, which goes with the savepoint.
 */
#include "versioning/columns_int.h"
#include "versioning/commits_int.h"
#include "versioning/ddl_int.h"
#include "versioning/partition_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define MAX_TOUCHED 256

/* A table as it was before this command id, for the commands around the one that has followed it since. */
typedef struct Baseline
{
	Oid			relid;
	CommandId	before;
} Baseline;

typedef struct DdlCommand
{
	CommandId	before;			/* what the transaction did before the command has smaller ids */
	SubTransactionId subid;
	Oid			touched[MAX_TOUCHED];
	int			ntouched;
	bool		too_many;		/* any versioned table may have been touched */
	List	   *rewritten;		/* OIDs */
	List	   *baselines;		/* Baseline * */
	struct DdlCommand *outer;
} DdlCommand;

static DdlCommand *command = NULL;	/* innermost that runs; in TopTransactionContext */

static void
refuse(Relation relation, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s of versioned table \"%s\"", what, mdl_display_name(RelationGetRelid(relation))),
			 errhint("SELECT medallion.disable_versioning('%s') first, and enable it again afterwards.",
					 mdl_qualified_name(mdl_partition_root(RelationGetRelid(relation))))));
}

/* ---- the stack of commands ------------------------------------------------------------------------------------------ */

/* Called for every relation whose description is out of date, wherever that happens: it only takes a note. */
static void
note_touched(Datum argument, Oid relid)
{
	if (command == NULL || command->too_many)
		return;
	for (int i = 0; i < command->ntouched; i++)
		if (command->touched[i] == relid)
			return;
	if (!OidIsValid(relid) || command->ntouched == MAX_TOUCHED)
		command->too_many = true;
	else
		command->touched[command->ntouched++] = relid;
}

static void
push_command(void)
{
	DdlCommand *entry = MemoryContextAllocZero(TopTransactionContext, sizeof(DdlCommand));

	entry->before = GetCurrentCommandId(false);
	entry->subid = GetCurrentSubTransactionId();
	entry->outer = command;
	command = entry;
}

static CommandId
baseline(const DdlCommand *entry, Oid relid)
{
	ListCell   *cell;

	foreach(cell, entry->baselines)
		if (((Baseline *) lfirst(cell))->relid == relid)
			return ((Baseline *) lfirst(cell))->before;
	return entry->before;
}

/* The commands around this one need not follow what it has followed. */
static void
set_baselines(Oid relid)
{
	MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);

	for (DdlCommand *entry = command; entry != NULL; entry = entry->outer)
	{
		Baseline   *item = palloc(sizeof(Baseline));

		item->relid = relid;
		item->before = GetCurrentCommandId(false);
		entry->baselines = lcons(item, entry->baselines);
	}
	MemoryContextSwitchTo(saved);
}

static void
transaction_callback(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		command = NULL;
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (command != NULL && command->subid >= subid)
			command = command->outer;
}

/* ---- what may not be --------------------------------------------------------------------------------------------------- */

static bool
is_capture_trigger(const Trigger *trigger)
{
	return strncmp(trigger->tgname, MDL_ROW_TRIGGER, strlen(MDL_ROW_TRIGGER)) == 0;
}

/* Raises an error unless the table can still be followed as it is now. */
static void
check_definition(Relation relation)
{
	int			captures = 0;

	for (int i = 0; relation->trigdesc != NULL && i < relation->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &relation->trigdesc->triggers[i];

		if (!is_capture_trigger(trigger))
			continue;
		captures++;
		if (trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
			refuse(relation, "switch off the capture triggers");
	}
	if (RelationGetNamespace(relation) == get_namespace_oid(MDL_HISTORY_SCHEMA, true))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot move versioned table \"%s\" to schema %s", RelationGetRelationName(relation), MDL_HISTORY_SCHEMA)));
	if (relation->rd_rel->relkind == RELKIND_RELATION && relation->rd_rel->relam != HEAP_TABLE_AM_OID)
		refuse(relation, "change the access method");
	if (relation->rd_rel->relispartition)
		return;
	if (captures < MDL_CAPTURE_TRIGGERS)
		refuse(relation, "drop a capture trigger");
	if (bms_is_empty(RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY)))
		refuse(relation, "drop the primary key");
	if (has_superclass(RelationGetRelid(relation)))
		refuse(relation, "make a partition or an inheritance child");
	if (relation->rd_rel->relkind == RELKIND_RELATION && has_subclass(RelationGetRelid(relation)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot inherit from versioned table \"%s\"", mdl_display_name(RelationGetRelid(relation))),
				 errhint("Partitioned tables can be versioned, inheritance trees cannot.")));
}

/* DISABLE TRIGGER ALL or USER, and their counterparts, are meant for other triggers than those of versioning. */
static bool
switches_all_triggers(Node *statement)
{
	ListCell   *cell;

	if (statement == NULL || !IsA(statement, AlterTableStmt))
		return false;
	foreach(cell, ((AlterTableStmt *) statement)->cmds)
		switch (lfirst_node(AlterTableCmd, cell)->subtype)
		{
			case AT_EnableTrigAll:
			case AT_EnableTrigUser:
			case AT_DisableTrigAll:
			case AT_DisableTrigUser:
				return true;
			default:
				break;
		}
	return false;
}

/* Lets the capture triggers of a table fire ALWAYS again. */
static void
switch_on(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	bool		followed = mdl_state_followed(relid, mdl_table_id(relation));
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; relation->trigdesc != NULL && i < relation->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &relation->trigdesc->triggers[i];

		if (is_capture_trigger(trigger) && trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
			appendStringInfo(&sql, "%s ENABLE ALWAYS TRIGGER %s", sql.len > 0 ? "," : "", quote_identifier(trigger->tgname));
	}
	table_close(relation, NoLock);
	if (sql.len == 0)
		return;
	mdl_run(psprintf("ALTER TABLE ONLY %s%s", mdl_qualified_name(relid), sql.data), NULL, false);
	CommandCounterIncrement();
	if (followed)
		mdl_state_note_again(relid);
}

/* ---- following one table ------------------------------------------------------------------------------------------------ */

/* Name of the history table of a number; NULL if there is none. */
static char *
history_of(int32 table_id)
{
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_run_now("SELECT history_table FROM medallion_history.versioned_tables WHERE table_id OPERATOR(pg_catalog.=) $1", &args);
	if (SPI_processed == 0 || !OidIsValid(mdl_history_relation(mdl_field_text(0, 0), true)))
		return NULL;
	return mdl_field_text(0, 0);
}

/* The table may have another name or schema now; returns the name of the history table. */
static char *
follow_name(Relation relation, int32 table_id, char *history_name)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(relation));
	char	   *table = RelationGetRelationName(relation);
	char	   *name;
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_text(&args, schema);
	mdl_arg_text(&args, table);
	mdl_run_now("SELECT FROM medallion_history.versioned_tables WHERE table_id OPERATOR(pg_catalog.=) $1"
				" AND schema_name OPERATOR(pg_catalog.=) $2 AND table_name OPERATOR(pg_catalog.=) $3", &args);
	if (SPI_processed > 0)
		return history_name;
	name = mdl_history_name(schema, table, table_id);
	mdl_run(psprintf("ALTER TABLE medallion_history.%s RENAME TO %s", quote_identifier(history_name), quote_identifier(name)),
			NULL, false);
	mdl_arg_text(&args, name);
	mdl_run_now("UPDATE medallion_history.versioned_tables SET schema_name = $2, table_name = $3, history_table = $4"
				" WHERE table_id OPERATOR(pg_catalog.=) $1", &args);
	return name;
}

/* Makes the index of the history that lookups by the primary key use, if that is another key now; drops the old one. */
static void
follow_key(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	MdlTable   *table = mdl_table_get(relid);
	char	   *history = mdl_qualified_name(table->history);
	char	   *wanted = psprintf("(%s, %s)", mdl_columns_key(relation, table), MDL_DIED_COLUMN);
	MdlArgs		args = {0};
	bool		found = false;
	List	   *others = NIL;
	ListCell   *cell;

	table_close(relation, NoLock);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->history), false);
	mdl_run("SELECT pg_catalog.pg_get_indexdef(i.indexrelid), i.indexrelid::regclass::text"
			" FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid"
			" JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam"
			" JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indexrelid"
			" AND a.attnum OPERATOR(pg_catalog.=) i.indnatts AND a.attname OPERATOR(pg_catalog.=) '" MDL_DIED_COLUMN "'"
			" WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND m.amname OPERATOR(pg_catalog.=) 'btree' ORDER BY 2", &args, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (!found && strstr(mdl_field_text(i, 0), psprintf(" USING btree %s", wanted)) != NULL)
			found = true;
		else
			others = lappend(others, mdl_field_text(i, 1));
	}
	if (!found)
		mdl_run(psprintf("CREATE INDEX ON %s %s WITH (deduplicate_items = off)", history, wanted), NULL, false);
	foreach(cell, others)
		mdl_run(psprintf("DROP INDEX %s", (char *) lfirst(cell)), NULL, false);
}

/* Whether a partition of a table was rewritten, or the table itself. */
static bool
was_rewritten(Oid relid)
{
	ListCell   *cell;

	foreach(cell, command->rewritten)
		if (lfirst_oid(cell) == relid || mdl_partition_root(lfirst_oid(cell)) == relid)
			return true;
	return false;
}

/* Whether this transaction added a column that rows show with its default, so that the feed has to count them. */
static bool
filled_now(const MdlTable *table)
{
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i].filled > 0 && mdl_capture_is_own(table->columns[i].filled))
			return true;
	return false;
}

/* Lets the history of a table follow; the table is no partition. */
static void
follow(Oid relid, int32 table_id)
{
	Relation	relation = table_open(relid, AccessShareLock);
	TupleDesc	before = mdl_description_before(relid, baseline(command, relid));
	bool		rewritten = was_rewritten(relid);
	char	   *history_name;
	bool		changed = false;
	MdlUser		user;

	mdl_owner_begin(&user);
	history_name = history_of(table_id);
	if (history_name != NULL && before != NULL)
	{
		history_name = follow_name(relation, table_id, history_name);
		changed = mdl_columns_follow(relation, table_id, history_name, before, rewritten);
		CacheInvalidateRelcache(relation);
		CommandCounterIncrement();
		follow_key(relid);
		mdl_definition_write(relid, table_id);
	}
	mdl_owner_end(&user);
	table_close(relation, NoLock);
	if (changed || rewritten)
		mdl_capture_operation(relid, "alter");
	if (rewritten || filled_now(mdl_table_get(relid)))
		mdl_capture_unseen_rows(relid);
	set_baselines(relid);
}

/* Only what this transaction has locked for itself can have been touched by it. */
static bool
locked_by_us(Oid relid)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	for (LOCKMODE mode = ShareUpdateExclusiveLock; mode <= AccessExclusiveLock; mode++)
		if (LockHeldByMe(&tag, mode))
			return true;
	return false;
}

static void
follow_relation(Oid relid, Node *statement)
{
	Relation	relation = try_relation_open(relid, AccessShareLock);
	int32		table_id;
	bool		is_partition;
	bool		row_triggers = false;

	/* What drop_follow.c let pass. */
	if (relation != NULL && IsA(statement, DropStmt) && ((DropStmt *) statement)->removeType == OBJECT_TRIGGER)
	{
		relation_close(relation, NoLock);
		return;
	}
	if (relation == NULL)
		return;
	table_id = relation->rd_rel->relkind == RELKIND_RELATION || relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE
		? mdl_table_id(relation) : -1;
	is_partition = relation->rd_rel->relispartition;
	for (int i = 0; table_id >= 0 && i < relation->trigdesc->numtriggers; i++)
		row_triggers |= is_capture_trigger(&relation->trigdesc->triggers[i]) &&
			strcmp(relation->trigdesc->triggers[i].tgname, MDL_TRUNCATE_TRIGGER) != 0;
	relation_close(relation, NoLock);
	/* A partition that was detached just now has no row triggers any more: see partition_ddl.c. */
	if (table_id < 0 || !row_triggers)
		return;
	if (switches_all_triggers(statement))
		switch_on(relid);
	relation = table_open(relid, AccessShareLock);
	check_definition(relation);
	table_close(relation, NoLock);
	if (!is_partition)
		follow(relid, table_id);
}

/* ---- event triggers ------------------------------------------------------------------------------------------------------ */

Node *
mdl_event_statement(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s must be called as an event trigger", function)));
	return ((EventTriggerData *) fcinfo->context)->parsetree;
}

bool
mdl_nothing_versioned(void)
{
	return IsBinaryUpgrade || !OidIsValid(mdl_history_relation(MDL_TABLES_TABLE, true)) ||
		!OidIsValid(mdl_history_relation(MDL_COLUMNS_TABLE, true)) || mdl_clock_restored();
}

bool
mdl_ddl_followed(void)
{
	return command != NULL && !mdl_nothing_versioned();
}

MDL_FUNCTION(mdl_ddl_begin);
Datum
mdl_ddl_begin(PG_FUNCTION_ARGS)
{
	Node	   *statement = mdl_event_statement(fcinfo, "medallion._ddl_begin()");

	push_command();
	if (IsA(statement, AlterTableStmt) && !mdl_nothing_versioned())
		mdl_check_attributes((AlterTableStmt *) statement);
	if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_SCHEMA && !mdl_nothing_versioned() &&
		strcmp(((RenameStmt *) statement)->subname, MDL_HISTORY_SCHEMA) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rename schema %s: versioned tables find their histories by that name", MDL_HISTORY_SCHEMA)));
	PG_RETURN_NULL();
}

/* The tables of a schema that has another name now. */
static void
follow_schema(const char *schema, Node *statement)
{
	MdlArgs		args = {0};
	uint64		count;
	Oid		   *relids;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(get_namespace_oid(schema, false)), false);
	mdl_run("SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) $1 AND c.relhastriggers"
			" AND NOT c.relispartition ORDER BY 1", &args, false);
	count = SPI_processed;
	relids = palloc(Max(count, 1) * sizeof(Oid));
	for (uint64 i = 0; i < count; i++)
		relids[i] = DatumGetObjectId(mdl_field(i, 0, NULL));
	for (uint64 i = 0; i < count; i++)
		follow_relation(relids[i], statement);
}

/* All that may be versioned, where a command touched more relations than it is worth to note. */
static void
follow_all(Node *statement)
{
	uint64		count;
	Oid		   *relids;

	mdl_run("SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relhastriggers ORDER BY 1", NULL, false);
	count = SPI_processed;
	relids = palloc(Max(count, 1) * sizeof(Oid));
	for (uint64 i = 0; i < count; i++)
		relids[i] = DatumGetObjectId(mdl_field(i, 0, NULL));
	for (uint64 i = 0; i < count; i++)
		if (locked_by_us(relids[i]))
			follow_relation(relids[i], statement);
}

/* An index changes nothing in the history, but belongs to the definition of the table. */
static void
note_index(Oid relid)
{
	MdlTable   *table = OidIsValid(relid) ? mdl_table_find(relid) : NULL;
	MdlUser		user;

	if (table == NULL || table->root != relid)
		return;
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_definition_write(relid, table->table_id);
	mdl_owner_end(&user);
	SPI_finish();
}

MDL_FUNCTION(mdl_follow_ddl);
Datum
mdl_follow_ddl(PG_FUNCTION_ARGS)
{
	Node	   *statement = mdl_event_statement(fcinfo, "medallion._follow_ddl()");
	DdlCommand *current = command;

	/* A command that commits in between, such as CREATE INDEX CONCURRENTLY, has no entry any more. */
	if (current == NULL)
	{
		if (IsA(statement, IndexStmt) && !mdl_nothing_versioned())
			note_index(RangeVarGetRelid(((IndexStmt *) statement)->relation, NoLock, true));
		PG_RETURN_NULL();
	}
	if (mdl_nothing_versioned())
	{
		command = current->outer;
		PG_RETURN_NULL();
	}
	SPI_connect();
	if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_SCHEMA)
		follow_schema(((RenameStmt *) statement)->newname, statement);
	if (current->too_many)
		follow_all(statement);
	else
		for (int i = 0; i < current->ntouched; i++)
			if (locked_by_us(current->touched[i]))
				follow_relation(current->touched[i], statement);
	SPI_finish();
	command = current->outer;
	PG_RETURN_NULL();
}

/* A rewrite gives every row a new birth: the rows of before go to history now. */
MDL_FUNCTION(mdl_before_rewrite);
Datum
mdl_before_rewrite(PG_FUNCTION_ARGS)
{
	Oid			relid;
	Relation	relation;
	bool		versioned;
	MemoryContext saved;

	(void) mdl_event_statement(fcinfo, "medallion._before_rewrite()");
	if (mdl_nothing_versioned())
		PG_RETURN_NULL();
	relid = DatumGetObjectId(OidFunctionCall0(F_PG_EVENT_TRIGGER_TABLE_REWRITE_OID));
	relation = relation_open(relid, NoLock);
	versioned = relation->rd_rel->relkind == RELKIND_RELATION && mdl_table_id(relation) >= 0;
	if (versioned && (DatumGetInt32(OidFunctionCall0(F_PG_EVENT_TRIGGER_TABLE_REWRITE_REASON)) &
					  AT_REWRITE_ALTER_PERSISTENCE) != 0)
		refuse(relation, "switch off the write-ahead log");
	relation_close(relation, NoLock);
	if (!versioned)
		PG_RETURN_NULL();
	if (command == NULL)
		elog(ERROR, "versioned table \"%s\" is rewritten by a command whose beginning was not seen", mdl_display_name(relid));
	mdl_rows_before_rewrite(relid, baseline(command, relid));
	saved = MemoryContextSwitchTo(TopTransactionContext);
	command->rewritten = lappend_oid(command->rewritten, relid);
	MemoryContextSwitchTo(saved);
	PG_RETURN_NULL();
}

void
mdl_ddl_init(void)
{
	mdl_ddl_drop_init();
	CacheRegisterRelcacheCallback(note_touched, (Datum) 0);
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}
