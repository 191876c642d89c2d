/*
 * train_from_state.c: medallion.train_from_state(): the model of a state of naive_bayes_state, linear_state or pca_state.
 *
 * The training is that of train(), from where the sums of the rows are there.
 */
#include "train/train_classes.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "train/train_states.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* What a state tells of a column that it was gathered from. */
typedef struct StateColumn
{
	MdlRole		role;
	MdlWire		wire;
	ml_kind		kind;
	int			length;
} StateColumn;

/* ---- the columns --------------------------------------------------------------------------------------------------- */

static const char *
type_name_of(const StateColumn *column)
{
	static const char *const names[] = {"", "double precision", "real", "smallint", "integer", "bigint", "boolean", "text", "double precision[]"};

	return column->kind == ML_BOOLEAN ? "boolean" : names[column->wire];
}

/* The names of the features, then of the target, then of the weight, as far as there are such columns. */
static char **
column_names(const MdlTraining *t, const StateColumn *columns, int n_columns, ArrayType *features)
{
	char	  **names = palloc(sizeof(char *) * n_columns);
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int			n_features = 0;

	while (n_features < n_columns && columns[n_features].role == MDL_ROLE_FEATURE)
		n_features++;
	deconstruct_array(features, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if (count != n_features)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"features\" has %d names, but the state was gathered from %d features", count, n_features)));
	for (int i = 0; i < n_columns; i++)
	{
		if (i < count && nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"features\" must not contain NULL")));
		names[i] = i < count ? TextDatumGetCString(elements[i]) : columns[i].role == MDL_ROLE_TARGET ? pstrdup(t->request->target) : pstrdup("weight");
		for (int k = 0; k < i && columns[i].role != MDL_ROLE_WEIGHT; k++)
			if (strcmp(names[k], names[i]) == 0)
				ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN), errmsg("two columns have the name \"%s\"", names[i])));
	}
	return names;
}

/* The columns of a training as if the state had been read from a source with them. */
static void
describe_source(MdlTraining *t, const StateColumn *columns, int n_columns, ArrayType *features)
{
	char	  **names = column_names(t, columns, n_columns, features);

	t->source.n_columns = t->plan.n_columns = n_columns;
	t->source.columns = palloc0(sizeof(MdlSourceColumn) * n_columns);
	t->plan.columns = palloc0(sizeof(MdlRowColumn) * n_columns);
	t->plan.n_folds = 1;
	for (int i = 0; i < n_columns; i++)
	{
		MdlSourceColumn *column = &t->source.columns[i];

		column->name = names[i];
		column->type_name = pstrdup(type_name_of(&columns[i]));
		column->role = t->plan.columns[i].role = columns[i].role;
		column->wire = t->plan.columns[i].wire = columns[i].wire;
		column->kind = t->plan.columns[i].kind = columns[i].kind;
		column->length = t->plan.columns[i].length = columns[i].length;
		t->source.n_features += columns[i].role == MDL_ROLE_FEATURE;
	}
	mdl_row_plan_derive(&t->plan);
	t->preps = palloc0(sizeof(MdlColumnPrep) * (t->source.n_features + 1));
}

/* ---- naive Bayes --------------------------------------------------------------------------------------------------- */

static void
fit_classes(MdlTraining *t, MdlClassHead *head, Jsonb *params, ArrayType *features)
{
	StateColumn *columns = palloc(sizeof(StateColumn) * head->n_columns);
	int			type = ml_estimator_param(t->estimator, "type");
	int			folds;

	if (params != NULL && mdl_jsonb_is_text(params, "type") && t->params[type] != head->type)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the state is of type \"%s\"", ml_param_word(&t->estimator->params[type], head->type))));
	t->params[type] = head->type;
	if (t->params[ml_estimator_param(t->estimator, "binarize")] != head->threshold ||
		mdl_params_calibration(t->estimator, t->params, &folds) != ML_CALIBRATE_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("parameters \"binarize\" and \"calibration\" need the rows, which a state has not")));
	t->task = ML_BINARY;
	t->class_sums = true;
	t->max_categories = head->max_categories;
	for (int i = 0; i < head->n_columns; i++)
	{
		const MdlClassColumn *from = &mdl_class_columns(head)[i];

		columns[i] = (StateColumn) {from->role, from->wire, from->kind, from->length};
	}
	describe_source(t, columns, head->n_columns, features);
	mdl_training_fit_class_state(t, head);
}

/* ---- linear models, components ------------------------------------------------------------------------------------- */

/* The task of a state's models; raises for an algorithm that needs more of the rows. */
static ml_task
task_of(const MdlTraining *t, const MdlMomentsState *s)
{
	ml_task		task = s->kind == MDL_MOMENTS_LINEAR ? ML_REGRESSION : ML_DECOMPOSITION;
	bool		folds = t->estimator->folds != NULL && t->estimator->folds(t->params) > 1;

	if (t->estimator->form != ML_FORM_GRAM || (t->estimator->tasks & ML_TASK_BIT(task)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("algorithm \"%s\" cannot learn from this state", t->estimator->name),
				 task == ML_REGRESSION ? errhint("A state of medallion.linear_state is for linear, ridge, lasso and elastic_net.") :
				 errhint("A state of medallion.pca_state is for pca and truncated_svd.")));
	if (folds)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a cross-validation needs the rows, which a state has not"),
				 errhint("Give \"alpha\" as a number.")));
	return task;
}

static void
fit_moments(MdlTraining *t, MdlMomentsState *s, ArrayType *features)
{
	const int32 *lengths = mdl_moments_lengths(s);
	StateColumn *columns = palloc(sizeof(StateColumn) * (s->n_features + 1));
	ml_gram_source *sources = palloc(sizeof(ml_gram_source) * s->n);
	ml_train_input input = {0};
	ml_gram		gram;
	int			n = 0;

	t->task = task_of(t, s);
	for (int i = 0; i < s->n_features; i++)
	{
		bool		is_vector = lengths[i] > 0;

		columns[i] = (StateColumn) {MDL_ROLE_FEATURE, is_vector ? MDL_WIRE_VECTOR : MDL_WIRE_FLOAT8,
			is_vector ? ML_VECTOR : lengths[i] == MDL_LENGTH_BOOLEAN ? ML_BOOLEAN : ML_NUMERIC, is_vector ? lengths[i] : 1};
		n += columns[i].length;
	}
	if (t->task == ML_REGRESSION)
	{
		columns[s->n_features] = (StateColumn) {MDL_ROLE_TARGET, MDL_WIRE_FLOAT8, ML_NUMERIC, 1};
		n++;
	}
	if (n != s->n)
		mdl_damaged_state("a linear model or of components");
	describe_source(t, columns, s->n_features + (t->task == ML_REGRESSION ? 1 : 0), features);
	mdl_training_describe_columns(t, false);
	mdl_training_make_model(t);
	mdl_training_too_few(t, s->rows);
	t->rows = s->rows;
	for (int i = 0; i < s->n; i++)
		sources[i] = (ml_gram_source) {i, -1};
	mdl_moments_gram(s, &gram);
	mdl_training_check_constant(t, &gram, sources);
	input.gram = &gram;
	mdl_training_run_estimator(&t->ctx, t->estimator, t->params, &input, t->model, &t->report);
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

/* The state, and in the request what follows from its kind. */
static MdlStateHead *
read_state(FunctionCallInfo fcinfo, MdlTrainRequest *request)
{
	MdlStateHead *bytes = (MdlStateHead *) mdl_state_bytes(PG_GETARG_DATUM(1), true);
	const char *algorithm = mdl_optional_text(fcinfo, 6);

	request->target = mdl_optional_text(fcinfo, 2);
	if (VARSIZE(bytes) < sizeof(MdlStateHead))
		mdl_damaged_state("a learner");
	if (bytes->magic == MDL_STATE_KMEANS || bytes->magic == MDL_STATE_GLM)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a state of medallion.%s is one round, of which no model can be made", bytes->magic == MDL_STATE_KMEANS ? "kmeans_state" : "glm_state"),
				 errhint("Use medallion.train.")));
	if (bytes->magic == MDL_STATE_CLASSES)
	{
		mdl_bayes_state(PointerGetDatum(bytes), false);
		request->algorithm = "naive_bayes";
		request->source = "a state of naive_bayes_state";
	}
	else if (mdl_moments_state(PointerGetDatum(bytes), 0)->kind == MDL_MOMENTS_LINEAR)
	{
		request->algorithm = "linear";
		request->source = "a state of linear_state";
	}
	else
	{
		request->algorithm = "pca";
		request->source = "a state of pca_state";
	}
	if (strcmp(request->algorithm, "pca") == 0 && request->target != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"target\" must be NULL: a state of pca_state has none")));
	if (strcmp(request->algorithm, "pca") != 0)
		request->target = mdl_required_text(fcinfo, 2, "target");
	if (algorithm != NULL && strcmp(request->algorithm, "naive_bayes") == 0 && strcmp(algorithm, "naive_bayes") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("algorithm \"%s\" cannot learn from this state", algorithm),
				 errhint("A state of medallion.naive_bayes_state is for naive_bayes.")));
	request->algorithm = algorithm != NULL ? algorithm : request->algorithm;
	return bytes;
}

static void
fit_state(MdlTraining *t, MdlStateHead *bytes, Jsonb *params, ArrayType *features)
{
	JsonbParseState *none = NULL;

	t->ctx = mdl_ml_ctx(t->memory, 0);
	t->estimator = mdl_estimator_by_name(t->request->algorithm);
	mdl_params_read(t->estimator, params, t->params);
	t->streaming = true;
	pushJsonbValue(&t->metrics, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&none, WJB_BEGIN_OBJECT, NULL);
	t->data_commits = JsonbValueToJsonb(pushJsonbValue(&none, WJB_END_OBJECT, NULL));
	if (bytes->magic == MDL_STATE_MOMENTS)
		fit_moments(t, mdl_moments_state(PointerGetDatum(bytes), 0), features);
	else
		fit_classes(t, (MdlClassHead *) bytes, params, features);
}

MDL_SHIM_TARGET(mdl_train_from_state);
Datum
mdl_train_from_state_impl(PG_FUNCTION_ARGS)
{
	MdlTrainRequest request = {0};
	MdlTrainResult result = {0};
	MemoryContext caller = CurrentMemoryContext;
	MdlTraining *t;
	TupleDesc	columns;
	Datum		values[6];
	bool		nulls[6] = {false};
	MdlStateHead *bytes;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	request.model = mdl_required_text(fcinfo, 0, "model");
	if (PG_ARGISNULL(1) || PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("arguments \"state\" and \"features\" must not be NULL")));
	request.deploy = mdl_optional_text(fcinfo, 5);
	bytes = read_state(fcinfo, &request);
	mdl_training_check_request(&request);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	t = mdl_training_begin(&request, caller);
	MemoryContextSwitchTo(t->memory);
	fit_state(t, bytes, PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4), PG_GETARG_ARRAYTYPE_P(3));
	mdl_training_register(t, &result);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	values[0] = CStringGetTextDatum(result.model);
	values[1] = Int32GetDatum(result.version);
	values[2] = CStringGetTextDatum(result.algorithm);
	values[3] = Int64GetDatum(result.rows);
	values[4] = Float8GetDatum(result.seconds);
	values[5] = JsonbPGetDatum(pg_detoast_datum_copy((struct varlena *) result.metrics));
	mdl_training_end(t);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}
