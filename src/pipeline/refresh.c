/*
 * refresh.c: medallion.refresh and rebuild.
 *
 * A call that names a table is one transaction: it and before it those it reads are locked against other refreshes
 * (readers go on), then one snapshot is taken and everything is computed from it.  So the tables of one call agree with each
 * other, a waiting refresh sees what the one before it did, and readers see the old state or the new.  What is done for each
 * table is in refresh_table.c, the call for all tables in refresh_all.c.
 *
 * Only the owner of a table (or a member of that role) may ask for its refresh.
 */
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"
#include "pipeline/refresh_int.h"
#include "versioning/versioning.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

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

void
mdl_refresh_note_written(Reading *reading, Oid target, const Outcome *outcome)
{
	if (outcome->published.inserted + outcome->published.updated + outcome->published.deleted > 0)
		reading->written = lappend_oid(reading->written, target);
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
	mdl_refresh_begin(target);
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
		differing = table->keeper ? table->keeper->verify(table->target) : mdl_refresh_verify(table);
	else
	{
		Published	changes = refresh_tables(table->target, false, "rebuild", NULL).published;

		differing = changes.inserted + changes.updated + changes.deleted;
	}
	SPI_finish();
	PG_RETURN_INT64(differing);
}
