/*
 * ml_estimator.h: the table of learners: what each can do, which parameters it takes, and how it trains.
 *
 * Adding an algorithm is one file and one row.  Training goes in steps: begin, step until it returns ML_DONE, finish,
 * end.  A step does a bounded piece of work (about 50 ms), so that the caller can look for cancellation and report
 * progress between steps with no frame of ours on the stack.
 */
#ifndef ML_ESTIMATOR_H
#define ML_ESTIMATOR_H

#include "ml/ml_matrix.h"
#include "ml/ml_model.h"
#include "ml/ml_moments.h"

#define ML_TASK_BIT(task)	(1u << (task))
#define ML_MAX_PARAMS		32

typedef enum ml_param_type
{
	ML_PARAM_NUMBER = 1,
	ML_PARAM_INTEGER,
	ML_PARAM_BOOLEAN,
	ML_PARAM_CHOICE				/* one of a list of words */
} ml_param_type;

/* Names, meanings and defaults follow scikit-learn. */
typedef struct ml_param_spec
{
	const char *name;
	ml_param_type type;
	double		default_value;	/* booleans 0 or 1, choices an index */
	double		minimum;
	double		maximum;		/* INFINITY: none */
	bool		above_minimum;	/* the minimum itself is not allowed */
	const char *const *choices; /* NULL-terminated */
	const char *description;	/* a sentence without period, for medallion.algorithms */
} ml_param_spec;

/* What the learner reads. */
typedef enum ml_data_form
{
	ML_FORM_GRAM = 1,			/* sufficient statistics from one parallel pass */
	ML_FORM_MATRIX				/* all rows in memory */
} ml_data_form;

typedef struct ml_train_input
{
	const ml_gram *gram;		/* ML_FORM_GRAM */
	/* ML_FORM_GRAM with all rows at hand, as few rows are: (rows, n - 1) column by column; else NULL */
	const double *rows_x;
	const double *rows_y;
	const double *rows_weight;	/* NULL: 1 */
	const ml_matrix *matrix;	/* ML_FORM_MATRIX … */
	const bool *use_fold;		/* … and which of its folds (n_folds) to train on */
} ml_train_input;

/* One coefficient for medallion.coefficients. */
typedef struct ml_coefficient
{
	int			output;			/* class index for softmax, else 0 */
	int			term;			/* -1: the intercept */
	double		estimate;		/* NaN when aliased */
	double		std_error;		/* NaN where there is none, as the next two */
	double		statistic;
	double		p_value;
} ml_coefficient;

#define ML_MAX_FACTS 24

/* What training tells beside the model; from the context's memory. */
typedef struct ml_report
{
	size_t		n_coefficients;
	ml_coefficient *coefficients;
	int			n_facts;
	struct
	{
		const char *name;		/* constant, for the metrics */
		double		value;
	}			facts[ML_MAX_FACTS];
	int			n_aliased;		/* terms without a coefficient of their own */
	int			iterations;		/* 0: closed form */
	bool		converged;
} ml_report;

extern ml_status ml_report_init(const ml_ctx *ctx, ml_report *report, size_t n_coefficients, ml_error *err);
extern void ml_report_free(const ml_ctx *ctx, ml_report *report);
extern void ml_report_fact(ml_report *report, const char *name, double value);	/* left out if NaN */

typedef struct ml_estimator
{
	const char *name;
	unsigned	tasks;			/* ML_TASK_BITs */
	ml_data_form form;
	int			n_params;
	const ml_param_spec *params;
	/* Whether a one-hot encoded column needs a reference category: the fit has no penalty to tell categories apart. */
	bool		(*needs_reference) (const double *params);
	const char *(*check) (const double *params);	/* what is wrong with the combination, or NULL; may be NULL */
	ml_status	(*begin) (const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state,
						  ml_error *err);
	ml_status	(*step) (void *state, double *progress, ml_error *err); /* ML_MORE, ML_DONE or an error */
	/* Gives the model its predictor and fills the report (may be NULL), which is freed by the caller. */
	ml_status	(*finish) (void *state, ml_model *model, ml_report *report, ml_error *err);
	void		(*end) (void *state);	/* NULL allowed */
} ml_estimator;

extern const ml_estimator *const ml_estimators[];	/* NULL-terminated, by name */
extern const ml_estimator *ml_estimator_find(const char *name); /* NULL: there is none */

/* The index of a parameter, -1 if the estimator has none of that name. */
extern int	ml_estimator_param(const ml_estimator *estimator, const char *name);
extern void ml_estimator_defaults(const ml_estimator *estimator, double *params);

/* Whether the value is in range; the error names the parameter and its range. */
extern ml_status ml_param_check(const ml_param_spec *spec, double value, ml_error *err);

extern const ml_estimator ml_estimator_linear;
extern const ml_estimator ml_estimator_logistic;
extern const ml_estimator ml_estimator_ridge;

#endif							/* ML_ESTIMATOR_H */
