/*
 * train_glm_state.c: medallion.glm_state: one round of iteratively reweighted least squares as a plain state that merges.
 *
 * At given coefficients each row has a weight (its curvature) and a working response z; the next coefficients are those
 * of the weighted regression of z on the features (McCullagh, Nelder 1989, section 2.5).  So the state is a set of
 * weighted moments (ml_moments.h), centred, as a linear fit has it, and columns far from 0 lose no digits.
 */
#include "train/train_states.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "ml/ml_family.h"
#include "ml/ml_irls.h"
#include "ml/ml_solve.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#define GLM_MAGIC 0x4d474c4du
#define GLM_VERSION 1
#define STATE_LIMIT (512.0 * 1024 * 1024)
#define TOLERANCE 1e-11			/* of a pivot, without a penalty, as training has it */

/* What is fitted, by whom. */
typedef struct GlmWork
{
	int32		kind;			/* ml_family_kind */
	int32		link;
	double		power;
	double		ridge;			/* of the squared coefficients … */
	int32		per_weight;		/* … for each unit of weight */
	int32		from_target;	/* no coefficients yet: at the means that the targets suggest */
} GlmWork;

typedef struct GlmState
{
	int32		vl_len_;
	uint32		magic;
	int32		version;
	int32		n;				/* features */
	GlmWork		work;
	int64		rows;
	double		weight;
	double		loss;			/* half the deviance */
	double		pearson;
	double		coefficients[FLEXIBLE_ARRAY_MEMBER];	/* (n + 1), the intercept first; then ml_moments of features and z */
} GlmState;

typedef struct GlmCall
{
	MdlArguments *features;
	MdlArgument y;
	MdlConstant family;
	MdlConstant params;
	MdlConstant coefficients;
	GlmWork		work;
} GlmCall;

static ml_moments_shape
shape_of(int n)
{
	return (ml_moments_shape) {n + 1, 0, 0};
}

static Size
size_of(int n)
{
	ml_moments_shape shape = shape_of(n);

	return offsetof(GlmState, coefficients) + sizeof(double) * ((Size) n + 1) + ml_moments_size(&shape);
}

static ml_moments *
moments_of(GlmState *s)
{
	return (ml_moments *) (s->coefficients + s->n + 1);
}

static GlmState *
state_argument(Datum value, bool copy)
{
	GlmState   *s = (GlmState *) mdl_state_bytes(value, copy);
	ml_moments_shape shape;

	if (VARSIZE(s) < sizeof(GlmState) || s->magic != GLM_MAGIC || s->version != GLM_VERSION || s->n < 1 || s->n > 30000 ||
		VARSIZE(s) != size_of(s->n) || s->rows < 0)
		mdl_damaged_state("the generalised linear model");
	shape = shape_of(s->n);
	if (!ml_moments_valid(moments_of(s), ml_moments_size(&shape), &shape))
		mdl_damaged_state("the generalised linear model");
	return s;
}

/* ---- what is asked for --------------------------------------------------------------------------------------------- */

static double
parameter(const ml_estimator *estimator, const double *values, const char *name)
{
	return values[ml_estimator_param(estimator, name)];
}

/* Families are the algorithms of train(), with their parameters and defaults. */
static void
read_work(const char *family, Jsonb *params, GlmWork *work)
{
	double		values[ML_MAX_PARAMS];
	const ml_estimator *estimator = ml_estimator_find(family);
	ml_family	f = {ML_FAMILY_BINOMIAL};
	bool		logistic = strcmp(family, "logistic") == 0;

	if (!logistic && strcmp(family, "poisson") != 0 && strcmp(family, "gamma") != 0 && strcmp(family, "tweedie") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"family\" cannot be \"%s\"", family),
				 errhint("Values are: logistic, poisson, gamma, tweedie.")));
	mdl_params_read(estimator, params, values);
	if (parameter(estimator, values, "offset") != 0 || (!logistic && parameter(estimator, values, "exposure") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a state of a generalised linear model takes no offset and no exposure"),
				 errhint("Of poisson give rates as y and exposures as weight, else use medallion.train.")));
	if (parameter(estimator, values, "fit_intercept") == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a state of a generalised linear model has an intercept")));
	if (strcmp(family, "tweedie") == 0)
		ml_tweedie_family(values, &f);
	else if (!logistic)
		ml_glm_family(family[0] == 'p' ? 1 : 2, values, &f);
	*work = (GlmWork) {.kind = f.kind, .link = f.link, .power = f.power, .per_weight = !logistic};
	if (!logistic)
		work->ridge = parameter(estimator, values, "alpha");
	else
	{
		const char *penalty = ml_param_word(&estimator->params[ml_estimator_param(estimator, "penalty")], parameter(estimator, values, "penalty"));

		if ((strcmp(penalty, "l2") != 0 && strcmp(penalty, "none") != 0) || parameter(estimator, values, "class_weight") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a state of family logistic takes the penalties l2 and none, and no class weights"),
					 errhint("Give class weights as weights of rows.")));
		work->ridge = strcmp(penalty, "l2") == 0 ? 1 / parameter(estimator, values, "C") : 0;
	}
}

/* Looks whether what is constant has changed since the row before. */
static bool
read_constants(GlmCall *call, FunctionCallInfo fcinfo)
{
	MemoryContext memory = fcinfo->flinfo->fn_mcxt;
	bool		same = mdl_constant_same(&call->family, fcinfo, 1, memory);

	same &= mdl_constant_same(&call->params, fcinfo, 2, memory);
	if (!same)
	{
		if (PG_ARGISNULL(1))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"family\" must not be NULL")));
		read_work(text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), &call->work);
	}
	call->work.from_target = PG_ARGISNULL(3);
	return mdl_constant_same(&call->coefficients, fcinfo, 3, memory) && same;
}

static GlmState *
make_state(const GlmCall *call, FunctionCallInfo fcinfo)
{
	int			n = call->features->n_numbers;
	ml_moments_shape shape = shape_of(n);
	GlmState   *s;

	if (n < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a row has no features")));
	if ((n + 16.0) * (n + 16.0) * sizeof(double) > STATE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the statistics of %d features would take more than %.0f MB", n, STATE_LIMIT / 1048576)));
	s = palloc0(size_of(n));
	SET_VARSIZE(s, size_of(n));
	s->magic = GLM_MAGIC;
	s->version = GLM_VERSION;
	s->n = n;
	s->work = call->work;
	ml_moments_init(moments_of(s), &shape);
	if (!PG_ARGISNULL(3))
	{
		int			rows;
		int			count;
		const double *values = mdl_doubles_argument(PG_GETARG_DATUM(3), "coefficients", 1, &rows, &count);

		if (count != n + 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"coefficients\" has %d elements, but %d features and the intercept need %d", count, n, n + 1)));
		memcpy(s->coefficients, values, sizeof(double) * count);
	}
	return s;
}

/* Raises unless both are the same round of the same fit. */
static void
same_round(const GlmState *s, const GlmState *other)
{
	if (s->n != other->n || memcmp(&s->work, &other->work, sizeof(GlmWork)) != 0 ||
		memcmp(s->coefficients, other->coefficients, sizeof(double) * (s->n + 1)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("family, parameters, coefficients and number of features must be the same for all rows and states of a round")));
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static double
target_argument(const GlmCall *call, FunctionCallInfo fcinfo, const ml_family *family)
{
	double		y = mdl_target_argument(&call->y, fcinfo, 4);

	if (family->kind == ML_FAMILY_BINOMIAL ? y != 0 && y != 1 : !ml_family_takes(family, y))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("y is %g, but the family takes %s", y, family->kind == ML_FAMILY_BINOMIAL ? "0 and 1" : ml_family_domain(family))));
	return y;
}

/* Adds a row; x has room for the working response behind the features. */
static void
add_row(GlmState *s, const ml_family *family, double *x, double y, double weight)
{
	int32		label = y == 1;
	ml_matrix	m = {.rows = 1, .target = &y, .labels = &label, .weights = &weight};
	double		eta = s->coefficients[0];
	double		residual;
	double		curvature;

	for (int j = 0; j < s->n; j++)
		eta += s->coefficients[j + 1] * x[j];
	if (s->work.from_target)
		ml_family_start(family, &m, 0, 1, &eta);
	s->loss += ml_family_respond(family, &m, 0, 1, &eta, &residual, &curvature);
	s->rows++;
	s->weight += weight;
	if (!(curvature > 0))
		return;
	s->pearson += residual * residual / curvature;
	x[s->n] = eta + residual / curvature;
	ml_moments_add(moments_of(s), x, NULL, curvature);
}

static GlmCall *
make_call(FunctionCallInfo fcinfo)
{
	GlmCall    *call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(GlmCall));

	mdl_only_in_aggregate(fcinfo);
	call->features = mdl_arguments_open(fcinfo, 6);
	mdl_target_open(fcinfo, 4, &call->y);
	return call;
}

MDL_SHIM_TARGET(mdl_glm_accum);
Datum
mdl_glm_accum_impl(PG_FUNCTION_ARGS)
{
	GlmCall    *call = fcinfo->flinfo->fn_extra;
	GlmState   *s = NULL;
	ml_family	family;
	double		weight;
	double		y;
	bool		same;

	if (unlikely(call == NULL))
		fcinfo->flinfo->fn_extra = call = make_call(fcinfo);
	same = read_constants(call, fcinfo);
	mdl_arguments_numbers(call->features, fcinfo);
	if (PG_ARGISNULL(0))
		s = make_state(call, fcinfo);
	else
		s = state_argument(PG_GETARG_DATUM(0), false);
	if (!same && !PG_ARGISNULL(0))
		same_round(s, make_state(call, fcinfo));
	if (call->features->n_numbers != s->n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a row has %d features, others had %d", call->features->n_numbers, s->n)));
	family = (ml_family) {s->work.kind, s->work.power, s->work.link, NULL};
	weight = mdl_weight_argument(fcinfo, 5);
	y = target_argument(call, fcinfo, &family);
	if (weight > 0)
		add_row(s, &family, call->features->numbers, y, weight);
	PG_RETURN_POINTER(s);
}

MDL_SHIM_TARGET(mdl_glm_combine);
Datum
mdl_glm_combine_impl(PG_FUNCTION_ARGS)
{
	GlmState   *s;
	GlmState   *from;

	mdl_only_in_aggregate(fcinfo);
	s = state_argument(PG_GETARG_DATUM(0), false);
	from = state_argument(PG_GETARG_DATUM(1), true);
	same_round(s, from);
	ml_moments_merge(moments_of(s), moments_of(from));
	s->rows += from->rows;
	s->weight += from->weight;
	s->loss += from->loss;
	s->pearson += from->pearson;
	pfree(from);
	PG_RETURN_POINTER(s);
}

/* ---- the next coefficients ----------------------------------------------------------------------------------------- */

/* Standard errors (n + 1) from the factored information; NaN for features that others determine. */
static void
standard_errors(const ml_ctx *ctx, const GlmState *s, const ml_gram *gram, const ml_cholesky *factor, double dispersion, double *errors)
{
	int			n = s->n;
	double	   *inverse = palloc(sizeof(double) * n * n);
	double		square = 1 / gram->weight;
	ml_error	err;
	ml_status	status = ml_cholesky_inverse(ctx, factor, inverse, &err);

	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	for (int i = 0; i < n; i++)
	{
		double		variance = dispersion * inverse[(Size) i * n + i];

		errors[i + 1] = variance > 0 ? sqrt(variance) : NAN;
		for (int j = 0; j < n; j++)
			square += gram->mean[i] * inverse[(Size) i * n + j] * gram->mean[j];
	}
	errors[0] = sqrt(dispersion * square);
}

/* Solves for the coefficients; returns the dispersion, and standard errors unless there is a penalty. */
static double
solve(GlmState *s, double *coefficients, double *errors)
{
	int			n = s->n;
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_gram		gram;
	ml_gram_source *sources = palloc(sizeof(ml_gram_source) * (n + 1));
	double	   *matrix = palloc(sizeof(double) * n * n);
	double	   *right = palloc(sizeof(double) * 2 * n);
	double		ridge = s->work.per_weight ? s->work.ridge * s->weight : s->work.ridge;
	bool		fixed = s->work.kind == ML_FAMILY_BINOMIAL || s->work.power == 1;
	double		dispersion;
	int64		df;
	ml_cholesky factor;
	ml_error	err;
	ml_status	status;

	for (int i = 0; i <= n; i++)
		sources[i] = (ml_gram_source) {i, -1};
	ml_gram_attach(&gram, n + 1, palloc(sizeof(double) * ml_gram_doubles(n + 1)));
	ml_gram_from_moments(&gram, moments_of(s), sources);
	if (!(gram.weight > 0))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("no row has a curvature at these coefficients"),
				 errhint("Go halfway back to the coefficients of the round before.")));
	for (int i = 0; i < n; i++)
	{
		memcpy(matrix + (Size) i * n, gram.moments + (Size) i * (n + 1), sizeof(double) * n);
		right[i] = gram.moments[(Size) i * (n + 1) + n];
	}
	status = ml_cholesky_make(&ctx, &factor, matrix, n, ridge, ridge > 0 ? 0 : TOLERANCE, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	ml_cholesky_solve(&factor, right, coefficients + 1, right + n);
	coefficients[0] = gram.mean[n];
	for (int j = 0; j < n; j++)
		coefficients[0] -= coefficients[j + 1] * gram.mean[j];
	df = s->rows - factor.rank - 1;
	dispersion = fixed ? 1 : df > 0 ? s->pearson / (double) df : NAN;
	if (ridge == 0)
		standard_errors(&ctx, s, &gram, &factor, dispersion, errors);
	return dispersion;
}

MDL_SHIM_TARGET(mdl_glm_final);
Datum
mdl_glm_final_impl(PG_FUNCTION_ARGS)
{
	GlmState   *s = state_argument(PG_GETARG_DATUM(0), true);
	double	   *coefficients = palloc0(sizeof(double) * (s->n + 1));
	double	   *errors = palloc0(sizeof(double) * (s->n + 1));
	double		moved = 0;
	Datum		values[7];
	bool		nulls[7] = {false};

	values[5] = Float8GetDatum(solve(s, coefficients, errors));
	for (int j = 0; j <= s->n; j++)
		moved = fmax(moved, fabs(coefficients[j] - s->coefficients[j]));
	values[0] = mdl_doubles_datum(coefficients, 0, s->n + 1);
	values[1] = mdl_doubles_datum(errors, 0, s->n + 1);
	values[2] = Float8GetDatum(2 * s->loss);
	values[3] = Int64GetDatum(s->rows);
	values[4] = Float8GetDatum(s->weight);
	values[6] = Float8GetDatum(moved);
	/* Nobody has penalised standard errors, nor a deviance without coefficients. */
	nulls[1] = s->work.ridge > 0;
	nulls[2] = nulls[6] = s->work.from_target;
	PG_RETURN_DATUM(mdl_state_row(fcinfo, values, nulls));
}
