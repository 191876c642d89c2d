/*
 * ingest_options.c: the options of medallion.ingest(), checked.
 */
#include "lake/ingest_int.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define OPTIONS				"options"
#define DEFAULT_SAMPLE_ROWS	20000
#define DEFAULT_ROW_BYTES	(INT64CONST(16) * 1024 * 1024)
#define MAX_ROW_BYTES		(INT64CONST(200) * 1024 * 1024)	/* a rescued row may take 4 times as much, below 1 GB */

static const char *const common_keys[] = {
	"adopt", "allow_empty", "encoding", "force", "max_row_bytes", "on_change", "sample_rows", "schema_evolution", "types", NULL
};
static const char *const csv_keys[] = {
	"adopt", "allow_empty", "columns", "delimiter", "encoding", "escape", "force", "header", "max_row_bytes", "null",
	"on_change", "quote", "sample_rows", "schema_evolution", "types", NULL
};

static const struct
{
	const char *name;
	const MdlFormat *format;
}			formats[] =
{
	{"csv", &mdl_csv_format},
	{"json_lines", &mdl_json_lines_format},
	{"jsonl", &mdl_json_lines_format},
};

static const MdlFormat *
find_format(const char *name)
{
	for (int i = 0; i < lengthof(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].format;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("format \"%s\" is not supported", name),
			 errhint("Formats are: csv, json_lines (or jsonl); each may be compressed with gzip.")));
}

/* Returns the index of an option's value among the words allowed, or `absent`. */
static int
word_option(Jsonb *json, const char *key, const char *const *words, int absent)
{
	char	   *value;
	StringInfoData allowed;

	if (!mdl_jsonb_text(json, OPTIONS, key, &value))
		return absent;
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	initStringInfo(&allowed);
	for (int i = 0; words[i] != NULL; i++)
		appendStringInfo(&allowed, "%s%s", i ? ", " : "", words[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in argument \"%s\" cannot be \"%s\"", key, OPTIONS, value),
			 errhint("It is one of: %s.", allowed.data)));
}

static int64
count_option(Jsonb *json, const char *key, int64 absent, int64 minimum, int64 maximum)
{
	int64		value = absent;

	if (mdl_jsonb_int8(json, OPTIONS, key, &value) && (value < minimum || value > maximum))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" in argument \"%s\" must be from %lld to %lld, but is %lld", key, OPTIONS,
						(long long) minimum, (long long) maximum, (long long) value)));
	return value;
}

/* Reads an option that is one ASCII character; with `or_none` an empty string gives '\0'. */
static char
character_option(Jsonb *json, const char *key, char absent, bool or_none)
{
	char	   *value;

	if (!mdl_jsonb_text(json, OPTIONS, key, &value))
		return absent;
	if (or_none && *value == '\0')
		return '\0';
	if (strlen(value) != 1 || IS_HIGHBIT_SET(*value) || *value == '\n' || *value == '\r')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" in argument \"%s\" must be a single one-byte character other than a line end, but is \"%s\"",
						key, OPTIONS, value)));
	return *value;
}

/* Reads an option that is a string or an array of strings; the former only with `or_string`.  Returns NIL if it is absent. */
static List *
strings_option(Jsonb *json, const char *key, bool or_string, const char *expected)
{
	JsonbValue	found;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;
	List	   *strings = NIL;

	if (json == NULL || getKeyJsonValueFromContainer(&json->root, key, strlen(key), &found) == NULL ||
		found.type == jbvNull)
		return NIL;
	if (or_string && found.type == jbvString)
		return list_make1(pnstrdup(found.val.string.val, found.val.string.len));
	if (found.type != jbvBinary || !JsonContainerIsArray(found.val.binary.data))
		goto wrong;
	iterator = JsonbIteratorInit(found.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			goto wrong;
		strings = lappend(strings, pnstrdup(element.val.string.val, element.val.string.len));
	}
	return strings;

wrong:
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in argument \"%s\" must be %s", key, OPTIONS, expected)));
}

static void
csv_options(Jsonb *json, MdlIngestOptions *options)
{
	List	   *nulls = strings_option(json, "null", true, "a string or an array of strings");
	ListCell   *cell;

	options->dialect.delimiter = character_option(json, "delimiter", ',', false);
	options->dialect.quote = character_option(json, "quote", '"', true);
	options->dialect.escape = character_option(json, "escape", options->dialect.quote, false);
	if (options->dialect.delimiter == options->dialect.quote ||
		(options->dialect.quote != '\0' && options->dialect.delimiter == options->dialect.escape))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"delimiter\" in argument \"%s\" must differ from \"quote\" and \"escape\"", OPTIONS)));
	options->header = true;
	(void) mdl_jsonb_bool(json, OPTIONS, "header", &options->header);
	options->columns = strings_option(json, "columns", false, "an array of strings");
	if (options->columns != NIL && options->header)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"columns\" in argument \"%s\" is for files without a header", OPTIONS),
				 errhint("Add \"header\": false to the options, or leave out \"columns\".")));
	if (nulls == NIL)
		nulls = list_make1("");
	options->null_markers = palloc(list_length(nulls) * sizeof(char *));
	options->null_marker_sizes = palloc(list_length(nulls) * sizeof(size_t));
	foreach(cell, nulls)
	{
		options->null_markers[options->null_marker_count] = lfirst(cell);
		options->null_marker_sizes[options->null_marker_count++] = strlen(lfirst(cell));
	}
}

void
mdl_ingest_options(const char *format, Jsonb *json, MdlIngestOptions *options)
{
	static const char *const evolutions[] = {"add", "rescue", "fail", NULL};
	static const char *const changes[] = {"load", "skip", "fail", NULL};
	char	   *encoding;
	JsonbValue	types;

	memset(options, 0, sizeof(*options));
	options->format = find_format(format);
	mdl_jsonb_check_keys(json, OPTIONS, options->format->is_csv ? csv_keys : common_keys);
	if (options->format->is_csv)
		csv_options(json, options);

	options->encoding = PG_UTF8;
	if (mdl_jsonb_text(json, OPTIONS, "encoding", &encoding))
	{
		options->encoding = pg_char_to_encoding(encoding);
		if (options->encoding < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"encoding\" in argument \"%s\" names no encoding of the server: \"%s\"", OPTIONS, encoding),
					 errhint("Names are those of PostgreSQL, for example UTF8, LATIN1, WIN1252, SJIS.")));
	}
	if (json != NULL && getKeyJsonValueFromContainer(&json->root, "types", 5, &types) != NULL && types.type != jbvNull)
	{
		if (types.type != jbvBinary || !JsonContainerIsObject(types.val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"types\" in argument \"%s\" must be an object of column names and types", OPTIONS)));
		options->types = JsonbValueToJsonb(&types);
	}
	options->evolution = word_option(json, "schema_evolution", evolutions, MDL_EVOLVE_ADD);
	options->on_change = word_option(json, "on_change", changes, MDL_CHANGED_LOAD);
	(void) mdl_jsonb_bool(json, OPTIONS, "force", &options->force);
	(void) mdl_jsonb_bool(json, OPTIONS, "adopt", &options->adopt);
	(void) mdl_jsonb_bool(json, OPTIONS, "allow_empty", &options->allow_empty);
	options->sample_rows = count_option(json, "sample_rows", DEFAULT_SAMPLE_ROWS, 1, 10000000);
	options->max_row_bytes = count_option(json, "max_row_bytes", DEFAULT_ROW_BYTES, 1024, MAX_ROW_BYTES);
}

char *
mdl_ingest_option_type(const MdlIngestOptions *options, const char *column)
{
	char	   *type;

	return mdl_jsonb_text(options->types, "types", column, &type) ? type : NULL;
}
