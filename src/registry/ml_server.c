/*
 * ml_server.c: the numeric library inside a backend: its memory, and its errors.
 */
#include "registry/registry.h"

#include "miscadmin.h"
#include "utils/memutils.h"

/* ---- memory ------------------------------------------------------------------------------------------------------- */

/* Each block is preceded by its size: there is no repalloc that returns NULL, so growing moves by hand. */
#define BLOCK_HEAD 16			/* keeps the alignment that malloc gives */

static void *
context_alloc(void *state, size_t size)
{
	char	   *block;

	if (size > MaxAllocHugeSize - BLOCK_HEAD)
		return NULL;
	block = MemoryContextAllocExtended((MemoryContext) state, size + BLOCK_HEAD, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (block == NULL)
		return NULL;
	*(size_t *) block = size;
	return block + BLOCK_HEAD;
}

static void
context_free(void *state, void *block)
{
	if (block != NULL)
		pfree((char *) block - BLOCK_HEAD);
}

static void *
context_realloc(void *state, void *block, size_t size)
{
	void	   *moved = context_alloc(state, size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, block, Min(size, *(size_t *) ((char *) block - BLOCK_HEAD)));
	context_free(state, block);
	return moved;
}

ml_ctx
mdl_memory_ctx(MemoryContext memory)
{
	return (ml_ctx) {.alloc = context_alloc, .realloc = context_realloc, .free = context_free, .state = memory, .nthreads = 1};
}

/* ---- errors ------------------------------------------------------------------------------------------------------- */

static int
code_of(ml_status status)
{
	switch (status)
	{
		case ML_NO_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case ML_TOO_LARGE:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case ML_CANCELLED:
			return ERRCODE_QUERY_CANCELED;
		case ML_BAD_PARAM:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case ML_BAD_DATA:
		case ML_SINGULAR:
		case ML_NOT_CONVERGED:
			return ERRCODE_DATA_EXCEPTION;
		case ML_BAD_MODEL:
			return ERRCODE_DATA_CORRUPTED;
		default:
			return ERRCODE_INTERNAL_ERROR;
	}
}

void
mdl_ml_fail(ml_status status, const ml_error *err, const char *what)
{
	const char *message = err->message[0] ? err->message : status == ML_NO_MEMORY ? "out of memory" : ml_status_name(status);

	CHECK_FOR_INTERRUPTS();
	ereport(ERROR,
			(errcode(code_of(status)),
			 what ? errmsg("%s: %s", what, message) : errmsg("%s", message),
			 err->hint[0] ? errhint("%s", err->hint) : 0));
}
