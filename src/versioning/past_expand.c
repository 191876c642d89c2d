/*
 * past_expand.c: questions about the past in a query, replaced before planning by what they mean.
 *
 * medallion.as_of(NULL::t, …) in a FROM clause, and every versioned table in a session that travels, become the query of
 * past_query.c, so that predicates reach both sides, indexes are used and plans can be parallel.  Functions in SQL that the
 * planner would inline are inlined here first, since it would do so too late for what is inside.
 *
 * The tables that are put into the query are marked, each with what it was put there for: when the plan is run it is
 * checked against what the session asks for then (past_run.c).
 */
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/tables_int.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parse_func.h"
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static planner_hook_type previous_planner_hook = NULL;

/* What a query was found to ask for, so that its plan is treated accordingly. */
typedef struct ExpandState
{
	PlannerInfo *root;			/* for the parts of the planner that want one */
	bool		has_row_security;	/* also if it does not apply to the current user: the plan is for this one alone */
	bool		travelling;
} ExpandState;

/* ---- marks ------------------------------------------------------------------------------------------------------- */

static const char *const mark_names[] = {NULL, "medallion: past of a call", "medallion: past of a session", "medallion: present"};

/*
 * A table has no use for the two fields that name a tuple store.  They survive planning and the copies of kept plans;
 * a parallel worker does not get them and does not look.
 */
static void
mark_entry(RangeTblEntry *entry, MdlPastMark mark, int64 version)
{
	entry->enrname = pstrdup(mark_names[mark]);
	entry->enrtuples = (double) version;
}

MdlPastMark
mdl_past_mark(const RangeTblEntry *entry, int64 *version)
{
	if (entry->rtekind != RTE_RELATION || entry->enrname == NULL)
		return MDL_UNMARKED;
	*version = (int64) entry->enrtuples;
	for (MdlPastMark mark = MDL_PAST_OF_CALL; mark <= MDL_PRESENT; mark++)
		if (strcmp(entry->enrname, mark_names[mark]) == 0)
			return mark;
	return MDL_UNMARKED;
}

void
mdl_past_mark_sides(Query *query, MdlPastMark mark, int64 version)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);

		if (entry->rtekind == RTE_RELATION)
			mark_entry(entry, mark, version);
		else if (entry->rtekind == RTE_SUBQUERY)
			mdl_past_mark_sides(entry->subquery, mark, version);
	}
}

/* ---- recognising the functions ----------------------------------------------------------------------------------- */

typedef enum PastFunction
{
	NOT_PAST,
	PAST_AS_OF,					/* medallion.as_of */
	PAST_HISTORY_ROWS,			/* medallion._history_rows */
	PAST_CHANGES				/* medallion.changes */
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
	else if (strcmp(name, "changes") == 0)
		result = PAST_CHANGES;
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

static Node *
version_const(int64 version)
{
	return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(version), false, FLOAT8PASSBYVAL);
}

/* SELECT medallion._point(table, version, at) */
static Query *
point_query(Oid relid, Node *version, Node *at)
{
	Query	   *query = makeNode(Query);
	Oid			types[3] = {OIDOID, INT8OID, TIMESTAMPTZOID};
	Oid			function = LookupFuncName(list_make2(makeString(MDL_SCHEMA), makeString("_point")), 3, types, false);
	List	   *arguments = list_make3(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(relid), false, true),
									   copyObject(version), copyObject(at));

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->jointree = makeFromExpr(NIL, NULL);
	query->hasSubLinks = checkExprHasSubLink((Node *) arguments);
	query->targetList = list_make1(makeTargetEntry((Expr *) makeFuncExpr(function, INT8OID, arguments, InvalidOid,
																		  InvalidOid, COERCE_EXPLICIT_CALL),
												   1, "point", false));
	return query;
}

/* What stands for $1: an expression without variables, or the column `point` of a FROM item beside. */
typedef struct Substitution
{
	Node	   *expression;		/* NULL: the column */
	int			depth;			/* of the query being walked */
	bool		has_sublinks;
} Substitution;

static Node *
substitute_mutator(Node *node, Substitution *substitution)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN && ((Param *) node)->paramid == 1)
	{
		if (substitution->expression != NULL)
			return copyObject(substitution->expression);
		return (Node *) makeVar(1, 1, INT8OID, -1, InvalidOid, substitution->depth);
	}
	if (IsA(node, Query))
	{
		Query	   *query;

		substitution->depth++;
		query = query_tree_mutator((Query *) node, substitute_mutator, substitution, 0);
		query->hasSubLinks |= substitution->has_sublinks;
		substitution->depth--;
		return (Node *) query;
	}
	/* Which columns a known version has is decided now, so that what is left is the column itself, which has indexes. */
	if (IsA(node, CaseExpr) && substitution->expression != NULL && IsA(substitution->expression, Const))
		return eval_const_expressions(NULL, expression_tree_mutator(node, substitute_mutator, substitution));
	return expression_tree_mutator(node, substitute_mutator, substitution);
}

/* The query with the version that $1 stands for, as a constant or as a subselect that is evaluated once per execution. */
static Query *
with_version(Query *query, Node *version)
{
	Substitution substitution = {version, -1, IsA(version, SubLink)};

	return (Query *) substitute_mutator((Node *) query, &substitution);
}

/*
 * The query for a version that depends on rows of other FROM items:
 *     SELECT past.* FROM (SELECT medallion._point(table, version, at) AS point OFFSET 0) point, LATERAL (query) past
 */
static Query *
with_version_of_row(Query *query, Query *point)
{
	Substitution substitution = {NULL, 0, false};
	Query	   *outer = makeNode(Query);
	RangeTblEntry *entries[2];
	List	   *refs = NIL;
	ListCell   *cell;

	/* The point stands one query deeper than the call did. */
	IncrementVarSublevelsUp((Node *) point, 2, 0);
	point->limitOffset = version_const(0);
	query = (Query *) substitute_mutator((Node *) query, &substitution);
	for (int i = 0; i < 2; i++)
	{
		RangeTblRef *ref = makeNode(RangeTblRef);
		Query	   *side = i == 0 ? point : query;

		entries[i] = makeNode(RangeTblEntry);
		entries[i]->rtekind = RTE_SUBQUERY;
		entries[i]->subquery = side;
		entries[i]->lateral = i == 1;
		entries[i]->inFromCl = true;
		entries[i]->eref = makeAlias(i == 0 ? "point" : "past", NIL);
		foreach(cell, side->targetList)
			entries[i]->eref->colnames = lappend(entries[i]->eref->colnames,
												 makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
		ref->rtindex = i + 1;
		refs = lappend(refs, ref);
	}
	outer->commandType = CMD_SELECT;
	outer->canSetTag = true;
	outer->rtable = list_make2(entries[0], entries[1]);
	outer->jointree = makeFromExpr(refs, NULL);
	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst(cell);

		outer->targetList = lappend(outer->targetList,
									makeTargetEntry((Expr *) makeVarFromTargetEntry(2, target), target->resno,
													pstrdup(target->resname), false));
	}
	return outer;
}

/* ---- replacing calls in a query ---------------------------------------------------------------------------------- */

/* Whether an expression uses a column of the query it stands in, or of an outer one. */
static bool
has_variable(Node *node, int *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varlevelsup >= *depth;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup >= *depth)
		return true;
	if (IsA(node, Query))
	{
		bool		found;

		(*depth)++;
		found = query_tree_walker((Query *) node, has_variable, depth, 0);
		(*depth)--;
		return found;
	}
	return expression_tree_walker(node, has_variable, depth);
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
	return *kind == NOT_PAST ? NULL : with_all_arguments(call);
}

/* The query of a call with its version; *version is 0 unless it is known now. */
static Query *
call_query(Query *query, Oid relid, FuncExpr *call, ExpandState *state, int64 *version)
{
	Node	   *version_argument = eval_const_expressions(state->root, lsecond(call->args));
	Node	   *at_argument = eval_const_expressions(state->root, lthird(call->args));
	Datum		version_value,
				at_value;
	bool		version_null,
				at_null;
	int			depth = 0;

	*version = 0;
	if (const_argument(version_argument, &version_null, &version_value) && const_argument(at_argument, &at_null, &at_value))
	{
		int64		number = version_null ? 0 : DatumGetInt64(version_value);
		TimestampTz time = at_null ? 0 : DatumGetTimestampTz(at_value);

		/* The answer for a version or a time never changes, so the plan may be kept. */
		*version = mdl_point_version(relid, version_null ? NULL : &number, at_null ? NULL : &time);
		return with_version(query, version_const(*version));
	}
	if (has_variable((Node *) list_make2(version_argument, at_argument), &depth))
		return with_version_of_row(query, point_query(relid, version_argument, at_argument));
	else
	{
		SubLink    *link = makeNode(SubLink);

		link->subLinkType = EXPR_SUBLINK;
		link->subselect = (Node *) point_query(relid, version_argument, at_argument);
		link->location = -1;
		return with_version(query, (Node *) link);
	}
}

static void
replace_call(Query *outer, int index, RangeTblEntry *entry, FuncExpr *call, PastFunction kind, ExpandState *state)
{
	Oid			relid = mdl_table_of_row_type(exprType(linitial(call->args)));
	bool		has_row_security = false;
	Query	   *query;
	int64		version = 0;

	if (kind == PAST_AS_OF)
	{
		query = mdl_past_query(relid, mdl_used_columns(outer, index), &has_row_security);
		mdl_past_mark_sides(query, MDL_PAST_OF_CALL, 0);
		query = call_query(query, relid, call, state, &version);
		if (version > 0)
			mdl_past_mark_sides(query, MDL_PAST_OF_CALL, version);
	}
	else
	{
		query = mdl_history_rows_query(relid, mdl_used_fields(outer, index, 3), &has_row_security);
		mdl_past_mark_sides(query, MDL_PAST_OF_CALL, 0);
		query = with_version(query, lsecond(call->args));
	}
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->security_barrier = false;
	entry->functions = NIL;
	entry->funcordinality = false;
	state->has_row_security |= has_row_security;
}

/* ---- the change feed ------------------------------------------------------------------------------------------------- */

/* medallion.changes(t, first, last) becomes medallion._changes(t, first, last, columns used), unless whole rows are. */
static void
tell_columns(Query *outer, int index, RangeTblEntry *entry, FuncExpr *call)
{
	Bitmapset  *used = mdl_used_fields(outer, index, 4);
	Datum	   *columns;
	int			count = 0;
	int			column = -1;
	Oid			types[4] = {ANYELEMENTOID, INT8OID, INT8OID, INT2ARRAYOID};
	FuncExpr   *told;

	if (bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, used))
		return;
	columns = palloc(Max(bms_num_members(used), 1) * sizeof(Datum));
	while ((column = bms_next_member(used, column)) >= 0)
		columns[count++] = Int16GetDatum(column + FirstLowInvalidHeapAttributeNumber);
	told = copyObject(call);
	told->funcid = LookupFuncName(list_make2(makeString(MDL_SCHEMA), makeString("_changes")), 4, types, false);
	told->args = lappend(told->args, makeConst(INT2ARRAYOID, -1, InvalidOid, -1,
											   PointerGetDatum(construct_array(columns, count, INT2OID, sizeof(int16), true, TYPALIGN_SHORT)),
											   false, false));
	linitial_node(RangeTblFunction, entry->functions)->funcexpr = (Node *) told;
}

/* The feed reads system columns of the table on its own account. */
static void
without_system_columns(RangeTblEntry *entry)
{
	for (AttrNumber column = FirstLowInvalidHeapAttributeNumber + 1; column < 0; column++)
		entry->selectedCols = bms_del_member(entry->selectedCols, column - FirstLowInvalidHeapAttributeNumber);
}

/* ---- replacing tables in a session that travels -------------------------------------------------------------------- */

static void
check_entry(const RangeTblEntry *entry)
{
	int			column = -1;

	if (entry->tablesample != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("TABLESAMPLE of \"%s\" is not possible while the session reads the past", mdl_display_name(entry->relid)),
				 errdetail("medallion.as_of is set to \"%s\".", mdl_travel_text()),
				 errhint("Use WHERE random() < 0.01, or RESET medallion.as_of.")));
	column = bms_next_member(entry->selectedCols, column);
	if (column >= 0 && column + FirstLowInvalidHeapAttributeNumber < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("system column \"%s\" of \"%s\" cannot be read while the session reads the past",
						NameStr(SystemAttributeDefinition(column + FirstLowInvalidHeapAttributeNumber)->attname),
						mdl_display_name(entry->relid)),
				 errdetail("medallion.as_of is set to \"%s\".", mdl_travel_text()),
				 errhint("RESET medallion.as_of returns to the present.")));
}

static void
replace_table(int index, RangeTblEntry *entry)
{
	int64		version = mdl_travel_version();
	Query	   *query;

	check_entry(entry);
	(void) mdl_point_version(entry->relid, &version, NULL);
	query = mdl_past_query_of_entry(entry, index);
	mdl_past_mark_sides(query, MDL_PAST_OF_SESSION, version);
	entry->subquery = with_version(query, version_const(version));
	entry->rtekind = RTE_SUBQUERY;
	entry->security_barrier = false;
	entry->relid = InvalidOid;
	entry->relkind = 0;
	entry->rellockmode = 0;
	entry->inh = false;
	entry->requiredPerms = 0;
	entry->checkAsUser = InvalidOid;
	entry->selectedCols = NULL;
	entry->securityQuals = NIL;
}

static bool
is_travelling_entry(const RangeTblEntry *entry)
{
	int64		version;

	return entry->rtekind == RTE_RELATION && entry->relid >= FirstNormalObjectId &&
		(entry->relkind == RELKIND_RELATION || entry->relkind == RELKIND_PARTITIONED_TABLE) &&
		mdl_past_mark(entry, &version) == MDL_UNMARKED && mdl_table_find(entry->relid) != NULL;
}

/* ---- functions in SQL ---------------------------------------------------------------------------------------------- */

static bool
is_sql_function(Oid function)
{
	HeapTuple	tuple;
	bool		result;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	result = HeapTupleIsValid(tuple) && ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/* Does what the planner would do with a function in FROM (preprocess_function_rtes), where it can be seen through. */
static void
inline_function(RangeTblEntry *entry, ExpandState *state)
{
	FuncExpr   *call;
	Query	   *query;

	if (entry->rtekind != RTE_FUNCTION || list_length(entry->functions) != 1)
		return;
	call = (FuncExpr *) linitial_node(RangeTblFunction, entry->functions)->funcexpr;
	if (call == NULL || !IsA(call, FuncExpr) || !is_sql_function(call->funcid))
		return;
	entry->functions = (List *) eval_const_expressions(state->root, (Node *) entry->functions);
	query = inline_set_returning_function(state->root, entry);
	if (query == NULL)
		return;
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->security_barrier = false;
	entry->functions = NIL;
	entry->funcordinality = false;
}

/* ---- policies ------------------------------------------------------------------------------------------------------ */

static bool expand_walker(Node *node, ExpandState *state);

static bool
mark_present_walker(Node *node, void *context)
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

			if (entry->rtekind == RTE_RELATION && entry->enrname == NULL)
				mark_entry(entry, MDL_PRESENT, 0);
		}
		return query_tree_walker(query, mark_present_walker, context, 0);
	}
	return expression_tree_walker(node, mark_present_walker, context);
}

/*
 * What a policy asks other tables for is who may see a row, and that is a question about the present, as grants are: who
 * was a member once must not be one again by travelling.
 */
static void
keep_policies_in_present(RangeTblEntry *entry, ExpandState *state)
{
	ExpandState present = *state;

	present.travelling = false;
	(void) expand_walker((Node *) entry->securityQuals, &present);
	state->has_row_security |= present.has_row_security;
	(void) mark_present_walker((Node *) entry->securityQuals, NULL);
}

/* ---- the walk -------------------------------------------------------------------------------------------------------- */

static bool
expand_walker(Node *node, ExpandState *state)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *cell;

		if (state->travelling)
			mdl_refuse_query(query);
		foreach(cell, query->rtable)
		{
			RangeTblEntry *entry = lfirst(cell);
			int			index = foreach_current_index(cell) + 1;
			PastFunction kind;
			FuncExpr   *call;

			if (OidIsValid(mdl_feed_relation) && entry->rtekind == RTE_RELATION && entry->relid == mdl_feed_relation)
				without_system_columns(entry);
			if (state->travelling && entry->securityQuals != NIL)
				keep_policies_in_present(entry, state);
			inline_function(entry, state);
			call = past_call(entry, &kind);
			if (call != NULL && kind == PAST_CHANGES)
				tell_columns(query, index, entry, call);
			else if (call != NULL)
				replace_call(query, index, entry, call, kind, state);
			else if (state->travelling && is_travelling_entry(entry))
				replace_table(index, entry);
		}
		return query_tree_walker(query, expand_walker, state, 0);
	}
	if (state->travelling)
		mdl_refuse_expression(node);
	return expression_tree_walker(node, expand_walker, state);
}

/* As much of the planner's state as folding of constants and inlining ask for. */
static PlannerInfo *
planner_state(Query *parse, ParamListInfo bound_params)
{
	PlannerInfo *root = makeNode(PlannerInfo);

	root->glob = makeNode(PlannerGlobal);
	root->glob->boundParams = bound_params;
	root->parse = parse;
	root->query_level = 1;
	root->planner_cxt = CurrentMemoryContext;
	return root;
}

static PlannedStmt *
past_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo bound_params)
{
	ExpandState state = {NULL, false, mdl_travelling()};
	PlannedStmt *plan;

	if (state.travelling || OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)))
	{
		state.root = planner_state(parse, bound_params);
		expand_walker((Node *) parse, &state);
	}
	plan = previous_planner_hook
		? previous_planner_hook(parse, query_string, cursor_options, bound_params)
		: standard_planner(parse, query_string, cursor_options, bound_params);
	if (state.root != NULL)
	{
		plan->dependsOnRole |= state.has_row_security || state.root->glob->dependsOnRole;
		plan->invalItems = list_concat(plan->invalItems, state.root->glob->invalItems);
		if (state.travelling && plan->parallelModeNeeded)
			mdl_travel_prepare_workers();
	}
	return plan;
}

void
mdl_past_expand_init(void)
{
	previous_planner_hook = planner_hook;
	planner_hook = past_planner;
}
