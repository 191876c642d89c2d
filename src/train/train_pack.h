/*
 * train_pack.h: many columns in one argument, for sources with more columns than a function call takes.
 *
 * A *pack* is a bytea that lives for one row: nulls, then 8 bytes per value, then the texts.
 */
#ifndef MDL_TRAIN_PACK_H
#define MDL_TRAIN_PACK_H

#include "train/train_int.h"

#define MDL_PACK_COLUMNS 90		/* in one pack */

/* Spreads the packs among the arguments over values (n_columns); texts point into the packs. */
extern void mdl_unpack(const NullableDatum *packs, const MdlRowPlan *plan, NullableDatum *values);

#endif							/* MDL_TRAIN_PACK_H */
