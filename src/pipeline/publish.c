/*
 * publish.c: makes a derived table equal to its new result by touching only the rows that differ.
 *
 * One full join by key of result and table finds them: rows only in the table are deleted, rows only in the result are
 * inserted, rows whose stored values differ are updated in place.  "Differ" is about what is stored, not about an equality
 * operator (1.0 and 1.00 are equal but not the same), so that the table is what the query returned and unchanged rows get
 * no history.  An empty table takes the result as it is.
 */
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "base/progress.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* ---- what differs -------------------------------------------------------------------------------------------- */

typedef struct Differences
{
	DestReceiver dest;			/* must be first */
	TupleDesc	columns;		/* of the result */
	TupleDesc	placed_columns; /* _place tid, columns */
	const KeyColumn *keys;
	Tuplestorestate *updates;	/* placed rows; NULL if only counts are wanted */
	Tuplestorestate *deletes;	/* placed rows, all else NULL */
	Tuplestorestate *inserts;	/* rows */
	AttrNumber	key_column;
	int64		seen;
	Published	count;
} Differences;

void
mdl_differences_take(Differences *differences, Datum *values, bool *nulls)
{
	if ((++differences->seen & 4095) == 0)
		mdl_progress_update(differences->seen);
	if (nulls[0])
	{
		differences->count.inserted++;
		if (differences->inserts)
			tuplestore_putvalues(differences->inserts, differences->columns, values + 1, nulls + 1);
	}
	else if (nulls[differences->key_column])
	{
		differences->count.deleted++;
		if (differences->deletes)
			tuplestore_putvalues(differences->deletes, differences->placed_columns, values, nulls);
	}
	else
	{
		differences->count.updated++;
		if (differences->updates)
			tuplestore_putvalues(differences->updates, differences->placed_columns, values, nulls);
	}
}

static bool
receive_difference(TupleTableSlot *slot, DestReceiver *self)
{
	slot_getallattrs(slot);
	mdl_differences_take((Differences *) self, slot->tts_values, slot->tts_isnull);
	return true;
}

static TupleDesc
placed_columns(TupleDesc columns)
{
	TupleDesc	placed = CreateTemplateTupleDesc(columns->natts + 1);

	TupleDescInitEntry(placed, 1, "_place", TIDOID, -1, 0);
	for (int i = 1; i <= columns->natts; i++)
		TupleDescCopyEntry(placed, i + 1, columns, i);
	return placed;
}

/* Counts only. */
static Differences
count_differences(const DerivedResult *result)
{
	return (Differences) {
		.dest = mdl_row_receiver(receive_difference),
		.columns = result->columns,
		.key_column = result->key_columns[0],
		.keys = mdl_key_columns(result->table)
	};
}

Differences *
mdl_differences_begin(DerivedResult *result)
{
	MemoryContext old = MemoryContextSwitchTo(result->context);
	Differences *differences = palloc_object(Differences);

	*differences = count_differences(result);
	differences->placed_columns = placed_columns(result->columns);
	differences->updates = tuplestore_begin_heap(false, false, work_mem);
	differences->deletes = tuplestore_begin_heap(false, false, work_mem);
	differences->inserts = tuplestore_begin_heap(false, false, work_mem);
	MemoryContextSwitchTo(old);
	return differences;
}

void
mdl_differences_free(Differences *differences)
{
	tuplestore_end(differences->updates);
	tuplestore_end(differences->deletes);
	tuplestore_end(differences->inserts);
}

/* What restricts a relation to the units that were computed. */
static char *
where_units(const DerivedResult *result, const char *prefix)
{
	return result->units ? psprintf(" WHERE %s", mdl_units_condition(result->units, prefix)) : "";
}

/* Fills the counts, and the stores if given, with what would make the table equal to the accepted rows. */
static void
find_differences(DerivedResult *result, Snapshot snapshot, Differences *differences)
{
	const DerivedTable *table = result->table;
	SPIExecuteOptions options = {.read_only = true, .dest = &differences->dest};
	char	   *target = psprintf("(SELECT t.ctid AS _medallion_place, t.* FROM ONLY %s t%s)", mdl_qualified_name(table->target),
								  where_units(result, "t."));
	char	   *sql;
	int			code;

	if (result->units)
		options.params = mdl_units_params(result->units);

	mdl_progress_phase("compare", result->accepted_rows);
	sql = psprintf("SELECT t._medallion_place, %s FROM medallion_result n FULL JOIN %s t ON %s"
				   " WHERE t._medallion_place IS NULL OR n.%s IS NOT DISTINCT FROM NULL OR %s",
				   mdl_column_list(result->columns, "n."), target,
				   mdl_key_condition(table, differences->keys), quote_identifier(table->keys[0]),
				   mdl_difference_condition(result, differences->keys));
	mdl_offer_rows("medallion_result", result->accepted, result->columns);
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	code = SPI_execute_extended(sql, &options);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
	PopActiveSnapshot();
	SPI_unregister_relation("medallion_result");
}

/* ---- applying ------------------------------------------------------------------------------------------------ */

static int64
apply(const char *sql, const char *name, Tuplestorestate *rows, TupleDesc columns, Snapshot snapshot)
{
	int64		done;

	if (tuplestore_tuple_count(rows) == 0)
		return 0;
	mdl_offer_rows(name, rows, columns);
	done = (int64) mdl_run_under_snapshot(sql, NULL, snapshot);
	SPI_unregister_relation(name);
	return done;
}

static int64
apply_inserts(DerivedResult *result, Tuplestorestate *rows, Snapshot snapshot)
{
	const DerivedTable *table = result->table;
	StringInfoData order;

	initStringInfo(&order);
	for (int i = 0; i < table->cluster_count; i++)
		appendStringInfo(&order, "%s n.%s", i ? "," : " ORDER BY", quote_identifier(table->cluster_by[i]));
	return apply(psprintf("INSERT INTO %s (%s) SELECT %s FROM medallion_inserts n%s",
						  mdl_qualified_name(table->target), mdl_column_list(result->columns, ""),
						  mdl_column_list(result->columns, "n."), order.data),
				 "medallion_inserts", rows, result->columns, snapshot);
}

bool
mdl_table_is_empty(Oid relid, Snapshot snapshot)
{
	return mdl_run_under_snapshot(psprintf("SELECT FROM ONLY %s LIMIT 1", mdl_qualified_name(relid)), NULL, snapshot) == 0;
}

/* Key columns whose equal values are the same are not set, so that the update does not get in the way of foreign keys. */
static char *
update_statement(const DerivedResult *result, const KeyColumn *keys, TupleDesc placed)
{
	StringInfoData text;
	int			count = 0;

	initStringInfo(&text);
	appendStringInfo(&text, "UPDATE ONLY %s t SET ", mdl_qualified_name(result->table->target));
	for (int i = 0; i < result->columns->natts; i++)
		if (!mdl_is_settled_by_key(result, keys, i + 1))
			appendStringInfo(&text, "%s%s = u.c%d", count++ ? ", " : "",
							 quote_identifier(NameStr(TupleDescAttr(result->columns, i)->attname)), i + 2);
	appendStringInfo(&text, " FROM medallion_updates u(%s) WHERE t.ctid OPERATOR(pg_catalog.=) u.c1",
					 mdl_numbered_columns(1, placed->natts, ""));
	return text.data;
}

typedef struct Updating
{
	const DerivedResult *result;
	const Differences *differences;
	Snapshot	snapshot;
	int64		done;
} Updating;

static void
update_in_place(void *argument)
{
	Updating   *updating = argument;
	const Differences *differences = updating->differences;

	updating->done = mdl_write_places(updating->result, differences->keys, differences->updates, differences->placed_columns, true,
									  updating->snapshot);
	if (updating->done < 0)
		updating->done = apply(update_statement(updating->result, differences->keys, differences->placed_columns), "medallion_updates",
							   differences->updates, differences->placed_columns, updating->snapshot);
}

static int64
apply_updates(const DerivedResult *result, const Differences *differences, Snapshot snapshot)
{
	Updating	updating = {.result = result, .differences = differences, .snapshot = snapshot};
	int			count = result->columns->natts;
	PlacedRows	rows = {.target = result->table->target, .rows = differences->updates, .columns = differences->placed_columns,
		.names = palloc_array(char *, count), .count = count, .snapshot = snapshot};

	if (differences->count.updated == 0)
		return 0;
	for (int i = 0; i < count; i++)
		rows.names[i] = NameStr(TupleDescAttr(result->columns, i)->attname);
	return mdl_update_or_replace(&rows, update_in_place, &updating) ? differences->count.updated : updating.done;
}

static int64
apply_deletes(const DerivedResult *result, const Differences *differences, Snapshot snapshot)
{
	int64		done;

	if (differences->count.deleted == 0)
		return 0;
	done = mdl_write_places(result, differences->keys, differences->deletes, differences->placed_columns, false, snapshot);
	return done >= 0 ? done : apply(psprintf("DELETE FROM ONLY %s t USING medallion_deletes d(%s) WHERE t.ctid OPERATOR(pg_catalog.=) d.c1",
											 mdl_qualified_name(result->table->target),
											 mdl_numbered_columns(1, differences->placed_columns->natts, "")),
									"medallion_deletes", differences->deletes, differences->placed_columns, snapshot);
}

static void
require_all_written(Oid target, const Published *wanted, const Published *done)
{
	if (done->inserted != wanted->inserted || done->updated != wanted->updated || done->deleted != wanted->deleted)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("rows of \"%s\" were not all written", mdl_display_name(target)),
				 errdetail("A trigger or rule on the table took them away."),
				 errhint("Disable triggers and rules that change what a refresh writes.")));
}

/* Writes what is noted. */
static Published
write_differences(DerivedResult *result, Differences *differences, Snapshot snapshot)
{
	Published	published;

	mdl_progress_phase("publish", differences->count.inserted + differences->count.updated + differences->count.deleted);
	/* Deletes first: they make room for other unique keys of the table. */
	published.deleted = apply_deletes(result, differences, snapshot);
	published.updated = apply_updates(result, differences, snapshot);
	published.inserted = apply_inserts(result, differences->inserts, snapshot);
	require_all_written(result->table->target, &differences->count, &published);
	return published;
}

Published
mdl_publish_result(DerivedResult *result, Snapshot snapshot)
{
	Differences *differences;
	Published	published;

	if (result->differences)
		return write_differences(result, result->differences, snapshot);
	if (mdl_table_is_empty(result->table->target, snapshot))
	{
		mdl_progress_phase("publish", result->accepted_rows);
		published = (Published) {.inserted = apply_inserts(result, result->accepted, snapshot)};
		require_all_written(result->table->target, &(Published) {.inserted = result->accepted_rows}, &published);
		return published;
	}
	differences = mdl_differences_begin(result);
	find_differences(result, snapshot, differences);
	published = write_differences(result, differences, snapshot);
	mdl_differences_free(differences);
	return published;
}

Published
mdl_publish_compare(DerivedResult *result, Snapshot snapshot)
{
	Differences differences = count_differences(result);

	find_differences(result, snapshot, &differences);
	return differences.count;
}
