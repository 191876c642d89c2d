/*
 * ml_order.h: puts rows, in threads, into an order that depends on their content alone.
 *
 * Rows lie in *blocks*; a row's *place* is the number of its block, and in the low bits which of the block it is.
 */
#ifndef ML_ORDER_H
#define ML_ORDER_H

#include "ml/ml.h"

/* A row and the number to sort it by first: a fold in the high bits, then a hash of the content. */
typedef struct ml_order_entry
{
	uint64_t	key;
	uint32_t	place;
} ml_order_entry;

/* The functions are called in threads: they must not call the server. */
typedef struct ml_order_rows
{
	int			n_blocks;
	const uint32_t *counts;		/* (n_blocks) rows of each, at most 1 << place_bits */
	int			place_bits;
	uint64_t	last_key;		/* no key is larger */
	void		(*keys) (void *arg, int block, uint32_t first, uint32_t end, uint64_t *keys);	/* of some rows of a block */
	int			(*compare) (uint32_t a, uint32_t b, void *arg);	/* places; 0 only if the rows' content is equal */
	void	   *arg;
} ml_order_rows;

/*
 * Writes the places of all n rows into `order` (n), sorted by key and, where keys are equal, by compare.  Both arrays of
 * entries have room for n.  ML_OK, ML_CANCELLED or ML_NO_MEMORY; the last two leave the order undefined.
 */
extern ml_status ml_order(const ml_ctx *ctx, const ml_order_rows *rows, size_t n, ml_order_entry *entries,
						  ml_order_entry *scratch, uint32_t *order);

#endif							/* ML_ORDER_H */
