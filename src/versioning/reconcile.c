/*
 * reconcile.c: verifying a versioned table against its history, and recording what happened behind the back of versioning.
 *
 * Every commit of a table notes how many row versions it brought (*born*) and ended (*died*).  Each of those that were
 * born is a current row or a row of history today; each that died is a row of history.  So counting finds what is missing
 * to the row, and rows that no commit brought are *foreign*: a transaction wrote them that captured nothing.
 *
 * Rows that a foreign transaction replaced or deleted are taken to history while vacuum has left them in the table, and
 * die there at that transaction.  If so nothing is missing, every version up to the foreign transaction stays readable.
 * What is missing was born in some commit: from there on versions cannot be known any more.  In both cases what can be read
 * again begins with the commit of reconcile() itself, which claims the foreign rows; the versions between are noted as
 * lost.
 */
#include "versioning/capture_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/retention_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Rows taken to history at a time. */
#define BATCH_ROWS 1000

/* What is counted of one commit of the table; version 0 is all rows older than versioning. */
typedef struct CommitCount
{
	int64		version;		/* hash key */
	int64		noted_born;		/* -1: not known */
	int64		noted_died;
	int64		born;			/* found */
	int64		died;
} CommitCount;

/* A transaction that wrote rows which no commit claims. */
typedef struct Foreign
{
	int64		stamp;			/* hash key */
} Foreign;

typedef struct Audit
{
	MdlTable   *root;
	HTAB	   *commits;
	HTAB	   *foreign;
	int64		foreign_rows;	/* current ones */
	int64		recovered;
	int64		own_stamp;		/* 0: only look */
	int64		foreign_born;	/* rows of history that foreign transactions brought or ended */
	int64		foreign_died;
	MemoryContext batch_context;
	HeapTuple	batch[BATCH_ROWS];
	int			nbatch;
} Audit;

/* ---- counting ------------------------------------------------------------------------------------------------------ */

static CommitCount *
count_of(Audit *audit, int64 version)
{
	bool		found;
	CommitCount *count = hash_search(audit->commits, &version, HASH_ENTER, &found);

	if (!found)
	{
		memset(count, 0, sizeof(CommitCount));
		count->version = version;
		count->noted_born = count->noted_died = -1;
	}
	return count;
}

static void
add_foreign(Audit *audit, int64 stamp)
{
	hash_search(audit->foreign, &stamp, HASH_ENTER, NULL);
}

/* Counts the birth of rows; false if no commit of the table brought them. */
static bool
count_born(Audit *audit, MdlBirthplace *place, int64 stamp, int64 rows)
{
	int64		version = mdl_birthplace_version(place, stamp);

	if (version == MDL_BIRTH_UNKNOWN)
	{
		add_foreign(audit, stamp);
		return false;
	}
	count_of(audit, version)->born += rows;
	return true;
}

/* Reads what the commits of the table noted, and what was corrected since. */
static void
read_notes(Audit *audit)
{
	MdlArgs		args = {0};
	Portal		portal;

	mdl_arg(&args, INT4OID, Int32GetDatum(audit->root->table_id), false);
	mdl_arg_int8(&args, audit->root->readable_from);
	portal = SPI_cursor_open_with_args(NULL, "SELECT version, born, died FROM medallion_history.commit_changes"
									   " WHERE table_id OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.>) $2",
									   args.count, args.types, args.values, args.nulls, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			CommitCount *count = count_of(audit, mdl_field_int8(i, 0));
			bool		is_null;
			Datum		born = mdl_field(i, 1, &is_null);

			count->noted_born = is_null ? -1 : DatumGetInt64(born);
			count->noted_died = is_null ? -1 : mdl_field_int8(i, 2);
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	mdl_run("SELECT version, pg_catalog.sum(born)::pg_catalog.int8, pg_catalog.sum(died)::pg_catalog.int8"
			" FROM medallion_history.count_corrections WHERE table_id OPERATOR(pg_catalog.=) $1 GROUP BY 1", &args, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CommitCount *count = count_of(audit, mdl_field_int8(i, 0));

		if (count->noted_born >= 0)
		{
			count->noted_born += mdl_field_int8(i, 1);
			count->noted_died += count->version == MDL_BIRTH_OLD ? 0 : mdl_field_int8(i, 2);
		}
	}
}

/* Counts the rows of history by one of its two stamps. */
static void
count_history(Audit *audit, MdlBirthplace *place, const char *column, bool births)
{
	Portal		portal = SPI_cursor_open_with_args(NULL, psprintf("SELECT %s, pg_catalog.count(*) FROM %s GROUP BY 1", column,
																  mdl_qualified_name(audit->root->history)),
												   0, NULL, NULL, NULL, true, 0);

	for (;;)
	{
		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			int64		stamp = mdl_field_int8(i, 0);
			int64		rows = mdl_field_int8(i, 1);

			if (births)
				audit->foreign_born += count_born(audit, place, stamp, rows) ? 0 : rows;
			else if (mdl_birthplace_version(place, stamp) != MDL_BIRTH_UNKNOWN)
				count_of(audit, mdl_birthplace_version(place, stamp))->died += rows;
			else
			{
				add_foreign(audit, stamp);
				audit->foreign_died += rows;
			}
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
}

/* ---- reading the table --------------------------------------------------------------------------------------------- */

static void
flush_batch(Audit *audit)
{
	Relation	history;

	if (audit->nbatch == 0)
		return;
	history = table_open(audit->root->history, RowExclusiveLock);
	mdl_history_insert(history, audit->batch, audit->nbatch);
	table_close(history, NoLock);
	MemoryContextReset(audit->batch_context);
	audit->nbatch = 0;
}

/* The transaction that ended a row version for good; 0 if none did. */
static TransactionId
deleter_of(HeapTupleHeader header)
{
	TransactionId xmax;

	if ((header->t_infomask & HEAP_XMAX_INVALID) || HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
		return InvalidTransactionId;
	xmax = HeapTupleHeaderGetUpdateXid(header);
	if (!TransactionIdIsNormal(xmax) || TransactionIdIsCurrentTransactionId(xmax) || TransactionIdIsInProgress(xmax) ||
		!TransactionIdDidCommit(xmax))
		return InvalidTransactionId;
	return xmax;
}

/* A row version that is not there any more: if a foreign transaction ended it, history has it not. */
static void
look_at_dead(Audit *audit, MdlTable *table, MdlBirthplace *place, Relation relation, HeapTuple tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	TransactionId xmax;
	int64		born,
				died;
	MemoryContext saved;

	if (HeapTupleHeaderXminInvalid(tuple->t_data) ||
		(!HeapTupleHeaderXminCommitted(tuple->t_data) && !HeapTupleHeaderXminFrozen(tuple->t_data) &&
		 (TransactionIdIsCurrentTransactionId(xmin) || !TransactionIdDidCommit(xmin))))
		return;
	xmax = deleter_of(tuple->t_data);
	if (xmax == InvalidTransactionId)
		return;
	died = mdl_birthplace_near(place, xmax);
	born = mdl_birthplace_stamp(place, tuple);
	if (mdl_birthplace_version(place, died) != MDL_BIRTH_UNKNOWN)
		return;
	add_foreign(audit, died);
	/* Values stored out of line may be gone. */
	if (HeapTupleHasExternal(tuple) || !count_born(audit, place, born, 1))
		return;
	audit->recovered++;
	if (audit->own_stamp == 0)
		return;
	saved = MemoryContextSwitchTo(audit->batch_context);
	audit->batch[audit->nbatch++] = mdl_history_form(table, RelationGetDescr(relation), tuple,
													 mdl_partition_birth(table, born), died);
	MemoryContextSwitchTo(saved);
	if (audit->nbatch == BATCH_ROWS)
		flush_batch(audit);
}

/* Reads every row version that the table or partition still has.  Writers are locked out. */
static void
read_table(Audit *audit, Oid relid)
{
	MdlTable   *table = mdl_table_get(relid);
	MdlBirthplace *place = mdl_birthplace_create(table);
	Relation	relation = table_open(relid, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetActiveSnapshot());
	TableScanDesc scan = table_beginscan(relation, SnapshotAny, 0, NULL);
	Buffer		buffer;
	HeapTuple	tuple;

	/* Without a snapshot the scan prunes no page, so that what can be recovered stays. */
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		bool		live;

		buffer = ((HeapScanDesc) scan)->rs_cbuf;
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		live = HeapTupleSatisfiesVisibility(tuple, snapshot, buffer);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (!live)
			look_at_dead(audit, table, place, relation, tuple);
		else if (!count_born(audit, place, mdl_birthplace_stamp(place, tuple), 1))
		{
			audit->foreign_rows++;
			if (audit->own_stamp != 0)
				mdl_capture_claim_place(relid, &tuple->t_self);	/* counts it too */
		}
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, NoLock);
	flush_batch(audit);
}

/* ---- judging ------------------------------------------------------------------------------------------------------- */

typedef struct Verdict
{
	int64		missing;		/* row versions that are gone */
	bool		old_unknown;	/* rows of before versioning may be among what is gone: nobody counted them */
	int64		too_many;		/* more rows have this birth than were born */
	int64		first_lost;		/* PG_INT64_MAX: no version is */
} Verdict;

static void
judge(Audit *audit, bool distrust, Verdict *verdict)
{
	HASH_SEQ_STATUS status;
	CommitCount *count;
	int64		missing_deaths = 0;
	int64		missing_births = 0;

	memset(verdict, 0, sizeof(Verdict));
	verdict->first_lost = PG_INT64_MAX;
	hash_seq_init(&status, audit->commits);
	while ((count = hash_seq_search(&status)) != NULL)
	{
		int64		missing = count->noted_born < 0 ? 0 : count->noted_born - count->born;

		if (count->noted_died >= 0)
			missing_deaths += Max(count->noted_died - count->died, 0);
		if (missing == 0)
			continue;
		if (missing > 0)
		{
			verdict->missing += missing;
			missing_births += missing;
		}
		else
			verdict->too_many -= missing;
		/* Rows that are too many are older than the commit that they are taken for: nobody knows by how much. */
		verdict->first_lost = Min(verdict->first_lost, count->version == MDL_BIRTH_OLD || missing < 0
								  ? audit->root->readable_from : count->version);
	}
	/* Rows of history are gone whose births nobody counted. */
	if (missing_deaths > missing_births)
	{
		verdict->missing += missing_deaths - missing_births;
		verdict->first_lost = audit->root->readable_from;
	}
	distrust |= hash_get_num_entries(audit->foreign) > 0 || missing_deaths > 0;
	verdict->old_unknown = distrust && count_of(audit, MDL_BIRTH_OLD)->noted_born < 0;
	if (verdict->old_unknown)
		verdict->first_lost = audit->root->readable_from;
}

/* The first version that a foreign transaction may be part of. */
static int64
first_foreign(Audit *audit)
{
	HASH_SEQ_STATUS status;
	Foreign    *foreign;
	int64		oldest = PG_INT64_MAX;
	MdlArgs		args = {0};

	hash_seq_init(&status, audit->foreign);
	while ((foreign = hash_seq_search(&status)) != NULL)
		oldest = Min(oldest, foreign->stamp);
	if (oldest == PG_INT64_MAX)
		return PG_INT64_MAX;
	mdl_arg_int8(&args, oldest);
	mdl_arg_int8(&args, audit->root->readable_from);
	mdl_run("SELECT pg_catalog.min(version) FROM medallion_history.commit_log"
			" WHERE high OPERATOR(pg_catalog.>) $1 AND version OPERATOR(pg_catalog.>=) $2", &args, false);
	return mdl_field_int8(0, 0) == 0 ? PG_INT64_MAX : mdl_field_int8(0, 0);
}

/* ---- recording ----------------------------------------------------------------------------------------------------- */

static void
correct(int32 table_id, int64 version, int64 born, int64 died)
{
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_int8(&args, version);
	mdl_arg_int8(&args, born);
	mdl_arg_int8(&args, died);
	mdl_run("INSERT INTO medallion_history.count_corrections (table_id, version, born, died) VALUES ($1, $2, $3, $4)", &args, false);
}

/* From now on the notes, as corrected, say what is there. */
static void
correct_notes(Audit *audit)
{
	HASH_SEQ_STATUS status;
	CommitCount *count;

	hash_seq_init(&status, audit->commits);
	while ((count = hash_seq_search(&status)) != NULL)
		if (count->version != MDL_BIRTH_OLD && count->noted_born >= 0 &&
			(count->noted_born != count->born || count->noted_died != count->died))
			correct(audit->root->table_id, count->version, count->born - count->noted_born, count->died - count->noted_died);
}

void
mdl_counts_forget(const MdlTable *table, int64 born, int64 died)
{
	MdlBirthplace *place = mdl_birthplace_create(table);
	int64		born_version = mdl_birthplace_version(place, born);
	int64		died_version = mdl_birthplace_version(place, died);
	MdlUser		user;

	mdl_owner_begin(&user);
	if (born_version != MDL_BIRTH_UNKNOWN)
		correct(table->table_id, born_version, -1, 0);
	if (died_version > 0)
		correct(table->table_id, died_version, 0, -1);
	mdl_owner_end(&user);
}

/* Takes away the notes of the table and its partitions, and notes them as they are. */
static void
note_state(Audit *audit, List *members)
{
	ListCell   *cell;

	MdlArgs		args = {0};

	/* Old rows are counted anew below. */
	mdl_arg(&args, INT4OID, Int32GetDatum(audit->root->table_id), false);
	mdl_run("DELETE FROM medallion_history.count_corrections WHERE table_id OPERATOR(pg_catalog.=) $1"
			" AND version OPERATOR(pg_catalog.=) 0", &args, false);
	foreach(cell, members)
	{
		MdlTable   *table = mdl_table_get(lfirst_oid(cell));
		bool		is_root = table->relid == audit->root->relid;

		mdl_state_forget(table->relid);
		mdl_state_note(table, false, is_root ? count_of(audit, MDL_BIRTH_OLD)->born : -1, table->pruned_to);
		CacheInvalidateRelcacheByRelid(table->relid);
	}
}

/* ROW(x.a, x.b)::text of the primary key. */
static char *
key_text(const MdlTable *table, const char *alias)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "ROW(");
	for (int i = 0; i < table->nkeys; i++)
		appendStringInfo(&text, "%s%s.%s", i ? ", " : "", alias, quote_identifier(get_attname(table->relid, table->keys[i], false)));
	appendStringInfoString(&text, ")::pg_catalog.text");
	return text.data;
}

/*
 * Compares the rows that were recovered with the table by key: *updated of them are there in another form, and *new_rows
 * of the foreign rows are of other keys.
 */
static void
compare_keys(Audit *audit, int64 *updated, int64 *new_rows)
{
	HASH_SEQ_STATUS status;
	Foreign    *foreign;
	Datum	   *stamps = palloc(Max(hash_get_num_entries(audit->foreign), 1) * sizeof(Datum));
	int			nstamps = 0;
	MdlArgs		args = {0};
	char	   *base = psprintf("%s%s", audit->root->has_rows ? "ONLY " : "", mdl_qualified_name(audit->root->relid));
	char	   *past;

	*updated = 0;
	*new_rows = audit->foreign_rows;
	if (audit->recovered == 0)
		return;
	hash_seq_init(&status, audit->foreign);
	while ((foreign = hash_seq_search(&status)) != NULL)
		stamps[nstamps++] = Int64GetDatum(foreign->stamp);
	mdl_arg(&args, INT8ARRAYOID, PointerGetDatum(construct_array(stamps, nstamps, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
																  TYPALIGN_DOUBLE)), false);
	past = psprintf("SELECT %s FROM %s h WHERE h." MDL_DIED_COLUMN " OPERATOR(pg_catalog.=) ANY ($1)",
					key_text(audit->root, "h"), mdl_qualified_name(audit->root->history));
	mdl_run(psprintf("SELECT (SELECT pg_catalog.count(*) FROM %s b WHERE %s OPERATOR(pg_catalog.=) ANY (%s)),"
					 " (SELECT pg_catalog.count(*) FROM %s b WHERE medallion._foreign_birth(b.tableoid, b.ctid, b.xmin)"
					 " AND (%s OPERATOR(pg_catalog.=) ANY (%s)) IS NOT TRUE)", base, key_text(audit->root, "b"), past,
					 base, key_text(audit->root, "b"), past), &args, false);
	*updated = mdl_field_int8(0, 0);
	*new_rows = mdl_field_int8(0, 1);
}

/* For compare_keys: whether no commit of the table brought a current row. */
MDL_FUNCTION(mdl_foreign_birth);
Datum
mdl_foreign_birth(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ItemPointer place = (ItemPointer) PG_GETARG_POINTER(1);
	TransactionId xmin = PG_GETARG_TRANSACTIONID(2);
	MemoryContext saved = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	MdlBirthplace *births = fcinfo->flinfo->fn_extra;

	if (births == NULL || mdl_birthplace_table(births) != mdl_table_get(relid))
		fcinfo->flinfo->fn_extra = births = mdl_birthplace_create(mdl_table_get(relid));
	MemoryContextSwitchTo(saved);
	PG_RETURN_BOOL(mdl_birthplace_version(births, mdl_birthplace_at(births, place, xmin)) == MDL_BIRTH_UNKNOWN);
}

static void
claim_foreign(Audit *audit)
{
	HASH_SEQ_STATUS status;
	Foreign    *foreign;

	hash_seq_init(&status, audit->foreign);
	while ((foreign = hash_seq_search(&status)) != NULL)
		mdl_capture_claim_placed(foreign->stamp);
}

/* ---- the triggers -------------------------------------------------------------------------------------------------- */

/* Puts the capture triggers of the table in force again; true if they were not. */
static bool
mend_triggers(Oid relid, int32 table_id, List *members)
{
	bool		in_force = true;
	ListCell   *cell;

	foreach(cell, members)
	{
		bool		member_in_force;

		(void) mdl_state_triggers(lfirst_oid(cell), &member_in_force);
		in_force &= member_in_force;
	}
	if (in_force)
		return false;
	/* In this order, and attached partitions keep since when they belong. */
	mdl_capture_mend_triggers(relid, table_id, members);
	CommandCounterIncrement();
	return true;
}

/* ---- the function -------------------------------------------------------------------------------------------------- */

static void
audit_begin(Audit *audit, MdlTable *root)
{
	HASHCTL		commits = {.keysize = sizeof(int64), .entrysize = sizeof(CommitCount), .hcxt = CurrentMemoryContext};
	HASHCTL		foreign = {.keysize = sizeof(int64), .entrysize = sizeof(Foreign), .hcxt = CurrentMemoryContext};

	memset(audit, 0, sizeof(Audit));
	audit->root = root;
	audit->commits = hash_create("medallion commits of a table", 1024, &commits, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	audit->foreign = hash_create("medallion foreign writers", 16, &foreign, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	audit->batch_context = AllocSetContextCreate(CurrentMemoryContext, "medallion recovered rows", ALLOCSET_DEFAULT_SIZES);
}

static void
run_audit(Audit *audit, List *members)
{
	MdlBirthplace *place = mdl_birthplace_create(audit->root);
	ListCell   *cell;

	/* One snapshot for all that is counted. */
	PushActiveSnapshot(GetLatestSnapshot());
	read_notes(audit);
	/* History first: what is recovered from the table is not in it yet. */
	count_history(audit, place, MDL_BORN_COLUMN, true);
	count_history(audit, place, MDL_DIED_COLUMN, false);
	foreach(cell, members)
		if (mdl_table_get(lfirst_oid(cell))->has_rows)
			read_table(audit, lfirst_oid(cell));
	PopActiveSnapshot();
}

/* Whether the triggers of any member were other ones, or rows of unknown birth were changed. */
static bool
any_in_doubt(List *members)
{
	ListCell   *cell;

	foreach(cell, members)
		if (mdl_state_doubt(mdl_table_get(lfirst_oid(cell))) >= MDL_DOUBT_TRIGGERS)
			return true;
	return false;
}

/* How many rows are older than versioning, as noted for a table whose triggers may be gone. */
static int64
known_old_rows(Oid relid, int32 table_id)
{
	MdlTable	table = {.relid = relid, .table_id = table_id, .pruned_to = mdl_horizon(table_id, SnapshotSelf)};

	return mdl_state_old_rows(&table);
}

static const char *
loss_reason(const Verdict *verdict)
{
	if (verdict->missing > 0)
		return psprintf(INT64_FORMAT " recorded rows are gone and could not be recovered", verdict->missing);
	if (verdict->too_many > 0)
		return psprintf(INT64_FORMAT " rows cannot be told from rows of other commits", verdict->too_many);
	if (verdict->old_unknown)
		return "rows that are older than versioning may be gone; they were never counted";
	return "transactions that were not captured changed the table in between";
}

/* Records what was found as a commit; fills inserted, updated, deleted. */
static void
record(Audit *audit, List *members, const Verdict *verdict, Datum *values)
{
	int64		first = Min(verdict->first_lost, first_foreign(audit));
	int64		inserted,
				updated,
				deleted,
				replaced;

	compare_keys(audit, &updated, &inserted);
	/* Rows that are gone and rows that came, also if they have been replaced since: most likely the same ones. */
	replaced = Min(verdict->missing, inserted + audit->foreign_born);
	deleted = Max(audit->recovered - updated, 0) + verdict->missing - replaced;
	inserted = Max(inserted - replaced, 0);
	updated += replaced;

	claim_foreign(audit);
	mdl_capture_operation(audit->root->relid, "reconcile");
	mdl_capture_net(audit->root->relid, inserted, updated, deleted);
	mdl_capture_count(audit->root->relid, audit->foreign_born, audit->foreign_died + audit->recovered);
	correct_notes(audit);
	note_state(audit, members);
	if (first < PG_INT64_MAX)
	{
		mdl_lost_note(audit->root->table_id, first, audit->own_stamp, loss_reason(verdict));
		ereport(WARNING,
				(errmsg("versions of table \"%s\" from " INT64_FORMAT " up to this reconciliation cannot be read any more",
						mdl_display_name(audit->root->relid), first),
				 errdetail("%c%s.", pg_toupper(loss_reason(verdict)[0]), loss_reason(verdict) + 1)));
	}
	values[0] = Int64GetDatum(inserted);
	values[1] = Int64GetDatum(updated);
	values[2] = Int64GetDatum(deleted);
}

bool
mdl_births_in_excess(Oid relid)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "medallion audit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(context);
	List	   *members = mdl_partition_members(relid, AccessShareLock);
	Audit	   *audit = palloc(sizeof(Audit));
	Verdict		verdict;
	MdlUser		user;

	SPI_connect();
	MemoryContextSwitchTo(context);
	mdl_owner_begin(&user);
	audit_begin(audit, mdl_table_get(relid));
	run_audit(audit, members);
	mdl_owner_end(&user);
	SPI_finish();
	judge(audit, false, &verdict);
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(context);
	return verdict.too_many > 0;
}

void
mdl_reconcile_adopted(Oid relid, int64 own_stamp)
{
	Audit		audit;
	Verdict		verdict;
	MdlTable   *root = mdl_table_get(relid);
	MdlBirthplace *place;

	audit_begin(&audit, root);
	PushActiveSnapshot(GetLatestSnapshot());	/* sees what the adoption has written */
	read_notes(&audit);
	place = mdl_birthplace_create(root);
	count_history(&audit, place, MDL_BORN_COLUMN, true);
	count_history(&audit, place, MDL_DIED_COLUMN, false);
	PopActiveSnapshot();
	judge(&audit, false, &verdict);
	correct_notes(&audit);
	note_state(&audit, mdl_partition_members(relid, NoLock));
	if (verdict.first_lost == PG_INT64_MAX)
		return;
	mdl_lost_note(root->table_id, verdict.first_lost, own_stamp, loss_reason(&verdict));
	ereport(WARNING,
			(errmsg("versions of table \"%s\" from " INT64_FORMAT " up to this adoption cannot be read any more",
					mdl_display_name(relid), verdict.first_lost),
			 errdetail("The restored rows or their births are not all there: %s.", loss_reason(&verdict))));
}

MDL_FUNCTION(mdl_reconcile);
Datum
mdl_reconcile(PG_FUNCTION_ARGS)
{
	Oid			relid = mdl_partition_root(PG_GETARG_OID(0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *members;
	int32		table_id;
	MdlUser		user;
	Audit		audit;
	Verdict		verdict;
	MdlTable   *root;
	bool		mended;
	bool		distrust;
	int64		old_rows;
	Datum		values[3] = {Int64GetDatum(0), Int64GetDatum(0), Int64GetDatum(0)};
	bool		nulls[3] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a table cannot be reconciled in a transaction of isolation level REPEATABLE READ or above"),
				 errhint("Reconcile in a transaction of its own.")));
	mdl_require_table_owner(relid);
	LockRelationOid(relid, ShareRowExclusiveLock);
	members = mdl_partition_members(relid, ShareRowExclusiveLock);
	table_id = mdl_table_find(relid) ? mdl_table_find(relid)->table_id : mdl_state_enabled_table(relid);
	if (table_id < 0)
		(void) mdl_table_get(relid);	/* the error */
	SPI_connect();
	mdl_warn_of_event_triggers();
	old_rows = known_old_rows(relid, table_id);	/* before its notes are made anew */
	mended = mend_triggers(relid, table_id, members);
	root = mdl_table_get(relid);
	if (mdl_capture_any(root->table_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot reconcile table \"%s\" in a transaction that has changed it", mdl_display_name(relid)),
				 errhint("Commit first.")));
	distrust = mended || any_in_doubt(members);
	mdl_owner_begin(&user);
	audit_begin(&audit, root);
	audit.own_stamp = mdl_capture_own_stamp(relid);
	count_of(&audit, MDL_BIRTH_OLD)->noted_born = old_rows;
	run_audit(&audit, members);
	judge(&audit, distrust, &verdict);
	if (hash_get_num_entries(audit.foreign) == 0 && verdict.first_lost == PG_INT64_MAX)
		note_state(&audit, members);
	else
		record(&audit, members, &verdict, values);
	mdl_owner_end(&user);
	SPI_finish();
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	PG_RETURN_NULL();
}
