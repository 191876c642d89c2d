/*
 * json_parse.c: the members of a JSON object; see json_parse.h.
 */
#include "lake/json_parse.h"

#include <string.h>

#define ODD_NUMBER_SIZE		1000
#define ODD_EXPONENT		1000

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_blanks(MdlJsonCursor *cursor)
{
	while (cursor->at < cursor->end &&
		   (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\r' || *cursor->at == '\n'))
		cursor->at++;
}

static bool
fail(MdlJsonCursor *cursor, const char *error)
{
	cursor->error = error;
	return false;
}

/* Reads four hexadecimal digits; -1 if they are not there. */
static int
hex4(const char *p, const char *end)
{
	int			value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];
		int			digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static inline bool
is_high_surrogate(int code)
{
	return code >= 0xD800 && code <= 0xDBFF;
}

static inline bool
is_low_surrogate(int code)
{
	return code >= 0xDC00 && code <= 0xDFFF;
}

/* Steps over an escape whose backslash is at cursor->at. */
static bool
escape(MdlJsonCursor *cursor, MdlJsonText *text)
{
	const char *p = cursor->at + 1;
	int			code,
				low;

	text->escaped = true;
	if (p == cursor->end)
		return fail(cursor, "unterminated string");
	if (*p != 'u')
	{
		if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
			return fail(cursor, "unexpected escape in a string");
		cursor->at = p + 1;
		return true;
	}
	code = hex4(++p, cursor->end);
	if (code < 0)
		return fail(cursor, "\\u without four hexadecimal digits");
	p += 4;
	if (is_high_surrogate(code))
	{
		low = cursor->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, cursor->end) : -1;
		if (low >= 0 && is_low_surrogate(low))
			p += 6;
		else
			text->odd = true;
	}
	else if (code == 0 || is_low_surrogate(code))
		text->odd = true;
	cursor->at = p;
	return true;
}

/* Steps over a string whose opening quote is at cursor->at. */
static bool
string(MdlJsonCursor *cursor, MdlJsonText *text)
{
	cursor->at++;
	while (cursor->at < cursor->end)
	{
		char		c = *cursor->at;

		if (c == '"')
		{
			cursor->at++;
			return true;
		}
		if (c == '\\')
		{
			if (!escape(cursor, text))
				return false;
		}
		else if ((unsigned char) c < 0x20)
			return fail(cursor, "control character in a string");
		else
			cursor->at++;
	}
	return fail(cursor, "unterminated string");
}

static bool
digits(MdlJsonCursor *cursor)
{
	const char *first = cursor->at;

	while (cursor->at < cursor->end && is_digit(*cursor->at))
		cursor->at++;
	return cursor->at > first || fail(cursor, "a digit is missing in a number");
}

static bool
number(MdlJsonCursor *cursor, MdlJsonText *text)
{
	const char *first = cursor->at;

	if (*cursor->at == '-')
		cursor->at++;
	if (cursor->at < cursor->end && *cursor->at == '0')
		cursor->at++;
	else if (!digits(cursor))
		return false;
	if (cursor->at < cursor->end && *cursor->at == '.')
	{
		cursor->at++;
		if (!digits(cursor))
			return false;
	}
	if (cursor->at < cursor->end && (*cursor->at == 'e' || *cursor->at == 'E'))
	{
		long		exponent = 0;

		cursor->at++;
		if (cursor->at < cursor->end && (*cursor->at == '+' || *cursor->at == '-'))
			cursor->at++;
		for (const char *p = cursor->at; p < cursor->end && is_digit(*p) && exponent <= ODD_EXPONENT; p++)
			exponent = exponent * 10 + (*p - '0');
		if (!digits(cursor))
			return false;
		if (exponent > ODD_EXPONENT)
			text->odd = true;
	}
	if (cursor->at - first > ODD_NUMBER_SIZE)
		text->odd = true;
	return true;
}

static bool
word(MdlJsonCursor *cursor, const char *expected)
{
	size_t		size = strlen(expected);

	if ((size_t) (cursor->end - cursor->at) < size || memcmp(cursor->at, expected, size) != 0)
		return fail(cursor, "a value is expected");
	cursor->at += size;
	return true;
}

/* Steps over a value that is neither object nor array. */
static bool
scalar(MdlJsonCursor *cursor, MdlJsonType *type, MdlJsonText *text)
{
	if (cursor->at == cursor->end)
		return fail(cursor, "a value is expected");
	switch (*cursor->at)
	{
		case '"':
			*type = MDL_JSON_STRING;
			return string(cursor, text);
		case 't':
			*type = MDL_JSON_TRUTH;
			return word(cursor, "true");
		case 'f':
			*type = MDL_JSON_TRUTH;
			return word(cursor, "false");
		case 'n':
			*type = MDL_JSON_NULL;
			return word(cursor, "null");
		default:
			if (*cursor->at != '-' && !is_digit(*cursor->at))
				return fail(cursor, "a value is expected");
			*type = MDL_JSON_NUMBER;
			return number(cursor, text);
	}
}

/* Steps over a key, blanks and the colon. */
static bool
key_and_colon(MdlJsonCursor *cursor, MdlJsonText *key)
{
	skip_blanks(cursor);
	if (cursor->at == cursor->end || *cursor->at != '"')
		return fail(cursor, "a key in double quotes is expected");
	key->data = cursor->at + 1;
	if (!string(cursor, key))
		return false;
	key->size = cursor->at - 1 - key->data;
	skip_blanks(cursor);
	if (cursor->at == cursor->end || *cursor->at != ':')
		return fail(cursor, "a colon is expected after a key");
	cursor->at++;
	skip_blanks(cursor);
	return true;
}

/*
 * Steps over an object or array, which begins at cursor->at.  closing[] holds the bracket that ends each level; a loop
 * rather than a recursion, since the text may come from anywhere.
 */
static bool
nested(MdlJsonCursor *cursor, MdlJsonText *text)
{
	char		closing[MDL_JSON_DEPTH];
	int			depth = 0;
	MdlJsonType type;

	for (;;)
	{
		MdlJsonText key = {0};
		bool		opened = false;

		/* a value begins here */
		if (cursor->at < cursor->end && (*cursor->at == '{' || *cursor->at == '['))
		{
			if (depth == MDL_JSON_DEPTH)
				return fail(cursor, "too many nested values");
			closing[depth++] = *cursor->at == '{' ? '}' : ']';
			cursor->at++;
			skip_blanks(cursor);
			opened = true;
		}
		else if (!scalar(cursor, &type, text))
			return false;

		/* values end, and a comma leads to the next one */
		for (;; opened = false)
		{
			skip_blanks(cursor);
			if (cursor->at == cursor->end)
				return fail(cursor, "unterminated object or array");
			if (*cursor->at == closing[depth - 1])
			{
				cursor->at++;
				if (--depth == 0)
					return true;
				continue;
			}
			if (opened)
				break;
			if (*cursor->at != ',')
				return fail(cursor, "a comma or a closing bracket is expected");
			cursor->at++;
			skip_blanks(cursor);
			break;
		}
		if (closing[depth - 1] == '}')
		{
			if (!key_and_colon(cursor, &key))
				return false;
			text->escaped |= key.escaped;
			text->odd |= key.odd;
		}
	}
}

bool
mdl_json_begin(MdlJsonCursor *cursor, const char *text, size_t size)
{
	*cursor = (MdlJsonCursor) {.at = text, .end = text + size, .first = true};
	skip_blanks(cursor);
	if (cursor->at == cursor->end || *cursor->at != '{')
		return fail(cursor, "not a JSON object");
	cursor->at++;
	return true;
}

MdlJsonStep
mdl_json_next(MdlJsonCursor *cursor, MdlJsonMember *member)
{
	bool		ok;

	skip_blanks(cursor);
	if (cursor->at < cursor->end && *cursor->at == '}')
	{
		cursor->at++;
		skip_blanks(cursor);
		if (cursor->at == cursor->end)
			return MDL_JSON_END;
		cursor->error = "text after the object";
		return MDL_JSON_ERROR;
	}
	if (!cursor->first)
	{
		if (cursor->at == cursor->end || *cursor->at != ',')
		{
			cursor->error = cursor->at == cursor->end ? "unterminated object" : "a comma or a closing brace is expected";
			return MDL_JSON_ERROR;
		}
		cursor->at++;
	}
	cursor->first = false;
	*member = (MdlJsonMember) {.type = MDL_JSON_NULL};
	if (!key_and_colon(cursor, &member->key))
		return MDL_JSON_ERROR;
	member->value.data = cursor->at;
	if (cursor->at < cursor->end && (*cursor->at == '{' || *cursor->at == '['))
	{
		member->type = *cursor->at == '{' ? MDL_JSON_OBJECT : MDL_JSON_ARRAY;
		ok = nested(cursor, &member->value);
	}
	else
		ok = scalar(cursor, &member->type, &member->value);
	member->value.size = cursor->at - member->value.data;
	return ok ? MDL_JSON_MEMBER : MDL_JSON_ERROR;
}

static char *
put_utf8(char *out, int code)
{
	if (code < 0x80)
		*out++ = code;
	else if (code < 0x800)
	{
		*out++ = 0xC0 | code >> 6;
		*out++ = 0x80 | (code & 0x3F);
	}
	else if (code < 0x10000)
	{
		*out++ = 0xE0 | code >> 12;
		*out++ = 0x80 | (code >> 6 & 0x3F);
		*out++ = 0x80 | (code & 0x3F);
	}
	else
	{
		*out++ = 0xF0 | code >> 18;
		*out++ = 0x80 | (code >> 12 & 0x3F);
		*out++ = 0x80 | (code >> 6 & 0x3F);
		*out++ = 0x80 | (code & 0x3F);
	}
	return out;
}

size_t
mdl_json_unescape(const char *text, size_t size, char *out)
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char *p = text;
	const char *end = text + size;
	char	   *start = out;

	while (p < end)
	{
		const char *letter;
		int			code;

		if (*p != '\\')
		{
			*out++ = *p++;
			continue;
		}
		p++;
		if (*p != 'u')
		{
			letter = strchr(letters, *p);
			*out++ = letter != NULL ? meanings[letter - letters] : *p;
			p++;
			continue;
		}
		code = hex4(p + 1, end);
		p += 5;
		if (is_high_surrogate(code))
		{
			code = 0x10000 + ((code - 0xD800) << 10) + (hex4(p + 2, end) - 0xDC00);
			p += 6;
		}
		out = put_utf8(out, code);
	}
	return out - start;
}
