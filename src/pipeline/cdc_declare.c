/*
 * cdc_declare.c: what a flow must be: source, keys, sequence, columns; and the SELECT that reads its source.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"

#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* Under this name expressions may qualify the columns of the source; it is unlikely to be that of a column. */
#define SOURCE_ALIAS "source_row"

/* ---- expressions ----------------------------------------------------------------------------------------------------------- */

/* That grammar takes all that may follow SELECT; one expression is wanted. */
static void
check_expression(const char *expression, const char *argument)
{
	TextContext context;
	SelectStmt *select,
			   *bare = makeNode(SelectStmt);

	if (expression == NULL)
		return;
	mdl_text_context_begin(&context, "argument", argument, expression);
	select = castNode(SelectStmt, linitial_node(RawStmt, raw_parser(expression, RAW_PARSE_PLPGSQL_EXPR))->stmt);
	mdl_text_context_end(&context);
	bare->targetList = select->targetList;
	bare->limitOption = select->limitOption;
	if (list_length(select->targetList) != 1 || linitial_node(ResTarget, select->targetList)->name != NULL || !equal(bare, select))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("argument \"%s\" is not one expression: %s", argument, expression)));
}

/* Columns that the source no longer has are told by no event. */
static void
append_columns(StringInfo sql, const Flow *flow)
{
	for (int i = 0; i < flow->column_count; i++)
	{
		AttrNumber	of_target = get_attnum(flow->target, flow->columns[i]);

		if (get_attnum(flow->source, flow->columns[i]) != InvalidAttrNumber)
			appendStringInfo(sql, "%s.%s, ", SOURCE_ALIAS, quote_identifier(flow->columns[i]));
		else
			appendStringInfo(sql, "NULL::%s, ", mdl_type_name(get_atttype(flow->target, of_target)));
	}
}

/* The line ends keep a comment at the end of an expression from what follows. */
char *
mdl_flow_select(const Flow *flow, const char *from, bool with_row)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	if (flow->format == FLOW_COLUMNS)
		append_columns(&sql, flow);
	else
		appendStringInfo(&sql, "%s.%s, ", SOURCE_ALIAS, quote_identifier(flow->payload));
	if (flow->sequence_by)
		appendStringInfo(&sql, "(%s\n), ", flow->sequence_by);
	else
		appendStringInfo(&sql, "NULL::pg_catalog.%s, ", flow->format == FLOW_WAL2JSON ? "pg_lsn" : "int8");
	appendStringInfo(&sql, "(%s\n) IS TRUE, ", flow->deletes ? flow->deletes : "false");
	appendStringInfo(&sql, "(%s\n) IS TRUE, ", flow->truncates ? flow->truncates : "false");
	appendStringInfo(&sql, "%s FROM %s AS %s", with_row ? SOURCE_ALIAS : "NULL::pg_catalog.text", from, SOURCE_ALIAS);
	return sql.data;
}

/* The type of the sequence as the source has it now. */
static void
sequence_now(const Flow *flow, Oid *type, int32 *typmod)
{
	int			number = flow->format == FLOW_COLUMNS ? flow->column_count : 1;

	mdl_run(psprintf("%s LIMIT 0", mdl_flow_select(flow, mdl_qualified_name(flow->source), false)), NULL, true);
	*type = TupleDescAttr(SPI_tuptable->tupdesc, number)->atttypid;
	*typmod = TupleDescAttr(SPI_tuptable->tupdesc, number)->atttypmod;
	SPI_freetuptable(SPI_tuptable);
}

/* The same by name; it must have an order. */
static char *
sequence_type(const Flow *flow)
{
	Oid			type;
	int32		typmod;

	sequence_now(flow, &type, &typmod);
	if (!OidIsValid(lookup_type_cache(type, TYPECACHE_CMP_PROC)->cmp_proc) || get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("sequence_by is of type %s, which has no order or is no type for a column", format_type_be(type)),
				 errhint("Order by several values with an array of them, for example ARRAY[a, b].")));
	return mdl_type_name(type);
}

const char *
mdl_flow_sequence_outgrown(const Flow *flow)
{
	AttrNumber	number = get_attnum(flow->state, "_sequence");
	Oid			present = get_atttype(flow->state, number);
	const char *wider;
	Oid			type;
	int32		typmod;

	if (flow->sequence_by == NULL)
		return NULL;
	sequence_now(flow, &type, &typmod);
	if (type == present)
		return NULL;
	wider = mdl_wider_type(present, -1, type, -1);
	if (wider == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("sequence_by of \"%s\" is of type %s now, but was of type %s", mdl_display_name(flow->target),
						format_type_be(type), format_type_be(present)),
				 errhint("Give the source a column of that type, or declare the changes again (see medallion.drop_flow).")));
	return wider;
}

/* ---- the source ------------------------------------------------------------------------------------------------------------- */

static void
check_source(const Flow *flow)
{
	char		kind = get_rel_relkind(flow->source);

	if (kind != RELKIND_RELATION && kind != RELKIND_VIEW && kind != RELKIND_MATVIEW && kind != RELKIND_FOREIGN_TABLE &&
		kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("source \"%s\" is not a table or view", mdl_display_name(flow->source))));
	if (get_rel_persistence(flow->source) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("source \"%s\" is temporary", mdl_display_name(flow->source))));
	mdl_require_privilege(flow->source, ACL_SELECT);
}

/* The column with the events: the one that was named, else the only one of JSON. */
static void
find_payload(Flow *flow)
{
	TupleDesc	columns = mdl_relation_columns(flow->source);
	int			found = 0;

	if (flow->format == FLOW_COLUMNS)
	{
		if (flow->payload || flow->source_table)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("arguments \"payload\" and \"source_table\" are of the formats debezium and wal2json")));
		return;
	}
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped)
			continue;
		if (flow->payload && strcmp(NameStr(column->attname), flow->payload) == 0)
			return;
		if (flow->payload == NULL && (column->atttypid == JSONBOID || column->atttypid == JSONOID) && ++found == 1)
			flow->payload = pstrdup(NameStr(column->attname));
		else if (found > 1)
			break;
	}
	if (found != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 flow->payload && found == 0 ? errmsg("source \"%s\" has no column \"%s\"", mdl_display_name(flow->source), flow->payload)
				 : errmsg("source \"%s\" has %s column of type json or jsonb", mdl_display_name(flow->source), found ? "more than one" : "no"),
				 errhint("Name in payload the column that holds the events.")));
}

/* What was found belongs to what was declared. */
static void
declare_payload(Flow *flow)
{
	JsonbParseState *state = NULL;
	JsonbValue	key = {.type = jbvString, .val.string = {.val = "payload", .len = 7}};
	JsonbValue	value = {.type = jbvString};

	if (flow->payload == NULL)
		return;
	value.val.string.val = flow->payload;
	value.val.string.len = strlen(flow->payload);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, &value);
	flow->declaration = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(flow->declaration),
														   JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)))));
}

/* ---- columns ---------------------------------------------------------------------------------------------------------------- */

/* What may be told: names and, for a new table, types. */
typedef struct Candidates
{
	List	   *names;
	List	   *types;
} Candidates;

static Candidates
columns_of(Oid relation)
{
	TupleDesc	columns = mdl_relation_columns(relation);
	Candidates	result = {NIL, NIL};

	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped || column->attgenerated != '\0' || strcmp(NameStr(column->attname), MDL_START_COLUMN) == 0 ||
			strcmp(NameStr(column->attname), MDL_END_COLUMN) == 0)
			continue;
		result.names = lappend(result.names, pstrdup(NameStr(column->attname)));
		result.types = lappend(result.types, format_type_extended(column->atttypid, column->atttypmod,
																	  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	}
	return result;
}

static Candidates
candidates(const Flow *flow)
{
	Candidates	result = {NIL, NIL};

	if (flow->format == FLOW_COLUMNS)
		return columns_of(flow->source);
	if (OidIsValid(flow->target))
		return columns_of(flow->target);
	mdl_flow_sample_fields(flow, &result.names, &result.types);
	return result;
}

static int
place_of(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return foreach_current_index(cell);
	return -1;
}

static void
take_column(Flow *flow, const Candidates *from, const char *name, const char *argument, List **types)
{
	int			place = place_of(from->names, name);

	if (place < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" in argument \"%s\" is not known", name, argument),
				 flow->format == FLOW_COLUMNS ? errdetail("It is no column of the source.")
				 : OidIsValid(flow->target) ? errdetail("It is no column of the target.")
				 : errdetail("It is not in the first events of the source."),
				 OidIsValid(flow->target) || flow->format == FLOW_COLUMNS ? 0
				 : errhint("Create the target table with its columns first, or have events in the source.")));
	if (mdl_is_one_of(name, flow->columns, flow->column_count))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column \"%s\" in argument \"%s\" is given twice", name, argument)));
	flow->columns[flow->column_count++] = pstrdup(name);
	*types = lappend(*types, list_nth(from->types, place));
}

static void
add_rescued(Flow *flow, List **types)
{
	if (flow->new_field != NEW_FIELD_RESCUE || mdl_is_one_of(MDL_RESCUED_COLUMN, flow->columns, flow->column_count))
		return;
	flow->columns[flow->column_count++] = MDL_RESCUED_COLUMN;
	*types = lappend(*types, "pg_catalog.jsonb");
}

/* Sets the columns of the flow: keys, then those chosen or all but those excepted. */
static List *
choose_columns(Flow *flow, char **column_list, int column_list_count)
{
	Candidates	all = candidates(flow);
	List	   *types = NIL;
	ListCell   *cell;

	flow->columns = palloc_array(char *, list_length(all.names) + flow->key_count + column_list_count + 2);
	for (int i = 0; i < flow->key_count; i++)
		take_column(flow, &all, flow->keys[i], "keys", &types);
	for (int i = 0; i < flow->except_count; i++)
		if (mdl_is_one_of(flow->except[i], flow->keys, flow->key_count))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("key column \"%s\" cannot be in except_column_list", flow->except[i])));
	for (int i = 0; i < column_list_count; i++)
		if (!mdl_is_one_of(column_list[i], flow->keys, flow->key_count))
			take_column(flow, &all, column_list[i], "column_list", &types);
	foreach(cell, all.names)
	{
		char	   *name = lfirst(cell);

		if (flow->chosen || mdl_is_one_of(name, flow->columns, flow->column_count) || mdl_is_one_of(name, flow->except, flow->except_count))
			continue;
		if (flow->format == FLOW_COLUMNS && OidIsValid(flow->target) && get_attnum(flow->target, name) == InvalidAttrNumber)
			continue;			/* new to the target: on_schema_change says what becomes of it */
		take_column(flow, &all, name, "column_list", &types);
	}
	add_rescued(flow, &types);
	return types;
}

static void
check_named(const Flow *flow, char **names, int count, const char *argument)
{
	for (int i = 0; i < count; i++)
		if (!mdl_is_one_of(names[i], flow->columns, flow->column_count))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" in argument \"%s\" is not among the columns", names[i], argument)));
}

/* ---- arguments that exclude each other ---------------------------------------------------------------------------------------- */

void
mdl_flow_check(const Flow *flow)
{
	const char *wrong = NULL;

	if (flow->key_count == 0)
		wrong = "\"keys\" must name the columns that identify a row";
	else if (flow->format == FLOW_COLUMNS && flow->sequence_by == NULL)
		wrong = "\"sequence_by\" must tell the order of the events";
	else if (flow->format == FLOW_COLUMNS && flow->new_field == NEW_FIELD_RESCUE)
		wrong = "on_schema_change => 'rescue' is for the formats debezium and wal2json";
	else if (flow->chosen && flow->except_count > 0)
		wrong = "\"column_list\" and \"except_column_list\" exclude each other";
	else if (flow->tracked && flow->untracked)
		wrong = "\"track_history_column_list\" and \"track_history_except_column_list\" exclude each other";
	else if (flow->scd_type == 1 && (flow->tracked || flow->untracked))
		wrong = "\"track_history_column_list\" is for scd_type => 2";
	if (wrong)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument %s", wrong)));
	check_expression(flow->sequence_by, "sequence_by");
	check_expression(flow->deletes, "apply_as_deletes");
	check_expression(flow->truncates, "apply_as_truncates");
}

/* ---- the target ---------------------------------------------------------------------------------------------------------------- */

static void
check_schema(const char *schema)
{
	Oid			namespace = get_namespace_oid(schema, false);

	if (IsCatalogNamespace(namespace) || isAnyTempNamespace(namespace) || strcmp(schema, MDL_SCHEMA) == 0 ||
		strcmp(schema, MDL_HISTORY_SCHEMA) == 0 || strcmp(schema, MDL_DEFINITION_SCHEMA) == 0 ||
		strcmp(schema, MDL_CHANGES_SCHEMA) == 0 || strcmp(schema, "information_schema") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_SCHEMA_NAME),
				 errmsg("schema \"%s\" cannot hold tables of data", schema),
				 errhint("Use silver, gold or a schema of your own.")));
}

static void
check_existing_target(const Flow *flow)
{
	char	   *name = mdl_display_name(flow->target);

	if (get_rel_relkind(flow->target) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("target \"%s\" is not an ordinary table", name)));
	mdl_require_table_owner(flow->target);
	if (flow->target == flow->source)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" cannot be both source and target", name)));
	if (mdl_is_derived(flow->target))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a derived table, which its query fills", name)));
	LockRelationOid(flow->target, ShareRowExclusiveLock);
	for (int i = 0; flow->scd_type == 2 && i < 2; i++)
		if (get_attnum(flow->target, i ? MDL_END_COLUMN : MDL_START_COLUMN) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("target \"%s\" has no column \"%s\"", name, i ? MDL_END_COLUMN : MDL_START_COLUMN),
					 errhint("A table of versions has these columns, of the type of the sequence, and the primary key is the keys and \"%s\".",
							 MDL_START_COLUMN)));
	if (flow->scd_type == 2 && mdl_run(psprintf("SELECT FROM %s LIMIT 1", mdl_qualified_name(flow->target)), NULL, false) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target \"%s\" must be empty", name),
				 errhint("Versions follow from the events alone: begin with an empty table, or let it be created.")));
}

static void
ensure_rescued(const Flow *flow)
{
	if (flow->new_field == NEW_FIELD_RESCUE && get_attnum(flow->target, MDL_RESCUED_COLUMN) == InvalidAttrNumber)
		mdl_run(psprintf("ALTER TABLE %s ADD COLUMN " MDL_RESCUED_COLUMN " pg_catalog.jsonb", mdl_qualified_name(flow->target)), NULL, false);
}

void
mdl_flow_declare(Flow *flow, const char *target, char **column_list, int column_list_count)
{
	char	   *schema,
			   *relation,
			   *sequence;
	DerivedTable settings = {0};
	List	   *types;

	mdl_flow_check(flow);
	check_source(flow);
	find_payload(flow);
	declare_payload(flow);
	mdl_split_name(target, &schema, &relation);
	check_schema(schema);
	mdl_definition_remember_settings(&settings);
	flow->settings = settings.settings;
	flow->setting_count = settings.setting_count;
	flow->target = get_relname_relid(relation, get_namespace_oid(schema, false));
	if (OidIsValid(flow->target))
		check_existing_target(flow);
	types = choose_columns(flow, column_list, column_list_count);
	check_named(flow, flow->tracked, flow->tracked_count, "track_history_column_list");
	check_named(flow, flow->untracked, flow->untracked_count, "track_history_except_column_list");
	sequence = sequence_type(flow);
	if (!OidIsValid(flow->target))
	{
		mdl_flow_create_target(flow, schema, relation, types, sequence);
		flow->target = get_relname_relid(relation, get_namespace_oid(schema, false));
	}
	ensure_rescued(flow);
	CommandCounterIncrement();
	flow->id = mdl_flow_next_id();
	mdl_flow_create_state(flow, sequence);
	mdl_flow_shape(flow);		/* raises what does not fit: the primary key, the types of the versions */
	mdl_flow_add(flow);
	mdl_enable_versioning(flow->target);
}
