/*
 * json_file.c: rows of a file of JSON lines: one object on each line.
 *
 * The columns are the keys found in the first rows.  A key found later, one too long for a column's name, the empty key
 * and the names of the bookkeeping columns are extras: they are rescued under their own name.  A line that is not a JSON
 * object, or has a key twice, is a row with a reason instead of values.  Lines of blanks are skipped.
 */
#include "lake/ingest_int.h"

#include "lake/json_parse.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

typedef struct JsonFile
{
	MdlFileReader base;
	MdlFileValue *values;		/* one per column */
	int64	   *seen;			/* per column, the last row that had it */
	int			capacity;		/* of both */
	MdlRescued	extras[MDL_MAX_EXTRAS];
	MemoryContext row_context;
	char		reason[256];
} JsonFile;

/*
 * Finds the line that begins `offset` bytes into the window, reading on as needed; *consumed includes its end.  Returns
 * false at the end of the file, and when a sample is complete.
 */
static bool
find_line(JsonFile *file, size_t offset, bool sampling, size_t *size, size_t *consumed)
{
	MdlStream  *stream = file->base.stream;
	const size_t longest = file->base.options->max_row_bytes;
	size_t		searched = 0;

	for (;;)
	{
		size_t		available = mdl_stream_size(stream) - offset;
		const char *line = mdl_stream_window(stream) + offset;
		const char *end = available > searched ? memchr(line + searched, '\n', available - searched) : NULL;

		*size = end != NULL ? end - line : available;
		*consumed = end != NULL ? *size + 1 : available;
		searched = available;
		if (*size > longest)
		{
			if (sampling)
				return false;
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("row %lld of file \"%s\" is longer than %lld bytes", (long long) file->base.row + 1,
							stream->file->uri, (long long) longest),
					 errhint("Raise \"max_row_bytes\" in the options, if the file really has one JSON object per line.")));
		}
		if (end != NULL)
			break;
		if (sampling && mdl_stream_size(stream) >= MDL_SAMPLE_BYTES && !stream->final)
			return false;
		if (mdl_stream_more(stream))
			continue;
		if (available == 0)
			return false;
		break;					/* the last line has no line end */
	}
	if (*size > 0 && mdl_stream_window(stream)[offset + *size - 1] == '\r')
		(*size)--;
	return true;
}

static bool
is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

/* Returns a string with its escapes undone, in the server's encoding; false if it has no text there. */
static bool
decode(JsonFile *file, const MdlJsonText *text, const char **data, size_t *size)
{
	char	   *decoded;
	int			server = GetDatabaseEncoding();

	*data = text->data;
	*size = text->size;
	if (!text->escaped || text->odd)
		return !text->odd;
	decoded = MemoryContextAlloc(file->row_context, text->size + 1);
	*size = mdl_json_unescape(text->data, text->size, decoded);
	*data = decoded;
	if (server == PG_UTF8 || server == PG_SQL_ASCII)
		return true;
	/* What was written out is in the server's encoding, what was escaped is in UTF-8: only ASCII is sure. */
	for (size_t i = 0; i < *size; i++)
		if (IS_HIGHBIT_SET(decoded[i]))
			return false;
	return true;
}

/* Fills a value from a member of the object. */
static void
fill_value(JsonFile *file, const MdlJsonMember *member, MdlFileValue *value)
{
	MdlJsonText inner = member->value;

	value->odd = inner.odd;
	value->json = value->data = inner.data;
	value->json_size = value->size = inner.size;
	switch (member->type)
	{
		case MDL_JSON_NULL:
			value->state = MDL_VALUE_NULL;
			break;
		case MDL_JSON_TRUTH:
		case MDL_JSON_NUMBER:
			value->state = MDL_VALUE_JSON_SCALAR;
			break;
		case MDL_JSON_OBJECT:
		case MDL_JSON_ARRAY:
			value->state = MDL_VALUE_JSON_NESTED;
			break;
		case MDL_JSON_STRING:
			value->state = MDL_VALUE_JSON_STRING;
			inner.data++;
			inner.size -= 2;
			if (!decode(file, &inner, &value->data, &value->size))
			{
				value->odd = true;
				value->data = value->json;
				value->size = value->json_size;
			}
	}
}

static const char *
duplicate(JsonFile *file, const char *name, size_t size)
{
	snprintf(file->reason, sizeof(file->reason), "key \"%.*s\" occurs twice",
			 pg_mbcliplen(name, size, NAMEDATALEN - 1), name);
	return file->reason;
}

/* Adds a value under a name that is not a column.  Returns a reason if it cannot. */
static const char *
add_extra(JsonFile *file, MdlFileRow *row, const char *name, size_t size, const MdlJsonMember *member)
{
	MdlFileValue *value;

	for (int i = 0; i < row->extra_count; i++)
		if (row->extras[i].name_size == size && memcmp(row->extras[i].name, name, size) == 0)
			return duplicate(file, name, size);
	if (row->extra_count == MDL_MAX_EXTRAS)
		return "too many keys that are not columns";
	value = MemoryContextAllocZero(file->row_context, sizeof(MdlFileValue));
	fill_value(file, member, value);
	if (value->state != MDL_VALUE_NULL)
		row->extras[row->extra_count++] = (MdlRescued) {.name = name, .name_size = size, .value = value};
	return NULL;
}

/* Splits a line into values; returns a reason if it cannot be. */
static const char *
split_line(JsonFile *file, const char *line, size_t size, MdlFileRow *row)
{
	MdlFileColumns *columns = &file->base.columns;
	MdlJsonCursor cursor;
	MdlJsonMember member;
	MdlJsonStep step;
	int			expected = 0;

	if (!mdl_json_begin(&cursor, line, size))
		return cursor.error;
	while ((step = mdl_json_next(&cursor, &member)) == MDL_JSON_MEMBER)
	{
		const char *name;
		size_t		name_size;
		const char *reason;

		if (!decode(file, &member.key, &name, &name_size))
			return "a key that is no text";
		/* Lines mostly have the same keys in the same order. */
		if (expected >= columns->count || strncmp(columns->names[expected], name, name_size) != 0 ||
			columns->names[expected][name_size] != '\0')
			expected = mdl_file_columns_find(columns, name, name_size);
		if (expected >= 0)
		{
			if (file->seen[expected] == file->base.row)
				return duplicate(file, name, name_size);
			file->seen[expected] = file->base.row;
			fill_value(file, &member, &file->values[expected]);
		}
		else if ((reason = add_extra(file, row, name, name_size, &member)) != NULL)
			return reason;
		expected++;
	}
	if (step == MDL_JSON_END)
		return NULL;
	snprintf(file->reason, sizeof(file->reason), "not valid JSON: %s, at byte %d", cursor.error,
			 (int) (cursor.at - line) + 1);
	return file->reason;
}

/* Makes room for all columns. */
static void
fit_columns(JsonFile *file)
{
	int			count = file->base.columns.count;

	if (file->capacity >= count && file->values != NULL)
		return;
	file->capacity = Max(64, count * 2);
	file->values = palloc(file->capacity * sizeof(MdlFileValue));
	file->seen = palloc0(file->capacity * sizeof(int64));
}

static bool
json_next(MdlFileReader *reader, MdlFileRow *row)
{
	JsonFile   *file = (JsonFile *) reader;
	MdlStream  *stream = reader->stream;
	size_t		size,
				consumed;

	MemoryContextReset(file->row_context);
	fit_columns(file);
	do
	{
		if (!find_line(file, 0, false, &size, &consumed))
			return false;
		row->raw = mdl_stream_window(stream);
		mdl_stream_consume(stream, consumed);
	} while (is_blank(row->raw, size));
	reader->row++;
	row->raw_size = size;
	row->values = file->values;
	row->extras = file->extras;
	row->extra_count = 0;
	memset(file->values, 0, reader->columns.count * sizeof(MdlFileValue));
	row->reason = split_line(file, row->raw, size, row);
	return true;
}

/* Adds a key found in the first rows to the columns; -1 if it cannot be one. */
static int
discover(MdlFileColumns *columns, const char *name, size_t size)
{
	int			index = mdl_file_columns_find(columns, name, size);

	if (index >= 0)
		return index;
	if (size == 0 || size >= NAMEDATALEN || columns->count >= MDL_MAX_FILE_COLUMNS ||
		mdl_target_reserved(pnstrdup(name, size)))
		return -1;
	return mdl_file_columns_add(columns, name, size);
}

static MdlKindSet
kind_of_member(JsonFile *file, const MdlJsonMember *member)
{
	MdlFileValue value;

	fill_value(file, member, &value);
	switch (value.state)
	{
		case MDL_VALUE_NULL:
			return 0;
		case MDL_VALUE_JSON_NESTED:
			return MDL_KIND_JSON_NESTED;
		case MDL_VALUE_JSON_STRING:
			return MDL_KIND_JSON_STRING | mdl_kind_of(value.data, value.size);
		default:
			return member->type == MDL_JSON_TRUTH ? MDL_KIND_JSON_TRUTH :
				MDL_KIND_JSON_NUMBER | mdl_kind_of(value.data, value.size);
	}
}

/* Whether a line is a JSON object from start to end. */
static bool
is_object(const char *line, size_t size)
{
	MdlJsonCursor cursor;
	MdlJsonMember member;
	MdlJsonStep step = MDL_JSON_MEMBER;

	if (!mdl_json_begin(&cursor, line, size) || !pg_verifymbstr(line, size, true))
		return false;
	while (step == MDL_JSON_MEMBER)
		step = mdl_json_next(&cursor, &member);
	return step == MDL_JSON_END;
}

/* Adds the members of a line to the columns. */
static void
sample_line(JsonFile *file, const char *line, size_t size)
{
	MdlFileColumns *columns = &file->base.columns;
	MdlJsonCursor cursor;
	MdlJsonMember member;

	if (!is_object(line, size))
		return;
	mdl_json_begin(&cursor, line, size);
	while (mdl_json_next(&cursor, &member) == MDL_JSON_MEMBER)
	{
		const char *name;
		size_t		name_size;
		int			index;

		if (!decode(file, &member.key, &name, &name_size))
			continue;
		index = discover(columns, name, name_size);
		if (index >= 0)
			columns->kinds[index] |= kind_of_member(file, &member);
	}
}

static void
json_sample(MdlFileReader *reader, int64 rows)
{
	JsonFile   *file = (JsonFile *) reader;
	size_t		offset = 0;
	size_t		size,
				consumed;

	for (int64 seen = 0; seen < rows && find_line(file, offset, true, &size, &consumed); seen++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(file->row_context);
		sample_line(file, mdl_stream_window(reader->stream) + offset, size);
		offset += consumed;
	}
}

static MdlFileReader *
json_open(MdlStream *stream, const MdlIngestOptions *options)
{
	JsonFile   *file = palloc0(sizeof(JsonFile));

	file->base.format = &mdl_json_lines_format;
	file->base.options = options;
	file->base.stream = stream;
	file->row_context = AllocSetContextCreate(CurrentMemoryContext, "medallion json row", ALLOCSET_DEFAULT_SIZES);
	return &file->base;
}

const MdlFormat mdl_json_lines_format = {
	.name = "json_lines",
	.is_open = true,
	.open = json_open,
	.sample = json_sample,
	.next = json_next,
};
