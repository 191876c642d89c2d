/*
 * incremental_aggregate.c: which aggregates can follow what has changed, and what must be known for it.
 *
 * count, sum, avg, variance and standard deviation of integers and of numerics of one scale follow from how many values there
 * are, their sum and the sum of their squares, and min and max from what they were, unless a value as extreme was taken away.
 * All is exact: nothing is done with floating-point numbers.  What of this the query does not show becomes a hidden column.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_delta_int.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_coerce.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* ---- whether the query allows it ------------------------------------------------------------------------------- */

/* The query of the definition within "SELECT columns FROM definition". */
static Query *
definition_block(Query *query)
{
	RangeTblRef *ref;
	RangeTblEntry *entry;

	if (list_length(query->jointree->fromlist) != 1 || !IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return NULL;
	ref = linitial_node(RangeTblRef, query->jointree->fromlist);
	entry = list_nth_node(RangeTblEntry, query->rtable, ref->rtindex - 1);
	return entry->rtekind == RTE_SUBQUERY ? entry->subquery : NULL;
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
	column->filter = aggregate->aggfilter;
	/* Numerics of one scale only, or the scale of the sum would depend on which values are left. */
	column->is_numeric = column->argument && exprType((Node *) column->argument) == NUMERICOID;
	switch (aggregate->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			column->kind = COLUMN_COUNT;
			return true;
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_SUM_INT8:
		case F_SUM_NUMERIC:
			column->kind = COLUMN_SUM;
			break;
		case F_AVG_INT2:
		case F_AVG_INT4:
		case F_AVG_INT8:
		case F_AVG_NUMERIC:
			column->kind = COLUMN_AVG;
			break;
		default:
			if (strcmp(name, "min") == 0 || strcmp(name, "max") == 0)
			{
				column->kind = strcmp(name, "min") == 0 ? COLUMN_MIN : COLUMN_MAX;
				return mdl_equal_is_same(exprType((Node *) column->argument), aggregate->inputcollid);
			}
			if (aggregate->aggtype != NUMERICOID || !(strncmp(name, "stddev", 6) == 0 || strncmp(name, "var", 3) == 0))
				return false;
			column->kind = COLUMN_SPREAD;
			column->is_root = name[0] == 's';
			column->is_sample = strstr(name, "_pop") == NULL;
	}
	return !column->is_numeric || exprTypmod((Node *) column->argument) >= (int32) VARHDRSZ;
}

/* ---- hidden columns --------------------------------------------------------------------------------------------------- */

static Aggref *
make_aggregate(Oid function, Expr *argument, Expr *filter)
{
	Aggref	   *aggregate = makeNode(Aggref);

	aggregate->aggfnoid = function;
	aggregate->aggtype = get_func_rettype(function);
	aggregate->aggstar = argument == NULL;
	aggregate->aggkind = AGGKIND_NORMAL;
	aggregate->aggfilter = copyObject(filter);
	aggregate->aggno = aggregate->aggtransno = -1;
	aggregate->location = -1;
	if (argument)
	{
		aggregate->aggargtypes = list_make1_oid(exprType((Node *) argument));
		aggregate->args = list_make1(makeTargetEntry(copyObject(argument), 1, NULL, false));
	}
	return aggregate;
}

static Oid
sum_function(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return F_SUM_INT2;
		case INT4OID:
			return F_SUM_INT4;
		case INT8OID:
			return F_SUM_INT8;
		default:
			return F_SUM_NUMERIC;
	}
}

/* sum(x * x), the products of a type that holds them. */
static Aggref *
sum_of_squares(Expr *argument, Expr *filter)
{
	Oid			type = exprType((Node *) argument);
	Oid			wide = type == INT2OID || type == INT4OID ? INT8OID : NUMERICOID;
	Node	   *value = coerce_to_target_type(NULL, copyObject((Node *) argument), type, wide, -1, COERCION_EXPLICIT,
											 COERCE_EXPLICIT_CAST, -1);
	Expr	   *square = make_op(NULL, list_make2(makeString("pg_catalog"), makeString("*")), value, copyObject(value), NULL, -1);

	return make_aggregate(sum_function(wide), square, filter);
}

/* The column of that kind over the values that `of` is over; a hidden one is made if the query shows none. */
static int
find_or_hide(Aggregates *aggregates, ColumnKind kind, const DeltaColumn *of)
{
	Expr	   *argument = of ? of->argument : NULL;
	Expr	   *filter = of ? of->filter : NULL;
	DeltaColumn *column;

	for (int i = 0; i < aggregates->count; i++)
		if (aggregates->columns[i].kind == kind && equal(aggregates->columns[i].argument, argument) &&
			equal(aggregates->columns[i].filter, filter))
			return i;
	column = &aggregates->columns[aggregates->count++];
	column->kind = kind;
	column->hidden = aggregates->count - aggregates->shown;
	column->argument = argument;
	column->filter = filter;
	column->is_numeric = of && of->is_numeric;
	column->aggregate = kind == COLUMN_SQUARES ? sum_of_squares(argument, filter)
		: make_aggregate(kind == COLUMN_SUM ? sum_function(exprType((Node *) argument)) : argument ? F_COUNT_ANY : F_COUNT_,
						 argument, filter);
	column->type = mdl_type_name(column->aggregate->aggtype);
	aggregates->hidden = psprintf("%s%s%s of %s", aggregates->hidden ? aggregates->hidden : "", aggregates->hidden ? ", " : "",
								  kind == COLUMN_COUNT ? "count" : kind == COLUMN_SUM ? "sum" : "squares",
								  of ? quote_identifier(of->name) : "rows");
	return aggregates->count - 1;
}

/* Finds the columns that tell what each aggregate is computed from. */
static void
find_companions(Aggregates *aggregates)
{
	aggregates->rows_column = find_or_hide(aggregates, COLUMN_COUNT, NULL);
	for (int i = 0; i < aggregates->shown; i++)
	{
		DeltaColumn *column = &aggregates->columns[i];

		if (column->kind != COLUMN_SUM && column->kind != COLUMN_AVG && column->kind != COLUMN_SPREAD)
			continue;
		column->counter = column->filter == NULL && is_not_null(aggregates->block, column->argument) ? aggregates->rows_column
			: find_or_hide(aggregates, COLUMN_COUNT, column);
		column->summer = find_or_hide(aggregates, COLUMN_SUM, column);
		if (column->kind == COLUMN_SPREAD)
			column->squarer = find_or_hide(aggregates, COLUMN_SQUARES, column);
	}
}

/* ---- the query -------------------------------------------------------------------------------------------------------- */

/* Whether a value of the type is written the same way whenever the query is run. */
static bool
has_steady_text(Oid type)
{
	switch (getBaseType(type))
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case TEXTOID:
		case VARCHAROID:
		case UUIDOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return get_typtype(type) == TYPTYPE_ENUM;
	}
}

/* Whether a column has the name of one that the statements of incremental_delta.c have beside the key: _sign, _d3 and the like. */
static bool
is_name_of_ours(const char *name)
{
	if (strcmp(name, "_sign") == 0 || strcmp(name, "_key") == 0 || strcmp(name, "_rows") == 0)
		return true;
	return name[0] == '_' && name[1] != '\0' && strchr("afdo", name[1]) != NULL && name[2] != '\0' &&
		strspn(name + 2, "0123456789") == strlen(name + 2);
}

/* Fills in the columns; false if some does not follow from changes, or the key is not what is grouped by. */
static bool
describe_columns(Aggregates *aggregates, const DerivedTable *table, TupleDesc columns)
{
	Query	   *block = aggregates->block;
	int			grouped = 0;
	bool		steady = true;
	ListCell   *cell;

	/* Of each column at most three are hidden, and one for all. */
	aggregates->columns = palloc0_array(DeltaColumn, 4 * list_length(block->targetList) + 1);
	foreach(cell, block->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		DeltaColumn *column = &aggregates->columns[aggregates->count];
		Form_pg_attribute attribute;
		bool		is_group = get_sortgroupref_clause_noerr(target->ressortgroupref, block->groupClause) != NULL;

		if (target->resjunk)
			return false;
		attribute = TupleDescAttr(columns, aggregates->count++);
		column->name = pstrdup(NameStr(attribute->attname));
		column->type = format_type_extended(attribute->atttypid, attribute->atttypmod,
											FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
		if (is_group != mdl_is_one_of(column->name, table->keys, table->key_count))
			return false;
		if (is_group)
		{
			grouped++;
			column->kind = COLUMN_KEY;
			steady &= has_steady_text(attribute->atttypid);
			if (is_name_of_ours(column->name) || !mdl_equal_is_same(attribute->atttypid, attribute->attcollation))
				return false;
		}
		else if (!IsA(target->expr, Aggref) || !describe_aggregate(column, (Aggref *) target->expr))
			return false;
	}
	if (grouped != list_length(block->groupClause) || grouped != table->key_count)
		return false;
	aggregates->shown = aggregates->count;
	find_companions(aggregates);
	return aggregates->hidden == NULL || steady;
}

static bool
is_block_fit(const Query *block)
{
	return block != NULL && block->groupClause != NIL && block->hasAggs && !block->groupingSets && !block->havingQual &&
		!block->hasWindowFuncs && !block->distinctClause && !block->limitCount && !block->limitOffset &&
		!block->hasTargetSRFs && !block->hasSubLinks && !block->setOperations && block->cteList == NIL;
}

bool
mdl_aggregates_describe(const DerivedTable *table, TupleDesc columns, Query *query, Aggregates *aggregates)
{
	memset(aggregates, 0, sizeof(*aggregates));
	aggregates->block = definition_block(query);
	return is_block_fit(aggregates->block) && describe_columns(aggregates, table, columns);
}

void
mdl_aggregates_add_hidden(const DerivedTable *table, const Aggregates *aggregates, Query *query)
{
	int			rtindex = linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex;
	RangeTblEntry *entry = list_nth_node(RangeTblEntry, query->rtable, rtindex - 1);
	Query	   *block = aggregates->block;

	for (int i = aggregates->shown; i < aggregates->count; i++)
	{
		const DeltaColumn *column = &aggregates->columns[i];
		char	   *name = psprintf("_h%d", column->hidden);
		AttrNumber	number = list_length(block->targetList) + 1;
		Var		   *var = makeVar(rtindex, number, column->aggregate->aggtype, -1, InvalidOid, 0);

		block->targetList = lappend(block->targetList, makeTargetEntry((Expr *) column->aggregate, number, name, false));
		entry->eref->colnames = lappend(entry->eref->colnames, makeString(name));
		query->targetList = lappend(query->targetList,
									makeTargetEntry((Expr *) var, list_length(query->targetList) + 1, name, false));
	}
}

char *
mdl_aggregates_key(const DerivedTable *table, const char *prefix)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "ROW(");
	for (int i = 0; i < table->key_count; i++)
		appendStringInfo(&text, "%s%s%s", i ? ", " : "", prefix, quote_identifier(table->keys[i]));
	appendStringInfoString(&text, ")::pg_catalog.text");
	return text.data;
}
