/*
 * dependency.c: which relation reads which, as the server itself recorded it.
 *
 * A view's rewrite rule depends on every relation and function of its query (pg_depend), so what a view reads is looked up,
 * not parsed.  Functions whose body the server analysed (BEGIN ATOMIC) are looked through; what a function with its body in
 * a string reads is not known to anybody before it runs.  A derived table reads what its definition reads.
 */
#include "pipeline/definition_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static bool
is_relation_kind(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE || relkind == RELKIND_VIEW ||
		relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE;
}

static bool
is_view_kind(char relkind)
{
	return relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW;
}

/* Visits one side of pg_depend: rows whose object (or, `referenced`, whose referenced object) is the one given. */
static List *
dependencies(Relation catalog, Oid class, Oid object, bool referenced)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *found = NIL;

	ScanKeyInit(&keys[0], referenced ? Anum_pg_depend_refclassid : Anum_pg_depend_classid,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(class));
	ScanKeyInit(&keys[1], referenced ? Anum_pg_depend_refobjid : Anum_pg_depend_objid,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(catalog, referenced ? DependReferenceIndexId : DependDependerIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(tuple);
		ObjectAddress *address = palloc0_object(ObjectAddress);

		address->classId = referenced ? row->classid : row->refclassid;
		address->objectId = referenced ? row->objid : row->refobjid;
		found = lappend(found, address);
	}
	systable_endscan(scan);
	return found;
}

/* The rewrite rules of a view or materialised view. */
static List *
rules_of(Oid view)
{
	Relation	catalog = table_open(RewriteRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *rules = NIL;

	ScanKeyInit(&key, Anum_pg_rewrite_ev_class, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(view));
	scan = systable_beginscan(catalog, RewriteRelRulenameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		rules = lappend_oid(rules, ((Form_pg_rewrite) GETSTRUCT(tuple))->oid);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return rules;
}

/* The view that a rewrite rule belongs to; InvalidOid if the rule is not that of a view. */
static Oid
view_of_rule(Oid rule)
{
	Relation	catalog = table_open(RewriteRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			view = InvalidOid;

	ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
	scan = systable_beginscan(catalog, RewriteOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		view = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return is_view_kind(get_rel_relkind(view)) ? view : InvalidOid;
}

/* Adds the relations that an object (a rule or a function) depends on; functions are looked through once. */
static void
collect_sources(Relation catalog, Oid class, Oid object, Oid view, List **functions, List **sources)
{
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, dependencies(catalog, class, object, false))
	{
		ObjectAddress *address = lfirst(cell);

		if (address->classId == RelationRelationId && address->objectId != view &&
			is_relation_kind(get_rel_relkind(address->objectId)))
			*sources = list_append_unique_oid(*sources, address->objectId);
		else if (address->classId == ProcedureRelationId && !list_member_oid(*functions, address->objectId))
		{
			*functions = lappend_oid(*functions, address->objectId);
			collect_sources(catalog, ProcedureRelationId, address->objectId, view, functions, sources);
		}
	}
}

List *
mdl_view_sources(Oid view)
{
	Relation	catalog = table_open(DependRelationId, AccessShareLock);
	List	   *sources = NIL;
	List	   *functions = NIL;
	ListCell   *cell;

	foreach(cell, rules_of(view))
		collect_sources(catalog, RewriteRelationId, lfirst_oid(cell), view, &functions, &sources);
	table_close(catalog, AccessShareLock);
	list_sort(sources, list_oid_cmp);
	return sources;
}

static void
collect_readers(Relation catalog, Oid class, Oid object, List **functions, List **readers)
{
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, dependencies(catalog, class, object, true))
	{
		ObjectAddress *address = lfirst(cell);

		if (address->classId == RewriteRelationId)
		{
			Oid			view = view_of_rule(address->objectId);

			if (OidIsValid(view) && view != object)
				*readers = list_append_unique_oid(*readers, view);
		}
		else if (address->classId == ProcedureRelationId && !list_member_oid(*functions, address->objectId))
		{
			*functions = lappend_oid(*functions, address->objectId);
			collect_readers(catalog, ProcedureRelationId, address->objectId, functions, readers);
		}
	}
}

List *
mdl_relation_readers(Oid relid)
{
	Relation	catalog = table_open(DependRelationId, AccessShareLock);
	List	   *readers = NIL;
	List	   *functions = NIL;

	collect_readers(catalog, RelationRelationId, relid, &functions, &readers);
	table_close(catalog, AccessShareLock);
	list_sort(readers, list_oid_cmp);
	return readers;
}

static void
collect_leaves(Oid view, List **visited, List **leaves)
{
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, mdl_view_sources(view))
	{
		Oid			source = lfirst_oid(cell);

		if (list_member_oid(*visited, source))
			continue;
		*visited = lappend_oid(*visited, source);
		if (get_rel_relkind(source) == RELKIND_VIEW)
			collect_leaves(source, visited, leaves);
		else
			*leaves = lappend_oid(*leaves, source);
	}
}

List *
mdl_view_leaf_sources(Oid view)
{
	List	   *visited = NIL;
	List	   *leaves = NIL;

	collect_leaves(view, &visited, &leaves);
	list_sort(leaves, list_oid_cmp);
	return leaves;
}

static void
collect_derived(List *tables, List *relids, List **visited, List **derived)
{
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, relids)
	{
		Oid			relid = lfirst_oid(cell);

		if (list_member_oid(*visited, relid))
			continue;
		*visited = lappend_oid(*visited, relid);
		if (mdl_pipeline_table(tables, relid) != NULL)
			*derived = lappend_oid(*derived, relid);
		else if (is_view_kind(get_rel_relkind(relid)))
			collect_derived(tables, mdl_view_sources(relid), visited, derived);
	}
}

List *
mdl_derived_sources(List *tables, const DerivedTable *table)
{
	List	   *visited = NIL;
	List	   *derived = NIL;

	collect_derived(tables, mdl_kept_sources(table), &visited, &derived);
	return derived;
}

/* ---- order -------------------------------------------------------------------------------------------------- */

typedef struct Walk
{
	List	   *tables;			/* all derived tables */
	List	   *path;			/* relations between the start and here */
	List	   *done;			/* relations finished */
	List	   *order;			/* of DerivedTable, sources first */
} Walk;

static void
raise_cycle(List *path, Oid again)
{
	StringInfoData text;
	bool		inside = false;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, path)
	{
		if (lfirst_oid(cell) == again)
			inside = true;
		if (inside)
			appendStringInfo(&text, "%s reads ", mdl_display_name(lfirst_oid(cell)));
	}
	appendStringInfoString(&text, mdl_display_name(again));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("derived table \"%s\" would be made from itself", mdl_display_name(again)),
			 errdetail("%s.", text.data)));
}

static void
visit(Walk *walk, Oid relid)
{
	DerivedTable *table = mdl_pipeline_table(walk->tables, relid);
	ListCell   *cell;

	check_stack_depth();
	if (table == NULL && !is_view_kind(get_rel_relkind(relid)))
		return;
	if (list_member_oid(walk->done, relid))
		return;
	if (list_member_oid(walk->path, relid))
		raise_cycle(walk->path, relid);
	walk->path = lappend_oid(walk->path, relid);
	foreach(cell, table ? mdl_kept_sources(table) : mdl_view_sources(relid))
		visit(walk, lfirst_oid(cell));
	walk->path = list_delete_last(walk->path);
	walk->done = lappend_oid(walk->done, relid);
	if (table)
		walk->order = lappend(walk->order, table);
}

List *
mdl_refresh_order(List *tables, List *targets)
{
	Walk		walk = {.tables = tables};
	ListCell   *cell;

	foreach(cell, targets)
		visit(&walk, lfirst_oid(cell));
	return walk.order;
}
