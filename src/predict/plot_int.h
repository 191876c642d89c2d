/*
 * plot_int.h: what the files of medallion.plot share: a plot as numbers, before it is drawn as lines of text or as SVG.
 *
 * A *plot* has two axes and some *series* of points; a *heat map* has classes on both axes and a number in each cell.
 */
#ifndef MDL_PLOT_INT_H
#define MDL_PLOT_INT_H

#include "base/base.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"

typedef enum PlotMark
{
	PLOT_LINE = 0,
	PLOT_DASHED,				/* a line to compare with */
	PLOT_DOTS,					/* many, small */
	PLOT_CIRCLES				/* few, their area by size */
} PlotMark;

typedef struct PlotSeries
{
	PlotMark	mark;
	const char *name;			/* in the legend, with a colour and a mark of its own; NULL: the plot's only one, not in the legend */
	int			group;			/* of a series with a name: which colour and mark, from 0 */
	bool		filled;			/* the area below a line */
	int			n;
	const double *x;			/* (n) */
	const double *y;
	const double *sizes;		/* (n) from 0 to 1, of circles */
} PlotSeries;

typedef struct PlotAxis
{
	const char *label;			/* may be NULL */
	double		low;
	double		high;			/* above low */
	double		step;			/* between ticks, which are its multiples */
} PlotAxis;

#define PLOT_MAX_GROUPS 10
#define PLOT_MAX_SERIES PLOT_MAX_GROUPS

typedef struct Plot
{
	const char *title;			/* may be NULL */
	const char *note;			/* one line below; may be NULL */
	PlotAxis	x;
	PlotAxis	y;
	int			n_series;
	PlotSeries	series[PLOT_MAX_SERIES];
} Plot;

typedef struct HeatMap
{
	const char *title;
	const char *note;
	int			n;
	char	  **classes;		/* (n) */
	double	   *counts;			/* (n, n): label, predicted */
} HeatMap;

/* Where a plot goes. */
typedef enum PlotFormat
{
	PLOT_TEXT = 0,				/* lines of Unicode: blocks and Braille */
	PLOT_ASCII,
	PLOT_SVG
} PlotFormat;

typedef struct PlotTarget
{
	PlotFormat	format;
	int			width;			/* characters or pixels */
	int			height;
	ReturnSetInfo *result;		/* takes one row per line */
} PlotTarget;

/* A row of the answer. */
extern void mdl_plot_line(const PlotTarget *target, const char *line);

/* Ticks at round numbers so that there are at most `most` intervals; with `widen` the ends move out to ticks. */
extern void mdl_plot_ticks(PlotAxis *axis, int most, bool widen);

/* The number of ticks, and where tick i is. */
extern int	mdl_plot_tick_count(const PlotAxis *axis);
extern double mdl_plot_tick(const PlotAxis *axis, int i);

/* The number at a tick as text. */
extern char *mdl_plot_number(const PlotAxis *axis, double value);

/* From the arguments format, and width and height, which begin at `size`; makes the set of the answer. */
extern PlotTarget mdl_plot_target(FunctionCallInfo fcinfo, int format, int size);

/* A plot whose axes go from 0 to 1, and a series more in it. */
extern Plot *mdl_plot_make(const char *title, const char *x, const char *y);
extern PlotSeries *mdl_plot_add(Plot *plot, PlotMark mark, int n, const double *x, const double *y);

extern void mdl_plot_draw(const Plot *plot, const PlotTarget *target);
extern void mdl_plot_draw_map(const HeatMap *map, const PlotTarget *target);

/* plot_text.c and plot_svg.c */
extern void mdl_plot_text(const Plot *plot, const PlotTarget *target);
extern void mdl_plot_text_map(const HeatMap *map, const PlotTarget *target);
extern void mdl_plot_svg(const Plot *plot, const PlotTarget *target);
extern void mdl_plot_svg_map(const HeatMap *map, const PlotTarget *target);

/* ---- plot_curve.c: plots of curves; each takes an array of the rows that an aggregate returns; NULL without any ---- */

extern Plot *mdl_plot_of_roc(Datum curve);
extern Plot *mdl_plot_of_pr(Datum curve);
extern Plot *mdl_plot_of_calibration(Datum curve);
extern Plot *mdl_plot_of_lift(Datum curve);
extern HeatMap *mdl_map_of_confusion(Datum cells);

/* plot_points.c: of predictions against what happened, both (n). */
extern Plot *mdl_plot_of_numbers(const double *predicted, const double *actual, int n);

#endif							/* MDL_PLOT_INT_H */
