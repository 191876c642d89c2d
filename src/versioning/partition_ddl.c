/*
 * partition_ddl.c: partitions that come and go.
 *
 * CREATE TABLE … PARTITION OF and ATTACH PARTITION: PostgreSQL clones the row triggers of the root; the trigger for
 * TRUNCATE is made here.  Rows that a partition brings with it are born in this commit, whenever they were written; rows
 * of a table that was made in the same transaction are so anyway.  DETACH PARTITION: the rows go to history, as dead from
 * this commit on, and the table is versioned no more.  (DROP of a partition: drop_follow.c.)
 *
 * Refused, with what to do instead: DETACH CONCURRENTLY, which hides the rows in a transaction of its own before
 * anything could be done about it; a table with a history of its own as a partition; a partition that cannot be versioned;
 * inheritance.
 */
#include "versioning/ddl_int.h"
#include "versioning/partition_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The number of the versioned table that a relation is or belongs to; -1 if none, or if there is no such relation. */
static int32
versioned_id(Oid relid)
{
	Relation	relation = OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : NULL;
	int32		table_id;

	if (relation == NULL)
		return -1;
	table_id = mdl_table_id(relation);
	relation_close(relation, AccessShareLock);
	return table_id;
}

static Oid
relation_of(const RangeVar *name)
{
	return RangeVarGetRelid(name, NoLock, true);
}

/* Counts the rows of a relation, those of other partitions below it not included. */
static int64
count_rows(Relation relation)
{
	TupleTableSlot *slot;
	TableScanDesc scan;
	int64		count = 0;

	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || RelationGetNumberOfBlocks(relation) == 0)
		return 0;
	slot = table_slot_create(relation, NULL);
	scan = table_beginscan(relation, SnapshotSelf, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		count++;
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return count;
}

/* ---- coming -------------------------------------------------------------------------------------------------------- */

/* Notes that a partition came with rows that older transactions wrote. */
static void
list_attached(Oid root, Oid member, int32 table_id, int64 stamp)
{
	MdlArgs		args = {0};
	MdlUser		user;

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_int8(&args, stamp);
	mdl_arg_text(&args, get_namespace_name(get_rel_namespace(member)));
	mdl_arg_text(&args, get_rel_name(member));
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("INSERT INTO medallion_history.partitions (table_id, attached, schema_name, partition_name)"
			" VALUES ($1, $2, $3, $4)", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
	/* What is known of the root says whether births depend on partitions, and plans rest on it. */
	CacheInvalidateRelcacheByRelid(root);
}

/* Takes one new member of the tree in. */
static void
add_member(Oid root, Oid member, int32 table_id)
{
	Relation	relation;
	int64		attached = 0;
	int64		rows;
	bool		made_here;

	mdl_partition_check(root, member);
	relation = table_open(member, NoLock);
	rows = count_rows(relation);
	made_here = relation->rd_createSubid != InvalidSubTransactionId;
	table_close(relation, NoLock);
	if (rows > 0)
	{
		mdl_capture_operation(root, "attach");
		if (!made_here)
		{
			attached = mdl_capture_own_stamp(root);
			list_attached(root, member, table_id, attached);
		}
	}
	mdl_capture_truncate_trigger(member, table_id, attached);
	if (rows > 0)
	{
		CommandCounterIncrement();
		mdl_capture_brought_rows(member, rows);
	}
}

/* A relation became a partition, with all that is below it. */
static void
follow_new_partition(Oid partition)
{
	Oid			root = mdl_partition_root(partition);
	int32		table_id = root == partition ? -1 : versioned_id(root);
	ListCell   *cell;

	if (table_id < 0)
		return;
	mdl_partition_bounds_changed(get_partition_parent(partition, false));
	foreach(cell, mdl_partition_members(partition, AccessShareLock))
		add_member(root, lfirst_oid(cell), table_id);
}

static void
follow_create(const CreateStmt *statement)
{
	ListCell   *cell;
	Oid			relid;

	if (statement->partbound != NULL)
	{
		relid = get_relname_relid(statement->relation->relname, RangeVarGetCreationNamespace(statement->relation));
		/* IF NOT EXISTS may have found one that is a member. */
		if (OidIsValid(relid) && get_rel_relispartition(relid) && !mdl_has_truncate_trigger(relid))
			follow_new_partition(relid);
		return;
	}
	foreach(cell, statement->inhRelations)
		if (versioned_id(relation_of(lfirst(cell))) >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot inherit from versioned table \"%s\"", mdl_display_name(relation_of(lfirst(cell)))),
					 errhint("Partitioned tables can be versioned, inheritance trees cannot.")));
}

/* ---- going --------------------------------------------------------------------------------------------------------- */

/* A relation is no partition any more; its TRUNCATE triggers tell that it was one of a versioned table. */
static void
follow_detach(Oid parent, Oid partition)
{
	Oid			root = mdl_partition_root(parent);
	int32		table_id = versioned_id(root);
	List	   *members;
	ListCell   *cell;

	if (table_id < 0 || mdl_partition_root(partition) == root)
		return;
	mdl_partition_bounds_changed(parent);
	members = mdl_partition_members(partition, AccessExclusiveLock);
	foreach(cell, members)
	{
		Relation	relation = table_open(lfirst_oid(cell), NoLock);

		if (mdl_table_id(relation) == table_id && count_rows(relation) > 0)
		{
			mdl_capture_operation(root, "detach");
			mdl_capture_all_rows(relation, "detach");
		}
		table_close(relation, NoLock);
	}
	mdl_capture_drop_triggers(members);
}

/* ---- event triggers ------------------------------------------------------------------------------------------------ */

static void
follow_alter(const AlterTableStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_AttachPartition)
			follow_new_partition(relation_of(((PartitionCmd *) command->def)->name));
		else if (command->subtype == AT_DetachPartition || command->subtype == AT_DetachPartitionFinalize)
			follow_detach(relation_of(statement->relation), relation_of(((PartitionCmd *) command->def)->name));
		else if (command->subtype == AT_AddInherit && versioned_id(relation_of((RangeVar *) command->def)) >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot inherit from versioned table \"%s\"",
							mdl_display_name(relation_of((RangeVar *) command->def))),
					 errhint("Partitioned tables can be versioned, inheritance trees cannot.")));
	}
}

MDL_FUNCTION(mdl_follow_partitions);
Datum
mdl_follow_partitions(PG_FUNCTION_ARGS)
{
	Node	   *statement = mdl_event_statement(fcinfo, "medallion._follow_partitions()");
	ListCell   *cell;

	if (statement == NULL || mdl_nothing_versioned())
		PG_RETURN_NULL();
	if (IsA(statement, CreateStmt))
		follow_create((CreateStmt *) statement);
	else if (IsA(statement, CreateForeignTableStmt))
		follow_create(&((CreateForeignTableStmt *) statement)->base);
	else if (IsA(statement, AlterTableStmt))
		follow_alter((AlterTableStmt *) statement);
	else if (IsA(statement, CreateSchemaStmt))
	{
		foreach(cell, ((CreateSchemaStmt *) statement)->schemaElts)
			if (IsA(lfirst(cell), CreateStmt))
				follow_create(lfirst(cell));
	}
	PG_RETURN_NULL();
}

/* What must be refused before it begins. */
static void
check_partition_command(Oid parent, const AlterTableCmd *command)
{
	PartitionCmd *partition = (PartitionCmd *) command->def;
	Oid			child = relation_of(partition->name);

	if (!OidIsValid(parent))
		return;					/* ALTER TABLE IF EXISTS */
	if (command->subtype == AT_AttachPartition && versioned_id(child) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot attach versioned table \"%s\" as a partition", mdl_display_name(child)),
				 errdetail("Its history would not be that of \"%s\".", mdl_display_name(parent)),
				 errhint("SELECT medallion.disable_versioning('%s') first; its history is kept.", mdl_qualified_name(child))));
	if (command->subtype == AT_DetachPartition && partition->concurrent && versioned_id(parent) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot detach a partition of versioned table \"%s\" concurrently",
						mdl_display_name(mdl_partition_root(parent))),
				 errdetail("Its rows would vanish in a transaction of their own, before they could be kept."),
				 errhint("Use ALTER TABLE … DETACH PARTITION without CONCURRENTLY.")));
}

MDL_FUNCTION(mdl_check_partitions);
Datum
mdl_check_partitions(PG_FUNCTION_ARGS)
{
	AlterTableStmt *statement = (AlterTableStmt *) mdl_event_statement(fcinfo, "medallion._check_partitions()");
	ListCell   *cell;

	if (statement == NULL || !IsA(statement, AlterTableStmt) || mdl_nothing_versioned())
		PG_RETURN_NULL();
	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_AttachPartition || command->subtype == AT_DetachPartition)
			check_partition_command(relation_of(statement->relation), command);
	}
	PG_RETURN_NULL();
}
