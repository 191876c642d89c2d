/*
 * train_matrix.h: rows in shared memory as parallel workers read them, and the matrix that is made of them.
 */
#ifndef MDL_TRAIN_MATRIX_H
#define MDL_TRAIN_MATRIX_H

#include "train/train_int.h"

#include "ml/ml_prep.h"
#include "storage/dsm.h"
#include "utils/dsa.h"

/*
 * A *part* is what one process read: its rows in chunks, and counts.  It lies in the dynamic shared memory area of the
 * load.  Codes are indexes into the part's own set of texts until mdl_matrix_build gives them those of the dictionaries.
 */
typedef struct MdlMatrixPart
{
	int64		rows;
	dsa_pointer counts;			/* MdlRowCounts (n_columns) */
	dsa_pointer texts;			/* ml_catset */
	dsa_pointer chunks;			/* MdlMatrixChunk (chunk_room) */
	int32		n_chunks;
	int32		chunk_room;
	int32		overflow;		/* column + 1 with too many or too long texts, 0: none */
} MdlMatrixPart;

typedef struct MdlMatrixChunk
{
	dsa_pointer data;
	int32		count;
	int32		room;			/* rows, at most MDL_CHUNK_ROWS */
} MdlMatrixChunk;

#define MDL_CHUNK_BITS	13
#define MDL_CHUNK_ROWS	(1 << MDL_CHUNK_BITS)

/*
 * A chunk holds arrays over its rows: hashes, what divides the rows, weights, numbers in *groups*, codes of each
 * categorical column.  A group is a few numbers of a row side by side: a row that is fetched by itself then costs a cache
 * line for so many numbers, and what was copied can be given back a group at a time.
 */
typedef struct MdlChunkGroup
{
	int32		first;			/* number */
	int32		width;
	Size		at;				/* bytes of a row before it */
} MdlChunkGroup;

typedef struct MdlChunkLayout
{
	int			n_groups;
	MdlChunkGroup *groups;		/* (n_groups) */
	Size		split_at;		/* bytes of a row before these arrays; 0: what divides the rows is the hash … */
	Size		weight_at;		/* … all weights are 1 */
	Size		codes_at;
	Size		row_bytes;
} MdlChunkLayout;

/* Arrays are moved apart a little, so that the same place in each is not in the same set of the processor's cache. */
#define MDL_CHUNK_STAGGER	192
#define mdl_chunk_array(data, room, at)	((char *) (data) + (Size) (room) * (at))
#define mdl_chunk_group(data, room, layout, g) \
	((double *) (mdl_chunk_array(data, room, (layout)->groups[g].at) + ((g) + 1) * MDL_CHUNK_STAGGER))
#define mdl_chunk_codes(data, room, layout, cat) \
	((int32 *) (mdl_chunk_array(data, room, (layout)->codes_at + (cat) * sizeof(int32)) + ((layout)->n_groups + 1) * MDL_CHUNK_STAGGER))

extern void mdl_chunk_lay_out(const MdlRowPlan *plan, MdlChunkLayout *layout);	/* in the current context */

/* All parts of a load, while the area is there. */
typedef struct MdlMatrixLoad
{
	dsm_segment *segment;		/* with the head of the area, which the workers share */
	dsa_area   *area;
	int			n_parts;
	MdlMatrixPart **parts;
	int64		rows;
	MdlRowCounts *counts;		/* (n_columns) summed up */
} MdlMatrixLoad;

/*
 * Reads the source into shared memory.  The area is detached by mdl_matrix_unload, or when the memory context `memory`
 * is reset (as it is on error).  The counts live as long as that context.
 */
extern void mdl_matrix_load(const MdlSource *source, const MdlRowPlan *plan, bytea *plan_bytes, MemoryContext memory,
							MdlMatrixLoad *load);
extern void mdl_matrix_unload(MdlMatrixLoad *load);

/* A column of the image. */
typedef struct MdlImageColumn
{
	int32		kind;			/* ml_kind */
	int32		n_categories;	/* 0 unless categorical; terms if hashed */
	int32		length;			/* numbers per row */
	int64		missing;		/* rows without a value */
} MdlImageColumn;

/*
 * The matrix as one block without pointers, which may lie in shared memory: head, fold starts, columns' facts, then
 * the arrays.  What it cannot hold (names, texts of categories) is in the plan.
 */
typedef struct MdlMatrixImage
{
	uint32		magic;
	int32		n_columns;		/* features */
	int32		n_classes;
	int32		n_folds;		/* with the holdout, which is the last */
	int32		has_holdout;
	int32		has_weights;
	int32		has_target;		/* numbers to predict; classes have n_classes instead */
	int64		rows;
	uint64		size;			/* of the block */
	uint64		folds_at;		/* uint64 (n_folds + 1) */
	uint64		columns_at;		/* MdlImageColumn (n_columns) */
	uint64		data_at;		/* (n_columns) arrays of doubles (missing: NaN) or int32 (missing: -1), padded to 64 bytes */
	uint64		labels_at;		/* int32 (rows) */
	uint64		target_at;		/* double (rows) */
	uint64		weights_at;		/* double (rows) */
} MdlMatrixImage;

/*
 * Makes the image from what was loaded, in canonical order; the pages of the load are given back on the way, so that
 * both together take little more than one.  Decides categories and classes, which go into t->plan's dictionaries and
 * t->classes, and the task of a classification; raises for what cannot be learnt from.  `allocate` gives the memory of the
 * image.  *records gets up to `*sample` training rows in the current context, without hashes; *sample becomes their number.
 */
extern MdlMatrixImage *mdl_matrix_build(MdlTraining *t, const MdlMatrixLoad *load, uint32 *sample,
										MdlSampleRecord ***records, void *(*allocate) (Size size, void *arg),
										void *arg);

/* ---- train_fit.c, train_design.c: what learners get from an image ------------------------------------------------------------- */

/* The image as arrays. */
typedef struct MdlMatrixData
{
	size_t		rows;
	int			n_columns;
	ml_values  *columns;		/* (n_columns), with nulls where values are missing */
	const MdlImageColumn *facts;	/* (n_columns) */
	const double *target;		/* (rows), or … */
	const int32 *labels;		/* … (rows), or neither */
	int			n_classes;
	const double *weights;		/* (rows) or NULL */
	int			n_folds;		/* with the holdout, which is the last */
	bool		has_holdout;
	const size_t *fold_start;	/* (n_folds + 1) */
} MdlMatrixData;

/* In the current context; the image must outlive it. */
extern MdlMatrixData *mdl_matrix_open(const MdlMatrixImage *image);

/* train_fit.c: raises if exposures are not above 0. */
extern void mdl_training_check_exposure(const MdlTraining *t, const MdlMatrixData *data);

/* The rows of some folds, in the current context. */
extern ml_row_list *mdl_matrix_rows(const MdlMatrixData *data, const bool *use_fold);

/*
 * Fits the preprocessing on the rows given: fills, scales, encodings and so on go into the columns (n_columns), which
 * have name, type, kind and categories already; preps is (n_columns).  Raises for a column without a value.
 */
extern void mdl_design_fit(const ml_ctx *ctx, const MdlMatrixData *data, const ml_row_list *rows, const MdlColumnPrep *preps,
						   bool reference, bool keeps_missing, ml_column_spec *columns);

/*
 * train_fit_numbers.c: the part of it that is not of categories: fills, scales and transformations of numbers, times and vectors.
 * has_fill of a column is known already.
 */
extern void mdl_fit_numbers(const ml_ctx *ctx, const MdlMatrixData *data, const ml_row_list *rows, const MdlColumnPrep *preps,
							ml_column_spec *columns);

/*
 * Puts mean targets of categories learnt from other rows into a term of the rows trained on: at terms + stride * the
 * place among these rows, or the row itself.  fill_code stands for missing categories, -1: the mean of all rows does.
 */
extern void mdl_design_target_means(const MdlMatrixData *data, int index, int fill_code, const ml_row_list *rows, double *terms,
									size_t stride, bool by_place);

/*
 * What the estimator reads, prepared by the model from some folds: design or matrix, whichever its form is.  In the
 * current context; what is not a part of the image is bounded by medallion.train_mem.  use_fold is (n_folds) and must
 * outlive the input.  folds_apart: an estimator that takes Grams gets those of the folds too, to choose a penalty by.
 */
extern void mdl_design_input(const ml_ctx *ctx, const ml_estimator *estimator, const ml_model *model,
							 const MdlMatrixData *data, const MdlColumnPrep *preps, const bool *use_fold, bool folds_apart,
							 ml_train_input *input);

/* Predictions of the model for n rows from `first` on: (n, width), in threads, with looks for a cancel in between. */
extern void mdl_training_calibrate(MdlTraining *t, const MdlMatrixData *data);	/* train_calibrate.c: if it is asked for */
extern double *mdl_design_predict(const ml_ctx *ctx, const ml_model *model, const MdlMatrixData *data, size_t first, size_t n);

/* ---- train_metrics.c -------------------------------------------------------------------------------------------- */

#define MDL_MAX_METRICS 16

typedef struct MdlMetric
{
	const char *name;
	double		value;
} MdlMetric;

/*
 * Metrics of predictions (n, width) for n rows from `first` on; returns their number.  Those that rank or count rows are
 * left out when rows have weights, as are those that are not defined (one class only).  None for a task without target.
 */
extern int	mdl_matrix_metrics(const ml_ctx *ctx, const MdlMatrixData *data, const double *predictions, size_t first, size_t n,
							   MdlMetric *metrics);

/* Metrics from a state of eval_regression.h; returns their number. */
extern int	mdl_regression_metrics(const double *state, MdlMetric *metrics);

#endif							/* MDL_TRAIN_MATRIX_H */
