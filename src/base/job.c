/*
 * job.c: the records of scheduled jobs, the kinds of jobs, and what the other folders may know of the scheduler.
 *
 * A job's owner is kept as name, OID and *home* (system identifier and OID of the database).  At home the OID decides,
 * so that a renamed role keeps its jobs and a new role of an old name does not inherit any; in a restored or copied
 * database the OIDs mean nothing and the name decides.
 */
#include "base/background.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "pgtime.h"
#include "utils/timestamp.h"

#define MAX_KINDS	32

static MdlJobKind kinds[MAX_KINDS];
static int	kind_count = 0;

static MdlTick ticks[MDL_MAX_TICKS];
static int	tick_count = 0;

static void (*wake_scheduler) (void) = NULL;
static bool wake_at_commit = false;

/* ---- kinds, ticks, the scheduler ---- */

void
mdl_job_kind_register(const char *kind, const char *library, const char *function)
{
	if (kind_count == MAX_KINDS)
		elog(ERROR, "too many kinds of jobs");
	kinds[kind_count++] = (MdlJobKind) {kind, library, function};
}

const MdlJobKind *
mdl_job_kind(const char *kind)
{
	for (int i = 0; i < kind_count; i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return &kinds[i];
	return NULL;
}

void
mdl_scheduler_tick_register(const char *name, MdlTickFunction function, int milliseconds)
{
	if (tick_count == MDL_MAX_TICKS)
		elog(ERROR, "too many functions to call at the scheduler's tick");
	ticks[tick_count++] = (MdlTick) {name, function, milliseconds};
}

int
mdl_scheduler_ticks(const MdlTick **all)
{
	*all = ticks;
	return tick_count;
}

void
mdl_scheduler_set_wake(void (*wake) (void))
{
	wake_scheduler = wake;
}

bool
mdl_scheduler_present(void)
{
	return wake_scheduler != NULL;
}

void
mdl_require_scheduler(const char *what)
{
	if (!mdl_scheduler_present())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s needs the scheduler, which is not running", what),
				 errhint("Set shared_preload_libraries = 'medallion' and restart the server.")));
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT && wake_at_commit && wake_scheduler != NULL)
		wake_scheduler();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		wake_at_commit = false;
}

void
mdl_scheduler_wake_after_commit(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		registered = true;
	}
	wake_at_commit = true;
}

/* ---- owners ---- */

static char *
home_name(void)
{
	return psprintf(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
}

Oid
mdl_job_owner_oid(const char *name, Oid owner, const char *home)
{
	if (strcmp(home, home_name()) == 0)
		return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)) ? owner : InvalidOid;
	return get_role_oid(name, true);
}

MDL_FUNCTION(mdl_job_owner);
Datum
mdl_job_owner(PG_FUNCTION_ARGS)
{
	Oid			owner = mdl_job_owner_oid(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_OID(1),
										  text_to_cstring(PG_GETARG_TEXT_PP(2)));

	if (!OidIsValid(owner))
		PG_RETURN_NULL();
	PG_RETURN_OID(owner);
}

/* ---- records ---- */

static void
check_schedule(const MdlSchedule *schedule)
{
	const Interval *every = schedule->every;

	if (every != NULL && schedule->schedule != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments \"every\" and \"schedule\" cannot both be given")));
	if (schedule->schedule == NULL && schedule->time_zone != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"time_zone\" says nothing without argument \"schedule\"")));
	if (every != NULL && every->time + (every->day + every->month * (int64) DAYS_PER_MONTH) * USECS_PER_DAY < USECS_PER_SEC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be at least one second", schedule->is_lag ? "target_lag" : "every"),
				 errhint("Write for example %s => '10 min'.", schedule->is_lag ? "target_lag" : "every")));
}

/* Adds every, is_lag, schedule, time_zone, next_run as arguments; raises what is wrong with them. */
static void
add_schedule(MdlArgs *args, const MdlSchedule *schedule)
{
	const char *zone = schedule->time_zone ? schedule->time_zone : pg_get_timezone_name(session_timezone);
	TimestampTz first_run = schedule->first_run;
	TimestampTz now = GetCurrentTimestamp();

	check_schedule(schedule);
	if (schedule->schedule != NULL)
	{
		TimestampTz next = mdl_schedule_next(schedule->schedule, zone, now);

		if (first_run == DT_NOBEGIN)
			first_run = next;
	}
	else if (first_run == DT_NOBEGIN)
		first_run = now;
	mdl_arg(args, INTERVALOID, IntervalPGetDatum(schedule->every), schedule->every == NULL);
	mdl_arg_bool(args, schedule->is_lag);
	mdl_arg_text(args, schedule->schedule);
	mdl_arg_text(args, schedule->schedule ? zone : NULL);
	mdl_arg(args, TIMESTAMPTZOID, TimestampTzGetDatum(first_run), first_run == DT_NOEND);
}

static void
add_owner(MdlArgs *args, Oid owner)
{
	mdl_arg_text(args, GetUserNameFromId(owner, false));
	mdl_arg(args, OIDOID, ObjectIdGetDatum(owner), false);
	mdl_arg_text(args, home_name());
}

int64
mdl_job_create_scheduled(const char *kind, const char *name, Jsonb *argument, const MdlSchedule *schedule)
{
	MdlArgs		args = {0};
	MdlUser		user;
	int64		id;

	if (mdl_job_kind(kind) == NULL)
		elog(ERROR, "no kind of job \"%s\"", kind);
	add_schedule(&args, schedule);
	if (schedule->every != NULL || schedule->schedule != NULL || schedule->first_run != DT_NOEND)
		mdl_require_scheduler(psprintf("the schedule of %s \"%s\"", kind, name));
	add_owner(&args, GetUserId());
	mdl_arg_text(&args, kind);
	mdl_arg_text(&args, name);
	mdl_arg_jsonb(&args, argument);

	SPI_connect();
	mdl_owner_begin(&user);
	if (mdl_run("INSERT INTO medallion._jobs (every, is_lag, schedule, time_zone, next_run, owner, owner_id, home, kind, name, argument)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, COALESCE($11, '{}'))"
				" ON CONFLICT (kind, name) WHERE target IS NULL DO NOTHING RETURNING id", &args, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("%s \"%s\" already exists", strcmp(kind, "sql") == 0 ? "job" : kind, name)));
	id = mdl_field_int8(0, 0);
	mdl_owner_end(&user);
	SPI_finish();
	mdl_scheduler_wake_after_commit();
	return id;
}

int64
mdl_job_create(const char *kind, const char *name, Jsonb *argument, Interval *every, TimestampTz first_run)
{
	MdlSchedule schedule = {.every = every, .first_run = first_run};

	return mdl_job_create_scheduled(kind, name, argument, &schedule);
}

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

int64
mdl_job_of_target(const char *kind, Oid target, const MdlSchedule *schedule)
{
	MdlArgs		args = {0};
	MdlUser		user;
	int64		id;

	if (mdl_job_kind(kind) == NULL)
		elog(ERROR, "no kind of job \"%s\"", kind);
	add_schedule(&args, schedule);
	add_owner(&args, owner_of(target));
	mdl_arg_text(&args, kind);
	mdl_arg_text(&args, mdl_display_name(target));
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("INSERT INTO medallion._jobs (every, is_lag, schedule, time_zone, next_run, owner, owner_id, home, kind, name, target)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
			" ON CONFLICT (kind, target) WHERE target IS NOT NULL DO UPDATE SET every = excluded.every, is_lag = excluded.is_lag,"
			" schedule = excluded.schedule, time_zone = excluded.time_zone, next_run = excluded.next_run,"
			" owner = excluded.owner, owner_id = excluded.owner_id, home = excluded.home, name = excluded.name, failures = 0"
			" RETURNING id", &args, false);
	id = mdl_field_int8(0, 0);
	mdl_owner_end(&user);
	SPI_finish();
	mdl_scheduler_wake_after_commit();
	return id;
}

int64
mdl_job_find_target(const char *kind, Oid target)
{
	MdlArgs		args = {0};
	MdlUser		user;
	int64		id = 0;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_text(&args, kind);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	if (mdl_run("SELECT id FROM medallion._jobs WHERE kind = $1 AND target = $2", &args, false) > 0)
		id = mdl_field_int8(0, 0);
	mdl_owner_end(&user);
	SPI_finish();
	return id;
}

/* As for mdl_job_drop, runs go first. */
void
mdl_job_forget_target(Oid target)
{
	MdlArgs		args = {0};
	MdlUser		user;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg(&args, OIDOID, ObjectIdGetDatum(target), false);
	mdl_run("DELETE FROM medallion._job_runs WHERE job_id IN (SELECT id FROM medallion._jobs WHERE target = $1)", &args, false);
	mdl_run("DELETE FROM medallion._jobs WHERE target = $1", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
}

bool
mdl_job_read(int64 id, MdlJob *job)
{
	MemoryContext caller = CurrentMemoryContext;
	MdlArgs		args = {0};
	MdlUser		user;
	bool		found,
				no_target;
	Datum		target;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, id);
	found = mdl_run("SELECT kind, name, argument, owner, owner_id, home, every IS NOT NULL OR schedule IS NOT NULL, target::pg_catalog.oid"
					" FROM medallion._jobs WHERE id = $1",
					&args, false) == 1;
	mdl_owner_end(&user);
	if (found)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);

		job->id = id;
		job->kind = pstrdup(mdl_field_text(0, 0));
		job->name = pstrdup(mdl_field_text(0, 1));
		job->argument = (Jsonb *) DatumGetPointer(PG_DETOAST_DATUM_COPY(mdl_field(0, 2, NULL)));
		job->owner_name = pstrdup(mdl_field_text(0, 3));
		job->owner = mdl_job_owner_oid(job->owner_name, DatumGetObjectId(mdl_field(0, 4, NULL)), mdl_field_text(0, 5));
		job->is_scheduled = DatumGetBool(mdl_field(0, 6, NULL));
		target = mdl_field(0, 7, &no_target);
		job->target = no_target ? InvalidOid : DatumGetObjectId(target);
		if (!no_target)
		{
			job->owner = owner_of(job->target);
			job->owner_name = OidIsValid(job->owner) ? GetUserNameFromId(job->owner, false) : job->owner_name;
			job->name = mdl_display_name(job->target);
		}
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return found;
}

/* Runs `statement`, whose $1 is the job's id, on medallion's tables. */
static void
change(const char *statement, int64 id)
{
	MdlArgs		args = {0};
	MdlUser		user;

	SPI_connect();
	mdl_owner_begin(&user);
	mdl_arg_int8(&args, id);
	mdl_run(statement, &args, false);
	mdl_owner_end(&user);
	SPI_finish();
	mdl_scheduler_wake_after_commit();
}

/* Runs go first: one that ends locks its own row before that of the job. */
void
mdl_job_drop(int64 id)
{
	change("DELETE FROM medallion._job_runs WHERE job_id = $1", id);
	change("DELETE FROM medallion._jobs WHERE id = $1", id);
}

void
mdl_job_pause(int64 id)
{
	change("UPDATE medallion._jobs SET paused = true WHERE id = $1", id);
}

void
mdl_job_resume(int64 id)
{
	change("UPDATE medallion._jobs SET paused = false, failures = 0, next_run = CASE"
		   " WHEN every IS NOT NULL OR (schedule IS NOT NULL AND failures > 0) THEN pg_catalog.clock_timestamp()"
		   " WHEN schedule IS NOT NULL THEN medallion.next_run(schedule, time_zone, pg_catalog.clock_timestamp()) END"
		   " WHERE id = $1", id);
}
