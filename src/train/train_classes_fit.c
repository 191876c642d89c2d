/*
 * train_classes_fit.c: learners that need sums over the rows of each class only: one parallel pass, then a little
 * arithmetic.
 *
 * Few rows (all of them are in the sample then) are fitted from the rows themselves in an order that depends on their
 * content alone: the result is the same bits whatever the plan.  The metrics of the training rows are those of the sample.
 */
#include "train/train_classes.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "train/train_matrix.h"
#include "utils/array.h"

#define MOST_CELLS 5000000		/* numbers of the design up to which few rows are fitted from the rows themselves */

/* What the reading pass left, with the codes of the plan's dictionaries. */
typedef struct Found
{
	MdlClassHead *head;
	int		   *class_codes;	/* (n_classes) the state's code of a class */
	int		  **level_codes;	/* (n_columns) the state's codes of a column's categories, NULL for numbers */
	uint32		count;			/* of the sample, in the order of its content */
	const MdlSampleRecord **records;
} Found;

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static MdlClassHead *
read_state(MdlTraining *t)
{
	ml_class_sum_type type;
	double		threshold;
	Datum		options[3];
	bytea	   *bytes;

	t->estimator->class_sums(t->params, &type, &threshold);
	options[0] = Float8GetDatum(type);
	options[1] = Float8GetDatum(threshold);
	options[2] = Float8GetDatum(t->max_categories);
	mdl_samples_begin(t);
	bytes = mdl_source_aggregate(&t->source, "_class_state", t->plan_bytes, FLOAT8ARRAYOID,
								 PointerGetDatum(construct_array(options, 3, FLOAT8OID, 8, true, TYPALIGN_DOUBLE)));
	if (bytes == NULL)
		mdl_training_too_few(t, 0);
	return mdl_class_state_argument(PointerGetDatum(bytes));
}

/* Gives the plan the dictionary of a column; returns the state's codes in its order. */
static int *
set_dictionary(MdlTraining *t, const MdlClassHead *head, int column)
{
	int			count;
	MdlClassText *texts = mdl_class_column_texts(head, column, &count);
	char	  **names = palloc(sizeof(char *) * (count + 1));
	int		   *codes = palloc(sizeof(int) * (count + 1));
	ml_error	err;
	ml_status	status;

	for (int i = 0; i < count; i++)
	{
		names[i] = texts[i].text;
		codes[i] = texts[i].code;
	}
	status = ml_dictionary_make(&t->ctx, &t->plan.columns[column].dictionary, count, (const char *const *) names, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	t->plan.columns[column].has_dictionary = true;
	return codes;
}

/* The dictionaries of features and target, which the classes are. */
static void
set_dictionaries(MdlTraining *t, Found *f)
{
	f->level_codes = palloc0(sizeof(int *) * t->plan.n_columns);
	for (int i = 0; i < t->source.n_features; i++)
	{
		if (t->plan.columns[i].cat < 0)
			continue;
		f->level_codes[i] = set_dictionary(t, f->head, i);
		if (t->plan.columns[i].dictionary.count < 2)
			mdl_training_constant_feature(t, t->source.columns[i].name, t->plan.columns[i].dictionary.count);
	}
	f->class_codes = set_dictionary(t, f->head, t->plan.target);
	mdl_training_set_classes(t);
}

/* The codes of the sample become those of the dictionaries. */
static void
order_sample(const MdlTraining *t, Found *f)
{
	ml_sample  *sample = mdl_class_sample(f->head);
	int32	   *map = palloc0(sizeof(int32) * (f->head->n_classes + f->head->n_levels + 1));
	uint32	   *order;

	for (int k = 0; k < t->n_classes; k++)
		map[f->class_codes[k]] = k;
	for (int i = 0; i < t->source.n_features; i++)
		for (int code = 0; f->level_codes[i] != NULL && code < t->plan.columns[i].dictionary.count; code++)
			map[f->head->n_classes + f->level_codes[i][code]] = code;
	ml_sample_trim(sample);
	f->count = sample->count;
	f->records = palloc(sizeof(MdlSampleRecord *) * (f->count + 1));
	order = palloc(sizeof(uint32) * (f->count + 1));
	for (uint32 i = 0; i < f->count; i++)
	{
		int32	   *codes = (int32 *) (((MdlSampleRecord *) ml_sample_record(sample, i))->numbers + t->plan.n_numbers);

		for (int cat = 0; cat < t->plan.n_cats; cat++)
			codes[cat] = map[cat < t->plan.n_cats - 1 ? f->head->n_classes + codes[cat] : codes[cat]];
	}
	ml_sample_order(sample, order);
	for (uint32 i = 0; i < f->count; i++)
		f->records[i] = ml_sample_record(sample, order[i]);
}

/* Raises for a number that is the same in every row. */
static void
check_constant(const MdlTraining *t, const MdlClassHead *head)
{
	for (int i = 0; i < t->source.n_features; i++)
	{
		int			j = t->plan.columns[i].number;
		bool		varies;

		if (j < 0 || t->plan.columns[i].kind == ML_VECTOR)
			continue;
		varies = (mdl_class_seen(head)[j] & ML_SEEN_ANOTHER) != 0;
		for (int k = 0; head->type == ML_CLASS_GAUSSIAN && k < head->n_classes; k++)
			varies |= mdl_class_sums(head, k)[2 + j] != 0 || mdl_class_squares(head, k)[j] != 0;
		if (!varies)
			mdl_training_constant_feature(t, t->source.columns[i].name, 1);
	}
}

/* ---- sums by term -------------------------------------------------------------------------------------------------- */

/* The number that a term is, or -1 and the code of the category. */
static int
term_number(const MdlTraining *t, int term, int *code)
{
	int			column = ml_model_term_column(t->model, term);
	int			number = t->plan.columns[column].number;

	*code = number < 0 ? ml_model_term_category(t->model, term) : -1;
	return number < 0 ? -1 : number + term - ml_model_column_first_term(t->model, column);
}

/* A term that is 1 for the rows of a category, which have this weight of the class's. */
static void
category_sums(const MdlClassHead *head, double weight, double total, double *sum, double *square)
{
	double		share = total > 0 ? weight / total : 0;

	if (head->type == ML_CLASS_GAUSSIAN)
	{
		*sum = share;
		*square = weight * (1 - share);
	}
	else if (head->type == ML_CLASS_BERNOULLI)
		*sum = head->threshold < 0 ? total : head->threshold < 1 ? weight : 0;
	else
		*sum = weight;
}

static void
fill_class(const MdlTraining *t, const Found *f, int class, double *sums, double *squares)
{
	const MdlClassHead *head = f->head;
	const double *from = mdl_class_sums(head, f->class_codes[class]);
	bool		gaussian = head->type == ML_CLASS_GAUSSIAN;

	for (int term = 0; term < ml_model_n_terms(t->model); term++)
	{
		int			code;
		int			j = term_number(t, term, &code);

		if (j < 0)
		{
			int			level = f->level_codes[ml_model_term_column(t->model, term)][code];

			category_sums(head, mdl_class_levels(head, f->class_codes[class])[level], from[0], &sums[term], &squares[term]);
			continue;
		}
		sums[term] = from[2 + j] + (gaussian ? mdl_class_base(head)[j] : 0);
		squares[term] = gaussian ? mdl_class_squares(head, f->class_codes[class])[j] : 0;
	}
}

static ml_class_sums *
make_sums(const MdlTraining *t, const Found *f)
{
	ml_class_sums *s = palloc0(sizeof(ml_class_sums));
	int			n = ml_model_n_terms(t->model);
	Size		cells = (Size) n * t->n_classes;
	double	   *weight = palloc(sizeof(double) * 2 * t->n_classes);
	double	   *sums = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (2 * cells + 1));
	bool	   *flags = palloc0(sizeof(bool) * (2 * n + 1));

	for (int k = 0; k < t->n_classes; k++)
	{
		weight[k] = mdl_class_sums(f->head, f->class_codes[k])[0];
		weight[t->n_classes + k] = mdl_class_sums(f->head, f->class_codes[k])[1];
		fill_class(t, f, k, sums + (Size) k * n, sums + cells + (Size) k * n);
	}
	for (int term = 0; term < n; term++)
	{
		int			code;
		int			j = term_number(t, term, &code);

		flags[term] = j >= 0 && (mdl_class_seen(f->head)[j] & ML_SEEN_NEGATIVE) != 0;
		flags[n + term] = j >= 0 && (mdl_class_seen(f->head)[j] & ML_SEEN_FRACTIONAL) != 0;
	}
	*s = (ml_class_sums) {n, t->n_classes, weight, weight + t->n_classes, sums, sums + cells, flags, flags + n};
	return s;
}

/* ---- few rows ------------------------------------------------------------------------------------------------------ */

/* All rows as the learner would have got them from memory; NULL: the sample has not all, or they are many. */
static ml_design *
make_design(const MdlTraining *t, const Found *f)
{
	int			n = ml_model_n_terms(t->model);
	ml_design  *design;
	double	   *x;
	int32	   *labels;
	double	   *weights;

	if (mdl_class_sample(f->head)->trimmed || f->count != f->head->rows || (double) f->count * n > MOST_CELLS)
		return NULL;
	design = palloc0(sizeof(ml_design));
	x = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ((Size) f->count * n + 1));
	labels = palloc(sizeof(int32) * (f->count + 1));
	weights = palloc(sizeof(double) * (f->count + 1));
	for (uint32 i = 0; i < f->count; i++)
	{
		const MdlSampleRecord *record = f->records[i];
		const int32 *codes = (const int32 *) (record->numbers + t->plan.n_numbers);

		for (int term = 0; term < n; term++)
		{
			int			code;
			int			j = term_number(t, term, &code);

			x[(Size) i * n + term] = j >= 0 ? record->numbers[j] :
				codes[t->plan.columns[ml_model_term_column(t->model, term)].cat] == code;
		}
		labels[i] = codes[t->plan.n_cats - 1];
		weights[i] = record->weight;
	}
	*design = (ml_design) {.rows = f->count, .n_terms = n, .x = x, .stride = n, .labels = labels, .n_classes = t->n_classes,
	.weights = t->plan.weight >= 0 ? weights : NULL};
	return design;
}

/* ---- metrics ------------------------------------------------------------------------------------------------------- */

/* Measures the model on the sample, and returns what it predicts for it; NULL: it is empty. */
static double *
push_metrics(MdlTraining *t, const Found *f)
{
	double	   *predictions;
	int32	   *labels = palloc(sizeof(int32) * (f->count + 1));
	double	   *weights = palloc(sizeof(double) * (f->count + 1));
	MdlMatrixData data = {.rows = f->count, .n_classes = t->n_classes, .labels = labels};
	MdlMetric	metrics[MDL_MAX_METRICS];
	int			count;

	if (f->count == 0)
		return NULL;
	predictions = mdl_training_predict_sample(t, f->records, f->count);
	for (uint32 i = 0; i < f->count; i++)
	{
		labels[i] = ((const int32 *) (f->records[i]->numbers + t->plan.n_numbers))[t->plan.n_cats - 1];
		weights[i] = f->records[i]->weight;
	}
	data.weights = t->plan.weight >= 0 ? weights : NULL;
	if (f->count != t->rows)
		mdl_jsonb_push_number(&t->metrics, "train_rows_scored", f->count);
	count = mdl_matrix_metrics(&t->ctx, &data, predictions, 0, f->count, metrics);
	for (int i = 0; i < count; i++)
		mdl_jsonb_push_number(&t->metrics, psprintf("train_%s", metrics[i].name), metrics[i].value);
	return predictions;
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

/* From a state that was checked to a model with its report; the plan has the columns that the state was gathered from. */
static void
fit(MdlTraining *t, Found *f)
{
	ml_train_input input = {0};

	mdl_training_check_counts(t, mdl_class_counts(f->head));
	if (f->head->overflow > 0)
		mdl_training_too_many(t, f->head->overflow - 1);
	mdl_training_too_few(t, f->head->rows);
	t->rows = f->head->rows;
	set_dictionaries(t, f);
	check_constant(t, f->head);
	order_sample(t, f);
	mdl_training_describe_columns(t, false);
	mdl_training_make_model(t);
	input.design = make_design(t, f);
	if (input.design == NULL)
		input.class_sums = make_sums(t, f);
	mdl_training_run_estimator(&t->ctx, t->estimator, t->params, &input, t->model, &t->report);
}

void
mdl_training_fit_class_state(MdlTraining *t, MdlClassHead *head)
{
	Found		f = {.head = head};

	fit(t, &f);
	push_metrics(t, &f);
}

void
mdl_training_fit_classes(MdlTraining *t)
{
	Found		f = {0};
	double	   *predictions;

	mdl_training_phase(t, "reading", -1);
	f.head = read_state(t);
	if (mdl_training_plan_again(t, mdl_class_counts(f.head)))
		return;
	mdl_training_phase(t, "fitting", 100);
	fit(t, &f);
	mdl_training_phase(t, "scoring", -1);
	predictions = push_metrics(t, &f);
	mdl_training_phase(t, "describing", -1);
	mdl_training_make_baseline(t, f.records, f.count, mdl_class_counts(f.head), predictions);
}
