/*
 * cdc_decode.c: events in JSON, taken apart: Debezium's envelope and its flattened form, and wal2json's format 2.
 *
 * Which of Debezium's forms an event has is seen by each event itself: {"schema": …, "payload": …} around it or not, an
 * envelope (op, and before, after or source), or a row with fields such as __deleted and __op.  An event may be hostile:
 * what is missing or has another type raises an error that says so, and the caller decides what becomes of it.
 */
#include "pipeline/cdc_int.h"

#include "miscadmin.h"
#include "utils/builtins.h"

void
mdl_event_invalid(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("event %s", what)));
}

/* An object that is a member; NULL if it is JSON null or not there. */
static JsonbContainer *
member_object(JsonbContainer *object, const char *key)
{
	JsonbValue	value;

	if (!mdl_json_member(object, key, &value) || value.type == jbvNull)
		return NULL;
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		mdl_event_invalid(psprintf("has no object in \"%s\"", key));
	return value.val.binary.data;
}

static JsonbContainer *
member_array(JsonbContainer *object, const char *key)
{
	JsonbValue	value;

	if (!mdl_json_member(object, key, &value) || value.type == jbvNull)
		return NULL;
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		mdl_event_invalid(psprintf("has no array in \"%s\"", key));
	return value.val.binary.data;
}

/* The schema of a field: the element of "fields" that names it. */
static JsonbContainer *
field_schema(JsonbContainer *schema, const char *name)
{
	JsonbContainer *fields = schema ? member_array(schema, "fields") : NULL;

	for (uint32 i = 0; fields && i < JsonContainerSize(fields); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(fields, i);
		char	   *found;

		if (element->type != jbvBinary)
			continue;
		found = mdl_json_member_text(element->val.binary.data, "field");
		if (found && strcmp(found, name) == 0)
			return element->val.binary.data;
	}
	return NULL;
}

/* The members of a row image, but those that tell of the event. */
static EventField *
row_fields(JsonbContainer *row, JsonbContainer *schema, bool is_flat, int *count)
{
	EventField *fields = palloc_array(EventField, JsonContainerSize(row) + 1);
	JsonbIterator *iterator = JsonbIteratorInit(row);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	*count = 0;
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && !(is_flat && strncmp(name, "__", 2) == 0))
			fields[(*count)++] = (EventField) {.name = name, .value = value, .schema = field_schema(schema, name)};
	}
	return fields;
}

/* Whether an event of a table concerns the flow; any of the names may be NULL. */
static bool
is_wanted(const Flow *flow, const char *database, const char *schema, const char *table)
{
	if (flow->source_table == NULL)
		return true;
	if (table == NULL)
		mdl_event_invalid("does not tell its table");
	return strcmp(flow->source_table, table) == 0 ||
		(schema && strcmp(flow->source_table, psprintf("%s.%s", schema, table)) == 0) ||
		(database && strcmp(flow->source_table, psprintf("%s.%s", database, table)) == 0);
}

/* ---- Debezium ------------------------------------------------------------------------------------------------------- */

static void
take_operation(Envelope *envelope, const char *op)
{
	if (strlen(op) != 1 || strchr("crudtm", op[0]) == NULL)
		mdl_event_invalid(psprintf("has the operation \"%.60s\", but c, r, u, d, t and m are known", op));
	envelope->is_snapshot = op[0] == 'r';
	envelope->kind = op[0] == 'd' ? EVENT_DELETE : op[0] == 't' ? EVENT_TRUNCATE : op[0] == 'm' ? 0 : EVENT_UPSERT;
}

static void
open_envelope(const Flow *flow, JsonbContainer *event, JsonbContainer *schema, Envelope *envelope)
{
	JsonbContainer *after = member_object(event, "after");
	JsonbContainer *before = member_object(event, "before");
	JsonbContainer *source = member_object(event, "source");

	take_operation(envelope, mdl_json_member_text(event, "op"));
	if (envelope->kind == 0)
		return;
	if (!is_wanted(flow, mdl_json_member_text(source, "db"), mdl_json_member_text(source, "schema"), mdl_json_member_text(source, "table")))
	{
		envelope->kind = 0;
		return;
	}
	envelope->has_sequence = mdl_json_member(source, "lsn", &envelope->sequence) && envelope->sequence.type == jbvNumeric;
	if (envelope->kind == EVENT_UPSERT)
	{
		if (after == NULL)
			mdl_event_invalid("has no row in \"after\"");
		envelope->fields = row_fields(after, field_schema(schema, "after"), false, &envelope->field_count);
		if (before)
			envelope->before = row_fields(before, field_schema(schema, "before"), false, &envelope->before_count);
	}
	else if (envelope->kind == EVENT_DELETE)
	{
		if (before == NULL)
			mdl_event_invalid("is a delete without a row in \"before\"");
		envelope->fields = row_fields(before, field_schema(schema, "before"), false, &envelope->field_count);
	}
}

/* What ExtractNewRecordState leaves of an envelope. */
static void
open_flat(const Flow *flow, JsonbContainer *event, JsonbContainer *schema, Envelope *envelope)
{
	char	   *op = mdl_json_member_text(event, "__op");
	JsonbValue	deleted;

	take_operation(envelope, op ? op : "u");
	if (mdl_json_member(event, "__deleted", &deleted) &&
		((deleted.type == jbvBool && deleted.val.boolean) ||
		 (deleted.type == jbvString && deleted.val.string.len == 4 && memcmp(deleted.val.string.val, "true", 4) == 0)))
		envelope->kind = EVENT_DELETE;
	if (envelope->kind == 0 ||
		!is_wanted(flow, mdl_json_member_text(event, "__db"), mdl_json_member_text(event, "__schema"), mdl_json_member_text(event, "__table")))
	{
		envelope->kind = 0;
		return;
	}
	envelope->has_sequence = (mdl_json_member(event, "__lsn", &envelope->sequence) || mdl_json_member(event, "__source_lsn", &envelope->sequence)) &&
		envelope->sequence.type == jbvNumeric;
	if (envelope->kind != EVENT_TRUNCATE)
		envelope->fields = row_fields(event, schema, true, &envelope->field_count);
}

/* Messages that connectors send beside events of rows: bounds of a transaction, a heartbeat, a change of a schema. */
static bool
is_control(JsonbContainer *event)
{
	JsonbValue	value;

	if (mdl_json_member(event, "status", &value) && mdl_json_member(event, "event_count", &value) &&
		mdl_json_member(event, "data_collections", &value))
		return true;
	if (mdl_json_member(event, "ddl", &value) && mdl_json_member(event, "source", &value))
		return true;
	return JsonContainerSize(event) == 1 && mdl_json_member(event, "ts_ms", &value);
}

static void
open_debezium(const Flow *flow, JsonbContainer *event, Envelope *envelope)
{
	JsonbContainer *schema = NULL;
	JsonbValue	op,
				part;

	if (JsonContainerSize(event) == 2 && mdl_json_member(event, "schema", &op) && mdl_json_member(event, "payload", &part))
	{
		schema = member_object(event, "schema");
		event = member_object(event, "payload");
		if (event == NULL)
			return;				/* a tombstone */
	}
	if (is_control(event))
		return;
	if (mdl_json_member(event, "op", &op) && op.type == jbvString &&
		(mdl_json_member(event, "after", &part) || mdl_json_member(event, "before", &part) || mdl_json_member(event, "source", &part)))
		open_envelope(flow, event, schema, envelope);
	else
		open_flat(flow, event, schema, envelope);
}

/* ---- wal2json -------------------------------------------------------------------------------------------------------- */

static EventField *
listed_fields(JsonbContainer *list, int *count)
{
	EventField *fields = palloc0_array(EventField, JsonContainerSize(list) + 1);

	*count = 0;
	for (uint32 i = 0; i < JsonContainerSize(list); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(list, i);
		EventField *field = &fields[*count];

		if (element->type != jbvBinary || (field->name = mdl_json_member_text(element->val.binary.data, "name")) == NULL ||
			!mdl_json_member(element->val.binary.data, "value", &field->value))
			mdl_event_invalid("has a column without name or value");
		field->sql_type = mdl_json_member_text(element->val.binary.data, "type");
		(*count)++;
	}
	return fields;
}

static void
open_wal2json(const Flow *flow, JsonbContainer *event, Envelope *envelope)
{
	char	   *action = mdl_json_member_text(event, "action");
	JsonbContainer *columns = member_array(event, "columns");
	JsonbContainer *identity = member_array(event, "identity");

	if (action == NULL || strlen(action) != 1 || strchr("IUDTMBC", action[0]) == NULL)
		mdl_event_invalid("has no \"action\" of wal2json's format version 2");
	envelope->kind = strchr("IU", action[0]) ? EVENT_UPSERT : action[0] == 'D' ? EVENT_DELETE : action[0] == 'T' ? EVENT_TRUNCATE : 0;
	if (envelope->kind == 0 || !is_wanted(flow, NULL, mdl_json_member_text(event, "schema"), mdl_json_member_text(event, "table")))
	{
		envelope->kind = 0;
		return;
	}
	envelope->has_sequence = mdl_json_member(event, "lsn", &envelope->sequence) && envelope->sequence.type == jbvString;
	if (envelope->kind == EVENT_UPSERT)
	{
		if (columns == NULL)
			mdl_event_invalid("has no \"columns\"");
		envelope->fields = listed_fields(columns, &envelope->field_count);
		if (identity)
			envelope->before = listed_fields(identity, &envelope->before_count);
	}
	else if (envelope->kind == EVENT_DELETE)
	{
		if (identity == NULL)
			mdl_event_invalid("is a delete without \"identity\": the table has no replica identity");
		envelope->fields = listed_fields(identity, &envelope->field_count);
	}
}

void
mdl_event_open(const Flow *flow, Jsonb *event, Envelope *envelope)
{
	memset(envelope, 0, sizeof(Envelope));
	if (JB_ROOT_IS_SCALAR(event) && getIthJsonbValueFromContainer(&event->root, 0)->type == jbvNull)
		return;					/* a tombstone */
	if (!JB_ROOT_IS_OBJECT(event))
		mdl_event_invalid("is not a JSON object");
	if (flow->format == FLOW_WAL2JSON)
		open_wal2json(flow, &event->root, envelope);
	else
		open_debezium(flow, &event->root, envelope);
}

/* ---- columns from fields ---------------------------------------------------------------------------------------------------- */

static const char *
semantic_type(const char *semantic, JsonbContainer *schema)
{
	static const char *const types[][2] = {
		{"io.debezium.time.Date", "date"}, {"org.apache.kafka.connect.data.Date", "date"},
		{"io.debezium.time.Time", "time"}, {"io.debezium.time.MicroTime", "time"}, {"io.debezium.time.NanoTime", "time"},
		{"org.apache.kafka.connect.data.Time", "time"}, {"io.debezium.time.ZonedTime", "timetz"},
		{"io.debezium.time.Timestamp", "timestamp"}, {"io.debezium.time.MicroTimestamp", "timestamp"},
		{"io.debezium.time.NanoTimestamp", "timestamp"}, {"org.apache.kafka.connect.data.Timestamp", "timestamp"},
		{"io.debezium.time.ZonedTimestamp", "timestamptz"}, {"io.debezium.time.MicroDuration", "interval"},
		{"io.debezium.time.NanoDuration", "interval"}, {"io.debezium.time.Interval", "interval"},
		{"org.apache.kafka.connect.data.Decimal", "numeric"}, {"io.debezium.data.VariableScaleDecimal", "numeric"},
		{"io.debezium.data.Json", "jsonb"}, {"io.debezium.data.Uuid", "uuid"}, {"io.debezium.data.Xml", "xml"},
		{"io.debezium.data.Bits", "varbit"}, {"io.debezium.data.geometry.Point", "point"},
	};

	for (int i = 0; i < lengthof(types); i++)
		if (strcmp(semantic, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}

static const char *
schema_type(JsonbContainer *schema)
{
	static const char *const types[][2] = {
		{"boolean", "bool"}, {"int8", "int2"}, {"int16", "int2"}, {"int32", "int4"}, {"int64", "int8"}, {"float", "float4"},
		{"float32", "float4"}, {"double", "float8"}, {"float64", "float8"}, {"string", "text"}, {"bytes", "bytea"},
	};
	char	   *semantic = mdl_json_member_text(schema, "name");
	char	   *literal = mdl_json_member_text(schema, "type");
	const char *type;

	check_stack_depth();
	type = semantic ? semantic_type(semantic, schema) : NULL;
	if (type)
		return psprintf("pg_catalog.%s", type);
	for (int i = 0; literal && i < lengthof(types); i++)
		if (strcmp(literal, types[i][0]) == 0)
			return psprintf("pg_catalog.%s", types[i][1]);
	if (literal && strcmp(literal, "array") == 0 && member_object(schema, "items"))
	{
		type = schema_type(member_object(schema, "items"));
		return strstr(type, "[]") ? type : psprintf("%s[]", type);
	}
	return "pg_catalog.jsonb";
}

const char *
mdl_event_field_type(const Flow *flow, const EventField *field)
{
	if (field->schema)
		return schema_type(field->schema);
	if (field->sql_type)
		return field->sql_type;
	switch (field->value.type)
	{
		case jbvBool:
			return "pg_catalog.bool";
		case jbvNumeric:
			return "pg_catalog.numeric";
		case jbvString:
			return "pg_catalog.text";
		case jbvBinary:
			return "pg_catalog.jsonb";
		default:
			return NULL;
	}
}
