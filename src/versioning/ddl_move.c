/*
 * ddl_move.c: current rows moved to history because their shape goes away.
 *
 * A rewrite (ALTER TYPE and the like) gives every row a new birth and a new shape, so the rows of before go to history
 * first, as those of TRUNCATE do; the rewritten ones are born in this commit.  Dropping a column changes no row, but the
 * values of the column go: the rows are copied to history all the same, and the table's *moved* stamp says that its
 * current rows count as born in this commit, whatever their births.  Both cost a copy of the table.
 *
 * The server drops a column in the middle of a command, and rewrites when its catalogs show the new shape already.  So
 * dropped columns are seen in a hook that is called just before, and the shape of before a rewrite is read from the
 * catalogs as they were when the command began.
 */
#include "versioning/capture_int.h"
#include "versioning/ddl_int.h"
#include "versioning/partition_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tupdesc_details.h"
#include "access/xact.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Memory of what is written meanwhile is freed after this many rows. */
#define BATCH_ROWS 10000

/* ---- the shape of a table when a command began --------------------------------------------------------------------- */

/* The value that rows from before the column show, if it was added with one. */
static void
read_missing(HeapTuple tuple, TupleDesc catalog, TupleDesc desc, int i)
{
	Form_pg_attribute column = TupleDescAttr(desc, i);
	bool		is_null;
	Datum		array = heap_getattr(tuple, Anum_pg_attribute_attmissingval, catalog, &is_null);
	int			one = 1;
	AttrMissing *missing;

	if (is_null || !column->atthasmissing)
		return;
	if (desc->constr == NULL)
		desc->constr = palloc0(sizeof(TupleConstr));
	if (desc->constr->missing == NULL)
		desc->constr->missing = palloc0(desc->natts * sizeof(AttrMissing));
	missing = &desc->constr->missing[i];
	missing->am_value = array_get_element(array, 1, &one, -1, column->attlen, column->attbyval, column->attalign, &is_null);
	missing->am_present = !is_null;
	if (!is_null)
		missing->am_value = datumCopy(missing->am_value, column->attbyval, column->attlen);
}

TupleDesc
mdl_description_before(Oid relid, CommandId before)
{
	Relation	attributes = table_open(AttributeRelationId, AccessShareLock);
	TupleDesc	catalog = RelationGetDescr(attributes);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple  *tuples = palloc(MaxHeapAttributeNumber * sizeof(HeapTuple));
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	TupleDesc	desc;
	int			count = 0;

	/* What others have committed, and of this transaction what it did before the command. */
	snapshot->curcid = before;
	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTGreaterStrategyNumber, F_INT2GT, Int16GetDatum(0));
	scan = systable_beginscan(attributes, AttributeRelidNumIndexId, true, snapshot, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (count < MaxHeapAttributeNumber)
			tuples[count++] = heap_copytuple(tuple);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	desc = CreateTemplateTupleDesc(count);
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute form = (Form_pg_attribute) GETSTRUCT(tuples[i]);
		int			place = form->attnum - 1;

		if (place >= count)
			elog(ERROR, "attributes of relation %u are not complete", relid);
		memcpy(TupleDescAttr(desc, place), form, ATTRIBUTE_FIXED_PART_SIZE);
		TupleDescAttr(desc, place)->attcacheoff = -1;
		read_missing(tuples[i], catalog, desc, place);
	}
	table_close(attributes, AccessShareLock);
	return count > 0 ? desc : NULL;
}

/* ---- moving --------------------------------------------------------------------------------------------------------- */

/* Copies all current rows, in the shape of `desc`, to history.  They are not counted: nobody deleted them. */
static void
copy_rows(Relation relation, MdlTable *shape, TupleDesc desc)
{
	MdlTableWork *work = mdl_work_of(shape);
	TableScanDesc scan = table_beginscan(relation, SnapshotSelf, 0, NULL);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "medallion moved rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(batch);
	HeapTuple	tuple;
	int64		count = 0;

	work->shape = shape;
	PG_TRY();
	{
		while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		{
			mdl_work_keep(work, mdl_work_level(work), desc, tuple);
			if (++count % BATCH_ROWS == 0)
				MemoryContextReset(batch);
			CHECK_FOR_INTERRUPTS();
		}
		mdl_work_flush(work);
	}
	PG_FINALLY();
	{
		work->shape = NULL;
		work->table = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(batch);
	table_endscan(scan);
}

/* Publishes that the current rows of a table count as born in this transaction. */
static void
set_moved(int32 table_id)
{
	MdlArgs		args = {0};
	MdlUser		user;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_int8(&args, mdl_capture_stamp());
	mdl_run_now("UPDATE medallion_history.versioned_tables SET moved = $2 WHERE table_id OPERATOR(pg_catalog.=) $1", &args);
	mdl_owner_end(&user);
	SPI_finish();
}

void
mdl_rows_before_rewrite(Oid relid, CommandId before)
{
	Relation	relation = table_open(relid, NoLock);
	TupleDesc	desc = mdl_description_before(relid, before);
	MdlTable   *shape;

	if (desc == NULL)
		elog(ERROR, "versioned table \"%s\" had no columns before it was altered", RelationGetRelationName(relation));
	shape = mdl_table_shaped(relation, desc);
	if (!mdl_capture_is_own(shape->moved))
	{
		copy_rows(relation, shape, desc);
		/* Not needed, for the rewritten rows have new births; but it spares older points a look at them. */
		if (!relation->rd_rel->relispartition)
			set_moved(shape->table_id);
		else
			mdl_capture_unseen_rows(relid);	/* where the births are, the change feed has to look for */
	}
	table_close(relation, NoLock);
}

void
mdl_rows_before_drop(Oid relid)
{
	Oid			root = mdl_partition_root(relid);
	MdlTable   *table = mdl_table_get(root);
	ListCell   *cell;

	int32		table_id = table->table_id;

	if (mdl_capture_is_own(table->moved))
		return;
	foreach(cell, mdl_partition_members(root, AccessExclusiveLock))
	{
		Relation	relation = table_open(lfirst_oid(cell), NoLock);

		if (relation->rd_rel->relkind == RELKIND_RELATION)
			copy_rows(relation, mdl_table_shaped(relation, RelationGetDescr(relation)), RelationGetDescr(relation));
		CacheInvalidateRelcache(relation);
		table_close(relation, NoLock);
	}
	/* Only now: under the mark the rows would have been this transaction's own. */
	set_moved(table_id);
	CommandCounterIncrement();
	mdl_capture_operation(root, "alter");
}
