/*
 * incremental_counts.c: what the rules found, over all rows, where only some were computed again.
 *
 * What a rule found in a whole result is known from the last refresh.  Of the units computed again, what was found in their
 * former rows is taken off, and what is found now is added.  Former rows are in the table, where only rules that warn, or
 * that did not act because most rows pass, can have failed, and in the quarantine table, whose rows name the rules they violate.  Former rows that were dropped are
 * nowhere; once there are such, counts are of the rows computed (`whole` is false) until the next full refresh.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* What a rule found so far. */
typedef struct Found
{
	int64		rows;
	int64		failed;
	int64		raised;
	bool		met;
	List	   *keys;
} Found;

/* What the last refresh found; false if it is not known for all rows. */
static bool
read_last(const DerivedResult *result, int64 refresh_id, Found *last)
{
	bool		known = true;

	for (int i = 0; i < result->rule_count; i++)
	{
		MemoryContext context = CurrentMemoryContext;
		MdlArgs		args = {0};
		MdlUser		saved;
		uint64		rows;

		mdl_arg_int8(&args, refresh_id);
		mdl_arg_text(&args, result->rules[i].name);
		mdl_owner_begin(&saved);
		rows = mdl_run("SELECT passed + failed, failed, raised, whole, on_violation OPERATOR(pg_catalog.=) 'drop', k.key, met"
					   " FROM medallion._expectation_results LEFT JOIN LATERAL pg_catalog.jsonb_array_elements(failing_keys) k(key) ON true"
					   " WHERE refresh_id OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2", &args, false);
		mdl_owner_end(&saved);
		MemoryContextSwitchTo(context);
		known &= rows > 0;
		for (uint64 row = 0; row < rows; row++)
		{
			char	   *key = mdl_field_text(row, 5);

			last[i].rows = mdl_field_int8(row, 0);
			last[i].failed = mdl_field_int8(row, 1);
			last[i].raised = mdl_field_int8(row, 2);
			known &= DatumGetBool(mdl_field(row, 3, NULL));
			last[i].met = DatumGetBool(mdl_field(row, 6, NULL));
			known &= !(DatumGetBool(mdl_field(row, 4, NULL)) && !last[i].met);
			if (key)
				last[i].keys = lappend(last[i].keys, key);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	return known;
}

/* Adds what rules that let rows pass find in the rows of the table that the units have had. */
static void
add_table(const DerivedResult *result, Snapshot snapshot, const Found *last, Found *former)
{
	bool		warned = false;
	int64		rows;

	for (int i = 0; i < result->rule_count; i++)
		warned |= last[i].failed > 0 && (result->rules[i].action == RULE_WARN || last[i].met);
	if (warned)
	{
		DerivedResult *judged = mdl_result_of_table(result->table, snapshot, result->units);

		for (int i = 0; i < result->rule_count; i++)
		{
			former[i].failed += judged->counts[i].failed;
			former[i].raised += judged->counts[i].raised;
		}
		rows = judged->rows;
		mdl_result_free(judged);
	}
	else
	{
		MdlArgs		args = {0};

		mdl_units_args(result->units, &args);
		mdl_run_under_snapshot(psprintf("SELECT pg_catalog.count(*) FROM ONLY %s t WHERE %s", mdl_qualified_name(result->table->target),
										mdl_units_condition(result->units, "t.")), &args, snapshot);
		rows = mdl_field_int8(0, 0);
	}
	for (int i = 0; i < result->rule_count; i++)
		former[i].rows += rows;
}

/* Adds what the quarantine table says of the rows of the units that were rejected. */
static void
add_quarantine(const DerivedResult *result, Snapshot snapshot, Found *former)
{
	if (!OidIsValid(result->table->quarantine))
		return;
	for (int i = 0; i < result->rule_count; i++)
	{
		MdlArgs		args = {0};
		char	   *reason;

		mdl_units_args(result->units, &args);
		mdl_arg_text(&args, result->rules[i].name);
		reason = psprintf("pg_catalog.starts_with(r, $%d OPERATOR(pg_catalog.||) ': ')", args.count);
		mdl_run_under_snapshot(psprintf("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE EXISTS (SELECT FROM pg_catalog.unnest(q._reasons) r"
										" WHERE r OPERATOR(pg_catalog.=) $%d OR %s)),"
										" pg_catalog.count(*) FILTER (WHERE EXISTS (SELECT FROM pg_catalog.unnest(q._reasons) r WHERE %s))"
										" FROM ONLY %s q WHERE %s", args.count, reason, reason,
										mdl_qualified_name(result->table->quarantine),
										mdl_units_condition(result->units, "q.")), &args, snapshot);
		former[i].rows += mdl_field_int8(0, 0);
		former[i].failed += mdl_field_int8(0, 1);
		former[i].raised += mdl_field_int8(0, 2);
	}
}

/* Of the keys sampled by the last refresh those that are not among the units computed again. */
static List *
keys_left_alone(const DerivedResult *result, List *keys, Snapshot snapshot)
{
	MemoryContext context = CurrentMemoryContext;
	StringInfoData array;
	MdlArgs		args = {0};
	List	   *left = NIL;
	ListCell   *cell;
	uint64		rows;

	if (keys == NIL || result->units == NULL)
		return keys;
	initStringInfo(&array);
	foreach(cell, keys)
		appendStringInfo(&array, "%s%s", array.len ? ", " : "[", (char *) lfirst(cell));
	mdl_units_args(result->units, &args);
	mdl_arg_text(&args, psprintf("%s]", array.data));
	rows = mdl_run_under_snapshot(psprintf("SELECT k.key FROM pg_catalog.jsonb_array_elements($%d::pg_catalog.jsonb) k(key),"
										   " LATERAL pg_catalog.jsonb_populate_record(NULL::%s, k.key) d WHERE (%s) IS NOT TRUE",
										   args.count, mdl_qualified_name(result->table->definition),
										   mdl_units_condition(result->units, "d.")), &args, snapshot);
	for (uint64 row = 0; row < rows; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		left = lappend(left, mdl_field_text(row, 0));
		MemoryContextSwitchTo(old);
	}
	return left;
}

bool
mdl_counts_complete(DerivedResult *result, int64 last_refresh, Snapshot snapshot)
{
	Found	   *last = palloc0_array(Found, result->rule_count + 1);
	Found	   *former = palloc0_array(Found, result->rule_count + 1);

	if (result->rule_count == 0)
		return true;
	if (!read_last(result, last_refresh, last))
		return false;
	if (result->units)
	{
		add_table(result, snapshot, last, former);
		add_quarantine(result, snapshot, former);
	}
	for (int i = 0; i < result->rule_count; i++)
	{
		RuleCount  *count = &result->counts[i];
		ListCell   *cell;

		foreach(cell, former[i].failed == 0 ? last[i].keys : keys_left_alone(result, last[i].keys, snapshot))
			if (list_length(count->failing_keys) < MDL_KEY_SAMPLE)
				count->failing_keys = lappend(count->failing_keys, lfirst(cell));
		count->was_met = last[i].met;
		count->failed += last[i].failed - former[i].failed;
		count->raised += last[i].raised - former[i].raised;
		count->passed = last[i].rows - former[i].rows + result->rows - count->failed;
	}
	return true;
}
