/*
 * arguments.c: arguments of SQL-callable functions that must be given.
 *
 * A function declared STRICT does nothing for a NULL, silently; where that would hide a mistake the function is not
 * strict and reads its arguments with these.
 */
#include "base/base.h"

#include "utils/builtins.h"

void
mdl_require_argument(FunctionCallInfo fcinfo, int index, const char *name)
{
	if (PG_ARGISNULL(index))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
}

char *
mdl_required_text(FunctionCallInfo fcinfo, int index, const char *name)
{
	mdl_require_argument(fcinfo, index, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(index));
}

char *
mdl_optional_text(FunctionCallInfo fcinfo, int index)
{
	return PG_ARGISNULL(index) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(index));
}

int32
mdl_required_int4(FunctionCallInfo fcinfo, int index, const char *name)
{
	mdl_require_argument(fcinfo, index, name);
	return PG_GETARG_INT32(index);
}

bool
mdl_required_bool(FunctionCallInfo fcinfo, int index, const char *name)
{
	mdl_require_argument(fcinfo, index, name);
	return PG_GETARG_BOOL(index);
}
