/*
 * table_work.c: what the current transaction did to each versioned table, kept until it ends.
 *
 * Old rows go to the history table in bulk when there are many, at the end of each statement, so that the transaction's
 * next one finds them, and before commit.
 *
 * Savepoints: kept rows and counts carry their subtransaction.  An abort drops those of the subtransaction; a release
 * hands them to the parent; a flush writes only those of the current subtransaction, since what is written within it is
 * rolled back with it.  Places are hints and stay.
 */
#include "versioning/capture_int.h"
#include "versioning/columns_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/rows_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"
#include "versioning/versioning.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Kept rows of one table are written when there are this many, or this many bytes: enough to meet pages of an index again. */
#define FLUSH_ROWS	10000
#define FLUSH_BYTES	(4 * 1024 * 1024)

/* Those of all tables are written when so many bytes were kept since that was done last. */
#define FLUSH_ALL_BYTES	(64 * 1024 * 1024)

MdlTransactionWork mdl_work;

static MdlTableWork *last_work = NULL;	/* found last; goes with the transaction too */

/* The same by OID: rows may go to a thousand partitions in turn. */
#define BUCKETS	256
static MdlTableWork *buckets[BUCKETS];

static ExecutorFinish_hook_type previous_executor_finish = NULL;
static bool statement_end_comes = false;	/* not in the statement that loads the library */

static void
forget_transaction(void)
{
	last_work = NULL;
	if (mdl_work.tables != NULL)
		memset(buckets, 0, sizeof(buckets));
	memset(&mdl_work, 0, sizeof(mdl_work));
}

MdlTableWork *
mdl_work_find(Oid relid)
{
	if (likely(last_work != NULL && last_work->relid == relid))
		return last_work;
	for (MdlTableWork *work = buckets[relid % BUCKETS]; work != NULL; work = work->next_in_bucket)
		if (work->relid == relid)
			return last_work = work;
	return NULL;
}

/* Learns the id of the transaction, which gets one by this. */
static void
begin_work(void)
{
	MdlClock	clock;

	if (mdl_work.own_stamp != 0)
		return;
	if (!mdl_clock_read(&clock))
		(void) mdl_history_relation(MDL_CLOCK_TABLE, false);
	mdl_work.stamp_offset = clock.stamp_offset;
	mdl_work.near_id = GetTopFullTransactionId();
	mdl_work.own_stamp = U64FromFullTransactionId(mdl_work.near_id) + mdl_work.stamp_offset;
}

MdlTableWork *
mdl_work_of(const MdlTable *table)
{
	MdlTableWork *work = mdl_work_find(table->relid);

	if (work != NULL)
		return work;
	begin_work();
	work = MemoryContextAllocZero(TopTransactionContext, sizeof(MdlTableWork));
	work->relid = table->relid;
	work->table_id = table->table_id;
	work->history = table->history;
	work->partitioned = table->partitioned;
	work->places.context = TopTransactionContext;
	work->sound = table->doubt == MDL_SOUND;
	work->next = mdl_work.tables;
	mdl_work.tables = last_work = work;
	work->next_in_bucket = buckets[table->relid % BUCKETS];
	buckets[table->relid % BUCKETS] = work;
	return work;
}

MdlTableWork *
mdl_work_get(Oid relid)
{
	MdlTableWork *work = mdl_work_find(relid);

	MdlTable   *table;

	if (likely(work != NULL))
		return work;
	table = mdl_table_get(relid);
	if (unlikely(table->doubt != MDL_SOUND))
		table->doubt = mdl_state_doubt(table);
	return mdl_work_of(table);
}

/* Returns what is known of the table now: it may have been altered since. */
MdlTable *
mdl_work_table(MdlTableWork *work)
{
	if (unlikely(work->shape != NULL))
		return work->shape;
	if (unlikely((work->table == NULL || work->generation != mdl_table_generation) && !work->pinned))
	{
		work->table = mdl_table_get(work->relid);
		work->generation = mdl_table_generation;
	}
	return work->table;
}

/* For messages: the table may have been dropped, or have got another history. */
static char *
work_name(const MdlTableWork *work)
{
	return OidIsValid(work->relid) && get_rel_name(work->relid) != NULL ? mdl_display_name(work->relid)
		: psprintf("number %d", work->table_id);
}

/* Returns the counts of the current subtransaction. */
MdlLevel *
mdl_work_level(MdlTableWork *work)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	mdl_refuse_while_travelling("a change of a versioned table");
	if (unlikely(mdl_work.recorded))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("versioned table \"%s\" was changed after the commit was recorded", work_name(work)),
				 errdetail("Another extension writes while the transaction commits.")));
	if (likely(work->nlevels > 0 && work->levels[work->nlevels - 1].subid == subid))
		return &work->levels[work->nlevels - 1];
	if (work->nlevels == work->levels_allocated)
	{
		work->levels_allocated = work->levels_allocated ? work->levels_allocated * 2 : 4;
		work->levels = work->levels
			? repalloc(work->levels, work->levels_allocated * sizeof(MdlLevel))
			: MemoryContextAlloc(TopTransactionContext, work->levels_allocated * sizeof(MdlLevel));
	}
	memset(&work->levels[work->nlevels], 0, sizeof(MdlLevel));
	work->levels[work->nlevels].subid = subid;
	return &work->levels[work->nlevels++];
}

void
mdl_level_operation(MdlLevel *level, const char *operation)
{
	level->operations++;
	level->uncounted |= strcmp(operation, "truncate") != 0 && strcmp(operation, "restore") != 0 &&
		strcmp(operation, "reconcile") != 0 && strcmp(operation, "rebirth") != 0;

	/* What enables a table makes its first version: nothing in the same commit is older. */
	if (level->operation != NULL && strcmp(level->operation, "enable") == 0)
		return;
	if (level->operation == NULL || !mdl_operation_empties(level->operation) || mdl_operation_empties(operation))
		level->operation = operation;
}

static void
write_rows(MdlTableWork *work, HeapTuple *tuples, int count)
{
	Relation	history = table_open(work->history, RowExclusiveLock);

	for (int i = 0; i < count; i += FLUSH_ROWS)
		mdl_history_insert(history, tuples + i, Min(FLUSH_ROWS, count - i));
	table_close(history, NoLock);
}

static void
free_row(MdlTableWork *work, MdlOldRow *row)
{
	work->bytes -= HEAPTUPLESIZE + row->tuple->t_len;
	heap_freetuple(row->tuple);
}

/* Writes the buffered rows of the current subtransaction: those at the end. */
void
mdl_work_flush(MdlTableWork *work)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	int			first = work->nrows;
	HeapTuple  *tuples;
	int			count;

	while (first > 0 && work->rows[first - 1].subid == subid)
		first--;
	count = work->nrows - first;
	if (count == 0)
		return;
	tuples = palloc(count * sizeof(HeapTuple));
	for (int i = 0; i < count; i++)
		tuples[i] = work->rows[first + i].tuple;
	write_rows(work, tuples, count);
	pfree(tuples);
	for (int i = 0; i < count && first > 0; i++)
		free_row(work, &work->rows[first + i]);
	work->nrows = first;
	if (first == 0)
	{
		MemoryContextReset(work->rows_context);
		work->bytes = 0;
	}
}

/*
 * Writes the rows that an outer subtransaction has buffered and that are not in the history table for the current one: a
 * statement is under way there, and a function that it calls has a savepoint and asks for the past.  What is written now
 * is rolled back with the savepoint, so the rows stay until that is known: see unshow_rows() and settle_shown_rows().
 */
static void
show_outer_rows(MdlTableWork *work)
{
	HeapTuple  *tuples = palloc(work->nrows * sizeof(HeapTuple));
	int			count = 0;

	for (int i = 0; i < work->nrows; i++)
		if (work->rows[i].shown == InvalidSubTransactionId)
		{
			tuples[count++] = work->rows[i].tuple;
			work->rows[i].shown = GetCurrentSubTransactionId();
		}
	if (count > 0)
		write_rows(work, tuples, count);
	pfree(tuples);
}

/* A savepoint was rolled back: what it had written is gone from the history table. */
static void
unshow_rows(MdlTableWork *work, SubTransactionId subid)
{
	for (int i = 0; i < work->nrows; i++)
		if (work->rows[i].shown >= subid)
			work->rows[i].shown = InvalidSubTransactionId;
}

/* A savepoint was released: what it had written is its parent's, and for good if the rows are the parent's. */
static void
settle_shown_rows(MdlTableWork *work, SubTransactionId subid, SubTransactionId parent)
{
	int			kept = 0;

	for (int i = 0; i < work->nrows; i++)
	{
		MdlOldRow  *row = &work->rows[i];

		if (row->shown == subid && row->subid == parent)
		{
			free_row(work, row);
			continue;
		}
		if (row->shown == subid)
			row->shown = parent;
		work->rows[kept++] = *row;
	}
	work->nrows = kept;
}

void
mdl_capture_flush(void)
{
	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
		if (work->nrows > 0)
			mdl_work_flush(work);
}

bool
mdl_capture_pending(void)
{
	bool		any = false;

	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
		any |= work->nrows > 0;
	return any;
}

void
mdl_capture_show(void)
{
	if (!mdl_capture_pending())
		return;
	mdl_capture_flush();
	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
		if (work->nrows > 0)
			show_outer_rows(work);
	CommandCounterIncrement();
}

void
mdl_work_place(MdlTableWork *work, MdlLevel *level, ItemPointer tid)
{
	Oid			filenode = mdl_work_table(work)->filenode;

	if (unlikely(work->filenode != filenode))
	{
		/* Places of two files cannot be told apart. */
		work->places.overflow |= work->places.count > 0;
		work->filenode = filenode;
	}
	mdl_places_add(&work->places, tid);
	level->born++;
}

/*
 * The birth of an old row that others wrote.  A row that is not frozen is less than 2^31 ids old, so that the distance
 * from the own id says it; a frozen one may be of any age.
 */
static int64
birth_of(MdlTableWork *work, HeapTuple tuple, TransactionId xmin)
{
	if (likely(!HeapTupleHeaderXminFrozen(tuple->t_data)))
		return mdl_stamp_near(xmin, mdl_work.near_id, mdl_work.stamp_offset);
	if (!mdl_ids_repeat())
		return mdl_stamp_by_age(xmin, mdl_work.stamp_offset);
	if (work->births == NULL || !mdl_births_of_file(work->births, mdl_work_table(work)->filenode))
		work->births = mdl_births_create(work->relid, TopTransactionContext);
	return mdl_births_stamp(work->births, &tuple->t_self, xmin);
}

/* Notices a row that no commit brought, in a table that is in doubt: the table is noted as damaged. */
static void
check_birth(MdlTableWork *work, int64 born)
{
	if (work->foreign)
		return;
	if (work->birthplace == NULL)
	{
		MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);

		work->birthplace = mdl_birthplace_create(mdl_work_table(work));
		MemoryContextSwitchTo(saved);
	}
	work->foreign = mdl_birthplace_version(work->birthplace, born) == MDL_BIRTH_UNKNOWN;
}

/* Whether the transaction itself wrote a row.  A frozen one may have the same bits in its id for having them by chance. */
static bool
is_own(Oid relid, HeapTuple tuple, TransactionId xmin)
{
	return TransactionIdIsCurrentTransactionId(xmin) &&
		(!HeapTupleHeaderXminFrozen(tuple->t_data) || !mdl_ids_repeat() || mdl_frozen_row_is_own(relid));
}

/* Buffers an old row.  A row that the same transaction wrote was never part of a version and leaves no trace. */
void
mdl_work_keep(MdlTableWork *work, MdlLevel *level, TupleDesc desc, HeapTuple tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	MdlTable   *table;
	int64		born;
	MemoryContext saved;
	MdlOldRow  *row;

	if (is_own(work->relid, tuple, xmin))
	{
		level->born--;
		level->tangled = true;
		return;
	}
	table = mdl_work_table(work);
	born = mdl_moved_birth(table, mdl_partition_birth(table, birth_of(work, tuple, xmin)));
	if (born == mdl_work.own_stamp)
	{
		level->tangled = true;
		return;
	}
	if (unlikely(!work->sound))
		check_birth(work, born);
	if (work->rows_context == NULL)
		work->rows_context = GenerationContextCreate(TopTransactionContext, "medallion old rows", 0,
													 work->partitioned ? 8 * 1024 : 256 * 1024, 256 * 1024);
	if (work->nrows == work->rows_allocated)
	{
		work->rows_allocated = work->rows_allocated ? work->rows_allocated * 2 : 16;
		work->rows = work->rows
			? repalloc_huge(work->rows, work->rows_allocated * sizeof(MdlOldRow))
			: MemoryContextAlloc(TopTransactionContext, work->rows_allocated * sizeof(MdlOldRow));
	}
	saved = MemoryContextSwitchTo(work->rows_context);
	row = &work->rows[work->nrows];
	row->subid = level->subid;
	row->shown = InvalidSubTransactionId;
	row->tuple = mdl_history_form(table, desc, tuple, born, mdl_work.own_stamp);
	MemoryContextSwitchTo(saved);
	work->bytes += HEAPTUPLESIZE + row->tuple->t_len;
	work->nrows++;
	level->died++;
	mdl_work.bytes += HEAPTUPLESIZE + row->tuple->t_len;
	if (work->nrows >= FLUSH_ROWS || work->bytes >= FLUSH_BYTES || unlikely(!statement_end_comes))
		mdl_work_flush(work);
	else if (unlikely(mdl_work.bytes >= FLUSH_ALL_BYTES))
	{
		/* Many partitions with a few rows each; rows of outer savepoints stay. */
		mdl_capture_flush();
		mdl_work.bytes = 0;
	}
}

void
mdl_capture_operation(Oid relid, const char *operation)
{
	mdl_level_operation(mdl_work_level(mdl_work_get(relid)), operation);
}

void
mdl_capture_brought_rows(Oid relid, int64 count)
{
	MdlTableWork *work = mdl_work_get(relid);

	mdl_work_level(work)->inserted += count;
	work->places.overflow = true;
}

void
mdl_capture_unseen_rows(Oid relid)
{
	MdlTableWork *work = mdl_work_get(relid);

	mdl_work_level(work)->tangled = true;
	mdl_work_level(work)->operations++;
	work->places.overflow = true;
}

int64
mdl_capture_stamp(void)
{
	begin_work();
	return mdl_work.own_stamp;
}

int64
mdl_capture_own_stamp(Oid relid)
{
	(void) mdl_work_get(relid);
	return mdl_work.own_stamp;
}

void
mdl_capture_retire(Oid relid)
{
	MdlTableWork *work = mdl_work_find(relid);

	if (work == NULL)
		return;
	work->relid = InvalidOid;
	work->places.overflow = true;
	last_work = NULL;
}

bool
mdl_capture_is_own(int64 stamp)
{
	return mdl_work.own_stamp != 0 && stamp == mdl_work.own_stamp;
}

/* ---- tables that are being dropped -------------------------------------------------------------------------------- */

void
mdl_capture_pin(Oid relid)
{
	MdlTableWork *work = mdl_work_get(relid);

	if (work->pinned)
		return;
	work->table = mdl_table_take(relid, TopTransactionContext);
	work->pinned = true;
}

bool
mdl_capture_is_pinned(Oid relid)
{
	MdlTableWork *work = mdl_work_find(relid);

	return work != NULL && work->pinned;
}

bool
mdl_capture_is_dropped(Oid relid)
{
	MdlTableWork *work = mdl_work_find(relid);

	return work != NULL && work->dropped;
}

void
mdl_capture_drop(Oid relid)
{
	mdl_work_get(relid)->dropped = true;
}

int32
mdl_capture_table_id(Oid relid)
{
	return mdl_work_get(relid)->table_id;
}

void
mdl_capture_claim_placed(int64 stamp)
{
	MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
	int64	   *copy = palloc(sizeof(int64));

	*copy = stamp;
	mdl_work.claimed = lappend(mdl_work.claimed, copy);
	MemoryContextSwitchTo(saved);
}

void
mdl_capture_claim(int64 stamp)
{
	mdl_capture_claim_placed(stamp);
	mdl_work.claimed_anywhere = true;
}

void
mdl_capture_claim_place(Oid relid, ItemPointer tid)
{
	MdlTableWork *work = mdl_work_get(relid);

	mdl_work_place(work, mdl_work_level(work), tid);
}

void
mdl_capture_count(Oid relid, int64 born, int64 died)
{
	MdlLevel   *level = mdl_work_level(mdl_work_get(relid));

	level->born += born;
	level->died += died;
}

void
mdl_capture_net(Oid relid, int64 inserted, int64 updated, int64 deleted)
{
	MdlLevel   *level = mdl_work_level(mdl_work_get(relid));

	level->inserted += inserted;
	level->updated += updated;
	level->deleted += deleted;
}

bool
mdl_capture_any(int32 table_id)
{
	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
		if (work->table_id == table_id && work->nlevels > 0)
			return true;
	return false;
}

/* ---- transactions and statements ---------------------------------------------------------------------------------- */

static void
transaction_callback(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (mdl_work.tables != NULL && !mdl_work.recorded && mdl_record_needed() &&
				OidIsValid(mdl_history_relation(MDL_LOG_TABLE, true)))	/* not if history goes as well */
				mdl_record_write();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (mdl_work.tables != NULL && mdl_record_needed())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has changed versioned table \"%s\"",
								work_name(mdl_work.tables)),
						 errhint("Use COMMIT.")));
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_transaction();
			break;
		default:
			break;
	}
}

/* A savepoint was rolled back: what it and its children did is gone. */
static void
drop_levels(MdlTableWork *work, SubTransactionId subid)
{
	while (work->nrows > 0 && work->rows[work->nrows - 1].subid >= subid)
		free_row(work, &work->rows[--work->nrows]);
	unshow_rows(work, subid);
	while (work->nlevels > 0 && work->levels[work->nlevels - 1].subid >= subid)
		work->nlevels--;
}

/* A savepoint was released: its parent has done it. */
static void
hand_over_levels(MdlTableWork *work, SubTransactionId subid, SubTransactionId parent)
{
	MdlLevel   *level = work->nlevels > 0 ? &work->levels[work->nlevels - 1] : NULL;

	settle_shown_rows(work, subid, parent);
	for (int i = work->nrows - 1; i >= 0 && work->rows[i].subid == subid; i--)
		work->rows[i].subid = parent;
	if (level == NULL || level->subid != subid)
		return;
	if (work->nlevels > 1 && level[-1].subid == parent)
	{
		level[-1].inserted += level->inserted;
		level[-1].updated += level->updated;
		level[-1].deleted += level->deleted;
		level[-1].unchanged += level->unchanged;
		level[-1].born += level->born;
		level[-1].died += level->died;
		level[-1].uncounted |= level->uncounted;
		level[-1].tangled |= level->tangled;
		level->operations += level[-1].operations;
		if (level->operation != NULL)
			mdl_level_operation(&level[-1], level->operation);
		level[-1].operations = level->operations;
		work->nlevels--;
	}
	else
		level->subid = parent;
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	for (MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
	{
		if (event == SUBXACT_EVENT_ABORT_SUB)
		{
			drop_levels(work, subid);
			/* A drop that is not rolled back needs this no more: it has moved its rows. */
			if (work->pinned)
				work->table = NULL;
			work->pinned = work->dropped = false;
		}
		else if (event == SUBXACT_EVENT_COMMIT_SUB)
			hand_over_levels(work, subid, parent);
	}
}

/*
 * The end of a statement, its triggers included.  Rows must not wait for longer: a savepoint might come, and what is
 * written within that is rolled back with it; and a plan made earlier reads the history table without asking anybody.
 */
static void
capture_statement_end(QueryDesc *query)
{
	statement_end_comes = true;
	if (previous_executor_finish)
		previous_executor_finish(query);
	else
		standard_ExecutorFinish(query);
	if (mdl_work.tables != NULL)
		mdl_capture_flush();
}

void
mdl_capture_init(void)
{
	previous_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = capture_statement_end;
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}
