/*
 * sweep_run.c: the coordinator of a sweep.
 *
 * In the background it works in transactions of its own, none longer than reading the source or training the best, and
 * writes trials as they finish; what it has written is kept whatever happens to it.  In the foreground it works in the
 * caller's transaction: all of it or nothing.  Both read the source themselves and work on trials beside their helpers,
 * so a sweep does not depend on free worker slots.
 */
#include "train/sweep_int.h"

#include <math.h>

#include "access/xact.h"
#include "base/background.h"
#include "base/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "registry/registry.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define WRITE_EVERY_MS 200		/* rows of trials in the background */

typedef struct SweepRun
{
	MdlSweep	sweep;
	bool		background;
	MemoryContext context;		/* of all this */
	MdlDataset *dataset;
	MdlBoard   *board;
	MdlTrial   *trials;
	int			count;
	int		   *changed;
	const char *metric;
	bool		greater_is_better;
	int			n_helpers;
	BackgroundWorkerHandle *helpers[MDL_SWEEP_MAX_WORKERS];
	TimestampTz written;
} SweepRun;

static void
begin(SweepRun *run)
{
	if (!run->background)
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(run->context);
}

static void
commit(SweepRun *run)
{
	if (!run->background)
		return;
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(run->context);
}

/* The trial with the best metric, the first of equal ones; -1 when none is complete. */
static int
best_trial(const SweepRun *run)
{
	int			best = -1;

	for (int t = 0; t < run->count; t++)
	{
		if (run->trials[t].state != MDL_TRIAL_COMPLETE)
			continue;
		if (best < 0 || (run->greater_is_better ? run->trials[t].metric > run->trials[best].metric
						 : run->trials[t].metric < run->trials[best].metric))
			best = t;
	}
	return best;
}

static void
show_progress(const SweepRun *run)
{
	int64		done = 0;
	int			best = best_trial(run);

	for (int t = 0; t < run->count; t++)
		done += run->trials[t].state == MDL_TRIAL_COMPLETE || run->trials[t].state == MDL_TRIAL_FAILED;
	mdl_progress_update(done);
	if (best >= 0)
		mdl_progress_metric(run->trials[best].metric);
}

/* Writes what changed on the board to the rows; in the background also sees whether the sweep was cancelled. */
static void
write_changes(SweepRun *run, bool at_once)
{
	int			n;
	MdlTrial   *rows;

	if (!at_once && !TimestampDifferenceExceeds(run->written, GetCurrentTimestamp(), WRITE_EVERY_MS))
		return;
	run->written = GetCurrentTimestamp();
	if (run->background)
		(void) mdl_extension_hold();
	n = mdl_board_collect(run->board, run->trials, run->changed);
	rows = palloc(sizeof(MdlTrial) * Max(n, 1));
	for (int i = 0; i < n; i++)
		rows[i] = run->trials[run->changed[i]];
	mdl_sweep_write_trials(run->sweep.id, rows, n, run->sweep.cv);
	pfree(rows);
	show_progress(run);
	if (run->background && !mdl_sweep_is_wanted(run->sweep.id))
		mdl_sweep_was_cancelled(run->sweep.id);
}

/* Reads the source into the dataset; trials of an earlier start are forgotten when the source has changed since. */
static void
read_data(SweepRun *run)
{
	MdlTrainRequest request = run->sweep.request;
	int64		rows;
	bool		forget;

	mdl_progress_phase("reading", -1);
	/* Columns that parameters name, and the task, are the same in all trials. */
	run->trials = mdl_sweep_read_trials(run->sweep.id, run->sweep.cv, &run->count);
	request.params = mdl_params_of_reading(request.algorithm, run->trials[0].params);
	run->dataset = mdl_dataset_read(&request, run->sweep.cv);
	mdl_model_check_new(run->sweep.request.model, ml_task_name(mdl_dataset_task(run->dataset)));
	rows = mdl_dataset_rows(run->dataset);
	run->metric = mdl_dataset_metric(run->dataset, run->sweep.metric, &run->greater_is_better);
	forget = run->sweep.rows >= 0 && run->sweep.rows != rows;
	mdl_sweep_data_read(run->sweep.id, rows, run->metric, run->greater_is_better, forget);
	run->trials = mdl_sweep_read_trials(run->sweep.id, run->sweep.cv, &run->count);
	run->changed = palloc(sizeof(int) * Max(run->count, 1));
	for (int t = 0; t < run->count; t++)
		if (run->trials[t].state == MDL_TRIAL_FAILED)
			run->trials[t].state = MDL_TRIAL_WAITING;	/* a resumed sweep tries again */
	run->board = mdl_board_create(run->dataset, run->sweep.cv, run->metric, run->trials, run->count);
	mdl_progress_phase("trials", run->count);
}

static void
start_helpers(SweepRun *run)
{
	int			wanted = Min(run->sweep.workers, run->count) - 1;

	for (int i = 0; i < wanted; i++)
	{
		BackgroundWorkerHandle *handle;

		handle = mdl_task_launch(MDL_LIBRARY_ML, "mdl_sweep_help", psprintf("%u %d", mdl_board_handle(run->board), i + 1),
								 run->sweep.owner, psprintf("medallion sweep of %s", run->sweep.request.model), true);
		if (handle == NULL)
			break;				/* no slot: the others do the work */
		run->helpers[run->n_helpers++] = handle;
	}
}

/* Gives back the trials of helpers that have ended, which they only do with a trial in hand when something went wrong. */
static void
look_after_helpers(SweepRun *run)
{
	for (int i = 0; i < run->n_helpers; i++)
	{
		pid_t		pid;

		if (run->helpers[i] != NULL && GetBackgroundWorkerPid(run->helpers[i], &pid) == BGWH_STOPPED)
		{
			mdl_board_give_back(run->board, i + 1);
			run->helpers[i] = NULL;
		}
	}
}

static void
between_folds(void *argument)
{
	SweepRun   *run = argument;

	/* Inside a subtransaction nothing is written, but progress may move on. */
	if (TimestampDifferenceExceeds(run->written, GetCurrentTimestamp(), WRITE_EVERY_MS))
		show_progress(run);
}

/* Works until every trial has ended, here or in a helper. */
static void
do_trials(SweepRun *run)
{
	begin(run);
	start_helpers(run);
	commit(run);
	while (!mdl_board_is_done(run->board))
	{
		bool		worked;

		CHECK_FOR_INTERRUPTS();
		begin(run);
		worked = mdl_board_work(run->board, run->dataset, 0, between_folds, run);
		look_after_helpers(run);
		if (run->background)
			write_changes(run, false);
		else
		{
			(void) mdl_board_collect(run->board, run->trials, run->changed);
			show_progress(run);
		}
		commit(run);
		if (!worked && !mdl_board_is_done(run->board))
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
	}
}

/* Trains the best on all rows and registers it. */
static void
refit(SweepRun *run)
{
	int			best = best_trial(run);
	MdlTrainRequest request = run->sweep.request;
	MdlTrainResult result;

	if (best < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("no trial of sweep " INT64_FORMAT " gave a metric", run->sweep.id),
				 run->count > 0 && run->trials[0].error ? errdetail("Trial 1: %s.", run->trials[0].error) : 0));
	mdl_progress_phase("training the best", -1);
	request.params = run->trials[best].params;
	mdl_train(&request, &result);
	mdl_sweep_finished(run->sweep.id, result.version);
}

/* Frees the shared memory and stops the helpers. */
static void
close_run(SweepRun *run)
{
	mdl_board_close(run->board);
	run->board = NULL;
	for (int i = 0; i < run->n_helpers; i++)
		if (run->helpers[i] != NULL)
			TerminateBackgroundWorker(run->helpers[i]);
	run->n_helpers = 0;
	if (run->dataset != NULL)
		mdl_dataset_close(run->dataset);
	run->dataset = NULL;
}

static pg_noinline void
all_steps(SweepRun *run)
{
	begin(run);
	mdl_sweep_started(run->sweep.id);
	mdl_sweep_trials_stopped(run->sweep.id);
	commit(run);

	begin(run);
	read_data(run);
	commit(run);

	do_trials(run);

	begin(run);
	if (run->background)
		write_changes(run, true);
	else
	{
		/* What a helper finished after our last look. */
		(void) mdl_board_collect(run->board, run->trials, run->changed);
		mdl_sweep_write_trials(run->sweep.id, run->trials, run->count, run->sweep.cv);
	}
	commit(run);

	begin(run);
	refit(run);
	commit(run);
}

static void
close_at_exit(int code, Datum argument)
{
	mdl_board_close(((SweepRun *) DatumGetPointer(argument))->board);
}

/* Records why a background sweep ended; a cancellation was recorded by who asked for it. */
static void
record_failure(SweepRun *run, const ErrorData *error)
{
	begin(run);
	if (!mdl_extension_hold())
	{
		commit(run);
		return;
	}
	mdl_sweep_trials_stopped(run->sweep.id);
	if (mdl_sweep_is_wanted(run->sweep.id))
		mdl_sweep_set_state(run->sweep.id, "failed", error->detail == NULL ? error->message
							: psprintf("%s; %s", error->message, error->detail));
	commit(run);
}

static void
run_background(SweepRun *run)
{
	/* Names and dates in a query mean what they meant to the session that asked. */
	begin(run);
	mdl_settings_use(run->sweep.settings);
	commit(run);
	PG_ENSURE_ERROR_CLEANUP(close_at_exit, PointerGetDatum(run));
	{
		PG_TRY();
		{
			all_steps(run);
		}
		PG_CATCH();
		{
			ErrorData  *error;

			MemoryContextSwitchTo(run->context);
			error = CopyErrorData();
			EmitErrorReport();
			FlushErrorState();
			AbortCurrentTransaction();
			close_run(run);
			record_failure(run, error);
		}
		PG_END_TRY();
	}
	PG_END_ENSURE_ERROR_CLEANUP(close_at_exit, PointerGetDatum(run));
	close_run(run);
}

static void
run_foreground(SweepRun *run)
{
	PG_TRY();
	{
		all_steps(run);
	}
	PG_CATCH();
	{
		close_run(run);
		PG_RE_THROW();
	}
	PG_END_TRY();
	close_run(run);
}

/* Takes the sweep's lock.  In the background the session that asked for us may still be letting go of it. */
static bool
take_lock(int64 id, bool background)
{
	for (int attempt = 0; !mdl_sweep_lock(id, background); attempt++)
	{
		if (!background)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("sweep " INT64_FORMAT " is running already", id)));
		if (attempt == 20)
			return false;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(100 * 1000);
	}
	return true;
}

void
mdl_sweep_run(int64 id, bool background)
{
	SweepRun   *run;
	MemoryContext context = AllocSetContextCreate(background ? TopMemoryContext : CurrentMemoryContext,
												  "medallion sweep", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	run = palloc0(sizeof(SweepRun));
	run->background = background;
	run->context = context;
	if (!take_lock(id, background))
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return;					/* somebody else runs it */
	}
	begin(run);
	mdl_sweep_read(id, &run->sweep);
	commit(run);
	if (strcmp(run->sweep.state, "queued") == 0 || strcmp(run->sweep.state, "running") == 0)
	{
		mdl_progress_begin("sweep", run->sweep.request.model);
		if (background)
			run_background(run);
		else
			run_foreground(run);
		mdl_progress_end();
	}
	if (background)
		mdl_sweep_unlock(id);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
mdl_sweep_task(const char *argument)
{
	mdl_sweep_run(strtoll(argument, NULL, 10), true);
}
