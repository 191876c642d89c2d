/*
 * retention.c: pruning by the scheduler.
 *
 * Where a table has a retention, or the setting medallion.history_retention gives one, the scheduler keeps a job
 * 'retention' of kind 'retention' that prunes all histories that have one.  It runs as the owner of the extension, who
 * owns the histories and the log, and runs nobody's code; what is to be kept is what the owners of the tables have set.
 *
 * Each horizon is published in a transaction of its own, and rows are deleted in small ones, so that nothing is held for
 * long.  A run that is stopped leaves rows below a horizon, which the next one deletes.  An error with one table does not
 * keep the others from being pruned; the run has failed then, and the job backs off.
 */
#include "versioning/commits_int.h"
#include "versioning/retention_int.h"

#include "access/xact.h"
#include "base/background.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define RETENTION_JOB			"retention"
#define TICK_MILLISECONDS		5000

/* Of the shortest retention; and its bounds, in seconds. */
#define RUNS_PER_RETENTION		10
#define SHORTEST_EVERY			1
#define LONGEST_EVERY			3600

/* Deleted in one transaction: 16 MB of a history, and so many rows of the log. */
#define BATCH_BLOCKS			2048
#define BATCH_ROWS				20000

/* ---- the job exists while there is a retention ---------------------------------------------------------------------- */

/* Seconds between two runs; 0 if nothing is to be pruned ever.  Opens no table, since a tick must not wait. */
static int64
wanted_every(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		shortest = -1;
	uint64		count = mdl_run("SELECT history_table, retain FROM medallion_history.versioned_tables", NULL, true);

	for (uint64 i = 0; i < count; i++)
	{
		MdlKept		kept = {0};
		bool		is_null;
		Datum		retain = mdl_field(i, 1, &is_null);
		TimestampTz cutoff;
		int64		seconds;

		kept.retain = is_null ? NULL : DatumGetIntervalP(retain);
		if (!OidIsValid(mdl_history_relation(mdl_field_text(i, 0), true)) || !mdl_kept_cutoff(&kept, &cutoff))
			continue;
		seconds = Max((now - cutoff) / USECS_PER_SEC, 0);
		shortest = shortest < 0 ? seconds : Min(shortest, seconds);
	}
	if (shortest < 0)
		return 0;
	return Max(Min(shortest / RUNS_PER_RETENTION, LONGEST_EVERY), SHORTEST_EVERY);
}

/* Makes, changes or drops the job. */
static void
retention_tick(void)
{
	MdlArgs		args = {0};
	Interval	every = {0};
	int64		seconds;
	int64		id = 0;
	bool		same = false;

	if (!OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)) || mdl_clock_restored())
		return;
	SPI_connect();
	seconds = wanted_every();
	every.time = seconds * USECS_PER_SEC;
	mdl_arg(&args, INTERVALOID, IntervalPGetDatum(&every), false);
	if (mdl_run("SELECT id, every OPERATOR(pg_catalog.=) $1 FROM medallion._jobs"
				" WHERE kind OPERATOR(pg_catalog.=) '" RETENTION_JOB "'", &args, true) > 0)
	{
		id = mdl_field_int8(0, 0);
		same = DatumGetBool(mdl_field(0, 1, NULL));
	}
	if (id > 0 && seconds > 0 && !same)
		mdl_run("UPDATE medallion._jobs SET every = $1, next_run = LEAST(next_run, pg_catalog.now() OPERATOR(pg_catalog.+) $1)"
				" WHERE kind OPERATOR(pg_catalog.=) '" RETENTION_JOB "'", &args, false);
	SPI_finish();
	if (id > 0 && seconds == 0)
		mdl_job_drop(id);
	else if (id == 0 && seconds > 0)
		mdl_job_create(RETENTION_JOB, RETENTION_JOB, NULL, &every, DT_NOBEGIN);
	else if (id > 0 && !same)
		mdl_scheduler_wake_after_commit();
}

/* ---- a run ---------------------------------------------------------------------------------------------------------- */

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	CHECK_FOR_INTERRUPTS();
}

/*
 * The same for deciding what is to be pruned: the snapshot is as new as the lock.  False while somebody tags or pins: to
 * wait for the end of that transaction would make others wait that want to tag; the next run will do.
 */
static bool
begin_pruning(void)
{
	begin();
	if (!mdl_prune_lock(false))
	{
		commit();
		return false;
	}
	(void) mdl_commit_wait();
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

/* The numbers of the histories that have a retention. */
static List *
tables_to_prune(MemoryContext context)
{
	List	   *result = NIL;
	ListCell   *cell;

	begin();
	foreach(cell, mdl_kept_histories())
	{
		MdlKept    *kept = lfirst(cell);
		TimestampTz cutoff;
		MemoryContext saved;

		if (!mdl_kept_cutoff(kept, &cutoff))
			continue;
		saved = MemoryContextSwitchTo(context);
		result = lappend_int(result, kept->table_id);
		MemoryContextSwitchTo(saved);
	}
	commit();
	return result;
}

/* Publishes the horizon of one history; NULL if it has none any more.  The plan is made in `context`. */
static MdlPrunePlan *
plan_table(int32 table_id, MemoryContext context)
{
	MdlPrunePlan *plan = NULL;
	MemoryContext saved;
	List	   *histories;
	ListCell   *cell;

	if (!begin_pruning())
		return NULL;
	saved = MemoryContextSwitchTo(context);
	histories = mdl_kept_histories();
	foreach(cell, histories)
	{
		MdlKept    *kept = lfirst(cell);
		TimestampTz cutoff;

		if (kept->table_id == table_id && mdl_kept_cutoff(kept, &cutoff))
			plan = mdl_prune_plan(kept, cutoff, false, false);
	}
	MemoryContextSwitchTo(saved);
	commit();
	return plan;
}

static void
prune_table(int32 table_id, MemoryContext context)
{
	MdlPrunePlan *plan = plan_table(table_id, context);
	bool		more;
	int64		count;

	if (plan == NULL)
		return;
	do
	{
		begin();
		more = mdl_prune_some(plan, BATCH_BLOCKS, false);
		commit();
		begin();
		mdl_prune_refresh_index(plan);
		commit();
		mdl_progress_update(plan->rows);
	} while (more);
	do
	{
		begin();
		count = mdl_prune_changes(plan->table_id, plan->readable_from, BATCH_ROWS);
		commit();
	} while (count == BATCH_ROWS);
	if (plan->rows > 0)
		ereport(LOG,
				(errmsg("history of versioned table \"%s\" pruned up to version " INT64_FORMAT ": " INT64_FORMAT " rows removed",
						plan->name, plan->readable_from, plan->rows)));
}

static void
prune_log(void)
{
	int64		low;
	int64		count;

	if (!begin_pruning())
		return;
	mdl_prune_log_plan();
	commit();
	begin();
	low = mdl_prune_log_low();
	commit();
	do
	{
		begin();
		count = mdl_prune_log(low, BATCH_ROWS);
		commit();
	} while (count == BATCH_ROWS);
}

/* Prunes one history (or the log, number 0); returns the error that there was, in `context`. */
static ErrorData *
try_prune(int32 table_id, MemoryContext context)
{
	MemoryContext work = AllocSetContextCreate(context, "medallion retention", ALLOCSET_DEFAULT_SIZES);
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		if (table_id == MDL_LOG_HORIZON)
			prune_log();
		else
			prune_table(table_id, work);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		/* Told to stop: no other table is tried. */
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextDelete(work);
	return error;
}

/* The function of the job: see MdlTaskFunction. */
void
mdl_retention_job(const char *job)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "medallion retention job", ALLOCSET_DEFAULT_SIZES);
	List	   *tables = tables_to_prune(context);
	ErrorData  *first_error = NULL;
	ListCell   *cell;

	mdl_progress_begin("retention", "history");
	mdl_progress_phase("prune", -1);
	MemoryContextSwitchTo(context);
	tables = lappend_int(tables, MDL_LOG_HORIZON);
	foreach(cell, tables)
	{
		ErrorData  *error = try_prune(lfirst_int(cell), context);

		if (error != NULL && first_error == NULL)
			first_error = error;
		else if (error != NULL)
			ereport(LOG,
					(errmsg("history of versioned table %d could not be pruned: %s", lfirst_int(cell), error->message)));
	}
	mdl_progress_end();
	if (first_error != NULL)
		ReThrowError(first_error);
	MemoryContextDelete(context);
}

void
mdl_retention_init(void)
{
	mdl_job_kind_register(RETENTION_JOB, MDL_LIBRARY_CORE, "mdl_retention_job");
	mdl_scheduler_tick_register("history retention", retention_tick, TICK_MILLISECONDS);
}
