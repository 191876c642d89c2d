/*
 * commit_clock.c: the number and the time of commits.
 *
 * Both live in the single row of medallion_history.commit_clock, which is changed in place, like a sequence, and logged
 * each time: so they survive a crash, reach standbys, serve every backend with or without preloading, and do not roll
 * back (numbers may have gaps).  The page lock makes number and time one step; nobody holds it for longer than that.
 *
 * The *commit lock* is RowExclusiveLock on this table, held from before the number is taken until the transaction has
 * ended, that is, has become visible.  It does not block other committers.  Who wants a version to be final waits for
 * the holders, as CREATE INDEX CONCURRENTLY does, and does not queue in front of new ones.
 */
#include "versioning/commits_int.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

/* How often a backend looks for what is settled without being asked, in microseconds. */
#define SETTLED_HINT_INTERVAL 10000

static bool read_clock(MdlClock *clock, bool *restored);

/*
 * Finds the one live row on the page; its columns are fixed-length and not null, so they are a struct.  The row names the
 * transaction that wrote it: where that is another one, the row came through a dump and ids mean something else.
 */
static MdlClock *
clock_on_page(Page page, bool *restored)
{
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleHeader tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple = (HeapTupleHeader) PageGetItem(page, item);
		if ((tuple->t_infomask & HEAP_XMAX_INVALID) == 0)
			continue;
		*restored = HeapTupleHeaderGetRawXmin(tuple) != (TransactionId) ((MdlClock *) ((char *) tuple + tuple->t_hoff))->origin;
		return (MdlClock *) ((char *) tuple + tuple->t_hoff);
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("table medallion_history.%s must have one row", MDL_CLOCK_TABLE)));
	return NULL;				/* keep the compiler quiet */
}

/* Opens the clock and pins its page. */
static Buffer
clock_buffer(Relation relation)
{
	static Oid	filled = InvalidOid;	/* file that was seen to have the row */

	if (relation->rd_node.relNode != filled && RelationGetNumberOfBlocks(relation) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table medallion_history.%s is empty", MDL_CLOCK_TABLE)));
	filled = relation->rd_node.relNode;
	return ReadBuffer(relation, 0);
}

static void
refuse_restored(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the history of versioned tables was restored from a dump and has not been adopted yet"),
			 errhint("SELECT medallion.adopt_history() as a superuser; it takes about as long as copying the versioned tables.")));
}

/* The clock is made before its row comes: a dump is being restored. */
static bool
clock_is_empty(void)
{
	Oid			relid = mdl_history_relation(MDL_CLOCK_TABLE, true);
	Relation	relation = OidIsValid(relid) ? table_open(relid, AccessShareLock) : NULL;
	bool		empty = relation != NULL && RelationGetNumberOfBlocks(relation) == 0;

	if (relation != NULL)
		table_close(relation, NoLock);
	return empty;
}

bool
mdl_clock_restored(void)
{
	MdlClock	clock;
	bool		restored;

	return clock_is_empty() || (read_clock(&clock, &restored) && restored);
}

bool
mdl_clock_peek(MdlClock *clock)
{
	bool		restored;

	return read_clock(clock, &restored);
}

bool
mdl_clock_read(MdlClock *clock)
{
	bool		restored;

	if (!read_clock(clock, &restored))
		return false;
	if (restored)
		refuse_restored();
	return true;
}

static bool
read_clock(MdlClock *clock, bool *restored)
{
	Oid			relid = mdl_history_relation(MDL_CLOCK_TABLE, true);
	Relation	relation;
	Buffer		buffer;

	if (!OidIsValid(relid))
		return false;
	relation = table_open(relid, AccessShareLock);
	buffer = clock_buffer(relation);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	*clock = *clock_on_page(BufferGetPage(buffer), restored);
	UnlockReleaseBuffer(buffer);
	table_close(relation, NoLock);
	return true;
}

/* Changes the row in place.  `tick` gives a number and a time; else the clock is only pushed to `time`. */
static void
clock_change(bool tick, TimestampTz time, int64 settled, TimestampTz settled_time, MdlClock *result)
{
	Relation	relation = table_open(mdl_history_relation(MDL_CLOCK_TABLE, false), AccessShareLock);
	Buffer		buffer = clock_buffer(relation);
	GenericXLogState *state = GenericXLogStart(relation);
	MdlClock   *clock;
	bool		restored;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	clock = clock_on_page(GenericXLogRegisterBuffer(state, buffer, 0), &restored);
	if (restored)
		refuse_restored();
	if (tick)
	{
		clock->version++;
		clock->last_time = Max(time, clock->last_time + 1);
	}
	else
		clock->last_time = Max(time, clock->last_time);
	clock->settled = Max(settled, clock->settled);
	clock->settled_time = Max(settled_time, clock->settled_time);
	*result = *clock;
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	table_close(relation, NoLock);
}

void
mdl_clock_next(int64 settled, TimestampTz settled_time, MdlClock *clock)
{
	clock_change(true, GetCurrentTimestamp(), settled, settled_time, clock);
}

void
mdl_clock_push(TimestampTz time, int64 settled, TimestampTz settled_time, MdlClock *clock)
{
	if (RecoveryInProgress())
		elog(ERROR, "the commit clock cannot be changed during recovery");
	if (IsInParallelMode())
	{
		/* Publishing can wait; that no commit gets a time up to this one cannot. */
		if (!mdl_clock_read(clock) || time <= clock->last_time)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("time %s cannot be settled in a parallel worker", timestamptz_to_str(time)),
				 errhint("Mark the function that asks for it PARALLEL UNSAFE.")));
	}
	clock_change(false, time, settled, settled_time, clock);
}

static void
commit_lock_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_RELATION(*tag, MyDatabaseId, mdl_history_relation(MDL_CLOCK_TABLE, false));
}

void
mdl_commit_lock(void)
{
	LockRelationOid(mdl_history_relation(MDL_CLOCK_TABLE, false), RowExclusiveLock);
}

int64
mdl_commit_wait(void)
{
	MdlClock	clock;
	LOCKTAG		tag;
	int64		version;
	TimestampTz time;

	if (!mdl_clock_read(&clock))
		return 0;
	if (RecoveryInProgress())
		return clock.settled;
	if (clock.settled == clock.version)
	{
		/* No commit is under way, so no time up to the last one given or asked for can come any more. */
		if (clock.settled_time < clock.last_time)
			mdl_clock_push(DT_NOBEGIN, clock.settled, clock.last_time, &clock);
		return clock.settled;
	}
	version = clock.version;
	time = clock.last_time;

	/*
	 * A committer takes the lock before its number, so whoever has a number up to `version` and is not among the
	 * holders now has ended, and locks go after the transaction became visible.
	 */
	commit_lock_tag(&tag);
	WaitForLockers(tag, ShareLock, false);
	mdl_clock_push(DT_NOBEGIN, version, time, &clock);
	return version;
}

int64
mdl_commit_settled_at(const MdlClock *clock)
{
	LOCKTAG		tag;
	int			nholders;

	if (clock->settled == clock->version || RecoveryInProgress())
		return clock->settled;
	commit_lock_tag(&tag);
	pfree(GetLockConflicts(&tag, ShareLock, &nholders));

	/* Whoever had a number when the clock was read and does not hold the lock now has ended. */
	return nholders == 0 ? clock->version : clock->settled;
}

int64
mdl_commit_settled_hint(TimestampTz *settled_time)
{
	/* What was numbered when these transactions held the commit lock is settled when none of them does any more. */
	static int64 pending_version = 0;
	static TimestampTz pending_time = DT_NOBEGIN;
	static int	npending = 0;
	static VirtualTransactionId pending[32];
	static TimestampTz last_look = DT_NOBEGIN;
	static Oid	pending_database = InvalidOid;

	TimestampTz now = GetCurrentTimestamp();
	MdlClock	clock;
	LOCKTAG		tag;
	VirtualTransactionId *holders;
	int			nholders;
	int64		settled = 0;
	bool		pending_ended = pending_version > 0 && pending_database == MyDatabaseId;

	*settled_time = DT_NOBEGIN;
	if (now >= last_look && now < last_look + SETTLED_HINT_INTERVAL)
		return 0;
	last_look = now;
	if (!mdl_clock_read(&clock))
		return 0;
	commit_lock_tag(&tag);
	holders = GetLockConflicts(&tag, ShareLock, &nholders);
	if (nholders == 0)
	{
		*settled_time = clock.last_time;
		settled = clock.version;
		pending_version = 0;
		pfree(holders);
		return settled;
	}
	for (int i = 0; i < npending && pending_ended; i++)
		for (int j = 0; j < nholders && pending_ended; j++)
			pending_ended = !VirtualTransactionIdEquals(pending[i], holders[j]);
	if (pending_ended)
	{
		settled = pending_version;
		*settled_time = pending_time;
	}
	if (pending_ended || pending_version == 0 || pending_database != MyDatabaseId)
	{
		pending_version = nholders <= lengthof(pending) ? clock.version : 0;
		pending_time = clock.last_time;
		pending_database = MyDatabaseId;
		npending = Min(nholders, (int) lengthof(pending));
		memcpy(pending, holders, npending * sizeof(VirtualTransactionId));
	}
	pfree(holders);
	return settled;
}
