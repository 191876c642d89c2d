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

/*
 * Keeps DROP EXTENSION waiting until this transaction ends, or waits for it; false when the extension is gone.  For short
 * transactions of workers, before they touch a table of ours: who has locked some of them while DROP EXTENSION locks them
 * in its own order ends one of the two in a deadlock.
 */
extern MDL_EXPORT bool mdl_extension_hold(void);

/* Entry point of every task, looked up by the server. */
extern MDL_EXPORT void mdl_task_main(Datum main_arg);

/* ---- job.c: kinds and records of jobs ------------------------------------------------------------------------ */

typedef struct MdlJobKind
{
	const char *kind;
	const char *library;
	const char *function;		/* an MdlTaskFunction; its argument is the job's id as text */
} MdlJobKind;

/*
 * Registers a kind of job.  Called from init functions of medallion.so, for all three libraries: every backend has to
 * know every kind.  The strings are kept, not copied.  An error of the function is recorded in the run and makes the
 * job back off; one transaction per run is usual, the function opens and commits it.
 */
extern MDL_EXPORT void mdl_job_kind_register(const char *kind, const char *library, const char *function);
extern const MdlJobKind *mdl_job_kind(const char *kind);	/* NULL if there is none */

typedef struct MdlJob
{
	int64		id;
	char	   *kind;
	char	   *name;
	Jsonb	   *argument;
	Oid			owner;			/* InvalidOid: the role is gone */
	char	   *owner_name;
	bool		is_scheduled;
	Oid			target;			/* InvalidOid, or the table the job keeps */
} MdlJob;

/* When a job runs by itself. */
typedef struct MdlSchedule
{
	Interval   *every;			/* NULL, or the period */
	bool		is_lag;			/* every says how old what the job keeps may become: a run ends before that */
	char	   *schedule;		/* NULL, or times of the clock, see cron.c */
	char	   *time_zone;		/* of those; NULL: the session's */
	TimestampTz first_run;		/* DT_NOBEGIN: now, or the first time of the schedule; DT_NOEND: none planned */
} MdlSchedule;

/* ---- cron.c -------------------------------------------------------------------------------------------------- */

/* The first time after the one given that a schedule names; raises what is wrong with the schedule or the zone. */
extern MDL_EXPORT TimestampTz mdl_schedule_next(const char *schedule, const char *time_zone, TimestampTz after);

/*
 * Makes a job owned by the current user; name is unique within the kind (duplicate_object otherwise).  every NULL: no
 * repetition.  first_run DT_NOBEGIN: now, DT_NOEND: none planned (only run_job starts it).  What is scheduled at all
 * needs the scheduler (see mdl_require_scheduler).
 */
extern MDL_EXPORT int64 mdl_job_create(const char *kind, const char *name, Jsonb *argument, Interval *every,
									   TimestampTz first_run);

/*
 * Makes or changes the job of that kind that keeps a table: it runs as the owner of the table, whoever that is, and goes with
 * it (mdl_job_forget_target).  The scheduler need not be present.  Its next run is planned anew, its failures are forgotten.
 */
extern MDL_EXPORT int64 mdl_job_of_target(const char *kind, Oid target, const MdlSchedule *schedule);
extern MDL_EXPORT int64 mdl_job_find_target(const char *kind, Oid target);	/* 0: there is none */
extern MDL_EXPORT void mdl_job_forget_target(Oid target);

/* Makes a job of the current user's with any kind of schedule, as mdl_job_create does. */
extern MDL_EXPORT int64 mdl_job_create_scheduled(const char *kind, const char *name, Jsonb *argument,
												 const MdlSchedule *schedule);
extern MDL_EXPORT bool mdl_job_read(int64 id, MdlJob *job); /* false if there is no such job */

/* Rights are the caller's to check. */
extern MDL_EXPORT void mdl_job_drop(int64 id);
extern MDL_EXPORT void mdl_job_pause(int64 id);
extern MDL_EXPORT void mdl_job_resume(int64 id);

/* The role that a job recorded with these three runs as; InvalidOid if it is gone. */
extern Oid	mdl_job_owner_oid(const char *name, Oid owner, const char *home);

/* ---- job.c: the scheduler, as the other folders see it ------------------------------------------------------- */

extern MDL_EXPORT bool mdl_scheduler_present(void); /* the library is preloaded */

/* Raises object_not_in_prerequisite_state with a hint unless the scheduler is present.  `what` opens the message. */
extern MDL_EXPORT void mdl_require_scheduler(const char *what);

/* Makes the scheduler of this database look at the jobs once the transaction has committed. */
extern MDL_EXPORT void mdl_scheduler_wake_after_commit(void);

/*
 * A function that the scheduler of each database calls about every so many milliseconds, in a transaction of its own
 * with a snapshot, as the owner of the extension.  It must be short.  An error is logged, and the function is
 * called again after a pause.  Register from an init function of medallion.so.
 */
#define MDL_MAX_TICKS 8

typedef void (*MdlTickFunction) (void);
typedef struct MdlTick
{
	const char *name;
	MdlTickFunction function;
	int			milliseconds;
} MdlTick;

extern void mdl_scheduler_tick_register(const char *name, MdlTickFunction function, int milliseconds);

/* For src/worker: the registered functions, and how to wake the scheduler. */
extern int	mdl_scheduler_ticks(const MdlTick **all);
extern void mdl_scheduler_set_wake(void (*wake) (void));

#endif							/* MDL_BACKGROUND_H */
