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
#include "pipeline/definition_int.h"
#include "pipeline/incremental_delta_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* The rows of the table are looked up by their keys if no more than one in so many changes: a look-up costs as much as reading these. */
#define FEW_OF_TABLE 16

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

/* Whether the row of an item is used as a whole: images have a column more. */
static bool
uses_whole_row(Query *block, int rtindex)
{
	ListCell   *cell;

	foreach(cell, pull_vars_of_level((Node *) block, 0))
		if (lfirst_node(Var, cell)->varno == rtindex && lfirst_node(Var, cell)->varattno == 0)
			return true;
	return false;
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
			return uses_whole_row(block, lfirst_int(cell)) ? 0 : lfirst_int(cell);
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

/*
 * What a sum becomes by the signed rows.  Sums of small integers are kept in place by the server, so two of them are
 * cheaper than one of numerics.
 */
static char *
signed_sum_text(const DeltaColumn *column, int i)
{
	Oid			type = exprType((Node *) column->argument);
	bool		is_small = type == INT2OID || type == INT4OID;
	char	   *value = psprintf("_a%d::%s", i, is_small ? "pg_catalog.int8" : "pg_catalog.numeric");

	if (is_small && column->kind == COLUMN_SUM)
		return psprintf("COALESCE(pg_catalog.sum(_a%d)%s, 0) OPERATOR(pg_catalog.-) COALESCE(pg_catalog.sum(_a%d)%s, 0)",
						i, filter_text(column, i, "_sign OPERATOR(pg_catalog.>) 0"),
						i, filter_text(column, i, "_sign OPERATOR(pg_catalog.<) 0"));
	if (column->kind == COLUMN_SQUARES)
		value = psprintf("(%s OPERATOR(pg_catalog.*) %s)", value, value);
	return psprintf("pg_catalog.sum(CASE WHEN _sign OPERATOR(pg_catalog.>) 0 THEN %s ELSE OPERATOR(pg_catalog.-) %s END)%s",
					value, value, filter_text(column, i, "true"));
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
	appendStringInfo(&sql, "SELECT %s, %s AS _key, pg_catalog.sum(_sign) AS _rows", keys.data,
					 aggregates->hidden ? mdl_aggregates_key(table, "") : "NULL");
	for (int i = 0; i < aggregates->count; i++)
	{
		const DeltaColumn *column = &aggregates->columns[i];
		const char *function = column->kind == COLUMN_MIN ? "min" : "max";

		if (column->kind == COLUMN_COUNT)
			appendStringInfo(&sql, ", pg_catalog.sum(_sign)%s AS _d%d", filter_text(column, i, "true"), i);
		else if (column->kind == COLUMN_SUM || column->kind == COLUMN_SQUARES)
			appendStringInfo(&sql, ", %s AS _d%d", signed_sum_text(column, i), i);
		else if (column->kind == COLUMN_MIN || column->kind == COLUMN_MAX)
			appendStringInfo(&sql, ", pg_catalog.%s(_a%d)%s AS _d%d, pg_catalog.%s(_a%d)%s AS _o%d",
							 function, i, filter_text(column, i, "_sign OPERATOR(pg_catalog.>) 0"), i,
							 function, i, filter_text(column, i, "_sign OPERATOR(pg_catalog.<) 0"), i);
	}
	appendStringInfo(&sql, " FROM medallion_signed WHERE _sign OPERATOR(pg_catalog.<>) 0 GROUP BY %s", keys.data);
	return sql.data;
}

static Deltas *
compute_deltas(const DerivedTable *table, TupleDesc columns, const KeyColumn *keys, Query *query, List *changed,
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

/*
 * Columns of the statement that finds the new rows: whether the group is in doubt, its place, its values as they are now,
 * those it has (NULL if it has none or goes), its hidden key and values.
 */
typedef struct TakeReceiver
{
	DestReceiver dest;			/* must be first */
	DerivedResult *result;
	struct
	{
		bool		by_value;
		int16		length;
	}		   *images;			/* (columns) */
	Datum	   *placed;			/* (1 + columns) */
	bool	   *placed_nulls;
	bool		doubt;
} TakeReceiver;

/* Whether two values of a column are stored alike. */
static bool
same_image(const TakeReceiver *receiver, int i, Datum a, bool a_null, Datum b, bool b_null)
{
	return a_null == b_null && (a_null || datum_image_eq(a, b, receiver->images[i].by_value, receiver->images[i].length));
}

static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	TakeReceiver *receiver = (TakeReceiver *) self;
	DerivedResult *result = receiver->result;
	int			columns = result->columns->natts;
	AttrNumber	key = result->key_columns[0] - 1;
	bool		differs;
	Datum	   *former;
	bool	   *former_nulls;
	Datum	   *now;
	bool	   *now_nulls;

	slot_getallattrs(slot);
	receiver->doubt = DatumGetBool(slot->tts_values[0]);
	if (receiver->doubt)
		return false;
	result->rows++;
	former = slot->tts_values + 2;
	former_nulls = slot->tts_isnull + 2;
	now = former + columns;
	now_nulls = former_nulls + columns;
	if (slot->tts_isnull[1] && now_nulls[key])
		return true;			/* came and went */
	differs = slot->tts_isnull[1] || now_nulls[key];
	for (int i = 0; i < columns && !differs; i++)
		differs = !same_image(receiver, i, former[i], former_nulls[i], now[i], now_nulls[i]);
	if (differs)
	{
		receiver->placed[0] = slot->tts_values[1];
		receiver->placed_nulls[0] = slot->tts_isnull[1];
		memcpy(receiver->placed + 1, now, sizeof(Datum) * columns);
		memcpy(receiver->placed_nulls + 1, now_nulls, sizeof(bool) * columns);
		mdl_differences_take(result->differences, receiver->placed, receiver->placed_nulls);
	}
	if (result->hidden && !now_nulls[key])
		tuplestore_putvalues(result->hidden->values.rows, result->hidden->values.columns, now + columns, now_nulls + columns);
	return true;
}

static TakeReceiver
take_receiver(DerivedResult *result)
{
	TakeReceiver receiver = {.dest = mdl_row_receiver(take_row), .result = result};
	int			columns = result->columns->natts;

	receiver.images = palloc_array(typeof(*receiver.images), columns);
	receiver.placed = palloc_array(Datum, columns + 1);
	receiver.placed_nulls = palloc_array(bool, columns + 1);
	for (int i = 0; i < columns; i++)
	{
		receiver.images[i].by_value = TupleDescAttr(result->columns, i)->attbyval;
		receiver.images[i].length = TupleDescAttr(result->columns, i)->attlen;
	}
	return receiver;
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

/* Whether rather few rows of the table have deltas. */
static bool
are_few(const DerivedTable *table, const Deltas *deltas)
{
	Relation	target = table_open(table->target, AccessShareLock);
	BlockNumber pages;
	double		rows,
				visible;

	estimate_rel_size(target, NULL, &pages, &rows, &visible);
	table_close(target, NoLock);
	return tuplestore_tuple_count(deltas->rows.rows) < rows / FEW_OF_TABLE;
}

/*
 * "deltas n LEFT JOIN table t".  The planner knows nothing of what is in the deltas, and would rather hash all of the table.  Few
 * are looked up by their key.  Otherwise the table is read, past the deltas in a hash table, and what they are joined by is
 * said to be distinct, which it is, since the planner does not hash what may be all the same.  The settings for that end
 * with AtEOXact_GUC(false, *settings).
 */
static char *
join_table(const DerivedTable *table, const Deltas *deltas, int *settings)
{
	static const char *const by_key[] = {"enable_seqscan", NULL};
	static const char *const by_hash[] = {"enable_nestloop", "enable_mergejoin", NULL};
	bool		few = are_few(table, deltas);
	StringInfoData keys;

	*settings = NewGUCNestLevel();
	for (const char *const *off = few ? by_key : by_hash; *off; off++)
		(void) set_config_option(*off, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	initStringInfo(&keys);
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&keys, "%s%s", i ? ", " : "", quote_identifier(table->keys[i]));
	return psprintf("%s n LEFT JOIN ONLY %s t ON %s",
					few ? "medallion_deltas" : psprintf("(SELECT DISTINCT ON (%s) * FROM medallion_deltas)", keys.data),
					mdl_qualified_name(table->target), mdl_key_condition(table, deltas->keys));
}

/* Runs the statement that takes the groups with deltas from what they are to what they become; false if one is in doubt. */
static bool
take_rows(DerivedResult *result, const Deltas *deltas)
{
	const Aggregates *aggregates = &deltas->aggregates;
	const DerivedTable *table = result->table;
	TakeReceiver receiver = take_receiver(result);
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.dest};
	char	   *rows = count_text(aggregates, aggregates->rows_column);
	StringInfoData sql;
	int			settings;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT (%s) IS TRUE, t.ctid, %s", doubt_text(aggregates, table), mdl_column_list(result->columns, "t."));
	for (int i = 0; i < aggregates->shown; i++)
		appendStringInfo(&sql, ", CASE WHEN %s OPERATOR(pg_catalog.<>) 0 THEN %s END", rows, column_text(aggregates, i));
	appendStringInfo(&sql, "%s FROM %s%s", hidden_text(aggregates), join_table(table, deltas, &settings), join_hidden(aggregates));
	if (SPI_execute_extended(sql.data, &options) < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql.data, SPI_result_code_string(SPI_result));
	AtEOXact_GUC(false, settings);
	return !receiver.doubt;
}

/* What the deltas make of the table; NULL if a group is in doubt. */
static DerivedResult *
deltas_result(const DerivedTable *table, const Deltas *deltas)
{
	const Aggregates *aggregates = &deltas->aggregates;
	DerivedResult *result = mdl_result_begin(table);
	StoredRows	former;
	bool		taken;

	result->follows = true;
	result->differences = mdl_differences_begin(result);
	mdl_offer_rows("medallion_deltas", deltas->rows.rows, deltas->rows.columns);
	if (aggregates->hidden)
	{
		mdl_hidden_begin(result, aggregates->hidden, "SELECT n._key FROM medallion_deltas n");
		mdl_hidden_read(result, &former);
		mdl_offer_rows("medallion_hidden", former.rows, former.columns);
	}
	taken = take_rows(result, deltas);
	if (aggregates->hidden)
	{
		SPI_unregister_relation("medallion_hidden");
		tuplestore_end(former.rows);
	}
	SPI_unregister_relation("medallion_deltas");
	if (taken)
		return result;
	mdl_result_free(result);
	return NULL;
}

DerivedResult *
mdl_deltas_follow(const DerivedTable *table, TupleDesc columns, const KeyColumn *keys, Query *query, List *changed,
				  const char *hidden)
{
	Deltas	   *deltas = compute_deltas(table, columns, keys, query, changed, hidden);
	DerivedResult *result;

	if (deltas == NULL)
		return NULL;
	result = tuplestore_tuple_count(deltas->rows.rows) > 0 ? deltas_result(table, deltas) : NULL;
	tuplestore_end(deltas->rows.rows);
	return result;
}
