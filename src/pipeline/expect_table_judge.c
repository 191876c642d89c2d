/*
 * expect_table_judge.c: judges the rules about a table as a whole, once all tables of a refresh are written and before
 * anything is published.
 *
 * What the rows of a full refresh told on their way into the table is known (expect_table_stream.c).  All other rules that are aggregates
 * are computed in one pass.  If one raises, each runs alone, so that it is known which; one
 * that raises is violated.  Where a refresh changed nothing, what the last one found still holds, and the table is not read,
 * except for rules that depend on another table.
 */
#include "pipeline/definition_int.h"
#include "pipeline/expect_table_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "versioning/versioning.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include <math.h>

/* What a rule finds. */
typedef struct Finding
{
	bool		known;			/* value or failed is set */
	bool		has_value;
	double		value;			/* of value kinds; for freshness, the latest time as of PostgreSQL's epoch */
	int64		failed;			/* rows, for row kinds */
	char	   *keys;			/* JSON */
	char	   *error;			/* what was raised */
	bool		has_previous;
	double		previous;		/* the value at the last refresh */
	bool		met;
} Finding;

typedef struct Judgement
{
	const DerivedTable *table;
	const Outcome *outcome;
	Snapshot	snapshot;
	TableRule  *rules;
	int			count;
	Finding    *findings;		/* (count) */
} Judgement;

/* ---- what the last refresh found ----------------------------------------------------------------------------------- */

/* Reads the value that the same rule found last, and takes over what holds still. */
static void
read_previous(Judgement *judgement, int i)
{
	const TableRule *rule = &judgement->rules[i];
	const Outcome *outcome = judgement->outcome;
	Finding    *finding = &judgement->findings[i];
	bool		unchanged = outcome->published.inserted + outcome->published.updated + outcome->published.deleted == 0;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	MdlArgs		args = {0};
	MdlUser		saved;
	bool		is_null;
	Datum		value;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(judgement->table->target), false);
	/* A record that is written over has what was found last. */
	mdl_arg_int8(&args, outcome->refresh_id + (outcome->is_continued ? 1 : 0));
	mdl_arg_text(&args, rule->name);
	mdl_arg_text(&args, rule->text);
	mdl_owner_begin(&saved);
	if (mdl_run("SELECT r.result_rows, e.failed, e.failing_keys, (e.observed OPERATOR(pg_catalog.->>) 'value')::pg_catalog.float8,"
				" e.name IS NOT NULL AND e.raised OPERATOR(pg_catalog.=) 0"
				" FROM medallion._refreshes r LEFT JOIN medallion._expectation_results e ON e.refresh_id OPERATOR(pg_catalog.=) r.refresh_id"
				" AND e.name OPERATOR(pg_catalog.=) $3 AND e.rule OPERATOR(pg_catalog.=) $4"
				" WHERE r.target OPERATOR(pg_catalog.=) $1 AND r.refresh_id OPERATOR(pg_catalog.<) $2"
				" ORDER BY r.refresh_id DESC LIMIT 1", &args, false) > 0)
	{
		old = MemoryContextSwitchTo(context);
		if (rule->kind == TABLE_ROW_COUNT)
		{
			value = mdl_field(0, 0, &is_null);
			finding->has_previous = !is_null;
			finding->previous = is_null ? 0 : (double) DatumGetInt64(value);
		}
		else if (DatumGetBool(mdl_field(0, 4, NULL)))
		{
			value = mdl_field(0, 3, &is_null);
			finding->has_previous = rule->kind == TABLE_DISTRIBUTION && !is_null;
			finding->previous = is_null ? 0 : DatumGetFloat8(value);
			if (unchanged && rule->kind != TABLE_RELATIONSHIPS)
			{
				finding->known = true;
				finding->has_value = !is_null;
				finding->value = finding->previous;
				finding->failed = mdl_table_rule_is_about_rows(rule) ? mdl_field_int8(0, 1) : 0;
				finding->keys = mdl_field_text(0, 2);
			}
		}
		MemoryContextSwitchTo(old);
	}
	mdl_owner_end(&saved);
}

/* ---- asking the table ------------------------------------------------------------------------------------------------ */

/* Runs a query that only reads, in parallel where the planner sees fit. */
static uint64
ask(const Judgement *judgement, const char *sql)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, 0, NULL, CURSOR_OPT_PARALLEL_OK);
	int			code;

	if (plan == NULL)
		elog(ERROR, "SPI could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	code = SPI_execute_snapshot(plan, NULL, NULL, judgement->snapshot, InvalidSnapshot, false, false, 0);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
	SPI_freeplan(plan);
	return SPI_processed;
}

/* Microseconds as a number, which holds them exactly until the year 2285. */
static double
number_of(TimestampTz time)
{
	return TIMESTAMP_IS_NOBEGIN(time) ? -INFINITY : TIMESTAMP_IS_NOEND(time) ? INFINITY : (double) time;
}

static TimestampTz
time_of(double value)
{
	return isfinite(value) ? (TimestampTz) value : value < 0 ? DT_NOBEGIN : DT_NOEND;
}

static void
take_aggregate(const TableRule *rule, Finding *finding, int column)
{
	bool		is_null;
	Datum		value = mdl_field(0, column, &is_null);

	finding->known = true;
	finding->has_value = !is_null;
	if (is_null)
		return;
	if (rule->kind == TABLE_ACCEPTED_VALUES)
		finding->failed = DatumGetInt64(value);
	else if (rule->kind == TABLE_FRESHNESS)
		finding->value = number_of(DatumGetTimestampTz(value));
	else
		finding->value = DatumGetFloat8(value);
}

/* Computes the aggregates of rules `first` to `last` in one pass. */
static void
ask_aggregates(Judgement *judgement, int first, int last)
{
	StringInfoData sql;
	int			column = 0;

	initStringInfo(&sql);
	for (int i = first; i <= last; i++)
	{
		if (!mdl_table_rule_is_aggregate(&judgement->rules[i]) || judgement->findings[i].known)
			continue;
		mdl_table_rule_check_names(&judgement->rules[i], judgement->table);
		appendStringInfo(&sql, "%s%s", sql.len ? ", " : "SELECT ", mdl_table_rule_aggregate(&judgement->rules[i], judgement->table));
	}
	if (sql.len == 0)
		return;
	appendStringInfo(&sql, " FROM ONLY %s t", mdl_qualified_name(judgement->table->target));
	ask(judgement, sql.data);
	for (int i = first; i <= last; i++)
		if (mdl_table_rule_is_aggregate(&judgement->rules[i]) && !judgement->findings[i].known)
			take_aggregate(&judgement->rules[i], &judgement->findings[i], column++);
}

/* Asks what one rule finds. */
static void
ask_one(Judgement *judgement, int i)
{
	const TableRule *rule = &judgement->rules[i];
	Finding    *finding = &judgement->findings[i];

	if (mdl_table_rule_is_aggregate(rule))
	{
		ask_aggregates(judgement, i, i);
		return;
	}
	mdl_table_rule_check_names(rule, judgement->table);
	ask(judgement, mdl_table_rule_count(rule, judgement->table));
	finding->failed = mdl_field_int8(0, 0);
	finding->known = true;
}

/* Asks for the keys of some rows that are wrong. */
static void
ask_keys(Judgement *judgement, int i)
{
	Finding    *finding = &judgement->findings[i];
	StringInfoData keys;
	uint64		rows;

	if (finding->failed == 0 || finding->keys)
		return;
	rows = ask(judgement, mdl_table_rule_keys(&judgement->rules[i], judgement->table));
	initStringInfo(&keys);
	for (uint64 row = 0; row < rows; row++)
		appendStringInfo(&keys, "%s%s", row ? ", " : "", mdl_field_text(row, 0));
	finding->keys = psprintf("[%s]", keys.data);
}

typedef void (*Question) (Judgement *judgement, int i);

/* Takes what the rows told on their way into the table, if nobody has written to it since. */
static void
take_followed(Judgement *judgement, int unused)
{
	const Outcome *outcome = judgement->outcome;

	if (outcome->stream == NULL || mdl_changes_so_far(judgement->table->target) != outcome->changes)
		return;
	for (int i = 0; i < judgement->count; i++)
	{
		const TableRule *rule = &judgement->rules[i];
		Finding    *finding = &judgement->findings[i];
		TableFound	found;

		if (finding->known || !mdl_table_stream_found(outcome->stream, rule, &found))
			continue;
		finding->known = true;
		finding->has_value = found.has_value;
		finding->failed = found.failed;
		finding->value = rule->kind == TABLE_FRESHNESS ? number_of(found.latest) : found.value;
	}
}

static void
ask_all_aggregates(Judgement *judgement, int i)
{
	ask_aggregates(judgement, 0, judgement->count - 1);
}

typedef struct Asked
{
	Judgement  *judgement;
	Question	question;
	int			i;
} Asked;

static void
answer(void *argument)
{
	Asked	   *asked = argument;

	asked->question(asked->judgement, asked->i);
}

/* Asks in a subtransaction; returns the message if it raises what may be an error of the rule. */
static char *
guarded(Judgement *judgement, Question question, int i)
{
	ErrorData  *error = mdl_guarded(answer, &(Asked) {judgement, question, i});

	return error == NULL ? NULL : error->message;
}

static void
ask_table(void *argument)
{
	Judgement  *judgement = argument;

	guarded(judgement, take_followed, 0);
	guarded(judgement, ask_all_aggregates, 0);	/* if this raises, each is asked alone */
	for (int i = 0; i < judgement->count; i++)
	{
		Finding    *finding = &judgement->findings[i];

		if (judgement->rules[i].kind == TABLE_ROW_COUNT)
		{
			finding->known = finding->has_value = true;
			finding->value = (double) judgement->outcome->rows;
			continue;
		}
		if (!finding->known)
			finding->error = guarded(judgement, ask_one, i);
		if (finding->error == NULL)
			finding->error = guarded(judgement, ask_keys, i);
	}
}

/* ---- verdicts -------------------------------------------------------------------------------------------------------- */

static bool
is_within_bounds(const TableRule *rule, const Finding *finding)
{
	double		change;

	if (!finding->has_value)
		return rule->null_ok;
	if (isnan(finding->value) || finding->value < rule->minimum || finding->value > rule->maximum)
		return false;
	if (!finding->has_previous || finding->previous == 0 || isnan(finding->previous))
		return true;			/* nothing to compare with */
	change = (finding->value - finding->previous) / fabs(finding->previous);
	return !(-change > rule->max_decrease) && !(change > rule->max_increase);
}

static bool
is_fresh(const TableRule *rule, const Finding *finding)
{
	TimestampTz oldest;

	if (!finding->has_value)
		return rule->null_ok;
	oldest = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
													 IntervalPGetDatum(rule->max_age)));
	return finding->value >= (double) oldest;
}

static bool
is_met(const TableRule *rule, const Finding *finding, int64 rows)
{
	if (finding->error)
		return false;
	if (rule->kind == TABLE_FRESHNESS)
		return is_fresh(rule, finding);
	if (!mdl_table_rule_is_about_rows(rule))
		return is_within_bounds(rule, finding);
	return finding->failed == 0 || (double) (rows - finding->failed) / (double) rows >= rule->mostly;
}

static char *
number(double value)
{
	char	   *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	double_to_shortest_decimal_buf(value, text);
	return text;
}

/* What was found, for people. */
static char *
describe(const TableRule *rule, const Finding *finding, int64 rows)
{
	char	   *change = finding->has_previous ? psprintf(", and was %s at the last refresh", number(finding->previous)) : "";

	if (finding->error)
		return psprintf("it raised: %s", finding->error);
	if (mdl_table_rule_is_about_rows(rule))
		return psprintf(INT64_FORMAT " of " INT64_FORMAT " rows violate it", finding->failed, rows);
	if (!finding->has_value)
		return "there is no value";
	if (rule->kind == TABLE_FRESHNESS)
		return psprintf("the latest is %s", timestamptz_to_str(time_of(finding->value)));
	return psprintf("it is %s%s", number(finding->value), change);
}

static char *
observed(const TableRule *rule, const Finding *finding)
{
	StringInfoData json;

	if (mdl_table_rule_is_about_rows(rule) || !finding->has_value || finding->error)
		return NULL;
	initStringInfo(&json);
	appendStringInfo(&json, isfinite(finding->value) ? "{\"value\": %s" : "{\"value\": \"%s\"", number(finding->value));
	if (rule->kind == TABLE_FRESHNESS)
	{
		appendStringInfoString(&json, ", \"latest\": ");
		escape_json(&json, timestamptz_to_str(time_of(finding->value)));
	}
	if (finding->has_previous && isfinite(finding->previous))
		appendStringInfo(&json, ", \"previous\": %s", number(finding->previous));
	appendStringInfoChar(&json, '}');
	return json.data;
}

static void
keep(const Judgement *judgement, int i)
{
	const TableRule *rule = &judgement->rules[i];
	const Finding *finding = &judgement->findings[i];
	bool		about_rows = mdl_table_rule_is_about_rows(rule) && finding->error == NULL;
	char	   *value = observed(rule, finding);
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg_int8(&args, judgement->outcome->refresh_id);
	mdl_arg_text(&args, rule->name);
	mdl_arg_text(&args, rule->text);
	mdl_arg_text(&args, mdl_pipeline_action_name(rule->action));
	mdl_arg_int8(&args, about_rows ? judgement->outcome->rows - finding->failed : finding->met ? 1 : 0);
	mdl_arg_int8(&args, about_rows ? finding->failed : finding->met ? 0 : 1);
	mdl_arg_int8(&args, finding->error ? 1 : 0);
	mdl_arg_text(&args, finding->keys ? finding->keys : "[]");
	mdl_arg_text(&args, finding->error);
	mdl_arg_text(&args, mdl_table_rule_kind_name(rule->kind));
	mdl_arg_float8(&args, rule->mostly);
	mdl_arg_bool(&args, finding->met);
	mdl_arg_text(&args, value);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._expectation_results (refresh_id, name, rule, on_violation, passed, failed, raised,"
			" failing_keys, first_error, whole, kind, mostly, met, observed)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8::pg_catalog.jsonb, $9, true, $10, $11, $12, $13::pg_catalog.jsonb)"
			" ON CONFLICT (refresh_id, name) DO UPDATE SET rule = $3, on_violation = $4, passed = $5, failed = $6, raised = $7,"
			" failing_keys = $8::pg_catalog.jsonb, first_error = $9, kind = $10, mostly = $11, met = $12, observed = $13::pg_catalog.jsonb",
			&args, false);
	mdl_owner_end(&saved);
}

static void
enforce(const Judgement *judgement, int i)
{
	const TableRule *rule = &judgement->rules[i];
	const Finding *finding = &judgement->findings[i];

	if (rule->action != RULE_FAIL || finding->met)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("refresh of \"%s\" violates expectation \"%s\": %s", mdl_display_name(judgement->table->target), rule->name,
					describe(rule, finding, judgement->outcome->rows)),
			 errdetail("Rule: %s%s.%s%s", rule->text, rule->mostly < 1 ? psprintf(", for %g of the rows", rule->mostly) : "",
					   finding->keys ? " Failing keys: " : "", finding->keys ? finding->keys : ""),
			 errhint("The table is as it was. Correct the source or the query, or change the rule with medallion.expect_table.")));
}

static void
tell_table(void *name)
{
	errcontext("rules about derived table \"%s\" as a whole", (char *) name);
}

void
mdl_table_rules_judge(const DerivedTable *table, const Outcome *outcome, Snapshot snapshot)
{
	Judgement	judgement = {.table = table, .outcome = outcome, .snapshot = snapshot};
	ErrorContextCallback callback = {
		.callback = tell_table,
		.arg = mdl_display_name(table->target),
		.previous = error_context_stack
	};

	judgement.rules = mdl_table_rules(table->target, &judgement.count);
	if (judgement.count == 0)
		return;
	error_context_stack = &callback;
	judgement.findings = palloc0_array(Finding, judgement.count);
	for (int i = 0; i < judgement.count; i++)
		read_previous(&judgement, i);
	mdl_as_table_owner(table, ask_table, &judgement);
	for (int i = 0; i < judgement.count; i++)
	{
		judgement.findings[i].met = is_met(&judgement.rules[i], &judgement.findings[i], outcome->rows);
		enforce(&judgement, i);
		keep(&judgement, i);
	}
	error_context_stack = callback.previous;
}
