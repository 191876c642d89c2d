/*
 * columns_follow.c: the identities of columns, made when versioning is enabled and changed when the table is altered.
 *
 * Within one command a column is known by its attribute number, so what the command did is the difference between two
 * descriptions.  Numbers change in a dump and restore, so names are what is recorded; see columns.c for the words.
 */
#include "versioning/columns_int.h"
#include "versioning/commits_int.h"
#include "versioning/partition_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

int
mdl_columns_count(TupleDesc desc)
{
	int			count = 0;

	for (int i = 0; i < desc->natts; i++)
		count += !TupleDescAttr(desc, i)->attisdropped;
	return count;
}

/* ---- types and names in a history table ---------------------------------------------------------------------------- */

/* What a history column of a base column is declared as: without length, precision or a domain's constraints. */
static char *
kept_type(Form_pg_attribute column)
{
	Oid			type = getBaseType(column->atttypid);
	char	   *name = mdl_type_name(type);

	if (OidIsValid(column->attcollation) && column->attcollation != get_typcollation(type))
		return psprintf("%s COLLATE %s", name, generate_collation_name(column->attcollation));
	return name;
}

/* What the column is declared as in the table itself. */
static char *
declared_type(Form_pg_attribute column)
{
	return format_type_extended(column->atttypid, column->atttypmod, FORMAT_TYPE_TYPEMOD_GIVEN);
}

static char *
declared_collation(Form_pg_attribute column)
{
	return OidIsValid(column->attcollation) && column->attcollation != get_typcollation(column->atttypid)
		? generate_collation_name(column->attcollation) : NULL;
}

static bool
has_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return true;
	return false;
}

/* A name that neither the stamps of history nor any column of the description has: the one wanted, if it can be. */
static char *
free_name(TupleDesc desc, const char *wanted, const char *keep)
{
	char	   *name = pstrdup(wanted);

	for (int i = 2; strcmp(name, MDL_BORN_COLUMN) == 0 || strcmp(name, MDL_DIED_COLUMN) == 0 ||
		 (has_column(desc, name) && (keep == NULL || strcmp(name, keep) != 0)); i++)
	{
		char	   *suffix = psprintf("__%d", i);

		name = psprintf("%.*s%s", pg_mbcliplen(wanted, strlen(wanted), NAMEDATALEN - 1 - (int) strlen(suffix)), wanted, suffix);
	}
	return name;
}

char *
mdl_columns_free_name(Oid history, const char *wanted)
{
	Relation	relation = table_open(history, AccessShareLock);
	char	   *name = free_name(RelationGetDescr(relation), wanted, NULL);

	table_close(relation, NoLock);
	return name;
}

/* The name of a column in a new history table: its own, unless that is taken by a stamp. */
static char *
first_name(TupleDesc base, const char *name)
{
	if (strcmp(name, MDL_BORN_COLUMN) == 0 || strcmp(name, MDL_DIED_COLUMN) == 0)
		return free_name(base, psprintf("%s__2", name), NULL);
	return pstrdup(name);
}

void
mdl_columns_define(StringInfo sql, Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			appendStringInfo(sql, ", %s %s", quote_identifier(first_name(desc, NameStr(TupleDescAttr(desc, i)->attname))),
							 kept_type(TupleDescAttr(desc, i)));
}

char *
mdl_columns_key(Relation relation, const MdlTable *table)
{
	TupleDesc	desc = RelationGetDescr(relation);
	Relation	index = index_open(RelationGetPrimaryKeyIndex(relation), AccessShareLock);
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		AttrNumber	attno = index->rd_index->indkey.values[i];
		char	   *name = table == NULL
			? first_name(desc, NameStr(TupleDescAttr(desc, attno - 1)->attname))
			: NameStr(TupleDescAttr(table->history_desc, table->history_attno[attno - 1] - 1)->attname);

		appendStringInfo(&names, "%s%s", i ? ", " : "", quote_identifier(name));
	}
	index_close(index, AccessShareLock);
	return names.data;
}

/* ---- recording phases ---------------------------------------------------------------------------------------------- */

static void
add_phase(int32 table_id, int32 column_id, int32 phase, Form_pg_attribute column, const char *history_column, int64 since,
		  bool filled)
{
	MdlArgs		args = {0};

	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg(&args, INT4OID, Int32GetDatum(column_id), false);
	mdl_arg(&args, INT4OID, Int32GetDatum(phase), false);
	mdl_arg_text(&args, NameStr(column->attname));
	mdl_arg_text(&args, declared_type(column));
	mdl_arg_text(&args, declared_collation(column));
	mdl_arg_text(&args, history_column);
	mdl_arg(&args, INT8OID, Int64GetDatum(since), since == 0);
	mdl_arg_bool(&args, filled);
	mdl_run("INSERT INTO medallion_history.table_columns (table_id, column_id, phase, column_name, data_type, collation_name,"
			" history_column, since, filled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", &args, false);
}

static void
phase_key(MdlArgs *args, int32 table_id, const MdlPhase *phase)
{
	mdl_arg(args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg(args, INT4OID, Int32GetDatum(phase->column_id), false);
	mdl_arg(args, INT4OID, Int32GetDatum(phase->phase), false);
}

/* One that began in this very transaction was never part of a version, and leaves no trace. */
static void
end_phase(int32 table_id, const MdlPhase *phase, int64 own_stamp)
{
	MdlArgs		args = {0};

	phase_key(&args, table_id, phase);
	if (phase->since == own_stamp)
	{
		mdl_run_now("DELETE FROM medallion_history.table_columns WHERE table_id OPERATOR(pg_catalog.=) $1"
					" AND column_id OPERATOR(pg_catalog.=) $2 AND phase OPERATOR(pg_catalog.=) $3", &args);
		return;
	}
	mdl_arg_int8(&args, own_stamp);
	mdl_run_now("UPDATE medallion_history.table_columns SET until = $4 WHERE table_id OPERATOR(pg_catalog.=) $1"
				" AND column_id OPERATOR(pg_catalog.=) $2 AND phase OPERATOR(pg_catalog.=) $3", &args);
}

/* A column has another history column now, in all phases that used the old one. */
static void
rename_storage(int32 table_id, const char *history_name, const char *from, const char *to)
{
	MdlArgs		args = {0};

	if (strcmp(from, to) == 0)
		return;
	mdl_run(psprintf("ALTER TABLE medallion_history.%s RENAME COLUMN %s TO %s", quote_identifier(history_name),
					 quote_identifier(from), quote_identifier(to)), NULL, false);
	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_text(&args, from);
	mdl_arg_text(&args, to);
	mdl_run_now("UPDATE medallion_history.table_columns SET history_column = $3 WHERE table_id OPERATOR(pg_catalog.=) $1"
				" AND history_column OPERATOR(pg_catalog.=) $2", &args);
}

void
mdl_columns_record(Relation relation, int32 table_id)
{
	TupleDesc	desc = RelationGetDescr(relation);
	int32		column_id = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped)
			add_phase(table_id, ++column_id, 1, column, first_name(desc, NameStr(column->attname)), 0, false);
	}
}

void
mdl_columns_forget(int32 table_id, const char *history)
{
	MdlArgs		args = {0};

	mdl_run(psprintf("DROP TABLE %s", history), NULL, false);
	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_run("DELETE FROM medallion_history.table_columns WHERE table_id OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_run("DELETE FROM medallion_history.change_counts WHERE table_id OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_run("DELETE FROM medallion_history.table_definitions WHERE table_id OPERATOR(pg_catalog.=) $1", &args, false);
	mdl_run("DELETE FROM medallion_history.partitions WHERE table_id OPERATOR(pg_catalog.=) $1", &args, false);
}

/* ---- following ------------------------------------------------------------------------------------------------------ */

typedef struct Follow
{
	Relation	relation;
	int32		table_id;
	const char *history_name;
	TupleDesc	before;
	bool		rewritten;
	int64		own_stamp;
	MdlPhase   *phases;			/* (count) */
	int			count;
	int32		next_column;
	bool		changed;
} Follow;

/* The history table as it is now: each step may have changed it. */
static TupleDesc
history_description(const Follow *follow)
{
	Relation	history = table_open(mdl_history_relation(follow->history_name, false), AccessShareLock);
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(history));

	table_close(history, NoLock);
	return desc;
}

static const MdlPhase *
phase_before(const Follow *follow, int column)
{
	const char *name = NameStr(TupleDescAttr(follow->before, column)->attname);
	const MdlPhase *phase = mdl_columns_current(follow->phases, follow->count, name);

	if (phase == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the history of versioned table \"%s\" does not know column \"%s\"",
						mdl_display_name(RelationGetRelid(follow->relation)), name),
				 errhint("The table was changed while the event triggers of medallion were off.")));
	return phase;
}

/* Adds a column to the history table; returns its name. */
static char *
add_storage(const Follow *follow, Form_pg_attribute column)
{
	TupleDesc	history = history_description(follow);
	char	   *name = free_name(history, NameStr(column->attname), NULL);

	if (history->natts >= MaxHeapAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("the history of versioned table \"%s\" has no room for column \"%s\"",
						mdl_display_name(RelationGetRelid(follow->relation)), NameStr(column->attname)),
				 errdetail("It has %d columns already: dropped ones and those of earlier types stay.", history->natts),
				 errhint("medallion.disable_versioning() and enable_versioning() begin a new history.")));
	mdl_run(psprintf("ALTER TABLE medallion_history.%s ADD COLUMN %s %s", quote_identifier(follow->history_name),
					 quote_identifier(name), kept_type(column)), NULL, false);
	return name;
}

/* Gives the history column of a phase that is over a name that leaves the column's own free for a later one. */
static void
retire_storage(const Follow *follow, const MdlPhase *phase)
{
	char	   *suffix = psprintf("__%d_%d", phase->column_id, phase->phase);
	int			keep = pg_mbcliplen(phase->name, strlen(phase->name), NAMEDATALEN - 1 - (int) strlen(suffix));

	rename_storage(follow->table_id, follow->history_name, phase->history_column,
				   free_name(history_description(follow), psprintf("%.*s%s", keep, phase->name, suffix), phase->history_column));
}

static void
follow_drop(Follow *follow, int i)
{
	const MdlPhase *phase = phase_before(follow, i);

	retire_storage(follow, phase);
	end_phase(follow->table_id, phase, follow->own_stamp);
	follow->changed = true;
}

static bool
same_declaration(Form_pg_attribute a, Form_pg_attribute b)
{
	return strcmp(NameStr(a->attname), NameStr(b->attname)) == 0 && a->atttypid == b->atttypid &&
		a->atttypmod == b->atttypmod && a->attcollation == b->attcollation;
}

/*
 * Whether values of an older type can stay in the history column they are in.  Where the server did not rewrite the
 * table, it will not rewrite the history for the same change either.
 */
static bool
storage_serves(const Follow *follow, Form_pg_attribute old_column, Form_pg_attribute new_column)
{
	Oid			old_type = getBaseType(old_column->atttypid);
	Oid			new_type = getBaseType(new_column->atttypid);
	Oid			function;

	if (old_type == new_type)
		return true;
	if (follow->rewritten)
		return false;
	/* A partitioned table is altered without a rewrite if it has no partitions. */
	return follow->relation->rd_rel->relkind == RELKIND_RELATION ||
		find_coercion_pathway(new_type, old_type, COERCION_EXPLICIT, &function) == COERCION_PATH_RELABELTYPE;
}

/* A column has another name, type or collation. */
static void
follow_change(Follow *follow, Form_pg_attribute old_column, Form_pg_attribute new_column, const MdlPhase *phase)
{
	char	   *storage;

	if (!storage_serves(follow, old_column, new_column))
	{
		retire_storage(follow, phase);
		storage = add_storage(follow, new_column);
	}
	else
	{
		storage = free_name(history_description(follow), NameStr(new_column->attname), phase->history_column);
		rename_storage(follow->table_id, follow->history_name, phase->history_column, storage);
		if (getBaseType(old_column->atttypid) != getBaseType(new_column->atttypid) ||
			old_column->attcollation != new_column->attcollation)
			mdl_run(psprintf("ALTER TABLE medallion_history.%s ALTER COLUMN %s TYPE %s", quote_identifier(follow->history_name),
							 quote_identifier(storage), kept_type(new_column)), NULL, false);
	}
	end_phase(follow->table_id, phase, follow->own_stamp);
	add_phase(follow->table_id, phase->column_id, phase->phase + (phase->since == follow->own_stamp ? 0 : 1), new_column,
			  storage, follow->own_stamp, phase->since == follow->own_stamp && phase->filled);
	follow->changed = true;
}

/* Whether rows that were there have a new column by a default outside of them; a partitioned table has no rows itself. */
static bool
filled_by_default(Relation relation, Form_pg_attribute column)
{
	ListCell   *cell;

	foreach(cell, mdl_partition_members(RelationGetRelid(relation), AccessShareLock))
	{
		HeapTuple	tuple = SearchSysCacheAttName(lfirst_oid(cell), NameStr(column->attname));
		bool		filled = HeapTupleIsValid(tuple) && ((Form_pg_attribute) GETSTRUCT(tuple))->atthasmissing;

		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
		if (filled)
			return true;
	}
	return false;
}

/* Names are free only after all columns that had them were dropped; changed columns come before new ones. */
static void
follow_columns(Follow *follow)
{
	TupleDesc	now = RelationGetDescr(follow->relation);
	TupleDesc	before = follow->before;

	for (int i = 0; i < before->natts; i++)
		if (!TupleDescAttr(before, i)->attisdropped && TupleDescAttr(now, i)->attisdropped)
			follow_drop(follow, i);
	for (int i = 0; i < before->natts; i++)
		if (!TupleDescAttr(now, i)->attisdropped && !TupleDescAttr(before, i)->attisdropped &&
			!same_declaration(TupleDescAttr(before, i), TupleDescAttr(now, i)))
			follow_change(follow, TupleDescAttr(before, i), TupleDescAttr(now, i), phase_before(follow, i));
	for (int i = before->natts; i < now->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(now, i);

		if (column->attisdropped)
			continue;
		add_phase(follow->table_id, follow->next_column++, 1, column, add_storage(follow, column), follow->own_stamp,
				  filled_by_default(follow->relation, column));
		follow->changed = true;
	}
}

bool
mdl_columns_follow(Relation relation, int32 table_id, const char *history_name, TupleDesc before, bool rewritten)
{
	Follow		follow = {.relation = relation, .table_id = table_id, .history_name = history_name, .before = before,
	.rewritten = rewritten};

	follow.own_stamp = mdl_capture_stamp();
	follow.phases = mdl_columns_read(table_id, &follow.count);
	for (int i = 0; i < follow.count; i++)
		follow.next_column = Max(follow.next_column, follow.phases[i].column_id);
	follow.next_column++;
	follow_columns(&follow);
	return follow.changed;
}
