/*
 * plot_curve.c: from the rows of curves to plots.
 */
#include "predict/plot_int.h"

#include <math.h>

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

/* The tuples of an array of rows. */
static HeapTupleData *
read_tuples(Datum array, int *n, TupleDesc *desc)
{
	ArrayType  *rows = DatumGetArrayTypeP(array);
	Datum	   *items;
	bool	   *nulls;
	HeapTupleData *tuples;

	deconstruct_array(rows, ARR_ELEMTYPE(rows), -1, false, TYPALIGN_DOUBLE, &items, &nulls, n);
	*desc = lookup_rowtype_tupdesc_copy(ARR_ELEMTYPE(rows), -1);
	tuples = palloc0(sizeof(HeapTupleData) * (*n + 1));
	for (int i = 0; i < *n; i++)
	{
		HeapTupleHeader header;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a curve must not contain NULL, but point %d is", i + 1)));
		header = DatumGetHeapTupleHeader(items[i]);
		tuples[i].t_len = HeapTupleHeaderGetDatumLength(header);
		tuples[i].t_data = header;
	}
	return tuples;
}

/* The columns of an array of rows of numbers: (natts) arrays of (n).  Column `free` may have any number, others 0 and above. */
static double **
read_numbers(Datum array, int *n, const char *free)
{
	TupleDesc	desc;
	HeapTupleData *tuples = read_tuples(array, n, &desc);
	double	  **columns = palloc(sizeof(double *) * desc->natts);
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);

	for (int k = 0; k < desc->natts; k++)
		columns[k] = palloc(sizeof(double) * (*n + 1));
	for (int i = 0; i < *n; i++)
	{
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(&tuples[i], desc, values, nulls);
		for (int k = 0; k < desc->natts; k++)
		{
			const char *name = NameStr(TupleDescAttr(desc, k)->attname);
			double		value = nulls[k] ? NAN : DatumGetFloat8(values[k]);

			if (strcmp(name, free) != 0 && !(value >= 0 && isfinite(value)))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("%s of point %d of a curve must be a number not below 0", name, i + 1),
						 errhint("Give what medallion.roc_curve and its like return.")));
			columns[k][i] = value;
		}
	}
	return columns;
}

static void
check_shares(const double *values, int n, const char *what)
{
	for (int i = 0; i < n; i++)
		if (values[i] > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s of a curve must be between 0 and 1, but is %g", what, values[i])));
}

static const double diagonal[] = {0, 1};

Plot *
mdl_plot_make(const char *title, const char *x, const char *y)
{
	Plot	   *plot = palloc0(sizeof(Plot));

	plot->title = title;
	plot->x = (PlotAxis) {x, 0, 1, 0.2};
	plot->y = (PlotAxis) {y, 0, 1, 0.2};
	return plot;
}

PlotSeries *
mdl_plot_add(Plot *plot, PlotMark mark, int n, const double *x, const double *y)
{
	PlotSeries *series = &plot->series[plot->n_series++];

	series->mark = mark;
	series->n = n;
	series->x = x;
	series->y = y;
	return series;
}

Plot *
mdl_plot_of_roc(Datum curve)
{
	Plot	   *plot = mdl_plot_make("ROC curve", "false positive rate", "true positive rate");
	int			n;
	double	  **columns = read_numbers(curve, &n, "threshold");
	double		area = 0;

	if (n == 0)
		return NULL;
	check_shares(columns[1], n, "fpr");
	check_shares(columns[2], n, "tpr");
	for (int i = 1; i < n; i++)
		area += (columns[1][i] - columns[1][i - 1]) * (columns[2][i] + columns[2][i - 1]) / 2;
	mdl_plot_add(plot, PLOT_DASHED, 2, diagonal, diagonal);
	mdl_plot_add(plot, PLOT_LINE, n, columns[1], columns[2]);
	plot->series[1].filled = true;
	plot->note = psprintf("area under the curve %.4f", area);
	return plot;
}

/* Between two recalls the precision is that of the second: a curve of steps, whose area is the average precision. */
Plot *
mdl_plot_of_pr(Datum curve)
{
	Plot	   *plot = mdl_plot_make("Precision and recall", "recall", "precision");
	int			n;
	double	  **columns = read_numbers(curve, &n, "threshold");
	double	   *x = palloc(sizeof(double) * (2 * n + 1));
	double	   *y = palloc(sizeof(double) * (2 * n + 1));
	double		area = 0;
	int			count = 0;

	if (n == 0)
		return NULL;
	check_shares(columns[1], n, "precision");
	check_shares(columns[2], n, "recall");
	for (int i = 1; i < n; i++)
	{
		area += (columns[2][i] - columns[2][i - 1]) * columns[1][i];
		x[count] = columns[2][i - 1];
		y[count++] = columns[1][i];
		x[count] = columns[2][i];
		y[count++] = columns[1][i];
	}
	mdl_plot_add(plot, PLOT_LINE, count, x, y);
	plot->series[0].filled = true;
	plot->note = psprintf("average precision %.4f", area);
	return plot;
}

Plot *
mdl_plot_of_calibration(Datum curve)
{
	Plot	   *plot = mdl_plot_make("Calibration", "mean probability", "share of positives");
	int			n;
	double	  **columns = read_numbers(curve, &n, "");
	double	   *sizes = palloc(sizeof(double) * (n + 1));
	double		most = 0,
				rows = 0,
				error = 0;

	if (n == 0)
		return NULL;
	check_shares(columns[3], n, "mean_probability");
	check_shares(columns[4], n, "observed");
	for (int i = 0; i < n; i++)
	{
		most = Max(most, columns[2][i]);
		rows += columns[2][i];
		error += columns[2][i] * fabs(columns[3][i] - columns[4][i]);
	}
	for (int i = 0; i < n; i++)
		sizes[i] = most > 0 ? columns[2][i] / most : 0;
	mdl_plot_add(plot, PLOT_DASHED, 2, diagonal, diagonal);
	mdl_plot_add(plot, PLOT_LINE, n, columns[3], columns[4]);
	mdl_plot_add(plot, PLOT_CIRCLES, n, columns[3], columns[4]);
	plot->series[2].sizes = sizes;
	plot->note = rows > 0 ? psprintf("calibration error %.4f, %g rows", error / rows, rows) : NULL;
	return plot;
}

Plot *
mdl_plot_of_lift(Datum curve)
{
	Plot	   *plot = mdl_plot_make("Cumulative gain", "share of rows, highest scores first", "share of positives found");
	int			n;
	double	  **columns = read_numbers(curve, &n, "threshold");
	double	   *x = palloc0(sizeof(double) * (n + 2));
	double	   *y = palloc0(sizeof(double) * (n + 2));

	if (n == 0)
		return NULL;
	check_shares(columns[0], n, "fraction");
	check_shares(columns[2], n, "gain");
	memcpy(x + 1, columns[0], sizeof(double) * n);
	memcpy(y + 1, columns[2], sizeof(double) * n);
	mdl_plot_add(plot, PLOT_DASHED, 2, diagonal, diagonal);
	mdl_plot_add(plot, PLOT_LINE, n + 1, x, y);
	if (n > 0)
		plot->note = psprintf("lift %.2f at %g %% of rows", columns[3][0], 100 * columns[0][0]);
	return plot;
}

/* ---- confusion ----------------------------------------------------------------------------------------------- */

static int
find_or_add(HeatMap *map, const char *class)
{
	for (int k = 0; k < map->n; k++)
		if (strcmp(map->classes[k], class) == 0)
			return k;
	map->classes[map->n] = pstrdup(class);
	return map->n++;
}

HeatMap *
mdl_map_of_confusion(Datum cells)
{
	HeatMap    *map = palloc0(sizeof(HeatMap));
	TupleDesc	desc;
	int			n;
	HeapTupleData *tuples = read_tuples(cells, &n, &desc);
	int		   *places = palloc(sizeof(int) * (2 * n + 1));
	double	   *counts = palloc(sizeof(double) * (n + 1));
	double		right = 0,
				all = 0;

	map->title = "Confusion matrix";
	map->classes = palloc(sizeof(char *) * (2 * n + 1));
	for (int i = 0; i < n; i++)
	{
		Datum		values[3];
		bool		nulls[3];

		CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(&tuples[i], desc, values, nulls);
		if (nulls[0] || nulls[1] || nulls[2] || !(DatumGetFloat8(values[2]) >= 0) || isinf(DatumGetFloat8(values[2])))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cell %d of a confusion matrix must have a label, a prediction and a number of rows", i + 1),
					 errhint("Give what medallion.confusion returns.")));
		places[2 * i] = find_or_add(map, TextDatumGetCString(values[0]));
		places[2 * i + 1] = find_or_add(map, TextDatumGetCString(values[1]));
		counts[i] = DatumGetFloat8(values[2]);
	}
	map->counts = palloc0(sizeof(double) * ((Size) map->n * map->n + 1));
	for (int i = 0; i < n; i++)
	{
		map->counts[(Size) places[2 * i] * map->n + places[2 * i + 1]] += counts[i];
		right += places[2 * i] == places[2 * i + 1] ? counts[i] : 0;
		all += counts[i];
	}
	map->note = all > 0 ? psprintf("%g rows, accuracy %.4f", all, right / all) : NULL;
	return map;
}
