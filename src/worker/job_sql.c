/*
 * job_sql.c: the SQL functions on jobs: arguments and rights are checked here, the work is done elsewhere.
 */
#include "worker/worker_int.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

static char *
required_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	char	   *value = PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));

	if (value == NULL || value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be null or empty", name)));
	return value;
}

/* {"command": …} */
static Jsonb *
command_argument(char *command)
{
	JsonbParseState *state = NULL;
	JsonbValue	key,
				value;

	key.type = value.type = jbvString;
	key.val.string.val = "command";
	key.val.string.len = strlen(key.val.string.val);
	value.val.string.val = command;
	value.val.string.len = strlen(command);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

MDL_FUNCTION(mdl_create_job);
Datum
mdl_create_job(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "name");
	char	   *command = required_text(fcinfo, 1, "command");
	MdlSchedule schedule = {
		.every = PG_ARGISNULL(2) ? NULL : PG_GETARG_INTERVAL_P(2),
		.schedule = mdl_optional_text(fcinfo, 4),
		.time_zone = mdl_optional_text(fcinfo, 5)
	};

	if (!PG_ARGISNULL(3))
		schedule.first_run = PG_GETARG_TIMESTAMPTZ(3);
	else
		schedule.first_run = schedule.every || schedule.schedule ? DT_NOBEGIN : DT_NOEND;
	PG_RETURN_INT64(mdl_job_create_scheduled("sql", name, command_argument(command), &schedule));
}

/* Reads the job; an error unless it exists and the caller may act as its owner. */
static void
read_own_job(int64 id, MdlJob *job)
{
	if (!mdl_job_read(id, job))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", id),
				 errhint("See the view medallion.jobs.")));
	if (OidIsValid(job->owner) ? !has_privs_of_role(GetUserId(), job->owner) : !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for job " INT64_FORMAT, id),
				 errdetail("It is owned by role \"%s\".", job->owner_name)));
}

MDL_FUNCTION(mdl_run_job);
Datum
mdl_run_job(PG_FUNCTION_ARGS)
{
	MdlJob		job;
	DueRun		run = {0};

	read_own_job(PG_GETARG_INT64(0), &job);
	mdl_runs_reap(job.id);
	run.run = mdl_run_create(job.id, GetCurrentTimestamp());
	if (run.run == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("job " INT64_FORMAT " is running already", job.id),
				 errhint("Wait for it to end; the view medallion.job_runs shows its worker.")));
	run.job = job.id;
	run.kind = job.kind;
	run.name = job.name;
	run.owner = job.owner;
	run.owner_name = job.owner_name;
	pfree(mdl_run_launch(&run, true, false));
	PG_RETURN_INT64(run.run);
}

MDL_FUNCTION(mdl_pause_job);
Datum
mdl_pause_job(PG_FUNCTION_ARGS)
{
	MdlJob		job;

	read_own_job(PG_GETARG_INT64(0), &job);
	mdl_job_pause(job.id);
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_resume_job);
Datum
mdl_resume_job(PG_FUNCTION_ARGS)
{
	MdlJob		job;

	read_own_job(PG_GETARG_INT64(0), &job);
	if (job.is_scheduled)
		mdl_require_scheduler(psprintf("the schedule of %s \"%s\"", job.kind, job.name));
	mdl_job_resume(job.id);
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_drop_job);
Datum
mdl_drop_job(PG_FUNCTION_ARGS)
{
	MdlJob		job;

	read_own_job(PG_GETARG_INT64(0), &job);
	if (strcmp(job.kind, "sql") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("job " INT64_FORMAT " belongs to %s \"%s\"", job.id, job.kind, job.name),
				 errhint("Drop that, or pause the job.")));
	mdl_job_drop(job.id);
	PG_RETURN_VOID();
}
