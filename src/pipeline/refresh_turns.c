/*
 * refresh_turns.c: what a call of medallion.refresh knows of its tables while they are done one by one, each with its own fate.
 *
 * A table has its *turn* when all derived tables that it reads have ended.  What fails keeps those back that read it, directly
 * or not, and nobody else.  Who does the work is no matter here: workers (refresh_workers.c), or the session (refresh_all.c).
 */
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "base/progress.h"

#include "utils/timestamp.h"

/*
 * A table that a rule compares with another (relationships) is done after it, so that it is judged by what that one has become.
 * That is a matter of order alone: the other may fail.
 */
static void
read_comparisons(Call *call)
{
	MdlUser		saved;
	uint64		rows;
	MemoryContext context = CurrentMemoryContext;

	mdl_owner_begin(&saved);
	rows = mdl_run("SELECT target::pg_catalog.oid, reference::pg_catalog.oid FROM medallion._expectations"
				   " WHERE reference OPERATOR(pg_catalog.<>) target", NULL, false);
	mdl_owner_end(&saved);
	for (uint64 i = 0; i < rows; i++)
	{
		Turn	   *turn = mdl_turn_of(call, DatumGetObjectId(mdl_field(i, 0, NULL)));
		Oid			other = DatumGetObjectId(mdl_field(i, 1, NULL));
		MemoryContext old = MemoryContextSwitchTo(context);

		if (turn && mdl_turn_of(call, other))
			turn->compared = list_append_unique_oid(turn->compared, other);
		MemoryContextSwitchTo(old);
	}
}

static bool
all_reached(Call *call, const List *relids, const bool *reached)
{
	ListCell   *cell;

	foreach(cell, relids)
	{
		Turn	   *turn = mdl_turn_of(call, lfirst_oid(cell));

		if (turn && !reached[turn - call->turns])
			return false;
	}
	return true;
}

/* Whether there is an order in which each comes after what it reads and what it is compared with. */
static bool
can_be_ordered(Call *call)
{
	bool	   *reached = palloc0_array(bool, Max(call->count, 1));
	int			count = 0;

	for (int before = -1; before != count;)
	{
		before = count;
		for (int i = 0; i < call->count; i++)
			if (!reached[i] && all_reached(call, call->turns[i].sources, reached) && all_reached(call, call->turns[i].compared, reached))
			{
				reached[i] = true;
				count++;
			}
	}
	return count == call->count;
}

void
mdl_turns_plan(Call *call, Oid target)
{
	List	   *order = mdl_refresh_plan(target);
	List	   *tables = mdl_kept_tables();
	ListCell   *cell;

	call->target = target;
	call->turns = palloc0_array(Turn, Max(list_length(order), 1));
	foreach(cell, order)
	{
		DerivedTable *table = lfirst(cell);
		Turn	   *turn = &call->turns[call->count++];

		turn->target = table->target;
		turn->name = mdl_display_name(table->target);
		turn->sources = mdl_derived_sources(tables, table);
	}
	read_comparisons(call);
	call->are_tied = !can_be_ordered(call);
	for (int i = 0; i < call->count && call->are_tied; i++)
		call->turns[i].compared = NIL;
}

void
mdl_turn_end(Call *call, Turn *turn, TurnState state, const char *mode, const char *reason)
{
	turn->state = state;
	turn->outcome.mode = mode;
	turn->outcome.reason = reason;
	mdl_progress_update(++call->ended);
}

void
mdl_turn_failed(Call *call, Turn *turn, const char *reason, int sqlstate)
{
	turn->sqlstate = sqlstate;
	mdl_turn_end(call, turn, TURN_FAILED, "failed", reason);
	ereport(WARNING,
			(errmsg("\"%s\" was not refreshed: %s", turn->name, reason)));
}

Turn *
mdl_turn_of(Call *call, Oid target)
{
	for (int i = 0; i < call->count; i++)
		if (call->turns[i].target == target)
			return &call->turns[i];
	return NULL;
}

bool
mdl_turn_is_ready(Call *call, Turn *turn)
{
	Turn	   *failed = NULL;
	ListCell   *cell;

	foreach(cell, turn->sources)
	{
		Turn	   *source = mdl_turn_of(call, lfirst_oid(cell));

		if (source == NULL || source->state == TURN_DONE)
			continue;
		if (source->state != TURN_FAILED)
			return false;
		failed = source;
	}
	if (failed)
	{
		turn->started = GetCurrentTimestamp();
		mdl_turn_end(call, turn, TURN_FAILED, "skipped", psprintf("reads \"%s\", which was not refreshed", failed->name));
	}
	else if (!mdl_may_refresh(turn->target))
		mdl_turn_end(call, turn, TURN_DONE, "skipped", "belongs to another role");
	return turn->state == TURN_WAITING;
}

void
mdl_turns_return(Call *call, ReturnSetInfo *set)
{
	for (int i = 0; i < call->count; i++)
	{
		Turn	   *turn = &call->turns[i];

		if (turn->state == TURN_FAILED && !turn->is_recorded && mdl_may_refresh(turn->target))
			mdl_refresh_log_failure(turn->target, turn->outcome.mode, turn->outcome.reason, turn->sqlstate, turn->started);
		mdl_refresh_return(set, turn->target, &turn->outcome);
	}
}
