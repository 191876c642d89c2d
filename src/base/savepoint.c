/*
 * savepoint.c: work whose error is an answer.
 *
 * PostgreSQL undoes what an error left behind only by ending a subtransaction, so each attempt costs one.  Memory that the
 * work allocated in the caller's context stays there.
 */
#include "base/base.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

ErrorData *
mdl_try(MdlWork work, void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

char *
mdl_describe_error(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message ? error->message : "no message");
	if (error->detail)
		appendStringInfo(&text, "\nDETAIL: %s", error->detail);
	if (error->hint)
		appendStringInfo(&text, "\nHINT: %s", error->hint);
	return text.data;
}
