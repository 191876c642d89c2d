/*
 * sweep_sql.c: the SQL functions sweep, resume_sweep, cancel_sweep, drop_sweep.
 */
#include "train/sweep_int.h"

#include "base/background.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "train/train_int.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* Argument `argument` as an array of names; NULL: no member. */
static void
push_names(JsonbParseState **state, const char *key, FunctionCallInfo fcinfo, int argument)
{
	Datum	   *elements;
	bool	   *nulls;
	const char **names;
	int			n;

	if (PG_ARGISNULL(argument))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	names = palloc(sizeof(char *) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain NULL", key)));
		names[i] = TextDatumGetCString(elements[i]);
	}
	mdl_jsonb_push_texts(state, key, names, n);
}

static Jsonb *
optional_object(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Jsonb	   *object = PG_ARGISNULL(argument) ? NULL : PG_GETARG_JSONB_P(argument);

	mdl_jsonb_require_object(object, name);
	return object;
}

/* What train() takes beside source, target, algorithm and parameters, as one object. */
static Jsonb *
pack_options(FunctionCallInfo fcinfo)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_names(&state, "features", fcinfo, 12);
	push_names(&state, "exclude", fcinfo, 13);
	mdl_jsonb_push_object(&state, "preprocess", optional_object(fcinfo, 14, "preprocess"));
	mdl_jsonb_push_text(&state, "weight", mdl_optional_text(fcinfo, 15));
	mdl_jsonb_push_text(&state, "deploy", mdl_optional_text(fcinfo, 16));
	mdl_jsonb_push_object(&state, "folds", optional_object(fcinfo, 17, "folds"));
	return mdl_jsonb_finish(&state);
}

static int
checked_range(int value, const char *name, int low, int high)
{
	if (value < low || value > high)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be between %d and %d, but is %d", name, low, high, value)));
	return value;
}

/*
 * The source by a name that means the same in every session.  An error when it does not exist or may not be read: better here
 * than in a worker's log.
 */
static char *
checked_source(const char *source)
{
	Oid			relid;
	char	   *from = mdl_source_from(source, &relid);

	if (OidIsValid(relid))
	{
		mdl_require_privilege(relid, ACL_SELECT);
		return from;
	}
	SPI_connect();
	/* Of no row at all: only whether the caller may read what the query names. */
	if (SPI_execute(psprintf("SELECT FROM %s AS source LIMIT 0", from), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI could not run a source");
	SPI_finish();
	return pstrdup(source);
}

/*
 * All that can be known before a row is read, so that it is an error of the call.  params are those of a trial; what they have
 * in common is what reading depends on.
 */
static void
check_request(MdlSweep *sweep, Jsonb *params)
{
	MdlTrainRequest request;

	mdl_sweep_use_options(sweep);
	request = sweep->request;
	request.params = params;
	mdl_training_check_request(&request);
	mdl_dataset_check(&request, sweep->cv, sweep->metric);
}

static void
start(int64 id, const MdlSweep *sweep, bool wait)
{
	if (wait)
		mdl_sweep_run(id, false);
	else
		(void) mdl_task_launch_after_commit(MDL_LIBRARY_ML, "mdl_sweep_task", psprintf(INT64_FORMAT, id), sweep->owner,
											psprintf("medallion sweep of %s", sweep->request.model), false);
}

/* sweep(model, source, target, algorithm, space, strategy, trials, cv, metric, workers, seed, wait, …) */
MDL_SHIM_TARGET(mdl_sweep);
Datum
mdl_sweep_impl(PG_FUNCTION_ARGS)
{
	MdlSweep	sweep = {0};
	Jsonb	  **trials;
	int			count,
				requested = 0;
	bool		wait = mdl_required_bool(fcinfo, 11, "wait");

	PreventCommandIfReadOnly("medallion.sweep()");
	sweep.request.model = mdl_required_text(fcinfo, 0, "model");
	sweep.request.algorithm = mdl_required_text(fcinfo, 3, "algorithm");
	mdl_dataset_check_algorithm(sweep.request.algorithm);
	sweep.request.target = mdl_required_text(fcinfo, 2, "target");
	sweep.request.source = checked_source(mdl_required_text(fcinfo, 1, "source"));
	mdl_require_argument(fcinfo, 4, "space");
	sweep.space = PG_GETARG_JSONB_P(4);
	sweep.strategy = mdl_required_text(fcinfo, 5, "strategy");
	if (!PG_ARGISNULL(6))
		requested = checked_range(PG_GETARG_INT32(6), "trials", 1, MDL_SWEEP_MAX_TRIALS);
	sweep.cv = checked_range(mdl_required_int4(fcinfo, 7, "cv"), "cv", 2, MDL_SWEEP_MAX_FOLDS);
	sweep.metric = mdl_optional_text(fcinfo, 8);
	sweep.workers = checked_range(mdl_required_int4(fcinfo, 9, "workers"), "workers", 1, MDL_SWEEP_MAX_WORKERS);
	mdl_require_argument(fcinfo, 10, "seed");
	sweep.request.seed = PG_GETARG_INT64(10);
	sweep.options = pack_options(fcinfo);
	sweep.settings = mdl_settings_jsonb();
	sweep.owner = GetUserId();
	sweep.state = "queued";

	trials = mdl_sweep_trials(sweep.space, mdl_sweep_strategy(sweep.strategy), requested, sweep.request.seed, &count);
	for (int t = 0; t < count; t++)
	{
		mdl_train_check_params(sweep.request.algorithm, trials[t]);
		mdl_params_check_reading(sweep.request.algorithm, trials[0], trials[t]);
	}
	check_request(&sweep, trials[0]);
	sweep.id = mdl_sweep_next_id();
	mdl_sweep_insert(&sweep, trials, count);
	mdl_audit("sweep", sweep.request.model, 0, psprintf("sweep " INT64_FORMAT, sweep.id), -1, NULL);
	start(sweep.id, &sweep, wait);
	PG_RETURN_INT64(sweep.id);
}

/* Reads the sweep that argument 0 names, for somebody who may act on it. */
static void
own_sweep(FunctionCallInfo fcinfo, MdlSweep *sweep)
{
	mdl_require_argument(fcinfo, 0, "sweep_id");
	mdl_sweep_read(PG_GETARG_INT64(0), sweep);
	mdl_sweep_require_owner(sweep);
}

/* Whether nobody runs the sweep; keeps others from starting until the transaction ends. */
static bool
lock_idle(int64 id)
{
	/* Who reads medallion.sweeps has the lock for a moment. */
	for (int attempt = 0; attempt < 20; attempt++)
	{
		if (mdl_sweep_lock(id, false))
			return true;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10 * 1000);
	}
	return false;
}

/* resume_sweep(sweep_id, wait) */
MDL_SHIM_TARGET(mdl_resume_sweep);
Datum
mdl_resume_sweep_impl(PG_FUNCTION_ARGS)
{
	MdlSweep	sweep;

	PreventCommandIfReadOnly("medallion.resume_sweep()");
	own_sweep(fcinfo, &sweep);
	if (!lock_idle(sweep.id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("sweep " INT64_FORMAT " is running already", sweep.id)));
	if (strcmp(sweep.state, "done") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sweep " INT64_FORMAT " is done", sweep.id),
				 errhint("Its result is a version of model \"%s\"; see the view medallion.sweeps.", sweep.request.model)));
	mdl_sweep_set_state(sweep.id, "queued", NULL);
	start(sweep.id, &sweep, mdl_required_bool(fcinfo, 1, "wait"));
	PG_RETURN_INT64(sweep.id);
}

/* cancel_sweep(sweep_id) */
MDL_SHIM_TARGET(mdl_cancel_sweep);
Datum
mdl_cancel_sweep_impl(PG_FUNCTION_ARGS)
{
	MdlSweep	sweep;

	PreventCommandIfReadOnly("medallion.cancel_sweep()");
	own_sweep(fcinfo, &sweep);
	if (strcmp(sweep.state, "queued") != 0 && strcmp(sweep.state, "running") != 0)
		PG_RETURN_BOOL(false);
	mdl_sweep_set_state(sweep.id, "cancelled", NULL);
	PG_RETURN_BOOL(true);
}

/* drop_sweep(sweep_id) */
MDL_SHIM_TARGET(mdl_drop_sweep);
Datum
mdl_drop_sweep_impl(PG_FUNCTION_ARGS)
{
	MdlSweep	sweep;

	PreventCommandIfReadOnly("medallion.drop_sweep()");
	own_sweep(fcinfo, &sweep);
	if (!lock_idle(sweep.id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("sweep " INT64_FORMAT " is running", sweep.id),
				 errhint("Stop it with medallion.cancel_sweep first.")));
	mdl_sweep_delete(sweep.id);
	PG_RETURN_VOID();
}
