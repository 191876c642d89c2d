/*
 * train_scan.c: rows straight from the scans of tables: the reading in each process, by the note that train_takeover.c left.
 */
#include "train/train_scan.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define TEXTS 256				/* slots of the table of texts */
#define TEXT_SPREAD 0x9E3779B97F4A7C15ULL	/* odd: 2^64 over the golden ratio */

/* What a value of the attribute was converted to. */
typedef struct MdlScanText
{
	Datum		value;
	text	   *made;			/* NULL: the slot is free */
} MdlScanText;

/* ---- each process: the scan ---------------------------------------------------------------------------------------- */

/* The note of the call's aggregate: an item for each leaf; NIL: it has none. */
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
	if (attribute < (conversion ? -1 : 0) || attribute >= table->natts || (attribute >= 0 && TupleDescAttr(table, attribute)->attisdropped) ||
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

	if (scan->attributes[column] < 0)
		*item = (MdlScanItem) {column, scan->n_attributes, -1, 0, true, NULL, NULL};	/* as of an attribute that is 0 always */
	else
	{
		Form_pg_attribute attribute = TupleDescAttr(scan->slot->tts_tupleDescriptor, scan->attributes[column]);

		*item = (MdlScanItem) {column, scan->attributes[column], offset, attribute->attlen, attribute->attbyval, NULL, NULL};
		scan->has_loose |= offset < 0;
	}
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
		int32		offset = scan->attributes[i] < 0 ? -1 : offsets[scan->attributes[i]];

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

/* The scan that gave the row which is being aggregated; NULL: there is something else below. */
static ScanState *
current_leaf(PlanState *node)
{
	for (;;)
	{
		switch (nodeTag(node))
		{
			case T_AppendState:
				node = ((AppendState *) node)->appendplans[((AppendState *) node)->as_whichplan];
				break;
			case T_ResultState:
				node = outerPlanState(node);
				break;
			case T_SeqScanState:
			case T_SampleScanState:
			case T_IndexScanState:
			case T_BitmapHeapScanState:
			case T_TidScanState:
			case T_TidRangeScanState:
				return (ScanState *) node;
			default:
				return NULL;
		}
		if (node == NULL)
			return NULL;
	}
}

/* The entries of the note for a leaf, one for each column. */
static List *
find_entries(const MdlScan *scan, const ScanState *leaf)
{
	ListCell   *cell;

	foreach(cell, scan->note)
	{
		const List *item = lfirst(cell);

		if (intVal(linitial(item)) == (int) ((Scan *) leaf->ps.plan)->scanrelid && list_length(lsecond(item)) == scan->plan->n_columns)
			return lsecond(item);
	}
	mdl_damaged_plan();
}

/* Where the columns are in the rows of this leaf, and what is made of them. */
static void
open_leaf(MdlScan *scan, ScanState *leaf)
{
	const MdlRowPlan *plan = scan->plan;
	List	   *entries = find_entries(scan, leaf);
	Node	  **conversions = palloc0(sizeof(Node *) * (plan->n_columns + 1));

	scan->leaf = leaf;
	scan->slot = leaf->ss_ScanTupleSlot;
	scan->on_page = TTS_IS_BUFFERTUPLE(scan->slot);
	scan->attributes = palloc(sizeof(int) * (plan->n_columns + 1));
	scan->values = palloc0(sizeof(NullableDatum) * (plan->n_columns + 1));
	scan->all_items = scan->has_loose = false;
	scan->n_attributes = scan->n_runs = scan->n_items = 0;
	for (int i = 0; i < plan->n_columns; i++)
	{
		Node	   *entry = list_nth(entries, i);

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
	scan->loose = palloc0(sizeof(Datum) * (scan->n_attributes + 1));
}

void
mdl_scan_turn(MdlScan *scan)
{
	ScanState  *leaf = current_leaf(scan->below);
	MemoryContext saved;

	if (likely(leaf == scan->leaf))
		return;
	if (leaf == NULL)
		mdl_damaged_plan();
	/* A scan that was left has ended, so what was known of it can go: there may be thousands. */
	MemoryContextReset(scan->memory);
	saved = MemoryContextSwitchTo(scan->memory);
	open_leaf(scan, leaf);
	MemoryContextSwitchTo(saved);
}

MdlScan *
mdl_scan_open(FunctionCallInfo fcinfo, const MdlRowPlan *plan)
{
	List	   *note = find_note(fcinfo);
	AggState   *aggregate = (AggState *) fcinfo->context;
	MdlScan    *scan;

	if (note == NIL)
		return NULL;
	scan = palloc0(sizeof(MdlScan));
	scan->note = note;
	scan->plan = plan;
	scan->below = outerPlanState(aggregate);
	scan->several = list_length(note) > 1;
	scan->memory = AllocSetContextCreate(CurrentMemoryContext, "medallion scan", ALLOCSET_DEFAULT_SIZES);
	scan->context = aggregate->tmpcontext;
	scan->n_columns = plan->n_columns;
	mdl_scan_turn(scan);
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
		int			attribute = scan->attributes[i];

		scan->values[i].value = attribute < 0 ? 0 : slot->tts_values[attribute];
		scan->values[i].isnull = attribute < 0 ? false : slot->tts_isnull[attribute];
	}
	for (int k = 0; k < scan->n_items; k++)
		convert(scan, &scan->items[k]);
	scan->all_items = true;
}

const char *
mdl_scan_row(MdlScan *scan)
{
	HeapTuple	tuple;
	const char *data;

	mdl_scan_follow(scan);
	tuple = scan->on_page ? ((BufferHeapTupleTableSlot *) scan->slot)->base.tuple : NULL;
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
