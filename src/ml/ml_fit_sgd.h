/*
 * ml_fit_sgd.h: the parameters of the estimator sgd, for whoever goes on with a model of it.
 */
#ifndef ML_FIT_SGD_H
#define ML_FIT_SGD_H

#include "ml/ml_estimator.h"
#include "ml/ml_sgd.h"

/* From parameters of the estimator, for a task. */
extern void ml_sgd_from_params(const double *params, ml_task task, ml_sgd_params *sgd);

#endif							/* ML_FIT_SGD_H */
