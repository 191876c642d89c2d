/*
 * worker_int.h: what the files of this folder share.
 */
#ifndef MDL_WORKER_INT_H
#define MDL_WORKER_INT_H

#include "base/background.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

/* ---- worker_shared.c: shared memory ------------------------------------------------------------------------- */

#define MDL_MAX_DATABASES	256 /* databases with a scheduler; further ones wait for a place */
#define MDL_MAX_RUNNING		64	/* job workers at once, the upper limit of medallion.max_workers */

typedef enum DatabaseState
{
	DATABASE_UNKNOWN = 0,		/* a scheduler has to go and see */
	DATABASE_WITHOUT,			/* has no extension: nothing to do until told otherwise */
	DATABASE_WITH
} DatabaseState;

typedef struct SharedDatabase
{
	Oid			database;		/* InvalidOid: free */
	DatabaseState state;
	int			scheduler_proc; /* process number of the running scheduler, -1: none */
	TimestampTz started_at;		/* when a scheduler was last started */
	TimestampTz ended_at;		/* when it last ended */
	uint32		changes;		/* counts wake-ups: the scheduler looks at the jobs when it moved */
} SharedDatabase;

typedef struct SharedRun
{
	Oid			database;		/* InvalidOid: free */
	int64		run;
	int			pid;			/* 0: the worker has not reported yet */
	TimestampTz claimed_at;
} SharedRun;

typedef struct WorkerShared
{
	LWLock	   *lock;			/* for everything below */
	int			launcher_proc;	/* -1: not running */
	SharedDatabase databases[MDL_MAX_DATABASES];
	SharedRun	runs[MDL_MAX_RUNNING];
} WorkerShared;

extern WorkerShared *mdl_worker_shared; /* NULL unless preloaded */
extern void mdl_worker_shared_request(void);	/* from _PG_init while preloading */
extern void mdl_wake_process(int process);

extern bool mdl_run_claim(int64 run, int allowed);	/* false when `allowed` runs or more are under way */
extern void mdl_run_started(int64 run);		/* in the worker: the claim is its own from now on, freed at exit */
extern void mdl_run_release(int64 run);		/* in the scheduler, when the worker has ended */

/* ---- job_store.c: runs in the tables.  All but the last are called in a transaction, as anybody ---------------- */

typedef struct DueRun
{
	int64		run;
	int64		job;
	char	   *kind;
	char	   *name;
	Oid			owner;			/* InvalidOid: the role is gone */
	char	   *owner_name;
} DueRun;

/* Whether the process that wrote these two about itself is still there. */
extern bool mdl_process_is(int pid, TimestampTz backend_start);

/* Makes a run in state starting; 0 if one of the job is under way. */
extern int64 mdl_run_create(int64 job, TimestampTz due_at);

/* Records runs whose worker has ended without a result as lost, and plans the next run of their jobs. */
extern int	mdl_runs_reap(int64 only_job);	/* 0: of all jobs */

/* Makes runs for at most `limit` due jobs; a List of DueRun in the current context. */
extern List *mdl_runs_due(int limit);
extern TimestampTz mdl_next_due(void);	/* DT_NOEND: none */

/* starting -> running; NULL if the run was taken back.  Returns the job's id in *job. */
extern bool mdl_run_begin(int64 run, int64 *job);
extern void mdl_run_succeeded(int64 run);
extern void mdl_run_failed(int64 run, int sqlstate, const char *message);
extern bool mdl_run_lost(int64 run);	/* its worker is known to have ended; false if it was settled */
extern void mdl_run_take_back(int64 run, int seconds);	/* could not be started: due again after that time */

/* ---- job_run.c ---------------------------------------------------------------------------------------------- */

/* Starts the worker of a run; missing_ok as for mdl_task_launch.  The handle lives in TopMemoryContext. */
extern BackgroundWorkerHandle *mdl_run_launch(const DueRun *run, bool after_commit, bool missing_ok);

/* Entry points, looked up by name. */
extern MDL_EXPORT void mdl_job_run(const char *run);
extern MDL_EXPORT void mdl_job_sql(const char *job);
extern MDL_EXPORT void mdl_launcher_main(Datum main_arg);
extern MDL_EXPORT void mdl_scheduler_main(Datum main_arg);

#endif							/* MDL_WORKER_INT_H */
