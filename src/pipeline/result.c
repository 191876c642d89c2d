/*
 * result.c: computes what the query of a derived table returns now, once, and judges each row as it comes.
 *
 * The rules are columns of the statement that reads the definition, so they run compiled, in parallel workers where the
 * plan has them, and rows are routed as they arrive: accepted rows and quarantined rows into one tuplestore each (memory up
 * to work_mem, then a temporary file), dropped rows nowhere.  No table is created.
 *
 * If an expression raises for some row, that statement fails as a whole.  It therefore runs in a subtransaction, and on
 * failure the query runs again without the rules, whose rows are then judged one by one (expect_eval.c).  A rule remembers
 * that it raised, and the next refresh goes that way at once.
 */
#include "pipeline/definition_int.h"
#include "pipeline/incremental_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "base/progress.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

/* ---- duplicate keys ----------------------------------------------------------------------------------------- */

/*
 * Hashes of the keys seen, sorted at the end: only if two are equal is the exact question asked.  That is several times
 * cheaper than grouping the rows by key.
 */
typedef struct KeyHashes
{
	TypeCacheEntry **types;		/* (key_count); NULL if some type cannot be hashed */
	Tuplesortstate *sort;		/* NULL once ended */
	ResourceOwner owner;		/* of its temporary files */
} KeyHashes;

static KeyHashes *
key_hashes_begin(const DerivedResult *result)
{
	KeyHashes  *hashes = palloc0_object(KeyHashes);
	int			count = result->table->key_count;

	hashes->owner = CurrentResourceOwner;
	hashes->types = palloc_array(TypeCacheEntry *, count);
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute column = TupleDescAttr(result->columns, result->key_columns[i] - 1);

		hashes->types[i] = lookup_type_cache(column->atttypid, TYPECACHE_HASH_EXTENDED_PROC_FINFO);
		if (!OidIsValid(hashes->types[i]->hash_extended_proc))
		{
			hashes->types = NULL;
			return hashes;
		}
	}
	hashes->sort = tuplesort_begin_datum(INT8OID, Int8LessOperator, InvalidOid, false, work_mem, NULL, TUPLESORT_NONE);
	return hashes;
}

static void
key_hashes_add(KeyHashes *hashes, const DerivedResult *result, const Datum *values)
{
	ResourceOwner owner;
	uint64		hash = 0;

	if (hashes->types == NULL)
		return;
	for (int i = 0; i < result->table->key_count; i++)
	{
		Form_pg_attribute column = TupleDescAttr(result->columns, result->key_columns[i] - 1);
		Datum		one = FunctionCall2Coll(&hashes->types[i]->hash_extended_proc_finfo, column->attcollation,
											values[result->key_columns[i] - 1], UInt64GetDatum(0));

		hash = i == 0 ? DatumGetUInt64(one) : hash_combine64(hash, DatumGetUInt64(one));
	}
	/* The sort's temporary files must outlive the subtransaction that the statement may run in. */
	owner = CurrentResourceOwner;
	CurrentResourceOwner = hashes->owner;
	tuplesort_putdatum(hashes->sort, Int64GetDatum((int64) hash), false);
	CurrentResourceOwner = owner;
}

static void
key_hashes_end(KeyHashes *hashes)
{
	if (hashes->sort)
		tuplesort_end(hashes->sort);
	hashes->sort = NULL;
}

/* Whether two keys may be equal; always when a key type has no hash function.  Ends the sort. */
static bool
key_hashes_repeat(KeyHashes *hashes)
{
	Datum		value;
	Datum		previous = 0;
	Datum		abbreviated;
	bool		is_null;
	bool		first = true;
	bool		repeat = false;

	if (hashes->types == NULL)
		return true;
	tuplesort_performsort(hashes->sort);
	while (!repeat && tuplesort_getdatum(hashes->sort, true, &value, &is_null, &abbreviated))
	{
		repeat = !first && value == previous;
		previous = value;
		first = false;
	}
	key_hashes_end(hashes);
	return repeat;
}

/* ---- taking rows -------------------------------------------------------------------------------------------- */

static void
note_null_key(DerivedResult *result, int key, Datum *values, bool *nulls)
{
	if (result->null_keys++ > 0)
		return;
	result->null_key_column = result->table->keys[key];
	result->null_key_sample = MemoryContextStrdup(result->context, mdl_result_key_json(result, values, nulls));
}

void
mdl_result_take(DerivedResult *result, Datum *values, bool *nulls, const Verdict *verdicts, char **messages)
{
	if ((++result->rows & 4095) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		mdl_progress_update(result->rows);
	}
	if (verdicts == NULL || mdl_verdicts_take(result, values, nulls, verdicts, messages))
		mdl_result_accept(result, values, nulls);
}

void
mdl_result_accept(DerivedResult *result, Datum *values, bool *nulls)
{
	for (int i = 0; i < result->table->key_count; i++)
		if (nulls[result->key_columns[i] - 1])
		{
			note_null_key(result, i, values, nulls);
			return;
		}
	key_hashes_add(result->key_hashes, result, values);
	tuplestore_putvalues(result->accepted, result->columns, values, nulls);
	if (result->stream)
		mdl_table_stream_take(result->stream, values, nulls);
	result->accepted_rows++;
}

/* ---- the receiver of the statement --------------------------------------------------------------------------- */

typedef struct ResultReceiver
{
	DestReceiver dest;			/* must be first */
	DerivedResult *result;
	Tuplestorestate *raw;		/* where rows go unjudged; NULL: they carry their verdicts */
	Verdict    *verdicts;		/* (rule_count) */
} ResultReceiver;

/* The verdicts that the statement's last columns tell; NULL if all rules are kept. */
static const Verdict *
read_verdicts(ResultReceiver *receiver, const Datum *violated)
{
	int			rules = receiver->result->rule_count;
	int			first = 0;

	while (first < rules && !DatumGetBool(violated[first]))
		first++;
	if (first == rules)
		return NULL;
	for (int i = 0; i < rules; i++)
		receiver->verdicts[i] = DatumGetBool(violated[i]) ? VERDICT_FAIL : VERDICT_PASS;
	return receiver->verdicts;
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	DerivedResult *result = receiver->result;
	int			columns = result->columns->natts;

	slot_getallattrs(slot);
	if (receiver->raw)
	{
		tuplestore_putvalues(receiver->raw, result->columns, slot->tts_values, slot->tts_isnull);
		return true;
	}
	mdl_result_take(result, slot->tts_values, slot->tts_isnull, read_verdicts(receiver, slot->tts_values + columns), NULL);
	if (result->hidden)
		mdl_hidden_take(result, slot->tts_values, slot->tts_isnull);
	return true;
}

static ResultReceiver
result_receiver(DerivedResult *result, Tuplestorestate *raw)
{
	return (ResultReceiver) {
		.dest = mdl_row_receiver(receive_row),
		.result = result,
		.raw = raw,
		.verdicts = palloc0_array(Verdict, result->rule_count + 1)
	};
}

/* Runs the statement under the active snapshot, its rows going to the receiver. */
static void
run_into(const char *sql, DerivedResult *result, Tuplestorestate *raw)
{
	ResultReceiver receiver = result_receiver(result, raw);
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.dest};
	int			code;

	if (result->units)
	{
		ParamListInfo params = mdl_units_params(result->units);
		Query	   *query = mdl_query_analyse(sql, params);

		/* WITH queries become subqueries, into which the planner takes the condition. */
		mdl_query_prepare(query);
		mdl_units_push(query, result->table, result->units);
		mdl_query_execute(mdl_query_plan(query, params, 0), params, NULL, &receiver.dest);
		return;
	}
	code = SPI_execute_extended(sql, &options);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
}

/* ---- computing ---------------------------------------------------------------------------------------------- */

static void
open_stores(DerivedResult *result)
{
	MemoryContext old = MemoryContextSwitchTo(result->context);

	result->accepted = tuplestore_begin_heap(false, false, work_mem);
	result->rejected = tuplestore_begin_heap(false, false, work_mem);
	result->undecided = tuplestore_begin_heap(false, false, work_mem);
	result->to_correct = tuplestore_begin_heap(false, false, work_mem);
	result->key_hashes = key_hashes_begin(result);
	result->counts = palloc0_array(RuleCount, result->rule_count + 1);
	result->rows = result->accepted_rows = result->dropped_rows = result->quarantined_rows = result->null_keys = 0;
	MemoryContextSwitchTo(old);
}

static void
close_stores(DerivedResult *result)
{
	tuplestore_end(result->accepted);
	tuplestore_end(result->rejected);
	tuplestore_end(result->undecided);
	tuplestore_end(result->to_correct);
	key_hashes_end(result->key_hashes);
}

DerivedResult *
mdl_result_begin(const DerivedTable *table)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "result of a derived table",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DerivedResult *result = palloc0_object(DerivedResult);
	Relation	definition = relation_open(table->definition, AccessShareLock);
	int			columns;

	result->table = table;
	result->context = context;
	result->row_context = AllocSetContextCreate(context, "row of a derived table", ALLOCSET_SMALL_SIZES);
	result->columns = CreateTupleDescCopy(RelationGetDescr(definition));
	relation_close(definition, NoLock);
	columns = result->columns->natts;
	result->rejected_columns = CreateTemplateTupleDesc(columns + 1);
	for (int i = 1; i <= columns; i++)
		TupleDescCopyEntry(result->rejected_columns, i, result->columns, i);
	TupleDescInitEntry(result->rejected_columns, columns + 1, "_reasons", TEXTARRAYOID, -1, 0);
	result->aside_columns = CreateTemplateTupleDesc(columns + 2);
	for (int i = 1; i <= columns + 1; i++)
		TupleDescCopyEntry(result->aside_columns, i, result->rejected_columns, i);
	TupleDescInitEntry(result->aside_columns, columns + 2, "_verdicts", BYTEAOID, -1, 0);
	result->key_columns = palloc_array(AttrNumber, table->key_count);
	for (int i = 0; i < table->key_count; i++)
	{
		result->key_columns[i] = get_attnum(table->definition, table->keys[i]);
		if (result->key_columns[i] <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("key column \"%s\" is not a column of the query of \"%s\"", table->keys[i],
							mdl_display_name(table->target))));
	}
	result->rules = mdl_pipeline_rules(table->target, &result->rule_count);
	open_stores(result);
	MemoryContextSwitchTo(old);
	return result;
}

/* "FROM definition AS d", and what restricts it to the units. */
static char *
from_definition(const DerivedResult *result)
{
	char	   *from = result->of_table ? psprintf(" FROM ONLY %s AS d", mdl_qualified_name(result->table->target))
		: psprintf(" FROM %s AS d", mdl_qualified_name(result->table->definition));

	return result->units ? psprintf("%s WHERE %s", from, mdl_units_condition(result->units, "d.")) : from;
}

/* Whether a column of the definition is more than a column of a table. */
static bool
is_computed(const Query *view, AttrNumber number)
{
	Expr	   *column = list_nth_node(TargetEntry, view->targetList, number - 1)->expr;
	RangeTblEntry *source;

	if (!IsA(column, Var) || ((Var *) column)->varno <= 0)
		return true;
	source = list_nth_node(RangeTblEntry, view->rtable, ((Var *) column)->varno - 1);
	return source->rtekind != RTE_RELATION || source->relkind == RELKIND_VIEW;
}

/* Whether a rule is about a column that is computed. */
static bool
judges_computed(const DerivedResult *result)
{
	Relation	definition = relation_open(result->table->definition, AccessShareLock);
	Query	   *view = get_view_query(definition);
	bool		computed = false;

	for (int i = 0; i < result->rule_count && !computed; i++)
	{
		Node	   *rule = mdl_rule_analyse(result->rules[i].expression, result->rules[i].name, result->table->definition, "d");
		ListCell   *cell;

		foreach(cell, pull_var_clause(rule, 0))
			computed |= is_computed(view, lfirst_node(Var, cell)->varattno);
	}
	relation_close(definition, NoLock);
	return computed;
}

/*
 * What a full result is judged over: the definition, behind a fence if rules are about what it computes, since the planner
 * would else compute it again for each rule.
 */
static char *
from_for_rules(const DerivedResult *result)
{
	if (result->units || result->of_table || !judges_computed(result))
		return from_definition(result);
	return psprintf(" FROM (SELECT d.*%s OFFSET 0) AS d", from_definition(result));
}

/* The statement that reads the definition, each rule a column that tells whether it is violated. */
static char *
judged_query(const DerivedResult *result)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s", mdl_column_list(result->columns, ""));
	for (int i = 0; i < result->rule_count; i++)
		appendStringInfo(&sql, ", (%s) IS %s", result->rules[i].expression,
						 result->rules[i].null_ok ? "FALSE" : "NOT TRUE");
	appendStringInfoString(&sql, from_for_rules(result));
	return sql.data;
}

/* Runs the query of a table without rules. */
static void
run_unjudged(DerivedResult *result)
{
	ResultReceiver receiver = result_receiver(result, NULL);

	if (!result->with_hidden || !mdl_hidden_run(result, from_definition(result), &receiver.dest))
		run_into(judged_query(result), result, NULL);
}

static void
run_query_and_rules(void *argument)
{
	DerivedResult *result = argument;

	run_into(judged_query(result), result, NULL);
}

/* Runs query and rules as one statement; false if it raised what may be the error of a rule. */
static bool
run_judged(DerivedResult *result)
{
	ErrorData  *error = mdl_guarded(run_query_and_rules, result);

	if (error != NULL)
		FreeErrorData(error);
	return error == NULL;
}

/* Runs the query alone and then judges its rows one by one. */
static void
run_then_judge(DerivedResult *result)
{
	Tuplestorestate *raw = tuplestore_begin_heap(false, false, work_mem);

	run_into(psprintf("SELECT %s%s", mdl_column_list(result->columns, ""), from_definition(result)), result, raw);
	mdl_rules_judge_rows(result, raw);
	tuplestore_end(raw);
}

/* ---- what makes a result unfit -------------------------------------------------------------------------------- */

static void
raise_null_key(const DerivedResult *result)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("query of \"%s\" returns NULL in key column \"%s\"", mdl_display_name(result->table->target),
					result->null_key_column),
			 errdetail("Rows with a NULL key: " INT64_FORMAT "; the first has key %s.", result->null_keys,
					   result->null_key_sample),
			 errhint("Filter such rows in the query, or take them out with a rule: medallion.expect(…, on_violation => 'quarantine').")));
}

static void
check_duplicate_keys(DerivedResult *result, Snapshot snapshot)
{
	StringInfoData keys,
				detail;
	uint64		groups;

	if (!key_hashes_repeat(result->key_hashes))
		return;
	initStringInfo(&keys);
	for (int i = 0; i < result->table->key_count; i++)
		appendStringInfo(&keys, "%s%s", i ? ", " : "", quote_identifier(result->table->keys[i]));
	mdl_offer_rows("medallion_result", result->accepted, result->columns);
	groups = mdl_run_under_snapshot(psprintf("SELECT pg_catalog.row_to_json(g.*) FROM (SELECT %s FROM medallion_result"
										 " GROUP BY %s HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 ORDER BY %s LIMIT %d) g",
										 keys.data, keys.data, keys.data, MDL_KEY_SAMPLE + 1), NULL, snapshot);
	SPI_unregister_relation("medallion_result");
	if (groups == 0)
		return;
	initStringInfo(&detail);
	for (uint64 i = 0; i < groups && i < MDL_KEY_SAMPLE; i++)
		appendStringInfo(&detail, "%s%s", i ? ", " : "", mdl_field_text(i, 0));
	if (groups > MDL_KEY_SAMPLE)
		appendStringInfoString(&detail, " and more");
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("query of \"%s\" returns several rows for one key", mdl_display_name(result->table->target)),
			 errdetail("Keys: %s.", detail.data),
			 errhint("Make the query return one row per key, for example with dedupe_by or DISTINCT ON, or define the table with a finer key.")));
}

/* Runs the query and judges its rows. */
static void
run_and_judge(DerivedResult *result)
{
	bool		rows_raise = false;

	for (int i = 0; i < result->rule_count; i++)
		rows_raise |= result->rules[i].raises;
	if (result->rule_count == 0)
		run_unjudged(result);
	else if (rows_raise)
		run_then_judge(result);
	else if (!run_judged(result))
	{
		close_stores(result);
		open_stores(result);
		if (result->stream)
			mdl_table_stream_reset(result->stream);
		run_then_judge(result);
	}
	mdl_verdicts_correct(result);
	for (int i = 0; i < result->rule_count; i++)
		result->counts[i].passed = result->rows - result->counts[i].failed;
}

DerivedResult *
mdl_result_of_table(const DerivedTable *table, Snapshot snapshot, const Units *units)
{
	DerivedResult *result = mdl_result_begin(table);

	result->units = units;
	result->of_table = true;
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	run_and_judge(result);
	PopActiveSnapshot();
	return result;
}

DerivedResult *
mdl_result_compute(const DerivedTable *table, Snapshot snapshot, bool enforce, const Units *units, bool with_hidden)
{
	DerivedResult *result = mdl_result_begin(table);

	result->units = units;
	result->with_hidden = with_hidden;
	mdl_progress_phase("query", -1);
	result->corrections = mdl_corrections_read(table);
	if (units == NULL && enforce && mdl_target_is_plain(result))
		result->stream = mdl_table_stream_begin(table, result->columns);
	run_and_judge(result);
	if (units == NULL)
		mdl_result_settle(result, snapshot, enforce);
	return result;
}

void
mdl_result_settle(DerivedResult *result, Snapshot snapshot, bool enforce)
{
	mdl_verdicts_settle(result, enforce);
	if (result->follows)
		return;					/* one row for each of the groups the table has */
	if (result->null_keys > 0)
		raise_null_key(result);
	check_duplicate_keys(result, snapshot);
}

void
mdl_result_free(DerivedResult *result)
{
	close_stores(result);
	if (result->hidden)
		mdl_hidden_free(result->hidden);
	if (result->differences)
		mdl_differences_free(result->differences);
	MemoryContextDelete(result->context);
}
