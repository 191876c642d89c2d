/*
 * ml_smo_cache.h: rows of a kernel matrix kept within a bounded memory; the row unused for longest makes room.
 *
 * A row belongs to a point and is (row_floats) long, of which the first `length` are valid: one per active point, in
 * their order.
 */
#ifndef ML_SMO_CACHE_H
#define ML_SMO_CACHE_H

#include "ml/ml.h"

typedef struct ml_smo_cache
{
	float	   *rows;			/* (arena_floats) slots of row_floats each, one after the other */
	size_t		arena_floats;
	size_t		row_floats;
	int32_t		n_slots;		/* that fit */
	int32_t		used;
	int32_t    *slot_of;		/* (capacity) by point, -1: not kept */
	uint32_t   *owner;			/* (capacity) by slot … */
	uint32_t   *length;
	int32_t    *newer;
	int32_t    *older;
	int32_t		newest;			/* -1: none */
	int32_t		oldest;
} ml_smo_cache;

/* Arrays for up to `capacity` points and rows for `bytes`, at least two of capacity. */
extern bool ml_smo_cache_init(const ml_ctx *ctx, ml_smo_cache *cache, size_t capacity, double bytes);
extern void ml_smo_cache_free(const ml_ctx *ctx, ml_smo_cache *cache);

/* Forgets everything; rows are (row_floats) from now on. */
extern void ml_smo_cache_reset(ml_smo_cache *cache, size_t n_points, size_t row_floats);

/* The slot of a point's row, which is then the newest; *length is 0 if it was not kept. */
extern float *ml_smo_cache_get(ml_smo_cache *cache, uint32_t point, uint32_t **length);

/*
 * Other points are active: the first n_kept of them are those that were at places kept (ascending) before.  Rows of points
 * for which active is false are dropped, the others keep their valid part.
 */
extern void ml_smo_cache_rearrange(ml_smo_cache *cache, const uint32_t *kept, size_t n_kept, const bool *active,
								   size_t row_floats);

#endif							/* ML_SMO_CACHE_H */
