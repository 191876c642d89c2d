/*
 * refresh_workers.c: medallion.refresh(workers => n), which refreshes tables that do not read each other at the same time.
 *
 * Each table is refreshed in a transaction of its own in a background worker of its own, when all derived tables that it
 * reads have ended.  What fails keeps those back that read it, directly or not, and nobody else; the rows returned say so.
 * The *leader*, whose call it is, decides what runs; a worker writes into its *slot* of the shared memory and ends.  Nothing
 * is rolled back with the leader, so it may not be inside a transaction that already did something.
 */
#include "pipeline/pipeline_int.h"
#include "base/background.h"
#include "base/progress.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "pgstat.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LOOK_MS		1000		/* whether a worker waits for us is asked as often */
#define MODE_SIZE	32
#define TEXT_SIZE	2048

extern MDL_EXPORT void mdl_refresh_task(const char *argument);

typedef struct Slot
{
	Oid			target;
	bool		ended;			/* else the worker died without a word */
	bool		failed;			/* then reason is the error */
	bool		recorded;		/* and it is in the log of refreshes */
	int			sqlstate;
	Published	published;
	int64		dropped;
	int64		quarantined;
	double		seconds;
	char		mode[MODE_SIZE];
	char		reason[TEXT_SIZE];
} Slot;

typedef struct Board
{
	Size		settings;		/* offset of the leader's settings: name, value, … each with its NUL; an empty name ends them */
	Slot		slots[FLEXIBLE_ARRAY_MEMBER];
} Board;

/* ---- the worker ------------------------------------------------------------------------------------------------- */

static void
adopt_settings(const char *settings)
{
	while (*settings != '\0')
	{
		const char *name = settings;
		const char *value = name + strlen(name) + 1;

		SetConfigOption(name, value, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION);
		settings = value + strlen(value) + 1;
	}
}

static void
keep_text(char *place, Size size, const char *text)
{
	strlcpy(place, text, pg_mbcliplen(text, strlen(text), size - 1) + 1);
}

static void
refresh_into(Slot *slot)
{
	Outcome		outcome;

	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	outcome = mdl_refresh_alone(slot->target);
	slot->published = outcome.published;
	slot->dropped = outcome.dropped;
	slot->quarantined = outcome.quarantined;
	slot->seconds = outcome.seconds;
	keep_text(slot->mode, MODE_SIZE, outcome.mode);
	keep_text(slot->reason, TEXT_SIZE, outcome.reason);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Keeps what went wrong for the leader, and in the server's log. */
static ErrorData *
keep_error(Slot *slot, MemoryContext memory)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(memory);
	error = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(memory);
	keep_text(slot->reason, TEXT_SIZE, mdl_refresh_describe_error(error));
	slot->sqlstate = error->sqlerrcode;
	slot->failed = true;
	RESUME_INTERRUPTS();
	return error;
}

/* A task: refreshes the table of one slot. */
void
mdl_refresh_task(const char *argument)
{
	MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "medallion refresh", ALLOCSET_DEFAULT_SIZES);
	unsigned	handle;
	int			number;
	dsm_segment *segment;
	Board	   *board;
	Slot	   *slot;
	ErrorData  *volatile error = NULL;
	TimestampTz started = GetCurrentTimestamp();

	if (sscanf(argument, "%u %d", &handle, &number) != 2)
		elog(ERROR, "a worker of a refresh got \"%s\"", argument);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	segment = dsm_attach(handle);
	if (segment == NULL)
	{
		CommitTransactionCommand();
		return;					/* the leader has ended */
	}
	dsm_pin_mapping(segment);
	board = dsm_segment_address(segment);
	slot = &board->slots[number];
	PG_TRY();
	{
		adopt_settings((char *) board + board->settings);
		refresh_into(slot);
	}
	PG_CATCH();
	{
		error = keep_error(slot, memory);
	}
	PG_END_TRY();
	pg_write_barrier();
	slot->ended = true;
	if (error)
	{
		/* One that was told to end leaves the record to the leader. */
		CHECK_FOR_INTERRUPTS();
		mdl_refresh_record_failure(slot->target, error, slot->target, started);
		slot->recorded = true;
	}
	pgstat_report_stat(true);
	dsm_detach(segment);
}

/* ---- the leader: before -------------------------------------------------------------------------------------------- */

static void
check_outside_transaction(void)
{
	PreventCommandIfReadOnly("medallion.refresh()");
	if (IsTransactionBlock() || IsSubTransaction() || TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("medallion.refresh with workers cannot run inside a transaction"),
				 errdetail("Each table is refreshed in a transaction of its own, which does not see what this one did."),
				 errhint("Commit first, or leave \"workers\" out: then all is one transaction.")));
}

/* What was set in this session means the same in its workers; what belongs to the session itself stays here. */
static char *
session_settings(Size *size)
{
	static const char *const sql =
		"SELECT name, setting FROM pg_catalog.pg_settings WHERE source IN ('session', 'client', 'interactive')"
		" AND context IN ('user', 'superuser') AND name <> ALL ('{application_name,client_encoding,role,session_authorization}')"
		" AND name !~ '^(transaction_|default_transaction_|statement_timeout|idle_|tcp_|medallion\\.as_of)'";
	StringInfoData text;
	uint64		rows = mdl_run(sql, NULL, true);

	initStringInfo(&text);
	for (uint64 i = 0; i < rows; i++)
	{
		char	   *name = mdl_field_text(i, 0);
		char	   *value = mdl_field_text(i, 1);

		appendBinaryStringInfo(&text, name, strlen(name) + 1);
		appendBinaryStringInfo(&text, value, strlen(value) + 1);
	}
	appendStringInfoChar(&text, '\0');
	*size = text.len;
	return text.data;
}

static void
make_board(Call *call)
{
	Size		before = MAXALIGN(offsetof(Board, slots) + sizeof(Slot) * call->count);
	Size		size;
	char	   *settings = session_settings(&size);

	call->segment = dsm_create(before + size, 0);
	call->board = dsm_segment_address(call->segment);
	memset(call->board, 0, before);
	call->board->settings = before;
	memcpy((char *) call->board + before, settings, size);
	for (int i = 0; i < call->count; i++)
		call->board->slots[i].target = call->turns[i].target;
}

/* ---- the leader: while they run -------------------------------------------------------------------------------------- */

static bool
compared_have_ended(Call *call, const Turn *turn)
{
	ListCell   *cell;

	foreach(cell, turn->compared)
	{
		TurnState	state = mdl_turn_of(call, lfirst_oid(cell))->state;

		if (state == TURN_WAITING || state == TURN_RUNNING)
			return false;
	}
	return true;
}

/* Starts what is ready as far as there is room. */
static void
start_some(Call *call, int workers)
{
	/* In their order, sources first, so that one pass keeps back all that has to be. */
	for (int i = 0; i < call->count; i++)
	{
		Turn	   *turn = &call->turns[i];

		if (turn->state != TURN_WAITING || !mdl_turn_is_ready(call, turn) || call->running >= workers ||
			!compared_have_ended(call, turn))
			continue;
		turn->handle = mdl_task_launch(MDL_LIBRARY_CORE, "mdl_refresh_task",
									   psprintf("%u %d", dsm_segment_handle(call->segment), i), GetUserId(),
									   psprintf("medallion refresh of %s", turn->name), call->running > 0 || call->may_give_up);
		if (turn->handle == NULL)
		{
			/* No slot is free: those that run will give some back. */
			if (call->running == 0)
				call->gave_up = "no background worker could be started, since all slots are in use";
			return;
		}
		turn->started = GetCurrentTimestamp();
		turn->state = TURN_RUNNING;
		call->running++;
	}
}

/* What is kept back ends at once, for which others may have waited. */
static void
start_ready(Call *call, int workers)
{
	int			ended;

	do
	{
		ended = call->ended;
		start_some(call, workers);
	} while (call->ended != ended && call->gave_up == NULL);
}

static void
settle(Call *call, Turn *turn)
{
	Slot	   *slot = &call->board->slots[turn - call->turns];

	pg_read_barrier();
	call->running--;
	turn->handle = NULL;
	if (slot->ended && !slot->failed)
	{
		turn->outcome.published = slot->published;
		turn->outcome.dropped = slot->dropped;
		turn->outcome.quarantined = slot->quarantined;
		turn->outcome.seconds = slot->seconds;
		mdl_turn_end(call, turn, TURN_DONE, slot->mode, slot->reason);
		return;
	}
	turn->is_recorded = slot->recorded;
	mdl_turn_failed(call, turn, slot->ended ? slot->reason : "its worker ended without a word",
					slot->ended ? slot->sqlstate : ERRCODE_ADMIN_SHUTDOWN);
}

/* A worker that waits for a lock of the leader's would wait for ever, which no deadlock detector sees. */
static bool
is_in_the_way(Call *call)
{
	for (int i = 0; i < call->count; i++)
	{
		Datum	   *pids;
		int			count;
		pid_t		pid;

		if (call->turns[i].state != TURN_RUNNING || GetBackgroundWorkerPid(call->turns[i].handle, &pid) != BGWH_STARTED)
			continue;
		deconstruct_array(DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum((int32) pid))),
						  INT4OID, sizeof(int32), true, TYPALIGN_INT, &pids, NULL, &count);
		for (int j = 0; j < count; j++)
		{
			if (DatumGetInt32(pids[j]) != MyProcPid)
				continue;
			if (call->may_give_up)
				return true;
			ereport(ERROR,
					(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
					 errmsg("the refresh of \"%s\" waits for a lock that this transaction holds", call->turns[i].name),
					 errhint("Refresh with workers in a transaction of its own, before others of its statements touch the tables.")));
		}
	}
	return false;
}

static void
run_call(Call *call, int workers)
{
	for (;;)
	{
		int			events;

		start_ready(call, workers);
		if (call->running == 0)
			return;
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < call->count; i++)
		{
			pid_t		pid;

			if (call->turns[i].state == TURN_RUNNING && GetBackgroundWorkerPid(call->turns[i].handle, &pid) == BGWH_STOPPED)
				settle(call, &call->turns[i]);
		}
		if ((events & WL_TIMEOUT) && is_in_the_way(call))
		{
			call->gave_up = "this transaction holds a lock that a refresh has to wait for";
			return;
		}
	}
}

/* Ends the workers, and waits until they have, so that nothing of the call happens after its end. */
static void
stop_workers(Call *call)
{
	for (int i = 0; i < call->count; i++)
		if (call->turns[i].state == TURN_RUNNING)
			TerminateBackgroundWorker(call->turns[i].handle);
	HOLD_INTERRUPTS();
	for (int i = 0; i < call->count; i++)
		if (call->turns[i].state == TURN_RUNNING)
			WaitForBackgroundWorkerShutdown(call->turns[i].handle);
	RESUME_INTERRUPTS();
}

/* What has not ended by then is to be done by somebody else. */
static void
take_back(Call *call)
{
	stop_workers(call);
	for (int i = 0; i < call->count; i++)
	{
		Turn	   *turn = &call->turns[i];

		if (turn->state != TURN_RUNNING)
			continue;
		if (call->board->slots[i].ended && !call->board->slots[i].failed)
			settle(call, turn);
		else
		{
			turn->state = TURN_WAITING;
			turn->handle = NULL;
			call->running--;
		}
	}
}

void
mdl_turns_in_workers(Call *call, int workers)
{
	make_board(call);
	PG_TRY();
	{
		run_call(call, workers);
		if (call->gave_up)
			take_back(call);
	}
	PG_CATCH();
	{
		stop_workers(call);
		PG_RE_THROW();
	}
	PG_END_TRY();
	for (int i = 0; i < call->count; i++)
	{
		Outcome    *outcome = &call->turns[i].outcome;

		outcome->mode = outcome->mode ? pstrdup(outcome->mode) : NULL;
		outcome->reason = outcome->reason ? pstrdup(outcome->reason) : NULL;
	}
	dsm_detach(call->segment);
}

void
mdl_refresh_in_workers(Oid target, int workers, ReturnSetInfo *set)
{
	Call		call = {0};

	check_outside_transaction();
	mdl_turns_plan(&call, target);
	if (call.count == 0)
		return;
	mdl_progress_begin("refresh", OidIsValid(target) ? mdl_display_name(target) : "all tables");
	mdl_progress_phase("tables", call.count);
	mdl_turns_in_workers(&call, workers);
	mdl_progress_end();
	mdl_turns_return(&call, set);
}
