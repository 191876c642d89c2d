/*
 * history_write.c: rows of history tables, formed and appended in bulk.
 *
 * A history row is a row of the base table that has died, under the same column names, with two columns in front: the
 * stamps of the transactions that wrote and ended it.  Values stored out of line in the base table are copied, for the
 * base table's copy goes with its row.
 */
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/brin.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/tupmacs.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/*
 * Copies a row whose columns follow the two of history in the same order: the two are 16 bytes, so what comes after
 * keeps its alignment and is copied as it is, the null bitmap shifted by two.
 */
static HeapTuple
form_by_copy(const MdlTable *table, HeapTuple tuple, int64 born, int64 died)
{
	HeapTupleHeader from = tuple->t_data;
	int			natts = table->history_desc->natts;
	bool		has_nulls = (from->t_infomask & HEAP_HASNULL) != 0;
	Size		header = MAXALIGN(SizeofHeapTupleHeader + (has_nulls ? BITMAPLEN(natts) : 0));
	Size		data = tuple->t_len - from->t_hoff;
	Size		length = header + 2 * sizeof(int64) + data;
	HeapTuple	result = palloc(HEAPTUPLESIZE + length);
	HeapTupleHeader to = (HeapTupleHeader) ((char *) result + HEAPTUPLESIZE);

	result->t_len = length;
	ItemPointerSetInvalid(&result->t_self);
	result->t_tableOid = InvalidOid;
	result->t_data = to;
	memset(to, 0, header);
	HeapTupleHeaderSetNatts(to, natts);
	to->t_hoff = header;
	to->t_infomask = from->t_infomask & (HEAP_HASNULL | HEAP_HASVARWIDTH | HEAP_HASEXTERNAL);
	ItemPointerSetInvalid(&to->t_ctid);
	if (has_nulls)
	{
		to->t_bits[0] = 3;
		for (int i = 2; i < natts; i++)
			if (!att_isnull(i - 2, from->t_bits))
				to->t_bits[i >> 3] |= 1 << (i & 7);
	}
	memcpy((char *) to + header, &born, sizeof(int64));
	memcpy((char *) to + header + sizeof(int64), &died, sizeof(int64));
	memcpy((char *) to + header + 2 * sizeof(int64), (char *) from + from->t_hoff, data);
	return result;
}

/* Takes a row apart and puts it together under the columns of the history table. */
static HeapTuple
form_by_column(const MdlTable *table, TupleDesc base, HeapTuple tuple, int64 born, int64 died)
{
	TupleDesc	history = table->history_desc;
	Datum	   *base_values = palloc(base->natts * sizeof(Datum));
	bool	   *base_nulls = palloc(base->natts * sizeof(bool));
	Datum	   *values = palloc0(history->natts * sizeof(Datum));
	bool	   *nulls = palloc(history->natts * sizeof(bool));
	HeapTuple	result;

	heap_deform_tuple(tuple, base, base_values, base_nulls);
	memset(nulls, true, history->natts * sizeof(bool));
	values[MDL_BORN_ATTNO - 1] = Int64GetDatum(born);
	nulls[MDL_BORN_ATTNO - 1] = false;
	values[MDL_DIED_ATTNO - 1] = Int64GetDatum(died);
	nulls[MDL_DIED_ATTNO - 1] = false;
	for (int i = 0; i < base->natts; i++)
	{
		AttrNumber	target = table->history_attno[i];

		if (target == 0)
			continue;
		values[target - 1] = base_values[i];
		nulls[target - 1] = base_nulls[i];
	}
	result = heap_form_tuple(history, values, nulls);
	pfree(base_values);
	pfree(base_nulls);
	pfree(values);
	pfree(nulls);
	return result;
}

HeapTuple
mdl_history_form(const MdlTable *table, TupleDesc base, HeapTuple tuple, int64 born, int64 died)
{
	/* A row may be older than its table's newest columns; then it has fewer. */
	if (table->same_columns && HeapTupleHeaderGetNatts(tuple->t_data) == base->natts)
		return form_by_copy(table, tuple, born, died);
	return form_by_column(table, base, tuple, born, died);
}

/* Block ranges that this backend knows to be in the index of deaths, the last one of some files. */
static struct
{
	Oid			filenode;		/* of the index */
	BlockNumber range;
}			known_ranges[64];

/*
 * Makes sure that the range of a block has an entry in the index of deaths.  New ranges of a block range index have none
 * until VACUUM comes, and are read in full by every query until then.  Here a range gets its entry when its first rows
 * come, which costs next to nothing, and every later row widens it.  If the lock for that cannot be had at once, VACUUM is
 * at work, or another backend does the same.
 */
static void
summarize_range(Relation history, Relation index, BlockNumber block)
{
	BlockNumber pages = BrinGetPagesPerRange(index);
	BlockNumber range = block / pages;
	int			slot = index->rd_node.relNode % lengthof(known_ranges);
	MdlUser		user;

	if (known_ranges[slot].filenode == index->rd_node.relNode && known_ranges[slot].range == range)
		return;
	if (!ConditionalLockRelationOid(RelationGetRelid(history), ShareUpdateExclusiveLock))
		return;
	mdl_owner_begin(&user);
	DirectFunctionCall2(brin_summarize_range, ObjectIdGetDatum(RelationGetRelid(index)), Int64GetDatum((int64) range * pages));
	mdl_owner_end(&user);
	UnlockRelationOid(RelationGetRelid(history), ShareUpdateExclusiveLock);
	known_ranges[slot].filenode = index->rd_node.relNode;
	known_ranges[slot].range = range;
}

/* Whether an index has columns of the table as keys, no more: then entering a row needs no executor. */
static bool
is_plain_index(Relation index)
{
	return (index->rd_rel->relam == BTREE_AM_OID || index->rd_rel->relam == BRIN_AM_OID) &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL) &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

/* Enters a row in an index of any kind that somebody has put on the history table. */
static void
insert_any_entry(Relation history, Relation index, IndexInfo *info, TupleTableSlot *slot, EState *estate)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
	if (!ExecQual(info->ii_PredicateState, GetPerTupleExprContext(estate)))
		return;
	FormIndexDatum(info, slot, estate, values, nulls);
	index_insert(index, values, nulls, &slot->tts_tid, history,
				 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
}

static void
insert_plain_entry(Relation history, Relation index, IndexInfo *info, TupleTableSlot *slot)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < index->rd_index->indnatts; i++)
		values[i] = slot_getattr(slot, index->rd_index->indkey.values[i], &nulls[i]);
	index_insert(index, values, nulls, &slot->tts_tid, history,
				 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
}

/*
 * Enters all rows in one index before the next: its pages stay in the processor's cache.  A block range index needs one
 * entry per block here, since all these rows died in one transaction and death is what it holds.
 */
static void
insert_index_entries(Relation history, Relation index, TupleTableSlot **slots, int count)
{
	bool		plain = is_plain_index(index);
	bool		deaths = plain && index->rd_rel->relam == BRIN_AM_OID && index->rd_index->indnatts == 1 &&
		index->rd_index->indkey.values[0] == MDL_DIED_ATTNO;
	IndexInfo  *info = plain ? makeNode(IndexInfo) : BuildIndexInfo(index);
	EState	   *estate = plain ? NULL : CreateExecutorState();

	info->ii_Context = CurrentMemoryContext;
	for (int i = 0; i < count; i++)
	{
		if (deaths)
		{
			BlockNumber block = ItemPointerGetBlockNumber(&slots[i]->tts_tid);

			if (i > 0 && block == ItemPointerGetBlockNumber(&slots[i - 1]->tts_tid))
				continue;
			summarize_range(history, index, block);
		}
		if (plain)
			insert_plain_entry(history, index, info, slots[i]);
		else
			insert_any_entry(history, index, info, slots[i], estate);
	}
	if (estate != NULL)
		FreeExecutorState(estate);
}

/* A session does not keep slots with room for more values than this (9 bytes each). */
#define MAX_KEPT_VALUES 50000

/* Slots for rows of the history table written last, kept for the next rows of it; in a memory context of their own. */
static struct
{
	MemoryContext context;
	TupleDesc	desc;			/* a copy: pinning a relation's for each of many slots takes longer than the insert */
	TupleTableSlot **slots;		/* (count) */
	int			count;
}			kept_slots;

/* Returns that many slots for rows of the history table; good until the next call. */
static TupleTableSlot **
history_slots(Relation history, int count)
{
	MemoryContext saved;

	if (kept_slots.context == NULL)
		kept_slots.context = AllocSetContextCreate(TopMemoryContext, "medallion history slots", ALLOCSET_SMALL_SIZES);
	if (kept_slots.desc == NULL || !equalTupleDescs(kept_slots.desc, RelationGetDescr(history)))
	{
		kept_slots.desc = NULL;
		kept_slots.count = 0;
		MemoryContextReset(kept_slots.context);
	}
	saved = MemoryContextSwitchTo(kept_slots.context);
	if (kept_slots.desc == NULL)
	{
		kept_slots.slots = palloc(sizeof(TupleTableSlot *));
		kept_slots.desc = CreateTupleDescCopy(RelationGetDescr(history));
	}
	if (count > kept_slots.count)
	{
		kept_slots.slots = repalloc(kept_slots.slots, count * sizeof(TupleTableSlot *));
		while (kept_slots.count < count)
		{
			kept_slots.slots[kept_slots.count] = MakeSingleTupleTableSlot(kept_slots.desc, &TTSOpsHeapTuple);
			kept_slots.count++;
		}
	}
	MemoryContextSwitchTo(saved);
	return kept_slots.slots;
}

void
mdl_history_insert(Relation history, HeapTuple *tuples, int count)
{
	TupleTableSlot **slots = history_slots(history, count);
	BulkInsertState bulk = count > 1 ? GetBulkInsertState() : NULL;
	ListCell   *cell;

	for (int i = 0; i < count; i++)
		ExecStoreHeapTuple(tuples[i], slots[i], false);
	table_multi_insert(history, slots, count, GetCurrentCommandId(true), 0, bulk);
	foreach(cell, RelationGetIndexList(history))
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (index->rd_index->indisready)
			insert_index_entries(history, index, slots, count);
		index_close(index, RowExclusiveLock);
	}
	for (int i = 0; i < count; i++)
		ExecClearTuple(slots[i]);
	if (kept_slots.count * kept_slots.desc->natts > MAX_KEPT_VALUES)
		kept_slots.desc = NULL;	/* the next call makes new ones */
	if (bulk != NULL)
		FreeBulkInsertState(bulk);
}
