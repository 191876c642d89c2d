/*
 * places.c: where the new rows of a commit went.
 *
 * xmin cannot be indexed, so each commit records the places of its new rows, as runs of consecutive offsets in a block.
 * A place is a hint, not a fact: a savepoint may have taken the row back, or vacuum have given its place away; the
 * reader compares xmin.
 */
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/rows_int.h"
#include "versioning/tables_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

void
mdl_places_add(MdlPlaces *places, ItemPointer tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);

	if (places->overflow)
		return;
	if (places->count > 0)
	{
		uint64		last = places->runs[places->count - 1];

		if (MDL_RUN_BLOCK(last) == block && MDL_RUN_OFFSET(last) + MDL_RUN_LENGTH(last) == offset)
		{
			places->runs[places->count - 1]++;
			return;
		}
	}
	if (places->count == places->allocated)
	{
		if (places->count >= MDL_MAX_RUNS)
		{
			pfree(places->runs);
			places->runs = NULL;
			places->count = places->allocated = 0;
			places->overflow = true;
			return;
		}
		places->allocated = places->allocated ? places->allocated * 2 : 16;
		if (places->runs == NULL)
			places->runs = MemoryContextAlloc(places->context, places->allocated * sizeof(uint64));
		else
			places->runs = repalloc(places->runs, places->allocated * sizeof(uint64));
	}
	places->runs[places->count++] = MDL_RUN(block, offset, 1);
}

Datum
mdl_places_datum(const MdlPlaces *places, bool *is_null)
{
	Size		size = places->count * sizeof(uint64);
	bytea	   *result;

	*is_null = places->overflow;
	if (places->overflow)
		return (Datum) 0;
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	if (size > 0)
		memcpy(VARDATA(result), places->runs, size);
	return PointerGetDatum(result);
}

int
mdl_places_expand(Datum places, ItemPointerData **tids)
{
	bytea	   *bytes = DatumGetByteaPP(places);
	int			nruns = VARSIZE_ANY_EXHDR(bytes) / sizeof(uint64);
	const char *data = VARDATA_ANY(bytes);
	int64		total = 0;
	int			count = 0;

	for (int i = 0; i < nruns; i++)
	{
		uint64		run;

		memcpy(&run, data + i * sizeof(run), sizeof(run));
		total += MDL_RUN_LENGTH(run);
	}
	*tids = MemoryContextAllocHuge(CurrentMemoryContext, Max(total, 1) * sizeof(ItemPointerData));
	for (int i = 0; i < nruns; i++)
	{
		uint64		run;

		memcpy(&run, data + i * sizeof(run), sizeof(run));
		for (int j = 0; j < MDL_RUN_LENGTH(run); j++, count++)
			ItemPointerSet(&(*tids)[count], MDL_RUN_BLOCK(run), MDL_RUN_OFFSET(run) + j);
	}
	return count;
}

/* Takes the runs out of their stored form; returns how many. */
int
mdl_places_runs(const char *data, Size size, uint64 **runs)
{
	*runs = MemoryContextAllocHuge(CurrentMemoryContext, Max(size, sizeof(uint64)));
	memcpy(*runs, data, size);
	return size / sizeof(uint64);
}

/*
 * Reads where a commit wrote to a table or partition, as long as that holds: *known is false if the table has another
 * file since, or places were not noted.  False if the commit did nothing to the table.
 */
bool
mdl_commit_places(const MdlTable *table, int64 version, bool *known, uint64 **runs, int *count)
{
	Relation	changes = table_open(mdl_history_relation(MDL_CHANGES_TABLE, false), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(changes);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	*known = false;
	*runs = NULL;
	*count = 0;
	ScanKeyInit(&keys[0], Anum_commit_changes_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table->table_id));
	ScanKeyInit(&keys[1], Anum_commit_changes_version, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(version));
	scan = systable_beginscan(changes, mdl_history_relation(MDL_CHANGES_INDEX, false), true, SnapshotSelf, 2, keys);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		bool		is_null;
		int64		noted = DatumGetInt64(heap_getattr(tuple, Anum_commit_changes_filenode, desc, &is_null));
		Datum		places = heap_getattr(tuple, Anum_commit_changes_places, desc, &is_null);

		if (!is_null && table->partitioned)
			*known = mdl_part_places_find(places, table, runs, count);
		else if (!is_null && noted == (int64) table->filenode)
		{
			bytea	   *bytes = DatumGetByteaPP(places);

			*known = true;
			*count = mdl_places_runs(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), runs);
		}
	}
	systable_endscan(scan);
	table_close(changes, NoLock);
	return found;
}
