/*
 * ddl_follow.c: changes of a versioned table's definition.
 *
 * After ALTER TABLE the history table follows: new columns are added to it, renamed ones renamed, a renamed or moved table
 * renames it; a dropped column stays in history.  What would lose history or make it wrong is refused: changing a column's
 * type, whatever rewrites the table, switching the capture triggers off, dropping the primary key, partitioning.
 */
#include "versioning/versioning_int.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

static void
refuse(Relation relation, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s of versioned table \"%s\"", what, mdl_display_name(RelationGetRelid(relation))),
			 errhint("SELECT medallion.disable_versioning('%s') first, and enable it again afterwards.",
					 mdl_qualified_name(mdl_partition_root(RelationGetRelid(relation))))));
}

/* Name of the history table of a number, quoted; NULL if there is none. */
static char *
history_of(int32 table_id)
{
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_run("SELECT history_table FROM medallion_history.versioned_tables WHERE table_id OPERATOR(pg_catalog.=) $1", &args, false);
	if (SPI_processed == 0 || !OidIsValid(mdl_history_relation(mdl_field_text(0, 0), true)))
		return NULL;
	return mdl_field_text(0, 0);
}

/* Raises an error unless the table can still be followed as it is now. */
static void
check_definition(Relation relation)
{
	int			captures = 0;

	for (int i = 0; relation->trigdesc != NULL && i < relation->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &relation->trigdesc->triggers[i];

		if (strncmp(trigger->tgname, "medallion_capture", strlen("medallion_capture")) != 0)
			continue;
		captures++;
		if (trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
			refuse(relation, "switch off the capture triggers");
	}
	if (captures < 4)
		refuse(relation, "drop a capture trigger");
	if (bms_is_empty(RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY)))
		refuse(relation, "drop the primary key");
	if (mdl_partition_root(RelationGetRelid(relation)) == RelationGetRelid(relation)
		? has_superclass(RelationGetRelid(relation))
		: !OidIsValid(get_trigger_oid(mdl_partition_root(RelationGetRelid(relation)), MDL_TRUNCATE_TRIGGER, true)))
		refuse(relation, "make a partition or an inheritance child");
}

/* Adds to the history table what columns it lacks; an error if one has another type. */
static void
add_columns(Relation relation, const char *history_name)
{
	Relation	history = table_open(mdl_history_relation(history_name, false), AccessShareLock);
	TupleDesc	past = CreateTupleDescCopy(RelationGetDescr(history));

	table_close(history, NoLock);
	for (int i = 0; i < RelationGetDescr(relation)->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), i);
		Form_pg_attribute found = NULL;

		for (int j = MDL_DIED_ATTNO; j < past->natts && !column->attisdropped && found == NULL; j++)
			if (!TupleDescAttr(past, j)->attisdropped &&
				strcmp(NameStr(TupleDescAttr(past, j)->attname), NameStr(column->attname)) == 0)
				found = TupleDescAttr(past, j);
		if (column->attisdropped || (found != NULL && found->atttypid == column->atttypid))
			continue;
		if (found != NULL)
			refuse(relation, psprintf("give column \"%s\" a type that its history does not have (%s)",
									  NameStr(column->attname), format_type_be(found->atttypid)));
		mdl_run(psprintf("ALTER TABLE medallion_history.%s ADD COLUMN %s %s", quote_identifier(history_name),
						 quote_identifier(NameStr(column->attname)),
						 format_type_extended(column->atttypid, -1, FORMAT_TYPE_FORCE_QUALIFY)), NULL, false);
	}
}

/* The table has another name or schema now. */
static void
follow_name(Relation relation, int32 table_id, const char *history_name)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(relation));
	char	   *table = RelationGetRelationName(relation);
	char	   *name = mdl_history_name(schema, table, table_id);
	MdlArgs		args = {0};

	mdl_run(psprintf("ALTER TABLE medallion_history.%s RENAME TO %s", quote_identifier(history_name), quote_identifier(name)),
			NULL, false);
	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_text(&args, schema);
	mdl_arg_text(&args, table);
	mdl_arg_text(&args, name);
	mdl_run("UPDATE medallion_history.versioned_tables SET schema_name = $2, table_name = $3, history_table = $4"
			" WHERE table_id OPERATOR(pg_catalog.=) $1", &args, false);
}

/* The relation that a statement of tag ALTER TABLE changed; a rename is given with its new name. */
static Oid
altered_relation(Node *statement)
{
	RangeVar   *range = NULL;

	if (IsA(statement, AlterTableStmt))
		range = copyObject(((AlterTableStmt *) statement)->relation);
	else if (IsA(statement, RenameStmt))
	{
		range = copyObject(((RenameStmt *) statement)->relation);
		if (range != NULL && ((RenameStmt *) statement)->renameType == OBJECT_TABLE)
			range->relname = ((RenameStmt *) statement)->newname;
	}
	else if (IsA(statement, AlterObjectSchemaStmt))
	{
		range = copyObject(((AlterObjectSchemaStmt *) statement)->relation);
		if (range != NULL)
			range->schemaname = ((AlterObjectSchemaStmt *) statement)->newschema;
	}
	return range ? RangeVarGetRelid(range, NoLock, true) : InvalidOid;
}

static void
follow(Relation relation, Node *statement, int32 table_id)
{
	char	   *history_name;
	MdlUser		user;

	SPI_connect();
	mdl_owner_begin(&user);
	history_name = history_of(table_id);
	if (history_name == NULL)
		elog(DEBUG1, "versioned table \"%s\" has no history table", RelationGetRelationName(relation));
	else if (IsA(statement, AlterTableStmt))
		add_columns(relation, history_name);
	else if (IsA(statement, AlterObjectSchemaStmt) || ((RenameStmt *) statement)->renameType == OBJECT_TABLE)
		follow_name(relation, table_id, history_name);
	else if (((RenameStmt *) statement)->renameType == OBJECT_COLUMN)
		mdl_run(psprintf("ALTER TABLE medallion_history.%s RENAME COLUMN %s TO %s", quote_identifier(history_name),
						 quote_identifier(((RenameStmt *) statement)->subname),
						 quote_identifier(((RenameStmt *) statement)->newname)), NULL, false);
	mdl_owner_end(&user);
	SPI_finish();
}

MDL_FUNCTION(mdl_follow_ddl);
Datum
mdl_follow_ddl(PG_FUNCTION_ARGS)
{
	EventTriggerData *event = (EventTriggerData *) fcinfo->context;
	Oid			relid;
	Relation	relation;
	int32		table_id;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("medallion._follow_ddl() must be called as an event trigger")));
	if (!OidIsValid(mdl_history_relation(MDL_TABLES_TABLE, true)))
		PG_RETURN_NULL();
	relid = altered_relation(event->parsetree);
	if (!OidIsValid(relid) ||
		(get_rel_relkind(relid) != RELKIND_RELATION && get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE))
		PG_RETURN_NULL();
	relation = relation_open(relid, AccessShareLock);
	table_id = mdl_table_id(relation);
	/* While a dump is being restored tables are made bit by bit. */
	if (table_id >= 0 && !mdl_clock_restored())
	{
		check_definition(relation);
		/* Columns and names of history are the root's. */
		if (mdl_partition_root(relid) == relid)
			follow(relation, event->parsetree, table_id);
	}
	relation_close(relation, NoLock);
	PG_RETURN_NULL();
}

/* A rewrite gives every row a new birth, so that history would say that all of them are new. */
MDL_FUNCTION(mdl_refuse_rewrite);
Datum
mdl_refuse_rewrite(PG_FUNCTION_ARGS)
{
	EventTriggerData *event = (EventTriggerData *) fcinfo->context;
	Oid			relid;
	Relation	relation;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("medallion._refuse_rewrite() must be called as an event trigger")));
	if (event->parsetree == NULL || !IsA(event->parsetree, AlterTableStmt))
		PG_RETURN_NULL();
	relid = altered_relation(event->parsetree);
	if (!OidIsValid(relid) ||
		(get_rel_relkind(relid) != RELKIND_RELATION && get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE))
		PG_RETURN_NULL();
	relation = relation_open(relid, AccessShareLock);
	if (mdl_table_id(relation) >= 0)
		refuse(relation, "rewrite all rows");
	relation_close(relation, NoLock);
	PG_RETURN_NULL();
}
