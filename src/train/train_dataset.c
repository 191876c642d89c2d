/*
 * train_dataset.c: what one scan of a source left, in shared memory, for cross-validation in any process.
 *
 * For the linear family that is one Gram per fold over all terms (one-hot without a reference category: where there is
 * no penalty the last category is aliased, which predicts the same); for learners in memory it is the matrix.  A fold's
 * model is fitted on the sum, or the rows, of the others.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "base/progress.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "ml/ml_linear.h"
#include "registry/registry.h"
#include "storage/dsm.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define DATASET_MAGIC 0x44534554u

typedef struct DatasetHead
{
	uint32		magic;
	int32		streaming;		/* Grams; else the matrix */
	int32		task;
	int32		n_folds;		/* of the cross-validation */
	int32		n_blocks;		/* the rows are divided into: one more when folds follow one another in time */
	int32		n_variables;	/* of a Gram: terms, what tells their missing values, and the target */
	int32		n_terms;
	uint64		terms_at;		/* DatasetTerm (n_terms) */
	uint64		preps_at;		/* MdlColumnPrep, one for each column of the matrix */
	int64		rows;
	uint64		image_at;		/* MdlMatrixImage, or per fold: int64 rows, double weight, the Gram's doubles */
	char		algorithm[64];
} DatasetHead;

/* A term of the linear family, and what its missing values become, which each fold decides for itself. */
typedef struct DatasetTerm
{
	int32		column;
	int32		missing;		/* variable that tells them, -1: there are none */
	int32		is_category;
	double		placeholder;	/* number that stands for them in the Grams */
} DatasetTerm;

struct MdlDataset
{
	dsm_segment *segment;
	DatasetHead *head;
	MemoryContext memory;		/* of what is below and of work */
	const ml_estimator *estimator;
	ml_gram    *grams;			/* (n_blocks) */
	const DatasetTerm *terms;
	MdlMatrixData *data;
	const MdlColumnPrep *preps; /* (data->n_columns) */
};

/* ---- opening ---------------------------------------------------------------------------------------------------- */

#define gram_bytes(n) (3 * sizeof(double) + sizeof(double) * ml_gram_doubles(n))

/* Makes the views of what lies in the segment. */
static MdlDataset *
open_dataset(dsm_segment *segment)
{
	MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "medallion dataset", ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(memory);
	MdlDataset *d = palloc0(sizeof(MdlDataset));
	char	   *base = dsm_segment_address(segment);

	d->segment = segment;
	d->memory = memory;
	d->head = (DatasetHead *) base;
	if (dsm_segment_map_length(segment) < sizeof(DatasetHead) || d->head->magic != DATASET_MAGIC)
		elog(ERROR, "the shared memory segment is not a dataset");
	d->estimator = mdl_estimator_by_name(d->head->algorithm);
	if (!d->head->streaming)
	{
		d->data = mdl_matrix_open((MdlMatrixImage *) (base + d->head->image_at));
		d->preps = (const MdlColumnPrep *) (base + d->head->preps_at);
	}
	else
	{
		d->terms = (const DatasetTerm *) (base + d->head->terms_at);
		d->grams = palloc0(sizeof(ml_gram) * d->head->n_blocks);
		for (int fold = 0; fold < d->head->n_blocks; fold++)
		{
			char	   *at = base + d->head->image_at + fold * gram_bytes(d->head->n_variables);
			ml_gram    *gram = &d->grams[fold];

			ml_gram_attach(gram, d->head->n_variables, (double *) (at + 3 * sizeof(double)));
			gram->rows = *(int64 *) at;
			gram->weight = *(double *) (at + sizeof(int64));
			gram->log_weight = *(double *) (at + 2 * sizeof(int64));
		}
	}
	MemoryContextSwitchTo(saved);
	return d;
}

MdlDataset *
mdl_dataset_attach(dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);

	if (segment == NULL)
		return NULL;
	dsm_pin_mapping(segment);
	return open_dataset(segment);
}

void
mdl_dataset_close(MdlDataset *d)
{
	dsm_segment *segment = d->segment;

	MemoryContextDelete(d->memory);
	dsm_detach(segment);
}

dsm_handle
mdl_dataset_handle(const MdlDataset *d)
{
	return dsm_segment_handle(d->segment);
}

int
mdl_dataset_folds(const MdlDataset *d)
{
	return d->head->n_folds;
}

int64
mdl_dataset_rows(const MdlDataset *d)
{
	return d->head->rows;
}

ml_task
mdl_dataset_task(const MdlDataset *d)
{
	return d->head->task;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void
fill_head(DatasetHead *head, const MdlTraining *t, int64 rows)
{
	memset(head, 0, sizeof(*head));
	head->magic = DATASET_MAGIC;
	head->streaming = t->streaming;
	head->task = t->task;
	head->n_blocks = t->plan.n_folds;
	head->n_folds = t->split.time ? head->n_blocks - 1 : head->n_blocks;
	head->rows = rows;
	head->image_at = TYPEALIGN(64, sizeof(DatasetHead));
	strlcpy(head->algorithm, t->estimator->name, sizeof(head->algorithm));
}

static void
check_folds(const MdlTraining *t, int fold, int64 rows, int64 all)
{
	if (rows > 0)
		return;
	if (all < t->plan.n_folds)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg_plural("there are %d folds, but only %lld row", "there are %d folds, but only %lld rows", all, t->plan.n_folds,
							   (long long) all),
				 errdetail("The source is: %s", t->request->source),
				 errhint("Use at most as many folds as there are rows.")));
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("fold %d of the cross-validation has no rows", fold + 1),
			 errdetail("The source is: %s", t->request->source),
			 t->split.column != NULL ? errhint("No row has that number in column \"%s\".", t->split.column) :
			 errhint("Rows are divided at random: use fewer folds, another seed or more rows, or say in a column which fold a row belongs to.")));
}

/* The terms, and the variables of the Grams: the terms, what tells the missing values of their columns, the target. */
static ml_gram_source *
describe_terms(const MdlTraining *t, DatasetTerm **terms, int *n_terms, int *n_variables)
{
	int			n;
	ml_gram_source *of_terms = mdl_training_gram_sources(t, &n);
	ml_gram_source *sources = palloc(sizeof(ml_gram_source) * (n + t->plan.n_indicators));
	int		   *missing = palloc(sizeof(int) * (t->plan.n_columns + 1));
	int			at = n - 1;

	memcpy(sources, of_terms, sizeof(ml_gram_source) * at);
	for (int i = 0; i < t->plan.n_columns; i++)
	{
		const MdlRowColumn *column = &t->plan.columns[i];

		missing[i] = -1;
		if (column->indicator < 0)
			continue;
		missing[i] = at;
		sources[at].number = column->number >= 0 ? column->indicator : -1;
		sources[at++].level = column->number >= 0 ? -1 : column->indicator;
	}
	sources[at++] = of_terms[n - 1];
	*n_terms = n - 1;
	*n_variables = at;
	*terms = palloc0(sizeof(DatasetTerm) * n);
	for (int term = 0; term < *n_terms; term++)
	{
		DatasetTerm *d = &(*terms)[term];

		d->column = ml_model_term_column(t->model, term);
		d->missing = missing[d->column];
		d->is_category = ml_model_term_category(t->model, term) >= 0;
		d->placeholder = t->plan.columns[d->column].fill_number;
	}
	return sources;
}

static dsm_segment *
read_grams(MdlTraining *t)
{
	int			folds = t->plan.n_folds;
	MdlLinearState state;
	ml_gram_source *sources;
	DatasetTerm *terms;
	dsm_segment *segment;
	DatasetHead *head;
	int64		rows = 0;
	int			n;
	int			n_terms;

	mdl_training_read_sums(t, &state);
	/* Terms for all categories: params, which may leave one out, come later. */
	mdl_training_describe_columns(t, false);
	mdl_training_make_model(t);
	sources = describe_terms(t, &terms, &n_terms, &n);
	segment = dsm_create(TYPEALIGN(64, sizeof(DatasetHead)) + folds * gram_bytes(n) + sizeof(DatasetTerm) * (n_terms + 1), 0);
	head = dsm_segment_address(segment);
	fill_head(head, t, 0);
	head->n_variables = n;
	head->n_terms = n_terms;
	head->terms_at = head->image_at + folds * gram_bytes(n);
	memcpy((char *) head + head->terms_at, terms, sizeof(DatasetTerm) * n_terms);
	for (int fold = 0; fold < folds; fold++)
	{
		char	   *at = (char *) head + head->image_at + fold * gram_bytes(n);
		ml_gram		gram;

		ml_gram_attach(&gram, n, (double *) (at + 3 * sizeof(double)));
		mdl_training_gram_of_set(t, &state, fold, sources, &gram);
		*(int64 *) at = gram.rows;
		*(double *) (at + sizeof(int64)) = gram.weight;
		*(double *) (at + 2 * sizeof(int64)) = gram.log_weight;
		rows += gram.rows;
	}
	mdl_training_too_few(t, rows);
	for (int fold = 0; fold < folds; fold++)
		check_folds(t, fold, *(int64 *) ((char *) head + head->image_at + fold * gram_bytes(n)), rows);
	head->rows = rows;
	return segment;
}

/* A segment with room for an image and something behind it. */
typedef struct Segment
{
	dsm_segment *segment;
	Size		extra;
	Size		extra_at;
} Segment;

static void *
allocate_segment(Size size, void *arg)
{
	Segment    *s = arg;
	Size		before = TYPEALIGN(64, sizeof(DatasetHead));
	dsm_segment *segment = dsm_create(TYPEALIGN(64, before + size) + s->extra, 0);

	s->segment = segment;
	s->extra_at = TYPEALIGN(64, before + size);
	return (char *) dsm_segment_address(segment) + before;
}

static dsm_segment *
read_matrix(MdlTraining *t)
{
	int			folds = t->plan.n_folds;
	MdlMatrixLoad *load = palloc0(sizeof(MdlMatrixLoad));
	Segment		segment = {.extra = sizeof(MdlColumnPrep) * (t->source.n_features + 1)};
	DatasetHead *head;
	MdlMatrixImage *image;
	uint32		sample = 0;
	MdlSampleRecord **records;
	const uint64 *starts;

	t->ctx.nthreads = mdl_training_threads();
	mdl_matrix_load(&t->source, &t->plan, t->plan_bytes, t->memory, load);
	image = mdl_matrix_build(t, load, &sample, &records, allocate_segment, &segment);
	head = dsm_segment_address(segment.segment);
	fill_head(head, t, image->rows);
	head->preps_at = segment.extra_at;
	memcpy((char *) head + segment.extra_at, t->preps, sizeof(MdlColumnPrep) * t->source.n_features);
	starts = (const uint64 *) ((const char *) image + image->folds_at);
	for (int fold = 0; fold < folds; fold++)
		check_folds(t, fold, (int64) (starts[fold + 1] - starts[fold]), image->rows);
	mdl_matrix_unload(load);
	mdl_training_check_exposure(t, mdl_matrix_open(image));
	return segment.segment;
}

MdlDataset *
mdl_dataset_read(const MdlTrainRequest *request, int folds)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(caller, "medallion dataset read", ALLOCSET_DEFAULT_SIZES);
	MdlTraining *t = MemoryContextAllocZero(memory, sizeof(MdlTraining));
	MdlTrainRequest all = *request;
	dsm_segment *segment;

	if (folds < 2 || folds > 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of folds must be at least 2 and at most 1000, but is %d", folds)));
	all.validation = NULL;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(memory);
	mdl_training_prepare(t, &all, folds);
	mdl_training_phase(t, "reading", -1);
	segment = t->streaming ? read_grams(t) : read_matrix(t);
	MemoryContextSwitchTo(caller);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	dsm_pin_mapping(segment);
	return open_dataset(segment);
}

/* ---- scoring ----------------------------------------------------------------------------------------------------- */

typedef struct KnownMetric
{
	const char *name;
	bool		greater_is_better;
	bool		takes_weights;
} KnownMetric;

/* The first is the default. */
static const KnownMetric gram_metrics[] = {
	{"r2", true, true}, {"mse", false, true}, {"rmse", false, true}, {NULL}
};

static const KnownMetric regression_metrics[] = {
	{"r2", true, true}, {"mse", false, true}, {"rmse", false, true}, {"mae", false, true}, {"mape", false, true},
	{"max_error", false, true}, {"explained_variance", true, true}, {NULL}
};

static const KnownMetric binary_metrics[] = {
	{"roc_auc", true, false}, {"accuracy", true, true}, {"log_loss", false, true}, {"brier", false, true},
	{"f1", true, false}, {"precision", true, false}, {"recall", true, false}, {"balanced_accuracy", true, false},
	{"average_precision", true, false}, {NULL}
};

static const KnownMetric multiclass_metrics[] = {
	{"accuracy", true, true}, {"log_loss", false, true}, {"roc_auc_ovr", true, false}, {"f1_macro", true, false},
	{"precision_macro", true, false}, {"recall_macro", true, false}, {"balanced_accuracy", true, false}, {NULL}
};

/* Whether the linear family is scored from Grams tells which there are; of classes those of two, unless it is known that there are more. */
static const KnownMetric *
known_metrics(ml_task task, bool streaming, const char *algorithm)
{
	switch (task)
	{
		case ML_REGRESSION:
			return streaming ? gram_metrics : regression_metrics;
		case ML_BINARY:
			return binary_metrics;
		case ML_MULTICLASS:
			return multiclass_metrics;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("algorithm \"%s\" has no target, so cross-validation cannot tell how good it is", algorithm),
					 errhint("Train it with each choice of parameters and compare metrics of the models, such as medallion.silhouette of their clusters.")));
	}
	return NULL;
}

/* NULL: it is none of them. */
static const KnownMetric *
find_metric(const KnownMetric *known, const char *name)
{
	while (known->name != NULL && strcmp(known->name, name) != 0)
		known++;
	return known->name != NULL ? known : NULL;
}

static void
check_weighted(const KnownMetric *metric, bool weighted)
{
	if (weighted && !metric->takes_weights)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("metric \"%s\" cannot be used with row weights", metric->name),
				 errhint("Use log_loss, accuracy or brier.")));
}

static char *
metric_names(const KnownMetric *metrics)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; metrics[i].name != NULL; i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "", metrics[i].name);
	return text.data;
}

const char *
mdl_dataset_metric(const MdlDataset *d, const char *metric, bool *greater_is_better)
{
	const KnownMetric *known = known_metrics(d->head->task, d->data == NULL, d->head->algorithm);
	const KnownMetric *found = known;
	bool		weighted = d->data != NULL && d->data->weights != NULL;

	if (metric == NULL && weighted && !known->takes_weights)
		metric = "log_loss";
	if (metric != NULL)
		found = find_metric(known, metric);
	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric \"%s\" cannot be used for algorithm \"%s\"", metric, d->head->algorithm),
				 errhint("Metrics are: %s.", metric_names(known))));
	check_weighted(found, weighted);
	*greater_is_better = found->greater_is_better;
	return found->name;
}

/* The same before rows are read, so that it is not known yet how many classes there are. */
static void
check_metric(const MdlTraining *t, const char *metric)
{
	const KnownMetric *known = known_metrics(t->task, t->streaming, t->estimator->name);
	bool		more = t->task == ML_BINARY && (t->estimator->tasks & ML_TASK_BIT(ML_MULTICLASS)) != 0;
	const KnownMetric *found;

	if (metric == NULL)
		return;
	found = find_metric(known, metric);
	if (found == NULL && more)
		found = find_metric(multiclass_metrics, metric);
	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric \"%s\" cannot be used for algorithm \"%s\"", metric, t->estimator->name),
				 more ? errhint("Metrics of two classes are: %s; of more: %s.", metric_names(known), metric_names(multiclass_metrics))
				 : errhint("Metrics are: %s.", metric_names(known))));
	check_weighted(found, !t->streaming && t->request->weight != NULL);
}

void
mdl_dataset_check_algorithm(const char *algorithm)
{
	unsigned	tasks = mdl_estimator_by_name(algorithm)->tasks;

	if ((tasks & (ML_TASK_BIT(ML_REGRESSION) | ML_TASK_BIT(ML_BINARY) | ML_TASK_BIT(ML_MULTICLASS))) == 0)
		(void) known_metrics(ML_CLUSTERING, false, algorithm);
}

void
mdl_dataset_check(const MdlTrainRequest *request, int folds, const char *metric)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(caller, "medallion dataset check", ALLOCSET_DEFAULT_SIZES);
	MdlTraining *t = MemoryContextAllocZero(memory, sizeof(MdlTraining));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(memory);
	mdl_training_look(t, request, folds);
	check_metric(t, metric);
	if (t->task == ML_REGRESSION)
		mdl_model_check_new(request->model, ml_task_name(t->task));
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}

/* Names that stand for the real ones, in ascending order. */
static const char **
made_up_names(int count)
{
	const char **names = palloc(sizeof(char *) * (count + 1));

	for (int i = 0; i < count; i++)
		names[i] = psprintf("%010d", i);
	return names;
}

/* A model of columns without names: what an estimator can give its predictor to. */
static ml_model *
model_of_columns(const ml_ctx *ctx, const MdlDataset *d, const ml_column_spec *columns, int n_columns)
{
	ml_model_spec spec = {0};
	ml_model   *model;
	ml_error	err;
	ml_status	status;

	spec.algorithm = d->head->algorithm;
	spec.task = d->head->task;
	spec.target = "";
	spec.target_type = "";
	spec.n_columns = n_columns;
	spec.columns = columns;
	spec.n_classes = d->data ? d->data->n_classes : 0;
	spec.classes = made_up_names(spec.n_classes);
	status = ml_model_new(ctx, &spec, &model, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	return model;
}

/* The columns of the image, as the preprocessing makes them from some folds. */
static ml_column_spec *
columns_of_folds(const ml_ctx *ctx, const MdlDataset *d, const double *params, const bool *use_fold)
{
	ml_column_spec *columns = palloc0(sizeof(ml_column_spec) * (d->data->n_columns + 1));
	bool		reference = d->estimator->needs_reference != NULL && d->estimator->needs_reference(params);

	for (int i = 0; i < d->data->n_columns; i++)
	{
		ml_column_spec *column = &columns[i];

		column->name = "";
		column->type = "";
		column->kind = d->data->facts[i].kind;
		column->scale = 1;
		column->length = d->data->facts[i].length;
		column->reference = -1;
		if (d->preps[i].encode == MDL_ENCODE_HASHING)
			continue;
		column->n_categories = d->data->facts[i].n_categories;
		column->categories = made_up_names(column->n_categories);
	}
	mdl_design_fit(ctx, d->data, mdl_matrix_rows(d->data, use_fold), d->preps, reference, d->estimator->keeps_missing, columns);
	return columns;
}

static ml_column_spec *
columns_of_terms(int n_terms)
{
	ml_column_spec *columns = palloc0(sizeof(ml_column_spec) * (n_terms + 1));

	for (int i = 0; i < n_terms; i++)
		columns[i] = (ml_column_spec) {.name = "", .type = "", .kind = ML_NUMERIC, .scale = 1, .reference = -1};
	return columns;
}

/* What a fold is predicted from: all other blocks, or those before it in time; and the block that it is. */
static bool
trains_fold(const MdlDataset *d, int fold, int block)
{
	return d->head->n_blocks > d->head->n_folds ? block <= fold : block != fold;
}

static int
block_of_fold(const MdlDataset *d, int fold)
{
	return d->head->n_blocks > d->head->n_folds ? fold + 1 : fold;
}

/*
 * The terms as sums of variables, missing values becoming what the rows of `training` say: the mean of the values
 * present, the most frequent category (of equally frequent ones the first).
 */
static ml_gram_term *
impute(const MdlDataset *d, const ml_gram *training)
{
	int			n = d->head->n_terms;
	ml_gram_term *sums = palloc(sizeof(ml_gram_term) * (n + 1));
	int			most_frequent = -1;

	for (int i = 0; i < n; i++)
	{
		const DatasetTerm *term = &d->terms[i];
		double		present;

		sums[i] = (ml_gram_term) {i, -1, 0};
		if (term->missing < 0)
			continue;
		present = 1 - training->mean[term->missing];
		if (!term->is_category)
		{
			if (present > 0)
				sums[i] = (ml_gram_term) {i, term->missing, (training->mean[i] - term->placeholder) / present};
			continue;
		}
		if (most_frequent < 0 || d->terms[most_frequent].column != term->column)
			most_frequent = i;
		else if (training->mean[i] > training->mean[most_frequent])
			most_frequent = i;
		if (i + 1 == n || d->terms[i + 1].column != term->column)
			sums[most_frequent] = (ml_gram_term) {most_frequent, term->missing, 1};
	}
	sums[n] = (ml_gram_term) {d->head->n_variables - 1, -1, 0};
	return sums;
}

static void
new_gram(ml_gram *gram, int n)
{
	ml_gram_attach(gram, n, MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ml_gram_doubles(n)));
	ml_gram_clear(gram);
}

/* Folds that the estimator wants apart. */
static int
folds_of(const MdlDataset *d, const double *params)
{
	return d->estimator->folds ? d->estimator->folds(params) : 0;
}

/* The blocks that a fold is predicted from, for an estimator that chooses its penalty by cross-validation within them. */
static void
add_folds(const MdlDataset *d, int fold, const ml_gram_term *terms, ml_train_input *input)
{
	ml_gram    *grams = palloc0(sizeof(ml_gram) * d->head->n_blocks);

	for (int block = 0; block < d->head->n_blocks; block++)
		if (trains_fold(d, fold, block))
		{
			ml_gram    *gram = &grams[input->n_fold_grams++];

			new_gram(gram, d->head->n_terms + 1);
			ml_gram_combine(gram, &d->grams[block], terms);
		}
	if (input->n_fold_grams == 1)
		input->n_fold_grams = 0;
	input->fold_grams = grams;
}

static double
score_gram(const ml_ctx *ctx, MdlDataset *d, const double *params, int fold, const char *metric)
{
	int			n = d->head->n_terms + 1;
	const ml_gram *block = &d->grams[block_of_fold(d, fold)];
	ml_gram		sum;
	ml_gram		training;
	ml_gram		test;
	const ml_gram_term *terms;
	ml_train_input input = {0};
	ml_model   *model = model_of_columns(ctx, d, columns_of_terms(n - 1), n - 1);
	const double *coefficients;
	double		intercept;
	double		rss;
	double		tss;

	new_gram(&sum, d->head->n_variables);
	new_gram(&training, n);
	new_gram(&test, n);
	for (int other = 0; other < d->head->n_blocks; other++)
		if (trains_fold(d, fold, other))
			ml_gram_add(&sum, &d->grams[other]);
	terms = impute(d, &sum);
	ml_gram_combine(&training, &sum, terms);
	ml_gram_combine(&test, block, terms);
	tss = test.moments[(Size) n * n - 1];
	input.gram = &training;
	if (folds_of(d, params) > 1)
		add_folds(d, fold, terms, &input);
	mdl_training_run_estimator(ctx, d->estimator, params, &input, model, NULL);
	coefficients = ml_model_coefficients(model, 0, &intercept);
	rss = ml_linear_rss(&test, coefficients, intercept);
	if (strcmp(metric, "r2") == 0)
		return tss > 0 ? 1 - rss / tss : NAN;
	return strcmp(metric, "mse") == 0 ? rss / test.weight : sqrt(rss / test.weight);
}

/* Whether the rows of these folds have all classes. */
static bool
has_all_classes(const MdlMatrixData *data, const bool *use_fold)
{
	bool	   *seen = palloc0(sizeof(bool) * (data->n_classes + 1));
	int			missing = data->n_classes;

	for (int fold = 0; fold < data->n_folds && missing > 0; fold++)
		for (size_t i = data->fold_start[fold]; use_fold[fold] && i < data->fold_start[fold + 1] && missing > 0; i++)
			if (!seen[data->labels[i]])
			{
				seen[data->labels[i]] = true;
				missing--;
			}
	pfree(seen);
	return missing == 0;
}

static double
score_matrix(const ml_ctx *ctx, MdlDataset *d, const double *params, int fold, const char *metric)
{
	const MdlMatrixData *data = d->data;
	int			test = block_of_fold(d, fold);
	size_t		first = data->fold_start[test];
	size_t		n = data->fold_start[test + 1] - first;
	ml_train_input input = {0};
	ml_model   *model;
	bool	   *use_fold = palloc(sizeof(bool) * data->n_folds);
	MdlMetric	metrics[MDL_MAX_METRICS];
	int			count;

	for (int block = 0; block < data->n_folds; block++)
		use_fold[block] = trains_fold(d, fold, block);
	if (!has_all_classes(data, use_fold))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the rows that fold %d is predicted from lack a class of the target", fold + 1),
				 errhint("Use folds => '{\"stratify\": true}', fewer folds, or leave rare classes out.")));
	model = model_of_columns(ctx, d, columns_of_folds(ctx, d, params, use_fold), data->n_columns);
	mdl_design_input(ctx, d->estimator, model, data, d->preps, use_fold, folds_of(d, params) > 1, &input);
	mdl_training_run_estimator(ctx, d->estimator, params, &input, model, NULL);
	count = mdl_matrix_metrics(ctx, data, mdl_design_predict(ctx, model, data, first, n), first, n, metrics);
	for (int i = 0; i < count; i++)
		if (strcmp(metrics[i].name, metric) == 0)
			return metrics[i].value;
	return NAN;
}

double
mdl_dataset_score(MdlDataset *d, Jsonb *params, int fold, const char *metric)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "medallion fold", ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(work);
	ml_ctx		ctx = mdl_ml_ctx(work, 0);
	double		values[ML_MAX_PARAMS];
	bool		greater;
	double		score;

	Assert(fold >= 0 && fold < d->head->n_folds);
	metric = mdl_dataset_metric(d, metric, &greater);
	ctx.nthreads = Max(mdl_train_threads, 1);
	mdl_params_read(d->estimator, params, values);
	score = d->data ? score_matrix(&ctx, d, values, fold, metric) : score_gram(&ctx, d, values, fold, metric);
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(work);
	return score;
}
