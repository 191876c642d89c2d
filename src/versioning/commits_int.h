/*
 * commits_int.h: the commits of versioned tables: their numbers and times, the log of them, and the stamps of ids.
 *
 * Words: a *stamp* is a transaction id widened to 64 bits plus the offset of the era, so that stamps only grow, also
 * through a restore into a younger cluster.
 *
 * Who owns what: everything in schema medallion_history belongs to the extension's owner; this folder reads and writes it
 * below SQL, so the rights of the current user do not matter there.  Whoever hands past rows to a user has checked the
 * rights on the base table first.
 */
#ifndef MDL_COMMITS_INT_H
#define MDL_COMMITS_INT_H

#include "versioning/versioning.h"

#include "access/transam.h"
#include "datatype/timestamp.h"

/* ---- version_catalog.c: relations of medallion_history --------------------------------------------------------------- */

#define MDL_CLOCK_TABLE		"commit_clock"
#define MDL_LOG_TABLE		"commit_log"
#define MDL_LOG_BY_VERSION	"commit_log_pkey"
#define MDL_LOG_BY_STAMP	"commit_log_stamp_key"
#define MDL_CHANGES_TABLE	"commit_changes"
#define MDL_CHANGES_INDEX	"commit_changes_pkey"
#define MDL_CHANGES_SPECIAL	"commit_changes_special_idx"	/* of operations that are more than row changes */

#define Natts_commit_log				11
#define Anum_commit_log_version			1
#define Anum_commit_log_committed_at	2
#define Anum_commit_log_stamp			3
#define Anum_commit_log_substamps		4
#define Anum_commit_log_low				5
#define Anum_commit_log_high			6
#define Anum_commit_log_in_flight		7
#define Anum_commit_log_settled			8
#define Anum_commit_log_role_name		9
#define Anum_commit_log_application		10
#define Anum_commit_log_era				11

#define Natts_commit_changes			10
#define Anum_commit_changes_table_id	1
#define Anum_commit_changes_version		2
#define Anum_commit_changes_operation	3
#define Anum_commit_changes_inserted	4
#define Anum_commit_changes_updated		5
#define Anum_commit_changes_deleted		6
#define Anum_commit_changes_filenode	7
#define Anum_commit_changes_places		8
#define Anum_commit_changes_born		9
#define Anum_commit_changes_died		10

/* OID of a relation of medallion_history; InvalidOid if it does not exist and missing_ok. */
extern Oid	mdl_history_relation(const char *name, bool missing_ok);

/* Creates the clock, the log and their companions if this database has none. */
extern void mdl_history_create(void);

/* ---- commit_clock.c: number and time of commits ------------------------------------------------------------------ */

typedef struct MdlClock
{
	int64		version;		/* the last number given */
	TimestampTz last_time;		/* no later commit has a time up to this */
	int64		settled;		/* every commit numbered up to this has ended */
	TimestampTz settled_time;	/* every commit with a time up to this has ended */
	int64		era;			/* counts restores; stamps of an era are its ids + stamp_offset */
	int64		stamp_offset;
	int64		origin;			/* id of the transaction that wrote this row: differs from xmin after a restore */
} MdlClock;

/* False if nothing was ever versioned in this database; an error if the history was restored and not adopted. */
extern bool mdl_clock_read(MdlClock *clock);

/* The same, but also what a restored history says. */
extern bool mdl_clock_peek(MdlClock *clock);

/* Whether the history came through a dump and has not been adopted. */
extern bool mdl_clock_restored(void);

/*
 * Gives the next number and a time later than every earlier one.  The caller holds the commit lock.  On return *clock
 * is the state just written.  `settled` (0: not known) is published if it is news.
 */
extern void mdl_clock_next(int64 settled, TimestampTz settled_time, MdlClock *clock);

/* Makes sure that no later commit gets a time up to `time`, and publishes what is settled; returns the state. */
extern void mdl_clock_push(TimestampTz time, int64 settled, TimestampTz settled_time, MdlClock *clock);

/* Taken by every committer before its number and held until its end: waiting for its holders settles a version. */
extern void mdl_commit_lock(void);

/* Waits until every commit numbered so far has ended; returns the number up to which that holds. */
extern int64 mdl_commit_wait(void);

/* The number up to which every commit has ended, as far as that can be said without waiting; the clock was read before. */
extern int64 mdl_commit_settled_at(const MdlClock *clock);

/* What can be said to be settled without waiting, for publication; 0 if nothing new. */
extern int64 mdl_commit_settled_hint(TimestampTz *settled_time);

/* ---- stamp.c ----------------------------------------------------------------------------------------------------- */

extern int64 mdl_stamp_of_xid(TransactionId xid, int64 stamp_offset);	/* of an id at most 2^31 old */

/* The same for an id at most 2^31 from `near`, without reading the next id, which takes a lock. */
extern int64 mdl_stamp_near(TransactionId xid, FullTransactionId near, int64 stamp_offset);

/* The stamp of an id that was given up to 2^32 ids ago: that of a frozen row while ids do not repeat. */
extern int64 mdl_stamp_by_age(TransactionId xid, int64 stamp_offset);

/* ---- commit_log.c ------------------------------------------------------------------------------------------------ */

/* What commit_log.c reads of a commit. */
typedef struct MdlCommit
{
	int64		version;
	TimestampTz committed_at;
	int64		stamp;
	int			nsubstamps;
	int64	   *substamps;		/* (nsubstamps) ascending */
	int64		low;
	int64		high;
	int			nin_flight;
	int64	   *in_flight;		/* (nin_flight) */
} MdlCommit;

/*
 * Lookups see every commit that has ended, whatever the snapshot of the transaction, and take no predicate locks.
 * Arrays are palloc'd in the current context.  False if there is none.
 */
extern bool mdl_commit_at_version(int64 version, MdlCommit *commit);	/* the newest with a number up to it */
extern bool mdl_commit_at_time(TimestampTz time, MdlCommit *commit);	/* the newest with a time up to it */
extern bool mdl_commit_of_stamp(int64 stamp, MdlCommit *commit);	/* by the id of the top-level transaction */
extern int64 mdl_version_claiming(int64 stamp);	/* by any other id that a commit claims; 0 if none */

/* Calls `look` for the commits from `first` on, ascending, until it returns false. */
typedef bool (*MdlCommitLook) (const MdlCommit *commit, void *argument);
extern void mdl_commits_from(int64 first, MdlCommitLook look, void *argument);

/* The smallest version among the commits with the id `stamp` or a greater one (top-level ids); PG_INT64_MAX if none. */
extern int64 mdl_version_from_stamp(int64 stamp);

#endif							/* MDL_COMMITS_INT_H */
