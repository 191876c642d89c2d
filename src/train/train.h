/*
 * train.h: training, for sweeps, jobs and whoever trains from C.
 *
 * Words: a *request* is what train() was asked for; a *dataset* is what one scan of its source left: for the linear
 * family one set of sufficient statistics per fold, for in-memory learners the matrix.  A dataset lies in one dynamic
 * shared memory segment, so that background workers attach to it by handle and nobody reads the source twice.  The fold
 * of a row follows from the seed and the rows' content, so it does not depend on the plan, the workers or the order.
 */
#ifndef MDL_TRAIN_H
#define MDL_TRAIN_H

#include "base/base.h"
#include "ml/ml_model.h"
#include "storage/dsm_impl.h"

/* ---- train_ctx.c: the numeric library inside a backend -------------------------------------------------------- */

/* A context over a memory context: NULL instead of errors, beyond 1 GB, everything freed with it. */
extern ml_ctx mdl_ml_ctx(MemoryContext memory, uint64 seed);

extern void *mdl_train_alloc_large(MemoryContext memory, Size size);

/* Raises the error of a failed call. */
extern void mdl_ml_raise(ml_status status, const ml_error *err) pg_attribute_noreturn();

/* How many threads a computation of this session may use. */
extern int	mdl_training_threads(void);

/* train_settings.c: the session's settings that matter to work in the background; to be used there within a transaction. */
extern Jsonb *mdl_settings_jsonb(void);
extern void mdl_settings_use(Jsonb *object);

/* ---- training ---------------------------------------------------------------------------------------------------- */

typedef struct MdlTrainRequest
{
	const char *model;			/* name in the registry; may be NULL for datasets */
	const char *source;			/* table, view or query text; read as the current user */
	const char *told_source;	/* what errors call it; NULL: the same */
	const char *target;			/* column */
	const char *algorithm;
	Jsonb	   *params;			/* NULL: defaults */
	int			n_features;		/* -1: every column but target, exclude, weight */
	const char *const *features;
	int			n_exclude;
	const char *const *exclude;
	Jsonb	   *preprocess;		/* NULL: defaults */
	Jsonb	   *validation;		/* NULL: no holdout */
	Jsonb	   *folds;			/* how a dataset is divided; NULL: by key */
	const char *weight;			/* column or NULL */
	int			n_partition;	/* 0: one model for all rows */
	const char *const *partition;	/* columns: a model for each group of rows that are equal in them */
	int64		seed;
	bool		reproducible;
	const char *deploy;			/* NULL, "always", "if_better" */
	int64		sweep_id;		/* recorded as the parent sweep; 0: none */
} MdlTrainRequest;

typedef struct MdlTrainResult
{
	const char *model;
	int			version;
	const char *algorithm;
	int64		rows;			/* trained on, without the holdout */
	double		seconds;
	Jsonb	   *metrics;
} MdlTrainResult;

/*
 * Trains, registers and, if asked, deploys: what medallion.train() does.  Runs in the caller's transaction; an error
 * leaves nothing behind.
 */
extern MDL_EXPORT void mdl_train(const MdlTrainRequest *request, MdlTrainResult *result);

/* Raises invalid_parameter_value for an algorithm, parameter or value that does not exist, naming what does. */
extern MDL_EXPORT void mdl_train_check_params(const char *algorithm, Jsonb *params);

/* The parameters that reading the source depends on (names of columns, the task), alone; and raises unless two are the same in these. */
extern Jsonb *mdl_params_of_reading(const char *algorithm, Jsonb *params);
extern void mdl_params_check_reading(const char *algorithm, Jsonb *first, Jsonb *params);

/* ---- datasets: cross-validation without reading the source again ---------------------------------------------- */

typedef struct MdlDataset MdlDataset;

/*
 * Reads the request's source once, divided into `folds` folds (at least 2).  The segment is pinned to the session that
 * made it and goes with mdl_dataset_close or the session's end.
 */
extern MDL_EXPORT MdlDataset *mdl_dataset_read(const MdlTrainRequest *request, int folds);

/* Raises what reading it and scoring by the metric (NULL: the default) will raise, as far as that is known before a row is read. */
extern MDL_EXPORT void mdl_dataset_check_algorithm(const char *algorithm);	/* that it exists and has a target */
extern MDL_EXPORT void mdl_dataset_check(const MdlTrainRequest *request, int folds, const char *metric);
extern MDL_EXPORT dsm_handle mdl_dataset_handle(const MdlDataset *dataset);

/* Attaches in another process; NULL when the segment is gone (the process that made it ended). */
extern MDL_EXPORT MdlDataset *mdl_dataset_attach(dsm_handle handle);
extern MDL_EXPORT void mdl_dataset_close(MdlDataset *dataset);

extern MDL_EXPORT int mdl_dataset_folds(const MdlDataset *dataset);
extern MDL_EXPORT int64 mdl_dataset_rows(const MdlDataset *dataset);
extern MDL_EXPORT ml_task mdl_dataset_task(const MdlDataset *dataset);

/*
 * Whether `metric` can be computed for this dataset and which way is better.  The linear family is scored from
 * statistics: r2, mse, rmse.  Logistic: accuracy, log_loss, roc_auc, brier, f1, precision, recall.  NULL: the default
 * (r2; roc_auc), whose name is returned.  An unknown metric is an error that names the known ones.
 */
extern MDL_EXPORT const char *mdl_dataset_metric(const MdlDataset *dataset, const char *metric,
												 bool *greater_is_better);

/*
 * Trains with `params` on all folds but `fold` and returns the metric on `fold`.  The same bits in every process.  Checks
 * for interrupts at least every 100 ms.  NaN when the metric is not defined there (one class in the fold).
 */
extern MDL_EXPORT double mdl_dataset_score(MdlDataset *dataset, Jsonb *params, int fold, const char *metric);

#endif							/* MDL_TRAIN_H */
