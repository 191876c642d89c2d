/*
 * fuzz_json_parse.c: whatever the bytes, the JSON parser stays inside them and comes to an end, and what it accepts can be
 * unescaped into text.
 *
 * A libFuzzer target (see run.sh); test/unit/test_json_parse.c runs it on random texts too.
 */
#include "lake/json_parse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void
fuzz_require(bool fact)
{
	if (!fact)
		abort();
}

static void
check_string(const MdlJsonText *text, const char *data, size_t size, size_t quotes)
{
	char	   *out;
	size_t		written;

	fuzz_require(text->data >= data && text->data + text->size <= data + size && text->size >= 2 * quotes);
	if (text->odd)
		return;
	out = malloc(text->size + 1);
	written = mdl_json_unescape(text->data + quotes, text->size - 2 * quotes, out);
	fuzz_require(written <= text->size && memchr(out, '\0', written) == NULL);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char	   *data = malloc(size > 0 ? size : 1);	/* of its own, so that reading beyond it is noticed */
	MdlJsonCursor cursor;
	MdlJsonMember member;
	MdlJsonStep step = MDL_JSON_MEMBER;

	memcpy(data, bytes, size);
	if (!mdl_json_begin(&cursor, data, size))
		fuzz_require(cursor.error != NULL);
	else
	{
		while ((step = mdl_json_next(&cursor, &member)) == MDL_JSON_MEMBER)
		{
			check_string(&member.key, data, size, 0);
			if (member.type == MDL_JSON_STRING)
				check_string(&member.value, data, size, 1);
			else
				fuzz_require(member.value.data >= data && member.value.size > 0 &&
							 member.value.data + member.value.size <= data + size);
		}
		fuzz_require(cursor.at >= data && cursor.at <= data + size);
		fuzz_require((step == MDL_JSON_ERROR) == (cursor.error != NULL));
	}
	free(data);
	return 0;
}
