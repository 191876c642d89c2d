/*
 * window_agg.c: all features of one entity, for all its label rows, in one sweep over its events in order of time.
 *
 * Label rows ascend in time, so both ends of every window only move forward: each event enters and leaves each window
 * once, and the work is O(events log events + labels) per feature whatever the windows' lengths.  What a window knows of
 * its events is kept in window_value.c.
 */
#include "feature/window_int.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* ---- state ---------------------------------------------------------------------------------------------------- */

static void
column_init(Column *column, Oid type, Oid collation)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_LT_OPR);

	column->type = type;
	get_typlenbyval(type, &column->length, &column->by_value);
	column->number_class = type == NUMERICOID ? NUMBER_NUMERIC :
		type == FLOAT4OID || type == FLOAT8OID ? NUMBER_FLOAT : NUMBER_INTEGER;
	column->sortable = OidIsValid(entry->lt_opr);
	if (column->sortable)
	{
		column->sort.ssup_cxt = CurrentMemoryContext;
		column->sort.ssup_collation = collation;
		column->sort.ssup_nulls_first = true;
		PrepareSortSupportFromOrderingOp(entry->lt_opr, &column->sort);
	}
}

static int
find_stream(MdlWindowState *state, int column, int filter, bool keep_nulls)
{
	for (int i = 0; i < state->stream_count; i++)
		if (state->streams[i].column == column && state->streams[i].filter == filter &&
			state->streams[i].keep_nulls == keep_nulls)
			return i;
	state->streams[state->stream_count] = (Stream)
	{
		.column = column, .filter = filter, .keep_nulls = keep_nulls
	};
	return state->stream_count++;
}

MdlWindowState *
mdl_window_begin(const MdlWindowPlan *plan, MdlFeatureMatrix *matrix)
{
	MdlWindowState *state = palloc0(sizeof(MdlWindowState));
	int			feature_count = plan->view->feature_count;

	state->plan = plan;
	state->matrix = matrix;
	state->work = AllocSetContextCreate(CurrentMemoryContext, "medallion features of an entity", ALLOCSET_DEFAULT_SIZES);
	state->scratch = AllocSetContextCreate(CurrentMemoryContext, "medallion feature values", ALLOCSET_SMALL_SIZES);
	state->columns = palloc0(sizeof(Column) * (plan->column_count + 1));
	for (int i = 0; i < plan->column_count; i++)
		column_init(&state->columns[i], plan->column_types[i], plan->column_collations[i]);
	state->streams = palloc0(sizeof(Stream) * feature_count);
	state->feature_stream = palloc(sizeof(int) * feature_count);
	for (int i = 0; i < feature_count; i++)
	{
		MdlAggregate aggregate = plan->view->features[i].aggregate;

		state->feature_stream[i] = find_stream(state, plan->feature_column[i], plan->feature_filter[i],
											   aggregate == AGG_LAST || aggregate == AGG_FIRST);
	}
	return state;
}
/* ---- events of an entity -------------------------------------------------------------------------------------- */

int
mdl_compare_ties(const MdlWindowState *state, const MdlEvent *a, const MdlEvent *b)
{
	const MdlWindowPlan *plan = state->plan;

	for (int i = plan->first_tiebreak; i < plan->column_count; i++)
	{
		int			order = ApplySortComparator(a->values[i], (a->bits >> i) & 1, b->values[i], (b->bits >> i) & 1,
												&state->columns[i].sort);

		if (order != 0)
			return order;
	}
	return 0;
}

static int
compare_events(const void *a, const void *b, void *arg)
{
	const MdlEvent *left = *(MdlEvent *const *) a;
	const MdlEvent *right = *(MdlEvent *const *) b;

	if (left->at != right->at)
		return left->at < right->at ? -1 : 1;
	return mdl_compare_ties(arg, left, right);
}

static void
take_events(MdlWindowState *state, MdlEvent **events, int64 count)
{
	if (count > PG_INT32_MAX - 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("feature view \"%s\" has more than %d events of one entity", state->plan->view->name, PG_INT32_MAX - 1)));
	if (count > 1)
		qsort_arg(events, count, sizeof(MdlEvent *), compare_events, state);
	state->events = events;
	state->event_count = (int32) count;
	state->has_ties = false;
	for (int64 i = 1; i < count && !state->has_ties; i++)
		state->has_ties = events[i]->at == events[i - 1]->at;
}

static void
fill_stream(const MdlWindowState *state, Stream *stream)
{
	Size		room = Max(state->event_count, 1);
	uint64		wanted = stream->filter >= 0 ? UINT64CONST(1) << (state->plan->column_count + stream->filter) : 0;
	uint64		unwanted = stream->column >= 0 && !stream->keep_nulls ? UINT64CONST(1) << stream->column : 0;

	stream->at = palloc_extended(sizeof(int64) * room, MCXT_ALLOC_HUGE);
	stream->event = palloc_extended(sizeof(int32) * room, MCXT_ALLOC_HUGE);
	stream->integers = NULL;
	stream->numbers = NULL;
	stream->count = 0;
	for (int32 i = 0; i < state->event_count; i++)
	{
		const MdlEvent *event = state->events[i];

		if ((event->bits & wanted) != wanted || (event->bits & unwanted) != 0)
			continue;
		stream->at[stream->count] = event->at;
		stream->event[stream->count++] = i;
	}
}

static int64
integer_of(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case BOOLOID:
			return DatumGetBool(value) ? 1 : 0;
		default:
			return DatumGetInt64(value);
	}
}

static double
number_of(Datum value, Oid type)
{
	switch (type)
	{
		case FLOAT8OID:
			return DatumGetFloat8(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case NUMERICOID:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
		default:
			return (double) integer_of(value, type);
	}
}

void
mdl_stream_need_integers(const MdlWindowState *state, Stream *stream)
{
	bool		is_null;

	if (stream->integers != NULL)
		return;
	stream->integers = palloc_extended(sizeof(int64) * Max(stream->count, 1), MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < stream->count; i++)
		stream->integers[i] = integer_of(event_value(stream, state, i, &is_null), state->columns[stream->column].type);
}

void
mdl_stream_need_numbers(const MdlWindowState *state, Stream *stream)
{
	bool		is_null;

	if (stream->numbers != NULL)
		return;
	stream->numbers = palloc_extended(sizeof(double) * Max(stream->count, 1), MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < stream->count; i++)
		stream->numbers[i] = number_of(event_value(stream, state, i, &is_null), state->columns[stream->column].type);
}
/* ---- the sweep -------------------------------------------------------------------------------------------------- */

static void
store_value(Window *window, int number, int64 row)
{
	MdlFeatureMatrix *matrix = window->state->matrix;
	int64		place = row * matrix->features + number;
	bool		is_null;
	Datum		value = mdl_window_read(window, &is_null);

	if (is_null && window->feature->default_text != NULL)
	{
		value = window->feature->default_value;
		is_null = false;
	}
	else if (!is_null)
	{
		bool		by_value;
		int16		length;

		/* Nearly every feature is a number; look types up only for the others. */
		if (window->feature->type != INT8OID && window->feature->type != FLOAT8OID)
		{
			get_typlenbyval(window->feature->type, &length, &by_value);
			if (!by_value)
			{
				MemoryContext saved = MemoryContextSwitchTo(matrix->context);

				value = datumCopy(value, by_value, length);
				MemoryContextSwitchTo(saved);
			}
		}
	}
	matrix->values[place] = value;
	matrix->nulls[place] = is_null;
}

static void
sweep_feature(MdlWindowState *state, int number, const MdlLabel *labels, int64 label_count)
{
	const MdlFeatureView *view = state->plan->view;
	Window		window;
	int64		back;
	bool		bounded;
	int32		low = 0,
				high = 0;

	mdl_window_prepare(&window, state, number);
	bounded = mdl_feature_back(view, window.feature, state->plan->delay, &back);
	for (int64 i = 0; i < label_count; i++)
	{
		const int64 *at = window.stream->at;
		int32		count = window.stream->count;
		int64		upper = mdl_time_before(labels[i].time, state->plan->delay);
		int64		lower = bounded ? mdl_time_before(labels[i].time, back) : PG_INT64_MIN;

		while (high < count && at[high] < upper)
			high++;
		while (low < high && at[low] < lower)
			low++;
		mdl_window_move(&window, low, high);
		MemoryContextSwitchTo(state->scratch);
		store_value(&window, number, labels[i].row);
		MemoryContextSwitchTo(state->work);
		if ((i & 255) == 255)
		{
			MemoryContextReset(state->scratch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextReset(state->scratch);
}

void
mdl_window_entity(MdlWindowState *state, MdlEvent **events, int64 event_count, const MdlLabel *labels, int64 label_count)
{
	MemoryContext saved = MemoryContextSwitchTo(state->work);

	take_events(state, events, event_count);
	for (int i = 0; i < state->stream_count; i++)
		fill_stream(state, &state->streams[i]);
	for (int i = 0; i < state->plan->view->feature_count; i++)
		sweep_feature(state, i, labels, label_count);
	MemoryContextSwitchTo(saved);
	MemoryContextReset(state->work);
	CHECK_FOR_INTERRUPTS();
}
