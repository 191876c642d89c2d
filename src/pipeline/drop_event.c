/*
 * drop_event.c: keeps the records of derived tables true when relations are dropped.
 *
 * Dropping a derived table forgets it and drops its definition; what its rules had put in quarantine stays, as an ordinary
 * table.  Dropping a definition, by itself or with a source (CASCADE), leaves the table with its rows as an ordinary table.
 * It is not refused, since pg_restore --clean drops view by view.  All this holds without preloading, because it is an event trigger.
 */
#include "pipeline/definition_int.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

/* False while the extension is only half there (its own DROP, a broken upgrade). */
static bool
records_exist(void)
{
	Oid			schema = get_namespace_oid(MDL_SCHEMA, true);

	return OidIsValid(schema) && OidIsValid(get_relname_relid("_tables", schema)) &&
		OidIsValid(get_relname_relid("_refresh_failures", schema));
}

#define DROPPED "ANY (ARRAY(SELECT d.objid FROM pg_catalog.pg_event_trigger_dropped_objects() d" \
	" WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid OPERATOR(pg_catalog.=) 0))"

static void
drop_leftover_view(Oid view)
{
	ObjectAddress object;

	if (get_rel_relkind(view) != RELKIND_VIEW)
		return;
	ObjectAddressSet(object, RelationRelationId, view);
	performDeletion(&object, DROP_CASCADE, PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY);
}

static void
forget(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_pipeline_table_remove(target);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	mdl_run("UPDATE medallion._refreshes SET target = NULL WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_run("UPDATE medallion._refresh_failures SET target = NULL WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
}

static void
forget_quarantine(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	mdl_run("UPDATE medallion._tables SET quarantine = NULL WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
}

/* A session that reads the past, for one, can drop temporary tables but write to none of ours. */
bool
mdl_dropped_relations(void)
{
	return mdl_run("SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() d"
				   " WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
				   " AND d.objsubid OPERATOR(pg_catalog.=) 0 AND NOT d.is_temporary LIMIT 1", NULL, false) > 0;
}

static Oid
field_oid(uint64 row, int column)
{
	bool		is_null;
	Datum		value = mdl_field(row, column, &is_null);

	return is_null ? InvalidOid : DatumGetObjectId(value);
}

/* Makes the record of a derived table true after one of its relations was dropped, perhaps the table with it. */
static void
follow_drop(Oid dropped, bool with_table, Oid target, Oid definition, Oid quarantine)
{
	if (dropped == target)
	{
		forget(target);
		drop_leftover_view(definition);
	}
	else if (with_table)
		return;					/* told of by itself */
	else if (dropped == definition)
	{
		mdl_pipeline_table_remove(target);
		ereport(WARNING,
				(errmsg("derived table \"%s\" has lost its definition and is an ordinary table now", mdl_display_name(target))));
	}
	else if (dropped == quarantine)
		forget_quarantine(target);
}

MDL_FUNCTION(mdl_pipeline_sql_drop);
Datum
mdl_pipeline_sql_drop(PG_FUNCTION_ARGS)
{
	MdlUser		saved;
	uint64		rows;
	SPITupleTable *found;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("medallion._pipeline_sql_drop can only be called as an event trigger")));
	if (!records_exist())
		PG_RETURN_VOID();
	SPI_connect();
	if (!mdl_dropped_relations())
	{
		SPI_finish();
		PG_RETURN_VOID();
	}
	mdl_owner_begin(&saved);
	mdl_run("DELETE FROM medallion._job_runs WHERE job_id IN"
			" (SELECT id FROM medallion._jobs WHERE target::pg_catalog.oid OPERATOR(pg_catalog.=) " DROPPED ")", NULL, false);
	mdl_run("DELETE FROM medallion._jobs WHERE target::pg_catalog.oid OPERATOR(pg_catalog.=) " DROPPED, NULL, false);
	mdl_run("DELETE FROM medallion._cursors WHERE source::pg_catalog.oid OPERATOR(pg_catalog.=) " DROPPED, NULL, false);
	rows = mdl_run("SELECT t.target::pg_catalog.oid, t.definition::pg_catalog.oid, t.quarantine::pg_catalog.oid, d.objid,"
				   " EXISTS (SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() o"
				   " WHERE o.classid OPERATOR(pg_catalog.=) d.classid AND o.objid OPERATOR(pg_catalog.=) t.target"
				   " AND o.objsubid OPERATOR(pg_catalog.=) 0)"
				   " FROM pg_catalog.pg_event_trigger_dropped_objects() d JOIN medallion._tables t"
				   " ON d.objid OPERATOR(pg_catalog.=) ANY (ARRAY[t.target, t.definition, t.quarantine]::pg_catalog.oid[])"
				   " WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
				   " AND d.objsubid OPERATOR(pg_catalog.=) 0", NULL, false);
	mdl_owner_end(&saved);
	found = SPI_tuptable;
	for (uint64 i = 0; i < rows; i++)
	{
		SPI_tuptable = found;
		follow_drop(field_oid(i, 3), DatumGetBool(mdl_field(i, 4, NULL)), field_oid(i, 0), field_oid(i, 1), field_oid(i, 2));
	}
	SPI_finish();
	PG_RETURN_VOID();
}
