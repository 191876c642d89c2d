/*
 * refresh.c: medallion.refresh and rebuild.
 *
 * A call that names a table is one transaction: it and before it those it reads are locked against other refreshes
 * (readers go on), then one snapshot is taken and everything is computed from it.  (That of all tables is in refresh_all.c.)  So the tables of one call agree with each
 * other, a waiting refresh sees what the one before it did, and readers see the old state or the new.
 *
 * A table is refreshed as its owner, with the rights, row-level security and settings that say what its query means, whoever
 * asks; only the owner (or a member of that role) may ask.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/pipeline.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "versioning/versioning.h"
#include "base/progress.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* ---- before: what is refreshed, locks, checks ---------------------------------------------------------------- */

bool
mdl_may_refresh(Oid relid)
{
	return pg_class_ownercheck(relid, GetUserId());
}

List *
mdl_refresh_plan(Oid target)
{
	List	   *tables = mdl_kept_tables();
	List	   *targets = NIL;
	ListCell   *cell;

	if (OidIsValid(target))
	{
		if (mdl_pipeline_table(tables, target) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the table to refresh is no derived table any more"),
					 errdetail("It was dropped or undefined while this refresh waited for it.")));
		targets = list_make1_oid(target);
	}
	else
		foreach(cell, tables)
		{
			DerivedTable *table = lfirst(cell);

			if (mdl_may_refresh(table->target))
				targets = lappend_oid(targets, table->target);
		}
	list_sort(targets, list_oid_cmp);
	return mdl_refresh_order(tables, targets);
}

/* The same, or the table itself alone. */
static List *
plan_tables(Oid target, bool alone)
{
	List	   *order = mdl_refresh_plan(target);

	return alone ? list_make1(llast(order)) : order;
}

static bool
same_tables(List *one, List *other)
{
	if (list_length(one) != list_length(other))
		return false;
	for (int i = 0; i < list_length(one); i++)
		if (((DerivedTable *) list_nth(one, i))->target != ((DerivedTable *) list_nth(other, i))->target)
			return false;
	return true;
}

/*
 * Locks the tables in the order of their OIDs, so that two calls cannot wait for each other, and plans again, since a
 * definition may have changed while waiting.
 */
static List *
lock_tables(Oid target, bool alone)
{
	List	   *order = plan_tables(target, alone);

	for (;;)
	{
		List	   *relids = NIL;
		List	   *again;
		ListCell   *cell;

		foreach(cell, order)
		{
			DerivedTable *table = lfirst(cell);

			if (mdl_may_refresh(table->target))
				relids = lappend_oid(relids, table->target);
		}
		list_sort(relids, list_oid_cmp);
		foreach(cell, relids)
			LockRelationOid(lfirst_oid(cell), ShareRowExclusiveLock);
		again = plan_tables(target, alone);
		if (same_tables(order, again))
			return again;
		order = again;
	}
}

/*
 * In a transaction whose snapshot is older than another's refresh of the table, writing would undo that refresh or run
 * into it.
 */
static void
check_snapshot_is_fresh(const DerivedTable *table, Snapshot snapshot)
{
	const char *sql = "SELECT pg_catalog.max(refresh_id) FROM medallion._refreshes WHERE target OPERATOR(pg_catalog.=) $1";
	MdlArgs		args = {0};
	MdlUser		saved;
	int64		seen,
				latest;

	if (!IsolationUsesXactSnapshot())
		return;
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_owner_begin(&saved);
	mdl_run_under_snapshot(sql, &args, snapshot);
	seen = mdl_field_int8(0, 0);
	mdl_run_under_snapshot(sql, &args, GetLatestSnapshot());
	latest = mdl_field_int8(0, 0);
	mdl_owner_end(&saved);
	if (seen != latest)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not refresh \"%s\": it was refreshed after this transaction took its snapshot",
						mdl_display_name(table->target)),
				 errhint("Run the transaction again, or refresh in READ COMMITTED.")));
}

static void
check_is_whole(Oid relid)
{
	if (check_enable_rls(relid, mdl_relation_owner(relid), true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot refresh \"%s\": row-level security is forced on its owner", mdl_display_name(relid)),
				 errhint("ALTER TABLE … NO FORCE ROW LEVEL SECURITY: a refresh must see all rows of the table.")));
}

static void
check_target_is_whole(const DerivedTable *table)
{
	check_is_whole(table->target);
	if (OidIsValid(table->quarantine))
		check_is_whole(table->quarantine);
}

/* ---- one table ------------------------------------------------------------------------------------------------- */

/* The table whose refresh began last: the one that an error is about. */
static Oid	current_table = InvalidOid;

Oid
mdl_refresh_current(void)
{
	return current_table;
}

static DerivedResult *
compute_as_owner(const DerivedTable *table, Snapshot snapshot, bool enforce, const Incremental *plan)
{
	const Units *units = plan && plan->possible ? plan->units : NULL;
	OwnerWorld	world;
	DerivedResult *result;

	mdl_enter_owner_world(table, &world);
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	result = mdl_result_compute(table, snapshot, enforce, units, plan && plan->with_hidden);
	PopActiveSnapshot();
	mdl_leave_owner_world(&world);
	return result;
}

/* Completes what an incremental refresh computed; false, with *why set, if everything has to be computed after all. */
static bool
settle_as_owner(DerivedResult *result, const Incremental *plan, Snapshot snapshot, const char **why)
{
	OwnerWorld	world;
	bool		stands;

	mdl_enter_owner_world(result->table, &world);
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	result->is_whole = mdl_counts_complete(result, plan->state.refresh_id, snapshot);
	stands = mdl_verdicts_stand(result, why);
	if (stands)
		mdl_result_settle(result, snapshot, true);
	PopActiveSnapshot();
	mdl_leave_owner_world(&world);
	return stands;
}

static Incremental
plan_as_owner(const DerivedTable *table, Snapshot snapshot)
{
	OwnerWorld	world;
	Incremental plan;

	mdl_enter_owner_world(table, &world);
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	plan = mdl_incremental_plan(table, snapshot);
	PopActiveSnapshot();
	mdl_leave_owner_world(&world);
	return plan;
}

/* Whether there is more to an incremental refresh than to find that nothing has changed. */
static bool
has_work(const Incremental *plan)
{
	return plan->units || plan->followed;
}

/* Keeps what this refresh saw, for the next one. */
static void
remember(const DerivedTable *table, const Incremental *plan, const Reading *reading, const DerivedResult *result,
		 const Outcome *outcome)
{
	RefreshState state = {.refresh_id = outcome->refresh_id, .fingerprint = plan->fingerprint, .rows = outcome->rows};

	/* Where nothing has changed, what is kept still holds. */
	state.hidden = plan->possible && !has_work(plan) ? plan->state.hidden : mdl_hidden_keep(result);
	if (plan->fingerprint == NULL || !mdl_seen_by(reading->snapshot, &state.seen))
	{
		mdl_refresh_state_forget(table->target);
		return;
	}
	mdl_refresh_state_write(table->target, &state,
					OidIsValid(table->quarantine) ? list_append_unique_oid(plan->relations, table->quarantine) : plan->relations);
	mdl_cursors_keep(table, plan->cursors);
}

/* Says which table an error is about, since its query may read many. */
static void
tell_table(void *name)
{
	errcontext("refresh of derived table \"%s\"", (char *) name);
}

/* What the table is to be, as planned or, where that does not do, in full; the outcome tells which. */
static DerivedResult *
compute(const DerivedTable *table, Snapshot snapshot, Incremental *plan, Outcome *outcome)
{
	DerivedResult *result;

	if (plan->followed && !plan->possible)
	{
		mdl_result_free(plan->followed);
		plan->followed = NULL;
	}
	result = plan->followed ? plan->followed
		: plan->possible && plan->units == NULL ? mdl_result_begin(table) : compute_as_owner(table, snapshot, true, plan);
	if (plan->possible && !settle_as_owner(result, plan, snapshot, &outcome->reason))
	{
		mdl_result_free(result);
		plan->possible = false;
		outcome->mode = "full";
		result = compute_as_owner(table, snapshot, true, plan);
	}
	result->is_whole |= !plan->possible;
	if (result->follows)
		outcome->reason = psprintf("%s; aggregates follow the changes", outcome->reason);
	return result;
}

/* Writes the table and its quarantine. */
static void
publish(DerivedTable *table, DerivedResult *result, const Incremental *plan, const Reading *reading, Outcome *outcome)
{
	OwnerWorld	world;

	if (result->quarantined_rows > 0)
		mdl_quarantine_ensure(table);
	mdl_enter_owner_world(table, &world);
	if (!plan->possible || has_work(plan))
		outcome->published = mdl_publish_result(result, reading->snapshot);
	if (!plan->possible || plan->units)
		mdl_publish_quarantine(result, reading, outcome->refresh_id);
	mdl_leave_owner_world(&world);
	outcome->rows = plan->possible ? plan->rows_before + outcome->published.inserted - outcome->published.deleted
		: result->accepted_rows;
	outcome->stream = result->stream;
	outcome->changes = mdl_changes_so_far(table->target);
	outcome->dropped = result->dropped_rows;
	outcome->quarantined = result->quarantined_rows;
	outcome->cursors = mdl_cursors_json(plan->cursors);
	outcome->is_idle = plan->possible && !has_work(plan);
}

static Outcome
refresh_one(DerivedTable *table, const Reading *reading, const char *why)
{
	Snapshot	snapshot = reading->snapshot;
	TimestampTz started = GetCurrentTimestamp();
	Outcome		outcome;
	Incremental plan;
	DerivedResult *result;
	int64		id = mdl_refresh_next_id();
	ErrorContextCallback callback = {
		.callback = tell_table,
		.arg = mdl_display_name(table->target),
		.previous = error_context_stack
	};

	error_context_stack = &callback;
	current_table = table->target;
	mdl_progress_begin("refresh", mdl_display_name(table->target));
	check_snapshot_is_fresh(table, snapshot);
	mdl_definition_follow_owner(table);
	mdl_definition_follow_name(table);
	check_target_is_whole(table);
	mdl_definition_apply_columns(table);
	mdl_progress_phase("changes", -1);
	plan = plan_as_owner(table, snapshot);
	plan.possible &= why == NULL;
	outcome = (Outcome) {.refresh_id = id, .mode = plan.possible ? "incremental" : "full", .reason = why ? why : plan.reason};
	if (why == NULL && !plan.possible && !mdl_refresh_was_done(table->target))
		outcome.reason = psprintf("first refresh%s", mdl_cursors_describe(plan.cursors));
	result = compute(table, snapshot, &plan, &outcome);
	publish(table, result, &plan, reading, &outcome);
	outcome.refresh_id = mdl_refresh_log(id, result, &outcome, started, reading);
	outcome.is_continued = outcome.refresh_id != id;
	remember(table, &plan, reading, result, &outcome);
	mdl_correction_changes_done(&plan.corrected);
	mdl_result_free(result);
	mdl_progress_end();
	error_context_stack = callback.previous;
	outcome.seconds = (double) (GetCurrentTimestamp() - started) / USECS_PER_SEC;
	return outcome;
}

/* The same for a table that a keeper keeps. */
static Outcome
refresh_kept(DerivedTable *table, const Reading *reading, bool rebuild)
{
	TimestampTz started = GetCurrentTimestamp();
	MdlKeptOutcome kept = {.mode = "incremental", .reason = "", .rows = -1};
	Outcome		outcome = {0};
	int64		id;
	ErrorContextCallback callback = {
		.callback = tell_table,
		.arg = mdl_display_name(table->target),
		.previous = error_context_stack
	};

	error_context_stack = &callback;
	current_table = table->target;
	mdl_progress_begin("refresh", mdl_display_name(table->target));
	check_snapshot_is_fresh(table, reading->snapshot);
	check_target_is_whole(table);
	table->keeper->refresh(table->target, rebuild, &kept);

	/* Drawn late, as it may give the transaction an id, behind which a flow takes nothing for seen. */
	id = mdl_refresh_next_id();
	outcome = (Outcome) {
		.mode = kept.mode, .reason = kept.reason, .rows = kept.rows, .dropped = kept.dropped, .quarantined = kept.rejected,
		.is_idle = kept.is_idle,
		.published = {.inserted = kept.inserted, .updated = kept.updated, .deleted = kept.deleted}
	};
	outcome.refresh_id = mdl_refresh_log_kept(id, table, &outcome, started, reading);
	outcome.is_continued = outcome.refresh_id != id;
	if (kept.judged && !kept.is_idle)
		mdl_refresh_log_rules(outcome.refresh_id, kept.judged);
	mdl_progress_end();
	error_context_stack = callback.previous;
	outcome.seconds = (double) (GetCurrentTimestamp() - started) / USECS_PER_SEC;
	return outcome;
}

/* ---- all of them ---------------------------------------------------------------------------------------------- */

void
mdl_refresh_return(ReturnSetInfo *set, Oid target, const Outcome *outcome)
{
	Datum		values[8];
	bool		nulls[8] = {0};

	values[0] = CStringGetTextDatum(mdl_pipeline_relation_name(target));
	values[1] = CStringGetTextDatum(outcome->mode);
	values[2] = Int64GetDatum(outcome->published.inserted);
	values[3] = Int64GetDatum(outcome->published.updated);
	values[4] = Int64GetDatum(outcome->published.deleted);
	values[5] = Int64GetDatum(outcome->dropped + outcome->quarantined);
	values[6] = CStringGetTextDatum(outcome->reason);
	values[7] = Float8GetDatum(outcome->seconds);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

List *
mdl_refresh_lock(Oid target)
{
	return lock_tables(target, false);
}

void
mdl_refresh_read(Reading *reading)
{
	memset(reading, 0, sizeof(Reading));

	/* Commits in flight are waited for, so that the version recorded is as new as can be. */
	mdl_settled_version();
	reading->snapshot = RegisterSnapshot(GetTransactionSnapshot());
	reading->version = mdl_snapshot_version(reading->snapshot, &reading->exact);

	/* What this transaction wrote before is read too, and has no version yet. */
	reading->exact &= !TransactionIdIsValid(GetTopTransactionIdIfAny());
}

Outcome
mdl_refresh_locked(DerivedTable *table, Reading *reading, const char *why)
{
	Outcome		outcome = {.mode = "skipped", .reason = "belongs to another role"};

	CHECK_FOR_INTERRUPTS();
	if (mdl_may_refresh(table->target))
		outcome = table->keeper ? refresh_kept(table, reading, why != NULL) : refresh_one(table, reading, why);
	return outcome;
}

void
mdl_refresh_note_written(Reading *reading, Oid target, const Outcome *outcome)
{
	if (outcome->published.inserted + outcome->published.updated + outcome->published.deleted > 0)
		reading->written = lappend_oid(reading->written, target);
}

void
mdl_refresh_judge(const DerivedTable *table, const Outcome *outcome, Snapshot snapshot)
{
	current_table = table->target;
	if (outcome->refresh_id > 0 && table->keeper == NULL)
		mdl_table_rules_judge(table, outcome, snapshot);
	else if (outcome->refresh_id > 0 && table->keeper->judge)
		table->keeper->judge(table->target, outcome, snapshot);
}

/* Refreshes the tables, or the one alone; returns what came of the last one.  `set` may be NULL. */
static Outcome
refresh_tables(Oid target, bool alone, const char *why, ReturnSetInfo *set)
{
	List	   *order;
	Outcome		last = {0};
	Reading		reading;
	Outcome    *outcomes;
	ListCell   *cell;

	PreventCommandIfReadOnly("medallion.refresh()");
	current_table = target;
	order = lock_tables(target, alone);
	if (order == NIL)
		return last;
	outcomes = palloc0_array(Outcome, list_length(order));
	mdl_refresh_read(&reading);
	foreach(cell, order)
	{
		DerivedTable *table = lfirst(cell);

		last = outcomes[foreach_current_index(cell)] = mdl_refresh_locked(table, &reading, why);
		mdl_refresh_note_written(&reading, table->target, &last);
		if (set)
			mdl_refresh_return(set, table->target, &last);
	}

	/* Rules about tables as a whole may be about two of them, so all are judged when all are written. */
	foreach(cell, order)
		mdl_refresh_judge(lfirst(cell), &outcomes[foreach_current_index(cell)], reading.snapshot);
	UnregisterSnapshot(reading.snapshot);
	return last;
}

void
mdl_refresh_table(Oid target)
{
	SPI_connect();
	if (OidIsValid(target))
		mdl_require_table_owner(target);
	refresh_tables(target, false, NULL, NULL);
	SPI_finish();
}

Outcome
mdl_refresh_alone(Oid target)
{
	MemoryContext caller = CurrentMemoryContext;
	Outcome		outcome;

	SPI_connect();
	mdl_require_table_owner(target);
	outcome = refresh_tables(target, true, NULL, NULL);
	outcome.mode = MemoryContextStrdup(caller, outcome.mode);
	outcome.reason = MemoryContextStrdup(caller, outcome.reason);
	SPI_finish();
	return outcome;
}

MDL_FUNCTION(mdl_refresh);
Datum
mdl_refresh(PG_FUNCTION_ARGS)
{
	Oid			target = InvalidOid;
	int			workers = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	if (workers < 0 || workers > MDL_MAX_REFRESH_WORKERS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"workers\" must be between 0 and %d, but is %d", MDL_MAX_REFRESH_WORKERS, workers)));
	PreventCommandIfReadOnly("medallion.refresh()");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	if (!PG_ARGISNULL(0))
		target = mdl_kept_owned_table(text_to_cstring(PG_GETARG_TEXT_PP(0)))->target;
	if (workers > 0)
		mdl_refresh_in_workers(target, workers, set);
	else if (PG_ARGISNULL(1) && !OidIsValid(target))
		mdl_refresh_all(set);
	else
		refresh_tables(target, false, NULL, set);
	SPI_finish();
	return (Datum) 0;
}

/* Counts the rows of the table that differ from a recomputation under one snapshot. */
static int64
verify_table(const DerivedTable *table)
{
	Snapshot	snapshot;
	OwnerWorld	world;
	DerivedResult *result;
	Published	difference;

	check_target_is_whole(table);
	mdl_progress_begin("verify", mdl_display_name(table->target));
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	result = compute_as_owner(table, snapshot, false, NULL);
	mdl_enter_owner_world(table, &world);
	difference = mdl_publish_compare(result, snapshot);
	mdl_leave_owner_world(&world);
	mdl_result_free(result);
	UnregisterSnapshot(snapshot);
	mdl_progress_end();
	return difference.inserted + difference.updated + difference.deleted;
}

MDL_FUNCTION(mdl_rebuild);
Datum
mdl_rebuild(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "verify"};
	bool		verify = PG_GETARG_BOOL(1);
	DerivedTable *table;
	int64		differing;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	SPI_connect();
	table = mdl_kept_owned_table(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (verify && table->keeper && table->keeper->verify == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\", which a %s keeps, cannot be verified", mdl_display_name(table->target), table->keeper->name),
				 errhint("Rebuild it, and look at how many rows differed.")));
	if (verify)
		differing = table->keeper ? table->keeper->verify(table->target) : verify_table(table);
	else
	{
		Published	changes = refresh_tables(table->target, false, "rebuild", NULL).published;

		differing = changes.inserted + changes.updated + changes.deleted;
	}
	SPI_finish();
	PG_RETURN_INT64(differing);
}
