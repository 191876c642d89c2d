/*
 * ml_dual_descent.h: coordinate descent in the dual of linear support vector machines.
 *
 * Finds the weights w of the terms, and of a constant `bias` as one more term, that minimise
 *
 *     ½ |w|² + Σ C_i loss(y_i, w·x_i)
 *
 *     classification, y = ±1:  max(0, 1 - y f) or its square      regression:  max(0, |y - f| - epsilon) or its square
 *
 * one dual variable at a time, in an order drawn anew each round, with variables at their bounds left out for a time
 * (Hsieh, Chang, Lin, Keerthi and Sundararajan 2008; Ho and Lin 2012 for the regression).  All memory is taken at the start, so
 * several may run in threads on the same rows.
 */
#ifndef ML_DUAL_DESCENT_H
#define ML_DUAL_DESCENT_H

#include "ml/ml.h"
#include "ml/ml_random.h"

/* What the rows have in common. */
typedef struct ml_dual_rows
{
	const double *x;			/* row i at x + i * stride */
	size_t		stride;
	size_t		n;
	int			n_terms;
	double		bias;			/* 0: none */
	double	   *norms;			/* (n) squared, with the bias */
} ml_dual_rows;

typedef struct ml_dual
{
	const ml_dual_rows *rows;

	/* The problem; filled by the caller before ml_dual_start. */
	bool		regression;
	bool		squared;
	double		epsilon;
	double		tolerance;		/* as liblinear's eps */
	int64_t		max_rounds;
	const double *target;		/* (n) of a regression, else … */
	const int32_t *labels;		/* … (n) classes, of which … */
	int32_t		positive;		/* … this one is +1 */
	const double *weights;		/* (n) NULL: 1 */
	double		c_positive;		/* C times the weight of the class; of a regression C */
	double		c_negative;

	/* The result. */
	double	   *w;				/* (n_terms) */
	double		intercept;		/* of the bias, times it */
	double		objective;		/* of w */
	double		dual_objective; /* below it, the same at the optimum */
	int64_t		rounds;
	bool		converged;

	/* Inside. */
	ml_random	random;
	double		w_bias;
	double	   *alpha;			/* (n) */
	uint32_t   *index;			/* (n) the active rows first */
	size_t		active;
	size_t		place;			/* of the round */
	size_t		drawn;			/* places whose row is drawn */
	size_t		kept;
	double		upper_before;	/* largest violation of the round before, upwards … */
	double		lower_before;	/* … and downwards */
	double		upper;
	double		lower;
	double		violation;		/* sum, of a regression */
	double		first_violation;
	bool		measuring;		/* the objective, row by row */
	bool		finished;
} ml_dual;

extern bool ml_dual_rows_init(const ml_ctx *ctx, ml_dual_rows *rows);	/* the norms; false: no memory */

extern bool ml_dual_init(const ml_ctx *ctx, ml_dual *d, const ml_dual_rows *rows);	/* false: no memory */
extern void ml_dual_free(const ml_ctx *ctx, ml_dual *d);
extern double ml_dual_bytes(size_t n, int n_terms);
extern void ml_dual_start(ml_dual *d, uint64_t stream);

/* Goes on until `work` numbers of rows were looked at, which are taken off, or the solution is there: true. */
extern bool ml_dual_run(ml_dual *d, double *work);

#endif							/* ML_DUAL_DESCENT_H */
