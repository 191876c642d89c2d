/*
 * ml_predictor.h: what a learner has learnt, as an object of a class that can predict, be saved and loaded.
 *
 * A predictor sees *design rows*: n_terms numbers each, prepared from the columns by the model.  Adding a sort of model
 * is one file with a class and one row in ml_predictor.c.  These files use no BLAS (ml_kernels.h has what blocks of rows
 * need), for the monitoring library predicts too and links none.
 *
 * Everything in a predictor is read-only once made: several threads may predict with one, each with a workspace of its own.
 */
#ifndef ML_PREDICTOR_H
#define ML_PREDICTOR_H

#include "ml/ml_bytes.h"
#include "ml/ml_model.h"

/* What the model around it says. */
typedef struct ml_model_shape
{
	ml_task		task;
	int			n_terms;
	int			n_classes;		/* 0 unless a classification */
	int			width;			/* numbers per prediction, see ml_model_width */
} ml_model_shape;

typedef struct ml_predictor_class
{
	const char *name;			/* in stored models: never used again for anything else */
	bool		takes_missing;	/* design rows may hold NaN */
	bool		decides;		/* what it predicts of classes are decision values, squashed */

	/* x is (n, n_terms), out (n, width), row after row; work has work_size bytes, aligned to 64.  NULL: cannot predict. */
	void		(*predict) (const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out,
							void *work);
	/* out is (n, n_components); both NULL for a class without another view of rows */
	void		(*transform) (const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out,
							  void *work);
	int			(*n_components) (const void *predictor);
	size_t		(*work_size) (const void *predictor, const ml_model_shape *shape);	/* for ML_PREDICT_ROWS rows; NULL: 0 */
	void		(*save) (const void *predictor, const ml_model_shape *shape, ml_writer *w);
	/*
	 * Reads what save wrote, from hostile bytes: sizes are checked against the shape and the bytes left before anything
	 * is allocated, numbers that must be finite are.  ML_BAD_MODEL (or r->failed) or ML_NO_MEMORY; *predictor is freed
	 * by the caller also after a failure, if not NULL.
	 */
	ml_status	(*load) (const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor);
	void		(*free) (const ml_ctx *ctx, void *predictor);	/* NULL allowed */
	size_t		(*memory) (const void *predictor);	/* bytes, about */
	double		(*effort) (const void *predictor);	/* operations per row that is predicted, about; NULL: too few to matter */
} ml_predictor_class;

/* Rows that are predicted at a time, at most. */
#define ML_PREDICT_ROWS 256

extern const ml_predictor_class *const ml_predictor_classes[];	/* NULL-terminated */
extern const ml_predictor_class *ml_predictor_class_find(const char *name); /* NULL: there is none */

extern void ml_model_get_shape(const ml_model *model, ml_model_shape *shape);

/* The predictor if it is of that class, else NULL: for those who explain or continue models. */
extern const void *ml_model_predictor(const ml_model *model, const ml_predictor_class *class);

#endif							/* ML_PREDICTOR_H */
