/*
 * definition_dedupe.c: dedupe_by of medallion.define: of several rows of the query with one key, the latest.
 *
 * The query is kept inside another one, which numbers the rows of each key from the latest on and takes the first.  So the
 * definition shows what is done, and an incremental refresh knows it as any window over the key.  Rows that dedupe_by does not
 * tell apart are told apart by their other columns, so that the answer does not depend on the plan.  Rows without a key are all
 * kept, for rules to reject.
 */
#include "pipeline/definition_int.h"

#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

static bool
has_order(const TargetEntry *entry)
{
	return OidIsValid(lookup_type_cache(exprType((Node *) entry->expr), TYPECACHE_LT_OPR)->lt_opr);
}

static void
check_columns(const DerivedTable *table, const Query *query, const char *target)
{
	for (int i = 0; i < table->dedupe_count; i++)
	{
		const TargetEntry *found = NULL;
		ListCell   *cell;

		foreach(cell, query->targetList)
		{
			TargetEntry *entry = lfirst_node(TargetEntry, cell);

			if (!entry->resjunk && strcmp(entry->resname, table->dedupe_by[i]) == 0)
				found = entry;
		}
		if (found == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of dedupe_by is not a column of the query of \"%s\"", table->dedupe_by[i], target)));
		if (!has_order(found))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of \"%s\" has type %s, which has no order, and cannot be in dedupe_by", table->dedupe_by[i],
							target, format_type_be(exprType((Node *) found->expr)))));
	}
}

/* "q.a DESC NULLS LAST, …": the columns of dedupe_by, then all others that have an order. */
static char *
latest_first(const DerivedTable *table, const Query *query)
{
	StringInfoData order;
	ListCell   *cell;

	initStringInfo(&order);
	for (int i = 0; i < table->dedupe_count; i++)
		appendStringInfo(&order, "%sq.%s DESC NULLS LAST", i ? ", " : "", quote_identifier(table->dedupe_by[i]));
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk && !mdl_is_one_of(entry->resname, table->keys, table->key_count) &&
			!mdl_is_one_of(entry->resname, table->dedupe_by, table->dedupe_count) && has_order(entry))
			appendStringInfo(&order, ", q.%s DESC NULLS LAST", quote_identifier(entry->resname));
	}
	return order.data;
}

char *
mdl_dedupe_query(const DerivedTable *table, const char *text, const Query *query, const char *target)
{
	RawStmt    *statement;
	StringInfoData sql,
				keys,
				no_key;
	ListCell   *cell;

	if (table->dedupe_count == 0)
		return pstrdup(text);
	check_columns(table, query, target);
	statement = mdl_definition_query_parse(text, target);
	initStringInfo(&sql);
	initStringInfo(&keys);
	initStringInfo(&no_key);
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk)
			appendStringInfo(&sql, "%s%s", sql.len ? ", " : "SELECT ", quote_identifier(entry->resname));
	}
	for (int i = 0; i < table->key_count; i++)
	{
		appendStringInfo(&keys, "%sq.%s", i ? ", " : "", quote_identifier(table->keys[i]));
		appendStringInfo(&no_key, " OR %s IS NULL", quote_identifier(table->keys[i]));
	}
	appendStringInfo(&sql, " FROM (SELECT q.*, pg_catalog.row_number() OVER (PARTITION BY %s ORDER BY %s) AS _medallion_place FROM (\n%.*s\n) AS q) AS p"
					 " WHERE _medallion_place OPERATOR(pg_catalog.=) 1%s", keys.data, latest_first(table, query),
					 statement->stmt_len ? statement->stmt_len : (int) strlen(text + statement->stmt_location),
					 text + statement->stmt_location, no_key.data);
	return sql.data;
}
