/*
 * partition_places.c: where the new rows of a commit went in a table of several partitions.
 *
 * One row of commit_changes holds a commit's places in all partitions of a table: for each, the number of its file, the
 * length of what follows, and its places as places.c writes them.  The feed looks a place up in all partitions, which
 * costs a little and cannot be wrong, since a place is a hint; but a partition whose file is another one by now was
 * rewritten, and then only a scan finds the rows.
 */
#include "versioning/versioning_int.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* What stands before the places of each partition. */
typedef struct PartHeader
{
	uint32		filenode;
	uint32		length;
} PartHeader;

void
mdl_part_places_begin(MdlPartPlaces *parts)
{
	initStringInfo(&parts->data);
	parts->unknown = false;
}

void
mdl_part_places_add(MdlPartPlaces *parts, Oid filenode, const MdlPlaces *places)
{
	bool		is_null;
	Datum		datum = mdl_places_datum(places, &is_null);
	PartHeader	header;

	parts->unknown |= is_null;
	if (is_null || VARSIZE(DatumGetPointer(datum)) == VARHDRSZ)
		return;
	header.filenode = filenode;
	header.length = VARSIZE(DatumGetPointer(datum)) - VARHDRSZ;
	appendBinaryStringInfo(&parts->data, (char *) &header, sizeof(header));
	appendBinaryStringInfo(&parts->data, VARDATA(DatumGetPointer(datum)), header.length);
	pfree(DatumGetPointer(datum));
}

Datum
mdl_part_places_datum(MdlPartPlaces *parts, bool *is_null)
{
	bytea	   *result;

	*is_null = parts->unknown;
	if (parts->unknown)
		return (Datum) 0;
	result = palloc(VARHDRSZ + parts->data.len);
	SET_VARSIZE(result, VARHDRSZ + parts->data.len);
	memcpy(VARDATA(result), parts->data.data, parts->data.len);
	return PointerGetDatum(result);
}

static int
compare_oids(const void *a, const void *b)
{
	Oid			left = *(const Oid *) a;
	Oid			right = *(const Oid *) b;

	return (left > right) - (left < right);
}

Oid *
mdl_part_filenodes(Oid relid, int *count)
{
	List	   *members = mdl_partition_members(relid, AccessShareLock);
	Oid		   *filenodes = palloc(list_length(members) * sizeof(Oid));
	ListCell   *cell;

	*count = 0;
	foreach(cell, members)
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)));

		if (!HeapTupleIsValid(tuple))
			continue;
		filenodes[(*count)++] = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
		ReleaseSysCache(tuple);
	}
	qsort(filenodes, *count, sizeof(Oid), compare_oids);
	return filenodes;
}

bool
mdl_part_places_expand(Datum places, const Oid *filenodes, int nfilenodes, ItemPointerData **tids, int *count)
{
	bytea	   *bytes = DatumGetByteaPP(places);
	const char *data = VARDATA_ANY(bytes);
	const char *end = data + VARSIZE_ANY_EXHDR(bytes);

	while (data < end)
	{
		PartHeader	header;
		bytea	   *part;
		ItemPointerData *found;
		int			nfound;

		memcpy(&header, data, sizeof(header));
		data += sizeof(header);
		if (bsearch(&header.filenode, filenodes, nfilenodes, sizeof(Oid), compare_oids) == NULL)
			return false;
		part = palloc(VARHDRSZ + header.length);
		SET_VARSIZE(part, VARHDRSZ + header.length);
		memcpy(VARDATA(part), data, header.length);
		data += header.length;
		nfound = mdl_places_expand(PointerGetDatum(part), &found);
		*tids = *tids ? repalloc_huge(*tids, (*count + nfound) * sizeof(ItemPointerData))
			: MemoryContextAllocHuge(CurrentMemoryContext, Max(nfound, 1) * sizeof(ItemPointerData));
		memcpy(*tids + *count, found, nfound * sizeof(ItemPointerData));
		*count += nfound;
		pfree(found);
		pfree(part);
	}
	return true;
}

bool
mdl_part_places_find(Datum places, const MdlTable *table, uint64 **runs, int *count)
{
	bytea	   *bytes = DatumGetByteaPP(places);
	const char *data = VARDATA_ANY(bytes);
	const char *end = data + VARSIZE_ANY_EXHDR(bytes);
	int			nfilenodes;
	Oid		   *filenodes = mdl_part_filenodes(table->root, &nfilenodes);

	while (data < end)
	{
		PartHeader	header;

		memcpy(&header, data, sizeof(header));
		data += sizeof(header);
		/* One of the files is gone: it may have been this partition's. */
		if (bsearch(&header.filenode, filenodes, nfilenodes, sizeof(Oid), compare_oids) == NULL)
			return false;
		if (header.filenode == table->filenode)
			*count = mdl_places_runs(data, header.length, runs);
		data += header.length;
	}
	return true;
}
