/*
 * ml_svm.h: the predictor of support vector machines.
 *
 * One machine for a regression, outliers and two classes (of which the last is positive); for more classes one for each
 * pair a < b, in the order (0, 1), (0, 2) … (1, 2) …, positive for a.  All share the support vectors, which are in the
 * order of their classes; as in libsvm a vector of class a has the coefficient for the machine (a, b) in row b - 1, one of
 * class b in row a.  With a linear kernel machines are weights of the terms and no vectors are kept.
 */
#ifndef ML_SVM_H
#define ML_SVM_H

#include "ml/ml_kernel_rows.h"
#include "ml/ml_predictor.h"

#define ML_SVM_MAX_CLASSES 1000

typedef struct ml_svm
{
	ml_kernel	kernel;
	int			n_terms;
	int			n_classes;		/* 0 unless a classification */
	int			n_machines;
	int			n_rows;			/* of coefficients: n_classes - 1, or 1 */
	bool		has_probability;
	bool		breaks_ties;	/* equal votes are decided by the decision values, else the first class has it */
	size_t		n_vectors;		/* 0: linear */
	size_t		n_padded;		/* a multiple of ML_PANEL */
	uint32_t   *class_start;	/* (n_classes + 1) among the vectors */
	double	   *coefficients;	/* (n_rows, n_padded); linear: (n_machines, n_terms) */
	double	   *intercepts;		/* (n_machines) */
	double	   *sigmoids;		/* (n_machines, 2) a and b of Platt's sigmoid */
	double	   *panels;			/* the vectors, packed */
} ml_svm;

/* With its arrays in the same block, zeroed; NULL when there is no memory. */
extern ml_svm *ml_svm_new(const ml_ctx *ctx, const ml_kernel *kernel, int n_terms, int n_classes, size_t n_vectors);

extern const ml_predictor_class ml_svm_class;

#endif							/* ML_SVM_H */
