/*
 * ml_dictionary.c: the categories of a column: code to text and, by hash, text to code.
 */
#include "ml/ml_dictionary.h"

#include <string.h>

#include "ml/ml_hash.h"

#define DICTIONARY_SEED 0x6d6c64696374ULL

static ml_status
dictionary_fill(const ml_ctx *ctx, ml_dictionary *dictionary, const char *const *texts, ml_error *err)
{
	for (int i = 0; i < dictionary->count; i++)
	{
		uint32_t	slot;

		if (i > 0 && strcmp(texts[i - 1], texts[i]) >= 0)
			return ml_fail(err, ML_BAD_PARAM, NULL, "categories are not in ascending order of their bytes");
		dictionary->texts[i] = ml_strdup(ctx, texts[i]);
		if (dictionary->texts[i] == NULL)
			return ml_no_memory(err);
		dictionary->lengths[i] = (uint32_t) strlen(texts[i]);
		slot = (uint32_t) ml_hash_bytes(DICTIONARY_SEED, texts[i], dictionary->lengths[i]) & dictionary->mask;
		while (dictionary->slots[slot] >= 0)
			slot = (slot + 1) & dictionary->mask;
		dictionary->slots[slot] = i;
	}
	return ML_OK;
}

ml_status
ml_dictionary_make(const ml_ctx *ctx, ml_dictionary *dictionary, int count, const char *const *texts, ml_error *err)
{
	uint32_t	n_slots = 4;
	ml_status	status;

	memset(dictionary, 0, sizeof(*dictionary));
	if (count < 0 || count > ML_MAX_CATEGORIES)
		return ml_fail(err, ML_BAD_PARAM, NULL, "%d categories are too many", count);
	while (n_slots < (uint32_t) count * 2)
		n_slots *= 2;
	dictionary->texts = ml_alloc_zero(ctx, count, sizeof(char *));
	dictionary->lengths = ml_alloc_zero(ctx, count, sizeof(uint32_t));
	dictionary->slots = ml_alloc(ctx, n_slots, sizeof(int32_t));
	dictionary->mask = n_slots - 1;
	if (dictionary->texts == NULL || dictionary->lengths == NULL || dictionary->slots == NULL)
		status = ml_no_memory(err);
	else
	{
		dictionary->count = count;
		memset(dictionary->slots, 0xFF, n_slots * sizeof(int32_t));
		status = dictionary_fill(ctx, dictionary, texts, err);
	}
	if (status != ML_OK)
		ml_dictionary_clear(ctx, dictionary);
	return status;
}

int
ml_dictionary_find(const ml_dictionary *dictionary, const char *text, size_t length)
{
	uint32_t	slot;
	int			code;

	if (dictionary->count == 0)
		return -1;
	slot = (uint32_t) ml_hash_bytes(DICTIONARY_SEED, text, length) & dictionary->mask;
	while ((code = dictionary->slots[slot]) >= 0)
	{
		if (dictionary->lengths[code] == length && memcmp(dictionary->texts[code], text, length) == 0)
			return code;
		slot = (slot + 1) & dictionary->mask;
	}
	return -1;
}

void
ml_dictionary_clear(const ml_ctx *ctx, ml_dictionary *dictionary)
{
	for (int i = 0; i < dictionary->count; i++)
		ml_free(ctx, dictionary->texts[i]);
	ml_free(ctx, dictionary->texts);
	ml_free(ctx, dictionary->lengths);
	ml_free(ctx, dictionary->slots);
	memset(dictionary, 0, sizeof(*dictionary));
}
