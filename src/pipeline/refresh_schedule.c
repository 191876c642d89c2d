/*
 * refresh_schedule.c: tables that are refreshed by themselves.
 *
 * A table that is to be refreshed by schedule, or to be no older than its target_lag, has a job of kind 'refresh', which does
 * what medallion.refresh of it does, as the owner of the table.  The scheduler (src/worker) runs it: there, failures back off
 * and what a crash interrupts is tried again.  A table whose target_lag is 'downstream' has no job: it is refreshed with
 * those that read it.
 */
#include "pipeline/definition_int.h"
#include "pipeline/pipeline.h"
#include "pipeline/refresh_int.h"
#include "base/background.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define REFRESH_JOB "refresh"

extern MDL_EXPORT void mdl_refresh_job(const char *job);

/* ---- what is declared ------------------------------------------------------------------------------------------- */

void
mdl_schedule_read_lag(DerivedTable *table, const char *target_lag)
{
	Interval	none = {0, 0, 0};

	if (target_lag == NULL)
		return;
	table->downstream = pg_strcasecmp(target_lag, "downstream") == 0;
	table->target_lag = NULL;
	if (table->downstream)
		return;
	table->target_lag = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(target_lag),
															  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (!DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(table->target_lag), IntervalPGetDatum(&none))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target_lag must be longer than zero, but is %s",
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(table->target_lag))))));
}

static bool
has_times_of_the_clock(int64 job)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	bool		found;

	mdl_arg_int8(&args, job);
	mdl_owner_begin(&saved);
	found = mdl_run("SELECT FROM medallion._jobs WHERE id OPERATOR(pg_catalog.=) $1 AND schedule IS NOT NULL", &args, false) > 0;
	mdl_owner_end(&saved);
	return found;
}

/* Workers run as the owner, for which that role must be one that can connect. */
static void
warn_of_login(const DerivedTable *table)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(mdl_relation_owner(table->target)));
	Form_pg_authid role;

	if (!HeapTupleIsValid(tuple))
		return;
	role = (Form_pg_authid) GETSTRUCT(tuple);
	if (!role->rolcanlogin)
		ereport(WARNING,
				(errmsg("\"%s\" will not be refreshed by itself: its owner \"%s\" is not permitted to log in",
						mdl_display_name(table->target), NameStr(role->rolname)),
				 errhint("Use ALTER ROLE … LOGIN, or give the table to another role.")));
	ReleaseSysCache(tuple);
}

void
mdl_schedule_apply(const DerivedTable *table, char *schedule, char *time_zone, bool anew)
{
	MdlSchedule wanted = {.schedule = schedule, .time_zone = time_zone, .first_run = DT_NOBEGIN};

	if (schedule == NULL && time_zone != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"time_zone\" says nothing without argument \"schedule\"")));
	if (schedule != NULL)
		mdl_require_scheduler(psprintf("the schedule of \"%s\"", mdl_display_name(table->target)));
	else if (!anew && has_times_of_the_clock(mdl_job_find_target(REFRESH_JOB, table->target)))
		return;
	else if (table->target_lag != NULL)
	{
		wanted.every = table->target_lag;
		wanted.is_lag = true;
	}
	else
	{
		mdl_job_forget_target(table->target);
		return;
	}
	warn_of_login(table);
	mdl_job_of_target(REFRESH_JOB, table->target, &wanted);
}

/* ---- SQL -------------------------------------------------------------------------------------------------------- */

MDL_FUNCTION(mdl_schedule_refresh);
Datum
mdl_schedule_refresh(PG_FUNCTION_ARGS)
{
	char	   *name = mdl_required_text(fcinfo, 0, "target");
	char	   *target_lag = mdl_optional_text(fcinfo, 1);
	char	   *schedule = mdl_optional_text(fcinfo, 2);
	DerivedTable *table;

	SPI_connect();
	table = mdl_kept_owned_table(name);
	if (target_lag == NULL && schedule == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("neither target_lag nor schedule is given for \"%s\"", mdl_display_name(table->target)),
				 errhint("Give one of them, or use medallion.unschedule_refresh.")));
	mdl_require_scheduler(psprintf("the schedule of \"%s\"", mdl_display_name(table->target)));
	mdl_schedule_read_lag(table, target_lag);
	if (target_lag != NULL && table->keeper == NULL)
		mdl_pipeline_table_change_lag(table);
	mdl_schedule_apply(table, schedule, mdl_optional_text(fcinfo, 3), true);
	SPI_finish();
	PG_RETURN_VOID();
}

/* The job of the table; an error if it has none. */
static int64
own_job(FunctionCallInfo fcinfo)
{
	DerivedTable *table = mdl_kept_owned_table(mdl_required_text(fcinfo, 0, "target"));
	int64		job = mdl_job_find_target(REFRESH_JOB, table->target);

	if (job == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not refreshed by schedule", mdl_display_name(table->target)),
				 table->downstream ?
				 errhint("Its target_lag is downstream: it is refreshed with the tables that read it.") :
				 errhint("Give it a schedule with medallion.schedule_refresh.")));
	return job;
}

MDL_FUNCTION(mdl_unschedule_refresh);
Datum
mdl_unschedule_refresh(PG_FUNCTION_ARGS)
{
	SPI_connect();
	mdl_job_drop(own_job(fcinfo));
	SPI_finish();
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_pause_refresh);
Datum
mdl_pause_refresh(PG_FUNCTION_ARGS)
{
	SPI_connect();
	mdl_job_pause(own_job(fcinfo));
	SPI_finish();
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_resume_refresh);
Datum
mdl_resume_refresh(PG_FUNCTION_ARGS)
{
	SPI_connect();
	mdl_job_resume(own_job(fcinfo));
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- the job ------------------------------------------------------------------------------------------------------ */

static void
refresh_target(int64 id, volatile Oid *target)
{
	MdlJob		job;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (mdl_job_read(id, &job) && OidIsValid(job.target))
	{
		*target = job.target;
		pgstat_report_activity(STATE_RUNNING, psprintf("medallion.refresh('%s')", job.name));
		mdl_refresh_table(job.target);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Refreshes the table of a job and what it reads, in one transaction, whatever defaults the owner's role has set for those.  A
 * failure is recorded in a transaction of its own, and raised again.
 */
void
mdl_refresh_job(const char *argument)
{
	MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "medallion refresh job", ALLOCSET_DEFAULT_SIZES);
	TimestampTz started = GetCurrentTimestamp();
	volatile Oid target = InvalidOid;

	PG_TRY();
	{
		refresh_target(pg_strtoint64(argument), &target);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		if (OidIsValid(target) && !ProcDiePending)
			mdl_refresh_record_failure(OidIsValid(mdl_refresh_current()) ? mdl_refresh_current() : target, error, target, started);
		MemoryContextSwitchTo(memory);
		ReThrowError(error);
	}
	PG_END_TRY();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
mdl_refresh_init(void)
{
	mdl_job_kind_register(REFRESH_JOB, MDL_LIBRARY_CORE, "mdl_refresh_job");
}
