/*
 * ml_isotonic.c: isotonic regression.
 */
#include "ml/ml_isotonic.h"

#include <string.h>

bool
ml_isotonic_init(const ml_ctx *ctx, ml_isotonic *fit, size_t n)
{
	memset(fit, 0, sizeof(*fit));
	fit->n = n;
	fit->width = 1;
	fit->points = ml_alloc(ctx, n + 1, sizeof(ml_isotonic_point));
	fit->scratch = ml_alloc(ctx, n + 1, sizeof(ml_isotonic_point));
	return fit->points != NULL && fit->scratch != NULL;
}

void
ml_isotonic_free(const ml_ctx *ctx, ml_isotonic *fit)
{
	ml_free(ctx, fit->points);
	ml_free(ctx, fit->scratch);
	fit->points = fit->scratch = NULL;
}

/* Merges runs in order to runs of twice the width; points of equal x stay in the order they had. */
static void
merge_runs(ml_isotonic *fit)
{
	ml_isotonic_point *swap = fit->points;

	for (size_t first = 0; first < fit->n; first += 2 * fit->width)
	{
		size_t		middle = fit->n - first < fit->width ? fit->n : first + fit->width;
		size_t		end = fit->n - first < 2 * fit->width ? fit->n : first + 2 * fit->width;
		size_t		a = first;
		size_t		b = middle;

		for (size_t to = first; to < end; to++)
		{
			bool		take_a = b == end || (a < middle && fit->points[a].x <= fit->points[b].x);

			fit->scratch[to] = take_a ? fit->points[a++] : fit->points[b++];
		}
	}
	fit->points = fit->scratch;
	fit->scratch = swap;
	fit->width *= 2;
}

/* Points of equal x become one with their mean; the sign is turned where the function falls.  Returns how many are left. */
static size_t
join_equal(ml_isotonic *fit)
{
	size_t		n = 0;

	for (size_t i = 0; i < fit->n; n++)
	{
		ml_isotonic_point sum = {fit->points[i].x, 0, 0};

		for (; i < fit->n && fit->points[i].x == sum.x; i++)
		{
			sum.y += fit->points[i].weight * fit->points[i].y;
			sum.weight += fit->points[i].weight;
		}
		sum.y /= fit->falling ? -sum.weight : sum.weight;
		fit->points[n] = sum;
	}
	return n;
}

/* Pools violators; scratch has the blocks: x is the number of points in it. */
static size_t
pool(ml_isotonic *fit, size_t n)
{
	ml_isotonic_point *blocks = fit->scratch;
	size_t		count = 0;

	for (size_t i = 0; i < n; i++)
	{
		ml_isotonic_point block = {1, fit->points[i].y, fit->points[i].weight};

		while (count > 0 && blocks[count - 1].y >= block.y)
		{
			const ml_isotonic_point *before = &blocks[--count];
			double		weight = before->weight + block.weight;

			block.y = (before->weight * before->y + block.weight * block.y) / weight;
			block.weight = weight;
			block.x += before->x;
		}
		blocks[count++] = block;
	}
	return count;
}

/* Keeps the first and the last point of each block. */
static void
keep_knots(ml_isotonic *fit, size_t n_blocks)
{
	size_t		at = 0;

	fit->n_knots = 0;
	for (size_t b = 0; b < n_blocks; b++)
	{
		size_t		points = (size_t) fit->scratch[b].x;
		double		y = fit->falling ? -fit->scratch[b].y : fit->scratch[b].y;
		double		last = fit->points[at + points - 1].x;

		fit->points[fit->n_knots++] = (ml_isotonic_point) {fit->points[at].x, y, 0};
		if (points > 1)
			fit->points[fit->n_knots++] = (ml_isotonic_point) {last, y, 0};
		at += points;
	}
}

bool
ml_isotonic_step(ml_isotonic *fit)
{
	if (fit->width < fit->n)
	{
		merge_runs(fit);
		return false;
	}
	keep_knots(fit, pool(fit, join_equal(fit)));
	return true;
}

double
ml_isotonic_value(const double *x, const double *y, size_t n, double place)
{
	size_t		low = 0;
	size_t		high = n - 1;

	if (place <= x[0])
		return y[0];
	if (place >= x[high])
		return y[high];
	while (high - low > 1)
	{
		size_t		middle = (low + high) / 2;

		if (x[middle] <= place)
			low = middle;
		else
			high = middle;
	}
	return y[low] + (y[high] - y[low]) * ((place - x[low]) / (x[high] - x[low]));
}
