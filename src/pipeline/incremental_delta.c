/*
 * incremental_delta.c: aggregates from what they were and what has changed, without reading the source.
 *
 * Where one source changed and what changed of it is known exactly, its old images taken off and its new ones added are the
 * change of each group.  With the former values, those in the table and the hidden ones, that makes the new values
 * (incremental_aggregate.c says which aggregates allow it).
 *
 * Words: *signed rows* are the images that the query would group, each 1 or -1 times; *deltas* are what they add to each
 * group.
 */
#include "pipeline/incremental_delta_int.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

typedef struct Deltas
{
	Aggregates	aggregates;
	const KeyColumn *keys;
	StoredRows	rows;			/* the keys, _key, _rows, _d1, _o1, … of each group that changes */
} Deltas;

/* ---- whether the query allows it ------------------------------------------------------------------------------- */

/* Collects the items of inner joins; false if there is another join. */
static bool
collect_items(Node *node, List **items)
{
	ListCell   *cell;

	if (IsA(node, RangeTblRef))
		*items = lappend_int(*items, ((RangeTblRef *) node)->rtindex);
	else if (IsA(node, JoinExpr))
		return ((JoinExpr *) node)->jointype == JOIN_INNER && collect_items(((JoinExpr *) node)->larg, items) &&
			collect_items(((JoinExpr *) node)->rarg, items);
	else
		foreach(cell, ((FromExpr *) node)->fromlist)
			if (!collect_items(lfirst(cell), items))
				return false;
	return true;
}

typedef struct Occurrences
{
	Oid			relid;
	int			count;
} Occurrences;

static bool
count_occurrences(Node *node, Occurrences *occurrences)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, count_occurrences, occurrences, QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
	{
		occurrences->count += ((RangeTblEntry *) node)->rtekind == RTE_RELATION && ((RangeTblEntry *) node)->relid == occurrences->relid;
		return false;
	}
	return expression_tree_walker(node, count_occurrences, occurrences);
}

/* The place of the changed table among the items of the block, if it is there and nowhere else; else 0. */
static int
changed_item(Query *block, const ChangedSource *source)
{
	Occurrences occurrences = {.relid = source->relid};
	List	   *items = NIL;
	ListCell   *cell;

	count_occurrences((Node *) block, &occurrences);
	if (occurrences.count != 1 || !collect_items((Node *) block->jointree, &items))
		return 0;
	foreach(cell, items)
	{
		RangeTblEntry *entry = list_nth_node(RangeTblEntry, block->rtable, lfirst_int(cell) - 1);

		if (entry->rtekind == RTE_RELATION && entry->relid == source->relid)
			return lfirst_int(cell);
		if (entry->lateral)
			return 0;
	}
	return 0;
}

/* ---- signed rows ------------------------------------------------------------------------------------------------- */

static TargetEntry *
named(Expr *expression, List *targets, char *name)
{
	return makeTargetEntry(copyObject(expression), list_length(targets) + 1, name, false);
}

/* What the query groups, of the images: the keys under their names, _sign, and per aggregate _a (argument), _f (filter). */
static Query *
signed_query(const Aggregates *aggregates, const ChangedSource *source, int rtindex)
{
	Query	   *block = aggregates->block;
	Query	   *query = makeNode(Query);
	Var		   *sign = makeVar(rtindex, source->image_columns->natts, INT4OID, -1, InvalidOid, 0);

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = copyObject(block->rtable);
	query->jointree = copyObject(block->jointree);
	lfirst(list_nth_cell(query->rtable, rtindex - 1)) =
		mdl_images_entry(source, list_nth_node(RangeTblEntry, block->rtable, rtindex - 1), true);
	query->targetList = list_make1(named((Expr *) sign, NIL, "_sign"));
	for (int i = 0; i < aggregates->count; i++)
	{
		const DeltaColumn *column = &aggregates->columns[i];

		if (column->kind == COLUMN_KEY)
		{
			TargetEntry *target = list_nth_node(TargetEntry, block->targetList, i);

			query->targetList = lappend(query->targetList, named(target->expr, query->targetList, column->name));
			continue;
		}
		if (column->argument)
			query->targetList = lappend(query->targetList, named(column->argument, query->targetList, psprintf("_a%d", i)));
		if (column->filter)
			query->targetList = lappend(query->targetList, named(column->filter, query->targetList, psprintf("_f%d", i)));
	}
	return query;
}

/* "FILTER (WHERE …)" of an aggregate over the signed rows. */
static char *
filter_text(const DeltaColumn *column, int i, const char *further)
{
	return psprintf(" FILTER (WHERE %s%s%s)", further, column->argument ? psprintf(" AND _a%d IS DISTINCT FROM NULL", i) : "",
					column->filter ? psprintf(" AND _f%d", i) : "");
}

/* Sums the signed rows up per group. */
static char *
deltas_text(const Aggregates *aggregates, const DerivedTable *table)
{
	StringInfoData sql,
				keys;

	initStringInfo(&sql);
	initStringInfo(&keys);
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&keys, "%s%s", i ? ", " : "", quote_identifier(table->keys[i]));
	appendStringInfo(&sql, "SELECT %s, %s AS _key, pg_catalog.sum(_sign) AS _rows", keys.data, mdl_aggregates_key(table, ""));
	for (int i = 0; i < aggregates->count; i++)
	{
		const DeltaColumn *column = &aggregates->columns[i];
		const char *function = column->kind == COLUMN_MIN ? "min" : "max";
		char	   *value = psprintf("_a%d::pg_catalog.numeric", i);

		if (column->kind == COLUMN_SQUARES)
			value = psprintf("%s OPERATOR(pg_catalog.*) %s", value, value);
		if (column->kind == COLUMN_COUNT)
			appendStringInfo(&sql, ", pg_catalog.sum(_sign)%s AS _d%d", filter_text(column, i, "true"), i);
		else if (column->kind == COLUMN_SUM || column->kind == COLUMN_SQUARES)
			appendStringInfo(&sql, ", pg_catalog.sum(_sign::pg_catalog.numeric OPERATOR(pg_catalog.*) %s)%s AS _d%d",
							 value, filter_text(column, i, "true"), i);
		else if (column->kind == COLUMN_MIN || column->kind == COLUMN_MAX)
			appendStringInfo(&sql, ", pg_catalog.%s(_a%d)%s AS _d%d, pg_catalog.%s(_a%d)%s AS _o%d",
							 function, i, filter_text(column, i, "_sign OPERATOR(pg_catalog.>) 0"), i,
							 function, i, filter_text(column, i, "_sign OPERATOR(pg_catalog.<) 0"), i);
	}
	appendStringInfo(&sql, " FROM medallion_signed WHERE _sign OPERATOR(pg_catalog.<>) 0 GROUP BY %s", keys.data);
	return sql.data;
}

Deltas *
mdl_deltas_compute(const DerivedTable *table, TupleDesc columns, const KeyColumn *keys, Query *query, List *changed,
				   const char *hidden)
{
	ChangedSource *source = list_length(changed) == 1 ? linitial(changed) : NULL;
	Deltas	   *deltas = palloc0_object(Deltas);
	Aggregates *aggregates = &deltas->aggregates;
	StoredRows	images;
	int			rtindex;

	if (source == NULL || !source->exact || !mdl_aggregates_describe(table, columns, query, aggregates) ||
		(rtindex = changed_item(aggregates->block, source)) == 0)
		return NULL;
	if (aggregates->hidden && (hidden == NULL || strcmp(aggregates->hidden, hidden) != 0))
		return NULL;
	deltas->keys = keys;
	if (mdl_run_guarded(signed_query(aggregates, source, rtindex), changed, 0, mdl_store_receiver(&images)) != NULL)
	{
		tuplestore_end(images.rows);
		return NULL;
	}
	mdl_offer_rows("medallion_signed", images.rows, images.columns);
	mdl_store_query(&deltas->rows, deltas_text(aggregates, table), NULL);
	SPI_unregister_relation("medallion_signed");
	tuplestore_end(images.rows);
	return deltas;
}

/* ---- the new values ------------------------------------------------------------------------------------------------ */

/* The former value. */
static char *
former_text(const DeltaColumn *column)
{
	return column->hidden ? psprintf("h.hidden[%d]", column->hidden) : psprintf("t.%s", quote_identifier(column->name));
}

/* How many rows, or values, there are now. */
static char *
count_text(const Aggregates *aggregates, int i)
{
	return psprintf("(COALESCE(%s, 0) OPERATOR(pg_catalog.+) COALESCE(n.%s, 0))", former_text(&aggregates->columns[i]),
					i == aggregates->rows_column ? "_rows" : psprintf("_d%d", i));
}

static char *
sum_text(const Aggregates *aggregates, int i)
{
	return psprintf("(COALESCE(%s, 0)::pg_catalog.numeric OPERATOR(pg_catalog.+) COALESCE(n._d%d, 0))",
					former_text(&aggregates->columns[i]), i);
}

static char *
bool_text(bool value)
{
	return value ? "true" : "false";
}

/* The new value; of a hidden column a numeric. */
static char *
column_text(const Aggregates *aggregates, int i)
{
	const DeltaColumn *column = &aggregates->columns[i];
	const char *name = column->name ? quote_identifier(column->name) : NULL;
	const char *type = column->hidden ? "pg_catalog.numeric" : column->type;

	switch (column->kind)
	{
		case COLUMN_KEY:
			return psprintf("COALESCE(t.%s, n.%s)", name, name);
		case COLUMN_COUNT:
			return psprintf("%s::%s", count_text(aggregates, i), type);
		case COLUMN_SUM:
			if (!column->hidden)
				return psprintf("CASE WHEN %s OPERATOR(pg_catalog.<>) 0 THEN %s::%s END",
								count_text(aggregates, column->counter), sum_text(aggregates, i), type);
			/* FALLTHROUGH */
		case COLUMN_SQUARES:
			return sum_text(aggregates, i);
		case COLUMN_AVG:
			return psprintf("CASE WHEN %s OPERATOR(pg_catalog.<>) 0 THEN %s OPERATOR(pg_catalog./) %s::pg_catalog.numeric END",
							count_text(aggregates, column->counter), sum_text(aggregates, column->summer),
							count_text(aggregates, column->counter));
		case COLUMN_SPREAD:
			return psprintf("medallion._spread(%s, %s, %s, %s, %s)", count_text(aggregates, column->counter),
							sum_text(aggregates, column->summer), sum_text(aggregates, column->squarer),
							bool_text(column->is_sample), bool_text(column->is_root));
		case COLUMN_MIN:
			return psprintf("LEAST(t.%s, n._d%d)", name, i);
		case COLUMN_MAX:
			return psprintf("GREATEST(t.%s, n._d%d)", name, i);
	}
	return NULL;
}

/* A condition that holds for a group, t and h joined with n, that must be computed from its rows. */
static char *
doubt_text(const Aggregates *aggregates, const DerivedTable *table)
{
	char	   *rows = count_text(aggregates, aggregates->rows_column);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s OPERATOR(pg_catalog.<) 0", rows);
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&text, " OR n.%s IS NOT DISTINCT FROM NULL", quote_identifier(table->keys[i]));
	if (aggregates->hidden)
		appendStringInfo(&text, " OR (t.%s IS NOT DISTINCT FROM NULL) OPERATOR(pg_catalog.<>) (h.key IS NULL)", quote_identifier(table->keys[0]));
	for (int i = 0; i < aggregates->count; i++)
	{
		const DeltaColumn *column = &aggregates->columns[i];
		const char *former = former_text(column);

		if (column->is_numeric && column->kind == COLUMN_SUM)
			appendStringInfo(&text, " OR %s OPERATOR(pg_catalog.=) 'NaN' OR n._d%d OPERATOR(pg_catalog.=) 'NaN'", former, i);
		else if (column->kind == COLUMN_MIN || column->kind == COLUMN_MAX)
			appendStringInfo(&text, " OR (n._o%d IS NOT NULL AND %s OPERATOR(pg_catalog.<>) 0 AND"
							 " (%s IS NULL OR %s(%s, n._o%d) IS NOT DISTINCT FROM n._o%d))", i, rows, former,
							 column->kind == COLUMN_MIN ? "LEAST" : "GREATEST", former, i, i);
	}
	return text.data;
}

/* ---- the result ---------------------------------------------------------------------------------------------------- */

typedef struct TakeReceiver
{
	DestReceiver dest;			/* must be first */
	DerivedResult *result;
} TakeReceiver;

/* Takes a row, behind whose columns are the key and the hidden values, NULL for a group that has not changed. */
static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	DerivedResult *result = ((TakeReceiver *) self)->result;
	int			columns = result->columns->natts;

	slot_getallattrs(slot);
	mdl_result_take(result, slot->tts_values, slot->tts_isnull, NULL, NULL);
	if (result->hidden && !slot->tts_isnull[columns])
		tuplestore_putvalues(result->hidden->values.rows, result->hidden->values.columns, slot->tts_values + columns,
							 slot->tts_isnull + columns);
	return true;
}

static void
take_startup(DestReceiver *self, int operation, TupleDesc columns)
{
}

static void
take_shutdown(DestReceiver *self)
{
}

/* ", key, values" of the hidden columns. */
static char *
hidden_text(const Aggregates *aggregates)
{
	StringInfoData text;

	initStringInfo(&text);
	if (aggregates->hidden == NULL)
		return text.data;
	appendStringInfoString(&text, ", n._key, ARRAY[");
	for (int i = aggregates->shown; i < aggregates->count; i++)
		appendStringInfo(&text, "%s%s", i > aggregates->shown ? ", " : "", column_text(aggregates, i));
	appendStringInfoString(&text, "]");
	return text.data;
}

/* What the deltas are joined with to find the former values that are hidden. */
static char *
join_hidden(const Aggregates *aggregates)
{
	return aggregates->hidden ? " LEFT JOIN medallion_hidden h ON h.key OPERATOR(pg_catalog.=) n._key" : "";
}

/* Runs the statement whose rows are those of the units now. */
static void
take_rows(DerivedResult *result, const Deltas *deltas)
{
	const Aggregates *aggregates = &deltas->aggregates;
	TakeReceiver receiver = {
		.dest = {.receiveSlot = take_row, .rStartup = take_startup, .rShutdown = take_shutdown, .rDestroy = take_shutdown,
		.mydest = DestNone},
		.result = result
	};
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.dest, .params = mdl_units_params(result->units)};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < aggregates->shown; i++)
	{
		const DeltaColumn *column = &aggregates->columns[i];

		if (column->kind == COLUMN_KEY)
			appendStringInfo(&sql, "%s%s", i ? ", " : "", column_text(aggregates, i));
		else
			appendStringInfo(&sql, "%sCASE WHEN n._rows IS NULL THEN t.%s ELSE %s END", i ? ", " : "",
							 quote_identifier(column->name), column_text(aggregates, i));
	}
	appendStringInfo(&sql, "%s FROM (SELECT t.* FROM ONLY %s t WHERE %s) t FULL JOIN medallion_deltas n ON %s%s"
					 " WHERE n._rows IS NULL OR %s OPERATOR(pg_catalog.<>) 0", hidden_text(aggregates),
					 mdl_qualified_name(result->table->target), mdl_units_condition(result->units, "t."),
					 mdl_key_condition(result->table, deltas->keys), join_hidden(aggregates),
					 count_text(aggregates, aggregates->rows_column));
	if (SPI_execute_extended(sql.data, &options) < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql.data, SPI_result_code_string(SPI_result));
}

DerivedResult *
mdl_deltas_result(const DerivedTable *table, const Units *units, Deltas *deltas, Snapshot snapshot)
{
	const Aggregates *aggregates = &deltas->aggregates;
	DerivedResult *result = mdl_result_begin(table);
	StoredRows	former;
	bool		doubt;

	result->units = units;
	result->follows = true;
	mdl_offer_rows("medallion_deltas", deltas->rows.rows, deltas->rows.columns);
	if (aggregates->hidden)
	{
		mdl_hidden_begin(result, aggregates->hidden, "SELECT n._key FROM medallion_deltas n");
		mdl_hidden_read(result, &former);
		mdl_offer_rows("medallion_hidden", former.rows, former.columns);
	}
	/* Counted, not looked for: there will be none, and with LIMIT 1 the planner counts on finding one soon. */
	doubt = mdl_run_under_snapshot(psprintf("SELECT FROM (SELECT pg_catalog.count(*) FROM medallion_deltas n LEFT JOIN ONLY %s t ON %s%s"
											" WHERE %s) d (n) WHERE n OPERATOR(pg_catalog.>) 0",
											mdl_qualified_name(table->target), mdl_key_condition(table, deltas->keys),
											join_hidden(aggregates), doubt_text(aggregates, table)), NULL, snapshot) > 0;
	if (!doubt)
		take_rows(result, deltas);
	if (aggregates->hidden)
	{
		SPI_unregister_relation("medallion_hidden");
		tuplestore_end(former.rows);
	}
	SPI_unregister_relation("medallion_deltas");
	if (!doubt)
		return result;
	mdl_result_free(result);
	return NULL;
}

void
mdl_deltas_free(Deltas *deltas)
{
	tuplestore_end(deltas->rows.rows);
}
