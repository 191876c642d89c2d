/*
 * ml_symmetric.h: eigenvalues and eigenvectors of a symmetric matrix, the same bits wherever it lies in memory.
 */
#ifndef ML_SYMMETRIC_H
#define ML_SYMMETRIC_H

#include "ml/ml.h"

/*
 * matrix (n, n), symmetric; values (n) get the eigenvalues, ascending; with vectors the matrix gets the eigenvectors, that of
 * values[k] from matrix + k * n on, else it is spoilt.  ML_NO_MEMORY, or ML_BAD_DATA where the iteration does not end, with
 * `what` as the message.
 */
extern ml_status ml_symmetric_eigen(const ml_ctx *ctx, bool vectors, int n, double *matrix, double *values, const char *what,
									ml_error *err);

#endif							/* ML_SYMMETRIC_H */
