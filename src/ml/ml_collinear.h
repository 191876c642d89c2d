/*
 * ml_collinear.h: how much the terms of a fit depend on each other.
 */
#ifndef ML_COLLINEAR_H
#define ML_COLLINEAR_H

#include "ml/ml_estimator.h"

#define ML_COLLINEAR_MOST 1000	/* terms up to which it is calculated */

typedef struct ml_collinear
{
	double	   *vif;			/* (n), the caller's: variance inflation factors, 1 / (1 - R^2) of the term by the others; NaN if aliased */
	double		condition;		/* root of the largest over the smallest eigenvalue of their correlations */
} ml_collinear;

/*
 * From the moments about the means, (n, n) in rows of `stride`; all NaN beyond ML_COLLINEAR_MOST terms.  inverse (n, n), if it is
 * not NULL, is that of the moments of the terms that are not aliased, and more precise than the moments are.
 */
extern ml_status ml_collinear_make(const ml_ctx *ctx, const double *moments, size_t stride, int n, const unsigned char *aliased,
								   const double *inverse, ml_collinear *result, ml_error *err);

/* Adds attribute vif and fact condition_number, if they are known. */
extern ml_status ml_collinear_report(const ml_ctx *ctx, const ml_collinear *c, int n, ml_report *report, ml_error *err);

/* Least, quarters and largest of values (n), which are sorted; as R's quantile has them. */
extern void ml_five_numbers(double *values, size_t n, double *five);

#endif							/* ML_COLLINEAR_H */
