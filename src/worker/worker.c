/*
 * worker.c: the beginning of it all: registers the launcher while preloading, and wakes schedulers.
 */
#include "worker/worker.h"
#include "worker/worker_int.h"

#include "miscadmin.h"
#include "storage/proc.h"

/*
 * Makes the scheduler of this database look at its jobs; where there is none, the launcher at this database.  Called
 * after a commit, so it must not fail.
 */
static void
wake(void)
{
	bool		served = false;
	int			process = -1;

	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MDL_MAX_DATABASES; i++)
	{
		SharedDatabase *entry = &mdl_worker_shared->databases[i];

		if (entry->database != MyDatabaseId)
			continue;
		entry->changes++;
		if (entry->state == DATABASE_WITHOUT)
		{
			/* Whoever calls this has the extension. */
			entry->state = DATABASE_UNKNOWN;
			entry->ended_at = 0;
		}
		process = entry->scheduler_proc;
		served = process >= 0;
	}
	if (!served)
		process = mdl_worker_shared->launcher_proc;
	LWLockRelease(mdl_worker_shared->lock);
	mdl_wake_process(process);
}

MDL_FUNCTION(mdl_scheduler_wake_sql);
Datum
mdl_scheduler_wake_sql(PG_FUNCTION_ARGS)
{
	mdl_scheduler_wake_after_commit();
	PG_RETURN_VOID();
}

void
mdl_worker_init(void)
{
	BackgroundWorker worker;

	mdl_job_kind_register("sql", MDL_LIBRARY_CORE, "mdl_job_sql");
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	mdl_worker_shared_request();
	mdl_scheduler_set_wake(wake);

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "medallion launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "medallion launcher");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	snprintf(worker.bgw_library_name, BGW_MAXLEN, MDL_LIBRARY_CORE);
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "mdl_launcher_main");
	RegisterBackgroundWorker(&worker);
}
