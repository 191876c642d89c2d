/*
 * ml_matrix.h: all rows in memory, column by column, for learners that go over them again and again.
 *
 * Rows are in an order that depends on their content alone (by fold, then by a hash of the content), so that what is
 * learnt is the same bits whatever the order in which they were read; and the first rows of a fold are a random sample.
 * The last fold is the holdout, if there is one.  The arrays belong to whoever made the matrix.
 */
#ifndef ML_MATRIX_H
#define ML_MATRIX_H

#include "ml/ml.h"

typedef struct ml_matrix_column
{
	const double *numbers;		/* (rows): a number column, or … */
	const int32_t *codes;		/* … (rows): a categorical one, codes from 0 */
	int			n_categories;
	int			reference;		/* one-hot: the category without a term, or -1 */
	int			first_term;
} ml_matrix_column;

typedef struct ml_matrix
{
	size_t		rows;			/* of all folds */
	int			n_columns;
	const ml_matrix_column *columns;
	int			n_terms;
	const double *target;		/* (rows) regression, or … */
	const int32_t *labels;		/* … (rows) class codes from 0 */
	int			n_classes;
	const double *weights;		/* (rows), NULL: 1 */
	int			n_folds;
	const size_t *fold_start;	/* (n_folds + 1) */
	const double *offset;		/* (rows) added to the linear predictor; NULL: nothing */
	int			n_offsets;		/* columns that it is the sum of, which are none of `columns`; their terms come last */
} ml_matrix;

#endif							/* ML_MATRIX_H */
