/*
 * incremental_int.h: what the files of incremental refresh share.
 *
 * Words: a *unit* is the rows of the table with one combination of values of some key columns, its *unit columns*; units
 * are chosen so that a row of a unit depends on source rows that lead to the unit.  A refresh finds the units that changed
 * source rows lead to (incremental_trace.c), computes those again and writes what differs (incremental.c).  What is found
 * may be too much, never too little.
 */
#ifndef MDL_INCREMENTAL_INT_H
#define MDL_INCREMENTAL_INT_H

#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"
#include "pipeline/stored_rows_int.h"
#include "versioning/versioning.h"

#include "nodes/bitmapset.h"

/* A source table and the old and new images of its rows that changed since the last refresh. */
typedef struct ChangedSource
{
	Oid			relid;
	TupleDesc	columns;		/* of the table, dropped ones included */
	TupleDesc	image_columns;	/* the same, and _sign int: 1 new, -1 old, 0 neither */
	Tuplestorestate *images;
	int64		count;
	bool		exact;			/* what was, plus the images by their signs, is what is */
	char	   *name;			/* under which queries find the images */
	Datum	   *values;			/* (columns and sign) of the image being taken */
	bool	   *nulls;
} ChangedSource;

/* ---- incremental_query.c: query trees ------------------------------------------------------------------------ */

/*
 * Analyses and rewrites one SELECT of ours: views become subqueries, the rights needed are in the range table.  The
 * parameters may be NULL.
 */
extern Query *mdl_query_analyse(const char *sql, ParamListInfo params);

/* Raises an error if a right is missing that running a rewritten query takes. */
extern void mdl_query_check_rights(Query *query);

/*
 * Prepares a rewritten query for what follows: WITH queries take the place of their names, merged join columns that of the
 * columns they stand for.  Modifies the tree.
 */
extern void mdl_query_prepare(Query *query);

/* Plans a rewritten query; the tree is consumed.  Raises a data_exception if the planner thinks that it costs more than `limit` (0: none). */
extern PlannedStmt *mdl_query_plan(Query *query, ParamListInfo params, double limit);

/* Runs it under the active snapshot. */
extern void mdl_query_execute(PlannedStmt *plan, ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest);

/* What the planner thinks a rewritten query costs. */
extern double mdl_query_cost(Query *query);

/* queries[0] UNION ALL queries[1] …, whose columns have the same types; references to outer queries stay right. */
extern Query *mdl_query_union_all(List *queries);

/* SELECT every column of a query, as the types given. */
extern Query *mdl_query_coerced(Query *query, List *types, List *typmods);

/* Whether values that its default equality holds for equal are the same to the byte. */
extern bool mdl_equal_is_same(Oid type, Oid collation);

/* ---- incremental_push.c ------------------------------------------------------------------------------------------------- */

/* Restricts parts of "SELECT … FROM definition WHERE the units", prepared, to what the units can depend on. */
extern void mdl_units_push(Query *query, const DerivedTable *table, const Units *units);

/* ---- incremental_fixed.c: whether the answer depends on the sources alone --------------------------------------- */

/* What in a query may give another answer although no source has changed, in words; NULL if nothing. */
extern char *mdl_query_unsteady(Query *query);

/* Identifies the query with all it calls, as far as the server knows: changes when the same sources may mean other rows. */
extern char *mdl_query_fingerprint(Query *query);

/* ---- incremental_trace.c: which rows of the result changed sources lead to ----------------------------------------- */

typedef struct Traced
{
	Query	   *query;			/* a superset of the result's rows that are not as before; other columns than `known` NULL */
	Bitmapset  *known;			/* columns it tells */
	Bitmapset  *varying;		/* of these, those that are not the same for all rows */
	char	   *obstacle;		/* in words, if it cannot be told; then query is NULL */
} Traced;

/* `changed` is a list of ChangedSource; `wanted` the columns wanted, NULL: all that can be known. */
extern Traced mdl_trace(Query *query, List *changed, Bitmapset *wanted);

/* The items of a join tree. */
extern Bitmapset *mdl_relids_of(Node *node);

/* The entry under which a query reads the images of a source in the place of the table; `signed` with the last column. */
extern RangeTblEntry *mdl_images_entry(const ChangedSource *source, const RangeTblEntry *table, bool is_signed);

/* ---- incremental_delta.c: aggregates from what they were and what has changed ------------------------------------------ */

/*
 * The result that follows from the images of the one source that changed, as what it changes of the table; NULL if the query
 * does not allow it, or needs other hidden values than are kept (`hidden`), or some group must be computed again.  `query`
 * is prepared, under the active snapshot.
 */
extern DerivedResult *mdl_deltas_follow(const DerivedTable *table, TupleDesc columns, const KeyColumn *keys, Query *query,
										List *changed, const char *hidden);

/* ---- incremental_hidden.c: what aggregates follow from and the table does not show ----------------------------------- */

typedef struct Hidden
{
	char	   *kind;			/* what the values are, in words: those of another kind mean something else */
	StoredRows	values;			/* key text, hidden numeric[]; of the groups in the result */
	StoredRows	former;			/* key text: of the groups that are replaced by these */
	const struct Aggregates *aggregates;	/* incremental_delta_int.h; NULL: the values come ready made */
	int64		source_rows;	/* that the groups have */
	bool		too_long;		/* some key is */
} Hidden;

/*
 * Runs the query of the result with its hidden aggregates, which are kept in result->hidden; false, and nothing done, if
 * it has none.
 */
extern bool mdl_hidden_run(DerivedResult *result, const char *from, DestReceiver *dest);

/* Takes the hidden values behind the columns of a row. */
extern void mdl_hidden_take(DerivedResult *result, const Datum *values, const bool *nulls);

/* Gives the result room for hidden values; `former` is a statement that returns the keys of the groups to be replaced. */
extern void mdl_hidden_begin(DerivedResult *result, char *kind, const char *former);
extern void mdl_hidden_free(Hidden *hidden);

/* The values kept for the former groups. */
extern void mdl_hidden_read(const DerivedResult *result, StoredRows *rows);

/* Keeps the values of the result, or forgets all if it has none; returns their kind, NULL if none are kept. */
extern char *mdl_hidden_keep(const DerivedResult *result);

/* ---- incremental_state.c: what the last refresh saw ------------------------------------------------------------------ */

typedef struct RefreshState
{
	int64		refresh_id;
	MdlSeen		seen;
	char	   *fingerprint;
	int64		rows;			/* of the table */
	char	   *hidden;			/* the kind of hidden values kept with it; NULL: none are */
} RefreshState;

/* Of what was seen, the transactions that were running, as records keep them: an array of bigint. */
extern void mdl_seen_take_running(MdlSeen *seen, Datum array);
extern Datum mdl_seen_running(const MdlSeen *seen);

/* Reads it; false if there is none. */
extern bool mdl_refresh_state_read(Oid target, RefreshState *state);

/* Keeps it, and sees to it that it is forgotten if the transaction goes on to change one of the relations read. */
extern void mdl_refresh_state_write(Oid target, const RefreshState *state, List *relations);
extern void mdl_refresh_state_forget(Oid target);

/* ---- incremental_cursor.c: sources that are not versioned, of which a declared column tells what is new ------------------ */

typedef struct SourceCursor
{
	Oid			source;
	char	   *column;
	char	   *overlap;		/* text of what is subtracted; NULL: nothing */
	bool		is_known;		/* the last refresh kept a value */
	char	   *seen;			/* the greatest value it met, as text; NULL: it met none */
	bool		is_read;		/* by this refresh */
	char	   *now;			/* the greatest value it met */
} SourceCursor;

/* The cursors of a table for those of the sources that are not versioned. */
extern List *mdl_cursors_read(const DerivedTable *table, List *sources);
extern SourceCursor *mdl_cursor_of(List *cursors, Oid source);	/* NULL: it has none */
extern char *mdl_cursor_obstacle(const SourceCursor *cursor);	/* why it cannot be used; NULL if it can */

/* What is new in the source; NULL, with *why set, if it is more than `limit` rows. */
extern ChangedSource *mdl_cursor_changes(SourceCursor *cursor, double limit, char **why);

/* Finds the greatest values of those that were not read, before a full refresh reads the sources. */
extern void mdl_cursors_look(List *cursors);
extern void mdl_cursors_keep(const DerivedTable *table, List *cursors); /* after mdl_refresh_state_write */
extern void mdl_cursors_fingerprint(List *cursors, StringInfo text);
extern char *mdl_cursors_describe(List *cursors);
extern char *mdl_cursors_json(List *cursors);

/* ---- incremental_counts.c ---------------------------------------------------------------------------------------------- */

/*
 * Turns the counts of the rules, which are of the units computed, into those of all rows, before the result is published;
 * false, and nothing done, if that cannot be told.
 */
extern bool mdl_counts_complete(DerivedResult *result, int64 last_refresh, Snapshot snapshot);

/* ---- quarantine_changes.c ------------------------------------------------------------------------------------------------ */

/* Corrections of rejected rows that were made or taken back since the last refresh. */
typedef struct CorrectionChanges
{
	int			count;
	Datum	   *ids;			/* (count) */
	Datum	   *originals;		/* (count), jsonb: the rows as they came */
	bool		changes_key;	/* of some the key was corrected */
} CorrectionChanges;

extern CorrectionChanges mdl_correction_changes_read(Oid target);
extern void mdl_correction_changes_done(const CorrectionChanges *changes);

/* Hands on the rows as they came, as rows of the definition. */
extern void mdl_correction_changes_rows(const CorrectionChanges *changes, const DerivedTable *table, TupleDesc columns,
										void (*take) (void *taker, const Datum *values, const bool *nulls), void *taker);

/* ---- incremental.c ---------------------------------------------------------------------------------------------------- */

/* What is to be done about a table. */
typedef struct Incremental
{
	bool		possible;		/* only the units need to be computed again */
	Units	   *units;			/* NULL: nothing has changed, or it is followed */
	DerivedResult *followed;	/* aggregates that follow the changes; NULL: the units are computed again */
	char	   *reason;			/* why in full, or what has changed */
	RefreshState state;			/* of the last refresh; valid if possible */
	int64		rows_before;	/* of the table now; valid if possible */
	bool		with_hidden;	/* hidden aggregates are to be kept */
	char	   *fingerprint;	/* NULL if the next refresh cannot be incremental */
	List	   *relations;		/* what is read: sources, the table, its quarantine */
	List	   *cursors;		/* of SourceCursor */
	CorrectionChanges corrected;
} Incremental;

/*
 * Runs a query of ours that may meet rows that the query of the table never does, and reads the images of what has changed;
 * returns the message if an expression raises, or if the server cannot plan it.
 */
extern char *mdl_run_guarded(Query *query, List *changed, double limit, DestReceiver *dest);

/* A source without images. */
extern ChangedSource *mdl_changed_source_begin(Oid relid);

/* Finds out what has changed since the last refresh.  Runs as the owner. */
extern Incremental mdl_incremental_plan(const DerivedTable *table, Snapshot snapshot);

#endif							/* MDL_INCREMENTAL_INT_H */
