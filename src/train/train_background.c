/*
 * train_background.c: trainings that go on when the session that asked for them has gone.
 *
 * A training is a row of medallion._trainings.  A worker reads the source in one transaction, fits without any, so that
 * hours of computing hold no snapshot and keep nothing from being vacuumed, and registers the version in another.  It
 * works as the role that asked, with the settings that queries depend on.
 */
#include "train/train_parts.h"

#include <signal.h>

#include "access/xact.h"
#include "base/background.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define LOCK_CLASS 0x4d54524e	/* of the advisory lock that a training's worker holds */

/* ---- the request as an object ------------------------------------------------------------------------------------ */

static Jsonb *
pack_request(const MdlTrainRequest *r)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	mdl_jsonb_push_text(&state, "source", r->source);
	mdl_jsonb_push_text(&state, "target", r->target);
	mdl_jsonb_push_text(&state, "algorithm", r->algorithm);
	mdl_jsonb_push_object(&state, "params", r->params);
	mdl_jsonb_push_texts(&state, "features", r->features, r->n_features);
	mdl_jsonb_push_texts(&state, "exclude", r->exclude, r->n_exclude);
	mdl_jsonb_push_object(&state, "preprocess", r->preprocess);
	mdl_jsonb_push_object(&state, "validation", r->validation);
	mdl_jsonb_push_text(&state, "weight", r->weight);
	mdl_jsonb_push_texts(&state, "partition_by", r->partition, r->n_partition);
	mdl_jsonb_push_text(&state, "deploy", r->deploy);
	mdl_jsonb_push_text(&state, "seed", psprintf(INT64_FORMAT, r->seed));
	mdl_jsonb_push_bool(&state, "reproducible", r->reproducible);
	return mdl_jsonb_finish(&state);
}

static void
unpack_request(Jsonb *object, MdlTrainRequest *r)
{
	const char *what = "request";
	char	   *seed;

	mdl_jsonb_text(object, what, "source", (char **) &r->source);
	mdl_jsonb_text(object, what, "target", (char **) &r->target);
	mdl_jsonb_text(object, what, "algorithm", (char **) &r->algorithm);
	r->params = mdl_jsonb_object(object, what, "params");
	r->n_features = -1;
	mdl_jsonb_text_list(object, what, "features", (char ***) &r->features, &r->n_features);
	mdl_jsonb_text_list(object, what, "exclude", (char ***) &r->exclude, &r->n_exclude);
	r->preprocess = mdl_jsonb_object(object, what, "preprocess");
	r->validation = mdl_jsonb_object(object, what, "validation");
	mdl_jsonb_text(object, what, "weight", (char **) &r->weight);
	mdl_jsonb_text_list(object, what, "partition_by", (char ***) &r->partition, &r->n_partition);
	mdl_jsonb_text(object, what, "deploy", (char **) &r->deploy);
	if (mdl_jsonb_text(object, what, "seed", &seed))
		r->seed = strtoll(seed, NULL, 10);
	mdl_jsonb_bool(object, what, "reproducible", &r->reproducible);
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

/* Runs a statement about the training $1 as the owner; further arguments are in args. */
static uint64
run_owned(const char *sql, MdlArgs *args)
{
	MdlUser		user;
	uint64		rows;

	mdl_owner_begin(&user);
	rows = mdl_run(sql, args, false);
	mdl_owner_end(&user);
	return rows;
}

int64
mdl_train_later(const MdlTrainRequest *request)
{
	MdlArgs		args = {0};
	int64		id;

	mdl_train_check_params(request->algorithm, request->params);
	mdl_jsonb_require_object(request->preprocess, "preprocess");
	mdl_jsonb_require_object(request->validation, "validation");
	SPI_connect();
	mdl_arg_text(&args, request->model);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	mdl_arg(&args, JSONBOID, JsonbPGetDatum(pack_request(request)), false);
	mdl_arg(&args, JSONBOID, JsonbPGetDatum(mdl_settings_jsonb()), false);
	run_owned("INSERT INTO medallion._trainings (model, owner, state, request, settings)"
			  " VALUES ($1, $2::pg_catalog.regrole, 'queued', $3, $4) RETURNING training_id", &args);
	id = mdl_field_int8(0, 0);
	SPI_finish();
	(void) mdl_task_launch_after_commit(MDL_LIBRARY_ML, "mdl_training_task", psprintf(INT64_FORMAT, id), GetUserId(),
										psprintf("medallion training of %s", request->model), false);
	return id;
}

static void
training_lock_tag(LOCKTAG *tag, int64 id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, LOCK_CLASS, (uint32) id, 2);
}

/* ---- the worker -------------------------------------------------------------------------------------------------- */

typedef struct Work
{
	int64		id;
	MemoryContext context;
	MdlTrainRequest request;
	Jsonb	   *settings;
} Work;

static void
begin(const Work *w)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	MemoryContextSwitchTo(w->context);
}

static void
commit(const Work *w)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
}

/* Takes the training if it is still wanted. */
static bool
take(Work *w)
{
	MdlArgs		args = {0};
	bool		found;

	mdl_arg_int8(&args, w->id);
	mdl_arg(&args, INT4OID, Int32GetDatum(MyProcPid), false);
	found = run_owned("UPDATE medallion._trainings SET state = 'running', pid = $2, started_at = pg_catalog.clock_timestamp()"
					  " WHERE training_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.=) 'queued'"
					  " RETURNING model, request, settings", &args) == 1;
	if (found)
	{
		bool		is_null;

		MemoryContextSwitchTo(w->context);
		w->request.model = mdl_field_text(0, 0);
		unpack_request((Jsonb *) PG_DETOAST_DATUM_COPY(mdl_field(0, 1, &is_null)), &w->request);
		w->settings = (Jsonb *) PG_DETOAST_DATUM_COPY(mdl_field(0, 2, &is_null));
	}
	return found;
}

/* Notes that the training is done, in the transaction that registered the version. */
static void
finish(const Work *w, const MdlTrainResult *result)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, w->id);
	mdl_arg(&args, INT4OID, Int32GetDatum(result->version), false);
	if (run_owned("UPDATE medallion._trainings SET state = 'done', version = $2, ended_at = pg_catalog.clock_timestamp()"
				  " WHERE training_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.=) 'running'", &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("training " INT64_FORMAT " was cancelled", w->id)));
}

/* The same part by part; each is read from the rows that the first transaction has put aside. */
static void
train_parts(Work *w)
{
	MdlPartsTraining *p = mdl_parts_begin(&w->request, w->context);
	MdlTrainResult result = {0};
	MdlTraining *t;

	begin(w);
	mdl_settings_use(w->settings);
	mdl_parts_read(p);
	while ((t = mdl_parts_next(p)) != NULL)
	{
		commit(w);
		mdl_parts_fit(p, t);
		begin(w);
	}
	mdl_parts_register(p, &result);
	finish(w, &result);
	commit(w);
	mdl_parts_end(p);
}

/* Reads, fits, registers; holds a snapshot in the first and the last of these only. */
static void
train(Work *w)
{
	MdlTraining *t = mdl_training_begin(&w->request, w->context);
	MdlTrainResult result = {0};

	begin(w);
	mdl_settings_use(w->settings);
	mdl_training_read(t);
	commit(w);
	mdl_training_fit(t);
	begin(w);
	mdl_training_register(t, &result);
	finish(w, &result);
	commit(w);
	mdl_training_end(t);
}

static void
record_failure(Work *w, const ErrorData *error)
{
	MdlArgs		args = {0};

	begin(w);
	mdl_arg_int8(&args, w->id);
	mdl_arg_text(&args, error->detail == NULL ? error->message : psprintf("%s; %s", error->message, error->detail));
	run_owned("UPDATE medallion._trainings SET state = 'failed', error = $2, ended_at = pg_catalog.clock_timestamp()"
			  " WHERE training_id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.=) 'running'", &args);
	commit(w);
}

void
mdl_training_task(const char *argument)
{
	Work	   *w = MemoryContextAllocZero(TopMemoryContext, sizeof(Work));
	LOCKTAG		tag;
	bool		wanted;

	w->id = strtoll(argument, NULL, 10);
	w->context = AllocSetContextCreate(TopMemoryContext, "medallion background training", ALLOCSET_DEFAULT_SIZES);
	begin(w);
	training_lock_tag(&tag, w->id);
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
	wanted = take(w);
	commit(w);
	if (!wanted)
		return;
	mdl_progress_begin("train", w->request.model);
	PG_TRY();
	{
		if (w->request.n_partition > 0)
			train_parts(w);
		else
			train(w);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(w->context);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		record_failure(w, error);
	}
	PG_END_TRY();
	mdl_progress_end();
	MemoryContextDelete(w->context);
}

/* ---- SQL functions ------------------------------------------------------------------------------------------------ */

/* Whether the training is one that a worker should be at.  One that ended since the caller's snapshot was taken is not. */
static bool
is_wanted_now(int64 id)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	return mdl_count_now("SELECT 1 FROM medallion._trainings WHERE training_id OPERATOR(pg_catalog.=) $1 AND state "
						 "OPERATOR(pg_catalog.=) ANY ('{queued,running}'::text[])", &args) != 0;
}

/* Whether a worker holds the lock of the training.  (While it computes it is in no transaction, so it has no number to ask for.) */
static bool
is_alive(int64 id)
{
	LOCKTAG		tag;

	training_lock_tag(&tag, id);
	if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, ShareLock, true);
	return false;
}

MDL_SHIM_TARGET(mdl_training_is_alive);
Datum
mdl_training_is_alive_impl(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);

	PG_RETURN_BOOL(is_alive(id) || !is_wanted_now(id));
}

/* cancel_training(training_id): false if it had ended. */
MDL_SHIM_TARGET(mdl_cancel_training);
Datum
mdl_cancel_training_impl(PG_FUNCTION_ARGS)
{
	MdlArgs		args = {0};
	int64		id;
	bool		is_null;
	bool		running;
	bool		mine;
	int			pid;

	PreventCommandIfReadOnly("medallion.cancel_training()");
	mdl_require_argument(fcinfo, 0, "training_id");
	id = PG_GETARG_INT64(0);
	SPI_connect();
	mdl_arg_int8(&args, id);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	if (run_owned("SELECT state OPERATOR(pg_catalog.=) ANY ('{queued,running}'::text[]),"
				  " pg_catalog.pg_has_role($2, owner, 'USAGE'), COALESCE(pid, 0) FROM medallion._trainings"
				  " WHERE training_id OPERATOR(pg_catalog.=) $1 FOR UPDATE", &args) == 0 ||
		(mine = DatumGetBool(mdl_field(0, 1, &is_null)), is_null || !mine))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("training " INT64_FORMAT " does not exist", id),
				 errhint("See the view medallion.trainings.")));
	running = DatumGetBool(mdl_field(0, 0, NULL));
	pid = DatumGetInt32(mdl_field(0, 2, NULL));
	if (running)
		run_owned("UPDATE medallion._trainings SET state = 'cancelled', ended_at = pg_catalog.clock_timestamp()"
				  " WHERE training_id OPERATOR(pg_catalog.=) $1 AND $2 IS NOT NULL", &args);
	SPI_finish();
	/* While somebody holds the lock the process is the worker. */
	if (running && pid > 0 && is_alive(id) && BackendPidGetProc(pid) != NULL)
		(void) kill(pid, SIGTERM);
	PG_RETURN_BOOL(running);
}
