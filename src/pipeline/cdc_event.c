/*
 * cdc_event.c: from one row of the source to the events it tells: an upsert, a delete, a truncate; an upsert that changes the
 * key is a delete too.
 */
#include "pipeline/cdc_read_int.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"

static FlowEvent *
new_event(Reader *reader, char kind, int16 rank, Datum sequence)
{
	FlowEvent  *event = &reader->decoded[reader->decoded_count++];
	int			count = reader->flow->column_count;

	event->kind = kind;
	event->row = reader->current;
	event->fate = EVENT_KEPT;
	event->rank = rank;
	event->sequence = sequence;
	event->values = palloc0_array(Datum, count);
	event->nulls = palloc_array(bool, count);
	event->missing = palloc_array(bool, count);
	event->awaited = palloc0_array(bool, count);
	memset(event->nulls, true, count);
	memset(event->missing, true, count);
	return event;
}

static int
column_of(const Flow *flow, const char *name, int hint)
{
	if (hint < flow->column_count && strcmp(flow->columns[hint], name) == 0)
		return hint;
	for (int i = 0; i < flow->column_count; i++)
		if (strcmp(flow->columns[i], name) == 0)
			return i;
	return -1;
}

static bool
is_of_no_interest(const Flow *flow, const char *name)
{
	return flow->chosen || mdl_is_one_of(name, flow->except, flow->except_count);
}

/* A field that no column takes.  One that the table was given a column for since is welcome whatever was declared. */
static void
take_new_field(Reader *reader, const EventField *field, JsonbParseState **rescued)
{
	Flow	   *flow = reader->flow;
	bool		has_column;

	if (is_of_no_interest(flow, field->name))
		return;
	if (flow->new_field != NEW_FIELD_RESCUE && !mdl_is_column_name(field->name))
		mdl_event_invalid(psprintf("has a field that no column can be named after: \"%.80s\"", field->name));
	has_column = mdl_is_column_name(field->name) && get_attnum(flow->target, field->name) != InvalidAttrNumber;
	if (flow->new_field == NEW_FIELD_FAIL && !has_column)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("event has the field \"%s\", for which \"%s\" has no column", field->name, mdl_display_name(flow->target)),
				 errhint("Add the column to the table, let on_schema_change be append_columns or rescue, or name the field in except_column_list.")));
	if (flow->new_field == NEW_FIELD_APPEND || has_column)
	{
		const char *type = has_column ? "pg_catalog.text" : mdl_event_field_type(flow, field);

		if (type)
		{
			reader->decoded_names = lappend(reader->decoded_names, pstrdup(field->name));
			reader->decoded_types = lappend(reader->decoded_types, pstrdup(type));
		}
		return;
	}
	if (!mdl_is_placeholder(&flow->decoding, &field->value))
	{
		JsonbValue	key = {.type = jbvString};

		if (*rescued == NULL)
			pushJsonbValue(rescued, WJB_BEGIN_OBJECT, NULL);
		key.val.string.val = field->name;
		key.val.string.len = strlen(field->name);
		pushJsonbValue(rescued, WJB_KEY, &key);
		pushJsonbValue(rescued, WJB_VALUE, (JsonbValue *) &field->value);
	}
}

/* Sets the value of a column, unless it stands for one that is not known. */
static void
take_value(Reader *reader, FlowEvent *event, int column, const EventField *field)
{
	const Flow *flow = reader->flow;
	const char *wider;

	event->awaited[column] = mdl_is_placeholder(&flow->decoding, &field->value);
	if (event->awaited[column])
		return;
	if (field->value.type == jbvNull && flow->ignore_nulls && column >= flow->key_count)
		return;
	wider = flow->new_field == NEW_FIELD_APPEND ? mdl_type_for_value(&reader->shape->columns[column], &field->value) : NULL;
	if (wider)
	{
		/* All is read again once the column has the type; a key is looked for then. */
		reader->decoded_names = lappend(reader->decoded_names, pstrdup(field->name));
		reader->decoded_types = lappend(reader->decoded_types, pstrdup(wider));
		event->values[column] = (Datum) 0;
		event->missing[column] = column >= flow->key_count;
		event->nulls[column] = true;
		reader->key_grows |= column < flow->key_count;
		return;
	}
	event->values[column] = mdl_field_value(flow, &reader->shape->columns[column], field, &event->nulls[column]);
	event->missing[column] = false;
}

static void
check_keys(Reader *reader, const FlowEvent *event)
{
	if (reader->key_grows)
		return;
	for (int i = 0; i < reader->flow->key_count; i++)
	{
		if (event->missing[i])
			mdl_event_invalid(psprintf("has no key column \"%s\"", reader->flow->keys[i]));
		if (event->nulls[i])
			mdl_event_invalid(psprintf("has NULL in key column \"%s\"", reader->flow->keys[i]));
	}
}

/* Whether the row had other keys before; `old` gets them.  A partial image without all keys tells nothing. */
static bool
key_changed(Reader *reader, const Envelope *envelope, const FlowEvent *event, FlowEvent *old)
{
	const Flow *flow = reader->flow;
	bool		differs = false;

	for (int i = 0; i < envelope->before_count; i++)
	{
		int			column = column_of(flow, envelope->before[i].name, i);

		if (column >= 0 && column < flow->key_count)
			take_value(reader, old, column, &envelope->before[i]);
	}
	for (int i = 0; i < flow->key_count; i++)
	{
		if (old->missing[i] || old->nulls[i] || reader->key_grows)
			return false;
		differs |= !DatumGetBool(FunctionCall2Coll(&reader->shape->key_equal[i], reader->shape->columns[i].collation,
												   old->values[i], event->values[i]));
	}
	return differs;
}

/* What an image of the row before the change tells of values that the one after it leaves out: TOASTed, so not NULL. */
static void
fill_from_before(Reader *reader, const Envelope *envelope, FlowEvent *event)
{
	for (int i = 0; i < envelope->before_count; i++)
	{
		const EventField *field = &envelope->before[i];
		int			column = column_of(reader->flow, field->name, i);

		if (column >= reader->flow->key_count && event->missing[column] && field->value.type != jbvNull)
			take_value(reader, event, column, field);
	}
}

static void
take_row(Reader *reader, const Envelope *envelope, FlowEvent *event)
{
	Flow	   *flow = reader->flow;
	JsonbParseState *rescued = NULL;
	int			rescue = flow->new_field == NEW_FIELD_RESCUE ? column_of(flow, MDL_RESCUED_COLUMN, 0) : -1;

	for (int i = 0; i < envelope->field_count; i++)
	{
		const EventField *field = &envelope->fields[i];
		int			column = column_of(flow, field->name, i);

		if (column < 0 || column == rescue)
		{
			if (event->kind == EVENT_UPSERT)
				take_new_field(reader, field, &rescued);
		}
		else if (event->kind == EVENT_UPSERT || column < flow->key_count)
			take_value(reader, event, column, field);
	}
	if (rescue >= 0 && event->kind == EVENT_UPSERT)
	{
		event->missing[rescue] = false;
		event->nulls[rescue] = rescued == NULL;
		if (rescued)
			event->values[rescue] = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&rescued, WJB_END_OBJECT, NULL)));
	}

	/* With ignore_null_updates a NULL is no value left out: it keeps what the target has. */
	if (event->kind == EVENT_UPSERT && !flow->ignore_nulls)
		fill_from_before(reader, envelope, event);
}

/* The sequence that events of the format carry themselves. */
static Datum
own_sequence(const Envelope *envelope)
{
	if (!envelope->has_sequence)
		mdl_event_invalid("has no position in the log (lsn)");
	if (envelope->sequence.type == jbvNumeric)
		return DirectFunctionCall1(numeric_int8, NumericGetDatum(envelope->sequence.val.numeric));
	return DirectFunctionCall1(pg_lsn_in, CStringGetDatum(pnstrdup(envelope->sequence.val.string.val,
																   envelope->sequence.val.string.len)));
}

static Jsonb *
payload_of(Reader *reader, const SourceRow *row)
{
	Oid			type = TupleDescAttr(reader->columns, 0)->atttypid;

	if (row->nulls[0])
		return NULL;
	if (type == JSONBOID)
		return DatumGetJsonbP(row->values[0]);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(OutputFunctionCall(&reader->outputs[0], row->values[0]))));
}

static bool
condition(const SourceRow *row, int column)
{
	return !row->nulls[column] && DatumGetBool(row->values[column]);
}

static void
decode_json(Reader *reader, const SourceRow *row)
{
	const Flow *flow = reader->flow;
	Jsonb	   *payload = payload_of(reader, row);
	Envelope	envelope;
	FlowEvent  *event,
				old;
	Datum		sequence;

	if (payload)
		mdl_event_open(flow, payload, &envelope);
	if (payload == NULL || envelope.kind == 0)
	{
		reader->decoded_skipped++;
		return;
	}
	if (condition(row, 2) && envelope.kind == EVENT_UPSERT)
		envelope.kind = EVENT_DELETE;
	if (condition(row, 3))
		envelope.kind = EVENT_TRUNCATE;
	if (flow->sequence_by && row->nulls[1])
		mdl_event_invalid("has NULL as its sequence");
	sequence = flow->sequence_by ? row->values[1] : own_sequence(&envelope);
	event = new_event(reader, envelope.kind, envelope.is_snapshot ? 0 : 1, sequence);
	if (event->kind == EVENT_TRUNCATE)
		return;
	take_row(reader, &envelope, event);
	check_keys(reader, event);
	if (event->kind == EVENT_DELETE || envelope.before_count == 0)
		return;
	old = *new_event(reader, EVENT_DELETE, event->rank, sequence);
	if (!key_changed(reader, &envelope, event, &old))
		reader->decoded_count--;
}

/* The values are columns; those of another type than the target's go through text. */
static void
decode_columns(Reader *reader, const SourceRow *row)
{
	const Flow *flow = reader->flow;
	int			count = flow->column_count;
	char		kind = condition(row, count + 2) ? EVENT_TRUNCATE : condition(row, count + 1) ? EVENT_DELETE : EVENT_UPSERT;
	FlowEvent  *event;

	if (row->nulls[count])
		mdl_event_invalid("has NULL as its sequence");
	event = new_event(reader, kind, 1, row->values[count]);
	if (kind == EVENT_TRUNCATE)
		return;
	for (int i = 0; i < (kind == EVENT_DELETE ? flow->key_count : count); i++)
	{
		FlowColumn *column = &reader->shape->columns[i];
		Form_pg_attribute given = TupleDescAttr(reader->columns, i);

		if (row->nulls[i] && (reader->gone[i] || (flow->ignore_nulls && i >= flow->key_count)))
			continue;
		event->missing[i] = false;
		event->nulls[i] = row->nulls[i];
		if (row->nulls[i] || (given->atttypid == column->type && (given->atttypmod == column->typmod || column->typmod < 0)))
			event->values[i] = row->values[i];
		else
			event->values[i] = InputFunctionCall(&column->input, OutputFunctionCall(&reader->outputs[i], row->values[i]),
												 column->input_argument, column->typmod);
	}
	check_keys(reader, event);
}

void
mdl_decode_row(Reader *reader, const SourceRow *row)
{
	reader->current = row;
	reader->key_grows = false;
	if (reader->flow->format == FLOW_COLUMNS)
		decode_columns(reader, row);
	else
		decode_json(reader, row);
	reader->current = NULL;
}
