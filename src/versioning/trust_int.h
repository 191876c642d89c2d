/*
 * trust_int.h: whether a versioned table is as versioning left it, its triggers among it, and what puts it right.
 */
#ifndef MDL_TRUST_INT_H
#define MDL_TRUST_INT_H

#include "versioning/tables_int.h"

#include "access/htup.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"

/* ---- capture_triggers.c: the triggers of versioned tables ---------------------------------------------------------- */

#define MDL_ROW_TRIGGER			"medallion_capture_"	/* insert, update, delete */
#define MDL_TRUNCATE_TRIGGER	"medallion_capture_truncate"

/* They fire ALWAYS.  The row triggers of a partitioned table are cloned to its partitions by the server. */
extern void mdl_capture_row_triggers(Oid relid, int32 table_id);
extern void mdl_capture_truncate_trigger(Oid relid, int32 table_id, int64 attached);

/* Drops them from relations of one tree, locked exclusively. */
extern void mdl_capture_drop_triggers(List *relids);

extern bool mdl_has_truncate_trigger(Oid relid);

#define MDL_CAPTURE_TRIGGERS	4	/* each relation of a versioned table has so many */

/* Puts them in force again: drops what is there, by function and not by name, and makes all. */
extern void mdl_capture_mend_triggers(Oid root, int32 table_id, List *members);

/* ---- table_state.c: whether a table is as versioning left it -------------------------------------------------------- */

/* Identity and state of the capture triggers of a relation; whether all are there and fire always. */
extern char *mdl_state_triggers(Oid relid, bool *in_force);

/* Notes a relation whose triggers have just been made; a relation as it is found; takes the notes of one away. */
extern void mdl_state_note_new(Oid relid, int32 table_id);
extern void mdl_state_note(const MdlTable *table, bool damaged, int64 old_rows, int64 old_until);
extern void mdl_state_forget(Oid relid);

/*
 * For a statement that changes the triggers: whether they are those that are noted, but for what the current transaction
 * did to them.  If so the relation is noted again after they were put right.
 */
extern bool mdl_state_followed(Oid relid, int32 table_id);
extern void mdl_state_note_again(Oid relid);

/* The number of a table that has notes and is enabled, whether its triggers are there or not; -1 if it is none. */
extern int32 mdl_state_enabled_table(Oid relid);

/* How many rows are older than versioning, in table and history; -1 if they were not counted. */
extern int64 mdl_state_old_rows(const MdlTable *table);

/* What the notes say; does not read the table. */
extern MdlDoubt mdl_state_doubt(const MdlTable *table);

/* Raises an error unless the table, its partitions included, is as versioning left it; may read the table for that. */
extern void mdl_state_trust(Oid relid);
extern const char *mdl_state_reason(Oid relid);	/* NULL: sound */

/* Reads the rows of one relation if its file is another one, and notes the file, or that rows of unknown birth are there. */
extern void mdl_state_verify(Oid relid);

/* Which commit of the table brought rows. */
typedef struct MdlBirthplace MdlBirthplace;

#define MDL_BIRTH_OLD		0	/* older than every readable point */
#define MDL_BIRTH_UNKNOWN	(-1)	/* none: the row came behind our back */

extern MdlBirthplace *mdl_birthplace_create(const MdlTable *table);
extern const MdlTable *mdl_birthplace_table(const MdlBirthplace *place);
extern int64 mdl_birthplace_stamp(MdlBirthplace *place, HeapTuple tuple);	/* of the row */
extern int64 mdl_birthplace_at(MdlBirthplace *place, ItemPointer tid, TransactionId xmin);	/* whose header is not at hand */
extern int64 mdl_birthplace_near(MdlBirthplace *place, TransactionId xid);	/* of a recent id */
extern int64 mdl_birthplace_version(MdlBirthplace *place, int64 stamp);

/* Notes that versions from `first` up to the commit of `until_stamp` cannot be read; raises an error for those. */
extern void mdl_lost_note(int32 table_id, int64 first, int64 until_stamp, const char *reason);
extern bool mdl_lost(int32 table_id, int64 first, int64 last, bool feed, int64 *lost_first, int64 *lost_until);
extern void mdl_lost_refuse(const MdlTable *table, int64 first, int64 last, bool feed);

/* Whether more rows have the birth of some commit than it brought: only where ids repeat. */
extern bool mdl_births_in_excess(Oid relid);

/* A row of history was erased on purpose: reconcile() must not miss it. */
extern void mdl_counts_forget(const MdlTable *table, int64 born, int64 died);

/* ---- verify_task.c -------------------------------------------------------------------------------------------------- */

extern void mdl_verify_init(void);

/* ---- rebirth.c ------------------------------------------------------------------------------------------------------ */

extern void mdl_rebirth_init(void);

/* ---- doubts.c ------------------------------------------------------------------------------------------------------- */

extern void mdl_warn_of_event_triggers(void);	/* that are not in force */

/* ---- reconcile.c ---------------------------------------------------------------------------------------------------- */

/* Counts the history of a table that was just adopted; versions whose rows are not all there are noted as lost. */
extern void mdl_reconcile_adopted(Oid relid, int64 own_stamp);

#endif							/* MDL_TRUST_INT_H */
