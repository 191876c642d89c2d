/*
 * cdc_write.c: notes the changes that a merge finds, and writes them into target and state when all are known.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/refresh_int.h"
#include "base/progress.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* ---- what is noted -------------------------------------------------------------------------------------------------- */

static void
put_placed(Tuplestorestate *rows, TupleDesc columns, ItemPointer place, Datum *values, bool *nulls)
{
	values[0] = PointerGetDatum(place);
	nulls[0] = place == NULL;
	tuplestore_putvalues(rows, columns, values, nulls);
}

void
mdl_put_target(MergeOutput *output, Tuplestorestate *rows, ItemPointer place, const MergeRow *row)
{
	int			count = output->shape->flow->column_count;
	Datum	   *values = palloc_array(Datum, count + 3);
	bool	   *nulls = palloc_array(bool, count + 3);

	memcpy(values + 1, row->values, sizeof(Datum) * count);
	memcpy(nulls + 1, row->nulls, sizeof(bool) * count);
	values[count + 1] = row->sequence;
	nulls[count + 1] = output->shape->flow->scd_type == 1;
	values[count + 2] = row->end;
	nulls[count + 2] = row->end_null;
	put_placed(rows, output->target_placed, place, values, nulls);
}

static Datum
missing_columns(const MergeRow *row, int count, bool *is_null)
{
	Datum	   *list = palloc_array(Datum, count + 1);
	int			missing = 0;

	for (int i = 0; i < count && row->kind == EVENT_UPSERT; i++)
		if (!row->told[i])
			list[missing++] = Int16GetDatum(i + 1);
	*is_null = missing == 0;
	return missing ? PointerGetDatum(construct_array(list, missing, INT2OID, sizeof(int16), true, TYPALIGN_SHORT)) : (Datum) 0;
}

void
mdl_put_state(MergeOutput *output, Tuplestorestate *rows, ItemPointer place, const MergeRow *row)
{
	int			count = output->shape->flow->column_count;
	Datum	   *values = palloc_array(Datum, count + 1 + EVENT_EXTRAS);
	bool	   *nulls = palloc0_array(bool, count + 1 + EVENT_EXTRAS);
	Datum	   *extras = values + count + 1;

	memcpy(values + 1, row->values, sizeof(Datum) * count);
	memcpy(nulls + 1, row->nulls, sizeof(bool) * count);
	extras[EVENT_SEQUENCE] = row->sequence;
	extras[EVENT_RANK] = Int16GetDatum(row->rank);
	extras[EVENT_KIND] = CharGetDatum(row->kind);
	extras[EVENT_WIDTH] = Int16GetDatum(count);
	extras[EVENT_MISSING] = missing_columns(row, count, &nulls[count + 1 + EVENT_MISSING]);
	put_placed(rows, output->state_placed, place, values, nulls);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------- */

/* The columns of offered rows are numbered, so that no name of the user's can be taken for one of ours. */
static char *
numbers(int count, const char *prefix)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
		appendStringInfo(&text, "%s%sn%d", i ? ", " : "", prefix, i + 1);
	return text.data;
}

void
mdl_plan_setting(const char *name, const char *value)
{
	set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static int64
write_rows(const char *sql, Tuplestorestate *rows, TupleDesc columns, Snapshot snapshot)
{
	int64		done;

	if (tuplestore_tuple_count(rows) == 0)
		return 0;
	mdl_offer_rows("medallion_rows", rows, columns);
	done = (int64) mdl_run_under_snapshot(sql, NULL, snapshot);
	SPI_unregister_relation("medallion_rows");
	if (done != tuplestore_tuple_count(rows))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("changes were not all written: " INT64_FORMAT " of " INT64_FORMAT " rows", done,
						tuplestore_tuple_count(rows)),
				 errdetail("A trigger or rule on the table took them away."),
				 errhint("Disable triggers and rules that change what is written.")));
	return done;
}

static int64
delete_rows(Oid relation, Tuplestorestate *rows, TupleDesc columns, Snapshot snapshot)
{
	return write_rows(psprintf("DELETE FROM ONLY %s t USING medallion_rows r(%s) WHERE t.ctid OPERATOR(pg_catalog.=) r.n1",
							   mdl_qualified_name(relation), numbers(columns->natts, "")), rows, columns, snapshot);
}

/* ---- the target ---------------------------------------------------------------------------------------------------------------- */

static char *
target_update(const FlowShape *shape, TupleDesc columns)
{
	const Flow *flow = shape->flow;
	StringInfoData text;
	bool		first = true;

	initStringInfo(&text);
	appendStringInfo(&text, "UPDATE ONLY %s t SET ", mdl_qualified_name(flow->target));
	for (int i = 0; i < flow->column_count; i++)
	{
		if (shape->columns[i].fixed)
			continue;
		appendStringInfo(&text, "%s%s = r.n%d", first ? "" : ", ", quote_identifier(flow->columns[i]), i + 2);
		first = false;
	}
	if (flow->scd_type == 2)
		appendStringInfo(&text, "%s\"" MDL_END_COLUMN "\" = r.n%d", first ? "" : ", ", columns->natts);
	else if (first)
		appendStringInfo(&text, "%s = r.n2", quote_identifier(flow->columns[0]));
	appendStringInfo(&text, " FROM medallion_rows r(%s) WHERE t.ctid OPERATOR(pg_catalog.=) r.n1", numbers(columns->natts, ""));
	return text.data;
}

typedef struct Updating
{
	MergeOutput *output;
	Snapshot	snapshot;
} Updating;

static void
update_in_place(void *argument)
{
	Updating   *updating = argument;
	MergeOutput *output = updating->output;

	write_rows(target_update(output->shape, output->target_placed), output->target_updates, output->target_placed, updating->snapshot);
}

/* Values that are unique may have been exchanged by events that came together. */
static int64
update_target(MergeOutput *output, Snapshot snapshot)
{
	const Flow *flow = output->shape->flow;
	Updating	updating = {.output = output, .snapshot = snapshot};
	PlacedRows	rows = {.target = flow->target, .rows = output->target_updates, .columns = output->target_placed,
		.names = palloc_array(char *, flow->column_count + 2), .count = flow->column_count, .snapshot = snapshot};

	memcpy(rows.names, flow->columns, sizeof(char *) * flow->column_count);
	if (flow->scd_type == 2)
	{
		rows.names[rows.count++] = MDL_START_COLUMN;
		rows.names[rows.count++] = MDL_END_COLUMN;
	}
	mdl_update_or_replace(&rows, update_in_place, &updating);
	return tuplestore_tuple_count(output->target_updates);
}

static char *
target_insert(const FlowShape *shape, TupleDesc columns)
{
	const Flow *flow = shape->flow;
	StringInfoData names,
				values;

	initStringInfo(&names);
	initStringInfo(&values);
	for (int i = 0; i < flow->column_count; i++)
	{
		appendStringInfo(&names, "%s%s", i ? ", " : "", quote_identifier(flow->columns[i]));
		appendStringInfo(&values, "%sr.n%d", i ? ", " : "", i + 2);
	}
	if (flow->scd_type == 2)
	{
		appendStringInfoString(&names, ", \"" MDL_START_COLUMN "\", \"" MDL_END_COLUMN "\"");
		appendStringInfo(&values, ", r.n%d, r.n%d", columns->natts - 1, columns->natts);
	}
	return psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM medallion_rows r(%s)",
					mdl_qualified_name(flow->target), names.data, values.data, numbers(columns->natts, ""));
}

/* ---- the state ------------------------------------------------------------------------------------------------------------------ */

static char *
state_columns(const FlowShape *shape, const char *item)
{
	const Flow *flow = shape->flow;
	static const char *const extras[EVENT_EXTRAS] = {"_sequence", "_rank", "_kind", "_width", "_missing"};
	int			kept = flow->scd_type == 2 ? flow->column_count : flow->key_count;
	StringInfoData text;

	/* item: 'n' names, 'v' values, 's' name = value */
	initStringInfo(&text);
	for (int i = 0; i < kept + EVENT_EXTRAS; i++)
	{
		char	   *name = i < kept ? psprintf("c%d", i + 1) : pstrdup(extras[i - kept]);
		int			number = i < kept ? i + 2 : flow->column_count + 2 + i - kept;

		appendStringInfoString(&text, i ? ", " : "");
		if (*item != 'v')
			appendStringInfoString(&text, name);
		if (*item == 's')
			appendStringInfoString(&text, " = ");
		if (*item != 'n')
			appendStringInfo(&text, "r.n%d", number);
	}
	return text.data;
}

static void
write_state(MergeOutput *output, Snapshot snapshot)
{
	const FlowShape *shape = output->shape;
	TupleDesc	columns = output->state_placed;
	char	   *state = mdl_qualified_name(shape->flow->state);
	char	   *all = numbers(columns->natts, "");

	delete_rows(shape->flow->state, output->state_deletes, columns, snapshot);
	write_rows(psprintf("UPDATE ONLY %s t SET %s FROM medallion_rows r(%s) WHERE t.ctid OPERATOR(pg_catalog.=) r.n1",
						state, state_columns(shape, "s"), all), output->state_updates, columns, snapshot);
	write_rows(psprintf("INSERT INTO %s (%s) SELECT %s FROM medallion_rows r(%s)",
						state, state_columns(shape, "n"), state_columns(shape, "v"), all), output->state_inserts, columns, snapshot);
}

void
mdl_merge_write(MergeOutput *output, Snapshot snapshot)
{
	const FlowShape *shape = output->shape;
	TupleDesc	columns = output->target_placed;
	Published  *published = &output->applied->published;
	int			level = NewGUCNestLevel();

	/* Rows are found by their places. */
	mdl_plan_setting("jit", "off");
	mdl_plan_setting("enable_hashjoin", "off");
	mdl_plan_setting("enable_mergejoin", "off");
	mdl_progress_phase("write", tuplestore_tuple_count(output->target_deletes) +
					   tuplestore_tuple_count(output->target_updates) + tuplestore_tuple_count(output->target_inserts));

	/* Deletes first: they make room for other unique keys of the table. */
	published->deleted = delete_rows(shape->flow->target, output->target_deletes, columns, snapshot);
	published->updated = update_target(output, snapshot);
	published->inserted = write_rows(target_insert(shape, columns), output->target_inserts, columns, snapshot);
	write_state(output, snapshot);
	AtEOXact_GUC(true, level);
}
