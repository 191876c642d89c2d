/*
 * eval_classify.h: how often predicted classes are right, and how good predicted probabilities are.
 *
 * Counts come as a confusion matrix (n_classes, n_classes): row = label, column = predicted; sums of weights where rows
 * have weights.  Definitions are scikit-learn's.  What has the denominator 0 is `zero_division`: 0 (a class that is never
 * predicted has precision 0, one that never occurs recall 0), 1, or NaN, which averages leave out.
 */
#ifndef EVAL_CLASSIFY_H
#define EVAL_CLASSIFY_H

#include <stdbool.h>

typedef enum ml_average
{
	ML_AVERAGE_BINARY = 0,		/* of one class, the positive one */
	ML_AVERAGE_MACRO,			/* mean over the classes that occur */
	ML_AVERAGE_MICRO,			/* from the counts summed over classes */
	ML_AVERAGE_WEIGHTED			/* mean weighted by how often each class is a label */
} ml_average;

typedef enum ml_class_metric
{
	ML_PRECISION = 0,
	ML_RECALL,
	ML_FBETA,
	ML_JACCARD
} ml_class_metric;

typedef enum ml_kappa_weights	/* how far apart two classes are, by their places in the order of classes */
{
	ML_KAPPA_EQUAL = 0,			/* 1 for any two */
	ML_KAPPA_LINEAR,
	ML_KAPPA_QUADRATIC
} ml_kappa_weights;

extern bool ml_classify_accuracy(const double *matrix, int n_classes, double *value);
extern bool ml_classify_balanced_accuracy(const double *matrix, int n_classes, double *value);
extern bool ml_classify_mcc(const double *matrix, int n_classes, double *value);

/*
 * Cohen's kappa; order[i] is the class in place i, scratch has room for n_classes.  False without rows and where all rows
 * have one class on both sides.
 */
extern bool ml_classify_kappa(const double *matrix, int n_classes, const int *order, ml_kappa_weights weights,
							  double *scratch, double *value);

/* beta is read for ML_FBETA (1: the F1 score), positive (a class) for ML_AVERAGE_BINARY.  False when there are no rows. */
extern bool ml_classify_score(const double *matrix, int n_classes, ml_class_metric metric, double beta,
							  ml_average average, int positive, double zero_division, double *value);

/* -log of the probability given to what happened, which is clipped to [2^-52, 1 - 2^-52] as in scikit-learn >= 1.3. */
extern double ml_classify_log_loss(bool label, double probability);

#endif							/* EVAL_CLASSIFY_H */
