/*
 * ml_sort.c: blocks sorted by qsort, then merged in rounds, with a look for a cancel after each block's worth of work.
 */
#include "ml/ml_sort.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t) 1 << 18)	/* elements sorted at once: some 50 ms */

static bool
is_cancelled(const ml_ctx *ctx)
{
	return ctx != NULL && ml_is_cancelled(ctx);
}

/* Merges from[first, middle) and from[middle, end) into the same places of `to`; false when cancelled. */
static bool
merge(const ml_ctx *ctx, const char *from, char *to, size_t first, size_t middle, size_t end, size_t size,
	  int (*compare) (const void *a, const void *b))
{
	size_t		left = first,
				right = middle;

	for (size_t at = first; at < end; at++)
	{
		size_t		taken;

		if ((at - first) % BLOCK == BLOCK - 1 && is_cancelled(ctx))
			return false;
		if (right == end || (left < middle && compare(from + left * size, from + right * size) <= 0))
			taken = left++;
		else
			taken = right++;
		memcpy(to + at * size, from + taken * size, size);
	}
	return true;
}

bool
ml_sort(const ml_ctx *ctx, void *elements, void *scratch, size_t n, size_t size,
		int (*compare) (const void *a, const void *b))
{
	char	   *from = elements;
	char	   *to = scratch;

	for (size_t first = 0; first < n; first += BLOCK)
	{
		if (is_cancelled(ctx))
			return false;
		qsort(from + first * size, n - first < BLOCK ? n - first : BLOCK, size, compare);
	}
	for (size_t sorted = BLOCK; sorted < n; sorted *= 2)
	{
		char	   *swap;

		for (size_t first = 0; first < n; first += 2 * sorted)
		{
			size_t		middle = first + sorted < n ? first + sorted : n;
			size_t		end = middle + sorted < n ? middle + sorted : n;

			if (!merge(ctx, from, to, first, middle, end, size, compare))
				return false;
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != elements && n > 0)
		memcpy(elements, from, n * size);
	return true;
}
