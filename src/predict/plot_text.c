/*
 * plot_text.c: plots as lines of text, for psql.
 *
 * A character of Braille has 2 x 4 dots, so that a curve in 60 x 18 characters has 120 x 72 points.  In plain ASCII each
 * character is one point.
 */
#include "predict/plot_int.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "predict/summary_int.h"

#define ON_LINE 64				/* a mark that tells whose a line is */

/* The points of the plot's inside. */
typedef struct Canvas
{
	bool		is_ascii;
	int			columns;		/* characters */
	int			rows;
	int			across;			/* points of a character */
	int			down;
	uint8	   *dots;			/* (rows, columns) Braille's bits; 1 a line, 2 a dashed one in ASCII */
	uint8	   *marks;			/* (rows, columns) 0 none, else a mark's number + 1 (and ON_LINE), which hides the dots */
} Canvas;

static Canvas *
canvas_make(int columns, int rows, bool is_ascii)
{
	Canvas	   *canvas = palloc0(sizeof(Canvas));

	canvas->is_ascii = is_ascii;
	canvas->columns = columns;
	canvas->rows = rows;
	canvas->across = is_ascii ? 1 : 2;
	canvas->down = is_ascii ? 1 : 4;
	canvas->dots = palloc0(sizeof(uint8) * columns * rows);
	canvas->marks = palloc0(sizeof(uint8) * columns * rows);
	return canvas;
}

/* What stands for a point of a group, or for one that is larger than a dot. */
static const char *
mark_text(int mark, bool is_ascii)
{
	static const char *const unicode_marks[PLOT_MAX_GROUPS] = {"●", "○", "▲", "△", "■", "□", "◆", "◇", "✚", "✕"};
	static const char *const ascii_marks[PLOT_MAX_GROUPS] = {"o", "x", "+", "#", "@", "%", "&", "=", "^", "~"};

	return is_ascii ? ascii_marks[mark] : unicode_marks[mark];
}

/* x and y in points, y from the bottom. */
static void
put_mark(Canvas *canvas, int x, int y, int mark, int on_line)
{
	int			row = (canvas->rows * canvas->down - 1 - y) / canvas->down;

	if (x >= 0 && x < canvas->columns * canvas->across && y >= 0 && y < canvas->rows * canvas->down)
		canvas->marks[row * canvas->columns + x / canvas->across] = (mark + 1) | on_line;
}

static void
put_dot(Canvas *canvas, int x, int y, bool dashed)
{
	static const uint8 bits[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
	int			down = canvas->rows * canvas->down - 1 - y;
	uint8	   *cell;

	if (x < 0 || x >= canvas->columns * canvas->across || down < 0 || y < 0)
		return;
	cell = &canvas->dots[(down / canvas->down) * canvas->columns + x / canvas->across];
	if (!(canvas->marks[cell - canvas->dots] & ON_LINE))
		canvas->marks[cell - canvas->dots] = 0;	/* a line is drawn over points */
	if (!canvas->is_ascii)
		*cell |= bits[down % 4][x % 2];
	else if (*cell != 1)
		*cell = dashed ? 2 : 1;
}

static int
point_on(const PlotAxis *axis, double value, int points)
{
	return (int) floor((value - axis->low) / (axis->high - axis->low) * (points - 1) + 0.5);
}

static void
draw_line(Canvas *canvas, int x, int y, int to_x, int to_y, bool dashed)
{
	int			steps = Max(abs(to_x - x), abs(to_y - y));

	for (int i = 0; i <= steps; i++)
	{
		double		part = steps == 0 ? 0 : (double) i / steps;

		if (!dashed || i % (canvas->is_ascii ? 2 : 4) == 0)
			put_dot(canvas, x + (int) floor((to_x - x) * part + 0.5), y + (int) floor((to_y - y) * part + 0.5), dashed);
	}
}

/* Marks of a group along its line, more than far enough apart to see the line, and elsewhere for each group. */
#define MARK_EVERY 10			/* characters */
#define FEW_POINTS 200			/* so many are drawn as marks, more as dots */

static void
draw_series(Canvas *canvas, const Plot *plot, const PlotSeries *series)
{
	int			width = canvas->columns * canvas->across;
	int			height = canvas->rows * canvas->down;
	int			last_x = 0,
				last_y = 0,
				marked = -1;	/* stretch of MARK_EVERY characters that has a mark */

	for (int i = 0; i < series->n; i++)
	{
		int			x = point_on(&plot->x, series->x[i], width);
		int			y = point_on(&plot->y, series->y[i], height);

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (series->mark == PLOT_CIRCLES || (series->mark == PLOT_DOTS && (series->name != NULL || series->n <= FEW_POINTS)))
			put_mark(canvas, x, y, series->group, 0);
		else if (series->mark == PLOT_DOTS || i == 0)
			put_dot(canvas, x, y, false);
		else
		{
			draw_line(canvas, last_x, last_y, x, y, series->mark == PLOT_DASHED);
			for (int at = Min(last_x, x); series->name != NULL && at <= Max(last_x, x); at++)
				if (at / canvas->across % MARK_EVERY == (series->group * 3 + 2) % MARK_EVERY && at / canvas->across / MARK_EVERY != marked)
				{
					marked = at / canvas->across / MARK_EVERY;
					put_mark(canvas, at, x == last_x ? y : last_y + (int) floor((double) (at - last_x) * (y - last_y) / (x - last_x) + 0.5),
							 series->group, ON_LINE);
				}
		}
		last_x = x;
		last_y = y;
	}
}

/* The characters of one row of the canvas. */
static void
put_row(StringInfo out, const Canvas *canvas, int row)
{
	for (int column = 0; column < canvas->columns; column++)
	{
		int			at = row * canvas->columns + column;
		uint8		dots = canvas->dots[at];

		if (canvas->marks[at] > 0)
			appendStringInfoString(out, mark_text((canvas->marks[at] & ~ON_LINE) - 1, canvas->is_ascii));
		else if (canvas->is_ascii)
			appendStringInfoChar(out, dots == 1 ? '*' : dots == 2 ? '.' : ' ');
		else if (dots == 0)
			appendStringInfoChar(out, ' ');
		else
		{
			unsigned char utf8[5] = {0};

			unicode_to_utf8(0x2800 + dots, utf8);
			appendStringInfoString(out, (char *) utf8);
		}
	}
}

static void
put_centred(const PlotTarget *target, const char *text, int left, int width)
{
	StringInfoData line;

	if (text == NULL)
		return;
	initStringInfo(&line);
	if (target->format != PLOT_ASCII)
		text = mdl_summary_name(text, Max(width, MDL_SUMMARY_WIDTH));
	appendStringInfoSpaces(&line, left + Max(0, (width - mdl_summary_width(text)) / 2));
	appendStringInfoString(&line, text);
	mdl_plot_line(target, line.data);
}

static int
widest_tick(const PlotAxis *axis)
{
	int			widest = 0;

	for (int i = 0; i < mdl_plot_tick_count(axis); i++)
		widest = Max(widest, (int) strlen(mdl_plot_number(axis, mdl_plot_tick(axis, i))));
	return widest;
}

/* The rows of the plot, with the y axis and its ticks on the left. */
static void
put_rows(const Plot *plot, const Canvas *canvas, int margin, const PlotTarget *target)
{
	StringInfoData line;

	initStringInfo(&line);
	for (int row = 0; row < canvas->rows; row++)
	{
		const char *number = NULL;

		for (int i = 0; i < mdl_plot_tick_count(&plot->y); i++)
		{
			double		value = mdl_plot_tick(&plot->y, i);

			if (canvas->rows - 1 - point_on(&plot->y, value, canvas->rows) == row)
				number = mdl_plot_number(&plot->y, value);
		}
		resetStringInfo(&line);
		appendStringInfo(&line, "%*s ", margin, number == NULL ? "" : number);
		if (canvas->is_ascii)
			appendStringInfoChar(&line, number == NULL ? '|' : '+');
		else
			appendStringInfoString(&line, number == NULL ? "│" : "┤");
		put_row(&line, canvas, row);
		mdl_plot_line(target, line.data);
	}
}

/* The x axis and the numbers below it, those left out that would touch the one before. */
static void
put_x_axis(const Plot *plot, const Canvas *canvas, int margin, const PlotTarget *target)
{
	StringInfoData line,
				numbers;
	int			width = 0;		/* of what numbers hold */

	initStringInfo(&line);
	initStringInfo(&numbers);
	appendStringInfo(&line, "%*s ", margin, "");
	appendStringInfoString(&line, canvas->is_ascii ? "+" : "└");
	for (int column = 0; column < canvas->columns; column++)
	{
		bool		is_tick = false;

		for (int i = 0; i < mdl_plot_tick_count(&plot->x); i++)
		{
			double		value = mdl_plot_tick(&plot->x, i);
			char	   *number = mdl_plot_number(&plot->x, value);
			int			start = Max(0, margin + 2 + column - (int) strlen(number) / 2);

			if (point_on(&plot->x, value, canvas->columns) != column)
				continue;
			is_tick = true;
			if (width > 0 && start < width + 1)
				continue;
			appendStringInfoSpaces(&numbers, start - width);
			appendStringInfoString(&numbers, number);
			width = start + strlen(number);
		}
		if (canvas->is_ascii)
			appendStringInfoChar(&line, is_tick ? '+' : '-');
		else
			appendStringInfoString(&line, is_tick ? "┬" : "─");
	}
	mdl_plot_line(target, line.data);
	mdl_plot_line(target, numbers.data);
}

/* The marks and names of the groups, as many on a line as there is room for. */
static void
put_legend(const Plot *plot, int margin, int columns, const PlotTarget *target)
{
	StringInfoData line;

	initStringInfo(&line);
	for (int g = 0; g < PLOT_MAX_GROUPS; g++)
		for (int s = 0; s < plot->n_series; s++)
		{
			const PlotSeries *series = &plot->series[s];

			if (series->name == NULL || series->group != g)
				continue;
			if (line.len > 0 && mdl_summary_width(line.data) + mdl_summary_width(series->name) + 5 > columns)
			{
				put_centred(target, line.data, margin + 2, columns);
				resetStringInfo(&line);
			}
			appendStringInfo(&line, "%s%s %s", line.len > 0 ? "   " : "", mark_text(g, target->format == PLOT_ASCII), series->name);
		}
	if (line.len > 0)
		put_centred(target, line.data, margin + 2, columns);
}

/* Fewer ticks where their numbers would not have room. */
static void
thin_ticks(PlotAxis *axis, int most)
{
	if (mdl_plot_tick_count(axis) - 1 > Max(most, 1))
		mdl_plot_ticks(axis, Max(most, 1), false);
}

void
mdl_plot_text(const Plot *drawn, const PlotTarget *target)
{
	Plot		thinned = *drawn;
	const Plot *plot = &thinned;
	Canvas	   *canvas;
	int			margin,
				columns;

	thin_ticks(&thinned.y, (target->height - 1) / 2);
	margin = widest_tick(&plot->y);
	columns = Max(10, target->width - margin - 2);
	thin_ticks(&thinned.x, columns / (widest_tick(&plot->x) + 2));
	canvas = canvas_make(columns, target->height, target->format == PLOT_ASCII);
	for (int s = 0; s < plot->n_series; s++)
		draw_series(canvas, plot, &plot->series[s]);
	put_centred(target, plot->title, margin + 2, columns);
	if (plot->y.label != NULL)
		mdl_plot_line(target, plot->y.label);
	put_rows(plot, canvas, margin, target);
	put_x_axis(plot, canvas, margin, target);
	put_centred(target, plot->x.label, margin + 2, columns);
	put_legend(plot, margin, columns, target);
	put_centred(target, plot->note, margin + 2, columns);
}

/* ---- confusion ----------------------------------------------------------------------------------------------- */

#define LONGEST_CLASS 16		/* columns of a class at the top … */
#define LONGEST_LABEL 40		/* … and on the left, where the top has numbers */

/* Whether the classes at the top would make the lines longer than a terminal: then they are numbered. */
static bool
is_numbered(const HeatMap *map, const PlotTarget *target, int left, int width)
{
	for (int i = 0; i < map->n; i++)
		if (mdl_summary_width(map->classes[i]) > LONGEST_CLASS)
			return true;
	return left + map->n * (width + 2) > Max(target->width, MDL_SUMMARY_WIDTH);
}

static void
put_padded(StringInfo line, const char *text, int width)
{
	appendStringInfoSpaces(line, Max(0, width - mdl_summary_width(text)));
	appendStringInfoString(line, text);
}

/* A row of numbers per label; behind each a block as dark as its share of the label is large. */
void
mdl_plot_text_map(const HeatMap *map, const PlotTarget *target)
{
	static const char *const unicode_shades[] = {" ", "░", "▒", "▓", "█"};
	static const char *const ascii_shades[] = {" ", ".", ":", "x", "#"};
	const char *const *shades = target->format == PLOT_ASCII ? ascii_shades : unicode_shades;
	StringInfoData line;
	char	  **labels = palloc(sizeof(char *) * (map->n + 1));
	char	  **tops = palloc(sizeof(char *) * (map->n + 1));
	int			left = strlen("label");
	int			counts = 4;
	int			width = 4;
	bool		numbered;

	for (int i = 0; i < map->n; i++)
	{
		labels[i] = tops[i] = mdl_summary_name(map->classes[i], LONGEST_CLASS);
		left = Max(left, mdl_summary_width(labels[i]));
		width = Max(width, mdl_summary_width(tops[i]));
		for (int j = 0; j < map->n; j++)
			counts = Max(counts, (int) strlen(psprintf("%.6g", map->counts[(Size) i * map->n + j])));
	}
	width = Max(width, counts);
	numbered = is_numbered(map, target, left, width);
	if (numbered)
	{
		left = strlen("label");
		width = counts;
		for (int i = 0; i < map->n; i++)
		{
			tops[i] = psprintf("%d", i + 1);
			labels[i] = psprintf("%s %*d", mdl_summary_name(map->classes[i], LONGEST_LABEL), map->n > 9 ? 2 : 1, i + 1);
			left = Max(left, mdl_summary_width(labels[i]));
		}
	}
	put_centred(target, map->title, left, (width + 2) * map->n);
	put_centred(target, "predicted", left, (width + 2) * map->n);
	initStringInfo(&line);
	put_padded(&line, "label", left);
	for (int j = 0; j < map->n; j++)
	{
		appendStringInfoChar(&line, ' ');
		put_padded(&line, tops[j], width);
		if (j < map->n - 1)
			appendStringInfoChar(&line, ' ');
	}
	mdl_plot_line(target, line.data);
	for (int i = 0; i < map->n; i++)
	{
		double		all = 0;

		for (int j = 0; j < map->n; j++)
			all += map->counts[(Size) i * map->n + j];
		resetStringInfo(&line);
		put_padded(&line, labels[i], left);
		for (int j = 0; j < map->n; j++)
		{
			double		count = map->counts[(Size) i * map->n + j];

			appendStringInfo(&line, " %*.6g", width, count);
			appendStringInfoString(&line, shades[all > 0 ? (int) ceil(count / all * 4 - 1e-9) : 0]);
		}
		mdl_plot_line(target, line.data);
	}
	put_centred(target, map->note, left, (width + 2) * map->n);
}
