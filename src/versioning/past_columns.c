/*
 * past_columns.c: which columns of a table get values when rows of a past version are written again.
 *
 * Generated columns compute themselves.  Columns that did not exist at the version keep what they have in rows that are
 * there, and take their default in rows that come back.
 */
#include "versioning/columns_int.h"
#include "versioning/past_int.h"
#include "versioning/tables_int.h"

#include "catalog/pg_attribute.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

/* Whether a column was in the table at a point: whether its identity had begun. */
static bool
was_there(const MdlPhase *phases, int count, const char *name, const MdlPoint *point)
{
	const MdlPhase *first = mdl_columns_current(phases, count, name);

	for (int i = 0; first != NULL && i < count; i++)
		if (phases[i].column_id == first->column_id && phases[i].phase < first->phase)
			first = &phases[i];
	return first == NULL || first->since == 0 || mdl_point_includes(point, first->since);
}

MdlPastColumns *
mdl_past_columns(const MdlTable *table, Relation relation, int64 version)
{
	TupleDesc	desc = RelationGetDescr(relation);
	MdlPastColumns *columns = palloc0(sizeof(MdlPastColumns));
	const MdlPoint *point = mdl_point_resolve(version, NULL);
	int			nphases;
	MdlPhase   *phases = mdl_columns_read(table->table_id, &nphases);

	columns->natts = desc->natts;
	columns->written = palloc0(desc->natts * sizeof(bool));
	columns->existed = palloc0(desc->natts * sizeof(bool));
	columns->always_identity = palloc0(desc->natts * sizeof(bool));
	columns->names = palloc0(desc->natts * sizeof(char *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped)
			continue;
		columns->names[i] = pstrdup(quote_identifier(NameStr(column->attname)));
		columns->written[i] = column->attgenerated == '\0';
		columns->existed[i] = was_there(phases, nphases, NameStr(column->attname), point);
		if (!columns->existed[i])
		{
			columns->written[i] = false;
			columns->absent = columns->absent ? psprintf("%s, %s", columns->absent, NameStr(column->attname))
				: pstrdup(NameStr(column->attname));
		}
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
