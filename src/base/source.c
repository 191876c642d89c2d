/*
 * source.c: the rows that a function works on, given as the name of a table or view, or as a query.
 *
 * Either becomes a FROM item of a statement that runs as the caller, so that grants and row-level security apply.
 */
#include "base/base.h"

#include "catalog/pg_class.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

/* Skips blanks, comments and opening parentheses. */
static const char *
skip_to_word(const char *text)
{
	for (;;)
	{
		text += strspn(text, " \t\r\n\f\v(");
		if (text[0] == '-' && text[1] == '-')
			text += strcspn(text, "\r\n");
		else if (text[0] == '/' && text[1] == '*')
		{
			const char *end = strstr(text + 2, "*/");

			if (end == NULL)
				return text;
			text = end + 2;
		}
		else
			return text;
	}
}

bool
mdl_source_is_query(const char *source)
{
	static const char *const words[] = {"select", "with", "values", "table"};
	const char *word = skip_to_word(source);

	for (int i = 0; i < lengthof(words); i++)
	{
		size_t		length = strlen(words[i]);
		char		next;

		if (pg_strncasecmp(word, words[i], length) != 0)
			continue;
		next = word[length];
		if (!((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9') ||
			  next == '_' || next == '$' || next == '.' || (unsigned char) next >= 128))
			return true;
	}
	return false;
}

static void
bad_source(const char *source)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"source\" must be the name of a table or view, or one SELECT"),
			 errdetail("The source is: %s", source)));
}

/* The text of the one SELECT in the query, without a semicolon behind it. */
static char *
single_select(const char *query)
{
	List	   *statements = raw_parser(query, RAW_PARSE_DEFAULT);
	RawStmt    *statement = list_length(statements) == 1 ? linitial_node(RawStmt, statements) : NULL;

	if (statement == NULL || !IsA(statement->stmt, SelectStmt) || ((SelectStmt *) statement->stmt)->intoClause != NULL)
		bad_source(query);
	if (statement->stmt_len > 0)
		return pnstrdup(query + statement->stmt_location, statement->stmt_len);
	return pstrdup(query + statement->stmt_location);
}

char *
mdl_source_from(const char *source, Oid *relid)
{
	Oid			found = InvalidOid;
	char	   *from;

	if (mdl_source_is_query(source))
		from = psprintf("(\n%s\n)", single_select(source));	/* the newline ends a comment */
	else
	{
		char		kind;
		List	   *parts;

		if (!SplitIdentifierString(pstrdup(source), '.', &parts) || parts == NIL)
			bad_source(source);
		found = mdl_relation_by_name(source, false);
		kind = get_rel_relkind(found);
		if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_VIEW &&
			kind != RELKIND_MATVIEW && kind != RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table or view", source)));
		from = mdl_qualified_name(found);
	}
	if (relid != NULL)
		*relid = found;
	return from;
}
