/*
 * eval_classify.c: see eval_classify.h.
 */
#include "ml/eval_classify.h"

#include <float.h>
#include <math.h>

static int64_t
row_sum(const int64_t *matrix, int n_classes, int label)
{
	int64_t		sum = 0;

	for (int k = 0; k < n_classes; k++)
		sum += matrix[(int64_t) label * n_classes + k];
	return sum;
}

static int64_t
column_sum(const int64_t *matrix, int n_classes, int predicted)
{
	int64_t		sum = 0;

	for (int k = 0; k < n_classes; k++)
		sum += matrix[(int64_t) k * n_classes + predicted];
	return sum;
}

static void
totals(const int64_t *matrix, int n_classes, int64_t *right, int64_t *all)
{
	*right = 0;
	*all = 0;
	for (int k = 0; k < n_classes; k++)
	{
		*right += matrix[(int64_t) k * n_classes + k];
		*all += row_sum(matrix, n_classes, k);
	}
}

bool
ml_classify_accuracy(const int64_t *matrix, int n_classes, double *value)
{
	int64_t		right,
				all;

	totals(matrix, n_classes, &right, &all);
	if (all == 0)
		return false;
	*value = (double) right / (double) all;
	return true;
}

/* Mean recall of the classes that occur as a label. */
bool
ml_classify_balanced_accuracy(const int64_t *matrix, int n_classes, double *value)
{
	double		sum = 0;
	int			occurring = 0;

	for (int k = 0; k < n_classes; k++)
	{
		int64_t		labels = row_sum(matrix, n_classes, k);

		if (labels > 0)
		{
			sum += (double) matrix[(int64_t) k * n_classes + k] / (double) labels;
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
ml_classify_mcc(const int64_t *matrix, int n_classes, double *value)
{
	int64_t		right,
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
		double		labels = (double) row_sum(matrix, n_classes, k);
		double		predicted = (double) column_sum(matrix, n_classes, k);

		both += labels * predicted;
		labels2 += labels * labels;
		predicted2 += predicted * predicted;
	}
	covariance = (double) right * (double) all - both;
	variances = ((double) all * (double) all - labels2) * ((double) all * (double) all - predicted2);
	*value = variances == 0 ? 0 : covariance / sqrt(variances);
	return true;
}

static double
ratio(double numerator, double denominator)
{
	return denominator == 0 ? 0 : numerator / denominator;
}

/* The metric from the counts of one class (or of all together): hits, times predicted, times a label. */
static double
score_of_counts(ml_class_metric metric, double beta, double hits, double predicted, double labels)
{
	double		b2 = beta * beta;

	switch (metric)
	{
		case ML_PRECISION:
			return ratio(hits, predicted);
		case ML_RECALL:
			return ratio(hits, labels);
		default:
			return ratio((1 + b2) * hits, b2 * labels + predicted);
	}
}

bool
ml_classify_score(const int64_t *matrix, int n_classes, ml_class_metric metric, double beta, ml_average average,
				  int positive, double *value)
{
	int64_t		right,
				all;
	double		sum = 0,
				weights = 0;

	totals(matrix, n_classes, &right, &all);
	if (all == 0)
		return false;
	if (average == ML_AVERAGE_MICRO)
	{
		*value = score_of_counts(metric, beta, (double) right, (double) all, (double) all);
		return true;
	}
	for (int k = 0; k < n_classes; k++)
	{
		double		labels = (double) row_sum(matrix, n_classes, k);
		double		predicted = (double) column_sum(matrix, n_classes, k);
		double		score = score_of_counts(metric, beta, (double) matrix[(int64_t) k * n_classes + k], predicted, labels);
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
		sum += weight * score;
		weights += weight;
	}
	*value = ratio(sum, weights);
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
