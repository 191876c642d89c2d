/*
 * sweep_int.h: what the files of sweeps share.
 *
 * Words: a *space* says which values each parameter may take; a *trial* is one choice from it; its *metric* is the mean
 * over the folds of a cross-validation.  The *coordinator* is the process that runs a sweep: it reads the source once
 * into a dataset in shared memory, puts the trials on a *board* beside it, and works on them together with its
 * *helpers*, background workers that see nothing but dataset and board.  Trials are fixed before the first one starts
 * and a score has the same bits in every process, so the number of workers cannot change a result.
 */
#ifndef MDL_SWEEP_INT_H
#define MDL_SWEEP_INT_H

#include "base/base.h"
#include "storage/dsm.h"
#include "train/train.h"

#define MDL_SWEEP_MAX_TRIALS	10000
#define MDL_SWEEP_MAX_WORKERS	64
#define MDL_SWEEP_MAX_FOLDS		100
#define MDL_SWEEP_MAX_ATTEMPTS	3	/* of one trial whose workers die */

/* ---- sweep_space.c ---- */

typedef enum MdlStrategy
{
	MDL_STRATEGY_GRID = 1,
	MDL_STRATEGY_RANDOM
} MdlStrategy;

extern MdlStrategy mdl_sweep_strategy(const char *name);

/*
 * The trials: parameter objects, *count of them.  `requested` 0: all of a grid, 10 random ones.  The same seed gives the
 * same trials.
 */
extern Jsonb **mdl_sweep_trials(Jsonb *space, MdlStrategy strategy, int requested, int64 seed, int *count);

/* ---- sweep_store.c: the rows ---- */

typedef enum MdlTrialState
{
	MDL_TRIAL_WAITING = 0,
	MDL_TRIAL_RUNNING,
	MDL_TRIAL_COMPLETE,
	MDL_TRIAL_FAILED
} MdlTrialState;

typedef struct MdlSweep
{
	int64		id;
	Oid			owner;
	char	   *state;
	char	   *strategy;
	Jsonb	   *space;
	char	   *metric;			/* NULL: the default of the task */
	int			cv;
	int			workers;
	int			starts;
	int64		rows;			/* of the source when the trials ran; -1: not known */
	Jsonb	   *options;
	Jsonb	   *settings;
	MdlTrainRequest request;	/* params NULL */
} MdlSweep;

/* One trial as read from or written to its row. */
typedef struct MdlTrial
{
	int			number;			/* from 1 */
	MdlTrialState state;
	Jsonb	   *params;
	double		metric;
	double	   *fold_metrics;	/* (cv) */
	double		seconds;
	int			worker;
	char	   *error;			/* NULL: none */
} MdlTrial;

/* All run as the extension's owner in the current transaction; ids that do not exist are an error for the user. */
extern int64 mdl_sweep_next_id(void);
extern void mdl_sweep_use_options(MdlSweep *sweep);	/* the request gets what the options say */
extern void mdl_sweep_insert(const MdlSweep *sweep, Jsonb **trials, int count);
extern void mdl_sweep_read(int64 id, MdlSweep *sweep);	/* strings in the current context */
extern void mdl_sweep_require_owner(const MdlSweep *sweep);
extern MdlTrial *mdl_sweep_read_trials(int64 id, int cv, int *count);
extern void mdl_sweep_write_trials(int64 id, const MdlTrial *trials, int count, int cv);
extern void mdl_sweep_set_state(int64 id, const char *state, const char *error);
extern void mdl_sweep_trials_stopped(int64 id); /* those running are waiting again */
extern bool mdl_sweep_is_wanted(int64 id);	/* neither cancelled nor dropped */
extern void mdl_sweep_started(int64 id);
extern void mdl_sweep_data_read(int64 id, int64 rows, const char *metric, bool greater_is_better, bool forget_trials);
extern void mdl_sweep_finished(int64 id, int version);	/* raises if it was cancelled meanwhile, which undoes the version */
extern void mdl_sweep_was_cancelled(int64 id) pg_attribute_noreturn();
extern void mdl_sweep_delete(int64 id);

/* The lock that says who runs a sweep; held by the session until released, or by the transaction. */
extern bool mdl_sweep_lock(int64 id, bool session); /* false: somebody else runs it */
extern void mdl_sweep_unlock(int64 id); /* of the session */

/* ---- sweep_board.c: trials in shared memory ---- */

typedef struct MdlBoard MdlBoard;

/* For the coordinator.  Trials that are complete or failed are not done again. */
extern MdlBoard *mdl_board_create(MdlDataset *dataset, int cv, const char *metric, const MdlTrial *trials, int count);
extern dsm_handle mdl_board_handle(const MdlBoard *board);
extern void mdl_board_close(MdlBoard *board);	/* stops the helpers; NULL allowed */

/*
 * Takes a waiting trial and works on it; false when there is none to take.  An error of the trial is recorded as its
 * failure; interrupts are not caught.  `between` (may be NULL) is called after each fold with its argument.
 */
extern bool mdl_board_work(MdlBoard *board, MdlDataset *dataset, int worker, void (*between) (void *), void *argument);

/* Copies what has changed since the last call into the trials and returns how many; changed[] gets their indexes. */
extern int	mdl_board_collect(MdlBoard *board, MdlTrial *trials, int *changed);

/* Gives back what a worker that died was working on: to be done again, or failed after too many attempts. */
extern void mdl_board_give_back(MdlBoard *board, int worker);

extern bool mdl_board_is_done(const MdlBoard *board);	/* no trial is waiting or running */

/* What a helper process runs; `argument` is "board-handle worker". */
extern MDL_EXPORT void mdl_sweep_help(const char *argument);

/* ---- sweep_run.c ---- */

/* Runs a sweep in this process; background: in transactions of its own, else in the current one. */
extern void mdl_sweep_run(int64 id, bool background);

/* What a coordinator process runs; `argument` is the sweep's id. */
extern MDL_EXPORT void mdl_sweep_task(const char *argument);

#endif							/* MDL_SWEEP_INT_H */
