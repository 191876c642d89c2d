/*
 * base.h: what every folder of the server side may use: settings, names, rights, SPI, jsonb, libraries.
 *
 * Words: *relation* is a table, view or materialised view by OID; *display name* is schema.table for messages,
 * *qualified name* the same quoted for SQL text.  Unless said otherwise strings are palloc'd in the current memory
 * context and errors are raised with ereport.
 */
#ifndef MDL_BASE_H
#define MDL_BASE_H

#include "base/pg_compat.h"
#include "catalog/indexing.h"
#include "nodes/parsenodes.h"
#include "utils/jsonb.h"

/* ---- guc.c: settings ---------------------------------------------------------------------------------------- */

extern void mdl_guc_init(void);

extern MDL_EXPORT int mdl_feature_mem;	/* medallion.feature_mem, kB */
extern int	mdl_history_retention;	/* medallion.history_retention, seconds; -1: for ever */
extern double mdl_incremental_limit;
extern int	mdl_job_history;
extern int	mdl_max_workers;
extern MDL_EXPORT int mdl_matrix_area;	/* medallion.matrix_area: where a load puts its rows; 0: there is none */
extern MDL_EXPORT int mdl_model_cache_size;	/* medallion.model_cache_size, kB */
extern int	mdl_refresh_workers;	/* medallion.refresh_workers */
extern int	mdl_refresh_retention;	/* medallion.refresh_retention, seconds; -1: for ever */
extern bool mdl_scheduler_enabled;
extern MDL_EXPORT int mdl_train_mem;	/* medallion.train_mem, kB */
extern MDL_EXPORT int mdl_train_threads;	/* medallion.train_threads; 0: choose */

/* ---- schemas.c: the layers ---------------------------------------------------------------------------------- */

#define MDL_SCHEMA			"medallion"
#define MDL_HISTORY_SCHEMA	"medallion_history"
#define MDL_CHANGES_SCHEMA	"medallion_changes"
#define MDL_DEFINITION_SCHEMA	"medallion_definitions"

/* ---- library.c: opening medallion_ml.so and medallion_lake.so on first use ---------------------------------- */

#define MDL_LIBRARY_CORE	"$libdir/medallion"
#define MDL_LIBRARY_ML		"$libdir/medallion_ml"
#define MDL_LIBRARY_LAKE	"$libdir/medallion_lake"

/* Loads the library if need be and returns its function; raises an error when either is missing. */
extern MDL_EXPORT PGFunction mdl_library_function(const char *library, const char *function);

/*
 * Defines the SQL-callable function `name` of medallion.so as a shim over `name`_impl in another library.  The library
 * declares its side with MDL_SHIM_TARGET(name) and defines Datum name_impl(PG_FUNCTION_ARGS).
 */
#define MDL_SHIM(library, name) \
	MDL_FUNCTION(name); \
	Datum name(PG_FUNCTION_ARGS) \
	{ \
		static PGFunction target = NULL; \
		if (unlikely(target == NULL)) \
			target = mdl_library_function(library, #name "_impl"); \
		return target(fcinfo); \
	} \
	extern int mdl_shim_needs_a_semicolon
#define MDL_SHIM_TARGET(name) extern MDL_EXPORT Datum name##_impl(PG_FUNCTION_ARGS)

/* ---- arguments.c: arguments of SQL-callable functions that are not strict ----------------------------------- */

/* Raise null_value_not_allowed naming the argument when it is NULL; index counts from 0. */
extern MDL_EXPORT void mdl_require_argument(FunctionCallInfo fcinfo, int index, const char *name);
extern MDL_EXPORT char *mdl_required_text(FunctionCallInfo fcinfo, int index, const char *name);
extern MDL_EXPORT char *mdl_optional_text(FunctionCallInfo fcinfo, int index);	/* NULL pointer for NULL */
extern MDL_EXPORT int32 mdl_required_int4(FunctionCallInfo fcinfo, int index, const char *name);
extern MDL_EXPORT bool mdl_required_bool(FunctionCallInfo fcinfo, int index, const char *name);

/* ---- names.c ------------------------------------------------------------------------------------------------ */

extern MDL_EXPORT char *mdl_qualified_name(Oid relid);	/* quoted where needed, always with the schema */
extern MDL_EXPORT char *mdl_display_name(Oid relid);	/* schema.table, for messages */

extern MDL_EXPORT char *mdl_operator_sql(Oid operator);	/* "OPERATOR(schema.=)", whatever the search_path leads to */

/* "schema.table" (parsed as SQL would) -> OID; InvalidOid if absent and missing_ok, else undefined_table. */
extern MDL_EXPORT Oid mdl_relation_by_name(const char *name, bool missing_ok);

extern MDL_EXPORT bool mdl_is_one_of(const char *name, char *const *names, int count);

/* A type in SQL, qualified, without bounds: "character" and "bit" would mean those of length 1. */
extern MDL_EXPORT char *mdl_type_name(Oid type);

/* Splits a name for a relation that may not exist yet.  The schema must be given and exist. */
extern MDL_EXPORT void mdl_split_name(const char *name, char **schema, char **relation);

/* ---- source.c: rows given as a table's or view's name, or as a query ------------------------------------------ */

/*
 * Returns what to write behind FROM, before an alias: the qualified name, or the query in parentheses.  *relid (may be
 * a NULL pointer) is the relation, InvalidOid for a query.  undefined_table when there is none of that name, an error
 * for anything but one SELECT.  Run the statement as the caller.  Rows of a table that Citus has distributed come to this server.
 */
extern MDL_EXPORT char *mdl_source_from(const char *source, Oid *relid);
extern MDL_EXPORT bool mdl_source_is_query(const char *source);	/* by its first word */

/* ---- wording.c: texts of values by which equal ones are known as such ----------------------------------------- */

/* What is done with values of a type, so that equal ones have equal texts. */
typedef enum MdlWording
{
	MDL_WORDING_PLAIN = 0,		/* nothing: they have */
	MDL_WORDING_NUMERIC,
	MDL_WORDING_FLOAT4,
	MDL_WORDING_FLOAT8,
	MDL_WORDING_INTERVAL,
	MDL_WORDING_CITEXT
} MdlWording;

extern MDL_EXPORT MdlWording mdl_wording(Oid type);
extern MDL_EXPORT Datum mdl_wording_value(MdlWording wording, Datum value);	/* equal to it, and the same for all that are */
extern MDL_EXPORT char *mdl_wording_sql(const char *expression, Oid type);	/* SQL for the text; the expression is a primary one */

/* ---- xml_text.c --------------------------------------------------------------------------------------------- */

extern MDL_EXPORT void mdl_put_xml(StringInfo out, const char *text);	/* with what XML wants escaped */

/* ---- rights.c ----------------------------------------------------------------------------------------------- */

typedef struct MdlUser
{
	Oid			user;
	int			security_context;
	int			settings_level;
} MdlUser;

/*
 * Runs what follows as the owner of the extension, with search_path = pg_catalog, pg_temp (so that no operator or
 * function of the user's is found), for reading and writing medallion's own tables on behalf of a user who has no
 * rights on them.  Never run text of the user's between the two calls.  On error the server's own abort
 * resets the user, so no PG_TRY is needed.
 */
extern MDL_EXPORT void mdl_owner_begin(MdlUser *saved);
extern MDL_EXPORT void mdl_owner_end(const MdlUser *saved);

extern MDL_EXPORT void mdl_require_table_owner(Oid relid);			/* insufficient_privilege otherwise */
extern MDL_EXPORT void mdl_require_privilege(Oid relid, AclMode mode);	/* ACL_SELECT, ACL_INSERT, … of the current user */

/* ---- spi_run.c: statements with arguments ------------------------------------------------------------------- */

#define MDL_MAX_ARGS 24

typedef struct MdlArgs
{
	int			count;
	Oid			types[MDL_MAX_ARGS];
	Datum		values[MDL_MAX_ARGS];
	char		nulls[MDL_MAX_ARGS];
} MdlArgs;

extern MDL_EXPORT void mdl_arg(MdlArgs *args, Oid type, Datum value, bool is_null);
extern MDL_EXPORT void mdl_arg_text(MdlArgs *args, const char *value);	/* NULL pointer = SQL NULL */
extern MDL_EXPORT void mdl_arg_int8(MdlArgs *args, int64 value);
extern MDL_EXPORT void mdl_arg_float8(MdlArgs *args, double value);
extern MDL_EXPORT void mdl_arg_bool(MdlArgs *args, bool value);
extern MDL_EXPORT void mdl_arg_jsonb(MdlArgs *args, Jsonb *value);	/* NULL pointer = SQL NULL */

/*
 * Runs one statement in an SPI connection that the caller has opened; args may be NULL.  Returns the number of rows
 * processed; rows of a result are in SPI_tuptable.  `read_only` uses the current snapshot, else a new command's.
 */
extern MDL_EXPORT uint64 mdl_run(const char *sql, const MdlArgs *args, bool read_only);

/*
 * The same in tables of ours as they are now, whatever snapshot the transaction has: REPEATABLE READ must not miss a row of
 * ours about a table that it sees, for definitions are always read as they are.
 */
extern MDL_EXPORT uint64 mdl_run_now(const char *sql, const MdlArgs *args);

/*
 * own_rows.c: the same for a constant statement, whose plan is kept for the session in *kept, which is NULL at first; args is
 * not NULL.  Runs as the owner of the extension, with whose search_path it was planned.
 */
struct _SPI_plan;
extern MDL_EXPORT uint64 mdl_run_kept(struct _SPI_plan **kept, const char *sql, const MdlArgs *args, bool read_only);

/*
 * own_rows.c: rows for a table of ours, past privileges, constraints, defaults and triggers.  Values are in the order of
 * the table's columns; columns after the first `count` are NULL.  Later commands see the rows.
 */
typedef struct MdlRows
{
	Relation	table;
	CatalogIndexState indexes;
} MdlRows;

extern MDL_EXPORT void mdl_rows_begin(MdlRows *rows, const char *table);
extern MDL_EXPORT void mdl_rows_add(MdlRows *rows, int count, const Datum *values, const bool *nulls);
extern MDL_EXPORT void mdl_rows_end(MdlRows *rows);

/* How many rows a query finds in tables of ours as they are now, whatever snapshot the caller has. */
extern MDL_EXPORT uint64 mdl_count_now(const char *sql, const MdlArgs *args);

/*
 * Answers a set-returning function with the rows of one statement of ours, run as the owner of the extension; its
 * columns have the types of the function's.
 */
extern void mdl_owner_rows(FunctionCallInfo fcinfo, const char *sql, const MdlArgs *args);

/* Fields of SPI_tuptable, column from 0.  Strings are copied into the current context; *is_null may be NULL pointer. */
extern MDL_EXPORT Datum mdl_field(uint64 row, int column, bool *is_null);
extern MDL_EXPORT char *mdl_field_text(uint64 row, int column);	/* output text, NULL if SQL NULL */
extern MDL_EXPORT int64 mdl_field_int8(uint64 row, int column);	/* column must be int8; 0 if NULL */

/* ---- savepoint.c: work whose error is an answer ------------------------------------------------------------- */

typedef void (*MdlWork) (void *argument);

/*
 * Runs work in a subtransaction.  NULL if it went well; else its error, palloc'd in the current context, and what it did is
 * undone.  Every error comes back, a cancel too: the caller raises again, by ReThrowError(), what is none of its business.
 */
extern MDL_EXPORT ErrorData *mdl_try(MdlWork work, void *argument);

/* The message with what helps to mend it, for records. */
extern char *mdl_describe_error(const ErrorData *error);

/* ---- jsonb_read.c: options given as jsonb ------------------------------------------------------------------- */

/* `what` names the argument in messages, e.g. "params".  Absent key or JSON null: returns false, *value untouched. */
extern MDL_EXPORT bool mdl_jsonb_text(Jsonb *object, const char *what, const char *key, char **value);
extern MDL_EXPORT bool mdl_jsonb_float8(Jsonb *object, const char *what, const char *key, double *value);
extern MDL_EXPORT bool mdl_jsonb_int8(Jsonb *object, const char *what, const char *key, int64 *value);
extern MDL_EXPORT bool mdl_jsonb_bool(Jsonb *object, const char *what, const char *key, bool *value);

extern MDL_EXPORT void mdl_jsonb_require_object(Jsonb *object, const char *what);	/* raises unless it is one, or NULL */

/* An object; NULL if absent. */
extern MDL_EXPORT Jsonb *mdl_jsonb_object(Jsonb *object, const char *what, const char *key);
extern MDL_EXPORT bool mdl_jsonb_is_text(Jsonb *object, const char *key);	/* the key is there and a string */

extern MDL_EXPORT char **mdl_jsonb_keys(Jsonb *object, int *count); /* of an object, without those further in */

/* A string or an array of strings; *count of them. */
extern MDL_EXPORT bool mdl_jsonb_text_list(Jsonb *object, const char *what, const char *key, char ***values, int *count);

/* Raises invalid_parameter_value for a key that is not in `allowed` (NULL-terminated), naming it and the allowed ones. */
extern MDL_EXPORT void mdl_jsonb_check_keys(Jsonb *object, const char *what, const char *const *allowed);

/* ---- jsonb_write.c: members of an object that is being made ---------------------------------------------------- */

extern MDL_EXPORT void mdl_jsonb_push_key(JsonbParseState **state, const char *key);
extern MDL_EXPORT void mdl_jsonb_push_text(JsonbParseState **state, const char *key, const char *text);	/* NULL: no member */
extern MDL_EXPORT void mdl_jsonb_push_number(JsonbParseState **state, const char *key, double number);	/* null if it is not finite */
extern MDL_EXPORT void mdl_jsonb_push_bool(JsonbParseState **state, const char *key, bool flag);
extern MDL_EXPORT void mdl_jsonb_push_object(JsonbParseState **state, const char *key, Jsonb *object);	/* NULL: no member */
extern MDL_EXPORT void mdl_jsonb_push_texts(JsonbParseState **state, const char *key, const char *const *texts, int count);	/* count -1: no member */
extern MDL_EXPORT Jsonb *mdl_jsonb_finish(JsonbParseState **state);	/* ends the object */

/* ---- seconds.c: times as models take them --------------------------------------------------------------------- */

/* Seconds since 1970-01-01 00:00; infinite for infinity. */
extern MDL_EXPORT double mdl_timestamp_seconds(int64 timestamp);
extern MDL_EXPORT double mdl_date_seconds(int32 date);
extern MDL_EXPORT bool mdl_is_time(Oid type);	/* date, timestamp, timestamptz */
extern MDL_EXPORT const char *mdl_seconds_function(Oid type);	/* the SQL function that does it for one of these */

#endif							/* MDL_BASE_H */
