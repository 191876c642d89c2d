/*
 * wording.c: texts of values by which equal ones are known as such: 1.0 and 1.00 are one number, '24:00' and '1 day' one interval.
 *
 * Where labels, groups or keys are kept as text, equal values must have equal texts.  Of most types they have; of a few
 * the value is replaced by an equal one that is the same for all that are equal.  (Of arrays, rows and jsonb of numbers, and of
 * texts of a nondeterministic collation, the text as it is decides.)
 */
#include "base/base.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Whether it is the type of extension citext, whose values are compared in lower case. */
static bool
is_citext(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		named = HeapTupleIsValid(tuple) && strcmp(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname), "citext") == 0;
	Oid			extension = named ? getExtensionOfObject(TypeRelationId, type) : InvalidOid;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return OidIsValid(extension) && strcmp(get_extension_name(extension), "citext") == 0;
}

MdlWording
mdl_wording(Oid type)
{
	Oid			base = getBaseType(type);

	switch (base)
	{
		case NUMERICOID:
			return MDL_WORDING_NUMERIC;
		case FLOAT4OID:
			return MDL_WORDING_FLOAT4;
		case FLOAT8OID:
			return MDL_WORDING_FLOAT8;
		case INTERVALOID:
			return MDL_WORDING_INTERVAL;
		default:
			return base >= FirstNormalObjectId && is_citext(base) ? MDL_WORDING_CITEXT : MDL_WORDING_PLAIN;
	}
}

Datum
mdl_wording_value(MdlWording wording, Datum value)
{
	switch (wording)
	{
		case MDL_WORDING_NUMERIC:
			return DirectFunctionCall1(numeric_trim_scale, value);
		case MDL_WORDING_FLOAT4:
			return Float4GetDatum(DatumGetFloat4(value) + 0.0f);	/* -0 becomes 0 */
		case MDL_WORDING_FLOAT8:
			return Float8GetDatum(DatumGetFloat8(value) + 0.0);
		case MDL_WORDING_INTERVAL:
			return DirectFunctionCall1(interval_justify_interval, value);
		case MDL_WORDING_CITEXT:
			return DirectFunctionCall1Coll(lower, DEFAULT_COLLATION_OID, value);
		default:
			return value;
	}
}

char *
mdl_wording_sql(const char *expression, Oid type)
{
	switch (mdl_wording(type))
	{
		case MDL_WORDING_NUMERIC:
			return psprintf("pg_catalog.trim_scale(%s)::pg_catalog.text", expression);
		case MDL_WORDING_FLOAT4:
		case MDL_WORDING_FLOAT8:
			return psprintf("(%s OPERATOR(pg_catalog.+) 0::pg_catalog.float4)::pg_catalog.text", expression);
		case MDL_WORDING_INTERVAL:
			return psprintf("pg_catalog.justify_interval(%s)::pg_catalog.text", expression);
		case MDL_WORDING_CITEXT:
			return psprintf("pg_catalog.lower(%s::pg_catalog.text COLLATE pg_catalog.\"default\")", expression);
		default:
			return psprintf("%s::pg_catalog.text", expression);
	}
}
