/*
 * ml_untangle.c: rests of terms that nearly determine each other, in the words of ml_untangle.h.
 */
#include "ml/ml_untangle.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define TANGLED 1e-7			/* pivot of a term, its moment being 1, below which its rest is taken */
#define MOST_TIMES 8
#define ROUNDING 4				/* times what rounding of the terms may leave in a rest */

ml_status
ml_untangle_init(const ml_ctx *ctx, ml_untangle *u, int p, ml_error *err)
{
	*u = (ml_untangle) {.p = p};
	u->place = ml_alloc(ctx, p, sizeof(int));
	u->shift = ml_alloc_zero(ctx, p, sizeof(double));
	if (u->place == NULL || u->shift == NULL)
		return ml_no_memory(err);
	for (int t = 0; t < p; t++)
		u->place[t] = -1;
	return ML_OK;
}

void
ml_untangle_clear(const ml_ctx *ctx, ml_untangle *u)
{
	ml_free(ctx, u->term);
	ml_free(ctx, u->place);
	ml_free(ctx, u->lower);
	ml_free(ctx, u->shift);
	memset(u, 0, sizeof(*u));
}

/* ---- taking rests ------------------------------------------------------------------------------------------------ */

/* What of each known term before it is in a term, by the co-moments: row (p), 0 elsewhere. */
static void
project(const ml_cholesky *c, const double *moments, int term, double *row)
{
	size_t		rank = c->rank;
	int			known = 0;

	memset(row, 0, c->n * sizeof(double));
	while (known < c->rank && c->kept[known] < term)
		known++;
	for (int i = 0; i < known; i++)
	{
		const double *above = c->factor + i * rank;
		double		value = moments[(size_t) term * c->n + c->kept[i]] * c->scale[i];

		for (int k = 0; k < i; k++)
			value -= above[k] * row[c->kept[k]];
		row[c->kept[i]] = value / above[i];
	}
	for (int i = known; i-- > 0;)
	{
		double		value = row[c->kept[i]];

		for (int k = i + 1; k < known; k++)
			value -= c->factor[k * rank + i] * row[c->kept[k]];
		row[c->kept[i]] = value / c->factor[i * rank + i];
	}
	for (int i = 0; i < known; i++)
		row[c->kept[i]] *= c->scale[i];
}

/* Which terms have a rest to take, by the factor of their co-moments; returns how many. */
static int
find_tangled(const ml_cholesky *c, const double *moments, bool *tangled)
{
	int			count = 0;
	int			at = 0;

	for (int t = 0; t < c->n; t++)
	{
		double		pivot = 0;

		if (at < c->rank && c->kept[at] == t)
		{
			double		root = c->factor[(size_t) at * c->rank + at];

			pivot = root * root;
			at++;
		}
		tangled[t] = moments[(size_t) t * (c->n + 1)] > 0 && pivot < TANGLED;
		count += tangled[t];
	}
	return count;
}

/*
 * With R the unit lower triangle of what is in the tangled terms of those before, rests become v' = R^-1 (v - mean), and so
 * L R stands instead of L.  rows is (p, p): R, in those rows that are not the identity's; next (n', p).
 */
static void
multiply(const ml_untangle *u, const bool *tangled, double *rows, double *next)
{
	size_t		p = u->p;

	/* From "what of v_k is in v_t" to "what of v'_k": terms before a tangled one may be tangled themselves. */
	for (size_t t = 0; t < p; t++)
	{
		double	   *row = rows + t * p;

		if (!tangled[t])
			continue;
		for (size_t k = 0; k < t; k++)
			if (tangled[k] && row[k] != 0)
				ml_axpy(row, row[k], rows + k * p, k);
	}
	for (size_t t = 0; t < p; t++)
	{
		if (u->place[t] < 0 && !tangled[t])
			continue;
		memset(next, 0, p * sizeof(double));
		if (tangled[t])
			memcpy(next, rows + t * p, t * sizeof(double));
		for (size_t k = 0; u->place[t] >= 0 && k < t; k++)
		{
			double		factor = u->lower[(size_t) u->place[t] * p + k];

			next[k] += factor;
			if (tangled[k] && factor != 0)
				ml_axpy(next, factor, rows + k * p, k);
		}
		next += p;
	}
}

/* The shifts become the means of the terms, those of what the co-moments are of being `mean`. */
static void
move_shifts(ml_untangle *u, const double *mean)
{
	for (int t = u->p - 1; t >= 0; t--)
	{
		double		sum = u->place[t] >= 0 ? u->shift[t] + mean[t] : mean[t];

		for (int k = 0; u->place[t] >= 0 && k < t; k++)
			sum += u->lower[(size_t) u->place[t] * u->p + k] * (u->place[k] >= 0 ? mean[k] : mean[k] - u->shift[k]);
		u->shift[t] = sum;
	}
}

/* The tangled terms are those of before and these ones. */
static ml_status
set_lower(const ml_ctx *ctx, ml_untangle *u, const bool *tangled, const double *mean, double *rows, ml_error *err)
{
	int			count = 0;
	double	   *lower;
	int		   *term;

	for (int t = 0; t < u->p; t++)
		count += u->place[t] >= 0 || tangled[t];
	lower = ml_alloc(ctx, (size_t) count * u->p, sizeof(double));
	term = ml_alloc(ctx, count, sizeof(int));
	if (lower == NULL || term == NULL)
	{
		ml_free(ctx, lower);
		ml_free(ctx, term);
		return ml_no_memory(err);
	}
	multiply(u, tangled, rows, lower);
	if (mean != NULL)
		move_shifts(u, mean);
	ml_free(ctx, u->lower);
	ml_free(ctx, u->term);
	u->lower = lower;
	u->term = term;
	u->n = 0;
	for (int t = 0; t < u->p; t++)
		if (u->place[t] >= 0 || tangled[t])
		{
			u->place[t] = u->n;
			u->term[u->n++] = t;
		}
	u->times++;
	return ML_OK;
}

ml_status
ml_untangle_take(const ml_ctx *ctx, ml_untangle *u, const double *moments, const ml_cholesky *factor, const double *mean, bool *changed,
				 ml_error *err)
{
	size_t		p = u->p;
	bool	   *tangled = ml_alloc(ctx, p, sizeof(bool));
	double	   *rows = NULL;
	ml_status	status = tangled ? ML_OK : ml_no_memory(err);

	*changed = status == ML_OK && u->times < MOST_TIMES && find_tangled(factor, moments, tangled) > 0;
	if (*changed)
	{
		rows = ml_alloc(ctx, p * p, sizeof(double));
		status = rows ? ML_OK : ml_no_memory(err);
		for (size_t t = 0; t < p && status == ML_OK; t++)
			if (tangled[t])
				project(factor, moments, (int) t, rows + t * p);
		if (status == ML_OK)
			status = set_lower(ctx, u, tangled, mean, rows, err);
	}
	ml_free(ctx, tangled);
	ml_free(ctx, rows);
	return status;
}

/* ---- aliasing ---------------------------------------------------------------------------------------------------- */

/*
 * Norms over the rows: of the terms (about their means), and of what rounding may have left in the rests, which is half a unit in the
 * last place of each number that they are made of.
 */
static void
measure(const ml_untangle *u, const double *moments, const double *mean, double weight, double *terms, double *rounding, double *mix)
{
	size_t		p = u->p;

	for (size_t t = 0; t < p; t++)
	{
		const double *lower = u->place[t] >= 0 ? u->lower + u->place[t] * p : NULL;
		double		square = 0;
		double		centre = mean ? mean[t] + (lower ? u->shift[t] : 0) : 0;
		double		carried = 0;

		memset(mix, 0, p * sizeof(double));
		if (lower != NULL)
			memcpy(mix, lower, t * sizeof(double));
		mix[t] = 1;
		for (size_t k = 0; k <= t; k++)
			if (mix[k] != 0)
				square += mix[k] * ml_dot(moments + k * p, mix, p);
		for (size_t k = 0; lower != NULL && k < t; k++)
		{
			carried += fabs(lower[k]) * rounding[k];
			centre += lower[k] * (mean ? u->place[k] >= 0 ? mean[k] : mean[k] - u->shift[k] : 0);
		}
		terms[t] = sqrt(fmax(square, 0));
		rounding[t] = DBL_EPSILON / 2 * sqrt(terms[t] * terms[t] + weight * centre * centre) + carried;
	}
}

void
ml_untangle_alias(const ml_untangle *u, double *moments, const double *mean, double weight, double *work)
{
	size_t		p = u->p;
	double	   *terms = work;
	double	   *rounding = terms + p;

	if (u->n == 0)
		return;
	measure(u, moments, mean, weight, terms, rounding, rounding + p);
	for (int i = 0; i < u->n; i++)
	{
		size_t		t = u->term[i];

		if (!(sqrt(moments[t * (p + 1)]) > fmax(ML_ALIAS_TOLERANCE * terms[t], ROUNDING * rounding[t])))
			moments[t * (p + 1)] = 0;
	}
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

void
ml_untangle_row(const ml_untangle *u, double *row)
{
	for (int i = 0; i < u->n; i++)
		row[u->term[i]] -= ml_dot(u->lower + (size_t) i * u->p, row, u->term[i]);
}

/* rest -= the levels' part, which is the same in all rows of a level. */
static void
take_levels(const ml_untangle *u, const ml_matrix_layout *layout, const ml_gram_source *origin, int i, size_t first, size_t n,
			double *level_lower, double *rest)
{
	const double *lower = u->lower + (size_t) i * u->p;
	double		constant = 0;

	memset(level_lower, 0, layout->shape.n_levels * sizeof(double));
	for (int k = 0; k < u->term[i]; k++)
		if (origin[k].number < 0 && u->place[k] < 0)
		{
			level_lower[origin[k].level] = lower[k];
			constant += lower[k] * u->shift[k];
		}
	for (size_t r = 0; r < n; r++)
		rest[r] += constant;
	for (int a = 0; a < layout->shape.n_cats; a++)
		for (size_t r = 0; r < n; r++)
			rest[r] -= level_lower[layout->first_level[a] + layout->codes[a][first + r]];
}

/* The term itself about its shift. */
static void
start_rest(const ml_untangle *u, const ml_matrix_layout *layout, ml_gram_source source, int term, size_t first, size_t n, double *rest)
{
	int			cat = layout->shape.n_cats;

	if (source.number >= 0)
	{
		for (size_t r = 0; r < n; r++)
			rest[r] = layout->numbers[source.number][first + r] - u->shift[term];
		return;
	}
	while (layout->first_level[--cat] > source.level)
		;
	for (size_t r = 0; r < n; r++)
		rest[r] = (layout->first_level[cat] + layout->codes[cat][first + r] == source.level ? 1 : 0) - u->shift[term];
}

static void
fill_rests(const ml_untangle *u, const ml_matrix_layout *layout, const ml_gram_source *origin, size_t first, size_t n,
		   const ml_untangle_scratch *scratch)
{
	for (int i = 0; i < u->n; i++)
	{
		const double *lower = u->lower + (size_t) i * u->p;
		double	   *rest = scratch->rests + (size_t) i * ML_MOMENTS_BLOCK;

		start_rest(u, layout, origin[u->term[i]], u->term[i], first, n, rest);
		for (int k = 0; k < u->term[i]; k++)
		{
			if (lower[k] == 0)
				continue;
			if (u->place[k] >= 0)
				ml_axpy(rest, -lower[k], scratch->rests + (size_t) u->place[k] * ML_MOMENTS_BLOCK, n);
			else if (origin[k].number >= 0)
			{
				const double *x = layout->numbers[origin[k].number] + first;

				for (size_t r = 0; r < n; r++)
					rest[r] -= lower[k] * (x[r] - u->shift[k]);
			}
		}
		if (layout->shape.n_cats > 0)
			take_levels(u, layout, origin, i, first, n, scratch->level_lower, rest);
	}
}

void
ml_untangle_columns(const ml_untangle *u, const ml_matrix_layout *layout, const ml_gram_source *origin, size_t first, size_t n,
					const ml_untangle_scratch *scratch, const double **columns)
{
	for (int j = 0; j < layout->shape.n_numbers; j++)
		columns[j] = layout->numbers[j] != NULL ? layout->numbers[j] + first : NULL;
	if (u->n == 0)
		return;
	fill_rests(u, layout, origin, first, n, scratch);
	for (int i = 0; i < u->n; i++)
		columns[layout->sources[u->term[i]].number] = scratch->rests + (size_t) i * ML_MOMENTS_BLOCK;
}

bool
ml_untangle_scratch_make(const ml_ctx *ctx, const ml_untangle *u, int n_levels, ml_untangle_scratch *scratch)
{
	if (u->n == 0)
		return true;
	scratch->rests = ml_alloc(ctx, (size_t) u->n * ML_MOMENTS_BLOCK, sizeof(double));
	scratch->level_lower = ml_alloc(ctx, n_levels, sizeof(double));
	return scratch->rests != NULL && scratch->level_lower != NULL;
}

void
ml_untangle_scratch_clear(const ml_ctx *ctx, ml_untangle_scratch *scratch)
{
	ml_free(ctx, scratch->rests);
	ml_free(ctx, scratch->level_lower);
	*scratch = (ml_untangle_scratch) {NULL, NULL};
}

/* ---- coefficients ------------------------------------------------------------------------------------------------ */

/* Of the intercept, what the shifts make of coefficients of terms (sign 1) or of those not tangled (the rest). */
static double
shifted(const ml_untangle *u, const double *b, const double *c)
{
	double		sum = ml_dot(b, u->shift, u->p);

	for (int t = 0; t < u->p; t++)
		sum -= u->place[t] < 0 ? c[t] * u->shift[t] : 0;
	return sum;
}

void
ml_untangle_to_terms(const ml_untangle *u, const double *c, double c0, double *b, double *b0)
{
	memcpy(b, c, u->p * sizeof(double));
	*b0 = c0;
	if (u->n == 0)
		return;
	for (int i = u->n - 1; i >= 0; i--)
		ml_axpy(b, -b[u->term[i]], u->lower + (size_t) i * u->p, u->term[i]);
	*b0 = c0 - shifted(u, b, c);
}

void
ml_untangle_from_terms(const ml_untangle *u, const double *b, double b0, double *c, double *c0)
{
	memcpy(c, b, u->p * sizeof(double));
	for (int i = 0; i < u->n; i++)
		ml_axpy(c, b[u->term[i]], u->lower + (size_t) i * u->p, u->term[i]);
	*c0 = u->n == 0 ? b0 : b0 + shifted(u, b, c);
}

void
ml_untangle_origin(const ml_untangle *u, double *rests)
{
	for (int t = 0; t < u->p; t++)
		rests[t] = -u->shift[t];
	ml_untangle_row(u, rests);
	for (int t = 0; t < u->p; t++)
		if (u->place[t] < 0)
			rests[t] = 0;
}

/* V_x = L^-T V L^-1, rows and then columns. */
void
ml_untangle_covariance(const ml_untangle *u, double *covariance)
{
	size_t		p = u->p;

	for (int i = u->n - 1; i >= 0; i--)
		for (int k = 0; k < u->term[i]; k++)
			ml_axpy(covariance + k * p, -u->lower[i * p + k], covariance + u->term[i] * p, p);
	for (size_t row = 0; row < p; row++)
		for (int i = u->n - 1; i >= 0; i--)
			ml_axpy(covariance + row * p, -covariance[row * p + u->term[i]], u->lower + i * p, u->term[i]);
}

/* G_x = L G L', rows and then columns. */
void
ml_untangle_moments(const ml_untangle *u, double *moments)
{
	size_t		p = u->p;

	for (int i = u->n - 1; i >= 0; i--)
		for (int k = 0; k < u->term[i]; k++)
			ml_axpy(moments + u->term[i] * p, u->lower[i * p + k], moments + k * p, p);
	for (size_t row = 0; row < p; row++)
		for (int i = u->n - 1; i >= 0; i--)
			moments[row * p + u->term[i]] += ml_dot(u->lower + i * p, moments + row * p, u->term[i]);
}
