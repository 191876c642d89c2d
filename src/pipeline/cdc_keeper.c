/*
 * cdc_keeper.c: tables that changes are applied to, as medallion.refresh, its workers and schedules see them; see keeper.c.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"

#include "executor/spi.h"
#include "utils/lsyscache.h"

/* All of them. */
static List *
flow_targets(void)
{
	MemoryContext context = CurrentMemoryContext;
	MdlUser		saved;
	List	   *targets = NIL;
	uint64		rows;

	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT target::pg_catalog.oid FROM medallion._flows ORDER BY flow_id", NULL, false);
	mdl_owner_end(&saved);
	for (uint64 i = 0; i < rows; i++)
	{
		Oid			target = DatumGetObjectId(mdl_field(i, 0, NULL));
		MemoryContext old = MemoryContextSwitchTo(context);

		targets = lappend_oid(targets, target);
		MemoryContextSwitchTo(old);
	}
	return targets;
}

static List *
flow_sources(Oid target)
{
	Flow	   *flow = mdl_flow_find(target);

	return flow && OidIsValid(flow->source) && get_rel_name(flow->source) != NULL ? list_make1_oid(flow->source) : NIL;
}

static void
flow_refresh(Oid target, bool rebuild, MdlKeptOutcome *outcome)
{
	Applied		applied = mdl_flow_apply(target, rebuild ? READ_ALL : READ_NEW);

	outcome->mode = applied.mode;
	outcome->reason = applied.reason;
	outcome->inserted = applied.published.inserted;
	outcome->updated = applied.published.updated;
	outcome->deleted = applied.published.deleted;
	outcome->dropped = applied.dropped;
	outcome->rejected = applied.quarantined;
	outcome->judged = applied.judged;
	outcome->is_idle = mdl_applied_nothing(&applied);
}

static DerivedTable *
flow_described(Oid target)
{
	return mdl_flow_as_table(mdl_flow_find(target));
}

static const MdlKeeperKind flow_kind = {
	.name = "flow",
	.targets = flow_targets,
	.sources = flow_sources,
	.refresh = flow_refresh,
	.described = flow_described,
	.judge = mdl_flow_judge
};

void
mdl_flows_init(void)
{
	mdl_keeper_kind_register(&flow_kind);
}
