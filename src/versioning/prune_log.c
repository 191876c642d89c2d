/*
 * prune_log.c: removing commits that no history needs any more.
 *
 * Of the log, what is older than the smallest horizon goes, except commits that a kept record may still ask about because
 * they were in flight: all with an id not below the smallest `low` of the records kept.  (Who takes a number from now on
 * cannot name a commit that has ended; who had the commit lock before has been waited for.)
 */
#include "versioning/commits_int.h"
#include "versioning/retention_int.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Deletes rows of a table of ours, at most so many (0: all). */
static int64
delete_some(const char *relation, const char *condition, const MdlArgs *args, int64 most)
{
	MdlUser		user;
	int64		count;

	SPI_connect();
	mdl_owner_begin(&user);
	count = mdl_run(most == 0 ? psprintf("DELETE FROM medallion_history.%s WHERE %s", relation, condition) :
					psprintf("DELETE FROM medallion_history.%s WHERE ctid OPERATOR(pg_catalog.=) ANY"
							 " (ARRAY(SELECT ctid FROM medallion_history.%s WHERE %s LIMIT " INT64_FORMAT "))",
							 relation, relation, condition, most), args, false);
	mdl_owner_end(&user);
	SPI_finish();
	return count;
}

int64
mdl_prune_changes(int32 table_id, int64 readable_from, int64 most)
{
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_int8(&args, readable_from);
	return delete_some(MDL_CHANGES_TABLE, "table_id OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.<) $2",
					   &args, most);
}

/* The oldest version that a history, or a tag, needs; 0 if the log must be kept as it is. */
static int64
oldest_needed(void)
{
	int64		oldest = PG_INT64_MAX;
	ListCell   *cell;
	char	   *hint;
	int64		tagged;

	foreach(cell, mdl_kept_histories())
	{
		MdlKept    *kept = lfirst(cell);

		if (kept->readable_from > 0)
			oldest = Min(oldest, kept->readable_from);
	}
	if (oldest == PG_INT64_MAX)
		return 0;
	if (mdl_kept_blocker(0, 1, oldest, &tagged, &hint) != NULL)
		oldest = tagged;
	return oldest;
}

/* Horizons that others have replaced a while ago; who reads without a snapshot may still meet the last one. */
static void
forget_old_horizons(void)
{
	MdlArgs		args = {0};
	MdlUser		user;

	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp() - USECS_PER_HOUR), false);
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("DELETE FROM medallion_history.horizons h WHERE set_at OPERATOR(pg_catalog.<) $1"
			" AND EXISTS (SELECT FROM medallion_history.horizons n WHERE n.table_id OPERATOR(pg_catalog.=) h.table_id"
			" AND n.readable_from OPERATOR(pg_catalog.>) h.readable_from AND n.set_at OPERATOR(pg_catalog.<) $1)",
			&args, false);
	mdl_owner_end(&user);
	SPI_finish();
}

/* Rows of commit_changes that no horizon of a table covers: of tables whose history is gone. */
static void
forget_old_changes(int64 horizon)
{
	MdlArgs		args = {0};
	MdlUser		user;

	mdl_arg_int8(&args, horizon);
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("DELETE FROM medallion_history.commit_changes c USING medallion_history.versioned_tables t"
			" WHERE c.table_id OPERATOR(pg_catalog.=) t.table_id AND c.version OPERATOR(pg_catalog.<) $1", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
}

void
mdl_prune_log_plan(void)
{
	int64		oldest = oldest_needed();
	MdlCommit	before;

	forget_old_horizons();

	/* The commit before the oldest horizon tells what is below that. */
	if (oldest > 0 && mdl_prune_commit_before(oldest, &before) && before.version > mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf))
	{
		mdl_horizon_publish(MDL_LOG_HORIZON, InvalidOid, before.version);
		forget_old_changes(before.version);
	}
}

int64
mdl_prune_log_low(void)
{
	int64		first = mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf);
	Relation	log;
	TupleTableSlot *slot;
	TableScanDesc scan;
	int64		low = PG_INT64_MAX;

	if (first == 0)
		return 0;
	(void) mdl_commit_wait();
	log = table_open(mdl_history_relation(MDL_LOG_TABLE, false), AccessShareLock);
	slot = table_slot_create(log, NULL);
	scan = table_beginscan(log, SnapshotSelf, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		is_null;

		if (DatumGetInt64(slot_getattr(slot, Anum_commit_log_version, &is_null)) >= first)
			low = Min(low, DatumGetInt64(slot_getattr(slot, Anum_commit_log_low, &is_null)));
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(log, NoLock);
	return low;
}

int64
mdl_prune_log(int64 low, int64 most)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf));
	mdl_arg_int8(&args, low);
	return delete_some(MDL_LOG_TABLE, "version OPERATOR(pg_catalog.<) $1 AND stamp OPERATOR(pg_catalog.<) $2", &args, most);
}
