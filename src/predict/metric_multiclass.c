/*
 * metric_multiclass.c: probabilities of several classes: log_loss_multiclass, brier_multiclass (means of a loss per row),
 * roc_auc_ovr, roc_auc_ovo, average_precision_ovr (of all rows).
 *
 * Probabilities come as an array in the order of an array of classes, as predict_proba and classes return them.  The rank
 * metrics keep the class's number, the weight and the probabilities of each row; parameter: the average.
 */
#include "predict/metric_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "ml/eval_classify.h"
#include "ml/eval_curve.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

/* The classes of a call, as the last row had them. */
typedef struct ClassList
{
	MdlLabels  *labels;
	MemoryContext context;		/* of what follows */
	ArrayType  *given;
	int			n;
	char	  **texts;			/* (n) as mdl_label_text writes labels */
	int		   *lengths;		/* (n) */
} ClassList;

static void
read_classes(ClassList *list, ArrayType *given)
{
	MemoryContext before;
	Datum	   *items;
	bool	   *nulls;

	MemoryContextReset(list->context);
	list->given = NULL;
	before = MemoryContextSwitchTo(list->context);
	deconstruct_array(given, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &list->n);
	list->texts = palloc(sizeof(char *) * (list->n + 1));
	list->lengths = palloc(sizeof(int) * (list->n + 1));
	for (int k = 0; k < list->n; k++)
	{
		const char *text;

		if (nulls[k])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the classes must not contain NULL")));
		text = mdl_label_text(list->labels, 1, items[k], &list->lengths[k]);
		list->texts[k] = pnstrdup(text, list->lengths[k]);
	}
	list->given = (ArrayType *) palloc(VARSIZE(given));
	memcpy(list->given, given, VARSIZE(given));
	MemoryContextSwitchTo(before);
}

/*
 * The number of the label (argument 1) among the classes (argument 3), and the probabilities (argument 2), which must be
 * as many.
 */
static int
class_and_probabilities(FunctionCallInfo fcinfo, const char *metric, double **probabilities, int *n)
{
	ClassList  *list = fcinfo->flinfo->fn_extra;
	ArrayType  *given = PG_GETARG_ARRAYTYPE_P(3);
	const char *text;
	int			length;

	if (list == NULL)
	{
		list = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ClassList));
		list->labels = mdl_labels_make(get_fn_expr_argtype(fcinfo->flinfo, 1), TEXTOID, metric, fcinfo->flinfo->fn_mcxt);
		list->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "classes of a metric", ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = list;
	}
	if (list->given == NULL || VARSIZE(list->given) != VARSIZE(given) || memcmp(list->given, given, VARSIZE(given)) != 0)
		read_classes(list, given);
	*probabilities = mdl_metric_numbers(PG_GETARG_ARRAYTYPE_P(2), "an array of probabilities", n);
	if (*n != list->n || *n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s got %d probabilities for %d classes", metric, *n, list->n),
				 errhint("Give one probability per class, in the order of the classes.")));
	for (int k = 0; k < *n; k++)
		if (!((*probabilities)[k] >= 0 && (*probabilities)[k] <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("%s needs probabilities between 0 and 1, but got %s", metric, float8out_internal((*probabilities)[k]))));
	text = mdl_label_text(list->labels, 0, PG_GETARG_DATUM(1), &length);
	for (int k = 0; k < list->n; k++)
		if (list->lengths[k] == length && memcmp(list->texts[k], text, length) == 0)
			return k;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("label \"%.*s\" is not among the %d classes", length, text, list->n),
			 errhint("Leave such rows out with a FILTER clause.")));
}

/* _log_loss_multiclass_step(state, label, probabilities, classes [, weight]) */
MDL_SHIM_TARGET(mdl_metric_log_loss_multiclass_step);
Datum
mdl_metric_log_loss_multiclass_step_impl(PG_FUNCTION_ARGS)
{
	double	   *probabilities;
	int			n;
	int			label = class_and_probabilities(fcinfo, "log_loss_multiclass", &probabilities, &n);

	return mdl_add_to_mean(fcinfo, ml_classify_log_loss(true, probabilities[label]), 4);
}

/* _brier_multiclass_step(state, label, probabilities, classes [, weight]); halved for two classes, as scikit-learn does */
MDL_SHIM_TARGET(mdl_metric_brier_multiclass_step);
Datum
mdl_metric_brier_multiclass_step_impl(PG_FUNCTION_ARGS)
{
	double	   *probabilities;
	int			n;
	int			label = class_and_probabilities(fcinfo, "brier_multiclass", &probabilities, &n);
	double		sum = 0;

	for (int k = 0; k < n; k++)
		sum += (probabilities[k] - (k == label)) * (probabilities[k] - (k == label));
	return mdl_add_to_mean(fcinfo, n < 3 ? sum / 2 : sum, 4);
}

/* ---- ranks --------------------------------------------------------------------------------------------------- */

typedef enum RankAverage
{
	RANK_MACRO = 0,
	RANK_WEIGHTED,
	RANK_MICRO
} RankAverage;

#define HEAD 2					/* numbers of a row before the probabilities: class, weight */

/* _probabilities_step(state, label, probabilities, classes [, average [, weight]]) */
MDL_SHIM_TARGET(mdl_metric_probabilities_step);
Datum
mdl_metric_probabilities_step_impl(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"macro", "weighted", "micro"};
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	bool		first = state == NULL;
	double	   *probabilities;
	int			n;
	int			label = class_and_probabilities(fcinfo, "roc_auc", &probabilities, &n);
	double		weight = PG_NARGS() > 5 ? mdl_checked_weight(PG_GETARG_FLOAT8(5)) : 1;
	double	   *row;

	if (weight == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (!first && state->width != n + HEAD)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("rows of a metric have %d and %d probabilities", state->width - HEAD, n)));
	row = mdl_metric_rows_add(&state, n + HEAD);
	row[0] = label;
	row[1] = weight;
	memcpy(row + HEAD, probabilities, sizeof(double) * n);
	if (first && PG_NARGS() > 4)
	{
		char	   *average = text_to_cstring(PG_GETARG_TEXT_PP(4));
		int			chosen = 0;

		while (chosen < lengthof(names) && strcmp(names[chosen], average) != 0)
			chosen++;
		if (chosen == lengthof(names))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("average \"%s\" does not exist", average),
					 errhint("Averages over classes are macro, weighted and micro.")));
		state->parameters[0] = chosen;
	}
	PG_RETURN_POINTER(state);
}

typedef bool (*StepsMetric) (const ml_step *steps, size_t n, double *value);

/* Room for ranking `count` rows at once. */
typedef struct Ranking
{
	ml_scored  *rows;
	ml_scored  *scratch;
	ml_step    *steps;
	size_t		n;
} Ranking;

static void
ranking_make(Ranking *ranking, size_t count)
{
	ranking->rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_scored) * (count + 1));
	ranking->scratch = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_scored) * (count + 1));
	ranking->steps = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ml_step) * (count + 1));
	ranking->n = 0;
}

static bool
ranking_value(Ranking *ranking, StepsMetric metric, double *value)
{
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	size_t		n;

	ml_scored_sort(&ctx, ranking->rows, ranking->scratch, ranking->n);
	CHECK_FOR_INTERRUPTS();
	n = ml_steps(ranking->rows, ranking->n, ranking->steps);
	ranking->n = 0;
	return metric(ranking->steps, n, value);
}

/* Adds what the rows give class k: of all rows, or with other >= 0 of those of the two classes. */
static void
rank_class(const MetricRows *state, Ranking *ranking, int k, int other)
{
	for (int64 i = 0; i < state->n; i++)
	{
		const double *row = state->numbers + i * state->width;

		if (other >= 0 && row[0] != k && row[0] != other)
			continue;
		ranking->rows[ranking->n++] = (ml_scored) {row[HEAD + k], row[0] == k ? row[1] : -row[1]};
	}
}

/* The sum of weights of each class. */
static double *
class_weights(const MetricRows *state)
{
	double	   *weights = palloc0(sizeof(double) * state->width);

	for (int64 i = 0; i < state->n; i++)
		weights[(int) state->numbers[i * state->width]] += state->numbers[i * state->width + 1];
	return weights;
}

/* Each class against the rest; NULL when one does not occur. */
static Datum
one_against_rest(FunctionCallInfo fcinfo, StepsMetric metric)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	Ranking		ranking;
	double	   *weights;
	double		sum = 0,
				all = 0,
				value;
	int			n_classes;

	if (state == NULL)
		PG_RETURN_NULL();
	n_classes = state->width - HEAD;
	if (state->parameters[0] == RANK_MICRO)
	{
		ranking_make(&ranking, (size_t) state->n * n_classes);
		for (int k = 0; k < n_classes; k++)
			rank_class(state, &ranking, k, -1);
		if (!ranking_value(&ranking, metric, &value))
			PG_RETURN_NULL();
		PG_RETURN_FLOAT8(value);
	}
	ranking_make(&ranking, state->n);
	weights = class_weights(state);
	for (int k = 0; k < n_classes; k++)
	{
		double		weight = state->parameters[0] == RANK_WEIGHTED ? weights[k] : 1;

		rank_class(state, &ranking, k, -1);
		if (!ranking_value(&ranking, metric, &value))
			PG_RETURN_NULL();
		sum += weight * value;
		all += weight;
	}
	PG_RETURN_FLOAT8(sum / all);
}

MDL_SHIM_TARGET(mdl_metric_roc_auc_ovr);
Datum
mdl_metric_roc_auc_ovr_impl(PG_FUNCTION_ARGS)
{
	return one_against_rest(fcinfo, ml_steps_roc_auc);
}

MDL_SHIM_TARGET(mdl_metric_average_precision_ovr);
Datum
mdl_metric_average_precision_ovr_impl(PG_FUNCTION_ARGS)
{
	return one_against_rest(fcinfo, ml_steps_average_precision);
}

/* Each pair of the classes that occur, both ways (Hand and Till, 2001); weighted by how often the pair occurs. */
MDL_SHIM_TARGET(mdl_metric_roc_auc_ovo);
Datum
mdl_metric_roc_auc_ovo_impl(PG_FUNCTION_ARGS)
{
	MetricRows *state = mdl_metric_rows(fcinfo, 0);
	Ranking		ranking;
	double	   *weights;
	double		sum = 0,
				all = 0;

	if (state == NULL)
		PG_RETURN_NULL();
	if (state->parameters[0] == RANK_MICRO)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("roc_auc_ovo has no average \"micro\""),
				 errhint("Use macro or weighted.")));
	ranking_make(&ranking, state->n);
	weights = class_weights(state);
	for (int a = 0; a < state->width - HEAD; a++)
		for (int b = a + 1; b < state->width - HEAD; b++)
		{
			double		weight = state->parameters[0] == RANK_WEIGHTED ? weights[a] + weights[b] : 1;
			double		one,
						two;

			if (weights[a] == 0 || weights[b] == 0)
				continue;
			rank_class(state, &ranking, a, b);
			(void) ranking_value(&ranking, ml_steps_roc_auc, &one);
			rank_class(state, &ranking, b, a);
			(void) ranking_value(&ranking, ml_steps_roc_auc, &two);
			sum += weight * (one + two) / 2;
			all += weight;
		}
	if (all == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sum / all);
}
