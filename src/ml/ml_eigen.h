/*
 * ml_eigen.h: the largest eigenvalues of a symmetric positive semi-definite matrix and their vectors, without the others.
 *
 * Subspace iteration from random vectors (Halko, Martinsson and Tropp 2011): some more vectors than are wanted are
 * multiplied with the matrix and made orthonormal, again and again, until each is an eigenvector to within a tolerance.
 */
#ifndef ML_EIGEN_H
#define ML_EIGEN_H

#include "ml/ml.h"

typedef struct ml_eigen
{
	ml_ctx		ctx;
	const double *matrix;		/* (n, n) */
	size_t		n;
	int			wanted;
	int			width;			/* vectors that are carried along */
	int			rounds;
	double		residual;		/* the largest |A v - value v| of those wanted, as a share of the largest value */
	double	   *values;			/* (width) descending */
	double	   *vectors;		/* (width, n) orthonormal */
	double	   *products;		/* (width, n) vectors times matrix */
	double	   *small;			/* (width, width) */
} ml_eigen;

/* The matrix must outlive it.  wanted + extra vectors, at most n.  Free with ml_eigen_free also after a failure. */
extern ml_status ml_eigen_begin(const ml_ctx *ctx, ml_eigen *e, const double *matrix, size_t n, int wanted, int extra,
								ml_error *err);

/* One round; ML_DONE when the residual is at most tol, else ML_MORE. */
extern ml_status ml_eigen_step(ml_eigen *e, double tol, ml_error *err);
extern void ml_eigen_free(ml_eigen *e);

#endif							/* ML_EIGEN_H */
