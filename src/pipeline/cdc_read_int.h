/*
 * cdc_read_int.h: what reading a source (cdc_read.c) and taking its rows apart (cdc_event.c) share.
 */
#ifndef MDL_CDC_READ_INT_H
#define MDL_CDC_READ_INT_H

#include "pipeline/cdc_int.h"

#include "tcop/dest.h"
#include "utils/tuplestore.h"

#define BATCH_ROWS 1000

/* A row of mdl_flow_select: payload or values, sequence, is delete, is truncate, the row itself or NULL. */
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
	bool		key_grows;		/* a key of the event does not fit its column, which is to have a wider type */
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
	EventRules *rules;			/* NULL: none */
} Reader;

/* Makes the events that a row of the source tells: reader->decoded; raises what is wrong with it. */
extern void mdl_decode_row(Reader *reader, const SourceRow *row);

#endif							/* MDL_CDC_READ_INT_H */
