/*
 * ml_dual_descent.c: coordinate descent in the dual of linear support vector machines.
 *
 * alpha is the dual variable: of a classification between 0 and its bound, w = Σ alpha_i y_i x_i; of a regression between
 * minus its bound and its bound, w = Σ alpha_i x_i.  Squared losses have no bound but a term alpha² / (4 C) in the dual.
 */
#include "ml/ml_dual_descent.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"

#define AHEAD 8					/* rows whose numbers are on their way from memory */
#define RANDOM_DUAL 0x6475616cULL
#define NOTHING 1e-12			/* smaller changes of a variable are left out */

bool
ml_dual_rows_init(const ml_ctx *ctx, ml_dual_rows *rows)
{
	rows->norms = ml_alloc(ctx, rows->n + 1, sizeof(double));
	if (rows->norms == NULL)
		return false;
	for (size_t i = 0; i < rows->n; i++)
	{
		const double *x = rows->x + i * rows->stride;

		rows->norms[i] = ml_dot(x, x, rows->n_terms) + rows->bias * rows->bias;
	}
	return true;
}

double
ml_dual_bytes(size_t n, int n_terms)
{
	return 12.0 * (double) n + 8.0 * n_terms + 256;
}

bool
ml_dual_init(const ml_ctx *ctx, ml_dual *d, const ml_dual_rows *rows)
{
	d->rows = rows;
	d->w = ml_alloc(ctx, rows->n_terms + 1, sizeof(double));
	d->alpha = ml_alloc(ctx, rows->n + 1, sizeof(double));
	d->index = ml_alloc(ctx, rows->n + 1, sizeof(uint32_t));
	return d->w != NULL && d->alpha != NULL && d->index != NULL;
}

void
ml_dual_free(const ml_ctx *ctx, ml_dual *d)
{
	ml_free(ctx, d->w);
	ml_free(ctx, d->alpha);
	ml_free(ctx, d->index);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------- */

static void
activate_all(ml_dual *d)
{
	d->active = d->rows->n;
	for (size_t i = 0; i < d->active; i++)
		d->index[i] = (uint32_t) i;
	d->upper_before = INFINITY;
	d->lower_before = -INFINITY;
}

static void
begin_round(ml_dual *d)
{
	d->place = d->drawn = d->kept = 0;
	d->upper = d->regression ? 0 : -INFINITY;
	d->lower = INFINITY;
	d->violation = 0;
}

void
ml_dual_start(ml_dual *d, uint64_t stream)
{
	d->random = ml_random_stream(0, RANDOM_DUAL, stream);
	memset(d->w, 0, sizeof(double) * d->rows->n_terms);
	memset(d->alpha, 0, sizeof(double) * d->rows->n);
	d->w_bias = d->objective = d->dual_objective = d->intercept = 0;
	d->first_violation = -1;
	d->rounds = 0;
	d->converged = d->measuring = d->finished = false;
	activate_all(d);
	begin_round(d);
}

/* The row at the next place, drawn among those that are left. */
static uint32_t
next_row(ml_dual *d)
{
	while (d->drawn < d->active && d->drawn < d->place + AHEAD)
	{
		size_t		with = d->drawn + ml_random_below(&d->random, (uint32_t) (d->active - d->drawn));
		uint32_t	row = d->index[with];

		d->index[with] = d->index[d->drawn];
		d->index[d->drawn++] = row;
		for (int j = 0; j < d->rows->n_terms && j < 64; j += 8)
			__builtin_prefetch(d->rows->x + row * d->rows->stride + j);
	}
	return d->index[d->place];
}

static double
cost(const ml_dual *d, uint32_t row, bool positive)
{
	return (positive ? d->c_positive : d->c_negative) * (d->weights ? d->weights[row] : 1);
}

static double
decision(const ml_dual *d, uint32_t row)
{
	return ml_dot(d->w, d->rows->x + row * d->rows->stride, d->rows->n_terms) + d->w_bias * d->rows->bias;
}

static void
change_weights(ml_dual *d, uint32_t row, double change)
{
	ml_axpy(d->w, change, d->rows->x + row * d->rows->stride, d->rows->n_terms);
	d->w_bias += change * d->rows->bias;
}

/* Moves the variable of a row of a classification; false: it is left out from the next round on. */
static bool
move_class(ml_dual *d, uint32_t row)
{
	bool		positive = d->labels[row] == d->positive;
	double		y = positive ? 1 : -1;
	double		c = cost(d, row, positive);
	double		bound = d->squared ? INFINITY : c;
	double		diagonal = d->squared ? 0.5 / c : 0;
	double		alpha = d->alpha[row];
	double		gradient = y * decision(d, row) - 1 + alpha * diagonal;
	double		projected = gradient;
	double		moved;

	if (alpha == 0)
	{
		if (gradient > d->upper_before)
			return false;
		projected = fmin(gradient, 0);
	}
	else if (alpha == bound)
	{
		if (gradient < d->lower_before)
			return false;
		projected = fmax(gradient, 0);
	}
	d->upper = fmax(d->upper, projected);
	d->lower = fmin(d->lower, projected);
	if (fabs(projected) > NOTHING)
	{
		moved = alpha - gradient / (d->rows->norms[row] + diagonal);
		moved = moved < 0 ? 0 : moved > bound ? bound : moved;
		d->alpha[row] = moved;
		change_weights(d, row, (moved - alpha) * y);
	}
	return true;
}

/* The same of a regression. */
static bool
move_value(ml_dual *d, uint32_t row)
{
	double		c = cost(d, row, true);
	double		bound = d->squared ? INFINITY : c;
	double		diagonal = d->squared ? 0.5 / c : 0;
	double		curvature = d->rows->norms[row] + diagonal;
	double		alpha = d->alpha[row];
	double		gradient = decision(d, row) - d->target[row] + diagonal * alpha;
	double		rising = gradient + d->epsilon;
	double		falling = gradient - d->epsilon;
	double		violation = 0;
	double		change;
	double		moved;

	if (alpha == 0)
	{
		if (rising > d->upper_before && falling < -d->upper_before)
			return false;
		violation = rising < 0 ? -rising : falling > 0 ? falling : 0;
	}
	else if (alpha >= bound)
	{
		if (rising < -d->upper_before)
			return false;
		violation = fmax(rising, 0);
	}
	else if (alpha <= -bound)
	{
		if (falling > d->upper_before)
			return false;
		violation = fmax(-falling, 0);
	}
	else
		violation = alpha > 0 ? fabs(rising) : fabs(falling);
	d->upper = fmax(d->upper, violation);
	d->violation += violation;
	change = rising < curvature * alpha ? -rising / curvature : falling > curvature * alpha ? -falling / curvature : -alpha;
	if (fabs(change) > NOTHING)
	{
		moved = alpha + change;
		moved = moved < -bound ? -bound : moved > bound ? bound : moved;
		d->alpha[row] = moved;
		change_weights(d, row, moved - alpha);
	}
	return true;
}

/* A round has come to its end: goes on to the next, or to measuring. */
static void
end_round(ml_dual *d)
{
	bool		all = d->active == d->rows->n;
	bool		good;

	d->rounds++;
	d->active = d->kept;
	if (d->first_violation < 0)
		d->first_violation = d->violation;
	good = d->regression ? d->violation <= d->tolerance * d->first_violation : !(d->upper - d->lower > d->tolerance);
	if (good && all)
		d->converged = d->measuring = true;
	else if (d->rounds >= d->max_rounds)
		d->measuring = true;
	else if (good)
		activate_all(d);
	else if (d->regression)
		d->upper_before = d->upper;
	else
	{
		d->upper_before = d->upper > 0 ? d->upper : INFINITY;
		d->lower_before = d->lower < 0 ? d->lower : -INFINITY;
	}
	begin_round(d);
}

/* ---- the objective ------------------------------------------------------------------------------------------------ */

static void
measure_row(ml_dual *d, uint32_t row)
{
	double		f = decision(d, row);
	bool		positive = d->regression || d->labels[row] == d->positive;
	double		c = cost(d, row, positive);
	double		loss = d->regression ? fmax(0, fabs(d->target[row] - f) - d->epsilon) : fmax(0, 1 - (positive ? f : -f));
	double		alpha = d->alpha[row];

	d->objective += c * (d->squared ? loss * loss : loss);
	d->dual_objective += d->regression ? alpha * d->target[row] - d->epsilon * fabs(alpha) : alpha;
	if (d->squared)
		d->dual_objective -= alpha * alpha / (4 * c);
}

bool
ml_dual_run(ml_dual *d, double *work)
{
	double		each = d->rows->n_terms + 64.0;	/* a row out of the order of memory is as dear as some dozens of numbers */

	while (!d->finished && *work > 0)
	{
		if (d->measuring && d->place == d->rows->n)
		{
			double		size = ml_dot(d->w, d->w, d->rows->n_terms) + d->w_bias * d->w_bias;

			d->objective += size / 2;
			d->dual_objective -= size / 2;
			d->intercept = d->w_bias * d->rows->bias;
			d->finished = true;
		}
		else if (d->measuring)
			measure_row(d, (uint32_t) d->place++);
		else if (d->place == d->active)
			end_round(d);
		else
		{
			uint32_t	row = next_row(d);
			bool		stays = d->regression ? move_value(d, row) : move_class(d, row);

			if (stays)
				d->index[d->kept++] = row;
			d->place++;
		}
		*work -= each;
	}
	return d->finished;
}
