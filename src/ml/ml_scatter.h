/*
 * ml_scatter.h: squares and products of rows about centres, which covariance matrices are made of.
 *
 * A *set* is one such matrix (of a class, of a component of a mixture …).  Every group of a pass (ml_pass.h) has matrices
 * of its own, and collects rows into blocks that are worked off when they are full.
 */
#ifndef ML_SCATTER_H
#define ML_SCATTER_H

#include "ml/ml.h"

typedef struct ml_scatter
{
	int			n_terms;
	size_t		padded;
	int			n_groups;
	int			n_sets;
	double	   *blocks;			/* (n_groups, n_sets, ML_SCATTER_ROWS, padded) */
	double	   *moments;		/* (n_groups, n_sets, padded, padded) */
	int		   *filled;			/* (n_groups, n_sets) rows in the block */
} ml_scatter;

#define ML_SCATTER_ROWS 64

/* Bytes that a group takes, for ml_pass_begin. */
extern double ml_scatter_bytes(int n_terms, int n_sets);

/* Empty sums; ML_NO_MEMORY or ML_TOO_LARGE.  Free with ml_scatter_free also after a failure. */
extern ml_status ml_scatter_make(const ml_ctx *ctx, ml_scatter *s, int n_terms, int n_groups, int n_sets, ml_error *err);
extern void ml_scatter_free(const ml_ctx *ctx, ml_scatter *s);
extern void ml_scatter_clear(ml_scatter *s);

/* Adds root_weight² (x - centre) (x - centre)'. */
extern void ml_scatter_add(ml_scatter *s, int group, int set, const double *x, const double *centre, double root_weight);

/* The sum over the groups, (n_terms, n_terms), symmetric. */
extern void ml_scatter_sum(ml_scatter *s, int set, double *moments);

#endif							/* ML_SCATTER_H */
