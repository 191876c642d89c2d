/*
 * capture.c: the triggers of versioned tables.
 *
 * A row trigger (AFTER INSERT OR UPDATE OR DELETE, ENABLE ALWAYS) notes where new rows went and hands old rows with
 * their births to table_work.c; a statement trigger before TRUNCATE does so for all rows.
 */
#include "versioning/capture_int.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static bool
same_column(TupleDesc desc, AttrNumber column, HeapTuple old_row, HeapTuple new_row)
{
	Form_pg_attribute form = TupleDescAttr(desc, column - 1);
	bool		old_null,
				new_null;
	Datum		old_value = heap_getattr(old_row, column, desc, &old_null);
	Datum		new_value = heap_getattr(new_row, column, desc, &new_null);

	if (old_null || new_null)
		return old_null == new_null;
	return datum_image_eq(old_value, new_value, form->attbyval, form->attlen);
}

/* Whether two versions of a row are equal to the byte, values stored out of line fetched if it comes to that. */
static bool
same_image(TupleDesc desc, HeapTuple old_row, HeapTuple new_row)
{
	HeapTupleHeader a = old_row->t_data;
	HeapTupleHeader b = new_row->t_data;

	if (old_row->t_len == new_row->t_len && a->t_hoff == b->t_hoff &&
		HeapTupleHeaderGetNatts(a) == HeapTupleHeaderGetNatts(b) &&
		(a->t_infomask & HEAP_HASNULL) == (b->t_infomask & HEAP_HASNULL) &&
		memcmp((char *) a + SizeofHeapTupleHeader, (char *) b + SizeofHeapTupleHeader,
			   old_row->t_len - SizeofHeapTupleHeader) == 0)
		return true;
	if (HeapTupleHeaderGetNatts(a) == HeapTupleHeaderGetNatts(b) && !HeapTupleHasExternal(old_row) &&
		!HeapTupleHasExternal(new_row))
		return false;
	for (int i = 1; i <= desc->natts; i++)
		if (!TupleDescAttr(desc, i - 1)->attisdropped && !same_column(desc, i, old_row, new_row))
			return false;
	return true;
}

/* Whether an update kept the primary key; one that changes it is a delete and an insert. */
static bool
same_key(const MdlTable *table, TupleDesc desc, HeapTuple old_row, HeapTuple new_row)
{
	for (int i = 0; i < table->nkeys; i++)
		if (!same_column(desc, table->keys[i], old_row, new_row))
			return false;
	return true;
}

static void
capture_row(TriggerData *trigger)
{
	Relation	relation = trigger->tg_relation;
	MdlTableWork *work = mdl_work_get(RelationGetRelid(relation));
	MdlLevel   *level = mdl_work_level(work);

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		level->inserted++;
		mdl_places_add(&work->places, &trigger->tg_trigtuple->t_self);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		TupleDesc	desc = RelationGetDescr(relation);

		if (same_image(desc, trigger->tg_trigtuple, trigger->tg_newtuple))
			level->unchanged++;
		else if (same_key(mdl_work_table(work), desc, trigger->tg_trigtuple, trigger->tg_newtuple))
			level->updated++;
		else
		{
			level->deleted++;
			level->inserted++;
		}
		mdl_places_add(&work->places, &trigger->tg_newtuple->t_self);
		mdl_work_keep(work, level, RelationGetDescr(relation), trigger->tg_trigtuple);
	}
	else
	{
		level->deleted++;
		mdl_work_keep(work, level, RelationGetDescr(relation), trigger->tg_trigtuple);
	}
}

/* Moves all current rows to history, the ones that this snapshot does not see yet included: TRUNCATE takes them too. */
static void
capture_truncate(TriggerData *trigger)
{
	Relation	relation = trigger->tg_relation;
	MdlTableWork *work = mdl_work_get(RelationGetRelid(relation));
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, SnapshotSelf, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
		MdlLevel   *level = mdl_work_level(work);

		level->deleted++;
		mdl_work_keep(work, level, RelationGetDescr(relation), tuple);
		if (should_free)
			heap_freetuple(tuple);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	mdl_work_level(work)->operation = "truncate";
	mdl_work_flush(work);
}

MDL_FUNCTION(mdl_capture);
Datum
mdl_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("medallion._capture() must be called as a trigger")));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		capture_truncate(trigger);
	else
		capture_row(trigger);
	PG_RETURN_POINTER(NULL);
}

