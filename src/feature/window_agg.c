/*
 * window_agg.c: all features of one entity, for all its label rows, in one sweep over its events in order of time.
 *
 * Label rows ascend in time, so both ends of every window only move forward: each event enters and leaves each window
 * once, and the work is O(events log events + labels) per feature whatever the windows' lengths.
 *
 * What leaves a window must leave nothing behind.  Integer sums are 128-bit integers, numeric sums are numeric, and
 * float8 sums (of values, squares and products, for mean, stddev and trend) are exact (exact_sum.h) and rounded once: a
 * value depends on the events in its window and on nothing else.  Minimum and maximum keep a monotone queue, distinct
 * values a count per value.
 *
 * A *stream* is the events that a feature looks at: those that pass its filter and, but for first and last, whose column
 * is not NULL.  Features with the same column and filter share one.
 */
#include "feature/feature_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "feature/exact_sum.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/sortsupport.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

typedef __int128 int128_t;

/* How the values of a column are added up. */
typedef enum NumberClass
{
	NUMBER_INTEGER,
	NUMBER_FLOAT,
	NUMBER_NUMERIC,
} NumberClass;

typedef struct Column
{
	Oid			type;
	int16		length;
	bool		by_value;
	bool		sortable;
	NumberClass number_class;
	SortSupportData sort;
} Column;

typedef struct Stream
{
	int			column;			/* -1: the event itself */
	int			filter;			/* -1: none */
	bool		keep_nulls;

	/* Of the entity at hand. */
	int32		count;
	int64	   *at;				/* (count), ascending */
	int32	   *event;			/* (count), places in the sorted events */
	int64	   *integers;		/* (count), or NULL if not asked for */
	double	   *numbers;		/* (count), or NULL if not asked for */
} Stream;

struct MdlWindowState
{
	const MdlWindowPlan *plan;
	MdlFeatureMatrix *matrix;
	MemoryContext work;			/* reset after each entity */
	MemoryContext scratch;		/* reset after some label rows */
	Column	   *columns;
	int			stream_count;
	Stream	   *streams;
	int		   *feature_stream; /* per feature */
	MdlEvent  **events;			/* of the entity at hand, sorted */
	int32		event_count;
	bool		has_ties;		/* two of them have the same time */
};

/* A window over a stream that moves forward, and what is known of the values in it. */
typedef struct Window
{
	MdlWindowState *state;
	const MdlFeature *feature;
	Stream	   *stream;
	Column	   *column;			/* NULL without a column */
	int32		low;			/* the window is [low, high) */
	int32		high;
	int128_t	integer_sum;
	Numeric		numeric_sum;	/* NULL: zero */
	int32		nan_count;
	int32		plus_count;		/* of +infinity */
	int32		minus_count;
	ExactSum   *sum;			/* of values */
	ExactSum   *sum_squares;
	ExactSum   *sum_times;
	ExactSum   *sum_times_squared;
	ExactSum   *sum_products;	/* of time and value */
	int32	   *queue;			/* minimum, maximum: candidates, best first */
	int32		queue_first;
	int32		queue_end;
	int32	   *value_id;		/* distinct values: number of each event's value */
	int32	   *id_count;		/* how often the window holds it */
	int32		distinct;
	int32	   *pick;			/* first, last: which of several events of one time; NULL: no ties */
} Window;

/* ---- plan ----------------------------------------------------------------------------------------------------- */

static int
plan_column(MdlWindowPlan *plan, const char *name, Oid type, Oid collation)
{
	for (int i = 0; i < plan->column_count; i++)
		if (strcmp(plan->column_names[i], name) == 0)
			return i;
	plan->column_names[plan->column_count] = pstrdup(name);
	plan->column_types[plan->column_count] = type;
	plan->column_collations[plan->column_count] = collation;
	return plan->column_count++;
}

static int
plan_filter(MdlWindowPlan *plan, const char *filter)
{
	for (int i = 0; i < plan->filter_count; i++)
		if (strcmp(plan->filters[i], filter) == 0)
			return i;
	plan->filters[plan->filter_count] = pstrdup(filter);
	return plan->filter_count++;
}

MdlWindowPlan *
mdl_window_plan(const MdlFeatureView *view, int64 delay)
{
	MdlWindowPlan *plan = palloc0(sizeof(MdlWindowPlan));
	int			most = view->feature_count + view->tiebreak_count + 1;
	bool		ordered = false;

	plan->view = view;
	plan->delay = delay;
	plan->column_names = palloc(sizeof(char *) * most);
	plan->column_types = palloc(sizeof(Oid) * most);
	plan->column_collations = palloc(sizeof(Oid) * most);
	plan->filters = palloc(sizeof(char *) * most);
	plan->feature_column = palloc(sizeof(int) * most);
	plan->feature_filter = palloc(sizeof(int) * most);
	for (int i = 0; i < view->feature_count; i++)
	{
		const MdlFeature *feature = &view->features[i];
		Oid			collation = InvalidOid;

		if (feature->column != NULL)
			collation = get_typcollation(feature->column_type);
		if (OidIsValid(feature->collation))
			collation = feature->collation;
		plan->feature_column[i] = feature->column ?
			plan_column(plan, feature->column, feature->column_type, collation) : -1;
		plan->feature_filter[i] = feature->filter ? plan_filter(plan, feature->filter) : -1;
		ordered |= feature->aggregate == AGG_LAST || feature->aggregate == AGG_FIRST;
	}
	plan->first_tiebreak = plan->column_count;
	for (int i = 0; ordered && i < view->tiebreak_count; i++)
	{
		AttrNumber	number = get_attnum(view->source, view->tiebreak[i]);
		Oid			type,
					collation;
		int32		typmod;

		get_atttypetypmodcoll(view->source, number, &type, &typmod, &collation);
		plan->column_names[plan->column_count] = view->tiebreak[i];
		plan->column_types[plan->column_count] = getBaseType(type);
		plan->column_collations[plan->column_count++] = collation;
	}
	if (plan->column_count + plan->filter_count > MDL_MAX_EVENT_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("feature view \"%s\" has %d columns and filters, more than %d", view->name,
						plan->column_count + plan->filter_count, MDL_MAX_EVENT_BITS),
				 errhint("Split it into several feature views.")));
	return plan;
}

int64
mdl_time_before(int64 time, int64 length)
{
	int64		result;

	if (TIMESTAMP_NOT_FINITE(time))
		return time;
	if (pg_sub_s64_overflow(time, length, &result))
		return length > 0 ? DT_NOBEGIN : DT_NOEND;
	return result;
}

bool
mdl_feature_back(const MdlFeatureView *view, const MdlFeature *feature, int64 delay, int64 *back)
{
	if (feature->window == 0 && !view->has_ttl)
		return false;
	*back = PG_INT64_MAX;
	if (feature->window != 0 && pg_add_s64_overflow(feature->window, delay, back))
		*back = PG_INT64_MAX;
	if (view->has_ttl)
		*back = Min(*back, view->ttl);
	return true;
}

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

static inline Datum
event_value(const Stream *stream, const MdlWindowState *state, int32 place, bool *is_null)
{
	const MdlEvent *event = state->events[stream->event[place]];

	*is_null = (event->bits >> stream->column) & 1;
	return event->values[stream->column];
}

static int
compare_ties(const MdlWindowState *state, const MdlEvent *a, const MdlEvent *b)
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
	return compare_ties(arg, left, right);
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

static void
need_integers(const MdlWindowState *state, Stream *stream)
{
	bool		is_null;

	if (stream->integers != NULL)
		return;
	stream->integers = palloc_extended(sizeof(int64) * Max(stream->count, 1), MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < stream->count; i++)
		stream->integers[i] = integer_of(event_value(stream, state, i, &is_null), state->columns[stream->column].type);
}

static void
need_numbers(const MdlWindowState *state, Stream *stream)
{
	bool		is_null;

	if (stream->numbers != NULL)
		return;
	stream->numbers = palloc_extended(sizeof(double) * Max(stream->count, 1), MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < stream->count; i++)
		stream->numbers[i] = number_of(event_value(stream, state, i, &is_null), state->columns[stream->column].type);
}

/* ---- windows: what enters and what leaves --------------------------------------------------------------------- */

static ExactSum *
new_sum(void)
{
	ExactSum   *sum = palloc(sizeof(ExactSum));

	exact_init(sum);
	return sum;
}

static bool
sums_exactly(const Window *window)
{
	switch (window->feature->aggregate)
	{
		case AGG_STDDEV:
		case AGG_TREND:
			return true;
		case AGG_SUM:
		case AGG_MEAN:
		case AGG_RATE:
			return window->column != NULL && window->column->number_class == NUMBER_FLOAT;
		default:
			return false;
	}
}

/* Counts a value that is not finite; false if it is an ordinary number. */
static inline bool
count_special(Window *window, double value, int sign)
{
	if (likely(isfinite(value)))
		return false;
	if (isnan(value))
		window->nan_count += sign;
	else if (value > 0)
		window->plus_count += sign;
	else
		window->minus_count += sign;
	return true;
}

static inline void
move_number(Window *window, int32 place, int sign)
{
	double		value = window->stream->numbers[place];
	int64		at = window->stream->at[place];

	if (count_special(window, value, sign))
		return;
	if (window->sum_times != NULL)
	{
		if (TIMESTAMP_NOT_FINITE(at))
		{
			window->nan_count += sign;
			return;
		}
		exact_add_int64(window->sum_times, at, sign);
		exact_add_squared(window->sum_times_squared, at, sign);
		exact_add_scaled(window->sum_products, at, value, sign);
	}
	if (window->sum_squares != NULL)
		exact_add_product(window->sum_squares, value, value, sign);
	exact_add(window->sum, value, sign);
}

static void
move_numeric(Window *window, int32 place, int sign)
{
	bool		is_null;
	Numeric		value = DatumGetNumeric(event_value(window->stream, window->state, place, &is_null));
	Numeric		old = window->numeric_sum;

	if (numeric_is_nan(value))
		window->nan_count += sign;
	else if (numeric_is_inf(value))
		(void) count_special(window, DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value))), sign);
	else
	{
		if (old == NULL)
			old = int64_to_numeric(0);
		window->numeric_sum = sign > 0 ? numeric_add_opt_error(old, value, NULL) : numeric_sub_opt_error(old, value, NULL);
		pfree(old);
	}
}

/* A new event ends the chances of older ones that are not better. */
static inline void
queue_push(Window *window, int32 place)
{
	bool		is_null;
	Datum		value = event_value(window->stream, window->state, place, &is_null);
	bool		maximum = window->feature->aggregate == AGG_MAX;

	while (window->queue_end > window->queue_first)
	{
		Datum		other = event_value(window->stream, window->state, window->queue[window->queue_end - 1], &is_null);
		int			order = window->column->sort.comparator(value, other, &window->column->sort);

		if (maximum ? order < 0 : order > 0)
			break;
		window->queue_end--;
	}
	window->queue[window->queue_end++] = place;
}

static inline void
move_distinct(Window *window, int32 place, int sign)
{
	int32	   *count = &window->id_count[window->value_id[place]];

	if (sign > 0 ? (*count)++ == 0 : --(*count) == 0)
		window->distinct += sign;
}

static void
move(Window *window, int32 place, int sign)
{
	switch (window->feature->aggregate)
	{
		case AGG_SUM:
		case AGG_MEAN:
		case AGG_RATE:
			if (window->column == NULL)
				break;
			if (window->column->number_class == NUMBER_INTEGER)
				window->integer_sum += sign * (int128_t) window->stream->integers[place];
			else if (window->column->number_class == NUMBER_NUMERIC)
				move_numeric(window, place, sign);
			else
				move_number(window, place, sign);
			break;
		case AGG_STDDEV:
		case AGG_TREND:
			move_number(window, place, sign);
			break;
		case AGG_MIN:
		case AGG_MAX:
			if (sign > 0)
				queue_push(window, place);
			else if (window->queue_first < window->queue_end && window->queue[window->queue_first] == place)
				window->queue_first++;
			break;
		case AGG_COUNT_DISTINCT:
			move_distinct(window, place, sign);
			break;
		case AGG_COUNT:
		case AGG_LAST:
		case AGG_FIRST:
			break;
	}
}

static void
clear_sum(ExactSum *sum)
{
	if (sum != NULL)
		exact_clear(sum);
}

/* Empties the window and puts it at a place. */
static void
restart(Window *window, int32 place)
{
	if (window->id_count != NULL)
		for (int32 i = window->low; i < window->high; i++)
			move_distinct(window, i, -1);
	window->low = window->high = place;
	window->integer_sum = 0;
	window->numeric_sum = NULL;
	window->nan_count = window->plus_count = window->minus_count = 0;
	window->queue_first = window->queue_end = 0;
	clear_sum(window->sum);
	clear_sum(window->sum_squares);
	clear_sum(window->sum_times);
	clear_sum(window->sum_times_squared);
	clear_sum(window->sum_products);
}

/* Moves the window forward to [low, high), by the shorter of two ways. */
static void
move_to(Window *window, int32 low, int32 high)
{
	if (low >= window->high || low - window->low > high - low)
		restart(window, low);
	for (int32 i = window->high; i < high; i++)
		move(window, i, 1);
	for (int32 i = window->low; i < low; i++)
		move(window, i, -1);
	window->low = low;
	window->high = high;
}

/* ---- preparing a window --------------------------------------------------------------------------------------- */

typedef struct SortContext
{
	Window	   *window;
	Datum	   *values;
} SortContext;

static int
compare_places(const void *a, const void *b, void *arg)
{
	SortContext *context = arg;
	SortSupport sort = &context->window->column->sort;

	return sort->comparator(context->values[*(const int32 *) a], context->values[*(const int32 *) b], sort);
}

/* Numbers the distinct values of the stream. */
static void
number_values(Window *window)
{
	int32		count = window->stream->count;
	Size		room = Max(count, 1);
	int32	   *order = palloc_extended(sizeof(int32) * room, MCXT_ALLOC_HUGE);
	SortContext context = {.window = window};
	bool		is_null;
	int32		id = 0;

	context.values = palloc_extended(sizeof(Datum) * room, MCXT_ALLOC_HUGE);
	window->value_id = palloc_extended(sizeof(int32) * room, MCXT_ALLOC_HUGE);
	window->id_count = palloc_extended(sizeof(int32) * room, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int32 i = 0; i < count; i++)
	{
		order[i] = i;
		context.values[i] = event_value(window->stream, window->state, i, &is_null);
	}
	qsort_arg(order, count, sizeof(int32), compare_places, &context);
	for (int32 i = 0; i < count; i++)
	{
		if (i > 0 && compare_places(&order[i - 1], &order[i], &context) != 0)
			id++;
		window->value_id[order[i]] = id;
	}
}

/*
 * A total order of values for ties: by the type's own order where it has one, then by the bytes.  NULL comes first, so
 * that it loses as `last`; `first` asks for non-NULL values before.
 */
static int
compare_values(const Column *column, Datum a, bool a_null, Datum b, bool b_null)
{
	if (a_null || b_null)
		return a_null ? (b_null ? 0 : -1) : 1;
	if (column->sortable)
		return column->sort.comparator(a, b, (SortSupport) &column->sort);
	if (column->by_value)
		return a < b ? -1 : a > b;
	else
	{
		Size		a_size = datumGetSize(a, false, column->length);
		Size		b_size = datumGetSize(b, false, column->length);
		int			order = memcmp(DatumGetPointer(a), DatumGetPointer(b), Min(a_size, b_size));

		return order != 0 ? order : a_size < b_size ? -1 : a_size > b_size;
	}
}

static bool
better_pick(const Window *window, int32 challenger, int32 holder)
{
	bool		challenger_null,
				holder_null;
	Datum		a = event_value(window->stream, window->state, challenger, &challenger_null);
	Datum		b = event_value(window->stream, window->state, holder, &holder_null);
	int			order = compare_values(window->column, a, challenger_null, b, holder_null);

	if (window->feature->aggregate == AGG_FIRST && challenger_null == holder_null)
		return order < 0;
	return order > 0;
}

/*
 * Of events with the same time, `last` takes the one that the tie breakers put last (`first`: first) and among those
 * that they do not tell apart the greatest value (`first`: the smallest).  Events of one time are all in a window or all
 * out, so the choice is made once: pick[i] for the last (first) event of each run of equal times.
 */
static void
pick_ties(Window *window)
{
	const Stream *stream = window->stream;
	bool		first = window->feature->aggregate == AGG_FIRST;

	window->pick = palloc_extended(sizeof(int32) * Max(stream->count, 1), MCXT_ALLOC_HUGE);
	for (int32 begin = 0, end; begin < stream->count; begin = end)
	{
		int32		edge,
					best;

		for (end = begin + 1; end < stream->count && stream->at[end] == stream->at[begin];)
			end++;
		best = edge = first ? begin : end - 1;
		for (int32 i = begin; i < end; i++)
			if (compare_ties(window->state, window->state->events[stream->event[i]],
							 window->state->events[stream->event[edge]]) == 0 &&
				better_pick(window, i, best))
				best = i;
		window->pick[edge] = best;
	}
}

static void
prepare_window(Window *window, MdlWindowState *state, int number)
{
	memset(window, 0, sizeof(*window));
	window->state = state;
	window->feature = &state->plan->view->features[number];
	window->stream = &state->streams[state->feature_stream[number]];
	window->column = window->stream->column >= 0 ? &state->columns[window->stream->column] : NULL;
	switch (window->feature->aggregate)
	{
		case AGG_SUM:
		case AGG_MEAN:
		case AGG_RATE:
			if (window->column != NULL && window->column->number_class == NUMBER_INTEGER)
				need_integers(state, window->stream);
			break;
		case AGG_STDDEV:
			window->sum_squares = new_sum();
			break;
		case AGG_TREND:
			window->sum_times = new_sum();
			window->sum_times_squared = new_sum();
			window->sum_products = new_sum();
			break;
		case AGG_MIN:
		case AGG_MAX:
			window->queue = palloc_extended(sizeof(int32) * Max(window->stream->count, 1), MCXT_ALLOC_HUGE);
			break;
		case AGG_COUNT_DISTINCT:
			number_values(window);
			break;
		case AGG_LAST:
		case AGG_FIRST:
			if (state->has_ties)
				pick_ties(window);
			break;
		case AGG_COUNT:
			break;
	}
	if (sums_exactly(window))
	{
		window->sum = new_sum();
		need_numbers(state, window->stream);
	}
}

/* ---- reading a window ----------------------------------------------------------------------------------------- */

static Numeric
numeric_from_int128(int128_t value)
{
	char		text[48];
	char	   *place = text + sizeof(text) - 1;
	unsigned __int128 rest = value < 0 ? -(unsigned __int128) value : (unsigned __int128) value;

	if (value >= PG_INT64_MIN && value <= PG_INT64_MAX)
		return int64_to_numeric((int64) value);
	*place = '\0';
	for (; rest != 0; rest /= 10)
		*--place = '0' + (int) (rest % 10);
	if (value < 0)
		*--place = '-';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(place), ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/* What NaN and infinities make of a sum; false if there are none. */
static bool
special_sum(const Window *window, double *result)
{
	if (window->nan_count == 0 && window->plus_count == 0 && window->minus_count == 0)
		return false;
	if (window->nan_count > 0 || (window->plus_count > 0 && window->minus_count > 0))
		*result = get_float8_nan();
	else
		*result = window->plus_count > 0 ? get_float8_infinity() : -get_float8_infinity();
	return true;
}

static double
float_sum(const Window *window)
{
	double		result;

	if (special_sum(window, &result))
		return result;
	result = exact_round(window->sum);
	if (isinf(result))
		float_overflow_error();
	return result;
}

static Numeric
exact_numeric_sum(const Window *window)
{
	double		special;

	if (special_sum(window, &special))
		return DatumGetNumeric(DirectFunctionCall1(float8_numeric, Float8GetDatum(special)));
	return window->numeric_sum ? window->numeric_sum : int64_to_numeric(0);
}

/* The sum as float8, over `divisor` (which numeric sums are divided by before they are rounded). */
static double
sum_over(const Window *window, int64 divisor)
{
	switch (window->column->number_class)
	{
		case NUMBER_INTEGER:
			return (double) window->integer_sum / (double) divisor;
		case NUMBER_NUMERIC:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8,
													  NumericGetDatum(numeric_div_opt_error(exact_numeric_sum(window), int64_to_numeric(divisor), NULL))));
		default:
			return float_sum(window) / (double) divisor;
	}
}

static Datum
read_sum(const Window *window)
{
	switch (window->column->number_class)
	{
		case NUMBER_INTEGER:
			if (window->feature->type == INT8OID)
				return Int64GetDatum((int64) window->integer_sum);
			return NumericGetDatum(numeric_from_int128(window->integer_sum));
		case NUMBER_NUMERIC:
			return NumericGetDatum(exact_numeric_sum(window));
		default:
			return Float8GetDatum(float_sum(window));
	}
}

/* Sample standard deviation: sqrt((n Σx² - (Σx)²) / (n (n - 1))), the difference exact. */
static double
read_stddev(const Window *window, int32 count)
{
	double		special,
				variance;

	if (special_sum(window, &special))
		return get_float8_nan();
	variance = exact_cross(count, window->sum_squares, window->sum, window->sum) / ((double) count * ((double) count - 1));
	if (isinf(variance))
		float_overflow_error();
	return sqrt(variance);
}

/* Slope of the least-squares line through (time, value): (n Σtx - Σt Σx) / (n Σt² - (Σt)²), both differences exact. */
static Datum
read_trend(const Window *window, int32 count, bool *is_null)
{
	double		special,
				spread = exact_cross(count, window->sum_times_squared, window->sum_times, window->sum_times);

	if (special_sum(window, &special))
		return Float8GetDatum(get_float8_nan());
	*is_null = spread == 0;
	if (*is_null)
		return (Datum) 0;
	return Float8GetDatum(exact_cross(count, window->sum_products, window->sum_times, window->sum) / spread *
						  (double) window->feature->per);
}

static Datum
read_rate(const Window *window, int32 count)
{
	double		amount = window->column == NULL ? (double) count : count == 0 ? 0.0 : sum_over(window, 1);

	return Float8GetDatum(amount * (double) window->feature->per / (double) window->feature->window);
}

/* The value of the feature for the window as it stands. */
static Datum
read_window(const Window *window, bool *is_null)
{
	int32		count = window->high - window->low;
	int32		place;

	*is_null = false;
	switch (window->feature->aggregate)
	{
		case AGG_COUNT:
			return Int64GetDatum(count);
		case AGG_COUNT_DISTINCT:
			return Int64GetDatum(window->distinct);
		case AGG_SUM:
			return read_sum(window);
		case AGG_RATE:
			return read_rate(window, count);
		case AGG_MEAN:
			*is_null = count == 0;
			return *is_null ? (Datum) 0 : Float8GetDatum(sum_over(window, count));
		case AGG_STDDEV:
			*is_null = count < 2;
			return *is_null ? (Datum) 0 : Float8GetDatum(read_stddev(window, count));
		case AGG_TREND:
			*is_null = count < 2;
			return *is_null ? (Datum) 0 : read_trend(window, count, is_null);
		case AGG_MIN:
		case AGG_MAX:
			*is_null = count == 0;
			return *is_null ? (Datum) 0 :
				event_value(window->stream, window->state, window->queue[window->queue_first], is_null);
		case AGG_LAST:
		case AGG_FIRST:
			*is_null = count == 0;
			if (*is_null)
				return (Datum) 0;
			place = window->feature->aggregate == AGG_FIRST ? window->low : window->high - 1;
			return event_value(window->stream, window->state, window->pick ? window->pick[place] : place, is_null);
	}
	pg_unreachable();
}

static void
store_value(Window *window, int number, int64 row)
{
	MdlFeatureMatrix *matrix = window->state->matrix;
	int64		place = row * matrix->features + number;
	bool		is_null;
	Datum		value = read_window(window, &is_null);

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

	prepare_window(&window, state, number);
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
		move_to(&window, low, high);
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
