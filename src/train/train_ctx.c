/*
 * train_ctx.c: the numeric library while it trains: cancelled with the query, within medallion.train_mem, large blocks.
 */
#include "train/train_int.h"

#include <sys/mman.h>

#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/memutils.h"

#define HUGE_PAGE (2 * 1024 * 1024)
#define LARGE_BLOCK (4 * HUGE_PAGE)

static bool
server_cancelled(void *state)
{
	return QueryCancelPending || ProcDiePending;
}

ml_ctx
mdl_ml_ctx(MemoryContext memory, uint64 seed)
{
	ml_ctx		ctx = mdl_memory_ctx(memory);

	ctx.cancelled = server_cancelled;
	ctx.seed = seed;
	ctx.memory_limit = (size_t) mdl_train_mem * 1024;
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
	mdl_ml_fail(status, err, NULL);
}
