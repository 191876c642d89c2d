/*
 * ml_smo_cache.c: kernel rows, the least recently used of which makes room.
 */
#include "ml/ml_smo_cache.h"

#include <string.h>

bool
ml_smo_cache_init(const ml_ctx *ctx, ml_smo_cache *cache, size_t capacity, double bytes)
{
	size_t		row = (capacity + 15) / 16 * 16;
	double		wanted = bytes / sizeof(float);
	double		most = (double) row * row;

	memset(cache, 0, sizeof(*cache));
	wanted = wanted < most ? wanted : most;
	cache->arena_floats = wanted > 2.0 * row ? (size_t) wanted : 2 * row;
	cache->rows = ml_alloc(ctx, cache->arena_floats, sizeof(float));
	cache->slot_of = ml_alloc(ctx, 3 * (capacity + 1), sizeof(int32_t));
	cache->owner = ml_alloc(ctx, 2 * (capacity + 1), sizeof(uint32_t));
	if (cache->rows == NULL || cache->slot_of == NULL || cache->owner == NULL)
		return false;
	cache->newer = cache->slot_of + capacity + 1;
	cache->older = cache->newer + capacity + 1;
	cache->length = cache->owner + capacity + 1;
	return true;
}

void
ml_smo_cache_free(const ml_ctx *ctx, ml_smo_cache *cache)
{
	ml_free(ctx, cache->rows);
	ml_free(ctx, cache->slot_of);
	ml_free(ctx, cache->owner);
}

static void
set_row_floats(ml_smo_cache *cache, size_t row_floats)
{
	size_t		slots = cache->arena_floats / (row_floats > 0 ? row_floats : 1);

	cache->row_floats = row_floats;
	cache->n_slots = slots > INT32_MAX ? INT32_MAX : (int32_t) slots;
}

void
ml_smo_cache_reset(ml_smo_cache *cache, size_t n_points, size_t row_floats)
{
	set_row_floats(cache, row_floats);
	cache->used = 0;
	cache->newest = cache->oldest = -1;
	for (size_t i = 0; i < n_points; i++)
		cache->slot_of[i] = -1;
}

static void
unlink_slot(ml_smo_cache *cache, int32_t slot)
{
	int32_t		newer = cache->newer[slot];
	int32_t		older = cache->older[slot];

	if (newer >= 0)
		cache->older[newer] = older;
	else
		cache->newest = older;
	if (older >= 0)
		cache->newer[older] = newer;
	else
		cache->oldest = newer;
}

static void
link_newest(ml_smo_cache *cache, int32_t slot)
{
	cache->newer[slot] = -1;
	cache->older[slot] = cache->newest;
	if (cache->newest >= 0)
		cache->newer[cache->newest] = slot;
	else
		cache->oldest = slot;
	cache->newest = slot;
}

float *
ml_smo_cache_get(ml_smo_cache *cache, uint32_t point, uint32_t **length)
{
	int32_t		slot = cache->slot_of[point];

	if (slot >= 0)
		unlink_slot(cache, slot);
	else
	{
		if (cache->used < cache->n_slots)
			slot = cache->used++;
		else
		{
			slot = cache->oldest;
			unlink_slot(cache, slot);
			cache->slot_of[cache->owner[slot]] = -1;
		}
		cache->slot_of[point] = slot;
		cache->owner[slot] = point;
		cache->length[slot] = 0;
	}
	link_newest(cache, slot);
	*length = &cache->length[slot];
	return cache->rows + (size_t) slot * cache->row_floats;
}

/*
 * Moves what is kept of the row in slot `from` to slot `to` of rows of `stride` floats, which are no longer than they were;
 * places before lie before, so that nothing is overwritten that is still wanted.
 */
static void
move_row(ml_smo_cache *cache, int32_t from, int32_t to, size_t stride, const uint32_t *kept, size_t n_kept)
{
	const float *row = cache->rows + (size_t) from * cache->row_floats;
	float	   *target = cache->rows + (size_t) to * stride;
	size_t		valid = 0;

	for (; valid < n_kept && kept[valid] < cache->length[from]; valid++)
		target[valid] = row[kept[valid]];
	cache->owner[to] = cache->owner[from];
	cache->length[to] = (uint32_t) valid;
}

void
ml_smo_cache_rearrange(ml_smo_cache *cache, const uint32_t *kept, size_t n_kept, const bool *active, size_t row_floats)
{
	size_t		before = cache->row_floats;
	size_t		stride = row_floats < before ? row_floats : before;
	int32_t		left = 0;

	/* To where rows are if they become shorter; if they grow, within the slots as they are. */
	for (int32_t slot = cache->oldest, newer; slot >= 0; slot = newer)
	{
		newer = cache->newer[slot];
		if (!active[cache->owner[slot]])
		{
			cache->slot_of[cache->owner[slot]] = -1;
			unlink_slot(cache, slot);
			cache->owner[slot] = UINT32_MAX;
		}
	}
	for (int32_t slot = 0; slot < cache->used; slot++)
	{
		if (cache->owner[slot] == UINT32_MAX)
			continue;
		move_row(cache, slot, left, stride, kept, n_kept);
		cache->slot_of[cache->owner[left]] = left;
		/* The place in the list goes with the row. */
		if (left != slot)
		{
			cache->newer[left] = cache->newer[slot];
			cache->older[left] = cache->older[slot];
			if (cache->newer[left] >= 0)
				cache->older[cache->newer[left]] = left;
			else
				cache->newest = left;
			if (cache->older[left] >= 0)
				cache->newer[cache->older[left]] = left;
			else
				cache->oldest = left;
		}
		left++;
	}
	cache->used = left;
	set_row_floats(cache, row_floats);
	if (row_floats > before && cache->used > cache->n_slots)
	{
		/* Fewer fit: what follows in memory goes, whatever its age, as moving by age would cost more than it saves. */
		for (int32_t slot = cache->n_slots; slot < cache->used; slot++)
		{
			unlink_slot(cache, slot);
			cache->slot_of[cache->owner[slot]] = -1;
		}
		cache->used = cache->n_slots;
	}
	if (row_floats > before)
		for (int32_t slot = cache->used - 1; slot > 0; slot--)
			memmove(cache->rows + slot * row_floats, cache->rows + slot * before, cache->length[slot] * sizeof(float));
}
