/*
 * definition_change.c: medallion.redefine and undefine, and how the columns of a table follow its query.
 *
 * A table keeps its identity (grants, indexes, history) when its query changes; its columns are altered as its
 * on_schema_change allows.
 */
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "versioning/versioning.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/comment.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

/* ---- columns ------------------------------------------------------------------------------------------------ */

static char *
column_type(Form_pg_attribute column)
{
	return format_type_with_typemod(column->atttypid, column->atttypmod);
}

/* "int COLLATE x" as the definition of a column in SQL. */
static char *
column_type_sql(Form_pg_attribute column)
{
	char	   *type = format_type_extended(column->atttypid, column->atttypmod,
											FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);

	if (!OidIsValid(column->attcollation) || column->attcollation == get_typcollation(column->atttypid))
		return type;
	return psprintf("%s COLLATE %s", type, generate_collation_name(column->attcollation));
}

static AttrNumber
column_by_name(TupleDesc columns, const char *name)
{
	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped && strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0)
			return i + 1;
	return InvalidAttrNumber;
}

/* Old values that cannot become the new type are lost here and come back with the next refresh. */
static const char *
retype_clause(Oid from, Oid to)
{
	return can_coerce_type(1, &from, &to, COERCION_ASSIGNMENT) ? "" : " USING NULL";
}

/* Raises what forbids a change of columns; `what` tells the change. */
static void
require_schema_change(const DerivedTable *table, bool adds, const char *what)
{
	if (strcmp(table->on_schema_change, "full_refresh") == 0 ||
		(adds && strcmp(table->on_schema_change, "append_columns") == 0))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("query of \"%s\" %s, but its on_schema_change is %s", mdl_display_name(table->target), what,
					table->on_schema_change),
			 errhint("With on_schema_change => '%s' the columns of the table follow the query.",
					 adds ? "append_columns" : "full_refresh")));
}

/* Changes a table of the owner's, whose constraints and index expressions run then. */
static void
alter_table(Oid relid, const char *what)
{
	OwnerWorld	world;

	mdl_become_owner(relid, &world);
	mdl_run(psprintf("ALTER TABLE %s %s", mdl_qualified_name(relid), what), NULL, false);
	mdl_leave_owner_world(&world);
}

/*
 * Adds columns that are new in the definition and drops (full_refresh) those that it had and has no more.  `before` are
 * the columns of the previous definition, NULL if only additions are to be looked for.
 */
static void
alter_columns(Oid relid, const DerivedTable *table, TupleDesc before, TupleDesc after)
{
	TupleDesc	present = mdl_relation_columns(relid);
	bool		changed = false;

	for (int i = 0; before != NULL && i < before->natts; i++)
	{
		char	   *column = NameStr(TupleDescAttr(before, i)->attname);

		if (column_by_name(after, column) != InvalidAttrNumber || column_by_name(present, column) == InvalidAttrNumber)
			continue;
		require_schema_change(table, false, psprintf("returns no column \"%s\" any more", column));
		alter_table(relid, psprintf("DROP COLUMN %s", quote_identifier(column)));
		changed = true;
	}
	for (int i = 0; i < after->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(after, i);
		AttrNumber	existing = column_by_name(present, NameStr(column->attname));

		if (existing == InvalidAttrNumber)
		{
			require_schema_change(table, true, psprintf("returns new column \"%s\"", NameStr(column->attname)));
			alter_table(relid, psprintf("ADD COLUMN %s %s", quote_identifier(NameStr(column->attname)), column_type_sql(column)));
			changed = true;
		}
		else
		{
			Form_pg_attribute old = TupleDescAttr(present, existing - 1);

			if (old->atttypid == column->atttypid && old->atttypmod == column->atttypmod &&
				old->attcollation == column->attcollation)
				continue;
			require_schema_change(table, false,
								  psprintf("returns column \"%s\" as %s instead of %s", NameStr(column->attname),
										   column_type(column), column_type(old)));
			alter_table(relid, psprintf("ALTER COLUMN %s TYPE %s%s", quote_identifier(NameStr(column->attname)),
										column_type_sql(column), retype_clause(old->atttypid, column->atttypid)));
			changed = true;
		}
	}

	/* Raises now, not at the next refresh, if the history of the table cannot follow. */
	CommandCounterIncrement();
	if (!changed)
		return;
	(void) mdl_is_versioned(relid);
	if (relid == table->target && before == NULL)
		mdl_options_ensure_indexes(table, false);
}

void
mdl_definition_apply_columns(const DerivedTable *table)
{
	TupleDesc	after = mdl_relation_columns(table->definition);

	alter_columns(table->target, table, NULL, after);
	if (OidIsValid(table->quarantine))
		alter_columns(table->quarantine, table, NULL, after);
}

/* ---- redefine ------------------------------------------------------------------------------------------------ */

static void
drop_definition(Oid view)
{
	ObjectAddress object;

	ObjectAddressSet(object, RelationRelationId, view);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/* Rules are the owner's text, of which constant parts are computed when it is analysed. */
static void
check_rules_again(void *table)
{
	mdl_rules_check_again(table);
}

/* Puts another query in the place of the definition; table and quarantine table follow. */
static void
replace_query(DerivedTable *table, const char *query)
{
	char	   *display = mdl_display_name(table->target);
	Oid			previous = table->definition;
	TupleDesc	before = mdl_relation_columns(previous);
	TupleDesc	after;
	Query	   *analysed = mdl_definition_query_check(query, display);

	mdl_definition_check_keys(table->keys, table->key_count, analysed, display);
	table->definition = mdl_definition_create(mdl_dedupe_query(table, query, analysed, display), get_namespace_name(get_rel_namespace(table->target)),
										  get_rel_name(table->target), display);
	after = mdl_relation_columns(table->definition);
	mdl_definition_remember_settings(table);
	mdl_pipeline_table_change(table);
	CommandCounterIncrement();
	mdl_definition_follow_owner(table);
	mdl_definition_check_cycle(table);
	alter_columns(table->target, table, before, after);
	if (OidIsValid(table->quarantine))
		alter_columns(table->quarantine, table, before, after);
	drop_definition(previous);
	mdl_definition_follow_name(table);
	mdl_as_table_owner(table, check_rules_again, table);
}

MDL_FUNCTION(mdl_redefine);
Datum
mdl_redefine(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target"};
	DerivedTable *table;
	DefineOptions options;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	table = mdl_locked_table(mdl_pipeline_owned_table, text_to_cstring(PG_GETARG_TEXT_PP(0)), AccessExclusiveLock);
	mdl_schedule_read_lag(table, mdl_optional_text(fcinfo, 3));
	if (!PG_ARGISNULL(4))
		table->on_schema_change = text_to_cstring(PG_GETARG_TEXT_PP(4));
	mdl_definition_check_options(table->on_schema_change);
	mdl_options_read(fcinfo, 7, table, &options);
	if (!PG_ARGISNULL(2))
		CreateComments(table->target, RelationRelationId, 0, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (!PG_ARGISNULL(12))
		table->dedupe_by = mdl_pipeline_text_array(PG_GETARG_DATUM(12), "dedupe_by", &table->dedupe_count);
	if (!PG_ARGISNULL(12) && PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dedupe_by of \"%s\" can be changed with its query only", mdl_display_name(table->target)),
				 errhint("Give the query too.")));
	if (PG_ARGISNULL(1))
		mdl_pipeline_table_change(table);
	else
		replace_query(table, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	mdl_options_check(table);
	mdl_options_apply(table, &options);
	if (!PG_ARGISNULL(3) || !PG_ARGISNULL(5) || !PG_ARGISNULL(6))
		mdl_schedule_apply(table, mdl_optional_text(fcinfo, 5), mdl_optional_text(fcinfo, 6), false);
	mdl_definition_return(fcinfo, table);
	SPI_finish();
	return (Datum) 0;
}

/* ---- undefine --------------------------------------------------------------------------------------------------- */

MDL_FUNCTION(mdl_undefine);
Datum
mdl_undefine(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "drop_table"};
	bool		drop_table = PG_GETARG_BOOL(1);
	DerivedTable *table;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	SPI_connect();
	table = mdl_locked_table(mdl_pipeline_owned_table, text_to_cstring(PG_GETARG_TEXT_PP(0)), AccessExclusiveLock);
	mdl_pipeline_table_remove(table->target);
	CommandCounterIncrement();
	drop_definition(table->definition);
	if (drop_table)
	{
		if (OidIsValid(table->quarantine))
			mdl_run(psprintf("DROP TABLE %s", mdl_qualified_name(table->quarantine)), NULL, false);
		mdl_run(psprintf("DROP TABLE %s", mdl_qualified_name(table->target)), NULL, false);
	}
	SPI_finish();
	PG_RETURN_VOID();
}
