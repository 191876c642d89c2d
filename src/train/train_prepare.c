/*
 * train_prepare.c: from a request to a plan: what is read, how, and what the model will look like.
 */
#include "train/train_int.h"

#include <math.h>

#include "base/progress.h"

#define SAMPLE_ROWS		10000	/* rows kept for the baseline, and for exact fits of small data */
#define SAMPLE_BYTES	(2560 * 1024)	/* of 200 columns 1,600 rows: to gather and describe more costs time */

uint32
mdl_training_sample_rows(const MdlRowPlan *plan)
{
	return Min(SAMPLE_ROWS, SAMPLE_BYTES / mdl_sample_record_size(plan));
}

void
mdl_training_phase(MdlTraining *t, const char *phase, int64 total)
{
	instr_time	now;
	instr_time	taken;

	INSTR_TIME_SET_CURRENT(now);
	taken = now;
	INSTR_TIME_SUBTRACT(taken, t->phase_start);
	if (t->phase != NULL)
		ereport(DEBUG1, (errmsg_internal("training: %s took %.1f ms", t->phase, INSTR_TIME_GET_MILLISEC(taken))));
	t->phase = phase;
	t->phase_start = now;
	if (phase != NULL)
		mdl_progress_phase(phase, total);
}

/* ---- problems of the data -------------------------------------------------------------------------------------- */

static const char *
role_name(const MdlSourceColumn *column)
{
	static const char *const names[] = {"", "feature", "target", "weight", "group", "column"};

	return column->offset != MDL_OFFSET_NONE ? mdl_offset_name(column->offset) : names[column->role];
}

static const char *
null_hint(const MdlSourceColumn *column)
{
	if (column->role == MDL_ROLE_FEATURE && column->kind != ML_VECTOR && column->offset == MDL_OFFSET_NONE)
		return "Leave these rows out in the source query, or say what stands for NULL by \"impute\" in argument \"preprocess\".";
	return "Leave these rows out in the source query.";
}

bool
mdl_training_settle_nulls(MdlTraining *t, const MdlRowCounts *counts)
{
	StringInfoData columns;
	int			settled = 0;

	initStringInfo(&columns);
	for (int i = 0; i < t->source.n_features; i++)
	{
		MdlColumnPrep *prep = &t->preps[i];

		if (prep->impute != MDL_IMPUTE_AUTO)
			continue;
		prep->impute = counts[i].nulls > 0 ? MDL_IMPUTE_MEAN : MDL_IMPUTE_ERROR;
		t->plan.columns[i].has_fill = counts[i].nulls > 0;
		if (counts[i].nulls > 0)
			appendStringInfo(&columns, "%s\"%s\" (in %lld of the rows by %s)", settled++ ? ", " : "", t->source.columns[i].name,
							 (long long) counts[i].nulls,
							 t->source.columns[i].kind == ML_CATEGORICAL ? "the most frequent category" : "the mean");
	}
	/* Of a thousand parts each would say so. */
	if (settled > 0)
		ereport(t->request->told_source ? DEBUG1 : NOTICE,
				(errmsg("NULL is replaced in feature %s", columns.data),
				 errdetail("The model replaces it in the same way where it predicts."),
				 errhint("Argument \"preprocess\" chooses otherwise; {\"impute\": \"error\"} refuses NULL.")));
	return settled > 0;
}

void
mdl_training_check_counts(const MdlTraining *t, const MdlRowCounts *counts)
{
	for (int i = 0; i < t->source.n_columns; i++)
	{
		const MdlSourceColumn *column = &t->source.columns[i];

		if (counts[i].nulls > 0 && !t->plan.columns[i].has_fill)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg_plural("%s \"%s\" is NULL in %lld row", "%s \"%s\" is NULL in %lld rows", counts[i].nulls,
								   role_name(column), column->name, (long long) counts[i].nulls),
					 errhint("%s", null_hint(column))));
		if (counts[i].not_finite > 0)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg_plural("%s \"%s\" is NaN or infinite in %lld row", "%s \"%s\" is NaN or infinite in %lld rows",
								   counts[i].not_finite, role_name(column), column->name,
								   (long long) counts[i].not_finite),
					 errhint("Leave these rows out in the source query, or turn the values into NULL or numbers there.")));
		if (counts[i].unknown > 0 && column->role == MDL_ROLE_WEIGHT)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg_plural("weight \"%s\" is negative in %lld row", "weight \"%s\" is negative in %lld rows",
								   counts[i].unknown, column->name, (long long) counts[i].unknown)));
		if (counts[i].unknown > 0 && column->kind == ML_VECTOR)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg_plural("feature \"%s\" does not have %d elements in %lld row, or one of them is NULL",
								   "feature \"%s\" does not have %d elements in %lld rows, or one of them is NULL", counts[i].unknown,
								   column->name, column->length, (long long) counts[i].unknown),
					 errhint("Arrays must be of one dimension and one length.")));
		if (counts[i].unknown > 0 && column->role == MDL_ROLE_FOLD)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg_plural("column \"%s\" names a fold that does not exist in %lld row",
								   "column \"%s\" names a fold that does not exist in %lld rows", counts[i].unknown, column->name,
								   (long long) counts[i].unknown),
					 errhint("Folds are numbered from 1 to %d.", t->plan.n_folds)));
		if (counts[i].unknown > 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("column \"%s\" had other categories when it was read again", column->name),
					 errhint("The source gives other rows each time: store its result in a table and train on that.")));
	}
}

void
mdl_training_too_few(const MdlTraining *t, int64 rows)
{
	if (rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there are no rows to train on"),
				 errdetail("The source is: %s", t->request->told_source ? t->request->told_source : t->request->source)));
	if (rows == 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("there is only one row to train on"),
				 errdetail("The source is: %s", t->request->told_source ? t->request->told_source : t->request->source)));
}

void
mdl_training_empty_holdout(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("no row fell into the holdout"),
			 errhint("Raise \"fraction\" in argument \"validation\", or train on more rows.")));
}

void
mdl_training_constant_column(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("feature \"%s\" has the same value in every row", name),
			 errhint("Exclude the column: nothing can be learnt from it.")));
}

void
mdl_training_constant_feature(const MdlTraining *t, const char *name, int n_values)
{
	if (n_values == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("feature \"%s\" is NULL in every row", name),
				 errhint("Exclude the column.")));
	if (t->request->told_source == NULL)
		mdl_training_constant_column(name);
}

/* A spread this small beside the mean is rounding of a constant. */
void
mdl_training_check_constant(const MdlTraining *t, const ml_gram *gram, const ml_gram_source *sources)
{
	for (int i = 0; i < ml_model_n_terms(t->model); i++)
	{
		double		variance = gram->moments[(size_t) i * gram->n + i] / gram->weight;
		const char *name = ml_model_column_name(t->model, ml_model_term_column(t->model, i));

		if (sources[i].number < 0 || sqrt(variance) > 1e-13 * fabs(gram->mean[i]))
			continue;
		if (sqrt(variance) > 1e-15 * fabs(gram->mean[i]))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("feature \"%s\" varies by %.1g about %g: too few digits are left for sums of its squares", name,
							sqrt(variance), gram->mean[i]),
					 errhint("Take off a number near its mean in the source query, or ask for preprocess => '{\"scale\": \"standard\"}'.")));
		if (gram->mean[i] != 0 && fabs(gram->mean[i]) < 1e-140)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("feature \"%s\" is about %g in every row: its squares vanish", name, gram->mean[i]),
					 errhint("Ask for preprocess => '{\"scale\": \"standard\"}', or exclude the column if all its values are the same.")));
		mdl_training_constant_feature(t, name, 1);
	}
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

/*
 * Whether columns become terms as they are read, so that sums over the rows are all that the estimator needs.  (Folds
 * tell what is missing apart to fill it with a mean of their own, so they take no constants.)
 */
static bool
can_stream(const MdlTraining *t, int folds)
{
	if (t->estimator->form != ML_FORM_GRAM)
		return false;
	for (int i = 0; i < t->source.n_features; i++)
		if (!mdl_prep_is_plain(&t->preps[i], t->source.columns[i].kind) ||
			(folds > 1 && t->preps[i].impute == MDL_IMPUTE_CONSTANT))
			return false;
	return true;
}

/* Whether sums over the rows of each class are all that the estimator needs: nothing is learnt of the columns before. */
static bool
can_sum_classes(const MdlTraining *t, int folds, bool calibrated)
{
	if (t->estimator->class_sums == NULL || folds > 1 || calibrated || t->split.holdout || t->request->reproducible)
		return false;
	for (int i = 0; i < t->source.n_features; i++)
	{
		bool		is_vector = t->source.columns[i].kind == ML_VECTOR;

		if ((t->preps[i].impute != MDL_IMPUTE_ERROR && t->preps[i].impute != MDL_IMPUTE_AUTO) ||
			!mdl_prep_is_plain(&t->preps[i], is_vector ? ML_NUMERIC : t->source.columns[i].kind))
			return false;
	}
	return true;
}

/* Whether something is known to stand for NULL in a feature; with AUTO, whether it may turn out so. */
static bool
any_fill(const MdlTraining *t)
{
	for (int i = 0; i < t->source.n_features; i++)
		if (t->preps[i].impute != MDL_IMPUTE_ERROR && t->preps[i].impute != MDL_IMPUTE_AUTO)
			return true;
	return false;
}

/* Whether a row that has NULL in the feature can be used. */
static bool
takes_null(const MdlTraining *t, int i)
{
	if (t->preps[i].impute == MDL_IMPUTE_AUTO && t->streaming)
		return t->reads_profile;	/* else sums are taken without the mean that would stand for it */
	return t->preps[i].impute != MDL_IMPUTE_ERROR || t->estimator->keeps_missing;
}

static void
plan_columns(MdlTraining *t, int folds)
{
	MdlRowPlan *plan = &t->plan;

	plan->n_columns = t->source.n_columns;
	plan->columns = palloc0(sizeof(MdlRowColumn) * plan->n_columns);
	for (int i = 0; i < plan->n_columns; i++)
	{
		plan->columns[i].role = t->source.columns[i].role;
		plan->columns[i].wire = t->source.columns[i].wire;
		plan->columns[i].kind = t->source.columns[i].kind;
		plan->columns[i].length = t->source.columns[i].length;
		if (plan->columns[i].role != MDL_ROLE_FEATURE)
			continue;
		plan->columns[i].has_fill = takes_null(t, i);
		plan->columns[i].fill_number = t->preps[i].fill_number;
		if (t->preps[i].encode == MDL_ENCODE_HASHING)
			plan->columns[i].buckets = t->preps[i].buckets;
	}
	plan->pack = mdl_source_pack(&t->source);
	plan->seed = (uint64) t->request->seed;
	plan->n_folds = folds;
	plan->indicate = t->folds_apart && t->streaming && any_fill(t);
	plan->has_holdout = t->split.holdout;
	plan->holdout = t->split.fraction;
	plan->groups = t->groups;
	plan->grid_root_exponent = 0;
}

static bool
has_category_features(const MdlTraining *t)
{
	for (int i = 0; i < t->source.n_features; i++)
		if (t->source.columns[i].kind == ML_CATEGORICAL)
			return true;
	return false;
}

/* The pass before the one that learns; the plan has its columns by now, without what the profile tells. */
static void
read_profile(MdlTraining *t)
{
	bytea	   *bytes;

	t->plan.sample = (uint32) t->max_categories;
	mdl_row_plan_derive(&t->plan);
	bytes = mdl_source_aggregate(&t->source, "_profile_state", mdl_row_plan_encode(&t->plan), InvalidOid, 0);
	if (bytes == NULL)
		mdl_training_too_few(t, 0);
	mdl_profile_open(bytes, &t->plan, &t->profile);
	mdl_training_settle_nulls(t, t->profile.counts);
	mdl_training_check_counts(t, t->profile.counts);
	mdl_training_too_few(t, t->profile.rows);
	t->has_profile = true;
}

int
mdl_training_fill_code(const MdlTraining *t, int column)
{
	const char *text = t->preps[column].fill_text;
	int			code = ml_dictionary_find(&t->plan.columns[column].dictionary, text, strlen(text));

	if (code < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"fill_value\" for column \"%s\" is \"%s\", which is none of its categories", t->source.columns[column].name,
						text),
				 errhint("Make it one in the source query: coalesce(%s, '%s').", t->source.columns[column].name, text)));
	return code;
}

static void
use_categories(MdlTraining *t, int index)
{
	const MdlColumnProfile *profile = &t->profile.columns[index];
	MdlRowColumn *column = &t->plan.columns[index];
	const char *name = t->source.columns[index].name;
	ml_error	err;
	ml_status	status;

	if (profile->too_many)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("feature \"%s\" has more than %d categories, or one longer than 1000 bytes", name,
						t->max_categories),
				 errhint("Exclude the column, group its rare values in the source query, or raise \"max_categories\" in argument \"preprocess\".")));
	if (profile->n_categories < 2)
		mdl_training_constant_feature(t, name, profile->n_categories);
	status = ml_dictionary_make(&t->ctx, &column->dictionary, profile->n_categories,
								(const char *const *) profile->categories, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
	column->has_dictionary = true;
	if (t->preps[index].impute == MDL_IMPUTE_CONSTANT)
	{
		column->fill_code = mdl_training_fill_code(t, index);
		return;
	}
	/* NULL becomes the most frequent category, the first of them in the order of bytes. */
	for (int code = 0; code < profile->n_categories; code++)
		if (profile->category_rows[code] > profile->category_rows[column->fill_code])
			column->fill_code = code;
}

static void
use_grid(MdlTraining *t)
{
	MdlRowPlan *plan = &t->plan;

	mdl_row_plan_derive(plan);	/* which needs the dictionaries, known by now */
	plan->exact = true;
	plan->grid_shift = palloc0(sizeof(double) * (plan->n_numbers + 1));
	plan->grid_exponent = palloc0(sizeof(int32) * (plan->n_numbers + 1));
	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlColumnProfile *profile = &t->profile.columns[i];
		int			number = plan->columns[i].number;

		if (number >= 0)
			ml_grid_fit(profile->least, profile->largest, t->profile.largest_weight, &plan->grid_shift[number],
						&plan->grid_exponent[number]);
		if (number >= 0 && plan->columns[i].indicator >= 0)
			ml_grid_fit(0, 1, t->profile.largest_weight, &plan->grid_shift[plan->columns[i].indicator],
						&plan->grid_exponent[plan->columns[i].indicator]);
	}
	plan->grid_root_exponent = ml_grid_root_exponent(t->profile.largest_weight);
}

static void
use_profile(MdlTraining *t)
{
	for (int i = 0; i < t->plan.n_columns; i++)
	{
		const MdlColumnProfile *profile = &t->profile.columns[i];
		MdlRowColumn *column = &t->plan.columns[i];

		if (column->cat >= 0)
			use_categories(t, i);
		else if (column->has_fill && !(profile->least <= profile->largest))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("feature \"%s\" is NULL in every row", t->source.columns[i].name),
					 errhint("Exclude the column.")));
		else if (column->has_fill && t->preps[i].impute != MDL_IMPUTE_CONSTANT)
			column->fill_number = profile->mean;
	}
	if (t->request->reproducible)
		use_grid(t);
}

/* ---- the model's columns --------------------------------------------------------------------------------------- */

void
mdl_training_describe_columns(MdlTraining *t, bool reference)
{
	t->columns = palloc0(sizeof(ml_column_spec) * t->source.n_features);
	for (int i = 0; i < t->source.n_features; i++)
	{
		const MdlSourceColumn *source = &t->source.columns[i];
		const MdlRowColumn *row = &t->plan.columns[i];
		ml_column_spec *spec = &t->columns[i];

		spec->name = source->name;
		spec->type = source->type_name;
		spec->kind = source->kind;
		spec->length = source->length;
		spec->scale = 1;
		spec->reference = -1;
		if (source->kind == ML_CATEGORICAL && row->buckets == 0)
		{
			spec->n_categories = row->dictionary.count;
			spec->categories = (const char *const *) row->dictionary.texts;
		}
		if (!t->streaming)
			continue;			/* mdl_design_fit does the rest */
		spec->has_fill = row->has_fill;
		spec->fill_number = row->fill_number;
		spec->fill_code = row->fill_code;
		spec->unknown_is_zero = t->preps[i].unknown_is_zero;
		if (source->kind == ML_CATEGORICAL && reference)
			spec->reference = 0;
	}
}

bool
mdl_training_needs_reference(const MdlTraining *t)
{
	return t->estimator->needs_reference != NULL && t->estimator->needs_reference(t->params);
}

void
mdl_training_make_model(MdlTraining *t)
{
	const MdlSourceColumn *target = mdl_source_target(&t->source);
	ml_model_spec spec = {0};
	ml_error	err;
	ml_status	status;

	spec.algorithm = t->estimator->name;
	spec.task = t->task;
	spec.target = target ? target->name : "";
	spec.target_type = target ? target->type_name : "";
	spec.n_columns = t->source.n_features;
	spec.columns = t->columns;
	spec.n_classes = t->n_classes;
	spec.classes = t->classes;
	status = ml_model_new(&t->ctx, &spec, &t->model, &err);
	if (status != ML_OK)
		mdl_ml_raise(status, &err);
}

ml_gram_source *
mdl_training_gram_sources(const MdlTraining *t, int *n)
{
	int			n_terms = ml_model_n_terms(t->model);
	ml_gram_source *sources = palloc(sizeof(ml_gram_source) * (n_terms + 1));

	for (int term = 0; term < n_terms; term++)
	{
		const MdlRowColumn *column = &t->plan.columns[ml_model_term_column(t->model, term)];
		int			code = ml_model_term_category(t->model, term);

		sources[term].number = column->number;
		sources[term].level = code >= 0 ? column->first_level + code : -1;
	}
	*n = n_terms;
	if (t->plan.target >= 0)
		sources[(*n)++] = (ml_gram_source) {t->plan.n_numbers - 1, -1};
	return sources;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static void
make_plan(MdlTraining *t, int folds)
{
	t->reads_profile = t->streaming && !t->class_sums && (has_category_features(t) || any_fill(t) || t->request->reproducible);
	plan_columns(t, folds);
	if (t->reads_profile)
	{
		mdl_training_phase(t, "profiling", -1);
		read_profile(t);
		t->plan.indicate = t->folds_apart && any_fill(t);
		use_profile(t);
	}
	mdl_row_plan_derive(&t->plan);
	/* A matrix takes no sample; there the field carries the limit of categories. */
	t->plan.sample = t->streaming ? mdl_training_sample_rows(&t->plan) :
		(uint32) t->max_categories;
	t->plan_bytes = mdl_row_plan_encode(&t->plan);
}

bool
mdl_training_plan_again(MdlTraining *t, const MdlRowCounts *counts)
{
	if (t->reads_profile || !mdl_training_settle_nulls(t, counts))
		return false;
	/* Sums of classes are taken without what stands for NULL, which is known once all rows were seen. */
	if (t->class_sums)
		t->class_sums = t->streaming = false;
	make_plan(t, t->plan.n_folds);
	return true;
}

/* Raises for a task that what was asked for makes no sense for. */
static void
check_task(const MdlTraining *t, bool calibrated)
{
	if (calibrated && t->task != ML_BINARY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"calibration\" is for a classification, but this is of task %s", ml_task_name(t->task)),
				 t->task == ML_REGRESSION ? errhint("Leave it out, or say \"task\": \"classification\" if the numbers are labels.") :
				 errhint("Leave it out, or name a target.")));
	if (t->split.holdout && t->task > ML_MULTICLASS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"validation\" makes no sense for algorithm \"%s\", which has no target", t->estimator->name)));
	if (t->split.stratify && t->task != ML_BINARY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"stratify\" in argument \"%s\" needs a target of classes", t->split.argument)));
}

/* The folds that the parameters want of the training rows; 1: none. */
static int
inner_folds(const MdlTraining *t, bool *calibrated)
{
	int			folds;

	*calibrated = mdl_params_calibration(t->estimator, t->params, &folds) != ML_CALIBRATE_NONE;
	return t->estimator->folds != NULL ? Max(t->estimator->folds(t->params), folds) : folds;
}

/* Reads the request and finds the columns; `look`: without reading a row, so that only its errors matter.  Returns the folds. */
static int
understand(MdlTraining *t, const MdlTrainRequest *request, int folds, bool look)
{
	bool		calibrated;
	int			inner;

	t->request = request;
	t->memory = CurrentMemoryContext;	/* also for datasets, which begin here */
	t->ctx = mdl_ml_ctx(t->memory, (uint64) request->seed);
	t->estimator = mdl_estimator_by_name(request->algorithm);
	mdl_params_read(t->estimator, request->params, t->params);
	inner = inner_folds(t, &calibrated);
	t->folds_apart = folds > 1;
	if (t->folds_apart)
		mdl_split_read(request->folds, "folds", false, &t->split);
	else
		mdl_split_read(request->validation, "validation", true, &t->split);
	/* Each fold is predicted from what came before it; the first stretch is never predicted. */
	if (t->folds_apart && t->split.time != NULL)
		folds++;
	t->task = mdl_train_source_open(request, t->estimator, t->params, &t->split, look ? 0 : folds, &t->source);
	check_task(t, calibrated);
	t->preps = mdl_preprocess_read(request->preprocess, t->estimator, &t->source, &t->max_categories);
	t->class_sums = can_sum_classes(t, folds, calibrated);
	t->streaming = t->class_sums || can_stream(t, folds);
	return t->folds_apart ? folds : Max(inner, 1);
}

void
mdl_training_look(MdlTraining *t, const MdlTrainRequest *request, int folds)
{
	(void) understand(t, request, folds, true);
}

void
mdl_training_prepare(MdlTraining *t, const MdlTrainRequest *request, int folds)
{
	folds = understand(t, request, folds, false);
	if (t->split.n_group > 0)
		t->groups = mdl_groups_divide(&t->split, &t->source, folds, (uint64) request->seed);
	make_plan(t, folds);
}
