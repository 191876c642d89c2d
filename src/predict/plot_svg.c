/*
 * plot_svg.c: plots as SVG that stands alone: no scripts, fonts or styles from elsewhere.  One row without line breaks.
 */
#include "predict/plot_int.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#define FONT "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\""
#define INK "#1c2329"
#define FAINT "#5b6770"
#define GRID "#e3e7ea"
#define COLOUR "#2569a8"

/* Colours of groups that can be told apart on white, also by those who see fewer colours (after Okabe and Ito, 2002). */
static const char *const group_colours[PLOT_MAX_GROUPS] = {
	COLOUR, "#d1520a", "#0a8f6a", "#b0559b", "#a67c00", "#4fa3d1", "#5b6770", "#7a1f1f", "#1c2329", "#7f9a1f"
};

/* The inside of the plot, in pixels. */
typedef struct Frame
{
	double		left;
	double		top;
	double		width;
	double		height;
} Frame;

static void
put_head(StringInfo out, const PlotTarget *target, const char *title)
{
	appendStringInfo(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" " FONT ">",
					 target->width, target->height, target->width, target->height);
	if (title != NULL)
	{
		appendStringInfoString(out, "<title>");
		mdl_put_xml(out, title);
		appendStringInfoString(out, "</title>");
	}
	appendStringInfo(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>", target->width, target->height);
}

/* anchor: start, middle or end; more: further attributes. */
static void
put_text(StringInfo out, double x, double y, double size, const char *anchor, const char *colour, const char *more, const char *text)
{
	if (text == NULL)
		return;
	appendStringInfo(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" text-anchor=\"%s\" fill=\"%s\"%s>", x, y, size, anchor,
					 colour, more);
	mdl_put_xml(out, text);
	appendStringInfoString(out, "</text>");
}

/* As wide as the text may be: a character is about 0.56 of the font's size wide, and a longer text is written smaller. */
static double
font_for(const char *text, double size, double room)
{
	double		width = text == NULL ? 0 : 0.56 * size * pg_mbstrlen(text);

	return width <= room ? size : Max(5, size * room / width);
}

static const char *
colour_of(const PlotSeries *series)
{
	return series->name != NULL ? group_colours[series->group] : COLOUR;
}

static double
x_of(const Plot *plot, const Frame *frame, double value)
{
	return frame->left + (value - plot->x.low) / (plot->x.high - plot->x.low) * frame->width;
}

static double
y_of(const Plot *plot, const Frame *frame, double value)
{
	return frame->top + (plot->y.high - value) / (plot->y.high - plot->y.low) * frame->height;
}

static void
put_axes(StringInfo out, const Plot *plot, const Frame *frame)
{
	double		bottom = frame->top + frame->height;

	for (int i = 0; i < mdl_plot_tick_count(&plot->x); i++)
	{
		double		value = mdl_plot_tick(&plot->x, i);
		double		x = x_of(plot, frame, value);

		appendStringInfo(out, "<path d=\"M%.1f,%.1f V%.1f\" stroke=\"" GRID "\"/>", x, frame->top, bottom);
		put_text(out, x, bottom + 17, 11, "middle", FAINT, "", mdl_plot_number(&plot->x, value));
	}
	for (int i = 0; i < mdl_plot_tick_count(&plot->y); i++)
	{
		double		value = mdl_plot_tick(&plot->y, i);
		double		y = y_of(plot, frame, value);

		appendStringInfo(out, "<path d=\"M%.1f,%.1f H%.1f\" stroke=\"" GRID "\"/>", frame->left, y, frame->left + frame->width);
		put_text(out, frame->left - 7, y + 4, 11, "end", FAINT, "", mdl_plot_number(&plot->y, value));
	}
	appendStringInfo(out, "<path d=\"M%.1f,%.1f V%.1f H%.1f\" fill=\"none\" stroke=\"" FAINT "\"/>", frame->left, frame->top, bottom,
					 frame->left + frame->width);
}

/* Points that would not be seen apart from the last one are left out. */
static void
put_path(StringInfo out, const Plot *plot, const Frame *frame, const PlotSeries *series)
{
	double		last_x = -1e9,
				last_y = -1e9;

	for (int i = 0; i < series->n; i++)
	{
		double		x = x_of(plot, frame, series->x[i]);
		double		y = y_of(plot, frame, series->y[i]);

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (i > 0 && i < series->n - 1 && fabs(x - last_x) < 0.3 && fabs(y - last_y) < 0.3)
			continue;
		appendStringInfo(out, "%s%.1f,%.1f", i == 0 ? "M" : " L", x, y);
		last_x = x;
		last_y = y;
	}
}

static void
put_line(StringInfo out, const Plot *plot, const Frame *frame, const PlotSeries *series)
{
	if (series->n == 0)
		return;
	if (series->filled)
	{
		double		bottom = frame->top + frame->height;

		appendStringInfoString(out, "<path fill=\"" COLOUR "\" fill-opacity=\"0.1\" d=\"");
		put_path(out, plot, frame, series);
		appendStringInfo(out, " L%.1f,%.1f L%.1f,%.1f Z\"/>", x_of(plot, frame, series->x[series->n - 1]), bottom,
						 x_of(plot, frame, series->x[0]), bottom);
	}
	if (series->mark == PLOT_DASHED)
		appendStringInfoString(out, "<path fill=\"none\" stroke=\"#98a2aa\" stroke-width=\"1.2\" stroke-dasharray=\"5 4\" d=\"");
	else
		appendStringInfo(out, "<path fill=\"none\" stroke-linejoin=\"round\" stroke=\"%s\" stroke-width=\"2\" d=\"", colour_of(series));
	put_path(out, plot, frame, series);
	appendStringInfoString(out, "\"/>");
}

/* A group's mark around a point: circles, squares, triangles and diamonds, so that colours need not be told apart. */
static void
put_mark(StringInfo out, int group, double x, double y, double radius)
{
	if (group % 4 == 0)
		appendStringInfo(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", x, y, radius);
	else if (group % 4 == 1)
		appendStringInfo(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x - radius * 0.9, y - radius * 0.9,
						 radius * 1.8, radius * 1.8);
	else if (group % 4 == 2)
		appendStringInfo(out, "<path d=\"M%.1f,%.1fl%.1f,%.1fh%.1fz\"/>", x, y - radius * 1.3, radius * 1.2, radius * 2.1, -radius * 2.4);
	else
		appendStringInfo(out, "<path d=\"M%.1f,%.1fl%.1f,%.1fl%.1f,%.1fl%.1f,%.1fz\"/>", x, y - radius * 1.4, radius * 1.2, radius * 1.4,
						 -radius * 1.2, radius * 1.4, -radius * 1.2, -radius * 1.4);
}

#define FEW_DOTS 500			/* so many are drawn larger and darker */
#define ALL_DOTS 5000			/* of more points those that would lie on another's pixel are left out */

static void
put_marks(StringInfo out, const Plot *plot, const Frame *frame, const PlotSeries *series)
{
	int			columns = (int) frame->width + 2;
	int			rows = (int) frame->height + 2;
	bool		is_few = series->name != NULL || series->n <= FEW_DOTS;
	uint8	   *taken = series->n > ALL_DOTS ? palloc0((Size) columns * rows) : NULL;

	appendStringInfo(out, "<g fill=\"%s\" fill-opacity=\"%s\">", colour_of(series),
					 series->mark == PLOT_CIRCLES ? "0.85" : is_few ? "0.7" : "0.45");
	for (int i = 0; i < series->n; i++)
	{
		double		x = x_of(plot, frame, series->x[i]);
		double		y = y_of(plot, frame, series->y[i]);

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (taken != NULL)
		{
			uint8	   *pixel = &taken[(Size) (int) (y - frame->top + 0.5) * columns + (int) (x - frame->left + 0.5)];

			if (*pixel)
				continue;
			*pixel = 1;
		}
		put_mark(out, series->group, x, y, series->mark == PLOT_CIRCLES ? 2.5 + 6 * sqrt(series->sizes[i]) : is_few ? 3 : 2);
	}
	appendStringInfoString(out, "</g>");
}

/* ---- legend -------------------------------------------------------------------------------------------------- */

#define LEGEND_LINE 18			/* pixels */

/* The marks and names of groups in lines from `top` on; with out NULL nothing is drawn.  Returns the number of lines. */
static int
put_legend(StringInfo out, const Plot *plot, double left, double width, double top)
{
	double		at = 0;
	int			line = 0;

	for (int g = 0; g < PLOT_MAX_GROUPS; g++)
		for (int s = 0; s < plot->n_series; s++)
		{
			const PlotSeries *series = &plot->series[s];
			double		room,
						x,
						y;

			if (series->name == NULL || series->group != g)
				continue;
			room = 36 + 6.4 * pg_mbstrlen(series->name);
			if (at > 0 && at + room > width)
			{
				at = 0;
				line++;
			}
			x = left + at;
			y = top + LEGEND_LINE * line;
			at += room;
			if (out == NULL)
				continue;
			appendStringInfo(out, "<g fill=\"%s\">", colour_of(series));
			if (series->mark == PLOT_LINE)
				appendStringInfo(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"2.5\"/>", x, y - 1.2);
			else
				put_mark(out, g, x + 10, y, 4);
			appendStringInfoString(out, "</g>");
			put_text(out, x + 20, y + 4, 12, "start", INK, "", series->name);
		}
	return at > 0 ? line + 1 : 0;
}

/* Width of the longest number of an axis, a character of 11 pixels being about 6.3 wide. */
static double
numbers_width(const PlotAxis *axis)
{
	int			longest = 0;

	for (int i = 0; i < mdl_plot_tick_count(axis); i++)
		longest = Max(longest, (int) strlen(mdl_plot_number(axis, mdl_plot_tick(axis, i))));
	return 6.3 * longest;
}

/* Fewer ticks where the numbers, each `room` pixels long, would touch. */
static void
thin_ticks(PlotAxis *axis, double length, double room)
{
	int			most = Max(1, (int) (length / room));

	if (mdl_plot_tick_count(axis) - 1 > most)
		mdl_plot_ticks(axis, most, false);
}

void
mdl_plot_svg(const Plot *drawn, const PlotTarget *target)
{
	Plot		thinned = *drawn;
	const Plot *plot = &thinned;
	StringInfoData out;
	Frame		frame;
	double		below = 28 + (plot->x.label != NULL ? 18 : 0) + (plot->note != NULL ? 20 : 0);
	double		legend_top;

	frame.left = numbers_width(&plot->y) + (plot->y.label != NULL ? 34 : 16);
	frame.top = plot->title != NULL ? 38 : 14;
	frame.width = Max(20, target->width - frame.left - Max(18, numbers_width(&plot->x) / 2 + 4));
	legend_top = frame.top;
	frame.top += LEGEND_LINE * put_legend(NULL, plot, frame.left, frame.width, legend_top);
	frame.height = Max(20, target->height - frame.top - below);
	thin_ticks(&thinned.x, frame.width, numbers_width(&plot->x) + 10);
	thin_ticks(&thinned.y, frame.height, 18);
	initStringInfo(&out);
	put_head(&out, target, plot->title);
	put_text(&out, frame.left + frame.width / 2, 24, font_for(plot->title, 15, frame.width), "middle", INK, " font-weight=\"bold\"",
			 plot->title);
	put_legend(&out, plot, frame.left, frame.width, legend_top);
	put_axes(&out, plot, &frame);
	for (int s = 0; s < plot->n_series; s++)
		if (plot->series[s].mark == PLOT_DOTS || plot->series[s].mark == PLOT_CIRCLES)
			put_marks(&out, plot, &frame, &plot->series[s]);
		else
			put_line(&out, plot, &frame, &plot->series[s]);
	put_text(&out, frame.left + frame.width / 2, frame.top + frame.height + 36, font_for(plot->x.label, 12, frame.width), "middle", INK, "",
			 plot->x.label);
	put_text(&out, 15, frame.top + frame.height / 2, font_for(plot->y.label, 12, frame.height), "middle", INK,
			 psprintf(" transform=\"rotate(-90 15 %.1f)\"", frame.top + frame.height / 2), plot->y.label);
	put_text(&out, frame.left + frame.width / 2, target->height - 8, 12, "middle", FAINT, "", plot->note);
	appendStringInfoString(&out, "</svg>");
	mdl_plot_line(target, out.data);
}

/* ---- confusion ----------------------------------------------------------------------------------------------- */

/* At most that many characters of a class. */
static char *
short_class(const char *class, int most)
{
	int			length = pg_mbcharcliplen(class, strlen(class), most);

	if (length == (int) strlen(class))
		return pstrdup(class);
	return psprintf("%.*s%s", length, class, GetDatabaseEncoding() == PG_UTF8 ? "…" : "..");
}

/* A cell as dark as its share of the label; its number in what can be read on it. */
static void
put_cell(StringInfo out, const HeatMap *map, int label, int predicted, double share, double x, double y, double size_x, double size_y)
{
	double		count = map->counts[(Size) label * map->n + predicted];
	double		font = Min(14, Min(size_y * 0.5, size_x * 0.28));

	appendStringInfo(out, "<g><title>label ");
	mdl_put_xml(out, map->classes[label]);
	appendStringInfoString(out, ", predicted ");
	mdl_put_xml(out, map->classes[predicted]);
	appendStringInfo(out, ": %g (%.1f %% of the label)</title>", count, 100 * share);
	appendStringInfo(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#%02x%02x%02x\" stroke=\"#ffffff\"/>",
					 x, y, size_x, size_y, (int) (244 - share * (244 - 37)), (int) (247 - share * (247 - 105)),
					 (int) (250 - share * (250 - 168)));
	if (font >= 5)
		put_text(out, x + size_x / 2, y + size_y / 2 + font * 0.35, font, "middle", share > 0.65 ? "#ffffff" : INK, "",
				 psprintf("%.6g", count));
	appendStringInfoString(out, "</g>");
}

#define LONGEST_CLASS 18		/* characters */

/* Where the cells are, and how classes are written beside them. */
typedef struct Grid
{
	double		left;
	double		top;
	double		size_x;			/* of a cell */
	double		size_y;
	double		font;
	bool		upright;		/* the classes above the cells */
} Grid;

/* A character is about 0.6 of the font's size wide. */
static Grid
make_grid(const HeatMap *map, const PlotTarget *target)
{
	Grid		grid = {0};
	int			longest = 0;

	for (int k = 0; k < map->n; k++)
		longest = Max(longest, Min(LONGEST_CLASS, pg_mbstrlen(map->classes[k])) + 1);
	grid.font = Max(3, Min(12, 0.8 * Min((target->height - 106.0) / map->n, (target->width - 112.0) / map->n)));
	grid.left = 32 + longest * grid.font * 0.6;
	grid.size_x = Max(2, (target->width - grid.left - 16) / map->n);
	grid.upright = longest * grid.font * 0.6 > grid.size_x;
	grid.top = 60 + (grid.upright ? longest * grid.font * 0.6 : grid.font);
	grid.size_y = Max(2, (target->height - grid.top - 32) / map->n);
	return grid;
}

static void
put_classes(StringInfo out, const HeatMap *map, const Grid *grid, int k)
{
	char	   *class = short_class(map->classes[k], LONGEST_CLASS);
	double		x = grid->left + grid->size_x * (k + 0.5);
	double		y = grid->top - 6;

	put_text(out, grid->left - 6, grid->top + grid->size_y * (k + 0.5) + grid->font * 0.35, grid->font, "end", INK, "", class);
	if (grid->upright)
		put_text(out, x + grid->font * 0.35, y, grid->font, "start", INK,
				 psprintf(" transform=\"rotate(-90 %.1f %.1f)\"", x + grid->font * 0.35, y), class);
	else
		put_text(out, x, y, grid->font, "middle", INK, "", class);
}

void
mdl_plot_svg_map(const HeatMap *map, const PlotTarget *target)
{
	StringInfoData out;
	Grid		grid = make_grid(map, target);
	double		middle = grid.left + grid.size_x * map->n / 2;

	initStringInfo(&out);
	put_head(&out, target, map->title);
	put_text(&out, middle, 24, font_for(map->title, 15, grid.size_x * map->n), "middle", INK, " font-weight=\"bold\"", map->title);
	put_text(&out, middle, 46, 12, "middle", FAINT, "", "predicted");
	put_text(&out, 15, grid.top + grid.size_y * map->n / 2, 12, "middle", FAINT,
			 psprintf(" transform=\"rotate(-90 15 %.1f)\"", grid.top + grid.size_y * map->n / 2), "label");
	for (int i = 0; i < map->n; i++)
	{
		double		all = 0;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < map->n; j++)
			all += map->counts[(Size) i * map->n + j];
		put_classes(&out, map, &grid, i);
		for (int j = 0; j < map->n; j++)
			put_cell(&out, map, i, j, all > 0 ? map->counts[(Size) i * map->n + j] / all : 0, grid.left + grid.size_x * j,
					 grid.top + grid.size_y * i, grid.size_x, grid.size_y);
	}
	put_text(&out, middle, target->height - 10, 12, "middle", FAINT, "", map->note);
	appendStringInfoString(&out, "</svg>");
	mdl_plot_line(target, out.data);
}
