/*
 * ml_kmeans_int.h: the state of a k-means training, shared by the files that train it.
 *
 * A training is some *starts*, of which the one with the least inertia is kept.  A start *chooses* its first centres among
 * the rows (ml_kmeans_start.c), moves them by rounds over all rows (ml_kmeans_rounds.c) or by batches (ml_kmeans_batch.c),
 * and *measures* its inertia, with which all rows are assigned once more.
 *
 * Rows are divided into *groups*, whose sums are their own and are added in order: so a result is the same bits whatever
 * the number of threads.  Work is done some groups at a time, so that a step stays short however many rows there are.
 */
#ifndef ML_KMEANS_INT_H
#define ML_KMEANS_INT_H

#include "ml/ml_estimator.h"
#include "ml/ml_kernels.h"
#include "ml/ml_nearest.h"
#include "ml/ml_screen.h"
#include "ml/ml_random.h"

#define ML_KMEANS_STEP 5e7		/* numbers (distances times terms) that a thread works on in a step, at most about */

#define ML_KMEANS_STRIP 1024	/* rows that are listed and then worked on */

#define ML_KMEANS_CANDIDATES 16 /* 2 + log of the most clusters, 1e6, and no more */

typedef enum ml_kmeans_phase
{
	ML_KMEANS_VARIANCE = 0,		/* of the terms, which tol is relative to */
	ML_KMEANS_CHOOSE,
	ML_KMEANS_GAPS,				/* between the centres, before a round */
	ML_KMEANS_ASSIGN,			/* a round */
	ML_KMEANS_BATCHES,
	ML_KMEANS_MEASURE
} ml_kmeans_phase;

typedef struct ml_kmeans
{
	ml_ctx		ctx;
	const ml_design *design;
	int			k;
	int			n_init;
	int			max_iter;
	bool		plus_plus;		/* centres are chosen by k-means++; else by chance alone */
	double		tol;			/* squared movement; until the variance is known, relative to it */
	size_t		batch;			/* rows; 0: none */
	int			patience;		/* batches without improvement */

	ml_kmeans_phase phase;
	size_t		done;			/* pieces of the phase at work: groups, or centres */
	int			start;			/* 0 … n_init - 1 */
	int			round;			/* of the start */
	bool		converged;		/* the start did */
	int			n_groups;		/* of rows, whose sums are apart */
	size_t		active;			/* rows at work: all, or those that a start with batches chooses from */
	double		total;			/* weight of the active rows, or what they are drawn with for the next centre */
	double	   *centres;		/* (k, n_terms) */
	ml_centre_set set;			/* of them */
	ml_screen	screen;			/* of them, about the mean of the rows */

	double		best_inertia;
	double	   *best;			/* (k, n_terms) of the best start, and … */
	double	   *best_sizes;		/* … (k) weight of the rows of each cluster */
	int			best_rounds;
	bool		best_converged;

	/* variance */
	bool		has_mean;		/* in `moving` and … */
	double	   *mean;			/* (n_terms) */

	/* choosing */
	int			chosen;			/* centres so far */
	ml_centre_set candidates;	/* for the next one, k of them: 0 before they are drawn, 1 once one is chosen */
	double	   *candidate_rows; /* (ML_KMEANS_CANDIDATES, n_terms) */
	double	   *left;			/* (n_groups, ML_KMEANS_CANDIDATES) distances of a group that each would leave */

	/* rounds */
	double	   *half_gap;		/* (k) half the distance to the next centre */
	double	   *moved;			/* (k) */
	double		furthest;		/* of moved */
	double		second_furthest;
	int			furthest_centre;
	int32_t    *nearest;		/* (rows) */
	double	   *upper;			/* (rows) bound on the distance to the nearest centre; while choosing its square itself */
	double	   *lower;			/* (rows) bound on the distance to any other */
	double	   *away;			/* (rows) squared distances, when a cluster has lost its rows */
	double	   *sums;			/* (n_groups, k, n_terms) */
	double	   *weights;		/* (n_groups, k) */
	double	   *totals;			/* (n_groups) */
	double	   *counts;			/* (n_groups, k) rows, which tell empty clusters as sums of weights cannot */
	double	   *blocks;			/* (n_groups, n_terms, ML_NEAREST_ROWS) rows that are compared together */
	double	   *moving;			/* (n_terms) a centre's new place */

	/* batches */
	uint64_t	batches;		/* of the start */
	double	   *seen;			/* (k) weight that batches gave to the clusters; shares memory with moved */
	int			unimproved;
	double		smooth_inertia; /* of a row, of the batches so far, the last ones above all */
	double		least_inertia;

} ml_kmeans;

static inline const double *
ml_kmeans_row(const ml_kmeans *s, size_t i)
{
	return ml_design_row(s->design, i);
}

static inline double
ml_kmeans_weight(const ml_kmeans *s, size_t i)
{
	return ml_design_weight(s->design, i);
}

static inline double *
ml_kmeans_centre(const ml_kmeans *s, int k)
{
	return s->centres + (size_t) k * s->design->n_terms;
}

/* ml_fit_kmeans.c: the active rows of a group. */
extern void ml_kmeans_group_rows(const ml_kmeans *s, int group, size_t *first, size_t *end);
extern double ml_kmeans_add_totals(const ml_kmeans *s); /* of all groups, in order */

/*
 * Does some of the `count` pieces of a phase in threads, as many as a step has time for; cost: numbers of a piece.  True when
 * all are done, and then the next call begins with the first again.
 */
extern bool ml_kmeans_some(ml_kmeans *s, size_t count, double cost, void (*work) (void *arg, int piece));

/* The same where the pieces are the groups; cost: numbers of an active row. */
extern bool ml_kmeans_some_groups(ml_kmeans *s, double cost, void (*work) (void *arg, int group));

/* Each does a step's share of its phase; true when it is done. */
extern bool ml_kmeans_choose(ml_kmeans *s);
extern bool ml_kmeans_measure_gaps(ml_kmeans *s);
extern bool ml_kmeans_assign(ml_kmeans *s);
extern bool ml_kmeans_do_batches(ml_kmeans *s);

/* After a round: moves the centres to the means of their rows; returns the sum of the squares of the ways. */
extern double ml_kmeans_move_centres(ml_kmeans *s);

/* Compares up to ML_KMEANS_STRIP rows with all centres, with the memory of a group: their nearest one, and their bounds. */
extern void ml_kmeans_compare(ml_kmeans *s, int group, const size_t *rows, size_t count);

/* Lists rows first … end - 1; returns how many. */
static inline size_t
ml_kmeans_list_rows(size_t first, size_t end, size_t *rows)
{
	for (size_t i = first; i < end; i++)
		rows[i - first] = i;
	return end - first;
}

/* Adds a row to the sums of a cluster, or takes it away: sign -1. */
static inline void
ml_kmeans_add_row(ml_kmeans *s, int group, size_t i, int cluster, double sign)
{
	size_t		cell = (size_t) group * s->k + cluster;

	s->weights[cell] += sign * ml_kmeans_weight(s, i);
	s->counts[cell] += sign;
	ml_axpy(s->sums + cell * s->design->n_terms, sign * ml_kmeans_weight(s, i), ml_kmeans_row(s, i), s->design->n_terms);
}

#endif							/* ML_KMEANS_INT_H */
