/*
 * test_ml_order.c: the canonical order in threads against qsort: keys of every shape, any blocks, cancelling, no memory.
 */
#include "ml/ml_order.h"

#include "alloc_fail.h"
#include "unit.h"

#define MOST 150000
#define BITS 13

/* A row: its key, and content that only comparing tells apart. */
typedef struct row
{
	uint64_t	key;
	uint32_t	content;
} row;

typedef struct table
{
	row		   *rows;			/* (n_blocks, 1 << BITS) */
	uint32_t	counts[MOST];
	int			n_blocks;
	size_t		n;
	uint64_t	last_key;
} table;

static table data;
static ml_order_entry entries[MOST];
static ml_order_entry scratch[MOST];
static uint32_t order[MOST];
static row	expected[MOST];

static void
keys(void *arg, int block, uint32_t first, uint32_t end, uint64_t *to)
{
	const table *t = arg;

	for (uint32_t i = first; i < end; i++)
		to[i - first] = t->rows[((size_t) block << BITS) + i].key;
}

static int
compare(uint32_t a, uint32_t b, void *arg)
{
	const table *t = arg;
	uint32_t	left = t->rows[a].content;
	uint32_t	right = t->rows[b].content;

	return (left > right) - (left < right);
}

static int
compare_whole(const void *a, const void *b)
{
	const row  *left = a;
	const row  *right = b;

	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	return (left->content > right->content) - (left->content < right->content);
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Lays n rows into blocks of `room` rows at most, empty ones among them; the same rows whatever the room. */
static void
lay_out(size_t n, uint32_t room, uint64_t (*key) (size_t i, size_t n), uint32_t contents)
{
	data.n = n;
	data.n_blocks = 0;
	data.last_key = 0;
	for (size_t at = 0; at < n || data.n_blocks == 0; data.n_blocks++)
	{
		uint32_t	count = data.n_blocks % 5 == 3 ? 0 : room - data.n_blocks % 3 % room;

		count = count > n - at ? (uint32_t) (n - at) : count;
		data.counts[data.n_blocks] = count;
		for (uint32_t i = 0; i < count; i++, at++)
		{
			row		   *r = &data.rows[((size_t) data.n_blocks << BITS) + i];

			r->key = key(at, n);
			r->content = (uint32_t) (mix(at + 77) % contents);
			data.last_key = r->key > data.last_key ? r->key : data.last_key;
			expected[at] = *r;
		}
	}
	qsort(expected, n, sizeof(row), compare_whole);
}

static ml_status
sort(const ml_ctx *ctx)
{
	ml_order_rows rows = {data.n_blocks, data.counts, BITS, data.last_key, keys, compare, &data};

	return ml_order(ctx, &rows, data.n, entries, scratch, order);
}

/* Every place once, and what lies there in the order of qsort. */
static bool
is_right(void)
{
	static unsigned char seen[(size_t) MOST << 3];
	bool		right = true;

	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < data.n; i++)
	{
		right = right && seen[order[i]]++ == 0;
		right = right && compare_whole(&data.rows[order[i]], &expected[i]) == 0;
	}
	return right;
}

static uint64_t random_key(size_t i, size_t n) { (void) n; return mix(i) >> 10; }
static uint64_t five_folds(size_t i, size_t n) { (void) n; return (mix(i) % 5) << 54 | mix(i + 1) >> 10; }
static uint64_t last_fold(size_t i, size_t n) { (void) n; return (uint64_t) 900 << 54 | mix(i) >> 10; }
static uint64_t zero(size_t i, size_t n) { (void) i; (void) n; return 0; }
static uint64_t most(size_t i, size_t n) { (void) i; (void) n; return UINT64_MAX; }
static uint64_t two_values(size_t i, size_t n) { (void) n; return mix(i % 2 + 5); }
static uint64_t seven_values(size_t i, size_t n) { (void) n; return mix(mix(i) % 7) >> 10; }
static uint64_t low_bits(size_t i, size_t n) { (void) n; return ((uint64_t) 1 << 53) + mix(i) % 1000; }
static uint64_t one_apart(size_t i, size_t n) { return i == n / 2 ? (uint64_t) 1 << 63 : mix(i) % 3; }
static uint64_t rising(size_t i, size_t n) { (void) n; return i; }
static uint64_t falling(size_t i, size_t n) { return n - i; }
static uint64_t powers(size_t i, size_t n) { (void) n; return (uint64_t) 1 << mix(i) % 64; }

static void
test_shapes(void)
{
	static const struct
	{
		const char *name;
		uint64_t	(*key) (size_t i, size_t n);
		uint32_t	contents;
	}			shapes[] = {
		{"random keys", random_key, 1}, {"five folds", five_folds, 1000}, {"all in the last of many folds", last_fold, 1},
		{"one key, equal rows", zero, 1}, {"one key, three contents", zero, 3}, {"one key, all different", most, UINT32_MAX},
		{"two keys", two_values, 1}, {"seven keys", seven_values, 2}, {"low bits differ", low_bits, 5}, {"one far apart", one_apart, 1},
		{"rising", rising, 1}, {"falling", falling, 1}, {"powers of two", powers, 4},
	};
	static const size_t sizes[] = {0, 1, 2, 17, 1000, 20000, MOST};
	ml_ctx		ctx = ml_ctx_default();

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		bool		right = true;

		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			for (int threads = 1; threads <= 8; threads += 1 + threads % 3 * 2)
			{
				ctx.nthreads = threads;
				lay_out(sizes[k], threads % 2 ? 1 << BITS : sizes[k] > 20000 ? 5000 : 200, shapes[s].key, shapes[s].contents);
				right = right && sort(&ctx) == ML_OK && is_right();
			}
		unit_ok(right, "%s", shapes[s].name);
	}
}

static void
test_interrupted(void)
{
	fail_state	state = {-1, 0, -1, 0};
	ml_ctx		ctx = fail_ctx(&state);
	int			stops = 0;
	int			failures = 0;

	ctx.nthreads = 3;
	for (int shape = 0; shape < 3; shape++)
	{
		lay_out(MOST, 1 << BITS, shape == 0 ? random_key : zero, shape == 2 ? 10 : 1);
		for (long k = 0; k < 1000; k++, stops++)
		{
			state.until_cancel = k;
			if (sort(&ctx) != ML_CANCELLED)
				break;
		}
		unit_ok(is_right(), "after %d stops", stops);
		state.until_cancel = -1;
		for (long k = 0; k < 100; k++, failures++)
		{
			state.until_failure = k;
			if (sort(&ctx) != ML_NO_MEMORY)
				break;
		}
		state.until_failure = -1;
		unit_ok(is_right() && state.live == 0, "after %d failures to get memory, all of which is given back", failures);
	}
	unit_ok(stops > 20 && failures > 5, "stopped %d times, out of memory %d times", stops, failures);
}

int
main(void)
{
	data.rows = calloc((size_t) MOST << 3, sizeof(row));
	test_shapes();
	test_interrupted();
	free(data.rows);
	return unit_done();
}
