/*
 * csv_parse.c: records of a CSV text; see csv_parse.h for the rules.
 */
#include "lake/csv_parse.h"

#include <string.h>

static const char *const unterminated_quote = "unterminated quote";
static const char *const text_after_quote = "text after a closing quote";

/* Returns the number of bytes of the line end at p, 0 if it cannot be told before more text arrives. */
static size_t
line_end_size(const char *p, const char *end, bool final)
{
	if (*p == '\n')
		return 1;
	if (p + 1 < end)
		return p[1] == '\n' ? 2 : 1;
	return final ? 1 : 0;
}

bool
mdl_csv_line(const char *data, size_t size, bool final, const char *reason, MdlCsvRecord *record)
{
	const char *end = data + size;
	const char *p = data;
	size_t		terminator = 0;

	while (p < end && *p != '\n' && *p != '\r')
		p++;
	if (p < end)
		terminator = line_end_size(p, end, final);
	if (terminator == 0 && !(p == end && final))
		return false;
	record->fields = 0;
	record->size = p - data;
	record->consumed = record->size + terminator;
	record->reason = reason;
	return true;
}

static MdlCsvStatus
malformed(const char *data, size_t size, bool final, const char *reason, MdlCsvRecord *record)
{
	return mdl_csv_line(data, size, final, reason, record) ? MDL_CSV_MALFORMED : MDL_CSV_INCOMPLETE;
}

/*
 * Scans a quoted field whose opening quote is at p.  Returns the position after the closing quote; NULL when the text
 * ends before that is sure.
 */
static const char *
quoted_field(const MdlCsvDialect *dialect, const char *p, const char *end, bool final, MdlCsvField *field)
{
	const char	quote = dialect->quote;
	const char	escape = dialect->escape;

	field->data = ++p;
	field->quoted = true;
	field->escaped = false;
	while (p < end)
	{
		if (escape != quote && *p == escape)
		{
			if (p + 1 == end)
				return NULL;
			if (p[1] == quote || p[1] == escape)
			{
				field->escaped = true;
				p++;
			}
			p++;
		}
		else if (*p != quote)
			p++;
		else if (escape == quote && p + 1 < end && p[1] == quote)
		{
			field->escaped = true;
			p += 2;
		}
		else if (p + 1 == end && !final)
			return NULL;
		else
		{
			field->size = p - field->data;
			return p + 1;
		}
	}
	return NULL;
}

MdlCsvStatus
mdl_csv_next(const MdlCsvDialect *dialect, const char *data, size_t size, bool final,
			 MdlCsvField *fields, int capacity, MdlCsvRecord *record)
{
	const char *const end = data + size;
	const char	delimiter = dialect->delimiter;
	const char *p = data;
	int			count = 0;

	for (;;)
	{
		MdlCsvField spare;
		MdlCsvField *field = count < capacity ? &fields[count] : &spare;
		size_t		terminator;

		count++;
		if (dialect->quote != '\0' && p < end && *p == dialect->quote)
		{
			p = quoted_field(dialect, p, end, final, field);
			if (p == NULL)
				return final ? malformed(data, size, final, unterminated_quote, record) : MDL_CSV_INCOMPLETE;
			if (p < end && *p != delimiter && *p != '\n' && *p != '\r')
				return malformed(data, size, final, text_after_quote, record);
		}
		else
		{
			const char *start = p;

			while (p < end && *p != delimiter && *p != '\n' && *p != '\r')
				p++;
			field->data = start;
			field->size = p - start;
			field->quoted = field->escaped = false;
		}

		if (p < end && *p == delimiter)
		{
			p++;
			if (p < end || final)
				continue;
			return MDL_CSV_INCOMPLETE;
		}
		terminator = p < end ? line_end_size(p, end, final) : 0;
		if (terminator == 0 && !(p == end && final))
			return MDL_CSV_INCOMPLETE;
		record->fields = count;
		record->size = p - data;
		record->consumed = record->size + terminator;
		record->reason = NULL;
		return MDL_CSV_RECORD;
	}
}

size_t
mdl_csv_unescape(const MdlCsvDialect *dialect, const MdlCsvField *field, char *out)
{
	const char *p = field->data;
	const char *end = p + field->size;
	char	   *start = out;

	while (p < end)
	{
		/* When quote and escape are one, a lone quote cannot occur inside a field. */
		if (*p == dialect->escape && p + 1 < end && (p[1] == dialect->quote || p[1] == dialect->escape))
			p++;
		*out++ = *p++;
	}
	return out - start;
}
