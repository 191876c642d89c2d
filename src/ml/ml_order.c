/*
 * ml_order.c: rows are divided by the high bits of their keys into *buckets* that fit into a processor's cache, and then
 * each bucket is sorted.
 *
 * Dividing goes in *slices* of the rows: threads count how many rows of each slice go to each bucket, which tells where
 * every slice may write, and then write there without meeting.  Keys are hashes, so buckets are about equally large; a
 * bucket that is much larger (one content makes up a share of the rows, a fold has them all) is divided again by the next
 * bits, until its rows have one key and only comparing tells them apart.  The order does not depend on the number of
 * threads.  Between two rounds of work there is a look for a cancel.
 */
#include "ml/ml_order.h"

#include <stdatomic.h>
#include <string.h>

#include "ml/ml_parallel.h"

#define BUCKET_ROWS 1024		/* wanted in a bucket */
#define MOST_BUCKETS 4096
#define SMALL_BUCKET 4096		/* rows that find room on a thread's stack */
#define LARGE_BUCKET 131072		/* rows: more are divided again */
#define SLICE_ROWS 16384
#define MOST_SLICES 256
#define SLICES_AT_ONCE 64		/* between two looks for a cancel … */
#define ROWS_AT_ONCE 4194304	/* … and rows */
#define STRETCH 512				/* keys asked for at a time */
#define DIGIT_BITS 11			/* by which a bucket is divided, at most */
#define INSERTION 16			/* rows that are sorted by insertion */
#define HEAP_ROUND 4096

/* What is sorted now: rows as the caller has them, or entries whose keys differ in the low `bits` only. */
typedef struct order_job
{
	const ml_ctx *ctx;
	const ml_order_rows *rows;
	const ml_order_entry *from; /* (n) or NULL: the caller's rows */
	ml_order_entry *to;			/* (n) divided into buckets */
	ml_order_entry *spare;		/* (n) for sorting buckets; may be `from` */
	uint32_t   *order;			/* (n) */
	size_t		n;
	int			bits;
	int			shift;			/* bits of a key below those that choose the bucket */
	size_t		n_buckets;
	int			n_slices;
	uint32_t   *places;			/* (n_slices, n_buckets) counts, then where the next row goes */
	uint32_t   *starts;			/* (n_buckets + 1) */
	size_t		first;			/* slice or bucket of those at work */
	atomic_bool unsorted;
} order_job;

static ml_status sort_range(const order_job *parent, const ml_order_entry *from, ml_order_entry *to, ml_order_entry *spare,
							uint32_t *order, size_t n, int bits);

static uint64_t
low_bits(uint64_t key, int bits)
{
	return bits >= 64 ? key : key & (((uint64_t) 1 << bits) - 1);
}

/* ---- a bucket, by one thread --------------------------------------------------------------------------------------- */

static bool
before(const ml_order_rows *rows, const ml_order_entry *a, const ml_order_entry *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	return rows->compare(a->place, b->place, rows->arg) < 0;
}

static void
sort_by_insertion(const ml_order_rows *rows, ml_order_entry *entries, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		ml_order_entry moving = entries[i];
		size_t		at = i;

		while (at > 0 && before(rows, &moving, &entries[at - 1]))
		{
			entries[at] = entries[at - 1];
			at--;
		}
		entries[at] = moving;
	}
}

static void
sift_down(const ml_order_rows *rows, ml_order_entry *heap, size_t root, size_t n)
{
	ml_order_entry moving = heap[root];

	for (;;)
	{
		size_t		child = root * 2 + 1;

		if (child >= n)
			break;
		if (child + 1 < n && before(rows, &heap[child], &heap[child + 1]))
			child++;
		if (!before(rows, &moving, &heap[child]))
			break;
		heap[root] = heap[child];
		root = child;
	}
	heap[root] = moving;
}

/* Heapsort, for rows of one key that are not equal; false when cancelled.  ctx is NULL in threads: not asked. */
static bool
sort_by_heap(const ml_ctx *ctx, const ml_order_rows *rows, ml_order_entry *entries, size_t n)
{
	for (size_t root = n / 2; root > 0; root--)
	{
		if (ctx != NULL && root % HEAP_ROUND == 0 && ml_is_cancelled(ctx))
			return false;
		sift_down(rows, entries, root - 1, n);
	}
	for (size_t last = n; last > 1; last--)
	{
		ml_order_entry largest = entries[0];

		if (ctx != NULL && last % HEAP_ROUND == 0 && ml_is_cancelled(ctx))
			return false;
		entries[0] = entries[last - 1];
		entries[last - 1] = largest;
		sift_down(rows, entries, 0, last - 1);
	}
	return true;
}

static void
write_places(const ml_order_entry *entries, size_t n, uint32_t *order)
{
	for (size_t i = 0; i < n; i++)
		order[i] = entries[i].place;
}

/* Rows of one key are mostly equal rows: then looking at them is all there is to do. */
static void
sort_equal_keys(const ml_order_rows *rows, ml_order_entry *entries, size_t n)
{
	size_t		sorted = 1;

	while (sorted < n && !before(rows, &entries[sorted], &entries[sorted - 1]))
		sorted++;
	if (sorted < n)
		(void) sort_by_heap(NULL, rows, entries, n);
}

/* Sorts entries whose keys differ in the low `bits` only, by as many of them as there are rows to tell apart. */
static void
sort_bucket(const ml_order_rows *rows, ml_order_entry *entries, ml_order_entry *spare, size_t n, int bits, uint32_t *order)
{
	uint32_t	ends[1 << DIGIT_BITS];
	uint32_t	largest = 0;
	uint32_t	sum = 0;
	int			digit_bits = 1;
	int			shift;

	if (n <= INSERTION || bits == 0)
	{
		if (n <= INSERTION)
			sort_by_insertion(rows, entries, n);
		else
			sort_equal_keys(rows, entries, n);
		write_places(entries, n, order);
		return;
	}
	while (digit_bits < DIGIT_BITS && (size_t) 1 << digit_bits < n)
		digit_bits++;
	if (digit_bits > bits)
		digit_bits = bits;
	shift = bits - digit_bits;
	memset(ends, 0, sizeof(uint32_t) << digit_bits);
	for (size_t i = 0; i < n; i++)
		ends[low_bits(entries[i].key, bits) >> shift]++;
	for (size_t digit = 0; digit < (size_t) 1 << digit_bits; digit++)
	{
		uint32_t	count = ends[digit];

		largest = count > largest ? count : largest;
		ends[digit] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		spare[ends[low_bits(entries[i].key, bits) >> shift]++] = entries[i];
	if (largest <= INSERTION)
	{
		sort_by_insertion(rows, spare, n);
		write_places(spare, n, order);
		return;
	}
	for (size_t digit = 0, start = 0; digit < (size_t) 1 << digit_bits; start = ends[digit++])
		if (ends[digit] > start)
			sort_bucket(rows, spare + start, entries + start, ends[digit] - start, shift, order + start);
}

/* ---- dividing into buckets ------------------------------------------------------------------------------------------- */

/* Calls work for the keys of a slice, a stretch at a time. */
typedef void (*stretch_work) (order_job *job, uint32_t *places, const uint64_t *keys, uint32_t first_place,
							  const ml_order_entry *entries, size_t n);

static void
slice_of_rows(order_job *job, int slice, stretch_work work)
{
	const ml_order_rows *rows = job->rows;
	int			first = (int) ((int64_t) rows->n_blocks * slice / job->n_slices);
	int			end = (int) ((int64_t) rows->n_blocks * (slice + 1) / job->n_slices);
	uint64_t	keys[STRETCH];

	for (int block = first; block < end; block++)
		for (uint32_t row = 0; row < rows->counts[block]; row += STRETCH)
		{
			uint32_t	last = rows->counts[block] - row < STRETCH ? rows->counts[block] : row + STRETCH;

			rows->keys(rows->arg, block, row, last, keys);
			work(job, job->places + slice * job->n_buckets, keys, ((uint32_t) block << rows->place_bits) + row, NULL, last - row);
		}
}

static void
slice_of_entries(order_job *job, int slice, stretch_work work)
{
	size_t		first = job->n / job->n_slices * slice;
	size_t		end = slice + 1 == job->n_slices ? job->n : job->n / job->n_slices * (slice + 1);
	uint64_t	keys[STRETCH];

	for (size_t at = first; at < end; at += STRETCH)
	{
		size_t		n = end - at < STRETCH ? end - at : STRETCH;

		for (size_t i = 0; i < n; i++)
			keys[i] = job->from[at + i].key;
		work(job, job->places + slice * job->n_buckets, keys, 0, job->from + at, n);
	}
}

static void
do_slice(order_job *job, int slice, stretch_work work)
{
	if (job->from == NULL)
		slice_of_rows(job, slice, work);
	else
		slice_of_entries(job, slice, work);
}

static void
count_stretch(order_job *job, uint32_t *places, const uint64_t *keys, uint32_t first_place, const ml_order_entry *entries,
			  size_t n)
{
	int			bits = job->bits;
	int			shift = job->shift;

	(void) first_place;
	(void) entries;
	for (size_t i = 0; i < n; i++)
		places[low_bits(keys[i], bits) >> shift]++;
}

static void
move_stretch(order_job *job, uint32_t *places, const uint64_t *keys, uint32_t first_place, const ml_order_entry *entries,
			 size_t n)
{
	int			bits = job->bits;
	int			shift = job->shift;
	ml_order_entry *to = job->to;

	for (size_t i = 0; i < n; i++)
	{
		ml_order_entry *entry = &to[places[low_bits(keys[i], bits) >> shift]++];

		entry->key = keys[i];
		entry->place = entries != NULL ? entries[i].place : first_place + (uint32_t) i;
	}
}

static void
count_slice(void *arg, int index)
{
	order_job  *job = arg;

	do_slice(job, (int) job->first + index, count_stretch);
}

static void
move_slice(void *arg, int index)
{
	order_job  *job = arg;

	do_slice(job, (int) job->first + index, move_stretch);
}

/* All slices, some at a time; false when cancelled. */
static bool
for_all_slices(order_job *job, void (*work) (void *arg, int index))
{
	for (job->first = 0; job->first < (size_t) job->n_slices; job->first += SLICES_AT_ONCE)
	{
		size_t		left = job->n_slices - job->first;

		if (ml_is_cancelled(job->ctx))
			return false;
		ml_parallel(job->ctx, (int) (left < SLICES_AT_ONCE ? left : SLICES_AT_ONCE), work, job);
	}
	return true;
}

/* From counts to where each slice writes its first row of each bucket. */
static void
find_places(order_job *job)
{
	uint32_t	sum = 0;

	for (size_t bucket = 0; bucket < job->n_buckets; bucket++)
	{
		job->starts[bucket] = sum;
		for (int slice = 0; slice < job->n_slices; slice++)
		{
			uint32_t   *place = &job->places[slice * job->n_buckets + bucket];
			uint32_t	count = *place;

			*place = sum;
			sum += count;
		}
	}
	job->starts[job->n_buckets] = sum;
}

/* ---- all buckets ------------------------------------------------------------------------------------------------------- */

static size_t
bucket_rows(const order_job *job, size_t bucket)
{
	return job->starts[bucket + 1] - job->starts[bucket];
}

static void
sort_bucket_of_job(void *arg, int index)
{
	order_job  *job = arg;
	size_t		bucket = job->first + index;
	size_t		start = job->starts[bucket];
	size_t		n = bucket_rows(job, bucket);
	ml_order_entry own[SMALL_BUCKET];

	/* Memory that is in the cache already is better than the bucket's share of the spare. */
	if (n <= LARGE_BUCKET)
		sort_bucket(job->rows, job->to + start, n <= SMALL_BUCKET ? own : job->spare + start, n, job->shift, job->order + start);
}

static ml_status
sort_buckets(order_job *job)
{
	for (size_t end; job->first < job->n_buckets; job->first = end)
	{
		for (end = job->first + 1; end < job->n_buckets && job->starts[end + 1] - job->starts[job->first] <= ROWS_AT_ONCE;)
			end++;
		if (ml_is_cancelled(job->ctx))
			return ML_CANCELLED;
		ml_parallel(job->ctx, (int) (end - job->first), sort_bucket_of_job, job);
	}
	for (size_t bucket = 0; bucket < job->n_buckets; bucket++)
	{
		size_t		start = job->starts[bucket];
		ml_status	status = ML_OK;

		if (bucket_rows(job, bucket) > LARGE_BUCKET)
			status = sort_range(job, job->to + start, job->spare + start, job->to + start, job->order + start,
								bucket_rows(job, bucket), job->shift);
		if (status != ML_OK)
			return status;
	}
	return ML_OK;
}

/* ---- rows of one key ----------------------------------------------------------------------------------------------------- */

static void
look_at_slice(void *arg, int index)
{
	order_job  *job = arg;
	size_t		slice = job->first + index;
	size_t		first = job->n / job->n_slices * slice;
	size_t		end = slice + 1 == (size_t) job->n_slices ? job->n : job->n / job->n_slices * (slice + 1);

	for (size_t i = first; i < end && !atomic_load_explicit(&job->unsorted, memory_order_relaxed); i++)
	{
		job->order[i] = job->from[i].place;
		if (i > 0 && job->rows->compare(job->from[i - 1].place, job->from[i].place, job->rows->arg) > 0)
			atomic_store(&job->unsorted, true);
	}
}

/* Very many rows of one key: equal, or nearly always so. */
static ml_status
sort_one_key(order_job *job)
{
	if (!for_all_slices(job, look_at_slice))
		return ML_CANCELLED;
	if (!atomic_load(&job->unsorted))
		return ML_OK;
	memcpy(job->to, job->from, sizeof(ml_order_entry) * job->n);
	if (!sort_by_heap(job->ctx, job->rows, job->to, job->n))
		return ML_CANCELLED;
	write_places(job->to, job->n, job->order);
	return ML_OK;
}

/* ---- the whole -------------------------------------------------------------------------------------------------------------- */

/* Divides and sorts; from `last`, the largest key, follow the buckets. */
static ml_status
sort_job(order_job *job, uint64_t last)
{
	size_t		wanted = job->n / BUCKET_ROWS;
	ml_status	status = ML_CANCELLED;

	wanted = wanted < 2 ? 2 : wanted > MOST_BUCKETS ? MOST_BUCKETS : wanted;
	while (last >> job->shift >= wanted)
		job->shift++;
	job->n_buckets = (size_t) (last >> job->shift) + 1;
	job->places = ml_alloc_zero(job->ctx, job->n_slices * job->n_buckets, sizeof(uint32_t));
	job->starts = ml_alloc(job->ctx, job->n_buckets + 1, sizeof(uint32_t));
	if (job->places == NULL || job->starts == NULL)
		status = ML_NO_MEMORY;
	else if (for_all_slices(job, count_slice))
	{
		find_places(job);
		if (for_all_slices(job, move_slice))
		{
			job->first = 0;
			status = sort_buckets(job);
		}
	}
	ml_free(job->ctx, job->places);
	ml_free(job->ctx, job->starts);
	return status;
}

static int
slices_for(size_t n)
{
	size_t		slices = n / SLICE_ROWS;

	return (int) (slices < 1 ? 1 : slices > MOST_SLICES ? MOST_SLICES : slices);
}

/* Entries whose keys differ in the low `bits` only. */
static ml_status
sort_range(const order_job *parent, const ml_order_entry *from, ml_order_entry *to, ml_order_entry *spare, uint32_t *order,
		   size_t n, int bits)
{
	order_job	job = {.ctx = parent->ctx, .rows = parent->rows, .from = from, .to = to, .spare = spare, .order = order, .n = n,
	.bits = bits, .n_slices = slices_for(n)};

	if (bits == 0)
		return sort_one_key(&job);
	return sort_job(&job, low_bits(UINT64_MAX, bits));
}

ml_status
ml_order(const ml_ctx *ctx, const ml_order_rows *rows, size_t n, ml_order_entry *entries, ml_order_entry *scratch,
		 uint32_t *order)
{
	order_job	job = {.ctx = ctx, .rows = rows, .to = entries, .spare = scratch, .order = order, .n = n, .bits = 64,
	.n_slices = slices_for(n)};

	if (n == 0)
		return ML_OK;
	return sort_job(&job, rows->last_key);
}
