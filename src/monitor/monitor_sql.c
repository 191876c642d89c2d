/*
 * monitor_sql.c: the SQL functions on monitors, and the definition of one: every mistake is found when it is made.
 */
#include "monitor/monitor.h"
#include "monitor/monitor_int.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

void
mdl_monitor_init(void)
{
	mdl_job_kind_register("monitor", MDL_LIBRARY_CORE, "mdl_monitor_job");
}

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 hint ? errhint("%s", hint) : 0));
}

/* The names in argument `number`, or NULL. */
static char **
read_columns(FunctionCallInfo fcinfo, int number, int *count)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **columns;

	*count = 0;
	if (PG_ARGISNULL(number))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	if (*count == 0)
		refuse("argument \"columns\" must not be empty", "Leave it out to compare every column of the baseline.");
	columns = palloc(sizeof(char *) * *count);
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			refuse("argument \"columns\" must not contain NULL", NULL);
		columns[i] = TextDatumGetCString(elements[i]);
		for (int j = 0; j < i; j++)
			if (strcmp(columns[i], columns[j]) == 0)
				refuse(psprintf("argument \"columns\" names column \"%s\" twice", columns[i]), NULL);
	}
	return columns;
}

/* Arguments 4 to 10, those about windows and limits. */
static void
read_options(FunctionCallInfo fcinfo, MdlMonitor *monitor)
{
	static Interval none = {0};

	monitor->at = mdl_optional_text(fcinfo, 4);
	monitor->window_size = PG_ARGISNULL(5) ? NULL : PG_GETARG_INTERVAL_P(5);
	if ((monitor->at == NULL) != (monitor->window_size == NULL))
		refuse(monitor->at == NULL ? "argument \"window_size\" needs argument \"at\", the column of time"
			   : "argument \"at\" needs argument \"window_size\"", "Write for example at => 'ordered_at', window_size => '1 day'.");
	if (monitor->window_size != NULL)
		mdl_window_check_size(monitor->window_size);
	monitor->thresholds = mdl_monitor_thresholds(PG_ARGISNULL(7) ? NULL : PG_GETARG_JSONB_P(7));
	monitor->min_rows = mdl_required_int4(fcinfo, 8, "min_rows");
	if (monitor->min_rows < 1)
		refuse("argument \"min_rows\" must be at least 1", NULL);
	monitor->lateness = PG_ARGISNULL(9) ? &none : PG_GETARG_INTERVAL_P(9);
	if (monitor->lateness->month < 0 || monitor->lateness->day < 0 || monitor->lateness->time < 0)
		refuse("argument \"lateness\" must not be negative", NULL);
	monitor->has_start = !PG_ARGISNULL(10);
	if (monitor->has_start)
		monitor->start_at = PG_GETARG_TIMESTAMPTZ(10);
	if (monitor->has_start && (monitor->at == NULL || TIMESTAMP_NOT_FINITE(monitor->start_at)))
		refuse("argument \"start_at\" must be a finite time, and needs argument \"at\"", NULL);
	monitor->time_zone = pstrdup(pg_get_timezone_name(session_timezone));
}

/* Loads or makes the baseline, and finds in it and in the source what is to be compared. */
static void
resolve_columns(MdlMonitor *monitor, const char *reference, char **given, int n_given)
{
	MdlComparison comparison;
	List	   *names = NIL;

	if (reference != NULL)
	{
		for (int i = 0; i < n_given; i++)
			names = lappend(names, given[i]);
		monitor->baseline = mdl_monitor_make_baseline(reference, names, monitor->at);
	}
	mdl_compare_prepare(&comparison, monitor->model, monitor->baseline, monitor->source, given, n_given);
	monitor->columns = comparison.columns;
	monitor->n_columns = comparison.n_columns;
	if (monitor->at != NULL)
		mdl_source_check_at(mdl_source_describe(monitor->source), monitor->source, monitor->at);
}

static Datum
one_row(FunctionCallInfo fcinfo, Datum *values)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool	   *nulls;

	InitMaterializedSRF(fcinfo, 0);
	nulls = palloc0(result->setDesc->natts);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

MDL_FUNCTION(mdl_create_monitor);
Datum
mdl_create_monitor(PG_FUNCTION_ARGS)
{
	MdlMonitor	monitor = {.name = mdl_required_text(fcinfo, 0, "name"), .model = mdl_optional_text(fcinfo, 1),
		.source = mdl_required_text(fcinfo, 2, "source")};
	Interval   *every = PG_ARGISNULL(3) ? NULL : PG_GETARG_INTERVAL_P(3);
	char	   *reference = mdl_optional_text(fcinfo, 11);
	int			n_given;
	char	  **given;
	Datum		values[3];
	Datum	   *columns;

	PreventCommandIfReadOnly("medallion.create_monitor()");
	if (monitor.name[0] == '\0')
		refuse("argument \"name\" must not be empty", NULL);
	if ((monitor.model == NULL) == (reference == NULL))
		refuse("a monitor needs either a model or a reference to compare with",
			   "Write model => 'name of a model', or model => NULL, reference => 'a table or query'.");
	read_options(fcinfo, &monitor);
	given = read_columns(fcinfo, 6, &n_given);
	monitor.every_column = given == NULL;
	resolve_columns(&monitor, reference, given, n_given);
	monitor.job_id = mdl_job_create("monitor", monitor.name, NULL, every, every ? DT_NOBEGIN : DT_NOEND);
	mdl_monitor_insert(&monitor, reference);

	columns = palloc(sizeof(Datum) * Max(monitor.n_columns, 1));
	for (int i = 0; i < monitor.n_columns; i++)
		columns[i] = CStringGetTextDatum(monitor.columns[i]);
	values[0] = CStringGetTextDatum(monitor.name);
	values[1] = PointerGetDatum(construct_array(columns, monitor.n_columns, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = Int64GetDatum(monitor.job_id);
	return one_row(fcinfo, values);
}

MDL_FUNCTION(mdl_run_monitor);
Datum
mdl_run_monitor(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	MdlMonitorResult run;
	Datum		values[6];

	PreventCommandIfReadOnly("medallion.run_monitor()");
	mdl_monitor_run(mdl_monitor_read(name, false), &run);
	values[0] = CStringGetTextDatum(name);
	values[1] = Int64GetDatum(run.windows);
	values[2] = Int64GetDatum(run.rows);
	values[3] = Int64GetDatum(run.drifted);
	values[4] = Int64GetDatum(run.insufficient);
	values[5] = Int64GetDatum(run.alerts);
	return one_row(fcinfo, values);
}

MDL_FUNCTION(mdl_drop_monitor);
Datum
mdl_drop_monitor(PG_FUNCTION_ARGS)
{
	MdlMonitor *monitor;

	PreventCommandIfReadOnly("medallion.drop_monitor()");
	monitor = mdl_monitor_read(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	(void) mdl_monitor_check_owner(monitor);
	mdl_monitor_delete(monitor);
	PG_RETURN_VOID();
}
