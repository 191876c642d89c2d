/*
 * train_params.c: algorithm and params as the user gives them; view medallion.algorithms.
 */
#include "train/train_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

const ml_estimator *
mdl_estimator_by_name(const char *name)
{
	const ml_estimator *found = ml_estimator_find(name);
	StringInfoData known;

	if (found != NULL)
		return found;
	initStringInfo(&known);
	for (int i = 0; ml_estimators[i] != NULL; i++)
		appendStringInfo(&known, "%s%s", i ? ", " : "", ml_estimators[i]->name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("algorithm \"%s\" does not exist", name),
			 errhint("Algorithms are: %s. View medallion.algorithms tells their parameters.", known.data)));
	return NULL;
}

static char *
join_words(const char *const *words)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; words[i] != NULL; i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "", words[i]);
	return text.data;
}

/*
 * Parameters that all learners of classes have beside their own, in whose values they come after those: how probabilities are
 * calibrated (train_calibrate.c).
 */
static const char *const calibrations[] = {"none", "sigmoid", "isotonic", NULL};	/* as ml_calibration */

static const ml_param_spec common_specs[] = {
	{"calibration", ML_PARAM_CHOICE, 0, 0, 2, false, calibrations,
	"Of a classification: how probabilities are calibrated, with predictions of rows that a fold did not learn from"},
	{"calibration_folds", ML_PARAM_INTEGER, 5, 2, 100, false, NULL, "Folds of the calibration, each of which is one more training"},
};

static int
common_params(const ml_estimator *estimator)
{
	unsigned	classes = ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS);

	return (estimator->tasks & classes) != 0 && estimator->form != ML_FORM_GRAM ? lengthof(common_specs) : 0;
}

static int
all_params(const ml_estimator *estimator)
{
	return estimator->n_params + common_params(estimator);
}

static const ml_param_spec *
param_spec(const ml_estimator *estimator, int index)
{
	return index < estimator->n_params ? &estimator->params[index] : &common_specs[index - estimator->n_params];
}

ml_calibration
mdl_params_calibration(const ml_estimator *estimator, const double *values, int *folds)
{
	*folds = 1;
	if (common_params(estimator) == 0 || values[estimator->n_params] == ML_CALIBRATE_NONE)
		return ML_CALIBRATE_NONE;
	*folds = (int) values[estimator->n_params + 1];
	return (ml_calibration) values[estimator->n_params];
}

/* The index of a word among those that a parameter may be. */
static int
word_index(const ml_param_spec *spec, const char *word)
{
	int			index = 0;

	while (spec->choices[index] != NULL && strcmp(spec->choices[index], word) != 0)
		index++;
	if (spec->choices[index] == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" cannot be \"%s\"", spec->name, word),
				 errhint("Values are: %s%s.", spec->type == ML_PARAM_NUMBER ? "a number, " : "", join_words(spec->choices))));
	return index;
}

/* Whether the value of that key is a string. */
static bool
is_text(Jsonb *params, const char *key)
{
	JsonbValue	value;

	return params != NULL && getKeyJsonValueFromContainer(&params->root, key, strlen(key), &value) != NULL &&
		value.type == jbvString;
}

char *
mdl_params_column(Jsonb *params, const char *name)
{
	char	   *column = NULL;

	return mdl_jsonb_text(params, "params", name, &column) ? column : NULL;
}

/* Reads one parameter into *value, which keeps its default if the key is absent. */
static void
read_param(const ml_param_spec *spec, Jsonb *params, double *value)
{
	ml_param_spec allowed = *spec;
	ml_error	err;
	int64		integer;
	bool		flag;
	char	   *word;

	switch (spec->type)
	{
		case ML_PARAM_NUMBER:
			if (spec->choices != NULL && is_text(params, spec->name))
			{
				mdl_jsonb_text(params, "params", spec->name, &word);
				*value = -1 - word_index(spec, word);
			}
			else if (mdl_jsonb_float8(params, "params", spec->name, value))
				allowed.choices = NULL; /* the numbers that stand for words are not for users */
			break;
		case ML_PARAM_INTEGER:
			if (mdl_jsonb_int8(params, "params", spec->name, &integer))
				*value = (double) integer;
			break;
		case ML_PARAM_BOOLEAN:
			if (mdl_jsonb_bool(params, "params", spec->name, &flag))
				*value = flag;
			break;
		case ML_PARAM_CHOICE:
			if (mdl_jsonb_text(params, "params", spec->name, &word))
				*value = word_index(spec, word);
			break;
		case ML_PARAM_COLUMN:
			*value = mdl_params_column(params, spec->name) != NULL;
			break;
	}
	if (ml_param_check(&allowed, *value, &err) != ML_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", err.message)));
}

void
mdl_params_read(const ml_estimator *estimator, Jsonb *params, double *values)
{
	const char *names[ML_MAX_PARAMS + 1];
	const char *wrong;

	for (int i = 0; i < all_params(estimator); i++)
		names[i] = param_spec(estimator, i)->name;
	names[all_params(estimator)] = NULL;
	mdl_jsonb_check_keys(params, "params", names);
	for (int i = 0; i < all_params(estimator); i++)
	{
		values[i] = param_spec(estimator, i)->default_value;
		read_param(param_spec(estimator, i), params, &values[i]);
	}
	wrong = estimator->check ? estimator->check(values) : NULL;
	if (wrong != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", wrong)));
}

void
mdl_train_check_params(const char *algorithm, Jsonb *params)
{
	double		values[ML_MAX_PARAMS];

	mdl_params_read(mdl_estimator_by_name(algorithm), params, values);
}

/* ---- building jsonb ------------------------------------------------------------------------------------------- */

/* given has the names of columns; one that is not given is left out. */
static void
push_param(JsonbParseState **state, const ml_param_spec *spec, double value, Jsonb *given)
{
	if (spec->type == ML_PARAM_COLUMN)
	{
		if (value != 0)
			mdl_jsonb_push_text(state, spec->name, mdl_params_column(given, spec->name));
	}
	else if (spec->type == ML_PARAM_BOOLEAN)
		mdl_jsonb_push_bool(state, spec->name, value != 0);
	else if (ml_param_word(spec, value) != NULL)
		mdl_jsonb_push_text(state, spec->name, ml_param_word(spec, value));
	else
		mdl_jsonb_push_number(state, spec->name, value);
}

Jsonb *
mdl_params_jsonb(const ml_estimator *estimator, const double *values, Jsonb *given)
{
	JsonbParseState *state = NULL;
	int			folds;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < estimator->n_params; i++)
		push_param(&state, &estimator->params[i], values[i], given);
	if (mdl_params_calibration(estimator, values, &folds) != ML_CALIBRATE_NONE)
		for (int i = estimator->n_params; i < all_params(estimator); i++)
			push_param(&state, param_spec(estimator, i), values[i], given);
	return mdl_jsonb_finish(&state);
}

Jsonb *
mdl_params_of_reading(const char *algorithm, Jsonb *params)
{
	const ml_estimator *estimator = mdl_estimator_by_name(algorithm);
	JsonbParseState *state = NULL;
	char	   *task;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < estimator->n_params; i++)
		if (estimator->params[i].type == ML_PARAM_COLUMN)
			push_param(&state, &estimator->params[i], mdl_params_column(params, estimator->params[i].name) != NULL, params);
	if (ml_estimator_param(estimator, "task") >= 0 && mdl_jsonb_text(params, "params", "task", &task))
		mdl_jsonb_push_text(&state, "task", task);
	return mdl_jsonb_finish(&state);
}

void
mdl_params_check_reading(const char *algorithm, Jsonb *first, Jsonb *params)
{
	Jsonb	   *read = mdl_params_of_reading(algorithm, first);
	Jsonb	   *other = mdl_params_of_reading(algorithm, params);

	if (VARSIZE(read) != VARSIZE(other) || memcmp(read, other, VARSIZE(read)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("trials of a sweep cannot have different columns as \"offset\" or \"exposure\", or different tasks"),
				 errhint("Compare them in sweeps of their own.")));
}

/* ---- medallion.algorithms ------------------------------------------------------------------------------------- */

static Datum
tasks_array(unsigned tasks)
{
	Datum		names[ML_N_TASKS];
	int			count = 0;

	for (ml_task task = ML_REGRESSION; task <= ML_N_TASKS; task++)
		if (tasks & ML_TASK_BIT(task))
			names[count++] = CStringGetTextDatum(ml_task_name(task));
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static char *
default_text(const ml_param_spec *spec)
{
	char	   *digits;

	if (spec->type == ML_PARAM_BOOLEAN)
		return spec->default_value != 0 ? "true" : "false";
	if (ml_param_word(spec, spec->default_value) != NULL)
		return (char *) ml_param_word(spec, spec->default_value);
	digits = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);
	double_to_shortest_decimal_buf(spec->default_value, digits);
	return digits;
}

static void
put_algorithm(ReturnSetInfo *result, const ml_estimator *estimator, const ml_param_spec *spec)
{
	static const char *const types[] = {"", "number", "integer", "boolean", "text", "text"};
	Datum		values[8] = {0};
	bool		nulls[8] = {false, false, true, true, true, true, true, true};
	StringInfoData description;

	values[0] = CStringGetTextDatum(estimator->name);
	values[1] = tasks_array(estimator->tasks);
	if (spec != NULL)
	{
		initStringInfo(&description);
		appendStringInfo(&description, "%s.", spec->description);
		if (spec->type == ML_PARAM_CHOICE)
			appendStringInfo(&description, " Values: %s.", join_words(spec->choices));
		else if (spec->choices != NULL)
			appendStringInfo(&description, " Values: a number, %s.", join_words(spec->choices));
		if (spec->above_minimum)
			appendStringInfo(&description, " The minimum itself is not allowed.");
		values[2] = CStringGetTextDatum(spec->name);
		values[3] = CStringGetTextDatum(types[spec->type]);
		values[4] = spec->type == ML_PARAM_COLUMN ? (Datum) 0 : CStringGetTextDatum(default_text(spec));
		values[7] = CStringGetTextDatum(description.data);
		nulls[2] = nulls[3] = nulls[7] = false;
		nulls[4] = spec->type == ML_PARAM_COLUMN;	/* none */
		if (spec->type == ML_PARAM_NUMBER || spec->type == ML_PARAM_INTEGER)
		{
			values[5] = Float8GetDatum(spec->minimum);
			values[6] = Float8GetDatum(spec->maximum);
			nulls[5] = isinf(spec->minimum);
			nulls[6] = isinf(spec->maximum);
		}
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* One row per algorithm and parameter; an algorithm without parameters has one row with NULLs. */
MDL_SHIM_TARGET(mdl_algorithms);
Datum
mdl_algorithms_impl(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; ml_estimators[i] != NULL; i++)
	{
		if (all_params(ml_estimators[i]) == 0)
			put_algorithm(result, ml_estimators[i], NULL);
		for (int j = 0; j < all_params(ml_estimators[i]); j++)
			put_algorithm(result, ml_estimators[i], param_spec(ml_estimators[i], j));
	}
	return (Datum) 0;
}
