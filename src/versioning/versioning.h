/*
 * versioning.h: versioned tables, for the other folders.
 *
 * A *commit* is a transaction that changed a versioned table; its *version* is one number across all tables.  A version
 * is *settled* when every commit numbered up to it has ended.
 */
#ifndef MDL_VERSIONING_H
#define MDL_VERSIONING_H

#include "base/base.h"
#include "utils/snapshot.h"

/* Defines the setting medallion.as_of; called from _PG_init before mdl_guc_init, which closes the list of settings. */
extern void mdl_travel_setting_init(void);

/* Registers hooks and callbacks; called once from _PG_init. */
extern void mdl_versioning_init(void);

/* Whether every past state of the relation is kept.  Cheap: cached per backend. */
extern MDL_EXPORT bool mdl_is_versioned(Oid relid);

/*
 * Starts keeping the past states of a table (what medallion.enable_versioning does).  Needs a primary key; the current
 * user must own the table.  Nothing happens if it is versioned already.
 */
extern MDL_EXPORT void mdl_enable_versioning(Oid relid);

/*
 * Returns the newest settled version after waiting for the commits in flight; 0 if there never was a commit.  A
 * snapshot taken after this call sees all of it (and perhaps more).
 */
extern MDL_EXPORT int64 mdl_settled_version(void);

/*
 * Returns the newest version all of whose predecessors, itself included, the snapshot sees.  *exact is false when the
 * snapshot also sees a part of what is newer, so that as_of(version) is not quite what the snapshot reads.
 */
extern MDL_EXPORT int64 mdl_snapshot_version(Snapshot snapshot, bool *exact);

/*
 * Keeps a version of a versioned table readable on behalf of a holder: a kind ('model') and a name within it ('delay/3').
 * Rights are the caller's to check.
 */
extern MDL_EXPORT void mdl_pin_add(const char *holder_kind, const char *holder, Oid relid, int64 version);

/*
 * Lets go what a holder, or one whose name goes on with '/', has pinned: of one table, or of all (InvalidOid).  Returns
 * how many pins there were.
 */
extern MDL_EXPORT int64 mdl_pin_remove(const char *holder_kind, const char *holder, Oid relid);

/*
 * Raises an error if the session reads the past (medallion.as_of); `what` is what the user asked for.  For functions that
 * write below SQL: statements are refused by themselves.
 */
extern MDL_EXPORT void mdl_refuse_while_travelling(const char *what);

/* ---- for writes below SQL ----------------------------------------------------------------------------------------------- */

/* Whether a trigger function is that of the triggers that keep the past of a table. */
extern bool mdl_is_capture_function(Oid function);

/* Writes buffered old rows of the current subtransaction to the history tables, as the end of a statement does. */
extern void mdl_capture_flush(void);

/* ---- net_changes.c: what is not as a former reader saw it ----------------------------------------------------------- */

/* What a snapshot saw of the transactions, as stamps: those below low, and those below high that were not running; and own. */
typedef struct MdlSeen
{
	int64		era;
	int64		version;		/* every commit numbered up to this was seen */
	int64		low;
	int64		high;
	int			nrunning;
	int64	   *running;		/* (nrunning) ascending */
	int64		own;			/* the reader's transaction: all it did to the tables it read was seen */
	bool		exact;			/* what is not told to be seen was not seen */
} MdlSeen;

/* Fills in what a snapshot of the current transaction sees; false if nothing was ever versioned in this database. */
extern MDL_EXPORT bool mdl_seen_by(Snapshot snapshot, MdlSeen *seen);

/*
 * Takes one row image: values in the order of the table's columns, dropped ones NULL.  `sign` is 1 for a row that is there
 * now, -1 for one that was, 0 for one that was not told to be seen and is gone.
 */
typedef void (*MdlRowReceiver) (void *state, Datum *values, bool *nulls, int sign);

/*
 * Hands on the rows of a table that a reader saw and that the snapshot does not, and those that it sees and the reader did
 * not, what the current transaction did included; rows may come that did not change.  If *exact on return, what the reader
 * saw plus the images by their signs is what the snapshot sees.  Stops soon after `limit`.  Returns how many there are (more than limit: at least), or -1 with *why in words when that cannot
 * be told.  Needs an open SPI connection; checks no rights.
 */
extern MDL_EXPORT int64 mdl_rows_changed_since(Oid relid, const MdlSeen *seen, Snapshot snapshot, int64 limit,
											   MdlRowReceiver receive, void *state, bool *exact, const char **why);

/* The version that the transaction of a stamp (MdlSeen.own) became; 0 if it changed no versioned table, or has not ended. */
extern MDL_EXPORT int64 mdl_version_of_stamp(int64 stamp);

/* Grows with each change of the current transaction to a versioned table; 0 if it has made none. */
extern MDL_EXPORT int64 mdl_changes_so_far(Oid relid);

#endif							/* MDL_VERSIONING_H */
