/*
 * capture_int.h: what the current transaction did to versioned tables so far, shared by the files that note it
 * (capture.c), keep it (table_work.c) and write the record of the commit (commit_record.c).
 */
#ifndef MDL_CAPTURE_INT_H
#define MDL_CAPTURE_INT_H

#include "versioning/rows_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

/* What one subtransaction did to one table. */
typedef struct MdlLevel
{
	SubTransactionId subid;
	int64		inserted;
	int64		updated;
	int64		deleted;
	int64		unchanged;		/* updates that left the row as it was */
	int64		born;			/* row versions written that are there at the end, and */
	int64		died;			/* those of others that were kept for the history: what reconcile() counts */
	bool		uncounted;		/* rows came or went that no trigger saw */
	bool		tangled;		/* rows changed twice: net counts need the change feed */
	const char *operation;		/* set when the commit is more than row changes */
	int			operations;		/* how often it was */
} MdlLevel;

typedef struct MdlOldRow
{
	SubTransactionId subid;
	SubTransactionId shown;		/* the subtransaction below it that has written the row for a question; else Invalid */
	HeapTuple	tuple;			/* of the history table */
} MdlOldRow;

typedef struct MdlTableWork
{
	Oid			relid;
	int32		table_id;
	Oid			history;
	bool		partitioned;	/* a partition, or a table that has them: one record for all of these */
	bool		recorded;
	MdlTable   *table;			/* good while the generation is this one, or if pinned */
	bool		pinned;			/* the table is being dropped: its definition cannot be read any more */
	bool		dropped;		/* its rows are in history */
	uint64		generation;
	MdlTable   *shape;			/* used instead while rows are moved out of a shape that the catalogs do not show any more */
	MemoryContext rows_context; /* of the buffered tuples */
	MdlOldRow  *rows;			/* ascending by subid */
	int			nrows;
	int			rows_allocated;
	Size		bytes;
	MdlLevel   *levels;			/* ascending by subid */
	int			nlevels;
	int			levels_allocated;
	MdlPlaces	places;
	Oid			filenode;		/* that the places are in */
	MdlBirths  *births;			/* made when ids repeat */
	bool		sound;			/* when the transaction first changed it */
	bool		foreign;		/* it was not, and a row of unknown birth was kept */
	MdlBirthplace *birthplace;	/* made when it was not */
	struct MdlTableWork *next;
	struct MdlTableWork *next_in_bucket;
} MdlTableWork;

/* Of the current transaction; in TopTransactionContext, so it goes with it. */
typedef struct MdlTransactionWork
{
	MdlTableWork *tables;		/* newest first; NULL: nothing done to a versioned table */
	int64		stamp_offset;	/* of the era, read when the first work is made */
	FullTransactionId near_id;	/* of the current transaction */
	int64		own_stamp;
	List	   *claimed;		/* int64 *, stamps of rows that this commit takes over */
	Size		bytes;			/* of old rows kept since all were written */
	bool		claimed_anywhere;	/* rows of which the places are not known */
	bool		recorded;		/* the record is written: nothing may be done any more */
} MdlTransactionWork;

extern MdlTransactionWork mdl_work;

/* ---- table_work.c ------------------------------------------------------------------------------------------------- */

/* Returns what the transaction did to a versioned table; makes it at the first change. */
extern MdlTableWork *mdl_work_get(Oid relid);
extern MdlTableWork *mdl_work_of(const MdlTable *table);

/* The same, NULL if the transaction has not changed the table. */
extern MdlTableWork *mdl_work_find(Oid relid);

/* Returns what is known of the table now: it may have been altered since the first change. */
extern MdlTable *mdl_work_table(MdlTableWork *work);

/* Returns the counts of the current subtransaction. */
extern MdlLevel *mdl_work_level(MdlTableWork *work);

/*
 * One commit has one operation.  One that takes all rows of a table or a partition away is told before others, because
 * older snapshots must not ask for the past after it.
 */
extern void mdl_level_operation(MdlLevel *level, const char *operation);

/* Notes where a new row went. */
extern void mdl_work_place(MdlTableWork *work, MdlLevel *level, ItemPointer tid);

/* Keeps an old row for the history.  A row that the same transaction wrote was never part of a version. */
extern void mdl_work_keep(MdlTableWork *work, MdlLevel *level, TupleDesc desc, HeapTuple tuple);

/* Writes the kept rows of the current subtransaction to the history table. */
extern void mdl_work_flush(MdlTableWork *work);

/* ---- commit_record.c ---------------------------------------------------------------------------------------------- */

/* Whether anything is left to record that was not rolled back. */
extern bool mdl_record_needed(void);

/* Takes the commit lock, the number and the time, and writes the record of the commit. */
extern void mdl_record_write(void);

/* Notes what the transaction found and did to the file of a table. */
extern void mdl_state_follow(MdlTableWork *work);

#endif							/* MDL_CAPTURE_INT_H */
