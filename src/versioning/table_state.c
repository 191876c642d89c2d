/*
 * table_state.c: whether a versioned table is as versioning left it.
 *
 * medallion_history.table_state notes for each relation with capture triggers the file its rows are in and the identity
 * of its triggers: number, state and the transaction that wrote their catalog rows, so that a trigger that was switched
 * off and on again is another one.  What differs when the table is looked at next went behind our back, or not:
 *
 * - Other triggers: rows may have been changed, deleted ones included.  Only reconcile() can tell.
 * - Another file: VACUUM FULL, CLUSTER and SET TABLESPACE keep the births of rows; a tool that swaps tables does not.
 *   So the rows are read once: if each was born in a commit of the table or before versioning, the file is noted as well.
 * - A row of an unknown birth was captured while there was such a doubt, or found in the background: the table is noted
 *   as damaged.
 *
 * A note belongs to an era and a cluster; after a restore or pg_upgrade it is made anew in the same way.  Notes are added
 * by whoever finds out, readers too, so they are rows that are never changed; only reconcile() and the end of versioning
 * take them away.
 */
#include "versioning/capture_int.h"
#include "versioning/columns_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/past_int.h"
#include "versioning/rows_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/trust_int.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define STATE_TABLE		"table_state"
#define STATE_INDEX		"table_state_relation_idx"
#define LOST_TABLE		"lost_versions"

#define Natts_table_state				10
#define Anum_table_state_table_id		1
#define Anum_table_state_relation		2
#define Anum_table_state_filenode		3
#define Anum_table_state_triggers		4
#define Anum_table_state_damaged		5
#define Anum_table_state_old_rows		6
#define Anum_table_state_old_until		7
#define Anum_table_state_era			8
#define Anum_table_state_system_id		9
#define Anum_table_state_noted_at		10

#define Natts_lost_versions				4
#define Anum_lost_versions_table_id		1
#define Anum_lost_versions_first		2
#define Anum_lost_versions_until		3
#define Anum_lost_versions_reason		4

/* ---- what is there ------------------------------------------------------------------------------------------------ */

char *
mdl_state_triggers(Oid relid, bool *in_force)
{
	Relation	relation = table_open(TriggerRelationId, AccessShareLock);
	StringInfoData text;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;

	initStringInfo(&text);
	*in_force = true;
	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(relation, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!mdl_is_capture_function(trigger->tgfoid))
			continue;
		count++;
		*in_force &= trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
		appendStringInfo(&text, "%u %u %c, ", trigger->oid, HeapTupleHeaderGetRawXmin(tuple->t_data), trigger->tgenabled);
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	*in_force &= count == MDL_CAPTURE_TRIGGERS;
	return text.data;
}

/* ---- notes -------------------------------------------------------------------------------------------------------- */

/* Whether a text of mdl_state_triggers() has a trigger in force, with this writer or any. */
static bool
has_trigger(const char *triggers, Oid trigger, TransactionId writer, bool any_writer)
{
	unsigned int oid,
				xmin;
	char		state;

	for (const char *entry = triggers; entry != NULL && sscanf(entry, "%u %u %c", &oid, &xmin, &state) == 3;
		 entry = strstr(entry, ", ") ? strstr(entry, ", ") + 2 : NULL)
		if (oid == trigger && state == TRIGGER_FIRES_ALWAYS && (any_writer || xmin == writer))
			return true;
	return false;
}

/* Whether the triggers of now are those that were noted, or changed by the current transaction. */
static bool
triggers_followed(const char *noted, const char *now)
{
	unsigned int oid,
				xmin;
	char		state;

	for (const char *entry = now; entry != NULL && sscanf(entry, "%u %u %c", &oid, &xmin, &state) == 3;
		 entry = strstr(entry, ", ") ? strstr(entry, ", ") + 2 : NULL)
		if (!has_trigger(noted, oid, xmin, TransactionIdIsCurrentTransactionId(xmin)))
			return false;
	return true;
}

/* What the notes of a relation say. */
typedef struct Notes
{
	bool		any;			/* of this era and cluster */
	bool		same_triggers;
	bool		followed;		/* or changed by the current transaction only */
	bool		same_file;		/* and the same triggers */
	bool		damaged;
	int64		old_rows;		/* -1: not known */
	int64		old_until;
} Notes;

static void
read_notes(const MdlTable *table, const char *triggers, Notes *notes)
{
	Relation	relation = table_open(mdl_history_relation(STATE_TABLE, false), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(relation);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	MdlClock	clock;

	memset(notes, 0, sizeof(Notes));
	notes->old_rows = -1;
	if (!mdl_clock_peek(&clock))
	{
		table_close(relation, NoLock);
		return;
	}
	ScanKeyInit(&key, Anum_table_state_relation, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(table->relid));
	scan = systable_beginscan(relation, mdl_history_relation(STATE_INDEX, false), true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_table_state];
		bool		nulls[Natts_table_state];
		bool		same_triggers;

		heap_deform_tuple(tuple, desc, values, nulls);
		if (DatumGetInt32(values[Anum_table_state_table_id - 1]) != table->table_id)
			continue;
		if (DatumGetInt64(values[Anum_table_state_era - 1]) != clock.era ||
			DatumGetInt64(values[Anum_table_state_system_id - 1]) != (int64) GetSystemIdentifier())
			continue;
		notes->any = true;
		same_triggers = strcmp(TextDatumGetCString(values[Anum_table_state_triggers - 1]), triggers) == 0;
		notes->same_triggers |= same_triggers;
		notes->followed |= triggers_followed(TextDatumGetCString(values[Anum_table_state_triggers - 1]), triggers);
		notes->same_file |= same_triggers && DatumGetInt64(values[Anum_table_state_filenode - 1]) == (int64) table->filenode;
		notes->damaged |= DatumGetBool(values[Anum_table_state_damaged - 1]);
		if (!nulls[Anum_table_state_old_rows - 1])
		{
			notes->old_rows = DatumGetInt64(values[Anum_table_state_old_rows - 1]);
			notes->old_until = DatumGetInt64(values[Anum_table_state_old_until - 1]);
		}
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
}

void
mdl_state_note(const MdlTable *table, bool damaged, int64 old_rows, int64 old_until)
{
	Relation	relation = table_open(mdl_history_relation(STATE_TABLE, false), RowExclusiveLock);
	Datum		values[Natts_table_state];
	bool		nulls[Natts_table_state] = {false};
	bool		in_force;
	MdlClock	clock;

	mdl_clock_peek(&clock);
	values[Anum_table_state_table_id - 1] = Int32GetDatum(table->table_id);
	values[Anum_table_state_relation - 1] = Int64GetDatum(table->relid);
	values[Anum_table_state_filenode - 1] = Int64GetDatum(table->filenode);
	values[Anum_table_state_triggers - 1] = CStringGetTextDatum(mdl_state_triggers(table->relid, &in_force));
	values[Anum_table_state_damaged - 1] = BoolGetDatum(damaged);
	values[Anum_table_state_old_rows - 1] = Int64GetDatum(old_rows);
	values[Anum_table_state_old_until - 1] = Int64GetDatum(old_until);
	nulls[Anum_table_state_old_rows - 1] = nulls[Anum_table_state_old_until - 1] = old_rows < 0;
	values[Anum_table_state_era - 1] = Int64GetDatum(clock.era);
	values[Anum_table_state_system_id - 1] = Int64GetDatum((int64) GetSystemIdentifier());
	values[Anum_table_state_noted_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	CatalogTupleInsert(relation, heap_form_tuple(RelationGetDescr(relation), values, nulls));
	table_close(relation, NoLock);
}

void
mdl_state_forget(Oid relid)
{
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(mdl_history_relation(STATE_TABLE, true)))
		return;
	relation = table_open(mdl_history_relation(STATE_TABLE, false), RowExclusiveLock);
	ScanKeyInit(&key, Anum_table_state_relation, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(relid));
	scan = systable_beginscan(relation, mdl_history_relation(STATE_INDEX, false), true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(relation, &tuple->t_self);
	systable_endscan(scan);
	table_close(relation, NoLock);
}

void
mdl_state_note_new(Oid relid, int32 table_id)
{
	MdlTable	table = {.relid = relid, .table_id = table_id};
	bool		empty = true;
	ListCell   *cell;

	/* A table without a block has no row that is older than versioning. */
	foreach(cell, mdl_partition_members(relid, AccessShareLock))
	{
		Relation	relation = table_open(lfirst_oid(cell), AccessShareLock);

		empty &= !RELKIND_HAS_STORAGE(relation->rd_rel->relkind) || RelationGetNumberOfBlocks(relation) == 0;
		if (lfirst_oid(cell) == relid)
			table.filenode = relation->rd_node.relNode;
		table_close(relation, NoLock);
	}
	mdl_state_forget(relid);
	mdl_state_note(&table, false, empty ? 0 : -1, 0);
}

bool
mdl_state_followed(Oid relid, int32 table_id)
{
	MdlTable	table = {.relid = relid, .table_id = table_id};
	bool		in_force;
	Notes		notes;

	read_notes(&table, mdl_state_triggers(relid, &in_force), &notes);
	return notes.followed && !notes.damaged;
}

void
mdl_state_note_again(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	MdlTable	table = {.relid = relid, .table_id = mdl_table_id(relation), .filenode = relation->rd_node.relNode};

	table_close(relation, NoLock);
	mdl_state_note(&table, false, -1, 0);
}

/* Whether a table is versioned under its name, for all that is known. */
static bool
is_enabled(int32 table_id, Oid relid)
{
	Relation	relation = table_open(mdl_history_relation(MDL_TABLES_TABLE, false), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(relation);
	char	   *schema = get_namespace_name(get_rel_namespace(relid));
	char	   *name = get_rel_name(relid);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_null;
	bool		enabled = false;

	ScanKeyInit(&key, Anum_versioned_tables_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table_id));
	scan = systable_beginscan(relation, mdl_history_relation(MDL_TABLES_INDEX, false), true, SnapshotSelf, 1, &key);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)) && schema != NULL && name != NULL)
		enabled = DatumGetBool(heap_getattr(tuple, Anum_versioned_tables_enabled, desc, &is_null)) &&
			strcmp(TextDatumGetCString(heap_getattr(tuple, Anum_versioned_tables_schema, desc, &is_null)), schema) == 0 &&
			strcmp(TextDatumGetCString(heap_getattr(tuple, Anum_versioned_tables_name, desc, &is_null)), name) == 0;
	systable_endscan(scan);
	table_close(relation, NoLock);
	return enabled;
}

int32
mdl_state_enabled_table(Oid relid)
{
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int32		table_id = -1;
	MdlClock	clock;

	if (!OidIsValid(mdl_history_relation(STATE_TABLE, true)) || !mdl_clock_peek(&clock))
		return -1;
	relation = table_open(mdl_history_relation(STATE_TABLE, false), AccessShareLock);
	ScanKeyInit(&key, Anum_table_state_relation, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(relid));
	scan = systable_beginscan(relation, mdl_history_relation(STATE_INDEX, false), true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_table_state];
		bool		nulls[Natts_table_state];

		heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
		if (DatumGetInt64(values[Anum_table_state_era - 1]) == clock.era)
			table_id = Max(table_id, DatumGetInt32(values[Anum_table_state_table_id - 1]));
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	return table_id >= 0 && is_enabled(table_id, relid) ? table_id : -1;
}

/* ---- doubts ------------------------------------------------------------------------------------------------------- */

MdlDoubt
mdl_state_doubt(const MdlTable *table)
{
	bool		in_force;
	char	   *triggers = mdl_state_triggers(table->relid, &in_force);
	Notes		notes;

	read_notes(table, triggers, &notes);
	pfree(triggers);
	if (!in_force || (notes.any && !notes.same_triggers))
		return MDL_DOUBT_TRIGGERS;
	if (notes.damaged)
		return MDL_DOUBT_DAMAGED;
	return notes.same_file ? MDL_SOUND : MDL_DOUBT_FILE;
}

int64
mdl_state_old_rows(const MdlTable *table)
{
	Notes		notes;

	read_notes(table, "", &notes);
	return notes.old_rows >= 0 && notes.old_until == table->pruned_to ? notes.old_rows : -1;
}

/* ---- births ------------------------------------------------------------------------------------------------------- */

struct MdlBirthplace
{
	const MdlTable *table;
	MdlBirths  *births;			/* where ids repeat */
	MdlClock	clock;
	FullTransactionId next;
	MdlPoint	floor;
	bool		has_floor;
	HTAB	   *known;			/* stamp -> version */
};

typedef struct KnownBirth
{
	int64		stamp;			/* hash key */
	int64		version;
} KnownBirth;

MdlBirthplace *
mdl_birthplace_create(const MdlTable *table)
{
	MdlBirthplace *place = palloc0(sizeof(MdlBirthplace));
	HASHCTL		control = {.keysize = sizeof(int64), .entrysize = sizeof(KnownBirth), .hcxt = CurrentMemoryContext};

	place->table = table;
	mdl_clock_read(&place->clock);
	place->next = ReadNextFullTransactionId();
	if (mdl_ids_repeat())
		place->births = mdl_births_create(table->relid, CurrentMemoryContext);
	place->has_floor = table->readable_from > 0;
	if (place->has_floor)
	{
		place->floor = *mdl_point_resolve(table->readable_from, NULL);
		place->floor.exceptions = memcpy(palloc(Max(place->floor.nexceptions, 1) * sizeof(int64)), place->floor.exceptions,
										 place->floor.nexceptions * sizeof(int64));
	}
	place->known = hash_create("medallion births", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return place;
}

/* The birth that a row counts with: its partition may have brought it, or a change of the table's columns. */
static int64
counted_birth(MdlBirthplace *place, int64 stamp)
{
	return mdl_moved_birth((MdlTable *) place->table, mdl_partition_birth(place->table, stamp));
}

int64
mdl_birthplace_stamp(MdlBirthplace *place, HeapTuple tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);

	if (!TransactionIdIsNormal(xmin))
		return 0;
	if (!HeapTupleHeaderXminFrozen(tuple->t_data))
		return counted_birth(place, mdl_stamp_near(xmin, place->next, place->clock.stamp_offset));
	return mdl_birthplace_at(place, &tuple->t_self, xmin);
}

int64
mdl_birthplace_at(MdlBirthplace *place, ItemPointer tid, TransactionId xmin)
{
	if (!TransactionIdIsNormal(xmin))
		return 0;
	return counted_birth(place, place->births != NULL ? mdl_births_stamp(place->births, tid, xmin)
						 : mdl_stamp_by_age(xmin, place->clock.stamp_offset));
}

int64
mdl_birthplace_near(MdlBirthplace *place, TransactionId xid)
{
	return mdl_stamp_near(xid, place->next, place->clock.stamp_offset);
}

const MdlTable *
mdl_birthplace_table(const MdlBirthplace *place)
{
	return place->table;
}

/* Whether a commit did something to the table. */
static bool
touched(const MdlTable *table, int64 version)
{
	bool		known;
	uint64	   *runs;
	int			count;
	bool		found = version > 0 && mdl_commit_places(table, version, &known, &runs, &count);

	if (found && runs != NULL)
		pfree(runs);
	return found;
}

int64
mdl_birthplace_version(MdlBirthplace *place, int64 stamp)
{
	bool		found;
	KnownBirth *known = hash_search(place->known, &stamp, HASH_ENTER, &found);
	MdlCommit	commit;
	int64		version;

	if (found)
		return known->version;
	known->version = MDL_BIRTH_UNKNOWN;
	/* The current transaction will be a commit of the table. */
	if (!place->has_floor || mdl_point_includes(&place->floor, stamp) || mdl_capture_is_own(stamp))
		known->version = MDL_BIRTH_OLD;
	else if (mdl_commit_of_stamp(stamp, &commit) && touched(place->table, commit.version))
		known->version = commit.version;
	else if ((version = mdl_version_claiming(stamp)) > 0 && touched(place->table, version))
		known->version = version;
	return known->version;
}

/* Reads all rows of the table: whether each has a birth that is known. */
static bool
births_known(const MdlTable *table)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "medallion births of a table", ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(context);
	MdlBirthplace *place = mdl_birthplace_create(table);
	Relation	relation = table_open(table->relid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	Snapshot	snapshot = RegisterSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	bool		known = true;

	while (known && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);

		known = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data)) ||
			mdl_birthplace_version(place, mdl_birthplace_stamp(place, tuple)) != MDL_BIRTH_UNKNOWN;
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(context);
	return known;
}

/* The transaction is about to commit: a file that it made itself is noted, and so is damage. */
void
mdl_state_follow(MdlTableWork *work)
{
	Relation	relation;
	MdlTable	table = {.relid = work->relid, .table_id = work->table_id};

	if (work->nlevels == 0 || (relation = try_relation_open(work->relid, AccessShareLock)) == NULL)
		return;
	table.filenode = relation->rd_node.relNode;
	if (work->foreign)
		mdl_state_note(&table, true, -1, 0);
	else if (work->sound && mdl_table_id(relation) == work->table_id && relation->rd_firstRelfilenodeSubid != InvalidSubTransactionId)
		mdl_state_note(&table, false, -1, 0);
	relation_close(relation, NoLock);
}

/* ---- trust -------------------------------------------------------------------------------------------------------- */

static bool
may_note(void)
{
	return !XactReadOnly && !RecoveryInProgress() && !IsInParallelMode();
}

/* Looks again, and reads the rows of a table with another file. */
static MdlDoubt
settle_doubt(MdlTable *table)
{
	if (table->doubt == MDL_SOUND)
		return MDL_SOUND;
	table->doubt = mdl_state_doubt(table);
	if (table->doubt != MDL_DOUBT_FILE)
		return table->doubt;
	if (table->has_rows && !births_known(table))
		return table->doubt;
	/* With another file births rest on ids alone, and these may repeat. */
	if (table->has_rows && mdl_ids_repeat() && mdl_births_in_excess(table->root))
		return table->doubt = MDL_DOUBT_BIRTHS;
	table->doubt = MDL_SOUND;
	if (may_note())
		mdl_state_note(table, false, -1, 0);
	return MDL_SOUND;
}

void
mdl_state_verify(Oid relid)
{
	MdlTable   *table = mdl_table_get(relid);
	MdlDoubt	doubt = settle_doubt(table);

	if (doubt == MDL_DOUBT_FILE || doubt == MDL_DOUBT_BIRTHS)
		mdl_state_note(table, true, -1, 0);
}

static const char *
doubt_text(MdlDoubt doubt)
{
	switch (doubt)
	{
		case MDL_SOUND:
			return NULL;
		case MDL_DOUBT_FILE:
			return "its rows were written anew by something that leaves no births, such as a tool that swaps tables";
		case MDL_DOUBT_BIRTHS:
			return "it was rewritten where transaction ids had wrapped around, and rows of different commits share an id";
		case MDL_DOUBT_TRIGGERS:
			return "its capture triggers were switched off, dropped or replaced";
		case MDL_DOUBT_DAMAGED:
			return "rows of unknown birth were found or changed in it, such as a tool that swaps tables leaves";
	}
	return NULL;
}

static void
refuse(const MdlTable *table, MdlDoubt doubt)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("versioned table \"%s\" was changed behind the back of versioning", mdl_display_name(table->relid)),
			 errdetail("Since it was last found in order, %s.", doubt_text(doubt)),
			 errhint("SELECT * FROM medallion.reconcile('%s') finds out what changed and records it.",
					 mdl_qualified_name(table->root))));
}

void
mdl_state_trust(Oid relid)
{
	MdlTable   *table = mdl_table_get(relid);
	ListCell   *cell;

	if (table->readable_from == 0)
		return;					/* being enabled */
	if (settle_doubt(table) != MDL_SOUND)
		refuse(table, table->doubt);
	if (table->partitioned && !table->has_rows)
		foreach(cell, mdl_partition_members(relid, AccessShareLock))
		{
			MdlTable   *member = mdl_table_get(lfirst_oid(cell));

			if (settle_doubt(member) != MDL_SOUND)
				refuse(member, member->doubt);
		}
}

const char *
mdl_state_reason(Oid relid)
{
	MdlTable   *table = mdl_table_find(relid);
	ListCell   *cell;

	if (table == NULL || table->readable_from == 0)
		return NULL;
	foreach(cell, mdl_partition_members(relid, AccessShareLock))
	{
		MdlTable   *member = mdl_table_get(lfirst_oid(cell));

		if (settle_doubt(member) != MDL_SOUND)
			return doubt_text(member->doubt);
	}
	return NULL;
}

/* ---- versions that cannot be read any more ------------------------------------------------------------------------ */

void
mdl_lost_note(int32 table_id, int64 first, int64 until_stamp, const char *reason)
{
	Relation	relation = table_open(mdl_history_relation(LOST_TABLE, false), RowExclusiveLock);
	Datum		values[Natts_lost_versions];
	bool		nulls[Natts_lost_versions] = {false};

	values[Anum_lost_versions_table_id - 1] = Int32GetDatum(table_id);
	values[Anum_lost_versions_first - 1] = Int64GetDatum(first);
	values[Anum_lost_versions_until - 1] = Int64GetDatum(until_stamp);
	values[Anum_lost_versions_reason - 1] = CStringGetTextDatum(reason);
	CatalogTupleInsert(relation, heap_form_tuple(RelationGetDescr(relation), values, nulls));
	table_close(relation, NoLock);
}

bool
mdl_lost(int32 table_id, int64 first, int64 last, bool feed, int64 *lost_first, int64 *lost_until)
{
	Relation	relation = table_open(mdl_history_relation(LOST_TABLE, false), AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple;
	bool		lost = false;

	while (!lost && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[Natts_lost_versions];
		bool		nulls[Natts_lost_versions];
		MdlCommit	commit;

		heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
		if (DatumGetInt32(values[Anum_lost_versions_table_id - 1]) != table_id)
			continue;
		*lost_first = DatumGetInt64(values[Anum_lost_versions_first - 1]);
		*lost_until = mdl_commit_of_stamp(DatumGetInt64(values[Anum_lost_versions_until - 1]), &commit)
			? commit.version : PG_INT64_MAX;
		/* The commit that ends the gap is a state that is known again, but what it changed is not. */
		lost = *lost_first < *lost_until && last >= *lost_first && first < *lost_until + (feed ? 1 : 0);
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	return lost;
}

void
mdl_lost_refuse(const MdlTable *table, int64 first, int64 last, bool feed)
{
	int64		lost_first,
				lost_until;

	if (!mdl_lost(table->table_id, first, last, feed, &lost_first, &lost_until))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 feed ? errmsg("the changes of table \"%s\" from version " INT64_FORMAT " on are not all known",
						   mdl_display_name(table->relid), lost_first)
			 : errmsg("version " INT64_FORMAT " of table \"%s\" cannot be read any more", first, mdl_display_name(table->relid)),
			 errdetail("The table was changed behind the back of versioning after version " INT64_FORMAT
					   " and reconciled in version " INT64_FORMAT ".", lost_first - 1, lost_until),
			 feed ? errhint("Read the table as of version " INT64_FORMAT ", and its changes after that.", lost_until)
			 : errhint("Versions before " INT64_FORMAT " and from " INT64_FORMAT " on can be read.", lost_first, lost_until)));
}
