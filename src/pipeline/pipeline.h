/*
 * pipeline.h: derived tables (silver and gold), for the other folders.
 *
 * A *derived table* is a versioned table whose rows are the result of a query.  The query is kept as a view, its
 * *definition*; a *refresh* brings the table up to date; an *expectation* is a rule that the query's rows have to keep.
 */
#ifndef MDL_PIPELINE_H
#define MDL_PIPELINE_H

#include "base/base.h"
#include "nodes/pg_list.h"

/* Registers callbacks; called once from _PG_init. */
extern void mdl_incremental_init(void);

/* Whether the relation is a derived table, that is, was made by medallion.define. */
extern MDL_EXPORT bool mdl_is_derived(Oid relid);

/*
 * Brings a derived table, and before it the derived tables it reads, up to date, as medallion.refresh does: in the
 * current transaction, which must be able to take a new snapshot.  The current user must have the rights of the owner.
 * InvalidOid: all derived tables the current user owns.
 */
extern MDL_EXPORT void mdl_refresh_table(Oid target);

#endif							/* MDL_PIPELINE_H */
