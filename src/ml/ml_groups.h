/*
 * ml_groups.h: divides groups of rows that must stay together, so that the parts come near the sizes asked for.
 *
 * What is done depends on the sizes and on `order` alone, never on the order in which the groups are given.
 */
#ifndef ML_GROUPS_H
#define ML_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#define ML_HELD_OUT (-1)

typedef struct ml_group
{
	uint64_t	hash;			/* what it is known by */
	uint64_t	order;			/* random, by a seed: draws, and decides between equals */
	uint64_t	rows;
	int32_t		block;			/* out: its fold, or ML_HELD_OUT */
} ml_group;

/*
 * Holds groups out so that about this share of the rows is, of at least two groups never all and never none; the others get block 0.
 * Sorts the groups.
 */
extern void ml_groups_hold_out(ml_group *groups, size_t n, double share);

/*
 * Divides the groups that are not held out among folds: from the largest to the smallest, each goes to the fold that has the
 * fewest rows.  Sorts the groups.  loads (folds) gets the rows of each fold.
 */
extern void ml_groups_balance(ml_group *groups, size_t n, int folds, uint64_t *loads);

#endif							/* ML_GROUPS_H */
