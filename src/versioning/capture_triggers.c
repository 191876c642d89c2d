/*
 * capture_triggers.c: making and dropping the triggers of versioned tables; capture.c is what they do.
 */
#include "versioning/partition_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "parser/parser.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* The row triggers: what each fires on, and the rows it has; see capture.c for what the condition is. */
static const struct
{
	const char *event;
	const char *rows;
}			row_triggers[] = {{"insert", "NULL, NEW.ctid"}, {"update", "OLD.ctid, NEW.ctid"}, {"delete", "OLD.ctid, NULL"}};

/* Makes one trigger by its statement, on a relation given by OID, firing ALWAYS from the start. */
static void
create_trigger(Oid relid, const char *sql)
{
	CreateTrigStmt *statement = castNode(CreateTrigStmt, linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT))->stmt);

	(void) CreateTriggerFiringOn(statement, sql, relid, InvalidOid, InvalidOid, InvalidOid, InvalidOid, InvalidOid, NULL,
								 false, false, TRIGGER_FIRES_ALWAYS);
}

void
mdl_capture_row_triggers(Oid relid, int32 table_id)
{
	for (int i = 0; i < lengthof(row_triggers); i++)
		create_trigger(relid, psprintf("CREATE TRIGGER " MDL_ROW_TRIGGER "%s AFTER %s ON %s FOR EACH ROW"
									   " WHEN (medallion._capture_later(%s)) EXECUTE FUNCTION medallion._capture('%d')",
									   row_triggers[i].event, row_triggers[i].event, mdl_qualified_name(relid),
									   row_triggers[i].rows, table_id));
}

/* A partition that came with rows tells since when it belongs to its table: see partition.c. */
void
mdl_capture_truncate_trigger(Oid relid, int32 table_id, int64 attached)
{
	char	   *since = attached > 0 ? psprintf(", '" INT64_FORMAT "'", attached) : "";

	create_trigger(relid, psprintf("CREATE TRIGGER " MDL_TRUNCATE_TRIGGER " BEFORE TRUNCATE ON %s"
								   " FOR EACH STATEMENT EXECUTE FUNCTION medallion._capture('%d'%s)",
								   mdl_qualified_name(relid), table_id, since));
	/* It is made last, so now all triggers of the relation are what they should be. */
	CommandCounterIncrement();
	mdl_state_note_new(relid, table_id);
}

bool
mdl_has_truncate_trigger(Oid relid)
{
	return OidIsValid(get_trigger_oid(relid, MDL_TRUNCATE_TRIGGER, true));
}

/* Below SQL, where nobody refuses it: DROP TRIGGER is for users. */
void
mdl_capture_drop_triggers(List *relids)
{
	ObjectAddresses *triggers = new_object_addresses();
	ListCell   *cell;

	foreach(cell, relids)
	{
		Oid			relid = lfirst_oid(cell);
		ObjectAddress trigger = {.classId = TriggerRelationId};

		trigger.objectId = get_trigger_oid(relid, MDL_TRUNCATE_TRIGGER, true);
		if (OidIsValid(trigger.objectId))
			add_exact_object_address(&trigger, triggers);
		/* Those of partitions are clones and go with the root's. */
		for (int i = 0; i < lengthof(row_triggers) && !get_rel_relispartition(relid); i++)
		{
			trigger.objectId = get_trigger_oid(relid, psprintf(MDL_ROW_TRIGGER "%s", row_triggers[i].event), true);
			if (OidIsValid(trigger.objectId))
				add_exact_object_address(&trigger, triggers);
		}
	}
	performMultipleDeletions(triggers, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(triggers);
	foreach(cell, relids)
		mdl_state_forget(lfirst_oid(cell));
	CommandCounterIncrement();
}

/* Collects the capture triggers of a relation under whatever names, but not the clones that go with others. */
static void
collect_triggers(Oid relid, ObjectAddresses *triggers)
{
	Relation	relation = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(relation, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
		ObjectAddress address = {.classId = TriggerRelationId, .objectId = trigger->oid};

		if (mdl_is_capture_function(trigger->tgfoid) && !OidIsValid(trigger->tgparentid))
			add_exact_object_address(&address, triggers);
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
}

void
mdl_capture_mend_triggers(Oid root, int32 table_id, List *members)
{
	ObjectAddresses *triggers = new_object_addresses();
	int64	   *attached = palloc(list_length(members) * sizeof(int64));
	ListCell   *cell;

	foreach(cell, members)
	{
		Relation	relation = table_open(lfirst_oid(cell), AccessExclusiveLock);

		attached[foreach_current_index(cell)] = mdl_partition_attached(relation);
		table_close(relation, NoLock);
		collect_triggers(lfirst_oid(cell), triggers);
	}
	performMultipleDeletions(triggers, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(triggers);
	CommandCounterIncrement();
	mdl_capture_row_triggers(root, table_id);
	foreach(cell, members)
		mdl_capture_truncate_trigger(lfirst_oid(cell), table_id, attached[foreach_current_index(cell)]);
}
