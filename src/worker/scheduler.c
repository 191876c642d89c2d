/*
 * scheduler.c: one process per database that starts due jobs, settles runs whose worker died, and calls the ticks.
 *
 * It holds no transaction while it waits, and asks once a second whether somebody waits to drop, rename or copy the
 * database (then it could not take the lock that every connection takes at its start): it leaves in time for DROP
 * DATABASE to succeed, and the launcher sends another one later if the database is still there.
 */
#include "worker/worker_int.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define POLL_MS			1000	/* longest sleep: the database lock is tried as often */
#define LOOK_EVERY_MS	5000	/* the jobs, and whether the extension is still there */
#define NO_SLOT_SECONDS 5		/* how long a run waits when no worker slot is free */
#define FIRST_PAUSE_MS	1000	/* after an error, doubled up to */
#define LAST_PAUSE_MS	60000

typedef struct Child
{
	int64		run;
	BackgroundWorkerHandle *handle;
} Child;

static SharedDatabase *own_entry = NULL;
static MemoryContext tick_memory;	/* reset at every turn of the loop */
static List *children = NIL;		/* of Child, in TopMemoryContext */
static int	pause_ms = FIRST_PAUSE_MS;

/* Takes this database's entry; false if another scheduler has it or there is none. */
static bool
take_entry(void)
{
	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MDL_MAX_DATABASES; i++)
	{
		SharedDatabase *entry = &mdl_worker_shared->databases[i];

		if (entry->database == MyDatabaseId && entry->scheduler_proc < 0)
		{
			own_entry = entry;
			entry->scheduler_proc = MyProc->pgprocno;
			entry->started_at = GetCurrentTimestamp();
			break;
		}
	}
	LWLockRelease(mdl_worker_shared->lock);
	return own_entry != NULL;
}

static void
give_entry_back(int code, Datum argument)
{
	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	own_entry->scheduler_proc = -1;
	own_entry->ended_at = GetCurrentTimestamp();
	LWLockRelease(mdl_worker_shared->lock);
	mdl_wake_process(mdl_worker_shared->launcher_proc);
}

static void
set_state(DatabaseState state)
{
	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	own_entry->state = state;
	LWLockRelease(mdl_worker_shared->lock);
}

static uint32
read_changes(void)
{
	uint32		changes;

	LWLockAcquire(mdl_worker_shared->lock, LW_SHARED);
	changes = own_entry->changes;
	LWLockRelease(mdl_worker_shared->lock);
	return changes;
}

/* False when somebody holds or waits for a lock on the database that keeps connections out. */
static bool
database_is_free(void)
{
	LOCKTAG		tag;
	bool		got;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	StartTransactionCommand();
	got = LockAcquire(&tag, RowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
	CommitTransactionCommand();
	return got;
}

static void
begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) mdl_extension_hold();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Logs the error that is being caught and makes the process fit for a new transaction. */
static void
recover(void)
{
	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(TopMemoryContext);
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	LWLockReleaseAll();
	MemoryContextSwitchTo(tick_memory);
	RESUME_INTERRUPTS();
}

static bool
has_ended(const Child *child)
{
	pid_t		pid;

	return GetBackgroundWorkerPid(child->handle, &pid) == BGWH_STOPPED;
}

static bool
any_child_ended(void)
{
	ListCell   *cell;

	foreach(cell, children)
		if (has_ended(lfirst(cell)))
			return true;
	return false;
}

/* Frees the places of workers that have ended and settles runs that they left open. */
static void
bury_children(void)
{
	ListCell   *cell;

	foreach(cell, children)
	{
		Child	   *child = lfirst(cell);

		if (!has_ended(child))
			continue;
		mdl_run_release(child->run);
		begin_transaction();
		mdl_run_lost(child->run);
		end_transaction();
		children = foreach_delete_current(children, cell);
		pfree(child->handle);
		pfree(child);
	}
}

static void
settle_in_transaction(int64 run, ErrorData *error)
{
	begin_transaction();
	if (error == NULL)
		mdl_run_take_back(run, NO_SLOT_SECONDS);
	else
		mdl_run_failed(run, error->sqlerrcode, error->message);
	end_transaction();
}

/* Starts the worker of one run.  Where that cannot be done the run fails, or waits if there was no slot. */
static void
start_run(const DueRun *run)
{
	BackgroundWorkerHandle *volatile handle = NULL;
	ErrorData  *volatile error = NULL;
	static bool told = false;

	if (!mdl_run_claim(run->run, mdl_max_workers))
	{
		settle_in_transaction(run->run, NULL);
		return;
	}
	PG_TRY();
	{
		begin_transaction();
		handle = mdl_run_launch(run, false, true);
		end_transaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(tick_memory);
		error = CopyErrorData();
		recover();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(tick_memory);

	if (handle != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		Child	   *child = palloc(sizeof(Child));

		*child = (Child) {run->run, handle};
		children = lappend(children, child);
		MemoryContextSwitchTo(old);
		told = false;
		return;
	}
	mdl_run_release(run->run);
	if (error == NULL && !told)
	{
		told = true;
		ereport(LOG,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a worker for job " INT64_FORMAT ": all background worker slots are in use", run->job),
				 errhint("Increase max_worker_processes.")));
	}
	settle_in_transaction(run->run, error);
}

/* Whether the database has the extension, of a version that has jobs. */
static bool
extension_is_here(void)
{
	return OidIsValid(get_extension_oid("medallion", true)) &&
		OidIsValid(get_relname_relid("_jobs", get_namespace_oid(MDL_SCHEMA, true)));
}

/* Looks at the jobs.  Returns false when the extension is gone, else sets when the next job is due. */
static bool
look_at_jobs(TimestampTz *next_due)
{
	List	   *runs = NIL;
	ListCell   *cell;
	int			places;

	begin_transaction();
	if (!extension_is_here())
	{
		end_transaction();
		return false;
	}
	set_state(DATABASE_WITH);
	mdl_runs_reap(0);
	end_transaction();
	bury_children();

	places = mdl_max_workers - list_length(children);
	if (places > 0)
	{
		begin_transaction();
		MemoryContextSwitchTo(tick_memory);
		runs = mdl_runs_due(places);
		end_transaction();
		MemoryContextSwitchTo(tick_memory);
		foreach(cell, runs)
			start_run(lfirst(cell));
	}
	begin_transaction();
	*next_due = mdl_next_due();
	end_transaction();
	pgstat_report_stat(true);
	/* With all places taken, what is due waits for a worker's end, of which we are told. */
	if (list_length(runs) >= places)
		*next_due = Max(*next_due, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), POLL_MS));
	return true;
}

/* Calls the registered functions whose time has come, each in a transaction of its own. */
static void
call_ticks(TimestampTz now)
{
	static TimestampTz next_call[MDL_MAX_TICKS];
	const MdlTick *ticks;
	int			count = mdl_scheduler_ticks(&ticks);

	for (int i = 0; i < count; i++)
	{
		MdlUser		user;

		if (now < next_call[i])
			continue;
		next_call[i] = TimestampTzPlusMilliseconds(now, LAST_PAUSE_MS);	/* stands if it fails */
		PG_TRY();
		{
			begin_transaction();
			if (extension_is_here())
			{
				mdl_owner_begin(&user);
				ticks[i].function();
				mdl_owner_end(&user);
			}
			end_transaction();
			next_call[i] = TimestampTzPlusMilliseconds(now, ticks[i].milliseconds);
		}
		PG_CATCH();
		{
			recover();
		}
		PG_END_TRY();
	}
}

/* One look, kept from ending the process by an error.  Returns false when it is time to leave. */
static bool
look_safely(TimestampTz *next_due)
{
	volatile bool stay = true;

	PG_TRY();
	{
		stay = look_at_jobs(next_due);
		pause_ms = FIRST_PAUSE_MS;
	}
	PG_CATCH();
	{
		recover();
		*next_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause_ms);
		pause_ms = Min(pause_ms * 2, LAST_PAUSE_MS);
	}
	PG_END_TRY();
	return stay;
}

static void
set_up_session(Oid database)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	/* The scheduler reads the present, whatever ALTER DATABASE … SET says for sessions. */
	SetConfigOption("medallion.as_of", "", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	/* Somebody who holds a lock on a job's row must not stop all others. */
	SetConfigOption("lock_timeout", "2s", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION);
	tick_memory = AllocSetContextCreate(TopMemoryContext, "medallion scheduler", ALLOCSET_DEFAULT_SIZES);
}

void
mdl_scheduler_main(Datum main_arg)
{
	TimestampTz next_due = 0;
	TimestampTz last_look = 0;
	uint32		seen_changes;

	set_up_session(DatumGetObjectId(main_arg));
	if (!take_entry())
		proc_exit(0);
	before_shmem_exit(give_entry_back, (Datum) 0);
	seen_changes = read_changes();

	while (!ShutdownRequestPending)
	{
		TimestampTz now;
		uint32		changes;
		long		sleep;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (!mdl_scheduler_enabled || !database_is_free())
			break;
		MemoryContextReset(tick_memory);
		MemoryContextSwitchTo(tick_memory);

		changes = read_changes();
		now = GetCurrentTimestamp();
		if (any_child_ended() || changes != seen_changes || now >= next_due ||
			TimestampDifferenceExceeds(last_look, now, LOOK_EVERY_MS))
		{
			seen_changes = changes;
			last_look = now;
			if (!look_safely(&next_due))
			{
				set_state(DATABASE_WITHOUT);
				break;
			}
		}
		call_ticks(now);
		pgstat_report_activity(STATE_IDLE, NULL);
		sleep = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_due);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(Max(sleep, 1), POLL_MS),
						 PG_WAIT_EXTENSION);
	}
	proc_exit(0);
}
