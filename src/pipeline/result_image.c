/*
 * result_image.c: when two rows are the same: keys by the primary key's operators, all else by what is stored.
 *
 * The *image* of a value is its stored bytes.  Equal values may have different images (1.0 and 1.00), and some types have
 * no equality operator (json, point), so images are what a refresh compares.
 */
#include "pipeline/definition_int.h"
#include "pipeline/result_int.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* A function call takes at most FUNC_MAX_ARGS (100) arguments. */
#define PAIRS_PER_CALL 50

/* ---- comparing stored values --------------------------------------------------------------------------------- */

typedef struct PairTypes
{
	int			count;
	struct
	{
		int16		length;
		bool		by_value;
	}			pairs[FLEXIBLE_ARRAY_MEMBER];
} PairTypes;

static PairTypes *
pair_types(FunctionCallInfo fcinfo)
{
	int			count = PG_NARGS() / 2;
	PairTypes  *types = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
											   offsetof(PairTypes, pairs) + sizeof(types->pairs[0]) * count);

	types->count = count;
	for (int i = 0; i < count; i++)
	{
		Oid			left = get_fn_expr_argtype(fcinfo->flinfo, 2 * i);
		Oid			right = get_fn_expr_argtype(fcinfo->flinfo, 2 * i + 1);

		if (!OidIsValid(left) || left != right)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("arguments %d and %d must be of one type", 2 * i + 1, 2 * i + 2)));
		get_typlenbyval(left, &types->pairs[i].length, &types->pairs[i].by_value);
	}
	return types;
}

MDL_FUNCTION(mdl_image_differs);
Datum
mdl_image_differs(PG_FUNCTION_ARGS)
{
	PairTypes  *types = fcinfo->flinfo->fn_extra;

	if (types == NULL)
	{
		if (get_fn_expr_variadic(fcinfo->flinfo) || PG_NARGS() % 2 != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("arguments must come in pairs")));
		types = fcinfo->flinfo->fn_extra = pair_types(fcinfo);
	}
	for (int i = 0; i < types->count; i++)
	{
		bool		left_null = PG_ARGISNULL(2 * i);

		if (left_null != PG_ARGISNULL(2 * i + 1))
			PG_RETURN_BOOL(true);
		if (!left_null && !datum_image_eq(PG_GETARG_DATUM(2 * i), PG_GETARG_DATUM(2 * i + 1),
										  types->pairs[i].by_value, types->pairs[i].length))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

/* ---- keys ---------------------------------------------------------------------------------------------------- */

/* Fills in what the index says of a column of the table; false if the column is not one of the index's. */
static bool
describe_key(Relation index, KeyColumn *key)
{
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		Oid			type = index->rd_opcintype[i];
		Oid			same;

		if (index->rd_index->indkey.values[i] != key->column)
			continue;
		key->operator = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);
		same = get_opfamily_proc(index->rd_opfamily[i], type, type, BTEQUALIMAGE_PROC);
		key->equal_is_same = OidIsValid(same) &&
			DatumGetBool(OidFunctionCall1Coll(same, index->rd_indcollation[i], ObjectIdGetDatum(type)));
		return OidIsValid(key->operator);
	}
	return false;
}

static char *
join_names(char **names, int count)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "", names[i]);
	return text.data;
}

KeyColumn *
mdl_key_columns(const DerivedTable *table)
{
	Relation	target = table_open(table->target, AccessShareLock);
	Oid			primary = RelationGetPrimaryKeyIndex(target);
	Relation	index = OidIsValid(primary) ? index_open(primary, AccessShareLock) : NULL;
	KeyColumn  *keys = palloc0_array(KeyColumn, table->key_count);

	for (int i = 0; i < table->key_count; i++)
	{
		keys[i].column = get_attnum(table->target, table->keys[i]);
		if (index == NULL || index->rd_index->indnkeyatts != table->key_count || !describe_key(index, &keys[i]))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the primary key of \"%s\" is not that of its definition", mdl_display_name(table->target)),
					 errdetail("The key defined is (%s).", join_names(table->keys, table->key_count)),
					 errhint("Give the table this primary key.")));
		keys[i].type = get_atttype(table->target, keys[i].column);
	}
	if (index)
		index_close(index, NoLock);
	table_close(target, NoLock);
	return keys;
}

char *
mdl_key_condition(const DerivedTable *table, const KeyColumn *keys)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < table->key_count; i++)
	{
		const char *name = quote_identifier(table->keys[i]);

		if (i > 0)
			appendStringInfoString(&text, " AND ");
		generate_operator_clause(&text, psprintf("t.%s", name), keys[i].type, keys[i].operator,
								 psprintf("n.%s", name), keys[i].type);
	}
	return text.data;
}

bool
mdl_is_settled_by_key(const DerivedResult *result, const KeyColumn *keys, AttrNumber column)
{
	for (int i = 0; i < result->table->key_count; i++)
		if (result->key_columns[i] == column)
			return keys[i].equal_is_same;
	return false;
}

char *
mdl_difference_condition(const DerivedResult *result, const KeyColumn *keys)
{
	StringInfoData text;
	int			pairs = 0;

	initStringInfo(&text);
	for (int i = 0; i < result->columns->natts; i++)
	{
		const char *name = quote_identifier(NameStr(TupleDescAttr(result->columns, i)->attname));

		if (mdl_is_settled_by_key(result, keys, i + 1))
			continue;
		if (pairs % PAIRS_PER_CALL == 0)
			appendStringInfo(&text, "%smedallion._image_differs(", pairs ? ") OR " : "");
		appendStringInfo(&text, "%st.%s, n.%s", pairs % PAIRS_PER_CALL ? ", " : "", name, name);
		pairs++;
	}
	appendStringInfoString(&text, pairs ? ")" : "false");
	return text.data;
}
