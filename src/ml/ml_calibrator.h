/*
 * ml_calibrator.h: maps from what a model of classes predicts to probabilities.
 *
 * A map for the last of two classes, or one for each of more, whose results are divided by their sum.  A map is Platt's sigmoid
 * (ml_platt.h) or an isotonic regression (Zadrozny and Elkan 2002), of the probability that the model gives or, where that is a
 * squashed decision value, of its log odds.
 */
#ifndef ML_CALIBRATOR_H
#define ML_CALIBRATOR_H

#include "ml/ml_bytes.h"

typedef enum ml_calibration		/* in stored models */
{
	ML_CALIBRATE_NONE = 0,
	ML_CALIBRATE_SIGMOID,
	ML_CALIBRATE_ISOTONIC
} ml_calibration;

typedef struct ml_calibrator
{
	ml_calibration method;
	bool		log_odds;
	int			n_maps;
	double	   *sigmoids;		/* (n_maps, 2) a and b, or … */
	size_t	   *starts;			/* … (n_maps + 1) knots of each map among */
	double	   *x;
	double	   *y;
} ml_calibrator;

/*
 * Fits maps to predictions (n, n_classes) of rows that the model did not see; *calibrator is freed by the caller.  May fail with
 * ML_NO_MEMORY, ML_CANCELLED.
 */
extern ml_status ml_calibrator_fit(const ml_ctx *ctx, ml_calibration method, bool log_odds, const double *predictions,
								   const int32_t *labels, const double *weights, size_t n, int n_classes,
								   ml_calibrator **calibrator, ml_error *err);
extern void ml_calibrator_free(const ml_ctx *ctx, ml_calibrator *calibrator);	/* NULL allowed */

/* Puts the calibrated probabilities of a row in the place of the others. */
extern void ml_calibrator_apply(const ml_calibrator *calibrator, int n_classes, double *probabilities);

extern void ml_calibrator_save(const ml_calibrator *calibrator, ml_writer *w);
extern ml_status ml_calibrator_load(const ml_ctx *ctx, ml_reader *r, int n_classes, ml_calibrator **calibrator);	/* hostile bytes */

#endif							/* ML_CALIBRATOR_H */
