/*
 * past_query.c: the query that a versioned table's past means.
 *
 *     SELECT columns FROM (SELECT columns, 1 AS side, tableoid, ctid, xmin, 0 AS born, 0 AS died FROM t
 *                          UNION ALL
 *                          SELECT columns, 2, '0', '(0,0)', '0', born, died FROM medallion_history."s.t") past
 *     WHERE (side = 1 AND _born_by(tableoid, ctid, xmin, $1))
 *        OR (side = 2 AND _alive_at(born, died, $1) AND died >= _low_of($1) AND _readable(id, $1))
 *
 * $1 is the version.  The condition stands outside because the planner then makes both tables members of one append, as
 * it does with partitions: each gets its half of the condition, and join clauses reach the indexes of both.
 *
 * The first side carries the rights: what the entry that it stands for required of whom, or, for a call of a function, the
 * columns that the query uses, of the current user; and the row-level security.  The second side gets the same row-level
 * security, with its own columns, and needs no grant, since the first side has required it.
 */
#include "versioning/columns_int.h"
#include "versioning/partition_int.h"
#include "versioning/past_int.h"
#include "versioning/tables_int.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

typedef enum PastSide
{
	NAMES,						/* of the columns, nothing else */
	BASE_AT_POINT,				/* current rows, with NULL for columns that the point $1 does not have */
	HISTORY_AT_POINT,			/* rows of history that were there at the point $1 */
	HISTORY_ROWS				/* any rows of history */
} PastSide;

/* Appends the value of one column. */
static void
append_column(StringInfo sql, const MdlTable *table, Form_pg_attribute column, PastSide side)
{
	int64		filled = table->columns[column->attnum - 1].filled;

	if (side == HISTORY_AT_POINT)
		mdl_column_at_point(sql, table, column);
	else if (side == HISTORY_ROWS)
		mdl_column_of_row(sql, table, column);
	else if (side == BASE_AT_POINT && filled > 0)
		appendStringInfo(sql, "CASE WHEN medallion._includes($1, " INT64_FORMAT ") THEN %s END AS %s", filled,
						 quote_identifier(NameStr(column->attname)), quote_identifier(NameStr(column->attname)));
	else
		appendStringInfoString(sql, quote_identifier(NameStr(column->attname)));
}

/* Appends all columns of the table in order.  A dropped column keeps its place as NULL: positions count in a row type. */
static void
append_columns(StringInfo sql, const MdlTable *table, TupleDesc base, PastSide side)
{
	for (int i = 0; i < base->natts; i++)
	{
		if (i > 0)
			appendStringInfoString(sql, ", ");
		if (TupleDescAttr(base, i)->attisdropped)
			appendStringInfo(sql, "NULL::pg_catalog.int4 AS _medallion_dropped_%d", i + 1);
		else
			append_column(sql, table, TupleDescAttr(base, i), side);
	}
}

/* Analyses one SELECT of ours with parameters of type int8.  The user may not even use the schemas that it names. */
static Query *
analyse(const char *sql, int nparams)
{
	Oid			types[2] = {INT8OID, INT8OID};
	List	   *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	MdlUser		user;
	Query	   *query;

	mdl_owner_begin(&user);
	query = parse_analyze_fixedparams(linitial_node(RawStmt, parsed), sql, types, nparams, NULL);
	mdl_owner_end(&user);
	return query;
}

/* The one table of a query. */
static RangeTblEntry *
table_entry(Query *query, Oid relid)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);

		if (entry->rtekind == RTE_RELATION && entry->relid == relid)
			return entry;
	}
	elog(ERROR, "the query of a versioned table does not name it");
	return NULL;				/* keep the compiler quiet */
}

/* Gives a column of a history row the type that it has in the table, if it is a domain there. */
static void
give_type(TargetEntry *target, Form_pg_attribute column)
{
	if (!column->attisdropped && exprType((Node *) target->expr) != column->atttypid)
		target->expr = (Expr *) makeRelabelType(target->expr, column->atttypid, -1, column->attcollation,
												COERCE_IMPLICIT_CAST);
}

static bool
has_sublink(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
		return true;
	return expression_tree_walker(node, has_sublink, context);
}

/* A copy of the description of a table, which the caller may keep after closing it. */
static TupleDesc
base_description(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(relation));

	table_close(relation, NoLock);
	return desc;
}

/*
 * The values of a row of history in the order of the base table and with its types: the history table has the base types
 * of domains, since a constraint of today need not hold for values of then, which are shown all the same.
 */
static List *
history_values(const MdlTable *table, TupleDesc base)
{
	StringInfoData sql;
	List	   *targets;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, table, base, HISTORY_ROWS);
	appendStringInfo(&sql, " FROM %s", mdl_qualified_name(table->history));
	targets = analyse(sql.data, 0)->targetList;
	for (int i = 0; i < base->natts; i++)
		give_type(list_nth_node(TargetEntry, targets, i), TupleDescAttr(base, i));
	return targets;
}

/*
 * Copies the policies of the base side to the history side.  They look at what a row itself had, whatever the point: so a
 * row that one of them hides is hidden at all points.
 */
static void
copy_policies(Query *base_query, RangeTblEntry *base_entry, Query *history_query, const MdlTable *table)
{
	RangeTblEntry *entry = table_entry(history_query, table->history);
	bool		has_sublinks = has_sublink((Node *) base_entry->securityQuals, NULL);

	if (base_entry->securityQuals != NIL)
		entry->securityQuals = (List *) ReplaceVarsFromTargetList((Node *) base_entry->securityQuals, 1, 0, base_entry,
																  history_values(table, base_description(table->relid)),
																  REPLACEVARS_REPORT_ERROR, 0, &history_query->hasSubLinks);
	base_query->hasSubLinks |= has_sublinks;
	history_query->hasSubLinks |= has_sublinks;
	base_query->hasRowSecurity |= base_entry->securityQuals != NIL;
	history_query->hasRowSecurity = base_query->hasRowSecurity;
}

/* The parts of the query of a past. */
typedef struct Past
{
	const MdlTable *table;
	Query	   *query;
	Query	   *base_query;
	RangeTblEntry *base_entry;
	Query	   *history_query;
} Past;

/* Finds the parts in the analysed query: a FROM item with two sides, each with one table. */
static void
find_parts(Past *past)
{
	Query	   *sides = linitial_node(RangeTblEntry, past->query->rtable)->subquery;
	RangeTblEntry *history_entry;

	past->base_query = rt_fetch(1, sides->rtable)->subquery;
	past->base_entry = table_entry(past->base_query, past->table->relid);
	past->history_query = rt_fetch(2, sides->rtable)->subquery;
	history_entry = table_entry(past->history_query, past->table->history);
	history_entry->requiredPerms = 0;
	history_entry->selectedCols = NULL;
}

/* Gives the columns the types, modifiers and collations of the table, also where past rows do not have them any more. */
static void
keep_column_types(Past *past, TupleDesc base)
{
	Query	   *sides = linitial_node(RangeTblEntry, past->query->rtable)->subquery;
	SetOperationStmt *operation = castNode(SetOperationStmt, sides->setOperations);

	for (int i = 0; i < base->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(base, i);
		Query	   *queries[2] = {past->query, sides};

		if (column->attisdropped)
			continue;
		give_type(list_nth_node(TargetEntry, past->history_query->targetList, i), column);
		lfirst_oid(list_nth_cell(operation->colTypes, i)) = column->atttypid;
		lfirst_int(list_nth_cell(operation->colTypmods, i)) = column->atttypmod;
		lfirst_oid(list_nth_cell(operation->colCollations, i)) = column->attcollation;
		for (int j = 0; j < 2; j++)
		{
			Var		   *var = castNode(Var, list_nth_node(TargetEntry, queries[j]->targetList, i)->expr);

			var->vartype = column->atttypid;
			var->vartypmod = column->atttypmod;
			var->varcollid = column->attcollation;
		}
	}
}

/* How the names of columns of ours begin in the query: so that no column of the table has one of them. */
static char *
own_prefix(TupleDesc base)
{
	char	   *prefix = pstrdup("_medallion_");

	for (int i = 0; i < base->natts; i++)
		if (!TupleDescAttr(base, i)->attisdropped &&
			strncmp(NameStr(TupleDescAttr(base, i)->attname), prefix, strlen(prefix)) == 0)
		{
			prefix = psprintf("%s_", prefix);
			i = -1;
		}
	return prefix;
}

/*
 * The text of the query.  `names` are the columns of both sides, `base` and `history` what they are there; `own` is how no
 * name begins.
 */
static char *
past_text(const MdlTable *table, const char *own, const char *names, const char *base, const char *history)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM (SELECT %s, 1 AS %sside, tableoid AS %spart, ctid AS %splace, xmin AS %sxmin,"
					 " 0::pg_catalog.int8 AS %sborn, 0::pg_catalog.int8 AS %sdied FROM %s%s",
					 names, base, own, own, own, own, own, own, table->has_rows ? "ONLY " : "", mdl_qualified_name(table->relid));
	appendStringInfo(&sql, " UNION ALL SELECT %s, 2, 0::pg_catalog.oid, '(0,0)'::pg_catalog.tid, '0'::pg_catalog.xid,"
					 " " MDL_BORN_COLUMN ", " MDL_DIED_COLUMN " FROM %s) past WHERE (%sside OPERATOR(pg_catalog.=) 1"
					 " AND medallion._born_by(%spart, %splace, %sxmin, $1)",
					 history, mdl_qualified_name(table->history), own, own, own, own);
	if (mdl_partition_births_differ(table))
		appendStringInfo(&sql, " AND medallion._attached_by(%spart, $1)", own);
	if (table->moved > 0)
		appendStringInfo(&sql, " AND medallion._includes($1, " INT64_FORMAT ")", table->moved);
	appendStringInfo(&sql, ") OR (%sside OPERATOR(pg_catalog.=) 2 AND medallion._alive_at(%sborn, %sdied, $1)"
					 " AND %sdied OPERATOR(pg_catalog.>=) medallion._low_of($1) AND medallion._readable(%d, $1))",
					 own, own, own, own, table->table_id);
	return sql.data;
}

/* Analyses the query of a table's past, without rights and policies. */
static void
make_past(Past *past, Oid relid)
{
	MdlTable   *table = mdl_table_lock(relid);
	TupleDesc	base = base_description(relid);
	StringInfoData columns[3];
	static const PastSide sides[3] = {NAMES, BASE_AT_POINT, HISTORY_AT_POINT};

	past->table = table;
	for (int i = 0; i < 3; i++)
	{
		initStringInfo(&columns[i]);
		append_columns(&columns[i], table, base, sides[i]);
	}
	past->query = analyse(past_text(table, own_prefix(base), columns[0].data, columns[1].data, columns[2].data), 1);
	find_parts(past);
	keep_column_types(past, base);
}

/* Adds the policies that the current user reads the table with. */
static void
add_policies(Past *past)
{
	copy_policies(past->base_query, past->base_entry, past->history_query, past->table);
	mdl_partition_restrict(past->history_query, past->table);
}

Query *
mdl_past_shape_query(Oid relid, const char *own, const char *names, const char *base, const char *history)
{
	Past		past = {.table = mdl_table_lock(relid)};
	Query	   *query = analyse(psprintf("SELECT pg_catalog.to_jsonb(shape) FROM (%s) shape",
										 past_text(past.table, own, names, base, history)), 1);

	query = linitial_node(Query, QueryRewrite(query));
	past.query = linitial_node(RangeTblEntry, query->rtable)->subquery;
	find_parts(&past);
	past.base_entry->selectedCols = NULL;
	add_policies(&past);
	return query;
}

Query *
mdl_past_query(Oid relid, const Bitmapset *used_columns, bool *has_row_security)
{
	Past		past;

	make_past(&past, relid);
	/* Adds the policies that the current user reads the table with. */
	past.query = linitial_node(Query, QueryRewrite(past.query));
	find_parts(&past);
	past.base_entry->selectedCols = bms_copy(used_columns);
	add_policies(&past);
	*has_row_security = past.base_query->hasRowSecurity;
	return past.query;
}

Query *
mdl_past_query_of_entry(const RangeTblEntry *original, int index)
{
	Past		past;

	make_past(&past, original->relid);
	past.base_entry->requiredPerms = original->requiredPerms;
	past.base_entry->checkAsUser = original->checkAsUser;
	past.base_entry->selectedCols = bms_copy(original->selectedCols);
	past.base_entry->inh &= original->inh;
	/* ONLY a partitioned table: it has no rows of its own, and history does not say which partition one was in. */
	if (!past.table->has_rows && !original->inh)
		past.history_query->jointree->quals = makeBoolConst(false, false);
	past.base_entry->securityQuals = copyObject(original->securityQuals);
	ChangeVarNodes((Node *) past.base_entry->securityQuals, index, 1, 0);
	add_policies(&past);
	return past.query;
}

/* Makes one value of the row type of a table of the columns from `first` on, dropped ones included; values stay as they are. */
static void
gather_row(Query *query, int first, Oid relid, TupleDesc base)
{
	RowExpr    *row = makeNode(RowExpr);

	for (int i = 0; i < base->natts; i++)
	{
		TargetEntry *target = list_nth_node(TargetEntry, query->targetList, first + i);

		give_type(target, TupleDescAttr(base, i));
		row->args = lappend(row->args, target->expr);
		row->colnames = lappend(row->colnames, makeString(pstrdup(NameStr(TupleDescAttr(base, i)->attname))));
	}
	row->row_typeid = get_rel_type_id(relid);
	row->row_format = COERCE_EXPLICIT_CAST;
	row->location = -1;
	query->targetList = lappend(list_truncate(query->targetList, first),
								makeTargetEntry((Expr *) row, first + 1, pstrdup("row_data"), false));
}

Query *
mdl_history_rows_query(Oid relid, const Bitmapset *used_columns, bool *has_row_security)
{
	MdlTable   *table = mdl_table_lock(relid);
	TupleDesc	base = base_description(relid);
	Past		past;
	RangeTblEntry *entry;
	Query	   *query;
	StringInfoData sql;

	make_past(&past, relid);
	past.query = linitial_node(Query, QueryRewrite(past.query));
	find_parts(&past);
	copy_policies(past.base_query, past.base_entry, past.history_query, table);
	*has_row_security = past.base_query->hasRowSecurity;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT " MDL_BORN_COLUMN ", " MDL_DIED_COLUMN ", ");
	append_columns(&sql, table, base, HISTORY_ROWS);
	appendStringInfo(&sql, " FROM %s WHERE " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) $1", mdl_qualified_name(table->history));
	query = analyse(sql.data, 1);
	gather_row(query, 2, relid, base);
	entry = table_entry(query, table->history);
	entry->requiredPerms = 0;
	entry->selectedCols = NULL;
	entry->securityQuals = table_entry(past.history_query, table->history)->securityQuals;
	query->hasRowSecurity = past.history_query->hasRowSecurity;
	query->hasSubLinks |= past.history_query->hasSubLinks;
	mdl_partition_restrict(query, table);
	/* The table itself is not read, but stands there for the rights, as views do. */
	past.base_entry->selectedCols = bms_copy(used_columns);
	past.base_entry->securityQuals = NIL;
	past.base_entry->inh = false;
	past.base_entry->inFromCl = false;
	query->rtable = lappend(query->rtable, past.base_entry);
	return query;
}
