/*
 * summary_learnt.c: for summary.c, what models without coefficients have learnt, metrics, and the parts of a model.
 *
 * Lists and matrices come from medallion.model_attributes, at most MOST_LINES lines and as many columns as fit beside each
 * other; what is left out is counted.
 */
#include "predict/summary_int.h"

#include <math.h>

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define DIGITS MDL_SUMMARY_DIGITS
#define MOST_LINES 20
#define MOST_COLUMNS 12

/* ---- tables of numbers --------------------------------------------------------------------------------------------- */

/* The upper left of a matrix. */
typedef struct Table
{
	int			n_rows;			/* of the matrix */
	int			n_columns;
	int			lines;			/* here */
	int			columns;
	char	  **row_names;		/* (lines) NULL: none */
	char	  **column_names;	/* (columns) */
	double	   *values;			/* (lines, columns) NaN: none */
} Table;

/* Reads an attribute of the version; transposed if columns are to be lines.  False if it has none of that name. */
static bool
read_table(const MdlInference *inference, const char *attribute, bool transposed, Table *t)
{
	MdlArgs		args = {0};
	MdlUser		user;
	uint64		count;

	memset(t, 0, sizeof(*t));
	mdl_arg_int8(&args, inference->used.version.version_id);
	mdl_arg_text(&args, attribute);
	mdl_owner_begin(&user);
	count = mdl_run("SELECT a.i::pg_catalog.int8, a.j::pg_catalog.int8, a.class, a.feature, a.value, a.rows, a.columns"
					" FROM (SELECT a.*, pg_catalog.max(a.i) OVER ()::pg_catalog.int8 AS rows, pg_catalog.max(a.j) OVER ()::pg_catalog.int8 AS columns"
					" FROM medallion._model_attributes a WHERE a.version_id = $1 AND a.attribute = $2) a"
					" WHERE a.i <= 20 AND a.j <= 20 ORDER BY a.i, a.j", &args, true);
	mdl_owner_end(&user);
	if (count == 0)
		return false;
	t->n_rows = (int) mdl_field_int8(0, transposed ? 6 : 5);
	t->n_columns = (int) mdl_field_int8(0, transposed ? 5 : 6);
	t->lines = Min(t->n_rows, MOST_LINES);
	t->columns = Min(t->n_columns, MOST_COLUMNS);
	t->row_names = palloc0(sizeof(char *) * t->lines);
	t->column_names = palloc0(sizeof(char *) * t->columns);
	t->values = palloc(sizeof(double) * t->lines * t->columns);
	for (int k = 0; k < t->lines * t->columns; k++)
		t->values[k] = NAN;
	for (uint64 k = 0; k < count; k++)
	{
		int			line = (int) mdl_field_int8(k, transposed ? 1 : 0) - 1;
		int			column = (int) mdl_field_int8(k, transposed ? 0 : 1) - 1;
		char	   *class = mdl_field_text(k, 2);
		char	   *feature = mdl_field_text(k, 3);
		bool		is_null;
		Datum		value = mdl_field(k, 4, &is_null);

		if (line >= t->lines || column >= t->columns)
			continue;
		t->values[line * t->columns + column] = is_null ? NAN : DatumGetFloat8(value);
		/* Classes and components are lines of what is stored, features its columns. */
		t->row_names[line] = transposed ? feature : class;
		t->column_names[column] = transposed ? class : feature;
	}
	return true;
}

/* Puts a column before the others. */
static void
add_column(Table *t, const char *name, const double *values)
{
	double	   *wider = palloc(sizeof(double) * t->lines * (t->columns + 1));
	char	  **names = palloc(sizeof(char *) * (t->columns + 1));

	names[0] = pstrdup(name);
	memcpy(names + 1, t->column_names, sizeof(char *) * t->columns);
	for (int i = 0; i < t->lines; i++)
	{
		wider[i * (t->columns + 1)] = values[i];
		memcpy(wider + i * (t->columns + 1) + 1, t->values + i * t->columns, sizeof(double) * t->columns);
	}
	t->values = wider;
	t->column_names = names;
	t->columns++;
	t->n_columns++;
}

/* Prints it: lines without a name have their number, columns one after the prefix; what is left out is in a view. */
static void
append_table(StringInfo out, const char *heading, const Table *t, const char *column_prefix, const char *lines_are, const char *view)
{
	char	  **names = palloc(sizeof(char *) * (t->lines + 1));
	char	 ***texts = palloc(sizeof(char **) * (t->columns + 1));
	char	  **headings = palloc(sizeof(char *) * (t->columns + 1));
	int		   *widths = palloc(sizeof(int) * (t->columns + 1));
	double	   *column = palloc(sizeof(double) * (t->lines + 1));
	int			name_width;
	int			width;
	int			shown = 0;

	for (int i = 0; i < t->lines; i++)
		names[i] = t->row_names[i] ? mdl_summary_name(t->row_names[i], MDL_SUMMARY_NAME) : psprintf("%d", i + 1);
	width = name_width = mdl_summary_widest("", names, t->lines);
	for (; shown < t->columns; shown++)
	{
		headings[shown] = t->column_names[shown] ? mdl_summary_name(t->column_names[shown], MDL_SUMMARY_NAME / 2) :
			psprintf("%s%d", column_prefix, shown + 1);
		for (int i = 0; i < t->lines; i++)
			column[i] = t->values[i * t->columns + shown];
		texts[shown] = mdl_summary_numbers(column, t->lines, DIGITS);
		widths[shown] = mdl_summary_widest(headings[shown], texts[shown], t->lines);
		width += widths[shown] + 1;
		if (width > MDL_SUMMARY_WIDTH && shown > 0)
			break;
	}
	appendStringInfo(out, "\n%s:\n", heading);
	mdl_summary_pad(out, "", name_width, false);
	for (int k = 0; k < shown; k++)
	{
		appendStringInfoChar(out, ' ');
		mdl_summary_pad(out, headings[k], widths[k], true);
	}
	mdl_summary_end_line(out);
	for (int i = 0; i < t->lines; i++)
	{
		mdl_summary_pad(out, names[i], name_width, false);
		for (int k = 0; k < shown; k++)
		{
			appendStringInfoChar(out, ' ');
			mdl_summary_pad(out, texts[k][i], widths[k], true);
		}
		mdl_summary_end_line(out);
	}
	if (t->n_rows > t->lines || t->n_columns > shown)
	{
		appendStringInfoChar(out, '(');
		if (t->n_rows > t->lines)
			appendStringInfo(out, "%d more %s%s", t->n_rows - t->lines, lines_are, t->n_columns > shown ? ", " : "");
		if (t->n_columns > shown)
			appendStringInfo(out, "%d more column%s", t->n_columns - shown, t->n_columns - shown == 1 ? "" : "s");
		appendStringInfo(out, ": see medallion.%s)\n", view);
	}
}

/* ---- what was learnt ----------------------------------------------------------------------------------------------- */

/* The importance of components, as R's summary of prcomp has it, and the components. */
static void
append_components(StringInfo out, const MdlInference *inference)
{
	Table		variance;
	Table		ratio;
	Table		components;
	double		sum = 0;
	static char *const lines[] = {"Standard deviation", "Proportion of Variance", "Cumulative Proportion"};

	if (read_table(inference, "explained_variance", true, &variance) && read_table(inference, "explained_variance_ratio", true, &ratio))
	{
		Table		t = variance;

		t.lines = t.n_rows = 3;
		t.row_names = (char **) lines;
		t.values = palloc(sizeof(double) * 3 * t.columns);
		for (int k = 0; k < t.columns; k++)
		{
			t.values[k] = sqrt(variance.values[k]);
			t.values[t.columns + k] = ratio.values[k];
			t.values[2 * t.columns + k] = sum += ratio.values[k];
		}
		append_table(out, "Importance of components", &t, "PC", "lines", "model_attributes");
	}
	if (read_table(inference, "components", true, &components))
		append_table(out, "Components", &components, "PC", "features", "model_attributes");
}

/* A line per cluster or class: what it weighs, and the means of the features. */
static void
append_means(StringInfo out, const MdlInference *inference, const char *heading, const char *means, const char *sizes, const char *size, bool share,
			 const char *lines_are)
{
	Table		t;
	Table		weights;
	double		total = 0;
	bool		means_there;

	if (!read_table(inference, sizes, false, &weights) || weights.n_columns != 1)
		return;
	means_there = read_table(inference, means, false, &t) && t.n_rows == weights.n_rows;
	if (!means_there)
	{
		t = weights;
		t.columns = t.n_columns = 0;
		t.values = palloc0(sizeof(double));
	}
	if (share && weights.lines == weights.n_rows)
	{
		for (int i = 0; i < weights.lines; i++)
			total += weights.values[i];
		for (int i = 0; i < weights.lines; i++)
			weights.values[i] /= total;
	}
	else if (share)
		size = "weight";
	/* Predictions number clusters from 0. */
	for (int i = 0; i < t.lines; i++)
		if (t.row_names[i] == NULL)
			t.row_names[i] = psprintf("%d", i);
	add_column(&t, size, weights.values);
	append_table(out, means_there ? psprintf("%s and means", heading) : heading, &t, "", lines_are, "model_attributes");
}

static void
append_supports(StringInfo out, const MdlInference *inference)
{
	Table		t;

	if (!read_table(inference, "n_support", false, &t) || t.n_columns != 1)
		return;
	t.column_names[0] = "vectors";
	append_table(out, "Support vectors", &t, "", "classes", "model_attributes");
}

void
mdl_summary_learnt(StringInfo out, const MdlInference *inference)
{
	const char *algorithm = inference->used.version.algorithm;

	if (strcmp(algorithm, "pca") == 0 || strcmp(algorithm, "truncated_svd") == 0)
		append_components(out, inference);
	else if (strcmp(algorithm, "kmeans") == 0)
		append_means(out, inference, "Clusters: sizes", "cluster_centers", "cluster_sizes", "size", false, "clusters");
	else if (strcmp(algorithm, "gaussian_mixture") == 0)
		append_means(out, inference, "Components: shares", "means", "weights", "share", false, "components");
	else if (strcmp(algorithm, "naive_bayes") == 0)
		append_means(out, inference, "Classes: shares", "theta", "class_count", "share", true, "classes");
	else if (strcmp(algorithm, "svm") == 0)
		append_supports(out, inference);
}

/* ---- metrics ------------------------------------------------------------------------------------------------------- */

typedef struct Metric
{
	char	   *name;
	char	   *text;
	bool		holdout;
} Metric;

static int
compare_metrics(const void *a, const void *b)
{
	return strcmp(((const Metric *) a)->name, ((const Metric *) b)->name);
}

/* Whether a metric is one of the holdout: those of the training begin with train_, and what is left tells of the fit. */
static bool
is_of_holdout(const MdlInference *inference, const char *name)
{
	static const char *const of_numbers[] = {"r2", "rmse", "mae", "mse", "mape", "max_error", "explained_variance"};

	if (isnan(mdl_inference_metric(inference, "validation_rows")))
		return false;
	for (int i = 0; i < lengthof(of_numbers); i++)
		if (strcmp(name, of_numbers[i]) == 0)
			return true;
	return !isnan(mdl_inference_metric(inference, psprintf("train_%s", name)));
}

static void
append_list(StringInfo out, const char *heading, const Metric *metrics, int n, bool holdout)
{
	int			width = 0;
	int			count = 0;

	for (int i = 0; i < n; i++)
		if (metrics[i].holdout == holdout)
		{
			width = Max(width, (int) strlen(metrics[i].name));
			count++;
		}
	if (count == 0)
		return;
	appendStringInfo(out, "\n%s:\n", heading);
	for (int i = 0; i < n; i++)
		if (metrics[i].holdout == holdout)
			appendStringInfo(out, "  %-*s  %s\n", width, metrics[i].name, metrics[i].text);
}

void
mdl_summary_metrics(StringInfo out, const MdlInference *inference, bool training)
{
	JsonbIterator *it = JsonbIteratorInit(&inference->metrics->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	Metric	   *metrics = palloc(sizeof(Metric) * (JB_ROOT_COUNT(inference->metrics) + 1));
	int			n = 0;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		Metric	   *m = &metrics[n];

		if (token == WJB_KEY)
			*m = (Metric) {.name = pnstrdup(value.val.string.val, value.val.string.len)};
		else if (token == WJB_VALUE && (value.type == jbvNumeric || value.type == jbvBool))
		{
			if (value.type == jbvBool)
				m->text = value.val.boolean ? "true" : "false";
			else
				m->text = mdl_summary_number(DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value.val.numeric))), 7);
			m->holdout = is_of_holdout(inference, m->name);
			n += strcmp(m->name, "validation_rows") != 0;
		}
	}
	qsort(metrics, n, sizeof(Metric), compare_metrics);
	if (training)
		append_list(out, "Metrics", metrics, n, false);
	append_list(out, psprintf("Holdout of %.0f rows", mdl_inference_metric(inference, "validation_rows")), metrics, n, true);
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

/* "region=north, kind=1" of a key. */
static char *
key_text(Jsonb *key)
{
	StringInfoData text;
	JsonbIterator *it = JsonbIteratorInit(&key->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	initStringInfo(&text);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			appendStringInfo(&text, "%s%.*s=", text.len > 0 ? ", " : "", value.val.string.len, value.val.string.val);
		else if (token == WJB_VALUE && value.type == jbvString)
			appendBinaryStringInfo(&text, value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			appendStringInfoString(&text, "NULL");
	}
	return text.data;
}

/* What tells best how good a part is; NULL: nothing. */
static const char *
metric_of_parts(const MdlInference *inference)
{
	static const char *const names[] = {"r2", "roc_auc", "accuracy", "train_r2", "train_roc_auc", "train_roc_auc_ovr", "train_accuracy", "inertia", "explained_variance_ratio"};

	for (int i = 0; i < lengthof(names); i++)
		if (!isnan(mdl_inference_metric(inference, names[i])))
			return names[i];
	return NULL;
}

void
mdl_summary_parts(StringInfo out, const MdlInference *inference)
{
	const char *metric = metric_of_parts(inference);
	MdlArgs		args = {0};
	MdlUser		user;
	Table		t = {0};
	uint64		count;

	mdl_arg_int8(&args, inference->used.version.version_id);
	mdl_arg_text(&args, metric ? metric : "");
	mdl_owner_begin(&user);
	count = mdl_run("SELECT p.key, p.rows, (p.metrics->>$2)::pg_catalog.float8 FROM medallion._model_parts p WHERE p.version_id = $1"
					" ORDER BY p.part LIMIT 20", &args, true);
	t.n_rows = ml_model_n_parts(inference->used.model);
	t.lines = Min((int) count, t.n_rows);
	t.n_columns = t.columns = metric ? 2 : 1;
	t.row_names = palloc(sizeof(char *) * (t.lines + 1));
	t.column_names = palloc(sizeof(char *) * 2);
	t.column_names[0] = "rows";
	t.column_names[1] = (char *) metric;
	t.values = palloc(sizeof(double) * 2 * (t.lines + 1));
	for (int i = 0; i < t.lines; i++)
	{
		bool		is_null;
		Datum		value = mdl_field(i, 2, &is_null);

		t.values[t.columns * i] = (double) mdl_field_int8(i, 1);
		if (metric != NULL)
			t.values[2 * i + 1] = is_null ? NAN : DatumGetFloat8(value);
		t.row_names[i] = key_text(DatumGetJsonbP(mdl_field(i, 0, &is_null)));
	}
	mdl_owner_end(&user);
	append_table(out, "Parts", &t, "", "parts", "model_parts");
}
