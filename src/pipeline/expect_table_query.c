/*
 * expect_table_query.c: what a rule about a table as a whole asks of the table, as SQL.
 *
 * Rules that are aggregates over the rows (how many have no accepted value, the mean of a column, the latest time) are
 * computed together in one pass over the table; unique and relationships take a statement each.
 */
#include "pipeline/definition_int.h"
#include "pipeline/expect_table_int.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

bool
mdl_table_rule_is_aggregate(const TableRule *rule)
{
	return rule->kind == TABLE_ACCEPTED_VALUES || rule->kind == TABLE_FRESHNESS || rule->kind == TABLE_DISTRIBUTION;
}

bool
mdl_table_rule_is_about_rows(const TableRule *rule)
{
	return rule->kind == TABLE_ACCEPTED_VALUES || rule->kind == TABLE_UNIQUE || rule->kind == TABLE_RELATIONSHIPS;
}

static Oid
column_type(Oid relid, const char *column)
{
	return getBaseType(get_atttype(relid, get_attnum(relid, column)));
}

/* "OPERATOR(schema.=)": the equality by which the two types are grouped, else what pg_catalog offers for them. */
static char *
equality(Oid left, Oid right)
{
	TypeCacheEntry *entry = lookup_type_cache(left, TYPECACHE_EQ_OPR);

	if (left != right || !OidIsValid(entry->eq_opr))
		return "OPERATOR(pg_catalog.=)";
	return mdl_operator_sql(entry->eq_opr);
}

/* ---- conditions over the rows t of the table -------------------------------------------------------------------- */

static char *
not_accepted(const TableRule *rule, const DerivedTable *table)
{
	Oid			type = column_type(table->definition, rule->columns[0]);
	char	   *type_name = mdl_type_name(type);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "(t.%s %s ANY (ARRAY[", quote_identifier(rule->columns[0]), equality(type, type));
	for (int i = 0; i < rule->value_count; i++)
		appendStringInfo(&sql, "%s%s::%s", i ? ", " : "", quote_literal_cstr(rule->values[i]), type_name);
	appendStringInfo(&sql, "]::%s[])) IS %s", type_name, rule->null_ok ? "FALSE" : "NOT TRUE");
	return sql.data;
}

static char *
refers_to_nothing(const TableRule *rule, const DerivedTable *table)
{
	StringInfoData match,
				some_null;

	initStringInfo(&match);
	initStringInfo(&some_null);
	for (int i = 0; i < rule->column_count; i++)
	{
		char	   *column = pstrdup(quote_identifier(rule->columns[i]));

		appendStringInfo(&match, "%sr.%s %s t.%s", i ? " AND " : "", quote_identifier(rule->reference_columns[i]),
						 equality(column_type(table->definition, rule->columns[i]),
								  column_type(rule->reference, rule->reference_columns[i])), column);
		appendStringInfo(&some_null, " AND t.%s IS NOT NULL", column);
	}
	return psprintf("NOT EXISTS (SELECT FROM %s r WHERE %s)%s", mdl_qualified_name(rule->reference), match.data,
					rule->null_ok ? some_null.data : "");
}

static char *
columns_of(char **columns, int count, const char *prefix)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < count; i++)
		appendStringInfo(&list, "%s%s%s", i ? ", " : "", prefix, quote_identifier(columns[i]));
	return list.data;
}

static char *
all_not_null(const TableRule *rule)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < rule->column_count; i++)
		appendStringInfo(&sql, "%st.%s IS NOT NULL", i ? " AND " : "", quote_identifier(rule->columns[i]));
	return sql.data;
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

static char *
statistic(const TableRule *rule)
{
	char	   *column = rule->column_count ? psprintf("t.%s", quote_identifier(rule->columns[0])) : NULL;

	if (strcmp(rule->statistic, "mean") == 0)
		return psprintf("pg_catalog.avg(%s)::pg_catalog.float8", column);
	if (strcmp(rule->statistic, "stddev") == 0)
		return psprintf("pg_catalog.stddev_samp(%s)::pg_catalog.float8", column);
	if (strcmp(rule->statistic, "quantile") == 0)
		return psprintf("(pg_catalog.percentile_cont(%.17g) WITHIN GROUP (ORDER BY %s::pg_catalog.float8))", rule->quantile, column);
	if (strcmp(rule->statistic, "null_share") == 0)
		return psprintf("(pg_catalog.count(*) FILTER (WHERE %s IS NULL)::pg_catalog.float8 OPERATOR(pg_catalog./)"
						" NULLIF(pg_catalog.count(*), 0)::pg_catalog.float8)", column);
	if (strcmp(rule->statistic, "distinct") == 0)
		return psprintf("pg_catalog.count(DISTINCT %s)::pg_catalog.float8", column);
	if (strcmp(rule->statistic, "distinct_share") == 0)
		return psprintf("(pg_catalog.count(DISTINCT %s)::pg_catalog.float8 OPERATOR(pg_catalog./)"
						" NULLIF(pg_catalog.count(%s), 0)::pg_catalog.float8)", column, column);
	return psprintf("pg_catalog.%s(%s)::pg_catalog.float8", rule->statistic, column);	/* min, max, sum */
}

char *
mdl_table_rule_aggregate(const TableRule *rule, const DerivedTable *table)
{
	switch (rule->kind)
	{
		case TABLE_ACCEPTED_VALUES:
			return psprintf("pg_catalog.count(*) FILTER (WHERE %s)", not_accepted(rule, table));
		case TABLE_FRESHNESS:
			return psprintf("pg_catalog.max(t.%s)::pg_catalog.timestamptz", quote_identifier(rule->columns[0]));
		case TABLE_DISTRIBUTION:
			return statistic(rule);
		default:
			elog(ERROR, "rule \"%s\" is no aggregate", rule->name);
	}
}

char *
mdl_table_rule_count(const TableRule *rule, const DerivedTable *table)
{
	char	   *from = psprintf("FROM ONLY %s t", mdl_qualified_name(table->target));

	if (rule->kind == TABLE_RELATIONSHIPS)
		return psprintf("SELECT pg_catalog.count(*) %s WHERE %s", from, refers_to_nothing(rule, table));
	return psprintf("SELECT COALESCE(pg_catalog.sum(g.n), 0)::pg_catalog.int8 FROM (SELECT pg_catalog.count(*) AS n %s WHERE %s"
					" GROUP BY %s HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1) g", from, all_not_null(rule),
					columns_of(rule->columns, rule->column_count, "t."));
}

char *
mdl_table_rule_keys(const TableRule *rule, const DerivedTable *table)
{
	char	   *keys = columns_of(table->keys, table->key_count, "t.");
	char	   *from = psprintf("ONLY %s t", mdl_qualified_name(table->target));
	char	   *condition;

	switch (rule->kind)
	{
		case TABLE_ACCEPTED_VALUES:
			condition = not_accepted(rule, table);
			break;
		case TABLE_RELATIONSHIPS:
			condition = refers_to_nothing(rule, table);
			break;
		default:
			/* The order by the columns of the rule shows rows beside those they are like. */
			from = psprintf("(SELECT t.*, pg_catalog.count(*) OVER (PARTITION BY %s) AS _medallion_n FROM %s WHERE %s) t",
							columns_of(rule->columns, rule->column_count, "t."), from, all_not_null(rule));
			condition = "t._medallion_n OPERATOR(pg_catalog.>) 1";
			return psprintf("SELECT pg_catalog.row_to_json(k.*) FROM (SELECT %s FROM %s WHERE %s ORDER BY %s, %s LIMIT %d) k",
							keys, from, condition, columns_of(rule->columns, rule->column_count, "t."), keys, MDL_KEY_SAMPLE);
	}
	return psprintf("SELECT pg_catalog.row_to_json(k.*) FROM (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d) k",
					keys, from, condition, keys, MDL_KEY_SAMPLE);
}
