/*
 * plot.c: medallion.plot: curves, confusion matrices and models as lines of text or as SVG; points are in plot_points.c.
 *
 * The answer is a set of text: a row per line of a text plot, one row for an SVG, so that both can be read in psql and
 * written to a file with \copy.
 */
#include "predict/plot_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "predict/metric_int.h"
#include "predict/predict_int.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

/* ---- what all plots share ------------------------------------------------------------------------------------ */

void
mdl_plot_line(const PlotTarget *target, const char *line)
{
	int			length = strlen(line);
	Datum		value;
	bool		is_null = false;

	while (length > 0 && line[length - 1] == ' ')
		length--;
	value = PointerGetDatum(cstring_to_text_with_len(line, length));
	tuplestore_putvalues(target->result->setResult, target->result->setDesc, &value, &is_null);
}

void
mdl_plot_ticks(PlotAxis *axis, int most, bool widen)
{
	double		rough = (axis->high - axis->low) / most;
	double		power = pow(10, floor(log10(rough)));
	double		part = rough / power;

	axis->step = power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
	if (widen)
	{
		axis->low = floor(axis->low / axis->step + 1e-9) * axis->step;
		axis->high = ceil(axis->high / axis->step - 1e-9) * axis->step;
	}
}

int
mdl_plot_tick_count(const PlotAxis *axis)
{
	return (int) (floor(axis->high / axis->step + 1e-9) - ceil(axis->low / axis->step - 1e-9)) + 1;
}

double
mdl_plot_tick(const PlotAxis *axis, int i)
{
	return (ceil(axis->low / axis->step - 1e-9) + i) * axis->step;
}

char *
mdl_plot_number(const PlotAxis *axis, double value)
{
	double		largest = Max(fabs(axis->low), fabs(axis->high));
	int			digits = (int) Max(0, ceil(-log10(axis->step) - 1e-9));

	if (fabs(value) < axis->step * 1e-6)
		value = 0;
	if (largest >= 1e7 || digits > 6)
	{
		/* As many digits as tell one tick from the next. */
		int			significant = (int) (floor(log10(largest) + 1e-9) - floor(log10(axis->step) + 1e-9)) + 1;

		if (significant > 4 && axis->step >= 1 && largest < 1e15)
			return psprintf("%.0f", value);
		return psprintf("%.*g", Min(Max(significant, 4), 15), value);
	}
	return psprintf("%.*f", digits, value);
}

void
mdl_plot_draw(const Plot *plot, const PlotTarget *target)
{
	if (target->format == PLOT_SVG)
		mdl_plot_svg(plot, target);
	else
		mdl_plot_text(plot, target);
}

void
mdl_plot_draw_map(const HeatMap *map, const PlotTarget *target)
{
	if (target->format == PLOT_SVG)
		mdl_plot_svg_map(map, target);
	else
		mdl_plot_text_map(map, target);
}

static int
size_argument(FunctionCallInfo fcinfo, int argument, const char *name, bool is_svg, int standard)
{
	int			least = is_svg ? 120 : strcmp(name, "width") == 0 ? 20 : 5;
	int			most = is_svg ? 10000 : 400;
	int			value;

	if (PG_ARGISNULL(argument))
		return standard;
	value = PG_GETARG_INT32(argument);
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of a plot must be between %d and %d, but is %d", name, least, most, value),
				 errhint("It is in %s.", is_svg ? "pixels" : "characters")));
	return value;
}

PlotTarget
mdl_plot_target(FunctionCallInfo fcinfo, int format, int size)
{
	char	   *name = mdl_required_text(fcinfo, format, "format");
	PlotTarget	target = {.result = (ReturnSetInfo *) fcinfo->resultinfo};

	if (strcmp(name, "svg") == 0)
		target.format = PLOT_SVG;
	else if (strcmp(name, "ascii") == 0)
		target.format = PLOT_ASCII;
	else if (strcmp(name, "text") == 0)
		target.format = GetDatabaseEncoding() == PG_UTF8 && pg_get_client_encoding() == PG_UTF8 ? PLOT_TEXT : PLOT_ASCII;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("plots have no format \"%s\"", name),
				 errhint("Formats are text, ascii and svg.")));
	target.width = size_argument(fcinfo, size, "width", target.format == PLOT_SVG, target.format == PLOT_SVG ? 480 : 64);
	target.height = size_argument(fcinfo, size + 1, "height", target.format == PLOT_SVG, target.format == PLOT_SVG ? 420 : 18);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	return target;
}

/* ---- curves -------------------------------------------------------------------------------------------------- */

/* plot(curve, format, title, width, height); a curve that is NULL or has no points has no lines */
static Datum
plot_curve(FunctionCallInfo fcinfo, Plot *(*make) (Datum curve))
{
	PlotTarget	target = mdl_plot_target(fcinfo, 1, 3);
	Plot	   *plot;

	if (PG_ARGISNULL(0))
		return (Datum) 0;
	plot = make(PG_GETARG_DATUM(0));
	if (plot == NULL)
		return (Datum) 0;
	if (!PG_ARGISNULL(2))
		plot->title = mdl_optional_text(fcinfo, 2);
	mdl_plot_draw(plot, &target);
	return (Datum) 0;
}

MDL_SHIM_TARGET(mdl_plot_roc);
Datum
mdl_plot_roc_impl(PG_FUNCTION_ARGS)
{
	return plot_curve(fcinfo, mdl_plot_of_roc);
}

MDL_SHIM_TARGET(mdl_plot_pr);
Datum
mdl_plot_pr_impl(PG_FUNCTION_ARGS)
{
	return plot_curve(fcinfo, mdl_plot_of_pr);
}

MDL_SHIM_TARGET(mdl_plot_calibration);
Datum
mdl_plot_calibration_impl(PG_FUNCTION_ARGS)
{
	return plot_curve(fcinfo, mdl_plot_of_calibration);
}

MDL_SHIM_TARGET(mdl_plot_lift);
Datum
mdl_plot_lift_impl(PG_FUNCTION_ARGS)
{
	return plot_curve(fcinfo, mdl_plot_of_lift);
}

static void
draw_confusion(Datum cells, const char *title, const PlotTarget *target)
{
	HeatMap    *map = mdl_map_of_confusion(cells);

	if (map->n == 0)
		return;
	if (title != NULL)
		map->title = title;
	mdl_plot_draw_map(map, target);
}

MDL_SHIM_TARGET(mdl_plot_confusion);
Datum
mdl_plot_confusion_impl(PG_FUNCTION_ARGS)
{
	PlotTarget	target = mdl_plot_target(fcinfo, 1, 3);

	if (!PG_ARGISNULL(0))
		draw_confusion(PG_GETARG_DATUM(0), mdl_optional_text(fcinfo, 2), &target);
	return (Datum) 0;
}

/* ---- models -------------------------------------------------------------------------------------------------- */

#define DRAWN_ROWS 2000			/* points of predictions against what happened */

typedef struct ModelPlot
{
	const char *name;
	int			least_classes;	/* 0: for numbers, 2: for two classes, 3: for any */
	const char *expression;		/* over q, see mdl_predicted_rows */
	Plot	   *(*make) (Datum curve);
} ModelPlot;

static const ModelPlot model_plots[] = {
	{"roc", 2, "medallion.roc_curve(q.t, q.p)", mdl_plot_of_roc},
	{"pr", 2, "medallion.pr_curve(q.t, q.p)", mdl_plot_of_pr},
	{"calibration", 2, "medallion.calibration_curve(q.t, q.p)", mdl_plot_of_calibration},
	{"lift", 2, "medallion.lift_curve(q.t, q.p, 100)", mdl_plot_of_lift},
	{"confusion", 3, "medallion.confusion(q.l, q.c)", NULL},
	{"predicted", 0, "medallion._evaluation_sample(q.l, NULL, q.l, q.p)", NULL},
};

static const ModelPlot *
choose_plot(const MdlUsedModel *used, const char *kind)
{
	int			n = ml_model_n_classes(used->model);

	for (int i = 0; i < lengthof(model_plots); i++)
	{
		int			least = model_plots[i].least_classes;

		/* Without a kind: the first that fits. */
		if ((least == 3 ? n < 2 : least != n) || (kind != NULL && strcmp(kind, model_plots[i].name) != 0))
			continue;
		return &model_plots[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("model \"%s\" has no plot of kind \"%s\"", used->version.model, kind),
			 errhint("It has %s.", n == 0 ? "predicted" : n == 2 ? "roc, pr, calibration, lift and confusion" : "confusion")));
}

/* Predictions against what happened, of rows with finite numbers. */
static Plot *
plot_of_sample(bytea *state)
{
	size_t		n;
	ml_eval_row *rows = mdl_evaluation_rows(state, &n);
	double	   *predicted,
			   *actual;
	int			count = 0;
	Plot	   *plot;
	char	   *note;

	if (rows == NULL)
		return NULL;
	mdl_evaluation_sort(rows, n);
	note = n > DRAWN_ROWS ? psprintf("%d of the rows", DRAWN_ROWS) : psprintf("%zu rows", n);
	if (n > DRAWN_ROWS)
		ml_eval_thin(rows, n, DRAWN_ROWS, 0);
	n = Min(n, DRAWN_ROWS);
	predicted = palloc(sizeof(double) * (n + 1));
	actual = palloc(sizeof(double) * (n + 1));
	for (size_t i = 0; i < n; i++)
		if (fabs(rows[i].value) <= 1e300 && fabs(rows[i].y) <= 1e300)
		{
			predicted[count] = rows[i].value;
			actual[count++] = rows[i].y;
		}
	if (count == 0)
		return NULL;
	plot = mdl_plot_of_numbers(predicted, actual, count);
	plot->note = note;
	return plot;
}

/* plot(model, source, kind, format, title, width, height) */
MDL_SHIM_TARGET(mdl_plot_model);
Datum
mdl_plot_model_impl(PG_FUNCTION_ARGS)
{
	PlotTarget	target = mdl_plot_target(fcinfo, 3, 5);
	char	   *reference = mdl_required_text(fcinfo, 0, "model");
	char	   *source = mdl_required_text(fcinfo, 1, "source");
	char	   *title = mdl_optional_text(fcinfo, 4);
	MdlUsedModel used;
	const ModelPlot *chosen;
	Datum		datum;
	bool		is_null;
	Plot	   *plot = NULL;

	mdl_use_model(reference, &used);
	chosen = choose_plot(&used, mdl_optional_text(fcinfo, 2));
	SPI_connect();
	mdl_run(psprintf("SELECT %s FROM %s q", chosen->expression, mdl_predicted_rows(&used, source)), NULL, true);
	datum = mdl_field(0, 0, &is_null);
	if (!is_null && chosen->least_classes == 3)
		draw_confusion(datum, title != NULL ? title : psprintf("%s: Confusion matrix", used.exact), &target);
	else if (!is_null)
		plot = chosen->make != NULL ? chosen->make(datum) : plot_of_sample(DatumGetByteaP(datum));
	if (plot != NULL)
	{
		plot->title = title != NULL ? title : psprintf("%s: %s", used.exact, plot->title);
		mdl_plot_draw(plot, &target);
	}
	SPI_finish();
	return (Datum) 0;
}
