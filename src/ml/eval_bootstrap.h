/*
 * eval_bootstrap.h: how far metrics may be off because the rows are a sample: percentile intervals of the bootstrap
 * (Efron, 1979).
 *
 * A *resample* is as many rows drawn with replacement as there are; every metric of the task is computed on each
 * resample, and the interval is between two quantiles of its values.  The numbers drawn are a function of the context's
 * seed and of the resample, so that neither threads nor anything else but the order of rows matters.
 */
#ifndef EVAL_BOOTSTRAP_H
#define EVAL_BOOTSTRAP_H

#include "ml/ml.h"

typedef enum ml_eval_task
{
	ML_EVAL_NUMBER = 0,
	ML_EVAL_TWO,				/* classes, with the probability of the positive one */
	ML_EVAL_MANY				/* classes, with the log-loss of the row */
} ml_eval_task;

typedef struct ml_eval_row
{
	double		value;			/* prediction, probability or log-loss */
	double		y;				/* number; of two classes 1 for positive, else 0; of many not read */
	uint64_t	label;			/* classes, as hashes of their names; not read for numbers */
	uint64_t	predicted;
} ml_eval_row;

/*
 * Orders rows by value, then by what else they have: what follows then depends on the set of rows alone.  scratch has room
 * for n.  False when cancelled.
 */
extern bool ml_eval_sort(const ml_ctx *ctx, ml_eval_row *rows, ml_eval_row *scratch, size_t n);

/* Keeps `wanted` of the sorted rows, drawn without replacement, in their order. */
extern void ml_eval_thin(ml_eval_row *rows, size_t n, size_t wanted, uint64_t seed);

#define ML_EVAL_MAX_METRICS 10

/* The names of the task's metrics, in the order in which the arrays below have them. */
extern const char *const *ml_eval_names(ml_eval_task task, int *n);

/* Of each metric (ML_EVAL_MAX_METRICS each): NaN where there is no value. */
typedef struct ml_eval_intervals
{
	double		value[ML_EVAL_MAX_METRICS];	/* of the rows as they are */
	double		lower[ML_EVAL_MAX_METRICS];
	double		upper[ML_EVAL_MAX_METRICS];
} ml_eval_intervals;

/*
 * Rows are sorted; n is at least 1 and below 2^32.  Metrics that count classes have no value with more than
 * ML_EVAL_MAX_CLASSES of them.  A metric that more than half of the resamples leave without a value has no interval.
 */
#define ML_EVAL_MAX_CLASSES 200
extern ml_status ml_eval_bootstrap(const ml_ctx *ctx, ml_eval_task task, const ml_eval_row *rows, size_t n, int resamples,
								   double confidence, ml_eval_intervals *result, ml_error *err);

#endif							/* EVAL_BOOTSTRAP_H */
