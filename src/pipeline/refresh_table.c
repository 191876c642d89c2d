/*
 * refresh_table.c: the refresh of one table that is locked: what is to be done, done as its owner, recorded.
 *
 * A table is refreshed with the rights, row-level security and settings that say what its query means, whoever asks.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/pipeline.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "versioning/versioning.h"
#include "base/progress.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* ---- checks ---------------------------------------------------------------------------------------------------- */

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

/* ---- a derived table --------------------------------------------------------------------------------------------- */

/* The table whose refresh began last: the one that an error is about. */
static Oid	current_table = InvalidOid;

Oid
mdl_refresh_current(void)
{
	return current_table;
}

void
mdl_refresh_begin(Oid target)
{
	current_table = target;
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
mdl_refresh_judge(const DerivedTable *table, const Outcome *outcome, Snapshot snapshot)
{
	current_table = table->target;
	if (outcome->refresh_id > 0 && table->keeper == NULL)
		mdl_table_rules_judge(table, outcome, snapshot);
	else if (outcome->refresh_id > 0 && table->keeper->judge)
		table->keeper->judge(table->target, outcome, snapshot);
}

/* Counts the rows of the table that differ from a recomputation under one snapshot. */
int64
mdl_refresh_verify(const DerivedTable *table)
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
