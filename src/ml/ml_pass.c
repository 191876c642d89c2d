/*
 * ml_pass.c: groups, slices and the sums of groups.
 */
#include "ml/ml_pass.h"

#include "ml/ml_kernels.h"
#include "ml/ml_parallel.h"

#define MOST_GROUPS 64
#define LEAST_ROWS 512			/* of a group */
#define SUMS_BYTES 67108864.0	/* of all groups together, about */
#define STEP_COST 2e7			/* of a thread in a step: some hundredths of a second */

typedef struct pass_call
{
	const ml_pass *pass;
	ml_pass_work work;
	void	   *arg;
} pass_call;

void
ml_pass_begin(ml_pass *pass, const ml_ctx *ctx, size_t rows, double cost, double bytes)
{
	size_t		most = (size_t) (SUMS_BYTES / (bytes + 1)) + 1;
	size_t		groups = (rows + LEAST_ROWS - 1) / LEAST_ROWS;
	double		slice;

	groups = groups > MOST_GROUPS ? MOST_GROUPS : groups;
	groups = groups > most ? most : groups;
	pass->rows = rows;
	pass->n_groups = groups > 0 ? (int) groups : 1;
	pass->group_rows = (rows + pass->n_groups - 1) / pass->n_groups;
	slice = STEP_COST * ctx->nthreads / ((cost + 1) * pass->n_groups);
	pass->slice = slice < 1 ? 1 : slice > (double) rows ? rows + 1 : (size_t) slice;
	pass->done = 0;
}

static void
do_slice(void *arg, int group)
{
	const pass_call *call = arg;
	const ml_pass *pass = call->pass;
	size_t		first = group * pass->group_rows;
	size_t		end = first + pass->group_rows;
	size_t		last;

	end = end < pass->rows ? end : pass->rows;
	first += pass->done;
	last = first + pass->slice;
	last = last < end ? last : end;
	if (first < last)
		call->work(call->arg, group, first, last);
}

bool
ml_pass_step(ml_pass *pass, const ml_ctx *ctx, ml_pass_work work, void *arg)
{
	pass_call	call = {pass, work, arg};

	ml_parallel(ctx, pass->n_groups, do_slice, &call);
	pass->done += pass->slice;
	if (pass->done < pass->group_rows)
		return false;
	pass->done = 0;
	return true;
}

double
ml_pass_share(const ml_pass *pass)
{
	return pass->group_rows > 0 ? (double) pass->done / (double) pass->group_rows : 0;
}

void
ml_pass_add_up(const ml_pass *pass, double *sums, size_t count)
{
	for (int group = 1; group < pass->n_groups; group++)
		ml_axpy(sums, 1, sums + group * count, count);
}
