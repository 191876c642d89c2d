/*
 * ml_untangle.h: terms that nearly determine each other, told apart.
 *
 * Co-moments in double precision lose the part of a term that the terms before it do not determine when that part is below
 * about 1e-7 of the term.  Instead of the term its *rest* is then used, what is left of it row by row once the terms before it are
 * taken out: rests have all digits that the rows have, and co-moments among them none of the trouble.  It is Gram-Schmidt, from
 * co-moments and twice over, until nothing is left to take out (Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015), and so as right as
 * QR of the rows is, at the price of a sum over the rows for each time.
 *
 * With shifts a (numbers near the means), terms x and rests v:  x - a = L v, L being unit lower triangular; only rows of
 * L of *tangled* terms differ from those of the identity, and only their v differs from x - a.
 */
#ifndef ML_UNTANGLE_H
#define ML_UNTANGLE_H

#include "ml/ml_matrix_layout.h"
#include "ml/ml_moments.h"
#include "ml/ml_solve.h"

typedef struct ml_untangle
{
	int			p;				/* terms */
	int			n;				/* tangled ones */
	int			times;			/* that rests were taken */
	int		   *term;			/* (n) ascending */
	int		   *place;			/* (p) in `term`, -1: not tangled */
	double	   *lower;			/* (n, p) rows of L without its diagonal */
	double	   *shift;			/* (p) a; 0 without an intercept */
} ml_untangle;

/* Nothing is tangled yet.  Free with ml_untangle_clear, also after a failure. */
extern ml_status ml_untangle_init(const ml_ctx *ctx, ml_untangle *u, int p, ml_error *err);
extern void ml_untangle_clear(const ml_ctx *ctx, ml_untangle *u);

/*
 * Looks at the co-moments (p, p) of rests and of terms that are not tangled, whose means are `mean` (NULL: they are about 0), and
 * at their factor.  If some of them still nearly determine each other, takes the rests anew: *changed, and sums are to be
 * gathered again.  A term whose moment is 0 is left alone.
 */
extern ml_status ml_untangle_take(const ml_ctx *ctx, ml_untangle *u, const double *moments, const ml_cholesky *factor, const double *mean,
								  bool *changed, ml_error *err);

/*
 * The rule of aliasing (docs: "terms that others determine"): tangled terms whose rest is nothing but rounding or below
 * ML_ALIAS_TOLERANCE of the term get moment 0.  work: (3 p).
 */
#define ML_ALIAS_TOLERANCE 1e-11
extern void ml_untangle_alias(const ml_untangle *u, double *moments, const double *mean, double weight, double *work);

/* A row of terms about the shifts becomes one of rests, in its place. */
extern void ml_untangle_row(const ml_untangle *u, double *row);

/* What blocks of rows need for it, besides. */
typedef struct ml_untangle_scratch
{
	double	   *rests;			/* (u->n, ML_MOMENTS_BLOCK) */
	double	   *level_lower;	/* (levels); NULL, as rests is, where nothing is tangled */
} ml_untangle_scratch;

/*
 * The number columns (layout's numbers) of rows first … first + n - 1, n <= ML_MOMENTS_BLOCK: where they start in the matrix, or, of tangled
 * terms, in the scratch, which is filled.  origin is the layout's sources before tangled terms got columns of their own.
 */
extern void ml_untangle_columns(const ml_untangle *u, const ml_matrix_layout *layout, const ml_gram_source *origin, size_t first, size_t n,
								const ml_untangle_scratch *scratch, const double **columns);
extern bool ml_untangle_scratch_make(const ml_ctx *ctx, const ml_untangle *u, int n_levels, ml_untangle_scratch *scratch);	/* false: no memory */
extern void ml_untangle_scratch_clear(const ml_ctx *ctx, ml_untangle_scratch *scratch);

/* Coefficients of rests (and of terms not tangled) into those of terms, and back. */
extern void ml_untangle_to_terms(const ml_untangle *u, const double *c, double c0, double *b, double *b0);
extern void ml_untangle_from_terms(const ml_untangle *u, const double *b, double b0, double *c, double *c0);

/* Where all terms are 0: the rests there (p); 0 of terms that are not tangled. */
extern void ml_untangle_origin(const ml_untangle *u, double *rests);

/* A covariance of coefficients of rests (p, p) becomes one of terms; co-moments likewise. */
extern void ml_untangle_covariance(const ml_untangle *u, double *covariance);
extern void ml_untangle_moments(const ml_untangle *u, double *moments);

#endif							/* ML_UNTANGLE_H */
