/*
 * metric_int.h: labels of any type, for the metric aggregates.
 *
 * A label and a prediction may have different types: predict_class returns text, the label may be boolean or a number.
 * How the two are compared is decided once per query from their types.
 */
#ifndef MDL_METRIC_INT_H
#define MDL_METRIC_INT_H

#include "base/base.h"
#include "access/tupdesc.h"
#include "ml/eval_bootstrap.h"
#include "train/train.h"
#include "utils/array.h"

/* A mode is also how a label is written as text in a state. */
typedef enum MdlLabelMode
{
	MDL_LABEL_BOOLEAN = 1,		/* false, true; text is read as a boolean */
	MDL_LABEL_NUMBER,			/* shortest text of the double; booleans are 0 and 1, text is read as a number */
	MDL_LABEL_INTEGER,			/* integers of any width, exact */
	MDL_LABEL_TEXT				/* the type's output */
} MdlLabelMode;

typedef struct MdlLabelSide
{
	Oid			type;			/* base type */
	MdlWording	wording;
	FmgrInfo	output;
	char		buffer[64];		/* text of booleans and numbers */
	bool		is_read;		/* text to be read as the other side's type: equal values may have other texts, as dates by settings */
} MdlLabelSide;

typedef struct MdlLabels
{
	MdlLabelMode mode;
	MdlLabelSide sides[2];		/* label, prediction */
} MdlLabels;

/* From the types of a label and a prediction; `metric` is for messages.  An error when they cannot be compared. */
extern MdlLabels *mdl_labels_make(Oid label, Oid predicted, const char *metric, MemoryContext context);

/* The same for a call, cached in fn_extra: types of arguments 1 and 2, or of 1 alone with n_sides 1 (a boolean or 0/1). */
extern MdlLabels *mdl_labels(FunctionCallInfo fcinfo, int n_sides, const char *metric);

/* The label's text, valid until the next call for that side (or in the current context); *length in bytes. */
extern const char *mdl_label_text(MdlLabels *labels, int side, Datum value, int *length);

/* A class that the user names by text, written as mdl_label_text writes labels in that mode. */
extern const char *mdl_class_text(MdlLabelMode mode, text *class_name, int *length);

extern bool mdl_labels_equal(MdlLabels *labels, Datum label, Datum predicted);

/* Whether a boolean or 0/1 label is positive; an error for other numbers. */
extern bool mdl_label_positive(MdlLabels *labels, Datum label);

/* Raises an error unless called as part of an aggregate: states are trusted. */
extern void mdl_require_aggregate(FunctionCallInfo fcinfo);

/*
 * A float8[] state of n elements, checked; may be changed in place.  *datum (may be a NULL pointer) is what to return:
 * the array itself, which is a copy when the argument was packed.
 */
extern double *mdl_state_doubles(FunctionCallInfo fcinfo, int argument, int n, Datum *datum);

/* Adds a value to the state (sum, sum of weights), weighted by that argument where the call has it. */
extern Datum mdl_add_to_mean(FunctionCallInfo fcinfo, double value, int weight_argument);

/* ---- metric_rows.c: states that keep rows, answers that are arrays of rows ---- */

typedef struct MetricRows
{
	int32		vl_len_;
	int32		width;			/* numbers of a row */
	int64		n;
	int64		capacity;		/* rows there is room for */
	double		parameters[4];	/* what the aggregate's arguments say, set with the first row */
	double		numbers[FLEXIBLE_ARRAY_MEMBER];	/* (n, width) */
} MetricRows;

/* The argument as a state, checked; NULL for the initial empty bytea. */
extern MetricRows *mdl_metric_rows(FunctionCallInfo fcinfo, int argument);

/* Room for one more row; *state (NULL: none yet) may be replaced by a larger one. */
extern double *mdl_metric_rows_add(MetricRows **state, int width);

/* The numbers of a float8[] of one dimension without NULL; `what` is for messages. */
extern double *mdl_metric_numbers(ArrayType *array, const char *what, int *n);

/* The weight, which must be finite and not below 0. */
extern double mdl_checked_weight(double weight);

typedef struct MdlRowArray
{
	Oid			type;			/* of a row */
	TupleDesc	desc;
	Datum	   *values;
	size_t		count;
	size_t		room;
} MdlRowArray;

/* An array of the row type that the called function returns, with room for that many rows. */
extern void mdl_row_array_begin(FunctionCallInfo fcinfo, MdlRowArray *rows, size_t count);
extern void mdl_row_array_add(MdlRowArray *rows, Datum *values, bool *nulls);	/* nulls may be NULL: none */
extern void mdl_row_array_numbers(MdlRowArray *rows, const double *numbers);	/* a row of float8 */
extern Datum mdl_row_array_end(MdlRowArray *rows);

/* ---- metric_sample.c and evaluate_intervals.c: the intervals of evaluate() ---- */

/* The rows in a state of _evaluation_sample, which is trimmed; *n 0 without any. */
extern ml_eval_row *mdl_evaluation_rows(bytea *state, size_t *n);
extern void mdl_evaluation_sort(ml_eval_row *rows, size_t n);	/* into an order that depends on the rows alone */

typedef struct MdlIntervalOptions
{
	double		confidence;
	int			resamples;		/* 0: no intervals */
	uint64		seed;
} MdlIntervalOptions;

/* From the arguments confidence, resamples, seed, which begin at that place; checked. */
extern void mdl_interval_options(FunctionCallInfo fcinfo, int first, MdlIntervalOptions *options);

typedef struct MdlIntervals
{
	bool		made;
	const char *const *names;	/* (n_names) of ends */
	int			n_names;
	double		shrink;			/* 1 when all rows were resampled */
	ml_eval_intervals ends;
} MdlIntervals;

/* sample: a state of _evaluation_sample, may be NULL; n_rows: rows there were. */
extern void mdl_intervals_make(MdlIntervals *intervals, ml_eval_task task, bytea *sample, double n_rows,
							   const MdlIntervalOptions *options);

/* The interval of a metric with that value over all rows; false when it has none. */
extern bool mdl_interval_of(const MdlIntervals *intervals, const char *name, double value, double *lower, double *upper);

#endif							/* MDL_METRIC_INT_H */
