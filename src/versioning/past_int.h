/*
 * past_int.h: reading the past: points in time, queries of the past, and a session that travels.
 *
 * A *point* is the state after all commits numbered up to a version, in a form that decides for a stamp with two
 * comparisons whether it belongs.
 */
#ifndef MDL_PAST_INT_H
#define MDL_PAST_INT_H

#include "versioning/versioning.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "utils/snapshot.h"

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

/* ---- past_value.c ------------------------------------------------------------------------------------------------- */

/* While past values are converted as the owner of the extension: functions of users must not run then. */
extern bool mdl_only_server_casts;

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

#endif							/* MDL_PAST_INT_H */
