/*
 * ml_sample.h: a uniform sample of the rows that pass by, which can be merged and does not depend on their order.
 *
 * Each row comes with a priority, a hash of its content; the rows with the smallest priorities are kept ("bottom-k").
 * The union of two samples, cut to k again, is the sample of the union.  A sample is a block of memory without pointers.
 * Records are of one size and opaque here.
 */
#ifndef ML_SAMPLE_H
#define ML_SAMPLE_H

#include "ml/ml.h"

typedef struct ml_sample
{
	uint32_t	magic;
	uint32_t	record_size;	/* bytes, a multiple of 8 */
	uint32_t	wanted;			/* k */
	uint32_t	capacity;		/* records there is room for */
	uint32_t	count;			/* records held, up to capacity */
	uint32_t	trimmed;		/* some row was left out */
	uint64_t	threshold;		/* rows with this priority or above are left out */
	uint64_t	seen;			/* rows that passed by */
} ml_sample;

/* Behind the head: priorities (capacity) then records (capacity, record_size). */
extern size_t ml_sample_size(uint32_t capacity, uint32_t record_size);
extern uint32_t ml_sample_most(uint32_t wanted);	/* records held before the block is cut back */
extern void ml_sample_init(ml_sample *s, uint32_t wanted, uint32_t capacity, uint32_t record_size);
extern bool ml_sample_valid(const ml_sample *s, size_t size);

static inline bool
ml_sample_wants(const ml_sample *s, uint64_t priority)
{
	return priority < s->threshold;
}

/*
 * Room for a record that is wanted; the caller fills it.  NULL: there is none; move the sample to a block with a larger
 * capacity (ml_sample_grow) and ask again.
 */
extern void *ml_sample_put(ml_sample *s, uint64_t priority);

/* The capacity to grow to, and the move. */
extern uint32_t ml_sample_next_capacity(const ml_sample *s);
extern void ml_sample_move(ml_sample *to, uint32_t capacity, const ml_sample *from);

/*
 * Adds the records of another sample; false: there must be room for both first, and the other has been cut to our threshold.
 */
extern bool ml_sample_merge(ml_sample *s, ml_sample *other);

/* Cuts to the wanted number of records, or a little less where priorities are equal. */
extern void ml_sample_trim(ml_sample *s);

extern uint64_t ml_sample_priority(const ml_sample *s, uint32_t index);
extern const void *ml_sample_record(const ml_sample *s, uint32_t index);

/*
 * The records in an order that depends on nothing but their content: by priority, then by bytes.  order is (count) and
 * is filled with indexes.
 */
extern void ml_sample_order(const ml_sample *s, uint32_t *order);

#endif							/* ML_SAMPLE_H */
