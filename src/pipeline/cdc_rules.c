/*
 * cdc_rules.c: rules (medallion.expect) of tables that changes are applied to.
 *
 * Events are judged, not rows of the table: an upsert that violates a rule is counted, left out or set aside, and what the table
 * has of its key stays as it is.  So the result depends on the set of events alone here too, late and repeated ones included:
 * it is that of the accepted events.  One that was set aside is an event like others when it is tried again, and takes its place
 * among them by its sequence; a newer one of its key that was applied meanwhile stays.
 *
 * A rule is judged for an event that tells all columns it reads.  Values that an event leaves out were told, and judged, by others.
 */
#include "pipeline/cdc_read_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"

#include "access/sysattr.h"
#include "executor/spi.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

struct EventRules
{
	const Flow *flow;
	DerivedResult *result;		/* of which rules, counts and columns, those of the target, are of interest */
	Judge	   *judge;
	Bitmapset **columns;		/* (rule_count) numbers of the flow's columns that a rule reads */
};

/* ---- declaring ------------------------------------------------------------------------------------------------------- */

/* Numbers of the flow's columns that an expression over the target reads; *other gets one that the changes do not tell. */
static Bitmapset *
columns_of_rule(const Flow *flow, Node *expression, char **other)
{
	Bitmapset  *attributes = NULL;
	Bitmapset  *columns = NULL;
	int			at = -1;

	pull_varattnos(expression, 1, &attributes);
	while ((at = bms_next_member(attributes, at)) >= 0)
	{
		AttrNumber	attribute = at + FirstLowInvalidHeapAttributeNumber;
		char	   *name = attribute == 0 ? NULL : get_attname(flow->target, attribute, false);
		int			column = 0;

		/* The whole row: all of it. */
		if (name == NULL)
			return bms_add_range(columns, 0, flow->column_count - 1);
		while (column < flow->column_count && strcmp(flow->columns[column], name) != 0)
			column++;
		if (column < flow->column_count)
			columns = bms_add_member(columns, column);
		else if (other)
			*other = name;
	}
	return columns;
}

void
mdl_event_rule_check(Oid target, const Rule *rule, Node *expression)
{
	Flow	   *flow = mdl_flow_find(target);
	char	   *other = NULL;

	if (rule->mostly < 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rule \"%s\" of \"%s\" cannot have mostly %g", rule->name, mdl_display_name(target), rule->mostly),
				 errdetail("Changes are applied to the table; each event is judged when it comes, and has no share of a whole."),
				 errhint("Leave mostly out, or declare a rule about the table with medallion.expect_table.")));
	columns_of_rule(flow, expression, &other);
	if (other)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("rule \"%s\" reads column \"%s\" of \"%s\", which no event tells", rule->name, other, mdl_display_name(target)),
				 errdetail("Rules of tables that changes are applied to judge the events."),
				 errhint("The view medallion.flows lists the columns that events tell.")));
	if (rule->action == RULE_QUARANTINE)
		mdl_flow_quarantine_ensure(flow);
}

/* ---- judging --------------------------------------------------------------------------------------------------------- */

EventRules *
mdl_event_rules_begin(const Flow *flow)
{
	EventRules *rules;
	DerivedTable *table = mdl_flow_as_table(flow);
	DerivedResult *result;
	int			count;
	Rule	   *list = mdl_pipeline_rules(flow->target, &count);

	if (count == 0)
		return NULL;
	table->key_count = flow->key_count; /* not those of a version */
	result = palloc0_object(DerivedResult);
	result->table = table;
	result->columns = mdl_relation_columns(flow->target);
	result->rules = list;
	result->rule_count = count;
	result->counts = palloc0_array(RuleCount, count);
	result->context = CurrentMemoryContext;
	result->key_columns = palloc_array(AttrNumber, flow->key_count);
	for (int i = 0; i < flow->key_count; i++)
		result->key_columns[i] = get_attnum(flow->target, flow->keys[i]);
	rules = palloc0_object(EventRules);
	rules->flow = flow;
	rules->result = result;
	rules->columns = palloc_array(Bitmapset *, count);
	for (int i = 0; i < count; i++)
		rules->columns[i] = columns_of_rule(flow, mdl_rule_analyse(list[i].expression, list[i].name, flow->target, "d"), NULL);
	rules->judge = mdl_judge_begin(result);
	return rules;
}

/* Whether an event tells all that a rule reads. */
static bool
can_be_judged(const EventRules *rules, int rule, const FlowEvent *event)
{
	int			column = -1;

	while ((column = bms_next_member(rules->columns[rule], column)) >= 0)
		if (event->missing[column])
			return false;
	return true;
}

static void
count_verdict(EventRules *rules, int rule, Verdict verdict, const char *message, Datum *values, bool *nulls)
{
	RuleCount  *count = &rules->result->counts[rule];
	MemoryContext old;

	if (verdict == VERDICT_PASS)
	{
		count->passed++;
		return;
	}
	count->failed++;
	count->raised += verdict == VERDICT_RAISED;
	old = MemoryContextSwitchTo(rules->result->context);
	if (list_length(count->failing_keys) < MDL_KEY_SAMPLE)
		count->failing_keys = lappend(count->failing_keys, mdl_result_key_json(rules->result, values, nulls));
	if (verdict == VERDICT_RAISED && count->first_error == NULL)
		count->first_error = pstrdup(message);
	MemoryContextSwitchTo(old);
}

/* "violates "a", "b": message". */
static void
add_reason(StringInfo reason, const char *name, const char *message)
{
	appendStringInfo(reason, "%s\"%s\"", reason->len ? ", " : "violates ", name);
	if (message)
		appendStringInfo(reason, ": %s", message);
}

/* Decides what becomes of an event by its verdicts. */
static void
take_verdicts(EventRules *rules, FlowEvent *event, const Verdict *verdicts, char **messages, Datum *values, bool *nulls)
{
	StringInfoData reason;

	initStringInfo(&reason);
	event->fate = EVENT_KEPT;
	for (int i = 0; i < rules->result->rule_count; i++)
	{
		const Rule *rule = &rules->result->rules[i];
		char	   *message = verdicts[i] == VERDICT_RAISED ? messages[i] : NULL;

		if (!can_be_judged(rules, i, event))
			continue;
		count_verdict(rules, i, verdicts[i], message, values, nulls);
		if (verdicts[i] == VERDICT_PASS)
			continue;
		add_reason(&reason, rule->name, message);
		if (rule->action == RULE_QUARANTINE)
			event->fate = EVENT_SET_ASIDE;
		else if (rule->action == RULE_DROP && event->fate == EVENT_KEPT)
			event->fate = EVENT_LEFT_OUT;
	}
	event->reason = event->fate == EVENT_SET_ASIDE ? reason.data : NULL;
}

/* The values of an event as a row of the target. */
static void
as_row(const EventRules *rules, const FlowShape *shape, const FlowEvent *event, Datum *values, bool *nulls)
{
	memset(nulls, true, rules->result->columns->natts);
	memset(values, 0, sizeof(Datum) * rules->result->columns->natts);
	for (int i = 0; i < rules->flow->column_count; i++)
	{
		values[shape->columns[i].attno - 1] = event->values[i];
		nulls[shape->columns[i].attno - 1] = event->nulls[i] || event->missing[i];
	}
}

void
mdl_event_rules_judge(EventRules *rules, const FlowShape *shape, FlowEvent *events, int count)
{
	int			natts = rules->result->columns->natts;
	int			rule_count = rules->result->rule_count;
	Datum	  **values = palloc_array(Datum *, count + 1);
	bool	  **nulls = palloc_array(bool *, count + 1);
	FlowEvent **judged = palloc_array(FlowEvent *, count + 1);
	Verdict    *verdicts;
	char	  **messages;
	int			upserts = 0;

	for (int i = 0; i < count; i++)
	{
		events[i].fate = EVENT_KEPT;
		if (events[i].kind != EVENT_UPSERT)
			continue;
		values[upserts] = palloc_array(Datum, natts);
		nulls[upserts] = palloc_array(bool, natts);
		as_row(rules, shape, &events[i], values[upserts], nulls[upserts]);
		judged[upserts++] = &events[i];
	}
	verdicts = palloc_array(Verdict, upserts * rule_count + 1);
	messages = palloc0_array(char *, upserts * rule_count + 1);
	mdl_judge_many(rules->judge, values, nulls, upserts, verdicts, messages);
	for (int i = 0; i < upserts; i++)
		take_verdicts(rules, judged[i], verdicts + i * rule_count, messages + i * rule_count, values[i], nulls[i]);
}

DerivedResult *
mdl_event_rules_end(EventRules *rules)
{
	DerivedResult *result = rules->result;

	mdl_judge_end(rules->judge);
	for (int i = 0; i < result->rule_count; i++)
		result->counts[i].met = mdl_rule_is_met(&result->rules[i], &result->counts[i]);
	mdl_verdicts_enforce(result);
	return result;
}

/* ---- the table as a whole --------------------------------------------------------------------------------------------- */

typedef struct Counting
{
	const DerivedTable *table;
	Snapshot	snapshot;
	int64		rows;
} Counting;

static void
count_rows(void *argument)
{
	Counting   *counting = argument;

	mdl_run_under_snapshot(psprintf("SELECT pg_catalog.count(*) FROM ONLY %s", mdl_qualified_name(counting->table->target)), NULL,
						   counting->snapshot);
	counting->rows = mdl_field_int8(0, 0);
}

void
mdl_flow_judge(Oid target, const Outcome *outcome, Snapshot snapshot)
{
	DerivedTable *table = mdl_flow_as_table(mdl_flow_find(target));
	Counting	counting = {.table = table, .snapshot = snapshot};
	Outcome		whole = *outcome;
	MdlArgs		args = {0};
	MdlUser		saved;
	bool		has_rules;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_owner_begin(&saved);
	has_rules = mdl_run("SELECT FROM medallion._expectations WHERE target OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.<>) 'row'"
						" LIMIT 1", &args, false) > 0;
	mdl_owner_end(&saved);
	if (!has_rules)
		return;
	mdl_as_table_owner(table, count_rows, &counting);
	whole.rows = counting.rows;
	mdl_table_rules_judge(table, &whole, snapshot);
}
