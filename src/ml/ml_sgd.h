/*
 * ml_sgd.h: linear models by stochastic gradient descent: one row changes the coefficients at a time.
 *
 * Minimises sum of w loss / n + alpha (l1_ratio |b|_1 + (1 - l1_ratio) |b|^2 / 2) with the updates, learning rates and defaults of
 * scikit-learn's SGDClassifier and SGDRegressor (Bottou 2010, "Large-scale machine learning with stochastic gradient descent";
 * cumulative penalty on sizes: Tsuruoka, Tsujii, Ananiadou 2009; averages: Polyak, Juditsky 1992).  More than two classes: softmax for
 * log_loss, each against the rest for hinge.
 */
#ifndef ML_SGD_H
#define ML_SGD_H

#include "ml/ml.h"

typedef enum ml_sgd_loss
{
	ML_SGD_LOG = 0,				/* classes */
	ML_SGD_HINGE,
	ML_SGD_SQUARED,				/* numbers: half the square … */
	ML_SGD_HUBER,				/* … up to epsilon, then by size */
	ML_SGD_EPSILON_INSENSITIVE	/* the size beyond epsilon */
} ml_sgd_loss;

typedef enum ml_sgd_rate
{
	ML_SGD_OPTIMAL = 0,			/* 1 / (alpha (t0 + t - 1)), t0 by Bottou's heuristic */
	ML_SGD_INVSCALING,			/* eta0 / t^power_t */
	ML_SGD_CONSTANT,			/* eta0 */
	ML_SGD_ADAPTIVE				/* eta0, a fifth of it whenever epochs bring nothing more */
} ml_sgd_rate;

typedef struct ml_sgd_params
{
	ml_sgd_loss loss;
	bool		no_penalty;		/* alpha is for the learning rate alone */
	double		alpha;
	double		l1_ratio;
	ml_sgd_rate rate;
	double		eta0;
	double		power_t;
	double		epsilon;
	bool		fit_intercept;
	bool		average;
} ml_sgd_params;

typedef struct ml_sgd
{
	ml_sgd_params params;
	int			n_outputs;		/* 1, or the number of classes */
	size_t		p;				/* terms */
	double	   *b;				/* (n_outputs, p) */
	double	   *b0;				/* (n_outputs) */
	double	   *mean;			/* (n_outputs, p) averages, or NULL … */
	double	   *mean0;			/* … (n_outputs) */
	double	   *taken;			/* (n_outputs, p) penalty on sizes so far, or NULL */
	double		owed;			/* that each coefficient should have paid */
	double	   *scores;			/* (n_outputs) */
	double		t;				/* rows seen and 1 */
	double		t0;
	double		eta;			/* adaptive: the rate now */
} ml_sgd;

/* Coefficients start at 0.  Free with ml_sgd_end, also after a failure. */
extern ml_status ml_sgd_begin(const ml_ctx *ctx, ml_sgd *s, const ml_sgd_params *params, int n_outputs, int n_terms, ml_error *err);
extern void ml_sgd_end(const ml_ctx *ctx, ml_sgd *s);

/* Learns from a row; target is a number, or a class from 0.  Returns its loss before that. */
extern double ml_sgd_learn(ml_sgd *s, const double *x, double target, double weight);

/* The loss of a row with the coefficients that count. */
extern double ml_sgd_measure(ml_sgd *s, const double *x, double target);

/* The loss of a row whose scores are 0. */
extern double ml_sgd_measure_nothing(ml_sgd *s, double target);

/* What is learnt: averages if asked for. */
extern const double *ml_sgd_coefficients(const ml_sgd *s);
extern const double *ml_sgd_intercepts(const ml_sgd *s);
extern double ml_sgd_penalty(const ml_sgd *s);

/* Coefficients no longer finite: the rate is too high. */
extern bool ml_sgd_is_finite(const ml_sgd *s);

#endif							/* ML_SGD_H */
