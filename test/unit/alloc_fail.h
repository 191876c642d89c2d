/*
 * alloc_fail.h: an ml_ctx whose n-th allocation fails, and which knows whether everything was given back; and the loop that
 * has each allocation of something fail in turn.
 */
#ifndef ALLOC_FAIL_H
#define ALLOC_FAIL_H

#include <stdlib.h>

#include "ml/ml.h"
#include "unit.h"

typedef struct fail_state
{
	long		until_failure;	/* allocations that succeed before one fails; negative: none fails */
	long		live;			/* blocks allocated and not freed */
	long		until_cancel;	/* questions answered with no before the answer is yes; negative: never */
	int			fill;			/* byte that new memory is full of, for who reads what was never written; 0: as malloc gives it */
} fail_state;

static inline bool
fail_now(fail_state *s)
{
	return s->until_failure >= 0 && s->until_failure-- == 0;
}

static void *
fail_alloc(void *state, size_t size)
{
	fail_state *s = state;
	void	   *block;

	if (fail_now(s))
		return NULL;
	s->live++;
	block = malloc(size);
	if (s->fill != 0)
		memset(block, s->fill, size);
	return block;
}

static void *
fail_realloc(void *state, void *block, size_t size)
{
	return fail_now(state) ? NULL : realloc(block, size);
}

static void
fail_free(void *state, void *block)
{
	((fail_state *) state)->live--;
	free(block);
}

static bool
fail_cancelled(void *state)
{
	fail_state *s = state;

	return s->until_cancel >= 0 && s->until_cancel-- == 0;
}

static inline ml_ctx
fail_ctx(fail_state *state)
{
	ml_ctx		ctx = {fail_alloc, fail_realloc, fail_free, fail_cancelled, state, 0, 1, 0};

	return ctx;
}

/* What is to be tried with such a context: gives everything back before it returns. */
typedef ml_status (*fail_attempt) (const ml_ctx *ctx, void *arg, ml_error *err);

/*
 * Has each allocation of the attempt fail in turn, until it succeeds.  One check: each ended in ML_NO_MEMORY, nothing leaked,
 * and there were at least so many.
 */
static inline void
fail_each_allocation(fail_attempt attempt, void *arg, int least, const char *name)
{
	int			failures = 0;
	bool		clean = true;

	for (long n = 0; clean; n++)
	{
		fail_state	state = {n, 0, -1, 0};
		ml_ctx		ctx = fail_ctx(&state);
		ml_error	err = {"", ""};
		ml_status	status = attempt(&ctx, arg, &err);

		if (state.live != 0)
			clean = unit_ok(false, "%s: %ld blocks leak when allocation %ld fails", name, state.live, n);
		if (status == ML_OK)
			break;
		if (status != ML_NO_MEMORY)
			clean = unit_ok(false, "%s: allocation %ld failing gives status %d: %s", name, n, status, err.message);
		failures++;
	}
	unit_ok(clean && failures >= least, "%s: %d allocations failed in turn: an error each, nothing leaks", name, failures);
}

#endif							/* ALLOC_FAIL_H */
