/*
 * event_reader.c: reads the events of the entities at hand and hands them, entity by entity, to window_agg.c.
 *
 * The source is read once, in whatever order the server likes best: no sort, no index needed.  Events of other entities,
 * or outside every window of their own entity's label rows, are dropped as they come; the rest is kept in memory and
 * grouped by counting.  When that would take more than medallion.feature_mem, half of the entities (by hash) is put
 * off to another pass over the source, and so on, so that memory is bounded and only reading is repeated.  Values do not
 * depend on the number of passes.
 */
#include "feature/feature_int.h"

#include "access/htup_details.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define BLOCK_EVENTS 4096

typedef struct EventReader
{
	DestReceiver receiver;		/* must be first */
	const MdlWindowPlan *plan;
	MdlEntityTable *entities;
	Oid		   *key_types;		/* of the source's entity columns */
	int64	   *first_time;		/* per entity: of its label rows */
	int64	   *last_time;
	bool		bounded;		/* events older than `back` before the first label row do not count */
	int64		back;

	uint32		modulus;		/* this pass: entities whose hash % modulus == remainder */
	uint32		remainder;
	List	   *put_off;		/* of Pass, still to do */

	MemoryContext context;		/* blocks and lists, for the whole call */
	MemoryContext values;		/* what events point to, for one pass */
	MemoryContext scratch;		/* for a few rows */
	Size		value_bytes;	/* in `values` */
	bool	   *by_value;		/* per column */
	Size		event_size;
	char	  **blocks;			/* of BLOCK_EVENTS events each */
	int			block_count;
	int64		count;			/* events kept in this pass */
	int64		seen;
} EventReader;

typedef struct Pass
{
	uint32		modulus;
	uint32		remainder;
} Pass;

static inline MdlEvent *
event_at(const EventReader *reader, int64 place)
{
	return (MdlEvent *) (reader->blocks[place / BLOCK_EVENTS] + (place % BLOCK_EVENTS) * reader->event_size);
}

static inline bool
in_pass(const EventReader *reader, uint32 entity)
{
	return mdl_entity_hash(reader->entities, entity) % reader->modulus == reader->remainder;
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

static Size
memory_used(const EventReader *reader)
{
	/* Each event also gets a pointer when it is grouped. */
	return (Size) reader->count * (reader->event_size + sizeof(MdlEvent *)) + reader->value_bytes;
}

static void
free_values(EventReader *reader, MdlEvent *event)
{
	const MdlWindowPlan *plan = reader->plan;

	for (int i = 0; i < plan->column_count; i++)
	{
		if (!((event->bits >> i) & 1) && !reader->by_value[i])
		{
			reader->value_bytes -= GetMemoryChunkSpace(DatumGetPointer(event->values[i]));
			pfree(DatumGetPointer(event->values[i]));
		}
	}
}

/* Puts half of this pass's entities off to a later pass and forgets their events. */
static void
split_pass(EventReader *reader)
{
	MemoryContext saved = MemoryContextSwitchTo(reader->context);
	Pass	   *later = palloc(sizeof(Pass));
	int64		kept = 0;

	if (reader->modulus > (1U << 20))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("events of one entity of feature view \"%s\" do not fit into medallion.feature_mem",
						reader->plan->view->name),
				 errhint("Raise medallion.feature_mem, or give the features a window or the view a ttl.")));
	later->modulus = reader->modulus * 2;
	later->remainder = reader->remainder + reader->modulus;
	reader->put_off = lappend(reader->put_off, later);
	reader->modulus *= 2;
	for (int64 i = 0; i < reader->count; i++)
	{
		MdlEvent   *event = event_at(reader, i);

		if (!in_pass(reader, event->entity))
			free_values(reader, event);
		else if (kept++ < i)
			memcpy(event_at(reader, kept - 1), event, reader->event_size);
	}
	reader->count = kept;
	MemoryContextSwitchTo(saved);
}

static MdlEvent *
new_event(EventReader *reader)
{
	if (reader->count == (int64) reader->block_count * BLOCK_EVENTS)
	{
		MemoryContext saved = MemoryContextSwitchTo(reader->context);

		if (reader->blocks == NULL)
			reader->blocks = palloc(sizeof(char *) * 64);
		else if (reader->block_count >= 64 && (reader->block_count & (reader->block_count - 1)) == 0)
			reader->blocks = repalloc_huge(reader->blocks, sizeof(char *) * 2 * (Size) reader->block_count);
		reader->blocks[reader->block_count++] = palloc(reader->event_size * BLOCK_EVENTS);
		MemoryContextSwitchTo(saved);
	}
	return event_at(reader, reader->count++);
}

/* ---- receiving rows -------------------------------------------------------------------------------------------- */

/* A copy of a value in reader->values, flat; numbers with a full header, as the numeric functions want them. */
static Datum
keep_value(EventReader *reader, Datum value, int16 length, bool by_value, Oid type)
{
	MemoryContext saved;

	if (by_value)
		return value;
	saved = MemoryContextSwitchTo(reader->values);
	if (length != -1)
		value = datumCopy(value, by_value, length);
	else if (type == NUMERICOID)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
	{
		struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);

		value = (Pointer) packed == DatumGetPointer(value) ? datumCopy(value, by_value, length) : PointerGetDatum(packed);
	}
	MemoryContextSwitchTo(saved);
	reader->value_bytes += GetMemoryChunkSpace(DatumGetPointer(value));
	return value;
}

/* Whether some label row of the entity can see an event of this time. */
static inline bool
can_count(const EventReader *reader, int entity, int64 at)
{
	if (at >= mdl_time_before(reader->last_time[entity], reader->plan->delay))
		return false;
	return !reader->bounded || at >= mdl_time_before(reader->first_time[entity], reader->back);
}

static bool
receive_event(TupleTableSlot *slot, DestReceiver *self)
{
	EventReader *reader = (EventReader *) self;
	const MdlWindowPlan *plan = reader->plan;
	int			key_count = plan->view->entity_count;
	Datum		keys[INDEX_MAX_KEYS];
	int			entity;
	MdlEvent   *event;
	int			attribute;
	MemoryContext saved;

	slot_getallattrs(slot);
	if ((++reader->seen & 0xffff) == 0)
		mdl_progress_update(reader->seen);
	if ((reader->seen & 0xff) == 0)
		MemoryContextReset(reader->scratch);
	if (slot->tts_isnull[key_count])
		return true;
	for (int i = 0; i < key_count; i++)
		keys[i] = slot->tts_isnull[i] ? (Datum) 0 : mdl_entity_canonical(slot->tts_values[i], reader->key_types[i]);
	saved = MemoryContextSwitchTo(reader->scratch);
	entity = mdl_entity_lookup(reader->entities, keys, slot->tts_isnull, false);
	MemoryContextSwitchTo(saved);
	if (entity < 0 || (reader->modulus > 1 && !in_pass(reader, entity)) ||
		!can_count(reader, entity, DatumGetTimestampTz(slot->tts_values[key_count])))
		return true;

	event = new_event(reader);
	event->at = DatumGetTimestampTz(slot->tts_values[key_count]);
	event->entity = entity;
	event->bits = 0;
	attribute = key_count + 1;
	for (int i = 0; i < plan->column_count; i++, attribute++)
	{
		Form_pg_attribute described = TupleDescAttr(slot->tts_tupleDescriptor, attribute);

		if (slot->tts_isnull[attribute])
			event->bits |= UINT64CONST(1) << i;
		else
			event->values[i] = keep_value(reader, slot->tts_values[attribute], described->attlen, described->attbyval,
										  plan->column_types[i]);
	}
	for (int i = 0; i < plan->filter_count; i++, attribute++)
		if (!slot->tts_isnull[attribute] && DatumGetBool(slot->tts_values[attribute]))
			event->bits |= UINT64CONST(1) << (plan->column_count + i);
	if ((reader->count & 0xff) == 0 && memory_used(reader) > (Size) mdl_feature_mem * 1024)
		split_pass(reader);
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_end(DestReceiver *self)
{
}

/* ---- the source query ------------------------------------------------------------------------------------------ */

void
mdl_view_entity_types(const MdlFeatureView *view, Oid *types, Oid *canonical, Oid *collations)
{
	for (int i = 0; i < view->entity_count; i++)
	{
		AttrNumber	number = get_attnum(view->source, view->entity[i]);
		int32		typmod;

		get_atttypetypmodcoll(view->source, number, &types[i], &typmod, &collations[i]);
		types[i] = getBaseType(types[i]);
		canonical[i] = mdl_entity_canonical_type(types[i]);
	}
}

static char *
source_query(const MdlWindowPlan *plan, bool bounded, const char *condition)
{
	const MdlFeatureView *view = plan->view;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < view->entity_count; i++)
		appendStringInfo(&sql, "%s, ", quote_identifier(view->entity[i]));
	appendStringInfoString(&sql, quote_identifier(view->at));
	for (int i = 0; i < plan->column_count; i++)
		appendStringInfo(&sql, ", %s", quote_identifier(plan->column_names[i]));
	for (int i = 0; i < plan->filter_count; i++)
		appendStringInfo(&sql, ", (%s)", plan->filters[i]);
	appendStringInfo(&sql, "\nFROM %s\nWHERE %s OPERATOR(pg_catalog.<) $1", mdl_qualified_name(view->source),
					 quote_identifier(view->at));
	if (bounded)
		appendStringInfo(&sql, " AND %s OPERATOR(pg_catalog.>=) $2", quote_identifier(view->at));
	if (condition != NULL)
		appendStringInfo(&sql, " AND %s", condition);
	return sql.data;
}

static ParamListInfo
make_parameters(int64 upper, int64 lower, const MdlArgs *args)
{
	int			extra = args ? args->count : 0;
	ParamListInfo list = makeParamList(2 + extra);

	for (int i = 0; i < 2 + extra; i++)
	{
		ParamExternData *parameter = &list->params[i];

		parameter->pflags = PARAM_FLAG_CONST;
		parameter->ptype = i < 2 ? TIMESTAMPTZOID : args->types[i - 2];
		parameter->isnull = i < 2 ? false : args->nulls[i - 2] == 'n';
		parameter->value = i == 0 ? TimestampTzGetDatum(upper) : i == 1 ? TimestampTzGetDatum(lower) : args->values[i - 2];
	}
	return list;
}

/* ---- label rows by entity ------------------------------------------------------------------------------------- */

typedef struct LabelGroups
{
	int64	   *start;			/* (entities + 2): where each entity's label rows begin; the last is of rows of none */
	MdlLabel   *labels;			/* by entity, then time */
} LabelGroups;

static int
compare_labels(const void *a, const void *b)
{
	const MdlLabel *left = a;
	const MdlLabel *right = b;

	return left->time < right->time ? -1 : left->time > right->time;
}

static void *
huge(Size count, Size size)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, Max(count, 1) * size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static void
group_labels(LabelGroups *groups, int entity_count, const int32 *entity_of, const int64 *times, int64 row_count)
{
	int64	   *next;

	groups->start = huge((Size) entity_count + 2, sizeof(int64));
	groups->labels = huge(row_count, sizeof(MdlLabel));
	for (int64 i = 0; i < row_count; i++)
		groups->start[(entity_of[i] < 0 ? entity_count : entity_of[i]) + 1]++;
	for (int i = 0; i <= entity_count; i++)
		groups->start[i + 1] += groups->start[i];
	next = huge((Size) entity_count + 1, sizeof(int64));
	memcpy(next, groups->start, sizeof(int64) * ((Size) entity_count + 1));
	for (int64 i = 0; i < row_count; i++)
	{
		MdlLabel   *label = &groups->labels[next[entity_of[i] < 0 ? entity_count : entity_of[i]]++];

		label->time = times[i];
		label->row = i;
	}
	pfree(next);
	for (int i = 0; i < entity_count; i++)
		qsort(&groups->labels[groups->start[i]], groups->start[i + 1] - groups->start[i], sizeof(MdlLabel), compare_labels);
}

/* ---- passes ---------------------------------------------------------------------------------------------------- */

/* Hands the events of this pass to the sweep, entity by entity. */
static void
sweep_pass(EventReader *reader, MdlWindowState *state, const LabelGroups *groups)
{
	int			entity_count = mdl_entity_count(reader->entities);
	int64	   *start = huge((Size) entity_count + 1, sizeof(int64));
	MdlEvent  **events = huge(reader->count, sizeof(MdlEvent *));
	int64		begin = 0;

	for (int64 i = 0; i < reader->count; i++)
		start[event_at(reader, i)->entity + 1]++;
	for (int i = 0; i < entity_count; i++)
		start[i + 1] += start[i];
	for (int64 i = 0; i < reader->count; i++)
	{
		MdlEvent   *event = event_at(reader, i);

		events[start[event->entity]++] = event;
	}
	/* start[e] is now where e's events end. */
	for (int i = 0; i < entity_count; i++)
	{
		if (in_pass(reader, i))
			mdl_window_entity(state, events + begin, start[i] - begin, &groups->labels[groups->start[i]],
							  groups->start[i + 1] - groups->start[i]);
		begin = start[i];
	}
	pfree(start);
	pfree(events);
}

static void
run_pass(EventReader *reader, const char *sql, ParamListInfo parameters)
{
	SPIExecuteOptions options = {
		.params = parameters,
		.read_only = true,
		.dest = &reader->receiver,
	};
	int			code;

	reader->count = 0;
	reader->seen = 0;
	reader->value_bytes = 0;
	mdl_progress_phase(psprintf("events of %s", reader->plan->view->name), -1);
	code = SPI_execute_extended(sql, &options);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "SPI could not run \"%s\": %s", sql, SPI_result_code_string(code));
}

/* What no window of the view can see: the longest way back, if every feature has one. */
static void
find_reach(EventReader *reader)
{
	const MdlFeatureView *view = reader->plan->view;

	reader->bounded = true;
	for (int i = 0; i < view->feature_count && reader->bounded; i++)
	{
		int64		back;

		reader->bounded = mdl_feature_back(view, &view->features[i], reader->plan->delay, &back);
		if (reader->bounded)
			reader->back = Max(reader->back, back);
	}
}

/* First and last label time per entity; overall in *first and *last. */
static void
find_times(EventReader *reader, const LabelGroups *groups, int64 *first, int64 *last)
{
	int			entity_count = mdl_entity_count(reader->entities);

	reader->first_time = huge(entity_count, sizeof(int64));
	reader->last_time = huge(entity_count, sizeof(int64));
	*first = PG_INT64_MAX;
	*last = PG_INT64_MIN;
	for (int i = 0; i < entity_count; i++)
	{
		if (groups->start[i] == groups->start[i + 1])
		{
			reader->last_time[i] = PG_INT64_MIN;
			continue;
		}
		reader->first_time[i] = groups->labels[groups->start[i]].time;
		reader->last_time[i] = groups->labels[groups->start[i + 1] - 1].time;
		*first = Min(*first, reader->first_time[i]);
		*last = Max(*last, reader->last_time[i]);
	}
}

static void
init_reader(EventReader *reader, const MdlWindowPlan *plan, MdlEntityTable *entities)
{
	Oid			canonical[INDEX_MAX_KEYS],
				collations[INDEX_MAX_KEYS];

	memset(reader, 0, sizeof(*reader));
	reader->receiver.receiveSlot = receive_event;
	reader->receiver.rStartup = receiver_startup;
	reader->receiver.rShutdown = receiver_end;
	reader->receiver.rDestroy = receiver_end;
	reader->receiver.mydest = DestTuplestore;	/* any but DestNone, which would discard */
	reader->plan = plan;
	reader->entities = entities;
	reader->key_types = palloc(sizeof(Oid) * INDEX_MAX_KEYS);
	mdl_view_entity_types(plan->view, reader->key_types, canonical, collations);
	reader->context = CurrentMemoryContext;
	reader->values = AllocSetContextCreate(CurrentMemoryContext, "medallion event values", ALLOCSET_DEFAULT_SIZES);
	reader->scratch = AllocSetContextCreate(CurrentMemoryContext, "medallion event keys", ALLOCSET_SMALL_SIZES);
	reader->by_value = palloc(sizeof(bool) * (plan->column_count + 1));
	for (int i = 0; i < plan->column_count; i++)
		reader->by_value[i] = get_typbyval(plan->column_types[i]);
	reader->event_size = offsetof(MdlEvent, values) + sizeof(Datum) * plan->column_count;
	find_reach(reader);
}

MdlFeatureMatrix *
mdl_point_in_time(const MdlWindowPlan *plan, MdlEntityTable *entities, const int32 *entity_of,
				  const int64 *times, int64 row_count, const char *condition, const MdlArgs *args)
{
	MdlFeatureMatrix *matrix = palloc0(sizeof(MdlFeatureMatrix));
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "medallion point in time", ALLOCSET_DEFAULT_SIZES);
	int			entity_count = mdl_entity_count(entities);
	EventReader reader;
	LabelGroups groups;
	MdlWindowState *state;
	int64		first,
				last;
	Pass		initial = {.modulus = 1};

	matrix->rows = row_count;
	matrix->features = plan->view->feature_count;
	matrix->context = caller;
	matrix->values = huge(row_count * matrix->features, sizeof(Datum));
	matrix->nulls = huge(row_count * matrix->features, sizeof(bool));
	MemoryContextSwitchTo(work);
	init_reader(&reader, plan, entities);
	group_labels(&groups, entity_count, entity_of, times, row_count);
	find_times(&reader, &groups, &first, &last);
	state = mdl_window_begin(plan, matrix);

	/* Label rows of no entity have no events. */
	mdl_window_entity(state, NULL, 0, &groups.labels[groups.start[entity_count]],
					  groups.start[entity_count + 1] - groups.start[entity_count]);
	if (entity_count > 0)
	{
		char	   *sql = source_query(plan, reader.bounded, condition);
		ParamListInfo parameters = make_parameters(mdl_time_before(last, plan->delay),
												   mdl_time_before(first, reader.back), args);

		reader.put_off = list_make1(&initial);
		while (reader.put_off != NIL)
		{
			Pass	   *pass = llast(reader.put_off);

			reader.put_off = list_delete_last(reader.put_off);
			reader.modulus = pass->modulus;
			reader.remainder = pass->remainder;
			run_pass(&reader, sql, parameters);
			sweep_pass(&reader, state, &groups);
			MemoryContextReset(reader.values);
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return matrix;
}
