/*
 * ml_irls_int.h: the inside of ml_irls.h, for the files it is made of.
 *
 *   ml_irls.c          phases and rounds: from one point to the next, until the end
 *   ml_irls_rows.c     what a range of rows adds to the sums
 *   ml_irls_newton.c   a step from the sums
 *   ml_irls_describe.c what the solution tells: standard errors, collinearity
 *
 * Without a penalty the coefficients at work are those of rests of terms (ml_untangle.h), where terms nearly determine each other.
 *   ml_irls_make.c     memory, where to begin, the end
 */
#ifndef ML_IRLS_INT_H
#define ML_IRLS_INT_H

#include "ml/ml_extreme.h"
#include "ml/ml_irls.h"
#include "ml/ml_matrix_layout.h"
#include "ml/ml_moments.h"
#include "ml/ml_solve.h"
#include "ml/ml_untangle.h"

#define ML_IRLS_BATCH 8			/* ranges of one step */
#define ML_IRLS_TOLERANCE 1e-11 /* of a pivot */

typedef struct ml_irls_range
{
	size_t		first;
	size_t		n;
} ml_irls_range;

/* Sums over rows at the current coefficients. */
typedef struct ml_irls_sums
{
	ml_moments *moments;		/* of the terms, weighted with the curvature of the rows */
	double	   *gradient;		/* (numbers), sum of residuals times x … */
	double	   *level_gradient; /* … and (levels) */
	double		residual;		/* sum of residuals */
	double		curvature;
	double		loss;
	double		weight;
	int64_t		rows;			/* of weight above 0 */
	int64_t		expected;		/* rows whose curvature is the expected one although it is not to be */
	ml_family_sums measured;	/* in phase ML_IRLS_LAST_HESSIAN */
	const double **columns;		/* (numbers) scratch: where a block's columns start … */
	int32_t   **level_rows;		/* … (cats) and its levels, (ML_MOMENTS_BLOCK) each */
	ml_untangle_scratch scratch;
	unsigned char *fading;		/* (n_terms) terms of rows whose means fade away … */
	int64_t		fading_rows;	/* … and how many these are; in phase ML_IRLS_LAST_HESSIAN */
} ml_irls_sums;

typedef enum ml_irls_phase
{
	ML_IRLS_ON_NULL = 0,				/* the intercept alone */
	ML_IRLS_ON_SAMPLE,
	ML_IRLS_ON_ALL,
	ML_IRLS_LAST_HESSIAN,				/* one more round at the solution, for standard errors */
	ML_IRLS_FINISHED
} ml_irls_phase;

struct ml_irls
{
	ml_ctx		ctx;
	const ml_matrix *matrix;
	ml_irls_params params;
	ml_irls_fit fit;
	bool		penalised;
	ml_matrix_layout layout;
	ml_irls_range	   *ranges;
	size_t	   *range_place;	/* (n_ranges) rows in the ranges before */
	int			n_ranges;
	size_t		rows;			/* of all ranges */
	double		sample_share;	/* of the rows that the sample has, the first of each range; 0: no sample */
	int			next_range;
	int			batch_range;	/* first of the batch at work */
	ml_irls_phase phase;
	int			rounds;			/* of this phase */
	int			halvings;
	bool		from_target;	/* this round is at the means that the targets suggest … */
	bool		after_target;	/* … or at the first coefficients that came of them … */
	bool		observed;		/* this round gathers the Hessian itself, not the expected one */
	bool		target_failed;	/* … which were worse than no model at all */
	double		l1;				/* penalties on all rows … */
	double		l2;
	double		scale;			/* … and their share in this phase */
	double	   *b;				/* (n_terms) current */
	double		b0;
	double	   *before;			/* (n_terms) at the last accepted round */
	double		before0;
	double		objective;		/* there; INFINITY: none yet */
	double		start0;			/* intercept to start from */
	double		null_objective;	/* loss there, per unit of weight */
	double		last_gain;		/* that the step before was expected to bring */
	double	   *level_b;		/* (n_levels) coefficient by level */
	ml_extreme	extreme;		/* without a penalty */
	ml_untangle untangle;
	ml_gram_source *origin;		/* (n_terms) the layout's sources before tangled terms got columns of their own */
	ml_irls_sums total;
	ml_irls_sums part[ML_IRLS_BATCH];
	ml_gram		gram;
	double	   *gram_memory;
	double	   *inverse;		/* (n_terms, n_terms) of the information at the solution */
	double	   *residuals;		/* (rows) of the fit, if asked for */
	double	   *right;			/* (n_terms) scratch … */
	double	   *step;
	double	   *term_step;		/* the last one, in terms instead of rests */
	double	   *work;
};

/* ---- ml_irls_rows.c ---------------------------------------------------------------------------------------------- */

extern void ml_irls_clear_sums(const ml_irls *l, ml_irls_sums *s);
extern void ml_irls_add_sums(const ml_irls *l, ml_irls_sums *to, ml_irls_sums *from);
extern size_t ml_irls_sample_rows(const ml_irls_range *r);	/* rows of the range that the sample has, its first */
extern void ml_irls_do_range(void *arg, int index); /* for ml_parallel: range batch_range + index into part[index] */

/* ---- ml_irls_newton.c -------------------------------------------------------------------------------------------- */

extern void ml_irls_make_hessian(ml_irls *l);	/* l->gram from the sums */

/* ML_MORE: terms turned out to depend on each other, or to be of extreme sizes, and the round is to be done again with others instead. */
extern ml_status ml_irls_newton_step(ml_irls *l, double *improvement, ml_error *err);

/* ---- ml_irls_describe.c ------------------------------------------------------------------------------------------ */

extern ml_status ml_irls_describe_fit(ml_irls *l, ml_error *err);

/* ---- ml_irls.c --------------------------------------------------------------------------------------------------- */

extern void ml_irls_start_phase(ml_irls *l, ml_irls_phase phase);

/* ---- ml_irls_make.c ---------------------------------------------------------------------------------------------- */

/* Columns of their own for tangled terms, and memory for the sums over them. */
extern ml_status ml_irls_make_room(ml_irls *l, ml_error *err);

#endif							/* ML_IRLS_INT_H */
