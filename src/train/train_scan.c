/*
 * train_scan.c: rows straight from the scan of a table: the leader's look at the plan, and the reading in each process.
 *
 * The *note* that the leader leaves in the Aggref is a list with an entry for each column: the number of the attribute, or
 * a list of that number and an expression, in which a CaseTestExpr stands for the attribute's value.
 */
#include "train/train_scan.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define TEXTS 256				/* slots of the table of texts */
#define TEXT_SPREAD 0x9E3779B97F4A7C15ULL	/* odd: 2^64 over the golden ratio */

/* What a value of the attribute was converted to. */
typedef struct MdlScanText
{
	Datum		value;
	text	   *made;			/* NULL: the slot is free */
} MdlScanText;

/* ---- the leader: taking over --------------------------------------------------------------------------------------- */

/* The aggregate that takes the rows, if they come from a sequential scan directly; else NULL, and *instead is the node that they come from. */
static Agg *
aggregate_over_scan(Plan *plan, Plan **instead)
{
	while (IsA(plan, Gather) || (IsA(plan, Agg) && DO_AGGSPLIT_COMBINE(((Agg *) plan)->aggsplit)))
		plan = plan->lefttree;
	*instead = IsA(plan, Agg) && plan->lefttree ? plan->lefttree : plan;
	if (!IsA(plan, Agg) || !IsA(plan->lefttree, SeqScan) || ((Agg *) plan)->aggstrategy != AGG_PLAIN ||
		((Agg *) plan)->groupingSets != NIL || ((Agg *) plan)->chain != NIL || plan->qual != NIL)
		return NULL;
	return (Agg *) plan;
}

/* A look through an expression for the one attribute that it is made of. */
typedef struct Search
{
	SeqScan    *scan;
	Var		   *attribute;		/* of the table */
} Search;

/* The table's attribute that a variable over the scan's output is; NULL: it is something else. */
static Var *
scanned_attribute(const SeqScan *scan, const Var *output)
{
	TargetEntry *entry = output->varno == OUTER_VAR ? get_tle_by_resno(scan->scan.plan.targetlist, output->varattno) : NULL;
	Var		   *attribute = entry ? (Var *) entry->expr : NULL;

	if (attribute == NULL || !IsA(attribute, Var) || attribute->varno != (int) scan->scan.scanrelid || attribute->varattno < 1)
		return NULL;
	return attribute;
}

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
			attribute = scanned_attribute(search->scan, (Var *) node);
			if (attribute == NULL || (search->attribute != NULL && search->attribute->varattno != attribute->varattno))
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
note_entry(Node *expression, SeqScan *scan, MdlWire wire)
{
	Search		search = {scan, NULL};
	Node	   *inner = expression;
	Integer    *number;

	if (exprType(expression) != mdl_wire_type(wire) || is_unfit(expression, &search) || search.attribute == NULL)
		return NULL;
	number = makeInteger(search.attribute->varattno);
	while (IsA(inner, RelabelType))
		inner = (Node *) ((RelabelType *) inner)->arg;
	if (IsA(inner, Var))
		return (Node *) number;
	return (Node *) list_make2(number, replace_attribute(expression, NULL));
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

/* Whether the executor hands out the scan's rows as they are: what is asked of it are all attributes, none of them dropped or missing. */
static bool
gives_rows(const PlannedStmt *statement, const SeqScan *scan)
{
	Relation	table = table_open(rt_fetch(scan->scan.scanrelid, statement->rtable)->relid, NoLock);
	TupleDesc	columns = RelationGetDescr(table);
	bool		same = list_length(scan->scan.plan.targetlist) == columns->natts;

	for (int a = 0; same && a < columns->natts; a++)
	{
		const Var  *attribute = (Var *) list_nth_node(TargetEntry, scan->scan.plan.targetlist, a)->expr;

		same = IsA(attribute, Var) && attribute->varattno == a + 1 && !TupleDescAttr(columns, a)->attisdropped &&
			!TupleDescAttr(columns, a)->atthasmissing;
	}
	table_close(table, NoLock);
	return same;
}

/* What EXPLAIN calls a node that rows may come from instead of a scan. */
static const char *
node_name(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Agg:
			return "Aggregate";
		case T_Append:
			return "Append";
		case T_BitmapHeapScan:
			return "Bitmap Heap Scan";
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
		case T_IndexScan:
			return "Index Scan";
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

/* Takes over, or returns why not. */
static const char *
take_over(PlannedStmt *statement, const MdlSource *source, int leading)
{
	Plan	   *instead;
	Agg		   *agg = aggregate_over_scan(statement->planTree, &instead);
	TargetEntry *output = agg && list_length(agg->plan.targetlist) == 1 ? linitial_node(TargetEntry, agg->plan.targetlist) : NULL;
	SeqScan    *scan = agg ? (SeqScan *) agg->plan.lefttree : NULL;
	Aggref	   *aggref;
	List	   *columns;
	List	   *note = NIL;

	if (agg == NULL)
		return psprintf("below the aggregate is %s", node_name(instead));
	if (output == NULL || !IsA(output->expr, Aggref))
		return "the plan has more than the aggregate";
	aggref = copyObject((Aggref *) output->expr);
	columns = column_expressions(aggref, leading, mdl_source_pack(source) > 0);
	if (aggref->aggdirectargs != NIL || aggref->aggfilter != NULL || list_length(columns) != source->n_columns)
		return "the plan has more than the aggregate";
	for (int i = 0; i < source->n_columns; i++)
	{
		Node	   *entry = note_entry(list_nth(columns, i), scan, source->columns[i].wire);

		if (entry == NULL)
			return psprintf("column \"%s\" is not made of one column of the table", source->columns[i].name);
		note = lappend(note, entry);
	}
	aggref->args = list_truncate(aggref->args, leading);
	aggref->aggargtypes = list_truncate(aggref->aggargtypes, leading);
	aggref->aggdirectargs = list_make1(makeConst(TEXTOID, -1, InvalidOid, -1, CStringGetTextDatum(nodeToString(note)), false, false));
	output->expr = (Expr *) aggref;
	/* Nobody looks at what the scan gives out any more. */
	if (!gives_rows(statement, scan))
		scan->scan.plan.targetlist = NIL;
	return NULL;
}

void
mdl_scan_take_over(PlannedStmt *statement, const MdlSource *source, int leading)
{
	const char *reason = take_over(statement, source, leading);

	if (reason == NULL)
		ereport(DEBUG1, (errmsg_internal("training: the rows are read from the scan")));
	else
		ereport(DEBUG1, (errmsg_internal("training: the rows come as arguments: %s", reason)));
}

/* ---- each process: the scan ---------------------------------------------------------------------------------------- */

/* The note of the call's aggregate; NIL: it has none. */
static List *
find_note(FunctionCallInfo fcinfo)
{
	Aggref	   *aggref = AggGetAggref(fcinfo);

	if (aggref == NULL || aggref->aggkind != AGGKIND_NORMAL || aggref->aggdirectargs == NIL)
		return NIL;
	return stringToNode(TextDatumGetCString(linitial_node(Const, aggref->aggdirectargs)->constvalue));
}

/* Where the attributes lie in a tuple without NULLs: (n_attributes), -1 for those behind one of variable length. */
static int32 *
find_offsets(MdlScan *scan)
{
	TupleDesc	table = scan->slot->tts_tupleDescriptor;
	int32	   *offsets = palloc(sizeof(int32) * (scan->n_attributes + 1));
	int32		at = 0;
	int			a = 0;

	for (; a < scan->n_attributes && TupleDescAttr(table, a)->attlen > 0; a++)
	{
		Form_pg_attribute attribute = TupleDescAttr(table, a);

		offsets[a] = at = att_align_nominal(at, attribute->attalign);
		at += attribute->attlen;
	}
	scan->first_loose = a;
	scan->loose_at = at;
	for (; a < scan->n_attributes; a++)
		offsets[a] = -1;
	return offsets;
}

/* Raises unless a column's note fits the table and the row plan. */
static void
check_entry(const MdlScan *scan, int attribute, Node *conversion, MdlWire wire)
{
	TupleDesc	table = scan->slot->tts_tupleDescriptor;
	Oid			type = mdl_wire_type(wire);
	int16		length;
	bool		by_value;

	get_typlenbyval(type, &length, &by_value);
	if (attribute < 0 || attribute >= table->natts || TupleDescAttr(table, attribute)->attisdropped ||
		(conversion ? exprType(conversion) != type :
		 TupleDescAttr(table, attribute)->attlen != length || TupleDescAttr(table, attribute)->attbyval != by_value))
		mdl_damaged_plan();
}

/* Whether the same value always becomes the same text, so that it need not be made anew. */
static bool
can_keep_texts(const MdlScanItem *item, Node *conversion, MdlWire wire)
{
	return wire == MDL_WIRE_TEXT && item->by_value && !contain_volatile_functions(conversion);
}

static void
add_item(MdlScan *scan, int column, int32 offset, Node *conversion, MdlWire wire)
{
	MdlScanItem *item = &scan->items[scan->n_items++];
	Form_pg_attribute attribute = TupleDescAttr(scan->slot->tts_tupleDescriptor, scan->attributes[column]);

	*item = (MdlScanItem) {column, scan->attributes[column], offset, attribute->attlen, attribute->attbyval, NULL, NULL};
	scan->has_loose |= offset < 0;
	if (conversion == NULL)
		return;
	item->convert = ExecInitExpr((Expr *) conversion, NULL);
	if (can_keep_texts(item, conversion, wire))
		item->texts = palloc0(sizeof(MdlScanText) * TEXTS);
}

/* Cuts the columns into runs of numbers that lie side by side in the tuple too, and single others. */
static void
find_runs(MdlScan *scan, const MdlRowPlan *plan, Node *const *conversions)
{
	int32	   *offsets = find_offsets(scan);

	scan->runs = palloc(sizeof(MdlRowRun) * (plan->n_columns + 1));
	scan->items = palloc(sizeof(MdlScanItem) * (plan->n_columns + 1));
	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlRowColumn *column = &plan->columns[i];
		MdlRowRun  *last = scan->n_runs > 0 ? &scan->runs[scan->n_runs - 1] : NULL;
		int32		offset = offsets[scan->attributes[i]];

		if (column->number < 0 || column->wire != MDL_WIRE_FLOAT8 || conversions[i] != NULL || offset < 0)
		{
			add_item(scan, i, offset, conversions[i], column->wire);
			scan->runs[scan->n_runs++] = (MdlRowRun) {i, column->number >= 0 && column->wire == MDL_WIRE_FLOAT8 ? 1 : 0, column->number, -1};
		}
		else if (last != NULL && last->offset >= 0 && column->number == last->number + last->count &&
				 offset == last->offset + last->count * (int32) sizeof(double))
			last->count++;
		else
			scan->runs[scan->n_runs++] = (MdlRowRun) {i, 1, column->number, offset};
	}
	pfree(offsets);
}

MdlScan *
mdl_scan_open(FunctionCallInfo fcinfo, const MdlRowPlan *plan)
{
	List	   *note = find_note(fcinfo);
	AggState   *aggregate = (AggState *) fcinfo->context;
	Node	  **conversions;
	MdlScan    *scan;

	if (note == NIL)
		return NULL;
	if (list_length(note) != plan->n_columns || !IsA(outerPlanState(aggregate), SeqScanState))
		mdl_damaged_plan();
	scan = palloc0(sizeof(MdlScan));
	scan->slot = ((SeqScanState *) outerPlanState(aggregate))->ss.ss_ScanTupleSlot;
	scan->context = aggregate->tmpcontext;
	scan->on_page = TTS_IS_BUFFERTUPLE(scan->slot);
	scan->n_columns = plan->n_columns;
	scan->attributes = palloc(sizeof(int) * (plan->n_columns + 1));
	scan->values = palloc0(sizeof(NullableDatum) * (plan->n_columns + 1));
	conversions = palloc0(sizeof(Node *) * (plan->n_columns + 1));
	for (int i = 0; i < plan->n_columns; i++)
	{
		Node	   *entry = list_nth(note, i);

		if (IsA(entry, List))
		{
			conversions[i] = lsecond((List *) entry);
			entry = linitial((List *) entry);
		}
		scan->attributes[i] = intVal(entry) - 1;
		check_entry(scan, scan->attributes[i], conversions[i], plan->columns[i].wire);
		scan->n_attributes = Max(scan->n_attributes, scan->attributes[i] + 1);
	}
	find_runs(scan, plan, conversions);
	scan->loose = palloc(sizeof(Datum) * (scan->n_attributes + 1));
	return scan;
}

/* ---- each row ------------------------------------------------------------------------------------------------------ */

/* Converts a value that is in its place already. */
static inline void
convert(const MdlScan *scan, const MdlScanItem *item)
{
	NullableDatum *value = &scan->values[item->column];
	MdlScanText *kept = NULL;
	MemoryContext saved;

	if (item->convert == NULL)
		return;
	if (item->texts != NULL && !value->isnull)
	{
		kept = &item->texts[(uint64) value->value * TEXT_SPREAD >> 56];
		if (likely(kept->made != NULL && kept->value == value->value))
		{
			value->value = PointerGetDatum(kept->made);
			return;
		}
	}
	scan->context->caseValue_datum = value->value;
	scan->context->caseValue_isNull = value->isnull;
	*value = (NullableDatum) {0, true};
	value->value = ExecEvalExpr(item->convert, scan->context, &value->isnull);
	if (kept == NULL || value->isnull)
		return;
	saved = MemoryContextSwitchTo(GetMemoryChunkContext(item->texts));
	if (kept->made != NULL)
		pfree(kept->made);
	kept->made = DatumGetTextPCopy(value->value);
	kept->value = scan->context->caseValue_datum;
	MemoryContextSwitchTo(saved);
	value->value = PointerGetDatum(kept->made);
}

/* Finds the attributes behind one of variable length, in a tuple without NULLs. */
static void
find_loose(const MdlScan *scan, const char *data)
{
	TupleDesc	table = scan->slot->tts_tupleDescriptor;
	uint32		at = scan->loose_at;

	for (int a = scan->first_loose; a < scan->n_attributes; a++)
	{
		Form_pg_attribute attribute = TupleDescAttr(table, a);

		at = att_align_pointer(at, attribute->attalign, attribute->attlen, data + at);
		scan->loose[a] = fetchatt(attribute, data + at);
		at = att_addlength_pointer(at, attribute->attlen, data + at);
	}
}

/* All columns from the slot, which knows of NULLs and of attributes that the tuple has not yet. */
static void
read_slot(MdlScan *scan)
{
	TupleTableSlot *slot = scan->slot;

	slot_getsomeattrs(slot, scan->n_attributes);
	for (int i = 0; i < scan->n_columns; i++)
	{
		scan->values[i].value = slot->tts_values[scan->attributes[i]];
		scan->values[i].isnull = slot->tts_isnull[scan->attributes[i]];
	}
	for (int k = 0; k < scan->n_items; k++)
		convert(scan, &scan->items[k]);
	scan->all_items = true;
}

const char *
mdl_scan_row(MdlScan *scan)
{
	HeapTuple	tuple = scan->on_page ? ((BufferHeapTupleTableSlot *) scan->slot)->base.tuple : NULL;
	const char *data;

	if (unlikely(tuple == NULL || HeapTupleHasNulls(tuple) || (int) HeapTupleHeaderGetNatts(tuple->t_data) < scan->n_attributes))
	{
		read_slot(scan);
		return NULL;
	}
	data = (const char *) tuple->t_data + tuple->t_data->t_hoff;
	if (unlikely(scan->all_items))
	{
		for (int i = 0; i < scan->n_columns; i++)
			scan->values[i].isnull = false;
		scan->all_items = false;
	}
	if (scan->has_loose)
		find_loose(scan, data);
	for (int k = 0; k < scan->n_items; k++)
	{
		const MdlScanItem *item = &scan->items[k];

		scan->values[item->column].isnull = false;
		scan->values[item->column].value = item->offset >= 0 ? fetch_att(data + item->offset, item->by_value, item->length) :
			scan->loose[item->attribute];
		convert(scan, item);
	}
	return data;
}
