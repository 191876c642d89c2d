/*
 * lineage_expression.c: which columns an expression reads, and what it makes of them; which columns are behind those of an
 * entry of the range table.
 *
 * SQL functions whose body the server has analysed (BEGIN ATOMIC, RETURN) are looked into; the result of any other function
 * comes from its arguments.
 */
#include "pipeline/lineage_columns_int.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool read_expression(Node *node, ExprReading *reading);

/* ---- functions ----------------------------------------------------------------------------------------------------- */

/* The last query of a function's body, where the server keeps it analysed; else NULL. */
static Query *
function_body(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Query	   *query = NULL;
	bool		is_null;
	Datum		body;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &is_null);
	if (!is_null)
	{
		Node	   *node = stringToNode(TextDatumGetCString(body));
		List	   *statements = IsA(node, List) ? linitial_node(List, (List *) node) : list_make1(node);

		if (statements != NIL && IsA(llast(statements), Query) && llast_node(Query, statements)->commandType == CMD_SELECT)
			query = llast_node(Query, statements);
	}
	ReleaseSysCache(tuple);
	return query;
}

/* The scope of a call's body, in which the parameters are the arguments; NULL if the function is to be taken as it is. */
Scope *
mdl_call_scope(Scope *scope, const FuncExpr *call)
{
	Query	   *query;
	Scope	   *inner;

	for (Scope *s = scope; s; s = s->parent ? s->parent : s->caller)
		if (s->function == call->funcid)
			return NULL;		/* calls itself */
	query = function_body(call->funcid);
	if (query == NULL)
		return NULL;
	inner = mdl_make_scope(query, NULL, scope->through_views);
	inner->function = call->funcid;
	inner->arguments = call->args;
	inner->caller = scope;
	return inner;
}

/* A parameter of a function's body is what the call gives for it. */
static void
read_parameter(const Param *param, ExprReading *reading)
{
	ExprReading inner = *reading;
	Scope	   *scope = reading->scope;
	int			position = 0;
	ListCell   *cell;

	while (scope && !OidIsValid(scope->function))
		scope = scope->parent;
	if (scope == NULL)
		return;
	inner.scope = scope->caller;
	foreach(cell, scope->arguments)
	{
		Node	   *argument = lfirst(cell);
		int			number = ++position;

		if (IsA(argument, NamedArgExpr))
		{
			number = ((NamedArgExpr *) argument)->argnumber + 1;
			argument = (Node *) ((NamedArgExpr *) argument)->arg;
		}
		if (number == param->paramid)
			read_expression(argument, &inner);
	}
}

/* Whether the result of a function hides the values it was given. */
static bool
is_masking(Oid function)
{
	static const char *const names[] = {"count", "md5", "sha224", "sha256", "sha384", "sha512", "hashtext", "hashtextextended",
	"digest", "hmac", "crypt"};
	char	   *name = get_func_name(function);

	for (int i = 0; name && i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* ---- range table --------------------------------------------------------------------------------------------------- */

void
mdl_read_as(Node *node, const ExprReading *reading, ColumnUse use)
{
	ExprReading inner = *reading;

	inner.use = mdl_compose_use(reading->use, use);
	read_expression(node, &inner);
}

/* Column of a function in FROM: of the body's result if that is known, else from the arguments. */
static void
read_function_column(const RangeTblEntry *entry, int number, const ExprReading *reading)
{
	ListCell   *cell;

	foreach(cell, entry->functions)
	{
		RangeTblFunction *function = lfirst_node(RangeTblFunction, cell);

		if (number <= function->funccolcount)
		{
			Scope	   *body = IsA(function->funcexpr, FuncExpr) ?
				mdl_call_scope(reading->scope, (FuncExpr *) function->funcexpr) : NULL;

			if (body && number <= ExecCleanTargetListLength(body->query->targetList))
				mdl_add_origins(reading->found, mdl_scope_column(body, number), reading->use, reading->masking);
			else
				mdl_read_as(function->funcexpr, reading, USE_TRANSFORMATION);
			return;
		}
		number -= function->funccolcount;
	}
}

static void
read_table_function_column(const TableFunc *function, int number, const ExprReading *reading)
{
	mdl_read_as(function->docexpr, reading, USE_TRANSFORMATION);
	mdl_read_as(function->rowexpr, reading, USE_TRANSFORMATION);
	if (number <= list_length(function->colexprs))
		mdl_read_as(list_nth(function->colexprs, number - 1), reading, USE_TRANSFORMATION);
	if (number <= list_length(function->coldefexprs))
		mdl_read_as(list_nth(function->coldefexprs, number - 1), reading, USE_TRANSFORMATION);
}

/* A row as one value comes from all columns. */
static void
read_whole_row(Scope *scope, Index index, const ExprReading *outer)
{
	RangeTblEntry *entry = rt_fetch(index, scope->query->rtable);
	ExprReading reading = *outer;
	int			width = list_length(entry->eref->colnames);

	reading.use = mdl_compose_use(outer->use, USE_TRANSFORMATION);
	for (int i = 1; i <= width; i++)
		if (entry->rtekind != RTE_RELATION || get_attname(entry->relid, i, true) != NULL)
			mdl_read_entry_column(scope, index, i, &reading);
}

/* Adds where a column of a range table entry comes from; 0 is the whole row. */
void
mdl_read_entry_column(Scope *scope, Index index, int number, const ExprReading *outer)
{
	RangeTblEntry *entry = rt_fetch(index, scope->query->rtable);
	ExprReading reading = *outer;
	Scope	   *inner = mdl_inner_scope(scope, index);
	ListCell   *cell;

	check_stack_depth();
	reading.scope = scope;
	if (number == 0 && !(entry->rtekind == RTE_FUNCTION && list_length(entry->functions) == 1 &&
						 list_length(entry->eref->colnames) <= 1))
	{
		read_whole_row(scope, index, outer);
		return;
	}
	if (inner)
	{
		if (number > 0)
			mdl_add_origins(reading.found, mdl_scope_column(inner, number), reading.use, reading.masking);
		return;
	}
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			mdl_add_origin(reading.found, entry->relid, number, reading.use, reading.masking);
			break;
		case RTE_JOIN:
			if (number > 0 && number <= list_length(entry->joinaliasvars))
				read_expression(list_nth(entry->joinaliasvars, number - 1), &reading);
			break;
		case RTE_FUNCTION:
			read_function_column(entry, Max(number, 1), &reading);
			break;
		case RTE_TABLEFUNC:
			read_table_function_column(entry->tablefunc, number, &reading);
			break;
		case RTE_VALUES:
			foreach(cell, entry->values_lists)
				read_expression(list_nth(lfirst_node(List, cell), number - 1), &reading);
			break;
		case RTE_CTE:
			mdl_add_origins(reading.found, mdl_cte_column(mdl_find_cte(scope, entry), number), reading.use, reading.masking);
			break;
		default:
			break;
	}
}

/* ---- expressions --------------------------------------------------------------------------------------------------- */

static void
read_aggregate(const Aggref *aggregate, const ExprReading *reading)
{
	ExprReading inner = *reading;
	ListCell   *cell;

	inner.masking |= is_masking(aggregate->aggfnoid);
	foreach(cell, aggregate->args)
	{
		TargetEntry *argument = lfirst_node(TargetEntry, cell);

		if (!argument->resjunk)
			mdl_read_as((Node *) argument->expr, &inner, USE_AGGREGATION);
	}
	mdl_read_as((Node *) aggregate->aggdirectargs, reading, USE_TRANSFORMATION);
	mdl_read_as((Node *) aggregate->aggfilter, reading, USE_FILTER);
	if (aggregate->aggkind != AGGKIND_NORMAL)
		return;					/* its order is its arguments */
	foreach(cell, aggregate->aggorder)
		mdl_read_as(get_sortgroupclause_expr(lfirst(cell), aggregate->args), reading, USE_SORT);
}

static void
read_window_function(const WindowFunc *function, const ExprReading *reading)
{
	ExprReading inner = *reading;
	Query	   *query = reading->scope->query;
	ListCell   *cell;

	inner.masking |= is_masking(function->winfnoid);
	mdl_read_as((Node *) function->args, &inner, function->winagg ? USE_AGGREGATION : USE_TRANSFORMATION);
	mdl_read_as((Node *) function->aggfilter, reading, USE_FILTER);
	foreach(cell, query->windowClause)
	{
		WindowClause *window = lfirst_node(WindowClause, cell);
		ListCell   *other;

		if (window->winref != function->winref)
			continue;
		foreach(other, window->partitionClause)
			mdl_read_as(get_sortgroupclause_expr(lfirst(other), query->targetList), reading, USE_WINDOW);
		foreach(other, window->orderClause)
			mdl_read_as(get_sortgroupclause_expr(lfirst(other), query->targetList), reading, USE_WINDOW);
		mdl_read_as(window->startOffset, reading, USE_WINDOW);
		mdl_read_as(window->endOffset, reading, USE_WINDOW);
	}
}

static void
read_case(const CaseExpr *expression, const ExprReading *reading)
{
	ListCell   *cell;

	mdl_read_as((Node *) expression->arg, reading, USE_CONDITIONAL);
	foreach(cell, expression->args)
	{
		CaseWhen   *when = lfirst_node(CaseWhen, cell);

		mdl_read_as((Node *) when->expr, reading, USE_CONDITIONAL);
		mdl_read_as((Node *) when->result, reading, USE_TRANSFORMATION);
	}
	mdl_read_as((Node *) expression->defresult, reading, USE_TRANSFORMATION);
}

/* COALESCE and NULLIF: each argument may be the value and decides whether it is; the last one of these only the one. */
static void
read_choice(List *arguments, const ExprReading *reading, bool last_is_value)
{
	ListCell   *cell;

	foreach(cell, arguments)
	{
		bool		is_last = lnext(arguments, cell) == NULL;

		if (!is_last || last_is_value)
			mdl_read_as(lfirst(cell), reading, USE_TRANSFORMATION);
		if (!is_last || !last_is_value)
			mdl_read_as(lfirst(cell), reading, USE_CONDITIONAL);
	}
}

static void
read_sublink(const SubLink *link, const ExprReading *reading)
{
	Query	   *query = castNode(Query, link->subselect);
	Scope	   *inner = mdl_make_scope(query, reading->scope, reading->scope->through_views);
	ColumnUse	use = link->subLinkType == EXPR_SUBLINK ? USE_IDENTITY :
		link->subLinkType == ARRAY_SUBLINK ? USE_AGGREGATION : USE_TRANSFORMATION;
	ListCell   *cell;

	mdl_read_as(link->testexpr, reading, USE_TRANSFORMATION);
	if (link->subLinkType != EXISTS_SUBLINK)
		foreach(cell, query->targetList)
		{
			TargetEntry *entry = lfirst_node(TargetEntry, cell);

			if (!entry->resjunk)
				mdl_add_origins(reading->found, mdl_scope_column(inner, entry->resno), mdl_compose_use(reading->use, use), reading->masking);
		}
	mdl_add_origins(reading->found, mdl_scope_whole(inner), reading->use, reading->masking);
}

/* A call of a function whose body is known is that body; of any other, its arguments. */
static void
read_call(const FuncExpr *call, const ExprReading *reading)
{
	Scope	   *body = mdl_call_scope(reading->scope, call);
	ExprReading inner = *reading;
	int			width;

	if (body == NULL)
	{
		inner.masking |= is_masking(call->funcid);
		mdl_read_as((Node *) call->args, &inner, USE_TRANSFORMATION);
		return;
	}
	width = ExecCleanTargetListLength(body->query->targetList);
	for (int i = 1; i <= width; i++)
		mdl_add_origins(reading->found, mdl_scope_column(body, i),
						mdl_compose_use(reading->use, width == 1 ? USE_IDENTITY : USE_TRANSFORMATION), reading->masking);
	mdl_add_origins(reading->found, mdl_scope_whole(body), reading->use, reading->masking);
}

/* Reads one field of an expression that is a row, where it can be told which value that is; else returns false. */
static bool
read_field(Node *row, int field, const ExprReading *outer)
{
	ExprReading reading = *outer;

	check_stack_depth();
	while (row && IsA(row, RelabelType))
		row = (Node *) ((RelabelType *) row)->arg;
	if (row && IsA(row, RowExpr) && field <= list_length(((RowExpr *) row)->args))
	{
		read_expression(list_nth(((RowExpr *) row)->args, field - 1), &reading);
		return true;
	}
	if (row && IsA(row, FuncExpr))
	{
		Scope	   *body = mdl_call_scope(reading.scope, (FuncExpr *) row);

		if (body == NULL || field > ExecCleanTargetListLength(body->query->targetList))
			return false;
		mdl_add_origins(reading.found, mdl_scope_column(body, field), reading.use, reading.masking);
		if (!((FuncExpr *) row)->funcretset)	/* else it is of all rows */
			mdl_add_origins(reading.found, mdl_scope_whole(body), reading.use, reading.masking);
		return true;
	}
	if (row && IsA(row, Var))
	{
		Var		   *var = (Var *) row;
		Scope	   *scope = mdl_outer_scope(reading.scope, var->varlevelsup);
		RangeTblEntry *entry = rt_fetch(var->varno, scope->query->rtable);
		Scope	   *inner;

		if (var->varattno == 0)
		{
			mdl_read_entry_column(scope, var->varno, field, &reading);
			return true;
		}
		inner = mdl_inner_scope(scope, var->varno);
		if (entry->rtekind == RTE_JOIN && var->varattno > 0)
		{
			reading.scope = scope;
			return read_field(list_nth(entry->joinaliasvars, var->varattno - 1), field, &reading);
		}
		if (entry->rtekind == RTE_CTE && mdl_find_cte(scope, entry)->cte->cterecursive == false)
			inner = mdl_find_cte(scope, entry)->scope;
		if (inner && inner->query->setOperations == NULL && var->varattno > 0)
		{
			TargetEntry *target = get_tle_by_resno(inner->query->targetList, var->varattno);

			reading.scope = inner;
			return target && read_field((Node *) target->expr, field, &reading);
		}
	}
	return false;
}

/* The walker: adds all columns that an expression reads. */
static bool
read_expression(Node *node, ExprReading *reading)
{
	ExprReading inner = *reading;

	if (node == NULL)
		return false;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_Var:
			mdl_read_entry_column(mdl_outer_scope(reading->scope, ((Var *) node)->varlevelsup), ((Var *) node)->varno,
							  ((Var *) node)->varattno, reading);
			return false;
		case T_Param:
			if (((Param *) node)->paramkind == PARAM_EXTERN)
				read_parameter((Param *) node, reading);
			return false;
		case T_Aggref:
			read_aggregate((Aggref *) node, reading);
			return false;
		case T_GroupingFunc:
			mdl_read_as((Node *) ((GroupingFunc *) node)->args, reading, USE_GROUP_BY);
			return false;
		case T_WindowFunc:
			read_window_function((WindowFunc *) node, reading);
			return false;
		case T_CaseExpr:
			read_case((CaseExpr *) node, reading);
			return false;
		case T_CoalesceExpr:
			read_choice(((CoalesceExpr *) node)->args, reading, true);
			return false;
		case T_NullIfExpr:
			read_choice(((NullIfExpr *) node)->args, reading, false);
			return false;
		case T_SubLink:
			read_sublink((SubLink *) node, reading);
			return false;
		case T_FuncExpr:
			read_call((FuncExpr *) node, reading);
			return false;
		case T_FieldSelect:
			if (!read_field((Node *) ((FieldSelect *) node)->arg, ((FieldSelect *) node)->fieldnum, reading))
				mdl_read_as((Node *) ((FieldSelect *) node)->arg, reading, USE_TRANSFORMATION);
			return false;
		case T_RelabelType:
		case T_CollateExpr:
		case T_CoerceToDomain:
		case T_List:
			return expression_tree_walker(node, read_expression, &inner);	/* the value as it is */
		default:
			inner.use = mdl_compose_use(reading->use, USE_TRANSFORMATION);
			return expression_tree_walker(node, read_expression, &inner);
	}
}
