/*
 * worker.h: the launcher, the schedulers and the runs of jobs.
 *
 * The *launcher* is one process per server, started by the postmaster where the library is preloaded.  It starts one
 * *scheduler* per database that has the extension; the scheduler starts due jobs as tasks (base/background.h).
 */
#ifndef MDL_WORKER_H
#define MDL_WORKER_H

/* Called once from _PG_init: registers the launcher and shared memory when preloading, and the job kind 'sql'. */
extern void mdl_worker_init(void);

#endif							/* MDL_WORKER_H */
