/*
 * ml_catset.c: a flat hash set of texts: head, entries, slots (entry + 1, 0 is free), heap of text.
 */
#include "ml/ml_catset.h"

#include <string.h>

#include "ml/ml_hash.h"

#define MAGIC 0x43415453u

static uint32_t
slots_for(uint32_t entry_room)
{
	uint32_t	slots = 16;

	while (slots / 2 < entry_room)
		slots *= 2;
	return slots;
}

static ml_catset_entry *
entries_of(const ml_catset *set)
{
	return (ml_catset_entry *) (set + 1);
}

static uint32_t *
slots_of(const ml_catset *set)
{
	return (uint32_t *) (entries_of(set) + set->entry_room);
}

static char *
heap_of(const ml_catset *set)
{
	return (char *) (slots_of(set) + set->slots);
}

size_t
ml_catset_size(uint32_t entry_room, uint32_t heap_room)
{
	return sizeof(ml_catset) + (size_t) entry_room * sizeof(ml_catset_entry) +
		(size_t) slots_for(entry_room) * sizeof(uint32_t) + heap_room;
}

void
ml_catset_init(ml_catset *set, uint32_t entry_room, uint32_t heap_room)
{
	memset(set, 0, ml_catset_size(entry_room, heap_room));
	set->magic = MAGIC;
	set->slots = slots_for(entry_room);
	set->entry_room = entry_room;
	set->heap_room = heap_room;
}

bool
ml_catset_valid(const ml_catset *set, size_t size)
{
	const ml_catset_entry *entries = entries_of(set);

	if (size < sizeof(*set) || set->magic != MAGIC || set->entry_room > (1u << 28) || set->entries > set->entry_room ||
		set->slots != slots_for(set->entry_room) || set->heap > set->heap_room ||
		size != ml_catset_size(set->entry_room, set->heap_room))
		return false;
	for (uint32_t i = 0; i < set->entries; i++)
		if (entries[i].offset > set->heap || entries[i].length > set->heap - entries[i].offset)
			return false;
	for (uint32_t i = 0; i < set->slots; i++)
		if (slots_of(set)[i] > set->entries)
			return false;
	return true;
}

int32_t
ml_catset_find_or_add(ml_catset *set, uint32_t column, const char *text, uint32_t length, bool *is_new)
{
	ml_catset_entry *entries = entries_of(set);
	uint32_t   *slots = slots_of(set);
	uint64_t	hash = ml_hash_bytes(column + 1, text, length);
	uint32_t	slot = (uint32_t) hash & (set->slots - 1);
	ml_catset_entry *entry;

	*is_new = false;
	/* Half of the slots are free, unless the block was damaged in a way that only costs: look at each slot once. */
	for (uint32_t tried = 0; tried < set->slots && slots[slot] != 0; tried++)
	{
		entry = &entries[slots[slot] - 1];
		if (entry->hash == hash && entry->column == column && entry->length == length &&
			memcmp(heap_of(set) + entry->offset, text, length) == 0)
			return (int32_t) (slots[slot] - 1);
		slot = (slot + 1) & (set->slots - 1);
	}
	if (set->entries == set->entry_room || length > set->heap_room - set->heap || slots[slot] != 0)
		return -1;
	entry = &entries[set->entries++];
	*entry = (ml_catset_entry) {hash, 0, column, set->heap, length, 0};
	memcpy(heap_of(set) + set->heap, text, length);
	set->heap += length;
	slots[slot] = set->entries;
	*is_new = true;
	return (int32_t) (set->entries - 1);
}

bool
ml_catset_add(ml_catset *set, uint32_t column, const char *text, uint32_t length, int64_t count, bool *is_new)
{
	int32_t		index = ml_catset_find_or_add(set, column, text, length, is_new);

	if (index >= 0)
		entries_of(set)[index].count += count;
	return index >= 0;
}

void
ml_catset_copy(ml_catset *to, const ml_catset *from)
{
	const ml_catset_entry *entries = entries_of(from);
	bool		is_new;

	for (uint32_t i = 0; i < from->entries; i++)
		ml_catset_add(to, entries[i].column, heap_of(from) + entries[i].offset, entries[i].length, entries[i].count,
					  &is_new);
}

const ml_catset_entry *
ml_catset_entries(const ml_catset *set)
{
	return entries_of(set);
}

const char *
ml_catset_text(const ml_catset *set, const ml_catset_entry *entry)
{
	return heap_of(set) + entry->offset;
}
