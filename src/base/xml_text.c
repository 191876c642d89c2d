/*
 * xml_text.c: text inside XML, for the pictures that are drawn as SVG.
 */
#include "base/base.h"

/* What XML cannot hold becomes a question mark. */
void
mdl_put_xml(StringInfo out, const char *text)
{
	for (const char *c = text; *c; c++)
	{
		if (*c == '&')
			appendStringInfoString(out, "&amp;");
		else if (*c == '<')
			appendStringInfoString(out, "&lt;");
		else if (*c == '>')
			appendStringInfoString(out, "&gt;");
		else if (*c == '"')
			appendStringInfoString(out, "&quot;");
		else if ((unsigned char) *c < ' ' && *c != '\n')
			appendStringInfoChar(out, '?');
		else
			appendStringInfoChar(out, *c);
	}
}
