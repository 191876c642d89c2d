/*
 * sweep_store.c: the rows of sweeps and trials, and the lock that says who runs a sweep.
 */
#include "train/sweep_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static const char *const state_names[] = {"waiting", "running", "complete", "failed"};

/* Runs a statement that returns nothing. */
static uint64
run_alone(const char *sql, const MdlArgs *args)
{
	MdlUser		saved;
	uint64		rows;

	SPI_connect();
	mdl_owner_begin(&saved);
	rows = mdl_run(sql, args, false);
	mdl_owner_end(&saved);
	SPI_finish();
	return rows;
}

int64
mdl_sweep_next_id(void)
{
	MdlUser		saved;
	int64		id;

	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_run("SELECT pg_catalog.nextval('medallion._sweeps_sweep_id_seq')", NULL, false);
	mdl_owner_end(&saved);
	id = mdl_field_int8(0, 0);
	SPI_finish();
	return id;
}

void
mdl_sweep_insert(const MdlSweep *sweep, Jsonb **trials, int count)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg_int8(&args, sweep->id);
	mdl_arg_text(&args, sweep->request.model);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(sweep->owner), false);
	mdl_arg_text(&args, sweep->state);
	mdl_arg_text(&args, sweep->request.source);
	mdl_arg_text(&args, sweep->request.target);
	mdl_arg_text(&args, sweep->request.algorithm);
	mdl_arg_jsonb(&args, sweep->space);
	mdl_arg_text(&args, sweep->strategy);
	mdl_arg(&args, INT4OID, Int32GetDatum(sweep->cv), false);
	mdl_arg_text(&args, sweep->metric);
	mdl_arg(&args, INT4OID, Int32GetDatum(sweep->workers), false);
	mdl_arg_int8(&args, sweep->request.seed);
	mdl_arg_jsonb(&args, sweep->options);
	mdl_arg_jsonb(&args, sweep->settings);
	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._sweeps (sweep_id, model, owner, state, source, target, algorithm, space, strategy, cv, "
			"metric, workers, seed, options, settings) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)", &args, false);
	for (int t = 0; t < count; t++)
	{
		MdlArgs		trial = {0};

		CHECK_FOR_INTERRUPTS();
		mdl_arg_int8(&trial, sweep->id);
		mdl_arg(&trial, INT4OID, Int32GetDatum(t + 1), false);
		mdl_arg_jsonb(&trial, trials[t]);
		mdl_run("INSERT INTO medallion._trials (sweep_id, trial, params) VALUES ($1, $2, $3)", &trial, false);
	}
	mdl_owner_end(&saved);
	SPI_finish();
}

/* A text of the last statement's row in the given context, NULL for NULL. */
static char *
text_field(int column, MemoryContext context)
{
	char	   *value = mdl_field_text(0, column);

	return value ? MemoryContextStrdup(context, value) : NULL;
}

static Jsonb *
jsonb_field(uint64 row, int column, MemoryContext context)
{
	bool		is_null;
	Datum		value = mdl_field(row, column, &is_null);
	MemoryContext old;
	Jsonb	   *copy;

	if (is_null)
		return NULL;
	old = MemoryContextSwitchTo(context);
	copy = DatumGetJsonbPCopy(value);
	MemoryContextSwitchTo(old);
	return copy;
}

void
mdl_sweep_use_options(MdlSweep *sweep)
{
	MdlTrainRequest *request = &sweep->request;
	const char *what = "options";

	request->n_features = -1;
	mdl_jsonb_text_list(sweep->options, what, "features", (char ***) &request->features, &request->n_features);
	mdl_jsonb_text_list(sweep->options, what, "exclude", (char ***) &request->exclude, &request->n_exclude);
	request->preprocess = mdl_jsonb_object(sweep->options, what, "preprocess");
	request->folds = mdl_jsonb_object(sweep->options, what, "folds");
	mdl_jsonb_text(sweep->options, what, "weight", (char **) &request->weight);
	mdl_jsonb_text(sweep->options, what, "deploy", (char **) &request->deploy);
	request->sweep_id = sweep->id;
}

void
mdl_sweep_read(int64 id, MdlSweep *sweep)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	MemoryContext caller = CurrentMemoryContext;
	bool		is_null;

	memset(sweep, 0, sizeof(*sweep));
	mdl_arg_int8(&args, id);
	SPI_connect();
	mdl_owner_begin(&saved);
	if (mdl_run("SELECT model, owner::pg_catalog.oid, state, source, target, algorithm, space, strategy, cv, metric, workers, "
				"seed, options, settings, starts, rows FROM medallion._sweeps WHERE sweep_id OPERATOR(pg_catalog.=) $1",
				&args, false) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("sweep " INT64_FORMAT " does not exist", id),
				 errhint("See the view medallion.sweeps.")));
	mdl_owner_end(&saved);
	sweep->id = id;
	sweep->request.model = text_field(0, caller);
	sweep->owner = DatumGetObjectId(mdl_field(0, 1, &is_null));
	sweep->state = text_field(2, caller);
	sweep->request.source = text_field(3, caller);
	sweep->request.target = text_field(4, caller);
	sweep->request.algorithm = text_field(5, caller);
	sweep->space = jsonb_field(0, 6, caller);
	sweep->strategy = text_field(7, caller);
	sweep->cv = DatumGetInt32(mdl_field(0, 8, &is_null));
	sweep->metric = text_field(9, caller);
	sweep->workers = DatumGetInt32(mdl_field(0, 10, &is_null));
	sweep->request.seed = mdl_field_int8(0, 11);
	sweep->options = jsonb_field(0, 12, caller);
	sweep->settings = jsonb_field(0, 13, caller);
	sweep->starts = DatumGetInt32(mdl_field(0, 14, &is_null));
	sweep->rows = mdl_field_int8(0, 15);
	(void) mdl_field(0, 15, &is_null);
	if (is_null)
		sweep->rows = -1;
	SPI_finish();
	mdl_sweep_use_options(sweep);
}

void
mdl_sweep_require_owner(const MdlSweep *sweep)
{
	if (!has_privs_of_role(GetUserId(), sweep->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of sweep " INT64_FORMAT, sweep->id)));
}

static void
read_fold_metrics(MdlTrial *trial, uint64 row, int column, int cv)
{
	bool		is_null;
	Datum		value = mdl_field(row, column, &is_null);
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	for (int k = 0; k < cv; k++)
		trial->fold_metrics[k] = NAN;
	if (is_null)
		return;
	deconstruct_array(DatumGetArrayTypeP(value), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, &nulls, &n);
	for (int k = 0; k < Min(n, cv); k++)
		if (!nulls[k])
			trial->fold_metrics[k] = DatumGetFloat8(elements[k]);
}

MdlTrial *
mdl_sweep_read_trials(int64 id, int cv, int *count)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	MemoryContext caller = CurrentMemoryContext;
	MdlTrial   *trials;

	mdl_arg_int8(&args, id);
	SPI_connect();
	mdl_owner_begin(&saved);
	*count = (int) mdl_run("SELECT trial, state, params, metric, fold_metrics, seconds, worker, error FROM medallion._trials "
						   "WHERE sweep_id OPERATOR(pg_catalog.=) $1 ORDER BY trial", &args, false);
	mdl_owner_end(&saved);
	trials = MemoryContextAllocZero(caller, sizeof(MdlTrial) * Max(*count, 1));
	for (int t = 0; t < *count; t++)
	{
		char	   *state = mdl_field_text(t, 1);
		char	   *error = mdl_field_text(t, 7);
		bool		is_null;

		trials[t].number = DatumGetInt32(mdl_field(t, 0, &is_null));
		trials[t].state = strcmp(state, "complete") == 0 ? MDL_TRIAL_COMPLETE :
			strcmp(state, "failed") == 0 ? MDL_TRIAL_FAILED : MDL_TRIAL_WAITING;
		trials[t].params = jsonb_field(t, 2, caller);
		trials[t].metric = DatumGetFloat8(mdl_field(t, 3, &is_null));
		if (is_null)
			trials[t].metric = NAN;
		trials[t].fold_metrics = MemoryContextAlloc(caller, sizeof(double) * cv);
		read_fold_metrics(&trials[t], t, 4, cv);
		trials[t].seconds = DatumGetFloat8(mdl_field(t, 5, &is_null));
		trials[t].worker = DatumGetInt32(mdl_field(t, 6, &is_null));
		trials[t].error = error ? MemoryContextStrdup(caller, error) : NULL;
	}
	SPI_finish();
	return trials;
}

static ArrayType *
fold_array(const MdlTrial *trial, int cv)
{
	Datum	   *elements = palloc(sizeof(Datum) * cv);
	bool	   *nulls = palloc(sizeof(bool) * cv);
	int			bound = 1;

	for (int k = 0; k < cv; k++)
	{
		nulls[k] = isnan(trial->fold_metrics[k]);
		elements[k] = Float8GetDatum(trial->fold_metrics[k]);
	}
	return construct_md_array(elements, nulls, 1, &cv, &bound, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

void
mdl_sweep_write_trials(int64 id, const MdlTrial *trials, int count, int cv)
{
	MdlUser		saved;

	SPI_connect();
	mdl_owner_begin(&saved);
	for (int t = 0; t < count; t++)
	{
		const MdlTrial *trial = &trials[t];
		bool		complete = trial->state == MDL_TRIAL_COMPLETE;
		bool		ended = complete || trial->state == MDL_TRIAL_FAILED;
		MdlArgs		args = {0};

		CHECK_FOR_INTERRUPTS();
		mdl_arg_int8(&args, id);
		mdl_arg(&args, INT4OID, Int32GetDatum(trial->number), false);
		mdl_arg_text(&args, state_names[trial->state]);
		mdl_arg(&args, FLOAT8OID, Float8GetDatum(trial->metric), !complete);
		mdl_arg(&args, FLOAT8ARRAYOID, ended ? PointerGetDatum(fold_array(trial, cv)) : (Datum) 0, !ended);
		mdl_arg(&args, FLOAT8OID, Float8GetDatum(trial->seconds), !ended);
		mdl_arg(&args, INT4OID, Int32GetDatum(trial->worker), trial->state == MDL_TRIAL_WAITING);
		mdl_arg_text(&args, trial->state == MDL_TRIAL_FAILED ? trial->error : NULL);
		mdl_run("UPDATE medallion._trials SET state = $3, metric = $4, fold_metrics = $5, seconds = $6, worker = $7, error = $8 "
				"WHERE sweep_id OPERATOR(pg_catalog.=) $1 AND trial OPERATOR(pg_catalog.=) $2", &args, false);
	}
	mdl_owner_end(&saved);
	SPI_finish();
}

void
mdl_sweep_set_state(int64 id, const char *state, const char *error)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	mdl_arg_text(&args, state);
	mdl_arg_text(&args, error);
	run_alone("UPDATE medallion._sweeps SET state = $2, error = $3, finished_at = CASE WHEN $2 OPERATOR(pg_catalog.=) ANY "
			  "('{done,failed,cancelled}'::text[]) THEN pg_catalog.clock_timestamp() END "
			  "WHERE sweep_id OPERATOR(pg_catalog.=) $1", &args);
}

void
mdl_sweep_trials_stopped(int64 id)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	run_alone("UPDATE medallion._trials SET state = 'waiting', worker = NULL WHERE sweep_id OPERATOR(pg_catalog.=) $1 "
			  "AND state OPERATOR(pg_catalog.=) 'running'", &args);
}

void
mdl_sweep_was_cancelled(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("sweep " INT64_FORMAT " was cancelled", id)));
}

bool
mdl_sweep_is_wanted(int64 id)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	return run_alone("SELECT 1 FROM medallion._sweeps WHERE sweep_id OPERATOR(pg_catalog.=) $1 AND "
					 "state OPERATOR(pg_catalog.=) ANY ('{queued,running}'::text[])", &args) != 0;
}

void
mdl_sweep_started(int64 id)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	run_alone("UPDATE medallion._sweeps SET state = 'running', starts = starts OPERATOR(pg_catalog.+) 1, error = NULL, "
			  "finished_at = NULL, started_at = coalesce(started_at, pg_catalog.clock_timestamp()) "
			  "WHERE sweep_id OPERATOR(pg_catalog.=) $1", &args);
}

void
mdl_sweep_data_read(int64 id, int64 rows, const char *metric, bool greater_is_better, bool forget_trials)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	mdl_arg_int8(&args, rows);
	mdl_arg_text(&args, metric);
	mdl_arg_bool(&args, greater_is_better);
	run_alone("UPDATE medallion._sweeps SET rows = $2, metric = $3, greater_is_better = $4 "
			  "WHERE sweep_id OPERATOR(pg_catalog.=) $1", &args);
	if (forget_trials)
	{
		MdlArgs		sweep = {0};

		mdl_arg_int8(&sweep, id);
		run_alone("UPDATE medallion._trials SET state = 'waiting', metric = NULL, fold_metrics = NULL, seconds = NULL, "
				  "worker = NULL, error = NULL WHERE sweep_id OPERATOR(pg_catalog.=) $1", &sweep);
	}
}

void
mdl_sweep_finished(int64 id, int version)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), false);
	if (run_alone("UPDATE medallion._sweeps SET state = 'done', version = $2, finished_at = pg_catalog.clock_timestamp() "
				  "WHERE sweep_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.=) 'running'", &args) == 0)
		mdl_sweep_was_cancelled(id);
}

void
mdl_sweep_delete(int64 id)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	run_alone("DELETE FROM medallion._trials WHERE sweep_id OPERATOR(pg_catalog.=) $1", &args);
	run_alone("DELETE FROM medallion._sweeps WHERE sweep_id OPERATOR(pg_catalog.=) $1", &args);
}

/* ---- the lock ------------------------------------------------------------------------------------------------ */

bool
mdl_sweep_lock(int64 id, bool session)
{
	LOCKTAG		tag;

	mdl_sweep_lock_tag(&tag, id);
	return LockAcquire(&tag, ExclusiveLock, session, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
mdl_sweep_unlock(int64 id)
{
	LOCKTAG		tag;

	mdl_sweep_lock_tag(&tag, id);
	LockRelease(&tag, ExclusiveLock, true);
}
