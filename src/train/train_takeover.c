/*
 * train_takeover.c: rows straight from the scans of tables: the leader's look at the plan, and its change.
 *
 * The plan is followed from the aggregate down to its scans, through Appends (partitions, inheritance, UNION ALL, the past of a
 * versioned table) and Results, and the columns are put in terms of each table's attributes on the way.  A *leaf* is such a scan.
 *
 * The *note* that the leader leaves in the Aggref is a list with an item for each leaf: its index in the range table, and a list
 * with an entry for each column.  An entry is the number of the attribute, or a list of that number and an expression, in which
 * a CaseTestExpr stands for the attribute's value; number 0: the expression needs none.
 */
#include "train/train_scan.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* What is found out about a plan. */
typedef struct Takeover
{
	const MdlSource *source;
	List	   *scans;			/* Scan *, the leaves */
	List	   *passed;			/* Plan *, the nodes between them and the aggregate */
	List	   *note;
	const char *reason;			/* why rows come as arguments after all */
} Takeover;

/* ---- columns ------------------------------------------------------------------------------------------------------- */

/* A look through an expression for the one attribute that it is made of. */
typedef struct Search
{
	Index		table;
	Var		   *attribute;		/* of the table */
} Search;

/* True: the expression is not of a sort that we evaluate ourselves, or has more than one attribute. */
static bool
is_unfit(Node *node, Search *search)
{
	Var		   *attribute;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			attribute = (Var *) node;
			if (attribute->varno != (int) search->table || attribute->varattno < 1 ||
				(search->attribute != NULL && search->attribute->varattno != attribute->varattno))
				return true;
			search->attribute = attribute;
			return false;
		case T_Const:
		case T_CaseTestExpr:	/* of an ArrayCoerceExpr: an element */
			return false;
		case T_FuncExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
			return expression_tree_walker(node, is_unfit, search);
		default:
			return true;
	}
}

/* The expression with its attribute's value from outside. */
static Node *
replace_attribute(Node *node, void *arg)
{
	if (node != NULL && IsA(node, Var))
	{
		CaseTestExpr *value = makeNode(CaseTestExpr);

		value->typeId = ((Var *) node)->vartype;
		value->typeMod = ((Var *) node)->vartypmod;
		value->collation = ((Var *) node)->varcollid;
		return (Node *) value;
	}
	return expression_tree_mutator(node, replace_attribute, arg);
}

/* The entry of the note for one column; NULL: it cannot be read from the scan. */
static Node *
note_entry(Node *expression, Index table, MdlWire wire)
{
	Search		search = {table, NULL};
	Node	   *inner = expression;
	Integer    *number;

	if (exprType(expression) != mdl_wire_type(wire) || is_unfit(expression, &search))
		return NULL;
	number = makeInteger(search.attribute ? search.attribute->varattno : 0);
	while (IsA(inner, RelabelType))
		inner = (Node *) ((RelabelType *) inner)->arg;
	if (IsA(inner, Var))
		return (Node *) number;
	return (Node *) list_make2(number, replace_attribute(expression, NULL));
}

/* An expression over what a plan node gives out, in terms of what that is made of; arg is the node's targets. */
static Node *
replace_output(Node *node, void *arg)
{
	if (node != NULL && IsA(node, Var) && ((Var *) node)->varno == OUTER_VAR)
	{
		TargetEntry *entry = get_tle_by_resno(arg, ((Var *) node)->varattno);

		/* What was one value for several columns must stay one. */
		return entry && !contain_volatile_functions((Node *) entry->expr) ? copyObject((Node *) entry->expr) : node;
	}
	return expression_tree_mutator(node, replace_output, arg);
}

/* The arguments from `leading` on, those in packs too. */
static List *
column_expressions(const Aggref *aggref, int leading, bool packed)
{
	List	   *columns = NIL;

	for (int i = leading; i < list_length(aggref->args); i++)
	{
		Node	   *argument = (Node *) list_nth_node(TargetEntry, aggref->args, i)->expr;

		if (!packed)
			columns = lappend(columns, argument);
		else if (IsA(argument, FuncExpr))
			columns = list_concat(columns, ((FuncExpr *) argument)->args);
	}
	return columns;
}

/* ---- from the aggregate to the scans ------------------------------------------------------------------------------- */

/* What EXPLAIN calls a node that rows may come from instead of a table's scan. */
static const char *
node_name(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Agg:
			return "Aggregate";
		case T_Append:
			return "Append";
		case T_CteScan:
			return "CTE Scan";
		case T_ForeignScan:
			return "Foreign Scan";
		case T_FunctionScan:
			return "Function Scan";
		case T_HashJoin:
			return "Hash Join";
		case T_IndexOnlyScan:
			return "Index Only Scan";
		case T_Limit:
			return "Limit";
		case T_MergeJoin:
			return "Merge Join";
		case T_NestLoop:
			return "Nested Loop";
		case T_Result:
			return "Result";
		case T_Sort:
		case T_IncrementalSort:
			return "Sort";
		case T_SubqueryScan:
			return "Subquery Scan";
		case T_WindowAgg:
			return "WindowAgg";
		default:
			return "a node of another sort";
	}
}

/* Adds a leaf, with its item of the note; columns are over what the scan gives out. */
static void
add_scan(Takeover *t, Scan *scan, List *columns)
{
	List	   *entries = NIL;

	columns = (List *) replace_output((Node *) columns, scan->plan.targetlist);
	for (int i = 0; i < t->source->n_columns; i++)
	{
		Node	   *entry = note_entry(list_nth(columns, i), scan->scanrelid, t->source->columns[i].wire);

		if (entry == NULL)
		{
			t->reason = psprintf("column \"%s\" is not made of one column of the table", t->source->columns[i].name);
			return;
		}
		entries = lappend(entries, entry);
	}
	t->scans = lappend(t->scans, scan);
	t->note = lappend(t->note, list_make2(makeInteger(scan->scanrelid), entries));
}

/* Adds the leaves below a node; columns are over what it gives out. */
static void
add_scans(Takeover *t, Plan *plan, List *columns)
{
	ListCell   *cell;

	check_stack_depth();
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			add_scan(t, (Scan *) plan, columns);
			return;
		case T_Append:
			foreach(cell, ((Append *) plan)->appendplans)
			{
				if (t->reason == NULL)
					add_scans(t, lfirst(cell), columns);	/* they give out the same columns */
			}
			break;
		case T_Result:
			if (plan->lefttree != NULL)
			{
				add_scans(t, plan->lefttree, (List *) replace_output((Node *) columns, plan->targetlist));
				break;
			}
			/* FALLTHROUGH */
		default:
			t->reason = psprintf("below the aggregate is %s", node_name(plan));
	}
	t->passed = lappend(t->passed, plan);
}

/* The aggregate that takes the rows; NULL: it is not there or does more. */
static Agg *
find_aggregate(Plan *plan)
{
	Agg		   *agg = (Agg *) plan;

	while (IsA(plan, Gather) || (IsA(plan, Agg) && DO_AGGSPLIT_COMBINE(((Agg *) plan)->aggsplit)))
		plan = plan->lefttree;
	agg = (Agg *) plan;
	if (!IsA(plan, Agg) || agg->aggstrategy != AGG_PLAIN || agg->groupingSets != NIL || agg->chain != NIL || plan->qual != NIL ||
		list_length(plan->targetlist) != 1 || !IsA(linitial_node(TargetEntry, plan->targetlist)->expr, Aggref))
		return NULL;
	return agg;
}

/* ---- the change ---------------------------------------------------------------------------------------------------- */

/* Whether the executor hands out the scan's rows as they are: what is asked of it are all attributes, none of them dropped or missing. */
static bool
gives_rows(const PlannedStmt *statement, const Scan *scan)
{
	Relation	table = table_open(rt_fetch(scan->scanrelid, statement->rtable)->relid, NoLock);
	TupleDesc	columns = RelationGetDescr(table);
	bool		same = list_length(scan->plan.targetlist) == columns->natts;

	for (int a = 0; same && a < columns->natts; a++)
	{
		const Var  *attribute = (Var *) list_nth_node(TargetEntry, scan->plan.targetlist, a)->expr;

		same = IsA(attribute, Var) && attribute->varattno == a + 1 && !TupleDescAttr(columns, a)->attisdropped &&
			!TupleDescAttr(columns, a)->atthasmissing;
	}
	table_close(table, NoLock);
	return same;
}

/*
 * Nobody looks at what the scan gives out any more.  But before PostgreSQL 15.13 a bitmap scan that is asked for no column and has no
 * condition does not read the rows of pages that everybody sees; so it is asked for a constant.
 */
static void
ask_for_nothing(const PlannedStmt *statement, Scan *scan)
{
	if (gives_rows(statement, scan))
		return;
	scan->plan.targetlist = NIL;
	if (IsA(scan, BitmapHeapScan))
		scan->plan.targetlist = list_make1(makeTargetEntry((Expr *) makeBoolConst(true, false), 1, NULL, false));
}

/* Takes the columns away from the aggregate and leaves the note. */
static void
leave_note(Agg *agg, const Aggref *given, const List *note, int leading)
{
	Aggref	   *aggref = copyObject((Aggref *) given);

	aggref->args = list_truncate(aggref->args, leading);
	aggref->aggargtypes = list_truncate(aggref->aggargtypes, leading);
	aggref->aggdirectargs = list_make1(makeConst(TEXTOID, -1, InvalidOid, -1, CStringGetTextDatum(nodeToString(note)), false, false));
	linitial_node(TargetEntry, agg->plan.targetlist)->expr = (Expr *) aggref;
}

/* Follows the plan; what is found is in *t. */
static void
look_at_plan(Takeover *t, const Agg *agg, const Aggref *aggref, int leading)
{
	List	   *columns = column_expressions(aggref, leading, mdl_source_pack(t->source) > 0);

	if (aggref->aggdirectargs != NIL || aggref->aggfilter != NULL || list_length(columns) != t->source->n_columns)
		t->reason = "the aggregate has more than the columns";
	else
		add_scans(t, agg->plan.lefttree, columns);
}

void
mdl_scan_take_over(PlannedStmt *statement, const MdlSource *source, int leading)
{
	Takeover	t = {source, NIL, NIL, NIL, "the aggregate is not alone in the plan"};
	Agg		   *agg = find_aggregate(statement->planTree);
	Aggref	   *aggref = agg ? (Aggref *) linitial_node(TargetEntry, agg->plan.targetlist)->expr : NULL;
	ListCell   *cell;

	if (agg != NULL)
	{
		t.reason = NULL;
		look_at_plan(&t, agg, aggref, leading);
	}
	if (t.reason != NULL)
	{
		ereport(DEBUG1, (errmsg_internal("training: the rows come as arguments: %s", t.reason)));
		return;
	}
	leave_note(agg, aggref, t.note, leading);
	foreach(cell, t.scans)
		ask_for_nothing(statement, lfirst(cell));
	foreach(cell, t.passed)
		((Plan *) lfirst(cell))->targetlist = NIL;
	ereport(DEBUG1, (errmsg_internal("training: the rows are read from %d scan%s", list_length(t.scans), list_length(t.scans) == 1 ? "" : "s")));
}
