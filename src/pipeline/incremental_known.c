/*
 * incremental_known.c: what can be told from columns of which some are not known; see incremental_trace.c.
 *
 * An expression is *usable* if it needs nothing but known columns, and those that are known up to equality only as they
 * are or compared by their default equality.  An output column stays known through what a query does to its rows, its
 * *stages*, if it is made of what each of them keeps apart: grouping columns, partition columns, DISTINCT ON columns.
 */
#include "pipeline/incremental_trace_int.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* ---- what reads changed sources ------------------------------------------------------------------------------- */

ChangedSource *
mdl_trace_changed_source(TraceContext *context, const RangeTblEntry *entry)
{
	ListCell   *cell;

	if (entry->rtekind != RTE_RELATION)
		return NULL;
	foreach(cell, context->changed)
		if (((ChangedSource *) lfirst(cell))->relid == entry->relid)
			return lfirst(cell);
	return NULL;
}

bool
mdl_trace_reads_changed(Node *node, TraceContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, mdl_trace_reads_changed, context, QTW_EXAMINE_RTES_BEFORE | QTW_IGNORE_JOINALIASES);
	if (IsA(node, RangeTblEntry))
		return mdl_trace_changed_source(context, (RangeTblEntry *) node) != NULL;
	return expression_tree_walker(node, mdl_trace_reads_changed, context);
}

/* Collects SubLinks that read changed sources, not those inside others. */
bool
mdl_trace_collect_links(Node *node, TraceBlock *block)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
	{
		SubLink    *link = (SubLink *) node;

		if (mdl_trace_reads_changed(link->subselect, block->context))
			block->links = lappend(block->links, link);
		return mdl_trace_collect_links(link->testexpr, block);
	}
	return expression_tree_walker(node, mdl_trace_collect_links, block);
}

/* ---- expressions ------------------------------------------------------------------------------------------------ */

typedef struct Usable
{
	TraceBlock *block;
	Bitmapset  *present;
	bool		varies;			/* out: some column in it */
	bool		exact;			/* out: no column known up to equality only */
	int			level;
} Usable;

/* Whether a column of a query around this one is not known, so that a comparison with it tells nothing. */
static bool
outer_var_unusable(const Var *var, Usable *usable)
{
	List	   *blocks = usable->block->context->blocks;
	int			depth = (int) var->varlevelsup - usable->level;
	const TraceBlock *outer = depth < list_length(blocks) ? list_nth(blocks, depth) : NULL;

	if (outer == NULL || !bms_is_member(var->varno, outer->changed))
		return false;
	return var->varattno <= 0 ||
		(outer->parts[var->varno].query && !bms_is_member(var->varattno, outer->parts[var->varno].exact));
}

/* What is known of an item's columns; NULL: all. */
static const TracePart *
part_of(const TraceBlock *block, int rtindex)
{
	return block->parts[rtindex].query ? &block->parts[rtindex] : NULL;
}

static bool
var_unusable(const Var *var, Usable *usable)
{
	const TracePart *part = part_of(usable->block, var->varno);
	bool		replaced = bms_is_member(var->varno, usable->block->changed);

	usable->varies |= part == NULL || bms_is_member(var->varattno, part->varying);
	if (!bms_is_member(var->varno, usable->present) || (replaced && var->varattno <= 0))
		return true;
	if (part == NULL)
		return false;
	if (!bms_is_member(var->varattno, part->exact))
		usable->exact = false;
	return !bms_is_member(var->varattno, part->known);
}

static bool
find_unusable(Node *node, Usable *usable)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup > usable->level)
		return outer_var_unusable((Var *) node, usable);
	if (IsA(node, Var))
		return ((Var *) node)->varlevelsup == usable->level && var_unusable((Var *) node, usable);
	if (usable->level == 0 && (IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc)))
		return true;
	if (IsA(node, SubLink) && usable->level == 0 && mdl_trace_reads_changed(((SubLink *) node)->subselect, usable->block->context))
		return true;
	if (IsA(node, Query))
	{
		bool		result;

		usable->level++;
		result = query_tree_walker((Query *) node, find_unusable, usable, QTW_IGNORE_JOINALIASES);
		usable->level--;
		return result;
	}
	return expression_tree_walker(node, find_unusable, usable);
}

/* "a = b" by the default equality of the type of both. */
static bool
is_plain_equality(Node *node)
{
	OpExpr	   *operation = (OpExpr *) node;
	Oid			left,
				right;

	if (!IsA(node, OpExpr) || list_length(operation->args) != 2)
		return false;
	left = exprType(linitial(operation->args));
	right = exprType(lsecond(operation->args));
	return left == right && operation->opno == lookup_type_cache(left, TYPECACHE_EQ_OPR)->eq_opr &&
		(IsA(linitial(operation->args), Var) || !contain_var_clause(linitial(operation->args))) &&
		(IsA(lsecond(operation->args), Var) || !contain_var_clause(lsecond(operation->args)));
}

/* Whether an expression can be told from the columns known of the items present. */
bool
mdl_trace_is_usable(TraceBlock *block, Bitmapset *present, Node *node, bool *varies, bool *exact)
{
	Usable		usable = {.block = block, .present = present, .exact = true};

	if (find_unusable(node, &usable))
		return false;
	if (varies)
		*varies = usable.varies;
	if (exact)
		*exact = usable.exact;
	return usable.exact || is_plain_equality(node) || (exact != NULL && IsA(node, Var));
}

/* Whether an item refers, from the side or further out, to a column that is not known. */
bool
mdl_trace_refers_to_unknown(TraceBlock *block, int rtindex)
{
	RangeTblEntry *entry = list_nth_node(RangeTblEntry, block->query->rtable, rtindex - 1);
	Usable		usable = {.block = block, .exact = true};

	for (int i = 1; i <= list_length(block->query->rtable); i++)
		usable.present = bms_add_member(usable.present, i);
	return find_unusable((Node *) entry->subquery, &usable) || find_unusable((Node *) entry->functions, &usable) ||
		find_unusable((Node *) entry->tablefunc, &usable) || find_unusable((Node *) entry->values_lists, &usable) ||
		!usable.exact;
}

/* Whether an expression is one of a list, or made of such whose equal values are the same. */
typedef struct Over
{
	List	   *expressions;
} Over;

static bool
find_not_over(Node *node, Over *over)
{
	ListCell   *cell;

	if (node == NULL)
		return false;
	foreach(cell, over->expressions)
		if (equal(node, lfirst(cell)))
			return !mdl_equal_is_same(exprType(node), exprCollation(node));
	if (IsA(node, Var) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc) || IsA(node, SubLink))
		return true;
	return expression_tree_walker(node, find_not_over, over);
}

/* *exact is cleared if equal values of the expression may differ. */
bool
mdl_trace_is_over(Node *node, List *expressions, bool *exact)
{
	Over		over = {.expressions = expressions};
	ListCell   *cell;

	foreach(cell, expressions)
		if (equal(node, lfirst(cell)))
		{
			*exact &= mdl_equal_is_same(exprType(node), exprCollation(node));
			return true;
		}
	return !find_not_over(node, &over);
}

/*
 * The expressions of a list of SortGroupClause.  One that is compared by another equality than its type's is left out, so
 * that nothing is over it.
 */
static List *
clause_expressions(List *clauses, List *targets)
{
	List	   *expressions = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);
		ListCell   *other;

		foreach(other, targets)
		{
			TargetEntry *target = lfirst_node(TargetEntry, other);

			if (target->ressortgroupref == clause->tleSortGroupRef &&
				clause->eqop == lookup_type_cache(exprType((Node *) target->expr), TYPECACHE_EQ_OPR)->eq_opr &&
				!expression_returns_set((Node *) target->expr))
				expressions = lappend(expressions, target->expr);
		}
	}
	return expressions;
}

/* What a block does to its rows: lists of expressions over which an output column must be to be known. */
List *
mdl_trace_stages_of(Query *query)
{
	List	   *stages = NIL;
	ListCell   *cell;

	if (query->groupClause || query->hasAggs || query->havingQual || query->groupingSets)
		stages = lappend(stages, query->groupingSets ? NIL : clause_expressions(query->groupClause, query->targetList));
	foreach(cell, query->windowClause)
		stages = lappend(stages, clause_expressions(lfirst_node(WindowClause, cell)->partitionClause, query->targetList));
	if (query->hasDistinctOn)
		stages = lappend(stages, clause_expressions(query->distinctClause, query->targetList));
	if (query->limitCount || query->limitOffset)
		stages = lappend(stages, NIL);
	return stages;
}
