/*
 * background.h: work in dynamic background workers, with or without preloading, and the kinds of scheduled jobs.
 *
 * A *task* is one C function of one of our libraries run in one worker, connected to this database as a given role
 * (never as superuser on behalf of somebody else).  A *job* is a row of medallion.jobs: a kind, its arguments, an owner
 * and a schedule; the scheduler (src/worker) runs due jobs as tasks.
 */
#ifndef MDL_BACKGROUND_H
#define MDL_BACKGROUND_H

#include "base/base.h"
#include "postmaster/bgworker.h"

/*
 * The function a task runs: no transaction is open, an error ends the worker (and is logged).  `argument` is the
 * NUL-terminated text given at launch (at most MDL_TASK_ARGUMENT_SIZE - 1 bytes).
 */
typedef void (*MdlTaskFunction) (const char *argument);

#define MDL_TASK_ARGUMENT_SIZE 64

/*
 * Starts a worker that runs `function` of `library` in this database as `role`.  Raises insufficient_resources with a
 * hint on max_worker_processes when no slot is free and missing_ok is false; returns NULL when it is true.
 * `title` shows in pg_stat_activity.
 */
extern MDL_EXPORT BackgroundWorkerHandle *mdl_task_launch(const char *library, const char *function,
														  const char *argument, Oid role, const char *title,
														  bool missing_ok);

/* Registers a kind of job: `function` (of `library`) gets the job's id as text.  Called from init functions. */
extern MDL_EXPORT void mdl_job_kind_register(const char *kind, const char *library, const char *function);

#endif							/* MDL_BACKGROUND_H */
