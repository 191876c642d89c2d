/*
 * test_eval_classify.c: metrics of a confusion matrix, by hand.
 */
#include "ml/eval_classify.h"

#include "unit.h"

static double
score(const double *m, int n, ml_class_metric metric, double beta, ml_average average, int positive)
{
	double		value;

	return ml_classify_score(m, n, metric, beta, average, positive, 0, &value) ? value : NAN;
}

int
main(void)
{
	/* rows: label; columns: predicted */
	const double two[] = {50, 10, 5, 35};
	const double three[] = {5, 1, 0, 2, 2, 0, 0, 0, 0};	/* the third class never occurs */
	const double none[] = {0, 0, 0, 0};
	const double missed[] = {0, 3, 0, 0};	/* three rows of the first class, predicted as the second */
	double		value;

	unit_ok(!ml_classify_accuracy(none, 2, &value) && !ml_classify_balanced_accuracy(none, 2, &value) &&
			!ml_classify_mcc(none, 2, &value) && isnan(score(none, 2, ML_FBETA, 1, ML_AVERAGE_MACRO, 0)),
			"no rows: no value");
	unit_near(ml_classify_accuracy(two, 2, &value) ? value : NAN, 0.85, 1e-15, 0, "accuracy");
	unit_near(ml_classify_balanced_accuracy(two, 2, &value) ? value : NAN, (50.0 / 60 + 35.0 / 40) / 2, 1e-15, 0,
			  "balanced accuracy");
	unit_near(ml_classify_mcc(two, 2, &value) ? value : NAN, (35.0 * 50 - 10 * 5) / sqrt(45.0 * 40 * 60 * 55), 1e-14, 0,
			  "mcc");
	unit_near(score(two, 2, ML_PRECISION, 1, ML_AVERAGE_BINARY, 1), 35.0 / 45, 1e-15, 0, "precision");
	unit_near(score(two, 2, ML_RECALL, 1, ML_AVERAGE_BINARY, 1), 35.0 / 40, 1e-15, 0, "recall");
	unit_near(score(two, 2, ML_FBETA, 1, ML_AVERAGE_BINARY, 1), 70.0 / 85, 1e-15, 0, "f1");
	unit_near(score(two, 2, ML_FBETA, 2, ML_AVERAGE_BINARY, 1), 5 * 35.0 / (4 * 40 + 45), 1e-15, 0, "f2");
	unit_near(score(two, 2, ML_PRECISION, 1, ML_AVERAGE_BINARY, -1), 0, 0, 0, "a positive class that never occurs");
	unit_near(score(three, 3, ML_RECALL, 1, ML_AVERAGE_MACRO, 0), (5.0 / 6 + 0.5) / 2, 1e-15, 0,
			  "macro leaves out classes that never occur");
	unit_near(score(three, 3, ML_RECALL, 1, ML_AVERAGE_WEIGHTED, 0), (5 + 2) / 10.0, 1e-15, 0, "weighted");
	unit_near(score(three, 3, ML_PRECISION, 1, ML_AVERAGE_MICRO, 0), 0.7, 1e-15, 0, "micro");
	unit_ok(ml_classify_score(missed, 2, ML_PRECISION, 1, ML_AVERAGE_WEIGHTED, 0, NAN, &value) && value == 0,
			"no label has a precision: that of what was predicted");
	unit_ok(ml_classify_score(missed, 2, ML_PRECISION, 1, ML_AVERAGE_BINARY, 0, NAN, &value) && isnan(value),
			"nothing to divide by, and NaN for it");
	unit_ok(ml_classify_score(missed, 2, ML_RECALL, 1, ML_AVERAGE_MACRO, 0, NAN, &value) && value == 0, "NaN is left out of averages");
	unit_near(ml_classify_mcc(none, 1, &value) ? value : NAN, NAN, 0, 0, "mcc of nothing");

	unit_near(ml_classify_log_loss(true, 0.25), log(4), 1e-15, 0, "log loss");
	unit_near(ml_classify_log_loss(false, 0.25), -log(0.75), 1e-15, 0, "log loss of the other");
	unit_near(ml_classify_log_loss(true, 0), 52 * log(2), 1e-15, 0, "certainty that fails is clipped");
	unit_near(ml_classify_log_loss(false, 1), 52 * log(2), 1e-15, 0, "and on the other side");
	unit_near(ml_classify_log_loss(true, 1), 0, 0, 3e-16, "certainty that holds");
	return unit_done();
}
