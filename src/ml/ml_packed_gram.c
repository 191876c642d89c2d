/*
 * ml_packed_gram.c: Grams as lists of numbers.
 *
 * Two are merged by the update of Chan, Golub and LeVeque (1979).  What rounding took from the means goes into their
 * difference, so that columns far from 0 lose no digits however often parts are merged.
 */
#include "ml/ml_packed_gram.h"

#include <string.h>

void
ml_gram_pack(const ml_gram *gram, double *packed)
{
	size_t		n = gram->n;
	double	   *triangle = packed + 2 * n;

	memcpy(packed, gram->mean, n * sizeof(double));
	memcpy(packed + n, gram->mean_rest, n * sizeof(double));
	for (size_t i = 0; i < n; i++)
		memcpy(triangle + i * (i + 1) / 2, gram->moments + i * n, (i + 1) * sizeof(double));
}

void
ml_gram_unpack(const double *packed, int64_t rows, double weight, ml_gram *gram)
{
	size_t		n = gram->n;
	const double *triangle = packed + 2 * n;

	gram->rows = rows;
	gram->weight = weight;
	memcpy(gram->mean, packed, n * sizeof(double));
	memcpy(gram->mean_rest, packed + n, n * sizeof(double));
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j <= i; j++)
			gram->moments[i * n + j] = gram->moments[j * n + i] = triangle[i * (i + 1) / 2 + j];
}

void
ml_packed_add(double *packed, double weight, const double *other, double other_weight, int n)
{
	double		share = other_weight / (weight + other_weight);
	double	   *rest = packed + n;
	double	   *moments = rest + n;
	const double *other_rest = other + n;
	const double *from = other_rest + n;

	if (!(other_weight > 0))
		return;
	if (!(weight > 0))
	{
		memcpy(packed, other, ml_packed_doubles(n) * sizeof(double));
		return;
	}
	for (int i = 0; i < n; i++)
	{
		double		scaled = weight * share * ((other[i] - packed[i]) + (other_rest[i] - rest[i]));

		for (int j = 0; j <= i; j++)
			moments[j] += from[j] + scaled * ((other[j] - packed[j]) + (other_rest[j] - rest[j]));
		moments += i + 1;
		from += i + 1;
	}
	for (int i = 0; i < n; i++)
	{
		double		step = share * ((other[i] - packed[i]) + (other_rest[i] - rest[i]));
		double		a = packed[i];
		double		b = rest[i] + step;

		/* The exact sum of two (Knuth), as in ml_gram_set_mean. */
		double		sum = a + b;
		double		part = sum - a;

		packed[i] = sum;
		rest[i] = (a - (sum - part)) + (b - part);
	}
}
