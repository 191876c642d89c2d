/*
 * ml_matrix_layout.h: the columns of a matrix as moments take them, numbers and levels apart, and which term each is.
 */
#ifndef ML_MATRIX_LAYOUT_H
#define ML_MATRIX_LAYOUT_H

#include "ml/ml_matrix.h"
#include "ml/ml_moments.h"

typedef struct ml_matrix_layout
{
	ml_moments_shape shape;
	const double **numbers;		/* (shape.n_numbers) columns */
	const int32_t **codes;		/* (shape.n_cats) */
	int		   *first_level;	/* (shape.n_cats) */
	int		   *number_term;	/* (shape.n_numbers) */
	int		   *level_term;		/* (shape.n_levels), -1: reference */
	ml_gram_source *sources;	/* (n_terms) */
} ml_matrix_layout;

/* Fills a zeroed layout; false: no memory, and what was taken goes with ml_matrix_layout_clear. */
extern bool ml_matrix_layout_make(const ml_ctx *ctx, const ml_matrix *matrix, ml_matrix_layout *layout);

/* Gives a term that is a level a number column of its own, whose numbers are NULL; a number has one already.  false: no memory. */
extern bool ml_matrix_layout_own(const ml_ctx *ctx, ml_matrix_layout *layout, int term);
extern void ml_matrix_layout_clear(const ml_ctx *ctx, ml_matrix_layout *layout);

#endif							/* ML_MATRIX_LAYOUT_H */
