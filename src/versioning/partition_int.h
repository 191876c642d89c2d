/*
 * partition_int.h: partitioned versioned tables: their relations, their past, and places in several of them.
 */
#ifndef MDL_PARTITION_INT_H
#define MDL_PARTITION_INT_H

#include "versioning/rows_int.h"
#include "versioning/tables_int.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

/* ---- partition.c: the relations of a partitioned table, their triggers, since when they belong to it ---------------- */

extern Oid	mdl_partition_root(Oid relid);	/* the topmost table of a partition; any other relation itself */
extern List *mdl_partition_members(Oid relid, LOCKMODE lock);	/* OIDs: itself, then all partitions below, locked */

/*
 * A partition came or went, and so the bounds of the default partition beside it changed.  The server invalidates what is
 * known of that, but not of the partitions below it, whose bounds follow from it.
 */
extern void mdl_partition_bounds_changed(Oid parent);

/* Raises an error naming the member of a partition tree that cannot be versioned; it is locked. */
extern void mdl_partition_check(Oid root, Oid member);

/* The stamp of the transaction that attached the partition with rows in it; 0 for all others. */
extern int64 mdl_partition_attached(Relation relation);
extern int64 mdl_partition_newest_attached(int32 table_id);

/* The birth of a row as part of the versioned table: rows that were in a partition when it was attached were born then. */
extern bool mdl_partition_came_with(const MdlTable *table, int64 stamp);
extern int64 mdl_partition_birth(const MdlTable *table, int64 stamp);

/* ---- partition_past.c: questions about the past of partitions ------------------------------------------------------ */

/* Whether the births of the table's rows depend on when their partitions were attached. */
extern bool mdl_partition_births_differ(const MdlTable *table);

struct Query;

/* Restricts the history side of a question about a partition to the rows that belong there now. */
extern void mdl_partition_restrict(struct Query *history_query, const MdlTable *table);

/* ---- partition_places.c: places of a commit in several partitions --------------------------------------------------- */

/* Adds the places in one partition; nothing if there are none. */
extern void mdl_part_places_add(StringInfo parts, Oid relid, Oid filenode, const MdlPlaces *places, bool unknown);
extern Datum mdl_part_places_datum(StringInfo parts);	/* bytea */

/* A relation of a partition tree, and where rows of interest are in it. */
typedef struct MdlPart
{
	Oid			relid;
	Oid			filenode;
	bool		scan;			/* anywhere */
	ItemPointerData *places;	/* (nplaces) */
	int			nplaces;
} MdlPart;

/* A relation and all partitions below, by OID; palloc'd. */
extern MdlPart *mdl_parts(Oid relid, int *count);

/* The one of an OID; NULL if it is none of them. */
extern MdlPart *mdl_part_find(Oid relid, MdlPart *parts, int count);

/* Adds places (as places.c writes them) to those of a relation. */
extern void mdl_part_places_take(MdlPart *part, Datum places);

/* Adds the places of a commit to the partitions they are in. */
extern void mdl_part_places_expand(Datum places, MdlPart *parts, int count);

/*
 * The bounds of a partition as a condition over its root, under an alias, by which the planner leaves out the others;
 * NULL if it could not.
 */
extern char *mdl_part_bounds(Oid relid, const char *alias);

/* The runs in one partition; false if they are not known. */
extern bool mdl_part_places_find(Datum places, const MdlTable *table, uint64 **runs, int *count);

#endif							/* MDL_PARTITION_INT_H */
