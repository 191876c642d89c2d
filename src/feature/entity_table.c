/*
 * entity_table.c: entities, that is tuples of key values, numbered in the order in which they are first seen.
 *
 * Open addressing with linear probing over 32-bit hashes.  Keys whose equality is that of their bits (integers after
 * canonicalisation, dates, booleans) are compared directly, others with their type's own operator.  A NULL key is no
 * entity: it equals nothing.
 */
#include "feature/feature_int.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

struct MdlEntityTable
{
	int			key_count;
	TypeCacheEntry **types;
	Oid		   *collations;
	bool	   *by_image;		/* equal if the Datums are */
	MemoryContext context;
	int			count;
	int			capacity;
	Datum	   *keys;			/* (capacity, key_count) */
	uint32	   *hashes;			/* (capacity) */
	uint32		mask;			/* slots - 1, a power of two less one */
	int32	   *slots;			/* entity number, or -1 */
};

Oid
mdl_entity_canonical_type(Oid type)
{
	type = getBaseType(type);
	switch (type)
	{
		case INT2OID:
		case INT4OID:
			return INT8OID;
		case VARCHAROID:
			return TEXTOID;
		default:
			return type;
	}
}

Datum
mdl_entity_canonical(Datum value, Oid type)
{
	if (type == INT4OID)
		return Int64GetDatum((int64) DatumGetInt32(value));
	if (type == INT2OID)
		return Int64GetDatum((int64) DatumGetInt16(value));
	return value;
}

/* Mixes all bits of a word (the finaliser of murmur3). */
static inline uint32
hash_word(uint64 word)
{
	word ^= word >> 33;
	word *= UINT64CONST(0xff51afd7ed558ccd);
	word ^= word >> 33;
	word *= UINT64CONST(0xc4ceb9fe1a85ec53);
	return (uint32) (word ^ (word >> 33));
}

static bool
equal_by_image(Oid type)
{
	return type == INT8OID || type == DATEOID || type == TIMESTAMPTZOID || type == TIMESTAMPOID ||
		type == BOOLOID || type == CHAROID;
}

MdlEntityTable *
mdl_entity_table_create(int key_count, const Oid *types, const Oid *collations)
{
	MdlEntityTable *table = palloc0(sizeof(MdlEntityTable));

	table->key_count = key_count;
	table->context = CurrentMemoryContext;
	table->types = palloc(sizeof(TypeCacheEntry *) * (key_count + 1));
	table->collations = palloc(sizeof(Oid) * (key_count + 1));
	table->by_image = palloc(sizeof(bool) * (key_count + 1));
	for (int i = 0; i < key_count; i++)
	{
		table->types[i] = lookup_type_cache(types[i], TYPECACHE_HASH_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
		table->collations[i] = collations[i];
		table->by_image[i] = equal_by_image(types[i]);
	}
	table->capacity = 256;
	table->keys = palloc(sizeof(Datum) * table->capacity * Max(key_count, 1));
	table->hashes = palloc(sizeof(uint32) * table->capacity);
	table->mask = 1023;
	table->slots = palloc(sizeof(int32) * (table->mask + 1));
	memset(table->slots, -1, sizeof(int32) * (table->mask + 1));
	return table;
}

int
mdl_entity_count(const MdlEntityTable *table)
{
	return table->count;
}

uint32
mdl_entity_hash(const MdlEntityTable *table, int entity)
{
	return table->hashes[entity];
}

static uint32
hash_keys(const MdlEntityTable *table, const Datum *keys)
{
	uint32		hash = 0;

	for (int i = 0; i < table->key_count; i++)
	{
		uint32		part = table->by_image[i] ? hash_word(DatumGetUInt64(keys[i])) :
		DatumGetUInt32(FunctionCall1Coll(&table->types[i]->hash_proc_finfo, table->collations[i], keys[i]));

		hash = hash_combine(hash, part);
	}
	return hash;
}

static bool
same_keys(const MdlEntityTable *table, const Datum *a, const Datum *b)
{
	for (int i = 0; i < table->key_count; i++)
	{
		if (table->by_image[i] ? a[i] != b[i] :
			!DatumGetBool(FunctionCall2Coll(&table->types[i]->eq_opr_finfo, table->collations[i], a[i], b[i])))
			return false;
	}
	return true;
}

static void
grow(MdlEntityTable *table)
{
	if (table->count == table->capacity)
	{
		table->capacity *= 2;
		table->keys = repalloc_huge(table->keys, sizeof(Datum) * table->capacity * Max(table->key_count, 1));
		table->hashes = repalloc_huge(table->hashes, sizeof(uint32) * table->capacity);
	}
	if ((uint64) table->count * 2 > table->mask)
	{
		uint32		size = (table->mask + 1) * 2;

		pfree(table->slots);
		table->slots = MemoryContextAllocHuge(table->context, sizeof(int32) * (Size) size);
		memset(table->slots, -1, sizeof(int32) * (Size) size);
		table->mask = size - 1;
		for (int i = 0; i < table->count; i++)
		{
			uint32		slot = table->hashes[i] & table->mask;

			while (table->slots[slot] >= 0)
				slot = (slot + 1) & table->mask;
			table->slots[slot] = i;
		}
	}
}

static int
insert_entity(MdlEntityTable *table, const Datum *keys, uint32 hash)
{
	MemoryContext saved = MemoryContextSwitchTo(table->context);
	int			entity;
	uint32		slot;

	if (table->count >= PG_INT32_MAX / 4)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d entities in one call", PG_INT32_MAX / 4)));
	grow(table);
	entity = table->count++;
	for (int i = 0; i < table->key_count; i++)
		table->keys[(Size) entity * table->key_count + i] =
			datumCopy(keys[i], table->types[i]->typbyval, table->types[i]->typlen);
	table->hashes[entity] = hash;
	for (slot = hash & table->mask; table->slots[slot] >= 0; slot = (slot + 1) & table->mask)
		;
	table->slots[slot] = entity;
	MemoryContextSwitchTo(saved);
	return entity;
}

int
mdl_entity_lookup(MdlEntityTable *table, const Datum *keys, const bool *nulls, bool insert)
{
	uint32		hash,
				slot;

	for (int i = 0; i < table->key_count; i++)
		if (nulls[i])
			return -1;
	hash = hash_keys(table, keys);
	for (slot = hash & table->mask; table->slots[slot] >= 0; slot = (slot + 1) & table->mask)
	{
		int			entity = table->slots[slot];

		if (table->hashes[entity] == hash &&
			same_keys(table, keys, &table->keys[(Size) entity * table->key_count]))
			return entity;
	}
	return insert ? insert_entity(table, keys, hash) : -1;
}
