/*
 * cdc_merge.c: new events, the state and the target brought together, key by key, and what follows written.
 *
 * One query returns what is known of the keys that new events concern, sorted by key, so that one key at a time is in
 * memory.  A new truncate concerns all keys.  Rows that stay as they are are not written.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/refresh_int.h"
#include "base/progress.h"

#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_locale.h"
#include "utils/snapmgr.h"

#define LOOKUP_COST 20.0			/* of a row in an index, in rows of a scan */

/* ---- what is known of the keys concerned ----------------------------------------------------------------------------------- */

typedef struct Merger
{
	DestReceiver dest;			/* must be first */
	MergeOutput *output;
	const FlowShape *shape;
	MemoryContext key_context;	/* reset after each key */
	MergeRow   *rows;			/* of the key, in key_context */
	int			count;
	int			allocated;
	int64		done;
} Merger;

enum
{
	KNOWN_ORIGIN,
	KNOWN_PLACE,
	KNOWN_VALUES
};

/* Rows of a type 1 state have their values in the target, whose row comes first. */
static void
share_values(const FlowShape *shape, MergeRow *rows, int count)
{
	for (int i = 1; i < count && rows[0].origin == FROM_TARGET; i++)
		if (rows[i].origin == FROM_STATE && rows[i].kind == EVENT_UPSERT)
		{
			rows[i].values = rows[0].values;
			rows[i].nulls = rows[0].nulls;
		}
}

static void
finish_key(Merger *merger)
{
	MemoryContext old = MemoryContextSwitchTo(merger->key_context);

	if (merger->count > 0 && merger->shape->flow->scd_type == 1)
		share_values(merger->shape, merger->rows, merger->count);
	if (merger->count > 0)
		mdl_merge_key(merger->output, merger->rows, merger->count);
	MemoryContextSwitchTo(old);
	MemoryContextReset(merger->key_context);
	merger->rows = NULL;
	merger->count = merger->allocated = 0;
}

static bool
is_same_key(const Merger *merger, const Datum *values)
{
	const FlowShape *shape = merger->shape;

	for (int i = 0; i < shape->flow->key_count; i++)
		if (!DatumGetBool(FunctionCall2Coll(&shape->key_equal[i], shape->columns[i].collation,
											merger->rows[0].values[i], values[KNOWN_VALUES + i])))
			return false;
	return true;
}

/* What is TOASTed stays so: written back into the row it is from, it is not stored again. */
static Datum
copied(const FlowColumn *column, Datum value)
{
	return datumCopy(value, column->by_value, column->length);
}

/* Which columns an event tells. */
static void
take_told(const FlowShape *shape, MergeRow *row, int width, Datum missing, bool missing_null)
{
	int			columns = shape->flow->column_count;
	Datum	   *numbers;
	int			count;

	row->told = palloc_array(bool, columns);
	for (int i = 0; i < columns; i++)
		row->told[i] = i < (row->kind == EVENT_DELETE ? shape->flow->key_count : width);
	if (row->origin == FROM_EVENTS)
		row->awaited = palloc0_array(bool, columns);
	if (missing_null)
		return;
	deconstruct_array(DatumGetArrayTypeP(missing), INT2OID, sizeof(int16), true, TYPALIGN_SHORT, &numbers, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		int			number = DatumGetInt16(numbers[i]);
		int			column = abs(number) - 1;

		if (number == 0 || column >= columns)
			elog(ERROR, "state of \"%s\" knows no column %d", mdl_display_name(shape->flow->target), number);
		row->told[column] = false;
		if (row->awaited && number > 0)
			row->awaited[column] = true;
	}
}

static void
take_row(Merger *merger, const Datum *values, const bool *nulls)
{
	const FlowShape *shape = merger->shape;
	int			columns = shape->flow->column_count;
	const Datum *rest = values + KNOWN_VALUES + columns;
	const bool *rest_nulls = nulls + KNOWN_VALUES + columns;
	MergeRow   *row;

	if (merger->count == merger->allocated)
	{
		merger->allocated = Max(4, merger->allocated * 2);
		merger->rows = merger->rows ? repalloc_huge(merger->rows, sizeof(MergeRow) * merger->allocated)
			: palloc_array(MergeRow, merger->allocated);
	}
	row = &merger->rows[merger->count++];
	*row = (MergeRow) {.origin = DatumGetInt32(values[KNOWN_ORIGIN])};
	if (!nulls[KNOWN_PLACE])
		row->place = *(ItemPointer) DatumGetPointer(values[KNOWN_PLACE]);
	row->values = palloc0_array(Datum, columns);
	row->nulls = palloc_array(bool, columns);
	for (int i = 0; i < columns; i++)
	{
		row->nulls[i] = nulls[KNOWN_VALUES + i];
		if (!row->nulls[i])
			row->values[i] = copied(&shape->columns[i], values[KNOWN_VALUES + i]);
	}
	row->oldest = rest_nulls[0];
	row->sequence = row->oldest ? (Datum) 0 : copied(&shape->sequence, rest[0]);
	row->end_null = rest_nulls[1];
	row->end = row->end_null ? (Datum) 0 : copied(&shape->sequence, rest[1]);
	row->rank = DatumGetInt16(rest[2]);
	row->kind = DatumGetChar(rest[3]);
	take_told(shape, row, DatumGetInt16(rest[4]), rest[5], rest_nulls[5]);
}

static bool
receive_known(TupleTableSlot *slot, DestReceiver *self)
{
	Merger	   *merger = (Merger *) self;
	MemoryContext old;

	slot_getallattrs(slot);
	if (merger->count > 0 && !is_same_key(merger, slot->tts_values))
		finish_key(merger);
	old = MemoryContextSwitchTo(merger->key_context);
	take_row(merger, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old);
	if ((++merger->done & 4095) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		mdl_progress_update(merger->done);
	}
	return true;
}

/* "c1 COLLATE …, c2": any order that brings equal keys together, as cheap as can be. */
static char *
key_order(const FlowShape *shape)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < shape->flow->key_count; i++)
	{
		Oid			collation = shape->columns[i].collation;

		appendStringInfo(&text, "c%d%s, ", i + 1,
						 OidIsValid(collation) && get_collation_isdeterministic(collation) ? " COLLATE \"C\"" : "");
	}
	return text.data;
}

/* The select list of one origin; values by `prefix` and name or number. */
static char *
known_values(const FlowShape *shape, const char *prefix, bool numbered, int present)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < shape->flow->column_count; i++)
	{
		if (i >= present)
			appendStringInfo(&text, "NULL::%s, ", mdl_type_name(shape->columns[i].type));
		else if (numbered)
			appendStringInfo(&text, "%sc%d, ", prefix, i + 1);
		else
			appendStringInfo(&text, "%s%s, ", prefix, quote_identifier(shape->columns[i].name));
	}
	return text.data;
}

static char *
known_query(const FlowShape *shape, bool all)
{
	const Flow *flow = shape->flow;
	bool		versions = flow->scd_type == 2;
	char	   *sequence = mdl_type_name(shape->sequence.type);
	char	   *none = psprintf("NULL::%s", sequence);
	char	   *own = "_sequence, NULL::%s, %s_rank, %s_kind, %s_width, %s_missing";
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT 0, t.ctid, %s%s, %s, 0::pg_catalog.int2, 'u'::pg_catalog.\"char\", %d::pg_catalog.int2,"
					 " NULL::pg_catalog.int2[] FROM ONLY %s t",
					 known_values(shape, "t.", false, flow->column_count),
					 versions ? "t.\"" MDL_START_COLUMN "\"" : none, versions ? "t.\"" MDL_END_COLUMN "\"" : none,
					 flow->column_count, mdl_qualified_name(flow->target));
	if (!all)
		appendStringInfo(&text, " WHERE EXISTS (SELECT FROM medallion_events e WHERE %s)",
						 mdl_flow_key_condition(shape, "t.", false, "e."));
	appendStringInfo(&text, " UNION ALL SELECT 1, s.ctid, %s", known_values(shape, "s.", true, versions ? flow->column_count : flow->key_count));
	appendStringInfo(&text, "s.");
	appendStringInfo(&text, own, sequence, "s.", "s.", "s.", "s.");
	appendStringInfo(&text, " FROM ONLY %s s WHERE %s", mdl_qualified_name(flow->state),
					 all ? "s.c1 IS NOT NULL"
					 : psprintf("EXISTS (SELECT FROM medallion_events e WHERE %s)", mdl_flow_key_condition(shape, "s.", true, "e.")));
	appendStringInfo(&text, " UNION ALL SELECT 2, NULL::pg_catalog.tid, %s", known_values(shape, "e.", true, flow->column_count));
	appendStringInfo(&text, "e.");
	appendStringInfo(&text, own, sequence, "e.", "e.", "e.", "e.");
	appendStringInfo(&text, " FROM medallion_events e");
	return text.data;
}


/*
 * How many rows a table has, nearly.  Tables that follow a stream are often planned with no statistics or old ones, and of
 * the offered rows the planner knows their number alone.
 */
static double
row_estimate(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	BlockNumber pages;
	double		rows,
				visible;

	estimate_rel_size(relation, NULL, &pages, &rows, &visible);
	table_close(relation, NoLock);
	return rows;
}

/* Plans with index lookups, not with a scan of the tables, unless there are many events. */
static int
choose_lookups(const FlowShape *shape, int64 events)
{
	int			level = NewGUCNestLevel();
	bool		few = (double) events * LOOKUP_COST < row_estimate(shape->flow->target) + row_estimate(shape->flow->state);

	mdl_plan_setting("jit", "off");
	mdl_plan_setting(few ? "enable_hashjoin" : "enable_nestloop", "off");
	mdl_plan_setting(few ? "enable_mergejoin" : "enable_nestloop", "off");
	mdl_plan_setting("enable_hashagg", few ? "off" : "on");	/* keys in order find neighbours */
	return level;
}

/* Hands what is known, key by key, to mdl_merge_key. */
static void
merge_keys(MergeOutput *output, Events *events, bool all, Snapshot snapshot)
{
	Merger		merger = {.dest = mdl_row_receiver(receive_known), .output = output, .shape = output->shape};
	SPIExecuteOptions options = {.read_only = true, .dest = &merger.dest};
	StringInfoData names;
	char	   *sql;
	int			code,
				level;

	merger.key_context = AllocSetContextCreate(CurrentMemoryContext, "events of a key", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&names);
	for (int i = 0; i < output->shape->flow->column_count; i++)
		appendStringInfo(&names, "c%d, ", i + 1);
	sql = psprintf("SELECT * FROM (%s) k(_origin, _place, %s_sequence, _end, _rank, _kind, _width, _missing) ORDER BY %s_origin",
				   known_query(output->shape, all), names.data, key_order(output->shape));
	mdl_offer_rows("medallion_events", events->rows, output->shape->events);
	level = choose_lookups(output->shape, events->count);
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	code = SPI_execute_extended(sql, &options);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
	finish_key(&merger);
	AtEOXact_GUC(true, level);
	PopActiveSnapshot();
	SPI_unregister_relation("medallion_events");
	MemoryContextDelete(merger.key_context);
}

/* ---- truncates --------------------------------------------------------------------------------------------------------------- */

static int
compare_datums(const void *a, const void *b, void *shape)
{
	return mdl_compare_sequences(shape, *(const Datum *) a, *(const Datum *) b);
}

/* Those of the state; their keys are NULL. */
static int
known_truncates(const FlowShape *shape, Snapshot snapshot, Datum **sequences)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	uint64		rows = mdl_run_under_snapshot(psprintf("SELECT _sequence FROM ONLY %s WHERE c1 IS NULL", mdl_qualified_name(shape->flow->state)),
											  NULL, snapshot);

	old = MemoryContextSwitchTo(context);
	*sequences = palloc_array(Datum, rows + 1);
	for (uint64 i = 0; i < rows; i++)
		(*sequences)[i] = copied(&shape->sequence, mdl_field(i, 0, NULL));
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return (int) rows;
}

/* Joins the truncates known with the new ones, which go to the state; returns whether there are any new ones. */
static bool
take_truncates(MergeOutput *output, Events *events, Snapshot snapshot)
{
	const FlowShape *shape = output->shape;
	Datum	   *known;
	int			known_count = known_truncates(shape, snapshot, &known);
	ListCell   *cell;

	output->truncates = palloc_array(Datum, known_count + list_length(events->truncates) + 1);
	memcpy(output->truncates, known, sizeof(Datum) * known_count);
	output->truncate_count = known_count;
	foreach(cell, events->truncates)
	{
		Datum		sequence = *(Datum *) lfirst(cell);
		MergeRow	row = {.kind = EVENT_TRUNCATE, .rank = 1, .sequence = sequence};
		bool		is_known = false;

		for (int i = 0; i < output->truncate_count && !is_known; i++)
			is_known = mdl_compare_sequences(shape, output->truncates[i], sequence) == 0;
		output->applied->repeated += is_known;
		if (is_known)
			continue;
		row.values = palloc0_array(Datum, shape->flow->column_count);
		row.nulls = palloc_array(bool, shape->flow->column_count);
		memset(row.nulls, true, shape->flow->column_count);
		mdl_put_state(output, output->state_inserts, NULL, &row);
		output->truncates[output->truncate_count++] = sequence;
	}
	qsort_arg(output->truncates, output->truncate_count, sizeof(Datum), compare_datums, (void *) shape);
	return output->truncate_count > known_count;
}

/* ---- all -------------------------------------------------------------------------------------------------------------------------- */

static TupleDesc
placed_columns(const FlowShape *shape, bool of_target)
{
	int			columns = shape->flow->column_count;
	TupleDesc	placed = CreateTemplateTupleDesc(1 + columns + (of_target ? 2 : EVENT_EXTRAS));

	TupleDescInitEntry(placed, 1, "_place", TIDOID, -1, 0);
	for (int i = 0; i < columns + (of_target ? 0 : EVENT_EXTRAS); i++)
		TupleDescCopyEntry(placed, i + 2, shape->events, i + 1);
	if (of_target)
	{
		TupleDescInitEntry(placed, columns + 2, MDL_START_COLUMN, shape->sequence.type, -1, 0);
		TupleDescInitEntry(placed, columns + 3, MDL_END_COLUMN, shape->sequence.type, -1, 0);
	}
	return placed;
}

void
mdl_flow_merge(const FlowShape *shape, Events *events, Snapshot snapshot, Applied *applied)
{
	MergeOutput output = {.shape = shape, .applied = applied};
	Tuplestorestate **stores[] = {&output.target_deletes, &output.target_updates, &output.target_inserts,
	&output.state_deletes, &output.state_updates, &output.state_inserts};
	bool		all;

	for (int i = 0; i < lengthof(stores); i++)
		*stores[i] = tuplestore_begin_heap(false, false, work_mem);
	output.target_placed = placed_columns(shape, true);
	output.state_placed = placed_columns(shape, false);
	all = take_truncates(&output, events, snapshot);
	mdl_progress_phase("merge", events->count);
	if (all || events->count > 0)
		merge_keys(&output, events, all, snapshot);
	mdl_merge_write(&output, snapshot);
	for (int i = 0; i < lengthof(stores); i++)
		tuplestore_end(*stores[i]);
}
