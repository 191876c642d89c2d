/*
 * as_of.c: the SQL functions of time travel: medallion.as_of itself, and those that past_query.c uses to tell for each
 * row whether it was there.
 *
 * As a function medallion.as_of runs only where the planner hook of past_expand.c did not see the call: the first one in
 * a session that did not preload the library, or with values of other FROM items; slower, with the same answer.
 */
#include "versioning/past_int.h"
#include "versioning/rows_int.h"

#include "access/tupconvert.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

Oid
mdl_table_of_row_type(Oid type)
{
	Oid			relid = OidIsValid(type) ? typeidTypeRelid(type) : InvalidOid;

	if (!OidIsValid(relid) ||
		(get_rel_relkind(relid) != RELKIND_RELATION && get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the first argument must have the row type of a versioned table, not type %s",
						OidIsValid(type) ? format_type_be(type) : "unknown"),
				 errhint("Write NULL::schema.table.")));
	return relid;
}

MDL_FUNCTION(mdl_as_of);
Datum
mdl_as_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			relid = mdl_table_of_row_type(get_fn_expr_argtype(fcinfo->flinfo, 0));
	int64		version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	TimestampTz at = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);
	int64		point = mdl_point_version(relid, PG_ARGISNULL(1) ? NULL : &version, PG_ARGISNULL(2) ? NULL : &at);
	TupleConversionMap *map;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	mdl_run(psprintf("SELECT * FROM medallion.as_of(NULL::%s, version => " INT64_FORMAT ")", mdl_qualified_name(relid), point),
			NULL, true);
	map = convert_tuples_by_position(SPI_tuptable->tupdesc, result->setDesc, "the past of a table does not have its row type");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, map == NULL ? SPI_tuptable->vals[i]
							: execute_attr_map_tuple(SPI_tuptable->vals[i], map));
	SPI_finish();
	PG_RETURN_NULL();
}

MDL_FUNCTION(mdl_history_rows);
Datum
mdl_history_rows(PG_FUNCTION_ARGS)
{
	elog(ERROR, "medallion._history_rows() is replaced by the planner and cannot be run");
	PG_RETURN_NULL();
}

MDL_FUNCTION(mdl_point);
Datum
mdl_point(PG_FUNCTION_ARGS)
{
	int64		version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	TimestampTz at = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_INT64(mdl_point_version(PG_GETARG_OID(0), PG_ARGISNULL(1) ? NULL : &version, PG_ARGISNULL(2) ? NULL : &at));
}

/* What a visibility function keeps between the rows of one execution. */
typedef struct PointState
{
	int64		asked;
	MdlPoint	point;
	uint32		reference;		/* an id not older than any row of the statement but its own */
	int64		low_age;		/* reference - low, as ages */
	int64		high_age;
	bool		ids_repeat;		/* an age may be that of an older row with the same bits */
	MdlBirths  *births;			/* of the table asked last, if they do */
} PointState;

static PointState *
point_state(FunctionCallInfo fcinfo, int64 version, bool check_snapshot)
{
	PointState *state = fcinfo->flinfo->fn_extra;
	const MdlPoint *point;
	MemoryContext saved;
	int64		reference;

	if (likely(state != NULL && state->asked == version))
		return state;
	point = mdl_point_resolve(version, check_snapshot && ActiveSnapshotSet() ? GetActiveSnapshot() : NULL);
	if (state == NULL)
		state = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(PointState));
	else if (state->point.exceptions != NULL)
		pfree(state->point.exceptions);
	state->point = *point;
	saved = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	state->point.exceptions = palloc(Max(point->nexceptions, 1) * sizeof(int64));
	memcpy(state->point.exceptions, point->exceptions, point->nexceptions * sizeof(int64));
	MemoryContextSwitchTo(saved);
	reference = U64FromFullTransactionId(ReadNextFullTransactionId());
	state->reference = (uint32) reference;
	state->low_age = reference + point->stamp_offset - point->low;
	state->high_age = reference + point->stamp_offset - point->high;
	state->ids_repeat = mdl_ids_repeat();
	state->asked = version;
	return state;
}

/* The same where ids repeat: see births.c. */
static bool
repeated_born_by(FunctionCallInfo fcinfo, PointState *state, Oid relid, ItemPointer tid, TransactionId xmin)
{
	if (mdl_row_is_own(relid, tid, xmin))
		return false;
	/* Where even the newest id with these bits is old enough, all are. */
	if ((int64) (uint32) (state->reference - xmin) > state->low_age && xmin != state->reference)
		return true;
	if (state->births == NULL || mdl_births_relation(state->births) != relid)
		state->births = mdl_births_create(relid, fcinfo->flinfo->fn_mcxt);
	return mdl_point_includes(&state->point, mdl_births_stamp(state->births, tid, xmin));
}

/* Whether a row that the statement sees was born by a version: two comparisons of ages, nearly always. */
MDL_FUNCTION(mdl_born_by);
Datum
mdl_born_by(PG_FUNCTION_ARGS)
{
	TransactionId xmin = PG_GETARG_TRANSACTIONID(2);
	PointState *state = point_state(fcinfo, PG_GETARG_INT64(3), true);
	int32		distance = (int32) (xmin - state->reference);
	int64		age;

	if (unlikely(!TransactionIdIsNormal(xmin)))
		PG_RETURN_BOOL(true);	/* frozen by an old server, or at bootstrap */
	if (unlikely(state->ids_repeat))
		PG_RETURN_BOOL(repeated_born_by(fcinfo, state, PG_GETARG_OID(0), (ItemPointer) PG_GETARG_POINTER(1), xmin));
	if (unlikely(distance >= 0 && TransactionIdIsCurrentTransactionId(xmin)))
		PG_RETURN_BOOL(false);
	age = (uint32) (state->reference - xmin);
	if (likely(age > state->low_age))
		PG_RETURN_BOOL(true);
	if (age <= state->high_age)
		PG_RETURN_BOOL(false);
	if (TransactionIdIsCurrentTransactionId(xmin))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(mdl_point_includes(&state->point, state->point.low + state->low_age - age));
}

MDL_FUNCTION(mdl_alive_at);
Datum
mdl_alive_at(PG_FUNCTION_ARGS)
{
	PointState *state = point_state(fcinfo, PG_GETARG_INT64(2), true);

	PG_RETURN_BOOL(mdl_point_includes(&state->point, PG_GETARG_INT64(0)) &&
				   !mdl_point_includes(&state->point, PG_GETARG_INT64(1)));
}

MDL_FUNCTION(mdl_low_of);
Datum
mdl_low_of(PG_FUNCTION_ARGS)
{
	/* The planner may ask for its estimates, with a snapshot that is too old for the rows but not for this. */
	PG_RETURN_INT64(point_state(fcinfo, PG_GETARG_INT64(0), false)->point.low);
}
