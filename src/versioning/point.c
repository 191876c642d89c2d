/*
 * point.c: points in history, resolved and cached.
 *
 * The record of a commit holds what its transaction saw just before and after it took its number: `low`, below which
 * every id had ended, hence had a smaller number; `high`, from which on every id began later, hence gets a greater one;
 * and the ids in between that had not ended (of subtransactions too, if they began while the number was taken).  For each
 * of those the log tells on which side of the number its transaction ended up.
 * So a point is (low, high, exceptions), and a stamp belongs if it is below low, or below high and no exception.
 */
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The points used last; few are in use at a time. */
#define CACHED_POINTS 8

static struct
{
	MdlPoint	point;
	MemoryContext context;		/* of the exceptions; NULL: empty slot */
	Oid			database_clock; /* the clock the point belongs to: it is another after the log was made again */
	uint64		used;
}			cache[CACHED_POINTS];
static uint64 cache_uses = 0;

static int
compare_stamps(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

bool
mdl_stamp_runs(int64 stamp, int64 stamp_offset)
{
	/* Ids of an earlier era belong to another cluster; and one 2^31 old has ended, its bits may be another's. */
	return stamp > stamp_offset &&
		(int64) U64FromFullTransactionId(ReadNextFullTransactionId()) - (stamp - stamp_offset) < PG_INT32_MAX &&
		TransactionIdIsInProgress((TransactionId) (stamp - stamp_offset));
}

/* A growing array of stamps. */
typedef struct StampList
{
	int64	   *stamps;
	int			count;
	int			allocated;
} StampList;

static void
add_stamp(StampList *list, int64 stamp)
{
	if (list->count == list->allocated)
	{
		list->allocated = Max(2 * list->allocated, 16);
		list->stamps = list->stamps
			? repalloc_huge(list->stamps, list->allocated * sizeof(int64))
			: palloc(list->allocated * sizeof(int64));
	}
	list->stamps[list->count++] = stamp;
}

static void
sort_stamps(StampList *list)
{
	if (list->count > 1)
		qsort(list->stamps, list->count, sizeof(int64), compare_stamps);
}

static bool
has_stamp(const int64 *stamps, int count, int64 stamp)
{
	return count > 0 && bsearch(&stamp, stamps, count, sizeof(int64), compare_stamps) != NULL;
}

/*
 * Fills a point from its record.  An id in flight that has no record was rolled back, wrote no versioned table, or still
 * runs; in the last case the point must be resolved again later, for its subtransactions are not known yet.  Or it is the
 * id of a subtransaction, which belongs where its transaction belongs.  That one is in flight too, since it is older.
 */
static void
build_point(const MdlCommit *commit, const MdlClock *clock, MdlPoint *point)
{
	StampList	outside = {NULL, 0, 0};
	StampList	inside = {NULL, 0, 0};	/* subtransactions of what was in flight and got a smaller number */

	point->version = commit->version;
	point->low = commit->low;
	point->high = commit->high;
	point->stamp_offset = clock->stamp_offset;
	point->is_final = true;
	for (int i = 0; i < commit->nin_flight; i++)
	{
		int64		stamp = commit->in_flight[i];
		bool		running = mdl_stamp_runs(stamp, clock->stamp_offset);
		MdlCommit	other;
		bool		recorded;
		bool		belongs;

		/* In this order: what ends in between leaves its record before. */
		recorded = mdl_commit_of_stamp(stamp, &other);
		belongs = recorded && other.version <= commit->version;
		if (!belongs)
			add_stamp(&outside, stamp);
		if (!recorded && running)
			point->is_final = false;
		for (int j = 0; recorded && j < other.nsubstamps; j++)
			if (other.substamps[j] < point->high)
				add_stamp(belongs ? &inside : &outside, other.substamps[j]);
		CHECK_FOR_INTERRUPTS();
	}
	sort_stamps(&outside);
	sort_stamps(&inside);
	point->exceptions = palloc(Max(outside.count, 1) * sizeof(int64));
	point->nexceptions = 0;
	for (int i = 0; i < outside.count; i++)
		if (!has_stamp(inside.stamps, inside.count, outside.stamps[i]))
			point->exceptions[point->nexceptions++] = outside.stamps[i];
}

/* The ids that run for a snapshot; on a standby they are in the other array. */
static const TransactionId *
running_ids(Snapshot snapshot, int *count)
{
	*count = snapshot->takenDuringRecovery ? snapshot->subxcnt : (int) snapshot->xcnt;
	return snapshot->takenDuringRecovery ? snapshot->subxip : snapshot->xip;
}

/* Whether the snapshot sees every commit numbered up to the point. */
static bool
snapshot_sees(const MdlPoint *point, Snapshot snapshot)
{
	bool		sees_all = true;
	int			nids;
	const TransactionId *ids;

	if (!IsMVCCSnapshot(snapshot))
		return true;
	/* Ids below high are all there are. */
	if (mdl_stamp_of_xid(snapshot->xmin, point->stamp_offset) >= point->high)
		return true;
	ids = running_ids(snapshot, &nids);
	for (int i = 0; i < nids && sees_all; i++)
	{
		MdlCommit	commit;

		sees_all = !(mdl_commit_of_stamp(mdl_stamp_of_xid(ids[i], point->stamp_offset), &commit) &&
					 commit.version <= point->version);
	}
	if (sees_all)
		sees_all = mdl_version_from_stamp(mdl_stamp_of_xid(snapshot->xmax, point->stamp_offset)) > point->version;
	return sees_all;
}

static void
check_snapshot(const MdlPoint *point, Snapshot snapshot)
{
	if (!snapshot_sees(point, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version " INT64_FORMAT " is newer than the snapshot of this transaction", point->version),
				 IsolationUsesXactSnapshot()
				 ? errhint("Ask for an older version, or ask in a new transaction.")
				 : errhint("Run the statement again.")));
}

/* Finds the slot of a version, or the slot to use for it. */
static int
cache_slot(int64 version, Oid clock, bool *found)
{
	int			oldest = 0;

	*found = false;
	for (int i = 0; i < CACHED_POINTS; i++)
	{
		if (cache[i].context != NULL && cache[i].point.version == version && cache[i].database_clock == clock)
		{
			*found = true;
			return i;
		}
		if (cache[i].used < cache[oldest].used)
			oldest = i;
	}
	return oldest;
}

static void
refuse_unkept(int64 version)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("version " INT64_FORMAT " is older than the oldest commit kept", version)));
}

const MdlPoint *
mdl_point_resolve(int64 version, Snapshot snapshot)
{
	Oid			clock_oid = mdl_history_relation(MDL_CLOCK_TABLE, false);
	bool		found;
	int			slot = cache_slot(version, clock_oid, &found);

	if (!found || !cache[slot].point.is_final)
	{
		MdlCommit	commit;
		MdlClock	clock;
		MdlPoint	point;
		MemoryContext context,
					saved;

		if (!mdl_clock_read(&clock) || !mdl_commit_at_version(version, &commit))
			refuse_unkept(version);
		if (!found)
			slot = cache_slot(commit.version, clock_oid, &found);
		context = AllocSetContextCreate(TopMemoryContext, "medallion point", ALLOCSET_SMALL_SIZES);
		saved = MemoryContextSwitchTo(context);
		build_point(&commit, &clock, &point);
		MemoryContextSwitchTo(saved);
		/* After all that was looked up: see horizon.c. */
		if (commit.version < mdl_horizon(MDL_LOG_HORIZON, SnapshotSelf))
		{
			MemoryContextDelete(context);
			refuse_unkept(version);
		}
		if (cache[slot].context != NULL)
			MemoryContextDelete(cache[slot].context);
		cache[slot].context = context;
		cache[slot].point = point;
		cache[slot].database_clock = clock_oid;
	}
	cache[slot].used = ++cache_uses;
	if (snapshot != NULL)
		check_snapshot(&cache[slot].point, snapshot);
	return &cache[slot].point;
}

bool
mdl_point_seen(int64 version, Snapshot snapshot)
{
	return snapshot_sees(mdl_point_resolve(version, NULL), snapshot);
}

bool
mdl_point_includes(const MdlPoint *point, int64 stamp)
{
	if (stamp < point->low)
		return true;
	if (stamp >= point->high)
		return false;
	return !has_stamp(point->exceptions, point->nexceptions, stamp);
}

/* ---- what a user asks for ---------------------------------------------------------------------------------------- */

/* Raises an error unless versions up to this one are settled; waits for commits in flight where one can. */
static void
settle(int64 version, const MdlClock *clock)
{
	if (version <= clock->settled || mdl_commit_wait() >= version)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version " INT64_FORMAT " is not settled on this standby yet", version),
			 errdetail("Versions up to " INT64_FORMAT " are.", clock->settled),
			 errhint("Ask for an older version, or ask again in a moment.")));
}

void
mdl_settle_time(TimestampTz at)
{
	MdlClock	clock;

	if (!mdl_clock_read(&clock) || RecoveryInProgress() || at <= clock.settled_time)
		return;
	/* Later commits get later times; those that have a number already are waited for. */
	if (at > clock.last_time)
		mdl_clock_push(at, 0, DT_NOBEGIN, &clock);
	(void) mdl_commit_wait();
}

static int64
version_at_time(TimestampTz at)
{
	MdlClock	clock;
	MdlCommit	commit;

	if (at > GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time %s is in the future", timestamptz_to_str(at)),
				 errhint("Ask for a time that has passed; the state of now is the table itself.")));
	mdl_clock_read(&clock);
	if (RecoveryInProgress())
	{
		if (at > clock.settled_time)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("time %s is not settled on this standby yet", timestamptz_to_str(at)),
					 errdetail("Times up to %s are.", timestamptz_to_str(clock.settled_time)),
					 errhint("Ask for an older time, or ask again in a moment.")));
	}
	else
		mdl_settle_time(at);
	if (!mdl_commit_at_time(at, &commit))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time %s is before the first commit kept", timestamptz_to_str(at))));
	return commit.version;
}

int64
mdl_settled_version_of(const int64 *version, const TimestampTz *at)
{
	MdlClock	clock;

	if (!mdl_clock_read(&clock))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing was ever versioned in this database"),
				 errhint("Start with medallion.enable_versioning().")));
	if (at != NULL)
		return version_at_time(*at);
	if (*version > clock.version)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version " INT64_FORMAT " does not exist yet", *version),
				 errdetail("The newest version is " INT64_FORMAT ".", clock.version)));
	settle(*version, &clock);
	return *version;
}

int64
mdl_point_version(Oid relid, const int64 *version, const TimestampTz *at)
{
	MdlTable   *table = mdl_table_get(relid);
	int64		result;

	if ((version == NULL) == (at == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time travel on \"%s\" needs either a version or a time", mdl_display_name(relid)),
				 errhint("Write version => 42 or at => '2026-11-20 10:00'.")));
	result = mdl_settled_version_of(version, at);
	if (result > 0 && result < table->pruned_to)
		mdl_refuse_pruned(table->table_id, result, table->pruned_to);
	if (table->readable_from == 0 || result < table->readable_from)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 at != NULL
				 ? errmsg("table \"%s\" was not versioned at %s", mdl_display_name(relid), timestamptz_to_str(*at))
				 : errmsg("table \"%s\" was not versioned at version " INT64_FORMAT, mdl_display_name(relid), result),
				 table->readable_from > 0
				 ? errdetail("Its oldest readable version is " INT64_FORMAT ".", table->readable_from)
				 : errdetail("Versioning was enabled in the current transaction.")));
	mdl_state_trust(relid);
	mdl_lost_refuse(table, result, result, false);
	return result;
}

/* ---- for the other folders --------------------------------------------------------------------------------------- */

int64
mdl_settled_version(void)
{
	return mdl_commit_wait();
}

/* The smallest version that has ended but that the snapshot does not see; PG_INT64_MAX if there is none. */
static int64
first_unseen(Snapshot snapshot, int64 stamp_offset)
{
	int			nids;
	const TransactionId *ids = running_ids(snapshot, &nids);
	int64		first = mdl_version_from_stamp(mdl_stamp_of_xid(snapshot->xmax, stamp_offset));

	for (int i = 0; i < nids; i++)
	{
		MdlCommit	commit;

		if (mdl_commit_of_stamp(mdl_stamp_of_xid(ids[i], stamp_offset), &commit))
			first = Min(first, commit.version);
	}
	return first;
}

int64
mdl_first_unseen_version(Snapshot snapshot)
{
	MdlClock	clock;

	return mdl_clock_read(&clock) ? first_unseen(snapshot, clock.stamp_offset) : PG_INT64_MAX;
}

/* What a snapshot makes of the commits from the first one on that it does not see. */
typedef struct SnapshotLook
{
	Snapshot	snapshot;
	int64		xmax;			/* no id from here on is visible to it; as stamps */
	int64		stamp_offset;
	bool		sees_some;
} SnapshotLook;

static bool
look_for_seen(const MdlCommit *commit, void *argument)
{
	SnapshotLook *look = argument;

	look->sees_some = !XidInMVCCSnapshot((TransactionId) (commit->stamp - look->stamp_offset), look->snapshot);
	/* What has a greater number than this had not ended, so its id is no smaller than low. */
	return !look->sees_some && commit->low < look->xmax;
}

int64
mdl_snapshot_version(Snapshot snapshot, bool *exact)
{
	SnapshotLook look = {.snapshot = snapshot};
	MdlClock	clock;
	MdlCommit	last;
	int64		settled,
				unseen;

	*exact = true;
	if (!mdl_clock_read(&clock))
		return 0;

	/*
	 * A commit that has its number and has not ended is not in the log yet, and later ones may be; so the log says what is
	 * first unseen only for numbers that were settled before it was asked.
	 */
	settled = mdl_commit_settled_at(&clock);
	unseen = first_unseen(snapshot, clock.stamp_offset);
	if (unseen > settled)
		unseen = settled + 1;
	if (!mdl_commit_at_version(unseen - 1, &last))
		last.version = 0;
	look.xmax = mdl_stamp_of_xid(snapshot->xmax, clock.stamp_offset);
	look.stamp_offset = clock.stamp_offset;
	mdl_commits_from(unseen, look_for_seen, &look);
	*exact = !look.sees_some;
	return last.version;
}
