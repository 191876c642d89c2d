/*
 * train_states.c: arguments and results of the public state aggregates.
 */
#include "train/train_states.h"

#include <math.h>

#include "base/number.h"
#include "funcapi.h"
#include "ml/ml_bytes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

void
mdl_only_in_aggregate(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function can only be called as part of an aggregate")));
}

bool
mdl_constant_same(MdlConstant *constant, FunctionCallInfo fcinfo, int arg, MemoryContext memory)
{
	bool		is_null = PG_ARGISNULL(arg);
	const void *datum = is_null ? NULL : PG_GETARG_POINTER(arg);
	Size		size = is_null ? 0 : VARSIZE_ANY(datum);

	if (constant->known && is_null == (constant->bytes == NULL) && size == constant->size &&
		(is_null || memcmp(constant->bytes, datum, size) == 0))
		return true;
	if (constant->bytes != NULL)
		pfree(constant->bytes);
	constant->bytes = is_null ? NULL : memcpy(MemoryContextAlloc(memory, size), datum, size);
	constant->size = size;
	constant->known = true;
	return false;
}

/* ---- values of any type -------------------------------------------------------------------------------------------- */

void
mdl_argument_open(FunctionCallInfo fcinfo, int arg, const char *what, MdlArgument *argument)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, arg);
	Oid			output;
	bool		varlena;

	argument->type = getBaseType(type);
	switch (argument->type)
	{
		case FLOAT8OID:
		case FLOAT4OID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case BOOLOID:
			argument->form = MDL_ARGUMENT_NUMBER;
			break;
		case FLOAT8ARRAYOID:
			argument->form = MDL_ARGUMENT_VECTOR;
			break;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case CHAROID:
		case UNKNOWNOID:
			argument->form = MDL_ARGUMENT_TEXT;
			break;
		default:
			if (get_typtype(argument->type) != TYPTYPE_ENUM && strcmp(what, "label") != 0)
				ereport(ERROR,
						(errcode(ERRCODE_DATATYPE_MISMATCH),
						 errmsg("a %s cannot be of type %s", what, format_type_be(type)),
						 errhint("Give numbers, booleans, texts or arrays of double precision.")));
			argument->form = MDL_ARGUMENT_TEXT;
	}
	argument->wording = mdl_wording(argument->type);
	getTypeOutputInfo(argument->type, &output, &varlena);
	fmgr_info_cxt(output, &argument->output, fcinfo->flinfo->fn_mcxt);
}

double
mdl_argument_number(const MdlArgument *argument, Datum value)
{
	return mdl_number_of(argument->type, value);
}

text *
mdl_argument_text(MdlArgument *argument, Datum value)
{
	/* As its text, as train() casts a label: a boolean is true or false. */
	if (argument->type == TEXTOID || argument->type == VARCHAROID)
		return DatumGetTextPP(value);
	if (argument->type == BOOLOID)
		return cstring_to_text(DatumGetBool(value) ? "true" : "false");
	if (argument->type == BPCHAROID)
		return DatumGetTextPP(DirectFunctionCall1(rtrim1, value));
	return cstring_to_text(OutputFunctionCall(&argument->output, mdl_wording_value(argument->wording, value)));
}

ArrayType *
mdl_argument_vector(const MdlArgument *argument, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);

	(void) argument;
	if (ARR_NDIM(array) != 1 || ARR_ELEMTYPE(array) != FLOAT8OID || ARR_HASNULL(array))
		return NULL;
	return array;
}

MdlArguments *
mdl_arguments_open(FunctionCallInfo fcinfo, int first)
{
	MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	MdlArguments *a = palloc0(sizeof(MdlArguments));

	a->first = first;
	a->count = PG_NARGS() - first;
	a->arguments = palloc0(sizeof(MdlArgument) * (a->count + 1));
	a->lengths = palloc0(sizeof(int) * (a->count + 1));
	a->plain = true;
	for (int i = 0; i < a->count; i++)
	{
		mdl_argument_open(fcinfo, first + i, "feature", &a->arguments[i]);
		a->plain &= a->arguments[i].type == FLOAT8OID;
		a->vectors |= a->arguments[i].form == MDL_ARGUMENT_VECTOR;
		a->lengths[i] = 1;
	}
	a->room = a->count + 16;
	a->numbers = palloc(sizeof(double) * (a->room + 1));	/* and one for what the caller puts behind them */
	MemoryContextSwitchTo(caller);
	return a;
}

void
mdl_wrong_feature(int index, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("feature %d %s", index, what),
			 errhint("Leave such rows out with FILTER (WHERE …), or turn the values into numbers.")));
}

static void
put_number(MdlArguments *a, int index, double number)
{
	if (a->n_numbers == a->room)
	{
		a->room *= 2;
		a->numbers = repalloc(a->numbers, sizeof(double) * (a->room + 1));
	}
	if (unlikely(!isfinite(number)))
		mdl_wrong_feature(index + 1, "is NaN or infinite");
	a->numbers[a->n_numbers++] = number;
}

/* The same of numbers that are double precision all; false if there is something to complain of. */
static bool
take_plain(MdlArguments *a, const NullableDatum *values)
{
	const uint64 infinity = UINT64CONST(0x7ff0000000000000);
	bool		wrong = false;

	for (int i = 0; i < a->count; i++)
	{
		uint64		bits;

		a->numbers[i] = DatumGetFloat8(values[i].value);
		memcpy(&bits, &a->numbers[i], sizeof(double));
		wrong |= values[i].isnull | ((bits & infinity) == infinity);
	}
	a->n_numbers = a->count;
	return !wrong;
}

void
mdl_arguments_numbers(MdlArguments *a, FunctionCallInfo fcinfo)
{
	if (a->plain && take_plain(a, &fcinfo->args[a->first]))
		return;
	a->n_numbers = 0;
	for (int i = 0; i < a->count; i++)
	{
		const MdlArgument *argument = &a->arguments[i];
		const NullableDatum *value = &fcinfo->args[a->first + i];

		if (unlikely(value->isnull))
			mdl_wrong_feature(i + 1, "is NULL");
		if (argument->form == MDL_ARGUMENT_NUMBER)
			put_number(a, i, mdl_argument_number(argument, value->value));
		else if (argument->form == MDL_ARGUMENT_TEXT)
			mdl_wrong_feature(i + 1, "is a text");
		else
		{
			ArrayType  *array = mdl_argument_vector(argument, value->value);

			if (array == NULL)
				mdl_wrong_feature(i + 1, "is no array of one dimension without NULLs");
			a->lengths[i] = ARR_DIMS(array)[0];
			for (int k = 0; k < a->lengths[i]; k++)
				put_number(a, i, ((const double *) ARR_DATA_PTR(array))[k]);
		}
	}
}

void
mdl_target_open(FunctionCallInfo fcinfo, int arg, MdlArgument *argument)
{
	mdl_argument_open(fcinfo, arg, "y", argument);
	if (argument->form != MDL_ARGUMENT_NUMBER)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("y must be a number or a boolean")));
}

double
mdl_target_argument(const MdlArgument *argument, FunctionCallInfo fcinfo, int arg)
{
	double		y = PG_ARGISNULL(arg) ? NAN : mdl_argument_number(argument, PG_GETARG_DATUM(arg));

	if (!isfinite(y))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("y is NULL, NaN or infinite"),
				 errhint("Leave such rows out with FILTER (WHERE …).")));
	return y;
}

double
mdl_weight_argument(FunctionCallInfo fcinfo, int arg)
{
	double		weight = PG_ARGISNULL(arg) ? NAN : PG_GETARG_FLOAT8(arg);

	if (!(weight >= 0) || isinf(weight))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a weight is NULL, negative, NaN or infinite"),
				 errhint("Give 1 where rows have no weights.")));
	return weight;
}

/* ---- arrays of numbers --------------------------------------------------------------------------------------------- */

const double *
mdl_doubles_argument(Datum value, const char *name, int dimensions, int *rows, int *columns)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	const double *values = (const double *) ARR_DATA_PTR(array);

	if (ARR_NDIM(array) != dimensions || ARR_ELEMTYPE(array) != FLOAT8OID || ARR_HASNULL(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be an array of %d dimensions without NULLs", name, dimensions)));
	*rows = dimensions == 2 ? ARR_DIMS(array)[0] : 1;
	*columns = ARR_DIMS(array)[dimensions - 1];
	for (int i = 0; i < *rows * *columns; i++)
		if (!isfinite(values[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" has an element that is NaN or infinite", name)));
	return values;
}

static Datum
array_of(const double *values, int rows, int columns, bool nulls)
{
	int			n = Max(rows, 1) * columns;
	int			dims[2] = {rows > 0 ? rows : columns, columns};
	int			lower[2] = {1, 1};
	Datum	   *datums = palloc(sizeof(Datum) * (n + 1));
	bool	   *is_null = palloc(sizeof(bool) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		datums[i] = Float8GetDatum(values[i]);
		is_null[i] = nulls && isnan(values[i]);
	}
	return PointerGetDatum(construct_md_array(datums, is_null, rows > 0 ? 2 : 1, dims, lower, FLOAT8OID, 8, true, TYPALIGN_DOUBLE));
}

Datum
mdl_doubles_datum(const double *values, int rows, int columns)
{
	return array_of(values, rows, columns, false);
}

Datum
mdl_doubles_datum_nulls(const double *values, int rows, int columns)
{
	return array_of(values, rows, columns, true);
}

/* ---- states -------------------------------------------------------------------------------------------------------- */

struct varlena *
mdl_state_bytes(Datum value, bool copy)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (copy || !VARATT_IS_4B_U(bytes) || (uintptr_t) bytes % MAXIMUM_ALIGNOF != 0)
		return PG_DETOAST_DATUM_COPY(value);
	return bytes;
}

void
mdl_damaged_state(const char *of)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of %s is damaged", of)));
}

static uint32
checksum_of(const MdlStateHead *s)
{
	return ml_crc32c((const unsigned char *) (s + 1), VARSIZE(s) - sizeof(*s));
}

void
mdl_seal_state(void *state)
{
	((MdlStateHead *) state)->checksum = checksum_of(state);
}

/* The aggregate whose states have such a head; NULL if there is none. */
static const char *
aggregate_of(const MdlStateHead *s)
{
	switch (s->magic)
	{
		case MDL_STATE_MOMENTS:
			if (VARSIZE(s) < sizeof(MdlMomentsState))
				return NULL;
			return ((const MdlMomentsState *) s)->kind == MDL_MOMENTS_PCA ? "pca_state" : "linear_state";
		case MDL_STATE_CLASSES:
			return "naive_bayes_state";
		case MDL_STATE_KMEANS:
			return "kmeans_state";
		case MDL_STATE_GLM:
			return "glm_state";
	}
	return NULL;
}

void *
mdl_sealed_state(Datum value, uint32 magic, int32 version, Size smallest, const char *aggregate, bool copy)
{
	MdlStateHead *s = (MdlStateHead *) mdl_state_bytes(value, copy);
	const char *of = VARSIZE(s) < sizeof(*s) ? NULL : aggregate_of(s);

	if (of == NULL)
		mdl_damaged_state(aggregate);
	if (s->magic != magic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the state is one of medallion.%s, but medallion.%s is expected", of, aggregate)));
	if (s->version != version)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the state of %s is of version %d, but this server reads version %d", aggregate, s->version, version),
				 errhint("Make the state again with the version of the extension that is here.")));
	if (VARSIZE(s) < smallest || s->checksum != checksum_of(s))
		mdl_damaged_state(aggregate);
	return s;
}

/* Final function of aggregates whose state goes on as it is. */
MDL_SHIM_TARGET(mdl_state_seal);
Datum
mdl_state_seal_impl(PG_FUNCTION_ARGS)
{
	struct varlena *s;

	mdl_only_in_aggregate(fcinfo);
	s = mdl_state_bytes(PG_GETARG_DATUM(0), true);
	if (VARSIZE(s) < sizeof(MdlStateHead))
		mdl_damaged_state("an aggregate");
	mdl_seal_state(s);
	PG_RETURN_POINTER(s);
}

Datum
mdl_state_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	columns;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}
