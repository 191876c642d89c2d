/*
 * ml_smo.h: sequential minimal optimisation, the solver of support vector machines.
 *
 * Finds the coefficients b (n) that minimise
 *
 *     ½ b'Kb - z'b + epsilon Σ |b|     with  Σ b  as it was at the start  and  low <= b <= high,
 *
 * K the kernel of the points with one another.  With y = ±1:
 *
 *     C-classification    z = y,  epsilon 0,  b between 0 and C y       (b = y alpha)
 *     epsilon-regression  z = y,  b between -C and C                    (b = alpha - alpha*)
 *     one-class           z = 0,  epsilon 0,  b between 0 and 1, Σ b = nu n from the start
 *
 * Pairs are chosen with second-order information (Fan, Chen and Lin 2005); points at their bounds that cannot come away
 * any more are left out for a time (shrinking, Joachims 1998), and their derivatives made again from what has changed
 * since.  Rows of K are kept in single precision, as libsvm does, within a bounded memory.  All memory is taken at the
 * start, so that a solver may run in a thread.  What comes out depends on the problem alone: not on the memory for rows
 * nor on the number of threads.
 */
#ifndef ML_SMO_H
#define ML_SMO_H

#include "ml/ml.h"
#include "ml/ml_kernel_rows.h"
#include "ml/ml_smo_cache.h"
#include "ml/ml_smo_loops.h"

#define ML_SMO_GROUPS 8			/* of points left out at different times */

typedef enum ml_smo_phase
{
	ML_SMO_DERIVING = 0,		/* derivatives of points that are left out are made again */
	ML_SMO_PAIRS,
	ML_SMO_FINISHED
} ml_smo_phase;

typedef struct ml_smo
{
	ml_ctx		ctx;
	size_t		capacity;

	/* The problem; filled by the caller before ml_smo_start. */
	const double *x;			/* design rows */
	size_t		stride;
	int			n_terms;
	ml_kernel	kernel;
	size_t		n;				/* points */
	uint32_t   *rows;			/* (n) which rows of the design the points are */
	double	   *z;				/* (n) … */
	double	   *low;
	double	   *high;
	double	   *beta;			/* … the start, then the solution */
	double		epsilon;
	double		tolerance;		/* of the derivatives, as libsvm's eps */
	int64_t		max_iterations; /* below 1: no limit */
	bool		shrinking;

	/* The result. */
	double		intercept;		/* f(x) = Σ b K(x_t, x) + intercept */
	double		objective;
	int64_t		iterations;
	bool		converged;
	double		violation;		/* where it is: to come below the tolerance */

	/* Inside. */
	ml_smo_phase phase;
	bool		started;		/* all points were active once */
	bool		reopened;		/* shrinking started anew near the optimum */
	bool		limit_reached;
	size_t		n_active;
	size_t		n_padded;		/* a multiple of ML_PANEL */
	uint32_t   *active;			/* (capacity) points by place */
	uint32_t   *kept;			/* (capacity) */
	bool	   *is_active;		/* (capacity) by point */
	double	   *u;				/* (padded) derivative z - Kb by place … */
	double	   *up;
	double	   *down;
	double	   *self;			/* … kernel of the point with itself */
	double	   *saved;			/* (capacity) u by point, of those left out */
	double	   *self_of;		/* (capacity) by point */
	double	   *panels;			/* the active points, packed; of the rbf kernel in single precision, if that is enough */
	bool		single;			/* it is: then panels, piece_panels and piece_values are floats */
	double	   *centre;			/* (n_terms) */
	float	   *points;			/* (n_workers + 1, 4, n_terms) rows in single precision; the last four of kernel_row */
	ml_smo_cache cache;
	int64_t		until_shrink;

	int			n_groups;
	size_t		group_start[ML_SMO_GROUPS + 1];
	uint32_t   *left_out;		/* (capacity) points, group after group */
	double	   *snapshots;		/* (ML_SMO_GROUPS, capacity) b when a group was left out */
	int			group;			/* deriving: where it is */
	size_t		place;
	size_t		source;
	bool		listed;
	size_t		n_changed;
	uint32_t   *changed;		/* (capacity) points whose b is another than in the snapshot of the group … */
	double	   *change;			/* … by how much */
	int			n_workers;		/* pieces that are derived at a time */
	double	   *piece_panels;	/* (n_workers, ML_SMO_PIECE points packed) */
	double	   *piece_values;	/* (n_workers, 4, ML_SMO_PIECE) */
} ml_smo;

#define ML_SMO_PIECE 128

/* Bytes that a solver takes beside its rows of K. */
extern double ml_smo_bytes(size_t capacity, int n_terms, int n_workers);

/* For problems of up to `capacity` points; NULL when there is no memory.  n_workers: threads it may use itself. */
extern ml_smo *ml_smo_new(const ml_ctx *ctx, size_t capacity, int n_terms, int n_workers, double cache_bytes);
extern void ml_smo_free(ml_smo *s); /* NULL allowed */

extern void ml_smo_start(ml_smo *s);

/*
 * Works on, for about `work` operations (1e8 take about 50 ms), which are taken off; true when the solution is there.
 * With n_workers 1 it neither allocates nor calls back.
 */
extern bool ml_smo_run(ml_smo *s, double *work);

/* When it is finished: what it decides of other rows, four at a time; the vectors are packed before the first. */
extern void ml_smo_pack_vectors(ml_smo *s);
extern void ml_smo_decide(ml_smo *s, const double *const x[4], double values[4], double *work);

#endif							/* ML_SMO_H */
