/*
 * test_json_parse.c: members of JSON objects, by hand and at random.
 */
#include "unit.h"

#include "lake/json_parse.c"
#include "../fuzz/fuzz_json_parse.c"

/* Writes the members as key=value, with a letter for the type, ~ after what is odd, and !error at the end. */
static const char *
parsed(const char *text)
{
	static const char types[] = "0bnsoa";
	static char out[2000];
	MdlJsonCursor cursor;
	MdlJsonMember member;
	MdlJsonStep step;
	size_t		used = 0;

	if (!mdl_json_begin(&cursor, text, strlen(text)))
		return cursor.error;
	out[0] = '\0';
	while ((step = mdl_json_next(&cursor, &member)) == MDL_JSON_MEMBER)
		used += sprintf(out + used, "%s%.*s%s=%c%.*s%s", used ? " " : "", (int) member.key.size, member.key.data,
						member.key.odd ? "~" : "", types[member.type], (int) member.value.size, member.value.data,
						member.value.odd ? "~" : "");
	if (step == MDL_JSON_ERROR)
		sprintf(out + used, "!%s", cursor.error);
	return out;
}

static void
check(const char *text, const char *expected, const char *name)
{
	const char *found = parsed(text);

	if (!unit_ok(strcmp(found, expected) == 0, "%s", name))
		printf("# expected %s\n#      got %s\n", expected, found);
}

static void
test_by_hand(void)
{
	check("{}", "", "an empty object");
	check(" { \"a\" : 1 , \"b\":\"x\" } \r", "a=n1 b=s\"x\"", "blanks everywhere");
	check("{\"a\":null,\"b\":true,\"c\":false}", "a=0null b=btrue c=bfalse", "words");
	check("{\"a\":-0.5e+10,\"b\":0,\"c\":12.5E3}", "a=n-0.5e+10 b=n0 c=n12.5E3", "numbers");
	check("{\"a\":{\"b\":[1,{\"c\":[]}]},\"d\":[[],{}]}", "a=o{\"b\":[1,{\"c\":[]}]} d=a[[],{}]", "nested values");
	check("{\"a\":\"\\u0000\",\"b\":[\"\\ud800\"],\"c\":1e1001,\"\\udc00\":1}", "a=s\"\\u0000\"~ b=a[\"\\ud800\"]~ c=n1e1001~ \\udc00~=n1",
		  "what a server may not hold is odd");
	check("{\"a\":\"\\ud83d\\ude00\"}", "a=s\"\\ud83d\\ude00\"", "a pair of surrogates is not");
	check("[1]", "not a JSON object", "an array");
	check("", "not a JSON object", "nothing");
	check("{\"a\":1", "a=n1!unterminated object", "an object that does not end");
	check("{\"a\":1,}", "a=n1!a key in double quotes is expected", "a comma too many");
	check("{,}", "!a key in double quotes is expected", "only a comma");
	check("{\"a\" 1}", "!a colon is expected after a key", "no colon");
	check("{\"a\":}", "!a value is expected", "no value");
	check("{\"a\":[1,]}", "!a value is expected", "a comma too many in an array");
	check("{\"a\":{\"b\":1,}}", "!a key in double quotes is expected", "a comma too many in an inner object");
	check("{\"a\":[1 2]}", "!a comma or a closing bracket is expected", "no comma in an array");
	check("{\"a\":[1}}", "!a comma or a closing bracket is expected", "brackets that do not match");
	check("{\"a\":[[[", "!unterminated object or array", "brackets that do not end");
	check("{\"a\":01}", "a=n0!a comma or a closing brace is expected", "a leading zero");
	check("{\"a\":1.}", "!a digit is missing in a number", "a point at the end");
	check("{\"a\":-}", "!a digit is missing in a number", "only a sign");
	check("{\"a\":1e}", "!a digit is missing in a number", "an exponent without digits");
	check("{\"a\":+1}", "!a value is expected", "a plus sign");
	check("{\"a\":NaN}", "!a value is expected", "NaN");
	check("{\"a\":tru}", "!a value is expected", "half a word");
	check("{\"a\":\"x}", "!unterminated string", "a string that does not end");
	check("{\"a\":\"\\", "!unterminated string", "a backslash at the end");
	check("{\"a\":\"\t\"}", "!control character in a string", "a tab in a string");
	check("{\"a\":\"\\q\"}", "!unexpected escape in a string", "an escape that is none");
	check("{\"a\":\"\\u12g4\"}", "!\\u without four hexadecimal digits", "a digit that is none");
	check("{'a':1}", "!a key in double quotes is expected", "single quotes");
	check("{\"a\":1} x", "a=n1!text after the object", "text after the object");
}

static void
test_unescape(void)
{
	char		out[100];
	const char *text = "a\\n\\t\\\"\\\\\\/\\u00e9\\u20ac\\ud83d\\ude00\\u0041";
	const char *expected = "a\n\t\"\\/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" "A";
	size_t		size = mdl_json_unescape(text, strlen(text), out);

	unit_ok(size == strlen(expected) && memcmp(out, expected, size) == 0, "escapes become UTF-8");
}

static void
test_depth(void)
{
	char		text[2 * MDL_JSON_DEPTH + 20];

	for (int depth = MDL_JSON_DEPTH; depth <= MDL_JSON_DEPTH + 1; depth++)
	{
		strcpy(text, "{\"a\":");
		memset(text + 5, '[', depth);
		memset(text + 5 + depth, ']', depth);
		strcpy(text + 5 + 2 * depth, "}");
		if (depth == MDL_JSON_DEPTH)
			unit_ok(strncmp(parsed(text), "a=a[[", 5) == 0, "%d levels are taken", depth);
		else
			check(text, "!too many nested values", "one more is not");
	}
}

static void
test_random(void)
{
	static const char *const parts[] = {
		"{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u", "d800", "0041", "\"", "\\", "1", "-", ".", "e5", "true", "null", " "
	};
	unsigned long state = 7;

	for (int round = 0; round < 50000; round++)
	{
		char		text[200] = "{\"a\":";

		for (int i = 0; i < 15; i++)
		{
			state = state * 6364136223846793005UL + 1442695040888963407UL;
			strcat(text, parts[(state >> 33) % (sizeof(parts) / sizeof(parts[0]))]);
		}
		LLVMFuzzerTestOneInput((const uint8_t *) text, strlen(text));
	}
	unit_ok(true, "50,000 random texts keep the rules of fuzz_json_parse.c");
}

int
main(void)
{
	test_by_hand();
	test_unescape();
	test_depth();
	test_random();
	return unit_done();
}
