/*
 * train_int.h: the inside of training.
 *
 * The way of the data: a *source* (source.c of base, train_source.c here) is a FROM item with its columns, each given a
 * role and a wire type.  A *row plan* says how to read a row that arrives as the arguments of an aggregate; it travels
 * as bytea, since transition functions run in parallel workers and on other servers.  The aggregates are
 *   _profile_state   what must be known before: null counts, means, ranges, categories       (train_profile.c)
 *   _linear_state    moments per fold and a sample of rows                                   (train_state.c)
 *   _class_state     sums over the rows of each class and a sample of rows                    (train_classes.c)
 *   _score_state     the errors of a model on the holdout                                    (train_score.c)
 *   _matrix_state    all rows, into shared memory                                            (train_matrix.c)
 */
#ifndef MDL_TRAIN_INT_H
#define MDL_TRAIN_INT_H

#include "ml/ml_bytes.h"
#include "ml/ml_calibrator.h"
#include "ml/ml_dictionary.h"
#include "ml/ml_estimator.h"
#include "train/train.h"

#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "portability/instr_time.h"

/* ---- train_row_plan.c, train_rows.c: reading rows ------------------------------------------------------------- */

typedef enum MdlRole
{
	MDL_ROLE_FEATURE = 1,
	MDL_ROLE_TARGET,
	MDL_ROLE_WEIGHT,
	MDL_ROLE_GROUP,				/* rows of equal values stay together when rows are divided */
	MDL_ROLE_FOLD				/* the number of the fold, from 0; -1: held out */
} MdlRole;

/* How a value arrives; the query casts whatever else there is to one of these. */
typedef enum MdlWire
{
	MDL_WIRE_FLOAT8 = 1,
	MDL_WIRE_FLOAT4,
	MDL_WIRE_INT2,
	MDL_WIRE_INT4,
	MDL_WIRE_INT8,
	MDL_WIRE_BOOL,
	MDL_WIRE_TEXT,
	MDL_WIRE_VECTOR				/* float8[] */
} MdlWire;

typedef struct MdlRowColumn
{
	MdlRole		role;
	MdlWire		wire;
	ml_kind		kind;
	int32		length;			/* numbers that a value is: of a vector its elements, else 1 */
	bool		has_fill;		/* NULL becomes the fill; otherwise the row is left out and counted */
	double		fill_number;
	int32		fill_code;
	int32		buckets;		/* categorical: hashed into that many; 0: not hashed */
	bool		has_dictionary; /* categorical: the categories are known */
	ml_dictionary dictionary;
	/* derived */
	int			number;			/* index of the first among the numbers, -1 */
	int			cat;			/* index among the categorical columns, -1 */
	int			first_level;	/* categorical: level of the first category */
	int			indicator;		/* of missing values: a number of its own, or for a categorical column a level; -1 */
} MdlRowColumn;

/* Which block (fold, or behind the folds the holdout) the groups of rows belong to, see train_groups.c. */
typedef struct MdlGroupTable
{
	uint32		count;			/* groups that are known, … */
	uint64	   *hashes;			/* … by these, ascending … */
	int16	   *blocks;			/* … to be of these blocks */
	int			n_cuts;			/* blocks that the other groups are divided among; 0: there are none … */
	double	   *cuts;			/* … by where the ranges of a hash, from 0 to 1, end */
	/* derived */
	uint32	   *starts;			/* (count + 1) where to look for a hash */
} MdlGroupTable;

typedef struct MdlRowPlan
{
	int			n_columns;
	MdlRowColumn *columns;
	int			pack;			/* columns per packed argument; 0: every column is an argument */
	uint64		seed;
	int			n_folds;		/* 1: none */
	bool		has_holdout;	/* rows are kept out of training … */
	double		holdout;		/* … this share of them, unless a column says which */
	MdlGroupTable *groups;		/* that counted groups divide the rows; NULL: a hash does */
	uint32		sample;			/* rows of the sample wanted; 0: none */
	bool		exact;			/* moments on a grid */
	bool		indicate;		/* missing values of columns with a fill are told apart */
	uint32		area;			/* where samples are kept, see train_area.c; 0: in the states */
	uint64		area_key;
	double	   *grid_shift;		/* (n_numbers) if exact … */
	int32	   *grid_exponent;
	int32		grid_root_exponent;
	/* derived; the numbers are the numeric features and last, for regression, the target */
	int			n_numbers;
	int			n_cats;			/* categorical columns, with a target of classes, which is then the last */
	int			n_levels;
	int			target;			/* column, -1: none */
	int			weight;			/* column, -1: none */
	int			fold;			/* column of the fold's number, -1: none */
	int			n_groups;		/* columns that divide the rows; 0: the content does */
	ml_grid		grid;
	int			n_indicators;	/* columns with one … */
	int		   *indicators;		/* … (n_indicators) */
	int			n_varlenas;		/* columns that are texts or vectors … */
	int		   *varlenas;		/* … (n_varlenas) ascending */
	int			n_runs;			/* stretches of columns that are float8 numbers; see mdl_row_read */
	struct MdlRowRun *runs;
} MdlRowPlan;

/* Columns first … first + count - 1 are float8 numbers; the numbers they become start at `number`. */
typedef struct MdlRowRun
{
	int			first;
	int			count;			/* 0: one column of another sort */
	int			number;
	int32		offset;			/* in the tuple that is read, if they lie side by side there; else -1 */
} MdlRowRun;

/* Counts per column that every state carries: (n_columns) each. */
typedef struct MdlRowCounts
{
	int64		nulls;
	int64		not_finite;
	int64		unknown;		/* categories that the dictionary lacks; weights below 0; vectors of another length */
} MdlRowCounts;

typedef struct MdlRow
{
	double	   *numbers;		/* (n_numbers), nulls filled */
	bool	   *number_nulls;	/* (n_numbers), meaningful if any_null */
	int32	   *codes;			/* (n_cats); -1 without a dictionary */
	int32	   *levels;			/* (n_cats) */
	ml_text    *texts;			/* (n_cats) into the arguments; data NULL if null */
	bool		any_null;
	double		weight;
	uint64		hash;			/* of the content and nothing else */
	uint64		split;			/* what divides the rows: a hash, or the number of the fold or block */
} MdlRow;

/* What a transition function keeps between calls, in fn_extra. */
typedef struct MdlRowReader
{
	MdlRowPlan *plan;
	bytea	   *plan_bytes;
	Datum		plan_datum;
	MdlRow		row;
	NullableDatum *values;		/* (n_columns) when packed */
	struct MdlScan *scan;		/* that rows come from; NULL: they come as arguments */
	uint64	   *recent;			/* hashes seen lately and how often, see mdl_row_priority */
	uint32	   *recent_count;
	bool		checked;		/* the arguments have the types of the plan */
	bool		state_checked;	/* the state has the layout of the plan */
	struct ml_sample *shared_sample;	/* that is at shared_place, see train_area.c */
	uint64		shared_place;
} MdlRowReader;

extern bytea *mdl_row_plan_encode(const MdlRowPlan *plan);
extern MdlRowPlan *mdl_row_plan_decode(bytea *bytes);	/* in the current context; errors on damaged bytes */
extern void mdl_damaged_plan(void) pg_attribute_noreturn();
extern void mdl_row_plan_derive(MdlRowPlan *plan);	/* fills what is derived; raises if something does not fit */

/* The SQL type of a value that arrives so. */
extern Oid	mdl_wire_type(MdlWire wire);

/* The reader of this call site; plan_arg is the index of the argument with the plan, the same for every row. */
extern MdlRowReader *mdl_row_reader(FunctionCallInfo fcinfo, int plan_arg);

/*
 * Reads the arguments from first_arg on, or the row of the scan below; counts is (n_columns).  False: the row is to be left out (and was counted), or
 * its weight is 0.
 */
extern bool mdl_row_read(MdlRowReader *reader, FunctionCallInfo fcinfo, int first_arg, MdlRowCounts *counts);

/* The fold of a row, and whether it belongs to the holdout: independent hashes of the seed and what divides the rows. */
extern int	mdl_row_fold(const MdlRowPlan *plan, uint64 split);
extern bool mdl_row_holdout(const MdlRowPlan *plan, uint64 split);

/* A number that puts rows into a random order of the seed, for dividing each class alike. */
extern uint64 mdl_row_shuffle(const MdlRowPlan *plan, uint64 split);

/* The priority of a row for a bottom-k sample. */
extern uint64 mdl_row_priority(MdlRowReader *reader, uint64 hash);

/* ---- train_area.c: samples in shared memory -------------------------------------------------------------------------- */

/* Where a sample is; place 0: not in shared memory. */
typedef struct MdlSharedSample
{
	uint64		place;
	uint64		key;
	uint32		area;
	uint32		unused;
} MdlSharedSample;

/* Makes a sample with all the room that it may need in the plan's area; false: there is no area, or no memory. */
extern bool mdl_sample_share(const MdlRowPlan *plan, MdlSharedSample *shared);

/* NULL: it is not of a pass that this process takes part in. */
extern struct ml_sample *mdl_sample_shared(const MdlSharedSample *shared);

/* The same of a state that was checked, for every row. */
static inline struct ml_sample *
mdl_reader_sample(MdlRowReader *reader, const MdlSharedSample *shared)
{
	if (unlikely(reader->shared_place != shared->place))
	{
		reader->shared_sample = mdl_sample_shared(shared);
		reader->shared_place = shared->place;
	}
	return reader->shared_sample;
}

/* ---- train_state.c: the state of _linear_state ---------------------------------------------------------------- */

/* The plan's moments, sample and counts, found in the bytes of a state; pointers into it.  Raises on damaged bytes. */
typedef struct MdlLinearState
{
	int			n_sets;			/* folds, and one for the holdout if there is one */
	bool		exact;
	void	  **sets;			/* ml_moments or ml_exact, (n_sets) */
	struct ml_sample *sample;
	MdlRowCounts *counts;
} MdlLinearState;

extern void mdl_linear_state_open(bytea *bytes, const MdlRowPlan *plan, MdlLinearState *state);

/* A record of the sample: the hash, what divides the rows, the weight, numbers (NaN: null), codes (-1: null). */
typedef struct MdlSampleRecord
{
	uint64		hash;
	uint64		split;
	double		weight;
	double		numbers[FLEXIBLE_ARRAY_MEMBER];	/* (n_numbers), then int32 codes (n_cats) */
} MdlSampleRecord;

extern Size mdl_sample_record_size(const MdlRowPlan *plan);

/* Fills a record of that size with the reader's row. */
extern void mdl_sample_fill(const MdlRowReader *reader, MdlSampleRecord *record, Size size);

/* ---- train_profile.c: the state of _profile_state ------------------------------------------------------------- */

typedef struct MdlColumnProfile
{
	double		least;			/* of numbers present */
	double		largest;
	double		mean;			/* weighted, of the training rows; only of columns with a fill, else 0 */
	int			n_categories;	/* categorical: ordered by bytes */
	char	  **categories;
	int64	   *category_rows;	/* of the training rows */
	bool		too_many;		/* more than the limit: the categories are incomplete */
} MdlColumnProfile;

typedef struct MdlProfile
{
	int64		rows;
	double		largest_weight;
	const MdlRowCounts *counts; /* (n_columns) */
	MdlColumnProfile *columns;	/* (n_columns) */
} MdlProfile;

extern void mdl_profile_open(bytea *bytes, const MdlRowPlan *plan, MdlProfile *profile);

/* ---- train_source.c: the columns of the source ---------------------------------------------------------------- */

/* A feature whose coefficient is 1 and is not learnt; such columns are the last of the features. */
typedef enum MdlOffset
{
	MDL_OFFSET_NONE = 0,
	MDL_OFFSET_PLAIN,			/* parameter "offset" */
	MDL_OFFSET_EXPOSURE			/* parameter "exposure": by its logarithm */
} MdlOffset;

typedef struct MdlSourceColumn
{
	char	   *name;
	Oid			type;
	char	   *type_name;		/* as format_type says */
	char	   *expression;		/* SQL for the wire value, over alias "source" */
	MdlRole		role;
	MdlWire		wire;
	ml_kind		kind;
	int			length;			/* of a vector; else 1 */
	bool		has_clock;		/* a time that is more than a date */
	MdlOffset	offset;
} MdlSourceColumn;

typedef struct MdlSource
{
	char	   *from;			/* FROM item, without alias */
	Oid			relid;			/* InvalidOid: a query */
	List	   *relations;		/* OIDs of what it reads, views expanded */
	int			n_columns;		/* features in order, target, weight, what divides the rows */
	MdlSourceColumn *columns;
	int			n_features;
	bool		looks_only;		/* no row is read: lengths of vectors and what divides the rows are not known */
} MdlSource;

/* The columns of a FROM item, and the OIDs of the relations that it reads, views expanded.  Needs an SPI connection. */
extern TupleDesc mdl_source_columns(const char *from, List **relations);

/* The attribute of that name; argument tells which argument asked for it, in the error if there is none. */
extern Form_pg_attribute mdl_source_find_column(TupleDesc columns, const char *name, const char *argument);

/* ---- train_split.c: which rows are held out, and which fold a row belongs to ----------------------------------- */

typedef struct MdlSplit
{
	const char *argument;		/* the name it has for the user */
	bool		holdout;		/* rows are held out; else they are divided into folds */
	double		fraction;		/* of rows held out, unless a column says it */
	char	   *column;			/* that says it, or NULL */
	char	   *time;			/* the latest rows by this column, or NULL */
	char	  **group;			/* (n_group) columns whose equal values stay together */
	int			n_group;
	bool		stratify;		/* the same share of each class on every side */
} MdlSplit;

/* Reads argument "validation" (with a fraction) or the one for folds; NULL: none. */
extern void mdl_split_read(Jsonb *object, const char *argument, bool with_fraction, MdlSplit *split);

/* Adds the columns of the source that the division needs.  Needs an SPI connection. */
extern void mdl_split_columns(const MdlSplit *split, TupleDesc columns, int folds, MdlSource *source);

/* ---- train_groups.c: which fold or side each group of rows belongs to -------------------------------------------- */

/* Counts the groups of the source and divides them among folds, and the holdout if there is one.  Needs an SPI connection. */
extern MdlGroupTable *mdl_groups_divide(const MdlSplit *split, const MdlSource *source, int folds, uint64 seed);
extern void mdl_groups_index(MdlGroupTable *table);	/* fills what is derived */
extern int	mdl_group_block(const MdlGroupTable *table, uint64 seed, uint64 hash);	/* -1: there is no such group */
extern uint64 mdl_group_hash(uint64 hash, MdlWire wire, NullableDatum value);	/* of one more column */

/*
 * Finds the columns and, from the type of the target and what the estimator can do, the task; for a classification
 * ML_BINARY, until the classes are known.  A target of labels may have any type.  folds 0: no row is read, for the errors.
 * Needs an SPI connection.
 */
extern ml_task mdl_train_source_open(const MdlTrainRequest *request, const ml_estimator *estimator, const double *params,
									 const MdlSplit *split, int folds, MdlSource *source);
extern const char *mdl_offset_name(MdlOffset offset);	/* the parameter's; "feature" for none */
extern const MdlSourceColumn *mdl_source_target(const MdlSource *source);	/* NULL: a task without one */

/* ---- train_query.c: the query that feeds an aggregate ---------------------------------------------------------- */

extern int	mdl_source_pack(const MdlSource *source);	/* columns per packed argument, 0: not packed */

/*
 * Runs "SELECT medallion.<aggregate>(plan, [second,] columns) FROM source" as the caller on the active snapshot and
 * returns its one value, copied into the current context; NULL pointer for SQL NULL (no rows).
 */
extern bytea *mdl_source_aggregate(const MdlSource *source, const char *aggregate, bytea *plan, Oid second_type,
								   Datum second);

/* How many rows the planner expects of the source. */
extern double mdl_source_estimate_rows(const MdlSource *source);

/* ---- train_params.c ------------------------------------------------------------------------------------------- */

/* The estimator and its parameters, defaults filled in; raises for what does not exist or is out of range. */
extern const ml_estimator *mdl_estimator_by_name(const char *name);
extern void mdl_params_read(const ml_estimator *estimator, Jsonb *params, double *values);
extern ml_calibration mdl_params_calibration(const ml_estimator *estimator, const double *values, int *folds);	/* folds 1: none */
extern Jsonb *mdl_params_jsonb(const ml_estimator *estimator, const double *values, Jsonb *given);	/* given has the columns' names */

/* The column that a parameter of the user's names; NULL if it names none. */
extern char *mdl_params_column(Jsonb *params, const char *name);

/* ---- train_preprocess.c --------------------------------------------------------------------------------------- */

typedef enum MdlImpute
{
	MDL_IMPUTE_ERROR = 0,
	MDL_IMPUTE_MEAN,			/* of categories the most frequent, as for the two below */
	MDL_IMPUTE_MEDIAN,
	MDL_IMPUTE_MOST_FREQUENT,
	MDL_IMPUTE_CONSTANT,
	MDL_IMPUTE_AUTO				/* MEAN if the rows have NULLs, else ERROR; known once they are read */
} MdlImpute;

typedef enum MdlScale
{
	MDL_SCALE_NONE = 0,
	MDL_SCALE_STANDARD,
	MDL_SCALE_MINMAX,
	MDL_SCALE_MAXABS,
	MDL_SCALE_ROBUST
} MdlScale;

typedef enum MdlEncode
{
	MDL_ENCODE_ONE_HOT = 0,
	MDL_ENCODE_ORDINAL,
	MDL_ENCODE_TARGET,
	MDL_ENCODE_FREQUENCY,
	MDL_ENCODE_HASHING
} MdlEncode;

/* What is done with one feature; without pointers that matter after mdl_matrix_build, so that it may be shared. */
typedef struct MdlColumnPrep
{
	int32		impute;			/* MdlImpute … */
	int32		scale;
	int32		warp;			/* ml_warp */
	int32		encode;
	bool		indicator;
	bool		unknown_is_zero;
	bool		has_fill_value;
	double		fill_number;	/* MDL_IMPUTE_CONSTANT */
	char	   *fill_text;		/* the same of categories … */
	int32		fill_code;		/* … and its code, once the categories are known */
	int32		buckets;
	int32		quantiles;		/* knots of a quantile transformation, at most */
	uint32		parts;			/* of a time */
	int32		offset;			/* MdlOffset; then nothing else is done with it */
} MdlColumnPrep;

/* One for each feature; raises for options that do not exist or make no sense. */
extern MdlColumnPrep *mdl_preprocess_read(Jsonb *preprocess, const ml_estimator *estimator, const MdlSource *source,
										  int *max_categories);

/* Whether terms are the values themselves or one-hot, so that sums over the rows can be taken while they are read. */
extern bool mdl_prep_is_plain(const MdlColumnPrep *prep, ml_kind kind);

/* ---- a training, step by step --------------------------------------------------------------------------------- */

typedef struct MdlTraining
{
	const MdlTrainRequest *request;
	MemoryContext memory;		/* everything below; freed at the end */
	ml_ctx		ctx;			/* over it */
	const ml_estimator *estimator;
	double		params[ML_MAX_PARAMS];
	MdlColumnPrep *preps;		/* (n_features) */
	int			max_categories;
	MdlSplit	split;
	MdlGroupTable *groups;		/* NULL: none */
	ml_task		task;
	bool		streaming;		/* sums from one pass will do; else all rows are read into memory */
	bool		class_sums;		/* streaming: they are sums over the rows of each class */
	MdlSource	source;
	MdlRowPlan	plan;
	bytea	   *plan_bytes;
	bool		folds_apart;	/* means are those of the training rows of each fold */
	bool		reads_profile;	/* a pass before that of the sums */
	bool		has_profile;
	MdlProfile	profile;
	int			n_classes;
	const char **classes;		/* ordered by bytes */
	ml_column_spec *columns;	/* (n_features) */
	ml_model   *model;
	ml_report	report;
	int64		rows;			/* trained on */
	instr_time	start;
	JsonbParseState *metrics;	/* an object that is being filled */
	struct MdlTrainingRows *matrix_rows;	/* read into memory */
	const char *phase;			/* NULL: none yet */
	instr_time	phase_start;
	int64		data_version;	/* the version of versioned tables that the snapshot shows … */
	Jsonb	   *data_commits;	/* … of which tables */
	unsigned char *baseline;	/* NULL: none */
	size_t		baseline_size;
	int64		version_id;		/* once registered */
} MdlTraining;

/* train_area.c: has the next pass keep its samples in shared memory, until the training ends, if the rows are many. */
extern void mdl_samples_begin(MdlTraining *t);

/* A new phase for medallion.progress; how long the last took is told at DEBUG1.  phase NULL: only that. */
extern void mdl_training_phase(MdlTraining *t, const char *phase, int64 total);

/* train_prepare.c: reads the request, opens the source, profiles it if need be and makes the plan. */
extern void mdl_training_prepare(MdlTraining *t, const MdlTrainRequest *request, int folds);

/* The part of it that can be done before a row is read, for its errors; source, preps and plan are not complete then. */
extern void mdl_training_look(MdlTraining *t, const MdlTrainRequest *request, int folds);

/* Rows of a plan to keep for the baseline. */
extern uint32 mdl_training_sample_rows(const MdlRowPlan *plan);

/* Raises for NULLs, values that are not finite and so on, naming the column; counts is (n_columns). */
extern void mdl_training_check_counts(const MdlTraining *t, const MdlRowCounts *counts);

/*
 * Decides, from the counts of all rows (n_columns), what stands for NULL in the features that left it open, and tells which
 * have any; false if there was none such.
 */
extern bool mdl_training_settle_nulls(MdlTraining *t, const MdlRowCounts *counts);

/*
 * The same for a pass that took sums without knowing of NULLs.  True: there were some, the plan is another one now, and the
 * rows are to be read again.
 */
extern bool mdl_training_plan_again(MdlTraining *t, const MdlRowCounts *counts);
extern bool mdl_training_needs_reference(const MdlTraining *t);	/* one-hot columns need a reference category */
extern void mdl_training_describe_columns(MdlTraining *t, bool reference);	/* t->columns, as far as the plan tells */
extern void mdl_training_make_model(MdlTraining *t);	/* of t->columns, without a predictor */
extern void mdl_training_too_few(const MdlTraining *t, int64 rows);	/* raises for 0 or 1 row */

/* The code of the constant that stands for missing values of a categorical feature; raises if there is no such category. */
extern int	mdl_training_fill_code(const MdlTraining *t, int column);

/* The variables of a Gram of this plan: the terms of the model, then the target; *n is their number. */
extern ml_gram_source *mdl_training_gram_sources(const MdlTraining *t, int *n);
extern void mdl_training_constant_column(const char *name) pg_attribute_noreturn();
/* The same for a feature with one value, which in a part of a model is no error, and of 0, which is NULL in every row. */
extern void mdl_training_constant_feature(const MdlTraining *t, const char *name, int n_values);
extern void mdl_training_empty_holdout(void) pg_attribute_noreturn();
extern void mdl_training_check_constant(const MdlTraining *t, const ml_gram *gram, const ml_gram_source *sources);

/* rows * terms^2 up to which QR in extended precision takes a moment */
#define MDL_ROWS_FIT_LIMIT 5e7

/* train_gram.c: one pass for the sums of a plan, two if it finds NULLs that something is to stand for. */
extern void mdl_training_read_sums(MdlTraining *t, MdlLinearState *state);
extern void mdl_training_fit_gram(MdlTraining *t);	/* the same; fits, measures */
extern void mdl_training_gram_of_set(const MdlTraining *t, const MdlLinearState *state, int set,
									 const ml_gram_source *sources, ml_gram *gram);

/* train_classes_fit.c: the same with sums of each class; not streaming any more if the rows have NULLs to be replaced. */
extern void mdl_training_fit_classes(MdlTraining *t);
extern void mdl_training_set_classes(MdlTraining *t);	/* train_image.c: from the target's dictionary; raises unless there are two or more */
extern void mdl_training_too_many(const MdlTraining *t, int column) pg_attribute_noreturn();	/* categories or classes */

/* Runs an estimator to its end, with interrupts and progress between steps; report may be NULL. */
extern void mdl_training_run_estimator(const ml_ctx *ctx, const ml_estimator *estimator, const double *params,
									   const ml_train_input *input, ml_model *model, ml_report *report);

/* train_score.c: the errors of the model on the holdout, added to the metrics. */
extern void mdl_training_score_holdout(MdlTraining *t);

/* train_memory.c: the same for learners in memory, in two steps, the second of which needs neither snapshot nor transaction. */
extern void mdl_training_read_matrix(MdlTraining *t);
extern void mdl_training_fit_matrix(MdlTraining *t);

/* train_baseline.c: what the model predicts for rows of the sample: (count, width). */
extern double *mdl_training_predict_sample(const MdlTraining *t, const MdlSampleRecord *const *records, uint32 count);

/*
 * train_baseline.c: what monitoring compares with, from a sample of the rows and the exact counts (n_columns).  The
 * predictions for all rows of the sample spare asking the model again; NULL: there are none.
 */
extern void mdl_training_make_baseline(MdlTraining *t, const MdlSampleRecord *const *records, uint32 count,
									   const MdlRowCounts *counts, const double *predictions);

/*
 * train_run.c: a training in three steps, each in the context of the training.  Reading and registering need a
 * transaction and an SPI connection; what takes long with learners in memory, fitting, needs neither.
 */
extern MdlTraining *mdl_training_begin(const MdlTrainRequest *request, MemoryContext parent);
extern void mdl_training_read(MdlTraining *t);
extern void mdl_training_fit(MdlTraining *t);
extern void mdl_training_register(MdlTraining *t, MdlTrainResult *result);
extern void mdl_training_end(MdlTraining *t);	/* frees it, and the result's strings with it */

/* train_run.c: checks what can be checked before anything is read. */
extern void mdl_training_check_request(const MdlTrainRequest *request);

/*
 * train_run.c: pushes the snapshot that training reads with, and returns the version it shows.
 */
extern int64 mdl_training_push_snapshot(void);

/* train_background.c: trains later, in a worker; returns the number of the training. */
extern int64 mdl_train_later(const MdlTrainRequest *request);
extern MDL_EXPORT void mdl_training_task(const char *argument);	/* what the worker runs; argument is the number */

/* train_run.c: {"schema.table": version} of the versioned tables that the source reads. */
extern Jsonb *mdl_training_data_commits(const MdlTraining *t);

/* train_record.c: registers the version, its coefficients, and deploys. */
extern void mdl_training_record(MdlTraining *t, double seconds, MdlTrainResult *result);
extern Jsonb *mdl_training_finish_metrics(MdlTraining *t);

/* Coefficients as they are stored. */
typedef struct MdlCoefficients
{
	int			count;
	Datum	   *classes;		/* text … */
	bool	   *class_nulls;
	Datum	   *features;
	Datum	   *numbers[4];		/* estimate, std_error, statistic, p_value */
	bool	   *number_nulls[4];
} MdlCoefficients;

/* In the current context. */
extern void mdl_training_collect_coefficients(const MdlTraining *t, MdlCoefficients *coefficients);

/* Fills medallion._coefficients from a position on; part 0: the model has none. */
extern void mdl_training_record_coefficients(int64 version_id, int part, int position, MdlCoefficients *coefficients);

#endif							/* MDL_TRAIN_INT_H */
