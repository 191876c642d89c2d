/*
 * ml_estimator.h: the table of learners: what each can do, which parameters it takes, and how it trains.
 *
 * Adding an algorithm is one file and one row.  Training goes in steps: begin, step until it returns ML_DONE, finish,
 * end.  A step does a bounded piece of work (about 50 ms), so that the caller can look for cancellation and report
 * progress between steps with no frame of ours on the stack.
 */
#ifndef ML_ESTIMATOR_H
#define ML_ESTIMATOR_H

#include "ml/ml_class_sums.h"
#include "ml/ml_matrix.h"
#include "ml/ml_model.h"
#include "ml/ml_moments.h"

#define ML_TASK_BIT(task)	(1u << (task))
#define ML_MAX_PARAMS		32

typedef enum ml_param_type
{
	ML_PARAM_NUMBER = 1,		/* with choices: or one of these words, which are -1, -2 … */
	ML_PARAM_INTEGER,
	ML_PARAM_BOOLEAN,
	ML_PARAM_CHOICE,			/* one of a list of words */
	ML_PARAM_COLUMN				/* the name of a column of the source: here 1 if there is one, else 0 */
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
	ML_FORM_MATRIX,				/* all rows in memory, column by column, categories as codes */
	ML_FORM_ROWS,				/* all rows in memory as design rows, prepared as the model prepares them */
	ML_FORM_COLUMNS				/* the same, term after term */
} ml_data_form;

/* Prepared rows of the training folds, in canonical order.  Without keeps_missing all numbers are finite. */
typedef struct ml_design
{
	size_t		rows;
	int			n_terms;
	const double *x;			/* ML_FORM_ROWS: row i at x + i * stride; ML_FORM_COLUMNS: term j at x + j * stride */
	size_t		stride;
	const double *target;		/* (rows) regression, or … */
	const int32_t *labels;		/* … (rows) class codes from 0, or neither */
	int			n_classes;
	const double *weights;		/* (rows) above 0, NULL: 1 */
} ml_design;

/* The terms of a row, ML_FORM_ROWS. */
static inline const double *
ml_design_row(const ml_design *design, size_t row)
{
	return design->x + row * design->stride;
}

static inline double
ml_design_weight(const ml_design *design, size_t row)
{
	return design->weights ? design->weights[row] : 1;
}

typedef struct ml_train_input
{
	const ml_gram *gram;		/* ML_FORM_GRAM: the terms and, if there is a target, the target, which is the last */
	int			n_fold_grams;	/* if the estimator asked for folds: */
	const ml_gram *fold_grams;	/* (n_fold_grams), whose sum is gram */
	const ml_design *design;	/* ML_FORM_ROWS, ML_FORM_COLUMNS */
	const ml_class_sums *class_sums;	/* instead of the design, for estimators that have class_sums below */
	const struct ml_model *previous;	/* a model of this estimator to go on from; NULL: start anew */
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
	bool		unbounded;		/* it has no finite value: it was stopped on its way */
} ml_coefficient;

/* Something learnt that users look at: centres, explained variance, priors …, for view medallion.model_attributes. */
typedef struct ml_report_matrix
{
	const char *name;			/* constant; scikit-learn's attribute without the underscore at its end */
	int			n_rows;			/* 1 for a list */
	int			n_columns;
	double	   *values;			/* (n_rows, n_columns) */
	bool		columns_are_terms;	/* they have the names of the model's terms */
	bool		rows_are_classes;
} ml_report_matrix;

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
	int			n_arrays;
	ml_report_matrix *arrays;	/* (n_arrays) */
	int			n_aliased;		/* terms without a coefficient of their own */
	int			n_empty;		/* clusters that no row is nearest to */
	int			iterations;		/* 0: closed form */
	bool		converged;
} ml_report;

extern ml_status ml_report_init(const ml_ctx *ctx, ml_report *report, size_t n_coefficients, ml_error *err);
extern void ml_report_free(const ml_ctx *ctx, ml_report *report);
extern void ml_report_fact(ml_report *report, const char *name, double value);	/* left out if NaN */

/* Adds a copy of a matrix; flags are set on what is returned in *added (may be NULL). */
extern ml_status ml_report_array(const ml_ctx *ctx, ml_report *report, const char *name, const double *values, int n_rows,
								 int n_columns, ml_report_matrix **added, ml_error *err);

/* Where a training is, after a step. */
typedef struct ml_progress
{
	double		share;			/* 0 … 1 */
	int			iteration;
	double		loss;			/* NaN: none */
} ml_progress;

typedef struct ml_estimator
{
	const char *name;
	unsigned	tasks;			/* ML_TASK_BITs */
	ml_data_form form;
	bool		wants_scaling;	/* numbers are standardised unless the user says otherwise */
	bool		keeps_missing;	/* takes design rows with NaN for missing values */
	bool		no_weights;		/* rows cannot have weights */
	int			n_params;
	const ml_param_spec *params;
	/* ML_FORM_GRAM: folds to read apart for choosing a penalty, 0: none; may be NULL. */
	int			(*folds) (const double *params);
	/* Whether a one-hot encoded column needs a reference category: the fit has no penalty to tell categories apart. */
	bool		(*needs_reference) (const double *params);
	/* Sums over the rows of each class can stand for the rows: which sums, and Bernoulli's threshold; may be NULL. */
	void		(*class_sums) (const double *params, ml_class_sum_type *type, double *threshold);
	const char *(*check) (const double *params);	/* what is wrong with the combination, or NULL; may be NULL */
	ml_status	(*begin) (const ml_ctx *ctx, const ml_train_input *input, const double *params, void **state,
						  ml_error *err);
	ml_status	(*step) (void *state, ml_progress *progress, ml_error *err);	/* ML_MORE, ML_DONE or an error */
	/* Gives the model its predictor and fills the report (may be NULL), which is freed by the caller. */
	ml_status	(*finish) (void *state, ml_model *model, ml_report *report, ml_error *err);
	void		(*end) (void *state);	/* NULL allowed */
} ml_estimator;

extern const ml_estimator *const ml_estimators[];	/* NULL-terminated, by name */
extern const ml_estimator *ml_estimator_find(const char *name); /* NULL: there is none */

/* The index of a parameter, -1 if the estimator has none of that name. */
extern int	ml_estimator_param(const ml_estimator *estimator, const char *name);
extern void ml_estimator_defaults(const ml_estimator *estimator, double *params);

/* The word that a value stands for, NULL if it is no word. */
extern const char *ml_param_word(const ml_param_spec *spec, double value);

/* Whether the value is in range; the error names the parameter and its range. */
extern ml_status ml_param_check(const ml_param_spec *spec, double value, ml_error *err);

extern const ml_estimator ml_estimator_dbscan;
extern const ml_estimator ml_estimator_elastic_net;
extern const ml_estimator ml_estimator_gamma;
extern const ml_estimator ml_estimator_gaussian_mixture;
extern const ml_estimator ml_estimator_hierarchical;
extern const ml_estimator ml_estimator_huber;
extern const ml_estimator ml_estimator_isotonic;
extern const ml_estimator ml_estimator_kmeans;
extern const ml_estimator ml_estimator_lasso;
extern const ml_estimator ml_estimator_lda;
extern const ml_estimator ml_estimator_linear;
extern const ml_estimator ml_estimator_linear_svm;
extern const ml_estimator ml_estimator_logistic;
extern const ml_estimator ml_estimator_naive_bayes;
extern const ml_estimator ml_estimator_neighbors;
extern const ml_estimator ml_estimator_nmf;
extern const ml_estimator ml_estimator_pca;
extern const ml_estimator ml_estimator_poisson;
extern const ml_estimator ml_estimator_qda;
extern const ml_estimator ml_estimator_quantile_regression;
extern const ml_estimator ml_estimator_ridge;
extern const ml_estimator ml_estimator_sgd;
extern const ml_estimator ml_estimator_svm;
extern const ml_estimator ml_estimator_truncated_svd;
extern const ml_estimator ml_estimator_tweedie;

#endif							/* ML_ESTIMATOR_H */
