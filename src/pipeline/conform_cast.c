/*
 * conform_cast.c: medallion.try_cast: text as a value of a type, NULL where it is none.
 *
 * PostgreSQL 15 has no way to ask a type's input function without being told by an error.  Catching one needs, in general, a
 * subtransaction, which costs more than the cast by far.  How an input function is tried depends on what it may leave behind:
 *
 *   - PURE: it only reads its argument and allocates.  Nothing needs cleaning but memory, so the error is caught as it is.
 *     The types of PostgreSQL, but for those that look names up or run expressions, arrays of them, and enums.
 *   - OWNED: it is written in C and IMMUTABLE, and may have pinned something: a resource owner of its own is released.  Types
 *     of extensions; also the constraints of a domain, if they call nothing but such functions.
 *   - ALL: anything else runs in a subtransaction.
 *
 * Text that cannot be a number is told from its characters alone, without an error.
 */
#include "pipeline/conform_int.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include <ctype.h>

typedef enum Care
{
	CARE_PURE,
	CARE_OWNED,
	CARE_ALL
} Care;

typedef struct Cast
{
	Oid			type;
	Oid			base;			/* the type, or what its domain is over */
	int32		typmod;
	bool		is_number;
	FmgrInfo	input;
	Oid			parameter;		/* of the input function */
	Care		care;
	bool		has_constraints;	/* a domain's */
	Care		constraint_care;
	MemoryContext constraint_context;	/* of the next two */
	DomainConstraintRef *constraints;
	ExprContext *econtext;
} Cast;

/* What a cast is tried with, for all three ways. */
typedef struct Attempt
{
	Cast	   *cast;
	char	   *text;			/* NULL: check the value against the constraints */
	Datum		value;
	bool		holds;
} Attempt;

/* ---- which care a type needs --------------------------------------------------------------------------------------- */

/* Built-in input functions that look something up, or run what others wrote. */
static const Oid impure[] = {
	F_ACLITEMIN, F_DOMAIN_IN, F_MULTIRANGE_IN, F_RANGE_IN, F_RECORD_IN, F_REGCLASSIN, F_REGCOLLATIONIN, F_REGCONFIGIN,
	F_REGDICTIONARYIN, F_REGNAMESPACEIN, F_REGOPERATORIN, F_REGOPERIN, F_REGPROCEDUREIN, F_REGPROCIN, F_REGROLEIN,
	F_REGTYPEIN, F_XML_IN
};

static Care
function_care(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool		is_c;

	if (!HeapTupleIsValid(tuple))
		return CARE_ALL;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	is_c = (form->prolang == ClanguageId || form->prolang == INTERNALlanguageId) && form->provolatile == PROVOLATILE_IMMUTABLE;
	ReleaseSysCache(tuple);
	return is_c ? CARE_OWNED : CARE_ALL;
}

static Care
input_care(Oid type)
{
	Oid			function,
				parameter,
				element;

	getTypeInputInfo(type, &function, &parameter);
	if (function == F_ENUM_IN)
		return CARE_PURE;
	if (function == F_ARRAY_IN)
	{
		element = get_element_type(type);
		return get_typtype(element) == TYPTYPE_BASE ? input_care(element) : CARE_ALL;
	}
	for (int i = 0; i < lengthof(impure); i++)
		if (function == impure[i])
			return CARE_ALL;
	return function < FirstNormalObjectId ? CARE_PURE : function_care(function);
}

static bool
is_careless(Oid function, void *context)
{
	return function_care(function) == CARE_ALL;
}

static bool
finds_careless(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_careless, context) || expression_tree_walker(node, finds_careless, context);
}

static Care
constraints_care(const DomainConstraintRef *constraints)
{
	ListCell   *cell;

	foreach(cell, constraints->constraints)
		if (finds_careless((Node *) ((DomainConstraintState *) lfirst(cell))->check_expr, NULL))
			return CARE_ALL;
	return CARE_OWNED;
}

/* ---- what is tried --------------------------------------------------------------------------------------------------- */

/* Whether the value keeps the constraints of its domain: NOT NULL does not apply, NULL never comes here. */
static bool
keeps_constraints(Cast *cast, Datum value)
{
	ListCell   *cell;

	ResetExprContext(cast->econtext);
	cast->econtext->domainValue_datum =
		MakeExpandedObjectReadOnly(value, false, get_typlen(cast->base));
	cast->econtext->domainValue_isNull = false;
	foreach(cell, cast->constraints->constraints)
	{
		DomainConstraintState *constraint = lfirst(cell);

		if (constraint->constrainttype == DOM_CONSTRAINT_CHECK && !ExecCheck(constraint->check_exprstate, cast->econtext))
			return false;
	}
	return true;
}

static void
run(void *argument)
{
	Attempt    *attempt = argument;
	Cast	   *cast = attempt->cast;

	if (attempt->text)
		attempt->value = InputFunctionCall(&cast->input, attempt->text, cast->parameter, cast->typmod);
	else
		attempt->holds = keeps_constraints(cast, attempt->value);
}

/* Whether an error may be that of the value; others (cancel, memory, conflicts, bugs) go on up. */
static bool
is_of_value(int code)
{
	int			class = ERRCODE_TO_CATEGORY(code);

	return code != ERRCODE_INTERNAL_ERROR && class != ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) && class != ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR);
}

bool
mdl_try_pure(void (*work) (void *argument), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorContextCallback *callbacks = error_context_stack;
	volatile bool done = false;

	error_context_stack = NULL;	/* nobody will read what they add */
	PG_TRY();
	{
		work(argument);
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (!is_of_value(geterrcode()))
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	error_context_stack = callbacks;
	return done;
}

static bool
try_owned(Attempt *attempt)
{
	ResourceOwner outer = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(outer, "medallion.try_cast");
	volatile bool done = false;

	CurrentResourceOwner = owner;
	PG_TRY();
	{
		done = mdl_try_pure(run, attempt);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = outer;
		ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, done, false);
		ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, done, false);
		ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, done, false);
		ResourceOwnerDelete(owner);
	}
	PG_END_TRY();
	return done;
}

static bool
try_all(Attempt *attempt)
{
	ErrorData  *error;

	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a cast to %s cannot be tried in a parallel query", format_type_be(attempt->cast->type)),
				 errdetail("What the type calls may need a subtransaction to be undone."),
				 errhint("SET max_parallel_workers_per_gather = 0 for this query.")));
	error = mdl_try(run, attempt);
	if (error == NULL)
		return true;
	if (!is_of_value(error->sqlerrcode))
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

static bool
try_with(Care care, Attempt *attempt)
{
	switch (care)
	{
		case CARE_PURE:
			return mdl_try_pure(run, attempt);
		case CARE_OWNED:
			return try_owned(attempt);
		default:
			return try_all(attempt);
	}
}

/* ---- medallion.try_cast ------------------------------------------------------------------------------------------------- */

/* False for text that no version of PostgreSQL takes for a number. */
static bool
may_be_number(const char *text)
{
	while (isspace((unsigned char) *text))
		text++;
	if (*text == '-' || *text == '+')
		text++;
	return (*text >= '0' && *text <= '9') || *text == '.' || pg_tolower((unsigned char) *text) == 'n' ||
		pg_tolower((unsigned char) *text) == 'i';
}

/* Reads integers of up to 18 digits; false if the text is anything else. */
static bool
read_plain_integer(const char *text, int64 *value)
{
	bool		negative = *text == '-';
	const char *digit = text + negative;
	int64		number = 0;

	while (*digit >= '0' && *digit <= '9' && digit - text < 18)
		number = number * 10 + (*digit++ - '0');
	if (*digit != '\0' || digit == text + negative)
		return false;
	*value = negative ? -number : number;
	return true;
}

/* Integers written plainly need no input function. */
static bool
cast_integer(const Cast *cast, const char *text, Datum *value)
{
	int64		number;

	if ((cast->base != INT4OID && cast->base != INT8OID && cast->base != INT2OID) || !read_plain_integer(text, &number))
		return false;
	if (cast->base == INT8OID)
		*value = Int64GetDatum(number);
	else if (cast->base == INT4OID && number >= PG_INT32_MIN && number <= PG_INT32_MAX)
		*value = Int32GetDatum((int32) number);
	else if (cast->base == INT2OID && number >= PG_INT16_MIN && number <= PG_INT16_MAX)
		*value = Int16GetDatum((int16) number);
	else
		return false;
	return true;
}

/* Gets the constraints of the domain anew: the state of an expression that raised is not to be trusted. */
static void
prepare_constraints(Cast *cast, MemoryContext parent)
{
	MemoryContext old;

	if (cast->constraint_context)
		MemoryContextDelete(cast->constraint_context);
	cast->constraint_context = AllocSetContextCreate(parent, "constraints of a domain", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cast->constraint_context);
	cast->constraints = palloc(sizeof(DomainConstraintRef));
	InitDomainConstraintRef(cast->type, cast->constraints, cast->constraint_context, true);
	cast->constraint_care = constraints_care(cast->constraints);
	cast->econtext = CreateStandaloneExprContext();
	MemoryContextSwitchTo(old);
}

static Cast *
prepare(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	Oid			type = get_fn_expr_argtype(flinfo, 1);
	Cast	   *cast;
	Oid			function;

	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type to cast to");
	cast = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Cast));
	cast->type = type;
	cast->typmod = -1;
	if (flinfo->fn_expr && IsA(flinfo->fn_expr, FuncExpr))
		cast->typmod = exprTypmod(lsecond(((FuncExpr *) flinfo->fn_expr)->args));
	cast->base = getBaseTypeAndTypmod(type, &cast->typmod);
	cast->is_number = cast->base == INT2OID || cast->base == INT4OID || cast->base == INT8OID || cast->base == FLOAT4OID ||
		cast->base == FLOAT8OID || cast->base == NUMERICOID;
	getTypeInputInfo(cast->base, &function, &cast->parameter);
	fmgr_info_cxt(function, &cast->input, flinfo->fn_mcxt);
	cast->care = input_care(cast->base);
	cast->has_constraints = cast->base != type && DomainHasConstraints(type);
	if (cast->has_constraints)
		prepare_constraints(cast, flinfo->fn_mcxt);
	flinfo->fn_extra = cast;
	return cast;
}

MDL_FUNCTION(mdl_try_cast);
Datum
mdl_try_cast(PG_FUNCTION_ARGS)
{
	Cast	   *cast = fcinfo->flinfo->fn_extra ? fcinfo->flinfo->fn_extra : prepare(fcinfo);
	Attempt		attempt = {.cast = cast};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	attempt.text = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (cast->is_number && !may_be_number(attempt.text))
		PG_RETURN_NULL();
	if (!cast_integer(cast, attempt.text, &attempt.value) && !try_with(cast->care, &attempt))
		PG_RETURN_NULL();
	if (cast->has_constraints)
	{
		UpdateDomainConstraintRef(cast->constraints);
		attempt.text = NULL;
		if (!try_with(cast->constraint_care, &attempt))
		{
			prepare_constraints(cast, fcinfo->flinfo->fn_mcxt);
			PG_RETURN_NULL();
		}
		if (!attempt.holds)
			PG_RETURN_NULL();
	}
	PG_RETURN_DATUM(attempt.value);
}
