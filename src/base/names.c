/*
 * names.c: names of relations, for SQL text and for messages.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

static void
relation_names(Oid relid, char **schema, char **relation)
{
	*relation = get_rel_name(relid);
	*schema = *relation ? get_namespace_name(get_rel_namespace(relid)) : NULL;
	if (*schema == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
}

char *
mdl_qualified_name(Oid relid)
{
	char	   *schema,
			   *relation;

	relation_names(relid, &schema, &relation);
	return quote_qualified_identifier(schema, relation);
}

char *
mdl_display_name(Oid relid)
{
	char	   *schema,
			   *relation;

	relation_names(relid, &schema, &relation);
	return psprintf("%s.%s", schema, relation);
}

bool
mdl_is_one_of(const char *name, char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

char *
mdl_type_name(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

Oid
mdl_relation_by_name(const char *name, bool missing_ok)
{
	RangeVar   *range = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));

	return RangeVarGetRelid(range, NoLock, missing_ok);
}

void
mdl_split_name(const char *name, char **schema, char **relation)
{
	RangeVar   *range = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));

	if (range->schemaname == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("table name \"%s\" has no schema", name),
				 errhint("Write the schema too, for example silver.%s.", name)));
	(void) get_namespace_oid(range->schemaname, false);
	*schema = range->schemaname;
	*relation = range->relname;
}

char *
mdl_operator_sql(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *text;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	text = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return text;
}
