/*
 * result_int.h: what the query of a derived table returns now, and what the rules say of it.
 *
 * Words: the rows of the *result* are *accepted* (they belong in the table), *dropped* or *quarantined* by the rules.
 */
#ifndef MDL_RESULT_INT_H
#define MDL_RESULT_INT_H

#include "pipeline/definition_int.h"

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "utils/tuplestore.h"

/* Keys shown in an error or kept with a result are a sample of this many. */
#define MDL_KEY_SAMPLE 10

/* ---- expect_rule.c --------------------------------------------------------------------------------------------- */

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
extern void mdl_table_stream_keep(struct TableStream *stream, MemoryContext context);	/* it lives as long as that from now on */

/* Judges a table that a refresh has written, keeps what is found, and raises if a rule that is violated says fail. */
struct Outcome;
extern void mdl_table_rules_judge(const DerivedTable *table, const struct Outcome *outcome, Snapshot snapshot);

/* ---- incremental_units.c: a part of a table ------------------------------------------------------------------------------------ */

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

/* ---- expect_eval.c ----------------------------------------------------------------------------------------------- */

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

/* ---- result_image.c: when two rows are the same ------------------------------------------------------------------- */

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

#endif							/* MDL_RESULT_INT_H */
