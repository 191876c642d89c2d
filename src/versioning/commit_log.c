/*
 * commit_log.c: reading the commit log.
 *
 * The log is read with SnapshotSelf: every commit that has ended is seen, whatever the isolation level of the
 * transaction, and no predicate locks are taken, which would make SERIALIZABLE writers fail each other.
 */
#include "versioning/commits_int.h"
#include "versioning/versioning.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Copies a bigint[] column; an SQL NULL is an empty array. */
static int64 *
stamps_column(HeapTuple tuple, AttrNumber column, TupleDesc desc, int *count)
{
	bool		is_null;
	Datum		value = heap_getattr(tuple, column, desc, &is_null);
	ArrayType  *array;
	int64	   *result;

	*count = 0;
	if (is_null)
		return NULL;
	array = DatumGetArrayTypePCopy(value);
	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	result = palloc(Max(*count, 1) * sizeof(int64));
	memcpy(result, ARR_DATA_PTR(array), *count * sizeof(int64));
	pfree(array);
	return result;
}

static int64
number_column(HeapTuple tuple, AttrNumber column, TupleDesc desc)
{
	bool		is_null;

	return DatumGetInt64(heap_getattr(tuple, column, desc, &is_null));
}

static void
read_commit(HeapTuple tuple, TupleDesc desc, MdlCommit *commit)
{
	commit->version = number_column(tuple, Anum_commit_log_version, desc);
	commit->committed_at = number_column(tuple, Anum_commit_log_committed_at, desc);
	commit->stamp = number_column(tuple, Anum_commit_log_stamp, desc);
	commit->substamps = stamps_column(tuple, Anum_commit_log_substamps, desc, &commit->nsubstamps);
	commit->low = number_column(tuple, Anum_commit_log_low, desc);
	commit->high = number_column(tuple, Anum_commit_log_high, desc);
	commit->in_flight = stamps_column(tuple, Anum_commit_log_in_flight, desc, &commit->nin_flight);
}

/* An ordered scan over one index of the log. */
typedef struct LogScan
{
	Relation	log;
	Relation	index;
	SysScanDesc scan;
} LogScan;

/* Keys are built by the caller for column 1 of the index, but numbered as columns of the table. */
static void
log_scan_begin(LogScan *state, const char *index, int nkeys, ScanKey keys)
{
	state->log = table_open(mdl_history_relation(MDL_LOG_TABLE, false), AccessShareLock);
	state->index = index_open(mdl_history_relation(index, false), AccessShareLock);
	state->scan = systable_beginscan_ordered(state->log, state->index, SnapshotSelf, nkeys, keys);
}

static void
log_scan_end(LogScan *state)
{
	systable_endscan_ordered(state->scan);
	index_close(state->index, NoLock);
	table_close(state->log, NoLock);
}

/* Reads the first commit in the direction for one bound. */
static bool
first_commit(const char *index, AttrNumber column, StrategyNumber strategy, RegProcedure function, Datum bound,
			 ScanDirection direction, MdlCommit *commit)
{
	LogScan		state;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		found;

	ScanKeyInit(&key, column, strategy, function, bound);
	log_scan_begin(&state, index, 1, &key);
	tuple = systable_getnext_ordered(state.scan, direction);
	found = HeapTupleIsValid(tuple);
	if (found)
		read_commit(tuple, RelationGetDescr(state.log), commit);
	log_scan_end(&state);
	return found;
}

bool
mdl_commit_at_version(int64 version, MdlCommit *commit)
{
	return first_commit(MDL_LOG_BY_VERSION, Anum_commit_log_version, BTLessEqualStrategyNumber, F_INT8LE,
						Int64GetDatum(version), BackwardScanDirection, commit);
}

/* A version between two commits whose times are on either side of a time: by proportion, and every other time halfway. */
static int64
version_between(const MdlCommit *before, const MdlCommit *after, TimestampTz time, bool halfway)
{
	int64		distance = after->version - before->version;
	double		part = (double) (time - before->committed_at) / (double) (after->committed_at - before->committed_at);
	int64		step = halfway ? distance / 2 : (int64) (part * distance);

	return before->version + Max(1, Min(step, distance - 1));
}

/* Number and time are given in one step, so times ascend with versions and need no index of their own. */
bool
mdl_commit_at_time(TimestampTz time, MdlCommit *commit)
{
	MdlCommit	before;			/* *commit, but for the version where there are gaps */
	MdlCommit	after;
	bool		halfway = false;

	if (!mdl_commit_at_version(PG_INT64_MAX, &after) ||
		!first_commit(MDL_LOG_BY_VERSION, Anum_commit_log_version, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(0),
					  ForwardScanDirection, commit) ||
		commit->committed_at > time)
		return false;
	if (after.committed_at <= time)
	{
		*commit = after;
		return true;
	}
	/* The time is that of *commit or later, and before that of `after`. */
	before = *commit;
	while (after.version - before.version > 1)
	{
		int64		middle = version_between(&before, &after, time, halfway);
		MdlCommit	found;

		halfway = !halfway;
		if (!mdl_commit_at_version(middle, &found) || found.version <= commit->version)
			before.version = middle;	/* no commit in between */
		else if (found.committed_at <= time)
			before = *commit = found;
		else
			after = found;
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

bool
mdl_commit_of_stamp(int64 stamp, MdlCommit *commit)
{
	return first_commit(MDL_LOG_BY_STAMP, Anum_commit_log_stamp, BTEqualStrategyNumber, F_INT8EQ,
						Int64GetDatum(stamp), ForwardScanDirection, commit);
}

int64
mdl_version_of_stamp(int64 stamp)
{
	MdlCommit	commit;

	return OidIsValid(mdl_history_relation(MDL_LOG_TABLE, true)) && mdl_commit_of_stamp(stamp, &commit) ? commit.version : 0;
}

/*
 * All ids but the top-level ones that commits claim, for lookups where ids repeat and in dumps.  The log is read once;
 * later only what may have ended since.
 */
typedef struct Claim
{
	int64		stamp;
	int64		version;
} Claim;

static Claim *claims = NULL;	/* (nclaims) ascending by stamp */
static int	nclaims = 0;
static int	claims_allocated = 0;
static int64 claims_version = -1;	/* newest version read */
static int64 claims_settled = 0;	/* all versions up to this were read */
static Oid	claims_log = InvalidOid;
static MemoryContext claims_context = NULL;

static int
compare_claims(const void *a, const void *b)
{
	int64		left = ((const Claim *) a)->stamp;
	int64		right = ((const Claim *) b)->stamp;

	return (left > right) - (left < right);
}

static bool
add_claims(const MdlCommit *commit, void *argument)
{
	for (int i = 0; i < commit->nsubstamps; i++)
	{
		if (nclaims == claims_allocated)
			claims = repalloc_huge(claims, (claims_allocated *= 2) * sizeof(Claim));
		claims[nclaims].stamp = commit->substamps[i];
		claims[nclaims++].version = commit->version;
	}
	return true;
}

/* Reads the claims of the commits after those that had ended at the last look. */
static void
read_claims(int64 newest)
{
	Oid			log = mdl_history_relation(MDL_LOG_TABLE, false);
	MdlClock	clock;
	int			kept = 0;

	mdl_clock_read(&clock);
	if (claims_context == NULL)
		claims_context = AllocSetContextCreate(CacheMemoryContext, "medallion claims", ALLOCSET_DEFAULT_SIZES);
	if (claims == NULL || claims_log != log || clock.settled < claims_settled)
	{
		claims_settled = 0;
		nclaims = 0;
		MemoryContextReset(claims_context);
		claims = MemoryContextAlloc(claims_context, (claims_allocated = 1024) * sizeof(Claim));
	}
	claims_log = log;
	claims_version = -1;		/* until all is read */
	for (int i = 0; i < nclaims; i++)
		if (claims[i].version <= claims_settled)
			claims[kept++] = claims[i];
	nclaims = kept;
	mdl_commits_from(claims_settled + 1, add_claims, NULL);
	qsort(claims, nclaims, sizeof(Claim), compare_claims);
	claims_settled = clock.settled;
	claims_version = newest;
}

int64
mdl_version_claiming(int64 stamp)
{
	MdlCommit	newest;
	Claim		key = {.stamp = stamp};
	Claim	   *found;

	if (!mdl_commit_at_version(PG_INT64_MAX, &newest))
		return 0;
	if (claims_version != newest.version || claims_log != mdl_history_relation(MDL_LOG_TABLE, false))
		read_claims(newest.version);
	found = nclaims > 0 ? bsearch(&key, claims, nclaims, sizeof(Claim), compare_claims) : NULL;
	return found ? found->version : 0;
}

/*
 * Ids are given before numbers, so the order of ids is not quite that of versions.  But whoever has a smaller number than
 * the commit found had its id when that number was given: below `high` of that commit, which is where the search ends.
 */
int64
mdl_version_from_stamp(int64 stamp)
{
	LogScan		state;
	ScanKeyData key;
	HeapTuple	tuple;
	int64		first = PG_INT64_MAX;
	int64		end = PG_INT64_MAX;

	ScanKeyInit(&key, Anum_commit_log_stamp, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(stamp));
	log_scan_begin(&state, MDL_LOG_BY_STAMP, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(state.scan, ForwardScanDirection)))
	{
		TupleDesc	desc = RelationGetDescr(state.log);
		int64		version = number_column(tuple, Anum_commit_log_version, desc);

		if (number_column(tuple, Anum_commit_log_stamp, desc) >= end)
			break;
		if (version < first)
		{
			first = version;
			end = number_column(tuple, Anum_commit_log_high, desc);
		}
		CHECK_FOR_INTERRUPTS();
	}
	log_scan_end(&state);
	return first;
}

void
mdl_commits_from(int64 first, MdlCommitLook look, void *argument)
{
	LogScan		state;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		more = true;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "medallion commit", ALLOCSET_SMALL_SIZES);
	MemoryContext saved;

	ScanKeyInit(&key, Anum_commit_log_version, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	log_scan_begin(&state, MDL_LOG_BY_VERSION, 1, &key);
	while (more && HeapTupleIsValid(tuple = systable_getnext_ordered(state.scan, ForwardScanDirection)))
	{
		MdlCommit	commit;

		/* Not around the scan, which allocates on its way, as for entries of deleted rows. */
		saved = MemoryContextSwitchTo(context);
		read_commit(tuple, RelationGetDescr(state.log), &commit);
		more = look(&commit, argument);
		MemoryContextSwitchTo(saved);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	log_scan_end(&state);
	MemoryContextDelete(context);
}
