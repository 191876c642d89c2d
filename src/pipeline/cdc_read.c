/*
 * cdc_read.c: from the rows of a source to events.
 *
 * What is new in a versioned table are the rows that transactions wrote which the last application did not see, however
 * late they committed (see versioning/net_changes.c); of anything else all rows are read again, which gives the same result.
 * One SELECT over these rows computes the sequence and the conditions with the owner's rights; each row of it is then taken
 * apart here.  Where invalid events are set aside, rows are decoded in batches inside a subtransaction, and one by one in a
 * batch that had an error.
 */
#include "pipeline/cdc_read_int.h"
#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
#include "base/progress.h"

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
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* ---- batches --------------------------------------------------------------------------------------------------------------- */

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
	else if (strcmp(list_nth(events->new_types, at), type) != 0 && get_attnum(reader->flow->target, name) != InvalidAttrNumber)
	{
		if (mdl_type_name_is_wider(type, list_nth(events->new_types, at)))
			lfirst(list_nth_cell(events->new_types, at)) = pstrdup(type);
	}
	else if (strcmp(list_nth(events->new_types, at), type) != 0)
		lfirst(list_nth_cell(events->new_types, at)) = pstrdup("pg_catalog.text");
	MemoryContextSwitchTo(old);
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

/* Whether rules let an event pass; what they say of it goes for all that its row tells, such as the end of a key it had before. */
static bool
passes_rules(Reader *reader, int i)
{
	const FlowEvent *event = &reader->decoded[i];
	const FlowEvent *first = i > 0 && event[-1].row == event->row ? event - 1 : event;

	if (first->fate == EVENT_KEPT)
		return true;
	if (first != event)
		return false;
	if (event->fate == EVENT_SET_ASIDE)
		quarantine_row(reader, event->row, event->reason);
	else
	{
		reader->events->dropped++;
		reader->events->skipped++;
	}
	return false;
}

/* Takes over what was decoded since. */
static void
keep_decoded(Reader *reader)
{
	ListCell   *name,
			   *type;

	if (reader->rules)
		mdl_event_rules_judge(reader->rules, reader->shape, reader->decoded, reader->decoded_count);
	for (int i = 0; i < reader->decoded_count; i++)
		if (passes_rules(reader, i))
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

typedef struct Part
{
	Reader	   *reader;
	int			first;
	int			count;
} Part;

static void
decode_part(void *argument)
{
	Part	   *part = argument;

	for (int i = part->first; i < part->first + part->count; i++)
		mdl_decode_row(part->reader, &part->reader->batch[i]);
}

/* Runs a part of the batch inside a subtransaction; false, with *reason, if it had an error. */
static bool
decode_guarded(Reader *reader, int first, int count, char **reason)
{
	ErrorData  *error;

	forget_decoded(reader);
	error = mdl_guarded(decode_part, &(Part) {reader, first, count});
	reader->current = NULL;
	if (error != NULL)
		*reason = error->message;
	else
		keep_decoded(reader);
	return error == NULL;
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
			mdl_decode_row(reader, &reader->batch[i]);
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
		return mdl_flow_last_logged(flow, snapshot) == 0 ? "first application" : "what was read before is not known";
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

	reader->dest = mdl_row_receiver(reader_receive);
	reader->dest.rStartup = reader_startup;
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
	reader->rules = mdl_event_rules_begin(flow);
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
	code = SPI_execute_extended(mdl_flow_select(reader->flow, from, reader->flow->quarantines || reader->rules), &options);
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
	if (events->new_names == NIL && reader->rules)
		events->judged = mdl_event_rules_end(reader->rules);
	if (events->new_names == NIL)
		write_quarantine(reader, what, snapshot);
	tuplestore_end(reader->invalid);
	MemoryContextDelete(reader->batch_context);
	applied->events = events->read;
	applied->skipped = events->skipped;
	applied->quarantined = events->quarantined;
	applied->dropped = events->dropped;
	applied->judged = events->judged;
	return events;
}
