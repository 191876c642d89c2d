/*
 * ml_random.h: random numbers that are a function of a key and a counter, so that they do not depend on who asks first.
 *
 * The generator is SplitMix64: the key plus a multiple of the golden ratio's 64 bits, through a finaliser (Steele, Lea and
 * Flood, Fast splittable pseudorandom number generators, OOPSLA 2014; the constants are variant 13 of Stafford 2011, as
 * in Vigna's splitmix64.c, whose numbers these are).  It passes BigCrush.  Keys go through the same finaliser, so that
 * streams with neighbouring numbers start at unrelated places of the one sequence of 2^64 numbers.
 */
#ifndef ML_RANDOM_H
#define ML_RANDOM_H

#include <stdint.h>

#include "ml/ml_hash.h"

#define ML_RANDOM_STEP 0x9e3779b97f4a7c15ULL	/* 2^64 divided by the golden ratio */

typedef struct ml_random
{
	uint64_t	key;
	uint64_t	counter;
} ml_random;

/* The finaliser: one to one, each bit of the result depends on each of the word. */
static inline uint64_t
ml_random_mix(uint64_t word)
{
	word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
	word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
	return word ^ (word >> 31);
}

/* A stream of its own for each (seed, purpose, index): a start, a tree, an epoch … */
static inline ml_random
ml_random_stream(uint64_t seed, uint64_t purpose, uint64_t index)
{
	ml_random	r = {ml_random_mix(seed + ML_RANDOM_STEP), 0};

	r.key = ml_random_mix((r.key ^ purpose) + ML_RANDOM_STEP);
	r.key = ml_random_mix((r.key ^ index) + ML_RANDOM_STEP);
	return r;
}

static inline uint64_t
ml_random_bits(ml_random *r)
{
	return ml_random_mix(r->key + ++r->counter * ML_RANDOM_STEP);
}

/* In [0, 1). */
static inline double
ml_random_unit(ml_random *r)
{
	return ml_hash_fraction(ml_random_bits(r));
}

/* In 0 … n - 1, n at least 1: the high half of a product, whose unevenness is below 2^-32. */
static inline uint32_t
ml_random_below(ml_random *r, uint32_t n)
{
	__extension__ unsigned __int128 product = (unsigned __int128) ml_random_bits(r) * n;

	return (uint32_t) (product >> 64);
}

#endif							/* ML_RANDOM_H */
