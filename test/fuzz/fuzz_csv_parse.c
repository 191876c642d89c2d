/*
 * fuzz_csv_parse.c: whatever the bytes, the CSV parser stays inside them, comes to an end, and says of a text that
 * arrives in parts what it says of the whole.
 *
 * A libFuzzer target (see run.sh); test/unit/test_csv_parse.c runs it on random texts too.
 */
#include "lake/csv_parse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_FIELDS 8

static void
fuzz_require(bool fact)
{
	if (!fact)
		abort();
}

/* Checks what was returned for data[0 .. size). */
static void
check_record(const MdlCsvDialect *dialect, const char *data, size_t size, MdlCsvStatus status, const MdlCsvField *fields,
			 const MdlCsvRecord *record)
{
	const char *after = data;

	fuzz_require(record->consumed <= size && record->size <= record->consumed && record->consumed - record->size <= 2);
	fuzz_require(record->consumed > 0 || size == 0);
	if (status == MDL_CSV_MALFORMED)
	{
		fuzz_require(record->reason != NULL && memchr(data, '\n', record->size) == NULL);
		return;
	}
	fuzz_require(record->fields >= 1);
	for (int i = 0; i < record->fields && i < FUZZ_FIELDS; i++)
	{
		char	   *text = malloc(fields[i].size + 1);

		fuzz_require(fields[i].data >= after && fields[i].data + fields[i].size <= data + record->size);
		after = fields[i].data + fields[i].size;
		fuzz_require(mdl_csv_unescape(dialect, &fields[i], text) <= fields[i].size);
		free(text);
	}
}

/* A text that is not complete gives the record of the whole text, or none yet. */
static void
check_prefixes(const MdlCsvDialect *dialect, const char *data, size_t size, MdlCsvStatus status,
			   const MdlCsvRecord *record)
{
	for (size_t part = 1; part < size; part++)
	{
		char	   *copy = malloc(part);	/* of its own, so that reading beyond it is noticed */
		MdlCsvField fields[FUZZ_FIELDS];
		MdlCsvRecord found;
		MdlCsvStatus early;

		memcpy(copy, data, part);
		early = mdl_csv_next(dialect, copy, part, false, fields, FUZZ_FIELDS, &found);
		if (early != MDL_CSV_INCOMPLETE)
			fuzz_require(early == status && found.size == record->size && found.consumed == record->consumed &&
						 found.fields == record->fields && found.reason == record->reason);
		free(copy);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const MdlCsvDialect dialects[] = {{',', '"', '"'}, {';', '\'', '\\'}, {'\t', '\0', '\0'}, {',', '"', '\\'}};
	const char *data = (const char *) bytes + 1;
	const MdlCsvDialect *dialect;

	if (size < 1)
		return 0;
	dialect = &dialects[bytes[0] % 4];
	size--;
	for (int records = 0; size > 0; records++)
	{
		MdlCsvField fields[FUZZ_FIELDS];
		MdlCsvRecord record;
		MdlCsvStatus status = mdl_csv_next(dialect, data, size, true, fields, FUZZ_FIELDS, &record);

		fuzz_require(status != MDL_CSV_INCOMPLETE);
		check_record(dialect, data, size, status, fields, &record);
		if (size <= 200 && records < 3)
			check_prefixes(dialect, data, size, status, &record);
		data += record.consumed;
		size -= record.consumed;
	}
	return 0;
}
