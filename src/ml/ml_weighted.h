/*
 * ml_weighted.h: rounds over design rows that give weighted cross products and sums, for learners that solve least squares again
 * and again with other weights.
 *
 * A row is z = (x - m, 1, extra) with the weighted means m, so that columns far from 0 lose no digits; without an intercept m and
 * the 1 are 0.  A learner says for each row what its products (d z z') and its sums (v z) are weighted with.
 */
#ifndef ML_WEIGHTED_H
#define ML_WEIGHTED_H

#include "ml/ml_estimator.h"
#include "ml/ml_pass.h"

#define ML_WEIGHTED_BLOCK 64
#define ML_WEIGHTED_SUMS 6
#define ML_WEIGHTED_LEAST 2

/* Up to ML_WEIGHTED_BLOCK rows, for a learner to look at. */
typedef struct ml_weighted_block
{
	size_t		first;
	size_t		n;
	const double *z;			/* row i at z + i * stride: terms, then 1 */
	size_t		stride;
	double	   *d;				/* (n) to be filled: weights of products, not below 0; 0 at first … */
	double	   *v;				/* … (n) and of sums … */
	double	   *extra;			/* … (n) and the last column, if there is one */
	double	   *sums;			/* (ML_WEIGHTED_SUMS) to be added to */
	double	   *least;			/* (ML_WEIGHTED_LEAST) to be made smaller; INFINITY at first */
} ml_weighted_block;

typedef void (*ml_weighted_look) (void *arg, ml_weighted_block *block);	/* in threads */

typedef struct ml_weighted
{
	ml_ctx		ctx;
	const ml_design *design;
	bool		fit_intercept;
	bool		has_extra;
	size_t		p;				/* terms */
	size_t		width;			/* of z: terms, 1, extra */
	size_t		padded;
	double	   *mean;			/* (p) */
	double	   *spread;			/* (p) weighted root mean squares about the mean; 0: the term is constant */
	unsigned char *dropped;		/* (p) terms to be taken for 0; the learner may set them */
	double		weight;			/* of all rows */
	ml_pass		pass;
	ml_weighted_look look;
	void	   *arg;
	bool		products;		/* this round gives them */
	double	   *memory;			/* (n_groups, of_group) */
	size_t		of_group;
	double	   *scratch;		/* (n_groups, of_scratch) */
	size_t		of_scratch;
	double	   *matrix;			/* (width, width) products of the round that is over */
	double	   *total;			/* (width) its sums of v z … */
	double		sums[ML_WEIGHTED_SUMS];	/* … and of whatever the learner added up … */
	double		least[ML_WEIGHTED_LEAST];	/* … or made smaller */
} ml_weighted;

/* Takes memory and finds the means.  Free with ml_weighted_free, also after a failure. */
extern ml_status ml_weighted_begin(const ml_ctx *ctx, ml_weighted *w, const ml_design *design, bool fit_intercept,
								   bool has_extra, ml_error *err);
extern void ml_weighted_free(ml_weighted *w);

/* Starts a round; then step until it returns true. */
extern void ml_weighted_start(ml_weighted *w, ml_weighted_look look, void *arg, bool products);
extern bool ml_weighted_step(ml_weighted *w);

#endif							/* ML_WEIGHTED_H */
