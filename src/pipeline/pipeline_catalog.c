/*
 * pipeline_catalog.c: reads and writes the records of derived tables and their rules.
 *
 * The records belong to the extension; users change them through functions that check ownership of the table first.
 */
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"
#include "base/background.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

static const char *const action_names[] = {"warn", "drop", "quarantine", "fail"};

const char *
mdl_pipeline_action_name(RuleAction action)
{
	return action_names[action];
}

RuleAction
mdl_pipeline_action_by_name(const char *name)
{
	for (int i = 0; i < lengthof(action_names); i++)
		if (strcmp(name, action_names[i]) == 0)
			return (RuleAction) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("on_violation cannot be \"%s\"", name),
			 errhint("Use warn, drop, quarantine or fail.")));
}

void
mdl_pipeline_require_arguments(FunctionCallInfo fcinfo, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (names[i] != NULL && PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be NULL", names[i])));
}

/* Returns the elements of a one-dimensional text array; NULL elements are an error that names the argument `what`. */
char **
mdl_pipeline_text_array(Datum array, const char *what, int *count)
{
	ArrayType  *values = DatumGetArrayTypeP(array);
	Datum	   *elements;
	bool	   *nulls;
	char	  **texts;

	if (ARR_NDIM(values) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a one-dimensional array", what)));
	deconstruct_array(values, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	texts = palloc0_array(char *, *count + 1);
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" contains NULL", what)));
		texts[i] = TextDatumGetCString(elements[i]);
	}
	return texts;
}

char *
mdl_pipeline_relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return psprintf("%u", relid);
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}

/*
 * Returns all records whose table and definition exist; others are left behind only where event triggers were off.  Reads
 * what is committed now, since a refresh may have waited for a change of a definition.
 */
List *
mdl_pipeline_tables(void)
{
	MemoryContext context = CurrentMemoryContext;
	MdlUser		saved;
	List	   *tables = NIL;
	uint64		rows;

	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT target::pg_catalog.oid, definition::pg_catalog.oid, quarantine::pg_catalog.oid, keys,"
				   " on_schema_change, settings, target_lag, downstream, indexes, cluster_by, dedupe_by FROM medallion._tables", NULL, false);
	mdl_owner_end(&saved);
	for (uint64 i = 0; i < rows; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		DerivedTable *table = palloc0_object(DerivedTable);
		bool		is_null;
		Datum		quarantine,
					lag;

		table->target = DatumGetObjectId(mdl_field(i, 0, NULL));
		table->definition = DatumGetObjectId(mdl_field(i, 1, NULL));
		quarantine = mdl_field(i, 2, &is_null);
		table->quarantine = is_null ? InvalidOid : DatumGetObjectId(quarantine);
		table->keys = mdl_pipeline_text_array(mdl_field(i, 3, NULL), "keys", &table->key_count);
		table->on_schema_change = mdl_field_text(i, 4);
		table->settings = mdl_pipeline_text_array(mdl_field(i, 5, NULL), "settings", &table->setting_count);
		lag = mdl_field(i, 6, &is_null);
		table->target_lag = is_null ? NULL : DatumGetIntervalP(datumCopy(lag, false, sizeof(Interval)));
		table->downstream = DatumGetBool(mdl_field(i, 7, NULL));
		table->indexes = mdl_pipeline_text_array(mdl_field(i, 8, NULL), "indexes", &table->index_count);
		table->cluster_by = mdl_pipeline_text_array(mdl_field(i, 9, NULL), "cluster_by", &table->cluster_count);
		table->dedupe_by = mdl_pipeline_text_array(mdl_field(i, 10, NULL), "dedupe_by", &table->dedupe_count);
		if (get_rel_relkind(table->target) == RELKIND_RELATION && get_rel_relkind(table->definition) == RELKIND_VIEW)
			tables = lappend(tables, table);
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	return tables;
}

DerivedTable *
mdl_pipeline_table(List *tables, Oid target)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		DerivedTable *table = lfirst(cell);

		if (table->target == target)
			return table;
	}
	return NULL;
}

DerivedTable *
mdl_pipeline_table_by_definition(List *tables, Oid definition)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		DerivedTable *table = lfirst(cell);

		if (table->definition == definition)
			return table;
	}
	return NULL;
}

DerivedTable *
mdl_pipeline_owned_table(const char *name)
{
	Oid			relid = mdl_relation_by_name(name, false);
	DerivedTable *table = mdl_pipeline_table(mdl_pipeline_tables(), relid);

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a derived table", mdl_display_name(relid)),
				 errhint("Derived tables are made by medallion.define and listed in medallion.tables.")));
	mdl_require_table_owner(relid);
	return table;
}

/* Returns the rules of a derived table in the order of their names. */
Rule *
mdl_pipeline_rules(Oid target, int *count)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	MdlArgs		args = {0};
	MdlUser		saved;
	Rule	   *rules;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	*count = (int) mdl_run("SELECT name, rule, expression, on_violation, null_ok, raises, mostly FROM medallion._expectations"
						   " WHERE target OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.=) 'row' ORDER BY name COLLATE \"C\"", &args, false);
	mdl_owner_end(&saved);
	old = MemoryContextSwitchTo(context);
	rules = palloc0_array(Rule, *count + 1);
	for (int i = 0; i < *count; i++)
	{
		rules[i].name = mdl_field_text(i, 0);
		rules[i].rule = mdl_field_text(i, 1);
		rules[i].expression = mdl_field_text(i, 2);
		rules[i].action = mdl_pipeline_action_by_name(mdl_field_text(i, 3));
		rules[i].null_ok = DatumGetBool(mdl_field(i, 4, NULL));
		rules[i].raises = DatumGetBool(mdl_field(i, 5, NULL));
		rules[i].mostly = DatumGetFloat8(mdl_field(i, 6, NULL));
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return rules;
}

static Datum
text_array_datum(char **texts, int count)
{
	Datum	   *elements = palloc_array(Datum, count);

	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(texts[i]);
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
store_table(const DerivedTable *table, const char *sql)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->definition), false);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->quarantine), !OidIsValid(table->quarantine));
	mdl_arg(&args, TEXTARRAYOID, text_array_datum(table->keys, table->key_count), false);
	mdl_arg(&args, INTERVALOID, table->target_lag ? IntervalPGetDatum(table->target_lag) : (Datum) 0,
			table->target_lag == NULL);
	mdl_arg_text(&args, table->on_schema_change);
	mdl_arg(&args, TEXTARRAYOID, text_array_datum(table->settings, table->setting_count), false);
	mdl_arg_bool(&args, table->downstream);
	mdl_arg(&args, TEXTARRAYOID, text_array_datum(table->indexes, table->index_count), false);
	mdl_arg(&args, TEXTARRAYOID, text_array_datum(table->cluster_by, table->cluster_count), false);
	mdl_arg(&args, TEXTARRAYOID, text_array_datum(table->dedupe_by, table->dedupe_count), false);
	mdl_owner_begin(&saved);
	mdl_run(sql, &args, false);
	mdl_owner_end(&saved);
}

void
mdl_pipeline_table_add(const DerivedTable *table)
{
	store_table(table, "INSERT INTO medallion._tables (target, definition, quarantine, keys, target_lag, on_schema_change, settings,"
				" downstream, indexes, cluster_by, dedupe_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
}

void
mdl_pipeline_table_change(const DerivedTable *table)
{
	store_table(table, "UPDATE medallion._tables SET definition = $2, quarantine = $3, keys = $4, target_lag = $5,"
				" on_schema_change = $6, settings = $7, downstream = $8, indexes = $9, cluster_by = $10, dedupe_by = $11"
				" WHERE target OPERATOR(pg_catalog.=) $1");
}

void
mdl_pipeline_table_change_lag(const DerivedTable *table)
{
	store_table(table, "UPDATE medallion._tables SET target_lag = $5, downstream = $8 WHERE target OPERATOR(pg_catalog.=) $1");
}

/* Forgets a derived table, its rules and its schedule.  The log of its refreshes stays, under the name it had. */
void
mdl_pipeline_table_remove(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	mdl_run("DELETE FROM medallion._aggregate_states WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_run("DELETE FROM medallion._expectations WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_run("DELETE FROM medallion._tables WHERE target OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_owner_end(&saved);
	mdl_job_forget_target(target);
}

bool
mdl_is_derived(Oid relid)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	bool		found;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(relid), false);
	SPI_connect();
	mdl_owner_begin(&saved);
	found = mdl_run("SELECT FROM medallion._tables WHERE target OPERATOR(pg_catalog.=) $1", &args, false) > 0;
	mdl_owner_end(&saved);
	SPI_finish();
	return found;
}
