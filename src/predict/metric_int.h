/*
 * metric_int.h: labels of any type, for the metric aggregates.
 *
 * A label and a prediction may have different types: predict_class returns text, the label may be boolean or a number.
 * How the two are compared is decided once per query from their types.
 */
#ifndef MDL_METRIC_INT_H
#define MDL_METRIC_INT_H

#include "base/base.h"

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
	FmgrInfo	output;
	char		buffer[64];		/* text of booleans and numbers */
	bool		is_dated;		/* text to be read as the other side's date or time, whose output depends on settings */
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

#endif							/* MDL_METRIC_INT_H */
