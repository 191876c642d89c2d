/*
 * background.h: work in dynamic background workers, with or without preloading; the kinds and records of scheduled jobs.
 *
 * A *task* is one C function of one of our libraries run in one worker, connected to this database as a given role
 * (never as superuser on behalf of somebody else).  A *job* is a row of medallion.jobs: a kind, a name, its argument, an
 * owner and a schedule.  A *run* is one execution of a job as a task, a row of medallion.job_runs.  The *scheduler*
 * (src/worker, only where the library is preloaded) starts the runs that are due.
 */
#ifndef MDL_BACKGROUND_H
#define MDL_BACKGROUND_H

#include "base/base.h"
#include "datatype/timestamp.h"
#include "postmaster/bgworker.h"

/* ---- background.c: tasks ------------------------------------------------------------------------------------ */

/*
 * The function a task runs: no transaction is open, an error ends the worker (and is logged).  `argument` is the
 * NUL-terminated text given at launch (at most MDL_TASK_ARGUMENT_SIZE - 1 bytes).  It must be exported (MDL_EXPORT).
 */
typedef void (*MdlTaskFunction) (const char *argument);

#define MDL_TASK_ARGUMENT_SIZE	64
#define MDL_TASK_FUNCTION_SIZE	51

/*
 * Starts a worker that runs `function` of `library` in this database as `role`.  Raises insufficient_resources with a
 * hint on max_worker_processes when no slot is free and missing_ok is false; returns NULL when it is true.  The current
 * user must have the privileges of `role`, which must be allowed to log in; not during recovery.
 * `title` shows as application_name in pg_stat_activity.  The worker starts at once: it does not see what this transaction has not yet committed.
 * SIGTERM (pg_terminate_backend, TerminateBackgroundWorker) ends it at the next check for interrupts.
 * The launching backend is told of start and end (WaitForBackgroundWorkerShutdown works).
 */
extern MDL_EXPORT BackgroundWorkerHandle *mdl_task_launch(const char *library, const char *function,
														  const char *argument, Oid role, const char *title,
														  bool missing_ok);

/*
 * The same, but the function runs when this transaction has committed, and does not run if it aborts.  Use it where the
 * task reads what this transaction writes; never wait for it in this transaction.
 */
extern MDL_EXPORT BackgroundWorkerHandle *mdl_task_launch_after_commit(const char *library, const char *function,
																	   const char *argument, Oid role,
																	   const char *title, bool missing_ok);

/* Entry point of every task, looked up by the server. */
extern MDL_EXPORT void mdl_task_main(Datum main_arg);

/* Registers a kind of job: `function` (of `library`) gets the job's id as text.  Called from init functions. */
extern MDL_EXPORT void mdl_job_kind_register(const char *kind, const char *library, const char *function);

#endif							/* MDL_BACKGROUND_H */
