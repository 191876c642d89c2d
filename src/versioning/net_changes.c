/*
 * net_changes.c: which rows of a versioned table are not as a former reader saw them.
 *
 * A reader keeps what its snapshot saw of the transactions, as stamps (MdlSeen).  A row version that it saw and that is gone
 * now died by a transaction it did not see, so it is in the history table; one that is there now and that it did not see
 * was born by such a transaction, and is found by the places the commits recorded, the current transaction's own included.
 * So the two sets follow from what was seen, commit by commit: what commits late is in the next difference, what the reader
 * saw of it is not, and no time or greatest number is compared.
 *
 * Taking a stamp for unseen that was seen costs repeated work; the other way round would lose changes and never happens.
 */
#include "versioning/capture_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"
#include "versioning/rows_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/versioning.h"

#include "access/attmap.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

/* ---- what a reader saw ---------------------------------------------------------------------------------------------- */

static int
compare_stamps(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

bool
mdl_seen_by(Snapshot snapshot, MdlSeen *seen)
{
	MdlClock	clock;
	bool		exact;

	memset(seen, 0, sizeof(MdlSeen));
	if (!mdl_clock_read(&clock))
		return false;
	seen->era = clock.era;
	seen->version = mdl_snapshot_version(snapshot, &exact);
	seen->low = mdl_stamp_of_xid(snapshot->xmin, clock.stamp_offset);
	seen->high = mdl_stamp_of_xid(snapshot->xmax, clock.stamp_offset);
	seen->own = U64FromFullTransactionId(GetTopFullTransactionId()) + clock.stamp_offset;

	/* Without the ids of subtransactions, what began after the oldest that runs cannot be told apart. */
	seen->exact = !snapshot->suboverflowed && !snapshot->takenDuringRecovery;
	if (!seen->exact)
	{
		seen->high = seen->low;
		return true;
	}
	seen->running = palloc((snapshot->xcnt + snapshot->subxcnt + 1) * sizeof(int64));
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		seen->running[seen->nrunning++] = mdl_stamp_of_xid(snapshot->xip[i], clock.stamp_offset);
	for (int32 i = 0; i < snapshot->subxcnt; i++)
		seen->running[seen->nrunning++] = mdl_stamp_of_xid(snapshot->subxip[i], clock.stamp_offset);
	qsort(seen->running, seen->nrunning, sizeof(int64), compare_stamps);
	return true;
}

static bool
has_stamp(const int64 *stamps, int count, int64 stamp)
{
	return count > 0 && bsearch(&stamp, stamps, count, sizeof(int64), compare_stamps) != NULL;
}

/* What is needed to judge stamps: what was seen, and the other ids of the reader's own transaction. */
typedef struct Judge
{
	const MdlSeen *seen;
	int64		stamp_offset;
	int			nown;
	int64	   *own;			/* (nown) subtransactions of the reader, ascending */
} Judge;

static bool
was_seen(const Judge *judge, int64 stamp)
{
	const MdlSeen *seen = judge->seen;

	if (stamp < seen->low || stamp == seen->own || has_stamp(judge->own, judge->nown, stamp))
		return true;
	return stamp < seen->high && !has_stamp(seen->running, seen->nrunning, stamp);
}

/* ---- rows that are there now ------------------------------------------------------------------------------------------ */

typedef struct Places
{
	MdlPart    *parts;			/* (nparts) the table, or the table and its partitions */
	int			nparts;
	bool		scan;			/* some are not known */
	bool		special;		/* some commit was more than changes of rows */
	const char *operation;		/* that may have changed rows of which nothing is left to tell; NULL: none */
} Places;

static int64
count_places(const Places *places)
{
	int64		count = 0;

	for (int i = 0; i < places->nparts; i++)
		count += places->parts[i].nplaces;
	return count;
}

/* Adds the places a commit recorded. */
static void
add_places(Places *places, const MdlTable *table, int64 filenode, Datum datum, bool is_null)
{
	if (!is_null && table->partitioned)
		mdl_part_places_expand(datum, places->parts, places->nparts);
	else if (!is_null && places->nparts > 0 && filenode == (int64) places->parts[0].filenode)
		mdl_part_places_take(&places->parts[0], datum);
	else
		places->scan = true;
}

/* Whether a commit was more than changes of rows: its history rows need not have been there, nor be gone. */
static bool
is_special(const char *operation)
{
	return strcmp(operation, "insert") != 0 && strcmp(operation, "update") != 0 && strcmp(operation, "delete") != 0 &&
		strcmp(operation, "write") != 0;
}

/*
 * Notes an operation of a commit.  After TRUNCATE, ALTER TABLE, and when a partition goes, all old rows are in the history,
 * every new one has its birth, and a partition that comes has it for all of its rows; others may take rows out of the past
 * (forget) or give them births anew.
 */
static void
note_operation(Places *places, const char *operation)
{
	if (!is_special(operation))
		return;
	places->special = true;
	if (!mdl_operation_empties(operation) && strcmp(operation, "attach") != 0)
		places->operation = operation;
}

/* Adds what the current transaction wrote to the table or to one of its partitions. */
static void
add_own_places(Places *places, const MdlTableWork *work)
{
	MdlPart    *part = mdl_part_find(work->relid, places->parts, places->nparts);
	bool		is_null;
	Datum		datum = mdl_places_datum(&work->places, &is_null);

	for (int i = 0; i < work->nlevels; i++)
		if (work->levels[i].operation)
			note_operation(places, work->levels[i].operation);
	if (mdl_work.claimed != NIL)
		places->scan = places->special = true;
	/* What was a partition and is none any more has no current rows in it.  The table may have got another file after its rows. */
	else if (part != NULL && !is_null && (work->places.count == 0 || work->filenode == part->filenode))
		mdl_part_places_take(part, datum);
	else if (part != NULL)
		part->scan = true;
}

/* Collects the places of rows that commits unseen by the reader, and this transaction, wrote; false beyond `limit`. */
static bool
collect_places(const MdlTable *table, const Judge *judge, int64 limit, Places *places)
{
	Relation	changes = table_open(mdl_history_relation(MDL_CHANGES_TABLE, false), AccessShareLock);
	Relation	index = index_open(mdl_history_relation(MDL_CHANGES_INDEX, false), AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	places->parts = mdl_parts(table->relid, &places->nparts);
	ScanKeyInit(&keys[0], Anum_commit_changes_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table->table_id));
	ScanKeyInit(&keys[1], Anum_commit_changes_version, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(judge->seen->version));
	scan = systable_beginscan_ordered(changes, index, SnapshotSelf, 2, keys);
	while (count_places(places) <= limit && HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		TupleDesc	desc = RelationGetDescr(changes);
		bool		is_null;
		int64		version = DatumGetInt64(heap_getattr(tuple, Anum_commit_changes_version, desc, &is_null));
		int64		filenode = DatumGetInt64(heap_getattr(tuple, Anum_commit_changes_filenode, desc, &is_null));
		char	   *operation = TextDatumGetCString(heap_getattr(tuple, Anum_commit_changes_operation, desc, &is_null));
		Datum		datum = heap_getattr(tuple, Anum_commit_changes_places, desc, &is_null);
		MdlCommit	commit;

		CHECK_FOR_INTERRUPTS();
		if (mdl_commit_at_version(version, &commit) && commit.version == version && was_seen(judge, commit.stamp))
			continue;
		note_operation(places, operation);
		add_places(places, table, filenode, datum, is_null);
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(changes, NoLock);
	for (const MdlTableWork *work = mdl_work.tables; work != NULL; work = work->next)
		if (work->table_id == table->table_id && work->nlevels > 0)
			add_own_places(places, work);
	for (int i = 0; i < places->nparts; i++)
		places->scan |= places->parts[i].scan;
	return count_places(places) <= limit;
}

typedef struct Emit
{
	const Judge *judge;
	TupleDesc	columns;		/* of the table */
	MdlRowReceiver receive;
	void	   *state;
	int64		count;
	int64		limit;
	bool		all;			/* whoever wrote them: the partition came after the reader */
	AttrMap    *map;			/* from the partition that is read to those columns; NULL: none needed */
	TupleTableSlot *mapped;
} Emit;

/* Hands a current row on if the reader did not see it. */
static void
emit_current(Emit *emit, TupleTableSlot *slot)
{
	bool		is_null;
	TransactionId xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null));

	/* What has no ordinary id was written before any transaction that matters. */
	if (!emit->all &&
		(!TransactionIdIsNormal(xmin) || was_seen(emit->judge, mdl_stamp_of_xid(xmin, emit->judge->stamp_offset))))
		return;
	if (emit->map)
		slot = execute_attr_map_slot(emit->map, slot, emit->mapped);
	slot_getallattrs(slot);
	emit->count++;
	emit->receive(emit->state, slot->tts_values, slot->tts_isnull, 1);
}

static void
emit_places(Relation relation, const MdlPart *part, Snapshot snapshot, Emit *emit)
{
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);

	if (part->nplaces > 1)
		qsort(part->places, part->nplaces, sizeof(ItemPointerData),
			  (int (*) (const void *, const void *)) ItemPointerCompare);
	for (int i = 0; i < part->nplaces && emit->count <= emit->limit; i++)
	{
		if (i > 0 && ItemPointerEquals(&part->places[i - 1], &part->places[i]))
			continue;
		if (ItemPointerGetBlockNumber(&part->places[i]) >= blocks)
			continue;			/* vacuum has cut the empty end of the table off */
		if ((i & 1023) == 0)
			CHECK_FOR_INTERRUPTS();
		if (table_tuple_fetch_row_version(relation, &part->places[i], snapshot, slot))
			emit_current(emit, slot);
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static void
emit_scan(Relation relation, Snapshot snapshot, Emit *emit)
{
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);

	while (emit->count <= emit->limit && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		emit_current(emit, slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* Hands on the current rows of a table, or of a partition of it in the columns of the whole, that the reader did not see. */
static void
emit_part(const MdlPart *part, bool scan, Snapshot snapshot, Emit *emit)
{
	Relation	relation;
	AttrMap    *map;
	int64		attached;

	if (!OidIsValid(part->filenode))
		return;
	relation = table_open(part->relid, AccessShareLock);
	attached = mdl_partition_attached(relation);
	emit->all = attached > 0 && !was_seen(emit->judge, attached);
	scan |= part->scan || emit->all;
	if (!scan && part->nplaces == 0)
	{
		table_close(relation, NoLock);
		return;
	}
	map = build_attrmap_by_name_if_req(RelationGetDescr(relation), emit->columns);
	emit->mapped = map ? MakeSingleTupleTableSlot(emit->columns, &TTSOpsVirtual) : NULL;
	emit->map = map;
	if (scan)
		emit_scan(relation, snapshot, emit);
	else
		emit_places(relation, part, snapshot, emit);
	if (map)
	{
		ExecDropSingleTupleTableSlot(emit->mapped);
		free_attrmap(map);
	}
	table_close(relation, NoLock);
}

/* ---- rows that are gone ----------------------------------------------------------------------------------------------- */

typedef struct OldReceiver
{
	DestReceiver dest;			/* must be first */
	Emit	   *emit;
} OldReceiver;

static bool
receive_old(TupleTableSlot *slot, DestReceiver *self)
{
	Emit	   *emit = ((OldReceiver *) self)->emit;

	slot_getallattrs(slot);
	if (was_seen(emit->judge, DatumGetInt64(slot->tts_values[0])))
		return true;
	emit->count++;
	emit->receive(emit->state, slot->tts_values + 2, slot->tts_isnull + 2,
				  was_seen(emit->judge, DatumGetInt64(slot->tts_values[1])) ? -1 : 0);
	return emit->count <= emit->limit;
}

static void
old_startup(DestReceiver *self, int operation, TupleDesc columns)
{
}

static void
old_shutdown(DestReceiver *self)
{
}

/* Reads the rows that died by transactions the reader did not see. */
static void
emit_history(const MdlTable *table, Snapshot snapshot, Emit *emit)
{
	OldReceiver receiver = {
		.dest = {.receiveSlot = receive_old, .rStartup = old_startup, .rShutdown = old_shutdown, .rDestroy = old_shutdown,
		.mydest = DestNone},
		.emit = emit
	};
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.dest};
	StringInfoData sql;
	MdlUser		user;
	int			code;
	int			settings;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT " MDL_DIED_COLUMN ", " MDL_BORN_COLUMN);
	for (int i = 0; i < emit->columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(emit->columns, i);

		if (column->attisdropped)
			appendStringInfoString(&sql, ", NULL::pg_catalog.int4");
		else
			appendStringInfo(&sql, ", %s",
							 quote_identifier(NameStr(TupleDescAttr(table->history_desc, table->history_attno[i] - 1)->attname)));
	}
	appendStringInfo(&sql, " FROM ONLY %s WHERE " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) " INT64_FORMAT,
					 mdl_qualified_name(table->history), emit->judge->seen->low);
	mdl_owner_begin(&user);
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	settings = mdl_prefer_indexes();
	code = SPI_execute_extended(sql.data, &options);
	AtEOXact_GUC(false, settings);
	if (code < 0)
		elog(ERROR, "SPI could not run \"%s\": %s", sql.data, SPI_result_code_string(code));
	PopActiveSnapshot();
	mdl_owner_end(&user);
}

int64
mdl_changes_so_far(Oid relid)
{
	MdlTable   *table = mdl_work.tables != NULL ? mdl_table_find(relid) : NULL;
	int64		count = 0;

	for (const MdlTableWork *work = mdl_work.tables; table != NULL && work != NULL; work = work->next)
		for (int i = 0; work->table_id == table->table_id && i < work->nlevels; i++)
		{
			const MdlLevel *level = &work->levels[i];

			count += level->inserted + level->updated + level->deleted + level->unchanged + level->operations;
		}
	return count;
}

/* ---- the difference ----------------------------------------------------------------------------------------------------- */

#define PRUNED_SINCE	"has a history that was pruned since"

/* Why the difference cannot be told; NULL if it can. */
static const char *
obstacle(Oid relid, const MdlTable *table, const MdlSeen *seen)
{
	Judge		judge = {.seen = seen};
	MdlClock	clock;
	MdlCommit	enabling;

	if (table == NULL)
		return "is not versioned";
	if (!mdl_clock_read(&clock) || clock.era != seen->era)
		return "has a history that was restored since";
	if (table->pruned_to > seen->version)
		return PRUNED_SINCE;
	if (table->readable_from == 0 || (table->readable_from > seen->version &&
									  (!mdl_commit_at_version(table->readable_from, &enabling) || !was_seen(&judge, enabling.stamp))))
		return "has been versioned only since";
	if (table->moved > 0 && !was_seen(&judge, table->moved))
		return "was rewritten or has lost a column since";
	if (table->root != relid)
		return "is a partition of a versioned table";
	if (!table->partitioned && has_subclass(relid))
		return "has child tables";
	return NULL;
}

int64
mdl_rows_changed_since(Oid relid, const MdlSeen *seen, Snapshot snapshot, int64 limit, MdlRowReceiver receive, void *state,
					   bool *exact, const char **why)
{
	MdlTable   *table = mdl_table_find(relid);
	Relation	base;
	MdlClock	clock;
	MdlCommit	own;
	Judge		judge = {.seen = seen};
	Emit		emit = {.judge = &judge, .receive = receive, .state = state, .limit = limit};
	Places		places = {0};

	*why = obstacle(relid, table, seen);
	if (*why != NULL)
		return -1;
	mdl_capture_show();
	mdl_clock_read(&clock);
	judge.stamp_offset = clock.stamp_offset;
	if (mdl_commit_of_stamp(seen->own, &own))
	{
		judge.nown = own.nsubstamps;
		judge.own = own.substamps;
	}
	base = table_open(relid, AccessShareLock);
	emit.columns = RelationGetDescr(base);
	if (!collect_places(table, &judge, limit, &places))
		emit.count = count_places(&places);
	else if (places.operation)
	{
		*why = psprintf("has had more than changes of rows since (%s)", places.operation);
		emit.count = -1;
	}
	else if (mdl_horizon(table->table_id, SnapshotSelf) > seen->version)
	{
		/* Pruned since it was looked up, and so perhaps while the places were collected: see horizon.c. */
		*why = PRUNED_SINCE;
		emit.count = -1;
	}
	else
	{
		emit_history(table, snapshot, &emit);
		PushCopiedSnapshot(snapshot);
		UpdateActiveSnapshotCommandId();
		for (int i = 0; i < places.nparts && emit.count <= limit; i++)
			emit_part(&places.parts[i], places.scan, GetActiveSnapshot(), &emit);
		PopActiveSnapshot();
	}
	table_close(base, NoLock);
	/* A scan meets rows so old that their ids may have come again. */
	*exact = emit.count >= 0 && seen->exact && !places.special && !places.scan && emit.count <= limit;
	return emit.count;
}
