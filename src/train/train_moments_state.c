/*
 * train_moments_state.c: medallion.linear_state and pca_state: all that linear models and principal components need to know
 * of the rows, as a plain state that merges: means and centred co-moments.
 *
 * While rows come in the state is *open*: moments with room for a block of rows (ml_moments.h), which parallel workers
 * pass on as they are.  What the aggregates return is *sealed*: the Gram alone, a fifth as large, with a checksum.
 * Rows are worked on in blocks, so columns far from 0 lose no digits; sealed states merge as their Grams do.
 */
#include "train/train_states.h"

#include <math.h>

#include "ml/ml_packed_gram.h"
#include "utils/memutils.h"

#define OPEN_MAGIC 0x4d4d4f50u
#define SEALED_VERSION 2
#define STATE_LIMIT (512.0 * 1024 * 1024)
#define MOST_FEATURES 1000000

typedef struct OpenState
{
	int32		vl_len_;
	uint32		magic;
	int32		kind;			/* MdlMomentsKind */
	int32		n;				/* numbers of a row, with the target */
	int32		n_features;
	int32		unused;
	int32		lengths[FLEXIBLE_ARRAY_MEMBER]; /* (n_features); then ml_moments, aligned */
} OpenState;

/* What a call site keeps. */
typedef struct MomentsCall
{
	MdlArguments *features;
	MdlArgument y;
	int32	   *lengths;		/* (n_features) as states have them */
} MomentsCall;

static const char *
name_of(int kind)
{
	return kind == MDL_MOMENTS_LINEAR ? "linear_state" : "pca_state";
}

/* ---- open states --------------------------------------------------------------------------------------------------- */

static Size
open_head(int n_features)
{
	return MAXALIGN(offsetof(OpenState, lengths) + sizeof(int32) * n_features);
}

static ml_moments *
moments_of(OpenState *s)
{
	return (ml_moments *) ((char *) s + open_head(s->n_features));
}

static OpenState *
open_state(Datum value, bool copy)
{
	OpenState  *s = (OpenState *) mdl_state_bytes(value, copy);
	ml_moments_shape shape;

	if (VARSIZE(s) < sizeof(OpenState) || s->magic != OPEN_MAGIC || s->n < 1 || s->n > 30000 || s->n_features < 1 || s->n_features > s->n ||
		VARSIZE(s) < open_head(s->n_features))
		mdl_damaged_state("a sum of moments");
	shape = (ml_moments_shape) {s->n, 0, 0};
	if (!ml_moments_valid(moments_of(s), VARSIZE(s) - open_head(s->n_features), &shape))
		mdl_damaged_state("a sum of moments");
	return s;
}

static OpenState *
make_state(const MomentsCall *call, int kind, int n)
{
	ml_moments_shape shape = {n, 0, 0};
	int			n_features = call->features->count;
	OpenState  *s;
	Size		size;

	if ((n + 80.0) * (n + 16.0) * sizeof(double) > STATE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the statistics of %d features would take more than %.0f MB", call->features->n_numbers, STATE_LIMIT / 1048576)));
	size = open_head(n_features) + ml_moments_size(&shape);
	s = palloc0(size);
	SET_VARSIZE(s, size);
	s->magic = OPEN_MAGIC;
	s->kind = kind;
	s->n = n;
	s->n_features = n_features;
	memcpy(s->lengths, call->lengths, sizeof(int32) * n_features);
	ml_moments_init(moments_of(s), &shape);
	return s;
}

static MomentsCall *
make_call(FunctionCallInfo fcinfo, int kind)
{
	MomentsCall *call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(MomentsCall));

	mdl_only_in_aggregate(fcinfo);
	call->features = mdl_arguments_open(fcinfo, kind == MDL_MOMENTS_LINEAR ? 3 : 2);
	if (call->features->count < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a row has no features")));
	if (kind == MDL_MOMENTS_LINEAR)
		mdl_target_open(fcinfo, 1, &call->y);
	call->lengths = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(int32) * call->features->count);
	for (int i = 0; i < call->features->count; i++)
		call->lengths[i] = call->features->arguments[i].type == BOOLOID ? MDL_LENGTH_BOOLEAN : MDL_LENGTH_NUMBER;
	return call;
}

/* Raises unless the row has the features of those before it. */
static void
same_features(MomentsCall *call, const OpenState *s)
{
	const MdlArguments *features = call->features;

	for (int i = 0; i < features->count; i++)
		if (features->arguments[i].form == MDL_ARGUMENT_VECTOR)
		{
			call->lengths[i] = features->lengths[i];
			if (s != NULL && s->lengths[i] != features->lengths[i])
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("feature %d has %d elements, others had %d", i + 1, features->lengths[i], s->lengths[i])));
		}
}

/* Adds the row that the arguments are. */
static Datum
gather(FunctionCallInfo fcinfo, int kind)
{
	MomentsCall *call = fcinfo->flinfo->fn_extra;
	OpenState  *s;
	double		weight;
	int			n;

	if (unlikely(call == NULL))
		fcinfo->flinfo->fn_extra = call = make_call(fcinfo, kind);
	s = PG_ARGISNULL(0) ? NULL : open_state(PG_GETARG_DATUM(0), false);
	weight = mdl_weight_argument(fcinfo, kind == MDL_MOMENTS_LINEAR ? 2 : 1);
	mdl_arguments_numbers(call->features, fcinfo);
	n = call->features->n_numbers;
	if (call->features->vectors)
		same_features(call, s);
	if (kind == MDL_MOMENTS_LINEAR)
		call->features->numbers[n++] = mdl_target_argument(&call->y, fcinfo, 1);
	if (s == NULL)
		s = make_state(call, kind, n);
	if (unlikely(s->n != n || s->kind != kind))
		mdl_damaged_state("a sum of moments");
	if (weight > 0)
		ml_moments_add(moments_of(s), call->features->numbers, NULL, weight);
	PG_RETURN_POINTER(s);
}

MDL_SHIM_TARGET(mdl_linear_gather);
Datum
mdl_linear_gather_impl(PG_FUNCTION_ARGS)
{
	return gather(fcinfo, MDL_MOMENTS_LINEAR);
}

MDL_SHIM_TARGET(mdl_pca_gather);
Datum
mdl_pca_gather_impl(PG_FUNCTION_ARGS)
{
	return gather(fcinfo, MDL_MOMENTS_PCA);
}

/* A feature in words. */
static const char *
feature_text(int32 length)
{
	return length == MDL_LENGTH_NUMBER ? "a number" : length == MDL_LENGTH_BOOLEAN ? "a boolean" : psprintf("an array of %d elements", length);
}

/* Raises unless both were gathered from the same features. */
static void
same_columns(int n, const int32 *lengths, int other_n, const int32 *other_lengths)
{
	int			i = 0;

	while (i < n && i < other_n && lengths[i] == other_lengths[i])
		i++;
	if (i == n && i == other_n)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("states of different features cannot be merged"),
			 n != other_n ? errdetail("One is of %d features, the other of %d.", n, other_n) :
			 errdetail("Feature %d is %s in one, and %s in the other.", i + 1, feature_text(lengths[i]), feature_text(other_lengths[i]))));
}

/* What workers have gathered. */
MDL_SHIM_TARGET(mdl_moments_combine);
Datum
mdl_moments_combine_impl(PG_FUNCTION_ARGS)
{
	OpenState  *s;
	OpenState  *from;

	mdl_only_in_aggregate(fcinfo);
	s = open_state(PG_GETARG_DATUM(0), false);
	from = open_state(PG_GETARG_DATUM(1), true);
	same_columns(s->n_features, s->lengths, from->n_features, from->lengths);
	if (s->kind != from->kind || s->n != from->n)
		mdl_damaged_state("a sum of moments");
	ml_moments_merge(moments_of(s), moments_of(from));
	pfree(from);
	PG_RETURN_POINTER(s);
}

/* ---- sealed states ------------------------------------------------------------------------------------------------- */

static Size
sealed_size(int n, int n_features)
{
	return MAXALIGN(offsetof(MdlMomentsState, packed) + sizeof(double) * ml_packed_doubles(n) + sizeof(int32) * n_features);
}

const int32 *
mdl_moments_lengths(const MdlMomentsState *s)
{
	return (const int32 *) (s->packed + ml_packed_doubles(s->n));
}

static void
attach_gram(ml_gram *gram, int n)
{
	ml_gram_attach(gram, n, MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ml_gram_doubles(n)));
}

MDL_SHIM_TARGET(mdl_moments_seal);
Datum
mdl_moments_seal_impl(PG_FUNCTION_ARGS)
{
	OpenState  *open;
	MdlMomentsState *s;
	ml_gram_source *sources;
	ml_gram		gram;

	mdl_only_in_aggregate(fcinfo);
	/* That pending rows are worked off changes nothing for who goes on with the state. */
	open = open_state(PG_GETARG_DATUM(0), false);
	sources = palloc(sizeof(ml_gram_source) * open->n);
	for (int i = 0; i < open->n; i++)
		sources[i] = (ml_gram_source) {i, -1};
	attach_gram(&gram, open->n);
	ml_gram_from_moments(&gram, moments_of(open), sources);
	s = palloc0(sealed_size(open->n, open->n_features));
	SET_VARSIZE(s, sealed_size(open->n, open->n_features));
	s->head.magic = MDL_STATE_MOMENTS;
	s->head.version = SEALED_VERSION;
	s->kind = open->kind;
	s->n = open->n;
	s->n_features = open->n_features;
	s->rows = gram.rows;
	s->weight = gram.weight;
	s->log_weight = gram.log_weight;
	ml_gram_pack(&gram, s->packed);
	memcpy(s->packed + ml_packed_doubles(s->n), open->lengths, sizeof(int32) * s->n_features);
	mdl_seal_state(s);
	pfree(gram.mean);
	pfree(sources);
	PG_RETURN_POINTER(s);
}

/* Whether the numbers of a row are as many as its features say. */
static bool
lengths_fit(const MdlMomentsState *s)
{
	int64		n = s->kind == MDL_MOMENTS_LINEAR ? 1 : 0;

	for (int i = 0; i < s->n_features; i++)
	{
		int32		length = mdl_moments_lengths(s)[i];

		if (length < MDL_LENGTH_BOOLEAN)
			return false;
		n += Max(length, 1);
	}
	return n == s->n;
}

MdlMomentsState *
mdl_moments_state(Datum value, int kind)
{
	const char *name = kind == 0 ? "a linear model or of components" : name_of(kind);
	MdlMomentsState *s = mdl_sealed_state(value, MDL_STATE_MOMENTS, SEALED_VERSION, sizeof(MdlMomentsState), name, false);

	if (s->kind != MDL_MOMENTS_LINEAR && s->kind != MDL_MOMENTS_PCA)
		mdl_damaged_state(name);
	if (kind != 0 && s->kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the state is one of medallion.%s, but medallion.%s is expected", name_of(s->kind), name_of(kind))));
	if (s->n < 1 || s->n > 30000 || s->n_features < 1 || s->n_features > MOST_FEATURES ||
		VARSIZE(s) != sealed_size(s->n, s->n_features) || s->rows < 0 || !(s->weight >= 0) || isinf(s->weight) || !isfinite(s->log_weight) || !lengths_fit(s))
		mdl_damaged_state(name_of(s->kind));
	return s;
}

void
mdl_moments_gram(const MdlMomentsState *s, ml_gram *gram)
{
	attach_gram(gram, s->n);
	ml_gram_unpack(s->packed, s->rows, s->weight, gram);
	gram->log_weight = s->log_weight;
	for (int i = 0; i < s->n; i++)
		if (gram->moments[(Size) i * s->n + i] < 0)
			mdl_damaged_state(name_of(s->kind));
	for (Size i = 0; i < ml_packed_doubles(s->n); i++)
		if (!isfinite(s->packed[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the sums of squares overflow"),
					 errhint("Scale the features.")));
}

/* The first state becomes that of the rows of both. */
static Datum
join(FunctionCallInfo fcinfo, int kind)
{
	MdlMomentsState *s;
	MdlMomentsState *from;

	mdl_only_in_aggregate(fcinfo);
	s = mdl_moments_state(PG_GETARG_DATUM(0), kind);
	from = mdl_moments_state(PG_GETARG_DATUM(1), kind);
	same_columns(s->n_features, mdl_moments_lengths(s), from->n_features, mdl_moments_lengths(from));
	ml_packed_add(s->packed, s->weight, from->packed, from->weight, s->n);
	s->rows += from->rows;
	s->weight += from->weight;
	s->log_weight += from->log_weight;
	mdl_seal_state(s);
	PG_RETURN_POINTER(s);
}

MDL_SHIM_TARGET(mdl_linear_join);
Datum
mdl_linear_join_impl(PG_FUNCTION_ARGS)
{
	return join(fcinfo, MDL_MOMENTS_LINEAR);
}

MDL_SHIM_TARGET(mdl_pca_join);
Datum
mdl_pca_join_impl(PG_FUNCTION_ARGS)
{
	return join(fcinfo, MDL_MOMENTS_PCA);
}

/* ---- what follows -------------------------------------------------------------------------------------------------- */

/* Runs the learner that train() has over the Gram. */
static void
run_estimator(const MdlMomentsState *s, const ml_estimator *estimator, const double *params, ml_report *report)
{
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	bool		has_target = s->kind == MDL_MOMENTS_LINEAR;
	ml_column_spec column = {.name = "features", .type = "double precision[]", .kind = ML_VECTOR, .scale = 1, .reference = -1};
	ml_model_spec spec = {.algorithm = estimator->name, .target = has_target ? "y" : "", .target_type = has_target ? "double precision" : "", .n_columns = 1, .columns = &column};
	ml_train_input input = {0};
	ml_gram		gram;
	ml_model   *model;
	ml_error	err;
	ml_status	status;

	column.length = s->n - (has_target ? 1 : 0);
	spec.task = has_target ? ML_REGRESSION : ML_DECOMPOSITION;
	status = ml_model_new(&ctx, &spec, &model, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	mdl_moments_gram(s, &gram);
	input.gram = &gram;
	mdl_training_run_estimator(&ctx, estimator, params, &input, model, report);
}

static double
fact_of(const ml_report *report, const char *name)
{
	for (int i = 0; i < report->n_facts; i++)
		if (strcmp(report->facts[i].name, name) == 0)
			return report->facts[i].value;
	return NAN;
}

/* The intercept first, 0 if there is none; NaN for what has no value. */
static void
spread_coefficients(const ml_report *report, int n, bool intercept, double *numbers[4])
{
	for (int k = 0; k < 4; k++)
	{
		numbers[k] = palloc(sizeof(double) * n);
		numbers[k][0] = k == 0 ? 0 : NAN;
	}
	for (size_t i = 0; i < report->n_coefficients; i++)
	{
		const ml_coefficient *c = &report->coefficients[i];
		int			place = (int) i + (intercept ? 0 : 1);

		numbers[0][place] = c->estimate;
		numbers[1][place] = c->std_error;
		numbers[2][place] = c->statistic;
		numbers[3][place] = c->p_value;
	}
}

MDL_SHIM_TARGET(mdl_linear_final);
Datum
mdl_linear_final_impl(PG_FUNCTION_ARGS)
{
	static const char *const facts[] = {"train_r2", "train_adjusted_r2", "train_rmse", "sigma", "f_statistic", "f_p_value", "aic", "bic", "df_residual"};
	MdlMomentsState *s = mdl_moments_state(PG_GETARG_DATUM(0), MDL_MOMENTS_LINEAR);
	double		alpha = PG_GETARG_FLOAT8(1);
	bool		intercept = PG_GETARG_BOOL(2);
	double		params[ML_MAX_PARAMS] = {0};
	const ml_estimator *estimator = alpha > 0 ? &ml_estimator_ridge : &ml_estimator_linear;
	ml_report	report = {0};
	Datum		values[4 + lengthof(facts) + 3];
	bool		nulls[4 + lengthof(facts) + 3] = {false};
	double	   *numbers[4];
	double		likelihood;

	if (!(alpha >= 0) || isinf(alpha))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"alpha\" must be a number of at least 0")));
	if (alpha > 0)
		params[ml_estimator_param(estimator, "alpha")] = alpha;
	params[ml_estimator_param(estimator, "fit_intercept")] = intercept;
	if (s->rows > 0)
	{
		run_estimator(s, estimator, params, &report);
		spread_coefficients(&report, s->n, intercept, numbers);
	}
	for (int k = 0; k < 4; k++)
	{
		nulls[k] = s->rows == 0 || (k > 0 && alpha > 0);
		values[k] = nulls[k] ? (Datum) 0 : mdl_doubles_datum_nulls(numbers[k], 0, s->n);
	}
	for (int k = 0; k < lengthof(facts); k++)
	{
		double		fact = fact_of(&report, facts[k]);

		nulls[4 + k] = isnan(fact);
		values[4 + k] = Float8GetDatum(fact);
	}
	values[4 + lengthof(facts)] = Int64GetDatum(s->rows);
	values[5 + lengthof(facts)] = Float8GetDatum(s->weight);
	likelihood = fact_of(&report, "log_likelihood");
	values[6 + lengthof(facts)] = Float8GetDatum(likelihood);
	nulls[6 + lengthof(facts)] = isnan(likelihood);
	PG_RETURN_DATUM(mdl_state_row(fcinfo, values, nulls));
}

MDL_SHIM_TARGET(mdl_pca_final);
Datum
mdl_pca_final_impl(PG_FUNCTION_ARGS)
{
	static const char *const arrays[] = {"mean", "components", "explained_variance", "explained_variance_ratio", "singular_values"};
	MdlMomentsState *s;
	double		params[ML_MAX_PARAMS];
	const ml_param_spec *n_components = &ml_estimator_pca.params[ml_estimator_param(&ml_estimator_pca, "n_components")];
	ml_report	report = {0};
	Datum		values[lengthof(arrays) + 2];
	bool		nulls[lengthof(arrays) + 2] = {false};
	ml_error	err;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	s = mdl_moments_state(PG_GETARG_DATUM(0), MDL_MOMENTS_PCA);
	ml_estimator_defaults(&ml_estimator_pca, params);
	if (!PG_ARGISNULL(1))
	{
		ml_status	status = ml_param_check(n_components, PG_GETARG_FLOAT8(1), &err);

		if (status != ML_OK)
			mdl_ml_raise(status, &err);
		params[n_components - ml_estimator_pca.params] = PG_GETARG_FLOAT8(1);
	}
	/* Of one row nothing is known but where it is. */
	if (s->rows > 1)
		run_estimator(s, &ml_estimator_pca, params, &report);
	memset(nulls, true, lengthof(arrays));
	for (int i = 0; i < report.n_arrays; i++)
		for (int k = 0; k < lengthof(arrays); k++)
		{
			const ml_report_matrix *m = &report.arrays[i];

			if (strcmp(m->name, arrays[k]) != 0)
				continue;
			nulls[k] = false;
			values[k] = mdl_doubles_datum(m->values, k == 1 ? m->n_rows : 0, k == 1 ? m->n_columns : m->n_rows * m->n_columns);
		}
	if (s->rows == 1)
	{
		nulls[0] = false;
		values[0] = mdl_doubles_datum(s->packed, 0, s->n);
	}
	values[lengthof(arrays)] = Int64GetDatum(s->rows);
	values[lengthof(arrays) + 1] = Float8GetDatum(s->weight);
	PG_RETURN_DATUM(mdl_state_row(fcinfo, values, nulls));
}
