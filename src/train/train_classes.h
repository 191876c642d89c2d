/*
 * train_classes.h: sums over the rows of each class, as a plain state: naive Bayes in one pass.
 *
 * The state is a bytea without pointers: head, columns, counts per column, the base, what was seen of each number, sums
 * per class, codes of texts, texts, sample.  Classes and categories come up as rows are read, so the block is moved to a
 * larger one now and then; *codes* number the classes, and the categories (*levels*) of all features together, in the
 * order in which they came.
 */
#ifndef MDL_TRAIN_CLASSES_H
#define MDL_TRAIN_CLASSES_H

#include "train/train_states.h"

#include "ml/ml_catset.h"
#include "ml/ml_class_sums.h"
#include "ml/ml_sample.h"

#define MDL_CLASS_VERSION 2
#define MDL_CLASS_SHARED (-1)	/* version of a state whose sample is in shared memory */

/* A column: what it is, and how many categories or classes came up. */
typedef struct MdlClassColumn
{
	uint8		role;			/* MdlRole */
	uint8		wire;			/* MdlWire */
	uint8		kind;			/* ml_kind */
	uint8		unused;
	int32		length;
	int32		number;			/* index of the first among the numbers, -1 */
	int32		categories;
} MdlClassColumn;

typedef struct MdlClassHead
{
	MdlStateHead head;
	int32		type;			/* ml_class_sum_type */
	int32		n_columns;
	double		threshold;
	int32		n_numbers;
	int32		n_cats;			/* with the target, which is the last */
	int32		target;			/* column */
	int32		max_categories; /* of a column; also classes */
	int32		overflow;		/* column + 1 with more, or with too long a text; 0: none */
	int32		n_classes;
	int32		class_room;
	int32		n_levels;
	int32		level_room;
	uint32		sample_wanted;
	uint32		record_size;
	int64		rows;
	uint64		texts_at;		/* the codes lie before it */
	uint64		sample_at;
} MdlClassHead;

/* Where things lie behind the head. */
extern MdlClassColumn *mdl_class_columns(const MdlClassHead *head);	/* (n_columns) */
extern MdlRowCounts *mdl_class_counts(const MdlClassHead *head);	/* (n_columns) */
extern double *mdl_class_base(const MdlClassHead *head);	/* (n_numbers) of the first row */
extern unsigned char *mdl_class_seen(const MdlClassHead *head);	/* (n_numbers) */
extern int32 *mdl_class_codes(const MdlClassHead *head);	/* of each entry of the texts */

/* The sums of a class: weight, rows, sums (n_numbers), squares (n_numbers, gaussian), weights of levels (level_room). */
extern double *mdl_class_sums(const MdlClassHead *head, int class);

static inline double *
mdl_class_squares(const MdlClassHead *head, int class)
{
	return mdl_class_sums(head, class) + 2 + head->n_numbers;
}

static inline double *
mdl_class_levels(const MdlClassHead *head, int class)
{
	return mdl_class_sums(head, class) + 2 + head->n_numbers * (head->type == ML_CLASS_GAUSSIAN ? 2 : 1);
}

static inline ml_catset *
mdl_class_texts(const MdlClassHead *head)
{
	return (ml_catset *) ((char *) head + head->texts_at);
}

/* The sample, or where it is: in states that never leave a training. */
static inline MdlSharedSample *
mdl_class_shared(const MdlClassHead *head)
{
	return head->head.version == MDL_CLASS_SHARED ? (MdlSharedSample *) ((char *) head + head->sample_at) : NULL;
}

static inline ml_sample *
mdl_class_sample(const MdlClassHead *head)
{
	return head->head.version == MDL_CLASS_SHARED ? mdl_sample_shared(mdl_class_shared(head)) : (ml_sample *) ((char *) head + head->sample_at);
}

/* What the state is to gather. */
typedef struct MdlClassOptions
{
	ml_class_sum_type type;
	double		threshold;
	int			max_categories;
} MdlClassOptions;

extern MdlClassHead *mdl_class_state_new(const MdlRowPlan *plan, const MdlClassOptions *options);
extern void mdl_class_state_check(const MdlClassHead *head);	/* raises for what is no state */

/* Raises unless the state was made with this plan and these options. */
extern void mdl_class_state_match(const MdlClassHead *head, const MdlRowPlan *plan, const MdlClassOptions *options);

/* Adds the reader's row; returns the state, which may have moved. */
extern MdlClassHead *mdl_class_state_add(MdlClassHead *head, MdlRowReader *reader);

/* A state as plain aligned memory, checked; a copy unless it is that already. */
extern MdlClassHead *mdl_class_state_argument(Datum value);

/* Adds the rows of a state to the first, which may move; raises unless both are of the same columns. */
extern MdlClassHead *mdl_class_state_merge(MdlClassHead *head, MdlClassHead *from);

/* train_bayes_state.c: a state as users have it, of naive_bayes_state; checked. */
extern MdlClassHead *mdl_bayes_state(Datum value, bool copy);

/* A text that came up in a column, and its code. */
typedef struct MdlClassText
{
	char	   *text;
	int			code;
} MdlClassText;

/* Those of a column in the order of their bytes. */
extern MdlClassText *mdl_class_column_texts(const MdlClassHead *head, int column, int *count);

/* train_classes_fit.c: a model of a state; the plan has the columns that it was gathered from. */
extern void mdl_training_fit_class_state(MdlTraining *t, MdlClassHead *head);

#endif							/* MDL_TRAIN_CLASSES_H */
