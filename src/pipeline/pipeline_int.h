/*
 * pipeline_int.h: what the files of this folder share.
 *
 * Words: the *result* is what the query of a derived table returns now; its rows are *accepted* (they belong in the
 * table), *dropped* or *quarantined* by the rules.  *Publishing* makes the table equal to the accepted rows.
 */
#ifndef MDL_PIPELINE_INT_H
#define MDL_PIPELINE_INT_H

#include "pipeline/pipeline.h"

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

/* Keys shown in an error or kept with a result are a sample of this many. */
#define MDL_KEY_SAMPLE 10

/* ---- pipeline_catalog.c: medallion._tables and medallion._expectations ----------------------------------------- */

typedef struct DerivedTable
{
	Oid			target;
	Oid			definition;		/* the view */
	Oid			quarantine;		/* InvalidOid if no rule quarantines */
	char	  **keys;
	int			key_count;
	Interval   *target_lag;		/* NULL if none */
	bool		downstream;		/* as fresh as those that read it want it: refreshed with them */
	char	   *on_schema_change;
	char	  **settings;		/* name=value */
	int			setting_count;
	char	  **indexes;		/* declared, as written */
	int			index_count;
	char	  **cluster_by;		/* columns in whose order new rows are written */
	int			cluster_count;
	char	  **dedupe_by;		/* columns by which the latest of several rows with one key is kept */
	int			dedupe_count;
	const MdlKeeperKind *keeper;	/* not made by a query: of all this, target alone is set */
} DerivedTable;

typedef enum RuleAction
{
	RULE_WARN,
	RULE_DROP,
	RULE_QUARANTINE,
	RULE_FAIL
} RuleAction;

typedef struct Rule
{
	char	   *name;
	char	   *rule;			/* as written */
	char	   *expression;		/* as run */
	RuleAction	action;
	bool		null_ok;
	double		mostly;			/* the share of rows that must pass before anything is done about those that do not */
	bool		raises;			/* as of the last refresh */
} Rule;

/* Lists and structs live in the current context.  All need an open SPI connection. */
extern List *mdl_pipeline_tables(void); /* of DerivedTable, whose relations exist */
extern DerivedTable *mdl_pipeline_table(List *tables, Oid target);	/* NULL if not derived */
extern DerivedTable *mdl_pipeline_table_by_definition(List *tables, Oid definition);
extern Rule *mdl_pipeline_rules(Oid target, int *count);	/* in the order of their names */
extern void mdl_pipeline_table_add(const DerivedTable *table);
extern void mdl_pipeline_table_change(const DerivedTable *table);
extern void mdl_pipeline_table_remove(Oid target);	/* its rules go too, its log stays */

/* The derived table of that name, which the current user must own; errors otherwise. */
extern DerivedTable *mdl_pipeline_owned_table(const char *name);

extern const char *mdl_pipeline_action_name(RuleAction action);
extern RuleAction mdl_pipeline_action_by_name(const char *name);

/* Raises for an argument that is NULL but may not be; names[i] is that of argument i, NULL if it may. */
extern void mdl_pipeline_require_arguments(FunctionCallInfo fcinfo, const char *const *names, int count);

extern char **mdl_pipeline_text_array(Datum array, const char *what, int *count);
extern char *mdl_pipeline_relation_name(Oid relid); /* schema.name, quoted where needed, as the views show it */

/* ---- definition_query.c: what a query must be ------------------------------------------------------------------ */

/* Analyses a query that is to define `target` and raises what is wrong with it; returns the analysed query. */
extern Query *mdl_definition_query_check(const char *query, const char *target);
extern RawStmt *mdl_definition_query_parse(const char *query, const char *target);

/* While one is open, an error at a place of `text` shows that text, and whose it is, instead of the caller's statement. */
typedef struct TextContext
{
	ErrorContextCallback callback;
	const char *what;			/* "query of" */
	const char *name;
	const char *text;
	bool		always;			/* tell whose text it is for errors without a place too */
} TextContext;

extern void mdl_text_context_begin(TextContext *context, const char *what, const char *name, const char *text);
extern void mdl_text_context_end(TextContext *context);

/* The name of the first volatile function in an expression or query, through views; NULL if there is none. */
extern char *mdl_volatile_function_in(Node *node);

/* ---- definition.c: the view that keeps a query ----------------------------------------------------------------- */

/* Creates the view that holds the query, owned by the current user, for the table `schema`.`relation`. */
extern Oid	mdl_definition_create(const char *query, const char *schema, const char *relation, const char *target);

/* The definition reads its sources with its own owner's rights, so it follows the table to a new owner, as does the quarantine; and its name. */
extern void mdl_definition_follow_owner(const DerivedTable *table);
extern void mdl_definition_follow_name(const DerivedTable *table);

extern void mdl_definition_check_keys(char **keys, int count, Query *query, const char *target);
extern void mdl_definition_check_options(const char *on_schema_change);
extern void mdl_definition_check_cycle(const DerivedTable *table);
extern void mdl_definition_remember_settings(DerivedTable *table);
extern void mdl_definition_return(FunctionCallInfo fcinfo, const DerivedTable *table);	/* the row of define, redefine */

extern Oid	mdl_relation_owner(Oid relid);
extern TupleDesc mdl_relation_columns(Oid relid);	/* a copy */

/* "a, b, c", each quoted and preceded by `prefix`. */
extern char *mdl_column_list(TupleDesc columns, const char *prefix);

/* ---- define_options.c: what is declared besides the query ------------------------------------------------------- */

typedef struct DefineOptions
{
	bool		indexes_given;
	Jsonb	   *comments;		/* by column; NULL: none are changed */
	Jsonb	   *cursors;		/* by source; NULL: stay */
	char	   *owner;			/* NULL: stays */
} DefineOptions;

/* Reads indexes, comments, owner, cluster_by, cursors, the arguments from `first` on; what is not given leaves the table as it is. */
extern void mdl_options_read(FunctionCallInfo fcinfo, int first, DerivedTable *table, DefineOptions *options);
extern void mdl_options_check(const DerivedTable *table);	/* against the definition */
extern void mdl_options_apply(const DerivedTable *table, const DefineOptions *options);	/* the table exists and is recorded */

/* Makes declared indexes that are missing; with `drop` those that are declared no more go. */
extern void mdl_options_ensure_indexes(const DerivedTable *table, bool drop);

/* ---- incremental_cursor.c ---- */

/* Records the cursors of the sources: {"schema.source": "column"} or {"schema.source": {"column": …, "overlap": …}}. */
extern void mdl_cursors_declare(const DerivedTable *table, Jsonb *cursors);

/* ---- dedupe.c --------------------------------------------------------------------------------------------------- */

/* The query to keep for the table: the one given, or where dedupe_by is, one that takes the latest of its rows with one key. */
extern char *mdl_dedupe_query(const DerivedTable *table, const char *text, const Query *query, const char *target);

/* ---- redefine.c ------------------------------------------------------------------------------------------------ */

/* Makes the columns of the table those of its definition, as on_schema_change allows; an error if it does not. */
extern void mdl_definition_apply_columns(const DerivedTable *table);

/* ---- dependency.c: which relation reads which ------------------------------------------------------------------ */

/* Relations a view reads directly, in the order of their OIDs; through functions whose body the server has analysed. */
extern List *mdl_view_sources(Oid view);

/* Views (plain, materialised, definitions) that read the relation directly. */
extern List *mdl_relation_readers(Oid relid);

/* Relations other than plain views that a view reads, through plain views; derived tables are not looked through. */
extern List *mdl_view_leaf_sources(Oid view);

/* Derived tables that a table reads, directly or through views. */
extern List *mdl_derived_sources(List *tables, const DerivedTable *table);

/* The tables among `targets` and before each those it depends on; a cycle is an error that shows it. */
extern List *mdl_refresh_order(List *tables, List *targets);

/* ---- expectation.c --------------------------------------------------------------------------------------------- */

/* The boolean expression a rule stands for, over the columns of the relation (Vars of varno 1); raises what is wrong. */
extern Node *mdl_rule_analyse(const char *rule, const char *name, Oid relation, const char *alias);

/* The analysed rule as text that means the same under any search path. */
extern char *mdl_rule_text(Node *expression, Oid relation, const char *alias);
extern void mdl_rule_check_name(const char *name);
extern void mdl_rule_check_mostly(double mostly);

/* Analyses all rules of a table against its definition again; an error names the rule that does not fit. */
extern void mdl_rules_check_again(const DerivedTable *table);

/* ---- expect_table.c, expect_table_judge.c: rules about a table as a whole ------------------------------------------ */

/* Raises if a rule is about a column that the query does not return any more. */
extern void mdl_table_rules_check_again(const DerivedTable *table);

/*
 * expect_table_stream.c: follows all rows on their way into a table, for the rules about it; NULL if no rule is of the kinds
 * that this is done for.  Lives in the current context.
 */
struct TableStream;
extern struct TableStream *mdl_table_stream_begin(const DerivedTable *table, TupleDesc columns);
extern void mdl_table_stream_take(struct TableStream *stream, const Datum *values, const bool *nulls);
extern void mdl_table_stream_reset(struct TableStream *stream);	/* the rows come anew */

/* Judges a table that a refresh has written, keeps what is found, and raises if a rule that is violated says fail. */
struct Outcome;
extern void mdl_table_rules_judge(const DerivedTable *table, const struct Outcome *outcome, Snapshot snapshot);

/* ---- units.c: a part of a table ------------------------------------------------------------------------------------ */

/* Rows whose values in some key columns are among those listed, column by column. */
typedef struct Units
{
	int			count;			/* columns */
	char	  **columns;
	Oid		   *operators;		/* equality of each */
	Oid		   *types;			/* of the arrays */
	Datum	   *values;			/* arrays of distinct values */
	bool	   *with_null;		/* NULL is among the values */
} Units;

/* "(d.a = ANY ($1)) AND …", for columns preceded by `prefix`, and its parameters. */
extern char *mdl_units_condition(const Units *units, const char *prefix);
extern ParamListInfo mdl_units_params(const Units *units);
extern void mdl_units_args(const Units *units, MdlArgs *args);	/* the same, as first arguments */

/* ---- result.c: computing the result and judging its rows ------------------------------------------------------- */

typedef enum Verdict
{
	VERDICT_PASS,
	VERDICT_FAIL,
	VERDICT_RAISED
} Verdict;

typedef struct RuleCount
{
	int64		passed;
	int64		failed;
	int64		raised;
	char	   *first_error;
	List	   *failing_keys;	/* of JSON texts, at most MDL_KEY_SAMPLE */
	bool		met;			/* once settled: as many rows pass as must */
	bool		was_met;		/* at the last refresh, where only a part is computed */
} RuleCount;

typedef struct DerivedResult
{
	const DerivedTable *table;
	const Units *units;			/* the part computed; NULL: all */
	bool		of_table;		/* not of the query but of the table's own rows */
	bool		is_whole;		/* counts are of all rows */
	bool		with_hidden;	/* hidden aggregates are wanted */
	struct Hidden *hidden;		/* NULL: there are none */
	bool		follows;		/* rows are what they were and what has changed, not computed from the sources */
	struct Differences *differences;	/* what is to be written, where that is known without the accepted rows; else NULL */
	TupleDesc	columns;		/* of the definition */
	AttrNumber *key_columns;	/* (key_count) */
	Rule	   *rules;
	int			rule_count;
	RuleCount  *counts;			/* (rule_count) */
	Tuplestorestate *accepted;	/* rows of `columns` */
	TupleDesc	rejected_columns;	/* columns, _reasons text[] */
	Tuplestorestate *rejected;	/* quarantined rows */
	TupleDesc	aside_columns;	/* columns, _reasons text[], _verdicts bytea */
	Tuplestorestate *undecided; /* rows that are counted, and taken once the counts say how */
	Tuplestorestate *to_correct;	/* rejected rows that have a correction, not counted yet */
	struct Corrections *corrections;	/* NULL: none */
	int64		rows;			/* that the query returned */
	int64		accepted_rows;
	int64		dropped_rows;
	int64		quarantined_rows;
	struct KeyHashes *key_hashes;	/* of accepted rows, to find duplicates */
	int64		null_keys;
	char	   *null_key_column;
	char	   *null_key_sample;
	struct TableStream *stream;	/* follows the accepted rows, which are all that the table will have; NULL: not done */
	MemoryContext context;		/* of all this */
	MemoryContext row_context;	/* reset for each row */
} DerivedResult;

/*
 * Runs the query of a derived table under the active snapshot, for the units given or all, and judges its rows.  All rows
 * are settled at once; those of units are not, since what is done about them may depend on the counts of all.  Lives in the
 * current context.
 */
extern DerivedResult *mdl_result_compute(const DerivedTable *table, Snapshot snapshot, bool enforce, const Units *units,
										 bool with_hidden);

/* Judges the rows that the table has now in some units by its rules, to count. */
extern DerivedResult *mdl_result_of_table(const DerivedTable *table, Snapshot snapshot, const Units *units);

/*
 * Decides about the rows that violate rules, by the counts.  Raises for NULL and duplicate keys and, if `enforce`, for
 * violated rules whose action is fail.
 */
extern void mdl_result_settle(DerivedResult *result, Snapshot snapshot, bool enforce);

/* A result without rows. */
extern DerivedResult *mdl_result_begin(const DerivedTable *table);
extern void mdl_result_free(DerivedResult *result);

/*
 * Takes one row of the result: values and nulls of its columns, a verdict per rule (NULL if all are kept), and messages of
 * those that raised.
 */
extern void mdl_result_take(DerivedResult *result, Datum *values, bool *nulls, const Verdict *verdicts, char **messages);

extern void mdl_result_accept(DerivedResult *result, Datum *values, bool *nulls);	/* a row that belongs in the table */

/* ---- expect_verdict.c: what verdicts mean for a row and for the result -------------------------------------------- */

extern char *mdl_result_key_json(const DerivedResult *result, Datum *values, bool *nulls);	/* the key as an object */

/* Counts what a row violates and puts it where it belongs; returns whether it is accepted all the same. */
extern bool mdl_verdicts_take(DerivedResult *result, Datum *values, bool *nulls, const Verdict *verdicts, char **messages);

/* Puts corrected rows in the place of those that were rejected, where the rules accept them. */
extern void mdl_verdicts_correct(DerivedResult *result);

/* Whether the share of passing rows is as large as a rule wants. */
extern bool mdl_rule_is_met(const Rule *rule, const RuleCount *count);

/*
 * Whether what the rules do to rows of the units computed is what they did to all others at the last refresh; if not, *why
 * says why all rows have to be looked at again.  Needs complete counts, or says so.
 */
extern bool mdl_verdicts_stand(const DerivedResult *result, const char **why);

extern void mdl_verdicts_settle(DerivedResult *result, bool enforce);

/* Raises for violated rules whose action is fail; what is met is known. */
extern void mdl_verdicts_enforce(const DerivedResult *result);

/* ---- cdc_rules.c: rules of tables that changes are applied to -------------------------------------------------------- */

/* Raises if such a table cannot have the rule, and makes the quarantine table if it wants one. */
extern void mdl_event_rule_check(Oid target, const Rule *rule, Node *expression);

/* ---- rule_eval.c ----------------------------------------------------------------------------------------------- */

/* Tries work that judges rules: the error if it may be that of one row; others are raised again.  NULL: it went well. */
extern ErrorData *mdl_guarded(MdlWork work, void *argument);

/* Judges rows one by one, so that an expression that raises costs its row only. */
extern void mdl_rules_judge_rows(DerivedResult *result, Tuplestorestate *rows);

/* Judges single rows: verdicts and messages, (rule_count) each; the messages live until the next call. */
typedef struct Judge Judge;
extern Judge *mdl_judge_begin(DerivedResult *result);
extern void mdl_judge_row(Judge *judge, Datum *values, bool *nulls, Verdict *verdicts, char **messages);

/* The same for several: (count * rule_count) verdicts, and messages, palloc'd, of those that raised. */
extern void mdl_judge_many(Judge *judge, Datum **values, bool **nulls, int count, Verdict *verdicts, char **messages);
extern void mdl_judge_end(Judge *judge);

/* ---- quarantine.c -------------------------------------------------------------------------------------------------- */

/* Makes the quarantine table of a derived table if it has none; its columns are those of the definition and ours. */
extern Oid	mdl_quarantine_ensure(DerivedTable *table);

/*
 * Makes the quarantine table hold the rejected rows; rows that stay rejected keep the time they were first, with the reasons
 * they have now.
 */
struct Reading;
extern void mdl_publish_quarantine(DerivedResult *result, const struct Reading *reading, int64 refresh_id);

/* ---- quarantine_correct.c: rows to take in the place of rejected ones ---------------------------------------------- */

/* The corrections of a table; NULL if it has none. */
extern struct Corrections *mdl_corrections_read(const DerivedTable *table);

/* Whether a row has one. */
extern bool mdl_correction_exists(const DerivedResult *result, Datum *values, bool *nulls);

/* Writes the corrected values over a row; false, and *message set, if they do not fit its columns. */
extern bool mdl_correction_apply(const DerivedResult *result, Datum *values, bool *nulls, char **message);

/* Keeps a correction of a row in quarantine, after checks; returns its id.  `note` may be NULL. */
extern int64 mdl_correction_add(const DerivedTable *table, int64 quarantine_id, Jsonb *corrected, const char *note);

/* Why an incremental refresh cannot follow the corrections of a table; NULL if it can. */
extern char *mdl_corrections_obstacle(Oid target);

/* Notes that a correction of this row was made or taken back. */
extern void mdl_correction_change_add(Oid target, Jsonb *original, bool changes_key);

/* ---- row_image.c: when two rows are the same ------------------------------------------------------------------- */

typedef struct KeyColumn
{
	AttrNumber	column;			/* of the table */
	Oid			type;
	Oid			operator;		/* equality, as the primary key has it */
	bool		equal_is_same;	/* equal values have equal images */
} KeyColumn;

extern KeyColumn *mdl_key_columns(const DerivedTable *table);	/* (key_count) */

/* "t.key = n.key AND …" */
extern char *mdl_key_condition(const DerivedTable *table, const KeyColumn *keys);

/* Whether rows with equal keys have the same image in a column of the result. */
extern bool mdl_is_settled_by_key(const DerivedResult *result, const KeyColumn *keys, AttrNumber column);

/* A condition over t and n that holds when rows with equal keys differ in some image. */
extern char *mdl_difference_condition(const DerivedResult *result, const KeyColumn *keys);

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

/* Runs a statement under a snapshot plus what this transaction did; returns the rows processed. */
extern uint64 mdl_run_under_snapshot(const char *sql, const MdlArgs *args, Snapshot snapshot);

/* Offers a tuplestore as a relation to SPI statements until SPI_unregister_relation. */
extern void mdl_offer_rows(const char *name, Tuplestorestate *rows, TupleDesc columns);

/* "c1, c2, …", each preceded by `prefix`. */
extern char *mdl_numbered_columns(int first, int last, const char *prefix);
extern bool mdl_table_is_empty(Oid relid, Snapshot snapshot);

/* ---- publish_places.c ------------------------------------------------------------------------------------------ */

/* Whether what is written to a table is what is in it then: no rules, triggers or generated columns, and the result's types. */
extern bool mdl_target_is_plain(const DerivedResult *result);

/*
 * Gives the rows of the table at the places (first column) the other columns' values, or deletes them; returns how many were
 * there, or -1 if the table is one that takes a statement for this.
 */
extern int64 mdl_write_places(const DerivedResult *result, const KeyColumn *keys, Tuplestorestate *rows,
							  TupleDesc placed_columns, bool updates, Snapshot snapshot);

/* ---- owner_world.c ----------------------------------------------------------------------------------------------- */

/* Between the two calls one is the owner of the table, under the settings kept with it (only these fields are read). */
typedef struct OwnerWorld
{
	MdlUser		saved;
	int			level;
} OwnerWorld;

extern void mdl_enter_owner_world(const DerivedTable *table, OwnerWorld *world);
extern void mdl_leave_owner_world(const OwnerWorld *world);

/* Does something in that world. */
extern void mdl_as_table_owner(const DerivedTable *table, void (*work) (void *argument), void *argument);

/* ---- drop_event.c --------------------------------------------------------------------------------------------- */

/* In an event trigger, with an SPI connection: whether a relation was dropped that is not temporary. */
extern bool mdl_dropped_relations(void);

/* ---- keeper.c: tables that are not made by a query -------------------------------------------------------------- */

/* Derived tables and those of all keepers, as far as they exist. */
extern List *mdl_kept_tables(void);

/* One of them by its name, which the current user must own; errors otherwise. */
extern DerivedTable *mdl_kept_owned_table(const char *name);

/* The same as what rules are declared for: `definition` is the relation whose rows they judge. */
extern DerivedTable *mdl_ruled_table(const char *name);

/* Relations that a table is made from, directly. */
extern List *mdl_kept_sources(const DerivedTable *table);

/* ---- refresh_schedule.c: tables that are refreshed by themselves ------------------------------------------------ */

/* What "target_lag" says: an interval or 'downstream'.  NULL: nothing changes. */
extern void mdl_schedule_read_lag(DerivedTable *table, const char *target_lag);

/*
 * Makes or changes the job that refreshes the table: by a schedule, else by its target_lag, else there is none.  A schedule
 * that it has stays unless another one is given or `anew`.
 */
extern void mdl_schedule_apply(const DerivedTable *table, char *schedule, char *time_zone, bool anew);

/* ---- extract.c: what was read from foreign tables ------------------------------------------------------------------- */

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

/* Message, detail and hint. */
extern char *mdl_refresh_describe_error(const ErrorData *error);

/* ---- refresh.c -------------------------------------------------------------------------------------------------- */

extern bool mdl_may_refresh(Oid relid);	/* the current user */

/* The table whose refresh began last in this session: the one that an error is about. */
extern Oid	mdl_refresh_current(void);

/* The derived tables to refresh for one, or for all that may be: those read come first.  Nothing is locked. */
extern List *mdl_refresh_plan(Oid target);

/* The same, locked against other refreshes. */
extern List *mdl_refresh_lock(Oid target);

/* Takes the snapshot, to be unregistered by the caller, that tables which are locked are computed from. */
extern void mdl_refresh_read(Reading *reading);

/* Refreshes one of them; `why` NULL, or why in full.  Then what it changed is to be noted, and its rules as a whole judged. */
extern Outcome mdl_refresh_locked(DerivedTable *table, Reading *reading, const char *why);
extern void mdl_refresh_note_written(Reading *reading, Oid target, const Outcome *outcome);
extern void mdl_refresh_judge(const DerivedTable *table, const Outcome *outcome, Snapshot snapshot);

/* Refreshes one table and none of those it reads.  The texts of the outcome live in the current context. */
extern Outcome mdl_refresh_alone(Oid target);

/* Adds a row of medallion.refresh. */
extern void mdl_refresh_return(ReturnSetInfo *set, Oid target, const Outcome *outcome);

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

#endif							/* MDL_PIPELINE_INT_H */
