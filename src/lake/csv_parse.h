/*
 * csv_parse.h: records of a CSV text (RFC 4180, with the delimiter, quote and escape of one's choice).
 *
 * A *record* is a row; a quoted field may hold line ends, so it may span *lines*.  A line ends in LF, CRLF or CR, mixed
 * as they come.  A quote opens a quoted field only as the first byte of a field; elsewhere it is an ordinary byte.  The
 * parser never changes the text, allocates nothing and knows nothing of the server, so that it can be fuzzed by itself.
 * Delimiter, quote and escape are single ASCII bytes, so any ASCII-compatible encoding without them as trailing bytes
 * (UTF-8, the ISO 8859 family) can be parsed as it is.
 */
#ifndef MDL_CSV_PARSE_H
#define MDL_CSV_PARSE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct MdlCsvDialect
{
	char		delimiter;
	char		quote;			/* '\0': there are no quoted fields */
	char		escape;			/* inside quotes; usually the quote itself */
} MdlCsvDialect;

typedef struct MdlCsvField
{
	const char *data;			/* without the quotes; not terminated */
	size_t		size;
	bool		quoted;
	bool		escaped;		/* mdl_csv_unescape() must be applied */
} MdlCsvField;

typedef enum MdlCsvStatus
{
	MDL_CSV_RECORD,				/* a record was found */
	MDL_CSV_INCOMPLETE,			/* the text ends before the record does, and more is to come */
	MDL_CSV_MALFORMED			/* the record begins with a line that is not CSV; `reason` says why */
} MdlCsvStatus;

typedef struct MdlCsvRecord
{
	int			fields;			/* may exceed the capacity given; those beyond it are not stored */
	size_t		size;			/* bytes of the record without its line end; of the first line if malformed */
	size_t		consumed;		/* bytes up to the next record (or the next line if malformed) */
	const char *reason;			/* static text; malformed only */
} MdlCsvRecord;

/*
 * Finds the record at the start of data[0 .. size), size > 0.  `final` says that nothing follows.  fields[] has room
 * for `capacity` fields.
 */
extern MdlCsvStatus mdl_csv_next(const MdlCsvDialect *dialect, const char *data, size_t size, bool final,
								 MdlCsvField *fields, int capacity, MdlCsvRecord *record);

/*
 * Takes the first line of data as a malformed record, for the given reason.  Returns false when the text ends before
 * the line does, and more is to come.
 */
extern bool mdl_csv_line(const char *data, size_t size, bool final, const char *reason, MdlCsvRecord *record);

/* Writes the field with its escapes undone to out (at least field->size bytes); returns the number of bytes written. */
extern size_t mdl_csv_unescape(const MdlCsvDialect *dialect, const MdlCsvField *field, char *out);

#endif							/* MDL_CSV_PARSE_H */
