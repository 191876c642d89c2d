/*
 * lineage_records.c: what the records of functions of the extension tell of lineage.
 *
 * Two views over the records say it as the current user may see them: medallion._lineage_records lists edges,
 * medallion._lineage_queries what was taken from which source.  Such queries are analysed here as the current user; one that
 * no longer holds is left out.
 */
#include "pipeline/lineage_graph_int.h"

#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* ---- records ------------------------------------------------------------------------------------------------------- */

/* The node that three fields of a row describe: OID of a relation, or kind and name; NULL if the relation is gone. */
static LineageNode *
recorded_node(LineageGraph *graph, uint64 row, int column)
{
	bool		no_relation;
	Oid			relid = DatumGetObjectId(mdl_field(row, column, &no_relation));

	if (!no_relation)
		return get_rel_name(relid) ? mdl_lineage_relation(graph, relid) : NULL;
	return mdl_lineage_other_node(graph, mdl_field_text(row, column + 1), mdl_field_text(row, column + 2));
}

static ColumnUse
use_by_name(const char *name)
{
	for (ColumnUse use = USE_IDENTITY; use <= USE_CONDITIONAL; use++)
		if (strcmp(mdl_column_use_name(use), name) == 0)
			return use;
	elog(ERROR, "unknown use of a column: %s", name);
}

void
mdl_lineage_load_records(LineageGraph *graph)
{
	uint64		rows = mdl_run("SELECT output, output_kind, output_name, input, input_kind, input_name, output_column, input_column, "
							   "subtype FROM medallion._lineage_records "
							   "ORDER BY 2 NULLS FIRST, 3, 1, 5 NULLS FIRST, 6, 4, 7, 8, 9", NULL, true);

	for (uint64 i = 0; i < rows; i++)
	{
		LineageNode *output = recorded_node(graph, i, 0);
		LineageNode *input = recorded_node(graph, i, 3);
		char	   *use = mdl_field_text(i, 8);

		if (output == NULL || input == NULL)
			continue;
		if (use)
			mdl_lineage_add_column(graph, output, mdl_field_text(i, 6), input, mdl_field_text(i, 7), use_by_name(use), false);
		else
			mdl_lineage_add_edge(output, input);
	}
}

/* ---- recorded queries ----------------------------------------------------------------------------------------------- */

static bool
collect_relations(Node *node, List **relations)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind == RTE_RELATION)
			*relations = list_append_unique_oid(*relations, entry->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, collect_relations, relations, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, collect_relations, relations);
}

/* What a user gave as source of something, and what was taken from it. */
typedef struct RecordedQuery
{
	LineageNode *output;
	char	   *select_part;
	char	   *source;			/* name of a relation, or a query */
	char	   *rest;			/* behind it */
	Query	   *query;			/* analysed; NULL if it does not hold any more */
} RecordedQuery;

static void
analyse_recorded(void *argument)
{
	RecordedQuery *recorded = argument;
	char	   *text = psprintf("%s FROM %s %s", recorded->select_part, mdl_source_from(recorded->source, NULL), recorded->rest);
	List	   *statements = raw_parser(text, RAW_PARSE_DEFAULT);

	if (list_length(statements) == 1 && IsA(linitial_node(RawStmt, statements)->stmt, SelectStmt))
		recorded->query = parse_analyze_fixedparams(linitial_node(RawStmt, statements), text, NULL, 0, NULL);
}

/* Analyses a recorded query as the current user would write it now; NULL if it does not hold any more. */
static Query *
try_recorded(RecordedQuery *recorded)
{
	ErrorData  *error = mdl_try(analyse_recorded, recorded);

	if (error == NULL)
		return recorded->query;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
		ReThrowError(error);
	return NULL;
}

void
mdl_lineage_load_queries(LineageGraph *graph)
{
	uint64		rows = mdl_run("SELECT output, output_kind, output_name, select_part, source, rest FROM medallion._lineage_queries "
							   "WHERE select_part IS NOT NULL AND source IS NOT NULL AND rest IS NOT NULL "
							   "ORDER BY 2 NULLS FIRST, 3, 1, 4, 5, 6", NULL, true);
	RecordedQuery *queries = palloc(sizeof(RecordedQuery) * (rows + 1));

	for (uint64 i = 0; i < rows; i++)
		queries[i] = (RecordedQuery) {recorded_node(graph, i, 0), mdl_field_text(i, 3), mdl_field_text(i, 4),
		mdl_field_text(i, 5)};
	for (uint64 i = 0; i < rows; i++)
	{
		Query	   *query = queries[i].output ? try_recorded(&queries[i]) : NULL;
		List	   *relations = NIL;
		ListCell   *cell;

		CHECK_FOR_INTERRUPTS();
		if (query == NULL)
			continue;
		collect_relations((Node *) query, &relations);
		foreach(cell, relations)
			mdl_lineage_add_edge(queries[i].output, mdl_lineage_relation(graph, lfirst_oid(cell)));
		mdl_lineage_add_query(graph, queries[i].output, mdl_query_lineage(query, false));
	}
}
