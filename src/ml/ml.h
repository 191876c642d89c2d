/*
 * ml.h: the numeric library's one header for outsiders.
 *
 * The library is plain C11: it knows nothing of the server, keeps no global state, prints nothing and never exits.
 * What it needs from outside is in an ml_ctx that every call gets: memory, cancellation, the seed, the number of
 * threads.  Functions return an ml_status and, when they fail, fill the caller's ml_error.
 *
 * Words: a *column* is an input as the user names it; a *term* is one number of the design row made from columns by
 * the fitted preprocessing (a number column is one term, a one-hot encoded column one per category); a *class* is a
 * label of a classification, kept as text; classes are ordered by their bytes and the last is the positive one.
 */
#ifndef ML_H
#define ML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ml/ml_status.h"

/* Only the thread that called into the library calls these back. */
typedef struct ml_ctx
{
	void	   *(*alloc) (void *state, size_t size);	/* NULL when there is no memory */
	void	   *(*realloc) (void *state, void *block, size_t size);	/* block not NULL */
	void		(*free) (void *state, void *block);		/* block may be NULL */
	bool		(*cancelled) (void *state);	/* whether to stop soon; may be NULL */
	void	   *state;
	uint64_t	seed;
	int			nthreads;		/* at least 1 */
	size_t		memory_limit;	/* bytes that a learner may take for itself; 0: no limit */
} ml_ctx;

/* A context over malloc, never cancelled, seed 0, one thread: for tests and programs. */
extern ml_ctx ml_ctx_default(void);

/* Memory for count elements of size bytes; NULL when there is none or the product overflows.  count 0 gives a block. */
extern void *ml_alloc(const ml_ctx *ctx, size_t count, size_t size);
extern void *ml_alloc_zero(const ml_ctx *ctx, size_t count, size_t size);
extern void ml_free(const ml_ctx *ctx, void *block);
extern char *ml_strdup(const ml_ctx *ctx, const char *text);
extern bool ml_is_cancelled(const ml_ctx *ctx);

/* ML_TOO_LARGE, with the estimate in the message, if so many bytes are above the limit; what: "the distances" … */
extern ml_status ml_check_memory(const ml_ctx *ctx, double bytes, const char *what, ml_error *err);

/* Fills the error (may be NULL) with a formatted message and hint (may be NULL) and returns the status. */
extern ml_status ml_fail(ml_error *err, ml_status status, const char *hint, const char *format,...)
			__attribute__((format(printf, 4, 5)));
extern ml_status ml_no_memory(ml_error *err);	/* "out of memory" */

#endif							/* ML_H */
