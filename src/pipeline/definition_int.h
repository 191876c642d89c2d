/*
 * definition_int.h: what derived tables are: their records, their queries, their options, what they read.
 */
#ifndef MDL_DEFINITION_INT_H
#define MDL_DEFINITION_INT_H

#include "pipeline/pipeline.h"

#include "access/tupdesc.h"
#include "nodes/parsenodes.h"
#include "storage/lockdefs.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"

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
extern void mdl_pipeline_table_change(const DerivedTable *table);	/* all of it: read under a lock */
extern void mdl_pipeline_table_change_lag(const DerivedTable *table);
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

/* ---- definition_options.c: what is declared besides the query ------------------------------------------------------- */

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

/* ---- definition_dedupe.c --------------------------------------------------------------------------------------------------- */

/* The query to keep for the table: the one given, or where dedupe_by is, one that takes the latest of its rows with one key. */
extern char *mdl_dedupe_query(const DerivedTable *table, const char *text, const Query *query, const char *target);

/* ---- definition_change.c ------------------------------------------------------------------------------------------------ */

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

/* ---- owner_world.c ----------------------------------------------------------------------------------------------- */

/*
 * Between the two calls one is the owner of the table, restricted, under the settings kept with it (only these fields are read)
 * and a search path that nobody can put objects into.
 */
typedef struct OwnerWorld
{
	MdlUser		saved;
	int			level;
} OwnerWorld;

extern void mdl_enter_owner_world(const DerivedTable *table, OwnerWorld *world);
extern void mdl_leave_owner_world(const OwnerWorld *world);

/* The same for statements of ours, whose names mean what they do to the caller: settings stay.  Left in the same way. */
extern void mdl_become_owner(Oid relation, OwnerWorld *world);

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

/*
 * A table as `find`, one of those above or mdl_pipeline_owned_table, has it once it is locked: what was read before may have been
 * changed by whoever had the lock.
 */
extern DerivedTable *mdl_locked_table(DerivedTable *(*find) (const char *name), const char *name, LOCKMODE mode);

/* Relations that a table is made from, directly. */
extern List *mdl_kept_sources(const DerivedTable *table);

#endif							/* MDL_DEFINITION_INT_H */
