/*
 * versioning_int.h: what the files of src/versioning share.
 *
 * Words: a *stamp* is a transaction id widened to 64 bits plus the offset of the era, so that stamps only grow, also
 * through a restore into a younger cluster.  A row version is *born* when a transaction writes it (xmin) and *dies* when
 * one deletes or replaces it.  A *point* is the state after all commits numbered up to a version, in a form that decides
 * for a stamp with two comparisons whether it belongs.
 *
 * Who owns what: everything in schema medallion_history belongs to the extension's owner; this folder reads and writes it
 * below SQL, so the rights of the current user do not matter there.  Whoever hands past rows to a user has checked the
 * rights on the base table first.
 */
#ifndef MDL_VERSIONING_INT_H
#define MDL_VERSIONING_INT_H

#include "versioning/versioning.h"

#include "access/transam.h"
#include "access/tupdesc.h"
#include "access/htup.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "fmgr.h"
#include "utils/rel.h"

/* ---- version_catalog.c: relations of medallion_history and what is known of each versioned table ---------------- */

#define MDL_BORN_COLUMN		"_medallion_born"
#define MDL_DIED_COLUMN		"_medallion_died"
#define MDL_BORN_ATTNO		1
#define MDL_DIED_ATTNO		2

#define MDL_CLOCK_TABLE		"commit_clock"
#define MDL_LOG_TABLE		"commit_log"
#define MDL_LOG_BY_VERSION	"commit_log_pkey"
#define MDL_LOG_BY_STAMP	"commit_log_stamp_key"
#define MDL_CHANGES_TABLE	"commit_changes"
#define MDL_CHANGES_INDEX	"commit_changes_pkey"
#define MDL_CHANGES_SPECIAL	"commit_changes_special_idx"	/* of operations that are more than row changes */
#define MDL_TABLES_TABLE	"versioned_tables"
#define MDL_TABLES_INDEX	"versioned_tables_pkey"
#define MDL_PARTITIONS_TABLE	"partitions"
#define MDL_PARTITIONS_INDEX	"partitions_table_id_idx"
#define MDL_COLUMNS_TABLE	"table_columns"
#define MDL_COLUMNS_INDEX	"table_columns_pkey"

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

#define Anum_versioned_tables_table_id	1
#define Anum_versioned_tables_schema	2
#define Anum_versioned_tables_name		3
#define Anum_versioned_tables_history	4
#define Anum_versioned_tables_enabled	6

#define Anum_versioned_tables_moved		8

#define Anum_table_columns_table_id			1
#define Anum_table_columns_column_id		2
#define Anum_table_columns_phase			3
#define Anum_table_columns_column_name		4
#define Anum_table_columns_data_type		5
#define Anum_table_columns_collation_name	6
#define Anum_table_columns_history_column	7
#define Anum_table_columns_since			8
#define Anum_table_columns_until			9
#define Anum_table_columns_filled			10

#define Anum_partitions_table_id		1
#define Anum_partitions_attached		2

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

/* A column of the history table that keeps values of a column of the table. */
typedef struct MdlStorage
{
	AttrNumber	attno;			/* in the history table */
	int64		since;			/* stamp from which on it does; 0: from the start */
} MdlStorage;

/* Where the values of a column of today are; see columns.c. */
typedef struct MdlColumn
{
	int32		column_id;
	int			nstorages;		/* 0 for a dropped column */
	MdlStorage *storages;		/* (nstorages) newest first, the first of today's type */
	int64		filled;			/* points that do not include this stamp show NULL; 0: no such */
} MdlColumn;

/* Whether a table is as versioning left it: see table_state.c. */
typedef enum MdlDoubt
{
	MDL_SOUND,
	MDL_DOUBT_FILE,				/* its rows are in another file; reading them tells */
	MDL_DOUBT_BIRTHS,			/* and rows that share an id cannot be told apart */
	MDL_DOUBT_TRIGGERS,			/* its triggers are other ones, or not in force */
	MDL_DOUBT_DAMAGED			/* rows of unknown birth are there, or were changed */
} MdlDoubt;

/* What a backend keeps of a versioned table; lives in CacheMemoryContext until the relation or its history changes. */
typedef struct MdlTable
{
	Oid			relid;
	int32		table_id;
	Oid			filenode;		/* the file that its rows are in */
	Oid			history;		/* the history table */
	TupleDesc	history_desc;
	int			natts;			/* of the base table, dropped ones included */
	AttrNumber *history_attno;	/* (natts) base attno - 1 -> history attno; 0 for a dropped column */
	MdlColumn  *columns;		/* (natts) */
	bool		same_columns;	/* the history table has these columns, no others, in this order */
	int			nkeys;
	AttrNumber *keys;			/* (nkeys) primary key, base attnos */
	int64		readable_from;	/* oldest readable version; 0 while the enabling transaction runs */
	int64		pruned_to;		/* readable_from as set by pruning; 0: never pruned */
	Oid			root;			/* of a partition: the table that is versioned; else relid */
	bool		partitioned;	/* the versioned table has partitions, or may get them */
	bool		has_rows;		/* stores rows itself */
	int64		attached;		/* of a partition that came with rows: stamp of the attaching transaction; else 0 */
	int64		moved;			/* rows older than this stamp were moved to history and count as born then; 0: none */
	MdlCommit	moving_commit;	/* of that stamp, once looked up */
	int			nreshapes;
	int64	   *reshapes;		/* (nreshapes) stamps of commits that changed rows without a birth or a death */

	MdlDoubt	doubt;			/* as found when it was asked last */
	int64		newest_attached;	/* the greatest stamp at which any partition came with rows; 0 if none did */
} MdlTable;

/* OID of a relation of medallion_history; InvalidOid if it does not exist and missing_ok. */
extern Oid	mdl_history_relation(const char *name, bool missing_ok);

/* Creates the clock, the log and their companions if this database has none. */
extern void mdl_history_create(void);

/* Whether an operation takes all rows of a table or of a partition away without marking each as dead. */
extern bool mdl_operation_empties(const char *operation);

/* The newest version from `first` on with such an operation on the table; 0 if none did. */
extern int64 mdl_table_truncated(const MdlTable *table, int64 first);

/* The newest version that adopted the table from a dump; 0 if none did. */
extern int64 mdl_table_adopted(const MdlTable *table);

/* The oldest readable version of a history by its number, 0 before it is enabled; *pruned_to: 0 if it was never pruned. */
extern int64 mdl_history_readable_from(int32 table_id, int64 *pruned_to);

/* The newest version from `first` on that changed the table in any way; 0 if none did. */
extern int64 mdl_table_changed(const MdlTable *table, int64 first);

/* Whether a relation is a table of past rows. */
extern bool mdl_is_history_table(Oid relid);

/* Returns the versioned table, or NULL when the relation is not versioned. */
extern MdlTable *mdl_table_find(Oid relid);

/* The same, but an error that tells how to enable versioning. */
extern MdlTable *mdl_table_get(Oid relid);

/* The same, and nobody can change the table's columns until the end of the transaction. */
extern MdlTable *mdl_table_lock(Oid relid);

/* The same, taken out of the cache: it lives as long as `parent`, whatever happens to the table. */
extern MdlTable *mdl_table_take(Oid relid, MemoryContext parent);

/* Whether the relation is versioned and its history table exists, without an error. */
extern bool mdl_table_has_history(Oid relid);

/* What would be kept of a table if its columns were those of `desc`; palloc'd. */
extern MdlTable *mdl_table_shaped(Relation relation, TupleDesc desc);

/* Whether a trigger function is that of the capture triggers. */
extern bool mdl_is_capture_function(Oid function);

/* The stamp since which all rows of a table count as born; 0: none. */
extern int64 mdl_table_moved(int32 table_id);

/* The number that the capture triggers of a table carry; -1 if it has none. */
extern int32 mdl_table_id(Relation relation);

/* Grows whenever what mdl_table_find() returned may be gone. */
extern uint64 mdl_table_generation;

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

/* ---- horizon.c: up to where history was pruned ---------------------------------------------------------------------- */

#define MDL_HORIZONS_TABLE	"horizons"
#define MDL_HORIZONS_INDEX	"horizons_pkey"
#define MDL_LOG_HORIZON		0	/* in place of the number of a table: versions from here on can be resolved */

/* The oldest version that pruning left of a table, or of the log, as the snapshot sees it; 0 if it never was pruned. */
extern int64 mdl_horizon(int32 table_id, Snapshot snapshot);

/* Makes it so from the commit of this transaction on.  `history` may be InvalidOid. */
extern void mdl_horizon_publish(int32 table_id, Oid history, int64 readable_from);

extern void mdl_refuse_pruned(int32 table_id, int64 version, int64 readable_from) pg_attribute_noreturn();

/* ---- tag.c, pin.c --------------------------------------------------------------------------------------------------- */

/* Whoever adds a row takes RowExclusiveLock before looking at horizons; pruning takes ShareRowExclusiveLock on both. */
#define MDL_TAGS_TABLE		"tags"
#define MDL_PINS_TABLE		"pins"

/* ---- kept.c: all histories, how long each is kept, and what holds them --------------------------------------------------- */

typedef struct MdlKept
{
	int32		table_id;
	char	   *name;			/* schema.table, for messages */
	Oid			relid;			/* InvalidOid: the table was dropped, or is not versioned any more */
	Oid			history;
	int64		readable_from;	/* 0: not readable yet */
	int64		pruned_to;		/* 0: never pruned */
	Interval   *retain;			/* the table's own; NULL: the setting decides */
} MdlKept;

/* All tables that have a history, by number; palloc'd.  This and mdl_kept_blocker() read with the active snapshot. */
extern List *mdl_kept_histories(void);

/* The time before which the past of a table need not be kept, by its own retention or the setting; false: keep for ever. */
extern bool mdl_kept_cutoff(const MdlKept *kept, TimestampTz *cutoff);

/* Says so where a retention is set and nobody will apply it. */
extern void mdl_kept_notice_scheduler(void);

/* now - older_than; an error if it is negative. */
extern TimestampTz mdl_cutoff_before_now(const Interval *older_than);

/*
 * The oldest tag or pin on a version from `first` to before `end` of a table (number 0: tags, and pins of all tables), as
 * text for messages; NULL if there is none.
 */
extern char *mdl_kept_blocker(int32 table_id, int64 first, int64 end, int64 *version, char **hint);

/* Raises an error if a tag or a pin needs a version of the table. */
extern void mdl_kept_refuse_held(Oid relid);

/* Drops what was kept of a table when its versioning was stopped; false if there is nothing. */
extern bool mdl_kept_drop_disabled(Oid relid);

/* ---- prune.c: removing what is below horizons ------------------------------------------------------------------------ */

/* What is to be deleted of one history; made by mdl_prune_plan in the current context, which must outlive it. */
typedef struct MdlPrunePlan
{
	int32		table_id;
	char	   *name;			/* of the table, for messages */
	Oid			history;
	int64		readable_from;	/* the new horizon */
	char	   *blocked_by;		/* what holds the horizon back; NULL: nothing */
	int64		high;			/* rows that died below and at none of the exceptions go */
	int64	   *exceptions;		/* (nexceptions) ascending */
	int			nexceptions;
	int			nranges;
	BlockNumber (*ranges)[2];	/* (nranges) first and last block that may have such rows */
	Oid			index;			/* on death; InvalidOid: there is none */
	BlockNumber index_range;	/* blocks that an entry of the index is for */
	BlockNumber *stale;			/* (nstale) first blocks of ranges where the index misled: nothing was to be deleted */
	int			nstale;
	int			stale_allocated;
	MemoryContext context;		/* of all this */
	int64		rows;			/* deleted so far */
	int64		bytes;
} MdlPrunePlan;

/*
 * Decides up to where a history can be pruned, given the oldest time to keep.  `insist`: an error if a tag or a pin is in the
 * way.  NULL if nothing is to be done.  Publishes the horizon, unless `dry_run`.
 */
extern MdlPrunePlan *mdl_prune_plan(const MdlKept *kept, TimestampTz cutoff, bool insist, bool dry_run);

/* Deletes (dry_run: counts) the rows in the next `blocks` blocks of the plan (0: all); false when all is done. */
extern bool mdl_prune_some(MdlPrunePlan *plan, BlockNumber blocks, bool dry_run);

/*
 * Lets the index on death forget rows that are gone: it does not by itself, and would lead to their blocks for ever.  Runs as
 * the owner of the extension; does nothing while the history is being vacuumed.
 */
extern void mdl_prune_refresh_index(MdlPrunePlan *plan);

/* The commit before a version, which tells what is older than that; false if none is kept. */
extern bool mdl_prune_commit_before(int64 version, MdlCommit *commit);

/* ---- prune_log.c: removing commits that no history needs --------------------------------------------------------------- */

/* Deletes rows of commit_changes below a table's horizon: at most `most` of them (0: all); returns how many. */
extern int64 mdl_prune_changes(int32 table_id, int64 readable_from, int64 most);

/* Decides up to where the log is needed, and publishes it. */
extern void mdl_prune_log_plan(void);

/* The smallest `low` of the records from the horizon of the log on, those of all commits that have ended; 0: no horizon. */
extern int64 mdl_prune_log_low(void);

/* Deletes rows of the log below its horizon with ids below `low`: at most `most` of them (0: all); returns how many. */
extern int64 mdl_prune_log(int64 low, int64 most);

/* Taken while pruning decides: nobody tags, pins or prunes meanwhile.  Without waiting: false if somebody does. */
extern bool mdl_prune_lock(bool wait);

/* ---- retention.c ---------------------------------------------------------------------------------------------------- */

extern void mdl_retention_init(void);
extern MDL_EXPORT void mdl_retention_job(const char *job);

/* ---- past_columns.c: lists of columns for statements that bring past rows back ---------------------------------------- */

typedef struct MdlPastColumns
{
	int			natts;
	bool	   *written;		/* (natts) to be given a value: not dropped, not generated, there as of the version */
	bool	   *always_identity;	/* (natts) GENERATED ALWAYS AS IDENTITY: INSERT may give it, UPDATE may not */
	char	  **names;			/* (natts) quoted; NULL for a dropped column */
	char	   *absent;			/* names of columns that did not exist then, for a message; NULL if there are none */
} MdlPastColumns;

extern MdlPastColumns *mdl_past_columns(const MdlTable *table, Relation relation, int64 version);

/* "a.x, a.y" of the written columns; alias NULL: "x, y".  NULL if there are none. */
extern char *mdl_past_column_list(const MdlPastColumns *columns, const char *alias);

/* The version that a tag names; false if there is no such tag. */
extern bool mdl_tag_find(const char *tag, int64 *version);

/* ---- enable.c ----------------------------------------------------------------------------------------------------- */

/* "<schema>.<table>", cut with a hash when it does not fit an identifier, and made unique with the number. */
extern char *mdl_history_name(const char *schema, const char *table, int32 table_id);

/* ---- columns.c: the identities of columns, and where their past values are ------------------------------------------ */

/* Name and type of a column for a while; see columns.c. */
typedef struct MdlPhase
{
	int32		column_id;
	int32		phase;			/* counts the phases of an identity */
	char	   *name;
	char	   *type;			/* as SQL text, qualified */
	char	   *collation;		/* as SQL text; NULL for that of the type */
	char	   *history_column;
	int64		since;			/* stamp; 0: there when versioning was enabled */
	int64		until;			/* stamp; 0: goes on */
	bool		filled;			/* rows older than the column show its default */
} MdlPhase;

/* All phases of a table by identity and number, palloc'd. */
extern MdlPhase *mdl_columns_read(int32 table_id, int *count);

/* The phase of today's column of a name; NULL if there is none. */
extern const MdlPhase *mdl_columns_current(const MdlPhase *phases, int count, const char *name);

/* Fills what MdlTable has of columns; an error if the history cannot keep them. */
extern void mdl_columns_map(MdlTable *table, Relation relation, TupleDesc base, Relation history);

/* The birth of a current row that a transaction wrote: later, if rows of its time were moved to history. */
extern int64 mdl_moved_birth(MdlTable *table, int64 stamp);

/* SQL for the value of a column in the history table: at the point $1, and as the row itself had it. */
extern void mdl_column_at_point(StringInfo sql, const MdlTable *table, Form_pg_attribute form);
extern void mdl_column_of_row(StringInfo sql, const MdlTable *table, Form_pg_attribute form);

/* ---- columns_follow.c: identities and phases made and changed ------------------------------------------------------- */

/* These run as the owner of the extension, within SPI. */

/* How many columns a description has that are not dropped. */
extern int	mdl_columns_count(TupleDesc desc);

/* Appends ", name type" for each column that a new history table needs; records the identities of its columns. */
extern void mdl_columns_define(StringInfo sql, Relation relation);
extern void mdl_columns_record(Relation relation, int32 table_id);

/* The primary key's columns in index order under their names in the history, quoted; table NULL: those of a new one. */
extern char *mdl_columns_key(Relation relation, const MdlTable *table);

/*
 * Lets the history of a table follow from an older description to the one of now.  `rewritten`: its rows were written
 * anew, and the old ones are in the history.  False if its columns are what they were.
 */
extern bool mdl_columns_follow(Relation relation, int32 table_id, const char *history_name, TupleDesc before, bool rewritten);

/* A name for one more column of a history table: the one wanted, if it can be. */
extern char *mdl_columns_free_name(Oid history, const char *wanted);

/* Drops a history table, given as SQL text, and what is recorded of its columns. */
extern void mdl_columns_forget(int32 table_id, const char *history);

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

/* ---- reconcile.c ---------------------------------------------------------------------------------------------------- */

/* Counts the history of a table that was just adopted; versions whose rows are not all there are noted as lost. */
extern void mdl_reconcile_adopted(Oid relid, int64 own_stamp);

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

/* ---- table_work.c: what the current transaction did to versioned tables ---------------------------------------------- */

extern void mdl_capture_init(void);

/* Writes buffered old rows of the current subtransaction to the history tables. */
extern void mdl_capture_flush(void);

/* The same, and makes them visible to the snapshots taken from now on. */
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

/* ---- point.c ------------------------------------------------------------------------------------------------------ */

typedef struct MdlPoint
{
	int64		version;		/* of the newest commit that belongs */
	int64		low;			/* stamps below belong */
	int64		high;			/* stamps from here on do not */
	int			nexceptions;
	int64	   *exceptions;		/* (nexceptions) ascending; between low and high, these do not */
	bool		is_final;		/* will be the same at every later look */
	int64		stamp_offset;
} MdlPoint;

/*
 * Resolves a version that is settled; cached per backend.  With a snapshot, raises an error unless the snapshot sees all
 * that belongs.  The result lives until the end of the statement at least.
 */
extern const MdlPoint *mdl_point_resolve(int64 version, Snapshot snapshot);

/* Whether a snapshot sees all that belongs to a version. */
extern bool mdl_point_seen(int64 version, Snapshot snapshot);

extern bool mdl_point_includes(const MdlPoint *point, int64 stamp);

/* Whether the transaction of a stamp may still end. */
extern bool mdl_stamp_runs(int64 stamp, int64 stamp_offset);

/* The smallest version that has ended but that the snapshot does not see; PG_INT64_MAX if there is none. */
extern int64 mdl_first_unseen_version(Snapshot snapshot);

/* Turns a version or a time (exactly one of the two) into a settled version, waiting if need be. */
extern int64 mdl_settled_version_of(const int64 *version, const TimestampTz *at);

/* Makes sure that the version of a time that has passed does not change any more; nothing happens on a standby. */
extern void mdl_settle_time(TimestampTz at);

/* The same for a table, an error if it cannot be read as of then. */
extern int64 mdl_point_version(Oid relid, const int64 *version, const TimestampTz *at);

/* ---- ddl_follow.c, ddl_move.c --------------------------------------------------------------------------------------- */

/* The statement that an event trigger function is called for; an error that names it if it is not called so. */
extern Node *mdl_event_statement(FunctionCallInfo fcinfo, const char *function);

/* Nothing is to be followed: there is no versioned table, or a dump is being restored, which makes tables bit by bit. */
extern bool mdl_nothing_versioned(void);

extern void mdl_ddl_init(void);

/* Whether a command runs that the history of tables will follow. */
extern bool mdl_ddl_followed(void);

/* ddl_drop.c: the hook of columns that go, and a check that ALTER TYPE takes no attribute that past values have. */
extern void mdl_ddl_drop_init(void);
extern void mdl_check_attributes(AlterTableStmt *statement);

/* The columns that a table had before a command of this transaction; NULL if it was not there. */
extern TupleDesc mdl_description_before(Oid relid, CommandId before);

/* Copies the rows of a table, in the shape of before the command, to history: the server is about to rewrite them. */
extern void mdl_rows_before_rewrite(Oid relid, CommandId before);

/* The same for a table, with all its partitions, that is about to lose a column; its rows count as born now. */
extern void mdl_rows_before_drop(Oid relid);

/* ---- table_definition.c: what a table is made of, for undrop ---------------------------------------------------------- */

/* These run as the owner of the extension, within SPI. */
extern void mdl_definition_write(Oid relid, int32 table_id);
extern void mdl_definition_write_grants(Oid relid, int32 table_id);

/* ---- undrop.c -------------------------------------------------------------------------------------------------------- */

/* Notes that a table is being dropped, so that medallion.undrop() can make it again. */
extern void mdl_undrop_note(Oid relid, int32 table_id);

/* ---- drop_follow.c -------------------------------------------------------------------------------------------------- */

extern void mdl_drop_init(void);

/* ---- past_query.c ------------------------------------------------------------------------------------------------- */

struct Query;
struct RangeTblEntry;
struct PlannedStmt;
struct Node;

/*
 * The state of a table as of version $1 (bigint).  The current user needs SELECT on the columns used (as in selectedCols),
 * and gets the rows that the table's policies show.
 */
extern struct Query *mdl_past_query(Oid relid, const Bitmapset *used_columns, bool *has_row_security);

/* The same in place of an entry of a rewritten query, whose rights and policies it takes over; `index` is its place. */
extern struct Query *mdl_past_query_of_entry(const struct RangeTblEntry *entry, int index);

/*
 * The same as rows of jsonb in another shape: given, as lists of SQL, the names of its columns and what each of them is in
 * the table and in its history, and a beginning that none of the names has.  The caller has checked the rights.
 */
extern struct Query *mdl_past_shape_query(Oid relid, const char *own, const char *names, const char *base, const char *history);

/* The history rows of a table that died at stamp $1 or later: (born, died, row), with the same rights. */
extern struct Query *mdl_history_rows_query(Oid relid, const Bitmapset *used_columns, bool *has_row_security);

/* ---- past_use.c --------------------------------------------------------------------------------------------------- */

/* The columns that a query uses of one of its FROM items, as in selectedCols. */
extern Bitmapset *mdl_used_columns(struct Query *query, int index);

/* The same of the fields of one of its columns, which is a row; column 0 among them means the whole row. */
extern Bitmapset *mdl_used_fields(struct Query *query, int index, AttrNumber column);

/* ---- changes.c ---------------------------------------------------------------------------------------------------- */

/*
 * Settings for planning a query of a history by its index of deaths: without statistics of a table that just grew, the
 * planner would rather read all of it.  Returns what AtEOXact_GUC(false, …) takes to end them.
 */
extern int	mdl_prefer_indexes(void);

/* While the query of a feed is planned for a user who may read some columns: its table, whose system columns it may use. */
extern Oid	mdl_feed_relation;

/* ---- past_expand.c ------------------------------------------------------------------------------------------------ */

extern void mdl_past_expand_init(void);

/* What a table was put into a plan for, or left there. */
typedef enum MdlPastMark
{
	MDL_UNMARKED,
	MDL_PAST_OF_CALL,			/* by medallion.as_of */
	MDL_PAST_OF_SESSION,		/* by medallion.as_of as a setting */
	MDL_PRESENT					/* in a policy: on purpose */
} MdlPastMark;

/* *version is 0 if it is known only when the plan runs. */
extern MdlPastMark mdl_past_mark(const struct RangeTblEntry *entry, int64 *version);

/* Marks the tables of both sides of a past, but not those that policies ask. */
extern void mdl_past_mark_sides(struct Query *query, MdlPastMark mark, int64 version);

/* ---- past_run.c --------------------------------------------------------------------------------------------------- */

extern void mdl_past_run_init(void);

/* ---- travel_setting.c: the setting medallion.as_of ----------------------------------------------------------------- */

extern bool mdl_travelling(void);		/* whether the session reads the past */
extern const char *mdl_travel_text(void);	/* the setting, for messages */

/* The settled version that the session reads; found out at its first use. */
extern int64 mdl_travel_version(void);

/* Settles a time before workers start, which may look it up but cannot settle it. */
extern void mdl_travel_prepare_workers(void);

/* What runs between the two reads the present, for work of ours that asks for versions by number; an error ends it too. */
extern int	mdl_travel_suspend(void);
extern void mdl_travel_resume(int level);

/* ---- travel_refuse.c: what cannot be done meanwhile ----------------------------------------------------------------- */

extern void mdl_travel_refuse_init(void);
extern void mdl_refuse_query(struct Query *query);
extern void mdl_refuse_plan(const struct PlannedStmt *plan);
extern void mdl_refuse_expression(const struct Node *node);

/* ---- as_of.c ------------------------------------------------------------------------------------------------------ */

extern PGDLLEXPORT Datum mdl_point(PG_FUNCTION_ARGS);

/* The table whose row type is given; an error that tells what to write if it is none. */
extern Oid	mdl_table_of_row_type(Oid type);

#endif							/* MDL_VERSIONING_INT_H */
