/*
 * stored_rows_int.h: rows in memory, as statements of ours read them and as they take the rows of others.
 */
#ifndef MDL_STORED_ROWS_INT_H
#define MDL_STORED_ROWS_INT_H

#include "base/base.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/queryenvironment.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

/* The start of a receiver that hands each row to a function and does nothing else; false ends the query. */
extern DestReceiver mdl_row_receiver(bool (*receive) (TupleTableSlot *slot, DestReceiver *self));

typedef struct StoredRows
{
	Tuplestorestate *rows;
	TupleDesc	columns;
} StoredRows;

/* Keeps what it receives in `into`, in the current context. */
extern DestReceiver *mdl_store_receiver(StoredRows *into);

/* The rows of a statement of ours, by SPI under the active snapshot; the parameters may be NULL. */
extern void mdl_store_query(StoredRows *into, const char *sql, ParamListInfo params);

/* Offers rows as a relation: to SPI statements until SPI_unregister_relation, or to what runs with the environment. */
extern void mdl_offer_rows(const char *name, Tuplestorestate *rows, TupleDesc columns);
extern void mdl_offer_to(QueryEnvironment *environment, const char *name, Tuplestorestate *rows, TupleDesc columns);

/*
 * "c1, c2, …", each preceded by `prefix`: the columns of offered rows are numbered where others stand beside them, so that
 * no name of the user's can be taken for one of ours.
 */
extern char *mdl_numbered_columns(int first, int last, const char *prefix);

/* Runs a statement under a snapshot plus what this transaction did; returns the rows processed.  The arguments may be NULL. */
extern uint64 mdl_run_under_snapshot(const char *sql, const MdlArgs *args, Snapshot snapshot);

#endif							/* MDL_STORED_ROWS_INT_H */
