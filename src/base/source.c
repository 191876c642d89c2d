/*
 * source.c: the rows that a function works on, given as the name of a table or view, or as a query.
 *
 * Either becomes a FROM item of a statement that runs as the caller, so that grants and row-level security apply.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#define CITUS_TABLES "pg_dist_partition"	/* a row per distributed table … */
#define CITUS_TABLES_RELATION 1				/* … whose first column is its OID */

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

/*
 * Whether rows of the relation (InvalidOid: of a query) may lie on the workers of Citus.  Those would be asked for a part of
 * our aggregates and functions, but know neither the training nor the models.  A query or view may read anything.
 */
static bool
may_be_distributed(Oid relid)
{
	Oid			tables = get_relname_relid(CITUS_TABLES, PG_CATALOG_NAMESPACE);
	Relation	catalog;
	SysScanDesc scan;
	ScanKeyData key;
	bool		found;

	if (!OidIsValid(tables))
		return false;
	if (!OidIsValid(relid) || get_rel_relkind(relid) == RELKIND_VIEW)
		return true;
	catalog = table_open(tables, AccessShareLock);
	ScanKeyInit(&key, CITUS_TABLES_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
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
	/* What has an OFFSET is a statement of its own to Citus: its rows come here. */
	return may_be_distributed(found) ? psprintf("(SELECT * FROM %s AS source OFFSET 0)", from) : from;
}
