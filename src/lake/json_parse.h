/*
 * json_parse.h: the members of a JSON object (RFC 8259), without building anything.
 *
 * The parser checks the whole text, nested values included, and hands out slices of it.  It never changes the text,
 * allocates nothing and knows nothing of the server, so that it can be fuzzed by itself.  The text must be UTF-8 (or
 * another encoding whose multi-byte characters hold no ASCII bytes); that it is valid is the caller's to check.
 */
#ifndef MDL_JSON_PARSE_H
#define MDL_JSON_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#define MDL_JSON_DEPTH 256		/* nesting allowed in a member's value */

typedef enum MdlJsonType
{
	MDL_JSON_NULL,
	MDL_JSON_TRUTH,
	MDL_JSON_NUMBER,
	MDL_JSON_STRING,
	MDL_JSON_OBJECT,
	MDL_JSON_ARRAY
} MdlJsonType;

typedef struct MdlJsonText
{
	const char *data;
	size_t		size;
	bool		escaped;		/* a string, or a value with strings, that holds escapes */
	bool		odd;			/* what a text or a number of the server may not hold: \u0000, half a surrogate pair,
								 * a number of more than 1,000 characters or with an exponent beyond +-1,000 */
} MdlJsonText;

typedef struct MdlJsonMember
{
	MdlJsonText key;			/* without the quotes */
	MdlJsonType type;
	MdlJsonText value;			/* with the quotes, if it is a string */
} MdlJsonMember;

typedef struct MdlJsonCursor
{
	const char *at;
	const char *end;
	bool		first;
	const char *error;			/* static text */
} MdlJsonCursor;

typedef enum MdlJsonStep
{
	MDL_JSON_MEMBER,
	MDL_JSON_END,				/* the object has ended and nothing follows it */
	MDL_JSON_ERROR				/* cursor->error says what is wrong, at cursor->at */
} MdlJsonStep;

/* Begins an object; false, with cursor->error set, if the text does not begin with one. */
extern bool mdl_json_begin(MdlJsonCursor *cursor, const char *text, size_t size);

/* Steps to the next member. */
extern MdlJsonStep mdl_json_next(MdlJsonCursor *cursor, MdlJsonMember *member);

/*
 * Writes the characters of a string without its quotes, escapes undone, as UTF-8 to out (at least `size` bytes).
 * Returns the number of bytes written.  The string must have passed the parser and not be odd.
 */
extern size_t mdl_json_unescape(const char *text, size_t size, char *out);

#endif							/* MDL_JSON_PARSE_H */
