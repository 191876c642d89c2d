/*
 * monitor_statistics.c: which statistics a column gets, their thresholds, and when a value counts as drift.
 *
 * Effect sizes have thresholds; p-values, mean and std only inform.  PSI, Kolmogorov-Smirnov, the rates of missing
 * values and of new categories are judged by default; Jensen-Shannon and Wasserstein if a threshold is given.
 */
#include "monitor/monitor_int.h"

#include <math.h>

#include "utils/builtins.h"

typedef struct Judged
{
	const char *name;
	const char *fallback;		/* default threshold as JSON */
} Judged;

static const Judged judged[] = {
	{"psi", "0.2"},
	{"js", "null"},
	{"ks", "0.1"},
	{"wasserstein", "null"},
	{"null_rate", "0.05"},
	{"new_category_rate", "0.01"}
};

Jsonb *
mdl_monitor_thresholds(Jsonb *given)
{
	const char *names[lengthof(judged) + 1] = {NULL};
	StringInfoData text;
	Datum		defaults;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(judged); i++)
	{
		double		value;

		names[i] = judged[i].name;
		if (given != NULL && mdl_jsonb_float8(given, "thresholds", judged[i].name, &value) && !(value > 0 && isfinite(value)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" in argument \"thresholds\" must be greater than 0, but is %g", judged[i].name, value),
					 errhint("null switches the statistic off.")));
		appendStringInfo(&text, "%s\"%s\": %s", i ? ", " : "{", judged[i].name, judged[i].fallback);
	}
	mdl_jsonb_check_keys(given, "thresholds", names);
	appendStringInfoChar(&text, '}');
	defaults = DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
	return given == NULL ? DatumGetJsonbP(defaults) :
		DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, defaults, JsonbPGetDatum(given)));
}

typedef struct Judging
{
	const MdlMonitor *monitor;
	const char *column;
	MdlStatistic *statistics;
	int			count;
} Judging;

/*
 * Adds a statistic.  `enough` says whether there were enough rows for it; judged is what is compared with the
 * threshold (NaN: nothing), usually the value itself.
 */
static void
add(Judging *judging, const char *name, double value, double reference, double judged_value, bool enough)
{
	MdlStatistic *statistic = &judging->statistics[judging->count++];
	double		threshold = NAN;

	if (!isnan(judged_value) || !enough)
		(void) mdl_jsonb_float8(judging->monitor->thresholds, "thresholds", name, &threshold);
	*statistic = (MdlStatistic) {judging->column, name, enough ? value : NAN, threshold, reference, 0, false};
	if (enough && !isnan(threshold) && !isnan(judged_value))
	{
		statistic->excess = judged_value / threshold;
		statistic->drifted = judged_value >= threshold;
	}
}

int
mdl_monitor_judge(const MdlMonitor *monitor, const ml_drift_window *window, int column, const char *name,
				  ml_kind kind, MdlStatistic *statistics)
{
	Judging		judging = {monitor, name, statistics, 0};
	ml_drift	d;
	bool		rows,
				present;

	ml_drift_compute(window, column, &d);
	rows = d.n >= (uint64_t) monitor->min_rows;
	present = d.n_present >= (uint64_t) monitor->min_rows;
	add(&judging, "psi", d.psi, NAN, d.psi, rows);
	add(&judging, "js", d.js, NAN, d.js, rows);
	if (kind == ML_CATEGORICAL)
	{
		add(&judging, "chi2_p", d.chi2_p, NAN, NAN, rows);
		add(&judging, "new_category_rate", d.new_category_rate, d.new_category_expected,
			d.new_category_rate - d.new_category_expected, present);
	}
	else
	{
		add(&judging, "ks", d.ks, NAN, d.ks, present);
		add(&judging, "ks_p", d.ks_p, NAN, NAN, present);
		add(&judging, "wasserstein", d.wasserstein, NAN, d.wasserstein, present);
		add(&judging, "mean", d.mean, d.mean_reference, NAN, present);
		add(&judging, "std", d.std, d.std_reference, NAN, present);
	}
	add(&judging, "null_rate", d.null_rate, d.null_rate_reference, fabs(d.null_rate - d.null_rate_reference), rows);
	return judging.count;
}
