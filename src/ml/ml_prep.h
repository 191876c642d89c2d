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

/* The parts of a time, ml_date_part bits in ascending order; returns how many. */
extern int	ml_date_parts(unsigned parts, double seconds, double *terms);

/* Weight of each category: counts is (n_categories). */
extern void ml_prep_category_weights(const int32_t *codes, int n_categories, const ml_row_list *rows, double *weights);

#endif							/* ML_PREP_H */
