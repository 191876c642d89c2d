/*
 * train_ctx.c: memory, cancellation and errors of the numeric library inside a backend.
 */
#include "train/train_int.h"

#include <sys/mman.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#define HUGE_PAGE (2 * 1024 * 1024)
#define LARGE_BLOCK (4 * HUGE_PAGE)

/* Each block is preceded by its size: there is no repalloc that returns NULL, so growing moves by hand. */
#define BLOCK_HEAD 16

static void *
server_alloc(void *state, size_t size)
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
server_free(void *state, void *block)
{
	if (block != NULL)
		pfree((char *) block - BLOCK_HEAD);
}

static void *
server_realloc(void *state, void *block, size_t size)
{
	size_t		before = *(size_t *) ((char *) block - BLOCK_HEAD);
	void	   *moved = server_alloc(state, size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, block, Min(before, size));
	server_free(state, block);
	return moved;
}

static bool
server_cancelled(void *state)
{
	return QueryCancelPending || ProcDiePending;
}

ml_ctx
mdl_ml_ctx(MemoryContext memory, uint64 seed)
{
	ml_ctx		ctx = {server_alloc, server_realloc, server_free, server_cancelled, memory, seed, 1,
	(size_t) mdl_train_mem * 1024};

	return ctx;
}

/*
 * A large block that will be written from end to end.  Asking for large pages spares the kernel a fault for every 4 kB,
 * which for a matrix of some hundred megabytes costs as much as filling it.
 */
void *
mdl_train_alloc_large(MemoryContext memory, Size size)
{
	char	   *block = MemoryContextAllocHuge(memory, size);

#ifdef MADV_HUGEPAGE
	if (size >= LARGE_BLOCK)
	{
		char	   *start = (char *) TYPEALIGN(HUGE_PAGE, (uintptr_t) block);

		(void) madvise(start, (block + size - start) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
	}
#endif
	return block;
}

void
mdl_ml_raise(ml_status status, const ml_error *err)
{
	int			code = ERRCODE_INTERNAL_ERROR;

	CHECK_FOR_INTERRUPTS();
	switch (status)
	{
		case ML_NO_MEMORY:
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
			break;
		case ML_TOO_LARGE:
			code = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
			break;
		case ML_CANCELLED:
			code = ERRCODE_QUERY_CANCELED;
			break;
		case ML_BAD_PARAM:
			code = ERRCODE_INVALID_PARAMETER_VALUE;
			break;
		case ML_BAD_DATA:
		case ML_SINGULAR:
		case ML_NOT_CONVERGED:
			code = ERRCODE_DATA_EXCEPTION;
			break;
		case ML_BAD_MODEL:
			code = ERRCODE_DATA_CORRUPTED;
			break;
		default:
			elog(ERROR, "unexpected status %d (%s) of the numeric library", status, ml_status_name(status));
	}
	ereport(ERROR,
			(errcode(code),
			 errmsg("%s", err->message),
			 err->hint[0] ? errhint("%s", err->hint) : 0));
}
