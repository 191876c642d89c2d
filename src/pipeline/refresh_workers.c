/*
 * refresh_workers.c: medallion.refresh(workers => n), which refreshes tables that do not read each other at the same time.
 *
 * Each table is refreshed in a transaction of its own in a background worker, when all derived tables that it reads have ended.
 * A worker that has done one goes on with the next that can be, and ends when there is none.  What fails keeps those back that
 * read it, directly or not, and nobody else; the rows returned say so.  The *leader*, whose call it is, starts workers while
 * there is something for them; what they do and what came of it stands in the *slots* of shared memory, one for each table,
 * which who does it claims first.  Nothing is rolled back with the leader, so it may not be inside a transaction that already
 * did something.
 */
#include "pipeline/refresh_int.h"
#include "base/background.h"
#include "base/progress.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "pgstat.h"
#include "port/atomics.h"
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
	pg_atomic_uint32 claimed;	/* 0, or 1 + the number of the worker that does it */
	bool		by_leader;		/* only it knows whether its turn has come */
	int			first_source;	/* in Board.sources: numbers of the slots it reads */
	int			source_count;
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
	bool		closed;			/* nothing more is to begin */
	Latch	   *leader;
	int			count;
	Size		sources;		/* offset of the numbers of sources */
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
	keep_text(slot->reason, TEXT_SIZE, mdl_describe_error(error));
	slot->sqlstate = error->sqlerrcode;
	slot->failed = true;
	RESUME_INTERRUPTS();
	return error;
}

static void
refresh_slot(Board *board, Slot *slot, MemoryContext memory)
{
	TimestampTz started = GetCurrentTimestamp();
	ErrorData  *volatile error = NULL;

	MemoryContextReset(memory);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
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
	if (error)
	{
		/* One that was told to end leaves the record to the leader. */
		CHECK_FOR_INTERRUPTS();
		mdl_refresh_record_failure(slot->target, error, slot->target, started);
		slot->recorded = true;
	}
	pgstat_report_stat(true);
	pg_write_barrier();
	slot->ended = true;
	SetLatch(board->leader);
}

/* Whether all that a table reads was refreshed.  What is kept back is the leader's business. */
static bool
may_begin(const Board *board, const Slot *slot)
{
	const int  *sources = (const int *) ((const char *) board + board->sources) + slot->first_source;

	if (slot->by_leader)
		return false;
	for (int i = 0; i < slot->source_count; i++)
		if (!board->slots[sources[i]].ended || board->slots[sources[i]].failed)
			return false;
	return true;
}

static bool
claim(Slot *slot, int worker)
{
	uint32		nobody = 0;

	return pg_atomic_read_u32(&slot->claimed) == 0 && pg_atomic_compare_exchange_u32(&slot->claimed, &nobody, worker + 1);
}

/* The next slot for a worker that is free; NULL if there is none now. */
static Slot *
next_slot(Board *board, int worker)
{
	pg_read_barrier();
	for (int i = 0; i < board->count && !board->closed; i++)
		if (may_begin(board, &board->slots[i]) && claim(&board->slots[i], worker))
			return &board->slots[i];
	return NULL;
}

/* A task: refreshes the table of one slot, and then others as long as there are some that can be. */
void
mdl_refresh_task(const char *argument)
{
	MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "medallion refresh", ALLOCSET_DEFAULT_SIZES);
	unsigned	handle;
	int			number,
				worker;
	dsm_segment *segment;
	Board	   *board;

	if (sscanf(argument, "%u %d %d", &handle, &number, &worker) != 3)
		elog(ERROR, "a worker of a refresh got \"%s\"", argument);
	StartTransactionCommand();
	segment = dsm_attach(handle);
	if (segment)
		dsm_pin_mapping(segment);
	CommitTransactionCommand();
	if (segment == NULL)
		return;					/* the leader has ended */
	board = dsm_segment_address(segment);
	for (Slot *slot = &board->slots[number]; slot != NULL; slot = next_slot(board, worker))
	{
		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();
		SetConfigOption("application_name", psprintf("medallion refresh of %s", mdl_display_name(slot->target)), PGC_USERSET, PGC_S_SESSION);
		CommitTransactionCommand();
		refresh_slot(board, slot, memory);
	}
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

/* Where the leader ends, whatever ends it, workers begin nothing more. */
static void
close_board(dsm_segment *segment, Datum board)
{
	((Board *) DatumGetPointer(board))->closed = true;
}

static void
make_board(Call *call)
{
	Size		before = MAXALIGN(offsetof(Board, slots) + sizeof(Slot) * call->count);
	Size		size;
	char	   *settings = session_settings(&size);
	int			source_count = 0;
	int		   *sources;
	Board	   *board;

	for (int i = 0; i < call->count; i++)
		source_count += list_length(call->turns[i].sources);
	call->segment = dsm_create(before + MAXALIGN(sizeof(int) * source_count) + size, 0);
	call->board = board = dsm_segment_address(call->segment);
	memset(board, 0, before);
	board->leader = MyLatch;
	board->count = call->count;
	board->sources = before;
	board->settings = before + MAXALIGN(sizeof(int) * source_count);
	memcpy((char *) board + board->settings, settings, size);
	sources = (int *) ((char *) board + board->sources);
	source_count = 0;
	for (int i = 0; i < call->count; i++)
	{
		Slot	   *slot = &board->slots[i];
		ListCell   *cell;

		pg_atomic_init_u32(&slot->claimed, 0);
		slot->target = call->turns[i].target;
		slot->by_leader = call->turns[i].compared != NIL || !mdl_may_refresh(slot->target);
		slot->first_source = source_count;
		foreach(cell, call->turns[i].sources)
		{
			Turn	   *source = mdl_turn_of(call, lfirst_oid(cell));

			if (source)
				sources[source_count++] = source - call->turns;
			/* What belongs to others has no worker that ends it. */
			slot->by_leader |= source && !mdl_may_refresh(source->target);
		}
		slot->source_count = source_count - slot->first_source;
	}
	on_dsm_detach(call->segment, close_board, PointerGetDatum(board));
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

/* Notes that a worker has taken a turn. */
static void
note_claim(Call *call, Turn *turn)
{
	uint32		claimed = pg_atomic_read_u32(&call->board->slots[turn - call->turns].claimed);

	if (turn->state != TURN_WAITING || claimed == 0)
		return;
	turn->state = TURN_RUNNING;
	turn->worker = (int) claimed - 1;
	turn->started = GetCurrentTimestamp();
}

/* Starts a worker with this turn; false if none can be had. */
static bool
start_worker(Call *call, Turn *turn)
{
	Slot	   *slot = &call->board->slots[turn - call->turns];
	int			worker = 0;

	while (call->workers[worker] != NULL)
		worker++;
	if (!claim(slot, worker))
		return true;			/* somebody else did */
	call->workers[worker] = mdl_task_launch(MDL_LIBRARY_CORE, "mdl_refresh_task",
											psprintf("%u %d %d", dsm_segment_handle(call->segment), (int) (turn - call->turns), worker),
											GetUserId(), psprintf("medallion refresh of %s", turn->name),
											call->running > 0 || call->may_give_up);
	if (call->workers[worker] == NULL)
	{
		pg_atomic_write_u32(&slot->claimed, 0);

		/* No slot is free: those that run will give some back. */
		if (call->running == 0)
			call->gave_up = "no background worker could be started, since all slots are in use";
		return false;
	}
	call->running++;
	return true;
}

/* Starts what is ready as far as there is room.  What has to wait for a worker may be taken by one that gets free. */
static void
start_some(Call *call)
{
	/* In their order, sources first, so that one pass keeps back all that has to be. */
	for (int i = 0; i < call->count; i++)
	{
		Turn	   *turn = &call->turns[i];

		note_claim(call, turn);
		if (turn->state != TURN_WAITING || !mdl_turn_is_ready(call, turn) || !compared_have_ended(call, turn))
			continue;
		call->board->slots[i].by_leader = false;
		if (call->running < call->worker_count && !start_worker(call, turn))
			return;
		note_claim(call, turn);
	}
}

/* What is kept back ends at once, for which others may have waited. */
static void
start_ready(Call *call)
{
	int			ended;

	do
	{
		ended = call->ended;
		start_some(call);
	} while (call->ended != ended && call->gave_up == NULL);
}

static void
settle(Call *call, Turn *turn)
{
	Slot	   *slot = &call->board->slots[turn - call->turns];

	pg_read_barrier();
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
	mdl_turn_failed(call, turn, slot->failed ? slot->reason : "its worker ended without a word",
					slot->failed ? slot->sqlstate : ERRCODE_ADMIN_SHUTDOWN);
}

/* Takes up what has ended, and what workers that ended leave behind. */
static void
settle_all(Call *call)
{
	for (int worker = 0; worker < call->worker_count; worker++)
	{
		pid_t		pid;

		if (call->workers[worker] == NULL || GetBackgroundWorkerPid(call->workers[worker], &pid) != BGWH_STOPPED)
			continue;
		pg_read_barrier();
		for (int i = 0; i < call->count; i++)
		{
			note_claim(call, &call->turns[i]);
			if (call->turns[i].state == TURN_RUNNING && call->turns[i].worker == worker)
				settle(call, &call->turns[i]);
		}
		call->workers[worker] = NULL;
		call->running--;
	}
	for (int i = 0; i < call->count; i++)
	{
		note_claim(call, &call->turns[i]);
		if (call->turns[i].state == TURN_RUNNING && call->board->slots[i].ended)
			settle(call, &call->turns[i]);
	}
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

		if (call->turns[i].state != TURN_RUNNING ||
			GetBackgroundWorkerPid(call->workers[call->turns[i].worker], &pid) != BGWH_STARTED)
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
run_call(Call *call)
{
	for (;;)
	{
		int			events;

		start_ready(call);
		if (call->running == 0)
			return;
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		settle_all(call);
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
	call->board->closed = true;
	for (int i = 0; i < call->worker_count; i++)
		if (call->workers[i])
			TerminateBackgroundWorker(call->workers[i]);
	HOLD_INTERRUPTS();
	for (int i = 0; i < call->worker_count; i++)
		if (call->workers[i])
			WaitForBackgroundWorkerShutdown(call->workers[i]);
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

		note_claim(call, turn);
		if (turn->state == TURN_RUNNING && call->board->slots[i].ended)
			settle(call, turn);
		else if (turn->state == TURN_RUNNING)
			turn->state = TURN_WAITING;
	}
	call->running = 0;
}

void
mdl_turns_in_workers(Call *call, int workers)
{
	call->worker_count = workers;
	call->workers = palloc0_array(BackgroundWorkerHandle *, workers);
	make_board(call);
	PG_TRY();
	{
		run_call(call);
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
