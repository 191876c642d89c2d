/*
 * ml_model_int.h: the inside of a model, for the files of the numeric library.
 */
#ifndef ML_MODEL_INT_H
#define ML_MODEL_INT_H

#include "ml/ml_bytes.h"
#include "ml/ml_dictionary.h"
#include "ml/ml_model.h"
#include "ml/ml_model_parts.h"
#include "ml/ml_predictor.h"

typedef struct ml_column
{
	char	   *name;
	char	   *type;
	ml_kind		kind;
	bool		has_fill;
	bool		unknown_is_zero;
	double		fill_number;
	int32_t		fill_code;
	double		shift;
	double		scale;
	int			reference;		/* category without a term, or -1 */
	ml_encoding encoding;
	bool		keeps_missing;
	bool		indicator;
	bool		is_offset;
	int			length;			/* vector: elements; else 1 */
	int			buckets;
	unsigned	parts;
	double	   *table;			/* (categories.count) or NULL */
	double		unknown_value;
	ml_warp		warp;
	double		lambda;
	int			n_knots;
	double	   *knots;			/* (n_knots) or NULL */
	double	   *shifts;			/* (ml_column_scales) or NULL … */
	double	   *scales;			/* … likewise */
	int			first_term;
	int			n_terms;
	bool		is_simple;		/* a number as it is, shifted and scaled, or one-hot: what the linear predictor does itself */
	ml_dictionary categories;
} ml_column;

struct ml_model
{
	ml_ctx		ctx;
	char	   *algorithm;
	ml_task		task;
	char	   *target;
	char	   *target_type;
	int			n_columns;
	ml_column  *columns;		/* (n_columns) */
	int			n_terms;
	int			n_classes;
	char	  **classes;		/* (n_classes) */
	ml_link		link;			/* 0: no linear predictor */
	int			n_outputs;
	double	   *coefficients;	/* (n_outputs, n_terms) */
	double	   *intercepts;		/* (n_outputs) */
	const ml_predictor_class *class;	/* NULL: none, or linear */
	void	   *predictor;
	ml_model_parts   *parts;			/* NULL unless it is made of models; then it has no predictor */
	struct ml_calibrator *calibrator;	/* of the probabilities of classes; NULL: none */
};

/* ml_model_predict.c: ml_model_transform as ml_model_predict_in. */
extern ml_status ml_model_transform_in(const ml_model *model, const ml_values *columns, size_t first, size_t n, double *out,
									   ml_row_state *rows, void *workspace, ml_error *err);

/* ml_model_io.c: ml_model_load for a part of another model, which has no parts itself. */
extern ml_status ml_model_load_part(const ml_ctx *ctx, const unsigned char *bytes, size_t length, ml_model **model,
									ml_error *err);

/* ml_prepare.c: one prepared block of rows, for ml_model_predict.c. */
typedef struct ml_problems
{
	ml_row_state rows[ML_PREDICT_ROWS];	/* the first problem of each row */
} ml_problems;

static inline void
ml_note_problem(ml_problems *problems, size_t row, int problem, int column)
{
	if (problems->rows[row].problem == ML_PROBLEM_NONE)
	{
		problems->rows[row].problem = problem;
		problems->rows[row].column = column;
	}
}

/* The numbers of a simple number column, ready to be multiplied. */
extern void ml_prepare_numbers(const ml_column *column, int index, const ml_values *values, size_t first, size_t n,
							   double *numbers, ml_problems *problems);

/* The terms of a simple categorical column; -1: none. */
extern void ml_prepare_categories(const ml_column *column, int index, const ml_values *values, size_t first, size_t n,
								  int32_t *terms, ml_problems *problems);

/* All terms of any column: those of row i to x + i * stride. */
extern void ml_prepare_terms(const ml_column *column, int index, const ml_values *values, size_t first, size_t n, double *x,
							 size_t stride, ml_problems *problems);

/* How many shifts and scales a column has, if it has its own: elements of a vector, parts of a time. */
static inline int
ml_column_scales(ml_kind kind, ml_encoding encoding, int length, unsigned parts)
{
	if (encoding == ML_ENCODE_DATE_PARTS)
		return __builtin_popcount(parts);
	return kind == ML_VECTOR ? length : 0;
}

/* The number of terms a column has, 0 if the description makes no sense. */
extern int	ml_column_terms(const ml_column *column);

#define ML_MAX_COLUMNS		100000
#define ML_MAX_TERMS		ML_MAX_CATEGORIES

/* The term of a category, -1 for the reference. */
static inline int
ml_category_term(const ml_column *column, int code)
{
	if (column->reference < 0 || code < column->reference)
		return column->first_term + code;
	return code == column->reference ? -1 : column->first_term + code - 1;
}

#endif							/* ML_MODEL_INT_H */
