/*
 * history_write.c: rows of history tables, formed and appended in bulk.
 *
 * A history row is a row of the base table that has died, under the same column names, with two columns in front: the
 * stamps of the transactions that wrote and ended it.  Values stored out of line in the base table are copied, for the
 * base table's copy goes with its row.
 */
#include "versioning/versioning_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "executor/tuptable.h"

HeapTuple
mdl_history_form(const MdlTable *table, TupleDesc base, HeapTuple tuple, int64 born, int64 died)
{
	TupleDesc	history = table->history_desc;
	Datum		base_values[MaxHeapAttributeNumber];
	bool		base_nulls[MaxHeapAttributeNumber];
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];

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
	return heap_form_tuple(history, values, nulls);
}

/*
 * Enters all rows in one index before the next: its pages stay in the processor's cache.  A block range index needs one
 * entry per block here, since all these rows died in one transaction and death is what it holds.
 */
static void
insert_index_entries(Relation history, Relation index, IndexInfo *info, TupleTableSlot **slots, int count, EState *estate)
{
	for (int i = 0; i < count; i++)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		if (index->rd_rel->relam == BRIN_AM_OID && i > 0 &&
			ItemPointerGetBlockNumber(&slots[i]->tts_tid) == ItemPointerGetBlockNumber(&slots[i - 1]->tts_tid))
			continue;
		FormIndexDatum(info, slots[i], estate, values, nulls);
		index_insert(index, values, nulls, &slots[i]->tts_tid, history, UNIQUE_CHECK_NO, false, info);
	}
}

void
mdl_history_insert(Relation history, HeapTuple *tuples, int count)
{
	/* A description without reference count: pinning one for each of many slots takes longer than the insert. */
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(history));
	TupleTableSlot **slots = palloc(count * sizeof(TupleTableSlot *));
	BulkInsertState bulk = count > 1 ? GetBulkInsertState() : NULL;
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);

	for (int i = 0; i < count; i++)
	{
		slots[i] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
		ExecStoreHeapTuple(tuples[i], slots[i], false);
	}
	InitResultRelInfo(result, history, 0, NULL, 0);
	ExecOpenIndices(result, false);
	table_multi_insert(history, slots, count, GetCurrentCommandId(true), 0, bulk);
	for (int index = 0; index < result->ri_NumIndices; index++)
		insert_index_entries(history, result->ri_IndexRelationDescs[index], result->ri_IndexRelationInfo[index],
							 slots, count, estate);
	for (int i = 0; i < count; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	ExecCloseIndices(result);
	FreeExecutorState(estate);
	if (bulk != NULL)
		FreeBulkInsertState(bulk);
	pfree(slots);
	FreeTupleDesc(desc);
}
