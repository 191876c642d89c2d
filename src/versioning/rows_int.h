/*
 * rows_int.h: where the rows of a commit went, and which commit a current row is of.
 */
#ifndef MDL_ROWS_INT_H
#define MDL_ROWS_INT_H

#include "versioning/tables_int.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "fmgr.h"

/* ---- places.c: where the new rows of a commit went, as runs ------------------------------------------------------- */

typedef struct MdlPlaces
{
	MemoryContext context;
	uint64	   *runs;			/* block << 32 | offset << 16 | length */
	int			count;
	int			allocated;
	bool		overflow;		/* too many runs: the feed must scan */
} MdlPlaces;

#define MDL_MAX_RUNS (8 * 1024 * 1024)

#define MDL_RUN(block, offset, length)	(((uint64) (block) << 32) | ((uint64) (offset) << 16) | (length))
#define MDL_RUN_BLOCK(run)				((BlockNumber) ((run) >> 32))
#define MDL_RUN_OFFSET(run)				((OffsetNumber) (((run) >> 16) & 0xFFFF))
#define MDL_RUN_LENGTH(run)				((uint16) ((run) & 0xFFFF))

extern void mdl_places_add(MdlPlaces *places, ItemPointer tid);
extern Datum mdl_places_datum(const MdlPlaces *places, bool *is_null);	/* bytea */
extern int	mdl_places_expand(Datum places, ItemPointerData **tids);	/* palloc'd; returns how many */
extern int	mdl_places_runs(const char *data, Size size, uint64 **runs);
extern bool mdl_commit_places(const MdlTable *table, int64 version, bool *known, uint64 **runs, int *count);

/* ---- births.c: which transaction wrote a current row --------------------------------------------------------------- */

typedef struct MdlBirths MdlBirths;

/* Whether ids have begun to repeat, so that a row's id by age need not be the one that wrote it.  Cheap. */
extern bool mdl_ids_repeat(void);

/* For one table and one statement or transaction; goes with the memory context.  Needed only where ids repeat. */
extern MdlBirths *mdl_births_create(Oid relid, MemoryContext parent);
extern Oid	mdl_births_relation(const MdlBirths *births);

/* The stamp of the transaction that wrote the row at a place, which is not the current one. */
extern int64 mdl_births_stamp(MdlBirths *births, ItemPointer tid, TransactionId xmin);

/* Whether a commit that did not write the row claims its id. */
extern bool mdl_births_collide(MdlBirths *births, ItemPointer tid, TransactionId xmin);

/* The same, whether ids repeat or not, with what is known kept in the function's memory. */
extern int64 mdl_births_current(FmgrInfo *function, Oid relid, ItemPointer tid, TransactionId xmin, int64 stamp_offset);

/* Whether the births were made for this file of the table. */
extern bool mdl_births_of_file(const MdlBirths *births, Oid filenode);

/* Whether the current transaction wrote the row; the second form for a row whose header says it is frozen. */
extern bool mdl_row_is_own(Oid relid, ItemPointer tid, TransactionId xmin);
extern bool mdl_frozen_row_is_own(Oid relid);

#endif							/* MDL_ROWS_INT_H */
