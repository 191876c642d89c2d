/*
 * train_glm_state.c: medallion.glm_state: one round of iteratively reweighted least squares as a plain state that merges.
 *
 * At given coefficients each row has a weight (its curvature) and a working response z; the next coefficients are those
 * of the weighted regression of z on the features (McCullagh, Nelder 1989, section 2.5).  So the state is a set of
 * weighted moments (ml_moments.h), centred, as a linear fit has it, and columns far from 0 lose no digits.
 *
 * While rows come in the state is *open*: moments with room for a block of rows.  What the aggregates return is *sealed*:
 * the Gram alone, with a checksum.  An offset or exposure is one of the features' arguments, named by its place.
 */
#include "train/train_states.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "ml/ml_family.h"
#include "ml/ml_irls.h"
#include "ml/ml_packed_gram.h"
#include "ml/ml_solve.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#define OPEN_MAGIC 0x4d474c4fu
#define GLM_VERSION 2
#define NAME "glm_state"
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
	int32		offset;			/* which argument of the features it is, from 1; 0: there is none */
	int32		exposure;
} GlmWork;

typedef struct GlmState
{
	MdlStateHead head;
	GlmWork		work;
	int32		n;				/* features, without offset and exposure */
	int32		unused;
	int64		rows;
	double		weight;
	double		loss;			/* half the deviance */
	double		pearson;
	int64		curved_rows;	/* sealed: of the Gram, which has the rows with a curvature … */
	double		curvature;		/* … and the sum of that */
	double		coefficients[FLEXIBLE_ARRAY_MEMBER];	/* (n + 1), the intercept first; then of features and z ml_moments or, sealed, their packed Gram */
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
head_size(int n)
{
	return offsetof(GlmState, coefficients) + sizeof(double) * ((Size) n + 1);
}

static Size
open_size(int n)
{
	ml_moments_shape shape = shape_of(n);

	return head_size(n) + ml_moments_size(&shape);
}

static Size
sealed_size(int n)
{
	return head_size(n) + sizeof(double) * ml_packed_doubles(n + 1);
}

static ml_moments *
moments_of(GlmState *s)
{
	return (ml_moments *) (s->coefficients + s->n + 1);
}

static double *
packed_of(GlmState *s)
{
	return s->coefficients + s->n + 1;
}

/* A state that rows are still put in. */
static GlmState *
open_state(Datum value, bool copy)
{
	GlmState   *s = (GlmState *) mdl_state_bytes(value, copy);
	ml_moments_shape shape;

	if (VARSIZE(s) < sizeof(GlmState) || s->head.magic != OPEN_MAGIC || s->n < 1 || s->n > 30000 || VARSIZE(s) != open_size(s->n))
		mdl_damaged_state(NAME);
	shape = shape_of(s->n);
	if (!ml_moments_valid(moments_of(s), ml_moments_size(&shape), &shape))
		mdl_damaged_state(NAME);
	return s;
}

/* A state as users have it. */
static GlmState *
state_argument(Datum value, bool copy)
{
	GlmState   *s = mdl_sealed_state(value, MDL_STATE_GLM, GLM_VERSION, sizeof(GlmState), NAME, copy);

	if (s->n < 1 || s->n > 30000 || VARSIZE(s) != sealed_size(s->n) || s->rows < 0 || !(s->weight >= 0) || isinf(s->weight) ||
		s->curved_rows < 0 || s->curved_rows > s->rows || !(s->curvature >= 0) || !(s->work.ridge >= 0) || isinf(s->work.ridge))
		mdl_damaged_state(NAME);
	return s;
}

/* ---- what is asked for --------------------------------------------------------------------------------------------- */

static double
parameter(const ml_estimator *estimator, const double *values, const char *name)
{
	return values[ml_estimator_param(estimator, name)];
}

/* Takes one of the parameters that train() has names of columns for out of *params: here it is the place of an argument. */
static int32
take_place(Jsonb **params, const ml_estimator *estimator, const char *name, int n_arguments)
{
	int64		place;

	if (*params == NULL || ml_estimator_param(estimator, name) < 0)
		return 0;
	if (mdl_jsonb_is_text(*params, name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" of a state must be the place of an argument among the features, not a name", name),
				 errhint("Count the features from 1.")));
	if (!mdl_jsonb_int8(*params, "params", name, &place))
		return 0;
	if (place < 1 || place > n_arguments)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" is %lld, but there are %d features", name, (long long) place, n_arguments),
				 errhint("Count the features from 1.")));
	*params = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(*params), CStringGetTextDatum(name)));
	return (int32) place;
}

/* Families are the algorithms of train(), with their parameters and defaults. */
static void
read_work(const char *family, Jsonb *params, const MdlArguments *arguments, GlmWork *work)
{
	double		values[ML_MAX_PARAMS];
	const ml_estimator *estimator = ml_estimator_find(family);
	ml_family	f = {ML_FAMILY_BINOMIAL};
	bool		logistic = strcmp(family, "logistic") == 0;
	int32		offset;
	int32		exposure;

	if (!logistic && strcmp(family, "poisson") != 0 && strcmp(family, "gamma") != 0 && strcmp(family, "tweedie") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"family\" cannot be \"%s\"", family),
				 errhint("Values are: logistic, poisson, gamma, tweedie.")));
	offset = take_place(&params, estimator, "offset", arguments->count);
	exposure = take_place(&params, estimator, "exposure", arguments->count);
	if (offset != 0 && offset == exposure)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("feature %d cannot be both the offset and the exposure", offset)));
	for (int i = 0; i < arguments->count; i++)
		if ((i + 1 == offset || i + 1 == exposure) && arguments->arguments[i].form != MDL_ARGUMENT_NUMBER)
			mdl_wrong_feature(i + 1, i + 1 == offset ? "cannot be the offset: it is no number" : "cannot be the exposure: it is no number");
	mdl_params_read(estimator, params, values);
	if (parameter(estimator, values, "fit_intercept") == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a state of a generalised linear model has an intercept")));
	if (strcmp(family, "tweedie") == 0)
		ml_tweedie_family(values, &f);
	else if (!logistic)
		ml_glm_family(family[0] == 'p' ? 1 : 2, values, &f);
	*work = (GlmWork) {.kind = f.kind, .link = f.link, .power = f.power, .per_weight = !logistic, .offset = offset, .exposure = exposure};
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
		read_work(text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), call->features, &call->work);
	}
	call->work.from_target = PG_ARGISNULL(3);
	return mdl_constant_same(&call->coefficients, fcinfo, 3, memory) && same;
}

static GlmState *
make_state(const GlmCall *call, FunctionCallInfo fcinfo)
{
	int			n = call->features->n_numbers;	/* offset and exposure have been taken out */
	ml_moments_shape shape = shape_of(n);
	GlmState   *s;

	if (n < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a row has no features")));
	if ((n + 16.0) * (n + 16.0) * sizeof(double) > STATE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the statistics of %d features would take more than %.0f MB", n, STATE_LIMIT / 1048576)));
	s = palloc0(open_size(n));
	SET_VARSIZE(s, open_size(n));
	s->head.magic = OPEN_MAGIC;
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

/* What a round is of, in words. */
static const char *
round_text(const GlmState *s)
{
	static const char *const links[] = {"identity", "log", "inverse", "sqrt", "inverse_squared"};
	const GlmWork *w = &s->work;
	StringInfoData text;

	initStringInfo(&text);
	if (w->kind == ML_FAMILY_BINOMIAL)
		appendStringInfoString(&text, "family logistic");
	else
		appendStringInfo(&text, "family %s with power %g and link %s", w->power == 1 ? "poisson" : w->power == 2 ? "gamma" : "tweedie", w->power,
						 w->link >= 0 && w->link < lengthof(links) ? links[w->link] : "?");
	appendStringInfo(&text, ", penalty %g, %d feature%s", w->ridge, s->n, s->n == 1 ? "" : "s");
	if (w->offset > 0)
		appendStringInfo(&text, ", offset %d", w->offset);
	if (w->exposure > 0)
		appendStringInfo(&text, ", exposure %d", w->exposure);
	if (w->from_target)
		appendStringInfoString(&text, ", no coefficients");
	return text.data;
}

/* Raises unless both are the same round of the same fit. */
static void
same_round(const GlmState *s, const GlmState *other)
{
	bool		alike = s->n == other->n && memcmp(&s->work, &other->work, sizeof(GlmWork)) == 0;
	int			j = 0;

	if (alike)
		while (j <= s->n && s->coefficients[j] == other->coefficients[j])
			j++;
	if (alike && j > s->n)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("family, parameters, coefficients and number of features must be the same for all rows and states of a round"),
			 alike ? errdetail("Coefficient %d is %.15g for some, and %.15g for others.", j + 1, s->coefficients[j], other->coefficients[j]) :
			 errdetail("Some are of %s; others of %s.", round_text(s), round_text(other))));
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static double
target_argument(const GlmCall *call, FunctionCallInfo fcinfo, const ml_family *family, bool counts)
{
	double		y = mdl_target_argument(&call->y, fcinfo, 4);

	if (!counts)
		return y;
	if (family->kind == ML_FAMILY_BINOMIAL ? y != 0 && y != 1 : !ml_family_takes(family, y))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("y is %g, but the family takes %s", y, family->kind == ML_FAMILY_BINOMIAL ? "0 and 1" : ml_family_domain(family))));
	return y;
}

/* Takes offset and exposure out of the row; returns what they add to the linear predictor of a row that counts. */
static double
take_offset(const GlmWork *work, MdlArguments *a, bool counts)
{
	double		sum = 0;
	int			from = 0;
	int			n = 0;

	if (work->offset == 0 && work->exposure == 0)
		return 0;
	for (int i = 0; i < a->count; i++)
	{
		double		number = a->numbers[from];

		if (i + 1 == work->offset)
			sum += number;
		else if (i + 1 == work->exposure)
		{
			if (counts && !(number > 0))
				mdl_wrong_feature(i + 1, "is the exposure, but not above 0");
			sum += log(number);
		}
		else
			for (int k = 0; k < a->lengths[i]; k++)
				a->numbers[n++] = a->numbers[from + k];
		from += a->lengths[i];
	}
	a->n_numbers = n;
	return sum;
}

/* Adds a row; x has room for the working response behind the features. */
static void
add_row(GlmState *s, const ml_family *family, double *x, double offset, double y, double weight)
{
	int32		label = y == 1;
	ml_matrix	m = {.rows = 1, .target = &y, .labels = &label, .weights = &weight};
	double		eta = s->coefficients[0] + offset;
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
	x[s->n] = eta - offset + residual / curvature;
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
	double		offset;
	double		weight;
	double		y;
	bool		same;

	if (unlikely(call == NULL))
		fcinfo->flinfo->fn_extra = call = make_call(fcinfo);
	same = read_constants(call, fcinfo);
	mdl_arguments_numbers(call->features, fcinfo);
	weight = mdl_weight_argument(fcinfo, 5);
	offset = take_offset(&call->work, call->features, weight > 0);
	if (PG_ARGISNULL(0))
		s = make_state(call, fcinfo);
	else
		s = open_state(PG_GETARG_DATUM(0), false);
	if (!same && !PG_ARGISNULL(0))
		same_round(s, make_state(call, fcinfo));
	if (call->features->n_numbers != s->n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a row has %d features, others had %d", call->features->n_numbers, s->n)));
	family = (ml_family) {s->work.kind, s->work.power, s->work.link, NULL};
	y = target_argument(call, fcinfo, &family, weight > 0);
	if (weight > 0)
		add_row(s, &family, call->features->numbers, offset, y, weight);
	PG_RETURN_POINTER(s);
}

/* What is a number of its own is that of the rows of both. */
static void
add_sums(GlmState *s, const GlmState *from)
{
	s->rows += from->rows;
	s->weight += from->weight;
	s->loss += from->loss;
	s->pearson += from->pearson;
}

/* What workers have gathered. */
MDL_SHIM_TARGET(mdl_glm_combine);
Datum
mdl_glm_combine_impl(PG_FUNCTION_ARGS)
{
	GlmState   *s;
	GlmState   *from;

	mdl_only_in_aggregate(fcinfo);
	s = open_state(PG_GETARG_DATUM(0), false);
	from = open_state(PG_GETARG_DATUM(1), true);
	same_round(s, from);
	ml_moments_merge(moments_of(s), moments_of(from));
	add_sums(s, from);
	pfree(from);
	PG_RETURN_POINTER(s);
}

static ml_gram *
new_gram(int n)
{
	ml_gram    *gram = palloc(sizeof(ml_gram));

	ml_gram_attach(gram, n, MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ml_gram_doubles(n)));
	return gram;
}

MDL_SHIM_TARGET(mdl_glm_seal);
Datum
mdl_glm_seal_impl(PG_FUNCTION_ARGS)
{
	GlmState   *open;
	GlmState   *s;
	ml_gram_source *sources;
	ml_gram    *gram;

	mdl_only_in_aggregate(fcinfo);
	/* That pending rows are worked off changes nothing for who goes on with the state. */
	open = open_state(PG_GETARG_DATUM(0), false);
	sources = palloc(sizeof(ml_gram_source) * (open->n + 1));
	for (int i = 0; i <= open->n; i++)
		sources[i] = (ml_gram_source) {i, -1};
	gram = new_gram(open->n + 1);
	ml_gram_from_moments(gram, moments_of(open), sources);
	s = palloc0(sealed_size(open->n));
	memcpy(s, open, head_size(open->n));
	SET_VARSIZE(s, sealed_size(open->n));
	s->head.magic = MDL_STATE_GLM;
	s->head.version = GLM_VERSION;
	s->curved_rows = gram->rows;
	s->curvature = gram->weight;
	ml_gram_pack(gram, packed_of(s));
	mdl_seal_state(s);
	pfree(gram->mean);
	PG_RETURN_POINTER(s);
}

/* The first state becomes that of the rows of both. */
MDL_SHIM_TARGET(mdl_glm_join);
Datum
mdl_glm_join_impl(PG_FUNCTION_ARGS)
{
	GlmState   *s;
	GlmState   *from;

	mdl_only_in_aggregate(fcinfo);
	s = state_argument(PG_GETARG_DATUM(0), false);
	from = state_argument(PG_GETARG_DATUM(1), false);
	same_round(s, from);
	ml_packed_add(packed_of(s), s->curvature, packed_of(from), from->curvature, s->n + 1);
	s->curved_rows += from->curved_rows;
	s->curvature += from->curvature;
	add_sums(s, from);
	mdl_seal_state(s);
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
	ml_gram    *gram = new_gram(n + 1);
	double	   *matrix = palloc(sizeof(double) * n * n);
	double	   *right = palloc(sizeof(double) * 2 * n);
	double		ridge = s->work.per_weight ? s->work.ridge * s->weight : s->work.ridge;
	bool		fixed = s->work.kind == ML_FAMILY_BINOMIAL || s->work.power == 1;
	double		dispersion;
	int64		df;
	ml_cholesky factor;
	ml_error	err;
	ml_status	status;

	if (!(s->curvature > 0))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("no row has a curvature at these coefficients"),
				 errhint("Go halfway back to the coefficients of the round before.")));
	for (Size i = 0; i < ml_packed_doubles(n + 1); i++)
		if (!isfinite(packed_of(s)[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the sums of squares overflow"),
					 errhint("Scale the features.")));
	ml_gram_unpack(packed_of(s), s->curved_rows, s->curvature, gram);
	for (int i = 0; i < n; i++)
	{
		memcpy(matrix + (Size) i * n, gram->moments + (Size) i * (n + 1), sizeof(double) * n);
		right[i] = gram->moments[(Size) i * (n + 1) + n];
	}
	status = ml_cholesky_make(&ctx, &factor, matrix, n, ridge, ridge > 0 ? 0 : TOLERANCE, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	ml_cholesky_solve(&factor, right, coefficients + 1, right + n);
	coefficients[0] = gram->mean[n];
	for (int j = 0; j < n; j++)
		coefficients[0] -= coefficients[j + 1] * gram->mean[j];
	df = s->rows - factor.rank - 1;
	dispersion = fixed ? 1 : df > 0 ? s->pearson / (double) df : NAN;
	if (ridge == 0)
		standard_errors(&ctx, s, gram, &factor, dispersion, errors);
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
