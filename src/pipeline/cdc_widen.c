/*
 * cdc_widen.c: types that take all that another takes, for columns whose values outgrow them.
 *
 * Whole numbers grow from smallint to numeric, floats from real to double precision, texts lose their limit.  Any other
 * change of a type is for the owner of the table to make.
 */
#include "pipeline/cdc_int.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* Narrow to wide, family by family. */
static const struct
{
	Oid			type;
	int			family;
	const char *name;
}			widths[] =
{
	{INT2OID, 0, "pg_catalog.int2"}, {INT4OID, 0, "pg_catalog.int4"}, {INT8OID, 0, "pg_catalog.int8"},
	{NUMERICOID, 0, "pg_catalog.numeric"}, {FLOAT4OID, 1, "pg_catalog.float4"}, {FLOAT8OID, 1, "pg_catalog.float8"},
	{BPCHAROID, 2, "pg_catalog.bpchar"}, {VARCHAROID, 2, "pg_catalog.varchar"}, {TEXTOID, 2, "pg_catalog.text"},
};

static int
width_of(Oid type)
{
	for (int i = 0; i < lengthof(widths); i++)
		if (widths[i].type == type)
			return i;
	return -1;
}

const char *
mdl_wider_type(Oid type, int32 typmod, Oid given, int32 given_typmod)
{
	int			own = width_of(type);
	int			other = width_of(given);

	if (own < 0 || other < 0 || widths[own].family != widths[other].family)
		return NULL;
	if (other > own)
		return format_type_extended(given, given_typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	if (other == own && typmod >= 0 && given_typmod < 0)
		return widths[own].name;
	if (other == own && widths[own].family == 2 && typmod >= 0 && given_typmod > typmod)
		return format_type_extended(given, given_typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	return NULL;
}

/* Whether the text of a whole number fits a type of integers. */
static bool
fits(Datum number, int64 least, int64 greatest)
{
	return DatumGetBool(DirectFunctionCall2(numeric_ge, number, NumericGetDatum(int64_to_numeric(least)))) &&
		DatumGetBool(DirectFunctionCall2(numeric_le, number, NumericGetDatum(int64_to_numeric(greatest))));
}

const char *
mdl_type_for_value(const FlowColumn *column, const JsonbValue *value)
{
	if (value->type == jbvNumeric && (column->base_type == INT2OID || column->base_type == INT4OID || column->base_type == INT8OID))
	{
		Datum		number = NumericGetDatum(value->val.numeric);
		bool		whole = DatumGetBool(DirectFunctionCall2(numeric_eq, number, DirectFunctionCall2(numeric_trunc, number, Int32GetDatum(0))));

		if (!whole || !fits(number, PG_INT64_MIN, PG_INT64_MAX))
			return widths[3].name;
		if (!fits(number, PG_INT32_MIN, PG_INT32_MAX))
			return column->base_type == INT8OID ? NULL : widths[2].name;
		return column->base_type == INT2OID && !fits(number, PG_INT16_MIN, PG_INT16_MAX) ? widths[1].name : NULL;
	}
	if (value->type == jbvString && column->base_type == VARCHAROID && column->typmod >= (int32) VARHDRSZ &&
		pg_mbstrlen_with_len(value->val.string.val, value->val.string.len) > column->typmod - (int32) VARHDRSZ)
		return "pg_catalog.text";
	return NULL;
}

bool
mdl_type_name_is_wider(const char *name, const char *than)
{
	int			own = -1;
	int			other = -1;

	for (int i = 0; i < lengthof(widths); i++)
	{
		if (strcmp(widths[i].name, name) == 0)
			own = i;
		if (strcmp(widths[i].name, than) == 0)
			other = i;
	}
	return own > other;
}
