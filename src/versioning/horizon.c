/*
 * horizon.c: up to where history was pruned.
 *
 * The *horizon* of a table is the oldest version that can still be read of it; that of the log (number 0) the oldest one
 * that can still be resolved.  Pruning publishes a horizon in the transaction that first deletes below it, or in one
 * before.  So a statement whose snapshot misses the horizon misses no row either, and one whose snapshot sees it is
 * refused: the history side of every question about the past asks medallion._readable() when its execution starts,
 * with the snapshot that it reads with.  Nobody waits for anybody.
 *
 * The log itself is read without a snapshot (commit_log.c), so who resolved a version looks at the horizon of the log
 * afterwards: if it is still below, nothing that was looked up was missing.
 */
#include "versioning/commits_int.h"
#include "versioning/retention_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define Natts_horizons				4
#define Anum_horizons_table_id		1
#define Anum_horizons_readable_from	2

int64
mdl_horizon(int32 table_id, Snapshot snapshot)
{
	Relation	relation = table_open(mdl_history_relation(MDL_HORIZONS_TABLE, false), AccessShareLock);
	Relation	index = index_open(mdl_history_relation(MDL_HORIZONS_INDEX, false), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		horizon = 0;

	ScanKeyInit(&key, Anum_horizons_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table_id));
	scan = systable_beginscan_ordered(relation, index, snapshot, 1, &key);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		bool		is_null;

		horizon = DatumGetInt64(heap_getattr(tuple, Anum_horizons_readable_from, RelationGetDescr(relation), &is_null));
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(relation, NoLock);
	return horizon;
}

void
mdl_horizon_publish(int32 table_id, Oid history, int64 readable_from)
{
	Relation	relation = table_open(mdl_history_relation(MDL_HORIZONS_TABLE, false), RowExclusiveLock);
	Datum		values[Natts_horizons] = {
		Int32GetDatum(table_id), Int64GetDatum(readable_from), TimestampTzGetDatum(GetCurrentTimestamp()),
		CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false))
	};
	bool		nulls[Natts_horizons] = {false};

	CatalogTupleInsert(relation, heap_form_tuple(RelationGetDescr(relation), values, nulls));
	table_close(relation, NoLock);
	/* Kept plans ask anew, and what backends keep of the table is read again. */
	if (OidIsValid(history))
		CacheInvalidateRelcacheByRelid(history);
	CommandCounterIncrement();
}

/* schema.table of a number, for messages; the current user may not be allowed to read where it stands. */
static char *
table_name(int32 table_id)
{
	MemoryContext caller = CurrentMemoryContext;
	MdlArgs		args = {0};
	MdlUser		user;
	char	   *name = NULL;

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	SPI_connect();
	mdl_owner_begin(&user);
	if (mdl_run("SELECT schema_name OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) table_name"
				" FROM medallion_history.versioned_tables WHERE table_id OPERATOR(pg_catalog.=) $1", &args, true) == 1)
		name = MemoryContextStrdup(caller, mdl_field_text(0, 0));
	mdl_owner_end(&user);
	SPI_finish();
	return name ? name : psprintf("number %d", table_id);
}

void
mdl_refuse_pruned(int32 table_id, int64 version, int64 readable_from)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("version " INT64_FORMAT " of table \"%s\" was pruned", version, table_name(table_id)),
			 errdetail("Its oldest readable version is " INT64_FORMAT ".", readable_from)));
}

/* Raises an error if the snapshot of the statement sees that the version was pruned; else true. */
MDL_FUNCTION(mdl_readable);
Datum
mdl_readable(PG_FUNCTION_ARGS)
{
	int32		table_id = PG_GETARG_INT32(0);
	int64		version = PG_GETARG_INT64(1);
	int64		horizon = mdl_horizon(table_id, GetActiveSnapshot());

	if (version < horizon)
		mdl_refuse_pruned(table_id, version, horizon);
	PG_RETURN_BOOL(true);
}
