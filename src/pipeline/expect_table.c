/*
 * expect_table.c: medallion.expect_table: rules about a derived table as a whole, their options and their records.
 *
 * A rule is a kind and options, kept as they were given; a table referred to is kept by its OID, so that it may be renamed.
 * What is checked when a rule is declared is checked again when the query of the table changes.
 */
#include "pipeline/definition_int.h"
#include "pipeline/expect_table_int.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include <math.h>

#define OPTIONS "options"

static const struct
{
	const char *name;
	const char *options[8];		/* allowed; NULL-terminated */
}			kinds[] = {
	[TABLE_ROW_COUNT] = {"row_count", {"min", "max", "max_decrease", "max_increase"}},
	[TABLE_UNIQUE] = {"unique", {"columns"}},
	[TABLE_ACCEPTED_VALUES] = {"accepted_values", {"column", "values"}},
	[TABLE_RELATIONSHIPS] = {"relationships", {"columns", "to", "to_columns"}},
	[TABLE_FRESHNESS] = {"freshness", {"column", "max_age"}},
	[TABLE_DISTRIBUTION] = {"distribution", {"column", "statistic", "quantile", "min", "max", "max_decrease", "max_increase"}}
};

static const char *const statistics[] = {
	"mean", "stddev", "min", "max", "sum", "quantile", "null_share", "distinct", "distinct_share"
};

static char *
join(const char *const *words, int count)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? "" : i < count - 1 ? ", " : " or ", words[i]);
	return text.data;
}

TableRuleKind
mdl_table_rule_kind(const char *name)
{
	const char *names[lengthof(kinds)];

	for (int i = 0; i < lengthof(kinds); i++)
	{
		names[i] = kinds[i].name;
		if (strcmp(name, names[i]) == 0)
			return (TableRuleKind) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no kind of rule about a table \"%s\"", name),
			 errhint("Use %s; for a rule about each row, medallion.expect.", join(names, lengthof(kinds)))));
}

const char *
mdl_table_rule_kind_name(TableRuleKind kind)
{
	return kinds[kind].name;
}

/* ---- options -------------------------------------------------------------------------------------------------- */

static void
missing(const TableRule *rule, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("rule \"%s\" of kind %s needs the option \"%s\"", rule->name, kinds[rule->kind].name, key)));
}

static void
parse_columns(TableRule *rule, const char *key)
{
	if (!mdl_jsonb_text_list(rule->options, OPTIONS, key, &rule->columns, &rule->column_count) || rule->column_count == 0)
		missing(rule, key);
}

static void
parse_column(TableRule *rule)
{
	rule->columns = palloc_array(char *, 1);
	if (!mdl_jsonb_text(rule->options, OPTIONS, "column", rule->columns))
		missing(rule, "column");
	rule->column_count = 1;
}

static void
parse_bound(TableRule *rule, const char *key, double *bound, bool is_share)
{
	*bound = NAN;
	if (mdl_jsonb_float8(rule->options, OPTIONS, key, bound) && is_share && *bound < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" of rule \"%s\" must not be negative, but is %g", key, rule->name, *bound),
				 errhint("It is a share of the former value: 0.1 for ten percent.")));
}

static void
parse_bounds(TableRule *rule)
{
	parse_bound(rule, "min", &rule->minimum, false);
	parse_bound(rule, "max", &rule->maximum, false);
	parse_bound(rule, "max_decrease", &rule->max_decrease, true);
	parse_bound(rule, "max_increase", &rule->max_increase, true);
	if (isnan(rule->minimum) && isnan(rule->maximum) && isnan(rule->max_decrease) && isnan(rule->max_increase))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule \"%s\" has no bound", rule->name),
				 errhint("Give one or more of the options min, max, max_decrease and max_increase.")));
	if (rule->minimum > rule->maximum)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min of rule \"%s\" is larger than its max: %g and %g", rule->name, rule->minimum, rule->maximum)));
}

static void
parse_relationships(TableRule *rule)
{
	int			count = 0;
	char	   *reference;

	parse_columns(rule, "columns");
	if (!mdl_jsonb_text(rule->options, OPTIONS, "to", &reference))
		missing(rule, "to");
	if (!OidIsValid(rule->reference))
		rule->reference = mdl_relation_by_name(reference, false);
	rule->reference_columns = rule->columns;
	if (mdl_jsonb_text_list(rule->options, OPTIONS, "to_columns", &rule->reference_columns, &count) && count != rule->column_count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule \"%s\" has %d columns and %d to_columns", rule->name, rule->column_count, count)));
}

static void
parse_distribution(TableRule *rule)
{
	bool		known = false;
	bool		has_quantile;

	parse_column(rule);
	if (!mdl_jsonb_text(rule->options, OPTIONS, "statistic", &rule->statistic))
		missing(rule, "statistic");
	for (int i = 0; i < lengthof(statistics); i++)
		known |= strcmp(rule->statistic, statistics[i]) == 0;
	if (!known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("statistic of rule \"%s\" cannot be \"%s\"", rule->name, rule->statistic),
				 errhint("Use %s.", join(statistics, lengthof(statistics)))));
	has_quantile = mdl_jsonb_float8(rule->options, OPTIONS, "quantile", &rule->quantile);
	if (has_quantile != (strcmp(rule->statistic, "quantile") == 0) || rule->quantile < 0 || rule->quantile > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"quantile\" of rule \"%s\" must be a share between 0 and 1, given if the statistic is quantile",
						rule->name)));
	parse_bounds(rule);
}

static void
parse_freshness(TableRule *rule)
{
	char	   *age;

	parse_column(rule);
	if (!mdl_jsonb_text(rule->options, OPTIONS, "max_age", &age))
		missing(rule, "max_age");
	rule->max_age = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(age), ObjectIdGetDatum(InvalidOid),
														  Int32GetDatum(-1)));
}

void
mdl_table_rule_parse(TableRule *rule)
{
	mdl_jsonb_check_keys(rule->options, OPTIONS, kinds[rule->kind].options);
	rule->minimum = rule->maximum = rule->max_decrease = rule->max_increase = NAN;
	switch (rule->kind)
	{
		case TABLE_ROW_COUNT:
			parse_bounds(rule);
			break;
		case TABLE_UNIQUE:
			parse_columns(rule, "columns");
			break;
		case TABLE_ACCEPTED_VALUES:
			parse_column(rule);
			if (!mdl_jsonb_text_list(rule->options, OPTIONS, "values", &rule->values, &rule->value_count))
				missing(rule, "values");
			break;
		case TABLE_RELATIONSHIPS:
			parse_relationships(rule);
			break;
		case TABLE_FRESHNESS:
			parse_freshness(rule);
			break;
		case TABLE_DISTRIBUTION:
			parse_distribution(rule);
			break;
	}
}

/* ---- what it is about ------------------------------------------------------------------------------------------- */

static void
check_column(const TableRule *rule, Oid relid, const char *relation, const char *column)
{
	if (get_attnum(relid, column) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("rule \"%s\" is about column \"%s\" of \"%s\", which does not exist", rule->name, column, relation)));
}

void
mdl_table_rule_check_names(const TableRule *rule, const DerivedTable *table)
{
	for (int i = 0; i < rule->column_count; i++)
		check_column(rule, table->definition, mdl_display_name(table->target), rule->columns[i]);
	if (rule->kind != TABLE_RELATIONSHIPS)
		return;
	if (get_rel_name(rule->reference) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the table that rule \"%s\" refers to does not exist any more", rule->name)));
	for (int i = 0; i < rule->column_count; i++)
		check_column(rule, rule->reference, mdl_display_name(rule->reference), rule->reference_columns[i]);
}

static void
check_type(const TableRule *rule, const DerivedTable *table)
{
	Oid			type = getBaseType(get_atttype(table->definition, get_attnum(table->definition, rule->columns[0])));
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	if (rule->kind == TABLE_FRESHNESS && !mdl_is_time(type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("freshness needs a date or time, but column \"%s\" is of type %s", rule->columns[0], format_type_be(type))));
	if (rule->kind == TABLE_DISTRIBUTION && category != TYPCATEGORY_NUMERIC && strcmp(rule->statistic, "null_share") != 0 &&
		strncmp(rule->statistic, "distinct", strlen("distinct")) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("statistic %s needs numbers, but column \"%s\" is of type %s", rule->statistic, rule->columns[0],
						format_type_be(type))));
}

typedef struct Check
{
	const TableRule *rule;
	const DerivedTable *table;
} Check;

/* Runs as the owner of the table, as the rule will. */
static void
check_rule(void *argument)
{
	const TableRule *rule = ((Check *) argument)->rule;
	const DerivedTable *table = ((Check *) argument)->table;
	SPIPlanPtr	plan;

	mdl_table_rule_check_names(rule, table);
	if (rule->kind == TABLE_ROW_COUNT)
		return;
	check_type(rule, table);
	if (rule->kind == TABLE_RELATIONSHIPS)
		mdl_require_privilege(rule->reference, ACL_SELECT);
	plan = SPI_prepare(mdl_table_rule_is_aggregate(rule) ?
					   psprintf("SELECT %s FROM ONLY %s t", mdl_table_rule_aggregate(rule, table), mdl_qualified_name(table->target))
					   : mdl_table_rule_count(rule, table), 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI could not prepare rule \"%s\": %s", rule->name, SPI_result_code_string(SPI_result));
	SPI_freeplan(plan);
}

static void
tell_rule(void *name)
{
	errcontext("rule \"%s\"", (char *) name);
}

static void
check_as_owner(const TableRule *rule, const DerivedTable *table)
{
	Check		check = {.rule = rule, .table = table};
	ErrorContextCallback callback = {.callback = tell_rule, .arg = rule->name, .previous = error_context_stack};

	error_context_stack = &callback;
	mdl_as_table_owner(table, check_rule, &check);
	error_context_stack = callback.previous;
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

TableRule *
mdl_table_rules(Oid target, int *count)
{
	MemoryContext context = CurrentMemoryContext;
	TableRule  *rules;
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	*count = (int) mdl_run("SELECT name, kind, rule, options, on_violation, null_ok, mostly, reference::pg_catalog.oid FROM medallion._expectations"
						   " WHERE target OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.<>) 'row' ORDER BY name COLLATE \"C\"",
						   &args, false);
	mdl_owner_end(&saved);
	MemoryContextSwitchTo(context);
	rules = palloc0_array(TableRule, *count + 1);
	for (int i = 0; i < *count; i++)
	{
		bool		is_null;
		Datum		reference = mdl_field(i, 7, &is_null);

		rules[i].name = mdl_field_text(i, 0);
		rules[i].kind = mdl_table_rule_kind(mdl_field_text(i, 1));
		rules[i].text = mdl_field_text(i, 2);
		rules[i].options = DatumGetJsonbPCopy(mdl_field(i, 3, NULL));
		rules[i].action = mdl_pipeline_action_by_name(mdl_field_text(i, 4));
		rules[i].null_ok = DatumGetBool(mdl_field(i, 5, NULL));
		rules[i].mostly = DatumGetFloat8(mdl_field(i, 6, NULL));
		rules[i].reference = is_null ? InvalidOid : DatumGetObjectId(reference);
	}
	SPI_freetuptable(SPI_tuptable);
	for (int i = 0; i < *count; i++)
		mdl_table_rule_parse(&rules[i]);
	return rules;
}

void
mdl_table_rules_check_again(const DerivedTable *table)
{
	int			count;
	TableRule  *rules = mdl_table_rules(table->target, &count);

	for (int i = 0; i < count; i++)
		for (int j = 0; j < rules[i].column_count; j++)
			check_column(&rules[i], table->definition, mdl_display_name(table->target), rules[i].columns[j]);
}

static void
store(Oid target, const TableRule *rule)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_arg_text(&args, rule->name);
	mdl_arg_text(&args, kinds[rule->kind].name);
	mdl_arg_text(&args, rule->text);
	mdl_arg_text(&args, mdl_pipeline_action_name(rule->action));
	mdl_arg_bool(&args, rule->null_ok);
	mdl_arg_float8(&args, rule->mostly);
	mdl_arg_jsonb(&args, rule->options);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(rule->reference), !OidIsValid(rule->reference));
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._expectations (target, name, kind, rule, expression, on_violation, null_ok, mostly, options, reference)"
			" VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8, $9)"
			" ON CONFLICT (target, name) DO UPDATE SET kind = excluded.kind, rule = excluded.rule, expression = excluded.expression,"
			" on_violation = excluded.on_violation, null_ok = excluded.null_ok, mostly = excluded.mostly, options = excluded.options,"
			" reference = excluded.reference, raises = false, declared_at = pg_catalog.now()", &args, false);
	mdl_owner_end(&saved);
}

MDL_FUNCTION(mdl_expect_table);
Datum
mdl_expect_table(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "name", "kind", "options", "on_violation", "null_ok", "mostly"};
	TableRule	rule = {0};
	DerivedTable *table;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	rule.name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	rule.kind = mdl_table_rule_kind(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	rule.options = PG_GETARG_JSONB_P(3);
	rule.action = mdl_pipeline_action_by_name(text_to_cstring(PG_GETARG_TEXT_PP(4)));
	rule.null_ok = PG_GETARG_BOOL(5);
	rule.mostly = PG_GETARG_FLOAT8(6);
	rule.text = psprintf("%s %s%s", kinds[rule.kind].name, JsonbToCString(NULL, &rule.options->root, VARSIZE(rule.options)),
						 rule.null_ok ? ", or NULL" : "");
	mdl_rule_check_name(rule.name);
	if (rule.action != RULE_WARN && rule.action != RULE_FAIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_violation of rule \"%s\" cannot be \"%s\"", rule.name, mdl_pipeline_action_name(rule.action)),
				 errdetail("A rule about a table as a whole rejects no rows: it warns, or the refresh fails."),
				 errhint("Use warn or fail; to reject rows, declare a rule for each row with medallion.expect.")));
	mdl_rule_check_mostly(rule.mostly);
	mdl_table_rule_parse(&rule);
	SPI_connect();
	table = mdl_locked_table(mdl_ruled_table, text_to_cstring(PG_GETARG_TEXT_PP(0)), ShareRowExclusiveLock);
	check_as_owner(&rule, table);
	store(table->target, &rule);
	SPI_finish();
	PG_RETURN_VOID();
}
