/*
 * births.c: which transaction wrote a current row.
 *
 * A row keeps 32 bits of the id of the transaction that wrote it.  Until 2^32 ids have been given in the life of the
 * cluster (its first *epoch*) that is the id itself.  Later a frozen row may be of any epoch: its *candidates* are the
 * ids with these 32 bits, newest first.  The row was written by a candidate if a commit claims that id and wrote to the
 * row's place, for no row lives at two places and no place held two rows of one candidate:
 *
 * - a row stays at its place as long as the table's file does; so if the row is older than the commit, its place was
 *   taken while the commit ran, and the commit did not write there;
 * - a row that came to the place after the commit's row was vacuumed away is younger than the commit, and its id then
 *   differs from the commit's by less than 2^32.
 *
 * A row that no commit claims is older than every readable point.  In a table whose history was adopted from a dump it
 * belongs to the adoption, which is when all rows came into this era.
 *
 * Where the file is another one than the commit knew (VACUUM FULL, CLUSTER), or the commit noted no places, the claim
 * alone decides; table_state.c says whether that is safe, by counting.
 */
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/rows_int.h"
#include "versioning/tables_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

/* Births asked last, by id: rows of one transaction lie together. */
#define CACHED_IDS 256

/* One candidate of an id that a commit claims. */
typedef struct Candidate
{
	int64		stamp;
	bool		any_place;		/* no places are known: the claim decides */
	uint64	   *runs;			/* (nruns) ascending */
	int			nruns;
	struct Candidate *next;		/* an older one */
} Candidate;

typedef struct CachedId
{
	TransactionId xmin;			/* Invalid: empty */
	int64		newest;			/* the newest candidate, as a stamp */
	int64		unclaimed;		/* the stamp if none of the claims is the row's */
	Candidate  *candidates;
	MemoryContext context;
} CachedId;

struct MdlBirths
{
	Oid			relid;
	Oid			filenode;
	int64		stamp_offset;
	int64		floor_version;	/* births in or before this commit need not be told apart */
	int64		floor_stamp;	/* of the adoption, if rows of before belong to that; else 0 */
	int64		floor_low;		/* stamps below belong to every readable point */
	MemoryContext context;
	CachedId	ids[CACHED_IDS];
};

bool
mdl_ids_repeat(void)
{
	return EpochFromFullTransactionId(ReadNextFullTransactionId()) > 0;
}

/* Finds where births begin to matter: the first readable version, or the adoption. */
static void
find_floor(MdlBirths *births, const MdlTable *table)
{
	int64		adopted = mdl_table_adopted(table);
	MdlCommit	commit;

	births->floor_version = Max(table->readable_from, adopted);
	births->floor_low = PG_INT64_MAX;
	births->floor_stamp = 0;
	if (births->floor_version == 0)
		return;
	if (!mdl_commit_at_version(births->floor_version, &commit))
		return;
	births->floor_low = commit.low;
	if (births->floor_version == adopted && commit.stamp > births->stamp_offset)
		births->floor_stamp = commit.stamp;
}

MdlBirths *
mdl_births_create(Oid relid, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "medallion births", ALLOCSET_SMALL_SIZES);
	MdlBirths  *births = MemoryContextAllocZero(context, sizeof(MdlBirths));
	MdlTable   *table = mdl_table_get(relid);
	MdlClock	clock;

	mdl_clock_read(&clock);
	births->relid = relid;
	births->filenode = table->filenode;
	births->stamp_offset = clock.stamp_offset;
	births->context = context;
	find_floor(births, table);
	return births;
}

Oid
mdl_births_relation(const MdlBirths *births)
{
	return births->relid;
}

static int
compare_runs(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return (left > right) - (left < right);
}

/* Adds a commit that claims a candidate, if it changed the table. */
static void
add_candidate(MdlBirths *births, CachedId *id, int64 stamp, int64 version)
{
	Candidate  *candidate;
	bool		known;
	uint64	   *runs;
	int			nruns;
	Candidate **link = &id->candidates;

	if (version <= births->floor_version || !mdl_commit_places(mdl_table_get(births->relid), version, &known, &runs, &nruns))
		return;
	candidate = palloc0(sizeof(Candidate));
	candidate->stamp = stamp;
	candidate->any_place = !known;
	candidate->runs = runs;
	candidate->nruns = nruns;
	if (nruns > 1)
		qsort(runs, nruns, sizeof(uint64), compare_runs);
	while (*link != NULL)
		link = &(*link)->next;
	*link = candidate;
}

/* Collects what commits claim the ids with these 32 bits, the newest first. */
static void
collect_candidates(MdlBirths *births, CachedId *id)
{
	int64		stamp = id->newest;

	for (;; stamp -= INT64CONST(1) << 32)
	{
		MdlCommit	commit;
		int64		version;

		/* Ids of earlier eras wrote no current row; below the floor nothing needs to be told apart. */
		if (stamp <= births->stamp_offset || stamp < births->floor_low)
			break;
		if (mdl_commit_of_stamp(stamp, &commit))
			add_candidate(births, id, stamp, commit.version);
		version = mdl_version_claiming(stamp);
		if (version > 0)
			add_candidate(births, id, stamp, version);
		CHECK_FOR_INTERRUPTS();
	}
	if (births->floor_stamp > 0)
		id->unclaimed = births->floor_stamp;
	else if (births->floor_version == 0)
		id->unclaimed = stamp - (INT64CONST(1) << 32);	/* the table is being enabled: its rows are older */
	else
		id->unclaimed = Min(stamp, births->floor_low - 1);
}

/* The newest stamp up to now with the bits of an id. */
static int64
newest_candidate(const MdlBirths *births, TransactionId xmin)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	uint32		age = (uint32) next - xmin;

	/* The next id has not been given, so a row that has it has it from an earlier epoch. */
	return (int64) next - (age == 0 ? INT64CONST(1) << 32 : (int64) age) + births->stamp_offset;
}

static CachedId *
cached_id(MdlBirths *births, TransactionId xmin)
{
	CachedId   *id = &births->ids[xmin % CACHED_IDS];
	int64		newest = newest_candidate(births, xmin);
	MemoryContext saved;
	bool		running;

	if (id->xmin == xmin && id->newest == newest)
		return id;
	/* Asked before the log is: what runs now may claim its id in a moment, so it is asked about again. */
	running = mdl_stamp_runs(newest, births->stamp_offset);
	if (id->context == NULL)
		id->context = AllocSetContextCreate(births->context, "medallion births of an id", ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(id->context);
	id->xmin = InvalidTransactionId;
	id->candidates = NULL;
	id->newest = newest;
	saved = MemoryContextSwitchTo(id->context);
	collect_candidates(births, id);
	MemoryContextSwitchTo(saved);
	id->xmin = running ? InvalidTransactionId : xmin;
	return id;
}

/* Whether a place is in one of the runs. */
static bool
has_place(const Candidate *candidate, ItemPointer tid)
{
	uint64		place = MDL_RUN(ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid), 0xFFFF);
	int			low = 0;
	int			high = candidate->nruns;

	/* The last run that begins at or before the place; equal beginnings are possible, each of any length. */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (candidate->runs[middle] <= place)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = low - 1; i >= 0; i--)
	{
		uint64		run = candidate->runs[i];

		if (MDL_RUN_BLOCK(run) != ItemPointerGetBlockNumber(tid))
			return false;
		if (MDL_RUN_OFFSET(run) + MDL_RUN_LENGTH(run) > ItemPointerGetOffsetNumber(tid))
			return true;
	}
	return false;
}

int64
mdl_births_stamp(MdlBirths *births, ItemPointer tid, TransactionId xmin)
{
	CachedId   *id;

	if (!TransactionIdIsNormal(xmin))
		return births->floor_stamp;
	id = cached_id(births, xmin);
	for (Candidate *candidate = id->candidates; candidate != NULL; candidate = candidate->next)
		if (candidate->any_place || has_place(candidate, tid))
			return candidate->stamp;
	return id->unclaimed;
}

bool
mdl_births_collide(MdlBirths *births, ItemPointer tid, TransactionId xmin)
{
	Candidate  *newest;

	if (!TransactionIdIsNormal(xmin))
		return false;
	newest = cached_id(births, xmin)->candidates;
	return newest != NULL && !newest->any_place && !has_place(newest, tid);
}

int64
mdl_births_current(FmgrInfo *function, Oid relid, ItemPointer tid, TransactionId xmin, int64 stamp_offset)
{
	MdlBirths  *births = function->fn_extra;

	FullTransactionId next = ReadNextFullTransactionId();	/* takes a lock, so once */

	if (EpochFromFullTransactionId(next) == 0)
		return (int64) XidFromFullTransactionId(next) - (uint32) (XidFromFullTransactionId(next) - xmin) + stamp_offset;
	if (births == NULL || births->relid != relid)
		function->fn_extra = births = mdl_births_create(relid, function->fn_mcxt);
	return mdl_births_stamp(births, tid, xmin);
}

bool
mdl_births_of_file(const MdlBirths *births, Oid filenode)
{
	return births->filenode == filenode;
}

/*
 * A frozen row whose bits are those of the asking transaction is an old one, unless the transaction made the file and
 * froze its rows as it wrote them (COPY FREEZE).
 */
bool
mdl_frozen_row_is_own(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	bool		own = relation->rd_createSubid != InvalidSubTransactionId ||
		relation->rd_firstRelfilenodeSubid != InvalidSubTransactionId;

	table_close(relation, NoLock);
	return own;
}

bool
mdl_row_is_own(Oid relid, ItemPointer tid, TransactionId xmin)
{
	Relation	relation;
	HeapTupleData tuple;
	Buffer		buffer;
	bool		own = true;

	if (!TransactionIdIsCurrentTransactionId(xmin))
		return false;
	if (!mdl_ids_repeat())
		return true;
	relation = table_open(relid, AccessShareLock);
	tuple.t_self = *tid;
	if (heap_fetch(relation, SnapshotAny, &tuple, &buffer, false))
	{
		own = !HeapTupleHeaderXminFrozen(tuple.t_data) || mdl_frozen_row_is_own(relid);
		ReleaseBuffer(buffer);
	}
	table_close(relation, NoLock);
	return own;
}
