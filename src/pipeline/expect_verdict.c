/*
 * expect_verdict.c: what the verdicts of the rules mean, for a row and for the result as a whole.
 *
 * A row that violates no rule never comes here.  One that does is counted, and is accepted, dropped or quarantined as the
 * rules it violates say.  Two kinds of rows cannot be decided about at once and are put aside:
 *
 *   - undecided ones violate a rule that acts only if too few rows pass (mostly): the counts of all rows decide;
 *   - those to correct are rejected, but there is a correction for exactly this row (quarantine_correct.c): the corrected row
 *     is judged once the query has run, and takes the place of the row if no rule rejects it.
 */
#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* ---- counting ------------------------------------------------------------------------------------------------- */

char *
mdl_result_key_json(const DerivedResult *result, Datum *values, bool *nulls)
{
	int			count = result->table->key_count;
	TupleDesc	desc = CreateTemplateTupleDesc(count);
	Datum	   *key_values = palloc_array(Datum, count);
	bool	   *key_nulls = palloc_array(bool, count);
	Datum		row;

	for (int i = 0; i < count; i++)
	{
		TupleDescCopyEntry(desc, i + 1, result->columns, result->key_columns[i]);
		key_values[i] = values[result->key_columns[i] - 1];
		key_nulls[i] = nulls[result->key_columns[i] - 1];
	}
	BlessTupleDesc(desc);
	row = HeapTupleGetDatum(heap_form_tuple(desc, key_values, key_nulls));
	return TextDatumGetCString(DirectFunctionCall1(row_to_json, row));
}

static void
count_violation(DerivedResult *result, int rule, const char *key, const char *message)
{
	RuleCount  *count = &result->counts[rule];

	count->failed++;
	if (list_length(count->failing_keys) < MDL_KEY_SAMPLE)
	{
		MemoryContext old = MemoryContextSwitchTo(result->context);

		count->failing_keys = lappend(count->failing_keys, pstrdup(key));
		MemoryContextSwitchTo(old);
	}
	if (message == NULL)
		return;
	if (count->raised++ == 0)
		count->first_error = MemoryContextStrdup(result->context, message);
}

static void
count_violations(DerivedResult *result, Datum *values, bool *nulls, const Verdict *verdicts, char **messages)
{
	char	   *key = NULL;

	for (int i = 0; i < result->rule_count; i++)
	{
		if (verdicts[i] == VERDICT_PASS)
			continue;
		if (key == NULL && list_length(result->counts[i].failing_keys) < MDL_KEY_SAMPLE)
			key = mdl_result_key_json(result, values, nulls);
		count_violation(result, i, key, verdicts[i] == VERDICT_RAISED ? messages[i] : NULL);
	}
}

/* ---- routing ---------------------------------------------------------------------------------------------------- */

static bool
is_rejecting(const Rule *rule)
{
	return rule->action == RULE_DROP || rule->action == RULE_QUARANTINE;
}

/* The names of all rules a row violates, with the message of an expression that raised. */
static Datum
reasons_of(const DerivedResult *result, const Verdict *verdicts, char **messages)
{
	Datum	   *reasons = palloc_array(Datum, result->rule_count);
	int			count = 0;

	for (int i = 0; i < result->rule_count; i++)
	{
		if (verdicts[i] == VERDICT_RAISED)
			reasons[count++] = CStringGetTextDatum(psprintf("%s: %s", result->rules[i].name, messages[i]));
		else if (verdicts[i] == VERDICT_FAIL)
			reasons[count++] = CStringGetTextDatum(result->rules[i].name);
	}
	return PointerGetDatum(construct_array(reasons, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Puts a row with its reasons into a store; with its verdicts too, if the store is one of those put aside. */
static void
put_row(DerivedResult *result, Tuplestorestate *store, Datum *values, bool *nulls, const Verdict *verdicts, Datum reasons)
{
	int			columns = result->columns->natts;
	Datum	   *row = palloc_array(Datum, columns + 2);
	bool	   *row_nulls = palloc0_array(bool, columns + 2);
	int			size = VARHDRSZ + sizeof(Verdict) * result->rule_count;
	bytea	   *bytes = palloc(size);

	SET_VARSIZE(bytes, size);
	memcpy(VARDATA(bytes), verdicts, size - VARHDRSZ);
	memcpy(row, values, sizeof(Datum) * columns);
	memcpy(row_nulls, nulls, sizeof(bool) * columns);
	row[columns] = reasons;
	row[columns + 1] = PointerGetDatum(bytes);
	tuplestore_putvalues(store, store == result->rejected ? result->rejected_columns : result->aside_columns, row, row_nulls);
}

/* Rejects or accepts a row; `by_counts`: rules that are met have no say. */
static bool
route(DerivedResult *result, Datum *values, bool *nulls, const Verdict *verdicts, Datum reasons, bool by_counts)
{
	bool		drop = false;
	bool		quarantine = false;

	for (int i = 0; i < result->rule_count; i++)
	{
		if (verdicts[i] == VERDICT_PASS || (by_counts && result->counts[i].met))
			continue;
		drop |= result->rules[i].action == RULE_DROP;
		quarantine |= result->rules[i].action == RULE_QUARANTINE;
	}
	if (quarantine)
	{
		put_row(result, result->rejected, values, nulls, verdicts, reasons);
		result->quarantined_rows++;
	}
	else if (drop)
		result->dropped_rows++;
	return !quarantine && !drop;
}

/* Counts a row and rejects, accepts or puts it aside. */
static bool
count_and_route(DerivedResult *result, Datum *values, bool *nulls, const Verdict *verdicts, char **messages)
{
	bool		rejected = false;

	count_violations(result, values, nulls, verdicts, messages);
	for (int i = 0; i < result->rule_count; i++)
	{
		if (verdicts[i] == VERDICT_PASS || !is_rejecting(&result->rules[i]))
			continue;
		rejected = true;
		if (result->rules[i].mostly < 1)
		{
			put_row(result, result->undecided, values, nulls, verdicts, reasons_of(result, verdicts, messages));
			return false;
		}
	}
	return !rejected || route(result, values, nulls, verdicts, reasons_of(result, verdicts, messages), false);
}

static bool
is_quarantined(const DerivedResult *result, const Verdict *verdicts)
{
	for (int i = 0; i < result->rule_count; i++)
		if (verdicts[i] != VERDICT_PASS && result->rules[i].action == RULE_QUARANTINE)
			return true;
	return false;
}

bool
mdl_verdicts_take(DerivedResult *result, Datum *values, bool *nulls, const Verdict *verdicts, char **messages)
{
	MemoryContext old;
	bool		accepted = false;

	MemoryContextReset(result->row_context);
	old = MemoryContextSwitchTo(result->row_context);
	if (result->corrections && is_quarantined(result, verdicts) && mdl_correction_exists(result, values, nulls))
		put_row(result, result->to_correct, values, nulls, verdicts, reasons_of(result, verdicts, messages));
	else
		accepted = count_and_route(result, values, nulls, verdicts, messages);
	MemoryContextSwitchTo(old);
	return accepted;
}

/* ---- rows put aside ---------------------------------------------------------------------------------------------- */

/* A row of a store, taken apart. */
typedef struct Aside
{
	Datum	   *values;			/* of the columns */
	bool	   *nulls;
	Verdict    *verdicts;
	char	  **messages;
	Datum		reasons;
} Aside;

/* The messages are what stands behind the names in the reasons. */
static Aside
read_aside(const DerivedResult *result, TupleTableSlot *slot)
{
	int			columns = result->columns->natts;
	Aside		aside;
	Datum	   *texts;
	int			count,
				next = 0;

	slot_getallattrs(slot);
	aside.values = slot->tts_values;
	aside.nulls = slot->tts_isnull;
	aside.reasons = slot->tts_values[columns];
	aside.verdicts = palloc0_array(Verdict, result->rule_count);
	aside.messages = palloc0_array(char *, result->rule_count);
	memcpy(aside.verdicts, VARDATA_ANY(DatumGetByteaPP(slot->tts_values[columns + 1])), sizeof(Verdict) * result->rule_count);
	deconstruct_array(DatumGetArrayTypeP(aside.reasons), TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, &count);
	for (int i = 0; i < result->rule_count && next < count; i++)
	{
		if (aside.verdicts[i] == VERDICT_PASS)
			continue;
		if (aside.verdicts[i] == VERDICT_RAISED)
			aside.messages[i] = TextDatumGetCString(texts[next]) + strlen(result->rules[i].name) + strlen(": ");
		next++;
	}
	return aside;
}

/* Whether the rules accept a row with these verdicts. */
static bool
is_acceptable(const DerivedResult *result, const Verdict *verdicts)
{
	for (int i = 0; i < result->rule_count; i++)
		if (verdicts[i] != VERDICT_PASS && is_rejecting(&result->rules[i]))
			return false;
	return true;
}

/* Takes the corrected row if it is acceptable, else the row as it is. */
static void
take_corrected(DerivedResult *result, Judge *judge, TupleTableSlot *slot)
{
	Aside		aside = read_aside(result, slot);
	int			columns = result->columns->natts;
	Datum	   *values = palloc_array(Datum, columns);
	bool	   *nulls = palloc_array(bool, columns);
	Verdict    *verdicts = palloc0_array(Verdict, result->rule_count);
	char	  **messages = palloc0_array(char *, result->rule_count);
	char	   *message;

	memcpy(values, aside.values, sizeof(Datum) * columns);
	memcpy(nulls, aside.nulls, sizeof(bool) * columns);
	if (mdl_correction_apply(result, values, nulls, &message))
	{
		mdl_judge_row(judge, values, nulls, verdicts, messages);
		if (is_acceptable(result, verdicts))
		{
			count_violations(result, values, nulls, verdicts, messages);
			mdl_result_accept(result, values, nulls);
			return;
		}
	}
	if (count_and_route(result, aside.values, aside.nulls, aside.verdicts, aside.messages))
		mdl_result_accept(result, aside.values, aside.nulls);
}

void
mdl_verdicts_correct(DerivedResult *result)
{
	MemoryContext old;
	TupleTableSlot *slot;
	Judge	   *judge;

	if (tuplestore_tuple_count(result->to_correct) == 0)
		return;
	slot = MakeSingleTupleTableSlot(result->aside_columns, &TTSOpsMinimalTuple);
	judge = mdl_judge_begin(result);
	while (tuplestore_gettupleslot(result->to_correct, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(result->row_context);
		old = MemoryContextSwitchTo(result->row_context);
		take_corrected(result, judge, slot);
		MemoryContextSwitchTo(old);
	}
	mdl_judge_end(judge);
	ExecDropSingleTupleTableSlot(slot);
}

/* ---- the result as a whole ---------------------------------------------------------------------------------------- */

/* A share is compared as a quotient, so that 7 of 100 rows are 0.07 to the bit. */
bool
mdl_rule_is_met(const Rule *rule, const RuleCount *count)
{
	int64		rows = count->passed + count->failed;

	return count->failed == 0 || (double) count->passed / (double) rows >= rule->mostly;
}

bool
mdl_verdicts_stand(const DerivedResult *result, const char **why)
{
	for (int i = 0; i < result->rule_count; i++)
	{
		const Rule *rule = &result->rules[i];

		if (rule->mostly >= 1)
			continue;
		if (!result->is_whole)
		{
			*why = psprintf("the share of rows that keep rule \"%s\" is not known without looking at all", rule->name);
			return false;
		}
		if (is_rejecting(rule) && mdl_rule_is_met(rule, &result->counts[i]) != result->counts[i].was_met)
		{
			*why = psprintf("the share of rows that keep rule \"%s\" has come to the other side of %g", rule->name, rule->mostly);
			return false;
		}
	}
	return true;
}

static char *
join_texts(List *texts)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, texts)
		appendStringInfo(&text, "%s%s", cell == list_head(texts) ? "" : ", ", (char *) lfirst(cell));
	return text.data;
}

void
mdl_verdicts_enforce(const DerivedResult *result)
{
	for (int i = 0; i < result->rule_count; i++)
	{
		const Rule *rule = &result->rules[i];
		const RuleCount *count = &result->counts[i];

		if (rule->action != RULE_FAIL || count->met)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("refresh of \"%s\" violates expectation \"%s\" in " INT64_FORMAT " of " INT64_FORMAT " rows",
						mdl_display_name(result->table->target), rule->name, count->failed, count->passed + count->failed),
				 errdetail("Rule: %s%s. Failing keys: %s%s.%s%s", rule->rule,
						   rule->mostly < 1 ? psprintf(", for %g of the rows", rule->mostly) : "", join_texts(count->failing_keys),
						   count->failed > list_length(count->failing_keys) ? " and more" : "",
						   count->first_error ? " The expression raised: " : "",
						   count->first_error ? count->first_error : ""),
				 errhint("The table is as it was. Correct the source or the query, or change the rule with medallion.expect.")));
	}
}

void
mdl_verdicts_settle(DerivedResult *result, bool enforce)
{
	TupleTableSlot *slot;
	MemoryContext old;

	for (int i = 0; i < result->rule_count; i++)
		result->counts[i].met = mdl_rule_is_met(&result->rules[i], &result->counts[i]);
	if (enforce)
		mdl_verdicts_enforce(result);
	if (tuplestore_tuple_count(result->undecided) == 0)
		return;
	slot = MakeSingleTupleTableSlot(result->aside_columns, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(result->undecided, true, false, slot))
	{
		Aside		aside;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(result->row_context);
		old = MemoryContextSwitchTo(result->row_context);
		aside = read_aside(result, slot);
		if (route(result, aside.values, aside.nulls, aside.verdicts, aside.reasons, true))
			mdl_result_accept(result, aside.values, aside.nulls);
		MemoryContextSwitchTo(old);
	}
	ExecDropSingleTupleTableSlot(slot);
}
