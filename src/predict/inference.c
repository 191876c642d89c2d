/*
 * inference.c: standard errors, statistics, p-values and confidence intervals of the coefficients of linear models.
 *
 * Those of the model itself are stored with the version.  Robust ones read the rows of the training again: their design
 * rows are made by the model, residuals follow from its family, and ml_sandwich does the rest.
 */
#include "predict/inference_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "ml/ml_dist.h"
#include "ml/ml_family.h"
#include "ml/ml_sandwich.h"
#include "train/train.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#define BLOCK 64				/* rows of one call of ml_family_respond */
#define UNBALANCED 0.1			/* standard deviations that the score may be off its 0 */

/* ---- what the version says ---------------------------------------------------------------------------------------- */

double
mdl_inference_metric(const MdlInference *inference, const char *name)
{
	double		value = NAN;

	mdl_jsonb_float8(inference->metrics, "metrics", name, &value);
	return value;
}

static double
number_field(uint64 row, int column)
{
	bool		is_null;
	Datum		value = mdl_field(row, column, &is_null);

	return is_null ? NAN : DatumGetFloat8(value);
}

static void
read_version(MdlInference *inference)
{
	MdlArgs		args = {0};
	MdlUser		user;
	uint64		count;
	bool		is_null;

	mdl_arg_int8(&args, inference->used.version.version_id);
	mdl_owner_begin(&user);
	mdl_run("SELECT v.params, v.metrics, v.source, v.rows FROM medallion._model_versions v WHERE v.version_id = $1", &args, true);
	inference->params = DatumGetJsonbPCopy(mdl_field(0, 0, &is_null));
	inference->metrics = DatumGetJsonbPCopy(mdl_field(0, 1, &is_null));
	inference->source = mdl_field_text(0, 2);
	inference->rows = mdl_field_int8(0, 3);
	count = mdl_run("SELECT c.class, c.feature, c.estimate, c.std_error, c.statistic, c.p_value FROM medallion._coefficients c"
					" WHERE c.version_id = $1 ORDER BY c.position", &args, true);
	inference->n_rows = (int) count;
	inference->coefficients = palloc0(sizeof(MdlInferenceRow) * (count + 1));
	for (uint64 i = 0; i < count; i++)
		inference->coefficients[i] = (MdlInferenceRow)
	{
		mdl_field_text(i, 0), mdl_field_text(i, 1), number_field(i, 2), number_field(i, 3), number_field(i, 4), number_field(i, 5)
	};
	mdl_owner_end(&user);
}

/* The family of a fit by its algorithm; false: it has no likelihood. */
static bool
family_of(const MdlInference *inference, ml_family *family)
{
	const char *algorithm = inference->used.version.algorithm;
	static const struct
	{
		const char *word;
		ml_glm_link link;
	}			links[] =
	{
		{"log", ML_GLM_LOG}, {"identity", ML_GLM_IDENTITY}, {"inverse", ML_GLM_INVERSE}, {"sqrt", ML_GLM_SQRT},
		{"inverse_squared", ML_GLM_INVERSE_SQUARED}
	};
	char	   *link = NULL;

	*family = (ml_family) {.kind = ML_FAMILY_TWEEDIE, .link = ML_GLM_IDENTITY};
	if (strcmp(algorithm, "logistic") == 0)
		family->kind = ML_FAMILY_BINOMIAL;
	else if (strcmp(algorithm, "poisson") == 0)
		family->power = 1;
	else if (strcmp(algorithm, "gamma") == 0)
		family->power = 2;
	else if (strcmp(algorithm, "tweedie") == 0)
		mdl_jsonb_float8(inference->params, "params", "power", &family->power);
	else
		return strcmp(algorithm, "linear") == 0;
	if (!mdl_jsonb_text(inference->params, "params", "link", &link))
		return true;
	if (strcmp(link, "auto") == 0)
		family->link = family->power <= 0 ? ML_GLM_IDENTITY : ML_GLM_LOG;
	for (int i = 0; i < lengthof(links); i++)
		if (strcmp(link, links[i].word) == 0)
			family->link = links[i].link;
	return true;
}

/* ---- robust standard errors ---------------------------------------------------------------------------------------- */

/* Residuals and curvatures of all rows at the model's coefficients. */
static void
respond(const MdlInference *inference, const ml_family *family, const MdlFitRows *rows, double *residual, double *curvature)
{
	double		intercept;
	const double *coefficients = ml_model_coefficients(inference->used.model, 0, &intercept);
	ml_matrix	matrix = {.rows = rows->n, .target = rows->target, .labels = family->kind == ML_FAMILY_BINOMIAL ? rows->labels : NULL,
	.n_classes = family->kind == ML_FAMILY_BINOMIAL ? 2 : 0, .weights = rows->weights};

	for (size_t first = 0; first < rows->n; first += BLOCK)
	{
		size_t		n = Min(rows->n - first, (size_t) BLOCK);
		double		eta[BLOCK];

		if (first % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		for (size_t i = 0; i < n; i++)
		{
			const double *x = rows->x + (first + i) * rows->n_terms;

			eta[i] = intercept + rows->offset[first + i];
			for (int j = 0; j < rows->n_terms; j++)
				eta[i] += x[j] * coefficients[j];
		}
		(void) ml_family_respond(family, &matrix, first, n, eta, residual + first, curvature + first);
	}
}

static void
refuse(const MdlInference *inference, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("model \"%s\" of algorithm %s has no robust standard errors: %s", inference->used.exact,
					inference->used.version.algorithm, why),
			 errhint("%s", hint)));
}

/* Each class weighs as it did in training. */
static void
weigh_classes(const MdlInference *inference, MdlFitRows *rows)
{
	char	   *word;
	double		sums[2] = {0};

	if (!mdl_jsonb_text(inference->params, "params", "class_weight", &word) || strcmp(word, "balanced") != 0)
		return;
	for (size_t i = 0; i < rows->n; i++)
		sums[rows->labels[i]] += rows->weights[i];
	for (size_t i = 0; i < rows->n; i++)
		rows->weights[i] *= (sums[0] + sums[1]) / (2 * sums[rows->labels[i]]);
}

static ml_robust
robust_kind(const char *errors)
{
	static const char *const words[] = {"HC0", "HC1", "HC2", "HC3", "cluster"};

	for (int i = 0; i < lengthof(words); i++)
		if (strcmp(errors, words[i]) == 0)
			return (ml_robust) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"errors\" cannot be \"%s\"", errors),
			 errhint("It is one of model, HC0, HC1, HC2, HC3 and cluster.")));
	return ML_ROBUST_HC0;
}

static void
set_robust_errors(MdlInference *inference, const MdlInferenceRequest *request, ml_robust kind)
{
	MdlFitRows rows = {0};
	ml_family	family;
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	const char *source;
	int			intercept;
	ml_sandwich_input in = {0};
	double	   *residual;
	double	   *curvature;
	double	   *std_errors;
	unsigned char *aliased;
	double		imbalance;
	double		size = 0;
	ml_error	err;
	ml_status	status;

	if (!family_of(inference, &family) || inference->n_rows == 0)
		refuse(inference, "it is not a maximum of a likelihood", "Use linear, logistic, poisson, gamma or tweedie without a penalty.");
	if (ml_model_n_outputs(inference->used.model) != 1)
		refuse(inference, "it has more than two classes", "Compare two classes at a time.");
	intercept = strcmp(inference->coefficients[0].feature, "(intercept)") == 0 ? 1 : 0;
	if (isnan(mdl_inference_metric(inference, "df_residual")))
		refuse(inference, "its coefficients are drawn to 0 by a penalty", "Train without a penalty.");
	source = request->source ? request->source : inference->source;
	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nobody knows what model \"%s\" was trained on", inference->used.version.model),
				 errhint("Give argument source.")));
	mdl_fit_rows_read(&inference->used, source, request->weight, request->cluster, &rows);
	if (family.kind == ML_FAMILY_BINOMIAL)
		weigh_classes(inference, &rows);
	aliased = palloc0(rows.n_terms + 1);
	for (int j = 0; j < rows.n_terms; j++)
		aliased[j] = isnan(inference->coefficients[j + intercept].estimate);
	for (size_t i = 0; i < rows.n; i++)
	{
		in.n += rows.weights[i] > 0;
		size += family.kind == ML_FAMILY_BINOMIAL ? rows.weights[i] : rows.weights[i] * rows.target[i] * rows.target[i];
	}
	if ((int64) in.n != inference->rows)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the source has " INT64_FORMAT " rows, but model \"%s\" was trained on " INT64_FORMAT, (int64) in.n,
						inference->used.exact, inference->rows),
				 errhint("Give as argument source the rows that it was trained on, without those held out.")));
	residual = mdl_train_alloc_large(CurrentMemoryContext, (rows.n + 1) * sizeof(double));
	curvature = mdl_train_alloc_large(CurrentMemoryContext, (rows.n + 1) * sizeof(double));
	std_errors = palloc0((rows.n_terms + 1) * sizeof(double));
	respond(inference, &family, &rows, residual, curvature);
	in.rows = rows.n;
	in.n_terms = rows.n_terms;
	in.x = rows.x;
	in.aliased = aliased;
	in.residual = residual;
	in.curvature = curvature;
	in.fit_intercept = intercept == 1;
	in.kind = kind;
	in.clusters = rows.clusters;
	in.n_clusters = rows.n_clusters;
	if (kind == ML_ROBUST_CLUSTER && rows.n_clusters < 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" has the same value in every row, so there is one cluster only", request->cluster)));
	status = ml_sandwich(&ctx, &in, std_errors, &imbalance, &err);
	if (status != ML_OK)
		mdl_raise_ml(status, &err, inference->used.exact);
	for (size_t i = 0; i < rows.n; i++)
		if (curvature[i] > 0 && residual[i] * residual[i] / curvature[i] > 1e-16 * size / rows.n && imbalance > UNBALANCED)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the coefficients of model \"%s\" are not the best for these rows", inference->used.exact),
					 errhint("Give as arguments source and weight the rows and weights that it was trained on.")));
	for (int j = 0; j < inference->n_rows; j++)
		inference->coefficients[j].std_error = std_errors[j < intercept ? rows.n_terms : j - intercept];
}

/* ---- together ------------------------------------------------------------------------------------------------------ */

void
mdl_inference_request(FunctionCallInfo fcinfo, MdlInferenceRequest *request)
{
	request->source = mdl_optional_text(fcinfo, 1);
	request->errors = mdl_required_text(fcinfo, 2, "errors");
	request->cluster = mdl_optional_text(fcinfo, 3);
	request->weight = mdl_optional_text(fcinfo, 4);
	request->parts = false;
}

void
mdl_inference_make(const char *reference, const MdlInferenceRequest *request, MdlInference *result)
{
	ml_family	family;
	bool		clustered = request->cluster != NULL;

	memset(result, 0, sizeof(*result));
	mdl_use_model(reference, &result->used);
	mdl_model_resolve(reference, MDL_MODEL_READ, &result->used.version);
	if (!request->parts || strcmp(request->errors, "model") != 0 || clustered)
		mdl_refuse_parts(result->used.model, result->used.version.model);
	read_version(result);
	result->df = mdl_inference_metric(result, "df_residual");
	if (isnan(result->df) || (family_of(result, &family) && (family.kind == ML_FAMILY_BINOMIAL || family.power == 1)))
		result->df = INFINITY;
	result->errors = clustered ? "cluster" : request->errors;
	result->cluster = request->cluster;
	if (clustered && strcmp(request->errors, "model") != 0 && strcmp(request->errors, "cluster") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"errors\" cannot be \"%s\" together with argument \"cluster\"", request->errors)));
	if (strcmp(result->errors, "model") == 0)
		return;
	if (strcmp(result->errors, "cluster") == 0 && !clustered)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("clustered errors need argument \"cluster\""),
				 errhint("It names the column whose values tell the clusters apart.")));
	set_robust_errors(result, request, robust_kind(result->errors));
	for (int i = 0; i < result->n_rows; i++)
	{
		MdlInferenceRow *row = &result->coefficients[i];

		row->statistic = row->estimate / row->std_error;
		row->p_value = isinf(result->df) ? ml_normal_two_sided(row->statistic) : ml_t_two_sided(row->statistic, result->df);
	}
}

/* inference(model, source, errors, cluster, weight, level) */
MDL_SHIM_TARGET(mdl_inference);
Datum
mdl_inference_impl(PG_FUNCTION_ARGS)
{
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	double		level;
	double		reach;
	MdlInferenceRequest request;
	MdlInference inference;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	mdl_require_argument(fcinfo, 5, "level");
	level = PG_GETARG_FLOAT8(5);
	if (!(level > 0 && level < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"level\" must be between 0 and 1, but is %g", level)));
	InitMaterializedSRF(fcinfo, 0);
	mdl_inference_request(fcinfo, &request);
	SPI_connect();
	mdl_inference_make(reference, &request, &inference);
	if (inference.n_rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model \"%s\" of algorithm %s has no coefficients", inference.used.exact, inference.used.version.algorithm)));
	reach = ml_t_quantile(0.5 + level / 2, inference.df);
	for (int i = 0; i < inference.n_rows; i++)
	{
		const MdlInferenceRow *row = &inference.coefficients[i];
		double		numbers[6] = {row->estimate, row->std_error, row->statistic, row->p_value,
		row->estimate - reach * row->std_error, row->estimate + reach * row->std_error};
		Datum		values[8] = {row->class ? CStringGetTextDatum(row->class) : (Datum) 0, CStringGetTextDatum(row->feature)};
		bool		nulls[8] = {row->class == NULL};

		for (int k = 0; k < 6; k++)
		{
			values[k + 2] = Float8GetDatum(numbers[k]);
			nulls[k + 2] = isnan(numbers[k]);
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}
