/*
 * ml_sample.c: bottom-k sampling in a flat block.
 *
 * The block takes a quarter more than the wanted number of records before it is cut back, so a record costs a constant
 * time on average; of n rows only about k (1 + ln(n / k)) are ever stored.
 */
#include "ml/ml_sample.h"

#include <string.h>

#define MAGIC 0x53414d31u
#define BUCKET_BITS 10
#define BUCKETS (1 << BUCKET_BITS)
#define MOST_INSERTED 32		/* records sorted by insertion */

static uint64_t *
priorities(const ml_sample *s)
{
	return (uint64_t *) (s + 1);
}

static unsigned char *
records(const ml_sample *s)
{
	return (unsigned char *) (priorities(s) + s->capacity);
}

uint32_t
ml_sample_most(uint32_t wanted)
{
	return wanted + wanted / 4 + 1;
}

static uint32_t
most_records(const ml_sample *s)
{
	return ml_sample_most(s->wanted);
}

size_t
ml_sample_size(uint32_t capacity, uint32_t record_size)
{
	return sizeof(ml_sample) + (size_t) capacity * (sizeof(uint64_t) + record_size);
}

void
ml_sample_init(ml_sample *s, uint32_t wanted, uint32_t capacity, uint32_t record_size)
{
	memset(s, 0, sizeof(*s));
	s->magic = MAGIC;
	s->record_size = record_size;
	s->wanted = wanted;
	s->capacity = capacity;
	s->threshold = wanted > 0 ? UINT64_MAX : 0;
}

bool
ml_sample_valid(const ml_sample *s, size_t size)
{
	return size >= sizeof(*s) && s->magic == MAGIC && s->count <= s->capacity && s->wanted <= UINT32_MAX / 4 &&
		s->record_size % 8 == 0 && s->capacity <= size / sizeof(uint64_t) &&
		size == ml_sample_size(s->capacity, s->record_size);
}

uint32_t
ml_sample_next_capacity(const ml_sample *s)
{
	uint32_t	grown = s->capacity < 32 ? 64 : s->capacity * 4;

	return grown > most_records(s) ? most_records(s) : grown;
}

void
ml_sample_move(ml_sample *to, uint32_t capacity, const ml_sample *from)
{
	*to = *from;
	to->capacity = capacity;
	memcpy(priorities(to), priorities(from), from->count * sizeof(uint64_t));
	memcpy(records(to), records(from), (size_t) from->count * from->record_size);
}

/*
 * Drops the records whose priority is not below the threshold.  The last ones take their places: the order of records has
 * no meaning, and moving few of them is cheaper than closing the gaps.
 */
static void
drop_beyond_threshold(ml_sample *s)
{
	uint64_t   *priority = priorities(s);
	unsigned char *record = records(s);
	uint32_t	kept = s->count;

	for (uint32_t i = 0; i < kept; i++)
	{
		if (priority[i] < s->threshold)
			continue;
		do
			kept--;
		while (kept > i && priority[kept] >= s->threshold);
		if (kept == i)
			break;
		priority[i] = priority[kept];
		memcpy(record + (size_t) i * s->record_size, record + (size_t) kept * s->record_size, s->record_size);
	}
	s->trimmed |= kept < s->count;
	s->count = kept;
}

/* The records of one sample, or of two that are to become one, and how many of them there may be. */
typedef struct union_of
{
	const ml_sample *a;
	const ml_sample *b;			/* NULL: one */
	uint32_t	wanted;
} union_of;

static uint32_t
count_below(const union_of *u, uint64_t limit)
{
	uint32_t	below = 0;

	for (int side = 0; side < 2; side++)
	{
		const ml_sample *s = side ? u->b : u->a;

		for (uint32_t i = 0; s != NULL && i < s->count; i++)
			below += priorities(s)[i] < limit;
	}
	return below;
}

/* The least priority that is not below a limit; none: `none`. */
static uint64_t
least_from(const union_of *u, uint64_t limit, uint64_t none)
{
	uint64_t	least = none;

	for (int side = 0; side < 2; side++)
	{
		const ml_sample *s = side ? u->b : u->a;

		for (uint32_t i = 0; s != NULL && i < s->count; i++)
			least = priorities(s)[i] >= limit && priorities(s)[i] < least ? priorities(s)[i] : least;
	}
	return least;
}

/*
 * The largest threshold, up to the one that is, below which there are at most `wanted` records.  Records of equal priority
 * stay or go together, so that what is kept is the same whatever the order in which they came.
 *
 * Priorities are hashes, so the search goes where the right place would be if they were evenly spread, and halves the
 * range every other time in case they are not.
 */
static uint64_t
find_threshold(const union_of *u, uint64_t threshold)
{
	uint64_t	low = 0;		/* at most `wanted` records are below */
	uint64_t	high = threshold - 1;	/* more than that are below high + 1 */
	uint32_t	below_low = 0;
	uint32_t	below_high = count_below(u, threshold);

	if (below_high <= u->wanted)
		return threshold;
	for (int step = 0; low < high; step++)
	{
		double		share = (u->wanted - below_low + 0.5) / (double) (below_high - below_low + 1);
		uint64_t	offset = step % 2 ? (high - low) / 2 : (uint64_t) ((double) (high - low) * share * 0.999999);
		uint64_t	middle = low + 1 + (offset < high - low ? offset : high - low - 1);
		uint32_t	below = count_below(u, middle);

		/* The answer is the next priority: up to there the count stays the same. */
		if (below == u->wanted)
			return least_from(u, middle, high);
		if (below < u->wanted)
		{
			low = middle;
			below_low = below;
		}
		else
		{
			high = middle - 1;
			below_high = below;
		}
	}
	return low;
}

void
ml_sample_trim(ml_sample *s)
{
	union_of	one = {s, NULL, s->wanted};

	s->threshold = find_threshold(&one, s->threshold);
	drop_beyond_threshold(s);
}

void *
ml_sample_put(ml_sample *s, uint64_t priority)
{
	if (s->count == s->capacity && s->capacity >= most_records(s))
		ml_sample_trim(s);
	if (s->count == s->capacity)
		return NULL;
	priorities(s)[s->count] = priority;
	return records(s) + (size_t) s->count++ * s->record_size;
}

uint64_t
ml_sample_priority(const ml_sample *s, uint32_t index)
{
	return priorities(s)[index];
}

const void *
ml_sample_record(const ml_sample *s, uint32_t index)
{
	return records(s) + (size_t) index * s->record_size;
}

bool
ml_sample_merge(ml_sample *s, ml_sample *other)
{
	uint64_t	seen = s->seen + other->seen;
	uint32_t	kept;
	union_of	both = {s, other, s->wanted};

	/* What does not stay is dropped first, so that there is room for the rest. */
	s->threshold = other->threshold = find_threshold(&both, other->threshold < s->threshold ? other->threshold : s->threshold);
	drop_beyond_threshold(s);
	both = (union_of) {other, NULL, other->wanted};
	kept = count_below(&both, s->threshold);
	if (s->count + kept > s->capacity)
	{
		drop_beyond_threshold(other);
		return false;
	}
	for (uint32_t i = 0; i < other->count; i++)
	{
		if (priorities(other)[i] >= s->threshold)
			continue;
		priorities(s)[s->count] = priorities(other)[i];
		memcpy(records(s) + (size_t) s->count++ * s->record_size, records(other) + (size_t) i * s->record_size, s->record_size);
	}
	s->trimmed |= other->trimmed || kept < other->count;
	s->seen = seen;
	return true;
}

/* ---- the canonical order ------------------------------------------------------------------------------------- */

static bool
comes_before(const ml_sample *s, uint32_t a, uint32_t b)
{
	if (priorities(s)[a] != priorities(s)[b])
		return priorities(s)[a] < priorities(s)[b];
	return memcmp(ml_sample_record(s, a), ml_sample_record(s, b), s->record_size) < 0;
}

static void
sift_down(const ml_sample *s, uint32_t *heap, uint32_t root, uint32_t count)
{
	uint32_t	moving = heap[root];

	for (;;)
	{
		uint32_t	child = root * 2 + 1;

		if (child >= count)
			break;
		if (child + 1 < count && comes_before(s, heap[child], heap[child + 1]))
			child++;
		if (!comes_before(s, moving, heap[child]))
			break;
		heap[root] = heap[child];
		root = child;
	}
	heap[root] = moving;
}

/* Heapsort: no memory, and no comparison function of libc without an argument to carry the sample. */
static void
sort_by_heap(const ml_sample *s, uint32_t *order, uint32_t count)
{
	for (uint32_t root = count / 2; root > 0; root--)
		sift_down(s, order, root - 1, count);
	for (uint32_t last = count; last > 1; last--)
	{
		uint32_t	largest = order[0];

		order[0] = order[last - 1];
		order[last - 1] = largest;
		sift_down(s, order, 0, last - 1);
	}
}

static void
sort_by_insertion(const ml_sample *s, uint32_t *order, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
	{
		uint32_t	moving = order[i];
		uint32_t	at = i;

		for (; at > 0 && comes_before(s, moving, order[at - 1]); at--)
			order[at] = order[at - 1];
		order[at] = moving;
	}
}

/*
 * Priorities are hashes: as many buckets of like width as there are places hold a few records each, which are then sorted.
 * Where they are not, or many are equal, a bucket may have all.
 */
void
ml_sample_order(const ml_sample *s, uint32_t *order)
{
	const uint64_t *priority = priorities(s);
	uint32_t	ends[BUCKETS] = {0};
	uint32_t	next[BUCKETS];
	uint32_t	start = 0;
	uint64_t	most = 0;
	int			shift;

	for (uint32_t i = 0; i < s->count; i++)
		most = priority[i] > most ? priority[i] : most;
	shift = most >= BUCKETS ? 64 - BUCKET_BITS - __builtin_clzll(most) : 0;
	for (uint32_t i = 0; i < s->count; i++)
		ends[priority[i] >> shift]++;
	for (int b = 0; b < BUCKETS; b++)
	{
		next[b] = start;
		start += ends[b];
		ends[b] = start;
	}
	for (uint32_t i = 0; i < s->count; i++)
		order[next[priority[i] >> shift]++] = i;
	for (int b = 0; b < BUCKETS; b++)
	{
		uint32_t	first = b ? ends[b - 1] : 0;

		if (ends[b] - first <= MOST_INSERTED)
			sort_by_insertion(s, order + first, ends[b] - first);
		else
			sort_by_heap(s, order + first, ends[b] - first);
	}
}
