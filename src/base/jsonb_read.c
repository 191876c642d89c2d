/*
 * jsonb_read.c: typed reading of options that a user gives as a jsonb object.
 */
#include "base/base.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static const char *
json_type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		case jbvArray:
			return "an array";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ? "an array" : "an object";
		default:
			return "an object";
	}
}

void
mdl_jsonb_require_object(Jsonb *object, const char *what)
{
	if (object != NULL && !JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", what)));
}

/* Finds a key; false when it is absent or null. */
static bool
find_key(Jsonb *object, const char *what, const char *key, JsonbValue *value)
{
	if (object == NULL)
		return false;
	mdl_jsonb_require_object(object, what);
	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), value) != NULL && value->type != jbvNull;
}

static void
wrong_type(const char *what, const char *key, const char *expected, const JsonbValue *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in argument \"%s\" must be %s, but is %s", key, what, expected, json_type_name(value))));
}

bool
mdl_jsonb_text(Jsonb *object, const char *what, const char *key, char **value)
{
	JsonbValue	found;

	if (!find_key(object, what, key, &found))
		return false;
	if (found.type != jbvString)
		wrong_type(what, key, "a string", &found);
	*value = pnstrdup(found.val.string.val, found.val.string.len);
	return true;
}

Jsonb *
mdl_jsonb_object(Jsonb *object, const char *what, const char *key)
{
	JsonbValue	found;

	if (!find_key(object, what, key, &found))
		return NULL;
	if (found.type != jbvBinary || !JsonContainerIsObject(found.val.binary.data))
		wrong_type(what, key, "an object", &found);
	return JsonbValueToJsonb(&found);
}

char **
mdl_jsonb_keys(Jsonb *object, int *count)
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	char	  **keys = palloc(sizeof(char *) * (JB_ROOT_COUNT(object) + 1));
	JsonbIteratorToken token;
	JsonbValue	value;

	*count = 0;
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_KEY)
			keys[(*count)++] = pnstrdup(value.val.string.val, value.val.string.len);
	return keys;
}

bool
mdl_jsonb_is_text(Jsonb *object, const char *key)
{
	JsonbValue	found;

	return object != NULL && JB_ROOT_IS_OBJECT(object) &&
		getKeyJsonValueFromContainer(&object->root, key, strlen(key), &found) != NULL && found.type == jbvString;
}

bool
mdl_jsonb_text_list(Jsonb *object, const char *what, const char *key, char ***values, int *count)
{
	JsonbValue	found;
	JsonbContainer *array;

	if (!find_key(object, what, key, &found))
		return false;
	if (found.type == jbvString)
	{
		*values = palloc(sizeof(char *));
		(*values)[0] = pnstrdup(found.val.string.val, found.val.string.len);
		*count = 1;
		return true;
	}
	if (found.type != jbvBinary || !JsonContainerIsArray(found.val.binary.data))
		wrong_type(what, key, "a string or an array of strings", &found);
	array = found.val.binary.data;
	*count = JsonContainerSize(array);
	*values = palloc(sizeof(char *) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(array, i);

		if (element->type != jbvString)
			wrong_type(what, key, "an array of strings", element);
		(*values)[i] = pnstrdup(element->val.string.val, element->val.string.len);
	}
	return true;
}

bool
mdl_jsonb_float8(Jsonb *object, const char *what, const char *key, double *value)
{
	JsonbValue	found;

	if (!find_key(object, what, key, &found))
		return false;
	if (found.type != jbvNumeric)
		wrong_type(what, key, "a number", &found);
	*value = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(found.val.numeric)));
	return true;
}

bool
mdl_jsonb_int8(Jsonb *object, const char *what, const char *key, int64 *value)
{
	JsonbValue	found;
	Datum		rounded;

	if (!find_key(object, what, key, &found))
		return false;
	if (found.type != jbvNumeric)
		wrong_type(what, key, "an integer", &found);
	rounded = DirectFunctionCall2(numeric_round, NumericGetDatum(found.val.numeric), Int32GetDatum(0));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, rounded, NumericGetDatum(found.val.numeric))))
		wrong_type(what, key, "an integer", &found);
	*value = DatumGetInt64(DirectFunctionCall1(numeric_int8, rounded));
	return true;
}

bool
mdl_jsonb_bool(Jsonb *object, const char *what, const char *key, bool *value)
{
	JsonbValue	found;

	if (!find_key(object, what, key, &found))
		return false;
	if (found.type != jbvBool)
		wrong_type(what, key, "true or false", &found);
	*value = found.val.boolean;
	return true;
}

static char *
join_names(const char *const *names)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; names[i] != NULL; i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "", names[i]);
	return text.data;
}

void
mdl_jsonb_check_keys(Jsonb *object, const char *what, const char *const *allowed)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (object == NULL)
		return;
	mdl_jsonb_require_object(object, what);
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		bool		found = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; allowed[i] != NULL && !found; i++)
			found = strlen(allowed[i]) == (size_t) value.val.string.len &&
				strncmp(allowed[i], value.val.string.val, value.val.string.len) == 0;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" has no key \"%.*s\"", what, value.val.string.len, value.val.string.val),
					 errhint("Keys are: %s.", join_names(allowed))));
	}
}
