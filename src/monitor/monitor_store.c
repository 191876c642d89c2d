/*
 * monitor_store.c: monitors, windows, statistics and alerts in their tables, read and written as the extension's owner.
 */
#include "monitor/monitor_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* The array's texts as C strings, in the current context. */
static char **
texts_of(Datum array, int *count)
{
	Datum	   *elements;
	char	  **texts;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, count);
	texts = palloc(sizeof(char *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		texts[i] = TextDatumGetCString(elements[i]);
	return texts;
}

static Datum
array_of_texts(char *const *texts, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(texts[i]);
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static char *
copied_text(int column)
{
	char	   *text = mdl_field_text(0, column);

	return text ? pstrdup(text) : NULL;
}

static Interval *
copied_interval(int column)
{
	bool		is_null;
	Datum		value = mdl_field(0, column, &is_null);

	return is_null ? NULL : (Interval *) DatumGetPointer(datumCopy(value, false, sizeof(Interval)));
}

/* The row in SPI_tuptable as a monitor in the current context. */
static MdlMonitor *
monitor_of_row(void)
{
	MdlMonitor *monitor = palloc0(sizeof(MdlMonitor));
	bool		is_null;
	Datum		value;

	monitor->id = mdl_field_int8(0, 0);
	monitor->name = copied_text(1);
	monitor->job_id = mdl_field_int8(0, 2);
	monitor->model = copied_text(3);
	monitor->source = copied_text(4);
	value = mdl_field(0, 5, &is_null);
	monitor->baseline = is_null ? NULL : (bytea *) PG_DETOAST_DATUM_COPY(value);
	monitor->at = copied_text(6);
	monitor->window_size = copied_interval(7);
	monitor->time_zone = copied_text(8);
	monitor->columns = texts_of(mdl_field(0, 9, NULL), &monitor->n_columns);
	monitor->every_column = DatumGetBool(mdl_field(0, 10, NULL));
	monitor->thresholds = (Jsonb *) PG_DETOAST_DATUM_COPY(mdl_field(0, 11, NULL));
	monitor->min_rows = DatumGetInt32(mdl_field(0, 12, NULL));
	monitor->lateness = copied_interval(13);
	monitor->start_at = DatumGetTimestampTz(mdl_field(0, 14, &is_null));
	monitor->has_start = !is_null;
	monitor->created_at = DatumGetTimestampTz(mdl_field(0, 15, NULL));
	return monitor;
}

MdlMonitor *
mdl_monitor_read(const char *name, bool skip_locked)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext spi;
	MdlArgs		args = {0};
	MdlUser		user;
	MdlMonitor *monitor = NULL;
	bool		found;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_text(&args, name);
	found = mdl_run(psprintf("SELECT id, name, job_id, model, source, baseline, at_column, window_size, time_zone, columns,"
							 " every_column, thresholds, min_rows, lateness, start_at, created_at FROM medallion._monitors"
							 " WHERE name = $1 FOR NO KEY UPDATE %s", skip_locked ? "SKIP LOCKED" : ""), &args, false) == 1;
	if (!found && !skip_locked)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("monitor \"%s\" does not exist", name),
				 errhint("See the view medallion.monitors.")));
	mdl_owner_end(&user);
	spi = MemoryContextSwitchTo(caller);
	if (found)
		monitor = monitor_of_row();
	MemoryContextSwitchTo(spi);
	SPI_finish();
	return monitor;
}

char *
mdl_monitor_of_job(int64 job)
{
	MemoryContext caller = CurrentMemoryContext;
	MdlArgs		args = {0};
	MdlUser		user;
	char	   *name = NULL;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, job);
	if (mdl_run("SELECT name FROM medallion._monitors WHERE job_id = $1", &args, false) == 1)
		name = MemoryContextStrdup(caller, mdl_field_text(0, 0));
	mdl_owner_end(&user);
	SPI_finish();
	return name;
}

int64
mdl_monitor_insert(const MdlMonitor *monitor, const char *reference)
{
	MdlArgs		args = {0};
	MdlUser		user;
	int64		id;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_text(&args, monitor->name);
	mdl_arg_int8(&args, monitor->job_id);
	mdl_arg_text(&args, monitor->model);
	mdl_arg_text(&args, monitor->source);
	mdl_arg_text(&args, reference);
	mdl_arg(&args, BYTEAOID, PointerGetDatum(monitor->baseline), monitor->baseline == NULL);
	mdl_arg_text(&args, monitor->at);
	mdl_arg(&args, INTERVALOID, IntervalPGetDatum(monitor->window_size), monitor->window_size == NULL);
	mdl_arg_text(&args, monitor->time_zone);
	mdl_arg(&args, TEXTARRAYOID, array_of_texts(monitor->columns, monitor->n_columns), false);
	mdl_arg_bool(&args, monitor->every_column);
	mdl_arg_jsonb(&args, monitor->thresholds);
	mdl_arg(&args, INT4OID, Int32GetDatum(monitor->min_rows), false);
	mdl_arg(&args, INTERVALOID, IntervalPGetDatum(monitor->lateness), false);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(monitor->start_at), !monitor->has_start);
	mdl_run("INSERT INTO medallion._monitors (name, job_id, model, source, reference, baseline, at_column, window_size,"
			" time_zone, columns, every_column, thresholds, min_rows, lateness, start_at)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id", &args, false);
	id = mdl_field_int8(0, 0);
	mdl_owner_end(&user);
	SPI_finish();
	return id;
}

void
mdl_monitor_delete(const MdlMonitor *monitor)
{
	MdlArgs		args = {0};
	MdlUser		user;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, monitor->id);
	mdl_run("DELETE FROM medallion._monitors WHERE id = $1", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
	mdl_job_drop(monitor->job_id);
}

bool
mdl_monitor_last_window(int64 monitor, TimestampTz *start)
{
	MdlArgs		args = {0};
	MdlUser		user;
	bool		is_null;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, monitor);
	mdl_run("SELECT max(window_start) FROM medallion._monitor_windows WHERE monitor_id = $1", &args, false);
	*start = DatumGetTimestampTz(mdl_field(0, 0, &is_null));
	mdl_owner_end(&user);
	SPI_finish();
	return !is_null;
}

int64
mdl_monitor_recorded_rows(int64 monitor, TimestampTz start, TimestampTz end, int *version)
{
	MdlArgs		args = {0};
	MdlUser		user;
	int64		rows = -1;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, monitor);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(start), false);
	mdl_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(end), false);
	if (mdl_run("SELECT rows, COALESCE(model_version, 0) FROM medallion._monitor_windows"
				" WHERE monitor_id = $1 AND window_start = $2 AND window_end = $3 AND slice = ''", &args, false) == 1)
	{
		rows = mdl_field_int8(0, 0);
		*version = DatumGetInt32(mdl_field(0, 1, NULL));
	}
	mdl_owner_end(&user);
	SPI_finish();
	return rows;
}

/* ---- recording a window ---- */

static Datum
array_of_doubles(const MdlStatistic *statistics, int count, size_t offset)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));
	bool	   *nulls = palloc(Max(count, 1));
	int			lower = 1;

	for (int i = 0; i < count; i++)
	{
		double		value = *(const double *) ((const char *) &statistics[i] + offset);

		elements[i] = Float8GetDatum(value);
		nulls[i] = isnan(value);
	}
	return PointerGetDatum(construct_md_array(elements, nulls, 1, &count, &lower, FLOAT8OID, sizeof(float8),
											  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Whether each drifted, NULL where it is not judged. */
static Datum
array_of_flags(const MdlStatistic *statistics, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));
	bool	   *nulls = palloc(Max(count, 1));
	int			lower = 1;

	for (int i = 0; i < count; i++)
	{
		elements[i] = BoolGetDatum(statistics[i].drifted);
		nulls[i] = isnan(statistics[i].value) || isnan(statistics[i].threshold);
	}
	return PointerGetDatum(construct_md_array(elements, nulls, 1, &count, &lower, BOOLOID, 1, true, TYPALIGN_CHAR));
}

/* $1 to $3: the window. */
static void
window_args(MdlArgs *args, const MdlMonitor *monitor, TimestampTz start, TimestampTz end)
{
	memset(args, 0, sizeof(*args));
	mdl_arg_int8(args, monitor->id);
	mdl_arg(args, TIMESTAMPTZOID, TimestampTzGetDatum(start), false);
	mdl_arg(args, TIMESTAMPTZOID, TimestampTzGetDatum(end), false);
}

static void
insert_statistics(const MdlMonitor *monitor, TimestampTz start, TimestampTz end, const MdlStatistic *statistics, int count)
{
	char	  **columns = palloc(sizeof(char *) * Max(count, 1));
	char	  **names = palloc(sizeof(char *) * Max(count, 1));
	MdlArgs		args;

	for (int i = 0; i < count; i++)
	{
		columns[i] = (char *) statistics[i].column;
		names[i] = (char *) statistics[i].statistic;
	}
	window_args(&args, monitor, start, end);
	mdl_arg(&args, TEXTARRAYOID, array_of_texts(columns, count), false);
	mdl_arg(&args, TEXTARRAYOID, array_of_texts(names, count), false);
	mdl_arg(&args, FLOAT8ARRAYOID, array_of_doubles(statistics, count, offsetof(MdlStatistic, value)), false);
	mdl_arg(&args, FLOAT8ARRAYOID, array_of_doubles(statistics, count, offsetof(MdlStatistic, threshold)), false);
	mdl_arg(&args, FLOAT8ARRAYOID, array_of_doubles(statistics, count, offsetof(MdlStatistic, reference)), false);
	mdl_arg(&args, BOOLARRAYOID, array_of_flags(statistics, count), false);
	mdl_run("INSERT INTO medallion._drift (monitor_id, window_start, window_end, column_name, statistic, value, threshold,"
			" reference, drifted) SELECT $1, $2, $3, u.* FROM unnest($4, $5, $6, $7, $8, $9) AS u", &args, false);
}

/* Tells listeners of the alert that was just inserted, whose description is in SPI_tuptable. */
static void
notify(void)
{
	char	   *payload = mdl_field_text(0, 1);

	/* A payload has less than 8000 bytes; names can be longer. */
	if (strlen(payload) >= 8000)
		payload = psprintf("{\"alert\": " INT64_FORMAT "}", mdl_field_int8(0, 0));
	Async_Notify("medallion_alerts", payload);
}

/* Raises the alert of a column unless it was raised before; returns whether it was. */
static bool
raise_alert(const MdlMonitor *monitor, int version, TimestampTz start, TimestampTz end, const MdlStatistic *worst)
{
	MdlArgs		args;

	window_args(&args, monitor, start, end);
	mdl_arg_text(&args, worst->column);
	mdl_arg_text(&args, worst->statistic);
	mdl_arg_float8(&args, worst->value);
	mdl_arg_float8(&args, worst->threshold);
	mdl_arg(&args, FLOAT8OID, Float8GetDatum(worst->reference), isnan(worst->reference));
	mdl_arg(&args, INT4OID, Int32GetDatum(version), version == 0);
	mdl_arg_text(&args, monitor->name);
	mdl_arg_text(&args, monitor->model);
	if (mdl_run("INSERT INTO medallion._alerts (monitor_id, window_start, window_end, column_name, statistic, value, threshold,"
				" reference, model_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
				" ON CONFLICT (monitor_id, window_start, window_end, slice, column_name) DO NOTHING"
				" RETURNING id, jsonb_build_object('alert', id, 'monitor', $10, 'model', $11, 'model_version', $9,"
				" 'window_start', $2, 'window_end', $3, 'slice', NULL, 'column_name', $4, 'statistic', $5, 'value', $6,"
				" 'threshold', $7, 'reference', $8)", &args, false) == 0)
		return false;
	notify();
	return true;
}

int64
mdl_monitor_record(const MdlMonitor *monitor, int version, TimestampTz start, TimestampTz end, int64 rows,
				   const char *state, const MdlStatistic *statistics, int n_statistics)
{
	const MdlStatistic *worst = NULL;
	MdlArgs		args;
	MdlUser		user;
	int64		alerts = 0;

	SPI_connect();
	mdl_owner_begin(&user);
	window_args(&args, monitor, start, end);
	mdl_run("DELETE FROM medallion._monitor_windows WHERE monitor_id = $1 AND window_start = $2 AND window_end = $3", &args, false);
	mdl_arg_int8(&args, rows);
	mdl_arg_text(&args, state);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), version == 0);
	mdl_run("INSERT INTO medallion._monitor_windows (monitor_id, window_start, window_end, rows, state, model_version)"
			" VALUES ($1, $2, $3, $4, $5, $6)", &args, false);
	insert_statistics(monitor, start, end, statistics, n_statistics);
	/* The statistics of a column stand together. */
	for (int i = 0; i < n_statistics; i++)
	{
		if (statistics[i].drifted && (worst == NULL || statistics[i].excess > worst->excess))
			worst = &statistics[i];
		if (worst != NULL && (i + 1 == n_statistics || strcmp(statistics[i + 1].column, statistics[i].column) != 0))
		{
			alerts += raise_alert(monitor, version, start, end, worst);
			worst = NULL;
		}
	}
	mdl_owner_end(&user);
	SPI_finish();
	return alerts;
}
