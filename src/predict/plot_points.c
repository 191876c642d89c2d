/*
 * plot_points.c: plots of any points, alone or in groups with a legend, and of predictions against what happened.
 *
 * A *group* is the points with one name; it is drawn as marks or as a line through its points in their order.
 */
#include "predict/plot_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "predict/metric_int.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define LONGEST_GROUP 24		/* characters of a group's name in the legend */

static void
range_of(const double *values, int n, double *low, double *high)
{
	for (int i = 0; i < n; i++)
	{
		*low = Min(*low, values[i]);
		*high = Max(*high, values[i]);
	}
}

/* Round ends around the values; a single value gets room on both sides. */
static void
fit_axis(PlotAxis *axis, double low, double high)
{
	if (low >= high)
	{
		double		around = low == 0 ? 1 : fabs(low) / 2;

		low -= around;
		high = low + 2 * around;
	}
	axis->low = low;
	axis->high = high;
	mdl_plot_ticks(axis, 6, true);
}

Plot *
mdl_plot_of_numbers(const double *predicted, const double *actual, int n)
{
	Plot	   *plot = mdl_plot_make("Predicted and actual", "predicted", "actual");
	double		low = INFINITY,
				high = -INFINITY;
	double	   *ends = palloc(sizeof(double) * 2);

	range_of(predicted, n, &low, &high);
	range_of(actual, n, &low, &high);
	fit_axis(&plot->x, low, high);
	plot->y.low = plot->x.low;
	plot->y.high = plot->x.high;
	plot->y.step = plot->x.step;
	ends[0] = plot->x.low;
	ends[1] = plot->x.high;
	mdl_plot_add(plot, PLOT_DASHED, 2, ends, ends);
	mdl_plot_add(plot, PLOT_DOTS, n, predicted, actual);
	return plot;
}

/* ---- groups -------------------------------------------------------------------------------------------------- */

/* The elements of a text array, none of them NULL. */
static char **
read_names(ArrayType *array, const char *what, int *n)
{
	Datum	   *items;
	bool	   *nulls;
	char	  **names;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, n);
	names = palloc(sizeof(char *) * (*n + 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s of a plot must not contain NULL, but element %d is", what, i + 1),
					 errhint("Leave such points out, or name their group with coalesce.")));
		names[i] = TextDatumGetCString(items[i]);
	}
	return names;
}

/* What the legend shows of a group's name: one line of bounded length. */
static char *
legend_name(const char *name)
{
	int			length = pg_mbcharcliplen(name, strlen(name), LONGEST_GROUP);
	char	   *result = pnstrdup(name, length);

	for (char *c = result; *c; c++)
		if ((unsigned char) *c < ' ')
			*c = '?';
	return name[length] == '\0' ? result : psprintf("%s..", result);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The different names, in the order of their bytes; more than a plot has marks for are an error. */
static char **
distinct_names(char **names, int n, int *n_groups)
{
	char	  **sorted = palloc(sizeof(char *) * (n + 1));
	int			kept = 0;

	memcpy(sorted, names, sizeof(char *) * n);
	qsort(sorted, n, sizeof(char *), compare_names);
	for (int i = 0; i < n; i++)
		if (kept == 0 || strcmp(sorted[kept - 1], sorted[i]) != 0)
			sorted[kept++] = sorted[i];
	if (kept > PLOT_MAX_GROUPS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a plot has at most %d groups, but these points have %d", PLOT_MAX_GROUPS, kept),
				 errhint("Draw fewer groups, or give several of them the same name.")));
	*n_groups = kept;
	return sorted;
}

/* Points of one group as a series. */
static void
add_group(Plot *plot, const double *x, const double *y, char **names, int n, const char *group, int number, PlotMark mark)
{
	double	   *group_x = palloc_extended(sizeof(double) * ((Size) n + 1), MCXT_ALLOC_HUGE);
	double	   *group_y = palloc_extended(sizeof(double) * ((Size) n + 1), MCXT_ALLOC_HUGE);
	int			count = 0;
	PlotSeries *series;

	for (int i = 0; i < n; i++)
		if (strcmp(names[i], group) == 0)
		{
			group_x[count] = x[i];
			group_y[count++] = y[i];
		}
	CHECK_FOR_INTERRUPTS();
	series = mdl_plot_add(plot, mark, count, group_x, group_y);
	series->name = legend_name(group);
	series->group = number;
}

/* Marks are drawn first, lines over them; colours go by the place among the names. */
static void
add_groups(Plot *plot, const double *x, const double *y, int n, ArrayType *groups, ArrayType *lines, PlotMark mark)
{
	int			n_names,
				n_groups,
				n_lines = 0;
	char	  **names = read_names(groups, "groups", &n_names);
	char	  **sorted;
	char	  **line_names = lines != NULL ? read_names(lines, "lines", &n_lines) : NULL;
	bool		is_line[PLOT_MAX_GROUPS] = {0};

	if (n_names != n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("x and groups of a plot have %d and %d elements", n, n_names)));
	sorted = distinct_names(names, n, &n_groups);
	for (int l = 0; l < n_lines; l++)
	{
		char	  **found = bsearch(&line_names[l], sorted, n_groups, sizeof(char *), compare_names);

		if (found == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("no point of the plot is of the group \"%s\" that lines names", line_names[l]),
					 errhint("Lines lists the groups that are drawn as lines.")));
		is_line[found - sorted] = true;
	}
	for (int pass = 0; pass < 2; pass++)
		for (int g = 0; g < n_groups; g++)
			if ((is_line[g] || mark == PLOT_LINE) == (pass == 1))
				add_group(plot, x, y, names, n, sorted[g], g, pass == 1 ? PLOT_LINE : PLOT_DOTS);
}

/* ---- points -------------------------------------------------------------------------------------------------- */

static double *
coordinates(FunctionCallInfo fcinfo, int argument, const char *what, int *n)
{
	double	   *values = mdl_metric_numbers(PG_GETARG_ARRAYTYPE_P(argument), what, n);

	for (int i = 0; i < *n; i++)
		if (!isfinite(values[i]) || fabs(values[i]) > 1e300)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("%s of a plot must be numbers no larger than 1e300, but number %d is %g", what, i + 1, values[i]),
					 errhint("Leave such points out.")));
	return values;
}

/* An argument that is NULL, or not there: functions declared before there were groups have fewer. */
static ArrayType *
optional_array(FunctionCallInfo fcinfo, int argument)
{
	return PG_NARGS() <= argument || PG_ARGISNULL(argument) ? NULL : PG_GETARG_ARRAYTYPE_P(argument);
}

/* plot(x, y, kind, format, title, x_label, y_label, width, height, groups, lines) */
MDL_SHIM_TARGET(mdl_plot_points);
Datum
mdl_plot_points_impl(PG_FUNCTION_ARGS)
{
	PlotTarget	target = mdl_plot_target(fcinfo, 3, 7);
	char	   *kind = mdl_required_text(fcinfo, 2, "kind");
	PlotMark	mark = strcmp(kind, "line") == 0 ? PLOT_LINE : PLOT_DOTS;
	double	   *x,
			   *y,
				low = INFINITY,
				high = -INFINITY;
	int			n,
				n_y;
	ArrayType  *groups = optional_array(fcinfo, 9),
			   *lines = optional_array(fcinfo, 10);
	Plot	   *plot = mdl_plot_make(mdl_optional_text(fcinfo, 4), mdl_optional_text(fcinfo, 5), mdl_optional_text(fcinfo, 6));

	if (mark == PLOT_DOTS && strcmp(kind, "points") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("points have no plot of kind \"%s\"", kind),
				 errhint("Kinds are line and points.")));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	x = coordinates(fcinfo, 0, "x", &n);
	y = coordinates(fcinfo, 1, "y", &n_y);
	if (n != n_y)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("x and y of a plot have %d and %d numbers", n, n_y)));
	if (n == 0)
		return (Datum) 0;
	if (groups == NULL && lines != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lines of a plot are groups, but there are no groups"),
				 errhint("Give groups, the name of the group of each point.")));
	range_of(x, n, &low, &high);
	fit_axis(&plot->x, low, high);
	low = INFINITY;
	high = -INFINITY;
	range_of(y, n, &low, &high);
	fit_axis(&plot->y, low, high);
	if (groups == NULL)
		mdl_plot_add(plot, mark, n, x, y);
	else
		add_groups(plot, x, y, n, groups, lines, mark);
	mdl_plot_draw(plot, &target);
	return (Datum) 0;
}
