/*
 * job_store.c: the runs of jobs as rows of medallion._job_runs, and what the outcome of a run means for its job.
 *
 * A run is starting (a worker was asked for), running (the worker has said who it is), and then succeeded, failed or
 * lost.  The row is committed before the work begins and settled by the worker itself; if the worker ends without
 * doing so (killed, crash of the server) somebody else finds a running row without its process and calls it lost.
 *
 * When a job runs next:
 *   succeeded  one period after the last due time; periods that passed meanwhile are left out.  By a schedule: its next
 *              time.  By a lag: so that a run twice as long as this one would end before what it keeps is that old, but
 *              not before half of that time has passed;
 *   failed     after one period (by schedule or lag: a minute, or the lag if that is less), doubled with each further
 *              failure, up to an hour (or one period, if that is longer);
 *   lost       after 1 s, 2 s, 4 s, … under the same limit; what has no period is tried four times in all.
 * Times that passed while nothing could run (the server was down, the scheduler off) count as one: it is made up for at once.
 */
#include "worker/worker_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define START_TIMEOUT_MS	60000	/* a run that is starting for longer is lost */
#define PRUNE_EVERY			32	/* runs between two looks at how many are kept */

#define ACTIVE	"state IN ('starting', 'running')"
#define NOW		"pg_catalog.clock_timestamp()"
#define DOUBLED	"pg_catalog.power(2, LEAST(failures, 20))"
#define LONGEST	"GREATEST(COALESCE(every, '1 hour'), '1 hour')"

/* $2: when the run began. */
static const char *const plan_after_success =
	"UPDATE medallion._jobs SET failures = 0, next_run = CASE"
	" WHEN is_lag THEN GREATEST($2 + GREATEST(every - 2 * (" NOW " - $2), every / 2), " NOW ")"
	" WHEN next_run > " NOW " THEN next_run"
	" WHEN schedule IS NOT NULL THEN medallion.next_run(schedule, time_zone, " NOW ")"
	" WHEN every IS NULL THEN NULL"
	" WHEN next_run + every > " NOW " THEN next_run + every"
	" ELSE " NOW " + every END WHERE id = $1";

static const char *const plan_after_failure =
	"UPDATE medallion._jobs SET failures = failures + 1, next_run = CASE"
	" WHEN is_lag OR schedule IS NOT NULL THEN " NOW " + LEAST(LEAST(every, '1 min') * " DOUBLED ", '1 hour')"
	" WHEN every IS NULL THEN NULL"
	" ELSE GREATEST(next_run, " NOW " + LEAST(every * " DOUBLED ", " LONGEST ")) END WHERE id = $1";

static const char *const plan_after_loss =
	"UPDATE medallion._jobs SET failures = failures + 1, next_run = CASE"
	" WHEN every IS NULL AND schedule IS NULL AND failures >= 3 THEN NULL"
	" ELSE " NOW " + LEAST('1 s'::interval * " DOUBLED ", " LONGEST ") END WHERE id = $1";

bool
mdl_process_is(int pid, TimestampTz backend_start)
{
	int			count = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= count; i++)
	{
		LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);

		if (local != NULL && local->backendStatus.st_procpid == pid)
			return local->backendStatus.st_proc_start_timestamp == backend_start;
	}
	return false;
}

int64
mdl_run_create(int64 job, TimestampTz due_at)
{
	MdlArgs		args = {0};
	MdlUser		user;
	int64		run = 0;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, job);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(due_at), false);
	if (mdl_run("INSERT INTO medallion._job_runs (job_id, state, due_at, started_at)"
				" VALUES ($1, 'starting', $2, " NOW ")"
				" ON CONFLICT (job_id) WHERE " ACTIVE " DO NOTHING RETURNING id", &args, false) == 1)
		run = mdl_field_int8(0, 0);
	mdl_owner_end(&user);
	SPI_finish();
	return run;
}

/*
 * Settles a run that is in one of the active states and plans its job's next run.  Returns false if it was settled
 * before.  Called as the owner, in an SPI connection.
 */
static bool
settle(int64 run, const char *state, const char *sqlstate, const char *error, const char *plan)
{
	MdlArgs		args = {0};
	MdlArgs		job = {0};

	mdl_arg_int8(&args, run);
	mdl_arg_text(&args, state);
	mdl_arg_text(&args, sqlstate);
	mdl_arg_text(&args, error);
	if (mdl_run("UPDATE medallion._job_runs SET state = $2, finished_at = " NOW ", sqlstate = $3, error = $4"
				" WHERE id = $1 AND " ACTIVE " RETURNING job_id, started_at", &args, false) == 0)
		return false;
	mdl_arg_int8(&job, mdl_field_int8(0, 0));
	mdl_arg(&job, TIMESTAMPTZOID, mdl_field(0, 1, NULL), false);
	mdl_run(plan, &job, false);
	if (run % PRUNE_EVERY == 0)
	{
		job.count = 1;
		mdl_arg_int8(&job, mdl_job_history);
		mdl_run("DELETE FROM medallion._job_runs WHERE job_id = $1 AND NOT " ACTIVE " AND id <"
				" (SELECT id FROM medallion._job_runs WHERE job_id = $1 ORDER BY id DESC OFFSET $2 - 1 LIMIT 1)",
				&job, false);
	}
	return true;
}

static bool
settle_as_owner(int64 run, const char *state, const char *sqlstate, const char *error, const char *plan)
{
	MdlUser		user;
	bool		settled;

	SPI_connect();
	mdl_owner_begin(&user);
	settled = settle(run, state, sqlstate, error, plan);
	mdl_owner_end(&user);
	SPI_finish();
	mdl_scheduler_wake_after_commit();
	return settled;
}

void
mdl_run_succeeded(int64 run)
{
	settle_as_owner(run, "succeeded", NULL, NULL, plan_after_success);
}

void
mdl_run_failed(int64 run, int sqlstate, const char *message)
{
	settle_as_owner(run, "failed", unpack_sql_state(sqlstate), message, plan_after_failure);
}

bool
mdl_run_lost(int64 run)
{
	return settle_as_owner(run, "lost", NULL, "the worker ended without a result", plan_after_loss);
}

int
mdl_runs_reap(int64 only_job)
{
	TimestampTz now = GetCurrentTimestamp();
	MdlArgs		args = {0};
	MdlUser		user;
	uint64		count;
	int64	   *dead;
	int			deaths = 0;
	int			reaped = 0;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, only_job);
	count = mdl_run("SELECT id, pid, backend_start, started_at FROM medallion._job_runs"
					" WHERE " ACTIVE " AND ($1 = 0 OR job_id = $1) ORDER BY id", &args, false);
	dead = palloc(sizeof(int64) * Max(count, 1));
	/* The list of processes is kept for a transaction: one from before a run began would make it look dead. */
	pgstat_clear_backend_activity_snapshot();
	for (uint64 i = 0; i < count; i++)
	{
		bool		no_pid;
		int			pid = DatumGetInt32(mdl_field(i, 1, &no_pid));

		if (no_pid ? TimestampDifferenceExceeds(DatumGetTimestampTz(mdl_field(i, 3, NULL)), now, START_TIMEOUT_MS)
			: !mdl_process_is(pid, DatumGetTimestampTz(mdl_field(i, 2, NULL))))
			dead[deaths++] = mdl_field_int8(i, 0);
	}
	/* Each statement has a snapshot of its own: one that settled itself between the two looks is left alone. */
	for (int i = 0; i < deaths; i++)
		reaped += settle(dead[i], "lost", NULL, "the worker ended without a result", plan_after_loss);
	mdl_owner_end(&user);
	SPI_finish();
	return reaped;
}

List *
mdl_runs_due(int limit)
{
	MemoryContext caller = CurrentMemoryContext;
	MdlArgs		args = {0};
	MdlUser		user;
	List	   *runs = NIL;
	uint64		count;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, limit);
	count = mdl_run("WITH due AS (SELECT * FROM medallion._jobs j WHERE NOT paused AND next_run <= " NOW
					" AND NOT EXISTS (SELECT FROM medallion._job_runs WHERE job_id = j.id AND " ACTIVE ")"
					" ORDER BY next_run, id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED),"
					" made AS (INSERT INTO medallion._job_runs (job_id, state, due_at, started_at)"
					" SELECT id, 'starting', next_run, " NOW " FROM due RETURNING id, job_id)"
					" SELECT m.id, m.job_id, d.kind, d.name, d.owner, d.owner_id, d.home, c.relowner"
					" FROM made m JOIN due d ON d.id = m.job_id LEFT JOIN pg_catalog.pg_class c ON c.oid = d.target"
					" ORDER BY d.next_run, d.id", &args, false);
	mdl_owner_end(&user);
	for (uint64 i = 0; i < count; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);
		DueRun	   *run = palloc0(sizeof(DueRun));
		bool		no_target;
		Datum		table_owner;

		run->run = mdl_field_int8(i, 0);
		run->job = mdl_field_int8(i, 1);
		run->kind = mdl_field_text(i, 2);
		run->name = mdl_field_text(i, 3);
		run->owner_name = mdl_field_text(i, 4);
		run->owner = mdl_job_owner_oid(run->owner_name, DatumGetObjectId(mdl_field(i, 5, NULL)), mdl_field_text(i, 6));
		table_owner = mdl_field(i, 7, &no_target);
		if (!no_target)
			run->owner = DatumGetObjectId(table_owner);
		runs = lappend(runs, run);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return runs;
}

TimestampTz
mdl_next_due(void)
{
	MdlUser		user;
	TimestampTz next;
	bool		is_null;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("SELECT min(next_run) FROM medallion._jobs j WHERE NOT paused"
			" AND NOT EXISTS (SELECT FROM medallion._job_runs WHERE job_id = j.id AND " ACTIVE ")", NULL, false);
	next = DatumGetTimestampTz(mdl_field(0, 0, &is_null));
	mdl_owner_end(&user);
	SPI_finish();
	return is_null ? DT_NOEND : next;
}

bool
mdl_run_begin(int64 run, int64 *job)
{
	MdlArgs		args = {0};
	MdlUser		user;
	bool		begun;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, run);
	mdl_arg(&args, INT4OID, Int32GetDatum(MyProcPid), false);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(MyStartTimestamp), false);
	begun = mdl_run("UPDATE medallion._job_runs SET state = 'running', pid = $2, backend_start = $3, started_at = " NOW
					" WHERE id = $1 AND state = 'starting' RETURNING job_id", &args, false) == 1;
	if (begun)
		*job = mdl_field_int8(0, 0);
	mdl_owner_end(&user);
	SPI_finish();
	return begun;
}

void
mdl_run_take_back(int64 run, int seconds)
{
	MdlArgs		args = {0};
	MdlUser		user;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, run);
	mdl_arg_int8(&args, seconds);
	mdl_run("WITH gone AS (DELETE FROM medallion._job_runs WHERE id = $1 AND state = 'starting' RETURNING job_id)"
			" UPDATE medallion._jobs SET next_run = GREATEST(next_run, " NOW " + '1 s'::interval * $2)"
			" WHERE id IN (SELECT job_id FROM gone)", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
}
