/*
 * test_csv_parse.c: records of CSV texts, by hand and at random.
 */
#include "unit.h"

#include "lake/csv_parse.c"
#include "../fuzz/fuzz_csv_parse.c"

static const MdlCsvDialect comma = {',', '"', '"'};

/* Writes the records of a text as field|field/field…; a malformed line as !reason:line!. */
static const char *
parsed(const MdlCsvDialect *dialect, const char *text)
{
	static char out[1000];
	size_t		size = strlen(text);
	size_t		used = 0;

	out[0] = '\0';
	while (size > 0)
	{
		MdlCsvField fields[10];
		MdlCsvRecord record;
		MdlCsvStatus status = mdl_csv_next(dialect, text, size, true, fields, 10, &record);

		if (used > 0)
			used += sprintf(out + used, "/");
		if (status == MDL_CSV_MALFORMED)
			used += sprintf(out + used, "!%s:%.*s!", record.reason, (int) record.size, text);
		else
			for (int i = 0; i < record.fields; i++)
			{
				char		field[200];
				size_t		length = mdl_csv_unescape(dialect, &fields[i], field);

				used += sprintf(out + used, "%s%s%.*s", i ? "|" : "", fields[i].quoted ? "q" : "", (int) length, field);
			}
		text += record.consumed;
		size -= record.consumed;
	}
	return out;
}

static void
check(const MdlCsvDialect *dialect, const char *text, const char *expected, const char *name)
{
	const char *found = parsed(dialect, text);

	if (!unit_ok(strcmp(found, expected) == 0, "%s", name))
		printf("# expected %s\n#      got %s\n", expected, found);
}

static void
test_by_hand(void)
{
	static const MdlCsvDialect backslash = {';', '\'', '\\'};
	static const MdlCsvDialect no_quotes = {'\t', '\0', '\0'};

	check(&comma, "a,b\nc,d", "a|b/c|d", "two records, the last without a line end");
	check(&comma, "a,b\r\nc\rd\n\ne\n", "a|b/c/d//e", "line ends of all kinds, and an empty line");
	check(&comma, ",\n,,", "|/||", "empty fields");
	check(&comma, "\"a,b\",\"c\nd\",\"e\"\"f\"\n", "qa,b|qc\nd|qe\"f", "quoted fields");
	check(&comma, "\"\",\"\"\"\"\n", "q|q\"", "an empty one, and one of a quote");
	check(&comma, "a\"b,c\"\n", "a\"b|c\"", "quotes inside an unquoted field are ordinary");
	check(&comma, "\"a\"b,c\nd\n", "!text after a closing quote:\"a\"b,c!/d", "text after a closing quote costs its line only");
	check(&comma, "a,\"b\nc\nd", "!unterminated quote:a,\"b!/c/d", "a quote that is never closed costs its line only");
	check(&comma, "\"a\"", "qa", "a quoted field at the end");
	check(&comma, "\"a\"\"", "!unterminated quote:\"a\"\"!", "an escaped quote at the end");
	check(&backslash, "'a\\'b';'c\\\\';d\\;\n", "qa'b|qc\\|d\\|", "a backslash escapes inside quotes only");
	check(&backslash, "'a\\n'\n", "qa\\n", "and only quote and backslash");
	check(&backslash, "'a\\", "!unterminated quote:'a\\!", "a backslash at the end");
	check(&no_quotes, "\"a\tb\"\n'\n", "\"a|b\"/'", "no quotes at all");
}

static void
test_parts(void)
{
	MdlCsvField fields[2];
	MdlCsvRecord record;

	unit_ok(mdl_csv_next(&comma, "a,b", 3, false, fields, 2, &record) == MDL_CSV_INCOMPLETE, "a field may go on");
	unit_ok(mdl_csv_next(&comma, "a,b\r", 4, false, fields, 2, &record) == MDL_CSV_INCOMPLETE, "a CR may be half a CRLF");
	unit_ok(mdl_csv_next(&comma, "a,\"b\"", 5, false, fields, 2, &record) == MDL_CSV_INCOMPLETE,
			"a quote may be half an escaped one");
	unit_ok(mdl_csv_next(&comma, "a,b,c,d\n", 8, false, fields, 2, &record) == MDL_CSV_RECORD && record.fields == 4,
			"fields beyond the room are counted");
	unit_ok(!mdl_csv_line("abc", 3, false, "x", &record), "a line may go on");
	unit_ok(mdl_csv_line("abc", 3, true, "x", &record) && record.size == 3 && record.consumed == 3, "or end with the text");
}

static void
test_random(void)
{
	static const char alphabet[] = "ab,;\"'\\\n\r\t";
	unsigned long state = 42;

	for (int round = 0; round < 20000; round++)
	{
		uint8_t		text[61];
		size_t		size;

		state = state * 6364136223846793005UL + 1442695040888963407UL;
		size = 1 + (state >> 33) % 60;
		for (size_t i = 0; i < size; i++)
		{
			state = state * 6364136223846793005UL + 1442695040888963407UL;
			text[i] = i == 0 ? state >> 60 : (uint8_t) alphabet[(state >> 33) % (sizeof(alphabet) - 1)];
		}
		LLVMFuzzerTestOneInput(text, size);
	}
	unit_ok(true, "20,000 random texts keep the rules of fuzz_csv_parse.c");
}

int
main(void)
{
	test_by_hand();
	test_parts();
	test_random();
	return unit_done();
}
