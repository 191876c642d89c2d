/*
 * past_expand.c: questions about the past in a query, replaced before planning by what they mean.
 *
 * medallion.as_of(NULL::t, …) in a FROM clause becomes the query of past_query.c, so that predicates reach both sides,
 * indexes are used and plans can be parallel.  A call with values of other FROM items stays a call: see as_of.c.
 */
#include "versioning/versioning_int.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parse_func.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static planner_hook_type previous_planner_hook = NULL;

/* What a query was found to ask for, so that its plan is treated accordingly. */
typedef struct ExpandState
{
	bool		expanded;
	bool		has_row_security;	/* also if it does not apply to the current user: the plan is for this one alone */
} ExpandState;

/* ---- recognising the functions ----------------------------------------------------------------------------------- */

typedef enum PastFunction
{
	NOT_PAST,
	PAST_AS_OF,					/* medallion.as_of */
	PAST_HISTORY_ROWS			/* medallion._history_rows */
} PastFunction;

static PastFunction
past_function(Oid function)
{
	char	   *name;
	PastFunction result = NOT_PAST;

	if (function < FirstNormalObjectId)
		return NOT_PAST;
	name = get_func_name(function);
	if (name == NULL)
		return NOT_PAST;
	if (strcmp(name, "as_of") == 0)
		result = PAST_AS_OF;
	else if (strcmp(name, "_history_rows") == 0)
		result = PAST_HISTORY_ROWS;
	pfree(name);
	if (result != NOT_PAST && get_func_namespace(function) != get_namespace_oid(MDL_SCHEMA, true))
		result = NOT_PAST;
	return result;
}

/* ---- the point as an expression ---------------------------------------------------------------------------------- */

static bool
const_argument(Node *argument, bool *is_null, Datum *value)
{
	if (!IsA(argument, Const))
		return false;
	*is_null = ((Const *) argument)->constisnull;
	*value = ((Const *) argument)->constvalue;
	return true;
}

/* (SELECT medallion._point(table, version, at)): evaluated once per execution. */
static Node *
point_sublink(Oid relid, Node *version, Node *at)
{
	Query	   *query = makeNode(Query);
	SubLink    *link = makeNode(SubLink);
	Oid			types[3] = {OIDOID, INT8OID, TIMESTAMPTZOID};
	Oid			function = LookupFuncName(list_make2(makeString(MDL_SCHEMA), makeString("_point")), 3, types, false);
	List	   *arguments = list_make3(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(relid), false, true),
									   copyObject(version), copyObject(at));

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->jointree = makeFromExpr(NIL, NULL);
	query->targetList = list_make1(makeTargetEntry((Expr *) makeFuncExpr(function, INT8OID, arguments, InvalidOid,
																		  InvalidOid, COERCE_EXPLICIT_CALL),
												   1, "point", false));
	query->hasSubLinks = false;
	link->subLinkType = EXPR_SUBLINK;
	link->subselect = (Node *) query;
	link->location = -1;
	return (Node *) link;
}

/*
 * The version as an expression: a constant if it can be known now (the answer for a version or a time never changes, so
 * the plan may be kept), else a subselect.
 */
static Node *
point_expression(Oid relid, Node *version, Node *at)
{
	Datum		version_value,
				at_value;
	bool		version_null,
				at_null;
	bool		known;

	version = eval_const_expressions(NULL, version);
	at = eval_const_expressions(NULL, at);
	known = const_argument(version, &version_null, &version_value) && const_argument(at, &at_null, &at_value);
	if (known)
	{
		int64		version_number = version_null ? 0 : DatumGetInt64(version_value);
		TimestampTz time = at_null ? 0 : DatumGetTimestampTz(at_value);
		int64		point = mdl_point_version(relid, version_null ? NULL : &version_number, at_null ? NULL : &time);

		return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(point), false, FLOAT8PASSBYVAL);
	}
	/* Wait now, so that the snapshot of the execution is late enough. */
	(void) mdl_commit_wait();
	return point_sublink(relid, version, at);
}

/* Replaces parameter $1 by an expression without variables. */
static Node *
substitute_mutator(Node *node, Node *replacement)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN && ((Param *) node)->paramid == 1)
		return copyObject(replacement);
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, substitute_mutator, replacement, 0);
	return expression_tree_mutator(node, substitute_mutator, replacement);
}

/* ---- replacing calls in a query ---------------------------------------------------------------------------------- */

/* Whether an expression depends on a row, of this query or of an outer one. */
static bool
has_variable(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return true;
	return expression_tree_walker(node, has_variable, context);
}

/* Named arguments in their places, defaults filled in. */
static FuncExpr *
with_all_arguments(FuncExpr *call)
{
	HeapTuple	function = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
	FuncExpr   *full = copyObject(call);

	if (!HeapTupleIsValid(function))
		elog(ERROR, "cache lookup failed for function %u", call->funcid);
	full->args = expand_function_arguments(full->args, false, full->funcresulttype, function);
	ReleaseSysCache(function);
	return full;
}

static FuncExpr *
past_call(RangeTblEntry *entry, PastFunction *kind)
{
	FuncExpr   *call;

	if (entry->rtekind != RTE_FUNCTION || list_length(entry->functions) != 1 || entry->funcordinality)
		return NULL;
	call = (FuncExpr *) linitial_node(RangeTblFunction, entry->functions)->funcexpr;
	if (call == NULL || !IsA(call, FuncExpr))
		return NULL;
	*kind = past_function(call->funcid);
	if (*kind == NOT_PAST)
		return NULL;
	call = with_all_arguments(call);
	/* With values of other FROM items the call stays a call. */
	if (has_variable((Node *) call->args, NULL) || contain_subplans((Node *) call->args) ||
		contain_volatile_functions((Node *) list_copy_tail(call->args, 1)))
		return NULL;
	return call;
}

/*
 * TRUNCATE empties a table for older snapshots too, while the rows that it moved to history are as new as itself: such a
 * snapshot would find them in neither place.
 */
static void
check_truncated(Oid relid)
{
	int64		unseen;

	if (!IsolationUsesXactSnapshot())
		return;
	unseen = mdl_first_unseen_version(GetTransactionSnapshot());
	if (unseen < PG_INT64_MAX && mdl_table_truncated(mdl_table_get(relid), unseen) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("versioned table \"%s\" was truncated after this transaction began to read", mdl_display_name(relid)),
				 errhint("Ask in a new transaction.")));
}

static void
replace_call(RangeTblEntry *entry, FuncExpr *call, PastFunction kind, ExpandState *state)
{
	Oid			relid = mdl_table_of_row_type(exprType(linitial(call->args)));
	bool		has_row_security = false;
	Query	   *query;
	Node	   *argument;

	mdl_capture_show();
	check_truncated(relid);
	if (kind == PAST_AS_OF)
	{
		query = mdl_past_query(relid, &has_row_security);
		argument = point_expression(relid, lsecond(call->args), lthird(call->args));
	}
	else
	{
		query = mdl_history_rows_query(relid, &has_row_security);
		argument = lsecond(call->args);
	}
	query = (Query *) substitute_mutator((Node *) query, argument);
	if (IsA(argument, SubLink))
	{
		ListCell   *cell;

		foreach(cell, query->rtable)
			if (lfirst_node(RangeTblEntry, cell)->subquery != NULL)
				lfirst_node(RangeTblEntry, cell)->subquery->hasSubLinks = true;
	}
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->security_barrier = false;
	entry->functions = NIL;
	entry->funcordinality = false;
	state->expanded = true;
	state->has_row_security |= has_row_security;
}

static bool
expand_walker(Node *node, ExpandState *state)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *cell;

		foreach(cell, query->rtable)
		{
			RangeTblEntry *entry = lfirst(cell);
			PastFunction kind;
			FuncExpr   *call = past_call(entry, &kind);

			if (call != NULL)
				replace_call(entry, call, kind, state);
		}
		return query_tree_walker(query, expand_walker, state, 0);
	}
	return expression_tree_walker(node, expand_walker, state);
}

static PlannedStmt *
past_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo bound_params)
{
	ExpandState state = {false, false};
	PlannedStmt *plan;

	if (OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)))
		expand_walker((Node *) parse, &state);
	plan = previous_planner_hook
		? previous_planner_hook(parse, query_string, cursor_options, bound_params)
		: standard_planner(parse, query_string, cursor_options, bound_params);
	if (state.has_row_security)
		plan->dependsOnRole = true;
	return plan;
}

void
mdl_past_expand_init(void)
{
	previous_planner_hook = planner_hook;
	planner_hook = past_planner;
}
