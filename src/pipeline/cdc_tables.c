/*
 * cdc_tables.c: the tables of a flow: target, state and quarantine.
 *
 * The state belongs to the owner of the target and lies in a schema where only medallion creates; its columns are numbered
 * (c1 …) in the order of the flow's, so that renaming a column of the target concerns the record of the flow alone.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"

#include "access/nbtree.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* ---- shape ---------------------------------------------------------------------------------------------------------------- */

DerivedTable *
mdl_flow_as_table(const Flow *flow)
{
	DerivedTable *table = palloc0_object(DerivedTable);

	table->target = flow->target;
	table->definition = flow->target;
	table->settings = flow->settings;
	table->setting_count = flow->setting_count;
	table->keys = palloc_array(char *, flow->key_count + 1);
	memcpy(table->keys, flow->keys, sizeof(char *) * flow->key_count);
	table->key_count = flow->key_count;
	if (flow->scd_type == 2)
		table->keys[table->key_count++] = MDL_START_COLUMN;
	return table;
}

static void
describe_column(const Flow *flow, Form_pg_attribute attribute, FlowColumn *column)
{
	Oid			input;

	column->attno = attribute->attnum;
	column->name = pstrdup(NameStr(attribute->attname));
	column->type = attribute->atttypid;
	column->typmod = attribute->atttypmod;
	column->collation = attribute->attcollation;
	column->length = attribute->attlen;
	column->by_value = attribute->attbyval;
	getTypeInputInfo(column->type, &input, &column->input_argument);
	fmgr_info(input, &column->input);
	column->base_type = getBaseTypeAndTypmod(column->type, &column->typmod);
	column->tracked = flow->tracked ? mdl_is_one_of(column->name, flow->tracked, flow->tracked_count)
		: !mdl_is_one_of(column->name, flow->untracked, flow->untracked_count);
}

static AttrNumber
column_number(TupleDesc columns, const char *name, Oid relation)
{
	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped && strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0)
			return i + 1;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("\"%s\" has no column \"%s\", which the changes tell", mdl_display_name(relation), name),
			 errhint("Give the column back, or declare the changes again (see medallion.drop_flow).")));
}

static void
describe_sequence(FlowShape *shape)
{
	const Flow *flow = shape->flow;
	TupleDesc	state = mdl_relation_columns(flow->state);
	AttrNumber	number = column_number(state, "_sequence", flow->state);
	TypeCacheEntry *type;

	describe_column(flow, TupleDescAttr(state, number - 1), &shape->sequence);
	type = lookup_type_cache(shape->sequence.type, TYPECACHE_CMP_PROC);
	if (!OidIsValid(type->cmp_proc))
		elog(ERROR, "type %s of a sequence has no order", format_type_be(shape->sequence.type));
	fmgr_info(type->cmp_proc, &shape->compare);
	if (OidIsValid(shape->sequence.collation))
		shape->sequence.collation = C_COLLATION_OID;
	if (flow->scd_type == 2 &&
		(get_atttype(flow->target, get_attnum(flow->target, MDL_START_COLUMN)) != shape->sequence.type ||
		 get_atttype(flow->target, get_attnum(flow->target, MDL_END_COLUMN)) != shape->sequence.type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("columns \"%s\" and \"%s\" of \"%s\" must be of type %s, that of the sequence", MDL_START_COLUMN,
						MDL_END_COLUMN, mdl_display_name(flow->target), format_type_be(shape->sequence.type))));
}

static TupleDesc
event_columns(const FlowShape *shape)
{
	int			count = shape->flow->column_count;
	TupleDesc	columns = CreateTemplateTupleDesc(count + EVENT_EXTRAS);

	for (int i = 0; i < count; i++)
	{
		TupleDescInitEntry(columns, i + 1, psprintf("c%d", i + 1), shape->columns[i].type, -1, 0);
		TupleDescInitEntryCollation(columns, i + 1, shape->columns[i].collation);
	}
	TupleDescInitEntry(columns, count + EVENT_SEQUENCE + 1, "_sequence", shape->sequence.type, -1, 0);
	TupleDescInitEntryCollation(columns, count + EVENT_SEQUENCE + 1, shape->sequence.collation);
	TupleDescInitEntry(columns, count + EVENT_RANK + 1, "_rank", INT2OID, -1, 0);
	TupleDescInitEntry(columns, count + EVENT_KIND + 1, "_kind", CHAROID, -1, 0);
	TupleDescInitEntry(columns, count + EVENT_WIDTH + 1, "_width", INT2OID, -1, 0);
	TupleDescInitEntry(columns, count + EVENT_MISSING + 1, "_missing", INT2ARRAYOID, -1, 0);
	return columns;
}

FlowShape *
mdl_flow_shape(const Flow *flow)
{
	FlowShape  *shape = palloc0_object(FlowShape);
	TupleDesc	target = mdl_relation_columns(flow->target);
	KeyColumn  *keys = mdl_key_columns(mdl_flow_as_table(flow));

	shape->flow = flow;
	shape->columns = palloc0_array(FlowColumn, flow->column_count);
	shape->key_operators = palloc_array(Oid, flow->key_count);
	shape->key_equal = palloc_array(FmgrInfo, flow->key_count);
	for (int i = 0; i < flow->column_count; i++)
		describe_column(flow, TupleDescAttr(target, column_number(target, flow->columns[i], flow->target) - 1), &shape->columns[i]);
	for (int i = 0; i < flow->key_count; i++)
	{
		shape->columns[i].fixed = keys[i].equal_is_same;
		shape->columns[i].tracked = true;
		shape->key_operators[i] = keys[i].operator;
		fmgr_info(get_opcode(keys[i].operator), &shape->key_equal[i]);
	}
	describe_sequence(shape);
	shape->events = event_columns(shape);
	return shape;
}

char *
mdl_flow_key_condition(const FlowShape *shape, const char *left, bool left_numbered, const char *right)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < shape->flow->key_count; i++)
	{
		char	   *name = left_numbered ? psprintf("%sc%d", left, i + 1)
			: psprintf("%s%s", left, quote_identifier(shape->columns[i].name));

		appendStringInfoString(&text, i ? " AND " : "");
		generate_operator_clause(&text, name, shape->columns[i].type, shape->key_operators[i],
								 psprintf("%sc%d", right, i + 1), shape->columns[i].type);
	}
	return text.data;
}

bool
mdl_is_column_name(const char *name)
{
	return name[0] != '\0' && strlen(name) < NAMEDATALEN && SystemAttributeByName(name) == NULL &&
		strcmp(name, MDL_START_COLUMN) != 0 && strcmp(name, MDL_END_COLUMN) != 0;
}

/* ---- the target -------------------------------------------------------------------------------------------------------------- */

typedef struct NamedType
{
	const char *text;
	Oid			type;
	int32		typmod;
} NamedType;

static void
parse_type(void *argument)
{
	NamedType  *named = argument;

	parseTypeString(named->text, &named->type, &named->typmod, true);
}

/* Looks a type up; false for text that is not one. */
static bool
find_type(const char *text, Oid *type, int32 *typmod)
{
	NamedType	named = {.text = text, .typmod = -1};
	ErrorData  *error = mdl_try(parse_type, &named);

	if (error != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
		ReThrowError(error);
	*type = named.type;
	*typmod = named.typmod;
	return error == NULL && OidIsValid(*type) && get_typtype(*type) != TYPTYPE_PSEUDO;
}

/* The name of a type as an event or a sample tells it, safe to be put into a statement; text if there is none such. */
static char *
safe_type(const char *type)
{
	Oid			found = InvalidOid;
	int32		typmod = -1;

	if (!find_type(type, &found, &typmod))
		return pstrdup("pg_catalog.text");
	return format_type_extended(found, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

void
mdl_flow_create_target(const Flow *flow, const char *schema, const char *relation, List *types, const char *sequence_type)
{
	StringInfoData sql;
	ListCell   *type;
	int			i = 0;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", quote_qualified_identifier(schema, relation));
	foreach(type, types)
		appendStringInfo(&sql, "%s %s, ", quote_identifier(flow->columns[i++]), safe_type(lfirst(type)));
	if (flow->scd_type == 2)
		appendStringInfo(&sql, "\"" MDL_START_COLUMN "\" %s, \"" MDL_END_COLUMN "\" %s, ", sequence_type, sequence_type);
	appendStringInfoString(&sql, "PRIMARY KEY (");
	for (i = 0; i < flow->key_count; i++)
		appendStringInfo(&sql, "%s%s", i ? ", " : "", quote_identifier(flow->keys[i]));
	appendStringInfo(&sql, "%s))", flow->scd_type == 2 ? ", \"" MDL_START_COLUMN "\"" : "");
	mdl_run(sql.data, NULL, false);
}

/* ---- the state --------------------------------------------------------------------------------------------------------------- */

static char *
column_type(TupleDesc columns, AttrNumber number)
{
	Form_pg_attribute attribute = TupleDescAttr(columns, number - 1);

	return format_type_extended(attribute->atttypid, attribute->atttypmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

static char *
column_definition(TupleDesc columns, AttrNumber number)
{
	Oid			collation = TupleDescAttr(columns, number - 1)->attcollation;

	return OidIsValid(collation) ? psprintf("%s COLLATE %s", column_type(columns, number), generate_collation_name(collation))
		: column_type(columns, number);
}

static int
kept_columns(const Flow *flow)
{
	return flow->scd_type == 2 ? flow->column_count : flow->key_count;
}

void
mdl_flow_create_state(Flow *flow, const char *sequence_type)
{
	TupleDesc	target = mdl_relation_columns(flow->target);
	char	   *name = psprintf("flow_" INT64_FORMAT, flow->id);
	char	   *qualified = quote_qualified_identifier(MDL_CHANGES_SCHEMA, name);
	StringInfoData sql,
				keys;
	MdlUser		saved;

	initStringInfo(&sql);
	initStringInfo(&keys);
	appendStringInfo(&sql, "CREATE TABLE %s (", qualified);
	for (int i = 0; i < kept_columns(flow); i++)
		appendStringInfo(&sql, "c%d %s, ", i + 1, column_definition(target, column_number(target, flow->columns[i], flow->target)));
	for (int i = 0; i < flow->key_count; i++)
		appendStringInfo(&keys, "%sc%d", i ? ", " : "", i + 1);
	appendStringInfo(&sql, "_sequence %s NOT NULL, _rank pg_catalog.int2 NOT NULL, _kind pg_catalog.\"char\" NOT NULL,"
					 " _width pg_catalog.int2 NOT NULL, _missing pg_catalog.int2[])%s", sequence_type,
					 flow->scd_type == 2 ? "" : " WITH (fillfactor = 80)");
	mdl_owner_begin(&saved);
	mdl_run(sql.data, NULL, false);
	mdl_run(psprintf("CREATE INDEX ON %s (%s)", qualified, keys.data), NULL, false);
	mdl_run(psprintf("COMMENT ON TABLE %s IS %s", qualified,
					 quote_literal_cstr(psprintf("What is known of the changes of %s (see medallion.flows).", mdl_display_name(flow->target)))),
			NULL, false);
	mdl_owner_end(&saved);
	flow->state = get_relname_relid(name, get_namespace_oid(MDL_CHANGES_SCHEMA, false));
	ATExecChangeOwner(flow->state, mdl_relation_owner(flow->target), true, AccessExclusiveLock);
	CommandCounterIncrement();
}

static void
follow_owner(Oid relation, Oid owner)
{
	if (!OidIsValid(relation) || get_rel_relkind(relation) != RELKIND_RELATION || mdl_relation_owner(relation) == owner)
		return;
	ATExecChangeOwner(relation, owner, true, AccessExclusiveLock);
	CommandCounterIncrement();
}

void
mdl_flow_follow(const Flow *flow)
{
	TupleDesc	target = mdl_relation_columns(flow->target);
	TupleDesc	state;
	OwnerWorld	world;

	follow_owner(flow->state, mdl_relation_owner(flow->target));
	follow_owner(flow->quarantine, mdl_relation_owner(flow->target));
	state = mdl_relation_columns(flow->state);
	for (int i = 0; i < kept_columns(flow); i++)
	{
		AttrNumber	of_target = column_number(target, flow->columns[i], flow->target);
		AttrNumber	of_state = column_number(state, psprintf("c%d", i + 1), flow->state);
		char	   *type = column_type(target, of_target);

		if (strcmp(type, column_type(state, of_state)) == 0)
			continue;
		mdl_become_owner(flow->target, &world);
		mdl_run(psprintf("ALTER TABLE %s ALTER COLUMN c%d TYPE %s USING c%d::%s", mdl_qualified_name(flow->state),
						 i + 1, column_definition(target, of_target), i + 1, type), NULL, false);
		mdl_leave_owner_world(&world);
	}
}

void
mdl_flow_retype_sequence(const Flow *flow, const char *type)
{
	OwnerWorld	world;

	mdl_become_owner(flow->target, &world);
	mdl_run(psprintf("ALTER TABLE %s ALTER COLUMN _sequence TYPE %s", mdl_qualified_name(flow->state), type), NULL, false);
	if (flow->scd_type == 2)
		mdl_run(psprintf("ALTER TABLE %s ALTER COLUMN \"" MDL_START_COLUMN "\" TYPE %s, ALTER COLUMN \"" MDL_END_COLUMN "\" TYPE %s",
						 mdl_qualified_name(flow->target), type, type), NULL, false);
	mdl_leave_owner_world(&world);
}

static void
add_column(Flow *flow, const char *column, const char *type)
{
	if (get_attnum(flow->target, column) == InvalidAttrNumber)
		mdl_run(psprintf("ALTER TABLE %s ADD COLUMN %s %s", mdl_qualified_name(flow->target), quote_identifier(column), safe_type(type)),
				NULL, false);
	flow->columns = repalloc(flow->columns, sizeof(char *) * (flow->column_count + 1));
	flow->columns[flow->column_count++] = pstrdup(column);
	if (flow->scd_type == 2)
	{
		TupleDesc	columns = mdl_relation_columns(flow->target);

		mdl_run(psprintf("ALTER TABLE %s ADD COLUMN c%d %s", mdl_qualified_name(flow->state), flow->column_count,
						 column_definition(columns, column_number(columns, column, flow->target))), NULL, false);
	}
}

void
mdl_flow_add_columns(Flow *flow, List *names, List *types)
{
	ListCell   *name,
			   *type;
	OwnerWorld	world;

	mdl_become_owner(flow->target, &world);
	forboth(name, names, type, types)
	{
		if (mdl_is_one_of(lfirst(name), flow->columns, flow->column_count))
			mdl_run(psprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", mdl_qualified_name(flow->target), quote_identifier(lfirst(name)),
							 safe_type(lfirst(type))), NULL, false);
		else
			add_column(flow, lfirst(name), lfirst(type));
	}
	mdl_leave_owner_world(&world);
	CommandCounterIncrement();
	mdl_flow_follow(flow);
	mdl_flow_change(flow);
}

/* ---- the quarantine ---------------------------------------------------------------------------------------------------------- */

static const char *const quarantine_columns[] = {"_quarantine_id", "_event", "_reason", "_quarantined_at"};

static bool
is_quarantine(Oid relation)
{
	if (get_rel_relkind(relation) != RELKIND_RELATION || !pg_class_ownercheck(relation, GetUserId()))
		return false;
	for (int i = 0; i < lengthof(quarantine_columns); i++)
		if (get_attnum(relation, quarantine_columns[i]) == InvalidAttrNumber)
			return false;
	return true;
}

void
mdl_flow_quarantine_ensure(Flow *flow)
{
	Oid			namespace = get_rel_namespace(flow->target);
	char	   *name = psprintf("%s_quarantine", get_rel_name(flow->target));
	char	   *qualified = quote_qualified_identifier(get_namespace_name(namespace), name);
	OwnerWorld	world;
	Oid			existing;

	if (OidIsValid(flow->quarantine) && get_rel_relkind(flow->quarantine) == RELKIND_RELATION)
		return;
	mdl_become_owner(flow->target, &world);
	existing = get_relname_relid(name, namespace);
	if (OidIsValid(existing) && !is_quarantine(existing))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation %s already exists and does not hold invalid events", qualified),
				 errhint("Invalid events are kept under this name: rename or drop the relation.")));
	if (!OidIsValid(existing))
	{
		mdl_run(psprintf("CREATE TABLE %s (_quarantine_id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,"
						 " _event pg_catalog.jsonb NOT NULL, _reason pg_catalog.text NOT NULL,"
						 " _quarantined_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now())", qualified), NULL, false);
		mdl_run(psprintf("COMMENT ON TABLE %s IS %s", qualified,
						 quote_literal_cstr(psprintf("Rows of the source of %s that could not be applied, with the reason.",
													 mdl_display_name(flow->target)))), NULL, false);
		existing = get_relname_relid(name, namespace);
	}
	mdl_leave_owner_world(&world);
	flow->quarantine = existing;
	mdl_flow_change(flow);
}
