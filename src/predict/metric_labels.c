/*
 * metric_labels.c: comparing labels and predictions of any types, and the states of the metric aggregates.
 */
#include "predict/metric_int.h"

#include "base/number.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

void
mdl_require_aggregate(FunctionCallInfo fcinfo)
{
	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function %s can only be called as part of an aggregate", get_func_name(fcinfo->flinfo->fn_oid))));
}

double *
mdl_state_doubles(FunctionCallInfo fcinfo, int argument, int n, Datum *datum)
{
	ArrayType  *state;

	mdl_require_aggregate(fcinfo);
	state = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] != n || ARR_HASNULL(state) || ARR_ELEMTYPE(state) != FLOAT8OID)
		elog(ERROR, "state of a metric must be an array of %d doubles", n);
	if (datum != NULL)
		*datum = PointerGetDatum(state);
	return (double *) ARR_DATA_PTR(state);
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID || type == UNKNOWNOID || type == NAMEOID;
}

/* How a label of type a and a prediction of type b are compared; 0 when they cannot be. */
static MdlLabelMode
choose_mode(Oid a, Oid b)
{
	if (is_integer(a) && is_integer(b))
		return MDL_LABEL_INTEGER;
	if ((a == BOOLOID && (b == BOOLOID || is_text(b))) || (b == BOOLOID && is_text(a)))
		return MDL_LABEL_BOOLEAN;
	if ((mdl_is_number(a) || a == BOOLOID) && (mdl_is_number(b) || b == BOOLOID))
		return MDL_LABEL_NUMBER;
	if ((mdl_is_number(a) && is_text(b)) || (is_text(a) && mdl_is_number(b)))
		return MDL_LABEL_NUMBER;
	if (a == b || is_text(a) || is_text(b))
		return MDL_LABEL_TEXT;
	return 0;
}

MdlLabels *
mdl_labels_make(Oid label, Oid predicted, const char *metric, MemoryContext context)
{
	MdlLabels  *labels = MemoryContextAllocZero(context, sizeof(MdlLabels));
	Oid			types[2] = {getBaseType(label), getBaseType(predicted)};

	for (int side = 0; side < 2; side++)
	{
		Oid			output;
		bool		varlena;

		labels->sides[side].type = types[side];
		labels->sides[side].wording = mdl_wording(types[side]);
		getTypeOutputInfo(types[side], &output, &varlena);
		fmgr_info_cxt(output, &labels->sides[side].output, context);
	}
	for (int side = 0; side < 2; side++)
		labels->sides[side].is_read = is_text(types[side]) &&
			(TypeCategory(types[1 - side]) == TYPCATEGORY_DATETIME || labels->sides[1 - side].wording != MDL_WORDING_PLAIN);
	labels->mode = choose_mode(types[0], types[1]);
	if (labels->mode == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s cannot compare a label of type %s with a prediction of type %s", metric,
						format_type_be(types[0]), format_type_be(types[1])),
				 errhint("Cast one of them.")));
	return labels;
}

MdlLabels *
mdl_labels(FunctionCallInfo fcinfo, int n_sides, const char *metric)
{
	MdlLabels  *labels = fcinfo->flinfo->fn_extra;
	Oid			types[2];

	if (likely(labels != NULL))
		return labels;
	for (int side = 0; side < 2; side++)
	{
		types[side] = get_fn_expr_argtype(fcinfo->flinfo, side < n_sides ? side + 1 : 1);
		if (!OidIsValid(types[side]))
			elog(ERROR, "could not determine the type of argument %d of %s", side + 1, metric);
	}
	labels = mdl_labels_make(types[0], types[1], metric, fcinfo->flinfo->fn_mcxt);
	if (n_sides == 1 && labels->mode == MDL_LABEL_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s needs a label of type boolean or a number 0 or 1, but its type is %s", metric,
						format_type_be(labels->sides[0].type)),
				 errhint("Write a condition that is true for the positive class, for example medallion.%s(label = 'yes', score).",
						 metric)));
	fcinfo->flinfo->fn_extra = labels;
	return labels;
}

/* Text of varlena text types is used in place; other types go through their output function. */
static const char *
raw_text(MdlLabelSide *side, Datum value, int *length)
{
	char	   *text;

	if (side->type == TEXTOID || side->type == VARCHAROID)
	{
		struct varlena *stored = PG_DETOAST_DATUM_PACKED(value);

		*length = VARSIZE_ANY_EXHDR(stored);
		return VARDATA_ANY(stored);
	}
	text = side->type == UNKNOWNOID ? DatumGetCString(value) : OutputFunctionCall(&side->output, mdl_wording_value(side->wording, value));
	*length = strlen(text);
	if (side->type == BPCHAROID)
		while (*length > 0 && text[*length - 1] == ' ')
			(*length)--;
	return text;
}

static int64
integer_of(const MdlLabelSide *side, Datum value)
{
	switch (side->type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

static double
number_of(MdlLabelSide *side, Datum value)
{
	const char *text;
	char	   *copy;
	int			length;
	bool		truth;
	bool		failed = false;
	double		number;

	if (mdl_is_number(side->type) || side->type == BOOLOID)
		return mdl_number_of(side->type, value);
	/* A class of a boolean label, compared with labels 0 and 1. */
	text = raw_text(side, value, &length);
	if (length > 0 && strchr("tTfFyYnN", text[0]) != NULL && parse_bool_with_len(text, length, &truth))
		return truth ? 1 : 0;
	copy = pnstrdup(text, length);
	number = float8in_internal_opt_error(copy, NULL, "double precision", copy, &failed);
	if (failed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("class \"%s\" cannot be compared with a number", copy)));
	pfree(copy);
	return number;
}

static bool
boolean_of(MdlLabelSide *side, Datum value)
{
	int			length;
	const char *text;
	bool		result;

	if (side->type == BOOLOID)
		return DatumGetBool(value);
	text = raw_text(side, value, &length);
	if (!parse_bool_with_len(text, length, &result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("class \"%.*s\" cannot be compared with a boolean label", length, text)));
	return result;
}

/* A value given as text, such as a date, written as the other side writes its own. */
static const char *
read_text(MdlLabelSide *other, const char *text, int *length)
{
	Oid			input,
				parameter;
	char	   *written;

	getTypeInputInfo(other->type, &input, &parameter);
	written = OutputFunctionCall(&other->output,
								 mdl_wording_value(other->wording, OidInputFunctionCall(input, pnstrdup(text, *length), parameter, -1)));
	*length = strlen(written);
	return written;
}

const char *
mdl_label_text(MdlLabels *labels, int which, Datum value, int *length)
{
	MdlLabelSide *side = &labels->sides[which];
	const char *text;

	switch (labels->mode)
	{
		case MDL_LABEL_BOOLEAN:
			{
				bool		result = boolean_of(side, value);

				*length = result ? 4 : 5;
				return result ? "true" : "false";
			}
		case MDL_LABEL_INTEGER:
			*length = pg_lltoa(integer_of(side, value), side->buffer);
			return side->buffer;
		case MDL_LABEL_NUMBER:
			{
				double		number = number_of(side, value);

				*length = double_to_shortest_decimal_buf(number == 0 ? 0.0 : number, side->buffer);
				return side->buffer;
			}
		default:
			text = raw_text(side, value, length);
			return side->is_read ? read_text(&labels->sides[1 - which], text, length) : text;
	}
}

const char *
mdl_class_text(MdlLabelMode mode, text *class_name, int *length)
{
	MdlLabels  *labels = palloc0(sizeof(MdlLabels));

	labels->mode = mode == MDL_LABEL_INTEGER ? MDL_LABEL_NUMBER : mode;
	labels->sides[0].type = TEXTOID;
	return mdl_label_text(labels, 0, PointerGetDatum(class_name), length);
}

bool
mdl_labels_equal(MdlLabels *labels, Datum label, Datum predicted)
{
	MdlLabelSide *sides = labels->sides;
	const char *a,
			   *b;
	int			a_length,
				b_length;

	switch (labels->mode)
	{
		case MDL_LABEL_BOOLEAN:
			return boolean_of(&sides[0], label) == boolean_of(&sides[1], predicted);
		case MDL_LABEL_INTEGER:
			return integer_of(&sides[0], label) == integer_of(&sides[1], predicted);
		case MDL_LABEL_NUMBER:
			return float8_eq(number_of(&sides[0], label), number_of(&sides[1], predicted));
		default:
			a = mdl_label_text(labels, 0, label, &a_length);
			b = mdl_label_text(labels, 1, predicted, &b_length);
			return a_length == b_length && memcmp(a, b, a_length) == 0;
	}
}

bool
mdl_label_positive(MdlLabels *labels, Datum label)
{
	double		number;

	if (labels->mode == MDL_LABEL_BOOLEAN)
		return DatumGetBool(label);
	number = number_of(&labels->sides[0], label);
	if (number != 0 && number != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label %g is neither 0 nor 1", number),
				 errhint("Write a condition that is true for the positive class, for example label = 2.")));
	return number == 1;
}
