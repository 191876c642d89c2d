/*
 * conform_text.c: medallion.clean_text: text that means the same is the same.
 *
 * Unicode writes one text in several ways (é is one character or two; ﬁ may be a ligature), has some twenty kinds of spaces,
 * and characters nobody sees.  Text is brought to a normal form (UAX #15), runs of spaces of any kind become one space, those
 * at the ends go, and control and invisible formatting characters go.  ZERO WIDTH (NON-)JOINER stays: it changes words and emoji.
 */
#include "pipeline/pipeline.h"

#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

/* White_Space of Unicode. */
static bool
is_space(pg_wchar c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
		c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Controls, soft hyphen, zero width space, direction marks, word joiner and the like, byte order mark. */
static bool
is_invisible(pg_wchar c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x200B || c == 0x200E || c == 0x200F ||
		(c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x2064) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF ||
		(c >= 0xFFF9 && c <= 0xFFFB);
}

/* Takes spaces and invisible characters out of `length` characters in place; returns how many are left. */
static int
tidy(pg_wchar *text, int length)
{
	int			kept = 0;
	bool		space = false;

	for (int i = 0; i < length; i++)
	{
		if (is_space(text[i]))
		{
			space = kept > 0;
			continue;
		}
		if (is_invisible(text[i]))
			continue;
		if (space)
			text[kept++] = ' ';
		space = false;
		text[kept++] = text[i];
	}
	return kept;
}

/* The same for text of ASCII alone, or in an encoding that is not UTF-8: bytes above ASCII are kept as they are. */
static int
tidy_bytes(const unsigned char *text, int length, char *tidied)
{
	int			kept = 0;
	bool		space = false;

	for (int i = 0; i < length; i++)
	{
		if (text[i] < 0x80 && is_space(text[i]))
		{
			space = kept > 0;
			continue;
		}
		if (text[i] < 0x20 || text[i] == 0x7F)
			continue;
		if (space)
			tidied[kept++] = ' ';
		space = false;
		tidied[kept++] = (char) text[i];
	}
	return kept;
}

static bool
is_ascii(const unsigned char *text, int length)
{
	for (int i = 0; i < length; i++)
		if (text[i] >= 0x80)
			return false;
	return true;
}

/* 0: no normal form is wanted. */
static int
form_by_name(const char *name)
{
	static const struct
	{
		const char *name;
		int			form;
	}			forms[] = {{"nfc", UNICODE_NFC}, {"nfd", UNICODE_NFD}, {"nfkc", UNICODE_NFKC}, {"nfkd", UNICODE_NFKD}, {"none", -1}};

	for (int i = 0; i < lengthof(forms); i++)
		if (pg_strcasecmp(name, forms[i].name) == 0)
			return forms[i].form;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no Unicode normal form \"%s\"", name),
			 errhint("Use nfc, nfd, nfkc, nfkd or none.")));
}

static char *
clean_unicode(const unsigned char *bytes, int size, int form, int *length)
{
	pg_wchar   *characters = palloc(sizeof(pg_wchar) * (size + 1));
	const unsigned char *end = bytes + size;
	unsigned char *result,
			   *next;
	int			count = 0;

	while (bytes < end)
	{
		characters[count++] = utf8_to_unicode(bytes);
		bytes += pg_utf_mblen(bytes);
	}
	count = tidy(characters, count);
	characters[count] = 0;
	if (form >= 0)
	{
		characters = unicode_normalize(form, characters);
		for (count = 0; characters[count]; count++)
			;
		count = tidy(characters, count);	/* compatibility forms of some characters hold spaces */
	}
	result = next = palloc((Size) count * 4 + 1);
	for (int i = 0; i < count; i++)
	{
		unicode_to_utf8(characters[i], next);
		next += pg_utf_mblen(next);
	}
	*length = next - result;
	return (char *) result;
}

static char *
change_case(const char *text, int length, const char *letter_case, Oid collation)
{
	if (pg_strcasecmp(letter_case, "lower") == 0)
		return str_tolower(text, length, collation);
	if (pg_strcasecmp(letter_case, "upper") == 0)
		return str_toupper(text, length, collation);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("letter_case cannot be \"%s\"", letter_case),
			 errhint("Use lower or upper, or leave it out.")));
}

MDL_FUNCTION(mdl_clean_text);
Datum
mdl_clean_text(PG_FUNCTION_ARGS)
{
	const unsigned char *bytes;
	int			size,
				length,
				form;
	char	   *cleaned;
	text	   *value;

	form = form_by_name(mdl_required_text(fcinfo, 1, "form"));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	value = PG_GETARG_TEXT_PP(0);
	bytes = (const unsigned char *) VARDATA_ANY(value);
	size = VARSIZE_ANY_EXHDR(value);
	if (GetDatabaseEncoding() == PG_UTF8 && !is_ascii(bytes, size))
		cleaned = clean_unicode(bytes, size, form, &length);
	else
	{
		cleaned = palloc(size + 1);
		length = tidy_bytes(bytes, size, cleaned);
	}
	if (!PG_ARGISNULL(2))
	{
		cleaned = change_case(cleaned, length, text_to_cstring(PG_GETARG_TEXT_PP(2)), PG_GET_COLLATION());
		length = strlen(cleaned);
	}
	if (length == 0 && mdl_required_bool(fcinfo, 3, "empty_is_null"))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(cleaned, length));
}

/* A strict transition function: the first value that is not NULL becomes the state without a call. */
MDL_FUNCTION(mdl_keep_first);
Datum
mdl_keep_first(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
