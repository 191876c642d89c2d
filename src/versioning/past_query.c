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
#include "versioning/versioning_int.h"

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

/*
 * Appends the columns of the base table in order, under their names or those of the history table.  A dropped column
 * keeps its place as NULL where positions count: as in the row type.
 */
static void
append_columns(StringInfo sql, const MdlTable *table, TupleDesc base, TupleDesc named, bool keep_places)
{
	const char *separator = "";

	for (int i = 0; i < base->natts; i++)
	{
		if (TupleDescAttr(base, i)->attisdropped)
		{
			if (!keep_places)
				continue;
			appendStringInfo(sql, "%sNULL::pg_catalog.int4 AS _medallion_dropped_%d", separator, i + 1);
		}
		else
		{
			int			column = named == base ? i : table->history_attno[i] - 1;

			appendStringInfo(sql, "%s%s", separator, quote_identifier(NameStr(TupleDescAttr(named, column)->attname)));
		}
		separator = ", ";
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

static bool
has_sublink(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
		return true;
	return expression_tree_walker(node, has_sublink, context);
}

/*
 * Copies the policies of the base side to the history side.  What stands for a column of the base table there is taken
 * from the target list of the history side.
 */
static void
copy_policies(Query *base_query, RangeTblEntry *base_entry, Query *history_query, const MdlTable *table)
{
	RangeTblEntry *entry = table_entry(history_query, table->history);
	bool		has_sublinks = has_sublink((Node *) base_entry->securityQuals, NULL);

	entry->securityQuals = (List *) ReplaceVarsFromTargetList((Node *) base_entry->securityQuals, 1, 0, base_entry,
															  history_query->targetList, REPLACEVARS_REPORT_ERROR, 0,
															  &history_query->hasSubLinks);
	base_query->hasSubLinks |= has_sublinks;
	history_query->hasSubLinks |= has_sublinks;
	base_query->hasRowSecurity |= base_entry->securityQuals != NIL;
	history_query->hasRowSecurity = base_query->hasRowSecurity;
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

/* Gives the columns the modifiers and collations of the table, also where past rows do not have them any more. */
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
		lfirst_int(list_nth_cell(operation->colTypmods, i)) = column->atttypmod;
		lfirst_oid(list_nth_cell(operation->colCollations, i)) = column->attcollation;
		for (int j = 0; j < 2; j++)
		{
			Var		   *var = castNode(Var, list_nth_node(TargetEntry, queries[j]->targetList, i)->expr);

			var->vartypmod = column->atttypmod;
			var->varcollid = column->attcollation;
		}
	}
}

/* Analyses the query of a table's past, without rights and policies. */
static void
make_past(Past *past, Oid relid)
{
	MdlTable   *table = mdl_table_get(relid);
	TupleDesc	base = base_description(relid);
	bool		by_partition = mdl_partition_births_differ(table);
	StringInfoData sql;

	past->table = table;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, table, base, base, true);
	appendStringInfoString(&sql, " FROM (SELECT ");
	append_columns(&sql, table, base, base, true);
	appendStringInfo(&sql, ", 1 AS _medallion_side, tableoid AS _medallion_part, ctid AS _medallion_place, xmin AS _medallion_xmin,"
					 " 0::pg_catalog.int8 AS " MDL_BORN_COLUMN ", 0::pg_catalog.int8 AS " MDL_DIED_COLUMN " FROM %s%s UNION ALL SELECT ",
					 table->has_rows ? "ONLY " : "", mdl_qualified_name(relid));
	append_columns(&sql, table, base, table->history_desc, true);
	appendStringInfo(&sql, ", 2, 0::pg_catalog.oid, '(0,0)'::pg_catalog.tid, '0'::pg_catalog.xid,"
					 " " MDL_BORN_COLUMN ", " MDL_DIED_COLUMN " FROM %s) past"
					 " WHERE (_medallion_side OPERATOR(pg_catalog.=) 1"
					 " AND medallion._born_by(_medallion_part, _medallion_place, _medallion_xmin, $1)%s)"
					 " OR (_medallion_side OPERATOR(pg_catalog.=) 2"
					 " AND medallion._alive_at(" MDL_BORN_COLUMN ", " MDL_DIED_COLUMN ", $1)"
					 " AND " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) medallion._low_of($1) AND medallion._readable(%d, $1))",
					 mdl_qualified_name(table->history),
					 by_partition ? " AND medallion._attached_by(_medallion_part, $1)" : "", table->table_id);
	past->query = analyse(sql.data, 1);
	keep_column_types(past, base);
	find_parts(past);
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
	copy_policies(past.base_query, past.base_entry, past.history_query, past.table);
	mdl_partition_restrict(past.history_query, past.table);
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
	past.base_entry->securityQuals = copyObject(original->securityQuals);
	ChangeVarNodes((Node *) past.base_entry->securityQuals, index, 1, 0);
	copy_policies(past.base_query, past.base_entry, past.history_query, past.table);
	mdl_partition_restrict(past.history_query, past.table);
	return past.query;
}

Query *
mdl_history_rows_query(Oid relid, bool *has_row_security)
{
	MdlTable   *table = mdl_table_get(relid);
	TupleDesc	base = base_description(relid);
	Past		past;
	RangeTblEntry *entry;
	Query	   *query;
	StringInfoData sql;

	mdl_require_privilege(relid, ACL_SELECT);
	make_past(&past, relid);
	past.query = linitial_node(Query, QueryRewrite(past.query));
	find_parts(&past);
	copy_policies(past.base_query, past.base_entry, past.history_query, table);
	*has_row_security = past.base_query->hasRowSecurity;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT " MDL_BORN_COLUMN ", " MDL_DIED_COLUMN ", ROW(");
	append_columns(&sql, table, base, table->history_desc, false);
	appendStringInfo(&sql, ")::%s FROM %s WHERE " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) $1",
					 mdl_qualified_name(relid), mdl_qualified_name(table->history));
	query = analyse(sql.data, 1);
	entry = table_entry(query, table->history);
	entry->requiredPerms = 0;
	entry->selectedCols = NULL;
	entry->securityQuals = table_entry(past.history_query, table->history)->securityQuals;
	query->hasRowSecurity = past.history_query->hasRowSecurity;
	query->hasSubLinks |= past.history_query->hasSubLinks;
	mdl_partition_restrict(query, table);
	return query;
}
