/*
 * summary.c: what a model has learnt, as text, in the form in which R prints the summary of a fit.
 *
 * Numbers are formatted by R's rules (summary_format.c), so that tables look as statisticians know them; what there is no
 * form of R for is in summary_learnt.c.  Nothing is calculated here but digits.
 */
#include "predict/summary_int.h"

#include <math.h>

#include "executor/spi.h"
#include "ml/ml_estimator.h"
#include "utils/builtins.h"

#define DIGITS MDL_SUMMARY_DIGITS
#define TEST_DIGITS 3			/* decimals of statistics, significant digits of p-values */
#define SMALLEST_P MDL_SMALLEST_P
#define MOST_FEATURES 30		/* named in the call */
#define MOST_TERMS 100			/* rows of a table of coefficients */
#define MOST_LINES 300			/* rows of all of them */

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static const char *
stars(double p)
{
	if (isnan(p))
		return "";
	return p < 0.001 ? "***" : p < 0.01 ? "**" : p < 0.05 ? "*" : p < 0.1 ? "." : "";
}

/* Estimates and standard errors, all with the decimals that the smallest of them needs; what rounds to 0 by itself. */
static char **
format_coefficients(const double *x, int n)
{
	double		smallest = INFINITY;
	double	   *rounded = palloc(sizeof(double) * (n + 1));
	char	  **texts;
	int			decimals;

	for (int i = 0; i < n; i++)
		if (isfinite(x[i]) && x[i] != 0)
			smallest = Min(smallest, fabs(x[i]));
	decimals = isinf(smallest) ? DIGITS - 1 : DIGITS - 1 - (int) floor(log10(smallest));
	for (int i = 0; i < n; i++)
		rounded[i] = mdl_to_decimals(x[i], Max(decimals, 1));
	texts = mdl_summary_numbers(rounded, n, DIGITS);
	for (int i = 0; i < n; i++)
		if (isfinite(x[i]) && x[i] != 0 && strtod(texts[i], NULL) == 0)
			texts[i] = mdl_summary_number(x[i], DIGITS - 1);
	return texts;
}

/* printCoefmat() of these rows; returns whether there are stars to explain. */
static bool
append_coefficients(StringInfo out, const MdlInference *inference, const MdlInferenceRow *rows, int n)
{
	double	   *numbers = palloc(sizeof(double) * (2 * n + 1));
	double	   *statistics = palloc(sizeof(double) * (n + 1));
	double	   *p_values = palloc(sizeof(double) * (n + 1));
	char	  **names = palloc(sizeof(char *) * (n + 1));
	char	  **columns[4];
	static const char *const t_headings[] = {"Estimate", "Std. Error", "t value", "Pr(>|t|)"};
	static const char *const z_headings[] = {"Estimate", "Std. Error", "z value", "Pr(>|z|)"};
	const char *const *headings = isinf(inference->df) ? z_headings : t_headings;
	int			widths[5];
	bool		any_error = false;
	bool		any_star = false;
	int			n_columns;

	for (int i = 0; i < n; i++)
	{
		names[i] = mdl_summary_name(rows[i].feature, MDL_SUMMARY_NAME);
		numbers[i] = rows[i].estimate;
		numbers[n + i] = rows[i].std_error;
		statistics[i] = mdl_to_decimals(rows[i].statistic, TEST_DIGITS);
		p_values[i] = rows[i].p_value;
		any_error |= !isnan(rows[i].std_error);
		any_star |= rows[i].p_value < 0.1;
	}
	n_columns = any_error ? 4 : 1;
	columns[0] = format_coefficients(numbers, any_error ? 2 * n : n);
	columns[1] = columns[0] + n;
	columns[2] = mdl_summary_numbers(statistics, n, DIGITS);
	columns[3] = mdl_summary_p_values(p_values, n, TEST_DIGITS);
	widths[0] = mdl_summary_widest("", names, n);
	mdl_summary_pad(out, "", widths[0], false);
	for (int k = 0; k < n_columns; k++)
	{
		widths[k + 1] = mdl_summary_widest(headings[k], columns[k], n);
		appendStringInfoChar(out, ' ');
		mdl_summary_pad(out, headings[k], widths[k + 1], true);
	}
	appendStringInfoChar(out, '\n');
	for (int i = 0; i < n; i++)
	{
		mdl_summary_pad(out, names[i], widths[0], false);
		for (int k = 0; k < n_columns; k++)
		{
			appendStringInfoChar(out, ' ');
			mdl_summary_pad(out, columns[k][i], widths[k + 1], true);
		}
		if (any_error && any_star)
			appendStringInfo(out, " %s", stars(p_values[i]));
		mdl_summary_end_line(out);
	}
	return any_error && any_star;
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

/* Parameters that are not what they are by default. */
static void
append_params(StringInfo out, const MdlInference *inference)
{
	const ml_estimator *estimator = ml_estimator_find(inference->used.version.algorithm);
	char	   *word;

	for (int i = 0; estimator != NULL && i < estimator->n_params; i++)
	{
		const ml_param_spec *spec = &estimator->params[i];
		const char *usual = ml_param_word(spec, spec->default_value);
		double		number;
		bool		flag;

		if (spec->type == ML_PARAM_COLUMN)
			continue;
		if (mdl_jsonb_is_text(inference->params, spec->name))
		{
			if (mdl_jsonb_text(inference->params, "params", spec->name, &word) && (usual == NULL || strcmp(word, usual) != 0))
				appendStringInfo(out, ", %s = %s", spec->name, word);
		}
		else if (spec->type == ML_PARAM_BOOLEAN)
		{
			if (mdl_jsonb_bool(inference->params, "params", spec->name, &flag) && flag != (spec->default_value != 0))
				appendStringInfo(out, ", %s = %s", spec->name, flag ? "true" : "false");
		}
		else if (mdl_jsonb_float8(inference->params, "params", spec->name, &number) && (usual != NULL || number != spec->default_value))
			appendStringInfo(out, ", %s = %s", spec->name, mdl_summary_number(number, 7));
	}
	if (mdl_jsonb_is_text(inference->params, "calibration") && mdl_jsonb_text(inference->params, "params", "calibration", &word) &&
		strcmp(word, "none") != 0)
		appendStringInfo(out, ", calibration = %s", word);
}

static void
append_call(StringInfo out, const MdlInference *inference)
{
	const ml_model *model = inference->used.model;
	int			n_offsets = ml_model_n_offsets(model);
	int			n = ml_model_n_columns(model) - n_offsets;
	int			keys = ml_model_n_keys(model);
	const char *target = ml_model_target(model);

	appendStringInfo(out, "Model %s\n\nCall:\n%s(%s%s~ ", inference->used.exact, inference->used.version.algorithm,
					 target[0] != '\0' ? quote_identifier(target) : "", target[0] != '\0' ? " " : "");
	for (int i = keys; i < Min(n, keys + MOST_FEATURES); i++)
		appendStringInfo(out, "%s%s", i > keys ? " + " : "", mdl_summary_name(quote_identifier(ml_model_column_name(model, i)), MDL_SUMMARY_WIDTH));
	if (n - keys > MOST_FEATURES)
		appendStringInfo(out, " + ... %d features", n - keys);
	for (int i = n; i < n + n_offsets; i++)
	{
		ml_column_spec column;

		ml_model_column_spec(model, i, &column);
		appendStringInfo(out, " + offset(%s%s%s)", column.warp == ML_WARP_NONE ? "" : "log(", quote_identifier(column.name),
						 column.warp == ML_WARP_NONE ? "" : ")");
	}
	for (int i = 0; i < keys; i++)
		appendStringInfo(out, "%s%s", i ? ", " : " | ", quote_identifier(ml_model_column_name(model, i)));
	append_params(out, inference);
	appendStringInfoString(out, ")");
	if (inference->source != NULL && !mdl_source_is_query(inference->source))
		appendStringInfo(out, " of %s", inference->source);
	appendStringInfo(out, ", " INT64_FORMAT " rows\n", inference->rows);
}

/* The five numbers of the residuals, if the version has them. */
static void
append_residuals(StringInfo out, const MdlInference *inference, bool deviances)
{
	static const char *const names[] = {"Min", "1Q", "Median", "3Q", "Max"};
	double		quantiles[5];
	double		largest = 0;
	char	  **texts;
	int			width = 6;
	int			decimals;
	MdlArgs		args = {0};
	MdlUser		user;
	uint64		count;

	mdl_arg_int8(&args, inference->used.version.version_id);
	mdl_owner_begin(&user);
	count = mdl_run("SELECT a.value FROM medallion._model_attributes a WHERE a.version_id = $1 AND a.attribute = 'residual_quantiles'"
					" ORDER BY a.j", &args, true);
	mdl_owner_end(&user);
	if (count != 5)
		return;
	for (int i = 0; i < 5; i++)
	{
		bool		is_null;
		Datum		value = mdl_field(i, 0, &is_null);

		if (is_null)
			return;
		quantiles[i] = DatumGetFloat8(value);
		largest = Max(largest, fabs(quantiles[i]));
	}
	/* zapsmall() */
	decimals = largest > 0 ? Max((int) floor(DIGITS + 1 - log10(largest) + 0.5), 0) : DIGITS + 1;
	for (int i = 0; i < 5; i++)
		quantiles[i] = mdl_to_decimals(quantiles[i], decimals) + 0.0;
	texts = mdl_summary_numbers(quantiles, 5, DIGITS);
	for (int i = 0; i < 5; i++)
		width = Max(width, (int) strlen(texts[i]));
	appendStringInfo(out, "\n%s:\n", deviances ? "Deviance Residuals" : "Residuals");
	for (int i = 0; i < 5; i++)
	{
		mdl_summary_pad(out, names[i], width, true);
		appendStringInfoString(out, i < 4 ? (deviances ? "  " : " ") : "\n");
	}
	for (int i = 0; i < 5; i++)
	{
		mdl_summary_pad(out, texts[i], width, true);
		appendStringInfoString(out, i < 4 ? (deviances ? "  " : " ") : "\n");
	}
}

/* Coefficients that a penalty has made 0 are not worth a line where there are many; copies the others, returns how many. */
static int
leave_out_zeros(const MdlInferenceRow *rows, int n, MdlInferenceRow *kept)
{
	int			count = 0;
	bool		any_error = false;

	for (int i = 0; i < n; i++)
		any_error |= !isnan(rows[i].std_error);
	for (int i = 0; i < n; i++)
		if (any_error || n <= MOST_FEATURES || rows[i].estimate != 0)
			kept[count++] = rows[i];
	return count;
}

/* The coefficients of a class, or all; returns whether there are stars to explain. */
static bool
append_class(StringInfo out, const MdlInference *inference, const char *class, const MdlInferenceRow *rows, int n)
{
	MdlInferenceRow *kept = palloc(sizeof(MdlInferenceRow) * (n + 1));
	int			count = leave_out_zeros(rows, n, kept);
	int			undefined = 0;
	bool		any_star;

	for (int i = 0; i < n; i++)
		undefined += isnan(rows[i].estimate);
	appendStringInfoString(out, "\nCoefficients");
	if (ml_model_n_classes(inference->used.model) > 0)
		appendStringInfo(out, " of class %s", mdl_summary_name(class, MDL_SUMMARY_WIDTH - 22));
	appendStringInfoString(out, ":");
	if (undefined > 0)
		appendStringInfo(out, " (%d not defined because of singularities)", undefined);
	appendStringInfoChar(out, '\n');
	any_star = append_coefficients(out, inference, kept, Min(count, MOST_TERMS));
	if (count > MOST_TERMS)
		appendStringInfo(out, "(%d more terms: see medallion.coefficients)\n", count - MOST_TERMS);
	if (count < n)
		appendStringInfo(out, "(%d coefficients are 0)\n", n - count);
	return any_star;
}

/* All coefficients, those of more than two classes class by class. */
static void
append_all_coefficients(StringInfo out, const MdlInference *inference)
{
	const char *last = NULL;
	bool		any_star = false;
	int			lines = 0;
	int			left_out = 0;

	for (int first = 0, n; first < inference->n_rows; first += n)
	{
		const char *class = inference->coefficients[first].class;

		for (n = 1; first + n < inference->n_rows; n++)
			if (class != NULL && strcmp(class, inference->coefficients[first + n].class) != 0)
				break;
		if (lines > 0 && lines + Min(n, MOST_TERMS) > MOST_LINES)
		{
			left_out++;
			last = class;
			continue;
		}
		any_star |= append_class(out, inference, class, inference->coefficients + first, n);
		lines += Min(n, MOST_TERMS);
	}
	if (left_out > 0)
		appendStringInfo(out, "\n(%d more classes, to %s: see medallion.coefficients)\n", left_out, mdl_summary_name(last, MDL_SUMMARY_NAME));
	if (any_star)
		appendStringInfoString(out, "---\nSignif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1\n");
	if (inference->cluster != NULL)
		appendStringInfo(out, "Standard errors clustered by %s\n", quote_identifier(inference->cluster));
	else if (strcmp(inference->errors, "model") != 0)
		appendStringInfo(out, "Standard errors robust to unequal variances (%s)\n", inference->errors);
}

static void
append_linear(StringInfo out, const MdlInference *inference)
{
	double		f = mdl_inference_metric(inference, "f_statistic");
	double		p = mdl_inference_metric(inference, "f_p_value");
	double		df = inference->df;
	bool		origin = !isnan(mdl_inference_metric(inference, "origin_r2"));	/* of a fit without intercept, as R has it */
	int			terms = (int) (inference->rows - df) - (origin ? 0 : 1);

	appendStringInfo(out, "\nResidual standard error: %s on %.0f degrees of freedom\n",
					 mdl_summary_number(mdl_to_digits(mdl_inference_metric(inference, "sigma"), DIGITS), 7), df);
	appendStringInfo(out, "Multiple R-squared:  %.*g,\tAdjusted R-squared:  %.*g\n", DIGITS, mdl_inference_metric(inference, origin ? "origin_r2" : "train_r2"),
					 DIGITS, mdl_inference_metric(inference, origin ? "origin_adjusted_r2" : "train_adjusted_r2"));
	if (isnan(f))
		return;
	appendStringInfo(out, "F-statistic: %.*g on %d and %.0f DF,  p-value: %s\n", DIGITS, f, terms, df,
					 p < SMALLEST_P ? "< 2.2e-16" : mdl_summary_p_values(&p, 1, DIGITS)[0]);
}

static void
append_deviances(StringInfo out, const MdlInference *inference)
{
	const char *algorithm = inference->used.version.algorithm;
	double		dispersion = mdl_inference_metric(inference, "dispersion");
	double		deviances[2] = {mdl_inference_metric(inference, "null_deviance"), mdl_inference_metric(inference, "deviance")};
	double		dfs[2] = {mdl_inference_metric(inference, "df_null"), mdl_inference_metric(inference, "df_residual")};
	double		aic = mdl_inference_metric(inference, "aic");
	double		iterations = mdl_inference_metric(inference, "iterations");
	char	  **texts = mdl_summary_numbers(deviances, 2, DIGITS + 1);
	char	  **df_texts = mdl_summary_numbers(dfs, 2, 7);
	int			width = mdl_summary_widest("", texts, 2);
	int			df_width = mdl_summary_widest("", df_texts, 2);
	static const char *const names[] = {"\n    Null deviance: ", "Residual deviance: "};

	if (strcmp(algorithm, "logistic") == 0)
		algorithm = ml_model_n_classes(inference->used.model) == 2 ? "binomial" : "multinomial";
	appendStringInfo(out, "\n(Dispersion parameter for %s family taken to be %s)\n", algorithm,
					 isnan(dispersion) ? "1" : mdl_summary_number(dispersion, 7));
	for (int i = 0; i < 2; i++)
	{
		appendStringInfoString(out, names[i]);
		mdl_summary_pad(out, texts[i], width, true);
		appendStringInfoString(out, "  on ");
		mdl_summary_pad(out, df_texts[i], df_width, true);
		appendStringInfoString(out, "  degrees of freedom\n");
	}
	appendStringInfo(out, "AIC: %s\n", mdl_summary_number(aic, DIGITS + 1));
	if (iterations > 0)
		appendStringInfo(out, "\nNumber of iterations over all rows: %.0f\n", iterations);
}

/* summary(model, source, errors, cluster, weight) */
MDL_SHIM_TARGET(mdl_summary);
Datum
mdl_summary_impl(PG_FUNCTION_ARGS)
{
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	MdlInferenceRequest request;
	MdlInference inference;
	StringInfoData out;
	MemoryContext caller = CurrentMemoryContext;
	text	   *result;
	bool		classic = false;	/* R has a form for it, which has no other metrics */

	mdl_inference_request(fcinfo, &request);
	request.parts = true;
	SPI_connect();
	mdl_inference_make(reference, &request, &inference);
	initStringInfo(&out);
	append_call(&out, &inference);
	if (ml_model_n_parts(inference.used.model) > 0)
		mdl_summary_parts(&out, &inference);
	else
	{
		append_residuals(&out, &inference, strcmp(inference.used.version.algorithm, "linear") != 0);
		if (inference.n_rows > 0)
			append_all_coefficients(&out, &inference);
		mdl_summary_learnt(&out, &inference);
		classic = true;
		if (!isnan(mdl_inference_metric(&inference, "sigma")))
			append_linear(&out, &inference);
		else if (!isnan(mdl_inference_metric(&inference, "df_null")))
			append_deviances(&out, &inference);
		else
			classic = false;
	}
	mdl_summary_metrics(&out, &inference, !classic);
	MemoryContextSwitchTo(caller);
	result = cstring_to_text_with_len(out.data, out.len);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
