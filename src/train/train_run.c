/*
 * train_run.c: medallion.train(): a request is checked, its source read, the model fitted, measured and registered.
 *
 * Everything happens in the caller's transaction on one snapshot.  An error anywhere leaves nothing behind.
 */
#include "train/train_parts.h"

#include "access/xact.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "versioning/versioning.h"

/* Versioning may be absent from a build; then nothing is versioned. */
#pragma weak mdl_is_versioned
#pragma weak mdl_settled_version
#pragma weak mdl_snapshot_version

/* ---- the snapshot and what it sees ----------------------------------------------------------------------------- */

/*
 * A snapshot may see a part of a commit's successors; then we wait for those in flight and take another, so that
 * as_of(version) can show the same rows.
 */
int64
mdl_training_push_snapshot(void)
{
	for (int attempt = 0;; attempt++)
	{
		bool		exact = true;
		int64		version;

		PushCopiedSnapshot(GetTransactionSnapshot());
		UpdateActiveSnapshotCommandId();
		if (mdl_snapshot_version == NULL)
			return 0;
		version = mdl_snapshot_version(GetActiveSnapshot(), &exact);
		if (exact || attempt >= 5 || IsolationUsesXactSnapshot())
			return version;
		PopActiveSnapshot();
		mdl_settled_version();
	}
}

Jsonb *
mdl_training_data_commits(const MdlTraining *t)
{
	JsonbParseState *state = NULL;
	ListCell   *cell;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(cell, t->source.relations)
	{
		Oid			relid = lfirst_oid(cell);

		if (mdl_is_versioned != NULL && mdl_is_versioned(relid))
			mdl_jsonb_push_number(&state, mdl_display_name(relid), (double) t->data_version);
	}
	return mdl_jsonb_finish(&state);
}

/* ---- training -------------------------------------------------------------------------------------------------- */

void
mdl_training_check_request(const MdlTrainRequest *request)
{
	if (request->deploy != NULL && strcmp(request->deploy, "always") != 0 && strcmp(request->deploy, "if_better") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"deploy\" cannot be \"%s\"", request->deploy),
				 errhint("Values are: always, if_better, or NULL for no deployment.")));
	mdl_model_check_new(request->model, NULL);
}

MdlTraining *
mdl_training_begin(const MdlTrainRequest *request, MemoryContext parent)
{
	MemoryContext memory = AllocSetContextCreate(parent, "medallion training", ALLOCSET_DEFAULT_SIZES);
	MdlTraining *t = MemoryContextAllocZero(memory, sizeof(MdlTraining));

	t->memory = memory;
	t->request = request;
	INSTR_TIME_SET_CURRENT(t->start);
	return t;
}

void
mdl_training_read(MdlTraining *t)
{
	MemoryContext caller = CurrentMemoryContext;

	mdl_training_check_request(t->request);
	t->data_version = mdl_training_push_snapshot();
	MemoryContextSwitchTo(t->memory);
	pushJsonbValue(&t->metrics, WJB_BEGIN_OBJECT, NULL);
	mdl_training_prepare(t, t->request, 1);
	/* Whether a classification has two classes or more is known later, but most mistakes are found before any work. */
	if (t->task == ML_REGRESSION || t->task > ML_MULTICLASS)
		mdl_model_check_new(t->request->model, ml_task_name(t->task));
	if (t->class_sums)
		mdl_training_fit_classes(t);
	if (!t->streaming)
		mdl_training_read_matrix(t);
	else if (!t->class_sums)
	{
		mdl_training_fit_gram(t);
		if (t->split.holdout)
			mdl_training_score_holdout(t);
	}
	t->data_commits = mdl_training_data_commits(t);
	MemoryContextSwitchTo(caller);
	PopActiveSnapshot();
}

void
mdl_training_fit(MdlTraining *t)
{
	MemoryContext caller = MemoryContextSwitchTo(t->memory);

	if (!t->streaming)
		mdl_training_fit_matrix(t);
	MemoryContextSwitchTo(caller);
}

void
mdl_training_register(MdlTraining *t, MdlTrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	instr_time	now;

	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	MemoryContextSwitchTo(t->memory);
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, t->start);
	mdl_training_phase(t, "registering", -1);
	mdl_training_record(t, INSTR_TIME_GET_DOUBLE(now), result);
	mdl_training_phase(t, NULL, -1);
	MemoryContextSwitchTo(caller);
	PopActiveSnapshot();
}

void
mdl_training_end(MdlTraining *t)
{
	MemoryContextDelete(t->memory);
}

static void
train_parts(const MdlTrainRequest *request, MemoryContext memory, MdlTrainResult *result)
{
	MdlPartsTraining *p = mdl_parts_begin(request, memory);
	MdlTraining *t;

	mdl_parts_read(p);
	while ((t = mdl_parts_next(p)) != NULL)
		mdl_parts_fit(p, t);
	mdl_parts_register(p, result);
}

void
mdl_train(const MdlTrainRequest *request, MdlTrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(caller, "medallion training of a statement", ALLOCSET_SMALL_SIZES);

	mdl_progress_begin("train", request->model);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (request->n_partition > 0)
		train_parts(request, memory, result);
	else
	{
		MdlTraining *t = mdl_training_begin(request, memory);

		mdl_training_read(t);
		mdl_training_fit(t);
		mdl_training_register(t, result);
	}
	SPI_finish();
	MemoryContextSwitchTo(caller);
	result->metrics = (Jsonb *) pg_detoast_datum_copy((struct varlena *) result->metrics);
	MemoryContextDelete(memory);
	mdl_progress_end();
}

/* ---- the SQL function ------------------------------------------------------------------------------------------ */

/* A text[] argument as an array of strings; *count is -1 for NULL. */
static const char *const *
text_array(FunctionCallInfo fcinfo, int index, const char *name, int *count)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	const char **names;

	*count = -1;
	if (PG_ARGISNULL(index))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(index);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	names = palloc(sizeof(char *) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain NULL", name)));
		names[i] = TextDatumGetCString(elements[i]);
	}
	return names;
}

static void
read_request(FunctionCallInfo fcinfo, MdlTrainRequest *request)
{
	memset(request, 0, sizeof(*request));
	request->model = mdl_required_text(fcinfo, 0, "model");
	request->source = mdl_required_text(fcinfo, 1, "source");
	request->target = mdl_optional_text(fcinfo, 2);
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"algorithm\" must not be NULL"),
				 errhint("See the view medallion.algorithms for what there is.")));
	request->algorithm = mdl_required_text(fcinfo, 3, "algorithm");
	request->params = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);
	request->features = text_array(fcinfo, 5, "features", &request->n_features);
	request->exclude = text_array(fcinfo, 6, "exclude", &request->n_exclude);
	request->n_exclude = Max(request->n_exclude, 0);
	request->preprocess = PG_ARGISNULL(7) ? NULL : PG_GETARG_JSONB_P(7);
	request->validation = PG_ARGISNULL(8) ? NULL : PG_GETARG_JSONB_P(8);
	request->partition = text_array(fcinfo, 9, "partition_by", &request->n_partition);
	request->n_partition = Max(request->n_partition, 0);
	request->seed = PG_ARGISNULL(10) ? 0 : PG_GETARG_INT64(10);
	request->deploy = mdl_optional_text(fcinfo, 11);
	request->reproducible = !PG_ARGISNULL(12) && PG_GETARG_BOOL(12);
	request->weight = mdl_optional_text(fcinfo, 13);
}

/* Has it trained in the background; the row tells its number, and nothing that is not known yet. */
static Datum
train_later(const MdlTrainRequest *request, TupleDesc columns)
{
	JsonbParseState *state = NULL;
	Datum		values[6] = {0};
	bool		nulls[6] = {false, true, false, true, true, false};

	mdl_training_check_request(request);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	mdl_jsonb_push_number(&state, "training_id", (double) mdl_train_later(request));
	values[0] = CStringGetTextDatum(request->model);
	values[2] = CStringGetTextDatum(request->algorithm);
	values[5] = JsonbPGetDatum(mdl_jsonb_finish(&state));
	return HeapTupleGetDatum(heap_form_tuple(columns, values, nulls));
}

MDL_SHIM_TARGET(mdl_train_sql);
Datum
mdl_train_sql_impl(PG_FUNCTION_ARGS)
{
	MdlTrainRequest request;
	MdlTrainResult result = {0};
	TupleDesc	columns;
	Datum		values[6];
	bool		nulls[6] = {false};

	PreventCommandIfReadOnly("medallion.train()");
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	columns = BlessTupleDesc(columns);
	read_request(fcinfo, &request);
	if (!PG_ARGISNULL(14) && PG_GETARG_BOOL(14))
		PG_RETURN_DATUM(train_later(&request, columns));
	mdl_train(&request, &result);
	values[0] = CStringGetTextDatum(result.model);
	values[1] = Int32GetDatum(result.version);
	values[2] = CStringGetTextDatum(result.algorithm);
	values[3] = Int64GetDatum(result.rows);
	values[4] = Float8GetDatum(result.seconds);
	values[5] = JsonbPGetDatum(result.metrics);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(columns, values, nulls)));
}
