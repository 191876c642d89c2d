/*
 * capture.c: what the current transaction does to versioned tables, and the record it leaves when it commits.
 *
 * A row trigger (AFTER INSERT OR UPDATE OR DELETE, ENABLE ALWAYS) notes where new rows went and buffers old rows with
 * their births; a statement trigger before TRUNCATE does so for all rows.  Buffered rows go to the history table in bulk
 * when there are many, at the end of each statement, so that the transaction's next one finds them, and before commit.  At pre-commit, after all triggers of the user, the transaction takes
 * the commit lock, a number and a time, and writes its record.
 *
 * Savepoints: buffered rows and counts carry their subtransaction.  An abort drops those of the subtransaction; a release
 * hands them to the parent; a flush writes only those of the current subtransaction, since what is written within it is
 * rolled back with it.  Places are hints and stay.
 */
#include "versioning/versioning_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Buffered old rows of one table are written when there are this many, or this many bytes. */
#define FLUSH_ROWS	1000
#define FLUSH_BYTES	(4 * 1024 * 1024)

/* What one subtransaction did to one table. */
typedef struct Level
{
	SubTransactionId subid;
	int64		inserted;
	int64		updated;
	int64		deleted;
	int64		unchanged;		/* updates that left the row as it was */
	bool		tangled;		/* rows changed twice: net counts need the change feed */
	const char *operation;		/* set when the commit is more than row changes */
} Level;

typedef struct OldRow
{
	SubTransactionId subid;
	HeapTuple	tuple;			/* of the history table */
} OldRow;

typedef struct TableWork
{
	Oid			relid;
	int32		table_id;
	Oid			history;
	MdlTable   *table;			/* good while the generation is this one */
	uint64		generation;
	MemoryContext rows_context; /* of the buffered tuples */
	OldRow	   *rows;			/* ascending by subid */
	int			nrows;
	int			rows_allocated;
	Size		bytes;
	Level	   *levels;			/* ascending by subid */
	int			nlevels;
	int			levels_allocated;
	MdlPlaces	places;
	struct TableWork *next;
} TableWork;

/* Of the current transaction; in TopTransactionContext, so it goes with it. */
static TableWork *works = NULL;
static TableWork *last_work = NULL;
static int64 stamp_offset = 0;	/* of the era, read when the first work is made */
static FullTransactionId near_id;	/* of the current transaction */
static int64 own_stamp = 0;
static List *claimed = NIL;		/* int64 *, stamps of rows that this commit takes over */
static bool record_written = false;

static ExecutorFinish_hook_type previous_executor_finish = NULL;
static bool statement_end_comes = false;	/* not in the statement that loads the library */

static void
forget_transaction(void)
{
	works = last_work = NULL;
	claimed = NIL;
	record_written = false;
}

/* ---- buffers and counts ------------------------------------------------------------------------------------------ */

static TableWork *
find_work(Oid relid)
{
	TableWork  *work;

	if (likely(last_work != NULL && last_work->relid == relid))
		return last_work;
	for (work = works; work != NULL; work = work->next)
		if (work->relid == relid)
			return last_work = work;
	return NULL;
}

static TableWork *
get_work(Oid relid)
{
	TableWork  *work = find_work(relid);
	MdlTable   *table;

	if (likely(work != NULL))
		return work;
	table = mdl_table_get(relid);
	if (works == NULL)
	{
		MdlClock	clock;

		if (!mdl_clock_read(&clock))
			(void) mdl_history_relation(MDL_CLOCK_TABLE, false);
		stamp_offset = clock.stamp_offset;
		near_id = GetTopFullTransactionId();
		own_stamp = U64FromFullTransactionId(near_id) + stamp_offset;
	}
	work = MemoryContextAllocZero(TopTransactionContext, sizeof(TableWork));
	work->relid = relid;
	work->table_id = table->table_id;
	work->history = table->history;
	work->places.context = TopTransactionContext;
	work->next = works;
	works = last_work = work;
	return work;
}

/* Returns what is known of the table now: it may have been altered since. */
static MdlTable *
work_table(TableWork *work)
{
	if (unlikely(work->table == NULL || work->generation != mdl_table_generation))
	{
		work->table = mdl_table_get(work->relid);
		work->generation = mdl_table_generation;
	}
	return work->table;
}

/* Returns the counts of the current subtransaction. */
static Level *
current_level(TableWork *work)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	if (unlikely(record_written))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("versioned table \"%s\" was changed after the commit was recorded", mdl_display_name(work->relid)),
				 errdetail("Another extension writes while the transaction commits.")));
	if (likely(work->nlevels > 0 && work->levels[work->nlevels - 1].subid == subid))
		return &work->levels[work->nlevels - 1];
	if (work->nlevels == work->levels_allocated)
	{
		work->levels_allocated = work->levels_allocated ? work->levels_allocated * 2 : 4;
		work->levels = work->levels
			? repalloc(work->levels, work->levels_allocated * sizeof(Level))
			: MemoryContextAlloc(TopTransactionContext, work->levels_allocated * sizeof(Level));
	}
	memset(&work->levels[work->nlevels], 0, sizeof(Level));
	work->levels[work->nlevels].subid = subid;
	return &work->levels[work->nlevels++];
}

/* Writes the buffered rows of the current subtransaction: those at the end. */
static void
flush_work(TableWork *work)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	int			first = work->nrows;
	Relation	history;
	HeapTuple  *tuples;
	int			count;

	while (first > 0 && work->rows[first - 1].subid == subid)
		first--;
	count = work->nrows - first;
	if (count == 0)
		return;
	tuples = palloc(count * sizeof(HeapTuple));
	for (int i = 0; i < count; i++)
		tuples[i] = work->rows[first + i].tuple;
	history = table_open(work->history, RowExclusiveLock);
	for (int i = 0; i < count; i += FLUSH_ROWS)
		mdl_history_insert(history, tuples + i, Min(FLUSH_ROWS, count - i));
	table_close(history, NoLock);
	work->nrows = first;
	if (first == 0)
	{
		MemoryContextReset(work->rows_context);
		work->bytes = 0;
	}
	else
	{
		for (int i = 0; i < count; i++)
		{
			work->bytes -= HEAPTUPLESIZE + tuples[i]->t_len;
			heap_freetuple(tuples[i]);
		}
	}
	pfree(tuples);
}

void
mdl_capture_flush(void)
{
	for (TableWork *work = works; work != NULL; work = work->next)
		flush_work(work);
}

void
mdl_capture_show(void)
{
	bool		any = false;

	for (TableWork *work = works; work != NULL; work = work->next)
		any |= work->nrows > 0;
	if (!any)
		return;
	mdl_capture_flush();
	CommandCounterIncrement();
}

/* Buffers an old row.  A row that the same transaction wrote was never part of a version and leaves no trace. */
static void
buffer_old_row(TableWork *work, Level *level, Relation relation, HeapTuple tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	MdlTable   *table;
	MemoryContext saved;
	OldRow	   *row;

	if (TransactionIdIsCurrentTransactionId(xmin))
	{
		level->tangled = true;
		return;
	}
	table = work_table(work);
	if (work->rows_context == NULL)
		work->rows_context = GenerationContextCreate(TopTransactionContext, "medallion old rows", 0, 256 * 1024, 256 * 1024);
	if (work->nrows == work->rows_allocated)
	{
		work->rows_allocated = work->rows_allocated ? work->rows_allocated * 2 : 16;
		work->rows = work->rows
			? repalloc_huge(work->rows, work->rows_allocated * sizeof(OldRow))
			: MemoryContextAlloc(TopTransactionContext, work->rows_allocated * sizeof(OldRow));
	}
	saved = MemoryContextSwitchTo(work->rows_context);
	row = &work->rows[work->nrows];
	row->subid = level->subid;
	row->tuple = mdl_history_form(table, RelationGetDescr(relation), tuple,
								  mdl_stamp_near(xmin, near_id, stamp_offset), own_stamp);
	MemoryContextSwitchTo(saved);
	work->bytes += HEAPTUPLESIZE + row->tuple->t_len;
	work->nrows++;
	if (work->nrows >= FLUSH_ROWS || work->bytes >= FLUSH_BYTES || unlikely(!statement_end_comes))
		flush_work(work);
}

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

/* ---- triggers ---------------------------------------------------------------------------------------------------- */

static void
capture_row(TriggerData *trigger)
{
	Relation	relation = trigger->tg_relation;
	TableWork  *work = get_work(RelationGetRelid(relation));
	Level	   *level = current_level(work);

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
		else if (same_key(work_table(work), desc, trigger->tg_trigtuple, trigger->tg_newtuple))
			level->updated++;
		else
		{
			level->deleted++;
			level->inserted++;
		}
		mdl_places_add(&work->places, &trigger->tg_newtuple->t_self);
		buffer_old_row(work, level, relation, trigger->tg_trigtuple);
	}
	else
	{
		level->deleted++;
		buffer_old_row(work, level, relation, trigger->tg_trigtuple);
	}
}

/* Moves all current rows to history, the ones that this snapshot does not see yet included: TRUNCATE takes them too. */
static void
capture_truncate(TriggerData *trigger)
{
	Relation	relation = trigger->tg_relation;
	TableWork  *work = get_work(RelationGetRelid(relation));
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, SnapshotSelf, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
		Level	   *level = current_level(work);

		level->deleted++;
		buffer_old_row(work, level, relation, tuple);
		if (should_free)
			heap_freetuple(tuple);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	current_level(work)->operation = "truncate";
	flush_work(work);
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

void
mdl_capture_operation(Oid relid, const char *operation)
{
	current_level(get_work(relid))->operation = operation;
}

void
mdl_capture_claim(int64 stamp)
{
	MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
	int64	   *copy = palloc(sizeof(int64));

	*copy = stamp;
	claimed = lappend(claimed, copy);
	MemoryContextSwitchTo(saved);
}

/* ---- the record of the commit ------------------------------------------------------------------------------------ */

static Datum
stamp_array(const int64 *stamps, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));
	ArrayType  *array;

	for (int i = 0; i < count; i++)
		values[i] = Int64GetDatum(stamps[i]);
	array = construct_array(values, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(values);
	return PointerGetDatum(array);
}

/* What the record must know of other transactions, read before the number is taken. */
typedef struct Others
{
	int64		low;			/* oldest id still running */
	int64		next;			/* ids from here on began later */
	int			count;
	int64	   *running;		/* (count), with room for more */
	int			allocated;
} Others;

static void
read_others(Others *others)
{
	Snapshot	snapshot = GetLatestSnapshot();

	others->low = mdl_stamp_near(snapshot->xmin, near_id, stamp_offset);
	others->next = mdl_stamp_near(snapshot->xmax, near_id, stamp_offset);
	others->count = 0;
	others->allocated = snapshot->xcnt + 64;
	others->running = palloc(others->allocated * sizeof(int64));
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		others->running[others->count++] = mdl_stamp_near(snapshot->xip[i], near_id, stamp_offset);
}

/* Ids given between the snapshot and the number may end on either side of it. */
static void
add_newcomers(Others *others, int64 high)
{
	for (int64 stamp = others->next; stamp < high; stamp++)
	{
		if (TransactionIdIsCurrentTransactionId((TransactionId) (stamp - stamp_offset)))
			continue;
		if (others->count == others->allocated)
		{
			others->allocated *= 2;
			others->running = repalloc_huge(others->running, others->allocated * sizeof(int64));
		}
		others->running[others->count++] = stamp;
	}
}

static void
write_log_row(const MdlClock *clock, const Others *others, int64 high)
{
	Relation	log = table_open(mdl_history_relation(MDL_LOG_TABLE, false), RowExclusiveLock);
	Datum		values[Natts_commit_log];
	bool		nulls[Natts_commit_log] = {false};
	TransactionId *children;
	int			nchildren = xactGetCommittedChildren(&children);

	values[Anum_commit_log_version - 1] = Int64GetDatum(clock->version);
	values[Anum_commit_log_committed_at - 1] = TimestampTzGetDatum(clock->last_time);
	values[Anum_commit_log_stamp - 1] = Int64GetDatum(own_stamp);
	nulls[Anum_commit_log_substamps - 1] = nchildren == 0 && claimed == NIL;
	if (nchildren > 0 || claimed != NIL)
	{
		int64	   *stamps = palloc((nchildren + list_length(claimed)) * sizeof(int64));
		int			count = 0;
		ListCell   *cell;

		foreach(cell, claimed)
			stamps[count++] = *(int64 *) lfirst(cell);
		for (int i = 0; i < nchildren; i++)
			stamps[count++] = mdl_stamp_near(children[i], near_id, stamp_offset);
		values[Anum_commit_log_substamps - 1] = stamp_array(stamps, count);
	}
	values[Anum_commit_log_low - 1] = Int64GetDatum(others->low);
	values[Anum_commit_log_high - 1] = Int64GetDatum(high);
	nulls[Anum_commit_log_in_flight - 1] = others->count == 0;
	if (others->count > 0)
		values[Anum_commit_log_in_flight - 1] = stamp_array(others->running, others->count);
	values[Anum_commit_log_settled - 1] = Int64GetDatum(clock->settled);
	values[Anum_commit_log_role_name - 1] = CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
	values[Anum_commit_log_application - 1] = CStringGetTextDatum(application_name ? application_name : "");
	values[Anum_commit_log_era - 1] = Int64GetDatum(clock->era);
	CatalogTupleInsert(log, heap_form_tuple(RelationGetDescr(log), values, nulls));
	table_close(log, NoLock);
}

/* Sums what the subtransactions that survived did; false if nothing is left of it. */
static bool
sum_levels(const TableWork *work, Level *sum)
{
	memset(sum, 0, sizeof(Level));
	for (int i = 0; i < work->nlevels; i++)
	{
		const Level *level = &work->levels[i];

		sum->inserted += level->inserted;
		sum->updated += level->updated;
		sum->deleted += level->deleted;
		sum->unchanged += level->unchanged;
		sum->tangled |= level->tangled;
		if (level->operation != NULL)
			sum->operation = level->operation;
	}
	/* A key that was deleted and inserted is an update. */
	sum->tangled |= sum->inserted > 0 && sum->deleted > 0;
	return sum->operation != NULL || sum->inserted + sum->updated + sum->deleted + sum->unchanged > 0;
}

static const char *
operation_name(const Level *sum)
{
	int			kinds = (sum->inserted > 0) + (sum->updated + sum->unchanged > 0) + (sum->deleted > 0);

	if (sum->operation != NULL)
		return sum->operation;
	if (kinds > 1)
		return "write";
	return sum->inserted > 0 ? "insert" : sum->deleted > 0 ? "delete" : "update";
}

static void
write_changes_rows(int64 version)
{
	Relation	changes = table_open(mdl_history_relation(MDL_CHANGES_TABLE, false), RowExclusiveLock);

	for (TableWork *work = works; work != NULL; work = work->next)
	{
		Datum		values[Natts_commit_changes];
		bool		nulls[Natts_commit_changes] = {false};
		Level		sum;
		Relation	relation;

		if (!sum_levels(work, &sum))
			continue;
		relation = try_relation_open(work->relid, AccessShareLock);
		if (relation == NULL)	/* dropped in this transaction */
			continue;
		values[Anum_commit_changes_table_id - 1] = Int32GetDatum(work->table_id);
		values[Anum_commit_changes_version - 1] = Int64GetDatum(version);
		values[Anum_commit_changes_operation - 1] = CStringGetTextDatum(operation_name(&sum));
		values[Anum_commit_changes_inserted - 1] = Int64GetDatum(sum.inserted);
		values[Anum_commit_changes_updated - 1] = Int64GetDatum(sum.updated);
		values[Anum_commit_changes_deleted - 1] = Int64GetDatum(sum.deleted);
		nulls[Anum_commit_changes_inserted - 1] = nulls[Anum_commit_changes_updated - 1] =
			nulls[Anum_commit_changes_deleted - 1] = sum.tangled;
		values[Anum_commit_changes_filenode - 1] = Int64GetDatum(relation->rd_node.relNode);
		values[Anum_commit_changes_places - 1] = mdl_places_datum(&work->places, &nulls[Anum_commit_changes_places - 1]);
		nulls[Anum_commit_changes_places - 1] |= claimed != NIL;	/* rows that others wrote, wherever they are */
		relation_close(relation, NoLock);
		CatalogTupleInsert(changes, heap_form_tuple(RelationGetDescr(changes), values, nulls));
	}
	table_close(changes, NoLock);
}

static bool
anything_to_record(void)
{
	Level		sum;

	for (TableWork *work = works; work != NULL; work = work->next)
		if (sum_levels(work, &sum))
			return true;
	return false;
}

/* Takes the number and writes the record; DESIGN: docs/architecture.md, "How versions work". */
static void
record_commit(void)
{
	MdlClock	clock;
	Others		others;
	int64		high;
	int64		settled;
	TimestampTz settled_time;

	PushActiveSnapshot(GetTransactionSnapshot());
	mdl_capture_flush();
	mdl_commit_lock();
	settled = mdl_commit_settled_hint(&settled_time);
	read_others(&others);
	mdl_clock_next(settled, settled_time, &clock);
	high = U64FromFullTransactionId(ReadNextFullTransactionId()) + stamp_offset;
	add_newcomers(&others, high);
	write_log_row(&clock, &others, high);
	write_changes_rows(clock.version);
	PopActiveSnapshot();
	record_written = true;
}

static void
transaction_callback(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (works != NULL && !record_written && anything_to_record())
				record_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (works != NULL && anything_to_record())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has changed versioned table \"%s\"",
								mdl_display_name(works->relid)),
						 errhint("Use COMMIT.")));
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_transaction();
			break;
		default:
			break;
	}
}

/* A savepoint was rolled back: what it and its children did is gone. */
static void
drop_levels(TableWork *work, SubTransactionId subid)
{
	while (work->nrows > 0 && work->rows[work->nrows - 1].subid >= subid)
	{
		OldRow	   *row = &work->rows[--work->nrows];

		work->bytes -= HEAPTUPLESIZE + row->tuple->t_len;
		heap_freetuple(row->tuple);
	}
	while (work->nlevels > 0 && work->levels[work->nlevels - 1].subid >= subid)
		work->nlevels--;
}

/* A savepoint was released: its parent has done it. */
static void
hand_over_levels(TableWork *work, SubTransactionId subid, SubTransactionId parent)
{
	Level	   *level = work->nlevels > 0 ? &work->levels[work->nlevels - 1] : NULL;

	for (int i = work->nrows - 1; i >= 0 && work->rows[i].subid == subid; i--)
		work->rows[i].subid = parent;
	if (level == NULL || level->subid != subid)
		return;
	if (work->nlevels > 1 && level[-1].subid == parent)
	{
		level[-1].inserted += level->inserted;
		level[-1].updated += level->updated;
		level[-1].deleted += level->deleted;
		level[-1].unchanged += level->unchanged;
		level[-1].tangled |= level->tangled;
		if (level->operation != NULL)
			level[-1].operation = level->operation;
		work->nlevels--;
	}
	else
		level->subid = parent;
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	for (TableWork *work = works; work != NULL; work = work->next)
	{
		if (event == SUBXACT_EVENT_ABORT_SUB)
			drop_levels(work, subid);
		else if (event == SUBXACT_EVENT_COMMIT_SUB)
			hand_over_levels(work, subid, parent);
	}
}

/*
 * The end of a statement, its triggers included.  Rows must not wait for longer: a savepoint might come, and what is
 * written within that is rolled back with it; and a plan made earlier reads the history table without asking anybody.
 */
static void
capture_statement_end(QueryDesc *query)
{
	statement_end_comes = true;
	if (previous_executor_finish)
		previous_executor_finish(query);
	else
		standard_ExecutorFinish(query);
	if (works != NULL)
		mdl_capture_flush();
}

void
mdl_capture_init(void)
{
	previous_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = capture_statement_end;
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}
