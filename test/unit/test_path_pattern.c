/*
 * test_path_pattern.c: patterns of file names.
 */
#include "unit.h"

#include "lake/path_pattern.c"

static void
check(const char *pattern, const char *path, bool expected)
{
	unit_ok(mdl_pattern_path(pattern, path) == expected, "%s %s %s", pattern, expected ? "matches" : "does not match", path);
}

int
main(void)
{
	char		literal[] = "a\\*b\\\\";

	check("a.csv", "a.csv", true);
	check("a.csv", "a.csvx", false);
	check("*.csv", "a.csv", true);
	check("*.csv", "a/b.csv", false);
	check("*.csv", ".csv", false);
	check(".*", ".csv", true);
	check("*a*b*", "xxaxxbxx", true);
	check("*a*b*", "xxbxxaxx", false);
	check("a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false);
	check("?.csv", "\xc3\xa9.csv", true);
	check("??.csv", "\xc3\xa9.csv", false);
	check("[a-c]", "b", true);
	check("[a-c]", "d", false);
	check("[!a-c]", "d", true);
	check("[^a-c]", "b", false);
	check("[]x]", "]", true);
	check("[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true);
	check("[a-c", "[a-c", true);
	check("[\\]]", "]", true);
	check("\\*", "*", true);
	check("\\*", "a", false);
	check("2013-[01][0-9]/*.csv.gz", "2013-07/x.csv.gz", true);
	check("**/x", "x", true);
	check("**/x", "a/b/c/x", true);
	check("a/**/x", "a/x", true);
	check("a/**/x", "b/a/x", false);
	check("**/a/**/b", "1/a/2/a/3/b", true);
	check("**/a/**/b", "1/a/2/a/3/c", false);
	check("a/**", "a/b/c", true);
	check("a/**", "a", false);
	check("**/x", ".git/x", false);
	check("**", "a/b", true);
	check("a", "a/b", false);
	check("a/b", "a", false);
	unit_ok(mdl_pattern_has_wildcard("a*") && mdl_pattern_has_wildcard("[") && !mdl_pattern_has_wildcard("a\\*b"),
			"a wildcard after a backslash is none");
	mdl_pattern_literal(literal);
	unit_ok(strcmp(literal, "a*b\\") == 0, "backslashes are taken away");
	return unit_done();
}
