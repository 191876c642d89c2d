/*
 * verify_task.c: reading in the background the rows of tables that got another file.
 *
 * After VACUUM FULL, CLUSTER or pg_upgrade the first question about the past of a table reads its rows once (see
 * table_state.c).  Where there is a scheduler that is done before anybody asks, and noted, so that sessions that cannot
 * write notes, those on standbys too, need not do it each.  A table with rows of unknown birth is noted as damaged.
 */
#include "versioning/commits_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/background.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define TICK_MILLISECONDS 5000

/* Relations whose file is not the noted one, found in catalogs alone. */
static List *
other_files(MemoryContext context)
{
	List	   *relids = NIL;
	MdlArgs		args = {0};
	MdlClock	clock;

	if (!OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)) || mdl_clock_restored() || !mdl_clock_read(&clock))
		return NIL;
	SPI_connect();
	mdl_arg_int8(&args, clock.era);
	mdl_arg_int8(&args, (int64) GetSystemIdentifier());
	mdl_run("SELECT c.oid FROM medallion_history.table_state s JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.relation::pg_catalog.oid"
			" WHERE s.era OPERATOR(pg_catalog.=) $1 AND c.relhastriggers GROUP BY c.oid, c.relfilenode"
			" HAVING NOT pg_catalog.bool_or(s.damaged) AND NOT pg_catalog.bool_or(s.system_id OPERATOR(pg_catalog.=) $2"
			" AND s.filenode OPERATOR(pg_catalog.=) c.relfilenode::pg_catalog.int8)", &args, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext saved = MemoryContextSwitchTo(context);

		relids = lappend_oid(relids, DatumGetObjectId(mdl_field(i, 0, NULL)));
		MemoryContextSwitchTo(saved);
	}
	SPI_finish();
	return relids;
}

extern MDL_EXPORT void mdl_verify_task(const char *argument);

void
mdl_verify_task(const char *argument)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "medallion verification", ALLOCSET_SMALL_SIZES);
	List	   *relids;
	ListCell   *cell;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	relids = other_files(context);
	PopActiveSnapshot();
	CommitTransactionCommand();
	foreach(cell, relids)
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (get_rel_name(lfirst_oid(cell)) != NULL && mdl_is_versioned(lfirst_oid(cell)))
			mdl_state_verify(lfirst_oid(cell));
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	MemoryContextDelete(context);
}

static void
verify_tick(void)
{
	static BackgroundWorkerHandle *running = NULL;
	pid_t		pid;
	MemoryContext saved;

	if (RecoveryInProgress() || (running != NULL && GetBackgroundWorkerPid(running, &pid) != BGWH_STOPPED) ||
		other_files(CurrentMemoryContext) == NIL)
		return;
	if (running != NULL)
		pfree(running);
	saved = MemoryContextSwitchTo(TopMemoryContext);
	running = mdl_task_launch(MDL_LIBRARY_CORE, "mdl_verify_task", "", GetUserId(), "medallion verification", true);
	MemoryContextSwitchTo(saved);
}

void
mdl_verify_init(void)
{
	mdl_scheduler_tick_register("verification of rewritten tables", verify_tick, TICK_MILLISECONDS);
}
