/*
 * window_int.h: what window_agg.c (streams and the sweep) and window_value.c (what is known of a window) share.
 *
 * A *stream* is the events that a feature looks at: those that pass its filter and, but for first and last, whose column
 * is not NULL.  Features with the same column and filter share one.
 */
#ifndef MDL_WINDOW_INT_H
#define MDL_WINDOW_INT_H

#include "feature/exact_sum.h"
#include "feature/feature_int.h"
#include "utils/numeric.h"
#include "utils/sortsupport.h"

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

/* ---- window_agg.c ------------------------------------------------------------------------------------------------- */

/* Fill in the stream's values as integers or as float8, once per entity. */
extern void mdl_stream_need_integers(const MdlWindowState *state, Stream *stream);
extern void mdl_stream_need_numbers(const MdlWindowState *state, Stream *stream);

extern int	mdl_compare_ties(const MdlWindowState *state, const MdlEvent *a, const MdlEvent *b);

/* The value of the stream's column at a place. */
static inline Datum
event_value(const Stream *stream, const MdlWindowState *state, int32 place, bool *is_null)
{
	const MdlEvent *event = state->events[stream->event[place]];

	*is_null = (event->bits >> stream->column) & 1;
	return event->values[stream->column];
}

/* ---- window_value.c ----------------------------------------------------------------------------------------------- */

/* An empty window for feature `number` of the plan, over the entity at hand; allocates in the current context. */
extern void mdl_window_prepare(Window *window, MdlWindowState *state, int number);

/* Moves the window to the stream's places [low, high); neither may go back. */
extern void mdl_window_move(Window *window, int32 low, int32 high);

/* The value of the feature for the window as it stands; what it points to may be in the stream. */
extern Datum mdl_window_read(const Window *window, bool *is_null);

#endif							/* MDL_WINDOW_INT_H */
