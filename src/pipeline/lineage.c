/*
 * lineage.c: medallion.lineage, medallion.column_lineage and the views of all edges: walks over the graph.
 *
 * Both functions go breadth first, so that everything is met at its least depth, and show an edge once; cycles end so.
 */
#include "pipeline/definition_int.h"
#include "pipeline/lineage_int.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

LineageWalk
mdl_lineage_walk_arguments(FunctionCallInfo fcinfo, int direction, int depth)
{
	char	   *text = mdl_required_text(fcinfo, direction, "direction");
	LineageWalk walk = {.depth = PG_ARGISNULL(depth) ? PG_INT32_MAX - 1 : PG_GETARG_INT32(depth)};
	bool		both = strcmp(text, "both") == 0;

	walk.up = both || strcmp(text, "upstream") == 0;
	walk.down = both || strcmp(text, "downstream") == 0;
	if (!walk.up && !walk.down)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("direction cannot be \"%s\"", text),
				 errhint("Use upstream, downstream or both.")));
	if (walk.depth < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("depth must be at least 1, but is %d", walk.depth)));
	return walk;
}

static Datum
text_or_null(const char *text, bool *is_null)
{
	*is_null = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* ---- relations ------------------------------------------------------------------------------------------------------- */

static void
put_edge(ReturnSetInfo *set, bool down, int depth, const LineageNode *via, const LineageNode *node)
{
	Datum		values[6];
	bool		nulls[6] = {false};

	values[0] = CStringGetTextDatum(down ? "downstream" : "upstream");
	values[1] = Int32GetDatum(depth);
	values[2] = CStringGetTextDatum(node->name);
	values[3] = CStringGetTextDatum(node->kind);
	values[4] = text_or_null(node->layer, &nulls[4]);
	values[5] = CStringGetTextDatum(via->name);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

static void
walk_nodes(LineageGraph *graph, LineageNode *start, bool down, int max_depth, ReturnSetInfo *set)
{
	bool	   *met = palloc0(sizeof(bool) * graph->count);
	List	   *level = list_make1_int(start->id);

	met[start->id] = true;
	for (int depth = 1; level != NIL && depth <= max_depth; depth++)
	{
		List	   *next = NIL;
		ListCell   *cell;

		CHECK_FOR_INTERRUPTS();
		foreach(cell, level)
		{
			LineageNode *via = graph->nodes[lfirst_int(cell)];
			ListCell   *other;

			foreach(other, down ? via->down : via->up)
			{
				LineageNode *node = graph->nodes[lfirst_int(other)];

				put_edge(set, down, depth, via, node);
				if (!met[node->id])
					next = lappend_int(next, node->id);
				met[node->id] = true;
			}
		}
		level = next;
	}
}

static void
select_from(const LineageGraph *graph, const LineageNode *start, bool down, int max_depth, bool *selected)
{
	bool	   *met = palloc0(sizeof(bool) * graph->count);
	List	   *level = list_make1_int(start->id);

	met[start->id] = true;
	for (int depth = 1; level != NIL && depth <= max_depth; depth++)
	{
		List	   *next = NIL;
		ListCell   *cell;

		foreach(cell, level)
		{
			LineageNode *node = graph->nodes[lfirst_int(cell)];
			ListCell   *other;

			foreach(other, down ? node->down : node->up)
			{
				if (met[lfirst_int(other)])
					continue;
				met[lfirst_int(other)] = true;
				next = lappend_int(next, lfirst_int(other));
			}
		}
		level = next;
	}
	for (int i = 0; i < graph->count; i++)
		selected[i] |= met[i];
}

bool *
mdl_lineage_select(const LineageGraph *graph, const LineageNode *start, const LineageWalk *walk)
{
	bool	   *selected = palloc0(sizeof(bool) * (graph->count + 1));

	for (int i = 0; i < graph->count && start == NULL; i++)
		selected[i] = graph->nodes[i]->up != NIL || graph->nodes[i]->down != NIL;
	if (start && walk->up)
		select_from(graph, start, false, walk->depth, selected);
	if (start && walk->down)
		select_from(graph, start, true, walk->depth, selected);
	return selected;
}

MDL_FUNCTION(mdl_lineage);
Datum
mdl_lineage(PG_FUNCTION_ARGS)
{
	char	   *relation = mdl_required_text(fcinfo, 0, "relation");
	LineageWalk walk = mdl_lineage_walk_arguments(fcinfo, 1, 2);
	LineageGraph *graph;
	LineageNode *start;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	graph = mdl_lineage_load();
	start = mdl_lineage_find(graph, relation);
	if (walk.up)
		walk_nodes(graph, start, false, walk.depth, (ReturnSetInfo *) fcinfo->resultinfo);
	if (walk.down)
		walk_nodes(graph, start, true, walk.depth, (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	return (Datum) 0;
}

/* ---- columns --------------------------------------------------------------------------------------------------------- */

static void
put_column(ReturnSetInfo *set, const LineageGraph *graph, const char *direction, int depth, const LineageColumn *column)
{
	const LineageNode *output = graph->nodes[column->output];
	const LineageNode *input = graph->nodes[column->input];
	Datum		values[11];
	bool		nulls[11] = {false};

	values[0] = text_or_null(direction, &nulls[0]);
	values[1] = Int32GetDatum(depth);
	values[2] = CStringGetTextDatum(output->name);
	values[3] = text_or_null(column->output_column, &nulls[3]);
	values[4] = CStringGetTextDatum(input->name);
	values[5] = text_or_null(column->input_column, &nulls[5]);
	values[6] = CStringGetTextDatum(USE_IS_DIRECT(column->use) ? "DIRECT" : "INDIRECT");
	values[7] = CStringGetTextDatum(mdl_column_use_name(column->use));
	values[8] = BoolGetDatum(column->masking);
	values[9] = CStringGetTextDatum(output->kind);
	values[10] = CStringGetTextDatum(input->kind);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

typedef struct ColumnWalk
{
	LineageGraph *graph;
	bool		down;
	bool		indirect;		/* follow indirect edges too */
	int			depth;
	List	   *next;			/* of ColumnPlace: where the next step starts */
	ReturnSetInfo *set;			/* NULL: edges are only marked */
} ColumnWalk;

typedef struct ColumnPlace
{
	LineageNode *node;
	const char *column;			/* NULL: all */
} ColumnPlace;

static bool
is_place_member(List *places, const LineageNode *node, const char *column)
{
	ListCell   *cell;

	foreach(cell, places)
	{
		ColumnPlace *place = lfirst(cell);

		if (place->node == node && (place->column == NULL || (column && strcmp(place->column, column) == 0)))
			return true;
	}
	return false;
}

/*
 * One step from a place.  Upstream, a column comes from what its edges name and, indirectly, from what decides about all rows;
 * downstream, what decides about all rows of a relation reaches all its columns.
 */
static void
walk_place(ColumnWalk *walk, const ColumnPlace *place)
{
	ListCell   *cell;

	foreach(cell, walk->down ? place->node->columns_down : place->node->columns_up)
	{
		LineageColumn *edge = lfirst(cell);
		const char *here = walk->down ? edge->input_column : edge->output_column;
		const char *there = walk->down ? edge->output_column : edge->input_column;
		LineageNode *node = walk->graph->nodes[walk->down ? edge->output : edge->input];
		ColumnPlace *found;

		if (edge->seen || (!walk->indirect && !USE_IS_DIRECT(edge->use)))
			continue;
		if (place->column && here && strcmp(place->column, here) != 0)
			continue;
		edge->seen = true;
		if (walk->set)
			put_column(walk->set, walk->graph, walk->down ? "downstream" : "upstream", walk->depth, edge);
		if (is_place_member(walk->next, node, there))
			continue;
		found = palloc_object(ColumnPlace);
		found->node = node;
		found->column = there;
		walk->next = lappend(walk->next, found);
	}
}

static void
walk_columns(ColumnWalk *walk, LineageNode *start, const char *column, int max_depth)
{
	ColumnPlace *first = palloc_object(ColumnPlace);
	List	   *level = list_make1(first);
	ListCell   *cell;

	first->node = start;
	first->column = column;
	for (walk->depth = 1; level != NIL && walk->depth <= max_depth; walk->depth++)
	{
		CHECK_FOR_INTERRUPTS();
		walk->next = NIL;
		foreach(cell, level)
			walk_place(walk, lfirst(cell));
		level = walk->next;
	}
}

static void
forget_seen(const LineageGraph *graph)
{
	ListCell   *cell;

	foreach(cell, graph->columns)
		((LineageColumn *) lfirst(cell))->seen = false;
}

/* A relation has the columns the server knows; anything else those that edges name. */
static void
check_column(const LineageNode *node, const char *column)
{
	ListCell   *cell;

	if (OidIsValid(node->relid))
	{
		if (get_attnum(node->relid, column) != InvalidAttrNumber)
			return;
	}
	else
	{
		foreach(cell, node->columns_up)
			if (((LineageColumn *) lfirst(cell))->output_column && strcmp(((LineageColumn *) lfirst(cell))->output_column, column) == 0)
				return;
		foreach(cell, node->columns_down)
			if (((LineageColumn *) lfirst(cell))->input_column && strcmp(((LineageColumn *) lfirst(cell))->input_column, column) == 0)
				return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s %s has no column \"%s\"", node->kind, node->name, column)));
}

void
mdl_lineage_mark_columns(LineageGraph *graph, LineageNode *start, const char *column, const LineageWalk *walk, bool *selected)
{
	ColumnWalk	columns = {.graph = graph};
	bool	   *touched = palloc0(sizeof(bool) * (graph->count + 1));
	ListCell   *cell;

	if (column == NULL)
	{
		foreach(cell, graph->columns)
		{
			LineageColumn *edge = lfirst(cell);

			edge->seen = USE_IS_DIRECT(edge->use) && selected[edge->output] && selected[edge->input];
		}
		return;
	}
	check_column(start, column);
	if (walk->up)
		walk_columns(&columns, start, column, walk->depth);
	columns.down = true;
	if (walk->down)
		walk_columns(&columns, start, column, walk->depth);
	touched[start->id] = true;
	foreach(cell, graph->columns)
	{
		LineageColumn *edge = lfirst(cell);

		if (edge->seen)
			touched[edge->output] = touched[edge->input] = true;
	}
	memcpy(selected, touched, sizeof(bool) * graph->count);
}

MDL_FUNCTION(mdl_column_lineage);
Datum
mdl_column_lineage(PG_FUNCTION_ARGS)
{
	char	   *relation = mdl_required_text(fcinfo, 0, "relation");
	LineageWalk walk = mdl_lineage_walk_arguments(fcinfo, 1, 2);
	char	   *column = mdl_optional_text(fcinfo, 3);
	ColumnWalk	columns = {.indirect = mdl_required_bool(fcinfo, 4, "indirect")};
	LineageNode *start;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	columns.set = (ReturnSetInfo *) fcinfo->resultinfo;
	columns.graph = mdl_lineage_load();
	start = mdl_lineage_find(columns.graph, relation);
	if (column)
		check_column(start, column);
	if (walk.up)
		walk_columns(&columns, start, column, walk.depth);
	columns.down = true;
	forget_seen(columns.graph);
	if (walk.down)
		walk_columns(&columns, start, column, walk.depth);
	SPI_finish();
	return (Datum) 0;
}

/* ---- all edges ------------------------------------------------------------------------------------------------------- */

MDL_FUNCTION(mdl_lineage_edges);
Datum
mdl_lineage_edges(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	LineageGraph *graph;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	graph = mdl_lineage_load();
	for (int i = 0; i < graph->count; i++)
	{
		LineageNode *output = graph->nodes[i];
		ListCell   *cell;

		foreach(cell, output->up)
		{
			LineageNode *input = graph->nodes[lfirst_int(cell)];
			Datum		values[6];
			bool		nulls[6] = {false};

			values[0] = CStringGetTextDatum(output->name);
			values[1] = CStringGetTextDatum(output->kind);
			values[2] = text_or_null(output->layer, &nulls[2]);
			values[3] = CStringGetTextDatum(input->name);
			values[4] = CStringGetTextDatum(input->kind);
			values[5] = text_or_null(input->layer, &nulls[5]);
			tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
		}
	}
	SPI_finish();
	return (Datum) 0;
}

MDL_FUNCTION(mdl_column_lineage_edges);
Datum
mdl_column_lineage_edges(PG_FUNCTION_ARGS)
{
	LineageGraph *graph;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	graph = mdl_lineage_load();
	foreach(cell, graph->columns)
		put_column((ReturnSetInfo *) fcinfo->resultinfo, graph, NULL, 0, lfirst(cell));
	SPI_finish();
	return (Datum) 0;
}

/*
 * The relation that a record names; NULL if there is none.  Unlike to_regclass no error for one in a schema that the user may
 * not use, since records are read for everybody.
 */
MDL_FUNCTION(mdl_relation_named);
Datum
mdl_relation_named(PG_FUNCTION_ARGS)
{
	List	   *parts;
	Oid			relid = InvalidOid;

	if (!SplitIdentifierString(text_to_cstring(PG_GETARG_TEXT_PP(0)), '.', &parts))
		PG_RETURN_NULL();
	if (list_length(parts) == 1)
		relid = RelnameGetRelid(linitial(parts));
	else if (list_length(parts) == 2)
		relid = get_relname_relid(lsecond(parts), get_namespace_oid(linitial(parts), true));
	if (!OidIsValid(relid))
		PG_RETURN_NULL();
	PG_RETURN_OID(relid);
}

static Query *
analyse_argument(const char *text)
{
	TextContext context;
	List	   *statements;
	Query	   *query;

	mdl_text_context_begin(&context, "argument", "query", text);
	statements = raw_parser(text, RAW_PARSE_DEFAULT);
	if (list_length(statements) != 1 || !IsA(linitial_node(RawStmt, statements)->stmt, SelectStmt) ||
		((SelectStmt *) linitial_node(RawStmt, statements)->stmt)->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("argument \"query\" must be one SELECT")));
	query = parse_analyze_fixedparams(linitial_node(RawStmt, statements), text, NULL, 0, NULL);
	mdl_text_context_end(&context);
	return query;
}

/* Where the columns of a query come from, for a text that is not kept anywhere; views are looked through if asked for. */
MDL_FUNCTION(mdl_lineage_of_query);
Datum
mdl_lineage_of_query(PG_FUNCTION_ARGS)
{
	char	   *text = mdl_required_text(fcinfo, 0, "query");
	bool		through_views = mdl_required_bool(fcinfo, 1, "through_views");
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	QueryLineage *lineage;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	lineage = mdl_query_lineage(analyse_argument(text), through_views);
	for (int i = 0; i <= lineage->column_count; i++)
	{
		const OriginSet *origins = i < lineage->column_count ? &lineage->columns[i] : &lineage->whole;

		for (int k = 0; k < origins->count; k++)
		{
			const ColumnOrigin *origin = &origins->origins[k];
			Datum		values[6];
			bool		nulls[6] = {false};

			values[0] = text_or_null(i < lineage->column_count ? lineage->names[i] : NULL, &nulls[0]);
			values[1] = CStringGetTextDatum(mdl_pipeline_relation_name(origin->relid));
			values[2] = CStringGetTextDatum(get_attname(origin->relid, origin->column, false));
			values[3] = CStringGetTextDatum(USE_IS_DIRECT(origin->use) ? "DIRECT" : "INDIRECT");
			values[4] = CStringGetTextDatum(mdl_column_use_name(origin->use));
			values[5] = BoolGetDatum(origin->masking);
			tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
		}
	}
	SPI_finish();
	return (Datum) 0;
}
