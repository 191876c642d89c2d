/*
 * past_use.c: which columns of a FROM item a query uses, so that a question about the past needs the same rights as the
 * same question about the present.
 *
 * The parser notes that for tables; for functions that return rows it does not, so it is found here, before planning.
 */
#include "versioning/past_int.h"

#include "access/sysattr.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"

typedef struct ColumnUse
{
	Query	   *query;			/* the one whose FROM item it is */
	int			index;			/* in its range table */
	int			depth;			/* of the query being walked below that one */
	Bitmapset  *columns;		/* as in selectedCols */
} ColumnUse;

static bool use_walker(Node *node, ColumnUse *use);

/* A column of a join is that of one of its sides, or made of both. */
static void
note_join_column(Var *var, List *aliases, ColumnUse *use)
{
	int			depth = use->depth;

	use->depth = 0;
	if (var->varattno == InvalidAttrNumber)
		(void) expression_tree_walker((Node *) aliases, use_walker, use);
	else if (var->varattno > 0)
		(void) use_walker(list_nth(aliases, var->varattno - 1), use);
	use->depth = depth;
}

static bool
use_walker(Node *node, ColumnUse *use)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varlevelsup != use->depth)
			return false;
		if (var->varno == use->index)
			use->columns = bms_add_member(use->columns, var->varattno - FirstLowInvalidHeapAttributeNumber);
		else if (rt_fetch(var->varno, use->query->rtable)->rtekind == RTE_JOIN)
			note_join_column(var, rt_fetch(var->varno, use->query->rtable)->joinaliasvars, use);
		return false;
	}
	if (IsA(node, Query))
	{
		use->depth++;
		(void) query_tree_walker((Query *) node, use_walker, use, QTW_IGNORE_JOINALIASES);
		use->depth--;
		return false;
	}
	return expression_tree_walker(node, use_walker, use);
}

/* ---- fields of a column that is a row ------------------------------------------------------------------------------ */

typedef struct FieldUse
{
	ColumnUse	use;
	AttrNumber	column;
} FieldUse;

/* The column that a column of a join is, if it is one. */
static Var *
column_behind_join(Var *var, const FieldUse *use)
{
	while (var->varlevelsup == use->use.depth && var->varattno > 0)
	{
		RangeTblEntry *entry = rt_fetch(var->varno, use->use.query->rtable);
		Var		   *alias;

		if (entry->rtekind != RTE_JOIN)
			break;
		alias = list_nth(entry->joinaliasvars, var->varattno - 1);
		if (!IsA(alias, Var))
			break;
		alias = copyObject(alias);
		alias->varlevelsup = use->use.depth;
		var = alias;
	}
	return var;
}

static bool
field_walker(Node *node, FieldUse *use)
{
	if (node == NULL)
		return false;
	if (IsA(node, FieldSelect) && IsA(((FieldSelect *) node)->arg, Var))
	{
		Var		   *var = column_behind_join((Var *) ((FieldSelect *) node)->arg, use);

		if (var->varlevelsup == use->use.depth && var->varno == use->use.index && var->varattno == use->column)
		{
			use->use.columns = bms_add_member(use->use.columns, ((FieldSelect *) node)->fieldnum - FirstLowInvalidHeapAttributeNumber);
			return false;
		}
	}
	if (IsA(node, Var))
	{
		ColumnUse	columns = use->use;

		columns.columns = NULL;
		(void) use_walker(node, &columns);
		if (bms_is_member(use->column - FirstLowInvalidHeapAttributeNumber, columns.columns) ||
			bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, columns.columns))
			use->use.columns = bms_add_member(use->use.columns, InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber);
		return false;
	}
	if (IsA(node, Query))
	{
		use->use.depth++;
		(void) query_tree_walker((Query *) node, field_walker, use, QTW_IGNORE_JOINALIASES);
		use->use.depth--;
		return false;
	}
	return expression_tree_walker(node, field_walker, use);
}

Bitmapset *
mdl_used_fields(struct Query *query, int index, AttrNumber column)
{
	FieldUse	use = {{query, index, 0, NULL}, column};

	(void) query_tree_walker(query, field_walker, &use, QTW_IGNORE_JOINALIASES);
	return use.use.columns;
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

Bitmapset *
mdl_used_columns(struct Query *query, int index)
{
	ColumnUse	use = {query, index, 0, NULL};

	(void) query_tree_walker(query, use_walker, &use, QTW_IGNORE_JOINALIASES);
	return use.columns;
}
