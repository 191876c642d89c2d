/*
 * ml_parallel.h: a loop over independent pieces of work in several threads.
 */
#ifndef ML_PARALLEL_H
#define ML_PARALLEL_H

#include "ml/ml.h"

/*
 * Calls work(arg, i) for i = 0 … count - 1, in up to ctx->nthreads threads, and returns when all are done.  The work
 * must neither allocate nor call back into the context.  Threads block all signals; where none can be started the
 * caller's thread does everything, so this cannot fail.
 */
extern void ml_parallel(const ml_ctx *ctx, int count, void (*work) (void *arg, int index), void *arg);

#endif							/* ML_PARALLEL_H */
