/*
 * sweep_watch.c: whether a sweep is alive, and continuing those whose process is gone.
 *
 * Sweeps run in medallion_ml.so (src/train); what the scheduler and the view medallion.sweeps need is here, so that
 * neither opens the numeric library.
 */
#include "registry/registry.h"

#include "base/background.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define MAX_STARTS 5			/* of one sweep, before it is left to a person */
#define GRACE "30 seconds"		/* for the worker of a sweep just asked for to start */

/* An advisory lock in a class of our own (those of users are 1 and 2). */
void
mdl_sweep_lock_tag(LOCKTAG *tag, int64 id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (id >> 32), (uint32) id, 77);
}

/* Whether the sweep is one that somebody should be running.  One that ended since the caller's snapshot was taken is not. */
static bool
is_wanted_now(int64 id)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	return mdl_count_now("SELECT 1 FROM medallion._sweeps WHERE sweep_id OPERATOR(pg_catalog.=) $1 AND state "
						 "OPERATOR(pg_catalog.=) ANY ('{queued,running}'::text[])", &args) != 0;
}

/* _sweep_is_alive(sweep_id): of a sweep that was seen to be under way, whether it is, or has come to its end since. */
MDL_FUNCTION(mdl_sweep_is_alive);
Datum
mdl_sweep_is_alive(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	mdl_sweep_lock_tag(&tag, PG_GETARG_INT64(0));
	if (LockHeldByMe(&tag, ExclusiveLock))
		PG_RETURN_BOOL(true);
	if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		PG_RETURN_BOOL(true);
	LockRelease(&tag, ShareLock, true);
	PG_RETURN_BOOL(!is_wanted_now(PG_GETARG_INT64(0)));
}

static void
give_up(int64 id)
{
	MdlArgs		args = {0};

	mdl_arg_int8(&args, id);
	mdl_run("UPDATE medallion._sweeps SET state = 'failed', finished_at = pg_catalog.clock_timestamp(), "
			"error = 'the process running it ended too often' WHERE sweep_id OPERATOR(pg_catalog.=) $1", &args, false);
}

/* Starts a coordinator for each sweep that should be running and is not; called by the scheduler. */
static void
continue_sweeps(void)
{
	uint64		rows;

	SPI_connect();
	rows = mdl_run("SELECT s.sweep_id, s.owner::pg_catalog.oid, s.starts, s.model FROM medallion._sweeps s "
				   "JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) s.owner::pg_catalog.oid AND r.rolcanlogin "
				   "WHERE s.state OPERATOR(pg_catalog.=) ANY ('{queued,running}'::text[]) AND s.created_at "
				   "OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) interval '" GRACE "') "
				   "AND NOT medallion._sweep_is_alive(s.sweep_id) ORDER BY s.sweep_id LIMIT 4", NULL, false);
	for (uint64 row = 0; row < rows; row++)
	{
		SPITupleTable *table = SPI_tuptable;
		int64		id = mdl_field_int8(row, 0);
		bool		is_null;
		Oid			owner = DatumGetObjectId(mdl_field(row, 1, &is_null));

		if (DatumGetInt32(mdl_field(row, 2, &is_null)) >= MAX_STARTS)
			give_up(id);
		else if (mdl_task_launch(MDL_LIBRARY_ML, "mdl_sweep_task", psprintf(INT64_FORMAT, id), owner,
								 psprintf("medallion sweep of %s", mdl_field_text(row, 3)), true) == NULL)
			break;				/* no slot: again at the next tick */
		SPI_tuptable = table;
	}
	SPI_finish();
}

void
mdl_registry_init(void)
{
	mdl_scheduler_tick_register("sweeps", continue_sweeps, 5000);
}
