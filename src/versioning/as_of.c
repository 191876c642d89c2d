/*
 * as_of.c: reading a versioned table as it was.
 *
 * medallion.as_of(NULL::t, …) in a FROM clause is replaced, before planning, by the query that it means:
 *
 *     SELECT columns FROM t                          WHERE _born_by(xmin, version)
 *     UNION ALL
 *     SELECT columns FROM medallion_history."s.t"    WHERE _alive_at(born, died, version) AND died >= _low_of(version)
 *
 * so that predicates reach both sides, indexes are used and plans can be parallel.  The first side is analysed and
 * rewritten as the current user's, with grants and row-level security; the second gets the row-level security of the
 * base table, its columns mapped, and needs no grant of its own, since the first side has required it.
 *
 * The replacement is a planner hook, so this library must be loaded: by shared_preload_libraries, or by the first call,
 * which runs as a plain function (medallion.as_of itself), slower and with the same answer.
 */
#include "versioning/versioning_int.h"

#include "access/attmap.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/parse_func.h"
#include "parser/parse_type.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

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

/* The table whose row type the first argument has. */
static Oid
table_of_row_type(Oid type)
{
	Oid			relid = OidIsValid(type) ? typeidTypeRelid(type) : InvalidOid;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the first argument must have the row type of a versioned table, not type %s",
						OidIsValid(type) ? format_type_be(type) : "unknown"),
				 errhint("Write NULL::schema.table.")));
	return relid;
}

/* ---- building the query ------------------------------------------------------------------------------------------ */

/*
 * Appends the columns of the base table in order, under their names or those of the history table.  A dropped column
 * keeps its place as NULL where positions count: as in the row type.
 */
static void
append_columns(StringInfo sql, const MdlTable *table, TupleDesc base, TupleDesc named, bool keep_places)
{
	const char *separator = "";

	for (int i = 0; i < base->natts; i++)
	{
		if (TupleDescAttr(base, i)->attisdropped)
		{
			if (!keep_places)
				continue;
			appendStringInfo(sql, "%sNULL::pg_catalog.int4 AS dropped_%d", separator, i + 1);
		}
		else
		{
			int			column = named == base ? i : table->history_attno[i] - 1;

			appendStringInfo(sql, "%s%s", separator, quote_identifier(NameStr(TupleDescAttr(named, column)->attname)));
		}
		separator = ", ";
	}
}

/* Analyses one SELECT with parameters of type int8 and applies the rewriter to it, as the current user. */
static Query *
analyse(const char *sql, int nparams)
{
	Oid			types[2] = {INT8OID, INT8OID};
	List	   *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	Query	   *query = parse_analyze_fixedparams(linitial_node(RawStmt, parsed), sql, types, nparams, NULL);

	return query;
}

static Query *
rewrite(Query *query)
{
	return linitial_node(Query, QueryRewrite(query));
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

/* The one table of a query. */
static RangeTblEntry *
table_entry(Query *query, Oid relid)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);

		if (entry->rtekind == RTE_RELATION && entry->relid == relid)
			return entry;
	}
	elog(ERROR, "the query of a versioned table does not name it");
	return NULL;				/* keep the compiler quiet */
}

/* Gives the history side the row-level security of the base table, and takes away the need for a grant. */
static void
guard_history(Query *history_query, const MdlTable *table, const RangeTblEntry *base_entry)
{
	RangeTblEntry *entry = table_entry(history_query, table->history);
	AttrMap    *map = make_attrmap(table->natts);
	bool		whole_row = false;

	entry->requiredPerms = 0;
	entry->selectedCols = NULL;
	for (int i = 0; i < table->natts; i++)
		map->attnums[i] = table->history_attno[i];
	entry->securityQuals = castNode(List, map_variable_attnos((Node *) base_entry->securityQuals, 1, 0, map,
															   InvalidOid, &whole_row));
	free_attrmap(map);
	if (whole_row)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot read the past of \"%s\": a row-level security policy uses the whole row",
						mdl_display_name(table->relid)),
				 errhint("Name the columns in the policy.")));
}

static bool
has_sublink(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
		return true;
	return expression_tree_walker(node, has_sublink, context);
}

/* Analyses a SELECT from the history table and gives it the base table's row-level security. */
static Query *
history_side(const MdlTable *table, const char *sql, const RangeTblEntry *base_entry)
{
	MdlUser		user;
	Query	   *query;

	/* The user may not even use the schema; analysis of our own text runs nothing. */
	mdl_owner_begin(&user);
	query = analyse(sql, 1);
	mdl_owner_end(&user);
	guard_history(query, table, base_entry);
	query->hasRowSecurity = base_entry->securityQuals != NIL;
	query->hasSubLinks |= has_sublink((Node *) base_entry->securityQuals, NULL);
	return query;
}

/* Analyses and rewrites the base side, whose entry carries the rights and the row-level security. */
static Query *
base_side(const MdlTable *table, TupleDesc base, const char *where, int nparams, RangeTblEntry **entry)
{
	StringInfoData sql;
	Query	   *query;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, table, base, base, true);
	appendStringInfo(&sql, " FROM ONLY %s%s", mdl_qualified_name(table->relid), where);
	query = rewrite(analyse(sql.data, nparams));
	*entry = table_entry(query, table->relid);
	return query;
}

/* Wraps a query as an entry of a set operation. */
static RangeTblEntry *
side_entry(Query *query, const char *name)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->alias = makeAlias(name, NIL);
	entry->eref = makeAlias(name, NIL);
	for (ListCell *cell = list_head(query->targetList); cell != NULL; cell = lnext(query->targetList, cell))
		entry->eref->colnames = lappend(entry->eref->colnames,
										makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
	entry->inFromCl = false;
	return entry;
}

/* left UNION ALL right, whose columns have the same types. */
static Query *
union_all(Query *left, Query *right)
{
	Query	   *query = makeNode(Query);
	SetOperationStmt *operation = makeNode(SetOperationStmt);
	RangeTblRef *refs[2];
	ListCell   *cell;

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make2(side_entry(left, "*SELECT* 1"), side_entry(right, "*SELECT* 2"));
	query->jointree = makeFromExpr(NIL, NULL);
	query->hasRowSecurity = left->hasRowSecurity || right->hasRowSecurity;
	for (int i = 0; i < 2; i++)
	{
		refs[i] = makeNode(RangeTblRef);
		refs[i]->rtindex = i + 1;
	}
	operation->op = SETOP_UNION;
	operation->all = true;
	operation->larg = (Node *) refs[0];
	operation->rarg = (Node *) refs[1];
	foreach(cell, left->targetList)
	{
		TargetEntry *target = lfirst(cell);
		Node	   *expression = (Node *) target->expr;
		Oid			type = exprType(expression);
		int32		typmod = -1;
		Oid			collation = exprCollation(expression);

		operation->colTypes = lappend_oid(operation->colTypes, type);
		operation->colTypmods = lappend_int(operation->colTypmods, typmod);
		operation->colCollations = lappend_oid(operation->colCollations, collation);
		query->targetList = lappend(query->targetList,
									makeTargetEntry((Expr *) makeVar(1, target->resno, type, typmod, collation, 0),
													target->resno, pstrdup(target->resname), false));
	}
	query->setOperations = (Node *) operation;
	return query;
}

/* A copy of the description of a table, which the caller may keep after closing it. */
static TupleDesc
base_description(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(relation));

	table_close(relation, NoLock);
	return desc;
}

/* The state of a table as of $1. */
static Query *
past_query(Oid relid, bool *has_row_security)
{
	MdlTable   *table = mdl_table_get(relid);
	TupleDesc	base = base_description(relid);
	RangeTblEntry *entry;
	StringInfoData sql;
	Query	   *left = base_side(table, base, " WHERE medallion._born_by(xmin, $1)", 1, &entry);

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, table, base, table->history_desc, true);
	appendStringInfo(&sql, " FROM %s WHERE medallion._alive_at(" MDL_BORN_COLUMN ", " MDL_DIED_COLUMN ", $1)"
					 " AND " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) medallion._low_of($1)",
					 mdl_qualified_name(table->history));
	*has_row_security = left->hasRowSecurity;
	return union_all(left, history_side(table, sql.data, entry));
}

/* The history rows of a table that died at stamp $1 or later: (born, died, row). */
static Query *
history_rows_query(Oid relid, bool *has_row_security)
{
	MdlTable   *table = mdl_table_get(relid);
	TupleDesc	base = base_description(relid);
	RangeTblEntry *entry;
	StringInfoData sql;

	mdl_require_privilege(relid, ACL_SELECT);
	*has_row_security = base_side(table, base, "", 0, &entry)->hasRowSecurity;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT " MDL_BORN_COLUMN ", " MDL_DIED_COLUMN ", ROW(");
	append_columns(&sql, table, base, table->history_desc, false);
	appendStringInfo(&sql, ")::%s FROM %s WHERE " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) $1",
					 mdl_qualified_name(relid), mdl_qualified_name(table->history));
	return history_side(table, sql.data, entry);
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
	Oid			relid = table_of_row_type(exprType(linitial(call->args)));
	bool		has_row_security = false;
	Query	   *query;
	Node	   *argument;

	mdl_capture_show();
	check_truncated(relid);
	if (kind == PAST_AS_OF)
	{
		query = past_query(relid, &has_row_security);
		argument = point_expression(relid, lsecond(call->args), lthird(call->args));
	}
	else
	{
		query = history_rows_query(relid, &has_row_security);
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
mdl_as_of_init(void)
{
	previous_planner_hook = planner_hook;
	planner_hook = past_planner;
}

/* ---- SQL functions ----------------------------------------------------------------------------------------------- */

/* Runs where the planner hook did not see the call: the first one in a session that did not preload, or with values of
 * other FROM items. */
MDL_FUNCTION(mdl_as_of);
Datum
mdl_as_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			relid = table_of_row_type(get_fn_expr_argtype(fcinfo->flinfo, 0));
	int64		version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	TimestampTz at = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);
	int64		point = mdl_point_version(relid, PG_ARGISNULL(1) ? NULL : &version, PG_ARGISNULL(2) ? NULL : &at);
	TupleConversionMap *map;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	mdl_run(psprintf("SELECT * FROM medallion.as_of(NULL::%s, version => " INT64_FORMAT ")", mdl_qualified_name(relid), point),
			NULL, true);
	map = convert_tuples_by_position(SPI_tuptable->tupdesc, result->setDesc, "the past of a table does not have its row type");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, map == NULL ? SPI_tuptable->vals[i]
							: execute_attr_map_tuple(SPI_tuptable->vals[i], map));
	SPI_finish();
	PG_RETURN_NULL();
}

MDL_FUNCTION(mdl_history_rows);
Datum
mdl_history_rows(PG_FUNCTION_ARGS)
{
	elog(ERROR, "medallion._history_rows() is replaced by the planner and cannot be run");
	PG_RETURN_NULL();
}

MDL_FUNCTION(mdl_point);
Datum
mdl_point(PG_FUNCTION_ARGS)
{
	int64		version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	TimestampTz at = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_INT64(mdl_point_version(PG_GETARG_OID(0), PG_ARGISNULL(1) ? NULL : &version, PG_ARGISNULL(2) ? NULL : &at));
}

/* What a visibility function keeps between the rows of one execution. */
typedef struct PointState
{
	int64		asked;
	MdlPoint	point;
	uint32		reference;		/* an id not older than any row of the statement but its own */
	uint64		low_age;		/* reference - low, as ages */
	int64		high_age;
} PointState;

static PointState *
point_state(FunctionCallInfo fcinfo, int64 version, bool check_snapshot)
{
	PointState *state = fcinfo->flinfo->fn_extra;
	const MdlPoint *point;
	MemoryContext saved;
	int64		reference;

	if (likely(state != NULL && state->asked == version))
		return state;
	point = mdl_point_resolve(version, check_snapshot && ActiveSnapshotSet() ? GetActiveSnapshot() : NULL);
	if (state == NULL)
		state = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(PointState));
	else if (state->point.exceptions != NULL)
		pfree(state->point.exceptions);
	state->point = *point;
	saved = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	state->point.exceptions = palloc(Max(point->nexceptions, 1) * sizeof(int64));
	memcpy(state->point.exceptions, point->exceptions, point->nexceptions * sizeof(int64));
	MemoryContextSwitchTo(saved);
	reference = U64FromFullTransactionId(ReadNextFullTransactionId());
	state->reference = (uint32) reference;
	state->low_age = reference + point->stamp_offset - point->low;
	state->high_age = reference + point->stamp_offset - point->high;
	state->asked = version;
	return state;
}

/* Whether a row that the statement sees was born by a version: two comparisons of ages, nearly always. */
MDL_FUNCTION(mdl_born_by);
Datum
mdl_born_by(PG_FUNCTION_ARGS)
{
	TransactionId xmin = PG_GETARG_TRANSACTIONID(0);
	PointState *state = point_state(fcinfo, PG_GETARG_INT64(1), true);
	int32		distance = (int32) (xmin - state->reference);
	int64		age;

	if (unlikely(!TransactionIdIsNormal(xmin)))
		PG_RETURN_BOOL(true);	/* frozen by an old server, or at bootstrap */
	if (unlikely(distance >= 0 && TransactionIdIsCurrentTransactionId(xmin)))
		PG_RETURN_BOOL(false);
	age = (uint32) (state->reference - xmin);
	if (likely(age > state->low_age))
		PG_RETURN_BOOL(true);
	if (age <= state->high_age)
		PG_RETURN_BOOL(false);
	if (TransactionIdIsCurrentTransactionId(xmin))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(mdl_point_includes(&state->point, state->point.low + state->low_age - age));
}

MDL_FUNCTION(mdl_alive_at);
Datum
mdl_alive_at(PG_FUNCTION_ARGS)
{
	PointState *state = point_state(fcinfo, PG_GETARG_INT64(2), true);

	PG_RETURN_BOOL(mdl_point_includes(&state->point, PG_GETARG_INT64(0)) &&
				   !mdl_point_includes(&state->point, PG_GETARG_INT64(1)));
}

MDL_FUNCTION(mdl_low_of);
Datum
mdl_low_of(PG_FUNCTION_ARGS)
{
	/* The planner may ask for its estimates, with a snapshot that is too old for the rows but not for this. */
	PG_RETURN_INT64(point_state(fcinfo, PG_GETARG_INT64(0), false)->point.low);
}
