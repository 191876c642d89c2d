/*
 * ml_moments.h: what a linear model needs to know of its rows, gathered in one pass.
 *
 * *Moments* are a block of memory without pointers, so that a server can keep it as the state of an aggregate, send it
 * and merge it: number of rows, weight, means and centred co-moments of the number columns (the target is the last),
 * and for one-hot columns the weight and the sums per category.  Rows are added one at a time and worked on in blocks.
 * Categories are counted through, over all categorical columns, as *levels*.
 *
 * *Exact moments* hold the same as sums of integers on a grid fixed beforehand: they do not depend on the order in which
 * rows come or on how they are divided, to the bit.
 *
 * A *Gram* is what both end in: the dense centred co-moments of a model's terms and its target.
 */
#ifndef ML_MOMENTS_H
#define ML_MOMENTS_H

#include "ml/ml.h"

typedef struct ml_moments_shape
{
	int			n_numbers;		/* with the target */
	int			n_cats;
	int			n_levels;		/* of all categorical columns together */
} ml_moments_shape;

#define ML_MOMENTS_BLOCK 64		/* rows that are worked on together */

/* The head of the block of memory; aligned to 8 bytes. */
typedef struct ml_moments
{
	uint32_t	magic;
	int32_t		n_numbers;
	int32_t		n_cats;
	int32_t		n_levels;
	int64_t		rows;			/* in the sums, without the pending ones */
	double		weight;			/* their total weight */
	double		log_weight;		/* sum of the logarithms of their weights */
	int32_t		pending;
	int32_t		weighted;		/* a pending row has a weight other than 1 */
	int64_t		blocks;
	int64_t		unused;			/* so that what follows is aligned to 16 bytes if this is */
} ml_moments;

extern size_t ml_moments_size(const ml_moments_shape *shape);
extern void ml_moments_init(ml_moments *m, const ml_moments_shape *shape);

/* Whether a block that came from outside is what its head and size say; cheap. */
extern bool ml_moments_valid(const ml_moments *m, size_t size, const ml_moments_shape *shape);

/* Adds a row: numbers (n_numbers), levels (n_cats), each below n_levels; weight > 0. */
extern void ml_moments_add(ml_moments *m, const double *numbers, const int32_t *levels, double weight);
extern void ml_moments_flush(ml_moments *m);	/* works off the pending rows */

/*
 * Adds n <= ML_MOMENTS_BLOCK rows that lie column by column: numbers is (n_numbers) pointers to their first row, levels
 * (n_cats) pointers to arrays (n); weights (n), where 0 leaves a row out.
 */
extern void ml_moments_add_columns(ml_moments *m, const double *const *numbers, const int32_t *const *levels,
								   const double *weights, size_t n);
extern void ml_moments_merge(ml_moments *m, ml_moments *other);	/* flushes both */

/* ---- exact moments ------------------------------------------------------------------------------------------- */

/*
 * The grid: number j of a row becomes the integer nearest to (number - shift[j]) * root weight * 2^exponent[j], at most
 * 2^46 in size, so that the sums of products of 2^33 rows fit 127 bits.
 */
typedef struct ml_grid
{
	int			n_numbers;
	const double *shift;		/* (n_numbers) */
	const int32_t *exponent;	/* (n_numbers) */
	const double *scale;		/* (n_numbers): 2^exponent */
	int32_t		root_exponent;	/* of the root of the weight itself */
	double		root_scale;
} ml_grid;

/* Shift and exponent for a column between least and largest when the largest weight is given. */
extern void ml_grid_fit(double least, double largest, double largest_weight, double *shift, int32_t *exponent);
extern int32_t ml_grid_root_exponent(double largest_weight);

typedef struct ml_exact
{
	uint32_t	magic;
	int32_t		n_numbers;
	int32_t		n_cats;
	int32_t		n_levels;
	int64_t		rows;
	int64_t		outside;		/* rows that did not fit the grid and were left out: the data changed */
	uint64_t	log_weight[2];	/* sum of the logarithms of the weights in steps of 2^-52: of 128 bits the low, the high half */
} ml_exact;

extern size_t ml_exact_size(const ml_moments_shape *shape);
extern void ml_exact_init(ml_exact *m, const ml_moments_shape *shape);
extern bool ml_exact_valid(const ml_exact *m, size_t size, const ml_moments_shape *shape);
extern void ml_exact_add(ml_exact *m, const ml_grid *grid, const double *numbers, const int32_t *levels,
						 double weight);
extern void ml_exact_merge(ml_exact *m, const ml_exact *other);

/* ---- Gram ---------------------------------------------------------------------------------------------------- */

typedef struct ml_gram
{
	int			n;				/* terms and the target, which is the last */
	int64_t		rows;
	double		weight;
	double		log_weight;		/* sum of the logarithms of the weights: the likelihood needs it */
	double	   *mean;			/* (n) */
	double	   *mean_rest;		/* (n) what rounding took from mean: small, but sums of Grams need it */
	double	   *moments;		/* (n, n) centred and symmetric: sum of w (x_i - mean_i) (x_j - mean_j) */
} ml_gram;

/* What a variable of the Gram is: a number column, or a level. */
typedef struct ml_gram_source
{
	int32_t		number;			/* -1: it is a level */
	int32_t		level;
} ml_gram_source;

/* Doubles that a Gram of n variables needs for its means and moments together. */
#define ml_gram_doubles(n) ((size_t) (n) * ((size_t) (n) + 2))
extern void ml_gram_attach(ml_gram *gram, int n, double *memory);	/* over what is in the caller's memory; no rows */
extern void ml_gram_clear(ml_gram *gram);
extern void ml_gram_set_mean(ml_gram *gram, int i, double a, double b);	/* to a + b, without loss */

/* Fills an attached Gram; sources is (n).  flushes m. */
extern void ml_gram_from_moments(ml_gram *gram, ml_moments *m, const ml_gram_source *sources);
extern void ml_gram_from_exact(ml_gram *gram, const ml_exact *m, const ml_grid *grid,
							   const ml_gram_source *sources);
extern void ml_gram_add(ml_gram *gram, const ml_gram *other);	/* as if the rows of both had been read */

/* One variable as a sum: variable `first` of another Gram, plus factor times its variable `second` (-1: nothing). */
typedef struct ml_gram_term
{
	int			first;
	int			second;
	double		factor;
} ml_gram_term;

/* Fills an attached Gram with sums of variables; terms is (to->n). */
extern void ml_gram_combine(ml_gram *to, const ml_gram *from, const ml_gram_term *terms);

#endif							/* ML_MOMENTS_H */
