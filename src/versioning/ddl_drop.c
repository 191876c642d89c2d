/*
 * ddl_drop.c: columns that go, by whatever command, and types that past values have.
 *
 * A column of a versioned table: its values are copied to history just before (ddl_move.c).  A column of a history table,
 * since DROP TYPE … CASCADE (or of a schema, an extension) takes the type of past values away: they are kept as text.
 * An attribute of a composite type that past values have is not dropped: that would take it out of them.
 */
#include "versioning/columns_int.h"
#include "versioning/ddl_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static object_access_hook_type previous_object_access_hook = NULL;

/* Whether a column was there before the transaction: the values of any other belong to no version. */
static bool
column_has_past(int32 table_id, const char *name)
{
	int			count;
	MdlPhase   *phases = mdl_columns_read(table_id, &count);
	const MdlPhase *current = mdl_columns_current(phases, count, name);

	return current != NULL && (current->phase > 1 || !mdl_capture_is_own(current->since));
}

/* A column of a table is about to go. */
static void
column_goes(Oid relid, AttrNumber column)
{
	Relation	relation = relation_open(relid, NoLock);
	int32		table_id = mdl_table_id(relation);
	char	   *name = get_attname(relid, column, true);
	bool		partition = relation->rd_rel->relispartition;

	relation_close(relation, NoLock);
	if (table_id < 0 || name == NULL || mdl_capture_is_own(mdl_table_moved(table_id)) ||
		(!partition && !column_has_past(table_id, name)))
		return;
	mdl_rows_before_drop(relid);
}

/* ---- columns of histories --------------------------------------------------------------------------------------------- */

/* The table that a history is of, if that is still versioned. */
static Oid
table_of_history(const char *history, int32 *table_id)
{
	MdlArgs		args = {0};
	Oid			namespace,
				relid;
	Relation	relation;

	mdl_arg_text(&args, history);
	mdl_run_now("SELECT table_id, schema_name, table_name FROM medallion_history.versioned_tables WHERE history_table = $1"
				" ORDER BY table_id DESC LIMIT 1", &args);
	*table_id = -1;
	if (SPI_processed == 0)
		return InvalidOid;
	*table_id = DatumGetInt32(mdl_field(0, 0, NULL));
	namespace = get_namespace_oid(mdl_field_text(0, 1), true);
	relid = OidIsValid(namespace) ? get_relname_relid(mdl_field_text(0, 2), namespace) : InvalidOid;
	relation = OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : NULL;
	if (relation == NULL)
		return InvalidOid;
	if (mdl_table_id(relation) != *table_id)
		relid = InvalidOid;
	relation_close(relation, NoLock);
	return relid;
}

/* Whether a history column keeps the values of a column of today: its rows must come first. */
static bool
is_current(int32 table_id, const char *history_column)
{
	int			count;
	MdlPhase   *phases = mdl_columns_read(table_id, &count);

	for (int i = 0; i < count; i++)
		if (phases[i].until == 0 && strcmp(phases[i].history_column, history_column) == 0)
			return true;
	return false;
}

/* A column of a history is about to go with its type: its values are kept as text, under another name. */
static void
keep_as_text(Oid history, const char *column)
{
	char	   *table = mdl_qualified_name(history);
	char	   *name;
	MdlArgs		args = {0};
	MdlUser		user;
	int32		table_id;
	Oid			relid;

	SPI_connect();
	mdl_owner_begin(&user);
	relid = table_of_history(get_rel_name(history), &table_id);
	mdl_owner_end(&user);
	if (table_id >= 0)
	{
		if (OidIsValid(relid) && is_current(table_id, column) && !mdl_capture_is_own(mdl_table_moved(table_id)))
			mdl_rows_before_drop(relid);
		name = mdl_columns_free_name(history, psprintf("%.*s__text", pg_mbcliplen(column, strlen(column), NAMEDATALEN - 7), column));
		mdl_owner_begin(&user);
		mdl_run(psprintf("ALTER TABLE %s ADD COLUMN %s text", table, quote_identifier(name)), NULL, false);
		/* format() writes what the type's output function does: a cast may be a function of the user's, and this is run as the owner. */
		mdl_run_now(psprintf("UPDATE %s SET %s = pg_catalog.format('%%s', %s) WHERE %s IS DISTINCT FROM NULL", table,
							 quote_identifier(name), quote_identifier(column), quote_identifier(column)), NULL);
		mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
		mdl_arg_text(&args, column);
		mdl_arg_text(&args, name);
		mdl_run_now("UPDATE medallion_history.table_columns SET history_column = $3 WHERE table_id = $1 AND history_column = $2",
					&args);
		mdl_owner_end(&user);
	}
	SPI_finish();
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class, object, sub, argument);
	if (access != OAT_DROP || sub <= 0 || class != RelationRelationId || !mdl_ddl_followed() ||
		(get_rel_relkind(object) != RELKIND_RELATION && get_rel_relkind(object) != RELKIND_PARTITIONED_TABLE))
		return;
	if (get_rel_namespace(object) == get_namespace_oid(MDL_HISTORY_SCHEMA, true))
		keep_as_text(object, get_attname(object, sub, false));
	else
		column_goes(object, sub);
}

void
mdl_ddl_drop_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = object_access;
}

/* ---- attributes of composite types -------------------------------------------------------------------------------------- */

/* A history whose values have a row type in them, directly or in arrays, domains, ranges and other row types; or NULL. */
static char *
history_with_type(Oid type)
{
	MdlArgs		args = {0};
	MdlUser		user;
	char	   *name = NULL;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(type), false);
	mdl_run("WITH RECURSIVE uses(type) AS (SELECT $1 UNION SELECT t.oid FROM uses u, pg_catalog.pg_type t"
			" WHERE t.typelem = u.type OR t.typbasetype = u.type"
			" OR EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.atttypid = u.type AND a.attnum > 0)"
			" OR EXISTS (SELECT FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid AND r.rngsubtype = u.type))"
			" SELECT c.relname FROM uses u JOIN pg_catalog.pg_attribute a ON a.atttypid = u.type"
			" JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'"
			" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
			" WHERE n.nspname = '" MDL_HISTORY_SCHEMA "' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1 LIMIT 1", &args, false);
	if (SPI_processed > 0)
		name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (name != NULL)
		name = MemoryContextStrdup(TopTransactionContext, name);
	mdl_owner_end(&user);
	SPI_finish();
	return name;
}

void
mdl_check_attributes(AlterTableStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);
		Oid			relid;
		char	   *history;

		if (command->subtype != AT_DropColumn)
			continue;
		relid = RangeVarGetRelid(statement->relation, NoLock, true);
		history = OidIsValid(relid) && OidIsValid(get_rel_type_id(relid)) ? history_with_type(get_rel_type_id(relid)) : NULL;
		if (history != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop attribute \"%s\" of type %s: past values have it", command->name,
							format_type_be(get_rel_type_id(relid))),
					 errdetail("The history %s.\"%s\" keeps values of this type.", MDL_HISTORY_SCHEMA, history),
					 errhint("Leave the attribute, or make another type for new values.")));
	}
}
