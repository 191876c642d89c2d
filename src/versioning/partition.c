/*
 * partition.c: partitioned tables under versioning: which relations belong to one, their triggers, and since when.
 *
 * A versioned partitioned table has one history, that of its root.  PostgreSQL clones the row trigger of the root to all
 * partitions, also to those of later; the trigger for TRUNCATE is made for each relation of the tree.  Rows of a partition
 * that was attached together with rows are older than their place in the table: the stamp of the attaching transaction is
 * the second argument of that partition's TRUNCATE trigger.  There it follows the partition through renames, dumps and
 * rollbacks, and goes with it.  medallion_history.partitions lists these stamps, so that a table whose partitions were
 * all empty when they came never asks.
 */
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/past_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

Oid
mdl_partition_root(Oid relid)
{
	List	   *ancestors;

	if (!get_rel_relispartition(relid))
		return relid;
	ancestors = get_partition_ancestors(relid);
	return ancestors == NIL ? relid : llast_oid(ancestors);
}

List *
mdl_partition_members(Oid relid, LOCKMODE lock)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? find_all_inheritors(relid, lock, NULL) : list_make1_oid(relid);
}

/* ---- since when --------------------------------------------------------------------------------------------------- */

int64
mdl_partition_attached(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, MDL_TRUNCATE_TRIGGER) == 0 && triggers->triggers[i].tgnargs == 2)
			return pg_strtoint64(triggers->triggers[i].tgargs[1]);
	return 0;
}

int64
mdl_partition_newest_attached(int32 table_id)
{
	Relation	relation = table_open(mdl_history_relation(MDL_PARTITIONS_TABLE, false), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		newest = 0;

	ScanKeyInit(&key, Anum_partitions_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table_id));
	scan = systable_beginscan(relation, mdl_history_relation(MDL_PARTITIONS_INDEX, false), true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		is_null;

		newest = Max(newest, DatumGetInt64(heap_getattr(tuple, Anum_partitions_attached, RelationGetDescr(relation), &is_null)));
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	return newest;
}

void
mdl_partition_bounds_changed(Oid parent)
{
	Oid			others = get_default_partition_oid(parent);
	ListCell   *cell;

	if (!OidIsValid(others))
		return;
	foreach(cell, mdl_partition_members(others, AccessShareLock))
		CacheInvalidateRelcacheByRelid(lfirst_oid(cell));
}

/* ---- what may be a partition of a versioned table ----------------------------------------------------------------- */

void
mdl_partition_check(Oid root, Oid member)
{
	Relation	relation = table_open(member, NoLock);
	char	   *reason = NULL;
	char	   *hint = NULL;

	if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
	{
		reason = "is a foreign table";
		hint = "Rows of a foreign table have no birth that could be kept: detach it, or version the table where it is stored.";
	}
	else if (relation->rd_rel->relkind == RELKIND_RELATION && relation->rd_rel->relam != HEAP_TABLE_AM_OID)
	{
		reason = "has another access method than heap";
		hint = "Use ALTER TABLE … SET ACCESS METHOD heap first.";
	}
	else if (relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
	{
		reason = "is temporary or unlogged";
		hint = "Use ALTER TABLE … SET LOGGED first.";
	}
	else if (relation->rd_rel->relispartition && PartitionHasPendingDetach(member))
	{
		reason = "is being detached";
		hint = "Finish it with ALTER TABLE … DETACH PARTITION … FINALIZE first.";
	}
	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot keep versions of \"%s\": its partition \"%s\" %s", mdl_display_name(root),
						mdl_display_name(member), reason),
				 errhint("%s", hint)));
	table_close(relation, NoLock);
}

/* ---- births of attached rows -------------------------------------------------------------------------------------- */

/* Whether a row with this birth was in the partition when that was attached. */
bool
mdl_partition_came_with(const MdlTable *table, int64 stamp)
{
	MdlCommit	commit;

	/* Without a record the attaching transaction is this one, or older than everything that can be read. */
	if (!mdl_commit_of_stamp(table->attached, &commit))
		return mdl_capture_is_own(table->attached);
	if (stamp < commit.low)
		return true;
	if (stamp >= commit.high)
		return false;
	return mdl_point_includes(mdl_point_resolve(commit.version, NULL), stamp);
}

int64
mdl_partition_birth(const MdlTable *table, int64 stamp)
{
	return table->attached > 0 && mdl_partition_came_with(table, stamp) ? table->attached : stamp;
}
