/*
 * ml_catset.h: the distinct texts of several columns with their counts, in one flat block that can be sent and merged.
 */
#ifndef ML_CATSET_H
#define ML_CATSET_H

#include "ml/ml.h"

#define ML_CATSET_LONGEST 1000	/* bytes of a text; the caller refuses longer ones */

typedef struct ml_catset
{
	uint32_t	magic;
	uint32_t	slots;			/* a power of two */
	uint32_t	entries;
	uint32_t	entry_room;		/* at most slots / 2 */
	uint32_t	heap;			/* bytes of text used */
	uint32_t	heap_room;		/* a multiple of 8 */
} ml_catset;

typedef struct ml_catset_entry
{
	uint64_t	hash;
	int64_t		count;
	uint32_t	column;
	uint32_t	offset;			/* into the heap */
	uint32_t	length;
	uint32_t	unused;
} ml_catset_entry;

extern size_t ml_catset_size(uint32_t entry_room, uint32_t heap_room);
extern void ml_catset_init(ml_catset *set, uint32_t entry_room, uint32_t heap_room);
extern bool ml_catset_valid(const ml_catset *set, size_t size);

/*
 * Adds count to a text of a column, entering it if it is new (*is_new is set then).  False: no room; move the set to a
 * larger block (ml_catset_copy into a fresh one) and call again.
 */
extern bool ml_catset_add(ml_catset *set, uint32_t column, const char *text, uint32_t length, int64_t count,
						  bool *is_new);
/* The index of the entry of a text, entered with count 0 if it is new; -1: no room. */
extern int32_t ml_catset_find_or_add(ml_catset *set, uint32_t column, const char *text, uint32_t length, bool *is_new);
extern void ml_catset_copy(ml_catset *to, const ml_catset *from);	/* to is empty and has the room */

extern const ml_catset_entry *ml_catset_entries(const ml_catset *set);
extern const char *ml_catset_text(const ml_catset *set, const ml_catset_entry *entry);	/* not NUL-terminated */

#endif							/* ML_CATSET_H */
