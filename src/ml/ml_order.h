/*
 * ml_order.h: sorts rows into an order that depends on their content alone.
 */
#ifndef ML_ORDER_H
#define ML_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* A row and the number to sort it by first: a fold in the high bits, then a hash of the content. */
typedef struct ml_order_entry
{
	uint64_t	key;
	const void *row;
} ml_order_entry;

/*
 * Sorts by key and, where keys are equal, by compare, which returns < 0, 0 or > 0 and must be 0 only for rows of equal
 * content.  scratch has room for n entries; returns which of the two arrays holds the result.
 */
extern ml_order_entry *ml_order_sort(ml_order_entry *entries, ml_order_entry *scratch, size_t n,
									 int (*compare) (const void *a, const void *b, void *arg), void *arg);

#endif							/* ML_ORDER_H */
