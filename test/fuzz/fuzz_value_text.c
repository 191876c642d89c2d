/*
 * fuzz_value_text.c: classification of values and matching of path patterns stay inside their text and come to an end.
 *
 * The first zero byte divides the input into a pattern and a path; the whole is also taken for a value.
 */
#include "lake/path_pattern.h"
#include "lake/value_kind.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char	   *value = malloc(size > 0 ? size : 1);
	char	   *text = malloc(size + 2);
	MdlKindSet	kinds;

	memcpy(value, bytes, size);
	kinds = mdl_kind_of(value, size);
	if (kinds == 0 || mdl_kind_type(kinds) == NULL)
		abort();
	free(value);

	memcpy(text, bytes, size);
	text[size] = text[size + 1] = '\0';
	mdl_pattern_path(text, text + strlen(text) + (strlen(text) < size));
	mdl_pattern_component(text, text + strlen(text) + (strlen(text) < size));
	mdl_pattern_literal(text);
	free(text);
	return 0;
}
