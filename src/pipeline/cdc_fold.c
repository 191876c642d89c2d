/*
 * cdc_fold.c: what the events of one key come to: its row in the target, or its versions, and what the state keeps.
 *
 * All that is known of the key is applied once more in the order of the events, so that it does not matter which of it is
 * new: a late event takes its place among the others, a repeated one changes nothing.
 */
#include "pipeline/cdc_int.h"

#include "miscadmin.h"

/* ---- both types ------------------------------------------------------------------------------------------------------------ */

/* Counts what is new but was known, or is older than what was. */
static void
count_new_events(MergeOutput *output, const MergeRow *rows, int count)
{
	const MergeRow *newest = NULL;

	for (int i = 0; i < count; i++)
		if (rows[i].origin == FROM_STATE)
			newest = &rows[i];
	for (int i = 0; i < count; i++)
	{
		const MergeRow *row = &rows[i];

		if (row->origin != FROM_EVENTS)
			continue;
		if (i > 0 && mdl_same_event(output->shape, row, &rows[i - 1]))
			output->applied->repeated++;
		else if (newest && mdl_compare_sequences(output->shape, row->sequence, newest->sequence) < 0)
			output->applied->late++;
	}
}

/*
 * Whether a row is to be as the target has it.  Values that are the same are taken from there, so that those which are
 * TOASTed are not stored again.
 */
static bool
is_as_before(const FlowShape *shape, MergeRow *row, const MergeRow *before)
{
	bool		same = true;

	for (int i = 0; i < shape->flow->column_count; i++)
	{
		if (mdl_same_value(&shape->columns[i], row->values[i], row->nulls[i], before->values[i], before->nulls[i]))
			row->values[i] = before->values[i];
		else
			same = false;
	}
	return same;
}

static MergeRow
empty_row(const FlowShape *shape)
{
	MergeRow	row = {.end_null = true};
	int			count = shape->flow->column_count;

	row.values = palloc0_array(Datum, count);
	row.nulls = palloc_array(bool, count);
	row.told = palloc0_array(bool, count);
	memset(row.nulls, true, count);
	return row;
}

/* Whether an event left out, as not known to it, a value that no other event tells. */
static bool
is_unresolved(const FlowShape *shape, const MergeRow *event, const bool *known)
{
	for (int i = 0; event->awaited && i < shape->flow->column_count; i++)
		if (event->awaited[i] && !known[i])
			return true;
	return false;
}

/* ---- type 1 ------------------------------------------------------------------------------------------------------------------ */

/* What applying the events of a key leaves. */
typedef struct Current
{
	bool		exists;
	int		   *winners;		/* (column_count) row that tells the value of a column; -1: none */
	int			newest_delete;	/* -1: none that matters */
} Current;

/* The row that the target has tells the columns that no event of the state does: it is older than all of them. */
static void
tell_rest(const FlowShape *shape, MergeRow *target, const MergeRow *rows, int count)
{
	for (int column = 0; column < shape->flow->column_count; column++)
	{
		target->told[column] = true;
		for (int i = 0; i < count && column >= shape->flow->key_count; i++)
			if (rows[i].origin == FROM_STATE && rows[i].kind == EVENT_UPSERT && rows[i].told[column])
				target->told[column] = false;
	}
}

static Current
apply_events(const MergeOutput *output, const MergeRow *rows, int count)
{
	const FlowShape *shape = output->shape;
	int			columns = shape->flow->column_count;
	Current		current = {.winners = palloc_array(int, columns), .newest_delete = -1};
	const Datum *truncate = output->truncate_count ? &output->truncates[output->truncate_count - 1] : NULL;

	memset(current.winners, -1, sizeof(int) * columns);
	for (int i = 0; i < count; i++)
	{
		if (rows[i].kind == EVENT_LOST || (truncate && (rows[i].oldest || mdl_compare_sequences(shape, rows[i].sequence, *truncate) <= 0)))
			continue;
		current.exists = rows[i].kind == EVENT_UPSERT;
		if (!current.exists)
		{
			memset(current.winners, -1, sizeof(int) * columns);
			current.newest_delete = i;
			continue;
		}
		for (int column = 0; column < columns; column++)
			if (rows[i].told[column])
				current.winners[column] = i;
	}
	return current;
}

/* What the state has to keep: the newest delete, and upserts with the columns that are theirs. */
static int
keep_events(const FlowShape *shape, const Current *current, const MergeRow *rows, int count, MergeRow *kept, bool *unchanged)
{
	int			columns = shape->flow->column_count;
	int			found = 0;

	for (int i = 0; i < count; i++)
	{
		MergeRow	row = rows[i];
		bool		has_any = false;

		if (row.oldest)
			continue;
		row.told = palloc0_array(bool, columns);
		for (int column = 0; column < columns; column++)
		{
			row.told[column] = row.kind == EVENT_UPSERT && current->exists && current->winners[column] == i;
			has_any |= row.told[column];
		}
		if (!has_any && i != current->newest_delete)
			continue;
		unchanged[i] = row.origin == FROM_STATE &&
			(row.kind == EVENT_DELETE || memcmp(row.told, rows[i].told, columns * sizeof(bool)) == 0);
		if (!unchanged[i])
			kept[found++] = row;
	}
	return found;
}

/* Rows of the state that are not kept make place for those that come, so that there are few writes. */
static void
write_state(MergeOutput *output, const MergeRow *rows, int count, const bool *unchanged, MergeRow *kept, int kept_count)
{
	int			next = 0;

	for (int i = 0; i < count; i++)
	{
		ItemPointerData place = rows[i].place;

		if (rows[i].origin != FROM_STATE || unchanged[i])
			continue;
		if (next < kept_count)
			mdl_put_state(output, output->state_updates, &place, &kept[next++]);
		else
			mdl_put_state(output, output->state_deletes, &place, &rows[i]);
	}
	while (next < kept_count)
		mdl_put_state(output, output->state_inserts, NULL, &kept[next++]);
}

static void
merge_current(MergeOutput *output, MergeRow *rows, int count)
{
	const FlowShape *shape = output->shape;
	int			columns = shape->flow->column_count;
	MergeRow   *kept = palloc_array(MergeRow, count);
	bool	   *unchanged = palloc0_array(bool, count);
	bool	   *known = palloc_array(bool, columns);
	MergeRow	row = empty_row(shape);
	const MergeRow *target;
	Current		current;
	int			kept_count = 0;

	/* Without a row in the target the values of the state are gone; deletes are known all the same. */
	target = rows[0].origin == FROM_TARGET ? &rows[0] : NULL;
	for (int i = 0; i < count && target == NULL; i++)
		if (rows[i].origin == FROM_STATE && rows[i].kind == EVENT_UPSERT)
			rows[i].kind = EVENT_LOST;
	if (target)
		tell_rest(shape, &rows[0], rows, count);
	mdl_sort_events(shape, rows, count);
	target = rows[0].origin == FROM_TARGET ? &rows[0] : NULL;
	count_new_events(output, rows, count);
	current = apply_events(output, rows, count);

	kept_count = keep_events(shape, &current, rows, count, kept, unchanged);
	write_state(output, rows, count, unchanged, kept, kept_count);
	for (int i = 0; i < columns; i++)
	{
		known[i] = current.winners[i] >= 0;
		if (!known[i])
			continue;
		row.values[i] = rows[current.winners[i]].values[i];
		row.nulls[i] = rows[current.winners[i]].nulls[i];
	}
	if (!current.exists && target)
		mdl_put_target(output, output->target_deletes, (ItemPointer) &target->place, target);
	if (!current.exists)
		return;
	if (target == NULL || !is_as_before(shape, &row, target))
	{
		for (int i = 0; i < count; i++)
			if (is_unresolved(shape, &rows[i], known))
			{
				output->applied->unresolved++;
				break;
			}
		mdl_put_target(output, target ? output->target_updates : output->target_inserts,
					   target ? (ItemPointer) &target->place : NULL, &row);
	}
}

/* ---- type 2 ------------------------------------------------------------------------------------------------------------------ */

typedef struct Versions
{
	MergeRow   *list;			/* by start */
	int			count;
	bool		open;			/* the last one has no end */
	bool	   *known;			/* (column_count) of the open one: some event told the value */
	int			next_truncate;
} Versions;

/* Ends the open version; one that began at the same moment was never there. */
static void
end_version(const FlowShape *shape, Versions *versions, Datum sequence)
{
	MergeRow   *last;

	if (!versions->open)
		return;
	versions->open = false;
	last = &versions->list[versions->count - 1];
	last->end = sequence;
	last->end_null = false;
	if (mdl_compare_sequences(shape, last->sequence, sequence) == 0)
		versions->count--;
}

static void
end_at_truncates(const MergeOutput *output, Versions *versions, const MergeRow *before)
{
	while (versions->next_truncate < output->truncate_count)
	{
		Datum		sequence = output->truncates[versions->next_truncate];

		if (before && mdl_compare_sequences(output->shape, sequence, before->sequence) >= 0)
			return;
		if (!versions->open || mdl_compare_sequences(output->shape, sequence, versions->list[versions->count - 1].sequence) >= 0)
			end_version(output->shape, versions, sequence);
		versions->next_truncate++;
	}
}

static void
apply_upsert(MergeOutput *output, Versions *versions, const MergeRow *event)
{
	const FlowShape *shape = output->shape;
	int			columns = shape->flow->column_count;
	MergeRow	row = empty_row(shape);
	MergeRow   *last = versions->open ? &versions->list[versions->count - 1] : NULL;
	bool		differs = last == NULL;

	if (last == NULL)
		memset(versions->known, false, columns);
	for (int i = 0; i < columns; i++)
	{
		const MergeRow *teller = event->told[i] ? event : last;

		versions->known[i] |= event->told[i];
		if (teller)
		{
			row.values[i] = teller->values[i];
			row.nulls[i] = teller->nulls[i];
		}
		if (last && shape->columns[i].tracked &&
			!mdl_same_value(&shape->columns[i], row.values[i], row.nulls[i], last->values[i], last->nulls[i]))
			differs = true;
	}
	if (last && (!differs || mdl_compare_sequences(shape, last->sequence, event->sequence) == 0))
	{
		last->values = row.values;
		last->nulls = row.nulls;
		return;
	}
	end_version(shape, versions, event->sequence);
	row.sequence = event->sequence;
	versions->list[versions->count++] = row;
	versions->open = true;
	if (is_unresolved(shape, event, versions->known))
		output->applied->unresolved++;
}

/* Writes the versions that the target does not have as they should be; those of the target come by start. */
static void
write_versions(MergeOutput *output, const Versions *versions, MergeRow *present, int present_count)
{
	const FlowShape *shape = output->shape;
	int			i = 0;
	int			j = 0;

	while (i < versions->count || j < present_count)
	{
		MergeRow   *wanted = i < versions->count ? &versions->list[i] : NULL;
		MergeRow   *found = j < present_count ? &present[j] : NULL;
		int			order = wanted == NULL ? 1 : found == NULL ? -1
			: mdl_compare_sequences(shape, wanted->sequence, found->sequence);

		if (order > 0)
			mdl_put_target(output, output->target_deletes, &found->place, found);
		else if (order < 0)
			mdl_put_target(output, output->target_inserts, NULL, wanted);
		else if (!is_as_before(shape, wanted, found) ||
				 !mdl_same_value(&shape->sequence, wanted->end, wanted->end_null, found->end, found->end_null))
			mdl_put_target(output, output->target_updates, &found->place, wanted);
		i += order <= 0;
		j += order >= 0;
	}
}

static void
merge_versions(MergeOutput *output, MergeRow *rows, int count)
{
	const FlowShape *shape = output->shape;
	Versions	versions = {.list = palloc_array(MergeRow, count + 1), .known = palloc0_array(bool, shape->flow->column_count)};
	MergeRow   *events;
	int			present = 0;
	int			event_count;

	while (present < count && rows[present].origin == FROM_TARGET)
		present++;
	events = rows + present;
	event_count = count - present;
	mdl_sort_events(shape, rows, present);
	mdl_sort_events(shape, events, event_count);
	count_new_events(output, events, event_count);
	for (int i = 0; i < event_count; i++)
	{
		MergeRow   *event = &events[i];

		if ((i & 1023) == 1023)
			CHECK_FOR_INTERRUPTS();
		if (event->origin == FROM_EVENTS && i > 0 && mdl_same_event(shape, event, &events[i - 1]))
			continue;
		if (event->origin == FROM_EVENTS)
			mdl_put_state(output, output->state_inserts, NULL, event);
		end_at_truncates(output, &versions, event);
		if (event->kind == EVENT_UPSERT)
			apply_upsert(output, &versions, event);
		else
			end_version(shape, &versions, event->sequence);
	}
	end_at_truncates(output, &versions, NULL);
	write_versions(output, &versions, rows, present);
}

/* ---- one key ----------------------------------------------------------------------------------------------------------------- */

/* Rows of the target come first. */
void
mdl_merge_key(MergeOutput *output, MergeRow *rows, int count)
{
	if (output->shape->flow->scd_type == 2)
		merge_versions(output, rows, count);
	else
		merge_current(output, rows, count);
}
