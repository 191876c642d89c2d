/*
 * background.c: starting a C function of ours in a background worker, and the entry point of such workers.
 *
 * What a worker has to know travels in bgw_extra (128 bytes, so function and argument are short; an argument is usually
 * the id of a row).  A worker connects by OIDs, so renames in between do no harm, and opens the library of its function
 * itself: the postmaster only ever opens medallion.so.
 */
#include "base/background.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

static const char *const libraries[] = {MDL_LIBRARY_CORE, MDL_LIBRARY_ML, MDL_LIBRARY_LAKE};

typedef struct TaskExtra
{
	Oid			database;
	Oid			role;
	TransactionId after;		/* wait for this transaction to commit, if valid */
	uint8		library;		/* index into libraries */
	char		function[MDL_TASK_FUNCTION_SIZE];
	char		argument[MDL_TASK_ARGUMENT_SIZE];
} TaskExtra;

StaticAssertDecl(sizeof(TaskExtra) <= BGW_EXTRALEN, "a task's description does not fit into bgw_extra");

/* Raises an error unless the current user may start work that runs as `role`, and a worker can. */
static void
check_role(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	Form_pg_authid form;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
	form = (Form_pg_authid) GETSTRUCT(tuple);
	if (!has_privs_of_role(GetUserId(), role) || (form->rolsuper && !superuser()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to run background work as role \"%s\"", NameStr(form->rolname))));
	if (!form->rolcanlogin)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" is not permitted to log in, so background work cannot run as it",
						NameStr(form->rolname)),
				 errhint("Use ALTER ROLE … LOGIN, or start the work as a role that can log in.")));
	ReleaseSysCache(tuple);
}

static void
describe(TaskExtra *extra, const char *library, const char *function, const char *argument, Oid role)
{
	int			number = 0;

	while (number < lengthof(libraries) && strcmp(libraries[number], library) != 0)
		number++;
	if (number == lengthof(libraries))
		elog(ERROR, "no library \"%s\" to run a task of", library);
	if (strlen(function) >= MDL_TASK_FUNCTION_SIZE)
		elog(ERROR, "function name \"%s\" is too long for a task", function);
	if (argument != NULL && strlen(argument) >= MDL_TASK_ARGUMENT_SIZE)
		elog(ERROR, "argument \"%s\" is too long for a task", argument);
	memset(extra, 0, sizeof(TaskExtra));
	extra->database = MyDatabaseId;
	extra->role = role;
	extra->library = number;
	strcpy(extra->function, function);
	strcpy(extra->argument, argument ? argument : "");
}

static BackgroundWorkerHandle *
launch(const TaskExtra *extra, const char *title, bool missing_ok)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = NULL;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("background work cannot be started during recovery"),
				 errhint("Start it on the primary server.")));
	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, title, pg_mbcliplen(title, strlen(title), BGW_MAXLEN - 1) + 1);
	strlcpy(worker.bgw_type, "medallion task", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, MDL_LIBRARY_CORE, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "mdl_task_main", BGW_MAXLEN);
	memcpy(worker.bgw_extra, extra, sizeof(TaskExtra));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		if (missing_ok)
			return NULL;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a background worker for \"%s\": all slots are in use", title),
				 errhint("Wait for other work to end, or increase max_worker_processes.")));
	}
	return handle;
}

BackgroundWorkerHandle *
mdl_task_launch(const char *library, const char *function, const char *argument, Oid role, const char *title,
				bool missing_ok)
{
	TaskExtra	extra;

	check_role(role);
	describe(&extra, library, function, argument, role);
	return launch(&extra, title, missing_ok);
}

BackgroundWorkerHandle *
mdl_task_launch_after_commit(const char *library, const char *function, const char *argument, Oid role,
							 const char *title, bool missing_ok)
{
	TaskExtra	extra;

	check_role(role);
	describe(&extra, library, function, argument, role);
	extra.after = GetTopTransactionId();
	return launch(&extra, title, missing_ok);
}

bool
mdl_extension_hold(void)
{
	Oid			extension = get_extension_oid("medallion", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("medallion", true) == extension;
}

/* Waits for the end of the launching transaction; returns whether it committed. */
static bool
launcher_committed(TransactionId launcher)
{
	bool		committed;

	StartTransactionCommand();
	XactLockTableWait(launcher, NULL, NULL, XLTW_None);
	committed = TransactionIdDidCommit(launcher);
	CommitTransactionCommand();
	return committed;
}

static void
task_context(void *argument)
{
	errcontext("background task \"%s\"", (const char *) argument);
}

void
mdl_task_main(Datum main_arg)
{
	TaskExtra	extra;
	MdlTaskFunction function;
	ErrorContextCallback context;

	memcpy(&extra, MyBgworkerEntry->bgw_extra, sizeof(extra));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(extra.database, extra.role, 0);
	/* Work reads the present, whatever ALTER ROLE … SET says for sessions. */
	SetConfigOption("medallion.as_of", "", PGC_USERSET, PGC_S_SESSION);

	context.callback = task_context;
	context.arg = MyBgworkerEntry->bgw_name;
	context.previous = error_context_stack;
	error_context_stack = &context;

	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
	pgstat_report_activity(STATE_RUNNING, MyBgworkerEntry->bgw_name);
	if (!TransactionIdIsValid(extra.after) || launcher_committed(extra.after))
	{
		function = (MdlTaskFunction) (void *) mdl_library_function(libraries[extra.library], extra.function);
		function(extra.argument);
		if (IsTransactionOrTransactionBlock())
			elog(ERROR, "background task left a transaction open");
	}
	error_context_stack = context.previous;
}
