/*
 * train_matrix.h: rows in shared memory as parallel workers read them, and the matrix that is made of them.
 */
#ifndef MDL_TRAIN_MATRIX_H
#define MDL_TRAIN_MATRIX_H

#include "train/train_int.h"

#include "utils/dsa.h"

/*
 * A *part* is what one process read: its rows in chunks, in the layout of MdlSampleRecord with codes that are indexes
 * into the part's own set of texts, and counts.  It lies in the dynamic shared memory area of the load.
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
	dsa_pointer rows;
	int32		count;
	int32		room;
} MdlMatrixChunk;

/* All parts of a load, while the area is there. */
typedef struct MdlMatrixLoad
{
	dsa_area   *area;
	int			n_parts;
	MdlMatrixPart **parts;
	int64		rows;
	MdlRowCounts *counts;		/* (n_columns) summed up */
} MdlMatrixLoad;

/*
 * Reads the source into shared memory.  The area is detached by mdl_matrix_unload, or when the memory context `memory`
 * is reset (as it is on error).
 */
extern void mdl_matrix_load(const MdlSource *source, const MdlRowPlan *plan, bytea *plan_bytes, MemoryContext memory,
							MdlMatrixLoad *load);
extern void mdl_matrix_unload(MdlMatrixLoad *load);

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
	int64		rows;
	uint64		size;			/* of the block */
	uint64		folds_at;		/* uint64 (n_folds + 1) */
	uint64		kinds_at;		/* int32 (n_columns): 0 numbers, else the number of categories */
	uint64		data_at;		/* (n_columns) arrays of doubles or int32, each padded to 64 bytes */
	uint64		labels_at;		/* int32 (rows) */
	uint64		weights_at;		/* double (rows) */
} MdlMatrixImage;

/*
 * Makes the image from what was loaded, in canonical order.  Decides categories and classes, which go into t->plan's
 * dictionaries and t->classes, and the fills of missing values; raises for what cannot be learnt from.  `allocate`
 * gives the memory of the image.  *records gets up to `*sample` training rows, which live as long as the load; *sample
 * becomes their number.
 */
extern MdlMatrixImage *mdl_matrix_build(MdlTraining *t, const MdlMatrixLoad *load, uint32 *sample,
										const MdlSampleRecord ***records, void *(*allocate) (Size size, void *arg),
										void *arg);

/* A view of the image for the learners, in the current context; reference: one-hot without the first category. */
extern ml_matrix *mdl_matrix_view(const MdlMatrixImage *image, bool reference);

/* ---- train_metrics.c -------------------------------------------------------------------------------------------- */

#define MDL_MAX_METRICS 16

typedef struct MdlMetric
{
	const char *name;
	double		value;
} MdlMetric;

/*
 * Metrics of the linear predictor of two classes on n rows from `first` on; returns their number.  Those that rank or
 * count rows are left out when rows have weights, as are those that are not defined (one class only).
 */
extern int	mdl_class_metrics(const ml_ctx *ctx, const ml_matrix *matrix, const double *coefficients, double intercept,
							  size_t first, size_t n, MdlMetric *metrics);

#endif							/* MDL_TRAIN_MATRIX_H */
