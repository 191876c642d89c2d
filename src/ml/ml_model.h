/*
 * ml_model.h: a fitted model: what it takes, how it prepares it, what it predicts; saved as bytes and loaded again.
 *
 * A model is immutable once made or loaded and may be used by several threads.  It names its input columns; whoever
 * predicts finds the values by name and gives them in the model's order.  The preparation (imputation, scaling, one-hot
 * encoding with its dictionary) is part of the model, so that training, one row and a batch run the same code.
 *
 * The bytes are little-endian on every machine: magic, format version, length, CRC-32C, then sections.  ml_model_load
 * takes hostile input: it checks every bound and count and never reads outside `bytes`.
 */
#ifndef ML_MODEL_H
#define ML_MODEL_H

#include "ml/ml.h"

typedef struct ml_model ml_model;

typedef enum ml_task
{
	ML_REGRESSION = 1,
	ML_BINARY,
	ML_MULTICLASS
} ml_task;

typedef enum ml_kind			/* of an input column */
{
	ML_NUMERIC = 1,				/* a double; integers, numeric … are converted by the caller */
	ML_BOOLEAN,					/* 0 or 1 as a double */
	ML_CATEGORICAL				/* text (enums by their label) */
} ml_kind;

/* ---- saving and loading -------------------------------------------------------------------------------------- */

/* *bytes is allocated from ctx and freed with ml_free. */
extern ml_status ml_model_save(const ml_ctx *ctx, const ml_model *model, unsigned char **bytes, size_t *length,
							   ml_error *err);

/* The model keeps a copy of ctx (its memory must live as long) and is freed with ml_model_free or with that memory. */
extern ml_status ml_model_load(const ml_ctx *ctx, const unsigned char *bytes, size_t length, ml_model **model,
							   ml_error *err);
extern void ml_model_free(ml_model *model);	/* NULL allowed */

/* ---- what a model is; the strings live as long as the model -------------------------------------------------- */

extern const char *ml_model_algorithm(const ml_model *model);
extern ml_task ml_model_task(const ml_model *model);
extern const char *ml_task_name(ml_task task);	/* regression, binary, multiclass */
extern const char *ml_model_target(const ml_model *model);	/* name of the target column */
extern const char *ml_model_target_type(const ml_model *model);	/* its SQL type, e.g. "boolean" */
extern size_t ml_model_memory(const ml_model *model);	/* bytes held, about; for caches */

extern int	ml_model_n_columns(const ml_model *model);
extern const char *ml_model_column_name(const ml_model *model, int column);
extern ml_kind ml_model_column_kind(const ml_model *model, int column);
extern const char *ml_model_column_type(const ml_model *model, int column);	/* SQL type, e.g. "double precision" */
extern bool ml_model_column_takes_null(const ml_model *model, int column);	/* NULL is imputed or has a meaning */

extern int	ml_model_n_categories(const ml_model *model, int column);	/* 0 unless categorical */
extern const char *ml_model_category(const ml_model *model, int column, int code);
/* The code of a category, -1 if training did not see it; one hash look-up. */
extern int	ml_model_category_code(const ml_model *model, int column, const char *text, size_t length);

extern int	ml_model_n_classes(const ml_model *model);	/* 0 for regression */
extern const char *ml_model_class(const ml_model *model, int index);	/* ordered by bytes; the last is positive */

extern int	ml_model_n_terms(const ml_model *model);
extern int	ml_model_term_column(const ml_model *model, int term);
extern int	ml_model_term_category(const ml_model *model, int term);	/* -1 unless one-hot */
/* Writes "age" or "carrier=AA", cut to size and ended with NUL; returns the full length as snprintf does. */
extern int	ml_model_term_name(const ml_model *model, int term, char *name, size_t size);
/*
 * The coefficients of a linear predictor, for export and explanation: 1 output (regression, binary) or n_classes.
 * (n_terms) numbers that live as long as the model; NULL if the model is of another sort.
 */
extern int	ml_model_n_outputs(const ml_model *model);
extern const double *ml_model_coefficients(const ml_model *model, int output, double *intercept);

/* ---- prediction ---------------------------------------------------------------------------------------------- */

typedef struct ml_text
{
	const char *data;			/* need not end with NUL */
	size_t		length;
} ml_text;

/* One input column of a batch, (n) each.  Unused pointers are NULL. */
typedef struct ml_values
{
	const double *numbers;		/* numeric and boolean columns */
	const ml_text *texts;		/* categorical: by text … */
	const int32_t *codes;		/* … or by code; -1 is a category that training did not see */
	const unsigned char *nulls; /* 1 where NULL; NULL pointer: no NULL in the batch */
} ml_values;

typedef enum ml_problem
{
	ML_PROBLEM_NONE = 0,
	ML_PROBLEM_NULL,			/* NULL where the model has no imputation */
	ML_PROBLEM_NOT_FINITE,		/* NaN or infinite */
	ML_PROBLEM_CATEGORY			/* a category that training did not see */
} ml_problem;

typedef struct ml_row_state
{
	int32_t		problem;		/* an ml_problem */
	int32_t		column;			/* where it is */
} ml_row_state;

/*
 * Predicts n rows.  columns is (n_columns) in the model's order.  out is (n) values for regression, else
 * (n, n_classes) probabilities, row after row.  Rows that cannot be predicted get NaN and are told in rows (n); with
 * rows NULL the first such row fails the call with a message that names the column.  Row by row and in a batch give
 * the same bits.  May fail with ML_BAD_DATA (rows NULL), ML_NO_MEMORY, ML_CANCELLED.
 */
extern ml_status ml_model_predict(const ml_model *model, const ml_values *columns, size_t n, double *out,
								  ml_row_state *rows, ml_error *err);

/* ---- making a model (training) ------------------------------------------------------------------------------- */

/* How one column becomes terms. */
typedef struct ml_column_spec
{
	const char *name;
	const char *type;			/* SQL type */
	ml_kind		kind;
	bool		has_fill;		/* NULL becomes fill_number or, categorical, the category fill_code */
	double		fill_number;
	int32_t		fill_code;
	double		shift;			/* numeric: the term is (value - shift) * scale */
	double		scale;
	int			n_categories;	/* categorical: ordered by bytes */
	const char *const *categories;
	int			reference;		/* one-hot: the category without a term, or -1 */
	bool		unknown_is_zero;	/* a category not seen has zeros in all terms; else it is a problem */
} ml_column_spec;

typedef struct ml_model_spec
{
	const char *algorithm;
	ml_task		task;
	const char *target;
	const char *target_type;
	int			n_columns;
	const ml_column_spec *columns;
	int			n_classes;		/* 0 for regression */
	const char *const *classes; /* ordered by bytes, without repetition */
} ml_model_spec;

/* Makes a model without a predictor: its terms can be asked for.  Everything is copied. */
extern ml_status ml_model_new(const ml_ctx *ctx, const ml_model_spec *spec, ml_model **model, ml_error *err);

/* From the linear predictor to the prediction. */
typedef enum ml_link
{
	ML_LINK_IDENTITY = 1,		/* regression */
	ML_LINK_LOG,				/* regression of positive values: exp(eta) */
	ML_LINK_LOGIT,				/* binary: probability of the last class */
	ML_LINK_SOFTMAX				/* multiclass: one output per class */
} ml_link;

/* Gives it a linear predictor: coefficients (n_outputs, n_terms), intercepts (n_outputs); all must be finite. */
extern ml_status ml_model_set_linear(ml_model *model, ml_link link, const double *coefficients,
									 const double *intercepts, ml_error *err);

#endif							/* ML_MODEL_H */
