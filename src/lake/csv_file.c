/*
 * csv_file.c: rows of a CSV file.
 *
 * The first record names the columns, unless option "header" is off.  A record with more or fewer fields than the
 * header, and a line that is not CSV, is a row with a reason instead of values.  A line without any byte is skipped
 * where there are several columns; where there is one it is a row.  A record longer than the limit is taken for one whose
 * quote was never closed: its first line is kept as a row, and reading goes on with the next line.
 */
#include "lake/ingest_int.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

typedef struct CsvFile
{
	MdlFileReader base;
	MdlCsvField *fields;		/* of the record at hand; room for one per column and one more */
	int			capacity;
	MdlFileValue *values;
	MemoryContext row_context;	/* what the row at hand needs beside the window */
	char		reason[128];
} CsvFile;

/*
 * Finds the record that begins `offset` bytes into the window, reading on as needed.  Returns false at the end of the
 * file.  With `sampling` the window grows to the size of a sample only, and a record too long ends the sample.
 */
static bool
find_record(CsvFile *file, size_t offset, bool sampling, MdlCsvStatus *status, MdlCsvRecord *record)
{
	MdlStream  *stream = file->base.stream;
	const size_t longest = file->base.options->max_row_bytes;

	for (;;)
	{
		size_t		size = mdl_stream_size(stream) - offset;
		const char *text = mdl_stream_window(stream) + offset;

		*status = MDL_CSV_INCOMPLETE;
		if (size > 0)
			*status = mdl_csv_next(&file->base.options->dialect, text, size, stream->final, file->fields, file->capacity,
								   record);
		if (*status == MDL_CSV_INCOMPLETE ? size > longest : record->size > longest)
		{
			if (sampling)
				return false;
			*status = MDL_CSV_MALFORMED;
			if (mdl_csv_line(text, size, stream->final, "unterminated quote", record) && record->size <= longest)
				return true;
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("row %lld of file \"%s\" is longer than %lld bytes", (long long) file->base.row + 1,
							stream->file->uri, (long long) longest),
					 errhint("Raise \"max_row_bytes\" in the options, if the file really is CSV.")));
		}
		if (*status != MDL_CSV_INCOMPLETE)
			return true;
		if (sampling && mdl_stream_size(stream) >= MDL_SAMPLE_BYTES)
			return false;
		if (!mdl_stream_more(stream) && size == 0)
			return false;
	}
}

/* Returns the text of a field with its escapes undone. */
static const char *
field_text(CsvFile *file, const MdlCsvField *field, size_t *size)
{
	char	   *text;

	*size = field->size;
	if (!field->escaped)
		return field->data;
	text = MemoryContextAlloc(file->row_context, field->size);
	*size = mdl_csv_unescape(&file->base.options->dialect, field, text);
	return text;
}

static bool
is_null_marker(const MdlIngestOptions *options, const char *text, size_t size)
{
	for (int i = 0; i < options->null_marker_count; i++)
		if (options->null_marker_sizes[i] == size &&
			(size == 0 || (*options->null_markers[i] == *text && memcmp(options->null_markers[i], text, size) == 0)))
			return true;
	return false;
}

static void
fill_values(CsvFile *file)
{
	const MdlIngestOptions *options = file->base.options;

	for (int i = 0; i < file->base.columns.count; i++)
	{
		const MdlCsvField *field = &file->fields[i];
		MdlFileValue *value = &file->values[i];

		if (likely(!field->escaped))
		{
			value->data = field->data;
			value->size = field->size;
		}
		else
			value->data = field_text(file, field, &value->size);
		if (unlikely(field->quoted))
			value->state = value->size == 0 || is_null_marker(options, value->data, value->size) ?
				MDL_VALUE_BLANK : MDL_VALUE_TEXT;
		else
			value->state = is_null_marker(options, value->data, value->size) ? MDL_VALUE_NULL : MDL_VALUE_TEXT;
	}
}

static bool
csv_next(MdlFileReader *reader, MdlFileRow *row)
{
	CsvFile    *file = (CsvFile *) reader;
	MdlStream  *stream = reader->stream;
	MdlCsvStatus status;
	MdlCsvRecord record;

	MemoryContextReset(file->row_context);
	do
	{
		if (!find_record(file, 0, false, &status, &record))
			return false;
		row->raw = mdl_stream_window(stream);
		mdl_stream_consume(stream, record.consumed);
	} while (record.size == 0 && reader->columns.count > 1);
	reader->row++;
	row->raw_size = record.size;
	row->reason = record.reason;
	row->extra_count = 0;
	row->values = file->values;
	if (status == MDL_CSV_MALFORMED)
		return true;
	if (record.fields != reader->columns.count)
	{
		snprintf(file->reason, sizeof(file->reason), "%d fields, expected %d", record.fields, reader->columns.count);
		row->reason = file->reason;
		return true;
	}
	fill_values(file);
	return true;
}

static void
csv_sample(MdlFileReader *reader, int64 rows)
{
	CsvFile    *file = (CsvFile *) reader;
	size_t		offset = 0;
	MdlCsvStatus status;
	MdlCsvRecord record;

	for (int64 seen = 0; seen < rows; seen++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!find_record(file, offset, true, &status, &record))
			return;
		offset += record.consumed;
		if (status == MDL_CSV_MALFORMED || record.fields != reader->columns.count)
			continue;
		MemoryContextReset(file->row_context);
		fill_values(file);
		for (int i = 0; i < reader->columns.count; i++)
			if (file->values[i].state == MDL_VALUE_TEXT)
				reader->columns.kinds[i] |= mdl_kind_of(file->values[i].data, file->values[i].size);
	}
}

/* Makes room for one field per column, and one more. */
static void
make_fields(CsvFile *file, int columns)
{
	file->capacity = columns + 1;
	file->fields = palloc(file->capacity * sizeof(MdlCsvField));
	file->values = palloc0(file->capacity * sizeof(MdlFileValue));
}

/* Gives the column at `index` a name that is not empty, not taken, and not longer than a name can be. */
static void
add_column(MdlFileColumns *columns, int index, const char *text, size_t size)
{
	char		name[NAMEDATALEN];
	char		unique[NAMEDATALEN];

	while (size > 0 && (*text == ' ' || *text == '\t'))
		text++, size--;
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	size = pg_mbcliplen(text, size, NAMEDATALEN - 1);
	memcpy(name, text, size);
	name[size] = '\0';
	if (size == 0)
		snprintf(name, sizeof(name), "column_%d", index + 1);
	strcpy(unique, name);
	for (int n = 2; mdl_target_reserved(unique) || mdl_file_columns_find(columns, unique, strlen(unique)) >= 0; n++)
	{
		char		suffix[16];
		int			room = NAMEDATALEN - 1 - snprintf(suffix, sizeof(suffix), "_%d", n);
		int			kept = pg_mbcliplen(name, strlen(name), room);

		memcpy(unique, name, kept);
		strcpy(unique + kept, suffix);
	}
	mdl_file_columns_add(columns, unique, strlen(unique));
}

/* Reads the first record, leaving it in fields[]; false if the file holds none. */
static bool
first_record(CsvFile *file, MdlCsvRecord *record)
{
	MdlStream  *stream = file->base.stream;
	MdlCsvStatus status;

	make_fields(file, MaxHeapAttributeNumber);
	for (;;)
	{
		if (!find_record(file, 0, false, &status, record))
			return false;
		if (record->size > 0 || status == MDL_CSV_MALFORMED)
			break;
		mdl_stream_consume(stream, record->consumed);
	}
	if (status == MDL_CSV_MALFORMED)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("first line of file \"%s\" is not CSV: %s", stream->file->uri, record->reason),
				 errhint("Check the options \"delimiter\", \"quote\" and \"encoding\".")));
	if (record->fields > MDL_MAX_FILE_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("file \"%s\" has %d columns, but a table can have at most %d", stream->file->uri, record->fields,
						MDL_MAX_FILE_COLUMNS)));
	return true;
}

static void
read_header(CsvFile *file, const MdlCsvRecord *record)
{
	MdlStream  *stream = file->base.stream;
	const char *text = mdl_stream_window(stream);

	if (!pg_verifymbstr(text, record->size, true))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("header of file \"%s\" is not valid in encoding \"%s\"", stream->file->uri,
						pg_encoding_to_char(stream->encoding)),
				 errhint("Check the option \"encoding\".")));
	for (int i = 0; i < record->fields; i++)
	{
		size_t		size;
		const char *name = field_text(file, &file->fields[i], &size);

		add_column(&file->base.columns, i, name, size);
	}
	mdl_stream_consume(stream, record->consumed);
}

static MdlFileReader *
csv_open(MdlStream *stream, const MdlIngestOptions *options)
{
	CsvFile    *file = palloc0(sizeof(CsvFile));
	MdlCsvRecord record;
	ListCell   *cell;

	file->base.format = &mdl_csv_format;
	file->base.options = options;
	file->base.stream = stream;
	file->row_context = AllocSetContextCreate(CurrentMemoryContext, "medallion csv row", ALLOCSET_DEFAULT_SIZES);
	if (options->columns != NIL)
		foreach(cell, options->columns)
			add_column(&file->base.columns, foreach_current_index(cell), lfirst(cell), strlen(lfirst(cell)));
	else if (first_record(file, &record))
	{
		if (options->header)
			read_header(file, &record);
		else
			for (int i = 0; i < record.fields; i++)
				add_column(&file->base.columns, i, "", 0);
	}
	make_fields(file, file->base.columns.count);
	return &file->base;
}

const MdlFormat mdl_csv_format = {
	.name = "csv",
	.is_csv = true,
	.open = csv_open,
	.sample = csv_sample,
	.next = csv_next,
};
