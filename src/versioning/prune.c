/*
 * prune.c: removing the past that nobody needs to read any more.
 *
 * Of a history, rows that died before the commit of the horizon go: the state as of the horizon and all later ones stay,
 * and so do the old images of what the horizon's own commit changed.  For the log see prune_log.c.
 *
 * Rows are deleted one by one and vacuumed away like any others: nobody waits, whoever reads with an older snapshot finds
 * them, and the space is used again by the rows to come.  A partition per range of deaths could be dropped at once, but
 * takes ACCESS EXCLUSIVE for it, makes each look-up search as many indexes as there are partitions, and stands in the way
 * of writers that have not got their number.  The block range index on death leads to the blocks that hold such rows,
 * so what is recent is not read.
 */
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/versioning.h"

#include "access/brin.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

bool
mdl_prune_lock(bool wait)
{
	static const char *const tables[] = {MDL_TAGS_TABLE, MDL_PINS_TABLE};

	for (int i = 0; i < lengthof(tables); i++)
	{
		Oid			relid = mdl_history_relation(tables[i], false);

		if (wait)
			LockRelationOid(relid, ShareRowExclusiveLock);
		else if (!ConditionalLockRelationOid(relid, ShareRowExclusiveLock))
			return false;
	}
	return true;
}

/* ---- what is to go ------------------------------------------------------------------------------------------------ */

/* The index on death alone; NULL if there is none any more. */
static Relation
death_index(Relation history)
{
	List	   *indexes = RelationGetIndexList(history);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_rel->relam == BRIN_AM_OID && index->rd_index->indkey.values[0] == MDL_DIED_ATTNO &&
			index->rd_index->indisvalid)
			return index;
		index_close(index, AccessShareLock);
	}
	return NULL;
}

static void
add_block(MdlPrunePlan *plan, int *allocated, BlockNumber block)
{
	if (plan->nranges > 0 && plan->ranges[plan->nranges - 1][1] + 1 == block)
	{
		plan->ranges[plan->nranges - 1][1] = block;
		return;
	}
	if (plan->nranges == *allocated)
	{
		*allocated *= 2;
		plan->ranges = repalloc_huge(plan->ranges, *allocated * sizeof(*plan->ranges));
	}
	plan->ranges[plan->nranges][0] = plan->ranges[plan->nranges][1] = block;
	plan->nranges++;
}

/* Asks the index which blocks may hold rows that died before plan->high. */
static void
find_blocks_by_index(MdlPrunePlan *plan, Relation index, BlockNumber nblocks)
{
	TIDBitmap  *bitmap = tbm_create(work_mem * (Size) 1024, NULL);
	IndexScanDesc scan = index_beginscan_bitmap(index, GetActiveSnapshot(), 1);
	TBMIterator *iterator;
	TBMIterateResult *page;
	ScanKeyData key;
	int			allocated = 16;

	ScanKeyEntryInitialize(&key, 0, 1, BTLessStrategyNumber, INT8OID, InvalidOid, F_INT8LT, Int64GetDatum(plan->high));
	index_rescan(scan, &key, 1, NULL, 0);
	index_getbitmap(scan, bitmap);
	index_endscan(scan);
	plan->ranges = palloc(allocated * sizeof(*plan->ranges));
	iterator = tbm_begin_iterate(bitmap);
	while ((page = tbm_iterate(iterator)) != NULL)
		if (page->blockno < nblocks)
			add_block(plan, &allocated, page->blockno);
	tbm_end_iterate(iterator);
	tbm_free(bitmap);
}

static void
find_blocks(MdlPrunePlan *plan)
{
	Relation	history = table_open(plan->history, AccessShareLock);
	BlockNumber nblocks = RelationGetNumberOfBlocks(history);
	Relation	index = death_index(history);

	if (index != NULL)
	{
		plan->index = RelationGetRelid(index);
		plan->index_range = BrinGetPagesPerRange(index);
		find_blocks_by_index(plan, index, nblocks);
		index_close(index, NoLock);
	}
	else if (nblocks > 0)
	{
		plan->ranges = palloc(sizeof(*plan->ranges));
		plan->ranges[0][0] = 0;
		plan->ranges[0][1] = nblocks - 1;
		plan->nranges = 1;
	}
	table_close(history, NoLock);
}

bool
mdl_prune_commit_before(int64 version, MdlCommit *commit)
{
	return mdl_commit_at_version(version - 1, commit) && commit->version >= mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf);
}

static void
refuse_blocked(const MdlKept *kept, const char *blocker, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot prune the history of \"%s\": %s needs it", kept->name, blocker),
			 errhint("%s", hint)));
}

/* The horizon that a time means: the version of then, as far as it has ended and nothing holds it back. */
static int64
new_horizon(const MdlKept *kept, TimestampTz cutoff, bool insist, char **blocked_by)
{
	MdlCommit	commit;
	int64		wanted;
	int64		held;
	char	   *hint;

	*blocked_by = NULL;
	if (!mdl_commit_at_time(cutoff, &commit))
		return kept->readable_from;
	wanted = Min(commit.version, mdl_commit_wait());
	if (kept->readable_from == 0 || wanted <= kept->readable_from)
		return kept->readable_from;
	*blocked_by = mdl_kept_blocker(kept->table_id, kept->readable_from, wanted, &held, &hint);
	if (*blocked_by == NULL)
		return wanted;
	if (insist)
		refuse_blocked(kept, *blocked_by, hint);
	return held;
}

MdlPrunePlan *
mdl_prune_plan(const MdlKept *kept, TimestampTz cutoff, bool insist, bool dry_run)
{
	MdlPrunePlan *plan = palloc0(sizeof(MdlPrunePlan));
	const MdlPoint *point;
	MdlCommit	before;

	plan->context = CurrentMemoryContext;
	plan->table_id = kept->table_id;
	plan->name = pstrdup(kept->name);
	plan->history = kept->history;
	plan->readable_from = new_horizon(kept, cutoff, insist, &plan->blocked_by);
	/* What was published may not have been deleted: a worker was stopped in between. */
	if (plan->readable_from <= kept->readable_from && kept->pruned_to == 0)
		return plan;
	if (plan->readable_from > kept->readable_from && !dry_run)
		mdl_horizon_publish(kept->table_id, kept->history, plan->readable_from);
	if (!mdl_prune_commit_before(plan->readable_from, &before))
		return plan;
	point = mdl_point_resolve(before.version, NULL);
	plan->high = point->high;
	plan->nexceptions = point->nexceptions;
	plan->exceptions = palloc(Max(point->nexceptions, 1) * sizeof(int64));
	memcpy(plan->exceptions, point->exceptions, point->nexceptions * sizeof(int64));
	find_blocks(plan);
	return plan;
}

/* ---- deleting ----------------------------------------------------------------------------------------------------- */

static bool
goes(const MdlPrunePlan *plan, int64 died)
{
	if (died >= plan->high)
		return false;
	for (int i = 0; i < plan->nexceptions; i++)
		if (plan->exceptions[i] == died)
			return false;
	return true;
}

/* Deletes one row; whoever deleted it at the same time (an erasure) has done it. */
static void
delete_row(MdlPrunePlan *plan, Relation history, TupleTableSlot *slot, Snapshot snapshot)
{
	TM_FailureData failure;
	ItemPointerData tid = slot->tts_tid;

	if (table_tuple_delete(history, &tid, GetCurrentCommandId(true), snapshot, InvalidSnapshot, true, &failure, false) != TM_Ok)
		return;
	plan->rows++;
}

static void
add_stale(MdlPrunePlan *plan, BlockNumber first)
{
	if (plan->stale == NULL)
	{
		plan->stale_allocated = 64;
		plan->stale = MemoryContextAlloc(plan->context, plan->stale_allocated * sizeof(BlockNumber));
	}
	if (plan->nstale == plan->stale_allocated)
		plan->stale = repalloc(plan->stale, (plan->stale_allocated *= 2) * sizeof(BlockNumber));
	plan->stale[plan->nstale++] = first;
}

static void
prune_blocks(MdlPrunePlan *plan, Relation history, BlockNumber first, BlockNumber last, bool dry_run)
{
	Snapshot	snapshot = GetActiveSnapshot();
	TupleTableSlot *slot = table_slot_create(history, NULL);
	ItemPointerData from,
				to;
	TableScanDesc scan;
	int64		before = plan->rows;

	ItemPointerSet(&from, first, FirstOffsetNumber);
	ItemPointerSet(&to, last, MaxOffsetNumber);
	scan = table_beginscan_tidrange(history, snapshot, &from, &to);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		bool		is_null;

		CHECK_FOR_INTERRUPTS();
		if (!goes(plan, DatumGetInt64(slot_getattr(slot, MDL_DIED_ATTNO, &is_null))))
			continue;
		plan->bytes += MAXALIGN(((HeapTupleTableSlot *) slot)->tuple->t_len) + sizeof(ItemIdData);
		if (dry_run)
			plan->rows++;
		else
			delete_row(plan, history, slot, snapshot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (plan->rows == before && OidIsValid(plan->index) && first % plan->index_range == 0)
		add_stale(plan, first);
}

/* Block by block range of the index, to see in which there was nothing. */
static void
prune_range(MdlPrunePlan *plan, Relation history, BlockNumber first, BlockNumber last, bool dry_run)
{
	BlockNumber step = OidIsValid(plan->index) ? plan->index_range : last - first + 1;

	while (first <= last)
	{
		BlockNumber end = Min(first - first % step + step - 1, last);

		prune_blocks(plan, history, first, end, dry_run);
		first = end + 1;
	}
}

void
mdl_prune_refresh_index(MdlPrunePlan *plan)
{
	MdlUser		user;

	if (plan->nstale == 0)
		return;
	/* The functions take the same lock, and would wait for a vacuum. */
	if (ConditionalLockRelationOid(plan->history, ShareUpdateExclusiveLock))
	{
		mdl_owner_begin(&user);
		for (int i = 0; i < plan->nstale && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(plan->index)); i++)
		{
			DirectFunctionCall2(brin_desummarize_range, ObjectIdGetDatum(plan->index), Int64GetDatum(plan->stale[i]));
			DirectFunctionCall2(brin_summarize_range, ObjectIdGetDatum(plan->index), Int64GetDatum(plan->stale[i]));
			CHECK_FOR_INTERRUPTS();
		}
		mdl_owner_end(&user);
	}
	plan->nstale = 0;
}

bool
mdl_prune_some(MdlPrunePlan *plan, BlockNumber blocks, bool dry_run)
{
	Relation	history;
	BlockNumber done = 0;

	if (plan->nranges == 0)
		return false;
	/* It may have been dropped since. */
	history = try_relation_open(plan->history, dry_run ? AccessShareLock : RowExclusiveLock);
	if (history == NULL)
		return false;
	while (plan->nranges > 0 && (blocks == 0 || done < blocks))
	{
		BlockNumber *range = plan->ranges[plan->nranges - 1];
		BlockNumber last = range[1];
		BlockNumber first = range[0];

		/* From the end, so that what is left is the plan again. */
		if (blocks > 0 && last - first >= blocks - done)
			first = last - (blocks - done) + 1;
		if (OidIsValid(plan->index))
			first = Max(first - first % plan->index_range, range[0]);
		prune_range(plan, history, first, last, dry_run);
		done += last - first + 1;
		if (first == range[0])
			plan->nranges--;
		else
			range[1] = first - 1;
	}
	relation_close(history, NoLock);
	return plan->nranges > 0;
}

/* ---- prune_history() ---------------------------------------------------------------------------------------------- */

/* The histories that the caller asks for and may prune. */
static List *
wanted_histories(bool given, Oid relid)
{
	List	   *result = NIL;
	ListCell   *cell;

	if (given)
	{
		relid = mdl_table_get(relid)->root;
		mdl_require_table_owner(relid);
	}
	foreach(cell, mdl_kept_histories())
	{
		MdlKept    *kept = lfirst(cell);

		if (given ? kept->relid == relid : OidIsValid(kept->relid) && pg_class_ownercheck(kept->relid, GetUserId()))
			result = lappend(result, kept);
	}
	return result;
}

/* Prunes one history in this transaction and answers for it. */
static void
prune_now(const MdlKept *kept, const Interval *older_than, bool one, bool dry_run, ReturnSetInfo *result)
{
	TimestampTz cutoff;
	MdlPrunePlan *plan;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (older_than != NULL)
		cutoff = mdl_cutoff_before_now(older_than);
	else if (!mdl_kept_cutoff(kept, &cutoff))
	{
		if (one)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the history of \"%s\" is kept for ever", kept->name),
					 errhint("Give older_than, or set a time with medallion.set_retention().")));
		return;
	}
	plan = mdl_prune_plan(kept, cutoff, older_than != NULL && !dry_run, dry_run);
	mdl_prune_some(plan, 0, dry_run);
	if (!dry_run && plan->readable_from > kept->readable_from)
		mdl_prune_changes(plan->table_id, plan->readable_from, 0);
	values[0] = ObjectIdGetDatum(kept->relid);
	values[1] = Int64GetDatum(plan->readable_from);
	values[2] = Int64GetDatum(plan->rows);
	values[3] = Int64GetDatum(plan->bytes);
	nulls[4] = plan->blocked_by == NULL;
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(plan->blocked_by);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* prune_history(relation, older_than, dry_run) */
MDL_FUNCTION(mdl_prune_history);
Datum
mdl_prune_history(PG_FUNCTION_ARGS)
{
	bool		one = !PG_ARGISNULL(0);
	Interval   *older_than = PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1);
	bool		dry_run = mdl_required_bool(fcinfo, 2, "dry_run");
	MdlClock	clock;
	List	   *histories;
	ListCell   *cell;

	mdl_refuse_while_travelling("prune_history()");
	InitMaterializedSRF(fcinfo, 0);
	if (!one && !mdl_clock_read(&clock))
		PG_RETURN_NULL();
	if (!dry_run && IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("history cannot be pruned in a transaction of isolation level REPEATABLE READ or above"),
				 errhint("Prune in a transaction of its own.")));
	(void) wanted_histories(one, one ? PG_GETARG_OID(0) : InvalidOid);
	if (!dry_run)
		(void) mdl_prune_lock(true);
	mdl_capture_show();
	(void) mdl_commit_wait();
	PushActiveSnapshot(GetLatestSnapshot());
	histories = wanted_histories(one, one ? PG_GETARG_OID(0) : InvalidOid);
	foreach(cell, histories)
		prune_now(lfirst(cell), older_than, one, dry_run, (ReturnSetInfo *) fcinfo->resultinfo);
	if (!dry_run && histories != NIL)
	{
		mdl_prune_log_plan();
		mdl_prune_log(mdl_prune_log_low(), 0);
	}
	PopActiveSnapshot();
	PG_RETURN_NULL();
}
