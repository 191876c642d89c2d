/*
 * refresh_int.h: making derived tables equal to their results (*publishing*), one or all of them, and the record of it.
 */
#ifndef MDL_REFRESH_INT_H
#define MDL_REFRESH_INT_H

#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"
#include "pipeline/stored_rows_int.h"

#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "nodes/params.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

/* ---- publish.c ------------------------------------------------------------------------------------------------- */

typedef struct Published
{
	int64		inserted;
	int64		updated;
	int64		deleted;
} Published;

/* What makes a table equal to a result. */
extern struct Differences *mdl_differences_begin(DerivedResult *result);

/* Notes a row to be written: its place, NULL if it is to be inserted, and its columns, the first of the key NULL if it is to go. */
extern void mdl_differences_take(struct Differences *differences, Datum *values, bool *nulls);
extern void mdl_differences_free(struct Differences *differences);

/* Makes the table, or the part of it that was computed, equal to the accepted rows by touching only what differs. */
extern Published mdl_publish_result(DerivedResult *result, Snapshot snapshot);

/* Counts the rows that publishing would touch. */
extern Published mdl_publish_compare(DerivedResult *result, Snapshot snapshot);

extern bool mdl_table_is_empty(Oid relid, Snapshot snapshot);

/* ---- publish_places.c ------------------------------------------------------------------------------------------ */

/* Whether a statement does no more to rows of a table than to write them: it has no rules, triggers or generated columns of others. */
extern bool mdl_relation_is_plain(Relation relation);

/* Whether what is written to a table is what is in it then: no rules, triggers or generated columns, and the result's types. */
extern bool mdl_target_is_plain(const DerivedResult *result);

/*
 * Gives the rows of the table at the places (first column) the other columns' values, or deletes them; returns how many were
 * there, or -1 if the table is one that takes a statement for this.
 */
extern int64 mdl_write_places(const DerivedResult *result, const KeyColumn *keys, Tuplestorestate *rows,
							  TupleDesc placed_columns, bool updates, Snapshot snapshot);

/* ---- publish_replace.c ------------------------------------------------------------------------------------------ */

/* Rows that are to have other values. */
typedef struct PlacedRows
{
	Oid			target;
	Tuplestorestate *rows;		/* place tid, then values; can be read again */
	TupleDesc	columns;
	char	  **names;			/* (count) of the columns that the values behind the place are of */
	int			count;
	Snapshot	snapshot;
} PlacedRows;

/*
 * Does the update, in a subtransaction where it may be undone; if unique keys are in the way of that, replaces the rows and
 * returns true.
 */
extern bool mdl_update_or_replace(const PlacedRows *placed, MdlWork update, void *argument);

/* ---- refresh_schedule.c: tables that are refreshed by themselves ------------------------------------------------ */

/* What "target_lag" says: an interval or 'downstream'.  NULL: nothing changes. */
extern void mdl_schedule_read_lag(DerivedTable *table, const char *target_lag);

/*
 * Makes or changes the job that refreshes the table: by a schedule, else by its target_lag, else there is none.  A schedule
 * that it has stays unless another one is given or `anew`.
 */
extern void mdl_schedule_apply(const DerivedTable *table, char *schedule, char *time_zone, bool anew);

/* ---- refresh_extract.c: what was read from foreign tables ------------------------------------------------------------------- */

struct Reading;

/* Keeps what a refresh read from foreign tables; nothing if it read none. */
extern void mdl_extract_log(int64 id, const DerivedTable *table, const struct Reading *reading);

/* ---- refresh_log.c ---------------------------------------------------------------------------------------------- */

/* What the tables of one call are computed from. */
typedef struct Reading
{
	Snapshot	snapshot;
	int64		version;		/* newest whose predecessors, itself included, the snapshot sees */
	bool		exact;			/* nothing newer is seen */
	List	   *written;		/* OIDs of tables that this call changed */
} Reading;

typedef struct Outcome
{
	int64		refresh_id;
	const char *mode;
	const char *reason;
	Published	published;
	int64		rows;			/* of the table afterwards */
	char	   *cursors;		/* up to where sources were read, as JSON; NULL: without cursors */
	int64		dropped;
	int64		quarantined;
	double		seconds;
	bool		is_idle;		/* nothing had changed */
	bool		is_continued;	/* nor at the one before: its record was written over */
	struct TableStream *stream;	/* of all rows of the table; NULL: none */
	int64		changes;		/* mdl_changes_so_far() when they were written */
} Outcome;

extern int64 mdl_refresh_next_id(void);

/* What rules for rows found. */
extern void mdl_refresh_log_rules(int64 id, const DerivedResult *result);

/* The refresh of a table that a keeper keeps; returns its number as mdl_refresh_log does. */
extern int64 mdl_refresh_log_kept(int64 id, const DerivedTable *table, const Outcome *outcome, TimestampTz started,
								 const Reading *reading);
extern bool mdl_refresh_was_done(Oid target);

/*
 * {"bronze.flights": 42, …} for the versioned sources of a table; *exact is cleared if one of them was written by this very
 * refresh.
 */
extern char *mdl_source_versions(const DerivedTable *table, const Reading *reading, bool *exact);
/* Returns the number it has in the log, which is that of the last one if neither found anything changed. */
extern int64 mdl_refresh_log(int64 id, const DerivedResult *result, const Outcome *outcome, TimestampTz started,
							const Reading *reading);

/*
 * A refresh that failed, or was kept back by one that did: a row of its own in medallion.refreshes, in the current transaction,
 * which is not that of the refresh.  `state`: SQLSTATE, 0 for what was kept back.
 */
extern void mdl_refresh_log_failure(Oid target, const char *mode, const char *reason, int state, TimestampTz started);

/* The same in a transaction of its own, for a worker that is in none; and for the table that it was asked for, if that is another. */
extern void mdl_refresh_record_failure(Oid failed, const ErrorData *error, Oid wanted, TimestampTz started);


/* ---- refresh.c -------------------------------------------------------------------------------------------------- */

extern bool mdl_may_refresh(Oid relid);	/* the current user */

/* The derived tables to refresh for one, or for all that may be: those read come first.  Nothing is locked. */
extern List *mdl_refresh_plan(Oid target);

/* The same, locked against other refreshes. */
extern List *mdl_refresh_lock(Oid target);

/* Takes the snapshot, to be unregistered by the caller, that tables which are locked are computed from. */
extern void mdl_refresh_read(Reading *reading);

/* What a table was changed by is noted, for what the records say of those that read it. */
extern void mdl_refresh_note_written(Reading *reading, Oid target, const Outcome *outcome);

/* Refreshes one table and none of those it reads.  The texts of the outcome live in the current context. */
extern Outcome mdl_refresh_alone(Oid target);

/* Adds a row of medallion.refresh. */
extern void mdl_refresh_return(ReturnSetInfo *set, Oid target, const Outcome *outcome);

/* ---- refresh_table.c -------------------------------------------------------------------------------------------- */

/* The table whose refresh began last in this session: the one that an error is about. */
extern Oid	mdl_refresh_current(void);
extern void mdl_refresh_begin(Oid target);

/* Refreshes one table that is locked; `why` NULL, or why in full.  When all of a call are written, its rules as a whole are judged. */
extern Outcome mdl_refresh_locked(DerivedTable *table, Reading *reading, const char *why);
extern void mdl_refresh_judge(const DerivedTable *table, const Outcome *outcome, Snapshot snapshot);

/* Counts the rows of a table that differ from a recomputation under one snapshot. */
extern int64 mdl_refresh_verify(const DerivedTable *table);

/* ---- refresh_turns.c: a call whose tables fail one by one ----------------------------------------------------------- */

typedef enum TurnState
{
	TURN_WAITING,
	TURN_RUNNING,
	TURN_DONE,
	TURN_FAILED					/* or kept back */
} TurnState;

/* A table of the call. */
typedef struct Turn
{
	Oid			target;
	char	   *name;
	List	   *sources;		/* OIDs of derived tables it reads */
	List	   *compared;		/* and of those that its rules compare it with, which come first */
	TurnState	state;
	bool		is_recorded;	/* its failure is in the log */
	int			sqlstate;		/* of its failure */
	TimestampTz started;
	int			worker;			/* number of the one at work */
	Outcome		outcome;
} Turn;

typedef struct Call
{
	Oid			target;			/* InvalidOid: all */
	Turn	   *turns;			/* (count), sources first */
	int			count;
	int			ended;
	int			running;		/* workers */
	int			worker_count;
	BackgroundWorkerHandle **workers;	/* (worker_count); NULL: there is none */
	dsm_segment *segment;
	struct Board *board;
	bool		are_tied;		/* rules compare tables with each other, so that none can come first */
	bool		may_give_up;	/* where workers cannot be had, the rest is left to the caller */
	const char *gave_up;		/* why it was */
} Call;

extern void mdl_turns_plan(Call *call, Oid target);
extern Turn *mdl_turn_of(Call *call, Oid target);

/* Whether all that a table reads has ended.  If some of that failed the table is kept back, which ends it too. */
extern bool mdl_turn_is_ready(Call *call, Turn *turn);
extern void mdl_turn_end(Call *call, Turn *turn, TurnState state, const char *mode, const char *reason);
extern void mdl_turn_failed(Call *call, Turn *turn, const char *reason, int sqlstate);	/* with a warning */

/* Logs the failures that are not in the log yet, and adds the rows of medallion.refresh. */
extern void mdl_turns_return(Call *call, ReturnSetInfo *set);

/* ---- refresh_all.c ------------------------------------------------------------------------------------------------- */

/* medallion.refresh(): all tables, in workers where that can be, else here one after another; what fails fails alone. */
extern void mdl_refresh_all(ReturnSetInfo *set);

/* ---- refresh_workers.c: tables that do not read each other, at a time ---------------------------------------------- */

#define MDL_MAX_REFRESH_WORKERS 64

/* medallion.refresh(workers => n): every table in a transaction of its own, in a background worker. */
extern void mdl_refresh_in_workers(Oid target, int workers, ReturnSetInfo *set);

/* Runs the turns of a call that way, as far as they can be if it may give up. */
extern void mdl_turns_in_workers(Call *call, int workers);

#endif							/* MDL_REFRESH_INT_H */
