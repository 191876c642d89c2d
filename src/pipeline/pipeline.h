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

/*
 * Lineage beyond relations.  A folder to the left (the registry) registers a provider, which is called once per relation
 * met and emits what was made from it: kind ('model'), name, and the layer shown, which may be NULL.
 */
typedef void (*MdlLineageEmit) (void *state, const char *kind, const char *name, const char *layer);
typedef void (*MdlLineageProvider) (Oid relation, MdlLineageEmit emit, void *state);

extern MDL_EXPORT void mdl_lineage_provider_register(MdlLineageProvider provider);

/*
 * Lineage between relations that no view records: a table that was written from others.  Returns the OIDs of the
 * relations one step up (what it was made from) or down; called with an SPI connection open.
 */
typedef List *(*MdlLineageEdges) (Oid relation, bool downstream);

extern MDL_EXPORT void mdl_lineage_edges_register(MdlLineageEdges edges);

#endif							/* MDL_PIPELINE_H */
