/*
 * places.c: where the new rows of a commit went.
 *
 * xmin cannot be indexed, so each commit records the places of its new rows, as runs of consecutive offsets in a block.
 * A place is a hint, not a fact: a savepoint may have taken the row back, or vacuum have given its place away; the
 * reader compares xmin.
 */
#include "versioning/versioning_int.h"

#include "utils/memutils.h"

#define RUN(block, offset, length)	(((uint64) (block) << 32) | ((uint64) (offset) << 16) | (length))
#define RUN_BLOCK(run)				((BlockNumber) ((run) >> 32))
#define RUN_OFFSET(run)				((OffsetNumber) (((run) >> 16) & 0xFFFF))
#define RUN_LENGTH(run)				((uint16) ((run) & 0xFFFF))

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

		if (RUN_BLOCK(last) == block && RUN_OFFSET(last) + RUN_LENGTH(last) == offset)
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
	places->runs[places->count++] = RUN(block, offset, 1);
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
		total += RUN_LENGTH(run);
	}
	*tids = MemoryContextAllocHuge(CurrentMemoryContext, Max(total, 1) * sizeof(ItemPointerData));
	for (int i = 0; i < nruns; i++)
	{
		uint64		run;

		memcpy(&run, data + i * sizeof(run), sizeof(run));
		for (int j = 0; j < RUN_LENGTH(run); j++, count++)
			ItemPointerSet(&(*tids)[count], RUN_BLOCK(run), RUN_OFFSET(run) + j);
	}
	return count;
}
