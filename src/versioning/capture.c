/*
 * capture.c: the triggers of versioned tables.
 *
 * Three row triggers (AFTER INSERT, UPDATE, DELETE, ENABLE ALWAYS) note where new rows went and hand old rows with their
 * births to table_work.c; a statement trigger before TRUNCATE does so for all rows.
 *
 * The row triggers do their work in their WHEN condition:
 *
 *     AFTER UPDATE … FOR EACH ROW WHEN (medallion._capture_later(OLD.ctid, NEW.ctid)) EXECUTE FUNCTION medallion._capture('7')
 *
 * PostgreSQL evaluates it when the row is written, with both rows at hand, and puts the row into its queue of AFTER
 * triggers only if it holds.  It never does here: so a statement of any size takes no memory in that queue, and no row is
 * fetched again at its end.  The function finds the rows through its arguments: the value of a ctid is the address of
 * that field in the executor's slot (slot_getsysattr), so the slot is around it.  That holds for no other tid, hence the
 * function works with these very arguments alone, and refuses every other call.
 */
#include "versioning/capture_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ---- comparing two versions of a row ------------------------------------------------------------------------------ */

static bool
same_column(TupleTableSlot *old_row, TupleTableSlot *new_row, AttrNumber column)
{
	Form_pg_attribute form = TupleDescAttr(old_row->tts_tupleDescriptor, column - 1);
	bool		old_null,
				new_null;
	Datum		old_value = slot_getattr(old_row, column, &old_null);
	Datum		new_value = slot_getattr(new_row, column, &new_null);

	if (old_null || new_null)
		return old_null == new_null;
	/* A value out of line that was not touched is the same pointer: do not fetch it twice. */
	if (form->attlen == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(old_value)) &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(new_value)) &&
		memcmp(DatumGetPointer(old_value), DatumGetPointer(new_value), VARSIZE_EXTERNAL(DatumGetPointer(old_value))) == 0)
		return true;
	return datum_image_eq(old_value, new_value, form->attbyval, form->attlen);
}

/* Whether two tuples are equal to the byte, which most equal rows are. */
static bool
same_bytes(HeapTuple old_tuple, HeapTuple new_tuple)
{
	HeapTupleHeader a = old_tuple->t_data;
	HeapTupleHeader b = new_tuple->t_data;

	return old_tuple->t_len == new_tuple->t_len && a->t_hoff == b->t_hoff &&
		HeapTupleHeaderGetNatts(a) == HeapTupleHeaderGetNatts(b) &&
		(a->t_infomask & HEAP_HASNULL) == (b->t_infomask & HEAP_HASNULL) &&
		memcmp((char *) a + SizeofHeapTupleHeader, (char *) b + SizeofHeapTupleHeader,
			   old_tuple->t_len - SizeofHeapTupleHeader) == 0;
}

/* Whether two versions of a row have equal values, however they are stored. */
static bool
same_image(TupleTableSlot *old_row, HeapTuple old_tuple, TupleTableSlot *new_row)
{
	TupleDesc	desc = old_row->tts_tupleDescriptor;
	bool		should_free;

	if ((TTS_IS_HEAPTUPLE(new_row) || TTS_IS_BUFFERTUPLE(new_row)) &&
		same_bytes(old_tuple, ExecFetchSlotHeapTuple(new_row, false, &should_free)))
		return true;
	for (int i = 1; i <= desc->natts; i++)
		if (!TupleDescAttr(desc, i - 1)->attisdropped && !same_column(old_row, new_row, i))
			return false;
	return true;
}

/* Whether an update kept the primary key; one that changes it is a delete and an insert. */
static bool
same_key(const MdlTable *table, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	for (int i = 0; i < table->nkeys; i++)
		if (!same_column(old_row, new_row, table->keys[i]))
			return false;
	return true;
}

/* ---- row triggers -------------------------------------------------------------------------------------------------- */

static void
capture_insert(Oid relid, TupleTableSlot *new_row)
{
	MdlTableWork *work = mdl_work_get(relid);
	MdlLevel   *level = mdl_work_level(work);

	level->inserted++;
	mdl_work_place(work, level, &new_row->tts_tid);
}

static void
capture_update(Oid relid, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	MdlTableWork *work = mdl_work_get(relid);
	MdlLevel   *level = mdl_work_level(work);
	bool		should_free;
	HeapTuple	old_tuple = ExecFetchSlotHeapTuple(old_row, false, &should_free);

	if (same_image(old_row, old_tuple, new_row))
		level->unchanged++;
	else if (same_key(mdl_work_table(work), old_row, new_row))
		level->updated++;
	else
	{
		level->deleted++;
		level->inserted++;
	}
	mdl_work_place(work, level, &new_row->tts_tid);
	mdl_work_keep(work, level, old_row->tts_tupleDescriptor, old_tuple);
}

static void
capture_delete(Oid relid, TupleTableSlot *old_row)
{
	MdlTableWork *work = mdl_work_get(relid);
	MdlLevel   *level = mdl_work_level(work);
	bool		should_free;

	level->deleted++;
	mdl_work_keep(work, level, old_row->tts_tupleDescriptor, ExecFetchSlotHeapTuple(old_row, false, &should_free));
}

static void
capture_row(Oid relid, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	if (old_row == NULL)
		capture_insert(relid, new_row);
	else if (new_row == NULL)
		capture_delete(relid, old_row);
	else
		capture_update(relid, old_row, new_row);
}

/* Whether an argument is NULL, or the ctid of OLD (executor_row INNER_VAR) or NEW (OUTER_VAR) in a WHEN condition. */
static bool
is_row_argument(Node *argument, int executor_row)
{
	if (IsA(argument, Const))
		return ((Const *) argument)->constisnull;
	return IsA(argument, Var) && ((Var *) argument)->varno == executor_row &&
		((Var *) argument)->varattno == SelfItemPointerAttributeNumber;
}

/* Raises an error unless the arguments of the call are those that the slots can be found by. */
static void
check_later_call(FmgrInfo *function)
{
	FuncExpr   *call = (FuncExpr *) function->fn_expr;

	if (call == NULL || !IsA(call, FuncExpr) || list_length(call->args) != 2 ||
		!is_row_argument(linitial(call->args), INNER_VAR) || !is_row_argument(lsecond(call->args), OUTER_VAR) ||
		(IsA(linitial(call->args), Const) && IsA(lsecond(call->args), Const)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("medallion._capture_later() can only be called by the triggers of versioned tables"),
				 errhint("SELECT medallion.enable_versioning('table') makes them.")));
	function->fn_extra = function;	/* checked */
}

static TupleTableSlot *
argument_slot(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return NULL;
	return (TupleTableSlot *) ((char *) PG_GETARG_POINTER(argument) - offsetof(TupleTableSlot, tts_tid));
}

/* Captures a row change at once; true, which never happens, would have the trigger do it at the end of the statement. */
MDL_FUNCTION(mdl_capture_later);
Datum
mdl_capture_later(PG_FUNCTION_ARGS)
{
	TupleTableSlot *old_row;
	TupleTableSlot *new_row;

	if (unlikely(fcinfo->flinfo->fn_extra == NULL))
		check_later_call(fcinfo->flinfo);
	old_row = argument_slot(fcinfo, 0);
	new_row = argument_slot(fcinfo, 1);
	/* An update that moved a row to another partition comes here for the root too; the partitions have told it all. */
	if (old_row != NULL && (TTS_IS_VIRTUAL(old_row) || (new_row != NULL && new_row->tts_tableOid != old_row->tts_tableOid)))
		PG_RETURN_BOOL(false);
	capture_row(old_row != NULL ? old_row->tts_tableOid : new_row->tts_tableOid, old_row, new_row);
	PG_RETURN_BOOL(false);
}

/* ---- the trigger function ------------------------------------------------------------------------------------------ */

void
mdl_capture_all_rows(Relation relation, const char *operation)
{
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, SnapshotSelf, 0, NULL);
	MdlTableWork *work = mdl_work_get(RelationGetRelid(relation));

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		capture_delete(RelationGetRelid(relation), slot);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	mdl_level_operation(mdl_work_level(work), operation);
	mdl_work_flush(work);
}

/* A partitioned table has no rows of its own: TRUNCATE fires the triggers of its partitions as well. */
static void
capture_truncate(Relation relation)
{
	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		mdl_capture_operation(RelationGetRelid(relation), "truncate");
	else
		mdl_capture_all_rows(relation, "truncate");
}

MDL_FUNCTION(mdl_capture);
Datum
mdl_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Oid			relid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("medallion._capture() must be called as a trigger")));
	relid = RelationGetRelid(trigger->tg_relation);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		capture_truncate(trigger->tg_relation);
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		capture_row(relid, NULL, trigger->tg_trigslot);
	else
		capture_row(relid, trigger->tg_trigslot, TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newslot : NULL);
	PG_RETURN_POINTER(NULL);
}
