/*
 * stored_rows.c: rows in memory: what statements of ours read (an *offered* relation) and where the rows of others go.
 */
#include "pipeline/stored_rows_int.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

/* ---- where rows go ----------------------------------------------------------------------------------------------- */

static void
nothing_to_start(DestReceiver *self, int operation, TupleDesc columns)
{
}

static void
nothing_to_end(DestReceiver *self)
{
}

DestReceiver
mdl_row_receiver(bool (*receive) (TupleTableSlot *slot, DestReceiver *self))
{
	return (DestReceiver) {.receiveSlot = receive, .rStartup = nothing_to_start, .rShutdown = nothing_to_end,
		.rDestroy = nothing_to_end, .mydest = DestNone};
}

typedef struct StoreReceiver
{
	DestReceiver dest;			/* must be first */
	StoredRows *into;
	MemoryContext context;		/* of the columns */
} StoreReceiver;

static void
store_startup(DestReceiver *self, int operation, TupleDesc columns)
{
	StoreReceiver *receiver = (StoreReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);

	receiver->into->columns = CreateTupleDescCopy(columns);
	MemoryContextSwitchTo(old);
}

static bool
store_row(TupleTableSlot *slot, DestReceiver *self)
{
	tuplestore_puttupleslot(((StoreReceiver *) self)->into->rows, slot);
	return true;
}

DestReceiver *
mdl_store_receiver(StoredRows *into)
{
	StoreReceiver *receiver = palloc0_object(StoreReceiver);

	receiver->dest = mdl_row_receiver(store_row);
	receiver->dest.rStartup = store_startup;
	receiver->into = into;
	receiver->context = CurrentMemoryContext;
	into->rows = tuplestore_begin_heap(false, false, work_mem);
	into->columns = NULL;
	return &receiver->dest;
}

void
mdl_store_query(StoredRows *into, const char *sql, ParamListInfo params)
{
	SPIExecuteOptions options = {.read_only = true, .params = params, .dest = mdl_store_receiver(into)};

	if (SPI_execute_extended(sql, &options) < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(SPI_result));
}

/* ---- what statements read -------------------------------------------------------------------------------------- */

static EphemeralNamedRelation
offered(const char *name, Tuplestorestate *rows, TupleDesc columns)
{
	EphemeralNamedRelation offered = palloc0_object(EphemeralNamedRelationData);

	offered->md.name = pstrdup(name);
	offered->md.reliddesc = InvalidOid;
	offered->md.tupdesc = columns;
	offered->md.enrtype = ENR_NAMED_TUPLESTORE;
	offered->md.enrtuples = (double) tuplestore_tuple_count(rows);
	offered->reldata = rows;
	return offered;
}

void
mdl_offer_to(QueryEnvironment *environment, const char *name, Tuplestorestate *rows, TupleDesc columns)
{
	register_ENR(environment, offered(name, rows, columns));
}

void
mdl_offer_rows(const char *name, Tuplestorestate *rows, TupleDesc columns)
{
	int			code = SPI_register_relation(offered(name, rows, columns));

	if (code < 0)
		elog(ERROR, "SPI could not register relation \"%s\": %s", name, SPI_result_code_string(code));
}

char *
mdl_numbered_columns(int first, int last, const char *prefix)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = first; i <= last; i++)
		appendStringInfo(&text, "%s%sc%d", i > first ? ", " : "", prefix, i);
	return text.data;
}

uint64
mdl_run_under_snapshot(const char *sql, const MdlArgs *args, Snapshot snapshot)
{
	SPIPlanPtr	plan = SPI_prepare(sql, args ? args->count : 0, args ? (Oid *) args->types : NULL);
	int			code;

	if (plan == NULL)
		elog(ERROR, "SPI could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	code = SPI_execute_snapshot(plan, args ? (Datum *) args->values : NULL, args ? args->nulls : NULL,
								snapshot, InvalidSnapshot, false, true, 0);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
	SPI_freeplan(plan);
	return SPI_processed;
}
