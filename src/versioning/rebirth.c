/*
 * rebirth.c: before a table is rewritten where transaction ids repeat.
 *
 * A row that has the id of a later commit by chance is told from the rows of that commit by its place (see births.c).
 * VACUUM FULL, CLUSTER and SET TABLESPACE give the table another file, and places mean nothing any more.  So before that
 * such rows, a few in 2^32, are written again as they are: the old version goes to history with its right birth, and the
 * new one has an id of its own.  That is a commit with operation *rebirth*, which changes nothing for whoever reads.
 *
 * It is done below SQL, so that no trigger of the user sees it.
 */
#include "versioning/capture_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/rows_int.h"
#include "versioning/table_work_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static ProcessUtility_hook_type previous_process_utility = NULL;

/* Enters a row that went to another place into all indexes; these may call functions: as the owner of the table, whoever calls. */
static void
insert_index_entries(Relation relation, HeapTuple tuple)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);
	Oid			caller;
	int			security_context;
	int			settings = NewGUCNestLevel();

	GetUserIdAndSecContext(&caller, &security_context);
	SetUserIdAndSecContext(relation->rd_rel->relowner, security_context | SECURITY_RESTRICTED_OPERATION);
	InitResultRelInfo(result, relation, 0, NULL, 0);
	ExecOpenIndices(result, false);
	ExecStoreHeapTuple(tuple, slot, false);
	slot->tts_tid = tuple->t_self;
	ExecInsertIndexTuples(result, slot, estate, true, false, NULL, NIL);
	ExecCloseIndices(result);
	AtEOXact_GUC(false, settings);
	SetUserIdAndSecContext(caller, security_context);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

/* Writes a row again as it is. */
static void
rewrite_row(Relation relation, HeapTuple old_row)
{
	MdlTableWork *work = mdl_work_get(RelationGetRelid(relation));
	MdlLevel   *level = mdl_work_level(work);
	HeapTuple	new_row = heap_copytuple(old_row);

	mdl_work_keep(work, level, RelationGetDescr(relation), old_row);
	simple_heap_update(relation, &old_row->t_self, new_row);
	if (!HeapTupleIsHeapOnly(new_row))
		insert_index_entries(relation, new_row);
	level->unchanged++;
	mdl_work_place(work, level, &new_row->t_self);
	heap_freetuple(new_row);
}

/* Writes the rows of one table again that have the id of a commit that is not theirs; returns how many. */
static int64
rebirth(Oid relid)
{
	Relation	relation = table_open(relid, ShareRowExclusiveLock);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "medallion rebirth", ALLOCSET_DEFAULT_SIZES);
	MdlBirths  *births = mdl_births_create(relid, context);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	int64		count = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);

		if (HeapTupleHeaderXminFrozen(tuple->t_data) &&
			mdl_births_collide(births, &tuple->t_self, HeapTupleHeaderGetRawXmin(tuple->t_data)))
		{
			HeapTuple	copy = heap_copytuple(tuple);

			rewrite_row(relation, copy);
			heap_freetuple(copy);
			count++;
		}
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
	MemoryContextDelete(context);
	if (count > 0)
	{
		mdl_capture_operation(relid, "rebirth");
		mdl_capture_flush();
		CommandCounterIncrement();
	}
	return count;
}

/* ---- what is about to be rewritten --------------------------------------------------------------------------------- */

/* The relations with capture triggers that have rows. */
static List *
all_versioned(void)
{
	List	   *relids = NIL;
	MemoryContext saved = CurrentMemoryContext;

	SPI_connect();
	mdl_run("SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relhastriggers ORDER BY 1", NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(saved);

		relids = lappend_oid(relids, DatumGetObjectId(mdl_field(i, 0, NULL)));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return relids;
}

static List *
add_relation(List *relids, const RangeVar *range)
{
	Oid			relid = RangeVarGetRelid(range, NoLock, true);

	return OidIsValid(relid) ? list_concat(relids, mdl_partition_members(relid, AccessShareLock)) : relids;
}

static bool
is_full(const VacuumStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, "full") == 0)
			return statement->is_vacuumcmd && defGetBoolean(lfirst_node(DefElem, cell));
	return false;
}

/* The relations whose rows a statement moves to another file with their ids. */
static List *
moved_relations(Node *statement)
{
	List	   *relids = NIL;
	ListCell   *cell;

	if (IsA(statement, VacuumStmt) && is_full((VacuumStmt *) statement))
	{
		if (((VacuumStmt *) statement)->rels == NIL)
			return all_versioned();
		foreach(cell, ((VacuumStmt *) statement)->rels)
			if (lfirst_node(VacuumRelation, cell)->relation != NULL)
				relids = add_relation(relids, lfirst_node(VacuumRelation, cell)->relation);
	}
	else if (IsA(statement, ClusterStmt))
		relids = ((ClusterStmt *) statement)->relation ? add_relation(NIL, ((ClusterStmt *) statement)->relation) : all_versioned();
	else if (IsA(statement, AlterTableMoveAllStmt))
		relids = all_versioned();
	else if (IsA(statement, AlterTableStmt) && ((AlterTableStmt *) statement)->objtype == OBJECT_TABLE)
	{
		foreach(cell, ((AlterTableStmt *) statement)->cmds)
			if (lfirst_node(AlterTableCmd, cell)->subtype == AT_SetTableSpace)
				return add_relation(NIL, ((AlterTableStmt *) statement)->relation);
	}
	return relids;
}

/* Only who may rewrite the table gets so far as to lock it. */
static void
before_move(Node *statement)
{
	ListCell   *cell;

	if (!mdl_ids_repeat() || RecoveryInProgress() || XactReadOnly || !OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)) ||
		mdl_clock_restored())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, moved_relations(statement))
	{
		Oid			relid = lfirst_oid(cell);

		if (get_rel_relkind(relid) == RELKIND_RELATION && pg_class_ownercheck(relid, GetUserId()) && mdl_is_versioned(relid))
			(void) rebirth(relid);
	}
	PopActiveSnapshot();
}

static void
process_utility(PlannedStmt *plan, const char *text, bool read_only_tree, ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	switch (nodeTag(plan->utilityStmt))
	{
		case T_VacuumStmt:
		case T_ClusterStmt:
		case T_AlterTableStmt:
		case T_AlterTableMoveAllStmt:
			before_move(plan->utilityStmt);
			break;
		default:
			break;
	}
	if (previous_process_utility)
		previous_process_utility(plan, text, read_only_tree, context, params, environment, receiver, completion);
	else
		standard_ProcessUtility(plan, text, read_only_tree, context, params, environment, receiver, completion);
}

void
mdl_rebirth_init(void)
{
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
