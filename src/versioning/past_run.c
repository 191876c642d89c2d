/*
 * past_run.c: running plans that read the past.
 *
 * A plan may be kept, and a version may be asked for that is known only when the plan starts: a parameter, the time of the
 * clock.  So at the start of each execution
 *
 * - what the plan asks for is settled, once, and put into the plan as a constant (medallion._point in an initplan);
 * - if the statement's snapshot was taken before that was settled, a new one is taken, where READ COMMITTED allows it: a
 *   snapshot that would do stays, since C code may have taken it for several statements;
 * - old rows that the transaction still holds in memory go to the history tables, and the snapshot is made to see them;
 * - the tables in the plan are compared with what the session asks for now: a plan made for another point in time, or one
 *   that would read the present in a session that travels, is an error.
 *
 * A snapshot that an enclosing execution reads with is never replaced: functions that are STABLE see what their caller sees.
 */
#include "versioning/past_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/memutils.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/snapmgr.h"

static ExecutorStart_hook_type previous_executor_start = NULL;
static ExecutorRun_hook_type previous_executor_run = NULL;
static ExecutorFinish_hook_type previous_executor_finish = NULL;

/* The executions under way, outermost first, with the snapshot that each reads with. */
typedef struct Frame
{
	Snapshot	snapshot;
	int			nesting;		/* of the transaction */
} Frame;

static Frame *frames = NULL;
static int	nframes = 0;
static int	frames_allocated = 0;

/* The snapshot that was active when the subtransaction of each level began; [0] and [1] are not used. */
static Snapshot *outer_snapshots = NULL;
static int	outer_allocated = 0;

/* ---- executions under way ------------------------------------------------------------------------------------------ */

static void
push_frame(void)
{
	if (nframes == frames_allocated)
	{
		frames_allocated = frames_allocated ? 2 * frames_allocated : 32;
		frames = frames
			? repalloc(frames, frames_allocated * sizeof(Frame))
			: MemoryContextAlloc(TopMemoryContext, frames_allocated * sizeof(Frame));
	}
	frames[nframes].snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;
	frames[nframes++].nesting = GetCurrentTransactionNestLevel();
}

static void
past_executor_run(QueryDesc *query, ScanDirection direction, uint64 count, bool once)
{
	int			depth = nframes;

	push_frame();
	if (previous_executor_run)
		previous_executor_run(query, direction, count, once);
	else
		standard_ExecutorRun(query, direction, count, once);
	/* After an error the callbacks below do it. */
	nframes = depth;
}

/* Triggers are fired here, and may be STABLE too. */
static void
past_executor_finish(QueryDesc *query)
{
	int			depth = nframes;

	push_frame();
	if (previous_executor_finish)
		previous_executor_finish(query);
	else
		standard_ExecutorFinish(query);
	nframes = depth;
}

static void
transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		nframes = 0;
}

/* Notes which snapshot a subtransaction finds. */
static void
note_outer_snapshot(void)
{
	int			level = GetCurrentTransactionNestLevel();

	if (level >= outer_allocated)
	{
		int			allocated = Max(2 * outer_allocated, level + 16);

		outer_snapshots = outer_snapshots
			? repalloc(outer_snapshots, allocated * sizeof(Snapshot))
			: MemoryContextAlloc(TopMemoryContext, allocated * sizeof(Snapshot));
		memset(outer_snapshots + outer_allocated, 0, (allocated - outer_allocated) * sizeof(Snapshot));
		outer_allocated = allocated;
	}
	outer_snapshots[level] = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;
}

static void
subtransaction_event(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_START_SUB)
		note_outer_snapshot();
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		while (nframes > 0 && frames[nframes - 1].nesting >= GetCurrentTransactionNestLevel())
			nframes--;
}

/* Whether a snapshot is that of an enclosing execution, or belongs to an outer subtransaction, which will pop it. */
static bool
is_of_caller(Snapshot snapshot)
{
	int			level = GetCurrentTransactionNestLevel();

	if (level > 1 && (level >= outer_allocated || outer_snapshots[level] == snapshot))
		return true;
	for (int i = 0; i < nframes; i++)
		if (frames[i].snapshot == snapshot)
			return true;
	return false;
}

/* ---- the snapshot -------------------------------------------------------------------------------------------------- */

/* Whether the execution that starts may read with another snapshot than it was given. */
static bool
is_renewable(const QueryDesc *query)
{
	return ActiveSnapshotSet() && !IsInParallelMode() && query->snapshot == GetActiveSnapshot() && !is_of_caller(query->snapshot);
}

/* Takes a new snapshot in its place; above READ COMMITTED it differs only in what it sees of the own transaction. */
static void
renew_snapshot(QueryDesc *query)
{
	UnregisterSnapshot(query->snapshot);
	query->snapshot = InvalidSnapshot;
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	query->snapshot = RegisterSnapshot(GetActiveSnapshot());
}

/* ---- versions that are known only now ------------------------------------------------------------------------------ */

/* SELECT medallion._point(…) as planned, or NULL. */
static FuncExpr *
point_call(Plan *plan)
{
	FuncExpr   *call;
	FmgrInfo	function;

	if (plan == NULL || !IsA(plan, Result) || plan->lefttree != NULL || list_length(plan->targetlist) != 1)
		return NULL;
	call = (FuncExpr *) linitial_node(TargetEntry, plan->targetlist)->expr;
	if (call == NULL || !IsA(call, FuncExpr) || call->funcresulttype != INT8OID || list_length(call->args) != 3)
		return NULL;
	if (call->funcid < FirstNormalObjectId)
		return NULL;
	fmgr_info(call->funcid, &function);
	return function.fn_addr == mdl_point ? call : NULL;
}

/* An argument that comes from another part of the plan, which has not run yet. */
static bool
needs_execution(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if ((IsA(node, Param) && ((Param *) node)->paramkind != PARAM_EXTERN) || IsA(node, Var) || IsA(node, SubPlan))
		return true;
	return expression_tree_walker(node, needs_execution, context);
}

static Const *
evaluate_point(const QueryDesc *query, FuncExpr *call)
{
	ExprContext *context = CreateStandaloneExprContext();
	ExprState  *state;
	Datum		value;
	bool		is_null;

	context->ecxt_param_list_info = query->params;
	state = ExecInitExprWithParams((Expr *) call, query->params);
	value = ExecEvalExprSwitchContext(state, context, &is_null);
	FreeExprContext(context, true);
	return makeConst(INT8OID, -1, InvalidOid, sizeof(int64), value, is_null, FLOAT8PASSBYVAL);
}

/*
 * Puts the versions that can be known into a copy of the plan, equal calls evaluated once.  Returns the newest; 0 if there
 * is none.  Kept plans are shared, so only copies are written to; they live where the query descriptor lives.
 */
static int64
settle_points(QueryDesc *query)
{
	List	   *subplans = NIL;
	List	   *calls = NIL;
	List	   *values = NIL;
	int64		newest = 0;
	ListCell   *cell;

	foreach(cell, query->plannedstmt->subplans)
	{
		Plan	   *plan = lfirst(cell);
		FuncExpr   *call = point_call(plan);
		Const	   *value = NULL;

		if (call != NULL && !needs_execution((Node *) call->args, NULL))
		{
			for (int i = 0; i < list_length(calls) && value == NULL; i++)
				if (equal(list_nth(calls, i), call))
					value = list_nth(values, i);
			if (value == NULL)
			{
				value = evaluate_point(query, call);
				calls = lappend(calls, call);
				values = lappend(values, value);
				if (!value->constisnull)
					newest = Max(newest, DatumGetInt64(value->constvalue));
			}
			plan = copyObject(plan);
			linitial_node(TargetEntry, plan->targetlist)->expr = (Expr *) value;
		}
		subplans = lappend(subplans, plan);
	}
	if (calls != NIL)
	{
		PlannedStmt *copy = makeNode(PlannedStmt);

		*copy = *query->plannedstmt;
		copy->subplans = subplans;
		query->plannedstmt = copy;
	}
	return newest;
}

/* ---- checks -------------------------------------------------------------------------------------------------------- */

static void
check_session(const RangeTblEntry *entry, int64 version)
{
	if (mdl_travelling() && mdl_travel_version() == version)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the plan of this statement was made to read version " INT64_FORMAT, version),
			 mdl_travelling()
			 ? errdetail("medallion.as_of is set to \"%s\" now.", mdl_travel_text())
			 : errdetail("The session reads the present now."),
			 errhint("Set medallion.as_of in a statement of its own.")));
}

static void
check_present(const RangeTblEntry *entry)
{
	if (entry->relid < FirstNormalObjectId ||
		(entry->relkind != RELKIND_RELATION && entry->relkind != RELKIND_PARTITIONED_TABLE))
		return;
	if (mdl_is_history_table(entry->relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("history table \"%s\" cannot be read while the session reads the past", mdl_display_name(entry->relid)),
				 errdetail("medallion.as_of is set to \"%s\".", mdl_travel_text()),
				 errhint("RESET medallion.as_of returns to the present.")));
	if (mdl_table_find(entry->relid) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this statement would read the present of versioned table \"%s\"", mdl_display_name(entry->relid)),
				 errdetail("medallion.as_of is set to \"%s\", but the statement was planned before, or reaches the table in a way that cannot be followed.",
						   mdl_travel_text()),
				 errhint("Set medallion.as_of in a statement of its own; name the table itself in the query.")));
}

/*
 * Whether a plan reads the past, and the newest version that it was planned for (0: none is known); an error if it is not
 * the past, or the present, that the session asks for.
 */
static bool
look_at_tables(const QueryDesc *query, int64 *newest)
{
	bool		reads_past = false;
	bool		travelling = mdl_travelling();
	ListCell   *cell;

	foreach(cell, query->plannedstmt->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);
		int64		version = 0;

		switch (mdl_past_mark(entry, &version))
		{
			case MDL_PAST_OF_SESSION:
				check_session(entry, version);
				/* FALLTHROUGH */
			case MDL_PAST_OF_CALL:
				reads_past = true;
				*newest = Max(*newest, version);
				break;
			case MDL_UNMARKED:
				if (travelling && entry->rtekind == RTE_RELATION)
					check_present(entry);
				break;
			case MDL_PRESENT:
				break;
		}
	}
	return reads_past;
}

/* Whether nothing has ended since a snapshot was taken that it does not see. */
static bool
is_current(Snapshot snapshot)
{
	TransactionId next = XidFromFullTransactionId(ShmemVariableCache->latestCompletedXid);

	TransactionIdAdvance(next);
	return !snapshot->takenDuringRecovery && snapshot->xcnt == 0 && snapshot->xmax == next;
}

/*
 * A table of the plan that was truncated after the snapshot was taken; InvalidOid if there is none.  TRUNCATE empties a
 * table for older snapshots too, while the rows that it moved to history are as new as itself: such a snapshot would find
 * them in neither place.  In READ COMMITTED that happens to EXECUTE, which takes its snapshot before it waits for locks.
 */
static Oid
any_truncated(const QueryDesc *query)
{
	ListCell   *cell;
	int64		unseen;

	if (is_current(query->snapshot))
		return InvalidOid;
	unseen = mdl_first_unseen_version(query->snapshot);
	if (unseen == PG_INT64_MAX)
		return InvalidOid;
	foreach(cell, query->plannedstmt->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);
		int64		version;
		MdlPastMark mark = mdl_past_mark(entry, &version);
		MdlTable   *table = mark == MDL_PAST_OF_SESSION || mark == MDL_PAST_OF_CALL ? mdl_table_find(entry->relid) : NULL;

		if (table != NULL && mdl_table_truncated(table, unseen) > 0)
			return entry->relid;
	}
	return InvalidOid;
}

static void
refuse_truncated(Oid relid)
{
	if (OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("versioned table \"%s\" was truncated or altered after this transaction began to read", mdl_display_name(relid)),
				 errhint("Ask in a new transaction.")));
}

/* ---- the start of an execution ------------------------------------------------------------------------------------- */

static void
prepare_execution(QueryDesc *query, int eflags)
{
	int64		newest = 0;
	bool		reads_past = look_at_tables(query, &newest);

	if (mdl_travelling())
		mdl_refuse_plan(query->plannedstmt);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 || query->snapshot == NULL)
		return;
	/* A STABLE function that this statement calls may read the past with the snapshot of this one. */
	if (!reads_past && (nframes == 0 || !mdl_capture_pending()))
		return;
	if (reads_past)
	{
		int64		settled = settle_points(query);

		newest = Max(newest, settled);
	}
	if (is_renewable(query))
	{
		bool		pending = mdl_capture_pending();

		mdl_capture_show();
		if (pending || (reads_past && !IsolationUsesXactSnapshot() &&
						((newest > 0 && !mdl_point_seen(newest, query->snapshot)) || any_truncated(query) != InvalidOid)))
			renew_snapshot(query);
	}
	if (reads_past && (IsolationUsesXactSnapshot() || !is_renewable(query)))
		refuse_truncated(any_truncated(query));
}

static void
past_executor_start(QueryDesc *query, int eflags)
{
	/* A worker does part of a plan that its leader has prepared. */
	if (!IsParallelWorker() || nframes > 0)
		prepare_execution(query, eflags);
	if (previous_executor_start)
		previous_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
mdl_past_run_init(void)
{
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = past_executor_start;
	previous_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = past_executor_run;
	previous_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = past_executor_finish;
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_event, NULL);
}
