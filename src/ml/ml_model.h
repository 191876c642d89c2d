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
	ML_MULTICLASS,
	ML_CLUSTERING,				/* no target; the prediction is the number of a cluster, from 0 */
	ML_DECOMPOSITION,			/* no target and no prediction; rows are transformed */
	ML_OUTLIER					/* no target; the prediction is a score, below 0 for outliers */
} ml_task;

#define ML_N_TASKS ML_OUTLIER

typedef enum ml_kind			/* of an input column */
{
	ML_NUMERIC = 1,				/* a double; integers, numeric … are converted by the caller */
	ML_BOOLEAN,					/* 0 or 1 as a double */
	ML_CATEGORICAL,				/* text (enums by their label) */
	ML_TIME,					/* seconds since 1970-01-01 00:00 (UTC, or the clock's where there is no zone) as a double */
	ML_VECTOR					/* an array of numbers of one length */
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
extern const char *ml_task_name(ml_task task);	/* regression, binary, multiclass, clustering, decomposition, outlier */
extern const char *ml_model_target(const ml_model *model);	/* name of the target column; empty without one */
extern const char *ml_model_target_type(const ml_model *model);	/* its SQL type, e.g. "boolean" */
extern size_t ml_model_memory(const ml_model *model);	/* bytes held, about; for caches */

extern int	ml_model_n_columns(const ml_model *model);
extern const char *ml_model_column_name(const ml_model *model, int column);
extern ml_kind ml_model_column_kind(const ml_model *model, int column);
extern const char *ml_model_column_type(const ml_model *model, int column);	/* SQL type, e.g. "double precision" */
extern bool ml_model_column_takes_null(const ml_model *model, int column);	/* NULL is imputed or has a meaning */

extern bool ml_model_column_is_offset(const ml_model *model, int column);	/* its coefficient is 1, not learnt */
extern int	ml_model_n_offsets(const ml_model *model);	/* such columns: the last, as are their terms, one each */

extern int	ml_model_column_length(const ml_model *model, int column);	/* of a vector's elements; else 1 */
extern int	ml_model_n_categories(const ml_model *model, int column);	/* 0 unless categorical */
extern const char *ml_model_category(const ml_model *model, int column, int code);
/* The code of a category, -1 if training did not see it; one hash look-up. */
extern int	ml_model_category_code(const ml_model *model, int column, const char *text, size_t length);

extern int	ml_model_n_classes(const ml_model *model);	/* 0 for regression */
extern const char *ml_model_class(const ml_model *model, int index);	/* ordered by bytes; the last is positive */

extern int	ml_model_n_terms(const ml_model *model);
extern int	ml_model_term_column(const ml_model *model, int term);
extern int	ml_model_term_category(const ml_model *model, int term);	/* -1 unless one-hot */
/*
 * Writes "age", "carrier=AA", "day.month", "pixels[3]", "age is missing" or "word#17", cut to size and ended with NUL;
 * returns the full length as snprintf does.
 */
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
	const double *numbers;		/* all but categorical columns; of a vector (n, length) row after row */
	const ml_text *texts;		/* categorical: by text … */
	const int32_t *codes;		/* … or by code; -1 is a category that training did not see; the term if hashed */
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

/* Numbers that a prediction has per row: 1, or the number of classes; 0 for a decomposition. */
extern int	ml_model_width(const ml_model *model);

/*
 * Predicts n rows.  columns is (n_columns) in the model's order.  out is (n, width): a value, else
 * probabilities, row after row.  Rows that cannot be predicted get NaN and are told in rows (n); with
 * rows NULL the first such row fails the call with a message that names the column.  Row by row and in a batch give
 * the same bits.  May fail with ML_BAD_DATA (rows NULL), ML_NO_MEMORY, ML_CANCELLED.
 */
extern ml_status ml_model_predict(const ml_model *model, const ml_values *columns, size_t n, double *out,
								  ml_row_state *rows, ml_error *err);

/*
 * The same for rows first … first + n - 1 of the columns, in threads, which cannot ask the context for memory: workspace
 * has ml_model_workspace(model) bytes, aligned to 64, one for each thread.  Nothing is cancelled within a call, so n
 * should be some thousands.  out is (n, width).
 */
extern size_t ml_model_workspace(const ml_model *model);

/* Operations per row, about, if they are many, else 0; and the rows that a thread predicts in about 100 ms, at least 16. */
extern double ml_model_effort(const ml_model *model);
extern size_t ml_model_rows_at_once(const ml_model *model);

extern ml_status ml_model_predict_in(const ml_model *model, const ml_values *columns, size_t first, size_t n, double *out,
									 ml_row_state *rows, void *workspace, ml_error *err);

/*
 * Other views of a row that some models have: components of a decomposition, distances to the centres of clusters,
 * responsibilities of a mixture.  0: it has none.
 */
extern int	ml_model_n_components(const ml_model *model);

/* The same as ml_model_predict, but out is (n, n_components). */
extern ml_status ml_model_transform(const ml_model *model, const ml_values *columns, size_t n, double *out,
									ml_row_state *rows, ml_error *err);

/*
 * The design rows that the model's predictor gets, of rows first … first + n - 1: x is (n, n_terms) row after row.
 * Problems as in ml_model_predict.  Takes no memory and is never cancelled, so threads may call it.
 */
extern ml_status ml_model_design(const ml_model *model, const ml_values *columns, size_t first, size_t n, double *x,
								 ml_row_state *rows, ml_error *err);

/* Whether a column is one term per number or category as it is, neither scaled nor bent. */
extern bool ml_model_column_is_raw(const ml_model *model, int column);
extern int	ml_model_column_first_term(const ml_model *model, int column);
extern int	ml_model_column_n_terms(const ml_model *model, int column);
extern int	ml_model_column_fill_code(const ml_model *model, int column);	/* -1: missing categories are not filled */
extern int	ml_model_column_reference(const ml_model *model, int column);	/* -1: every category has a term */

/* The same for the terms of one column: those of a row at x + i * stride. */
extern ml_status ml_model_design_column(const ml_model *model, int column, const ml_values *values, size_t first, size_t n,
										double *x, size_t stride, ml_error *err);

/* ---- making a model (training) ------------------------------------------------------------------------------- */

/* How a column is spread out into terms. */
typedef enum ml_encoding
{
	ML_ENCODE_PLAIN = 0,		/* a number is its own term, a vector has one per element, a category is one-hot */
	ML_ENCODE_ORDINAL,			/* a category is its code */
	ML_ENCODE_TABLE,			/* a category has a number: mean target, frequency … */
	ML_ENCODE_HASHING,			/* a category is one-hot by a hash of its text, into `buckets` terms; no dictionary */
	ML_ENCODE_DATE_PARTS		/* a time has a term per bit of `parts` */
} ml_encoding;

/* How numbers are bent before they are shifted and scaled. */
typedef enum ml_warp
{
	ML_WARP_NONE = 0,
	ML_WARP_LOG1P,				/* sign(v) log(1 + |v|) */
	ML_WARP_YEO_JOHNSON,		/* with lambda */
	ML_WARP_BOX_COX,			/* with lambda; of values above 0, others are a problem */
	ML_WARP_QUANTILE,			/* share of training values below, by interpolation between knots: 0 … 1 */
	ML_WARP_QUANTILE_NORMAL		/* the same, to standard normal deviates, cut at 5.2 */
} ml_warp;

/* Parts of a time, as extract() names them; bits of ml_column_spec.parts. */
typedef enum ml_date_part
{
	ML_PART_EPOCH = 1,			/* in days */
	ML_PART_YEAR = 2,
	ML_PART_MONTH = 4,			/* 1 … 12 */
	ML_PART_DAY = 8,			/* 1 … 31 */
	ML_PART_DOW = 16,			/* 0 (Sunday) … 6 */
	ML_PART_DOY = 32,			/* 1 … 366 */
	ML_PART_HOUR = 64,			/* 0 … 23 */
	ML_PART_MINUTE = 128,
	ML_PART_ALL = 255
} ml_date_part;

/* How one column becomes terms.  All zero bytes but name, type, kind and scale 1 are a plain column. */
typedef struct ml_column_spec
{
	const char *name;
	const char *type;			/* SQL type */
	ml_kind		kind;
	bool		has_fill;		/* NULL becomes fill_number or, categorical, the category fill_code */
	double		fill_number;
	int32_t		fill_code;
	double		shift;			/* numbers: the term is (value - shift) * scale */
	double		scale;
	int			n_categories;	/* categorical: ordered by bytes */
	const char *const *categories;
	int			reference;		/* one-hot: the category without a term, or -1 */
	bool		unknown_is_zero;	/* a category not seen has zeros in all terms; else it is a problem */
	ml_encoding encoding;
	bool		keeps_missing;	/* NULL and NaN reach the predictor as NaN; not with has_fill */
	bool		indicator;		/* one more term, the column's last: 1 where the value was missing; needs has_fill */
	int			length;			/* vector: its elements */
	int			buckets;		/* ML_ENCODE_HASHING */
	unsigned	parts;			/* ML_ENCODE_DATE_PARTS */
	const double *table;		/* (n_categories) ML_ENCODE_TABLE … */
	double		unknown_value;	/* … and for a category not seen, if unknown_is_zero */
	ml_warp		warp;			/* kinds ML_NUMERIC and ML_VECTOR */
	double		lambda;
	int			n_knots;		/* ML_WARP_QUANTILE: at least 2 */
	const double *knots;		/* (n_knots) ascending, evenly spaced quantiles */
	const double *shifts;		/* of a vector's elements, or of the parts of a time … */
	const double *scales;		/* … both or neither; then shift and scale do not matter */
	bool		is_offset;		/* a number whose coefficient is 1 and is not learnt; such columns are the last */
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

struct ml_predictor_class;

/* What the model keeps of a column, as it would be given again; its pointers live as long as the model. */
extern void ml_model_column_spec(const ml_model *model, int column, ml_column_spec *spec);

/* Makes a model without a predictor: its terms can be asked for.  Everything is copied. */
extern ml_status ml_model_new(const ml_ctx *ctx, const ml_model_spec *spec, ml_model **model, ml_error *err);

/* From the linear predictor to the prediction. */
typedef enum ml_link
{
	ML_LINK_IDENTITY = 1,		/* regression */
	ML_LINK_LOG,				/* regression of positive values: exp(eta) */
	ML_LINK_LOGIT,				/* binary: probability of the last class */
	ML_LINK_SOFTMAX,			/* multiclass: one output per class */
	ML_LINK_INVERSE,			/* regression: 1 / eta */
	ML_LINK_SQRT,				/* regression: eta^2 */
	ML_LINK_INVERSE_SQUARED		/* regression: 1 / sqrt eta */
} ml_link;

/* Gives it a linear predictor: coefficients (n_outputs, n_terms), intercepts (n_outputs); all must be finite. */
extern ml_status ml_model_set_linear(ml_model *model, ml_link link, const double *coefficients,
									 const double *intercepts, ml_error *err);

/* Gives a model with a linear predictor, which nobody else uses, other coefficients. */
extern ml_status ml_model_replace_linear(ml_model *model, const double *coefficients, const double *intercepts, ml_error *err);

/*
 * Gives it a predictor of some class (ml_predictor.h), which it owns from then on, also after a failure; the predictor's
 * memory is from the model's context.
 */
extern ml_status ml_model_set_predictor(ml_model *model, const struct ml_predictor_class *class, void *predictor,
										ml_error *err);

struct ml_calibrator;

/* Has the probabilities of a model of classes calibrated from then on; the calibrator is the model's, also after a failure. */
extern ml_status ml_model_set_calibrator(ml_model *model, struct ml_calibrator *calibrator, ml_error *err);

/* Whether what it predicts of classes are decision values in disguise, whose log odds mean more than they. */
extern bool ml_model_decides(const ml_model *model);

#endif							/* ML_MODEL_H */
