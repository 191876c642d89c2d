/*
 * evaluate.c: how good a model is on rows whose labels are known.
 *
 * The model and its target column decide what is measured.  One statement reads the source once, predicts each row and
 * feeds the metric aggregates, in parallel where the server finds it worth it.  Rows without a label, and rows whose
 * prediction is NULL, are left out of the metrics and counted.  See evaluate_intervals.c for the intervals.
 */
#include "predict/predict_int.h"
#include "predict/metric_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "ml/eval_classify.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

typedef struct NamedMetric
{
	const char *name;
	const char *expression;		/* over q: l label, p prediction, c class, t whether positive; %1$s positive class */
} NamedMetric;

static const NamedMetric regression_metrics[] = {
	{"rmse", "medallion.rmse(q.l, q.p)"},
	{"mae", "medallion.mae(q.l, q.p)"},
	{"mse", "medallion.mse(q.l, q.p)"},
	{"mape", "medallion.mape(q.l, q.p)"},
	{"max_error", "medallion.max_error(q.l, q.p)"},
	{"r2", "medallion.r2(q.l, q.p)"},
	{"explained_variance", "medallion.explained_variance(q.l, q.p)"},
	{NULL, NULL}
};

static const NamedMetric binary_metrics[] = {
	{"accuracy", "medallion.accuracy(q.l, q.c)"},
	{"balanced_accuracy", "medallion.balanced_accuracy(q.l, q.c)"},
	{"precision", "medallion.\"precision\"(q.l, q.c, 'binary', %1$s)"},
	{"recall", "medallion.recall(q.l, q.c, 'binary', %1$s)"},
	{"f1", "medallion.f1(q.l, q.c, 'binary', %1$s)"},
	{"mcc", "medallion.mcc(q.l, q.c)"},
	{"roc_auc", "medallion.roc_auc(q.t, q.p)"},
	{"average_precision", "medallion.average_precision(q.t, q.p)"},
	{"log_loss", "medallion.log_loss(q.t, q.p)"},
	{"brier", "medallion.brier(q.t, q.p)"},
	{NULL, NULL}
};

static const NamedMetric multiclass_metrics[] = {
	{"accuracy", "medallion.accuracy(q.l, q.c)"},
	{"balanced_accuracy", "medallion.balanced_accuracy(q.l, q.c)"},
	{"precision_macro", "medallion.\"precision\"(q.l, q.c, 'macro')"},
	{"recall_macro", "medallion.recall(q.l, q.c, 'macro')"},
	{"f1_macro", "medallion.f1(q.l, q.c, 'macro')"},
	{"f1_weighted", "medallion.f1(q.l, q.c, 'weighted')"},
	{"mcc", "medallion.mcc(q.l, q.c)"},
	{"roc_auc_ovr", "medallion.roc_auc_ovr(q.l, q.p, q.classes) FILTER (WHERE q.known)"},
	{"log_loss", "pg_catalog.avg(medallion._class_log_loss(q.l, q.classes, q.p))"},
	{NULL, NULL}
};

static bool
can_be_number(Oid type)
{
	Oid			base = getBaseType(type);

	return base == INT2OID || base == INT4OID || base == INT8OID || base == FLOAT4OID || base == FLOAT8OID ||
		base == NUMERICOID;
}

char *
mdl_predicted_rows(const MdlUsedModel *used, const char *source)
{
	const ml_model *model = used->model;
	const char *target = ml_model_target(model);
	const char *label;			/* the same, as classes are told apart */
	char	   *exact = quote_literal_cstr(used->exact);
	MdlPredictSource rows;
	int			n = ml_model_n_classes(model);
	int			column;

	if (ml_model_task(model) > ML_MULTICLASS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" of algorithm %s has no target to compare predictions with", used->version.model,
						ml_model_algorithm(model)),
				 errhint("See medallion.model_versions for the metrics of its training.")));
	mdl_predict_source(source, &rows);
	column = mdl_source_column(&rows, target);
	if (column < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the source has no column \"%s\", which model \"%s\" predicts", target, used->version.model),
				 errhint("Evaluation needs the true labels; to predict without them use medallion.predict_batch.")));
	if (n == 0 && !can_be_number(TupleDescAttr(rows.desc, column)->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has type %s, but model \"%s\" predicts a number", target,
						format_type_be(TupleDescAttr(rows.desc, column)->atttypid), used->version.model),
				 errhint("Cast the column.")));
	target = quote_identifier(target);
	if (n == 0)
		return psprintf("(SELECT s.%s::double precision AS l, medallion.predict(%s, s) AS p FROM %s s OFFSET '0'::pg_catalog.int8)",
						target, exact, rows.from);
	label = psprintf("s.%s%s", target, OidIsValid(TupleDescAttr(rows.desc, column)->attcollation) ? " COLLATE pg_catalog.\"C\"" : "");
	if (n == 2)
		return psprintf("(SELECT r.*, CASE WHEN r.p OPERATOR(pg_catalog.>) 0.5 THEN %s WHEN r.p IS NOT NULL THEN %s END AS c "
						"FROM (SELECT %s AS l, medallion.predict(%s, s) AS p, medallion._is_class(s.%s, %s) AS t "
						"FROM %s s OFFSET '0'::pg_catalog.int8) r)",
						quote_literal_cstr(ml_model_class(model, 1)), quote_literal_cstr(ml_model_class(model, 0)),
						label, exact, target, quote_literal_cstr(ml_model_class(model, 1)), rows.from);
	return psprintf("(SELECT r.*, medallion._knows_class(r.l, r.classes) AS known FROM (SELECT %s AS l, "
					"medallion.predict_proba(%s, s) AS p, medallion.predict_class(%s, s) AS c, medallion.classes(%s) AS classes "
					"FROM %s s OFFSET '0'::pg_catalog.int8) r)", label, exact, exact, exact, rows.from);
}

/* What of a row the intervals are made from: label, class, number or whether positive, prediction or loss. */
static const char *const sample_arguments[] = {
	"q.l, NULL, q.l, q.p",
	"q.l, q.c, CASE WHEN q.t THEN 1 ELSE 0 END, q.p",
	"q.l, q.c, 0, medallion._class_log_loss(q.l, q.classes, q.p)"
};

/* One row with the metrics, the rows that count, those left out, and the sample for the intervals. */
static char *
evaluation_query(const MdlUsedModel *used, const char *source, const NamedMetric *metrics, ml_eval_task task, bool sampled)
{
	StringInfoData sql;
	int			n = ml_model_n_classes(used->model);

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; metrics[i].name != NULL; i++)
	{
		if (strstr(metrics[i].expression, "%1$s") != NULL)
			appendStringInfo(&sql, metrics[i].expression, quote_literal_cstr(ml_model_class(used->model, n - 1)));
		else
			appendStringInfoString(&sql, metrics[i].expression);
		appendStringInfoString(&sql, ", ");
	}
	appendStringInfo(&sql, "pg_catalog.count(*) FILTER (WHERE q.l IS NOT NULL AND q.p IS NOT NULL)::double precision, "
					 "pg_catalog.count(*) FILTER (WHERE q.l IS NULL OR q.p IS NULL)::double precision, ");
	if (sampled)
		appendStringInfo(&sql, "medallion._evaluation_sample(%s)", sample_arguments[task]);
	else
		appendStringInfoString(&sql, "NULL::pg_catalog.bytea");
	appendStringInfo(&sql, " FROM %s q", mdl_predicted_rows(used, source));
	return sql.data;
}

/* Puts the result's row i: metrics, then the two counts. */
static void
put_metric(ReturnSetInfo *result, const char *name, int i, const MdlIntervals *intervals)
{
	Datum		values[4] = {CStringGetTextDatum(name)};
	bool		nulls[4] = {false, false, true, true};
	double		lower,
				upper;

	values[1] = mdl_field(0, i, &nulls[1]);
	if (!nulls[1] && mdl_interval_of(intervals, name, DatumGetFloat8(values[1]), &lower, &upper))
	{
		values[2] = Float8GetDatum(lower);
		values[3] = Float8GetDatum(upper);
		nulls[2] = nulls[3] = false;
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* evaluate(model, source, confidence, resamples, seed) -> (metric, value, lower, upper) */
MDL_SHIM_TARGET(mdl_evaluate);
Datum
mdl_evaluate_impl(PG_FUNCTION_ARGS)
{
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	char	   *source = mdl_required_text(fcinfo, 1, "source");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MdlUsedModel used;
	MdlIntervalOptions options;
	MdlIntervals intervals;
	const NamedMetric *metrics;
	ml_eval_task task;
	Datum		sample,
				rows;
	bool		no_sample,
				no_rows;
	int			n;

	mdl_interval_options(fcinfo, 2, &options);
	InitMaterializedSRF(fcinfo, 0);
	mdl_use_model(reference, &used);
	n = ml_model_n_classes(used.model);
	task = n == 0 ? ML_EVAL_NUMBER : n == 2 ? ML_EVAL_TWO : ML_EVAL_MANY;
	metrics = n == 0 ? regression_metrics : n == 2 ? binary_metrics : multiclass_metrics;

	SPI_connect();
	mdl_run(evaluation_query(&used, source, metrics, task, options.resamples > 0), NULL, true);
	n = 0;
	while (metrics[n].name != NULL)
		n++;
	rows = mdl_field(0, n, &no_rows);
	sample = mdl_field(0, n + 2, &no_sample);
	mdl_intervals_make(&intervals, task, no_sample ? NULL : DatumGetByteaP(sample), DatumGetFloat8(rows), &options);
	for (int i = 0; i < n; i++)
		put_metric(result, metrics[i].name, i, &intervals);
	put_metric(result, "rows", n, &intervals);
	put_metric(result, "rows_left_out", n + 1, &intervals);
	SPI_finish();
	return (Datum) 0;
}

/* ---- curves --------------------------------------------------------------------------------------------------- */

/* The rows of what an aggregate over mdl_predicted_rows returns as an array; args are $1 and on. */
static Datum
model_curve(FunctionCallInfo fcinfo, const char *aggregate, const MdlArgs *args)
{
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	char	   *source = mdl_required_text(fcinfo, 1, "source");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MdlUsedModel used;
	uint64		rows;

	InitMaterializedSRF(fcinfo, 0);
	mdl_use_model(reference, &used);
	if (ml_model_n_classes(used.model) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" has no such curve, which is of two classes", used.version.model),
				 errhint("Use medallion.evaluate.")));
	SPI_connect();
	rows = mdl_run(psprintf("SELECT r.* FROM (SELECT %s AS curve FROM %s q) c, pg_catalog.unnest(c.curve) r", aggregate,
							mdl_predicted_rows(&used, source)), args, true);
	for (uint64 i = 0; i < rows; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	return (Datum) 0;
}

/* roc_curve(model, source) */
MDL_SHIM_TARGET(mdl_model_roc_curve);
Datum
mdl_model_roc_curve_impl(PG_FUNCTION_ARGS)
{
	return model_curve(fcinfo, "medallion.roc_curve(q.t, q.p)", NULL);
}

/* pr_curve(model, source) */
MDL_SHIM_TARGET(mdl_model_pr_curve);
Datum
mdl_model_pr_curve_impl(PG_FUNCTION_ARGS)
{
	return model_curve(fcinfo, "medallion.pr_curve(q.t, q.p)", NULL);
}

/* calibration_curve(model, source, bins, strategy) */
MDL_SHIM_TARGET(mdl_model_calibration_curve);
Datum
mdl_model_calibration_curve_impl(PG_FUNCTION_ARGS)
{
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(mdl_required_int4(fcinfo, 2, "bins")), false);
	mdl_arg_text(&args, mdl_required_text(fcinfo, 3, "strategy"));
	return model_curve(fcinfo, "medallion.calibration_curve(q.t, q.p, $1, $2)", &args);
}

/* lift_curve(model, source, bins) */
MDL_SHIM_TARGET(mdl_model_lift_curve);
Datum
mdl_model_lift_curve_impl(PG_FUNCTION_ARGS)
{
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(mdl_required_int4(fcinfo, 2, "bins")), false);
	return model_curve(fcinfo, "medallion.lift_curve(q.t, q.p, $1)", &args);
}

/* ---- confusion matrix ---------------------------------------------------------------------------------------- */

typedef struct Confusion
{
	int			n;				/* classes of the model, then labels that it does not know */
	int			capacity;
	char	  **classes;
	int64	   *counts;			/* (capacity, capacity): label, predicted */
} Confusion;

static void
add_class(Confusion *matrix, const char *text, int length)
{
	if (matrix->n == matrix->capacity)
	{
		int			capacity = matrix->capacity * 2;
		int64	   *counts = palloc0(sizeof(int64) * capacity * capacity);

		for (int i = 0; i < matrix->n; i++)
			memcpy(counts + (Size) i * capacity, matrix->counts + (Size) i * matrix->capacity, sizeof(int64) * matrix->n);
		matrix->counts = counts;
		matrix->classes = repalloc(matrix->classes, sizeof(char *) * capacity);
		matrix->capacity = capacity;
	}
	matrix->classes[matrix->n++] = pnstrdup(text, length);
}

static int
find_or_add(Confusion *matrix, const char *text, int length)
{
	for (int k = 0; k < matrix->n; k++)
		if (strlen(matrix->classes[k]) == (size_t) length && memcmp(matrix->classes[k], text, length) == 0)
			return k;
	add_class(matrix, text, length);
	return matrix->n - 1;
}

/* Adds the groups (label, predicted, count) that the last statement returned. */
static void
add_groups(Confusion *matrix, MdlLabels *labels, uint64 rows)
{
	for (uint64 row = 0; row < rows; row++)
	{
		int			length,
					label,
					predicted;
		bool		is_null;
		const char *text = mdl_label_text(labels, 0, mdl_field(row, 0, &is_null), &length);

		label = find_or_add(matrix, text, length);
		text = mdl_label_text(labels, 1, mdl_field(row, 1, &is_null), &length);
		predicted = find_or_add(matrix, text, length);
		matrix->counts[(Size) label * matrix->capacity + predicted] += mdl_field_int8(row, 2);
	}
}

/* confusion_matrix(model, source) -> (label, predicted, rows), with the pairs that do not occur */
MDL_SHIM_TARGET(mdl_confusion_matrix);
Datum
mdl_confusion_matrix_impl(PG_FUNCTION_ARGS)
{
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	char	   *source = mdl_required_text(fcinfo, 1, "source");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MdlUsedModel used;
	MdlLabels  *labels;
	Confusion	matrix = {0};
	uint64		rows;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	mdl_use_model(reference, &used);
	n = ml_model_n_classes(used.model);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" predicts a number, so it has no confusion matrix", used.version.model),
				 errhint("Use medallion.evaluate.")));
	SPI_connect();
	rows = mdl_run(psprintf("SELECT q.l, q.c, pg_catalog.count(*) FROM %s q WHERE q.l IS NOT NULL AND q.p IS NOT NULL "
							"GROUP BY 1, 2 ORDER BY 1, 2", mdl_predicted_rows(&used, source)), NULL, true);
	labels = mdl_labels_make(SPI_gettypeid(SPI_tuptable->tupdesc, 1), TEXTOID, "confusion_matrix", CurrentMemoryContext);
	matrix.capacity = n;
	matrix.classes = palloc(sizeof(char *) * n);
	matrix.counts = palloc0(sizeof(int64) * n * n);
	for (int k = 0; k < n; k++)
	{
		int			length;
		const char *text = mdl_label_text(labels, 1, CStringGetTextDatum(ml_model_class(used.model, k)), &length);

		add_class(&matrix, text, length);
	}
	add_groups(&matrix, labels, rows);
	for (int i = 0; i < matrix.n; i++)
		for (int j = 0; j < n; j++)
		{
			Datum		values[3] = {CStringGetTextDatum(matrix.classes[i]), CStringGetTextDatum(matrix.classes[j]),
			Int64GetDatum(matrix.counts[(Size) i * matrix.capacity + j])};
			bool		nulls[3] = {false};

			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	SPI_finish();
	return (Datum) 0;
}

/* ---- helpers for the statements above ------------------------------------------------------------------------ */

/* _is_class(label, class): whether a label of any type is that class. */
MDL_SHIM_TARGET(mdl_is_class);
Datum
mdl_is_class_impl(PG_FUNCTION_ARGS)
{
	MdlLabels  *labels = fcinfo->flinfo->fn_extra;

	if (labels == NULL)
		fcinfo->flinfo->fn_extra = labels = mdl_labels_make(get_fn_expr_argtype(fcinfo->flinfo, 0), TEXTOID, "a class",
															fcinfo->flinfo->fn_mcxt);
	PG_RETURN_BOOL(mdl_labels_equal(labels, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

/* _knows_class(label, classes): whether a label of any type is one of the classes. */
MDL_SHIM_TARGET(mdl_knows_class);
Datum
mdl_knows_class_impl(PG_FUNCTION_ARGS)
{
	MdlLabels  *labels = fcinfo->flinfo->fn_extra;
	Datum	   *classes;
	int			n;

	if (labels == NULL)
		fcinfo->flinfo->fn_extra = labels = mdl_labels_make(get_fn_expr_argtype(fcinfo->flinfo, 0), TEXTOID, "a class",
															fcinfo->flinfo->fn_mcxt);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &classes, NULL, &n);
	for (int k = 0; k < n; k++)
		if (mdl_labels_equal(labels, PG_GETARG_DATUM(0), classes[k]))
			PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(false);
}

/* _class_log_loss(label, classes, probabilities): -log of the probability given to the label, 0 for an unknown one. */
MDL_SHIM_TARGET(mdl_class_log_loss);
Datum
mdl_class_log_loss_impl(PG_FUNCTION_ARGS)
{
	MdlLabels  *labels = fcinfo->flinfo->fn_extra;
	Datum	   *classes,
			   *probabilities;
	int			n_classes,
				n_probabilities;
	double		given = 0;

	if (labels == NULL)
		fcinfo->flinfo->fn_extra = labels = mdl_labels_make(get_fn_expr_argtype(fcinfo->flinfo, 0), TEXTOID, "a class",
															fcinfo->flinfo->fn_mcxt);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &classes, NULL, &n_classes);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &probabilities, NULL, &n_probabilities);
	for (int k = 0; k < Min(n_classes, n_probabilities); k++)
		if (mdl_labels_equal(labels, PG_GETARG_DATUM(0), classes[k]))
			given = DatumGetFloat8(probabilities[k]);
	PG_RETURN_FLOAT8(ml_classify_log_loss(true, given));
}
