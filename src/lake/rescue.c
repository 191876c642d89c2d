/*
 * rescue.c: what does not fit the target, as jsonb for column _rescued.
 *
 * A value that does not fit its column, or has no column, is kept as {"name": "text"}.  A row that cannot be split into
 * values is kept as {"_raw": "text of the row", "_reason": "why"}; where the row holds bytes that are not text in the
 * server's encoding they are written \xNN in _raw, and a backslash is then written \\.
 */
#include "lake/ingest_int.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#define RAW_KEY		"_raw"
#define REASON_KEY	"_reason"

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *text, size_t size)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = size;
	pushJsonbValue(state, token, &value);
}

Jsonb *
mdl_rescue_values(const MdlRescued *rescued, int count)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < count; i++)
	{
		push_string(&state, WJB_KEY, rescued[i].name, rescued[i].name_size);
		push_string(&state, WJB_VALUE, rescued[i].value->data, rescued[i].value->size);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Appends the text, with what is not text in the server's encoding written \xNN. */
static void
append_escaped(StringInfo out, const char *text, size_t size, bool converted)
{
	const char *end = text + size;
	int			encoding = GetDatabaseEncoding();

	while (text < end)
	{
		int			width;

		if (converted && end - text >= 3 && *text == MDL_STREAM_LOST)
		{
			appendStringInfo(out, "\\x%.2s", text + 1);
			text += 3;
			continue;
		}
		width = *text == '\0' ? -1 : pg_encoding_verifymbchar(encoding, text, end - text);
		if (width < 0)
		{
			appendStringInfo(out, "\\x%02x", (unsigned char) *text);
			width = 1;
		}
		else if (*text == '\\')
			appendStringInfoString(out, "\\\\");
		else
			appendBinaryStringInfo(out, text, width);
		text += width;
	}
}

Jsonb *
mdl_rescue_row(const MdlFileRow *row, const char *reason, bool valid_text, bool converted)
{
	JsonbParseState *state = NULL;
	StringInfoData escaped = {0};

	if (!valid_text)
	{
		initStringInfo(&escaped);
		append_escaped(&escaped, row->raw, row->raw_size, converted);
	}
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, WJB_KEY, RAW_KEY, strlen(RAW_KEY));
	push_string(&state, WJB_VALUE, valid_text ? row->raw : escaped.data, valid_text ? row->raw_size : escaped.len);
	push_string(&state, WJB_KEY, REASON_KEY, strlen(REASON_KEY));
	push_string(&state, WJB_VALUE, reason, strlen(reason));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
