/*
 * past_shape.c: the shape that a table had at a point, and its rows in that shape.
 *
 * medallion.as_of() shows the past in today's columns.  medallion.columns_as_of() tells which columns there were, under
 * their names and types of then, and medallion.as_of_json() has the rows in them, as jsonb since no row type of the server
 * has that shape any more.  Grants of dropped columns are gone with them, so they are shown to the owner of the table only.
 */
#include "versioning/columns_int.h"
#include "versioning/past_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "storage/lmgr.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The column of today with an identity; 0 if it was dropped. */
static AttrNumber
column_today(const MdlTable *table, int32 column_id)
{
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i].nstorages > 0 && table->columns[i].column_id == column_id)
			return i + 1;
	return 0;
}

/* The phases that hold at a point and that the current user may see, in the order in which the columns were made. */
static List *
phases_at(const MdlTable *table, const MdlPoint *point)
{
	bool		owner = pg_class_ownercheck(table->relid, GetUserId());
	int			count;
	MdlPhase   *phases = mdl_columns_read(table->table_id, &count);
	List	   *result = NIL;

	for (int i = 0; i < count; i++)
	{
		if ((phases[i].since > 0 && !mdl_point_includes(point, phases[i].since)) ||
			(phases[i].until > 0 && mdl_point_includes(point, phases[i].until)))
			continue;
		if (owner || column_today(table, phases[i].column_id) > 0)
			result = lappend(result, &phases[i]);
	}
	return result;
}

/* What the arguments (relation, version, at) of a call mean. */
static MdlTable *
asked_point(FunctionCallInfo fcinfo, int64 *point)
{
	Oid			relid;
	int64		version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	TimestampTz at = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);

	mdl_require_argument(fcinfo, 0, "relation");
	relid = PG_GETARG_OID(0);
	/* Nobody may change the columns between the look at them and the query. */
	LockRelationOid(relid, AccessShareLock);
	(void) mdl_table_get(relid);
	mdl_require_privilege(relid, ACL_SELECT);
	*point = mdl_point_version(relid, PG_ARGISNULL(1) ? NULL : &version, PG_ARGISNULL(2) ? NULL : &at);
	return mdl_table_get(relid);
}

MDL_FUNCTION(mdl_columns_as_of);
Datum
mdl_columns_as_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		version;
	MdlTable   *table = asked_point(fcinfo, &version);
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, phases_at(table, mdl_point_resolve(version, NULL)))
	{
		const MdlPhase *phase = lfirst(cell);
		Datum		values[2] = {CStringGetTextDatum(phase->name), CStringGetTextDatum(phase->type)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_NULL();
}

/* How names of ours begin, so that no column of the shape has one of them. */
static char *
own_prefix(List *phases)
{
	char	   *prefix = pstrdup("_medallion_");

	for (int i = 0; i < list_length(phases); i++)
		if (strncmp(((MdlPhase *) list_nth(phases, i))->name, prefix, strlen(prefix)) == 0)
		{
			prefix = psprintf("%s_", prefix);
			i = -1;
		}
	return prefix;
}

/*
 * The query of the rows in the shape of then.  A row that is current now and was there at the point has all columns of the
 * point still, unless all current rows are younger.
 */
static Query *
shape_query(const MdlTable *table, List *phases, const MdlPoint *point)
{
	bool		current_rows = table->moved == 0 || mdl_point_includes(point, table->moved);
	StringInfoData names,
				base,
				history;
	ListCell   *cell;

	initStringInfo(&names);
	initStringInfo(&base);
	initStringInfo(&history);
	foreach(cell, phases)
	{
		const MdlPhase *phase = lfirst(cell);
		const char *separator = names.len > 0 ? ", " : "";
		const char *name = quote_identifier(phase->name);
		AttrNumber	today = column_today(table, phase->column_id);
		AttrNumber	kept = get_attnum(table->history, phase->history_column);

		if (kept == InvalidAttrNumber)
			continue;
		appendStringInfo(&names, "%s%s", separator, name);
		appendStringInfo(&history, "%s%s", separator, quote_identifier(phase->history_column));
		/* Of another type then, no current row was there: a change of type writes all rows anew. */
		if (current_rows && today > 0 && table->history_attno[today - 1] == kept)
			appendStringInfo(&base, "%s%s AS %s", separator, quote_identifier(get_attname(table->relid, today, false)), name);
		else
			appendStringInfo(&base, "%sNULL::%s AS %s", separator,
							 mdl_type_name(get_atttype(table->history, kept)), name);
	}
	return mdl_past_shape_query(table->relid, own_prefix(phases), names.data, base.data, history.data);
}

/* Runs a query with the version as its parameter into the result of the call. */
static void
run_query(Query *query, int64 version, ReturnSetInfo *result)
{
	ParamListInfo params = makeParamList(1);
	DestReceiver *receiver = CreateDestReceiver(DestTuplestore);
	PlannedStmt *plan;
	QueryDesc  *run;

	params->params[0].value = Int64GetDatum(version);
	params->params[0].isnull = false;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = INT8OID;
	/* Where a new snapshot can be had it is taken now, after the commits up to the version have ended. */
	PushActiveSnapshot(GetTransactionSnapshot());
	plan = pg_plan_query(query, "medallion.as_of_json()", 0, params);
	SetTuplestoreDestReceiverParams(receiver, result->setResult, CurrentMemoryContext, false, NULL, NULL);
	run = CreateQueryDesc(plan, "medallion.as_of_json()", GetActiveSnapshot(), InvalidSnapshot, receiver, params, NULL, 0);
	ExecutorStart(run, 0);
	ExecutorRun(run, ForwardScanDirection, 0, true);
	ExecutorFinish(run);
	ExecutorEnd(run);
	FreeQueryDesc(run);
	PopActiveSnapshot();
	receiver->rDestroy(receiver);
}

MDL_FUNCTION(mdl_as_of_json);
Datum
mdl_as_of_json(PG_FUNCTION_ARGS)
{
	int64		version;
	MdlTable   *table;
	const MdlPoint *point;
	List	   *phases;

	mdl_capture_show();
	table = asked_point(fcinfo, &version);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	point = mdl_point_resolve(version, NULL);
	phases = phases_at(table, point);
	if (phases != NIL)
	{
		Query	   *query = shape_query(table, phases, point);

		mdl_past_mark_sides(query, MDL_PAST_OF_CALL, version);
		run_query(query, version, (ReturnSetInfo *) fcinfo->resultinfo);
	}
	PG_RETURN_NULL();
}
