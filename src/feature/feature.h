/*
 * feature.h: feature views and point-in-time training sets, for the other folders.
 *
 * A *feature view* names features of an entity, computed from the rows (events) of one table: values at time t use only
 * events before t.  Everything is done through SQL functions; other folders read medallion._feature_views and
 * medallion._training_sets.
 */
#ifndef MDL_FEATURE_H
#define MDL_FEATURE_H

#include "base/base.h"

#endif							/* MDL_FEATURE_H */
