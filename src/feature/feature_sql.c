/*
 * feature_sql.c: the SQL functions that make, drop and read feature views.
 */
#include "feature/feature_int.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/pg_index.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
}

/* The columns of the source's primary key, as the default tie breakers; none if there is no key. */
static char **
primary_key_columns(Oid relid, int *count)
{
	Relation	relation = relation_open(relid, AccessShareLock);
	Oid			key = RelationGetPrimaryKeyIndex(relation);
	char	  **columns = NULL;

	*count = 0;
	if (OidIsValid(key))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(key));
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		columns = palloc(sizeof(char *) * index->indnkeyatts);
		for (int i = 0; i < index->indnkeyatts; i++)
			columns[(*count)++] = get_attname(relid, index->indkey.values[i], false);
		ReleaseSysCache(tuple);
	}
	relation_close(relation, NoLock);
	return columns;
}

static int64
optional_length(FunctionCallInfo fcinfo, int number, const char *name, bool allow_zero)
{
	int64		length;

	if (PG_ARGISNULL(number))
		return 0;
	length = mdl_interval_length(PG_GETARG_INTERVAL_P(number), psprintf("argument \"%s\"", name));
	if (length < 0 || (length == 0 && !allow_zero))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must %s", name, allow_zero ? "not be negative" : "be longer than zero")));
	return length;
}

/* Names the view's source: a table, view, materialised view or foreign table. */
static Oid
find_source(text *name)
{
	Oid			source = mdl_relation_by_name(text_to_cstring(name), true);

	if (!OidIsValid(source))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("source \"%s\" does not exist", text_to_cstring(name)),
				 errhint("A feature view reads one table or view; make a view for a query.")));
	return source;
}

/* create_feature_view(name, source, entity, at, features, ttl, delay, tiebreak, replace) */
MDL_FUNCTION(mdl_create_feature_view);
Datum
mdl_create_feature_view(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {"name", "source", "entity", "at", "features"};
	MdlFeatureView view = {0};
	int			version;
	char	   *owner;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {0};

	for (int i = 0; i < lengthof(required); i++)
		require_argument(fcinfo, i, required[i]);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	view.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	view.version = 1;
	view.source = find_source(PG_GETARG_TEXT_PP(1));
	view.entity = mdl_text_array(PG_GETARG_ARRAYTYPE_P(2), "entity", &view.entity_count);
	if (view.entity_count > INDEX_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("feature view \"%s\" has more than %d entity columns", view.name, INDEX_MAX_KEYS)));
	view.at = text_to_cstring(PG_GETARG_TEXT_PP(3));
	view.has_ttl = !PG_ARGISNULL(5);
	view.ttl = optional_length(fcinfo, 5, "ttl", false);
	view.delay = optional_length(fcinfo, 6, "delay", true);
	if (PG_ARGISNULL(7))
		view.tiebreak = primary_key_columns(view.source, &view.tiebreak_count);
	else
		view.tiebreak = mdl_text_array(PG_GETARG_ARRAYTYPE_P(7), "tiebreak", &view.tiebreak_count);
	mdl_feature_parse(&view, PG_GETARG_JSONB_P(4));
	mdl_feature_resolve(&view, true);
	(void) mdl_window_plan(&view, view.delay);	/* for its limits */

	SPI_connect();
	if (mdl_feature_view_exists(view.name, &version, &owner))
	{
		if (PG_ARGISNULL(8) || !PG_GETARG_BOOL(8))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("feature view \"%s\" already exists", view.name),
					 errhint("Use replace => true to define it anew.")));
		mdl_feature_view_require_owner(view.name, owner);
		view.version = version + 1;
	}
	mdl_feature_view_store(&view);
	SPI_finish();

	values[0] = CStringGetTextDatum(view.name);
	values[1] = Int32GetDatum(view.version);
	values[2] = Int32GetDatum(view.feature_count);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* drop_feature_view(name, missing_ok) returns whether there was one. */
MDL_FUNCTION(mdl_drop_feature_view);
Datum
mdl_drop_feature_view(PG_FUNCTION_ARGS)
{
	char	   *name;
	int			version;
	char	   *owner;
	bool		found;

	require_argument(fcinfo, 0, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	SPI_connect();
	found = mdl_feature_view_exists(name, &version, &owner);
	if (found)
	{
		mdl_feature_view_require_owner(name, owner);
		mdl_feature_view_delete(name);
	}
	else if (PG_ARGISNULL(1) || !PG_GETARG_BOOL(1))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("feature view \"%s\" does not exist", name),
				 errhint("The view medallion.feature_views lists them.")));
	SPI_finish();
	PG_RETURN_BOOL(found);
}

/* ---- get_features ---------------------------------------------------------------------------------------------- */

/* Reads one entity out of JSON, into values of the source's column types. */
static void
read_entity(const MdlFeatureView *view, Jsonb *entity, const Oid *types, Datum *values, bool *nulls)
{
	const char **allowed = palloc0(sizeof(char *) * (view->entity_count + 1));

	for (int i = 0; i < view->entity_count; i++)
		allowed[i] = view->entity[i];
	mdl_jsonb_check_keys(entity, "entity", allowed);
	for (int i = 0; i < view->entity_count; i++)
	{
		JsonbValue *value;
		JsonbValue	key = {.type = jbvString};
		Oid			input,
					io_param;
		char	   *text;

		key.val.string.val = view->entity[i];
		key.val.string.len = strlen(view->entity[i]);
		value = findJsonbValueFromContainer(&entity->root, JB_FOBJECT, &key);
		if (value == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"entity\" has no key \"%s\"", view->entity[i]),
					 errhint("Give a value for each entity column of feature view \"%s\".", view->name)));
		nulls[i] = value->type == jbvNull;
		values[i] = (Datum) 0;
		if (nulls[i])
			continue;
		if (value->type == jbvString)
			text = pnstrdup(value->val.string.val, value->val.string.len);
		else if (value->type == jbvNumeric)
			text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		else if (value->type == jbvBool)
			text = value->val.boolean ? "true" : "false";
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" in argument \"entity\" must be a string, a number or a boolean", view->entity[i])));
		getTypeInputInfo(types[i], &input, &io_param);
		values[i] = OidInputFunctionCall(input, text, io_param, -1);
	}
}

/* "customer_id = $3 AND …" with the equality operators of the types. */
static char *
entity_condition(const MdlFeatureView *view, const Oid *types, const Datum *values, const bool *nulls, MdlArgs *args)
{
	StringInfoData text;

	if (view->entity_count == 0)
		return NULL;
	initStringInfo(&text);
	for (int i = 0; i < view->entity_count; i++)
	{
		mdl_arg(args, types[i], values[i], nulls[i]);
		appendStringInfo(&text, "%s%s %s $%d", i ? " AND " : "", quote_identifier(view->entity[i]),
						 mdl_operator_sql(lookup_type_cache(types[i], TYPECACHE_EQ_OPR)->eq_opr), i + 3);
	}
	return text.data;
}

static void
push_value(JsonbParseState **state, Datum value, bool is_null, Oid type)
{
	JsonbValue	json = {.type = jbvNull};
	Numeric		number = NULL;

	if (is_null)
	{
		pushJsonbValue(state, WJB_VALUE, &json);
		return;
	}
	switch (type)
	{
		case BOOLOID:
			json.type = jbvBool;
			json.val.boolean = DatumGetBool(value);
			break;
		case INT2OID:
			number = int64_to_numeric(DatumGetInt16(value));
			break;
		case INT4OID:
			number = int64_to_numeric(DatumGetInt32(value));
			break;
		case INT8OID:
			number = int64_to_numeric(DatumGetInt64(value));
			break;
		case NUMERICOID:
			number = DatumGetNumeric(value);
			break;
		case FLOAT4OID:
		case FLOAT8OID:
			/* By way of text: the shortest digits that give the same number back, whatever extra_float_digits is. */
			{
				char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

				if (type == FLOAT4OID)
					float_to_shortest_decimal_buf(DatumGetFloat4(value), text);
				else
					double_to_shortest_decimal_buf(DatumGetFloat8(value), text);

				number = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
															 Int32GetDatum(-1)));
			}
			break;
		default:
			break;
	}
	if (number != NULL && !numeric_is_nan(number) && !numeric_is_inf(number))
	{
		json.type = jbvNumeric;
		json.val.numeric = number;
	}
	else if (json.type == jbvNull)
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(type, &output, &is_varlena);
		json.type = jbvString;
		json.val.string.val = OidOutputFunctionCall(output, value);
		json.val.string.len = strlen(json.val.string.val);
	}
	pushJsonbValue(state, WJB_VALUE, &json);
}

/* get_features(view, entity, at) returns {"feature": value, …} of one entity as of a time. */
MDL_FUNCTION(mdl_get_features);
Datum
mdl_get_features(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MdlFeatureView *view;
	Oid			types[INDEX_MAX_KEYS],
				canonical[INDEX_MAX_KEYS],
				collations[INDEX_MAX_KEYS];
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	MdlArgs		args = {0};
	MdlEntityTable *entities;
	MdlFeatureMatrix *matrix;
	int32		entity_of;
	int64		time;
	char	   *condition;
	JsonbParseState *state = NULL;
	Jsonb	   *result;

	require_argument(fcinfo, 0, "view");
	require_argument(fcinfo, 1, "entity");
	require_argument(fcinfo, 2, "at");
	SPI_connect();
	view = mdl_feature_view_load(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (view->entity_count > MDL_MAX_ARGS)
		elog(ERROR, "too many entity columns");
	time = PG_GETARG_TIMESTAMPTZ(2);
	mdl_view_entity_types(view, types, canonical, collations);
	read_entity(view, PG_GETARG_JSONB_P(1), types, values, nulls);
	condition = entity_condition(view, types, values, nulls, &args);
	entities = mdl_entity_table_create(view->entity_count, canonical, collations);
	for (int i = 0; i < view->entity_count; i++)
		values[i] = nulls[i] ? (Datum) 0 : mdl_entity_canonical(values[i], types[i]);
	entity_of = mdl_entity_lookup(entities, values, nulls, true);
	matrix = mdl_point_in_time(mdl_window_plan(view, view->delay), entities, &entity_of, &time, 1, condition, &args);

	MemoryContextSwitchTo(caller);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < view->feature_count; i++)
	{
		JsonbValue	key = {.type = jbvString};

		key.val.string.val = view->features[i].name;
		key.val.string.len = strlen(view->features[i].name);
		pushJsonbValue(&state, WJB_KEY, &key);
		push_value(&state, matrix->values[i], matrix->nulls[i], view->features[i].type);
	}
	result = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	SPI_finish();
	PG_RETURN_JSONB_P(result);
}
