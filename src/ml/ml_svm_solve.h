/*
 * ml_svm_solve.h: the problems that training a support vector machine consists of, solved in threads, a step at a time.
 *
 * A *machine* is one decision function (see ml_svm.h).  Each is one problem over its points; where probabilities are
 * wanted there are five more, each without a fifth of the points, whose decision values Platt's sigmoid is fitted to.
 * Problems are independent of one another, so what comes out depends neither on the number of threads nor on their order.
 */
#ifndef ML_SVM_SOLVE_H
#define ML_SVM_SOLVE_H

#include "ml/ml_estimator.h"
#include "ml/ml_smo.h"

typedef struct ml_svm_setup
{
	const ml_design *design;
	ml_task		task;			/* ML_REGRESSION, ML_BINARY (of any number of classes) or ML_OUTLIER */
	ml_kernel	kernel;
	double		C;
	double		epsilon;		/* of a regression */
	double		nu;				/* of outliers */
	double		tolerance;
	int64_t		max_iterations;
	bool		shrinking;
	bool		probability;
	bool		balanced;		/* classes count the same, whatever their number of rows */
} ml_svm_setup;

typedef struct ml_svm_machine
{
	int			positive;		/* classes; -1 unless a classification */
	int			negative;
	double		intercept;
	double		objective;
	int64_t		iterations;
	bool		converged;
	double		a;				/* Platt's sigmoid */
	double		b;
} ml_svm_machine;

typedef struct ml_svm_solver ml_svm_solver;

/* *solver is to be freed also after a failure. */
extern ml_status ml_svm_solver_new(const ml_ctx *ctx, const ml_svm_setup *setup, ml_svm_solver **solver, ml_error *err);
extern void ml_svm_solver_free(ml_svm_solver *solver);	/* NULL allowed */

/* Works for about 50 ms: ML_MORE or ML_DONE. */
extern ml_status ml_svm_solver_step(ml_svm_solver *solver, ml_progress *progress);

/* Afterwards. */
extern int	ml_svm_solver_machines(const ml_svm_solver *solver, const ml_svm_machine **machines);

/* (rows) by row of the design: the coefficients that ml_svm.h calls row `index` of coefficients. */
extern const double *ml_svm_solver_coefficients(const ml_svm_solver *solver, int index);

/* The rows of the design, class after class; *class_start is (n_classes + 1), or (2) unless a classification. */
extern const uint32_t *ml_svm_solver_order(const ml_svm_solver *solver, const uint32_t **class_start);

#endif							/* ML_SVM_SOLVE_H */
