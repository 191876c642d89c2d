/*
 * metric_classes.c: what is computed from counts of labels and predictions: precision, recall, f1, fbeta, jaccard,
 * balanced_accuracy, mcc, kappa, the counts themselves and a report by class; of clusterings ari, nmi, ami,
 * homogeneity, completeness and v_measure.
 *
 * The positive class of the binary forms: true; 1 if all classes are 0 or 1; else the greater of two.  With one class
 * that is neither, nobody can know, and the answer is NULL; with more than two an average must be chosen.
 */
#include "predict/metric_confusion_int.h"

#include "ml/eval_cluster.h"
#include "utils/builtins.h"
#include "utils/float.h"

/* The counts without the unused room. */
static double *
packed_counts(const ConfusionState *state)
{
	int			n = state->n_classes;
	double	   *counts = palloc(sizeof(double) * ((Size) n * n + 1));

	for (int k = 0; k < n; k++)
		memcpy(counts + (Size) k * n, counts_of(state) + (Size) k * state->capacity, sizeof(double) * n);
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
		char	   *first = pnstrdup(texts + starts[a], a_length);
		char	   *second = pnstrdup(texts + starts[b], b_length);

		order = float8_cmp_internal(strtod(first, NULL), strtod(second, NULL));
		pfree(first);
		pfree(second);
		return order;
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

/* The classes in order: order[i] is the one in place i. */
static int *
class_order(const ConfusionState *state)
{
	int		   *order = palloc(sizeof(int) * (state->n_classes + 1));

	for (int i = 0; i < state->n_classes; i++)
	{
		int			at = i;

		for (; at > 0 && compare_classes(state, order[at - 1], i) > 0; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	return order;
}

static Datum
confusion_final(FunctionCallInfo fcinfo, ml_class_metric metric)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	int			positive = -1;
	double		value;

	if (state == NULL)
		PG_RETURN_NULL();
	if (state->average == ML_AVERAGE_BINARY && (positive = positive_class(state)) == -2)
		PG_RETURN_NULL();
	if (!ml_classify_score(packed_counts(state), state->n_classes, metric, state->beta, (ml_average) state->average,
						   positive, state->zero_division, &value))
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
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	double		value;

	if (state == NULL || !ml_classify_balanced_accuracy(packed_counts(state), state->n_classes, &value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

MDL_SHIM_TARGET(mdl_metric_mcc);
Datum
mdl_metric_mcc_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	double		value;

	if (state == NULL || !ml_classify_mcc(packed_counts(state), state->n_classes, &value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

MDL_SHIM_TARGET(mdl_metric_jaccard);
Datum
mdl_metric_jaccard_impl(PG_FUNCTION_ARGS)
{
	return confusion_final(fcinfo, ML_JACCARD);
}

MDL_SHIM_TARGET(mdl_metric_kappa);
Datum
mdl_metric_kappa_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	double		value;

	if (state == NULL || !ml_classify_kappa(packed_counts(state), state->n_classes, class_order(state),
											(ml_kappa_weights) state->option,
											palloc(sizeof(double) * (state->n_classes + 1)), &value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

/* ---- by class ------------------------------------------------------------------------------------------------ */

static Datum
class_name(const ConfusionState *state, int k)
{
	int32	   *starts = starts_of(state);

	return PointerGetDatum(cstring_to_text_with_len(texts_of(state) + starts[k], starts[k + 1] - starts[k]));
}

/* confusion_cell[]: label, predicted, rows; every pair of classes that occur, in order */
MDL_SHIM_TARGET(mdl_metric_confusion_cells);
Datum
mdl_metric_confusion_cells_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	MdlRowArray rows;
	int		   *order;

	if (state == NULL || state->n_classes == 0)
		PG_RETURN_NULL();
	order = class_order(state);
	mdl_row_array_begin(fcinfo, &rows, (size_t) state->n_classes * state->n_classes);
	for (int i = 0; i < state->n_classes; i++)
		for (int j = 0; j < state->n_classes; j++)
		{
			double		count = counts_of(state)[(Size) order[i] * state->capacity + order[j]];
			Datum		values[] = {class_name(state, order[i]), class_name(state, order[j]), Float8GetDatum(count)};

			mdl_row_array_add(&rows, values, NULL);
		}
	PG_RETURN_DATUM(mdl_row_array_end(&rows));
}

/* class_score[]: class, precision, recall, f1, support; the classes that occur, in order */
MDL_SHIM_TARGET(mdl_metric_class_scores);
Datum
mdl_metric_class_scores_impl(PG_FUNCTION_ARGS)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);
	static const ml_class_metric metrics[] = {ML_PRECISION, ML_RECALL, ML_FBETA};
	MdlRowArray rows;
	double	   *counts;
	int		   *order;

	if (state == NULL || state->n_classes == 0)
		PG_RETURN_NULL();
	order = class_order(state);
	counts = packed_counts(state);
	mdl_row_array_begin(fcinfo, &rows, state->n_classes);
	for (int i = 0; i < state->n_classes; i++)
	{
		Datum		values[5] = {class_name(state, order[i])};
		double		support = 0;

		for (int m = 0; m < lengthof(metrics); m++)
		{
			double		value;

			if (!ml_classify_score(counts, state->n_classes, metrics[m], 1, ML_AVERAGE_BINARY, order[i], 0, &value))
				PG_RETURN_NULL();
			values[m + 1] = Float8GetDatum(value);
		}
		for (int j = 0; j < state->n_classes; j++)
			support += counts[(Size) order[i] * state->n_classes + j];
		values[4] = Float8GetDatum(support);
		mdl_row_array_add(&rows, values, NULL);
	}
	PG_RETURN_DATUM(mdl_row_array_end(&rows));
}

/* ---- clusterings --------------------------------------------------------------------------------------------- */

static bool
contingency_of(FunctionCallInfo fcinfo, ml_contingency *table, ml_mean_kind *kind)
{
	ConfusionState *state = mdl_confusion_argument(fcinfo, 0);

	if (state == NULL)
		return false;
	*kind = (ml_mean_kind) state->option;
	table->counts = packed_counts(state);
	table->n_classes = table->n_clusters = state->n_classes;
	table->classes = palloc(sizeof(double) * state->n_classes);
	table->clusters = palloc(sizeof(double) * state->n_classes);
	return ml_contingency_sums(table);
}

#define CONTINGENCY_FINAL(name, expression) \
	MDL_SHIM_TARGET(mdl_metric_##name); \
	Datum mdl_metric_##name##_impl(PG_FUNCTION_ARGS) \
	{ \
		ml_contingency table; \
		ml_mean_kind kind; \
		if (!contingency_of(fcinfo, &table, &kind)) \
			PG_RETURN_NULL(); \
		PG_RETURN_FLOAT8(expression); \
	} \
	extern int mdl_metric_needs_a_semicolon

CONTINGENCY_FINAL(ari, ml_adjusted_rand(&table));
CONTINGENCY_FINAL(nmi, ml_normalised_mutual_information(&table, kind));
CONTINGENCY_FINAL(homogeneity, ml_homogeneity(&table));
CONTINGENCY_FINAL(completeness, ml_completeness(&table));
CONTINGENCY_FINAL(v_measure, ml_v_measure(&table));

MDL_SHIM_TARGET(mdl_metric_ami);
Datum
mdl_metric_ami_impl(PG_FUNCTION_ARGS)
{
	ml_ctx		ctx = mdl_ml_ctx(CurrentMemoryContext, 0);
	ml_contingency table;
	ml_mean_kind kind;
	ml_error	error;
	ml_status	status;
	double		value;

	if (!contingency_of(fcinfo, &table, &kind))
		PG_RETURN_NULL();
	status = ml_adjusted_mutual_information(&ctx, &table, kind, &value, &error);
	if (status != ML_OK)
		mdl_ml_raise(status, &error);
	PG_RETURN_FLOAT8(value);
}
