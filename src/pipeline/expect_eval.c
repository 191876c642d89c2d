/*
 * expect_eval.c: judges rows one by one, so that an expression that raises costs its own row only.
 *
 * Starting and ending a subtransaction for each row would be dear, so rows are judged in batches inside one; if a row of the
 * batch raises, the subtransaction is rolled back, the batch is read again, and each row, and in it each rule, gets a
 * subtransaction of its own.  Rules change nothing, so rolling back loses nothing.
 */
#include "pipeline/result_int.h"

#include "access/relation.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define BATCH_ROWS 1000

struct Judge
{
	DerivedResult *result;
	MemoryContext context;		/* in which it began */
	Expr	  **expressions;	/* (rule_count), planned */
	EState	   *estate;			/* made anew after an error */
	ExprState **states;
	TupleTableSlot *slot;
	Verdict    *verdicts;		/* (BATCH_ROWS, rule_count) */
	MemoryContext messages_context; /* reset per batch */
	char	  **messages;		/* (rule_count) of the current row */
};

/* Whether an error may be that of a rule for one row; others (cancel, memory, rights, conflicts, bugs) go on up. */
static bool
is_row_error(int code)
{
	int			class = ERRCODE_TO_CATEGORY(code);

	return code != ERRCODE_INTERNAL_ERROR &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION) &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) &&
		code != ERRCODE_DATA_CORRUPTED && code != ERRCODE_INDEX_CORRUPTED;
}

ErrorData *
mdl_guarded(MdlWork work, void *argument)
{
	ErrorData  *error = mdl_try(work, argument);

	if (error != NULL && !is_row_error(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* Compiles the rules; after an error their state, and that of the functions they call, is not to be trusted. */
static void
judge_prepare(Judge *judge)
{
	MemoryContext old;

	if (judge->estate)
		MemoryContextDelete(judge->estate->es_query_cxt);	/* without the callbacks of a regular end */
	old = MemoryContextSwitchTo(judge->context);
	judge->estate = CreateExecutorState();
	MemoryContextSwitchTo(judge->estate->es_query_cxt);
	judge->states = palloc_array(ExprState *, judge->result->rule_count);
	for (int i = 0; i < judge->result->rule_count; i++)
		judge->states[i] = ExecInitExpr(judge->expressions[i], NULL);
	MemoryContextSwitchTo(old);
}

Judge *
mdl_judge_begin(DerivedResult *result)
{
	Judge	   *judge = palloc0_object(Judge);

	judge->result = result;
	judge->context = CurrentMemoryContext;
	judge->expressions = palloc_array(Expr *, result->rule_count);
	for (int i = 0; i < result->rule_count; i++)
		judge->expressions[i] = expression_planner((Expr *) mdl_rule_analyse(result->rules[i].expression,
																		 result->rules[i].name,
																		 result->table->definition, "d"));
	judge->slot = MakeSingleTupleTableSlot(result->columns, &TTSOpsMinimalTuple);
	judge->verdicts = palloc_array(Verdict, BATCH_ROWS * result->rule_count);
	judge->messages = palloc0_array(char *, result->rule_count);
	judge->messages_context = AllocSetContextCreate(CurrentMemoryContext, "messages of rules", ALLOCSET_SMALL_SIZES);
	judge_prepare(judge);
	return judge;
}

static Verdict
judge_one(Judge *judge, int rule)
{
	ExprContext *context = GetPerTupleExprContext(judge->estate);
	bool		is_null;
	Datum		value;

	context->ecxt_scantuple = judge->slot;
	value = ExecEvalExprSwitchContext(judge->states[rule], context, &is_null);
	if (is_null)
		return judge->result->rules[rule].null_ok ? VERDICT_PASS : VERDICT_FAIL;
	return DatumGetBool(value) ? VERDICT_PASS : VERDICT_FAIL;
}

typedef struct Batch
{
	Judge	   *judge;
	Tuplestorestate *rows;
	int			count;			/* of rows judged */
} Batch;

static void
judge_all(void *argument)
{
	Batch	   *batch = argument;
	Judge	   *judge = batch->judge;
	int			rules = judge->result->rule_count;

	while (batch->count < BATCH_ROWS && tuplestore_gettupleslot(batch->rows, true, false, judge->slot))
	{
		for (int i = 0; i < rules; i++)
			judge->verdicts[batch->count * rules + i] = judge_one(judge, i);
		ResetPerTupleExprContext(judge->estate);
		batch->count++;
	}
}

/* Judges up to BATCH_ROWS rows in one subtransaction; returns their number, -1 if some row raised. */
static int
judge_batch(Judge *judge, Tuplestorestate *rows)
{
	Batch		batch = {.judge = judge, .rows = rows};
	ErrorData  *error = mdl_guarded(judge_all, &batch);

	if (error == NULL)
		return batch.count;
	FreeErrorData(error);
	return -1;
}

typedef struct OneRule
{
	Judge	   *judge;
	int			rule;
	Verdict		verdict;
} OneRule;

static void
judge_alone(void *argument)
{
	OneRule    *one = argument;

	one->verdict = judge_one(one->judge, one->rule);
}

/* Judges one rule for the row in the slot in a subtransaction; *message is set if it raised. */
static Verdict
judge_guarded(Judge *judge, int rule, char **message)
{
	OneRule		one = {.judge = judge, .rule = rule};
	ErrorData  *error = mdl_guarded(judge_alone, &one);

	if (error == NULL)
	{
		ResetPerTupleExprContext(judge->estate);
		return one.verdict;
	}
	*message = MemoryContextStrdup(judge->messages_context, error->message);
	FreeErrorData(error);
	judge_prepare(judge);
	return VERDICT_RAISED;
}

static void
take_row(Judge *judge, const Verdict *verdicts)
{
	slot_getallattrs(judge->slot);
	mdl_result_take(judge->result, judge->slot->tts_values, judge->slot->tts_isnull, verdicts, judge->messages);
}

/* Judges a batch of which some row raises. */
static void
judge_rows_guarded(Judge *judge, Tuplestorestate *rows)
{
	for (int row = 0; row < BATCH_ROWS && tuplestore_gettupleslot(rows, true, false, judge->slot); row++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < judge->result->rule_count; i++)
			judge->verdicts[i] = judge_guarded(judge, i, &judge->messages[i]);
		take_row(judge, judge->verdicts);
		MemoryContextReset(judge->messages_context);
	}
}

void
mdl_judge_end(Judge *judge)
{
	FreeExecutorState(judge->estate);
	ExecDropSingleTupleTableSlot(judge->slot);
}

void
mdl_judge_row(Judge *judge, Datum *values, bool *nulls, Verdict *verdicts, char **messages)
{
	MemoryContextReset(judge->messages_context);
	ExecStoreMinimalTuple(heap_form_minimal_tuple(judge->result->columns, values, nulls), judge->slot, false);
	for (int i = 0; i < judge->result->rule_count; i++)
		verdicts[i] = judge_guarded(judge, i, &messages[i]);
}

typedef struct ManyRows
{
	Judge	   *judge;
	Datum	  **values;
	bool	  **nulls;
	int			count;
	Verdict    *verdicts;
} ManyRows;

static void
judge_many(void *argument)
{
	ManyRows   *rows = argument;
	Judge	   *judge = rows->judge;
	int			rules = judge->result->rule_count;

	for (int row = 0; row < rows->count; row++)
	{
		ExecStoreMinimalTuple(heap_form_minimal_tuple(judge->result->columns, rows->values[row], rows->nulls[row]), judge->slot, false);
		for (int i = 0; i < rules; i++)
			rows->verdicts[row * rules + i] = judge_one(judge, i);
		ResetPerTupleExprContext(judge->estate);
	}
}

void
mdl_judge_many(Judge *judge, Datum **values, bool **nulls, int count, Verdict *verdicts, char **messages)
{
	ManyRows	rows = {.judge = judge, .values = values, .nulls = nulls, .count = count, .verdicts = verdicts};
	ErrorData  *error = mdl_guarded(judge_many, &rows);
	int			rules = judge->result->rule_count;

	if (error == NULL)
		return;
	FreeErrorData(error);
	judge_prepare(judge);
	for (int row = 0; row < count; row++)
	{
		char	  **told = messages + row * rules;

		CHECK_FOR_INTERRUPTS();
		mdl_judge_row(judge, values[row], nulls[row], verdicts + row * rules, told);
		for (int i = 0; i < rules; i++)
			if (told[i])
				told[i] = pstrdup(told[i]);
	}
}

void
mdl_rules_judge_rows(DerivedResult *result, Tuplestorestate *rows)
{
	Judge	   *judge = mdl_judge_begin(result);
	int			start = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	int			count;

	/* Pointer 0 moves on; `start` stays at the begin of the batch. */
	for (;;)
	{
		tuplestore_select_read_pointer(rows, 0);
		tuplestore_copy_read_pointer(rows, 0, start);
		count = judge_batch(judge, rows);
		if (count == 0)
			break;
		tuplestore_select_read_pointer(rows, 0);
		tuplestore_copy_read_pointer(rows, start, 0);
		if (count < 0)
		{
			judge_prepare(judge);
			judge_rows_guarded(judge, rows);
			continue;
		}
		for (int row = 0; row < count && tuplestore_gettupleslot(rows, true, false, judge->slot); row++)
			take_row(judge, judge->verdicts + row * result->rule_count);
	}
	mdl_judge_end(judge);
}
