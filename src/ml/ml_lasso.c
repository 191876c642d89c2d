/*
 * ml_lasso.c: coordinate descent.
 *
 * A round over all terms is followed by rounds over those that are not 0, until they stand still; then a round over all
 * tells whether others have to come in.  The gradient is kept up to date, so a coefficient that stays 0 costs one
 * comparison.
 */
#include "ml/ml_lasso.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define OPERATIONS 2e7			/* of one call of work */

ml_status
ml_lasso_init(const ml_ctx *ctx, ml_lasso *l, const ml_gram *gram, bool fit_intercept, double tol, ml_error *err)
{
	size_t		n = (size_t) gram->n - 1;
	size_t		target = n;
	double	   *memory;

	memset(l, 0, sizeof(*l));
	l->ctx = *ctx;
	l->n = (int) n;
	l->tol = tol;
	memory = ml_alloc_zero(ctx, n * n + 3 * n + 1, sizeof(double));
	if (memory == NULL)
		return ml_no_memory(err);
	l->q_matrix = memory;
	l->q = memory + n * n;
	l->solution = l->q + n;
	l->gradient = l->solution + n;
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j <= target; j++)
		{
			double		value = gram->moments[i * gram->n + j] / gram->weight;

			if (!fit_intercept)
				value += gram->mean[i] * gram->mean[j];
			if (!isfinite(value))
				return ml_fail(err, ML_BAD_DATA, "Scale the features.", "the sums of squares of the features are not finite");
			if (j == target)
				l->q[i] = value;
			else
				l->q_matrix[i * n + j] = value;
		}
		l->largest = fmax(l->largest, fabs(l->q[i]));
	}
	memcpy(l->gradient, l->q, n * sizeof(double));
	return ML_OK;
}

void
ml_lasso_free(ml_lasso *l)
{
	if (l->q_matrix != NULL)
		ml_free(&l->ctx, l->q_matrix);
	l->q_matrix = NULL;
}

double
ml_lasso_largest_alpha(const ml_lasso *l, double l1_ratio)
{
	return l->largest / l1_ratio;
}

void
ml_lasso_set(ml_lasso *l, double alpha, double l1_ratio)
{
	l->l1 = alpha * l1_ratio;
	l->l2 = alpha * (1 - l1_ratio);
	l->rounds = 0;
}

/* Makes one coefficient the best for the others as they are; returns how far optimality was missed. */
static double
update(ml_lasso *l, int j)
{
	double		diagonal = l->q_matrix[(size_t) j * l->n + j];
	double		old = l->solution[j];
	double		wish = l->gradient[j] + diagonal * old;
	double		size = fabs(wish) - l->l1;
	double		new = size > 0 && diagonal + l->l2 > 0 ? copysign(size, wish) / (diagonal + l->l2) : 0;

	if (new == old)
		return 0;
	l->solution[j] = new;
	ml_axpy(l->gradient, old - new, l->q_matrix + (size_t) j * l->n, l->n);
	return fabs(new - old) * (diagonal + l->l2);
}

bool
ml_lasso_work(ml_lasso *l)
{
	double		operations = 0;

	while (operations < OPERATIONS)
	{
		double		missed = 0;
		int			nonzero = 0;

		for (int j = 0; j < l->n; j++)
		{
			missed = fmax(missed, update(l, j));
			nonzero += l->solution[j] != 0;
		}
		l->rounds++;
		operations += (double) l->n * (nonzero + 1);
		if (missed <= l->tol * l->largest)
			return true;
		if (l->max_rounds > 0 && l->rounds >= l->max_rounds)
			return false;
		for (int inner = 0; inner < 100 && operations < OPERATIONS; inner++)
		{
			missed = 0;
			for (int j = 0; j < l->n; j++)
				if (l->solution[j] != 0)
					missed = fmax(missed, update(l, j));
			operations += (double) l->n * (nonzero + 1);
			if (missed <= l->tol * l->largest)
				break;
		}
	}
	return false;
}

double
ml_lasso_intercept(const ml_lasso *l, const ml_gram *gram)
{
	double		intercept = gram->mean[l->n];

	for (int j = 0; j < l->n; j++)
		intercept -= l->solution[j] * gram->mean[j];
	return intercept;
}
