/*
 * ml_model_int.h: the inside of a model, for the files of the numeric library.
 */
#ifndef ML_MODEL_INT_H
#define ML_MODEL_INT_H

#include "ml/ml_bytes.h"
#include "ml/ml_dictionary.h"
#include "ml/ml_model.h"

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
	int			first_term;
	int			n_terms;
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
};

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
