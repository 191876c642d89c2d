/*
 * cdc_value.c: values of JSON events as values of columns.
 *
 * A value is first made the text that the input function of the column's type takes.  What it means is told by the schema
 * that comes with the event (io.debezium.time.MicroTimestamp …) where there is one, else by the type of the column and by
 * the flow's decoding.  Nothing is guessed from the looks of a value.
 */
#include "pipeline/cdc_int.h"

#include "catalog/pg_type.h"
#include "common/base64.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define MAX_DECIMAL_BYTES	4096
#define MAX_DECIMAL_SCALE	16383

/* Infinite times of PostgreSQL as its Java driver, and so Debezium, has them, whatever the unit. */
#define JAVA_INFINITY		INT64CONST(9223372036825200000)
#define JAVA_MINUS_INFINITY INT64CONST(-9223372036832400000)

#define TOAST_POINT			"-99999999"	/* both coordinates of a point that is not known */

/* ---- reading JSON ------------------------------------------------------------------------------------------------ */

bool
mdl_json_member(JsonbContainer *object, const char *key, JsonbValue *value)
{
	return object != NULL && JsonContainerIsObject(object) &&
		getKeyJsonValueFromContainer(object, key, strlen(key), value) != NULL;
}

char *
mdl_json_member_text(JsonbContainer *object, const char *key)
{
	JsonbValue	value;

	return mdl_json_member(object, key, &value) && value.type == jbvString
		? pnstrdup(value.val.string.val, value.val.string.len) : NULL;
}

static bool
string_is(const JsonbValue *value, const char *text)
{
	return value->type == jbvString && value->val.string.len == strlen(text) &&
		memcmp(value->val.string.val, text, value->val.string.len) == 0;
}

static char *
string_copy(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static JsonbContainer *
member_container(JsonbContainer *object, const char *key)
{
	JsonbValue	value;

	return mdl_json_member(object, key, &value) && value.type == jbvBinary ? value.val.binary.data : NULL;
}

static char *
numeric_text(const JsonbValue *value)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
}

/* The elements of an array. */
static JsonbValue *
elements_of(JsonbContainer *array, int *count)
{
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbValue *elements = palloc_array(JsonbValue, JsonContainerSize(array) + 1);
	JsonbIteratorToken token;
	JsonbValue	value;

	*count = 0;
	token = JsonbIteratorNext(&iterator, &value, true);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			elements[(*count)++] = value;
	return elements;
}

/* ---- placeholders -------------------------------------------------------------------------------------------------- */

/* Arrays of numbers have an element per byte of the placeholder, as a number or as a decimal of one byte. */
static bool
is_byte(const JsonbValue *value, unsigned char byte)
{
	if (value->type == jbvNumeric)
		return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(value->val.numeric),
												NumericGetDatum(int64_to_numeric(byte))));
	if (value->type == jbvString && value->val.string.len == 4)
	{
		char		encoded[8];

		return pg_b64_encode((char *) &byte, 1, encoded, sizeof(encoded)) == 4 &&
			memcmp(encoded, value->val.string.val, 4) == 0;
	}
	return false;
}

static bool
is_placeholder_array(const Decoding *decoding, JsonbContainer *array)
{
	int			length = strlen(decoding->placeholder);
	int			count;
	JsonbValue *elements;

	if (JsonContainerSize(array) != 1 && JsonContainerSize(array) != length)
		return false;
	elements = elements_of(array, &count);
	if (count == 1)
		return elements[0].type == jbvString &&
			(mdl_is_placeholder(decoding, &elements[0]) || string_is(&elements[0], decoding->placeholder_uuid));
	for (int i = 0; i < count; i++)
		if (!is_byte(&elements[i], (unsigned char) decoding->placeholder[i]))
			return false;
	return true;
}

static bool
is_placeholder_object(const Decoding *decoding, JsonbContainer *object)
{
	JsonbValue	x,
				y;

	if (JsonContainerSize(object) == 1 && mdl_json_member(object, decoding->placeholder, &x))
		return string_is(&x, decoding->placeholder);
	if (!mdl_json_member(object, "x", &x) || !mdl_json_member(object, "y", &y) || x.type != jbvNumeric || y.type != jbvNumeric)
		return false;
	return strcmp(numeric_text(&x), TOAST_POINT) == 0 && strcmp(numeric_text(&y), TOAST_POINT) == 0;
}

bool
mdl_is_placeholder(const Decoding *decoding, const JsonbValue *value)
{
	if (value->type == jbvString)
	{
		/* A map may come as JSON in a text. */
		if (value->val.string.len == 2 * strlen(decoding->placeholder) + 7)
			return string_is(value, psprintf("{\"%s\":\"%s\"}", decoding->placeholder, decoding->placeholder));
		return string_is(value, decoding->placeholder) || string_is(value, decoding->placeholder_base64) ||
			string_is(value, decoding->placeholder_hex);
	}
	if (value->type != jbvBinary)
		return false;
	return JsonContainerIsArray(value->val.binary.data) ? is_placeholder_array(decoding, value->val.binary.data)
		: is_placeholder_object(decoding, value->val.binary.data);
}

/* ---- bytes and decimals ---------------------------------------------------------------------------------------------- */

static char *
base64_bytes(const char *text, int length, int *count)
{
	char	   *bytes = palloc(pg_b64_dec_len(length) + 1);

	*count = pg_b64_decode(text, length, bytes, pg_b64_dec_len(length));
	if (*count < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("value is not base64: \"%.60s\"", pnstrdup(text, length)),
				 errhint("The argument decoding tells how values are written; see docs/cdc.md.")));
	return bytes;
}

/* The decimal digits of a big-endian number, at least one. */
static char *
magnitude_digits(unsigned char *bytes, int count)
{
	char	   *digits = palloc(count * 3 + 12);
	int			length = 0;
	int			first = 0;

	/* Divides by 10^9 again and again; the remainders are the digits from behind. */
	do
	{
		uint64		remainder = 0;

		for (int i = first; i < count; i++)
		{
			uint64		part = remainder << 8 | bytes[i];

			bytes[i] = (unsigned char) (part / 1000000000);
			remainder = part % 1000000000;
		}
		while (first < count && bytes[first] == 0)
			first++;
		for (int i = 0; i < 9; i++, remainder /= 10)
			digits[length++] = '0' + remainder % 10;
	} while (first < count);
	while (length > 1 && digits[length - 1] == '0')
		length--;
	digits[length] = '\0';
	for (int i = 0; i < length / 2; i++)
	{
		char		swap = digits[i];

		digits[i] = digits[length - 1 - i];
		digits[length - 1 - i] = swap;
	}
	return digits;
}

/* A decimal given as the base64 of its unscaled value: two's complement, the highest byte first. */
static char *
decimal_text(const char *text, int length, int scale)
{
	int			count;
	unsigned char *bytes = (unsigned char *) base64_bytes(text, length, &count);
	bool		is_negative = count > 0 && (bytes[0] & 0x80) != 0;
	char	   *digits;
	StringInfoData number;

	if (count > MAX_DECIMAL_BYTES || scale > MAX_DECIMAL_SCALE || scale < -MAX_DECIMAL_SCALE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("decimal of %d bytes and scale %d is too large", count, scale)));
	if (is_negative)
	{
		int			carry = 1;

		for (int i = count - 1; i >= 0; i--)
		{
			int			part = (unsigned char) ~bytes[i] + carry;

			bytes[i] = (unsigned char) part;
			carry = part >> 8;
		}
	}
	digits = magnitude_digits(bytes, count);
	initStringInfo(&number);
	if (is_negative)
		appendStringInfoChar(&number, '-');
	if (scale <= 0)
	{
		appendStringInfoString(&number, digits);
		for (int i = scale; i < 0; i++)
			appendStringInfoChar(&number, '0');
		return number.data;
	}
	for (int missing = scale + 1 - (int) strlen(digits); missing > 0; missing--)
		appendStringInfoChar(&number, '0');
	appendStringInfoString(&number, digits);
	{
		int			point = number.len - scale;

		appendStringInfoChar(&number, ' ');
		memmove(number.data + point + 1, number.data + point, scale);
		number.data[point] = '.';
	}
	return number.data;
}

/* Bits come with the lowest byte first. */
static char *
bits_text(const char *text, int length, JsonbContainer *schema)
{
	int			count;
	unsigned char *bytes = (unsigned char *) base64_bytes(text, length, &count);
	char	   *told = mdl_json_member_text(member_container(schema, "parameters"), "length");
	int64		wanted = told ? strtoll(told, NULL, 10) : count * 8;
	char	   *bits;

	/* varbit without a length says the greatest one. */
	if (wanted <= 0 || wanted > count * 8)
		wanted = count * 8;
	bits = palloc(wanted + 1);
	for (int64 i = 0; i < wanted; i++)
		bits[wanted - 1 - i] = (bytes[i / 8] >> (i % 8)) & 1 ? '1' : '0';
	bits[wanted] = '\0';
	return bits;
}

static char *
hex_text(const char *bytes, int count)
{
	char	   *text = palloc(count * 2 + 3);

	strcpy(text, "\\x");
	hex_encode(bytes, count, text + 2);
	text[count * 2 + 2] = '\0';
	return text;
}

/* ---- times --------------------------------------------------------------------------------------------------------------- */

/* Units per second of a semantic type; 0 if it is none of time. */
static int64
semantic_unit(const char *semantic)
{
	static const struct
	{
		const char *name;
		int64		unit;
	}			units[] =
	{
		{"io.debezium.time.Timestamp", 1000}, {"io.debezium.time.MicroTimestamp", 1000000},
		{"io.debezium.time.NanoTimestamp", 1000000000}, {"org.apache.kafka.connect.data.Timestamp", 1000},
		{"io.debezium.time.Time", 1000}, {"io.debezium.time.MicroTime", 1000000},
		{"io.debezium.time.NanoTime", 1000000000}, {"org.apache.kafka.connect.data.Time", 1000},
		{"io.debezium.time.MicroDuration", 1000000}, {"io.debezium.time.NanoDuration", 1000000000},
	};

	for (int i = 0; semantic && i < lengthof(units); i++)
		if (strcmp(semantic, units[i].name) == 0)
			return units[i].unit;
	return 0;
}

static bool
is_days(const char *semantic)
{
	return semantic && (strcmp(semantic, "io.debezium.time.Date") == 0 || strcmp(semantic, "org.apache.kafka.connect.data.Date") == 0);
}

static char *
timestamp_text(int64 epoch_microseconds, bool with_zone)
{
	const int64 shift = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	int64		value = epoch_microseconds - shift;

	if (epoch_microseconds < PG_INT64_MIN + shift || !IS_VALID_TIMESTAMP(value))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range: " INT64_FORMAT " microseconds since 1970", epoch_microseconds)));
	return psprintf("%s%s", DatumGetCString(DirectFunctionCall1(timestamp_out, TimestampGetDatum(value))), with_zone ? "+00" : "");
}

static char *
date_text(int64 epoch_days)
{
	int64		value = epoch_days - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE);

	if (epoch_days > PG_INT32_MAX || epoch_days < PG_INT32_MIN || !IS_VALID_DATE(value))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date out of range: " INT64_FORMAT " days since 1970", epoch_days)));
	return DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum((DateADT) value)));
}

static char *
time_text(int64 microseconds)
{
	if (microseconds < 0 || microseconds > USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time out of range: " INT64_FORMAT " microseconds since midnight", microseconds)));
	return psprintf("%02d:%02d:%02d.%06d", (int) (microseconds / USECS_PER_HOUR), (int) (microseconds / USECS_PER_MINUTE % 60),
					(int) (microseconds / USECS_PER_SEC % 60), (int) (microseconds % USECS_PER_SEC));
}

/* Rounds towards the past, so that times before 1970 stay apart. */
static int64
to_microseconds(int64 value, int64 unit)
{
	if (unit == 1000000000)
		return value / 1000 - (value % 1000 < 0 ? 1 : 0);
	if (unit == 1000)
	{
		if (value > PG_INT64_MAX / 1000 || value < PG_INT64_MIN / 1000)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("time out of range: " INT64_FORMAT " milliseconds", value)));
		return value * 1000;
	}
	return value;
}

/* A number that is to be a time, as text for a column of the type; NULL if it is not to be one. */
static char *
number_as_time(const Flow *flow, Oid type, int32 typmod, const JsonbValue *number, const char *semantic)
{
	bool		is_time_type = type == DATEOID || type == TIMEOID || type == TIMETZOID || type == TIMESTAMPOID ||
		type == TIMESTAMPTZOID || type == INTERVALOID;
	bool		is_text = type == TEXTOID || type == VARCHAROID;
	int64		unit = semantic_unit(semantic);
	int64		value;

	if (!is_time_type && !(is_text && (unit != 0 || is_days(semantic))))
		return NULL;
	value = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(number->val.numeric)));
	if (is_days(semantic) || (type == DATEOID && unit == 0))
		return date_text(value);
	if (value == JAVA_INFINITY || value == JAVA_MINUS_INFINITY)
		return pstrdup(value > 0 ? "infinity" : "-infinity");
	if (unit == 0)
		unit = flow->decoding.time_unit ? flow->decoding.time_unit
			: type != INTERVALOID && typmod >= 0 && typmod <= 3 ? 1000 : 1000000;
	value = to_microseconds(value, unit);
	if (type == INTERVALOID || (semantic && strstr(semantic, "Duration")))
		return psprintf(INT64_FORMAT " microseconds", value);
	if (type == TIMEOID || type == TIMETZOID || (is_text && strstr(semantic, "Timestamp") == NULL))
		return time_text(value);
	return timestamp_text(value, type == TIMESTAMPTZOID);
}

/* ---- text for the input function ------------------------------------------------------------------------------------------- */

static char *value_text(const Flow *flow, Oid type, int32 typmod, const JsonbValue *value, JsonbContainer *schema);

static bool
is_hstore(Oid type)
{
	char	   *name = type >= FirstNormalObjectId ? format_type_be(type) : NULL;

	return name && strlen(name) >= 6 && strcmp(name + strlen(name) - 6, "hstore") == 0;
}

static void
append_quoted(StringInfo text, const char *value)
{
	appendStringInfoChar(text, '"');
	for (; *value; value++)
	{
		if (*value == '"' || *value == '\\')
			appendStringInfoChar(text, '\\');
		appendStringInfoChar(text, *value);
	}
	appendStringInfoChar(text, '"');
}

static char *
hstore_text(const Flow *flow, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;
	StringInfoData text;

	initStringInfo(&text);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			if (text.len)
				appendStringInfoString(&text, ", ");
			append_quoted(&text, string_copy(&value));
			appendStringInfoString(&text, "=>");
		}
		else if (token == WJB_VALUE)
		{
			char	   *part = value_text(flow, TEXTOID, -1, &value, NULL);

			if (part)
				append_quoted(&text, part);
			else
				appendStringInfoString(&text, "NULL");
		}
	}
	return text.data;
}

static char *
array_text(const Flow *flow, Oid element, int32 typmod, JsonbContainer *array, JsonbContainer *schema)
{
	JsonbContainer *items = member_container(schema, "items");
	int			count;
	JsonbValue *elements = elements_of(array, &count);
	StringInfoData text;

	check_stack_depth();
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < count; i++)
	{
		const JsonbValue *value = &elements[i];

		if (i > 0)
			appendStringInfoChar(&text, ',');
		if (value->type == jbvNull)
			appendStringInfoString(&text, "NULL");
		else if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) &&
				 element != JSONOID && element != JSONBOID)
			appendStringInfoString(&text, array_text(flow, element, typmod, value->val.binary.data, items));
		else
			append_quoted(&text, value_text(flow, element, typmod, value, items));
	}
	appendStringInfoChar(&text, '}');
	return text.data;
}

static char *
container_text(const Flow *flow, Oid type, int32 typmod, const JsonbValue *value, JsonbContainer *schema)
{
	JsonbContainer *container = value->val.binary.data;
	Oid			element = get_element_type(type);
	JsonbValue	a,
				b;

	if (type == JSONOID || type == JSONBOID)
		return JsonbToCString(NULL, container, value->val.binary.len);
	if (OidIsValid(element) && JsonContainerIsArray(container))
		return array_text(flow, getBaseType(element), typmod, container, schema);
	if (is_hstore(type) && JsonContainerIsObject(container))
		return hstore_text(flow, container);

	/* io.debezium.data.VariableScaleDecimal */
	if (JsonContainerIsObject(container) && JsonContainerSize(container) == 2 && mdl_json_member(container, "scale", &a) &&
		mdl_json_member(container, "value", &b) && a.type == jbvNumeric && b.type == jbvString)
		return decimal_text(b.val.string.val, b.val.string.len,
							DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(a.val.numeric))));
	if (type == POINTOID && mdl_json_member(container, "x", &a) && mdl_json_member(container, "y", &b) && a.type == jbvNumeric && b.type == jbvNumeric)
		return psprintf("(%s,%s)", numeric_text(&a), numeric_text(&b));
	return JsonbToCString(NULL, container, value->val.binary.len);
}

static char *
string_text(const Flow *flow, Oid type, int32 typmod, const JsonbValue *value, JsonbContainer *schema)
{
	const char *text = value->val.string.val;
	int			length = value->val.string.len;
	char	   *semantic = mdl_json_member_text(schema, "name");
	char	   *literal = mdl_json_member_text(schema, "type");
	bool		is_bytes = literal && strcmp(literal, "bytes") == 0;

	if (semantic && strcmp(semantic, "org.apache.kafka.connect.data.Decimal") == 0)
	{
		char	   *scale = mdl_json_member_text(member_container(schema, "parameters"), "scale");

		return decimal_text(text, length, scale ? atoi(scale) : 0);
	}
	if (semantic && strcmp(semantic, "io.debezium.data.Bits") == 0)
		return bits_text(text, length, schema);
	if (type == BYTEAOID && flow->format == FLOW_WAL2JSON)
		return psprintf("\\x%.*s", length, text);
	if (type == BYTEAOID || is_bytes)
	{
		int			count;
		char	   *bytes;

		if (!is_bytes && flow->decoding.binary_hex)
			return psprintf("\\x%.*s", length, text);
		bytes = base64_bytes(text, length, &count);
		return hex_text(bytes, count);
	}
	if (type == NUMERICOID && schema == NULL && flow->format == FLOW_DEBEZIUM && flow->decoding.decimals_base64)
	{
		if (typmod < (int32) VARHDRSZ)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("the scale of the decimal \"%.60s\" is not known", string_copy(value)),
					 errhint("Declare the column as numeric(precision, scale), or let events carry their schema.")));
		return decimal_text(text, length, (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024);
	}
	if (is_hstore(type) && length > 0 && text[0] == '{')
		return hstore_text(flow, &DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(string_copy(value))))->root);
	return string_copy(value);
}

/* NULL for JSON null. */
static char *
value_text(const Flow *flow, Oid type, int32 typmod, const JsonbValue *value, JsonbContainer *schema)
{
	bool		is_number = type == BITOID || type == VARBITOID || type == INT2OID || type == INT4OID || type == INT8OID ||
		type == NUMERICOID;
	char	   *text;

	switch (value->type)
	{
		case jbvNull:
			return NULL;
		case jbvBool:
			if (is_number)
				return pstrdup(value->val.boolean ? "1" : "0");
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvNumeric:
			text = number_as_time(flow, type, typmod, value, mdl_json_member_text(schema, "name"));
			return text ? text : numeric_text(value);
		case jbvString:
			return string_text(flow, type, typmod, value, schema);
		case jbvBinary:
			return container_text(flow, type, typmod, value, schema);
		default:
			elog(ERROR, "JSON value of type %d", (int) value->type);
	}
	return NULL;
}

Datum
mdl_field_value(const Flow *flow, FlowColumn *column, const EventField *field, bool *is_null)
{
	char	   *text = value_text(flow, column->base_type, column->typmod, &field->value, field->schema);

	*is_null = text == NULL;

	/* A domain may refuse NULL. */
	return InputFunctionCall(&column->input, text, column->input_argument, column->typmod);
}
