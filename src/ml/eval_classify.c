/*
 * eval_classify.c: see eval_classify.h.
 */
#include "ml/eval_classify.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

static double
row_sum(const double *matrix, int n_classes, int label)
{
	double		sum = 0;

	for (int k = 0; k < n_classes; k++)
		sum += matrix[(size_t) label * n_classes + k];
	return sum;
}

static double
column_sum(const double *matrix, int n_classes, int predicted)
{
	double		sum = 0;

	for (int k = 0; k < n_classes; k++)
		sum += matrix[(size_t) k * n_classes + predicted];
	return sum;
}

static void
totals(const double *matrix, int n_classes, double *right, double *all)
{
	*right = 0;
	*all = 0;
	for (int k = 0; k < n_classes; k++)
	{
		*right += matrix[(size_t) k * n_classes + k];
		*all += row_sum(matrix, n_classes, k);
	}
}

bool
ml_classify_accuracy(const double *matrix, int n_classes, double *value)
{
	double		right,
				all;

	totals(matrix, n_classes, &right, &all);
	if (all == 0)
		return false;
	*value = right / all;
	return true;
}

/* Mean recall of the classes that occur as a label. */
bool
ml_classify_balanced_accuracy(const double *matrix, int n_classes, double *value)
{
	double		sum = 0;
	int			occurring = 0;

	for (int k = 0; k < n_classes; k++)
	{
		double		labels = row_sum(matrix, n_classes, k);

		if (labels > 0)
		{
			sum += matrix[(size_t) k * n_classes + k] / labels;
			occurring++;
		}
	}
	if (occurring == 0)
		return false;
	*value = sum / occurring;
	return true;
}

/* Matthews' correlation for any number of classes (Gorodkin, 2004); 0 when one side is constant. */
bool
ml_classify_mcc(const double *matrix, int n_classes, double *value)
{
	double		right,
				all;
	double		both = 0,
				labels2 = 0,
				predicted2 = 0,
				covariance,
				variances;

	totals(matrix, n_classes, &right, &all);
	if (all == 0)
		return false;
	for (int k = 0; k < n_classes; k++)
	{
		double		labels = row_sum(matrix, n_classes, k);
		double		predicted = column_sum(matrix, n_classes, k);

		both += labels * predicted;
		labels2 += labels * labels;
		predicted2 += predicted * predicted;
	}
	covariance = right * all - both;
	variances = (all * all - labels2) * (all * all - predicted2);
	*value = variances == 0 ? 0 : covariance / sqrt(variances);
	return true;
}

bool
ml_classify_kappa(const double *matrix, int n_classes, const int *order, ml_kappa_weights weights,
				  double *scratch, double *value)
{
	double		all = 0,
				disagreed = 0,
				expected = 0;

	for (int j = 0; j < n_classes; j++)
		all += scratch[j] = column_sum(matrix, n_classes, order[j]);
	if (all == 0)
		return false;
	for (int i = 0; i < n_classes; i++)
	{
		double		labels = row_sum(matrix, n_classes, order[i]);

		for (int j = 0; j < n_classes; j++)
		{
			double		apart = weights == ML_KAPPA_EQUAL ? (i != j) : fabs((double) i - j);

			if (weights == ML_KAPPA_QUADRATIC)
				apart *= apart;
			disagreed += apart * matrix[(size_t) order[i] * n_classes + order[j]];
			expected += apart * labels * (scratch[j] / all);
		}
	}
	if (expected == 0)
		return false;
	*value = 1 - disagreed / expected;
	return true;
}

static double
ratio(double numerator, double denominator, double zero_division)
{
	return denominator == 0 ? zero_division : numerator / denominator;
}

/* The metric from the counts of one class (or of all together): hits, times predicted, times a label. */
static double
score_of_counts(ml_class_metric metric, double beta, double hits, double predicted, double labels, double zero_division)
{
	double		b2 = beta * beta;

	switch (metric)
	{
		case ML_PRECISION:
			return ratio(hits, predicted, zero_division);
		case ML_RECALL:
			return ratio(hits, labels, zero_division);
		case ML_JACCARD:
			return ratio(hits, labels + predicted - hits, zero_division);
		default:
			return ratio((1 + b2) * hits, b2 * labels + predicted, zero_division);
	}
}

bool
ml_classify_score(const double *matrix, int n_classes, ml_class_metric metric, double beta, ml_average average,
				  int positive, double zero_division, double *value)
{
	double		right,
				all;
	double		sum = 0,
				weights = 0,
				plain_sum = 0,
				plain_count = 0;

	totals(matrix, n_classes, &right, &all);
	if (all == 0)
		return false;
	if (average == ML_AVERAGE_MICRO)
	{
		*value = score_of_counts(metric, beta, right, all, all, zero_division);
		return true;
	}
	for (int k = 0; k < n_classes; k++)
	{
		double		labels = row_sum(matrix, n_classes, k);
		double		predicted = column_sum(matrix, n_classes, k);
		double		score = score_of_counts(metric, beta, matrix[(size_t) k * n_classes + k], predicted, labels,
												zero_division);
		double		weight = 0;

		switch (average)
		{
			case ML_AVERAGE_BINARY:
				weight = k == positive ? 1 : 0;
				break;
			case ML_AVERAGE_MACRO:
				weight = labels + predicted > 0 ? 1 : 0;
				break;
			default:
				weight = labels;
				break;
		}
		/* A class without a score is left out of the average. */
		if (isnan(score))
			continue;
		sum += weight * score;
		weights += weight;
		if (labels + predicted > 0)
		{
			plain_sum += score;
			plain_count++;
		}
	}
	/* What is left when each class that is a label has no score: the mean of the others, as in scikit-learn. */
	if (weights == 0 && average == ML_AVERAGE_WEIGHTED && plain_count > 0)
		*value = plain_sum / plain_count;
	else
		*value = ratio(sum, weights, zero_division);
	return true;
}

double
ml_classify_log_loss(bool label, double probability)
{
	double		given = label ? probability : 1 - probability;

	/* Clipping p to [eps, 1 - eps] first, then looking at what was given to the label, is what scikit-learn does. */
	if (probability < DBL_EPSILON)
		given = label ? DBL_EPSILON : 1 - DBL_EPSILON;
	else if (probability > 1 - DBL_EPSILON)
		given = label ? 1 - DBL_EPSILON : 1 - (1 - DBL_EPSILON);
	return -log(given);
}
