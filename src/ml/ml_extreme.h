/*
 * ml_extreme.h: columns so large or small that their squares overflow or vanish, times a power of two.
 *
 * Such a column, x, is replaced by a copy x 2^e whose largest number is about 1, which loses nothing; its coefficient b is then that of
 * the copy times 2^e.  Fits with a penalty are not for it, since the penalty is on b.
 */
#ifndef ML_EXTREME_H
#define ML_EXTREME_H

#include "ml/ml_estimator.h"
#include "ml/ml_matrix_layout.h"

typedef struct ml_extreme
{
	bool		looked;
	int		   *exponent;		/* (terms) e; NULL: no column is extreme */
	double	  **copies;			/* (n_copies) */
	int			n_copies;
	double	   *rows;			/* the copy of a design */
} ml_extreme;

/*
 * Replaces extreme number columns of a layout, which are looked for once, among those whose moment (n_terms, n_terms), about their
 * means and of such a weight, has vanished or overflown.  *changed: there were some.
 */
extern ml_status ml_extreme_columns(const ml_ctx *ctx, ml_extreme *e, const ml_matrix *matrix, const double *moments, double weight,
									ml_matrix_layout *layout, bool *changed, ml_error *err);

/* *scaled becomes the design with extreme columns replaced. */
extern ml_status ml_extreme_rows(const ml_ctx *ctx, ml_extreme *e, const ml_design *design, ml_design *scaled, ml_error *err);

/* The power of two that brings the largest, in size, of numbers of extreme sizes near 1; 0 of others. */
extern int	ml_extreme_exponent(double largest);

/* Coefficients of copies, or their standard errors (n_terms), become those of the columns; false: they overflow. */
extern bool ml_extreme_to_terms(const ml_extreme *e, double *coefficients, int n_terms);
extern void ml_extreme_clear(const ml_ctx *ctx, ml_extreme *e);

#endif							/* ML_EXTREME_H */
