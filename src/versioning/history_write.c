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
#include "utils/sortsupport.h"

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

/* Enters rows in an index of any kind that somebody has put on the history table. */
static void
insert_any_entries(Relation history, Relation index, HeapTuple *tuples, int count)
{
	IndexInfo  *info = BuildIndexInfo(index);
	EState	   *estate = CreateExecutorState();
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(history), &TTSOpsHeapTuple);
	ExprState  *predicate = ExecPrepareQual(info->ii_Predicate, estate);

	GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
	for (int i = 0; i < count; i++)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		ExecStoreHeapTuple(tuples[i], slot, false);
		if (!ExecQual(predicate, GetPerTupleExprContext(estate)))
			continue;
		FormIndexDatum(info, slot, estate, values, nulls);
		index_insert(index, values, nulls, &tuples[i]->t_self, history,
					 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
		ResetPerTupleExprContext(estate);
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

static void
insert_plain_entry(Relation history, Relation index, IndexInfo *info, HeapTuple tuple)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < index->rd_index->indnatts; i++)
		values[i] = heap_getattr(tuple, index->rd_index->indkey.values[i], RelationGetDescr(history), &nulls[i]);
	index_insert(index, values, nulls, &tuple->t_self, history,
				 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
}

/* A block range index needs one entry per block here: all these rows died in one transaction, and death is what it holds. */
static void
insert_death_entries(Relation history, Relation index, IndexInfo *info, HeapTuple *tuples, int count)
{
	for (int i = 0; i < count; i++)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&tuples[i]->t_self);

		if (i > 0 && block == ItemPointerGetBlockNumber(&tuples[i - 1]->t_self))
			continue;
		summarize_range(history, index, block);
		insert_plain_entry(history, index, info, tuples[i]);
	}
}

/* A row by the first column of an index. */
typedef struct KeyedRow
{
	Datum		key;
	bool		is_null;
	HeapTuple	tuple;
} KeyedRow;

static int
compare_keys(const void *a, const void *b, void *sort)
{
	const KeyedRow *left = a;
	const KeyedRow *right = b;

	return ApplySortComparator(left->key, left->is_null, right->key, right->is_null, sort);
}

/* Enters rows in a B-tree in the order of its first column: many of them go to one page after another, not to any at random. */
static void
insert_ordered_entries(Relation history, Relation index, IndexInfo *info, HeapTuple *tuples, int count)
{
	KeyedRow   *rows = palloc(count * sizeof(KeyedRow));
	SortSupportData sort = {.ssup_cxt = CurrentMemoryContext, .ssup_attno = 1, .ssup_collation = index->rd_indcollation[0]};

	PrepareSortSupportFromIndexRel(index, BTLessStrategyNumber, &sort);
	for (int i = 0; i < count; i++)
	{
		rows[i].tuple = tuples[i];
		rows[i].key = heap_getattr(tuples[i], index->rd_index->indkey.values[0], RelationGetDescr(history), &rows[i].is_null);
	}
	qsort_arg(rows, count, sizeof(KeyedRow), compare_keys, &sort);
	for (int i = 0; i < count; i++)
		insert_plain_entry(history, index, info, rows[i].tuple);
	pfree(rows);
}

/* Enters all rows in one index before the next: its pages stay in the processor's cache. */
static void
insert_index_entries(Relation history, Relation index, HeapTuple *tuples, int count)
{
	IndexInfo  *info;

	if (!is_plain_index(index))
	{
		insert_any_entries(history, index, tuples, count);
		return;
	}
	info = makeNode(IndexInfo);
	info->ii_Context = CurrentMemoryContext;
	if (index->rd_rel->relam == BRIN_AM_OID && index->rd_index->indnatts == 1 &&
		index->rd_index->indkey.values[0] == MDL_DIED_ATTNO)
		insert_death_entries(history, index, info, tuples, count);
	else if (index->rd_rel->relam == BTREE_AM_OID && count > 1)
		insert_ordered_entries(history, index, info, tuples, count);
	else
		for (int i = 0; i < count; i++)
			insert_plain_entry(history, index, info, tuples[i]);
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

/* Rows that one call of the storage takes. */
#define ROWS_AT_ONCE 1000

/* Appends rows and notes where they went. */
static void
append_rows(Relation history, HeapTuple *tuples, int count, BulkInsertState bulk)
{
	TupleTableSlot **slots = history_slots(history, count);

	for (int i = 0; i < count; i++)
		ExecStoreHeapTuple(tuples[i], slots[i], false);
	table_multi_insert(history, slots, count, GetCurrentCommandId(true), 0, bulk);
	for (int i = 0; i < count; i++)
	{
		tuples[i]->t_self = slots[i]->tts_tid;
		ExecClearTuple(slots[i]);
	}
	if (kept_slots.count * kept_slots.desc->natts > MAX_KEPT_VALUES)
		kept_slots.desc = NULL;	/* the next call makes new ones */
}

void
mdl_history_insert(Relation history, HeapTuple *tuples, int count)
{
	BulkInsertState bulk = count > 1 ? GetBulkInsertState() : NULL;
	ListCell   *cell;

	for (int i = 0; i < count; i += ROWS_AT_ONCE)
		append_rows(history, tuples + i, Min(ROWS_AT_ONCE, count - i), bulk);
	if (bulk != NULL)
		FreeBulkInsertState(bulk);
	foreach(cell, RelationGetIndexList(history))
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (index->rd_index->indisready)
			insert_index_entries(history, index, tuples, count);
		index_close(index, RowExclusiveLock);
	}
}
