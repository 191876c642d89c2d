/*
 * ml_hash.h: 64-bit hashes that are the same on every machine; not for secrets.
 *
 * The step is the multiply-and-fold of wyhash (Wang Yi): two 64-bit words are multiplied to 128 bits and the halves
 * are combined.
 */
#ifndef ML_HASH_H
#define ML_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t
ml_hash_word(uint64_t hash, uint64_t word)
{
	__extension__ unsigned __int128 product =
		(unsigned __int128) (word ^ 0xa0761d6478bd642fULL) * (hash ^ 0xe7037ed1a0b428dbULL);

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static inline uint64_t
ml_hash_bytes(uint64_t hash, const char *data, size_t length)
{
	size_t		at = 0;

	for (; at + 8 <= length; at += 8)
	{
		uint64_t	word;

		memcpy(&word, data + at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		hash = ml_hash_word(hash, word);
	}
	if (at < length)
	{
		uint64_t	word = 0;

		for (size_t i = length; i > at; i--)
			word = word << 8 | (unsigned char) data[i - 1];
		hash = ml_hash_word(hash, word);
	}
	return ml_hash_word(hash, length);
}

/* Equal doubles hash equally: -0 as 0. */
static inline uint64_t
ml_hash_double(uint64_t hash, double value)
{
	uint64_t	word;

	value += 0.0;
	memcpy(&word, &value, sizeof(word));
	return ml_hash_word(hash, word);
}

/* A hash as a number in [0, 1). */
static inline double
ml_hash_fraction(uint64_t hash)
{
	return (double) (hash >> 11) * 0x1p-53;
}

#endif							/* ML_HASH_H */
