/*
 * incremental_push.c: takes the condition that restricts a query to some units to where the planner does not take it.
 *
 * The planner moves a condition on an output column into subqueries, through GROUP BY, DISTINCT and PARTITION BY, where it is
 * neutral.  It does not conclude from a.k = ANY (…) and a.k = s.k that s.k = ANY (…), and so would group all of a subquery s
 * of which few groups are joined.  That is what is done here: where the unit column is a column of an item that no outer join
 * can make NULL, subqueries that are joined with it by equality, also as the optional side of a left join, get the
 * condition on their column.  Rows they lose could only have joined rows of other units, which the condition on the
 * outside takes away anyhow.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef struct Restriction
{
	Oid			operator;
	Oid			type;			/* of the values */
	Oid			array_type;
	int			parameter;
	bool		with_null;
} Restriction;

static void push(Query *query, AttrNumber column, const Restriction *restriction);

/* expression = ANY ($parameter), or NULL if its type is another. */
static Node *
restricted(Node *expression, const Restriction *restriction)
{
	ScalarArrayOpExpr *any = makeNode(ScalarArrayOpExpr);
	Param	   *values = makeNode(Param);
	NullTest   *is_null = makeNode(NullTest);

	if (exprType(expression) != restriction->type)
		return NULL;
	values->paramkind = PARAM_EXTERN;
	values->paramid = restriction->parameter;
	values->paramtype = restriction->array_type;
	values->paramtypmod = -1;
	values->paramcollid = get_typcollation(restriction->array_type);
	values->location = -1;
	any->opno = restriction->operator;
	any->opfuncid = get_opcode(restriction->operator);
	any->useOr = true;
	any->inputcollid = exprCollation(expression);
	any->args = list_make2(copyObject(expression), values);
	any->location = -1;
	if (!restriction->with_null)
		return (Node *) any;
	is_null->arg = copyObject((Expr *) expression);
	is_null->nulltesttype = IS_NULL;
	is_null->location = -1;
	return (Node *) make_orclause(list_make2(any, is_null));
}

/* ---- which columns are equal ------------------------------------------------------------------------------------ */

typedef struct Equal
{
	Query	   *query;
	List	   *columns;		/* Var: equal to the unit column, in rows of units that matter */
	Bitmapset  *solid;			/* items that no outer join makes NULL */
} Equal;

static bool
is_equal_column(const Equal *equals, const Var *var)
{
	ListCell   *cell;

	foreach(cell, equals->columns)
		if (((Var *) lfirst(cell))->varno == var->varno && ((Var *) lfirst(cell))->varattno == var->varattno)
			return true;
	return false;
}

/*
 * Learns from conditions: v = w, v known, makes w known, if it is a column of the items given (NULL: of any).  Returns
 * whether something was learnt.
 */
static bool
learn(Equal *equals, Node *quals, Bitmapset *items)
{
	OpExpr	   *operation = (OpExpr *) quals;
	bool		learnt = false;
	ListCell   *cell;

	if (quals == NULL)
		return false;
	if (is_andclause(quals))
	{
		foreach(cell, ((BoolExpr *) quals)->args)
			learnt |= learn(equals, lfirst(cell), items);
		return learnt;
	}
	if (!IsA(quals, OpExpr) || list_length(operation->args) != 2)
		return false;
	for (int side = 0; side < 2; side++)
	{
		Var		   *known = list_nth(operation->args, side);
		Var		   *other = list_nth(operation->args, 1 - side);

		if (!IsA(known, Var) || !IsA(other, Var) || known->varlevelsup > 0 || other->varlevelsup > 0 ||
			known->vartype != other->vartype || known->varcollid != other->varcollid ||
			operation->opno != lookup_type_cache(known->vartype, TYPECACHE_EQ_OPR)->eq_opr ||
			!is_equal_column(equals, known) || is_equal_column(equals, other) ||
			(items != NULL && !bms_is_member(other->varno, items)))
			continue;
		equals->columns = lappend(equals->columns, other);
		learnt = true;
	}
	return learnt;
}

/* Learns from a join tree; `optional` below the optional side of an outer join, where only columns of that side are learnt. */
static bool
learn_tree(Equal *equals, Node *node, bool optional)
{
	bool		learnt = false;
	ListCell   *cell;

	if (IsA(node, RangeTblRef))
	{
		if (!optional)
			equals->solid = bms_add_member(equals->solid, ((RangeTblRef *) node)->rtindex);
		return false;
	}
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		switch (join->jointype)
		{
			case JOIN_INNER:
				learnt = learn_tree(equals, join->larg, optional);
				learnt |= learn_tree(equals, join->rarg, optional);
				return optional ? learnt : learn(equals, join->quals, NULL) | learnt;
			case JOIN_LEFT:
				/* The condition holds for rows of the optional side that are joined, not for all of the other. */
				learnt = learn_tree(equals, join->larg, optional);
				learnt |= learn_tree(equals, join->rarg, true);
				return optional ? learnt : learn(equals, join->quals, mdl_relids_of(join->rarg)) | learnt;
			default:
				return false;
		}
	}
	foreach(cell, ((FromExpr *) node)->fromlist)
		learnt |= learn_tree(equals, lfirst(cell), optional);
	return optional ? learnt : learn(equals, ((FromExpr *) node)->quals, NULL) | learnt;
}

/* ---- pushing ------------------------------------------------------------------------------------------------------ */

/* Whether an output column is one of those that a list of clauses compares, by the operator given. */
static bool
is_of_clauses(const TargetEntry *target, List *clauses, Oid operator)
{
	ListCell   *cell;

	foreach(cell, clauses)
		if (target->ressortgroupref != 0 && lfirst_node(SortGroupClause, cell)->tleSortGroupRef == target->ressortgroupref &&
			lfirst_node(SortGroupClause, cell)->eqop == operator)
			return true;
	return false;
}

/* Whether leaving out the rows with other values of a column, before all that the query does with rows, is neutral. */
static bool
is_neutral(Query *query, const TargetEntry *target, Oid operator)
{
	ListCell   *cell;

	if (query->limitCount || query->limitOffset || query->groupingSets || query->hasTargetSRFs)
		return false;
	if ((query->groupClause || query->hasAggs || query->havingQual) && !is_of_clauses(target, query->groupClause, operator))
		return false;
	foreach(cell, query->windowClause)
		if (!is_of_clauses(target, lfirst_node(WindowClause, cell)->partitionClause, operator))
			return false;
	return !query->hasDistinctOn || is_of_clauses(target, query->distinctClause, operator);
}

static void
push_into_leaves(Query *query, Node *node, AttrNumber column, const Restriction *restriction)
{
	if (IsA(node, SetOperationStmt))
	{
		push_into_leaves(query, ((SetOperationStmt *) node)->larg, column, restriction);
		push_into_leaves(query, ((SetOperationStmt *) node)->rarg, column, restriction);
	}
	else
		push(list_nth_node(RangeTblEntry, query->rtable, castNode(RangeTblRef, node)->rtindex - 1)->subquery, column,
			 restriction);
}

/* Restricts an output column of a query where that is neutral, and what is joined by equality with it. */
static void
push(Query *query, AttrNumber column, const Restriction *restriction)
{
	TargetEntry *target;
	Var		   *var;
	Node	   *condition;
	Equal		equals = {.query = query};
	ListCell   *cell;

	check_stack_depth();
	if (query->setOperations)
	{
		if (!query->limitCount && !query->limitOffset)
			push_into_leaves(query, query->setOperations, column, restriction);
		return;
	}
	target = list_nth_node(TargetEntry, query->targetList, column - 1);
	var = (Var *) target->expr;
	if (target->resjunk || !IsA(var, Var) || var->varlevelsup > 0 || !is_neutral(query, target, restriction->operator))
		return;
	condition = restricted((Node *) var, restriction);
	if (condition == NULL)
		return;
	learn_tree(&equals, (Node *) query->jointree, false);
	if (!bms_is_member(var->varno, equals.solid))
		return;
	equals.columns = list_make1(var);
	while (learn_tree(&equals, (Node *) query->jointree, false))
		;
	query->jointree->quals = query->jointree->quals
		? (Node *) make_ands_explicit(list_make2(query->jointree->quals, condition)) : condition;
	foreach(cell, equals.columns)
	{
		Var		   *equal_var = lfirst(cell);
		RangeTblEntry *entry = list_nth_node(RangeTblEntry, query->rtable, equal_var->varno - 1);

		if (entry->rtekind == RTE_SUBQUERY && equal_var->varattno > 0)
			push(entry->subquery, equal_var->varattno, restriction);
	}
}

void
mdl_units_push(Query *query, const DerivedTable *table, const Units *units)
{
	RangeTblRef *ref = linitial(query->jointree->fromlist);
	RangeTblEntry *entry;

	if (!IsA(ref, RangeTblRef))
		return;
	entry = list_nth_node(RangeTblEntry, query->rtable, ref->rtindex - 1);
	if (entry->rtekind != RTE_SUBQUERY)
		return;
	for (int i = 0; i < units->count; i++)
	{
		Restriction restriction = {
			.operator = units->operators[i],
			.type = get_element_type(units->types[i]),
			.array_type = units->types[i],
			.parameter = i + 1,
			.with_null = units->with_null[i]
		};
		Oid			left,
					right;

		op_input_types(restriction.operator, &left, &right);
		if (left == restriction.type && right == restriction.type)
			push(entry->subquery, get_attnum(table->definition, units->columns[i]), &restriction);
	}
}
