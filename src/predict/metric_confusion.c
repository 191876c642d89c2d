/*
 * metric_confusion.c: the state behind the classification metrics: how often each class was predicted for each label.
 *
 * See metric_confusion_int.h for its layout and metric_classes.c for what is computed from it.
 */
#include "predict/metric_confusion_int.h"

#include <math.h>

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define MAX_CLASSES 1000
#define MAX_TEXT (1024 * 1024)

static inline Size
state_size(int capacity, int text_capacity)
{
	return starts_offset(capacity) + sizeof(int32) * (capacity + 1) + text_capacity;
}

ConfusionState *
mdl_confusion_argument(FunctionCallInfo fcinfo, int argument)
{
	ConfusionState *state;

	mdl_require_aggregate(fcinfo);
	state = (ConfusionState *) PG_GETARG_BYTEA_P(argument);
	if (VARSIZE(state) == VARHDRSZ)
		return NULL;
	if (VARSIZE(state) < sizeof(ConfusionState) || state->capacity < 0 || state->capacity > 2 * MAX_CLASSES ||
		state->text_capacity < 0 || state->text_capacity > 4 * MAX_TEXT ||
		VARSIZE(state) != state_size(state->capacity, state->text_capacity) ||
		state->n_classes < 0 || state->n_classes > state->capacity ||
		state->text_used < 0 || state->text_used > state->text_capacity)
		elog(ERROR, "state of a classification metric is damaged");
	return state;
}

/* A copy of the state with more room, in the current context. */
static ConfusionState *
enlarge(const ConfusionState *from, int capacity, int text_capacity)
{
	Size		size = state_size(capacity, text_capacity);
	ConfusionState *state = palloc0(size);

	memcpy(state, from, sizeof(ConfusionState));
	SET_VARSIZE(state, size);
	state->capacity = capacity;
	state->text_capacity = text_capacity;
	for (int k = 0; k < from->n_classes; k++)
		memcpy(counts_of(state) + (Size) k * capacity, counts_of(from) + (Size) k * from->capacity,
			   sizeof(double) * from->n_classes);
	if (from->capacity > 0)
	{
		memcpy(starts_of(state), starts_of(from), sizeof(int32) * (from->n_classes + 1));
		memcpy(texts_of(state), texts_of(from), from->text_used);
	}
	return state;
}

/* The class of that text, added if it is new; *state may be replaced by a larger one. */
static int
class_of(ConfusionState **state, const char *text, int length)
{
	ConfusionState *s = *state;
	int32	   *starts = starts_of(s);
	const char *texts = texts_of(s);

	for (int k = 0; k < s->n_classes; k++)
		if (starts[k + 1] - starts[k] == length && memcmp(texts + starts[k], text, length) == 0)
			return k;
	if (s->n_classes >= MAX_CLASSES || s->text_used + (int64) length > MAX_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("labels and predictions have more than %d classes or %d bytes of class names", MAX_CLASSES, MAX_TEXT),
				 errhint("Classification metrics compare classes; for numbers use medallion.rmse or medallion.r2.")));
	if (s->n_classes == s->capacity || s->text_used + length > s->text_capacity)
		*state = s = enlarge(s, s->n_classes == s->capacity ? Max(4, s->capacity * 2) : s->capacity,
							 s->text_used + length > s->text_capacity ? (s->text_used + length) * 2 + 64 : s->text_capacity);
	memcpy(texts_of(s) + s->text_used, text, length);
	s->text_used += length;
	starts_of(s)[s->n_classes + 1] = s->text_used;
	return s->n_classes++;
}

/* The place of a word in a list; an error that names the words otherwise. */
static int
choice(const char *what, const char *word, const char *const *words, int n, const char *hint)
{
	for (int i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s \"%s\" does not exist", what, word),
			 errhint("%s", hint)));
}

static ml_average
average_by_name(const char *name)
{
	static const char *const names[] = {"binary", "macro", "micro", "weighted"};

	return choice("average", name, names, lengthof(names), "Averages are binary, macro, micro and weighted.");
}

/* An argument of the call that is there and not NULL. */
static bool
has_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_NARGS() > argument && !PG_ARGISNULL(argument);
}

/* The settings of a state, from the arguments average, positive and zero_division at the places given (0: not taken). */
static ConfusionState *
new_state(FunctionCallInfo fcinfo, MdlLabelMode mode, int average, int positive, int zero_division)
{
	ConfusionState header = {0};
	ConfusionState *state;

	header.mode = mode;
	header.beta = 1;
	if (average > 0 && has_argument(fcinfo, average))
		header.average = average_by_name(text_to_cstring(PG_GETARG_TEXT_PP(average)));
	if (zero_division > 0 && has_argument(fcinfo, zero_division))
	{
		header.zero_division = PG_GETARG_FLOAT8(zero_division);
		if (header.zero_division != 0 && header.zero_division != 1 && !isnan(header.zero_division))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("zero_division must be 0, 1 or NaN, but is %g", header.zero_division)));
	}
	state = enlarge(&header, 4, 64);
	if (positive > 0 && has_argument(fcinfo, positive))
	{
		int			length;
		const char *class_name = mdl_class_text(mode, PG_GETARG_TEXT_PP(positive), &length);

		(void) class_of(&state, class_name, length);
		state->has_positive = 1;
	}
	return state;
}

/* Counts a pair.  One of weight 0 is as if it were not there: its classes do not come to be known by it. */
static Datum
count_pair(FunctionCallInfo fcinfo, ConfusionState *state, MdlLabels *labels, double weight)
{
	int			length;
	const char *text;
	int			label,
				predicted;

	if (weight == 0)
		PG_RETURN_POINTER(state);
	text = mdl_label_text(labels, 0, PG_GETARG_DATUM(1), &length);
	label = class_of(&state, text, length);
	text = mdl_label_text(labels, 1, PG_GETARG_DATUM(2), &length);
	predicted = class_of(&state, text, length);
	counts_of(state)[(Size) label * state->capacity + predicted] += weight;
	PG_RETURN_POINTER(state);
}

/* Whether label, prediction or weight is NULL, for transition functions that are not strict. */
static bool
is_left_out(FunctionCallInfo fcinfo, int weight)
{
	return PG_ARGISNULL(1) || PG_ARGISNULL(2) || (PG_NARGS() > weight && PG_ARGISNULL(weight));
}

/* _confusion_step(state, label, predicted [, average [, positive [, weight [, zero_division]]]]) */
MDL_SHIM_TARGET(mdl_metric_confusion_step);
Datum
mdl_metric_confusion_step_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	MdlLabels  *labels;

	if (is_left_out(fcinfo, 5))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	labels = mdl_labels(fcinfo, 2, "a classification metric");
	if (state == NULL)
		state = new_state(fcinfo, labels->mode, 3, 4, 6);
	return count_pair(fcinfo, state, labels, PG_NARGS() > 5 ? mdl_checked_weight(PG_GETARG_FLOAT8(5)) : 1);
}

/* _fbeta_step(state, label, predicted, beta [, average [, positive [, weight [, zero_division]]]]) */
MDL_SHIM_TARGET(mdl_metric_fbeta_step);
Datum
mdl_metric_fbeta_step_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	MdlLabels  *labels;

	if (is_left_out(fcinfo, 6) || PG_ARGISNULL(3))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	labels = mdl_labels(fcinfo, 2, "fbeta");
	if (state == NULL)
	{
		double		beta = PG_GETARG_FLOAT8(3);

		if (!(beta >= 0) || isinf(beta))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("beta must be a number not below 0, but is %g", beta)));
		state = new_state(fcinfo, labels->mode, 4, 5, 7);
		state->beta = beta;
	}
	return count_pair(fcinfo, state, labels, PG_NARGS() > 6 ? mdl_checked_weight(PG_GETARG_FLOAT8(6)) : 1);
}

/* _weighted_confusion_step(state, label, predicted, weight) */
MDL_SHIM_TARGET(mdl_metric_weighted_confusion_step);
Datum
mdl_metric_weighted_confusion_step_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	MdlLabels  *labels = mdl_labels(fcinfo, 2, "a classification metric");

	if (state == NULL)
		state = new_state(fcinfo, labels->mode, 0, 0, 0);
	return count_pair(fcinfo, state, labels, mdl_checked_weight(PG_GETARG_FLOAT8(3)));
}

/* _kappa_step(state, label, predicted, weights [, weight]) */
MDL_SHIM_TARGET(mdl_metric_kappa_step);
Datum
mdl_metric_kappa_step_impl(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"none", "linear", "quadratic"};
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	MdlLabels  *labels = mdl_labels(fcinfo, 2, "kappa");

	if (state == NULL)
	{
		state = new_state(fcinfo, labels->mode, 0, 0, 0);
		state->option = choice("weighting", text_to_cstring(PG_GETARG_TEXT_PP(3)), names, lengthof(names),
							   "Kappa is weighted none, linear or quadratic.");
	}
	return count_pair(fcinfo, state, labels, PG_NARGS() > 4 ? mdl_checked_weight(PG_GETARG_FLOAT8(4)) : 1);
}

/* Each side for itself: a class and a cluster need not be comparable. */
typedef struct SideLabels
{
	MdlLabels  *sides[2];
} SideLabels;

static SideLabels *
side_labels(FunctionCallInfo fcinfo)
{
	SideLabels *both = fcinfo->flinfo->fn_extra;

	if (both != NULL)
		return both;
	both = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(SideLabels));
	for (int side = 0; side < 2; side++)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, side + 1);

		both->sides[side] = mdl_labels_make(type, type, "a clustering metric", fcinfo->flinfo->fn_mcxt);
	}
	return fcinfo->flinfo->fn_extra = both;
}

/* _contingency_step(state, label, cluster [, average_method]) */
MDL_SHIM_TARGET(mdl_metric_contingency_step);
Datum
mdl_metric_contingency_step_impl(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"arithmetic", "geometric", "min", "max"};
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	SideLabels *both = side_labels(fcinfo);
	const char *name;
	int			length,
				label,
				cluster;

	if (state == NULL)
	{
		state = new_state(fcinfo, MDL_LABEL_TEXT, 0, 0, 0);
		if (PG_NARGS() > 3)
			state->option = choice("average method", text_to_cstring(PG_GETARG_TEXT_PP(3)), names, lengthof(names),
								   "Average methods are arithmetic, geometric, min and max.");
	}
	name = mdl_label_text(both->sides[0], 0, PG_GETARG_DATUM(1), &length);
	label = class_of(&state, name, length);
	name = mdl_label_text(both->sides[1], 0, PG_GETARG_DATUM(2), &length);
	cluster = class_of(&state, name, length);
	counts_of(state)[(Size) label * state->capacity + cluster]++;
	PG_RETURN_POINTER(state);
}

/* _confusion_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_confusion_merge);
Datum
mdl_metric_confusion_merge_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *into = mdl_confusion_argument(fcinfo, 0);
	ConfusionState *other = mdl_confusion_argument(fcinfo, 1);
	int		   *map;

	if (other == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (into == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	map = palloc(sizeof(int) * (other->n_classes + 1));
	for (int k = 0; k < other->n_classes; k++)
	{
		int32	   *starts = starts_of(other);

		map[k] = class_of(&into, texts_of(other) + starts[k], starts[k + 1] - starts[k]);
	}
	for (int i = 0; i < other->n_classes; i++)
		for (int j = 0; j < other->n_classes; j++)
			counts_of(into)[(Size) map[i] * into->capacity + map[j]] += counts_of(other)[(Size) i * other->capacity + j];
	pfree(map);
	PG_RETURN_POINTER(into);
}
