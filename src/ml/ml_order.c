/*
 * ml_order.c: radix sort of the high bits of the keys, then insertion within the few that share them.
 *
 * Keys are hashes, so after 33 bits of a million rows hardly any two are still together.
 */
#include "ml/ml_order.h"

#define DIGIT_BITS 11
#define DIGITS (1 << DIGIT_BITS)
#define PASSES 3
#define LOW_BIT (64 - PASSES * DIGIT_BITS)

static int
before(const ml_order_entry *a, const ml_order_entry *b, int (*compare) (const void *, const void *, void *), void *arg)
{
	if (a->key != b->key)
		return a->key < b->key;
	return compare(a->row, b->row, arg) < 0;
}

/* One stable pass by one digit. */
static void
distribute(const ml_order_entry *from, ml_order_entry *to, size_t n, int shift)
{
	size_t		start[DIGITS] = {0};
	size_t		sum = 0;

	for (size_t i = 0; i < n; i++)
		start[(from[i].key >> shift) & (DIGITS - 1)]++;
	for (int digit = 0; digit < DIGITS; digit++)
	{
		size_t		count = start[digit];

		start[digit] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[start[(from[i].key >> shift) & (DIGITS - 1)]++] = from[i];
}

/* Heapsort of a group, which may be large when many rows are equal; sorted groups are only looked at. */
static void
sift_down(ml_order_entry *heap, size_t root, size_t n, int (*compare) (const void *, const void *, void *), void *arg)
{
	ml_order_entry moving = heap[root];

	for (;;)
	{
		size_t		child = root * 2 + 1;

		if (child >= n)
			break;
		if (child + 1 < n && before(&heap[child], &heap[child + 1], compare, arg))
			child++;
		if (!before(&moving, &heap[child], compare, arg))
			break;
		heap[root] = heap[child];
		root = child;
	}
	heap[root] = moving;
}

static void
sort_group(ml_order_entry *group, size_t n, int (*compare) (const void *, const void *, void *), void *arg)
{
	size_t		sorted = 1;

	while (sorted < n && !before(&group[sorted], &group[sorted - 1], compare, arg))
		sorted++;
	if (sorted == n)
		return;
	for (size_t root = n / 2; root > 0; root--)
		sift_down(group, root - 1, n, compare, arg);
	for (size_t last = n; last > 1; last--)
	{
		ml_order_entry largest = group[0];

		group[0] = group[last - 1];
		group[last - 1] = largest;
		sift_down(group, 0, last - 1, compare, arg);
	}
}

ml_order_entry *
ml_order_sort(ml_order_entry *entries, ml_order_entry *scratch, size_t n,
			  int (*compare) (const void *a, const void *b, void *arg), void *arg)
{
	distribute(entries, scratch, n, LOW_BIT);
	distribute(scratch, entries, n, LOW_BIT + DIGIT_BITS);
	distribute(entries, scratch, n, LOW_BIT + 2 * DIGIT_BITS);
	for (size_t start = 0; start < n;)
	{
		size_t		end = start + 1;

		while (end < n && scratch[end].key >> LOW_BIT == scratch[start].key >> LOW_BIT)
			end++;
		if (end - start > 1)
			sort_group(scratch + start, end - start, compare, arg);
		start = end;
	}
	return scratch;
}
