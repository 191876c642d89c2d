/*
 * summary_format.c: numbers by R's rules (print.default, format.pval), and texts in columns, for summary.c.
 */
#include "predict/summary_int.h"

#include <math.h>

#include "mb/pg_wchar.h"

#define SMALLEST_P MDL_SMALLEST_P

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
char **
mdl_summary_numbers(const double *x, int n, int digits)
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

char *
mdl_summary_number(double x, int digits)
{
	return mdl_summary_numbers(&x, 1, digits)[0];
}

/* signif() */
double
mdl_to_digits(double x, int digits)
{
	char		text[64];

	if (!isfinite(x))
		return x;
	snprintf(text, sizeof(text), "%.*e", digits - 1, x);
	return strtod(text, NULL);
}

/* round(), to decimals that may be below 0 */
double
mdl_to_decimals(double x, int decimals)
{
	char		text[400];

	if (!isfinite(x))
		return x;
	if (decimals < 0)
	{
		double		unit = pow(10, -decimals);

		return rint(x / unit) * unit + 0.0;
	}
	snprintf(text, sizeof(text), "%.*f", Min(decimals, 60), x);
	return strtod(text, NULL) + 0.0; /* no -0 */
}

/* format.pval(): fixed and scientific ones apart, what is below the smallest as <2e-16. */
char **
mdl_summary_p_values(const double *p, int n, int digits)
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
		formatted = mdl_summary_numbers(group, count, digits);
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

int
mdl_summary_width(const char *text)
{
	int			width = 0;

	for (; *text != '\0'; text += pg_mblen(text))
		width += Max(pg_dsplen(text), 0);
	return width;
}

char *
mdl_summary_name(const char *name, int most)
{
	StringInfoData out;
	int			width = mdl_summary_width(name);
	int			at = 0;
	int			before = (most - 1) * 2 / 3;
	int			after = width - (most - 1 - before);
	bool		cut = false;

	initStringInfo(&out);
	for (; *name != '\0'; name += pg_mblen(name))
	{
		int			wide = Max(pg_dsplen(name), 0);

		if (width <= most || at + wide <= before || at >= after)
		{
			if ((unsigned char) *name < ' ' || *name == 127)
				appendStringInfoChar(&out, ' ');
			else
				appendBinaryStringInfo(&out, name, pg_mblen(name));
		}
		else if (!cut)
		{
			appendStringInfoString(&out, GetDatabaseEncoding() == PG_UTF8 && pg_get_client_encoding() == PG_UTF8 ? "\342\200\246" : "~");
			cut = true;
		}
		at += wide;
	}
	return out.data;
}

void
mdl_summary_pad(StringInfo out, const char *text, int width, bool right)
{
	int			shown = mdl_summary_width(text);

	if (right)
		appendStringInfoSpaces(out, Max(width - shown, 0));
	appendStringInfoString(out, text);
	if (!right)
		appendStringInfoSpaces(out, Max(width - shown, 0));
}

int
mdl_summary_widest(const char *heading, char **texts, int n)
{
	int			width = mdl_summary_width(heading);

	for (int i = 0; i < n; i++)
		width = Max(width, mdl_summary_width(texts[i]));
	return width;
}

/* Ends a line where its last column is blank. */
void
mdl_summary_end_line(StringInfo out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	appendStringInfoChar(out, '\n');
}
