/*
 * table_work_int.h: what the current transaction did to versioned tables, and the rows of history that it writes.
 * The bookkeeping itself is in capture_int.h.
 */
#ifndef MDL_TABLE_WORK_INT_H
#define MDL_TABLE_WORK_INT_H

#include "versioning/tables_int.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

/* ---- table_work.c: what the current transaction did to versioned tables ---------------------------------------------- */

extern void mdl_capture_init(void);

/* What mdl_capture_flush() does, and makes what is written visible to the snapshots taken from now on. */
extern void mdl_capture_show(void);
extern bool mdl_capture_pending(void);	/* whether there are any */

/* Moves all current rows to history, those included that a snapshot may not see: the operation takes them all. */
extern void mdl_capture_all_rows(Relation relation, const char *operation);

/* The table got rows that no trigger saw: counts and places of the commit are found by the feed. */
extern void mdl_capture_unseen_rows(Oid relid);

/* The same where their number is known, and nothing else happened to them. */
extern void mdl_capture_brought_rows(Oid relid, int64 count);

/*
 * A table that is being dropped loses its triggers first: pinned, what is known of it stays as it is for the rest of the
 * transaction.  Dropped says that its rows are in history.
 */
extern void mdl_capture_pin(Oid relid);
extern bool mdl_capture_is_pinned(Oid relid);
extern void mdl_capture_drop(Oid relid);
extern int32 mdl_capture_table_id(Oid relid);	/* of a table that this transaction changed or pinned */
extern bool mdl_capture_is_dropped(Oid relid);

/* What was done to the relation so far belongs to a history that it has no more: it gets another one. */
extern void mdl_capture_retire(Oid relid);

/* The stamp of the current transaction, which gets an id by this; whether a stamp is its own. */
extern int64 mdl_capture_own_stamp(Oid relid);
extern int64 mdl_capture_stamp(void);
extern bool mdl_capture_is_own(int64 stamp);

/* Records that the current transaction commits something about a table even if it changes no row. */
extern void mdl_capture_operation(Oid relid, const char *operation);

/* Lets the commit of the current transaction claim rows that others wrote, by their stamps: see restore.c. */
extern void mdl_capture_claim(int64 stamp);

/* The same for rows that are all at places given by the second call. */
extern void mdl_capture_claim_placed(int64 stamp);
extern void mdl_capture_claim_place(Oid relid, ItemPointer tid);

/* The current transaction brings and ends so many more row versions than it was seen to; its net changes are these. */
extern void mdl_capture_count(Oid relid, int64 born, int64 died);
extern void mdl_capture_net(Oid relid, int64 inserted, int64 updated, int64 deleted);

/* Whether the current transaction did anything to a table yet. */
extern bool mdl_capture_any(int32 table_id);

/* ---- history_write.c ---------------------------------------------------------------------------------------------- */

/* Forms a row of the history table from a row of the base table. */
extern HeapTuple mdl_history_form(const MdlTable *table, TupleDesc base, HeapTuple tuple, int64 born, int64 died);

/* Appends rows to a history table, indexes included. */
extern void mdl_history_insert(Relation history, HeapTuple *tuples, int count);

/* ---- enable.c ----------------------------------------------------------------------------------------------------- */

/* "<schema>.<table>", cut with a hash when it does not fit an identifier, and made unique with the number. */
extern char *mdl_history_name(const char *schema, const char *table, int32 table_id);

#endif							/* MDL_TABLE_WORK_INT_H */
