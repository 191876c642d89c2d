/*
 * past_query.c: the query that a versioned table's past means.
 *
 *     SELECT columns FROM t                          WHERE _born_by(tableoid, ctid, xmin, $1)
 *     UNION ALL
 *     SELECT columns FROM medallion_history."s.t"    WHERE _alive_at(born, died, $1) AND died >= _low_of($1) AND _readable(id, $1)
 *
 * $1 is the version.  The first side is analysed and rewritten as the current user's, with grants and row-level security;
 * the second gets the row-level security of the base table, its columns mapped, and needs no grant of its own, since the
 * first side has required it.
 */
#include "versioning/versioning_int.h"

#include "access/attmap.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
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
			appendStringInfo(sql, "%sNULL::pg_catalog.int4 AS dropped_%d", separator, i + 1);
		}
		else
		{
			int			column = named == base ? i : table->history_attno[i] - 1;

			appendStringInfo(sql, "%s%s", separator, quote_identifier(NameStr(TupleDescAttr(named, column)->attname)));
		}
		separator = ", ";
	}
}

/* Analyses one SELECT with parameters of type int8 and applies the rewriter to it, as the current user. */
static Query *
analyse(const char *sql, int nparams)
{
	Oid			types[2] = {INT8OID, INT8OID};
	List	   *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	Query	   *query = parse_analyze_fixedparams(linitial_node(RawStmt, parsed), sql, types, nparams, NULL);

	return query;
}

static Query *
rewrite(Query *query)
{
	return linitial_node(Query, QueryRewrite(query));
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

/* Gives the history side the row-level security of the base table, and takes away the need for a grant. */
static void
guard_history(Query *history_query, const MdlTable *table, const RangeTblEntry *base_entry)
{
	RangeTblEntry *entry = table_entry(history_query, table->history);
	AttrMap    *map = make_attrmap(table->natts);
	bool		whole_row = false;

	entry->requiredPerms = 0;
	entry->selectedCols = NULL;
	for (int i = 0; i < table->natts; i++)
		map->attnums[i] = table->history_attno[i];
	entry->securityQuals = castNode(List, map_variable_attnos((Node *) base_entry->securityQuals, 1, 0, map,
															   InvalidOid, &whole_row));
	free_attrmap(map);
	if (whole_row)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot read the past of \"%s\": a row-level security policy uses the whole row",
						mdl_display_name(table->relid)),
				 errhint("Name the columns in the policy.")));
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

/* Analyses a SELECT from the history table and gives it the base table's row-level security. */
static Query *
history_side(const MdlTable *table, const char *sql, const RangeTblEntry *base_entry)
{
	MdlUser		user;
	Query	   *query;

	/* The user may not even use the schema; analysis of our own text runs nothing. */
	mdl_owner_begin(&user);
	query = analyse(sql, 1);
	mdl_owner_end(&user);
	guard_history(query, table, base_entry);
	mdl_partition_restrict(query, table);
	query->hasRowSecurity = base_entry->securityQuals != NIL;
	query->hasSubLinks |= has_sublink((Node *) base_entry->securityQuals, NULL);
	return query;
}

/* Analyses and rewrites the base side, whose entry carries the rights and the row-level security. */
static Query *
base_side(const MdlTable *table, TupleDesc base, const char *where, int nparams, RangeTblEntry **entry)
{
	StringInfoData sql;
	Query	   *query;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, table, base, base, true);
	appendStringInfo(&sql, " FROM %s%s%s", table->has_rows ? "ONLY " : "", mdl_qualified_name(table->relid), where);
	query = rewrite(analyse(sql.data, nparams));
	*entry = table_entry(query, table->relid);
	return query;
}

/* Wraps a query as an entry of a set operation. */
static RangeTblEntry *
side_entry(Query *query, const char *name)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->alias = makeAlias(name, NIL);
	entry->eref = makeAlias(name, NIL);
	for (ListCell *cell = list_head(query->targetList); cell != NULL; cell = lnext(query->targetList, cell))
		entry->eref->colnames = lappend(entry->eref->colnames,
										makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
	entry->inFromCl = false;
	return entry;
}

/* left UNION ALL right, whose columns have the same types. */
static Query *
union_all(Query *left, Query *right)
{
	Query	   *query = makeNode(Query);
	SetOperationStmt *operation = makeNode(SetOperationStmt);
	RangeTblRef *refs[2];
	ListCell   *cell;

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make2(side_entry(left, "*SELECT* 1"), side_entry(right, "*SELECT* 2"));
	query->jointree = makeFromExpr(NIL, NULL);
	query->hasRowSecurity = left->hasRowSecurity || right->hasRowSecurity;
	for (int i = 0; i < 2; i++)
	{
		refs[i] = makeNode(RangeTblRef);
		refs[i]->rtindex = i + 1;
	}
	operation->op = SETOP_UNION;
	operation->all = true;
	operation->larg = (Node *) refs[0];
	operation->rarg = (Node *) refs[1];
	foreach(cell, left->targetList)
	{
		TargetEntry *target = lfirst(cell);
		Node	   *expression = (Node *) target->expr;
		Oid			type = exprType(expression);
		int32		typmod = -1;
		Oid			collation = exprCollation(expression);

		operation->colTypes = lappend_oid(operation->colTypes, type);
		operation->colTypmods = lappend_int(operation->colTypmods, typmod);
		operation->colCollations = lappend_oid(operation->colCollations, collation);
		query->targetList = lappend(query->targetList,
									makeTargetEntry((Expr *) makeVar(1, target->resno, type, typmod, collation, 0),
													target->resno, pstrdup(target->resname), false));
	}
	query->setOperations = (Node *) operation;
	return query;
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

Query *
mdl_past_query(Oid relid, bool *has_row_security)
{
	MdlTable   *table = mdl_table_get(relid);
	TupleDesc	base = base_description(relid);
	RangeTblEntry *entry;
	StringInfoData sql;
	Query	   *left = base_side(table, base, mdl_partition_births_differ(table)
								 ? " WHERE medallion._born_by(tableoid, ctid, xmin, $1) AND medallion._attached_by(tableoid, $1)"
								 : " WHERE medallion._born_by(tableoid, ctid, xmin, $1)", 1, &entry);

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, table, base, table->history_desc, true);
	appendStringInfo(&sql, " FROM %s WHERE medallion._alive_at(" MDL_BORN_COLUMN ", " MDL_DIED_COLUMN ", $1)"
					 " AND " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) medallion._low_of($1) AND medallion._readable(%d, $1)",
					 mdl_qualified_name(table->history), table->table_id);
	*has_row_security = left->hasRowSecurity;
	return union_all(left, history_side(table, sql.data, entry));
}

Query *
mdl_history_rows_query(Oid relid, bool *has_row_security)
{
	MdlTable   *table = mdl_table_get(relid);
	TupleDesc	base = base_description(relid);
	RangeTblEntry *entry;
	StringInfoData sql;

	mdl_require_privilege(relid, ACL_SELECT);
	*has_row_security = base_side(table, base, "", 0, &entry)->hasRowSecurity;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT " MDL_BORN_COLUMN ", " MDL_DIED_COLUMN ", ROW(");
	append_columns(&sql, table, base, table->history_desc, false);
	appendStringInfo(&sql, ")::%s FROM %s WHERE " MDL_DIED_COLUMN " OPERATOR(pg_catalog.>=) $1",
					 mdl_qualified_name(relid), mdl_qualified_name(table->history));
	return history_side(table, sql.data, entry);
}
