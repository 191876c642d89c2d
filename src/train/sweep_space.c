/*
 * sweep_space.c: from a search space to trials.
 *
 * A space is an object: parameter -> what it may be.
 *   an array            one of its elements
 *   {"uniform": [a, b]}, {"log_uniform": [a, b]}, {"int_uniform": [a, b]}   a number between a and b
 *   anything else       that value, always
 * A grid is every combination of arrays, in the order of scikit-learn's ParameterGrid: names in alphabetical order, the
 * last varying fastest.  Random trials are drawn with a counter-based generator: a value depends on the seed, the
 * trial's number and the parameter's name alone.
 */
#include "train/sweep_int.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "ml/ml_hash.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define MOST_ATTEMPTS 100000	/* to draw a trial that differs from those before it */

typedef enum AxisKind
{
	AXIS_CHOICE = 1,
	AXIS_UNIFORM,
	AXIS_LOG_UNIFORM,
	AXIS_INT_UNIFORM
} AxisKind;

typedef struct Axis
{
	char	   *name;
	AxisKind	kind;
	int			n_values;		/* choice */
	JsonbValue *values;
	double		low,
				high;
} Axis;

typedef struct Space
{
	int			n;
	Axis	   *axes;			/* by name */
} Space;

static const struct
{
	const char *name;
	AxisKind	kind;
}			distributions[] = {
	{"uniform", AXIS_UNIFORM}, {"log_uniform", AXIS_LOG_UNIFORM}, {"int_uniform", AXIS_INT_UNIFORM}
};

MdlStrategy
mdl_sweep_strategy(const char *name)
{
	static const char *const later[] = {"tpe", "asha", "hyperband"};

	if (strcmp(name, "grid") == 0)
		return MDL_STRATEGY_GRID;
	if (strcmp(name, "random") == 0)
		return MDL_STRATEGY_RANDOM;
	for (int i = 0; i < lengthof(later); i++)
		if (strcmp(name, later[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("strategy \"%s\" is not supported in this version", name),
					 errhint("Use strategy => 'grid' or 'random'.")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("strategy \"%s\" does not exist", name),
			 errhint("Strategies are grid and random.")));
}

static void
bad_axis(const Axis *axis, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in argument \"space\" %s", axis->name, problem),
			 errhint("Write an array of values, or {\"uniform\": [low, high]}, {\"log_uniform\": [low, high]} or "
					 "{\"int_uniform\": [low, high]}.")));
}

/* The elements of an array. */
static void
read_choices(Axis *axis, JsonbContainer *array)
{
	axis->kind = AXIS_CHOICE;
	axis->n_values = JsonContainerSize(array);
	if (axis->n_values == 0)
		bad_axis(axis, "is an empty array");
	axis->values = palloc(sizeof(JsonbValue) * axis->n_values);
	for (int i = 0; i < axis->n_values; i++)
		axis->values[i] = *getIthJsonbValueFromContainer(array, i);
}

static double
read_bound(const Axis *axis, JsonbContainer *array, int index)
{
	JsonbValue *value = getIthJsonbValueFromContainer(array, index);

	if (value->type != jbvNumeric)
		bad_axis(axis, "must have numbers as bounds");
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
}

/* {"log_uniform": [low, high]} and the like. */
static void
read_distribution(Axis *axis, JsonbContainer *object)
{
	JsonbValue	key,
			   *bounds = NULL;

	if (JsonContainerSize(object) != 1)
		bad_axis(axis, "must have exactly one distribution");
	for (int i = 0; i < lengthof(distributions) && bounds == NULL; i++)
	{
		key.type = jbvString;
		key.val.string.val = (char *) distributions[i].name;
		key.val.string.len = strlen(distributions[i].name);
		bounds = findJsonbValueFromContainer(object, JB_FOBJECT, &key);
		axis->kind = distributions[i].kind;
	}
	if (bounds == NULL)
		bad_axis(axis, "has a distribution that does not exist");
	if (bounds->type != jbvBinary || !JsonContainerIsArray(bounds->val.binary.data) ||
		JsonContainerSize(bounds->val.binary.data) != 2)
		bad_axis(axis, "must have two bounds");
	axis->low = read_bound(axis, bounds->val.binary.data, 0);
	axis->high = read_bound(axis, bounds->val.binary.data, 1);
	if (!(axis->low < axis->high))
		bad_axis(axis, "must have a lower bound below the upper one");
	if (isinf(axis->high - axis->low))
		bad_axis(axis, "has bounds that are too far apart");
	if (axis->kind == AXIS_LOG_UNIFORM && !(axis->low > 0))
		bad_axis(axis, "must have bounds above 0 for log_uniform");
	if (axis->kind == AXIS_INT_UNIFORM && (axis->low != floor(axis->low) || axis->high != floor(axis->high)))
		bad_axis(axis, "must have integers as bounds for int_uniform");
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const Axis *) a)->name, ((const Axis *) b)->name);
}

static void
read_space(Jsonb *json, Space *space)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"space\" must be a JSON object"),
				 errhint("For example {\"alpha\": [0.1, 1, 10]}.")));
	space->n = 0;
	space->axes = palloc0(sizeof(Axis) * (JB_ROOT_COUNT(json) + 1));
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		Axis	   *axis = &space->axes[space->n];

		if (token == WJB_KEY)
			axis->name = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			read_choices(axis, value.val.binary.data);
		else if (value.type == jbvBinary)
			read_distribution(axis, value.val.binary.data);
		else
		{
			axis->kind = AXIS_CHOICE;
			axis->n_values = 1;
			axis->values = palloc(sizeof(JsonbValue));
			axis->values[0] = value;
		}
		space->n++;
	}
	if (space->n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"space\" is empty"),
				 errhint("For example {\"alpha\": [0.1, 1, 10]}.")));
	qsort(space->axes, space->n, sizeof(Axis), by_name);
}

/* Values that a parameter may take; more than the largest number of trials where there is no end of them. */
static double
count_values(const Axis *axis)
{
	if (axis->kind == AXIS_CHOICE)
		return axis->n_values;
	return axis->kind == AXIS_INT_UNIFORM ? axis->high - axis->low + 1 : MDL_SWEEP_MAX_TRIALS + 1;
}

/* Number of combinations; cut off above the largest number of trials. */
static int
count_combinations(const Space *space)
{
	double		total = 1;

	for (int i = 0; i < space->n; i++)
		total = Min(total * count_values(&space->axes[i]), MDL_SWEEP_MAX_TRIALS + 1);
	return (int) total;
}

static Jsonb *
make_params(const Space *space, JsonbValue *chosen)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < space->n; i++)
	{
		JsonbValue	key;

		key.type = jbvString;
		key.val.string.val = space->axes[i].name;
		key.val.string.len = strlen(space->axes[i].name);
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &chosen[i]);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(result);
}

/* A number as jsonb, with all digits of the double. */
static void
number_value(double number, JsonbValue *value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(number, digits);
	value->type = jbvNumeric;
	value->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
															 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* Draws the value of one parameter of one trial; attempt tells draws of the same trial apart. */
static void
draw(const Axis *axis, int64 seed, int trial, int attempt, JsonbValue *value)
{
	uint64		bits = ml_hash_bytes((uint64) seed, axis->name, strlen(axis->name));
	double		u;

	bits = ml_hash_word(ml_hash_word(bits, (uint64) trial), (uint64) attempt);
	bits = ml_hash_word(bits, UINT64CONST(0x9e3779b97f4a7c15));
	u = (double) (bits >> 11) * 0x1p-53;
	switch (axis->kind)
	{
		case AXIS_CHOICE:
			*value = axis->values[Min((int) (u * axis->n_values), axis->n_values - 1)];
			break;
		case AXIS_UNIFORM:
			number_value(axis->low + u * (axis->high - axis->low), value);
			break;
		case AXIS_LOG_UNIFORM:
			number_value(exp(log(axis->low) + u * (log(axis->high) - log(axis->low))), value);
			break;
		case AXIS_INT_UNIFORM:
			number_value(Min(axis->low + floor(u * (axis->high - axis->low + 1)), axis->high), value);
			break;
	}
}

static Jsonb **
grid_trials(const Space *space, int *count)
{
	int			total = count_combinations(space);
	Jsonb	  **trials;
	int		   *at = palloc0(sizeof(int) * space->n);
	JsonbValue *chosen = palloc(sizeof(JsonbValue) * space->n);

	if (total > MDL_SWEEP_MAX_TRIALS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the grid has more than %d combinations", MDL_SWEEP_MAX_TRIALS),
				 errhint("Use strategy => 'random' with a number of trials.")));
	trials = palloc(sizeof(Jsonb *) * total);
	for (int t = 0; t < total; t++)
	{
		for (int i = 0; i < space->n; i++)
			chosen[i] = space->axes[i].values[at[i]];
		trials[t] = make_params(space, chosen);
		for (int i = space->n - 1; i >= 0 && ++at[i] == space->axes[i].n_values; i--)
			at[i] = 0;
	}
	*count = total;
	return trials;
}

static bool
is_among(Jsonb **trials, int count, const Jsonb *params)
{
	for (int t = 0; t < count; t++)
		if (VARSIZE(trials[t]) == VARSIZE(params) && memcmp(trials[t], params, VARSIZE(params)) == 0)
			return true;
	return false;
}

/* A trial that differs from those before it; NULL when none was found. */
static Jsonb *
random_trial(const Space *space, int64 seed, Jsonb **trials, int before, MemoryContext scratch)
{
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	JsonbValue *chosen;
	Jsonb	   *params = NULL;

	for (int attempt = 0; params == NULL && attempt < MOST_ATTEMPTS; attempt++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(scratch);
		chosen = palloc(sizeof(JsonbValue) * space->n);
		for (int i = 0; i < space->n; i++)
			draw(&space->axes[i], seed, before + 1, attempt, &chosen[i]);
		params = make_params(space, chosen);
		if (is_among(trials, before, params))
			params = NULL;
	}
	MemoryContextSwitchTo(caller);
	if (params == NULL)
		return NULL;
	return memcpy(palloc(VARSIZE(params)), params, VARSIZE(params));
}

/* Random trials without repetition; fewer than asked for when the space has no more. */
static Jsonb **
random_trials(const Space *space, int requested, int64 seed, int *count)
{
	int			wanted = Min(requested, count_combinations(space));
	Jsonb	  **trials = palloc(sizeof(Jsonb *) * wanted);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "random trial", ALLOCSET_SMALL_SIZES);

	for (*count = 0; *count < wanted; ++*count)
	{
		trials[*count] = random_trial(space, seed, trials, *count, scratch);
		if (trials[*count] == NULL)
			break;
	}
	MemoryContextDelete(scratch);
	return trials;
}

Jsonb **
mdl_sweep_trials(Jsonb *json, MdlStrategy strategy, int requested, int64 seed, int *count)
{
	Space		space;

	read_space(json, &space);
	if (strategy == MDL_STRATEGY_RANDOM)
		return random_trials(&space, requested > 0 ? requested : 10, seed, count);
	for (int i = 0; i < space.n; i++)
		if (space.axes[i].kind != AXIS_CHOICE)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a grid needs an array of values for each parameter, but the space has a distribution"),
					 errhint("Use strategy => 'random', or list the values.")));
	if (requested > 0 && count_combinations(&space) > requested)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the grid has more combinations than the %d trials asked for", requested),
				 errhint("Leave \"trials\" out to try all of them, or use strategy => 'random'.")));
	return grid_trials(&space, count);
}
