/*
 * eval_curve.h: what every threshold on a score gives: ROC, precision and recall, gain, calibration, the best threshold.
 *
 * All of it comes from *steps*: the distinct scores from the highest down, each with the weight of the positives and of
 * the negatives that score at least as high.  Rows of equal score are one step, so nothing depends on the order of rows.
 * Rows come as (score, weight) with the weight's sign telling the label: above 0 a positive, below 0 a negative.
 */
#ifndef EVAL_CURVE_H
#define EVAL_CURVE_H

#include "ml/ml.h"

typedef struct ml_scored
{
	double		score;
	double		weight;			/* signed */
} ml_scored;

typedef struct ml_step
{
	double		threshold;		/* rows of this score and above are called positive */
	double		tp;				/* weight of the positives among them */
	double		fp;				/* weight of the negatives among them */
} ml_step;

/*
 * Sorts by score upwards, equal scores by weight; -0 and 0 become equal, NaN is not allowed.  scratch has room for n.
 * False when cancelled; ctx may be NULL: never.
 */
extern bool ml_scored_sort(const ml_ctx *ctx, ml_scored *rows, ml_scored *scratch, size_t n);

/* From sorted rows; steps has room for n.  Returns their number. */
extern size_t ml_steps(const ml_scored *rows, size_t n, ml_step *steps);

/* Each returns false when a class is missing (average precision needs only positives). */
extern bool ml_steps_roc_auc(const ml_step *steps, size_t n, double *value);
extern bool ml_steps_average_precision(const ml_step *steps, size_t n, double *value);

/* Leaves out the steps that lie on a straight line between their neighbours; returns how many are left. */
extern size_t ml_steps_corners(ml_step *steps, size_t n);

/* Of the share `fraction` of rows that score highest: the positives among them, rows of equal score taken in parts. */
extern double ml_steps_gained(const ml_step *steps, size_t n, double fraction, double *threshold);

typedef enum ml_threshold_metric
{
	ML_THRESHOLD_F1 = 0,
	ML_THRESHOLD_ACCURACY,
	ML_THRESHOLD_BALANCED_ACCURACY,
	ML_THRESHOLD_MCC,
	ML_THRESHOLD_YOUDEN,		/* recall of the positives + recall of the negatives - 1 */
	ML_THRESHOLD_COST			/* cost_fp * fp + cost_fn * fn, which is to be small */
} ml_threshold_metric;

extern double ml_threshold_value(ml_threshold_metric metric, double tp, double fp, double positives, double negatives,
								 double cost_fp, double cost_fn);

/* The step with the best value, the first of equal ones; n where calling nothing positive is better than every step. */
extern size_t ml_best_threshold(const ml_step *steps, size_t n, ml_threshold_metric metric, double cost_fp,
								double cost_fn, double *value);

typedef struct ml_bin
{
	double		lower;
	double		upper;
	double		weight;
	double		mean;			/* of the scores */
	double		share;			/* of positives */
} ml_bin;

/*
 * Bins of the scores with their share of positives.  The inner edges are edges[1 … n_bins - 1]; a score on one belongs to
 * the bin below.  Empty bins have weight 0.
 */
extern void ml_calibration(const ml_scored *rows, size_t n, const double *edges, int n_bins, ml_bin *bins);

/* The quantile of sorted rows by linear interpolation between rows (their weights do not count). */
extern double ml_scored_quantile(const ml_scored *rows, size_t n, double fraction);

#endif							/* EVAL_CURVE_H */
