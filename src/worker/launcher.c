/*
 * launcher.c: one process per server that keeps a scheduler running in each database that has the extension.
 *
 * It is connected to no database, so it never stands in the way of DROP DATABASE, and reads only pg_database.  Which
 * databases have the extension cannot be seen from there: a scheduler is sent to each once and reports back through
 * shared memory; CREATE EXTENSION reports too.
 */
#include "worker/worker_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define LOOK_EVERY_MS		5000
#define LOOK_SOON_MS		200		/* while schedulers are starting */
#define RESTART_DELAY_MS	3000	/* gives a DROP DATABASE that made a scheduler leave the time to finish */
#define MAX_STARTING		4

/* The schedulers this launcher started, by place in shared memory. */
static BackgroundWorkerHandle *handles[MDL_MAX_DATABASES];

static void
forget_launcher(int code, Datum argument)
{
	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	mdl_worker_shared->launcher_proc = -1;
	LWLockRelease(mdl_worker_shared->lock);
}

/* The databases that can have a scheduler, as a List of Oid in the given context. */
static List *
list_databases(MemoryContext memory)
{
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	tuple;
	List	   *databases = NIL;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && !form->datistemplate)
		{
			MemoryContext old = MemoryContextSwitchTo(memory);

			databases = lappend_oid(databases, form->oid);
			MemoryContextSwitchTo(old);
		}
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return databases;
}

/* Makes the entries in shared memory those of the databases there are. */
static void
update_entries(List *databases)
{
	List	   *known = NIL;
	ListCell   *cell;

	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MDL_MAX_DATABASES; i++)
	{
		SharedDatabase *entry = &mdl_worker_shared->databases[i];

		if (!OidIsValid(entry->database))
			continue;
		if (list_member_oid(databases, entry->database) || entry->scheduler_proc >= 0)
			known = lappend_oid(known, entry->database);
		else
			entry->database = InvalidOid;
	}
	foreach(cell, databases)
	{
		if (list_member_oid(known, lfirst_oid(cell)))
			continue;
		for (int i = 0; i < MDL_MAX_DATABASES; i++)
		{
			SharedDatabase *entry = &mdl_worker_shared->databases[i];

			if (OidIsValid(entry->database) || handles[i] != NULL)
				continue;
			*entry = (SharedDatabase) {.database = lfirst_oid(cell), .scheduler_proc = -1};
			break;
		}
	}
	LWLockRelease(mdl_worker_shared->lock);
}

/* Starts a scheduler; false when there is no slot for it. */
static bool
start_scheduler(int place, Oid database)
{
	BackgroundWorker worker;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	bool		started;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "medallion scheduler");
	snprintf(worker.bgw_type, BGW_MAXLEN, "medallion scheduler");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker.bgw_library_name, BGW_MAXLEN, MDL_LIBRARY_CORE);
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "mdl_scheduler_main");
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	started = RegisterDynamicBackgroundWorker(&worker, &handles[place]);
	MemoryContextSwitchTo(old);
	return started;
}

/* Whether a scheduler should be started for this entry now. */
static bool
wants_scheduler(const SharedDatabase *entry, TimestampTz now)
{
	return OidIsValid(entry->database) && entry->state != DATABASE_WITHOUT && entry->scheduler_proc < 0 &&
		(entry->ended_at == 0 || TimestampDifferenceExceeds(entry->ended_at, now, RESTART_DELAY_MS));
}

/* Notes the schedulers that ended and starts those that are missing.  Returns how long to sleep, in milliseconds. */
static long
tend_schedulers(void)
{
	static bool told = false;
	TimestampTz now = GetCurrentTimestamp();
	int			starting = 0;
	bool		waiting = false;

	for (int i = 0; i < MDL_MAX_DATABASES; i++)
	{
		SharedDatabase entry;
		pid_t		pid;

		if (handles[i] != NULL && GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED)
		{
			pfree(handles[i]);
			handles[i] = NULL;
			LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
			mdl_worker_shared->databases[i].ended_at = now;
			LWLockRelease(mdl_worker_shared->lock);
		}
		LWLockAcquire(mdl_worker_shared->lock, LW_SHARED);
		entry = mdl_worker_shared->databases[i];
		LWLockRelease(mdl_worker_shared->lock);
		if (handles[i] != NULL)
		{
			if (entry.scheduler_proc < 0)
				starting++;
			continue;
		}
		if (!OidIsValid(entry.database) || entry.state == DATABASE_WITHOUT || entry.scheduler_proc >= 0)
			continue;
		if (starting >= MAX_STARTING || !wants_scheduler(&entry, now))
		{
			waiting = true;
			continue;
		}
		if (start_scheduler(i, entry.database))
		{
			starting++;
			told = false;
		}
		else if (!told)
		{
			told = true;
			ereport(LOG,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not start the scheduler of the database with OID %u: all background worker slots are in use",
							entry.database),
					 errhint("Increase max_worker_processes.")));
		}
	}
	return starting > 0 || waiting ? LOOK_SOON_MS : LOOK_EVERY_MS;
}

void
mdl_launcher_main(Datum main_arg)
{
	MemoryContext memory;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	mdl_worker_shared->launcher_proc = MyProc->pgprocno;
	LWLockRelease(mdl_worker_shared->lock);
	before_shmem_exit(forget_launcher, (Datum) 0);
	memory = AllocSetContextCreate(TopMemoryContext, "medallion launcher", ALLOCSET_DEFAULT_SIZES);

	while (!ShutdownRequestPending)
	{
		long		sleep = LOOK_EVERY_MS;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (mdl_scheduler_enabled)
		{
			update_entries(list_databases(memory));
			MemoryContextReset(memory);
			sleep = tend_schedulers();
		}
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, sleep, PG_WAIT_EXTENSION);
	}
	proc_exit(0);
}
