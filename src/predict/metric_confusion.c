/*
 * metric_confusion.c: the aggregates precision, recall, f1, fbeta, balanced_accuracy and mcc over labels of any type.
 *
 * The state counts pairs (label, predicted) in one bytea: a header, the matrix, where each class's text starts, the
 * texts.  Classes come in the order in which they were met and are put in order only for the answer.  All aggregates
 * with the same arguments share the state.
 *
 * The positive class of the binary forms: true; 1 if all classes are 0 or 1; else the greater of two.  With one class
 * that is neither, nobody can know, and the answer is NULL; with more than two an average must be chosen.
 */
#include "predict/metric_int.h"

#include "ml/eval_classify.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#define MAX_CLASSES 1000
#define MAX_TEXT (1024 * 1024)

typedef struct ConfusionState
{
	int32		vl_len_;
	int32		mode;			/* MdlLabelMode */
	int32		average;		/* ml_average */
	int32		has_positive;	/* whether class 0 was given as the positive one */
	int32		n_classes;
	int32		capacity;		/* classes there is room for */
	int32		text_used;
	int32		text_capacity;
	double		beta;
	/* then: int64 counts[capacity][capacity], int32 starts[capacity + 1], char texts[text_capacity] */
} ConfusionState;

static inline Size
starts_offset(int capacity)
{
	return sizeof(ConfusionState) + sizeof(int64) * capacity * capacity;
}

static inline Size
state_size(int capacity, int text_capacity)
{
	return starts_offset(capacity) + sizeof(int32) * (capacity + 1) + text_capacity;
}

static inline int64 *
counts_of(const ConfusionState *state)
{
	return (int64 *) ((char *) state + sizeof(ConfusionState));
}

static inline int32 *
starts_of(const ConfusionState *state)
{
	return (int32 *) ((char *) state + starts_offset(state->capacity));
}

static inline char *
texts_of(const ConfusionState *state)
{
	return (char *) (starts_of(state) + state->capacity + 1);
}

/* The argument as a state, checked; NULL for the initial empty bytea. */
static ConfusionState *
state_argument(FunctionCallInfo fcinfo, int argument)
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
			   sizeof(int64) * from->n_classes);
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

static ml_average
average_by_name(const char *name)
{
	static const char *const names[] = {"binary", "macro", "micro", "weighted"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (ml_average) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("average \"%s\" does not exist", name),
			 errhint("Averages are binary, macro, micro and weighted.")));
}

static ConfusionState *
new_state(MdlLabelMode mode, const char *average, text *positive, double beta)
{
	ConfusionState header = {0};
	ConfusionState *state;

	header.mode = mode;
	header.average = average_by_name(average);
	header.beta = beta;
	state = enlarge(&header, 4, 64);
	if (positive != NULL)
	{
		int			length;
		const char *class_name = mdl_class_text(mode, positive, &length);

		(void) class_of(&state, class_name, length);
		state->has_positive = 1;
	}
	return state;
}

static Datum
count_pair(FunctionCallInfo fcinfo, ConfusionState *state, MdlLabels *labels)
{
	int			length;
	const char *text = mdl_label_text(labels, 0, PG_GETARG_DATUM(1), &length);
	int			label = class_of(&state, text, length);
	int			predicted;

	text = mdl_label_text(labels, 1, PG_GETARG_DATUM(2), &length);
	predicted = class_of(&state, text, length);
	counts_of(state)[(Size) label * state->capacity + predicted]++;
	PG_RETURN_POINTER(state);
}

/* _confusion_step(state, label, predicted [, average [, positive]]) */
MDL_SHIM_TARGET(mdl_metric_confusion_step);
Datum
mdl_metric_confusion_step_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = state_argument(fcinfo, 0);
	MdlLabels  *labels = mdl_labels(fcinfo, 2, "a classification metric");

	if (state == NULL)
		state = new_state(labels->mode, PG_NARGS() > 3 ? text_to_cstring(PG_GETARG_TEXT_PP(3)) : "binary",
						  PG_NARGS() > 4 ? PG_GETARG_TEXT_PP(4) : NULL, 1);
	return count_pair(fcinfo, state, labels);
}

/* _fbeta_step(state, label, predicted, beta [, average [, positive]]) */
MDL_SHIM_TARGET(mdl_metric_fbeta_step);
Datum
mdl_metric_fbeta_step_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = state_argument(fcinfo, 0);
	MdlLabels  *labels = mdl_labels(fcinfo, 2, "fbeta");

	if (state == NULL)
	{
		double		beta = PG_GETARG_FLOAT8(3);

		if (!(beta >= 0) || isinf(beta))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("beta must be a number not below 0, but is %g", beta)));
		state = new_state(labels->mode, PG_NARGS() > 4 ? text_to_cstring(PG_GETARG_TEXT_PP(4)) : "binary",
						  PG_NARGS() > 5 ? PG_GETARG_TEXT_PP(5) : NULL, beta);
	}
	return count_pair(fcinfo, state, labels);
}

/* _confusion_merge(state, state) */
MDL_SHIM_TARGET(mdl_metric_confusion_merge);
Datum
mdl_metric_confusion_merge_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *into = state_argument(fcinfo, 0);
	ConfusionState *other = state_argument(fcinfo, 1);
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

/* ---- answers ------------------------------------------------------------------------------------------------- */

/* The counts without the unused room. */
static int64 *
packed_counts(const ConfusionState *state)
{
	int			n = state->n_classes;
	int64	   *counts = palloc(sizeof(int64) * ((Size) n * n + 1));

	for (int k = 0; k < n; k++)
		memcpy(counts + (Size) k * n, counts_of(state) + (Size) k * state->capacity, sizeof(int64) * n);
	return counts;
}

static bool
class_is(const ConfusionState *state, int k, const char *text)
{
	int32	   *starts = starts_of(state);
	int			length = starts[k + 1] - starts[k];

	return length == (int) strlen(text) && memcmp(texts_of(state) + starts[k], text, length) == 0;
}

static int
find_class(const ConfusionState *state, const char *text)
{
	for (int k = 0; k < state->n_classes; k++)
		if (class_is(state, k, text))
			return k;
	return -1;
}

static int
compare_classes(const ConfusionState *state, int a, int b)
{
	int32	   *starts = starts_of(state);
	const char *texts = texts_of(state);
	int			a_length = starts[a + 1] - starts[a];
	int			b_length = starts[b + 1] - starts[b];
	int			order;

	if (state->mode == MDL_LABEL_NUMBER || state->mode == MDL_LABEL_INTEGER)
	{
		double		x = strtod(pnstrdup(texts + starts[a], a_length), NULL);
		double		y = strtod(pnstrdup(texts + starts[b], b_length), NULL);

		return float8_cmp_internal(x, y);
	}
	order = memcmp(texts + starts[a], texts + starts[b], Min(a_length, b_length));
	return order != 0 ? order : a_length - b_length;
}

/*
 * The positive class; -1 when it is a class that does not occur (its counts are all zero), -2 when it cannot be known.
 */
static int
positive_class(const ConfusionState *state)
{
	bool		is_number = state->mode == MDL_LABEL_NUMBER || state->mode == MDL_LABEL_INTEGER;
	bool		zero_one = is_number;

	if (state->has_positive)
		return 0;
	if (state->mode == MDL_LABEL_BOOLEAN)
		return find_class(state, "true");
	for (int k = 0; k < state->n_classes; k++)
		zero_one = zero_one && (class_is(state, k, "0") || class_is(state, k, "1"));
	if (zero_one)
		return find_class(state, "1");
	if (state->n_classes > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("labels and predictions have %d classes, but the average is binary", state->n_classes),
				 errhint("Give the average as the third argument (macro, micro or weighted), or the positive class as the fourth.")));
	if (state->n_classes < 2)
		return -2;
	return compare_classes(state, 0, 1) > 0 ? 0 : 1;
}

static Datum
confusion_final(FunctionCallInfo fcinfo, ml_class_metric metric)
{
	ConfusionState *state = state_argument(fcinfo, 0);
	int			positive = -1;
	double		value;

	if (state == NULL)
		PG_RETURN_NULL();
	if (state->average == ML_AVERAGE_BINARY && (positive = positive_class(state)) == -2)
		PG_RETURN_NULL();
	if (!ml_classify_score(packed_counts(state), state->n_classes, metric, state->beta, (ml_average) state->average,
						   positive, &value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

MDL_SHIM_TARGET(mdl_metric_precision);
Datum
mdl_metric_precision_impl(PG_FUNCTION_ARGS)
{
	return confusion_final(fcinfo, ML_PRECISION);
}

MDL_SHIM_TARGET(mdl_metric_recall);
Datum
mdl_metric_recall_impl(PG_FUNCTION_ARGS)
{
	return confusion_final(fcinfo, ML_RECALL);
}

MDL_SHIM_TARGET(mdl_metric_fbeta);
Datum
mdl_metric_fbeta_impl(PG_FUNCTION_ARGS)
{
	return confusion_final(fcinfo, ML_FBETA);
}

MDL_SHIM_TARGET(mdl_metric_balanced_accuracy);
Datum
mdl_metric_balanced_accuracy_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = state_argument(fcinfo, 0);
	double		value;

	if (state == NULL || !ml_classify_balanced_accuracy(packed_counts(state), state->n_classes, &value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

MDL_SHIM_TARGET(mdl_metric_mcc);
Datum
mdl_metric_mcc_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = state_argument(fcinfo, 0);
	double		value;

	if (state == NULL || !ml_classify_mcc(packed_counts(state), state->n_classes, &value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}
