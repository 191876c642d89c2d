/*
 * drop_follow.c: versioned tables and partitions that are dropped.
 *
 * The rows of a dropped table go to history, as dead from this commit on, so that every version reads as it did.  A drop
 * may come by many ways (DROP TABLE, a schema, an owner, an extension; CASCADE), so it is caught where all of them meet,
 * in the hook of object access.  Objects go one by one, dependent ones first: the capture triggers, which say whose
 * history the rows are for, and the TOAST table with its index, without which long values cannot be read, go before the
 * table.  So what is known of the table is pinned when the first of its triggers goes, and its rows are moved when the
 * index of its TOAST table goes, or with the table if it has none.  What the server drops for its own ends (the old index
 * of REINDEX CONCURRENTLY, the old file of a rewrite) is left alone.
 *
 * DROP TRIGGER on a capture trigger is refused, since it would lose what is written from then on; not with IF EXISTS, as
 * pg_restore --clean writes it: a table that lost its triggers cannot be read back in time until it is reconciled.
 */
#include "versioning/commits_int.h"
#include "versioning/ddl_int.h"
#include "versioning/partition_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static object_access_hook_type previous_object_access_hook = NULL;

/* The relation that a relation is a part of, by its dependency. */
static Oid
internal_owner(Oid relid)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2, keys);
	while (!OidIsValid(owner) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->refclassid == RelationRelationId && form->deptype == DEPENDENCY_INTERNAL)
			owner = form->refobjid;
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return owner;
}

/* The table that a TOAST table belongs to, given by itself or by its index; InvalidOid if it is neither. */
static Oid
owner_of_toast(Oid toast)
{
	if (get_rel_relkind(toast) == RELKIND_INDEX)
		toast = IndexGetRelation(toast, true);
	return OidIsValid(toast) && get_rel_relkind(toast) == RELKIND_TOASTVALUE &&
		get_rel_persistence(toast) == RELPERSISTENCE_PERMANENT ? internal_owner(toast) : InvalidOid;
}

/* The relation of a trigger, if it is a capture trigger by its name. */
static Oid
relation_of_trigger(Oid trigger)
{
	Relation	relation = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
	scan = systable_beginscan(relation, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && strncmp(NameStr(((Form_pg_trigger) GETSTRUCT(tuple))->tgname), MDL_ROW_TRIGGER,
										   strlen(MDL_ROW_TRIGGER)) == 0)
		relid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return relid;
}

/* Whether the rows of a relation that is about to lose something may have to be kept. */
static bool
may_be_versioned(Oid relid)
{
	char		kind = get_rel_relkind(relid);

	return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) && get_rel_persistence(relid) == RELPERSISTENCE_PERMANENT;
}

/* A capture trigger goes, perhaps with its table. */
static void
trigger_goes(Oid relid)
{
	if (OidIsValid(relid) && may_be_versioned(relid) && mdl_table_has_history(relid))
		mdl_capture_pin(relid);
}

/* The table goes: its rows are moved, if that has not been done yet. */
static void
table_goes(Oid relid)
{
	Relation	relation;

	if (!OidIsValid(relid) || !may_be_versioned(relid))
		return;
	if (!mdl_capture_is_pinned(relid))
	{
		if (!mdl_table_has_history(relid))
			return;
		mdl_capture_pin(relid);
	}
	if (mdl_capture_is_dropped(relid))
		return;
	relation = table_open(relid, NoLock);
	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		mdl_capture_operation(relid, "drop");
	else
		mdl_capture_all_rows(relation, "drop");
	mdl_capture_drop(relid);
	if (relation->rd_rel->relispartition)
		mdl_partition_bounds_changed(get_partition_parent(relid, true));
	if (!relation->rd_rel->relispartition)
		mdl_undrop_note(relid, mdl_capture_table_id(relid));
	table_close(relation, NoLock);
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class, object, sub, argument);
	if (access != OAT_DROP || sub != 0 || (class != RelationRelationId && class != TriggerRelationId) ||
		(((ObjectAccessDrop *) argument)->dropflags & PERFORM_DELETION_INTERNAL) != 0)
		return;
	if (!OidIsValid(mdl_history_relation(MDL_TABLES_TABLE, true)) || !OidIsValid(mdl_history_relation(MDL_LOG_TABLE, true)) ||
		mdl_clock_restored())
		return;
	if (class == TriggerRelationId)
		trigger_goes(relation_of_trigger(object));
	else if (get_rel_relkind(object) == RELKIND_TOASTVALUE || get_rel_relkind(object) == RELKIND_INDEX)
		table_goes(owner_of_toast(object));
	else
		table_goes(object);
}

void
mdl_drop_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = object_access;
}

/* ---- event trigger ------------------------------------------------------------------------------------------------- */

static void
check_trigger(List *relation_name, const char *trigger)
{
	Oid			relid = RangeVarGetRelid(makeRangeVarFromNameList(relation_name), NoLock, true);
	Relation	relation = OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : NULL;
	bool		capture;

	if (relation == NULL)
		return;
	capture = mdl_table_id(relation) >= 0 && strncmp(trigger, MDL_ROW_TRIGGER, strlen(MDL_ROW_TRIGGER)) == 0;
	relation_close(relation, AccessShareLock);
	if (capture)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop or rename trigger \"%s\" of versioned table \"%s\"", trigger, mdl_display_name(relid)),
				 errhint("SELECT medallion.disable_versioning('%s') drops the triggers.",
						 mdl_qualified_name(mdl_partition_root(relid)))));
}

/* Runs before DROP of all kinds, so that the library with its hook is there, and refuses to drop capture triggers. */
MDL_FUNCTION(mdl_check_drop);
Datum
mdl_check_drop(PG_FUNCTION_ARGS)
{
	Node	   *statement = mdl_event_statement(fcinfo, "medallion._check_drop()");
	ListCell   *cell;

	/* With IF EXISTS it is pg_restore --clean, which drops the table next; otherwise reconcile() is asked for. */
	if (IsA(statement, DropStmt) && ((DropStmt *) statement)->removeType == OBJECT_TRIGGER && !((DropStmt *) statement)->missing_ok)
	{
		foreach(cell, ((DropStmt *) statement)->objects)
		{
			List	   *names = castNode(List, lfirst(cell));

			check_trigger(list_truncate(list_copy(names), list_length(names) - 1), strVal(llast(names)));
		}
	}
	else if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_TRIGGER)
	{
		RangeVar   *table = ((RenameStmt *) statement)->relation;
		List	   *names = list_make1(makeString(table->relname));

		if (table->schemaname != NULL)
			names = lcons(makeString(table->schemaname), names);
		check_trigger(names, ((RenameStmt *) statement)->subname);
	}
	PG_RETURN_NULL();
}
