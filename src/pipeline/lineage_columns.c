/*
 * lineage_columns.c: from which columns the columns of a query come, read off the tree that the server's parser made.
 *
 * A *scope* is one query level; a variable is followed through scopes (subqueries, CTEs, joins, set operations, VALUES,
 * functions) to the columns of relations.  Steps are composed as OpenLineage's own integrations do it: what is indirect
 * stays so, and of two direct uses the stronger one counts (identity, transformation, aggregation).
 */
#include "pipeline/definition_int.h"
#include "pipeline/lineage_columns_int.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "rewrite/prs2lock.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

const char *
mdl_column_use_name(ColumnUse use)
{
	static const char *const names[] = {"IDENTITY", "TRANSFORMATION", "AGGREGATION", "JOIN", "GROUP_BY", "FILTER", "SORT",
	"WINDOW", "CONDITIONAL"};

	return names[use];
}
/* ---- sets of origins ----------------------------------------------------------------------------------------------- */

/* What comes of a column that is used as `inner` by something that is used as `outer`. */
ColumnUse
mdl_compose_use(ColumnUse outer, ColumnUse inner)
{
	if (!USE_IS_DIRECT(outer))
		return outer;
	return !USE_IS_DIRECT(inner) || inner > outer ? inner : outer;
}

void
mdl_add_origin(OriginSet *set, Oid relid, AttrNumber column, ColumnUse use, bool masking)
{
	masking = masking && USE_IS_DIRECT(use);
	for (int i = 0; i < set->count; i++)
	{
		ColumnOrigin *origin = &set->origins[i];

		if (origin->relid == relid && origin->column == column && origin->use == use && origin->masking == masking)
			return;
	}
	if (set->count == set->size)
	{
		set->size = Max(8, set->size * 2);
		set->origins = set->count ? repalloc(set->origins, sizeof(ColumnOrigin) * set->size) :
			palloc(sizeof(ColumnOrigin) * set->size);
	}
	set->origins[set->count++] = (ColumnOrigin) {relid, column, use, masking};
}

void
mdl_add_origins(OriginSet *set, const OriginSet *other, ColumnUse use, bool masking)
{
	for (int i = 0; i < other->count; i++)
	{
		const ColumnOrigin *origin = &other->origins[i];

		mdl_add_origin(set, origin->relid, origin->column, mdl_compose_use(use, origin->use), masking || origin->masking);
	}
}

static int
compare_origins(const void *a, const void *b)
{
	const ColumnOrigin *x = a;
	const ColumnOrigin *y = b;

	if (x->relid != y->relid)
		return x->relid < y->relid ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	if (x->use != y->use)
		return x->use < y->use ? -1 : 1;
	return (int) x->masking - (int) y->masking;
}

/* ---- scopes -------------------------------------------------------------------------------------------------------- */

Scope *
mdl_make_scope(Query *query, Scope *parent, bool through_views)
{
	Scope	   *scope = palloc0_object(Scope);
	int			number = 0;
	ListCell   *cell;

	CHECK_FOR_INTERRUPTS();		/* views that read views twice double at each step */
	scope->query = query;
	scope->parent = parent;
	scope->through_views = through_views;
	scope->inner = palloc0(sizeof(Scope *) * (list_length(query->rtable) + 1));
	scope->columns = palloc0(sizeof(OriginSet *) * (list_length(query->targetList) + 1));
	scope->ctes = palloc0(sizeof(CteState) * (list_length(query->cteList) + 1));
	foreach(cell, query->cteList)
		scope->ctes[number++].cte = lfirst_node(CommonTableExpr, cell);
	return scope;
}

Scope *
mdl_outer_scope(Scope *scope, Index levels)
{
	while (levels-- > 0)
	{
		scope = scope->parent;
		if (scope == NULL)
			elog(ERROR, "a variable refers to a query level that is not there");
	}
	return scope;
}

/* The query of a view, as stored. */
static Query *
view_query(Oid view)
{
	Relation	relation = try_relation_open(view, AccessShareLock);
	Query	   *query = NULL;

	if (relation == NULL)
		return NULL;
	for (int i = 0; relation->rd_rules && i < relation->rd_rules->numLocks; i++)
		if (relation->rd_rules->rules[i]->event == CMD_SELECT)
			query = copyObject(linitial_node(Query, relation->rd_rules->rules[i]->actions));
	relation_close(relation, AccessShareLock);
	return query;
}

/* The scope behind a range table entry that is a query of its own, or NULL. */
Scope *
mdl_inner_scope(Scope *scope, Index index)
{
	RangeTblEntry *entry = rt_fetch(index, scope->query->rtable);

	if (scope->inner[index])
		return scope->inner[index];
	if (entry->rtekind == RTE_SUBQUERY)
		scope->inner[index] = mdl_make_scope(entry->subquery, scope, scope->through_views);
	else if (entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW && scope->through_views)
	{
		Query	   *query = view_query(entry->relid);

		if (query)
			scope->inner[index] = mdl_make_scope(query, NULL, true);
	}
	return scope->inner[index];
}

/* ---- CTEs ---------------------------------------------------------------------------------------------------------- */

CteState *
mdl_find_cte(Scope *scope, const RangeTblEntry *entry)
{
	Scope	   *holder = mdl_outer_scope(scope, entry->ctelevelsup);

	for (int i = 0; i < list_length(holder->query->cteList); i++)
	{
		CteState   *state = &holder->ctes[i];

		if (strcmp(state->cte->ctename, entry->ctename) != 0)
			continue;
		if (state->scope == NULL)
			state->scope = mdl_make_scope(castNode(Query, state->cte->ctequery), holder, holder->through_views);
		return state;
	}
	elog(ERROR, "there is no CTE \"%s\"", entry->ctename);
}

/* Repeats the query of a recursive CTE over what is known of it until nothing is new. */
static void
settle_cte(CteState *state)
{
	int			width = list_length(state->scope->query->targetList);
	bool		grew = true;

	state->columns = palloc0(sizeof(OriginSet) * (width + 1));
	state->settling = true;
	while (grew)
	{
		Scope	   *scope = mdl_make_scope(state->scope->query, state->scope->parent, state->scope->through_views);
		int			before = state->whole.count;

		CHECK_FOR_INTERRUPTS();
		grew = false;
		for (int i = 1; i <= width; i++)
		{
			int			known = state->columns[i].count;

			mdl_add_origins(&state->columns[i], mdl_scope_column(scope, i), USE_IDENTITY, false);
			grew |= state->columns[i].count > known;
		}
		mdl_add_origins(&state->whole, mdl_scope_whole(scope), USE_IDENTITY, false);
		grew |= state->whole.count > before;
	}
	state->settling = false;
	state->settled = true;
}

/* Position of a column of a CTE by name; 0 if there is none. */
static int
cte_column_number(const CteState *state, const char *name)
{
	int			number = 0;
	ListCell   *cell;

	foreach(cell, state->cte->ctecolnames)
	{
		number++;
		if (strcmp(strVal(lfirst(cell)), name) == 0)
			return number;
	}
	return 0;
}

/* Columns that SEARCH (one) and then CYCLE (mark and path) add to the query's own come from the columns listed there. */
static const OriginSet *
cte_added_column(CteState *state, int number)
{
	const CTESearchClause *search = state->cte->search_clause;
	const CTECycleClause *cycle = state->cte->cycle_clause;
	OriginSet  *set = palloc0_object(OriginSet);
	bool		is_search = search && number == 1;
	bool		is_mark = cycle && number == (search ? 2 : 1);
	List	   *columns = is_search ? search->search_col_list : cycle ? cycle->cycle_col_list : NIL;
	ListCell   *cell;

	foreach(cell, columns)
	{
		int			listed = cte_column_number(state, strVal(lfirst(cell)));

		if (listed > 0)
			mdl_add_origins(set, mdl_cte_column(state, listed), is_mark ? USE_CONDITIONAL : USE_TRANSFORMATION, false);
	}
	return set;
}

const OriginSet *
mdl_cte_column(CteState *state, int number)
{
	int			width = list_length(state->cte->ctecolnames);

	if (number > width)
		return cte_added_column(state, number - width);
	if (!state->cte->cterecursive)
		return mdl_scope_column(state->scope, number);
	if (!state->settled && !state->settling)
		settle_cte(state);
	return &state->columns[number];
}

static const OriginSet *
cte_whole(CteState *state)
{
	if (!state->cte->cterecursive)
		return mdl_scope_whole(state->scope);
	if (!state->settled && !state->settling)
		settle_cte(state);
	return &state->whole;
}

/* ---- one query level ----------------------------------------------------------------------------------------------- */

/* The values of INTERSECT and EXCEPT are those of the left side; the right one filters. */
static void
read_set_operation(Scope *scope, Node *node, int number, ExprReading *reading)
{
	SetOperationStmt *operation;

	check_stack_depth();
	if (IsA(node, RangeTblRef))
	{
		mdl_read_entry_column(scope, ((RangeTblRef *) node)->rtindex, number, reading);
		return;
	}
	operation = castNode(SetOperationStmt, node);
	read_set_operation(scope, operation->larg, number, reading);
	if (operation->op == SETOP_UNION)
		read_set_operation(scope, operation->rarg, number, reading);
}

const OriginSet *
mdl_scope_column(Scope *scope, int number)
{
	OriginSet  *set;
	ExprReading reading = {.scope = scope, .use = USE_IDENTITY};
	TargetEntry *entry;

	if (number > list_length(scope->query->targetList))
		elog(ERROR, "a query of %d columns has no column %d", list_length(scope->query->targetList), number);
	if (scope->columns[number])
		return scope->columns[number];
	check_stack_depth();
	reading.found = set = palloc0_object(OriginSet);
	entry = get_tle_by_resno(scope->query->targetList, number);
	if (scope->query->setOperations)
		read_set_operation(scope, scope->query->setOperations, number, &reading);
	else if (entry)
		mdl_read_as((Node *) entry->expr, &reading, USE_IDENTITY);
	scope->columns[number] = set;
	return set;
}

/* A function that returns a set decides, by its arguments or what its body reads, which rows there are. */
static void
whole_of_set_function(Node *call, const ExprReading *reading)
{
	Scope	   *body = IsA(call, FuncExpr) ? mdl_call_scope(reading->scope, (FuncExpr *) call) : NULL;

	if (body)
		mdl_add_origins(reading->found, mdl_scope_whole(body), USE_IDENTITY, false);
	else
		mdl_read_as(call, reading, USE_JOIN);
}

/* Functions in FROM. */
static void
whole_of_functions(const RangeTblEntry *entry, const ExprReading *reading)
{
	ListCell   *cell;

	foreach(cell, entry->functions)
	{
		Node	   *call = lfirst_node(RangeTblFunction, cell)->funcexpr;

		if (expression_returns_set(call))
			whole_of_set_function(call, reading);
	}
}

/* The walker for those in the target list; what they take part in is of the same rows. */
static bool
whole_of_targets(Node *node, ExprReading *reading)
{
	if (node == NULL || IsA(node, Query))
		return false;
	if ((IsA(node, FuncExpr) && ((FuncExpr *) node)->funcretset) || (IsA(node, OpExpr) && ((OpExpr *) node)->opretset))
		whole_of_set_function(node, reading);
	return expression_tree_walker(node, whole_of_targets, reading);
}

static void
whole_of_entry(Scope *scope, Index index, ExprReading *reading)
{
	RangeTblEntry *entry = rt_fetch(index, scope->query->rtable);
	Scope	   *inner = mdl_inner_scope(scope, index);

	if (inner)
		mdl_add_origins(reading->found, mdl_scope_whole(inner), USE_IDENTITY, false);
	else if (entry->rtekind == RTE_CTE)
		mdl_add_origins(reading->found, cte_whole(mdl_find_cte(scope, entry)), USE_IDENTITY, false);
	else if (entry->rtekind == RTE_FUNCTION)
		whole_of_functions(entry, reading);
	else if (entry->rtekind == RTE_TABLEFUNC)
	{
		mdl_read_as(entry->tablefunc->docexpr, reading, USE_JOIN);
		mdl_read_as(entry->tablefunc->rowexpr, reading, USE_JOIN);
	}
}

static void
whole_of_from(Scope *scope, Node *node, ExprReading *reading)
{
	ListCell   *cell;

	check_stack_depth();
	if (node == NULL)
		return;
	if (IsA(node, RangeTblRef))
		whole_of_entry(scope, ((RangeTblRef *) node)->rtindex, reading);
	else if (IsA(node, JoinExpr))
	{
		whole_of_from(scope, ((JoinExpr *) node)->larg, reading);
		whole_of_from(scope, ((JoinExpr *) node)->rarg, reading);
		mdl_read_as(((JoinExpr *) node)->quals, reading, USE_JOIN);
	}
	else
	{
		foreach(cell, castNode(FromExpr, node)->fromlist)
			whole_of_from(scope, lfirst(cell), reading);
		mdl_read_as(castNode(FromExpr, node)->quals, reading, USE_FILTER);
	}
}

/* Duplicates are removed as by grouping by all columns; INTERSECT and EXCEPT compare all columns of both sides. */
static void
whole_of_set_operation(Scope *scope, Node *node, ExprReading *reading)
{
	SetOperationStmt *operation;
	ExprReading inner = *reading;

	check_stack_depth();
	if (IsA(node, RangeTblRef))
	{
		whole_of_entry(scope, ((RangeTblRef *) node)->rtindex, reading);
		return;
	}
	operation = castNode(SetOperationStmt, node);
	whole_of_set_operation(scope, operation->larg, reading);
	whole_of_set_operation(scope, operation->rarg, reading);
	if (operation->op == SETOP_UNION && operation->all)
		return;
	inner.use = operation->op == SETOP_UNION ? USE_GROUP_BY : USE_FILTER;
	for (int i = 1; i <= list_length(operation->colTypes); i++)
	{
		read_set_operation(scope, operation->larg, i, &inner);
		read_set_operation(scope, operation->rarg, i, &inner);
	}
}

static void
whole_of_clauses(List *clauses, const Query *query, const ExprReading *reading, ColumnUse use)
{
	ListCell   *cell;

	foreach(cell, clauses)
		mdl_read_as(get_sortgroupclause_expr(lfirst(cell), query->targetList), reading, use);
}

/* What decides which rows there are. */
const OriginSet *
mdl_scope_whole(Scope *scope)
{
	Query	   *query = scope->query;
	ExprReading reading = {.scope = scope, .use = USE_IDENTITY};

	if (scope->whole)
		return scope->whole;
	check_stack_depth();
	reading.found = palloc0_object(OriginSet);
	if (query->setOperations)
		whole_of_set_operation(scope, query->setOperations, &reading);
	else
		whole_of_from(scope, (Node *) query->jointree, &reading);
	if (query->hasTargetSRFs)
		whole_of_targets((Node *) query->targetList, &reading);
	whole_of_clauses(query->groupClause, query, &reading, USE_GROUP_BY);
	mdl_read_as(query->havingQual, &reading, USE_FILTER);
	whole_of_clauses(query->distinctClause, query, &reading, USE_GROUP_BY);
	if (query->setOperations == NULL)
		whole_of_clauses(query->sortClause, query, &reading, USE_SORT);
	else
	{
		ExprReading inner = reading;
		ListCell   *cell;

		inner.use = USE_SORT;
		foreach(cell, query->sortClause)
			read_set_operation(scope, query->setOperations,
							   get_sortgroupclause_tle(lfirst(cell), query->targetList)->resno, &inner);
	}
	mdl_read_as(query->limitOffset, &reading, USE_FILTER);
	mdl_read_as(query->limitCount, &reading, USE_FILTER);
	scope->whole = reading.found;
	return scope->whole;
}

/* ---- entry points -------------------------------------------------------------------------------------------------- */

static OriginSet
finished(const OriginSet *set)
{
	OriginSet	copy = {0};

	mdl_add_origins(&copy, set, USE_IDENTITY, false);
	if (copy.count > 1)
		qsort(copy.origins, copy.count, sizeof(ColumnOrigin), compare_origins);
	return copy;
}

QueryLineage *
mdl_query_lineage(Query *query, bool through_views)
{
	QueryLineage *lineage = palloc0_object(QueryLineage);
	Scope	   *scope = mdl_make_scope(query, NULL, through_views);
	ListCell   *cell;

	lineage->names = palloc(sizeof(char *) * (list_length(query->targetList) + 1));
	lineage->columns = palloc0(sizeof(OriginSet) * (list_length(query->targetList) + 1));
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (entry->resjunk)
			continue;
		lineage->names[lineage->column_count] = pstrdup(entry->resname ? entry->resname : "?column?");
		lineage->columns[lineage->column_count++] = finished(mdl_scope_column(scope, entry->resno));
	}
	lineage->whole = finished(mdl_scope_whole(scope));
	return lineage;
}

QueryLineage *
mdl_relation_lineage(Oid relid, const DerivedTable *table, bool through_views)
{
	Oid			view = table ? table->definition : relid;
	char		kind = get_rel_relkind(view);
	Query	   *query = kind == RELKIND_VIEW || kind == RELKIND_MATVIEW ? view_query(view) : NULL;
	QueryLineage *lineage;

	if (query == NULL)
		return NULL;
	lineage = mdl_query_lineage(query, through_views);
	for (int i = 0; i < lineage->column_count; i++)
	{
		char	   *name = get_attname(view, i + 1, true);	/* a view's column may have been renamed since */

		if (name)
			lineage->names[i] = name;
	}
	return lineage;
}
