/*
 * partition_places.c: where the new rows of a commit went in a table of several partitions.
 *
 * One row of commit_changes holds a commit's places in all partitions of a table: for each, its OID, the number of its
 * file, the length of what follows, and its places as places.c writes them.  OID and file are hints, as places are: a
 * partition of another file by now was rewritten, and only a scan of it finds its rows; one that is no member of the table
 * any more has no current rows in it, since all of them went to history when it left (or when a dump was adopted, where
 * these numbers mean nothing).
 */
#include "versioning/partition_int.h"
#include "versioning/rows_int.h"
#include "versioning/tables_int.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

/* What stands before the places of each partition. */
typedef struct PartHeader
{
	uint32		relid;
	uint32		filenode;
	uint32		length;			/* UNKNOWN_PLACES: none follow, the rows may be anywhere in it */
} PartHeader;

#define UNKNOWN_PLACES PG_UINT32_MAX

void
mdl_part_places_add(StringInfo parts, Oid relid, Oid filenode, const MdlPlaces *places, bool unknown)
{
	bool		is_null;
	Datum		datum = mdl_places_datum(places, &is_null);
	PartHeader	header = {.relid = relid, .filenode = filenode, .length = UNKNOWN_PLACES};

	unknown |= is_null;
	if (!unknown)
		header.length = VARSIZE(DatumGetPointer(datum)) - VARHDRSZ;
	if (header.length == 0)
		return;
	appendBinaryStringInfo(parts, (char *) &header, sizeof(header));
	if (!unknown)
		appendBinaryStringInfo(parts, VARDATA(DatumGetPointer(datum)), header.length);
}

Datum
mdl_part_places_datum(StringInfo parts)
{
	bytea	   *result = palloc(VARHDRSZ + parts->len);

	SET_VARSIZE(result, VARHDRSZ + parts->len);
	memcpy(VARDATA(result), parts->data, parts->len);
	return PointerGetDatum(result);
}

/* Goes through the partitions of a commit; false at the end.  *data moves on. */
static bool
next_part(const char **data, const char *end, PartHeader *header, const char **places)
{
	if (*data >= end)
		return false;
	memcpy(header, *data, sizeof(*header));
	*places = *data + sizeof(*header);
	*data = *places + (header->length == UNKNOWN_PLACES ? 0 : header->length);
	return true;
}

static int
compare_parts(const void *a, const void *b)
{
	Oid			left = ((const MdlPart *) a)->relid;
	Oid			right = ((const MdlPart *) b)->relid;

	return (left > right) - (left < right);
}

MdlPart *
mdl_parts(Oid relid, int *count)
{
	List	   *members = mdl_partition_members(relid, AccessShareLock);
	MdlPart    *parts = palloc0(list_length(members) * sizeof(MdlPart));
	ListCell   *cell;

	*count = 0;
	foreach(cell, members)
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)));

		if (!HeapTupleIsValid(tuple))
			continue;
		parts[*count].relid = lfirst_oid(cell);
		parts[(*count)++].filenode = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
		ReleaseSysCache(tuple);
	}
	qsort(parts, *count, sizeof(MdlPart), compare_parts);
	return parts;
}

void
mdl_part_places_take(MdlPart *part, Datum places)
{
	ItemPointerData *tids;
	int			count = mdl_places_expand(places, &tids);
	Size		size = Max(part->nplaces + count, 1) * sizeof(ItemPointerData);

	part->places = part->places ? repalloc_huge(part->places, size) : MemoryContextAllocHuge(CurrentMemoryContext, size);
	memcpy(part->places + part->nplaces, tids, count * sizeof(ItemPointerData));
	part->nplaces += count;
	pfree(tids);
}

MdlPart *
mdl_part_find(Oid relid, MdlPart *parts, int count)
{
	MdlPart		key = {.relid = relid};

	return bsearch(&key, parts, count, sizeof(MdlPart), compare_parts);
}

void
mdl_part_places_expand(Datum places, MdlPart *parts, int count)
{
	bytea	   *bytes = DatumGetByteaPP(places);
	const char *data = VARDATA_ANY(bytes);
	const char *end = data + VARSIZE_ANY_EXHDR(bytes);
	PartHeader	header;
	const char *found;

	while (next_part(&data, end, &header, &found))
	{
		MdlPart    *part = mdl_part_find(header.relid, parts, count);
		bytea	   *copy;

		if (part == NULL || part->scan)
			continue;
		part->scan = header.filenode != part->filenode || header.length == UNKNOWN_PLACES;
		if (part->scan)
			continue;
		copy = palloc(VARHDRSZ + header.length);
		SET_VARSIZE(copy, VARHDRSZ + header.length);
		memcpy(VARDATA(copy), found, header.length);
		mdl_part_places_take(part, PointerGetDatum(copy));
		pfree(copy);
	}
}

bool
mdl_part_places_find(Datum places, const MdlTable *table, uint64 **runs, int *count)
{
	bytea	   *bytes = DatumGetByteaPP(places);
	const char *data = VARDATA_ANY(bytes);
	const char *end = data + VARSIZE_ANY_EXHDR(bytes);
	PartHeader	header;
	const char *found;

	while (next_part(&data, end, &header, &found))
	{
		if (header.relid != table->relid)
			continue;
		if (header.filenode != table->filenode || header.length == UNKNOWN_PLACES)
			return false;
		*count = mdl_places_runs(found, header.length, runs);
	}
	return true;
}

char *
mdl_part_bounds(Oid relid, const char *alias)
{
	char	   *bounds;

	if (get_partition_qual_relid(relid) == NULL)
		return NULL;
	bounds = pg_get_partconstrdef_string(relid, pstrdup(alias));
	return strstr(bounds, "satisfies_hash_partition") == NULL ? bounds : NULL;
}
