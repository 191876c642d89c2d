/*
 * ml_dictionary.h: the categories of a column: code to text and, by hash, text to code.
 */
#ifndef ML_DICTIONARY_H
#define ML_DICTIONARY_H

#include "ml/ml.h"

#define ML_MAX_CATEGORIES	10000000

/* Texts ordered by their bytes, without repetition, found by an open-addressing hash table. */
typedef struct ml_dictionary
{
	int			count;
	char	  **texts;			/* (count) */
	uint32_t   *lengths;		/* (count) */
	uint32_t	mask;			/* slots - 1; slots is a power of two above count */
	int32_t    *slots;			/* code or -1 */
} ml_dictionary;

/* Copies the texts.  ML_BAD_PARAM if they are not strictly ascending. */
extern ml_status ml_dictionary_make(const ml_ctx *ctx, ml_dictionary *dictionary, int count,
									const char *const *texts, ml_error *err);
extern int	ml_dictionary_find(const ml_dictionary *dictionary, const char *text, size_t length);
extern void ml_dictionary_clear(const ml_ctx *ctx, ml_dictionary *dictionary);

#endif							/* ML_DICTIONARY_H */
