/*
 * cdc_read.c: from the rows of a source to events.
 *
 * What is new in a versioned table are the rows that transactions wrote which the last application did not see, however
 * late they committed (see versioning/net_changes.c); of anything else all rows are read again, which gives the same result.
 * One SELECT over these rows computes the sequence and the conditions with the owner's rights; each row of it is then taken
 * apart here.  Where invalid events are set aside, rows are decoded in batches inside a subtransaction, and one by one in a
 * batch that had an error.
 */
#include "pipeline/cdc_int.h"
#include "base/progress.h"

#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#define BATCH_ROWS 1000
#define SAMPLE_ROWS 1000		/* that tell the columns of a new table */

/* A row of mdl_flow_select: payload or values, sequence, is delete, is truncate, the row itself. */
typedef struct SourceRow
{
	Datum	   *values;
	bool	   *nulls;
} SourceRow;

typedef struct Reader
{
	DestReceiver dest;			/* must be first */
	Flow	   *flow;
	FlowShape  *shape;
	Events	   *events;
	TupleDesc	columns;		/* of the SELECT; NULL until it starts */
	bool	   *gone;			/* (column_count) the source has no such column any more */
	FmgrInfo   *outputs;		/* (natts) for values of another type than the column's, and for messages */
	MemoryContext batch_context;	/* reset per batch */
	MemoryContext context;
	SourceRow	batch[BATCH_ROWS];
	int			batch_count;
	FlowEvent  *decoded;		/* of the batch: at most two per row, and they are pointed to */
	int			decoded_count;
	int64		decoded_skipped;
	List	   *decoded_names;	/* new fields met in the batch */
	List	   *decoded_types;
	Tuplestorestate *invalid;	/* event jsonb, reason text */
	TupleDesc	invalid_columns;
	const SourceRow *current;	/* for messages */
} Reader;

static void invalid(const char *what) pg_attribute_noreturn();

static void
invalid(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("event %s", what)));
}

/* ---- one event --------------------------------------------------------------------------------------------------------- */

static FlowEvent *
new_event(Reader *reader, char kind, int16 rank, Datum sequence)
{
	FlowEvent  *event = &reader->decoded[reader->decoded_count++];
	int			count = reader->flow->column_count;

	event->kind = kind;
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
	if (flow->chosen)
		return true;
	for (int i = 0; i < flow->except_count; i++)
		if (strcmp(flow->except[i], name) == 0)
			return true;
	return false;
}

/* A field that no column takes.  One that the table was given a column for since is welcome whatever was declared. */
static void
take_new_field(Reader *reader, const EventField *field, JsonbParseState **rescued)
{
	Flow	   *flow = reader->flow;
	bool		has_column;

	if (is_of_no_interest(flow, field->name))
		return;
	has_column = get_attnum(flow->target, field->name) != InvalidAttrNumber;
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

	event->awaited[column] = mdl_is_placeholder(&flow->decoding, &field->value);
	if (event->awaited[column])
		return;
	if (field->value.type == jbvNull && flow->ignore_nulls && column >= flow->key_count)
		return;
	event->values[column] = mdl_field_value(flow, &reader->shape->columns[column], field, &event->nulls[column]);
	event->missing[column] = false;
}

static void
check_keys(Reader *reader, const FlowEvent *event, const char *where)
{
	for (int i = 0; i < reader->flow->key_count; i++)
	{
		if (event->missing[i])
			invalid(psprintf("has no key column \"%s\"%s", reader->flow->keys[i], where));
		if (event->nulls[i])
			invalid(psprintf("has NULL in key column \"%s\"%s", reader->flow->keys[i], where));
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
		if (old->missing[i] || old->nulls[i])
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
		invalid("has no position in the log (lsn)");
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
		invalid("has NULL as its sequence");
	sequence = flow->sequence_by ? row->values[1] : own_sequence(&envelope);
	event = new_event(reader, envelope.kind, envelope.is_snapshot ? 0 : 1, sequence);
	if (event->kind == EVENT_TRUNCATE)
		return;
	take_row(reader, &envelope, event);
	check_keys(reader, event, "");
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
		invalid("has NULL as its sequence");
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
	check_keys(reader, event, "");
}

/* ---- batches --------------------------------------------------------------------------------------------------------------- */

static void
decode_row(Reader *reader, const SourceRow *row)
{
	reader->current = row;
	if (reader->flow->format == FLOW_COLUMNS)
		decode_columns(reader, row);
	else
		decode_json(reader, row);
	reader->current = NULL;
}

static Datum
missing_array(const FlowEvent *event, int count, bool *is_null)
{
	Datum	   *list = palloc_array(Datum, count + 1);
	int			missing = 0;

	for (int i = 0; i < count && event->kind == EVENT_UPSERT; i++)
		if (event->missing[i])
			list[missing++] = Int16GetDatum(event->awaited[i] ? i + 1 : -(i + 1));
	*is_null = missing == 0;
	return missing ? PointerGetDatum(construct_array(list, missing, INT2OID, sizeof(int16), true, TYPALIGN_SHORT)) : (Datum) 0;
}

static void
put_event(Reader *reader, const FlowEvent *event)
{
	int			count = reader->flow->column_count;
	Datum	   *values = palloc_array(Datum, count + EVENT_EXTRAS);
	bool	   *nulls = palloc0_array(bool, count + EVENT_EXTRAS);

	if (event->kind == EVENT_TRUNCATE)
	{
		MemoryContext old = MemoryContextSwitchTo(reader->context);
		Datum	   *sequence = palloc_object(Datum);

		*sequence = datumCopy(event->sequence, reader->shape->sequence.by_value, reader->shape->sequence.length);
		reader->events->truncates = lappend(reader->events->truncates, sequence);
		MemoryContextSwitchTo(old);
		return;
	}
	memcpy(values, event->values, sizeof(Datum) * count);
	memcpy(nulls, event->nulls, sizeof(bool) * count);
	values[count + EVENT_SEQUENCE] = event->sequence;
	values[count + EVENT_RANK] = Int16GetDatum(event->rank);
	values[count + EVENT_KIND] = CharGetDatum(event->kind);
	values[count + EVENT_WIDTH] = Int16GetDatum(count);
	values[count + EVENT_MISSING] = missing_array(event, count, &nulls[count + EVENT_MISSING]);
	tuplestore_putvalues(reader->events->rows, reader->shape->events, values, nulls);
	reader->events->count++;
}

static void
note_new_field(Reader *reader, const char *name, const char *type)
{
	Events	   *events = reader->events;
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	int			at = 0;
	ListCell   *cell;

	foreach(cell, events->new_names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			break;
		at++;
	}
	if (at == list_length(events->new_names))
	{
		events->new_names = lappend(events->new_names, pstrdup(name));
		events->new_types = lappend(events->new_types, pstrdup(type));
	}
	else if (strcmp(list_nth(events->new_types, at), type) != 0)
		lfirst(list_nth_cell(events->new_types, at)) = pstrdup("pg_catalog.text");
	MemoryContextSwitchTo(old);
}

/* Takes over what was decoded since. */
static void
keep_decoded(Reader *reader)
{
	ListCell   *name,
			   *type;

	for (int i = 0; i < reader->decoded_count; i++)
		put_event(reader, &reader->decoded[i]);
	forboth(name, reader->decoded_names, type, reader->decoded_types)
		note_new_field(reader, lfirst(name), lfirst(type));
	reader->events->skipped += reader->decoded_skipped;
}

static void
forget_decoded(Reader *reader)
{
	reader->decoded_count = 0;
	reader->decoded_skipped = 0;
	reader->decoded_names = reader->decoded_types = NIL;
}

/* The event as it is shown: the payload, or the values by name. */
static Datum
shown_event(Reader *reader, const SourceRow *row)
{
	JsonbParseState *state = NULL;
	const Flow *flow = reader->flow;

	if (flow->format != FLOW_COLUMNS && TupleDescAttr(reader->columns, 0)->atttypid == JSONBOID)
		return row->values[0];
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < (flow->format == FLOW_COLUMNS ? flow->column_count + 1 : 1); i++)
	{
		JsonbValue	key = {.type = jbvString};
		JsonbValue	value = {.type = row->nulls[i] ? jbvNull : jbvString};

		key.val.string.val = (char *) (flow->format != FLOW_COLUMNS ? flow->payload :
									   i < flow->column_count ? flow->columns[i] : "sequence_by");
		key.val.string.len = strlen(key.val.string.val);
		if (!row->nulls[i])
		{
			value.val.string.val = OutputFunctionCall(&reader->outputs[i], row->values[i]);
			value.val.string.len = strlen(value.val.string.val);
		}
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* Runs a part of the batch inside a subtransaction; false, with *reason, if it had an error. */
static bool
decode_guarded(Reader *reader, int first, int count, char **reason)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool good = true;
	ErrorData  *volatile error = NULL;

	forget_decoded(reader);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		for (int i = first; i < first + count; i++)
			decode_row(reader, &reader->batch[i]);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		error = mdl_guard_failed(context, owner);
		good = false;
	}
	PG_END_TRY();
	reader->current = NULL;
	if (!good)
		*reason = error->message;
	else
		keep_decoded(reader);
	return good;
}

/* The row of the source as JSON; it was copied flat, so nothing of it can fail to be read. */
static Datum
whole_row(Reader *reader, const SourceRow *row)
{
	Datum		json = DirectFunctionCall1(row_to_json, row->values[reader->columns->natts - 1]);

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(json)));
}

static void
quarantine_row(Reader *reader, const SourceRow *row, const char *reason)
{
	Datum		values[2] = {whole_row(reader, row), CStringGetTextDatum(reason)};
	bool		nulls[2] = {false, false};

	tuplestore_putvalues(reader->invalid, reader->invalid_columns, values, nulls);
	reader->events->quarantined++;
}

static void
finish_batch(Reader *reader)
{
	MemoryContext old = MemoryContextSwitchTo(reader->batch_context);
	int			count = reader->batch_count;
	char	   *reason;

	CHECK_FOR_INTERRUPTS();
	forget_decoded(reader);
	reader->decoded = palloc_array(FlowEvent, count * 2 + 1);
	if (!reader->flow->quarantines)
	{
		for (int i = 0; i < count; i++)
			decode_row(reader, &reader->batch[i]);
		keep_decoded(reader);
	}
	else if (count > 0 && !decode_guarded(reader, 0, count, &reason))
		for (int i = 0; i < count; i++)
			if (!decode_guarded(reader, i, 1, &reason))
				quarantine_row(reader, &reader->batch[i], reason);
	reader->batch_count = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(reader->batch_context);
	mdl_progress_update(reader->events->read);
}

/* ---- the SELECT ---------------------------------------------------------------------------------------------------------------- */

static void
reader_startup(DestReceiver *self, int operation, TupleDesc columns)
{
	Reader	   *reader = (Reader *) self;
	MemoryContext old = MemoryContextSwitchTo(reader->context);

	reader->columns = CreateTupleDescCopy(columns);
	reader->outputs = palloc_array(FmgrInfo, columns->natts);
	for (int i = 0; i < columns->natts; i++)
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(TupleDescAttr(columns, i)->atttypid, &output, &is_varlena);
		fmgr_info(output, &reader->outputs[i]);
	}
	MemoryContextSwitchTo(old);
}

static bool
reader_receive(TupleTableSlot *slot, DestReceiver *self)
{
	Reader	   *reader = (Reader *) self;
	SourceRow  *row = &reader->batch[reader->batch_count++];
	int			natts = reader->columns->natts;
	MemoryContext old = MemoryContextSwitchTo(reader->batch_context);

	slot_getallattrs(slot);
	row->values = palloc_array(Datum, natts);
	row->nulls = palloc_array(bool, natts);
	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(reader->columns, i);

		row->nulls[i] = slot->tts_isnull[i];
		row->values[i] = row->nulls[i] ? (Datum) 0
			: column->attlen == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[i]))
			: datumCopy(slot->tts_values[i], column->attbyval, column->attlen);
	}
	MemoryContextSwitchTo(old);
	reader->events->read++;
	if (reader->batch_count == BATCH_ROWS)
		finish_batch(reader);
	return true;
}

static void
reader_shutdown(DestReceiver *self)
{
}

/* Shows the event that an error is about. */
static void
tell_event(void *argument)
{
	Reader	   *reader = argument;
	const SourceRow *row = reader->current;
	char	   *text;

	if (row == NULL)
		return;
	reader->current = NULL;
	text = reader->flow->format != FLOW_COLUMNS && row->nulls[0] ? "NULL" :
		reader->flow->format != FLOW_COLUMNS ? OutputFunctionCall(&reader->outputs[0], row->values[0])
		: DatumGetCString(DirectFunctionCall1(jsonb_out, shown_event(reader, row)));
	errcontext("event of \"%s\": %.300s", mdl_display_name(reader->flow->source), text);
}

/* Writes what was set aside; of what was tried again nothing else stays. */
static void
write_quarantine(Reader *reader, ReadWhat what, Snapshot snapshot)
{
	Flow	   *flow = reader->flow;

	if (what == READ_QUARANTINE)
		mdl_run_under_snapshot(psprintf("DELETE FROM ONLY %s", mdl_qualified_name(flow->quarantine)), NULL, snapshot);
	if (tuplestore_tuple_count(reader->invalid) == 0)
		return;
	mdl_flow_quarantine_ensure(flow);
	mdl_offer_rows("medallion_invalid", reader->invalid, reader->invalid_columns);
	mdl_run_under_snapshot(psprintf("INSERT INTO %s (_event, _reason) SELECT i.event, i.reason FROM medallion_invalid i"
									" WHERE NOT EXISTS (SELECT FROM ONLY %s q WHERE q._event OPERATOR(pg_catalog.=) i.event)",
									mdl_qualified_name(flow->quarantine), mdl_qualified_name(flow->quarantine)), NULL, snapshot);
	SPI_unregister_relation("medallion_invalid");
}

/* ---- what is new ------------------------------------------------------------------------------------------------------------------ */

typedef struct NewRows
{
	Tuplestorestate *rows;
	TupleDesc	columns;
} NewRows;

static void
take_new_row(void *state, Datum *values, bool *nulls, int sign)
{
	NewRows    *new_rows = state;

	if (sign > 0)
		tuplestore_putvalues(new_rows->rows, new_rows->columns, values, nulls);
}

/* Why all rows must be read; NULL, and the new ones, if not. */
static const char *
read_new_rows(const Flow *flow, ReadWhat what, Snapshot snapshot, NewRows *new_rows)
{
	Oid			source = flow->source;
	MdlSeen		seen;
	bool		exact;
	const char *why;

	if (what == READ_QUARANTINE)
		return "events that were set aside";
	if (what == READ_ALL)
		return "as was asked";
	if (get_rel_relkind(source) != RELKIND_RELATION)
		return psprintf("%s is no table, so what is new in it is not known", mdl_pipeline_relation_name(source));
	if (!mdl_is_versioned(source))
		return psprintf("%s is not versioned, so what is new in it is not known", mdl_pipeline_relation_name(source));
	if (check_enable_rls(source, InvalidOid, true) == RLS_ENABLED)
		return psprintf("%s has row-level security for the owner of the table", mdl_pipeline_relation_name(source));
	if (!mdl_flow_seen_read(flow, &seen))
		return "first application";
	mdl_require_privilege(source, ACL_SELECT);
	new_rows->columns = mdl_relation_columns(source);
	new_rows->rows = tuplestore_begin_heap(true, false, work_mem);
	if (mdl_rows_changed_since(source, &seen, snapshot, PG_INT64_MAX / 2, take_new_row, new_rows, &exact, &why) >= 0)
		return NULL;
	tuplestore_end(new_rows->rows);
	return psprintf("%s %s", mdl_pipeline_relation_name(source), why);
}

/* What to write behind FROM. */
static char *
from_of(const Flow *flow, ReadWhat what, bool is_new)
{
	char	   *source = mdl_qualified_name(flow->source);

	if (what == READ_QUARANTINE)
		return psprintf("(SELECT p.* FROM ONLY %s q CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%s, q._event) p)",
						mdl_qualified_name(flow->quarantine), source);
	return is_new ? pstrdup("medallion_source") : source;
}

static Reader *
begin_reading(Flow *flow, FlowShape *shape)
{
	Reader	   *reader = palloc0_object(Reader);

	reader->dest = (DestReceiver) {.receiveSlot = reader_receive, .rStartup = reader_startup, .rShutdown = reader_shutdown,
	.rDestroy = reader_shutdown, .mydest = DestNone};
	reader->flow = flow;
	reader->shape = shape;
	reader->events = palloc0_object(Events);
	reader->gone = palloc0_array(bool, flow->column_count);
	for (int i = 0; i < flow->column_count && flow->format == FLOW_COLUMNS; i++)
		reader->gone[i] = get_attnum(flow->source, flow->columns[i]) == InvalidAttrNumber;
	reader->events->rows = tuplestore_begin_heap(true, false, work_mem);
	reader->context = CurrentMemoryContext;
	reader->batch_context = AllocSetContextCreate(CurrentMemoryContext, "events", ALLOCSET_DEFAULT_SIZES);
	reader->invalid = tuplestore_begin_heap(true, false, work_mem);
	reader->invalid_columns = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(reader->invalid_columns, 1, "event", JSONBOID, -1, 0);
	TupleDescInitEntry(reader->invalid_columns, 2, "reason", TEXTOID, -1, 0);
	return reader;
}

static void
run_reading(Reader *reader, const char *from, Snapshot snapshot)
{
	SPIExecuteOptions options = {.read_only = true, .dest = &reader->dest};
	ErrorContextCallback callback = {.callback = tell_event, .arg = reader, .previous = error_context_stack};
	int			code;

	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	error_context_stack = &callback;
	code = SPI_execute_extended(mdl_flow_select(reader->flow, from), &options);
	if (code < 0)
		elog(ERROR, "SPI could not read events: %s", SPI_result_code_string(code));
	finish_batch(reader);
	error_context_stack = callback.previous;
	PopActiveSnapshot();
}

Events *
mdl_flow_read(Flow *flow, FlowShape *shape, ReadWhat what, Snapshot snapshot, Applied *applied)
{
	Reader	   *reader = begin_reading(flow, shape);
	Events	   *events = reader->events;
	NewRows		new_rows;
	const char *why;

	mdl_progress_phase("read", -1);
	why = read_new_rows(flow, what, snapshot, &new_rows);
	applied->mode = why ? "full" : "incremental";
	applied->reason = why ? why : psprintf("new rows of %s", mdl_pipeline_relation_name(flow->source));
	if (why == NULL)
		mdl_offer_rows("medallion_source", new_rows.rows, new_rows.columns);
	run_reading(reader, from_of(flow, what, why == NULL), snapshot);
	if (why == NULL)
	{
		SPI_unregister_relation("medallion_source");
		tuplestore_end(new_rows.rows);
	}
	if (events->new_names == NIL)
		write_quarantine(reader, what, snapshot);
	tuplestore_end(reader->invalid);
	MemoryContextDelete(reader->batch_context);
	applied->events = events->read;
	applied->skipped = events->skipped;
	applied->quarantined = events->quarantined;
	return events;
}

/* ---- fields of the first events ------------------------------------------------------------------------------------------------- */

typedef struct Sample
{
	const Flow *flow;
	List	   *names;
	List	   *types;			/* NULL: not known yet */
} Sample;

static void
sample_event(Sample *sample, Datum payload, Oid type)
{
	Envelope	envelope;
	Jsonb	   *event;
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	event = type == JSONBOID ? DatumGetJsonbP(payload)
		: DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(OidOutputFunctionCall(output, payload))));
	mdl_event_open(sample->flow, event, &envelope);
	for (int i = 0; i < envelope.field_count && envelope.kind == EVENT_UPSERT; i++)
	{
		const EventField *field = &envelope.fields[i];
		const char *found = mdl_is_placeholder(&sample->flow->decoding, &field->value) && !field->schema && !field->sql_type ? NULL
			: mdl_event_field_type(sample->flow, field);
		int			at = 0;

		while (at < list_length(sample->names) && strcmp(list_nth(sample->names, at), field->name) != 0)
			at++;
		if (at == list_length(sample->names))
		{
			sample->names = lappend(sample->names, pstrdup(field->name));
			sample->types = lappend(sample->types, (char *) found);
		}
		else if (list_nth(sample->types, at) == NULL)
			lfirst(list_nth_cell(sample->types, at)) = (char *) found;
		else if (found && strcmp(list_nth(sample->types, at), found) != 0)
			lfirst(list_nth_cell(sample->types, at)) = "pg_catalog.text";
	}
}

void
mdl_flow_sample_fields(const Flow *flow, List **names, List **types)
{
	Sample		sample = {.flow = flow};
	uint64		rows = mdl_run(psprintf("SELECT %s FROM %s LIMIT %d", quote_identifier(flow->payload), mdl_qualified_name(flow->source),
										SAMPLE_ROWS), NULL, true);
	SPITupleTable *found = SPI_tuptable;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ListCell   *cell;

	for (uint64 i = 0; i < rows; i++)
	{
		bool		is_null;
		Datum		payload = SPI_getbinval(found->vals[i], found->tupdesc, 1, &is_null);

		if (is_null)
			continue;
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(context);
		PG_TRY();
		{
			sample_event(&sample, payload, SPI_gettypeid(found->tupdesc, 1));
			ReleaseCurrentSubTransaction();
			MemoryContextSwitchTo(context);
			CurrentResourceOwner = owner;
		}
		PG_CATCH();
		{
			mdl_guard_failed(context, owner);	/* applying it tells what is wrong with it */
		}
		PG_END_TRY();
	}
	foreach(cell, sample.types)
		if (lfirst(cell) == NULL)
			lfirst(cell) = "pg_catalog.text";
	*names = sample.names;
	*types = sample.types;
}
