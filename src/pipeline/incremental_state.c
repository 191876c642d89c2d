/*
 * incremental_state.c: what the last refresh of a table saw, from which the next one goes on.
 *
 * The record says which transactions the refresh saw, its own included.  That holds for its own only if the transaction does
 * not go on to change what the refresh has read, so this is looked at before commit: then the record is taken back, and the
 * next refresh is a full one.  The record is no part of a dump: what it tells means nothing in another cluster.
 */
#include "pipeline/incremental_int.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Relations that refreshes of the current transaction have read, and how often it had changed them by then. */
typedef struct ReadMark
{
	Oid			target;
	Oid			relation;
	int64		count;
	SubTransactionId subid;
	struct ReadMark *next;
} ReadMark;

static ReadMark *marks = NULL;	/* in TopTransactionContext */

/* ---- transactions that were running -------------------------------------------------------------------------------- */

void
mdl_seen_take_running(MdlSeen *seen, Datum array)
{
	Datum	   *running;

	deconstruct_array(DatumGetArrayTypeP(array), INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE, &running, NULL, &seen->nrunning);
	seen->running = palloc_array(int64, seen->nrunning + 1);
	for (int i = 0; i < seen->nrunning; i++)
		seen->running[i] = DatumGetInt64(running[i]);
}

Datum
mdl_seen_running(const MdlSeen *seen)
{
	Datum	   *running = palloc_array(Datum, seen->nrunning + 1);

	for (int i = 0; i < seen->nrunning; i++)
		running[i] = Int64GetDatum(seen->running[i]);
	return PointerGetDatum(construct_array(running, seen->nrunning, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE));
}

/* ---- the record ---------------------------------------------------------------------------------------------------- */

bool
mdl_refresh_state_read(Oid target, RefreshState *state)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT refresh_id, era, version, low, high, running, own, exact, fingerprint, rows, hidden FROM medallion._refresh_states"
				   " WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	if (rows == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	memset(state, 0, sizeof(RefreshState));
	state->refresh_id = mdl_field_int8(0, 0);
	state->seen.era = mdl_field_int8(0, 1);
	state->seen.version = mdl_field_int8(0, 2);
	state->seen.low = mdl_field_int8(0, 3);
	state->seen.high = mdl_field_int8(0, 4);
	mdl_seen_take_running(&state->seen, mdl_field(0, 5, NULL));
	state->seen.own = mdl_field_int8(0, 6);
	state->seen.exact = DatumGetBool(mdl_field(0, 7, NULL));
	state->fingerprint = mdl_field_text(0, 8);
	state->rows = mdl_field_int8(0, 9);
	state->hidden = mdl_field_text(0, 10);
	MemoryContextSwitchTo(old);
	return true;
}

void
mdl_refresh_state_forget(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	mdl_run("DELETE FROM medallion._refresh_states WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
}

static void
mark_read(Oid target, Oid relation)
{
	ReadMark   *mark = MemoryContextAlloc(TopTransactionContext, sizeof(ReadMark));

	mark->target = target;
	mark->relation = relation;
	mark->count = mdl_changes_so_far(relation);
	mark->subid = GetCurrentSubTransactionId();
	mark->next = marks;
	marks = mark;
}

void
mdl_refresh_state_write(Oid target, const RefreshState *state, List *relations)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	ListCell   *cell;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_arg_int8(&args, state->refresh_id);
	mdl_arg_int8(&args, state->seen.era);
	mdl_arg_int8(&args, state->seen.version);
	mdl_arg_int8(&args, state->seen.low);
	mdl_arg_int8(&args, state->seen.high);
	mdl_arg(&args, INT8ARRAYOID, mdl_seen_running(&state->seen), false);
	mdl_arg_int8(&args, state->seen.own);
	mdl_arg_bool(&args, state->seen.exact);
	mdl_arg_text(&args, state->fingerprint);
	mdl_arg_int8(&args, state->rows);
	mdl_arg_text(&args, state->hidden);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._refresh_states AS s (target, refresh_id, era, version, low, high, running, own, exact,"
			" fingerprint, rows, hidden) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (target) DO UPDATE SET refresh_id = $2,"
			" era = $3, version = $4, low = $5, high = $6, running = $7, own = $8, exact = $9, fingerprint = $10, rows = $11,"
			" hidden = $12", &args, false);
	mdl_owner_end(&saved);
	foreach(cell, relations)
		mark_read(target, lfirst_oid(cell));
}

/* Takes back what no longer holds. */
static void
check_marks(void)
{
	List	   *targets = NIL;
	ListCell   *cell;

	for (ReadMark *mark = marks; mark != NULL; mark = mark->next)
		if (mdl_changes_so_far(mark->relation) != mark->count)
			targets = list_append_unique_oid(targets, mark->target);
	marks = NULL;
	if (targets == NIL)
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	foreach(cell, targets)
		mdl_refresh_state_forget(lfirst_oid(cell));
	SPI_finish();
	PopActiveSnapshot();
}

static void
transaction_callback(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (marks != NULL)
				check_marks();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			marks = NULL;
			break;
		default:
			break;
	}
}

/* A record goes with the savepoint it was written under. */
static void
subtransaction_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	ReadMark  **link = &marks;

	while (*link != NULL)
	{
		ReadMark   *mark = *link;

		if (event == SUBXACT_EVENT_ABORT_SUB && mark->subid >= subid)
		{
			*link = mark->next;
			continue;
		}
		if (event == SUBXACT_EVENT_COMMIT_SUB && mark->subid == subid)
			mark->subid = parent;
		link = &mark->next;
	}
}

void
mdl_incremental_init(void)
{
	RegisterSubXactCallback(subtransaction_callback, NULL);
	RegisterXactCallback(transaction_callback, NULL);
}
