/*
 * ml_solve.h: triangular factors of symmetric matrices and of tall ones, with detection of dependent columns.
 *
 * A column is *aliased* when the columns before it determine it up to a tolerance; it is left out, as R's lm does: the
 * columns before keep their coefficients.
 */
#ifndef ML_SOLVE_H
#define ML_SOLVE_H

#include "ml/ml.h"

/* A Cholesky factor of the columns that were kept of a scaled symmetric matrix. */
typedef struct ml_cholesky
{
	int			n;				/* columns of the matrix */
	int			rank;			/* columns kept */
	int		   *kept;			/* (rank) which, ascending */
	double	   *scale;			/* (rank) 1 / root of the diagonal */
	double	   *factor;			/* (rank, rank) lower triangle, rows of `rank` numbers */
} ml_cholesky;

/*
 * Factors the positive semi-definite (n, n) matrix plus ridge on its diagonal, scaled to a unit diagonal.  A column
 * whose pivot falls below tolerance (of the scaled matrix, whose diagonal is 1) is left out.  Free with
 * ml_cholesky_free also after a failure.  ML_NO_MEMORY, ML_CANCELLED, ML_BAD_DATA when the matrix is not finite.
 */
extern ml_status ml_cholesky_make(const ml_ctx *ctx, ml_cholesky *c, const double *matrix, int n, double ridge,
								  double tolerance, ml_error *err);

/*
 * The same of matrix + weight v v' plus ridge, without adding it up, which would cost the digits of the matrix where v is large; a
 * column is left out when neither the matrix nor v tells it from those before it.
 */
extern ml_status ml_cholesky_make_sum(const ml_ctx *ctx, ml_cholesky *c, const double *matrix, const double *v, double weight, int n,
									  double ridge, double tolerance, ml_error *err);
extern void ml_cholesky_free(const ml_ctx *ctx, ml_cholesky *c);

/* Solves for the kept columns; right and solution are (n) and may be the same; columns left out get 0.  work: (rank) */
extern void ml_cholesky_solve(const ml_cholesky *c, const double *right, double *solution, double *work);

/* The inverse (n, n) of what was factored; 0 in rows and columns left out. */
extern ml_status ml_cholesky_inverse(const ml_ctx *ctx, const ml_cholesky *c, double *inverse, ml_error *err);

/* Smallest pivot met, of columns kept: 1 / (largest variance inflation). */
extern double ml_cholesky_smallest_pivot(const ml_cholesky *c);

/*
 * Householder QR of a tall matrix in extended precision, kept column by column: column j of the (rows, n) matrix is at
 * columns + j * rows and is overwritten.  A column is left out when, once the first `free` columns and those kept have
 * been taken out of it, its norm falls below tolerance times what was left after the first `free`, or to what rounding of the
 * column may be.
 */
typedef struct ml_qr
{
	size_t		rows;
	int			n;
	int			rank;
	int		   *kept;			/* (rank) */
	long double *columns;		/* the caller's memory: reflector k in column kept[k], below the diagonal */
	long double *tau;			/* (rank): factor of each reflector */
	long double *head;			/* (rank): first element of each reflector */
	long double *factor;		/* (rank, rank) upper triangle, rows of `rank` numbers */
} ml_qr;

extern ml_status ml_qr_make(const ml_ctx *ctx, ml_qr *qr, long double *columns, size_t rows, int n, int free,
							double tolerance, ml_error *err);
extern void ml_qr_free(const ml_ctx *ctx, ml_qr *qr);

/*
 * Least squares: right (rows) is overwritten by Q' right, whose elements from `rank` on are the residuals turned;
 * solution is (n), 0 for columns left out.
 */
extern void ml_qr_solve(const ml_qr *qr, long double *right, long double *solution);

/* The diagonal (n) of the inverse of R'R; 0 for columns left out. */
extern ml_status ml_qr_inverse_diagonal(const ml_ctx *ctx, const ml_qr *qr, double *diagonal, ml_error *err);

#endif							/* ML_SOLVE_H */
