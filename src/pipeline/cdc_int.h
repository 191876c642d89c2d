/*
 * cdc_int.h: what the files of change data capture (apply_changes) share.
 *
 * Words: a *flow* turns a stream of *events*, rows of a source, into a target table: the newest state of each key (type 1)
 * or all its versions (type 2).  An event is an *upsert*, a *delete* or a *truncate*, has a *sequence*, and tells the
 * values of some columns; a column it does not tell is *missing* in it (a TOAST placeholder, a field that is not there).
 * A snapshot read is weaker than another event of the same sequence: its *rank* is 0, else 1.
 *
 * The result depends on the set of events alone, not on their order nor on how they are cut into batches.  Type 1: an
 * upsert counts if it is newer than the newest delete of its key and the newest truncate; each column has the value told by
 * the newest upsert that counts and tells it.  Type 2: what applying the events one after the other would have made.
 * For that a flow has a *state*, a table in schema medallion_cdc.
 */
#ifndef MDL_CDC_INT_H
#define MDL_CDC_INT_H

#include "pipeline/pipeline_int.h"
#include "versioning/versioning.h"

#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/typcache.h"

#define MDL_START_COLUMN	"__START_AT"
#define MDL_END_COLUMN		"__END_AT"
#define MDL_RESCUED_COLUMN	"_rescued"

typedef enum FlowFormat
{
	FLOW_COLUMNS,				/* values are columns of the source */
	FLOW_DEBEZIUM,				/* envelope or flattened, in one column */
	FLOW_WAL2JSON				/* format version 2, in one column */
} FlowFormat;

typedef enum NewField
{
	NEW_FIELD_FAIL,
	NEW_FIELD_APPEND,
	NEW_FIELD_RESCUE
} NewField;

/* How values are written where an event carries no schema. */
typedef struct Decoding
{
	char	   *placeholder;	/* stands for a value that is not known */
	char	   *placeholder_base64;
	char	   *placeholder_hex;
	char	   *placeholder_uuid;
	bool		decimals_base64;	/* else text */
	bool		binary_hex;		/* else base64 */
	int			time_unit;		/* 0: by the precision of the column, else units per second */
} Decoding;

typedef struct Flow
{
	int64		id;
	Oid			target;
	Oid			source;
	Oid			state;
	Oid			quarantine;		/* InvalidOid: none yet */
	FlowFormat	format;
	char	   *payload;		/* column with the event; NULL for FLOW_COLUMNS */
	char	   *source_table;	/* events of other tables are skipped; NULL: all are meant */
	char	  **keys;
	int			key_count;
	char	   *sequence_by;	/* expression; NULL: what the format has */
	Oid			sequence_type;
	char	   *deletes;		/* conditions; NULL: none */
	char	   *truncates;
	bool		ignore_nulls;
	char	  **columns;		/* of the target that events tell: keys first, then in the order they became known */
	int			column_count;
	bool		chosen;			/* the columns were chosen: other fields are of no interest */
	char	  **except;			/* fields of no interest */
	int			except_count;
	char	  **tracked;		/* type 2: a change of another column makes no version */
	int			tracked_count;
	int			scd_type;
	NewField	new_field;
	bool		quarantines;	/* invalid events are set aside, else an error */
	Interval   *tombstone_retention;	/* NULL: for ever */
	Jsonb	   *decoding_given;
	Decoding	decoding;
	char	  **settings;
	int			setting_count;
} Flow;

/* A column of the target, as conversion and comparison need it. */
typedef struct FlowColumn
{
	const char *name;
	AttrNumber	attno;			/* in the target */
	Oid			type;
	int32		typmod;
	Oid			collation;
	int16		length;
	bool		by_value;
	Oid			input_argument;
	FmgrInfo	input;
	Oid			base_type;		/* below a domain */
	bool		tracked;
} FlowColumn;

/* What work on a flow needs to know of its tables; lives in the current context of mdl_flow_shape. */
typedef struct FlowShape
{
	const Flow *flow;
	FlowColumn *columns;		/* (flow->column_count) */
	FlowColumn	sequence;
	FmgrInfo	compare;		/* of the sequence's type */
	FmgrInfo   *key_equal;		/* (key_count) */
	TupleDesc	events;			/* values c1 …, _seq, _rank, _kind, _width, _columns */
} FlowShape;

/* Attributes of FlowShape.events behind the values. */
enum
{
	EVENT_SEQUENCE,
	EVENT_RANK,
	EVENT_KIND,
	EVENT_WIDTH,
	EVENT_MISSING,
	EVENT_EXTRAS
};

#define EVENT_UPSERT	'u'
#define EVENT_DELETE	'd'
#define EVENT_TRUNCATE	't'

typedef struct FlowEvent
{
	char		kind;
	int16		rank;
	Datum		sequence;
	Datum	   *values;			/* (column_count); of a delete only the keys */
	bool	   *nulls;
	bool	   *missing;
} FlowEvent;

/* What one application did. */
typedef struct Applied
{
	const char *mode;
	const char *reason;
	int64		events;			/* rows of the source that were looked at */
	int64		skipped;		/* that are no events of the table: tombstones, messages, other tables */
	int64		ignored;		/* late or repeated: without effect */
	int64		unresolved;		/* rows with a value that only an event not yet seen can tell */
	int64		quarantined;
	int64		version;
	Published	published;
	double		seconds;
} Applied;

/* ---- cdc_catalog.c: medallion._flows and its companions --------------------------------------------------------- */

extern Flow *mdl_flow_find(Oid target); /* NULL if there is none */
extern List *mdl_flows(void);			/* of Flow */
extern void mdl_flow_add(Flow *flow);	/* sets the id */
extern void mdl_flow_change(const Flow *flow);	/* columns, quarantine */
extern void mdl_flow_remove(const Flow *flow);	/* and its state */
extern bool mdl_flow_seen_read(const Flow *flow, MdlSeen *seen);
extern void mdl_flow_seen_write(const Flow *flow, Snapshot snapshot);
extern void mdl_flow_log(const Flow *flow, const Applied *applied, TimestampTz started);
extern const char *mdl_flow_format_name(FlowFormat format);
extern const char *mdl_flow_new_field_name(NewField new_field);
extern void mdl_flow_read_decoding(Flow *flow); /* decoding_given, checked */

/* ---- cdc_declare.c: what a flow must be; its tables ----------------------------------------------------------------- */

/* Checks a new flow whose arguments are filled in, makes or takes over the target, and makes the state. */
extern void mdl_flow_declare(Flow *flow, const char *target, const char *const *column_list, int column_list_count);
extern FlowShape *mdl_flow_shape(const Flow *flow);
extern void mdl_flow_add_columns(Flow *flow, List *names, List *types); /* new fields; of char * */
extern void mdl_flow_quarantine_ensure(Flow *flow);

/* The SELECT that reads events of a flow from `from`: payload or values, sequence, is delete, is truncate. */
extern char *mdl_flow_select(const Flow *flow, const char *from);

/* "a = b AND …" over the keys, "$p.c1" and so on; names of the left side by `names` or numbered if NULL. */
extern char *mdl_flow_key_condition(const FlowShape *shape, const char *left, bool left_numbered, const char *right);

/* ---- cdc_read.c: from rows of the source to events --------------------------------------------------------------- */

typedef struct Events
{
	Tuplestorestate *rows;		/* upserts and deletes, of FlowShape.events */
	int64		count;
	List	   *truncates;		/* of Datum *: sequences */
	List	   *new_names;		/* fields that no column takes, if they are to be added */
	List	   *new_types;
	int64		read;
	int64		skipped;
	int64		quarantined;
} Events;

/* Reads what is new, or all: sets applied->mode, reason and counts.  Runs as the owner of the target. */
extern Events *mdl_flow_read(Flow *flow, FlowShape *shape, Oid source, bool all, Snapshot snapshot, Applied *applied);

/* ---- cdc_decode.c: events in JSON ----------------------------------------------------------------------------------- */

/* A field of a row image as an event has it. */
typedef struct EventField
{
	char	   *name;
	JsonbValue	value;
	JsonbContainer *schema;		/* of Kafka Connect: type, name, parameters …; NULL: none */
	char	   *sql_type;		/* as wal2json tells it; NULL: none */
} EventField;

typedef struct Envelope
{
	char		kind;			/* 0: nothing that concerns the table */
	bool		is_snapshot;
	bool		has_sequence;
	JsonbValue	sequence;		/* of the format itself */
	EventField *fields;			/* after, or for a delete what identifies the row */
	int			field_count;
	EventField *before;
	int			before_count;
} Envelope;

/* Takes an event apart; raises what is wrong with it. */
extern void mdl_event_open(const Flow *flow, Jsonb *event, Envelope *envelope);

/* The SQL type for a column made from a field; NULL if the value does not tell. */
extern const char *mdl_event_field_type(const Flow *flow, const EventField *field);

/* ---- cdc_value.c ------------------------------------------------------------------------------------------------------ */

/* A member of a JSON object that need not be one; and its text, NULL if it is not there or no text. */
extern bool mdl_json_member(JsonbContainer *object, const char *key, JsonbValue *value);
extern char *mdl_json_member_text(JsonbContainer *object, const char *key);

/* Whether the value stands for one that is not known, in any of the forms Debezium writes. */
extern bool mdl_is_placeholder(const Decoding *decoding, const JsonbValue *value);

/* The value of a field as one of the column; raises what is wrong with it. */
extern Datum mdl_field_value(const Flow *flow, FlowColumn *column, const EventField *field, bool *is_null);

/* ---- cdc_merge.c: events and state into changes ---------------------------------------------------------------------- */

/* Merges events into state and target, under the owner's world. */
extern void mdl_flow_merge(const FlowShape *shape, Events *events, Snapshot snapshot, Applied *applied);

/* ---- cdc_group.c: one key ------------------------------------------------------------------------------------------------ */

typedef enum RowOrigin
{
	FROM_TARGET,
	FROM_STATE,
	FROM_EVENTS
} RowOrigin;

typedef struct MergeRow
{
	RowOrigin	origin;
	char		kind;
	int16		rank;
	int16		width;			/* columns known when the event was read */
	Datum		sequence;		/* of a version: its start */
	bool		sequence_null;	/* of a type 1 target row */
	Datum		end;
	bool		end_null;
	Datum	   *values;			/* (column_count) */
	bool	   *nulls;
	bool	   *told;			/* (column_count) of an event: told by it; of type 1 state: that value is its */
	ItemPointerData place;
} MergeRow;

/* Where the changes of the tables are collected. */
typedef struct MergeOutput
{
	Tuplestorestate *target_deletes,
			   *target_updates,
			   *target_inserts,
			   *state_deletes,
			   *state_updates,
			   *state_inserts;
	TupleDesc	target_placed,	/* _place, values, and of type 2 start and end */
				state_placed;	/* _place, keys or values, _sequence, _rank, _kind, _width, _columns */
	const FlowShape *shape;
	Datum	   *truncates;		/* ascending; type 1: the newest alone */
	int			truncate_count;
	Applied    *applied;
} MergeOutput;

/* Merges what is known of one key; rows by ascending sequence, those of the target first. */
extern void mdl_merge_current(MergeOutput *output, MergeRow *rows, int count);
extern void mdl_merge_versions(MergeOutput *output, MergeRow *rows, int count);

/* What both use (cdc_group.c). */
extern int	mdl_compare_sequences(const FlowShape *shape, Datum a, Datum b);
extern int	mdl_compare_events(const FlowShape *shape, const MergeRow *a, const MergeRow *b);
extern bool mdl_same_value(const FlowColumn *column, Datum a, bool a_null, Datum b, bool b_null);
extern void mdl_raise_conflict(const FlowShape *shape, const MergeRow *row) pg_attribute_noreturn();
extern void mdl_put_target(MergeOutput *output, Tuplestorestate *rows, ItemPointer place, const MergeRow *row);
extern void mdl_put_state(MergeOutput *output, Tuplestorestate *rows, ItemPointer place, const MergeRow *row);

/* ---- apply_changes.c -------------------------------------------------------------------------------------------------------- */

extern Applied mdl_flow_apply(Flow *flow, Oid source, bool all);

#endif							/* MDL_CDC_INT_H */
