/*
 * test_value_kind.c: which type the values of a column ask for.
 */
#include "unit.h"

#include "lake/value_kind.c"

/* Checks the type for values divided by bars. */
static void
check(const char *values, const char *type)
{
	MdlKindSet	seen = 0;
	const char *p = values;

	for (;;)
	{
		size_t		size = strcspn(p, "|");

		seen |= mdl_kind_of(p, size);
		if (p[size] == '\0')
			break;
		p += size + 1;
	}
	if (!unit_ok(strcmp(mdl_kind_type(seen), type) == 0, "%s is %s", values, type))
		printf("# got %s\n", mdl_kind_type(seen));
}

static void
check_json(MdlKindSet json, const char *value, const char *type)
{
	unit_ok(strcmp(mdl_kind_type(json | mdl_kind_of(value, strlen(value))), type) == 0, "JSON %x %s is %s", json, value, type);
}

static void
test_types(void)
{
	check("1|-2|0|123456789012345678", "bigint");
	check("1234567890123456789", "numeric");
	check("1|2.5", "numeric");
	check(".5|5.|-0.1", "numeric");
	check("1|2.5e3", "double precision");
	check("1.234567890123456|1e3", "numeric");
	check("1.5|NaN|-Infinity|inf", "double precision");
	check("007", "text");
	check("+5", "text");
	check("1,5", "text");
	check("1e", "text");
	check("-", "text");
	check("1.2.3", "text");
	check("true|FALSE|True", "boolean");
	check("t|f", "boolean");
	check("t", "text");
	check("true|t", "text");
	check("1|true", "text");
	check("2020-02-29", "date");
	check("2021-02-29", "text");
	check("2020-13-01", "text");
	check("0000-01-01", "text");
	check("2020-1-1", "text");
	check("2020-01-01 10:00|2020-01-01T10:00:59.5", "timestamp without time zone");
	check("2020-01-01|2020-01-01 10:00", "timestamp without time zone");
	check("2020-01-01T10:00:00Z|2020-01-01 10:00+05:30|2020-01-01 10:00:00.1 -0800|2020-01-01 10:00-08", "timestamp with time zone");
	check("2020-01-01 10:00|2020-01-01 10:00Z", "text");
	check("2020-01-01|2020-01-01 10:00Z", "text");
	check("2020-01-01 24:00", "text");
	check("2020-01-01 10:60", "text");
	check("2020-01-01 10:00:60", "text");
	check("2020-01-01 10:00:00.", "text");
	check("2020-01-01 10:00:00.1234567", "text");
	check("2020-01-01 10:00:00.123456000", "timestamp without time zone");
	check("2020-01-01 10:00:00+", "text");
	check("2020-01-01 10:00:00+99", "text");
	check("2020-01-01 10:00:00Zx", "text");
	check(" 5 |\t6", "bigint");
	check("", "text");
	check("nan|1", "double precision");
	check("nano", "text");
	check_json(MDL_KIND_JSON_STRING, "12", "text");
	check_json(MDL_KIND_JSON_STRING, "2020-01-01", "date");
	check_json(MDL_KIND_JSON_NUMBER, "12", "bigint");
	check_json(MDL_KIND_JSON_NUMBER | MDL_KIND_JSON_STRING, "12", "jsonb");
	check_json(MDL_KIND_JSON_NESTED, "x", "jsonb");
	unit_ok(strcmp(mdl_kind_type(MDL_KIND_JSON_TRUTH), "boolean") == 0, "JSON true is boolean");
	unit_ok(strcmp(mdl_kind_type(0), "text") == 0, "no value is text");
}

static void
test_numbers(void)
{
	MdlNumberText number;

	unit_ok(mdl_number_text("-120.5600e-2", 12, &number) && number.negative && number.has_point && number.has_exponent &&
			number.digits == 7 && number.scale == 4 && number.zeros == 2 && number.fits && number.value == 1205600 &&
			number.exponent == -2, "the parts of a number");
	unit_ok(mdl_number_text("0.001", 5, &number) && number.digits == 1 && number.scale == 3 && number.value == 1,
			"digits count from the first that is not 0");
	unit_ok(mdl_number_text("1e999999999999", 14, &number) && number.exponent == 100000, "exponents are clamped");
	unit_ok(mdl_number_text("12345678901234567890", 20, &number) && !number.fits, "more than 18 digits do not fit");
	unit_ok(!mdl_number_text("00", 2, &number) && !mdl_number_text("", 0, &number) && !mdl_number_text("1 ", 2, &number),
			"what is no number");
}

int
main(void)
{
	test_types();
	test_numbers();
	return unit_done();
}
