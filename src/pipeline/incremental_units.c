/*
 * incremental_units.c: conditions that restrict a query or a table to some units.
 *
 * The values of each unit column are one array, compared with = ANY: the planner takes such a condition into subqueries, turns
 * it into index lookups where there are few values and into a hash table where there are many.  With several columns the
 * units are all combinations of their values, which may be more than changed; computing more is never wrong.
 */
#include "pipeline/result_int.h"

#include "utils/builtins.h"

char *
mdl_units_condition(const Units *units, const char *prefix)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < units->count; i++)
	{
		char	   *column = psprintf("%s%s", prefix, quote_identifier(units->columns[i]));

		appendStringInfo(&text, "%s(%s %s ANY ($%d)", i ? " AND " : "", column, mdl_operator_sql(units->operators[i]), i + 1);
		if (units->with_null[i])
			appendStringInfo(&text, " OR %s IS NOT DISTINCT FROM NULL", column);
		appendStringInfoChar(&text, ')');
	}
	return text.data;
}

void
mdl_units_args(const Units *units, MdlArgs *args)
{
	for (int i = 0; i < units->count; i++)
		mdl_arg(args, units->types[i], units->values[i], false);
}

ParamListInfo
mdl_units_params(const Units *units)
{
	ParamListInfo params = makeParamList(units->count);

	for (int i = 0; i < units->count; i++)
	{
		params->params[i].value = units->values[i];
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = units->types[i];
	}
	return params;
}
