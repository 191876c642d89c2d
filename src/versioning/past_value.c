/*
 * past_value.c: old values of a column shown in the type that it has today.
 *
 * The conversion is the one that an explicit cast does, without the length or precision of today's column, which would cut
 * values silently; where the server knows no cast, the value's text is read as the new type.  A value that cannot be
 * converted is an error that says where it comes from: see medallion.as_of_json() for the shape of then.
 */

#include "versioning/past_int.h"
#include "versioning/versioning.h"

#include "access/transam.h"
#include "funcapi.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

typedef struct Conversion
{
	Oid			from;
	Oid			to;
	char	   *column;
	CoercionPathType path;
	FmgrInfo	cast;
	FmgrInfo	output;			/* where there is no cast: text of the one, input of the other */
	FmgrInfo	input;
	Oid			input_param;
} Conversion;

bool		mdl_only_server_casts = false;

static Conversion *
prepare_conversion(FunctionCallInfo fcinfo)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	Conversion *conversion = MemoryContextAllocZero(context, sizeof(Conversion));
	Oid			function;
	bool		is_varlena;

	conversion->from = get_fn_expr_argtype(fcinfo->flinfo, 0);
	conversion->to = get_fn_expr_argtype(fcinfo->flinfo, 1);
	if (!OidIsValid(conversion->from) || !OidIsValid(conversion->to))
		elog(ERROR, "types of a past value are not known");
	conversion->column = MemoryContextStrdup(context, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	conversion->path = find_coercion_pathway(conversion->to, conversion->from, COERCION_EXPLICIT, &function);
	if (conversion->path == COERCION_PATH_FUNC && mdl_only_server_casts && function >= FirstNormalObjectId)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("past values of column \"%s\" are converted by a function of a user's, which cannot be called here", conversion->column),
				 errhint("Drop the cast from %s to %s first: then they are converted by their text.", format_type_be(conversion->from),
						 format_type_be(conversion->to))));
	if (conversion->path == COERCION_PATH_FUNC)
		fmgr_info_cxt(function, &conversion->cast, context);
	else if (conversion->path != COERCION_PATH_RELABELTYPE)
	{
		getTypeOutputInfo(conversion->from, &function, &is_varlena);
		fmgr_info_cxt(function, &conversion->output, context);
		getTypeInputInfo(conversion->to, &function, &conversion->input_param);
		fmgr_info_cxt(function, &conversion->input, context);
	}
	fcinfo->flinfo->fn_extra = conversion;
	return conversion;
}

/* Says in an error of the cast where the value is from. */
static void
add_context(void *argument)
{
	const Conversion *conversion = argument;

	errcontext("converting a past value of column \"%s\" from type %s to type %s, which the column has today",
			   conversion->column, format_type_be(conversion->from), format_type_be(conversion->to));
	errhint("medallion.as_of_json() shows the rows in the shape that the table had then.");
}

static Datum
convert(Conversion *conversion, Datum value)
{
	if (conversion->path == COERCION_PATH_RELABELTYPE)
		return value;
	if (conversion->path != COERCION_PATH_FUNC)
		return InputFunctionCall(&conversion->input, OutputFunctionCall(&conversion->output, value), conversion->input_param, -1);
	if (conversion->cast.fn_nargs == 1)
		return FunctionCall1(&conversion->cast, value);
	if (conversion->cast.fn_nargs == 2)
		return FunctionCall2(&conversion->cast, value, Int32GetDatum(-1));
	return FunctionCall3(&conversion->cast, value, Int32GetDatum(-1), BoolGetDatum(true));
}

MDL_FUNCTION(mdl_past_value);
Datum
mdl_past_value(PG_FUNCTION_ARGS)
{
	Conversion *conversion = fcinfo->flinfo->fn_extra;
	ErrorContextCallback context = {.previous = error_context_stack, .callback = add_context};
	Datum		result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (conversion == NULL)
		conversion = prepare_conversion(fcinfo);
	context.arg = conversion;
	error_context_stack = &context;
	result = convert(conversion, PG_GETARG_DATUM(0));
	error_context_stack = context.previous;
	PG_RETURN_DATUM(result);
}
