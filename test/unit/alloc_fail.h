/*
 * alloc_fail.h: an ml_ctx whose n-th allocation fails, and which knows whether everything was given back.
 */
#ifndef ALLOC_FAIL_H
#define ALLOC_FAIL_H

#include <stdlib.h>

#include "ml/ml.h"

typedef struct fail_state
{
	long		until_failure;	/* allocations that succeed before one fails; negative: none fails */
	long		live;			/* blocks allocated and not freed */
	long		until_cancel;	/* questions answered with no before the answer is yes; negative: never */
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

	if (fail_now(s))
		return NULL;
	s->live++;
	return malloc(size);
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

#endif							/* ALLOC_FAIL_H */
