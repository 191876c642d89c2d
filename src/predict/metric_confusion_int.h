/*
 * metric_confusion_int.h: the state that counts pairs of classes, for the files that answer from it.
 *
 * The state counts pairs (label, predicted) in one bytea: a header, the matrix, where each class's text starts, the
 * texts.  Classes come in the order in which they were met and are put in order only for the answer.  All aggregates
 * with the same arguments share the state.
 */
#ifndef MDL_METRIC_CONFUSION_INT_H
#define MDL_METRIC_CONFUSION_INT_H

#include "predict/metric_int.h"

#include "ml/eval_classify.h"

typedef struct ConfusionState
{
	int32		vl_len_;
	int32		mode;			/* MdlLabelMode of both sides */
	int32		average;		/* ml_average */
	int32		option;			/* of kappa: ml_kappa_weights; of clusterings: ml_mean_kind */
	int32		has_positive;	/* whether class 0 was given as the positive one */
	int32		n_classes;
	int32		capacity;		/* classes there is room for */
	int32		text_used;
	int32		text_capacity;
	int32		unused;
	double		beta;
	double		zero_division;
	/* then: double counts[capacity][capacity], int32 starts[capacity + 1], char texts[text_capacity] */
} ConfusionState;

static inline Size
starts_offset(int capacity)
{
	return sizeof(ConfusionState) + sizeof(double) * capacity * capacity;
}

static inline double *
counts_of(const ConfusionState *state)
{
	return (double *) ((char *) state + sizeof(ConfusionState));
}

static inline int32 *
starts_of(const ConfusionState *state)
{
	return (int32 *) ((char *) state + starts_offset(state->capacity));
}

static inline char *
texts_of(const ConfusionState *state)
{
	return (char *) (starts_of(state) + state->capacity + 1);
}

/* The argument as a state, checked; NULL for the initial empty bytea. */
extern ConfusionState *mdl_confusion_argument(FunctionCallInfo fcinfo, int argument);

#endif							/* MDL_METRIC_CONFUSION_INT_H */
