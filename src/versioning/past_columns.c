/*
 * past_columns.c: which columns of a table get values when rows of a past version are written again.
 *
 * Generated columns compute themselves.  Columns that did not exist at the version keep what they have in rows that are
 * there, and take their default in rows that come back.
 */
#include "versioning/versioning_int.h"

#include "catalog/pg_attribute.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

MdlPastColumns *
mdl_past_columns(const MdlTable *table, Relation relation, int64 version)
{
	TupleDesc	desc = RelationGetDescr(relation);
	MdlPastColumns *columns = palloc0(sizeof(MdlPastColumns));

	columns->natts = desc->natts;
	columns->written = palloc0(desc->natts * sizeof(bool));
	columns->always_identity = palloc0(desc->natts * sizeof(bool));
	columns->names = palloc0(desc->natts * sizeof(char *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped)
			continue;
		columns->names[i] = pstrdup(quote_identifier(NameStr(column->attname)));
		columns->written[i] = column->attgenerated == '\0';
		columns->always_identity[i] = column->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;
	}
	return columns;
}

char *
mdl_past_column_list(const MdlPastColumns *columns, const char *alias)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < columns->natts; i++)
		if (columns->written[i])
			appendStringInfo(&list, "%s%s%s%s", list.len > 0 ? ", " : "", alias ? alias : "", alias ? "." : "",
							 columns->names[i]);
	return list.len > 0 ? list.data : NULL;
}
