/*
 * incremental_delta.c: aggregates from what they were and what has changed, without reading the source.
 *
 * Where one source changed and what changed of it is known exactly, its old images taken off and its new ones added are the
 * change of each group: count, sum and avg of integers and of numerics of one scale follow from their former values, and
 * min and max unless a value as extreme was taken away.  The former values are those in the table, so the query must
 * show what is needed: count(*), to know when a group is gone; for sum(x) a column that cannot be NULL or count(x); for
 * avg(x) both sum(x) and its count.  All is exact: nothing is done with floating-point numbers.
 *
 * Words: *signed rows* are the images that the query would group, each 1 or -1 times; *deltas* are what they add to each
 * group.
 */
#include "pipeline/incremental_int.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef enum ColumnKind
{
	COLUMN_KEY,
	COLUMN_COUNT,
	COLUMN_SUM,
	COLUMN_AVG,
	COLUMN_MIN,
	COLUMN_MAX
} ColumnKind;

typedef struct DeltaColumn
{
	ColumnKind	kind;
	char	   *name;
	char	   *type;			/* as written in SQL */
	Aggref	   *aggregate;		/* NULL for a key */
	Expr	   *argument;		/* NULL for count(*) */
	int			counter;		/* sum, avg: the column that counts the values */
	int			summer;			/* avg: the column that sums them */
	bool		is_numeric;		/* the sum may be NaN */
} DeltaColumn;

typedef struct Deltas
{
	int			count;
	DeltaColumn *columns;		/* (count) of the definition, in order */
	int			rows_column;	/* count(*) */
	const KeyColumn *keys;
	TupleDesc	row_columns;	/* the keys, _rows, _d1, _o1, … */
	Tuplestorestate *rows;
} Deltas;

/* ---- rows into memory ------------------------------------------------------------------------------------------ */

typedef struct StoreReceiver
{
	DestReceiver dest;			/* must be first */
	Tuplestorestate *rows;
	TupleDesc	columns;
	MemoryContext context;		/* of columns */
} StoreReceiver;

static void
store_startup(DestReceiver *self, int operation, TupleDesc columns)
{
	StoreReceiver *receiver = (StoreReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);

	receiver->columns = CreateTupleDescCopy(columns);
	MemoryContextSwitchTo(old);
}

static bool
store_row(TupleTableSlot *slot, DestReceiver *self)
{
	tuplestore_puttupleslot(((StoreReceiver *) self)->rows, slot);
	return true;
}

static void
store_shutdown(DestReceiver *self)
{
}

static StoreReceiver *
store_receiver(void)
{
	StoreReceiver *receiver = palloc0_object(StoreReceiver);

	receiver->dest.receiveSlot = store_row;
	receiver->dest.rStartup = store_startup;
	receiver->dest.rShutdown = receiver->dest.rDestroy = store_shutdown;
	receiver->dest.mydest = DestNone;
	receiver->rows = tuplestore_begin_heap(false, false, work_mem);
	receiver->context = CurrentMemoryContext;
	return receiver;
}

/* ---- whether the query allows it ------------------------------------------------------------------------------- */

/* The query of the definition within "SELECT columns FROM definition". */
static Query *
definition_block(Query *query)
{
	RangeTblRef *ref;
	RangeTblEntry *entry;

	if (list_length(query->jointree->fromlist) != 1 || query->jointree->quals || !IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return NULL;
	ref = linitial_node(RangeTblRef, query->jointree->fromlist);
	entry = list_nth_node(RangeTblEntry, query->rtable, ref->rtindex - 1);
	return entry->rtekind == RTE_SUBQUERY ? entry->subquery : NULL;
}

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

static bool
is_not_null(Query *block, const Expr *expression)
{
	const Var  *var = (const Var *) expression;
	RangeTblEntry *entry;
	HeapTuple	tuple;
	bool		result;

	if (!IsA(expression, Var) || var->varlevelsup > 0 || var->varattno <= 0)
		return false;
	entry = list_nth_node(RangeTblEntry, block->rtable, var->varno - 1);
	if (entry->rtekind != RTE_RELATION)
		return false;
	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(entry->relid), Int16GetDatum(var->varattno));
	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}

/* Fills in what an aggregate is; false if it does not follow from changes. */
static bool
describe_aggregate(DeltaColumn *column, Aggref *aggregate)
{
	char	   *name = get_func_name(aggregate->aggfnoid);

	if (aggregate->aggorder || aggregate->aggdistinct || aggregate->aggdirectargs || aggregate->agglevelsup > 0 ||
		get_func_namespace(aggregate->aggfnoid) != PG_CATALOG_NAMESPACE || list_length(aggregate->args) > 1)
		return false;
	column->aggregate = aggregate;
	column->argument = aggregate->args ? linitial_node(TargetEntry, aggregate->args)->expr : NULL;
	switch (aggregate->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			column->kind = COLUMN_COUNT;
			return true;
		case F_SUM_NUMERIC:
		case F_AVG_NUMERIC:
			/* Of one scale, or the scale of the sum would depend on which values are left. */
			if (exprTypmod((Node *) column->argument) < (int32) VARHDRSZ)
				return false;
			column->is_numeric = true;
			column->kind = aggregate->aggfnoid == F_SUM_NUMERIC ? COLUMN_SUM : COLUMN_AVG;
			return true;
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_SUM_INT8:
			column->kind = COLUMN_SUM;
			return true;
		case F_AVG_INT2:
		case F_AVG_INT4:
		case F_AVG_INT8:
			column->kind = COLUMN_AVG;
			return true;
	}
	if (strcmp(name, "min") != 0 && strcmp(name, "max") != 0)
		return false;
	column->kind = strcmp(name, "min") == 0 ? COLUMN_MIN : COLUMN_MAX;
	return mdl_equal_is_same(exprType((Node *) column->argument), aggregate->inputcollid);
}

static bool
same_values(const DeltaColumn *one, const DeltaColumn *other)
{
	return equal(one->argument, other->argument) && equal(one->aggregate->aggfilter, other->aggregate->aggfilter);
}

/* Finds the columns that tell how many values a sum or an average has, and the sum of an average. */
static bool
find_companions(Deltas *deltas, Query *block, DeltaColumn *column)
{
	column->counter = column->summer = -1;
	for (int i = 0; i < deltas->count; i++)
	{
		DeltaColumn *other = &deltas->columns[i];

		if (other->kind == COLUMN_COUNT && same_values(column, other))
			column->counter = i;
		if (other->kind == COLUMN_SUM && same_values(column, other))
			column->summer = i;
	}
	if (column->counter < 0 && column->aggregate->aggfilter == NULL && is_not_null(block, column->argument))
		column->counter = deltas->rows_column;
	return column->counter >= 0 && (column->kind != COLUMN_AVG || column->summer >= 0);
}

static bool
is_key(const DerivedTable *table, const char *name)
{
	for (int i = 0; i < table->key_count; i++)
		if (strcmp(table->keys[i], name) == 0)
			return true;
	return false;
}

/* Fills in the columns; false if some does not follow from changes, or the key is not what is grouped by. */
static bool
describe_columns(Deltas *deltas, const DerivedTable *table, TupleDesc columns, Query *block)
{
	int			grouped = 0;
	ListCell   *cell;

	deltas->columns = palloc0_array(DeltaColumn, list_length(block->targetList));
	deltas->rows_column = -1;
	foreach(cell, block->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		DeltaColumn *column = &deltas->columns[deltas->count];
		Form_pg_attribute attribute;
		bool		is_group = get_sortgroupref_clause_noerr(target->ressortgroupref, block->groupClause) != NULL;

		if (target->resjunk)
			return false;
		attribute = TupleDescAttr(columns, deltas->count++);
		column->name = pstrdup(NameStr(attribute->attname));
		column->type = format_type_extended(attribute->atttypid, attribute->atttypmod,
											FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
		if (is_group != is_key(table, column->name))
			return false;
		if (is_group)
		{
			grouped++;
			column->kind = COLUMN_KEY;
			if (!mdl_equal_is_same(attribute->atttypid, attribute->attcollation))
				return false;
		}
		else if (!IsA(target->expr, Aggref) || !describe_aggregate(column, (Aggref *) target->expr))
			return false;
		if (column->kind == COLUMN_COUNT && column->argument == NULL && column->aggregate->aggfilter == NULL)
			deltas->rows_column = deltas->count - 1;
	}
	if (grouped != list_length(block->groupClause) || grouped != table->key_count || deltas->rows_column < 0)
		return false;
	for (int i = 0; i < deltas->count; i++)
		if ((deltas->columns[i].kind == COLUMN_SUM || deltas->columns[i].kind == COLUMN_AVG) &&
			!find_companions(deltas, block, &deltas->columns[i]))
			return false;
	return true;
}

static bool
is_block_fit(const Query *block)
{
	return block != NULL && block->groupClause != NIL && block->hasAggs && !block->groupingSets && !block->havingQual &&
		!block->hasWindowFuncs && !block->distinctClause && !block->limitCount && !block->limitOffset &&
		!block->hasTargetSRFs && !block->hasSubLinks && !block->setOperations && block->cteList == NIL;
}

/* ---- signed rows ------------------------------------------------------------------------------------------------- */

static TargetEntry *
named(Expr *expression, List *targets, char *name)
{
	return makeTargetEntry(copyObject(expression), list_length(targets) + 1, name, false);
}

/* What the query groups, of the images: the keys under their names, _sign, and per aggregate _a (argument), _f (filter). */
static Query *
signed_query(const Deltas *deltas, Query *block, const ChangedSource *source, int rtindex)
{
	Query	   *query = makeNode(Query);
	Var		   *sign = makeVar(rtindex, source->image_columns->natts, INT4OID, -1, InvalidOid, 0);

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = copyObject(block->rtable);
	query->jointree = copyObject(block->jointree);
	lfirst(list_nth_cell(query->rtable, rtindex - 1)) =
		mdl_images_entry(source, list_nth_node(RangeTblEntry, block->rtable, rtindex - 1), true);
	query->targetList = list_make1(named((Expr *) sign, NIL, "_sign"));
	for (int i = 0; i < deltas->count; i++)
	{
		const DeltaColumn *column = &deltas->columns[i];

		if (column->kind == COLUMN_KEY)
		{
			TargetEntry *target = list_nth_node(TargetEntry, block->targetList, i);

			query->targetList = lappend(query->targetList, named(target->expr, query->targetList, column->name));
			continue;
		}
		if (column->argument)
			query->targetList = lappend(query->targetList, named(column->argument, query->targetList, psprintf("_a%d", i)));
		if (column->aggregate->aggfilter)
			query->targetList = lappend(query->targetList, named(column->aggregate->aggfilter, query->targetList, psprintf("_f%d", i)));
	}
	return query;
}

/* "FILTER (WHERE …)" of an aggregate over the signed rows. */
static char *
filter_text(const DeltaColumn *column, int i, const char *further)
{
	return psprintf(" FILTER (WHERE %s%s%s)", further, column->argument ? psprintf(" AND _a%d IS NOT NULL", i) : "",
					column->aggregate->aggfilter ? psprintf(" AND _f%d", i) : "");
}

/* Sums the signed rows up per group. */
static char *
deltas_text(const Deltas *deltas, const DerivedTable *table)
{
	StringInfoData sql,
				keys;

	initStringInfo(&sql);
	initStringInfo(&keys);
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&keys, "%s%s", i ? ", " : "", quote_identifier(table->keys[i]));
	appendStringInfo(&sql, "SELECT %s, pg_catalog.sum(_sign) AS _rows", keys.data);
	for (int i = 0; i < deltas->count; i++)
	{
		const DeltaColumn *column = &deltas->columns[i];
		const char *function = column->kind == COLUMN_MIN ? "min" : "max";

		if (column->kind == COLUMN_COUNT)
			appendStringInfo(&sql, ", pg_catalog.sum(_sign)%s AS _d%d", filter_text(column, i, "true"), i);
		else if (column->kind == COLUMN_SUM)
			appendStringInfo(&sql, ", pg_catalog.sum(_sign::pg_catalog.numeric OPERATOR(pg_catalog.*) _a%d::pg_catalog.numeric)%s AS _d%d",
							 i, filter_text(column, i, "true"), i);
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
				   Snapshot snapshot)
{
	Query	   *block = definition_block(query);
	ChangedSource *source = list_length(changed) == 1 ? linitial(changed) : NULL;
	Deltas	   *deltas = palloc0_object(Deltas);
	StoreReceiver *receiver;
	int			rtindex;
	SPIExecuteOptions options = {.read_only = true};
	StoreReceiver *signed_rows;

	if (source == NULL || !source->exact || !is_block_fit(block) || (rtindex = changed_item(block, source)) == 0 ||
		!describe_columns(deltas, table, columns, block))
		return NULL;
	deltas->keys = keys;
	signed_rows = store_receiver();
	if (mdl_run_guarded(signed_query(deltas, block, source, rtindex), changed, 0, &signed_rows->dest) != NULL)
	{
		tuplestore_end(signed_rows->rows);
		return NULL;
	}
	receiver = store_receiver();
	options.dest = &receiver->dest;
	mdl_offer_rows("medallion_signed", signed_rows->rows, signed_rows->columns);
	if (SPI_execute_extended(deltas_text(deltas, table), &options) < 0)
		elog(ERROR, "SPI could not sum up the changes: %s", SPI_result_code_string(SPI_result));
	SPI_unregister_relation("medallion_signed");
	tuplestore_end(signed_rows->rows);
	deltas->rows = receiver->rows;
	deltas->row_columns = receiver->columns;
	return deltas;
}

/* ---- the new values ------------------------------------------------------------------------------------------------ */

/* How many rows, or values, there are now. */
static char *
count_text(const Deltas *deltas, int i)
{
	return psprintf("(COALESCE(t.%s, 0) OPERATOR(pg_catalog.+) COALESCE(n.%s, 0))", quote_identifier(deltas->columns[i].name),
					i == deltas->rows_column ? "_rows" : psprintf("_d%d", i));
}

static char *
sum_text(const Deltas *deltas, int i)
{
	return psprintf("(COALESCE(t.%s, 0)::pg_catalog.numeric OPERATOR(pg_catalog.+) COALESCE(n._d%d, 0))",
					quote_identifier(deltas->columns[i].name), i);
}

static char *
column_text(const Deltas *deltas, int i)
{
	const DeltaColumn *column = &deltas->columns[i];
	const char *name = quote_identifier(column->name);

	switch (column->kind)
	{
		case COLUMN_KEY:
			return psprintf("COALESCE(t.%s, n.%s)", name, name);
		case COLUMN_COUNT:
			return psprintf("%s::%s", count_text(deltas, i), column->type);
		case COLUMN_SUM:
			return psprintf("CASE WHEN %s OPERATOR(pg_catalog.<>) 0 THEN %s::%s END",
							count_text(deltas, column->counter), sum_text(deltas, i), column->type);
		case COLUMN_AVG:
			return psprintf("CASE WHEN %s OPERATOR(pg_catalog.<>) 0 THEN %s OPERATOR(pg_catalog./) %s::pg_catalog.numeric END",
							count_text(deltas, column->counter), sum_text(deltas, column->summer),
							count_text(deltas, column->counter));
		case COLUMN_MIN:
			return psprintf("LEAST(t.%s, n._d%d)", name, i);
		case COLUMN_MAX:
			return psprintf("GREATEST(t.%s, n._d%d)", name, i);
	}
	return NULL;
}

/* A condition that holds for a group, t joined with n, that must be computed from its rows. */
static char *
doubt_text(const Deltas *deltas, const DerivedTable *table)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s OPERATOR(pg_catalog.<) 0", count_text(deltas, deltas->rows_column));
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&text, " OR n.%s IS NULL", quote_identifier(table->keys[i]));
	for (int i = 0; i < deltas->count; i++)
	{
		const DeltaColumn *column = &deltas->columns[i];
		const char *name = quote_identifier(column->name);

		if (column->is_numeric && column->kind == COLUMN_SUM)
			appendStringInfo(&text, " OR t.%s OPERATOR(pg_catalog.=) 'NaN' OR n._d%d OPERATOR(pg_catalog.=) 'NaN'", name, i);
		else if (column->kind == COLUMN_MIN || column->kind == COLUMN_MAX)
			appendStringInfo(&text, " OR (n._o%d IS NOT NULL AND %s OPERATOR(pg_catalog.<>) 0 AND"
							 " (t.%s IS NULL OR %s(t.%s, n._o%d) IS NOT DISTINCT FROM n._o%d))", i,
							 count_text(deltas, deltas->rows_column), name,
							 column->kind == COLUMN_MIN ? "LEAST" : "GREATEST", name, i, i);
	}
	return text.data;
}

typedef struct TakeReceiver
{
	DestReceiver dest;			/* must be first */
	DerivedResult *result;
} TakeReceiver;

static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	slot_getallattrs(slot);
	mdl_result_take(((TakeReceiver *) self)->result, slot->tts_values, slot->tts_isnull, NULL, NULL);
	return true;
}

static void
take_startup(DestReceiver *self, int operation, TupleDesc columns)
{
}

/* Runs the statement whose rows are those of the units now. */
static void
take_rows(DerivedResult *result, const Deltas *deltas)
{
	TakeReceiver receiver = {
		.dest = {.receiveSlot = take_row, .rStartup = take_startup, .rShutdown = store_shutdown, .rDestroy = store_shutdown,
		.mydest = DestNone},
		.result = result
	};
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.dest, .params = mdl_units_params(result->units)};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < deltas->count; i++)
	{
		const DeltaColumn *column = &deltas->columns[i];

		if (column->kind == COLUMN_KEY)
			appendStringInfo(&sql, "%s%s", i ? ", " : "", column_text(deltas, i));
		else
			appendStringInfo(&sql, "%sCASE WHEN n._rows IS NULL THEN t.%s ELSE %s END", i ? ", " : "",
							 quote_identifier(column->name), column_text(deltas, i));
	}
	appendStringInfo(&sql, " FROM (SELECT t.* FROM ONLY %s t WHERE %s) t FULL JOIN medallion_deltas n ON %s"
					 " WHERE %s OPERATOR(pg_catalog.<>) 0", mdl_qualified_name(result->table->target),
					 mdl_units_condition(result->units, "t."), mdl_key_condition(result->table, deltas->keys),
					 count_text(deltas, deltas->rows_column));
	if (SPI_execute_extended(sql.data, &options) < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql.data, SPI_result_code_string(SPI_result));
}

DerivedResult *
mdl_deltas_result(const DerivedTable *table, const Units *units, Deltas *deltas, Snapshot snapshot)
{
	DerivedResult *result = NULL;

	mdl_offer_rows("medallion_deltas", deltas->rows, deltas->row_columns);
	if (mdl_run_under_snapshot(psprintf("SELECT FROM medallion_deltas n LEFT JOIN ONLY %s t ON %s WHERE %s LIMIT 1",
										mdl_qualified_name(table->target), mdl_key_condition(table, deltas->keys),
										doubt_text(deltas, table)), NULL, snapshot) == 0)
	{
		result = mdl_result_begin(table);
		result->units = units;
		result->follows = true;
		take_rows(result, deltas);
	}
	SPI_unregister_relation("medallion_deltas");
	return result;
}

void
mdl_deltas_free(Deltas *deltas)
{
	tuplestore_end(deltas->rows);
}
