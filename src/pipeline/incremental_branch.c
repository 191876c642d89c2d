/*
 * incremental_branch.c: what one changed item leads to: the items and conditions of the join tree around it that can be used,
 * and which of them something connects with it.
 */
#include "pipeline/incremental_trace_int.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

void
mdl_trace_stop(TraceContext *context, char *obstacle)
{
	if (context->obstacle == NULL)
		context->obstacle = obstacle;
}

/* ---- the join tree ------------------------------------------------------------------------------------------------- */

Bitmapset *
mdl_relids_of(Node *node)
{
	Bitmapset  *relids = NULL;
	ListCell   *cell;

	if (IsA(node, RangeTblRef))
		return bms_make_singleton(((RangeTblRef *) node)->rtindex);
	if (IsA(node, JoinExpr))
		return bms_union(mdl_relids_of(((JoinExpr *) node)->larg), mdl_relids_of(((JoinExpr *) node)->rarg));
	foreach(cell, ((FromExpr *) node)->fromlist)
		relids = bms_union(relids, mdl_relids_of(lfirst(cell)));
	return relids;
}

/* The entries of the joins themselves. */
void
mdl_trace_join_ids(Node *node, Bitmapset **ids)
{
	ListCell   *cell;

	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		if (join->rtindex)
			*ids = bms_add_member(*ids, join->rtindex);
		mdl_trace_join_ids(join->larg, ids);
		mdl_trace_join_ids(join->rarg, ids);
	}
	else if (IsA(node, FromExpr))
		foreach(cell, ((FromExpr *) node)->fromlist)
			mdl_trace_join_ids(lfirst(cell), ids);
}

bool
mdl_trace_quals_read_changed(Node *node, TraceContext *context)
{
	ListCell   *cell;

	if (IsA(node, RangeTblRef))
		return false;
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		return mdl_trace_reads_changed(join->quals, context) || mdl_trace_quals_read_changed(join->larg, context) ||
			mdl_trace_quals_read_changed(join->rarg, context);
	}
	foreach(cell, ((FromExpr *) node)->fromlist)
		if (mdl_trace_quals_read_changed(lfirst(cell), context))
			return true;
	return mdl_trace_reads_changed(((FromExpr *) node)->quals, context);
}

/* Items that an entry refers to from the side (LATERAL). */
static Bitmapset *
lateral_refs(Query *query, int rtindex)
{
	RangeTblEntry *entry = list_nth_node(RangeTblEntry, query->rtable, rtindex - 1);

	switch (entry->rtekind)
	{
		case RTE_SUBQUERY:
			return pull_varnos_of_level(NULL, (Node *) entry->subquery, 1);
		case RTE_FUNCTION:
			return pull_varnos_of_level(NULL, (Node *) entry->functions, 0);
		case RTE_TABLEFUNC:
			return pull_varnos_of_level(NULL, (Node *) entry->tablefunc, 0);
		case RTE_VALUES:
			return pull_varnos_of_level(NULL, (Node *) entry->values_lists, 0);
		default:
			return NULL;
	}
}

Bitmapset *
mdl_trace_lateral_refs(Query *query, Bitmapset *relids)
{
	Bitmapset  *refs = NULL;
	int			rtindex = -1;

	while ((rtindex = bms_next_member(relids, rtindex)) >= 0)
		refs = bms_union(refs, lateral_refs(query, rtindex));
	return bms_difference(refs, relids);
}

static void
add_conjuncts(Branch *branch, Node *quals, Bitmapset *known)
{
	if (quals == NULL)
		return;
	if (is_andclause(quals))
	{
		ListCell   *cell;

		foreach(cell, ((BoolExpr *) quals)->args)
			add_conjuncts(branch, lfirst(cell), known);
	}
	else if (mdl_trace_is_usable(branch->block, known, quals, NULL, NULL))
		branch->conjuncts = lappend(branch->conjuncts, quals);
}

/* Whether some item refers, from the side or further out, to a column that is not known: what it is beside such rows is not known. */
static bool
refer_to_unknown(Branch *branch, Bitmapset *items)
{
	int			rtindex = -1;

	while ((rtindex = bms_next_member(items, rtindex)) >= 0)
		if (rtindex != branch->target && mdl_trace_refers_to_unknown(branch->block, rtindex))
			return true;
	return false;
}

/* A left join: `left` is preserved. */
static Bitmapset *
collect_left_join(Branch *branch, JoinExpr *join, Node *left, Node *right)
{
	TraceBlock *block = branch->block;
	Bitmapset  *right_ids = mdl_relids_of(right);
	Bitmapset  *known = mdl_branch_collect(branch, left);
	Bitmapset  *needed;
	JoinExpr   *copy;

	if (bms_is_member(branch->target, right_ids))
	{
		/* What joins the changed rows is as before or not; what is beside it in the right side may be missing altogether. */
		add_conjuncts(branch, join->quals, bms_union(known, mdl_branch_collect(branch, right)));
		return known;
	}
	if (bms_overlap(right_ids, block->changed) || mdl_trace_quals_read_changed(right, block->context))
		return known;
	needed = bms_difference(bms_union(pull_varnos_of_level(NULL, join->quals, 0),
									  mdl_trace_lateral_refs(block->query, right_ids)), right_ids);
	if (!bms_is_subset(needed, known) || refer_to_unknown(branch, right_ids) ||
		!mdl_trace_is_usable(block, bms_union(known, right_ids), join->quals, NULL, NULL))
		return known;
	copy = makeNode(JoinExpr);
	*copy = *join;
	copy->jointype = JOIN_LEFT;
	copy->larg = left;
	copy->rarg = right;
	branch->lefts = lappend(branch->lefts, copy);
	return bms_union(known, right_ids);
}

/* Collects the items and conditions of a join tree; returns the items whose columns can be used above it. */
Bitmapset *
mdl_branch_collect(Branch *branch, Node *node)
{
	Bitmapset  *known = NULL;
	Node	   *quals;

	check_stack_depth();
	if (IsA(node, RangeTblRef))
	{
		known = mdl_relids_of(node);

		/* D of the target itself has left out what it could not tell. */
		if (refer_to_unknown(branch, known))
			return NULL;
		branch->items = lappend(branch->items, node);
		return known;
	}
	if (IsA(node, FromExpr))
	{
		ListCell   *cell;

		foreach(cell, ((FromExpr *) node)->fromlist)
			known = bms_union(known, mdl_branch_collect(branch, lfirst(cell)));
		quals = ((FromExpr *) node)->quals;
	}
	else
	{
		JoinExpr   *join = (JoinExpr *) node;
		TraceContext *context = branch->block->context;

		if (join->jointype == JOIN_LEFT || join->jointype == JOIN_RIGHT)
		{
			if (mdl_trace_reads_changed(join->quals, context))
				mdl_trace_stop(context, "a subquery in the condition of an outer join reads a table that has changed");
			return join->jointype == JOIN_LEFT ? collect_left_join(branch, join, join->larg, join->rarg)
				: collect_left_join(branch, join, join->rarg, join->larg);
		}
		if (join->jointype != JOIN_INNER)
		{
			known = mdl_relids_of(node);
			if (bms_overlap(known, branch->block->changed) || mdl_trace_quals_read_changed(node, context))
				mdl_trace_stop(context, "a FULL JOIN reads a table that has changed");
			if (refer_to_unknown(branch, known))
				return NULL;
			branch->items = lappend(branch->items, node);
			return known;
		}
		known = bms_union(mdl_branch_collect(branch, join->larg), mdl_branch_collect(branch, join->rarg));
		quals = join->quals;
	}
	add_conjuncts(branch, quals, known);
	return known;
}

/* ---- what is connected ---------------------------------------------------------------------------------------------- */

/* Adds a set to the component if they overlap; returns whether it grew. */
static bool
connect_set(Bitmapset **component, Bitmapset *set)
{
	if (!bms_overlap(*component, set) || bms_is_subset(set, *component))
		return false;
	*component = bms_union(*component, set);
	return true;
}

/* The items that conditions and lateral references connect with the target, those of `start` included. */
Bitmapset *
mdl_branch_component(Branch *branch, Bitmapset *start)
{
	Query	   *query = branch->block->query;
	Bitmapset  *component = start;
	bool		grew = true;
	ListCell   *cell;

	while (grew)
	{
		grew = false;
		foreach(cell, branch->conjuncts)
			grew |= connect_set(&component, pull_varnos_of_level(NULL, lfirst(cell), 0));
		foreach(cell, branch->items)
		{
			Bitmapset  *ids = mdl_relids_of(lfirst(cell));

			grew |= connect_set(&component, ids);
			grew |= connect_set(&component, bms_union(ids, mdl_trace_lateral_refs(query, ids)));
		}
		foreach(cell, branch->lefts)
		{
			JoinExpr   *join = lfirst_node(JoinExpr, cell);
			Bitmapset  *right = mdl_relids_of(join->rarg);
			Bitmapset  *needed = bms_difference(bms_union(pull_varnos_of_level(NULL, join->quals, 0),
														  mdl_trace_lateral_refs(query, right)), right);

			if (bms_is_subset(needed, component) && !bms_is_subset(right, component))
			{
				component = bms_union(component, right);
				grew = true;
			}
			else if (bms_overlap(right, component))
				grew |= connect_set(&component, bms_union(right, needed));
		}
	}
	return component;
}
