/*
 * ml_sandwich.c: the sandwich through the influence of each row (or cluster) on the coefficients: A^-1 x r, whose squares add up
 * to the variances.  Terms are about their weighted means, so that columns far from 0 lose no digits, and rests (ml_untangle.h)
 * stand for those that nearly determine each other.
 */
#include "ml/ml_sandwich.h"

#include <math.h>
#include <string.h>

#include "ml/ml_extreme.h"
#include "ml/ml_kernels.h"
#include "ml/ml_solve.h"
#include "ml/ml_untangle.h"

#define BLOCK 64				/* rows between two looks for a cancel */
#define TOLERANCE 1e-13			/* of a pivot: the fit has left out what depends on others already */

typedef struct sandwich
{
	const ml_ctx *ctx;
	const ml_sandwich_input *in;
	size_t		p;
	size_t		padded;
	int		   *exponent;		/* (p) of the power of two that terms are multiplied with */
	double	   *mean;			/* (p) */
	double		weight;			/* sum of curvatures */
	double	   *z;				/* (BLOCK, padded) */
	double	   *information;	/* (padded, padded) */
	double	   *matrix;			/* (p, p) */
	double	   *influence;		/* (p) */
	double	   *work;			/* (p) */
	double	   *sums;			/* (p + 1) of r z, r … */
	double	   *squares;		/* … and their squares */
	double	   *variance;		/* (p + 1), the intercept last */
	double	   *scores;			/* (n_clusters, p + 1) */
	ml_untangle untangle;		/* all but mean and variance are of rests */
	double	   *rest_mean;		/* (p) the means as those would be if nothing were taken off */
	double	   *in_terms;		/* (p) scratch */
	ml_cholesky factor;
} sandwich;

static ml_status
cancelled(ml_error *err)
{
	return ml_fail(err, ML_CANCELLED, NULL, "cancelled");
}

static bool
allocate(sandwich *s)
{
	const ml_ctx *ctx = s->ctx;
	size_t		clusters = s->in->kind == ML_ROBUST_CLUSTER ? s->in->n_clusters : 0;

	s->exponent = ml_alloc_zero(ctx, s->p, sizeof(int));
	s->mean = ml_alloc_zero(ctx, s->p, sizeof(double));
	s->z = ml_alloc_zero(ctx, BLOCK * s->padded, sizeof(double));
	s->information = ml_alloc_zero(ctx, s->padded * s->padded, sizeof(double));
	s->matrix = ml_alloc_zero(ctx, s->p * s->p, sizeof(double));
	s->influence = ml_alloc_zero(ctx, s->p, sizeof(double));
	s->work = ml_alloc_zero(ctx, s->p, sizeof(double));
	s->sums = ml_alloc_zero(ctx, s->p + 1, sizeof(double));
	s->squares = ml_alloc_zero(ctx, s->p + 1, sizeof(double));
	s->variance = ml_alloc_zero(ctx, s->p + 1, sizeof(double));
	s->scores = ml_alloc_zero(ctx, clusters * (s->p + 1), sizeof(double));
	s->rest_mean = ml_alloc_zero(ctx, s->p, sizeof(double));
	s->in_terms = ml_alloc_zero(ctx, s->p, sizeof(double));
	return s->mean && s->z && s->information && s->matrix && s->influence && s->work && s->sums && s->squares && s->variance &&
		s->scores && s->exponent && s->rest_mean && s->in_terms;
}

static void
release(sandwich *s)
{
	const ml_ctx *ctx = s->ctx;

	ml_free(ctx, s->exponent);
	ml_free(ctx, s->mean);
	ml_free(ctx, s->z);
	ml_free(ctx, s->information);
	ml_free(ctx, s->matrix);
	ml_free(ctx, s->influence);
	ml_free(ctx, s->work);
	ml_free(ctx, s->sums);
	ml_free(ctx, s->squares);
	ml_free(ctx, s->variance);
	ml_free(ctx, s->scores);
	ml_free(ctx, s->rest_mean);
	ml_free(ctx, s->in_terms);
	ml_untangle_clear(ctx, &s->untangle);
	ml_cholesky_free(ctx, &s->factor);
}

/* A row of terms, those of extreme sizes scaled. */
static void
read_row(const sandwich *s, size_t row, double *z)
{
	const double *x = s->in->x + row * s->p;

	for (size_t j = 0; j < s->p; j++)
		z[j] = s->exponent[j] == 0 ? x[j] : ldexp(x[j], s->exponent[j]);
}

static void
find_means(sandwich *s)
{
	const ml_sandwich_input *in = s->in;

	for (size_t j = 0; j < s->p; j++)
	{
		double		largest = 0;

		for (size_t i = 0; i < in->rows; i++)
			largest = fmax(largest, fabs(in->x[i * s->p + j]));
		s->exponent[j] = ml_extreme_exponent(largest);
	}
	for (size_t i = 0; i < in->rows; i++)
	{
		s->weight += in->curvature[i];
		read_row(s, i, s->z);
		if (in->fit_intercept)
			ml_axpy(s->mean, in->curvature[i], s->z, s->p);
	}
	for (size_t j = 0; j < s->p; j++)
		s->mean[j] = s->weight > 0 ? s->mean[j] / s->weight : 0;
}

/* The rests of one row about the means; terms without a coefficient are 0. */
static void
centre(const sandwich *s, size_t row, double *z)
{
	read_row(s, row, z);
	for (size_t j = 0; j < s->p; j++)
		z[j] = s->in->aliased[j] ? 0 : z[j] - s->mean[j];
	ml_untangle_row(&s->untangle, z);
}

/* s->matrix, of rests. */
static ml_status
gather_information(sandwich *s, ml_error *err)
{
	const ml_sandwich_input *in = s->in;

	memset(s->information, 0, s->padded * s->padded * sizeof(double));
	for (size_t first = 0; first < in->rows; first += BLOCK)
	{
		size_t		n = in->rows - first < BLOCK ? in->rows - first : BLOCK;

		if (ml_is_cancelled(s->ctx))
			return cancelled(err);
		for (size_t i = 0; i < n; i++)
		{
			double	   *z = s->z + i * s->padded;
			double		root = sqrt(in->curvature[first + i]);

			centre(s, first + i, z);
			for (size_t j = 0; j < s->p; j++)
				z[j] *= root;
		}
		ml_syrk(s->information, s->z, n, s->padded);
	}
	for (size_t i = 0; i < s->p; i++)
		for (size_t j = 0; j <= i; j++)
			s->matrix[i * s->p + j] = s->matrix[j * s->p + i] = s->information[i * s->padded + j];
	return ML_OK;
}

static ml_status
factor_information(sandwich *s, ml_error *err)
{
	int			expected = 0;
	bool		changed = true;
	ml_status	status = ML_OK;

	while (status == ML_OK && changed)
	{
		ml_cholesky_free(s->ctx, &s->factor);
		status = gather_information(s, err);
		if (status == ML_OK)
			status = ml_cholesky_make(s->ctx, &s->factor, s->matrix, (int) s->p, 0, TOLERANCE, err);
		if (status == ML_OK)
			status = ml_untangle_take(s->ctx, &s->untangle, s->matrix, &s->factor, NULL, &changed, err);
	}
	memcpy(s->rest_mean, s->mean, s->p * sizeof(double));
	ml_untangle_row(&s->untangle, s->rest_mean);
	for (size_t j = 0; j < s->p; j++)
		expected += !s->in->aliased[j];
	if (status == ML_OK && s->factor.rank < expected)
		return ml_fail(err, ML_BAD_DATA, NULL, "the terms depend on each other in these rows");
	return status;
}

/* Adds the squared influence of a score (z r, and r last). */
static void
add_influence(sandwich *s, const double *solved, double r)
{
	double		intercept = r / s->weight;
	double		none;

	ml_untangle_to_terms(&s->untangle, solved, 0, s->in_terms, &none);
	for (size_t j = 0; j < s->p; j++)
		s->variance[j] += s->in_terms[j] * s->in_terms[j];
	if (!s->in->fit_intercept)
		return;
	intercept -= ml_dot(s->rest_mean, solved, s->p);
	s->variance[s->p] += intercept * intercept;
}

static void
add_row(sandwich *s, size_t row)
{
	const ml_sandwich_input *in = s->in;
	double	   *z = s->z;
	double		r = in->residual[row];

	centre(s, row, z);
	for (size_t j = 0; j < s->p; j++)
	{
		s->sums[j] += r * z[j];
		s->squares[j] += r * r * z[j] * z[j];
	}
	s->sums[s->p] += r;
	s->squares[s->p] += r * r;
	if (in->kind == ML_ROBUST_CLUSTER)
	{
		double	   *score = s->scores + in->clusters[row] * (s->p + 1);

		ml_axpy(score, r, z, s->p);
		score[s->p] += r;
		return;
	}
	ml_cholesky_solve(&s->factor, z, s->influence, s->work);
	if (in->kind >= ML_ROBUST_HC2)
	{
		double		leverage = in->curvature[row] * (ml_dot(z, s->influence, s->p) + (in->fit_intercept ? 1 / s->weight : 0));
		double		left = 1 - leverage;

		/* A row that a coefficient is made of alone has no residual. */
		if (!(left > 1e-12))
			r = 0;
		else
			r /= in->kind == ML_ROBUST_HC2 ? sqrt(left) : left;
	}
	for (size_t j = 0; j < s->p; j++)
		s->influence[j] *= r;
	add_influence(s, s->influence, r);
}

static ml_status
add_rows(sandwich *s, ml_error *err)
{
	for (size_t i = 0; i < s->in->rows; i++)
	{
		if (i % BLOCK == 0 && ml_is_cancelled(s->ctx))
			return cancelled(err);
		add_row(s, i);
	}
	if (s->in->kind != ML_ROBUST_CLUSTER)
		return ML_OK;
	for (int g = 0; g < s->in->n_clusters; g++)
	{
		const double *score = s->scores + g * (s->p + 1);

		if (g % BLOCK == 0 && ml_is_cancelled(s->ctx))
			return cancelled(err);
		ml_cholesky_solve(&s->factor, score, s->influence, s->work);
		add_influence(s, s->influence, score[s->p]);
	}
	return ML_OK;
}

/* What small samples are corrected by. */
static double
correction(const sandwich *s)
{
	const ml_sandwich_input *in = s->in;
	double		n = (double) in->n;
	double		k = s->factor.rank + (in->fit_intercept ? 1 : 0);
	double		groups = in->n_clusters;

	if (in->kind == ML_ROBUST_HC1)
		return n / (n - k);
	return in->kind == ML_ROBUST_CLUSTER ? groups / (groups - 1) * (n - 1) / (n - k) : 1;
}

ml_status
ml_sandwich(const ml_ctx *ctx, const ml_sandwich_input *input, double *std_errors, double *imbalance, ml_error *err)
{
	sandwich	s = {.ctx = ctx, .in = input, .p = input->n_terms, .padded = ml_padded(input->n_terms)};
	ml_status	status;

	*imbalance = 0;
	status = allocate(&s) ? ml_untangle_init(ctx, &s.untangle, input->n_terms, err) : ml_no_memory(err);
	if (status == ML_OK)
	{
		find_means(&s);
		status = factor_information(&s, err);
	}
	if (status == ML_OK)
		status = add_rows(&s, err);
	if (status == ML_OK)
	{
		double		factor = correction(&s);

		for (size_t j = 0; j <= s.p; j++)
		{
			bool		none = j < s.p ? input->aliased[j] : !input->fit_intercept;

			std_errors[j] = none || !(factor > 0) || !isfinite(factor) ? NAN : ldexp(sqrt(factor * s.variance[j]), j < s.p ? s.exponent[j] : 0);
			if (!none && s.squares[j] > 0)
				*imbalance = fmax(*imbalance, fabs(s.sums[j]) / sqrt(s.squares[j]));
		}
	}
	release(&s);
	return status;
}
