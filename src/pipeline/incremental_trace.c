/*
 * incremental_trace.c: from the changed rows of the sources to the rows of the result that are not as before.
 *
 * A query is taken apart from the inside out.  For each part P with changed sources beneath it a query D(P) is made whose rows
 * are a superset of what is in P before and not after, or after and not before.  D tells some columns of P, the *known*
 * ones; the others are NULL.
 *
 *   table             D is its changed rows, old and new images.
 *   join of A and B   D(A) with B, and A with D(B), where "with B" means: with the rows of B now and D(B) both, since what
 *                     B was before is among these.  A condition that needs a column that is not known is left out, which
 *                     makes D greater, never smaller.  So are items that nothing connects with the changed one.
 *   A left join B     D(A) with B as it is; if B changed, what joins D(B) in A, of which only A's columns are known.
 *   subquery in an expression: the rows of the query around it for which D(subquery) has any row.
 *   GROUP BY          D of what is grouped; known are expressions over the grouping columns.  A group changes only if a row
 *                     that is or was in it changed.
 *   window functions  likewise with the columns of PARTITION BY that all windows share; DISTINCT ON with its columns.
 *   LIMIT, aggregates without GROUP BY: no column is known.  D still tells, for a subquery that refers to the query around
 *                     it, for which rows of that there may be a change.
 *   set operations    D of the branches, one after the other: how often a row is in the result depends only on how often it
 *                     is in each branch.
 *
 * Values that GROUP BY, DISTINCT or PARTITION BY hold for equal may differ in their bytes (1.0 and 1.00).  A column that is
 * known up to equality only is used as it is or compared by its default equality, not inside other expressions.
 */
#include "pipeline/incremental_trace_int.h"

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "miscadmin.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static TracePart trace_query(TraceContext *context, Query *query, Bitmapset *wanted);

/* ---- entries ---------------------------------------------------------------------------------------------------------- */

RangeTblEntry *
mdl_images_entry(const ChangedSource *source, const RangeTblEntry *table, bool is_signed)
{
	TupleDesc	columns = is_signed ? source->image_columns : source->columns;
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_NAMEDTUPLESTORE;
	entry->enrname = source->name;
	entry->enrtuples = (double) source->count;
	entry->alias = copyObject(table->alias);
	entry->eref = makeAlias(table->eref->aliasname, NIL);
	entry->inFromCl = true;
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		entry->eref->colnames = lappend(entry->eref->colnames,
										makeString(column->attisdropped ? pstrdup("") : pstrdup(NameStr(column->attname))));

		entry->coltypes = lappend_oid(entry->coltypes, column->attisdropped ? InvalidOid : column->atttypid);
		entry->coltypmods = lappend_int(entry->coltypmods, column->attisdropped ? 0 : column->atttypmod);
		entry->colcollations = lappend_oid(entry->colcollations, column->attisdropped ? InvalidOid : column->attcollation);
	}
	return entry;
}

/* SELECT every column FROM the one entry; dropped columns, and those not known, are NULL. */
static Query *
select_entry(RangeTblEntry *entry, List *names, List *types, List *typmods, List *collations, Bitmapset *known)
{
	Query	   *query = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	ListCell   *name,
			   *type,
			   *typmod,
			   *collation;
	int			number = 0;

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make1(entry);
	ref->rtindex = 1;
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	forfour(name, names, type, types, typmod, typmods, collation, collations)
	{
		Expr	   *column;

		number++;
		if (!OidIsValid(lfirst_oid(type)))
			column = (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
		else if (known != NULL && !bms_is_member(number, known))
			column = (Expr *) makeNullConst(lfirst_oid(type), -1, lfirst_oid(collation));
		else
			column = (Expr *) makeVar(1, number, lfirst_oid(type), lfirst_int(typmod), lfirst_oid(collation), 0);
		query->targetList = lappend(query->targetList,
									makeTargetEntry(column, number, pstrdup(strVal(lfirst(name))), false));
	}
	return query;
}

static RangeTblEntry *
wrap(Query *query, const RangeTblEntry *like)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	ListCell   *cell;

	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->lateral = like->rtekind == RTE_SUBQUERY && like->lateral;
	entry->alias = copyObject(like->alias);
	entry->eref = makeAlias(like->eref->aliasname, NIL);
	entry->inFromCl = true;
	foreach(cell, query->targetList)
		entry->eref->colnames = lappend(entry->eref->colnames, makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
	return entry;
}

/* The rows of a changed item now, and those of its D. */
static RangeTblEntry *
wide_entry(TraceBlock *block, int rtindex)
{
	RangeTblEntry *entry = list_nth_node(RangeTblEntry, block->query->rtable, rtindex - 1);
	ChangedSource *source = mdl_trace_changed_source(block->context, entry);

	if (source)
	{
		RangeTblEntry *images = mdl_images_entry(source, entry, false);

		return wrap(mdl_query_union_all(list_make2(
							select_entry(copyObject(entry), images->eref->colnames, images->coltypes, images->coltypmods,
										 images->colcollations, NULL),
							select_entry(images, images->eref->colnames, images->coltypes, images->coltypmods,
										 images->colcollations, NULL))), entry);
	}
	else
	{
		const TracePart *part = &block->parts[rtindex];
		RangeTblEntry *now = copyObject(entry);
		List	   *names = NIL,
				   *types = NIL,
				   *typmods = NIL,
				   *collations = NIL;
		ListCell   *cell;
		Query	   *query;

		foreach(cell, part->query->targetList)
		{
			TargetEntry *target = lfirst_node(TargetEntry, cell);

			names = lappend(names, makeString(target->resname));
			types = lappend_oid(types, exprType((Node *) target->expr));
			typmods = lappend_int(typmods, -1);
			collations = lappend_oid(collations, exprCollation((Node *) target->expr));
		}
		IncrementVarSublevelsUp((Node *) now->subquery, 1, 1);
		now->lateral = false;
		query = select_entry(now, names, types, typmods, collations, part->known ? part->known : bms_make_singleton(0));
		return wrap(mdl_query_union_all(list_make2(query, copyObject(part->query))), entry);
	}
}

/* D of a changed item, as an entry. */
static RangeTblEntry *
changed_entry(TraceBlock *block, int rtindex, Bitmapset *wanted)
{
	RangeTblEntry *entry = list_nth_node(RangeTblEntry, block->query->rtable, rtindex - 1);
	ChangedSource *source = mdl_trace_changed_source(block->context, entry);

	if (source)
		return mdl_images_entry(source, entry, false);
	return wrap(wanted ? trace_query(block->context, copyObject(entry->subquery), wanted).query
				: copyObject(block->parts[rtindex].query), entry);
}

/* ---- a branch ------------------------------------------------------------------------------------------------------------ */

/* The columns of an item that a query uses: in conditions, outputs, and other items that refer to it from the side. */
static Bitmapset *
columns_used(int rtindex, const Query *query)
{
	List	   *vars = list_concat(pull_vars_of_level((Node *) query->jointree, 0),
								   pull_vars_of_level((Node *) query->targetList, 0));
	Bitmapset  *used = bms_make_singleton(0);
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		vars = list_concat(vars, pull_vars_of_level((Node *) entry->subquery, 1));
		vars = list_concat(vars, pull_vars_of_level((Node *) entry->functions, 0));
		vars = list_concat(vars, pull_vars_of_level((Node *) entry->tablefunc, 0));
		vars = list_concat(vars, pull_vars_of_level((Node *) entry->values_lists, 0));
	}
	foreach(cell, vars)
	{
		Var		   *var = lfirst_node(Var, cell);

		if (var->varno == rtindex && var->varattno > 0)
			used = bms_add_member(used, var->varattno);
	}
	return used;
}

/* Leaves only what is within the component. */
static void
keep_component(Branch *branch, Bitmapset *component)
{
	List	   *items = NIL,
			   *conjuncts = NIL,
			   *lefts = NIL;
	ListCell   *cell;

	foreach(cell, branch->items)
		if (bms_is_subset(mdl_relids_of(lfirst(cell)), component))
			items = lappend(items, lfirst(cell));
	foreach(cell, branch->conjuncts)
		if (bms_is_subset(pull_varnos_of_level(NULL, lfirst(cell), 0), component))
			conjuncts = lappend(conjuncts, lfirst(cell));
	foreach(cell, branch->lefts)
		if (bms_is_subset(mdl_relids_of(lfirst_node(JoinExpr, cell)->rarg), component))
			lefts = lappend(lefts, lfirst(cell));
	branch->items = items;
	branch->conjuncts = conjuncts;
	branch->lefts = lefts;
	branch->present = bms_intersect(branch->present, component);
}

static FromExpr *
branch_jointree(const Branch *branch)
{
	List	   *items = branch->items;
	ListCell   *cell;

	foreach(cell, branch->lefts)
	{
		JoinExpr   *join = lfirst_node(JoinExpr, cell);

		join->larg = list_length(items) == 1 ? linitial(items) : (Node *) makeFromExpr(items, NULL);
		items = list_make1(join);
	}
	return makeFromExpr(items, branch->conjuncts ? (Node *) make_ands_explicit(branch->conjuncts) : NULL);
}

/* Whether an output column is told by a branch. */
static bool
is_known(TraceBlock *block, const Branch *branch, const TargetEntry *target, List *stages, bool *exact, bool *varies)
{
	ListCell   *cell;

	*exact = *varies = true;
	if (expression_returns_set((Node *) target->expr) ||
		!mdl_trace_is_usable(block, branch->present, (Node *) target->expr, varies, exact))
		return false;
	foreach(cell, stages)
		if (*varies && !mdl_trace_is_over((Node *) target->expr, lfirst(cell), exact))
			return false;
	/* Of equal rows, one is kept. */
	if (block->query->distinctClause)
		*exact &= mdl_equal_is_same(exprType((Node *) target->expr), exprCollation((Node *) target->expr));
	return true;
}

/* Cuts a branch down to the changed item if it tells all that is wanted. */
static void
prune(Branch *branch, Bitmapset *wanted)
{
	Bitmapset  *needed = NULL;
	Bitmapset  *alone = bms_make_singleton(branch->target);
	ListCell   *cell;

	foreach(cell, branch->block->query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (!target->resjunk && bms_is_member(target->resno, wanted))
			needed = bms_union(needed, pull_varnos_of_level(NULL, (Node *) target->expr, 0));
	}
	if (bms_is_subset(needed, alone) && bms_is_empty(mdl_trace_lateral_refs(branch->block->query, bms_make_singleton(branch->target))))
		keep_component(branch, alone);
}

/* What all branches know is known. */
static void
note_known(TracePart *result, Bitmapset *known, Bitmapset *exact, Bitmapset *varying)
{
	result->known = result->begun ? bms_intersect(result->known, known) : known;
	result->exact = result->begun ? bms_intersect(result->exact, exact) : exact;
	result->varying = bms_union(result->varying, varying);
	result->begun = true;
}

/* The entries of a branch: of changed items their D or what they are and were; of items not taken none. */
static void
replace_entries(TraceBlock *block, const Branch *branch, const Query *query, bool pruned)
{
	Bitmapset  *taken = NULL;
	Bitmapset  *joins = NULL;
	int			rtindex = 0;
	ListCell   *cell;

	foreach(cell, branch->items)
		taken = bms_union(taken, mdl_relids_of(lfirst(cell)));
	foreach(cell, branch->lefts)
		taken = bms_union(taken, mdl_relids_of(lfirst_node(JoinExpr, cell)->rarg));
	if (!bms_is_subset(mdl_trace_lateral_refs(block->query, taken), taken))
		mdl_trace_stop(block->context, "a LATERAL subquery refers to the optional side of an outer join that has changed");
	mdl_trace_join_ids((Node *) query->jointree, &joins);
	foreach(cell, query->rtable)
	{
		rtindex++;
		if (bms_is_member(rtindex, joins))
			continue;
		if (!bms_is_member(rtindex, taken))
		{
			RangeTblEntry *nothing = makeNode(RangeTblEntry);

			nothing->rtekind = RTE_RESULT;
			nothing->eref = makeAlias("*RESULT*", NIL);
			lfirst(cell) = nothing;
		}
		else if (rtindex == branch->target)
			lfirst(cell) = changed_entry(block, rtindex,
										 pruned ? columns_used(rtindex, query) : NULL);
		else if (bms_is_member(rtindex, block->changed))
			lfirst(cell) = wide_entry(block, rtindex);
	}
}

/*
 * Makes each row of a branch come once where some columns are not known: only which rows there are matters, and many that
 * differ in what is not known would multiply in joins.
 */
static void
make_distinct(Query *query, Bitmapset *known, Bitmapset *exact)
{
	List	   *clauses = NIL;
	ListCell   *cell;

	if (bms_num_members(known) == list_length(query->targetList))
		return;
	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		SortGroupClause *clause;
		TypeCacheEntry *type;

		if (!bms_is_member(target->resno, known) || IsA(target->expr, Const))
			continue;
		type = lookup_type_cache(exprType((Node *) target->expr), TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR | TYPECACHE_HASH_PROC);
		if (!OidIsValid(type->lt_opr) || (bms_is_member(target->resno, exact) &&
										  !mdl_equal_is_same(exprType((Node *) target->expr), exprCollation((Node *) target->expr))))
			return;
		clause = makeNode(SortGroupClause);
		clause->tleSortGroupRef = target->resno;
		clause->eqop = type->eq_opr;
		clause->sortop = type->lt_opr;
		clause->hashable = OidIsValid(type->hash_proc);
		clauses = lappend(clauses, clause);
	}
	foreach(cell, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);

		list_nth_node(TargetEntry, query->targetList, clause->tleSortGroupRef - 1)->ressortgroupref = clause->tleSortGroupRef;
	}
	if (clauses == NIL)
		query->limitCount = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(1), false, FLOAT8PASSBYVAL);
	query->groupClause = clauses;
}

static Query *
branch_query(TraceBlock *block, Branch *branch, List *stages, Bitmapset *wanted, TracePart *result)
{
	Query	   *query = makeNode(Query);
	Bitmapset  *known = NULL,
			   *exact = NULL,
			   *varying = NULL;
	ListCell   *cell;

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->hasSubLinks = block->query->hasSubLinks;
	foreach(cell, block->query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		Expr	   *expression = copyObject(target->expr);
		bool		is_exact,
					varies;

		if (target->resjunk)
			continue;
		if (is_known(block, branch, target, stages, &is_exact, &varies) &&
			(wanted == NULL || bms_is_member(target->resno, wanted)))
		{
			known = bms_add_member(known, target->resno);
			if (is_exact)
				exact = bms_add_member(exact, target->resno);
			if (varies)
				varying = bms_add_member(varying, target->resno);
		}
		else
			expression = (Expr *) makeNullConst(exprType((Node *) expression), -1, exprCollation((Node *) expression));
		query->targetList = lappend(query->targetList,
									makeTargetEntry(expression, target->resno, pstrdup(target->resname), false));
	}
	query->jointree = copyObject(branch_jointree(branch));
	query->rtable = copyObject(block->query->rtable);
	replace_entries(block, branch, query, wanted != NULL);
	make_distinct(query, known, exact);
	note_known(result, known, exact, varying);
	return query;
}

static Query *
item_branch(TraceBlock *block, int target, List *stages, Bitmapset *wanted, TracePart *result)
{
	Branch		branch = {.block = block, .target = target};

	branch.present = mdl_branch_collect(&branch, (Node *) block->query->jointree);
	keep_component(&branch, mdl_branch_component(&branch, bms_make_singleton(target)));
	if (wanted)
		prune(&branch, wanted);
	return branch_query(block, &branch, stages, wanted, result);
}

/* ---- subqueries in expressions ------------------------------------------------------------------------------------------- */

typedef struct ParamReplace
{
	int			rtindex;
	const TracePart *part;
	bool		missing;		/* out: a column that is not known */
} ParamReplace;

static Node *
replace_params(Node *node, ParamReplace *replace)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_SUBLINK)
	{
		Param	   *param = (Param *) node;

		replace->missing |= !bms_is_member(param->paramid, replace->part->exact);
		return (Node *) makeVar(replace->rtindex, param->paramid, param->paramtype, param->paramtypmod,
								param->paramcollid, 0);
	}
	return expression_tree_mutator(node, replace_params, replace);
}

/* Whether a condition is one of those that all must hold. */
static bool
is_conjunct(Node *quals, Node *wanted)
{
	ListCell   *cell;

	if (quals == NULL || !is_andclause(quals))
		return quals == wanted;
	foreach(cell, ((BoolExpr *) quals)->args)
		if (is_conjunct(lfirst(cell), wanted))
			return true;
	return false;
}

/* x IN (subquery): only rows equal to x matter, and, except where NULL is as good as false, those where that is not known. */
static void
add_test(Branch *branch, SubLink *link, Node *quals, int rtindex, const TracePart *part, Bitmapset *known)
{
	ParamReplace replace = {.rtindex = rtindex, .part = part};
	NullTest   *unknown;
	Node	   *test;

	if (link->subLinkType != ANY_SUBLINK || !mdl_trace_is_usable(branch->block, known, link->testexpr, NULL, NULL))
		return;
	test = replace_params(copyObject(link->testexpr), &replace);
	if (replace.missing)
		return;
	if (!is_conjunct(quals, (Node *) link))
	{
		unknown = makeNode(NullTest);
		unknown->arg = copyObject((Expr *) test);
		unknown->nulltesttype = IS_NULL;
		unknown->location = -1;
		test = (Node *) make_orclause(list_make2(test, unknown));
	}
	branch->conjuncts = lappend(branch->conjuncts, test);
}

static Query *
link_branch(TraceBlock *block, SubLink *link, List *stages, Bitmapset *wanted, TracePart *result)
{
	TraceBlock	widened = *block;
	Branch		branch = {.block = &widened};
	TracePart	part = trace_query(block->context, copyObject(castNode(Query, link->subselect)), NULL);
	int			rtindex = list_length(block->query->rtable) + 1;
	RangeTblRef *ref = makeNode(RangeTblRef);
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	Bitmapset  *outer = pull_varnos_of_level(NULL, link->subselect, 1);
	Bitmapset  *known;
	int			count = list_length(block->query->rtable);
	ListCell   *cell;

	if (part.query == NULL)
		return NULL;
	if (contain_aggs_of_level(link->subselect, 1))
	{
		mdl_trace_stop(block->context, "a subquery that refers to an aggregate of the query around it reads a table that has changed");
		return NULL;
	}
	/* D(subquery) stands beside the items, as an entry of the same level, which keeps its references to them right. */
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = part.query;
	entry->lateral = true;
	entry->alias = entry->eref = makeAlias("subquery", NIL);
	foreach(cell, part.query->targetList)
		entry->eref->colnames = lappend(entry->eref->colnames, makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
	entry->inFromCl = true;
	widened.query = copyObject(block->query);
	widened.query->rtable = lappend(widened.query->rtable, entry);
	widened.parts = palloc0_array(TracePart, count + 2);
	memcpy(widened.parts, block->parts, sizeof(TracePart) * (count + 1));
	widened.parts[rtindex] = part;
	ref->rtindex = rtindex;

	known = mdl_branch_collect(&branch, (Node *) block->query->jointree);
	if (!bms_is_subset(outer, known))
	{
		mdl_trace_stop(block->context, "a subquery that reads a table that has changed refers to the optional side of an outer join");
		return NULL;
	}
	branch.items = lappend(branch.items, ref);
	branch.present = bms_add_member(bms_copy(known), rtindex);
	add_test(&branch, link, block->query->jointree->quals, rtindex, &part, known);
	keep_component(&branch, mdl_branch_component(&branch, bms_make_singleton(rtindex)));
	return branch_query(&widened, &branch, stages, wanted, result);
}

/* ---- blocks and set operations ---------------------------------------------------------------------------------------------- */

/* Finds changed items of the join tree and traces those that are subqueries. */
static void
trace_items(TraceBlock *block)
{
	Bitmapset  *ids = mdl_relids_of((Node *) block->query->jointree);
	int			rtindex = -1;

	while ((rtindex = bms_next_member(ids, rtindex)) >= 0)
	{
		RangeTblEntry *entry = list_nth_node(RangeTblEntry, block->query->rtable, rtindex - 1);

		if (mdl_trace_changed_source(block->context, entry))
			block->changed = bms_add_member(block->changed, rtindex);
		else if (entry->rtekind == RTE_SUBQUERY && mdl_trace_reads_changed((Node *) entry->subquery, block->context))
		{
			block->changed = bms_add_member(block->changed, rtindex);
			block->parts[rtindex] = trace_query(block->context, copyObject(entry->subquery), NULL);
		}
		else if (entry->rtekind != RTE_RELATION && entry->rtekind != RTE_SUBQUERY &&
				 (mdl_trace_reads_changed((Node *) entry->functions, block->context) ||
				  mdl_trace_reads_changed((Node *) entry->values_lists, block->context) ||
				  mdl_trace_reads_changed((Node *) entry->tablefunc, block->context)))
			mdl_trace_stop(block->context, "a subquery in the arguments of a function in FROM reads a table that has changed");
	}
}

/* SubLinks in WHERE and the conditions of inner joins; those of outer joins are met when the tree is collected. */
static void
collect_tree_links(Node *node, TraceBlock *block)
{
	ListCell   *cell;

	if (IsA(node, RangeTblRef))
		return;
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		if (join->jointype != JOIN_INNER && mdl_trace_quals_read_changed(node, block->context))
			mdl_trace_stop(block->context, "a subquery in the condition of an outer join reads a table that has changed");
		collect_tree_links(join->larg, block);
		collect_tree_links(join->rarg, block);
		mdl_trace_collect_links(join->quals, block);
		return;
	}
	foreach(cell, ((FromExpr *) node)->fromlist)
		collect_tree_links(lfirst(cell), block);
	mdl_trace_collect_links(((FromExpr *) node)->quals, block);
}

static TracePart
trace_block(TraceContext *context, Query *query, Bitmapset *wanted)
{
	TraceBlock	block = {.context = context, .query = query};
	TracePart	result = {0};
	List	   *stages = mdl_trace_stages_of(query);
	List	   *branches = NIL;
	int			rtindex = -1;
	ListCell   *cell;

	block.parts = palloc0_array(TracePart, list_length(query->rtable) + 1);
	context->blocks = lcons(&block, context->blocks);
	trace_items(&block);
	collect_tree_links((Node *) query->jointree, &block);
	mdl_trace_collect_links((Node *) query->targetList, &block);
	mdl_trace_collect_links(query->havingQual, &block);
	if (mdl_trace_reads_changed(query->limitCount, context) || mdl_trace_reads_changed(query->limitOffset, context))
		mdl_trace_stop(context, "a subquery in LIMIT reads a table that has changed");
	while (context->obstacle == NULL && (rtindex = bms_next_member(block.changed, rtindex)) >= 0)
		branches = lappend(branches, item_branch(&block, rtindex, stages, wanted, &result));
	foreach(cell, block.links)
		if (context->obstacle == NULL)
			branches = lappend(branches, link_branch(&block, lfirst(cell), stages, wanted, &result));
	if (context->obstacle == NULL && branches != NIL)
		result.query = mdl_query_union_all(branches);
	context->blocks = list_delete_first(context->blocks);
	return result;
}

/* Collects D of the branches of a set operation that changed, in the types of the whole. */
static void
trace_leaves(TraceContext *context, Query *query, Node *node, SetOperationStmt *top, Bitmapset *wanted, List **branches,
			 TracePart *result, bool *keeps_one)
{
	RangeTblEntry *entry;
	TracePart	part;
	ListCell   *cell;
	int			number = 0;

	check_stack_depth();
	if (IsA(node, SetOperationStmt))
	{
		SetOperationStmt *operation = (SetOperationStmt *) node;

		*keeps_one |= operation->op != SETOP_UNION || !operation->all;
		trace_leaves(context, query, operation->larg, top, wanted, branches, result, keeps_one);
		trace_leaves(context, query, operation->rarg, top, wanted, branches, result, keeps_one);
		return;
	}
	entry = list_nth_node(RangeTblEntry, query->rtable, castNode(RangeTblRef, node)->rtindex - 1);
	if (!mdl_trace_reads_changed((Node *) entry->subquery, context))
		return;
	part = trace_query(context, copyObject(entry->subquery), wanted);
	if (part.query == NULL)
		return;

	/* Coercion to the common type is an expression; equal values stay equal, but are not the same. */
	foreach(cell, part.query->targetList)
		if (exprType((Node *) lfirst_node(TargetEntry, cell)->expr) != list_nth_oid(top->colTypes, number++) &&
			!bms_is_member(number, part.exact))
			part.known = bms_del_member(part.known, number);

	/* A branch of a set operation refers to outer queries from one level further down. */
	IncrementVarSublevelsUp((Node *) part.query, -1, 2);
	part.query = mdl_query_coerced(part.query, top->colTypes, top->colTypmods);
	note_known(result, part.known, part.exact, part.varying);
	*branches = lappend(*branches, part.query);
}

static TracePart
trace_set_operation(TraceContext *context, Query *query, Bitmapset *wanted)
{
	SetOperationStmt *top = castNode(SetOperationStmt, query->setOperations);
	TracePart	result = {0};
	List	   *branches = NIL;
	bool		keeps_one = false;
	int			number = 0;
	ListCell   *cell;

	context->blocks = lcons(NULL, context->blocks);
	trace_leaves(context, query, (Node *) top, top, wanted, &branches, &result, &keeps_one);
	context->blocks = list_delete_first(context->blocks);
	if (context->obstacle || branches == NIL)
		return result;
	foreach(cell, top->colTypes)
	{
		number++;
		if (keeps_one && !mdl_equal_is_same(lfirst_oid(cell), list_nth_oid(top->colCollations, number - 1)))
			result.exact = bms_del_member(result.exact, number);
	}
	if (query->limitCount || query->limitOffset)
		result.known = result.exact = result.varying = NULL;
	result.query = mdl_query_union_all(branches);
	return result;
}

static TracePart
trace_query(TraceContext *context, Query *query, Bitmapset *wanted)
{
	check_stack_depth();
	if (query->cteList != NIL && mdl_trace_reads_changed((Node *) query, context))
		mdl_trace_stop(context, "the query is recursive");
	if (context->obstacle)
		return (TracePart) {0};
	return query->setOperations ? trace_set_operation(context, query, wanted) : trace_block(context, query, wanted);
}

Traced
mdl_trace(Query *query, List *changed, Bitmapset *wanted)
{
	TraceContext context = {.changed = changed};
	TracePart	part = trace_query(&context, copyObject(query), wanted);
	Traced		traced = {.obstacle = context.obstacle};

	if (context.obstacle == NULL)
	{
		traced.query = part.query;
		traced.known = part.known;
		traced.varying = bms_intersect(part.varying, part.known);
	}
	return traced;
}
