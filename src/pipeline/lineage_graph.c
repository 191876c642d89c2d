/*
 * lineage_graph.c: everything that is known of what is made from what, read into one graph of nodes and columns.
 *
 * Views and definitions are read off their analysed queries here; what was written by functions of the extension (ingests,
 * training sets, models, predictions) comes from their records (lineage_records.c).
 */
#include "pipeline/definition_int.h"
#include "pipeline/lineage_graph_int.h"

#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

#define KEY_SIZE 128

typedef struct NodeKey
{
	char		key[KEY_SIZE];
	LineageNode *node;
} NodeKey;

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static LineageNode *
node_by_key(LineageGraph *graph, const char *key, bool *found)
{
	NodeKey    *entry;
	char		cut[KEY_SIZE];
	size_t		length = strlen(key);

	strlcpy(cut, key, KEY_SIZE);
	if (length >= KEY_SIZE)		/* the end of a long one is replaced by a hash of it all */
		snprintf(cut + KEY_SIZE - 24, 24, "%016" INT64_MODIFIER "x",
				 hash_bytes_extended((const unsigned char *) key, (int) length, 0));
	entry = hash_search(graph->by_key, cut, HASH_ENTER, found);
	if (*found)
		return entry->node;
	if (graph->count == graph->size)
	{
		graph->size = Max(64, graph->size * 2);
		graph->nodes = graph->count ? repalloc(graph->nodes, sizeof(LineageNode *) * graph->size) :
			palloc(sizeof(LineageNode *) * graph->size);
	}
	entry->node = palloc0_object(LineageNode);
	entry->node->id = graph->count;
	graph->nodes[graph->count++] = entry->node;
	return entry->node;
}

static const char *
relation_kind(const LineageGraph *graph, Oid relid)
{
	const DerivedTable *table = mdl_pipeline_table(graph->tables, relid);

	ListCell   *cell;

	foreach(cell, graph->tables)
		if (((DerivedTable *) lfirst(cell))->quarantine == relid)
			return "quarantine";
	if (table)
		return table->keeper ? psprintf("%s table", table->keeper->name) : "derived table";
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

/* The definition of a derived table is the table itself here. */
LineageNode *
mdl_lineage_relation(LineageGraph *graph, Oid relid)
{
	DerivedTable *table = mdl_pipeline_table_by_definition(graph->tables, relid);
	LineageNode *node;
	bool		found;

	if (table)
		relid = table->target;
	node = node_by_key(graph, psprintf("%u", relid), &found);
	if (!found)
	{
		node->relid = relid;
		node->kind = relation_kind(graph, relid);
		node->name = mdl_pipeline_relation_name(relid);
		node->layer = get_namespace_name(get_rel_namespace(relid));
	}
	return node;
}

static void sort_graph(LineageGraph *graph);
static void link_partition(LineageGraph *graph, LineageNode *node);

LineageNode *
mdl_lineage_other_node(LineageGraph *graph, const char *kind, const char *name)
{
	bool		found;
	LineageNode *node = node_by_key(graph, psprintf("%s:%s", kind, name), &found);

	if (!found)
	{
		node->kind = pstrdup(kind);
		node->name = pstrdup(name);
	}
	return node;
}

LineageNode *
mdl_lineage_find(LineageGraph *graph, const char *name)
{
	static const char *const kinds[] = {"model", "feature view"};
	LineageNode *same_name = NULL;
	Oid			relid;

	for (int i = 0; i < graph->count; i++)
	{
		LineageNode *node = graph->nodes[i];

		if (OidIsValid(node->relid))
			continue;
		if (strcmp(psprintf("%s:%s", node->kind, node->name), name) == 0)
			return node;
		for (int k = 0; k < lengthof(kinds); k++)
			if (same_name == NULL && strcmp(node->kind, kinds[k]) == 0 && strcmp(node->name, name) == 0)
				same_name = node;
	}
	relid = mdl_relation_by_name(name, same_name != NULL || strchr(name, ':') != NULL);
	if (OidIsValid(relid))
	{
		int			known = graph->count;
		LineageNode *node = mdl_lineage_relation(graph, relid);

		if (graph->count > known)
		{
			link_partition(graph, node);
			sort_graph(graph);
		}
		return node;
	}
	if (same_name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("lineage knows no \"%s\"", name),
				 errhint("Name a relation, a model as model:name or a feature view as feature view:name; "
						 "medallion.lineage_edges lists all that is known.")));
	return same_name;
}

/* ---- edges --------------------------------------------------------------------------------------------------------- */

void
mdl_lineage_add_edge(LineageNode *output, LineageNode *input)
{
	if (output == input)
		return;
	output->up = list_append_unique_int(output->up, input->id);
	input->down = list_append_unique_int(input->down, output->id);
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Adds an edge of columns; what several texts tell, such as those of the versions of a model, is there once. */
void
mdl_lineage_add_column(LineageGraph *graph, LineageNode *output, const char *output_column, LineageNode *input,
					   const char *input_column, ColumnUse use, bool masking)
{
	LineageColumn *column;
	ListCell   *cell;

	foreach(cell, output->columns_up)
	{
		column = lfirst(cell);
		if (column->input == input->id && column->use == use && column->masking == masking &&
			is_same_text(column->input_column, input_column) && is_same_text(column->output_column, output_column))
			return;
	}
	column = palloc0_object(LineageColumn);
	column->output = output->id;
	column->input = input->id;
	column->output_column = output_column;
	column->input_column = input_column;
	column->use = use;
	column->masking = masking;
	output->columns_up = lappend(output->columns_up, column);
	input->columns_down = lappend(input->columns_down, column);
	graph->columns = lappend(graph->columns, column);
	mdl_lineage_add_edge(output, input);
}

static void
add_origins(LineageGraph *graph, LineageNode *output, const char *output_column, const OriginSet *set)
{
	for (int i = 0; i < set->count; i++)
	{
		const ColumnOrigin *origin = &set->origins[i];
		char	   *name = get_attname(origin->relid, origin->column, true);

		if (name && get_rel_name(origin->relid))
			mdl_lineage_add_column(graph, output, output_column, mdl_lineage_relation(graph, origin->relid), name, origin->use,
					   origin->masking);
	}
}

void
mdl_lineage_add_query(LineageGraph *graph, LineageNode *output, const QueryLineage *lineage)
{
	for (int i = 0; i < lineage->column_count; i++)
		add_origins(graph, output, lineage->names[i], &lineage->columns[i]);
	add_origins(graph, output, NULL, &lineage->whole);
}

/* ---- views and derived tables --------------------------------------------------------------------------------------- */

static void
load_relation(LineageGraph *graph, Oid relid, const DerivedTable *table)
{
	LineageNode *node;
	QueryLineage *lineage;
	ListCell   *cell;

	CHECK_FOR_INTERRUPTS();
	if (get_rel_name(relid) == NULL)
		return;
	node = mdl_lineage_relation(graph, relid);
	foreach(cell, table ? mdl_kept_sources(table) : mdl_view_sources(relid))
		mdl_lineage_add_edge(node, mdl_lineage_relation(graph, lfirst_oid(cell)));
	lineage = table && table->keeper ? NULL : mdl_relation_lineage(relid, table, false);
	if (lineage)
		mdl_lineage_add_query(graph, node, lineage);
	if (table && OidIsValid(table->quarantine) && get_rel_name(table->quarantine))	/* has what the table does not take */
	{
		LineageNode *quarantine = mdl_lineage_relation(graph, table->quarantine);
		ListCell   *source;

		foreach(source, node->up)
			mdl_lineage_add_edge(quarantine, graph->nodes[lfirst_int(source)]);
		if (lineage)
			mdl_lineage_add_query(graph, quarantine, lineage);
	}
}

static void
load_relations(LineageGraph *graph)
{
	List	   *views = NIL;
	uint64		rows;
	ListCell   *cell;

	foreach(cell, graph->tables)
		load_relation(graph, ((DerivedTable *) lfirst(cell))->target, lfirst(cell));
	rows = mdl_run("SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
				   "WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{v,m}') AND n.nspname OPERATOR(pg_catalog.!~) '^pg_' "
				   "AND n.nspname OPERATOR(pg_catalog.<>) ALL ('{information_schema,medallion,medallion_history,medallion_definitions}') "
				   "ORDER BY c.oid", NULL, true);
	for (uint64 i = 0; i < rows; i++)
		views = lappend_oid(views, DatumGetObjectId(mdl_field(i, 0, NULL)));
	foreach(cell, views)
		load_relation(graph, lfirst_oid(cell), NULL);
}

/* ---- partitions ------------------------------------------------------------------------------------------------------ */

/* Columns of one relation as those of another that have the same names. */
static void
add_same_columns(LineageGraph *graph, LineageNode *output, LineageNode *input)
{
	TupleDesc	columns = mdl_relation_columns(output->relid);

	for (int i = 0; i < columns->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(columns, i)->attname);

		if (!TupleDescAttr(columns, i)->attisdropped && get_attnum(input->relid, name) != InvalidAttrNumber)
			mdl_lineage_add_column(graph, output, pstrdup(name), input, pstrdup(name), USE_IDENTITY, false);
	}
}

/*
 * A partition is a part of its table, whose rows come from it; but where what is known was written to the table, the rows of
 * the partition come from there.
 */
static void
link_partition(LineageGraph *graph, LineageNode *node)
{
	while (OidIsValid(node->relid) && get_rel_relispartition(node->relid))
	{
		LineageNode *whole = mdl_lineage_relation(graph, get_partition_parent(node->relid, true));

		if (!node->is_made && whole->is_made)
			add_same_columns(graph, node, whole);
		else
			add_same_columns(graph, whole, node);
		node = whole;
	}
}

/* Of the partitions that are in the graph; the others are like their tables. */
static void
link_partitions(LineageGraph *graph)
{
	int			known = graph->count;

	for (int i = 0; i < known; i++)
		graph->nodes[i]->is_made = graph->nodes[i]->up != NIL;
	for (int i = 0; i < known; i++)
		link_partition(graph, graph->nodes[i]);
}

/* ---- order --------------------------------------------------------------------------------------------------------- */

static LineageGraph *sorted_graph;

/* Relations first, then by name and kind; so that the order depends on no OID. */
static int
compare_nodes(const ListCell *a, const ListCell *b)
{
	const LineageNode *x = sorted_graph->nodes[lfirst_int(a)];
	const LineageNode *y = sorted_graph->nodes[lfirst_int(b)];
	int			result;

	if (OidIsValid(x->relid) != OidIsValid(y->relid))
		return OidIsValid(x->relid) ? -1 : 1;
	result = strcmp(x->name, y->name);
	return result ? result : strcmp(x->kind, y->kind);
}

static int
compare_texts(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	return strcmp(a, b);
}

/* By the names of output, its column, input, and its column; what concerns all rows comes last. */
static int
compare_columns(const ListCell *a, const ListCell *b)
{
	const LineageColumn *x = lfirst(a);
	const LineageColumn *y = lfirst(b);
	int			result = strcmp(sorted_graph->nodes[x->output]->name, sorted_graph->nodes[y->output]->name);

	if (result == 0)
		result = compare_texts(x->output_column, y->output_column);
	if (result == 0)
		result = strcmp(sorted_graph->nodes[x->input]->name, sorted_graph->nodes[y->input]->name);
	if (result == 0)
		result = compare_texts(x->input_column, y->input_column);
	if (result == 0)
		result = (int) x->use - (int) y->use;
	return result ? result : (int) x->masking - (int) y->masking;
}

static void
sort_graph(LineageGraph *graph)
{
	sorted_graph = graph;
	for (int i = 0; i < graph->count; i++)
	{
		list_sort(graph->nodes[i]->up, compare_nodes);
		list_sort(graph->nodes[i]->down, compare_nodes);
		list_sort(graph->nodes[i]->columns_up, compare_columns);
		list_sort(graph->nodes[i]->columns_down, compare_columns);
	}
	list_sort(graph->columns, compare_columns);
	sorted_graph = NULL;
}

LineageNode **
mdl_lineage_sorted_nodes(LineageGraph *graph)
{
	LineageNode **nodes = palloc(sizeof(LineageNode *) * (graph->count + 1));
	List	   *ids = NIL;
	ListCell   *cell;
	int			count = 0;

	for (int i = 0; i < graph->count; i++)
		ids = lappend_int(ids, i);
	sorted_graph = graph;
	list_sort(ids, compare_nodes);
	sorted_graph = NULL;
	foreach(cell, ids)
		nodes[count++] = graph->nodes[lfirst_int(cell)];
	return nodes;
}

LineageGraph *
mdl_lineage_load(void)
{
	LineageGraph *graph = palloc0_object(LineageGraph);
	HASHCTL		control = {.keysize = KEY_SIZE, .entrysize = sizeof(NodeKey), .hcxt = CurrentMemoryContext};

	int			level = NewGUCNestLevel();

	/* Compiling what reads some hundred rows takes ten times as long as running it. */
	set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	graph->by_key = hash_create("nodes of lineage", 256, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	graph->tables = mdl_kept_tables();
	load_relations(graph);
	mdl_lineage_load_records(graph);
	mdl_lineage_load_queries(graph);
	link_partitions(graph);
	AtEOXact_GUC(true, level);
	sort_graph(graph);
	return graph;
}
