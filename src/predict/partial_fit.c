/*
 * partial_fit.c: a model of the algorithm sgd goes on with new rows.
 *
 * The preparation of the columns stays as it is; coefficients and the number of rows seen, which the learning rate follows, are those
 * of the version.  What comes of it is a new version of the model.
 */
#include "predict/inference_int.h"

#include <math.h>

#include "access/xact.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "ml/ml_fit_sgd.h"
#include "ml/ml_random.h"
#include "portability/instr_time.h"
#include "tcop/utility.h"
#include "train/train.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#define ORDER_STREAM 0x706172	/* purpose of the random numbers */

typedef struct Continuation
{
	MdlInference before;		/* the version */
	MdlFitRows	rows;
	ml_sgd		sgd;
	double		first_loss;		/* mean loss of the rows before each was learnt from, in the first epoch */
} Continuation;

/* The parameters that the version was trained with. */
static void
read_params(const MdlInference *before, const ml_estimator *estimator, double *params)
{
	ml_estimator_defaults(estimator, params);
	for (int i = 0; i < estimator->n_params; i++)
	{
		const ml_param_spec *spec = &estimator->params[i];
		int64		integer;
		bool		flag;
		char	   *word;

		if (spec->type == ML_PARAM_NUMBER)
			mdl_jsonb_float8(before->params, "params", spec->name, &params[i]);
		else if (spec->type == ML_PARAM_INTEGER && mdl_jsonb_int8(before->params, "params", spec->name, &integer))
			params[i] = (double) integer;
		else if (spec->type == ML_PARAM_BOOLEAN && mdl_jsonb_bool(before->params, "params", spec->name, &flag))
			params[i] = flag;
		else if (spec->type == ML_PARAM_CHOICE && mdl_jsonb_text(before->params, "params", spec->name, &word))
			for (int k = 0; spec->choices[k] != NULL; k++)
				if (strcmp(spec->choices[k], word) == 0)
					params[i] = k;
	}
}

/* The descent as the version left it. */
static void
resume(Continuation *c, const ml_ctx *ctx)
{
	const ml_model *model = c->before.used.model;
	const ml_estimator *estimator = ml_estimator_find("sgd");
	double		params[ML_MAX_PARAMS];
	ml_sgd_params p;
	ml_sgd	   *s = &c->sgd;
	double		seen = mdl_inference_metric(&c->before, "rows_seen");
	double		eta = mdl_inference_metric(&c->before, "eta");
	ml_error	err;
	ml_status	status;

	read_params(&c->before, estimator, params);
	ml_sgd_from_params(params, ml_model_task(model), &p);
	status = ml_sgd_begin(ctx, s, &p, ml_model_n_outputs(model), ml_model_n_terms(model), &err);
	if (status != ML_OK)
		mdl_raise_ml(status, &err, c->before.used.exact);
	for (int k = 0; k < s->n_outputs; k++)
		memcpy(s->b + k * s->p, ml_model_coefficients(model, k, &s->b0[k]), sizeof(double) * s->p);
	if (s->mean != NULL)
	{
		memcpy(s->mean, s->b, sizeof(double) * s->n_outputs * s->p);
		memcpy(s->mean0, s->b0, sizeof(double) * s->n_outputs);
	}
	s->t = isnan(seen) ? 1 : seen + 1;
	s->eta = isnan(eta) ? s->eta : eta;
}

static void
learn(Continuation *c, int epochs, int64 seed)
{
	MdlFitRows *rows = &c->rows;
	uint32	   *order = mdl_train_alloc_large(CurrentMemoryContext, sizeof(uint32) * (rows->n + 1));
	bool		classes = ml_model_n_classes(c->before.used.model) > 0;

	for (int epoch = 0; epoch < epochs; epoch++)
	{
		ml_random	random = ml_random_stream((uint64) seed, ORDER_STREAM, epoch);
		double		loss = 0;

		for (uint32 i = 0; i < rows->n; i++)
		{
			uint32		j = ml_random_below(&random, i + 1);

			order[i] = order[j];
			order[j] = i;
		}
		for (size_t i = 0; i < rows->n; i++)
		{
			uint32		row = order[i];

			if (i % 1024 == 0)
				CHECK_FOR_INTERRUPTS();
			if (rows->weights[row] > 0)
				loss += ml_sgd_learn(&c->sgd, rows->x + (size_t) row * rows->n_terms, classes ? rows->labels[row] : rows->target[row], rows->weights[row]);
		}
		if (epoch == 0)
			c->first_loss = loss / rows->n;
		if (!isfinite(loss) || !ml_sgd_is_finite(&c->sgd))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the coefficients grew beyond all bounds in epoch %d", epoch + 1),
					 errhint("The rows are of another scale than those of the training.")));
	}
}

/* The version's model with other coefficients, as bytes. */
static unsigned char *
artifact_of(const Continuation *c, const ml_ctx *ctx, size_t *length)
{
	Size		size;
	void	   *old = mdl_model_artifact(c->before.used.version.version_id, &size);
	ml_model   *model;
	unsigned char *bytes;
	ml_error	err;
	ml_status	status = ml_model_load(ctx, old, size, &model, &err);

	if (status == ML_OK)
		status = ml_model_replace_linear(model, ml_sgd_coefficients(&c->sgd), ml_sgd_intercepts(&c->sgd), &err);
	if (status == ML_OK)
		status = ml_model_save(ctx, model, &bytes, length, &err);
	if (status != ML_OK)
		mdl_raise_ml(status, &err, c->before.used.exact);
	return bytes;
}

static Jsonb *
metrics_of(const Continuation *c, int epochs)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	mdl_jsonb_push_number(&state, "rows_seen", c->sgd.t - 1);
	if (c->sgd.params.rate == ML_SGD_ADAPTIVE)
		mdl_jsonb_push_number(&state, "eta", c->sgd.eta);
	mdl_jsonb_push_number(&state, "progressive_loss", c->first_loss);
	mdl_jsonb_push_number(&state, "iterations", epochs);
	mdl_jsonb_push_number(&state, "continued_version", c->before.used.version.version);
	return mdl_jsonb_finish(&state);
}

/* The coefficients of the new version, in the places of those of the old one. */
static void
record_coefficients(const Continuation *c, int64 version_id)
{
	const ml_sgd *s = &c->sgd;
	const double *b = ml_sgd_coefficients(s);
	int			intercept = s->params.fit_intercept ? 1 : 0;
	int			n = s->n_outputs * ((int) s->p + intercept);
	Datum	   *values = palloc(sizeof(Datum) * (n + 1));
	int			at = 0;
	MdlArgs		args = {0};
	MdlUser		user;

	for (int k = 0; k < s->n_outputs; k++)
		for (int j = -intercept; j < (int) s->p; j++)
			values[at++] = Float8GetDatum(j < 0 ? ml_sgd_intercepts(s)[k] : b[k * s->p + j]);
	mdl_arg_int8(&args, version_id);
	mdl_arg_int8(&args, c->before.used.version.version_id);
	mdl_arg(&args, FLOAT8ARRAYOID, PointerGetDatum(construct_array(values, n, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)), false);
	mdl_owner_begin(&user);
	mdl_run("INSERT INTO medallion._coefficients (version_id, position, class, feature, estimate)"
			" SELECT $1, c.position, c.class, c.feature, ($3)[pg_catalog.row_number() OVER (ORDER BY c.position)]"
			" FROM medallion._coefficients c WHERE c.version_id = $2", &args, false);
	mdl_owner_end(&user);
}

/* Registers the new version; returns its number. */
static int
record(const Continuation *c, const char *source, int epochs, int64 seed, double seconds, bool deploy, Jsonb **metrics)
{
	const MdlModelVersion *old = &c->before.used.version;
	MdlNewModelVersion new = {0};
	MdlModelVersion resolved;
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	Size		baseline_size = 0;
	int			version;
	size_t		length;

	*metrics = metrics_of(c, epochs);
	new.model = old->model;
	new.algorithm = old->algorithm;
	new.task = old->task;
	new.params = c->before.params;
	new.metrics = *metrics;
	new.signature = mdl_model_signature(old->version_id);
	new.seed = seed;
	new.rows = c->rows.n;
	new.seconds = seconds;
	new.source = source;
	new.artifact = artifact_of(c, &ctx, &length);
	new.artifact_size = length;
	new.baseline = mdl_model_baseline(old->version_id, &baseline_size);
	new.baseline_size = baseline_size;
	version = mdl_model_register(&new);
	CommandCounterIncrement();
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	mdl_model_resolve(psprintf("%s/%d", old->model, version), MDL_MODEL_PREDICT, &resolved);
	record_coefficients(c, resolved.version_id);
	if (deploy)
		mdl_model_set_alias(old->model, MDL_ALIAS_CHAMPION, version);
	PopActiveSnapshot();
	return version;
}

static void
check_model(const MdlInference *before)
{
	if (strcmp(before->used.version.algorithm, "sgd") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model \"%s\" of algorithm %s cannot go on with new rows", before->used.exact, before->used.version.algorithm),
				 errhint("Train it again with medallion.train, or use algorithm sgd.")));
}

/* partial_fit(model, source, weight, epochs, seed, deploy) */
MDL_SHIM_TARGET(mdl_partial_fit);
Datum
mdl_partial_fit_impl(PG_FUNCTION_ARGS)
{
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	char	   *source = mdl_required_text(fcinfo, 1, "source");
	char	   *weight = mdl_optional_text(fcinfo, 2);
	int			epochs = mdl_required_int4(fcinfo, 3, "epochs");
	int64		seed = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT64(4);
	char	   *deploy = mdl_optional_text(fcinfo, 5);
	MemoryContext caller = CurrentMemoryContext;
	MdlInferenceRequest request = {.errors = "model"};
	Continuation c = {0};
	TupleDesc	columns;
	instr_time	start;
	instr_time	now;
	Jsonb	   *metrics;
	Datum		values[6];
	bool		nulls[6] = {false};
	ml_ctx		ctx;
	int			version;

	PreventCommandIfReadOnly("medallion.partial_fit()");
	if (epochs < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("argument \"epochs\" must be at least 1, but is %d", epochs)));
	if (deploy != NULL && strcmp(deploy, "always") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"deploy\" cannot be \"%s\"", deploy),
				 errhint("It is always, or NULL for no deployment.")));
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	columns = BlessTupleDesc(columns);
	INSTR_TIME_SET_CURRENT(start);
	SPI_connect();
	mdl_inference_make(reference, &request, &c.before);
	check_model(&c.before);
	mdl_model_check_new(c.before.used.version.model, c.before.used.version.task);
	mdl_fit_rows_read(&c.before.used, source, weight, NULL, &c.rows);
	if (c.rows.n == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("there are no rows to learn from")));
	ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	resume(&c, &ctx);
	learn(&c, epochs, seed);
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	version = record(&c, source, epochs, seed, INSTR_TIME_GET_DOUBLE(now), deploy != NULL, &metrics);
	MemoryContextSwitchTo(caller);
	values[0] = CStringGetTextDatum(c.before.used.version.model);
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum("sgd");
	values[3] = Int64GetDatum((int64) c.rows.n);
	values[4] = Float8GetDatum(INSTR_TIME_GET_DOUBLE(now));
	values[5] = PointerGetDatum(pg_detoast_datum_copy((struct varlena *) metrics));
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(columns, values, nulls)));
}
