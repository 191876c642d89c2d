/*
 * train_query.c: the query that feeds an aggregate with the rows of a source.
 *
 * It runs as the caller, on one snapshot, so that two passes see the same rows and the caller's rights and row-level
 * security apply.  SPI only parses it: the plan is looked at before it is executed, and where the rows come from the scan
 * of one table the aggregate takes them from there itself, see train_scan.h.
 */
#include "train/train_scan.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/parse_param.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "train/train_pack.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

int
mdl_source_pack(const MdlSource *source)
{
	/* $1, another parameter, and the state of the transition function count too. */
	return source->n_columns > FUNC_MAX_ARGS - 5 ? MDL_PACK_COLUMNS : 0;
}

static char *
aggregate_sql(const MdlSource *source, const char *aggregate, bool second)
{
	StringInfoData sql;
	int			pack = mdl_source_pack(source);

	if (pack > 0 && source->n_columns > pack * (FUNC_MAX_ARGS - 5))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the source has %d columns, more than the %d that can be trained on", source->n_columns,
						pack * (FUNC_MAX_ARGS - 5)),
				 errhint("Name fewer columns in argument \"features\".")));
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT medallion.%s($1%s", aggregate, second ? ", $2" : "");
	for (int i = 0; i < source->n_columns; i++)
	{
		bool		starts_pack = pack > 0 && i % pack == 0;

		appendStringInfo(&sql, "%s, %s%s", starts_pack && i > 0 ? ")" : "", starts_pack ? "medallion._pack(" : "",
						 source->columns[i].expression);
	}
	appendStringInfo(&sql, "%s) FROM %s AS source", pack > 0 ? ")" : "", source->from);
	return sql.data;
}

double
mdl_source_estimate_rows(const MdlSource *source)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIPlanPtr	plan = SPI_prepare(psprintf("SELECT FROM %s AS source", source->from), 0, NULL);
	CachedPlan *cached = plan ? SPI_plan_get_cached_plan(plan) : NULL;
	double		rows = cached ? linitial_node(PlannedStmt, cached->stmt_list)->planTree->plan_rows : 0;

	if (cached != NULL)
		ReleaseCachedPlan(cached, NULL);	/* of a plan that is not saved no owner keeps count */
	if (plan != NULL)
		SPI_freeplan(plan);
	MemoryContextSwitchTo(caller);	/* SPI leaves its own */
	return rows;
}

/* ---- one row with one value ---------------------------------------------------------------------------------------- */

typedef struct ValueReceiver
{
	DestReceiver receiver;		/* must be first */
	MemoryContext memory;		/* of the value */
	bytea	   *value;			/* NULL: there was none */
} ValueReceiver;

static void
start_value(DestReceiver *self, int operation, TupleDesc columns)
{
	(void) self;
	(void) operation;
	(void) columns;
}

static bool
receive_value(TupleTableSlot *slot, DestReceiver *self)
{
	ValueReceiver *receiver = (ValueReceiver *) self;
	MemoryContext saved = MemoryContextSwitchTo(receiver->memory);
	bool		is_null;
	Datum		value = slot_getattr(slot, 1, &is_null);

	if (!is_null)
		receiver->value = DatumGetByteaPCopy(value);
	MemoryContextSwitchTo(saved);
	return true;
}

static void
end_value(DestReceiver *self)
{
	(void) self;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* Tells what was being run, as SPI does. */
static void
tell_statement(void *arg)
{
	const char *sql = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(sql);
	}
	else
		errcontext("SQL statement \"%s\"", sql);
}

/* The types of the parameters, for the parser; and what the parser knows: the relations that this connection of SPI offers. */
typedef struct Parsing
{
	Oid			types[2];
	int			n_types;
	QueryEnvironment *offered;
} Parsing;

static void
set_up_parser(ParseState *state, void *arg)
{
	Parsing    *parsing = arg;

	parsing->offered = state->p_queryEnv;
	setup_parse_fixed_parameters(state, parsing->types, parsing->n_types);
}

/* The analysed and rewritten statement. */
static Query *
parse_statement(const char *sql, Parsing *parsing)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIPlanPtr	plan = SPI_prepare_params(sql, set_up_parser, parsing, CURSOR_OPT_PARALLEL_OK);
	CachedPlanSource *source;
	Query	   *query;

	if (plan == NULL)
		elog(ERROR, "SPI could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	source = linitial(SPI_plan_get_plan_sources(plan));
	MemoryContextSwitchTo(caller);	/* SPI leaves its own */
	query = copyObject(linitial_node(Query, source->query_list));
	SPI_freeplan(plan);
	return query;
}

static PlannedStmt *
plan_statement(Query *query, const char *sql, const MdlSource *source, ParamListInfo params)
{
	PlannedStmt *statement = pg_plan_query(query, sql, CURSOR_OPT_PARALLEL_OK, params);

	if (!CommandIsReadOnly(statement))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a source that locks rows is not allowed in training"),
				 errhint("Leave FOR UPDATE and FOR SHARE out of the query.")));
	mdl_scan_take_over(statement, source, params->numParams);
	return statement;
}

static void
run_statement(PlannedStmt *statement, const char *sql, ParamListInfo params, QueryEnvironment *offered, DestReceiver *receiver)
{
	QueryDesc  *query = CreateQueryDesc(statement, sql, GetActiveSnapshot(), InvalidSnapshot, receiver, params, offered, 0);

	ExecutorStart(query, 0);
	ExecutorRun(query, ForwardScanDirection, 0, true);	/* without a limit and once, so in parallel */
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/* The parameters as constants that the planner may put into the plan. */
static ParamListInfo
make_params(bytea *plan, Oid second_type, Datum second)
{
	ParamListInfo params = makeParamList(2);

	params->params[0] = (ParamExternData) {PointerGetDatum(plan), false, PARAM_FLAG_CONST, BYTEAOID};
	params->params[1] = (ParamExternData) {second, false, PARAM_FLAG_CONST, second_type};
	params->numParams = OidIsValid(second_type) ? 2 : 1;
	return params;
}

bytea *
mdl_source_aggregate(const MdlSource *source, const char *aggregate, bytea *plan, Oid second_type, Datum second)
{
	ValueReceiver receiver = {{receive_value, start_value, end_value, end_value, DestNone}, CurrentMemoryContext, NULL};
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "medallion pass", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	ParamListInfo params = make_params(plan, second_type, second);
	char	   *sql = aggregate_sql(source, aggregate, OidIsValid(second_type));
	Parsing		parsing = {{BYTEAOID, second_type}, params->numParams, NULL};
	Query	   *query = parse_statement(sql, &parsing);
	ErrorContextCallback callback = {error_context_stack, tell_statement, sql};

	error_context_stack = &callback;
	run_statement(plan_statement(query, sql, source, params), sql, params, parsing.offered, &receiver.receiver);
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	return receiver.value;
}
