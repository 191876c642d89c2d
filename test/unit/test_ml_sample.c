/*
 * test_ml_sample.c: bottom-k samples: the same whatever the order and the division, uniform, and safe from damage.
 */
#include <string.h>

#include "unit.h"

#include "ml/ml_hash.h"
#include "ml/ml_sample.h"

enum
{
	WANTED = 100,
	ROWS = 20000
};

typedef struct record
{
	uint64_t	row;
	double		value;
} record;

static uint64_t
priority_of(int row)
{
	return ml_hash_word(5, row);
}

/* A sample with room for all it may hold; rows from, from + step, … */
static ml_sample *
sample_of(int from, int step, int n)
{
	uint32_t	room = 4 * WANTED;
	ml_sample  *s = malloc(ml_sample_size(room, sizeof(record)));

	ml_sample_init(s, WANTED, 0, sizeof(record));
	ml_sample_move(s, 16, s);
	for (int row = from; row < n; row += step)
	{
		record	   *r;

		s->seen++;
		if (!ml_sample_wants(s, priority_of(row)))
			continue;
		while ((r = ml_sample_put(s, priority_of(row))) == NULL)
		{
			ml_sample  *larger = malloc(ml_sample_size(room, sizeof(record)));

			ml_sample_move(larger, ml_sample_next_capacity(s), s);
			free(s);
			s = larger;
		}
		r->row = row;
		r->value = row % 10;
	}
	return s;
}

static int
compare(const void *a, const void *b)
{
	uint64_t	left = *(const uint64_t *) a;
	uint64_t	right = *(const uint64_t *) b;

	return (left > right) - (left < right);
}

/* Whether the sample holds exactly the rows with the smallest priorities, in canonical order. */
static bool
holds_smallest(ml_sample *s, int n)
{
	static uint64_t all[ROWS];
	uint32_t	order[4 * WANTED];
	uint32_t	expected = n < WANTED ? n : WANTED;
	bool		good;

	for (int row = 0; row < n; row++)
		all[row] = priority_of(row);
	qsort(all, n, sizeof(uint64_t), compare);
	ml_sample_trim(s);
	good = s->count == expected;
	ml_sample_order(s, order);
	for (uint32_t i = 0; good && i < expected; i++)
	{
		const record *r = ml_sample_record(s, order[i]);

		good = ml_sample_priority(s, order[i]) == all[i] && priority_of((int) r->row) == all[i] && r->value == r->row % 10;
	}
	return good;
}

static void
test_merge(void)
{
	ml_sample  *s = sample_of(0, 3, ROWS);

	for (int part = 1; part < 3; part++)
	{
		ml_sample  *other = sample_of(part, 3, ROWS);
		ml_sample  *larger;

		if (!ml_sample_merge(s, other))
		{
			larger = malloc(ml_sample_size(s->count + other->count, sizeof(record)));
			ml_sample_move(larger, s->count + other->count, s);
			free(s);
			s = larger;
			unit_ok(ml_sample_merge(s, other), "merged once there is room");
		}
		free(other);
	}
	unit_int(s->seen, ROWS, "rows seen add up");
	unit_ok(holds_smallest(s, ROWS), "three parts merged hold what one would");
	unit_ok(s->trimmed, "and know that rows were left out");
	free(s);
}

static void
test_equal(void)
{
	ml_sample  *s = malloc(ml_sample_size(4 * WANTED, sizeof(record)));
	int			kept;

	/* 60 rows of one priority and 90 of another: they stay or go together. */
	ml_sample_init(s, WANTED, 4 * WANTED, sizeof(record));
	for (int i = 0; i < 150; i++)
		memset(ml_sample_put(s, i % 5 < 2 ? 7 : 9), 0, sizeof(record));
	ml_sample_trim(s);
	kept = s->count;
	unit_int(kept, 60, "rows of equal priority stay or go together");
	free(s);
}

/* The order of priorities that are spread, small, all but equal, or equal, with records that differ. */
static void
test_order(void)
{
	enum
	{
		COUNT = 3000
	};
	static uint32_t order[COUNT];

	for (int shape = 0; shape < 4; shape++)
		for (int count = 0; count <= COUNT; count = count ? count * 7 + 6 : 1)
		{
			ml_sample  *s = malloc(ml_sample_size(COUNT, sizeof(record)));
			bool		good = true;

			ml_sample_init(s, COUNT, COUNT, sizeof(record));
			for (int i = 0; i < count; i++)
			{
				uint64_t	hash = priority_of(i);
				record	   *r = ml_sample_put(s, shape == 0 ? hash : shape == 1 ? hash % 700 : shape == 2 ? hash | ~UINT64_C(3) : 12345);

				r->row = hash;
				r->value = 0;
			}
			ml_sample_order(s, order);
			for (int i = 1; i < count; i++)
			{
				uint64_t	before = ml_sample_priority(s, order[i - 1]);
				uint64_t	here = ml_sample_priority(s, order[i]);

				good &= before < here ||
					(before == here && memcmp(ml_sample_record(s, order[i - 1]), ml_sample_record(s, order[i]), sizeof(record)) < 0);
			}
			unit_ok(good, "order of %d records, shape %d", count, shape);
			free(s);
		}
}

static void
test_valid(void)
{
	ml_sample  *s = malloc(ml_sample_size(8, sizeof(record)));
	size_t		size = ml_sample_size(8, sizeof(record));

	ml_sample_init(s, 4, 8, sizeof(record));
	unit_ok(ml_sample_valid(s, size), "a fresh sample is valid");
	unit_ok(!ml_sample_valid(s, size - 8), "one byte too few is not");
	s->count = 9;
	unit_ok(!ml_sample_valid(s, size), "more records than room is not");
	s->count = 0, s->capacity = UINT32_MAX;
	unit_ok(!ml_sample_valid(s, size), "a capacity beyond the block is not");
	ml_sample_init(s, 0, 8, sizeof(record));
	unit_ok(!ml_sample_wants(s, 0), "a sample of no rows wants none");
	free(s);
}

int
main(void)
{
	ml_sample  *s = sample_of(0, 1, ROWS);
	double		mean = 0;

	unit_ok(holds_smallest(s, ROWS), "the rows with the smallest priorities");
	for (uint32_t i = 0; i < s->count; i++)
		mean += ((const record *) ml_sample_record(s, i))->value / s->count;
	unit_near(mean, 4.5, 0, 1, "which are a fair sample");
	free(s);
	s = sample_of(0, 1, 60);
	unit_ok(holds_smallest(s, 60) && !s->trimmed, "few rows are all kept");
	free(s);
	test_merge();
	test_equal();
	test_order();
	test_valid();
	return unit_done();
}
