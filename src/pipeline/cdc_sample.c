/*
 * cdc_sample.c: which columns a table that is not there yet is to have, as the first events of its source tell.
 */
#include "pipeline/cdc_int.h"
#include "pipeline/result_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define SAMPLE_ROWS 1000

typedef struct Sample
{
	const Flow *flow;
	List	   *names;
	List	   *types;			/* NULL: not known yet */
	Datum		payload;		/* of the event being looked at */
	Oid			payload_type;
} Sample;

static void
sample_event(void *argument)
{
	Sample	   *sample = argument;
	Datum		payload = sample->payload;
	Oid			type = sample->payload_type;
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

		if (!mdl_is_column_name(field->name))
			continue;			/* applying it tells */
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
	ListCell   *cell;

	for (uint64 i = 0; i < rows; i++)
	{
		bool		is_null;
		Datum		payload = SPI_getbinval(found->vals[i], found->tupdesc, 1, &is_null);

		if (is_null)
			continue;
		sample.payload = payload;
		sample.payload_type = SPI_gettypeid(found->tupdesc, 1);
		mdl_guarded(sample_event, &sample);	/* applying an event tells what is wrong with it */
	}
	foreach(cell, sample.types)
		if (lfirst(cell) == NULL)
			lfirst(cell) = "pg_catalog.text";
	*names = sample.names;
	*types = sample.types;
}
