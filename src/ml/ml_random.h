/*
 * ml_random.h: random numbers that are a function of a key and a counter, so that they do not depend on who asks first.
 */
#ifndef ML_RANDOM_H
#define ML_RANDOM_H

#include "ml/ml_hash.h"

typedef struct ml_random
{
	uint64_t	key;
	uint64_t	counter;
} ml_random;

/* A stream of its own for each (seed, purpose, index): a start, a tree, an epoch … */
static inline ml_random
ml_random_stream(uint64_t seed, uint64_t purpose, uint64_t index)
{
	ml_random	r = {ml_hash_word(ml_hash_word(ml_hash_word(0x6d65646c, seed), purpose), index), 0};

	return r;
}

static inline uint64_t
ml_random_bits(ml_random *r)
{
	return ml_hash_word(r->key, ++r->counter);
}

/* In [0, 1). */
static inline double
ml_random_unit(ml_random *r)
{
	return ml_hash_fraction(ml_random_bits(r));
}

/* In 0 … n - 1; n is at least 1 and below 2^32. */
static inline uint32_t
ml_random_below(ml_random *r, uint32_t n)
{
	return (uint32_t) (((ml_random_bits(r) >> 32) * (uint64_t) n) >> 32);
}

#endif							/* ML_RANDOM_H */
