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
#include "utils/snapshot.h"

struct DerivedResult;
struct DerivedTable;
struct Outcome;

/* Registers callbacks; called once from _PG_init. */
extern void mdl_incremental_init(void);
extern void mdl_refresh_init(void);
extern void mdl_flows_init(void);

/* Whether the relation is a derived table, that is, was made by medallion.define. */
extern MDL_EXPORT bool mdl_is_derived(Oid relid);

/*
 * Brings a derived table, and before it the derived tables it reads, up to date, as medallion.refresh does: in the
 * current transaction, which must be able to take a new snapshot.  The current user must have the rights of the owner.
 * InvalidOid: all derived tables the current user owns.
 */
extern MDL_EXPORT void mdl_refresh_table(Oid target);

/*
 * Tables that are kept up to date otherwise than by a query: a *kind* of keeper (a flow of changes, say).  medallion.refresh,
 * its workers and schedules treat their tables as those of define: in the order of what they are made from, one refresh of
 * a table at a time, one transaction, one row in medallion.refreshes.
 */
typedef struct MdlKeptOutcome
{
	const char *mode;			/* 'incremental', 'full' */
	const char *reason;			/* in words */
	int64		rows;			/* of the table afterwards; -1: not known */
	int64		inserted;
	int64		updated;
	int64		deleted;
	int64		dropped;		/* by rules */
	int64		rejected;		/* kept in quarantine */
	bool		is_idle;		/* there was nothing to do */
	const struct DerivedResult *judged; /* what rules for rows found; NULL: there are none */
} MdlKeptOutcome;

typedef struct MdlKeeperKind
{
	const char *name;			/* 'flow' */

	/* OIDs of the tables kept, and of the relations that one is made from.  Both with an SPI connection open, as anybody. */
	List	   *(*targets) (void);
	List	   *(*sources) (Oid target);

	/*
	 * Brings the table up to date in the current transaction, whose snapshot is new.  The table is locked against other
	 * refreshes and the current user has its owner's rights; to run the owner's SQL, become the owner, restricted.
	 * `rebuild`: from the beginning.  Raises what goes wrong.  With an SPI connection open.
	 */
	void		(*refresh) (Oid target, bool rebuild, MdlKeptOutcome *outcome);

	/* How many rows differ from what a rebuild would make; NULL: cannot be told. */
	int64		(*verify) (Oid target);

	/* What rules are declared for; NULL: there are none.  And judges the table as a whole when all of a call are written. */
	struct DerivedTable *(*described) (Oid target);
	void		(*judge) (Oid target, const struct Outcome *outcome, Snapshot snapshot);
} MdlKeeperKind;

/* Called from an init function of medallion.so; the struct is kept, not copied. */
extern MDL_EXPORT void mdl_keeper_kind_register(const MdlKeeperKind *kind);

#endif							/* MDL_PIPELINE_H */
