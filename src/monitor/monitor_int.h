/*
 * monitor_int.h: what the files of this folder share.
 *
 * Words: a *window* is [start, end) in the time of the source's column `at`, one of a row of windows of one size that
 * begins on 1 January 2001, a Monday, in the monitor's time zone; so windows of hours, days, weeks and months begin
 * where one expects.  A monitor without `at` has one window per run, of no length, with all rows.
 */
#ifndef MDL_MONITOR_INT_H
#define MDL_MONITOR_INT_H

#include "base/background.h"
#include "ml/drift.h"
#include "access/tupdesc.h"
#include "nodes/params.h"
#include "nodes/pg_list.h"
#include "registry/registry.h"
#include "utils/timestamp.h"

typedef struct MdlMonitor
{
	int64		id;
	char	   *name;
	int64		job_id;
	char	   *model;			/* a reference, or NULL */
	char	   *source;
	bytea	   *baseline;		/* of a reference, or NULL */
	char	   *at;				/* column, or NULL */
	Interval   *window_size;	/* NULL without at */
	char	   *time_zone;
	int			n_columns;
	char	  **columns;
	bool		every_column;
	Jsonb	   *thresholds;
	int			min_rows;
	Interval   *lateness;
	bool		has_start;
	TimestampTz start_at;
	TimestampTz created_at;
} MdlMonitor;

typedef struct MdlMonitorResult
{
	int64		windows;		/* computed in this run */
	int64		rows;			/* in them */
	int64		drifted;
	int64		insufficient;
	int64		alerts;			/* raised in this run */
} MdlMonitorResult;

/* ---- monitor_store.c: the tables.  Called as anybody, outside SPI ---------------------------------------------- */

/*
 * Reads and locks a monitor until the transaction ends; undefined_object with a hint if there is none.  With
 * skip_locked NULL if there is none or somebody else has it locked.
 */
extern MdlMonitor *mdl_monitor_read(const char *name, bool skip_locked);
extern char *mdl_monitor_of_job(int64 job);	/* its name, NULL if there is none */

/* Inserts the monitor (without id) and the description of its reference; returns its id.  duplicate_object. */
extern int64 mdl_monitor_insert(const MdlMonitor *monitor, const char *reference);
extern void mdl_monitor_delete(const MdlMonitor *monitor);

/* The last window that is recorded; false if there is none. */
extern bool mdl_monitor_last_window(int64 monitor, TimestampTz *start);

/* The rows that were counted in the window when it was recorded, with which version of the model (0: none); -1 if it is not. */
extern int64 mdl_monitor_recorded_rows(int64 monitor, TimestampTz start, TimestampTz end, int *version);

typedef struct MdlStatistic
{
	const char *column;
	const char *statistic;
	double		value;			/* NaN: insufficient data */
	double		threshold;		/* NaN: informative only */
	double		reference;		/* NaN: none */
	double		excess;			/* what is judged, as a multiple of the threshold */
	bool		drifted;
} MdlStatistic;

/* Replaces what is recorded of a window; raises alerts for columns that have none yet.  Returns how many. */
extern int64 mdl_monitor_record(const MdlMonitor *monitor, int version, TimestampTz start, TimestampTz end, int64 rows,
								const char *state, const MdlStatistic *statistics, int n_statistics);

/* ---- monitor_baseline.c ---------------------------------------------------------------------------------------- */

/*
 * The baseline that a monitor compares with, now, in `memory`: that of the version which its model's reference means
 * (*found, zeroed without a model), or the stored one.  Raises an error when the version has none.
 */
extern ml_baseline *mdl_monitor_baseline(const char *model, bytea *stored, MemoryContext memory, MdlModelVersion *found);

/* The version's model, decoded, in `memory`. */
extern ml_model *mdl_monitor_model(const MdlModelVersion *version, MemoryContext memory);

/* Makes a baseline of all columns of a source, or of those given; from a sample of at most ML_DRIFT_SAMPLE rows. */
extern bytea *mdl_monitor_make_baseline(const char *reference, List *columns, const char *at);

/* ---- monitor_source.c ------------------------------------------------------------------------------------------ */

/* A column of a source, as it is read. */
typedef struct MdlSourceColumn
{
	char	   *name;
	ml_kind		kind;
	char	   *expression;		/* SQL over the FROM item "source": float8 or text */
} MdlSourceColumn;

/* The row type of a source, in the current context; checks the privileges. */
extern TupleDesc mdl_source_describe(const char *source);

/* Whether columns of the type can be compared, and as what. */
extern bool mdl_source_kind(Oid type, ml_kind *kind);

/*
 * Finds a column for a baseline's column of a kind (0: of any kind that can be compared); errors name what is missing or
 * does not fit.
 */
extern void mdl_source_find(TupleDesc desc, const char *source, const char *name, ml_kind kind, MdlSourceColumn *column);

/* Raises an error unless the column exists and is of a type of time. */
extern void mdl_source_check_at(TupleDesc desc, const char *source, const char *at);

/*
 * Runs a query, as the current user and in parallel where it can be, and calls `row` for each row of its result, in a
 * memory context that is reset now and then.  params may be NULL.
 */
typedef void (*MdlRowFunction) (void *state, const Datum *values, const bool *nulls);
extern uint64 mdl_source_scan(const char *query, ParamListInfo params, MdlRowFunction row, void *state);

/* ---- monitor_compare.c ----------------------------------------------------------------------------------------- */

/*
 * What is compared, and how rows of the source are read for it.  *Columns* are those compared, *inputs* those read.
 * They are the same but for the prediction, which is computed from the inputs that the model takes.
 */
typedef struct MdlComparison
{
	ml_baseline *baseline;
	MdlModelVersion version;	/* zeroed without a model */
	const char *what;			/* for messages: model "delay/3", the reference */
	int			n_columns;
	char	  **columns;
	int		   *places;			/* (n_columns) in the baseline */
	int			n_inputs;
	MdlSourceColumn *inputs;
	int		   *input_places;	/* (n_inputs) in the baseline, -1: only for the prediction */

	int			prediction;		/* its place in the baseline, -1: it is not compared */
	ml_model   *model;
	int		   *model_inputs;	/* (columns of the model) which input */
	ml_values  *values;			/* (columns of the model), one row */
	double	   *numbers;		/* (n_inputs) … */
	ml_text    *texts;
	unsigned char *nulls;
	double	   *out;			/* (n_out) */
	int			n_out;
} MdlComparison;

/*
 * Finds everything; errors name what is missing or does not fit.  given NULL: all columns of the baseline, and the
 * prediction if the baseline has it.
 */
extern void mdl_compare_prepare(MdlComparison *comparison, const char *model, bytea *stored, const char *source,
								char *const *given, int n_given);

/* "a, b": the expressions of the inputs over the FROM item "source". */
extern char *mdl_compare_expressions(const MdlComparison *comparison);

/* Counts one row, whose inputs are given in order. */
extern void mdl_compare_row(const MdlComparison *comparison, ml_drift_window *window, const Datum *values, const bool *nulls);

/* ---- monitor_windows.c ----------------------------------------------------------------------------------------- */

/* Start of window number k, and the number of the window that holds a time.  Time zone must be the monitor's. */
extern TimestampTz mdl_window_start(const MdlMonitor *monitor, int64 k);
extern int64 mdl_window_number(const MdlMonitor *monitor, TimestampTz time);
extern void mdl_window_check_size(const Interval *size);

/* ---- monitor_statistics.c -------------------------------------------------------------------------------------- */

#define MDL_MAX_STATISTICS	12	/* of one column */

/* The thresholds of all statistics that have one, from those given and the defaults; an error names an unknown key. */
extern Jsonb *mdl_monitor_thresholds(Jsonb *given);

/* Judges a column of a counted window; returns the number of statistics (MDL_MAX_STATISTICS at most). */
extern int	mdl_monitor_judge(const MdlMonitor *monitor, const ml_drift_window *window, int column, const char *name,
							  ml_kind kind, MdlStatistic *statistics);

/* ---- monitor_run.c --------------------------------------------------------------------------------------------- */

/* Checks what is to be checked, as the monitor's owner, whose privileges the current user must have. */
extern void mdl_monitor_run(const MdlMonitor *monitor, MdlMonitorResult *result);

/* Raises insufficient_privilege unless the current user may act as the monitor's owner, which it returns. */
extern Oid	mdl_monitor_check_owner(const MdlMonitor *monitor);

extern MDL_EXPORT void mdl_monitor_job(const char *job);

#endif							/* MDL_MONITOR_INT_H */
