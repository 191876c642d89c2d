/*
 * refresh_all.c: medallion.refresh of all tables of a role, where one that fails costs no other but those that read it.
 *
 * Tables that do not read each other are done at a time by medallion.refresh_workers background workers.  Where that cannot be
 * (the transaction has begun or written, no slot is free, …) a notice says why, and what is left is done in this session: one
 * transaction, one snapshot, each table in a subtransaction.
 *
 * Rules about a table as a whole may be about two tables, so they are judged when all are written.  A table that such a rule
 * rejects then is taken out and the others are done again, as if it had failed at once: that is rare, and right.
 */
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "base/progress.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* What an attempt in this session is about. */
typedef struct Attempt
{
	Call	   *call;
	List	   *order;			/* of DerivedTable, locked */
	Reading		reading;
	bool	   *done;			/* (call->count) by this attempt */
	MemoryContext memory;		/* outlives errors */
	DerivedTable *table;		/* that is at work */
	Turn	   *turn;
} Attempt;

/* ---- subtransactions ----------------------------------------------------------------------------------------------- */

/* Errors that are about the session or the server, and no fault of one table. */
static bool
concerns_all(int code)
{
	int			class = ERRCODE_TO_CATEGORY(code);

	return class == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		(class == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) && code != ERRCODE_CONFIGURATION_LIMIT_EXCEEDED) ||
		code == ERRCODE_DATA_CORRUPTED || code == ERRCODE_INDEX_CORRUPTED;
}

/* Does something in a subtransaction; returns the error that rolled it back, or NULL. */
static ErrorData *
guarded(MdlWork work, Attempt *attempt)
{
	MemoryContext old = MemoryContextSwitchTo(attempt->memory);
	ErrorData  *error = mdl_try(work, attempt);

	MemoryContextSwitchTo(old);
	if (error && concerns_all(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* With an SPI connection of its own, which an error takes along with what was offered there. */
static void
refresh_turn(void *argument)
{
	Attempt    *attempt = argument;
	Outcome		outcome;

	SPI_connect();
	outcome = mdl_refresh_locked(attempt->table, &attempt->reading, NULL);
	outcome.mode = MemoryContextStrdup(attempt->memory, outcome.mode);
	outcome.reason = MemoryContextStrdup(attempt->memory, outcome.reason);
	if (outcome.stream)
		mdl_table_stream_keep(outcome.stream, attempt->memory);
	attempt->turn->outcome = outcome;
	SPI_finish();
}

/* ---- in this session -------------------------------------------------------------------------------------------------- */

/*
 * Refreshes what waits, and judges the tables as a whole.  An error of that leaves through here, and takes all with it; those of
 * single tables are noted.
 */
static void
attempt_all(void *argument)
{
	Attempt    *attempt = argument;
	Call	   *call = attempt->call;
	ListCell   *cell;

	SPI_connect();
	MemoryContextSwitchTo(attempt->memory);
	foreach(cell, attempt->order)
	{
		DerivedTable *table = lfirst(cell);
		Turn	   *turn = mdl_turn_of(call, table->target);
		ErrorData  *error;

		if (turn == NULL || turn->state != TURN_WAITING || !mdl_turn_is_ready(call, turn))
			continue;
		turn->started = GetCurrentTimestamp();
		attempt->table = table;
		attempt->turn = turn;
		error = guarded(refresh_turn, attempt);
		if (error)
			mdl_turn_failed(call, turn, mdl_describe_error(error), error->sqlerrcode);
		else
		{
			mdl_turn_end(call, turn, TURN_DONE, turn->outcome.mode, turn->outcome.reason);
			mdl_refresh_note_written(&attempt->reading, table->target, &turn->outcome);
			attempt->done[turn - call->turns] = true;
		}
	}
	foreach(cell, attempt->order)
	{
		Turn	   *turn = mdl_turn_of(call, ((DerivedTable *) lfirst(cell))->target);

		if (turn && attempt->done[turn - call->turns])
			mdl_refresh_judge(lfirst(cell), &turn->outcome, attempt->reading.snapshot);
	}
	SPI_finish();
}

/* Takes back what an attempt did that was rolled back, and those that it had kept back with the table that was at fault. */
static void
begin_again(Attempt *attempt)
{
	Call	   *call = attempt->call;

	for (int i = 0; i < call->count; i++)
	{
		if (!attempt->done[i])
			continue;
		call->turns[i].state = TURN_WAITING;
		memset(&call->turns[i].outcome, 0, sizeof(Outcome));
		call->ended--;
	}
	memset(attempt->done, 0, sizeof(bool) * call->count);

	/* What a table had been given, such as a quarantine table, is gone. */
	attempt->order = mdl_refresh_lock(call->target);
	list_free(attempt->reading.written);
	attempt->reading.written = NIL;
}

static void
refresh_here(Call *call)
{
	Attempt		attempt = {.call = call, .memory = CurrentMemoryContext};
	ErrorData  *error;

	attempt.order = mdl_refresh_lock(call->target);
	attempt.done = palloc0_array(bool, call->count);
	mdl_refresh_read(&attempt.reading);
	while ((error = guarded(attempt_all, &attempt)) != NULL)
	{
		Turn	   *turn = mdl_turn_of(call, mdl_refresh_current());

		if (turn == NULL || turn->state != TURN_DONE)
			ReThrowError(error);
		begin_again(&attempt);
		mdl_turn_failed(call, turn, mdl_describe_error(error), error->sqlerrcode);
	}
	UnregisterSnapshot(attempt.reading.snapshot);

	/* What is no derived table any more had no turn. */
	for (int i = 0; i < call->count; i++)
		if (call->turns[i].state == TURN_WAITING)
			mdl_turn_end(call, &call->turns[i], TURN_DONE, "skipped", "it is no derived table any more, or belongs to another role");
}

/* ---- all ----------------------------------------------------------------------------------------------------------------- */

/* Whether two of the tables could be done at a time: else each reads the one before it. */
static bool
has_independent_tables(Call *call)
{
	Turn	   *last = NULL;

	for (int i = 0; i < call->count; i++)
	{
		Turn	   *turn = &call->turns[i];

		if (!mdl_may_refresh(turn->target))
			continue;
		if (last && !list_member_oid(turn->sources, last->target))
			return true;
		last = turn;
	}
	return false;
}

/* Why workers cannot do it, in words; NULL if they can, as far as is known. */
static const char *
no_workers(void)
{
	HeapTuple	tuple;
	bool		can_login;

	if (IsTransactionBlock() || IsSubTransaction())
		return "a transaction has begun, of which background workers would see nothing";
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return "this transaction has written, of which background workers would see nothing";
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	can_login = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return can_login ? NULL : "the role is not permitted to log in, so background workers cannot run as it";
}

void
mdl_refresh_all(ReturnSetInfo *set)
{
	Call		call = {.may_give_up = true};

	mdl_turns_plan(&call, InvalidOid);
	if (call.count == 0)
		return;
	mdl_progress_begin("refresh", "all tables");
	mdl_progress_phase("tables", call.count);
	if (mdl_refresh_workers > 0 && has_independent_tables(&call))
	{
		call.gave_up = call.are_tied ? "rules compare tables with each other, which are judged when all are written" : no_workers();
		if (call.gave_up == NULL)
			mdl_turns_in_workers(&call, mdl_refresh_workers);
		if (call.gave_up)
			ereport(NOTICE,
					(errmsg("the tables are refreshed one after another: %s", call.gave_up),
					 errhint("Set medallion.refresh_workers to 0 where that is what is wanted.")));
	}
	if (call.ended < call.count)
		refresh_here(&call);
	mdl_progress_end();
	mdl_turns_return(&call, set);
}
