/*
 * drift_window.c: counts new rows against a baseline in one pass.
 *
 * A numeric column's values are counted in the bins and in *cells*: with the distinct finite points x_0 < x_1 < … of
 * the baseline's sketch, cell 2k is the open interval below x_k (above x_(k-1)) and cell 2k + 1 the point x_k itself;
 * the last cell is what lies above all points.  The reference's distribution function is constant inside a cell, so
 * the Kolmogorov-Smirnov distance to the sketch is exact from the counts of cells.  For the Wasserstein distance each
 * open cell also sums how far its values are from its upper end (the last: from its lower end), which makes the integral
 * exact in all cells but those in which the two distribution functions cross.
 */
#include "ml/drift_int.h"

#include <math.h>
#include <string.h>

typedef struct window_column
{
	uint64_t	n;
	uint64_t	n_missing;
	uint64_t	n_low;			/* -infinity */
	uint64_t	n_high;			/* +infinity */
	uint64_t	n_finite;
	double		mean;			/* of the finite values */
	double		squares;		/* the sum of the squares of their distances from it */
	uint64_t   *bins;			/* (n_bins) */

	int			n_points;
	double	   *points;			/* (n_points) */
	uint64_t   *point_counts;	/* (n_points) of the sketch */
	uint64_t	reference_low;	/* -infinity in the sketch */
	uint64_t	reference_high;
	uint64_t   *cells;			/* (2 n_points + 1) */
	double	   *gaps;			/* (n_points + 1) */
} window_column;

struct ml_drift_window
{
	ml_ctx		ctx;
	const ml_baseline *baseline;
	window_column *columns;
};

/* ---- making and clearing ------------------------------------------------------------------------------------- */

static bool
make_points(const ml_ctx *ctx, window_column *column, const drift_column *from)
{
	column->points = ml_alloc(ctx, from->n_sketch, sizeof(double));
	column->point_counts = ml_alloc_zero(ctx, from->n_sketch, sizeof(uint64_t));
	if (column->points == NULL || column->point_counts == NULL)
		return false;
	for (int i = 0; i < from->n_sketch; i++)
	{
		double		value = from->sketch[i];

		if (isinf(value))
		{
			if (value < 0)
				column->reference_low++;
			else
				column->reference_high++;
			continue;
		}
		if (column->n_points == 0 || column->points[column->n_points - 1] != value)
			column->points[column->n_points++] = value;
		column->point_counts[column->n_points - 1]++;
	}
	column->cells = ml_alloc_zero(ctx, 2 * (size_t) column->n_points + 1, sizeof(uint64_t));
	column->gaps = ml_alloc_zero(ctx, (size_t) column->n_points + 1, sizeof(double));
	return column->cells != NULL && column->gaps != NULL;
}

void
ml_drift_window_free(ml_drift_window *window)
{
	ml_ctx		ctx;

	if (window == NULL)
		return;
	ctx = window->ctx;
	for (int i = 0; window->columns != NULL && i < window->baseline->n_columns; i++)
	{
		window_column *column = &window->columns[i];

		ml_free(&ctx, column->bins);
		ml_free(&ctx, column->points);
		ml_free(&ctx, column->point_counts);
		ml_free(&ctx, column->cells);
		ml_free(&ctx, column->gaps);
	}
	ml_free(&ctx, window->columns);
	ml_free(&ctx, window);
}

ml_status
ml_drift_window_new(const ml_ctx *ctx, const ml_baseline *baseline, ml_drift_window **window, ml_error *err)
{
	ml_drift_window *made = ml_alloc_zero(ctx, 1, sizeof(ml_drift_window));
	bool		complete = false;

	*window = NULL;
	if (made != NULL)
	{
		made->ctx = *ctx;
		made->baseline = baseline;
		made->columns = ml_alloc_zero(ctx, baseline->n_columns, sizeof(window_column));
		complete = made->columns != NULL;
	}
	for (int i = 0; complete && i < baseline->n_columns; i++)
	{
		const drift_column *from = &baseline->columns[i];

		made->columns[i].bins = ml_alloc_zero(ctx, from->n_bins, sizeof(uint64_t));
		complete = made->columns[i].bins != NULL &&
			(!drift_is_numeric(from) || make_points(ctx, &made->columns[i], from));
	}
	if (!complete)
	{
		ml_drift_window_free(made);
		return ml_no_memory(err);
	}
	*window = made;
	return ML_OK;
}

void
ml_drift_window_clear(ml_drift_window *window)
{
	for (int i = 0; i < window->baseline->n_columns; i++)
	{
		window_column *column = &window->columns[i];

		column->n = column->n_missing = column->n_low = column->n_high = column->n_finite = 0;
		column->mean = column->squares = 0;
		memset(column->bins, 0, window->baseline->columns[i].n_bins * sizeof(uint64_t));
		if (column->cells != NULL)
		{
			memset(column->cells, 0, (2 * (size_t) column->n_points + 1) * sizeof(uint64_t));
			memset(column->gaps, 0, ((size_t) column->n_points + 1) * sizeof(double));
		}
	}
}

/* ---- counting ------------------------------------------------------------------------------------------------ */

void
ml_drift_add_null(ml_drift_window *window, int column)
{
	window_column *c = &window->columns[column];

	c->n++;
	c->n_missing++;
	c->bins[window->baseline->columns[column].n_bins - 1]++;
}

/*
 * The mean so far and the squares around it, by Welford's recurrence: sums about the baseline's mean would lose the
 * standard deviation of a window that lies far from it, which is the window one watches for.
 */
static void
add_to_moments(window_column *c, double value)
{
	double		distance = value - c->mean;

	c->n_finite++;
	c->mean += distance / (double) c->n_finite;
	c->squares += distance * (value - c->mean);
}

void
ml_drift_add_number(ml_drift_window *window, int column, double value)
{
	window_column *c = &window->columns[column];
	const drift_column *from = &window->baseline->columns[column];
	int			point;

	if (isnan(value))
	{
		ml_drift_add_null(window, column);
		return;
	}
	value += 0.0;				/* -0 as 0 */
	c->n++;
	c->bins[drift_bin_of(from, value)]++;
	if (isinf(value))
	{
		if (value < 0)
			c->n_low++;
		else
			c->n_high++;
		return;
	}
	add_to_moments(c, value);
	point = drift_lower_bound(c->points, c->n_points, value);
	if (point < c->n_points && c->points[point] == value)
		c->cells[2 * point + 1]++;
	else
	{
		c->cells[2 * point]++;
		if (point < c->n_points)
			c->gaps[point] += c->points[point] - value;
		else if (c->n_points > 0)
			c->gaps[point] += value - c->points[point - 1];
	}
}

void
ml_drift_add_text(ml_drift_window *window, int column, const char *data, size_t length)
{
	window_column *c = &window->columns[column];
	const drift_column *from = &window->baseline->columns[column];
	int			code = ml_dictionary_find(&from->categories, data, length);

	c->n++;
	c->bins[code < 0 ? drift_unseen_bin(from) : from->bins[code]]++;
}

/* ---- the statistics ------------------------------------------------------------------------------------------ */

/* The largest difference of the distribution functions, at each point and just below it. */
static double
ks_distance(const window_column *c, double n_reference, double n_current)
{
	double		reference = (double) c->reference_low,
				current = (double) c->n_low,
				largest = fabs(reference / n_reference - current / n_current);

	for (int i = 0; i < c->n_points; i++)
	{
		current += (double) c->cells[2 * i];
		largest = fmax(largest, fabs(reference / n_reference - current / n_current));
		current += (double) c->cells[2 * i + 1];
		reference += (double) c->point_counts[i];
		largest = fmax(largest, fabs(reference / n_reference - current / n_current));
	}
	current += (double) c->cells[2 * c->n_points];
	return fmax(largest, fabs(reference / n_reference - current / n_current));
}

/*
 * The integral of |F_current - F_reference| over one bounded cell: before it and in it are counts of current values, gap
 * sums the distances of the latter from the upper end.  Where the difference changes its sign inside, one or two values are
 * taken to be at their mean, more to be spread evenly.
 */
static double
cell_area(double width, double before, double in, double gap, double n_current, double reference)
{
	double		left = before / n_current - reference,
				right = (before + in) / n_current - reference;

	if (left >= 0 || right <= 0)
		return fabs((before * width + gap) / n_current - reference * width);
	if (in <= 2)
		return -left * (width - gap / in) + right * gap / in;
	return width * (left * left + right * right) / (2 * (right - left));
}

/* The Wasserstein distance of the finite values, not yet normed; NaN if one side has none. */
static double
wasserstein(const window_column *c, uint64_t n_sketch)
{
	double		n_reference = (double) (n_sketch - c->reference_low - c->reference_high);
	double		n_current = 0,
				before = 0,
				reference = 0,
				area;

	for (int i = 0; i < 2 * c->n_points + 1; i++)
		n_current += (double) c->cells[i];
	if (n_reference == 0 || n_current == 0)
		return NAN;
	area = c->gaps[0] / n_current;	/* below all points: the reference is 0 */
	before = (double) (c->cells[0] + c->cells[1]);
	reference = (double) c->point_counts[0];
	for (int i = 1; i < c->n_points; i++)
	{
		area += cell_area(c->points[i] - c->points[i - 1], before, (double) c->cells[2 * i], c->gaps[i], n_current,
						  reference / n_reference);
		before += (double) (c->cells[2 * i] + c->cells[2 * i + 1]);
		reference += (double) c->point_counts[i];
	}
	return area + c->gaps[c->n_points] / n_current;
}

static void
compute_numeric(const window_column *c, const drift_column *from, ml_drift *result)
{
	result->mean_reference = from->mean;
	result->std_reference = from->std;
	if (c->n_finite > 0)
	{
		result->mean = c->mean;
		result->std = sqrt(c->squares / (double) c->n_finite);
	}
	if (result->n_present == 0 || from->n_sketch == 0)
		return;
	result->ks = ks_distance(c, from->n_sketch, (double) result->n_present);
	result->ks_p = ml_drift_ks_p(result->ks, from->n_present, result->n_present);
	result->wasserstein = wasserstein(c, from->n_sketch) / fmax(from->std, 0.001);
}

void
ml_drift_compute(const ml_drift_window *window, int column, ml_drift *result)
{
	const window_column *c = &window->columns[column];
	const drift_column *from = &window->baseline->columns[column];
	const ml_baseline *baseline = window->baseline;

	*result = (ml_drift) {
		.n = c->n, .n_present = c->n - c->n_missing, .n_reference = from->n_present,
		.ks = NAN, .ks_p = NAN, .wasserstein = NAN, .null_rate = NAN, .null_rate_reference = NAN,
		.new_category_rate = NAN, .new_category_expected = NAN,
		.mean = NAN, .mean_reference = NAN, .std = NAN, .std_reference = NAN
	};
	result->psi = ml_drift_psi(from->counts, c->bins, from->n_bins);
	result->js = ml_drift_js(from->counts, c->bins, from->n_bins);
	result->chi2 = ml_drift_chi2(from->counts, c->bins, from->n_bins, &result->chi2_p);
	if (c->n > 0)
		result->null_rate = (double) c->n_missing / (double) c->n;
	/* NULL is known of all rows, NaN (which few models take) of the sample. */
	if (baseline->n_rows > 0)
		result->null_rate_reference = (double) from->n_nulls / (double) baseline->n_rows;
	if (drift_is_numeric(from))
		compute_numeric(c, from, result);
	else
	{
		if (result->n_present > 0)
			result->new_category_rate = (double) c->bins[drift_unseen_bin(from)] / (double) result->n_present;
		result->new_category_expected = from->expected_new;
	}
}
