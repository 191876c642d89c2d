/*
 * jsonb_write.c: members of a jsonb object that is being made, between WJB_BEGIN_OBJECT and WJB_END_OBJECT.
 */
#include "base/base.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

void
mdl_jsonb_push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = pstrdup(key);
	value.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &value);
}

void
mdl_jsonb_push_text(JsonbParseState **state, const char *key, const char *text)
{
	JsonbValue	value;

	if (text == NULL)
		return;
	mdl_jsonb_push_key(state, key);
	value.type = jbvString;
	value.val.string.val = pstrdup(text);
	value.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* Every digit of the double, so that it comes back as the same bits; null if it is not finite. */
void
mdl_jsonb_push_number(JsonbParseState **state, const char *key, double number)
{
	JsonbValue	value;
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	mdl_jsonb_push_key(state, key);
	if (!isfinite(number))
		value.type = jbvNull;
	else
	{
		/* Not float8out(), whose digits are those of the session's extra_float_digits. */
		double_to_shortest_decimal_buf(number, digits);
		value.type = jbvNumeric;
		value.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in,
																CStringGetDatum(digits),
																ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

void
mdl_jsonb_push_bool(JsonbParseState **state, const char *key, bool flag)
{
	JsonbValue	value;

	mdl_jsonb_push_key(state, key);
	value.type = jbvBool;
	value.val.boolean = flag;
	pushJsonbValue(state, WJB_VALUE, &value);
}

void
mdl_jsonb_push_object(JsonbParseState **state, const char *key, Jsonb *object)
{
	JsonbValue	value;

	if (object == NULL)
		return;
	mdl_jsonb_push_key(state, key);
	JsonbToJsonbValue(object, &value);
	pushJsonbValue(state, WJB_VALUE, &value);
}

void
mdl_jsonb_push_texts(JsonbParseState **state, const char *key, const char *const *texts, int count)
{
	if (count < 0)
		return;
	mdl_jsonb_push_key(state, key);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	value = {.type = jbvString};

		value.val.string.val = pstrdup(texts[i]);
		value.val.string.len = strlen(texts[i]);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

Jsonb *
mdl_jsonb_finish(JsonbParseState **state)
{
	return JsonbValueToJsonb(pushJsonbValue(state, WJB_END_OBJECT, NULL));
}
