/*
 * worker_shared.c: what launcher, schedulers and job workers know of each other.
 *
 * One LWLock guards it all; it is held for moments, never while waiting or while touching tables.
 */
#include "worker/worker_int.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#define CLAIM_TIMEOUT_MS	60000	/* after which a worker that never reported gives up its claim */

WorkerShared *mdl_worker_shared = NULL;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;
static int64 own_run = 0;

static void
request_memory(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(WorkerShared)));
	RequestNamedLWLockTranche("medallion", 1);
}

/* Also runs when the postmaster starts anew after a crash: then everything begins empty. */
static void
start_memory(void)
{
	bool		found;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	mdl_worker_shared = ShmemInitStruct("medallion workers", sizeof(WorkerShared), &found);
	if (!found)
	{
		memset(mdl_worker_shared, 0, sizeof(WorkerShared));
		mdl_worker_shared->lock = &GetNamedLWLockTranche("medallion")->lock;
		mdl_worker_shared->launcher_proc = -1;
		for (int i = 0; i < MDL_MAX_DATABASES; i++)
			mdl_worker_shared->databases[i].scheduler_proc = -1;
	}
	LWLockRelease(AddinShmemInitLock);
}

void
mdl_worker_shared_request(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = start_memory;
}

/* Sets the latch of the process with this number.  A stale number wakes somebody in vain, which is harmless. */
void
mdl_wake_process(int process)
{
	if (process >= 0 && process < ProcGlobal->allProcCount)
		SetLatch(&ProcGlobal->allProcs[process].procLatch);
}

bool
mdl_run_claim(int64 run, int allowed)
{
	TimestampTz now = GetCurrentTimestamp();
	int			used = 0,
				place = -1;

	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MDL_MAX_RUNNING; i++)
	{
		SharedRun  *claim = &mdl_worker_shared->runs[i];

		if (OidIsValid(claim->database) && claim->pid == 0 &&
			TimestampDifferenceExceeds(claim->claimed_at, now, CLAIM_TIMEOUT_MS))
			claim->database = InvalidOid;
		if (OidIsValid(claim->database))
			used++;
		else if (place < 0)
			place = i;
	}
	if (place >= 0 && used < allowed)
		mdl_worker_shared->runs[place] = (SharedRun) {MyDatabaseId, run, 0, now};
	else
		place = -1;
	LWLockRelease(mdl_worker_shared->lock);
	return place >= 0;
}

/* Frees the claim on this run of this database, if there is one, or gives it to a process. */
static void
set_claim(int64 run, int pid)
{
	LWLockAcquire(mdl_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MDL_MAX_RUNNING; i++)
	{
		SharedRun  *claim = &mdl_worker_shared->runs[i];

		if (claim->database != MyDatabaseId || claim->run != run)
			continue;
		if (pid != 0)
			claim->pid = pid;
		else
			claim->database = InvalidOid;
	}
	LWLockRelease(mdl_worker_shared->lock);
}

void
mdl_run_release(int64 run)
{
	set_claim(run, 0);
}

static void
release_own(int code, Datum argument)
{
	set_claim(own_run, 0);
}

void
mdl_run_started(int64 run)
{
	if (mdl_worker_shared == NULL)
		return;
	own_run = run;
	before_shmem_exit(release_own, (Datum) 0);
	set_claim(run, MyProcPid);
}
