/*
 * drift_int.h: the inside of a baseline, for the files drift_*.c.
 */
#ifndef ML_DRIFT_INT_H
#define ML_DRIFT_INT_H

#include "ml/drift.h"
#include "ml/ml_model_int.h"

#define DRIFT_TARGET_BINS	10
#define DRIFT_MAX_BINS		64		/* bins of one column, of any sort */

typedef struct drift_column
{
	char	   *name;
	ml_kind		kind;
	uint64_t	n_nulls;		/* NULL of all rows in training */
	uint64_t	n_present;		/* of the sample: values not missing */
	uint64_t	n_missing;		/* of the sample: NULL or NaN */

	/*
	 * Bins: numeric columns have n_edges + 1 bins of present values, bin i being (edge[i - 1], edge[i]]; categorical
	 * ones a bin per frequent category, then the other known ones, then the unseen.  The last bin is the missing values.
	 */
	int			n_bins;
	uint64_t   *counts;			/* (n_bins) of the sample */

	/* numeric */
	int			n_edges;
	double	   *edges;			/* ascending */
	int			n_sketch;
	double	   *sketch;			/* ascending, may repeat values */
	double		mean;
	double		std;			/* population */

	/* categorical */
	ml_dictionary categories;
	int32_t    *bins;			/* (categories.count) */
	double		expected_new;	/* share of values outside the dictionary that is to be expected */
} drift_column;

struct ml_baseline
{
	ml_ctx		ctx;
	uint64_t	n_rows;
	uint64_t	n_sample;
	int			n_columns;
	drift_column *columns;
};

static inline bool
drift_is_numeric(const drift_column *column)
{
	return column->kind != ML_CATEGORICAL;
}

/* Of a categorical column. */
static inline int
drift_unseen_bin(const drift_column *column)
{
	return column->n_bins - 2;
}

/* The first of n ascending values that is not below the given one.  Without branches, which would be mispredicted. */
static inline int
drift_lower_bound(const double *values, int n, double value)
{
	const double *at = values;

	while (n > 1)
	{
		int			half = n / 2;

		at += (at[half - 1] < value) * half;
		n -= half;
	}
	return (int) (at - values) + (n == 1 && at[0] < value);
}

/* The bin of a present number: the first whose edge is not below it. */
static inline int
drift_bin_of(const drift_column *column, double value)
{
	return drift_lower_bound(column->edges, column->n_edges, value);
}

/* An empty baseline whose columns are zeroed. */
extern ml_baseline *drift_baseline_new(const ml_ctx *ctx, int n_columns);

/*
 * Sets edges (not more than DRIFT_MAX_BINS) from n sorted values without NaN; returns their number.
 */
extern int	drift_make_edges(const double *sorted, size_t n, double *edges);

/* Describes the numeric columns, whose names and kinds the baseline has, from n rows. */
extern ml_status drift_make_numeric(const ml_ctx *ctx, ml_baseline *made, const ml_baseline_column *from, size_t n,
									ml_error *err);

#endif							/* ML_DRIFT_INT_H */
