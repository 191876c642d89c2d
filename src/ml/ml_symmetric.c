/*
 * ml_symmetric.c: eigenvalues of symmetric matrices, by LAPACK's dsyevd.
 *
 * BLAS takes other paths, with other last digits, for numbers that lie otherwise in memory and with another number of
 * threads.  So it works on a copy that lies like any other copy, with its work space beside it, in one thread.
 */
#include "ml/ml_symmetric.h"

#include <cblas.h>
#include <lapacke.h>
#include <stdint.h>
#include <string.h>

#define LINE 64					/* bytes that what is aligned is aligned to */

static size_t
padded(size_t count)
{
	size_t		numbers = LINE / sizeof(double);

	return (count + numbers - 1) / numbers * numbers;
}

ml_status
ml_symmetric_eigen(const ml_ctx *ctx, bool vectors, int n, double *matrix, double *values, const char *what, ml_error *err)
{
	char		job = vectors ? 'V' : 'N';
	size_t		square = (size_t) n * n;
	double		wanted = 0;
	lapack_int	wanted_integers = 0;
	size_t		n_work;
	char	   *block;
	double	   *copy,
			   *own_values,
			   *work;
	lapack_int *integers;
	lapack_int	result;

	if (LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, 'U', n, matrix, n, values, &wanted, -1, &wanted_integers, -1) != 0)
		return ml_fail(err, ML_BAD_DATA, "Scale the features.", "%s", what);
	n_work = (size_t) wanted;
	block = ml_alloc(ctx, (padded(square) + padded(n) + padded(n_work) + padded(wanted_integers)) * sizeof(double) + LINE, 1);
	if (block == NULL)
		return ml_no_memory(err);
	copy = (double *) (((uintptr_t) block + LINE - 1) / LINE * LINE);
	own_values = copy + padded(square);
	work = own_values + padded(n);
	integers = (lapack_int *) (work + padded(n_work));
	memcpy(copy, matrix, square * sizeof(double));
	/* Left so: nothing else here uses BLAS, and making threads anew takes longer than most matrices do. */
	if (openblas_get_num_threads() > 1)
		openblas_set_num_threads(1);
	result = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, 'U', n, copy, n, own_values, work, (lapack_int) n_work, integers, wanted_integers);
	memcpy(matrix, copy, square * sizeof(double));
	memcpy(values, own_values, n * sizeof(double));
	ml_free(ctx, block);
	return result == 0 ? ML_OK : ml_fail(err, ML_BAD_DATA, "Scale the features.", "%s", what);
}
