/*
 * bulk_load.c: rows into a table, with everything that COPY FROM does: defaults, generated columns, constraints,
 * indexes, triggers, and many rows per write.
 *
 * A *statement* is what triggers take for one: statement triggers fire around it, and AFTER ROW triggers at its end.
 * Their queue is held in memory, so a statement ends after STATEMENT_ROWS rows and a new one begins; memory stays
 * bounded whatever the size of the load.  Rows of a statement are visible to the triggers of the next.
 */
#include "lake/ingest_int.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/memutils.h"
#include "versioning/versioning.h"

#define BATCH_ROWS		1000
#define BATCH_BYTES		(1024 * 1024)
#define STATEMENT_ROWS	100000

struct MdlLoader
{
	Relation	relation;
	EState	   *estate;
	ResultRelInfo *result;
	BulkInsertState bulk;
	TransitionCaptureState *capture;
	MemoryContext context;		/* values of the rows not yet written */
	CommandId	command;
	int			options;		/* of table_multi_insert */
	int			batch_rows;		/* 1 where a row's trigger or default may look at the rows before it */
	int			default_count;
	int		   *default_atts;	/* index of the column */
	ExprState **defaults;
	TupleTableSlot *slots[BATCH_ROWS];
	int64		numbers[BATCH_ROWS];
	int			count;
	int64		statement_rows;
};

static void
begin_statement(MdlLoader *loader)
{
	loader->command = GetCurrentCommandId(true);
	AfterTriggerBeginQuery();
	loader->capture = MakeTransitionCaptureState(loader->relation->trigdesc, RelationGetRelid(loader->relation),
												 CMD_INSERT);
	ExecBSInsertTriggers(loader->estate, loader->result);
	loader->statement_rows = 0;
}

static void
end_statement(MdlLoader *loader)
{
	ExecASInsertTriggers(loader->estate, loader->result, loader->capture);
	AfterTriggerEndQuery(loader->estate);
	CommandCounterIncrement();
}

/* Prepares the defaults of the columns that the caller does not fill. */
static void
prepare_defaults(MdlLoader *loader, const bool *filled)
{
	TupleDesc	tupdesc = RelationGetDescr(loader->relation);

	loader->default_atts = palloc(tupdesc->natts * sizeof(int));
	loader->defaults = palloc(tupdesc->natts * sizeof(ExprState *));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Expr	   *expression;

		if (filled[i] || att->attisdropped || att->attgenerated != '\0')
			continue;
		expression = (Expr *) build_column_default(loader->relation, i + 1);
		if (expression == NULL)
			continue;
		expression = expression_planner(expression);
		if (contain_volatile_functions_not_nextval((Node *) expression))
			loader->batch_rows = 1;
		loader->default_atts[loader->default_count] = i;
		loader->defaults[loader->default_count++] = ExecInitExpr(expression, NULL);
	}
}

MdlLoader *
mdl_loader_begin(Oid relid, const bool *filled, bool skip_indexes)
{
	MdlLoader  *loader = palloc0(sizeof(MdlLoader));
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	TriggerDesc *triggers;

	mdl_refuse_while_travelling("a load");
	entry->rtekind = RTE_RELATION;
	entry->relid = relid;
	entry->relkind = RELKIND_RELATION;
	entry->rellockmode = RowExclusiveLock;
	entry->requiredPerms = ACL_INSERT;
	loader->estate = CreateExecutorState();
	ExecInitRangeTable(loader->estate, list_make1(entry));
	loader->result = makeNode(ResultRelInfo);
	ExecInitResultRelation(loader->estate, loader->result, 1);
	CheckValidResultRel(loader->result, CMD_INSERT);
	loader->relation = loader->result->ri_RelationDesc;
	if (!skip_indexes)
		ExecOpenIndices(loader->result, false);

	loader->context = AllocSetContextCreate(CurrentMemoryContext, "medallion rows to write", ALLOCSET_DEFAULT_SIZES);
	loader->batch_rows = BATCH_ROWS;
	prepare_defaults(loader, filled);
	triggers = loader->relation->trigdesc;
	if (triggers != NULL && triggers->trig_insert_before_row)
		loader->batch_rows = 1;
	for (int i = 0; i < loader->batch_rows; i++)
		loader->slots[i] = table_slot_create(loader->relation, NULL);

	/* A table made by this transaction has no free space to look for. */
	if (loader->relation->rd_createSubid != InvalidSubTransactionId ||
		loader->relation->rd_firstRelfilenodeSubid != InvalidSubTransactionId)
		loader->options |= TABLE_INSERT_SKIP_FSM;
	loader->bulk = GetBulkInsertState();
	begin_statement(loader);
	return loader;
}

TupleTableSlot *
mdl_loader_row(MdlLoader *loader)
{
	TupleTableSlot *slot = loader->slots[loader->count];

	Assert(loader->count < loader->batch_rows);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	return slot;
}

MemoryContext
mdl_loader_context(const MdlLoader *loader)
{
	return loader->context;
}

bool
mdl_loader_add(MdlLoader *loader, int64 number)
{
	TupleTableSlot *slot = loader->slots[loader->count];
	ExprContext *expressions = GetPerTupleExprContext(loader->estate);
	TupleConstr *constraints = RelationGetDescr(loader->relation)->constr;
	MemoryContext caller = MemoryContextSwitchTo(loader->context);

	for (int i = 0; i < loader->default_count; i++)
	{
		int			att = loader->default_atts[i];

		slot->tts_values[att] = ExecEvalExpr(loader->defaults[i], expressions, &slot->tts_isnull[att]);
	}
	MemoryContextSwitchTo(caller);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(loader->relation);

	if (loader->relation->trigdesc != NULL && loader->relation->trigdesc->trig_insert_before_row &&
		!ExecBRInsertTriggers(loader->estate, loader->result, slot))
		return true;			/* a trigger has left the row out */
	if (constraints != NULL)
	{
		if (constraints->has_generated_stored)
			ExecComputeStoredGenerated(loader->result, loader->estate, slot, CMD_INSERT);
		ExecConstraints(loader->result, slot, loader->estate);
	}
	if (loader->relation->rd_rel->relispartition)
		ExecPartitionCheck(loader->result, slot, loader->estate, true);
	loader->numbers[loader->count++] = number;
	return loader->count == loader->batch_rows ||
		MemoryContextMemAllocated(loader->context, false) > BATCH_BYTES;
}

void
mdl_loader_flush(MdlLoader *loader, int64 *number)
{
	ResultRelInfo *result = loader->result;
	MemoryContext caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(loader->estate));
	bool		after_row = loader->relation->trigdesc != NULL &&
		(loader->relation->trigdesc->trig_insert_after_row || loader->relation->trigdesc->trig_insert_new_table);

	CHECK_FOR_INTERRUPTS();
	if (loader->count > 0)
		table_multi_insert(loader->relation, loader->slots, loader->count, loader->command, loader->options,
						   loader->bulk);
	MemoryContextSwitchTo(caller);
	for (int i = 0; i < loader->count; i++)
	{
		List	   *recheck = NIL;

		*number = loader->numbers[i];
		if (result->ri_NumIndices > 0)
			recheck = ExecInsertIndexTuples(result, loader->slots[i], loader->estate, false, false, NULL, NIL);
		if (after_row)
			ExecARInsertTriggers(loader->estate, result, loader->slots[i], recheck, loader->capture);
		list_free(recheck);
		ExecClearTuple(loader->slots[i]);
	}
	loader->statement_rows += loader->count;
	loader->count = 0;
	ResetPerTupleExprContext(loader->estate);
	MemoryContextReset(loader->context);
	if (loader->statement_rows >= STATEMENT_ROWS)
	{
		end_statement(loader);
		begin_statement(loader);
	}
}

void
mdl_loader_end(MdlLoader *loader)
{
	Assert(loader->count == 0);
	FreeBulkInsertState(loader->bulk);
	end_statement(loader);
	for (int i = 0; i < loader->batch_rows; i++)
		ExecDropSingleTupleTableSlot(loader->slots[i]);
	table_finish_bulk_insert(loader->relation, loader->options);
	ExecResetTupleTable(loader->estate->es_tupleTable, false);
	ExecCloseResultRelations(loader->estate);
	ExecCloseRangeTableRelations(loader->estate);
	FreeExecutorState(loader->estate);
	MemoryContextDelete(loader->context);
}
