/*
 * columns.c: where the past values of a versioned table's columns are.
 *
 * A *column* is known by its identity, a number within its table: it keeps it when it is renamed or gets another type, and
 * a column that is dropped and added again under its name is another one.  medallion_history.table_columns holds, for
 * each identity, its *phases*: name and type from one transaction (`since`) up to another (`until`), and the column of
 * the history table that keeps the values of the phase.  A type of other values gets a history column of its own, so that
 * every value stays as it was written; a renamed column goes on in the same.  Phases name transactions by their stamps,
 * and so hold for a point if it includes `since` and does not include `until`.
 *
 * A row of history has values under the columns of its own time, and NULL under all others.  Rows that outlive a change of
 * type or a dropped column are moved to history and count as born anew (see ddl_rewrite.c), so that is exact.  The
 * exception is a column added with a DEFAULT: the server shows it for rows that are older than the column, without
 * writing them.  Such a phase is *filled*, and points that do not include its beginning show NULL.
 */
#include "versioning/columns_int.h"
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"

/* ---- reading the phases ------------------------------------------------------------------------------------------- */

static int64
optional_stamp(HeapTuple tuple, AttrNumber column, TupleDesc desc)
{
	bool		is_null;
	Datum		value = heap_getattr(tuple, column, desc, &is_null);

	return is_null ? 0 : DatumGetInt64(value);
}

static void
read_phase(HeapTuple tuple, TupleDesc desc, MdlPhase *phase)
{
	bool		is_null;
	Datum		collation;

	phase->column_id = DatumGetInt32(heap_getattr(tuple, Anum_table_columns_column_id, desc, &is_null));
	phase->phase = DatumGetInt32(heap_getattr(tuple, Anum_table_columns_phase, desc, &is_null));
	phase->name = TextDatumGetCString(heap_getattr(tuple, Anum_table_columns_column_name, desc, &is_null));
	phase->type = TextDatumGetCString(heap_getattr(tuple, Anum_table_columns_data_type, desc, &is_null));
	collation = heap_getattr(tuple, Anum_table_columns_collation_name, desc, &is_null);
	phase->collation = is_null ? NULL : TextDatumGetCString(collation);
	phase->history_column = TextDatumGetCString(heap_getattr(tuple, Anum_table_columns_history_column, desc, &is_null));
	phase->since = optional_stamp(tuple, Anum_table_columns_since, desc);
	phase->until = optional_stamp(tuple, Anum_table_columns_until, desc);
	phase->filled = DatumGetBool(heap_getattr(tuple, Anum_table_columns_filled, desc, &is_null));
}

MdlPhase *
mdl_columns_read(int32 table_id, int *count)
{
	Relation	relation = table_open(mdl_history_relation(MDL_COLUMNS_TABLE, false), AccessShareLock);
	Relation	index = index_open(mdl_history_relation(MDL_COLUMNS_INDEX, false), AccessShareLock);
	int			allocated = 32;
	MdlPhase   *phases = palloc(allocated * sizeof(MdlPhase));
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	*count = 0;
	ScanKeyInit(&key, Anum_table_columns_table_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(table_id));
	scan = systable_beginscan_ordered(relation, index, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		if (*count == allocated)
			phases = repalloc(phases, (allocated *= 2) * sizeof(MdlPhase));
		read_phase(tuple, RelationGetDescr(relation), &phases[(*count)++]);
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(relation, NoLock);
	return phases;
}

const MdlPhase *
mdl_columns_current(const MdlPhase *phases, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (phases[i].until == 0 && strcmp(phases[i].name, name) == 0)
			return &phases[i];
	return NULL;
}

/* ---- the map of a table --------------------------------------------------------------------------------------------- */

static AttrNumber
history_attno(TupleDesc history, const char *name)
{
	for (int i = MDL_DIED_ATTNO; i < history->natts; i++)
		if (!TupleDescAttr(history, i)->attisdropped && strcmp(NameStr(TupleDescAttr(history, i)->attname), name) == 0)
			return i + 1;
	return 0;
}

/* Collects where the values of a column are, newest first; phases of one identity are next to each other, ascending. */
static void
map_column(MdlColumn *column, const MdlPhase *phases, int count, const MdlPhase *current, TupleDesc history)
{
	column->column_id = current->column_id;
	column->storages = palloc(count * sizeof(MdlStorage));
	for (int i = count - 1; i >= 0; i--)
	{
		AttrNumber	attno;

		if (phases[i].column_id != current->column_id)
			continue;
		if (phases[i].filled)
			column->filled = phases[i].since;
		attno = history_attno(history, phases[i].history_column);
		if (attno == 0)
			continue;
		if (column->nstorages == 0 || column->storages[column->nstorages - 1].attno != attno)
			column->storages[column->nstorages++].attno = attno;
		column->storages[column->nstorages - 1].since = phases[i].since;
	}
}

/* Maps all columns of a description; returns the name of one that the history does not know, or NULL. */
static const char *
map_columns(MdlColumn *columns, TupleDesc base, TupleDesc history, const MdlPhase *phases, int count)
{
	memset(columns, 0, base->natts * sizeof(MdlColumn));
	for (int i = 0; i < base->natts; i++)
	{
		Form_pg_attribute form = TupleDescAttr(base, i);
		const MdlPhase *current;

		if (form->attisdropped)
			continue;
		current = mdl_columns_current(phases, count, NameStr(form->attname));
		if (current != NULL)
			map_column(&columns[i], phases, count, current, history);
		if (columns[i].nstorages == 0 ||
			TupleDescAttr(history, columns[i].storages[0].attno - 1)->atttypid != getBaseType(form->atttypid))
			return NameStr(form->attname);
	}
	return NULL;
}

/* Collects the stamps of what changed rows of the past without a birth or a death, for the change feed. */
static void
collect_reshapes(MdlTable *table, const MdlPhase *phases, int count)
{
	table->reshapes = palloc((2 * count + 1) * sizeof(int64));
	for (int i = 0; i < count; i++)
	{
		bool		last = i == count - 1 || phases[i + 1].column_id != phases[i].column_id;

		if (phases[i].filled)
			table->reshapes[table->nreshapes++] = phases[i].since;
		if (last && phases[i].until != 0)
			table->reshapes[table->nreshapes++] = phases[i].until;
	}
	if (table->moved > 0)
		table->reshapes[table->nreshapes++] = table->moved;
}

void
mdl_columns_map(MdlTable *table, Relation relation, TupleDesc base, Relation history)
{
	TupleDesc	past = RelationGetDescr(history);
	int			count;
	MdlPhase   *phases = mdl_columns_read(table->table_id, &count);
	const char *unknown;

	table->natts = base->natts;
	table->columns = palloc(base->natts * sizeof(MdlColumn));
	unknown = map_columns(table->columns, base, past, phases, count);
	if (unknown != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of versioned table \"%s.%s\" has no column of its type in the history table \"%s\"",
						unknown, get_namespace_name(RelationGetNamespace(relation)),
						RelationGetRelationName(relation), RelationGetRelationName(history)),
				 errhint("The table was changed while the event triggers of medallion were off.")));
	table->same_columns = past->natts == base->natts + MDL_DIED_ATTNO;
	table->history_attno = palloc0(base->natts * sizeof(AttrNumber));
	for (int i = 0; i < base->natts; i++)
	{
		if (table->columns[i].nstorages > 0)
			table->history_attno[i] = table->columns[i].storages[0].attno;
		table->same_columns &= table->history_attno[i] == i + 1 + MDL_DIED_ATTNO;
	}
	collect_reshapes(table, phases, count);
}

/* ---- rows that count as born anew --------------------------------------------------------------------------------- */

int64
mdl_moved_birth(MdlTable *table, int64 stamp)
{
	MdlCommit  *commit = &table->moving_commit;

	if (table->moved == 0 || mdl_capture_is_own(table->moved))
		return table->moved == 0 ? stamp : table->moved;
	if (commit->version == 0)
	{
		MemoryContext saved = MemoryContextSwitchTo(GetMemoryChunkContext(table));

		/* Pruned: older than all that can be read, and so are the births. */
		if (!mdl_commit_of_stamp(table->moved, commit))
			commit->version = -1;
		MemoryContextSwitchTo(saved);
	}
	if (commit->version < 0 || stamp >= commit->high)
		return stamp;
	/*
	 * The lock kept others from writing: what had not ended when the commit got its number wrote later, subtransactions
	 * included, which the record does not list.
	 */
	if (stamp >= commit->low && !mdl_point_includes(mdl_point_resolve(commit->version, NULL), stamp))
		return stamp;
	return table->moved;
}

/* ---- SQL ---------------------------------------------------------------------------------------------------------- */

/* Whether a point includes a transaction.  That never changes, so the planner may ask when the version is a constant. */
MDL_FUNCTION(mdl_includes);
Datum
mdl_includes(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mdl_point_includes(mdl_point_resolve(PG_GETARG_INT64(0), NULL), PG_GETARG_INT64(1)));
}

/* The type of a column as the history table has it: a domain may get constraints that old values do not meet. */
static char *
type_name(Oid type)
{
	return mdl_type_name(getBaseType(type));
}

/* A history column, converted to the type that the column has today if it is of an older one. */
static char *
storage_value(const MdlTable *table, Form_pg_attribute column, const MdlStorage *storage)
{
	Form_pg_attribute kept = TupleDescAttr(table->history_desc, storage->attno - 1);
	const char *name = quote_identifier(NameStr(kept->attname));

	if (kept->atttypid == getBaseType(column->atttypid))
		return pstrdup(name);
	return psprintf("medallion._past_value(%s, NULL::%s, %s)", name, type_name(column->atttypid),
					quote_literal_cstr(NameStr(column->attname)));
}

static void
append_collation(StringInfo sql, Form_pg_attribute column)
{
	if (OidIsValid(column->attcollation))
		appendStringInfo(sql, " COLLATE %s", generate_collation_name(column->attcollation));
}

void
mdl_column_at_point(StringInfo sql, const MdlTable *table, Form_pg_attribute form)
{
	const MdlColumn *column = &table->columns[form->attnum - 1];
	int			last = column->nstorages - 1;

	if (last == 0 && column->filled == 0)
	{
		appendStringInfoString(sql, storage_value(table, form, &column->storages[0]));
		return;
	}
	appendStringInfoString(sql, "(CASE");
	if (column->filled > 0)
		appendStringInfo(sql, " WHEN NOT medallion._includes($1, " INT64_FORMAT ") THEN NULL", column->filled);
	for (int i = 0; i < last; i++)
		appendStringInfo(sql, " WHEN medallion._includes($1, " INT64_FORMAT ") THEN %s", column->storages[i].since,
						 storage_value(table, form, &column->storages[i]));
	appendStringInfo(sql, " ELSE %s END)", storage_value(table, form, &column->storages[last]));
	append_collation(sql, form);
}

void
mdl_column_of_row(StringInfo sql, const MdlTable *table, Form_pg_attribute form)
{
	const MdlColumn *column = &table->columns[form->attnum - 1];

	if (column->nstorages == 1)
	{
		appendStringInfoString(sql, storage_value(table, form, &column->storages[0]));
		return;
	}
	for (int i = 0; i < column->nstorages; i++)
		appendStringInfo(sql, "%s%s", i == 0 ? "COALESCE(" : ", ", storage_value(table, form, &column->storages[i]));
	appendStringInfoString(sql, ")");
	append_collation(sql, form);
}
