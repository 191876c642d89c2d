/*
 * ml_rank_sort.c: numbers sorted upwards by their bits.
 *
 * As unsigned integers with the sign handled, doubles order by their bits: their *keys*.  What two keys of the same array
 * differ by fits into fewer bits than 64, and the uppermost 24 of those, sorted by radix in two passes, leave hardly more
 * than one key to a place; short runs of the same 24 bits are then sorted by insertion.  Longer runs (values that are
 * close to each other beside one that is far away) are sorted by radix, byte by byte.
 */
#include "ml/eval_rank.h"

#include <stdint.h>
#include <string.h>

#define SIGN UINT64_C(0x8000000000000000)

/* Lies where the numbers lie. */
typedef uint64_t key __attribute__((may_alias));

#define DIGIT_BITS 12
#define DIGITS (1 << DIGIT_BITS)
#define FEW 256					/* numbers that are sorted byte by byte at once: counting digits would cost more */
#define MOST_INSERTED 48		/* length of a run that is sorted by insertion */
#define BYTES 8

static inline key
key_of(double score)
{
	uint64_t	bits;

	score += 0.0;				/* -0 becomes 0 */
	memcpy(&bits, &score, sizeof(bits));
	return bits ^ ((uint64_t) -(int64_t) (bits >> 63) | SIGN);
}

static inline double
score_of(key bits)
{
	double		score;

	bits ^= ((bits >> 63) - 1) | SIGN;
	memcpy(&score, &bits, sizeof(score));
	return score;
}

static void
insertion_sort(key *keys, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		key			moving = keys[i];
		size_t		at = i;

		for (; at > 0 && keys[at - 1] > moving; at--)
			keys[at] = keys[at - 1];
		keys[at] = moving;
	}
}

static bool
is_cancelled(const ml_ctx *ctx)
{
	return ctx != NULL && ml_is_cancelled(ctx);
}

/* Byte by byte, least first; a pass in which all keys share the byte is left out.  The result is in keys. */
static bool
sort_by_bytes(const ml_ctx *ctx, key *keys, key *scratch, size_t n)
{
	size_t		counts[BYTES][256];
	key		   *from = keys;
	key		   *to = scratch;

	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < n; i++)
		for (int byte = 0; byte < BYTES; byte++)
			counts[byte][(keys[i] >> (8 * byte)) & 255]++;
	for (int byte = 0; byte < BYTES; byte++)
	{
		size_t		start = 0;
		key		   *swap = from;

		if (counts[byte][(from[0] >> (8 * byte)) & 255] == n)
			continue;
		if (is_cancelled(ctx))
			return false;
		for (int digit = 0; digit < 256; digit++)
		{
			size_t		count = counts[byte][digit];

			counts[byte][digit] = start;
			start += count;
		}
		for (size_t i = 0; i < n; i++)
			to[counts[byte][(from[i] >> (8 * byte)) & 255]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != keys)
		memcpy(keys, from, n * sizeof(key));
	return true;
}

/* The keys, least subtracted, are in order by what is above `shift`; sorts the runs of those that are the same there. */
static bool
sort_runs(const ml_ctx *ctx, key *keys, key *scratch, size_t n, int shift)
{
	for (size_t first = 0; first < n;)
	{
		size_t		end = first + 1;
		uint64_t	different = 0;

		for (; end < n && keys[end] >> shift == keys[first] >> shift; end++)
			different |= keys[end] ^ keys[first];
		if (different != 0 && end - first <= MOST_INSERTED)
			insertion_sort(keys + first, end - first);
		else if (different != 0 && !sort_by_bytes(ctx, keys + first, scratch, end - first))
			return false;
		first = end;
	}
	return true;
}

/* Sorts keys, whose least has been subtracted and whose uppermost bit is below shift + 2 * DIGIT_BITS. */
static bool
sort_by_digits(const ml_ctx *ctx, key *keys, key *scratch, size_t n, int shift)
{
	uint32_t	low[DIGITS];
	uint32_t	high[DIGITS];
	uint32_t	low_start = 0;
	uint32_t	high_start = 0;

	memset(low, 0, sizeof(low));
	memset(high, 0, sizeof(high));
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	digits = keys[i] >> shift;

		low[digits & (DIGITS - 1)]++;
		high[digits >> DIGIT_BITS]++;
	}
	for (int digit = 0; digit < DIGITS; digit++)
	{
		uint32_t	n_low = low[digit];
		uint32_t	n_high = high[digit];

		low[digit] = low_start;
		high[digit] = high_start;
		low_start += n_low;
		high_start += n_high;
	}
	if (is_cancelled(ctx))
		return false;
	for (size_t i = 0; i < n; i++)
		scratch[low[(keys[i] >> shift) & (DIGITS - 1)]++] = keys[i];
	if (is_cancelled(ctx))
		return false;
	for (size_t i = 0; i < n; i++)
		keys[high[scratch[i] >> shift >> DIGIT_BITS]++] = scratch[i];
	return sort_runs(ctx, keys, scratch, n, shift);
}

/* Keys whose least is 0 and whose largest has `bits` bits. */
static bool
sort_keys(const ml_ctx *ctx, key *keys, key *scratch, size_t n, int bits)
{
	int			shift = bits - 2 * DIGIT_BITS;

	if (n <= MOST_INSERTED)
		insertion_sort(keys, n);
	else if (n <= FEW || n > UINT32_MAX)
		return sort_by_bytes(ctx, keys, scratch, n);
	else
		return sort_by_digits(ctx, keys, scratch, n, shift > 0 ? shift : 0);
	return true;
}

bool
ml_rank_sort_ctx(const ml_ctx *ctx, double *scores, double *scratch, size_t n)
{
	key		   *keys = (key *) (void *) scores;
	key		   *room = (key *) (void *) scratch;
	uint64_t	least = UINT64_MAX;
	uint64_t	most = 0;
	bool		done = true;

	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
	{
		key			found = key_of(scores[i]);

		least = found < least ? found : least;
		most = found > most ? found : most;
		keys[i] = found;
	}
	for (size_t i = 0; i < n; i++)
		keys[i] -= least;
	if (most > least)
		done = sort_keys(ctx, keys, room, n, 64 - __builtin_clzll(most - least));
	for (size_t i = 0; i < n; i++)
		scores[i] = score_of(keys[i] + least);
	return done;
}

void
ml_rank_sort(double *scores, double *scratch, size_t n)
{
	(void) ml_rank_sort_ctx(NULL, scores, scratch, n);
}

/* ---- single ranks --------------------------------------------------------------------------------------------------- */

#define FEW_TO_SELECT 2048		/* numbers of which sorting is as quick */
#define NOT_ASKED SIZE_MAX

/* Which of DIGITS equal stretches between least and most a key is in. */
static inline size_t
stretch_of(key score, key least, int shift)
{
	return (score - least) >> shift;
}

/* Counts the keys of each stretch; starts[i] is how many are in those before i. */
static void
count_stretches(const key *keys, size_t n, key least, int shift, size_t *starts)
{
	size_t		start = 0;

	memset(starts, 0, DIGITS * sizeof(size_t));
	for (size_t i = 0; i < n; i++)
		starts[stretch_of(keys[i], least, shift)]++;
	for (int digit = 0; digit < DIGITS; digit++)
	{
		size_t		count = starts[digit];

		starts[digit] = start;
		start += count;
	}
	starts[DIGITS] = start;
}

/* Only the stretches that have one of the ranks are gathered and sorted. */
void
ml_rank_select(double *scores, double *scratch, size_t n, const size_t *ranks, int n_ranks, double *found)
{
	key		   *keys = (key *) (void *) scores;
	key			least = UINT64_MAX;
	key			most = 0;
	int			shift;
	size_t		starts[DIGITS + 1];
	size_t		places[DIGITS]; /* of the next number of a stretch in scratch */
	size_t		gathered = 0;

	if (n <= FEW_TO_SELECT)
	{
		ml_rank_sort(scores, scratch, n);
		for (int r = 0; r < n_ranks; r++)
			found[r] = scores[ranks[r]];
		return;
	}
	for (size_t i = 0; i < n; i++)
	{
		keys[i] = key_of(scores[i]);
		least = keys[i] < least ? keys[i] : least;
		most = keys[i] > most ? keys[i] : most;
	}
	shift = most == least ? 0 : 64 - __builtin_clzll(most - least) - DIGIT_BITS;
	shift = shift > 0 ? shift : 0;
	count_stretches(keys, n, least, shift, starts);
	for (int digit = 0; digit < DIGITS; digit++)
		places[digit] = NOT_ASKED;
	for (int r = 0, digit = 0; r < n_ranks; r++)
	{
		while (starts[digit + 1] <= ranks[r])
			digit++;
		if (places[digit] != NOT_ASKED)
			continue;
		places[digit] = gathered;
		gathered += starts[digit + 1] - starts[digit];
	}
	for (size_t i = 0; i < n; i++)
	{
		size_t		digit = stretch_of(keys[i], least, shift);

		if (places[digit] != NOT_ASKED)
			scratch[places[digit]++] = score_of(keys[i]);
	}
	gathered = 0;
	for (int r = 0, digit = -1; r < n_ranks; r++)
	{
		if (digit < 0 || starts[digit + 1] <= ranks[r])
		{
			gathered += digit < 0 ? 0 : starts[digit + 1] - starts[digit];
			for (digit = digit < 0 ? 0 : digit; starts[digit + 1] <= ranks[r];)
				digit++;
			ml_rank_sort(scratch + gathered, scores, starts[digit + 1] - starts[digit]);
		}
		found[r] = scratch[gathered + ranks[r] - starts[digit]];
	}
}
