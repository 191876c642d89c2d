/*
 * ml_softmax_int.h: the inside of multinomial logistic regression: a fit at work, and the rounds over all rows that its
 * phases are made of.
 *
 * Inside, terms are about their means m: eta_k = a_k + (x - m) b_k, so that columns far from 0 lose no digits and do not
 * tie intercepts to coefficients.  The variables are theta (n_classes, n_terms + 1), the a_k last in each row.
 *
 * Without a penalty "terms" are rests of terms (ml_untangle.h) where terms nearly determine each other.
 *
 * A round over all rows gives the loss and its gradient, and when it is asked for the Hessian, whose blocks are
 * H_kl = -sum w p_k p_l z z' for k != l, and H_kk = -sum over l != k of H_kl, since probabilities add up to 1.
 */
#ifndef ML_SOFTMAX_INT_H
#define ML_SOFTMAX_INT_H

#include "ml/ml_extreme.h"
#include "ml/ml_matrix_layout.h"
#include "ml/ml_moments.h"
#include "ml/ml_softmax.h"
#include "ml/ml_solve.h"
#include "ml/ml_untangle.h"

#define ML_SOFTMAX_BATCH 8					/* ranges of one step */
#define ML_SOFTMAX_MEMORY 12				/* pairs that L-BFGS remembers */
#define ML_SOFTMAX_PATIENCE 50				/* rounds of L-BFGS before Newton's method */

typedef struct softmax_range
{
	size_t		first;
	size_t		n;
} softmax_range;

typedef struct softmax_sums
{
	double		loss;
	double		weight;
	int64_t		rows;
	double	   *gradient;		/* (n_classes, n_terms + 1) of the likelihood: sums of residuals times x; last the residuals */
	double	   *pairs;			/* (n_classes (n_classes - 1) / 2, padded, padded) sums of w p_k p_l z z', or NULL */
	ml_moments *moments;		/* of the terms, in phase MOMENTS */
	double	   *eta;			/* (n_classes, BLOCK) scratch */
	double	   *rows_z;			/* (BLOCK, padded) scratch: 1 and the terms about their means … */
	double	   *scaled;			/* … and times a root */
	const double **columns;		/* (numbers) scratch */
	int32_t   **level_rows;		/* (cats), (BLOCK) each */
	ml_untangle_scratch scratch;
} softmax_sums;

typedef enum softmax_phase
{
	MOMENTS = 0,				/* the first round, or rounds: means, spreads, weights of the classes, rests of terms */
	DESCENT,					/* L-BFGS */
	SMOOTH_NEWTON,				/* where L-BFGS is slow */
	NEWTON,						/* with a penalty on sizes */
	ERRORS,						/* the Hessian at the solution */
	FINISHED
} softmax_phase;

struct ml_softmax
{
	ml_ctx		ctx;
	const ml_matrix *matrix;
	ml_softmax_params params;
	ml_softmax_fit fit;
	bool		penalised;
	int			k;				/* classes */
	size_t		p;				/* terms */
	size_t		width;			/* p + 1 */
	size_t		padded;			/* of a row of rows_z: p + 1 */
	size_t		n_theta;
	ml_matrix_layout layout;
	bool	   *use_fold;		/* (folds) */
	size_t		n_rows;			/* of these folds */
	softmax_range *ranges;
	int			n_ranges;
	int			next_range;
	int			batch_range;
	softmax_phase phase;
	bool		hessian;		/* this round gathers it */
	double	   *class_weight;	/* (k) sum of weights of the class */
	double	   *mean;			/* (p); 0 without an intercept */
	ml_extreme	extreme;		/* without a penalty */
	ml_untangle untangle;
	ml_gram_source *origin;		/* (p) the layout's sources before tangled terms got columns of their own */
	ml_cholesky precondition;
	double	   *theta;			/* (k, width) where the round is */
	double	   *intercept;		/* (k) a_k - m b_k of this round */
	double	   *level_b;		/* (k, levels) */
	double	   *accepted;		/* (k, width) the best so far … */
	double	   *gradient;		/* … and the gradient of the objective there */
	double	   *direction;
	double	   *new_gradient;
	double		objective;
	double		slope;			/* of the objective along the direction */
	double		share;			/* of the direction that is tried */
	int			halvings;
	int			stalled;		/* steps in a row that brought next to nothing */
	int			n_pairs;
	int			oldest;
	double	   *s[ML_SOFTMAX_MEMORY];		/* steps … */
	double	   *y[ML_SOFTMAX_MEMORY];		/* … and changes of the gradient */
	double		rho[ML_SOFTMAX_MEMORY];
	double	   *moments;		/* (p, p) of the terms, in SMOOTH_NEWTON … */
	double		damping;		/* … and their multiple that damps, … */
	double		held;			/* … what it was before a step without, … */
	double		raise;			/* … what it is multiplied with if the step fails, … */
	double		expected;		/* … the gain of the step that is tried, by the model … */
	bool		last_step;		/* … and whether it is the last */
	double	   *full;			/* (n_theta, n_theta) the Hessian, or NULL */
	double	   *work;			/* (n_theta) */
	softmax_sums total;
	softmax_sums part[ML_SOFTMAX_BATCH];
};

/* Doubles of the sums of all pairs of classes. */
#define pair_doubles(l) ((size_t) (l)->k * ((l)->k - 1) / 2 * (l)->padded * (l)->padded)

/* ---- ml_softmax_round.c ---------------------------------------------------------------------------------------- */

extern void ml_softmax_start_round(ml_softmax *l);	/* at l->theta */
extern bool ml_softmax_do_batch(ml_softmax *l);	/* some ranges of the round; true: it is whole */
extern double ml_softmax_penalties(const ml_softmax *l, const double *theta);

/* The gradient of the loss and of the penalty on squares, about the means. */
extern void ml_softmax_read_gradient(const ml_softmax *l, double *gradient);

/* Starts a round that share of the direction from the accepted point. */
extern void ml_softmax_try_share(ml_softmax *l, double share);

/* ---- the ends of rounds: ml_softmax_lbfgs.c, ml_softmax_smooth.c, ml_softmax_newton.c, ml_softmax.c ---------------- */

extern ml_status ml_softmax_end_lbfgs_round(ml_softmax *l, ml_error *err);
extern ml_status ml_softmax_end_newton_round(ml_softmax *l, ml_error *err);
extern void ml_softmax_fill_hessian(ml_softmax *l);	/* l->full, of the loss: blocks of classes, each (width, width) */
extern bool ml_softmax_make_hessian(ml_softmax *l);	/* memory and ranges for rounds with it; false: no memory */

/*
 * Adds c S to l->full, S being the projection on shifts of all classes, which the Hessian does not feel, and c (l->work, by
 * term) of the size of the Hessian; without a penalty aliased terms get 0.
 */
extern void ml_softmax_hold_shifts(ml_softmax *l);
extern bool ml_softmax_newton_fits(const ml_softmax *l);
extern ml_status ml_softmax_start_newton(ml_softmax *l, ml_error *err);
extern ml_status ml_softmax_end_smooth_round(ml_softmax *l, ml_error *err);
extern ml_status ml_softmax_told_apart(ml_error *err);
extern ml_status ml_softmax_end_descent(ml_softmax *l, bool converged, ml_error *err);

#endif							/* ML_SOFTMAX_INT_H */
