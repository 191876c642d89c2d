/*
 * definition_query.c: what the query of a derived table must be.
 *
 * One SELECT whose answer depends on its sources alone: no volatile function (found through views too), no parameter, no
 * change of data, no temporary table, no sample, no row lock; and every output column can be a column of a table.
 */
#include "pipeline/definition_int.h"

#include "catalog/heap.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/utility.h"
#include "access/relation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"

static void
show_text(void *argument)
{
	TextContext *context = argument;
	int			position = geterrposition();

	if (position <= 0 && !context->always)
		return;
	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(context->text);
	}
	errcontext("%s \"%s\"", context->what, context->name);
}

void
mdl_text_context_begin(TextContext *context, const char *what, const char *name, const char *text)
{
	context->what = what;
	context->name = name;
	context->text = text;
	context->always = false;
	context->callback.callback = show_text;
	context->callback.arg = context;
	context->callback.previous = error_context_stack;
	error_context_stack = &context->callback;
}

void
mdl_text_context_end(TextContext *context)
{
	error_context_stack = context->callback.previous;
}

/* Returns the one SELECT statement that the text holds. */
RawStmt *
mdl_definition_query_parse(const char *query, const char *target)
{
	List	   *statements = raw_parser(query, RAW_PARSE_DEFAULT);
	RawStmt    *statement;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("query of \"%s\" must be one SELECT, but has %d statements", target, list_length(statements))));
	statement = linitial_node(RawStmt, statements);
	if (!IsA(statement->stmt, SelectStmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("query of \"%s\" must be a SELECT, but is %s", target,
						GetCommandTagName(CreateCommandTag(statement->stmt)))));
	if (((SelectStmt *) statement->stmt)->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("query of \"%s\" must not have INTO", target)));
	return statement;
}

/* ---- through views ------------------------------------------------------------------------------------------ */

/*
 * The query of a view is not in the range table before it is rewritten: looks it up and walks on there, once for each view.  The
 * expressions of an entry are left to query_tree_walker.
 */
static bool
walk_view(const RangeTblEntry *entry, bool (*walker) (), void *context, List **views)
{
	Relation	view;
	bool		result;

	if (entry->rtekind != RTE_RELATION || entry->relkind != RELKIND_VIEW || list_member_oid(*views, entry->relid))
		return false;
	*views = lappend_oid(*views, entry->relid);
	view = relation_open(entry->relid, AccessShareLock);
	result = walker((Node *) copyObject(get_view_query(view)), context);
	relation_close(view, NoLock);
	return result;
}

/* ---- volatile functions ------------------------------------------------------------------------------------- */

typedef struct VolatileSearch
{
	char	   *found;
	List	   *views;			/* looked into; the range table of a view's query names the view itself */
} VolatileSearch;

static bool
remember_volatile(Oid function, void *context)
{
	if (func_volatile(function) != PROVOLATILE_VOLATILE)
		return false;
	((VolatileSearch *) context)->found = format_procedure(function);
	return true;
}

static bool
find_volatile(Node *node, VolatileSearch *search)
{
	check_stack_depth();
	if (node == NULL)
		return false;
	if (IsA(node, NextValueExpr))
	{
		search->found = pstrdup("nextval(regclass)");
		return true;
	}
	if (check_functions_in_node(node, remember_volatile, search))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_volatile, search, QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
		return walk_view((RangeTblEntry *) node, find_volatile, search, &search->views);
	return expression_tree_walker(node, find_volatile, search);
}

char *
mdl_volatile_function_in(Node *node)
{
	VolatileSearch search = {0};

	find_volatile(node, &search);
	return search.found;
}

/* ---- the query as a whole ----------------------------------------------------------------------------------- */

typedef struct Unrepeatable
{
	const char *what;			/* out: a sample, or a lock of rows: what a view may contain but a derived table may not */
	List	   *views;			/* looked into */
} Unrepeatable;

static bool
find_unrepeatable(Node *node, Unrepeatable *search)
{
	check_stack_depth();
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->rowMarks != NIL)
			search->what = "FOR UPDATE or FOR SHARE";
		return search->what || query_tree_walker(query, find_unrepeatable, search, QTW_EXAMINE_RTES_BEFORE);
	}
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->tablesample != NULL)
			search->what = "TABLESAMPLE";
		return search->what || walk_view(entry, find_unrepeatable, search, &search->views);
	}
	return expression_tree_walker(node, find_unrepeatable, search);
}

static void
check_output_column(const TargetEntry *entry, List *before, const char *target)
{
	Oid			type = exprType((Node *) entry->expr);
	ListCell   *cell;

	if (strcmp(entry->resname, "?column?") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
				 errmsg("column %d of the query of \"%s\" has no name", entry->resno, target),
				 errhint("Give it one with AS.")));
	foreach(cell, before)
	{
		TargetEntry *other = lfirst_node(TargetEntry, cell);

		if (other == entry)
			break;
		if (!other->resjunk && strcmp(other->resname, entry->resname) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("query of \"%s\" returns column \"%s\" twice", target, entry->resname),
					 errhint("Name the columns wanted, or rename one with AS.")));
	}
	if (get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" of the query of \"%s\" has type %s, which a table cannot hold",
						entry->resname, target, format_type_be(type)),
				 errhint("Cast the column to another type.")));
	if (SystemAttributeByName(entry->resname) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("column \"%s\" of the query of \"%s\" has the name of a system column", entry->resname, target),
				 errhint("Rename it with AS.")));
}

Query *
mdl_definition_query_check(const char *text, const char *target)
{
	TextContext context;
	Query	   *query;
	Unrepeatable unrepeatable = {0};
	char	   *function;
	ListCell   *cell;
	int			columns = 0;

	mdl_text_context_begin(&context, "query of", target, text);
	query = parse_analyze_fixedparams(mdl_definition_query_parse(text, target), text, NULL, 0, NULL);
	mdl_text_context_end(&context);
	if (query->hasModifyingCTE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("query of \"%s\" must not change data in WITH", target)));
	if (isQueryUsingTempRelation(query))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("query of \"%s\" must not read temporary tables", target),
				 errhint("A derived table outlives the session: read permanent tables only.")));
	if (find_unrepeatable((Node *) query, &unrepeatable))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("query of \"%s\" must not use %s", target, unrepeatable.what)));
	function = mdl_volatile_function_in((Node *) query);
	if (function != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("query of \"%s\" calls %s, which is volatile", target, function),
				 errdetail("Its answer must depend on its sources alone, so that it can be computed again."),
				 errhint("Use functions that are STABLE or IMMUTABLE.")));
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (entry->resjunk)
			continue;
		check_output_column(entry, query->targetList, target);
		columns++;
	}
	if (columns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("query of \"%s\" returns no columns", target)));
	return query;
}
