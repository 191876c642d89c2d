/*
 * refresh_log.c: the records of refreshes (medallion.refreshes) and of what the rules found (medallion.expectation_results).
 */
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "versioning/versioning.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define PRUNE_EVERY		64
#define PRUNE_AT_ONCE	10000

char *
mdl_source_versions(const DerivedTable *table, const Reading *reading, bool *exact)
{
	StringInfoData text;
	ListCell   *cell;
	bool		first = true;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	foreach(cell, table->keeper ? table->keeper->sources(table->target) : mdl_view_leaf_sources(table->definition))
	{
		if (!mdl_is_versioned(lfirst_oid(cell)))
			continue;
		if (!first)
			appendStringInfoString(&text, ", ");
		escape_json(&text, mdl_pipeline_relation_name(lfirst_oid(cell)));
		appendStringInfo(&text, ": " INT64_FORMAT, reading->version);
		*exact &= !list_member_oid(reading->written, lfirst_oid(cell));
		first = false;
	}
	appendStringInfoChar(&text, '}');
	return text.data;
}

int64
mdl_refresh_next_id(void)
{
	MdlUser		saved;
	int64		id;

	mdl_owner_begin(&saved);
	mdl_run("SELECT pg_catalog.nextval('medallion._refreshes_refresh_id_seq'::pg_catalog.regclass)", NULL, false);
	id = mdl_field_int8(0, 0);
	mdl_owner_end(&saved);
	return id;
}

/*
 * Takes old records away, once in so many refreshes, some at a time, those of all tables.  The last one of a table stays: the
 * next refresh and medallion.tables read it.  So do those that brought rows from foreign tables which may still be in the table,
 * as nothing was computed in full since: where they are from cannot be asked again.  Not under a snapshot that does not move: others may have been there first, which
 * would be an error.
 */
static void
prune_log(int64 id)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	if (id % PRUNE_EVERY != 0 || mdl_refresh_retention < 0 || IsolationUsesXactSnapshot())
		return;
	mdl_arg_int8(&args, mdl_refresh_retention);
	mdl_arg_int8(&args, PRUNE_AT_ONCE);
	mdl_owner_begin(&saved);
	mdl_run("DELETE FROM medallion._refreshes WHERE refresh_id IN (SELECT r.refresh_id FROM medallion._refreshes r"
			" WHERE r.finished_at < clock_timestamp() - $1 * interval '1 s' AND (r.target IS NULL OR EXISTS"
			" (SELECT FROM medallion._refreshes n WHERE n.target = r.target AND n.refresh_id > r.refresh_id)"
			" AND (r.mode <> 'full' AND r.inserted + r.updated + r.deleted = 0"
			" OR NOT EXISTS (SELECT FROM medallion._extracts e WHERE e.refresh_id = r.refresh_id)"
			" OR EXISTS (SELECT FROM medallion._refreshes n WHERE n.target = r.target AND n.refresh_id > r.refresh_id AND n.mode = 'full')))"
			" ORDER BY r.finished_at LIMIT $2 FOR UPDATE OF r SKIP LOCKED)", &args, false);
	mdl_run("DELETE FROM medallion._refresh_failures WHERE refresh_id IN (SELECT refresh_id FROM medallion._refresh_failures"
			" WHERE finished_at < clock_timestamp() - $1 * interval '1 s' ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
			&args, false);
	mdl_run("DELETE FROM medallion._flow_runs WHERE run_id IN (SELECT r.run_id FROM medallion._flow_runs r"
			" WHERE r.finished_at < clock_timestamp() - $1 * interval '1 s' AND (r.target IS NULL OR EXISTS"
			" (SELECT FROM medallion._flow_runs n WHERE n.target = r.target AND n.run_id > r.run_id))"
			" ORDER BY r.run_id LIMIT $2 FOR UPDATE OF r SKIP LOCKED)", &args, false);
	mdl_owner_end(&saved);
}

/*
 * Refreshes that found nothing changed are one record while they follow each other: the last such, to be written over; 0 if
 * something else happened since.  What its rules about the table found is left to be compared with.
 */
static int64
idle_record(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	int64		id = 0;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	if (mdl_run("SELECT CASE WHEN r.checks IS NOT NULL AND NOT EXISTS (SELECT FROM medallion._refresh_failures f"
				" WHERE f.target OPERATOR(pg_catalog.=) $1 AND f.refresh_id OPERATOR(pg_catalog.>) r.refresh_id)"
				" THEN r.refresh_id ELSE 0 END"
				" FROM medallion._refreshes r WHERE r.target OPERATOR(pg_catalog.=) $1 ORDER BY r.refresh_id DESC LIMIT 1", &args, false) > 0)
		id = mdl_field_int8(0, 0);
	if (id != 0)
	{
		args.count = 0;
		mdl_arg_int8(&args, id);
		mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
		mdl_run("DELETE FROM medallion._expectation_results r WHERE refresh_id OPERATOR(pg_catalog.=) $1 AND"
				" (kind OPERATOR(pg_catalog.=) 'row' OR NOT EXISTS (SELECT FROM medallion._expectations e"
				" WHERE e.target OPERATOR(pg_catalog.=) $2 AND e.name OPERATOR(pg_catalog.=) r.name AND e.kind OPERATOR(pg_catalog.=) r.kind))",
				&args, false);
	}
	mdl_owner_end(&saved);
	return id;
}

/* Returns the number of the record, which is the one given or that of the one written over. */
static int64
log_table(int64 id, const DerivedTable *table, const Outcome *outcome, TimestampTz started, const Reading *reading)
{
	int64		drawn = id;
	int64		former = outcome->is_idle ? idle_record(table->target) : 0;
	bool		exact = reading->exact;
	char	   *versions = mdl_source_versions(table, reading, &exact);
	MdlArgs		args = {0};
	MdlUser		saved;

	if (former != 0)
		id = former;
	mdl_arg_int8(&args, id);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_arg_text(&args, mdl_pipeline_relation_name(table->target));
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_arg_text(&args, outcome->mode);
	mdl_arg_text(&args, outcome->reason);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(started), false);
	mdl_arg(&args, INT8OID, Int64GetDatum(outcome->rows), outcome->rows < 0);
	mdl_arg_int8(&args, outcome->published.inserted);
	mdl_arg_int8(&args, outcome->published.updated);
	mdl_arg_int8(&args, outcome->published.deleted);
	mdl_arg_int8(&args, outcome->dropped);
	mdl_arg_int8(&args, outcome->quarantined);
	mdl_arg_text(&args, versions);
	mdl_arg_bool(&args, exact);
	mdl_arg_text(&args, outcome->cursors);
	mdl_arg(&args, INT8OID, Int64GetDatum(1), !outcome->is_idle);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._refreshes AS r (refresh_id, target, target_name, role_name, mode, reason, started_at, finished_at,"
			" result_rows, inserted, updated, deleted, dropped, quarantined, source_versions, exact, source_cursors, checks)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, pg_catalog.clock_timestamp(), $8, $9, $10, $11, $12, $13,"
			" $14::pg_catalog.jsonb, $15, $16::pg_catalog.jsonb, $17) ON CONFLICT (refresh_id) DO UPDATE"
			" SET role_name = $4, reason = $6, started_at = $7, finished_at = pg_catalog.clock_timestamp(), result_rows = $8,"
			" source_versions = $14::pg_catalog.jsonb, exact = $15, source_cursors = $16::pg_catalog.jsonb,"
			" checks = r.checks OPERATOR(pg_catalog.+) 1", &args, false);
	mdl_owner_end(&saved);
	prune_log(drawn);
	return id;
}

void
mdl_refresh_log_rules(int64 id, const DerivedResult *result)
{
	for (int i = 0; i < result->rule_count; i++)
	{
		const Rule *rule = &result->rules[i];
		const RuleCount *count = &result->counts[i];
		StringInfoData keys;
		MdlArgs		args = {0};
		MdlUser		saved;
		ListCell   *cell;

		initStringInfo(&keys);
		foreach(cell, count->failing_keys)
			appendStringInfo(&keys, "%s%s", keys.len ? ", " : "", (char *) lfirst(cell));
		mdl_arg_int8(&args, id);
		mdl_arg_text(&args, rule->name);
		mdl_arg_text(&args, rule->rule);
		mdl_arg_text(&args, mdl_pipeline_action_name(rule->action));
		mdl_arg_int8(&args, count->passed);
		mdl_arg_int8(&args, count->failed);
		mdl_arg_int8(&args, count->raised);
		mdl_arg_text(&args, psprintf("[%s]", keys.data));
		mdl_arg_text(&args, count->first_error);
		mdl_arg_bool(&args, result->is_whole);
		mdl_arg_float8(&args, rule->mostly);
		mdl_arg_bool(&args, count->met);
		mdl_owner_begin(&saved);
		mdl_run("INSERT INTO medallion._expectation_results (refresh_id, name, rule, on_violation, passed, failed, raised,"
				" failing_keys, first_error, whole, mostly, met)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8::pg_catalog.jsonb, $9, $10, $11, $12)", &args, false);
		mdl_owner_end(&saved);
	}
}

/* A rule that raised is judged row by row from the start next time; one that no longer does, is not. */
static void
remember_raising(const DerivedResult *result)
{
	for (int i = 0; i < result->rule_count; i++)
	{
		bool		raises = result->counts[i].raised > 0;
		MdlArgs		args = {0};
		MdlUser		saved;

		if (raises == result->rules[i].raises)
			continue;
		mdl_arg(&args, OIDOID, ObjectIdGetDatum(result->table->target), false);
		mdl_arg_text(&args, result->rules[i].name);
		mdl_arg_bool(&args, raises);
		mdl_owner_begin(&saved);
		mdl_run("UPDATE medallion._expectations SET raises = $3"
				" WHERE target OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2", &args, false);
		mdl_owner_end(&saved);
	}
}

/* Whether the log has a refresh of the table. */
bool
mdl_refresh_was_done(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT FROM medallion._refreshes WHERE target OPERATOR(pg_catalog.=) $1 LIMIT 1", &args, false);
	mdl_owner_end(&saved);
	return rows > 0;
}

int64
mdl_refresh_log(int64 id, const DerivedResult *result, const Outcome *outcome, TimestampTz started, const Reading *reading)
{
	id = log_table(id, result->table, outcome, started, reading);
	mdl_refresh_log_rules(id, result);
	remember_raising(result);
	mdl_extract_log(id, result->table, reading);
	return id;
}

int64
mdl_refresh_log_kept(int64 id, const DerivedTable *table, const Outcome *outcome, TimestampTz started, const Reading *reading)
{
	Reading		later = *reading;

	/* A keeper reads under a snapshot of its own. */
	later.exact = false;
	return log_table(id, table, outcome, started, &later);
}

/* ---- what failed ------------------------------------------------------------------------------------------------------ */

void
mdl_refresh_log_failure(Oid target, const char *mode, const char *reason, int state, TimestampTz started)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	int64		id = mdl_refresh_next_id();

	mdl_arg_int8(&args, id);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_arg_text(&args, mdl_pipeline_relation_name(target));
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_arg_text(&args, mode);
	mdl_arg_text(&args, reason);
	mdl_arg_text(&args, state ? unpack_sql_state(state) : NULL);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(started), false);
	mdl_owner_begin(&saved);
	/* A table that was dropped meanwhile has nothing to be recorded. */
	mdl_run("INSERT INTO medallion._refresh_failures (refresh_id, target, target_name, role_name, mode, reason, sqlstate, started_at,"
			" finished_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, pg_catalog.clock_timestamp() WHERE $3 IS NOT NULL", &args, false);
	mdl_owner_end(&saved);
	prune_log(id);
}

void
mdl_refresh_record_failure(Oid failed, const ErrorData *error, Oid wanted, TimestampTz started)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (get_rel_name(failed) != NULL)
		mdl_refresh_log_failure(failed, "failed", mdl_describe_error(error), error->sqlerrcode, started);
	if (wanted != failed && get_rel_name(wanted) != NULL)
		mdl_refresh_log_failure(wanted, "skipped", psprintf("reads \"%s\", which was not refreshed", mdl_display_name(failed)), 0,
								started);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}
