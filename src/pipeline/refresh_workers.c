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

#define LOOK_MS		1000		/* whether a worker waits for us is asked as often */
#define MODE_SIZE	32
#define TEXT_SIZE	2048

extern MDL_EXPORT void mdl_refresh_task(const char *argument);

typedef struct Slot
{
	Oid			target;
	bool		ended;			/* else the worker died without a word */
	bool		failed;			/* then reason is the error */
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

typedef enum TurnState
{
	TURN_WAITING,
	TURN_RUNNING,
	TURN_DONE,
	TURN_FAILED					/* or kept back */
} TurnState;

/* A table of the call. */
typedef struct Turn
{
	Oid			target;
	char	   *name;
	List	   *sources;		/* OIDs of derived tables it reads */
	TurnState	state;
	BackgroundWorkerHandle *handle;
	Outcome		outcome;
} Turn;

typedef struct Call
{
	Turn	   *turns;			/* (count), sources first */
	int			count;
	int			running;
	int			ended;
	dsm_segment *segment;
	Board	   *board;
} Call;

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
static void
keep_error(Slot *slot, MemoryContext memory)
{
	ErrorData  *error;
	StringInfoData text;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(memory);
	error = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(memory);
	initStringInfo(&text);
	appendStringInfoString(&text, error->message ? error->message : "no message");
	if (error->detail)
		appendStringInfo(&text, "\nDETAIL: %s", error->detail);
	if (error->hint)
		appendStringInfo(&text, "\nHINT: %s", error->hint);
	keep_text(slot->reason, TEXT_SIZE, text.data);
	slot->failed = true;
	RESUME_INTERRUPTS();
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
		keep_error(slot, memory);
	}
	PG_END_TRY();
	pg_write_barrier();
	slot->ended = true;
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

static void
plan_call(Call *call, Oid target)
{
	List	   *order = mdl_refresh_plan(target);
	List	   *tables = mdl_kept_tables();
	ListCell   *cell;

	call->turns = palloc0_array(Turn, Max(list_length(order), 1));
	foreach(cell, order)
	{
		DerivedTable *table = lfirst(cell);
		Turn	   *turn = &call->turns[call->count++];

		turn->target = table->target;
		turn->name = mdl_display_name(table->target);
		turn->sources = mdl_derived_sources(tables, table);
	}
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

static void
end_turn(Call *call, Turn *turn, TurnState state, const char *mode, const char *reason)
{
	turn->state = state;
	turn->outcome.mode = mode;
	turn->outcome.reason = reason;
	mdl_progress_update(++call->ended);
}

static Turn *
turn_of(Call *call, Oid target)
{
	for (int i = 0; i < call->count; i++)
		if (call->turns[i].target == target)
			return &call->turns[i];
	return NULL;
}

/* Whether all that a table reads has ended.  If some of that failed the table is kept back, which ends it too. */
static bool
is_ready(Call *call, Turn *turn)
{
	Turn	   *failed = NULL;
	ListCell   *cell;

	foreach(cell, turn->sources)
	{
		Turn	   *source = turn_of(call, lfirst_oid(cell));

		if (source == NULL || source->state == TURN_DONE)
			continue;
		if (source->state != TURN_FAILED)
			return false;
		failed = source;
	}
	if (failed)
		end_turn(call, turn, TURN_FAILED, "skipped", psprintf("reads \"%s\", which was not refreshed", failed->name));
	else if (!mdl_may_refresh(turn->target))
		end_turn(call, turn, TURN_DONE, "skipped", "belongs to another role");
	return turn->state == TURN_WAITING;
}

/* Starts what is ready as far as there is room. */
static void
start_ready(Call *call, int workers)
{
	/* In their order, sources first, so that one pass keeps back all that has to be. */
	for (int i = 0; i < call->count; i++)
	{
		Turn	   *turn = &call->turns[i];

		if (turn->state != TURN_WAITING || !is_ready(call, turn) || call->running >= workers)
			continue;
		turn->handle = mdl_task_launch(MDL_LIBRARY_CORE, "mdl_refresh_task",
									   psprintf("%u %d", dsm_segment_handle(call->segment), i), GetUserId(),
									   psprintf("medallion refresh of %s", turn->name), call->running > 0);
		if (turn->handle == NULL)
			return;				/* no slot is free: those that run will give some back */
		turn->state = TURN_RUNNING;
		call->running++;
	}
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
		end_turn(call, turn, TURN_DONE, slot->mode, slot->reason);
		return;
	}
	end_turn(call, turn, TURN_FAILED, "failed", slot->ended ? slot->reason : "its worker ended without a word");
	ereport(WARNING,
			(errmsg("\"%s\" was not refreshed: %s", turn->name, turn->outcome.reason)));
}

/* A worker that waits for a lock of the leader's would wait for ever, which no deadlock detector sees. */
static void
check_not_in_the_way(Call *call)
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
			if (DatumGetInt32(pids[j]) == MyProcPid)
				ereport(ERROR,
						(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						 errmsg("the refresh of \"%s\" waits for a lock that this transaction holds", call->turns[i].name),
						 errhint("Refresh with workers in a transaction of its own, before others of its statements touch the tables.")));
	}
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
		if (events & WL_TIMEOUT)
			check_not_in_the_way(call);
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

void
mdl_refresh_in_workers(Oid target, int workers, ReturnSetInfo *set)
{
	Call		call = {0};

	check_outside_transaction();
	plan_call(&call, target);
	if (call.count == 0)
		return;
	make_board(&call);
	mdl_progress_begin("refresh", OidIsValid(target) ? mdl_display_name(target) : "all tables");
	mdl_progress_phase("tables", call.count);
	PG_TRY();
	{
		run_call(&call, workers);
	}
	PG_CATCH();
	{
		stop_workers(&call);
		PG_RE_THROW();
	}
	PG_END_TRY();
	mdl_progress_end();
	for (int i = 0; i < call.count; i++)
		mdl_refresh_return(set, call.turns[i].target, &call.turns[i].outcome);
	dsm_detach(call.segment);
}
