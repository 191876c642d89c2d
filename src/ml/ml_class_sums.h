/*
 * ml_class_sums.h: what naive Bayes needs to know of its rows, gathered in one pass: sums over the rows of each class.
 *
 * The arrays belong to the caller, who keeps them in the state of an aggregate, where classes and categories come up as
 * rows are read.  Means are taken about a *base*, the first row, so that numbers far from 0 lose no digits.
 */
#ifndef ML_CLASS_SUMS_H
#define ML_CLASS_SUMS_H

#include "ml/ml.h"

/* What the numbers of a class are summed up to; the order is that of the parameter "type" of naive_bayes. */
typedef enum ml_class_sum_type
{
	ML_CLASS_GAUSSIAN = 0,		/* means less the base, and squares about them */
	ML_CLASS_MULTINOMIAL,		/* sums */
	ML_CLASS_BERNOULLI,			/* the weight of the rows above a threshold */
	ML_CLASS_CATEGORICAL		/* sums, of 0 and 1 */
} ml_class_sum_type;

/* What is known of a number over all rows, as bits. */
#define ML_SEEN_NEGATIVE	1	/* below 0; multinomial and categorical only, as is the next */
#define ML_SEEN_FRACTIONAL	2	/* neither 0 nor 1 */
#define ML_SEEN_ANOTHER		4	/* not what it was in the first row; not gaussian, where means and squares tell */

/* Sums over the rows trained on, by the terms of a model. */
typedef struct ml_class_sums
{
	int			n_terms;
	int			n_classes;
	const double *weight;		/* (n_classes) */
	const double *count;		/* (n_classes) rows */
	const double *sums;			/* (n_classes, n_terms); gaussian: means */
	const double *squares;		/* (n_classes, n_terms) about the means, weighted; gaussian only */
	const bool *negative;		/* (n_terms) */
	const bool *fractional;		/* (n_terms) */
} ml_class_sums;

/* Adds x - base with this weight to means and squares, all (n); total is the weight with it (West 1979). */
extern void ml_class_add_moments(double *means, double *squares, const double *x, const double *base, double weight,
								 double total, size_t n);

/* Adds x to sums, all (n); seen (n) gets the bits of ML_SEEN_… that apply. */
extern void ml_class_add_sums(ml_class_sum_type type, double threshold, double *sums, unsigned char *seen, const double *x,
							  const double *base, double weight, size_t n);

/*
 * Adds the means and squares of other rows, whose means are about a base that is farther by shift (n), to ours (Chan,
 * Golub and LeVeque 1979).
 */
extern void ml_class_merge_moments(double *means, double *squares, double weight, const double *other_means,
								   const double *other_squares, double other_weight, const double *shift, size_t n);

#endif							/* ML_CLASS_SUMS_H */
