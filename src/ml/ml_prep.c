/*
 * ml_prep.c: mean, spread and range of numbers, frequency of categories.
 */
#include "ml/ml_prep.h"

#include <math.h>
#include <string.h>

size_t
ml_row_list_rows(const ml_row_list *rows)
{
	size_t		n = 0;

	for (int s = 0; s < rows->n; s++)
		n += rows->stretches[s].end - rows->stretches[s].first;
	return n;
}

/* A sum that keeps what rounding takes away (Neumaier 1974). */
typedef struct careful_sum
{
	double		sum;
	double		rest;
} careful_sum;

static inline void
add(careful_sum *s, double value)
{
	double		sum = s->sum + value;

	s->rest += fabs(s->sum) >= fabs(value) ? (s->sum - sum) + value : (value - sum) + s->sum;
	s->sum = sum;
}

static double
weight_of(const ml_row_list *rows, size_t row)
{
	return rows->weights ? rows->weights[row] : 1;
}

/* Weighted sum of squares about the mean. */
static double
squares(const double *values, size_t stride, const ml_row_list *rows, double mean)
{
	careful_sum total = {0, 0};

	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
		{
			double		distance = values[i * stride] - mean;

			if (!isnan(distance))
				add(&total, weight_of(rows, i) * distance * distance);
		}
	return total.sum + total.rest;
}

void
ml_prep_facts(const double *values, size_t stride, const ml_row_list *rows, ml_column_facts *facts)
{
	careful_sum total = {0, 0};
	careful_sum weight = {0, 0};

	*facts = (ml_column_facts) {0, 0, NAN, NAN, INFINITY, -INFINITY};
	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
		{
			double		value = values[i * stride];

			if (isnan(value))
				continue;
			facts->present++;
			add(&weight, weight_of(rows, i));
			add(&total, weight_of(rows, i) * value);
			facts->least = value < facts->least ? value : facts->least;
			facts->largest = value > facts->largest ? value : facts->largest;
		}
	facts->weight = weight.sum + weight.rest;
	if (facts->present == 0)
	{
		facts->least = facts->largest = NAN;
		return;
	}
	facts->mean = facts->least == facts->largest ? facts->least : (total.sum + total.rest) / facts->weight;
	facts->std = sqrt(squares(values, stride, rows, facts->mean) / facts->weight);
}

void
ml_prep_category_weights(const int32_t *codes, int n_categories, const ml_row_list *rows, double *weights)
{
	memset(weights, 0, n_categories * sizeof(double));
	for (int s = 0; s < rows->n; s++)
		for (size_t i = rows->stretches[s].first; i < rows->stretches[s].end; i++)
			if (codes[i] >= 0)
				weights[codes[i]] += weight_of(rows, i);
}
