/*
 * lineage.c: medallion.lineage: from what a relation is made, and what is made from it.
 *
 * Edges are those of dependency.c.  The definition of a derived table is the table itself here.  What is made from relations
 * but is none itself, such as a model, is told by providers that other folders register.
 */
#include "pipeline/pipeline_int.h"

#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MAX_PROVIDERS 8

static MdlLineageProvider providers[MAX_PROVIDERS];
static int	provider_count = 0;

void
mdl_lineage_provider_register(MdlLineageProvider provider)
{
	if (provider_count == MAX_PROVIDERS)
		elog(ERROR, "too many providers of lineage");
	providers[provider_count++] = provider;
}

static MdlLineageEdges edge_sources[MAX_PROVIDERS];
static int	edge_source_count = 0;

void
mdl_lineage_edges_register(MdlLineageEdges edges)
{
	if (edge_source_count == MAX_PROVIDERS)
		elog(ERROR, "too many sources of lineage");
	edge_sources[edge_source_count++] = edges;
}

typedef struct Traversal
{
	List	   *tables;
	bool		downstream;
	int			depth;			/* of the relations being looked at */
	Oid			from;			/* the relation being looked at */
	ReturnSetInfo *set;
} Traversal;

static const char *
relation_kind(const Traversal *traversal, Oid relid)
{
	if (mdl_pipeline_table(traversal->tables, relid))
		return "derived table";
	switch (get_rel_relkind(relid))
	{
		case RELKIND_VIEW:
			return "view";
		case RELKIND_MATVIEW:
			return "materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "foreign table";
		default:
			return "table";
	}
}

static void
emit(Traversal *traversal, const char *kind, const char *name, const char *layer)
{
	Datum		values[6];
	bool		nulls[6] = {false, false, false, false, layer == NULL, false};

	values[0] = CStringGetTextDatum(traversal->downstream ? "downstream" : "upstream");
	values[1] = Int32GetDatum(traversal->depth);
	values[2] = CStringGetTextDatum(name);
	values[3] = CStringGetTextDatum(kind);
	values[4] = layer ? CStringGetTextDatum(layer) : (Datum) 0;
	values[5] = CStringGetTextDatum(mdl_pipeline_relation_name(traversal->from));
	tuplestore_putvalues(traversal->set->setResult, traversal->set->setDesc, values, nulls);
}

static void
emit_provided(void *state, const char *kind, const char *name, const char *layer)
{
	emit((Traversal *) state, kind, name, layer);
}

/* The relations one step away, definitions replaced by their tables. */
static List *
neighbours(const Traversal *traversal, Oid relid)
{
	DerivedTable *table = mdl_pipeline_table(traversal->tables, relid);
	List	   *found = NIL;
	ListCell   *cell;

	for (int i = 0; i < edge_source_count; i++)
		found = list_concat_unique_oid(found, edge_sources[i] (relid, traversal->downstream));
	if (!traversal->downstream)
		return table || get_rel_relkind(relid) == RELKIND_VIEW || get_rel_relkind(relid) == RELKIND_MATVIEW ?
			list_concat_unique_oid(found, mdl_view_sources(table ? table->definition : relid)) : found;
	foreach(cell, mdl_relation_readers(relid))
	{
		DerivedTable *reader = mdl_pipeline_table_by_definition(traversal->tables, lfirst_oid(cell));

		found = list_append_unique_oid(found, reader ? reader->target : lfirst_oid(cell));
	}
	return found;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(mdl_pipeline_relation_name(lfirst_oid(a)), mdl_pipeline_relation_name(lfirst_oid(b)));
}

/* Breadth first, so that each relation is met at its least depth; an edge is shown once. */
static void
traverse(Traversal *traversal, Oid start, int max_depth)
{
	List	   *visited = list_make1_oid(start);
	List	   *level = list_make1_oid(start);

	for (traversal->depth = 1; level != NIL && traversal->depth <= max_depth; traversal->depth++)
	{
		List	   *next = NIL;
		ListCell   *cell;

		CHECK_FOR_INTERRUPTS();
		foreach(cell, level)
		{
			List	   *found;
			ListCell   *other;

			traversal->from = lfirst_oid(cell);
			found = neighbours(traversal, traversal->from);
			list_sort(found, compare_names);
			foreach(other, found)
			{
				Oid			relid = lfirst_oid(other);

				emit(traversal, relation_kind(traversal, relid), mdl_pipeline_relation_name(relid),
					 get_namespace_name(get_rel_namespace(relid)));
				if (list_member_oid(visited, relid))
					continue;
				visited = lappend_oid(visited, relid);
				next = lappend_oid(next, relid);
			}
			for (int i = 0; traversal->downstream && i < provider_count; i++)
				providers[i] (traversal->from, emit_provided, traversal);
		}
		level = next;
	}
}

MDL_FUNCTION(mdl_lineage);
Datum
mdl_lineage(PG_FUNCTION_ARGS)
{
	Traversal	traversal = {0};
	char	   *direction;
	bool		both;
	int			max_depth = PG_ARGISNULL(2) ? PG_INT32_MAX : PG_GETARG_INT32(2);
	Oid			relid;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", PG_ARGISNULL(0) ? "relation" : "direction")));
	direction = text_to_cstring(PG_GETARG_TEXT_PP(1));
	both = strcmp(direction, "both") == 0;
	if (!both && strcmp(direction, "upstream") != 0 && strcmp(direction, "downstream") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("direction cannot be \"%s\"", direction),
				 errhint("Use upstream, downstream or both.")));
	if (max_depth < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("depth must be at least 1, but is %d", max_depth)));
	if (max_depth == PG_INT32_MAX)
		max_depth--;
	SPI_connect();
	relid = mdl_relation_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	traversal.tables = mdl_pipeline_tables();
	traversal.set = (ReturnSetInfo *) fcinfo->resultinfo;
	if (both || strcmp(direction, "upstream") == 0)
		traverse(&traversal, relid, max_depth);
	traversal.downstream = true;
	if (both || strcmp(direction, "downstream") == 0)
		traverse(&traversal, relid, max_depth);
	SPI_finish();
	return (Datum) 0;
}
