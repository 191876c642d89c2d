/*
 * window_value.c: what is known of the events in a window, as it moves forward, and the value of the feature then.
 *
 * What leaves a window must leave nothing behind.  Integer sums are 128-bit integers, numeric sums are numeric, and
 * float8 sums (of values, squares and products, for mean, stddev and trend) are exact (exact_sum.h) and rounded once: a
 * value depends on the events in its window and on nothing else.  Minimum and maximum keep a monotone queue, distinct
 * values a count per value.
 */
#include "feature/window_int.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

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
void
mdl_window_move(Window *window, int32 low, int32 high)
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
			if (mdl_compare_ties(window->state, window->state->events[stream->event[i]],
							 window->state->events[stream->event[edge]]) == 0 &&
				better_pick(window, i, best))
				best = i;
		window->pick[edge] = best;
	}
}

void
mdl_window_prepare(Window *window, MdlWindowState *state, int number)
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
				mdl_stream_need_integers(state, window->stream);
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
		mdl_stream_need_numbers(state, window->stream);
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
Datum
mdl_window_read(const Window *window, bool *is_null)
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
