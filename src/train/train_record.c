/*
 * train_record.c: a trained model becomes a version: artifact, signature, metrics, data commits, coefficients, alias.
 */
#include "train/train_int.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* {"features": [{"name", "type"[, "role"]}, …], "partition_by": likewise, "target": {"name", "type"}, "classes": […]} */
static Jsonb *
signature_of(const MdlTraining *t)
{
	JsonbParseState *state = NULL;
	const MdlSourceColumn *target = mdl_source_target(&t->source);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	mdl_jsonb_push_key(&state, "features");
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < t->source.n_features; i++)
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		mdl_jsonb_push_text(&state, "name", t->source.columns[i].name);
		mdl_jsonb_push_text(&state, "type", t->source.columns[i].type_name);
		if (t->source.columns[i].offset != MDL_OFFSET_NONE)
			mdl_jsonb_push_text(&state, "role", mdl_offset_name(t->source.columns[i].offset));
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	if (t->request->n_partition > 0)
	{
		mdl_jsonb_push_key(&state, "partition_by");
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (int i = 0; i < t->request->n_partition; i++)
		{
			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
			mdl_jsonb_push_text(&state, "name", t->request->partition[i]);
			mdl_jsonb_push_text(&state, "type", ml_model_column_type(t->model, i));
			pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		}
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	if (target != NULL)
	{
		mdl_jsonb_push_key(&state, "target");
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		mdl_jsonb_push_text(&state, "name", target->name);
		mdl_jsonb_push_text(&state, "type", target->type_name);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	if (t->n_classes > 0)
		mdl_jsonb_push_texts(&state, "classes", t->classes, t->n_classes);
	return mdl_jsonb_finish(&state);
}

/* ---- coefficients ---------------------------------------------------------------------------------------------- */

static char *
term_name(const MdlTraining *t, int term)
{
	char	   *name;
	int			length;

	if (term < 0)
		return "(intercept)";
	length = ml_model_term_name(t->model, term, NULL, 0);
	name = palloc(length + 1);
	ml_model_term_name(t->model, term, name, length + 1);
	return name;
}

void
mdl_training_collect_coefficients(const MdlTraining *t, MdlCoefficients *a)
{
	int			n = (int) t->report.n_coefficients;

	a->count = n;
	a->classes = palloc(sizeof(Datum) * n);
	a->class_nulls = palloc(sizeof(bool) * n);
	a->features = palloc(sizeof(Datum) * n);
	for (int k = 0; k < 4; k++)
	{
		a->numbers[k] = palloc(sizeof(Datum) * n);
		a->number_nulls[k] = palloc(sizeof(bool) * n);
	}
	for (int i = 0; i < n; i++)
	{
		const ml_coefficient *c = &t->report.coefficients[i];
		double		values[4] = {c->estimate, c->std_error, c->statistic, c->p_value};
		const char *label = t->n_classes == 0 ? NULL : t->classes[t->n_classes == 2 ? 1 : c->output];

		a->class_nulls[i] = label == NULL;
		a->classes[i] = label ? CStringGetTextDatum(label) : (Datum) 0;
		a->features[i] = CStringGetTextDatum(term_name(t, c->term));
		for (int k = 0; k < 4; k++)
		{
			a->number_nulls[k][i] = isnan(values[k]);
			a->numbers[k][i] = Float8GetDatum(values[k]);
		}
	}
}

void
mdl_training_record_coefficients(int64 version_id, int part, int position, MdlCoefficients *a)
{
	MdlRows		rows;

	if (a->count == 0)
		return;
	mdl_rows_begin(&rows, "_coefficients");
	for (int i = 0; i < a->count; i++)
	{
		/* version_id, position, class, feature, estimate, std_error, statistic, p_value, part */
		Datum		values[9] = {Int64GetDatum(version_id), Int32GetDatum(position + i + 1), a->classes[i], a->features[i]};
		bool		nulls[9] = {false, false, a->class_nulls[i], false};

		for (int k = 0; k < 4; k++)
		{
			values[4 + k] = a->numbers[k][i];
			nulls[4 + k] = a->number_nulls[k][i];
		}
		values[8] = Int32GetDatum(part);
		nulls[8] = part == 0;
		mdl_rows_add(&rows, 9, values, nulls);
	}
	mdl_rows_end(&rows);
}

/* ---- attributes ------------------------------------------------------------------------------------------------ */

/* Fills medallion._model_attributes with one matrix. */
static void
record_matrix(const MdlTraining *t, int64 version_id, const ml_report_matrix *m)
{
	Datum	   *features = palloc(sizeof(Datum) * (m->n_columns + 1));
	Datum		name = CStringGetTextDatum(m->name);
	MdlRows		rows;

	if (m->n_rows == 0 || m->n_columns == 0)
		return;
	for (int j = 0; j < m->n_columns && m->columns_are_terms; j++)
		features[j] = CStringGetTextDatum(term_name(t, j));
	mdl_rows_begin(&rows, "_model_attributes");
	for (int i = 0; i < m->n_rows; i++)
	{
		Datum		class = m->rows_are_classes ? CStringGetTextDatum(t->classes[i]) : (Datum) 0;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < m->n_columns; j++)
		{
			double		value = m->values[(Size) i * m->n_columns + j];
			/* version_id, attribute, i, j, class, feature, value */
			Datum		values[7] = {Int64GetDatum(version_id), name, Int32GetDatum(i + 1), Int32GetDatum(j + 1), class,
				m->columns_are_terms ? features[j] : (Datum) 0, Float8GetDatum(value)};
			bool		nulls[7] = {false, false, false, false, !m->rows_are_classes, !m->columns_are_terms, isnan(value)};

			mdl_rows_add(&rows, 7, values, nulls);
		}
	}
	mdl_rows_end(&rows);
}

/* ---- metrics and deployment ------------------------------------------------------------------------------------ */

/* The metric that decides, and whether more of it is better: of the holdout if there was one. */
static const char *
deciding_metric(const MdlTraining *t)
{
	switch (t->task)
	{
		case ML_REGRESSION:
			return t->split.holdout ? "r2" : "train_r2";
		case ML_BINARY:
			return t->split.holdout ? "roc_auc" : "train_roc_auc";
		case ML_MULTICLASS:
			return t->split.holdout ? "accuracy" : "train_accuracy";
		default:
			return NULL;
	}
}

/* Whether the new version is better than the champion, as the metrics of both say; true if there is no champion. */
static bool
is_better(const MdlTraining *t, Jsonb *metrics)
{
	const char *name = deciding_metric(t);
	double		ours;
	double		theirs;
	int			champion = mdl_model_alias_version(t->request->model, MDL_ALIAS_CHAMPION);
	MdlArgs		args = {0};
	MdlUser		user;
	bool		found;

	if (champion == 0)
		return true;
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing says which of two %s models is better", ml_task_name(t->task)),
				 errhint("Use deploy => 'always', or medallion.set_alias().")));
	if (!mdl_jsonb_float8(metrics, "metrics", name, &ours))
		return false;
	mdl_arg_text(&args, t->request->model);
	mdl_arg_int8(&args, champion);
	mdl_arg_text(&args, name);
	mdl_owner_begin(&user);
	mdl_run("SELECT (v.metrics ->> $3)::pg_catalog.float8 FROM medallion._model_versions v"
			" JOIN medallion._models m ON m.model_id = v.model_id WHERE m.name = $1 AND v.version = $2", &args, true);
	mdl_owner_end(&user);
	found = SPI_processed == 1;
	if (found)
	{
		bool		is_null;
		Datum		value = mdl_field(0, 0, &is_null);

		theirs = is_null ? 0 : DatumGetFloat8(value);
		found = !is_null;
	}
	if (!found)
		ereport(NOTICE,
				(errmsg("model \"%s\" was not deployed: version %d, now deployed, has no metric \"%s\" to compare with",
						t->request->model, champion, name)));
	return found && ours > theirs;
}

Jsonb *
mdl_training_finish_metrics(MdlTraining *t)
{
	for (int i = 0; i < t->report.n_facts; i++)
		mdl_jsonb_push_number(&t->metrics, t->report.facts[i].name, t->report.facts[i].value);
	if (t->report.iterations > 0)
	{
		mdl_jsonb_push_number(&t->metrics, "iterations", t->report.iterations);
		mdl_jsonb_push_bool(&t->metrics, "converged", t->report.converged);
	}
	return mdl_jsonb_finish(&t->metrics);
}

/* The coefficients that could not be told apart from others deserve a word. */
static void
tell_aliased(const MdlTraining *t)
{
	StringInfoData names;
	int			told = 0;

	if (t->report.n_aliased == 0)
		return;
	initStringInfo(&names);
	for (size_t i = 0; i < t->report.n_coefficients && told < Min(10, t->report.n_aliased); i++)
		if (isnan(t->report.coefficients[i].estimate))
			appendStringInfo(&names, "%s%s", told++ ? ", " : "", term_name(t, t->report.coefficients[i].term));
	ereport(NOTICE,
			(errmsg_plural("%d term is determined by the others and has no coefficient: %s%s",
						   "%d terms are determined by the others and have no coefficient: %s%s", t->report.n_aliased, t->report.n_aliased, names.data,
					t->report.n_aliased > told ? ", …" : "")));
}

/* So do clusters without rows. */
static void
tell_empty(const MdlTraining *t)
{
	if (t->report.n_empty > 0)
		ereport(NOTICE,
				(errmsg_plural("%d cluster of %s has no rows", "%d clusters of %s have no rows", t->report.n_empty, t->report.n_empty,
							   t->request->algorithm),
				 errhint("There may be fewer different rows than clusters: lower the parameter \"n_clusters\".")));
}

/* A category, or a range of numbers, in which all targets are 0: R says that fitted rates of 0 occurred, and no more. */
static void
tell_unbounded(const MdlTraining *t)
{
	StringInfoData names;
	int			told = 0;

	initStringInfo(&names);
	for (size_t i = 0; i < t->report.n_coefficients && told <= 10; i++)
		if (t->report.coefficients[i].unbounded && told++ < 10)
			appendStringInfo(&names, "%s%s", told > 1 ? ", " : "", term_name(t, t->report.coefficients[i].term));
	if (told > 0)
		ereport(WARNING,
				(errmsg("coefficients have no finite value, since they take the means of rows whose targets are all 0 to 0: %s%s", names.data, told > 10 ? ", …" : ""),
				 errdetail("They tell such rows from all others. Where they were stopped depends on the tolerance; their standard errors say nothing."),
				 errhint("Use a penalty (\"alpha\"), put such categories together with others, or leave out such rows.")));
}

/* So does an end that came too early: the metrics tell it among many other things.  Of sgd one says how many epochs, and can go on. */
static void
tell_unconverged(const MdlTraining *t)
{
	if (t->report.iterations > 0 && !t->report.converged && strcmp(t->request->algorithm, "sgd") != 0)
		ereport(NOTICE,
				(errmsg("%s has not converged after %.0f iterations", t->request->algorithm, (double) t->report.iterations),
				 errhint("Raise its limit of iterations, such as \"max_iter\", or give it features of like sizes with preprocess => '{\"scale\": \"standard\"}'.")));
}

void
mdl_training_record(MdlTraining *t, double seconds, MdlTrainResult *result)
{
	const MdlTrainRequest *request = t->request;
	MdlNewModelVersion version = {0};
	MdlModelVersion resolved;
	MdlCoefficients coefficients;
	unsigned char *bytes;
	size_t		length;
	ml_error	err;
	ml_status	status = ml_model_save(&t->ctx, t->model, &bytes, &length, &err);

	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	tell_aliased(t);
	tell_unbounded(t);
	tell_empty(t);
	tell_unconverged(t);
	version.model = request->model;
	version.algorithm = t->estimator->name;
	version.task = ml_task_name(t->task);
	version.params = mdl_params_jsonb(t->estimator, t->params, request->params);
	version.metrics = mdl_training_finish_metrics(t);
	version.signature = signature_of(t);
	version.data_commits = t->data_commits;
	version.seed = request->seed;
	version.rows = t->rows;
	version.seconds = seconds;
	version.source = request->source;
	version.sweep_id = request->sweep_id;
	version.artifact = bytes;
	version.artifact_size = length;
	version.baseline = t->baseline;
	version.baseline_size = t->baseline_size;
	result->version = mdl_model_register(&version);
	CommandCounterIncrement();
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	mdl_model_resolve(psprintf("%s/%d", request->model, result->version), MDL_MODEL_PREDICT, &resolved);
	t->version_id = resolved.version_id;
	mdl_training_collect_coefficients(t, &coefficients);
	mdl_training_record_coefficients(t->version_id, 0, 0, &coefficients);
	for (int i = 0; i < t->report.n_arrays; i++)
		record_matrix(t, resolved.version_id, &t->report.arrays[i]);
	if (request->deploy != NULL && (strcmp(request->deploy, "always") == 0 || is_better(t, version.metrics)))
		mdl_model_set_alias(request->model, MDL_ALIAS_CHAMPION, result->version);
	PopActiveSnapshot();
	result->model = request->model;
	result->algorithm = t->estimator->name;
	result->rows = t->rows;
	result->seconds = seconds;
	result->metrics = version.metrics;
}
