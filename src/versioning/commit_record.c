/*
 * commit_record.c: the record that a transaction leaves in the log when it commits.
 *
 * At pre-commit, after all triggers of the user, the transaction takes the commit lock, a number and a time, and writes
 * one row of commit_log and one row of commit_changes per table.
 */
#include "versioning/capture_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/rows_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static Datum
stamp_array(const int64 *stamps, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));
	ArrayType  *array;

	for (int i = 0; i < count; i++)
		values[i] = Int64GetDatum(stamps[i]);
	array = construct_array(values, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(values);
	return PointerGetDatum(array);
}

/* What the record must know of other transactions, read before the number is taken. */
typedef struct Others
{
	int64		low;			/* oldest id still running */
	int64		next;			/* ids from here on began later */
	int			count;
	int64	   *running;		/* (count), with room for more */
	int			allocated;
} Others;

static void
read_others(Others *others)
{
	Snapshot	snapshot = GetLatestSnapshot();

	others->low = mdl_stamp_near(snapshot->xmin, mdl_work.near_id, mdl_work.stamp_offset);
	others->next = mdl_stamp_near(snapshot->xmax, mdl_work.near_id, mdl_work.stamp_offset);
	others->count = 0;
	others->allocated = snapshot->xcnt + 64;
	others->running = palloc(others->allocated * sizeof(int64));
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		others->running[others->count++] = mdl_stamp_near(snapshot->xip[i], mdl_work.near_id, mdl_work.stamp_offset);
}

/* Ids given between the snapshot and the number may end on either side of it. */
static void
add_newcomers(Others *others, int64 high)
{
	for (int64 stamp = others->next; stamp < high; stamp++)
	{
		if (TransactionIdIsCurrentTransactionId((TransactionId) (stamp - mdl_work.stamp_offset)))
			continue;
		if (others->count == others->allocated)
		{
			others->allocated *= 2;
			others->running = repalloc_huge(others->running, others->allocated * sizeof(int64));
		}
		others->running[others->count++] = stamp;
	}
}

/*
 * Inserts a row of the log.  This is most of what a small transaction pays, so it goes straight to the indexes, whose
 * keys are plain columns.  The only partial one is that of the changes that were more than row changes: the writer knows
 * whether the row belongs there.
 */
static void
insert_record(Relation relation, const Datum *values, const bool *nulls, bool special)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(relation), (Datum *) values, (bool *) nulls);
	Oid			special_index = special ? InvalidOid : mdl_history_relation(MDL_CHANGES_SPECIAL, false);
	IndexInfo  *info = makeNode(IndexInfo);	/* a B-tree does not look at it */
	ListCell   *cell;

	simple_heap_insert(relation, tuple);
	foreach(cell, RelationGetIndexList(relation))
	{
		Relation	index;
		Datum		keys[INDEX_MAX_KEYS];
		bool		key_nulls[INDEX_MAX_KEYS];

		if (lfirst_oid(cell) == special_index)
			continue;
		index = index_open(lfirst_oid(cell), RowExclusiveLock);
		for (int i = 0; i < index->rd_index->indnatts; i++)
		{
			AttrNumber	column = index->rd_index->indkey.values[i];

			if (column <= 0)
				elog(ERROR, "index \"%s\" of the commit log is not one of its own", RelationGetRelationName(index));
			keys[i] = values[column - 1];
			key_nulls[i] = nulls[column - 1];
		}
		index_insert(index, keys, key_nulls, &tuple->t_self, relation,
					 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
		index_close(index, RowExclusiveLock);
	}
	heap_freetuple(tuple);
}

static void
write_log_row(const MdlClock *clock, const Others *others, int64 high)
{
	Relation	log = table_open(mdl_history_relation(MDL_LOG_TABLE, false), RowExclusiveLock);
	Datum		values[Natts_commit_log];
	bool		nulls[Natts_commit_log] = {false};
	TransactionId *children;
	char	   *role;
	int			nchildren = xactGetCommittedChildren(&children);

	values[Anum_commit_log_version - 1] = Int64GetDatum(clock->version);
	values[Anum_commit_log_committed_at - 1] = TimestampTzGetDatum(clock->last_time);
	values[Anum_commit_log_stamp - 1] = Int64GetDatum(mdl_work.own_stamp);
	nulls[Anum_commit_log_substamps - 1] = nchildren == 0 && mdl_work.claimed == NIL;
	if (nchildren > 0 || mdl_work.claimed != NIL)
	{
		int64	   *stamps = palloc((nchildren + list_length(mdl_work.claimed)) * sizeof(int64));
		int			count = 0;
		ListCell   *cell;

		foreach(cell, mdl_work.claimed)
			stamps[count++] = *(int64 *) lfirst(cell);
		for (int i = 0; i < nchildren; i++)
			stamps[count++] = mdl_stamp_near(children[i], mdl_work.near_id, mdl_work.stamp_offset);
		values[Anum_commit_log_substamps - 1] = stamp_array(stamps, count);
	}
	values[Anum_commit_log_low - 1] = Int64GetDatum(others->low);
	values[Anum_commit_log_high - 1] = Int64GetDatum(high);
	nulls[Anum_commit_log_in_flight - 1] = others->count == 0;
	if (others->count > 0)
		values[Anum_commit_log_in_flight - 1] = stamp_array(others->running, others->count);
	values[Anum_commit_log_settled - 1] = Int64GetDatum(clock->settled);
	/* A role may be dropped while it is connected. */
	role = GetUserNameFromId(GetOuterUserId(), true);
	values[Anum_commit_log_role_name - 1] = CStringGetTextDatum(role ? role : psprintf("%u", GetOuterUserId()));
	values[Anum_commit_log_application - 1] = CStringGetTextDatum(application_name ? application_name : "");
	values[Anum_commit_log_era - 1] = Int64GetDatum(clock->era);
	insert_record(log, values, nulls, false);
	table_close(log, NoLock);
}

/* Adds what the subtransactions that survived did; false if nothing is left of it. */
static bool
sum_levels(const MdlTableWork *work, MdlLevel *sum)
{
	for (int i = 0; i < work->nlevels; i++)
	{
		const MdlLevel *level = &work->levels[i];

		sum->inserted += level->inserted;
		sum->updated += level->updated;
		sum->deleted += level->deleted;
		sum->unchanged += level->unchanged;
		sum->born += level->born;
		sum->died += level->died;
		sum->uncounted |= level->uncounted;
		sum->tangled |= level->tangled;
		if (level->operation != NULL)
			mdl_level_operation(sum, level->operation);
	}
	/* A key that was deleted and inserted is an update. */
	sum->tangled |= sum->inserted > 0 && sum->deleted > 0 && (sum->operation == NULL || strcmp(sum->operation, "reconcile") != 0);
	return sum->operation != NULL || sum->inserted + sum->updated + sum->deleted + sum->unchanged > 0;
}

static const char *
operation_name(const MdlLevel *sum)
{
	int			kinds = (sum->inserted > 0) + (sum->updated + sum->unchanged > 0) + (sum->deleted > 0);

	if (sum->operation != NULL)
		return sum->operation;
	if (kinds > 1)
		return "write";
	return sum->inserted > 0 ? "insert" : sum->deleted > 0 ? "delete" : "update";
}

/* Where the rows of a table went: its file and the places there. */
static void
set_places(const MdlTableWork *work, Datum *values, bool *nulls)
{
	Relation	relation = OidIsValid(work->relid) ? try_relation_open(work->relid, AccessShareLock) : NULL;

	/* Dropped in this transaction: no row of it is left. */
	values[Anum_commit_changes_filenode - 1] = Int64GetDatum(relation ? relation->rd_node.relNode : InvalidOid);
	values[Anum_commit_changes_places - 1] = mdl_places_datum(&work->places, &nulls[Anum_commit_changes_places - 1]);
	/* The table may have got another file after its rows. */
	nulls[Anum_commit_changes_places - 1] |= relation != NULL && work->places.count > 0 &&
		work->filenode != relation->rd_node.relNode;
	if (relation != NULL)
		relation_close(relation, NoLock);
}

/* The same for all partitions that the transaction wrote to. */
static void
set_part_places(const MdlTableWork *first, Datum *values, bool *nulls)
{
	StringInfoData parts;

	initStringInfo(&parts);
	for (const MdlTableWork *work = first; work != NULL; work = work->next)
	{
		Relation	relation;

		if (work->table_id != first->table_id || !OidIsValid(work->relid))
			continue;
		relation = try_relation_open(work->relid, AccessShareLock);
		if (relation == NULL)
			continue;
		/* The partition may have got another file after its rows. */
		if (relation->rd_rel->relispartition && mdl_table_id(relation) == work->table_id)
			mdl_part_places_add(&parts, work->relid, relation->rd_node.relNode, &work->places,
								work->places.count > 0 && work->filenode != relation->rd_node.relNode);
		relation_close(relation, NoLock);
	}
	values[Anum_commit_changes_filenode - 1] = Int64GetDatum(0);
	values[Anum_commit_changes_places - 1] = mdl_part_places_datum(&parts);
}

/* Sums a table's work and that of all its partitions, which share one record; false if nothing is left of it. */
static bool
sum_parts(MdlTableWork *first, MdlLevel *sum, bool *partitioned)
{
	bool		any = false;

	memset(sum, 0, sizeof(MdlLevel));
	*partitioned = false;
	for (MdlTableWork *work = first; work != NULL; work = work->next)
	{
		if (work->table_id != first->table_id)
			continue;
		work->recorded = true;
		*partitioned |= work->partitioned;
		any |= sum_levels(work, sum);
	}
	return any;
}

static void
write_changes_rows(int64 version)
{
	Relation	changes = table_open(mdl_history_relation(MDL_CHANGES_TABLE, false), RowExclusiveLock);

	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
		mdl_state_follow(work);
	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
	{
		Datum		values[Natts_commit_changes];
		bool		nulls[Natts_commit_changes] = {false};
		MdlLevel	sum;
		bool		partitioned;

		if (work->recorded || !sum_parts(work, &sum, &partitioned))
			continue;
		values[Anum_commit_changes_table_id - 1] = Int32GetDatum(work->table_id);
		values[Anum_commit_changes_version - 1] = Int64GetDatum(version);
		values[Anum_commit_changes_operation - 1] = CStringGetTextDatum(operation_name(&sum));
		values[Anum_commit_changes_inserted - 1] = Int64GetDatum(sum.inserted);
		values[Anum_commit_changes_updated - 1] = Int64GetDatum(sum.updated);
		values[Anum_commit_changes_deleted - 1] = Int64GetDatum(sum.deleted);
		nulls[Anum_commit_changes_inserted - 1] = nulls[Anum_commit_changes_updated - 1] =
			nulls[Anum_commit_changes_deleted - 1] = sum.tangled;
		values[Anum_commit_changes_born - 1] = Int64GetDatum(sum.born);
		values[Anum_commit_changes_died - 1] = Int64GetDatum(sum.died);
		nulls[Anum_commit_changes_born - 1] = nulls[Anum_commit_changes_died - 1] = sum.uncounted;
		if (partitioned)
			set_part_places(work, values, nulls);
		else
			set_places(work, values, nulls);
		nulls[Anum_commit_changes_places - 1] |= mdl_work.claimed_anywhere;
		insert_record(changes, values, nulls, sum.operation != NULL);
	}
	table_close(changes, NoLock);
}

bool
mdl_record_needed(void)
{
	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
	{
		MdlLevel	sum = {0};

		if (sum_levels(work, &sum))
			return true;
	}
	return false;
}

/* Takes the number and writes the record; DESIGN: docs/architecture.md, "How versions work". */
void
mdl_record_write(void)
{
	MdlClock	clock;
	Others		others;
	int64		high;
	int64		settled;
	TimestampTz settled_time;

	PushActiveSnapshot(GetTransactionSnapshot());
	mdl_capture_flush();
	mdl_commit_lock();
	settled = mdl_commit_settled_hint(&settled_time);
	read_others(&others);
	mdl_clock_next(settled, settled_time, &clock);
	high = U64FromFullTransactionId(ReadNextFullTransactionId()) + mdl_work.stamp_offset;
	add_newcomers(&others, high);
	write_log_row(&clock, &others, high);
	write_changes_rows(clock.version);
	PopActiveSnapshot();
	mdl_work.recorded = true;
}

