/*
 * ml_pass.h: passes over rows in threads whose sums are the same bits whatever the number of threads.
 *
 * Rows are divided into *groups* that depend on their number and on nothing else; a group is worked on in the order of
 * its rows and by one thread at a time, and its sums are its own, so that adding those of the groups in order gives one
 * result.  A step does a slice of every group, so that a caller may look for a cancel between steps.
 */
#ifndef ML_PASS_H
#define ML_PASS_H

#include "ml/ml.h"

typedef struct ml_pass
{
	size_t		rows;
	int			n_groups;
	size_t		group_rows;		/* of each group but the last ones */
	size_t		slice;			/* rows of a group that a step does */
	size_t		done;			/* of each group in this pass */
} ml_pass;

/* Rows first … end - 1 of a group; called in threads, so it neither allocates nor asks the context. */
typedef void (*ml_pass_work) (void *arg, int group, size_t first, size_t end);

/* cost: of a row, in numbers worked on; bytes: that a group's sums take, which bounds the number of groups. */
extern void ml_pass_begin(ml_pass *pass, const ml_ctx *ctx, size_t rows, double cost, double bytes);

/* Does a slice of each group; true when all rows are done, and then the next call starts another pass. */
extern bool ml_pass_step(ml_pass *pass, const ml_ctx *ctx, ml_pass_work work, void *arg);

extern double ml_pass_share(const ml_pass *pass);	/* of the pass at work: 0 … 1 */

/* Adds the sums of the groups, (n_groups, count), into the first's, in order. */
extern void ml_pass_add_up(const ml_pass *pass, double *sums, size_t count);

#endif							/* ML_PASS_H */
