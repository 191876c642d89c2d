/*
 * drift.h: has the data changed since training?  Baselines kept in models, and statistics of new rows against them.
 *
 * A *baseline* says how each column was distributed in training, from a uniform sample of the rows (the counts of NULL
 * are exact).  A *window* counts new rows against a baseline in one pass and bounded memory, whatever their number.
 * Bins and edges come from the baseline alone, so values of different windows are comparable.
 *
 * Numeric (and boolean) columns: *bins* are about ten, of equal frequency in the sample; a value that makes up a tenth
 * of the sample or more has a bin of its own, the outer bins are open, and there is a bin for missing values.  The *sketch* is the
 * sorted sample itself or, beyond ML_DRIFT_SKETCH values, as many evenly spaced order statistics of it.
 * Categorical columns: a bin for each of the ML_DRIFT_CATEGORY_BINS most frequent categories, one for the other
 * known ones, one for categories that training did not see, one for missing values.
 * *Missing* is NULL or NaN.  Infinite values are ordinary large values, but have no part in mean, std and Wasserstein.
 *
 * Effect sizes decide, p-values only inform: with many rows every small difference is significant.
 */
#ifndef ML_DRIFT_H
#define ML_DRIFT_H

#include "ml/ml.h"
#include "ml/ml_model.h"

#define ML_DRIFT_SKETCH			1000	/* points kept of a numeric column */
#define ML_DRIFT_CATEGORY_BINS	20
#define ML_DRIFT_CATEGORIES		10000	/* known categories kept of a column: the most frequent, if there are more */
#define ML_DRIFT_SAMPLE			10000	/* rows that a baseline is best made from */

/* The name of an additional numeric column: what the model predicts (regression value, probability of the last class). */
#define ML_DRIFT_PREDICTION		"(prediction)"

typedef struct ml_baseline ml_baseline;
typedef struct ml_drift_window ml_drift_window;

/* ---- baselines ----------------------------------------------------------------------------------------------- */

/* One column of the sampled rows. */
typedef struct ml_baseline_column
{
	const char *name;
	ml_kind		kind;
	ml_values	values;			/* (n_sample): numbers, or texts or codes; nulls may be a NULL pointer */
	int			n_categories;	/* categorical by codes: the dictionary; also with texts, if it is known */
	const char *const *categories;
	uint64_t	n_nulls;		/* of all rows, exact */

	/* Not categorical: instead of values, the number of row i may lie at records[i] + offset; NaN is missing. */
	const void *const *records;
	size_t		offset;
} ml_baseline_column;

/*
 * Makes a baseline from n_sample rows out of n_rows.  Codes outside the dictionary fail with ML_BAD_PARAM.  Without a
 * dictionary the known categories are those in the sample.  Everything is copied.  Numeric columns are described in threads.
 */
extern ml_status ml_baseline_make(const ml_ctx *ctx, int n_columns, const ml_baseline_column *columns, size_t n_sample,
								  uint64_t n_rows, ml_baseline **baseline, ml_error *err);
extern void ml_baseline_free(ml_baseline *baseline);	/* NULL allowed */

/* *bytes is allocated from ctx and freed with ml_free. */
extern ml_status ml_baseline_save(const ml_ctx *ctx, const ml_baseline *baseline, unsigned char **bytes,
								  size_t *length, ml_error *err);

/* Takes hostile input: ML_BAD_MODEL for anything that ml_baseline_save does not write. */
extern ml_status ml_baseline_load(const ml_ctx *ctx, const unsigned char *bytes, size_t length,
								  ml_baseline **baseline, ml_error *err);

/* The strings live as long as the baseline. */
extern uint64_t ml_baseline_n_rows(const ml_baseline *baseline);
extern int	ml_baseline_n_columns(const ml_baseline *baseline);
extern const char *ml_baseline_column_name(const ml_baseline *baseline, int column);
extern ml_kind ml_baseline_column_kind(const ml_baseline *baseline, int column);
extern int	ml_baseline_find_column(const ml_baseline *baseline, const char *name);	/* -1 if there is none */

/* ---- windows ------------------------------------------------------------------------------------------------- */

/* The window keeps the pointer to the baseline, which must outlive it. */
extern ml_status ml_drift_window_new(const ml_ctx *ctx, const ml_baseline *baseline, ml_drift_window **window,
									 ml_error *err);
extern void ml_drift_window_free(ml_drift_window *window);	/* NULL allowed */
extern void ml_drift_window_clear(ml_drift_window *window);

/* One value each; the kind of the column must be asked before.  None of them can fail. */
extern void ml_drift_add_number(ml_drift_window *window, int column, double value);
extern void ml_drift_add_text(ml_drift_window *window, int column, const char *data, size_t length);
extern void ml_drift_add_null(ml_drift_window *window, int column);

/* Statistics of one column; NaN where one does not apply to the kind or cannot be computed (no value at all …). */
typedef struct ml_drift
{
	uint64_t	n;				/* values counted, missing ones included */
	uint64_t	n_present;		/* values not missing */
	uint64_t	n_reference;	/* the same of the baseline's sample, not missing */
	double		psi;			/* population stability index over the bins, shares (n_i + 0.5) / (n + 0.5 B) */
	double		js;				/* Jensen-Shannon distance (square root, base 2: 0 … 1) over the bins */
	double		chi2;			/* two-sample chi-square over the bins … */
	double		chi2_p;			/* … and its p-value */
	double		ks;				/* Kolmogorov-Smirnov distance of the present values (numeric): 0 … 1 */
	double		ks_p;			/* its asymptotic p-value */
	double		wasserstein;	/* mean distance to the reference in its standard deviations (floor 0.001) (numeric) */
	double		null_rate;		/* share of missing values in the window … */
	double		null_rate_reference;	/* … and in training */
	double		new_category_rate;	/* share of present values that training did not know (categorical) */
	double		new_category_expected;	/* what that share would be without drift, the dictionary being from a sample */
	double		mean;			/* of the present finite values (numeric) */
	double		mean_reference;
	double		std;
	double		std_reference;
} ml_drift;

extern void ml_drift_compute(const ml_drift_window *window, int column, ml_drift *result);

/* ---- the statistics on counts, for tests and for other callers ----------------------------------------------- */

/* Bins that are empty on both sides are left out.  NaN when one side is empty altogether. */
extern double ml_drift_psi(const uint64_t *reference, const uint64_t *current, int n_bins);
extern double ml_drift_js(const uint64_t *reference, const uint64_t *current, int n_bins);
extern double ml_drift_chi2(const uint64_t *reference, const uint64_t *current, int n_bins, double *p_value);
extern double ml_drift_ks_p(double distance, uint64_t n_reference, uint64_t n_current);

#endif							/* ML_DRIFT_H */
