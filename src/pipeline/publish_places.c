/*
 * publish_places.c: changes and deletes rows of a derived table by their places, as an UPDATE or DELETE that joins the
 * places by ctid does, without a statement, since such a join reads all of the table to find some of its rows.
 *
 * Done here is what the executor does for a plain table (the way of logical replication, execReplication.c): constraints,
 * indexes, row triggers.  A table for which a statement does more (triggers of others, rules, generated columns, columns of
 * other types than the result's) is left to a statement.
 */
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "versioning/versioning.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct PlaceWriter
{
	Relation	relation;
	EState	   *estate;
	ResultRelInfo *target;
	TupleTableSlot *old_row;
	TupleTableSlot *new_row;
	int			count;			/* of columns of the result */
	AttrNumber *columns;		/* (count) of the table; 0: settled by the key */
} PlaceWriter;

/* ---- whether that is all there is to it ----------------------------------------------------------------------- */

static bool
has_other_triggers(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (!mdl_is_capture_function(triggers->triggers[i].tgfoid))
			return true;
	return false;
}

/* Fills in where the columns of the result are in the table; false if their types are not the same. */
static bool
map_columns(Relation relation, TupleDesc columns, AttrNumber *map)
{
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);
		Form_pg_attribute own;

		map[i] = get_attnum(RelationGetRelid(relation), NameStr(column->attname));
		if (map[i] <= 0)
			return false;
		own = TupleDescAttr(RelationGetDescr(relation), map[i] - 1);
		if (own->atttypid != column->atttypid || own->atttypmod != column->atttypmod)
			return false;
	}
	return true;
}

bool
mdl_relation_is_plain(Relation relation)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	return relation->rd_rel->relkind == RELKIND_RELATION && relation->rd_rel->relam == HEAP_TABLE_AM_OID &&
		relation->rd_rules == NULL && !relation->rd_rel->relispartition && !has_other_triggers(relation) &&
		(constraints == NULL || !constraints->has_generated_stored);
}

/* Otherwise a statement says what is missing. */
static bool
may_write(Relation relation)
{
	AclMode		needed = ACL_SELECT | ACL_UPDATE | ACL_DELETE;

	return pg_class_aclmask(RelationGetRelid(relation), GetUserId(), needed, ACLMASK_ALL) == needed;
}

bool
mdl_target_is_plain(const DerivedResult *result)
{
	Relation	relation = table_open(result->table->target, AccessShareLock);
	AttrNumber *columns = palloc_array(AttrNumber, result->columns->natts);
	bool		plain = mdl_relation_is_plain(relation) && map_columns(relation, result->columns, columns);

	table_close(relation, NoLock);
	return plain;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void
begin(PlaceWriter *writer, bool updates)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(writer->relation);
	entry->relkind = writer->relation->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
	for (int i = 0; updates && i < writer->count; i++)
		if (writer->columns[i] > 0)
			entry->updatedCols = bms_add_member(entry->updatedCols, writer->columns[i] - FirstLowInvalidHeapAttributeNumber);
	writer->estate = CreateExecutorState();
	ExecInitRangeTable(writer->estate, list_make1(entry));
	writer->estate->es_output_cid = GetCurrentCommandId(true);
	writer->target = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->target, writer->relation, 1, NULL, 0);
	CheckValidResultRel(writer->target, updates ? CMD_UPDATE : CMD_DELETE);
	ExecOpenIndices(writer->target, false);
	writer->old_row = table_slot_create(writer->relation, &writer->estate->es_tupleTable);
	writer->new_row = table_slot_create(writer->relation, &writer->estate->es_tupleTable);
	AfterTriggerBeginQuery();
}

static void
end(PlaceWriter *writer)
{
	AfterTriggerEndQuery(writer->estate);
	mdl_capture_flush();
	ExecCloseIndices(writer->target);
	ExecResetTupleTable(writer->estate->es_tupleTable, false);
	FreeExecutorState(writer->estate);
	CommandCounterIncrement();
}

/* Makes the new row: the old one with the columns of the result. */
static void
form_new_row(PlaceWriter *writer, const TupleTableSlot *placed)
{
	TupleTableSlot *old_row = writer->old_row;
	TupleTableSlot *new_row = writer->new_row;
	int			natts = old_row->tts_tupleDescriptor->natts;

	ExecClearTuple(new_row);
	slot_getallattrs(old_row);
	memcpy(new_row->tts_values, old_row->tts_values, sizeof(Datum) * natts);
	memcpy(new_row->tts_isnull, old_row->tts_isnull, sizeof(bool) * natts);
	for (int i = 0; i < writer->count; i++)
	{
		if (writer->columns[i] == 0)
			continue;
		new_row->tts_values[writer->columns[i] - 1] = placed->tts_values[i + 1];
		new_row->tts_isnull[writer->columns[i] - 1] = placed->tts_isnull[i + 1];
	}
	ExecStoreVirtualTuple(new_row);
}

static void
update_row(PlaceWriter *writer, ItemPointer place, const TupleTableSlot *placed, Snapshot snapshot)
{
	List	   *recheck = NIL;
	bool		moved;

	form_new_row(writer, placed);
	if (RelationGetDescr(writer->relation)->constr)
		ExecConstraints(writer->target, writer->new_row, writer->estate);
	simple_table_tuple_update(writer->relation, place, writer->new_row, snapshot, &moved);
	if (moved && writer->target->ri_NumIndices > 0)
		recheck = ExecInsertIndexTuples(writer->target, writer->new_row, writer->estate, true, false, NULL, NIL);
	ExecARUpdateTriggers(writer->estate, writer->target, NULL, NULL, place, NULL, writer->new_row, recheck, NULL, false);
}

static void
delete_row(PlaceWriter *writer, ItemPointer place, Snapshot snapshot)
{
	simple_table_tuple_delete(writer->relation, place, snapshot);
	ExecARDeleteTriggers(writer->estate, writer->target, place, NULL, NULL, false);
}

/* Writes all rows; returns how many were there. */
static int64
write_rows(PlaceWriter *writer, Tuplestorestate *rows, TupleDesc placed_columns, bool updates)
{
	TupleTableSlot *placed = MakeSingleTupleTableSlot(placed_columns, &TTSOpsMinimalTuple);
	Snapshot	snapshot = GetActiveSnapshot();
	int64		done = 0;

	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, placed))
	{
		ItemPointer place;

		CHECK_FOR_INTERRUPTS();
		ResetPerTupleExprContext(writer->estate);
		slot_getallattrs(placed);
		place = (ItemPointer) DatumGetPointer(placed->tts_values[0]);
		if (!table_tuple_fetch_row_version(writer->relation, place, snapshot, writer->old_row))
			continue;
		if (updates)
			update_row(writer, place, placed, snapshot);
		else
			delete_row(writer, place, snapshot);
		ExecClearTuple(writer->old_row);
		done++;
	}
	ExecDropSingleTupleTableSlot(placed);
	return done;
}

int64
mdl_write_places(const DerivedResult *result, const KeyColumn *keys, Tuplestorestate *rows, TupleDesc placed_columns,
				 bool updates, Snapshot snapshot)
{
	PlaceWriter writer = {.count = result->columns->natts};
	int64		done = -1;

	writer.columns = palloc_array(AttrNumber, writer.count);
	writer.relation = table_open(result->table->target, RowExclusiveLock);
	if (mdl_relation_is_plain(writer.relation) && may_write(writer.relation) &&
		map_columns(writer.relation, result->columns, writer.columns))
	{
		for (int i = 0; i < writer.count; i++)
			if (mdl_is_settled_by_key(result, keys, i + 1))
				writer.columns[i] = 0;
		PushCopiedSnapshot(snapshot);
		UpdateActiveSnapshotCommandId();
		begin(&writer, updates);
		done = write_rows(&writer, rows, placed_columns, updates);
		end(&writer);
		PopActiveSnapshot();
	}
	table_close(writer.relation, NoLock);
	return done;
}
