/*
 * progress.h: what long work tells of itself in medallion.progress, visible from other sessions while it runs.
 *
 * A *report* is what one piece of work tells.  A nested begin/end (a refresh that trains) hides the outer report and
 * gives it back at its end, so there is one report per backend at a time.  Reports live in memory that all backends
 * share, with or without preloading.  A report begun inside a (sub)transaction ends with it at the latest, aborted or
 * committed; one begun outside any transaction (by a background worker) lives until its end or until the process ends.
 *
 * Nothing here raises an error: when the shared memory cannot be had, work goes on unseen and the log says so once.
 * phase, update and metric are cheap (no lock, no system call but the clock in phase): call update once per batch.
 */
#ifndef MDL_PROGRESS_H
#define MDL_PROGRESS_H

#include "base/pg_compat.h"

/* kind: 'train', 'sweep', 'ingest', 'refresh', 'predict', 'monitor' …; object: the model, table … worked on. */
extern MDL_EXPORT void mdl_progress_begin(const char *kind, const char *object);
extern MDL_EXPORT void mdl_progress_phase(const char *phase, int64 total);	/* total < 0: not known; done := 0 */
extern MDL_EXPORT void mdl_progress_update(int64 done);
extern MDL_EXPORT void mdl_progress_metric(double metric);	/* best so far, loss … */
extern MDL_EXPORT void mdl_progress_end(void);

#endif							/* MDL_PROGRESS_H */
