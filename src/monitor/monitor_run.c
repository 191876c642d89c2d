/*
 * monitor_run.c: one run of a monitor: which windows are due, counting them in one pass, recording them.
 *
 * A window is due when it has ended by the clock.  Windows are recorded from the first row's on, empty ones in between
 * too; behind the last row only those that began after the monitor was made: a source that falls silent shows, one
 * with data of long ago does not get years of nothing.  The last recorded window, and those that ended
 * within `lateness` before it, are looked at again and computed anew when their number of rows has changed.
 *
 * One transaction does it all, so a run that fails leaves nothing and the next one starts where this one did.
 */
#include "monitor/monitor_int.h"

#include "access/xact.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define WINDOW_MEMORY	(64 * 1024 * 1024)	/* for the windows counted in one pass */
#define COLUMN_MEMORY	(32 * 1024)			/* that a column of a window takes, about */
#define NO_WINDOW		PG_INT64_MIN

typedef struct Run
{
	const MdlMonitor *monitor;
	MdlMonitorResult *result;
	MemoryContext memory;		/* of one pass */
	MdlComparison comparison;
	char	   *from;

	/* one pass */
	int			n_windows;
	TimestampTz *bounds;		/* (n_windows + 1) */
	ml_drift_window **windows;	/* (n_windows) */
	int64	   *rows;			/* (n_windows) */
} Run;

/* ---- counting -------------------------------------------------------------------------------------------------- */

static Datum
array_of_times(const TimestampTz *times, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
		elements[i] = TimestampTzGetDatum(times[i]);
	return PointerGetDatum(construct_array(elements, count, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

static void
set_param(ParamListInfo params, int number, Oid type, Datum value)
{
	params->params[number] = (ParamExternData) {.value = value, .pflags = PARAM_FLAG_CONST, .ptype = type};
}

/* $1: the bounds, $2 and $3: the first and the last of them. */
static ParamListInfo
window_params(const Run *run)
{
	ParamListInfo params = makeParamList(3);

	set_param(params, 0, TIMESTAMPTZARRAYOID, array_of_times(run->bounds, run->n_windows + 1));
	set_param(params, 1, TIMESTAMPTZOID, TimestampTzGetDatum(run->bounds[0]));
	set_param(params, 2, TIMESTAMPTZOID, TimestampTzGetDatum(run->bounds[run->n_windows]));
	return params;
}

static void
append_condition(StringInfo query, const Run *run)
{
	const char *at = quote_identifier(run->monitor->at);

	appendStringInfo(query, " FROM %s AS source WHERE source.%s OPERATOR(pg_catalog.>=) $2 AND source.%s OPERATOR(pg_catalog.<) $3",
					 run->from, at, at);
}

static void
append_bucket(StringInfo query, const Run *run)
{
	appendStringInfo(query, "SELECT pg_catalog.width_bucket(source.%s::pg_catalog.timestamptz, $1)", quote_identifier(run->monitor->at));
}

static void
add_row(void *state, const Datum *values, const bool *nulls)
{
	Run		   *run = state;
	int			w = 0;

	if (run->monitor->at != NULL)
	{
		w = DatumGetInt32(values[0]) - 1;
		values++;
		nulls++;
	}
	run->rows[w]++;
	mdl_compare_row(&run->comparison, run->windows[w], values, nulls);
}

static void
scan_windows(Run *run)
{
	StringInfoData query;
	char	   *expressions = mdl_compare_expressions(&run->comparison);

	initStringInfo(&query);
	if (run->monitor->at != NULL)
	{
		append_bucket(&query, run);
		appendStringInfo(&query, ", %s", expressions);
		append_condition(&query, run);
	}
	else
		appendStringInfo(&query, "SELECT %s FROM %s AS source", expressions, run->from);
	mdl_progress_phase("scan", -1);
	mdl_source_scan(query.data, run->monitor->at ? window_params(run) : NULL, add_row, run);
}

static void
record_window(Run *run, int w)
{
	const MdlComparison *comparison = &run->comparison;
	MdlStatistic *statistics = palloc(sizeof(MdlStatistic) * MDL_MAX_STATISTICS * Max(comparison->n_columns, 1));
	int			count = 0;
	bool		drifted = false;
	bool		enough = run->rows[w] >= run->monitor->min_rows;

	for (int i = 0; i < comparison->n_columns; i++)
		count += mdl_monitor_judge(run->monitor, run->windows[w], comparison->places[i], comparison->columns[i],
								   ml_baseline_column_kind(comparison->baseline, comparison->places[i]), statistics + count);
	for (int i = 0; i < count; i++)
		drifted |= statistics[i].drifted;
	run->result->windows++;
	run->result->rows += run->rows[w];
	run->result->drifted += drifted;
	run->result->insufficient += !enough;
	run->result->alerts += mdl_monitor_record(run->monitor, comparison->version.version, run->bounds[w],
											  run->bounds[w + 1], run->rows[w], drifted ? "drifted" : enough ? "ok" : "insufficient_data",
											  statistics, count);
	pfree(statistics);
}

/* Counts and records the windows whose bounds are set. */
static void
compute(Run *run)
{
	ml_ctx		ctx = mdl_memory_ctx(run->memory);
	ml_error	err = {0};

	run->windows = palloc(sizeof(ml_drift_window *) * run->n_windows);
	run->rows = palloc0(sizeof(int64) * run->n_windows);
	for (int w = 0; w < run->n_windows; w++)
	{
		ml_status	status = ml_drift_window_new(&ctx, run->comparison.baseline, &run->windows[w], &err);

		if (status != ML_OK)
			mdl_ml_fail(status, &err, psprintf("monitor \"%s\"", run->monitor->name));
	}
	scan_windows(run);
	for (int w = 0; w < run->n_windows; w++)
	{
		CHECK_FOR_INTERRUPTS();
		record_window(run, w);
	}
}

static void
set_bounds(Run *run, int64 first, int64 last)
{
	run->n_windows = (int) (last - first + 1);
	run->bounds = palloc(sizeof(TimestampTz) * (run->n_windows + 1));
	for (int i = 0; i <= run->n_windows; i++)
		run->bounds[i] = mdl_window_start(run->monitor, first + i);
}

/* Computes windows first to last, in passes that fit into memory. */
static void
compute_range(Run *run, int64 first, int64 last)
{
	int			at_once = Max(WINDOW_MEMORY / (COLUMN_MEMORY * Max(ml_baseline_n_columns(run->comparison.baseline), 1)), 1);

	for (int64 k = first; k <= last; k += at_once)
	{
		MemoryContext old = MemoryContextSwitchTo(run->memory);

		set_bounds(run, k, Min(k + at_once - 1, last));
		compute(run);
		MemoryContextSwitchTo(old);
		MemoryContextReset(run->memory);
	}
}

/* ---- which windows --------------------------------------------------------------------------------------------- */

static void
count_row(void *state, const Datum *values, const bool *nulls)
{
	Run		   *run = state;

	run->rows[DatumGetInt32(values[0]) - 1] = DatumGetInt64(values[1]);
}

/* Computes those windows anew whose number of rows is not the one recorded. */
static void
recheck_range(Run *run, int64 first, int64 last)
{
	StringInfoData query;
	int64	   *rows;

	set_bounds(run, first, last);
	run->rows = rows = palloc0(sizeof(int64) * run->n_windows);
	initStringInfo(&query);
	append_bucket(&query, run);
	appendStringInfoString(&query, ", pg_catalog.count(*)");
	append_condition(&query, run);
	appendStringInfoString(&query, " GROUP BY 1");
	mdl_progress_phase("recheck", -1);
	mdl_source_scan(query.data, window_params(run), count_row, run);
	for (int64 k = first; k <= last; k++)
	{
		int			version;

		if (mdl_monitor_recorded_rows(run->monitor->id, mdl_window_start(run->monitor, k), mdl_window_start(run->monitor, k + 1),
									  &version) != rows[k - first])
			compute_range(run, k, k);
	}
}

typedef struct TimeRange
{
	bool		any;
	TimestampTz least;
	TimestampTz greatest;
} TimeRange;

static void
note_range(void *state, const Datum *values, const bool *nulls)
{
	TimeRange  *range = state;

	if (nulls[0])
		return;
	range->any = true;
	range->least = DatumGetTimestampTz(values[0]);
	range->greatest = DatumGetTimestampTz(values[1]);
}

/* The least and greatest finite time in the source, from a time on if one is given. */
static TimeRange
range_of_data(const Run *run, const TimestampTz *since)
{
	TimeRange	range = {0};
	const char *at = quote_identifier(run->monitor->at);
	ParamListInfo params = makeParamList(1);
	char	   *query = psprintf("SELECT pg_catalog.min(source.%s)::pg_catalog.timestamptz, pg_catalog.max(source.%s)::pg_catalog.timestamptz"
								 " FROM %s AS source WHERE source.%s OPERATOR(pg_catalog.%s) $1 AND source.%s OPERATOR(pg_catalog.<) 'infinity'",
								 at, at, run->from, at, since ? ">=" : ">", at);

	set_param(params, 0, TIMESTAMPTZOID, TimestampTzGetDatum(since ? *since : DT_NOBEGIN));
	mdl_source_scan(query, params, note_range, &range);
	return range;
}

static TimestampTz
minus(TimestampTz time, Interval *distance)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(time), IntervalPGetDatum(distance)));
}

static void
run_windows(Run *run)
{
	const MdlMonitor *monitor = run->monitor;
	int64		ended = mdl_window_number(monitor, GetCurrentTimestamp()) - 1;
	int64		of_monitor = mdl_window_number(monitor, monitor->created_at) + 1;	/* first that began after it was made */
	int64		first = NO_WINDOW,
				last_with_data = NO_WINDOW;
	TimestampTz recorded;
	TimestampTz since;
	bool		any_recorded = mdl_monitor_last_window(monitor->id, &recorded);
	TimeRange	data;

	if (mdl_window_start(monitor, of_monitor - 1) == monitor->created_at)
		of_monitor--;
	if (any_recorded)
	{
		int64		last = mdl_window_number(monitor, recorded);

		since = mdl_window_start(monitor, mdl_window_number(monitor, minus(recorded, monitor->lateness)));
		first = last + 1;
		recheck_range(run, Max(mdl_window_number(monitor, since),
							   monitor->has_start ? mdl_window_number(monitor, monitor->start_at) : NO_WINDOW), last);
		since = mdl_window_start(monitor, first);
	}
	else if (monitor->has_start)
	{
		since = mdl_window_start(monitor, mdl_window_number(monitor, monitor->start_at));
		first = mdl_window_number(monitor, since);
	}
	data = range_of_data(run, first == NO_WINDOW ? NULL : &since);
	if (data.any)
	{
		last_with_data = mdl_window_number(monitor, data.greatest);
		if (!any_recorded)
			first = mdl_window_number(monitor, data.least);
	}
	else if (!any_recorded)
		first = of_monitor;		/* nothing yet */
	if (last_with_data != NO_WINDOW)
		compute_range(run, first, Min(last_with_data, ended));
	compute_range(run, Max(Max(first, of_monitor), last_with_data + (last_with_data != NO_WINDOW)), ended);
}

static void
run_snapshot(Run *run)
{
	TimestampTz now = GetCurrentTimestamp();

	run->n_windows = 1;
	run->bounds = palloc(sizeof(TimestampTz) * 2);
	run->bounds[0] = run->bounds[1] = now;
	compute(run);
}

/* ---- the run --------------------------------------------------------------------------------------------------- */

Oid
mdl_monitor_check_owner(const MdlMonitor *monitor)
{
	MdlJob		job;

	if (!mdl_job_read(monitor->job_id, &job))
		elog(ERROR, "monitor \"%s\" has no job", monitor->name);
	if (!OidIsValid(job.owner) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", the owner of monitor \"%s\", does not exist", job.owner_name, monitor->name)));
	if (OidIsValid(job.owner) && !has_privs_of_role(GetUserId(), job.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for monitor \"%s\"", monitor->name),
				 errdetail("It is owned by role \"%s\".", job.owner_name)));
	return job.owner;
}

void
mdl_monitor_run(const MdlMonitor *monitor, MdlMonitorResult *result)
{
	Oid			owner = mdl_monitor_check_owner(monitor);
	Run			run = {.monitor = monitor, .result = result};
	Oid			user;
	int			security;
	int			settings = NewGUCNestLevel();

	memset(result, 0, sizeof(*result));
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the owner of monitor \"%s\" does not exist", monitor->name)));
	/* The source may call functions of the owner's: they must not get more rights than the owner has. */
	GetUserIdAndSecContext(&user, &security);
	if (user != owner)
		SetUserIdAndSecContext(owner, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	(void) set_config_option("TimeZone", monitor->time_zone, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);

	mdl_progress_begin("monitor", monitor->name);
	run.memory = AllocSetContextCreate(CurrentMemoryContext, "medallion windows", ALLOCSET_DEFAULT_SIZES);
	run.from = mdl_source_from(monitor->source, NULL);
	mdl_compare_prepare(&run.comparison, monitor->model, monitor->baseline, monitor->source,
						monitor->every_column ? NULL : monitor->columns, monitor->n_columns);
	if (monitor->at != NULL)
		mdl_source_check_at(mdl_source_describe(monitor->source), monitor->source, monitor->at);
	if (monitor->at != NULL)
		run_windows(&run);
	else
		run_snapshot(&run);
	mdl_progress_end();

	AtEOXact_GUC(true, settings);
	SetUserIdAndSecContext(user, security);
}

/* The job kind 'monitor'. */
void
mdl_monitor_job(const char *job)
{
	MdlMonitorResult result;
	MdlMonitor *monitor = NULL;
	char	   *name;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	name = mdl_monitor_of_job(pg_strtoint64(job));
	/* Whoever has it locked runs or drops it; waiting would keep a worker from other jobs. */
	if (name != NULL)
		monitor = mdl_monitor_read(name, true);
	if (monitor != NULL)
		mdl_monitor_run(monitor, &result);
	PopActiveSnapshot();
	CommitTransactionCommand();
}
