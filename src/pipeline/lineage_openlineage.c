/*
 * lineage_openlineage.c: medallion.openlineage, the graph as events of OpenLineage 2-0-2.
 *
 * What is made from something is the output of a *job*, described by a JobEvent that names its inputs; what is not is a
 * *dataset* and described by a DatasetEvent.  Both are static: they tell how things are, not that something has run.
 */
#include "pipeline/definition_int.h"
#include "pipeline/lineage_openlineage_int.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define SPEC		"https://openlineage.io/spec/"
#define CORE_SCHEMA	SPEC "2-0-2/OpenLineage.json#/$defs/"

typedef struct Export
{
	LineageGraph *graph;
	const bool *selected;
	DatasetNaming naming;
	const char *producer;
	const char *time;
	bool	   *done;
	ReturnSetInfo *set;
} Export;

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

/* Puts a comma in front of what is not the first of its object or array. */
static void
separate(StringInfo json)
{
	char		last = json->len > 0 ? json->data[json->len - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		appendStringInfoChar(json, ',');
}

static void
put_key(StringInfo json, const char *key)
{
	separate(json);
	escape_json(json, key);
	appendStringInfoChar(json, ':');
}

static void
put_text(StringInfo json, const char *key, const char *value)
{
	put_key(json, key);
	escape_json(json, value);
}

static void
open_object(StringInfo json, const char *key)
{
	if (key)
		put_key(json, key);
	else
		separate(json);
	appendStringInfoChar(json, '{');
}

static void
open_array(StringInfo json, const char *key)
{
	put_key(json, key);
	appendStringInfoChar(json, '[');
}

static void
open_facet(const Export *export, StringInfo json, const char *key, const char *version, const char *name)
{
	open_object(json, key);
	put_text(json, "_producer", export->producer);
	put_text(json, "_schemaURL", psprintf(SPEC "facets/%s/%s.json#/$defs/%s", version, name, name));
}

/* ---- datasets ------------------------------------------------------------------------------------------------------ */

static void
put_name(const Export *export, StringInfo json, const LineageNode *node)
{
	const char *namespace,
			   *name;

	mdl_openlineage_name(&export->naming, node, &namespace, &name);
	put_text(json, "namespace", namespace);
	put_text(json, "name", name);
}

static void
put_field(StringInfo json, const char *name, const char *type, const char *description)
{
	open_object(json, NULL);
	put_text(json, "name", name);
	if (type)
		put_text(json, "type", type);
	if (description)
		put_text(json, "description", description);
	appendStringInfoChar(json, '}');
}

/* The columns of a relation as they stand in it; of anything else those that edges name. */
static void
put_fields(StringInfo json, const LineageNode *node)
{
	List	   *names = NIL;
	ListCell   *cell;

	if (OidIsValid(node->relid))
	{
		TupleDesc	columns = mdl_relation_columns(node->relid);

		for (int i = 0; i < columns->natts; i++)
		{
			Form_pg_attribute column = TupleDescAttr(columns, i);

			if (!column->attisdropped)
				put_field(json, NameStr(column->attname), format_type_with_typemod(column->atttypid, column->atttypmod),
						  GetComment(node->relid, RelationRelationId, column->attnum));
		}
		return;
	}
	foreach(cell, node->columns_up)
		if (((LineageColumn *) lfirst(cell))->output_column)
			names = list_append_unique(names, makeString((char *) ((LineageColumn *) lfirst(cell))->output_column));
	foreach(cell, node->columns_down)
		if (((LineageColumn *) lfirst(cell))->input_column)
			names = list_append_unique(names, makeString((char *) ((LineageColumn *) lfirst(cell))->input_column));
	foreach(cell, names)
		put_field(json, strVal(lfirst(cell)), NULL, NULL);
}

static void
put_dataset_type(const Export *export, StringInfo json, const LineageNode *node)
{
	static const char *const types[][3] = {
		{"view", "VIEW", NULL}, {"materialized view", "VIEW", "MATERIALIZED"}, {"foreign table", "TABLE", "EXTERNAL"},
		{"derived table", "TABLE", "DERIVED"}, {"table", "TABLE", NULL}, {"files", "FILE", NULL}, {"model", "MODEL", NULL},
		{"feature view", "VIEW", "FEATURE_VIEW"}, {"monitor", "JOB_OUTPUT", "MONITOR"}, {"remote table", "TABLE", NULL},
		{"quarantine", "TABLE", "QUARANTINE"}};

	for (int i = 0; i < lengthof(types); i++)
	{
		if (strcmp(types[i][0], node->kind) != 0)
			continue;
		open_facet(export, json, "datasetType", "1-0-1", "DatasetTypeDatasetFacet");
		put_text(json, "datasetType", types[i][1]);
		if (types[i][2])
			put_text(json, "subType", types[i][2]);
		appendStringInfoChar(json, '}');
	}
}

/* Facets that any mention of a dataset has; the caller closes the object. */
static void
open_dataset(const Export *export, StringInfo json, const char *key, const LineageNode *node)
{
	const char *namespace,
			   *name;

	mdl_openlineage_name(&export->naming, node, &namespace, &name);
	open_object(json, key);
	put_text(json, "namespace", namespace);
	put_text(json, "name", name);
	open_object(json, "facets");
	open_facet(export, json, "dataSource", "1-0-1", "DatasourceDatasetFacet");
	put_text(json, "name", namespace);
	put_text(json, "uri", strcmp(namespace, "file") == 0 ? "file:///" : namespace);
	appendStringInfoChar(json, '}');
	open_facet(export, json, "schema", "1-2-0", "SchemaDatasetFacet");
	open_array(json, "fields");
	put_fields(json, node);
	appendStringInfoString(json, "]}");
	put_dataset_type(export, json, node);
	if (OidIsValid(node->relid))
	{
		char	   *comment = GetComment(node->relid, RelationRelationId, 0);

		open_facet(export, json, "ownership", "1-0-1", "OwnershipDatasetFacet");
		open_array(json, "owners");
		open_object(json, NULL);
		put_text(json, "name", psprintf("role:%s", GetUserNameFromId(mdl_relation_owner(node->relid), false)));
		put_text(json, "type", "OWNER");
		appendStringInfoString(json, "}]}");
		if (comment)
		{
			open_facet(export, json, "documentation", "1-1-0", "DocumentationDatasetFacet");
			put_text(json, "description", comment);
			appendStringInfoChar(json, '}');
		}
	}
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

static bool
is_same_column(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The inputs of one column, NULL: of all rows.  Edges are sorted, so those from one input column follow each other. */
static void
put_input_fields(const Export *export, StringInfo json, const LineageNode *node, const char *output_column)
{
	const LineageColumn *last = NULL;
	ListCell   *cell;

	foreach(cell, node->columns_up)
	{
		LineageColumn *edge = lfirst(cell);

		if (!is_same_column(edge->output_column, output_column) || edge->input_column == NULL || !export->selected[edge->input])
			continue;
		if (last == NULL || last->input != edge->input || strcmp(last->input_column, edge->input_column) != 0)
		{
			if (last)
				appendStringInfoString(json, "]}");
			open_object(json, NULL);
			put_name(export, json, export->graph->nodes[edge->input]);
			put_text(json, "field", edge->input_column);
			open_array(json, "transformations");
		}
		open_object(json, NULL);
		put_text(json, "type", USE_IS_DIRECT(edge->use) ? "DIRECT" : "INDIRECT");
		put_text(json, "subtype", mdl_column_use_name(edge->use));
		put_key(json, "masking");
		appendStringInfoString(json, edge->masking ? "true}" : "false}");
		last = edge;
	}
	if (last)
		appendStringInfoString(json, "]}");
}

static void
put_column_lineage(const Export *export, StringInfo json, const LineageNode *node)
{
	const char *done = NULL;
	ListCell   *cell;

	if (node->columns_up == NIL)
		return;
	open_facet(export, json, "columnLineage", "1-2-0", "ColumnLineageDatasetFacet");
	open_object(json, "fields");
	foreach(cell, node->columns_up)
	{
		const char *column = ((LineageColumn *) lfirst(cell))->output_column;

		if (column == NULL || is_same_column(column, done))
			continue;
		done = column;
		open_object(json, column);
		open_array(json, "inputFields");
		put_input_fields(export, json, node, column);
		appendStringInfoString(json, "]}");
	}
	appendStringInfoChar(json, '}');
	open_array(json, "dataset");
	put_input_fields(export, json, node, NULL);
	appendStringInfoString(json, "]}");
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static bool
has_input_of_kind(const Export *export, const LineageNode *node, const char *kind)
{
	ListCell   *cell;

	foreach(cell, node->up)
		if (strcmp(export->graph->nodes[lfirst_int(cell)]->kind, kind) == 0)
			return true;
	return false;
}

static const char *
job_type(const Export *export, const LineageNode *node)
{
	if (strcmp(node->kind, "view") == 0)
		return "VIEW";
	if (strcmp(node->kind, "derived table") == 0 || strcmp(node->kind, "materialized view") == 0 ||
		strcmp(node->kind, "quarantine") == 0 || (mdl_pipeline_table(export->graph->tables, node->relid) != NULL))
		return "REFRESH";
	if (strcmp(node->kind, "feature view") == 0)
		return "FEATURE_VIEW";
	if (strcmp(node->kind, "model") == 0)
		return "TRAINING";
	if (strcmp(node->kind, "monitor") == 0)
		return "MONITOR";
	if (has_input_of_kind(export, node, "files"))
		return "INGEST";
	if (has_input_of_kind(export, node, "model"))
		return "PREDICTION";
	if (has_input_of_kind(export, node, "feature view"))
		return "TRAINING_SET";
	return "COMMAND";
}

/* The text of the query that defines a view or derived table; NULL if there is none. */
static char *
defining_query(const Export *export, const LineageNode *node)
{
	DerivedTable *table = mdl_pipeline_table(export->graph->tables, node->relid);
	Oid			view = table ? table->definition : node->relid;
	char		kind = OidIsValid(view) ? get_rel_relkind(view) : 0;

	if (kind != RELKIND_VIEW && kind != RELKIND_MATVIEW)
		return NULL;
	return TextDatumGetCString(DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(view)));
}

static void
put_job(const Export *export, StringInfo json, const LineageNode *node)
{
	char	   *query = defining_query(export, node);

	open_object(json, "job");
	put_text(json, "namespace", export->naming.namespace);
	put_text(json, "name", OidIsValid(node->relid) ?
			 psprintf("%s.%s.%s", export->naming.database, node->layer, get_rel_name(node->relid)) :
			 psprintf("%s.%s:%s", export->naming.database, node->kind, node->name));
	open_object(json, "facets");
	open_facet(export, json, "jobType", "2-0-4", "JobTypeJobFacet");
	put_text(json, "processingType", "BATCH");
	put_text(json, "integration", "MEDALLION");
	put_text(json, "jobType", job_type(export, node));
	appendStringInfoChar(json, '}');
	if (query)
	{
		open_facet(export, json, "sql", "1-1-0", "SQLJobFacet");
		put_text(json, "query", query);
		put_text(json, "dialect", "postgres");
		appendStringInfoChar(json, '}');
	}
	appendStringInfoString(json, "}}");
}

static void
put_inputs(const Export *export, StringInfo json, const LineageNode *node)
{
	ListCell   *cell;

	open_array(json, "inputs");
	foreach(cell, node->up)
	{
		if (!export->selected[lfirst_int(cell)])
			continue;
		open_dataset(export, json, NULL, export->graph->nodes[lfirst_int(cell)]);
		appendStringInfoString(json, "}}");
	}
	appendStringInfoChar(json, ']');
}

static void
put_event(const Export *export, const LineageNode *node, bool is_job)
{
	StringInfoData json;
	Datum		value;
	bool		is_null = false;

	initStringInfo(&json);
	open_object(&json, NULL);
	put_text(&json, "eventTime", export->time);
	put_text(&json, "producer", export->producer);
	put_text(&json, "schemaURL", is_job ? CORE_SCHEMA "JobEvent" : CORE_SCHEMA "DatasetEvent");
	if (is_job)
	{
		put_job(export, &json, node);
		put_inputs(export, &json, node);
		open_array(&json, "outputs");
		open_dataset(export, &json, NULL, node);
		put_column_lineage(export, &json, node);
		appendStringInfoString(&json, "}}]");
	}
	else
	{
		open_dataset(export, &json, "dataset", node);
		appendStringInfoString(&json, "}}");
	}
	appendStringInfoChar(&json, '}');
	value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	tuplestore_putvalues(export->set->setResult, export->set->setDesc, &value, &is_null);
}

/* Events of what a node is made from come before its own. */
static void
export_node(Export *export, LineageNode *node)
{
	bool		is_job = false;
	ListCell   *cell;

	if (export->done[node->id] || !export->selected[node->id])
		return;
	export->done[node->id] = true;
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	foreach(cell, node->up)
	{
		is_job |= export->selected[lfirst_int(cell)];
		export_node(export, export->graph->nodes[lfirst_int(cell)]);
	}
	put_event(export, node, is_job);
}

MDL_FUNCTION(mdl_openlineage);
Datum
mdl_openlineage(PG_FUNCTION_ARGS)
{
	char	   *relation = mdl_optional_text(fcinfo, 0);
	LineageWalk walk = mdl_lineage_walk_arguments(fcinfo, 1, 2);
	char		time[128];
	Export		export = {.naming.namespace = mdl_openlineage_server(mdl_optional_text(fcinfo, 3)), .time = time};
	LineageNode *start;
	LineageNode **order;
	int			level;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	export.set = (ReturnSetInfo *) fcinfo->resultinfo;
	export.naming.database = get_database_name(MyDatabaseId);
	JsonEncodeDateTime(time, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()), TIMESTAMPTZOID, NULL);
	SPI_connect();
	export.graph = mdl_lineage_load();
	start = relation ? mdl_lineage_find(export.graph, relation) : NULL;
	mdl_run("SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'medallion'", NULL, true);
	export.producer = psprintf("https://pgxn.org/dist/medallion/%s/", mdl_field_text(0, 0));
	export.selected = mdl_lineage_select(export.graph, start, &walk);
	export.done = palloc0(sizeof(bool) * (export.graph->count + 1));
	order = mdl_lineage_sorted_nodes(export.graph);
	level = NewGUCNestLevel();
	set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	for (int i = 0; i < export.graph->count; i++)
		export_node(&export, order[i]);
	AtEOXact_GUC(true, level);
	SPI_finish();
	return (Datum) 0;
}
