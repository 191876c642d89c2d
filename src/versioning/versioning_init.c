/*
 * versioning_init.c: hooks and callbacks of versioned tables.
 */
#include "versioning/commits_int.h"
#include "versioning/ddl_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"
#include "versioning/table_work_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "base/background.h"
#include "utils/timestamp.h"

#define HEARTBEAT_MILLISECONDS 1000

/*
 * Moves the clock along while nobody commits, and publishes what is settled: standbys cannot wait for commits, so they
 * answer for what was published.
 */
static void
heartbeat(void)
{
	MdlClock	clock;
	int64		settled;
	TimestampTz settled_time;

	if (!OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)) || mdl_clock_restored())
		return;
	settled = mdl_commit_settled_hint(&settled_time);
	mdl_clock_push(GetCurrentTimestamp(), settled, settled_time, &clock);
}

void
mdl_versioning_init(void)
{
	mdl_capture_init();
	mdl_rebirth_init();
	mdl_drop_init();
	mdl_ddl_init();
	mdl_past_expand_init();
	mdl_past_run_init();
	mdl_travel_refuse_init();
	mdl_retention_init();
	mdl_verify_init();
	mdl_scheduler_tick_register("versioning heartbeat", heartbeat, HEARTBEAT_MILLISECONDS);
}
