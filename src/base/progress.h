/*
 * progress.h: what long work tells of itself in medallion.progress, visible from other sessions while it runs.
 *
 * One report per backend at a time; a nested begin/end (a refresh that trains) restores the outer one.  Reports live in
 * memory that all backends share, with or without preloading, and vanish when the backend ends, an error included.
 * All calls are cheap (no lock, no system call), so call update once per batch of rows.
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
