/*
 * expect_rule.c: medallion.expect and unexpect: rules for the rows of a derived table.
 *
 * A rule is parsed as an expression, never pasted into a statement, and analysed over the columns of the definition.  What
 * is kept for running is the analysed expression turned back to text with every name qualified, so that it means the same
 * whoever refreshes the table and whatever the search path.
 */
#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"
#include "versioning/versioning.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* ---- analysing a rule --------------------------------------------------------------------------------------- */

/* "*" or "t.*": columns, not an expression. */
static bool
is_star(Node *node)
{
	return IsA(node, ColumnRef) && IsA(llast(((ColumnRef *) node)->fields), A_Star);
}

/* Parses text that must be one expression, as raw parse tree. */
static Node *
parse_expression(const char *rule, const char *name)
{
	List	   *statements = raw_parser(rule, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, statements)->stmt);
	ResTarget  *target = select->targetList ? linitial_node(ResTarget, select->targetList) : NULL;

	/* That grammar takes all that may follow SELECT; only an expression is wanted. */
	if (target == NULL || list_length(select->targetList) != 1 || target->name != NULL || target->indirection != NIL ||
		select->distinctClause || select->intoClause || select->fromClause || select->whereClause ||
		select->groupClause || select->havingClause || select->windowClause || select->valuesLists ||
		select->sortClause || select->limitOffset || select->limitCount || select->lockingClause ||
		select->withClause || select->op != SETOP_NONE || is_star(target->val))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("rule \"%s\" is not an expression: %s", name, rule)));
	return target->val;
}

/* Refuses what cannot be judged row by row, or not from the columns alone. */
static void
check_expression(Node *expression, const char *name)
{
	const char *what = NULL;
	char	   *function;
	List	   *vars;
	ListCell   *cell;

	if (checkExprHasSubLink(expression))
		what = "a subquery";
	else if (contain_agg_clause(expression))
		what = "an aggregate";
	else if (contain_window_function(expression))
		what = "a window function";
	else if (expression_returns_set(expression))
		what = "a function that returns a set";
	if (what)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rule \"%s\" must not contain %s", name, what),
				 errdetail("A rule is judged for each row from the columns of that row.")));
	function = mdl_volatile_function_in(expression);
	if (function)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("rule \"%s\" calls %s, which is volatile", name, function),
				 errhint("Use functions that are STABLE or IMMUTABLE.")));
	vars = pull_var_clause(expression, 0);
	foreach(cell, vars)
		if (lfirst_node(Var, cell)->varattno <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("rule \"%s\" must name columns, not the row as a whole or system columns", name)));
}

Node *
mdl_rule_analyse(const char *rule, const char *name, Oid relation, const char *alias)
{
	TextContext context;
	Node	   *raw;
	Relation	opened = relation_open(relation, AccessShareLock);
	ParseState *state = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *expression;
	Oid			type;

	mdl_text_context_begin(&context, "rule", name, rule);
	raw = parse_expression(rule, name);
	state->p_sourcetext = rule;
	item = addRangeTableEntryForRelation(state, opened, AccessShareLock, makeAlias(alias, NIL), false, true);
	addNSItemToQuery(state, item, false, true, true);
	expression = transformExpr(state, raw, EXPR_KIND_OTHER);
	check_expression(expression, name);
	type = exprType(expression);
	expression = coerce_to_target_type(state, expression, type, BOOLOID, -1, COERCION_ASSIGNMENT,
									   COERCE_IMPLICIT_CAST, -1);
	if (expression == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rule \"%s\" must be of type boolean, but is of type %s", name, format_type_be(type))));
	assign_expr_collations(state, expression);
	free_parsestate(state);
	relation_close(opened, NoLock);

	/* Raises here what would otherwise raise for every row, such as a division of constants by zero. */
	context.always = true;
	expression_planner((Expr *) copyObject(expression));
	mdl_text_context_end(&context);
	return expression;
}

char *
mdl_rule_text(Node *expression, Oid relation, const char *alias)
{
	int			level = NewGUCNestLevel();
	char	   *text;

	set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	text = deparse_expression(expression, deparse_context_for(alias, relation), false, false);
	AtEOXact_GUC(true, level);
	return text;
}

void
mdl_rule_check_name(const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"name\" must not be empty")));
}

void
mdl_rule_check_mostly(double mostly)
{
	if (!(mostly >= 0 && mostly <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mostly must be between 0 and 1, but is %g", mostly),
				 errhint("It is the share of the rows that must pass before anything is done about the others.")));
}

/* ---- SQL functions ------------------------------------------------------------------------------------------ */

static void
store_rule(Oid target, const Rule *rule)
{
	MdlArgs		args = {0};
	MdlUser		saved;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_arg_text(&args, rule->name);
	mdl_arg_text(&args, rule->rule);
	mdl_arg_text(&args, rule->expression);
	mdl_arg_text(&args, mdl_pipeline_action_name(rule->action));
	mdl_arg_bool(&args, rule->null_ok);
	mdl_arg_float8(&args, rule->mostly);
	mdl_owner_begin(&saved);
	mdl_run("INSERT INTO medallion._expectations (target, name, kind, rule, expression, on_violation, null_ok, mostly)"
			" VALUES ($1, $2, 'row', $3, $4, $5, $6, $7)"
			" ON CONFLICT (target, name) DO UPDATE SET kind = excluded.kind, rule = excluded.rule, expression = excluded.expression,"
			" on_violation = excluded.on_violation, null_ok = excluded.null_ok, mostly = excluded.mostly, options = NULL,"
			" reference = NULL, raises = false, declared_at = pg_catalog.now()", &args, false);
	mdl_owner_end(&saved);
}

MDL_FUNCTION(mdl_expect);
Datum
mdl_expect(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "name", "rule", "on_violation", "null_ok", "mostly"};
	Rule		rule = {0};
	char	   *alias;
	DerivedTable *table;
	Node	   *expression;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	rule.name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	rule.rule = text_to_cstring(PG_GETARG_TEXT_PP(2));
	rule.action = mdl_pipeline_action_by_name(text_to_cstring(PG_GETARG_TEXT_PP(3)));
	rule.null_ok = PG_GETARG_BOOL(4);
	rule.mostly = PG_GETARG_FLOAT8(5);
	mdl_rule_check_name(rule.name);
	mdl_rule_check_mostly(rule.mostly);
	SPI_connect();
	table = mdl_locked_table(mdl_ruled_table, text_to_cstring(PG_GETARG_TEXT_PP(0)), ShareRowExclusiveLock);
	alias = get_rel_name(table->target);
	expression = mdl_rule_analyse(rule.rule, rule.name, table->definition, alias);
	rule.expression = mdl_rule_text(expression, table->definition, alias);
	if (table->keeper)
		mdl_event_rule_check(table->target, &rule, expression);
	else if (rule.action == RULE_QUARANTINE)
		mdl_quarantine_ensure(table);
	store_rule(table->target, &rule);
	SPI_finish();
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_unexpect);
Datum
mdl_unexpect(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"target", "name"};
	char	   *name;
	DerivedTable *table;
	MdlArgs		args = {0};
	MdlUser		saved;
	uint64		rows;

	mdl_pipeline_require_arguments(fcinfo, names, lengthof(names));
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	SPI_connect();
	table = mdl_locked_table(mdl_ruled_table, text_to_cstring(PG_GETARG_TEXT_PP(0)), ShareRowExclusiveLock);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(table->target), false);
	mdl_arg_text(&args, name);
	mdl_owner_begin(&saved);
	rows = mdl_run("DELETE FROM medallion._expectations WHERE target OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2",
				   &args, false);
	mdl_owner_end(&saved);
	if (rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no expectation \"%s\"", mdl_display_name(table->target), name),
				 errhint("The view medallion.expectations lists them.")));
	SPI_finish();
	PG_RETURN_VOID();
}

void
mdl_rules_check_again(const DerivedTable *table)
{
	char	   *alias = get_rel_name(table->target);
	int			count;
	Rule	   *rules = mdl_pipeline_rules(table->target, &count);

	for (int i = 0; i < count; i++)
	{
		Node	   *expression = mdl_rule_analyse(rules[i].expression, rules[i].name, table->definition, alias);

		rules[i].expression = mdl_rule_text(expression, table->definition, alias);
		store_rule(table->target, &rules[i]);
	}
	mdl_table_rules_check_again(table);
}
