/*
 * retention_int.h: how far back history goes: horizons, what holds them (tags, pins), and the pruning below them.
 */
#ifndef MDL_RETENTION_INT_H
#define MDL_RETENTION_INT_H

#include "versioning/commits_int.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/block.h"
#include "utils/snapshot.h"

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

/* The version that a tag names; false if there is no such tag. */
extern bool mdl_tag_find(const char *tag, int64 *version);

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

#endif							/* MDL_RETENTION_INT_H */
