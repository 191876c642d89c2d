/*
 * sweep_board.c: the trials of a running sweep in shared memory.
 *
 * One segment: a header, an entry per trial, the fold metrics, the parameters as jsonb.  A worker takes a trial by
 * changing its state from waiting to running (compare and swap), writes its result and then the new state; nobody else
 * writes to an entry meanwhile.  The coordinator's latch is set after each trial.  Helpers end when there is nothing to
 * take, when the board is closed, or when the coordinator's process is gone.
 */
#include "train/sweep_int.h"

#include <math.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define BOARD_MAGIC 0x6d646273
#define ERROR_SIZE 240

typedef struct BoardEntry
{
	pg_atomic_uint32 state;		/* MdlTrialState */
	int32		worker;
	int32		attempts;
	uint32		params;			/* offset of the jsonb in the segment */
	double		metric;
	double		seconds;
	char		error[ERROR_SIZE];
} BoardEntry;

typedef struct BoardHeader
{
	uint32		magic;
	int32		count;
	int32		cv;
	dsm_handle	dataset;
	int32		coordinator_pid;
	int32		coordinator_proc;	/* index into ProcGlobal->allProcs */
	uint32		folds_offset;	/* double[count][cv] */
	int32		train_mem;		/* the coordinator's settings: what it can train its helpers can … */
	int32		train_threads;	/* … in the same way */
	pg_atomic_uint32 closed;
	char		metric[32];
	BoardEntry	entries[FLEXIBLE_ARRAY_MEMBER];
} BoardHeader;

struct MdlBoard
{
	dsm_segment *segment;
	BoardHeader *header;
	uint32	   *seen;			/* (count) state at the last collection; coordinator only */
};

static inline double *
folds_of(BoardHeader *header, int trial)
{
	return (double *) ((char *) header + header->folds_offset) + (Size) trial * header->cv;
}

MdlBoard *
mdl_board_create(MdlDataset *dataset, int cv, const char *metric, const MdlTrial *trials, int count)
{
	Size		folds = MAXALIGN(offsetof(BoardHeader, entries) + sizeof(BoardEntry) * count);
	Size		params = folds + MAXALIGN(sizeof(double) * count * cv);
	Size		size = params;
	MdlBoard   *board = palloc0(sizeof(MdlBoard));
	BoardHeader *header;

	for (int t = 0; t < count; t++)
		size += MAXALIGN(VARSIZE(trials[t].params));
	if (size > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the trials of the sweep take more than 2 GB")));
	board->segment = dsm_create(size, 0);
	dsm_pin_mapping(board->segment);
	board->header = header = dsm_segment_address(board->segment);
	board->seen = palloc0(sizeof(uint32) * Max(count, 1));
	header->count = count;
	header->cv = cv;
	header->dataset = mdl_dataset_handle(dataset);
	header->coordinator_pid = MyProcPid;
	header->coordinator_proc = MyProc->pgprocno;
	header->folds_offset = (uint32) folds;
	header->train_mem = mdl_train_mem;
	header->train_threads = mdl_train_threads;
	pg_atomic_init_u32(&header->closed, 0);
	strlcpy(header->metric, metric, sizeof(header->metric));
	for (int t = 0; t < count; t++)
	{
		BoardEntry *entry = &header->entries[t];

		pg_atomic_init_u32(&entry->state, trials[t].state);
		board->seen[t] = trials[t].state;
		entry->worker = -1;
		entry->attempts = 0;
		entry->error[0] = '\0';
		entry->params = (uint32) params;
		memcpy((char *) header + params, trials[t].params, VARSIZE(trials[t].params));
		params += MAXALIGN(VARSIZE(trials[t].params));
	}
	pg_write_barrier();
	header->magic = BOARD_MAGIC;
	return board;
}

dsm_handle
mdl_board_handle(const MdlBoard *board)
{
	return dsm_segment_handle(board->segment);
}

void
mdl_board_close(MdlBoard *board)
{
	if (board == NULL || board->segment == NULL)
		return;
	pg_atomic_write_u32(&board->header->closed, 1);
	dsm_detach(board->segment);
	board->segment = NULL;
}

/* Trains on all folds but one, for each, and averages; NaN in a fold is an error that names it. */
static double
score_folds(BoardHeader *header, MdlDataset *dataset, int trial, Jsonb *params, void (*between) (void *), void *argument)
{
	double	   *folds = folds_of(header, trial);
	double		sum = 0;

	for (int fold = 0; fold < header->cv; fold++)
		folds[fold] = NAN;
	for (int fold = 0; fold < header->cv; fold++)
	{
		CHECK_FOR_INTERRUPTS();
		folds[fold] = mdl_dataset_score(dataset, params, fold, header->metric);
		if (isnan(folds[fold]))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("metric \"%s\" is not defined in fold %d", header->metric, fold + 1),
					 errhint("Use fewer folds, more rows, or where the target has classes folds => '{\"stratify\": true}'.")));
		sum += folds[fold];
		if (between != NULL && fold + 1 < header->cv)
			between(argument);
	}
	return sum / header->cv;
}

typedef struct TrialScore
{
	BoardHeader *header;
	MdlDataset *dataset;
	int			trial;
	void		(*between) (void *);
	void	   *argument;
} TrialScore;

static void
score_trial(void *argument)
{
	TrialScore *score = argument;
	BoardEntry *entry = &score->header->entries[score->trial];

	entry->metric = score_folds(score->header, score->dataset, score->trial, (Jsonb *) ((char *) score->header + entry->params),
								score->between, score->argument);
}

/* Scores a trial in a subtransaction, so that its error is the trial's alone; false when there was one. */
static bool
try_trial(BoardHeader *header, MdlDataset *dataset, int trial, void (*between) (void *), void *argument)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "medallion trial", ALLOCSET_DEFAULT_SIZES);
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = mdl_try(score_trial, &(TrialScore) {header, dataset, trial, between, argument});
	if (error != NULL)
	{
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			ReThrowError(error);
		strlcpy(header->entries[trial].error, error->message, sizeof(header->entries[trial].error));
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return error == NULL;
}

/* Makes a waiting trial ours; -1 when there is none. */
static int
take_trial(BoardHeader *header, int worker)
{
	for (int t = 0; t < header->count; t++)
	{
		uint32		expected = MDL_TRIAL_WAITING;

		if (pg_atomic_compare_exchange_u32(&header->entries[t].state, &expected, MDL_TRIAL_RUNNING))
		{
			header->entries[t].worker = worker;
			header->entries[t].attempts++;
			return t;
		}
	}
	return -1;
}

/* Scores our trial and says so on the board; gives it back when this process is interrupted. */
static void
work_on(BoardHeader *header, MdlDataset *dataset, int trial, void (*between) (void *), void *argument)
{
	BoardEntry *entry = &header->entries[trial];
	instr_time	start,
				elapsed;

	INSTR_TIME_SET_CURRENT(start);
	PG_TRY();
	{
		bool		fine = try_trial(header, dataset, trial, between, argument);

		INSTR_TIME_SET_CURRENT(elapsed);
		INSTR_TIME_SUBTRACT(elapsed, start);
		entry->seconds = INSTR_TIME_GET_DOUBLE(elapsed);
		pg_write_barrier();
		pg_atomic_write_u32(&entry->state, fine ? MDL_TRIAL_COMPLETE : MDL_TRIAL_FAILED);
	}
	PG_CATCH();
	{
		pg_atomic_write_u32(&entry->state, MDL_TRIAL_WAITING);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

bool
mdl_board_work(MdlBoard *board, MdlDataset *dataset, int worker, void (*between) (void *), void *argument)
{
	int			trial = take_trial(board->header, worker);

	if (trial >= 0)
		work_on(board->header, dataset, trial, between, argument);
	return trial >= 0;
}

int
mdl_board_collect(MdlBoard *board, MdlTrial *trials, int *changed)
{
	BoardHeader *header = board->header;
	int			n = 0;

	for (int t = 0; t < header->count; t++)
	{
		BoardEntry *entry = &header->entries[t];
		uint32		state = pg_atomic_read_u32(&entry->state);

		if (state == board->seen[t])
			continue;
		pg_read_barrier();
		board->seen[t] = state;
		trials[t].state = (MdlTrialState) state;
		trials[t].worker = entry->worker;
		if (state == MDL_TRIAL_COMPLETE || state == MDL_TRIAL_FAILED)
		{
			trials[t].metric = state == MDL_TRIAL_COMPLETE ? entry->metric : NAN;
			trials[t].seconds = entry->seconds;
			trials[t].error = state == MDL_TRIAL_FAILED ? pstrdup(entry->error) : NULL;
			memcpy(trials[t].fold_metrics, folds_of(header, t), sizeof(double) * header->cv);
		}
		changed[n++] = t;
	}
	return n;
}

void
mdl_board_give_back(MdlBoard *board, int worker)
{
	for (int t = 0; t < board->header->count; t++)
	{
		BoardEntry *entry = &board->header->entries[t];

		if (pg_atomic_read_u32(&entry->state) != MDL_TRIAL_RUNNING || entry->worker != worker)
			continue;
		if (entry->attempts < MDL_SWEEP_MAX_ATTEMPTS)
			pg_atomic_write_u32(&entry->state, MDL_TRIAL_WAITING);
		else
		{
			snprintf(entry->error, sizeof(entry->error), "the worker process ended in each of %d attempts", entry->attempts);
			for (int k = 0; k < board->header->cv; k++)
				folds_of(board->header, t)[k] = NAN;
			entry->seconds = 0;
			pg_write_barrier();
			pg_atomic_write_u32(&entry->state, MDL_TRIAL_FAILED);
		}
	}
}

bool
mdl_board_is_done(const MdlBoard *board)
{
	for (int t = 0; t < board->header->count; t++)
	{
		uint32		state = pg_atomic_read_u32(&board->header->entries[t].state);

		if (state == MDL_TRIAL_WAITING || state == MDL_TRIAL_RUNNING)
			return false;
	}
	return true;
}

/* ---- helpers ------------------------------------------------------------------------------------------------- */

/* Ends the process when the sweep has ended without it. */
static void
check_coordinator(void *argument)
{
	BoardHeader *header = argument;

	if (pg_atomic_read_u32(&header->closed) != 0 || BackendPidGetProc(header->coordinator_pid) == NULL)
	{
		ereport(DEBUG1, (errmsg("the sweep has ended")));
		proc_exit(0);
	}
}

void
mdl_sweep_help(const char *argument)
{
	MdlBoard	board = {0};
	MdlDataset *dataset;
	BoardHeader *header;
	unsigned	handle;
	int			worker;

	if (sscanf(argument, "%u %d", &handle, &worker) != 2)
		elog(ERROR, "a helper of a sweep got \"%s\"", argument);
	StartTransactionCommand();
	board.segment = dsm_attach(handle);
	if (board.segment == NULL)
	{
		CommitTransactionCommand();
		return;					/* the sweep ended before we started */
	}
	dsm_pin_mapping(board.segment);
	board.header = header = dsm_segment_address(board.segment);
	if (header->magic != BOARD_MAGIC)
		elog(ERROR, "the shared memory of a sweep is not a board");
	check_coordinator(header);
	dataset = mdl_dataset_attach(header->dataset);
	if (dataset == NULL)
	{
		CommitTransactionCommand();
		return;
	}
	SetConfigOption("medallion.train_mem", psprintf("%d", header->train_mem), PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("medallion.train_threads", psprintf("%d", header->train_threads), PGC_USERSET, PGC_S_SESSION);
	while (mdl_board_work(&board, dataset, worker, check_coordinator, header))
	{
		SetLatch(&ProcGlobal->allProcs[header->coordinator_proc].procLatch);
		check_coordinator(header);
	}
	mdl_dataset_close(dataset);
	dsm_detach(board.segment);
	CommitTransactionCommand();
}
