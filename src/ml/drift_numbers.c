/*
 * drift_numbers.c: numeric columns of a baseline, from their values in the sample; in threads.
 *
 * What becomes of a column depends on its own values alone, so the number of threads changes nothing.
 */
#include "ml/drift_int.h"
#include "ml/eval_rank.h"
#include "ml/ml_lanes.h"
#include "ml/ml_parallel.h"

#include <math.h>
#include <string.h>

#define TOGETHER		8		/* columns gathered at once: numbers of a record that are likely to share cache lines … */
#define RECORDS			128		/* … of so many records, which stay in the cache meanwhile */
#define THREAD_VALUES	25000	/* values worth a thread: it takes as long to start as to sort some thousand */

/* ---- one column ---------------------------------------------------------------------------------------------- */

/* The sum of values less their `origin`; in lanes, so the order of additions is always the same. */
EVERY_PROCESSOR static double
sum_from(const double *values, size_t n, double origin)
{
	lanes		sums = {0};
	double		sum = 0;
	size_t		i = 0;

	for (; i + ML_LANES <= n; i += ML_LANES)
		sums += *(const lanes *) (values + i) - origin;
	for (; i < n; i++)
		sum += values[i] - origin;
	for (int k = 0; k < ML_LANES; k++)
		sum += sums[k];
	return sum;
}

EVERY_PROCESSOR static double
squares_from(const double *values, size_t n, double origin)
{
	lanes		sums = {0};
	double		sum = 0;
	size_t		i = 0;

	for (; i + ML_LANES <= n; i += ML_LANES)
	{
		lanes		distance = *(const lanes *) (values + i) - origin;

		sums += distance * distance;
	}
	for (; i < n; i++)
		sum += (values[i] - origin) * (values[i] - origin);
	for (int k = 0; k < ML_LANES; k++)
		sum += sums[k];
	return sum;
}

/* Mean and population standard deviation of the finite ones of sorted values, in two passes. */
static void
set_moments(drift_column *column, const double *sorted, size_t n)
{
	double		mean;

	for (; n > 0 && isinf(sorted[0]); n--)
		sorted++;
	while (n > 0 && isinf(sorted[n - 1]))
		n--;
	column->mean = column->std = NAN;
	if (n == 0)
		return;
	/* From the median, so that the mean of equal values is that value. */
	mean = sorted[n / 2] + sum_from(sorted, n, sorted[n / 2]) / (double) n;
	if (!isfinite(mean))
	{
		mean = 0;
		for (size_t i = 0; i < n; i++)
			mean += sorted[i] / (double) n; /* cannot overflow */
	}
	column->mean = mean;
	column->std = sqrt(squares_from(sorted, n, mean) / (double) n);
}

/* How many of the sorted values are not above a limit. */
static size_t
count_up_to(const double *sorted, size_t n, double limit)
{
	size_t		low = 0;

	while (n > 0)
	{
		size_t		half = n / 2;

		if (sorted[low + half] <= limit)
		{
			low += half + 1;
			n -= half + 1;
		}
		else
			n = half;
	}
	return low;
}

/* From the present values, which are sorted in place; scratch has room for as many.  The arrays of the column are there. */
static void
describe(drift_column *column, double *values, double *scratch)
{
	size_t		n = column->n_present;
	size_t		below = 0;

	ml_rank_sort(values, scratch, n);
	set_moments(column, values, n);
	column->n_edges = drift_make_edges(values, n, column->edges);
	column->n_bins = column->n_edges + 2;
	column->n_sketch = (int) (n < ML_DRIFT_SKETCH ? n : ML_DRIFT_SKETCH);
	if (n <= ML_DRIFT_SKETCH)
		memcpy(column->sketch, values, n * sizeof(double));
	else
		for (size_t i = 0; i < ML_DRIFT_SKETCH; i++)
			column->sketch[i] = values[(2 * i + 1) * n / (2 * ML_DRIFT_SKETCH)];
	/* As drift_bin_of, but the values are sorted. */
	for (int i = 0; i < column->n_edges; i++)
	{
		size_t		upto = count_up_to(values, n, column->edges[i]);

		column->counts[i] = upto - below;
		below = upto;
	}
	column->counts[column->n_edges] = n - below;
	column->counts[column->n_bins - 1] = column->n_missing;
}

/* ---- all numeric columns ------------------------------------------------------------------------------------- */

typedef struct task
{
	const ml_baseline_column *from; /* (made->n_columns) */
	ml_baseline *made;
	size_t		n;
	int		   *numeric;		/* indexes of the numeric columns … */
	int			n_numeric;
	double	   *room;			/* (n_slots, TOGETHER + 1, n) */
	int			n_slots;
} task;

/* The present ones of the rows of one column from `first` on, put behind those that the column has already. */
static void
gather(const ml_baseline_column *from, drift_column *column, size_t first, size_t n, double *values)
{
	size_t		present = column->n_present;

	for (size_t i = first; i < first + n; i++)
	{
		double		value;

		if (from->records != NULL)
			memcpy(&value, (const char *) from->records[i] + from->offset, sizeof(value));
		else
			value = from->values.nulls != NULL && from->values.nulls[i] ? NAN : from->values.numbers[i];
		values[present] = value + 0.0;	/* -0 as 0 */
		present += !isnan(value);
	}
	column->n_present = present;
}

/* Does every n_slots-th group of columns. */
static void
do_slot(void *arg, int slot)
{
	task	   *t = arg;
	double	   *room = t->room + (size_t) slot * (TOGETHER + 1) * t->n;
	double	   *scratch = room + TOGETHER * t->n;

	for (int start = slot * TOGETHER; start < t->n_numeric; start += t->n_slots * TOGETHER)
	{
		int			columns = t->n_numeric - start < TOGETHER ? t->n_numeric - start : TOGETHER;
		const int  *numeric = t->numeric + start;

		for (size_t first = 0; first < t->n; first += RECORDS)
			for (int i = 0; i < columns; i++)
				gather(&t->from[numeric[i]], &t->made->columns[numeric[i]], first,
					   t->n - first < RECORDS ? t->n - first : RECORDS, room + (size_t) i * t->n);
		for (int i = 0; i < columns; i++)
		{
			drift_column *column = &t->made->columns[numeric[i]];

			column->n_missing = t->n - column->n_present;
			describe(column, room + (size_t) i * t->n, scratch);
		}
	}
}

static bool
allocate(const ml_ctx *ctx, drift_column *column, size_t n)
{
	column->edges = ml_alloc(ctx, DRIFT_MAX_BINS, sizeof(double));
	column->sketch = ml_alloc(ctx, n < ML_DRIFT_SKETCH ? n : ML_DRIFT_SKETCH, sizeof(double));
	column->counts = ml_alloc_zero(ctx, DRIFT_MAX_BINS, sizeof(uint64_t));
	return column->edges != NULL && column->sketch != NULL && column->counts != NULL;
}

ml_status
drift_make_numeric(const ml_ctx *ctx, ml_baseline *made, const ml_baseline_column *from, size_t n, ml_error *err)
{
	task		t = {.from = from, .made = made, .n = n};
	bool		ready;

	t.numeric = ml_alloc(ctx, made->n_columns, sizeof(int));
	ready = t.numeric != NULL;
	for (int i = 0; i < made->n_columns && ready; i++)
		if (drift_is_numeric(&made->columns[i]))
		{
			t.numeric[t.n_numeric++] = i;
			ready = allocate(ctx, &made->columns[i], n);
		}
	if (ready)
	{
		size_t		worth = (size_t) t.n_numeric * n / THREAD_VALUES + 1;
		int			groups = (t.n_numeric + TOGETHER - 1) / TOGETHER;

		t.n_slots = worth < (size_t) ctx->nthreads ? (int) worth : ctx->nthreads;
		t.n_slots = groups < t.n_slots ? groups : t.n_slots;
		t.room = ml_alloc(ctx, (size_t) t.n_slots * (TOGETHER + 1), (n + 1) * sizeof(double));
		ready = t.room != NULL;
	}
	if (ready)
		ml_parallel(ctx, t.n_slots, do_slot, &t);
	ml_free(ctx, t.room);
	ml_free(ctx, t.numeric);
	return ready ? ML_OK : ml_no_memory(err);
}
