/*
 * test_ml_estimator.c: what holds for every estimator of the table, on small data: it trains, its model predicts finite
 * numbers, row by row as in a batch and after being saved and loaded; every allocation may fail and nothing leaks; damaged
 * bytes are refused or harmless; the same seed gives the same bytes with one thread and with four; it can be cancelled.
 */
#include "unit.h"
#include "alloc_fail.h"

#include "ml/ml_bytes.h"
#include "ml/ml_estimator.h"
#include "ml/ml_moments.h"
#include "ml/ml_predictor.h"

enum
{
	ROWS = 120,
	TERMS = 3,
	FOLDS = 3
};

static double x_rows[ROWS * TERMS];	/* row after row */
static double x_columns[ROWS * TERMS];	/* term after term */
static double target[ROWS];
static int32_t labels[ROWS];
static double weights[ROWS];
static const char *const class_names[] = {"a", "b", "c"};

/* Three groups of rows whose target and class depend on the terms. */
static void
make_data(void)
{
	uint32_t	state = 1;

	for (int i = 0; i < ROWS; i++)
	{
		for (int j = 0; j < TERMS; j++)
		{
			state = state * 1664525 + 1013904223;
			x_rows[i * TERMS + j] = (state >> 8) / 16777216.0 + (i % 3) * (j + 1);
			x_columns[j * ROWS + i] = x_rows[i * TERMS + j];
		}
		target[i] = 1 + 2 * x_rows[i * TERMS] - x_rows[i * TERMS + 1] + (i % 7) * 0.1;
		weights[i] = 1 + i % 2;
	}
}

/* Isotonic regressions are of one term. */
static int
terms_of(const ml_estimator *estimator)
{
	return strcmp(estimator->name, "isotonic") == 0 ? 1 : TERMS;
}

/* Everything that an estimator might read, for a task. */
typedef struct material
{
	ml_train_input input;
	ml_design	design;
	ml_matrix	matrix;
	ml_matrix_column columns[TERMS];
	size_t		fold_start[FOLDS + 1];
	bool		use_fold[FOLDS];
	ml_gram		gram;
	ml_gram		folds[FOLDS];
	double		memory[FOLDS + 1][(TERMS + 1) * (TERMS + 3)];
} material;

/* The Gram of some rows. */
static void
fill_gram(ml_gram *gram, double *memory, size_t first, size_t end, bool with_target)
{
	int			n = TERMS + (with_target ? 1 : 0);
	ml_moments_shape shape = {n, 0, 0};
	ml_moments *moments = malloc(ml_moments_size(&shape));
	ml_gram_source sources[TERMS + 1];

	ml_moments_init(moments, &shape);
	for (size_t i = first; i < end; i++)
	{
		double		numbers[TERMS + 1];

		memcpy(numbers, x_rows + i * TERMS, sizeof(double) * TERMS);
		numbers[TERMS] = target[i];
		ml_moments_add(moments, numbers, NULL, 1);
	}
	for (int j = 0; j < n; j++)
		sources[j] = (ml_gram_source) {j, -1};
	ml_gram_attach(gram, n, memory);
	ml_gram_from_moments(gram, moments, sources);
	free(moments);
}

static void
make_material(material *m, const ml_estimator *estimator, ml_task task, const double *params, bool weighted)
{
	bool		classes = task == ML_BINARY || task == ML_MULTICLASS;
	int			k = task == ML_MULTICLASS ? 3 : 2;

	memset(m, 0, sizeof(*m));
	for (int i = 0; i < ROWS; i++)
		labels[i] = (i % 3 + (i % 11 == 0)) % k;
	m->design = (ml_design) {ROWS, terms_of(estimator), estimator->form == ML_FORM_ROWS ? x_rows : x_columns,
		estimator->form == ML_FORM_ROWS ? TERMS : ROWS, task == ML_REGRESSION ? target : NULL, classes ? labels : NULL,
		classes ? k : 0, weighted && !estimator->no_weights ? weights : NULL};
	for (int j = 0; j < TERMS; j++)
		m->columns[j] = (ml_matrix_column) {x_columns + j * ROWS, NULL, 0, -1, j};
	for (int fold = 0; fold < FOLDS; fold++)
	{
		m->fold_start[fold + 1] = ROWS / FOLDS * (fold + 1);
		m->use_fold[fold] = true;
		fill_gram(&m->folds[fold], m->memory[fold], m->fold_start[fold], m->fold_start[fold + 1], task == ML_REGRESSION);
	}
	m->matrix = (ml_matrix) {.rows = ROWS, .n_columns = TERMS, .columns = m->columns, .n_terms = TERMS,
		.target = task == ML_REGRESSION ? target : NULL, .labels = classes ? labels : NULL, .n_classes = classes ? k : 0,
	.weights = m->design.weights, .n_folds = FOLDS, .fold_start = m->fold_start};
	fill_gram(&m->gram, m->memory[FOLDS], 0, ROWS, task == ML_REGRESSION);
	m->input.gram = &m->gram;
	if (estimator->folds != NULL && estimator->folds(params) > 1)
	{
		m->input.n_fold_grams = FOLDS;
		m->input.fold_grams = m->folds;
	}
	m->input.design = &m->design;
	m->input.matrix = &m->matrix;
	m->input.use_fold = m->use_fold;
}

/* Trains to the end; the model is NULL after a failure.  The report is freed here. */
static ml_status
train(const ml_ctx *ctx, const ml_estimator *estimator, ml_task task, const double *params, bool weighted, ml_model **model,
	  ml_error *err)
{
	ml_column_spec columns[TERMS];
	ml_model_spec spec = {estimator->name, task, "y", "text", terms_of(estimator), columns, task == ML_BINARY ? 2 : task == ML_MULTICLASS ? 3 : 0,
	class_names};
	static material m;
	void	   *state = NULL;
	ml_progress progress = {0, 0, NAN};
	ml_report	report = {0};
	ml_status	status;

	memset(columns, 0, sizeof(columns));
	for (int j = 0; j < TERMS; j++)
		columns[j] = (ml_column_spec) {.name = "x", .type = "float8", .kind = ML_NUMERIC, .scale = 1, .reference = -1};
	make_material(&m, estimator, task, params, weighted);
	*model = NULL;
	status = ml_model_new(ctx, &spec, model, err);
	if (status == ML_OK)
	{
		status = estimator->begin(ctx, &m.input, params, &state, err);
		while (status == ML_OK || status == ML_MORE)
		{
			status = ml_is_cancelled(ctx) ? ML_CANCELLED : estimator->step(state, &progress, err);
			if (status == ML_DONE)
			{
				status = estimator->finish(state, *model, &report, err);
				break;
			}
		}
		estimator->end(state);
		ml_report_free(ctx, &report);
	}
	if (status != ML_OK)
	{
		ml_model_free(*model);
		*model = NULL;
	}
	return status;
}

/* ---- what is asked of each ----------------------------------------------------------------------------------------- */

static void
test_predictions(const ml_model *model, const char *name)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_values	columns[TERMS] = {{.numbers = x_columns}, {.numbers = x_columns + ROWS}, {.numbers = x_columns + 2 * ROWS}};
	int			width = ml_model_width(model);
	int			components = ml_model_n_components(model);
	static double batch[ROWS * 64];
	static double again[ROWS * 64];
	unsigned char *bytes;
	size_t		length;
	ml_model   *loaded;
	ml_error	err;
	bool		finite = true;
	bool		same = true;

	unit_ok(ml_model_save(&ctx, model, &bytes, &length, &err) == ML_OK &&
			ml_model_load(&ctx, bytes, length, &loaded, &err) == ML_OK, "%s: saved and loaded", name);
	for (int view = 0; view < 2; view++)
	{
		int			n = view == 0 ? width : components;

		if (n == 0 || n > 64)
			continue;
		(view == 0 ? ml_model_predict : ml_model_transform) (model, columns, ROWS, batch, NULL, &err);
		for (int i = 0; i < ROWS; i++)
		{
			ml_values	row[TERMS] = {{.numbers = x_columns + i}, {.numbers = x_columns + ROWS + i},
				{.numbers = x_columns + 2 * ROWS + i}};

			(view == 0 ? ml_model_predict : ml_model_transform) (loaded, row, 1, again + i * n, NULL, &err);
		}
		for (int i = 0; i < ROWS * n; i++)
			finite &= isfinite(batch[i]) != 0;
		same &= memcmp(batch, again, sizeof(double) * ROWS * n) == 0;
	}
	unit_ok(finite, "%s: predictions are finite", name);
	unit_ok(same, "%s: row by row and after loading the same bits", name);
	ml_model_free(loaded);
	ml_free(&ctx, bytes);
}

static void
test_damage(const ml_model *model, const char *name)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_values	columns[TERMS] = {{.numbers = x_columns}, {.numbers = x_columns + ROWS}, {.numbers = x_columns + 2 * ROWS}};
	unsigned char *bytes;
	size_t		length;
	ml_model   *loaded;
	ml_error	err;
	int			accepted = 0;

	ml_model_save(&ctx, model, &bytes, &length, &err);
	for (size_t cut = 0; cut < length; cut++)
	{
		unsigned char *part = malloc(cut ? cut : 1);

		memcpy(part, bytes, cut);
		accepted += ml_model_load(&ctx, part, cut, &loaded, &err) == ML_OK;
		free(part);
	}
	unit_int(accepted, 0, "%s: no prefix is taken for a model", name);
	srand(7);
	for (int round = 0; round < 3000; round++)
	{
		unsigned char *copy = malloc(length);
		uint32_t	crc;

		memcpy(copy, bytes, length);
		for (int change = rand() % 4; change >= 0; change--)
			copy[24 + rand() % (length - 24)] = rand() % 3 ? rand() : 0xFF;
		crc = ml_crc32c(copy + 24, length - 24);
		for (int i = 0; i < 4; i++)
			copy[20 + i] = crc >> (8 * i);
		if (ml_model_load(&ctx, copy, length, &loaded, &err) == ML_OK)
		{
			/* What loads must predict without harm, whatever it says. */
			if (ml_model_n_columns(loaded) <= TERMS && ml_model_width(loaded) > 0 && ml_model_width(loaded) <= 64)
			{
				static double out[64];
				bool		plain = true;

				for (int j = 0; j < ml_model_n_columns(loaded); j++)
					plain &= ml_model_column_kind(loaded, j) == ML_NUMERIC;
				if (plain)
					(void) ml_model_predict(loaded, columns, 1, out, NULL, &err);
			}
			ml_model_free(loaded);
		}
		free(copy);
	}
	unit_ok(true, "%s: changed models do no harm", name);
	ml_free(&ctx, bytes);
}

typedef struct memory_case
{
	const ml_estimator *estimator;
	ml_task		task;
	const double *params;
} memory_case;

/* Trains, saves and loads. */
static ml_status
train_save_load(const ml_ctx *ctx, void *arg, ml_error *err)
{
	const memory_case *c = arg;
	ml_model   *model;
	unsigned char *bytes = NULL;
	size_t		length;
	ml_model   *loaded = NULL;
	ml_status	status = train(ctx, c->estimator, c->task, c->params, false, &model, err);

	if (status == ML_OK)
		status = ml_model_save(ctx, model, &bytes, &length, err);
	if (status == ML_OK)
		status = ml_model_load(ctx, bytes, length, &loaded, err);
	ml_free(ctx, bytes);
	ml_model_free(model);
	ml_model_free(loaded);
	return status;
}

/* What memory holds before it is written must not matter: one training gets it full of NaN, the other of tiny numbers. */
static void
test_threads(const ml_estimator *estimator, ml_task task, const double *params, const char *name)
{
	ml_error	err;
	unsigned char *bytes[2] = {NULL, NULL};
	size_t		length[2] = {0, 0};
	fail_state	state = {-1, 0, 1, 0};
	ml_ctx		impatient = fail_ctx(&state);
	ml_model   *cancelled;

	for (int i = 0; i < 2; i++)
	{
		fail_state	filled = {-1, 0, -1, i == 0 ? 0x01 : 0xFF};
		ml_ctx		ctx = fail_ctx(&filled);
		ml_model   *model;

		ctx.nthreads = i == 0 ? 1 : 4;
		if (train(&ctx, estimator, task, params, true, &model, &err) == ML_OK)
			ml_model_save(&ctx, model, &bytes[i], &length[i], &err);
		ml_model_free(model);
	}
	unit_ok(length[0] > 0 && length[0] == length[1] && memcmp(bytes[0], bytes[1], length[0]) == 0,
			"%s: the same bytes with one thread and with four, with weights", name);
	free(bytes[0]);
	free(bytes[1]);
	(void) train(&impatient, estimator, task, params, false, &cancelled, &err);
	ml_model_free(cancelled);
	unit_ok(state.live == 0, "%s: nothing leaks when it is cancelled", name);
}

static void
test_estimator(const ml_estimator *estimator, ml_task task, const double *params, const char *variant)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_model   *model;
	ml_error	err = {"", ""};
	char		name[128];

	snprintf(name, sizeof(name), "%s %s%s", estimator->name, ml_task_name(task), variant);
	if (!unit_ok(train(&ctx, estimator, task, params, false, &model, &err) == ML_OK, "%s: trains (%s)", name, err.message))
		return;
	test_predictions(model, name);
	test_damage(model, name);
	ml_model_free(model);
	fail_each_allocation(train_save_load, &(memory_case) {estimator, task, params}, 6, name);
	test_threads(estimator, task, params, name);
}

/* Parameters that make another algorithm of an estimator. */
static const struct
{
	const char *estimator;
	const char *param;
	double		value;
	bool		zeros_and_ones;	/* of data of that sort */
}			variants[] = {
	{"truncated_svd", "svd_solver", 2, false},
	{"gamma", "link", 1, false},
	{"dbscan", "eps", 0.01, false},
	{"dbscan", "metric", 2, false},
	{"gaussian_mixture", "covariance_type", 0, false},
	{"gaussian_mixture", "covariance_type", 1, false},
	{"gaussian_mixture", "covariance_type", 2, false},
	{"gaussian_mixture", "covariance_type", 3, false},
	{"hierarchical", "distance_threshold", 2, false},
	{"kmeans", "batch_size", 16, false},
	{"lda", "shrinkage", 0.5, false},
	{"logistic", "class_weight", 1, false},
	{"huber", "epsilon", 1.05, false},
	{"logistic", "penalty", 1, false},
	{"logistic", "penalty", 2, false},
	{"nmf", "init", 1, false},
	{"nmf", "init", 2, false},
	{"pca", "svd_solver", 2, false},
	{"qda", "reg_param", 0.5, false},
	{"naive_bayes", "type", 1, false},
	{"naive_bayes", "type", 2, false},
	{"naive_bayes", "type", 3, true},
	{"linear_svm", "fit_intercept", 0, false},
	{"quantile_regression", "alpha", 0.1, false},
	{"quantile_regression", "quantile", 0.9, false},
	{"neighbors", "algorithm", 1, false},
	{"neighbors", "algorithm", 2, false},
	{"neighbors", "metric", 2, false},
	{"neighbors", "n_neighbors", 120, false},
	{"neighbors", "weights", 1, false},
	{"sgd", "average", 1, false},
	{"sgd", "learning_rate", 4, false},
	{"sgd", "penalty", 1, false},
	{"svm", "kernel", 0, false},
	{"svm", "kernel", 1, false},
	{"svm", "kernel", 3, false},
	{"svm", "probability", 1, false},
};

static void
test_variants(const ml_estimator *estimator, ml_task task)
{
	for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]); v++)
	{
		double		params[ML_MAX_PARAMS];
		int			index;
		char		name[64];

		if (strcmp(variants[v].estimator, estimator->name) != 0)
			continue;
		index = ml_estimator_param(estimator, variants[v].param);
		ml_estimator_defaults(estimator, params);
		params[index] = variants[v].value;
		if (ml_estimator_param(estimator, "n_components") >= 0 && (task == ML_CLUSTERING || task == ML_DECOMPOSITION))
			params[ml_estimator_param(estimator, "n_components")] = 2;	/* all or one would be little to try */
		snprintf(name, sizeof(name), " with %s %s", variants[v].param,
				 estimator->params[index].type == ML_PARAM_CHOICE ? estimator->params[index].choices[(int) variants[v].value] : "set");
		if (variants[v].zeros_and_ones)
			for (int i = 0; i < ROWS * TERMS; i++)
			{
				x_rows[i] = x_rows[i] > 1.5;
				x_columns[i] = x_columns[i] > 1.5;
			}
		test_estimator(estimator, task, params, name);
		make_data();
	}
}

int
main(void)
{
	make_data();
	for (int e = 0; ml_estimators[e] != NULL; e++)
	{
		const ml_estimator *estimator = ml_estimators[e];
		double		params[ML_MAX_PARAMS];

		for (ml_task task = ML_REGRESSION; task <= ML_N_TASKS; task++)
		{
			if ((estimator->tasks & ML_TASK_BIT(task)) == 0)
				continue;
			ml_estimator_defaults(estimator, params);
			test_estimator(estimator, task, params, "");
			if (ml_estimator_param(estimator, "cv") >= 0)
			{
				params[ml_estimator_param(estimator, "cv")] = FOLDS;
				test_estimator(estimator, task, params, " with folds");
			}
			test_variants(estimator, task);
		}
	}
	return unit_done();
}
