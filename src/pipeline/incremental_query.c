/*
 * incremental_query.c: query trees: preparing, composing and running them.
 */
#include "pipeline/incremental_int.h"

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parser.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* A place in our text is shown with it, not with the statement of the user. */
static void
show_query(void *sql)
{
	int			position = geterrposition();

	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(sql);
}

Query *
mdl_query_analyse(const char *sql, ParamListInfo params)
{
	RawStmt    *parsed = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
	ErrorContextCallback callback = {.callback = show_query, .arg = (void *) sql, .previous = error_context_stack};
	Query	   *query;

	error_context_stack = &callback;
	query = params ? parse_analyze_withcb(parsed, sql, params->parserSetup, params->parserSetupArg, NULL)
		: parse_analyze_fixedparams(parsed, sql, NULL, 0, NULL);
	error_context_stack = callback.previous;

	return linitial_node(Query, QueryRewrite(query));
}

static bool
check_rights(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ExecCheckRTPerms(((Query *) node)->rtable, true);
		return query_tree_walker((Query *) node, check_rights, context, 0);
	}
	return expression_tree_walker(node, check_rights, context);
}

void
mdl_query_check_rights(Query *query)
{
	check_rights((Node *) query, NULL);
}

/* ---- preparing ---------------------------------------------------------------------------------------------- */

typedef struct Inlining
{
	const CommonTableExpr *cte;
	int			level;
} Inlining;

/* Puts the query of a WITH entry where its name is, as the planner does for one that is used once. */
static bool
inline_cte(Node *node, Inlining *inlining)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		inlining->level++;
		query_tree_walker((Query *) node, inline_cte, inlining, QTW_EXAMINE_RTES_AFTER);
		inlining->level--;
		return false;
	}
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind == RTE_CTE && strcmp(entry->ctename, inlining->cte->ctename) == 0 &&
			entry->ctelevelsup == inlining->level)
		{
			Query	   *query = (Query *) copyObject(inlining->cte->ctequery);

			if (inlining->level > 0)
				IncrementVarSublevelsUp((Node *) query, inlining->level, 1);
			entry->rtekind = RTE_SUBQUERY;
			entry->subquery = query;
			entry->security_barrier = false;
			entry->ctename = NULL;
			entry->ctelevelsup = 0;
			entry->self_reference = false;
			entry->coltypes = entry->coltypmods = entry->colcollations = NIL;
		}
		return false;
	}
	return expression_tree_walker(node, inline_cte, inlining);
}

static void
inline_ctes(Query *query)
{
	ListCell   *cell;
	List	   *kept = NIL;

	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);
		Inlining	inlining = {.cte = cte, .level = -1};

		if (cte->cterecursive)
			kept = lappend(kept, cte);
		else
			inline_cte((Node *) query, &inlining);
	}
	query->cteList = kept;
}

static bool
prepare(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		mdl_query_prepare((Query *) node);
		return false;
	}
	return expression_tree_walker(node, prepare, context);
}

void
mdl_query_prepare(Query *query)
{
	ListCell   *cell;

	check_stack_depth();
	inline_ctes(query);
	query->targetList = (List *) flatten_join_alias_vars(query, (Node *) query->targetList);
	query->havingQual = flatten_join_alias_vars(query, query->havingQual);
	query->jointree = (FromExpr *) flatten_join_alias_vars(query, (Node *) query->jointree);
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_SUBQUERY && entry->lateral)
			entry->subquery = (Query *) flatten_join_alias_vars(query, (Node *) entry->subquery);
		else if (entry->rtekind == RTE_FUNCTION)
			entry->functions = (List *) flatten_join_alias_vars(query, (Node *) entry->functions);
		else if (entry->rtekind == RTE_VALUES)
			entry->values_lists = (List *) flatten_join_alias_vars(query, (Node *) entry->values_lists);
		else if (entry->rtekind == RTE_TABLEFUNC)
			entry->tablefunc = (TableFunc *) flatten_join_alias_vars(query, (Node *) entry->tablefunc);
	}
	query_tree_walker(query, prepare, NULL, QTW_IGNORE_JOINALIASES);
}

/* ---- composing ------------------------------------------------------------------------------------------------ */

static RangeTblEntry *
subquery_entry(Query *query, const char *name)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	ListCell   *cell;

	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->alias = entry->eref = makeAlias(name, NIL);
	foreach(cell, query->targetList)
		entry->eref->colnames = lappend(entry->eref->colnames,
										makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
	entry->inFromCl = true;
	return entry;
}

static Var *
column_of(const TargetEntry *target, int rtindex)
{
	return makeVar(rtindex, target->resno, exprType((Node *) target->expr), exprTypmod((Node *) target->expr),
				   exprCollation((Node *) target->expr), 0);
}

static Query *
select_from_nothing(void)
{
	Query	   *query = makeNode(Query);

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->jointree = makeFromExpr(NIL, NULL);
	return query;
}

static Node *
leaf_ref(int rtindex)
{
	RangeTblRef *ref = makeNode(RangeTblRef);

	ref->rtindex = rtindex;
	return (Node *) ref;
}

Query *
mdl_query_union_all(List *queries)
{
	Query	   *first = linitial_node(Query, queries);
	Query	   *query;
	Node	   *left = NULL;
	ListCell   *cell;

	if (list_length(queries) == 1)
		return first;
	query = select_from_nothing();
	foreach(cell, queries)
	{
		Query	   *branch = lfirst_node(Query, cell);
		SetOperationStmt *operation;
		ListCell   *column;

		IncrementVarSublevelsUp((Node *) branch, 1, 1);
		query->rtable = lappend(query->rtable, subquery_entry(branch, "branch"));
		if (left == NULL)
		{
			left = leaf_ref(1);
			continue;
		}
		operation = makeNode(SetOperationStmt);
		operation->op = SETOP_UNION;
		operation->all = true;
		operation->larg = left;
		operation->rarg = leaf_ref(list_length(query->rtable));
		foreach(column, first->targetList)
		{
			Node	   *expression = (Node *) lfirst_node(TargetEntry, column)->expr;

			operation->colTypes = lappend_oid(operation->colTypes, exprType(expression));
			operation->colTypmods = lappend_int(operation->colTypmods, -1);
			operation->colCollations = lappend_oid(operation->colCollations, exprCollation(expression));
		}
		left = (Node *) operation;
	}
	foreach(cell, first->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		Var		   *var = column_of(target, 1);

		var->vartypmod = -1;
		query->targetList = lappend(query->targetList,
									makeTargetEntry((Expr *) var, target->resno, pstrdup(target->resname), false));
	}
	query->setOperations = left;
	return query;
}

Query *
mdl_query_coerced(Query *query, List *types, List *typmods)
{
	Query	   *outer = select_from_nothing();
	ListCell   *cell,
			   *type,
			   *typmod;
	bool		differs = false;

	IncrementVarSublevelsUp((Node *) query, 1, 1);
	outer->rtable = list_make1(subquery_entry(query, "branch"));
	outer->jointree->fromlist = list_make1(leaf_ref(1));
	forthree(cell, query->targetList, type, types, typmod, typmods)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		Oid			present = exprType((Node *) target->expr);
		Node	   *column = (Node *) column_of(target, 1);

		if (present != lfirst_oid(type))
		{
			column = coerce_to_target_type(NULL, column, present, lfirst_oid(type), lfirst_int(typmod),
										   COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
			if (column == NULL)
				elog(ERROR, "column \"%s\" of a set operation has no coercion", target->resname);
			assign_expr_collations(NULL, column);
			differs = true;
		}
		outer->targetList = lappend(outer->targetList,
									makeTargetEntry((Expr *) column, target->resno, pstrdup(target->resname), false));
	}
	if (differs)
		return outer;
	IncrementVarSublevelsUp((Node *) query, -1, 1);
	return query;
}

/* ---- running -------------------------------------------------------------------------------------------------- */

double
mdl_query_cost(Query *query)
{
	return pg_plan_query(copyObject(query), "", CURSOR_OPT_PARALLEL_OK, NULL)->planTree->total_cost;
}

PlannedStmt *
mdl_query_plan(Query *query, ParamListInfo params, double limit)
{
	PlannedStmt *plan = pg_plan_query(query, "", CURSOR_OPT_PARALLEL_OK, params);

	if (limit > 0 && plan->planTree->total_cost > limit)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("that is more work than computing everything")));
	return plan;
}

void
mdl_query_execute(PlannedStmt *plan, ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest)
{
	QueryDesc  *running = CreateQueryDesc(plan, "", GetActiveSnapshot(), InvalidSnapshot, dest, params, environment, 0);

	ExecutorStart(running, 0);
	ExecutorRun(running, ForwardScanDirection, 0, true);
	ExecutorFinish(running);
	ExecutorEnd(running);
	FreeQueryDesc(running);
}

bool
mdl_equal_is_same(Oid type, Oid collation)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY | TYPECACHE_EQ_OPR);
	Oid			same;

	if (!OidIsValid(entry->btree_opf) || !OidIsValid(entry->eq_opr))
		return false;
	same = get_opfamily_proc(entry->btree_opf, entry->btree_opintype, entry->btree_opintype, BTEQUALIMAGE_PROC);
	return OidIsValid(same) &&
		DatumGetBool(OidFunctionCall1Coll(same, collation, ObjectIdGetDatum(entry->btree_opintype)));
}
