/*
 * ml_prep.h: what the values of a column say, for the preprocessing that is fitted with a model.
 *
 * Values come as an array in canonical order; missing ones are NaN, codes below 0.  Rows to learn from are a list of
 * stretches (the training folds).  Sums are compensated and taken in the order of the array, so they are the same bits in
 * every process.
 */
#ifndef ML_PREP_H
#define ML_PREP_H

#include "ml/ml.h"
#include "ml/ml_model.h"

typedef struct ml_stretch
{
	size_t		first;
	size_t		end;
} ml_stretch;

typedef struct ml_row_list
{
	int			n;
	const ml_stretch *stretches;	/* (n) */
	const double *weights;		/* by row, NULL: 1 */
} ml_row_list;

extern size_t ml_row_list_rows(const ml_row_list *rows);

typedef struct ml_column_facts
{
	size_t		present;		/* rows with a value */
	double		weight;			/* their weight */
	double		mean;			/* NaN when there is none, as all below */
	double		std;			/* population, as StandardScaler has it; 0 for a constant */
	double		least;
	double		largest;
} ml_column_facts;

/* Of every stride-th number from values on. */
extern void ml_prep_facts(const double *values, size_t stride, const ml_row_list *rows, ml_column_facts *facts);

/*
 * The values present, every stride-th number from values on, into `found`; returns how many.  At most `most` (0: all), evenly
 * spaced in the rows.
 */
extern size_t ml_prep_present(const double *values, size_t stride, const ml_row_list *rows, size_t most, double *found);

/* The part / parts quantile of ascending values by linear interpolation, as numpy.percentile; n at least 1. */
extern double ml_prep_quantile(const double *sorted, size_t n, size_t part, size_t parts);

/*
 * The same of n values in any order, for several parts, which ascend: quantiles is (count).  scratch has room for n; neither array
 * keeps what it had.
 */
extern void ml_prep_quantiles(double *values, double *scratch, size_t n, size_t parts, const size_t *part, int count, double *quantiles);

/*
 * Lambda of greatest likelihood of ascending values (NaN if there is none), for ML_WARP_YEO_JOHNSON and ML_WARP_BOX_COX.
 * scratch has room for n.
 */
extern double ml_prep_lambda(ml_warp warp, const double *sorted, size_t n, double *scratch);

/* A value bent as a column would; knots are (n_knots).  NaN where the warp is not defined. */
extern double ml_warp_value(ml_warp warp, double lambda, const double *knots, int n_knots, double value);

/* The two steps of a power transformation: the logarithm, and what a lambda makes of it. */
extern double ml_warp_log(ml_warp warp, double value);
extern double ml_warp_of_log(ml_warp warp, double lambda, double log);

/*
 * A number per category that tells how large the target is there: its mean, drawn to the mean of all rows the more the
 * fewer rows the category has (empirical Bayes, as scikit-learn's TargetEncoder with smooth "auto"; Micci-Barreca 2001).
 * target is by row; codes below 0 are left out.  sums (scratch) and means are (n_categories); returns the mean of all rows.
 */
typedef struct ml_category_sums
{
	double		weight;
	double		mean;
	double		squares;
} ml_category_sums;

extern double ml_prep_target_means(const int32_t *codes, int n_categories, const double *target, const ml_row_list *rows,
								   ml_category_sums *sums, double *means);

/* The term of a text in a column that is hashed. */
extern int	ml_hash_bucket(const ml_text *text, int buckets);

/* Beyond these bounds in seconds, a million years, the calendar is no use and its arithmetic would overflow. */
#define ML_LARGEST_TIME 3.2e13

/* The parts of a time, ml_date_part bits in ascending order; returns how many. */
extern int	ml_date_parts(unsigned parts, double seconds, double *terms);

/* Weight of each category: counts is (n_categories). */
extern void ml_prep_category_weights(const int32_t *codes, int n_categories, const ml_row_list *rows, double *weights);

#endif							/* ML_PREP_H */
