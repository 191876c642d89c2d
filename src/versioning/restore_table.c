/*
 * restore_table.c: medallion.restore, which makes a table equal to its state as of a version.
 *
 * Restoring is a new commit like any other, with the rights of the caller.  One statement compares the past with the
 * present by primary key and deletes, updates and inserts what differs, nothing else, so that foreign keys and constraints
 * are checked once, when all of it is done:
 *
 *     diff     the rows that differ, with the columns of then (p1, p2, … by number) and of now (c1, c2, …)
 *     moved    rows to be replaced rather than updated: those that hold a unique value which another row gets, and those
 *              whose GENERATED ALWAYS identity changes
 *     gone     DELETE what was not there
 *     lifted   DELETE what is in moved
 *     changed  UPDATE what is in both, after gone and lifted, so that unique values are free
 *     back     INSERT what is not there now, and what is in moved, after all of these
 *
 * The order of the parts is forced: each asks for the number of rows of those before it.
 *
 * In what follows a *side* is what to write before a column: "c." for a table's alias, "d.p" for the columns p1, … of d.
 */
#include "versioning/columns_int.h"
#include "versioning/past_int.h"
#include "versioning/table_work_int.h"
#include "versioning/tables_int.h"
#include "versioning/versioning.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_constraint.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

typedef struct Restore
{
	Oid			relid;
	const MdlTable *table;
	const MdlPastColumns *columns;
	char	   *name;			/* of the table, qualified */
	int64		version;
	char	   *moved;			/* the condition for a row d of diff to be in moved; NULL: none can be */
	char	   *cascade;		/* a foreign key to the table that a replaced row would fire; NULL: none */
} Restore;

/* A column of a side. */
static char *
column_of(const Restore *restore, const char *side, AttrNumber column)
{
	if (side[strlen(side) - 1] == '.')
		return psprintf("%s%s", side, restore->columns->names[column - 1]);
	return psprintf("%s%d", side, column);
}

/* l.a OPERATOR(s.=) r.a AND …: equality of the key columns of an index, by the operators of the index. */
static void
append_equal(StringInfo sql, const Restore *restore, Relation index, const char *left_side, const char *right_side)
{
	bool		nulls_equal = index->rd_index->indnullsnotdistinct;

	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		char	   *left = column_of(restore, left_side, index->rd_index->indkey.values[i]);
		char	   *right = column_of(restore, right_side, index->rd_index->indkey.values[i]);
		Oid			equal = get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i], index->rd_opcintype[i],
												BTEqualStrategyNumber);
		char	   *comparison = psprintf("%s %s %s", left, mdl_operator_sql(equal), right);

		appendStringInfoString(sql, i ? " AND " : "");
		if (nulls_equal)
			appendStringInfo(sql, "(%s OR %s IS NOT DISTINCT FROM NULL AND %s IS NOT DISTINCT FROM NULL)", comparison, left, right);
		else
			appendStringInfoString(sql, comparison);
	}
}

/* The same for the primary key. */
static char *
same_row(const Restore *restore, Relation relation, const char *left, const char *right)
{
	Relation	index = index_open(RelationGetPrimaryKeyIndex(relation), AccessShareLock);
	StringInfoData sql;

	initStringInfo(&sql);
	append_equal(&sql, restore, index, left, right);
	index_close(index, NoLock);
	return sql.data;
}

/* record_image_ne(ROW(l.a, …), ROW(r.a, …)) over some columns: a difference in any byte, also of types without "=". */
static char *
differs(const Restore *restore, const Bitmapset *columns, const char *left, const char *right)
{
	StringInfoData lists[2];
	int			column = -1;

	initStringInfo(&lists[0]);
	initStringInfo(&lists[1]);
	while ((column = bms_next_member(columns, column)) >= 0)
	{
		appendStringInfo(&lists[0], "%s%s", lists[0].len ? ", " : "", column_of(restore, left, column));
		appendStringInfo(&lists[1], "%s%s", lists[1].len ? ", " : "", column_of(restore, right, column));
	}
	return psprintf("pg_catalog.record_image_ne(ROW(%s), ROW(%s))", lists[0].data, lists[1].data);
}

/* Attribute numbers of what is written. */
static Bitmapset *
written_columns(const Restore *restore)
{
	Bitmapset  *result = NULL;

	for (int i = 0; i < restore->columns->natts; i++)
		if (restore->columns->written[i])
			result = bms_add_member(result, i + 1);
	return result;
}

/* ---- rows that must be replaced ----------------------------------------------------------------------------------- */

/* The user's columns that an index looks at, in its key, its expressions and its condition. */
static Bitmapset *
index_columns(Relation index)
{
	Bitmapset  *found = NULL;
	Bitmapset  *result = NULL;
	int			column = -1;

	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		if (index->rd_index->indkey.values[i] > 0)
			result = bms_add_member(result, index->rd_index->indkey.values[i]);
	pull_varattnos((Node *) RelationGetIndexExpressions(index), 1, &found);
	pull_varattnos((Node *) RelationGetIndexPredicate(index), 1, &found);
	while ((column = bms_next_member(found, column)) >= 0)
		if (column + FirstLowInvalidHeapAttributeNumber > 0)
			result = bms_add_member(result, column + FirstLowInvalidHeapAttributeNumber);
	return result;
}

static void
append_or(StringInfo sql, const char *condition)
{
	appendStringInfo(sql, "%s(%s)", sql->len ? " OR " : "", condition);
}

/*
 * Adds the condition under which a unique index forces a row to be replaced: another row gets the value that it has now.
 * Where that cannot be written (expressions, conditions, exclusion), every row whose columns of the index change is.
 */
static void
add_index_condition(StringInfo sql, const Restore *restore, Relation relation, Relation index)
{
	Bitmapset  *columns = index_columns(index);
	char	   *change = differs(restore, columns, "d.c", "d.p");
	StringInfoData other;

	if (index->rd_index->indisexclusion || RelationGetIndexExpressions(index) != NIL ||
		RelationGetIndexPredicate(index) != NIL)
	{
		append_or(sql, change);
		return;
	}
	initStringInfo(&other);
	appendStringInfo(&other, "%s AND EXISTS (SELECT FROM diff n WHERE ", change);
	append_equal(&other, restore, index, "n.p", "d.c");
	appendStringInfo(&other, " AND NOT (%s))", same_row(restore, relation, "n.p", "d.c"));
	append_or(sql, other.data);
}

static void
find_moved(Restore *restore, Relation relation)
{
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&sql);
	foreach(cell, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		Form_pg_index form = index->rd_index;

		/* A deferrable constraint is checked at the end anyway. */
		if ((form->indisunique || form->indisexclusion) && form->indimmediate && !form->indisprimary && form->indislive)
			add_index_condition(&sql, restore, relation, index);
		index_close(index, NoLock);
	}
	for (int i = 0; i < restore->columns->natts; i++)
		if (restore->columns->written[i] && restore->columns->always_identity[i] &&
			!bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber,
						   RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY)))
			append_or(&sql, differs(restore, bms_make_singleton(i + 1), "d.c", "d.p"));
	restore->moved = sql.len > 0 ? sql.data : NULL;
}

/* A foreign key that acts when a row of the table is deleted, even if the row comes back. */
static char *
acting_foreign_key(Oid relid)
{
	MdlArgs		args = {0};

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(relid), false);
	mdl_run("SELECT conname FROM pg_catalog.pg_constraint WHERE confrelid OPERATOR(pg_catalog.=) $1"
			" AND contype OPERATOR(pg_catalog.=) 'f' AND confdeltype OPERATOR(pg_catalog.<>) 'a' ORDER BY conname LIMIT 1",
			&args, true);
	return SPI_processed > 0 ? mdl_field_text(0, 0) : NULL;
}

/* ---- the statement ------------------------------------------------------------------------------------------------ */

/* SET a = d.p1, …; NULL if there is nothing that UPDATE may set. */
static char *
assignments(const Restore *restore)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < restore->columns->natts; i++)
		if (restore->columns->written[i] && !restore->columns->always_identity[i])
			appendStringInfo(&sql, "%s%s = d.p%d", sql.len ? ", " : "", restore->columns->names[i], i + 1);
	return sql.len > 0 ? sql.data : NULL;
}

/* d.p1, d.p2, …: what is inserted. */
static char *
past_values(const Restore *restore)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < restore->columns->natts; i++)
		if (restore->columns->written[i])
			appendStringInfo(&sql, "%sd.p%d", sql.len ? ", " : "", i + 1);
	return sql.data;
}

/* A column of the primary key: NULL on a side means that there is no row. */
static AttrNumber
key_column(Relation relation)
{
	return bms_next_member(RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY), -1) +
		FirstLowInvalidHeapAttributeNumber;
}

static char *
past_source(const Restore *restore)
{
	return psprintf("medallion.as_of(NULL::%s, version => " INT64_FORMAT ")", restore->name, restore->version);
}

/*
 * The rows that differ: past and present side by side.  A row of now that was there is the row of then, so only others are
 * compared, which takes longer than all the rest.
 */
static void
append_diff(StringInfo sql, const Restore *restore, Relation relation)
{
	const char *separator = "";
	AttrNumber	key = key_column(relation);

	appendStringInfoString(sql, "SELECT ");
	for (int i = 0; i < restore->columns->natts; i++)
	{
		if (restore->columns->names[i] == NULL)
			continue;
		appendStringInfo(sql, "%sp.%s AS p%d, c.%s AS c%d", separator, restore->columns->names[i], i + 1,
						 restore->columns->names[i], i + 1);
		separator = ", ";
	}
	appendStringInfo(sql, " FROM %s c FULL JOIN %s p ON %s WHERE p.%s IS NOT DISTINCT FROM NULL OR c.%s IS NOT DISTINCT FROM NULL"
					 " OR NOT medallion._born_by(c.tableoid, c.ctid, c.xmin, " INT64_FORMAT ") AND %s",
					 restore->name, past_source(restore), same_row(restore, relation, "p.", "c."),
					 restore->columns->names[key - 1], restore->columns->names[key - 1], restore->version,
					 differs(restore, written_columns(restore), "c.", "p."));
}

static char *
restore_statement(const Restore *restore, Relation relation)
{
	AttrNumber	key = key_column(relation);
	char	   *set = assignments(restore);
	char	   *is_moved = psprintf("EXISTS (SELECT FROM moved m WHERE %s)", same_row(restore, relation, "m.p", "d.p"));
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "WITH diff AS MATERIALIZED (");
	append_diff(&sql, restore, relation);
	appendStringInfo(&sql, "),\nmoved AS MATERIALIZED (SELECT * FROM diff d WHERE d.p%d IS DISTINCT FROM NULL AND d.c%d IS DISTINCT FROM NULL"
					 " AND (%s)),\n", key, key, restore->moved ? restore->moved : "false");
	appendStringInfo(&sql, "gone AS (DELETE FROM %s c USING diff d WHERE %s AND d.p%d IS NOT DISTINCT FROM NULL RETURNING 1),\n",
					 restore->name, same_row(restore, relation, "d.c", "c."), key);
	appendStringInfo(&sql, "lifted AS (DELETE FROM %s c USING moved m WHERE %s RETURNING 1),\n", restore->name,
					 same_row(restore, relation, "m.c", "c."));
	if (set != NULL)
		appendStringInfo(&sql, "changed AS (UPDATE %s c SET %s FROM diff d WHERE %s AND d.p%d IS DISTINCT FROM NULL AND NOT %s"
						 " AND (SELECT pg_catalog.count(*) FROM gone) OPERATOR(pg_catalog.>=) 0"
						 " AND (SELECT pg_catalog.count(*) FROM lifted) OPERATOR(pg_catalog.>=) 0 RETURNING 1),\n",
						 restore->name, set, same_row(restore, relation, "d.c", "c."), key, is_moved);
	else
		appendStringInfoString(&sql, "changed AS (SELECT 1 WHERE false),\n");
	appendStringInfo(&sql, "back AS (INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM diff d WHERE"
					 " d.p%d IS DISTINCT FROM NULL AND (d.c%d IS NOT DISTINCT FROM NULL OR %s)"
					 " AND (SELECT pg_catalog.count(*) FROM gone) OPERATOR(pg_catalog.>=) 0"
					 " AND (SELECT pg_catalog.count(*) FROM lifted) OPERATOR(pg_catalog.>=) 0"
					 " AND (SELECT pg_catalog.count(*) FROM changed) OPERATOR(pg_catalog.>=) 0 RETURNING 1)\n",
					 restore->name, mdl_past_column_list(restore->columns, NULL), past_values(restore), key, key, is_moved);
	appendStringInfoString(&sql, "SELECT (SELECT pg_catalog.count(*) FROM back), (SELECT pg_catalog.count(*) FROM changed),"
						   " (SELECT pg_catalog.count(*) FROM gone), (SELECT pg_catalog.count(*) FROM lifted)");
	return sql.data;
}

/* ---- checks ------------------------------------------------------------------------------------------------------- */

static void
refuse(Oid relid, const char *reason, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot restore table \"%s\": %s", mdl_display_name(relid), reason),
			 errhint("%s", hint)));
}

static void
check_rights(Oid relid)
{
	static const AclMode needed[] = {ACL_SELECT, ACL_INSERT, ACL_UPDATE, ACL_DELETE};

	for (int i = 0; i < lengthof(needed); i++)
		mdl_require_privilege(relid, needed[i]);
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot restore table \"%s\": row-level security hides rows of it", mdl_display_name(relid)),
				 errhint("Restore it as its owner, or as a role with BYPASSRLS.")));
}

/* An older snapshot does not see all that there is to compare with. */
static void
check_snapshot(const MdlTable *table)
{
	int64		unseen;

	if (!IsolationUsesXactSnapshot())
		return;
	unseen = mdl_first_unseen_version(GetTransactionSnapshot());
	if (unseen < PG_INT64_MAX && mdl_table_changed(table, unseen) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not restore table \"%s\": it was changed after this transaction began to read",
						mdl_display_name(table->relid)),
				 errhint("Run the transaction again.")));
}

/* Rows are told apart by the key of today: without it none of then would be found, and all of now be taken for new. */
static void
check_key(const Restore *restore)
{
	for (int i = 0; i < restore->table->nkeys; i++)
		if (!restore->columns->existed[restore->table->keys[i] - 1])
			refuse(restore->relid,
				   psprintf("column %s of its primary key did not exist at version " INT64_FORMAT,
							restore->columns->names[restore->table->keys[i] - 1], restore->version),
				   "medallion.clone() makes a new table of that version.");
}

static bool
has_own_triggers(Relation relation)
{
	for (int i = 0; relation->trigdesc != NULL && i < relation->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &relation->trigdesc->triggers[i];

		if (!trigger->tgisinternal && strncmp(trigger->tgname, "medallion_capture", strlen("medallion_capture")) != 0)
			return true;
	}
	return false;
}

/* Triggers of the user fired, and may have changed what was written: says so if they did. */
static void
warn_if_different(const Restore *restore, Relation relation)
{
	int64		count;

	mdl_run(psprintf("SELECT pg_catalog.count(*) FROM %s c FULL JOIN %s p ON %s WHERE %s",
					 restore->name, past_source(restore), same_row(restore, relation, "p.", "c."),
					 differs(restore, written_columns(restore), "c.", "p.")), NULL, false);
	count = mdl_field_int8(0, 0);
	if (count > 0)
		ereport(WARNING,
				(errmsg("restored table \"%s\" differs from its past in " INT64_FORMAT " rows",
						mdl_display_name(restore->relid), count),
				 errdetail("Triggers of the table changed what came from version " INT64_FORMAT ".", restore->version)));
}

/* Runs the statement and fills the counts. */
static void
run_restore(Restore *restore, Relation relation, Datum *counts)
{
	int64		moved;

	find_moved(restore, relation);
	if (restore->moved != NULL)
		restore->cascade = acting_foreign_key(restore->relid);
	mdl_run(restore_statement(restore, relation), NULL, false);
	moved = mdl_field_int8(0, 3);
	if (moved > 0 && restore->cascade != NULL)
		refuse(restore->relid,
			   psprintf(INT64_FORMAT " rows have to be deleted and inserted again, and foreign key \"%s\" acts on that",
						moved, restore->cascade),
			   "Make the unique constraint whose values the rows exchange DEFERRABLE.");
	counts[0] = Int64GetDatum(mdl_field_int8(0, 0) - moved);
	counts[1] = Int64GetDatum(mdl_field_int8(0, 1) + moved);
	counts[2] = mdl_field(0, 2, NULL);
}

/* restore(relation, version, at) */
MDL_FUNCTION(mdl_restore);
Datum
mdl_restore(PG_FUNCTION_ARGS)
{
	Restore		restore = {0};
	Relation	relation;
	TupleDesc	desc;
	int64		version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	TimestampTz at = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);
	Datum		counts[3];
	bool		nulls[3] = {false};

	mdl_refuse_while_travelling("restore()");
	mdl_require_argument(fcinfo, 0, "relation");
	restore.relid = PG_GETARG_OID(0);
	restore.name = mdl_qualified_name(restore.relid);
	(void) mdl_table_get(restore.relid);
	check_rights(restore.relid);
	get_call_result_type(fcinfo, NULL, &desc);
	/* Nobody writes between comparing and the end of this transaction. */
	relation = table_open(restore.relid, ShareRowExclusiveLock);
	if (relation->rd_rules != NULL)
		refuse(restore.relid, "it has rules", "Restore a copy made with medallion.clone(), or drop the rules.");
	restore.version = mdl_point_version(restore.relid, PG_ARGISNULL(1) ? NULL : &version, PG_ARGISNULL(2) ? NULL : &at);
	restore.table = mdl_table_get(restore.relid);
	check_snapshot(restore.table);
	restore.columns = mdl_past_columns(restore.table, relation, restore.version);
	check_key(&restore);

	SPI_connect();
	run_restore(&restore, relation, counts);
	if (has_own_triggers(relation))
		warn_if_different(&restore, relation);
	SPI_finish();
	if (DatumGetInt64(counts[0]) + DatumGetInt64(counts[1]) + DatumGetInt64(counts[2]) > 0)
		mdl_capture_operation(restore.relid, "restore");
	if (restore.columns->absent != NULL)
		ereport(NOTICE,
				(errmsg("columns of \"%s\" that did not exist at the version were left as they are: %s",
						mdl_display_name(restore.relid), restore.columns->absent)));
	table_close(relation, NoLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), counts, nulls)));
}
