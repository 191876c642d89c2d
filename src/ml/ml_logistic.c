/*
 * ml_logistic.c: Newton's method (iteratively reweighted least squares) for binary logistic regression.
 *
 * The Hessian X'VX, V = p (1 - p), is a set of weighted moments, so it is gathered by the same kernel as a linear fit,
 * centred at the weighted means: columns far from 0 lose no digits.  The intercept is eliminated, which leaves a
 * positive definite system in the coefficients alone.
 *
 * A fit of a tenth of the rows comes first, of all ranges alike: as the order is by hash it is a fair sample.  It starts the rounds over
 * all rows so near the end that two or three of them do, each of which squares the error.  A step that does not improve
 * the loss is halved.
 */
#include "ml/ml_logistic.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_moments.h"
#include "ml/ml_parallel.h"
#include "ml/ml_solve.h"

#define BLOCK ML_MOMENTS_BLOCK
#define BATCH 8					/* ranges of one step */
#define LARGEST_RANGE 32768		/* rows: a step takes some tens of milliseconds */
#define SAMPLE_LEAST 20000		/* rows from which a sample comes first */
#define SAMPLE_SHARE 10			/* one row in so many */
#define SAMPLE_ROUNDS 10
#define MAX_HALVINGS 40
#define TOLERANCE 1e-11			/* of a pivot, without a penalty */

typedef struct range
{
	size_t		first;
	size_t		n;
} range;

/* Sums over rows at the current coefficients. */
typedef struct sums
{
	ml_moments *moments;		/* of the terms, weighted with w p (1 - p) */
	double	   *gradient;		/* (numbers), sum of w (y - p) x … */
	double	   *level_gradient; /* … and (levels) */
	double		residual;		/* sum of w (y - p) */
	double		loss;
	double		weight;
	double		positive;		/* weight of the positive class */
	int64_t		rows;
	const double **columns;		/* (numbers) scratch: where a block's columns start … */
	int32_t   **level_rows;		/* … (cats) and its levels, (BLOCK) each */
} sums;

typedef enum phase
{
	ON_SAMPLE = 0,
	ON_ALL,
	LAST_HESSIAN,				/* one more round at the solution, for standard errors */
	FINISHED
} phase;

struct ml_logistic
{
	ml_ctx		ctx;
	const ml_matrix *matrix;
	ml_logistic_params params;
	ml_logistic_fit fit;
	ml_moments_shape shape;
	const double **numbers;		/* (shape.n_numbers) columns */
	const int32_t **codes;		/* (shape.n_cats) */
	int		   *first_level;	/* (shape.n_cats) */
	int		   *number_term;	/* (shape.n_numbers) */
	int		   *level_term;		/* (shape.n_levels), -1: reference */
	ml_gram_source *sources;	/* (n_terms) */
	range	   *ranges;
	int			n_ranges;
	double		sample_share;	/* of the rows that the sample has, the first of each range; 0: no sample */
	int			next_range;
	int			batch_range;	/* first of the batch at work */
	phase		phase;
	int			rounds;			/* of this phase */
	int			halvings;
	double		penalty;		/* 1 / C, scaled to the rows of the phase */
	double	   *b;				/* (n_terms) current */
	double		b0;
	double	   *before;			/* (n_terms) at the last accepted round */
	double		before0;
	double		objective;		/* there; INFINITY: none yet */
	double	   *level_b;		/* (n_levels) coefficient by level */
	sums		total;
	sums		part[BATCH];
	ml_gram		gram;
	double	   *gram_memory;
	double	   *right;			/* (n_terms) scratch … */
	double	   *step;
	double	   *work;
};

static ml_status
no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}

/* ---- one range ------------------------------------------------------------------------------------------------- */

static void
clear_sums(const ml_logistic *l, sums *s)
{
	ml_moments_init(s->moments, &l->shape);
	memset(s->gradient, 0, l->shape.n_numbers * sizeof(double));
	memset(s->level_gradient, 0, l->shape.n_levels * sizeof(double));
	s->residual = s->loss = s->weight = s->positive = 0;
	s->rows = 0;
}

static void
add_sums(const ml_logistic *l, sums *to, sums *from)
{
	ml_moments_merge(to->moments, from->moments);
	ml_axpy(to->gradient, 1, from->gradient, l->shape.n_numbers);
	ml_axpy(to->level_gradient, 1, from->level_gradient, l->shape.n_levels);
	to->residual += from->residual;
	to->loss += from->loss;
	to->weight += from->weight;
	to->positive += from->positive;
	to->rows += from->rows;
}

/*
 * From linear predictors to residuals and Hessian weights of a block; the formulas keep small probabilities exact.  The
 * loss of a row is log(1 + small), and |eta| more on the wrong side: without weights we take one logarithm of the
 * product over the block, which is at most 2^64.
 */
static void
respond(const ml_logistic *l, size_t first, size_t n, const double *eta, double *residual, double *curvature, sums *s)
{
	const double *weights = l->matrix->weights ? l->matrix->weights + first : NULL;
	const int32_t *labels = l->matrix->labels + first;
	double		product = 1;

	for (size_t i = 0; i < n; i++)
	{
		double		weight = weights ? weights[i] : 1;
		bool		positive = labels[i] == 1;
		double		small = exp(-fabs(eta[i]));
		double		share = 1 / (1 + small);	/* probability of the side that eta is on */
		bool		wrong = positive != (eta[i] >= 0);
		double		distance = wrong ? share : small * share;	/* |y - p| */

		residual[i] = weight * (positive ? distance : -distance);
		curvature[i] = weight * small * share * share;
		s->loss += wrong ? weight * fabs(eta[i]) : 0;
		if (weights)
			s->loss += weight * log1p(small);
		else
			product *= 1 + small;
		s->weight += weight;
		s->positive += positive ? weight : 0;
		s->residual += residual[i];
	}
	s->loss += log(product);
	s->rows += n;
}

static void
add_block(const ml_logistic *l, size_t first, size_t n, sums *s)
{
	const double **columns = s->columns;
	int32_t   **level_rows = s->level_rows;
	double		eta[BLOCK];
	double		residual[BLOCK];
	double		curvature[BLOCK];

	for (size_t i = 0; i < n; i++)
		eta[i] = l->b0;
	for (int j = 0; j < l->shape.n_numbers; j++)
	{
		columns[j] = l->numbers[j] + first;
		ml_axpy(eta, l->b[l->number_term[j]], columns[j], n);
	}
	for (int a = 0; a < l->shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
		{
			int32_t		level = l->first_level[a] + l->codes[a][first + i];

			level_rows[a][i] = level;
			eta[i] += l->level_b[level];
		}
	respond(l, first, n, eta, residual, curvature, s);
	for (int j = 0; j < l->shape.n_numbers; j++)
		s->gradient[j] += ml_dot(residual, columns[j], n);
	for (int a = 0; a < l->shape.n_cats; a++)
		for (size_t i = 0; i < n; i++)
			s->level_gradient[level_rows[a][i]] += residual[i];
	ml_moments_add_columns(s->moments, columns, (const int32_t *const *) level_rows, curvature, n);
}

static size_t
sample_rows(const range *r)
{
	return (r->n + SAMPLE_SHARE - 1) / SAMPLE_SHARE;
}

static void
do_range(void *arg, int index)
{
	ml_logistic *l = arg;
	const range *r = &l->ranges[l->batch_range + index];

	size_t		n = l->phase == ON_SAMPLE ? sample_rows(r) : r->n;

	clear_sums(l, &l->part[index]);
	for (size_t done = 0; done < n; done += BLOCK)
		add_block(l, r->first + done, n - done < BLOCK ? n - done : BLOCK, &l->part[index]);
}

/* ---- Newton ---------------------------------------------------------------------------------------------------- */

static double
squared_norm(const ml_logistic *l)
{
	return ml_dot(l->b, l->b, l->fit.n_terms);
}

static void
start_round(ml_logistic *l)
{
	l->next_range = 0;
	clear_sums(l, &l->total);
	for (int level = 0; level < l->shape.n_levels; level++)
		l->level_b[level] = l->level_term[level] >= 0 ? l->b[l->level_term[level]] : 0;
}

static void
start_phase(ml_logistic *l, phase phase)
{
	l->phase = phase;
	l->rounds = 0;
	l->halvings = 0;
	l->objective = INFINITY;
	start_round(l);
}

static void
start_from_zero(ml_logistic *l)
{
	memset(l->b, 0, l->fit.n_terms * sizeof(double));
	l->b0 = 0;
}

/* The gradient of the objective with the intercept eliminated, for the terms. */
static void
make_right_side(const ml_logistic *l, double penalty)
{
	for (int j = 0; j < l->shape.n_numbers; j++)
		l->right[l->number_term[j]] = l->total.gradient[j];
	for (int level = 0; level < l->shape.n_levels; level++)
		if (l->level_term[level] >= 0)
			l->right[l->level_term[level]] = l->total.level_gradient[level];
	for (int t = 0; t < l->fit.n_terms; t++)
	{
		if (l->params.fit_intercept)
			l->right[t] -= l->gram.mean[t] * l->total.residual;
		l->right[t] -= penalty * l->b[t];
	}
}

/* The Hessian of the sums as a factor; without an intercept about 0 instead of the means. */
static ml_status
factor_hessian(ml_logistic *l, double penalty, ml_cholesky *factor, ml_error *err)
{
	size_t		p = l->fit.n_terms;

	ml_gram_attach(&l->gram, (int) p, l->gram_memory);
	ml_gram_from_moments(&l->gram, l->total.moments, l->sources);
	if (!l->params.fit_intercept)
		for (size_t i = 0; i < p; i++)
			for (size_t j = 0; j < p; j++)
				l->gram.moments[i * p + j] += l->gram.weight * l->gram.mean[i] * l->gram.mean[j];
	return ml_cholesky_make(&l->ctx, factor, l->gram.moments, (int) p, penalty, TOLERANCE, err);
}

/* Takes a Newton step from the accepted point; *improvement is what the objective is expected to gain. */
static ml_status
newton_step(ml_logistic *l, double penalty, double *improvement, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_cholesky factor = {0};
	double		step0 = 0;
	ml_status	status = factor_hessian(l, penalty, &factor, err);

	if (status == ML_OK)
	{
		make_right_side(l, penalty);
		ml_cholesky_solve(&factor, l->right, l->step, l->work);
		*improvement = ml_dot(l->right, l->step, p);
		if (l->params.fit_intercept && l->gram.weight > 0)
		{
			step0 = l->total.residual / l->gram.weight;
			*improvement += step0 * l->total.residual;
			step0 -= ml_dot(l->gram.mean, l->step, p);
		}
		*improvement /= 2;
		memcpy(l->before, l->b, p * sizeof(double));
		l->before0 = l->b0;
		ml_axpy(l->b, 1, l->step, p);
		l->b0 += step0;
		l->fit.rank = factor.rank;
		memset(l->fit.aliased, 1, p);
		for (int i = 0; i < factor.rank; i++)
			l->fit.aliased[factor.kept[i]] = 0;
	}
	ml_cholesky_free(&l->ctx, &factor);
	return status;
}

/* Standard errors from the information at the solution. */
static ml_status
set_std_errors(ml_logistic *l, ml_error *err)
{
	size_t		p = l->fit.n_terms;
	ml_cholesky factor = {0};
	double	   *inverse = ml_alloc(&l->ctx, p * p, sizeof(double));
	ml_status	status = inverse ? factor_hessian(l, 0, &factor, err) : no_memory(err);

	if (status == ML_OK)
		status = ml_cholesky_inverse(&l->ctx, &factor, inverse, err);
	if (status == ML_OK)
	{
		double		quadratic = 0;

		for (size_t i = 0; i < p; i++)
		{
			l->fit.std_errors[i] = inverse[i * p + i] > 0 ? sqrt(inverse[i * p + i]) : NAN;
			quadratic += l->gram.mean[i] * ml_dot(inverse + i * p, l->gram.mean, p);
		}
		if (l->params.fit_intercept)
			l->fit.intercept_std_error = sqrt(1 / l->gram.weight + quadratic);
	}
	ml_cholesky_free(&l->ctx, &factor);
	ml_free(&l->ctx, inverse);
	return status;
}

static void
finish(ml_logistic *l)
{
	double		share = l->total.positive / l->total.weight;

	l->phase = FINISHED;
	memcpy(l->fit.coefficients, l->b, l->fit.n_terms * sizeof(double));
	l->fit.intercept = l->b0;
	l->fit.rows = l->total.rows;
	l->fit.weight = l->total.weight;
	l->fit.loss = l->total.loss;
	l->fit.null_loss = l->params.fit_intercept ?
		-l->total.weight * (share * log(share) + (1 - share) * log1p(-share)) : l->total.weight * log(2);
}

/* Goes half way back; false: there is nowhere left to go. */
static bool
halve_step(ml_logistic *l)
{
	if (l->halvings++ >= MAX_HALVINGS)
		return false;
	for (int t = 0; t < l->fit.n_terms; t++)
		l->b[t] = 0.5 * (l->b[t] + l->before[t]);
	l->b0 = 0.5 * (l->b0 + l->before0);
	return true;
}

/* The round at the solution is over, or the solution is good enough without one. */
static ml_status
conclude(ml_logistic *l, ml_error *err)
{
	ml_status	status = ML_OK;

	if (l->penalty == 0)
		status = set_std_errors(l, err);
	if (status != ML_OK)
		return status;
	finish(l);
	return ML_DONE;
}

/* What to do when a phase has found its minimum. */
static ml_status
end_phase(ml_logistic *l, bool converged, ml_error *err)
{
	if (l->phase == ON_SAMPLE)
	{
		start_phase(l, ON_ALL);
		return ML_MORE;
	}
	l->fit.converged = converged;
	if (l->penalty == 0)
	{
		start_phase(l, LAST_HESSIAN);
		return ML_MORE;
	}
	return conclude(l, err);
}

/* All rows of the phase have been summed up at the current coefficients. */
static ml_status
end_round(ml_logistic *l, ml_error *err)
{
	double		scale = l->phase == ON_SAMPLE ? l->sample_share : 1;
	double		penalty = l->penalty * scale;
	double		objective = l->total.loss + penalty / 2 * squared_norm(l);
	double		improvement;
	double		tol = l->phase == ON_SAMPLE ? 1e-6 : l->params.tol;
	ml_status	status;

	if (l->phase == LAST_HESSIAN)
		return conclude(l, err);
	l->rounds++;
	if (l->phase == ON_ALL)
		l->fit.iterations++;
	if (l->phase == ON_ALL && (l->total.positive == 0 || l->total.positive == l->total.weight))
		return ml_fail(err, ML_BAD_DATA, NULL, "there is only one class to learn from");
	/* A start worse than no model at all comes from a sample that misleads. */
	if (l->phase == ON_ALL && l->rounds == 1 && !(objective <= l->total.weight * log(2) * 1.000001))
	{
		start_from_zero(l);
		start_round(l);
		return ML_MORE;
	}
	if (!(objective <= l->objective + 1e-12 * fabs(l->objective)))
	{
		if (!halve_step(l))
			return end_phase(l, false, err);
		start_round(l);
		return ML_MORE;
	}
	if (l->penalty == 0 && l->phase == ON_ALL && l->total.loss < 1e-6 * l->total.weight)
		return ml_fail(err, ML_NOT_CONVERGED, "Use a penalty, or leave out the features that tell the classes apart.",
					   "the classes can be told apart without error, so coefficients without a penalty have no finite value");
	l->objective = objective;
	l->halvings = 0;
	status = newton_step(l, penalty, &improvement, err);
	if (status != ML_OK)
		return status;
	if (improvement <= tol * l->total.weight)
		return end_phase(l, true, err);
	if (l->rounds >= (l->phase == ON_SAMPLE ? SAMPLE_ROUNDS : l->params.max_iter))
		return end_phase(l, false, err);
	start_round(l);
	return ML_MORE;
}

ml_status
ml_logistic_step(ml_logistic *l, double *progress, ml_error *err)
{
	int			count = 0;

	*progress = 1;
	if (l->phase == FINISHED)
		return ML_DONE;
	l->batch_range = l->next_range;
	for (; count < BATCH && l->next_range < l->n_ranges; count++)
		l->next_range++;
	ml_parallel(&l->ctx, count, do_range, l);
	for (int i = 0; i < count; i++)
		add_sums(l, &l->total, &l->part[i]);
	*progress = (l->fit.iterations + (double) l->next_range / l->n_ranges) / (l->fit.iterations + 3);
	return l->next_range < l->n_ranges ? ML_MORE : end_round(l, err);
}

const ml_logistic_fit *
ml_logistic_result(const ml_logistic *l)
{
	return &l->fit;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static void *
take(ml_logistic *l, size_t count, size_t size, bool *failed)
{
	void	   *block = ml_alloc_zero(&l->ctx, count, size);

	*failed = *failed || block == NULL;
	return block;
}

static void
count_columns(ml_logistic *l)
{
	const ml_matrix *m = l->matrix;

	for (int i = 0; i < m->n_columns; i++)
		if (m->columns[i].codes == NULL)
			l->shape.n_numbers++;
		else
		{
			l->shape.n_cats++;
			l->shape.n_levels += m->columns[i].n_categories;
		}
}

/* Splits the columns into numbers and levels, and says where the terms are among them. */
static void
index_columns(ml_logistic *l)
{
	const ml_matrix *m = l->matrix;
	int			number = 0;
	int			cat = 0;
	int			level = 0;

	for (int i = 0; i < m->n_columns; i++)
	{
		const ml_matrix_column *column = &m->columns[i];
		int			term = column->first_term;

		if (column->codes == NULL)
		{
			l->numbers[number] = column->numbers;
			l->number_term[number] = term;
			l->sources[term] = (ml_gram_source) {number++, -1};
			continue;
		}
		l->codes[cat] = column->codes;
		l->first_level[cat++] = level;
		for (int code = 0; code < column->n_categories; code++, level++)
		{
			l->level_term[level] = code == column->reference ? -1 : term++;
			if (code != column->reference)
				l->sources[l->level_term[level]] = (ml_gram_source) {-1, level};
		}
	}
}

/* The ranges of the used folds. */
static void
make_ranges(ml_logistic *l, const bool *use_fold, size_t rows, size_t length)
{
	const ml_matrix *m = l->matrix;
	size_t		sampled = 0;

	for (int fold = 0; fold < m->n_folds; fold++)
	{
		size_t		end = m->fold_start[fold + 1];

		if (!use_fold[fold])
			continue;
		for (size_t at = m->fold_start[fold]; at < end; at += length)
		{
			l->ranges[l->n_ranges] = (range) {at, end - at < length ? end - at : length};
			sampled += sample_rows(&l->ranges[l->n_ranges++]);
		}
	}
	l->sample_share = rows >= SAMPLE_LEAST ? (double) sampled / (double) rows : 0;
}

static bool
allocate(ml_logistic *l, size_t most_ranges)
{
	size_t		p = l->matrix->n_terms;
	size_t		numbers = l->shape.n_numbers;
	size_t		cats = l->shape.n_cats;
	size_t		levels = l->shape.n_levels;
	bool		failed = false;

	l->numbers = take(l, numbers, sizeof(double *), &failed);
	l->number_term = take(l, numbers, sizeof(int), &failed);
	l->codes = take(l, cats, sizeof(int32_t *), &failed);
	l->first_level = take(l, cats, sizeof(int), &failed);
	l->level_term = take(l, levels, sizeof(int), &failed);
	l->level_b = take(l, levels, sizeof(double), &failed);
	l->sources = take(l, p, sizeof(ml_gram_source), &failed);
	l->ranges = take(l, most_ranges, sizeof(range), &failed);
	l->b = take(l, p, sizeof(double), &failed);
	l->before = take(l, p, sizeof(double), &failed);
	l->right = take(l, p, sizeof(double), &failed);
	l->step = take(l, p, sizeof(double), &failed);
	l->work = take(l, p, sizeof(double), &failed);
	l->gram_memory = take(l, ml_gram_doubles(p), sizeof(double), &failed);
	l->fit.coefficients = take(l, p, sizeof(double), &failed);
	l->fit.std_errors = take(l, p, sizeof(double), &failed);
	l->fit.aliased = take(l, p, 1, &failed);
	for (int i = -1; i < BATCH; i++)
	{
		sums	   *s = i < 0 ? &l->total : &l->part[i];

		s->moments = take(l, ml_moments_size(&l->shape), 1, &failed);
		s->gradient = take(l, numbers, sizeof(double), &failed);
		s->level_gradient = take(l, levels, sizeof(double), &failed);
		s->columns = take(l, numbers, sizeof(double *), &failed);
		s->level_rows = take(l, cats, sizeof(int32_t *), &failed);
		for (size_t a = 0; a < cats && s->level_rows != NULL; a++)
			s->level_rows[a] = take(l, BLOCK, sizeof(int32_t), &failed);
	}
	return !failed;
}

ml_status
ml_logistic_begin(const ml_ctx *ctx, const ml_matrix *matrix, const bool *use_fold, const ml_logistic_params *params,
				  ml_logistic **logistic, ml_error *err)
{
	ml_logistic *l = ml_alloc_zero(ctx, 1, sizeof(ml_logistic));
	size_t		rows = 0;
	size_t		length;

	*logistic = l;
	if (l == NULL)
		return no_memory(err);
	l->ctx = *ctx;
	l->matrix = matrix;
	l->params = *params;
	l->penalty = isinf(params->c) ? 0 : 1 / params->c;
	l->fit.n_terms = matrix->n_terms;
	l->fit.intercept_std_error = NAN;
	for (int fold = 0; fold < matrix->n_folds; fold++)
		rows += use_fold[fold] ? matrix->fold_start[fold + 1] - matrix->fold_start[fold] : 0;
	if (rows == 0)
		return ml_fail(err, ML_BAD_DATA, NULL, "there are no rows");
	/* A length that follows from the number of rows alone. */
	length = (rows / 16 / BLOCK + 1) * BLOCK;
	length = length > LARGEST_RANGE ? LARGEST_RANGE : length;
	count_columns(l);
	if (!allocate(l, rows / length + (size_t) matrix->n_folds + 1))
		return no_memory(err);
	for (int t = 0; t < l->fit.n_terms; t++)
		l->fit.std_errors[t] = NAN;
	index_columns(l);
	make_ranges(l, use_fold, rows, length);
	start_phase(l, l->sample_share > 0 ? ON_SAMPLE : ON_ALL);
	return ML_OK;
}

static void
free_sums(const ml_logistic *l, sums *s)
{
	const ml_ctx *ctx = &l->ctx;

	ml_free(ctx, s->moments);
	ml_free(ctx, s->gradient);
	ml_free(ctx, s->level_gradient);
	ml_free(ctx, s->columns);
	for (int a = 0; a < l->shape.n_cats && s->level_rows != NULL; a++)
		ml_free(ctx, s->level_rows[a]);
	ml_free(ctx, s->level_rows);
}

void
ml_logistic_end(ml_logistic *l)
{
	ml_ctx		ctx;

	if (l == NULL)
		return;
	ctx = l->ctx;
	free_sums(l, &l->total);
	for (int i = 0; i < BATCH; i++)
		free_sums(l, &l->part[i]);
	ml_free(&ctx, l->numbers);
	ml_free(&ctx, l->number_term);
	ml_free(&ctx, l->codes);
	ml_free(&ctx, l->first_level);
	ml_free(&ctx, l->level_term);
	ml_free(&ctx, l->level_b);
	ml_free(&ctx, l->sources);
	ml_free(&ctx, l->ranges);
	ml_free(&ctx, l->b);
	ml_free(&ctx, l->before);
	ml_free(&ctx, l->right);
	ml_free(&ctx, l->step);
	ml_free(&ctx, l->work);
	ml_free(&ctx, l->gram_memory);
	ml_free(&ctx, l->fit.coefficients);
	ml_free(&ctx, l->fit.std_errors);
	ml_free(&ctx, l->fit.aliased);
	ml_free(&ctx, l);
}

/* ---- scores ---------------------------------------------------------------------------------------------------- */

#define SCORE_PIECE 16384

typedef struct score_work
{
	const ml_matrix *matrix;
	const double *coefficients;
	double		intercept;
	size_t		first;
	size_t		n;
	double	   *scores;
} score_work;

static void
score_piece(void *arg, int index)
{
	const score_work *w = arg;
	size_t		start = (size_t) index * SCORE_PIECE;
	size_t		n = w->n - start < SCORE_PIECE ? w->n - start : SCORE_PIECE;
	double	   *scores = w->scores + start;

	for (size_t i = 0; i < n; i++)
		scores[i] = w->intercept;
	for (int j = 0; j < w->matrix->n_columns; j++)
	{
		const ml_matrix_column *column = &w->matrix->columns[j];

		if (column->codes == NULL)
			ml_axpy(scores, w->coefficients[column->first_term], column->numbers + w->first + start, n);
		else
			for (size_t i = 0; i < n; i++)
			{
				int			code = column->codes[w->first + start + i];

				if (code != column->reference)
					scores[i] += w->coefficients[column->first_term + code -
												 (column->reference >= 0 && code > column->reference)];
			}
	}
}

void
ml_logistic_scores(const ml_ctx *ctx, const ml_matrix *matrix, const double *coefficients, double intercept,
				   size_t first, size_t n, double *scores)
{
	score_work	work = {matrix, coefficients, intercept, first, n, scores};

	ml_parallel(ctx, (int) ((n + SCORE_PIECE - 1) / SCORE_PIECE), score_piece, &work);
}
