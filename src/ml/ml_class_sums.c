/*
 * ml_class_sums.c: the sums of naive Bayes, row by row and merged.
 *
 * Means and squares are updated with each row (West 1979, "Updating mean and variance estimates: an improved method"):
 * no cancellation, whatever the order.
 */
#include "ml/ml_class_sums.h"

#include "ml/ml_kernels.h"
#include "ml/ml_lanes.h"

EVERY_PROCESSOR void
ml_class_add_moments(double *means, double *squares, const double *x, const double *base, double weight, double total,
					 size_t n)
{
	double		share = weight / total;
	double		factor = weight * (1 - share);
	size_t		j = 0;

	for (; j + ML_LANES <= n; j += ML_LANES)
	{
		lanes		difference = *(const lanes *) (x + j) - *(const lanes *) (base + j) - *(const lanes *) (means + j);

		*(lanes *) (means + j) += difference * share;
		*(lanes *) (squares + j) += difference * difference * factor;
	}
	for (; j < n; j++)
	{
		double		difference = x[j] - base[j] - means[j];

		means[j] += difference * share;
		squares[j] += difference * difference * factor;
	}
}

void
ml_class_add_sums(ml_class_sum_type type, double threshold, double *sums, unsigned char *seen, const double *x,
				  const double *base, double weight, size_t n)
{
	if (type == ML_CLASS_BERNOULLI)
		for (size_t j = 0; j < n; j++)
		{
			sums[j] += x[j] > threshold ? weight : 0;
			seen[j] |= x[j] != base[j] ? ML_SEEN_ANOTHER : 0;
		}
	else
	{
		ml_axpy(sums, weight, x, n);
		for (size_t j = 0; j < n; j++)
			seen[j] |= (x[j] < 0 ? ML_SEEN_NEGATIVE : 0) | (x[j] != 0 && x[j] != 1 ? ML_SEEN_FRACTIONAL : 0) |
				(x[j] != base[j] ? ML_SEEN_ANOTHER : 0);
	}
}

void
ml_class_merge_moments(double *means, double *squares, double weight, const double *other_means,
					   const double *other_squares, double other_weight, const double *shift, size_t n)
{
	double		total = weight + other_weight;

	if (other_weight <= 0)
		return;
	for (size_t j = 0; j < n; j++)
	{
		double		difference = other_means[j] + shift[j] - means[j];

		means[j] += weight > 0 ? difference * (other_weight / total) : difference;
		squares[j] += other_squares[j] + difference * difference * (weight * (other_weight / total));
	}
}
