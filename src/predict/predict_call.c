/*
 * predict_call.c: one place in a query that predicts.
 *
 * The model reference is resolved once per statement, under the statement's snapshot: all rows, parallel workers and
 * other calls of the statement see the same version.  fn_extra may outlive a statement (PL/pgSQL keeps simple
 * expressions for a transaction), so each call compares the snapshot with that of its resolution.  Equal xmin, xmax,
 * counts and command id mean equal visibility: with xmax unchanged transactions can only leave the list of those in
 * progress, which makes it shorter.
 */
#include "predict/predict_int.h"

#include <math.h>

#include "access/htup_details.h"
#include "base/progress.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

MdlPredictCount *mdl_predict_count = NULL;

static void
release_model(void *argument)
{
	MdlPredictCall *call = argument;

	if (call->cached != NULL)
		mdl_model_cache_unpin(call->cached);
	call->cached = NULL;
}

static MdlPredictCall *
new_call(FunctionCallInfo fcinfo)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	MdlPredictCall *call = MemoryContextAllocZero(context, sizeof(MdlPredictCall));
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));

	call->context = context;
	callback->func = release_model;
	callback->arg = call;
	MemoryContextRegisterResetCallback(context, callback);
	call->map_context = AllocSetContextCreate(context, "medallion prediction", ALLOCSET_SMALL_SIZES);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

static inline bool
same_statement(const MdlPredictCall *call, Snapshot snapshot)
{
	return snapshot->xmax == call->xmax && snapshot->xmin == call->xmin && snapshot->xcnt == call->xcnt &&
		snapshot->subxcnt == call->subxcnt && snapshot->curcid == call->command && GetUserId() == call->user;
}

/* Finds the version that the reference means now; keeps the column map if it is the version that was. */
static void
resolve(MdlPredictCall *call, text *reference, Snapshot snapshot)
{
	MdlModelVersion version;
	MdlCachedModel *cached;
	MemoryContext old;
	char	   *name = text_to_cstring(reference);

	if (call->reference != NULL)
		pfree(call->reference);
	call->reference = NULL;		/* not resolved, should an error come */
	mdl_model_resolve(name, MDL_MODEL_PREDICT, &version);
	cached = mdl_model_cache_get(version.version_id, version.model);
	if (cached != call->cached)
	{
		MemoryContextReset(call->map_context);
		call->map = NULL;
		if (call->cached != NULL)
			mdl_model_cache_unpin(call->cached);
		call->cached = cached;
		old = MemoryContextSwitchTo(call->map_context);
		call->name = pstrdup(version.model);
		call->out = palloc(sizeof(double) * Max(Max(ml_model_width(cached->model), ml_model_n_components(cached->model)),
												Max(ml_model_n_terms(cached->model), 1)));
		MemoryContextSwitchTo(old);
	}
	else
		mdl_model_cache_unpin(cached);
	call->version = version.version;
	call->xmin = snapshot->xmin;
	call->xmax = snapshot->xmax;
	call->xcnt = snapshot->xcnt;
	call->subxcnt = snapshot->subxcnt;
	call->command = snapshot->curcid;
	call->user = GetUserId();
	call->reference_length = VARSIZE_ANY_EXHDR(reference);
	call->reference = MemoryContextAlloc(call->context, call->reference_length + 1);
	memcpy(call->reference, VARDATA_ANY(reference), call->reference_length);
}

MdlPredictCall *
mdl_predict_call(FunctionCallInfo fcinfo)
{
	MdlPredictCall *call = fcinfo->flinfo->fn_extra;
	Snapshot	snapshot = GetActiveSnapshot();
	text	   *reference;

	mdl_require_argument(fcinfo, 0, "model");
	reference = PG_GETARG_TEXT_PP(0);
	if (call == NULL)
		call = new_call(fcinfo);
	if (call->reference == NULL || VARSIZE_ANY_EXHDR(reference) != call->reference_length ||
		memcmp(VARDATA_ANY(reference), call->reference, call->reference_length) != 0 ||
		!same_statement(call, snapshot))
		resolve(call, reference, snapshot);
	return call;
}

/* Makes the column map for rows of that type; kept until a row of another type comes. */
static void
map_rows(MdlPredictCall *call, Oid type, int32 typmod)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(type, typmod);

	call->map = mdl_input_map(call->cached->model, call->name, desc, call->map_context);
	ReleaseTupleDesc(desc);
	call->row_type = type;
	call->row_typmod = typmod;
}

/* The values of the columns that tell which part of a model a row belongs to. */
static char *
row_key(const MdlPredictCall *call)
{
	StringInfoData key;

	initStringInfo(&key);
	for (int i = 0; i < ml_model_n_keys(call->cached->model); i++)
		appendStringInfo(&key, "%s%s = %.*s", i ? ", " : "", ml_model_column_name(call->cached->model, i),
						 call->map->nulls[i] ? 4 : (int) call->map->texts[i].length,
						 call->map->nulls[i] ? "NULL" : call->map->texts[i].data);
	return key.data;
}

static void
refuse_value(const MdlPredictCall *call, const ml_row_state *state)
{
	const char *column = ml_model_column_name(call->cached->model, state->column);
	const ml_text *text = &call->map->texts[state->column];

	if (state->column < ml_model_n_keys(call->cached->model))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" has no part for %s", call->name, row_key(call)),
				 errhint("Its parts are in the view medallion.model_parts.")));
	if (state->problem == ML_PROBLEM_NOT_FINITE && isfinite(call->map->numbers[state->column]))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("column \"%s\" is %g, but must be above 0, as model \"%s\" takes its logarithm or power", column,
						call->map->numbers[state->column], call->name),
				 errhint("Give NULL for a value that is not known.")));
	if (state->problem == ML_PROBLEM_NOT_FINITE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("column \"%s\" is %s, which model \"%s\" cannot use", column,
						isnan(call->map->numbers[state->column]) ? "NaN" : "infinite", call->name),
				 errhint("Give NULL for a value that is not known.")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" has the value \"%.*s\", which model \"%s\" did not see in training",
					column, (int) text->length, text->data, call->name),
			 errhint("Give NULL for a value that is not known, or train with unknown values allowed.")));
}

typedef ml_status (*RowFunction) (const ml_model *model, const ml_values *columns, size_t n, double *out,
								  ml_row_state *rows, ml_error *err);

/* Does something with argument 1; false when the result is NULL. */
static bool
apply_to_input(FunctionCallInfo fcinfo, MdlPredictCall *call, RowFunction function)
{
	HeapTupleHeader row;
	ml_row_state state;
	ml_status	status;
	ml_error	err;

	if (PG_ARGISNULL(1))
		return false;
	row = PG_GETARG_HEAPTUPLEHEADER(1);
	if (call->map == NULL || HeapTupleHeaderGetTypeId(row) != call->row_type ||
		HeapTupleHeaderGetTypMod(row) != call->row_typmod)
		map_rows(call, HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	mdl_input_read(call->map, row);
	err.message[0] = err.hint[0] = '\0';
	status = function(call->cached->model, call->map->values, 1, call->out, &state, &err);
	if (status != ML_OK)
		mdl_raise_ml(status, &err, call->name);
	if (state.problem == ML_PROBLEM_NONE)
		return true;
	if (state.problem != ML_PROBLEM_NULL)
		refuse_value(call, &state);
	return false;
}

bool
mdl_predict_input(FunctionCallInfo fcinfo, MdlPredictCall *call)
{
	return apply_to_input(fcinfo, call, ml_model_predict);
}

bool
mdl_transform_input(FunctionCallInfo fcinfo, MdlPredictCall *call)
{
	return apply_to_input(fcinfo, call, ml_model_transform);
}

static ml_status
design_row(const ml_model *model, const ml_values *columns, size_t n, double *out, ml_row_state *rows, ml_error *err)
{
	return ml_model_design(model, columns, 0, n, out, rows, err);
}

bool
mdl_design_input_row(FunctionCallInfo fcinfo, MdlPredictCall *call)
{
	return apply_to_input(fcinfo, call, design_row);
}
