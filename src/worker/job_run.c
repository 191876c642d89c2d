/*
 * job_run.c: one run of a job in its worker, and the kind of job that runs SQL.
 */
#include "worker/worker_int.h"

#include "access/xact.h"
#include "base/progress.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

BackgroundWorkerHandle *
mdl_run_launch(const DueRun *run, bool after_commit, bool missing_ok)
{
	char	   *argument = psprintf(INT64_FORMAT, run->run);
	char	   *title = psprintf("medallion job " INT64_FORMAT ": %s %s", run->job, run->kind, run->name);
	BackgroundWorkerHandle *handle;
	MemoryContext old;

	if (!OidIsValid(run->owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", the owner of job " INT64_FORMAT ", does not exist", run->owner_name, run->job)));
	old = MemoryContextSwitchTo(TopMemoryContext);
	handle = (after_commit ? mdl_task_launch_after_commit : mdl_task_launch)
		(MDL_LIBRARY_CORE, "mdl_job_run", argument, run->owner, title, missing_ok);
	MemoryContextSwitchTo(old);
	return handle;
}

static void
begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* A transaction for the records, whatever the owner's role has set as default. */
static void
begin_record(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	(void) mdl_extension_hold();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
}

/* Runs the function of the job's kind; raises whatever it raises. */
static void
run_kind(const char *kind_name, int64 job)
{
	const MdlJobKind *kind = mdl_job_kind(kind_name);
	MdlTaskFunction function;

	if (kind == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("this version of medallion has no kind of job \"%s\"", kind_name)));
	function = (MdlTaskFunction) (void *) mdl_library_function(kind->library, kind->function);
	function(psprintf(INT64_FORMAT, job));
	if (IsTransactionOrTransactionBlock())
		elog(ERROR, "job left a transaction open");
}

/* A task: runs the job of a run in state starting and records what came of it. */
void
mdl_job_run(const char *argument)
{
	int64		run = pg_strtoint64(argument);
	MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "medallion job", ALLOCSET_DEFAULT_SIZES);
	MdlJob		job = {0};
	ErrorData  *volatile error = NULL;
	int64		id;
	bool		begun;

	mdl_run_started(run);
	begin_record();
	begun = mdl_run_begin(run, &id);
	if (begun)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		begun = mdl_job_read(id, &job);
		MemoryContextSwitchTo(old);
	}
	end_transaction();
	if (!begun)
		return;					/* taken back or dropped before it began */

	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		run_kind(job.kind, id);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();

	begin_record();
	if (error != NULL)
		mdl_run_failed(run, error->sqlerrcode, mdl_describe_error(error));
	else
		mdl_run_succeeded(run);
	end_transaction();
}

/* The kind 'sql': runs the command in the job's argument in one transaction, as the job's owner. */
void
mdl_job_sql(const char *argument)
{
	MdlJob		job;
	char	   *command = NULL;
	int			code;

	begin_transaction();
	if (!mdl_job_read(pg_strtoint64(argument), &job))
	{
		end_transaction();
		return;
	}
	mdl_jsonb_text(job.argument, "argument", "command", &command);
	if (command == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("job \"%s\" has no command", job.name)));
	debug_query_string = command;
	pgstat_report_activity(STATE_RUNNING, command);
	mdl_progress_begin("job", job.name);
	SPI_connect();
	code = SPI_execute(command, false, 0);
	if (code < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("job \"%s\" cannot run this command in a transaction: %s", job.name, SPI_result_code_string(code))));
	SPI_finish();
	mdl_progress_end();
	end_transaction();
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
}
