/*
 * summary.c: what a model has learnt, as text, in the form in which R prints the summary of a fit.
 *
 * Numbers are formatted by R's rules (print.default, printCoefmat, format.pval), so that tables look as statisticians know
 * them.  Nothing is calculated here but digits.
 */
#include "predict/inference_int.h"

#include <math.h>

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#define DIGITS 4				/* significant, as R prints summaries */
#define TEST_DIGITS 3			/* decimals of statistics, significant digits of p-values */
#define SMALLEST_P 2.220446049250313e-16
#define MOST_FEATURES 30		/* named in the call */

/* ---- numbers by R's rules ------------------------------------------------------------------------------------------ */

/* How many significant digits a number has when rounded to so many, its exponent and sign. */
static void
look_at(double x, int digits, int *significant, int *exponent, bool *negative)
{
	char		text[64];
	char	   *mark;

	snprintf(text, sizeof(text), "%.*e", digits - 1, fabs(x));
	mark = strchr(text, 'e');
	*exponent = atoi(mark + 1);
	*significant = digits;
	for (char *last = mark - 1; *last == '0' && *significant > 1; last--)
		(*significant)--;
	*negative = x < 0;
}

/* format(): all numbers with as many digits as the most demanding needs; NaN becomes NA. */
static char **
format_numbers(const double *x, int n, int digits)
{
	char	  **texts = palloc0(sizeof(char *) * (n + 1));
	int			right = 0;
	int			left = 1;
	int			most = 1;
	int			any_negative = 0;
	int			exponent_width = 4;
	int			fixed;
	int			scientific;

	for (int i = 0; i < n; i++)
	{
		int			significant;
		int			exponent;
		bool		negative;

		if (!isfinite(x[i]))
			continue;
		look_at(x[i], digits, &significant, &exponent, &negative);
		right = Max(right, significant - exponent - 1);
		left = Max(left, (exponent >= 0 ? exponent + 1 : 1) + negative);
		most = Max(most, significant);
		any_negative |= negative;
		if (abs(exponent) >= 100)
			exponent_width = 5;
	}
	fixed = left + (right > 0 ? right + 1 : 0);
	scientific = any_negative + (most > 1 ? most + 1 : 1) + exponent_width;
	for (int i = 0; i < n; i++)
		if (isnan(x[i]))
			texts[i] = "NA";
		else if (isinf(x[i]))
			texts[i] = x[i] > 0 ? "Inf" : "-Inf";
		else
			texts[i] = fixed <= scientific ? psprintf("%.*f", right, x[i]) : psprintf("%.*e", most - 1, x[i]);
	return texts;
}

static char *
format_number(double x, int digits)
{
	return format_numbers(&x, 1, digits)[0];
}

/* signif() */
static double
to_digits(double x, int digits)
{
	char		text[64];

	if (!isfinite(x))
		return x;
	snprintf(text, sizeof(text), "%.*e", digits - 1, x);
	return strtod(text, NULL);
}

/* round(), to decimals that may be below 0 */
static double
to_decimals(double x, int decimals)
{
	char		text[400];

	if (!isfinite(x))
		return x;
	if (decimals < 0)
	{
		double		unit = pow(10, -decimals);

		return rint(x / unit) * unit;
	}
	snprintf(text, sizeof(text), "%.*f", Min(decimals, 60), x);
	return strtod(text, NULL);
}

/* format.pval(): fixed and scientific ones apart, what is below the smallest as <2e-16. */
static char **
format_p_values(const double *p, int n, int digits)
{
	char	  **texts = palloc0(sizeof(char *) * (n + 1));
	double	   *group = palloc(sizeof(double) * (n + 1));
	int		   *place = palloc(sizeof(int) * (n + 1));
	int			widest = 0;
	bool		others = false;

	for (int pass = 0; pass < 2; pass++)
	{
		int			count = 0;
		char	  **formatted;

		for (int i = 0; i < n; i++)
			if (!isnan(p[i]) && p[i] >= SMALLEST_P && (pass == 0) == (floor(log10(p[i])) >= -4))
			{
				group[count] = p[i];
				place[count++] = i;
			}
		formatted = format_numbers(group, count, digits);
		for (int k = 0; k < count; k++)
		{
			texts[place[k]] = formatted[k];
			widest = Max(widest, (int) strlen(formatted[k]));
			others = true;
		}
	}
	for (int i = 0; i < n; i++)
		if (isnan(p[i]))
			texts[i] = "NA";
		else if (p[i] < SMALLEST_P)
			texts[i] = !others || widest <= 6 ? "<2e-16" : "< 2e-16";
	return texts;
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static void
append_padded(StringInfo out, const char *text, int width, bool right)
{
	int			shown = pg_dsplen(text) >= 0 ? pg_mbstrlen(text) : 0;

	if (right)
		appendStringInfoSpaces(out, Max(width - shown, 0));
	appendStringInfoString(out, text);
	if (!right)
		appendStringInfoSpaces(out, Max(width - shown, 0));
}

static int
widest_of(const char *heading, char **texts, int n)
{
	int			width = pg_mbstrlen(heading);

	for (int i = 0; i < n; i++)
		width = Max(width, pg_mbstrlen(texts[i]));
	return width;
}

static const char *
stars(double p)
{
	if (isnan(p))
		return "";
	return p < 0.001 ? "***" : p < 0.01 ? "**" : p < 0.05 ? "*" : p < 0.1 ? "." : "";
}

/* Ends a line where its last column is blank. */
static void
end_line(StringInfo out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	appendStringInfoChar(out, '\n');
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
		rounded[i] = to_decimals(x[i], Max(decimals, 1));
	texts = format_numbers(rounded, n, DIGITS);
	for (int i = 0; i < n; i++)
		if (isfinite(x[i]) && x[i] != 0 && strtod(texts[i], NULL) == 0)
			texts[i] = format_number(x[i], DIGITS - 1);
	return texts;
}

/* printCoefmat() of rows first … first + n - 1. */
static void
append_coefficients(StringInfo out, const MdlInference *inference, int first, int n)
{
	const MdlInferenceRow *rows = inference->coefficients + first;
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
		names[i] = rows[i].feature;
		numbers[i] = rows[i].estimate;
		numbers[n + i] = rows[i].std_error;
		statistics[i] = to_decimals(rows[i].statistic, TEST_DIGITS);
		p_values[i] = rows[i].p_value;
		any_error |= !isnan(rows[i].std_error);
		any_star |= rows[i].p_value < 0.1;
	}
	n_columns = any_error ? 4 : 1;
	columns[0] = format_coefficients(numbers, any_error ? 2 * n : n);
	columns[1] = columns[0] + n;
	columns[2] = format_numbers(statistics, n, DIGITS);
	columns[3] = format_p_values(p_values, n, TEST_DIGITS);
	widths[0] = widest_of("", names, n);
	append_padded(out, "", widths[0], false);
	for (int k = 0; k < n_columns; k++)
	{
		widths[k + 1] = widest_of(headings[k], columns[k], n);
		appendStringInfoChar(out, ' ');
		append_padded(out, headings[k], widths[k + 1], true);
	}
	appendStringInfoChar(out, '\n');
	for (int i = 0; i < n; i++)
	{
		append_padded(out, names[i], widths[0], false);
		for (int k = 0; k < n_columns; k++)
		{
			appendStringInfoChar(out, ' ');
			append_padded(out, columns[k][i], widths[k + 1], true);
		}
		if (any_error && any_star)
			appendStringInfo(out, " %s", stars(p_values[i]));
		end_line(out);
	}
	if (any_error && any_star)
		appendStringInfoString(out, "---\nSignif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1\n");
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

static void
append_call(StringInfo out, const MdlInference *inference)
{
	const ml_model *model = inference->used.model;
	int			n_offsets = ml_model_n_offsets(model);
	int			n = ml_model_n_columns(model) - n_offsets;
	const char *target = ml_model_target(model);

	appendStringInfo(out, "Model %s\n\nCall:\n%s(%s%s~ ", inference->used.exact, inference->used.version.algorithm,
					 target[0] != '\0' ? quote_identifier(target) : "", target[0] != '\0' ? " " : "");
	for (int i = 0; i < Min(n, MOST_FEATURES); i++)
		appendStringInfo(out, "%s%s", i ? " + " : "", quote_identifier(ml_model_column_name(model, i)));
	if (n > MOST_FEATURES)
		appendStringInfo(out, " + … %d features", n);
	for (int i = n; i < n + n_offsets; i++)
	{
		ml_column_spec column;

		ml_model_column_spec(model, i, &column);
		appendStringInfo(out, " + offset(%s%s%s)", column.warp == ML_WARP_NONE ? "" : "log(", quote_identifier(column.name),
						 column.warp == ML_WARP_NONE ? "" : ")");
	}
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
		quantiles[i] = to_decimals(quantiles[i], decimals) + 0.0;
	texts = format_numbers(quantiles, 5, DIGITS);
	for (int i = 0; i < 5; i++)
		width = Max(width, (int) strlen(texts[i]));
	appendStringInfo(out, "\n%s:\n", deviances ? "Deviance Residuals" : "Residuals");
	for (int i = 0; i < 5; i++)
	{
		append_padded(out, names[i], width, true);
		appendStringInfoString(out, i < 4 ? (deviances ? "  " : " ") : "\n");
	}
	for (int i = 0; i < 5; i++)
	{
		append_padded(out, texts[i], width, true);
		appendStringInfoString(out, i < 4 ? (deviances ? "  " : " ") : "\n");
	}
}

/* All coefficients, those of more than two classes class by class. */
static void
append_all_coefficients(StringInfo out, const MdlInference *inference)
{
	const ml_model *model = inference->used.model;
	int			first = 0;

	while (first < inference->n_rows)
	{
		const char *class = inference->coefficients[first].class;
		int			n = 0;
		int			undefined = 0;

		while (first + n < inference->n_rows && (class == NULL || strcmp(class, inference->coefficients[first + n].class) == 0))
			undefined += isnan(inference->coefficients[first + n++].estimate);
		appendStringInfoString(out, "\nCoefficients");
		if (ml_model_n_classes(model) > 0)
			appendStringInfo(out, " of class %s", class);
		appendStringInfoString(out, ":");
		if (undefined > 0)
			appendStringInfo(out, " (%d not defined because of singularities)", undefined);
		appendStringInfoChar(out, '\n');
		append_coefficients(out, inference, first, n);
		first += n;
	}
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
					 format_number(to_digits(mdl_inference_metric(inference, "sigma"), DIGITS), 7), df);
	appendStringInfo(out, "Multiple R-squared:  %.*g,\tAdjusted R-squared:  %.*g\n", DIGITS, mdl_inference_metric(inference, origin ? "origin_r2" : "train_r2"),
					 DIGITS, mdl_inference_metric(inference, origin ? "origin_adjusted_r2" : "train_adjusted_r2"));
	if (isnan(f))
		return;
	appendStringInfo(out, "F-statistic: %.*g on %d and %.0f DF,  p-value: %s\n", DIGITS, f, terms, df,
					 p < SMALLEST_P ? "< 2.2e-16" : format_p_values(&p, 1, DIGITS)[0]);
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
	char	  **texts = format_numbers(deviances, 2, DIGITS + 1);
	char	  **df_texts = format_numbers(dfs, 2, 7);
	int			width = widest_of("", texts, 2);
	int			df_width = widest_of("", df_texts, 2);
	static const char *const names[] = {"\n    Null deviance: ", "Residual deviance: "};

	if (strcmp(algorithm, "logistic") == 0)
		algorithm = ml_model_n_classes(inference->used.model) == 2 ? "binomial" : "multinomial";
	appendStringInfo(out, "\n(Dispersion parameter for %s family taken to be %s)\n", algorithm,
					 isnan(dispersion) ? "1" : format_number(dispersion, 7));
	for (int i = 0; i < 2; i++)
	{
		appendStringInfoString(out, names[i]);
		append_padded(out, texts[i], width, true);
		appendStringInfoString(out, "  on ");
		append_padded(out, df_texts[i], df_width, true);
		appendStringInfoString(out, "  degrees of freedom\n");
	}
	appendStringInfo(out, "AIC: %s\n", format_number(aic, DIGITS + 1));
	if (iterations > 0)
		appendStringInfo(out, "\nNumber of iterations over all rows: %.0f\n", iterations);
}

/* Of models without coefficients, and with penalties: what was measured. */
static void
append_metrics(StringInfo out, const MdlInference *inference)
{
	JsonbIterator *it = JsonbIteratorInit(&inference->metrics->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *key = NULL;

	appendStringInfoString(out, "\nMetrics:\n");
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && value.type == jbvNumeric)
			appendStringInfo(out, "  %-28s %s\n", key,
							 format_number(DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value.val.numeric))), 7));
		else if (token == WJB_VALUE && value.type == jbvBool)
			appendStringInfo(out, "  %-28s %s\n", key, value.val.boolean ? "true" : "false");
	}
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

	mdl_inference_request(fcinfo, &request);
	SPI_connect();
	mdl_inference_make(reference, &request, &inference);
	initStringInfo(&out);
	append_call(&out, &inference);
	append_residuals(&out, &inference, strcmp(inference.used.version.algorithm, "linear") != 0);
	if (inference.n_rows > 0)
		append_all_coefficients(&out, &inference);
	if (!isnan(mdl_inference_metric(&inference, "sigma")))
		append_linear(&out, &inference);
	else if (!isnan(mdl_inference_metric(&inference, "df_null")))
		append_deviances(&out, &inference);
	else
		append_metrics(&out, &inference);
	MemoryContextSwitchTo(caller);
	result = cstring_to_text_with_len(out.data, out.len);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
