/*
 * cdc_int.h: what the files of change data capture (apply_changes) share.
 *
 * Words: a *flow* turns a stream of *events*, rows of a source, into a target table: the newest state of each key (type 1)
 * or all its versions (type 2).  An event is an *upsert*, a *delete* or a *truncate*, has a *sequence*, and tells the
 * values of some columns; a column it does not tell is *missing* in it (a TOAST placeholder, a field that is not there).
 * A snapshot read is weaker than another event of the same sequence: its *rank* is 0, else 1.
 *
 * The result depends on the set of events alone, not on the order they come in nor on how they are cut into batches: it is
 * what applying them one after the other by their sequence would make.  For that a flow has a *state*, a table in schema
 * medallion_changes with a row per event that may still matter.  Type 1 keeps, per key, the newest delete and the upserts of
 * which some column has its value, and for which columns; the values are those of the target.  Type 2 keeps all events.
 */
#ifndef MDL_CDC_INT_H
#define MDL_CDC_INT_H

#include "pipeline/definition_int.h"
#include "pipeline/refresh_int.h"
#include "pipeline/result_int.h"
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
	Oid			source;			/* InvalidOid: it was dropped */
	Oid			state;
	Oid			quarantine;		/* InvalidOid: none yet */
	Jsonb	   *declaration;	/* the arguments that were given, by name; what follows up to settings is told by it */
	FlowFormat	format;
	char	   *payload;		/* column with the event; NULL for FLOW_COLUMNS */
	char	   *source_table;	/* events of other tables are skipped; NULL: all are meant */
	char	  **keys;
	int			key_count;
	char	   *sequence_by;	/* expression; NULL: what the format has */
	char	   *deletes;		/* conditions; NULL: none */
	char	   *truncates;
	bool		ignore_nulls;
	bool		chosen;			/* the columns were chosen: other fields are of no interest */
	char	  **except;			/* fields of no interest */
	int			except_count;
	char	  **tracked;		/* type 2: a change of another column makes no version; NULL: all are tracked */
	int			tracked_count;
	char	  **untracked;
	int			untracked_count;
	int			scd_type;
	NewField	new_field;
	bool		quarantines;	/* invalid events are set aside, else an error */
	Decoding	decoding;
	char	  **columns;		/* of the target that events tell: keys first, then in the order they became known */
	int			column_count;
	char	  **settings;		/* name=value, under which expressions mean what they meant */
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
	bool		fixed;			/* a key whose equal values are the same */
} FlowColumn;

/* What work on a flow needs to know of its tables; lives in the current context of mdl_flow_shape. */
typedef struct FlowShape
{
	const Flow *flow;
	FlowColumn *columns;		/* (flow->column_count) */
	FlowColumn	sequence;
	FmgrInfo	compare;		/* of the sequence's type */
	Oid		   *key_operators;	/* (key_count) equality, as the primary key has it */
	FmgrInfo   *key_equal;		/* (key_count) */
	TupleDesc	events;			/* values c1 …, _sequence, _rank, _kind, _width, _missing */
} FlowShape;

/* Attributes of FlowShape.events behind the values. */
enum
{
	EVENT_SEQUENCE,
	EVENT_RANK,
	EVENT_KIND,
	EVENT_WIDTH,				/* columns that were known when the event was read */
	EVENT_MISSING,				/* numbers of those that it does not tell, from 1, negative: left out; NULL: none */
	EVENT_EXTRAS
};

#define EVENT_UPSERT	'u'
#define EVENT_DELETE	'd'
#define EVENT_TRUNCATE	't'
#define EVENT_LOST		'-'		/* of the state: its values were deleted from the target by hand */

/* What rules say about an event. */
typedef enum EventFate
{
	EVENT_KEPT,
	EVENT_LEFT_OUT,
	EVENT_SET_ASIDE
} EventFate;

typedef struct FlowEvent
{
	char		kind;
	int16		rank;
	Datum		sequence;
	Datum	   *values;			/* (column_count); of a delete only the keys */
	bool	   *nulls;
	bool	   *missing;
	bool	   *awaited;		/* missing, and a placeholder stands for it */
	const struct SourceRow *row;	/* that tells it */
	EventFate	fate;
	char	   *reason;			/* of what is set aside */
} FlowEvent;

/* What one application did. */
typedef struct Applied
{
	const char *mode;
	const char *reason;
	int64		events;			/* rows of the source that were looked at */
	int64		skipped;		/* that are no events of the table: tombstones, messages, other tables */
	int64		repeated;		/* known before, or twice among the new */
	int64		late;			/* older than one of the key that was known before */
	int64		unresolved;		/* rows with a value that only an event not yet seen can tell */
	int64		quarantined;
	int64		dropped;		/* by rules; among skipped, too */
	DerivedResult *judged;		/* what rules found; NULL: there are none */
	Published	published;
	double		seconds;
} Applied;

/* ---- cdc_catalog.c: medallion._flows and its companions --------------------------------------------------------- */

extern Flow *mdl_flow_find(Oid target); /* NULL if there is none */
extern int64 mdl_flow_next_id(void);
extern void mdl_flow_add(const Flow *flow);
extern void mdl_flow_change(const Flow *flow);	/* source, columns, state, quarantine */
extern void mdl_flow_remove(Oid target);	/* the record; the tables stay */
extern void mdl_flow_take_declaration(Flow *flow);	/* fills in what declaration says, checked */
extern bool mdl_flow_seen_read(const Flow *flow, MdlSeen *seen);

/* `settled`: what mdl_settled_version returned before the snapshot was taken. */
extern void mdl_flow_seen_write(const Flow *flow, Snapshot snapshot, int64 settled);
extern void mdl_flow_seen_forget(const Flow *flow);
/* Whether there was nothing new; such runs are one record while they follow each other. */
extern bool mdl_applied_nothing(const Applied *applied);
extern void mdl_flow_log(const Flow *flow, const Applied *applied, TimestampTz started);
extern int64 mdl_flow_last_logged(const Flow *flow, Snapshot snapshot);

/* ---- cdc_declare.c: what a flow must be ------------------------------------------------------------------------------- */

/* Checks a new flow whose arguments are filled in, makes the target if there is none, and makes the state. */
extern void mdl_flow_declare(Flow *flow, const char *target, char **column_list, int column_list_count);

/* The type that the sequence must have now, by name; NULL if that is the one it has.  As the owner. */
extern const char *mdl_flow_sequence_outgrown(const Flow *flow);

/* Raises what is wrong with the arguments alone. */
extern void mdl_flow_check(const Flow *flow);

/* The SELECT that reads events of a flow from `from`: payload or values, sequence, is delete, is truncate, the row itself if asked for. */
extern char *mdl_flow_select(const Flow *flow, const char *from, bool with_row);

/* ---- cdc_tables.c: target, state and quarantine ----------------------------------------------------------------------- */

/* Whether a column of a target may have the name of a field. */
extern bool mdl_is_column_name(const char *name);
extern FlowShape *mdl_flow_shape(const Flow *flow);
extern void mdl_flow_create_target(const Flow *flow, const char *schema, const char *relation, List *types, const char *sequence_type);
extern void mdl_flow_create_state(Flow *flow, const char *sequence_type);
extern void mdl_flow_follow(const Flow *flow);	/* owner and types of the state */
extern void mdl_flow_retype_sequence(const Flow *flow, const char *type);

/* Adds columns, and gives others, that the flow has already, another type; lists of char *. */
extern void mdl_flow_add_columns(Flow *flow, List *names, List *types);
extern void mdl_flow_quarantine_ensure(Flow *flow);

/* "l.a = r.b AND …" over the keys; columns of a side are numbered (c1 …) or by name. */
extern char *mdl_flow_key_condition(const FlowShape *shape, const char *left, bool left_numbered, const char *right);

/* What mdl_enter_owner_world and mdl_key_columns want of a flow. */
extern DerivedTable *mdl_flow_as_table(const Flow *flow);

/* ---- cdc_read.c: from rows of the source to events --------------------------------------------------------------- */

typedef struct Events
{
	Tuplestorestate *rows;		/* upserts and deletes, of FlowShape.events */
	int64		count;
	List	   *truncates;		/* of Datum *: sequences */
	List	   *new_names;		/* fields that no column takes, if they are to be added, or not with their type */
	List	   *new_types;
	int64		read;
	int64		skipped;
	int64		quarantined;
	int64		dropped;
	DerivedResult *judged;
} Events;

typedef enum ReadWhat
{
	READ_NEW,
	READ_ALL,
	READ_QUARANTINE				/* what was set aside, which is taken out of there */
} ReadWhat;

/* cdc_apply.c: one application to a target that has a flow and that the current user owns, in an open SPI connection. */
extern Applied mdl_flow_apply(Oid target, ReadWhat what);

/* Applies what was set aside once more, and logs it. */
extern Applied mdl_flow_retry(Oid target);

/* Sets applied->mode, reason and counts.  Runs as the owner of the target. */
extern Events *mdl_flow_read(Flow *flow, FlowShape *shape, ReadWhat what, Snapshot snapshot, Applied *applied);

/* ---- cdc_rules.c ------------------------------------------------------------------------------------------------------ */

typedef struct EventRules EventRules;

/* The rules for rows of a target; NULL if it has none.  As its owner, like the rest. */
extern EventRules *mdl_event_rules_begin(const Flow *flow);

/* Counts what a batch violates, and sets the fate of its events. */
extern void mdl_event_rules_judge(EventRules *rules, const FlowShape *shape, FlowEvent *events, int count);

/* What they found; raises if a rule that says fail is violated. */
extern DerivedResult *mdl_event_rules_end(EventRules *rules);

/* Judges the target by its rules about it as a whole. */
extern void mdl_flow_judge(Oid target, const Outcome *outcome, Snapshot snapshot);

/* ---- cdc_sample.c ----------------------------------------------------------------------------------------------------- */

/* Fields of the first events of a source, with a type each, in the order met: for a target that is not there yet. */
extern void mdl_flow_sample_fields(const Flow *flow, List **names, List **types);

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

/* Raises that an event is not what it should be: "event <what>". */
extern void mdl_event_invalid(const char *what) pg_attribute_noreturn();

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

/* ---- cdc_widen.c ------------------------------------------------------------------------------------------------------ */

/* The type a column must have to take values of a given type too; NULL if that is no matter of width, or it does already. */
extern const char *mdl_wider_type(Oid type, int32 typmod, Oid given, int32 given_typmod);

/* The type a column must have to take a value that it cannot; NULL as above. */
extern const char *mdl_type_for_value(const FlowColumn *column, const JsonbValue *value);
extern bool mdl_type_name_is_wider(const char *name, const char *than);

/* ---- cdc_merge.c: events and state into changes ---------------------------------------------------------------------- */

/* Merges events into state and target, under the owner's world. */
extern void mdl_flow_merge(const FlowShape *shape, Events *events, Snapshot snapshot, Applied *applied);

/* ---- cdc_fold.c: one key ------------------------------------------------------------------------------------------------ */

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
	Datum		sequence;		/* of a version: its start; of a type 1 target row: none */
	bool		oldest;			/* it has none */
	Datum		end;
	bool		end_null;
	Datum	   *values;			/* (column_count) */
	bool	   *nulls;
	bool	   *told;			/* (column_count) by it; of type 1 state: that value is its */
	bool	   *awaited;		/* (column_count) of a new event: it stands for a value that is not known; else NULL */
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
				state_placed;	/* _place, those of FlowShape.events */
	const FlowShape *shape;
	Datum	   *truncates;		/* ascending */
	int			truncate_count;
	Applied    *applied;
} MergeOutput;

/* Merges what is known of one key, in any order. */
extern void mdl_merge_key(MergeOutput *output, MergeRow *rows, int count);

/* cdc_order.c */
extern int	mdl_compare_sequences(const FlowShape *shape, Datum a, Datum b);
extern int	mdl_compare_events(const FlowShape *shape, const MergeRow *a, const MergeRow *b);
extern void mdl_sort_events(const FlowShape *shape, MergeRow *rows, int count);
extern bool mdl_same_value(const FlowColumn *column, Datum a, bool a_null, Datum b, bool b_null);
extern bool mdl_same_event(const FlowShape *shape, const MergeRow *a, const MergeRow *b);

/* ---- cdc_write.c ------------------------------------------------------------------------------------------------------- */

/* Note a row in one of the stores of `output`; its place may be NULL. */
extern void mdl_put_target(MergeOutput *output, Tuplestorestate *rows, ItemPointer place, const MergeRow *row);
extern void mdl_put_state(MergeOutput *output, Tuplestorestate *rows, ItemPointer place, const MergeRow *row);

/* Writes what was collected, and counts it. */
extern void mdl_merge_write(MergeOutput *output, Snapshot snapshot);

/* Sets a planner setting until the caller's nest level ends. */
extern void mdl_plan_setting(const char *name, const char *value);

#endif							/* MDL_CDC_INT_H */
