/*
 * progress.c: reports of running work, in a small file that every backend maps.
 *
 * The file has one fixed slot per process number (PGPROC), so a slot has one writer at a time and needs neither a lock
 * nor a search.  It lies in pg_stat_tmp, which base backups leave out, because dynamic shared memory of a name known to
 * all needs preloading before PostgreSQL 17.
 *
 * A slot is *live* when the process that now has its number is the one that wrote it: same pid, same start of the
 * server, same database.  What a crash or a restart leaves behind is therefore never shown, and overwritten by
 * the next report of a process with that number.
 *
 * Readers and the writer meet over a change count, as in PostgreSQL's own backend status: odd while the writer is at
 * work, and a reader copies again until it saw the same even count before and after.
 */
#include "base/progress.h"

#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "base/base.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* The number is that of the layout below: libraries of two versions never map the same file. */
#define PROGRESS_FILE	PG_STAT_TMP_DIR "/medallion_progress.1"
#define MAX_DEPTH		8
#define MAX_READ_TRIES	1000
#define MAX_ETA			(10.0 * 365 * USECS_PER_DAY)	/* beyond ten years nothing is foretold */

typedef struct Report
{
	char		kind[32];		/* empty: no report */
	char		object[160];
	char		phase[64];
	int64		done;
	int64		total;			/* -1: not known */
	double		metric;			/* NaN: none */
	TimestampTz started;
	TimestampTz phase_started;
} Report;

typedef struct Slot
{
	uint32		change_count;
	int32		pid;
	TimestampTz server_start;
	Oid			database;
	Oid			role;			/* the session's, whose privileges decide who sees the object */
	Report		report;
} Slot;

#define SLOT_SIZE	384
StaticAssertDecl(sizeof(Slot) <= SLOT_SIZE, "a progress slot outgrew its place in the file");

static char *slots = NULL;		/* the mapped file */
static bool map_tried = false;

/* The reports of this backend, outermost first.  Those deeper than MAX_DEPTH are counted, not kept. */
static Report stack[MAX_DEPTH];
static int	begun_at[MAX_DEPTH];	/* transaction nesting level, 0: outside any transaction */
static int	depth = 0;
static bool callbacks_registered = false;

/* Maps the file, creating or growing it if need be.  Returns false, with a line in the log, if it cannot be done. */
static bool
map_file(void)
{
	size_t		size = (size_t) ProcGlobal->allProcCount * SLOT_SIZE;
	struct stat status;
	const char *step = "open";
	void	   *memory;
	int			file;
	int			failure = 0;

	if (map_tried)
		return slots != NULL;
	map_tried = true;
	file = BasicOpenFile(PROGRESS_FILE, O_RDWR | O_CREAT | PG_BINARY);
	if (file < 0)
		failure = errno;
	else
	{
		/* Blocks are allocated now (a write into a hole on a full disk would be SIGBUS); data present is left alone. */
		step = "extend";
		if (fstat(file, &status) < 0)
			failure = errno;
		else if (status.st_size < (off_t) size)
		{
			do
				failure = posix_fallocate(file, 0, size);
			while (failure == EINTR);
		}
		if (failure == 0)
		{
			step = "map";
			memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
			if (memory == MAP_FAILED)
				failure = errno;
			else
				slots = memory;
		}
		close(file);
	}
	if (slots == NULL)
	{
		errno = failure;
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not %s file \"%s\": %m", step, PROGRESS_FILE),
				 errdetail("The progress of this session is not shown in medallion.progress.")));
	}
	return slots != NULL;
}

static inline volatile Slot *
slot_of(int number)
{
	return (volatile Slot *) (slots + (size_t) number * SLOT_SIZE);
}

static volatile Slot *
begin_change(void)
{
	volatile Slot *slot = slot_of(MyProc->pgprocno);

	/* A predecessor that was killed while writing left an odd count. */
	slot->change_count = (slot->change_count | 1);
	pg_write_barrier();
	return slot;
}

static void
end_change(volatile Slot *slot)
{
	pg_write_barrier();
	slot->change_count++;
}

/* Shows the innermost report, or none. */
static void
publish(void)
{
	volatile Slot *slot;

	if (slots == NULL || MyProc == NULL)
		return;
	slot = begin_change();
	if (depth > 0)
	{
		slot->pid = MyProcPid;
		slot->server_start = PgStartTime;
		slot->database = MyDatabaseId;
		slot->role = GetSessionUserId();
		memcpy((void *) &slot->report, &stack[Min(depth, MAX_DEPTH) - 1], sizeof(Report));
	}
	else
	{
		slot->pid = 0;
		slot->report.kind[0] = '\0';
	}
	end_change(slot);
}

/* Ends the reports that were begun at this nesting level or deeper. */
static void
forget_from(int level)
{
	int			kept = Min(depth, MAX_DEPTH);

	while (kept > 0 && begun_at[kept - 1] >= level)
		kept--;
	if (kept < Min(depth, MAX_DEPTH))
	{
		depth = kept;
		publish();
	}
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT)
		forget_from(1);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *argument)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_from(level);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (int i = 0; i < Min(depth, MAX_DEPTH); i++)
			begun_at[i] = Min(begun_at[i], level - 1);
	}
}

static void
at_exit(int code, Datum argument)
{
	depth = 0;
	publish();
}

/* Copies a name, cut at a character of the database's encoding; memory behind it is zeroed. */
static void
copy_name(char *place, size_t size, const char *name)
{
	int			length = name ? pg_mbcliplen(name, strlen(name), size - 1) : 0;

	memset(place, 0, size);
	memcpy(place, name ? name : "", length);
}

void
mdl_progress_begin(const char *kind, const char *object)
{
	Report	   *report;

	if (!callbacks_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		before_shmem_exit(at_exit, (Datum) 0);
		callbacks_registered = true;
	}
	map_file();
	if (depth++ >= MAX_DEPTH)
		return;
	report = &stack[depth - 1];
	copy_name(report->kind, sizeof(report->kind), kind && kind[0] ? kind : "work");
	copy_name(report->object, sizeof(report->object), object);
	copy_name(report->phase, sizeof(report->phase), NULL);
	report->done = 0;
	report->total = -1;
	report->metric = NAN;
	report->started = report->phase_started = GetCurrentTimestamp();
	begun_at[depth - 1] = GetCurrentTransactionNestLevel();
	publish();
}

/* The report that calls change, or NULL. */
static Report *
current_report(void)
{
	return depth > 0 && depth <= MAX_DEPTH ? &stack[depth - 1] : NULL;
}

void
mdl_progress_phase(const char *phase, int64 total)
{
	Report	   *report = current_report();

	if (report == NULL)
		return;
	copy_name(report->phase, sizeof(report->phase), phase);
	report->done = 0;
	report->total = total < 0 ? -1 : total;
	report->phase_started = GetCurrentTimestamp();
	publish();
}

void
mdl_progress_update(int64 done)
{
	Report	   *report = current_report();
	volatile Slot *slot;

	if (report == NULL)
		return;
	report->done = done;
	if (slots == NULL)
		return;
	slot = begin_change();
	slot->report.done = done;
	end_change(slot);
}

void
mdl_progress_metric(double metric)
{
	Report	   *report = current_report();
	volatile Slot *slot;

	if (report == NULL)
		return;
	report->metric = metric;
	if (slots == NULL)
		return;
	slot = begin_change();
	slot->report.metric = metric;
	end_change(slot);
}

void
mdl_progress_end(void)
{
	if (depth == 0)
		return;
	depth--;
	if (depth < MAX_DEPTH)
		publish();
}

/* Copies a slot as it was at one moment; false if it holds no live report of this database. */
static bool
read_slot(int number, Slot *copy)
{
	volatile Slot *slot = slot_of(number);

	for (int i = 0; i < MAX_READ_TRIES; i++)
	{
		uint32		before = slot->change_count;
		uint32		after;

		pg_read_barrier();
		memcpy(copy, (void *) slot, sizeof(Slot));
		pg_read_barrier();
		after = slot->change_count;
		if (before == after && (before & 1) == 0)
			return copy->pid != 0 && copy->report.kind[0] != '\0' &&
				copy->pid == ProcGlobal->allProcs[number].pid &&
				copy->server_start == PgStartTime && copy->database == MyDatabaseId;
		CHECK_FOR_INTERRUPTS();
	}
	return false;				/* its writer was stopped in the midst of a change */
}

static Datum
interval_of(double microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) microseconds;
	return IntervalPGetDatum(interval);
}

static void
put_row(ReturnSetInfo *result, const Slot *slot, TimestampTz now)
{
	const Report *report = &slot->report;
	bool		may_see = has_privs_of_role(GetUserId(), slot->role) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	double		in_phase = (double) (now - report->phase_started);
	Datum		values[9];
	bool		nulls[9] = {false};

	values[0] = Int32GetDatum(slot->pid);
	values[1] = CStringGetTextDatum(report->kind);
	values[2] = CStringGetTextDatum(report->object);
	nulls[2] = !may_see;
	values[3] = CStringGetTextDatum(report->phase);
	nulls[3] = report->phase[0] == '\0';
	values[4] = Int64GetDatum(report->done);
	values[5] = Int64GetDatum(report->total);
	nulls[5] = report->total < 0;
	values[6] = Float8GetDatum(report->metric);
	nulls[6] = isnan(report->metric) || !may_see;
	values[7] = interval_of(Max(now - report->started, 0));
	nulls[8] = report->total < 0 || report->done <= 0 || in_phase <= 0;
	if (!nulls[8])
	{
		double		left = in_phase * Max(report->total - report->done, 0) / report->done;

		nulls[8] = left > MAX_ETA;
		values[8] = nulls[8] ? (Datum) 0 : interval_of(left);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The rows of medallion.progress: the live reports of this database. */
MDL_FUNCTION(mdl_progress);
Datum
mdl_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = GetCurrentTimestamp();
	Slot		copy;

	InitMaterializedSRF(fcinfo, 0);
	if (!map_file())
		return (Datum) 0;
	for (int i = 0; i < ProcGlobal->allProcCount; i++)
		if (read_slot(i, &copy))
			put_row(result, &copy, now);
	return (Datum) 0;
}

/* Progress of the user's own work: one report per transaction, begun by the first call. */
MDL_FUNCTION(mdl_report_progress);
Datum
mdl_report_progress(PG_FUNCTION_ARGS)
{
	char	   *object,
			   *phase;
	int64		total = PG_ARGISNULL(3) ? -1 : PG_GETARG_INT64(3);
	Report	   *report = current_report();
	char		phase_kept[sizeof(report->phase)];

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"object\" must not be null")));
	object = text_to_cstring(PG_GETARG_TEXT_PP(0));
	phase = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (report == NULL || strcmp(report->kind, "user") != 0)
	{
		mdl_progress_begin("user", object);
		report = current_report();
	}
	if (report == NULL)
		PG_RETURN_VOID();
	copy_name(report->object, sizeof(report->object), object);
	copy_name(phase_kept, sizeof(phase_kept), phase);
	if (strcmp(report->phase, phase_kept) != 0 || report->total != total)
		mdl_progress_phase(phase, total);
	report->done = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	report->metric = PG_ARGISNULL(4) ? NAN : PG_GETARG_FLOAT8(4);
	publish();
	PG_RETURN_VOID();
}
